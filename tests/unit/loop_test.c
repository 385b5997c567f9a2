/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/list.h"
#include "host/loop.h"

static int refused_with; /* by a kernel that does not know the call, or a filter */

int epoll_pwait2(int fd, struct epoll_event *events, int n, const struct timespec *left,
		 const sigset_t *mask)
{
	if (!refused_with)
		return (int)syscall(SYS_epoll_pwait2, fd, events, n, left, mask, 8);
	errno = refused_with;
	return -1;
}

struct probe {
	struct loop_source source;
	struct loop *loop;
	struct probe *victim; /* removed, or made deaf, from inside ready() */
	bool deafen;
	int again; /* how often it asks to be called again */
	int calls;
	uint32_t events;
	struct instant now;
};

static void probe_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct probe *p = container_of(source, struct probe, source);

	p->calls++;
	p->events = events;
	p->now = now;
	if (p->again-- > 0)
		loop_again(p->loop, source);
	if (!p->victim)
		return;
	if (p->deafen) {
		p->victim->source.events = 0;
		assert_int_equal(loop_change(p->loop, &p->victim->source), 0);
		return;
	}
	loop_remove(p->loop, &p->victim->source);
	close(p->victim->source.fd);
	p->victim->source.ready = NULL; /* a call would crash */
}

static void probe_make(struct probe *p, struct loop *loop, int fd, uint32_t events)
{
	*p = (struct probe){ .loop = loop };
	p->source = (struct loop_source){ .fd = fd, .events = events, .ready = probe_ready };
	assert_int_equal(loop_add(loop, &p->source), 0);
}

static struct instant soon(int64_t ms)
{
	return instant_add(clock_now(), MS(ms));
}

static void test_level_triggered(void **state)
{
	struct loop loop;
	struct probe p;

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	probe_make(&p, &loop, eventfd(0, EFD_NONBLOCK), LOOP_READ);
	assert_int_equal(loop_turn(&loop, soon(0)), 0);
	assert_int_equal(p.calls, 0);
	assert_int_equal(eventfd_write(p.source.fd, 1), 0);
	loop_turn(&loop, INSTANT_NEVER);
	loop_turn(&loop, INSTANT_NEVER);
	assert_int_equal(p.calls, 2);
	assert_int_equal(p.events, LOOP_READ);
	assert_int_equal(p.now.us, loop.now.us);

	p.source.events = LOOP_WRITE;
	assert_int_equal(loop_change(&loop, &p.source), 0);
	loop_turn(&loop, INSTANT_NEVER);
	assert_int_equal(p.events, LOOP_WRITE);

	loop_remove(&loop, &p.source);
	loop_turn(&loop, soon(0));
	assert_int_equal(p.calls, 3);
	assert_int_equal(loop.turns, 5);
	close(p.source.fd);
	loop_free(&loop);
}

/* What surrounds a turn's calls. */
static char order[16];
static struct loop *around;

static void note(char what)
{
	size_t n = strlen(order);

	assert_true(n < sizeof(order) - 1);
	order[n] = what;
	order[n + 1] = '\0';
}

static void entered(struct loop *loop)
{
	assert_ptr_equal(loop, around);
	note('(');
}

static void left(struct loop *loop)
{
	assert_ptr_equal(loop, around);
	note(')');
}

static void called(struct loop_source *source, uint32_t events, struct instant now)
{
	(void)source;
	(void)events;
	(void)now;
	note('x');
}

static void test_calls_are_surrounded(void **state)
{
	struct loop_source two[2];
	struct loop loop;

	(void)state;
	around = &loop;
	order[0] = '\0';
	assert_int_equal(loop_init(&loop), 0);
	for (int i = 0; i < 2; i++) {
		two[i] = (struct loop_source){ .fd = eventfd(1, EFD_NONBLOCK),
					       .events = LOOP_READ,
					       .ready = called };
		assert_int_equal(loop_add(&loop, &two[i]), 0);
	}
	loop_turn(&loop, soon(0));
	loop.enter = entered;
	loop.leave = left;
	loop_turn(&loop, soon(0));
	for (int i = 0; i < 2; i++) {
		loop_remove(&loop, &two[i]);
		close(two[i].fd);
	}
	loop_turn(&loop, soon(0));
	assert_string_equal(order, "xx(xx)()");
	loop_free(&loop);
}

