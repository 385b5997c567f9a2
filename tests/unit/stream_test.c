/* SPDX-License-Identifier: MIT */
/* Real sockets on the loopback device, client and server in one loop.  The clock of
 * patience is turned by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "host/stream.h"

#define MAX_STREAMS 2000

/* What one end was told. */
struct ear {
	struct stream *stream; /* the last that spoke; NULL when it was closed */
	int ready, packets, ends, closed;
	size_t bytes;
	char why[100];
	bool was_ready; /* when it was closed */
	/* What it does. */
	bool echo, close_in_ready, close_in_packet;
	struct stream *close_other, *forward_to;
	/* What it got. */
	uint64_t sum;  /* of all packets, in their order */
	size_t last;   /* length */
	uint8_t first; /* byte of the last packet */
};

static struct loop loop;
static struct tls *server_tls, *client_tls;
static struct stream_server *server;
static struct ear at_server, at_client;

static uint64_t mixed(uint64_t sum, const uint8_t *data, size_t len)
{
	sum = sum * 31 + len;
	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + data[i];
	return sum;
}

static void on_ready(void *ctx, struct stream *stream, struct instant now)
{
	struct ear *ear = ctx;

	(void)now;
	ear->ready++;
	ear->stream = stream;
	assert_true(stream_is_ready(stream));
	if (ear->close_in_ready)
		stream_close(stream);
}

static void on_packet(void *ctx, struct stream *stream, uint8_t *data, size_t len,
		      struct instant now)
{
	struct ear *ear = ctx;

	(void)now;
	assert_true(stream_is_ready(stream));
	ear->stream = stream;
	ear->packets++;
	ear->bytes += len;
	ear->last = len;
	ear->first = data[0];
	ear->sum = mixed(ear->sum, data, len);
	if (ear->echo)
		stream_send(stream, data, len, len);
	if (ear->forward_to) {
		stream_send(ear->forward_to, data, len, len);
		stream_flush(ear->forward_to);
	}
	if (ear->close_other)
		stream_close(ear->close_other);
	ear->close_other = NULL;
	if (ear->close_in_packet)
		stream_close(stream);
	memset(data, 0xee, len); /* it is ours to change */
}

static void on_end(void *ctx, struct stream *stream, struct instant now)
{
	struct ear *ear = ctx;

	(void)now;
	ear->ends++;
	if (ear->echo)
		stream_flush(stream);
}

static void on_closed(void *ctx, struct stream *stream, const char *why)
{
	struct ear *ear = ctx;

	ear->closed++;
	ear->was_ready = stream_is_ready(stream);
	snprintf(ear->why, sizeof(ear->why), "%s", why);
	if (ear->stream == stream)
		ear->stream = NULL;
}

static struct stream_events events_to(struct ear *ear)
{
	return (struct stream_events){ on_ready, on_packet, on_end, on_closed, ear };
}

static void serve(unsigned max)
{
	struct stream_events events = events_to(&at_server);
	struct addr any;
	int error;

	assert_true(addr_parse(&any, "127.0.0.1:0", 0));
	server = stream_listen(&loop, server_tls, &any, max, &events, &error);
	assert_non_null(server);
	assert_int_equal(error, 0);
	assert_int_not_equal(stream_server_local(server).port, 0);
}

static int set_up(void **state)
{
	static const uint8_t secret[TLS_KEY] = { 1, 2, 3 };

	(void)state;
	memset(&at_server, 0, sizeof(at_server));
	memset(&at_client, 0, sizeof(at_client));
	assert_int_equal(loop_init(&loop), 0);
	server_tls = tls_server_new(secret);
	client_tls = tls_client_new();
	serve(MAX_STREAMS);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stream_server_close(server);
	tls_free(server_tls);
	tls_free(client_tls);
	loop_free(&loop);
	return 0;
}

/* Turns until it holds, ten seconds at most. */
#define until(condition)                                                                           \
	do {                                                                                       \
		struct instant give_up = instant_add(clock_now(), SECONDS(10));                    \
		bool holds;                                                                        \
                                                                                                   \
		while (!(holds = (condition)) && instant_before(clock_now(), give_up))             \
			assert_int_equal(loop_turn(&loop, instant_add(clock_now(), MS(5))), 0);    \
		assert_true(holds);                                                                \
	} while (0)

static struct stream *client_to(struct ear *ear)
{
	struct stream_events events = events_to(ear);
	struct addr to = stream_server_local(server);
	struct stream *stream;
	int error;

	stream = stream_connect(&loop, client_tls, &to, "relay.example.net", 7, &events, loop.now,
				&error);
	assert_non_null(stream);
	assert_int_equal(error, 0);
	return stream;
}

