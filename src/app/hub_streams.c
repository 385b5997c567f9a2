/* SPDX-License-Identifier: MIT */
#include "app/hub_streams.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/listen.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/log.h"
#include "base/rand.h"
#include "host/proc.h"

#define SPARE 256 /* streams beyond one for each member: of those that come again */
#define OTHER_FILES 64

static struct stream *find(const struct hub *hub, const struct addr *addr)
{
	const struct stream_server *server =
		addr->port < hub->n_streams ? hub->streams[addr->port].server : NULL;

	return server ? stream_server_find(server, addr_stream_number(addr)) : NULL;
}

static struct addr place_of(const struct hub_stream_server *s, const struct stream *stream)
{
	struct addr at = addr_stream(stream_number(stream)), far = stream_far(stream);
	struct addr host = addr_group(&far);

	at.port = s->number;
	be64_put(at.ip + 4, addr_hash(&host, s->hub->host_seed));
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

	if (captures_on(&s->hub->captures, CAPTURES_WIRE))
		captures_stream(&s->hub->captures, stream, &from, CAPTURES_IN, data, len, len,
				now);
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

static uint64_t random_seed(void)
{
	struct rand_source source = rand_source_kernel();
	uint64_t seed;

	rand_fill(&source, &seed, sizeof(seed));
	return seed;
}

/* As many streams as members, if descriptors last: some stay for all the rest. */
static unsigned most_streams(const struct hub *hub)
{
	unsigned wanted = hub->conf->max_members + SPARE;
	unsigned files = proc_raise_files(wanted + OTHER_FILES);
	unsigned most = files > 2 * OTHER_FILES ? files - OTHER_FILES : files / 2;

	if (most < wanted)
		log_warn("listen_tls: fewer connections than members, for this process may not "
			 "open more files (LimitNOFILE, ulimit -n)",
			 log_number("most", most), log_number("files", files));
	return MIN(most, wanted) / hub->conf->n_listen_tls;
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
	s->server = stream_listen(&hub->loop, hub->tls, listen, hub->max_streams, &events,
				  &error);
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
	hub->max_streams = most_streams(hub);
	hub->host_seed = random_seed();
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

	run->error = EPIPE;
	if (stream)
		run->error = captures_stream_run(&hub->captures, stream, run, hub->loop.now) ? 0 : ENOBUFS;
}

void hub_streams_vouch(void *ctx, const struct addr *at)
{
	struct stream *stream = find(ctx, at);

	if (stream)
		stream_vouch(stream);
}

/* Whoever is no member soon goes; a member says something within the time. */
static void cut_silent(const struct hub *hub, const struct stream_server *server)
{
	struct instant now = hub->loop.now;
	struct stream *stream;
	size_t at = 0;

	while ((stream = stream_server_next(server, &at))) {
		bool member = stream_is_vouched(stream);

		if (instant_between(member ? stream_heard(stream) : stream_since(stream), now) >=
		    (member ? SECONDS(hub->conf->timeout) : 2 * STREAM_PATIENCE))
			stream_close(stream);
	}
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
