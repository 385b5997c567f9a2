#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A NIC of the office goes into a bridge, and back, and nobody on it is cut off.
#
#   ho [e0] ---.
#              wan0 (office LAN, 10.99.0.0/24) --- wan --- far --- sb [br0: span0, p-b] --- hb
#   sa [w0] ---'
#
# b is another site, and who is logged in at a: its connection to a must survive.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping socat ss script strace
story "attach and detach, confirmed and not"

# ---- the stage ---------------------------------------------------------------

underlay
netns sa
cable sa wan wan0 a
netns far
ip link add to-far netns wan type veth peer name to-wan netns far
for n in "wan to-far 10.97.0.1/30 fd97::1/64" "far to-wan 10.97.0.2/30 fd97::2/64"; do
	# shellcheck disable=SC2086 # four words
	set -- $n
	ip -n "$1" addr add "$3" dev "$2"
	ip -n "$1" addr add "$4" dev "$2" nodad
	ip -n "$1" link set "$2" up
	on "$1" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
done
bridge_add far far0
ip -n far addr add 10.98.0.254/24 dev far0
ip -n wan route add 10.98.0.0/24 via 10.97.0.2
ip -n far route add 10.99.0.0/24 via 10.97.0.1
site_namespace b
cable sb far far0 b
ip -n sb addr add 10.98.0.2/24 dev w0
ip -n sb route add default via 10.98.0.254

# An office host, and what a has: addresses and routes of many kinds.
netns ho
ip link add e0 netns ho type veth peer name to-o netns wan
ip -n wan link set to-o master wan0 up
ip -n ho addr add 192.168.77.50/24 dev e0
ip -n ho link set e0 up

# As wide as its cable, less a little.
ip -n sa link set w0 mtu 1480
a() {
	ip -n sa "$@" || fail "ip $*"
}
furnish() {
	a link set w0 up
	a addr add 10.99.0.1/24 brd + dev w0
	a addr add 10.99.0.61/24 dev w0 label w0:1
	a addr add 10.99.0.71/24 dev w0 valid_lft 3000 preferred_lft 2000
	a addr add 10.99.3.1/24 dev w0 noprefixroute
	a addr add 10.99.4.1/24 dev w0 metric 300
	a addr add fd99::1/64 dev w0 nodad
	a addr add fd99:5::1/64 dev w0 nodad noprefixroute
	a addr add fd99:6::1/64 dev w0 nodad metric 400
	a addr add fd99:7::5054:ff:fe00:1/64 dev w0 nodad mngtmpaddr noprefixroute \
		valid_lft 3000 preferred_lft 2000
	a addr add fd99::61/64 dev w0 nodad preferred_lft 0 valid_lft 3000
	a route add default via 10.99.0.254 metric 50
	a route add default via 10.99.0.254 src 10.99.0.61 table 100 mtu 1400
	a route add 10.20.0.0/16 via 192.0.2.9 dev w0 onlink table 4000
	a route add default via 192.0.2.1 dev w0 onlink metric 77
	a -6 route add default via fd99::fe metric 51
	a -6 route add default via fe80::1 dev w0 proto ra metric 1024 expires 1800
	a -6 route add fd99:7::/64 dev w0 proto ra metric 256 expires 3000
	a -6 route add fd20::/32 via fe80::1 dev w0 table 100
	a rule add from 10.99.0.61 table 100 priority 500
	a rule add iif w0 to 10.21.0.0/16 table 4000 priority 501
}
furnish
# Its addresses are checked for duplicates, as everywhere else, and for 5 seconds.
on sa sh -c 'cd /proc/sys/net/ipv6/conf/w0 && echo 1 >accept_dad && echo 5 >dad_transmits'
on sa sh -c 'echo 2 >/proc/sys/net/ipv4/conf/w0/rp_filter'

