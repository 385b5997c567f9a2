/* SPDX-License-Identifier: MIT */
/* Lab ports as they come, go, and share the site with workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/node_state.h"
#include "app/ports.h"
#include "app/worker.h"
#include "base/bytes.h"
#include "base/log.h"
#include "core/port.h"
#include "host/nic.h"
#include "host/offload.h"
#include "lib/own_netns.h"

/* ---- memory that is short ---- */

static bool short_of_memory;

/* Every piece of a line's size or more is refused then. */
#define LINE ((size_t)128 << 10)

/* Not instrumented: threads call it that are not yet whole. */
__attribute__((no_sanitize("thread"))) void *calloc(size_t n, size_t size)
{
	static void *(*real)(size_t, size_t);

	if (!real)
		real = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
	return short_of_memory && n * size >= LINE ? NULL : real(n, size);
}

/* ---- a process without peers or a TAP ---- */

struct scene {
	struct node node;
	struct conf conf;
	char folder[64];
};

static struct scene scene;
static bool in_netns;

static void none_happened(void *ctx, struct peer *peer, enum peer_event event)
{
	(void)ctx;
	(void)peer;
	(void)event;
}

static void begin(unsigned workers)
{
	const struct site_events events = { NULL, none_happened, NULL, &scene.node };
	struct site_setup setup = { .network = "lab",
				    .name = "berlin",
				    .private_key = { 1 },
				    .macs = 16,
				    .workers = workers,
				    .rand = rand_source_kernel() };

	memset(&scene, 0, sizeof(scene));
	scene.node.conf = &scene.conf;
	scene.node.attach.tap.fd = -1;
	assert_int_equal(netlink_open(&scene.node.attach.netlink), 0);
	scene.node.told_carrier = true;
	snprintf(scene.folder, sizeof(scene.folder), "/tmp/ports_test.XXXXXX");
	assert_non_null(mkdtemp(scene.folder));
	assert_int_equal(loop_init(&scene.node.loop), 0);
	assert_int_equal(worker_init(&scene.node, workers), 0);
	assert_true(site_init(&scene.node.site, &setup, &events, scene.node.loop.now));
	scene.node.ports = ports_new(&scene.node);
	assert_non_null(scene.node.ports);
}

static void finish(void)
{
	ports_free(scene.node.ports);
	site_free(&scene.node.site);
	loop_free(&scene.node.loop);
	worker_free(&scene.node);
	netlink_close(&scene.node.attach.netlink);
	assert_int_equal(rmdir(scene.folder), 0);
}

static struct conf_port section(const char *name)
{
	struct conf_errors errors = { 0 };
	char local[128], remote[128];
	const char *settings[] = { "kind=qemu", local, remote };
	struct conf_port conf;

	snprintf(local, sizeof(local), "local=unix:%s/%s", scene.folder, name);
	snprintf(remote, sizeof(remote), "remote=unix:%s/%s.far", scene.folder, name);
	assert_true(conf_port_read(&conf, name, settings, COUNT_OF(settings), &errors));
	return conf;
}

/* Nothing is left of a port whose line there is no memory for. */
static void test_no_memory_for_a_line(void **state)
{
	const struct impair_setup slow = { .delay = MS(1) };
	struct conf_port conf;
	char note[PORTS_NOTE];

	(void)state;
	begin(1);
	conf = section("p1");
	for (unsigned way = 0; way < PORT_WAYS; way++) {
		conf.impair[way].on = true;
		conf.impair[way].setup = slow;
	}
	short_of_memory = true;
	assert_int_equal(ports_add(scene.node.ports, &conf, true, note), -ENOMEM);
	short_of_memory = false;
	assert_string_equal(note, "memory is short");
	assert_null(ports_find(scene.node.ports, "p1"));
	assert_int_equal(scene.node.site.n_port, 0);
	ports_turn(scene.node.ports, scene.node.loop.now);
	assert_int_equal(ports_add(scene.node.ports, &conf, true, note), 0);
	assert_non_null(ports_find(scene.node.ports, "p1")->impair[PORT_IN]);
	assert_true(ports_remove(scene.node.ports, "p1"));
	finish();
}

