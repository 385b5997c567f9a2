#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 600
# beside: yes
#
# A relay that means ill: it has all hop keys, so that all that it changes, sends
# elsewhere, sends again or makes up carries a valid hop tag.  No frame of that is
# accepted, no session is stolen, the sites say what they saw, and when it ends all goes
# on as before.
#
#   ha --- sa ---+         +--- sd --- hd     Two networks with one secret; hd and he
#   hb --- sb ---+--- hub -+--- se --- he     have the addresses of ha and hb.  The
#   hc --- sc ---+         victim             underlay lets no site send to another.
#
#   LONG   set: a victim is watched for 25 s instead of 8 s
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping
story "a hostile relay"
relay_by_anybody
nat_need
[ -x "$HELPERS/hostile-relay" ] || skip "no hostile-relay in $HELPERS"
NO_IPV6=yes

LAB="a b c"
OTHER="d e"
SITES="$LAB $OTHER"
COUNT=30
VICTIM=10.99.0.77

underlay
netns victim
cable victim wan wan0 victim
ip -n victim addr add $VICTIM/24 dev w0
keys $SITES
relay hub
declare -A HOST=([a]=1 [b]=2 [c]=3 [d]=1 [e]=2)
for s in $SITES; do
	site $s
	host $s $s
	ip -n h$s link set e0 address 02:00:00:00:00:0${HOST[$s]}
	ip -n h$s addr flush dev e0
	ip -n h$s addr add 192.168.77.${HOST[$s]}/24 broadcast 192.168.77.255 dev e0
	for i in 1 2 3; do # what the evil withholds shall not be missing for want of ARP
		[ $i = "${HOST[$s]}" ] ||
			ip -n h$s neigh add 192.168.77.$i lladdr 02:00:00:00:00:0$i dev e0 nud permanent
	done
	case $s in d | e) conf $s network name other ;; esac
	conf $s network trust secret
	conf $s bridge broadcast relay
done
peer a b # these two know each other; the rest is the list's word, and the secret
peer b a
for s in $SITES; do
	conf_write $s
	relay_of $s hub
	for o in $SITES; do
		[[ $s < $o ]] && nat_block $s $o
	done
done
chown "$(id -u)" "$W/etc/hub/hub.key"
mkfifo "$W/orders"
exec 9<>"$W/orders"
install "$HELPERS/hostile-relay" /run/programs/
# shellcheck disable=SC2016 # its own words
spawn r-hub "$W/log/hostile.log" bash -c 'exec "$0" "$1" "$2" <"$3"' "$BIN/hostile-relay" \
	"$W/etc/hub/hub.key" 10.99.0.200:7741 "$W/orders"
RELAY=$SPAWNED
wait_for 5 "the relay is there" grep -q ready "$W/log/hostile.log"
bridge_start $SITES
PAIRS="ab ac bc de"
for pair in $PAIRS; do
	wait_for 10 "${pair:0:1} and ${pair:1} are relayed" both_are relayed ${pair:0:1} ${pair:1}
done

# ---- what is looked at ----

# flows: each host's site reaches the others of its network
flows() {
	local pair
	for pair in $PAIRS; do
		pings h${pair:0:1} 192.168.77.${HOST[${pair:1}]} -W 0.3 || return 1
	done
}

# sessions: who has one with whom, and where; handshakes: and how many there were
sessions() {
	local s
	for s in $SITES; do
		show $s "[.peers[] | select(.state == \"up\") |
			\"$s-\(.name) \(.public_key) \(.endpoint)\"] | sort[]"
	done
}
handshakes() {
	local s
	for s in $SITES; do
		show $s "[.peers[] | \"$s-\(.name) \(.public_key) \(.handshakes)\"] | sort[]"
	done
}

# reasons SITE: "REASON COUNT" of all that it dropped
reasons() {
	show "$1" '[.drops[]] | group_by(.reason)[] | "\(.[0].reason) \([.[].count] | add)"'
}

# saw REASON...: prints the sites that counted one of them since the evil began
saw() {
	local s reason before after
	for s in $SITES; do
		for reason; do
			before=$(awk -v r="$reason" '$1 == r { print $2 }' "$W/before-$s")
			after=$(reasons $s | awk -v r="$reason" '$1 == r { print $2 }')
			[ "${after:-0}" -gt "${before:-0}" ] && printf "%s " $s && break
		done
	done
}

told() { # what was new, for people
	local s
	for s in $SITES; do
		reasons $s | awk -v s=$s 'FILENAME != "-" { b[$1] = $2; next }
			$2 > b[$1] { t = t " " $2 - b[$1] " " $1 } END { if (t) print "      " s ":" t }' \
			"$W/before-$s" -
	done
}

# order EVIL [PLACE]: what the evil before did is in DID
order() {
	local before
	before=$(wc -l <"$W/log/hostile.log")
	echo "$*" >&9
	wait_for 5 "" eval '[ "$(wc -l <"$W/log/hostile.log")" -gt '"$before"' ]'
	DID=$(tail -n 1 "$W/log/hostile.log")
}

