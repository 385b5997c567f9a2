/* SPDX-License-Identifier: MIT */
/*
 * Answers at a daemon's control socket: requests and answers are JSON objects,
 * one a connection, as lanspan(8) documents.
 */
#ifndef APP_ANSWER_H
#define APP_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/conf.h"
#include "base/clock.h"

struct answer_verb {
	const char *name;
	bool changes; /* for root and the daemon's own user only */
	json_t *(*run)(void *ctx, json_t *request);
};

/*
 * The text that answers a request, as a ctlsock_handler gives it.  A member that is of
 * another type than its name has in any verb is refused here: those a verb gets are right,
 * or absent.
 */
char *answer_request(const struct answer_verb *verbs, size_t n, void *ctx, const char *request,
		     bool privileged, size_t *len);

json_t *answer_done(void);
json_t *answer_refusal(int status, const char *text);

/* Errors of a configuration, freed. */
json_t *answer_errors(int status, struct conf_errors *errors);

/* Members of an object; the value's reference is taken. */
void answer_put(json_t *object, const char *key, json_t *value);
void answer_count(json_t *object, const char *key, uint64_t value);

/* Text of any origin: what is not UTF-8 is shown as \xNN.  NULL is null. */
void answer_text(json_t *object, const char *key, const char *text);

/* Whole seconds since then, or null when it never was. */
void answer_age(json_t *object, const char *key, struct instant then, struct instant now);

/* "public_key" and "site_id". */
void answer_key(json_t *object, const uint8_t public_key[KEX_KEY]);

#endif
