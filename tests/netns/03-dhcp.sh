#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A lease across the tunnel: the server is behind b, the client behind a.
#
#   ha, no address --- sa === underlay === sb --- hb, 192.168.77.2, dnsmasq
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need dnsmasq udhcpc ping
story "DHCP"

two_sites
two_hosts
connect
ip -n ha addr flush dev e0

spawn hb "$W/log/dnsmasq.log" dnsmasq --no-daemon --conf-file=/dev/null --port=0 \
	--user=root --group=root --interface=e0 --bind-interfaces --no-ping \
	--pid-file= --dhcp-leasefile="$W/leases" --dhcp-range=192.168.77.100,192.168.77.150,1h \
	--dhcp-option=option:router,192.168.77.2
wait_for 5 "dnsmasq serves" listens hb u 67

cat >"$W/bound" <<-'END'
	#!/bin/sh
	[ "$1" = bound ] || exit 0
	ip addr add "$ip/$mask" dev "$interface"
	ip route add default via "$router"
END
chmod +x "$W/bound"
check "udhcpc gets a lease" on ha udhcpc -i e0 -n -q -f -t 10 -T 1 -s "$W/bound" >"$W/log/udhcpc.log" 2>&1
address=$(ip -n ha -4 -j addr show dev e0 | jq -r '.[0].addr_info[0].local')
echo "  ok  lease: $address"
check "it is the server's" grep -q " $address " "$W/leases"
check "the router answers" pings ha 192.168.77.2
