/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/flood.h"
#include "libconf.h"

/* --- good files --- */

static void test_defaults(void **state)
{
	struct conf *c = conf_load_good(GOOD);
	char text[ADDR_TEXT];

	(void)state;
	assert_string_equal(c->file, conf_path("berlin.conf"));
	assert_string_equal(c->instance, "berlin");
	assert_string_equal(c->network, "lab");
	assert_false(c->has_secret);
	assert_int_equal(c->cipher, CIPHER_AES_256_GCM);
	assert_string_equal(c->site, "berlin");
	assert_memory_equal(c->private_key, conf_private_keys[0], KEX_KEY);
	assert_memory_equal(c->public_key, conf_public_keys[0], KEX_KEY);
	assert_int_equal(c->n_listen, 2);
	assert_string_equal(addr_format(&c->listen[0], text), "0.0.0.0:7741");
	assert_string_equal(addr_format(&c->listen[1], text), "[::]:7741");
	assert_int_equal(c->log, LOG_LEVEL_INFO);
	assert_int_equal(c->keepalive, 10);
	assert_true(c->any_engine);
	assert_int_equal(c->workers, CONF_WORKERS_AUTO);
	assert_true(c->port_mapping);
	assert_string_equal(c->hook, "");
	assert_string_equal(c->key_log, "");
	assert_string_equal(c->tap, "span0");
	assert_string_equal(c->bridge, "");
	assert_false(c->create);
	assert_int_equal(c->mtu, 1500);
	assert_false(c->reserved_pass);
	assert_true(c->learning);
	assert_int_equal(c->mss_clamp, CONF_MSS_OFF);
	assert_int_equal(c->broadcast - 1, FLOOD_AUTO);
	assert_true(c->offload);
	assert_int_equal(c->ageing, 300);
	assert_int_equal(c->macs, 16384);
	assert_int_equal(c->mac_quota, 8192);
	assert_int_equal(c->n_peers, 0);
	conf_free(c);
}

static void test_every_key(void **state)
{
	struct conf *c = conf_load_good(
		"; a comment with = and [ \\\n"
		"  [network]   ; behind a section\n"
		"name=a.b_c-9\n\tsecret_file = 'secret' # behind a value\r\n"
		"cipher = chacha20-poly1305\n"
		"[site]\nname = \"berlin\"\nkey_file = a.key\n"
		"listen = 192.0.2.1, [2001:db8::1]:9 ,0.0.0.0:0\n"
		"log = debug\nkeepalive = 300\nengine = openssl\nworkers = 16\n"
		"port_mapping = no\nkey_log = berlin.keys\n"
		"[bridge]\ntap = a23456789012345\nbridge = br0\ncreate = yes\n"
		"mtu = 9000\nreserved = pass\nlearning = no\nmss_clamp = 1300\noffload = off\nageing = 10\n"
		"broadcast = relay\n"
		"macs = 256\nmac_quota = 256\n"
		"[peer paris]\npublic_key = @1\n"
		"address = 203.0.113.7 , vpn.example.net:1,[fe80::1%2]\n"
		"[ peer   rome ]\npublic_key = \"@2\"");
	char text[ADDR_TEXT];

	(void)state;
	assert_string_equal(c->network, "a.b_c-9");
	assert_true(c->has_secret);
	assert_memory_equal(c->secret, conf_private_keys[1], KEX_KEY);
	assert_int_equal(c->cipher, CIPHER_CHACHA20_POLY1305);
	assert_int_equal(c->n_listen, 3);
	assert_string_equal(addr_format(&c->listen[0], text), "192.0.2.1:7741");
	assert_string_equal(addr_format(&c->listen[1], text), "[2001:db8::1]:9");
	assert_string_equal(addr_format(&c->listen[2], text), "0.0.0.0:0");
	assert_int_equal(c->log, LOG_LEVEL_DEBUG);
	assert_int_equal(c->keepalive, 300);
	assert_false(c->any_engine);
	assert_int_equal(c->workers, 16);
	assert_false(c->port_mapping);
	assert_string_equal(c->key_log, conf_path("berlin.keys"));
	assert_string_equal(c->tap, "a23456789012345");
	assert_string_equal(c->bridge, "br0");
	assert_true(c->create);
	assert_int_equal(c->mtu, 9000);
	assert_true(c->reserved_pass);
	assert_false(c->learning);
	assert_int_equal(c->mss_clamp, 1300);
	assert_int_equal(c->broadcast - 1, FLOOD_RELAY);
	assert_false(c->offload);
	assert_int_equal(c->ageing, 10);
	assert_int_equal(c->macs, 256);
	assert_int_equal(c->mac_quota, 256);
	assert_int_equal(c->n_peers, 2);
	assert_string_equal(c->peers[0].name, "paris");
	assert_memory_equal(c->peers[0].public_key, conf_public_keys[1], KEX_KEY);
	assert_int_equal(c->peers[0].n_address, 3);
	assert_string_equal(c->peers[0].address[0], "203.0.113.7");
	assert_string_equal(c->peers[0].address[1], "vpn.example.net:1");
	assert_string_equal(c->peers[0].address[2], "[fe80::1%2]");
	assert_string_equal(c->peers[1].name, "rome");
	assert_memory_equal(c->peers[1].public_key, conf_public_keys[2], KEX_KEY);
	conf_free(c);
}

