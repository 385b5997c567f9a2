#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Broadcast leaves its site once, and the relay copies it to the others.
#
#   ha --- sa ---+---+--- sb --- hb     The underlay drops what a sends to b, c
#   hc --- sc ---+ hub+-- sd --- hd     and d and what they send to a: relayed.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping
story "broadcast through a relay"
relay_program
nat_need

underlay
SITES="a b c d"
COUNT=40
keys $SITES
relay hub
relay_open hub
relay_start hub
for s in $SITES; do
	site $s
	host $s $s
	for o in $SITES; do
		[ $s = $o ] || peer $s $o
	done
	conf_write $s
	relay_of $s hub
done
for o in b c d; do
	nat_block a $o
done
bridge_start $SITES
for o in b c d; do
	wait_for 10 "a and $o are relayed" both_are relayed a $o
done

floods() { # of a, as the relay counts
	member hub a .floods
}
copies() {
	show hub '[.networks[].copies] | add'
}

# broadcasts PAYLOAD: COUNT of them from ha; captures at the others in $W/SITE.pcap
broadcasts() {
	local pids=() o
	for o in b c d; do
		capture h$o e0 "$W/$o.pcap" -i
		pids+=("$SPAWNED")
	done
	on ha ping -q -b -i 0.02 -W 1 -c $COUNT -s "${2:-200}" -p "$1" 192.168.77.255 \
		>/dev/null 2>&1
	for o in "${pids[@]}"; do
		end "$o"
	done
	for o in b c d; do
		frames "$W/$o.pcap" >"$W/frames"
		equal "h$o got each once" "$(grep -c "$1$1$1" "$W/frames")" $COUNT
	done
}

# flooded SITE: what it knows of a's floods, and a of its own
flooded() {
	peer_get "$1" a .flooded_frames
}
have_key() { # SITE...: those who can open what a floods, and no others
	[ "$(show a '[.peers[] | select(.has_flood_key).name] | sort | join(" ")')" = "$*" ]
}

lacking() { # floods at b whose key was not there
	lanspan b show drops --json |
		jq '[.drops[] | select(.reason == "flood").count] | add // 0'
}

step "auto: a reaches all others by the relay only"
wait_for 5 "all have a's flood key" have_key b c d
between "its age in s" "$(show a .site.flood_key_age_s)" 0 $((15 * PATIENCE))
before=$(lacking)
sent=$(show a .site.floods_sent) saved=$(show a .site.copies_saved)
declare -A came=()
for o in b c d; do
	came[$o]=$(flooded $o)
done
broadcasts 11223344
at_least "floods of a at the relay" "$(floods)" $COUNT
at_least "copies of them" "$(copies)" $((3 * COUNT))
equal "floods that lacked a key" "$(lacking)" "$before"
sent=$(($(show a .site.floods_sent) - sent))
between "a shows them" $sent $COUNT $((COUNT + 20)) # and some of the hosts' own
equal "copies that it saved" $(($(show a .site.copies_saved) - saved)) $((2 * sent))
for o in b c d; do
	between "$o shows them" $(($(flooded $o) - came[$o])) $COUNT $((COUNT + 20))
done

step "frames that take several datagrams"
broadcasts 22334455 1400

step "direct: a sends copies of its own"
conf a bridge broadcast direct
conf_write a
relay_of a hub
check "reload" lanspan a reload
before=$(floods) sent=$(show a .site.floods_sent)
equal "shown" "$(show a .site.broadcast)" direct
broadcasts 33445566
between "floods of a since" $(($(floods) - before)) 0 0
equal "and as a shows" "$(show a .site.floods_sent)" "$sent"

step "relay: b does it as well, though it reaches c and d"
conf b bridge broadcast relay
conf_write b
relay_of b hub
check "reload" lanspan b reload
before=$(member hub b .floods)
on hb ping -q -b -i 0.02 -W 1 -c $COUNT 192.168.77.255 >/dev/null 2>&1
at_least "floods of b since" $(($(member hub b .floods) - before)) $COUNT

step "a site that starts again misses none of what comes when it is back"
conf a bridge broadcast auto
conf_write a
relay_of a hub
check "reload" lanspan a reload
bridge_kill d
bridge_start d
wait_for 10 "a and d are relayed" both_are relayed a d
broadcasts 44556677

step "a member that a does not want any more"
before=$(floods)
check "disconnect" lanspan a disconnect d
capture hd e0 "$W/d.pcap" -i
pid=$SPAWNED
on ha ping -q -b -i 0.05 -W 1 -c $COUNT -p 55667788 192.168.77.255 >/dev/null 2>&1
end "$pid"
frames "$W/d.pcap" >"$W/frames"
wait_for 5 "b and c have a's flood key, d has not" have_key b c
equal "hd got of it" "$(grep -c 556677885566 "$W/frames")" 0
at_least "floods of a went on, under another key" $(($(floods) - before)) $((COUNT / 2))
