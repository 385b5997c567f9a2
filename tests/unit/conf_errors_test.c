/* SPDX-License-Identifier: MIT */
/* Every mistake in a file gets its line, and none hides another. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "libconf.h"

struct bad {
	const char *text, *expected;
};

static void run_table(const struct bad *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		conf_assert_errors(table[i].text, table[i].expected);
}

#define RUN(table) run_table(table, sizeof(table) / sizeof((table)[0]))

static void test_structure(void **state)
{
	static const struct bad table[] = {
		{ GOOD "mtu 1500\n", "8: mtu 1500: must be [section], key = value or ; comment\n" },
		{ GOOD "= 5\n", "8: = 5: must be [section], key = value or ; comment\n" },
		{ "log = info\n" GOOD, "1: log: stands before the first [section]\n" },
		{ GOOD "[peer paris\npublic_key = @1\n",
		  "8: [peer paris: the section's name must end with ']'\n" },
		{ NETWORK SITE "[bridge] tap = span0\ntap = span0\n",
		  "6: [bridge]: \"tap = span0\" after the section: must be alone\n" },
		{ GOOD "[moon hub]\naddress = x\n",
		  "8: [moon hub]: unknown section: there are [network], [site], [bridge], [port NAME], [relay "
		  "NAME] and [peer NAME]\n" },
		{ GOOD "[relay hub]\naddress = x\n",
		  "8: [relay hub] public_key: missing: must be the key that lanspan keygen printed "
		  "at the relay\n" },
		{ GOOD "[relay hub]\npublic_key = @1\n",
		  "8: [relay hub] address: missing: must be where the relay listens, like "
		  "relay.example.net:7741\n" },
		{ GOOD "[relay hub]\npublic_key = @1\naddress = x\n[relay two]\n"
		       "public_key = @1\naddress = y\n",
		  "12: [relay two] public_key: the key of [relay hub], too: must be a key of its "
		  "own\n" },
		{ GOOD "[relay hub]\npublic_key = @1\naddress = x\n[peer paris]\n"
		       "public_key = @1\n",
		  "9: [relay hub] public_key: the key of [peer paris], too: must be the relay's "
		  "own\n" },
		{ "[network]\nname = lab\ntrust = secret\n" SITE BRIDGE,
		  "3: [network] trust: secret, but there is none: must come with secret_file = "
		  "FILE\n" },
		{ "[netwrok]\nname = lab\n" SITE BRIDGE,
		  "1: [netwrok]: unknown section: did you mean [network]?\n" },
		{ "[Network]\nname = lab\n" SITE BRIDGE,
		  "1: [Network]: unknown section: did you mean [network]?\n" },
		{ GOOD "[pear paris]\npublic_key = @1\n",
		  "8: [pear paris]: unknown section: did you mean [peer NAME]?\n" },
		{ NETWORK SITE "[bridge two]\ntap = span0\n",
		  "6: [bridge two]: must be just [bridge]\n" },
		{ GOOD "[peer]\npublic_key = @1\n", "8: [peer]: needs a name: [peer NAME]\n" },
		{ GOOD "[peer Paris]\npublic_key = @1\n",
		  "8: [peer Paris]: \"Paris\" is not a name: must be 1 to 63 of a-z 0-9 . _ -\n" },
		{ GOOD "[]\nx = y\n",
		  "8: []: unknown section: there are [network], [site], [bridge], [port NAME], [relay NAME] "
		  "and [peer NAME]\n" },
	};

	(void)state;
	RUN(table);
}

static void test_repeated(void **state)
{
	static const struct bad table[] = {
		{ GOOD "mtu = 1400\nmtu = 1500\n",
		  "9: [bridge] mtu: repeated: line 8 has it already\n" },
		{ GOOD "[peer paris]\npublic_key = @1\n[peer paris]\npublic_key = @2\n",
		  "10: [peer paris]: repeated: it began in line 8 already\n" },
		{ GOOD "[site]\nlog = info\n",
		  "8: [site]: repeated: it began in line 3 already\n" },
		/* The values of one do not mix with those of the other. */
		{ NETWORK SITE "listen = [::]\nlisten = [::]\nlisten = [::]\n" BRIDGE
			       "[peer a]\npublic_key = @1\naddress = x\naddress = x\naddress = x\n",
		  "7: [site] listen: repeated: line 6 has it already\n"
		  "8: [site] listen: repeated: line 6 has it already\n"
		  "14: [peer a] address: repeated: line 13 has it already\n"
		  "15: [peer a] address: repeated: line 13 has it already\n" },
		{ GOOD "[peer]\npublic_key = @1\n[peer b]\npublic_key = @2\n",
		  "8: [peer]: needs a name: [peer NAME]\n" },
		/* What is repeated is checked nevertheless. */
		{ GOOD "mtu = 1400\nmtu = big\n[site]\nkeepalive = 0\nlogs = info\n",
		  "9: [bridge] mtu: repeated: line 8 has it already\n"
		  "9: [bridge] mtu: \"big\" is not a number: must be 576 to 9000 bytes\n"
		  "10: [site]: repeated: it began in line 3 already\n"
		  "11: [site] keepalive: 0 is out of range: must be 1 to 300 seconds\n"
		  "12: [site] logs: unknown key: did you mean log?\n" },
	};

	(void)state;
	RUN(table);
}

