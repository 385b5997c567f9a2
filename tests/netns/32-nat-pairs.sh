#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 700
# beside: yes
#
# Every pair of translators: sites that know no more than a relay and each other's
# keys are direct within 2 s where that can be, relayed where not, and stay so.
#
#   sa --- plain -----------+                +--- plain ----------- sb
#   sc --- masq ------------+=== wan === ====+--- masq ------------ sd
#   se --- cone ------------+     |          +--- cone ------------ sf
#   sg --- symmetric -------+   r-hub        +--- symmetric ------- sh
#   si --- masq in masq ----+                +--- masq in masq ---- sj
#   sk and sl --- one masq; sm and sn --- one symmetric; so and sp --- masq in one masq
#
# That they cannot meet where relayed is wanted is shown by 31-nat-stage.sh.
#
#   LONG   set: paths are watched for 300 s instead of 8 s
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-nat.sh
. "$TOP/tests/netns/lib-nat.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping
story "every pair of translators"
relay_by_anybody
relay_program
nat_need
WATCH=8 # four times as long as flows are remembered
[ -z "${LONG:-}" ] || WATCH=300

LEFT="a c e g i"
RIGHT="b d f h j"
SAME="kl mn op" # behind the same translator
underlay
keys a b c d e f g h i j k l m n o p
relay hub
relay_open hub
relay_start hub
for place in l r s; do # left, right, the same
	for kind in none masq cone symmetric; do
		nat $kind-$place $kind
	done
	nat out-$place masq
	nat nest-$place masq out-$place
done
for place in l r; do
	set -- $LEFT
	[ $place = l ] || set -- $RIGHT
	for kind in none masq cone symmetric nest; do
		plug "$1" $kind-$place
		shift
	done
done
for pair in $SAME; do
	case $pair in kl) kind=masq ;; mn) kind=symmetric ;; *) kind=nest ;; esac
	plug ${pair:0:1} $kind-s
	plug ${pair:1} $kind-s
done
for s in "${!KEY[@]}"; do
	host $s $s
done

kind() { # SITE
	echo "${INSIDE[$1]%-*}"
}

# wanted PAIR: direct or relayed
wanted() {
	local a=${1:0:1} b=${1:1}
	case "$(kind $a) $(kind $b)" in
	"symmetric symmetric") [ "${INSIDE[$a]}" = "${INSIDE[$b]}" ] && echo direct || echo relayed ;;
	"symmetric masq" | "masq symmetric" | "symmetric nest" | "nest symmetric") echo relayed ;;
	*) echo direct ;;
	esac
}

# known PAIR...: the two know each other, and nobody else
known() {
	local pair
	PEER=()
	for pair; do
		peer ${pair:0:1} ${pair:1}
		peer ${pair:1} ${pair:0:1}
	done
	for pair; do
		for s in ${pair:0:1} ${pair:1}; do
			conf_write $s
			relay_of $s hub
		done
	done
}

forget_all() {
	local n
	for n in "${!NAT_KIND[@]}"; do
		nat_forget $n
	done
}

# look SITE...: which way each says that it reaches the others
declare -A WAY=()
look() {
	local s peer way
	for s; do
		while read -r peer way; do
			WAY[$s$peer]=$way
		done <<<"$(show $s '.peers[] | "\(.name) \(.path)"')"
	done
}

both_ways() { # PAIR
	local way
	way=$(wanted $1)
	[ "${WAY[$1]:-}" = "$way" ] && [ "${WAY[${1:1}${1:0:1}]:-}" = "$way" ]
}

settled() { # PAIR...
	local pair
	WAY=()
	# shellcheck disable=SC2046 # letters
	look $(fold -w 1 <<<"$*" | sort -u)
	for pair; do
		both_ways $pair || return 1
	done
}

# pairs_meet PAIR...: all start at the same time, from nothing
pairs_meet() {
	local pair sites s since
	local -A after=()
	sites=$(sed 's/\([a-z]\)\([a-z]\)/\1 \2/g' <<<"$*")
	forget_all
	known "$@"
	bridge_start $sites
	since=$(now)
	while [ ${#after[@]} -lt $# ]; do
		settled "$@"
		for pair; do
			[ -n "${after[$pair]:-}" ] || ! both_ways $pair || after[$pair]=$(since "$since")
		done
		[ "$(since "$since" | cut -d . -f 1)" -lt $((10 * PATIENCE)) ] || break
	done
	for pair; do
		speed "$(kind ${pair:0:1}) and $(kind ${pair:1}) are $(wanted $pair) after s" \
			"${after[$pair]:-}" 0 $((2 * PATIENCE))
	done
	for pair; do
		pings h${pair:0:1} "192.168.77.$(number ${pair:1})" || fail "$pair: no ping"
	done
	holds 1 "there is a ping between each two, and they stay so" settled "$@"
	for s in $sites; do
		bridge_stop $s
	done
}

step "each pair, from nothing; five at a time"
read -ra right <<<"$RIGHT"
for turn in 0 1 2 3 4; do
	pairs=()
	for s in $LEFT; do
		pairs+=("$s${right[(${#pairs[@]} + turn) % 5]}")
	done
	pairs_meet "${pairs[@]}"
done
step "two behind the same translator"
pairs_meet $SAME

step "all ten know each other; flows that are silent for 2 s are forgotten"
forget_all
all=()
for s in $LEFT $RIGHT; do
	for o in $LEFT $RIGHT; do
		[[ $s < $o ]] && all+=("$s$o")
	done
done
for s in $LEFT $RIGHT; do
	conf $s site keepalive 1
done
known "${all[@]}"
for n in "${!NAT_KIND[@]}"; do
	nat_timeout $n 2
done
bridge_start $LEFT $RIGHT
wait_for 30 "all ${#all[@]} pairs are as they should be" settled "${all[@]}"
flows=()
FLOWS="aj ci dg eh fi gh cd ig bh" # the others are idle
for pair in $FLOWS; do
	spawn h${pair:0:1} "$W/log/ping-$pair.log" ping -D -i 0.5 "192.168.77.$(number ${pair:1})"
	flows+=("$SPAWNED")
done
changes() { # in all sites
	local s
	for s in $LEFT $RIGHT; do
		show $s '.peers[].path_changes'
	done | awk '{ n += $1 } END { print n }'
}
calm_begin ha
began=$(now)
before=$(changes)
sleep "$WATCH" # not a wait for something: the time itself is the test
equal "changes of path in $WATCH s" "$(($(changes) - before))" 0
check "all pairs are as they were" settled "${all[@]}"
for flow in "${flows[@]}"; do
	end "$flow" INT
done
calm_end
for pair in $FLOWS; do
	speed "longest silence of h${pair:0:1} to h${pair:1}, s" "$(gap "$W/log/ping-$pair.log" "$began")" 0 "$(with_calm 1.1)"
done
