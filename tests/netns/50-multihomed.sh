#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A site and a relay that listen at all addresses of hosts with two of them.  Who is
# behind a translator that lets in answers alone calls the second address, and is
# answered from there.
#
#   ha --- sa --- masq === wan0 === sb, 10.99.0.2 and .22, fd99::2 and ::22 --- hb
#                           |
#                         r-hub, 10.99.0.200 and .201
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping
story "hosts with several addresses"
relay_by_anybody
relay_program
nat_need

underlay
keys a b
relay hub
relay_open hub
nat home masq
nat_ipv6 home
plug a home
plug b
two_hosts

# second on|off: b's second addresses
second() {
	case $1 in
	on) ip -n sb addr add 10.99.0.22/24 dev w0 && ip -n sb addr add fd99::22/64 dev w0 nodad ;;
	off) ip -n sb addr del 10.99.0.22/24 dev w0 && ip -n sb addr del fd99::22/64 dev w0 ;;
	esac
}
second on
for s in a b; do
	conf $s site listen "0.0.0.0:7741, [::]:7741"
done
peer b a

roamed() {
	echo "$(peer_get a b .roamed) $(peer_get b a .roamed)"
}

# from FILE ADDRESS: datagrams of IPv4 that left from it
from() {
	captured "$1" 'at(12, 2) == "0800" && at(23, 1) == "11" && at(26, 4) == "'"$2"'"'
}

for workers in 1 2; do
	for to in 10.99.0.22:7741 '[fd99::22]:7741'; do
		step "a calls $to, $workers workers"
		for s in a b; do
			conf $s site workers $workers
		done
		peer a b "$to"
		capture sb w0 "$W/wan.pcap"
		recorder=$SPAWNED
		connect
		check "ping" pings ha 192.168.77.2
		check "ping of b" pings hb 192.168.77.1
		for i in 1 2 3; do
			pings ha 192.168.77.2 -s 1400 || fail "a full-size ping, number $i"
		done
		equal "b is at" "$(peer_get a b .endpoint)" "$to"
		equal "times that they were seen elsewhere" "$(roamed)" "0 0"
		end "$recorder"
		equal "datagrams from the first address" "$(from "$W/wan.pcap" 0a630002)" 0
		bridge_stop a
		bridge_stop b
	done
done

step "what a capture says of it"
peer a b 10.99.0.22:7741
connect
spawn sb "$W/capture.said" "$BIN/lanspan" -i b capture wire -w "$W/wire.pcap"
recorder=$SPAWNED
wait_for 5 "" grep -q '^capturing at' "$W/capture.said"
check "ping" pings ha 192.168.77.2
end "$recorder" INT
for at in 12 16; do # source, destination
	at_least "datagrams with the second address, at byte $at" \
		"$(captured "$W/wire.pcap" "at($at, 4) == \"0a630016\"")" 1
	equal "with the first one" "$(captured "$W/wire.pcap" "at($at, 4) == \"0a630002\"")" 0
done

step "the second address goes, and comes back"
hs=$(peer_get a b "(.handshakes - .rekeys)")
second off
on hb ping -q -c 20 -i 0.01 -W 1 192.168.77.1 >/dev/null # in vain: b sends from its first address
equal "UDP_SEGMENT at b" "$(lanspan b show paths --json | jq -c '[.paths[].gso] | unique')" "[true]"
second on
wait_for 10 "ping again" pings ha 192.168.77.2
equal "handshakes anew" "$(peer_get a b "(.handshakes - .rekeys)")" "$hs"
bridge_stop a
bridge_stop b

step "a's way out is another one, and its old address stays"
nat other masq
ip link add w1 mtu "$WAN_MTU" netns sa type veth peer name to-a mtu "$WAN_MTU" netns nother
ip -n nother link set to-a master in0 up
ip -n sa addr add 10.2.0.1/24 dev w1
ip -n sa link set w1 up
conf a site workers 1
peer a b 10.99.0.22:7741
connect
spawn ha "$W/log/ping.log" ping -D -i 0.02 192.168.77.2
flow=$SPAWNED
wait_for 5 "" grep -q "bytes from" "$W/log/ping.log"
began=$(now)
ip -n sa route replace default via 10.2.0.254
on nhome nft add rule inet filter forward drop # the old one leads nowhere
moved() {
	[ "$(peer_get b a .endpoint)" = 10.99.0.102:7741 ]
}
wait_for 10 "b sees a there" moved
wait_for 5 "the ping goes on" answered_since "$W/log/ping.log" "$(now)"
end "$flow" INT
speed "longest silence, s" "$(gap "$W/log/ping.log" "$began")" 0 2
ip -n sa link del w1
ip -n sa route replace default via 10.1.0.254
nat_rules home
bridge_stop a
bridge_stop b

step "a relay is called at its second address"
peer a b
for s in a b; do
	conf $s site listen 0.0.0.0:7741
	conf_write $s
	relay_of $s hub
done
sed -i 's/^address = 10.99.0.200$/address = 10.99.0.201/' "$W/etc/a.conf"
ip -n r-hub addr add 10.99.0.201/24 dev w0
relay_start hub
capture r-hub w0 "$W/relay.pcap"
recorder=$SPAWNED
bridge_start a
wait_for 10 "a is a member" member hub a .number
wait_for 10 "and hears from the relay" grep -q "relay lists sites" "$W/log/a.log"
end "$recorder"
at_least "datagrams from the relay's second address" "$(from "$W/relay.pcap" 0a6300c9)" 2
equal "from the first one" "$(from "$W/relay.pcap" 0a6300c8)" 0
bridge_start b
wait_for 10 "a and b are up, directly" both_are direct a b
check "ping" pings ha 192.168.77.2
nat_block a b
wait_for 20 "relayed" both_are relayed a b
wait_for 5 "ping" pings ha 192.168.77.2
