#!/bin/bash
# SPDX-License-Identifier: MIT
#
# lanspan capture: what it writes is what tcpdump sees at the TAP and in the underlay,
# at each point, filtered, cut, counted, in files of a ring and through a pipe; and
# whatever becomes of the reader, the frames themselves do not notice.
#
#   ha --- sa(br0, span0) === wan0 === sb --- hb
#                              |
#                            r-hub, at the end
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
need ping iperf3 tcpdump ethtool socat
story "captures"
relay_by_anybody
relay_program
nat_need
NO_IPV6=yes

two_sites
two_hosts
for n in a b; do # frames as tcpdump sees them are whole then
	on h$n ethtool -K e0 tso off gso off tx off >/dev/null 2>&1
	on s$n ethtool -K p-$n tso off gso off tx off >/dev/null 2>&1
	on s$n ethtool -K w0 tx-udp-segmentation off >/dev/null 2>&1
done
connect
wait_for 5 "ping" pings ha 192.168.77.2

# record NAME ARGUMENT...: `lanspan capture` at a in the background, running when this
# returns; what it says is in $W/NAME.said
record() {
	local name=$1
	shift
	rm -f "$W/$name.said"
	spawn sa "$W/$name.said" "$BIN/lanspan" -i a capture "$@"
	RECORD=$SPAWNED
	wait_for 5 "" grep -q '^capturing at' "$W/$name.said" ||
		fail "no capture: $(cat "$W/$name.said")"
}

# dump NAME NAMESPACE INTERFACE FILTER...: tcpdump, the same way
dump() {
	local name=$1 ns=$2 dev=$3
	shift 3
	rm -f "$W/$name.log"
	spawn "$ns" "$W/$name.log" tcpdump -U --immediate-mode -n -Z root -i "$dev" -w "$W/$name" "$@"
	DUMP=$SPAWNED
	wait_for 5 "" grep -q '^tcpdump: listening' "$W/$name.log" || fail "tcpdump: $(cat "$W/$name.log")"
}

finish_record() {
	end "$1" INT
	equal "status" "$ENDED" "${2:-0}"
}

# ended POINT: why the newest capture there did, as the event has it
ended() {
	lanspan a events --json --kind capture-ended |
		jq -rs --arg p "$1" '[.[] | select(.point == $p)][-1] | "\(.reason) \(.uid) \(.packets > 0)"'
}
ended_is() {
	[ "$(ended "$1")" = "$2" ]
}

# packets FILE [FILTER...]: as tcpdump counts them; 0 of a file that it cannot read
packets() {
	local file=$1
	shift
	tcpdump -n -r "$file" "$@" 2>/dev/null | grep -c '^[0-9]'
}

has() {
	[ "$(packets "$@")" -ge "$N" ]
}

# refused STATUS WORDS ARGUMENT...
refused() {
	local status=$1 words=$2 got
	shift 2
	lanspan a capture "$@" >"$W/refused" 2>&1
	got=$?
	[ "$got" = "$status" ] || fail "capture $*: status $got, not $status: $(cat "$W/refused")"
	grep -qF -- "$words" "$W/refused" || fail "capture $*: it said: $(cat "$W/refused")"
	echo "  ok  capture $*: $(head -n 1 "$W/refused")"
}

# 3 pings of two sizes each way, one of them in fragments
some_pings() {
	local size
	for size in 56 1400 3000; do
		on ha ping -q -c 2 -i 0.02 -W 2 -s "$size" 192.168.77.2 >/dev/null || fail "ping -s $size"
		on hb ping -q -c 1 -W 2 -s "$size" 192.168.77.1 >/dev/null || fail "ping -s $size"
	done
}

