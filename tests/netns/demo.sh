#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What lanspan does, in twenty seconds: two sites in network namespaces, a host
# behind each, and one Ethernet segment from host to host.  Root is not needed
# where user namespaces are allowed.  Nothing stays behind, also after ^C.
QUIET=yes
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping iperf3
story "two sites, one LAN"

say() {
	printf '\n\033[1m%s\033[0m\n' "$*"
}
[ -t 1 ] || say() {
	printf '\n== %s\n' "$*"
}

# throughput WORDS PORT OPTION...
throughput() {
	local words=$1 rate
	shift
	rate=$(iperf hb ha "$@" 2>/dev/null |
		jq -r '.end.sum_received.bits_per_second / 1e9 * 100 | round / 100')
	[ -n "$rate" ] || fail "iperf3 gives no number" # not after ^C: its trap comes first
	echo "   $words: $rate Gb/s"
}

underlay
site athens
site berlin
host a athens
host b berlin
keys athens berlin
peer athens berlin 10.99.0.2:7741
peer berlin athens # berlin waits to be called
conf_write athens
conf_write berlin

cat <<'END'

   192.168.77.1                                              192.168.77.2
   +----+     +--------- athens ---------+     +--------- berlin ---------+     +----+
   | ha |-----| p-a [br0] span0          |     |          span0 [br0] p-b |-----| hb |
   +----+     |   lanspan-bridge --- w0  |     |  w0 --- lanspan-bridge   |     +----+
    host      +---------------------- | -+     +- | ----------------------+      host
                           10.99.0.1  |           |  10.99.0.2
                                  ----+-----------+----  the underlay: IP, MTU 1500

Each box is a network namespace.  br0 is a Linux bridge; span0 is the TAP that
lanspan-bridge puts into it.  Between the sites there is encrypted UDP, port 7741.
END

say "athens.conf"
sed 's/^/   /' "$W/etc/athens.conf"
bridge_start athens berlin
wait_for 10 "" both_up athens berlin || fail "the sites do not find each other"

say "ping from host to host, full-size frames, not to be fragmented"
on ha ping -c 3 -i 0.2 -M "do" -s 1472 192.168.77.2 | sed 's/^/   /'
on ha ping -q -c 1 -W 2 fd77::2 >/dev/null && echo "   and ping6: yes"

say "what the underlay sees meanwhile"
spawn ha "$W/log/ping.out" ping -q -i 0.1 192.168.77.2
ping=$SPAWNED
helper capture
timeout 5 ip netns exec wan "$HELPER" -t -n 5 wan0 2>/dev/null | sed -n '/UDP/s/^/   /p'
end "$ping" INT

say "iperf3, TCP, 3 s each way"
throughput "ha to hb" 5201 -t 3
throughput "hb to ha" 5202 -t 3 -R

for s in athens berlin; do
	say "lanspan -i $s show"
	lanspan $s show | sed 's/^/   /'
done

say "That was all; everything that was built here is gone now."
