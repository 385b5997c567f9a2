/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/underlay.h"
#include "lib/frames.h"

static struct frame made;
static struct underlay u;

/* The ends of what frame_make makes; the MACs are none's business. */
static struct addr end_of(bool v6, bool udp, bool to)
{
	struct addr a = { .family = v6 ? ADDR_IPV6 : ADDR_IPV4 };

	memcpy(a.ip, made.bytes + made.l3 + (v6 ? 8 : 12) + to * (v6 ? 16u : 4u), v6 ? 16 : 4);
	if (udp)
		a.port = to ? 4433 : 40001;
	else
		a.port = to ? 443 : 40000;
	return a;
}

static bool has(void)
{
	return underlay_has(&u, made.bytes, made.len);
}

static void make(const struct frame_spec *spec, bool to)
{
	frame_make(&made, spec);
	u = (struct underlay){ .n_hosts = 2, .n_sockets = 2 };
	u.host[0] = (struct addr){ .family = ADDR_IPV4, .ip = { 127, 0, 0, 1 } };
	u.host[1] = end_of(spec->v6, true, to);
	u.host[1].port = 0;
	u.socket[0] = (struct addr){ .family = ADDR_IPV4, .port = 9 };
	u.socket[1] = (struct addr){ .family = u.host[1].family,
				     .port = end_of(spec->v6, true, to).port };
}

static void check_udp(const struct frame_spec *spec, bool to)
{
	make(spec, to);
	assert_true(has());
	u.socket[1].port++;
	assert_false(has());
	u.socket[1].port--;
	u.host[1].ip[3] ^= 1;
	assert_false(has());
	u.more = true; /* so it may be one of those that there was no room for */
	assert_true(has());
	u.socket[1].family ^= ADDR_IPV4 ^ ADDR_IPV6;
	assert_false(has());

	/* A socket of one address. */
	make(spec, to);
	u.socket[1] = end_of(spec->v6, true, to);
	u.socket[1].scope = 3;
	assert_true(has());
	u.socket[1].ip[2] ^= 1;
	assert_false(has());
}

static void test_datagrams(void **state)
{
	static const struct frame_spec specs[] = {
		{ .udp = true, .payload = 1 },
		{ .udp = true, .payload = 1400, .ip_options = 8 },
		{ .udp = true, .payload = 100, .tags = { 0x8100 } },
		{ .udp = true, .payload = 100, .tags = { 0x88a8, 0x8100 } },
		{ .udp = true, .payload = 100, .v6 = true },
		{ .udp = true, .payload = 100, .v6 = true, .tags = { 0x8100 } },
		{ .udp = true, .payload = 50000, .gso_size = 1400 }, /* as the kernel merges */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(specs); i++) {
		check_udp(&specs[i], true);
		check_udp(&specs[i], false);
	}
}

static void check_tcp(const struct frame_spec *spec, bool to)
{
	make(spec, to);
	assert_false(has());
	u.stream[u.n_streams++] = end_of(spec->v6, false, to); /* this host itself */
	assert_false(has());
	u.stream[u.n_streams++] = end_of(spec->v6, false, !to);
	assert_true(has());
	u.stream[1].port++;
	assert_false(has());
	u.stream[1].port--;
	u.n_hosts = 1; /* another host's to the same relay */
	assert_false(has());
}

static void test_streams(void **state)
{
	static const struct frame_spec specs[] = {
		{ .payload = 0 },
		{ .payload = 30000, .gso_size = 1400, .tags = { 0x8100 } },
		{ .payload = 100, .v6 = true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(specs); i++) {
		check_tcp(&specs[i], true);
		check_tcp(&specs[i], false);
	}
}

static void test_what_is_none(void **state)
{
	(void)state;
	make(&(struct frame_spec){ .udp = true, .payload = 100 }, true);
	made.bytes[made.l3 + 6] = 0x20; /* a fragment, with ports in it */
	assert_false(has());
	make(&(struct frame_spec){ .udp = true, .payload = 100 }, true);
	made.bytes[made.l3 + 9] = 6; /* other ports than those of TCP */
	assert_false(has());
	make(&(struct frame_spec){ .udp = true, .payload = 100 }, true);
	be16_put(made.bytes + 12, 0x0806);
	assert_false(has());
	for (size_t len = 0; len < made.l4 + 8u; len++) {
		uint8_t *cut = malloc(len ? len : 1); /* where reading on is found out */

		make(&(struct frame_spec){ .udp = true, .payload = 100 }, true);
		memcpy(cut, made.bytes, len);
		assert_false(underlay_has(&u, cut, len));
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
