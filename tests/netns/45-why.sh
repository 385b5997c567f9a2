#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Where would a frame go now, who said so, and what was dropped on that way?
#
#   ha --- sa ---+---+--- sb --- hb     The underlay drops what a and c send to each
#                | hub+-- sc --- hc     other: relayed.  a and b talk directly.  e does not run.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping tcpreplay
story "where a frame would go, and why"
relay_program
nat_need

underlay
relay hub
relay_open hub
relay_start hub
SITES="a b c"
keys $SITES e
for s in $SITES; do
	site $s
	host $s $s
	for o in $SITES; do
		[ $s = $o ] || peer $s $o
	done
done
peer a e 10.99.0.5:7741
conf a bridge broadcast direct
for s in $SITES; do
	conf_write $s
	relay_of $s hub
done
nat_block a c
ip -n sa addr add 192.168.77.100/24 dev br0
bridge_start $SITES
wait_for 10 "a and b are direct" both_are direct a b
wait_for 10 "a and c are relayed" both_are relayed a c

# mac NAMESPACE INTERFACE
mac() {
	ip -n "$1" -j link show dev "$2" | jq -r '.[0].address'
}

# why SITE ARGUMENT...: its text in $W/why, its status in WHY
why() {
	lanspan "$1" why "${@:2}" >"$W/why" 2>&1
	WHY=$?
}

# why_json SITE JQ-EXPRESSION ARGUMENT...
why_json() {
	lanspan "$1" why "${@:3}" --json | jq -r "$2"
}

# says TEXT...: the answer has these lines or parts of lines
says() {
	local text
	for text; do
		grep -qF -- "$text" "$W/why" || fail "why does not say '$text': $(cat "$W/why")"
		echo "  ok  says: $text"
	done
}

step "an address at a peer, directly"
check "ha to hb" pings ha 192.168.77.2
HB=$(mac hb e0) HC=$(mac hc e0) HA=$(mac ha e0)
why a "$HB"
equal "status" $WHY 0
says "untagged: to peer b" "said by: frames from there, since" "state: up" \
	"path: direct, 10.99.0.2:7741" "last drop on the way there: none"
equal "fate" "$(why_json a .fate "$HB")" forwarded
equal "the table says the same" "$(why_json a '.places[0].port' "$HB")" \
	"$(show a ".macs[] | select(.mac == \"$HB\") | .port")"
between "seconds since it was learned" "$(why_json a '.places[0].learned_s' "$HB")" 0 $((20 * PATIENCE))
why a "$HB" 0
equal "status, untagged asked for" $WHY 0
why a "${HB//:/-}"
equal "status, with dashes" $WHY 0

step "behind a relay, and behind the own TAP"
check "ha to hc" pings ha 192.168.77.3
why a "$HC"
equal "status" $WHY 0
says "untagged: to peer c" "path: relayed by hub"
equal "relay" "$(why_json a '.places[0].relay' "$HC")" hub
why a "$HA"
equal "status" $WHY 0
says "to port span0, this side of the tunnel"
equal "kind" "$(why_json a '.places[0].kind' "$HA")" local

step "tagged: another table"
why a "$HB" 77
equal "status" $WHY 1
says "no frame came from it in VLAN 77 lately: flooded"
# tagged HOST VLAN: the host sends a frame for all with that tag
tagged() {
	{
		printf '\xd4\xc3\xb2\xa1\2\0\4\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\0\0'
		printf '\0\0\0\0\0\0\0\0\100\0\0\0\100\0\0\0\377\377\377\377\377\377'
		# shellcheck disable=SC2059 # the format is the address and the VLAN
		printf "\\x$(mac "$1" e0 | sed 's/:/\\x/g')\\x81\0\0\\x$(printf %02x "$2")\\x88\\xb5"
		head -c 46 /dev/zero
	} >"$W/tagged.pcap"
	on "$1" tcpreplay -q -i e0 "$W/tagged.pcap" >"$W/log/tcpreplay.log" 2>&1 || fail "tcpreplay"
}
tagged hb 77
learned() {
	lanspan "$1" why "$2" "$3"
}
wait_for 5 "a learned it from a tagged frame" learned a "$HB" 77
why a "$HB" 77
equal "status" $WHY 0
says "VLAN 77: to peer b"
equal "VLANs that have it" "$(why_json a '[.places[].vlan] | sort | join(" ")' "$HB")" "0 77"

step "nobody knows: flooded"
why a 02:00:00:00:00:99
equal "status" $WHY 1
says "no frame came from it in any VLAN lately: flooded until one does" \
	"frames from peers: to port span0 (up)" "a copy each to peers: b, c" \
	"not to peer e: calling, no answer yet"
