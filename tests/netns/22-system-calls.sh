#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a frame costs in datagrams and in system calls, by the daemons' own counters;
# and the counters are true, by strace.
#
#   ha [e0] --- sa [br0: p-a, span0] === wan0, 1500 === [br0: p-b, span0] sb --- hb
#
# A datagram is filled from the frames that wait together, and never waits for
# more: so a full-size frame in a burst costs little more than one datagram, and one
# that comes alone costs two.
# alone: yes
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-calls.sh
. "$(dirname "$0")/lib-calls.sh"
need ping iperf3 ethtool tcpreplay
story "system calls and datagrams for each frame"
IDLE=5

# quotient A B
quotient() {
	awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.3f\n", a / b }'
}

# measure COMMAND...: what it spends goes to the file spent
measure() {
	local before
	before=$(ledger)
	"$@" >"$W/command" || fail "$*"
	spent "$before" "${HEADERS:-66}" "${PAYLOAD:-1448}" >"$W/spent"
}

# each KIND [FRAMES]: of what was spent, for each frame that was sent, or arrived
each() {
	quotient "$(spent_on "$1" <"$W/spent")" "$(spent_on "${2:-sent}" <"$W/spent")"
}

whole_path() {
	[ "$(peer_get a b .pmtu)" = 1500 ] && [ "$(peer_get b a .pmtu)" = 1500 ]
}

tap_frames() {
	show a '.ports[0] | .rx.frames + .tx.frames'
}

# mark: datagrams_each counts from here
mark() {
	MARK=$(peer_get a b '"\(.tx.frames) \(.tx.datagrams)"') || fail "a does not answer"
}

# replay N OPTION...: the first N of full.pcap from ha
replay() {
	local n=$1
	shift
	on ha tcpreplay -q -L "$n" "$@" -i e0 "$W/full.pcap" >>"$W/log/tcpreplay.log" 2>&1 ||
		fail "tcpreplay: $(tail -n 1 "$W/log/tcpreplay.log")"
}

