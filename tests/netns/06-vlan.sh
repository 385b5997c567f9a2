#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A trunk: tagged, twice and thrice tagged and priority tagged frames of every
# length go through as they are, both ways, also over an underlay of 1280.
#
#   tcpreplay --> span0 (sa) === wan0 === (sb) span0 --> capture
#
# The frames come from the program frames: this needs no 8021q in the kernel.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need tcpreplay
story "VLAN, QinQ and other tags"

arrived() {
	[ "$(captured "$W/got.pcap")" -ge "$1" ]
}

# carry FROM TO
carry() {
	capture "s$2" span0 "$W/got.pcap" -i
	on "s$1" tcpreplay -q -p 1000 -i span0 "$W/made.pcap" >"$W/log/tcpreplay.log" 2>&1 || fail "tcpreplay"
	wait_for 5 "" arrived "$(wc -l <"$W/made.txt")"
	end "$SPAWNED"
	frames "$W/got.pcap" | by_flow >"$W/got.txt"
	cmp -s "$W/made.txt" "$W/got.txt" || {
		diff "$W/made.txt" "$W/got.txt" | cut -c1-120 | head >&2
		fail "$1 to $2: $(wc -l <"$W/got.txt") of $(wc -l <"$W/made.txt") frames came, not the same"
	}
	echo "  ok  $(wc -l <"$W/got.txt") frames $1 to $2"
}

two_sites
for mtu in 1500 9000; do
	step "bridges of $mtu"
	for s in a b; do
		conf $s bridge bridge -
		conf $s bridge mtu "$mtu"
		conf $s site workers 1 # several keep the order of each flow only
	done
	helper frames
	"$HELPER" make "$mtu" >"$W/made.pcap"
	frames "$W/made.pcap" | by_flow >"$W/made.txt"
	connect
	carry a b
	carry b a
	bridge_stop a
	bridge_stop b
done

step "bridges of 9000 over an underlay of 1280"
for s in a b; do
	ip -n "s$s" link set w0 mtu 1280
done
connect
carry a b
carry b a

step "the same address in two VLANs is two addresses"
one_port_each() {
	[ "$(show b '[.macs[] | select(.mac == "02:00:00:00:0a:01") | .vlan] | unique | length')" -ge 5 ]
}
wait_for 2 "b learned it in several VLANs" one_port_each
