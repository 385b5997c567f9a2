/* SPDX-License-Identifier: MIT */
/*
 * The kernel as the judge: a super-frame goes out by a packet socket through a
 * TAP without offloads, so the kernel has to cut it, and what is read from the
 * TAP must be what superframe_cut makes, byte for byte.
 *
 *	packet socket --> "cut0", no TSO, no USO, no checksums --> read(2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/superframe.h"
#include "lib/frames.h"
#include "lib/own_netns.h"

#define SEGMENT_ROOM 10000
#define END_TYPE 0x88b5 /* for local experiments: closes each run */

static int tap = -1;
static int sock = -1;
static int ifindex;

static void up(const char *name)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	assert_int_equal(ioctl(sock, SIOCGIFINDEX, &ifr), 0);
	ifindex = ifr.ifr_ifindex;
	ifr.ifr_mtu = 9000;
	assert_int_equal(ioctl(sock, SIOCSIFMTU, &ifr), 0);
	ifr.ifr_flags = IFF_UP | IFF_RUNNING | IFF_NOARP;
	assert_int_equal(ioctl(sock, SIOCSIFFLAGS, &ifr), 0);
}

static int set_up(void **state)
{
	struct ifreq ifr = { .ifr_name = "cut0", .ifr_flags = IFF_TAP | IFF_NO_PI };
	int one = 1;

	(void)state;
	if (!own_netns_enter())
		return 0;
	tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (tap < 0 || ioctl(tap, TUNSETIFF, &ifr) < 0) {
		fprintf(stderr, "skipped: no TAP here (%s)\n", strerror(errno));
		return 0;
	}
	sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(sock >= 0);
	assert_int_equal(setsockopt(sock, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	up("cut0");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(sock);
	close(tap);
	return 0;
}

static void send_frame(const uint8_t *frame, size_t len, const struct vnet *vnet)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = ifindex, .sll_halen = 6 };
	struct iovec iov[2] = { { (void *)(uintptr_t)vnet, sizeof(*vnet) },
				{ (void *)(uintptr_t)frame, len } };
	struct msghdr msg = {
		.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = iov, .msg_iovlen = 2
	};

	memcpy(&to.sll_protocol, frame + 12, 2);
	assert_int_equal(sendmsg(sock, &msg, 0), sizeof(*vnet) + len);
}

/* The kernel drops a super-frame of one segment: such a one is plain to it. */
static void send_superframe(const struct frame *f, const struct frame_spec *spec)
{
	struct vnet vnet = f->vnet;

	if (spec->payload <= spec->gso_size) {
		vnet.gso_type = VNET_GSO_NONE;
		vnet.gso_size = 0;
	}
	send_frame(f->bytes, f->len, &vnet);
}

static void send_end(void)
{
	uint8_t frame[60] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, END_TYPE >> 8, END_TYPE & 0xff };
	struct vnet plain = { 0 };

	send_frame(frame, sizeof(frame), &plain);
}

/* The next frame of ours that the kernel sent; 0 for the closing one. */
static size_t read_segment(uint8_t out[SEGMENT_ROOM])
{
	static const uint8_t ours[6] = { 2, 0, 0, 0, 0, 1 };
	struct pollfd poll_tap = { .fd = tap, .events = POLLIN };

	for (;;) {
		ssize_t n = read(tap, out, SEGMENT_ROOM);

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			assert_int_equal(poll(&poll_tap, 1, 5000), 1);
		} else if (n >= 14 && memcmp(out + 6, ours, 6) == 0) {
			return be16_get(out + 12) == END_TYPE ? 0 : (size_t)n;
		}
	}
}

static void differ(const char *name, size_t segment, const uint8_t *kernel, size_t kernel_len,
		   const uint8_t *our, size_t our_len)
{
	size_t i = 0;

	while (i < MIN(kernel_len, our_len) && kernel[i] == our[i])
		i++;
	fail_msg("%s: segment %zu differs at byte %zu of %zu (kernel) and %zu (ours): %02x, %02x",
		 name, segment, i, kernel_len, our_len, kernel[i], our[i]);
}

