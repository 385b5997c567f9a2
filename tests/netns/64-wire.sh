#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Wire mode: two TAPs at two sites are the ends of one cable.  Every frame passes as it is,
# reserved addresses and 9018 bytes too; nothing is learned; the carrier follows the
# far end within 100 ms.
#
#   span0 (sa) ======= (sb) span0
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-lab.sh
. "$TOP/tests/netns/lib-lab.sh"
need tcpreplay
story "a wire across sites"

two_sites
for s in a b; do
	conf $s bridge bridge -
	conf $s bridge mode wire
	conf $s bridge mtu 9000
	conf $s site workers 1 # several keep the order of each flow, not of all
done
connect
equal "a is a wire" "$(show a .site.mode)" wire
check "people see it, too" eval 'lanspan a show | grep -qx "  mode: wire"'

step "every frame"
helper frames
"$HELPER" make 9000 >"$W/9000.pcap"
"$HELPER" reserved >"$W/reserved.pcap"
for file in "$W/9000.pcap" "$W/reserved.pcap" \
	"$LANSPAN_SHARED"/pcap/{LACP,LLDP_and_CDP,802.1D_spanning_tree,802.1w_rapid_STP,ptp_ethernet}.pcap; do
	[ -e "$file" ] || { echo "  no $file" && continue; }
	carry "$file" a b
	carry "$file" b a
done
equal "nothing was learned" "$(show a '.macs | length')" 0

# carrier_is SITE up|down: what the kernel says of span0 there
carrier_is() {
	local running
	running=$(ip -n "s$1" link show span0 | grep -c LOWER_UP)
	[ "$running" = "$([ "$2" = up ] && echo 1 || echo 0)" ]
}

# quick WHAT SITE up|down: within 100 ms of now, on a machine that is not too busy
quick() {
	local start=${EPOCHREALTIME/[.,]/}
	until carrier_is "$2" "$3"; do
		((${EPOCHREALTIME/[.,]/} - start < 5000000)) || fail "$1: not within 5 s"
	done
	TOOK=$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
	echo "  ok  $1 after $TOOK ms"
}

step "the carrier follows"
for from in a b; do
	to=$([ $from = a ] && echo b || echo a)
	check "both have one" eval 'carrier_is a up && carrier_is b up'
	best=1000000
	for _ in 1 2 3; do
		ip -n s$from link set span0 down
		quick "$to has none when $from is down" $to down
		best=$((TOOK < best ? TOOK : best))
		ip -n s$from link set span0 up
		quick "and one again" $to up
		[ $best -le 100 ] && [ $TOOK -le 100 ] && break
	done
	speed "milliseconds" "$best" 0 100
	wait_for 2 "$from has its own" carrier_is $from up
done
bridge_kill b
bridge_start b
wait_for 10 "a and b are up again" both_up a b
wait_for 2 "with a carrier" carrier_is a up
bridge_stop b
quick "none when b says goodbye" a down
speed "milliseconds" "$TOOK" 0 100
bridge_start b
wait_for 10 "a and b are up again" both_up a b
wait_for 2 "and a carrier" carrier_is a up

step "two ends, and no more"
port a more kind=vbox local=127.0.0.1:1 remote=127.0.0.1:2
conf_write a
"$BIN/lanspan" check "$W/etc/a.conf" 2>"$W/three"
check "three are an error" grep -q 'mode: a wire joins exactly two ports, and here are 2 of this site and 1 peers' "$W/three"
refused() {
	! lanspan a "$@" 2>"$W/refused"
}
check "by command as well" refused port add more kind=vbox local=127.0.0.1:1 remote=127.0.0.1:2
check "which is told" grep -q 'exactly two ports' "$W/refused"
check "nor one that filters" refused port add more kind=vbox local=127.0.0.1:1 remote=127.0.0.1:2 vlan=5
check "which is told" grep -q 'vlan, trunk and native do not go with mode = wire' "$W/refused"
check "nor one that keeps frames" refused port add more kind=vbox local=127.0.0.1:1 \
	remote=127.0.0.1:2 reserved=drop
check "which is told" grep -q 'reserved: with mode = wire, where every frame passes' "$W/refused"
port a more
for key in "reserved drop" "mss_clamp 1300" "learning yes" "ageing 300" "broadcast direct"; do
	# shellcheck disable=SC2086 # two words
	conf a bridge $key
	conf_write a
	check "no $key" eval '! "$BIN/lanspan" check "$W/etc/a.conf" 2>"$W/refused"'
	check "which is told" grep -q "\[bridge\] ${key% *}: with mode = wire" "$W/refused"
	check "nor by reload" refused reload
	conf a bridge "${key% *}" -
done