static struct stream *connected(void)
{
	struct stream *client = client_to(&at_client);

	until(at_client.ready == 1 && at_server.ready == 1);
	return client;
}

static void both_are_ready_and_the_key_is_seen(void **state)
{
	struct stream *client = client_to(&at_client);
	uint8_t key[TLS_KEY], seen[TLS_KEY];
	struct addr to = stream_server_local(server), far = stream_far(client);
	struct addr ends[2];

	(void)state;
	assert_false(stream_is_ready(client));
	assert_int_equal(stream_near(client).family, ADDR_NONE);
	until(at_client.ready && at_server.ready);
	assert_int_equal(stream_number(client), 7);
	ends[0] = stream_near(client); /* its far end is there, as the other one's is here */
	ends[1] = stream_far(at_server.stream);
	assert_true(addr_equal(&ends[0], &ends[1]));
	ends[1] = stream_near(at_server.stream);
	assert_true(addr_equal(&ends[1], &to));
	assert_true(addr_equal(&far, &to));
	tls_key(server_tls, key);
	assert_true(stream_far_key(client, seen));
	assert_memory_equal(key, seen, TLS_KEY);
	assert_false(stream_far_key(at_server.stream, seen));
	assert_int_equal(stream_far(at_server.stream).family, ADDR_IPV4);
	stream_close(client);
	until(at_server.closed);
	assert_string_equal(at_server.why, "the far end closed it");
	assert_int_equal(at_client.closed, 0);
}

static void packets_of_all_sizes_come_back(void **state)
{
	static const size_t sizes[] = {
		1, 2, 3, 63, 64, 255, 256, 1499, 4096, 9299, STREAM_PACKET_MAX
	};
	struct stream *client = connected();
	static uint8_t data[STREAM_PACKET_MAX];
	uint64_t sum = 0;
	size_t bytes = 0;

	(void)state;
	at_server.echo = true;
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < COUNT_OF(sizes); i++) {
			memset(data, (int)(i + 16 * (size_t)round), sizes[i]);
			stream_send(client, data, sizes[i], sizes[i]);
			sum = mixed(sum, data, sizes[i]);
			bytes += sizes[i];
		}
	}
	stream_flush(client);
	until(at_client.bytes >= bytes);
	assert_int_equal(at_client.packets, 5 * COUNT_OF(sizes));
	assert_true(at_client.sum == sum && at_server.sum == sum);
	assert_int_equal(stream_sent(client).bytes, bytes);
	assert_int_equal(stream_sent(client).packets, at_client.packets);
	assert_int_equal(stream_received(client).bytes, bytes);
	assert_int_equal(stream_received(client).packets, at_client.packets);
	assert_int_equal(stream_dropped(client), 0);
	stream_close(client);
}

static void thousands_stay_in_order(void **state)
{
	enum { PACKETS = 20000 };
	struct stream *client = connected();
	uint8_t data[1500];
	uint64_t sum = 0;
	int sent = 0;

	(void)state;
	at_server.echo = true;
	while (sent < PACKETS) {
		for (int i = 0; i < 50 && sent < PACKETS; i++, sent++) {
			size_t len = 1 + (size_t)sent * 37 % sizeof(data);

			memset(data, sent, len);
			be16_put(data, (uint16_t)sent);
			stream_send(client, data, len, len);
			sum = mixed(sum, data, len);
		}
		stream_flush(client);
		until(at_client.packets == sent);
	}
	assert_true(at_client.sum == sum);
	assert_in_range(at_server.ends, PACKETS / 50, PACKETS / 2); /* many at once */
	stream_close(client);
}

static void a_batch_is_cut_into_segments(void **state)
{
	struct stream *client = connected();
	uint8_t data[3500];
	uint64_t sum = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i % 251);
	for (size_t at = 0; at < sizeof(data); at += 1000)
		sum = mixed(sum, data + at, MIN(sizeof(data) - at, 1000));
	stream_send(client, data, sizeof(data), 1000);
	stream_flush(client);
	until(at_server.packets == 4);
	assert_int_equal(at_server.last, 500);
	assert_true(at_server.sum == sum);
	stream_close(client);
}

static void what_is_sent_early_comes_after_ready(void **state)
{
	struct stream *client = client_to(&at_client);

	(void)state;
	stream_send(client, (const uint8_t *)"early", 5, 5);
	stream_flush(client);
	assert_int_equal(at_client.ready, 0);
	until(at_server.packets == 1);
	assert_int_equal(at_client.ready, 1);
	stream_close(client);
}

