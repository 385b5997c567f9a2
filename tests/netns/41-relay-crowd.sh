#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 1800
# alone: yes
#
# One network of many sites, each a process of its own: all come up, and each has all
# others as peers; broadcast reaches each other site once; hosts reach each other; a site
# leaves and comes back.  How long it takes and what it costs is printed.
#
#   span1 --- site 1    10.99.1.1   ---+
#    ...                               +--- relay 10.99.9.9     all on the loopback of
#   spanN --- site N                 ---+                        one namespace
#
# Site 1 to 24 have hosts; 1 to 8 reach nobody but the relay, the others reach each
# other directly.  Built with a sanitizer this would take the memory of 256 sanitizers: it
# is skipped then.
#
#   SITES   how many, default 64; 256 with LONG=1, which take 6 GiB of memory, some minutes,
#           and a machine with nothing else to do
#   AT_ONCE how many start at the same time, default all of 64, 16 of more
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping nft
case $BIN in */asan* | */tsan*) skip "256 sanitizers are too much" ;; esac
not_emulated "64 bridge processes at once"
[ -z "${LONG:-}" ] || SITES=${SITES:-256}
SITES=${SITES:-64}
AT_ONCE=${AT_ONCE:-$((SITES > 64 ? 16 : SITES))}
PATIENT=90 # seconds for those that start at once
HOSTS=24
LONELY=8
[ "$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)" -gt $((SITES * 40)) ] ||
	skip "needs $((SITES * 40)) MiB of memory"
story "one network of $SITES sites"
relay_by_anybody
relay_program

# address N: 10.99.1.1 and so on
address() {
	echo "10.99.$(($1 / 256 + 1)).$(($1 % 256))"
}

netns net
ip -n net link set lo mtu 1500
on net sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
for ((i = 1; i <= SITES; i++)); do
	echo "addr add $(address $i)/32 dev lo"
done >"$W/batch"
echo "addr add 10.99.9.9/32 dev lo" >>"$W/batch"
for ((i = 1; i <= HOSTS; i++)); do
	echo "link add br$i type bridge mcast_snooping 0"
	echo "link set br$i up"
done >>"$W/batch"
ip -n net -batch "$W/batch" || fail "addresses"
on net nft -f - <<-END || skip "no nft rules in namespaces here"
	table ip lonely {
		chain input {
			type filter hook input priority 0
			udp sport 7741 udp dport 7741 ip saddr 10.99.1.1-10.99.1.$LONELY \
				ip daddr 10.99.1.1-10.99.2.0 drop
			udp sport 7741 udp dport 7741 ip daddr 10.99.1.1-10.99.1.$LONELY \
				ip saddr 10.99.1.1-10.99.2.0 drop
		}
	}
END
for ((i = 1; i <= HOSTS; i++)); do
	netns h$i
	quiet h$i
	ip link add e0 netns h$i type veth peer name p$i netns net
	ip -n net link set p$i master br$i up
	ip -n h$i addr add 192.168.77.$i/24 broadcast 192.168.77.255 dev e0
	ip -n h$i link set e0 up
done
mkdir "$W/etc/hub" "$W/run/hub"
chown $NOBODY "$W/run/hub"
HUB_KEY=$("$BIN/lanspan" keygen "$W/etc/hub/hub.key")
chown $NOBODY "$W/etc/hub/hub.key"
"$BIN/lanspan" secret "$W/etc/lab.secret"
relay_conf hub <<END
[relay]
key_file = hub.key
listen = 10.99.9.9:7741
[network lab]
access = open
END
spawn net "$W/log/hub.log" env LANSPAN_RUNDIR="$W/run/hub" "${AS_NOBODY[@]}" \
	"$BIN/lanspan-relay" -c "$W/etc/hub/hub.conf"
RELAY=$SPAWNED
wait_for 10 "the relay is there" relay_ready hub
for ((i = 1; i <= SITES; i++)); do
	"$BIN/lanspan" keygen "$W/etc/s$i.key" >/dev/null
	cat >"$W/etc/s$i.conf" <<END
[network]
name = lab
secret_file = lab.secret
trust = secret
[site]
name = s$i
key_file = s$i.key
listen = $(address $i):7741
[bridge]
tap = span$i
$([ $i -gt $HOSTS ] || echo "bridge = br$i")
[relay hub]
public_key = $HUB_KEY
address = 10.99.9.9:7741
END
done

declare -A SITE_PID=()
run() { # N
	spawn net "$W/log/s$1.log" nice -n 19 "$BIN/lanspan-bridge" -c "$W/etc/s$1.conf"
	SITE_PID[$1]=$SPAWNED
}

