/* SPDX-License-Identifier: MIT */
#include "app/node.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/node_io.h"
#include "app/node_peers.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/rand.h"
#include "host/proc.h"

_Static_assert(CONF_LISTEN <= PEERS_SOCKETS, "each listen address has a socket");
_Static_assert(CONF_PEERS <= PEERS_MAX, "each configured peer has a number");

static const char *listen_hint(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return ": another process has this port: choose another, or stop that process";
	case -EADDRNOTAVAIL:
		return ": must be an address of this host, like 0.0.0.0 for all";
	case -EACCES:
		return ": a port below 1024 needs CAP_NET_BIND_SERVICE";
	default:
		return "";
	}
}

static bool start_sockets(struct node *node)
{
	const struct conf *conf = node->conf;
	char text[ADDR_TEXT];

	for (unsigned i = 0; i < conf->n_listen; i++) {
		struct node_socket *s = &node->sockets[node->n_sockets];
		int error = udp_open(&s->udp, &conf->listen[i]);

		addr_format(&conf->listen[i], text);
		if (error == -EAFNOSUPPORT) {
			log_warn("listen %s: this host has no %s, left out", text,
				 conf->listen[i].family == ADDR_IPV6 ? "IPv6" : "IPv4");
			continue;
		}
		if (error) {
			log_error("%s: [site] listen %s: %s%s", conf->file, text, strerror(-error),
				  listen_hint(error));
			return false;
		}
		offloads_test_socket(&s->udp);
		s->node = node;
		s->number = (uint8_t)node->n_sockets++;
		node_io_watch_socket(s);
		error = loop_add(&node->loop, &s->source);
		if (error) {
			log_error("epoll: %s", strerror(-error));
			return false;
		}
		log_info("listening on %s", addr_format(&s->udp.local, text));
	}
	if (node->n_sockets == 0)
		log_error("%s: [site] listen: no address could be used", conf->file);
	return node->n_sockets > 0;
}

static unsigned route_mtu(void *ctx, const struct addr *to)
{
	(void)ctx;
	return udp_route_mtu(to);
}

_Static_assert(CONF_MSS_OFF == SITE_MSS_OFF && CONF_MSS_PATH == SITE_MSS_PATH, "one meaning");

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
				    .reserved_pass = conf->reserved_pass,
				    .hub = !conf->learning,
				    .mss_clamp = (uint16_t)conf->mss_clamp,
				    .n_sockets = node->n_sockets };
	struct site_events events = { node_io_send, node_peers_event, route_mtu, node };
	bool ok;

	memcpy(setup.private_key, conf->private_key, KEX_KEY);
	memcpy(setup.psk, conf->secret, KEX_KEY);
	for (unsigned i = 0; i < node->n_sockets; i++)
		setup.families[i] = node->sockets[i].udp.local.family;
	if (conf->any_engine && aead_start())
		aead_choose(conf->cipher, clock_now);
	ok = site_init(&node->site, &setup, &events, node->loop.now);
	bytes_wipe(&setup, sizeof(setup));
	if (!ok)
		log_error("cannot start: out of memory, or OpenSSL lacks %s, X25519 or SHA-256",
			  cipher_name(conf->cipher));
	return ok;
}

static bool start_attachment(struct node *node)
{
	const struct conf *conf = node->conf;
	struct attach_setup setup = { .tap = conf->tap,
				      .bridge = conf->bridge,
				      .create = conf->create,
				      .mtu = conf->mtu,
				      .offload = conf->offload };

	if (attach_open(&node->attach, &setup, node->loop.now))
		return false;
	if (!port_init(&node->port, conf->tap, node_io_tap_write, node) ||
	    site_add_port(&node->site, &node->port) < 0) {
		log_error("out of memory");
		return false;
	}
	node_io_watch_tap(node);
	node_io_watch_monitor(node);
	return true;
}

static bool start_control(struct node *node, ctlsock_handler control)
{
	char path[CONF_PATH];
	int error;

	if (!ctlsock_path(path, sizeof(path), node->conf->instance)) {
		log_error("control socket: the path for %s is too long", node->conf->instance);
		return false;
	}
	error = ctlsock_open(&node->ctlsock, &node->loop, path, control, node);
	if (error)
		log_error("control socket %s: %s%s", path, strerror(-error),
			  error == -EADDRINUSE ? ": this instance is running already" : "");
	return error == 0;
}