# datagrams_each N: for each frame that a sent to b since mark, once it was N
datagrams_each() {
	local frames=${MARK% *} datagrams=${MARK#* }
	wait_for 5 "" sent_frames $((frames + $1)) || fail "not all of $1 frames were sent"
	quotient $(($(peer_get a b .tx.datagrams) - datagrams)) $(($(peer_get a b .tx.frames) - frames))
}

sent_frames() {
	[ "$(peer_get a b .tx.frames)" -ge "$1" ]
}

offers_of() {
	show "$1" .system_calls.yields
}

offloads() {
	local n
	for n in a b; do
		on h$n ethtool -K e0 tso "$1" gso "$1" gro "$1" tx "$1" >/dev/null 2>&1
		on s$n ethtool -K p-$n tso "$1" gso "$1" gro "$1" tx "$1" >/dev/null 2>&1
	done
}

# traced COMMAND...: runs it while strace counts what a asks for, into the file
# strace; the daemon's own counts of that time, in the order of CALLS, into COUNTED
traced() {
	local before=() after=() i
	rm -f "$W/strace.log"
	read -ra before <<<"$(calls a)"
	spawn sa "$W/strace.log" strace -c -f -o "$W/strace" -p "${PID[a]}"
	wait_for 5 "" grep -q -E 'attached|not permitted' "$W/strace.log" || fail "strace does not begin"
	grep -q attached "$W/strace.log" || skip "strace may not look: $(head -n 1 "$W/strace.log")"
	"$@" >"$W/command" || fail "$*"
	end "$SPAWNED"
	read -ra after <<<"$(calls a)"
	COUNTED=()
	for i in "${!after[@]}"; do
		COUNTED+=($((after[i] - before[i])))
	done
}

# strace_says NAME...: how often a made these system calls
strace_says() {
	awk -v names=" $* " 'index(names, " " $NF " ") { n += $4 } END { print n + 0 }' "$W/strace"
}

# agree WHAT COUNTED NAME...: within 1 %, and enough of them for that to mean something
agree() {
	local what=$1 counted=$2 told
	shift 2
	told=$(strace_says "$@")
	at_least "$what by strace" "$told" 1000
	between "$what by the daemon" "$counted" $((told - told / 100)) $((told + told / 100))
}

NO_IPV6=yes # hosts that say nothing of their own accord
two_sites
two_hosts
connect
wait_for 10 "the whole 1500 is in use" whole_path
wait_for 10 "nothing moves" steady 0.5 tap_frames

step "an idle tunnel, $IDLE s: timers only"
equal "frames that may wait at the TAP" "$(ip -n sa -j link show span0 | jq '.[0].txqlen')" 1000
measure sleep $IDLE
equal "offers of the processor" "$(spent_on yields <"$W/spent")" 0
equal "TAP reads and writes" "$(($(spent_on tap_reads <"$W/spent") + $(spent_on tap_writes <"$W/spent")))" 0
between "turns, sends and receives of both" "$(spent_on all <"$W/spent")" 1 $((IDLE * 2 * 8))

not_emulated "how much goes into one call hangs on the pace; the idle tunnel is as it shall be"

step "datagrams for a full-size frame of a protocol that is not merged"
helper frames
"$HELPER" full 6400 >"$W/full.pcap"
mark
kill -STOP "${PID[a]}"
replay 480 --topspeed # no more than a TAP's queue holds
kill -CONT "${PID[a]}"
between "480 that wait together" "$(datagrams_each 480)" 1 1.10
mark # the site begins before a burst is over, so its batches are smaller
replay 6400 --pps=5000 --pps-multi=64
between "6400 in bursts of 64" "$(datagrams_each 6400)" 1 1.25
mark
replay 200 --pps=500
between "200 that come alone" "$(datagrams_each 200)" 1.5 2.1

step "system calls for each frame, both sites together"
HEADERS=42 PAYLOAD=56 measure on ha ping -q -i 0.002 -c 500 192.168.77.2
between "ping, one frame at a time" "$(each all)" 4 8
for _ in 1 2 3; do
	measure iperf hb ha 5201 -t 1
	each all
done | sort -g >"$W/lowest"
# Measured on two cores: 0.13 to 0.20 with ipsec-mb, 0.12 to 0.23 with OpenSSL.
most=0.2
[ "$(show a .site.engine)" != openssl ] || most=0.25
between "a TCP stream, the best of three" "$(head -n 1 "$W/lowest")" 0 $most

step "hosts without offloads: one read for each frame, the rest is shared"
offloads off
datagrams=$(peer_get a b .tx.datagrams)
measure iperf hb ha 5201 -t 1
datagrams=$(($(peer_get a b .tx.datagrams) - datagrams))
between "a TCP stream, all calls" "$(each all)" 0.5 1.5
between "sends" "$(each sends)" 0 0.2
between "TAP writes" "$(each tap_writes)" 0 0.3
between "datagrams for each 1448 bytes" \
	"$(quotient "$datagrams" "$(jq '.end.sum_sent.bytes / 1448' "$W/command")")" 1 1.10
offers=("$(offers_of a)" "$(offers_of b)")
HEADERS=42 PAYLOAD=64 measure iperf hb ha 5201 -t 2 -u -b 0 -l 64
between "a flood of 64 bytes, sends for each that arrived" "$(each sends arrived)" 0 0.5
at_least "offers of the processor by a, which reads them" $(($(offers_of a) - offers[0])) 3
at_least "offers of the processor by b, which writes them" $(($(offers_of b) - offers[1])) 3
offloads on

step "strace counts the same"
need strace
traced on ha ping -q -f -c 3000 192.168.77.2
agree turns "${COUNTED[0]}" epoll_pwait2 epoll_wait
agree "TAP reads" "${COUNTED[1]}" readv
agree "TAP writes" "${COUNTED[2]}" writev
agree receives "${COUNTED[3]}" recvmmsg
agree sends "${COUNTED[4]}" sendmmsg