static void test_hang_up_is_reported_unasked(void **state)
{
	struct loop loop;
	struct probe p;
	int pair[2];

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	probe_make(&p, &loop, pair[0], 0);
	loop_turn(&loop, soon(0));
	assert_int_equal(p.calls, 0);
	close(pair[1]);
	loop_turn(&loop, soon(1000));
	assert_int_equal(p.calls, 1);
	assert_int_equal(p.events, LOOP_ERROR);
	loop_remove(&loop, &p.source);
	close(pair[0]);
	loop_free(&loop);
}

/* Both are ready in one turn; whoever comes first silences the other. */
static void first_silences_the_other(bool deafen)
{
	struct loop loop;
	struct probe a, b;

	assert_int_equal(loop_init(&loop), 0);
	probe_make(&a, &loop, eventfd(1, EFD_NONBLOCK), LOOP_READ);
	probe_make(&b, &loop, eventfd(1, EFD_NONBLOCK), LOOP_READ);
	a.victim = &b;
	b.victim = &a;
	a.deafen = b.deafen = deafen;
	loop_turn(&loop, INSTANT_NEVER);
	assert_int_equal(a.calls + b.calls, 1);
	if (deafen)
		close(b.calls ? a.source.fd : b.source.fd);
	close(a.calls ? a.source.fd : b.source.fd);
	loop_free(&loop);
}

static void test_removed_in_the_same_turn(void **state)
{
	(void)state;
	first_silences_the_other(false);
}

static void test_changed_in_the_same_turn(void **state)
{
	(void)state;
	first_silences_the_other(true);
}

static void test_removes_itself(void **state)
{
	struct loop loop;
	struct probe p;

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	probe_make(&p, &loop, eventfd(1, EFD_NONBLOCK), LOOP_READ);
	p.victim = &p;
	loop_turn(&loop, soon(0));
	loop_turn(&loop, soon(0));
	assert_int_equal(p.calls, 1);
	loop_free(&loop);
}

static void test_waits_until(void **state)
{
	struct instant until;
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	until = instant_add(clock_now(), 20500);
	assert_int_equal(loop_turn(&loop, until), 0);
	assert_true(instant_reached(loop.now, until));
	assert_true(instant_between(until, loop.now) < SECONDS(5));
	assert_int_equal(loop_turn(&loop, (struct instant){ 0 }), 0);
	loop_free(&loop);
}

/* The soonest of some waits for 300 us; what else uses the machine may be in the way of others. */
static int64_t waited_300us(struct loop *loop)
{
	int64_t least = SECONDS(1);

	for (int i = 0; i < 50; i++) {
		struct instant begin = clock_now();

		assert_int_equal(loop_turn(loop, instant_add(begin, 300)), 0);
		assert_true(instant_between(begin, loop->now) >= 300);
		least = MIN(least, instant_between(begin, loop->now));
	}
	return least;
}

static void test_waits_for_less_than_a_millisecond(void **state)
{
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	if (syscall(SYS_epoll_pwait2, -1, NULL, 1, NULL, NULL, 8) < 0 && errno == ENOSYS)
		skip();
	assert_in_range(waited_300us(&loop), 300, 800);
	assert_false(loop.coarse);
	loop_free(&loop);
}

/* Never woken before the time, over and over. */
static void test_older_kernel(void **state)
{
	static const int errors[] = { ENOSYS, EPERM };
	struct instant until;
	struct loop loop;
	struct probe p;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		assert_int_equal(loop_init(&loop), 0);
		probe_make(&p, &loop, eventfd(0, EFD_NONBLOCK), LOOP_READ);
		refused_with = errors[i];
		until = instant_add(clock_now(), 2300);
		assert_int_equal(loop_turn(&loop, until), 0);
		assert_true(instant_reached(loop.now, until));
		assert_true(loop.coarse);
		assert_in_range(waited_300us(&loop), 300, SECONDS(1) - 1);
		assert_int_equal(eventfd_write(p.source.fd, 1), 0);
		assert_int_equal(loop_turn(&loop, INSTANT_NEVER), 0);
		assert_int_equal(p.calls, 1);
		refused_with = 0;
		close(p.source.fd);
		loop_free(&loop);
	}
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void test_signal_ends_the_turn(void **state)
{
	struct itimerval timer = { .it_value.tv_usec = 20000 };
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &timer, NULL);
	assert_int_equal(loop_turn(&loop, INSTANT_NEVER), 0);
	signal(SIGALRM, SIG_DFL);
	loop_free(&loop);
}

/* More ready sources than one turn holds: each gets its call within two turns. */
static void test_many_sources_take_turns(void **state)
{
	struct probe p[100];
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	for (int i = 0; i < 100; i++)
		probe_make(&p[i], &loop, eventfd(1, EFD_NONBLOCK), LOOP_READ);
	loop_turn(&loop, INSTANT_NEVER);
	loop_turn(&loop, INSTANT_NEVER);
	for (int i = 0; i < 100; i++) {
		assert_in_range(p[i].calls, 1, 2);
		close(p[i].source.fd);
	}
	loop_free(&loop);
}