step "lan: byte for byte what tcpdump sees on the TAP"
dump tap.pcap sa span0 icmp
record lan lan -w "$W/lan.pcap" icmp
some_pings
N=$((9 * 2 - 3 * 2 + 3 * 6)) # the last size is of three fragments each way
wait_for 5 "" has "$W/lan.pcap" || fail "$(packets "$W/lan.pcap") packets, not $N"
wait_for 5 "" has "$W/tap.pcap"
finish_record "$RECORD"
end "$DUMP"
check "its own count" grep -qx "$N captured, 0 dropped" "$W/lan.said"
frames "$W/tap.pcap" | sort >"$W/tap.txt"
frames "$W/lan.pcap" | sort >"$W/lan.txt"
equal "frames at lan" "$(wc -l <"$W/lan.txt")" "$N"
check "the same bytes" cmp "$W/tap.txt" "$W/lan.txt"
wait_for 5 "the event of its end" ended_is lan "stopped 0 true"
equal "and of its beginning" "$(lanspan a events --json --kind capture-began |
	jq -rs '[.[] | select(.point == "lan")][-1] | "\(.uid) \(.direction) \(.filter)"')" "0 both icmp"
check "in the log" grep -q "info: capture began capture=1 point=lan uid=0 pid=[0-9]* direction=both filter=icmp" "$W/log/a.log"

step "both directions, and each alone"
for way in in out; do
	record $way lan -Q $way -w "$W/$way.pcap" icmp
done
record port port span0 -w "$W/port.pcap" icmp
on ha ping -q -c 5 -i 0.05 192.168.77.2 >/dev/null
N=5
wait_for 5 "" has "$W/out.pcap"
for p in "${CHILDREN[@]: -3}"; do
	end "$p" INT
done
equal "in" "$(packets "$W/in.pcap" 'icmp[0] == 8') $(packets "$W/in.pcap" 'icmp[0] == 0')" "5 0"
equal "out" "$(packets "$W/out.pcap" 'icmp[0] == 8') $(packets "$W/out.pcap" 'icmp[0] == 0')" "0 5"
equal "port span0 is the same as lan" "$(packets "$W/port.pcap")" 10

step "peer: the frames in the clear, those of lan"
record lan lan -w "$W/lan.pcap" icmp
record peer peer b -w "$W/peer.pcap" icmp
some_pings
N=30
wait_for 5 "" has "$W/peer.pcap"
for p in "${CHILDREN[@]: -2}"; do end "$p" INT; done
frames "$W/lan.pcap" | sort >"$W/lan.txt"
frames "$W/peer.pcap" | sort >"$W/peer.txt"
check "the same bytes" cmp "$W/peer.txt" "$W/lan.txt"
equal "frames both ways" "$(packets "$W/peer.pcap" src 192.168.77.1) $(packets "$W/peer.pcap" src 192.168.77.2)" "15 15"

step "wire: the datagrams that tcpdump sees in the underlay"
# datagrams FILE SKIP: addresses, ports, length and payload, without what is made up
datagrams() {
	frames "$1" | awk -v skip="$2" '{
		p = substr($2, skip * 2 + 1)
		print substr(p, 25, 16) substr(p, 41, 12) substr(p, 57) }'
}
dump w0.pcap sa w0 udp port 7741
record wire wire -w "$W/wire.pcap"
some_pings
N=20
wait_for 5 "" has "$W/wire.pcap" udp
finish_record "$RECORD"
wait_for 5 "" steady 0.3 stat -c %s "$W/w0.pcap" # what tcpdump still has
end "$DUMP"
datagrams "$W/w0.pcap" 14 >"$W/w0.txt"
datagrams "$W/wire.pcap" 0 >"$W/wire.txt"
at_least "datagrams at wire" "$(wc -l <"$W/wire.txt")" 20
equal "datagrams at wire that were not at w0" "$(awk 'NR == FNR { at[$0]; next } !($0 in at)' \
	"$W/w0.txt" "$W/wire.txt" | wc -l)" 0
equal "those at w0 meanwhile that were not at wire" "$(awk '
	NR == FNR { at[$0]; next }
	$0 in at { lost += since; since = 0; begun = 1; next }
	begun { since++ }
	END { print lost + 0 }' "$W/wire.txt" "$W/w0.txt")" 0
check "headers that tcpdump believes" test -z "$(tcpdump -n -v -r "$W/wire.pcap" 2>/dev/null | grep -i 'bad\|trunc')"
equal "all to or from the peer's address" \
	"$(packets "$W/wire.pcap" host 10.99.0.1 and host 10.99.0.2 and udp port 7741)" "$(packets "$W/wire.pcap")"
