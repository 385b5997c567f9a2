#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# lanspan lab: guests of two files, each plugged into the bridge process of its site, are in
# one segment; down leaves nothing.
#
#   lab left: ann --- sa === underlay === sb --- bob: lab right, 20 ms away
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-machine.sh
. "$TOP/tests/netns/lib-machine.sh"
need ping
story "labs: up, show, down"
machine_files

two_sites
cat >"$W/left.conf" <<END
[lab]
kernel = $VM/linux/vmlinuz
initrd = $VM/guest.gz
memory = 128
[network lan]
[guest ann]
networks = lan
END
cat >"$W/right.conf" <<END
[network far]
instance = b
impair_in = delay 20ms
[guest bob]
kernel = $VM/linux/vmlinuz
initrd = $VM/guest.gz
append = more=words
memory = 128
networks = far
END
ports_of() { # SITE: but for the TAP
	show "$1" '[.ports[].name | select(. != "span0")] | join(" ")'
}
nothing_left() {
	[ ! -e "$W/run/labs" ] && [ -z "$(pgrep -f "^qemu-system.*$W/run/labs")" ]
}

step "a dry run prints commands, and does nothing"
lab a up "$W/left.conf" --dry-run >"$W/dry" || fail "dry run"
check "a port" grep -q "^lanspan -i a port add ann.0 kind=qemu local=unix:$W/run/labs/left/ann.0.span remote=unix:$W/run/labs/left/ann.0.vm\$" "$W/dry"
check "a machine" grep -q "^qemu-system-x86_64 .*-append 'console=ttyS0 quiet panic=-1 guest=ann' .*-daemonize" "$W/dry"
check "nothing is there" nothing_left

step "errors are told, and nothing is left"
refused() {
	! lab a "$@" >"$W/refused" 2>&1
}
check "no bridge process" refused up "$W/left.conf"
check "its name" grep -q "a does not run" "$W/refused"
check "nothing is there" nothing_left
connect
sed 's/^networks.*/networks = lan, wan/' "$W/left.conf" >"$W/wrong.conf"
check "no such network" refused up "$W/wrong.conf"
check "where" grep -q 'wrong.conf:7: \[guest ann\] networks: there is no \[network wan\]' "$W/refused"
sed 's/^.network lan./&\nimpair_in = delay of some time/' "$W/left.conf" >"$W/wrong.conf"
check "a wrong setting of a network" refused up "$W/wrong.conf"
check "where" grep -q 'wrong.conf:[0-9]*: \[network lan\] impair_in: ' "$W/refused"
sed "s/^kernel.*/kernel = $(sed 's,/,\\/,g' <<<"$W")\/left.conf/" "$W/left.conf" >"$W/wrong.conf"
check "QEMU refuses a kernel" refused up "$W/wrong.conf"
check "whose guest" grep -q "guest ann does not start" "$W/refused"
check "nothing is there" nothing_left
equal "a has no port" "$(ports_of a)" ""
check "no lab to take down" refused down
check "nor by name" refused down left

step "two labs, one segment"
check "left is up" lab a up "$W/left.conf"
check "right is up" lab b up "$W/right.conf"
lab_machine left ann
lab_machine right bob
check "ann's address" machine ann "ip addr add 192.168.77.1/24 dev eth0"
check "bob's address" machine bob "ip addr add 192.168.77.2/24 dev eth0"
check "ann reaches bob" machine ann "ping -q -c 3 192.168.77.2 >/run/ping"
between "milliseconds" "$(machine ann 'sed -n "s,.*= [0-9.]*/\([0-9.]*\)/.*,\1,p" /run/ping')" 20 200
equal "bob's kernel has more words" "$(machine bob 'grep -o more=words /proc/cmdline')" more=words

step "what is shown"
lab a show left >"$W/shown" || fail "show"
check "ann" grep -Eq "^ann +runs +[0-9]+ +$W/run/labs/left/ann.console" "$W/shown"
check "her port" grep -Eq "^ann.0 +a" "$W/shown"
check "two are up: which one" refused show
check "must be said" grep -q "several labs are up" "$W/refused"
pid=$(jq .guests.ann.pid "$W/run/labs/left/state.json")
check "up again" lab a up "$W/left.conf"
equal "changes nothing" "$(jq .guests.ann.pid "$W/run/labs/left/state.json")" "$pid"

step "up again brings back what went"
bridge_stop a
bridge_start a
equal "a has no port" "$(ports_of a)" ""
check "left again" lab a up "$W/left.conf"
equal "a has the port" "$(ports_of a)" "ann.0"
wait_for 10 "a and b are up" both_up a b
check "ann reaches bob" machine ann "ping -q -c 3 192.168.77.2 >/dev/null"
kill -KILL "$(jq .guests.ann.pid "$W/run/labs/left/state.json")"
ended() {
	lab a show left | grep -Eq "^ann +ended"
}
wait_for 5 "ann has ended" ended
check "left again" lab a up "$W/left.conf"
check "ann runs" sh -c "! $BIN/lanspan lab show left | grep ended"

step "down"
sleep 1000 & # has the number of a guest that ended, as it were
other=$!
jq ".guests.old = { pid: $other, start: 1 }" "$W/run/labs/left/state.json" >"$W/state" &&
	cp "$W/state" "$W/run/labs/left/state.json"
check "left is down" lab a down "$W/left.conf"
check "a process that is nobody's guest lives" alive $other
kill $other
equal "a has no port" "$(ports_of a)" ""
bridge_stop b
check "right is down, though b has gone" lab b down
check "nothing is there" nothing_left
