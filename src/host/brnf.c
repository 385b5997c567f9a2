/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  The settings belong to a network namespace, and several processes
 * in it may want them off.  A file, named by the kernel's cookie of the namespace, which no
 * other one has until the next boot, keeps what they were.  Two locks lie on its bytes,
 * which the kernel takes back however their owner ends: SETTINGS is held by whoever changes
 * the settings or the file, USERS is shared by all who want them off.  Who gets USERS alone
 * is the first, or the last: the first one that finds the file written follows somebody
 * who was killed, and what is written there is how the settings were.
 *
 * The last one removes the file; who has waited for the lock of a removed one begins anew.
 */
#include "host/brnf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/proc.h"

#define SETTINGS 0 /* where the locks lie */
#define USERS 1
#define UNCHANGED '-'

static const char *const paths[] = {
	"/proc/sys/net/bridge/bridge-nf-call-iptables",
	"/proc/sys/net/bridge/bridge-nf-call-ip6tables",
	"/proc/sys/net/bridge/bridge-nf-call-arptables",
};
#define N_PATHS COUNT_OF(paths)

/* The setting's first character; NUL when there is none. */
static char get(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c = '\0';

	if (fd < 0)
		return '\0';
	if (read(fd, &c, 1) != 1)
		c = '\0';
	close(fd);
	return c;
}

static int set(const char *path, char value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, &value, 1) != 1)
		error = -errno;
	close(fd);
	return error;
}

static bool is_off(char c)
{
	return !c || c == '0';
}

bool brnf_is_on(void)
{
	for (unsigned i = 0; i < N_PATHS; i++)
		if (!is_off(get(paths[i])))
			return true;
	return false;
}

/* ---- the file ---------------------------------------------------------- */

/* Waits for SETTINGS, which is held for moments only. */
static int lock(int fd, short type, off_t at, bool wait)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
	int error;

	do {
		error = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &l) < 0 ? -errno : 0;
	} while (error == -EINTR);
	return error;
}

/* With SETTINGS locked, and still in its place. */
static int open_file(struct brnf *b)
{
	struct stat st;
	int error;

	for (;;) {
		b->fd = open(b->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (b->fd < 0)
			return -errno;
		error = lock(b->fd, F_WRLCK, SETTINGS, true);
		if (!error && fstat(b->fd, &st) == 0 && st.st_nlink > 0)
			return 0;
		close(b->fd);
		if (error)
			return error;
	}
}

/* What the settings were before anybody here: of those that are off now, what is written. */
static void remember(struct brnf *b)
{
	char written[N_PATHS] = { 0 };
	ssize_t n = pread(b->fd, written, sizeof(written), 0);

	for (unsigned i = 0; i < N_PATHS; i++) {
		char c = get(paths[i]);

		b->before[i] = c;
		if (is_off(c))
			b->before[i] = UNCHANGED;
		if (c && is_off(c) && n == (ssize_t)sizeof(written))
			b->before[i] = written[i];
	}
}

static int write_file(const struct brnf *b)
{
	ssize_t n = pwrite(b->fd, b->before, sizeof(b->before), 0);

	return n == (ssize_t)sizeof(b->before) ? 0 : n < 0 ? -errno : -EIO;
}

static int set_off(void)
{
	int error = 0, failed;

	for (unsigned i = 0; i < N_PATHS; i++) {
		failed = is_off(get(paths[i])) ? 0 : set(paths[i], '0');
		error = failed ? failed : error;
	}
	return error;
}

/* ---- the door ---------------------------------------------------------- */

int brnf_off(struct brnf *b, const char *folder)
{
	uint64_t network = proc_network();
	int error, n;

	*b = (struct brnf){ 0 };
	if (!get(paths[0]))
		return 0;
	if (!network)
		return -EOPNOTSUPP;
	n = snprintf(b->path, sizeof(b->path), "%s/netfilter-%" PRIu64, folder, network);
	if (n < 0 || (size_t)n >= sizeof(b->path))
		return -ENAMETOOLONG;
	error = open_file(b);
	if (error)
		return error;
	remember(b);
	error = write_file(b);
	if (!error)
		error = set_off();
	if (!error)
		error = lock(b->fd, F_RDLCK, USERS, false);
	b->held = !error;
	if (error)
		close(b->fd);
	else
		lock(b->fd, F_UNLCK, SETTINGS, false);
	return error;
}

void brnf_restore(struct brnf *b)
{
	if (!b->held)
		return;
	lock(b->fd, F_WRLCK, SETTINGS, true);
	if (lock(b->fd, F_WRLCK, USERS, false) == 0) {
		remember(b);
		for (unsigned i = 0; i < N_PATHS; i++)
			if (b->before[i] != UNCHANGED)
				set(paths[i], b->before[i]);
		unlink(b->path);
	}
	close(b->fd);
	b->held = false;
}
