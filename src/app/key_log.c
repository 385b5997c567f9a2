/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A line is one write(2) to a file that is open for appending, so lines of several
 * sites in one file do not mix.  A line that does not fit the disk is lost, the
 * first time with a warning; what there is of it is ended when the next line goes in.
 * Traffic does not wait for any of it: a site makes a few keys every two minutes.
 */
#include "app/key_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "core/keys.h"
#include "core/wire_relay.h"

#define REMIND_EVERY SECONDS(3600)
#define LINE_ROOM 512
#define FIRST "SITE " /* what a key log begins with */
#define HEX(bytes) (2 * (bytes) + 1)

static void write_line(struct key_log *log, const char *line, size_t len)
{
	ssize_t n;

	if (log->cut && write(log->fd, "\n", 1) != 1)
		n = -1;
	else
		n = write(log->fd, line, len);
	if (n == (ssize_t)len) {
		log->cut = false;
		return;
	}
	log->cut = log->cut || n > 0;
	if (log->lost++ == 0)
		log_warn("key_log cannot be written, keys are missing in it",
			 log_text("file", log->path),
			 log_text("error", n < 0 ? strerror(errno) : "no room for a whole line"));
}

static void log_key(void *ctx, const struct key_news *news)
{
	static const char *const kinds[] = {
		[WIRE_DATA] = "DATA", [WIRE_FLOOD] = "FLOOD", [WIRE_HOP] = "HOP"
	};
	char context[HEX(KEYS_CONTEXT)], key[HEX(AEAD_KEY)];
	char from[IDENTITY_ID_TEXT], to[IDENTITY_ID_TEXT] = "-", line[LINE_ROOM];
	int len;

	bytes_to_hex(context, news->context, KEYS_CONTEXT);
	bytes_to_hex(key, news->key, AEAD_KEY);
	bytes_to_hex(from, news->source, IDENTITY_ID);
	if (news->destination)
		bytes_to_hex(to, news->destination, IDENTITY_ID);
	len = snprintf(line, sizeof(line), "%s %08" PRIx32 " %s %s %s %s %s\n", kinds[news->kind],
		       news->index, cipher_name(news->cipher), context, key, from, to);
	write_line(ctx, line, (size_t)len);
	bytes_wipe(key, sizeof(key));
	bytes_wipe(line, sizeof(line));
}

/* A file with something else in it, a key file perhaps, is not to be spoilt; a last
 * line that a full disk cut is ended. */
static const char *content_fault(struct key_log *log, off_t size)
{
	char text[sizeof(FIRST) - 1], last = '\n';
	ssize_t n = pread(log->fd, text, sizeof(text), 0);

	if (n < 0 || (size > 0 && pread(log->fd, &last, 1, size - 1) != 1))
		return strerror(errno);
	log->cut = last != '\n';
	return memcmp(text, FIRST, (size_t)n) == 0 ? NULL : "it is there, and no key log";
}

/* What keeps an opened file from being trusted with keys; NULL when nothing. */
static const char *fault_of(struct key_log *log)
{
	struct stat st;

	if (fstat(log->fd, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return "must belong to root or to the user who runs this";
	if (st.st_mode & 077)
		return "it is open to others than its owner: run chmod 600, or name a new file";
	return content_fault(log, st.st_size);
}

/* Opens it; what keeps it from being used, or NULL. */
static const char *open_file(struct key_log *log, const char *path, int how)
{
	int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;

	*log = (struct key_log){ .watch = { log_key, log } };
	snprintf(log->path, sizeof(log->path), "%s", path);
	log->fd = open(path, flags | how, 0600);
	if (log->fd < 0)
		return errno == ELOOP ? "a symbolic link: name the file itself" : strerror(errno);
	return fault_of(log);
}

/* What keeps a file that is not there from being made, or NULL. */
static const char *folder_fault(const char *path)
{
	char folder[CONF_PATH];
	char *end;

	snprintf(folder, sizeof(folder), "%s", path);
	end = strrchr(folder, '/');
	if (end)
		end[end == folder] = '\0';
	if (faccessat(AT_FDCWD, end ? folder : ".", W_OK | X_OK, AT_EACCESS) == 0)
		return NULL;
	return errno == ENOENT ? "no such folder" : strerror(errno);
}

static bool tell_fault(const char *path, const char *fault, char *error, size_t room)
{
	if (fault)
		snprintf(error, room, "key log %s: %s", path, fault);
	return !fault;
}

bool key_log_open(struct key_log *log, const char *path, char *error, size_t room)
{
	if (tell_fault(path, open_file(log, path, O_CREAT), error, room))
		return true;
	key_log_close(log);
	return false;
}

bool key_log_check(const char *path, char *error, size_t room)
{
	struct key_log log;
	const char *fault = open_file(&log, path, 0);

	if (log.fd < 0 && errno == ENOENT)
		fault = folder_fault(path);
	key_log_close(&log);
	return tell_fault(path, fault, error, room);
}

void key_log_site(struct key_log *log, const uint8_t id[IDENTITY_ID], const char *site,
		  const char *network)
{
	char hex[IDENTITY_ID_TEXT], line[LINE_ROOM];
	int len;

	bytes_to_hex(hex, id, IDENTITY_ID);
	len = snprintf(line, sizeof(line), FIRST "%s %s %s\n", hex, site, network);
	write_line(log, line, (size_t)len);
}

void key_log_remind(struct key_log *log, struct instant now)
{
	if (log->fd < 0 || !instant_reached(now, log->remind))
		return;
	log->remind = instant_add(now, REMIND_EVERY);
	log_warn("key_log is on, whoever has this file can read all traffic of this site",
		 log_text("file", log->path));
	if (log->lost)
		log_warn("lines are missing in key_log", log_text("file", log->path),
			 log_number("lines", (int64_t)log->lost));
}

void key_log_close(struct key_log *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}
