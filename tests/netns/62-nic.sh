#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A NIC that joins no bridge as a lab port: hosts at it leave checksums and cutting to
# their NICs, and their TCP comes through whole; nothing is seen twice; tags stay; it may go
# and come back.
#
#   hl --- nic0 (sa) ======= sb(br0) --- hb
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-lab.sh
. "$TOP/tests/netns/lib-lab.sh"
need ping iperf3 tcpreplay ethtool
story "a NIC as a lab port"

# lan: nic0 at a, whose other end is e0 of the host hl, 192.168.77.20
lan() {
	ip link add nic0 netns sa type veth peer name e0 netns hl
	ip -n sa link set nic0 up
	ip -n hl addr add 192.168.77.20/24 dev e0
	ip -n hl link set e0 up
}

two_sites
host b b
netns hl
quiet hl
quiet sa nic0
lan
port a office kind=nic interface=nic0
conf a bridge tap -
conf a bridge bridge -
conf b site workers 1 # several keep the order of each flow, not of all
connect
wait_for 5 "the port is up" port_is a office .state up
wait_for 5 "hl reaches hb" pings hl 192.168.77.2

step "TCP with offloads at the LAN"
iperf hb hl 5201 -t 2 >"$W/to.json"
speed "from the LAN, Mbit/s" "$(jq '.end.sum_received.bits_per_second / 1e6' "$W/to.json")" 50
iperf hb hl 5202 -t 2 -R >"$W/from.json"
speed "into the LAN, Mbit/s" "$(jq '.end.sum_received.bits_per_second / 1e6' "$W/from.json")" 50
equal "no frame was too long or could not be cut" \
	"$(port_get a office '(.drops.offload // 0) + (.drops.oversize // 0)')" 0

step "datagrams that the NIC would merge"
merges() { # on|off
	ethtool_sa -k nic0 | grep -q "^rx-udp-gro-forwarding: $1"
}
ethtool_sa() {
	on sa ethtool "$@"
}
ethtool_sa -K nic0 gro on rx-udp-gro-forwarding on || skip "no merging here: no GRO of UDP"
check "the port is taken away" lanspan a port del office
check "and comes again" lanspan a port add office kind=nic interface=nic0
check "so the NIC merges them no more" merges off
check "which is told" grep -q 'merges no datagrams.*rx-udp-gro-forwarding off' "$W/log/a.log"
on hl ethtool -K e0 tx-udp-segmentation off
iperf hb hl 5203 -t 1 -u -b 200M -l 1000 >"$W/udp.json"
at_least "datagrams arrive, percent" "$(jq '100 - .end.sum.lost_percent' "$W/udp.json")" 80
equal "none was merged" "$(port_get a office '.drops.offload // 0')" 0
ethtool_sa -K nic0 rx-udp-gro-forwarding on # as another process at the end of its port
wait_for 3 "switched on meanwhile, it is off again" merges off
check "the port is taken away" lanspan a port del office
check "and the NIC merges again" merges on
ethtool_sa -K nic0 rx-udp-gro-forwarding off
check "a reload brings the port" lanspan a reload
wait_for 5 "it is up" port_is a office .state up
check "and touches nothing" merges off

step "nothing twice"
on hl ping -c 20 -i 0.02 -W 1 192.168.77.2 >"$W/ping.txt" 2>&1
check "no answer came twice" eval '! grep -q DUP "$W/ping.txt"'
capture hl e0 "$W/got.pcap" -i
before=$(port_get a office .rx.frames)
on hb ping -q -b -c 5 -i 0.02 -W 1 192.168.77.255 >/dev/null 2>&1
wait_for 3 "broadcasts of hb are at hl" eval '[ "$(captured "$W/got.pcap" "at(0, 6) == \"ffffffffffff\" && at(12, 2) == \"0800\"")" -ge 5 ]'
end "$SPAWNED"
equal "once each" "$(captured "$W/got.pcap" 'at(0, 6) == "ffffffffffff" && at(12, 2) == "0800"')" 5
between "frames that the port saw meanwhile" "$(($(port_get a office .rx.frames) - before))" 0 2

step "tags of VLANs stay"
helper frames
"$HELPER" make 1500 >"$W/made.pcap"
frames "$W/made.pcap" >"$W/made.txt"
capture sb span0 "$W/got.pcap" -i
on hl tcpreplay -q -p 1000 -i e0 "$W/made.pcap" >"$W/log/tcpreplay.log" 2>&1 || fail "tcpreplay"
wait_for 5 "" arrived "$(wc -l <"$W/made.txt")"
end "$SPAWNED"
frames "$W/got.pcap" >"$W/got.txt"
cmp -s "$W/made.txt" "$W/got.txt" || {
	diff "$W/made.txt" "$W/got.txt" | cut -c1-120 | head >&2
	fail "$(wc -l <"$W/got.txt") of $(wc -l <"$W/made.txt") frames came, not the same"
}
echo "  ok  $(wc -l <"$W/got.txt") frames"

step "a NIC that goes"
ip -n hl link set e0 down
wait_for 5 "its link is down" port_is a office .state down
ip -n hl link set e0 up
wait_for 5 "and up" port_is a office .state up
ip -n sa link del nic0
wait_for 5 "its NIC is gone" port_is a office .state absent
check "which is told" eval 'lanspan a show ports | grep -q "^office: .*nic0"'
lan
wait_for 5 "and another" port_is a office .state up
wait_for 5 "hl reaches hb" pings hl 192.168.77.2

