#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 600
# beside: yes
#
# Where no UDP passes, the relay is reached by TLS over TCP; UDP is taken again when it
# works; and who ends TLS in between is found out.
#
#   ha --- sa --- n1 (drops UDP, or not) ---+== wan ===+--- n2 --- sb --- hb
#                                           |
#                                         r-hub
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping iperf3 ss openssl
story "a relay behind a firewall that lets only TLS through"
relay_by_anybody
relay_program
nat_need

underlay
keys a b c
relay hub
on r-hub sh -c 'echo 443 >/proc/sys/net/ipv4/ip_unprivileged_port_start' 2>/dev/null ||
	skip "ports below 1024 are not to be had here"
relay_open hub
printf 'listen_tls = 0.0.0.0, [::]\ntimeout = 10\n' >>"$W/etc/hub/hub.conf"
for s in a b c; do
	nat "$(number $s)" symmetric
	plug $s "$(number $s)"
	host $s $s
done
peer a b
peer b a
conf a site keepalive 3
conf a site workers 2 # whose runs go to the stream by the main thread
conf b site keepalive 3
conf c site keepalive 3

conf_a() { # [KEY VALUE]...
	conf_write a
	relay_of a hub "$@"
}

conf_a
for s in b c; do
	conf_write $s
	relay_of $s hub
done

# No UDP passes the translator, of a if none is named.
udp_blocked() {
	on "n${1:-1}" nft -f - <<-'END' || fail "no rules in n${1:-1}"
		table inet wall {
			chain forward {
				type filter hook forward priority -10
				meta l4proto udp drop
			}
		}
	END
}

udp_passes() {
	on "n${1:-1}" nft delete table inet wall
}

# by WAY: how packets of a reach the relay
by() {
	way_of a "$1"
}

way_of() { # SITE WAY
	[ "$(show "$1" '.relays[0] | select(.state == "registered") | .by')" = "$2" ]
}

problem() {
	[[ "$(show a '.relays[0].tls_problem')" == *"$1"* ]]
}

comes_by_tls() {
	[[ "$(member hub a .address)" == "tls 10.99.0."* ]]
}

connections() {
	on r-hub ss -Htn state established "( sport = :443 )" | wc -l
}

unconnected() { # SITE: the relay has no connection from its translator
	[ -z "$(on r-hub ss -Htn state established "( sport = :443 )" \
		"dst 10.99.0.$((100 + $(number "$1")))")" ]
}

step "no UDP at all"
udp_blocked
relay_start hub
bridge_start a b
began=$(now)
wait_for 20 "registered by TLS" by tls
between "s until it is registered" "$(since "$began")" 0 $((8 * PATIENCE))
check "the relay says so" comes_by_tls
wait_for 10 "a and b have a session" both_are relayed a b
wait_for 5 "hosts reach each other" pings ha 192.168.77.2
equal "the address that the relay sees" "$(show a '.relays[0].observed')" null
equal "connections" "$("$BIN/lanspan" -i hub show --json | jq '[.relay.tls[].open] | add')" 1
speed "TCP through TLS, Mb/s" "$(iperf hb ha 5201 -t 3 |
	jq '.end.sum_received.bits_per_second / 1e6')" 20

step "the relay dies and comes back"
relay_kill hub
holds 2 "nothing passes" eval '! pings ha 192.168.77.2 -W 0.2'
began=$(now)
relay_run hub
wait_for 20 "by TLS again" by tls
wait_for 20 "hosts reach each other" pings ha 192.168.77.2
between "s until traffic is back" "$(since "$began")" 0 $((5 * PATIENCE))

step "UDP works again, and fails again"
udp_blocked 3
bridge_start c # for whom what comes after a minute is looked at in the end
spawn ha "$W/log/ping.log" ping -D -i 0.05 192.168.77.2
ping=$SPAWNED
udp_passes
wait_for 25 "by UDP" by udp
holds 3 "and it stays" by udp
between "longest silence, s" "$(gap "$W/log/ping.log")" 0 $((2 * PATIENCE))
udp_blocked
on n1 conntrack -F 2>/dev/null
wait_for 10 "by TLS" by tls
wait_for 5 "hosts reach each other" pings ha 192.168.77.2
end "$ping" INT
between "longest silence, s" "$(gap "$W/log/ping.log")" 0 $((4 * PATIENCE))
wait_for 25 "c is by TLS" way_of c tls
check "its connection" eval '! unconnected c'
udp_passes 3
wait_for 25 "c is by UDP" way_of c udp
bridge_stop a

