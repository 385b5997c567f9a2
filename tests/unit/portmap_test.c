/* SPDX-License-Identifier: MIT */
/* A router on loopback that speaks NAT-PMP, in a namespace of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/list.h"
#include "host/portmap.h"
#include "lib/own_netns.h"

#define PORT 5351
#define ASKED 64
#define HOST 203, 0, 113, 5

struct request {
	uint16_t internal, external;
	uint32_t lifetime;
};

/* Two of them, at 127.0.0.1 and .2. */
struct router {
	struct loop_source source;
	uint8_t host[4];  /* its external address */
	uint16_t result;  /* of mappings */
	uint16_t add;	  /* to the external port that is asked for */
	uint32_t lifetime, epoch;
	bool silent, stray;
	unsigned hosts, maps; /* requests so far */
	struct request asked[ASKED];
};

static struct router routers[2];
static struct loop loop;
static struct portmap *portmap;
static struct portmap_report report;
static unsigned reports;

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

static void answer(struct router *r, const uint8_t *in, const struct sockaddr_in *to)
{
	bool maps = in[1] == 1;
	uint8_t out[16] = { 0, (uint8_t)(128 + in[1]) };

	put16(out + 2, maps ? r->result : 0);
	put32(out + 4, r->epoch);
	if (maps) {
		memcpy(out + 8, in + 4, 2);
		put16(out + 10, (uint16_t)(get16(in + 6) + r->add));
		put32(out + 12, r->lifetime);
	} else {
		memcpy(out + 8, r->host, 4);
	}
	if (r->stray) { /* an answer to something else first */
		uint8_t other[16] = { 0, 129, [8] = 1, [9] = 1, [10] = 1, [15] = 9 };

		sendto(r->source.fd, other, maps ? 16 : 12, 0, (const void *)to, sizeof(*to));
	}
	sendto(r->source.fd, out, maps ? 16 : 12, 0, (const void *)to, sizeof(*to));
}

/* One request; false when there is none. */
static bool serve(struct router *r)
{
	uint8_t in[64] = { 0 };
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(r->source.fd, in, sizeof(in), MSG_DONTWAIT, (void *)&from, &len);
	struct request *q = &r->asked[r->maps % ASKED];

	if (n < 0)
		return false;
	if (n == 12) {
		*q = (struct request){ .internal = get16(in + 4),
				       .external = get16(in + 6),
				       .lifetime = (uint32_t)get16(in + 8) << 16 | get16(in + 10) };
		r->maps++;
	} else {
		assert_int_equal(n, 2);
		r->hosts++;
	}
	if (!r->silent)
		answer(r, in, &from);
	return true;
}

/* A slow machine's requests come twice. */
static const struct request *last(const struct router *r)
{
	return &r->asked[(r->maps - 1) % ASKED];
}

static void serve_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	(void)events;
	(void)now;
	serve(container_of(source, struct router, source));
}

static void router_open(struct router *r, uint8_t last)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons(PORT),
					.sin_addr.s_addr = htonl(0x7f000000u + last) };

	*r = (struct router){ .host = { HOST }, .lifetime = 7200, .epoch = 1000 };
	r->source = (struct loop_source){ .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
					  .events = LOOP_READ,
					  .ready = serve_ready };
	assert_return_code(r->source.fd, errno);
	assert_return_code(bind(r->source.fd, (const void *)&at, sizeof(at)), errno);
	assert_int_equal(loop_add(&loop, &r->source), 0);
}

static void changed(void *ctx, const struct portmap_report *new)
{
	assert_ptr_equal(ctx, &loop);
	report = *new;
	reports++;
}

static int begin(void **state)
{
	(void)state;
	if (!own_netns_enter())
		skip();
	memset(&report, 0, sizeof(report));
	assert_int_equal(loop_init(&loop), 0);
	router_open(&routers[0], 1);
	router_open(&routers[1], 2);
	portmap = portmap_new(&loop, changed, &loop);
	assert_non_null(portmap);
	return 0;
}

