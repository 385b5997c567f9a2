/* SPDX-License-Identifier: MIT */
/* A relay's file: what it holds, and every mistake in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/relay_conf.h"
#include "base/bytes.h"
#include "core/identity.h"
#include "libconf.h"

#define RELAY "[relay]\nkey_file = a.key\n" /* two lines */
#define NOT_A_KEY                                                                                  \
	"is not a public key: must be 44 characters of base64, as lanspan keygen prints it"

static struct relay_conf *load_as(const char *name, const char *text)
{
	struct relay_conf *c;

	conf_errors_free(&conf_errors);
	conf_put_file(conf_path(name), text, strlen(text));
	c = relay_conf_load(conf_path(name), &conf_errors);
	unlink(conf_path(name));
	return c;
}

static struct relay_conf *load_good(const char *text)
{
	struct relay_conf *c = load_as("hub.conf", text);

	if (!c)
		fail_msg("%s", conf_errors.n ? conf_errors.lines[0] : "no conf and no error");
	assert_int_equal(conf_errors.n, 0);
	return c;
}

/* Errors without "FOLDER/hub.conf:", the folder's name in them as '$'. */
static void assert_errors(const char *text, const char *expected)
{
	struct relay_conf *c = load_as("hub.conf", text);
	const char *prefix = conf_path("hub.conf:");
	char got[8192] = "", *p = got, *folder;
	const char *line;

	assert_null(c);
	for (size_t i = 0; i < conf_errors.n; i++) {
		assert_memory_equal(conf_errors.lines[i], prefix, strlen(prefix));
		line = conf_errors.lines[i] + strlen(prefix);
		while ((folder = strstr(line, conf_folder))) {
			p += sprintf(p, "%.*s$", (int)(folder - line), line);
			line = folder + strlen(conf_folder);
		}
		p += sprintf(p, "%s\n", line);
	}
	assert_string_equal(got, expected);
}

struct bad {
	const char *text, *expected;
};

static void run_table(const struct bad *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_errors(table[i].text, table[i].expected);
}

#define RUN(table) run_table(table, COUNT_OF(table))

/* --- good files --- */

static void test_defaults(void **state)
{
	struct relay_conf *c = load_good(RELAY);
	char text[ADDR_TEXT];

	(void)state;
	assert_string_equal(c->file, conf_path("hub.conf"));
	assert_string_equal(c->instance, "hub");
	assert_string_equal(c->name, "hub");
	assert_memory_equal(c->private_key, conf_private_keys[0], KEX_KEY);
	assert_memory_equal(c->public_key, conf_public_keys[0], KEX_KEY);
	assert_int_equal(c->n_listen, 2);
	assert_string_equal(addr_format(&c->listen[0], text), "0.0.0.0:7741");
	assert_string_equal(addr_format(&c->listen[1], text), "[::]:7741");
	assert_false(c->open);
	assert_int_equal(c->max_members, 10000);
	assert_int_equal(c->timeout, 60);
	assert_int_equal(c->log, LOG_LEVEL_INFO);
	assert_true(c->any_engine);
	assert_int_equal(c->limits.members, 256);
	assert_int_equal(c->limits.site_packets, 0);
	assert_true(c->limits.site_bytes == 0);
	assert_int_equal(c->limits.network_packets, 0);
	assert_true(c->limits.network_bytes == 0);
	assert_int_equal(c->n_networks, 0);
	relay_conf_free(c);
}

