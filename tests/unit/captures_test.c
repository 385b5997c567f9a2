/* SPDX-License-Identifier: MIT */
/* A control socket whose only verb is capture, and readers who are plain sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "app/captures.h"
#include "app/event.h"
#include "base/bytes.h"
#include "host/capture.h"

#define LOOK_MAX 2048 /* bytes of a frame in pieces that a filter sees, as lanspan(8) has it */

static char folder[64], path[100];
static struct loop loop;
static struct ctlsock *ctl;
static struct captures captures;
static struct captures_where where;
static unsigned changes;
static struct instant now;

static char *handle(void *ctx, const char *request, bool privileged, size_t *len)
{
	json_t *object = json_loads(request, 0, NULL);
	json_t *answer = captures_begin(&captures, ctl, object, &where);
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

	(void)ctx;
	assert_true(privileged);
	json_decref(object);
	json_decref(answer);
	*len = text ? strlen(text) : 0;
	return text;
}

static void note_change(void *ctx)
{
	assert_ptr_equal(ctx, &changes);
	changes++;
}

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/captures_test_XXXXXX");
	if (!mkdtemp(folder) || loop_init(&loop) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/a.sock", folder);
	memset(&captures, 0, sizeof(captures));
	captures_init(&captures, &loop, note_change, &changes);
	changes = 0;
	where = (struct captures_where){ .point = CAPTURES_PORT };
	now = loop.now;
	return ctlsock_open(&ctl, &loop, path, handle, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	ctlsock_close(ctl);
	captures_free(&captures);
	loop_free(&loop);
	return rmdir(folder);
}

static void turn(int times)
{
	for (int i = 0; i < times; i++)
		assert_int_equal(loop_turn(&loop, (struct instant){ 0 }), 0);
}

static size_t get(int fd, uint8_t *out, size_t len)
{
	size_t used = 0;

	for (unsigned tries = 0; used < len && tries < 1000; tries++) {
		ssize_t n = recv(fd, out + used, len - used, MSG_DONTWAIT);

		used += n > 0 ? (size_t)n : 0;
		turn(1);
	}
	return used;
}

/* Asks with these members; *answer is the line. */
static int ask(const char *members, char answer[200])
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char line[CTLSOCK_REQUEST];
	size_t used = 0;

	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	snprintf(line, sizeof(line), "{\"verb\":\"capture\"%s}\n", members);
	assert_int_equal(send(fd, line, strlen(line), 0), strlen(line));
	turn(4);
	while (used < 199 && get(fd, (uint8_t *)answer + used, 1) == 1 && answer[used] != '\n')
		used++;
	answer[used] = '\0';
	return fd;
}

static int begin(const char *members)
{
	char answer[200];
	int fd = ask(members, answer);

	assert_non_null(strstr(answer, "\"ok\":true"));
	return fd;
}

static void refused(const char *members, const char *why)
{
	char answer[200];

	close(ask(members, answer));
	assert_non_null(strstr(answer, "\"ok\":false"));
	assert_non_null(strstr(answer, why));
	turn(2);
}

static const struct vnet super = { VNET_F_NEEDS_CSUM, VNET_GSO_TCPV4, 54, 1448, 34, 16 };

static void frame(unsigned port, unsigned direction, const void *bytes, size_t len)
{
	struct iovec iov = { (void *)bytes, len };

	captures_port(&captures, port, direction, &super, &iov, 1, now);
}

static void expect(int fd, unsigned direction, const void *bytes, size_t have, size_t len)
{
	uint8_t head[CAPTURES_HEADER], body[4096];
	int64_t age;

	assert_int_equal(get(fd, head, sizeof(head)), sizeof(head));
	assert_int_equal(be32_get(head), have);
	assert_int_equal(be32_get(head + 4), len);
	age = clock_wall_us() - (int64_t)be64_get(head + 8);
	assert_true(age >= 0 && age < SECONDS(60));
	assert_int_equal(head[16], direction);
	assert_int_equal(get(fd, body, have), have);
	assert_memory_equal(body, bytes, have);
}

