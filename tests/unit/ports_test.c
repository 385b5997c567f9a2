/* SPDX-License-Identifier: MIT */
/* Lab ports as they come, go, and share the site with workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/node_state.h"
#include "app/ports.h"
#include "app/worker.h"
#include "base/bytes.h"
#include "core/port.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_memory_for_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
