/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  The loop's side leaves its wish in `shared`, and wakes the
 * thread by one eventfd; the thread leaves its report there, and wakes the loop by the
 * other.  Both are states, not queues: who comes late finds the newest.
 *
 *   asked    a wish came, or `next` was reached: NAT-PMP, then UPnP, or first the
 *            way that granted before
 *   granted  asked again at half of the lease: that renews, and finds out a router that
 *            was started anew, for it maps again what it has forgotten
 *   failed   asked again after 2, 10, 30, 30 ... minutes; what is mapped still stays so
 *            until its lease ends
 *
 * Attempts look at the eventfd too, so they end when there is something new.  Where the
 * thread is not back in time when all ends, it is left alone with `shared`, which
 * it frees then.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/list.h"
#include "portmap_parts.h"

#define DELETE_PATIENCE MS(700)
#define CLOSE_PATIENCE_MS 1000
#define SHORTEST SECONDS(15) /* between attempts, whatever lease the router gives */

struct shared {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int loop_fd, wake_fd;
	bool stop;	/* the loop's side asks the thread to end */
	bool ended;	/* the thread will touch nothing any more */
	bool abandoned; /* the loop's side is gone: the thread frees this */
	bool again;
	struct portmap_wish wish;
	struct portmap_report report;
};

struct portmap {
	struct loop_source source;
	struct loop *loop;
	portmap_handler handler;
	void *ctx;
	struct shared *shared;
	pthread_t thread;
};

/* The thread's own. */
struct asker {
	struct shared *shared;
	struct portmap_wish wish;
	struct portmap_grant grant; /* of `by` */
	struct portmap_report report;
	bool loose; /* NAT-PMP may have granted what did not come to its end */
	struct instant learned; /* when grant.epoch was */
	unsigned failures;
};

static const char *const names[] = {
	[PORTMAP_NOBODY] = NULL,
	[PORTMAP_NAT_PMP] = "nat-pmp",
	[PORTMAP_UPNP] = "upnp",
};
_Static_assert(COUNT_OF(names) == PORTMAP_WAYS, "each way has a name");

const char *portmap_by_name(enum portmap_by by)
{
	return names[by];
}

/* ---- what both ways need --------------------------------------------------- */

bool portmap_host_ok(const struct portmap_wish *wish, struct portmap_grant *grant)
{
	char external[ADDR_TEXT], seen[ADDR_TEXT];

	for (unsigned i = 0; i < wish->n_seen; i++) {
		if (addr_equal_host(&grant->host, &wish->seen[i]))
			return true;
	}
	addr_format(&grant->host, external);
	addr_format(&wish->seen[0], seen);
	snprintf(grant->error, sizeof(grant->error),
		 "the router's external address is %.*s, but relays see %.*s: another translator "
		 "behind it?",
		 (int)strcspn(external, ":"), external, (int)strcspn(seen, ":"), seen);
	grant->host = (struct addr){ 0 };
	return false;
}

static int milliseconds_until(struct instant until)
{
	int64_t us = instant_between(clock_now(), until);

	return us <= 0 ? 0 : (int)MIN(us / 1000 + 1, 1000000);
}

int portmap_wait(int fd, int wake_fd, struct instant until)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = wake_fd, .events = POLLIN } };

	do {
		int n = poll(fds, COUNT_OF(fds), milliseconds_until(until));

		if (n > 0 && fds[1].revents)
			return -1;
		if (n > 0)
			return 1;
	} while (!instant_reached(clock_now(), until));
	return 0;
}

/* ---- the thread ------------------------------------------------------------ */

static void publish(struct asker *a)
{
	struct shared *s = a->shared;

	pthread_mutex_lock(&s->lock);
	s->report = a->report;
	pthread_mutex_unlock(&s->lock);
	eventfd_write(s->loop_fd, 1);
}

static void forget(struct asker *a)
{
	a->report.by = PORTMAP_NOBODY;
	a->report.n = 0;
	a->grant = (struct portmap_grant){ 0 };
}

static void take_back(struct asker *a)
{
	struct instant until = instant_add(clock_now(), DELETE_PATIENCE);

	if (a->report.by == PORTMAP_UPNP)
		portmap_upnp_delete(&a->wish, &a->grant, until);
	if (a->report.by == PORTMAP_NAT_PMP || a->loose)
		portmap_natpmp_delete(&a->wish, until);
	a->loose = false;
	forget(a);
}

