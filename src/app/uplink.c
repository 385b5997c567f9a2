/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * With `transport = auto` a stream is opened when the relay has left PATIENCE calls by UDP
 * unanswered, and closed when the session has been on UDP for UDP_STAYS.  The core
 * decides by which of the two packets go (core/peers.h, peers_set_stream).
 *
 * Anybody may have a certificate.  Whether this one is the relay's is told by the relay
 * itself, in a NOTICE under the session, and that its key vouches for.  Who terminates TLS
 * in between and hands the packets on is found by the mark, which is another one,
 * or by there being none because the relay sees its member come by UDP.  What such a one
 * can read or change is what any router can.
 */
#include "app/uplink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/certificate.h"
#include "app/event.h"
#include "app/node_io.h"
#include "app/streams.h"
#include "app/worker.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/log.h"
#include "host/stream.h"

#define PATIENCE 3 /* calls by UDP */
#define UDP_STAYS SECONDS(60)
#define MARK_PATIENCE SECONDS(30)
#define RETRY_LEAST SECONDS(1)
#define RETRY_MOST SECONDS(4)
#define RETRY_FOREIGN SECONDS(60)
#define SILENCE SECONDS(10) /* of a server that a relay would have broken */
#define PROBLEM (ADDR_TEXT + 128)

struct uplink {
	struct node *node;
	unsigned link;
	struct stream *stream;
	bool foreign; /* its certificate is not the relay's */
	bool proven;  /* it is: the relay said so */
	bool told;    /* that it is made use of */
	uint8_t mark[WIRE_STREAM_MARK];
	struct instant next_try, by_udp, marked;
	struct addr to;
	int64_t wait;	/* before the next but one try */
	unsigned tries; /* addresses take turns */
	char problem[PROBLEM];
};

struct uplinks {
	struct tls *tls;
	struct uplink link[LINKS_MAX];
	uint32_t numbers;
};

static struct link *link_of(const struct uplink *u)
{
	return u->node->site.peers.link[u->link];
}

static const char *name_of(const struct uplink *u)
{
	return link_of(u)->peer->name;
}

/* ---- a stream's life ---- */

/* Workers look streams up while they are at the site. */
static void tell_core(struct uplink *u, const struct addr *at)
{
	struct worker *w = &u->node->workers[0];
	struct instant now = worker_enter(w, u->node->loop.now);

	streams_set(u->node, u->link, at ? u->stream : NULL);
	if (link_of(u))
		peers_set_stream(&u->node->site.peers, link_of(u), at, now);
	worker_leave(w);
}

static void try_later(struct uplink *u, const char *why)
{
	char problem[PROBLEM], text[ADDR_TEXT];

	snprintf(problem, sizeof(problem), "%s: %s", addr_format(&u->to, text), why);
	if (strcmp(u->problem, problem) != 0)
		event_tell(EVENT_TLS_FAILED, log_text("relay", name_of(u)),
			   log_text("error", problem));
	memcpy(u->problem, problem, sizeof(problem));
	u->next_try = instant_add(u->node->loop.now, u->wait);
	u->wait = MIN(2 * u->wait, RETRY_MOST);
}

static void take_ready(void *ctx, struct stream *stream, struct instant now)
{
	struct addr at = addr_stream(stream_number(stream));
	struct uplink *u = ctx;
	uint8_t key[TLS_KEY];

	if (stream_far_key(stream, key))
		certificate_mark(u->mark, key);
	else
		memset(u->mark, 0, sizeof(u->mark)); /* which is no relay's */
	u->marked = now;
	tell_core(u, &at);
}

static void take_packet(void *ctx, struct stream *stream, uint8_t *data, size_t len,
			struct instant now)
{
	struct addr from = addr_stream(stream_number(stream));
	struct uplink *u = ctx;

	if (captures_on(&u->node->captures, CAPTURES_WIRE))
		captures_stream(&u->node->captures, stream, &from, CAPTURES_IN, data, len, len,
				now);
	node_io_stream_take(u->node, &from, data, len, now);
}

