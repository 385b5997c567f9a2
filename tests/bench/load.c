/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A stream keeps packets under way: it sends while those that
 * left and have not arrived are fewer than its window.  When nothing arrives for
 * STALLED, what is missing counts as lost and the window is free again.
 */
#include "bench/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define PATIENCE SECONDS(120)
#define STALLED MS(200)
#define TURN_BYTES (8u << 20) /* copies that a relay makes for one network in a turn */
#define WINDOW 256
#define LOOK_UP 100 /* bytes of packets where the place of the receiver matters */

struct stream {
	struct crowd *crowd;
	size_t inner, len;	   /* bytes of a packet, without and with its HOP */
	unsigned copies;	   /* of each that arrive */
	unsigned window, batch;	   /* packets under way; sent at once */
	uint64_t sent, base, lost; /* packets; arrivals before; copies */
	uint64_t last;
	struct instant moved; /* when something arrived last */
	uint8_t *memory;
};

static uint64_t arrived(const struct stream *s)
{
	return s->crowd->arrived - s->base;
}

static uint64_t under_way(const struct stream *s)
{
	uint64_t all = s->sent * s->copies, in = arrived(s) + s->lost;

	return in < all ? (all - in + s->copies - 1) / s->copies : 0;
}

static struct stream stream_make(struct crowd *c, size_t inner, unsigned copies)
{
	struct stream s = { .crowd = c, .inner = inner, .copies = copies, .base = c->arrived };

	s.len = inner + WIRE_HOP_OVERHEAD;
	s.window = (unsigned)MIN((size_t)WINDOW, MAX((size_t)2, TURN_BYTES / (s.len * copies)));
	s.batch = (unsigned)MIN((size_t)UDP_SEND_SEGMENTS, UDP_SEND_MAX / s.len);
	s.batch = MIN(s.batch, s.window / 2);
	s.moved = clock_now();
	s.memory = calloc(1, UDP_SEND_MAX);
	if (!s.memory)
		die("memory");
	return s;
}

/* True when the window has room for a batch. */
static bool stream_open(struct stream *s, struct instant now)
{
	if (arrived(s) != s->last) {
		s->last = arrived(s);
		s->moved = now;
	} else if (instant_between(s->moved, now) > STALLED) {
		s->lost = s->sent * s->copies - MIN(arrived(s), s->sent * s->copies);
		s->moved = now;
	}
	return under_way(s) + s->batch <= s->window;
}

static void stream_send(struct stream *s, struct crowd_site *from, uint32_t destination, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t *at = s->memory + i * s->len;

		at[WIRE_HOP_HEADER] = destination == WIRE_HOP_FLOOD ? WIRE_FLOOD : WIRE_DATA;
		caller_hop(&from->caller, destination, s->inner, at);
	}
	site_send(from, s->memory, n * s->len, s->len);
	s->sent += n;
}

static unsigned any(unsigned n)
{
	unsigned r;

	rand_bytes(&r, sizeof(r));
	return r % n;
}

/* One packet to another member of its network, from each of a batch of sites in the
 * first networks. */
static void send_anywhere(struct stream *s, unsigned networks)
{
	struct crowd *c = s->crowd;

	for (unsigned i = 0; i < s->batch; i++) {
		unsigned net = any(networks), size = c->n / c->networks, from = any(size),
			 to = (from + 1 + any(size - 1)) % size;

		stream_send(s, &c->sites[from * c->networks + net],
			    c->sites[to * c->networks + net].caller.number, 1);
	}
}

/* ---- all together ---- */

static unsigned bad(const struct crowd *c)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < c->n; i++)
		n += c->sites[i].caller.bad;
	return n;
}

static unsigned count(const struct crowd *c, bool (*is)(const struct caller *caller))
{
	unsigned n = 0;

	for (uint32_t i = 0; i < c->n; i++)
		n += is(&c->sites[i].caller);
	return n;
}

static bool registered(const struct caller *caller)
{
	return caller->number != 0;
}

/* Turns until all sites are so; seconds from then on. */
static double until_all(struct crowd *c, bool (*are)(const struct caller *caller),
			struct instant since)
{
	struct instant now = clock_now(), looked = now;

	for (;;) {
		now = crowd_turn();
		if (instant_between(looked, now) < MS(10))
			continue;
		looked = now;
		if (count(c, are) == c->n)
			return (double)instant_between(since, now) / 1e6;
		if (relay_memory() == 0)
			die("the relay ended");
		if (instant_between(since, now) > PATIENCE) {
			fprintf(stderr, "crowd: %u of %u after %d s\n", count(c, are), c->n,
				(int)(PATIENCE / SECONDS(1)));
			exit(1);
		}
	}
}

static void turn_for(int64_t us)
{
	struct instant until = instant_add(clock_now(), us);

	while (!instant_reached(crowd_turn(), until))
		;
}

/* All call within the first second. */
static struct instant call_all(struct crowd *c)
{
	struct instant now = clock_now();

	for (uint32_t i = 0; i < c->n; i++)
		caller_prepare(&c->sites[i].caller, now);
	now = clock_now();
	for (uint32_t i = 0; i < c->n; i++)
		caller_start(&c->sites[i].caller, instant_add(now, SECONDS(1) * i / c->n));
	return now;
}

