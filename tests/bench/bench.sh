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
# shares this machine's cores, so only ratios within one run mean anything.
#
#   ROUNDS   default 5          T       seconds of one measurement, default 3
#   PEERS    default "vxlan openvpn tinc fastd n2n wgvxlan lanspan openssl plain":
#            lanspan takes the fastest engine that is there, openssl is lanspan with
#            engine = openssl, plain has its cipher left out, which no product can
#   WAN_MTU  default 1500       OUT     folder for RESULTS.md, default build/bench
#
# Packages: iperf3 jq iputils-ping openvpn openssl tinc fastd n2n wireguard-go
# wireguard-tools; what is missing is named and left out.
QUIET=yes
# shellcheck source=../netns/lib.sh
. "$(dirname "$0")/../netns/lib.sh"
need ping iperf3 jq ethtool
ROUNDS=${ROUNDS:-5}
T=${T:-3}
PEERS=${PEERS:-vxlan openvpn tinc fastd n2n wgvxlan lanspan openssl plain}
OUT=${OUT:-$TOP/build/bench}
METRICS="tcp1 tcp1r tcp4 tcp4r tcpno udp64 pps64 udp1400 rtt rttload busy cpu500"
declare -A PROGRAMS=([vxlan]=ip [openvpn]="openvpn openssl" [tinc]=tincd [fastd]=fastd
	[n2n]="edge supernode" [wgvxlan]="wireguard-go wg" [lanspan]="$BIN/lanspan-bridge"
	[openssl]="$BIN/lanspan-bridge" [plain]="$BIN/bench/lanspan-bridge")
declare -A TITLE=([vxlan]="kernel VXLAN, not encrypted" [openvpn]="OpenVPN tap, AES-256-GCM"
	[tinc]="tinc switch, AES-256-CBC" [fastd]="fastd tap, salsa2012+umac"
	[n2n]="n2n, default cipher" [wgvxlan]="VXLAN over wireguard-go" [lanspan]="lanspan, AES-256-GCM"
	[openssl]="lanspan, engine = openssl" [plain]="lanspan, no cipher (bench only)")
declare -a TUNNEL=() # process ids of the tunnel that stands

# ---- the stage ------------------------------------------------------------