# looks LINK: addresses and routes there, in an order of their own, and rules
looks() {
	{
		ip -n sa -j addr show dev "$1" | jq -S '.[0].addr_info[] |
			if .dynamic then del(.valid_life_time, .preferred_life_time) else . end'
		ip -n sa -4 -j route show table all dev "$1" | jq -S '.[]'
		ip -n sa -6 -j route show table all dev "$1" | jq -S '.[] | del(.expires)
			| select(.type != "multicast")'
		ip -n sa -j rule | jq -S '.[]'
		ip -n sa -6 -j rule | jq -S '.[]'
	} | jq -sS 'unique' | sed "s/\"$1/\"LINK/"
}
# the first VRF of a namespace leaves a rule behind
ip -n sa link add vrf0 type vrf table 9 2>/dev/null && ip -n sa link del vrf0
before=$(looks w0)

# as_before WHAT: w0 is as it was, and nothing is left
same() {
	[ "$(looks w0)" = "$before" ]
}
as_before() {
	wait_for 3 "" same || diff <(echo "$before") <(looks w0) >&2 || fail "$1: w0 is not as it was"
	equal "$1: w0 is as it was; its bridge" \
		"$(ip -n sa -j link show w0 | jq -r '.[0].master')" null
	[ ! -e "$W/run/attach-w0.state" ] || fail "$1: the state file is left"
}

# lanspan_a ARGUMENT...: on site a; what it says in $W/said
lanspan_a() {
	on sa "$BIN/lanspan" "$@" >"$W/said" 2>&1 </dev/null
}
# refused WORDS ARGUMENT...: must fail and say that
refused() {
	local words=$1
	shift
	! lanspan_a "$@" || fail "lanspan $*: not refused"
	grep -qE "$words" "$W/said" || fail "lanspan $*: says '$(cat "$W/said")', not /$words/"
	echo "  ok  lanspan $*: $(head -n 1 "$W/said" | cut -c 1-100)"
}
# begin ARGUMENT...: lanspan attach in the background, until all was moved
begin() {
	: >"$W/log/attach.log"
	spawn sa "$W/log/attach.log" "$BIN/lanspan" attach "$@"
	FIRST=$SPAWNED
	wait_for 10 "w0 was moved" grep -q "taken back in" "$W/log/attach.log"
}
# ended STATUS WORDS: the first process ended so
ended() {
	wait_for 15 "" gone "$FIRST" || fail "lanspan attach runs on"
	wait "$FIRST" 2>/dev/null
	equal "exit status" $? "$1"
	grep -q "$2" "$W/log/attach.log" || fail "says '$(cat "$W/log/attach.log")', not /$2/"
}

# leave: lanspan detach in the background, until all was moved; then confirmed
leave() {
	: >"$W/log/attach.log"
	spawn sa "$W/log/attach.log" "$BIN/lanspan" detach w0 "$@"
	FIRST=$SPAWNED
	wait_for 10 "w0 is out" grep -q "taken back in" "$W/log/attach.log"
}
detach() {
	leave --confirm-within $((20 * PATIENCE))
	check "detach --confirm" lanspan_a detach --confirm w0
	ended 0 "confirmed: w0 is out of"
}

# ---- somebody is logged in ---------------------------------------------------

typed() {
	stat -c %s "$W/ssh"
}
: >"$W/ssh"
spawn sa "$W/log/sshd.log" socat -u TCP-LISTEN:2222 "OPEN:$W/ssh,append"
wait_for 5 "" listens sa t 2222
spawn sb "$W/log/ssh.log" bash -c \
	'while sleep 0.05; do echo x; done | exec socat -u - TCP:10.99.0.1:2222'
SSH=$SPAWNED
wait_for 5 "somebody is logged in" test -s "$W/ssh"
more() {
	[ "$(typed)" -gt "$1" ]
}
# logged_in WHAT: the same connection still carries
logged_in() {
	alive "$SSH" || fail "$1: the connection broke"
	wait_for 3 "" more "$(typed)" || fail "$1: the connection hangs"
	echo "  ok  $1: still logged in"
}

# ---- the story ---------------------------------------------------------------

step "nobody confirms"
began=$(now)
within=$((2 * PATIENCE))
! emulated || within=60
begin w0 --bridge br0 --confirm-within $within
speed "seconds until it was moved" "$(since "$began")" 0 2.5
equal "mode of the state file" "$(stat -c %a "$W/run/attach-w0.state")" 600
equal "addresses and routes, on br0" "$(looks br0 | sed 's/w0/br0/')" "$before" >/dev/null
echo "  ok  addresses and routes are on br0"
equal "addresses still being checked" \
	"$(ip -n sa -j addr show dev br0 | grep -c tentative)" 0
