/* SPDX-License-Identifier: MIT */
#include "app/hub.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/event.h"
#include "app/hub_captures.h"
#include "app/hub_events.h"
#include "app/hub_streams.h"
#include "app/listen.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/log.h"
#include "base/rand.h"
#include "host/proc.h"

#define UDP_ROUNDS 4 /* of messages from a socket in one turn */

_Static_assert(RUN_SEGMENTS <= UDP_SEND_SEGMENTS && RUN_BYTES <= UDP_SEND_MAX,
	       "a run is one message");

/* --- datagrams --- */

/* What left, and what came, for who looks on. */
static void show_sent(struct hub *hub, const struct udp *udp, const struct udp_message *messages,
		      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct udp_message *m = &messages[i];
		struct addr local = m->from.family ? m->from : udp->local;

		local.port = udp->local.port;
		if (!m->error)
			captures_wire(&hub->captures, &local, &m->to, CAPTURES_OUT, m->data, m->len,
				      m->segment, hub->loop.now);
	}
}

static void show_received(struct hub *hub, unsigned socket, const struct udp_received *got, int n)
{
	for (int i = 0; i < n; i++)
		captures_wire(&hub->captures,
			      got[i].local.family ? &got[i].local : &hub->udp[socket].local,
			      &got[i].from, CAPTURES_IN, got[i].data, got[i].len, got[i].segment,
			      hub->loop.now);
}

/* Runs that leave by one socket and follow each other, together; how many. */
static size_t send_some(struct hub *hub, struct run **runs, size_t n)
{
	struct udp_message messages[OUTBOX_RUNS];
	unsigned socket = sockets_index(runs[0]->socket);
	bool gso_lost = false;
	size_t count;

	for (count = 0; count < MIN(n, COUNT_OF(messages)); count++) {
		const struct run *run = runs[count];

		if (sockets_index(run->socket) != socket || run->to.family == ADDR_STREAM)
			break;
		messages[count] =
			(struct udp_message){ .data = run->data,
					      .len = run->len,
					      .segment = run->segment,
					      .to = run->to,
					      .from = locals_from(&hub->locals, run->socket) };
	}
	udp_send(&hub->udp[socket], messages, count, &gso_lost);
	for (size_t i = 0; i < count; i++) {
		runs[i]->error = messages[i].error;
		locals_sent(&hub->locals, runs[i]->socket, &messages[i].from);
	}
	if (captures_on(&hub->captures, CAPTURES_WIRE))
		show_sent(hub, &hub->udp[socket], messages, count);
	if (gso_lost)
		log_warn("UDP_SEGMENT is refused, datagrams go one by one",
			 log_number("socket", socket));
	return count;
}

static void send_runs(void *ctx, struct run **runs, size_t n)
{
	for (size_t done = 0; done < n;) {
		if (runs[done]->to.family == ADDR_STREAM)
			hub_streams_send(ctx, runs[done++]);
		else
			done += send_some(ctx, runs + done, n - done);
	}
}

static void socket_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct hub_socket *s = container_of(source, struct hub_socket, source);
	struct hub *hub = s->hub;
	struct udp_received got[UDP_BATCH];
	int n = UDP_BATCH;

	(void)events;
	for (unsigned round = 0; round < UDP_ROUNDS && n == UDP_BATCH; round++) {
		n = udp_receive(&hub->udp[s->number], hub->inbox, got);
		if (captures_on(&hub->captures, CAPTURES_WIRE))
			show_received(hub, s->number, got, n);
		for (int i = 0; i < n; i++)
			relay_datagrams(hub->relay,
					locals_socket(&hub->locals, s->number, &got[i].local, now),
					&got[i].from, got[i].data, got[i].len, got[i].segment, now);
	}
}

/* --- the start --- */

static bool watch(struct hub *hub, struct loop_source *source)
{
	int error = loop_add(&hub->loop, source);

	if (error)
		log_error("epoll failed", log_text("error", strerror(-error)));
	return error == 0;
}

static bool start_sockets(struct hub *hub)
{
	const struct relay_conf *conf = hub->conf;
	struct hub_socket *s;

	hub->n_sockets = listen_open(hub->udp, conf->listen, conf->n_listen, conf->file, "relay");
	for (unsigned i = 0; i < hub->n_sockets; i++) {
		s = &hub->sockets[i];
		s->hub = hub;
		s->number = (uint8_t)i;
		s->source = (struct loop_source){ .fd = hub->udp[i].fd,
						  .events = LOOP_READ,
						  .ready = socket_ready };
		if (!watch(hub, &s->source))
			return false;
	}
	return hub->n_sockets > 0;
}