ROUND=10
# mark FLOW: 4 bytes in hex
mark() {
	echo "5e${ROUND}0${1}a7"
}

# send FROM ADDRESS FLOW [OPTION...]
send() {
	local from=$1 to=$2 flow=$3 pace=(-i 0.02 -W 0.5)
	! emulated || pace=(-i 0.3 -W 3)
	shift 3
	on "$from" ping -q "${pace[@]}" -c $COUNT -p "$(mark "$flow")" "$@" "$to" >/dev/null 2>&1
}

# traffic: flow 1 from ha to hb, 2 from ha to all, 3 from hd to he, 4 from hd to all
traffic() {
	local pids=() captures=() s
	for s in $SITES; do
		capture h$s e0 "$W/$s.pcap" -i
		captures+=("$SPAWNED")
	done
	send ha 192.168.77.2 1 & pids+=($!)
	send ha 192.168.77.255 2 -b & pids+=($!)
	send hd 192.168.77.2 3 & pids+=($!)
	send hd 192.168.77.255 4 -b & pids+=($!)
	wait "${pids[@]}"
	for s in "${captures[@]}"; do
		end "$s"
	done
	for s in $SITES; do
		frames "$W/$s.pcap" >"$W/$s.frames"
	done
}

# got: for each host a word, its name and how many frames of flows 1, 2, 3, 4 it got
got() {
	local s flow m
	for s in $SITES; do
		printf "%s" $s
		for flow in 1 2 3 4; do
			m=$(mark $flow)
			printf ":%s" "$(grep -c "$m$m$m" "$W/$s.frames")"
		done
		echo
	done | paste -sd' '
}
NOTHING="a:0:0:0:0 b:0:0:0:0 c:0:0:0:0 d:0:0:0:0 e:0:0:0:0"
N=$COUNT
EACH="a:$N:0:0:0 b:$N:$N:0:0 c:0:$N:0:0 d:0:0:$N:0 e:0:0:$N:$N"

begin() { # EVIL WHAT [PLACE]
	step "$1: $2"
	local s
	sessions >"$W/sessions"
	for s in $SITES; do
		reasons $s >"$W/before-$s"
	done
	order "$1" "${3:-}"
	handshakes >"$W/handshakes" # one that began before may have come to its end
	ROUND=$((ROUND + 1))
}