equal "addresses left on w0" "$(ip -n sa -j addr show dev w0 | jq '.[0].addr_info | length')" 0
link() {
	ip -n sa -d -j link show "$1" | jq -r ".[0] | $2"
}
equal "bridge of w0" "$(link w0 .master)" br0
equal "MAC address of br0" "$(link br0 .address)" "$(link w0 .address)"
equal "MTU of br0" "$(link br0 .mtu)" "$(link w0 .mtu)"
equal "a setting of w0's, on br0" "$(on sa cat /proc/sys/net/ipv4/conf/br0/rp_filter)" 2
equal "a setting that was changed for the time" \
	"$(on sa cat /proc/sys/net/ipv6/conf/br0/accept_dad)" 1
equal "spanning tree, forward delay" \
	"$(link br0 '"\(.linkinfo.info_data | .stp_state, .forward_delay)"' | xargs)" "0 0"
logged_in "moved"
refused "under way" attach w0 --bridge br1
ended 1 "taken back"
speed "seconds until it was taken back" "$(since "$began")" $within $((within + 2)).5
as_before "time-out"
equal "br0 is gone" "$(ip -n sa link show br0 2>/dev/null | wc -l)" 0
logged_in "time-out"

step "who typed it goes away"
for signal in INT HUP TERM KILL; do
	begin w0 --bridge br0 --confirm-within 60
	end "$FIRST" "$signal"
	wait_for 3 "" test ! -e "$W/run/attach-w0.state" || fail "SIG$signal: not taken back"
	as_before "SIG$signal"
done
logged_in "four that went"

step "no, at the prompt, and yes"
# shellcheck disable=SC2094 # what it prints is waited for
prompt() { # ANSWER
	: >"$W/log/prompt.log"
	(
		wait_for 10 "" grep -q "taken back in" "$W/log/prompt.log"
		echo "$1"
		sleep 1
	) | on sa script -qec "'$BIN/lanspan' attach w0 --bridge br0 --confirm-within $((8 * PATIENCE))" \
		"$W/log/typescript" >"$W/log/prompt.log" 2>&1
}
prompt n
equal "exit status of no" $? 1
as_before "no"
prompt y
equal "exit status of yes" $? 0
logged_in "yes"
equal "addresses and routes, on br0" "$(looks br0 | sed 's/w0/br0/')" "$before" >/dev/null
check "it stays" grep -q "confirmed: w0 stays in br0" "$W/log/prompt.log"
ip -n sa link add small mtu 1300 type veth peer name small1
ip -n sa link set small master br0
equal "MTU of br0 beside a smaller port" "$(link br0 .mtu)" 1480
ip -n sa link del small
refused "attached to br0 already: lanspan detach" attach w0 --bridge br0
refused "was confirmed: lanspan detach" attach --undo w0
# others ARGUMENT...: who is not root is told so
others() {
	! on sa setpriv --reuid 65534 --clear-groups "$BIN/lanspan" "$@" 2>"$W/said" &&
		grep -qx "lanspan: $1: must be run as root" "$W/said"
}
if setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
	check "others: detach" others detach w0
	check "others: attach --confirm" others attach --confirm w0
	check "others: attach --undo" others attach --undo w0
	check "others: attach" others attach w0 --bridge br0
fi
refused "3601: must be 1 to" detach w0 --confirm-within 3601
refused "no such option" detach w0 --bridge br0
detach
as_before "detach"
refused "not attached" detach w0
logged_in "detach"