step "transport = udp: never by TLS"
udp_blocked
conf_a transport udp
capture r-hub w0 "$W/tls.pcap"
dump=$SPAWNED
bridge_start a
holds 6 "not registered" eval '! by tls'
end "$dump" INT
equal "TCP packets to the relay" "$(captured "$W/tls.pcap" 'at(12, 2) == "0800" &&
	at(23, 1) == "06" && at(26, 4) == "0a630065"')" 0
bridge_stop a

step "transport = tls: never by UDP"
udp_passes
conf_a transport tls
capture r-hub w0 "$W/udp.pcap"
dump=$SPAWNED
bridge_start a
wait_for 10 "by TLS" by tls
holds 6 "and it stays" by tls
end "$dump" INT
equal "UDP packets of a to the relay" "$(captured "$W/udp.pcap" 'at(12, 2) == "0800" &&
	at(23, 1) == "11" && at(26, 4) == "0a630065" && at(36, 2) == "1e3d"')" 0
bridge_stop a

step "somebody in between ends TLS"
helper streamproxy
netns mid
cable mid wan wan0 mid
ip -n mid addr add 10.99.0.210/24 dev w0
on n1 nft -f - <<-'END' || fail "no rules in n1"
	table ip lure {
		chain pre {
			type nat hook prerouting priority -110
			ip daddr 10.99.0.200 tcp dport 443 dnat to 10.99.0.210:443
		}
	}
END
udp_blocked
conf_a
for way in tls udp; do
	to=10.99.0.200:443
	[ $way = tls ] || to=10.99.0.200:7741
	spawn mid "$W/log/proxy-$way.log" "$HELPER" $way 10.99.0.210:443 $to
	proxy=$SPAWNED
	wait_for 5 "" listens mid t 443
	bridge_start a
	wait_for 20 "the site connects" grep -q "somebody came" "$W/log/proxy-$way.log"
	wait_for 45 "handing on by $way is found out" problem "not the relay's"
	holds 3 "and the site does not come back soon" problem "not the relay's"
	check "the log tells" grep -q "not the relay's" "$W/log/a.log"
	check "it is not by TLS" eval '! by tls'
	bridge_stop a
	end "$proxy" TERM
done
on n1 nft delete table ip lure

step "port 443 is somebody else's"
on mid openssl req -x509 -newkey ed25519 -nodes -subj /CN=web -keyout "$W/web.key" -out "$W/web.pem" \
	2>/dev/null || fail "no certificate"
spawn mid "$W/log/web.log" openssl s_server -accept 443 -cert "$W/web.pem" -key "$W/web.key" -quiet
web=$SPAWNED
conf_write a
printf '[relay hub]\npublic_key = %s\naddress = 10.99.0.210, 10.99.0.200\n' "${RELAY_KEY[hub]}" \
	>>"$W/etc/a.conf"
wait_for 5 "" listens mid t 443
bridge_start a
wait_for 30 "the next address is tried" by tls
bridge_stop a
end "$web" TERM
conf_a

step "after a minute by UDP at most"
wait_for 80 "c has no connection" unconnected c
check "it is still by UDP" way_of c udp
bridge_stop c

step "who only connects, and stays for 3 s, takes nothing away"
bridge_start a
wait_for 20 "by TLS" by tls
on wan bash -c 'for i in $(seq 150); do exec {fd}<>/dev/tcp/10.99.0.200/443 || true; done 2>/dev/null
	sleep 3; for i in $(seq 20); do echo garbage >/dev/tcp/10.99.0.200/443; done' 2>/dev/null
check "hosts reach each other all the while" pings ha 192.168.77.2
check "most were refused" eval '[ "$("$BIN/lanspan" -i hub show --json |
	jq "[.relay.tls[].refused] | add")" -ge 80 ]'
check "the relay lives" alive "${RELAY_PID[hub]}"

step "who is no member is cut, whatever it says"
spawn wan "$W/log/talker.log" sh -c '(for i in $(seq 60); do
	printf "\\0\\003abc"; sleep 1; done) | openssl s_client -connect 10.99.0.200:443'
wait_for 5 "connected" grep -q "TLSv1.3" "$W/log/talker.log"
equal "connections" "$(connections)" 2
wait_for 30 "and cut" eval '[ "$(connections)" = 1 ]'
check "the member by TLS is not" by tls
check "hosts reach each other" pings ha 192.168.77.2
