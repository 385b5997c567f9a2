/* SPDX-License-Identifier: MIT */
/*
 * Somebody between a site and its relay who ends TLS with a certificate of his own, and
 * hands the packets on: by TLS, or by UDP.  For the story 42-tls.sh.
 *
 *   streamproxy tls|udp LISTEN TO
 */
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/list.h"
#include "host/stream.h"
#include "host/udp.h"

#define PAIRS 64

struct pair {
	struct stream *near, *far;
	struct loop_source source;
	struct udp udp;
};

static struct loop loop;
static struct tls *client;
static struct addr to;
static bool by_udp;
static struct pair pairs[PAIRS];
static struct udp_inbox *inbox;

static struct pair *find(const struct stream *stream)
{
	for (unsigned i = 0; i < PAIRS; i++) {
		if (pairs[i].near == stream || pairs[i].far == stream)
			return &pairs[i];
	}
	return NULL;
}

static void nothing(void *ctx, struct stream *stream, struct instant now)
{
	(void)ctx;
	(void)stream;
	(void)now;
}

static void hand_on(void *ctx, struct stream *stream, uint8_t *data, size_t len, struct instant now)
{
	struct pair *pair = find(stream);
	struct udp_message message = { .data = data, .len = len, .segment = len, .to = to };
	struct stream *other = pair && pair->near == stream ? pair->far : pair ? pair->near : NULL;
	bool lost = false;

	(void)ctx;
	(void)now;
	if (pair && by_udp)
		udp_send(&pair->udp, &message, 1, &lost);
	if (!other)
		return;
	stream_send(other, data, len, len);
	stream_flush(other);
}

static void end_both(void *ctx, struct stream *stream, const char *why)
{
	struct pair *pair = find(stream);

	(void)ctx;
	printf("ended: %s\n", why);
	if (!pair)
		return;
	if (pair->near == stream)
		stream_close(pair->far);
	else
		stream_close(pair->near);
	if (by_udp) {
		loop_remove(&loop, &pair->source);
		udp_close(&pair->udp);
	}
	*pair = (struct pair){ 0 };
}

static const struct stream_events far_events = { nothing, hand_on, nothing, end_both, NULL };

static void from_relay(struct loop_source *source, uint32_t events, struct instant now)
{
	struct pair *pair = container_of(source, struct pair, source);
	struct udp_received got[UDP_BATCH];
	int n = udp_receive(&pair->udp, inbox, got);

	(void)events;
	(void)now;
	for (int i = 0; i < n; i++)
		stream_send(pair->near, got[i].data, got[i].len, got[i].segment);
	stream_flush(pair->near);
}

static void accepted(void *ctx, struct stream *stream, struct instant now)
{
	const struct addr any = { .family = ADDR_IPV4 };
	struct pair *pair = find(NULL);
	int error = 0;

	(void)ctx;
	puts("somebody came");
	if (!pair)
		errx(1, "too many");
	pair->near = stream;
	if (!by_udp) {
		pair->far = stream_connect(&loop, client, &to, NULL, 1, &far_events, now, &error);
	} else {
		error = udp_open(&pair->udp, &any);
		pair->source = (struct loop_source){ .fd = pair->udp.fd,
						     .events = LOOP_READ,
						     .ready = from_relay };
		if (!error)
			error = loop_add(&loop, &pair->source);
	}
	if (error)
		errx(1, "onwards: %s", strerror(-error));
}

int main(int argc, char **argv)
{
	static const struct stream_events near_events = { accepted, hand_on, nothing, end_both,
							  NULL };
	static const uint8_t key[TLS_KEY] = "not the relay's, but a valid one";
	struct addr listen;
	int error = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 4 || !addr_parse(&listen, argv[2], 0) || !addr_parse(&to, argv[3], 0))
		errx(2, "usage: streamproxy tls|udp LISTEN TO");
	by_udp = strcmp(argv[1], "udp") == 0;
	client = tls_client_new();
	inbox = udp_inbox_new();
	if (loop_init(&loop) || !client || !inbox)
		errx(1, "cannot start");
	if (!stream_listen(&loop, tls_server_new(key), &listen, PAIRS, &near_events, &error))
		errx(1, "listen: %s", strerror(-error));
	while (!error)
		error = loop_turn(&loop, INSTANT_NEVER);
	errx(1, "epoll: %s", strerror(-error));
}
