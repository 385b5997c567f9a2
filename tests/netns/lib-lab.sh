# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Labs: ports in configurations, and guests at them that need no virtual machine.

declare -A GUEST=() # process id of a guest's wire

# port SITE NAME KEY=VALUE...: a section of the site's configuration; without settings
# there is none any more
port() {
	local at="$1|$2"
	shift 2
	unset "PORT[$at]"
	# shellcheck disable=SC2034 # conf_write's
	[ $# = 0 ] || PORT["$at"]=$(printf '%s\n' "$@" | sed 's/=/ = /')
}

# guest NAME N SITE [-v VLAN] WIRE...: a namespace gNAME with e0, 192.168.77.N, whose wire is
# at the site; see guest.c
guest() {
	local name=$1 n=$2 site=$3
	shift 3
	netns "g$name"
	quiet "g$name"
	guest_wire "$name" "$n" "$site" "$@"
}

# guest_wire NAME N SITE WIRE...: the same guest, with another wire
guest_wire() {
	local name=$1 n=$2 site=$3 tag=()
	shift 3
	[ "$1" != -v ] || { tag=(-v "$2") && shift 2; }
	helper guest
	: >"$W/guest-$name.log"
	spawn "g$name" "$W/guest-$name.log" "$HELPER" "${tag[@]}" -n "s$site" e0 "$@"
	# shellcheck disable=SC2034 # the story's
	GUEST["$name"]=$SPAWNED
	wait_for 5 "" ip -n "g$name" link show e0 || fail "guest $name has no e0"
	ip -n "g$name" addr replace "192.168.77.$n/24" dev e0
	ip -n "g$name" link set e0 address "02:00:00:00:77:$(printf %02x "$n")" up
}

# port_get SITE NAME FIELD: such as .rx.frames
port_get() {
	show "$1" ".ports[] | select(.name == \"$2\") | $3"
}

# port_is SITE NAME FIELD VALUE
port_is() {
	[ "$(port_get "$1" "$2" "$3")" = "$4" ]
}
