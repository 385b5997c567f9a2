# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The stage: namespaces, sites, hosts, configurations, bridge processes, traffic.
# lib.sh sources this.
#
# Sites are a, b, c, d; their namespaces sa, sb, ...; hosts' namespaces ha, hb, ...
# In a site: br0 and w0, the interface to the underlay.  In a host: e0.
# In the underlay's namespace "wan": the bridge wan0 with a port to-a, to-b, ...

declare -A PID=()      # of the bridge process of a site
declare -A CONF=()     # "site|section|key" -> value
declare -A PEER=()     # "site|peer" -> address, or "-" for none
declare -A PORT=()     # "site|port" -> lines of its section, see lib-lab.sh
declare -A KEY=()      # public key of a site

# number SITE: 1 to 26
number() {
	echo $(($(printf %d "'$1") - 96))
}

netns() {
	ip netns add "$1"
	on "$1" sh -c 'cd /proc/sys/net/ipv6/conf 2>/dev/null || exit 0
		for i in all default; do echo 0 >$i/accept_dad; echo 0 >$i/accept_ra
		echo 0 >$i/router_solicitations; done; true'
	ip -n "$1" link set lo up
}

bridge_add() {
	ip -n "$1" link add "$2" type bridge mcast_snooping 0
	ip -n "$1" link set "$2" up
}

# quiet NAMESPACE [INTERFACE]: no IPv6 of the kernel's own there
quiet() {
	on "$1" sh -c "echo 1 >/proc/sys/net/ipv6/conf/${2:-default}/disable_ipv6" 2>/dev/null
}

# underlay [MTU]: 10.99.0.0/24 and fd99::/64; wan itself is .254 and ::fe
underlay() {
	WAN_MTU=${1:-1500}
	netns wan
	bridge_add wan wan0
	ip -n wan addr add 10.99.0.254/24 dev wan0
	ip -n wan addr add fd99::fe/64 dev wan0 nodad
}

# cable NAMESPACE NETWORK-NAMESPACE BRIDGE NAME: w0, whose other end to-NAME is a port there
cable() {
	ip link add w0 mtu "$WAN_MTU" netns "$1" type veth peer name "to-$4" mtu "$WAN_MTU" netns "$2"
	ip -n "$2" link set "to-$4" master "$3" up
	ip -n "$1" link set w0 up
}

# site NAME: its namespace, br0, and w0 with 10.99.0.N and fd99::N
site() {
	local n
	n=$(number "$1")
	site_namespace "$1"
	cable "s$1" wan wan0 "$1"
	ip -n "s$1" addr add "10.99.0.$n/24" dev w0
	ip -n "s$1" addr add "fd99::$n/64" dev w0 nodad
}

site_namespace() {
	netns "s$1"
	bridge_add "s$1" br0
	quiet "s$1" br0
}

# host NAME SITE [MTU]: a namespace with e0 in the site's br0; 192.168.77.N, fd77::N
host() {
	local n
	n=$(number "$1")
	netns "h$1"
	[ -z "${NO_IPV6:-}" ] || quiet "h$1"
	ip link add e0 mtu "${3:-1500}" netns "h$1" type veth peer name "p-$1" mtu "${3:-1500}" netns "s$2"
	ip -n "s$2" link set "p-$1" master br0 up
	ip -n "h$1" addr add "192.168.77.$n/24" dev e0
	[ -n "${NO_IPV6:-}" ] || ip -n "h$1" addr add "fd77::$n/64" dev e0 nodad
	ip -n "h$1" link set e0 up
}

# ---- configuration --------------------------------------------------------

# conf SITE SECTION KEY VALUE; the value - leaves the key out
conf() {
	CONF["$1|$2|$3"]=$4
}

# keys SITE...: a key pair each, and the network's secret once
keys() {
	local s
	[ -e "$W/etc/lab.secret" ] || "$BIN/lanspan" secret "$W/etc/lab.secret" >/dev/null ||
		fail "lanspan secret"
	for s in "$@"; do
		KEY[$s]=$("$BIN/lanspan" keygen "$W/etc/$s.key") || fail "lanspan keygen"
	done
}

