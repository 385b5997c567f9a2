/* SPDX-License-Identifier: MIT */
/* What the process says of its peers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/node_peers.h"
#include "app/node_state.h"
#include "base/log.h"

#define MANY 100000

/* A process with one peer, whose standard error goes into a pipe. */
struct scene {
	struct node node;
	struct conf conf;
	struct peer *peer;
	int reader, kept;
};

static struct scene scene;

static int scene_begin(void **state)
{
	static unsigned number;
	struct conf_peer conf = { .public_key = { 9 } };
	const struct site_events none = { NULL, node_peers_event, NULL, &scene.node };
	struct site_setup setup = { .network = "lab",
				    .name = "berlin",
				    .private_key = { 1 },
				    .macs = 16,
				    .rand = rand_source_kernel() };
	int ends[2];

	(void)state;
	memset(&scene, 0, sizeof(scene));
	/* What was written in another test does not count. */
	snprintf(conf.name, sizeof(conf.name), "paris%u", number++);
	scene.node.conf = &scene.conf;
	scene.node.loop.now.us = SECONDS(100);
	assert_true(site_init(&scene.node.site, &setup, &none, scene.node.loop.now));
	node_peers_add(&scene.node, &conf);
	scene.peer = scene.node.site.peers.peer[0];
	assert_non_null(scene.peer);
	assert_return_code(pipe2(ends, O_NONBLOCK | O_CLOEXEC), errno);
	scene.reader = ends[0];
	scene.kept = dup(STDERR_FILENO);
	assert_return_code(dup2(ends[1], STDERR_FILENO), errno);
	close(ends[1]);
	log_set_level(LOG_LEVEL_INFO);
	return 0;
}

static int scene_end(void **state)
{
	(void)state;
	assert_return_code(dup2(scene.kept, STDERR_FILENO), errno);
	close(scene.kept);
	close(scene.reader);
	site_free(&scene.node.site);
	return 0;
}

/* Lines written since last asked; the last text is left in said. */
static char said[65536];

static unsigned lines(void)
{
	ssize_t n = read(scene.reader, said, sizeof(said) - 1);
	unsigned count = 0;

	said[n > 0 ? n : 0] = '\0';
	for (const char *p = said; (p = strchr(p, '\n')); p++)
		count++;
	return count;
}

static void happens(enum peer_event event, unsigned times)
{
	while (times-- > 0) {
		scene.peer->endpoint.addr.family = ADDR_IPV4;
		scene.peer->endpoint.addr.port++; /* where it is is another place each time */
		node_peers_event(&scene.node, scene.peer, event);
	}
}

static void test_each_event_is_told(void **state)
{
	static const struct {
		enum peer_event event;
		const char *text;
	} table[] = {
		{ PEER_UP, "peer up peer=paris" },
		{ PEER_DOWN, "peer down peer=paris" },
		{ PEER_ROAMED, "peer moved peer=paris" },
		{ PEER_MTU_DIFFERS, "peer's bridge has another mtu peer=paris" },
		{ PEER_REFUSED, "peer's answer is not authentic peer=paris" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		happens(table[i].event, 1);
		assert_int_equal(lines(), 1);
		assert_non_null(strstr(said, table[i].text));
	}
	happens(PEER_REKEYED, 1); /* for level debug only */
	happens(PEER_PMTU, 1);
	assert_int_equal(lines(), 0);
}

/* Somebody on the path can move a peer with every packet, a broken peer can say
 * goodbye and call again all day. */
static void test_log_is_not_flooded(void **state)
{
	static const enum peer_event events[] = { PEER_UP, PEER_DOWN, PEER_ROAMED,
						  PEER_MTU_DIFFERS };

	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		happens(events[i], MANY);
	assert_in_range(lines(), 1, 4 * LOG_LIMIT_BURST);
	happens(PEER_UP, 1);
	assert_int_equal(lines(), 0);
	log_tick(instant_add(clock_now(), LOG_LIMIT_EVERY));
	assert_int_equal(lines(), 4);
	assert_non_null(strstr(said, "lines like this were left out"));
	assert_non_null(strstr(said, "message=\"peer up\" peer=paris"));
}

/* The path has told of it already. */
static void test_a_move_to_where_it_is_is_none(void **state)
{
	(void)state;
	happens(PEER_PATH, 1);
	assert_int_equal(lines(), 1);
	node_peers_event(&scene.node, scene.peer, PEER_ROAMED);
	assert_int_equal(lines(), 0);
}

/* Moves without end do not hide that a peer goes. */
static void test_moves_hide_nothing(void **state)
{
	(void)state;
	happens(PEER_ROAMED, MANY);
	assert_in_range(lines(), 1, 25);
	happens(PEER_DOWN, 1);
	assert_int_equal(lines(), 1);
}

/* Its list begins anew with each new key. */
static void test_a_list_is_told_when_it_is_another(void **state)
{
	struct link *link;
	static const uint8_t key[KEX_KEY] = { 7 }, psk[KEX_KEY];

	(void)state;
	link = peers_add_link(&scene.node.site.peers, "hub", key, psk, scene.node.loop.now);
	assert_non_null(link);
	scene.peer = link->peer;
	link->who[1] = LINK_STRANGER;
	happens(PEER_UP, 1);
	happens(PEER_LISTED, 1);
	assert_int_equal(lines(), 2);
	assert_non_null(strstr(said, "relay lists sites relay=hub sites=1"));
	happens(PEER_REKEYED, 1);
	happens(PEER_LISTED, 2);
	assert_int_equal(lines(), 0);
	link->who[2] = LINK_STRANGER;
	happens(PEER_LISTED, 2);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(said, "sites=2"));
	happens(PEER_DOWN, 1);
	happens(PEER_UP, 1);
	happens(PEER_LISTED, 2);
	assert_int_equal(lines(), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_event_is_told, scene_begin, scene_end),
		cmocka_unit_test_setup_teardown(test_log_is_not_flooded, scene_begin, scene_end),
		cmocka_unit_test_setup_teardown(test_a_move_to_where_it_is_is_none, scene_begin,
						scene_end),
		cmocka_unit_test_setup_teardown(test_moves_hide_nothing, scene_begin, scene_end),
		cmocka_unit_test_setup_teardown(test_a_list_is_told_when_it_is_another, scene_begin,
						scene_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
