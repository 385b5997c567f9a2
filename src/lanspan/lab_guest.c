/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * QEMU begins in one process, which ends when the guest, a process of its own by then, is
 * ready.  The first is noted before it is QEMU at all.  The guest writes its number into
 * GUEST.pid, early, and holds a lock on that file as long as it lives; so it is found also
 * when whoever began it has not lived to note it.  A noted process is known by its number
 * and the moment when it began, as the kernel counts it: another one that got the number
 * later is nobody's guest.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab.h"

/* Of the text of proc_pid_stat(5): the moment, or -1 when the process has ended. */
static long long parse_start(const char *text)
{
	const char *word = strrchr(text, ')'); /* the name, in brackets, may hold anything */

	if (!word || !word[1] || strchr("ZX", word[2]))
		return -1;
	for (int field = 2; word && field < 22; field++)
		word = strchr(word + 1, ' ');
	return word ? strtoll(word, NULL, 10) : -1;
}

/* When the process began, in the kernel's ticks; -1: there is none, or it has ended. */
static long long start_of(pid_t pid)
{
	char path[64], text[1024];
	long long start = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fgets(text, sizeof(text), f))
		start = parse_start(text);
	fclose(f);
	return start;
}

void lab_note_guest(struct lab *lab, const char *guest, pid_t pid, bool starting)
{
	json_object_set_new(json_object_get(lab->state, "guests"), guest,
			    json_pack("{sIsIsb}", "pid", (json_int_t)pid, "start",
				      (json_int_t)start_of(pid), "starting", starting));
}

/* That was noted so, if it lives. */
static pid_t noted(const struct lab *lab, const char *guest, bool starting)
{
	const json_t *note = json_object_get(json_object_get(lab->state, "guests"), guest);
	json_int_t pid = json_integer_value(json_object_get(note, "pid"));
	json_int_t start = json_integer_value(json_object_get(note, "start"));

	if (json_is_true(json_object_get(note, "starting")) != starting)
		return 0;
	return pid > 1 && start > 0 && start_of((pid_t)pid) == start ? (pid_t)pid : 0;
}

/* Nobody's file any more when nobody has the lock. */
static bool is_held(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static pid_t pid_of_file(const struct lab *lab, const char *guest)
{
	char path[INSTANCE_PATH], text[32] = "";
	long pid = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%.*s.pid", lab->folder, WIRE_NAME, guest);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	if (is_held(fd) && read(fd, text, sizeof(text) - 1) > 0)
		pid = strtol(text, NULL, 10);
	close(fd);
	return pid > 1 && start_of((pid_t)pid) >= 0 ? (pid_t)pid : 0;
}

pid_t lab_guest_pid(const struct lab *lab, const char *guest)
{
	pid_t pid = pid_of_file(lab, guest);

	return pid ? pid : noted(lab, guest, false);
}

pid_t lab_guest_starter(const struct lab *lab, const char *guest)
{
	return noted(lab, guest, true);
}
