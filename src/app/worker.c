/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * The site is single-threaded: who works at it holds site_lock.  The system calls
 * that move frames are made outside of the lock, so that copies into and out of
 * the kernel run in parallel: a worker reads, enters, lets the site do its work,
 * takes along what is to be sent or written, leaves, and sends and writes it.
 *
 * All else that a worker touches (its sockets, its queue of the TAP, their places
 * in its loop) is its own while it works, and the main thread's while it does not.
 * The gate tells these apart: a worker holds it, shared, from when its loop has
 * something to do until it waits again.  The main thread takes it for itself to
 * mend the TAP, to answer a request, to reload.  Order: gate, then lock.
 *
 * Time is the main thread's business.  When another worker makes something due
 * earlier than the main loop sleeps, it is woken by an eventfd.
 */
#include "app/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/streams.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/log.h"

#define FEW_CORES 4
#define DEFAULT_MOST 8

_Static_assert(CONF_WORKERS <= WIRE_LANES, "each worker has a lane");
_Static_assert(PEERS_TOO_BIG == EMSGSIZE, "the core's own word for it");
_Static_assert(RUN_SEGMENTS <= UDP_SEND_SEGMENTS && RUN_BYTES <= UDP_SEND_MAX,
	       "a run is one message");

unsigned worker_default(unsigned cores)
{
	return cores <= FEW_CORES ? 1 : MIN(cores / 2, DEFAULT_MOST);
}

static bool is_alone(const struct node *node)
{
	return node->n_workers <= 1;
}

/* ---- turns at the site --------------------------------------------------- */

struct instant worker_enter(struct worker *w, struct instant now)
{
	struct node *node = w->node;

	if (is_alone(node))
		return now;
	pthread_mutex_lock(&node->site_lock);
	node->at_site = w;
	node->site.outbox.lane = (uint8_t)w->number;
	if (w->n_away) {
		site_sent(&node->site, w->away, w->n_away);
		w->n_away = 0;
	}
	return instant_before(now, node->site.now) ? node->site.now : now;
}

static void wake(struct node *node)
{
	eventfd_write(node->wake_source.fd, 1);
}

void worker_leave(struct worker *w)
{
	struct node *node = w->node;
	struct instant due;
	bool early;

	if (is_alone(node))
		return;
	due = site_due(&node->site);
	early = w->number && instant_before(due, node->awake_at);
	if (early)
		node->awake_at = due;
	pthread_mutex_unlock(&node->site_lock);
	if (early)
		wake(node);
}

void worker_come_back(struct worker *w)
{
	if (!w->n_away)
		return;
	worker_enter(w, w->loop->now);
	worker_leave(w);
}

struct instant worker_due(struct node *node)
{
	struct instant due;

	worker_enter(&node->workers[0], node->loop.now);
	due = instant_min(site_due(&node->site), node->next_second);
	due = instant_min(due, node->labs_due);
	node->awake_at = due;
	worker_leave(&node->workers[0]);
	return due;
}

void worker_ask_mend(struct worker *w)
{
	struct node *node = w->node;

	pthread_mutex_lock(&node->site_lock);
	node->mend_wanted = true;
	pthread_mutex_unlock(&node->site_lock);
	wake(node);
}

/* ---- sending --------------------------------------------------------------- */

/* What of a socket's runs left, for who looks on. */
static void show_sent(struct worker *w, const struct udp *udp, const struct udp_message *messages,
		      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct udp_message *m = &messages[i];
		struct addr local = m->from.family ? m->from : udp->local;

		local.port = udp->local.port;
		if (!m->error)
			captures_wire(&w->node->captures, &local, &m->to, CAPTURES_OUT, m->data,
				      m->len, m->segment, w->loop->now);
	}
}

static void tell_gso_lost(const struct udp *udp)
{
	char text[ADDR_TEXT], note[OFFLOADS_NOTE];

	offloads_gso_note(udp, note);
	log_warn("batches of datagrams are off", log_text("listen", addr_format(&udp->local, text)),
		 log_text("why", note));
}

/* Runs for one socket. */
static void send_by(struct worker *w, struct udp *udp, struct run **runs, size_t n)
{
	struct udp_message messages[OUTBOX_RUNS];
	struct locals *locals = &w->node->locals;
	bool gso_lost = false;

	for (size_t i = 0; i < n; i++)
		messages[i] = (struct udp_message){ .data = runs[i]->data,
						    .len = runs[i]->len,
						    .segment = runs[i]->segment,
						    .to = runs[i]->to,
						    .from = locals_from(locals, runs[i]->socket) };
	udp_send(udp, messages, n, &gso_lost);
	for (size_t i = 0; i < n; i++) {
		runs[i]->error = messages[i].error;
		locals_sent(locals, runs[i]->socket, &messages[i].from);
	}
	if (captures_on(&w->node->captures, CAPTURES_WIRE))
		show_sent(w, udp, messages, n);
	if (gso_lost)
		tell_gso_lost(udp);
}

void worker_send(struct worker *w, struct run **runs, size_t n)
{
	size_t first = 0;

	while (first < n) {
		uint8_t socket = sockets_index(runs[first]->socket);
		size_t count = 1;

		if (runs[first]->to.family == ADDR_STREAM) {
			streams_send(w, runs[first++]);
			continue;
		}
		while (first + count < n && count < OUTBOX_RUNS &&
		       sockets_index(runs[first + count]->socket) == socket &&
		       runs[first + count]->to.family != ADDR_STREAM)
			count++;
		send_by(w, &w->sockets[socket].udp, runs + first, count);
		first += count;
	}
}