static void expect_nothing(int fd)
{
	uint8_t byte;

	turn(3);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static uint64_t count(unsigned n, const char *name)
{
	json_t *report = captures_report(&captures);
	uint64_t value =
		(uint64_t)json_integer_value(json_object_get(json_array_get(report, n), name));

	json_decref(report);
	return value;
}

static void test_off(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CAPTURES_POINTS; i++)
		assert_false(captures_on(&captures, (enum captures_point)i));
	frame(0, CAPTURES_IN, "nobody looks", 12);
	assert_int_equal(count(0, "packets"), 0);
}

static void test_records(void **state)
{
	const char *bytes = "all frames look like this";
	uint8_t head[CAPTURES_HEADER];
	int fd = begin("");

	(void)state;
	assert_true(captures_on(&captures, CAPTURES_PORT));
	assert_false(captures_on(&captures, CAPTURES_WIRE));
	frame(0, CAPTURES_IN, bytes, 20);
	frame(1, CAPTURES_IN, bytes, 21); /* another port's */
	frame(0, CAPTURES_OUT, bytes, 22);
	expect(fd, CAPTURES_IN, bytes, 20, 20);
	expect(fd, CAPTURES_OUT, bytes, 22, 22);
	frame(0, CAPTURES_IN, bytes, 0);
	assert_int_equal(get(fd, head, sizeof(head)), sizeof(head));
	assert_int_equal(head[17], VNET_F_NEEDS_CSUM);
	assert_int_equal(head[18], VNET_GSO_TCPV4);
	assert_int_equal(be16_get(head + 20), 1448);
	assert_int_equal(be16_get(head + 22), 34);
	assert_int_equal(be16_get(head + 24), 16);
	assert_int_equal(be16_get(head + 26), 54);
	assert_int_equal(count(0, "packets"), 3);
	assert_int_equal(count(0, "bytes"), 42);
	close(fd);
	turn(3);
	assert_false(captures_on(&captures, CAPTURES_PORT));
	assert_int_equal(changes, 1);
}

static void test_snap_and_direction(void **state)
{
	const char *bytes = "all frames look like this";
	struct iovec pieces[] = { { (void *)bytes, 3 }, { (void *)(bytes + 3), 22 } };
	int fd = begin(",\"snap\":7,\"direction\":\"out\"");

	(void)state;
	frame(0, CAPTURES_IN, bytes, 20);
	captures_port(&captures, 0, CAPTURES_OUT, &super, pieces, 2, now);
	frame(0, CAPTURES_OUT, bytes, 5);
	expect(fd, CAPTURES_OUT, bytes, 7, 25);
	expect(fd, CAPTURES_OUT, bytes, 5, 5);
	expect_nothing(fd);
	close(fd);
}

/* In pieces too, as far as the filter sees them. */
static void test_filter(void **state)
{
	static uint8_t bytes[4000];
	struct iovec pieces[] = { { bytes, 5 }, { bytes + 5, sizeof(bytes) - 5 } };
	char why[CAPTURE_WHY], members[2000];
	char *program = capture_compile(CAPTURE_ETHERNET,
					"(len < 100 and ether[20] = 9) or ether[2040] = 7", why);
	int fd;

	(void)state;
	snprintf(members, sizeof(members), ",\"program\":\"%s\",\"filter\":\"x\"", program);
	free(program);
	fd = begin(members);
	captures_port(&captures, 0, CAPTURES_IN, &super, pieces, 2, now);
	bytes[LOOK_MAX - 8] = 7;
	captures_port(&captures, 0, CAPTURES_IN, &super, pieces, 2, now);
	bytes[20] = 9;
	frame(0, CAPTURES_IN, bytes, 50);
	frame(0, CAPTURES_IN, bytes, 15);
	expect(fd, CAPTURES_IN, (uint8_t[4000]){ [LOOK_MAX - 8] = 7 }, 4000, 4000);
	expect(fd, CAPTURES_IN, bytes, 50, 50);
	expect_nothing(fd);
	close(fd);
}