over() { # the evil ends
	order none
	told
	echo "      the relay did $(awk '{ print $1 " packets of that, " $2 " bytes" }' <<<"${DID#*:}")"
	wait_for 3 "traffic is back" flows
}

same_sessions() {
	sessions | diff "$W/sessions" - >"$W/changed"
}

# none_new: no handshake came to its end
none_new() {
	handshakes | diff "$W/handshakes" - >"$W/changed" || fail "new sessions: $(cat "$W/changed")"
	echo "  ok  no session is new"
}

# never: the sessions are with those that they were with, at the same places
never() {
	wait_for 3 "" same_sessions || fail "sessions changed: $(cat "$W/changed")"
	echo "  ok  no session was stolen"
}

# evil NAME WHAT EXPECTED REASON...: all sites of lab must have counted one of those
evil() {
	local name=$1 what=$2 expected=$3
	shift 3
	begin $name "$what"
	traffic
	DID=
	equal "frames that hosts got" "$(got)" "$expected"
	equal "sites that saw: $*" "$(saw "$@")" "${SAW:-a b c d e} "
	[ "$expected" = "$EACH" ] || none_new
	over
	at_least "packets of that" "$(awk '{ print $1 }' <<<"${DID#*:}")" $COUNT
	never
}

keys_out() {
	local s
	for s in $SITES; do
		[ "$(show $s '[.peers[] | select(.state == "up" and (.has_flood_key | not))] | length')" = 0 ] ||
			return 1
	done
}
wait_for 5 "traffic flows" flows
wait_for 5 "flood keys are handed over" keys_out
step "honest"
ROUND=11
traffic
equal "frames that hosts got" "$(got)" "$EACH"

evil header "a bit of the header is changed" "$NOTHING" auth header index kind
evil body "a bit of the ciphertext is changed" "$NOTHING" auth
evil tag "a bit of the tag is changed" "$NOTHING" auth
evil stamp "stamped with another member" "$NOTHING" source
SAW="a b c" # of two sites there is no third
evil readdress "to others as well, as from the sender and from others" "$EACH" index
SAW=
evil swap "for one as for all, for all as for one" "$NOTHING" header
evil replay "each packet 3 to 21 times" "$EACH" replayed
evil cross "to the other network as well" "$EACH" index
evil reflect "back to the sender" "$NOTHING" index auth
evil records "says what only sites say" "$EACH" record

begin calls "handshakes forged, answered by nobody, answers mixed up"
for s in $LAB; do
	for o in $LAB; do
		[ $s = $o ] || check "$s is to call $o" lanspan $s rekey $o
	done
done
traffic
equal "frames that hosts got" "$(got)" "$EACH"
sleep 2 # for what must not come
none_new
# The others may call as well, when it is time for new keys.
check "a, b and c saw: stranger" grep -q "^a b c " <<<"$(saw stranger)"
check "a, b and c saw: handshake" grep -q "^a b c " <<<"$(saw handshake)"
check "and say so" grep -q "answer is not authentic" "$W/log/a.log"
over
at_least "packets of that" "$(awk '{ print $1 }' <<<"${DID#*:}")" $COUNT
never

step "b begins anew, and gets what it got before"
bridge_stop b
bridge_start b
wait_for 5 "traffic is back" flows
begin old "all that passed, again"
sleep 3 # so long it says it all, and that must do nothing
traffic
equal "frames that hosts got" "$(got)" "$EACH"
saw_old=$(saw replayed old index flood repeated auth)
equal "sites that saw it" "$saw_old" "a b c d e "
over
at_least "packets of that" "$(awk '{ print $1 }' <<<"${DID#*:}")" 2000
never

# ---- lies ----

# lie EVIL WHAT EXPECTED: of the list; what sites are to see stands in SEES
lie() {
	local s
	begin "$1" "$2"
	sleep 1 # they ask for the list
	traffic
	[ -z "$3" ] || equal "frames that hosts got" "$(got)" "$3"
	for s in $LAB; do
		SITE=$s
		wait_for 10 "" "${SEES[@]}" || fail "$s does not say what it saw"
	done
	echo "  ok  sites see: ${SEES[*]}"
	equal "sessions with others than the sites there are" \
		"$(sessions | awk 'NR == FNR { k[$2]; next } !($2 in k)' "$W/sessions" - | wc -l)" 0
	over
	never
}
lists() { # LOWEST HIGHEST: so many other members, as the site shows
	local n
	n=$(show $SITE '.relays[0].members')
	[ "$n" -ge "$1" ] && [ "$n" -le "$2" ]
}
invented() { # calls them, and none of them ever answers
	[ "$(show $SITE '[.peers[] | select(.state == "connecting")] | length')" -ge 30 ]
}
counted() { # REASON...
	[[ " $(saw "$@") " = *" $SITE "* ]]
}
SEES=(counted source mac1 index)
lie keys "members have each other's keys" ""
SEES=(invented)
lie invent "members that there are not" "$EACH"
SEES=(lists 0 0)
lie nobody "nobody is there" ""
SEES=(lists 4094 4095) # the number of b, before it began anew, is nobody's
lie crowd "4096 members" "$EACH"
SEES=(invented)
lie names "names that are none" "$EACH"
for s in $LAB; do
	check "$s: names in show are plain" eval "! lanspan $s show peers | grep -qP '[^ -~]'"
	check "$s: names in the log are plain" eval "! grep -qP '[^ -~]' \"$W/log/$s.log\""
done
SEES=(counted header)
lie number "another's number is the site's own" ""

# ---- victims ----

# places EVIL PLACE SECONDS WHAT [COMMAND...]: lies about where sites are seen, so long,
# and until the command succeeds
places() {
	local began
	began=$(now)
	begin "$1" "$4" "$2"
	capture victim w0 "$W/victim.pcap" -i
	local pid=$SPAWNED
	sleep "$3"
	[ -z "${5:-}" ] || wait_for 40 "sites say so" "${@:5}"
	traffic
	equal "frames that hosts got" "$(got)" "$EACH"
	end "$pid"
	for SITE in $LAB; do
		check "$SITE shows where it is said to be" test "$(show $SITE \
			".relays[0].observed | startswith(\"${2%:*}\")")" = true
	done
	over
	never
	CAME=$(captured "$W/victim.pcap" 'at(12, 2) == "0800" && at(23, 1) == "11"')
	# what UDP carries, as the relay counts: 42 bytes of headers less
	CAME_BYTES=$(frames "$W/victim.pcap" |
		awk 'substr($2, 47, 2) == "11" { n += $1 - 42 } END { print n + 0 }')
	echo "      the victim got $CAME packets, $CAME_BYTES bytes, in $(since "$began") s;" \
		"for $(awk '{ print $1 " datagrams, " $2 " bytes" }' <<<"${DID#*:}") that the relay sent"
	between "bytes at the victim, no more than the relay sent" "$CAME_BYTES" 0 "${DID##* }"
}
for place in 127.0.0.1:9 224.0.0.1:9 255.255.255.255:9 0.0.0.0:9 10.99.0.255:9; do
	places place $place 1 "sites are seen at $place"
	equal "what came out of it" "$CAME" 0
done
# Of 8 pairs two series of 7 each; and whatever the relay says, of each of 5 sites 64 to
# one address, and one more a second.
SECONDS_THERE=${LONG:+25}
: "${SECONDS_THERE:=8}"
told_place() {
	[ "$(saw place)" = "a b c d e " ]
}
places place $VICTIM:9 $SECONDS_THERE "sites are seen at a victim's address"
between "packets at the victim" "$CAME" 1 $((8 * 2 * 7))
places restless $VICTIM:9 $SECONDS_THERE "the same, at another port each time" told_place
between "packets at the victim" "$CAME" 1 $((5 * (64 + 50)))
equal "sites that say what they did not send" "$(saw place)" "a b c d e "
kill -0 "$RELAY" || fail "the relay died"