# peer SITE OTHER [ADDRESS]: SITE knows OTHER, with an address or without
peer() {
	PEER["$1|$2"]=${3:--}
}

unpeer() {
	unset "PEER[$1|$2]"
}

conf_section() {
	local k
	echo "[$2]"
	for k in "${!CONF[@]}"; do
		[ "${k%|*}" = "$1|$2" ] && [ "${CONF[$k]}" != - ] && echo "${k##*|} = ${CONF[$k]}"
	done | sort -k1,1r
	echo
}

# conf_write SITE: etc/SITE.conf from what conf and peer said; WORKERS=N runs any
# story with so many workers at each site
conf_write() {
	local k
	: "${CONF["$1|network|name"]:=lab}" "${CONF["$1|network|secret_file"]:=lab.secret}"
	: "${CONF["$1|site|name"]:=$1}" "${CONF["$1|site|key_file"]:=$1.key}"
	: "${CONF["$1|site|listen"]:=0.0.0.0:7741}" "${CONF["$1|site|workers"]:=${WORKERS:--}}"
	: "${CONF["$1|bridge|tap"]:=span0}" "${CONF["$1|bridge|bridge"]:=br0}"
	{
		conf_section "$1" network
		conf_section "$1" site
		conf_section "$1" bridge
		for k in "${!PORT[@]}"; do
			[ "${k%|*}" = "$1" ] && printf '[port %s]\n%s\n\n' "${k#*|}" "${PORT[$k]}"
		done
		for k in "${!PEER[@]}"; do
			[ "${k%|*}" = "$1" ] || continue
			echo "[peer ${k#*|}]"
			echo "public_key = ${KEY[${k#*|}]}"
			[ "${PEER[$k]}" = - ] || echo "address = ${PEER[$k]}"
			echo
		done
	} >"$W/etc/$1.conf"
}

# ---- bridge processes -----------------------------------------------------

# show SITE JQ-EXPRESSION: of `lanspan show --json`
show() {
	"$BIN/lanspan" -i "$1" show --json 2>/dev/null | jq -er "$2" 2>/dev/null
}

lanspan() {
	local s=$1
	shift
	"$BIN/lanspan" -i "$s" "$@"
}

# bridge_run SITE [COMMAND-PREFIX...]: starts it, without waiting
bridge_run() {
	local s=$1
	shift
	spawn "s$s" "$W/log/$s.log" "$@" "$BIN/lanspan-bridge" -c "$W/etc/$s.conf"
	PID[$s]=$SPAWNED
}

bridge_ready() { # jq's status alone does not tell: of no input at all it is 0
	show "$1" .site | grep .
}

ready_or_gone() {
	gone "${PID[$1]}" || bridge_ready "$1"
}

# bridge_start SITE...: starts each, and waits until it answers
bridge_start() {
	local s
	for s in "$@"; do
		bridge_run "$s"
	done
	for s in "$@"; do
		wait_for 10 "" ready_or_gone "$s"
		alive "${PID[$s]}" || fail "bridge process $s ended at start"
		bridge_ready "$s" >/dev/null || fail "bridge process $s does not answer"
	done
}

# bridge_stop SITE: SIGTERM; the exit status must be 0
bridge_stop() {
	end "${PID[$1]}"
	unset "PID[$1]"
	[ "$ENDED" = 0 ] || fail "bridge process $1 ended with status $ENDED"
}

bridge_kill() {
	end "${PID[$1]}" KILL
	unset "PID[$1]"
}

# peer_state SITE PEER: up, connecting, disconnected
peer_state() {
	show "$1" ".peers[] | select(.name == \"$2\") | .state"
}

# peer_get SITE PEER FIELD: such as .rx.frames
peer_get() {
	show "$1" ".peers[] | select(.name == \"$2\") | $3"
}

is_up() {
	[ "$(peer_state "$1" "$2")" = up ]
}

