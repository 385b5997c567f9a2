#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 600
# beside: yes
#
# The dissector of etc/wireshark in tshark: every kind of packet is named, and with
# the key log of a the frames that come out are those that entered the TAPs, byte for
# byte.
#
#   ha --- sa ===+=== sb --- hb       captured: w0 of sa, and what enters span0 of
#                +=== r-hub           both sites
#                +=== sc --- hc
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need tshark text2pcap editcap tcpdump tcpreplay iperf3 ethtool perl
story "packets in Wireshark, down to the frame"
relay_by_anybody
relay_program
nat_need
LUA=$TOP/etc/wireshark/lanspan.lua
KEYS=$W/etc/a.keys

# shark FILE [OPTION...]: tshark with the dissector and no habits of this user's
shark() {
	local file=$1
	shift
	HOME=$W XDG_CONFIG_HOME=$W tshark -n -X "lua_script:$LUA" -r "$file" "$@" \
		2>"$W/shark.err" || fail "tshark: $(cat "$W/shark.err")"
	! grep -i 'lua' "$W/shark.err" || fail "the dissector stumbled"
}

# opened FILE [OPTION...]: the same with the key log
opened() {
	local file=$1
	shift
	shark "$file" -o "lanspan.key_log:$KEYS" "$@"
}

# count FILE FILTER: packets of which that is so, with the key log
count() {
	opened "$1" -Y "$2" | wc -l
}

# Passes of tshark take their time: one of a capture writes all that is asked about it.
FIELDS=(udp.length tcp.flags lanspan.kind lanspan.auth lanspan.control lanspan.stamp lanspan.record
	lanspan.segment.gso_type lanspan.from lanspan.to lanspan.repeats lanspan.member.public_key
	lanspan.revision lanspan.number lanspan.place.ipv4 lanspan.place.port lanspan.network
	lanspan.expert.length lanspan.expert.record lanspan.expert.auth lanspan.expert.short
	lanspan.expert.lost lanspan.expert.header lanspan.expert.no_key lanspan.frame)

# table FILE [OPTION...]: a line for each packet, with the key log
table() {
	opened "$@" -T fields "${FIELDS[@]/#/-e}" >"$W/table"
}

# rows CONDITION [FIELD...]: of those lines that meet it, these fields, or a dot; in the
# condition f(NAME) is the field lanspan.NAME, and bad, whether the packet is
rows() {
	local condition=$1
	shift
	awk -F '\t' -v names="${FIELDS[*]}" -v wanted="$*" '
		function f(name) { return $(at["lanspan." name]) }
		BEGIN {
			n = split(names, name, " ")
			for (i = 1; i <= n; i++) at[name[i]] = i
			n_wanted = split(wanted, want, " ")
		}
		{
			bad = f("expert.length") f("expert.record") f("expert.auth") f("expert.short") \
				f("expert.lost") != ""
		}
		'"$condition"' {
			if (!n_wanted) print "."
			for (i = 1; i <= n_wanted; i++)
				printf "%s%s", f(want[i]), i < n_wanted ? " " : "\n"
		}' "$W/table"
}

# number_of CONDITION: so many rows
number_of() {
	rows "$1" | wc -l
}

# values NAME: what the field lanspan.NAME is in the lines that come in, once each
values() {
	tr ',' '\n' | sed '/^$/d' | LC_ALL=C sort -u | paste -sd' '
}

has_library() {
	shark "$W/vectors.pcap" -o "lanspan.key_log:$KEYS" -Y lanspan.expert.no_library >"$W/without"
	[ ! -s "$W/without" ]
}

# ---- the protocol page's vectors ----------------------------------------------