equal "frames in the clear" "$(packets "$W/wire.pcap" icmp)" 0

step "wire over IPv6"
bridge_stop a
bridge_stop b
for s in a b; do conf $s site listen "[::]:7741"; done
peer a b "[fd99::2]:7741"
peer b a "[fd99::1]:7741"
connect
record wire6 wire -w "$W/wire6.pcap"
on ha ping -q -c 3 -i 0.05 192.168.77.2 >/dev/null
N=6
wait_for 5 "" has "$W/wire6.pcap" ip6 host fd99::1 and host fd99::2 and udp port 7741
finish_record "$RECORD"
tcpdump -n -vv -r "$W/wire6.pcap" >"$W/wire6.txt" 2>/dev/null
at_least "UDP checksums that are right" "$(grep -c 'udp sum ok' "$W/wire6.txt")" 6
equal "others" "$(grep -c 'bad udp' "$W/wire6.txt")" 0

step "filters, snap length, count, lines"
record arp lan -w "$W/arp.pcap" arp or icmp and host 192.168.77.9
on ha ping -q -c 3 -i 0.05 192.168.77.2 >/dev/null
on ha ping -q -c 1 -W 1 192.168.77.9 >/dev/null
finish_record "$RECORD"
at_least "ARP" "$(packets "$W/arp.pcap" arp)" 1
equal "all else" "$(packets "$W/arp.pcap" not arp)" 0
record show lan -w "$W/x.pcap" tcp port 80
equal "a filter is shown" "$(show a '.captures[] | [.point, .filter, .direction, .uid] | join(" ")')" "lan tcp port 80 both 0"
check "a table of them" grep -q 'lan .*tcp port 80' <(lanspan a show captures)
finish_record "$RECORD"
record snap lan -s 60 -c 4 -w "$W/snap.pcap" icmp
on ha ping -q -c 5 -i 0.05 -s 1000 192.168.77.2 >/dev/null
wait_for 5 "it ends by itself" gone "$RECORD"
wait "$RECORD"
equal "status" $? 0
wait_for 5 "the event says why" ended_is lan "count 0 true"
equal "packets, bytes of each" "$(frames "$W/snap.pcap" | awk '{ print length($2) / 2 }' | paste -sd' ')" "60 60 60 60"
check "lengths are real" grep -q 'length 1008' <(tcpdump -nr "$W/snap.pcap" 2>/dev/null)
record line lan -c 2 icmp
pings ha 192.168.77.2
wait_for 5 "" gone "$RECORD"
check "a line for each" grep -Eq '^[0-9:.]+ in  [0-9a-f:]+ > [0-9a-f:]+, IPv4 \(0x0800\), length 98: 192.168.77.1 > 192.168.77.2: ICMP, length 84$' "$W/line.said"
check "and back" grep -Eq '^[0-9:.]+ out .*: 192.168.77.2 > 192.168.77.1: ICMP' "$W/line.said"
record line wire -c 1
wait_for 5 "" gone "$RECORD"
check "of datagrams" grep -Eq '^[0-9:.]+ (in |out) \[?fd99::' "$W/line.said"

step "what is on its way when it is told to end"
record rest lan -w "$W/rest.pcap" icmp
kill -STOP "$RECORD"
on ha ping -q -c 20 -i 0.02 192.168.77.2 >/dev/null
kill -INT "$RECORD"
kill -CONT "$RECORD"
wait_for 5 "" gone "$RECORD"
check "is waited for" grep -qx '40 captured, 0 dropped' "$W/rest.said"
equal "and written" "$(packets "$W/rest.pcap")" 40

step "a ring of files"
record ring lan -C 1 -W 3 -w "$W/ring.pcap"
load_done() { gone "$LOAD"; }
spawn ha "$W/log/flood.log" ping -q -f -c 3000 -s 1400 192.168.77.2
LOAD=$SPAWNED
wait_for 20 "" load_done
finish_record "$RECORD"
equal "files" "$(cd "$W" && echo ring.pcap*)" "ring.pcap0 ring.pcap1 ring.pcap2"
for i in 0 1 2; do
	between "bytes of file $i" "$(stat -c %s "$W/ring.pcap$i")" 24 1002000
	at_least "packets in it" "$(packets "$W/ring.pcap$i")" 1
