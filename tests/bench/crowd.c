/* SPDX-License-Identifier: MIT */
/*
 * Many sites around one relay process, for the benchmark: each has a socket and an
 * address of the loopback of its own, and one thread plays them all.
 *
 *   crowd copies RELAY KEY PID MEMBERS BYTES SECONDS
 *   crowd sites RELAY KEY PID SITES NETWORKS SECONDS KEEPALIVE
 *
 * KEY is the relay's public key, PID its process.  Says lines "NAME VALUE".
 *
 * copies: one of MEMBERS floods packets of BYTES, as fast as the others get them;
 * sites: SITES in NETWORKS register from nothing, keep alive, renew their keys, and
 * then some send to each other.  Both keep a window of packets under way, so that
 * what is measured is what arrives; what does not is counted as lost.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"
#include "bench/caller.h"
#include "bench/load.h"
#include "host/udp.h"

#define EVENTS 256
#define FIRST_ADDRESS 0x7f010000u /* 127.1.0.0 */
#define ROUND 16		  /* turns in which each site is looked at once */
#define CALLS 8			  /* in one turn */
#define CHECKED 16		  /* of so many messages with HOPs one is verified */

static struct crowd crowd;

void die(const char *what)
{
	fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- sites ---- */

static void open_socket(struct crowd_site *s, uint32_t i)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = s };
	struct addr at = { .family = ADDR_IPV4, .port = WIRE_PORT };
	int error;

	be32_put(at.ip, FIRST_ADDRESS + i + 1);
	error = udp_open(&s->udp, &at);
	errno = -error;
	if (error || epoll_ctl(crowd.epoll, EPOLL_CTL_ADD, s->udp.fd, &event) < 0)
		die("a socket");
}

static void make_sites(uint32_t n, uint32_t networks, const uint8_t key[KEX_KEY])
{
	struct rlimit files = { n + 64, n + 64 };
	char network[16], name[16];

	setrlimit(RLIMIT_NOFILE, &files);
	crowd.epoll = epoll_create1(EPOLL_CLOEXEC);
	crowd.inbox = udp_inbox_new();
	crowd.sites = calloc(n, sizeof(*crowd.sites));
	crowd.n = n;
	crowd.networks = networks;
	if (!crowd.sites || !crowd.inbox || crowd.epoll < 0)
		die("memory");
	for (uint32_t i = 0; i < n; i++) {
		snprintf(network, sizeof(network), "n%u", i % networks);
		snprintf(name, sizeof(name), "site-%u", i);
		if (!caller_init(&crowd.sites[i].caller, key, network, name))
			die("the library");
		open_socket(&crowd.sites[i], i);
	}
}

void site_send(struct crowd_site *s, const uint8_t *data, size_t len, size_t segment)
{
	struct udp_message message = {
		.data = data, .len = len, .segment = segment, .to = crowd.relay
	};
	bool gso_lost = false;

	if (len)
		udp_send(&s->udp, &message, 1, &gso_lost);
}

/* ---- arrivals ---- */

static void take(struct crowd_site *s, const struct udp_received *got, struct instant now)
{
	uint8_t answer[CALLER_ROOM];

	if (got->data[0] == WIRE_HOP) {
		crowd.arrived += (got->len + got->segment - 1) / got->segment;
		if (crowd.messages++ % CHECKED == 0 &&
		    !caller_hop_good(&s->caller, got->data, MIN(got->len, got->segment)))
			s->caller.bad++;
		return;
	}
	for (size_t at = 0; at < got->len; at += got->segment) {
		size_t len = caller_take(&s->caller, got->data + at,
					 MIN(got->segment, got->len - at), now, answer);

		site_send(s, answer, len, CALLER_ROOM);
	}
}

/*
 * What is due, of some sites in turn.  Little at a time: an answer that lies in a
 * socket comes before a call, as it would if every site had a processor to itself.
 */
static void tick(struct instant now)
{
	uint32_t look = crowd.n / ROUND + 1, left = CALLS;
	uint8_t packet[CALLER_ROOM];

	while (look-- > 0 && left > 0) {
		struct crowd_site *s = &crowd.sites[crowd.next++ % crowd.n];
		size_t len = caller_tick(&s->caller, now, packet);

		site_send(s, packet, len, CALLER_ROOM);
		left -= len > 0;
	}
}

struct instant crowd_turn(void)
{
	struct epoll_event events[EVENTS];
	struct udp_received got[UDP_BATCH];
	int ready = epoll_wait(crowd.epoll, events, EVENTS, 1);
	struct instant now = clock_now();

	for (int i = 0; i < ready; i++) {
		struct crowd_site *s = events[i].data.ptr;
		int n = udp_receive(&s->udp, crowd.inbox, got);

		for (int k = 0; k < n; k++) {
			if (got[k].len)
				take(s, &got[k], now);
		}
	}
	tick(now);
	return now;
}

/* ---- the relay's account ---- */

static uint64_t number_in(const char *file, const char *before)
{
	unsigned long long value = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", crowd.pid, file);
	f = fopen(path, "re");
	if (!f)
		die(path);
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, before, strlen(before)) == 0 &&
		    sscanf(line + strlen(before), "%llu", &value) == 1)
			break;
	}
	fclose(f);
	return value;
}

uint64_t relay_time(void)
{
	return number_in("schedstat", "");
}

uint64_t relay_memory(void)
{
	return number_in("status", "VmRSS:") * 1024;
}

void say(const char *name, double value)
{
	printf("%s %.6g\n", name, value);
	fflush(stdout);
}

/* ---- the start ---- */

static unsigned number(const char *text, unsigned least, unsigned most)
{
	unsigned long n = strtoul(text, NULL, 10);

	if (n < least || n > most) {
		fprintf(stderr, "crowd: %s is not %u to %u\n", text, least, most);
		exit(2);
	}
	return (unsigned)n;
}

int main(int argc, char **argv)
{
	bool copies = argc == 8 && strcmp(argv[1], "copies") == 0;
	bool sites = argc == 9 && strcmp(argv[1], "sites") == 0;
	uint8_t key[KEX_KEY];

	if ((!copies && !sites) || !addr_parse(&crowd.relay, argv[2], WIRE_PORT) ||
	    !kex_from_text(key, argv[3]) || !aead_start()) {
		fputs("usage: crowd copies RELAY KEY PID MEMBERS BYTES SECONDS\n"
		      "       crowd sites RELAY KEY PID SITES NETWORKS SECONDS KEEPALIVE\n",
		      stderr);
		return 2;
	}
	aead_choose(CIPHER_AES_256_GCM, clock_now);
	crowd.pid = (int)number(argv[4], 1, 1u << 22);
	if (copies) {
		make_sites(number(argv[5], 2, WIRE_MEMBERS_MAX), 1, key);
		load_copies(&crowd, number(argv[6], WIRE_HOP_INNER_MIN, 8000),
			    SECONDS(number(argv[7], 1, 3600)));
	} else {
		make_sites(number(argv[5], 2, 60000), number(argv[6], 1, 4096), key);
		load_sites(&crowd, SECONDS(number(argv[7], 1, 3600)),
			   SECONDS(number(argv[8], 1, 300)));
	}
	return 0;
}
