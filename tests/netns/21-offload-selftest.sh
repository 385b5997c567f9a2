#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The TAP's offloads are tested when it comes up, and no frame of that test leaves
# the TAP.  Somebody switches them off with ethtool and on again: the log and show
# say what, why and what to do, and traffic flows all the while.
#
#   ha [e0] --- sa [br0: p-a, span0] === wan0 === [br0: p-b, span0] sb --- hb
# Last, site a runs where system calls refuse what the kernel had promised.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping socat sha256sum ethtool
story "offloads tested, and switched off by somebody"

two_sites
two_hosts
for n in a b; do # all that a bridge may be told to let through
	ip -n s$n link set br0 type bridge group_fwd_mask 65528
done
declare -A SEEN=()
for place in sa:br0 sa:p-a ha:e0 sb:br0 sb:p-b hb:e0 sb:w0; do
	capture "${place%:*}" "${place#*:}" "$W/${place/:/-}.pcap"
	SEEN[$place]=$SPAWNED
done
connect

# note: the sentence of site a, or null
note() {
	lanspan a show ports --json | jq -r '.ports[0].offload_note'
}

note_has() {
	note | grep -qF -- "$1"
}

ALL=null # the note, when all is in use that the kernel has
printf '6.2\n%s\n' "$(uname -r)" | sort -CV || ALL='no USO: needs Linux 6.2'

has() { # has WORD: it is among the offloads of a
	show a ".ports[0].offloads | index(\"$1\") != null" >/dev/null
}

has_not() {
	show a ".ports[0].offloads | index(\"$1\") == null" >/dev/null
}

told() { # told TEXT: the number of such lines in the log of a
	grep -cF -- "$1" "$W/log/a.log"
}

told_times() {
	[ "$(told "$1")" = "$2" ]
}

# tap_set WORD...: of a, by ethtool -K
tap_set() {
	on sa ethtool -K span0 "$@" >/dev/null 2>&1
}

step "all in use"
equal "nothing to say" "$(note)" "$ALL"
for word in csum tso4 tso6 ecn; do
	check "$word" has $word
done
equal "lines about offloads" "$(told 'offloads are')" 0
equal "lines about UDP" "$(told UDP_)" 0
equal "UDP_SEGMENT is in use" "$(show a '.paths[0] | "\(.gso) \(.gso_note)"')" "true null"

step "traffic from now on"
head -c 20000000 /dev/urandom >"$W/random"
slowly() { # 100 pieces of 200 kB, in 4 s at least
	local i
	for i in $(seq 0 99); do
		dd if="$W/random" bs=200000 skip="$i" count=1 2>/dev/null
		sleep 0.04
	done
}
spawn hb "$W/log/socat.log" socat -u TCP-LISTEN:9000,reuseaddr "CREATE:$W/got"
receiver=$SPAWNED
wait_for 5 "" listens hb t 9000
slowly | on ha socat -u - TCP:192.168.77.2:9000 &
spawn ha "$W/log/ping.log" ping -D -i 0.02 192.168.77.2
pinger=$SPAWNED

step "tso off"
tap_set tso off
wait_for 5 "show says what to do" note_has '`ethtool -K span0 tso on`'
check "and what is off" note_has 'tso4, tso6, ecn: switched off on span0'
check "tso4 is not in use" has_not tso4
check "csum is" has csum
equal "lines about it" "$(told 'ethtool -K span0 tso on')" 1
lanspan a show >"$W/text"
check "show without JSON" grep -q 'offload note: .*ethtool -K span0 tso on' "$W/text"
lanspan a show ports >"$W/text"
check "show ports" grep -q '^span0: .*ethtool -K span0 tso on' "$W/text"
ip -n sa link set p-a txqueuelen 999 # another change of links
ip -n sa link set p-a mtu 1400
ip -n sa link set p-a mtu 1500
holds 1 "no more lines" told_times 'ethtool -K span0 tso on' 1

step "tso on"
tap_set tso on
wait_for 5 "show has nothing to say" note_has "$ALL"
check "tso4 is in use" has tso4
equal "lines about it" "$(told 'offloads are all in use again')" 1

step "checksums off, then one of all"
tap_set tx off
wait_for 5 "the word for it" note_has '`ethtool -K span0 tx on`'
tap_set tx on
wait_for 5 "all again" note_has "$ALL"
tap_set tx-tcp6-segmentation off
wait_for 5 "tso6 alone" note_has 'tso6: switched off'
tap_set tso on
wait_for 5 "all again" note_has "$ALL"

step "traffic flowed"
end "$pinger" INT
grep -o 'icmp_seq=[0-9]*' "$W/log/ping.log" | cut -d= -f2 | sort -nu >"$W/answers"
at_least "answered pings" "$(wc -l <"$W/answers")" 40
between "unanswered before the last of them" \
	"$(($(tail -n 1 "$W/answers") - $(wc -l <"$W/answers")))" 0 2