done
record time lan -G 1 -W 2 -w "$W/time-%s.pcap"
spawn ha "$W/log/ping.log" ping -q -i 0.1 -w 5 192.168.77.2
wait_for 8 "it ends after two seconds' files" gone "$RECORD"
end "$SPAWNED"
equal "files" "$(echo "$W"/time-*.pcap | wc -w)" 2
wait_for 5 "the event says why" ended_is lan "files 0 true"

step "a pipe into tcpdump"
N=4
rm -f "$W/pipe.txt"
on sa sh -c "'$BIN/lanspan' -i a capture lan -w - icmp 2>'$W/pipe.said' | tcpdump -n -c 4 -r - >'$W/pipe.txt' 2>/dev/null" &
pipe=$!
wait_for 5 "" grep -q '^capturing' "$W/pipe.said"
for _ in 1 2 3; do pings ha 192.168.77.2; done
wait_for 5 "both ends of the pipe end" gone "$pipe"
equal "lines of tcpdump" "$(grep -c ICMP "$W/pipe.txt")" 4
check "the writer did not mind" grep -q captured "$W/pipe.said"
wait_for 5 "the event says why" ended_is lan "unread 0 true"

step "a pipe that nobody reads, or not any more"
mkfifo "$W/fifo"
for how in "-w -" ""; do
	exec 9<>"$W/fifo" # a reader that never reads
	rm -f "$W/fifo.said"
	spawn sa "$W/fifo.said" sh -c "exec '$BIN/lanspan' -i a capture lan $how icmp >'$W/fifo'"
	RECORD=$SPAWNED
	wait_for 5 "" grep -q '^capturing' "$W/fifo.said"
	on ha ping -q -f -c 500 -s 1400 192.168.77.2 >"$W/log/flood.log"
	sleep 0.3 # for it to write all that the pipe takes
	kill -INT "$RECORD"
	wait_for 5 "capture lan $how ends though its pipe is full" gone "$RECORD"
	check "and counts" grep -q captured "$W/fifo.said"
	exec 9<&-
done
on sa sh -c "'$BIN/lanspan' -i a capture lan icmp 2>'$W/head.said' | head -n 2 >'$W/head.txt'" &
pipe=$!
wait_for 5 "" grep -q '^capturing' "$W/head.said"
reads_two() {
	pings ha 192.168.77.2
	gone "$pipe"
}
wait_for 5 "lines, until head has two" reads_two
equal "what else it says" "$(sed 1d "$W/head.said" | sed 's/[0-9]* captured/N captured/')" "N captured, 0 dropped"

step "large frames in segments"
for n in a b; do
	on h$n ethtool -K e0 tso on gso on tx on >/dev/null 2>&1
	on s$n ethtool -K p-$n tso on gso on tx on >/dev/null 2>&1
done
record large lan -w "$W/large.pcap" tcp port 5301
record small lan --segments -w "$W/small.pcap" tcp port 5301
iperf hb ha 5301 -n 2M >/dev/null
wait_for 5 "" steady 0.3 stat -c %s "$W/large.pcap" "$W/small.pcap"
for p in "${CHILDREN[@]: -3:2}"; do end "$p" INT; done
if [ "$(packets "$W/large.pcap" greater 1600)" -gt 0 ]; then
	equal "frames above 1514 bytes in segments" "$(packets "$W/small.pcap" greater 1515)" 0
	at_least "segments" "$(packets "$W/small.pcap")" "$(packets "$W/large.pcap")"
	equal "wrong checksums" "$(tcpdump -nv -r "$W/small.pcap" 2>/dev/null | grep -c incorrect)" 0
else
	echo "  --  no large frames come from this kernel"
fi

