/* SPDX-License-Identifier: MIT */
#include "app/node.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/event.h"
#include "app/listen.h"
#include "app/node_captures.h"
#include "app/node_hooks.h"
#include "app/node_io.h"
#include "app/node_peers.h"
#include "app/node_portmap.h"
#include "app/node_watch.h"
#include "app/ports.h"
#include "app/streams.h"
#include "app/uplink.h"
#include "app/worker.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/rand.h"
#include "host/proc.h"

_Static_assert(CONF_LISTEN <= PEERS_SOCKETS, "each listen address has a socket");
_Static_assert(CONF_PEERS <= PEERS_MAX, "each configured peer has a number");

/* A worker's socket at the listen address of that number. */
static bool watch_socket(struct worker *w, unsigned number)
{
	struct node_socket *s = &w->sockets[number];
	int error;

	s->worker = w;
	s->number = (uint8_t)number;
	node_io_watch_socket(s);
	error = loop_add(w->loop, &s->source);
	if (error)
		log_error("epoll failed", log_text("error", strerror(-error)));
	return error == 0;
}

/* The other workers' sockets beside the main thread's. */
static bool share_socket(struct node *node, unsigned number)
{
	struct udp *first = &node->workers[0].sockets[number].udp;
	char text[ADDR_TEXT];
	int error = 0;

	for (unsigned i = 1; i < node->n_workers && !error; i++)
		error = udp_open_beside(&node->workers[i].sockets[number].udp, first);
	if (error) {
		log_error("cannot listen with a socket for each worker",
			  log_text("listen", addr_format(&first->local, text)),
			  log_text("error", strerror(-error)));
		return false;
	}
	for (unsigned i = 1; i < node->n_workers; i++) {
		if (!watch_socket(&node->workers[i], number))
			return false;
	}
	if (node->n_workers > 1)
		error = udp_steer(first, node->n_workers, WIRE_DATA, WIRE_LANE);
	if (error)
		log_warn("no steering, what a peer sends comes to one worker",
			 log_text("listen", addr_format(&first->local, text)),
			 log_text("error", strerror(-error)));
	return true;
}

static bool start_sockets(struct node *node)
{
	const struct conf *conf = node->conf;
	struct udp udps[CONF_LISTEN];

	for (unsigned i = 0; i < node->n_workers; i++) {
		for (unsigned k = 0; k < CONF_LISTEN; k++)
			node->workers[i].sockets[k].udp.fd = -1;
	}
	node->n_sockets = listen_open(udps, conf->listen, conf->n_listen, conf->file, "site");
	for (unsigned i = 0; i < node->n_sockets; i++)
		node->workers[0].sockets[i].udp = udps[i];
	for (unsigned i = 0; i < node->n_sockets; i++) {
		if (!watch_socket(&node->workers[0], i) || !share_socket(node, i))
			return false;
	}
	return node->n_sockets > 0;
}

static unsigned route_mtu(void *ctx, const struct addr *to)
{
	(void)ctx;
	return udp_route_mtu(to);
}

_Static_assert(CONF_MSS_OFF == SITE_MSS_OFF && CONF_MSS_PATH == SITE_MSS_PATH, "one meaning");

/* Before the site, which makes keys. */
static bool start_key_log(struct node *node)
{
	const struct conf *conf = node->conf;
	char error[CONF_PATH + 128];
	uint8_t id[IDENTITY_ID];

	if (!conf->key_log[0])
		return true;
	if (!key_log_open(&node->key_log, conf->key_log, error, sizeof(error))) {
		log_error("key_log cannot be opened", log_text("error", error),
			  log_text("file", conf->file));
		return false;
	}
	identity_id(id, conf->public_key);
	key_log_site(&node->key_log, id, conf->site, conf->network);
	key_log_remind(&node->key_log, node->loop.now);
	return true;
}

