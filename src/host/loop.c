/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  One epoll_pwait2 fills loop->turn with the sources that
 * are ready; they are then called in that order.  A ready() may remove any
 * source, also one that is still to be called: loop_remove takes it out of
 * loop->turn, so a source may be freed right after.  A descriptor beyond the
 * 64 of one turn waits for the next; epoll hands the ready ones out in turns.
 * Behind them there is room for as many that were to be called again.
 *
 * Deadlines are kept to the microsecond.  Where the kernel, or a filter of system calls that
 * is older, does not know epoll_pwait2 (Linux 5.11), to the millisecond, by epoll_wait.
 */
#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/loop.h"

#define TURN COUNT_OF(((struct loop *)0)->turn)
#define POLLED 64 /* of them */

_Static_assert(POLLED < TURN, "neither keeps out the other");

int loop_init(struct loop *loop)
{
	*loop = (struct loop){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	if (loop->epoll_fd < 0)
		return -errno;
	loop->now = clock_now();
	return 0;
}

void loop_free(struct loop *loop)
{
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	loop->epoll_fd = -1;
}

static int control(struct loop *loop, int verb, struct loop_source *source)
{
	struct epoll_event event = { .data.ptr = source };

	if (source->events & LOOP_READ)
		event.events |= EPOLLIN;
	if (source->events & LOOP_WRITE)
		event.events |= EPOLLOUT;
	return epoll_ctl(loop->epoll_fd, verb, source->fd, &event) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_source *source)
{
	return control(loop, EPOLL_CTL_ADD, source);
}

int loop_change(struct loop *loop, struct loop_source *source)
{
	return control(loop, EPOLL_CTL_MOD, source);
}

void loop_again(struct loop *loop, struct loop_source *source)
{
	struct loop_source **end = &loop->again;

	if (source->again)
		return;
	while (*end)
		end = &(*end)->next_again;
	*end = source;
	source->next_again = NULL;
	source->again = true;
}

static void forget_again(struct loop *loop, struct loop_source *source)
{
	struct loop_source **at = &loop->again;

	if (!source->again)
		return;
	while (*at != source)
		at = &(*at)->next_again;
	*at = source->next_again;
	source->again = false;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	control(loop, EPOLL_CTL_DEL, source);
	forget_again(loop, source);
	source->what = 0;
	for (int i = 0; i < loop->n_turn; i++) {
		if (loop->turn[i] == source)
			loop->turn[i] = NULL;
	}
}

/* Microseconds until then, 0 when it has come. */
static int64_t left_us(struct instant until)
{
	int64_t us = instant_between(clock_now(), until);

	return MAX(us, 0);
}

/* Rounded up, so that the deadline has come when epoll_wait is back. */
static int wait_coarsely(struct loop *loop, struct epoll_event events[], struct instant until)
{
	bool for_ever = until.us == INSTANT_NEVER.us;
	int64_t ms = for_ever ? -1 : (left_us(until) + 999) / 1000;

	return epoll_wait(loop->epoll_fd, events, POLLED, (int)MIN(ms, INT_MAX));
}

static int wait_finely(struct loop *loop, struct epoll_event events[], struct instant until)
{
	bool for_ever = until.us == INSTANT_NEVER.us;
	int64_t us = for_ever ? 0 : left_us(until);
	struct timespec left = { us / SECONDS(1), us % SECONDS(1) * 1000 };

	return epoll_pwait2(loop->epoll_fd, events, POLLED, for_ever ? NULL : &left, NULL);
}

static int wait_for(struct loop *loop, struct epoll_event events[], struct instant until)
{
	int n;

	if (loop->coarse)
		return wait_coarsely(loop, events, until);
	n = wait_finely(loop, events, until);
	if (n >= 0 || (errno != ENOSYS && errno != EPERM))
		return n;
	loop->coarse = true;
	return wait_coarsely(loop, events, until);
}

static uint32_t happened(const struct epoll_event *event)
{
	uint32_t events = 0;

	if (event->events & EPOLLIN)
		events |= LOOP_READ;
	if (event->events & EPOLLOUT)
		events |= LOOP_WRITE;
	if (event->events & (EPOLLERR | EPOLLHUP))
		events |= LOOP_ERROR;
	return events;
}

static void plan(struct loop *loop, struct loop_source *source, uint32_t what)
{
	if (!source->what)
		loop->turn[loop->n_turn++] = source;
	source->what |= what;
}

static void call(struct loop *loop, struct loop_source *source)
{
	/* What an earlier ready() of this turn no longer wants is not reported. */
	uint32_t what = source->what & (source->events | LOOP_ERROR);

	source->what = 0;
	if (what)
		source->ready(source, what, loop->now);
}

static void dispatch(struct loop *loop, const struct epoll_event *events, int n)
{
	loop->turns++;
	loop->now = clock_now();
	loop->n_turn = 0;
	for (int i = 0; i < n; i++)
		plan(loop, events[i].data.ptr, happened(&events[i]));
	while (loop->again && loop->n_turn < (int)TURN) {
		struct loop_source *source = loop->again;

		forget_again(loop, source);
		plan(loop, source, LOOP_READ);
	}
	for (int i = 0; i < loop->n_turn; i++) {
		if (loop->turn[i])
			call(loop, loop->turn[i]);
	}
	loop->n_turn = 0;
}

int loop_turn(struct loop *loop, struct instant until)
{
	struct epoll_event events[POLLED];
	int n = wait_for(loop, events, loop->again ? loop->now : until);

	if (n < 0 && errno != EINTR)
		return -errno;
	if (loop->enter)
		loop->enter(loop);
	dispatch(loop, events, n > 0 ? n : 0);
	if (loop->leave)
		loop->leave(loop);
	return 0;
}
