#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Sites that work in several threads: 3 at a, 2 at b, 1 at c.  Many flows arrive
# as they were sent and each in its order, while the TAP goes and comes back, the
# configuration changes, a peer is left, and a process starts anew.
#
#   ha --- sa === wan0, 1500 === sb --- hb
#                   |
#                  sc --- hc
# alone: yes
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping iperf3 socat sha256sum
story "workers"
T=${T:-1}
MEGABYTES=${MEGABYTES:-10}

two_sites
two_hosts
site c
host c c
keys c
peer a c 10.99.0.3:7741
peer b c 10.99.0.3:7741
peer c a
peer c b
conf a site listen "0.0.0.0:7741, [::]:7741"
conf b site listen "0.0.0.0:7741, [::]:7741"
conf a site workers 3
conf b site workers 2
conf c site workers 1
conf_write c
connect
bridge_start c
wait_for 10 "a and c are up" both_up a c
wait_for 10 "b and c are up" both_up b c

# transfers FROM-NS TO-NS ADDRESS N WHAT: N files at once, by TCP, and their hashes
transfers() {
	local i senders=() receivers=()
	for ((i = 0; i < $4; i++)); do
		rm -f "$W/got.$i"
		spawn "$2" "$W/log/socat.log" socat -u "TCP6-LISTEN:$((9000 + i)),ipv6only=0,reuseaddr" "CREATE:$W/got.$i"
		receivers+=("$SPAWNED")
		wait_for 5 "" listens "$2" t $((9000 + i))
	done
	for ((i = 0; i < $4; i++)); do
		spawn "$1" "$W/log/socat.log" socat -u "OPEN:$W/random" "TCP:$3:$((9000 + i))"
		senders+=("$SPAWNED")
	done
	for i in "${senders[@]}" "${receivers[@]}"; do
		wait_for 30 "" gone "$i" || fail "$5: it goes on and on"
	done
	for ((i = 0; i < $4; i++)); do
		[ "$(sha256sum <"$W/got.$i" | cut -c1-16)" = "$SUM" ] || fail "$5: file $i arrived damaged"
	done
	echo "  ok  $5, $4 files of $MEGABYTES MB"
}

megabits() {
	jq -r '.end.sum_received.bits_per_second / 1e6 | floor'
}

# out_of_order SERVER-NS CLIENT-NS ADDRESS PORT: UDP from the server, in datagrams
out_of_order() {
	IPERF_TO=$3 iperf "$1" "$2" "$4" -R -u -b 10M -l 1200 -P 4 -t "$T" |
		jq -r '[.end.streams[].udp.out_of_order] | add'
}

counts() {
	show "$1" "[.workers[].$2] | join(\" \")"
}

# busy SITE FIELD COUNTS: how many of its workers did something of that kind since
busy() {
	echo "$3 $(counts "$1" "$2")" | awk '{ for (i = 1; i <= NF / 2; i++) n += $(i + NF / 2) > $i + 50; print n }'
}

step "each as it was told"
equal "workers" "$(for s in a b c; do show $s '[.site.workers, (.workers | length), ([.workers[] | select(.tap_queue)] | length)] | join("/")'; done | paste -sd ' ')" "3/3/3 2/2/2 1/1/1"
for to in 192.168.77.2 192.168.77.3 fd77::2 fd77::3; do
	check "ping a to $to" pings ha $to
done
check "ping b to c" pings hb 192.168.77.3

step "files both ways"
head -c "${MEGABYTES}000000" /dev/urandom >"$W/random"
SUM=$(sha256sum <"$W/random" | cut -c1-16)
transfers ha hb 192.168.77.2 4 "a to b"
transfers hb ha '[fd77::1]' 4 "b to a, IPv6"
transfers hb hc 192.168.77.3 2 "b to c"
transfers hc ha 192.168.77.1 2 "c to a"

step "8 streams, $T s each"
speed "a to b, Mb/s" "$(iperf hb ha 5201 -t "$T" -P 8 | megabits)" 20
speed "b to a, Mb/s" "$(iperf hb ha 5202 -t "$T" -P 8 -R | megabits)" 20
speed "a to c, Mb/s" "$(IPERF_TO=192.168.77.3 iperf hc ha 5203 -t "$T" -P 8 | megabits)" 20

step "20 streams are shared, though all come from one peer"
declare -A before=()
for s in a b; do
	for kind in tap_reads tap_writes receives sends; do
		before[$s$kind]=$(counts $s $kind)
	done
done
speed "a to b and back, Mb/s" "$(iperf hb ha 5204 -t "$T" -P 20 --bidir | megabits)" 20
for s in a b; do
	for kind in tap_reads tap_writes receives sends; do
		at_least "workers of $s with $kind" "$(busy $s $kind "${before[$s$kind]}")" 2
	done
done
for s in a b; do
	before[$s]=$(show $s .system_calls.yields)
done
iperf hb ha 5206 -t 2 -u -b 0 -l 64 >/dev/null || fail "no flood of small frames"
for s in a b; do
	at_least "offers of the processor by $s" $(($(show $s .system_calls.yields) - before[$s])) 3