/* ---- beside a worker ---- */

/* At the site as another worker is: what is written there meanwhile is seen. */
struct neighbour {
	struct port *port; /* NULL: flaps the TAP's carrier, which comes back before it leaves */
	atomic_bool stop;
	unsigned meddled;
};

static bool looks_other(const struct port *port, const struct port *before)
{
	return port->up != before->up || port->can != before->can || port->lost != before->lost;
}

static void *be_at_site(void *arg)
{
	struct neighbour *n = arg;
	struct node *node = &scene.node;

	while (!atomic_load(&n->stop)) {
		struct port before = { 0 };

		pthread_rwlock_rdlock(&node->gate);
		worker_enter(&node->workers[1], node->site.now);
		if (n->port)
			before = *n->port;
		else
			node->port.carrier_on = false;
		usleep(100);
		if (n->port)
			n->meddled += looks_other(n->port, &before);
		else
			node->port.carrier_on = true;
		worker_leave(&node->workers[1]);
		pthread_rwlock_unlock(&node->gate);
		usleep(1);
	}
	return NULL;
}

static pthread_t visit(struct neighbour *n)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, be_at_site, n), 0);
	return thread;
}

static void leave(struct neighbour *n, pthread_t thread)
{
	atomic_store(&n->stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* The thread sanitiser sees it every time. */
static void test_carrier_is_read_at_the_site(void **state)
{
	struct neighbour n = { 0 };
	struct conf_port conf;
	char note[PORTS_NOTE];
	pthread_t thread;

	(void)state;
	begin(2);
	conf = section("p1");
	scene.node.port.carrier_on = true;
	assert_int_equal(ports_add(scene.node.ports, &conf, true, note), 0);
	thread = visit(&n);
	for (unsigned i = 0; i < 200; i++) {
		ports_turn(scene.node.ports, scene.node.loop.now);
		assert_true(scene.node.told_carrier);
	}
	leave(&n, thread);
	finish();
}

/* Its device goes and comes again: that is written at the site. */
static void check_device_goes(const char *kind, const char *make, bool comes_again)
{
	struct neighbour n = { 0 };
	const char *settings[] = { kind, "interface=va" };
	struct conf_errors errors = { 0 };
	struct conf_port conf;
	char note[PORTS_NOTE];
	pthread_t thread;

	begin(2);
	assert_int_equal(system(make), 0);
	assert_true(conf_port_read(&conf, "p1", settings, COUNT_OF(settings), &errors));
	assert_int_equal(ports_add(scene.node.ports, &conf, true, note), 0);
	n.port = ports_find(scene.node.ports, "p1");
	assert_true(n.port->up);
	thread = visit(&n);
	assert_int_equal(system("ip link delete va"), 0);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(loop_turn(&scene.node.loop, instant_add(clock_now(), MS(5))), 0);
		ports_turn(scene.node.ports, scene.node.loop.now);
	}
	leave(&n, thread);
	assert_int_equal(n.port->up, comes_again);
	assert_int_equal(n.meddled, 0);
	finish();
}

static void test_a_device_that_goes(void **state)
{
	(void)state;
	if (!in_netns)
		skip();
	check_device_goes("kind=nic", "ip link add va type veth peer name vb && ip link set va up",
			  false);
	check_device_goes("kind=tap", "true", true);
}

/* ---- TAPs in one bridge ---- */

static int add_tap(const char *name, const char *interface, const char *bridge,
		   char note[PORTS_NOTE])
{
	const char *settings[] = { "kind=tap", interface, bridge };
	struct conf_errors errors = { 0 };
	struct conf_port conf;

	assert_true(conf_port_read(&conf, name, settings, bridge ? 3 : 2, &errors));
	return ports_add(scene.node.ports, &conf, true, note);
}

/* Whether somebody's `ip link` shows it with these words. */
static bool link_shows(const char *interface, const char *words)
{
	char command[128];

	snprintf(command, sizeof(command), "ip link show %s | grep -q '%s'", interface, words);
	return system(command) == 0;
}

static void test_taps_in_one_bridge(void **state)
{
	const char *go_round = "and frames would go round for ever: must be";
	char note[PORTS_NOTE];
	const struct port *p2;

	(void)state;
	if (!in_netns || system("ip link add br0 type bridge && ip link set br0 up && "
				"ip link property add dev br0 altname office") != 0)
		skip();
	begin(1);
	assert_int_equal(add_tap("p1", "interface=ta", "bridge=br0", note), 0);
	assert_int_equal(add_tap("p3", "interface=tc", "bridge=br0", note), -EEXIST);
	assert_non_null(strstr(note, "bridge: \"br0\" is the bridge of [port p1], "));
	assert_int_equal(add_tap("p3", "interface=tc", "bridge=office", note), -ELOOP);
	assert_non_null(strstr(note, "tc would be in br0 with the TAP ta of this site, "));
	assert_non_null(strstr(note, go_round));
	assert_int_equal(if_nametoindex("tc"), 0);
	assert_int_equal(add_tap("p2", "interface=tb", NULL, note), 0);
	p2 = ports_find(scene.node.ports, "p2");
	ports_look(scene.node.ports, scene.node.loop.now);
	assert_true(p2->up);

	assert_int_equal(system("ip link set tb master br0"), 0);
	ports_look(scene.node.ports, scene.node.loop.now);
	ports_turn(scene.node.ports, scene.node.loop.now);
	assert_false(p2->up);
	assert_false(p2->link);
	assert_true(ports_find(scene.node.ports, "p1")->up);
	assert_true(link_shows("tb", "NO-CARRIER"));
	assert_int_equal(system("ip link set tb nomaster"), 0);
	ports_look(scene.node.ports, scene.node.loop.now);
	ports_turn(scene.node.ports, scene.node.loop.now);
	assert_true(p2->up);
	assert_true(p2->link);
	assert_true(link_shows("tb", "LOWER_UP"));
	assert_int_equal(system("ip link delete br0"), 0);
	finish();
}

/* ---- losses that are counted ---- */

static void turn(unsigned times)
{
	while (times-- > 0) {
		assert_int_equal(loop_turn(&scene.node.loop, instant_add(clock_now(), MS(10))), 0);
		ports_turn(scene.node.ports, scene.node.loop.now);
	}
}

static void test_runt_of_a_stream(void **state)
{
	static const uint8_t runt[] = { 0, 0, 0, 5, 1, 2, 3, 4, 5 };
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	const char *settings[] = { "kind=qemu", "transport=stream", name.sun_path };
	struct conf_errors errors = { 0 };
	struct conf_port conf;
	char note[PORTS_NOTE];

	(void)state;
	begin(1);
	snprintf(name.sun_path, sizeof(name.sun_path), "local=unix:%s/s", scene.folder);
	assert_true(conf_port_read(&conf, "p1", settings, COUNT_OF(settings), &errors));
	assert_int_equal(ports_add(scene.node.ports, &conf, true, note), 0);
	snprintf(name.sun_path, sizeof(name.sun_path), "%s/s", scene.folder);
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(send(fd, runt, sizeof(runt), 0), sizeof(runt));
	turn(5);
	assert_int_equal(ports_find(scene.node.ports, "p1")->drops.count[DROP_RUNT], 1);
	close(fd);
	finish();
}

/* A large frame of TCP, by a packet socket at vb. */
static void send_large(size_t len)
{
	const struct vnet vnet = { .flags = VNET_F_NEEDS_CSUM,
				   .gso_type = VNET_GSO_TCPV6,
				   .hdr_len = 74,
				   .gso_size = 1400,
				   .csum_start = 54,
				   .csum_offset = 16 };
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_IPV6),
				  .sll_ifindex = (int)if_nametoindex("vb") };
	int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1;
	uint8_t *frame = calloc(1, len);
	struct iovec iov[] = { { (void *)&vnet, sizeof(vnet) }, { frame, len } };

	frame[0] = frame[6] = 2;
	be16_put(frame + 12, ETH_P_IPV6);
	frame[14] = 0x60;
	frame[20] = 6;
	frame[54 + 12] = 0x50;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	assert_int_equal(writev(fd, iov, 2), sizeof(vnet) + len);
	free(frame);
	close(fd);
}

