#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Lab ports of QEMU's streams, TCP and unix, listening and connecting: whole under load; a
# far end that dies is noticed and comes back; strangers are refused.
#
#   g1 --TCP, connects-- sa ======= sb --unix, listens-- g2
#   g3 --unix, listens--
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-lab.sh
. "$TOP/tests/netns/lib-lab.sh"
need ping iperf3 jq
story "lab ports of streams"

two_sites
port a one kind=qemu transport=stream local=127.0.0.1:10001 remote=127.0.0.1:1
port a three kind=qemu transport=stream "remote=unix:$W/g3"
port b two kind=qemu transport=stream "local=unix:$W/two"
for s in a b; do
	conf $s bridge tap -
	conf $s bridge bridge -
done
conf b site workers 3 # which hand frames over to the one that serves ports
connect
check "nobody is there yet" port_is a one .state down
guest 1 11 a connect 127.0.0.1:10001
guest 2 12 b connect "unix:$W/two"
guest 3 13 a listen "unix:$W/g3"

step "one network"
wait_for 5 "one is connected" port_is a one .state up
wait_for 5 "g1 reaches g2 at the other site" pings g1 192.168.77.12
wait_for 5 "g3, whom the port connected to, too" pings g3 192.168.77.12
speed "a stream through it, Mbit/s" \
	"$(IPERF_TO=192.168.77.12 iperf g2 g1 5202 -t 1 | jq '.end.sum_received.bits_per_second / 1e6')" 20

step "a far end that dies"
end "${GUEST[2]}" KILL
wait_for 5 "is noticed" port_is b two .state down
end "${GUEST[3]}" KILL
wait_for 5 "also one that was connected to" port_is a three .state down
wait_for 2 "its addresses are forgotten" \
	eval '[ "$(show b "[.macs[] | select(.port == \"two\")] | length")" = 0 ]'
guest_wire 2 12 b connect "unix:$W/two"
guest_wire 3 13 a listen "unix:$W/g3"
wait_for 5 "comes back" pings g1 192.168.77.12
wait_for 5 "and so does the one that listens" pings g3 192.168.77.12
equal "connected so often" "$(port_get b two .connects)" 2

step "strangers"
on sa bash -c 'exec 3<>/dev/tcp/127.0.0.1/10001; cat <&3' >/dev/null 2>&1
wait_for 2 "a second one is refused" eval '[ "$(port_get a one .strangers)" -ge 1 ]'
check "and changes nothing" pings g1 192.168.77.12