static void test_unknown_keys(void **state)
{
	static const struct bad table[] = {
		{ GOOD "tpa = x\n", "8: [bridge] tpa: unknown key: did you mean tap?\n" },
		{ GOOD "MTU = 1500\n", "8: [bridge] MTU: unknown key: did you mean mtu?\n" },
		{ GOOD "AGIENG = 99\n", "8: [bridge] AGIENG: unknown key: did you mean ageing?\n" },
		{ GOOD "mac-quota = 99\n",
		  "8: [bridge] mac-quota: unknown key: did you mean mac_quota?\n" },
		{ GOOD "listen = [::]\n",
		  "8: [bridge] listen: unknown key: it belongs to [site]\n" },
		{ GOOD "colour = red\n", "8: [bridge] colour: unknown key: see lanspan.conf(5)\n" },
		/* A misspelt key is not missing as well, and its value is checked. */
		{ NETWORK "[site]\nname = berlin\nkey = a.key\n" BRIDGE,
		  "5: [site] key: unknown key: did you mean key_file?\n" },
		{ GOOD "[peer paris]\npubic_key = x\n",
		  "9: [peer paris] pubic_key: unknown key: did you mean public_key?\n"
		  "9: [peer paris] public_key: \"x\" is not a public key: must be 44 characters of "
		  "base64, as lanspan keygen prints it\n" },
	};

	(void)state;
	RUN(table);
}

/* What iniparser would read as something else than it looks like. */
static void test_swallowed(void **state)
{
	static const struct bad table[] = {
		{ GOOD "bridge = br0;x\n",
		  "8: [bridge] bridge: ';' and '#' begin a comment: put a blank before it, or the "
		  "value in quotes\n" },
		{ GOOD "bridge = \"br0\nmtu = 1\n",
		  "8: [bridge] bridge: the quote is not closed\n"
		  "9: [bridge] mtu: 1 is out of range: must be 576 to 9000 bytes\n" },
		{ GOOD "bridge = 'br0' br1\n",
		  "8: [bridge] bridge: text after the closing quote\n" },
		{ GOOD "bridge = br0 \\\nmtu = 1\n",
		  "8: [bridge] bridge: a backslash at the end would join the next line: must be on "
		  "one line\n"
		  "9: [bridge] mtu: 1 is out of range: must be 576 to 9000 bytes\n" },
		{ GOOD "bridge =\nmtu = ; nothing\noffload = \"\"\n",
		  "8: [bridge] bridge: has no value: give one, or remove the line\n"
		  "9: [bridge] mtu: has no value: give one, or remove the line\n"
		  "10: [bridge] offload: has no value: give one, or remove the line\n" },
	};
	char longest[1200] = GOOD "bridge = ";

	(void)state;
	RUN(table);
	memset(longest + strlen(longest), 'x', 1050);
	conf_assert_errors(longest, "8: the line is too long: at most 1000 characters\n");
}

