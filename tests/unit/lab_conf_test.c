/* SPDX-License-Identifier: MIT */
/* A lab's file: what it holds, and every mistake in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/lab_conf.h"
#include "base/bytes.h"
#include "libconf.h"

#define LAB "[lab]\nkernel = a.key\n" /* two lines; any file that can be read */
#define LAN "[network lan]\n"
#define ANN "[guest ann]\nnetworks = lan\n"

static struct lab_conf *load(const char *text)
{
	struct lab_conf *c;

	conf_errors_free(&conf_errors);
	conf_put_file(conf_path("office.conf"), text, strlen(text));
	c = lab_conf_load(conf_path("office.conf"), &conf_errors);
	unlink(conf_path("office.conf"));
	return c;
}

static struct lab_conf *load_good(const char *text)
{
	struct lab_conf *c = load(text);

	if (!c)
		fail_msg("%s", conf_errors.n ? conf_errors.lines[0] : "no conf and no error");
	assert_int_equal(conf_errors.n, 0);
	return c;
}

/* The errors without "FOLDER/office.conf:", the folder's name in them as '$'. */
static void assert_errors(const char *text, const char *expected)
{
	char got[4096] = "", *p = got, *folder;
	const char *prefix, *line;

	assert_null(load(text));
	prefix = conf_path("office.conf:");
	for (size_t i = 0; i < conf_errors.n; i++) {
		assert_memory_equal(conf_errors.lines[i], prefix, strlen(prefix));
		line = conf_errors.lines[i] + strlen(prefix);
		while ((folder = strstr(line, conf_folder))) {
			p += snprintf(p, 1000, "%.*s$", (int)(folder - line), line);
			line = folder + strlen(conf_folder);
		}
		p += snprintf(p, 1000, "%s\n", line);
	}
	assert_string_equal(got, expected);
}

static void test_defaults(void **state)
{
	struct lab_conf *c = load_good(LAN ANN "kernel = a.key\n");
	const struct lab_machine *m = &c->guests[0].machine;

	(void)state;
	assert_string_equal(c->instance, "office");
	assert_int_equal(c->n_guests, 1);
	assert_string_equal(c->guests[0].name, "ann");
	assert_string_equal(m->kernel, conf_path("a.key"));
	assert_string_equal(m->initrd, "");
	assert_int_equal(m->memory, 256);
	assert_int_equal(m->cpus, 1);
	assert_int_equal(m->accel, LAB_TCG);
	assert_int_equal(m->card, LAB_VIRTIO);
	assert_false(m->snapshot);
	assert_string_equal(lab_conf_network(c, "lan")->instance, "");
	assert_false(lab_conf_network(c, "lan")->wire);
	assert_string_equal(lab_conf_network(c, "lan")->settings[LAB_VLAN], "");
	assert_null(lab_conf_network(c, "wan"));
	lab_conf_free(c);
}