both_up() {
	is_up "$1" "$2" && is_up "$2" "$1"
}

# path SITE PEER: direct, relayed, or nothing
path() {
	peer_get "$1" "$2" .path
}

# both_are direct|relayed SITE PEER
both_are() {
	[ "$(path "$2" "$3")" = "$1" ] && [ "$(path "$3" "$2")" = "$1" ]
}

# drops SITE: all that this site dropped and counted, wherever
drops() {
	show "$1" '[.drops[].count] | add // 0'
}

# drops_text SITE: one line for people
drops_text() {
	show "$1" '[.drops[] | "\(.where) \(.reason) \(.count)"] | join(", ")'
}

# cpu PID: ticks of 10 ms used so far
cpu() {
	awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"
}

# ---- traffic --------------------------------------------------------------

# pings FROM ADDRESS [OPTION...]: one answer within a second, or three of an emulated processor
pings() {
	local from=$1 to=$2
	shift 2
	on "$from" ping -q -c 1 -W $((${LANSPAN_EMULATED:+2} + 1)) "$@" "$to" >/dev/null 2>&1
}

# gap FILE [FROM [TO]]: of ping -D's output: the longest time in seconds between one
# answer and the next, of answers between those moments
gap() {
	sed -n 's/^\[\([0-9.]*\)\] .*bytes from.*/\1/p' "$1" |
		awk -v from="${2:-0}" -v to="${3:-1e12}" '
			$1 < from { last = $1; next }
			$1 > to { exit }
			last && $1 - last > most { most = $1 - last }
			{ last = $1 }
			END { if (last) printf "%.2f\n", most }'
}

# calm_begin: a ping that never leaves its host, from now on; calm_end: the longest time
# between two answers of it, in CALM, which is the machine's and not the tunnel's
calm_begin() {
	: >"$W/log/calm.log"
	spawn "$1" "$W/log/calm.log" ping -D -i 0.01 127.0.0.1
	CALM_PING=$SPAWNED
}

calm_end() {
	end "$CALM_PING" INT
	CALM=$(gap "$W/log/calm.log")
}

# with_calm SECONDS: and so much more as the machine took
with_calm() {
	awk -v s="$1" -v calm="${CALM:-0}" 'BEGIN { print s + calm }'
}

# answered_since FILE THEN: the time of ping -D's first answer after THEN
answered_since() {
	sed -n 's/^\[\([0-9.]*\)\] .*bytes from.*/\1/p' "$1" |
		awk -v t="$2" '$1 > t { print $1; found = 1; exit } END { exit !found }'
}

listens() {
	on "$1" ss -Hln"$2" 2>/dev/null | grep -q ":$3 "
}

# iperf SERVER-NS CLIENT-NS PORT OPTION...: the client's JSON; the server is
# reached at the address in IPERF_TO
iperf() {
	local server=$1 client=$2 port=$3 pid
	shift 3
	spawn "$server" "$W/log/iperf-$port.log" iperf3 -s -1 -p "$port"
	pid=$SPAWNED
	wait_for 5 "" listens "$server" t "$port" || fail "iperf3 does not listen"
	on "$client" iperf3 -c "${IPERF_TO:-192.168.77.2}" -p "$port" -J "$@"
	end "$pid"
}

# iperf_window: 1 MiB, or what there is: with less than it asks for iperf3 does not begin
iperf_window() {
	sort -n /proc/sys/net/core/[rw]mem_max | awk '{ print $1 < 1048576 ? $1 : 1048576; exit }'
}

# capture NAMESPACE INTERFACE FILE [OPTION...]: all frames there from now on, or
# those that the options of capture.c say; SPAWNED is its process id
capture() {
	local ns=$1 dev=$2 file=$3
	shift 3
	helper capture
	rm -f "$file.log"
	spawn "$ns" "$file.log" "$HELPER" "$@" "$dev" "$file"
	wait_for 5 "" grep -q listening "$file.log" || fail "nothing listens on $dev"
}

