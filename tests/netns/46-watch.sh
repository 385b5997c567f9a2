#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The live screen, in a terminal of 80x24, says what show says at the same time.
#
#   ha --- sa === wan0 === sb --- hb     c does not run; relay hub
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping tmux
story "watch: a live screen"
relay_by_anybody
relay_program

underlay
relay hub
relay_open hub
relay_start hub
keys a b c
for s in a b; do
	site $s
	host $s $s
done
peer a b 10.99.0.2
peer b a 10.99.0.1
peer a c 10.99.0.3
for s in a b; do
	conf_write $s
	relay_of $s hub
done
bridge_start a b
wait_for 10 "a and b are up" both_up a b

# ---- a terminal ---------------------------------------------------------------

TMUX_TMPDIR=$W/run
export TMUX_TMPDIR
unset TMUX
# terminal NAME INSTANCE: watch of it in 80x24; its status goes to $W/NAME.status
terminal() {
	tmux -f /dev/null -L screens new-session -d -s "$1" -x 80 -y 24 \
		"env TERM=screen LANSPAN_RUNDIR=$LANSPAN_RUNDIR '$BIN/lanspan' -i $2 watch 2>'$W/$1.err'; echo \$? >'$W/$1.status'"
}
# screen NAME: what is to be seen
screen() {
	tmux -L screens capture-pane -p -t "$1"
}
sees() { # NAME PATTERN
	screen "$1" | grep -qE -- "$2"
}
keys_to() {
	tmux -L screens send-keys -t "$1" "$2"
}
size() { # NAME COLUMNS LINES
	tmux -L screens resize-window -t "$1" -x "$2" -y "$3"
}
# of_peer COLUMN: of peer b, as the screen has it: 1 name, 2 state, 3 path, 4 round trip, 5 loss,
# then received and sent frames and bits
of_peer() {
	screen a | awk -v c="$1" '$1 == "PEER" { on = 1; next } $1 == "ADDRESS" { on = 0 }
		on && $1 == "b" { print $c; exit }'
}
# plain NUMBER: without its k or M
plain() {
	numfmt --from=si "$(echo "$1" | tr k K)"
}