static void signal_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct node *node = container_of(source, struct node, signal_source);
	struct conf_errors why = { 0 };
	int signal;

	(void)events;
	(void)now;
	while ((signal = proc_signal_read(source->fd)) != 0) {
		if (signal == SIGTERM || signal == SIGINT)
			node->loop.stop = true;
		if (signal == SIGHUP) {
			node_peers_reload(node, &why);
			for (size_t i = 0; i < why.n; i++)
				log_error("%s", why.lines[i]);
			conf_errors_free(&why);
		}
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
		log_error("signals and epoll: %s", strerror(-error));
	return error == 0;
}

struct node *node_start(struct conf *conf, ctlsock_handler control)
{
	struct node *node = calloc(1, sizeof(*node));
	char hex[IDENTITY_ID_TEXT];

	if (!node) {
		log_error("out of memory");
		return NULL;
	}
	node->conf = conf;
	node->attach.tap.fd = node->signal_source.fd = node->loop.epoll_fd = -1;
	node->frame = malloc(SITE_HEADROOM + SUPERFRAME_MAX);
	node->inbox[0] = udp_inbox_new();
	node->inbox[1] = udp_inbox_new();
	if (!node->frame || !node->inbox[0] || !node->inbox[1]) {
		log_error("out of memory");
		goto fail;
	}
	if (!start_loop(node) || !start_sockets(node) || !start_site(node) ||
	    !start_attachment(node) || !start_control(node, control))
		goto fail;
	node->resolve = resolve_new(&node->loop, node_peers_resolved, node);
	if (!node->resolve) {
		log_error("cannot make the thread that looks up names");
		goto fail;
	}
	for (unsigned i = 0; i < conf->n_peers; i++)
		node_peers_add(node, &conf->peers[i]);
	bytes_to_hex(hex, node->site.self.id, IDENTITY_ID);
	log_info("site %s (%s) of network %s: %u peer%s, tap %s", conf->site, hex, conf->network,
		 conf->n_peers, conf->n_peers == 1 ? "" : "s", conf->tap);
	return node;
fail:
	node_stop(node);
	return NULL;
}

static void every_second(struct node *node, struct instant now)
{
	node->next_second = instant_add(now, SECONDS(1));
	ctlsock_tick(node->ctlsock, now);
	offloads_lost(&node->attach.offloads, node->port.lost, now);
	node_peers_resolve_again(node);
	if (instant_reached(now, node->attach.retry))
		node_io_mend(node, now);
}

int node_run(struct node *node)
{
	struct site *site = &node->site;

	proc_notify("READY=1");
	while (!node->loop.stop) {
		struct instant until = instant_min(site_due(site), node->next_second);
		int error = loop_turn(&node->loop, until);

		if (error) {
			log_error("epoll: %s", strerror(-error));
			return 1;
		}
		site_tick(site, node->loop.now);
		site_close(site);
		if (instant_reached(node->loop.now, node->next_second))
			every_second(node, node->loop.now);
	}
	return 0;
}

void node_stop(struct node *node)
{
	proc_notify("STOPPING=1");
	if (node->site.peers.n_peer)
		site_goodbye(&node->site, node->loop.now);
	if (node->resolve)
		resolve_free(node->resolve);
	if (node->ctlsock)
		ctlsock_close(node->ctlsock);
	if (node->attach.tap_name[0] && node->attach.netlink.request)
		attach_close(&node->attach);
	port_free(&node->port);
	site_free(&node->site);
	for (unsigned i = 0; i < node->n_sockets; i++)
		udp_close(&node->sockets[i].udp);
	if (node->signal_source.fd >= 0)
		close(node->signal_source.fd);
	if (node->loop.epoll_fd >= 0)
		loop_free(&node->loop);
	udp_inbox_free(node->inbox[0]);
	udp_inbox_free(node->inbox[1]);
	free(node->frame);
	conf_free(node->conf);
	free(node);
}