static void test_zero_byte(void **state)
{
	static const char text[] = GOOD "m\0tu = 1500\n";

	(void)state;
	assert_null(conf_load_bytes(text, sizeof(text) - 1));
	assert_int_equal(conf_errors.n, 1);
	assert_non_null(strstr(conf_errors.lines[0], "berlin.conf:8: a zero byte"));
}

static void test_mandatory(void **state)
{
	static const struct bad table[] = {
		{ "", " [network] name: missing: must be a name, the same at every site\n"
		      " [site] name: missing: must be a name, another at every site\n"
		      " [site] key_file: missing: must be the file that lanspan keygen wrote\n"
		      " [bridge] tap: missing: must be a name for the interface, like span0, where there is no [port NAME]\n" },
		{ "[bridge]\n[site]\n[network]\n",
		  "1: [bridge] tap: missing: must be a name for the interface, like span0, where there is no [port NAME]\n"
		  "2: [site] name: missing: must be a name, another at every site\n"
		  "2: [site] key_file: missing: must be the file that lanspan keygen wrote\n"
		  "3: [network] name: missing: must be a name, the same at every site\n" },
		{ GOOD "[peer paris]\n",
		  "8: [peer paris] public_key: missing: must be the key that lanspan keygen "
		  "printed at that site\n" },
	};

	(void)state;
	RUN(table);
}

static void test_values(void **state)
{
	static const struct bad table[] = {
		{ "[network]\nname = Lab\ncipher = aes\n" SITE BRIDGE,
		  "2: [network] name: \"Lab\" is not a name: must be 1 to 63 of a-z 0-9 . _ -\n"
		  "3: [network] cipher: \"aes\" is not a cipher: must be aes-256-gcm or "
		  "chacha20-poly1305\n" },
		{ GOOD "mtu = 575\nageing = 1000001\nmacs = 255\nmac_quota = 15\n",
		  "8: [bridge] mtu: 575 is out of range: must be 576 to 9000 bytes\n"
		  "9: [bridge] ageing: 1000001 is out of range: must be 10 to 1000000 seconds\n"
		  "10: [bridge] macs: 255 is out of range: must be 256 to 1048576 addresses\n"
		  "11: [bridge] mac_quota: 15 is out of range: must be 16 to 1048576 addresses\n" },
		{ GOOD "mtu = 9001\nageing = 9\nmacs = 18446744073709551616\nmac_quota = -1\n",
		  "8: [bridge] mtu: 9001 is out of range: must be 576 to 9000 bytes\n"
		  "9: [bridge] ageing: 9 is out of range: must be 10 to 1000000 seconds\n"
		  "10: [bridge] macs: 18446744073709551616 is out of range: must be 256 to "
		  "1048576 addresses\n"
		  "11: [bridge] mac_quota: \"-1\" is not a number: must be 16 to 1048576 "
		  "addresses\n" },
		{ GOOD "mtu = 0x5dc\nageing = 5m\n",
		  "8: [bridge] mtu: \"0x5dc\" is not a number: must be 576 to 9000 bytes\n"
		  "9: [bridge] ageing: \"5m\" is not a number: must be 10 to 1000000 seconds\n" },
		{ GOOD "create = maybe\nreserved = yes\noffload = on\nbroadcast = off\n",
		  "8: [bridge] create: \"maybe\": must be yes or no\n"
		  "9: [bridge] reserved: \"yes\": must be pass or drop\n"
		  "10: [bridge] offload: \"on\": must be auto or off\n"
		  "11: [bridge] broadcast: \"off\": must be auto, relay or direct\n" },
		{ NETWORK SITE "log = loud\nkeepalive = 301\n" BRIDGE,
		  "6: [site] log: \"loud\" is not a level: must be error, warn, info or debug\n"
		  "7: [site] keepalive: 301 is out of range: must be 1 to 300 seconds\n" },
		{ NETWORK SITE "port_mapping = maybe\n" BRIDGE,
		  "6: [site] port_mapping: \"maybe\": must be yes or no\n" },
		{ NETWORK SITE "workers = 0\n" BRIDGE,
		  "6: [site] workers: 0 is out of range: must be 1 to 16 threads\n" },
		{ NETWORK SITE "workers = 17\n" BRIDGE,
		  "6: [site] workers: 17 is out of range: must be 1 to 16 threads\n" },
		{ NETWORK SITE "workers = many\n" BRIDGE,
		  "6: [site] workers: \"many\": must be auto or a number of threads\n" },
		{ NETWORK SITE "[bridge]\ntap = a234567890123456\nbridge = br/0\n",
		  "7: [bridge] tap: \"a234567890123456\" is too long for an interface: at most 15 "
		  "characters\n"
		  "8: [bridge] bridge: \"br/0\" is not an interface's name: must be without / : % "
		  "and blanks\n" },
		{ NETWORK SITE "[bridge]\ntap = span%d\nbridge = ..\n",
		  "7: [bridge] tap: \"span%d\" is not an interface's name: must be without / : % "
		  "and blanks\n"
		  "8: [bridge] bridge: \"..\" is not an interface's name: must be without / : % "
		  "and blanks\n" },
	};

	(void)state;
	RUN(table);
}