stage() {
	local n
	WAN_MTU=${WAN_MTU:-1500}
	for n in sa sb; do
		netns $n
		bridge_add $n br0
		quiet $n br0
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

# hosts MTU: of the hosts and their ports
hosts() {
	local n
	for n in a b; do
		ip -n h$n link set e0 mtu "$1"
		ip -n s$n link set p-$n mtu "$1"
	done
}

# run SITE COMMAND...: a process of the tunnel
run() {
	local s=$1
	shift
	spawn "s$s" "$W/log/$NOW.log" "$@"
	TUNNEL+=("$SPAWNED")
}

link_there() {
	ip -n "$1" link show "$2"
}

# join DEVICE MTU: into br0 of both sites, as soon as it is there
join() {
	local s
	for s in sa sb; do
		wait_for 10 "" link_there $s "$1" || return 1
		ip -n $s link set "$1" mtu "$2" master br0 up
	done
}

# ---- the tunnels ----------------------------------------------------------

vxlan_pair() { # SUBNET MTU
	ip -n sa link add vx0 type vxlan id 7 dstport 4789 local "$1.1" remote "$1.2"
	ip -n sb link add vx0 type vxlan id 7 dstport 4789 local "$1.2" remote "$1.1"
	hosts "$2"
	join vx0 "$2"
}

start_vxlan() {
	vxlan_pair 10.99.0 $((WAN_MTU - 50))
}

certificates() {
	local n
	[ ! -e ca.crt ] || return 0
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
		-subj /CN=ca -keyout ca.key -out ca.crt
	for n in server client; do
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=$n \
			-keyout $n.key -out $n.csr
		openssl x509 -req -in $n.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out $n.crt
	done
}

start_openvpn() {
	local common=(--dev tap0 --dev-type tap --ca ca.crt --data-ciphers AES-256-GCM
		--sndbuf 4194304 --rcvbuf 4194304 --txqueuelen 1000 --verb 1)
	certificates >/dev/null 2>&1
	run a openvpn "${common[@]}" --mode server --tls-server --dh none --cert server.crt \
		--key server.key --local 10.99.0.1 --port 1194 --keepalive 10 60
	run b openvpn "${common[@]}" --client --nobind --remote 10.99.0.1 1194 --cert client.crt \
		--key client.key
	join tap0 1500
}

start_tinc() {
	local s other
	for s in a b; do
		other=$([ $s = a ] && echo b || echo a)
		[ ! -e tinc$s ] || continue
		mkdir -p tinc$s/hosts
		printf '%s\n' "Name=$s" Mode=switch Interface=tap0 DeviceType=tap UDPSndBuf=4194304 \
			UDPRcvBuf=4194304 "ConnectTo=$other" >tinc$s/tinc.conf
		printf '%s\n' "Address=10.99.0.$(number $s)" Cipher=aes-256-cbc Digest=sha256 >tinc$s/hosts/$s
		tincd -c "$PWD/tinc$s" -K2048 </dev/null >/dev/null 2>&1
	done
	cp tinca/hosts/a tincb/hosts/
	cp tincb/hosts/b tinca/hosts/
	for s in a b; do
		run $s tincd -D -c "$PWD/tinc$s" --pidfile="$PWD/tinc$s.pid"
	done
	join tap0 1500
}

start_fastd() {
	local s n other
	for s in a b; do
		[ -e fastd$s.keys ] || fastd --generate-key >fastd$s.keys 2>&1
	done
	for s in a b; do
		n=$(number $s)
		other=$([ $s = a ] && echo b || echo a)
		cat >fastd$s.conf <<-END
			log level warn; interface "tap0"; mode tap; method "salsa2012+umac"; mtu 1500;
			bind 10.99.0.$n:10000; secret "$(awk '/[Ss]ecret/ { print $2 }' fastd$s.keys)";
			peer "other" { key "$(awk '/[Pp]ublic/ { print $2 }' fastd$other.keys)";
				remote 10.99.0.$((3 - n)) port 10000; }
		END
		run $s fastd -c fastd$s.conf
	done
	join tap0 1500
}

start_n2n() {
	local s n
	run a supernode -l 7777
	for s in a b; do
		n=$(number $s)
		run $s edge -d tap0 -a 10.5.0.$n -c bench -k secret -l 10.99.0.1:7777 -p 500$n -r \
			-M 1500 -u 0 -g 0
	done
	hosts 1400
	join tap0 1400
}

wireguard_there() {
	[ -S /run/wireguard/wg-a.sock ] && [ -S /run/wireguard/wg-b.sock ]
}

start_wgvxlan() {
	local s other n
	for s in a b; do
		[ -e wg$s.key ] || (umask 077 && wg genkey >wg$s.key)
		run $s env LOG_LEVEL=error wireguard-go -f wg-$s
	done
	wait_for 10 "" wireguard_there || return 1
	for s in a b; do
		other=$([ $s = a ] && echo b || echo a)
		n=$(number $s)
		on s$s wg set wg-$s listen-port 51820 private-key wg$s.key peer "$(wg pubkey <wg$other.key)" \
			allowed-ips 0.0.0.0/0 endpoint 10.99.0.$((3 - n)):51820
		ip -n s$s addr add 10.98.0.$n/24 dev wg-$s
		ip -n s$s link set wg-$s mtu $((WAN_MTU - 80)) up
	done
	vxlan_pair 10.98.0 $((WAN_MTU - 130))
}

lanspan_pair() { # ENGINE
	local s
	for s in a b; do
		conf $s site engine "$1"
		conf_write $s
	done
	bridge_start a b
	TUNNEL+=("${PID[a]}" "${PID[b]}")
}

start_lanspan() {
	lanspan_pair auto
}

start_openssl() {
	lanspan_pair openssl
}

start_plain() {
	local BIN=$BIN
	ln -sf "$BIN/lanspan" "$W/lanspan"
	ln -sf "$BIN/bench/lanspan-bridge" "$W/lanspan-bridge"
	BIN=$W
	lanspan_pair openssl
}

stop_tunnel() {
	local p s
	for p in "${TUNNEL[@]}"; do
		end "$p"
	done
	TUNNEL=()
	for s in sa sb; do
		for p in vx0 tap0 wg-a wg-b; do
			ip -n $s link del $p 2>/dev/null
		done
	done
	hosts 1500
	for s in a b; do # what the bridges and hosts learned goes too
		ip -n h$s neigh flush all
		ip -n s$s link set br0 type bridge fdb_flush
	done
}

# ---- the measurements -----------------------------------------------------

# note METRIC VALUE
note() {
	echo "$NOW $1 ${2:-}" >>"$W/results"
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

# steady: the tunnel's CPU at 500 Mb/s of TCP, in percent of one core
steady() {
	local before begin rate
	before=$(tunnel_time)
	begin=$EPOCHREALTIME
	rate=$(load -b 500M | megabits)
	[ "${rate:-0}" -ge 475 ] && [ "${#TUNNEL[@]}" -gt 0 ] || return 0 # too slow, or in the kernel
	awk -v n="$(($(tunnel_time) - before))" -v s="$(since "$begin")" 'BEGIN { printf "%.1f", n / s / 1e7 }'
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

# The round trip while a TCP stream saturates, in us.
rtt_under_load() {
	local stream
	spawn hb "$W/log/$NOW.log" iperf3 -s -1 -p 5202
	wait_for 5 "" listens hb t 5202
	spawn ha "$W/log/$NOW.log" iperf3 -c 192.168.77.2 -p 5202 -t $((T + 1))
	stream=$SPAWNED
	on ha ping -q -w "$T" -i 0.01 192.168.77.2 | awk -F'[/ ]' '/^rtt/ { print $8 * 1000 }'
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
	busy
	note tcp1 "$(megabits <load.json)"
	note busy "$BUSY"
	note tcp1r "$(load -R | megabits)"
	note tcp4 "$(load -P 4 | megabits)"
	note tcp4r "$(load -P 4 -R | megabits)"
	offloads off
	note tcpno "$(load | megabits)"
	offloads on
	note udp64 "$(load -u -b 0 -l 64 | arrived)"
	note pps64 "$(paced)"
	note udp1400 "$(load -u -b 0 -l 1400 | arrived)"
	note rtt "$(on ha ping -q -i 0.002 -c 1000 192.168.77.2 | awk -F'[/ ]' '/^rtt/ { print $8 * 1000 }')"
	note rttload "$(rtt_under_load)"
	note cpu500 "$(steady)"
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

# ---- the table ------------------------------------------------------------

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

version() {
	case $1 in
	vxlan) echo "Linux $(uname -r)" ;;
	openvpn) openvpn --version | head -n 1 | cut -d' ' -f1-2 ;;
	tinc) tincd --version 2>&1 | head -n 1 | cut -d' ' -f1-3 ;;
	fastd) fastd --version 2>&1 | head -n 1 ;;
	n2n) echo "n2n $(edge -h 2>&1 | grep -o 'v\.*[0-9][0-9.]*' | head -n 1)" ;;
	wgvxlan) wireguard-go --version 2>&1 | head -n 1 | cut -d' ' -f1-2 ;;
	lanspan | openssl | plain) "$BIN/lanspan" version 2>/dev/null ;;
	esac
}

