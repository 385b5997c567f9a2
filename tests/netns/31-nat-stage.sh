#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The translators of lib-nat.sh are what they say: what a port becomes for several
# destinations, who may send in, who can meet whom, how long flows are known.  No
# lanspan-bridge plays in this one: later stories trust in what is shown here.
#
#   sa --- plain router ---+        wan: the echo, at 10.99.0.200 and .201
#   sb --- masq -----------+        sg and sh --- shared (masq)
#   sc --- cone -----------+=== wan
#   sd --- symmetric ------+        sf: no router at all
#   se --- inner (masq) --- masq outer
# beside: yes
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
story "what translators do"
nat_need
helper natprobe

underlay
nat plain none
nat masq masq
nat cone cone
nat symmetric symmetric
nat outer masq
nat inner masq outer
nat shared masq
nat_ipv6 plain
nat_ipv6 masq
plug a plain
plug b masq
plug c cone
plug d symmetric
plug e inner
plug f
plug g shared
plug h shared

X=10.99.0.200 Y=10.99.0.201
for address in $X $Y; do
	ip -n wan addr add $address/24 dev wan0
done
ip -n wan addr add fd99::200/64 dev wan0 nodad
ip -n wan addr add fd99::201/64 dev wan0 nodad
spawn wan "$W/log/echo.log" "$HELPER" echo $X:1000 $X:1001 $Y:1000
wait_for 5 "" grep -q listening "$W/log/echo.log" || fail "no echo"
spawn wan "$W/log/echo6.log" "$HELPER" echo "[fd99::200]:1000" "[fd99::200]:1001" "[fd99::201]:1000"
wait_for 5 "" grep -q listening "$W/log/echo6.log" || fail "no echo"

# ask SITE PLACE...: the answers on one line
ask() {
	local site=$1
	shift
	on "s$site" "$HELPER" -w $((PATIENCE / 2)).5 ask "$@" | tr '\n' ' ' | sed 's/ $//'
}

# seen SITE: as X, another port of X, and Y see it
seen() {
	ask "$1" $X:1000 $X:1001 $Y:1000
}

step "mapping: what three destinations see of port 7741"
equal "no router" "$(seen f)" "10.99.0.6:7741 10.99.0.6:7741 10.99.0.6:7741"
equal "plain router" "$(seen a)" "10.1.0.1:7741 10.1.0.1:7741 10.1.0.1:7741"
equal "masq" "$(seen b)" "10.99.0.102:7741 10.99.0.102:7741 10.99.0.102:7741"
equal "cone" "$(seen c)" "10.99.0.103:40003 10.99.0.103:40003 10.99.0.103:40003"
equal "masq behind masq" "$(seen e)" "10.99.0.105:7741 10.99.0.105:7741 10.99.0.105:7741"
random=$(seen d)
check "symmetric: one address: $random" \
	grep -qx '10\.99\.0\.104:[0-9]* 10\.99\.0\.104:[0-9]* 10\.99\.0\.104:[0-9]*' <<<"$random"
equal "symmetric: three ports" "$(tr ' ' '\n' <<<"$random" | sort -u | wc -l)" 3
check "symmetric: the same one for the same destination" [ "$(ask d $X:1000)" = "${random%% *}" ]

step "two sites behind one masq: the second one's port cannot be kept where it is taken"
equal "the first" "$(ask g $X:1000)" 10.99.0.107:7741
second=$(ask h $X:1000)
check "the second: $second" [ "${second%:*}" = 10.99.0.107 ]
check "it has another port" [ "$second" != 10.99.0.107:7741 ]
on sh "$HELPER" punch 10.7.0.7:7741 >/dev/null &
equal "they meet at their own addresses" "$(on sg "$HELPER" punch 10.7.0.8:7741)" 10.7.0.8:7741
wait $!

step "filtering: who else may answer"
# others SITE: asks X; another port of X shall answer, then Y; no flow is known before
others() {
	local n=${INSIDE[$1]}
	until [ -z "$n" ]; do
		nat_forget "$n"
		n=${NAT_BEHIND[$n]}
	done
	ask "$1" $X:1000/1 $X:1000/2
}
equal "plain router: everybody" "$(others a)" "10.1.0.1:7741 10.1.0.1:7741"
equal "cone: everybody" "$(others c)" "10.99.0.103:40003 10.99.0.103:40003"
for s in b d e g; do
	equal "${INSIDE[$s]}: nobody" "$(others $s)" "- -"