/* How many segments the kernel made of it. */
static size_t compare_frame(const struct frame *f, const struct frame_spec *spec)
{
	static uint8_t kernel[SEGMENT_ROOM], ours[SEGMENT_ROOM];
	struct superframe_layout layout;
	struct superframe_cut cut;
	struct vnet vnet;
	size_t kernel_len, count = 0;

	if (!superframe_valid(f->bytes, f->len, f->len, &f->vnet, &layout))
		fail_msg("%s: not valid", spec->name);
	send_superframe(f, spec);
	send_end();
	superframe_cut_begin(&cut, f->bytes, f->len, &f->vnet, &layout, true);
	while ((kernel_len = read_segment(kernel))) {
		size_t our_len = superframe_cut_next(&cut, ours, sizeof(ours), &vnet);

		if (our_len != kernel_len || memcmp(ours, kernel, our_len) != 0)
			differ(spec->name, count, kernel, kernel_len, ours, our_len);
		assert_int_equal(vnet.gso_type, VNET_GSO_NONE);
		assert_false(vnet.flags & VNET_F_NEEDS_CSUM);
		count++;
	}
	if (cut.offset != spec->payload)
		fail_msg("%s: the kernel stopped after %zu segments", spec->name, count);
	assert_int_equal(superframe_cut_next(&cut, ours, sizeof(ours), &vnet), 0);
	return count;
}

static size_t compare(const struct frame_spec *spec)
{
	static struct frame f;

	frame_make(&f, spec);
	return compare_frame(&f, spec);
}

#define TS .tcp_options = frame_timestamps, .tcp_options_len = 12
#define ALL (FRAME_FIN | FRAME_PSH | FRAME_ACK | FRAME_ECE | FRAME_CWR)

static const struct frame_spec specs[] = {
	{ .name = "v4", .gso_size = 1460, .payload = 14600, .tcp_flags = FRAME_ACK, .id = 1 },
	{ .name = "v4 full", TS, .gso_size = 1448, .payload = 65160, .tcp_flags = FRAME_ACK },
	{ .name = "v4 short tail",
	  TS,
	  .gso_size = 1448,
	  .payload = 1448 * 3 + 1,
	  .tcp_flags = ALL },
	{ .name = "v4 odd sizes", TS, .gso_size = 1001, .payload = 7777, .tcp_flags = ALL },
	{ .name = "v4 one segment", TS, .gso_size = 1448, .payload = 1448, .tcp_flags = ALL },
	{ .name = "v4 less than one", .gso_size = 1448, .payload = 5, .tcp_flags = ALL, .id = 9 },
	{ .name = "v4 tiny segments", .gso_size = 8, .payload = 250, .tcp_flags = ALL },
	{ .name = "v4 cwr, ecn", .gso_size = 500, .payload = 1600, .tcp_flags = ALL, .ecn = true },
	{ .name = "v4 seq and id wrap",
	  TS,
	  .gso_size = 1448,
	  .payload = 30000,
	  .seq = 0xfffff000,
	  .id = 0xfffe,
	  .tcp_flags = FRAME_ACK | FRAME_PSH },
	{ .name = "v4 options",
	  .ip_options = 8,
	  .gso_size = 1200,
	  .payload = 5000,
	  .tcp_flags = FRAME_ACK | FRAME_FIN },
	{ .name = "v4 all options",
	  .ip_options = 40,
	  TS,
	  .gso_size = 1200,
	  .payload = 5000,
	  .tcp_flags = ALL },
	{ .name = "v4 vlan",
	  .tags = { 0x8100 },
	  TS,
	  .gso_size = 1448,
	  .payload = 40000,
	  .tcp_flags = ALL,
	  .ecn = true },
	{ .name = "v4 qinq",
	  .tags = { 0x88a8, 0x8100 },
	  TS,
	  .gso_size = 1448,
	  .payload = 40001,
	  .tcp_flags = ALL },
	{ .name = "v6", .v6 = true, .gso_size = 1440, .payload = 14400, .tcp_flags = FRAME_ACK },
	{ .name = "v6 all flags",
	  .v6 = true,
	  TS,
	  .gso_size = 1428,
	  .payload = 9999,
	  .tcp_flags = ALL,
	  .ecn = true,
	  .seq = 0xffffffff },
	{ .name = "v6 one segment",
	  .v6 = true,
	  TS,
	  .gso_size = 1428,
	  .payload = 1428,
	  .tcp_flags = ALL },
	{ .name = "v6 vlan",
	  .v6 = true,
	  .tags = { 0x8100 },
	  TS,
	  .gso_size = 1428,
	  .payload = 30003,
	  .tcp_flags = ALL },
	{ .name = "v6 qinq",
	  .v6 = true,
	  .tags = { 0x88a8, 0x8100 },
	  .gso_size = 1440,
	  .payload = 64000,
	  .tcp_flags = FRAME_ACK | FRAME_PSH },
	{ .name = "v6 tag twice",
	  .v6 = true,
	  .tags = { 0x8100, 0x8100 },
	  .gso_size = 8000,
	  .payload = 64000,
	  .tcp_flags = FRAME_ACK | FRAME_PSH },
	{ .name = "uso v4", .udp = true, .gso_size = 1200, .payload = 12000, .id = 0xfffa },
	{ .name = "uso v4 short tail", .udp = true, .gso_size = 1472, .payload = 1472 * 9 + 3 },
	{ .name = "uso v4 odd", .udp = true, .gso_size = 333, .payload = 10001, .ip_options = 4 },
	{ .name = "uso v4 one segment", .udp = true, .gso_size = 1200, .payload = 1200, .id = 3 },
	{ .name = "uso v4 less than one", .udp = true, .gso_size = 1200, .payload = 7 },
	{ .name = "uso v4 vlan",
	  .udp = true,
	  .tags = { 0x8100 },
	  .gso_size = 1200,
	  .payload = 50000 },
	{ .name = "uso v6", .udp = true, .v6 = true, .gso_size = 1232, .payload = 12321 },
	{ .name = "uso v6 qinq",
	  .udp = true,
	  .v6 = true,
	  .tags = { 0x88a8, 0x8100 },
	  .gso_size = 1232,
	  .payload = 50001 },
};