static void test_listen(void **state)
{
	static const struct bad table[] = {
		{ NETWORK SITE "listen = 0.0.0.0, [::]:7741, 0.0.0.0:7741\n" BRIDGE,
		  "6: [site] listen: \"0.0.0.0:7741\" is there twice\n" },
		{ NETWORK SITE "listen = 0.0.0.0, 127.0.0.1, 127.0.0.1:9, [::]\n" BRIDGE,
		  "6: [site] listen: \"127.0.0.1\": another one stands for all addresses of its "
		  "kind with the same port: leave one of them out\n" },
		{ NETWORK SITE "listen = 224.0.0.1:5, [ff02::1]\n" BRIDGE,
		  "6: [site] listen: \"224.0.0.1:5\" is no address of a host: must be one of this "
		  "host's, or 0.0.0.0 or [::] for all\n"
		  "6: [site] listen: \"[ff02::1]\" is no address of a host: must be one of this "
		  "host's, or 0.0.0.0 or [::] for all\n" },
		{ GOOD "[peer p]\npublic_key = @1\naddress = 0.0.0.0, 239.1.1.1, [::]:9, 1.1.1.1\n",
		  "10: [peer p] address: \"0.0.0.0\": must be the address of one host\n"
		  "10: [peer p] address: \"239.1.1.1\": must be the address of one host\n"
		  "10: [peer p] address: \"[::]:9\": must be the address of one host\n" },
		{ "[network]\nname = lab\nsecret_file = a.key\n" SITE BRIDGE,
		  "3: [network] secret_file: holds this site's private key, which other sites "
		  "must never have: must be what lanspan secret wrote\n" },
		{ "[network]\nname = lab\nsecret_file = secret\n" SITE BRIDGE
		  "[relay hub]\npublic_key = @1\naddress = 192.0.2.1\nsecret_file = secret\n",
		  "12: [relay hub] secret_file: the secret of [network], which the relay must "
		  "not know: must be the access secret that the relay has for this network\n" },
		{ NETWORK SITE "listen = localhost, ::, 1.2.3.4:65536,\n" BRIDGE,
		  "6: [site] listen: \"localhost\" is not an address: must be like 0.0.0.0:7741 or "
		  "[::]:7741\n"
		  "6: [site] listen: \"::\" is not an address: must be like 0.0.0.0:7741 or "
		  "[::]:7741\n"
		  "6: [site] listen: \"1.2.3.4:65536\" is not an address: must be like "
		  "0.0.0.0:7741 or [::]:7741\n"
		  "6: [site] listen: \"\" is not an address: must be like 0.0.0.0:7741 or "
		  "[::]:7741\n" },
		{ NETWORK SITE "listen = 1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5,1.1.1.6,1.1.1.7,"
			       "1.1.1.8,1.1.1.9\n" BRIDGE,
		  "6: [site] listen: 9 addresses: at most 8\n" },
	};

	(void)state;
	RUN(table);
}