done

step "a packet that nobody asked for takes nobody's place"
nat_forget masq
on sf "$HELPER" punch 10.99.0.102:7741 >/dev/null
on sb "$HELPER" punch 10.99.0.6:7741 >/dev/null &
equal "masq keeps the port for whom it refused" "$(on sf "$HELPER" punch 10.99.0.102:7741)" \
	10.99.0.102:7741
wait $!

# meet SITE OTHER: both knock at what Y saw of the other; met, or what each got
meet() {
	local pid
	place[$1]=$(ask "$1" $Y:1000)
	place[$2]=$(ask "$2" $Y:1000)
	on "s$1" "$HELPER" punch "${place[$2]}" >"$W/one" &
	pid=$!
	on "s$2" "$HELPER" punch "${place[$1]}" >"$W/two"
	wait $pid
	case $(cat "$W/one" "$W/two") in
	-?-) echo never ;;
	*-*) echo "half: $(tr '\n' ' ' <"$W/one")$(cat "$W/two")" ;;
	*) echo met ;;
	esac
}
declare -A place=()

step "who can meet whom, each knowing what the echo saw of the other"
for pair in fa fb fc fd fe ab ac ad ae bc be bg cd ce cg; do
	equal "${pair:0:1} (${INSIDE[${pair:0:1}]:-no router}) and ${pair:1} (${INSIDE[${pair:1}]})" \
		"$(meet "${pair:0:1}" "${pair:1}")" met
done
for pair in bd de dg; do
	equal "${pair:0:1} (${INSIDE[${pair:0:1}]}) and ${pair:1} (${INSIDE[${pair:1}]})" \
		"$(meet "${pair:0:1}" "${pair:1}")" never
done
nat other symmetric
plug i other
equal "two symmetric ones" "$(meet d i)" never

step "blocked in the underlay"
nat_block b c
equal "b and c" "$(meet b c)" never
equal "b and a as before" "$(meet b a)" met
nat_block b a
equal "b and a, who is routed" "$(meet b a)" never
equal "b and the echo" "$(ask b $X:1000)" 10.99.0.102:7741
nat_unblock b c
nat_unblock b a
equal "b and c again" "$(meet b c)" met
equal "b and a again" "$(meet b a)" met

step "time-outs and forgetting"
knows() { # NAT
	[ "$(nat_flows "$1")" != 0 ]
}
nat_forget masq
ask b $X:1000 >/dev/null
check "a flow is known" knows masq
holds 2 "it stays known" knows masq
nat_forget masq
check "forgotten" eval '! knows masq'
nat_timeout masq "$PATIENCE"
ask b $X:1000 >/dev/null
check "known with a time-out of $PATIENCE s" knows masq
wait_for 3 "gone by itself" eval '! knows masq'
nat_forget masq rebind
equal "masq gives another port" "$(seen b)" "10.99.0.102:7841 10.99.0.102:7841 10.99.0.102:7841"
nat_forget cone rebind
equal "cone too" "$(seen c)" "10.99.0.103:40103 10.99.0.103:40103 10.99.0.103:40103"
equal "cone: still everybody" "$(others c)" "10.99.0.103:40103 10.99.0.103:40103"

step "a site moves"
plug b cone
equal "b behind the cone" "$(seen b)" "10.99.0.103:40102 10.99.0.103:40102 10.99.0.103:40102"
equal "b: everybody" "$(others b)" "10.99.0.103:40102 10.99.0.103:40102"
plug b
equal "b in the underlay" "$(seen b)" "10.99.0.2:7741 10.99.0.2:7741 10.99.0.2:7741"
plug b masq

step "IPv6: no translation; a filter at masq, none at the plain router"
asks6() {
	ask "$1" "[fd99::200]:1000" "[fd99::200]:1000/1" "[fd99::200]:1000/2"
}
equal "plain router" "$(asks6 a)" "[fd99:1::1]:7741 [fd99:1::1]:7741 [fd99:1::1]:7741"
equal "masq" "$(asks6 b)" "[fd99:2::2]:7741 - -"
