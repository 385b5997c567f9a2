# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# How each tunnel of the bench is started between sa and sb, its version, and how
# whichever stands is stopped.  bench.sh sources this.

# shellcheck disable=SC2034 # bench.sh reads it
declare -A PROGRAMS=([vxlan]=ip [openvpn]="openvpn openssl" [tinc]=tincd [fastd]=fastd
	[n2n]="edge supernode" [wgvxlan]="wireguard-go wg" [lanspan]="$BIN/lanspan-bridge"
	[workers]="$BIN/lanspan-bridge" [openssl]="$BIN/lanspan-bridge"
	[plain]="$BIN/bench/lanspan-bridge" [bare]="$BIN/bench/bare")
# shellcheck disable=SC2034 # table.sh reads it
declare -A TITLE=([vxlan]="kernel VXLAN, not encrypted" [openvpn]="OpenVPN tap, AES-256-GCM"
	[tinc]="tinc switch, AES-256-CBC" [fastd]="fastd tap, salsa2012+umac"
	[n2n]="n2n, default cipher" [wgvxlan]="VXLAN over wireguard-go" [lanspan]="lanspan, AES-256-GCM"
	[workers]="lanspan, workers = 2" [openssl]="lanspan, engine = openssl"
	[plain]="lanspan, no cipher (bench only)"
	[bare]="super-frames over UDP and nothing else (bench only)")
declare -a TUNNEL=() # process ids of the tunnel that stands

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

# hosts MTU: of the hosts and their ports
hosts() {
	local n
	for n in a b; do
		ip -n h$n link set e0 mtu "$1"
		ip -n s$n link set p-$n mtu "$1"
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

# workers_known: whether this lanspan has the key
workers_known() {
	local known
	conf a site workers 2
	conf_write a
	"$BIN/lanspan" check "$W/etc/a.conf" >/dev/null 2>&1
	known=$?
	conf a site workers -
	return $known
}

lanspan_pair() { # ENGINE [WORKERS]
	local s
	for s in a b; do
		conf $s site engine "$1"
		conf $s site workers "${2:--}"
		conf_write $s
	done
	bridge_start a b
	TUNNEL+=("${PID[a]}" "${PID[b]}")
}

start_lanspan() {
	lanspan_pair auto
}

start_workers() {
	lanspan_pair auto 2
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

start_bare() {
	run a "$BIN/bench/bare" tap0 10.99.0.1 10.99.0.2
	run b "$BIN/bench/bare" tap0 10.99.0.2 10.99.0.1
	join tap0 1500
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

version() {
	case $1 in
	vxlan) echo "Linux $(uname -r)" ;;
	openvpn) openvpn --version | head -n 1 | cut -d' ' -f1-2 ;;
	tinc) tincd --version 2>&1 | head -n 1 | cut -d' ' -f1-3 ;;
	fastd) fastd --version 2>&1 | head -n 1 ;;
	n2n) echo "n2n $(edge -h 2>&1 | grep -o 'v\.*[0-9][0-9.]*' | head -n 1)" ;;
	wgvxlan) wireguard-go --version 2>&1 | head -n 1 | cut -d' ' -f1-2 ;;
	lanspan | workers | openssl | plain | bare) "$BIN/lanspan" version 2>/dev/null ;;
	esac
}
