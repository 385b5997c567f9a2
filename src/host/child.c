/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  posix_spawn starts the program in a session of its own, so that a
 * kill reaches all that it began.  A pidfd says when it has ended; its output is read
 * until then, and what waits in the pipe after that, but no longer: somebody in the
 * background may hold the pipe open for ever.
 */
#include "host/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"

#define READ_MOST 65536 /* bytes, after it has ended */

struct run {
	const struct child *child;
	struct child_result *result;
	pid_t pid;
	int pid_fd, pipe_fd, stop_fd;
	struct instant deadline;
	bool late;
	char line[CHILD_LINE];
	size_t len;
	unsigned lines;
};

/* ---- output ------------------------------------------------------------- */

static void end_line(struct run *r)
{
	r->line[r->len] = '\0';
	r->len = 0;
	if (r->lines++ < CHILD_LINES)
		r->child->line(r->child->ctx, r->line);
	else
		r->result->more++;
}

static void take(struct run *r, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n')
			end_line(r);
		else if (r->len < sizeof(r->line) - 1)
			r->line[r->len++] = (char)(bytes[i] ? bytes[i] : '?');
	}
}

/* How many bytes; 0 when there is nothing now, and nothing more if the pipe is closed. */
static size_t read_some(struct run *r)
{
	char bytes[4096];
	ssize_t n = read(r->pipe_fd, bytes, sizeof(bytes));

	if (n > 0) {
		take(r, bytes, (size_t)n);
		return (size_t)n;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(r->pipe_fd);
		r->pipe_fd = -1;
	}
	return 0;
}

static void read_rest(struct run *r)
{
	size_t n, all = 0;

	while (r->pipe_fd >= 0 && all < READ_MOST && (n = read_some(r)) > 0)
		all += n;
	if (r->len)
		end_line(r);
}

/* ---- life --------------------------------------------------------------- */

static int prepare_files(posix_spawn_file_actions_t *files, int output)
{
	int error = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (!error)
		error = posix_spawn_file_actions_adddup2(files, output, STDOUT_FILENO);
	if (!error)
		error = posix_spawn_file_actions_adddup2(files, output, STDERR_FILENO);
	if (!error)
		error = posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
	if (!error)
		error = posix_spawn_file_actions_addchdir_np(files, "/");
	return error;
}

static int spawn_with(struct run *r, int output, posix_spawn_file_actions_t *files,
		      posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int error = prepare_files(files, output);

	if (error)
		return error;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &all);
	posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						     POSIX_SPAWN_SETSID);
	return posix_spawn(&r->pid, r->child->file, files, attributes, r->child->argv,
			   r->child->env);
}

/* 0 or an errno. */
static int spawn(struct run *r, int output)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int error = posix_spawn_file_actions_init(&files);

	if (error)
		return error;
	error = posix_spawnattr_init(&attributes);
	if (!error) {
		error = spawn_with(r, output, &files, &attributes);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&files);
	return error;
}

static int begin(struct run *r)
{
	int ends[2], error;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return errno;
	r->pipe_fd = ends[0];
	fcntl(r->pipe_fd, F_SETFL, O_NONBLOCK);
	error = spawn(r, ends[1]);
	close(ends[1]);
	if (!error) {
		r->pid_fd = pidfd_open(r->pid, 0);
		if (r->pid_fd < 0)
			kill(-r->pid, SIGKILL); /* descriptors are short */
	}
	return error;
}

static void hurry(struct run *r)
{
	r->deadline = instant_min(r->deadline, instant_add(clock_now(), r->child->grace));
	r->stop_fd = -1;
}

/* Until it has ended, or has to. */
static void attend(struct run *r)
{
	for (;;) {
		struct pollfd fds[] = { { .fd = r->pid_fd, .events = POLLIN },
					{ .fd = r->pipe_fd, .events = POLLIN },
					{ .fd = r->stop_fd, .events = POLLIN } };
		int64_t left = instant_between(clock_now(), r->deadline);

		r->late = left <= 0;
		if (r->pid_fd < 0 || r->late)
			break;
		if (poll(fds, COUNT_OF(fds), (int)(left / 1000 + 1)) < 0)
			continue;
		if (fds[1].revents)
			read_some(r);
		if (fds[2].revents)
			hurry(r);
		if (fds[0].revents)
			return;
	}
	kill(-r->pid, SIGKILL);
}

static void finish(struct run *r)
{
	int status = 0;

	while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
		;
	r->result->end = r->late ? CHILD_LATE : WIFSIGNALED(status) ? CHILD_KILLED : CHILD_EXITED;
	r->result->number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

void child_run(const struct child *child, struct child_result *result)
{
	struct run r = { .child = child,
			 .result = result,
			 .pid_fd = -1,
			 .pipe_fd = -1,
			 .stop_fd = child->stop_fd,
			 .deadline = instant_add(clock_now(), child->limit) };
	int error;

	*result = (struct child_result){ .end = CHILD_FAILED };
	error = begin(&r);
	result->number = error;
	if (!error) {
		attend(&r);
		finish(&r);
		read_rest(&r);
	}
	if (r.pipe_fd >= 0)
		close(r.pipe_fd);
	if (r.pid_fd >= 0)
		close(r.pid_fd);
}
