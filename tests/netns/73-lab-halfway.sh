#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 180
#
# lanspan lab: a command that is killed half way, two at once, two labs with guests of one
# name, a folder whose name is no UTF-8; in the end nothing is ever left.  QEMU is played by
# notqemu.c.
#
#   labs pair, other: ann, bob --- sa
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
story "labs: ended half way, and doubled"

helper notqemu
export PLAYED=$W/played
mkdir "$PLAYED" "$W/bin"
ln -s "$HELPER" "$W/bin/qemu-system-x86_64"
PATH=$W/bin:$PATH
underlay 1500
site a
keys a
conf_write a
bridge_start a
touch "$W/disk.img"
printf '%s\n' '[lab]' 'disk = disk.img' '[network lan]' '[guest ann]' 'networks = lan' \
	'[guest bob]' 'networks = lan' >"$W/pair.conf"

lab() {
	on sa "$BIN/lanspan" -i a lab "$@" >>"$W/log/lab.log" 2>&1
}
# begin NAME WORD...: in the background, in a group of processes of its own, as at a terminal
begin() {
	local name=$1
	shift
	: >"$W/$name"
	spawn sa "$W/$name" setsid "$BIN/lanspan" -i a lab "$@"
	BEGUN=$SPAWNED
}
# status PID: of a command that was begun
status() {
	wait_for 20 "" gone "$1" || fail "a command does not end"
	wait "$1"
}
guests() { # how many were ever begun
	grep -c . "$PLAYED/guests"
}
living() {
	local p
	while read -r p; do
		grep -s '^State:.[^ZX]' "/proc/$p/status"
	done <"$PLAYED/guests" | wc -l
}
ports_of_a() {
	show a '[.ports[].name | select(. != "span0")] | join(" ")'
}
nothing_left() {
	[ "$(living)" = 0 ] && [ ! -e "$W/run/labs" ] && [ "$(ports_of_a)" = "" ]
}
# stands NAME: one lab and all of it, once
stands() {
	equal "guests that live" "$(living)" 2
	equal "ports" "$(ports_of_a)" "ann.0 bob.0"
	equal "guests that run" "$(on sa "$BIN/lanspan" lab show "$1" | grep -c " runs ")" 2
}
again() {
	: >"$PLAYED/guests"
}
# held_up: an up whose first guest waits before it has a file of its own; its number is in first
held_up() {
	again
	touch "$PLAYED/early"
	begin first up "$W/pair.conf"
	first=$BEGUN
	wait_for 5 "a guest begins" test -s "$PLAYED/guests"
}
# killed HOLD: a command whose first guest waits there is killed with its group
killed() {
	touch "$PLAYED/$1"
	again
	begin killed up "$W/pair.conf"
	wait_for 5 "a guest begins" test -s "$PLAYED/guests"
	[ "$1" = early ] || wait_for 5 "it has its file" test -s "$W/run/labs/pair/ann.pid"
	kill -KILL -- "-$BEGUN"
	status "$BEGUN" 2>/dev/null && fail "it was not killed"
	equal "what lives of it" "$(living)" 1
}

step "killed before the guest has a file of its own: down waits for it"
killed early
check "it is shown" sh -c "'$BIN/lanspan' lab show | grep -Eq '^ann +starts '"
begin down down pair
sleep 0.5
rm "$PLAYED/early"
check "down" status "$BEGUN"
check "nothing is left" nothing_left

step "one that never has: down ends its start"
killed early
check "down" lab down
rm "$PLAYED/early"
wait_for 5 "nothing is left" nothing_left

step "killed before the guest is ready: down finds it"
killed late
check "down" lab down
rm "$PLAYED/late"
check "nothing is left" nothing_left

step "up goes on where one was killed"
killed early
begin up up "$W/pair.conf"
sleep 0.5
rm "$PLAYED/early"
check "up" status "$BEGUN"
stands pair
equal "guests that were begun" "$(guests)" 2
check "down" lab down
check "nothing is left" nothing_left

step "a number that another process has now"
check "up" lab up "$W/pair.conf"
sleep 1000 &
other=$!
kill -KILL "$(cat "$W/run/labs/pair/ann.pid")"
echo $other >"$W/run/labs/pair/ann.pid"
check "down" lab down
check "it lives" alive $other
kill $other
check "nothing is left" nothing_left

step "two at once take turns"
held_up
begin second up "$W/pair.conf"
second=$BEGUN
sleep 0.5
rm "$PLAYED/early"
check "the first is done" status "$first"
check "the second is" status "$second"
equal "guests that were begun" "$(guests)" 2
stands pair

step "down waits for up"
check "down" lab down
held_up
begin second down pair
second=$BEGUN
sleep 0.5
rm "$PLAYED/early"
check "up is done" status "$first"
check "down is" status "$second"
check "nothing is left" nothing_left

step "and says so when that takes long"
held_up
begin second down pair
status "$BEGUN"
equal "its status" $? 1
check "why" grep -q "another command is at lab pair" "$W/second"
check "what is there can be seen" lab show
rm "$PLAYED/early"
check "up is done" status "$first"
stands pair
check "down" lab down
check "nothing is left" nothing_left

step "another lab has ports of these names now"
cp "$W/pair.conf" "$W/other.conf"
again
check "pair is up" lab up "$W/pair.conf"
bridge_stop a
bridge_start a
check "other is up" lab up "$W/other.conf"
begin up up "$W/pair.conf"
status "$BEGUN"
equal "pair cannot have its ports again: status" $? 1
check "why" grep -q "a has another port ann.0, not of lab pair: its far end is unix:$W/run/labs/other/ann.0.vm" "$W/up"
check "pair is down" lab down pair
equal "other has its ports" "$(ports_of_a)" "ann.0 bob.0"
stands other
check "other is down" lab down other
check "nothing is left" nothing_left

step "a file in a folder whose name is no UTF-8"
odd=$W/$'d\xe9'
mkdir "$odd"
cp "$W/pair.conf" "$W/disk.img" "$odd"
again
check "up" lab up "$odd/pair.conf"
stands pair
check "its file is shown" sh -c "'$BIN/lanspan' lab show | grep -qF 'file: $W/d\\xe9/pair.conf'"
check "down" lab down pair
check "nothing is left" nothing_left
(
	export LANSPAN_RUNDIR=$odd
	begin odd up "$W/pair.conf"
	status "$BEGUN"
	equal "a run folder like that: status" $? 2
	check "why" grep -q "its name is not UTF-8" "$W/odd"
	equal "nothing is made there" "$(ls "$odd")" "disk.img
pair.conf"
) || exit 1
