#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 400
#
# Relays die, come back and move.  Direct flows do not notice; relayed ones are back
# within 5 s of the start of the only relay, by another one within 3 s.
#
#   sa --- masq ---------+          +--- masq -------- sb       direct
#   sc --- symmetric ----+== wan ===+--- symmetric --- sd       relayed
#                             |
#                        r-hub, r-two
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping iperf3
story "relays that die and move"
relay_by_anybody
relay_program
nat_need

underlay
SITES="a b c d"
keys $SITES
relay hub
relay two 201
relay_open hub
relay_open two
for s in $SITES; do
	case $s in a | b) nat for-$s masq ;; *) nat for-$s symmetric ;; esac
	plug $s for-$s
	host $s $s
done
peer a b
peer b a
peer c d
peer d c

# of_relays RELAY...: the sites' configurations
of_relays() {
	local s r
	for s in $SITES; do
		conf_write $s
		for r; do
			relay_of $s "$r"
		done
	done
}

ready() {
	both_are direct a b && both_are relayed c d && pings ha 192.168.77.2 && pings hc 192.168.77.4
}

flows() {
	: >"$W/log/direct.log"
	: >"$W/log/relayed.log"
	spawn ha "$W/log/direct.log" ping -D -i 0.01 192.168.77.2
	DIRECT=$SPAWNED
	spawn hc "$W/log/relayed.log" ping -D -i 0.01 192.168.77.4
	RELAYED=$SPAWNED
	calm_begin ha
	wait_for 3 "" grep -q "bytes from" "$W/log/direct.log"
	wait_for 3 "" grep -q "bytes from" "$W/log/relayed.log"
}

# lost FILE: of ping's output, up to the last answer
lost() {
	sed -n 's/.*bytes from.* icmp_seq=\([0-9]*\) .*/\1/p' "$1" |
		awk '$1 > most { most = $1 } { n++ } END { print n ? most - n : "all" }'
}

# flows_end: the direct one must have lost nothing
flows_end() {
	end "$DIRECT" INT
	end "$RELAYED" INT
	calm_end
	equal "lost of the direct ping" "$(lost "$W/log/direct.log")" 0
	speed "its longest silence, s" "$(gap "$W/log/direct.log")" 0 "$(with_calm "0.$((2 * PATIENCE))")"
	echo "      the relayed one's: $(gap "$W/log/relayed.log") s"
}

back_after() { # SINCE WHAT MOST
	local first
	wait_for $(($3 * 2)) "" answered_since "$W/log/relayed.log" "$1" || fail "$2: never back"
	first=$(answered_since "$W/log/relayed.log" "$1")
	between "$2: s until relayed traffic is back" \
		"$(awk -v a="$1" -v b="$first" 'BEGIN { print b - a }')" 0 $(($3 * PATIENCE))
}

silent() {
	! pings hc 192.168.77.4 -W 0.2
}

step "the only relay is killed, and is back after 3 s"
of_relays hub
relay_start hub
bridge_start $SITES
wait_for 15 "a and b are direct, c and d relayed" ready
flows
spawn hb "$W/log/iperf-b.log" iperf3 -s -1
wait_for 5 "" listens hb t 5201
spawn ha "$W/log/iperf-a.log" iperf3 -c 192.168.77.2 -t 8 -b 20M -J
iperf=$SPAWNED
spawn hd "$W/log/iperf-d.log" iperf3 -s -1
wait_for 5 "" listens hd t 5201
spawn hc "$W/log/iperf-c.log" iperf3 -c 192.168.77.4 -t 12 -b 20M -J
other=$SPAWNED
holds 1 "both flow" alive "$iperf"
relay_kill hub
wait_for 2 "relayed traffic stops" silent
holds 3 "the direct path is kept" both_are direct a b
began=$(now)
relay_run hub
back_after "$began" "started again" 5
wait_for 20 "" gone "$iperf"
wait_for 30 "" gone "$other"
least=$(jq '[.intervals[].sum.bits_per_second] | min / 1e6' "$W/log/iperf-a.log")
speed "slowest second of the direct TCP flow of 20 Mb/s, Mb/s" "$least" 15
lived() {
	jq -e ".end.sum_received.bytes > 0" "$1" >/dev/null
}
check "the relayed TCP flow lived through it" lived "$W/log/iperf-c.log"
flows_end
wait_for 10 "all as before" ready

step "two relays; the one in use is killed"
relay_start two
of_relays hub two
for s in $SITES; do
	bridge_stop $s
done
bridge_start $SITES
wait_for 15 "a and b are direct, c and d relayed" ready
relays_up() {
	local s
	for s in $SITES; do
		[ "$(show $s '[.relays[] | select(.state == "registered" and .members == 3)] | length')" = 2 ] ||
			return 1
	done
}
wait_for 10 "each site has two relays" relays_up
used() { # SITE PEER
	peer_get "$1" "$2" .relay
}
for round in 1 2; do
	hub=$(used c d) || fail "no relay is named"
	flows
	began=$(now)
	relay_kill "$hub"
	sleep $((4 * PATIENCE)) # what comes then is in the ping's log
	wait_for 10 "" answered_since "$W/log/relayed.log" "$(now)" || fail "relayed traffic never came back"
	check "c and d are relayed" both_are relayed c d
	speed "relay $hub killed, round $round: longest silence of the relayed ping, s" \
		"$(gap "$W/log/relayed.log" "$began")" 0 $((3 * PATIENCE))
	flows_end
	check "it is another relay" [ "$(used c d)" != "$hub" ]
	relay_start "$hub"
	wait_for 15 "both relays are there again" relays_up
done

step "a relay by its name, which gets another address"
relay_stop two
cp /etc/hosts "$W/hosts"
mount --bind "$W/hosts" /etc/hosts
named() { # ADDRESS; the file stays the same one
	{
		grep -v relay.test /etc/hosts
		echo "$1 relay.test"
	} >"$W/hosts.new"
	cat "$W/hosts.new" >"$W/hosts"
}
named 10.99.0.200
of_relays hub
for s in $SITES; do
	bridge_stop $s
	sed -i 's/^address = 10\.99\.0\.200$/address = relay.test/' "$W/etc/$s.conf"
done
bridge_start $SITES
wait_for 15 "a and b are direct, c and d relayed" ready
flows
ip -n r-hub addr del 10.99.0.200/24 dev w0
ip -n r-hub addr add 10.99.0.210/24 dev w0
ip -n r-hub route replace default via 10.99.0.254
wait_for 2 "relayed traffic stops" silent
began=$(now)
named 10.99.0.210
back_after "$began" "the relay moved" 60
flows_end
