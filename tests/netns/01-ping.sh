#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Two sites become one segment: ping and ping6 from host to host.
#
#   ha --- sa [br0: p-a, span0] === wan0, 1500 === [br0: p-b, span0] sb --- hb
#
# And the TAP is what it should be: in the bridge, up, with the bridge's MTU, and
# silent: the kernel puts no address on it and sends nothing by itself.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping
story "ping4, ping6, and a silent TAP"

link() { # SITE JQ-EXPRESSION of span0
	ip -n "s$1" -d -j link show span0 | jq -r ".[0] | $2"
}

two_sites
two_hosts
connect

step "hosts reach each other, both ways"
check "ping 4 a to b" pings ha 192.168.77.2
check "ping 4 b to a" pings hb 192.168.77.1
check "ping 6 a to b" pings ha fd77::2
check "ping 6 b to a" pings hb fd77::1
lost=$(on ha ping -q -i 0.01 -c 200 192.168.77.2 | sed -n 's/.* \([0-9]*\)% packet loss.*/\1/p')
equal "lost of 200" "$lost" 0

step "what the sites count"
at_least "frames a sent" "$(peer_get a b .tx.frames)" 200
at_least "frames b received" "$(peer_get b a .rx.frames)" 200
for kind in turns tap_reads tap_writes receives sends; do
	speed "system calls of a, $kind" "$(show a ".system_calls.$kind")" 200
done
check "b knows where a is" test "$(peer_get b a .endpoint)" = 10.99.0.1:7741
mac=$(ip -n hb -j link show e0 | jq -r '.[0].address')
equal "port of hb's address at a" \
	"$(show a ".macs[] | select(.mac == \"$mac\") | .port")" b

step "the TAP"
equal "its bridge" "$(link a .master)" br0
equal "its MTU" "$(link a .mtu)" 1500
check "it is up" test "$(link a '.flags | index("UP") != null')" = true
equal "its addresses" "$(ip -n sa -j addr show dev span0 | jq '.[0].addr_info | length')" 0

step "a site without hosts sends nothing of its own"
ip -n sa link set p-a down
ip -n sb link set p-b down
before=$(peer_get a b .tx.frames)
ip -n sa link set span0 down
ip -n sa link set span0 up
sent_nothing() {
	[ "$(peer_get a b .tx.frames)" = "$before" ]
}
holds 2 "no frame left a" sent_nothing
