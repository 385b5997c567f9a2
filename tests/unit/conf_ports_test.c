/* SPDX-License-Identifier: MIT */
/* Lab ports in files and by command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "app/impair_text.h"
#include "core/port.h"
#include "libconf.h"

#define HOST NETWORK SITE /* five lines */
#define QEMU "[port qa]\nkind = qemu\nlocal = 127.0.0.1:10001\nremote = 127.0.0.1:10002\n"

static void test_defaults(void **state)
{
	struct conf *c = conf_load_good(HOST QEMU);
	const struct conf_port *p = &c->ports[0];
	char text[CONF_END_TEXT], vlans[CONF_VLANS_TEXT];

	(void)state;
	assert_string_equal(c->tap, "");
	assert_int_equal(c->mtu, 1500); /* of [bridge], which is not there */
	assert_int_equal(c->ageing, 300);
	assert_false(c->wire);
	assert_int_equal(c->n_ports, 1);
	assert_string_equal(p->name, "qa");
	assert_int_equal(p->kind, CONF_PORT_QEMU);
	assert_int_equal(p->transport, CONF_PORT_DGRAM);
	assert_string_equal(conf_end_format(&p->local, text), "127.0.0.1:10001");
	assert_string_equal(conf_end_format(&p->remote, text), "127.0.0.1:10002");
	assert_string_equal(conf_vlans_format(&p->vlans, vlans), "trunk all");
	assert_int_equal(p->reserved, CONF_RESERVED_AS_BRIDGE);
	assert_false(p->impair[PORT_IN].on || p->impair[PORT_OUT].on);
	assert_int_equal(p->mtu, 1500);
	assert_true(p->offload);
	conf_free(c);
}

static void test_every_key(void **state)
{
	struct conf *c = conf_load_good(
		HOST BRIDGE "mode = switch\nvlan = 7\nimpair_out = loss 2%\n" QEMU
			    "reserved = pass\nimpair_in = delay 80ms\nimpair_out = none\n"
			    "trunk = 10, 20-22,4094\nnative = 5\nqmp = unix:/run/q\n"
			    "qmp_netdev = net0\n"
			    "[port st]\nkind = qemu\ntransport = stream\nremote = unix:/run/s\n"
			    "[port v]\nkind = vbox\nlocal = [::1]:1\nremote = [::1]:2\n"
			    "[port u]\nkind = ubridge\nlocal = unix:/a\nremote = unix:/b\nvlan=4094\n"
			    "[port n]\nkind = nic\ninterface = eth1\n"
			    "[port t]\nkind = tap\ninterface = span1\nbridge = br1\ncreate = yes\n"
			    "mtu = 9000\noffload = off\nreserved = drop\n");
	char text[CONF_END_TEXT], vlans[CONF_VLANS_TEXT];
	const struct conf_port *p = c->ports;

	(void)state;
	assert_int_equal(c->n_ports, 6);
	assert_int_equal(c->vlans.access, 7);
	assert_true(c->impair[PORT_OUT].on);
	assert_int_equal(c->impair[PORT_OUT].setup.loss, 20000);
	assert_int_equal(p[0].reserved, CONF_RESERVED_PASS);
	assert_true(p[0].impair[PORT_IN].on);
	assert_int_equal(p[0].impair[PORT_IN].setup.delay, 80000);
	assert_false(p[0].impair[PORT_OUT].on);
	assert_string_equal(conf_vlans_format(&p[0].vlans, vlans),
			    "trunk 10, 20-22, 4094, native 5");
	assert_string_equal(conf_end_format(&p[0].qmp, text), "unix:/run/q");
	assert_string_equal(p[0].qmp_netdev, "net0");
	assert_int_equal(p[1].transport, CONF_PORT_STREAM);
	assert_string_equal(conf_end_format(&p[1].remote, text), "unix:/run/s");
	assert_int_equal(p[2].kind, CONF_PORT_VBOX);
	assert_string_equal(conf_vlans_format(&p[3].vlans, vlans), "vlan 4094");
	assert_string_equal(p[4].interface, "eth1");
	assert_string_equal(p[5].bridge, "br1");
	assert_true(p[5].create && !p[5].offload);
	assert_int_equal(p[5].mtu, 9000);
	assert_int_equal(p[5].reserved, CONF_RESERVED_DROP);
	conf_free(c);
}

struct bad {
	const char *text, *expected;
};

/* The section is in line 6. */
#define BAD(rest) HOST "[port a]\n" rest
#define ENDS "local = 127.0.0.1:1\nremote = 127.0.0.1:2\n"