static void test_peers_by_name(void **state)
{
	struct iovec iov = { "frame of a peer", 15 };
	int fd;

	(void)state;
	where = (struct captures_where){ .point = CAPTURES_PEER, .name = "paris" };
	fd = begin("");
	where.name = "gone"; /* what it asked with is the asker's */
	captures_peer(&captures, "berlin", CAPTURES_IN, &super, &iov, 1, now);
	captures_peer(&captures, "paris", CAPTURES_OUT, &super, &iov, 1, now);
	frame(0, CAPTURES_IN, "frame", 5);
	expect(fd, CAPTURES_OUT, iov.iov_base, 15, 15);
	expect_nothing(fd);
	close(fd);
}

static uint16_t sum(const uint8_t *p, size_t len, uint32_t start)
{
	for (size_t i = 0; i < len; i++)
		start += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return (uint16_t)start;
}

static struct addr addr(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text, 0));
	return a;
}

static void test_wire_headers(void **state)
{
	struct addr here = addr("10.1.2.3:7741"), there = addr("192.0.2.9:5000"), any;
	uint8_t got[200];
	int fd;

	(void)state;
	where.point = CAPTURES_WIRE;
	fd = begin("");
	captures_wire(&captures, &here, &there, CAPTURES_OUT, (const uint8_t *)"abcdefg", 7, 3, now);
	for (unsigned i = 0; i < 3; i++) {
		size_t len = 28 + (i < 2 ? 3 : 1);

		assert_int_equal(get(fd, got, CAPTURES_HEADER + len), CAPTURES_HEADER + len);
		assert_int_equal(be32_get(got + 4), len);
		assert_int_equal(be16_get(got + CAPTURES_HEADER + 2), len);
		assert_int_equal(sum(got + CAPTURES_HEADER, 20, 0), 0xffff);
		assert_memory_equal(got + CAPTURES_HEADER + 12, here.ip, 4);
		assert_memory_equal(got + CAPTURES_HEADER + 16, there.ip, 4);
		assert_int_equal(be16_get(got + CAPTURES_HEADER + 20), 7741);
		assert_int_equal(be16_get(got + CAPTURES_HEADER + 22), 5000);
		assert_int_equal(be16_get(got + CAPTURES_HEADER + 24), len - 20);
		assert_memory_equal(got + CAPTURES_HEADER + 28, &"abcdefg"[3 * i], len - 28);
	}
	here = addr("[2001:db8::1]:7741");
	there = addr("[2001:db8::2]:5000");
	captures_wire(&captures, &here, &there, CAPTURES_IN, (const uint8_t *)"odd", 3, 3, now);
	assert_int_equal(get(fd, got, CAPTURES_HEADER + 51), CAPTURES_HEADER + 51);
	assert_memory_equal(got + CAPTURES_HEADER + 8, there.ip, 16);
	assert_memory_equal(got + CAPTURES_HEADER + 24, here.ip, 16);
	assert_int_equal(sum(got + CAPTURES_HEADER + 8, 43, 17 + 11), 0xffff);
	any = addr("0.0.0.0:7741"); /* the kernel's choice on the way there */
	there = addr("127.0.0.1:9");
	captures_wire(&captures, &any, &there, CAPTURES_OUT, (const uint8_t *)"x", 1, 1, now);
	assert_int_equal(get(fd, got, CAPTURES_HEADER + 29), CAPTURES_HEADER + 29);
	assert_memory_equal(got + CAPTURES_HEADER + 12, "\x7f\0\0\1\x7f\0\0\1", 8);
	close(fd);
}

/* In place of host/stream: one with room for so many packets. */
struct stream {
	unsigned room, flushed;
	uint64_t dropped;
};

struct addr stream_near(const struct stream *stream)
{
	return stream ? addr("10.1.2.3:443") : addr("10.1.2.3:0");
}

struct addr stream_far(const struct stream *stream)
{
	return stream ? addr("192.0.2.9:5000") : addr("192.0.2.9:0");
}

uint64_t stream_dropped(const struct stream *stream)
{
	return stream->dropped;
}

void stream_send(struct stream *stream, const uint8_t *data, size_t len, size_t segment)
{
	assert_true(data && len <= segment);
	if (stream->room)
		stream->room--;
	else
		stream->dropped++;
}

bool stream_send_now(struct stream *stream, const uint8_t *data, size_t len, size_t segment)
{
	uint64_t before = stream->dropped;

	for (size_t at = 0; at < len; at += segment)
		stream_send(stream, data + at, segment, segment);
	stream_flush(stream);
	return stream->dropped == before;
}

