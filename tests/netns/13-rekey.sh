#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A rekey every second under UDP both ways and TCP: no frame is lost to one.
#
#   ha --- sa === wan0 === sb --- hb
#
#   SECONDS_OF_REKEY   default 60
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need iperf3
T=${SECONDS_OF_REKEY:-60} RATE=20
if emulated; then
	T=20 RATE=1
fi
story "rekey every second for $T s"

two_sites
two_hosts
connect
rekeys=$(peer_get a b .rekeys)

# flow PORT OPTION...: iperf3 in the background, JSON into PORT.json
flow() {
	local port=$1
	shift
	spawn hb "$W/log/iperf-$port.log" iperf3 -s -1 -p "$port"
	wait_for 5 "" listens hb t "$port"
	spawn ha "$W/$port.json" iperf3 -c 192.168.77.2 -p "$port" -J -t "$T" "$@"
	FLOWS="${FLOWS:-} $SPAWNED"
}
flow 5201 -u -b ${RATE}M -l 1200 -w "$(iperf_window)"
flow 5202 -u -b ${RATE}M -l 1200 -w "$(iperf_window)" -R
flow 5203 -b ${RATE}M

start=${EPOCHREALTIME/[.,]/}
n=0
due() {
	((${EPOCHREALTIME/[.,]/} - start >= n * 1000000))
}
while [ "$n" -lt "$T" ]; do
	n=$((n + 1))
	wait_for 5 "" due
	# both sides take turns
	if ((n % 2)); then
		lanspan a rekey b >/dev/null || fail "rekey b at a"
	else
		lanspan b rekey a >/dev/null || fail "rekey a at b"
	fi
done
speed "s they took" "$(awk -v a="$start" -v b="${EPOCHREALTIME/[.,]/}" 'BEGIN { print (b - a) / 1e6 }')" "$T" $((T + 2))
for f in $FLOWS; do
	wait_for 20 "" gone "$f"
done
for f in "$W"/520?.json; do
	error=$(jq -r '.error // empty' "$f")
	[ -z "$error" ] || fail "iperf3: $error"
done

at_least "rekeys" "$(($(peer_get a b .rekeys) - rekeys))" $((T * 9 / 10))
equal "UDP a to b: lost" "$(jq .end.sum.lost_packets "$W/5201.json")" 0
speed "UDP a to b: packets" "$(jq .end.sum.packets "$W/5201.json")" $((T * RATE * 75))
equal "UDP b to a: lost" "$(jq .end.sum.lost_packets "$W/5202.json")" 0
speed "UDP b to a: packets" "$(jq .end.sum.packets "$W/5202.json")" $((T * RATE * 75))
speed "TCP: Mb/s" "$(jq '.end.sum_received.bits_per_second / 1e6 | floor' "$W/5203.json")" $((RATE * 3 / 4))
