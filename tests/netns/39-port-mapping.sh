#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 500
# beside: yes
#
# Two sites behind symmetric translators meet only by the relay, until the router of one
# maps its port: by NAT-PMP, or by UPnP.  The router is a real miniupnpd.
#
#   sa --- nl, symmetric, 11.1.1.1 ---+=== wan ===+--- nr, symmetric --- sb
#             miniupnpd                   |
#                                       r-hub
#
# miniupnpd maps nothing on a router whose own address is private, as those of the
# underlay are: nl has one more, that is not.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping miniupnpd
story "port mapping"
relay_by_anybody
relay_program
nat_need

OUTSIDE=11.1.1.1
underlay
keys a b
relay hub
relay_open hub
relay_start hub
nat l symmetric
nat r symmetric
plug a l
plug b r
ROUTER=10.${NAT_NUMBER[l]}.0.254
ip -n nl addr add $OUTSIDE/32 dev w0
ip -n wan route add $OUTSIDE/32 via "10.99.0.$((100 + NAT_NUMBER[l]))"

# outside ADDRESS: what nl makes of all that leaves
outside() {
	on nl nft -f - <<-END || fail "rules of nl"
		flush chain ip nat post
		add rule ip nat post oifname w0 snat to $1 fully-random
	END
}
outside $OUTSIDE

# Only what comes in is mapped: what goes out is as symmetric as it was.
on nl nft -f - <<-END || fail "chains of miniupnpd"
	table inet upnp {
		chain forward_mapped { }
		chain pre_mapped { }
		chain post_mapped { }
		chain pre {
			type nat hook prerouting priority -90
			jump pre_mapped
		}
	}
END

# router NATPMP UPNP [OUTSIDE]: a router that speaks these, yes or no; with another address
# than it has if that is given
router() {
	cat >"$W/etc/miniupnpd.conf" <<-END
		ext_ifname=w0
		ext_ip=${3:-$OUTSIDE}
		listening_ip=in0
		ipv6_disable=yes
		enable_natpmp=$1
		enable_upnp=$2
		secure_mode=yes
		upnp_table_name=upnp
		upnp_nat_table_name=upnp
		upnp_forward_chain=forward_mapped
		upnp_nat_chain=pre_mapped
		upnp_nat_postrouting_chain=post_mapped
		uuid=3fa85f64-5717-4562-b3fc-2c963f66afa6
		allow 1024-65535 0.0.0.0/0 1024-65535
	END
	spawn nl "$W/log/miniupnpd.log" miniupnpd -d -f "$W/etc/miniupnpd.conf" -P "$W/run/miniupnpd.pid"
	MINIUPNPD=$SPAWNED
	[ "$1" = no ] || wait_for 5 "" listens nl u 5351 || fail "miniupnpd does not listen"
	[ "$2" = no ] || wait_for 5 "" listens nl u 1900 || fail "miniupnpd does not listen"
}

router_forgets() {
	on nl nft 'flush chain inet upnp pre_mapped; flush chain inet upnp forward_mapped'
}

router_off() {
	end "$MINIUPNPD"
}

# mapped: the router's mappings to a; not_mapped
mapped() {
	on nl nft list chain inet upnp pre_mapped | grep -qE "dnat.* to $(inside_address a):7741"
}

not_mapped() {
	! on nl nft list chain inet upnp pre_mapped | grep -q dnat
}

mapping() { # JQ-EXPRESSION: of what a shows
	show a ".site.port_mapping | $1"
}

is_mapped_by() {
	[ "$(mapping .protocol)" = "$1" ]
}

begin() { # the two sites, from nothing
	peer a b
	peer b a
	nat_forget l
	nat_forget r
	for s in a b; do
		conf_write $s
		relay_of $s hub
	done
	bridge_start a b
	wait_for 10 "a and b are up" both_up a b
}

# asked FILE PORT: packets of the site's own to that port, 14e7 of NAT-PMP or 076c of UPnP
asked() {
	captured "$1" "at(26, 4) == \"$(printf '0a%02x0001' "${NAT_NUMBER[l]}")\" && at(36, 2) == \"$2\""
}

host a a
host b b

step "a router that maps nothing: relayed"
capture nl in0 "$W/asked.pcap"
begin
wait_for 10 "a asked its router for it" mapping 'select(.state == "none")'
holds 3 "relayed" both_are relayed a b
check "there is a ping" pings ha 192.168.77.2
end "$SPAWNED"
at_least "requests by NAT-PMP" "$(asked "$W/asked.pcap" 14e7)" 1
at_least "requests by UPnP" "$(asked "$W/asked.pcap" 076c)" 1
echo "  ok  a says: $(mapping .error)"
check "show says so to people" sh -c "'$BIN/lanspan' -i a show | grep -q '^  port mapping: none'"
bridge_stop a
bridge_stop b

