#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 1200
#
# The relay is blind: frames with known addresses, tags and bytes go through it, to
# one and to all; none of those bytes is on its wire, and neither they nor a key of the
# network or of a site are in its memory.  The same search finds them where they
# may be: at the hosts, and in a site's memory.
#
#   ha --- sa ===+=== r-hub ===+=== sb --- hb      the sites cannot send to each other
#                              +=== sc --- hc
#
#   FRAMES   how many pass, default 20000; 10^6 with LONG=1
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping perl tcpreplay
[ -z "${LONG:-}" ] || FRAMES=${FRAMES:-1000000}
FRAMES=${FRAMES:-20000} RATE=5000
if emulated; then
	FRAMES=2000 RATE=200
fi
story "$FRAMES frames, and a relay that sees none"
relay_by_anybody
relay_program
nat_need
NO_IPV6=yes

underlay
keys a b c
relay hub
relay_open hub
relay_start hub
for s in a b c; do
	site $s
	host $s $s
	for o in a b c; do
		[ $s = $o ] || peer $s $o
	done
	conf $s bridge broadcast relay
	conf_write $s
	relay_of $s hub
done
nat_block a b
nat_block a c
nat_block b c
bridge_start a b c
for pair in ab ac bc; do
	wait_for 10 "${pair:0:1} and ${pair:1} are relayed" both_are relayed ${pair:0:1} ${pair:1}
done

# What is looked for, in hex: MAC addresses, a tag with its type, a payload.
FROM=02a7c3915e0a
TO=02b7d3a16f0b
TAG=81000abc88b5
MARK=9d1c55e0a34b7f6622c8d91e40fa8b73
ALL=ffffffffffff

# make_frames TOTAL: as a capture; every fourth goes to all
make_frames() {
	perl -e '
		my ($from, $to, $tag, $mark, $n) = @ARGV;
		binmode STDOUT;
		print pack("LSSLLLL", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1);
		for my $i (0 .. $n - 1) {
			my $frame = pack("H12 H12 H12", $i % 4 ? $to : "ffffffffffff", $from, $tag) .
				pack("N", $i) . pack("H32", $mark) x (1 + $i % 12);
			print pack("LLLL", 1700000000, $i % 1000000, length $frame, length $frame), $frame;
		}' $FROM $TO $TAG $MARK "$1"
}

