/* SPDX-License-Identifier: MIT */
/* A socket that is bound to no address, on a host that has several on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "host/udp.h"
#include "lib/own_netns.h"

static uint8_t data[4000];
static struct udp_received got[UDP_BATCH];
static struct udp_inbox *inbox;
static bool ipv6;

static int set_up(void **state)
{
	(void)state;
	memset(data, 7, sizeof(data));
	inbox = udp_inbox_new();
	if (!own_netns_enter())
		return inbox ? 0 : -1;
	ipv6 = system("ip addr add fd00::1/128 dev lo nodad 2>/dev/null && "
		      "ip addr add fd00::2/128 dev lo nodad 2>/dev/null") == 0;
	return inbox ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	udp_inbox_free(inbox);
	return 0;
}

static struct addr address(const char *text, uint16_t port)
{
	struct addr a;

	assert_true(addr_parse(&a, text, port ? port : 1));
	a.port = port;
	return a;
}

static struct udp open_at(const char *text)
{
	struct addr a = address(text, 0);
	struct udp u;

	assert_int_equal(udp_open(&u, &a), 0);
	return u;
}

/* The next message that comes to u, which is read to its end before another one is. */
static const struct udp_received *receive(struct udp *u)
{
	static int n, next;
	struct pollfd p = { .fd = u->fd, .events = POLLIN };

	if (next == n) {
		assert_int_equal(poll(&p, 1, 1000), 1);
		n = udp_receive(u, inbox, got);
		assert_true(n > 0);
		next = 0;
	}
	return &got[next++];
}

/* Sends len bytes, in datagrams of segment, and gives what became of the message. */
static struct udp_message send_one(struct udp *u, const struct addr *to, const struct addr *from,
				   size_t len, size_t segment)
{
	struct udp_message m = {
		.data = data, .len = len, .segment = segment, .to = *to, .from = *from
	};
	bool lost;

	udp_send(u, &m, 1, &lost);
	return m;
}

static const struct addr nowhere = { .family = ADDR_NONE };

/* A caller calls the second address of a host; the answer of 3 datagrams. */
static void answer_as_called(const char *any, const char *caller, const char *called, bool gso)
{
	struct udp a = open_at(any), b = open_at(caller);
	struct addr to = address(called, a.local.port), local;
	struct udp_message m = send_one(&b, &to, &nowhere, 10, 10);
	const struct udp_received *r;
	size_t bytes = 0;

	a.gso = gso;
	r = receive(&a);
	local = r->local;
	assert_true(addr_equal(&local, &to));
	assert_true(addr_equal(&r->from, &b.local));
	m = send_one(&a, &b.local, &local, 2500, 1000);
	assert_int_equal(m.error, 0);
	assert_true(addr_equal(&m.from, &local));
	assert_int_equal(a.gso_refused, 0);
	while (bytes < 2500) {
		r = receive(&b);
		bytes += r->len;
		assert_true(addr_equal(&r->from, &to));
		assert_int_equal(r->local.family, ADDR_NONE);
	}
	send_one(&a, &b.local, &nowhere, 10, 10);
	assert_false(addr_equal(&receive(&b)->from, &to));
	udp_close(&a);
	udp_close(&b);
}

static void test_answer_from_the_address_called(void **state)
{
	(void)state;
	answer_as_called("0.0.0.0", "127.0.0.1", "127.0.0.2", true);
	answer_as_called("0.0.0.0", "127.0.0.1", "127.0.0.2", false);
}

static void test_answer_from_the_address_called_ipv6(void **state)
{
	(void)state;
	if (!ipv6)
		skip();
	answer_as_called("[::]", "[fd00::1]", "[fd00::2]", true);
	answer_as_called("[::]", "[fd00::1]", "[fd00::2]", false);
}

static void message(struct udp_message *m, size_t len, const struct udp *to, struct addr from)
{
	*m = (struct udp_message){
		.data = data, .len = len, .segment = len, .to = to->local, .from = from
	};
}

/* Messages from several addresses in one call. */
static void test_each_message_its_own(void **state)
{
	struct udp a = open_at("0.0.0.0"), b = open_at("127.0.0.1");
	struct udp_message m[3];
	bool lost;

	(void)state;
	message(&m[0], 10, &b, nowhere);
	message(&m[1], 11, &b, address("127.0.0.2", 0));
	message(&m[2], 12, &b, address("127.0.0.3", 0));
	udp_send(&a, m, 3, &lost);
	assert_int_equal(a.sent_calls, 1);
	for (unsigned i = 0; i < 3; i++) {
		const struct udp_received *r = receive(&b);

		assert_int_equal(r->len, 10 + i);
		assert_int_equal(r->from.ip[3], 1 + i);
	}
	udp_close(&a);
	udp_close(&b);
}