step "out of the bridge, and nobody confirms"
begin w0 --bridge br0 --confirm-within $((20 * PATIENCE))
check "attach --confirm" lanspan_a attach --confirm w0
ended 0 "confirmed"
attached=$(looks br0)
# attached_again WHAT: w0 is in br0 as it was, and the state says so
in_br0() {
	[ "$(looks br0)" = "$attached" ] && [ "$(link w0 .master)" = br0 ]
}
attached_again() {
	wait_for 3 "" in_br0 || diff <(echo "$attached") <(looks br0) >&2 || fail "$1: br0 is not as it was"
	equal "$1: the state" "$(jq -c '[.attached, .leaving, .make]' "$W/run/attach-w0.state")" \
		"[true,false,true]"
}
leave --confirm-within $((within + 2))
equal "addresses and routes, on w0" "$(looks w0)" "$before" >/dev/null
equal "br0 is gone" "$(ip -n sa link show br0 2>/dev/null | wc -l)" 0
logged_in "out of it"
refused "a detach of w0 waits" detach w0
refused "under way" attach w0 --bridge br1
ended 1 "taken back: w0 is attached as it was"
attached_again "time-out"
equal "MAC address of br0" "$(link br0 .address)" "$(link w0 .address)"
equal "MTU of br0" "$(link br0 .mtu)" "$(link w0 .mtu)"
logged_in "time-out"
for signal in INT KILL; do
	leave --confirm-within 60
	end "$FIRST" "$signal"
	attached_again "SIG$signal"
done
leave --confirm-within $((20 * PATIENCE))
check "detach --undo" lanspan_a detach --undo w0
ended 1 "taken back"
attached_again "detach --undo"
leave --confirm-within 60
kill -STOP "$FIRST"
kill -KILL "$(jq .guardian "$W/run/attach-w0.state")"
end "$FIRST" KILL
refused "guardian of w0 was killed: lanspan detach --undo" detach --confirm w0
refused "a detach was killed half-way: lanspan detach --undo w0" attach w0 --bridge br1
check "detach --undo" lanspan_a detach --undo w0
attached_again "what was left"
ip -n sa link add away type veth peer name away1
ip -n sa link set away master br0
leave --confirm-within 2
check "br0 stays" grep -q "br0 stays: it has 1 other port" "$W/log/attach.log"
ended 1 "taken back"
attached_again "beside another port"
ip -n sa link del away
detach
as_before "detach"
logged_in "detach after all"

step "confirmed from elsewhere; taken back from elsewhere"
begin w0 --bridge br0 --confirm-within $((20 * PATIENCE))
check "attach --undo" lanspan_a attach --undo w0
ended 1 "taken back"
as_before "attach --undo"
begin w0 --bridge br0 --confirm-within $((20 * PATIENCE))
check "attach --confirm" lanspan_a attach --confirm w0
ended 0 "confirmed"
check "it stays" test "$(link w0 .master)" = br0
check "confirmed twice is confirmed" lanspan_a attach --confirm w0
detach
as_before "detach"
refused "not attached" attach --confirm w0

step "detached twice at once"
begin w0 --bridge br0 --confirm-within $((20 * PATIENCE))
check "attach --confirm" lanspan_a attach --confirm w0
ended 0 "confirmed"
# One has read what is to be taken back, and waits at the lock while the other does it.
spawn sa "$W/log/late.log" strace -f -qq -o "$W/strace" -e trace=fcntl \
	-e inject=fcntl:delay_enter=2000000 "$BIN/lanspan" detach w0
late=$SPAWNED
sleep 0.7
detach
as_before "detach"
! wait "$late" || fail "detached twice"
if grep -q "not permitted" "$W/log/late.log"; then
	echo "  --  strace may not look"
else
	check "the other finds nothing" grep -q "is not attached" "$W/log/late.log"
fi
as_before "the late one"

step "the guardian is killed"
guardian() {
	jq .guardian "$W/run/attach-w0.state"
}
begin w0 --bridge br0 --confirm-within 60
kill -KILL "$(guardian)"
ended 1 "the guardian was killed"
as_before "its first process takes it back"
begin w0 --bridge br0 --confirm-within 60
kill -STOP "$FIRST"
kill -KILL "$(guardian)"
end "$FIRST" KILL
refused "guardian of w0 was killed: lanspan attach --undo" attach --confirm w0
refused "killed half-way: lanspan attach --undo w0" attach w0 --bridge br1
refused "never confirmed: lanspan attach --undo" detach w0
check "attach --undo" lanspan_a attach --undo w0
as_before "attach --undo of what was left"
logged_in "both were killed"

