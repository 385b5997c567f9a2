/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  Who tells puts a job into a queue of fixed size and never waits;
 * a thread takes the oldest one and runs the file, whatever that takes, so neither a slow
 * hook nor a slow disk is felt elsewhere.  A new job pushes out the waiting one of the
 * same kind and peer: at the end of a burst, the last thing that happened to each peer is
 * the last that its hook hears.  What is pushed out is counted, and the next run and the
 * log tell.  Before each run the file and its folders are looked at again (host/trust).
 */
#include "app/hooks.h"

#include <ctype.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/utf8.h"
#include "core/wire.h"
#include "host/child.h"
#include "host/trust.h"

#define PATH_MOST 4096
#define ENV_BYTES 2048
#define ENV_MOST 32 /* variables */

/* "NAME=value" one after another, each with its NUL. */
struct env {
	char text[ENV_BYTES];
	size_t used;
};

struct job {
	enum event_kind kind;
	char peer[WIRE_NAME + 1];
	unsigned merged; /* older ones that it pushed out */
	struct env env;
};

struct hooks {
	pthread_mutex_t lock;
	pthread_cond_t news;
	pthread_t thread;
	int64_t limit;
	struct env facts;
	char file[PATH_MOST];
	bool stop;
	int stop_fd;
	struct instant end; /* of all, once it stops */
	struct job jobs[HOOKS_WAITING]; /* the oldest first */
	unsigned n;
	uint64_t left_out; /* for lack of room */
	struct job now;	   /* the thread's own: what is run */
	char now_file[PATH_MOST];
};

bool hooks_want(enum event_kind kind)
{
	return kind == EVENT_PEER_UP || kind == EVENT_PEER_DOWN || kind == EVENT_PATH ||
	       kind == EVENT_LOOP || kind == EVENT_PEER_REVOKED;
}

/* ---- variables ---------------------------------------------------------- */

/* What does not print becomes '?', so that no value has a second line.  Left out when
 * there is no room. */
static void env_add(struct env *env, const char *key, const char *value)
{
	char *out = env->text + env->used;
	size_t room = sizeof(env->text) - env->used, n, len;

	len = (size_t)snprintf(out, room, "LANSPAN_%s=", key);
	if (len >= room)
		return;
	for (char *c = out; c < out + len; c++)
		*c = (char)toupper((unsigned char)*c);
	for (; *value; value += n ? n : 1) {
		n = utf8_shown(value);
		if (MAX(n, 1) > room - 1 - len)
			return;
		memcpy(out + len, n ? value : "?", MAX(n, 1));
		len += MAX(n, 1);
	}
	out[len] = '\0';
	env->used += len + 1;
}

static void env_add_number(struct env *env, const char *key, int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, number);
	env_add(env, key, text);
}

static void env_add_fields(struct env *env, const struct log_field *fields)
{
	for (; fields->key; fields++) {
		const char *key = strcmp(fields->key, "at") == 0 ? "address" : fields->key;

		if (fields->text)
			env_add(env, key, fields->text);
		else if (*key)
			env_add_number(env, key, fields->number);
	}
}

static unsigned env_list(struct env *env, char **list, unsigned n)
{
	for (size_t at = 0; at < env->used && n < ENV_MOST; at += strlen(env->text + at) + 1)
		list[n++] = env->text + at;
	return n;
}

/* ---- the queue ---------------------------------------------------------- */

static void take_out(struct hooks *h, unsigned at)
{
	h->n--;
	memmove(&h->jobs[at], &h->jobs[at + 1], (h->n - at) * sizeof(h->jobs[0]));
}

/* How many the new one stands for beside itself. */
static unsigned push_out(struct hooks *h, enum event_kind kind, const char *peer)
{
	for (unsigned i = 0; i < h->n; i++) {
		unsigned merged = h->jobs[i].merged + 1;

		if (h->jobs[i].kind != kind || strcmp(h->jobs[i].peer, peer) != 0)
			continue;
		take_out(h, i);
		return merged;
	}
	if (h->n == HOOKS_WAITING) {
		take_out(h, 0);
		h->left_out++;
	}
	return 0;
}

static void fill(struct job *job, enum event_kind kind, const char *peer, unsigned merged,
		 const struct log_field *fields)
{
	*job = (struct job){ .kind = kind, .merged = merged };
	snprintf(job->peer, sizeof(job->peer), "%s", peer);
	env_add(&job->env, "event", event_name(kind));
	env_add_number(&job->env, "time", clock_wall_seconds());
	env_add_number(&job->env, "merged", merged);
	env_add_fields(&job->env, fields);
}

void hooks_tell(void *ctx, enum event_kind kind, const struct log_field *fields)
{
	const char *peer = event_field(fields, "peer");
	struct hooks *h = ctx;
	unsigned merged;

	if (!hooks_want(kind))
		return;
	pthread_mutex_lock(&h->lock);
	if (h->file[0] && !h->stop) {
		merged = push_out(h, kind, peer ? peer : "");
		fill(&h->jobs[h->n++], kind, peer ? peer : "", merged, fields);
		pthread_cond_signal(&h->news);
	}
	pthread_mutex_unlock(&h->lock);
}

