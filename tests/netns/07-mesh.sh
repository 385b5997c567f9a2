#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Four sites, each a peer of each other; no frame comes twice, and a host that
# moves from one site to another is found there.
#
#   ha --- sa ===+===+=== sb --- hb
#                |   |
#   hc --- sc ===+===+=== sd --- hd      hm moves: sa, then sd, then sb
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping
story "four sites and a host that moves"

SITES="a b c d"
underlay
keys $SITES
for s in $SITES; do
	site $s
	host $s $s
	for o in $SITES; do
		[ $s = $o ] || peer $s $o "10.99.0.$(number $o):7741"
	done
	conf_write $s
done
host m a
bridge_start $SITES

all_up() {
	local s
	for s in $SITES; do
		[ "$(show "$s" '[.peers[] | select(.state == "up")] | length')" = 3 ] || return 1
	done
}
wait_for 10 "all six pairs are up" all_up

step "everybody reaches everybody, and no answer comes twice"
for s in $SITES; do
	for o in $SITES; do
		[ $s = $o ] || check "h$s to h$o" pings h$s "192.168.77.$(number $o)"
	done
done
on ha ping -c 20 -i 0.02 192.168.77.4 >"$W/log/twice.log"
equal "answers that came twice" "$(grep -c DUP "$W/log/twice.log")" 0
for s in $SITES; do
	on "h$s" sh -c 'echo 0 >/proc/sys/net/ipv4/icmp_echo_ignore_broadcasts'
done
on ha ping -b -w 2 -i 0.2 192.168.77.255 >"$W/log/all.log" 2>&1
for o in 2 3 4; do
	grep -o "from 192.168.77.$o: icmp_seq=[0-9]*" "$W/log/all.log" >"$W/answers"
	at_least "answers of .$o to a broadcast ping" "$(wc -l <"$W/answers")" 5
	equal "of them twice" "$(sort "$W/answers" | uniq -d | wc -l)" 0
done

# move SITE: the cable of hm goes to another site's bridge
move() {
	ip -n "$AT" link set p-m down
	ip -n "$AT" link set p-m nomaster
	ip -n "$AT" link set p-m netns "s$1"
	ip -n "s$1" link set p-m master br0 up
	AT=s$1
}

step "hm moves"
AT=sa
check "hm at a reaches hc" pings hm 192.168.77.3
check "hc reaches hm at a" pings hc 192.168.77.13
for to in d b a; do
	move $to
	wait_for 2 "hm at $to reaches hc" pings hm 192.168.77.3
	check "hc reaches hm at $to" pings hc 192.168.77.13
	check "ha reaches hm at $to" pings ha 192.168.77.13
done
