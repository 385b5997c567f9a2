#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
#
# Who looks on, and who means ill on the same machine or far away, disturbs nobody: one
# who follows events and stalls; names full of control bytes; another user who floods the
# control socket with requests and garbage.  Pings run all the while, and none is lost.
#
#   ha --- sa === wan0 === sb --- hb
#                   |
#                 r-hub
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping jq perl script
story "outsiders"
relay_by_anybody
relay_program

two_sites
two_hosts
connect
wait_for 5 "ping" pings ha 192.168.77.2

# meanwhile, and quietly: pings, of which none may be lost
meanwhile() {
	spawn ha "$W/log/ping.log" ping -q -i 0.02 -W 2 192.168.77.2
	PING=$SPAWNED
}
quietly() {
	end "$PING" INT
	# the last one may be on its way
	between "pings lost meanwhile" "$(awk '/packets transmitted/ { n = $1 - $4 } END { print n }' "$W/log/ping.log")" 0 1
	speed "the slowest of them, ms" \
		"$(sed -n 's,^rtt .*= [0-9.]*/[0-9.]*/\([0-9.]*\)/.*,\1,p' "$W/log/ping.log" | tail -n 1)" 0 $((500 * PATIENCE))
}

# ask N REQUEST: the request of a so often, one after the other; # in it is the number
ask() {
	perl -MIO::Socket::UNIX -e '
		my ($path, $n, $request) = @ARGV;
		for my $i (1 .. $n) {
			my $s = IO::Socket::UNIX->new(Peer => $path) or die "$path: $!";
			(my $line = $request) =~ s/#/$i/g;
			print $s "$line\n";
			my $answer = <$s>;
		}' "$W/run/a.sock" "$1" "$2" || fail "the socket of a"
}

