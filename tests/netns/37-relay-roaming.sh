#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A site moves from network to network while traffic flows: to another translator, to a
# public address, behind one that cannot be met, and back; its translator forgets all
# and gives other ports.  The session lives through all of it.
#
#   sa --- here, or there, or wan, or far --- wan === masq --- sb --- hb
#                                              |
#                                             r-hub
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping
story "a site that moves from network to network"
relay_by_anybody
relay_program
nat_need

underlay
keys a b
relay hub
relay_open hub
relay_start hub
nat here masq
nat there masq
nat far symmetric
nat home masq
plug a here
plug b home
two_hosts
peer a b
peer b a
conf_write a
conf_write b
relay_of a hub
relay_of b hub
bridge_start a b
wait_for 10 "direct" both_are direct a b

# flow WHAT WAY MOST COMMAND...: what happens to a ping every 10 ms when COMMAND does
# what it does; it must be back within MOST seconds, and the path be WAY in time
flow() {
	local what=$1 way=$2 most=$3 began
	shift 3
	: >"$W/log/ping.log"
	spawn ha "$W/log/ping.log" ping -D -i 0.01 192.168.77.2
	wait_for 5 "" grep -q "bytes from" "$W/log/ping.log"
	began=$(now)
	"$@"
	wait_for 15 "" answered_since "$W/log/ping.log" "$(now)" || fail "$what: no answer"
	wait_for 25 "$what: $way" both_are "$way" a b
	end "$SPAWNED" INT
	between "$what: longest silence, s" "$(gap "$W/log/ping.log" "$began")" 0 $((most * PATIENCE))
}

flow "to another translator" direct 3 plug a there
flow "to a public address" direct 3 plug a
flow "behind one that cannot be met" relayed 3 plug a far
flow "back" direct 3 plug a here
flow "the translator forgets all" direct 3 nat_forget here
flow "the translator forgets all, and gives other ports" direct 3 nat_forget here rebind
flow "the other one's too" direct 3 nat_forget home rebind
blocked() {
	nat_block a b
}
flow "nothing passes directly any more" relayed 3 blocked
unblocked() {
	nat_unblock a b
}
flow "it does again" direct 3 unblocked
for s in a b; do
	equal "$s: times that there was no session" \
		"$(show $s '.peers[] | .handshakes - .rekeys')" 1
done