static bool set_network(struct hub *hub, const struct relay_conf_network *network)
{
	struct relay_network_setup setup = {
		.name = network->name,
		.access = network->access,
		.keys = (const uint8_t(*)[KEX_KEY])network->members.keys,
		.n_keys = network->members.n,
		.limits = network->limits
	};
	bool ok;

	memcpy(setup.secret, network->secret, KEX_KEY);
	ok = relay_network_set(hub->relay, &setup, hub->loop.now);
	bytes_wipe(&setup, sizeof(setup));
	if (!ok)
		log_error("no memory for a network, or too many of them",
			  log_text("network", network->name));
	return ok;
}

static bool start_networks(struct hub *hub)
{
	for (unsigned i = 0; i < hub->conf->n_networks; i++)
		if (!set_network(hub, &hub->conf->networks[i]))
			return false;
	return true;
}

static bool start_relay(struct hub *hub)
{
	const struct relay_conf *conf = hub->conf;
	struct relay_setup setup = { .name = conf->name,
				     .rand = rand_source_kernel(),
				     .max_members = conf->max_members,
				     .open = conf->open,
				     .limits = conf->limits,
				     .timeout = SECONDS(conf->timeout) };

	memcpy(setup.private_key, conf->private_key, KEX_KEY);
	hub_streams_mark(hub, setup.stream_mark);
	setup.streamed = hub_streams_vouch;
	if (conf->any_engine && aead_start())
		aead_choose(CIPHER_AES_256_GCM, clock_now);
	hub->relay = relay_new(&setup, send_runs, hub, hub->loop.now);
	bytes_wipe(&setup, sizeof(setup));
	if (!hub->relay)
		log_error("cannot start, out of memory, or OpenSSL lacks AES-256-GCM, X25519 or "
			  "SHA-256");
	if (!hub->relay || !start_networks(hub))
		return false;
	relay_watch(hub->relay, hub_events_tell, hub);
	return true;
}

static bool start_control(struct hub *hub, ctlsock_handler control)
{
	const char *instance = hub->conf->instance;
	char path[CONF_PATH];
	int error;

	if (!ctlsock_path(path, sizeof(path), instance)) {
		log_error("path of the control socket is too long", log_text("instance", instance));
		return false;
	}
	hub_captures_start(hub);
	error = ctlsock_open(&hub->ctlsock, &hub->loop, path, control, hub);
	if (error)
		log_error("control socket cannot be opened", log_text("path", path),
			  log_text("error", strerror(-error)),
			  log_text("hint", error == -EADDRINUSE ? "this instance is running already"
								: NULL));
	return error == 0;
}

static void signal_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct hub *hub = container_of(source, struct hub, signal_source);
	struct conf_errors why = { 0 };
	int signal;

	(void)events;
	(void)now;
	while ((signal = proc_signal_read(source->fd)) != 0) {
		if (signal == SIGTERM || signal == SIGINT)
			hub->loop.stop = true;
		if (signal == SIGHUP) {
			hub_reload(hub, &why);
			conf_errors_free(&why);
		}
	}
}

static bool start_loop(struct hub *hub)
{
	int fd = proc_signal_fd();
	int error = fd < 0 ? fd : loop_init(&hub->loop);

	hub->signal_source =
		(struct loop_source){ .fd = fd, .events = LOOP_READ, .ready = signal_ready };
	hub->started = hub->loop.now;
	if (!error)
		error = loop_add(&hub->loop, &hub->signal_source);
	if (error)
		log_error("no signals or epoll", log_text("error", strerror(-error)));
	return error == 0;
}

/* What people have to know of it: its key, and whether it is for everybody. */
static void tell(const struct hub *hub)
{
	const struct relay_conf *c = hub->conf;
	char key[KEX_TEXT];

	kex_to_text(key, relay_public_key(hub->relay));
	event_tell(EVENT_STARTED, log_text("relay", c->name), log_text("public_key", key),
		   log_number("networks", c->n_networks),
		   log_text("access", c->open ? "open" : "configured"));
	if (c->open && !c->limits.site_packets && !c->limits.site_bytes &&
	    !c->limits.network_packets && !c->limits.network_bytes)
		log_warn("access is open without limits, anybody may use all that this host can "
			 "send");
}

