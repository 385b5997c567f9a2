#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Lab ports of datagrams: guests at two sites and a host behind a TAP are one network; who
# is not the far end is not heard; ports come and go; VLANs of access ports and trunks.
#
#   g1 --UDP-- sa ======= sb --unix-- g2      g3, g4: plugged in while it runs
#              | span0
#              ha
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-lab.sh
. "$TOP/tests/netns/lib-lab.sh"
need ping
story "lab ports of datagrams"

two_sites
host a a
port a one kind=qemu local=127.0.0.1:10001 remote=127.0.0.1:10002
port b two kind=ubridge "local=unix:$W/two" "remote=unix:$W/g2"
conf b bridge tap -
conf b bridge bridge -
connect
guest 1 11 a dgram 127.0.0.1:10002 127.0.0.1:10001
guest 2 12 b dgram "unix:$W/g2" "unix:$W/two"

step "one network"
wait_for 5 "g1 reaches g2 at the other site" pings g1 192.168.77.12
wait_for 5 "g2 reaches the host behind the TAP" pings g2 192.168.77.1
check "the host reaches g1" pings ha 192.168.77.11 -s 1400
equal "b has no TAP" "$(show b '.site.tap == null')" true
equal "g1 is behind its port" \
	"$(show a '[.macs[] | select(.mac == "02:00:00:00:77:0b") | .port] | first')" one
check "why knows" eval 'lanspan a why 192.168.77.11 | grep -q "one" ||
	lanspan a why 02:00:00:00:77:0b | grep -q one'

step "strangers"
on sa bash -c 'for i in 1 2 3; do echo "a frame of somebody else" >/dev/udp/127.0.0.1/10001; done'
wait_for 2 "counted" port_is a one .strangers 3
equal "and nothing came of them" "$(port_get a one '.drops.runt // 0')" 0

step "ports come and go"
check "plugged in" lanspan a port add three kind=vbox local=127.0.0.1:10005 \
	remote=127.0.0.1:10006
guest 3 13 a dgram 127.0.0.1:10006 127.0.0.1:10005
wait_for 5 "g3 reaches g2" pings g3 192.168.77.12
check "listed" eval 'lanspan a port list | grep -q "^three *vbox *up *127.0.0.1:10006"'
check "a reload leaves it" lanspan a reload
check "g3 is still there" pings g3 192.168.77.11
refused() {
	! lanspan a port "$@" 2>"$W/refused"
}
check "no second one of that name" refused add three kind=nic interface=e0
check "no second one at that address" refused add more kind=vbox local=127.0.0.1:10005 \
	remote=127.0.0.1:10007
check "no nonsense" refused add more kind=vbox local=127.0.0.1:10009 remotte=127.0.0.1:10007
check "which is told" grep -q 'did you mean remote?' "$W/refused"
check "not the TAP" refused del span0
check "pulled out" lanspan a port del three
check "g3 is away" eval '! pings g3 192.168.77.11'
equal "its addresses as well" "$(show a '[.macs[] | select(.port == "three")] | length')" 0
check "and not twice" refused del three
port a one
port a other kind=qemu local=127.0.0.1:10005 remote=127.0.0.1:10006
conf_write a
check "a file with other ports" lanspan a reload
wait_for 5 "g3 is at the new one" pings g3 192.168.77.12
equal "the old one is gone" "$(port_get a one .name)" ""

