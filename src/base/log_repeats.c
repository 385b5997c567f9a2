/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  Each message has a shelf of its own, with places for its first
 * fields, found by a hash.  Two fields that fall together share the place, and its
 * limit, until the minute of the first is over.  So a flood of different names writes no
 * more than one shelf lets through, and hides no other message.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "log_parts.h"

#define SHELVES 128 /* more than there are messages */
#define PLACES 32
#define SUBJECT 64

struct place {
	uint64_t hash;
	struct log_limit limit;
	const char *key; /* of who holds it */
	char text[SUBJECT];
	int64_t number;
};

static struct shelf {
	const char *message; /* NULL: free, as all that follow */
	struct place places[PLACES];
} shelves[SHELVES];

static unsigned n_held; /* places that hold lines back */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

bool log_limit_pass(struct log_limit *limit, struct instant now, uint64_t *held)
{
	if (instant_between(limit->window, now) >= limit->every) {
		limit->window = now;
		limit->used = 0;
	}
	if (limit->used >= limit->burst) {
		limit->held++;
		return false;
	}
	limit->used++;
	*held = limit->held;
	limit->held = 0;
	return true;
}

static uint64_t hash_of(const struct log_field *first)
{
	if (!first->key || !first->text)
		return hash_u64((uint64_t)first->number, 0);
	return hash_bytes(first->text, strlen(first->text), 0);
}

static struct shelf *shelf_of(const char *message)
{
	struct shelf *s = shelves;

	while (s < &shelves[SHELVES - 1] && s->message && strcmp(s->message, message) != 0)
		s++;
	if (!s->message)
		s->message = message;
	return s;
}

static void take(struct place *p, uint64_t hash, const struct log_field *first)
{
	*p = (struct place){ .hash = hash,
			     .limit = { .every = LOG_LIMIT_EVERY, .burst = LOG_LIMIT_BURST },
			     .key = first->key ? first->key : "",
			     .number = first->number };
	snprintf(p->text, sizeof(p->text), "%s", first->text ? first->text : "");
	p->limit.window = (struct instant){ -LOG_LIMIT_EVERY };
}

static bool is_over(const struct place *p, struct instant now)
{
	return instant_between(p->limit.window, now) >= LOG_LIMIT_EVERY;
}

bool log_may(const char *message, const struct log_field *fields, struct instant now,
	     uint64_t *held)
{
	uint64_t hash = hash_of(fields), before;
	struct place *p;
	bool pass;

	pthread_mutex_lock(&lock);
	p = &shelf_of(message)->places[hash % PLACES];
	if (!p->limit.burst || (p->hash != hash && !p->limit.held && is_over(p, now)))
		take(p, hash, fields);
	before = p->limit.held;
	pass = log_limit_pass(&p->limit, now, held);
	n_held += !before && p->limit.held;
	n_held -= before && !p->limit.held;
	pthread_mutex_unlock(&lock);
	return pass;
}

/* The first place from *at on whose time is over and that held lines back: a copy, and
 * its message.  NULL when there is none. */
static const char *next_held(size_t *at, struct instant now, struct place *out)
{
	const char *message = NULL;

	pthread_mutex_lock(&lock);
	for (; n_held && *at < (size_t)SHELVES * PLACES && !message; ++*at) {
		struct place *p = &shelves[*at / PLACES].places[*at % PLACES];

		if (!p->limit.held || !is_over(p, now))
			continue;
		*out = *p;
		message = shelves[*at / PLACES].message;
		p->limit.held = 0;
		n_held--;
	}
	pthread_mutex_unlock(&lock);
	return message;
}

void log_tick(struct instant now)
{
	const char *message;
	struct place p;
	size_t at = 0;

	while ((message = next_held(&at, now, &p))) {
		log_info("lines like this were left out", log_text("message", message),
			 (struct log_field){ p.key, p.text[0] ? p.text : NULL, p.number },
			 log_number("count", (int64_t)p.limit.held));
	}
}
