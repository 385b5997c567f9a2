#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# A wire between two machines on two sites, whose cards are ports: LACP, STP and what else
# goes to reserved addresses passes between them, and the link of a card follows the far end,
# by QEMU's own set_link.
#
#   ann --stream-- sa ===== wire ===== sb --dgram-- bob
#       `---qmp---'                     `---qmp---'
#
# Of each site's QMP a proxy writes down what is said, and when; what a guest's kernel sees
# of its carrier, the guest itself says on its console.  Judged is the time until the site has
# said set_link, and the best of QEMU's answers; when the guest's kernel looks is a matter of its
# emulated processor, and is told.
# shellcheck source=../netns/lib.sh
. "$(dirname "$0")/../netns/lib.sh"
for lib in lab machine; do
	# shellcheck source=/dev/null
	. "$TOP/tests/netns/lib-$lib.sh"
done
story "a wire between machines"
machine_files

two_sites
for s in a b; do
	conf $s bridge tap -
	conf $s bridge bridge -
	conf $s bridge mode wire
done
port a ann kind=qemu transport=stream "remote=unix:$W/run/ann.card" \
	"qmp=unix:$W/run/ann.qmp.proxy" qmp_netdev=n
port b bob kind=qemu local=127.0.0.1:10001 remote=127.0.0.1:10002 \
	"qmp=unix:$W/run/bob.qmp.proxy" qmp_netdev=n

# proxy SITE NAME: between the site and the guest's QMP; log/NAME.qmp has what they say
proxy() {
	spawn "s$1" "$W/log/$2.qmp" socat -v "UNIX-LISTEN:$W/run/$2.qmp.proxy,fork" \
		"UNIX-CONNECT:$W/run/$2.qmp"
}
# wired SITE NAME NUMBER NETDEV: its card has that number; LACP wants to know its speed
wired() {
	machine_run "s$1" "$2" -device "virtio-net-pci,netdev=n,mac=52:54:00:00:00:0$3,speed=1000,duplex=full" -netdev "$4" \
		-qmp "unix:$W/run/$2.qmp,server=on,wait=off"
}
ann_runs() {
	rm -f "$W/run/ann.card" "$W/run/ann.console"
	wired a ann 1 "stream,id=n,server=on,addr.type=unix,addr.path=$W/run/ann.card"
	ANN=$SPAWNED
}

# watch NAME: it says on its console when its carrier is another; such a line begins with =
watch() {
	machine "$1" 'cd /sys/class/net/eth0; (while :; do
		read -r is <carrier || is=?; [ "$is" = "$was" ] || echo "=carrier $is";
		was=$is; usleep 2000; done) 2>/dev/null &'
	wait_for 10 "" grep -q '^=carrier' "$W/log/$1.console" || fail "guest $1 does not watch its carrier"
}
carrier_is() {
	[ "$(grep '^=carrier' "$W/log/$1.console" | tail -n 1)" = "=carrier $2" ]
}

