/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/keyfile.h"
#include "base/bytes.h"

#define PATH_ROOM 4096

/*
 * What the service manager hands over by LoadCredential= lies in a folder of its
 * own.  Where it belongs to root, an ACL lets this user read it, whose mask stands
 * in the place of the group's permissions.
 */
static bool is_credential(const char *path, const struct stat *st)
{
	const char *folder = secure_getenv("CREDENTIALS_DIRECTORY");
	size_t n = folder ? strlen(folder) : 0;

	return n && st->st_uid == 0 && strncmp(path, folder, n) == 0 && path[n] == '/' &&
	       !strchr(path + n + 1, '/');
}

/* What keeps an opened file from being trusted with a key; true when nothing. */
static bool file_is_private(const char *path, const struct stat *st, char *error, size_t room)
{
	if (!S_ISREG(st->st_mode)) {
		snprintf(error, room, "%s: not a regular file", path);
		return false;
	}
	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		snprintf(error, room,
			 "%s: owned by user %u: must belong to root or to the user who runs this",
			 path, (unsigned)st->st_uid);
		return false;
	}
	if (st->st_mode & (is_credential(path, st) ? 037 : 077)) {
		snprintf(error, room, "%s: mode %04o is open to others: run chmod 600 %s", path,
			 (unsigned)st->st_mode & 07777, path);
		return false;
	}
	return true;
}

/* Up to room - 1 bytes, NUL-terminated; the length or -1. */
static ssize_t read_all(int fd, char *out, size_t room)
{
	size_t used = 0;
	ssize_t n;

	while (used < room - 1) {
		n = read(fd, out + used, room - 1 - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	out[used] = '\0';
	return (ssize_t)used;
}

static bool key_from_line(uint8_t key[KEX_KEY], char *line, size_t len)
{
	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		line[--len] = '\0';
	return len == KEX_TEXT - 1 && kex_from_text(key, line) && !bytes_all_zero(key, KEX_KEY);
}

bool keyfile_read(const char *path, uint8_t key[KEX_KEY], char *error, size_t room)
{
	char line[KEX_TEXT + 16];
	bool ok = false;
	struct stat st;
	ssize_t len;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		snprintf(error, room, "%s: %s", path, strerror(errno));
		return false;
	}
	if (fstat(fd, &st) != 0) {
		snprintf(error, room, "%s: %s", path, strerror(errno));
		goto out;
	}
	if (!file_is_private(path, &st, error, room))
		goto out;
	len = read_all(fd, line, sizeof(line));
	if (len < 0) {
		snprintf(error, room, "%s: %s", path, strerror(errno));
		goto out;
	}
	ok = key_from_line(key, line, (size_t)len);
	if (!ok)
		snprintf(error, room,
			 "%s: not a key: must be one line of 44 characters of base64, as "
			 "lanspan keygen or lanspan secret write it",
			 path);
out:
	bytes_wipe(line, sizeof(line));
	close(fd);
	return ok;
}

static bool write_all(int fd, const char *p, size_t n)
{
	ssize_t done;

	while (n > 0) {
		done = write(fd, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

/* The name in the folder as well survives a crash.  Best effort: some file
 * systems cannot sync a folder. */
static void sync_folder(const char *path)
{
	char copy[PATH_ROOM];
	int fd;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

static int create_new(const char *path, char *error, size_t room)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST)
		snprintf(error, room,
			 "%s: exists already and is not written over: choose another name, or "
			 "remove it first",
			 path);
	else if (fd < 0)
		snprintf(error, room, "%s: %s", path, strerror(errno));
	return fd;
}

bool keyfile_write(const char *path, const uint8_t key[KEX_KEY], char *error, size_t room)
{
	char line[KEX_TEXT + 1];
	bool ok;
	int fd;

	fd = create_new(path, error, room);
	if (fd < 0)
		return false;
	kex_to_text(line, key);
	line[KEX_TEXT - 1] = '\n';
	ok = fchmod(fd, 0600) == 0 && write_all(fd, line, KEX_TEXT) && fsync(fd) == 0;
	if (!ok)
		snprintf(error, room, "%s: %s", path, strerror(errno));
	bytes_wipe(line, sizeof(line));
	close(fd);
	if (ok)
		sync_folder(path);
	else
		unlink(path);
	return ok;
}