static void test_peer_addresses(void **state)
{
	static const struct bad table[] = {
		{ GOOD "[peer p]\npublic_key = @1\n"
		       "address = 2001:db8::1, [2001:db8::1, [1.2.3.4]:1, 1.2.3.256\n",
		  "10: [peer p] address: \"2001:db8::1\": an IPv6 address must be in brackets, "
		  "like [2001:db8::1]:7741\n"
		  "10: [peer p] address: \"[2001:db8::1\": must be like [2001:db8::1]:7741\n"
		  "10: [peer p] address: \"[1.2.3.4]:1\": must be like 192.0.2.1:7741 or "
		  "[2001:db8::1]:7741\n"
		  "10: [peer p] address: \"1.2.3.256\": must be like 192.0.2.1:7741 or "
		  "[2001:db8::1]:7741\n" },
		{ GOOD "[peer p]\npublic_key = @1\naddress = a:0, a:65536, a:, a:x\n",
		  "10: [peer p] address: \"a:0\": the port must be 1 to 65535\n"
		  "10: [peer p] address: \"a:65536\": the port must be 1 to 65535\n"
		  "10: [peer p] address: \"a:\": the port must be 1 to 65535\n"
		  "10: [peer p] address: \"a:x\": the port must be 1 to 65535\n" },
		{ GOOD "[peer p]\npublic_key = @1\naddress = a..b, -a, a b, a/b\n",
		  "10: [peer p] address: \"a..b\": must be a host name or address, like "
		  "vpn.example.net:7741\n"
		  "10: [peer p] address: \"-a\": must be a host name or address, like "
		  "vpn.example.net:7741\n"
		  "10: [peer p] address: \"a b\": must be a host name or address, like "
		  "vpn.example.net:7741\n"
		  "10: [peer p] address: \"a/b\": must be a host name or address, like "
		  "vpn.example.net:7741\n" },
		/* What the resolver would not look up is not taken here. */
		{ GOOD "[peer p]\npublic_key = @1\naddress = a.123, 192.0.2.1.\n",
		  "10: [peer p] address: \"a.123\": must be a host name or address, like "
		  "vpn.example.net:7741\n"
		  "10: [peer p] address: \"192.0.2.1.\": must be like 192.0.2.1:7741 or "
		  "[2001:db8::1]:7741\n" },
		{ GOOD "[peer p]\npublic_key = @1\naddress = a, b, a\n",
		  "10: [peer p] address: \"a\" is there twice\n" },
		{ GOOD "[peer p]\npublic_key = @1\naddress = a, b, c, d, e\n",
		  "10: [peer p] address: 5 addresses: at most 4\n" },
	};

	(void)state;
	RUN(table);
}

/* text with `n` letters x for the '*'. */
static const char *with_letters(const char *text, int n)
{
	static char out[2048];
	char letters[512];
	const char *star = strchr(text, '*');

	memset(letters, 'x', sizeof(letters));
	snprintf(out, sizeof(out), "%.*s%.*s%s", (int)(star - text), text, n, letters, star + 1);
	return out;
}

static void test_lengths(void **state)
{
#define X50 "xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxx."
	static const struct {
		const char *text;
		int most;
		const char *why;
	} table[] = {
		{ "[network]\nname = *\n" SITE BRIDGE, 63, "is not a name" },
		{ "[network]\nname = lab\n[site]\nname = *\nkey_file = a.key\n" BRIDGE, 63,
		  "is not a name" },
		{ GOOD "[peer *]\npublic_key = @1\n", 63, "is not a name" },
		{ NETWORK SITE "[bridge]\ntap = *\n", 15, "is too long for an interface" },
		{ GOOD "[peer p]\npublic_key = @1\naddress = a.*.b\n", 63, "must be a host name" },
		{ GOOD "[peer p]\npublic_key = @1\naddress = *." X50 X50 X50 X50 "\n", 52,
		  "must be a host name" },
		{ GOOD "[peer p]\npublic_key = @1\naddress = *." X50 X50 X50 X50 ":65535\n", 48,
		  "is too long: at most 255" },
	};
	const char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		conf_free(conf_load_good(with_letters(table[i].text, table[i].most)));
		text = with_letters(table[i].text, table[i].most + 1);
		assert_null(conf_load_bytes(text, strlen(text)));
		assert_int_equal(conf_errors.n, 1);
		assert_non_null(strstr(conf_errors.lines[0], table[i].why));
	}
}

