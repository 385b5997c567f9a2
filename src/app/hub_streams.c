/* SPDX-License-Identifier: MIT */
#include "app/hub_streams.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/listen.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/log.h"

#define SPARE 256 /* streams beyond one for each member: of those that come again */

static struct stream *find(const struct hub *hub, const struct addr *addr)
{
	const struct stream_server *server =
		addr->port < hub->n_streams ? hub->streams[addr->port].server : NULL;

	return server ? stream_server_find(server, addr_stream_number(addr)) : NULL;
}

static struct addr place_of(const struct hub_stream_server *s, const struct stream *stream)
{
	struct addr at = addr_stream(stream_number(stream));

	at.port = s->number;
	return at;
}

/* --- what the servers tell --- */

static void note_ready(void *ctx, struct stream *stream, struct instant now)
{
	struct addr far = stream_far(stream);
	char text[ADDR_TEXT];

	(void)ctx;
	(void)now;
	log_debug("tls connected", log_text("from", addr_format(&far, text)));
}

static void take_packet(void *ctx, struct stream *stream, uint8_t *data, size_t len,
			struct instant now)
{
	struct hub_stream_server *s = ctx;
	struct addr from = place_of(s, stream);

	relay_datagrams(s->hub->relay, 0, &from, data, len, len, now);
}

static void end_packets(void *ctx, struct stream *stream, struct instant now)
{
	(void)ctx;
	(void)stream;
	(void)now;
}

static void note_closed(void *ctx, struct stream *stream, const char *why)
{
	struct addr far = stream_far(stream);
	char text[ADDR_TEXT];

	(void)ctx;
	log_debug("tls closed", log_text("error", why), log_text("from", addr_format(&far, text)));
}

/* --- start and end --- */

static bool make_certificate(struct hub *hub)
{
	uint8_t key[TLS_KEY];

	certificate_key(key, hub->conf->private_key);
	hub->tls = tls_server_new(key);
	bytes_wipe(key, sizeof(key));
	if (!hub->tls)
		log_error("cannot start, out of memory, or OpenSSL lacks TLS 1.3 or Ed25519");
	return hub->tls;
}

static bool open_one(struct hub *hub, const struct addr *listen)
{
	struct hub_stream_server *s = &hub->streams[hub->n_streams];
	const struct stream_events events = { note_ready, take_packet, end_packets, note_closed,
					      s };
	char text[ADDR_TEXT];
	struct addr local;
	int error = 0;

	s->hub = hub;
	s->number = (uint16_t)hub->n_streams;
	s->server = stream_listen(&hub->loop, hub->tls, listen, hub->conf->max_members + SPARE,
				  &events, &error);
	if (!s->server)
		return listen_failed(hub->conf->file, "relay", "listen_tls", listen, error);
	local = stream_server_local(s->server);
	log_info("listening for TLS", log_text("at", addr_format(&local, text)));
	hub->n_streams++;
	return true;
}

bool hub_streams_start(struct hub *hub)
{
	const struct relay_conf *conf = hub->conf;

	if (conf->n_listen_tls == 0)
		return true;
	if (!make_certificate(hub))
		return false;
	for (unsigned i = 0; i < conf->n_listen_tls; i++)
		if (!open_one(hub, &conf->listen_tls[i]))
			return false;
	return true;
}

void hub_streams_stop(struct hub *hub)
{
	while (hub->n_streams)
		stream_server_close(hub->streams[--hub->n_streams].server);
	tls_free(hub->tls);
}

void hub_streams_mark(const struct hub *hub, uint8_t out[WIRE_STREAM_MARK])
{
	uint8_t key[TLS_KEY];

	memset(out, 0, WIRE_STREAM_MARK);
	if (!hub->tls)
		return;
	tls_key(hub->tls, key);
	certificate_mark(out, key);
}

/* --- the run --- */

void hub_streams_send(struct hub *hub, struct run *run)
{
	struct stream *stream = find(hub, &run->to);

	run->error = stream ? 0 : EPIPE;
	if (!stream)
		return;
	stream_send(stream, run->data, run->len, run->segment);
	stream_flush(stream);
}

/* A member that is alive says something within the time. */
static void cut_silent(const struct hub *hub, const struct stream_server *server)
{
	struct stream *stream;
	size_t at = 0;

	while ((stream = stream_server_next(server, &at)))
		if (instant_between(stream_heard(stream), hub->loop.now) >=
		    SECONDS(hub->conf->timeout))
			stream_close(stream);
}

void hub_streams_second(struct hub *hub)
{
	for (unsigned i = 0; i < hub->n_streams; i++) {
		stream_server_tick(hub->streams[i].server, hub->loop.now);
		cut_silent(hub, hub->streams[i].server);
	}
}

char *hub_streams_place(const struct hub *hub, const struct addr *addr, char out[HUB_PLACE])
{
	const struct stream *stream =
		addr->family == ADDR_STREAM ? find(hub, addr) : NULL;
	char text[ADDR_TEXT];
	struct addr far;

	if (addr->family != ADDR_STREAM) {
		snprintf(out, HUB_PLACE, "%s", addr_format(addr, text));
	} else if (stream) {
		far = stream_far(stream);
		snprintf(out, HUB_PLACE, "tls %s", addr_format(&far, text));
	} else {
		snprintf(out, HUB_PLACE, "tls, ended");
	}
	return out;
}