# vectors: "KIND CIPHER HEX" of each packet in TEST VECTORS of the protocol page
vectors() {
	perl -ne '
		$go ||= /^\.Sh TEST VECTORS/;
		next unless $go;
		last if /^\.Sh SEE ALSO/;
		if (/^\.Ss (\S+)/) { $cipher = $1 }
		if (/^ ([0-9a-f]+)$/) { $hex .= $1; next }
		print "$cipher $kind $hex\n" if $kind && $hex;
		$hex = "";
		$next = $1 if /^(DATA|FLOOD|HOP|INITIATION|RESPONSE|REGISTER|COOKIE)\b/;
		$kind = "";
		$kind = $next if $next && !/^(plaintext|h at|key|context|its|mac2|prologue)/;
		$next = "" if /^(h at|its|mac2|key|context)/;
	' "$TOP/man/lanspan-protocol.7" | awk '
		BEGIN {
			split("INITIATION RESPONSE COOKIE DATA FLOOD HOP REGISTER", names)
			for (i in names) number[names[i]] = i
		}
		substr($3, 1, 2) + 0 == number[$2] && length($3) >= 68'
}

# datagrams FROM-PORT <HEX a line: a capture of UDP datagrams between 10.99.0.1 and .2
datagrams() {
	perl -ne 'chomp; my @b = /../g; print "000000 @b\n"' |
		text2pcap -q -4 10.99.0.1,10.99.0.2 -u "$1,$1" -F pcap - - 2>/dev/null
}

step "the protocol page's vectors"
vectors >"$W/vectors"
equal "vectors" "$(wc -l <"$W/vectors")" 18
awk '{ print $3 }' "$W/vectors" | datagrams 7741 >"$W/vectors.pcap"
equal "their kinds" "$(shark "$W/vectors.pcap" -T fields -e lanspan.kind | values)" "1 2 3 4 5 6 7"
table "$W/vectors.pcap"
# FLOOD outside of a HOP, and inside of HOPs DATA with a counter that is one of PATH
equal "headers that are dropped" "$(number_of 'f("expert.header") != ""')" 4
equal "wrong ones among them" "$(number_of bad)" 0

# from_page TEXT [NTH]: the hex that follows this line there
from_page() {
	awk -v text="$1" -v nth="${2:-1}" '
		index($0, text) == 1 && ++n == nth { on = 1; next }
		on && /^ [0-9a-f]+$/ { hex = hex substr($0, 2); next }
		on { exit }
		END { print hex }' "$TOP/man/lanspan-protocol.7"
}
berlin=$(from_page "its site id" 1) paris=$(from_page "its site id" 2)
to=$(from_page "context, initiator to responder")
flood=$(from_page "context of what the initiator floods")
{
	echo "SITE $berlin berlin lab"
	for n in 1 2; do
		cipher=$([ $n = 1 ] && echo aes-256-gcm || echo chacha20-poly1305)
		echo "DATA 55667788 $cipher $to $(from_page "key from initiator to responder" $n) $berlin $paris"
		echo "FLOOD 99aabbcc $cipher $flood" \
			"$(perl -e 'printf "%02x", $_ for 0xa0 .. 0xbf') $berlin -"
	done
	echo "HOP 01500000 aes-256-gcm $(from_page "context, site to relay")" \
		"$(from_page "key from site to relay") $berlin $paris"
	echo "HOP 11223344 aes-256-gcm $(from_page "context, relay to site")" \
		"$(from_page "key from relay to site") $paris $berlin"
} >"$KEYS"
has_library || skip "lua-luaossl is not installed: packets cannot be opened"
table "$W/vectors.pcap"
equal "opened" "$(number_of 'f("auth") ~ /yes/')" 10
equal "PINGs of 1 s" "$(number_of 'f("control") == 1 && f("stamp") == 1000000')" 3
equal "NOTICE" "$(rows 'f("control") ~ /(^|,)16(,|$)/' revision number place.ipv4 place.port)" "44 1 192.0.2.1 7741"
equal "wrong ones among them" "$(number_of bad)" 0
equal "without a key" "$(number_of 'f("expert.no_key") != ""')" 2 # in the HOPs
equal "from, to" "$(rows 'NR == 4' from to network)" "berlin $paris lab"