static void who_closes_in_ready_has_said_nothing(void **state)
{
	struct stream *client = client_to(&at_client);

	(void)state;
	at_client.close_in_ready = true;
	stream_send(client, (const uint8_t *)"secret", 6, 6);
	for (int i = 0; i < 1000 && !at_client.ready; i++) {
		stream_flush(client);
		assert_int_equal(loop_turn(&loop, instant_add(clock_now(), MS(5))), 0);
	}
	until(at_server.closed == 1);
	assert_int_equal(at_client.ready, 1);
	assert_int_equal(at_client.closed, 0);
	assert_int_equal(at_server.packets, 0);
}

static void numbers_find_streams(void **state)
{
	struct ear ears[5] = { 0 };
	struct stream *clients[5], *stream;
	size_t at = 0;
	int n = 0;

	(void)state;
	for (int i = 0; i < 5; i++) {
		clients[i] = client_to(&ears[i]);
		until(at_server.ready == i + 1);
		assert_int_equal(stream_number(at_server.stream), i + 1);
	}
	stream_close(clients[2]);
	until(at_server.closed == 1);
	assert_null(stream_server_find(server, 0));
	assert_null(stream_server_find(server, 3));
	assert_null(stream_server_find(server, 6));
	assert_null(stream_server_find(server, 2 + 65536)); /* the slot of 2 */
	for (uint32_t i = 1; i <= 5; i++) {
		if (i != 3)
			assert_int_equal(stream_number(stream_server_find(server, i)), i);
	}
	while ((stream = stream_server_next(server, &at))) {
		assert_ptr_equal(stream_server_find(server, stream_number(stream)), stream);
		n++;
	}
	assert_int_equal(n, 4);
	assert_int_equal(stream_server_counts(server).open, 4);
	assert_int_equal(stream_server_counts(server).accepted, 5);
	for (int i = 0; i < 5; i++) {
		if (i != 2)
			stream_close(clients[i]);
	}
}

/* Numbers go round in a table of 32 places; one stream stays all the while. */
static void a_number_is_not_given_twice(void **state)
{
	struct stream *first, *client;

	(void)state;
	stream_server_close(server);
	serve(1 + 1);
	first = connected();
	for (int i = 2; i < 40; i++) { /* 40 a second from one host */
		client = client_to(&at_client);
		until(at_server.ready == i);
		assert_int_equal(stream_number(at_server.stream), i < 33 ? i : i + 1);
		stream_close(client);
		until(at_server.closed == i - 1);
	}
	assert_int_equal(stream_number(stream_server_find(server, 1)), 1);
	stream_close(first);
}

/* ---- ends -------------------------------------------------------------- */

static void the_servers_end_is_told(void **state)
{
	struct stream *client = connected();

	(void)state;
	assert_non_null(client);
	stream_close(at_server.stream);
	until(at_client.closed);
	assert_string_equal(at_client.why, "the far end closed it");
	assert_true(at_client.was_ready);
	assert_int_equal(at_server.closed, 0);
	assert_int_equal(stream_server_counts(server).open, 0);
	assert_int_equal(stream_server_counts(server).failed, 0);
}

static void events_may_close_their_own_stream(void **state)
{
	struct stream *client = connected();
	uint8_t data[100] = { 1 };

	(void)state;
	at_server.close_in_packet = true;
	stream_send(client, data, sizeof(data), 10);
	stream_flush(client);
	until(at_client.closed);
	assert_int_equal(at_server.packets, 1);
	assert_int_equal(at_server.ends, 0);
	assert_int_equal(at_server.closed, 0);
}

static void events_may_forward_and_close_others(void **state)
{
	struct ear at_second = { 0 };
	struct stream *first = connected(), *second;
	struct stream *of_first = at_server.stream, *of_second;

	(void)state;
	second = client_to(&at_second);
	until(at_server.ready == 2 && at_second.ready);
	of_second = at_server.stream;
	assert_ptr_not_equal(of_first, of_second);
	at_server.forward_to = of_second;
	stream_send(first, (const uint8_t *)"onward", 6, 6);
	stream_flush(first);
	until(at_second.packets == 1);
	assert_int_equal(at_second.first, 'o');

	/* Both speak at once; whoever is heard first ends the other. */
	at_server.forward_to = NULL;
	at_server.close_other = of_second;
	stream_send(first, (const uint8_t *)"1", 1, 1);
	stream_send(second, (const uint8_t *)"2", 1, 1);
	stream_flush(first);
	until(at_server.packets == 2);
	until(at_second.closed);
	stream_close(first);
}

