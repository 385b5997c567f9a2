/* SPDX-License-Identifier: MIT */
/* Threads that share a site which has nothing but a clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include "app/worker.h"
#include "base/list.h"
#include "host/proc.h"

#define WORKERS 3

/* What a worker's source does each time that it is ready: always. */
struct toil {
	struct loop_source source;
	struct worker *worker;
	uint64_t own; /* the worker's, and the main thread's in a pause */
};

static struct node node;
static struct toil toils[WORKERS];
static uint64_t shared; /* changed at the site only */
static unsigned inside;
static atomic_bool busy; /* each turn goes on until it is asked to end */

static void no_send(void *ctx, struct run **runs, size_t n)
{
	(void)ctx;
	(void)runs;
	(void)n;
}

static void no_event(void *ctx, struct peer *peer, enum peer_event event)
{
	(void)ctx;
	(void)peer;
	(void)event;
}

static void begin(unsigned n)
{
	const struct site_events none = { .send = no_send, .event = no_event };
	const struct site_setup setup = { .network = "lab",
					  .name = "berlin",
					  .private_key = { 1 },
					  .macs = 16,
					  .rand = rand_source_kernel(),
					  .workers = n };

	memset(&node, 0, sizeof(node));
	assert_int_equal(loop_init(&node.loop), 0);
	assert_int_equal(worker_init(&node, n), 0);
	assert_true(site_init(&node.site, &setup, &none, node.loop.now));
}

static void finish(void)
{
	worker_stop(&node);
	for (unsigned i = 0; i < WORKERS; i++) {
		if (toils[i].worker)
			close(toils[i].source.fd);
	}
	memset(toils, 0, sizeof(toils));
	site_free(&node.site);
	loop_free(&node.loop);
	worker_free(&node);
}

static void toil(struct loop_source *source, uint32_t events, struct instant now)
{
	struct toil *t = container_of(source, struct toil, source);

	(void)events;
	t->own++;
	while (busy && !worker_is_awaited(t->worker))
		usleep(10);
	worker_enter(t->worker, now);
	assert_int_equal(inside++, 0);
	assert_ptr_equal(node.at_site, t->worker);
	assert_int_equal(node.site.outbox.lane, t->worker->number);
	shared++;
	inside--;
	worker_leave(t->worker);
}

static void start_toil(void)
{
	for (unsigned i = 1; i < WORKERS; i++) {
		struct toil *t = &toils[i];

		t->worker = &node.workers[i];
		t->source = (struct loop_source){ .fd = eventfd(1, EFD_NONBLOCK),
						  .events = LOOP_READ,
						  .ready = toil };
		assert_int_equal(loop_add(t->worker->loop, &t->source), 0);
	}
	assert_int_equal(worker_start(&node), 0);
}

static uint64_t all_own(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < WORKERS; i++)
		sum += toils[i].own;
	return sum;
}

static void test_default(void **state)
{
	static const struct {
		unsigned cores, workers;
	} table[] = { { 1, 1 }, { 2, 1 }, { 4, 1 }, { 5, 2 }, { 8, 4 }, { 16, 8 }, { 64, 8 } };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(worker_default(table[i].cores), table[i].workers);
	assert_in_range(proc_cores(), 1, 4096);
}

/* One by one at the site, and none at all in a pause. */
static void test_turns_and_pauses(void **state)
{
	(void)state;
	shared = 0;
	begin(WORKERS);
	start_toil();
	for (unsigned i = 0; i < 50; i++) {
		uint64_t before, own;

		worker_pause(&node);
		worker_pause(&node);
		worker_resume(&node);
		before = shared;
		own = all_own();
		assert_int_equal(before, own + toils[0].own);
		usleep(500);
		assert_int_equal(shared, before);
		assert_int_equal(all_own(), own);
		assert_ptr_equal(node.at_site, &node.workers[0]);
		assert_int_equal(node.site.outbox.lane, 0);
		worker_resume(&node);
		worker_enter(&node.workers[0], node.loop.now);
		assert_int_equal(inside, 0);
		worker_leave(&node.workers[0]);
		usleep(500);
	}
	worker_stop(&node);
	for (unsigned i = 1; i < WORKERS; i++)
		assert_true(toils[i].own > 0); /* none was kept out */
	assert_int_equal(shared, all_own());
	finish();
}

