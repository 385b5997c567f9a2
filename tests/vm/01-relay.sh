#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 600
#
# Two hosts' labs are one, over a relay: each host is a namespace with a bridge process, its
# guest a machine of QEMU whose card is a TAP in the host's Linux bridge.
#
#   ann --- sa(br0) --- symmetric NAT ---+=== wan ===+--- symmetric NAT --- sb(br0) --- bob
#                                              |
#                                           r-hub
# shellcheck source=../netns/lib.sh
. "$(dirname "$0")/../netns/lib.sh"
for lib in nat relay machine; do
	# shellcheck source=/dev/null
	. "$TOP/tests/netns/lib-$lib.sh"
done
# shellcheck source=lib.sh
. "$TOP/tests/vm/lib.sh"
story "guests of two hosts, over a relay"
relay_by_anybody
relay_program
nat_need
machine_files
# shellcheck disable=SC2034 # lib-machine.sh takes it
MACHINE_MEMORY=320 # a file of 100 MB is in half of it

underlay
keys a b
relay hub
relay_open hub
for s in a b; do
	nat for-$s symmetric
	plug $s for-$s
done
peer a b
peer b a
for s in a b; do
	conf_write $s
	relay_of $s hub
done

# machine_in SITE NAME NUMBER: its card is a port of the site's bridge
machine_in() {
	ip -n "s$1" tuntap add vm0 mode tap
	ip -n "s$1" link set vm0 master br0 up
	machine_run "s$1" "$2" -device "virtio-net-pci,netdev=n,mac=52:54:00:00:00:0$3" \
		-netdev tap,id=n,ifname=vm0,script=no,downscript=no
}

step "hosts, relay and guests start"
relay_start hub
bridge_start a b
machine_in a ann 1
machine_in b bob 2
wait_for 10 "the relay carries it" both_are relayed a b
machine_booted ann
machine_booted bob

step "a guest serves DHCP to the guest of the other host"
machine_server bob
machine_lease ann

step "they reach each other"
check "ann pings bob" machine ann "ping -q -c 3 192.168.77.2 >/dev/null"
check "bob pings ann" machine bob "ping -q -c 3 $LEASE >/dev/null"
check "with 1500 bytes" machine bob "ping -q -c 1 -s 1472 $LEASE >/dev/null"

step "100 MB"
machine_file bob 100
machine_sends bob ann "$LEASE"
machine_received ann
machine_file ann 100

step "the relay and a site die while 100 MB go the other way, and come again"
machine_sends ann bob 192.168.77.2
before=$(peer_get a b .tx.bytes)
sent() { # MEGABYTES
	[ $(($(peer_get a b .tx.bytes) - before)) -gt $(($1 * 1000000)) ]
}
wait_for 30 "10 MB are across" sent 10
relay_kill hub
sleep 1
[ -z "$(machine_status bob "$SENDING")" ] || fail "all was across before the relay died"
relay_start hub
wait_for 15 "the relay carries it again" both_are relayed a b
bridge_kill b
sleep 1
bridge_start b
wait_for 15 "and again" both_are relayed a b
machine_received bob
check "bob pings ann" machine bob "ping -q -c 3 $LEASE >/dev/null"