step "a reader that stalls costs its own packets only"
record stall lan -w "$W/stall.pcap"
stopped=$RECORD
kill -STOP "$stopped"
seconds=3
! emulated || seconds=60 # until there is as much
equal "pings lost under load" "$(
	IPERF_TO=192.168.77.2 iperf hb ha 5302 -t $seconds -b 300M >/dev/null &
	on ha ping -q -i 0.02 -c 100 192.168.77.2 | sed -n 's/.* \([0-9.]*\)% packet loss.*/\1/p'
	wait
)" 0
dropped() { show a '.captures[0] | .dropped_budget + .dropped_reader'; }
at_least "dropped and counted" "$(dropped)" 1
at_least "of them for the reader" "$(show a '.captures[0].dropped_reader')" 1
equal "of the frames themselves, dropped" "$(show a '[.drops[] | select(.where | startswith("port")) | .count] | add // 0')" 0
kill -CONT "$stopped"
finish_record "$stopped"
check "it tells" grep -Eq '^[0-9]+ captured, [0-9]+ dropped: [0-9]+ beyond what a capture may cost, [1-9][0-9]* because' "$W/stall.said"
check "what was read is whole" sh -c "tcpdump -nr $W/stall.pcap -w /dev/null 2>/dev/null"

step "a disk that fills"
mkdir "$W/small"
mount -t tmpfs -o size=1m tmpfs "$W/small"
record full lan -w "$W/small/full.pcap"
# By then somebody else's file has the name.
mv "$W/small/full.pcap" "$W/small/moved.pcap"
echo precious >"$W/precious"
ln -s "$W/precious" "$W/small/full.pcap"
on ha ping -q -f -c 1200 -s 1400 192.168.77.2 >"$W/log/flood.log" ||
	fail "packets are lost"
equal "packets lost meanwhile" "$(sed -n 's/.* \([0-9.]*\)% packet loss.*/\1/p' "$W/log/flood.log")" 0
wait_for 5 "" gone "$RECORD"
wait "$RECORD"
equal "status" $? 1
wait_for 5 "the event says why" ended_is lan "disk-full 0 true"
check "it says why" grep -q 'small/full.pcap: cannot write, capture stopped: No space left on device' "$W/full.said"
equal "another file" "$(cat "$W/precious")" precious
tcpdump -nr "$W/small/moved.pcap" >"$W/full.txt" 2>"$W/full.err"
at_least "whole packets" "$(wc -l <"$W/full.txt")" 500
equal "half ones" "$(grep -c -i 'trunc' "$W/full.err")" 0
check "the path goes on" pings ha 192.168.77.2
umount "$W/small"

step "links"
mkdir -m 1777 "$W/open" && chmod 1777 "$W/open"
chmod 755 "$W"
ln -s "$W/precious" "$W/open/link.pcap"
refused 1 "open/link.pcap: a symbolic link that others can make: not followed" lan -w "$W/open/link.pcap"
equal "what it leads to" "$(cat "$W/precious")" precious
ln -s target.pcap "$W/own.pcap"
record own lan -w "$W/own.pcap"
check "one's own is followed" [ -s "$W/target.pcap" ]
end "$RECORD" INT
if chown -h 65534 "$W/own.pcap" 2>/dev/null; then
	refused 1 "own.pcap: a symbolic link that others can make: not followed" lan -w "$W/own.pcap"
fi

step "what is refused"
refused 2 'filter "tcp prot 80": ' lan tcp prot 80
refused 2 "there are: lan, wire, peer NAME and port NAME" moon
refused 2 "no peer x; there is: b" peer x
refused 2 "no port br0; there is: span0" port br0
refused 2 "its name is missing" peer
refused 1 "no/such/x.pcap: cannot be written: No such file or directory" lan -w "$W/no/such/x.pcap"
refused 2 "-s x: must be a number" lan -s x
refused 2 "-W belongs to -C" lan -w "$W/x.pcap" -W 3
refused 2 "-C, -G and -W are for files" lan -C 3
refused 2 "-G: each file would be written over the one before" lan -G 1 -w "$W/x.pcap"
refused 1 "/dev/full: cannot write, capture stopped: No space left on device" lan -w /dev/full
check "a device is not cut back" eval '! grep -q "cut back" "$W/refused"'
refused 2 "must be in or out" lan -Q up
for i in 1 2 3 4; do record "four$i" lan -w "$W/four$i.pcap" tcp; done
refused 1 "there are 4 already" wire -w "$W/five.pcap"
for p in "${CHILDREN[@]: -4}"; do end "$p" INT; done
none_left() { [ "$(show a '.captures | length')" = 0 ]; }
wait_for 5 "places are free again" none_left
if setpriv --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null; then
	chmod 666 "$W/run/a.sock"
	chmod 755 "$W/run"
	setpriv --reuid 65534 --regid 65534 --clear-groups "$BIN/lanspan" -i a capture lan >"$W/other" 2>&1
	check "another user is refused" grep -q "not permitted" "$W/other"