/* Relative names are relative to the file, whatever the working folder. */
static void test_absolute_key_file(void **state)
{
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), NETWORK "[site]\nname = x\nkey_file = %s\n" BRIDGE,
		 conf_path("a.key"));
	conf_free(conf_load_good(text));
}

static void test_relative_file(void **state)
{
	char here[4096];
	struct conf *c;

	(void)state;
	conf_free(conf_load_good(GOOD));
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(conf_folder), 0);
	c = conf_load("berlin.conf", &conf_errors);
	assert_int_equal(chdir(here), 0);
	assert_non_null(c);
	assert_string_equal(c->instance, "berlin");
	conf_free(c);
}

/* --- files as a whole --- */

static void test_too_many_peers(void **state)
{
	static char text[65536] = GOOD;
	size_t used = strlen(text);
	char key_text[KEX_TEXT];
	uint8_t key[KEX_KEY];

	(void)state;
	for (unsigned i = 0; i < CONF_PEERS; i++) {
		memset(key, 0x40, sizeof(key));
		key[0] = (uint8_t)i;
		kex_to_text(key_text, key);
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "[peer p%u]\npublic_key = %s\n", i, key_text);
	}
	conf_free(conf_load_good(text));
	snprintf(text + used, sizeof(text) - used, "[peer more]\npublic_key = @1\n");
	conf_assert_errors(text, "518: [peer more]: one too many: at most 255\n");
}

static void test_files_that_are_none(void **state)
{
	static char large[256 * 1024 + 2];

	(void)state;
	assert_null(conf_load(conf_path("none.conf"), &conf_errors));
	assert_int_equal(conf_errors.n, 1);
	assert_non_null(strstr(conf_errors.lines[0], "none.conf: No such file or directory"));
	conf_errors_free(&conf_errors);

	assert_null(conf_load("/tmp", &conf_errors));
	assert_int_equal(conf_errors.n, 1);
	assert_string_equal(conf_errors.lines[0], "/tmp: Is a directory");

	memset(large, '\n', sizeof(large) - 1);
	conf_assert_errors(large, " larger than 256 KiB: not a configuration file\n");
}

static void test_file_name_is_the_instance(void **state)
{
	static const char *const bad[] = { ".conf", "a b.conf", ".hidden.conf" };
	const char *path;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		path = conf_path(bad[i]);
		conf_put_file(path, GOOD, strlen(GOOD));
		assert_null(conf_load(path, &conf_errors));
		unlink(path);
		assert_int_equal(conf_errors.n, 1);
		assert_non_null(strstr(conf_errors.lines[0], "the file's name names the instance"));
		conf_errors_free(&conf_errors);
	}
}

/* --- iniparser's own complaints --- */

static void test_iniparser_complains_into_the_report(void **state)
{
	static const char text[] = "k1 = a\nk2\nk3 = c\n";
	struct conf_report report = { .file = "f" };

	(void)state;
	assert_null(conf_ini_load(text, sizeof(text) - 1, &report));
	conf_report_finish(&report, &conf_errors);
	assert_int_equal(conf_errors.n, 1);
	assert_string_equal(conf_errors.lines[0],
			    "f:2: must be [section], key = value or ; comment");
}

/* --- reload --- */

