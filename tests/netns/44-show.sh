#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What show says is so, and lanspan(8) tells of all of it and of nothing else.
#
#   ha --- sa ======= sb --- hb     c does not run; relay hub
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping
story "what show says, and what the manual says of it"
relay_by_anybody
relay_program
nat_need

underlay
relay hub
printf '[relay]\nkey_file = hub.key\naccess = open\nlisten_tls = 0.0.0.0:7443\n' | relay_conf hub
relay_start hub
keys a b c
for s in a b; do
	site $s
	host $s $s
done
peer a b 10.99.0.2
peer b a 10.99.0.1
peer a c 10.99.0.3
conf a bridge mss_clamp yes
for s in a b; do
	conf_write $s
	relay_of $s hub
done
bridge_start a b
wait_for 10 "a and b are direct" both_are direct a b
registered() {
	[ "$(show "$1" '.relays[0].state')" = registered ]
}
wait_for 10 "a is at the relay" registered a
wait_for 10 "b is at the relay" registered b

step "states in words"
lanspan a show peers >"$W/peers"
check "why c is not up" grep -qx 'c: calling, no answer yet' "$W/peers"
check "nothing more of b" eval '! grep -q "^b:" "$W/peers"'
equal "engine of the session" "$(peer_get a b .engine)" "$(show a .site.engine)"
equal "engine without a session" "$(lanspan a show --json | jq -c '.peers[] | select(.name == "c") | [.engine, .offloads]')" '[null,[]]'
equal "offloads of the path" "$(peer_get a b '.offloads | index("gso") != null')" \
	"$(show a '[.paths[] | select(.peer == "b" and .state == "in use").gso][0]')"
equal "mss_clamp of a" "$(show a .site.mss_clamp)" yes
equal "mss_clamp of b" "$(show b .site.mss_clamp)" no
lanspan a show >"$W/all"
check "in words" grep -qx '  mss_clamp: yes' "$W/all"
filters() {
	cat /proc/sys/net/bridge/bridge-nf-call-{ip,ip6,arp}tables 2>/dev/null | grep -c 1
}
on sa bash -c "$(declare -f filters); filters" >"$W/filters"
if [ "$(cat "$W/filters")" = 0 ]; then
	check "netfilter" grep -qx '  netfilter: off' "$W/all"
else
	check "netfilter" grep -q '^  netfilter: on' "$W/all"
	conf b bridge netfilter off
	conf_write b
	relay_of b hub
	bridge_stop b
	bridge_start b
	wait_for 10 "a and b are direct" both_are direct a b
	equal "netfilter = off" "$(lanspan b show --json | jq .site.netfilter)" false
fi

step "nothing is lost where nothing is dropped"
# traffic: 600 datagrams and more each way
traffic() {
	on ha ping -q -i 0.005 -c 600 -W 1 192.168.77.2 >/dev/null 2>&1
}
traffic
# arrivals SITE PEER: lost and reordered
arrivals() {
	peer_get "$1" "$2" '"\(.lost) \(.reordered)"'
}
between "lost at b" "$(peer_get b a .lost)" 0 5 # probes of the path
between "lost at a" "$(peer_get a b .lost)" 0 5

step "each tenth datagram of a is dropped"
PROBES=$(peer_get b a .lost)
RECEIVED=$(peer_get b a .rx.datagrams)
on wan nft -f - <<END || fail "no rules in the underlay"
table bridge lossy {
	chain forward {
		type filter hook forward priority 0;
		ip saddr 10.99.0.1 ip daddr 10.99.0.2 udp dport 7741 numgen inc mod 10 0 counter drop
	}
}
END
traffic
DROPPED=$(on wan nft -j list table bridge lossy | jq '[.. | .counter? | objects | .packets] | add')
LOST=$(($(peer_get b a .lost) - PROBES))
RECEIVED=$(($(peer_get b a .rx.datagrams) - RECEIVED))
at_least "dropped on the way" "$DROPPED" 50
between "lost at b" "$LOST" $((DROPPED - 3)) $((DROPPED + 3))
between "percent of all" "$((100 * LOST / (LOST + RECEIVED)))" 8 12
between "percent lately, as b says" "$(peer_get b a .loss_percent)" 2 12
between "lost at a, where nothing is dropped" "$(peer_get a b .lost)" 0 5
equal "reordered at both" "$(peer_get b a .reordered) $(peer_get a b .reordered)" "0 0"
on wan nft delete table bridge lossy
lanspan b show peers >"$W/peers"
check "in the table" grep -qE '^a  *up .* [0-9.]+ %  +0\.0 % ' "$W/peers"

step "addresses and drops have their times"
HB=$(ip -n hb -j link show dev e0 | jq -r '.[0].address')
# mac_get SITE MAC FIELD
mac_get() {
	show "$1" "[.macs[] | select(.mac == \"$2\")][0] | $3"
}
at_least "frames that came from hb" "$(mac_get a "$HB" .rx.frames)" 500
at_least "bytes" "$(mac_get a "$HB" .rx.bytes)" 50000
at_least "frames that went to hb" "$(mac_get a "$HB" .tx.frames)" 1000
between "seconds since it is there" "$(mac_get a "$HB" .learned_s)" 3 60
between "seconds since it was seen" "$(mac_get a "$HB" .age_s)" 0 $((5 * PATIENCE))
on ha ping -q -c 1 -W 1 192.168.77.99 >/dev/null 2>&1
on sa bash -c 'echo 1 >/dev/udp/10.99.0.2/7741'
ip -n sa route add blackhole 10.99.0.2
on ha ping -q -c 3 -i 0.1 -W 1 192.168.77.2 >/dev/null 2>&1
ip -n sa route del blackhole 10.99.0.2
at_least "frames that could not be sent" "$(show a '.drops[] | select(.where == "peer b" and .reason == "send").count')" 1
kind_dropped() {
	show b '.drops[] | select(.where == "site" and .reason == "kind") | .last_s < 5 * '"$PATIENCE"
}
wait_for 5 "a stranger's datagram is among the drops" kind_dropped