void stream_flush(struct stream *stream)
{
	stream->flushed++;
}

/* A run goes at once, watched or not. */
static void test_stream_run(void **state)
{
	struct run run = {
		.to = addr("192.0.2.9:5000"), .data = (uint8_t *)"abcdef", .len = 6, .segment = 3
	};
	struct stream stream = { .room = 3 };
	uint8_t got[200];
	int fd;

	(void)state;
	assert_true(captures_stream_run(&captures, &stream, &run, now));
	assert_int_equal(stream.flushed, 1);
	where.point = CAPTURES_WIRE;
	fd = begin("");
	assert_false(captures_stream_run(&captures, &stream, &run, now));
	assert_int_equal(stream.flushed, 2);
	assert_int_equal(get(fd, got, CAPTURES_HEADER + 31), CAPTURES_HEADER + 31);
	assert_memory_equal(got + CAPTURES_HEADER + 28, "abc", 3);
	expect_nothing(fd);
	stream.room = 2;
	assert_true(captures_stream_run(&captures, &stream, &run, now));
	close(fd);
}

/* What finds no room is not shown as if it had gone. */
static void test_stream(void **state)
{
	struct addr place = addr("192.0.2.9:5000");
	struct stream stream = { .room = 2 };
	uint8_t got[200];
	int fd;

	(void)state;
	where.point = CAPTURES_WIRE;
	fd = begin("");
	captures_stream_send(&captures, &stream, &place, (const uint8_t *)"abcdefgh", 8, 3, now);
	assert_int_equal(stream.dropped, 1);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(get(fd, got, CAPTURES_HEADER + 31), CAPTURES_HEADER + 31);
		assert_memory_equal(got + CAPTURES_HEADER + 28, &"abcdefgh"[3 * i], 3);
	}
	expect_nothing(fd);
	close(fd);
}

static struct addr member_place;

static bool find_member(void *ctx, const char *network, const uint8_t key[KEX_KEY],
			struct addr *out)
{
	assert_ptr_equal(ctx, &changes);
	assert_string_equal(network, "lab");
	assert_int_equal(key[0], 7);
	*out = member_place;
	return member_place.family != ADDR_NONE;
}

/* Datagrams of a member, wherever it is; nobody else's. */
static void test_member(void **state)
{
	struct addr here = addr("10.1.2.3:7741"), there = addr("192.0.2.9:5000");
	struct addr other = addr("192.0.2.9:5001"), none = { 0 };
	uint8_t key[KEX_KEY] = { 7 }, got[200];
	int fd;

	(void)state;
	captures.member_at = find_member;
	where = (struct captures_where){
		.point = CAPTURES_MEMBER, .name = "paris", .network = "lab", .key = key
	};
	fd = begin("");
	key[0] = 8; /* what it asked with is the asker's */
	assert_true(captures_on(&captures, CAPTURES_WIRE));
	for (unsigned i = 0; i < 3; i++) {
		member_place = i == 0 ? there : i == 1 ? other : none;
		captures_wire(&captures, &here, &there, CAPTURES_IN, (const uint8_t *)"abc", 3, 3, now);
		captures_wire(&captures, &here, &other, CAPTURES_OUT, (const uint8_t *)"d", 1, 1, now);
	}
	assert_int_equal(get(fd, got, CAPTURES_HEADER + 31), CAPTURES_HEADER + 31);
	assert_int_equal(be16_get(got + CAPTURES_HEADER + 20), 5000);
	assert_int_equal(get(fd, got, CAPTURES_HEADER + 29), CAPTURES_HEADER + 29);
	assert_int_equal(be16_get(got + CAPTURES_HEADER + 22), 5001);
	expect_nothing(fd);
	close(fd);
	turn(3);
	assert_false(captures_on(&captures, CAPTURES_WIRE));
}