static bool start_site(struct node *node)
{
	const struct conf *conf = node->conf;
	struct site_setup setup = { .cipher = conf->cipher,
				    .network = conf->network,
				    .name = conf->site,
				    .mtu = (uint16_t)conf->mtu,
				    .rand = rand_source_kernel(),
				    .keepalive = SECONDS(conf->keepalive),
				    .macs = conf->macs,
				    .mac_quota = conf->mac_quota,
				    .ageing = SECONDS(conf->ageing),
				    .hub = !conf->learning,
				    .wire = conf->wire,
				    .mss_clamp = (uint16_t)conf->mss_clamp,
				    .broadcast = (enum flood_mode)(conf->broadcast - 1),
				    .key_watch = node->key_log.fd < 0 ? NULL
								      : &node->key_log.watch,
				    .n_sockets = node->n_sockets,
				    .workers = node->n_workers };
	struct site_events events = { node_io_send, node_peers_event, route_mtu, node };
	bool ok;

	memcpy(setup.private_key, conf->private_key, KEX_KEY);
	memcpy(setup.psk, conf->secret, KEX_KEY);
	for (unsigned i = 0; i < node->n_sockets; i++)
		setup.families[i] = node->workers[0].sockets[i].udp.local.family;
	if (conf->any_engine && aead_start())
		aead_choose(conf->cipher, clock_now);
	ok = site_init(&node->site, &setup, &events, node->loop.now);
	bytes_wipe(&setup, sizeof(setup));
	if (!ok)
		log_error("cannot start, out of memory, or OpenSSL lacks cipher, X25519 or SHA-256",
			  log_text("cipher", cipher_name(conf->cipher)));
	return ok;
}

static void tap_carrier(void *ctx, bool on)
{
	(void)on;
	ports_carrier(ctx);
}

/* The first port, so its number is 0. */
static bool start_tap(struct node *node)
{
	const struct conf *conf = node->conf;

	if (!port_init(&node->port, conf->tap, node_io_tap_write, node))
		return false;
	node->port.carrier = tap_carrier;
	node->told_carrier = true;
	if (site_add_port(&node->site, &node->port) < 0)
		return false;
	node_io_watch_tap(node);
	site_port_link(&node->site, 0, node->attach.up, node->loop.now);
	return ports_apply(node, &node->port, &conf->vlans, conf->impair, conf->reserved_pass);
}

static bool start_attachment(struct node *node)
{
	const struct conf *conf = node->conf;
	struct attach_setup setup = { .tap = conf->tap,
				      .bridge = conf->bridge,
				      .create = conf->create,
				      .mtu = conf->mtu,
				      .offload = conf->offload,
				      .netfilter_off = conf->netfilter_off,
				      .gro = conf->gro,
				      .queues = node->n_workers };

	/* A bridge takes the lowest address among its ports: not one that changes. */
	setup.mac[0] = 0xfe;
	memcpy(setup.mac + 1, node->site.self.id, 5);
	if (attach_open(&node->attach, &setup, node->loop.now))
		return false;
	if (conf->tap[0] && !start_tap(node)) {
		log_error("out of memory");
		return false;
	}
	node_io_watch_monitor(node);
	return true;
}

static bool start_ports(struct node *node)
{
	const struct conf *conf = node->conf;
	char note[PORTS_NOTE];

	node->ports = ports_new(node);
	if (!node->ports)
		log_error("out of memory");
	for (unsigned i = 0; node->ports && i < conf->n_ports; i++) {
		if (ports_add(node->ports, &conf->ports[i], false, note) == 0)
			continue;
		log_error("cannot start", log_text("port", conf->ports[i].name),
			  log_text("error", note), log_text("file", conf->file));
		return false;
	}
	return node->ports;
}

/* Requests look at all, and may change all. */
static char *answer(void *ctx, const char *request, bool privileged, size_t *len)
{
	struct node *node = ctx;
	char *text;

	worker_pause(node);
	text = node->control(node, request, privileged, len);
	worker_resume(node);
	return text;
}

