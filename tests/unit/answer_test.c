/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/answer.h"
#include "base/bytes.h"
#include "../../src/app/conf_parts.h"

static int changed;

static json_t *run_look(void *ctx, json_t *request)
{
	json_t *answer = answer_done();

	answer_text(answer, "saw", json_string_value(json_object_get(request, "what")));
	answer_count(answer, "ctx", *(int *)ctx);
	return answer;
}

static json_t *run_change(void *ctx, json_t *request)
{
	(void)ctx;
	(void)request;
	changed++;
	return answer_done();
}

static json_t *run_load(void *ctx, json_t *request)
{
	struct conf_report report = { .file = "a.conf" };
	struct conf_errors why;

	(void)ctx;
	(void)request;
	conf_report_add(&report, 0, "[site] name: missing");
	conf_report_finish(&report, &why);
	return answer_errors(2, &why);
}

static void assert_answer(const char *request, bool privileged, const char *expected)
{
	static const struct answer_verb verbs[] = { { "look", false, run_look },
						    { "change", true, run_change },
						    { "load", false, run_load } };
	int ctx = 7;
	size_t len;
	char *got = answer_request(verbs, COUNT_OF(verbs), &ctx, request, privileged, &len);

	assert_string_equal(got, expected);
	assert_int_equal(len, strlen(expected));
	free(got);
}

static void test_verbs(void **state)
{
	(void)state;
	assert_answer("{\"verb\":\"look\",\"what\":\"x\"}", false,
		      "{\"ctx\":7,\"ok\":true,\"saw\":\"x\"}");
	assert_answer("{\"verb\":\"look\"}", false, "{\"ctx\":7,\"ok\":true,\"saw\":null}");
	assert_answer("{\"verb\":\"load\"}", false,
		      "{\"errors\":[\"a.conf: [site] name: missing\"],\"ok\":false,"
		      "\"status\":2}");
}

static void test_refused(void **state)
{
	(void)state;
	assert_answer("{\"verb\":\"change\"}", false,
		      "{\"error\":\"not permitted: root or the daemon's user only\",\"ok\":false,"
		      "\"status\":1}");
	assert_int_equal(changed, 0);
	assert_answer("{\"verb\":\"change\"}", true, "{\"ok\":true}");
	assert_int_equal(changed, 1);
	assert_answer("{\"verb\":\"dance\"}", true,
		      "{\"error\":\"no such verb\",\"ok\":false,\"status\":2}");
	assert_answer("{\"verb\":5}", true,
		      "{\"error\":\"no such verb\",\"ok\":false,\"status\":2}");
	assert_answer("{\"verb\":\"look\",\"verb\":\"look\"}", true,
		      "{\"error\":\"the request is not a JSON object\",\"ok\":false,\"status\":2}");
	assert_answer("", true,
		      "{\"error\":\"the request is not a JSON object\",\"ok\":false,\"status\":2}");
}

/* A member of another type is not taken as an absent one. */
static void test_types(void **state)
{
	static const char *const texts[] = { "action",	"address", "direction", "filter", "kind",
					     "line",	"name",	   "peer",	"point",  "port",
					     "program", "way",	   "what" };
	char request[80], expected[120];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		snprintf(request, sizeof(request), "{\"verb\":\"look\",\"%s\":7}", texts[i]);
		snprintf(expected, sizeof(expected),
			 "{\"error\":\"%s must be text\",\"ok\":false,\"status\":2}", texts[i]);
		assert_answer(request, false, expected);
	}
	assert_answer("{\"verb\":\"look\",\"what\":null}", false,
		      "{\"error\":\"what must be text\",\"ok\":false,\"status\":2}");
	assert_answer("{\"verb\":\"look\",\"last\":\"3\"}", false,
		      "{\"error\":\"last must be a whole number\",\"ok\":false,\"status\":2}");
	assert_answer("{\"verb\":\"look\",\"follow\":1}", false,
		      "{\"error\":\"follow must be true or false\",\"ok\":false,\"status\":2}");
	assert_answer("{\"verb\":\"change\",\"settings\":{}}", true,
		      "{\"error\":\"settings must be an array\",\"ok\":false,\"status\":2}");
	assert_int_equal(changed, 1); /* as before */
	assert_answer("{\"verb\":\"look\",\"what\":\"x\",\"last\":3,\"follow\":false,"
		      "\"settings\":[],\"vlan\":1,\"snap\":2}",
		      false, "{\"ctx\":7,\"ok\":true,\"saw\":\"x\"}");
}

/* A name from afar never makes an answer that is no JSON. */
static void test_any_text(void **state)
{
	json_t *object = json_object();
	char *text;

	(void)state;
	answer_text(object, "a", "br\xc3\xbc");
	answer_text(object, "b", "x\xff\n\"y");
	answer_text(object, "c", "");
	text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
	assert_string_equal(text,
			    "{\"a\":\"br\\u00FC\",\"b\":\"x\\\\xff\\\\x0a\\\"y\",\"c\":\"\"}");
	free(text);
	json_decref(object);
}

static void test_members(void **state)
{
	static const uint8_t key[KEX_KEY] = { 1 };
	json_t *object = json_object();
	char *text;

	(void)state;
	answer_age(object, "never", (struct instant){ 0 }, (struct instant){ SECONDS(9) });
	answer_age(object, "then", (struct instant){ 1 }, (struct instant){ SECONDS(9) });
	answer_key(object, key);
	text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, "{\"never\":null,"
				  "\"public_key\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","
				  "\"site_id\":\"01d0fabd251fcbbe\",\"then\":8}");
	free(text);
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verbs),	cmocka_unit_test(test_refused),
		cmocka_unit_test(test_types),	cmocka_unit_test(test_any_text),
		cmocka_unit_test(test_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
