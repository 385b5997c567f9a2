#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# lanspan-lab(7): a WAN of 80 ms and 1 % loss between two routers, with the page's own file
# and commands.
#
#   10.0.1.1 r1 ---- line: 40 ms and 0.5 % each way ---- r2 10.0.2.2
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-machine.sh
. "$TOP/tests/netns/lib-machine.sh"
need ping
story "a WAN between two routers"
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
	[port spare]
	kind = qemu
	local = 127.0.0.1:10001
	remote = 127.0.0.1:10002
END
page wan.conf >"$PLACE/wan.conf"
spawn shome "$W/log/home.log" env LANSPAN_RUNDIR="$PLACE/run" "$BIN/lanspan-bridge" -c "$PLACE/home.conf"
wait_for 10 "the bridge process answers" house_ask home show

step "two routers"
page_run shome wan
house_machine home wan r1
house_machine home wan r2
page_machine r1 r1
# the same with 1 and 2 changed about
page_machine r2 r1 's/0\.1\.1/A/; s/0\.9\.1/B/; s/0\.2\.0/C/; s/0\.9\.2/D/
	s/A/0.2.2/; s/B/0.9.2/; s/C/0.1.0/; s/D/0.9.1/'

step "the line"
page_machine r1 across
ping=$(MACHINE_WAIT=90 machine r1 "ping -q -I 10.0.1.1 -c 1000 -i 0.02 10.0.2.2")
echo "$ping" | tail -n 2
between "milliseconds there and back" \
	"$(echo "$ping" | sed -n 's,.*= \([0-9.]*\)/.*,\1,p')" 80 $((90 * PATIENCE))
between "lost of 1000" "$(echo "$ping" | awk '/transmitted/ { print $1 - $4 }')" 1 30

step "one direction is cut, and is whole again"
page_run shome cut
check "nothing from r1 arrives" eval '! machine r1 "ping -q -I 10.0.1.1 -c 2 -W 1 10.0.2.2" >/dev/null'
page_run shome whole
check "all is well" machine r1 "ping -q -I 10.0.1.1 -c 5 10.0.2.2 >/dev/null"
page_run shome evening
