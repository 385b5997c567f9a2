/* SPDX-License-Identifier: MIT */
/* Sites on hosts with two addresses: by which of them packets leave. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/sockets.h"
#include "unit/libpair.h"

static unsigned number = 1;

/* Frames both ways each 2 ms for that long; how many came out at the other side. */
static unsigned traffic(struct pair *p, int64_t us)
{
	struct instant end = instant_add(p->now, us);
	unsigned n = 0;

	while (instant_before(p->now, end)) {
		pair_send(p, 0, 1, number++, 100);
		pair_send(p, 1, 0, number++, 100);
		pair_run(p, MS(2));
		n += (unsigned)(p->s[0].n_frames + p->s[1].n_frames);
		pair_forget(p);
	}
	pair_run(p, MS(50));
	n += (unsigned)(p->s[0].n_frames + p->s[1].n_frames);
	pair_forget(p);
	return n;
}

/* A firewall before site 0 that lets in answers alone. */
static struct addr opened[8];
static unsigned n_opened;

static bool answers_only(struct pair *p, struct pair_packet *packet)
{
	if (addr_equal(&packet->from, &p->s[0].addr)) {
		opened[n_opened++ % COUNT_OF(opened)] = packet->to;
		return true;
	}
	for (unsigned i = 0; i < COUNT_OF(opened); i++) {
		if (addr_equal(&opened[i], &packet->from))
			return true;
	}
	return false;
}

/* Only site 0 knows an address, the second one of site 1's host. */
static struct pair *called_at_second(void)
{
	struct pair_setup setup[2] = { { 0 }, { .no_address = true } };
	struct pair *p = pair_new(2, setup);

	n_opened = 0;
	memset(opened, 0, sizeof(opened));
	pair_second(p, 1);
	peers_set_addresses(&p->s[0].site.peers, p->s[0].peer[1], &p->s[1].second, 1, p->now);
	return p;
}

static uint8_t local_of(const struct pair *p)
{
	return (uint8_t)sockets_local(p->s[1].peer[0]->endpoint.socket);
}

static void test_answers_from_where_it_was_called(void **state)
{
	struct pair *p = called_at_second();

	(void)state;
	p->filter = answers_only;
	pair_run(p, SECONDS(1));
	assert_true(pair_connected(p, 0, 1));
	assert_int_equal(local_of(p), PAIR_SECOND);
	assert_int_equal(traffic(p, MS(200)), 200);
	pair_run(p, SECONDS(300)); /* rekeys, keepalives */
	assert_int_equal(traffic(p, MS(200)), 200);
	assert_true(p->s[0].peer[1]->rekeys > 0);
	assert_int_equal(p->s[0].events[PEER_DOWN] + p->s[1].events[PEER_DOWN], 0);
	assert_int_equal(p->s[0].peer[1]->roamed + p->s[1].peer[0]->roamed, 0);
	pair_free(p);
}

/* Who calls lets the kernel choose, and goes on by what was answered. */
static void test_caller_stays_with_the_kernels_choice(void **state)
{
	struct pair_setup setup[2] = { { .no_address = true }, { 0 } };
	struct pair *p = pair_new(2, setup);

	(void)state;
	pair_second(p, 1);
	p->s[1].prefers_second = true;
	pair_run(p, SECONDS(1));
	assert_true(pair_connected(p, 0, 1));
	assert_int_equal(local_of(p), PAIR_SECOND);
	p->s[1].prefers_second = false; /* another route, of no concern to what works */
	assert_int_equal(traffic(p, MS(200)), 200);
	assert_int_equal(local_of(p), PAIR_SECOND);
	assert_int_equal(p->s[0].peer[1]->roamed, 0);
	pair_free(p);
}

/* The peer calls the other address: followed at once, or when it stays with that. */
static void test_follows_the_caller(void **state)
{
	struct pair *p = called_at_second();
	struct peer_candidate first = { .addr = p->s[1].addr };

	(void)state;
	pair_run(p, SECONDS(1));
	assert_int_equal(local_of(p), PAIR_SECOND);
	p->filter = answers_only;
	n_opened = 0;
	memset(opened, 0, sizeof(opened));
	peer_set_endpoint(p->s[0].peer[1], &first, p->now);
	traffic(p, SECONDS(3));
	assert_int_equal(local_of(p), PAIR_FIRST);
	assert_int_equal(traffic(p, MS(200)), 200);
	pair_free(p);
}