static void test_errors(void **state)
{
	static const struct bad table[] = {
		{ BAD(ENDS),
		  "6: [port a] kind: missing: must be qemu, vbox, ubridge, tap or nic\n" },
		{ BAD("kind = kvm\n" ENDS),
		  "7: [port a] kind: \"kvm\": must be qemu, vbox, ubridge, tap or nic\n" },
		{ BAD("kind = qemu\n" ENDS "transport = tcp\n"),
		  "10: [port a] transport: \"tcp\": must be dgram or stream\n" },
		{ BAD("kind = vbox\nlocal = 127.0.0.1\nremote = lab:2\n"),
		  "8: [port a] local: \"127.0.0.1\" is no end of a wire: must be like "
		  "127.0.0.1:10001, [::1]:10001 or unix:/run/lab/a.sock\n"
		  "9: [port a] remote: \"lab:2\" is no end of a wire: must be like "
		  "127.0.0.1:10001, [::1]:10001 or unix:/run/lab/a.sock\n" },
		{ BAD("kind = vbox\nlocal = 127.0.0.1:1\n"),
		  "6: [port a] remote: missing: kind = vbox needs it\n" },
		{ BAD("kind = qemu\nremote = 127.0.0.1:1\n"),
		  "6: [port a] local: missing: transport = dgram needs local and remote\n" },
		{ BAD("kind = qemu\ntransport = stream\n"),
		  "6: [port a] local: missing: a stream needs local to listen at, or remote to "
		  "connect to\n" },
		{ BAD("kind = qemu\ntransport = stream\nlocal = 127.0.0.1:1\n"),
		  "6: [port a] remote: missing: must be the one address that connections are "
		  "taken from\n" },
		{ BAD("kind = ubridge\nlocal = unix:a\nremote = unix:/b\n"),
		  "8: [port a] local: \"unix:a\": must be an absolute path, like "
		  "unix:/run/lab/a.sock\n" },
		{ BAD("kind = ubridge\nlocal = unix:/control/a.sock\nremote = unix:/b\n"),
		  "8: [port a] local: \"/control/a.sock\" would be a control socket, which end "
		  "in .sock in that folder: must be another, like unix:/control/a.port\n" },
		{ BAD("kind = ubridge\nlocal = unix:/a\nremote = 127.0.0.1:1\n"),
		  "9: [port a] remote: one end is a path and the other is not: must be two of a "
		  "kind\n" },
		{ BAD("kind = ubridge\nlocal = [::1]:1\nremote = 127.0.0.1:1\n"),
		  "9: [port a] remote: IPv4 and IPv6 do not go together: must be two of a kind\n" },
		{ BAD("kind = ubridge\nlocal = unix:/a\nremote = unix:/a\n"),
		  "9: [port a] remote: the same as local: must be where the other end is\n" },
		{ BAD("kind = nic\n"), "6: [port a] interface: missing: kind = nic needs it\n" },
		{ BAD("kind = nic\ninterface = eth1\nmtu = 1500\n"),
		  "9: [port a] mtu: does not go with kind = nic: leave it out\n" },
		{ BAD("kind = tap\ninterface = x\ncreate = yes\n"),
		  "9: [port a] create: yes, but no bridge is named: must come with bridge = "
		  "NAME\n" },
		{ BAD("kind = qemu\n" ENDS "vlan = 4095\n"),
		  "10: [port a] vlan: 4095 is out of range: must be 1 to 4094 (a VLAN)\n" },
		{ BAD("kind = qemu\n" ENDS "vlan = 5\ntrunk = 5\n"),
		  "10: [port a] vlan: with trunk or native: must be an access port (vlan) or a "
		  "trunk (trunk, native)\n" },
		{ BAD("kind = qemu\n" ENDS "vlan = 5\ntrunk = all\n"),
		  "10: [port a] vlan: with trunk or native: must be an access port (vlan) or a "
		  "trunk (trunk, native)\n" },
		{ BAD("kind = ubridge\nlocal = 127.0.0.1:1\nremote = 0.0.0.0:2\n"),
		  "9: [port a] remote: \"0.0.0.0:2\" is no address of a host: must be where the "
		  "far "
		  "end is\n" },
		{ BAD("kind = ubridge\nlocal = [::1]:1\nremote = [::]:2\n"),
		  "9: [port a] remote: \"[::]:2\" is no address of a host: must be where the far "
		  "end is\n" },
		{ BAD("kind = qemu\nlocal = 127.0.0.1:1\nremote = 239.1.1.1:2\n"),
		  "9: [port a] remote: \"239.1.1.1:2\" is no address of a host: must be where the "
		  "far end is\n" },
		{ BAD("kind = qemu\nlocal = [::1]:1\nremote = [ff02::1]:2\n"),
		  "9: [port a] remote: \"[ff02::1]:2\" is no address of a host: must be where the "
		  "far end is\n" },
		{ BAD("kind = qemu\nlocal = 127.0.0.1:1\nremote = 255.255.255.255:2\n"),
		  "9: [port a] remote: \"255.255.255.255:2\" is no address of a host: must be "
		  "where "
		  "the far end is\n" },
		{ BAD("kind = vbox\nlocal = 127.0.0.1:1\nremote = 127.0.0.1\n"),
		  "9: [port a] remote: \"127.0.0.1\" has no port: must be like 127.0.0.1:10002\n" },
		{ BAD("kind = qemu\ntransport = stream\nremote = [::1]\n"),
		  "9: [port a] remote: \"[::1]\" has no port: must be like 127.0.0.1:10002\n" },
		{ BAD("kind = vbox\nlocal = unix:/a\nremote = unix:/b\n"),
		  "8: [port a] local: VirtualBox has UDP only: must be like 127.0.0.1:10001\n"
		  "9: [port a] remote: VirtualBox has UDP only: must be like 127.0.0.1:10002\n" },
		{ HOST "[bridge]\nbridge = br0\ncreate = yes\nimpair_in = cut\n" QEMU,
		  "7: [bridge] bridge: of a TAP, but tap is missing: must come with tap = NAME, or "
		  "be "
		  "left out\n"
		  "8: [bridge] create: of a TAP, but tap is missing: must come with tap = NAME, or "
		  "be "
		  "left out\n"
		  "9: [bridge] impair_in: of a TAP, but tap is missing: must come with tap = NAME, "
		  "or "
		  "be left out\n" },
		{ BAD("kind = qemu\n" ENDS "trunk = 5, 9-8\n"),
		  "10: [port a] trunk: \"9-8\" is no VLAN: must be all, or VLANs of 1 to 4094 like "
		  "10, 20-30\n" },
		{ BAD("kind = qemu\n" ENDS "trunk = 4095\n"),
		  "10: [port a] trunk: \"4095\" is no VLAN: must be all, or VLANs of 1 to 4094 "
		  "like "
		  "10, 20-30\n" },
		{ BAD("kind = qemu\n" ENDS "qmp = unix:/q\n"),
		  "6: [port a] qmp_netdev: missing: qmp and qmp_netdev go together\n" },
		{ BAD("kind = qemu\n" ENDS "qmp = 127.0.0.1:1\nqmp_netdev = n\n"),
		  "10: [port a] qmp: must be a path, like unix:/run/lab/a.qmp\n" },
		{ BAD("kind = nic\ninterface = e\n[port b]\nkind = tap\ninterface = e\n"),
		  "11: [port b] interface: \"e\" is that of [port a]: must be another\n" },
		{ BAD("kind = vbox\n" ENDS "[port b]\nkind = qemu\n" ENDS),
		  "12: [port b] local: that of [port a]: must be another\n" },
		{ HOST BRIDGE "[port a]\nkind = nic\ninterface = span0\n",
		  "10: [port a] interface: \"span0\" is that of the TAP of [bridge]: must be "
		  "another\n" },
		{ HOST BRIDGE "bridge = br0\n[port a]\nkind = nic\ninterface = br0\n",
		  "11: [port a] interface: \"br0\" is the bridge of the TAP of [bridge], and "
		  "frames "
		  "would go round for ever: must be another\n" },
		{ BAD("kind = nic\ninterface = e\n[port b]\nkind = nic\ninterface = e\n"),
		  "11: [port b] interface: \"e\" is that of [port a]: must be another\n" },
		{ BAD("kind = tap\ninterface = t\nbridge = br1\n[port b]\nkind = nic\n"
		      "interface = br1\n"),
		  "12: [port b] interface: \"br1\" is the bridge of [port a], and frames would go "
		  "round for ever: must be another\n" },
		{ BAD("kind = nic\ninterface = br1\n[port b]\nkind = tap\ninterface = t\n"
		      "bridge = br1\n"),
		  "12: [port b] bridge: \"br1\" is the NIC of [port a], and frames would go round "
		  "for ever: must be another\n" },
		{ BAD("kind = tap\ninterface = t\nbridge = br1\n[port b]\nkind = tap\n"
		      "interface = u\nbridge = br1\n"),
		  "13: [port b] bridge: \"br1\" is the bridge of [port a], and frames would go "
		  "round for ever: must be another\n" },
		{ HOST BRIDGE "bridge = br0\n[port a]\nkind = tap\ninterface = t\nbridge = br0\n",
		  "12: [port a] bridge: \"br0\" is the bridge of the TAP of [bridge], and frames "
		  "would go round for ever: must be another\n" },
		{ HOST BRIDGE "[port span0]\nkind = nic\ninterface = e\n",
		  "10: [port span0] interface: the port has the name of the tap of [bridge]: must "
		  "have a name of its own\n" },
		{ HOST BRIDGE "mode = wire\nvlan = 5\n" QEMU,
		  "9: [bridge] vlan: with mode = wire, where every frame passes: leave it out\n" },
		{ HOST BRIDGE "mode = wire\ntrunk = all\n" QEMU "trunk = 5\nnative = 5\n",
		  "14: [port qa] trunk: with mode = wire, where every frame passes: leave it out\n"
		  "15: [port qa] native: with mode = wire, where every frame passes: leave it "
		  "out\n" },
		{ HOST "[bridge]\nmode = wire\n" QEMU "vlan = 5\n[port b]\nkind=nic\ninterface=e\n",
		  "12: [port qa] vlan: with mode = wire, where every frame passes: leave it "
		  "out\n" },
		{ HOST BRIDGE "mode = wire\nreserved = drop\nmss_clamp = 1300\nlearning = yes\n"
			      "ageing = 300\nmacs = 16384\nmac_quota = 16\nbroadcast = direct\n"
			      QEMU,
		  "9: [bridge] reserved: with mode = wire, where every frame passes as it is: leave "
		  "it out\n"
		  "10: [bridge] mss_clamp: with mode = wire, where every frame passes as it is: "
		  "leave it out\n"
		  "11: [bridge] learning: with mode = wire, where nothing is learned: leave it "
		  "out\n"
		  "12: [bridge] ageing: with mode = wire, where nothing is learned: leave it out\n"
		  "13: [bridge] macs: with mode = wire, where nothing is learned: leave it out\n"
		  "14: [bridge] mac_quota: with mode = wire, where nothing is learned: leave it "
		  "out\n"
		  "15: [bridge] broadcast: with mode = wire, where there is one far end: leave it "
		  "out\n" },
		{ HOST BRIDGE "mode = wire\n" QEMU "reserved = drop\n",
		  "13: [port qa] reserved: with mode = wire, where every frame passes as it is: "
		  "leave it out\n" },
		{ HOST BRIDGE "mode = wire\n",
		  "8: [bridge] mode: a wire joins exactly two ports, and here are 1 of this site "
		  "and 0 peers: must be two of this site, or one and one [peer NAME], or none where "
		  "they come by command\n" },
		{ HOST BRIDGE "mode = wire\n" QEMU "[peer p]\npublic_key = @1\n",
		  "8: [bridge] mode: a wire joins exactly two ports, and here are 2 of this site "
		  "and 1 peers: must be two of this site, or one and one [peer NAME], or none where "
		  "they come by command\n" },
		{ HOST "[bridge]\nmode = wire\nbridge = br0\n",
		  "8: [bridge] bridge: of a TAP, but tap is missing: must come with tap = NAME, or "
		  "be left out\n" },
		{ HOST "[bridge]\nmode = wire\n[peer p]\npublic_key = @1\n"
		       "[peer q]\npublic_key = @2\n",
		  "7: [bridge] mode: a wire joins exactly two ports, and here are 0 of this site "
		  "and 2 peers: must be two of this site, or one and one [peer NAME], or none where "
		  "they come by command\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++)
		conf_assert_errors(table[i].text, table[i].expected);
}

static void test_wires(void **state)
{
	struct conf *c = conf_load_good(HOST BRIDGE "mode = wire\n" QEMU);

	(void)state;
	assert_true(c->wire);
	assert_true(c->reserved_pass);
	assert_false(c->learning);
	conf_free(c);
	c = conf_load_good(HOST BRIDGE "mode = wire\nreserved = pass\nmss_clamp = no\n"
				       "learning = no\nbroadcast = auto\n" QEMU
				       "reserved = pass\n");
	assert_int_equal(c->ports[0].reserved, CONF_RESERVED_PASS);
	conf_free(c);
	c = conf_load_good(HOST "[bridge]\nmode = wire\n[peer p]\npublic_key = @1\n");
	assert_int_equal(c->n_ports, 0);
	conf_free(c);
	conf_free(conf_load_good(HOST "[bridge]\nmode = wire\n"));
	c = conf_load_good(HOST BRIDGE "mode = wire\n[peer p]\npublic_key = @1\n");
	assert_true(c->wire);
	conf_free(c);
}

/* Its port may be any. */
static void test_listener(void **state)
{
	struct conf *c = conf_load_good(HOST "[port a]\nkind = qemu\ntransport = stream\n"
					     "local = 0.0.0.0:1\nremote = 127.0.0.1\n"
					     "[port b]\nkind = qemu\ntransport = stream\n"
					     "local = [::]:1\nremote = [::1]:7\n");
	char text[CONF_END_TEXT];

	(void)state;
	assert_string_equal(conf_end_format(&c->ports[0].remote, text), "127.0.0.1");
	assert_string_equal(conf_end_format(&c->ports[1].remote, text), "[::1]:7");
	conf_free(c);
}

/* ---- by command ---- */

static void assert_refused(const char *name, const char *setting, const char *expected)
{
	const char *settings[] = { "kind=vbox", "local=127.0.0.1:1", "remote=127.0.0.1:2", setting };
	struct conf_errors errors;
	struct conf_port p;

	assert_false(conf_port_read(&p, name, settings, 4, &errors));
	assert_true(errors.n >= 1);
	assert_string_equal(errors.lines[0], expected);
	conf_errors_free(&errors);
}

static void test_command(void **state)
{
	const char *settings[] = { "kind=vbox", "local=127.0.0.1:1", "remote=127.0.0.1:2",
				   "trunk=1, 3", "impair_in=loss 1%" };
	struct conf_errors errors;
	struct conf_port p, q;
	struct conf *c;

	(void)state;
	assert_true(conf_port_read(&p, "a", settings, COUNT_OF(settings), &errors));
	c = conf_load_good(HOST "[port a]\nkind = vbox\nlocal = 127.0.0.1:1\n"
				"remote = 127.0.0.1:2\ntrunk = 1,3\nimpair_in = loss 1%\n");
	assert_string_equal(p.name, "a");
	assert_true(conf_port_same_wire(&p, &c->ports[0]));
	assert_int_equal(p.vlans.trunk.bits[0], 10);
	assert_int_equal(c->ports[0].vlans.trunk.bits[0], 10);
	assert_int_equal(p.impair[PORT_IN].setup.loss, 10000);
	conf_free(c);
	assert_true(conf_port_read(&q, "a", settings, 3, &errors));
	assert_true(conf_port_same_wire(&p, &q));
	settings[2] = "remote=127.0.0.1:3";
	assert_true(conf_port_read(&q, "a", settings, 3, &errors));
	assert_false(conf_port_same_wire(&p, &q));
}

static void test_command_errors(void **state)
{
	const char *kind = "kind";
	struct conf_errors errors;
	struct conf_port p;

	(void)state;
	assert_false(conf_port_read(&p, "a", &kind, 1, &errors));
	assert_int_equal(errors.n, 1);
	assert_string_equal(errors.lines[0], "kind: must be KEY=VALUE");
	conf_errors_free(&errors);
	assert_refused("A", "vlan=1", "\"A\" is not a name: must be 1 to 63 of a-z 0-9 . _ -");
	assert_refused("a", "vlan", "vlan: must be KEY=VALUE");
	assert_refused("a", "vlan=0",
		       "[port a] vlan: 0 is out of range: must be 1 to 4094 (a VLAN)");
	assert_refused("a", "vlna=1", "[port a] vlna: unknown key: did you mean vlan?");
	assert_refused("a", "kind=nic", "[port a] kind: repeated: must be there once");
	assert_refused("a", "colour=1", "[port a] colour: unknown key: see lanspan.conf(5)");
	assert_refused("a", "vlan=1\n[port b]", "vlan=1?[port b]: must be KEY=VALUE");
	assert_refused("a", "[port b]=1", "[port b]=1: must be KEY=VALUE");
	assert_refused("a", "mtu=1500", "[port a] mtu: does not go with kind = vbox: leave it out");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_defaults, conf_free_errors),
		cmocka_unit_test_teardown(test_every_key, conf_free_errors),
		cmocka_unit_test_teardown(test_errors, conf_free_errors),
		cmocka_unit_test_teardown(test_wires, conf_free_errors),
		cmocka_unit_test_teardown(test_listener, conf_free_errors),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_command_errors),
	};

	setenv("LANSPAN_RUNDIR", "/control", 1);
	return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
