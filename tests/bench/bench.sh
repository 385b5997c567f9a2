#!/bin/bash
# SPDX-License-Identifier: MIT
#
# One table of speeds: lanspan beside other tunnels, in the same call, in turns.
#
#   ha --- sa [br0: p-a, TUNNEL] === w0 --- w0 === [br0: p-b, TUNNEL] sb --- hb
#
# A round takes each peer once: its tunnel is started, measured and stopped; the
# next round begins with the next peer.  The table shows medians over the rounds
# with the lowest and highest, and ratios of medians.  All of it, load included,
# shares this machine's cores, so only ratios within one run mean anything.  A
# second table says how many system calls lanspan makes for a frame.
#
#   ROUNDS   default 5          T       seconds of one measurement, default 3
#   PEERS    default "vxlan openvpn tinc fastd n2n wgvxlan lanspan workers openssl plain bare":
#            lanspan takes the fastest engine that is there, workers is lanspan with
#            workers = 2, openssl with engine = openssl, plain has its cipher left
#            out, which no product can, bare moves the bytes and does nothing else:
#            as far as any tunnel of this kind gets here
#   WAN_MTU  default 1500       OUT     folder for RESULTS.md, default build/bench
#   LIBRARIES  a folder with packages of another Debian, unpacked by dpkg -x (libc6,
#            libssl3t64, zlib1g, libzstd1): lanspan and OpenVPN run with what is there
#
# Packages: iperf3 jq iputils-ping openvpn openssl tinc fastd n2n wireguard-go
# wireguard-tools; what is missing is named and left out.
QUIET=yes
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../netns/lib.sh
. "$HERE/../netns/lib.sh"
# shellcheck source=../netns/lib-calls.sh
. "$HERE/../netns/lib-calls.sh"
need ping iperf3 jq ethtool
ROUNDS=${ROUNDS:-5}
T=${T:-3}
PEERS=${PEERS:-vxlan openvpn tinc fastd n2n wgvxlan lanspan workers openssl plain bare}
OUT=${OUT:-$TOP/build/bench}
# shellcheck source=libraries.sh
[ -z "${LIBRARIES:-}" ] || . "$HERE/libraries.sh"
# shellcheck source=peers.sh
. "$HERE/peers.sh"
# shellcheck source=measure.sh
. "$HERE/measure.sh"
# shellcheck source=table.sh
. "$HERE/table.sh"

# The bridges of all peers alike: frames do not pass the packet filters, as
# lanspan's netfilter = off has it.
netfilter_off() {
	local setting
	for setting in iptables ip6tables arptables; do
		on "$1" sh -c "echo 0 >/proc/sys/net/bridge/bridge-nf-call-$setting" 2>/dev/null
	done
	true
}

stage() {
	local n
	WAN_MTU=${WAN_MTU:-1500}
	for n in sa sb; do
		netns $n
		bridge_add $n br0
		quiet $n br0
		netfilter_off $n
	done
	ip link add w0 mtu "$WAN_MTU" netns sa type veth peer name w0 mtu "$WAN_MTU" netns sb
	for n in a b; do
		ip -n s$n addr add "10.99.0.$(number $n)/24" dev w0
		ip -n s$n link set w0 up
		host $n $n
	done
	keys a b
	peer a b 10.99.0.2:7741
	peer b a 10.99.0.1:7741
	conf_write a
	conf_write b
}

# choose: of PEERS those that can run into RUN, the others into MISSING
choose() {
	local p program
	for p in $PEERS; do
		for program in ${PROGRAMS[$p]}; do
			command -v "$program" >/dev/null || { MISSING="$MISSING $p" && continue 2; }
		done
		[ "$p" != workers ] || workers_known || { MISSING="$MISSING $p" && continue; }
		RUN="$RUN $p"
	done
	RUN=${RUN# }
}

take() {
	NOW=$1
	hosts 1500
	elsewhere
	if "start_$1" && wait_for 15 "" pings ha 192.168.77.2; then
		measure
	else
		echo "round $round: $1 does not carry a ping:" >&2
		tail -n 5 "$W/log/$1.log" >&2
	fi
	stop_tunnel
}

for p in $PEERS; do
	[ -n "${PROGRAMS[$p]:-}" ] || fail "no peer named $p; there are: ${!PROGRAMS[*]}"
done
mkdir "$W/work" && cd "$W/work" || exit 1
: >"$W/results"
stage
RUN='' MISSING=''
choose
[ -n "$RUN" ] || skip "none of $PEERS can run here"
turn=$RUN
for ((round = 1; round <= ROUNDS; round++)); do
	for p in $turn; do
		echo "round $round of $ROUNDS: $p" >&2
		take "$p"
	done
	case $turn in *" "*) turn="${turn#* } ${turn%% *}" ;; esac
done
mkdir -p "$OUT"
table | tee "$OUT/RESULTS.md"
cp "$W/results" "$OUT/results.txt"