/* Nothing is readable: those that asked are called, once a turn, and no turn waits for that. */
static void test_called_again(void **state)
{
	struct instant start = clock_now();
	struct loop loop;
	struct probe p[3];

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	for (unsigned i = 0; i < COUNT_OF(p); i++)
		probe_make(&p[i], &loop, eventfd(0, EFD_NONBLOCK), LOOP_READ);
	for (unsigned i = 0; i < COUNT_OF(p); i++) {
		loop_again(&loop, &p[i].source);
		loop_again(&loop, &p[i].source);
	}
	loop_remove(&loop, &p[1].source);
	p[0].again = 2;
	assert_int_equal(eventfd_write(p[0].source.fd, 1), 0);
	loop_turn(&loop, soon(60000));
	assert_int_equal(p[0].calls, 1);
	assert_int_equal(p[2].calls, 1);
	assert_int_equal(p[2].events, LOOP_READ);
	eventfd_read(p[0].source.fd, &(eventfd_t){ 0 });
	loop_turn(&loop, soon(60000));
	loop_turn(&loop, soon(60000));
	assert_true(instant_between(start, clock_now()) < SECONDS(30));
	loop_turn(&loop, soon(0));
	assert_int_equal(p[0].calls, 3);
	assert_int_equal(p[1].calls, 0);
	assert_int_equal(p[2].calls, 1);
	for (unsigned i = 0; i < COUNT_OF(p); i++)
		close(p[i].source.fd);
	loop_free(&loop);
}

/* Removed by another of its turn, or after it asked to be called again. */
static void test_removed_before_it_is_called_again(void **state)
{
	struct loop loop;
	struct probe p[2];

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	for (unsigned i = 0; i < COUNT_OF(p); i++)
		probe_make(&p[i], &loop, eventfd(0, EFD_NONBLOCK), LOOP_READ);
	p[1].again = 1;
	loop_again(&loop, &p[1].source);
	loop_turn(&loop, soon(0));
	assert_int_equal(p[1].calls, 1);
	p[0].victim = &p[1];
	assert_int_equal(eventfd_write(p[0].source.fd, 1), 0);
	loop_turn(&loop, soon(0));
	p[0].victim = NULL;
	loop_turn(&loop, soon(0));
	assert_int_equal(p[0].calls, 2);
	assert_int_equal(p[1].calls, 1);
	close(p[0].source.fd);
	loop_free(&loop);
}

/* Neither those that are ready nor those that asked keep the others out. */
static void test_many_are_called_again(void **state)
{
	struct probe p[200];
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	for (unsigned i = 0; i < COUNT_OF(p); i++) {
		probe_make(&p[i], &loop, eventfd(i < 100, EFD_NONBLOCK), LOOP_READ);
		p[i].again = 1000;
		if (i >= 100)
			loop_again(&loop, &p[i].source);
	}
	for (int i = 0; i < 8; i++)
		loop_turn(&loop, INSTANT_NEVER);
	for (unsigned i = 0; i < COUNT_OF(p); i++) {
		assert_in_range(p[i].calls, 2, 8);
		close(p[i].source.fd);
	}
	loop_free(&loop);
}

static void test_errors(void **state)
{
	struct loop_source none = { .fd = -1, .ready = probe_ready };
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	assert_int_equal(loop_add(&loop, &none), -EBADF);
	loop_remove(&loop, &none);
	loop_free(&loop);
	loop_free(&loop);
	assert_int_equal(loop_turn(&loop, INSTANT_NEVER), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_level_triggered),
		cmocka_unit_test(test_calls_are_surrounded),
		cmocka_unit_test(test_hang_up_is_reported_unasked),
		cmocka_unit_test(test_removed_in_the_same_turn),
		cmocka_unit_test(test_changed_in_the_same_turn),
		cmocka_unit_test(test_removes_itself),
		cmocka_unit_test(test_waits_until),
		cmocka_unit_test(test_waits_for_less_than_a_millisecond),
		cmocka_unit_test(test_older_kernel),
		cmocka_unit_test(test_signal_ends_the_turn),
		cmocka_unit_test(test_many_sources_take_turns),
		cmocka_unit_test(test_called_again),
		cmocka_unit_test(test_removed_before_it_is_called_again),
		cmocka_unit_test(test_many_are_called_again),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