static void put_hook(mode_t mode)
{
	conf_put_file(conf_path("hook"), "#!/bin/sh\n", 10);
	assert_int_equal(chmod(conf_path("hook"), mode), 0);
}

/* A symbolic link may lead to it; what counts is the file. */
static void test_hook(void **state)
{
	char whole[4096];
	struct conf *c;

	(void)state;
	put_hook(0755);
	assert_non_null(realpath(conf_path("hook"), whole));
	c = conf_load_good(NETWORK SITE "hook = hook\n" BRIDGE);
	assert_string_equal(c->hook, whole);
	conf_free(c);
	for (unsigned i = 0; i < 2; i++) {
		put_hook(i ? 0775 : 0757);
		c = conf_load_bytes(NETWORK SITE "hook = hook\n" BRIDGE,
				    strlen(NETWORK SITE "hook = hook\n" BRIDGE));
		assert_null(c);
		assert_non_null(strstr(conf_errors.lines[0], "berlin.conf:6: [site] hook: "));
		assert_non_null(strstr(conf_errors.lines[0], "others may write it"));
		conf_errors_free(&conf_errors);
	}
	put_hook(0755);
	assert_int_equal(chmod(conf_folder, 0777), 0);
	assert_null(conf_load_bytes(NETWORK SITE "hook = hook\n" BRIDGE,
				    strlen(NETWORK SITE "hook = hook\n" BRIDGE)));
	assert_non_null(strstr(conf_errors.lines[0], "is a folder that others may write"));
	conf_errors_free(&conf_errors);
	assert_int_equal(chmod(conf_folder, 0755), 0);
	put_hook(0644);
	assert_null(conf_load_bytes(NETWORK SITE "hook = hook\n" BRIDGE,
				    strlen(NETWORK SITE "hook = hook\n" BRIDGE)));
	assert_non_null(strstr(conf_errors.lines[0], "is not executable"));
	conf_errors_free(&conf_errors);
	unlink(conf_path("hook"));
	assert_null(conf_load_bytes(NETWORK SITE "hook = hook\n" BRIDGE,
				    strlen(NETWORK SITE "hook = hook\n" BRIDGE)));
	assert_non_null(strstr(conf_errors.lines[0], "No such file"));
	conf_errors_free(&conf_errors);
	assert_null(conf_load_bytes(NETWORK SITE "hook = .\n" BRIDGE,
				    strlen(NETWORK SITE "hook = .\n" BRIDGE)));
	assert_non_null(strstr(conf_errors.lines[0], "not a regular file"));
	conf_errors_free(&conf_errors);
}

static void test_fixed_differences(void **state)
{
	static const struct {
		const char *text, *difference;
	} table[] = {
		{ GOOD, NULL },
		{ NETWORK SITE "log = debug\nkeepalive = 3\n" BRIDGE
			       "ageing = 20\nreserved = pass\nlearning = no\nmss_clamp = yes\n"
			       "broadcast = direct\n"
			       "[peer x]\npublic_key = @1\naddress = x\n",
		  NULL },
		{ NETWORK SITE "listen = [::], 0.0.0.0\n" BRIDGE, "[site] listen" },
		{ NETWORK SITE "listen = 0.0.0.0\n" BRIDGE, "[site] listen" },
		{ NETWORK SITE "listen = 0.0.0.0, [::]\n" BRIDGE, NULL },
		{ NETWORK SITE "engine = openssl\n" BRIDGE, "[site] engine" },
		{ NETWORK SITE "workers = 2\n" BRIDGE, "[site] workers" },
		{ NETWORK SITE "port_mapping = no\n" BRIDGE, NULL },
		{ NETWORK SITE "key_log = a.keys\n" BRIDGE, "[site] key_log" },
		{ NETWORK SITE "hook = /bin/true\n" BRIDGE, NULL },
		{ NETWORK SITE "workers = auto\n" BRIDGE, NULL },
		{ GOOD "macs = 1000\n", "[bridge] macs" },
		{ GOOD "mac_quota = 1000\n", "[bridge] mac_quota" },
		{ GOOD "mtu = 1400\n", "[bridge] mtu" },
		{ GOOD "offload = off\n", "[bridge] offload" },
		{ GOOD "bridge = br0\n", "[bridge] bridge" },
		{ "[network]\nname = lab\nsecret_file = secret\n" SITE BRIDGE,
		  "[network] secret_file" },
		{ "[network]\nname = lab\ncipher = chacha20-poly1305\n" SITE BRIDGE,
		  "[network] cipher" },
		{ "[network]\nname = lub\n" SITE BRIDGE, "[network] name" },
		{ NETWORK "[site]\nname = rome\nkey_file = a.key\n" BRIDGE, "[site] name" },
		{ NETWORK "[site]\nname = berlin\nkey_file = secret\n" BRIDGE, "[site] key_file" },
	};
	struct conf *a = conf_load_good(GOOD), *b;
	struct conf_errors why;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		b = conf_load_good(table[i].text);
		assert_int_equal(conf_change_is_live(a, b, &why), !table[i].difference);
		assert_int_equal(why.n > 0, table[i].difference != NULL);
		if (table[i].difference)
			assert_non_null(strstr(why.lines[0], table[i].difference));
		conf_errors_free(&why);
		conf_free(b);
	}
	conf_free(a);
}

