/* SPDX-License-Identifier: MIT */
/*
 * Plays QEMU, as far as "lanspan lab" sees it, without a machine: with -daemonize and
 * -pidfile the guest is a process of its own, which writes its number into the file and
 * holds that locked; who began it waits until it is ready, and without somebody who waits it
 * ends.  For 73-lab-halfway.sh.
 *
 *   PLAYED=FOLDER notqemu OPTION...
 *
 * The guest writes its number into the folder's "guests", and waits while there is a file
 * "early" there, before it has its own, or "late", before it is ready.  SIGTERM ends it.
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *folder, *pidfile;

static void end(int signal)
{
	(void)signal;
	unlink(pidfile);
	_exit(0);
}

static void wait_while(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	while (access(path, F_OK) == 0)
		usleep(10000);
}

static void append(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
		err(1, "%s", path);
	close(fd);
}

/* It is left open, and so locked. */
static void write_pidfile(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(pidfile, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0 || ftruncate(fd, 0) < 0 ||
	    dprintf(fd, "%d\n", (int)getpid()) < 0)
		err(1, "%s", pidfile);
}

static void guest(int ready)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/guests", folder);
	append(path);
	wait_while("early");
	write_pidfile();
	signal(SIGTERM, end);
	wait_while("late");
	if (write(ready, "", 1) != 1)
		exit(1);
	close(ready);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	int ready[2];
	char word;

	folder = getenv("PLAYED");
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "-pidfile") == 0)
			pidfile = argv[i + 1];
	if (!folder || !pidfile || pipe2(ready, O_CLOEXEC) < 0)
		errx(2, "usage: PLAYED=FOLDER notqemu ... -pidfile FILE");
	signal(SIGPIPE, SIG_IGN);
	if (fork() == 0) {
		close(ready[0]);
		setsid();
		if (fork() == 0)
			guest(ready[1]);
		_exit(0);
	}
	close(ready[1]);
	return read(ready[0], &word, 1) == 1 ? 0 : 1;
}