fi
for line in '{"verb":"capture"}' '{"verb":"capture","point":7}' '{"verb":"capture","point":"lan","program":"zz"}' \
	'{"verb":"capture","point":"lan","program":"0006000000000001000600000000000"}' \
	'{"verb":"capture","point":"lan","program":"00050000ffffffff"}' \
	'{"verb":"capture","point":"lan","snap":-1}' '{"verb":"capture","point":"peer","name":{}}'; do
	check "$line" grep -q '"ok":false' <(printf '%s\n' "$line" | socat -t 2 - "UNIX-CONNECT:$W/run/a.sock")
done
check "the path goes on" pings ha 192.168.77.2

step "the process that is asked ends"
record last lan -w "$W/last.pcap"
spawn sa "$W/killed.said" "$BIN/lanspan" -i a capture lan -w "$W/killed.pcap"
wait_for 5 "" grep -q '^capturing at' "$W/killed.said"
end "$SPAWNED" KILL
wait_for 5 "the event of one that was killed" ended_is lan "reader gone 0 false"
bridge_stop a
check "the log has the other one's" grep -q 'capture ended capture=[0-9]* point=lan reason=stopping' "$W/log/a.log"
wait_for 5 "" gone "$RECORD"
wait "$RECORD"
equal "status" $? 1
check "it says so" grep -q 'a has ended' "$W/last.said"
bridge_stop b

step "a relay: its datagrams, and a relayed peer's frames"
relay hub
relay_open hub
relay_start hub
peer a b
peer b a
for s in a b; do
	conf $s site listen 0.0.0.0:7741
	conf $s bridge broadcast relay
	conf_write $s
	relay_of $s hub
done
nat_block a b
bridge_start a b
wait_for 10 "a and b are relayed" both_are relayed a b
has_key() { [ "$(peer_get a b .has_flood_key)" = true ]; }
wait_for 5 "b has a's flood key" has_key
wait_for 5 "ping" pings ha 192.168.77.2
refused_hub() {
	timeout 5 "$BIN/lanspan" -i hub capture "$@" >"$W/refused" 2>&1
	[ $? = 2 ] && grep -qF "$SAYS" "$W/refused"
}
SAYS="a relay sees datagrams and nothing in them; there are: wire and member NAME"
check "lan is refused" refused_hub lan
check "peer NAME is refused" refused_hub peer a
check "port NAME is refused" refused_hub port span0
SAYS="0 members are called zz, and none"
check "a member that is not there" refused_hub member zz
SAYS="0 members are called"
check "3 letters of a site id are too few" refused_hub member "$(member hub a .site_id | cut -c 1-3)"
refused 2 "here there are: lan, wire, peer NAME and port NAME" member a
# record_hub NAME ARGUMENT...: as record, at the relay
record_hub() {
	local name=$1
	shift
	rm -f "$W/$name.said"
	spawn r-hub "$W/$name.said" "$BIN/lanspan" -i hub capture "$@"
	RECORD=$SPAWNED
	wait_for 5 "" grep -q "^capturing at $1 .*of hub" "$W/$name.said" ||
		fail "no capture: $(cat "$W/$name.said")"
}
record_hub hub wire -w "$W/hub.pcap" udp port 7741
hub=$RECORD
record_hub member member "$(member hub a .site_id | cut -c 1-6)" -w "$W/member.pcap"
member=$RECORD
equal "shown" "$(lanspan hub show captures --json | jq -r '.captures[].point')" \
	"wire