/* Whoever changed several hears of all at once. */
static void test_fixed_differences_together(void **state)
{
	struct conf *a = conf_load_good(GOOD), *b;
	struct conf_errors why;

	(void)state;
	b = conf_load_good(NETWORK SITE "log = debug\nworkers = 2\n" BRIDGE "mtu = 1400\n");
	assert_false(conf_change_is_live(a, b, &why));
	assert_int_equal(why.n, 2);
	assert_non_null(strstr(why.lines[0], ".conf: [site] workers: this cannot change while"));
	assert_non_null(strstr(why.lines[1], ".conf: [bridge] mtu: this cannot change while"));
	conf_errors_free(&why);
	conf_free(a);
	conf_free(b);
}

#define PEER(name, key) "[peer " name "]\npublic_key = " key "\n"

static void test_changes(void **state)
{
	struct conf *a = conf_load_good(GOOD PEER("x", "@1") PEER("y", "@2")), *b;
	struct conf_changes c;

	(void)state;
	conf_changes(a, a, &c);
	assert_string_equal(c.added, "");
	assert_string_equal(c.removed, "");
	assert_string_equal(c.changed, "");
	assert_string_equal(conf_change_field("added", c.added).key, "");
	b = conf_load_good(GOOD "ageing = 20\n[relay hub]\npublic_key = @1\naddress = x\n"
			   "[port lab1]\nkind = nic\ninterface = nic7\n"
			   PEER("y", "@2") "address = y.example\n");
	conf_changes(a, b, &c);
	assert_string_equal(c.added, "port lab1, relay hub");
	assert_string_equal(c.removed, "peer x");
	assert_string_equal(c.changed, "[bridge] ageing, peer y");
	assert_string_equal(conf_change_field("changed", c.changed).text, c.changed);
	conf_changes(b, a, &c);
	assert_string_equal(c.added, "peer x");
	conf_free(a);
	conf_free(b);
}

/* What finds no room is not cut in the middle. */
static void test_many_changes(void **state)
{
	static const char end[] = ", ...";
	struct conf *a = conf_load_good(GOOD), *b = conf_load_good(GOOD);
	struct conf_changes c;

	(void)state;
	for (b->n_peers = 0; b->n_peers < 60; b->n_peers++)
		snprintf(b->peers[b->n_peers].name, sizeof(b->peers[0].name), "site%02u",
			 b->n_peers);
	conf_changes(a, b, &c);
	assert_int_equal(strncmp(c.added, "peer site00, peer site01, ", 26), 0);
	assert_in_range(strlen(c.added), CONF_CHANGES - 30, CONF_CHANGES - 1);
	assert_string_equal(c.added + strlen(c.added) - strlen(end), end);
	assert_null(strstr(c.added, "peer site59"));
	conf_free(a);
	conf_free(b);
}

#define STORY(f) cmocka_unit_test_teardown(f, conf_free_errors)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_defaults),
		STORY(test_every_key),
		STORY(test_absolute_key_file),
		STORY(test_relative_file),
		STORY(test_too_many_peers),
		STORY(test_files_that_are_none),
		STORY(test_file_name_is_the_instance),
		STORY(test_iniparser_complains_into_the_report),
		STORY(test_hook),
		STORY(test_fixed_differences),
		STORY(test_fixed_differences_together),
		STORY(test_changes),
		STORY(test_many_changes),
	};

	return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
