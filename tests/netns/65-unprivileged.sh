#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A lab over two sites that an ordinary user runs, without any capability: two bridge
# processes without TAPs, ports of UDP and unix sockets, a far end at each.
#
#   echo1 --UDP-- sa ======= sb --unix-- echo2        all as user 65534
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-lab.sh
. "$TOP/tests/netns/lib-lab.sh"
need setpriv
story "a lab without privileges"

two_sites
port a one kind=qemu local=127.0.0.1:10001 remote=127.0.0.1:10002
port b two kind=qemu "local=unix:$W/lab/two" "remote=unix:$W/lab/g2"
for s in a b; do
	conf $s bridge tap -
	conf $s bridge bridge -
	conf_write $s
done
setpriv --reuid 65534 --clear-groups true 2>/dev/null || skip "no other user here"
mkdir -m 700 "$W/lab"
chown -R 65534 "$W/etc" "$W/run" "$W/lab"
as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all
	--bounding-set=-all --no-new-privs)
for s in a b; do
	bridge_run $s "${as_nobody[@]}"
done
wait_for 10 "a and b are up" both_up a b

step "no capability at all"
for s in a b; do
	bridge=$(show $s .site.pid)
	equal "effective of $s" "$(awk '/^CapEff/ { print $2 }' "/proc/$bridge/status")" 0000000000000000
	equal "permitted of $s" "$(awk '/^CapPrm/ { print $2 }' "/proc/$bridge/status")" 0000000000000000
	equal "user of $s" "$(awk '/^Uid/ { print $2 }' "/proc/$bridge/status")" 65534
	check "no TAP at $s" eval '! ip -n s'$s' link show type tun | grep -q .'
done

step "frames from one end to the other"
helper guest
spawn sb "$W/echo.log" "${as_nobody[@]}" "$HELPER" - dgram "unix:$W/lab/g2" "unix:$W/lab/two"
wait_for 5 "the far end is there" grep -q ready "$W/echo.log"
helper frames
"$HELPER" make 1500 >"$W/made.pcap"
at_least "as many as go" "$("$HELPER" list "$W/made.pcap" | wc -l)" 50
helper guest
chmod 644 "$W/made.pcap"
spawn sa "$W/play.log" "${as_nobody[@]}" "$HELPER" -p "$W/made.pcap" - dgram 127.0.0.1:10002 127.0.0.1:10001
wait_for 5 "all came back as they went" grep -q '^played [1-9][0-9]* of [1-9][0-9]*$' "$W/play.log"
read -r _ back _ all <"$W/play.log"
equal "of them" "$back" "$all"

step "ports by command"
as_user() {
	on sa "${as_nobody[@]}" env LANSPAN_RUNDIR="$LANSPAN_RUNDIR" "$BIN/lanspan" -i a "$@"
}
check "the user may plug in" as_user port add more kind=vbox local=127.0.0.1:10003 \
	remote=127.0.0.1:10004
check "and pull out" as_user port del more
refused() {
	! as_user "$@" 2>"$W/refused"
}
check "no TAP for them" refused port add t kind=tap interface=span9
check "which is told" grep -q 'not permitted' "$W/refused"
check "no NIC for them" refused port add n kind=nic interface=w0
check "which is told as well" grep -qi 'CAP_NET_RAW' "$W/refused"
check "the lab goes on" both_up a b