static void test_too_long_for_a_nic(void **state)
{
	const char *settings[] = { "kind=nic", "interface=va" };
	struct conf_errors errors = { 0 };
	const struct port *port;
	struct conf_port conf;
	char note[PORTS_NOTE];

	(void)state;
	if (!in_netns || system("ip link add va type veth peer name vb && ip link set va up && "
				"ip link set vb up") != 0)
		skip();
	begin(1);
	assert_true(conf_port_read(&conf, "p1", settings, COUNT_OF(settings), &errors));
	assert_int_equal(ports_add(scene.node.ports, &conf, true, note), 0);
	port = ports_find(scene.node.ports, "p1");
	if (system("ip link set va gso_max_size 131072 2>/dev/null && "
		   "ip link set vb gso_max_size 131072 2>/dev/null") == 0) {
		send_large(NIC_FRAME + 1000);
		turn(5);
		assert_int_equal(port->drops.count[DROP_OVERSIZE], 1);
	} else {
		fprintf(stderr, "skipped: large frames end at 64 KiB here\n");
	}
	finish();
	assert_int_equal(system("ip link delete va"), 0);
}

/* ---- a NIC that merges datagrams ---- */

static unsigned logged, warned;
static bool not_permitted; /* to switch features */

int ioctl(int fd, unsigned long request, ...)
{
	static int (*real)(int, unsigned long, ...);
	va_list ap;
	void *at;

	va_start(ap, request);
	at = va_arg(ap, void *);
	va_end(ap);
	if (!real)
		real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	if (!not_permitted || request != SIOCETHTOOL ||
	    *(uint32_t *)((struct ifreq *)at)->ifr_data != ETHTOOL_SFEATURES)
		return real(fd, request, at);
	errno = EPERM;
	return -1;
}