/* A flood in no time is more than captures may cost; what is beyond is counted. */
static void test_budget(void **state)
{
	static uint8_t bytes[60];
	int fd = begin("");
	uint64_t got, before;

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		frame(0, CAPTURES_IN, bytes, sizeof(bytes));
	got = count(0, "packets");
	assert_in_range(got, 1000, 20000);
	assert_int_equal(count(0, "dropped_budget"), 100000 - got);
	assert_int_equal(count(0, "dropped_reader"), 0);
	for (unsigned i = 0; i < 30; i++) {
		now = instant_add(now, MS(10));
		before = count(0, "packets");
		for (unsigned k = 0; k < 2000; k++)
			frame(0, CAPTURES_IN, bytes, sizeof(bytes));
		assert_in_range(count(0, "packets") - before, 300, 900);
	}
	close(fd);
}

/* What a look costs the account, by a filter of so many instructions that takes nothing. */
static int64_t look_cost(unsigned steps)
{
	static char members[CTLSOCK_REQUEST];
	uint8_t bytes[64] = { 0 };
	int64_t before;
	size_t used;
	int fd;

	used = (size_t)snprintf(members, sizeof(members), ",\"program\":\"");
	for (unsigned i = 1; i < steps; i++)
		used += (size_t)snprintf(members + used, sizeof(members) - used,
					 "002800000000000c"); /* ldh [12] */
	snprintf(members + used, sizeof(members) - used, "0006000000000000\"");
	fd = begin(members);
	before = captures.budget.left;
	frame(0, CAPTURES_IN, bytes, sizeof(bytes));
	before -= captures.budget.left;
	close(fd);
	turn(3);
	return before;
}

/* Measured: 2.4 ns an instruction. */
static void test_long_filters_cost_more(void **state)
{
	(void)state;
	assert_in_range(look_cost(1), 80, 200);
	assert_in_range(look_cost(101), 80 + 101 * 5 / 2, 200 + 101 * 4);
	assert_in_range(look_cost(511), 80 + 511 * 5 / 2, 200 + 511 * 4);
}

/* One that takes nothing costs itself its packets, not another one. */
static void test_reader_stalls(void **state)
{
	static uint8_t bytes[60000];
	int stalled = begin(""), good = begin(""), n = 0;

	(void)state;
	for (; n < 200; n++) {
		now = instant_add(now, MS(20));
		frame(0, CAPTURES_IN, bytes, sizeof(bytes));
		for (size_t left = CAPTURES_HEADER + sizeof(bytes), part; left; left -= part) {
			uint8_t sink[4096];

			part = MIN(left, sizeof(sink));
			assert_int_equal(get(good, sink, part), part);
		}
	}
	assert_in_range(count(0, "packets"), 60, 90);
	assert_int_equal(count(0, "packets") + count(0, "dropped_reader"), 200);
	assert_int_equal(count(1, "packets"), 200);
	assert_int_equal(count(1, "dropped_reader") + count(1, "dropped_budget"), 0);
	close(stalled);
	close(good);
}

/* The newest event is of that kind; its member as text. */
static const char *event(const char *kind, const char *name, char out[300])
{
	uint64_t seq = event_last() - 1;
	char line[EVENT_LINE];
	const json_t *value;
	json_t *object;

	assert_true(event_next(&seq, line));
	object = json_loads(line, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(object, "event")), kind);
	value = json_object_get(object, name);
	snprintf(out, 300, "%s", json_is_string(value) ? json_string_value(value) : "");
	if (json_is_integer(value))
		snprintf(out, 300, "%lld", (long long)json_integer_value(value));
	json_decref(object);
	return out;
}

static void ends_as(const char *word, const char *reason)
{
	int fd = begin("");
	char text[300];

	frame(0, CAPTURES_IN, "frame", 5); /* which is not read */
	turn(2);
	if (*word)
		assert_int_equal(send(fd, word, strlen(word), 0), strlen(word));
	close(fd);
	turn(3);
	assert_string_equal(event("capture-ended", "reason", text), reason);
	assert_string_equal(event("capture-ended", "packets", text), "1");
}

