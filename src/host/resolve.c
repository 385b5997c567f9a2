/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  Questions and answers lie in two rings under one lock;
 * the thread takes the oldest question, asks without the lock, and puts the
 * answer into the other ring.  An eventfd wakes the loop.  `waiting` counts
 * questions from resolve_ask to their answer's delivery, so neither ring can
 * overflow.
 *
 * getaddrinfo cannot be interrupted.  When it does not come back in time while
 * we close, the thread is detached and keeps `shared` alive: it frees it when
 * it gets so far, or with the process.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/list.h"
#include "host/resolve.h"

#define CLOSE_PATIENCE_MS 200
#define ERROR_TEXT 96
#define LABEL_MAX 63 /* RFC 1035, 2.3.4 */
#define NAME_MAX_LEN 253

struct question {
	char host[RESOLVE_NAME];
	uint16_t port;
	uint64_t tag;
};

struct answer {
	uint64_t tag;
	size_t n;
	struct addr addr[RESOLVE_ANSWERS];
	char error[ERROR_TEXT];
};

struct shared {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int event_fd;
	bool stop;	/* the loop's side asks the thread to end */
	bool ended;	/* the thread will touch nothing any more */
	bool abandoned; /* the loop's side is gone: the thread frees this */
	size_t waiting;
	struct question questions[RESOLVE_PENDING];
	size_t q_first, q_count;
	struct answer answers[RESOLVE_PENDING];
	size_t a_first, a_count;
};

struct resolve {
	struct loop_source source;
	struct loop *loop;
	resolve_handler handler;
	void *ctx;
	struct shared *shared;
	pthread_t thread;
};

/* ---- the form of a name ------------------------------------------------ */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_label_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
	       c == '_';
}

/* Labels of 1 to 63 characters that do not begin with '-', a dot at the end
 * allowed.  The last one has a character that is no digit, or it were a misspelt
 * IPv4 address. */
static bool host_ok(const char *host)
{
	size_t len = strlen(host), label = 0;
	bool numeric = true;

	if (len == 0 || len > NAME_MAX_LEN)
		return false;
	for (const char *p = host; *p; p++) {
		if (*p == '.') {
			if (label == 0)
				return false;
			label = 0;
			numeric = p[1] ? true : numeric;
			continue;
		}
		if (!is_label_char(*p) || (label == 0 && *p == '-') || ++label > LABEL_MAX)
			return false;
		numeric = numeric && is_digit(*p);
	}
	return !numeric;
}

static bool parse_port(uint16_t *out, const char *text)
{
	unsigned value = 0;

	if (!*text || strlen(text) > 5)
		return false;
	for (; *text; text++) {
		if (!is_digit(*text))
			return false;
		value = value * 10 + (unsigned)(*text - '0');
	}
	if (value == 0 || value > UINT16_MAX)
		return false;
	*out = (uint16_t)value;
	return true;
}

/* "host" or "host:port". */
static bool parse_name(struct question *q, const char *text, uint16_t default_port)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);

	if (len >= sizeof(q->host))
		return false;
	memcpy(q->host, text, len);
	q->host[len] = '\0';
	q->port = default_port;
	if (colon && !parse_port(&q->port, colon + 1))
		return false;
	return q->port != 0 && host_ok(q->host);
}

bool resolve_valid(const char *text, uint16_t default_port)
{
	struct question q;
	struct addr a;

	return addr_parse(&a, text, default_port) || parse_name(&q, text, default_port);
}

/* ---- the thread -------------------------------------------------------- */

static bool addr_from_info(struct addr *out, const struct addrinfo *info, uint16_t port)
{
	struct addr a = { .port = port };

	if (info->ai_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)info->ai_addr;

		a.family = ADDR_IPV4;
		memcpy(a.ip, &in->sin_addr, 4);
	} else if (info->ai_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)info->ai_addr;

		a.family = ADDR_IPV6;
		a.scope = in6->sin6_scope_id;
		memcpy(a.ip, &in6->sin6_addr, 16);
	} else {
		return false;
	}
	*out = a;
	return true;
}

static void take_addresses(struct answer *a, const struct addrinfo *info, uint16_t port)
{
	for (; info && a->n < RESOLVE_ANSWERS; info = info->ai_next) {
		bool known = false;

		if (!addr_from_info(&a->addr[a->n], info, port))
			continue;
		for (size_t i = 0; i < a->n; i++)
			known = known || addr_equal(&a->addr[i], &a->addr[a->n]);
		a->n += !known;
	}
}

static void look_up(struct answer *a, const struct question *q)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_DGRAM,
					.ai_protocol = IPPROTO_UDP };
	struct addrinfo *info = NULL;
	char text[ERROR_TEXT];
	int error;

	*a = (struct answer){ .tag = q->tag };
	error = getaddrinfo(q->host, NULL, &hints, &info);
	if (error == EAI_SYSTEM) {
		snprintf(a->error, sizeof(a->error), "%s", strerror_r(errno, text, sizeof(text)));
	} else if (error) {
		snprintf(a->error, sizeof(a->error), "%s", gai_strerror(error));
	} else {
		take_addresses(a, info, q->port);
		if (a->n == 0)
			snprintf(a->error, sizeof(a->error), "no address");
	}
	if (!error)
		freeaddrinfo(info);
}

