#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What lanspan does, in half a minute: three sites in network namespaces, two of them
# behind address translation, a relay that brings them together, a host behind each
# site, and one Ethernet segment from host to host.  Root is not needed where user
# namespaces are allowed.  Nothing stays behind, also after ^C.
QUIET=yes
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping iperf3
story "three sites, one LAN"
relay_by_anybody
relay_program
nat_need

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

SITES="athens berlin cairo"
underlay
nat home masq
nat office masq
plug athens home
plug berlin office
plug cairo
keys $SITES
relay hub
relay_open hub
for s in $SITES; do
	host ${s:0:1} $s
	for o in $SITES; do
		[ $s = $o ] || peer $s $o # no address: that is what the relay is for
	done
	conf_write $s
	relay_of $s hub
done

cat <<'END'

   ha 192.168.77.1 --- athens ---[NAT]--- 10.99.0.101 --+
                       10.1.0.1                         |
   hb 192.168.77.2 --- berlin ---[NAT]--- 10.99.0.102 --+--- the underlay: IP, MTU 1500
                       10.2.0.2                         |
   hc 192.168.77.3 --- cairo ------------ 10.99.0.3   --+
                                                        |
                       hub, the relay ---- 10.99.0.200 -+

Each is a network namespace.  In a site br0 is a Linux bridge with the host in it;
span0 is the TAP that lanspan-bridge puts there too.  Between sites there is encrypted
UDP, port 7741.  The relay brings them together, and cannot read what it carries.
END

say "hub.conf, of the relay"
sed 's/^/   /' "$W/etc/hub/hub.conf"
say "athens.conf"
sed 's/^/   /' "$W/etc/athens.conf"
relay_start hub
bridge_start $SITES
all_direct() {
	both_are direct athens berlin && both_are direct athens cairo && both_are direct berlin cairo
}
wait_for 10 "" all_direct || fail "the sites do not find each other"

say "lanspan -i athens show peers"
lanspan athens show peers | sed 's/^/   /'

say "ping from host to host, full-size frames, not to be fragmented"
on ha ping -c 3 -i 0.2 -M "do" -s 1472 192.168.77.2 | sed 's/^/   /'
on ha ping -q -c 1 -W 2 fd77::2 >/dev/null && echo "   and ping6: yes"

say "what the underlay sees meanwhile"
spawn ha "$W/log/ping-wire.out" ping -q -i 0.02 192.168.77.2
ping=$SPAWNED
helper capture
timeout 5 ip netns exec wan "$HELPER" -t -n 8 wan0 2>/dev/null | sed -n '/UDP/s/^/   /p'
end "$ping" INT

say "iperf3, TCP, 3 s each way"
throughput "ha to hb" 5201 -t 3
throughput "hb to ha" 5202 -t 3 -R

say "now nothing passes directly between athens and berlin: the relay carries it"
spawn ha "$W/log/ping.out" ping -D -i 0.01 192.168.77.2
ping=$SPAWNED
wait_for 5 "" grep -q "bytes from" "$W/log/ping.out" || fail "no answer"
nat_block athens berlin
wait_for 10 "" both_are relayed athens berlin || fail "the relay does not carry it"
end "$ping" INT
echo "   the longest silence of a ping meanwhile: $(gap "$W/log/ping.out") s"
throughput "ha to hb, TCP, 3 s" 5203 -t 3

say "lanspan -i athens show"
lanspan athens show | sed 's/^/   /'
say "lanspan -i athens show paths"
lanspan athens show paths | sed 's/^/   /'
say "lanspan -i hub show, of the relay"
lanspan hub show | sed 's/^/   /'

say "That was all; everything that was built here is gone now."
