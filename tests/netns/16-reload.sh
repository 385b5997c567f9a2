#!/bin/bash
# SPDX-License-Identifier: MIT
#
# reload: sessions of unchanged peers go on, peers come and go, a broken file
# changes nothing.
#
#   ha --- sa === wan0 === sb --- hb
#                   |
#                  sc --- hc
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping
story "reload"

two_sites
two_hosts
site c
host c c
keys c
for s in b c; do
	conf_write $s
done
peer c a 10.99.0.1:7741
conf_write c
connect
bridge_start c
wait_for 3 "ping ha to hb" pings ha 192.168.77.2
hs=$(peer_get a b "(.handshakes - .rekeys)")
frames=$(peer_get a b .rx.frames)
pid=${PID[a]}

same_session() {
	equal "handshakes with b" "$(peer_get a b "(.handshakes - .rekeys)")" "$hs"
	at_least "frames from b go on counting" "$(peer_get a b .rx.frames)" "$frames"
	check "the process lives" alive "$pid"
	check "ping ha to hb" pings ha 192.168.77.2
}

spawn ha "$W/log/ping.log" ping -i 0.02 192.168.77.2
flow=$SPAWNED

step "nothing changed"
check "reload" lanspan a reload
same_session

step "a peer comes"
is_up a c && fail "c is up already"
peer a c 10.99.0.3:7741
conf_write a
check "reload" lanspan a reload
wait_for 5 "c is up" both_up a c
check "ping ha to hc" pings ha 192.168.77.3
same_session

step "settings that may change"
conf a site log debug
conf a site keepalive 5
conf a bridge ageing 100
conf_write a
check "reload" lanspan a reload
same_session

# refused WHAT: reload must fail, say why, and change nothing
refused() {
	if lanspan a reload >"$W/reload" 2>&1; then
		fail "$1: reload answered yes"
	fi
	echo "  ok  $1: $(head -n 1 "$W/reload")"
	equal "peers" "$(show a '[.peers[].name] | sort | join(" ")')" "b c"
	same_session
	conf_write a
}

step "broken files"
echo "colour = blue" >>"$W/etc/a.conf"
refused "unknown key"
: >"$W/etc/a.conf"
refused "empty file"
rm "$W/etc/a.conf"
refused "no file"
conf a bridge mtu 1400
conf_write a
conf a bridge mtu -
refused "a setting that needs a new start"

step "a peer goes"
unpeer a c
conf_write a
check "reload" lanspan a reload
equal "peers" "$(show a '[.peers[].name] | join(" ")')" b
apart() {
	! is_up c a && ! pings ha 192.168.77.3
}
wait_for 30 "c is no longer served" apart
same_session

step "SIGHUP is a reload"
peer a c 10.99.0.3:7741
conf_write a
kill -HUP "$pid"
wait_for 10 "c is up" both_up a c
same_session

end "$flow" INT
lost=$(sed -n 's/.*, \([0-9.]*\)% packet loss.*/\1/p' "$W/log/ping.log")
between "lost % of the ping through all this" "$lost" 0 0.5
