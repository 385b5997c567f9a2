#!/bin/bash
# SPDX-License-Identifier: MIT
#
# An underlay of IPv6, and several listen addresses of both kinds at once.
#
#   ha --- sa, fd99::1 === wan0 === fd99::2, sb --- hb
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping
story "IPv6 underlay, several listen addresses"

step "IPv6 alone"
two_sites 1280
two_hosts
for s in a b; do
	conf $s site listen "[::]:7741"
	ip -n s$s addr del "10.99.0.$(number $s)/24" dev w0
done
peer a b '[fd99::2]:7741'
peer b a '[fd99::1]:7741'
capture sb w0 "$W/wan.pcap"
connect
check "ping" pings ha 192.168.77.2
check "full-size ping with DF" pings ha 192.168.77.2 -M "do" -s 1472
equal "endpoint of b" "$(peer_get a b .endpoint)" "[fd99::2]:7741"
end "$SPAWNED"
equal "fragments, or packets of IPv4" "$(captured "$W/wan.pcap" 'at(12, 2) == "0800" || at(20, 1) == "2c"')" 0
at_least "packets of IPv6" "$(captured "$W/wan.pcap" 'at(12, 2) == "86dd"')" 10
bridge_stop a
bridge_stop b

step "b listens at four places; a calls each"
for s in a b; do
	ip -n s$s addr add "10.99.0.$(number $s)/24" dev w0
done
ip -n sb addr add 10.99.0.22/24 dev w0
ip -n sb addr add fd99::22/64 dev w0 nodad
conf a site listen "0.0.0.0:0, [::]:0"
conf b site listen "10.99.0.2:7741, 10.99.0.22:7742, [fd99::2]:7743, [fd99::22]:7744"
peer b a
conf_write b
bridge_start b
for to in 10.99.0.2:7741 10.99.0.22:7742 '[fd99::2]:7743' '[fd99::22]:7744'; do
	peer a b "$to"
	conf_write a
	bridge_start a
	wait_for 10 "up by $to" is_up a b
	wait_for 2 "ping by $to" pings ha 192.168.77.2
	equal "endpoint" "$(peer_get a b .endpoint)" "$to"
	bridge_stop a
done

step "two addresses of b, the first one dead"
peer a b "10.99.0.200:7741, [fd99::2]:7743"
conf_write a
bridge_start a
wait_for 15 "up by the second" is_up a b
check "ping" pings ha 192.168.77.2
