# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# From $W/results to text: medians over the rounds, and ratios of medians.
# bench.sh sources this.

METRICS="tcp1 tcp1r tcp4 tcp4r tcpno tcpgro udp64 pps64 udp1400 rtt rttload busy cpu500 machine500"
HEAD="TCP 1 | TCP 1 r | TCP 4 | TCP 4 r | TCP 1, hosts without offloads | the same, ports with GRO | UDP 64 B | 64 B, at most 1 % lost | UDP 1400 B | ping | ping under TCP | CPU at TCP 1 | tunnel CPU at 500 Mb/s | machine at 500 Mb/s |"
LINE="|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"

# stat PEER METRIC: median, lowest, highest
stat() {
	awk -v p="$1" -v m="$2" '$1 == p && $2 == m && NF == 3 { print $3 }' "$W/results" | sort -g |
		awk '{ v[NR] = $1 } END { if (NR) printf "%g %g %g", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[1], v[NR] }'
}

others() {
	awk '$2 == "elsewhere" { print $3 }' "$W/results" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

row() {
	local m s
	printf '| %s |' "${TITLE[$1]}"
	for m in $METRICS; do
		s=$(stat "$1" $m)
		# shellcheck disable=SC2086 # three words
		[ -n "$s" ] && printf ' %s (%s..%s) |' $s || printf ' - |'
	done
	echo
}

# ratio PEER OTHER METRIC
ratio() {
	local a b
	a=$(stat "$1" "$3")
	b=$(stat "$2" "$3")
	[ -n "$a" ] && [ -n "$b" ] && awk -v a="${a%% *}" -v b="${b%% *}" 'BEGIN { if (b) printf "%.2f", a / b; else printf "-" }' ||
		printf -- -
}

ratios() {
	local p m
	printf '| | %s\n' "$HEAD"
	printf '|---%s\n' "$LINE"
	for p in $RUN; do
		[ "$p" = "$1" ] && continue
		printf '| %s |' "${TITLE[$p]}"
		for m in $METRICS; do
			printf ' %s |' "$(ratio "$p" "$1" $m)"
		done
		echo
	done
}

# calls_row PEER LOAD WORDS: each kind per frame that the hosts sent, and all per
# frame that arrived; medians over the rounds of each round's own quotient
calls_row() {
	local kind
	printf '| %s | %s |' "${TITLE[$1]}" "$3"
	for kind in all $CALLS; do
		printf ' %s |' "$(per_frame "$1" "$2" $kind sent)"
	done
	printf ' %s |\n' "$(per_frame "$1" "$2" all arrived)"
}

# per_frame PEER LOAD KIND sent|arrived
per_frame() {
	awk -v p="$1" -v kind="$2.$3" -v frames="$2.$4" '
		$1 != p { next }
		$2 == kind { n = $3 }
		$2 == frames && $3 > 0 { printf "%.4f\n", n / $3 }' "$W/results" | sort -g |
		awk '{ v[NR] = $1 } END { printf NR ? "%.3f" : "-", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

# Whether any peer's system calls were counted.
any_calls() {
	grep -q ' ping\.all ' "$W/results"
}

calls_table() {
	local p
	echo "System calls of lanspan-bridge, both sites together, for each frame that the hosts sent,"
	echo "medians.  Frames by the counters of both hosts' interfaces, ACKs too; a super-frame counts"
	echo "as the frames that it would be on a wire, with 1448 bytes of TCP or 64 of UDP in each."
	echo "A flood loses frames before they reach the tunnel: so the last column, all calls for each"
	echo "frame that arrived at a host."
	echo
	echo "| | load | all | turns (epoll_wait) | TAP reads | TAP writes | receives | sends | all, per frame arrived |"
	echo "|---|---|---|---|---|---|---|---|---|"
	for p in $RUN; do
		case $p in lanspan | workers | openssl | plain) ;; *) continue ;; esac
		calls_row "$p" tcp1 "TCP 1"
		calls_row "$p" tcpno "TCP 1, hosts without offloads"
		calls_row "$p" udp64 "UDP 64 B"
		calls_row "$p" ping "ping"
	done
}

# less_hosts PEER: the machine's CPU at 500 Mb/s less that under VXLAN, which stands for
# what the hosts take: it adds next to nothing
less_hosts() {
	local with without
	with=$(stat "$1" machine500)
	without=$(stat vxlan machine500)
	[ -n "$with" ] && [ -n "$without" ] && awk -v a="${with%% *}" -v b="${without%% *}" 'BEGIN { printf "%.1f", a - b }' ||
		printf -- -
}

hosts_table() {
	local p other
	other=$(less_hosts openvpn)
	echo "CPU of the tunnel at 500 Mb/s, both ends, with the hosts' share left out: that of the machine"
	echo "less that of the machine under VXLAN, in percent of one core."
	echo
	echo "| | CPU | OpenVPN's over it |"
	echo "|---|---|---|"
	for p in $RUN; do
		[ "$p" != vxlan ] || continue
		echo "| ${TITLE[$p]} | $(less_hosts "$p") | $(awk -v a="$other" -v b="$(less_hosts "$p")" \
			'BEGIN { if (a + 0 > 0 && b + 0 > 0) printf "%.1f", a / b; else printf "-" }') |"
	done
}

table() {
	local p
	echo "# lanspan beside other tunnels"
	echo
	echo "$(date -u +%F), $ROUNDS rounds in turns, $T s a measurement, underlay MTU $WAN_MTU."
	echo "Machine: $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(nproc) CPUs," \
		"Linux $(uname -r), $(openssl version 2>/dev/null | sed 's/.*Library: //' | cut -d' ' -f1-2)."
	for p in $RUN; do
		echo "- ${TITLE[$p]}: $(version "$p")"
	done
	echo "- busy with other things before the measurements: median $(others) % of one core"
	[ -z "$MISSING" ] || echo "- not installed, or without that key, left out:$MISSING"
	echo
	echo "Median (lowest..highest). TCP in Mb/s, UDP floods in packets/s that arrived, ping in us,"
	echo "CPU in percent of one core: of the whole machine, load and both ends, or of the tunnel's own"
	echo "processes, both ends, by the scheduler's account; r: hb to ha; 4: four streams."
	echo "Hosts' MTU: 1500, but VXLAN $((WAN_MTU - 50)), n2n 1400, VXLAN over WireGuard $((WAN_MTU - 130))."
	echo "Bridge netfilter (bridge-nf-call-*) is off for all."
	echo
	printf '| | %s\n' "$HEAD"
	printf '|---%s\n' "$LINE"
	for p in $RUN; do
		row "$p"
	done
	case " $RUN " in *" vxlan "*)
		echo
		hosts_table
		;;
	esac
	if any_calls; then
		echo
		calls_table
	fi
	for p in openvpn vxlan; do
		case " $RUN " in *" $p "*) ;; *) continue ;; esac
		echo
		echo "Ratios to ${TITLE[$p]}:"
		echo
		ratios $p
	done
}