/* ---- the gate ------------------------------------------------------------- */

static void gate_enter(struct loop *loop)
{
	pthread_rwlock_rdlock(&container_of(loop, struct worker, own_loop)->node->gate);
}

static void gate_leave(struct loop *loop)
{
	pthread_rwlock_unlock(&container_of(loop, struct worker, own_loop)->node->gate);
}

bool worker_is_awaited(const struct worker *w)
{
	return atomic_load_explicit(&w->node->awaited, memory_order_relaxed);
}

void worker_pause(struct node *node)
{
	if (is_alone(node) || node->pauses++)
		return;
	atomic_store_explicit(&node->awaited, true, memory_order_relaxed);
	pthread_rwlock_wrlock(&node->gate);
	atomic_store_explicit(&node->awaited, false, memory_order_relaxed);
	node->at_site = &node->workers[0];
	node->site.outbox.lane = 0;
}

void worker_resume(struct node *node)
{
	if (!is_alone(node) && --node->pauses == 0)
		pthread_rwlock_unlock(&node->gate);
}

/* Who waits for the gate gets it: workers with much to do do not keep it. */
static int locks_init(struct node *node)
{
	pthread_rwlockattr_t fair;
	int error = pthread_mutex_init(&node->site_lock, NULL);

	if (!error)
		error = pthread_rwlockattr_init(&fair);
	if (error)
		return -error;
	pthread_rwlockattr_setkind_np(&fair, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	error = pthread_rwlock_init(&node->gate, &fair);
	pthread_rwlockattr_destroy(&fair);
	return -error;
}

/* ---- threads ---------------------------------------------------------------- */

static void stop_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct worker *w = container_of(source, struct worker, stop_source);

	(void)events;
	(void)now;
	w->own_loop.stop = true;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int error = 0;

	while (!w->own_loop.stop && !error)
		error = loop_turn(&w->own_loop, INSTANT_NEVER);
	if (!error)
		return NULL;
	log_error("epoll failed", log_number("worker", w->number),
		  log_text("error", strerror(-error)));
	w->node->worker_failed = true;
	wake(w->node);
	return NULL;
}

static int loop_of_its_own(struct worker *w)
{
	int error = loop_init(&w->own_loop);

	if (error)
		return error;
	w->own_loop.enter = gate_enter;
	w->own_loop.leave = gate_leave;
	w->stop_source = (struct loop_source){ .fd = w->node->stop_fd,
					       .events = LOOP_READ,
					       .ready = stop_ready };
	return loop_add(&w->own_loop, &w->stop_source);
}

static int memory_init(struct worker *w)
{
	w->inbox[0] = udp_inbox_new();
	if (is_alone(w->node)) {
		w->inbox[1] = udp_inbox_new();
		w->frame = malloc(SITE_HEADROOM + SUPERFRAME_MAX);
		return w->inbox[0] && w->inbox[1] && w->frame ? 0 : -ENOMEM;
	}
	w->burst = burst_new();
	w->later = later_new();
	return w->inbox[0] && w->burst && w->later ? 0 : -ENOMEM;
}

static int shared_init(struct node *node)
{
	int error;

	node->wake_source.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	node->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	error = node->wake_source.fd < 0 || node->stop_fd < 0 ? -errno : 0;
	return error ? error : locks_init(node);
}

int worker_init(struct node *node, unsigned n)
{
	int error = 0;

	node->n_workers = n;
	node->at_site = &node->workers[0];
	node->wake_source.fd = node->stop_fd = -1;
	node->labs_due = INSTANT_NEVER;
	for (unsigned i = 0; i < n; i++) {
		struct worker *w = &node->workers[i];

		w->node = node;
		w->number = i;
		w->loop = i ? &w->own_loop : &node->loop;
		w->own_loop.epoll_fd = -1;
		w->tap = &node->attach.tap;
	}
	if (n > 1)
		error = shared_init(node);
	for (unsigned i = 0; i < n && !error; i++)
		error = memory_init(&node->workers[i]);
	for (unsigned i = 1; i < n && !error; i++)
		error = loop_of_its_own(&node->workers[i]);
	return error;
}

int worker_start(struct node *node)
{
	int error = 0;

	for (unsigned i = 1; i < node->n_workers && !error; i++) {
		struct worker *w = &node->workers[i];

		error = pthread_create(&w->thread, NULL, work, w);
		w->runs = !error;
	}
	return -error;
}

void worker_stop(struct node *node)
{
	if (is_alone(node) || node->stop_fd < 0)
		return;
	eventfd_write(node->stop_fd, 1);
	for (unsigned i = 1; i < node->n_workers; i++) {
		if (node->workers[i].runs)
			pthread_join(node->workers[i].thread, NULL);
		node->workers[i].runs = false;
	}
	node->at_site = &node->workers[0];
	node->site.outbox.lane = 0;
}

void worker_free(struct node *node)
{
	for (unsigned i = 0; i < node->n_workers; i++) {
		struct worker *w = &node->workers[i];

		loop_free(&w->own_loop);
		udp_inbox_free(w->inbox[0]);
		udp_inbox_free(w->inbox[1]);
		free(w->frame);
		burst_free(w->burst);
		later_free(w->later);
	}
	if (node->n_workers > 1) {
		if (node->wake_source.fd >= 0)
			close(node->wake_source.fd);
		if (node->stop_fd >= 0)
			close(node->stop_fd);
		pthread_rwlock_destroy(&node->gate);
		pthread_mutex_destroy(&node->site_lock);
	}
}