# said_at NAME OFFSET true|false: the moment the site said set_link, by the proxy's clock, in
# microseconds; socat 1.7 writes them with nine digits
said_at() {
	local at
	at=$(tail -c "+$2" "$W/log/$1.qmp" |
		awk -v up="\"up\":$3" '/^> [0-9]+\// { at = $2 " " $3 }
			/set_link/ && index($0, up) { print at; exit }')
	[ -n "$at" ] && echo "$(date -d "${at%.*}" +%s)${at: -6}"
}

# link_follows NAME up|down WHAT COMMAND...: that its link is, by that; SAID, QMP and CARRIER are
# the milliseconds from the command to set_link, QEMU's answer and what the guest said
link_follows() {
	local name=$1 want=$2 what=$3 from to start up=false is=0
	[ "$want" = down ] || up=true is=1
	shift 3
	from=$(($(wc -c <"$W/log/$name.qmp") + 1)) to=$(($(wc -c <"$W/log/$name.console") + 1))
	start=${EPOCHREALTIME/[.,]/}
	"$@"
	QMP='' CARRIER=''
	until [ -n "$QMP" ] && [ -n "$CARRIER" ]; do
		[ -n "$QMP" ] || ! tail -c +$from "$W/log/$name.qmp" | tr '\n' ' ' |
			grep -q "set_link.*\"up\":$up.*\"return\"" || QMP=$(ms "$start")
		[ -n "$CARRIER" ] || ! tail -c +$to "$W/log/$name.console" | grep -q "^=carrier $is" ||
			CARRIER=$(ms "$start")
		(($(ms "$start") < 30000 * PATIENCE)) || fail "$what: $name's link is not $want (QMP: ${QMP:-no})"
	done
	SAID=$((($(said_at "$name" "$from" "$up") - start) / 1000))
	echo "  ok  $what: $name's link is $want; set_link after $SAID ms," \
		"QEMU's answer after $QMP ms; not judged, as it is emulated: the guest's carrier after $CARRIER ms"
}
ms() { # THEN
	echo $(((${EPOCHREALTIME/[.,]/} - $1) / 1000))
}
least() {
	echo $(($1 < $2 ? $1 : $2))
}

step "machines, and the cable between them"
proxy a ann
proxy b bob
ann_runs
wired b bob 2 dgram,id=n,local.type=inet,local.host=127.0.0.1,local.port=10002,remote.type=inet,remote.host=127.0.0.1,remote.port=10001
wait_for 20 "" test -S "$W/run/ann.card" || fail "ann has no card"
connect
machine_booted ann
machine_booted bob
for name in ann bob; do
	wait_for 5 "$name's QMP is ready" grep -q qmp_capabilities "$W/log/$name.qmp"
	watch $name
	wait_for 10 "$name has a carrier" carrier_is $name 1
done

step "what goes to a reserved address"
for n in 1 2; do
	name=$([ $n = 1 ] && echo ann || echo bob)
	check "$name's address" machine $name "ip addr add 192.168.77.$n/24 dev eth0 && ip link set eth0 promisc on"
done
check "all sixteen, and each is answered" machine ann 'for last in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do
	arp -i eth0 -s 192.168.77.2 01:80:c2:00:00:0$last &&
	ping -q -c 1 -W 2 192.168.77.2 >/dev/null || exit 1; done; arp -d 192.168.77.2'
# a bond of LACP, and below a bridge that speaks STP
trunk='modprobe bonding max_bonds=0; modprobe bridge; ip addr flush dev eth0; ip link set eth0 down;
	ip link add bond0 type bond; echo 802.3ad >/sys/class/net/bond0/bonding/mode;
	echo fast >/sys/class/net/bond0/bonding/lacp_rate;
	echo 50 >/sys/class/net/bond0/bonding/miimon; ip link set eth0 master bond0; ip link set bond0 up;
	brctl addbr br0; cd /sys/class/net/br0/bridge; echo 200 >forward_delay; echo 1 >stp_state;
	brctl addif br0 bond0; ip link set br0 up'
machine ann "$trunk; ip addr add 192.168.77.1/24 dev br0" || fail "no trunk in ann"
machine bob "$trunk; ip addr add 192.168.77.2/24 dev br0; echo 4096 >priority" || fail "no trunk in bob"
partner() {
	[ "$(machine "$1" "grep -i 'partner mac' /proc/net/bonding/bond0" | awk '{ print $NF }')" = "52:54:00:00:00:0$2" ]
}
wait_for 40 "LACP: ann's partner is bob" partner ann 2
wait_for 40 "LACP: bob's partner is ann" partner bob 1
root_is() {
	[ "$(machine "$1" "cat /sys/class/net/br0/bridge/root_id")" = 1000.52540000000"$2" ]
}
wait_for 20 "STP: ann's root is bob" root_is ann 2
wait_for 20 "ann reaches bob, where STP lets her" machine ann "ping -q -c 1 -W 1 192.168.77.2 >/dev/null"

step "the link follows the far end"
said=1000000 qmp=1000000
for _ in 1 2 3; do
	link_follows ann down "bob's site ends" kill "${PID[b]}"
	bridge_stop b
	said=$(least $said "$SAID") qmp=$(least $qmp "$QMP")
	wait_for 10 "bob has no carrier, his own site being gone" carrier_is bob 0
	link_follows ann up "bob's site starts" bridge_start b
	wait_for 10 "a and b are up" both_up a b
	wait_for 10 "bob has a carrier" carrier_is bob 1
done
between "milliseconds to set_link when a site ends" "$said" 0 $((100 * PATIENCE))
between "milliseconds to QEMU's answer" "$qmp" 0 $((100 * PATIENCE))
link_follows bob down "ann's machine ends" end "$ANN" KILL
between "milliseconds to set_link when a machine ends" "$SAID" 0 $((100 * PATIENCE))
link_follows bob up "ann's machine starts" ann_runs
machine_booted ann
check "ann's address" machine ann "ip addr add 192.168.77.1/24 dev eth0"
answers() {
	machine bob "ping -q -c 1 -W 1 192.168.77.1 >/dev/null"
}
wait_for 40 "bob reaches ann" answers
