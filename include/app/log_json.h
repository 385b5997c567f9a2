/* SPDX-License-Identifier: MIT */
/* Lines of the log, and events, as JSON: one object each, made without the heap. */
#ifndef APP_LOG_JSON_H
#define APP_LOG_JSON_H

#include "base/log.h"

#define LOG_JSON_TIME 32

/* A log_form: {"time":"2026-08-01T12:00:00.123Z","level":"info",...,"peer":"paris"}.  What
 * is no UTF-8 is shown as \xNN.  Values are cut, and fields left out ("cut":true), where
 * room is short, which is 100 bytes at least; of LOG_FORM_BYTES, none of ours is. */
size_t log_json(const struct log_record *record, char *out, size_t room);

/* The same with a number in front, "seq"; 0: none. */
size_t log_json_numbered(const struct log_record *record, uint64_t seq, char *out, size_t room);

#endif