static void nobody_listens(void **state)
{
	struct stream_events events = events_to(&at_client);
	struct addr to = stream_server_local(server), none = { 0 };
	struct stream *client;
	int error;

	(void)state;
	stream_server_close(server);
	server = NULL;
	client = stream_connect(&loop, client_tls, &to, NULL, 1, &events, loop.now, &error);
	assert_non_null(client);
	until(at_client.closed);
	assert_string_equal(at_client.why, "Connection refused");
	assert_false(at_client.was_ready);
	assert_true(addr_parse(&none, "255.255.255.255:1", 0));
	assert_null(stream_connect(&loop, client_tls, &none, NULL, 1, &events, loop.now, &error));
	assert_true(error < 0);
}

/* ---- a far end that we do by hand -------------------------------------- */

struct raw {
	int fd;
	struct tls_session *tls;
};

/* A TCP connection from 127.0.0.`last`. */
static int raw_connect(int last)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, to = from;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	from.sin_addr.s_addr = htonl(0x7f000000u + (unsigned)last);
	to.sin_addr.s_addr = htonl(0x7f000001u);
	to.sin_port = htons(stream_server_local(server).port);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static struct raw raw_client(void)
{
	struct raw raw = { .fd = raw_connect(1) };

	raw.tls = tls_session_new(client_tls, raw.fd, NULL);
	until(tls_handshake(raw.tls) == TLS_DONE && at_server.ready == 1);
	return raw;
}

static void raw_close(struct raw *raw)
{
	tls_session_free(raw->tls);
	close(raw->fd);
}

static void raw_say(struct raw *raw, const void *data, size_t len)
{
	size_t n;

	assert_int_equal(tls_write(raw->tls, data, len, &n), TLS_DONE);
	assert_int_equal(n, len);
}

static bool is_cut(int fd)
{
	char byte;

	errno = 0;
	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
}

/* The 256 is above a byte: order of the length's bytes. */
static const uint8_t two_packets[] = { 0, 3, 'a', 'b', 'c', 0, 1, 'd', 1, 0, 'e' };

static void records_may_end_anywhere(void **state)
{
	struct raw raw = raw_client();
	uint8_t rest[255];

	(void)state;
	for (size_t i = 0; i < sizeof(two_packets); i++) {
		raw_say(&raw, &two_packets[i], 1);
		if (i % 2)
			until(at_server.packets == (i >= 4) + (i >= 7));
	}
	until(at_server.packets == 2);
	assert_int_equal(at_server.first, 'd');
	assert_int_equal(at_server.ends, 2);
	memset(rest, 'f', sizeof(rest));
	raw_say(&raw, rest, sizeof(rest));
	until(at_server.packets == 3);
	assert_int_equal(at_server.last, 256);
	assert_int_equal(at_server.first, 'e');
	raw_close(&raw);
	until(at_server.closed);
	assert_string_equal(at_server.why, "the far end hung up");
}

/* Packets until the kernel takes no more; their bytes. */
static size_t say_much(struct raw *raw)
{
	enum { PACKET = 8000 };
	static uint8_t data[2 + PACKET] = { PACKET >> 8, PACKET & 255 };
	size_t at = 0, n, bytes = 0;

	while (tls_write(raw->tls, data + at, sizeof(data) - at, &n) == TLS_DONE) {
		at += n;
		if (at == sizeof(data)) {
			at = 0;
			bytes += PACKET;
		}
	}
	until(tls_write(raw->tls, data + at, sizeof(data) - at, &n) == TLS_DONE);
	assert_int_equal(at + n, sizeof(data));
	return bytes + PACKET;
}

/* A stream that has much to say is heard in pieces, and to the end. */
static void one_turn_is_bounded(void **state)
{
	struct raw raw = raw_client();
	size_t said = 0, most = 0;

	(void)state;
	for (int i = 0; i < 20; i++) { /* the kernel lets more wait as it sees it read */
		said += say_much(&raw);
		while (at_server.bytes < said) {
			size_t before = at_server.bytes;

			assert_int_equal(loop_turn(&loop, instant_add(clock_now(), SECONDS(1))), 0);
			most = MAX(most, at_server.bytes - before);
		}
	}
	assert_in_range(most, 1, 300 * 1024);
	raw_close(&raw);
}

/* A client's first packets may be in the segment that ends the handshake. */
static void what_comes_with_the_handshake_is_heard(void **state)
{
	struct raw raw = { .fd = raw_connect(1) };

	(void)state;
	raw.tls = tls_session_new(client_tls, raw.fd, NULL);
	until(tls_handshake(raw.tls) == TLS_DONE);
	assert_int_equal(at_server.ready, 0);
	raw_say(&raw, (const uint8_t[]){ 0, 1, 'a' }, 3);
	until(at_server.packets == 1);
	assert_int_equal(at_server.ready, 1);
	raw_close(&raw);
}

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void);