static void test_all(void **state)
{
	struct lab_conf *c = load_good(
		"[lab]\nkernel = a.key\ninitrd = secret\nappend = a=1 b=\"2 3\"\nmemory = 64\n"
		"cpus = 2\naccel = auto\ncard = e1000\n"
		"[network lan]\ninstance = berlin\nvlan = 10\nimpair_in = delay 80ms loss 1%\n"
		"[network line]\nmode = wire\ninstance = b\nreserved = pass\n"
		"[network wan]\ntrunk = 1-9\nnative = 3\nreserved = pass\nimpair_out = cut\n"
		"[guest ann]\nnetworks = lan, wan , lan\nmemory = 32\n"
		"[guest bob]\nnetworks = wan\ndisk = secret\nsnapshot = yes\nappend = c\n");
	const struct lab_guest *ann = &c->guests[0], *bob = &c->guests[1];

	(void)state;
	assert_int_equal(ann->n_networks, 3);
	assert_string_equal(ann->networks[1], "wan");
	assert_string_equal(ann->networks[2], "lan");
	assert_string_equal(ann->machine.append, "a=1 b=\"2 3\"");
	assert_int_equal(ann->machine.memory, 32);
	assert_int_equal(ann->machine.cpus, 2);
	assert_int_equal(ann->machine.accel, LAB_ACCEL_AUTO);
	assert_int_equal(bob->machine.card, LAB_E1000);
	assert_int_equal(bob->machine.memory, 64);
	assert_string_equal(bob->machine.append, "c");
	assert_true(bob->machine.snapshot);
	assert_false(ann->machine.snapshot);
	assert_string_equal(c->networks[0].instance, "berlin");
	assert_string_equal(c->networks[0].settings[LAB_VLAN], "10");
	assert_string_equal(c->networks[0].settings[LAB_IMPAIR_IN], "delay 80ms loss 1%");
	assert_true(c->networks[1].wire);
	assert_string_equal(c->networks[2].settings[LAB_TRUNK], "1-9");
	assert_string_equal(c->networks[2].settings[LAB_NATIVE], "3");
	assert_string_equal(c->networks[2].settings[LAB_RESERVED], "pass");
	assert_string_equal(c->networks[2].settings[LAB_IMPAIR_OUT], "cut");
	lab_conf_free(c);
}

