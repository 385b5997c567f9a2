#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every captured file goes in at a and comes out at b: byte for byte, frame for
# frame, each flow in its order, and what is no flow in one order; control protocols as well, since reserved = pass.  The site is a
# hub (learning = no), or it would rightly filter: both ends of a recorded
# conversation are on one side.
#
#   tcpreplay --> span0 (sa) === wan0 === (sb) span0 --> capture
#
# The TAPs join no Linux bridge here: that one would not forward the reserved groups.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need tcpreplay
[ -d "$LANSPAN_SHARED/pcap" ] || skip "no captures in $LANSPAN_SHARED/pcap"
story "captured frames of many protocols"

two_sites
for s in a b; do
	conf $s bridge bridge -
	conf $s bridge reserved pass
	conf $s site workers 1	   # several keep the order of each flow only
	conf $s bridge learning no # both ends of a conversation are on one side here
done
connect

for file in "$LANSPAN_SHARED"/pcap/*.pcap; do
	carry "$file" a b by_flow
	carry "$file" b a by_flow
done

step "by default the reserved groups are dropped, both ways, and counted"
conf a bridge reserved drop
conf_write a
check "reload a" lanspan a reload
for way in "a b" "b a"; do
	set -- $way
	before=$(drops a)
	capture "s$2" span0 "$W/got.pcap" -i
	on "s$1" tcpreplay -q -p 2000 -i span0 "$LANSPAN_SHARED/pcap/802.1D_spanning_tree.pcap" \
		"$LANSPAN_SHARED/pcap/IGMP_V2.pcap" >"$W/log/tcpreplay.log" 2>&1
	wait_for 5 "" arrived 18
	end "$SPAWNED"
	equal "reserved frames $1 to $2" "$(captured "$W/got.pcap" 'at(0, 6) == "0180c2000000"')" 0
	equal "other frames $1 to $2" "$(captured "$W/got.pcap")" 18
	at_least "drops counted at a" "$(($(drops a) - before))" 14
done