static size_t count_line(const struct log_record *record, char *out, size_t room)
{
	(void)out;
	(void)room;
	logged +=
		strcmp(record->message, "the NIC merges no datagrams while the port is open") == 0;
	warned += strcmp(record->message, "the NIC merges datagrams, which will be lost") == 0;
	return 0;
}

static bool va_merges(void)
{
	return system("ethtool -k va | grep -q '^rx-udp-gro-forwarding: on'") == 0;
}

/* As another process does at the end of its port. */
static bool switch_on_merging(void)
{
	return system("ethtool -K va gro on rx-udp-gro-forwarding on 2>/dev/null") == 0 &&
	       va_merges();
}

static void test_merging_that_comes_back(void **state)
{
	const char *settings[] = { "kind=nic", "interface=va" };
	struct conf_errors errors = { 0 };
	struct conf_port conf;
	char note[PORTS_NOTE];

	(void)state;
	if (!in_netns || system("ip link add va type veth peer name vb && ip link set va up") != 0)
		skip();
	begin(1);
	assert_true(conf_port_read(&conf, "p1", settings, COUNT_OF(settings), &errors));
	assert_int_equal(ports_add(scene.node.ports, &conf, true, note), 0);
	log_set_form(count_line);
	if (switch_on_merging()) {
		for (unsigned i = 1; i <= 2; i++) {
			assert_true(switch_on_merging());
			ports_look(scene.node.ports, scene.node.loop.now);
			assert_false(va_merges());
			ports_look(scene.node.ports, scene.node.loop.now);
			assert_int_equal(logged, i);
		}
		assert_true(switch_on_merging());
		not_permitted = true;
		ports_look(scene.node.ports, scene.node.loop.now);
		ports_look(scene.node.ports, scene.node.loop.now);
		not_permitted = false;
		assert_int_equal(warned, 1);
		ports_look(scene.node.ports, scene.node.loop.now);
		assert_true(ports_remove(scene.node.ports, "p1"));
		assert_true(va_merges());
	} else {
		fprintf(stderr, "skipped: no merging of datagrams here\n");
	}
	log_set_form(NULL);
	finish();
	assert_int_equal(system("ip link delete va"), 0);
}

