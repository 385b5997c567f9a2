#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Streams and datagrams both ways, and what arrives is what was sent.
#
#   ha --- sa [br0: p-a, span0] === wan0, 1500 === [br0: p-b, span0] sb --- hb
#
#   LONG   set: each measurement takes 3 s instead of 1 s
# alone: yes
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need iperf3 socat sha256sum
story "iperf3 and 50 MB of random bytes, both ways"
T=${T:-${LONG:+3}}
T=${T:-1}

megabits() {
	jq -r '.end.sum_received.bits_per_second / 1e6 | floor'
}

# transfer FROM-NS TO-NS ADDRESS WHAT: the file by TCP, and its hash over there
transfer() {
	rm -f "$W/got"
	spawn "$2" "$W/log/socat.log" socat -u TCP6-LISTEN:9000,ipv6only=0,reuseaddr "CREATE:$W/got"
	local pid=$SPAWNED
	wait_for 5 "" listens "$2" t 9000
	on "$1" socat -u "OPEN:$W/random" "TCP:$3:9000" || fail "$4: socat"
	wait_for 10 "" gone "$pid"
	equal "$4" "$(sha256sum <"$W/got" | cut -c1-16)" "$SUM"
}

two_sites
two_hosts
connect

step "50 MB of random bytes"
head -c 50000000 /dev/urandom >"$W/random"
SUM=$(sha256sum <"$W/random" | cut -c1-16)
transfer ha hb 192.168.77.2 "a to b, IPv4"
transfer hb ha 192.168.77.1 "b to a, IPv4"
transfer ha hb '[fd77::2]' "a to b, IPv6"
transfer hb ha '[fd77::1]' "b to a, IPv6"

step "TCP, $T s each"
speed "a to b, Mb/s" "$(iperf hb ha 5201 -t "$T" | megabits)" 20
speed "b to a, Mb/s" "$(iperf hb ha 5202 -t "$T" -R | megabits)" 20
speed "4 streams, Mb/s" "$(iperf hb ha 5203 -t "$T" -P 4 | megabits)" 20
speed "IPv6, Mb/s" "$(IPERF_TO=fd77::2 iperf hb ha 5204 -t "$T" | megabits)" 20

step "UDP at 20 Mb/s, $T s each"
for size in 64 1000 1400 1472; do
	rate=20M
	[ "$size" = 64 ] && rate=2M
	lost=$(iperf hb ha 5205 -u -w "$(iperf_window)" -b "$rate" -l "$size" -t "$T" | jq -r .end.sum.lost_percent)
	speed "a to b, $size bytes, lost %" "$lost" 0 1
	lost=$(iperf hb ha 5206 -u -w "$(iperf_window)" -b "$rate" -l "$size" -t "$T" -R | jq -r .end.sum.lost_percent)
	speed "b to a, $size bytes, lost %" "$lost" 0 1
done
