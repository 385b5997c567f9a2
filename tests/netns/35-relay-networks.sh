#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Three networks on one relay, with the same MAC and IP addresses in each: nothing
# crosses from one to another.
#
#   ha --- sa ---+---+--- sb --- hb     red
#   hc --- sc ---+ hub+-- sd --- hd     green        all .1 on the left: 02:..:01
#   he --- se ---+---+--- sf --- hf     blue         all .2 on the right: 02:..:02
#
# The underlay drops what two sites send to each other, so all is relayed.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping
story "three networks on one relay, the same addresses in each"
relay_by_anybody
relay_program
nat_need
NO_IPV6=yes

underlay
SITES="a b c d e f"
declare -A NETWORK=([a]=red [b]=red [c]=green [d]=green [e]=blue [f]=blue)
declare -A MARK=([red]=7265643d [green]=67726e3d [blue]=626c753d) # 4 bytes of each payload
keys $SITES
relay hub
relay_conf hub <<END
[relay]
key_file = hub.key
[network red]
access = open
[network green]
access = open
[network blue]
access = open
END
relay_start hub
i=0
for s in $SITES; do
	site $s
	host $s $s
	i=$((i % 2 + 1))
	ip -n h$s link set e0 address 02:00:00:00:00:0$i
	ip -n h$s addr flush dev e0
	ip -n h$s addr add 192.168.77.$i/24 broadcast 192.168.77.255 dev e0
	on h$s sh -c 'echo 0 >/proc/sys/net/ipv4/icmp_echo_ignore_broadcasts'
	conf $s network name "${NETWORK[$s]}"
	conf $s bridge broadcast relay
	for o in $SITES; do # keys of the others' sites are known too: they are no members here
		[ $s = $o ] || peer $s $o
	done
	conf_write $s
	relay_of $s hub
done
for pair in ab cd ef; do
	nat_block ${pair:0:1} ${pair:1}
done
bridge_start $SITES
for pair in ab cd ef; do
	wait_for 10 "${pair:0:1} and ${pair:1} are relayed" both_are relayed ${pair:0:1} ${pair:1}
	check "ping" pings h${pair:0:1} 192.168.77.2
done

step "members are apart"
members() { # NETWORK: their names
	lanspan hub show members --json |
		jq -r "[.members[] | select(.network == \"$1\") | .name] | sort | join(\" \")"
}
equal "red" "$(members red)" "a b"
equal "green" "$(members green)" "c d"
equal "blue" "$(members blue)" "e f"
for s in $SITES; do
	equal "$s: peers that are up" "$(show $s '[.peers[] | select(.state == "up")] | length')" 1
done

step "all send at once, to one and to all"
captures=()
for s in $SITES; do
	capture h$s e0 "$W/$s.pcap" -i
	captures+=("$SPAWNED")
done
pids=()
for s in $SITES; do
	mark=${MARK[${NETWORK[$s]}]}
	for to in 192.168.77.1 192.168.77.2; do
		on h$s ping -q -i 0.01 -c 200 -s 200 -p "$mark" "$to" >/dev/null 2>&1 &
		pids+=("$!")
	done
	on h$s ping -q -b -i 0.05 -c 40 -s 200 -p "$mark" 192.168.77.255 >/dev/null 2>&1 &
	pids+=("$!")
done
for pid in "${pids[@]}"; do
	wait "$pid"
done
for pid in "${captures[@]}"; do
	end "$pid"
done
for s in $SITES; do
	frames "$W/$s.pcap" >"$W/frames"
	for network in red green blue; do
		mark=${MARK[$network]}
		n=$(grep -c "$mark$mark$mark" "$W/frames")
		if [ $network = "${NETWORK[$s]}" ]; then
			at_least "h$s: frames of its own network, $network" "$n" 400
		else
			equal "h$s: frames of $network" "$n" 0
		fi
	done
done
for network in red green blue; do
	at_least "$network: floods at the relay" \
		"$(show hub ".networks[] | select(.name == \"$network\") | .floods")" 40
done

step "one network's site leaves; the others do not notice"
bridge_stop b
spawn hc "$W/log/ping.log" ping -i 0.02 -c 50 -W 1 192.168.77.2
wait_for 5 "" gone "$SPAWNED"
equal "red" "$(members red)" a
check "nothing was lost in green" grep -q " 0% packet loss" "$W/log/ping.log"
check "no answer in red" eval '! pings ha 192.168.77.2'