for way in nat-pmp upnp; do
	step "$way alone"
	case $way in nat-pmp) router yes no ;; *) router no yes ;; esac
	begin
	since=$(now)
	wait_for 12 "a and b are direct" both_are direct a b
	check "by $way" is_mapped_by $way
	check "the router has the mapping" mapped
	equal "where from outside" "$(mapping '.external[0]')" "$OUTSIDE:7741"
	between "lifetime, s" "$(mapping .lifetime_s)" 3500 3600
	equal "b reaches a there" "$(peer_get b a .endpoint)" "$OUTSIDE:7741"
	check "there is a ping" pings ha 192.168.77.2
	check "the log tells it" grep -q "port mapped at=$OUTSIDE:7741 by=\"*$way" "$W/log/a.log"
	check "show tells it" sh -c "'$BIN/lanspan' -i a show | grep -q 'mapped, $OUTSIDE:7741 by $way'"

	step "$way: the router starts anew, and forgets"
	router_off
	router_forgets
	case $way in nat-pmp) router yes no ;; *) router no yes ;; esac
	check "nothing is mapped" not_mapped
	lanspan a reload
	wait_for 15 "a reload maps again" mapped

	step "$way: port_mapping = no takes it back while running; yes brings it again"
	conf a site port_mapping no
	conf_write a
	relay_of a hub
	lanspan a reload
	wait_for 10 "the router has no mapping" not_mapped
	wait_for 10 "a says off" mapping 'select(.state == "off" and .protocol == null)'
	conf a site port_mapping -
	conf_write a
	relay_of a hub
	lanspan a reload
	wait_for 15 "the router has one again" mapped

	step "$way: an end takes it back"
	wait_for 10 "" is_mapped_by $way || fail "a does not say so"
	since=$(now)
	bridge_stop a
	between "an end takes, s" "$(since "$since")" 0 $((2 * PATIENCE))
	check "the router has no mapping" not_mapped
	bridge_stop b
	router_off
done

step "the port is taken by another: another one"
router yes yes
on nl nft list chain inet upnp pre_mapped >/dev/null
netns other
ip link add w0 netns other type veth peer name to-other netns nl
ip -n nl link set to-other master in0 up
ip -n other link set w0 up
ip -n other addr add "${ROUTER%.*}.77/24" dev w0
# NAT-PMP: map UDP 7741 for an hour
on other bash -c 'exec 3<>/dev/udp/'"$ROUTER"'/5351
	printf "\x00\x01\x00\x00\x1e\x3d\x1e\x3d\x00\x00\x0e\x10" >&3
	head -c 16 <&3 >/dev/null' || fail "the other host has no mapping"
begin
wait_for 12 "a and b are direct" both_are direct a b
check "it is not the port of the other" [ "$(mapping '.external[0]')" != "$OUTSIDE:7741" ]
equal "b reaches a there" "$(peer_get b a .endpoint)" "$(mapping '.external[0]')"
bridge_stop a
bridge_stop b
router_off

step "port_mapping = no: the router hears nothing"
conf a site port_mapping no
router yes yes
capture nl in0 "$W/off.pcap"
begin
holds 5 "relayed" both_are relayed a b
end "$SPAWNED"
equal "packets to NAT-PMP" "$(asked "$W/off.pcap" 14e7)" 0
equal "packets to UPnP" "$(asked "$W/off.pcap" 076c)" 0
equal "state" "$(mapping .state)" off
bridge_stop a
bridge_stop b
router_off

step "a router that is behind another translator: nothing is mapped there"
conf a site port_mapping -
router_forgets
router yes yes 11.2.2.2
begin
wait_for 20 "a says so" mapping 'select(.error // "" | contains("another translator"))'
check "nothing is mapped" not_mapped
check "relayed" both_are relayed a b
bridge_stop a
bridge_stop b
router_off

step "no translator: the router is not asked"
plug a
capture sa w0 "$W/plain.pcap"
begin
wait_for 10 "a says so" mapping 'select(.state == "idle")'
holds 3 "it stays so" mapping 'select(.state == "idle")'
end "$SPAWNED"
equal "packets to NAT-PMP" "$(captured "$W/plain.pcap" 'at(36, 2) == "14e7"')" 0
equal "packets to UPnP" "$(captured "$W/plain.pcap" 'at(36, 2) == "076c"')" 0
bridge_stop a
bridge_stop b
