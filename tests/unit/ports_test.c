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
#include <unistd.h>

#include "app/node_state.h"
#include "app/ports.h"
#include "app/worker.h"
#include "base/bytes.h"
#include "core/port.h"
#include "lib/own_netns.h"

/* ---- memory that is short ---- */

static bool short_of_memory;

/* Every piece of a line's size or more is refused then. */
#define LINE ((size_t)128 << 10)

void *calloc(size_t n, size_t size)
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
	check_device_goes("kind=nic", 
			  "ip link add va type veth peer name vb && ip link set va up", false);
	check_device_goes("kind=tap", "true", true);
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
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
