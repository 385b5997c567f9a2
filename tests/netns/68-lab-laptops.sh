#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# lanspan-lab(7): two laptops' labs as one, with the page's own files and commands, and
# nobody root on a laptop.
#
#   ann, lab left --- sada --- NAT ---+=== wan ===+--- NAT --- sbea --- lab right, bob
#                                           |
#                                         r-hub
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
for lib in nat relay machine; do
	# shellcheck source=/dev/null
	. "$TOP/tests/netns/lib-$lib.sh"
done
need ping
story "two laptops' labs as one"
relay_by_anybody
relay_program
nat_need
machine_files
# shellcheck disable=SC2034 # lib-machine.sh takes it
AS=("${AS_NOBODY[@]}")

underlay
keys ada bea
relay hub
relay_open hub
with_keys() {
	sed "s,KEY-OF-HUB,${RELAY_KEY[hub]},; s,hub.example.net,10.99.0.200,
		s,KEY-OF-ADA,${KEY[ada]},; s,KEY-OF-BEA,${KEY[bea]},"
}
for s in ada bea; do
	nat for-$s masq
	plug $s for-$s
	house $s
	cp "$W/etc/$s.key" "$PLACE/"
done
page ada.conf | with_keys >"$W/ada/ada.conf"
page ada.conf | sed 's/ada/HER/; s/bea/ada/; s/HER/bea/; s/BEA/ADA/' | with_keys >"$W/bea/bea.conf"
page left.conf >"$W/ada/left.conf"
page left.conf | sed s/ann/bob/ >"$W/bea/right.conf"
chown -R "$NOBODY" "$W/ada" "$W/bea"

step "each starts her bridge process and her lab"
relay_start hub
PLACE=$W/ada
page_run sada laptops
PLACE=$W/bea
page_run sbea laptops "s/ada/bea/; s/left/right/"
user_of() {
	stat -c %u "/proc/$(house_ask $1 show --json | jq .site.pid)"
}
equal "the user of ada's bridge process" "$(user_of ada)" "$NOBODY"
house_machine ada left ann
house_machine bea right bob

step "what is typed at the consoles"
page_machine bob bob
page_machine ann ann

step "in the evening"
for s in ada bea; do
	PLACE=$W/$s
	page_run s$s evening
	check "nothing is left of $s's lab" eval '[ ! -e "$PLACE/run/labs" ] && ! pgrep -f "^qemu.*$PLACE"'
	equal "ports of $s" "$(house_ask $s show ports --json | jq -r '[.ports[].name] | join(" ")')" spare
done