/* ---- a card of QEMU ---- */

#define GREETING "{\"QMP\": {}}\n"
#define DONE "{\"return\": {}}\n"

static struct sockaddr_un qmp_at;

static int listen_at_qmp(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	qmp_at.sun_family = AF_UNIX;
	snprintf(qmp_at.sun_path, sizeof(qmp_at.sun_path), "%s/qmp", scene.folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&qmp_at, sizeof(qmp_at)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static void answer(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	turn(2);
}

/* What was said to QEMU since ends with that. */
static void assert_told(int fd, bool up)
{
	char text[512] = "";

	assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	assert_non_null(strstr(text, up ? "\"up\":true}}\n" : "\"up\":false}}\n"));
}

/* The port p1, whose card is told that it is up.  Returns QEMU's side. */
static int add_card(int listener)
{
	struct conf_port conf = section("p1");
	char note[PORTS_NOTE];
	int fd;

	snprintf(conf.qmp.path, sizeof(conf.qmp.path), "%s", qmp_at.sun_path);
	snprintf(conf.qmp_netdev, sizeof(conf.qmp_netdev), "n0");
	assert_int_equal(ports_add(scene.node.ports, &conf, true, note), 0);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	answer(fd, GREETING DONE);
	assert_told(fd, true);
	answer(fd, DONE);
	return fd;
}

static bool hung_up(int fd)
{
	char text[4];

	return recv(fd, text, sizeof(text), MSG_DONTWAIT) == 0;
}

/* It has no cable when its port has gone, or the process ends. */
static void test_a_card_whose_port_goes(void **state)
{
	int listener, fd;

	(void)state;
	begin(1);
	listener = listen_at_qmp();
	fd = add_card(listener);
	assert_true(ports_remove(scene.node.ports, "p1"));
	assert_told(fd, false);
	turn(2);
	assert_false(hung_up(fd));
	answer(fd, DONE);
	assert_true(hung_up(fd));
	close(fd);

	fd = add_card(listener);
	ports_reload(scene.node.ports, &scene.conf); /* it came by command, and stays */
	assert_int_equal(recv(fd, (char[4]){ 0 }, 4, MSG_DONTWAIT), -1);
	assert_int_equal(write(fd, DONE, strlen(DONE)), strlen(DONE));
	ports_unplug(scene.node.ports);
	assert_told(fd, false);
	unlink(qmp_at.sun_path);
	finish();
	assert_true(hung_up(fd));
	close(fd);
	close(listener);
}

static int set_up(void **state)
{
	(void)state;
	in_netns = own_netns_enter();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_memory_for_a_line),
		cmocka_unit_test(test_carrier_is_read_at_the_site),
		cmocka_unit_test(test_a_device_that_goes),
		cmocka_unit_test(test_taps_in_one_bridge),
		cmocka_unit_test(test_runt_of_a_stream),
		cmocka_unit_test(test_too_long_for_a_nic),
		cmocka_unit_test(test_merging_that_comes_back),
		cmocka_unit_test(test_a_card_whose_port_goes),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