step "no NIC that leads back into the site"
# refuses WORDS NAME KEY=VALUE...: such a port at b, with those words
refuses() {
	local words=$1
	shift
	! lanspan b port add "$@" 2>"$W/why" && grep -q "$words" "$W/why"
}
ip -n sb link property add dev br0 altname office
ip -n sb link add x0 type veth peer name x1
ip -n sb link property add dev x0 altname cable
ip -n sb link set x0 up
ip -n sb link set x1 up
check "loopback" refuses 'lo: loopback, where each frame comes back' n kind=nic interface=lo
check "its TAP" refuses '"span0" is that of the TAP' n kind=nic interface=span0
check "its bridge" refuses '"br0" is the bridge of the TAP' n kind=nic interface=br0
check "by another name" refuses 'br0 is the bridge of the TAP span0' n kind=nic interface=office
check "a NIC of no bridge is one" lanspan b port add n kind=nic interface=x0
check "but once" refuses '"x0" is that of \[port n\]' m kind=nic interface=x0
check "by another name, too" refuses 'x0 is the NIC of \[port n\]' m kind=nic interface=cable
ip -n sb link set x0 master br0
wait_for 5 "in the bridge it is one no more" port_is b n .state absent
check "which is told" eval 'lanspan b show ports | grep -q "x0 is in one bridge with the TAP span0"'
check "nor can be plugged in" refuses 'in one bridge with the TAP' m kind=nic interface=cable
ip -n sb link set x0 nomaster
wait_for 5 "out of it, it is one again" port_is b n .state up
check "its bridge of a TAP to come" refuses '"x0" is the NIC of \[port n\]' t kind=tap interface=t1 bridge=x0
port b twin kind=nic interface=x0
conf_write b
check "a reload passes over a section with it" lanspan b reload
equal "ports called twin" "$(show b "[.ports[] | select(.name == \"twin\")] | length")" 0

step "nor two TAPs in one bridge"
check "that of [bridge]" refuses '"br0" is the bridge of the TAP of \[bridge\]' t kind=tap \
	interface=t1 bridge=br0
check "by another name" refuses 't1 would be in br0 with the TAP span0' t kind=tap interface=t1 \
	bridge=office
check "in a bridge of its own it is good" lanspan b port add t kind=tap interface=t1 bridge=br1 \
	create=yes
check "but once" refuses '"br1" is the bridge of \[port t\]' u kind=tap interface=t2 bridge=br1
check "nor by its NIC" refuses 'is in one bridge with the TAP\|is the bridge of' u kind=nic \
	interface=br1
port b twin kind=tap interface=t2 bridge=br1
conf_write b
check "a reload passes over a section with it" lanspan b reload
equal "ports called twin" "$(show b "[.ports[] | select(.name == \"twin\")] | length")" 0
check "which is told" grep -q 'port left out.*twin.*\[port t\]' "$W/log/b.log"
check "a TAP of no bridge" lanspan b port add u kind=tap interface=t2
wait_for 5 "is up" port_is b u .state up
ip -n sb link set t2 master br0
wait_for 5 "put into the bridge of the other, it is down" port_is b u .state down
check "which is told" eval 'lanspan b show ports | grep -q "t2 would be in br0 with the TAP span0"'
check "it has no carrier" eval 'ip -n sb link show t2 | grep -q NO-CARRIER'
ip -n sb link set t2 nomaster
wait_for 5 "out of it, it is up again" port_is b u .state up

step "the NIC that carries the tunnel"
# tunnel_in_it: what came out at b of UDP for the tunnel's port
tunnel_in_it() {
	captured "$W/got.pcap" 'at(12, 2) == "0800" && at(23, 1) == "11" && at(36, 2) == "1e3d"'
}
# say ADDRESS PORT TEXT: a datagram from the LAN that carries the tunnel, for a
say() {
	on wan socat -u - "UDP4-SENDTO:$1:$2" <<<"$3"
}
marks() {
	[ "$(captured "$W/got.pcap" 'at(12, 2) == "0800" && at(36, 2) == "0009"')" -ge "$1" ]
}
ip -n wan addr add 10.99.0.200/24 dev wan0
quiet sa w0
capture sb span0 "$W/got.pcap" -i
check "it is a port" lanspan a port add cable kind=nic interface=w0
wait_for 5 "which is up" port_is a cable .state up
on hl ping -q -c 50 -i 0.02 -W 1 192.168.77.2 >"$W/ping.txt" 2>&1
say 10.99.0.1 7741 nonsense
ip -n sa addr add 10.99.0.77/24 dev w0
sleep 2.5 # addresses are looked at each second
say 10.99.0.77 7741 nonsense
say 10.99.0.77 9 "this is a frame for all"
wait_for 5 "other datagrams come out at b" marks 1
end "$SPAWNED"
equal "the tunnel's at b" "$(tunnel_in_it)" 0
at_least "those that were left out" "$(port_get a cable '.drops.underlay // 0')" 50
check "which is no trouble" eval '! lanspan a events --json | grep -qE "\"loop\"|underlay"'
check "the port is taken away" lanspan a port del cable

step "with the capabilities that the unit leaves"
powers=$(sed -n 's/^CapabilityBoundingSet=//p' "$TOP/etc/systemd/lanspan-bridge@.service" |
	sed 's/CAP_\([A-Z_]*\)/,+\L\1/g; s/ //g')
bridge_stop b
bridge_run b setpriv --bounding-set "-all$powers"
wait_for 10 "b runs" bridge_ready b
check "a NIC" lanspan b port add n kind=nic interface=x0
wait_for 5 "is a port" port_is b n .state up