static int end(void **state)
{
	(void)state;
	portmap_free(portmap);
	close(routers[0].source.fd);
	close(routers[1].source.fd);
	loop_free(&loop);
	return 0;
}

static struct portmap_wish wish_of(uint8_t router)
{
	return (struct portmap_wish){
		.router = { .family = ADDR_IPV4, .ip = { 127, 0, 0, router } },
		.local = { .family = ADDR_IPV4, .ip = { 127, 0, 0, 1 } },
		.n = 1,
		.ports = { 7741 },
		.n_seen = 2,
		.seen = { { .family = ADDR_IPV4, .ip = { 198, 51, 100, 9 } },
			  { .family = ADDR_IPV4, .ip = { HOST } } },
	};
}

static void ask(uint8_t router)
{
	struct portmap_wish wish = wish_of(router);

	portmap_ask(portmap, &wish);
}

/* Turns the loop until the condition holds; not longer than 5 s. */
#define TURN_UNTIL(condition)                                                                      \
	do {                                                                                       \
		struct instant late = instant_add(clock_now(), SECONDS(5));                       \
		while (!(condition)) {                                                             \
			assert_true(instant_before(clock_now(), late));                            \
			assert_int_equal(loop_turn(&loop, instant_add(clock_now(), MS(20))), 0);   \
		}                                                                                  \
	} while (0)

static bool is_mapped(void)
{
	return report.by == PORTMAP_NAT_PMP && !report.asking;
}

static void assert_external(uint16_t port)
{
	const struct addr wanted = { .family = ADDR_IPV4, .ip = { HOST }, .port = port };

	assert_int_equal(report.n, 1);
	assert_true(addr_equal(&report.external[0], &wanted));
}

static void assert_seconds(struct instant then, int64_t low, int64_t high)
{
	int64_t s = instant_between(clock_now(), then) / 1000000;

	assert_in_range(s, low, high);
}

static void maps_and_takes_back(void **state)
{
	struct portmap_wish none = { 0 };

	(void)state;
	ask(1);
	TURN_UNTIL(is_mapped());
	assert_external(7741);
	assert_string_equal(portmap_by_name(report.by), "nat-pmp");
	assert_string_equal(report.error, "");
	assert_int_equal(routers[0].asked[0].lifetime, PORTMAP_LEASE);
	assert_int_equal(routers[0].asked[0].internal, 7741);
	assert_int_equal(routers[0].asked[0].external, 7741);
	assert_seconds(report.ends, PORTMAP_LEASE - 10, PORTMAP_LEASE); /* it gave 7200 */
	assert_seconds(report.next, PORTMAP_LEASE / 2 - 10, PORTMAP_LEASE / 2);
	assert_false(report.restarted);
	ask(1); /* the same wish */
	portmap_ask(portmap, &none);
	TURN_UNTIL(report.by == PORTMAP_NOBODY);
	assert_int_equal(report.n, 0);
	assert_int_equal(last(&routers[0])->internal, 7741);
	assert_int_equal(last(&routers[0])->lifetime, 0);
}

static void an_end_takes_back(void **state)
{
	struct instant before;

	(void)state;
	ask(1);
	TURN_UNTIL(is_mapped());
	before = clock_now();
	portmap_free(portmap); /* nobody answers while it waits */
	portmap = NULL;
	assert_true(instant_between(before, clock_now()) < MS(1500));
	assert_true(serve(&routers[0]));
	assert_int_equal(last(&routers[0])->internal, 7741);
	assert_int_equal(last(&routers[0])->lifetime, 0);
}

static void another_port_is_given(void **state)
{
	(void)state;
	routers[0].add = 3;
	ask(1);
	TURN_UNTIL(is_mapped());
	assert_external(7744);
	routers[0].add = 0;
	portmap_again(portmap);
	TURN_UNTIL(routers[0].maps >= 2 && is_mapped());
	assert_int_equal(last(&routers[0])->external, 7744); /* kept */
	assert_false(report.restarted);
}