step "a step fails"
ip -n sa link add taken type veth peer name taken1
refused "taken is no bridge but of the kind veth" attach w0 --bridge taken
bridge_add sa br7
ip -n sa addr add 10.77.0.1/24 dev br7
quiet sa br7
own_of_br7() {
	ip -n sa -j addr show dev br7 | jq -c '.[0].addr_info | map(select(.scope != "link")) | sort'
}
mine=$(own_of_br7)
refused "address fd99.*cannot be put on br7" attach w0 --bridge br7
check "and says that it was taken back" grep -q "taken back: w0 is as it was" "$W/said"
as_before "a bridge without IPv6"
equal "br7's own addresses" "$(own_of_br7)" "$mine"
ip -n sa link del br7
if ip -n sa link add mv0 link w0 type macvlan 2>/dev/null; then
	refused "w0 cannot join br0" attach w0 --bridge br0
	ip -n sa link del mv0
	as_before "a NIC that another one sits on"
fi
equal "br0 is gone" "$(ip -n sa link show br0 2>/dev/null | wc -l)" 0

step "into a bridge that was there"
bridge_add sa br7
ip -n sa addr add 10.77.0.1/24 dev br7
ip -n sa addr add 10.99.0.1/24 brd + dev br7 noprefixroute # w0 has it, too
mine=$(own_of_br7)
begin w0 --bridge br7 --confirm-within $((20 * PATIENCE))
check "attach --confirm" lanspan_a attach --confirm w0
ended 0 "confirmed"
logged_in "in br7"
detach
as_before "detach from br7"
equal "br7's own addresses" "$(own_of_br7)" "$mine"
ip -n sa link set br7 down
begin w0 --bridge br7 --confirm-within $((20 * PATIENCE))
check "br7 was brought up" test "$(link br7 '.flags | index("UP") != null')" = true
check "attach --undo" lanspan_a attach --undo w0
check "br7 is down again" test "$(link br7 '.flags | index("UP") != null')" = false
as_before "a bridge that was down"
ip -n sa link del br7

step "what is refused"
refused "IFACE|too many|missing" attach w0
refused "no such option" attach w0 --bridge br0 --now
refused "must be 1 to" attach w0 --bridge br0 --confirm-within 0
refused "stand alone" attach --confirm w0 --force
refused "no such NIC" attach nobody --bridge br0
refused "lo is loopback" attach lo --bridge br0
bridge_add sa br8
refused "br8 is a bridge itself.*bridge = br8" attach br8 --bridge br0
ip -n sa link set taken master br8
refused "taken is in the bridge br8 already" attach taken --bridge br0
ip -n sa link del br8
for kind in "vrf table 9" bond; do
	# shellcheck disable=SC2086 # words
	ip -n sa link add over type $kind 2>/dev/null || continue
	ip -n sa link set taken master over
	refused "taken belongs to over, a ${kind%% *}: attach that one" attach taken --bridge br0
	ip -n sa link del over
done
ip -n sa link del taken
on sa ip tuntap add dev tun9 mode tun
refused "tun9 carries no Ethernet" attach tun9 --bridge br0
on sa ip tuntap del dev tun9 mode tun
# wifi ARGUMENT...: the same, where w0 looks like Wi-Fi
wifi() {
	on sa sh -c 'cp -r /sys/class/net/w0/type /run/type && mount -t tmpfs none /sys/class/net &&
		mkdir -p /sys/class/net/w0/phy80211 && cp /run/type /sys/class/net/w0/type &&
		exec "$0" "$@"' "$BIN/lanspan" "$@" >"$W/said" 2>&1 </dev/null
}
check "Wi-Fi" eval '! wifi attach w0 --bridge br0'
check "and why" grep -q "one MAC address only" "$W/said"
check "--force tries it all the same" eval \
	'! wifi attach w0 --bridge br0 --confirm-within 1 --force && grep -q "w0 is in br0" "$W/said"'
as_before "Wi-Fi by force"

