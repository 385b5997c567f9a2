/* SPDX-License-Identifier: MIT */
/*
 * Public known answers, JSON files in the folder "vectors" of LANSPAN_SHARED
 * (default "../shared", seen from the project's top).  They are not part of
 * the project: without the folder a test that asks for them is skipped.
 */
#ifndef TESTS_UNIT_LIBVECTORS_H
#define TESTS_UNIT_LIBVECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

/* Bytes on the heap, exactly as many as there are, so that the sanitiser sees
 * a read behind them. */
struct vector {
	uint8_t *p;
	size_t len;
};

/* The file of that name; the caller drops it with json_decref.  Skips the test
 * when the folder is missing, fails it when the file is. */
json_t *vectors_load(const char *name);

/* The hex string in that field of an object; empty when there is no such
 * field.  The caller frees p. */
struct vector vector_get(const json_t *object, const char *field);
void vector_free(struct vector *v);

/* The text in that field, "" when there is none. */
const char *vector_text(const json_t *object, const char *field);
bool vector_is(const json_t *object, const char *field, const char *text);

/* The number in that field. */
long vector_number(const json_t *object, const char *field);

/*
 * Calls each with every test of every group of a Wycheproof file; it returns
 * true when it used the test.  Fails when none was used, and says how many.
 */
void vectors_each(const char *name, bool (*each)(const json_t *group, const json_t *test));

#endif