static void shared_free(struct shared *s)
{
	if (s->event_fd >= 0)
		close(s->event_fd);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void put_answer(struct shared *s, const struct answer *a)
{
	s->answers[(s->a_first + s->a_count++) % RESOLVE_PENDING] = *a;
	/* The counter cannot overflow: at most RESOLVE_PENDING answers wait. */
	eventfd_write(s->event_fd, 1);
}

static void *thread_main(void *arg)
{
	struct shared *s = arg;
	struct question q;
	struct answer a;
	bool abandoned;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		if (s->q_count == 0) {
			pthread_cond_wait(&s->changed, &s->lock);
			continue;
		}
		q = s->questions[s->q_first];
		s->q_first = (s->q_first + 1) % RESOLVE_PENDING;
		s->q_count--;
		pthread_mutex_unlock(&s->lock);
		look_up(&a, &q);
		pthread_mutex_lock(&s->lock);
		if (!s->stop)
			put_answer(s, &a);
	}
	abandoned = s->abandoned;
	s->ended = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (abandoned)
		shared_free(s);
	return NULL;
}

/* ---- the loop's side --------------------------------------------------- */

static bool take_answer(struct shared *s, struct answer *a)
{
	bool some;

	pthread_mutex_lock(&s->lock);
	some = s->a_count > 0;
	if (some) {
		*a = s->answers[s->a_first];
		s->a_first = (s->a_first + 1) % RESOLVE_PENDING;
		s->a_count--;
		s->waiting--;
	}
	pthread_mutex_unlock(&s->lock);
	return some;
}

static void deliver(struct loop_source *source, uint32_t events, struct instant now)
{
	struct resolve *r = container_of(source, struct resolve, source);
	struct answer a;
	eventfd_t count;

	(void)events;
	(void)now;
	eventfd_read(source->fd, &count);
	for (int i = 0; i < RESOLVE_PENDING && take_answer(r->shared, &a); i++)
		r->handler(r->ctx, a.tag, a.addr, a.n, a.n ? NULL : a.error);
}

static struct shared *shared_new(void)
{
	struct shared *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
	s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->event_fd >= 0)
		return s;
	shared_free(s);
	return NULL;
}

/* With all signals blocked: they are the main thread's. */
static bool thread_start(struct resolve *r)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&r->thread, NULL, thread_main, r->shared);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error == 0;
}

struct resolve *resolve_new(struct loop *loop, resolve_handler handler, void *ctx)
{
	struct resolve *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->loop = loop;
	r->handler = handler;
	r->ctx = ctx;
	r->shared = shared_new();
	if (!r->shared)
		goto no_memory;
	r->source = (struct loop_source){ .fd = r->shared->event_fd,
					  .events = LOOP_READ,
					  .ready = deliver };
	if (loop_add(loop, &r->source) < 0)
		goto not_watched;
	if (thread_start(r))
		return r;
	loop_remove(loop, &r->source);
not_watched:
	shared_free(r->shared);
no_memory:
	free(r);
	return NULL;
}

bool resolve_ask(struct resolve *r, const char *text, uint16_t default_port, uint64_t tag)
{
	struct question q = { .tag = tag };
	struct shared *s = r->shared;
	struct addr a;
	bool room;

	if (addr_parse(&a, text, default_port)) {
		r->handler(r->ctx, tag, &a, 1, NULL);
		return true;
	}
	if (!parse_name(&q, text, default_port))
		return false;
	pthread_mutex_lock(&s->lock);
	room = s->waiting < RESOLVE_PENDING;
	if (room) {
		s->questions[(s->q_first + s->q_count++) % RESOLVE_PENDING] = q;
		s->waiting++;
		pthread_cond_signal(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	return room;
}

static struct timespec patience_end(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += CLOSE_PATIENCE_MS * 1000000L;
	t.tv_sec += t.tv_nsec / 1000000000L;
	t.tv_nsec %= 1000000000L;
	return t;
}

void resolve_free(struct resolve *r)
{
	struct timespec end = patience_end();
	struct shared *s;
	bool ended;

	if (!r)
		return;
	s = r->shared;
	loop_remove(r->loop, &r->source);
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->changed);
	while (!s->ended && pthread_cond_timedwait(&s->changed, &s->lock, &end) != ETIMEDOUT)
		;
	ended = s->ended;
	s->abandoned = !ended;
	pthread_mutex_unlock(&s->lock);
	if (ended) {
		pthread_join(r->thread, NULL);
		shared_free(s);
	} else {
		pthread_detach(r->thread);
	}
	free(r);
}
