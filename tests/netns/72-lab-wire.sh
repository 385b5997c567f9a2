#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# lanspan lab: two guests at the ends of one wire, which the bridge process has for nothing
# else; the carrier of each follows the other.
#
#   ann ======= home ======= bob
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-machine.sh
. "$TOP/tests/netns/lib-machine.sh"
need ping
story "a lab's wire"
machine_files

netns shome
keys home
house home
cp "$W/etc/home.key" "$PLACE/"
cat >"$PLACE/home.conf" <<-'END'
	[network]
	name = home
	[site]
	name = home
	key_file = home.key
	[bridge]
	mode = wire
END
cat >"$PLACE/pair.conf" <<-END
	[lab]
	kernel = vmlinuz
	initrd = guest.gz
	memory = 128
	[network line]
	mode = wire
	[guest ann]
	networks = line
	[guest bob]
	networks = line
END
home() {
	(cd "$PLACE" && on shome env LANSPAN_RUNDIR="$PLACE/run" "$BIN/lanspan" "$@")
}
refused() {
	! home "$@" >"$W/refused" 2>&1
}
start() {
	spawn shome "$W/log/home.log" env LANSPAN_RUNDIR="$PLACE/run" "$BIN/lanspan-bridge" \
		-c "$PLACE/home.conf"
	BRIDGE=$SPAWNED
	wait_for 10 "the bridge process answers" house_ask home show
}

step "a dry run"
home lab up pair.conf --dry-run >"$W/dry" || fail "dry run"
labs=$PLACE/run/labs/pair
check "a port" grep -q "^lanspan port add ann.0 kind=qemu transport=stream remote=unix:$labs/ann.0.vm \
qmp=unix:$labs/ann.0.link qmp_netdev=n0\$" "$W/dry"
check "a machine" grep -q "^qemu-system-x86_64 .* -netdev stream,id=n0,server=on,addr.type=unix,\
addr.path=$labs/ann.0.vm -qmp unix:$labs/ann.0.link,server=on,wait=off" "$W/dry"

step "only where the bridge process is a wire"
start
sed '/^mode/d' "$PLACE/pair.conf" >"$PLACE/other.conf"
check "no switch" refused lab up other.conf
check "which is told" grep -q "home is a wire: \[network line\] must have mode = wire" "$W/refused"
check "nothing is left" test ! -e "$PLACE/run/labs"

step "two guests"
check "up" home lab up pair.conf
house_machine home pair ann
house_machine home pair bob
check "ann's address" machine ann "ip addr add 192.168.77.1/24 dev eth0"
check "bob's address" machine bob "ip addr add 192.168.77.2/24 dev eth0"
check "ann reaches bob" machine ann "ping -q -c 3 192.168.77.2 >/dev/null"
printf '[peer far]\npublic_key = %s\n' "$("$BIN/lanspan" keygen "$W/far.key")" >"$W/peer"
cp "$PLACE/home.conf" "$W/home.conf"
cat "$W/peer" >>"$PLACE/home.conf"
check "no third end by reload" refused reload
check "which is told" grep -q 'mode: a wire joins exactly two ports, and here are 2 of this site and 1 peers' "$W/refused"
cp "$W/home.conf" "$PLACE/home.conf"
check "as it was" home reload
check "ann reaches bob" machine ann "ping -q -c 3 192.168.77.2 >/dev/null"

step "the carrier follows"
carrier_of() {
	[ "$(machine "$1" "cat /sys/class/net/eth0/carrier")" = "$2" ]
}
check "ann has one" carrier_of ann 1
kill -KILL "$(jq .guests.bob.pid "$labs/state.json")"
wait_for 5 "when bob ended she has none" carrier_of ann 0
rm "$W/log/bob.console"
check "bob comes again" home lab up pair.conf
house_machine home pair bob
wait_for 10 "and she has one" carrier_of ann 1
check "bob's address" machine bob "ip addr add 192.168.77.2/24 dev eth0"
check "ann reaches bob" machine ann "ping -q -c 3 192.168.77.2 >/dev/null"

step "a port goes"
no_carrier() {
	wait_for 5 "ann has none" carrier_of ann 0
	wait_for 5 "and bob has none" carrier_of bob 0
}
check "bob's" home port del bob.0
no_carrier
check "it comes again" home lab up pair.conf
wait_for 10 "ann has one" carrier_of ann 1
wait_for 10 "and bob has one" carrier_of bob 1

step "the bridge process starts anew"
end "$BRIDGE"
no_carrier
start
check "which is no port yet" carrier_of bob 0
check "and gets its ports" home lab up pair.conf
reaches() {
	machine ann "ping -q -c 1 -W 1 192.168.77.2 >/dev/null"
}
wait_for 15 "ann reaches bob" reaches
check "down" home lab down
check "nothing is left" test ! -e "$PLACE/run/labs"