static void test_key_files(void **state)
{
	char expected[1024];

	(void)state;
	snprintf(expected, sizeof(expected),
		 "3: [network] secret_file: %s/none: No such file or directory\n"
		 "6: [site] key_file: %s/open.key: mode 0644 is open to others: run chmod 600 "
		 "%s/open.key\n",
		 conf_folder, conf_folder, conf_folder);
	conf_assert_errors(
		NETWORK "secret_file = none\n[site]\nname = berlin\nkey_file = open.key\n" BRIDGE,
		expected);
	snprintf(expected, sizeof(expected),
		 "5: [site] key_file: %s/berlin.conf: mode 0644 is open to others: run chmod 600 "
		 "%s/berlin.conf\n",
		 conf_folder, conf_folder);
	conf_assert_errors(NETWORK "[site]\nname = berlin\nkey_file = berlin.conf\n" BRIDGE,
			   expected);
}

#define SECRET "/x+w7cXVtZwqjkkYIoznUOkRKt9jKVGcJoDDQkVzQUY="

/* The key itself where its file should be named, beside it, or on a line of its own. */
static void test_a_key_by_mistake_is_not_shown(void **state)
{
	static const struct {
		const char *text, *place;
	} table[] = {
		{ NETWORK "secret_file = " SECRET "\n" SITE BRIDGE, "3: [network] secret_file" },
		{ NETWORK "secret_file = \"" SECRET "\"\n" SITE BRIDGE,
		  "3: [network] secret_file" },
		{ NETWORK "secret_file = keys/x" SECRET "\n" SITE BRIDGE,
		  "3: [network] secret_file" },
		{ NETWORK "trust = " SECRET "\n" SITE BRIDGE, "3: [network] trust" },
		{ NETWORK SECRET "\n" SITE BRIDGE, "3: [network]" },
		{ GOOD "[" SECRET "]\n", "8" },
		{ GOOD "[peer " SECRET "]\n", "8" },
		{ GOOD "[peer paris]\npublic_key = @1\nname " SECRET "\n", ":10" },
	};
	char place[CONF_ERRORS_PLACE];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		assert_null(conf_load_bytes(table[i].text, strlen(table[i].text)));
		assert_true(conf_errors.n > 0);
		for (size_t k = 0; k < conf_errors.n; k++) {
			if (strstr(conf_errors.lines[k], "qjkkYIoznUOkRKt9jKVGcJoDDQkVzQU"))
				fail_msg("%s", conf_errors.lines[k]);
		}
		assert_non_null(strstr(conf_errors.lines[0], "(a key, not shown)"));
		conf_errors_place(conf_errors.lines[0], place);
		if (!strstr(place, table[i].place))
			fail_msg("%s", place);
	}
}

static void test_the_place_has_no_value(void **state)
{
	static const struct {
		const char *text, *place;
	} table[] = {
		{ NETWORK SITE "log = pass] word: [x] y\n" BRIDGE, ":6: [site] log" },
		{ NETWORK SITE "[peer paris]\npublic_key = @1\nadress = pass\n" BRIDGE,
		  ":8: [peer paris] adress" },
		{ NETWORK SITE BRIDGE "[site] pass\n", ":8" },
		{ "pass = word\n", ":1" },
	};
	char want[256], place[CONF_ERRORS_PLACE];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		assert_null(conf_load_bytes(table[i].text, strlen(table[i].text)));
		conf_errors_place(conf_errors.lines[0], place);
		snprintf(want, sizeof(want), "%s%s: refused, see lanspan check",
			 conf_path("berlin.conf"), table[i].place);
		assert_string_equal(place, want);
	}
}