/* ---- a run -------------------------------------------------------------- */

static void log_output(void *ctx, const char *line)
{
	const struct job *job = ctx;

	log_info("hook says", log_text("hook", event_name(job->kind)), log_text("peer", job->peer),
		 log_text("line", line));
}

static void log_result(const struct hooks *h, const struct child_result *result)
{
	struct log_field event = log_text("hook", event_name(h->now.kind));
	struct log_field peer = log_text("peer", h->now.peer);

	if (result->more)
		log_info("hook says more", event, peer, log_number("lines", result->more));
	switch (result->end) {
	case CHILD_EXITED:
		if (result->number)
			log_warn("hook failed", event, peer, log_number("status", result->number));
		break;
	case CHILD_KILLED:
		log_warn("hook was killed", event, peer, log_number("signal", result->number));
		break;
	case CHILD_LATE:
		log_warn("hook took too long and was killed", event, peer,
			 log_number("seconds", h->limit / 1000000));
		break;
	case CHILD_FAILED:
		log_error("hook cannot be run", event, peer, log_text("file", h->now_file),
			  log_text("error", strerror(result->number)));
		break;
	}
}

/* What was in order when it was configured may be in other hands by now. */
static bool is_trusted(const struct hooks *h)
{
	char real[TRUST_PATH], why[TRUST_WHY];
	bool trusted = trust_program(h->now_file, real, why);

	if (!trusted)
		log_error("hook cannot be run", log_text("hook", event_name(h->now.kind)),
			  log_text("peer", h->now.peer), log_text("error", why));
	return trusted;
}

static void run(struct hooks *h, int64_t limit)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char event[32];
	char *argv[] = { h->now_file, event, h->now.peer, NULL };
	char *env[ENV_MOST + 1] = { path };
	struct child_result result;
	struct child child = { .file = h->now_file,
			       .argv = argv,
			       .env = env,
			       .limit = limit,
			       .stop_fd = h->stop_fd,
			       .grace = HOOKS_GRACE,
			       .line = log_output,
			       .ctx = &h->now };

	snprintf(event, sizeof(event), "%s", event_name(h->now.kind));
	env_list(&h->now.env, env, env_list(&h->facts, env, 1));
	if (h->now.merged)
		log_info("hook is behind, older events were left out",
			 log_text("hook", event), log_text("peer", h->now.peer),
			 log_number("count", h->now.merged));
	child_run(&child, &result);
	log_result(h, &result);
}

/* The next job, into `now`; false at the end.  *limit: its time. */
static bool next(struct hooks *h, int64_t *limit, uint64_t *left_out)
{
	bool any;

	pthread_mutex_lock(&h->lock);
	while (!h->n && !h->stop)
		pthread_cond_wait(&h->news, &h->lock);
	*limit = h->stop ? MIN(h->limit, instant_between(clock_now(), h->end)) : h->limit;
	any = h->n && *limit > 0;
	if (any) {
		h->now = h->jobs[0];
		memcpy(h->now_file, h->file, sizeof(h->file));
		take_out(h, 0);
	} else {
		h->left_out += h->n;
	}
	*left_out = h->left_out;
	h->left_out = 0;
	pthread_mutex_unlock(&h->lock);
	return any;
}

static void *work(void *arg)
{
	struct hooks *h = arg;
	uint64_t left_out;
	int64_t limit;
	bool any;

	do {
		any = next(h, &limit, &left_out);
		if (left_out)
			log_warn("hook is behind, events were left out",
				 log_number("count", (int64_t)left_out));
		if (any && h->now_file[0] && is_trusted(h))
			run(h, limit);
	} while (any);
	return NULL;
}

/* ---- life --------------------------------------------------------------- */

struct hooks *hooks_new(const struct hooks_facts *facts, int64_t limit)
{
	struct hooks *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->limit = limit;
	env_add(&h->facts, "instance", facts->instance);
	env_add(&h->facts, "network", facts->network);
	env_add(&h->facts, "site", facts->site);
	env_add(&h->facts, "tap", facts->tap);
	env_add(&h->facts, "bridge", facts->bridge);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->news, NULL);
	h->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (h->stop_fd >= 0 && pthread_create(&h->thread, NULL, work, h) == 0)
		return h;
	if (h->stop_fd >= 0)
		close(h->stop_fd);
	free(h);
	return NULL;
}

void hooks_set(struct hooks *h, const char *file)
{
	pthread_mutex_lock(&h->lock);
	snprintf(h->file, sizeof(h->file), "%s", file);
	if (!*file)
		h->n = 0;
	pthread_mutex_unlock(&h->lock);
}

void hooks_free(struct hooks *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	h->end = instant_add(clock_now(), HOOKS_GRACE);
	pthread_cond_signal(&h->news);
	pthread_mutex_unlock(&h->lock);
	eventfd_write(h->stop_fd, 1);
	pthread_join(h->thread, NULL);
	close(h->stop_fd);
	pthread_cond_destroy(&h->news);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