static void test_every_key(void **state)
{
	struct relay_conf *c = load_good(
		"[network lab]\naccess = list\nmembers = @1 , @0\n"
		"network_members = 4096\nsite_packets = 0\nsite_bytes = 12500000000\n"
		"network_packets = 7\nnetwork_bytes = 1000000000000\n"
		"[relay]\nname = r.1\nkey_file = a.key\nlisten = 192.0.2.1\naccess = open\n"
		"members = 100000\ntimeout = 3600\nlog = debug\nengine = openssl\n"
		"network_members = 1\nsite_packets = 1000000000\nsite_bytes = 3\n"
		"network_packets = 4\nnetwork_bytes = 5\n"
		"[network open.1]\naccess = open\n"
		"[network closed]\naccess = secret\nsecret_file = secret\nsite_bytes = 0\n");
	const struct relay_conf_network *n = c->networks;

	(void)state;
	assert_string_equal(c->name, "r.1");
	assert_int_equal(c->n_listen, 1);
	assert_true(c->open);
	assert_int_equal(c->max_members, 100000);
	assert_int_equal(c->timeout, 3600);
	assert_int_equal(c->log, LOG_LEVEL_DEBUG);
	assert_false(c->any_engine);
	assert_int_equal(c->limits.members, 1);
	assert_int_equal(c->limits.site_packets, 1000000000);

	assert_int_equal(c->n_networks, 3);
	assert_string_equal(n[0].name, "lab");
	assert_int_equal(n[0].access, RELAY_LIST);
	assert_int_equal(n[0].members.n, 2);
	assert_int_equal(n[0].limits.members, 4096);
	assert_int_equal(n[0].limits.site_packets, 0);
	assert_true(n[0].limits.site_bytes == 12500000000);
	assert_int_equal(n[0].limits.network_packets, 7);
	assert_true(n[0].limits.network_bytes == 1000000000000);

	assert_string_equal(n[1].name, "open.1");
	assert_int_equal(n[1].access, RELAY_OPEN);
	assert_int_equal(n[1].limits.members, 1);
	assert_int_equal(n[1].limits.site_packets, 1000000000);
	assert_true(n[1].limits.site_bytes == 3);
	assert_int_equal(n[1].limits.network_packets, 4);
	assert_true(n[1].limits.network_bytes == 5);

	assert_int_equal(n[2].access, RELAY_SECRET);
	assert_memory_equal(n[2].secret, conf_private_keys[1], KEX_KEY);
	assert_true(n[2].limits.site_bytes == 0); /* its own 0 */

	assert_ptr_equal(relay_conf_find(c, "closed"), &n[2]);
	assert_null(relay_conf_find(c, "lub"));
	relay_conf_free(c);
}

static bool has_key(const struct relay_conf_network *n, const uint8_t key[KEX_KEY])
{
	for (size_t i = 0; i < n->members.n; i++)
		if (memcmp(n->members.keys[i], key, KEX_KEY) == 0)
			return true;
	return false;
}

static void test_members_file(void **state)
{
	static const char list[] = "# who may come\n\n  @1\t# paris\r\n\t; nobody\n@2";
	struct relay_conf *c;

	(void)state;
	conf_put_file(conf_path("lab.list"), list, strlen(list));
	c = load_good(RELAY
		      "[network lab]\naccess = list\nmembers = @0\nmembers_file = lab.list\n");
	assert_int_equal(c->networks[0].members.n, 3);
	for (int i = 0; i < 3; i++)
		assert_true(has_key(&c->networks[0], conf_public_keys[i]));
	relay_conf_free(c);
	/* Nobody may come yet. */
	conf_put_file(conf_path("lab.list"), "#\n", 2);
	c = load_good(RELAY "[network lab]\naccess = list\nmembers_file = lab.list\n");
	assert_int_equal(c->networks[0].members.n, 0);
	relay_conf_free(c);
	unlink(conf_path("lab.list"));
}

/* More than one line of a configuration can hold. */
static void test_long_list(void **state)
{
	struct relay_conf *c;
	char text[KEX_TEXT];
	uint8_t key[KEX_KEY];
	FILE *f = fopen(conf_path("lab.list"), "w");

	(void)state;
	assert_non_null(f);
	for (unsigned i = 0; i < 4096; i++) {
		memset(key, 0x40, sizeof(key));
		be16_put(key, (uint16_t)i);
		kex_to_text(text, key);
		fprintf(f, "%s\n", text);
	}
	fclose(f);
	c = load_good(RELAY "[network lab]\naccess = list\nmembers_file = lab.list\n");
	assert_int_equal(c->networks[0].members.n, 4096);
	assert_true(has_key(&c->networks[0], key));
	relay_conf_free(c);
	assert_errors(RELAY "[network lab]\naccess = list\nmembers_file = lab.list\nmembers = @0\n",
		      "6: [network lab] members: too many keys: at most 4096\n");
	unlink(conf_path("lab.list"));
}

