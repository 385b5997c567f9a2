#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a relay carries, and what that takes, in three parts:
#
# tcp: two sites that reach nobody but the relay, beside other tunnels whose traffic
# goes through a server in the relay's place, in turns.
#
#   ha --- sa [br0: p-a, TUNNEL] === wan0 === [br0: p-b, TUNNEL] sb --- hb
#                                     |
#                                   r-hub: lanspan-relay, supernode, openvpn
#
# copies: one member floods, the relay copies for all others.
# sites: many sites register, keep alive, and send through the relay.  In both a
# program plays the sites (crowd.c), on the loopback of the namespace r-lone.
#
# A round takes each of it once; the table shows medians over the rounds with the
# lowest and highest.  All of it, load included, shares this machine's cores: only
# ratios within one run mean anything, and figures for each second of the relay's CPU.
#
#   ROUNDS   default 5          T       seconds of one measurement, default 3
#   PARTS    default "tcp copies sites"
#   PEERS    of tcp, default "lanspan n2n openvpn"
#   CROWDS   members of a network that is flooded, default "16 64 256"
#   SIZES    bytes of a flooded packet, default "100 1400"
#   SITES    registered, a hundred in each network, default "100 1000 10000"
#   OUT      folder for RELAY.md, default build/bench
#
# Packages as of bench.sh.  To be run as root: the relay runs as nobody.
QUIET=yes
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../netns/lib.sh
. "$HERE/../netns/lib.sh"
# shellcheck source=../netns/lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping iperf3 jq
ROUNDS=${ROUNDS:-5}
T=${T:-3}
PARTS=${PARTS:-tcp copies sites}
PEERS=${PEERS:-lanspan n2n openvpn}
CROWDS=${CROWDS:-16 64 256}
SIZES=${SIZES:-100 1400}
SITES=${SITES:-100 1000 10000}
KEEPALIVE=10 # seconds, the default of lanspan.conf(5)
OUT=${OUT:-$TOP/build/bench}
CROWD=$BIN/bench/crowd
# shellcheck source=peers.sh
. "$HERE/peers.sh"
# shellcheck source=measure.sh
. "$HERE/measure.sh"
# shellcheck source=table.sh
. "$HERE/table.sh"
# shellcheck source=relay-peers.sh
. "$HERE/relay-peers.sh"
# shellcheck source=relay-table.sh
. "$HERE/relay-table.sh"

# wanted PART
wanted() {
	case " $PARTS " in *" $1 "*) ;; *) false ;; esac
}

# ---- tcp ------------------------------------------------------------------

take() {
	NOW=$1
	hosts 1500
	elsewhere
	if "start_$1" && wait_for 20 "" pings ha 192.168.77.2; then
		measure
	else
		echo "round $round: $1 does not carry a ping:" >&2
		tail -n 5 "$W/log/$1.log" >&2
	fi
	stop_tunnel
}

# Bytes that came to the relay's place.
hub_bytes() {
	ip -n r-hub -s -j link show w0 | jq '.[0].stats64.rx.bytes'
}

hub_time() {
	cat /proc/"$HUB"/task/*/schedstat | awk '{ n += $1 } END { printf "%.0f", n }'
}

measure() {
	local bytes cpu rate
	bytes=$(hub_bytes)
	cpu=$(hub_time)
	busy
	rate=$(megabits <load.json)
	cpu=$(($(hub_time) - cpu))
	note tcp1 "$rate"
	note through "$(jq --argjson n "$(($(hub_bytes) - bytes))" \
		'$n / .end.sum_received.bytes * 100 | floor' <load.json)"
	note busy "$BUSY"
	[ "${rate:-0}" -eq 0 ] || note hub "$(awk -v ns="$cpu" -v m="$rate" -v t="$T" \
		'BEGIN { printf "%.1f", ns / (m * t) / 1e3 }')"
	note tcp1r "$(load -R | megabits)"
	note tcp4 "$(load -P 4 | megabits)"
	note udp1400 "$(load -u -b 0 -l 1400 | arrived)"
	note rtt "$(on ha ping -q -i 0.002 -c 500 192.168.77.2 | round_trip)"
}

# ---- copies and sites -------------------------------------------------------

lone() {
	netns r-lone
	mkdir "$W/etc/lone" "$W/run/lone"
	RELAY_KEY[lone]=$("$BIN/lanspan" keygen "$W/etc/lone/lone.key")
	chown -R $NOBODY "$W/run/lone" "$W/etc/lone"
	printf '%s\n' '[relay]' 'key_file = lone.key' 'access = open' 'listen = 127.0.0.1:7741' |
		relay_conf lone
}

# crowd NAME COMMAND ARGUMENT...: a fresh relay, and that crowd around it
crowd() {
	local name=$1 command=$2
	shift 2
	NOW=$name
	elsewhere
	relay_start lone
	on r-lone setpriv --pdeathsig KILL "$CROWD" "$command" 127.0.0.1:7741 "${RELAY_KEY[lone]}" \
		"${RELAY_PID[lone]}" "$@" >"$W/said" || echo "round $round: $name: no result" >&2
	sed "s/^/$name /" "$W/said" >>"$W/results"
	note dropped "$(relay_drops lone)"
	relay_stop lone
}

copies() {
	local n size
	for size in $SIZES; do
		for n in $CROWDS; do
			echo "round $round of $ROUNDS: copies for $n, $size bytes" >&2
			crowd "copies-$n-$size" copies "$n" "$size" "$T"
		done
	done
}

sites() {
	local n
	for n in $SITES; do
		echo "round $round of $ROUNDS: $n sites" >&2
		crowd "sites-$n" sites "$n" "$(((n + 99) / 100))" "$T" $KEEPALIVE
	done
}

# ---- all of it --------------------------------------------------------------

for p in $PEERS; do
	[ -n "${HUBS[$p]:-}" ] || fail "no peer named $p; there are: ${!HUBS[*]}"
done
for p in $PARTS; do
	case $p in tcp | copies | sites) ;; *) fail "no part named $p" ;; esac
done
HELPERS=$BIN/netns
relay_program
mkdir "$W/work" && cd "$W/work" || exit 1
: >"$W/results"
RUN='' MISSING=''
if wanted tcp; then
	choose
	stage
fi
{ wanted copies || wanted sites; } && lone
turn=$RUN
for ((round = 1; round <= ROUNDS; round++)); do
	for p in $turn; do
		echo "round $round of $ROUNDS: $p" >&2
		take "$p"
	done
	case $turn in *" "*) turn="${turn#* } ${turn%% *}" ;; esac
	if wanted copies; then copies; fi
	if wanted sites; then sites; fi
done
mkdir -p "$OUT"
relay_table | tee "$OUT/RELAY.md"
cp "$W/results" "$OUT/relay.txt"