step "peers, in 80x24"
terminal a a
wait_for 5 "a screen" sees a '^site a, up '
wait_for 5 "the port" sees a "^port $(show a '.ports[0].name') up, bridge br0 joined: in "
wait_for 5 "the relay" sees a '^relays: hub registered'
equal "peers on the screen" \
	"$(screen a | sed -n '/^PEER/,/^ADDRESS/p' | awk 'NF > 7 && !/^PEER|^ADDRESS/ { print $1, $2, $3 }' | xargs)" \
	"$(show a '[.peers | sort_by(.name)[] | "\(.name) \(.state) \(.path // "-")"] | join(" ")')"
equal "the last line" "$(screen a | tail -n 1)" "q quit  p pause  s sort  h help"
equal "lines" "$(screen a | wc -l)" 24

step "rates"
spawn ha "$W/log/ping.log" ping -q -i 0.02 -s 972 192.168.77.2 # 1000 bytes of IP
PING=$SPAWNED
flows() {
	[ "$(of_peer 6)" != - ] && [ "$(plain "$(of_peer 6)")" -gt 20 ]
}
wait_for 10 "frames flow" flows
sleep 2 # a time on the screen before is all of it
FRAMES=$(show a '.peers[] | select(.name == "b").rx.frames')
BYTES=$(show a '.peers[] | select(.name == "b").rx.bytes')
THEN=$(now)
sleep 2 # what passes meanwhile is counted
SEEN=$(screen a)
PASSED=$(since "$THEN")
FRAMES=$(($(show a '.peers[] | select(.name == "b").rx.frames') - FRAMES))
BYTES=$(($(show a '.peers[] | select(.name == "b").rx.bytes') - BYTES))
of_seen() {
	plain "$(echo "$SEEN" | awk -v c="$1" '$1 == "b" { print $c; exit }')"
}
# like WHAT SEEN WANTED: within a third
like() {
	speed "$1" "$2" $(($3 * 2 / 3)) $(($3 * 4 / 3))
}
PER_SECOND=$(awk -v n="$FRAMES" -v s="$PASSED" 'BEGIN { printf "%d", n / s }')
BITS=$(awk -v n="$BYTES" -v s="$PASSED" 'BEGIN { printf "%d", 8 * n / s }')
at_least "frames a second, as show has them" "$PER_SECOND" 20
like "frames a second from b" "$(of_seen 6)" "$PER_SECOND"
like "bits a second from b" "$(of_seen 7)" "$BITS"
like "frames a second to b" "$(of_seen 8)" "$PER_SECOND"
like "bits a second to b" "$(of_seen 9)" "$BITS"
equal "loss" "$(echo "$SEEN" | awk '$1 == "b" { print $5; exit }')" "0.0%"
HB=$(ip -n hb -j link show dev e0 | jq -r '.[0].address')
talker() { # of hb's address, a column
	screen a | awk -v m="$HB" -v c="$1" '$1 == m { print $c; exit }'
}
equal "hb is among the talkers, at" "$(talker 3)" b
like "frames a second that came from it" "$(plain "$(talker 5)")" "$PER_SECOND"
end "$PING"

step "keys"
keys_to a p
wait_for 3 "p pauses" sees a 'by name  PAUSED'
BEFORE=$(screen a)
sleep 2.2 # two times that it would have drawn
equal "and nothing changes" "$(screen a)" "$BEFORE"
keys_to a p
wait_for 3 "p goes on" eval '! sees a PAUSED'
for by in rate loss 'round trip' name; do
	keys_to a s
	wait_for 3 "s sorts by $by" sees a "by $by"
done
keys_to a h
wait_for 3 "h helps" sees a '^p  pause, and go on'
keys_to a h
wait_for 3 "and back" sees a '^PEER'
for how in "120 40" "50 12" "80 24"; do
	# shellcheck disable=SC2086 # two numbers
	size a $how
	wait_for 3 "in $how the last line is at its place" eval \
		'[ "$(screen a | sed -n ${how#* }p | cut -c1-6)" = "q quit" ]'
	wait_for 3 "and the peers are there" sees a "^b  *up"
done
size a 30 5
wait_for 3 "too small" sees a '^too small: 80x24 is enough'
size a 80 24

step "many ports, many peers"
for ((i = 1; i <= 22; i++)); do
	lanspan a port add "$(printf 'lab%02d' $i)" kind=vbox "local=127.0.0.1:$((12000 + i))" \
		"remote=127.0.0.1:$((13000 + i))" || fail "port $i"
done
wait_for 5 "ports that have no line are told" sees a '^\+19 more ports'
check "a lab port's kind and far end" sees a \
	'^port lab03 up, vbox 127\.0\.0\.1:13003: in (-|0) f/s'
check "its bridge is not asked for" eval '! sees a "bridge - -"'
check "peers" sees a '^b  *up'
check "and addresses" sees a '^ADDRESS'
check "and events, with the port" sees a '^[0-9:]{8} port added.* port=lab22'
for _ in 1 2 3 4 5; do keys_to a j; done
wait_for 3 "j scrolls the ports" sees a '^port lab05 '
check "past the first" eval '! sees a "^port lab04 "'
check "which does not lose the peers" sees a '^b  *up'
for _ in 1 2 3 4 5; do keys_to a k; done
wait_for 3 "k scrolls back" sees a '^port lab01 '
for ((i = 1; i <= 22; i++)); do
	lanspan a port del "$(printf 'lab%02d' $i)" || fail "port $i"
done
unpeer a b # and in again behind the others
conf_write a
relay_of a hub
check "without b" lanspan a reload
for i in aa p01 p02 p03 p04 p05 p06 p07 p08 p09 p10 p11; do
	keys $i
	peer a $i "10.99.0.99"
done
conf_write a
relay_of a hub
check "twelve peers more" lanspan a reload
peer a b 10.99.0.2
conf_write a
relay_of a hub
check "and b, the last" lanspan a reload
wait_for 10 "b is up" is_up a b
check "it is behind the others" eval '[ "$(show a ".peers[0].name")" != b ]'
# peers_seen: as the screen has them, in its order
peers_seen() {
	screen a | sed -n '/^PEER/,/^ADDRESS/p' | awk 'NF > 7 && !/^PEER|^ADDRESS/ { print $1 }' | xargs
}
seen_are() {
	[[ "$(peers_seen) " == "$1"* ]]
}
wait_for 5 "by name" seen_are "aa b c p01 "
keys_to a j
wait_for 3 "j scrolls the peers" seen_are "b c p01 "
keys_to a k
wait_for 3 "k scrolls back" seen_are "aa b c "
for by in rate loss 'round trip'; do
	keys_to a s
	wait_for 3 "by $by" sees a "by $by"
done
wait_for 3 "a peer with a round trip comes first" seen_are "b "
keys_to a s
wait_for 3 "by name again" sees a 'by name'

step "events"
check "disconnect b" lanspan a disconnect b
wait_for 5 "its state" eval '[ "$(of_peer 2)" = disconnected ]'
wait_for 5 "an event" sees a '^[0-9:]{8} peer down peer=b'
check "connect b" lanspan a connect b
wait_for 10 "up again" eval '[ "$(of_peer 2)" = up ]'

step "the bridge process goes and comes"
bridge_stop a
wait_for 5 "it is told" sees a '^a: does not run, for [0-9]+s; below is what was'
check "what was stays" sees a '^b  *up'
bridge_start a
wait_for 5 "and told that it is another" sees a '^site a, up [0-9]+s \(was restarted\)'
check "the trouble is over" eval '! sees a "does not run"'
wait_for 10 "b is up" eval '[ "$(of_peer 2)" = up ]'
keys_to a q
wait_for 5 "q quits" test -s "$W/a.status"
equal "status" "$(cat "$W/a.status")" 0
equal "errors" "$(cat "$W/a.err")" ""

step "a relay"
wait_for 10 "both are at the relay" eval '[ "$(show hub .relay.members)" = 2 ]'
terminal hub hub
wait_for 5 "a screen" sees hub '^relay hub, up '
wait_for 5 "its network" sees hub '^lab +open +2 '
for s in a b; do
	wait_for 5 "member $s" sees hub "^lab +$s +$(member hub $s .address)"
done
keys_to hub q
wait_for 5 "q quits" test -s "$W/hub.status"
equal "status" "$(cat "$W/hub.status")" 0

step "not on a terminal"
lanspan a watch >"$W/out" 2>&1 </dev/null
equal "status" $? 1
check "says what is right" grep -q 'must be on a terminal; for programs there is show --json' "$W/out"
end "${PID[b]}"
unset "PID[b]"
terminal b b
wait_for 5 "who does not run is not watched" test -s "$W/b.status"
equal "status" "$(cat "$W/b.status")" 1
check "and says so" grep -q 'lanspan: b: does not run' "$W/b.err"
tmux -L screens kill-server 2>/dev/null
true
