# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What is measured of a tunnel that stands: each figure becomes a line "PEER METRIC
# VALUE" of $W/results.  bench.sh sources this.

# note METRIC VALUE
note() {
	echo "$NOW $1 ${2:-}" >>"$W/results"
}

# counted LOAD HEADERS PAYLOAD COMMAND...: runs it; of a lanspan that tells them, the
# system calls that it made meanwhile, both sites, and the frames, as metrics
# LOAD.KIND; a full frame of that load has so many bytes of each
counted() {
	local load=$1 headers=$2 payload=$3 before=''
	shift 3
	counts_calls && before=$(ledger)
	"$@"
	[ -z "$before" ] || spent "$before" "$headers" "$payload" | sed "s/^/$NOW $load./" >>"$W/results"
}

# Whether the tunnel that stands is a lanspan that counts its system calls.
counts_calls() {
	case $NOW in
	lanspan | workers | openssl | plain) calls a b >/dev/null 2>&1 ;;
	*) false ;;
	esac
}

# load OPTION...: iperf3 from ha to hb for T seconds, its JSON
load() {
	iperf hb ha 5201 -t "$T" "$@" 2>/dev/null
}

megabits() {
	jq -r '.end.sum_received.bits_per_second / 1e6 | floor'
}

# Packets that arrived a second.
arrived() {
	jq -r '.end.streams[0].udp | (.packets - .lost_packets) / .seconds | floor'
}

busy_ticks() {
	awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 }' /proc/stat
}

# CPU time of the tunnel's own processes since they started, in ns: the kernel's
# exact account, which holds what it does in their system calls
tunnel_time() {
	local p
	for p in "${TUNNEL[@]}"; do
		cat /proc/"$p"/task/*/schedstat
	done 2>/dev/null | awk '{ n += $1 } END { printf "%.0f", n }'
}

idle_ticks() {
	awk '/^cpu / { print $5 + $6 }' /proc/stat
}

# steady: notes what 500 Mb/s of TCP cost, in percent of one core, once it flows: the
# tunnel's processes, and the whole machine, as the time says that it was not idle.
# Not when the tunnel is too slow for it.
steady() {
	local begin idle spent client seconds window=$((T > 3 ? T : 3))
	rm -f "$W/steady.json"
	spawn hb "$W/log/$NOW.log" iperf3 -s -1 -p 5203
	wait_for 5 "" listens hb t 5203
	spawn ha "$W/steady.json" iperf3 -J -c 192.168.77.2 -p 5203 -b 500M -t $((window + 2))
	client=$SPAWNED
	sleep 1
	begin=$EPOCHREALTIME
	idle=$(idle_ticks)
	spent=$(tunnel_time)
	sleep $window
	seconds=$(since "$begin")
	idle=$(($(idle_ticks) - idle))
	spent=$(($(tunnel_time) - spent))
	wait_for 20 "" gone "$client"
	[ "$(megabits <"$W/steady.json")" -ge 475 ] || return 0
	note machine500 "$(awk -v n="$idle" -v s="$seconds" -v hz="$(getconf CLK_TCK)" -v cpus="$(nproc)" \
		'BEGIN { printf "%.1f", 100 * (cpus - n / hz / s) }')"
	[ "${#TUNNEL[@]}" -eq 0 ] || # in the kernel
		note cpu500 "$(awk -v n="$spent" -v s="$seconds" 'BEGIN { printf "%.1f", n / s / 1e7 }')"
}

# busy OPTION...: as load; the machine's busy CPUs in percent of one into BUSY,
# and the JSON into load.json
busy() {
	local before begin
	before=$(busy_ticks)
	begin=$EPOCHREALTIME
	iperf hb ha 5201 -t "$T" "$@" >load.json 2>/dev/null
	BUSY=$(awk -v n="$(($(busy_ticks) - before))" -v s="$(since "$begin")" \
		-v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%d", n / hz / s * 100 }')
}

# What the machine does besides, in percent of one CPU: should be near nothing.
elsewhere() {
	local before
	before=$(busy_ticks)
	sleep 0.5
	note elsewhere "$((($(busy_ticks) - before) * 200 / $(getconf CLK_TCK)))"
}

# offloads on|off: of the hosts and their ports, as cards without any
offloads() {
	local n
	for n in a b; do
		on h$n ethtool -K e0 tso "$1" gso "$1" tx "$1" tx-udp-segmentation "$1" >/dev/null 2>&1
		on s$n ethtool -K p-$n tso "$1" gso "$1" tx "$1" tx-udp-segmentation "$1" >/dev/null 2>&1
	done
}

# merging on|off: GRO of the bridges' ports, as lanspan's gro = on has it; here for all
merging() {
	local n
	for n in a b; do
		on s$n ethtool -K p-$n gro "$1" >/dev/null 2>&1
	done
}

# Of ping's closing lines: the average, in us.
round_trip() {
	awk -F'[/ ]' '/^rtt/ { print $8 * 1000 }'
}

# The round trip while a TCP stream saturates, in us.
rtt_under_load() {
	local stream
	spawn hb "$W/log/$NOW.log" iperf3 -s -1 -p 5202
	wait_for 5 "" listens hb t 5202
	spawn ha "$W/log/$NOW.log" iperf3 -c 192.168.77.2 -p 5202 -t $((T + 1))
	stream=$SPAWNED
	on ha ping -q -w "$T" -i 0.01 192.168.77.2 | round_trip
	wait_for 20 "" gone "$stream"
}

# Frames of 64 bytes a second that arrive with at most 1 % lost: the pace is
# halved in between six times.
paced() {
	local low=0 high=400000 pace json best=0 _
	for _ in 1 2 3 4 5 6; do
		pace=$(((low + high) / 2))
		json=$(iperf hb ha 5201 -t 1 -u -l 22 -b $((pace * 22 * 8)) 2>/dev/null)
		if [ "$(jq '.end.sum.lost_percent <= 1' <<<"$json")" = true ]; then
			low=$pace
			best=$(arrived <<<"$json")
		else
			high=$pace
		fi
	done
	echo "$best"
}

measure() {
	counted tcp1 66 1448 busy
	note tcp1 "$(megabits <load.json)"
	note busy "$BUSY"
	note tcp1r "$(load -R | megabits)"
	note tcp4 "$(load -P 4 | megabits)"
	note tcp4r "$(load -P 4 -R | megabits)"
	offloads off
	note tcpno "$(counted tcpno 66 1448 load | megabits)"
	merging on
	note tcpgro "$(load | megabits)"
	merging off
	offloads on
	note udp64 "$(counted udp64 42 64 load -u -b 0 -l 64 | arrived)"
	note pps64 "$(paced)"
	note udp1400 "$(load -u -b 0 -l 1400 | arrived)"
	note rtt "$(counted ping 42 56 on ha ping -q -i 0.002 -c 1000 192.168.77.2 | round_trip)"
	note rttload "$(rtt_under_load)"
	steady
}