step "an access port and a trunk"
port a other kind=qemu local=127.0.0.1:10005 remote=127.0.0.1:10006 vlan=10
conf_write a
check "g3 is in VLAN 10" lanspan a reload
check "so it does not reach g2, who has no tags" eval '! pings g3 192.168.77.12'
end "${GUEST[2]}"
guest_wire 2 12 b -v 10 dgram "unix:$W/g2" "unix:$W/two"
wait_for 5 "g2 with tags of VLAN 10 does" pings g2 192.168.77.13
port b two kind=ubridge "local=unix:$W/two" "remote=unix:$W/g2" trunk=11-20
conf_write b
check "a trunk without VLAN 10" lanspan b reload
check "keeps it out" eval '! pings g2 192.168.77.13'
at_least "which is counted" "$(port_get b two .drops.vlan)" 1
port b two kind=ubridge "local=unix:$W/two" "remote=unix:$W/g2" trunk=9,10
conf_write b
check "a trunk with it" lanspan b reload
wait_for 5 "lets it pass" pings g2 192.168.77.13

step "who looks on"
"$BIN/lanspan" -i a capture port other -c 2 -w "$W/other.pcap" >"$W/log/capture.txt" 2>&1 &
wait_for 5 "a capture" show a '.captures | length == 1'
pings g2 192.168.77.13
wait_for 5 "has frames" eval '[ -s "$W/other.pcap" ] && [ "$(captured "$W/other.pcap")" -ge 2 ]'
equal "no lan without a TAP" "$(lanspan b capture lan 2>&1)" "lanspan: capture: no lan, as \
this site has no TAP of [bridge]; there are: port two, wire, peer NAME"
check "a port by command" lanspan a port add brief kind=vbox local=127.0.0.1:10009 \
	remote=127.0.0.1:10010
"$BIN/lanspan" -i a capture port brief -w "$W/brief.pcap" >"$W/log/brief.txt" 2>&1 &
BRIEF=$!
wait_for 5 "a capture of it" grep -q '^capturing at port brief' "$W/log/brief.txt"
check "it goes" lanspan a port del brief
check "another one comes" lanspan a port add next kind=vbox local=127.0.0.1:10009 \
	remote=127.0.0.1:10010
wait "$BRIEF"
equal "the capture ends with its port, status" $? 1
check "and says why" grep -q 'a ended it: port removed' "$W/log/brief.txt"
equal "captures" "$(show a '.captures | length')" 0

step "why, with lab ports"
# says PATTERN ARGUMENT...: of why
says() {
	local site=$1 pattern=$2
	shift 2
	lanspan "$site" why "$@" >"$W/why" 2>&1
	grep -qE -- "$pattern" "$W/why" || fail "why $*: $(cat "$W/why")"
	echo "  ok  why $*: $pattern"
}
says b "this site has no TAP, so this host has no neighbours there" 192.168.77.1
says b "VLAN 10: to port two, this side of the tunnel: only frames from peers cross it" \
	02:00:00:00:77:0c
says a "to port other, at this site: frames from peers and from its other ports go there" \
	02:00:00:00:77:0d
check "peers are none of it" lanspan a disconnect b
fate() {
	lanspan a why "$1" --json | jq -r "$2"
}
equal "a flood that reaches ports only" "$(fate 02:00:00:00:00:99 .fate)" flooded
says a "frames from peers and other ports: to port other" 02:00:00:00:00:99
equal "each port has its drops" \
	"$(fate 02:00:00:00:00:99 '[.flood.ports[] | has("last_drop_there")] | all')" true
equal "none for all" "$(fate 02:00:00:00:00:99 '.flood | has("last_drop_there")')" false
equal "a reserved address" "$(fate 01:80:c2:00:00:0e .fate)" dropped
check "a port that lets it pass" lanspan a port add lldp kind=vbox local=127.0.0.1:10011 \
	remote=127.0.0.1:10012 reserved=pass
equal "which alone is no way" "$(fate 01:80:c2:00:00:0e '.fate, .flood.ports[].port' | xargs)" \
	"dropped lldp"
check "and another" lanspan a port add lldq kind=vbox local=127.0.0.1:10013 \
	remote=127.0.0.1:10014 reserved=pass
equal "are one" "$(fate 01:80:c2:00:00:0e '.fate, .flood.ports[].port' | xargs)" "flooded lldp lldq"
check "b is connected again" lanspan a connect b