static void test_all_networks(void **state)
{
	char *text = malloc(1024 * 1024);
	struct relay_conf *c;
	size_t used;

	(void)state;
	assert_non_null(text);
	used = (size_t)sprintf(text, RELAY);
	for (unsigned i = 0; i < RELAY_NETWORKS; i++)
		used += (size_t)sprintf(text + used, "[network n%u]\naccess=open\nsite_bytes=%u\n",
					i, i);
	c = load_good(text);
	assert_int_equal(c->n_networks, RELAY_NETWORKS);
	assert_string_equal(c->networks[4095].name, "n4095");
	assert_true(c->networks[4095].limits.site_bytes == 4095);
	assert_int_equal(c->networks[4095].limits.members, 256);
	relay_conf_free(c);
	sprintf(text + used, "[network more]\naccess = open\n");
	assert_errors(text, "12291: [network more]: one too many: at most 4096\n");
	free(text);
}

/* What a service manager hands over goes before what lies beside the file. */
static void test_credentials(void **state)
{
	char folder[] = "/tmp/lanspan-conf-XXXXXX", path[128];
	struct relay_conf *c;
	char text[KEX_TEXT];
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/a.key", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	fchmod(fileno(f), 0400);
	kex_to_text(text, conf_private_keys[2]);
	fprintf(f, "%s\n", text);
	fclose(f);
	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	c = load_good(RELAY "[network lab]\naccess = secret\nsecret_file = secret\n");
	unsetenv("CREDENTIALS_DIRECTORY");
	unlink(path);
	rmdir(folder);
	assert_memory_equal(c->private_key, conf_private_keys[2], KEX_KEY);
	assert_memory_equal(c->networks[0].secret, conf_private_keys[1], KEX_KEY);
	relay_conf_free(c);
}

/* --- bad ones --- */

static void test_structure(void **state)
{
	static const struct bad table[] = {
		{ "", " [relay] key_file: missing: must be the file that lanspan keygen wrote\n" },
		{ RELAY "[network]\naccess = open\n",
		  "3: [network]: needs a name: [network NAME]\n" },
		{ RELAY "[network Lab]\naccess = open\n",
		  "3: [network Lab]: \"Lab\" is not a name: must be 1 to 63 of a-z 0-9 . _ -\n" },
		{ RELAY "[network lab]\n",
		  "3: [network lab] access: missing: must be open, list or secret\n" },
		{ RELAY "[network lab]\naccess = open\n[network lab]\naccess = ajar\n",
		  "5: [network lab]: repeated: it began in line 3 already\n"
		  "6: [network lab] access: \"ajar\": must be open, list or secret\n" },
		{ RELAY "[network a]\naccess = list\nmembers = @1\nmembers = @1, x\n",
		  "6: [network a] members: repeated: line 5 has it already\n"
		  "6: [network a] members: \"x\" " NOT_A_KEY "\n" },
		{ "[relay hub]\nkey_file = a.key\n", "1: [relay hub]: must be just [relay]\n" },
		{ RELAY "[site]\nname = x\n[bridge]\n",
		  "3: [site]: unknown section: only the file of a site has that, for "
		  "lanspan-bridge; this is a relay's\n"
		  "5: [bridge]: unknown section: only the file of a site has that, for "
		  "lanspan-bridge; this is a relay's\n" },
		{ RELAY "[kitchen]\n",
		  "3: [kitchen]: unknown section: there are [relay] and [network NAME]\n" },
		{ RELAY "[netwrok lab]\naccess = open\n",
		  "3: [netwrok lab]: unknown section: did you mean [network NAME]?\n" },
		{ RELAY "timout = 60\nsecret_file = secret\n",
		  "3: [relay] timout: unknown key: did you mean timeout?\n"
		  "4: [relay] secret_file: unknown key: it belongs to [network NAME]\n" },
		{ RELAY "[network lab]\naccess = open\ntimeout = 5\n",
		  "5: [network lab] timeout: unknown key: it belongs to [relay]\n" },
	};

	(void)state;
	RUN(table);
}

