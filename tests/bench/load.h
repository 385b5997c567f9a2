/* SPDX-License-Identifier: MIT */
/* The sites of the benchmark, and what they are made to do. */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include "base/addr.h"
#include "bench/caller.h"
#include "host/udp.h"

struct crowd_site {
	struct caller caller;
	struct udp udp;
};

struct crowd {
	struct addr relay;
	int pid, epoll;
	struct udp_inbox *inbox;
	struct crowd_site *sites;
	uint32_t n, networks;	    /* site i is in network i % networks */
	uint64_t arrived, messages; /* HOPs, and the messages that they came in */
	uint32_t next;		    /* to be looked at */
};

/* ---- crowd.c ---- */

_Noreturn void die(const char *what);

/* len bytes as datagrams of segment bytes each, to the relay. */
void site_send(struct crowd_site *s, const uint8_t *data, size_t len, size_t segment);

/* Waits a millisecond at most for arrivals and takes them, and sends what is due.
 * What time it is. */
struct instant crowd_turn(void);

uint64_t relay_time(void);   /* CPU so far, ns */
uint64_t relay_memory(void); /* resident bytes */
void say(const char *name, double value);

/* ---- load.c: what is measured ---- */

void load_copies(struct crowd *c, size_t bytes, int64_t us);
void load_sites(struct crowd *c, int64_t us, int64_t keepalive);

#endif