static void end_packets(void *ctx, struct stream *stream, struct instant now)
{
	struct uplink *u = ctx;

	(void)stream;
	(void)now;
	node_io_stream_end(u->node);
}

static void forget(struct uplink *u)
{
	tell_core(u, NULL);
	u->stream = NULL;
	u->foreign = u->proven = u->told = false;
}

static void note_closed(void *ctx, struct stream *stream, const char *why)
{
	struct uplink *u = ctx;
	bool proven = u->proven;

	(void)stream;
	node_io_stream_end(u->node); /* it may have ended between packets */
	forget(u);
	try_later(u, why);
	if (proven)
		u->next_try = u->node->loop.now;
}

static void drop(struct uplink *u)
{
	struct stream *stream = u->stream;

	if (!stream)
		return;
	forget(u);
	stream_close(stream);
}

/* The server's name, if the address has one: who looks on expects it in clear. */
static const char *server_name(const char *address, char out[CONF_HOST])
{
	size_t len = strcspn(address, ":");
	struct addr numeric;

	snprintf(out, CONF_HOST, "%.*s", (int)len, address);
	return *address == '[' || addr_parse(&numeric, out, 1) ? NULL : out;
}

static bool choose_address(struct uplink *u, struct addr *to, char name[CONF_HOST],
			   const char **server)
{
	const struct node_peer *np = &u->node->peers[link_of(u)->peer->number];
	unsigned all = 0, pick;

	for (unsigned i = 0; i < np->conf.n_address; i++)
		all += np->n_answers[i];
	if (!all)
		return false;
	pick = u->tries++ % all;
	for (unsigned i = 0; i < np->conf.n_address; i++) {
		if (pick < np->n_answers[i]) {
			*to = np->answers[i][pick];
			to->port = (uint16_t)np->conf.tls_port;
			*server = server_name(np->conf.address[i], name);
			return true;
		}
		pick -= np->n_answers[i];
	}
	return false;
}

static void open_stream(struct uplink *u)
{
	const struct stream_events events = { take_ready, take_packet, end_packets, note_closed,
					      u };
	struct uplinks *all = u->node->uplinks;
	char name[CONF_HOST];
	const char *server;
	int error = 0;

	if (!choose_address(u, &u->to, name, &server))
		return;
	if (!all->tls)
		all->tls = tls_client_new();
	if (all->tls)
		u->stream = stream_connect(&u->node->loop, all->tls, &u->to, server, ++all->numbers,
					   &events, u->node->loop.now, &error);
	if (!u->stream)
		try_later(u, all->tls ? strerror(-error) : "OpenSSL lacks TLS 1.3");
}

/* ---- each second ---- */

static bool is_streamed(const struct peer *peer)
{
	return peer->endpoint.addr.family == ADDR_STREAM;
}

static bool is_wanted(const struct uplink *u, unsigned transport)
{
	const struct peer *peer = link_of(u)->peer;

	if (transport == CONF_TRANSPORT_TLS)
		return true;
	if (transport != CONF_TRANSPORT_AUTO)
		return false;
	return peer->up ? peer->endpoint.addr.family == ADDR_NONE
			: peer->timers.attempts >= PATIENCE;
}

/* By UDP for long enough: the stream is needed no more. */
static bool is_over(struct uplink *u, unsigned transport)
{
	const struct peer *peer = link_of(u)->peer;

	if (transport != CONF_TRANSPORT_AUTO || !peer->up || is_streamed(peer))
		u->by_udp = u->node->loop.now;
	if (transport == CONF_TRANSPORT_UDP)
		return true;
	return instant_between(u->by_udp, u->node->loop.now) >= UDP_STAYS;
}

/* The relay sees its member come by UDP, or says nothing, though it comes by this stream. */
static bool is_unmarked(const struct uplink *u)
{
	const struct link *link = link_of(u);
	struct instant now = u->node->loop.now;

	return is_streamed(link->peer) && (link->observed.family != ADDR_NONE || !u->proven) &&
	       instant_between(u->marked, now) > MARK_PATIENCE &&
	       instant_between(link->peer->moved_at, now) > MARK_PATIENCE;
}