static bool start_control(struct node *node, ctlsock_handler control)
{
	char path[CONF_PATH];
	int error;

	if (!ctlsock_path(path, sizeof(path), node->conf->instance)) {
		log_error("path of the control socket is too long",
			  log_text("instance", node->conf->instance));
		return false;
	}
	node->control = control;
	node_captures_start(node);
	error = ctlsock_open(&node->ctlsock, &node->loop, path, answer, node);
	if (error)
		log_error("control socket cannot be opened", log_text("path", path),
			  log_text("error", strerror(-error)),
			  log_text("hint", error == -EADDRINUSE ? "this instance is running already"
								: NULL));
	return error == 0;
}

static void reload(struct node *node)
{
	struct conf_errors why = { 0 };

	worker_pause(node);
	if (node_peers_reload(node, &why) == 0)
		node_portmap_again(node);
	worker_resume(node);
	conf_errors_free(&why);
}

static void signal_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct node *node = container_of(source, struct node, signal_source);
	int signal;

	(void)events;
	(void)now;
	while ((signal = proc_signal_read(source->fd)) != 0) {
		if (signal == SIGTERM || signal == SIGINT)
			node->loop.stop = true;
		if (signal == SIGHUP)
			reload(node);
	}
}

static bool start_loop(struct node *node)
{
	int fd = proc_signal_fd();
	int error = fd < 0 ? fd : loop_init(&node->loop);

	node->signal_source =
		(struct loop_source){ .fd = fd, .events = LOOP_READ, .ready = signal_ready };
	node->started = node->loop.now;
	if (!error)
		error = loop_add(&node->loop, &node->signal_source);
	if (error)
		log_error("no signals or epoll", log_text("error", strerror(-error)));
	return error == 0;
}

/* A worker has something for the main thread: at least a look at the site. */
static void wake_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct node *node = container_of(source, struct node, wake_source);
	eventfd_t count;
	bool mend;

	(void)events;
	eventfd_read(source->fd, &count);
	worker_enter(&node->workers[0], now);
	mend = node->mend_wanted;
	worker_leave(&node->workers[0]);
	node->loop.stop |= node->worker_failed;
	streams_drain(node);
	if (mend)
		node_io_mend(node, now);
}

static bool start_workers(struct node *node)
{
	unsigned n = node->conf->workers;
	int error = worker_init(node, n ? n : worker_default(proc_cores()));

	node->wake_source.events = LOOP_READ;
	node->wake_source.ready = wake_ready;
	if (!error && node->n_workers > 1)
		error = loop_add(&node->loop, &node->wake_source);
	if (!error)
		error = streams_init(node);
	if (!error)
		error = uplink_init(node);
	if (error)
		log_error("cannot make workers", log_text("error", strerror(-error)));
	return error == 0;
}

static void resolved(void *ctx, uint64_t tag, const struct addr *answers, size_t n,
		     const char *error)
{
	worker_pause(ctx);
	node_peers_resolved(ctx, tag, answers, n, error);
	worker_resume(ctx);
}

static bool start_peers(struct node *node)
{
	int error;

	node->resolve = resolve_new(&node->loop, resolved, node);
	if (!node->resolve) {
		log_error("cannot make the thread that looks up names");
		return false;
	}
	node_hooks_apply(node, node->conf);
	for (unsigned i = 0; i < node->conf->n_peers; i++)
		node_peers_add(node, &node->conf->peers[i]);
	node_relays_start(node);
	error = worker_start(node);
	if (error)
		log_error("cannot make the threads of workers",
			  log_text("error", strerror(-error)));
	return error == 0;
}

static void tell_start(const struct node *node)
{
	const struct conf *conf = node->conf;
	char hex[IDENTITY_ID_TEXT];

	bytes_to_hex(hex, node->site.self.id, IDENTITY_ID);
	event_tell(EVENT_STARTED, log_text("site", conf->site), log_text("site_id", hex),
		   log_text("network", conf->network), log_number("peers", conf->n_peers),
		   log_number("relays", conf->n_relays), log_text("tap", conf->tap[0] ? conf->tap : NULL),
		   log_number("ports", conf->n_ports),
		   log_number("workers", node->n_workers));
}