static void test_errors(void **state)
{
	static const struct {
		const char *text, *expected;
	} bad[] = {
		{ LAB, " [guest NAME]: missing: a lab has one at least\n" },
		{ LAB LAN "[guest ann]\n",
		  "4: [guest ann] networks: missing: must be the networks that its cards are in, "
		  "like lan, wan\n" },
		{ LAB LAN "[guest ann]\nnetworks = lan, wan\n",
		  "5: [guest ann] networks: there is no [network wan]\n" },
		{ LAB LAN "[guest ann]\nnetworks = lan,,lan\n",
		  "5: [guest ann] networks: \"\" is not a name: must be 1 to 63 of a-z 0-9 . _ -\n"
		  "5: [guest ann] networks: there is no [network ]\n" },
		{ LAB LAN "[guest ann]\nnetworks = lan,lan,lan,lan,lan,lan,lan,lan,lan\n",
		  "5: [guest ann] networks: 9 names: at most 8\n" },
		{ LAN ANN,
		  "2: [guest ann] nothing to boot: must have a kernel or a disk, here or in "
		  "[lab]\n" },
		{ LAN ANN "disk = a.key\ninitrd = a.key\n",
		  "2: [guest ann] initrd and append: only with a kernel\n" },
		{ LAB "snapshot = yes\n" LAN ANN, "5: [guest ann] snapshot: only with a disk\n" },
		/* What is wrong with a file is told once. */
		{ "[lab]\nkernel = none\ninitrd = a.key\nappend = a\n" LAN ANN
		  "[guest bob]\nnetworks = lan\n",
		  "2: [lab] kernel: $/none: No such file or directory\n" },
		{ LAN ANN "kernel = none\ninitrd = a.key\n",
		  "4: [guest ann] kernel: $/none: No such file or directory\n" },
		{ LAN ANN "disk = none\nsnapshot = yes\n",
		  "4: [guest ann] disk: $/none: No such file or directory\n" },
		{ LAB "memory = 31\n" LAN ANN,
		  "3: [lab] memory: 31 is out of range: must be 32 to 1048576 MB\n" },
		{ LAB "accel = xen\n" LAN ANN,
		  "3: [lab] accel: \"xen\": must be tcg, kvm or auto\n" },
		{ LAB "[site]\nname = a\n" LAN ANN, NULL },
		{ LAB LAN ANN "[guest ann]\nnetworks = lan\n", NULL },
		{ LAB LAN ANN "colour = red\n",
		  "6: [guest ann] colour: unknown key: see lanspan-lab(7)\n" },
		/* Of each network, whether a guest is in it or not. */
		{ LAB LAN "vlan = 5000\n" ANN
			  "[network wan]\ntrunk = 9-8\nnative = x\nreserved = yes\n"
			  "impair_in = dely 1s\nimpair_out = delay\n",
		  "4: [network lan] vlan: 5000 is out of range: must be 1 to 4094 (a VLAN)\n"
		  "8: [network wan] trunk: \"9-8\" is no VLAN: must be all, or VLANs of 1 to 4094 "
		  "like 10, 20-30\n"
		  "9: [network wan] native: \"x\" is not a number: must be 1 to 4094 (a VLAN)\n"
		  "10: [network wan] reserved: \"yes\": must be pass or drop\n"
		  "11: [network wan] impair_in: \"dely\": there is delay, jitter, loss, burst, "
		  "duplicate, reorder, corrupt, rate, limit, cut, none\n"
		  "12: [network wan] impair_out: delay: behind it belongs a number and us, ms or "
		  "s\n" },
		{ LAB LAN "vlan = 5\ntrunk = all\n" ANN,
		  "4: [network lan] vlan: with trunk or native: must be an access port (vlan) or a "
		  "trunk (trunk, native)\n" },
		{ LAB LAN "mode = cable\n" ANN,
		  "4: [network lan] mode: \"cable\": must be wire or switch\n" },
		{ LAB LAN "mode = wire\nvlan = 5\nreserved = drop\n" ANN
			  "[guest bob]\nnetworks = lan, lan\n",
		  "4: [network lan] mode: a wire has two ends, and 3 cards are in it\n"
		  "5: [network lan] vlan: with mode = wire, where every frame passes: leave it "
		  "out\n"
		  "6: [network lan] reserved: with mode = wire, where every frame passes as it is: "
		  "leave it out\n" },
		{ LAB LAN "instance = a\n[network wan]\nmode = wire\ninstance = a\n" ANN,
		  "6: [network wan] mode: a wire is a bridge process of its own, and that of "
		  "[network lan] is the same: must have another instance\n" },
		{ LAB LAN "vlan =\n" ANN,
		  "4: [network lan] vlan: has no value: give one, or remove the line\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (bad[i].expected)
			assert_errors(bad[i].text, bad[i].expected);
		else
			assert_null(load(bad[i].text));
	}
}

static void test_whose(void **state)
{
	static const struct {
		const char *text;
		bool lab;
	} table[] = {
		{ LAB, true },
		{ LAN "[ guest ann ]\n", true },
		{ LAN, false },
		{ GOOD "[lab]\n", false },
		{ "[relay]\n[guest a]\n", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		conf_put_file(conf_path("office.conf"), table[i].text, strlen(table[i].text));
		assert_int_equal(lab_conf_is(conf_path("office.conf")), table[i].lab);
	}
	unlink(conf_path("office.conf"));
	assert_false(lab_conf_is(conf_path("office.conf")));
}

/* Its ports are called ann.0, ann.1, ... and have no more room than names. */
static void test_long_name(void **state)
{
	char text[400], name[LAB_NAME + 2];

	(void)state;
	memset(name, 'a', sizeof(name));
	name[LAB_NAME] = '\0';
	snprintf(text, sizeof(text), LAB LAN "[guest %s]\nnetworks = lan\n", name);
	lab_conf_free(load_good(text));
	name[LAB_NAME] = 'a';
	name[LAB_NAME + 1] = '\0';
	snprintf(text, sizeof(text), LAB LAN "[guest %s]\nnetworks = lan\n", name);
	assert_null(load(text));
	assert_non_null(strstr(conf_errors.lines[0], "the name is too long"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_defaults, conf_free_errors),
		cmocka_unit_test_teardown(test_all, conf_free_errors),
		cmocka_unit_test_teardown(test_errors, conf_free_errors),
		cmocka_unit_test(test_whose),
		cmocka_unit_test_teardown(test_long_name, conf_free_errors),
	};

	return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
