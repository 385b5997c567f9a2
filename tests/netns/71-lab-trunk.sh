#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 400
#
# lanspan-lab(7): an LACP trunk of two cables across sites, with the page's own files and
# commands.  Each cable is a network in wire mode.
#
#         .-- berlin-1 ===.              .=== paris-1 --.
#   ann --|               |== underlay ==|              |-- bob
#         `-- berlin-2 ===`              `=== paris-2 --`
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-machine.sh
. "$TOP/tests/netns/lib-machine.sh"
need ping
story "an LACP trunk across sites"
machine_files

underlay
keys berlin paris
for s in berlin paris; do
	site $s
	house $s
	cp "$W/etc/$s.key" "$PLACE/"
done
with_keys() {
	sed "s,KEY-OF-BERLIN,${KEY[berlin]},; s,KEY-OF-PARIS,${KEY[paris]},
		s,berlin.example.net,10.99.0.2,; s,paris.example.net,10.99.0.16,"
}
second='s/cable-1/cable-2/; s/7741/7742/'
in_paris='s/paris/X/; s/berlin/paris/; s/X/berlin/; s/PARIS/BERLIN/'
page berlin-1.conf | with_keys >"$W/berlin/berlin-1.conf"
page berlin-1.conf | sed "$second" | with_keys >"$W/berlin/berlin-2.conf"
page berlin-1.conf | sed "$in_paris" | with_keys >"$W/paris/paris-1.conf"
page berlin-1.conf | sed "$second; $in_paris" | with_keys >"$W/paris/paris-2.conf"
page trunk.conf >"$W/berlin/trunk.conf"
page trunk.conf | sed 's/berlin/paris/; s/ann/bob/' >"$W/paris/trunk.conf"

# wire_up SITE: both of its cables reach the other site
wire_up() {
	local n
	for n in 1 2; do
		[ "$(house_ask $1 -i $1-$n show --json | jq -r '.peers[0].state')" = up ] || return 1
	done
}
# The bond's own words are long for a console, so the machine looks into them itself.
# bundled NAME: LACP found the partner at both cables
bundled() {
	ports_are "$1" 2 && machine "$1" \
		"! grep -q 'Partner Mac Address: 00:00:00:00:00:00' /proc/net/bonding/bond0"
}
# ports_are NAME COUNT: so many take part
ports_are() {
	machine "$1" "grep -q 'Number of ports: $2' /proc/net/bonding/bond0"
}

step "two cables, two machines"
PLACE=$W/berlin
page_run sberlin trunk
PLACE=$W/paris
page_run sparis trunk 's/berlin/paris/'
wait_for 20 "both cables are up" wire_up berlin
house_machine berlin trunk ann
house_machine paris trunk bob

step "one trunk"
page_machine ann bond
page_machine bob bond s/192.168.77.1/192.168.77.2/
wait_for 40 "ann's partner is at both" bundled ann
wait_for 40 "bob's partner is at both" bundled bob
check "ann reaches bob" machine ann "ping -q -c 3 192.168.77.2 >/dev/null"

step "one cable is cut"
PLACE=$W/berlin
page_run sberlin one-cable
answers() {
	machine ann "ping -q -c 1 -W 1 192.168.77.2 >/dev/null"
}
wait_for 15 "the other one goes on" answers
wait_for 15 "LACP has left it out" ports_are ann 1
check "ann reaches bob" machine ann "ping -q -c 5 192.168.77.2 >/dev/null"

step "one cable is unplugged"
check "whole again" house_ask berlin -i berlin-1 impair ann.0 both none
wait_for 40 "two in the trunk" bundled ann
# carrier_of GUEST CARD 0|1
carrier_of() {
	[ "$(machine "$1" "cat /sys/class/net/$2/carrier")" = "$3" ]
}
check "ann's second card has a link" carrier_of ann eth1 1
PLACE=$W/paris
page_run sparis unplugged
wait_for 5 "it has none" carrier_of ann eth1 0
check "the first one has" carrier_of ann eth0 1
check "ann reaches bob" machine ann "ping -q -c 3 192.168.77.2 >/dev/null"
page_run sparis plugged
wait_for 10 "plugged in again it has" carrier_of ann eth1 1
wait_for 40 "two in the trunk" bundled ann
page_run sparis evening
PLACE=$W/berlin
page_run sberlin evening
check "nothing is left" eval '[ ! -e "$W/berlin/run/labs" ] && [ ! -e "$W/paris/run/labs" ]'
