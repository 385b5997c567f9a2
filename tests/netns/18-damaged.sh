#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Packets of every kind, cut short, bits flipped, of another kind, longer, or
# random, fired at a's port while a ping goes on: none accepted, none lost.
#
#   ha --- sa === wan0 === sb --- hb
#                  ^ the stranger sits in the underlay
#
#   DAMAGED   packets in all, default 80000; with LONG set 200000
# alone: yes
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping iperf3
DAMAGED=${DAMAGED:-${LONG:+200000}}
DAMAGED=${DAMAGED:-80000}
RATE=${RATE:-10000}
story "$DAMAGED damaged packets"
NO_IPV6=yes

two_sites
two_hosts
ip -n sb link set w0 gso_max_segs 1
capture sa w0 "$W/wire.pcap" -i
wire=$SPAWNED
connect
check "rekey by a: responses" lanspan a rekey b
check "rekey by b: initiations" lanspan b rekey a
on ha ping -q -i 0.005 -c 200 192.168.77.2 >/dev/null
on ha ping -q -i 0.005 -c 100 -s 1400 192.168.77.2 >/dev/null
iperf hb ha 5201 -u -b 5M -l 500 -t 1 -R >/dev/null
end "$wire"
for kind in 1 2 4; do
	at_least "captured of kind $kind" "$(captured "$W/wire.pcap" 'at(12, 2) == "0800" && at(42, 1) == "0'$kind'"')" 1
done

helper replay

# fire PACKETS OPTION...: while a ping goes on
fire() {
	local count=$1 before
	shift
	before=$(drops a)
	: >"$W/log/ping.log"
	spawn ha "$W/log/ping.log" ping -q -i 0.02 192.168.77.2
	on wan "$HELPER" -d 10.99.0.1 -m -n "$count" -r "$RATE" "$@" "$W/wire.pcap" >"$W/log/replay.log" 2>&1 ||
		fail "replay: $(cat "$W/log/replay.log")"
	end "$SPAWNED" INT
	lost=$(sed -n 's/.* \([0-9.]*\)% packet loss.*/\1/p' "$W/log/ping.log")
	echo "  ok  $*: $(cat "$W/log/replay.log")"
	at_least "drops counted" "$(($(drops a) - before))" $((count * 9 / 10))
	between "lost % of the ping meanwhile" "$lost" 0 1
	equal "frames from strangers" "$(($(peer_get a b .rx.frames) - $(peer_get b a .tx.frames)))" "$ahead"
}
check "ping before" pings ha 192.168.77.2
ahead=$(($(peer_get a b .rx.frames) - $(peer_get b a .tx.frames)))
pid=${PID[a]}
roamed=$(peer_get a b .roamed)

fire $((DAMAGED / 2)) -o shuffle -S 1
fire $((DAMAGED / 4)) -o shuffle -S 2 -s 10.99.0.66
fire $((DAMAGED / 4)) -k 12 -S 3 -s 10.99.0.67
echo "      a: $(drops_text a)"

check "the process lives" alive "$pid"
equal "roamed" "$(peer_get a b .roamed)" "$roamed"
check "the session is up" both_up a b
check "a new handshake works" lanspan a rekey b
check "ping after" pings ha 192.168.77.2
