#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Full-size frames with DF inside, never a fragment outside: bridges of 1500 and
# 9000 over an underlay of 1500, one of 1280, and one where only a router in the
# middle is of 1280 and the sites are not told.
#
#   ha --- sa === wan === sb --- hb        sa --- wan (router, 1280 towards b) --- sb
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping iperf3
story "frame sizes over paths of 1500 and 1280"

# world BRIDGE-MTU: hosts and sites with that MTU on the bridges
world() {
	local s
	two_hosts "$1"
	for s in a b; do
		conf $s bridge mtu "$1"
		ip -n "s$s" link set br0 mtu "$1"
	done
}

teardown() {
	local n
	bridge_stop a
	bridge_stop b
	for n in ha hb sa sb wan; do
		ip netns del $n
	done
	rm -f "$W"/etc/*.key
	CONF=()
	PEER=()
}

# path WAN-MTU BRIDGE-MTU: what the tunnel must carry there
path() {
	local size
	capture sb w0 "$W/wan.pcap" -f
	fragments=$SPAWNED
	for size in 0 1 28 500 1200 1372 1400 $(($2 - 29)) $(($2 - 28)); do
		check "IPv4, $size bytes with DF" pings ha 192.168.77.2 -M "do" -s "$size"
	done
	check "IPv6, $(($2 - 48)) bytes" pings hb fd77::1 -M "do" -s $(($2 - 48))
	on ha ping -q -c 1 -W 1 -M "do" -s $(($2 - 27)) 192.168.77.2 >/dev/null 2>&1 &&
		fail "a frame above the MTU passed"
	lost=$(on ha ping -q -i 0.01 -c 100 -M "do" -s $(($2 - 28)) 192.168.77.2 | grep -o '[0-9.]*% packet loss')
	equal "100 full-size pings" "$lost" "0% packet loss"
	speed "TCP, Mb/s" "$(iperf hb ha 5201 -t 1 | jq '.end.sum_received.bits_per_second / 1e6 | floor')" 10
	end "$fragments"
	equal "IP fragments on the underlay" "$(captured "$W/wan.pcap")" 0
	between "size in use a to b" "$(peer_get a b .pmtu)" 1 "$1"
}

for bridge in 1500 9000; do
	for wan in 1500 1280; do
		step "bridge $bridge over an underlay of $wan"
		two_sites "$wan"
		world "$bridge"
		connect
		path "$wan" "$bridge"
		teardown
	done
done

step "bridge 9000, a router of 1280 in the middle"
two_sites 1500
ip -n wan link set to-b nomaster
ip -n wan addr add 10.98.0.254/24 dev to-b
ip -n sb addr flush dev w0
ip -n sb addr add 10.98.0.2/24 dev w0
ip -n sa route add 10.98.0.0/24 via 10.99.0.254
ip -n sb route add 10.99.0.0/24 via 10.98.0.254
on wan sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
ip -n wan link set to-b mtu 1280
peer a b 10.98.0.2:7741
world 9000
connect
path 1280 9000

step "the path shrinks while it is used"
ip -n wan link set to-b mtu 1500
teardown
two_sites 1500
world 1500
connect
full() {
	[ "$(peer_get a b .pmtu)" = 1500 ]
}
wait_for 10 "the whole 1500 is in use" full
ip -n wan link set wan0 type bridge nf_call_iptables 0 2>/dev/null
ip -n wan link set to-b mtu 1300
small() {
	pings ha 192.168.77.2 -M "do" -s 1472
	[ "$(peer_get a b .pmtu)" -le 1300 ]
}
wait_for 10 "it is found to be smaller" small
check "full-size ping after that" pings ha 192.168.77.2 -M "do" -s 1472
