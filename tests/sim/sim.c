/* SPDX-License-Identifier: MIT */
/*
 * The core on a virtual clock with a bad network.
 *
 *   sim [-s SEED] [-n COUNT] [-v]
 *
 * Runs COUNT seeds (1000) from SEED on ($SIM_SEED, or 1); -v shows what happens.  In each, 2
 * to 6 sites live through some seconds of faults; 10 s after the last one all
 * are connected, and from then on nothing is lost.  Never is a frame delivered
 * twice, forged, altered or sent back, nor a nonce used twice.
 *
 * The seeds are shared by a process for each processor; with -v there is one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "sim/libworld.h"

static uint64_t running; /* the seed in hand, for the sanitizers' last words */

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void last_words(void)
{
	fprintf(stderr, "seed %llu died\n", (unsigned long long)running);
}

static struct node *any_node(struct world *w)
{
	return &w->node[world_draw(w, w->n)];
}

static unsigned thousandths(struct world *w, unsigned below)
{
	return world_draw(w, 3) ? 0 : (unsigned)world_draw(w, below);
}

static void draw_fate(struct world *w)
{
	w->fate = (struct fate){ .loss = thousandths(w, 300),
				 .twice = thousandths(w, 200),
				 .flip = thousandths(w, 100),
				 .cut = thousandths(w, 50),
				 .late = thousandths(w, 500),
				 .refused = thousandths(w, 50),
				 .jitter = 1 + (int64_t)world_draw(w, world_draw(w, 2) ? 3000
										       : 300000) };
	world_trace(w, "network: loss %u twice %u flip %u cut %u late %u by %lld us", w->fate.loss,
		    w->fate.twice, w->fate.flip, w->fate.cut, w->fate.late,
		    (long long)w->fate.jitter);
}

static void part(struct world *w)
{
	unsigned a = (unsigned)world_draw(w, w->n), b = (unsigned)world_draw(w, w->n);
	bool one_way = world_draw(w, 3) == 0;

	w->apart[a][b] = true;
	if (!one_way)
		w->apart[b][a] = true;
	world_trace(w, "no way from %u to %u%s", a, b, one_way ? "" : ", nor back");
}

static void heal(struct world *w)
{
	memset(w->apart, 0, sizeof(w->apart));
	world_trace(w, "all ways are open");
}

static void change_path(struct world *w)
{
	static const unsigned paths[] = { 1280, 1300, 1420, 1492, 1500, 1500, 9000 };
	unsigned a = (unsigned)world_draw(w, w->n), b = (unsigned)world_draw(w, w->n);
	unsigned mtu = paths[world_draw(w, COUNT_OF(paths))];

	w->path[a][b] = w->path[b][a] = mtu;
	if (world_draw(w, 4) == 0)
		w->node[a].mtu = mtu;
	world_trace(w, "path between %u and %u takes %u bytes", a, b, mtu);
}

static void restart(struct world *w)
{
	struct node *node = any_node(w);

	if (node->running) {
		if (world_draw(w, 2)) {
			site_goodbye(&node->site, w->now);
			node_close(node);
		}
		node_stop(node);
	}
	if (world_draw(w, 3))
		node_start(node);
}

static void command(struct world *w)
{
	struct node *node = any_node(w), *other = any_node(w);
	struct peers *peers = &node->site.peers;

	if (!node->running || node == other)
		return;
	switch (world_draw(w, 4)) {
	case 0:
		world_trace(w, "site %u: disconnects %u", node->number, other->number);
		peers_disconnect(peers, node->peer[other->number], w->now);
		break;
	case 1:
		peers_connect(peers, node->peer[other->number], w->now);
		break;
	default:
		peers_rekey(peers, node->peer[other->number], w->now);
		break;
	}
	node_close(node);
}

