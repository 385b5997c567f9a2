/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "host/netlink_config.h"
#include "lib/own_netns.h"

static struct netlink nl;
static struct netlink_link nic, other;
static char what[NETLINK_CONFIG_TEXT];

static void run(const char *line)
{
	if (system(line) != 0)
		fail_msg("%s", line);
}

/* What a command prints. */
static char *output(const char *line)
{
	char *text = calloc(1, 16384);
	FILE *f = popen(line, "r");

	assert_non_null(f);
	assert_non_null(text);
	assert_true(fread(text, 1, 16383, f) < 16383);
	assert_int_equal(pclose(f), 0);
	return text;
}

static bool says(const char *line, const char *word)
{
	char *text = output(line);
	bool found = strstr(text, word) != NULL;

	if (!found)
		print_message("%s says:\n%s", line, text);
	free(text);
	return found;
}

#define LOOK(dev)                                                                                  \
	"{ ip addr show dev " dev " | grep -w inet; ip addr show dev " dev " | grep -w inet6;"     \
	" ip route show table all dev " dev "; ip -6 route show table all dev " dev                \
	" | grep -v multicast; ip rule; ip -6 rule; ip neigh show nud permanent; } |"              \
	" sed 's/valid_lft [0-9]*sec preferred_lft [0-9]*sec/aged/; s/expires [0-9]*sec/aged/'"

