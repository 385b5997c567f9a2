#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Offloads switched off at each place in turn: what arrives is what was sent, and
# full-size frames that come one by one still share datagrams.
#
#   ha [e0] --- sa [br0: p-a, span0] === wan0, 1500 === [br0: p-b, span0] sb --- hb
#
# "hosts off": e0 and its other end do not segment, merge or sum, as a card
# without offloads.  "site off": offload = off.  "tap off": somebody switches the
# TAP's own off while it runs.  Last, the MSS of a connection, clamped.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need socat sha256sum ethtool tcpdump
story "offloads off at each place in turn"

two_sites
two_hosts
connect
head -c 8000000 /dev/urandom >"$W/random"
SUM=$(sha256sum <"$W/random" | cut -c1-16)

# transfer FROM-NS TO-NS ADDRESS WHAT
transfer() {
	rm -f "$W/got"
	spawn "$2" "$W/log/socat.log" socat -u TCP-LISTEN:9000,reuseaddr "CREATE:$W/got"
	local pid=$SPAWNED
	wait_for 5 "" listens "$2" t 9000
	on "$1" socat -u "OPEN:$W/random" "TCP:$3:9000" || fail "$4: socat"
	wait_for 20 "" gone "$pid"
	equal "$4" "$(sha256sum <"$W/got" | cut -c1-16)" "$SUM"
}

both_ways() {
	transfer ha hb 192.168.77.2 "$1, a to b"
	transfer hb ha 192.168.77.1 "$1, b to a"
}

# offloads NAMESPACE INTERFACE on|off
offloads() {
	on "$1" ethtool -K "$2" tso "$3" gso "$3" gro "$3" tx "$3" tx-udp-segmentation "$3" \
		>/dev/null 2>&1
}

# per_frame SITE PEER COMMAND...: hundredths of a datagram for each frame of 1514
# bytes' worth that the command makes the site send
per_frame() {
	local site=$1 peer=$2 bytes datagrams
	shift 2
	bytes=$(peer_get "$site" "$peer" .tx.bytes)
	datagrams=$(peer_get "$site" "$peer" .tx.datagrams)
	"$@" >/dev/null || fail "$*"
	bytes=$(($(peer_get "$site" "$peer" .tx.bytes) - bytes))
	datagrams=$(($(peer_get "$site" "$peer" .tx.datagrams) - datagrams))
	echo $((datagrams * 100 * 1514 / bytes))
}

step "all on"
both_ways "as it is"

step "hosts off: frames come one by one"
for n in a b; do
	offloads h$n e0 off
	offloads s$n p-$n off
done
both_ways "hosts off"
between "hundredths of a datagram for a full-size frame" \
	"$(per_frame a b transfer ha hb 192.168.77.2 "once more")" 90 125

step "tap off at a, then at b as well"
for n in a b; do
	offloads s$n span0 off
	both_ways "tap of $n off"
done
for n in a b; do
	offloads s$n span0 on
	offloads h$n e0 on
	offloads s$n p-$n on
done

step "site off: a, then b instead, then both"
for sites in a b "a b"; do
	for n in a b; do
		bridge_stop $n
		conf $n bridge offload auto
	done
	for n in $sites; do
		conf "$n" bridge offload off
	done
	conf_write a
	conf_write b
	connect
	both_ways "offload = off at $sites"
done
at_least "super-frames cut for the TAP of b" "$(show b '.ports[0].cut')" 1

step "the MSS of a connection"
conf a bridge mss_clamp 1300
conf_write a
check "reload a" lanspan a reload
capture hb e0 "$W/syn.pcap"
transfer ha hb 192.168.77.2 "clamped at a"
end "$SPAWNED"
equal "largest MSS that b saw" \
	"$(tcpdump -nr "$W/syn.pcap" 2>/dev/null | sed -n 's/.*> 192.168.77.2.*mss \([0-9]*\).*/\1/p' | sort -n | tail -n 1)" 1300