static void test_values(void **state)
{
	static const struct bad table[] = {
		{ "[relay]\nname = Hub\nkey_file = none\n",
		  "2: [relay] name: \"Hub\" is not a name: must be 1 to 63 of a-z 0-9 . _ -\n"
		  "3: [relay] key_file: $/none: No such file or directory\n" },
		{ "[relay]\nkey_file = open.key\n",
		  "2: [relay] key_file: $/open.key: mode 0644 is open to others: run chmod 600 "
		  "$/open.key\n" },
		{ RELAY "listen = here\naccess = list\nlog = loud\nengine = steam\n",
		  "3: [relay] listen: \"here\" is not an address: must be like 0.0.0.0:7741 or "
		  "[::]:7741\n"
		  "4: [relay] access: \"list\": must be open or configured\n"
		  "5: [relay] log: \"loud\" is not a level: must be error, warn, info or debug\n"
		  "6: [relay] engine: \"steam\": must be auto or openssl\n" },
		{ RELAY "members = 0\ntimeout = 9\nnetwork_members = 0\nsite_packets = 1000000001\n"
			"site_bytes = 1000000000001\nnetwork_packets = 10k\nnetwork_bytes = -1\n",
		  "3: [relay] members: 0 is out of range: must be 1 to 100000 sites\n"
		  "4: [relay] timeout: 9 is out of range: must be 10 to 3600 seconds\n"
		  "5: [relay] network_members: 0 is out of range: must be 1 to 4096 sites\n"
		  "6: [relay] site_packets: 1000000001 is out of range: must be 0 to 1000000000 "
		  "packets a second\n"
		  "7: [relay] site_bytes: 1000000000001 is out of range: must be 0 to "
		  "1000000000000 bytes a second\n"
		  "8: [relay] network_packets: \"10k\" is not a number: must be 0 to 1000000000 "
		  "packets a second\n"
		  "9: [relay] network_bytes: \"-1\" is not a number: must be 0 to 1000000000000 "
		  "bytes a second\n" },
		{ RELAY "members = 100001\ntimeout = 3601\nnetwork_members = 4097\n"
			"site_bytes = 99999999999999999999\n",
		  "3: [relay] members: 100001 is out of range: must be 1 to 100000 sites\n"
		  "4: [relay] timeout: 3601 is out of range: must be 10 to 3600 seconds\n"
		  "5: [relay] network_members: 4097 is out of range: must be 1 to 4096 sites\n"
		  "6: [relay] site_bytes: 99999999999999999999 is out of range: must be 0 to "
		  "1000000000000 bytes a second\n" },
		{ RELAY "[network a]\naccess = open\nnetwork_members = 0\nsite_packets = x\n"
			"site_bytes = x\nnetwork_packets = 1000000001\nnetwork_bytes = 1G\n",
		  "5: [network a] network_members: 0 is out of range: must be 1 to 4096 sites\n"
		  "6: [network a] site_packets: \"x\" is not a number: must be 0 to 1000000000 "
		  "packets a second\n"
		  "7: [network a] site_bytes: \"x\" is not a number: must be 0 to 1000000000000 "
		  "bytes a second\n"
		  "8: [network a] network_packets: 1000000001 is out of range: must be 0 to "
		  "1000000000 packets a second\n"
		  "9: [network a] network_bytes: \"1G\" is not a number: must be 0 to "
		  "1000000000000 bytes a second\n" },
	};

	(void)state;
	RUN(table);
}

static void test_access(void **state)
{
	static const struct bad table[] = {
		{ RELAY "[network a]\naccess = secret\n",
		  "4: [network a] access: secret: must come with secret_file\n" },
		{ RELAY "[network a]\naccess = list\n",
		  "4: [network a] access: list: must come with members or members_file\n" },
		{ RELAY "[network a]\naccess = open\nsecret_file = secret\nmembers = @1\n",
		  "5: [network a] secret_file: only for access = secret: change the one or take "
		  "away the other\n"
		  "6: [network a] members: only for access = list: change the one or take away "
		  "the other\n" },
		/* One mistake, one message. */
		{ RELAY "[network a]\naccess = locked\nsecret_file = secret\nmembers = @1\n",
		  "4: [network a] access: \"locked\": must be open, list or secret\n" },
		{ RELAY "[network a]\naccess = secret\nsecret_file = a.key\n",
		  "5: [network a] secret_file: holds the relay's private key, which sites must "
		  "never have: must be what lanspan secret wrote\n" },
	};

	(void)state;
	RUN(table);
}