static void idle_streams_have_no_buffers(void **state)
{
	static const uint8_t half[] = { 1, 0, 'a' };
	static uint8_t data[4096];
	size_t none = __sanitizer_get_current_allocated_bytes(), before, busy;
	struct raw raw = raw_client();

	(void)state;
	before = __sanitizer_get_current_allocated_bytes();
	/* Two ends of TLS; a record's buffer alone has 16 KiB. */
	assert_true(before <= none + 2 * 20000);
	raw_say(&raw, half, sizeof(half));
	stream_send(at_server.stream, data, sizeof(data), 100);
	stream_flush(at_server.stream);
	until(__sanitizer_get_current_allocated_bytes() >= before + 8192);
	raw_say(&raw, data, 1);
	memset(data, 'b', sizeof(data));
	raw_say(&raw, data, 254);
	until(at_server.packets == 1);
	busy = __sanitizer_get_current_allocated_bytes();
	stream_server_tick(server, loop.now);
	assert_true(__sanitizer_get_current_allocated_bytes() <= busy - 8192);
	assert_true(__sanitizer_get_current_allocated_bytes() <= before + 1024);
	raw_close(&raw);
}
#endif

/* Byte by byte from one end of a connection to the other. */
static void carry(int from, int to)
{
	char byte;

	if (recv(from, &byte, 1, MSG_DONTWAIT) == 1)
		assert_int_equal(send(to, &byte, 1, MSG_NOSIGNAL), 1);
}

static void the_network_may_cut_anywhere(void **state)
{
	enum { LEN = 1200 };
	static uint8_t data[2 + LEN] = { LEN >> 8, LEN & 255 };
	struct raw raw;
	int pair[2], fd = raw_connect(1);
	size_t n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	raw = (struct raw){ pair[0], tls_session_new(client_tls, pair[0], NULL) };
	while (tls_handshake(raw.tls) != TLS_DONE || !at_server.ready) {
		carry(pair[1], fd);
		carry(fd, pair[1]);
		assert_int_equal(loop_turn(&loop, (struct instant){ 0 }), 0);
	}
	assert_int_equal(tls_write(raw.tls, data, sizeof(data), &n), TLS_DONE);
	for (int i = 0; i < LEN + 100 && !at_server.packets; i++) {
		carry(pair[1], fd);
		assert_int_equal(loop_turn(&loop, (struct instant){ 0 }), 0);
	}
	until(at_server.packets == 1);
	assert_int_equal(at_server.last, LEN);
	raw_close(&raw);
	close(pair[1]);
	close(fd);
}

static void bad_length(const uint8_t bad[2])
{
	struct raw raw = raw_client();
	uint8_t data[10] = { 0, 1, 'a', 0, 1, 'b' };

	memcpy(data + 6, bad, 2);
	raw_say(&raw, data, sizeof(data));
	until(at_server.closed);
	assert_string_equal(at_server.why, "a packet's length is out of range");
	assert_int_equal(at_server.packets, 2); /* what came before counts */
	assert_int_equal(at_server.ends, 1);
	until(is_cut(raw.fd) || tls_read(raw.tls, data, 1, &(size_t){ 0 }) == TLS_ENDED);
	raw_close(&raw);
}

static void length_0_ends_it(void **state)
{
	(void)state;
	bad_length((const uint8_t[]){ 0, 0 });
}

static void a_length_too_long_ends_it(void **state)
{
	(void)state;
	bad_length(
		(const uint8_t[]){ (STREAM_PACKET_MAX + 1) >> 8, (STREAM_PACKET_MAX + 1) & 255 });
}

static void too_long_to_send_is_dropped(void **state)
{
	static uint8_t data[STREAM_PACKET_MAX + 1];
	struct stream *client = connected();

	(void)state;
	stream_send(client, data, sizeof(data), sizeof(data));
	stream_send(client, data, 1, 1);
	stream_flush(client);
	until(at_server.packets == 1);
	assert_int_equal(at_server.last, 1);
	assert_int_equal(stream_dropped(client), 1);
	stream_close(client);
}

/* ---- a far end that does not take what it is sent ---------------------- */

/* Packets with their number, until five were dropped; how many. */
static unsigned send_until_dropped(struct stream *stream)
{
	uint64_t dropped = stream_dropped(stream);
	uint8_t data[999];
	unsigned n = 0;

	memset(data, 'x', sizeof(data));
	while (stream_dropped(stream) < dropped + 5) {
		be32_put(data, n++);
		stream_send(stream, data, sizeof(data), sizeof(data));
		if (n % 10 == 0)
			stream_flush(stream);
		assert_true(n < 100000);
	}
	return n;
}

/* Reads n of the numbered packets; they are whole, and their numbers rise.  The number
 * after the last. */
