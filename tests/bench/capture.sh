#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a capture costs: one tunnel, measured without a capture and with one, in turns.
#
#   ha --- sa [br0: p-a, span0] === w0 --- w0 === [br0: span0, p-b] sb --- hb
#
# A round measures each state once; the next round begins with the next state.  The
# capture runs at a, which sends, whole packets into files of a ring.  Both ends, the
# load and the capture's reader share this machine's cores, so what the reader takes is
# counted here as well.
#
#   ROUNDS  default 5          T  seconds of one measurement, default 3
#   OUT     folder for CAPTURE.md, default build/bench
#
# Packages: iperf3 jq
QUIET=yes
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../netns/lib.sh
. "$HERE/../netns/lib.sh"
need iperf3 jq
ROUNDS=${ROUNDS:-5}
T=${T:-3}
OUT=${OUT:-$TOP/build/bench}
# shellcheck source=measure.sh
. "$HERE/measure.sh"

STATES="off lan lan-filter wire wire-filter off-again"
declare -A TITLE=([off]="off" [lan]="lan" [lan-filter]="lan, filter that takes nothing"
	[wire]="wire" [wire-filter]="wire, filter that takes nothing" [off-again]="off, once more")
declare -A POINT=([lan]="lan" [lan-filter]="lan udp port 9 and host 192.0.2.1"
	[wire]="wire" [wire-filter]="wire udp port 9 and host 192.0.2.1")

# begin STATE: its capture, if it has one
begin() {
	RECORD=
	[ -n "${POINT[$1]:-}" ] || return
	rm -f said
	# shellcheck disable=SC2086 # words
	spawn sa said "$BIN/lanspan" -i a capture -w ring.pcap -C 50 -W 2 ${POINT[$1]}
	RECORD=$SPAWNED
	wait_for 5 "" grep -q '^capturing' said || fail "no capture: $(cat said)"
}

# finish: ends it; notes how many packets of a hundred it did not get
finish_capture() {
	[ -n "$RECORD" ] || return
	end "$RECORD" INT
	note lost "$(awk '/captured/ { d = $3; if (d + $1 > 0) printf "%.0f", d * 100 / (d + $1) }' said)"
}

take() {
	NOW=$1
	begin "$1"
	note tcp1 "$(load | megabits)"
	note udp64 "$(load -u -b 0 -l 64 | arrived)"
	finish_capture
}

# middle STATE METRIC: the median
middle() {
	awk -v s="$1" -v m="$2" '$1 == s && $2 == m && NF == 3 { print $3 }' "$W/results" | sort -g |
		awk '{ v[NR] = $1 } END { if (NR) printf "%g", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

# of_off STATE METRIC: that, in percent of what it is without a capture
of_off() {
	awk -v a="$(middle "$1" "$2")" -v b="$(middle off "$2")" 'BEGIN { if (b) printf "%.0f %%", a * 100 / b }'
}

table() {
	local s lost
	echo "# What a capture costs"
	echo
	echo "$(date -u +%F), $ROUNDS rounds in turns, $T s a measurement; medians.  TCP in Mb/s, UDP floods of"
	echo "64 bytes in packets/s that arrived; percent of the same without a capture.  Not captured: of"
	echo "what passed, or of what the filter took, in percent: the budget and the reader."
	echo "Machine: $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(nproc) CPUs, Linux $(uname -r)."
	echo
	echo "| capture | TCP 1 | of off | UDP 64 B | of off | not captured |"
	echo "|---|---|---|---|---|---|"
	for s in $STATES; do
		lost=$(middle "$s" lost)
		echo "| ${TITLE[$s]} | $(middle "$s" tcp1) | $(of_off "$s" tcp1) | $(middle "$s" udp64) |" \
			"$(of_off "$s" udp64) | ${lost:+$lost %} |"
	done
}

mkdir "$W/work" && cd "$W/work" || exit 1
: >"$W/results"
two_sites
two_hosts
connect
turn=$STATES
for ((round = 1; round <= ROUNDS; round++)); do
	echo "round $round of $ROUNDS" >&2
	for s in $turn; do
		take "$s"
	done
	turn="${turn#* } ${turn%% *}"
done
mkdir -p "$OUT"
table | tee "$OUT/CAPTURE.md"