step "who else configures it"
index=$(link w0 .ifindex)
mkdir -p /run/systemd/netif/links /run/NetworkManager/devices /run/network
echo ADMIN_STATE=configured >"/run/systemd/netif/links/$index"
printf '[device]\nmanaged=true\n' >"/run/NetworkManager/devices/$index"
echo w0=w0 >/run/network/ifstate.w0
printf '#!/bin/sh\nread -r _ </run/never\n' >/run/dhclient
mkfifo /run/never
chmod +x /run/dhclient
spawn sa "$W/log/dhclient.log" /run/dhclient -4 w0
DHCP=$SPAWNED
wait_for 5 "" pgrep -x dhclient
begin w0 --bridge br0 --confirm-within $((20 * PATIENCE))
lanspan_a attach --undo w0
for words in "systemd-networkd configures w0" "nmcli connection add type bridge ifname br0" \
	"bridge_ports w0" "dhclient (process $DHCP) renews the address of w0"; do
	check "$words" grep -qF "$words" "$W/log/attach.log"
done
end "$DHCP"
echo ADMIN_STATE=unmanaged >"/run/systemd/netif/links/$index"
printf '[device]\nmanaged=unmanaged\n' >"/run/NetworkManager/devices/$index"
rm /run/network/ifstate.w0
begin w0 --bridge br0 --confirm-within $((20 * PATIENCE))
lanspan_a attach --undo w0
check "nothing is said of who does not" eval '! grep -qE "configures|renews" "$W/log/attach.log"'
as_before "managers"

step "with the tunnel on it"
keys a b
peer a b 10.98.0.2:7741
peer b a 10.99.0.1:7741
host b b
connect
refused "span0 is the TAP of a:.*bridge = NAME" attach span0 --bridge br0
ip -n sa link add other type veth peer name other1
ip -n sa link set other1 up
ip -n sa link set other up
ip -n sa route append default dev other metric 50
refused "route 0.0.0.0/0 of table 254 goes by w0 and by another link" attach w0 --bridge br0
ip -n sa link del other
as_before "another link's route"
# A way that is for links of group 7 only.
a link set w0 group 7
a rule add to 10.98.0.0/16 table main suppress_ifgroup 0 priority 10
a rule add unreachable to 10.98.0.0/16 priority 11
logged_in "before"
refused "b of a at 10.98.0.2:7741 would be cut off: its way is gone" attach w0 --bridge br0
check "and says that it was taken back" grep -q "taken back: w0 is as it was" "$W/said"
check "a and b are still up" both_up a b
on sa env SSH_CONNECTION="10.98.0.2 4000 10.99.0.1 22" "$BIN/lanspan" attach w0 --bridge br0 \
	>"$W/said" 2>&1
check "who is logged in counts, too" grep -q "this ssh session at 10.98.0.2" "$W/said"
a rule del priority 10
a rule del priority 11
as_before "the tunnel would be cut"
begin w0 --bridge br0 --confirm-within $((20 * PATIENCE))
check "attach --confirm" lanspan_a attach --confirm w0
ended 0 "confirmed"
check "a and b are still up" both_up a b
wait_for 10 "office host reaches b's host" pings ho 192.168.77.2
wait_for 10 "b's host reaches the office host" pings hb 192.168.77.50
logged_in "tunnel"
detach
check "br0 stays, for the TAP" grep -q "br0 stays: it has 1 other port" "$W/log/attach.log"
bridge_stop a b
ip -n sa link del br0
as_before "detach beside the TAP"

step "a NIC that was down"
ip -n sa link set w0 down
begin w0 --bridge br0 --confirm-within $((20 * PATIENCE))
check "it was brought up" test "$(link w0 '.flags | index("UP") != null')" = true
check "attach --undo" lanspan_a attach --undo w0
check "it is down again" test "$(link w0 '.flags | index("UP") != null')" = false

