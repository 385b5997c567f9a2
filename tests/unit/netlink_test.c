/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "host/netlink.h"
#include "lib/own_netns.h"

static struct netlink nl;

static int set_up(void **state)
{
	(void)state;
	return own_netns_enter() ? netlink_open(&nl) : 0;
}

static int tear_down(void **state)
{
	(void)state;
	netlink_close(&nl);
	return 0;
}

static void need_netns(void)
{
	if (!nl.request)
		skip();
}

static struct netlink_link get(const char *name)
{
	struct netlink_link link;

	assert_int_equal(netlink_link_get(&nl, name, &link), 0);
	assert_string_equal(link.name, name);
	return link;
}

static void veth_add(const char *a, const char *b)
{
	char line[128];

	snprintf(line, sizeof(line), "ip link add %s type veth peer name %s", a, b);
	assert_int_equal(system(line), 0);
}

static int txqlen(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, SIOCGIFTXQLEN, &ifr), 0);
	close(fd);
	return ifr.ifr_qlen;
}

static bool has_ipv6_address(const char *name)
{
	FILE *f = fopen("/proc/self/net/if_inet6", "re");
	bool found = false;
	char line[256];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		found |= strstr(line, name) != NULL;
	fclose(f);
	return found;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void test_get(void **state)
{
	struct netlink_link link = { .index = 99 };

	(void)state;
	need_netns();
	link = get("lo");
	assert_int_equal(link.index, if_nametoindex("lo"));
	assert_int_equal(link.mtu, 65536);
	assert_true(link.up);
	assert_int_equal(link.master, 0);
	assert_string_equal(link.kind, "");

	link.index = 99;
	assert_int_equal(netlink_link_get(&nl, "nobody", &link), -ENODEV);
	assert_int_equal(netlink_link_get(&nl, "", &link), -ENODEV);
	assert_int_equal(netlink_link_get(&nl, "a_name_that_is_too_long", &link), -ENODEV);
	assert_int_equal(link.index, 99);
}

static void test_bridge_with_port(void **state)
{
	struct netlink_link bridge, port;

	(void)state;
	need_netns();
	assert_int_equal(netlink_bridge_add(&nl, "nbr0"), 0);
	assert_int_equal(netlink_bridge_add(&nl, "nbr0"), -EEXIST);
	assert_int_equal(netlink_bridge_add(&nl, "nbr%d"), -EINVAL);
	assert_int_equal(netlink_bridge_add(&nl, "a_name_that_is_too_long"), -EINVAL);
	bridge = get("nbr0");
	assert_string_equal(bridge.kind, "bridge");
	assert_false(bridge.up);

	veth_add("nva", "nvb");
	port = get("nva");
	assert_string_equal(port.kind, "veth");
	assert_int_equal(netlink_link_set_master(&nl, port.index, bridge.index), 0);
	assert_int_equal(get("nva").master, bridge.index);
	assert_int_equal(netlink_link_set_master(&nl, port.index, 0), 0);
	assert_int_equal(get("nva").master, 0);

	assert_int_equal(netlink_link_set_up(&nl, port.index, true), 0);
	assert_true(get("nva").up);
	assert_int_equal(netlink_link_set_up(&nl, port.index, false), 0);
	assert_false(get("nva").up);

	assert_int_equal(netlink_link_set_mtu(&nl, port.index, 9000), 0);
	assert_int_equal(get("nva").mtu, 9000);
	assert_int_equal(netlink_link_set_mtu(&nl, port.index, 1 << 30), -EINVAL);
	assert_int_equal(netlink_link_set_txqlen(&nl, port.index, 100), 0);
	assert_int_equal(txqlen("nva"), 100);

	assert_int_equal(netlink_link_delete(&nl, port.index), 0);
	assert_int_equal(netlink_link_delete(&nl, bridge.index), 0);
	assert_int_equal(if_nametoindex("nva"), 0);
	assert_int_equal(if_nametoindex("nbr0"), 0);
}

static void test_no_such_index(void **state)
{
	(void)state;
	need_netns();
	for (int index = 0; index < 99999; index += 99998) {
		assert_int_equal(netlink_link_delete(&nl, index), -ENODEV);
		assert_int_equal(netlink_link_set_up(&nl, index, true), -ENODEV);
		assert_int_equal(netlink_link_set_mtu(&nl, index, 1500), -ENODEV);
		assert_int_equal(netlink_link_set_master(&nl, index, 0), -ENODEV);
		assert_int_equal(netlink_link_set_txqlen(&nl, index, 10), -ENODEV);
	}
	assert_int_equal(netlink_link_set_silent(&nl, 0, "lo"), -ENODEV);
	assert_int_equal(netlink_link_set_silent(&nl, 1, "../all"), -ENODEV);
}

static void test_silent(void **state)
{
	struct netlink_link a, b;

	(void)state;
	need_netns();
	if (access("/proc/sys/net/ipv6", F_OK) < 0)
		skip();
	veth_add("nsa", "nsb");
	a = get("nsa");
	b = get("nsb");
	assert_int_equal(netlink_link_set_silent(&nl, a.index, "nsa"), 0);
	assert_int_equal(netlink_link_set_up(&nl, a.index, true), 0);
	assert_int_equal(netlink_link_set_up(&nl, b.index, true), 0);
	for (int i = 0; i < 300 && !has_ipv6_address("nsb"); i++)
		usleep(10000); /* the carrier comes by and by */
	assert_true(has_ipv6_address("nsb"));
	assert_false(has_ipv6_address("nsa"));

	/* Each of the two means alone: with IPv6 on again there is still no address. */
	write_file("/proc/sys/net/ipv6/conf/nsa/disable_ipv6", "0");
	assert_false(has_ipv6_address("nsa"));
	assert_int_equal(netlink_link_set_silent(&nl, a.index, "nsa"), 0);
	assert_int_not_equal(system("ip addr add 2001:db8::1/64 dev nsa 2>/dev/null"), 0);
	assert_int_equal(netlink_link_delete(&nl, a.index), 0);
}

static void test_silent_below_the_mtu_of_ipv6(void **state)
{
	struct netlink_link a;

	(void)state;
	need_netns();
	veth_add("nma", "nmb");
	a = get("nma");
	assert_int_equal(netlink_link_set_mtu(&nl, a.index, 1000), 0);
	assert_int_equal(netlink_link_set_silent(&nl, a.index, "nma"), 0);
	assert_int_equal(netlink_link_delete(&nl, a.index), 0);
}

static bool readable(void)
{
	struct pollfd p = { .fd = netlink_monitor_fd(&nl), .events = POLLIN | POLLERR };

	return poll(&p, 1, 0) == 1;
}

static void test_monitor(void **state)
{
	(void)state;
	need_netns();
	netlink_monitor_drain(&nl);
	assert_false(netlink_monitor_drain(&nl));
	assert_false(readable());
	assert_int_equal(netlink_bridge_add(&nl, "nbr1"), 0);
	assert_true(readable());
	assert_true(netlink_monitor_drain(&nl));
	assert_false(readable());
	assert_int_equal(netlink_link_delete(&nl, get("nbr1").index), 0);
	assert_true(netlink_monitor_drain(&nl));
	assert_false(netlink_monitor_drain(&nl));
}

static void test_monitor_overrun_is_a_change(void **state)
{
	int small = 1, index, last = 0;

	(void)state;
	need_netns();
	assert_int_equal(netlink_bridge_add(&nl, "nbr2"), 0);
	index = get("nbr2").index;
	netlink_monitor_drain(&nl);
	setsockopt(netlink_monitor_fd(&nl), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (int i = 0; i < 50; i++)
		assert_int_equal(netlink_link_set_up(&nl, index, i % 2 == 0), 0);
	assert_true(netlink_monitor_drain(&nl));
	assert_false(netlink_monitor_drain(&nl));
	socklen_t len = sizeof(last);
	assert_int_equal(getsockopt(netlink_monitor_fd(&nl), SOL_SOCKET, SO_ERROR, &last, &len), 0);
	assert_int_equal(last, 0);
	assert_int_equal(netlink_link_delete(&nl, index), 0);
	netlink_monitor_drain(&nl);
}

/* A dump that nobody waited for lies in the socket before the next request. */
static void test_late_answers_are_skipped(void **state)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	(void)state;
	need_netns();
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = nl.sequence - 1;
	((struct ifinfomsg *)mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg)))->ifi_index =
		123456;
	assert_true(mnl_socket_sendto(nl.request, nlh, nlh->nlmsg_len) > 0);
	assert_int_equal(get("lo").index, 1);
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text, 1));
	return a;
}

