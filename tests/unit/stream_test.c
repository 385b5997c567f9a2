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
	bool echo;
	bool was_ready; /* when it was closed */
	uint64_t sum;	/* of all packets, in their order */
	size_t last;	/* length */
	uint8_t first;	/* byte of the last packet */
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


/* Turns until it holds, two seconds at most. */
#define until(condition)                                                                           \
	do {                                                                                       \
		struct instant give_up = instant_add(clock_now(), SECONDS(2));                     \
                                                                                                   \
		while (!(condition) && instant_before(clock_now(), give_up))                       \
			assert_int_equal(loop_turn(&loop, instant_add(clock_now(), MS(5))), 0);    \
		assert_true(condition);                                                            \
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

	(void)state;
	assert_false(stream_is_ready(client));
	until(at_client.ready && at_server.ready);
	assert_int_equal(stream_number(client), 7);
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
	static const size_t sizes[] = { 1, 2, 3, 63, 64, 255, 256, 1499, 4096, 9299, STREAM_PACKET_MAX };
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

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(both_are_ready_and_the_key_is_seen),
		CASE(packets_of_all_sizes_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
