/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  Who typed the command may be cut off by it, so another process
 * does it all: in a session of its own, with no terminal and no pipe of his.  It takes
 * everything back when something fails, when the time is over, and when the first process
 * ends before it confirmed, however that ended: then the socket between them is closed.
 * SIGUSR1 confirms as well, from lanspan attach --confirm; SIGTERM is a no.  It is the same
 * on the way out of the bridge, by which somebody may have come: then all is put in again.
 *
 * No process but this one, or one that found it dead, holds the lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach.h"
#include "base/clock.h"

struct guard {
	struct attach_plan *plan;
	const struct attach_places *places;
	struct netlink nl;
	int fd; /* to the first process */
	int signals;
	int64_t patience; /* microseconds */
};

static void report(const struct guard *g, enum attach_word word, const char *text)
{
	struct attach_report r = { .word = (char)word };

	snprintf(r.text, sizeof(r.text), "%s", text);
	send(g->fd, &r, sizeof(r), MSG_NOSIGNAL); /* he may be gone: nothing else to do */
}

static void leave_terminal(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (chdir("/") < 0 || fd < 0)
		return;
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
}

/* Those that speak to a guardian wait in a descriptor, those of a terminal are nothing. */
static int catch_signals(void)
{
	sigset_t set;

	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void report_stuck(struct guard *g, int error)
{
	enum attach_word word = attach_nic_is_there(&g->nl, g->plan) ? ATTACH_STUCK : ATTACH_GONE;

	report(g, word, g->plan->trouble[0] ? g->plan->trouble : strerror(-error));
}

static void give_back(struct guard *g)
{
	int error = attach_back(&g->nl, g->plan);

	if (error) {
		report_stuck(g, error);
		return;
	}
	attach_state_remove(g->plan->key);
	report(g, ATTACH_BACK, "");
}

static void put_in_again(struct guard *g)
{
	int error = attach_return(&g->nl, g->plan);

	if (!error)
		error = attach_state_save(g->plan);
	if (error)
		report_stuck(g, error);
	else
		report(g, ATTACH_BACK, "");
}

static bool signal_confirms(int fd, bool *over)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return false;
	*over = true;
	return info.ssi_signo == SIGUSR1;
}

static bool byte_confirms(int fd, bool *over)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	*over = true;
	return n == 1;
}

static bool wait_for_yes(const struct guard *g)
{
	struct pollfd fds[] = { { .fd = g->fd, .events = POLLIN },
				{ .fd = g->signals, .events = POLLIN } };
	struct instant end = instant_add(clock_now(), g->patience);
	bool yes = false, over = false;
	int64_t left;

	while (!over && (left = instant_between(clock_now(), end)) > 0) {
		if (poll(fds, 2, (int)(left / 1000) + 1) <= 0)
			continue;
		if (fds[1].revents)
			yes = signal_confirms(g->signals, &over);
		if (!over && fds[0].revents)
			yes = byte_confirms(g->fd, &over);
	}
	return yes;
}

static void keep(struct guard *g)
{
	int error;

	g->plan->attached = true;
	error = attach_state_save(g->plan);
	if (error) { /* it stays, but detach will not know of it */
		attach_state_remove(g->plan->key);
		report(g, ATTACH_CONFIRMED, strerror(-error));
	} else {
		report(g, ATTACH_CONFIRMED, "");
	}
}

static void move(struct guard *g)
{
	if (attach_forward(&g->nl, g->plan) != 0 || !attach_places_reached(g->places, g->plan)) {
		report(g, ATTACH_FAILED, g->plan->trouble);
		give_back(g);
		return;
	}
	report(g, ATTACH_MOVED, "");
	if (wait_for_yes(g))
		keep(g);
	else
		give_back(g);
}

/* others: ports for which the bridge stays. */
static void move_out(struct guard *g, unsigned others)
{
	char text[ATTACH_TEXT] = "";

	if (attach_back(&g->nl, g->plan) != 0 || !attach_places_reached(g->places, g->plan)) {
		report(g, ATTACH_FAILED, g->plan->trouble);
		put_in_again(g);
		return;
	}
	if (others)
		snprintf(text, sizeof(text), "%s stays: it has %u other port%s", g->plan->bridge,
			 others, others > 1 ? "s" : "");
	report(g, ATTACH_MOVED, text);
	if (!wait_for_yes(g)) {
		put_in_again(g);
		return;
	}
	attach_state_remove(g->plan->key);
	report(g, ATTACH_CONFIRMED, "");
}