done
equal "frames that may wait at each queue of a TAP" "$(ip -n sa -j link show span0 | jq '.[0].txqlen')" 500
equal "all together" "$(show a '([.workers[].tap_writes] | add) == .system_calls.tap_writes')" true

for s in a b; do
	equal "too late at $s" "$(show $s '[.drops[] | select(.reason == "old") | .count] | add // 0')" 0
done

step "UDP in its order, $T s each"
equal "a to b" "$(out_of_order ha hb 192.168.77.1 5211)" 0
equal "b to a" "$(out_of_order hb ha 192.168.77.2 5212)" 0
equal "a to c" "$(out_of_order ha hc 192.168.77.1 5213)" 0
equal "c to a" "$(out_of_order hc ha 192.168.77.3 5214)" 0

step "under load: TAP deleted, configuration changed, peer left"
spawn hb "$W/log/load-server.log" iperf3 -s -p 5220
wait_for 5 "" listens hb t 5220
spawn ha "$W/log/load.log" iperf3 -c 192.168.77.2 -p 5220 -t 600 -P 8 --bidir
load=$SPAWNED

flows() {
	local before
	before=$(peer_get a b .tx.frames)
	sleep 0.2 # at 100 frames a second and more
	[ "$(peer_get a b .tx.frames)" -gt $((before + 20)) ] && alive "$load"
}

all_queues() {
	show "$1" '[.workers[].tap_queue] | all' && pings "h$1" "$2"
}

knows_c() {
	[ -n "$(peer_state a c)" ]
}

pid=${PID[a]}
wait_for 5 "the load flows" flows
for _ in 1 2 3; do
	ip -n sa link del span0
	wait_for 5 "a has all queues again" all_queues a 192.168.77.2
	ip -n sb link del span0
	wait_for 5 "b has all queues again" all_queues b 192.168.77.1
done
ip -n sa link set span0 down
wait_for 5 "a sees that its TAP is down" eval '[ "$(show a ".ports[0].state")" = down ]'
ip -n sa link set span0 up
wait_for 5 "the load flows" flows
for _ in 1 2 3 4 5; do
	unpeer a c
	conf_write a
	lanspan a reload || fail "reload"
	peer a c 10.99.0.3:7741
	conf_write a
	kill -HUP "$pid"
	wait_for 5 "" knows_c || fail "SIGHUP is no reload"
done
conf a site workers 2
conf_write a
lanspan a reload >"$W/refused" 2>&1 && fail "the number of workers changed without a restart"
check "another number of workers is refused" grep -q "workers.*restart" "$W/refused"
conf a site workers 3
conf_write a
wait_for 10 "a and c are up" both_up a c
for _ in 1 2 3; do
	lanspan a rekey b || fail "rekey"
	lanspan a disconnect b || fail "disconnect"
	wait_for 5 "" eval '! is_up b a' || fail "b was not told"
	lanspan b show >/dev/null || fail "show"
	lanspan a connect b || fail "connect"
	wait_for 10 "a and b are up" both_up a b
done
wait_for 10 "the load flows" flows
equal "the same process" "${PID[a]} $(alive "$pid" && echo lives)" "$pid lives"

step "under load: a new start"
bridge_stop b
bridge_start b
wait_for 10 "a and b are up" both_up a b
wait_for 10 "the load flows" flows
bridge_kill a
bridge_start a
wait_for 10 "a and b are up" both_up a b
wait_for 10 "the load flows" flows
end "$load"
transfers ha hb 192.168.77.2 4 "a to b"

step "TAPs that were there before"
bridge_stop a
equal "none is left" "$(ip -n sa link show span0 2>&1 | grep -c 'does not exist')" 1
ip -n sa tuntap add span0 mode tap
bridge_start a
check "one queue: it says what would be right" grep -q "ip tuntap add span0 mode tap multi_queue" "$W/log/a.log"
equal "one worker reads" "$(show a '[.workers[].tap_queue | tostring] | join(" ")')" "true false false"
wait_for 10 "a and b are up" both_up a b
transfers ha hb 192.168.77.2 2 "a to b"
transfers hb ha 192.168.77.1 2 "b to a"
bridge_stop a
ip -n sa link del span0
ip -n sa tuntap add span0 mode tap multi_queue
bridge_start a
wait_for 5 "it has all queues" all_queues a 192.168.77.3
bridge_stop a
conf a site workers 1
conf_write a
bridge_start a
wait_for 10 "a and b are up" both_up a b
wait_for 5 "one worker, one of its queues" pings ha 192.168.77.2
sed -e 's/7741/7742/g' "$W/etc/a.conf" >"$W/etc/twin.conf"
on sa "$BIN/lanspan-bridge" -c "$W/etc/twin.conf" >"$W/twin.txt" 2>&1 && fail "two processes with one TAP"
check "a twin is told who has the TAP" grep -q "another process holds it" "$W/twin.txt"
check "ping a to b" pings ha 192.168.77.2
bridge_stop a
bridge_stop b
bridge_stop c