static const char *id_of(int i)
{
	static char text[3][IDENTITY_ID_TEXT];
	uint8_t id[IDENTITY_ID];

	identity_id(id, conf_public_keys[i]);
	bytes_to_hex(text[i], id, sizeof(id));
	return text[i];
}

static void test_bad_members(void **state)
{
	static const struct bad table[] = {
		{ RELAY "[network a]\naccess = list\nmembers = "
			"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
		  "5: [network a] members: "
		  "\"(a key, not shown)\" " NOT_A_KEY "\n" },
		{ RELAY "[network a]\naccess = list\nmembers_file = none\n",
		  "5: [network a] members_file: $/none: No such file or directory\n" },
		{ RELAY "[network a]\naccess = list\nmembers_file = .\n",
		  "5: [network a] members_file: $/.: not a regular file\n" },
	};
	char expected[1024];

	(void)state;
	snprintf(expected, sizeof(expected),
		 "5: [network a] members: \"50\" " NOT_A_KEY "\n"
		 "5: [network a] members: the key of site id %s is there twice\n",
		 id_of(1));
	assert_errors(RELAY "[network a]\naccess = list\nmembers = @1, 50, @1\n", expected);
	RUN(table);
}

static void test_bad_members_file(void **state)
{
	static const char text[] =
		RELAY "[network a]\naccess = list\nmembers_file = lab.list\nmembers = @2\n";
	static const char list[] = "@1\nhello world\n@1\n@2\n@0x\n";
	bool in_order = memcmp(conf_public_keys[1], conf_public_keys[2], KEX_KEY) < 0;
	char expected[1024];

	(void)state;
	conf_put_file(conf_path("lab.list"), list, strlen(list));
	snprintf(expected, sizeof(expected),
		 "5: [network a] members_file: $/lab.list:2: \"hello world\" is not a public key: "
		 "must be 44 characters of base64, one key a line\n"
		 "5: [network a] members_file: $/lab.list:5: \"(a key, not shown)x\" is not a "
		 "public key: must be 44 characters of base64, one key a line\n"
		 "5: [network a] members_file: the key of site id %s is there twice\n"
		 "5: [network a] members_file: the key of site id %s is there twice\n",
		 id_of(in_order ? 1 : 2), id_of(in_order ? 2 : 1));
	assert_errors(text, expected);
	chmod(conf_path("lab.list"), 0664);
	assert_errors(text, "5: [network a] members_file: $/lab.list: others may write it: must "
			    "be for its owner alone, run chmod go-w\n");
	chmod(conf_path("lab.list"), 0644);
	if (geteuid() == 0) {
		assert_int_equal(chown(conf_path("lab.list"), 4321, 0), 0);
		assert_errors(text, "5: [network a] members_file: $/lab.list: must belong to root "
				    "or to the user who runs this\n");
	}
	unlink(conf_path("lab.list"));
}

static void test_name_from_the_file(void **state)
{
	struct relay_conf *c;

	(void)state;
	assert_null(load_as("Hub.conf", RELAY));
	assert_int_equal(conf_errors.n, 1);
	assert_non_null(strstr(conf_errors.lines[0],
			       "Hub.conf: [relay] name: missing, and the file's name is none: must "
			       "be 1 to 63 of a-z 0-9 . _ -"));
	c = load_as("Hub.conf", RELAY "name = hub\n");
	assert_non_null(c);
	assert_string_equal(c->instance, "Hub");
	assert_string_equal(c->name, "hub");
	relay_conf_free(c);
}

/* --- reload, and which kind --- */

