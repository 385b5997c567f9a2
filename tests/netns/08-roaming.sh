#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A site's address changes under a running ping: the peer follows the newest
# authenticated packet.  Only a knows an address, that of b.
#
#   ha --- sa, 10.99.0.1, then .11, then .12 === wan0 === 10.99.0.2, then .22, sb --- hb
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping
story "addresses change mid-flow"

two_sites
two_hosts
peer b a # no address
connect
check "ping before" pings ha 192.168.77.2

# readdress SITE ADDRESS
readdress() {
	ip -n "s$1" addr flush dev w0 scope global
	ip -n "s$1" addr add "$2/24" dev w0
}

at() { # SITE PEER ADDRESS
	[ "$(peer_get "$1" "$2" .endpoint)" = "$3:7741" ]
}

spawn ha "$W/log/ping.log" ping -i 0.05 -c 120 -W 1 192.168.77.2
flow=$SPAWNED
n=0
for address in 10.99.0.11 10.99.0.12; do
	readdress a $address
	n=$((n + 1))
	wait_for 2 "b follows a to $address" at b a $address
	at_least "times a roamed, as b counts" "$(peer_get b a .roamed)" $n
	wait_for 2 "ping ha to hb" pings ha 192.168.77.2
done
hs=$(peer_get a b "(.handshakes - .rekeys)")

step "the side that is called moves as well"
spawn hb "$W/log/ping-b.log" ping -i 0.05 -c 60 -W 1 192.168.77.1
readdress b 10.99.0.22
wait_for 3 "a follows b to 10.99.0.22" at a b 10.99.0.22
wait_for 2 "ping ha to hb" pings ha 192.168.77.2
wait_for 15 "" gone "$flow"
lost=$(sed -n 's/.* \([0-9.]*\)% packet loss.*/\1/p' "$W/log/ping.log")
speed "lost % of the ping through all this" "$lost" 0 30
equal "no new handshake was needed" "$(peer_get a b "(.handshakes - .rekeys)")" "$hs"