/* From another address of ours, or another router, mappings cannot be taken back: they end
 * with their lease. */
static void follow(struct asker *a, const struct portmap_wish *wish)
{
	bool same_way = addr_equal_host(&wish->router, &a->wish.router) &&
			addr_equal_host(&wish->local, &a->wish.local);
	bool same_ports = wish->n == a->wish.n &&
			  memcmp(wish->ports, a->wish.ports, sizeof(wish->ports)) == 0;

	if (wish->n == 0 || (same_way && !same_ports))
		take_back(a);
	else if (!same_way)
		forget(a);
	a->wish = *wish;
	a->failures = 0;
	a->report.error[0] = '\0';
	a->report.next = clock_now();
	publish(a);
}

/* False when the thread is to end. */
static bool take_orders(struct asker *a)
{
	struct shared *s = a->shared;
	struct portmap_wish wish;
	bool stop, again;
	eventfd_t count;

	eventfd_read(s->wake_fd, &count);
	pthread_mutex_lock(&s->lock);
	stop = s->stop;
	again = s->again;
	s->again = false;
	wish = s->wish;
	pthread_mutex_unlock(&s->lock);
	if (stop)
		return false;
	if (memcmp(&wish, &a->wish, sizeof(wish)) != 0)
		follow(a, &wish);
	if (again) {
		a->failures = 0;
		a->report.next = clock_now();
	}
	return true;
}

/* RFC 6886, 3.6: its clock may be slow by an eighth. */
static bool has_restarted(const struct asker *a, const struct portmap_grant *new)
{
	int64_t passed = instant_between(a->learned, clock_now()) / 1000000;

	return a->report.by == PORTMAP_NAT_PMP &&
	       (int64_t)new->epoch + 2 < a->grant.epoch + passed * 7 / 8;
}

static void granted(struct asker *a, enum portmap_by by, const struct portmap_grant *grant)
{
	int64_t lease = SECONDS(grant->lifetime);
	struct instant now = clock_now();

	a->report.restarted = by == PORTMAP_NAT_PMP && has_restarted(a, grant);
	a->grant = *grant;
	a->learned = now;
	a->failures = 0;
	a->report.by = by;
	a->report.n = a->wish.n;
	a->report.error[0] = '\0';
	a->report.ends = instant_add(now, lease);
	a->report.next = instant_add(now, lease / 2 > SHORTEST ? lease / 2 : SHORTEST);
	for (unsigned i = 0; i < a->wish.n; i++) {
		a->report.ports[i] = a->wish.ports[i];
		a->report.external[i] = grant->host;
		a->report.external[i].port = grant->external[i];
	}
}

static void add_error(struct asker *a, const char *error)
{
	size_t len = strlen(a->report.error);

	if (strcmp(a->report.error, error) == 0)
		return;
	snprintf(a->report.error + len, sizeof(a->report.error) - len, "%s%s", len ? "; " : "", error);
}

static void failed(struct asker *a)
{
	static const int64_t later[] = { SECONDS(120), SECONDS(600), SECONDS(1800) };

	a->report.next = instant_add(clock_now(), later[MIN(a->failures, COUNT_OF(later) - 1)]);
	a->failures++;
}

static enum portmap_result try(struct asker *a, enum portmap_by by)
{
	struct portmap_grant grant = { 0 };
	enum portmap_result result;

	memcpy(grant.external, a->grant.external, sizeof(grant.external));
	if (by == PORTMAP_UPNP) {
		result = portmap_upnp(&a->wish, &grant, a->shared->wake_fd);
	} else {
		result = portmap_natpmp(&a->wish, &grant, a->shared->wake_fd);
		a->loose |= result != PORTMAP_GRANTED && grant.host.family != ADDR_NONE;
	}
	if (result == PORTMAP_GRANTED)
		granted(a, by, &grant);
	if (result == PORTMAP_FAILED) {
		add_error(a, grant.error);
		publish(a);
	}
	return result;
}

static void ask(struct asker *a)
{
	enum portmap_by first = a->report.by ? a->report.by : PORTMAP_NAT_PMP;
	enum portmap_by second = first == PORTMAP_UPNP ? PORTMAP_NAT_PMP : PORTMAP_UPNP;
	enum portmap_result result;

	a->report.asking = true;
	a->report.restarted = false;
	publish(a);
	a->report.error[0] = '\0';
	result = try(a, first);
	if (result == PORTMAP_FAILED)
		result = try(a, second);
	if (result == PORTMAP_FAILED)
		failed(a);
	a->report.asking = false;
	publish(a);
}