static unsigned read_numbered(struct raw *raw, unsigned n)
{
	uint8_t packet[1001];
	unsigned next = 0;

	for (; n; n--) {
		size_t done;

		for (size_t used = 0; used < sizeof(packet); used += done)
			until(tls_read(raw->tls, packet + used, sizeof(packet) - used, &done) ==
			      TLS_DONE);
		assert_int_equal(be16_get(packet), 999);
		assert_true(be32_get(packet + 2) >= next);
		next = be32_get(packet + 2) + 1;
		assert_int_equal(packet[1000], 'x');
	}
	return next;
}

static void whole_packets_are_dropped(void **state)
{
	struct raw raw = raw_client();
	struct stream *stream = at_server.stream;
	unsigned n = send_until_dropped(stream);
	uint8_t last[999] = { 0 };

	(void)state;
	assert_int_equal(stream_sent(stream).packets, n - 5);
	assert_true(stream_sent(stream).bytes >= STREAM_BACKLOG - 2 * 1001);
	assert_int_equal(read_numbered(&raw, n - 5), n - 5);
	be32_put(last, n);
	last[998] = 'x';
	stream_send(stream, last, sizeof(last), sizeof(last));
	stream_flush(stream);
	assert_int_equal(read_numbered(&raw, 1), n + 1); /* there is room again */
	assert_int_equal(at_server.closed, 0);
	raw_close(&raw);
}

/* What is unsent waits with us, not in the kernel, where it would grow old. */
static void the_kernel_keeps_little(void **state)
{
	struct raw raw = raw_client();
	int few = 4096;

	(void)state;
	setsockopt(raw.fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof(few));
	send_until_dropped(at_server.stream);
	assert_in_range(stream_sent(at_server.stream).bytes, STREAM_BACKLOG / 2,
			STREAM_BACKLOG + 1024 * 1024);
	raw_close(&raw);
}

static void who_takes_nothing_is_ended(void **state)
{
	struct raw raw = raw_client();
	struct instant now = loop.now;
	char some[10000];
	size_t n;

	(void)state;
	send_until_dropped(at_server.stream);
	stream_server_tick(server, now);
	stream_server_tick(server, instant_add(now, STREAM_PATIENCE - 1));
	assert_int_equal(at_server.closed, 0);
	/* All of it moves, and patience begins anew with the next. */
	for (size_t read = 0; read < stream_sent(at_server.stream).bytes; read += n)
		until(tls_read(raw.tls, some, sizeof(some), &n) == TLS_DONE);
	send_until_dropped(at_server.stream);
	stream_server_tick(server, instant_add(now, STREAM_PATIENCE));
	stream_server_tick(server, instant_add(now, 2 * STREAM_PATIENCE - 1));
	assert_int_equal(at_server.closed, 0);
	stream_server_tick(server, instant_add(now, 2 * STREAM_PATIENCE));
	assert_int_equal(at_server.closed, 1);
	assert_string_equal(at_server.why, "the far end takes nothing");
	assert_int_equal(stream_server_counts(server).open, 0);
	raw_close(&raw);
}

static void trouble_in_flush_is_told_by_the_loop(void **state)
{
	struct raw raw = raw_client();
	struct linger reset = { .l_onoff = 1 };
	struct stream *stream = at_server.stream;
	uint8_t data[100] = { 0 };

	(void)state;
	setsockopt(raw.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	raw_close(&raw);
	for (int i = 0; i < 5; i++) {
		stream_send(stream, data, sizeof(data), 10);
		stream_flush(stream);
	}
	assert_int_equal(at_server.closed, 0);
	until(at_server.closed == 1);
	assert_true(strstr(at_server.why, "reset") || strstr(at_server.why, "pipe"));
}

/* ---- strangers --------------------------------------------------------- */

static void who_says_nothing_is_ended(void **state)
{
	int fd = raw_connect(1);
	struct instant now;

	(void)state;
	until(stream_server_counts(server).accepted == 1);
	now = loop.now;
	stream_server_tick(server, instant_add(now, STREAM_PATIENCE - SECONDS(1)));
	assert_int_equal(stream_server_counts(server).open, 1);
	stream_server_tick(server, instant_add(now, STREAM_PATIENCE));
	assert_int_equal(stream_server_counts(server).open, 0);
	assert_int_equal(stream_server_counts(server).failed, 1);
	assert_int_equal(at_server.closed, 1);
	assert_string_equal(at_server.why, "no handshake in time");
	assert_false(at_server.was_ready);
	assert_true(is_cut(fd));
	close(fd);
}

/* A server that never answers: the queue of the kernel takes the connection. */
static void a_silent_server_is_given_up(void **state)
{
	struct sockaddr_in name = { .sin_family = AF_INET };
	struct stream_events events = events_to(&at_client);
	int fd = socket(AF_INET, SOCK_STREAM, 0), error;
	socklen_t len = sizeof(name);
	struct instant now = loop.now;
	struct stream *client;
	struct addr to;

	(void)state;
	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
	assert_true(addr_parse(&to, "127.0.0.1", ntohs(name.sin_port)));
	client = stream_connect(&loop, client_tls, &to, NULL, 1, &events, now, &error);
	stream_tick(client, instant_add(now, STREAM_PATIENCE - 1));
	assert_int_equal(at_client.closed, 0);
	stream_tick(client, instant_add(now, STREAM_PATIENCE));
	assert_int_equal(at_client.closed, 1);
	assert_string_equal(at_client.why, "no connection in time");

	client = stream_connect(&loop, client_tls, &to, NULL, 1, &events, now, &error);
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_turn(&loop, instant_add(clock_now(), MS(5))), 0);
	stream_tick(client, instant_add(now, STREAM_PATIENCE));
	assert_string_equal(at_client.why, "no handshake in time");
	close(fd);
}

