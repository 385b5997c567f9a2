/* SPDX-License-Identifier: MIT */
/* What is written is read back by the library that others use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "app/log_json.h"

static char text[LOG_FORM_BYTES];

static json_t *read_back(const struct log_field *fields, size_t room)
{
	const struct log_record record = { .level = LOG_LEVEL_WARN,
					   .program = "prog",
					   .event = "peer-up",
					   .message = "peer up",
					   .fields = fields,
					   .wall = 1767225600123456 };
	size_t len = log_json_numbered(&record, 7, text, room);
	json_error_t error;
	json_t *object;

	assert_true(len <= room);
	assert_null(memchr(text, '\n', len));
	object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!object)
		fail_msg("%s: %.*s", error.text, (int)len, text);
	return object;
}

static const char *member(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void test_a_record_is_an_object(void **state)
{
	json_t *object = read_back((const struct log_field[]){ log_text("peer", "paris"),
							       log_number("n", -5),
							       log_text("none", NULL), LOG_END },
				   sizeof(text));

	(void)state;
	assert_string_equal(member(object, "time"), "2026-01-01T00:00:00.123Z");
	assert_string_equal(member(object, "level"), "warn");
	assert_string_equal(member(object, "program"), "prog");
	assert_string_equal(member(object, "event"), "peer-up");
	assert_string_equal(member(object, "message"), "peer up");
	assert_string_equal(member(object, "peer"), "paris");
	assert_int_equal(json_integer_value(json_object_get(object, "n")), -5);
	assert_int_equal(json_integer_value(json_object_get(object, "seq")), 7);
	assert_null(json_object_get(object, "none"));
	assert_null(json_object_get(object, "held"));
	assert_null(json_object_get(object, "cut"));
	json_decref(object);
}

static void test_values_of_any_bytes(void **state)
{
	static const struct {
		const char *value, *shown;
	} table[] = {
		{ "", "" },
		{ "say \"x\" \\ y", "say \"x\" \\ y" },
		{ "a\nb\t\033[2J\177", "a\nb\t\033[2J\177" },
		{ "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80" },
		{ "\xff\xc0\xaf|\xc2\x9b|\xed\xa0\x80", "\\xff\\xc0\\xaf|\\xc2\\x9b|\\xed\\xa0\\x80" },
		{ "cut \xe2\x82", "cut \\xe2\\x82" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		json_t *object = read_back(
			(const struct log_field[]){ log_text("v", table[i].value), LOG_END },
			sizeof(text));

		assert_string_equal(member(object, "v"), table[i].shown);
		json_decref(object);
	}
	/* No control character reaches the line itself. */
	for (size_t i = 0; text[i] && text[i] != '}'; i++)
		assert_true((uint8_t)text[i] >= 0x20);
}

static void test_long_values_are_cut(void **state)
{
	char value[3000];
	json_t *object;

	(void)state;
	memset(value, 'a', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	object = read_back((const struct log_field[]){ log_text("v", value), log_number("n", 1),
						       LOG_END },
			   sizeof(text));
	assert_in_range(strlen(member(object, "v")), 390, 410);
	assert_string_equal(member(object, "v") + strlen(member(object, "v")) - 4, "a...");
	assert_int_equal(json_integer_value(json_object_get(object, "n")), 1);
	json_decref(object);
}

/* Whatever the room, there is one whole object. */
static void test_any_room(void **state)
{
	const struct log_field fields[] = { log_text("peer", "paris \n\"\xff"),
					    log_number("number", INT64_MIN),
					    log_text("more", "gr\xc3\xbc\xc3\x9f"), LOG_END };
	json_t *object;

	(void)state;
	for (size_t room = 100; room < 400; room++) {
		object = read_back(fields, room);
		assert_true(room > 250 ? !json_object_get(object, "cut")
				       : room < 180 ? json_is_true(json_object_get(object, "cut"))
						    : true);
		json_decref(object);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_record_is_an_object),
		cmocka_unit_test(test_values_of_any_bytes),
		cmocka_unit_test(test_long_values_are_cut),
		cmocka_unit_test(test_any_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