step "one who follows events and stalls"
lanspan a events --follow --json --last 0 >"$W/follow" 2>/dev/null &
follower=$!
lanspan a events --follow --json --last 0 >"$W/stalled" 2>/dev/null &
stalled=$!
CHILDREN+=("$follower" "$stalled")
follow_count() {
	wc -l <"$W/$1"
}
both_follow() {
	lanspan a capture lan -c 1 arp >/dev/null 2>&1 &
	sleep 0.2
	kill $! 2>/dev/null
	[ "$(follow_count follow)" -gt 0 ] && [ "$(follow_count stalled)" -gt 0 ]
}
wait_for 5 "both hear" both_follow
kill -STOP "$(pgrep -P "$stalled" lanspan || echo "$stalled")"
meanwhile
long=$(printf 'x%.0s' $(seq 390))
ask 700 "{\"verb\":\"capture\",\"point\":\"lan\",\"program\":\"0006000000000000\",\"filter\":\"# $long\"}"
quietly
newest() {
	lanspan a events --json --last 1 | jq .seq
}
caught_up() {
	[ "$(tail -n 1 "$W/follow" | jq .seq)" = "$(newest)" ]
}
wait_for 5 "the other follower has them all" caught_up
at_least "events" "$(newest)" 900
equal "what that one lost" "$(jq -c 'select(.event == "lost")' "$W/follow" | wc -l)" 0
kill -CONT "$(pgrep -P "$stalled" lanspan || echo "$stalled")"
told() {
	[ "$(jq -c 'select(.event == "lost")' "$W/stalled" | wc -l)" -gt 0 ]
}
wait_for 5 "the one that stalled is told" told
lanspan a rekey b
lanspan a disconnect b
lanspan a connect b
wait_for 10 "" both_up a b
hears_again() {
	[ "$(tail -n 1 "$W/stalled" | jq -r .event)" = peer-up ]
}
wait_for 5 "it hears again" hears_again
equal "numbers that it misses: as many as it was told" "$(jq -s '[.[].seq // empty] as $s |
	$s[-1] - $s[0] + 1 - ($s | length)' "$W/stalled")" "$(jq -s 'map(.lost // 0) | add' "$W/stalled")"
at_least "lost" "$(jq -s 'map(.lost // 0) | add' "$W/stalled")" 1
kill "$follower" "$stalled" 2>/dev/null

step "another user, garbage and floods"
chmod 755 "$W/run"
if ! setpriv --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null; then
	echo "  --  there is no other user here"
else
	stranger() {
		setpriv --reuid 65534 --regid 65534 --clear-groups --pdeathsig KILL "$@"
	}
	stranger "$BIN/lanspan" -i a show >/dev/null 2>"$W/err"
	equal "not of the group: status" $? 1
	check "and why" grep -qi "permi" "$W/err"
	# From here on as one of the group, who may ask but not command.
	chmod 666 "$W/run/a.sock"
	check "of the group: may look" stranger "$BIN/lanspan" -i a show >/dev/null
	for verb in "capture lan" "disconnect b" "rekey b" reload; do
		# shellcheck disable=SC2086
		! stranger "$BIN/lanspan" -i a $verb >/dev/null 2>"$W/err" || fail "$verb was done"
		grep -qi "permit" "$W/err" || fail "$verb: $(cat "$W/err")"
	done
	echo "  ok  may not command"
	cat >"$W/flood.pl" <<-'END'
		use IO::Socket::UNIX;
		use Socket;
		$SIG{PIPE} = "IGNORE";
		my ($path, $how) = @ARGV;
		my $end = time + 6;
		my @held;
		while (time < $end) {
			my $s = IO::Socket::UNIX->new(Peer => $path, Timeout => 1) or next;
			if ($how eq "hold") { push @held, $s; shift @held if @held > 100; next }
			if ($how eq "bytes") { syswrite $s, join "", map { chr int rand 256 } 1 .. 5000 }
			if ($how eq "long") { syswrite $s, "x" x 100000 }
			if ($how eq "deep") { syswrite $s, "[" x 16000 . "\n"; sysread $s, my $b, 1e6 }
			if ($how eq "show") { syswrite $s, qq({"verb":"show"}\n); sysread $s, my $b, 1e6 }
			if ($how eq "deaf") { syswrite $s, qq({"verb":"events"}\n); push @held, $s; shift @held if @held > 100 }
		}
	END
	chmod 755 "$W" "$W/flood.pl"
	meanwhile
	flooders=()
	for how in hold hold hold bytes long deep show show deaf; do
		# nice: what they make the process do is the matter, not what they do
		stranger nice -n 19 perl "$W/flood.pl" "$W/run/a.sock" $how 2>/dev/null &
		flooders+=($!)
	done
	CHILDREN+=("${flooders[@]}")
	sleep 1 # all of them are at it
	for _ in 1 2 3; do
		began=$(now)
		equal "root asks" "$(show a .site.name)" a
		between "and waits, s" "$(since "$began")" 0 $((3 * PATIENCE))
	done
	check "root commands" lanspan a rekey b
	wait "${flooders[@]}"
	quietly
	descriptors() {
		local fds=("/proc/${PID[a]}/fd"/*)
		[ ${#fds[@]} -lt 64 ]
	}
	wait_for 10 "descriptors are free again" descriptors
	chmod 660 "$W/run/a.sock"
fi
check "the path goes on" pings ha 192.168.77.2

step "names full of control bytes"
# patch PID TEXT HEX: its memory has that instead, wherever it may write
patch() {
	perl -e '
		my ($pid, $from, $hex) = @ARGV;
		my ($to, $n) = (pack("H*", $hex), 0);
		open M, "+<:raw", "/proc/$pid/mem" or die "mem: $!";
		open P, "<", "/proc/$pid/maps" or die "maps: $!";
		while (<P>) {
			/^(\w+)-(\w+) rw/ or next;
			my ($begin, $end, $bytes) = (hex $1, hex $2);
			sysseek M, $begin, 0;
			sysread M, $bytes, $end - $begin;
			for (my $i = 0; ($i = index $bytes, $from, $i) >= 0; $i += length $from) {
				sysseek M, $begin + $i, 0;
				syswrite M, $to;
				$n++;
			}
		}
		print "$n\n"' "$1" "$2" "$3"
}
relay hub
relay_open hub
bridge_stop b
bridge_stop a
: >"$W/log/b.log"
evil=$'\e]0;owned\a\xc2\x9b31m\xe2\x80\xae\r\nx="y" \e[2J' # the title, red, backwards, all gone
worse=$'\e]0;owned\a\xff\xfe'
# hex_of TEXT, stand_in LETTER TEXT: as long, of that letter
hex_of() {
	printf '%s' "$1" | od -An -tx1 | tr -d ' \n'
}
stand_in() {
	printf "$1%.0s" $(seq $(($(hex_of "$2" | wc -c) / 2)))
}
conf a site name "s$(stand_in q "$evil")"
conf a network name "n$(stand_in z "$worse")"
conf_write a
relay_of a hub
bridge_start a
at_least "places of the site's name in the process" "$(patch "${PID[a]}" "$(stand_in q "$evil")" "$(hex_of "$evil")")" 1
at_least "of the network's" "$(patch "${PID[a]}" "$(stand_in z "$worse")" "$(hex_of "$worse")")" 1
relay_start hub
members() {
	[ "$("$BIN/lanspan" -i hub show members --json | jq '.members | length')" = 1 ]
}
wait_for 20 "it is a member" members
# plain FILE: nothing in it that a terminal obeys, and what the name is instead
plain() {
	! grep -qP '[^ -~\n]' "$1" && grep -qF '\x1b]0;owned\x07' "$1"
}
"$BIN/lanspan" -i hub show members --json >"$W/members.json"
check "JSON: no raw byte" eval '! grep -qP "[^ -~\n]" "$W/members.json"'
equal "the name in it is as it is" "$(hex_of "$(jq -r '.members[0].name' "$W/members.json")")" "$(hex_of "s$evil")"
equal "the network's, which is no text, has \x" "$(jq -r '.members[0].network' "$W/members.json")" \
	'n\x1b]0;owned\x07\xff\xfe'
for what in members networks drops; do
	"$BIN/lanspan" -i hub show $what >"$W/show.$what" || fail "show $what"
	[ $what = drops ] || check "show $what" plain "$W/show.$what"
done
"$BIN/lanspan" -i hub events >"$W/events.txt"
check "events" plain "$W/events.txt"
"$BIN/lanspan" -i hub events --json >"$W/events.json"
check "events as JSON: no raw byte" eval '! grep -qP "[^ -~\n]" "$W/events.json"'
timeout 1 "$BIN/lanspan" -i hub events --follow >"$W/follow.txt" 2>/dev/null
check "events --follow" plain "$W/follow.txt"
check "the log" plain "$W/log/hub.log"
timeout 3 script -qfec "stty rows 24 cols 132; exec env TERM=xterm '$BIN/lanspan' -i hub watch" "$W/watch.raw" \
	</dev/null >/dev/null 2>&1
check "watch has it" grep -qaF 'x1b]0;owned' "$W/watch.raw"
check "and not raw" eval '! LC_ALL=C grep -qaP "\x1b\]0;|\xc2\x9b|\xe2\x80\xae|\xff" "$W/watch.raw"'

step "a filter full of them"
bridge_stop a
bridge_start b
printf '{"verb":"capture","point":"lan","program":"0006000000000000","filter":"\\u001b]0;owned\\u0007"}\n' |
	perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die;
		print $s <STDIN>;
		<$s>;
		sleep 60' "$W/run/b.sock" &
filterer=$!
runs() {
	[ -n "$(show b '.captures[]')" ] && lanspan b show captures >"$W/show.captures"
}
wait_for 5 "it runs" runs
check "show captures" plain "$W/show.captures"
kill $filterer
lanspan b events --kind capture-began >"$W/events.txt"
check "events" plain "$W/events.txt"
check "the log" plain "$W/log/b.log"
