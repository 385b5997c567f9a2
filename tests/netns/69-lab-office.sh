#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# lanspan-lab(7): a lab into the office LAN, with the page's own files and commands.  The
# office's computer has one NIC for the LAN, whose address and routes move to a bridge.
#
#   ann, lab left --- sada === underlay === w0 soffice [br0: eth0, span0] --- hl, the LAN's
#                                                                             DHCP server
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-machine.sh
. "$TOP/tests/netns/lib-machine.sh"
need ping dnsmasq
story "a lab into the office LAN"
machine_files

underlay
keys ada office
site ada
netns soffice
cable soffice wan wan0 office
ip -n soffice addr add 10.99.0.15/24 dev w0
netns hl
ip link add eth0 netns soffice type veth peer name e0 netns hl
ip -n hl addr add 192.168.77.2/24 dev e0
ip -n hl link set e0 up
ip -n soffice addr add 192.168.77.15/24 dev eth0
ip -n soffice link set eth0 up
ip -n soffice route add default via 192.168.77.2
with_keys() {
	sed "s,KEY-OF-OFFICE,${KEY[office]},; s,office.example.net,10.99.0.15,; s,KEY-OF-ADA,${KEY[ada]},"
}
for s in ada office; do
	house $s
	cp "$W/etc/$s.key" "$PLACE/"
done
page office.conf | with_keys >"$W/office/office.conf"
{
	page ada.conf | sed '/^.relay hub/,$d'
	page ada-office
} | with_keys >"$W/ada/ada.conf"
page left.conf >"$W/ada/left.conf"
spawn hl "$W/log/dnsmasq.log" dnsmasq --no-daemon --conf-file=/dev/null --port=0 \
	--user=root --group=root --interface=e0 --bind-interfaces --no-ping \
	--pid-file= --dhcp-leasefile="$W/leases" --dhcp-range=192.168.77.100,192.168.77.150,1h
wait_for 5 "the LAN's server serves" listens hl u 67

step "the office"
PLACE=$W/office
page_run soffice office 's/^lanspan attach.*/& \&/'
joined() {
	[ "$(ip -n soffice -j link show eth0 | jq -r '.[0].master')" = br0 ]
}
wait_for 5 "its NIC is in the bridge" joined
page_run soffice confirm
check "the LAN is reached by the bridge" pings soffice 192.168.77.2
equal "the default route" "$(ip -n soffice route show default | awk '{ print $5 }')" br0

step "Ada's laptop"
PLACE=$W/ada
page_run sada laptops
house_machine ada left ann
page_machine ann lease
address=$(machine ann "ip -o -4 addr show dev eth0" | sed 's/.*inet \([0-9.]*\).*/\1/')
check "the lease is the office's: $address" grep -q " $address " "$W/leases"
check "somebody in the office reaches ann" pings hl "$address"
page_run sada evening