# hits HEX... <BYTES: how often each occurs
hits() {
	perl -e '
		binmode STDIN;
		my @want = map { pack("H*", $_) } @ARGV;
		my ($tail, @n) = ("");
		while (read STDIN, my $chunk, 1 << 20) {
			$chunk = $tail . $chunk;
			for my $i (0 .. $#want) {
				my $at = -1; # what lies in the tail as a whole was counted before
				while (($at = index $chunk, $want[$i], $at + 1) >= 0) {
					$n[$i]++ if $at + length($want[$i]) > length $tail;
				}
			}
			$tail = substr $chunk, -64;
		}
		print join(" ", map { $_ // 0 } @n[0 .. $#want]), "\n";' "$@"
}

# memory PID: all that the process has
memory() {
	perl -e '
		binmode STDOUT;
		open my $maps, "<", "/proc/$ARGV[0]/maps" or die;
		open my $mem, "<:raw", "/proc/$ARGV[0]/mem" or die;
		while (<$maps>) {
			my ($from, $to) = /^(\w+)-(\w+) r/ or next;
			next if /\[v(var|syscall)/;
			($from, $to) = (hex $from, hex $to);
			next if $to - $from > 1 << 32; # of sanitizers
			sysseek $mem, $from, 0 or next;
			while ($from < $to) {
				my $n = sysread $mem, my $page, $to - $from > 1 << 20 ? 1 << 20 : $to - $from;
				last unless $n;
				print $page;
				$from += $n;
			}
		}' "$1"
}

# key_hex FILE: of a key or secret
key_hex() {
	grep -v '^#' "$1" | perl -MMIME::Base64 -ne 'print unpack "H*", decode_base64($_)'
}

step "frames pass"
make_frames "$FRAMES" >"$W/made.pcap"
capture r-hub w0 "$W/relay.pcap"
at_relay=$SPAWNED
capture hb e0 "$W/b.pcap" -i
at_b=$SPAWNED
capture hc e0 "$W/c.pcap" -i
at_c=$SPAWNED
# hb speaks once as the station that the frames are for, so that they go to it alone
perl -e '
	binmode STDOUT;
	my $frame = pack("H12 H12 H12", $ARGV[0], $ARGV[1], $ARGV[2]) . "\0" x 46;
	print pack("LSSLLLL", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1),
		pack("LLLL", 1700000000, 0, length $frame, length $frame), $frame' \
	$FROM $TO $TAG >"$W/hello.pcap"
on hb tcpreplay -q -i e0 "$W/hello.pcap" >"$W/log/hello.log" 2>&1 || fail "tcpreplay"
on ha tcpreplay -q -p $RATE -i e0 "$W/made.pcap" >"$W/log/tcpreplay.log" 2>&1 || fail "tcpreplay"
wait_for 60 "nothing comes any more" steady 1 stat -c %s "$W/b.pcap"
for pid in $at_relay $at_b $at_c; do
	end "$pid"
done

read -r from to tag mark <<<"$(hits $FROM $TO $TAG $MARK <"$W/b.pcap")"
at_least "hb: source address" "$from" $((FRAMES * 9 / 10))
at_least "hb: destination address" "$to" $((FRAMES / 2))
at_least "hb: tag and type" "$tag" $((FRAMES * 9 / 10))
at_least "hb: payload" "$mark" $((FRAMES * 5))
read -r to all <<<"$(hits $TO$FROM $ALL$FROM <"$W/c.pcap")"
equal "hc: frames for hb" "$to" 0
at_least "hc: frames for all" "$all" $((FRAMES / 4 * 9 / 10))
at_least "copied by the relay: frames for all" "$(show hub '.networks[0].floods')" $((FRAMES / 50))
at_least "the relay's wire: bytes" "$(stat -c %s "$W/relay.pcap")" "$(stat -c %s "$W/b.pcap")"
equal "the relay's wire: addresses, tags, payloads" \
	"$(hits $FROM $TO $TAG $MARK <"$W/relay.pcap")" "0 0 0 0"

step "the relay's memory, while traffic flows"
spawn ha "$W/log/ping.log" ping -q -i 0.005 -s 1000 -p "${MARK:0:32}" 192.168.77.2
wants=("$(key_hex "$W/etc/lab.secret")")
for s in a b c; do
	wants+=("$(key_hex "$W/etc/$s.key")")
done
own=$(key_hex "$W/etc/hub/hub.key")
for want in "${wants[@]}" "$own"; do
	[ ${#want} = 64 ] || fail "a key file that is not understood"
done
memory "${RELAY_PID[hub]}" >"$W/memory"
at_least "bytes" "$(stat -c %s "$W/memory")" 1000000
at_least "its own key" "$(hits "$own" <"$W/memory")" 1
equal "the network's secret, the sites' keys" "$(hits "${wants[@]}" <"$W/memory")" "0 0 0 0"
equal "addresses, tags, payloads" "$(hits $FROM $TO $TAG $MARK <"$W/memory")" "0 0 0 0"
memory "${PID[a]}" >"$W/memory"
read -r mark secret key rest <<<"$(hits $MARK "${wants[@]}" <"$W/memory")"
at_least "a site's memory: payloads" "$mark" 1
at_least "the network's secret" "$secret" 1
at_least "its own key" "$key" 1
equal "others' keys" "$rest" "0 0"
end "$SPAWNED" INT
check "the relay lives" alive "${RELAY_PID[hub]}"