struct hub *hub_start(struct relay_conf *conf, ctlsock_handler control)
{
	struct hub *hub = calloc(1, sizeof(*hub));

	if (!hub) {
		log_error("out of memory");
		relay_conf_free(conf);
		return NULL;
	}
	hub->conf = conf;
	hub->signal_source.fd = hub->loop.epoll_fd = -1;
	locals_init(&hub->locals);
	hub->inbox = udp_inbox_new();
	if (!hub->inbox) {
		log_error("out of memory");
		goto fail;
	}
	if (!start_loop(hub) || !start_sockets(hub) || !hub_streams_start(hub) ||
	    !start_relay(hub) || !start_control(hub, control))
		goto fail;
	tell(hub);
	return hub;
fail:
	hub_stop(hub);
	return NULL;
}

/* --- the run, and the end --- */

int hub_run(struct hub *hub)
{
	proc_notify("READY=1");
	while (!hub->loop.stop) {
		struct instant until = instant_min(relay_due(hub->relay), hub->next_second);
		int error = loop_turn(&hub->loop, until);

		if (error) {
			log_error("epoll failed", log_text("error", strerror(-error)));
			return 1;
		}
		if (instant_reached(hub->loop.now, relay_due(hub->relay)))
			relay_tick(hub->relay, hub->loop.now);
		relay_close(hub->relay);
		if (instant_reached(hub->loop.now, hub->next_second)) {
			hub->next_second = instant_add(hub->loop.now, SECONDS(1));
			ctlsock_tick(hub->ctlsock, hub->loop.now);
			event_tick(hub->loop.now);
			captures_tick(&hub->captures, hub->loop.now);
			relay_tell_limits(hub->relay, hub->loop.now);
			hub_streams_second(hub);
			locals_look(&hub->locals);
		}
	}
	return 0;
}

void hub_stop(struct hub *hub)
{
	proc_notify("STOPPING=1");
	event_tell(EVENT_STOPPING);
	if (hub->relay) {
		relay_watch(hub->relay, NULL, NULL); /* all go now */
		relay_goodbye(hub->relay, hub->loop.now);
		relay_close(hub->relay);
		relay_free(hub->relay);
	}
	if (hub->ctlsock)
		ctlsock_close(hub->ctlsock);
	captures_free(&hub->captures);
	event_stop();
	hub_streams_stop(hub);
	for (unsigned i = 0; i < hub->n_sockets; i++)
		udp_close(&hub->udp[i]);
	if (hub->signal_source.fd >= 0)
		close(hub->signal_source.fd);
	if (hub->loop.epoll_fd >= 0)
		loop_free(&hub->loop);
	udp_inbox_free(hub->inbox);
	locals_free(&hub->locals);
	relay_conf_free(hub->conf);
	free(hub);
}

/* --- reload --- */

/* What went, goes; the rest is as new, since the lists of keys are. */
static void apply_networks(struct hub *hub, struct relay_conf *conf)
{
	struct relay_conf *before = hub->conf;

	for (unsigned i = 0; i < before->n_networks; i++)
		if (!relay_conf_find(conf, before->networks[i].name))
			relay_network_remove(hub->relay, before->networks[i].name, hub->loop.now);
	for (unsigned i = 0; i < conf->n_networks; i++)
		set_network(hub, &conf->networks[i]);
}

static int reload(struct hub *hub, struct conf_errors *why)
{
	struct relay_conf *conf = relay_conf_load(hub->conf->file, why);
	struct conf_changes changes;

	if (!conf)
		return 2;
	if (!relay_conf_change_is_live(hub->conf, conf, why)) {
		relay_conf_free(conf);
		return 2;
	}
	relay_conf_changes(hub->conf, conf, &changes);
	log_set_level(conf->log);
	apply_networks(hub, conf);
	relay_conf_free(hub->conf);
	hub->conf = conf;
	event_tell(EVENT_RELOADED, log_number("networks", conf->n_networks),
		   conf_change_field("added", changes.added),
		   conf_change_field("removed", changes.removed),
		   conf_change_field("changed", changes.changed));
	return 0;
}

int hub_reload(struct hub *hub, struct conf_errors *why)
{
	int status = reload(hub, why);
	char place[CONF_ERRORS_PLACE];

	for (size_t i = 0; i < why->n; i++) {
		conf_errors_place(why->lines[i], place);
		event_tell(EVENT_RELOAD_REFUSED, log_text("error", place));
	}
	return status;
}