bool attach_is_free(const char *nic, int lock, char text[ATTACH_TEXT])
{
	struct attach_plan old = { 0 };
	int error = lock < 0 ? lock : attach_state_load(&old, nic);

	if (error == -ENOENT)
		return true;
	if (error == -EBUSY)
		snprintf(text, ATTACH_TEXT,
			 "another one is under way: it must be confirmed or taken back first");
	else if (error == -EBADMSG)
		snprintf(text, ATTACH_TEXT,
			 "attach-%s.state makes no sense: lanspan detach --forget %s", nic, nic);
	else if (error == -EXDEV)
		snprintf(text, ATTACH_TEXT, ATTACH_ELSEWHERE, nic, nic);
	else if (error)
		snprintf(text, ATTACH_TEXT, "the folder of control sockets: %s", strerror(-error));
	else if (old.leaving)
		snprintf(text, ATTACH_TEXT, "a detach was killed half-way: lanspan detach --undo %s",
			 nic);
	else if (old.attached)
		snprintf(text, ATTACH_TEXT, "%s is attached to %s already: lanspan detach %s", nic,
			 old.bridge, nic);
	else
		snprintf(text, ATTACH_TEXT,
			 "an earlier one was killed half-way: lanspan attach --undo %s", nic);
	attach_plan_free(&old);
	return false;
}

static void guard(struct guard *g)
{
	char text[ATTACH_TEXT];
	int error;

	/* The lock is held until this process ends. */
	if (!attach_is_free(g->plan->key, attach_lock(), text)) {
		report(g, ATTACH_FAILED, text);
		return;
	}
	g->plan->guardian = getpid();
	error = netlink_open(&g->nl);
	if (!error)
		error = attach_plan_read(&g->nl, g->plan);
	if (!error)
		error = attach_state_save(g->plan);
	if (!error) {
		move(g);
		return;
	}
	report(g, ATTACH_FAILED, g->plan->trouble[0] ? g->plan->trouble : strerror(-error));
}

/* Who has waited for the lock finds what another made of it. */
static bool still_attached(const char *nic, struct attach_plan *now, char text[ATTACH_TEXT])
{
	int lock = attach_lock(), error = lock < 0 ? lock : attach_state_load(now, nic);

	if (!error && now->attached && !now->leaving)
		return true;
	if (!error)
		error = -EAGAIN;
	if (error == -EBUSY)
		snprintf(text, ATTACH_TEXT,
			 "another one is under way: it must be confirmed or taken back first");
	else if (error == -ENOENT)
		snprintf(text, ATTACH_TEXT, "%s is not attached", nic);
	else
		snprintf(text, ATTACH_TEXT, "what is known of %s has changed meanwhile", nic);
	return false;
}

static void guard_leave(struct guard *g)
{
	struct attach_plan now = { 0 };
	char text[ATTACH_TEXT];
	unsigned others = 0;
	int error;

	if (!still_attached(g->plan->key, &now, text)) {
		report(g, ATTACH_FAILED, text);
		return;
	}
	*g->plan = now;
	g->plan->guardian = getpid();
	error = netlink_open(&g->nl);
	if (!error)
		error = attach_plan_turn(&g->nl, g->plan, &others);
	if (!error)
		error = attach_state_save(g->plan);
	if (!error) {
		move_out(g, others);
		return;
	}
	report(g, ATTACH_FAILED, g->plan->trouble[0] ? g->plan->trouble : strerror(-error));
}

static int start(struct guard *g, void (*work)(struct guard *g), int *fd)
{
	int ends[2], error;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	fflush(stdout);
	pid = fork();
	error = pid < 0 ? -errno : 0;
	if (pid == 0) {
		close(ends[0]);
		g->fd = ends[1];
		leave_terminal();
		g->signals = catch_signals();
		work(g);
		_exit(0);
	}
	close(ends[1]);
	if (error)
		close(ends[0]);
	else
		*fd = ends[0];
	return error;
}

int attach_guard_start(struct attach_plan *plan, const struct attach_places *places,
		       unsigned seconds, int *fd)
{
	struct guard g = { .plan = plan, .places = places, .patience = SECONDS(seconds) };

	return start(&g, guard, fd);
}

int attach_guard_leave(struct attach_plan *plan, const struct attach_places *places,
		       unsigned seconds, int *fd)
{
	struct guard g = { .plan = plan, .places = places, .patience = SECONDS(seconds) };

	return start(&g, guard_leave, fd);
}