struct node *node_start(struct conf *conf, ctlsock_handler control)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node) {
		log_error("out of memory");
		return NULL;
	}
	node->conf = conf;
	node->attach.tap.fd = node->signal_source.fd = node->loop.epoll_fd = -1;
	node->key_log.fd = -1;
	locals_init(&node->locals);
	if (!start_loop(node) || !start_workers(node) || !start_sockets(node) ||
	    !start_key_log(node) || !start_site(node) || !start_attachment(node) || !start_ports(node) || !start_control(node, control) ||
	    !start_peers(node))
		goto fail;
	tell_start(node);
	return node;
fail:
	node_stop(node);
	return NULL;
}

static void every_second(struct node *node, struct instant now)
{
	node->next_second = instant_add(now, SECONDS(1));
	ctlsock_tick(node->ctlsock, now);
	event_tick(now);
	captures_tick(&node->captures, now);
	locals_look(&node->locals);
	worker_pause(node);
	offloads_lost(&node->attach.offloads, node->port.lost);
	node_peers_resolve_again(node);
	node_relays_second(node);
	node_portmap_second(node);
	node_watch_second(node, now);
	key_log_remind(&node->key_log, now);
	peers_look(&node->site.peers, now);
	if (node->conf->tap[0] && instant_reached(now, node->attach.retry))
		node_io_mend(node, now);
	ports_look(node->ports, now);
	worker_resume(node);
}

static void look_at_links(struct node *node)
{
	node->links_changed = false;
	worker_pause(node);
	ports_look(node->ports, node->loop.now);
	worker_resume(node);
}

static void tick(struct node *node)
{
	struct worker *w = &node->workers[0];
	struct instant now = worker_enter(w, node->loop.now);

	site_tick(&node->site, now);
	site_close(&node->site);
	worker_leave(w);
	if (node->links_changed)
		look_at_links(node);
	node->labs_due = ports_turn(node->ports, node->loop.now);
	if (instant_reached(node->loop.now, node->next_second))
		every_second(node, node->loop.now);
}

int node_run(struct node *node)
{
	proc_notify("READY=1");
	while (!node->loop.stop) {
		int error = loop_turn(&node->loop, worker_due(node));

		if (error) {
			log_error("epoll failed", log_text("error", strerror(-error)));
			return 1;
		}
		tick(node);
	}
	return node->worker_failed;
}

static void close_sockets(struct node *node)
{
	for (unsigned i = 0; i < node->n_workers; i++) {
		for (unsigned k = 0; k < node->n_sockets; k++)
			udp_close(&node->workers[i].sockets[k].udp);
	}
}

void node_stop(struct node *node)
{
	proc_notify("STOPPING=1");
	event_tell(EVENT_STOPPING);
	worker_stop(node);
	site_goodbye(&node->site, node->loop.now);
	ports_unplug(node->ports);
	node_portmap_stop(node);
	node_hooks_stop(node);
	uplink_free(node);
	streams_free(node);
	if (node->resolve)
		resolve_free(node->resolve);
	if (node->ctlsock)
		ctlsock_close(node->ctlsock);
	captures_free(&node->captures);
	event_stop();
	ports_free(node->ports);
	if (node->attach.netlink.request)
		attach_close(&node->attach);
	port_free(&node->port);
	site_free(&node->site);
	close_sockets(node);
	key_log_close(&node->key_log);
	if (node->signal_source.fd >= 0)
		close(node->signal_source.fd);
	if (node->loop.epoll_fd >= 0)
		loop_free(&node->loop);
	worker_free(node);
	locals_free(&node->locals);
	conf_free(node->conf);
	free(node);
}
