# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# From $W/results to text.  relay.sh sources this, after table.sh.

# shellcheck disable=SC2034 # table.sh reads it
METRICS="tcp1 tcp1r tcp4 udp1400 rtt busy hub through"
HEAD="TCP 1 | TCP 1 r | TCP 4 | UDP 1400 B | ping | CPU at TCP 1 | relay's CPU | by the relay |"
LINE="|---|---|---|---|---|---|---|---|"

# cells PEER FACTOR METRIC...: median (lowest..highest) of each, times FACTOR
cells() {
	local p=$1 factor=$2 m s
	shift 2
	for m in "$@"; do
		s=$(stat "$p" "$m")
		if [ -n "$s" ]; then
			awk -v f="$factor" '{ printf " %.4g (%.4g..%.4g) |", $1 * f, $2 * f, $3 * f }' <<<"$s"
		else
			printf ' - |'
		fi
	done
}

tcp_table() {
	local p
	echo "## Through a relay"
	echo
	echo "Two sites that reach the relay's place and not each other. TCP in Mb/s, UDP flood in packets/s"
	echo "that arrived, ping in us, CPU in percent of one core, of the whole machine; the CPU of the"
	echo "process in the middle alone in ms for each Gb of TCP 1; what came to it in percent of the"
	echo "bytes that TCP 1 delivered, 100 and more if all went there. r: hb to ha; 4: four streams."
	echo "Hosts' MTU: 1500, but n2n 1400 (its tunnel's own is 1500, -M)."
	echo
	printf '| | %s\n' "$HEAD"
	printf '|---%s\n' "$LINE"
	for p in $RUN; do
		row "$p"
	done
	case " $RUN " in *" lanspan "*) ;; *) return ;; esac
	echo
	echo "lanspan's medians as multiples of the others'; asked for is 8 of TCP."
	echo
	echo "| | TCP 1 | TCP 1 r | TCP 4 | UDP 1400 B | ping | relay's CPU |"
	echo "|---|---|---|---|---|---|---|"
	for p in $RUN; do
		[ "$p" = lanspan ] || printf '| %s | %s | %s | %s | %s | %s | %s |\n' "${TITLE[$p]}" \
			"$(ratio lanspan "$p" tcp1)" "$(ratio lanspan "$p" tcp1r)" "$(ratio lanspan "$p" tcp4)" \
			"$(ratio lanspan "$p" udp1400)" "$(ratio lanspan "$p" rtt)" "$(ratio lanspan "$p" hub)"
	done
}

copies_table() {
	local size n
	echo "## Broadcast copies"
	echo
	echo "One member of a network floods as fast as the others get it. Copies that arrived, in millions"
	echo "a second: as it went on this machine, sites and relay together; and for each second of the"
	echo "relay's CPU by the scheduler's account, which holds its system calls and what the loopback"
	echo "delivers in them. Bytes are those of the flooded packet, without the HOP around it. A program"
	echo "plays all sites with a socket each; it verifies some of what arrives."
	echo
	echo "| members | bytes | copies/s, M | copies for a second of the relay's CPU, M | relay's CPU, % of a core | lost, % |"
	echo "|---|---|---|---|---|---|"
	for size in $SIZES; do
		for n in $CROWDS; do
			printf '| %s | %s |' "$n" "$size"
			cells "copies-$n-$size" 1e-6 copies copies-cpu
			cells "copies-$n-$size" 1 copies-busy copies-lost
			echo
		done
	done
}

sites_row() { # WORDS FACTOR METRIC
	local n
	printf '| %s |' "$1"
	for n in $SITES; do
		cells "sites-$n" "$2" "$3"
	done
	echo
}

sites_table() {
	local n
	echo "## Registered sites"
	echo
	echo "A hundred sites in each network; all call a fresh relay within a second, and go on at a site's"
	echo "pace. Keepalive as sites have it by default: a PING every $KEEPALIVE s from each, with its answer,"
	echo "measured over $KEEPALIVE s; and the same with new keys, which each site makes every 120 s. Asked for"
	echo "is: at most 4 KiB a site, 30 s, 10 % of a core. Memory is what the relay has more than empty, so"
	echo "with few sites it is mostly what it has once."
	echo "Packets of 100 bytes from one member to another, in millions for a second of the relay's CPU:"
	echo "between two, always the same; between any two of one network, another pair each time; between"
	echo "any two of all networks. What finds the receiver costs the same if the first and the second do"
	echo "not change from column to column; with the third many more members than the relay has ciphers"
	echo "set up for (256) send and receive, so theirs are made for each packet."
	echo
	printf '| |'
	printf ' %s |' $SITES
	echo
	printf '|---|'
	for n in $SITES; do
		printf -- '---|'
	done
	echo
	sites_row "all registered, s" 1 registered
	sites_row "all have the whole list, s" 1 listed
	sites_row "relay's CPU for that, s" 1 register-cpu
	sites_row "resident, KiB for each" 1 memory
	sites_row "the same after all below, KiB" 1 memory-after
	sites_row "keepalive, % of a core" 1 keepalive
	sites_row "keepalive and new keys, % of a core" 1 renewal
	sites_row "between two, M/s of CPU" 1e-6 pair-cpu
	sites_row "in one network, M/s of CPU" 1e-6 network-cpu
	sites_row "in all networks, M/s of CPU" 1e-6 anyone-cpu
	sites_row "PINGs without an answer" 1 keepalive-unanswered
	sites_row "cookies asked for" 1 cookies
	sites_row "answers that came after a second call" 1 late
	sites_row "dropped by the relay, those calls too" 1 dropped
	sites_row "packets that made no sense to a site" 1 bad
}

relay_table() {
	local p
	echo "# A relay"
	echo
	echo "$(date -u +%F), $ROUNDS rounds in turns, $T s a measurement."
	echo "Machine: $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(nproc) CPUs," \
		"Linux $(uname -r), $(openssl version 2>/dev/null | cut -d' ' -f1-2)."
	for p in $RUN; do
		echo "- ${TITLE[$p]}: $(version "$p")"
	done
	wanted tcp || echo "- $("$BIN/lanspan" version)"
	echo "- busy with other things before the measurements: median $(others) % of one core"
	[ -z "$MISSING" ] || echo "- not installed, left out:$MISSING"
	echo "- median (lowest..highest)"
	for p in tcp copies sites; do
		wanted $p || continue
		echo
		"${p}_table"
	done
}
