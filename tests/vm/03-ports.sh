#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 600
#
# The same two labs, with no TAP: the guests' cards are ports of the bridge processes, ann's
# of datagrams, bob's a stream, and the bridge processes and the relay are nobody's: no root
# is needed for such a lab.
#
#   ann --dgram-- sa --- symmetric NAT ---+=== wan ===+--- symmetric NAT --- sb --stream-- bob
#                                               |
#                                            r-hub
# shellcheck source=../netns/lib.sh
. "$(dirname "$0")/../netns/lib.sh"
for lib in nat relay lab machine; do
	# shellcheck source=/dev/null
	. "$TOP/tests/netns/lib-$lib.sh"
done
# shellcheck source=lib.sh
. "$TOP/tests/vm/lib.sh"
story "guests whose cards are ports, over a relay"
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
	conf $s bridge tap -
	conf $s bridge bridge -
done
peer a b
peer b a
port a ann kind=qemu local=127.0.0.1:10001 remote=127.0.0.1:10002
port b bob kind=qemu transport=stream "remote=unix:$W/run/bob.card"
for s in a b; do
	conf_write $s
	relay_of $s hub
	chown $NOBODY "$W/etc/$s.key" "$W/etc/lab.secret"
done
chown $NOBODY "$W/run"

# bridges_start SITE...: as nobody
bridges_start() {
	local s
	for s; do
		bridge_run $s "${AS_NOBODY[@]}"
		wait_for 10 "" ready_or_gone $s
		bridge_ready $s >/dev/null || fail "bridge process $s does not answer"
	done
}
linked() {
	[ "$(port_get "$1" "$2" .state)" = up ]
}

step "hosts, relay and guests start"
relay_start hub
bridges_start a b
card() {
	echo "virtio-net-pci,netdev=n,mac=52:54:00:00:00:0$1"
}
machine_run sa ann -device "$(card 1)" -netdev dgram,id=n,local.type=inet,local.host=127.0.0.1,local.port=10002,remote.type=inet,remote.host=127.0.0.1,remote.port=10001
machine_run sb bob -device "$(card 2)" -netdev "stream,id=n,server=on,addr.type=unix,addr.path=$W/run/bob.card"
wait_for 20 "" test -S "$W/run/bob.card" || fail "bob has no card"
chown $NOBODY "$W/run/bob.card"
wait_for 10 "the relay carries it" both_are relayed a b
wait_for 10 "bob's port is connected" linked b bob
machine_booted ann
machine_booted bob
equal "user of the bridge process" "$(awk '$1 == "Uid:" { print $2 }' "/proc/${PID[a]}/status")" $NOBODY

step "a guest serves DHCP to the guest of the other host"
machine_server bob
machine_lease ann
check "ann pings bob" machine ann "ping -q -c 3 192.168.77.2 >/dev/null"
check "bob pings ann" machine bob "ping -q -c 3 $LEASE >/dev/null"

step "30 MB"
machine_file bob 30
machine_sends bob ann "$LEASE"
machine_received ann
machine_file ann 100

step "the relay and both sites die while 100 MB go the other way, and come again"
machine_sends ann bob 192.168.77.2
before=$(peer_get a b .tx.bytes)
sent() { # MEGABYTES
	[ $(($(peer_get a b .tx.bytes) - before)) -gt $(($1 * 1000000)) ]
}
wait_for 30 "10 MB are across" sent 10
relay_kill hub
bridge_kill b
sleep 1
bridge_kill a
[ -z "$(machine_status bob "$SENDING")" ] || fail "all was across before they died"
relay_start hub
bridges_start a b
wait_for 15 "the relay carries it again" both_are relayed a b
wait_for 10 "bob's port is connected again" linked b bob
machine_received bob
check "bob pings ann" machine bob "ping -q -c 3 $LEASE >/dev/null"
