# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The tunnels of relay.sh: how each is started between sa and sb with its server in
# r-hub.  Source peers.sh before.

# shellcheck disable=SC2034 # relay.sh reads it
declare -A HUBS=([lanspan]="$BIN/lanspan-relay" [n2n]="edge supernode" [openvpn]="openvpn openssl")
# shellcheck disable=SC2034 # table.sh reads it
declare -A TITLE=([lanspan]="lanspan through lanspan-relay, AES-256-GCM"
	[n2n]="n2n through its supernode, default cipher"
	[openvpn]="OpenVPN tap, client to client, AES-256-GCM")
HUB= # process id of the one in r-hub
HUB_ADDRESS=10.99.0.200

# Sites whose ports of the underlay are isolated: they reach r-hub, not each other.
stage() {
	local n
	underlay
	site a
	site b
	for n in a b; do
		ip -n wan link set to-$n type bridge_slave isolated on
		quiet s$n
		host $n $n
	done
	keys a b
	peer a b
	peer b a
	relay hub 200
	relay_open hub
	! pings sa 10.99.0.2 || fail "the sites reach each other"
	check "the sites reach the relay's place" pings sa $HUB_ADDRESS >&2
}

# choose: of PEERS those that can run into RUN, the others into MISSING
choose() {
	local p program
	for p in $PEERS; do
		for program in ${HUBS[$p]}; do
			command -v "$program" >/dev/null || { MISSING="$MISSING $p" && continue 2; }
		done
		RUN="$RUN $p"
	done
	RUN=${RUN# }
	[ -n "$RUN" ] || skip "none of $PEERS can run here"
}

# run_hub COMMAND...: the process in r-hub
run_hub() {
	spawn r-hub "$W/log/$NOW.log" "$@"
	HUB=$SPAWNED
	TUNNEL+=("$HUB")
}

is_relayed() {
	[ "$(peer_get a b .path)" = relayed ] && [ "$(peer_get b a .path)" = relayed ]
}

start_lanspan() {
	local s
	relay_start hub
	HUB=${RELAY_PID[hub]}
	TUNNEL+=("$HUB")
	for s in a b; do
		conf_write $s
		relay_of $s hub
	done
	bridge_start a b
	TUNNEL+=("${PID[a]}" "${PID[b]}")
	wait_for 20 "" pings ha 192.168.77.2 && is_relayed
}

start_n2n() {
	local s n
	run_hub supernode -l 7777
	for s in a b; do
		n=$(number $s)
		run $s edge -d tap0 -a 10.5.0.$n -c bench -k secret -l $HUB_ADDRESS:7777 -p 500$n -r \
			-M 1500 -u 0 -g 0
	done
	hosts 1400
	join tap0 1400
}

start_openvpn() {
	local s common=(--dev tap0 --dev-type tap --ca ca.crt --data-ciphers AES-256-GCM
		--sndbuf 4194304 --rcvbuf 4194304 --txqueuelen 1000 --verb 1)
	certificates >/dev/null 2>&1
	run_hub openvpn "${common[@]}" --mode server --tls-server --dh none --cert server.crt \
		--key server.key --local $HUB_ADDRESS --port 1194 --keepalive 10 60 \
		--client-to-client --duplicate-cn
	for s in a b; do
		run $s openvpn "${common[@]}" --client --nobind --remote $HUB_ADDRESS 1194 \
			--cert client.crt --key client.key
	done
	wait_for 10 "" link_there r-hub tap0 && ip -n r-hub link set tap0 up
	join tap0 1500
}
