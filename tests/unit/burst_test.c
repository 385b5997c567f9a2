/* SPDX-License-Identifier: MIT */
/* A pair of sockets that keep boundaries stands for the TAP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "app/burst.h"

static struct burst *burst;
static struct tap tap;
static int far;

static int begin(void **state)
{
	int pair[2], size = 8 << 20;

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) < 0)
		return -1;
	tap.fd = pair[0];
	far = pair[1];
	setsockopt(far, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	burst = burst_new();
	return burst ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	burst_free(burst);
	close(tap.fd);
	close(far);
	return 0;
}

static bool comes(uint8_t fill, size_t len)
{
	static uint8_t bytes[sizeof(struct vnet) + SUPERFRAME_MAX + 1];
	const struct vnet vnet = { .gso_size = (uint16_t)(fill * 3),
				   .gso_type = len > 10000 ? VNET_GSO_TCPV4 : VNET_GSO_NONE };

	memcpy(bytes, &vnet, sizeof(vnet));
	memset(bytes + sizeof(vnet), fill, len);
	return write(far, bytes, sizeof(vnet) + len) == (ssize_t)(sizeof(vnet) + len);
}

static void check_frame(unsigned i, uint8_t fill, size_t len)
{
	const struct burst_frame *f = &burst->frames[i];

	assert_int_equal(f->len, len);
	assert_int_equal(f->vnet.gso_size, fill * 3);
	assert_int_equal(f->bytes[0], fill);
	assert_int_equal(f->bytes[len - 1], fill);
}

/* The site writes before each frame; none of the others is harmed. */
static void test_frames_with_headroom(void **state)
{
	(void)state;
	for (uint8_t i = 1; i <= 3; i++)
		assert_true(comes(i, 100u * i));
	assert_int_equal(burst_read(burst, &tap), 0);
	assert_int_equal(burst->n, 3);
	assert_int_equal(burst->calls, 4); /* one in vain */
	for (unsigned i = 0; i < 3; i++)
		memset(burst->frames[i].bytes - SITE_HEADROOM, 0xee, SITE_HEADROOM);
	for (uint8_t i = 1; i <= 3; i++)
		check_frame(i - 1u, i, 100u * i);
	assert_int_equal(burst_read(burst, &tap), 0);
	assert_int_equal(burst->n, 0);
}

static void test_bounds(void **state)
{
	unsigned n = 0;

	(void)state;
	while (n < 2 * BURST_FRAMES && comes(1, 60))
		n++;
	assert_true(n > BURST_FRAMES);
	assert_int_equal(burst_read(burst, &tap), 1);
	assert_int_equal(burst->n, BURST_FRAMES);
	assert_int_equal(burst_read(burst, &tap), n == 2 * BURST_FRAMES);
	assert_int_equal(burst->n, n - BURST_FRAMES);
}

static void test_large_frames(void **state)
{
	(void)state;
	assert_true(comes(1, BURST_SUPERS - 1));
	assert_true(comes(2, SUPERFRAME_MAX));
	assert_true(comes(3, 60));
	assert_int_equal(burst_read(burst, &tap), 1);
	assert_int_equal(burst->n, 2);
	check_frame(0, 1, BURST_SUPERS - 1);
	check_frame(1, 2, SUPERFRAME_MAX);
	assert_int_equal(burst_read(burst, &tap), 0);
	assert_int_equal(burst->n, 1);
	check_frame(0, 3, 60);
}

/* The most that a burst may hold. */
static void test_a_large_frame_after_plain_ones(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		assert_true(comes(1, BURST_BYTES / 10 - 1));
	assert_true(comes(2, SUPERFRAME_MAX));
	assert_true(comes(3, 60));
	assert_int_equal(burst_read(burst, &tap), 1);
	assert_int_equal(burst->n, 11);
	check_frame(10, 2, SUPERFRAME_MAX);
}

static void test_oversize_is_counted(void **state)
{
	(void)state;
	assert_true(comes(1, 60));
	assert_true(comes(2, SUPERFRAME_MAX + 1));
	assert_true(comes(3, 60));
	assert_int_equal(burst_read(burst, &tap), 0);
	assert_int_equal(burst->n, 2);
	assert_int_equal(burst->oversize, 1);
	check_frame(1, 3, 60);
}

static void test_error_after_frames(void **state)
{
	struct tap closed = { .fd = -1 };

	(void)state;
	assert_int_equal(burst_read(burst, &closed), -EBADF);
	assert_int_equal(burst->n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_frames_with_headroom, begin, end),
		cmocka_unit_test_setup_teardown(test_bounds, begin, end),
		cmocka_unit_test_setup_teardown(test_large_frames, begin, end),
		cmocka_unit_test_setup_teardown(test_a_large_frame_after_plain_ones, begin, end),
		cmocka_unit_test_setup_teardown(test_oversize_is_counted, begin, end),
		cmocka_unit_test_setup_teardown(test_error_after_frames, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