static void traffic(struct world *w, bool expected)
{
	struct node *node = any_node(w);

	if (!node->running)
		return;
	switch (world_draw(w, 8)) {
	case 0:
		hosts_send_super(node, 2000 + world_draw(w, 63000), expected);
		break;
	case 1:
		hosts_send_super(node, 2000 + world_draw(w, 8000), expected);
		hosts_flood(node, 2, expected);
		break;
	case 2:
		hosts_flood(node, (unsigned)world_draw(w, 60), expected);
		break;
	default:
		hosts_flood(node, 1 + (unsigned)world_draw(w, 8), expected);
		break;
	}
}

static void misfortune(struct world *w)
{
	struct node *node = any_node(w);

	switch (world_draw(w, 12)) {
	case 0:
		part(w);
		break;
	case 1:
	case 2:
		heal(w);
		break;
	case 3:
		if (node->roams)
			node_roam(node);
		break;
	case 4:
		if (world_draw(w, 2))
			restart(w);
		break;
	case 5:
		change_path(w);
		break;
	case 6:
		draw_fate(w);
		break;
	case 7:
		command(w);
		break;
	case 8:
		for (unsigned i = 0; i < 20; i++)
			net_replay(w);
		break;
	case 9:
		for (unsigned i = 0; i < 20; i++)
			net_invent(w);
		break;
	default:
		traffic(w, false);
		break;
	}
}

/* Runs for a while, doing something every now and then. */
static void live(struct world *w, int64_t time, uint64_t pause, void (*act)(struct world *w))
{
	struct instant end = instant_add(w->now, time);

	while (!w->failed && instant_before(w->now, end)) {
		world_run(w, instant_add(w->now, (int64_t)(pause / 2 + world_draw(w, pause))));
		if (!w->failed)
			act(w);
	}
}

static void trouble(struct world *w)
{
	if (world_draw(w, 4) == 0)
		misfortune(w);
	else
		traffic(w, false);
}

static void end_faults(struct world *w)
{
	world_trace(w, "the faults are over");
	memset(&w->fate, 0, sizeof(w->fate));
	heal(w);
	for (unsigned i = 0; i < w->n; i++) {
		struct node *node = &w->node[i];

		if (!node->running)
			node_start(node);
		for (unsigned k = 0; k < w->n; k++) {
			if (k != i && node->peer[k]->disconnected)
				peers_connect(&node->site.peers, node->peer[k], w->now);
		}
	}
}

/* Whoever lost a site has something for it, */
static void murmur(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++)
		hosts_broadcast(&w->node[i], false);
	if (world_draw(w, 4) == 0)
		net_replay(w);
}

/* or else keepalives find out. */
static void silence(struct world *w)
{
	if (world_draw(w, 4) == 0)
		net_replay(w);
}

static void judge_connected(struct world *w)
{
	for (unsigned a = 0; a < w->n; a++) {
		for (unsigned b = a + 1; b < w->n; b++) {
			if (!world_connected(w, a, b))
				world_fail(w, "sites %u and %u are not connected after 10 s", a, b);
		}
	}
}

/* Good times: everything arrives, whatever strangers repeat, rekeys or not. */
static void good_times(struct world *w)
{
	switch (world_draw(w, 8)) {
	case 0: {
		struct node *node = any_node(w), *other = any_node(w);

		if (node != other)
			peers_rekey(&node->site.peers, node->peer[other->number], w->now);
		break;
	}
	case 1:
		net_replay(w);
		break;
	case 2:
		net_invent(w);
		break;
	default:
		traffic(w, true);
		break;
	}
}

static void whisper(struct world *w)
{
	hosts_broadcast(any_node(w), true);
}

/* What every frame that was sent needs to come. */
static void settle(struct world *w)
{
	world_run(w, instant_add(w->now, SECONDS(1)));
}

static void judge_growth(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		const struct site *site = &w->node[i].site;

		if (site->peers.n_peer != w->n - 1 ||
		    site->switching.fdb.used > 4 * WORLD_NODES * WORLD_HOSTS * 4)
			world_fail(w, "site %u has grown", i);
	}
}