static void test_route_mtu(void **state)
{
	struct addr a = address("127.0.0.1");
	unsigned mtu = 7;

	(void)state;
	need_netns();
	assert_int_equal(netlink_route_mtu(&a, &mtu), 0);
	assert_int_equal(mtu, 65536);
	a = address("192.0.2.1");
	assert_int_equal(netlink_route_mtu(&a, &mtu), -ENETUNREACH);
	assert_int_equal(mtu, 65536);

	veth_add("nra", "nrb");
	assert_int_equal(system("ip addr add 192.0.2.9/24 dev nra; ip link set nra mtu 1400 up;"
				"ip link set nrb up"),
			 0);
	assert_int_equal(netlink_route_mtu(&a, &mtu), 0);
	assert_int_equal(mtu, 1400);
	if (system("ip addr add 2001:db8::9/64 dev nra nodad 2>/dev/null") == 0) {
		a = address("[2001:db8::1]");
		assert_int_equal(netlink_route_mtu(&a, &mtu), 0);
		assert_int_equal(mtu, 1400);
		a = address("[fe80::1]");
		a.scope = if_nametoindex("nrb");
		assert_int_equal(netlink_route_mtu(&a, &mtu), 0);
		assert_int_equal(mtu, 1500);
	}
	assert_int_equal(netlink_link_delete(&nl, get("nra").index), 0);
}