static int set_up(void **state)
{
	(void)state;
	if (!own_netns_enter() || netlink_open(&nl))
		return 0;
	if (system("cd /proc/sys/net/ipv6/conf && echo 0 >all/accept_dad && "
		   "echo 0 >default/accept_dad"))
		return 0;
	run("ip link add ca type veth peer name cb && ip link set ca up && ip link set cb up");
	run("ip link add cc type veth peer name cd && ip link set cc up && ip link set cd up");
	assert_int_equal(netlink_link_get(&nl, "ca", &nic), 0);
	assert_int_equal(netlink_link_get(&nl, "cc", &other), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	netlink_close(&nl);
	return 0;
}

static void need_netns(void)
{
	if (!nic.index)
		skip();
}

static void settle(const struct netlink_link *link)
{
	for (int i = 0; i < 300 && !netlink_config_settled(&nl, link); i++)
		usleep(10000);
	assert_true(netlink_config_settled(&nl, link));
}

static void move(struct netlink_config *config, const struct netlink_link *from,
		 const struct netlink_link *to, unsigned age)
{
	what[0] = '\0';
	assert_int_equal(netlink_config_add_addresses(&nl, config, to, age, what), 0);
	assert_int_equal(netlink_config_remove(&nl, config, from, what), 0);
	settle(to);
	if (netlink_config_add_routes(&nl, config, to, age, what))
		fail_msg("%s", what);
}

static void furnish(void)
{
	run("ip addr add 10.1.0.5/24 brd + dev ca label ca:1");
	run("ip addr add 10.1.0.6/24 dev ca");
	run("ip addr add 10.8.0.1 peer 10.8.0.2 dev ca scope link metric 77");
	run("ip addr add 10.9.0.5/24 dev ca valid_lft 5000 preferred_lft 3000 noprefixroute");
	run("ip addr add fd01::5/64 dev ca nodad");
	run("ip addr add fd02::5/64 dev ca valid_lft 5000 preferred_lft 0");
	settle(&nic);
	run("ip route add default via 10.1.0.1 dev ca metric 5");
	run("ip route add default via 10.1.0.1 src 10.1.0.6 dev ca table 100 mtu 1400 advmss 1200");
	run("ip route add 10.20.0.0/16 via 192.0.2.9 dev ca onlink table 4000");
	run("ip route add 10.30.0.0/16 dev ca scope link proto static");
	run("ip route add 10.40.0.0/16 nexthop via 10.1.0.1 dev ca weight 2 "
	    "nexthop via 10.1.0.2 dev ca");
	run("ip -6 route add default via fd01::1 dev ca metric 7 pref high");
	run("ip -6 route add fd30::/32 via fe80::1 dev ca table 100 expires 900");
	run("ip -6 route add fd40::/32 nexthop via fd01::1 dev ca nexthop via fd01::2 dev ca");
	run("ip -6 route add fd50::/32 via fd01::1 src fd01::5 dev ca");
	run("ip rule add iif ca table 100 priority 500");
	run("ip rule add not oif ca table 100 priority 501");
	run("ip neigh add 10.1.0.1 lladdr 02:00:00:00:00:01 nud permanent dev ca");
}

static void test_there_and_back(void **state)
{
	struct netlink_config config, again;
	char *before, *after;

	(void)state;
	need_netns();
	furnish();
	before = output(LOOK("ca"));
	assert_int_equal(netlink_config_read(&nl, &nic, &config), 0);
	assert_int_equal(config.addresses, 7); /* one of them is link-local */
	assert_int_equal(config.others, 3);

	move(&config, &nic, &other, 0);
	assert_true(says("ip -o addr show dev cc", "10.1.0.6/24 "));
	assert_true(says("ip addr show dev cc", "scope global cc:1"));
	assert_true(says("ip -6 addr show dev cc", "fd02::5/64"));
	assert_true(says("ip route show table 100", "default via 10.1.0.1 dev cc src 10.1.0.6"));
	assert_true(says("ip route show table 4000", "via 192.0.2.9 dev cc onlink"));
	assert_true(says("ip route show 10.40.0.0/16", "via 10.1.0.1 dev cc weight 2"));
	assert_true(says("ip -6 route", "default via fd01::1 dev cc metric 7 pref high"));
	assert_true(says("ip rule", "from all iif cc lookup 100"));
	assert_true(says("ip rule", "not from all oif cc lookup 100"));
	assert_true(says("ip neigh", "10.1.0.1 dev cc lladdr 02:00:00:00:00:01 PERMANENT"));
	assert_true(says("ip addr show dev ca | grep -c inet || true", "0"));
	assert_true(says("ip route show table all dev ca | grep -vc multicast || true", "0"));

	assert_int_equal(netlink_config_load(&again, &nic, config.bytes, config.len), 0);
	assert_int_equal(again.routes, config.routes);
	move(&again, &other, &nic, 0);
	after = output(LOOK("ca"));
	assert_string_equal(after, before);
	move(&again, &other, &nic, 0); /* what is there is there */
	free(after);
	after = output(LOOK("ca"));
	assert_string_equal(after, before);

	netlink_config_free(&config);
	netlink_config_free(&again);
	free(before);
	free(after);
}

static void test_lifetimes_go_on(void **state)
{
	struct netlink_config config;

	(void)state;
	need_netns();
	assert_int_equal(netlink_config_read(&nl, &nic, &config), 0);
	move(&config, &nic, &other, 1000);
	assert_true(says("ip addr show dev cc | grep -A1 10.9.0.5 | "
			 "grep -o 'valid_lft [0-9]*'",
			 "valid_lft 4000"));
	move(&config, &other, &nic, 0);
	netlink_config_free(&config);
}

static void test_failures_are_named(void **state)
{
	struct netlink_link nobody = { .index = 9999, .name = "nobody" };
	struct netlink_config config;

	(void)state;
	need_netns();
	assert_int_equal(netlink_config_read(&nl, &nic, &config), 0);
	assert_int_equal(netlink_config_add_addresses(&nl, &config, &nobody, 0, what), -ENODEV);
	assert_string_equal(what, "address 10.8.0.1/32");
	netlink_config_free(&config);

	run("ip nexthop add id 7 via 10.1.0.1 dev ca && ip route add 10.77.0.0/16 nhid 7");
	assert_int_equal(netlink_config_movable(&nl, &nic, what), -EOPNOTSUPP);
	assert_string_equal(what, "route 10.77.0.0/16 of table 254");
	run("ip nexthop del id 7");
	assert_int_equal(netlink_config_movable(&nl, &nic, what), 0);
}

static void test_rivals(void **state)
{
	(void)state;
	need_netns();
	run("ip route append 10.30.0.0/16 dev cc metric 3");
	assert_int_equal(netlink_config_movable(&nl, &nic, what), 0);
	run("ip route append 10.30.0.0/16 dev cc table 9");
	assert_int_equal(netlink_config_movable(&nl, &nic, what), 0);
	run("ip route append 10.30.0.0/16 dev cc");
	assert_int_equal(netlink_config_movable(&nl, &nic, what), -ENOTUNIQ);
	assert_string_equal(what, "route 10.30.0.0/16 of table 254");
	assert_int_equal(netlink_config_movable(&nl, &other, what), 0); /* it is the second */
	run("ip route del 10.30.0.0/16 dev cc metric 0");
	run("ip -6 route append default dev cc metric 7");
	assert_int_equal(netlink_config_movable(&nl, &nic, what), -ENOTUNIQ);
	assert_string_equal(what, "route ::/0 of table 254");
	run("ip -6 route del default dev cc metric 7");
	run("ip route flush dev cc && ip route flush dev cc table 9");
}

static void test_link_without_ipv6(void **state)
{
	struct netlink_config config;
	struct netlink_link from, to;

	(void)state;
	need_netns();
	run("ip link add ce type veth peer name cf && ip link set ce up && ip link set cf up");
	run("ip link add cg type veth peer name ch && ip link set cg up");
	run("echo 1 >/proc/sys/net/ipv6/conf/cg/disable_ipv6");
	run("ip addr add 10.5.0.5/24 dev ce");
	assert_int_equal(netlink_link_get(&nl, "ce", &from), 0);
	assert_int_equal(netlink_link_get(&nl, "cg", &to), 0);
	settle(&from);
	assert_int_equal(netlink_config_read(&nl, &from, &config), 0);
	assert_int_equal(config.addresses, 2); /* one of them is link-local */
	assert_int_equal(netlink_config_add_addresses(&nl, &config, &to, 0, what), 0);
	assert_int_equal(netlink_config_add_routes(&nl, &config, &to, 0, what), 0);
	assert_true(says("ip addr show dev cg", "10.5.0.5/24"));
	netlink_config_free(&config);

	run("ip addr add fd05::5/64 dev ce nodad");
	assert_int_equal(netlink_config_read(&nl, &from, &config), 0);
	assert_int_equal(netlink_config_add_addresses(&nl, &config, &to, 0, what), -EACCES);
	assert_string_equal(what, "address fd05::5/64");
	netlink_config_free(&config);
}

static void test_rubbish_is_not_loaded(void **state)
{
	uint8_t bytes[64] = { 20, 0, 0, 0, 99, 0 };
	struct netlink_link link = { .index = 1, .name = "lo" };
	struct netlink_config config;

	(void)state;
	assert_int_equal(netlink_config_load(&config, &link, bytes, sizeof(bytes)), -EBADMSG);
	bytes[4] = 20; /* RTM_NEWADDR, but too short for one */
	assert_int_equal(netlink_config_load(&config, &link, bytes, 20), -EBADMSG);
	assert_int_equal(netlink_config_load(&config, &link, bytes, 7), -EBADMSG);
	assert_int_equal(netlink_config_load(&config, &link, bytes, 0), 0);
	assert_int_equal(config.addresses, 0);
	netlink_config_free(&config);
}

static void test_plain_bridge(void **state)
{
	const struct mac mac = { { 2, 0, 0, 0, 0, 9 } };
	struct netlink_link bridge;

	(void)state;
	need_netns();
	assert_int_equal(netlink_bridge_add(&nl, "cbr"), 0);
	assert_int_equal(netlink_link_get(&nl, "cbr", &bridge), 0);
	run("ip link set cbr type bridge stp_state 1 forward_delay 1500");
	assert_int_equal(netlink_bridge_set_plain(&nl, bridge.index), 0);
	assert_true(says("ip -d link show cbr", "forward_delay 0 "));
	assert_true(says("ip -d link show cbr", "stp_state 0 "));
	assert_int_equal(netlink_link_set_mac(&nl, bridge.index, mac), 0);
	assert_true(says("ip link show cbr", "02:00:00:00:00:09"));
	assert_int_equal(netlink_bridge_set_plain(&nl, 0), -ENODEV);
	assert_int_equal(netlink_link_set_mac(&nl, 0, mac), -ENODEV);
	assert_int_equal(netlink_link_delete(&nl, bridge.index), 0);
}

static void test_route_link(void **state)
{
	struct addr to;
	int index = 0;

	(void)state;
	need_netns();
	assert_true(addr_parse(&to, "10.30.1.1:1", 0));
	assert_int_equal(netlink_route_link(&to, &index), 0);
	assert_int_equal(index, nic.index);
	run("ip rule add unreachable to 10.99.0.0/16 priority 10");
	assert_true(addr_parse(&to, "10.99.1.1:1", 0));
	assert_true(netlink_route_link(&to, &index) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_lifetimes_go_on),
		cmocka_unit_test(test_failures_are_named),
		cmocka_unit_test(test_rivals),
		cmocka_unit_test(test_link_without_ipv6),
		cmocka_unit_test(test_rubbish_is_not_loaded),
		cmocka_unit_test(test_plain_bridge),
		cmocka_unit_test(test_route_link),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