static void a_restart_is_noticed(void **state)
{
	(void)state;
	ask(1);
	TURN_UNTIL(is_mapped());
	routers[0].epoch = 3;
	portmap_again(portmap);
	TURN_UNTIL(routers[0].maps >= 2 && is_mapped());
	assert_true(report.restarted);
}

static void another_host_is_not_believed(void **state)
{
	static const uint8_t hosts[][4] = { { 192, 168, 1, 7 }, { 0 },		    { 127, 0, 0, 1 },
					    { 239, 1, 1, 1 },	{ 255, 255, 255, 255 }, { 203, 0, 113, 6 } };

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(hosts); i++) {
		memcpy(routers[0].host, hosts[i], 4);
		portmap_again(portmap);
		report.error[0] = '\0';
		ask(1);
		TURN_UNTIL(routers[0].hosts >= i + 1 && report.error[0]);
		assert_non_null(strstr(report.error, "another translator"));
		assert_int_equal(report.by, PORTMAP_NOBODY);
	}
	assert_int_equal(routers[0].maps, 0);
}

/* Asks again, and waits for that error; the one before may still be told meanwhile. */
static void fails_with(unsigned maps, const char *error)
{
	portmap_again(portmap);
	TURN_UNTIL(routers[0].maps >= maps && strcmp(report.error, error) == 0);
	assert_int_equal(report.by, PORTMAP_NOBODY);
	assert_int_equal(report.n, 0);
}

static void nonsense_is_refused(void **state)
{
	static const char nonsense[] = "nat-pmp: no sense in the router's answer";

	(void)state;
	routers[0].add = (uint16_t)(0 - 7741); /* port 0 */
	ask(1);
	TURN_UNTIL(report.error[0]);
	assert_string_equal(report.error, nonsense);
	routers[0].result = 2;
	fails_with(2, "nat-pmp: the router refuses");
	routers[0].result = 0;
	routers[0].add = 0;
	routers[0].lifetime = 0;
	fails_with(3, nonsense);
}

static void strays_are_passed_over(void **state)
{
	(void)state;
	routers[0].stray = true;
	ask(1);
	TURN_UNTIL(is_mapped());
	assert_external(7741);
	assert_seconds(report.ends, PORTMAP_LEASE - 10, PORTMAP_LEASE);
}

static void silence_is_repeated_then_given_up(void **state)
{
	struct instant before = clock_now();

	(void)state;
	routers[0].silent = true;
	ask(1);
	TURN_UNTIL(report.error[0]);
	assert_string_equal(report.error, "nat-pmp: no answer");
	assert_in_range(routers[0].hosts, 3, 4);
	assert_in_range(instant_between(before, clock_now()), MS(1500), SECONDS(4));
	before = clock_now();
	portmap_free(portmap); /* while UPnP is tried */
	portmap = NULL;
	assert_true(instant_between(before, clock_now()) < MS(500));
}

static void another_router_is_asked_at_once(void **state)
{
	(void)state;
	ask(1);
	TURN_UNTIL(is_mapped());
	ask(2);
	TURN_UNTIL(routers[1].maps >= 1 && is_mapped());
	assert_external(7741);
	assert_int_not_equal(last(&routers[0])->lifetime, 0); /* no way to take it back */
	routers[1].result = 3;
	portmap_again(portmap);
	TURN_UNTIL(routers[1].maps >= 2 && report.error[0]);
	assert_string_equal(report.error, "nat-pmp: the router has no external address");
	assert_external(7741); /* until its end */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(maps_and_takes_back, begin, end),
		cmocka_unit_test_setup_teardown(an_end_takes_back, begin, end),
		cmocka_unit_test_setup_teardown(another_port_is_given, begin, end),
		cmocka_unit_test_setup_teardown(a_restart_is_noticed, begin, end),
		cmocka_unit_test_setup_teardown(another_host_is_not_believed, begin, end),
		cmocka_unit_test_setup_teardown(nonsense_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(strays_are_passed_over, begin, end),
		cmocka_unit_test_setup_teardown(silence_is_repeated_then_given_up, begin, end),
		cmocka_unit_test_setup_teardown(another_router_is_asked_at_once, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