static void test_events(void **state)
{
	char text[300], mine[20];
	int fd;

	(void)state;
	where = (struct captures_where){ .point = CAPTURES_PEER, .name = "paris" };
	fd = begin(",\"program\":\"0006000000040000\",\"filter\":\"tcp port 80\"");
	assert_string_equal(event("capture-began", "point", text), "peer paris");
	assert_string_equal(event("capture-began", "filter", text), "tcp port 80");
	assert_string_equal(event("capture-began", "direction", text), "both");
	snprintf(mine, sizeof(mine), "%d", getpid());
	assert_string_equal(event("capture-began", "pid", text), mine);
	snprintf(mine, sizeof(mine), "%u", getuid());
	assert_string_equal(event("capture-began", "uid", text), mine);
	close(fd);
	turn(3);
	assert_string_equal(event("capture-ended", "point", text), "peer paris");
	assert_string_equal(event("capture-ended", "uid", text), mine);
	where = (struct captures_where){ .point = CAPTURES_PORT, .name = "span0" };
	ends_as("", "reader gone");
	ends_as("evil\n", "reader gone");
	ends_as("disk-full", "disk-full");
	ends_as("count", "count");
	fd = begin("");
	captures_free(&captures);
	assert_string_equal(event("capture-ended", "reason", text), "stopping");
	captures_init(&captures, &loop, note_change, &changes);
	close(fd);
}

/* A port that goes ends its captures; the one that gets its number is another one. */
static void test_port_goes(void **state)
{
	int gone, other, wire;
	char text[300];

	(void)state;
	where.port = 1;
	where.name = "one";
	gone = begin("");
	where.port = 2;
	where.name = "two";
	other = begin("");
	where = (struct captures_where){ .point = CAPTURES_WIRE, .port = 1 };
	wire = begin("");
	captures_end_port(&captures, 1);
	assert_string_equal(event("capture-ended", "reason", text), "port removed");
	assert_string_equal(event("capture-ended", "point", text), "port one");
	assert_int_equal(recv(gone, text, sizeof(text), 0), 0);
	frame(2, CAPTURES_IN, "frame", 5);
	expect(other, CAPTURES_IN, "frame", 5, 5);
	assert_int_equal(count(0, "capture"), 2);
	assert_int_equal(count(1, "capture"), 3);
	close(gone);
	close(other);
	close(wire);
	turn(3);
}

/* One that takes nothing for long is ended, one with nothing to take is not. */
static void test_stalled_is_ended(void **state)
{
	static uint8_t bytes[60000];
	int stalled = begin(""), idle, n = 0;
	char text[300];

	(void)state;
	where.port = 1;
	idle = begin("");
	for (; n < 20; n++)
		frame(0, CAPTURES_IN, bytes, sizeof(bytes));
	turn(2);
	captures_tick(&captures, now);
	now = instant_add(now, CAPTURES_PATIENCE - MS(1));
	captures_tick(&captures, now);
	for (unsigned i = 0; i < 8; i++) /* it moves */
		assert_int_equal(get(stalled, bytes, sizeof(bytes)), sizeof(bytes));
	captures_tick(&captures, now);
	now = instant_add(now, CAPTURES_PATIENCE - MS(1));
	captures_tick(&captures, now);
	assert_true(captures_on(&captures, CAPTURES_PORT));
	assert_int_equal(changes, 0);
	now = instant_add(now, MS(1));
	captures_tick(&captures, now);
	assert_string_equal(event("capture-ended", "reason", text), "stalled");
	assert_int_equal(changes, 1);
	assert_int_equal(count(0, "capture"), 2);
	close(stalled);
	close(idle);
}

static void test_refusals(void **state)
{
	int fds[CAPTURES_MAX];

	(void)state;
	refused(",\"snap\":0", "snap");
	refused(",\"snap\":262145", "snap");
	refused(",\"snap\":\"9\"", "snap");
	refused(",\"direction\":\"up\"", "direction");
	refused(",\"program\":\"0006\"", "no program");
	for (unsigned i = 0; i < CAPTURES_MAX; i++)
		fds[i] = begin("");
	refused("", "there are 4 already");
	close(fds[2]);
	turn(3);
	fds[2] = begin("");
	refused("", "there are 4 already");
	for (unsigned i = 0; i < CAPTURES_MAX; i++)
		close(fds[i]);
	turn(5);
	assert_false(captures_on(&captures, CAPTURES_PORT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_records, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_snap_and_direction, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_filter, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_peers_by_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_wire_headers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stream, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stream_run, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_member, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_budget, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long_filters_cost_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_reader_stalls, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_events, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_port_goes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stalled_is_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