static void garbage_ends_it(void **state)
{
	int fd = raw_connect(1);

	(void)state;
	assert_int_equal(send(fd, "\x16\x03\x01\x00\x05hello and more", 19, 0), 19);
	until(stream_server_counts(server).failed == 1);
	assert_int_equal(at_server.ready, 0);
	assert_int_equal(at_server.packets, 0);
	assert_false(at_server.was_ready);
	assert_true(at_server.why[0]);
	close(fd);
}

static void one_host_has_few_handshakes(void **state)
{
	int fds[STREAM_HANDSHAKES_PER_HOST + 2];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(fds) - 1; i++)
		fds[i] = raw_connect(1);
	fds[COUNT_OF(fds) - 1] = raw_connect(2);
	until(stream_server_counts(server).accepted == STREAM_HANDSHAKES_PER_HOST + 1);
	assert_int_equal(stream_server_counts(server).refused, 1);
	assert_true(is_cut(fds[STREAM_HANDSHAKES_PER_HOST]));
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		close(fds[i]);
	until(stream_server_counts(server).open == 0);
	close(raw_connect(1));
	until(stream_server_counts(server).accepted == STREAM_HANDSHAKES_PER_HOST + 2);
}

/* Ten from each of many hosts, faster than is allowed; none says anything. */
static void the_rate_is_bounded_and_the_oldest_makes_way(void **state)
{
	enum { TRIES = STREAM_RATE + 10 };
	struct instant begin = clock_now();
	int fds[TRIES];

	(void)state;
	for (int i = 0; i < TRIES; i++) {
		fds[i] = raw_connect(1 + i / 10);
		if (i % 10 == 9)
			until(stream_server_counts(server).accepted +
				      stream_server_counts(server).refused ==
			      (unsigned)i + 1);
	}
	if (instant_between(begin, clock_now()) < MS(900)) { /* else it was not fast */
		assert_int_equal(stream_server_counts(server).accepted, STREAM_RATE);
		assert_int_equal(stream_server_counts(server).refused, 10);
		assert_int_equal(stream_server_counts(server).failed,
				 STREAM_RATE - STREAM_HANDSHAKES);
		assert_true(is_cut(fds[0]));
		assert_false(is_cut(fds[STREAM_RATE - 1]));
		assert_true(is_cut(fds[STREAM_RATE]));
	}
	assert_int_equal(stream_server_counts(server).open, STREAM_HANDSHAKES);
	assert_string_equal(at_server.why, "its handshake made way for others");
	for (int i = 0; i < TRIES; i++)
		close(fds[i]);
}

/* n more clients of this host, one after the other, until the server has looked at them. */
static void crowd(struct stream *clients[], int n)
{
	unsigned seen = (unsigned)stream_server_counts(server).accepted +
			(unsigned)stream_server_counts(server).refused;
	int ready = at_server.ready;

	for (int i = 0; i < n; i++) {
		unsigned refused = (unsigned)stream_server_counts(server).refused;

		clients[i] = client_to(&at_client);
		until(stream_server_counts(server).accepted + stream_server_counts(server).refused >
		      seen);
		seen++;
		if (stream_server_counts(server).refused == refused)
			until(at_server.ready == ready + 1);
		else
			clients[i] = NULL; /* ended by itself */
		ready = at_server.ready;
	}
}