static void test_neighbour(void **state)
{
	static const char *const lines[] = {
		"ip addr add 192.0.2.1/24 dev v0",
		"ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev v0",
		"ip neigh add 2001:db8::7 lladdr 02:00:00:00:06:07 dev v0",
		"ip neigh add 192.0.2.8 nud failed dev v0",
		"ip neigh add 192.0.2.10 nud incomplete dev v0",
	};
	static const struct {
		struct addr ip;
		int error;
		uint8_t last[2]; /* bytes of the address */
	} cases[] = {
		{ { .family = ADDR_IPV4, .ip = { 192, 0, 2, 7 } }, 0, { 0, 7 } },
		{ { .family = ADDR_IPV6, .ip = { 0x20, 1, 0xd, 0xb8, [15] = 7 } }, 0, { 6, 7 } },
		{ { .family = ADDR_IPV4, .ip = { 192, 0, 2, 8 } }, -EHOSTUNREACH, { 0 } },
		{ { .family = ADDR_IPV4, .ip = { 192, 0, 2, 10 } }, -EHOSTUNREACH, { 0 } },
		{ { .family = ADDR_IPV4, .ip = { 192, 0, 2, 9 } }, -ENOENT, { 0 } },
	};
	struct netlink_neighbour n;
	struct netlink_link link;

	(void)state;
	need_netns();
	veth_add("v0", "v1");
	link = get("v0");
	assert_false(mac_is_zero(link.mac));
	assert_int_equal(netlink_link_set_up(&nl, link.index, true), 0);
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		assert_int_equal(system(lines[i]), 0);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(netlink_neighbour_get(&nl, link.index, &cases[i].ip, &n),
				 cases[i].error);
		if (cases[i].error == 0)
			assert_memory_equal(n.mac.b + 4, cases[i].last, 2);
	}
	assert_int_equal(netlink_neighbour_get(&nl, get("v1").index, &cases[0].ip, &n), -ENOENT);
	assert_int_equal(netlink_link_delete(&nl, link.index), 0);
}

static bool has_address(const struct addr *all, unsigned n, const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text, 1));
	a.port = 0;
	for (unsigned i = 0; i < n; i++) {
		if (addr_equal(&all[i], &a))
			return true;
	}
	return false;
}

/* Of every link, up or not; the own end of one that has a far end. */
static void test_addresses(void **state)
{
	struct addr all[8];
	unsigned n = 0, less;

	(void)state;
	need_netns();
	veth_add("v0", "v1");
	assert_int_equal(system("ip addr add 192.0.2.1/24 dev v0 && "
				"ip addr add 198.51.100.1 peer 198.51.100.9 dev v1 && "
				"ip addr add 2001:db8::7/64 dev v1"),
			 0);
	assert_int_equal(netlink_addresses(&nl, all, COUNT_OF(all), &n), 0);
	assert_in_range(n, 3, COUNT_OF(all));
	assert_true(has_address(all, n, "192.0.2.1"));
	assert_true(has_address(all, n, "198.51.100.1"));
	assert_true(has_address(all, n, "[2001:db8::7]"));
	assert_false(has_address(all, n, "198.51.100.9"));
	all[1] = (struct addr){ .port = 77 };
	assert_int_equal(netlink_addresses(&nl, all, 1, &less), 0);
	assert_int_equal(less, n);
	assert_int_equal(all[1].port, 77);
	assert_int_equal(netlink_link_delete(&nl, get("v0").index), 0);
}

static void test_close_twice(void **state)
{
	struct netlink other;

	(void)state;
	assert_int_equal(netlink_open(&other), 0);
	netlink_close(&other);
	netlink_close(&other);
	assert_null(other.request);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_bridge_with_port),
		cmocka_unit_test(test_no_such_index),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_silent_below_the_mtu_of_ipv6),
		cmocka_unit_test(test_monitor),
		cmocka_unit_test(test_monitor_overrun_is_a_change),
		cmocka_unit_test(test_late_answers_are_skipped),
		cmocka_unit_test(test_route_mtu),
		cmocka_unit_test(test_neighbour),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_close_twice),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
