/* SPDX-License-Identifier: MIT */
/* Ten thousand sites at one relay: that it works, and what it takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "unit/libcrowd.h"

#define SITES 10000
#define NETWORKS 100

/* ---- the heap ---- */

static volatile bool counting;
static volatile unsigned long allocations;

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

#ifdef SANITIZED
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
					      void (*on_free)(const volatile void *));
size_t __sanitizer_get_current_allocated_bytes(void);

static void on_malloc(const volatile void *p, size_t n)
{
	(void)p;
	(void)n;
	allocations = allocations + counting;
}

static void on_free(const volatile void *p)
{
	(void)p;
	allocations = allocations + counting;
}

static void count_allocations(void)
{
	assert_true(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free));
}

static size_t allocated(void)
{
	return __sanitizer_get_current_allocated_bytes();
}
#else
/* Ours stand before the library's, for every caller in the process. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

void *malloc(size_t n)
{
	allocations = allocations + counting;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	allocations = allocations + counting;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	allocations = allocations + counting;
	return __libc_realloc(p, n);
}

void free(void *p)
{
	allocations = allocations + counting;
	__libc_free(p);
}

static void count_allocations(void)
{
}

static size_t allocated(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}
#endif

static size_t resident(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long all, pages;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &all, &pages), 2);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- memory ---- */

static void no_send(void *ctx, struct run **runs, size_t n)
{
	(void)ctx;
	(void)runs;
	(void)n;
}

/* All that a relay ever allocates, for as many members as may come, and what of that
 * is there before they do. */
static void test_memory(void **state)
{
	static const uint32_t members[] = { SITES, 100000 };
	struct rand_seeded rand;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(members); i++) {
		struct relay_setup setup = crowd_setup();
		size_t before = allocated(), resident_before = resident(), each;
		struct relay *relay;

		setup.rand = rand_source_seeded(&rand, 1);
		setup.max_members = members[i];
		relay = relay_new(&setup, no_send, NULL, (struct instant){ SECONDS(9) });
		assert_non_null(relay);
		each = (allocated() - before) / members[i];
		print_message("%u members: %zu bytes for each, %zu KiB resident at start\n",
			      members[i], each, (resident() - resident_before) / 1024);
		assert_in_range(each, 1000, 4096);
		assert_true(resident() - resident_before < (size_t)6 << 20);
		relay_free(relay);
	}
}

/* ---- ten thousand ---- */

static void test_ten_thousand(void **state)
{
	struct relay_setup setup = crowd_setup();
	struct crowd *c;
	struct relay_network_view view;
	unsigned networks = 0, got = 0;
	size_t at = 0;

	(void)state;
	setup.max_members = SITES;
	c = crowd_new(&setup, SITES);
	for (unsigned i = 0; i < SITES; i++)
		snprintf(c->sites[i].network, sizeof(c->sites[i].network), "n%u", i % NETWORKS);
	for (unsigned i = 0; i < SITES; i++) { /* a cold start: 500 in a second */
		crowd_register(&c->sites[i]);
		crowd_run(c, MS(2));
		assert_int_equal(c->sites[i].number, i / NETWORKS + 1);
	}
	assert_int_equal(relay_members(c->relay), SITES);
	assert_int_equal(c->kinds[WIRE_COOKIE], 0);
	while (relay_next_network(c->relay, &at, &view)) {
		networks++;
		assert_int_equal(view.members, SITES / NETWORKS);
	}
	assert_int_equal(networks, NETWORKS);
	/* All hear of all, in steps. */
	crowd_run(c, SECONDS(10));
	for (unsigned i = 0; i < SITES; i++)
		assert_int_equal(c->sites[i].revision,
				 c->sites[SITES - NETWORKS + i % NETWORKS].revision);
	/* One of each network to its neighbour, and one flood in each tenth. */
	for (unsigned i = 0; i < SITES; i += 101)
		crowd_hop(&c->sites[i], (i / NETWORKS + 1) % 100 + 1, 100);
	for (unsigned i = 0; i < NETWORKS; i += 10)
		crowd_hop(&c->sites[i], WIRE_HOP_FLOOD, 100);
	crowd_run(c, 0);
	for (unsigned i = 0; i < SITES; i++)
		got += c->sites[i].n_hops;
	assert_int_equal(got, SITES / 101 + 1 + NETWORKS / 10 * 99);
	/* Silence empties it. */
	crowd_run(c, SECONDS(70));
	assert_int_equal(relay_members(c->relay), 0);
	assert_int_equal(relay_due(c->relay).us, INSTANT_NEVER.us);
	crowd_free(c);
}

/* ---- no allocation for a packet ---- */

static void inject(struct crowd *c, struct crowd_site *s, uint8_t *packet, size_t len)
{
	relay_datagrams(c->relay, 3, &s->addr, packet, len, len, c->now);
	relay_close(c->relay);
}

static void test_no_allocations(void **state)
{
	static const uint8_t ping[] = { 0, 0, 4, 0, 13, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
	static const uint8_t ask[] = { 0, 0, 4, 0, 9, 17, 0, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t bye[] = { 0, 0, 4, 0, 1, 5 };
	struct crowd *c = crowd_new(NULL, 300);
	static uint8_t unicast[50][200], flood[5][200], control[3][64], old[200];
	size_t len = 0, control_len[3];
	struct crowd_site *s = &c->sites[7];

	(void)state;
	crowd_join(c, 0, 300);
	for (unsigned i = 0; i < 50; i++)
		len = crowd_hop_make(s, 0, 1 + i * 5, 100, unicast[i]);
	for (unsigned i = 0; i < 5; i++)
		crowd_hop_make(s, 0, WIRE_HOP_FLOOD, 100, flood[i]);
	control_len[0] = crowd_seal(s, ping, sizeof(ping), control[0]);
	control_len[1] = crowd_seal(s, ask, sizeof(ask), control[1]);
	control_len[2] = crowd_seal(s, bye, sizeof(bye), control[2]);
	memcpy(old, unicast[3], sizeof(old));
	crowd_forget(c);
	c->cut = true;
	c->sent = 0;
	count_allocations();
	allocations = 0;
	counting = true;
	for (unsigned i = 0; i < 50; i++)
		inject(c, s, unicast[i], len);
	for (unsigned i = 0; i < 5; i++)
		inject(c, s, flood[i], len);
	inject(c, s, old, len);
	old[30] ^= 1;
	inject(c, s, old, len);
	for (unsigned i = 0; i < 3; i++)
		inject(c, s, control[i], control_len[i]);
	c->now = instant_add(c->now, SECONDS(1));
	relay_tick(c->relay, c->now);
	relay_close(c->relay);
	counting = false;
	assert_int_equal(allocations, 0);
	assert_int_equal(c->sent, 50 + 5 * 299 + 2 + 64);
	assert_int_equal(crowd_drops(c, RELAY_REPLAYED), 2);
	crowd_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_ten_thousand),
		cmocka_unit_test(test_no_allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