/* What is to be done by the clock.  The time when it is to be looked at next. */
static struct instant by_the_clock(struct asker *a)
{
	struct instant now = clock_now();

	if (a->report.by && instant_reached(now, a->report.ends)) {
		forget(a);
		publish(a);
	}
	if (a->wish.n == 0)
		return INSTANT_NEVER;
	if (instant_reached(now, a->report.next)) {
		ask(a);
		return now;
	}
	return a->report.by ? instant_min(a->report.next, a->report.ends) : a->report.next;
}

static void shared_free(struct shared *s)
{
	if (s->loop_fd >= 0)
		close(s->loop_fd);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void *thread_main(void *arg)
{
	struct asker a = { .shared = arg };
	struct shared *s = arg;
	bool abandoned;

	while (take_orders(&a))
		portmap_wait(-1, s->wake_fd, by_the_clock(&a));
	take_back(&a);
	pthread_mutex_lock(&s->lock);
	abandoned = s->abandoned;
	s->ended = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (abandoned)
		shared_free(s);
	return NULL;
}

/* ---- the loop's side ------------------------------------------------------- */

static void deliver(struct loop_source *source, uint32_t events, struct instant now)
{
	struct portmap *p = container_of(source, struct portmap, source);
	struct portmap_report report;
	eventfd_t count;

	(void)events;
	(void)now;
	eventfd_read(source->fd, &count);
	pthread_mutex_lock(&p->shared->lock);
	report = p->shared->report;
	pthread_mutex_unlock(&p->shared->lock);
	p->handler(p->ctx, &report);
}

static struct shared *shared_new(void)
{
	struct shared *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
	s->loop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->loop_fd >= 0 && s->wake_fd >= 0)
		return s;
	shared_free(s);
	return NULL;
}

/* With all signals blocked: they are the main thread's. */
static bool thread_start(struct portmap *p)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&p->thread, NULL, thread_main, p->shared);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error == 0;
}

struct portmap *portmap_new(struct loop *loop, portmap_handler handler, void *ctx)
{
	struct portmap *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->loop = loop;
	p->handler = handler;
	p->ctx = ctx;
	p->shared = shared_new();
	if (!p->shared)
		goto no_memory;
	p->source = (struct loop_source){ .fd = p->shared->loop_fd,
					  .events = LOOP_READ,
					  .ready = deliver };
	if (loop_add(loop, &p->source) < 0)
		goto not_watched;
	if (thread_start(p))
		return p;
	loop_remove(loop, &p->source);
not_watched:
	shared_free(p->shared);
no_memory:
	free(p);
	return NULL;
}

void portmap_ask(struct portmap *p, const struct portmap_wish *wish)
{
	struct shared *s = p->shared;
	bool same;

	pthread_mutex_lock(&s->lock);
	same = memcmp(&s->wish, wish, sizeof(*wish)) == 0;
	s->wish = *wish;
	pthread_mutex_unlock(&s->lock);
	if (!same)
		eventfd_write(s->wake_fd, 1);
}

void portmap_again(struct portmap *p)
{
	pthread_mutex_lock(&p->shared->lock);
	p->shared->again = true;
	pthread_mutex_unlock(&p->shared->lock);
	eventfd_write(p->shared->wake_fd, 1);
}

static struct timespec patience_end(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += CLOSE_PATIENCE_MS % 1000 * 1000000L;
	t.tv_sec += CLOSE_PATIENCE_MS / 1000 + t.tv_nsec / 1000000000L;
	t.tv_nsec %= 1000000000L;
	return t;
}

void portmap_free(struct portmap *p)
{
	struct timespec end = patience_end();
	struct shared *s;
	bool ended;

	if (!p)
		return;
	s = p->shared;
	loop_remove(p->loop, &p->source);
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	eventfd_write(s->wake_fd, 1);
	while (!s->ended && pthread_cond_timedwait(&s->changed, &s->lock, &end) != ETIMEDOUT)
		;
	ended = s->ended;
	s->abandoned = !ended;
	pthread_mutex_unlock(&s->lock);
	if (ended) {
		pthread_join(p->thread, NULL);
		shared_free(s);
	} else {
		pthread_detach(p->thread);
	}
	free(p);
}