step "packets that are wrong"
awk '{ print substr($3, 1, length($3) - 2) "" }' "$W/vectors" | grep -v '^04.\{80,\}$' |
	datagrams 7741 >"$W/cut.pcap"
table "$W/cut.pcap"
for kind in 1 2 3 7 6; do
	at_least "kind $kind, a byte short" "$(number_of "f(\"kind\") == $kind && f(\"expert.length\") != \"\"")" 1
done
equal "DATA, a byte short and cut" \
	"$(awk '$2 == "DATA" { print substr($3, 1, 66) }' "$W/vectors" | datagrams 7741 >"$W/less.pcap"
	count "$W/less.pcap" lanspan.expert.length)" 6
awk '{ print substr($3, 1, 2) "81" substr($3, 5) }' "$W/vectors" | datagrams 7741 >"$W/flags.pcap"
equal "a byte that must be zero" "$(count "$W/flags.pcap" lanspan.expert.header)" 18
# the last digit of the tag, another one
awk '{ n = index("0123456789abcdef", substr($3, length($3))) % 16 + 1
	print substr($3, 1, length($3) - 1) substr("0123456789abcdef", n, 1) }' "$W/vectors" |
	datagrams 7741 >"$W/forged.pcap"
table "$W/forged.pcap"
equal "tags changed" "$(number_of 'f("expert.auth") != ""')" 10
equal "opened nevertheless" "$(number_of 'f("auth") f("record") != ""')" 0
sed 's/^\([A-Z]* [0-9a-f]* \S* \)../\1ff/' "$KEYS" >"$W/other.keys"
equal "under another context" "$(shark "$W/vectors.pcap" -o "lanspan.key_log:$W/other.keys" \
	-Y 'lanspan.expert.auth' | wc -l)" 10