static bool run_seed(uint64_t seed, bool trace)
{
	static struct world world;
	struct world *w = &world;
	bool quiet;

	running = seed;
	if (!world_init(w, seed, trace)) {
		fprintf(stderr, "cannot make a world\n");
		exit(1);
	}
	live(w, SECONDS(2) + (int64_t)world_draw(w, SECONDS(8)), MS(30), trouble);
	end_faults(w);
	quiet = w->keepalive < SECONDS(10) && seed % 4 == 1;
	live(w, SECONDS(10), MS(500), quiet ? silence : murmur);
	judge_connected(w);
	if (quiet) /* a path that shrank shows when frames pass */
		live(w, SECONDS(4), MS(500), murmur);
	live(w, SECONDS(2), MS(20), good_times);
	if (seed % 8 == 0) { /* through a rekey and the end of old keys */
		live(w, SECONDS(200), MS(1500), whisper);
		live(w, SECONDS(1), MS(60), good_times);
	}
	settle(w);
	hosts_judge(w);
	judge_growth(w);
	if (w->failed)
		printf("seed %llu: %s\n", (unsigned long long)seed, w->why);
	else if (trace)
		printf("seed %llu: %llu datagrams, %llu frames delivered\n",
		       (unsigned long long)seed, (unsigned long long)w->datagrams,
		       (unsigned long long)w->delivered);
	world_free(w);
	return !w->failed;
}

/* What one process runs: COUNT seeds from SEED on, each STEP after the last. */
struct share {
	unsigned long long seed, count, step;
	bool trace;
	pid_t pid;
	int from; /* the process writes how many passed */
};

static unsigned long long run_share(const struct share *s)
{
	unsigned long long passed = 0;

	for (unsigned long long i = 0; i < s->count; i++)
		passed += run_seed(s->seed + i * s->step, s->trace);
	return passed;
}

static void share_begin(struct share *s)
{
	unsigned long long passed;
	int ends[2];

	if (pipe(ends) || (s->pid = fork()) < 0) {
		perror("sim");
		exit(1);
	}
	if (s->pid) {
		close(ends[1]);
		s->from = ends[0];
		return;
	}
	passed = run_share(s);
	exit(write(ends[1], &passed, sizeof(passed)) != sizeof(passed));
}

/* How many passed: none if the process died or a sanitizer spoke. */
static unsigned long long share_end(const struct share *s)
{
	unsigned long long passed = 0;
	int status;

	if (read(s->from, &passed, sizeof(passed)) != sizeof(passed))
		passed = 0;
	if (waitpid(s->pid, &status, 0) != s->pid || status)
		passed = 0;
	return passed;
}

#define PROCESSES 16

static unsigned long long run_all(unsigned long long seed, unsigned long long count, bool trace)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = processors < 1 ? 1 : processors > PROCESSES ? PROCESSES : (unsigned)processors;
	unsigned long long passed = 0;
	struct share share[PROCESSES];

	if (trace || count < n)
		n = 1;
	for (unsigned i = 0; i < n; i++)
		share[i] = (struct share){ .seed = seed + i,
					   .count = (count - i + n - 1) / n,
					   .step = n,
					   .trace = trace };
	for (unsigned i = 1; i < n; i++)
		share_begin(&share[i]);
	passed = run_share(&share[0]);
	for (unsigned i = 1; i < n; i++)
		passed += share_end(&share[i]);
	return passed;
}

int main(int argc, char **argv)
{
	unsigned long long seed = 1, count = 1000, passed;
	const char *first = getenv("SIM_SEED");
	bool trace = false;
	int option;

	if (first)
		seed = strtoull(first, NULL, 10);
	while ((option = getopt(argc, argv, "s:n:v")) != -1) {
		if (option == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (option == 'n')
			count = strtoull(optarg, NULL, 10);
		else if (option == 'v')
			trace = true;
		else
			return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(last_words);
	passed = run_all(seed, count, trace);
	printf("%llu passed, %llu failed\n", passed, count - passed);
	return passed != count;
}