member $(member hub a .site_id | cut -c 1-6)"
record flood peer b -Q out -w "$W/flood.pcap" arp
on ha ip neigh flush all
on ha ping -q -c 5 -i 0.05 192.168.77.2 >/dev/null
N=1
wait_for 5 "a frame for all, by the relay, is one for the peer" has "$W/flood.pcap" arp
N=10
wait_for 5 "" has "$W/hub.pcap" src 10.99.0.1 and dst 10.99.0.200
wait_for 5 "" has "$W/hub.pcap" src 10.99.0.200 and dst 10.99.0.2
finish_record "$RECORD"
finish_record "$member" # before the one that is to have all of it
finish_record "$hub"
at_least "floods that left once" "$(show a .site.floods_sent)" 1
at_least "datagrams of the member" "$(packets "$W/member.pcap" host 10.99.0.1)" 10
equal "of another one" "$(packets "$W/member.pcap" not host 10.99.0.1)" 0
equal "that wire did not have" "$(comm -23 <(frames "$W/member.pcap" | sort) \
	<(frames "$W/hub.pcap" | sort) | wc -l)" 0
check "the relay tells of it" grep -q "capture began capture=1 point=wire uid=0 .*filter=\"udp port 7741\"" "$W/log/hub.log"
bridge_stop a

step "datagrams through TLS"
relay_stop hub
relay_open hub
echo "listen_tls = 0.0.0.0:8443" >>"$W/etc/hub/hub.conf"
relay_start hub
conf a site workers 2 # whose datagrams leave by the main thread
conf_write a
relay_of a hub transport tls tls_port 8443
bridge_start a
by_tls() {
	[ "$(show a '.relays[0] | select(.state == "registered") | .by')" = tls ]
}
wait_for 20 "a is there by TLS" by_tls
wait_for 10 "a and b are relayed" both_are relayed a b
wait_for 10 "ping" pings ha 192.168.77.2
port=$(member hub a .address | sed 's/.*://')
record tls wire -w "$W/tls.pcap" port 8443
site=$RECORD
record_hub hub wire -w "$W/hub.pcap" port 8443
hub=$RECORD
record_hub member member a -w "$W/member.pcap"
member=$RECORD
record_hub other member b -w "$W/other.pcap"
other=$RECORD
on ha ping -q -c 20 -i 0.05 192.168.77.2 >/dev/null || fail "ping"
wait_for 5 "" steady 0.3 stat -c %s "$W"/{tls,hub,member,other}.pcap
for p in $site $hub $member $other; do finish_record "$p"; done
equal "all between the ends of the connection" "$(packets "$W/tls.pcap" udp and \
	"(src 10.99.0.1 and src port $port and dst 10.99.0.200 and dst port 8443) or
	(dst 10.99.0.1 and dst port $port and src 10.99.0.200 and src port 8443)")" "$(packets "$W/tls.pcap")"
for way in src dst; do
	tcpdump -n -r "$W/tls.pcap" -w - $way port 8443 2>/dev/null >"$W/way.pcap"
	frames "$W/way.pcap" | sort >"$W/tls.txt"
	for name in hub member; do
		tcpdump -n -r "$W/$name.pcap" -w - $way port 8443 2>/dev/null >"$W/way.pcap"
		frames "$W/way.pcap" | sort >"$W/$name.txt"
	done
	at_least "datagrams at the site, $way" "$(wc -l <"$W/tls.txt")" 20
	at_least "that the relay has as well" "$(comm -12 "$W/tls.txt" "$W/hub.txt" | wc -l)" 20
	equal "the member's that wire did not have" "$(comm -13 "$W/hub.txt" "$W/member.txt" | wc -l)" 0
	at_least "the member's" "$(wc -l <"$W/member.txt")" 20
done
equal "by UDP, those of the other member" "$(packets "$W/other.pcap" host 10.99.0.2 and port 7741)" \
	"$(packets "$W/other.pcap")"
at_least "which are" "$(packets "$W/other.pcap")" 20
bridge_stop a
bridge_stop b