/* Who has much to do makes room when the main thread waits. */
static void test_busy_workers_make_room(void **state)
{
	(void)state;
	begin(WORKERS);
	busy = true;
	start_toil();
	for (unsigned i = 0; i < 20; i++) {
		usleep(500);
		worker_pause(&node);
		assert_false(worker_is_awaited(&node.workers[1]));
		worker_resume(&node);
	}
	busy = false;
	finish();
}

static bool is_woken(void)
{
	struct pollfd p = { .fd = node.wake_source.fd, .events = POLLIN };
	bool woken = poll(&p, 1, 0) == 1;
	eventfd_t count;

	if (woken)
		eventfd_read(p.fd, &count);
	return woken;
}

static void due_at(unsigned worker, int64_t seconds)
{
	worker_enter(&node.workers[worker], node.loop.now);
	node.site.peers.due = instant_add(node.loop.now, SECONDS(seconds));
	worker_leave(&node.workers[worker]);
}

/* The main loop is woken when it would sleep too long, and only then. */
static void test_wake(void **state)
{
	(void)state;
	begin(WORKERS);
	node.next_second = instant_add(node.loop.now, SECONDS(5));
	due_at(0, 100);
	assert_int_equal(instant_between(node.loop.now, worker_due(&node)), SECONDS(5));
	due_at(1, 6);
	assert_false(is_woken());
	due_at(1, 3);
	assert_true(is_woken());
	due_at(2, 4);
	due_at(2, 3);
	assert_false(is_woken());
	due_at(2, 2);
	assert_true(is_woken());
	assert_int_equal(instant_between(node.loop.now, worker_due(&node)), SECONDS(2));
	due_at(0, 1); /* it knows itself */
	assert_false(is_woken());
	assert_false(node.mend_wanted);
	worker_ask_mend(&node.workers[2]);
	assert_true(node.mend_wanted);
	assert_true(is_woken());
	finish();
}

/* Workers read the clock at different times; the site's does not go back. */
static void test_time_does_not_go_back(void **state)
{
	struct instant now;

	(void)state;
	begin(2);
	now = instant_add(node.loop.now, SECONDS(1));
	assert_int_equal(worker_enter(&node.workers[0], now).us, now.us);
	site_tick(&node.site, now);
	worker_leave(&node.workers[0]);
	assert_int_equal(worker_enter(&node.workers[1], node.loop.now).us, now.us);
	worker_leave(&node.workers[1]);
	now = instant_add(now, 1);
	assert_int_equal(worker_enter(&node.workers[1], now).us, now.us);
	worker_leave(&node.workers[1]);
	finish();
}

/* What was taken along comes back with the next turn, or by itself. */
static void test_runs_come_back(void **state)
{
	struct worker *w;
	unsigned idle;

	(void)state;
	begin(2);
	w = &node.workers[1];
	idle = node.site.outbox.n_idle;
	for (unsigned i = 0; i < 2; i++) {
		worker_enter(w, node.loop.now);
		assert_int_equal(node.site.outbox.n_idle, idle);
		outbox_datagram(&node.site.outbox, &(struct addr){ 0 }, 0, RUN_NOBODY,
				(const uint8_t *)"x", 1);
		w->n_away = site_collect(&node.site, w->away);
		worker_leave(w);
		assert_int_equal(node.site.outbox.n_idle, idle - 1);
	}
	w->away[0]->error = ENETUNREACH;
	worker_come_back(w);
	assert_int_equal(node.site.outbox.n_idle, idle);
	assert_int_equal(node.site.peers.drops.count[DROP_SEND], 1);
	finish();
}

/* No lock, no thread, no descriptor. */
static void test_alone(void **state)
{
	(void)state;
	begin(1);
	assert_int_equal(node.wake_source.fd, -1);
	assert_non_null(node.workers[0].frame);
	assert_null(node.workers[0].later);
	assert_int_equal(worker_start(&node), 0);
	worker_pause(&node);
	worker_enter(&node.workers[0], node.loop.now);
	worker_leave(&node.workers[0]);
	worker_resume(&node);
	assert_int_equal(node.pauses, 0);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_turns_and_pauses),
		cmocka_unit_test(test_busy_workers_make_room),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_time_does_not_go_back),
		cmocka_unit_test(test_runs_come_back),
		cmocka_unit_test(test_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