/* All arrives, from another address, and no more is concluded than that. */
static void send_from_gone(struct udp *a, struct udp *b, const struct addr *gone)
{
	struct udp_message m = send_one(a, &b->local, gone, 2500, 1000);
	size_t bytes = 0;

	assert_int_equal(m.error, 0);
	assert_int_equal(m.from.family, ADDR_NONE);
	while (bytes < 2500) {
		const struct udp_received *r = receive(b);

		bytes += r->len;
		assert_false(addr_equal_host(&r->from, gone));
	}
	assert_int_equal(a->sent_dropped, 0);
	assert_int_equal(a->gso_refused, 0);
	assert_int_equal(a->gso_error, 0);
}

static void gone(const char *any, const char *peer, const char *away)
{
	struct udp a = open_at(any), b = open_at(peer);
	struct addr from = address(away, 0);

	send_from_gone(&a, &b, &from);
	assert_true(a.gso);
	a.gso = false;
	send_from_gone(&a, &b, &from);
	udp_close(&a);
	udp_close(&b);
}

static void test_address_that_is_gone(void **state)
{
	(void)state;
	gone("0.0.0.0", "127.0.0.1", "198.51.100.7");
	if (ipv6)
		gone("[::]", "[fd00::1]", "[fd00::7]");
}

/* In the middle of others, which keep theirs. */
static void test_one_of_many_is_gone(void **state)
{
	struct udp a = open_at("0.0.0.0"), b = open_at("127.0.0.1");
	struct udp_message m[3];
	bool lost;

	(void)state;
	message(&m[0], 10, &b, address("127.0.0.3", 0));
	message(&m[1], 11, &b, address("198.51.100.7", 0));
	message(&m[2], 12, &b, address("127.0.0.3", 0));
	udp_send(&a, m, 3, &lost);
	for (unsigned i = 0; i < 3; i++) {
		const struct udp_received *r = receive(&b);

		assert_int_equal(m[i].error, 0);
		assert_int_equal(r->len, 10 + i);
		assert_int_equal(r->from.ip[3], i == 1 ? 1 : 3);
		assert_int_equal(m[i].from.family, i == 1 ? ADDR_NONE : ADDR_IPV4);
	}
	udp_close(&a);
	udp_close(&b);
}

/* UDP_SEGMENT is refused on a socket without checksums: told apart from an address that
 * is gone, and each datagram leaves from where it should. */
static void refused_batch(const struct addr *from, unsigned last_byte, unsigned family)
{
	struct udp a = open_at("0.0.0.0"), b = open_at("127.0.0.1");
	struct udp_message m;
	int one = 1;

	assert_int_equal(setsockopt(a.fd, SOL_SOCKET, SO_NO_CHECK, &one, sizeof(one)), 0);
	m = send_one(&a, &b.local, from, 2500, 1000);
	assert_int_equal(m.error, 0);
	assert_int_equal(m.from.family, family);
	assert_false(a.gso);
	assert_int_equal(a.gso_refused, 1);
	assert_int_equal(a.sent_dropped, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(receive(&b)->from.ip[3], last_byte);
	udp_close(&a);
	udp_close(&b);
}

static void test_batch_that_is_refused(void **state)
{
	struct addr good = address("127.0.0.3", 0), away = address("198.51.100.7", 0);

	(void)state;
	refused_batch(&good, 3, ADDR_IPV4);
	refused_batch(&away, 1, ADDR_NONE);
}

/* There is no way at all: not the address is to blame. */
static void test_no_route(void **state)
{
	struct udp a = open_at("0.0.0.0");
	struct addr from = address("127.0.0.2", 0), to = address("203.0.113.5", 9), source;
	struct udp_message m;

	(void)state;
	if (udp_route_source(&to, &source))
		skip(); /* not in a namespace of its own */
	m = send_one(&a, &to, &from, 10, 10);
	assert_int_equal(m.error, ENETUNREACH);
	assert_int_equal(m.from.family, ADDR_IPV4);
	assert_int_equal(a.sent_dropped, 1);
	udp_close(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer_from_the_address_called),
		cmocka_unit_test(test_answer_from_the_address_called_ipv6),
		cmocka_unit_test(test_each_message_its_own),
		cmocka_unit_test(test_address_that_is_gone),
		cmocka_unit_test(test_one_of_many_is_gone),
		cmocka_unit_test(test_batch_that_is_refused),
		cmocka_unit_test(test_no_route),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