/* Each goes on by another address than the other expects, with packets of both always on
 * the way: soon they agree. */
static void disagree(bool again)
{
	struct pair *p = called_at_second();
	struct peer *peer = p->s[again].peer[!again];
	struct peer_candidate first = { .addr = p->s[1].addr };
	uint64_t before;

	pair_run(p, SECONDS(1));
	traffic(p, MS(100));
	if (again)
		peer_set_local(peer, sockets_make(0, PAIR_FIRST), p->now);
	else
		peer_set_endpoint(peer, &first, p->now);
	traffic(p, SECONDS(1));
	before = p->s[0].peer[1]->roamed;
	assert_true(before <= 3);
	traffic(p, SECONDS(5));
	assert_true(p->s[0].peer[1]->roamed <= before + 1);
	before = p->s[0].peer[1]->roamed;
	assert_int_equal(traffic(p, SECONDS(2)), 2000);
	assert_int_equal(p->s[0].peer[1]->roamed, before);
	pair_free(p);
}

static void test_they_agree(void **state)
{
	(void)state;
	disagree(false);
	disagree(true);
}

static bool second_is_cut(struct pair *p, struct pair_packet *packet)
{
	return !addr_equal(&packet->from, &p->s[1].second) &&
	       !addr_equal(&packet->to, &p->s[1].second);
}

/* Nothing passes by the address any more: in trouble the kernel chooses. */
static void test_released_in_trouble(void **state)
{
	struct pair *p = called_at_second();

	(void)state;
	pair_run(p, SECONDS(1));
	assert_int_equal(local_of(p), PAIR_SECOND);
	p->filter = second_is_cut;
	assert_true(traffic(p, SECONDS(4)) > 0);
	assert_int_equal(local_of(p), PAIR_FIRST);
	assert_int_equal(traffic(p, MS(200)), 200);
	assert_int_equal(p->s[1].events[PEER_DOWN], 0);
	pair_free(p);
}

/* ---- places --------------------------------------------------------------- */

static void test_a_place_is_one(void **state)
{
	const struct addr at = { .family = ADDR_IPV4, .ip = { 192, 0, 2, 9 }, .port = 7741 };
	const struct instant now = { SECONDS(1) };
	struct paths paths = { .n = 0 };
	struct path *path = paths_name(&paths, &at, sockets_make(2, 0), PATH_SEEN, now);

	(void)state;
	assert_ptr_equal(paths_name(&paths, &at, sockets_make(2, 5), PATH_SEEN, now), path);
	assert_int_equal(path->socket, sockets_make(2, 5));
	assert_ptr_equal(paths_name(&paths, &at, sockets_make(2, 0), PATH_TOLD, now), path);
	assert_int_equal(path->socket, sockets_make(2, 5)); /* who tells does not know */
	assert_ptr_equal(paths_find(&paths, &at, sockets_make(2, 31)), path);
	assert_null(paths_find(&paths, &at, sockets_make(3, 5)));
	path_try(path, 77, now);
	assert_ptr_equal(paths_due_now(&paths, now), path);
	assert_null(paths_answered(&paths, &at, sockets_make(3, 5), 77, now));
	assert_ptr_equal(paths_answered(&paths, &at, sockets_make(2, 8), 77, now), path);
	assert_int_equal(path->socket, sockets_make(2, 8));
	assert_int_equal(paths.n, 1);
}

static void test_numbers(void **state)
{
	(void)state;
	for (unsigned local = 0; local <= SOCKETS_LOCALS; local++) {
		for (unsigned i = 0; i < SOCKETS_MAX; i++) {
			uint8_t socket = sockets_make(i, local);

			assert_int_equal(sockets_index(socket), i);
			assert_int_equal(sockets_local(socket), local);
			assert_true(sockets_same(socket, (uint8_t)i));
			assert_false(sockets_same(socket, sockets_make((i + 1) % 8, local)));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_a_place_is_one),
		cmocka_unit_test(test_answers_from_where_it_was_called),
		cmocka_unit_test(test_caller_stays_with_the_kernels_choice),
		cmocka_unit_test(test_follows_the_caller),
		cmocka_unit_test(test_they_agree),
		cmocka_unit_test(test_released_in_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
