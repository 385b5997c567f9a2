/* SPDX-License-Identifier: MIT */
#include "app/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/identity.h"

json_t *answer_done(void)
{
	return json_pack("{s:b}", "ok", 1);
}

json_t *answer_refusal(int status, const char *text)
{
	return json_pack("{s:b,s:i,s:s}", "ok", 0, "status", status, "error", text);
}

json_t *answer_errors(int status, struct conf_errors *errors)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < errors->n; i++)
		json_array_append_new(lines, json_string(errors->lines[i]));
	conf_errors_free(errors);
	return json_pack("{s:b,s:i,s:o}", "ok", 0, "status", status, "errors", lines);
}

/* What members of a request are, whatever the verb. */
static const struct {
	const char *name;
	json_type type;
	const char *words;
} members[] = {
	{ "action", JSON_STRING, "text" },
	{ "address", JSON_STRING, "text" },
	{ "direction", JSON_STRING, "text" },
	{ "filter", JSON_STRING, "text" },
	{ "kind", JSON_STRING, "text" },
	{ "line", JSON_STRING, "text" },
	{ "name", JSON_STRING, "text" },
	{ "peer", JSON_STRING, "text" },
	{ "point", JSON_STRING, "text" },
	{ "port", JSON_STRING, "text" },
	{ "program", JSON_STRING, "text" },
	{ "way", JSON_STRING, "text" },
	{ "what", JSON_STRING, "text" },
	{ "last", JSON_INTEGER, "a whole number" },
	{ "snap", JSON_INTEGER, "a whole number" },
	{ "vlan", JSON_INTEGER, "a whole number" },
	{ "settings", JSON_ARRAY, "an array" },
};

static bool is_switch(const json_t *value)
{
	return !value || json_is_boolean(value);
}

/* A refusal when a member is of another type, or NULL. */
static json_t *refuse_type(const json_t *request)
{
	const char *name = NULL, *words = NULL;

	for (size_t i = 0; !name && i < COUNT_OF(members); i++) {
		const json_t *value = json_object_get(request, members[i].name);

		if (value && json_typeof(value) != members[i].type)
			name = members[i].name, words = members[i].words;
	}
	if (!name && !is_switch(json_object_get(request, "follow")))
		name = "follow", words = "true or false";
	if (!name)
		return NULL;
	return json_pack("{s:b,s:i,s:o}", "ok", 0, "status", 2, "error",
			 json_sprintf("%s must be %s", name, words));
}

static json_t *answer_object(const struct answer_verb *verbs, size_t n, void *ctx,
			     const char *request, bool privileged)
{
	json_t *object = json_loads(request, JSON_REJECT_DUPLICATES, NULL), *answer = NULL;
	const char *name = json_string_value(json_object_get(object, "verb"));

	for (size_t i = 0; name && !answer && i < n; i++) {
		if (strcmp(name, verbs[i].name) != 0)
			continue;
		if (verbs[i].changes && !privileged)
			answer = answer_refusal(1, "not permitted: root or the daemon's user only");
		else
			answer = refuse_type(object);
		if (!answer)
			answer = verbs[i].run(ctx, object);
	}
	if (!answer)
		answer = answer_refusal(2, object ? "no such verb"
						  : "the request is not a JSON object");
	json_decref(object);
	return answer;
}

char *answer_request(const struct answer_verb *verbs, size_t n, void *ctx, const char *request,
		     bool privileged, size_t *len)
{
	json_t *object = answer_object(verbs, n, ctx, request, privileged);
	char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);

	json_decref(object);
	*len = text ? strlen(text) : 0;
	return text;
}

void answer_put(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

void answer_count(json_t *object, const char *key, uint64_t value)
{
	answer_put(object, key, json_integer((json_int_t)value));
}

static json_t *escaped(const char *text)
{
	size_t room = 4 * strlen(text) + 1, used = 0;
	char *out = malloc(room);
	json_t *value;

	if (!out)
		return NULL;
	out[0] = '\0';
	for (; *text; text++)
		used += (size_t)snprintf(out + used, room - used,
					 *text >= 0x20 && *text < 0x7f ? "%c" : "\\x%02x",
					 (unsigned char)*text);
	value = json_string(out);
	free(out);
	return value;
}

void answer_text(json_t *object, const char *key, const char *text)
{
	json_t *value = text ? json_string(text) : json_null();

	answer_put(object, key, value ? value : escaped(text));
}

void answer_age(json_t *object, const char *key, struct instant then, struct instant now)
{
	answer_put(object, key,
		   then.us ? json_integer(instant_between(then, now) / 1000000) : json_null());
}

void answer_key(json_t *object, const uint8_t public_key[KEX_KEY])
{
	char text[KEX_TEXT], hex[IDENTITY_ID_TEXT];
	uint8_t id[IDENTITY_ID];

	kex_to_text(text, public_key);
	identity_id(id, public_key);
	bytes_to_hex(hex, id, sizeof(id));
	answer_text(object, "public_key", text);
	answer_text(object, "site_id", hex);
}
