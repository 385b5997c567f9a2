#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Bad lines by command and by file: delay and loss as ping sees them, the rate as iperf3
# does, one way and both, changed and cut while traffic runs; and a delayed line is as
# fast as one that is not.
#
#   ha --- span0 (sa) ======= sb --- hb
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-lab.sh
. "$TOP/tests/netns/lib-lab.sh"
need ping iperf3
story "bad lines"

two_sites
two_hosts
connect
wait_for 5 "ha reaches hb" pings ha 192.168.77.2

# rtt COUNT: the smallest and largest time of so many answers, ms; those lost, percent
rtt() {
	on ha ping -q -c "$1" -i 0.01 -W 2 192.168.77.2 >"$W/ping.txt" 2>&1
	LOSS=$(sed -n 's/.* \([0-9.]*\)% packet loss.*/\1/p' "$W/ping.txt")
	read -r MIN MAX < <(sed -n 's,^rtt .* = \([0-9.]*\)/[0-9.]*/\([0-9.]*\)/.*,\1 \2,p' "$W/ping.txt")
}

step "delay"
check "80 ms from the TAP" lanspan a impair span0 in delay 80ms
rtt 20
speed "the least time" "$MIN" 80 140
check "and as much to it" lanspan a impair span0 both delay 80ms
rtt 20
speed "the least time" "$MIN" 160 220
check "told" eval 'lanspan a impair span0 | grep -qx "in: delay 80ms"'
check "jitter" lanspan a impair span0 in delay 50ms jitter 40ms
check "one way" lanspan a impair span0 out none
rtt 100
speed "the least time" "$MIN" 10 45
speed "the largest" "$MAX" 55
check "none" lanspan a impair span0 both none
rtt 5
speed "the least time" "$MIN" 0 29

step "less than a millisecond"
# adds LEAST MOST LINE: what the line adds to the quickest answer, ms; others use this machine,
# so there are some tries
adds() {
	local least=$1 most=$2 plain more
	shift 2
	for _ in 1 2 3 4 5; do
		lanspan a impair span0 in none || fail "impair none"
		rtt 40
		plain=$MIN
		lanspan a impair span0 in "$@" || fail "impair $*"
		rtt 40
		more=$(jq -n "$MIN - $plain")
		echo "  without $plain, with $* $MIN ms"
		! jq -en "$more >= $least and $more <= $most" >/dev/null || break
	done
	between "$* adds, ms" "$more" "$least" "$most"
}
if [ "$PATIENCE" = 1 ]; then # else the programs are slow themselves
	adds 0.4 0.9 delay 0.5ms
	adds 0.2 0.7 delay 300us
	adds 1.4 1.9 delay 1.5ms
fi
check "told" eval 'lanspan a impair span0 in delay 0.3ms && lanspan a impair span0 | grep -qx "in: delay 300us"'
check "none" lanspan a impair span0 in none

step "loss"
check "30 % to the TAP" lanspan a impair span0 out loss 30%
rtt 200
between "lost, percent" "$LOSS" 17 43
equal "counted" "$(show a '.ports[0].impair_out | .lost + .passed > 150 and .lost > 30')" true
check "cut" lanspan a impair span0 out cut
check "nothing passes" eval '! pings ha 192.168.77.2'
check "none" lanspan a impair span0 out none
check "all passes" pings ha 192.168.77.2

step "by file"
conf a bridge impair_in "delay 30ms"
conf_write a
check "a reload" lanspan a reload
rtt 10
speed "the least time" "$MIN" 30 79
conf a bridge impair_in -
conf_write a
check "and another" lanspan a reload

step "nonsense"
refused() {
	! lanspan a impair "$@" 2>"$W/refused"
}
check "no such word" refused span0 in slow 5ms
check "which is told" grep -q 'slow' "$W/refused"
check "no such port" refused other in cut
check "no such way" refused span0 up cut

step "rate"
check "20 Mbit/s" lanspan a impair span0 in rate 20mbit limit 256K
speed "TCP, Mbit/s" \
	"$(iperf hb ha 5201 -t 2 -O 1 | jq '.end.sum_received.bits_per_second / 1e6')" 5 20.5
check "none" lanspan a impair span0 in none

# busy: nanoseconds that a has had a processor
busy() {
	cut -d " " -f 1 "/proc/${PID[a]}/schedstat"
}

# window: frames a second that a carries, of the next 0.6 s
window() {
	local then=${EPOCHREALTIME/[.,]/} before after
	before=$(port_get a span0 .rx.frames)
	sleep 0.6
	after=$(port_get a span0 .rx.frames)
	echo $(((after - before) * 1000000 / (${EPOCHREALTIME/[.,]/} - then)))
}

# settled LINE: the line is so since 200 ms, longer than the longest delay
settled() {
	lanspan a impair span0 in "$@" || fail "impair $*"
	sleep 0.2
}

step "a delayed line is as fast"
spawn hb "$W/log/iperf-server.log" iperf3 -s -1 -p 5210
wait_for 5 "" listens hb t 5210
spawn ha "$W/log/iperf-client.log" iperf3 -c 192.168.77.2 -p 5210 -u -b 0 -l 200 -t 30
least=1000
! emulated || least=50
flows() {
	[ "$(window)" -gt "$least" ]
}
wait_for 5 "datagrams of 200 bytes, as many as go" flows
best=0
for i in 1 2 3 4 5 6; do # others use this machine, too: the pair that they let alone counts
	settled none
	plain=$(window)
	settled delay 100ms limit 512M
	late=$(window)
	share=$((100 * late / plain))
	echo "  without $plain, with 100 ms $late a second: $share %"
	best=$((share > best ? share : best))
	[ $i -lt 2 ] || [ $best -lt 90 ] || break
done
speed "percent of packets" "$best" 90
equal "none was lost for the limit" "$(show a '.ports[0].impair_in.overflowed')" 0