static void need_kernel(void)
{
	if (sock < 0)
		skip();
}

static void cuts_as_the_kernel_does(void **state)
{
	size_t i;

	(void)state;
	need_kernel();
	for (i = 0; i < COUNT_OF(specs); i++)
		assert_int_equal(compare(&specs[i]),
				 (specs[i].payload + specs[i].gso_size - 1) / specs[i].gso_size);
}

/* Many sequence numbers and sizes, so that rare sums (0, 0xffff) come by. */
static void cuts_as_the_kernel_does_many(void **state)
{
	uint32_t x = 1;
	int i;

	(void)state;
	need_kernel();
	for (i = 0; i < 1500; i++) {
		struct frame_spec spec = specs[(size_t)i % COUNT_OF(specs)];

		x = x * 1664525 + 1013904223;
		spec.seq = x;
		spec.id = (uint16_t)(x >> 7);
		spec.gso_size = (uint16_t)(100 + (x >> 8) % 1349);
		spec.payload = (size_t)spec.gso_size * (x >> 28) + (x >> 16) % spec.gso_size + 1;
		compare(&spec);
	}
}

/* A word of the first segment's payload is set so that its sum comes to zero. */
static void zero_sum(struct frame *f)
{
	static uint8_t segment[SEGMENT_ROOM];
	struct superframe_layout layout;
	struct superframe_cut cut;
	struct vnet vnet;

	memset(f->bytes + f->headers, 0, 2);
	assert_true(superframe_valid(f->bytes, f->len, f->len, &f->vnet, &layout));
	superframe_cut_begin(&cut, f->bytes, f->len, &f->vnet, &layout, true);
	assert_true(superframe_cut_next(&cut, segment, sizeof(segment), &vnet) > f->headers);
	memcpy(f->bytes + f->headers, segment + f->l4 + (f->vnet.csum_offset), 2);
}

static void writes_zero_sums_as_the_kernel_does(void **state)
{
	static struct frame f;
	size_t i;

	(void)state;
	need_kernel();
	for (i = 0; i < 4; i++) {
		struct frame_spec spec = {
			.v6 = i & 1, .udp = i & 2, .gso_size = 1000, .payload = 2500, .name = "zero"
		};

		frame_make(&f, &spec);
		zero_sum(&f);
		assert_int_equal(compare_frame(&f, &spec), 3);
	}
}

static void finishes_checksums_as_the_kernel_does(void **state)
{
	static uint8_t kernel[SEGMENT_ROOM];
	static struct frame f;
	size_t i;

	(void)state;
	need_kernel();
	for (i = 0; i < 4 * 200; i++) {
		struct frame_spec spec = { .v6 = i & 1, .udp = i & 2, .payload = i / 4 };

		frame_make(&f, &spec);
		send_frame(f.bytes, f.len, &f.vnet);
		send_end();
		assert_int_equal(read_segment(kernel), f.len);
		superframe_checksum(f.bytes, f.len, &f.vnet);
		assert_memory_equal(f.bytes, kernel, f.len);
		assert_int_equal(read_segment(kernel), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_as_the_kernel_does),
		cmocka_unit_test(cuts_as_the_kernel_does_many),
		cmocka_unit_test(writes_zero_sums_as_the_kernel_does),
		cmocka_unit_test(finishes_checksums_as_the_kernel_does),
	};

	return cmocka_run_group_tests_name("superframe_kernel", tests, set_up, tear_down);
}