step "a key log that cannot be read"
mkdir "$W/folder"
for bad in "/nope: .*/nope: No such file or directory" "$W/folder: .*$W/folder: Is a directory" \
	"$W/vectors: .*/vectors: it is no key log" "$W/vectors.pcap: .*/vectors.pcap: it is no key log"; do
	file=${bad%%: *}
	equal "warned of $file" "$(shark "$W/vectors.pcap" -o "lanspan.key_log:$file" \
		-Y 'lanspan.expert.key_log && lanspan.expert.no_key' | wc -l)" 10
	equal "told once" "$(grep -c "^lanspan: key log cannot be read${bad#"$file"}$" "$W/shark.err")" 1
done
: >"$W/empty.keys"
equal "one that begins just now" "$(shark "$W/vectors.pcap" -o "lanspan.key_log:$W/empty.keys" \
	-Y lanspan.expert.key_log | wc -l)" 0
equal "a good one" "$(count "$W/vectors.pcap" lanspan.expert.key_log)" 0

step "other ports"
awk '{ print $3 }' "$W/vectors" | datagrams 5555 >"$W/port.pcap"
equal "by the handshake before" "$(count "$W/port.pcap" lanspan)" 18
awk '$2 == "DATA" { print $3 }' "$W/vectors" | datagrams 5555 >"$W/port.pcap"
equal "without one" "$(count "$W/port.pcap" lanspan)" 0
equal "by the preference" \
	"$(opened "$W/port.pcap" -o lanspan.ports:5555 -Y lanspan.auth | wc -l)" 6
equal "by Decode As" "$(opened "$W/port.pcap" -d udp.port==5555,lanspan -Y lanspan.auth | wc -l)" 6

# ---- real captures --------------------------------------------------------------

# listen NAMESPACE INTERFACE FILE [OPTION...]: tcpdump there
listen() {
	local ns=$1 dev=$2 file=$3
	shift 3
	spawn "$ns" "$file.log" tcpdump -Z root -i "$dev" -s 0 -B 65536 -U --immediate-mode -w "$file" "$@"
	TCPDUMPS+=("$SPAWNED")
	wait_for 5 "" grep -q 'listening on' "$file.log" || fail "tcpdump on $dev"
}

hush() {
	local p
	wait_for 10 "" steady 0.3 stat -c %s "$W"/*.pcap || fail "captures do not come to an end"
	for p in "${TCPDUMPS[@]}"; do
		end "$p" INT
	done
	TCPDUMPS=()
	! grep -h 'dropped by kernel' "$W"/*.pcap.log | grep -v '^0 ' || fail "tcpdump lost some"
	rm -f "$W"/*.pcap.log
}

# in_hex FILE: its frames in hex, in order of their bytes
in_hex() {
	tcpdump -nn -r "$1" -w - 2>/dev/null >"$W/plain.pcap"
	frames "$W/plain.pcap" | awk '{ print $2 }' | LC_ALL=C sort
}

# inner: the frames in the table
inner() {
	rows 1 frame | tr ',' '\n' | sed '/^$/d' | LC_ALL=C sort
}

# same LAN...: the frames in the table are those that entered the TAPs, but for
# ICMPv6, which hosts send of their own accord also before anybody listens
same() {
	local f
	inner | sed -E '/^.{24}86dd.{12}(3a|00)/d' >"$W/inner"
	for f; do
		in_hex "$W/$f.pcap"
	done | sed -E '/^.{24}86dd.{12}(3a|00)/d' | LC_ALL=C sort >"$W/lan"
	at_least "frames" "$(wc -l <"$W/lan")" 100
	if ! cmp -s "$W/inner" "$W/lan"; then
		diff "$W/inner" "$W/lan" | cut -c 1-300 | head -n 6 >&2
		fail "$(comm -23 "$W/inner" "$W/lan" | wc -l) frames of the wire are not of the LAN," \
			"$(comm -13 "$W/inner" "$W/lan" | wc -l) of the LAN not of the wire"
	fi
	echo "  ok  those on the wire are the same: $(wc -l <"$W/inner") frames"
}

# clean FILE: its table, and nothing in it is wrong, or has no key
clean() {
	table "$W/$1.pcap"
	equal "wrong, or without a key" \
		"$(number_of 'bad || f("expert.header") f("expert.no_key") f("repeats") != ""')" 0
	equal "not lanspan" "$(number_of '$1 != "" && f("kind") == ""')" 0
}

# seen FIELD: its values in the table
seen() {
	rows 1 "$1" | values
}

offloads() { # NAMESPACE INTERFACE on|off
	on "$1" ethtool -K "$2" tso "$3" gso "$3" gro "$3" tx "$3" tx-udp-segmentation "$3" \
		>/dev/null 2>&1
}

hosts() { # on|off
	local s
	for s in a b; do
		offloads h$s e0 "$1"
		offloads s$s p-$s "$1"
	done
}

# traffic: small and full-size frames, ARP, IPv6, ICMP, UDP, TCP, VLAN tags
traffic() {
	on ha ping -q -c 5 -i 0.02 192.168.77.2 >/dev/null || fail "ping"
	on hb ping -q -c 5 -i 0.02 -s 1472 192.168.77.1 >/dev/null || fail "ping"
	on ha tcpreplay -q -p 2000 -i e0 "$W/made.pcap" >"$W/log/tcpreplay.log" 2>&1 || fail "tcpreplay"
	iperf hb ha 5201 -n 1M >/dev/null
	iperf hb ha 5202 -u -l 1000 -b 80M -n 300K >/dev/null
	if [ -z "${NO_IPV6:-}" ]; then
		IPERF_TO=fd77::2 iperf hb ha 5203 -n 500K >/dev/null
	fi
}

two_sites
two_hosts
helper frames
"$HELPER" make 1500 >"$W/made.pcap"
conf a site key_log a.keys
TCPDUMPS=()

step "a key log that is not for its owner alone is refused"
conf_write a
conf_write b
chmod 644 "$KEYS"
bridge_run a
wait_for 5 "a ended" gone "${PID[a]}"
end "${PID[a]}"
unset 'PID[a]'
equal "status" "$ENDED" 1
check "it says why" grep -q "a.keys: it is open to others than its owner" "$W/log/a.log"
rm "$KEYS"

for cipher in aes-256-gcm chacha20-poly1305; do
	step "$cipher: direct, hosts without offloads"
	for s in a b; do
		conf $s network cipher $cipher
		conf_write $s
	done
	[ $cipher = aes-256-gcm ] || sed -i 's/^key_file/workers = 2\n&/' "$W/etc/a.conf"
	hosts off
	listen sa w0 "$W/wire.pcap" udp
	bridge_start a b
	wait_for 10 "a and b are up" both_up a b
	equal "mode of the key log" "$(stat -c %a "$KEYS")" 600
	equal "a shows it" "$(show a .site.key_log)" "$KEYS"
	check "in words" grep -q "key log: $KEYS: whoever has" <(lanspan a show)
	equal "b has none" "$(show b '.site.key_log // "none"')" none
	check "a warns" grep -q "warn: key_log is on, whoever has.* file=$KEYS" "$W/log/a.log"
	check "b does not" eval '! grep -q key_log "$W/log/b.log"'
	listen sa span0 "$W/lan-a.pcap" -Q out
	listen sb span0 "$W/lan-b.pcap" -Q out
	traffic
	hush
	shark "$W/wire.pcap" -T fields -e lanspan.kind -e lanspan.frame -e _ws.malformed \
		-e lanspan.expert.header >"$W/closed"
	equal "kinds" "$(cut -f1 "$W/closed" | values)" "1 2 4"
	equal "frames without the key log" "$(cut -f2 "$W/closed" | values)" ""
	equal "malformed" "$(cut -f3- "$W/closed" | grep -c '[^[:blank:]]')" 0
	clean wire
	same lan-a lan-b
	at_least "datagrams that the kernel joined" "$(number_of '$1 > 1600')" 1
	equal "records" "$(seen record)" "0 1 3 4"
	equal "super-frames" "$(seen segment.gso_type | tr 'A-F' 'a-f')" "0x01 0x04 0x05"
	equal "TCP connections inside" "$(number_of '$2 ~ /0x0[0-9a-f][02468ace]2/')" 5
	bridge_stop a
	bridge_stop b
done

check "no key in the log of a" eval '! grep -qFf <(awk "/^DATA/ { print \$5 }" "$KEYS") "$W/log/a.log"'
rm "$KEYS"

step "hosts with offloads: super-frames"
hosts on
listen sa w0 "$W/wire.pcap" udp
connect
for file in "$W"/etc/*; do
	[ "$file" = "$W/etc/b.keys" ] && fail "b logs keys"
done
listen sa span0 "$W/lan-a.pcap" -Q out
listen sb span0 "$W/lan-b.pcap" -Q out
for n in 5 40 400; do # PARTIAL as well
	on ha ping -q -c 1 -s $n 192.168.77.2 >/dev/null || fail "ping"
done
iperf hb ha 5201 -n 4M >/dev/null
IPERF_TO=192.168.77.1 iperf ha hb 5202 -n 1M >/dev/null
hush
clean wire
equal "records" "$(seen record)" "0 1 2 3 4"
at_least "super-frames on the LAN" "$(in_hex "$W/lan-a.pcap" | awk 'length($1) > 3100' | wc -l)" 10

# as_capture <HEX a line
as_capture() {
	perl -e '
		binmode STDOUT;
		print pack("LSSLLLL", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1);
		while (<STDIN>) {
			chomp;
			print pack("LLLL", 1, 0, length() / 2, length() / 2), pack("H*", $_);
		}'
}
# streams FILE: of each TCP direction the ports and a sum over its bytes, put in order
streams() {
	shark "$1" -o tcp.desegment_tcp_streams:FALSE -Y 'tcp.len > 0' -T fields \
		-e tcp.srcport -e tcp.dstport -e tcp.seq_raw -e tcp.payload | perl -MDigest::SHA=sha1_hex -ne '
			chomp;
			my ($from, $to, $seq, $hex) = split /\t/;
			push @{$s{"$from $to"}}, [$seq, pack "H*", $hex];
			END {
				for my $name (sort keys %s) {
					my ($out, $next) = ("", undef);
					for my $p (sort { $a->[0] <=> $b->[0] } @{$s{$name}}) {
						$next //= $p->[0];
						my $new = $p->[0] + length($p->[1]) - $next;
						next if $new <= 0;
						die "a gap in $name" if $new > length $p->[1];
						$out .= substr $p->[1], -$new;
						$next += $new;
					}
					print "$name ", length $out, " ", sha1_hex($out), "\n";
				}
			}'
}
inner | as_capture >"$W/inner.pcap"
{
	in_hex "$W/lan-a.pcap"
	in_hex "$W/lan-b.pcap"
} | as_capture >"$W/both.pcap"
streams "$W/inner.pcap" >"$W/inner.txt"
streams "$W/both.pcap" >"$W/both.txt"
equal "streams" "$(wc -l <"$W/both.txt")" 6 # two directions of control, one of data
check "the same bytes in each" cmp "$W/inner.txt" "$W/both.txt"
equal "frames longer than a segment's" "$(frames "$W/inner.pcap" | awk '$1 > 1514' | wc -l)" 0
equal "sums that are not right" "$(shark "$W/inner.pcap" -o tcp.check_checksum:TRUE \
	-o ip.check_checksum:TRUE -o udp.check_checksum:TRUE \
	-Y 'tcp.checksum.status == 0 || ip.checksum.status == 0 || udp.checksum.status == 0' | wc -l)" 0
bridge_stop a
bridge_stop b

# ---- through a relay --------------------------------------------------------------

step "through a relay, and to all"
NO_IPV6=yes
quiet ha e0
quiet hb e0
hosts off
site c
host c c
keys c
unpeer a b
unpeer b a
for s in a b c; do
	for o in a b c; do
		[ $s = $o ] || peer $s $o
	done
	conf $s network cipher aes-256-gcm
	conf $s bridge broadcast relay
done
relay hub
relay_open hub
for s in a b c; do
	conf_write $s
	relay_of $s hub
done
nat_block a b
nat_block a c
relay_start hub
listen sa w0 "$W/wire.pcap" udp
bridge_start a b c
for o in b c; do
	wait_for 10 "a and $o are relayed" both_are relayed a $o
done
have_keys() { # all can open what all flood
	local s
	for s in a b c; do
		[ "$(show $s '[.peers[] | select(.has_flood_key)] | length')" = 2 ] || return 1
	done
}
wait_for 10 "flood keys are handed over" have_keys
listen sa span0 "$W/lan-a.pcap" -Q out
listen sb span0 "$W/lan-b.pcap" -Q out
on ha ping -q -b -i 0.02 -W 1 -c 40 -s 200 192.168.77.255 >/dev/null 2>&1
on hb ping -q -b -i 0.02 -W 1 -c 40 -s 1400 192.168.77.255 >/dev/null 2>&1
traffic
bridge_stop b
hush
clean wire
same lan-a lan-b
equal "kinds" "$(seen kind)" "1 2 4 5 6 7"
equal "from whom FLOOD came, in HOPs: the relay, a and b" \
	"$(rows 'f("kind") ~ /5/' from | values | wc -w)" 3
opened "$W/wire.pcap" >"$W/wire.txt"
for name in PING PONG CLOSE NOTICE MEMBERS_ASK MEMBERS CANDIDATES CHALLENGE FLOOD_KEY FLOOD_ACK; do
	at_least "$name" "$(grep -cw $name "$W/wire.txt")" 1
done
equal "members that a is told of" "$(seen member.public_key | tr ' ' '\n' | grep -vcE '^0*$')" 3

step "two passes, and packets that are damaged"
one=$(inner | sha1sum)
equal "frames in two passes" "$(opened "$W/wire.pcap" -2 -R lanspan -T fields -e lanspan.frame |
	tr ',' '\n' | sed '/^$/d' | LC_ALL=C sort | sha1sum)" "$one"
editcap -E 0.001 --seed 5 "$W/wire.pcap" "$W/damaged.pcap" >/dev/null || fail "editcap"
at_least "looked at" "$(opened "$W/damaged.pcap" -V -Y lanspan | grep -c '^Frame')" 100
at_least "not authentic" "$(count "$W/damaged.pcap" lanspan.expert.auth)" 10
editcap -s 100 "$W/wire.pcap" "$W/short.pcap" || fail "editcap"
at_least "cut by the capture" "$(count "$W/short.pcap" lanspan.expert.short)" 100

step "a flood key that is lost, and a site under load"
bridge_start b
wait_for 10 "a and b are relayed" both_are relayed a b
wait_for 10 "flood keys are handed over" have_keys
listen sa w0 "$W/wire.pcap" udp
# What the relay has for b under a session and is as long as a key goes nowhere, and a
# is without c for a moment: it has another flood key, of which b does not hear, and after 2 s
# uses it.
on r-hub nft -f - <<-'END' || fail "no rules in r-hub"
	table ip deaf {
		chain out {
			type filter hook output priority 0
			ip daddr 10.99.0.2 udp length > 125 @th,64,8 6 @th,256,8 4 drop
		}
	}
END
check "c goes and comes" eval 'lanspan a disconnect c && lanspan a connect c'
wait_for 10 "c is back" both_are relayed a c
on ha ping -q -b -i 0.05 -W 0.1 -c 70 -s 100 192.168.77.255 >/dev/null 2>&1
on r-hub nft delete table ip deaf
wait_for 10 "b has the key" eval '[ "$(peer_get b a .has_flood_key)" = true ]'

# Calls of nobody, as many as it takes: who calls b now has to come with a cookie.
calls_of_nobody() {
	on wan perl -MDigest::SHA=sha256,hmac_sha256 -MMIME::Base64 -MIO::Socket::INET -MTime::HiRes=sleep -e '
		my $s = IO::Socket::INET->new(Proto => "udp", PeerAddr => "10.99.0.2:7741") or die $!;
		my $key = sha256("lanspan mac1" . decode_base64($ARGV[0]));
		for (1 .. 600) {
			my $call = "\1\0\0\0" . join "", map { chr int rand 256 } 5 .. 176;
			print $s $call . substr(hmac_sha256($call, $key), 0, 16) . "\0" x 16;
			sleep 0.005;
		}' "${KEY[b]}"
}
cookies() { # that b asked for
	show b '[.drops[] | select(.reason == "cookie").count] | add // 0'
}
asks() {
	[ "$(cookies)" -gt 0 ]
}
calls_of_nobody &
nobody=$!
wait_for 5 "b asks for cookies" asks
asked=$(cookies)
check "a calls anew" eval 'lanspan a disconnect b && lanspan a connect b'
wait_for 10 "and gets through" both_are relayed a b
at_least "cookies that b asked for since" "$(cookies)" $((asked + 1))
wait $nobody
hush
clean wire
equal "kinds" "$(seen kind)" "1 2 3 4 5 6"
opened "$W/wire.pcap" >"$W/wire.txt"
for name in FLOOD_ASK COOKIE; do
	at_least "$name" "$(grep -cw $name "$W/wire.txt")" 1
done