static void test_peers_against_each_other(void **state)
{
	static const struct bad table[] = {
		{ GOOD "[peer paris]\npublic_key = @1\n[peer rome]\npublic_key = @1\n",
		  "11: [peer rome] public_key: the key of [peer paris] in line 8, too: must be a "
		  "key of its own\n" },
		{ GOOD "[peer paris]\npublic_key = @0\n",
		  "9: [peer paris] public_key: this site's own key: must be the peer's\n" },
		{ GOOD "[peer berlin]\npublic_key = @1\n",
		  "8: [peer berlin]: this site's own name: must be another site's\n" },
		{ GOOD "[peer paris]\npublic_key = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
		  "9: [peer paris] public_key: \"(a key, not shown)\" "
		  "is not a public key: must be 44 characters of base64, as lanspan keygen prints "
		  "it\n" },
	};

	(void)state;
	RUN(table);
}

static void test_keys_against_each_other(void **state)
{
	static const struct bad table[] = {
		{ GOOD "create = yes\n", "8: [bridge] create: yes, but no bridge is named: must "
					 "come with bridge = NAME\n" },
		{ GOOD "gro = on\n", "8: [bridge] gro: on, but no bridge is named whose ports it "
				      "would be for: must come with bridge = NAME\n" },
		{ GOOD "bridge = span0\n",
		  "8: [bridge] bridge: \"span0\" is the tap: must be another interface\n" },
		{ GOOD "macs = 1000\nmac_quota = 1001\n",
		  "9: [bridge] mac_quota: 1001 is more than macs: must be at most 1000\n" },
		/* One mistake, one message. */
		{ GOOD "create = yes\nbridge = a/b\nmac_quota = 300\nmacs = 1\n",
		  "9: [bridge] bridge: \"a/b\" is not an interface's name: must be without / : % "
		  "and blanks\n"
		  "11: [bridge] macs: 1 is out of range: must be 256 to 1048576 addresses\n" },
	};

	(void)state;
	RUN(table);
}

/* Errors of every step of the reading, in the order of lines. */
static void test_all_errors_in_line_order(void **state)
{
	(void)state;
	conf_assert_errors(
		"[bridge]\ntap = span0\nmtu = 1\n[peer a]\npublic_key = @0\nbogus\n"
		"[site]\nname = a\nkey_file = a.key\nlog = x\n[peer c]\nadress = y:0\n"
		"[moon]\n",
		"3: [bridge] mtu: 1 is out of range: must be 576 to 9000 bytes\n"
		"4: [peer a]: this site's own name: must be another site's\n"
		"5: [peer a] public_key: this site's own key: must be the peer's\n"
		"6: bogus: must be [section], key = value or ; comment\n"
		"10: [site] log: \"x\" is not a level: must be error, warn, info or debug\n"
		"11: [peer c] public_key: missing: must be the key that lanspan keygen "
		"printed at that site\n"
		"12: [peer c] adress: unknown key: did you mean address?\n"
		"12: [peer c] address: \"y:0\": the port must be 1 to 65535\n"
		"13: [moon]: unknown section: there are [network], [site], [bridge], [port NAME], [relay NAME] "
		"and [peer NAME]\n"
		" [network] name: missing: must be a name, the same at every site\n");
}

/* A message cannot forge a second line or colour a terminal. */
static void test_messages_are_printable(void **state)
{
	(void)state;
	conf_assert_errors(GOOD "\x1b[31mred\rx = 1\n", "8: [bridge] ?[31mred?x: unknown key: see "
							"lanspan.conf(5)\n");
}

#define STORY(f) cmocka_unit_test_teardown(f, conf_free_errors)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_structure),
		STORY(test_repeated),
		STORY(test_unknown_keys),
		STORY(test_swallowed),
		STORY(test_zero_byte),
		STORY(test_mandatory),
		STORY(test_values),
		STORY(test_listen),
		STORY(test_peer_addresses),
		STORY(test_lengths),
		STORY(test_key_files),
		STORY(test_peers_against_each_other),
		STORY(test_keys_against_each_other),
		STORY(test_all_errors_in_line_order),
		STORY(test_messages_are_printable),
		STORY(test_a_key_by_mistake_is_not_shown),
		STORY(test_the_place_has_no_value),
	};

	return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
