#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Everything that a sent to b is captured and sent again, in order, reversed,
# shuffled, and from another address: not one packet is accepted.
#
#   ha --- sa === wan0 === sb --- hb
#                  ^ the replaying stranger sits in the underlay
#
#   REPLAYS   packets in all, default 250000; with LONG set 1000000
#   RATE      packets a second, default 25000
# alone: yes
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping iperf3
REPLAYS=${REPLAYS:-${LONG:+1000000}}
REPLAYS=${REPLAYS:-250000}
RATE=${RATE:-25000}
story "$REPLAYS packets replayed"
NO_IPV6=yes # hosts that say nothing unasked

two_sites
two_hosts
# One datagram a packet on the wire, so that the capture shows them as they are.
ip -n sa link set w0 gso_max_segs 1
capture sb w0 "$W/wire.pcap" -i
wire=$SPAWNED
connect
iperf hb ha 5201 -u -b 100M -l 1000 -t 3 >/dev/null
check "rekey, so that old keys are in it too" lanspan a rekey b
iperf hb ha 5202 -u -b 2M -l 100 -t 1 >/dev/null
iperf hb ha 5203 -n 5M >/dev/null
end "$wire"

step "silence first"
ip -n ha link set e0 down
ip -n hb link set e0 down
frames() {
	peer_get b a .rx.frames
}
wait_for 5 "no frame is under way" steady 0.2 frames
frames=$(frames)
handshakes=$(peer_get b a .handshakes)
roamed=$(peer_get b a .roamed)
dropped=$(drops b)
replayed() {
	peer_get b a '(.drops.replayed // 0) + (.drops.old // 0)'
}
before=$(replayed)
delivered=$(ip -n hb -s -j link show e0 | jq '.[0].stats64.rx.packets')

helper replay

# again ORDER COUNT OPTION...
again() {
	local order=$1 count=$2 had
	shift 2
	had=$(drops b)
	on wan "$HELPER" -d 10.99.0.2 -p 7741 -o "$order" -n "$count" -r "$RATE" "$@" "$W/wire.pcap" \
		>"$W/log/replay.log" 2>&1 || fail "replay: $(cat "$W/log/replay.log")"
	echo "  ok  $order $*: $(cat "$W/log/replay.log"), $(($(drops b) - had)) drops counted"
	equal "frames accepted" "$(($(frames) - frames))" 0
}

again order $((REPLAYS * 3 / 10))
again reverse $((REPLAYS * 3 / 10))
again shuffle $((REPLAYS * 3 / 10))
again shuffle $((REPLAYS / 10)) -s 10.99.0.66

echo "      b: $(drops_text b)"
at_least "drops counted of $REPLAYS" "$(($(drops b) - dropped))" $((REPLAYS * 9 / 10))
at_least "of them named replayed, or behind the window" "$(($(replayed) - before))" $((REPLAYS / 2))
equal "new sessions" "$(($(peer_get b a .handshakes) - handshakes))" 0
equal "roamed" "$(($(peer_get b a .roamed) - roamed))" 0
equal "frames that reached hb" \
	"$(($(ip -n hb -s -j link show e0 | jq '.[0].stats64.rx.packets') - delivered))" 0

step "and the tunnel goes on"
ip -n ha link set e0 up
ip -n hb link set e0 up
wait_for 5 "ping" pings ha 192.168.77.2
