/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "unit/libvectors.h"

json_t *vectors_load(const char *name)
{
	const char *shared = getenv("LANSPAN_SHARED");
	char path[4096];
	json_error_t error;
	json_t *root;

	shared = shared && *shared ? shared : "../shared";
	snprintf(path, sizeof(path), "%s/vectors", shared);
	if (access(path, R_OK | X_OK) != 0) {
		print_message("no known answers at %s: skipped\n", path);
		skip();
	}
	snprintf(path, sizeof(path), "%s/vectors/%s", shared, name);
	root = json_load_file(path, 0, &error);
	if (!root)
		fail_msg("%s: %s", path, error.text);
	return root;
}

static uint8_t digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	if (!at)
		fail_msg("not a hex digit: '%c'", c);
	return (uint8_t)(at - digits);
}

struct vector vector_get(const json_t *object, const char *field)
{
	const char *hex = vector_text(object, field);
	struct vector v = { .len = strlen(hex) / 2 };

	v.p = malloc(v.len);
	for (size_t i = 0; i < v.len; i++)
		v.p[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
	return v;
}

void vector_free(struct vector *v)
{
	free(v->p);
	v->p = NULL;
}

const char *vector_text(const json_t *object, const char *field)
{
	const char *text = json_string_value(json_object_get(object, field));

	return text ? text : "";
}

bool vector_is(const json_t *object, const char *field, const char *text)
{
	return strcmp(vector_text(object, field), text) == 0;
}

long vector_number(const json_t *object, const char *field)
{
	return (long)json_integer_value(json_object_get(object, field));
}

void vectors_each(const char *name, bool (*each)(const json_t *group, const json_t *test))
{
	json_t *root = vectors_load(name);
	const json_t *group, *test;
	size_t i, j, used = 0, all = 0;

	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		json_array_foreach(json_object_get(group, "tests"), j, test)
		{
			used += each(group, test);
			all++;
		}
	}
	print_message("%s: %zu of %zu used\n", name, used, all);
	json_decref(root);
	assert_true(used > 0);
}