# busy PID...: seconds of processor time
busy() {
	local pid
	for pid; do
		cpu "$pid"
	done | awk '{ n += $1 } END { printf "%.1f", n / 100 }'
}
rss() { # PID: KiB
	awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}
ups() { # sessions that came up, as the logs say
	cat "$W"/log/s*.log | grep -c ": info: peer up peer=s[0-9]* "
}
# peers N: how many of it are up
peers() {
	"$BIN/lanspan" -i s$1 show peers | awk '$2 == "up"' | wc -l
}

# wait_up N: until the first N have a session with each other, or too long
wait_up() {
	local n=0
	until [ "$(ups)" -ge $(($1 * ($1 - 1))) ]; do
		((n++ < PATIENT * PATIENCE)) ||
			fail "$(ups) of $(($1 * ($1 - 1))) ends of sessions after $(since "$began") s"
		sleep 1
		((n % 15)) || echo "      $(since "$began") s: $(ups) ends of sessions"
	done
}

step "sites start, $AT_ONCE at once"
began=$(now)
for ((i = 1; i <= SITES; i++)); do
	run $i
	((i % AT_ONCE)) || wait_up $i
done
wait_up $SITES
for ((i = 1; i <= SITES; i++)); do
	echo "$(peers $i) $("$BIN/lanspan" -i s$i show relays | awk '$1 == "hub" { print $2 }')"
done | sort | uniq -c >"$W/peers"
echo "      all up after $(since "$began") s: the relay took $(busy "$RELAY") s of a processor," \
	"all sites $(busy "${SITE_PID[@]}") s"
equal "sites, how many peers of each are up, and where it is registered" \
	"$(awk '{ print $1, $2, $3 }' "$W/peers" | paste -sd';')" "$SITES $((SITES - 1)) registered"
equal "members at the relay" "$(show hub '.networks[0].members')" $SITES
for ((i = 1; i <= SITES; i++)); do
	rss "${SITE_PID[$i]}"
done | sort -n >"$W/rss"
echo "      resident memory: a site $(head -n 1 "$W/rss") to $(tail -n 1 "$W/rss") KiB," \
	"the relay $(rss "$RELAY") KiB"

step "broadcast of one site reaches each other once"
# received: for each TAP the frames that came out of the tunnel there
received() {
	ip -n net -s -j link show | jq -r '.[] | select(.ifname | startswith("span")) |
		"\(.ifname) \(.stats64.rx.packets)"' | sort
}
floods() {
	show s1 .site.floods_sent
}
key_is_out() {
	[ "$(show s1 '[.peers[] | select(.has_flood_key)] | length')" = $((SITES - 1)) ]
}
wait_for 10 "all have its flood key" key_is_out
received >"$W/before"
before=$(floods)
on h1 ping -q -b -c 20 -i 0.1 -W 1 192.168.77.255 >/dev/null 2>&1
wait_for 10 "nothing is under way" steady 0.5 received
received >"$W/after"
join "$W/before" "$W/after" | awk '$1 != "span1" { print $3 - $2 }' | sort -n | uniq -c >"$W/copies"
equal "sites, and how many of 20 frames each got" "$(awk '{ print $1, $2 }' "$W/copies" | paste -sd';')" \
	"$((SITES - 1)) 20"
between "times that site 1 sent them" $(($(floods) - before)) 20 25

step "hosts reach each other"
lost=0
for ((n = 0; n < 20; n++)); do
	a=$((RANDOM % HOSTS + 1)) b=$((RANDOM % HOSTS + 1))
	[ $a = $b ] || pings h$a 192.168.77.$b || { echo "      h$a does not reach h$b" && lost=$((lost + 1)); }
done
equal "pairs without an answer" $lost 0

step "a site leaves, and comes back"
end "${SITE_PID[2]}"
equal "it ended" "$ENDED" 0
left() {
	[ "$(show hub '.networks[0].members')" = $((SITES - 1)) ] && [ "$(peers 3)" = $((SITES - 2)) ]
}
back() {
	[ "$(peers 2)" = $((SITES - 1)) ] && [ "$(peers 3)" = $((SITES - 1)) ]
}
wait_for 10 "it is gone" left
run 2
wait_for 30 "it is back, with all its peers" back
wait_for 5 "and its host" pings h2 192.168.77.3
used=$(busy "$RELAY")
sleep 5 # what it takes meanwhile
echo "      at rest the relay takes $(awk -v a="$used" -v b="$(busy "$RELAY")" \
	'BEGIN { printf "%.1f", (b - a) * 20 }') % of a processor"
check "the relay lives" alive "$RELAY"