# frames FILE: a line for each captured frame, its length and its bytes in hex
frames() {
	helper frames
	"$HELPER" list "$1"
}

# by_flow: of such lines, those of each flow of TCP or UDP together, and all others
# together, in their order: between them none is promised, as datagrams of a flow that
# come at once wait for each other
by_flow() {
	awk '
		function at(first, n) { return substr($2, first * 2 + 1, n * 2) }
		function flow(l3,  type) {
			while ((type = at(l3 - 2, 2)) == "8100" || type == "88a8")
				l3 += 4
			if (type == "0800" && at(l3, 1) == "45" && at(l3 + 6, 2) ~ /^[04]000$/ &&
			    at(l3 + 9, 1) ~ /^(06|11)$/)
				return at(l3 + 9, 1) at(l3 + 12, 12)
			if (type == "86dd" && at(l3 + 6, 1) ~ /^(06|11)$/)
				return at(l3 + 6, 1) at(l3 + 8, 36)
			return "-"
		}
		{ print flow(14), $0 }' | LC_ALL=C sort -s -k 1,1
}

# captured FILE [CONDITION]: the number of frames; the awk condition may ask for
# bytes, as at(12, 2) == "0800"
captured() {
	frames "$1" 2>/dev/null | awk '
		function at(first, n) { return substr($2, first * 2 + 1, n * 2) }
		'"${2:-1}"' { n++ }
		END { print n + 0 }'
}

# arrived N: so many frames are in got.pcap
arrived() {
	[ "$(captured "$W/got.pcap")" -ge "$1" ]
}

# carry FILE FROM TO [ORDER]: the whole file into one site's TAP, and nothing else out of
# the other's; in its order, or in what the filter ORDER leaves of it
carry() {
	local name count
	name=$(basename "$1")
	count=$(captured "$1")
	capture "s$3" span0 "$W/got.pcap" -i
	on "s$2" tcpreplay -q -p 2000 -i span0 "$1" >"$W/log/tcpreplay.log" 2>&1 || fail "tcpreplay $name"
	wait_for 5 "" arrived "$count"
	end "$SPAWNED"
	frames "$1" | "${4:-cat}" >"$W/sent.txt"
	frames "$W/got.pcap" | "${4:-cat}" >"$W/got.txt"
	cmp -s "$W/sent.txt" "$W/got.txt" || {
		diff "$W/sent.txt" "$W/got.txt" | cut -c1-150 | head >&2
		fail "$name, $2 to $3: $(wc -l <"$W/got.txt") of $(wc -l <"$W/sent.txt") frames came, not the same"
	}
	echo "  ok  $name, $2 to $3: $(wc -l <"$W/got.txt") frames"
}

# helper NAME: the program of tests/netns/NAME.c as make built it (in netns/ of
# BIN), or built here; its path in HELPER
helper() {
	local source=$TOP/tests/netns/$1.c
	for HELPER in "${HELPERS:-$BIN/netns}/$1" "$TOP/build/netns/$1" "/run/programs/$1"; do
		[ -x "$HELPER" ] && [ ! "$source" -nt "$HELPER" ] && return
	done
	command -v cc >/dev/null || fail "$1 is not built, and there is no cc"
	cc -std=c11 -D_GNU_SOURCE -O2 -o "$HELPER" "$source" || fail "cannot build $1.c"
}

# ---- scenes that many stories begin with ----------------------------------

# two_sites [WAN-MTU]:
#
#   ha --- sa(br0) === 10.99.0.0/24 === sb(br0) --- hb
#   192.168.77.1       the underlay       192.168.77.2
two_sites() {
	underlay "${1:-1500}"
	site a
	site b
	keys a b
	peer a b 10.99.0.2:7741
	peer b a 10.99.0.1:7741
}

two_hosts() {
	host a a "${1:-1500}"
	host b b "${1:-1500}"
}

# connect: writes both configurations, starts both, waits until a and b are up
connect() {
	conf_write a
	conf_write b
	bridge_start a b
	wait_for 10 "a and b are up" both_up a b
}