step "a NIC that is renamed"
pair() { # u0, with an address and a route
	ip -n sa link add u0 type veth peer name u1
	ip -n sa link set u1 up
	ip -n sa link set u0 up
}
pair
ip -n sa addr add 10.66.0.1/24 dev u0
ip -n sa route add 10.67.0.0/16 via 10.66.0.254
four() {
	{
		ip -n sa -4 -o addr show dev "$1" | awk '{ print $4 }'
		ip -n sa -4 route show dev "$1" | sed 's/ *linkdown//' | sort
	} | xargs
}
before=$(four u0)
into_br7() {
	begin u0 --bridge br7 --confirm-within $((20 * PATIENCE))
	check "attach --confirm" lanspan_a attach --confirm u0
	ended 0 "confirmed: u0 stays in br7"
	equal "addresses and routes, on br7" "$(four br7)" "$before"
}
out_of_br7() {
	: >"$W/log/attach.log"
	spawn sa "$W/log/attach.log" "$BIN/lanspan" detach u0 --confirm-within $((20 * PATIENCE))
	FIRST=$SPAWNED
	wait_for 10 "u0 is out" grep -q "taken back in" "$W/log/attach.log"
}
rename() {
	ip -n sa link set "$1" down
	ip -n sa link set "$1" name "$2"
	ip -n sa link set "$2" up
}
into_br7
ip -n sa link add v0 type veth peer name v1
ip -n sa link set v1 up
ip -n sa link set v0 up master br7
rename u0 lan0
ip -n sa link add u0 type veth peer name u2 # which is not it
out_of_br7
equal "addresses and routes, on lan0" "$(four lan0)" "$before"
check "detach --undo" lanspan_a detach --undo u0
ended 1 "taken back"
equal "addresses and routes, on br7" "$(four br7)" "$before"
equal "bridge of lan0" "$(link lan0 .master)" br7
out_of_br7
check "detach --confirm" lanspan_a detach --confirm u0
ended 0 "confirmed: u0 is out of br7"
equal "addresses and routes, on lan0" "$(four lan0)" "$before"
equal "on br7" "$(four br7)" ""
ip -n sa link del u0
rename lan0 u0
ip -n sa addr replace 10.66.0.1/24 dev u0
ip -n sa route replace 10.67.0.0/16 via 10.66.0.254

step "a NIC that is pulled"
into_br7
refused "u0 is there: lanspan detach u0" detach --forget u0
ip -n sa link del u0
refused "the NIC that was u0 is gone.*detach --forget u0" detach u0
equal "addresses and routes, on br7" "$(four br7)" "$before"
pair
refused "u0 is attached to br7 already" attach u0 --bridge br7
refused "the NIC that was u0 is gone.*detach --forget u0" detach u0
equal "addresses and routes, on br7" "$(four br7)" "$before"
refused "no such option" attach --forget u0
refused "nobody is not attached" detach --forget nobody
check "detach --forget" lanspan_a detach --forget u0
refused "u0 is not attached" detach --forget u0
equal "addresses and routes, on br7" "$(four br7)" "$before"
into_br7
elsewhere='u0 of another network namespace is attached: lanspan detach there'
as_b() {
	on sb "$BIN/lanspan" "$@" 2>&1
}
for verb in "detach u0" "attach u0 --bridge br7" "attach --undo u0"; do
	# shellcheck disable=SC2086 # words
	as_b $verb | grep -q "$elsewhere" || fail "$verb, in another namespace"
done
check "in another namespace it is not taken for one there" test -e "$W/run/attach-u0.state"
check "but forgotten, when that is asked for" as_b detach --forget u0
check "nothing is known of it" test ! -e "$W/run/attach-u0.state"
ip -n sa link set u0 nomaster
echo nonsense >"$W/run/attach-u0.state"
refused "makes no sense: lanspan detach --forget u0" attach u0 --bridge br7
check "detach --forget of what makes no sense" lanspan_a detach --forget u0
begin u0 --bridge br7 --confirm-within $((20 * PATIENCE))
check "attach --undo" lanspan_a attach --undo u0
ended 1 "taken back"
equal "addresses and routes, on br7" "$(four br7)" "$before"
ip -n sa link del u0
ip -n sa addr flush dev br7

step "a NIC that is pulled while nobody has confirmed"
pair
ip -n sa addr add 10.66.0.1/24 dev u0
ip -n sa route add 10.67.0.0/16 via 10.66.0.254
into_br7
out_of_br7
equal "on br7" "$(four br7)" ""
ip -n sa link del u0
! lanspan_a detach --undo u0 || fail "put back without a NIC"
ended 1 "not all could be taken back: the NIC that was u0 is gone"
equal "addresses and routes, on br7" "$(four br7)" "$before"
check "detach --forget" lanspan_a detach --forget u0