/* Who is there does not answer as a relay that knows this site. */
static bool is_silent(const struct uplink *u)
{
	return stream_is_ready(u->stream) && !link_of(u)->peer->up &&
	       instant_between(stream_since(u->stream), u->node->loop.now) > SILENCE;
}

static void refuse(struct uplink *u, int64_t wait, const char *why)
{
	drop(u);
	u->wait = MAX(u->wait, wait);
	try_later(u, why);
}

static void tell_proven(struct uplink *u)
{
	char text[ADDR_TEXT];

	u->told = true;
	u->wait = RETRY_LEAST;
	u->problem[0] = '\0';
	event_tell(EVENT_TLS_USED, log_text("relay", name_of(u)),
		   log_text("at", addr_format(&u->to, text)));
}

static void watch(struct uplink *u, unsigned transport)
{
	stream_tick(u->stream, u->node->loop.now);
	if (u->stream && (u->foreign || is_unmarked(u)))
		refuse(u, RETRY_FOREIGN,
		       "the certificate is not the relay's: something in between ends TLS");
	if (u->stream && is_silent(u))
		refuse(u, 0, "connected, but nobody answers the registration: is it the relay, is "
			     "public_key its key, does it serve this network and this site?");
	if (u->stream && u->proven && !u->told)
		tell_proven(u);
	if (u->stream && is_over(u, transport)) {
		drop(u);
		u->problem[0] = '\0';
		event_tell(EVENT_TLS_LEFT, log_text("relay", name_of(u)));
	}
}

void uplink_second(struct node *node, const struct link *link)
{
	struct uplink *u = &node->uplinks->link[link->number];
	unsigned transport = node->peers[link->peer->number].conf.transport;

	if (u->stream)
		watch(u, transport);
	else if (is_wanted(u, transport) && instant_reached(node->loop.now, u->next_try))
		open_stream(u);
	else if (link->peer->up && link->peer->endpoint.addr.family != ADDR_NONE)
		u->problem[0] = '\0'; /* UDP will do */
}

void uplink_forget(struct node *node, unsigned link)
{
	struct uplink *u = &node->uplinks->link[link];

	drop(u);
	u->problem[0] = '\0';
	u->next_try = (struct instant){ 0 };
	u->wait = RETRY_LEAST;
}

void uplink_marked(struct node *node, const struct link *link)
{
	struct uplink *u = &node->uplinks->link[link->number];

	if (!u->stream)
		return;
	u->foreign = memcmp(u->mark, link->mark, WIRE_STREAM_MARK) != 0;
	if (u->foreign)
		return;
	u->marked = node->loop.now;
	u->proven = true;
}

/* ---- start, end, report ---- */

int uplink_init(struct node *node)
{
	struct uplinks *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	node->uplinks = all;
	for (unsigned i = 0; i < LINKS_MAX; i++)
		all->link[i] = (struct uplink){ .node = node, .link = i, .wait = RETRY_LEAST };
	return 0;
}

void uplink_free(struct node *node)
{
	struct uplinks *all = node->uplinks;

	if (!all)
		return;
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		if (all->link[i].stream)
			stream_close(all->link[i].stream);
	}
	tls_free(all->tls);
	free(all);
	node->uplinks = NULL;
}

unsigned uplink_far_ends(const struct node *node, struct addr out[LINKS_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; node->uplinks && i < LINKS_MAX; i++) {
		if (node->uplinks->link[i].stream)
			out[n++] = node->uplinks->link[i].to;
	}
	return n;
}

char *uplink_place(const struct node *node, const struct addr *addr, char out[UPLINK_PLACE])
{
	const struct stream *stream = streams_find(node, addr);
	char text[ADDR_TEXT];
	struct addr far;

	if (stream)
		far = stream_far(stream);
	snprintf(out, UPLINK_PLACE, "tls%s%s", stream ? " " : ", ended",
		 stream ? addr_format(&far, text) : "");
	return out;
}

const char *uplink_problem(const struct node *node, unsigned link)
{
	return node->uplinks->link[link].problem;
}