static void test_fixed_differences(void **state)
{
	static const struct {
		const char *text, *difference;
	} table[] = {
		{ RELAY, NULL },
		{ RELAY "log = debug\n[network a]\naccess = list\nmembers = @1\nsite_bytes = 9\n",
		  NULL },
		{ RELAY "name = rome\n", "[relay] name" },
		{ "[relay]\nkey_file = secret\n", "[relay] key_file" },
		{ RELAY "listen = 0.0.0.0\n", "[relay] listen" },
		{ RELAY "access = open\n", "[relay] access" },
		{ RELAY "members = 9\n", "[relay] members" },
		{ RELAY "timeout = 61\n", "[relay] timeout" },
		{ RELAY "engine = openssl\n", "[relay] engine" },
		{ RELAY "network_members = 9\n", "[relay] network_members" },
		{ RELAY "site_packets = 9\n", "[relay] site_packets" },
		{ RELAY "site_bytes = 9\n", "[relay] site_bytes" },
		{ RELAY "network_packets = 9\n", "[relay] network_packets" },
		{ RELAY "network_bytes = 9\n", "[relay] network_bytes" },
	};
	struct relay_conf *a = load_good(RELAY), *b;
	struct conf_errors why;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		b = load_good(table[i].text);
		assert_int_equal(relay_conf_change_is_live(a, b, &why), !table[i].difference);
		assert_int_equal(why.n > 0, table[i].difference != NULL);
		if (table[i].difference)
			assert_non_null(strstr(why.lines[0], table[i].difference));
		conf_errors_free(&why);
		relay_conf_free(b);
	}
	relay_conf_free(a);
}

/* Networks by their names; of their members the keys, wherever they lie. */
static void test_changes(void **state)
{
	static const char a_text[] = RELAY "[network a]\naccess = list\nmembers = @1\n"
					   "[network b]\naccess = open\n"
					   "[network c]\naccess = list\nmembers = @1\n";
	static const char b_text[] = RELAY "log = debug\n"
					   "[network a]\naccess = list\nmembers = @1, @2\n"
					   "[network c]\naccess = list\nmembers = @1\n"
					   "[network d]\naccess = open\n";
	struct relay_conf *a = load_good(a_text), *b = load_good(b_text);
	struct conf_changes c;

	(void)state;
	relay_conf_changes(a, b, &c);
	assert_string_equal(c.added, "network d");
	assert_string_equal(c.removed, "network b");
	assert_string_equal(c.changed, "[relay] log, network a");
	relay_conf_free(a);
	relay_conf_free(b);
}

static void test_kind_of_file(void **state)
{
	static const struct {
		const char *text;
		bool relay;
	} table[] = {
		{ GOOD, false },
		{ RELAY, true },
		{ "[network lab]\naccess = open\n" RELAY, true },
		{ NETWORK "[relay hub]\naddress = x\n" SITE BRIDGE, false },
		{ "; [relay]\n" GOOD, false },
		{ "\n \t[ relay ] ; here\nkey_file = x\n[site]\n", true },
		{ "[network]\n[relay]\n", true },
		{ "", false },
		{ "[relay", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		conf_put_file(conf_path("hub.conf"), table[i].text, strlen(table[i].text));
		assert_int_equal(relay_conf_is(conf_path("hub.conf")), table[i].relay);
	}
	unlink(conf_path("hub.conf"));
	assert_false(relay_conf_is(conf_path("hub.conf")));
}

/* Who hands a file to the wrong program hears of it. */
static void test_wrong_program(void **state)
{
	(void)state;
	conf_errors_free(&conf_errors);
	conf_put_file(conf_path("berlin.conf"), RELAY, strlen(RELAY));
	assert_null(conf_load(conf_path("berlin.conf"), &conf_errors));
	assert_non_null(strstr(conf_errors.lines[0],
			       "1: [relay]: needs a name, [relay NAME]: or this is the file "
			       "of a relay: it is for lanspan-relay"));
}

#define STORY(f) cmocka_unit_test_teardown(f, conf_free_errors)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_defaults),	      STORY(test_every_key),
		STORY(test_members_file),     STORY(test_long_list),
		STORY(test_all_networks),     STORY(test_credentials),
		STORY(test_structure),	      STORY(test_values),
		STORY(test_access),	      STORY(test_bad_members),
		STORY(test_bad_members_file), STORY(test_name_from_the_file),
		STORY(test_fixed_differences), STORY(test_changes),
		STORY(test_kind_of_file),
		STORY(test_wrong_program),
	};

	return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
