/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/proc.h"

#define NOTIFY_PATIENCE_US 200000

void proc_start(void)
{
	int fd;

	do {
		/* Standard descriptors are for whom we execute as well. */
		fd = open("/dev/null", O_RDWR); /* NOLINT(android-cloexec-open) */
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	signal(SIGPIPE, SIG_IGN);
	umask(027);
}

int proc_signal_fd(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int proc_signal_read(int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}

unsigned proc_raise_files(unsigned most)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	if (limit.rlim_cur < most) {
		limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)most);
		setrlimit(RLIMIT_NOFILE, &limit);
		getrlimit(RLIMIT_NOFILE, &limit);
	}
	return (unsigned)MIN(limit.rlim_cur, (rlim_t)UINT_MAX);
}

unsigned proc_cores(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) < 0 ? 0 : CPU_COUNT(&set);

	return n > 0 ? (unsigned)n : 1;
}

/* A path, or '@' and a name in the abstract space.  0 for anything else. */
static socklen_t notify_name(struct sockaddr_un *name, const char *text)
{
	size_t len = strlen(text);

	*name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if ((text[0] != '/' && text[0] != '@') || len < 2 || len >= sizeof(name->sun_path))
		return 0;
	memcpy(name->sun_path, text, len);
	if (text[0] == '@')
		name->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void proc_notify(const char *state)
{
	struct timeval patience = { .tv_usec = NOTIFY_PATIENCE_US };
	const char *text = getenv("NOTIFY_SOCKET");
	struct sockaddr_un name;
	socklen_t len;
	int fd;

	len = text ? notify_name(&name, text) : 0;
	if (!len)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&name, len);
	close(fd);
}

uint64_t proc_network(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie;
	socklen_t len = sizeof(cookie);
	struct stat st;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
		cookie = stat("/proc/self/ns/net", &st) == 0 ? st.st_ino : 0;
	if (fd >= 0)
		close(fd);
	return cookie;
}