/* Says what the relay took for what arrived of a stream, with names that begin so. */
static void say_stream(const struct stream *s, const char *name, struct instant begin,
		       uint64_t before)
{
	double ns = (double)(relay_time() - before), all = (double)(s->sent * s->copies);
	double us = (double)instant_between(begin, clock_now());
	char line[64];

	snprintf(line, sizeof(line), "%s", name);
	say(line, (double)arrived(s) / us * 1e6);
	snprintf(line, sizeof(line), "%s-cpu", name); /* for each second of the relay's CPU */
	say(line, (double)arrived(s) / ns * 1e9);
	snprintf(line, sizeof(line), "%s-busy", name);
	say(line, ns / us / 10);
	snprintf(line, sizeof(line), "%s-lost", name);
	say(line, all > 0 ? (all - (double)MIN(arrived(s), (uint64_t)all)) / all * 100 : 100);
}

/* Streams for so long, then waits for what is under way.  Destination 0: between any
 * of the first networks. */
static void run_stream(struct stream *s, const char *name, uint32_t destination, unsigned networks,
		       int64_t us)
{
	uint64_t before = relay_time();
	struct instant begin = clock_now(), now = begin, end = instant_add(begin, us);

	while (!instant_reached(now, end)) {
		while (stream_open(s, now)) {
			if (destination)
				stream_send(s, s->crowd->sites, destination, s->batch);
			else
				send_anywhere(s, networks);
		}
		now = crowd_turn();
	}
	while (under_way(s) && instant_between(s->moved, now) < STALLED) {
		stream_open(s, now);
		now = crowd_turn();
	}
	say_stream(s, name, begin, before);
	free(s->memory);
}

void load_copies(struct crowd *c, size_t bytes, int64_t us)
{
	struct stream s;

	until_all(c, registered, call_all(c));
	turn_for(SECONDS(1));
	s = stream_make(c, bytes, c->n - 1);
	run_stream(&s, "copies", WIRE_HOP_FLOOD, 1, us);
	say("bad", bad(c));
}

/* ---- registered sites ---- */

/* Of each site, what the relay has more than it had. */
static void say_memory(const struct crowd *c, const char *name, uint64_t before)
{
	say(name, ((double)relay_memory() - (double)before) / 1024 / c->n);
}

static void cold_start(struct crowd *c)
{
	uint64_t before = relay_time();
	struct instant begin = call_all(c);
	unsigned cookies = 0, late = 0;

	say("registered", until_all(c, registered, begin));
	say("listed", until_all(c, caller_knows_all, begin));
	say("register-cpu", (double)(relay_time() - before) / 1e9);
	for (uint32_t i = 0; i < c->n; i++)
		cookies += c->sites[i].caller.cookies, late += c->sites[i].caller.late;
	say("cookies", cookies);
	say("late", late);
}

static unsigned pongs(const struct crowd *c)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < c->n; i++)
		n += c->sites[i].caller.pongs;
	return n;
}

/* Each site asks once in that time, evenly; with renewals, those whose turn it is
 * call for new keys as well. */
static void keep_alive(struct crowd *c, const char *name, int64_t keepalive, bool renewals)
{
	uint64_t before = relay_time(), renewed = 0;
	unsigned answered = pongs(c);
	struct instant begin = clock_now(), now = begin;
	uint8_t packet[CALLER_ROOM];
	char line[32];

	for (uint64_t i = 0; i < c->n;) {
		int64_t so_far = instant_between(begin, now);

		for (; i < c->n && (int64_t)i * keepalive / c->n <= so_far; i++)
			site_send(&c->sites[i], packet, caller_ping(&c->sites[i].caller, packet),
				  CALLER_ROOM);
		while (renewals && (int64_t)renewed * WIRE_REKEY_AFTER / c->n < so_far)
			caller_start(&c->sites[renewed++ % c->n].caller, now);
		now = crowd_turn();
	}
	while (instant_between(begin, now) < keepalive)
		now = crowd_turn();
	say(name, (double)(relay_time() - before) / (double)instant_between(begin, now) / 10);
	turn_for(MS(500));
	snprintf(line, sizeof(line), "%s-unanswered", name);
	say(line, (double)c->n + (double)renewed - (pongs(c) - answered));
}

void load_sites(struct crowd *c, int64_t us, int64_t keepalive)
{
	uint64_t memory = relay_memory();
	struct stream s;

	cold_start(c);
	say_memory(c, "memory", memory);
	turn_for(SECONDS(1));
	keep_alive(c, "keepalive", keepalive, false);
	keep_alive(c, "renewal", keepalive, true);
	s = stream_make(c, LOOK_UP, 1);
	run_stream(&s, "pair", c->sites[c->networks].caller.number, 1, us);
	s = stream_make(c, LOOK_UP, 1);
	run_stream(&s, "network", 0, 1, us);
	s = stream_make(c, LOOK_UP, 1);
	run_stream(&s, "anyone", 0, c->networks, us);
	say_memory(c, "memory-after", memory);
	say("bad", bad(c));
}