# ---- what the manual says --------------------------------------------------------

step "lanspan(8) and the answers have the same members"
ip -n sa link add nic0 type veth peer name nic1
ip -n sa link set nic0 up
check "a lab port of datagrams" lanspan a port add dgram kind=qemu local=127.0.0.1:10001 \
	remote=127.0.0.1:10002 'impair_in=delay 1ms'
check "one of a stream" lanspan a port add stream kind=qemu transport=stream \
	remote=127.0.0.1:10003
check "one of a NIC" lanspan a port add nic kind=nic interface=nic0
# printed: of a show's answer in JSON: a line for each member: part and name
printed() {
	jq -r 'to_entries[] | .key as $part | .value | [paths] | .[] | map(strings) |
		select(length > 0 and ((index("drops") // length) >= length - 1)) |
		"\($part) \(last)"' | sort -u
}
# told SECTION: of lanspan(8): the same; names of other parts after "see"
told() {
	sed -n "/^\\.Sh $1\$/,/^\\.S[hs] /{ /^\\.Sh $1\$/p; /^\\.S[hs] /!p }" "$TOP/man/lanspan.8" |
		awk '/^\.It Em / { part = $3; next }
			part && /^\.Em / { for (i = 2; i <= NF; i++) if ($i ~ /^[a-z_]+$/) print part, $i }' |
		sort -u
}
# same SECTION: what is printed is told, what is told is printed.  A block that names
# another part has that one's members, too.
same() {
	awk -v OFS=' ' '
	NR == FNR { told[$1 SUBSEP $2]; part[$1]; next }
	{ is[$1 SUBSEP $2]; printed_part[$1] }
	END {
		for (k in is) {
			split(k, m, SUBSEP)
			if (!(k in told) && !by_reference(m[1], m[2]))
				print "not told: " m[1] "." m[2]
		}
		for (k in told) {
			split(k, m, SUBSEP)
			if (!(k in is) && m[1] in printed_part && !(m[2] in part))
				print "not printed: " m[1] "." m[2]
		}
	}
	function by_reference(of, name,    k, m) {
		for (k in told) {
			split(k, m, SUBSEP)
			if (m[1] == of && m[2] in part && (m[2] SUBSEP name) in told)
				return 1
		}
		return 0
	}' "$W/told" "$W/printed" >"$W/differences"
	[ ! -s "$W/differences" ] || fail "$1: $(cat "$W/differences")"
	echo "  ok  $1: $(wc -l <"$W/printed") members"
}
for s in a b; do
	lanspan $s show --json | printed
done | sort -u >"$W/printed"
told JSON >"$W/told"
at_least "members of a site in the manual" "$(wc -l <"$W/told")" 80
same "a site"

for part in networks members drops; do
	"$BIN/lanspan" -i hub show $part --json
done | jq -s add | printed >"$W/printed"
told "JSON OF A RELAY" >"$W/told"
same "a relay"

for address in "$HB" 02:00:00:00:00:99 192.168.77.77; do
	lanspan a why "$address" --json
done | jq -r '[paths] | .[] | map(strings) | select(length > 0) | last' | sort -u >"$W/printed"
sed -n '/^\.Ss Of why$/,/^\.Sh /p' "$TOP/man/lanspan.8" |
	awk '/^\.(It )?Em / { for (i = 2; i <= NF; i++) if ($i ~ /^[a-z_]+$/) print $i }' |
	sort -u >"$W/told"
equal "why: what the manual tells and what is printed" \
	"$(diff "$W/told" "$W/printed" | grep '^[<>]' | xargs)" ""

step "each tenth datagram of a comes after the next one"
helper shuffle
bridge_stop a
bridge_stop b
nat_block a b
spawn wan "$W/shuffle.txt" "$HELPER" 9000 10.99.0.2 7741 10
shuffle=$SPAWNED
wait_for 5 "" listens wan u 9000
unpeer a c
peer a b 10.99.0.254:9000
peer b a
conf_write a
conf_write b
bridge_start a b
wait_for 10 "a and b are up" both_up a b
traffic
check "hosts reach each other" pings ha 192.168.77.2
wait_for 5 "b tells of it" eval '[ "$(peer_get b a ".reorder_percent | floor")" -ge 1 ]'
LATELY=$(peer_get b a .reorder_percent)
traffic
REORDERED=$(peer_get b a .reordered)
RECEIVED=$(peer_get b a .rx.datagrams)
end "$shuffle"
read -r _ LATE <"$W/shuffle.txt"
at_least "late on the way" "$LATE" 100
between "reordered at b" "$REORDERED" $((LATE * 9 / 10)) "$LATE"
between "percent of all" "$((100 * REORDERED / RECEIVED))" 8 11
between "percent lately, as b says" "$LATELY" 5 15
between "lost at b" "$(peer_get b a .lost)" 0 5
between "reordered at a, where all is in order" "$(peer_get a b .reordered)" 0 0