wait_for 60 "all has arrived" gone "$receiver"
check "what was sent" cmp "$W/random" "$W/got"

step "TAP set down and up: tested again"
capture sa span0 "$W/tap.pcap"
at_tap=$SPAWNED
test_frame='at(6, 6) == "020000000001" || at(0, 6) == "0180c2000001"'
tested() {
	[ "$(captured "$W/tap.pcap" "$test_frame")" -ge "$1" ]
}
ip -n sa link set span0 down
wait_for 5 "it is down" show a '.ports[0].state == "down"'
ip -n sa link set span0 up
wait_for 5 "frames of the test at the TAP" tested 5
wait_for 5 "ping" pings ha 192.168.77.2
end "$at_tap"
equal "nothing to say" "$(note)" "$ALL"

step "TAP deleted while something is off"
tap_set tso off
wait_for 5 "told" note_has 'tso on'
ip -n sa link del span0
wait_for 5 "ping" pings ha 192.168.77.2
wait_for 5 "another TAP, all in use" note_has "$ALL"

step "switched all the time"
for _ in $(seq 30); do
	tap_set tso off
	tap_set tso on
done
wait_for 5 "all in use" note_has "$ALL"
speed "lines in the log, of more than 60" "$(told 'offloads are')" 5 45

step "no frame of the test left a TAP"
pings ha 192.168.77.2
for place in "${!SEEN[@]}"; do
	end "${SEEN[$place]}"
	at_least "frames at $place" "$(captured "$W/${place/:/-}.pcap")" 1
	equal "of the test" "$(captured "$W/${place/:/-}.pcap" "$test_frame")" 0
done

step "offload = off"
bridge_stop a
conf a bridge offload off
conf_write a
bridge_start a
wait_for 10 "a and b are up" both_up a b
equal "note" "$(note)" "offload = off"

step "a kernel that refuses: site a on it"
command -v cc >/dev/null || skip "no cc for the last part"
mkdir "$W/refuse"
cc -shared -fPIC -D_GNU_SOURCE -o /run/programs/refuse.so "$TOP/tests/netns/preload/refuse.c" ||
	fail "cannot build refuse.c"
bridge_stop a
conf a bridge offload auto
conf_write a
: >"$W/log/a.log"
bridge_run a env REFUSE="$W/refuse" LD_PRELOAD=/run/programs/refuse.so \
	ASAN_OPTIONS=verify_asan_link_order=0
wait_for 10 "a and b are up" both_up a b

# transfer FROM-NS TO-NS ADDRESS: the random bytes
transfer() {
	rm -f "$W/got"
	spawn "$2" "$W/log/socat.log" socat -u TCP-LISTEN:9000,reuseaddr "CREATE:$W/got"
	local pid=$SPAWNED
	wait_for 5 "" listens "$2" t 9000
	on "$1" socat -u "OPEN:$W/random" "TCP:$3:9000" || fail "socat"
	wait_for 20 "" gone "$pid"
	cmp "$W/random" "$W/got"
}

check "bytes from b as they were" transfer hb ha 192.168.77.1
equal "nothing to say" "$(note)" "$ALL"
equal "nothing cut" "$(show a '.ports[0].cut')" 0

step "super-frames refused from now on"
touch "$W/refuse/tso"
check "bytes from b as they were" transfer hb ha 192.168.77.1
wait_for 5 "show says so" note_has 'tso4: given up'
wait_for 5 "the log as well, once" told_times 'tso4: given up' 1
check "tso4 is not in use" has_not tso4
check "tso6 is" has tso6
at_least "super-frames that were cut" "$(show a '.ports[0].cut')" 8

step "refused in the self-test"
ip -n sa link set span0 down
wait_for 5 "it is down" show a '.ports[0].state == "down"'
ip -n sa link set span0 up
wait_for 5 "show says so" note_has 'tso4, ecn: refused by the kernel in the self-test'
check "bytes from b as they were" transfer hb ha 192.168.77.1
rm "$W/refuse/tso"
ip -n sa link del span0
wait_for 5 "another TAP: all in use" note_has "$ALL"

step "UDP_SEGMENT refused from now on"
equal "it is in use" "$(show a '.paths[0].gso')" true
touch "$W/refuse/gso"
check "bytes to b as they were" transfer ha hb 192.168.77.2
equal "it is off" "$(lanspan a show --json paths | jq '.paths[0].gso')" false
equal "lines about it" "$(told 'UDP_SEGMENT is off, datagrams are sent one by one: the kernel refused it (Input/output error)')" 1
lanspan a show paths >"$W/text"
check "show paths" grep -q '^0.0.0.0:7741: UDP_SEGMENT is off' "$W/text"