table() {
	local p
	echo "# lanspan beside other tunnels"
	echo
	echo "$(date -u +%F), $ROUNDS rounds in turns, $T s a measurement, underlay MTU $WAN_MTU."
	echo "Machine: $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(nproc) CPUs," \
		"Linux $(uname -r), $(openssl version 2>/dev/null | cut -d' ' -f1-2)."
	for p in $RUN; do
		echo "- ${TITLE[$p]}: $(version "$p")"
	done
	echo "- busy with other things before the measurements: median $(others) % of one core"
	[ -z "$MISSING" ] || echo "- not installed, left out:$MISSING"
	echo
	echo "Median (lowest..highest). TCP in Mb/s, UDP floods in packets/s that arrived, ping in us,"
	echo "CPU in percent of one core: of the whole machine, load and both ends, or of the tunnel's own"
	echo "processes, both ends, by the scheduler's account; r: hb to ha; 4: four streams."
	echo "Hosts' MTU: 1500, but VXLAN $((WAN_MTU - 50)), n2n 1400, VXLAN over WireGuard $((WAN_MTU - 130))."
	echo
	printf '| | %s\n' "$HEAD"
	printf '|---%s\n' "$LINE"
	for p in $RUN; do
		row "$p"
	done
	for p in openvpn vxlan; do
		case " $RUN " in *" $p "*) ;; *) continue ;; esac
		echo
		echo "Ratios to ${TITLE[$p]}:"
		echo
		ratios $p
	done
}

HEAD="TCP 1 | TCP 1 r | TCP 4 | TCP 4 r | TCP 1, hosts without offloads | UDP 64 B | 64 B, at most 1 % lost | UDP 1400 B | ping | ping under TCP | CPU at TCP 1 | tunnel CPU at 500 Mb/s |"
LINE="|---|---|---|---|---|---|---|---|---|---|---|---|"

RUN='' MISSING=''
for p in $PEERS; do
	[ -n "${PROGRAMS[$p]:-}" ] || fail "no peer named $p; there are: ${!PROGRAMS[*]}"
	for program in ${PROGRAMS[$p]}; do
		command -v "$program" >/dev/null || { MISSING="$MISSING $p" && continue 2; }
	done
	RUN="$RUN $p"
done
RUN=${RUN# }
[ -n "$RUN" ] || skip "none of $PEERS is installed"

mkdir "$W/work" && cd "$W/work" || exit 1
: >"$W/results"
stage
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
