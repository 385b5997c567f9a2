#!/bin/bash
# SPDX-License-Identifier: MIT
#
# gro = on: what hosts without offloads send is merged at the bridge's ports, which are as
# they were when they leave the bridge, and at the end.
#
#   ha [e0] --- sa [br0: p-a, late, span0] ====== sb --- hb
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need socat ethtool
story "generic receive offload of a bridge's ports"

two_sites
two_hosts
connect

# merges SITE PORT: whether it is on
merges() {
	on "s$1" ethtool -k "$2" | grep -qx 'generic-receive-offload: on.*'
}

for end in "ha e0" "sa p-a"; do
	# shellcheck disable=SC2086 # namespace and interface
	set -- $end
	on "$1" ethtool -K "$2" tso off gso off gro off tx off tx-udp-segmentation off >/dev/null 2>&1
done
ip -n sa link add late type veth peer name far
ip -n sa link add own type veth peer name farther
on sa ethtool -K late gro off
on sa ethtool -K own gro on 2>/dev/null
ip -n sa link set own master br0

# crosses: mean bytes of a frame that the TAP of a is given while ha sends 4 MB
crosses() {
	local before after receiver
	rm -f "$W/got"
	spawn hb "$W/log/socat.log" socat -u TCP-LISTEN:9000,reuseaddr "CREATE:$W/got"
	receiver=$SPAWNED
	wait_for 5 "" listens hb t 9000
	before=$(ip -n sa -j -s link show span0 | jq '.[0].stats64.tx | .bytes, .packets')
	on ha socat -u "OPEN:$W/random" TCP:192.168.77.2:9000 || fail "socat"
	wait_for 20 "" gone "$receiver"
	after=$(ip -n sa -j -s link show span0 | jq '.[0].stats64.tx | .bytes, .packets')
	# shellcheck disable=SC2086 # words
	echo $after $before | awk '{ printf "%d", ($1 - $3) / ($2 - $4) }'
	cmp -s "$W/random" "$W/got" || fail "what arrived is not what was sent"
}

head -c 4000000 /dev/urandom >"$W/random"

step "keep"
between "bytes of a frame" "$(crosses)" 1000 1514
check "the port is as it was" eval '! merges a p-a'
check "told" grep -q 'hint="gro = on"' "$W/log/a.log"

step "on"
bridge_stop a
conf a bridge gro on
conf_write a
bridge_start a
wait_for 10 "a and b are up" both_up a b
check "switched on" merges a p-a
at_least "bytes of a frame" "$(crosses)" 2500
ip -n sa link set late master br0
wait_for 5 "and on a port that comes later" merges a late
ip -n sa link set late nomaster
wait_for 5 "which has it back when it leaves" eval '! merges a late'
ip -n sa link set late master br0
wait_for 5 "on again" merges a late
on sa ethtool -K late gro off
ip -n sa link add later type veth peer name farthest
on sa ethtool -K later gro off
ip -n sa link set later master br0
wait_for 5 "another port comes" merges a later
check "somebody's wish stays" eval '! merges a late'

step "the end"
ip -n sa link set later down
ip -n sa link set later name renamed
bridge_stop a
check "the port is as it was" eval '! merges a p-a'
check "one that got another name, too" eval '! merges a renamed'
check "one that had it on keeps it" merges a own