equal "fate" "$(why_json a .fate 02:00:00:00:00:99)" flooded
equal "left out" "$(why_json a '[.flood.left_out[].peer] | join(" ")' 02:00:00:00:00:99)" e
conf a bridge broadcast relay
conf_write a
relay_of a hub
check "broadcast = relay" lanspan a reload
once() {
	[ "$(why_json a '[.flood.relay, .flood.relayed[]] | join(" ")' 02:00:00:00:00:99)" = "hub b c" ]
}
wait_for 10 "one frame for the relay to copy" once
SENT=$(show a .site.floods_sent)
why a ff:ff:ff:ff:ff:ff
equal "status of broadcast" $WHY 1
says "a group address is for everybody" "frames from here: once, copied by relay hub, to peers: b, c"
equal "asking sends nothing" "$(show a .site.floods_sent)" "$SENT"
why a 224.0.0.251
says "224.0.0.251 is at 01:00:5e:00:00:fb" "a group address is for everybody"
why a ff02::1:ff00:1
says "is at 33:33:ff:00:00:01"

step "not forwarded at all"
why a 01:80:c2:00:00:0e
equal "status" $WHY 1
says "reserved group address (reserved = drop)"
equal "fate" "$(why_json a .fate 01:80:c2:00:00:0e)" dropped

step "by IP, as far as this host knows"
why a 192.168.77.2
equal "status of a stranger" $WHY 1
says "this host has no neighbour entry for it at br0"
equal "fate" "$(why_json a .fate 192.168.77.2)" unknown
check "the host of site a talks to hb" pings sa 192.168.77.2
why a 192.168.77.2
equal "status" $WHY 0
says "192.168.77.2 is at $HB, says this host's neighbour table of br0" "to peer b"
between "age of that" "$(why_json a .neighbour_age_s 192.168.77.2)" 0 $((20 * PATIENCE))
why a 192.168.77.100
equal "status of the own address" $WHY 0
says "the address of br0 at this host" "to port span0"
why a "$(mac sa br0)"
says "the address of br0 at this host"

step "what was dropped on that way"
ip -n sa route add blackhole 10.99.0.2
on ha ping -q -c 3 -i 0.1 -W 1 192.168.77.2 >/dev/null 2>&1
ip -n sa route del blackhole 10.99.0.2
why a "$HB"
says "last drop on the way there: send, "
between "seconds since" "$(why_json a '.places[0].last_drop_there.last_s' "$HB")" 0 $((20 * PATIENCE))
at_least "drops of that reason" "$(why_json a '.places[0].last_drop_there.count' "$HB")" 1
check "disconnect b" lanspan a disconnect b
on ha ping -q -c 1 -W 1 192.168.77.2 >/dev/null 2>&1
why a "$HB"
equal "status" $WHY 1
says "not to peer b: disconnected by command"
check "connect b" lanspan a connect b

step "asked, no answer"
on sa ping -q -c 1 -W 1 192.168.77.66 >/dev/null 2>&1
why a 192.168.77.66
equal "status" $WHY 1
says "asked, no answer: this host asks for it at br0"

step "learning = no: all is flooded"
conf a bridge learning no
conf_write a
relay_of a hub
check "reload" lanspan a reload
why a "$HC"
equal "status" $WHY 1
says "learning = no: every frame is flooded"

step "what is not understood, and who does not know"
# refused STATUS TEXT ARGUMENT...
refused() {
	why a "${@:3}"
	equal "status of '${*:3}'" $WHY "$1"
	says "$2"
}
refused 2 "usage: lanspan [-i NAME] why MAC|IP [VLAN] [--json]"
refused 2 "printer: not an address: must be like 02:00:5e:10:00:00, 192.0.2.7 or 2001:db8::7" printer
refused 2 "not an address" 00:00:00:00:00:00
refused 2 "4095: not a VLAN: must be 0 (untagged) to 4094" "$HB" 4095
refused 2 "x: not a VLAN" "$HB" x
refused 2 "no such option" -x
lanspan hub why "$HB" >"$W/why" 2>&1
equal "status of a relay" $? 2
says "this is a relay: it cannot look into frames and learns no addresses; ask a bridge process"

step "no peer has a session"
conf a bridge learning yes
conf_write a
relay_of a hub
check "learning again" lanspan a reload
bridge_stop b
bridge_stop c
alone() {
	! is_up a b && ! is_up a c
}
wait_for 20 "a is alone" alone
on ha ping -q -c 1 -W 1 -s 40 192.168.77.77 >/dev/null 2>&1
why a "$HA"
says "last drop on the way there: none" "last drop from there: no-session, "
equal "no way there" "$(why_json a '.places[0].last_drop_there' "$HA")" null
equal "the way from there" "$(why_json a '.places[0].last_drop_from_there.reason' "$HA")" no-session
why a 02:00:00:00:00:99
equal "status" $WHY 1
says "no frame came from it in any VLAN lately: would be flooded, but no peer has a session: dropped" \
	"last drop on the way to the port: none" "last drop from the port: no-session, "
equal "fate" "$(why_json a .fate 02:00:00:00:00:99)" dropped
equal "the same words" "$(why_json a '.text | test("flooded until")' 02:00:00:00:00:99)" false
why a ff:ff:ff:ff:ff:ff
says "a group address is for everybody: would be flooded, but no peer has a session: dropped"
