/* SPDX-License-Identifier: MIT */
/* A pair of sockets that keep boundaries stands for the TAP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "app/later.h"
#include "base/bytes.h"

struct scene {
	struct later *later;
	struct udp_inbox *inbox;
	uint8_t *inside; /* a place in the inbox */
	struct tap tap;
	int far;
};

static struct scene scene;

/* Where the inbox's memory is, only a received datagram tells. */
static uint8_t *receive_one(struct udp_inbox *inbox)
{
	struct addr here = { .family = ADDR_IPV4, .ip = { 127, 0, 0, 1 } };
	struct udp_received got[UDP_BATCH];
	struct udp udp;
	struct udp_message m = { .data = (const uint8_t *)"x", .len = 1, .segment = 1, .to = here };
	bool lost;

	assert_int_equal(udp_open(&udp, &here), 0);
	m.to = udp.local;
	udp_send(&udp, &m, 1, &lost);
	while (udp_receive(&udp, inbox, got) == 0)
		;
	udp_close(&udp);
	return got[0].data;
}

static int begin(void **state)
{
	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) < 0)
		return -1;
	scene = (struct scene){ .later = later_new(), .inbox = udp_inbox_new(), .far = pair[1] };
	scene.tap.fd = pair[0];
	scene.inside = receive_one(scene.inbox);
	return scene.later && scene.inbox ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	later_free(scene.later);
	udp_inbox_free(scene.inbox);
	close(scene.tap.fd);
	close(scene.far);
	return 0;
}

static bool put(uint8_t *headers, size_t n_headers, uint8_t *payload, size_t n_payload)
{
	const struct vnet vnet = { .hdr_len = 77 };
	struct iovec iov[3] = { { 0 }, { headers, n_headers }, { payload, n_payload } };

	return later_put(scene.later, scene.inbox, &vnet, iov, 3);
}

static void expect(const char *bytes)
{
	uint8_t got[1000];
	struct vnet vnet;
	ssize_t n = read(scene.far, got, sizeof(got));

	assert_int_equal(n, sizeof(vnet) + strlen(bytes));
	memcpy(&vnet, got, sizeof(vnet));
	assert_int_equal(vnet.hdr_len, 77);
	assert_memory_equal(got + sizeof(vnet), bytes, strlen(bytes));
}

static void test_order_and_bytes(void **state)
{
	uint8_t outside[] = "outside";

	(void)state;
	memcpy(scene.inside, "inbox", 5);
	assert_true(put(outside, 7, scene.inside, 5));
	memset(outside, '-', 7); /* it was copied */
	assert_true(put(scene.inside, 3, scene.inside + 3, 2));
	assert_int_equal(scene.later->copied, 7);
	assert_int_equal(later_write(scene.later, &scene.tap, NULL, clock_now()), 2);
	expect("outsideinbox");
	expect("inbox");
	assert_int_equal(later_write(scene.later, &scene.tap, NULL, clock_now()), 0);
	memcpy(outside, "another", 7);
	assert_true(put(outside, 7, outside, 0)); /* behind those that were written */
	assert_int_equal(later_write(scene.later, &scene.tap, NULL, clock_now()), 1);
	expect("another");
	assert_false(scene.later->failed);
	later_clear(scene.later);
	assert_int_equal(later_write(scene.later, &scene.tap, NULL, clock_now()), 0);
	assert_int_equal(scene.later->copied, 0);
}

/* Every bound holds, and a frame that has no room leaves no trace. */
static void test_full(void **state)
{
	static uint8_t large[LATER_COPIES];
	struct iovec many[LATER_PIECES + 1];
	const struct vnet vnet = { 0 };

	(void)state;
	assert_true(put(large, sizeof(large) - 10, large, 10));
	assert_false(put(large, 1, scene.inside, 1));
	assert_true(put(scene.inside, 1, scene.inside, 1));
	assert_int_equal(scene.later->n, 2);
	later_clear(scene.later);

	for (unsigned i = 0; i < LATER_FRAMES; i++)
		assert_true(put(scene.inside, 1, scene.inside, 1));
	assert_false(put(scene.inside, 1, scene.inside, 1));
	later_clear(scene.later);

	for (unsigned i = 0; i < COUNT_OF(many); i++)
		many[i] = (struct iovec){ scene.inside, 1 };
	assert_false(later_put(scene.later, scene.inbox, &vnet, many, COUNT_OF(many)));
	assert_true(later_put(scene.later, scene.inbox, &vnet, many, COUNT_OF(many) - 1));
	assert_false(put(scene.inside, 1, scene.inside, 1));
}

static int refuse(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	(void)ctx;
	(void)vnet;
	(void)iov;
	(void)n;
	return -EINVAL;
}

/* The port hears of what failed. */
static void test_failures_are_told(void **state)
{
	struct port port;

	(void)state;
	assert_true(port_init(&port, "port", refuse, NULL));
	port.up = true;
	memset(scene.inside, 1, 20);
	assert_true(put(scene.inside, 14, scene.inside, 6));
	assert_true(put(scene.inside, 14, scene.inside, 6));
	port.tx.frames = 2;
	port.tx.bytes = 40;
	later_write(scene.later, &scene.tap, NULL, clock_now());
	assert_false(scene.later->failed);
	later_settle(scene.later, &port);
	assert_int_equal(port.tx.frames, 2);
	later_clear(scene.later);

	assert_true(put(scene.inside, 14, scene.inside, 6));
	shutdown(scene.tap.fd, SHUT_WR);
	later_write(scene.later, &scene.tap, NULL, clock_now());
	assert_true(scene.later->failed);
	later_settle(scene.later, &port);
	assert_int_equal(port.tx.frames, 1);
	assert_int_equal(port.tx.bytes, 20);
	assert_int_equal(port.drops.count[DROP_PORT_REFUSED], 1);
	later_clear(scene.later);
	assert_false(scene.later->failed);
	port_free(&port);
}

/* A super-frame that was taken is told only while refusals are counted. */
static void test_success_ends_a_row_of_refusals(void **state)
{
	const struct vnet super = { .gso_type = VNET_GSO_TCPV4, .flags = VNET_F_NEEDS_CSUM };
	struct iovec iov[2] = { { 0 }, { scene.inside, 20 } };
	struct port port;

	(void)state;
	assert_true(port_init(&port, "port", refuse, NULL));
	port.refusals = PORT_REFUSALS - 1;
	assert_true(later_put(scene.later, scene.inbox, &super, iov, 2));
	later_write(scene.later, &scene.tap, NULL, clock_now());
	later_settle(scene.later, &port);
	assert_int_equal(port.refusals, 0);
	port_free(&port);
}

static void test_others_get_the_processor(void **state)
{
	uint8_t headers[] = "head", payload[] = "body";
	struct yield yield = { 0 };

	(void)state;
	for (unsigned i = 0; i < 2 * YIELD_FRAMES; i++)
		assert_true(put(headers, 4, payload, 4));
	assert_int_equal(later_write(scene.later, &scene.tap, &yield, clock_now()),
			 2 * YIELD_FRAMES);
	assert_int_equal(yield.calls, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order_and_bytes, begin, end),
		cmocka_unit_test_setup_teardown(test_full, begin, end),
		cmocka_unit_test_setup_teardown(test_failures_are_told, begin, end),
		cmocka_unit_test_setup_teardown(test_others_get_the_processor, begin, end),
		cmocka_unit_test_setup_teardown(test_success_ends_a_row_of_refusals, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
