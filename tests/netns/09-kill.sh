#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A bridge process is killed and started again: traffic is back within 2 s.
#
#   ha --- sa === wan0 === sb --- hb
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping
story "kill -9 and start again"

two_sites
two_hosts
connect

# killed SITE: the first answer after the start, in a ping every 50 ms
killed() {
	local started first ping
	: >"$W/log/ping.log"
	spawn ha "$W/log/ping.log" ping -D -i 0.05 192.168.77.2
	ping=$SPAWNED
	wait_for 3 "" grep -q "bytes from" "$W/log/ping.log"
	bridge_kill "$1"
	wait_for 2 "" no_answer
	started=$(now)
	bridge_run "$1"
	wait_for 10 "" answered_after "$started"
	first=$(answer_after "$started")
	end "$ping" INT
	between "site $1 killed, $2: s until traffic is back" \
		"$(awk -v a="$started" -v b="$first" 'BEGIN { print b - a }')" 0 "$((2 * PATIENCE))"
}

# The first answer's time after THEN, if any.
answer_after() {
	sed -n 's/^\[\([0-9.]*\)\] .*bytes from.*/\1/p' "$W/log/ping.log" |
		awk -v t="$1" '$1 > t { print $1; exit }'
}

answered_after() {
	[ -n "$(answer_after "$1")" ]
}

no_answer() {
	! pings ha 192.168.77.2 -W 0.2
}

check "ping before" pings ha 192.168.77.2
killed a "both know an address"
killed b "both know an address"
killed a "again"

step "only a knows an address"
bridge_stop a
bridge_stop b
peer b a
connect
check "ping before" pings ha 192.168.77.2
killed a "it knows the address"
killed b "it knows none"
