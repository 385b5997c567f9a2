/* SPDX-License-Identifier: MIT */
/*
 * [site] key_log: every key that the site makes goes into a file, for looking at
 * captured packets.  Who has the file reads the site's traffic, so it is for its
 * owner alone, and the log of the process says again and again that it is kept.
 */
#ifndef APP_KEY_LOG_H
#define APP_KEY_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/conf.h"
#include "base/clock.h"
#include "core/identity.h"
#include "core/key_watch.h"

struct key_log {
	int fd;	       /* -1: none is kept */
	bool cut;      /* the last line did not go in whole */
	uint64_t lost; /* lines that did not go in */
	struct instant remind;
	char path[CONF_PATH];
	struct key_watch watch; /* for site_setup */
};

/* Opens the file, or makes it with mode 0600.  False with a message for people in
 * error: not a regular file, somebody else's, or others may open it. */
bool key_log_open(struct key_log *log, const char *path, char *error, size_t room);

/* Whether key_log_open would do now, without making the file. */
bool key_log_check(const char *path, char *error, size_t room);

/* A line that gives the site id a name. */
void key_log_site(struct key_log *log, const uint8_t id[IDENTITY_ID], const char *site,
		  const char *network);

/* Tells at once, and every hour, that keys are logged; nothing when none are. */
void key_log_remind(struct key_log *log, struct instant now);

void key_log_close(struct key_log *log);

#endif
