# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Relays on the stage.  A story that has one sources this after lib.sh, and calls
# relay_program before its first step.
#
# A relay NAME has its namespace r-NAME with w0 in the underlay, its folder
# etc/NAME with NAME.conf and its key, its control socket in a folder of its own,
# and runs as the user nobody, without capabilities.

declare -A RELAY_PID=()
# shellcheck disable=SC2034 # for stories
declare -A RELAY_KEY=()
NOBODY=65534
AS_NOBODY=(setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups --inh-caps=-all
	--bounding-set=-all --pdeathsig KILL)

# relay_program: a copy of it, as story makes of the others
relay_program() {
	local folder=${HELPERS%/netns}
	{ [ -x "$folder/lanspan-relay" ] && install "$folder/lanspan-relay" /run/programs/; } ||
		skip "no lanspan-relay in $folder"
	"${AS_NOBODY[@]}" true 2>/dev/null || skip "nobody cannot be played here: be root"
}

# relay_by_anybody: where nobody cannot be played, relays run as the only user there is;
# for stories that are about something else
relay_by_anybody() {
	"${AS_NOBODY[@]}" true 2>/dev/null && return
	NOBODY=$(id -u)
	AS_NOBODY=(setpriv --inh-caps=-all --bounding-set=-all --pdeathsig KILL)
}

# relay NAME [NUMBER]: its namespace at 10.99.0.NUMBER and fd99::NUMBER, its key
relay() {
	local n=${2:-200}
	netns "r-$1"
	cable "r-$1" wan wan0 "r-$1"
	ip -n "r-$1" addr add "10.99.0.$n/24" dev w0
	ip -n "r-$1" addr add "fd99::$n/64" dev w0 nodad
	ip -n "r-$1" route add default via 10.99.0.254
	ip -n "r-$1" route add default via fd99::fe
	mkdir "$W/etc/$1" "$W/run/$1"
	chown $NOBODY "$W/run/$1"
	# shellcheck disable=SC2034 # for stories
	RELAY_KEY[$1]=$("$BIN/lanspan" keygen "$W/etc/$1/$1.key") || fail "lanspan keygen"
	chown $NOBODY "$W/etc/$1/$1.key"
}

# relay_conf NAME: its configuration is what comes in
relay_conf() {
	cat >"$W/etc/$1/$1.conf"
}

# relay_open NAME: a configuration that takes any site of any network
relay_open() {
	printf '[relay]\nkey_file = %s.key\naccess = open\n' "$1" | relay_conf "$1"
}

# relay_run NAME [COMMAND-PREFIX...]: starts it, without waiting
relay_run() {
	local r=$1
	shift
	spawn "r-$r" "$W/log/$r.log" env LANSPAN_RUNDIR="$W/run/$r" "$@" "${AS_NOBODY[@]}" \
		"$BIN/lanspan-relay" -c "$W/etc/$r/$r.conf"
	RELAY_PID[$r]=$SPAWNED
}

relay_ready() {
	show "$1" .relay >/dev/null
}

relay_ready_or_gone() {
	gone "${RELAY_PID[$1]}" || relay_ready "$1"
}

# relay_start NAME...: starts each, and waits until it answers
relay_start() {
	local r
	for r in "$@"; do
		relay_run "$r"
		wait_for 10 "" relay_ready_or_gone "$r"
		alive "${RELAY_PID[$r]}" || fail "relay $r ended at start: $(cat "$W/log/$r.log")"
		relay_ready "$r" || fail "relay $r does not answer"
	done
}

# relay_stop NAME: SIGTERM; the exit status must be 0
relay_stop() {
	end "${RELAY_PID[$1]}"
	unset "RELAY_PID[$1]"
	[ "$ENDED" = 0 ] || fail "relay $1 ended with status $ENDED"
}

relay_kill() {
	end "${RELAY_PID[$1]}" KILL
	unset "RELAY_PID[$1]"
}

# relay_drops NAME [REASON]: what the relay dropped, all in all or for that
relay_drops() {
	"$BIN/lanspan" -i "$1" show drops --json | jq --arg r "${2:-}" '[.drops[] |
		select(.where == "relay" and ($r == "" or .reason == $r)) | .count] | add // 0'
}

# relay_of SITE RELAY [KEY VALUE]...: adds it to the site's configuration as
# conf_write wrote it
relay_of() {
	local s=$1 r=$2 address
	shift 2
	address=$(ip -n "r-$r" -o -4 addr show dev w0 | awk '{ sub("/.*", "", $4); print $4 }')
	printf '[relay %s]\npublic_key = %s\naddress = %s\n' "$r" "${RELAY_KEY[$r]}" "$address" \
		>>"$W/etc/$s.conf"
	while [ $# -ge 2 ]; do
		echo "$1 = $2" >>"$W/etc/$s.conf"
		shift 2
	done
}

# member RELAY SITE FIELD: what the relay shows of it
member() {
	"$BIN/lanspan" -i "$1" show members --json |
		jq -er --arg s "$2" ".members[] | select(.name == \$s) | $3" 2>/dev/null
}