static void one_host_has_so_many_and_not_at_once(void **state)
{
	struct stream *clients[2 * STREAM_RATE_PER_HOST];
	struct instant begin = clock_now();
	int fd, refused, left;

	(void)state;
	crowd(clients, STREAM_RATE_PER_HOST + 1);
	if (instant_between(begin, clock_now()) < MS(900)) {
		assert_null(clients[STREAM_RATE_PER_HOST]);
		assert_int_equal(stream_server_counts(server).refused, 1);
	}
	left = STREAM_PER_HOST - (int)stream_server_counts(server).open;
	usleep(1010000);
	crowd(clients, left + 1);
	assert_null(clients[left]);
	assert_int_equal(stream_server_counts(server).open, STREAM_PER_HOST);
	fd = raw_connect(2);
	until(stream_server_counts(server).open == STREAM_PER_HOST + 1);
	refused = (int)stream_server_counts(server).refused;
	until(at_client.closed == refused);
	close(fd);
	stream_server_close(server);
	server = NULL;
	until(at_client.closed == refused + STREAM_PER_HOST);
}

static void no_more_than_max(void **state)
{
	int fds[3];

	(void)state;
	stream_server_close(server);
	serve(2);
	for (int i = 0; i < 3; i++)
		fds[i] = raw_connect(1);
	until(stream_server_counts(server).refused == 1);
	assert_int_equal(stream_server_counts(server).open, 2);
	assert_true(is_cut(fds[2]));
	assert_int_equal(errno, ECONNRESET); /* no state is left of it */
	close(fds[0]);
	until(stream_server_counts(server).open == 1);
	close(fds[2]);
	fds[2] = raw_connect(1);
	until(stream_server_counts(server).open == 2);
	close(fds[1]);
	close(fds[2]);
}

static void set_descriptors(rlim_t n)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void without_descriptors_it_waits(void **state)
{
	int first = raw_connect(1), second, third;
	struct rlimit limit;
	uint64_t turns;

	(void)state;
	until(stream_server_counts(server).accepted == 1);
	second = raw_connect(1);
	third = raw_connect(1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	set_descriptors((rlim_t)third + 1);
	turns = loop.turns;
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_turn(&loop, instant_add(clock_now(), MS(20))), 0);
	assert_int_equal(loop.turns, turns + 3);
	assert_int_equal(stream_server_counts(server).refused, 1); /* asked once, not thrice */

	/* The descriptor of one that is over serves the next. */
	stream_close(stream_server_find(server, 1));
	until(stream_server_counts(server).accepted == 2);
	until(stream_server_counts(server).refused == 2);
	set_descriptors(limit.rlim_cur);
	stream_server_tick(server, loop.now);
	until(stream_server_counts(server).accepted == 3);
	close(first);
	close(second);
	close(third);
}

static void ipv6_is_its_own(void **state)
{
	struct stream_events events = events_to(&at_server);
	struct stream_server *six;
	struct addr at;
	int error;

	(void)state;
	assert_true(addr_parse(&at, "[::]:0", 0));
	at.port = stream_server_local(server).port; /* v4 has it already */
	six = stream_listen(&loop, server_tls, &at, 1, &events, &error);
	if (!six && error == -EAFNOSUPPORT)
		skip();
	assert_non_null(six);
	assert_null(stream_listen(&loop, server_tls, &at, 1, &events, &error));
	assert_int_equal(error, -EADDRINUSE);
	stream_server_close(six);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(both_are_ready_and_the_key_is_seen),
		CASE(packets_of_all_sizes_come_back),
		CASE(thousands_stay_in_order),
		CASE(a_batch_is_cut_into_segments),
		CASE(what_is_sent_early_comes_after_ready),
		CASE(who_closes_in_ready_has_said_nothing),
		CASE(numbers_find_streams),
		CASE(a_number_is_not_given_twice),
		CASE(the_servers_end_is_told),
		CASE(events_may_close_their_own_stream),
		CASE(events_may_forward_and_close_others),
		CASE(nobody_listens),
		CASE(records_may_end_anywhere),
		CASE(one_turn_is_bounded),
		CASE(what_comes_with_the_handshake_is_heard),
#ifdef __SANITIZE_ADDRESS__
		CASE(idle_streams_have_no_buffers),
#endif
		CASE(the_network_may_cut_anywhere),
		CASE(length_0_ends_it),
		CASE(a_length_too_long_ends_it),
		CASE(too_long_to_send_is_dropped),
		CASE(whole_packets_are_dropped),
		CASE(the_kernel_keeps_little),
		CASE(who_takes_nothing_is_ended),
		CASE(trouble_in_flush_is_told_by_the_loop),
		CASE(who_says_nothing_is_ended),
		CASE(a_silent_server_is_given_up),
		CASE(garbage_ends_it),
		CASE(one_host_has_few_handshakes),
		CASE(the_rate_is_bounded_and_the_oldest_makes_way),
		CASE(one_host_has_so_many_and_not_at_once),
		CASE(no_more_than_max),
		CASE(without_descriptors_it_waits),
		CASE(ipv6_is_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
