/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <cmocka.h>

#include "app/locals.h"
#include "base/bytes.h"
#include "lib/own_netns.h"

static struct locals locals;
static const struct addr none = { .family = ADDR_NONE };

static int set_up(void **state)
{
	(void)state;
	locals_init(&locals);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	locals_free(&locals);
	return 0;
}

static struct instant at(int64_t seconds)
{
	return (struct instant){ SECONDS(seconds) };
}

static struct addr ipv4(unsigned last)
{
	return (struct addr){ .family = ADDR_IPV4,
			      .port = 7741,
			      .ip = { 10, 0, 0, (uint8_t)last } };
}

static bool is_from(uint8_t socket, const struct addr *wanted)
{
	struct addr from = locals_from(&locals, socket);

	return addr_equal_host(&from, wanted);
}

static void test_numbers(void **state)
{
	struct addr one = ipv4(1), two = ipv4(2), six = { .family = ADDR_IPV6 };
	uint8_t a, b, c;

	(void)state;
	memcpy(six.ip, one.ip, sizeof(six.ip)); /* the same bytes */
	a = locals_socket(&locals, 3, &one, at(1));
	b = locals_socket(&locals, 3, &two, at(1));
	c = locals_socket(&locals, 5, &six, at(1));
	assert_int_equal(sockets_index(a), 3);
	assert_int_equal(sockets_index(c), 5);
	assert_true(is_from(a, &one));
	assert_true(is_from(b, &two));
	assert_true(is_from(c, &six));
	assert_int_equal(locals_socket(&locals, 3, &one, at(2)), a);
	assert_true(is_from(locals_socket(&locals, 0, &two, at(2)), &two)); /* of all sockets */
	assert_int_equal(locals_socket(&locals, 4, &none, at(2)), 4);
	assert_true(is_from(4, &none));
}

static void test_gone_and_back(void **state)
{
	struct addr one = ipv4(1), two = ipv4(2);
	uint8_t a = locals_socket(&locals, 0, &one, at(1));
	uint8_t b = locals_socket(&locals, 0, &two, at(1));

	(void)state;
	locals_sent(&locals, a, &one);
	assert_true(is_from(a, &one));
	locals_sent(&locals, a, &none);
	assert_true(is_from(a, &none));
	assert_true(is_from(b, &two));
	locals_sent(&locals, 0, &none); /* nobody's */
	assert_true(is_from(b, &two));
	assert_int_equal(locals_socket(&locals, 0, &one, at(2)), a);
	assert_true(is_from(a, &one));
}

/* More addresses than numbers. */
static void test_full(void **state)
{
	struct addr more = ipv4(100), third = ipv4(3);
	uint8_t socket;

	(void)state;
	for (unsigned i = 1; i <= SOCKETS_LOCALS; i++) {
		struct addr a = ipv4(i);

		assert_true(is_from(locals_socket(&locals, 7, &a, at(i)), &a));
	}
	assert_int_equal(locals_socket(&locals, 7, &more, at(40)), 7);
	for (unsigned i = 1; i <= SOCKETS_LOCALS; i++) { /* all but the third are in use */
		struct addr a = ipv4(i);

		if (i != 3)
			locals_socket(&locals, 7, &a, at(500));
	}
	assert_int_equal(locals_socket(&locals, 7, &more, at(602)), 7);
	socket = locals_socket(&locals, 7, &more, at(603));
	assert_int_equal(socket, sockets_make(7, 3));
	assert_true(is_from(socket, &more));
	assert_int_equal(locals_socket(&locals, 7, &third, at(603)), 7);
}

/* The way to the rest of the world is another one: what was said of the old is void. */
static void test_other_route(void **state)
{
	struct addr one = ipv4(1);
	uint8_t a;

	(void)state;
	if (!own_netns_enter())
		skip();
	assert_int_equal(
		system("ip link add d0 type veth peer name d1 && "
		       "ip addr add 10.0.0.1/24 dev d0 && ip addr add 10.1.0.1/24 dev d1 && "
		       "ip link set d0 up && ip link set d1 up && "
		       "ip route add default via 10.0.0.9"),
		0);
	locals_look(&locals);
	a = locals_socket(&locals, 0, &one, at(1));
	locals_look(&locals);
	assert_true(is_from(a, &one));
	assert_int_equal(system("ip route replace default via 10.1.0.9"), 0);
	locals_look(&locals);
	assert_true(is_from(a, &none));
	locals_socket(&locals, 0, &one, at(2));
	locals_look(&locals);
	assert_true(is_from(a, &one));
}

/* ---- several threads: an address is never a mixture ---- */

#define TURNS 20000

static struct addr striped(unsigned i)
{
	struct addr a = { .family = ADDR_IPV6 };

	memset(a.ip, (int)(1 + i % 200), sizeof(a.ip));
	return a;
}

static void *look(void *arg)
{
	unsigned *wrong = arg;

	for (unsigned i = 0; i < TURNS; i++) {
		struct addr a = locals_from(&locals, sockets_make(0, 1 + i % SOCKETS_LOCALS));

		*wrong += a.family &&
			  (a.family != ADDR_IPV6 || memcmp(a.ip, a.ip + 1, sizeof(a.ip) - 1) != 0);
	}
	return NULL;
}

/* Each call far later than the one before, so that numbers change hands. */
static void test_threads(void **state)
{
	unsigned wrong = 0;
	pthread_t reader;

	(void)state;
	assert_int_equal(pthread_create(&reader, NULL, look, &wrong), 0);
	for (unsigned i = 0; i < TURNS; i++) {
		struct addr a = striped(i);
		uint8_t socket = locals_socket(&locals, 0, &a, at(1 + 1000 * (int64_t)i));

		assert_int_not_equal(sockets_local(socket), 0);
		assert_true(is_from(socket, &a));
		if (i % 5 == 0)
			locals_sent(&locals, socket, &none);
	}
	pthread_join(reader, NULL);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_numbers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gone_and_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_route, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
