# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the stories in this folder share: a private world of network namespaces,
# sites with a bridge process each, hosts behind them, waiting and asserting.
#
# A story is a bash program that sources this file first.  The file then runs
# the story again inside a mount and network namespace of its own (and in a user
# namespace when it is not root), where /run is a tmpfs: nothing that a
# story makes can be seen from the machine, and all of it goes with the story.
#
#   BIN       folder of lanspan-bridge and lanspan, default build
#   KEEP      set: the work folder with logs and captures is left, and named
#   PATIENCE  factor on every time limit, for sanitizers and slow machines
#   LANSPAN_SHARED  folder of known answers, default ../shared
#   LANSPAN_EMULATED  set by vm/netns.sh: the processor is emulated
#
# Exit status of a story: 0 passed, 77 skipped with a word, 1 failed.

set -u
shopt -s inherit_errexit 2>/dev/null

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
STORY=$(basename "$0" .sh)
case ${BIN:=build} in /*) ;; *) BIN=$TOP/$BIN ;; esac
case ${LANSPAN_SHARED:=../shared} in /*) ;; *) LANSPAN_SHARED=$TOP/$LANSPAN_SHARED ;; esac
PATIENCE=${PATIENCE:-1}
export LC_ALL=C

skip() {
	echo "skip $STORY: $*"
	exit 77
}

# need PROGRAM...: the story is skipped when one is missing
need() {
	local p
	for p in "$@"; do
		command -v "$p" >/dev/null || skip "$p is not installed"
	done
}

# ---- the private world ----------------------------------------------------

PATH=$PATH:/usr/sbin:/sbin
need ip unshare setpriv
if [ "${LANSPAN_WORLD:-}" != inside ]; then
	{ [ -r /dev/net/tun ] && [ -w /dev/net/tun ]; } ||
		skip "/dev/net/tun cannot be opened: it is missing (modprobe tun) or for root only"
	world=(--net --mount)
	[ "$(id -u)" = 0 ] || world=(--user --map-root-user "${world[@]}")
	why=$(unshare "${world[@]}" true 2>&1) || # may also be a chroot that is no mount point
		skip "no namespaces here: $why: be root, or allow user namespaces"
	export LANSPAN_WORLD=inside
	case $BIN in
	*/tsan*) exec setarch -R unshare "${world[@]}" bash "$0" "$@" ;; # its map of memory
	*) exec unshare "${world[@]}" bash "$0" "$@" ;;
	esac
fi
unset LANSPAN_WORLD # not for the children
mount --make-rprivate / 2>/dev/null
{ mount -t tmpfs run /run && mkdir /run/netns /run/programs; } || skip "no tmpfs can be mounted on /run"

W=$(mktemp -d "${TMPDIR:-/tmp}/lanspan-$STORY.XXXXXX")
chmod 755 "$W"
mkdir "$W/etc" "$W/log" "$W/run"
export LANSPAN_RUNDIR=$W/run
declare -a CHILDREN=() # process ids that spawn started
FAILURE=
NOT_JUDGED=0

# on NAMESPACE COMMAND...: runs it there
on() {
	ip netns exec "$@"
}

# spawn NAMESPACE LOG COMMAND...: runs it there in the background; SPAWNED is its
# process id.  It is killed by the kernel when the story dies, however it dies.
spawn() {
	local ns=$1 log=$2
	shift 2
	setpriv --pdeathsig KILL ip netns exec "$ns" "$@" >>"$log" 2>&1 </dev/null &
	SPAWNED=$!
	CHILDREN+=("$SPAWNED")
}

alive() {
	kill -0 "$1" 2>/dev/null
}

# end PID [SIGNAL]: ends a process that spawn started; its status in ENDED
end() {
	{ # quietly: bash would tell of each one that was killed
		kill "-${2:-TERM}" "$1"
		wait_for 10 "" gone "$1" || kill -KILL "$1"
		wait "$1"
		ENDED=$?
	} 2>/dev/null
}

gone() {
	! alive "$1"
}

# ---- telling --------------------------------------------------------------

step() {
	echo "- $*"
}

fail() {
	FAILURE=$*
	echo "FAIL $STORY: $*" >&2
	exit 1
}

# check WHAT COMMAND...: the command must succeed
check() {
	local what=$1
	shift
	"$@" || fail "$what"
	echo "  ok  $what"
}

# equal WHAT GOT WANTED
equal() {
	[ "$2" = "$3" ] || fail "$1: got '$2', wanted '$3'"
	echo "  ok  $1: $2"
}

# between WHAT GOT LOWEST HIGHEST (numbers, fractions too)
between() {
	awk -v g="$2" -v l="$3" -v h="$4" 'BEGIN { exit !(g != "" && g + 0 >= l && g + 0 <= h) }' ||
		fail "$1: got '$2', wanted $3 to $4"
	echo "  ok  $1: $2"
}

at_least() {
	between "$1" "$2" "$3" 1e30
}

# speed WHAT GOT LOWEST [HIGHEST]: a rate or a time, or what hangs on them: as between, but only told
# where the processor is emulated, a tenth as fast or less, for that says nothing of ours
speed() {
	if emulated; then
		between "$1" "$2" -1e30 1e30 >/dev/null # a number, it is
		echo "  --  $1: $2, elsewhere $3 to ${4:-any}"
		NOT_JUDGED=$((NOT_JUDGED + 1))
	else
		between "$1" "$2" "$3" "${4:-1e30}"
	fi
}

emulated() {
	[ -n "${LANSPAN_EMULATED:-}" ]
}

# not_emulated WHY: a story that cannot be told there
not_emulated() {
	! emulated || skip "the processor is emulated: $*"
}

# ---- waiting --------------------------------------------------------------

now() {
	echo "${EPOCHREALTIME/,/.}"
}

# since THEN: seconds from then on
since() {
	awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }'
}

# busy: far more wants to run here than there are processors for
busy() {
	awk -v n="$(nproc)" '{ exit !($1 > 2 * n) }' /proc/loadavg
}

# wait_for SECONDS WHAT COMMAND...: asks again every 20 ms until it succeeds.
# Its names begin with _, for the command sees them (bash scopes are dynamic).
# With an empty WHAT it answers false when the time is over, else the story fails.
# On a busy machine it waits three times as long: bounds that are promised are for
# between.
wait_for() {
	local _seconds=$1 _what=$2 _start=${EPOCHREALTIME/[.,]/} _factor=$PATIENCE
	shift 2
	until "$@" >/dev/null 2>&1; do
		if ((${EPOCHREALTIME/[.,]/} - _start > ${_seconds%.*} * 1000000 * _factor)); then
			if ((_factor == PATIENCE)) && busy; then
				_factor=$((3 * PATIENCE))
				continue
			fi
			[ -z "$_what" ] && return 1
			fail "waited $_seconds s for: $_what"
		fi
		sleep 0.02
	done
	[ -z "$_what" ] || echo "  ok  $_what after $(since "${_start:0:-6}.${_start: -6}") s"
}

# holds SECONDS WHAT COMMAND...: the command must go on succeeding that long
holds() {
	local _seconds=$1 _what=$2 _start=${EPOCHREALTIME/[.,]/}
	shift 2
	while ((${EPOCHREALTIME/[.,]/} - _start < _seconds * 1000000)); do
		"$@" >/dev/null 2>&1 || fail "$_what, but not after $(since "${_start:0:-6}.${_start: -6}") s"
		sleep 0.05
	done
	echo "  ok  $_what for $_seconds s"
}

# steady SECONDS COMMAND...: it says something, and the same when that time is over
steady() {
	local _seconds=$1 _said
	shift
	_said=$("$@") && sleep "$_seconds" && [ "$_said" = "$("$@")" ]
}

# ---- what plays in it ------------------------------------------------------

# shellcheck source=lib-stage.sh
. "$TOP/tests/netns/lib-stage.sh"

# ---- the end --------------------------------------------------------------

told_trouble() {
	grep -l -E 'ERROR: (Address|Leak)Sanitizer|runtime error:|WARNING: ThreadSanitizer' "$W"/log/*.log
}

finish() {
	local status=$? troubled='' p s log
	trap '' HUP INT PIPE TERM
	trap - EXIT
	case $status in 0 | 77 | 129 | 130 | 143) ;; *) troubled=yes ;; esac
	if [ -n "$troubled" ]; then
		for s in "${!PID[@]}"; do
			echo "--- site $s shows" >&2
			"$BIN/lanspan" -i "$s" show >&2
			[ -z "${RELAY_PID[*]:-}" ] || "$BIN/lanspan" -i "$s" show paths >&2
		done
	fi
	for ((p = ${#CHILDREN[@]} - 1; p >= 0; p--)); do
		alive "${CHILDREN[p]}" && kill "${CHILDREN[p]}" 2>/dev/null
	done
	for p in "${CHILDREN[@]}"; do
		PATIENCE=1 wait_for 10 "" gone "$p" || kill -KILL "$p" 2>/dev/null
	done
	for p in /run/netns/*; do # who left the story's hand, as daemons do
		[ ! -e "$p" ] || ip netns pids "${p##*/}" 2>/dev/null | xargs -r kill -KILL 2>/dev/null
	done
	if told_trouble >/dev/null 2>&1; then
		echo "FAIL $STORY: a sanitizer spoke: $(told_trouble)" >&2
		status=1 troubled=yes
	fi
	if [ -n "$troubled" ]; then
		for s in "$W"/etc/*.conf "$W"/etc/*/*.conf; do # sites and relays
			log=$W/log/$(basename "$s" .conf).log
			[ -s "$log" ] && echo "--- what $(basename "$s" .conf) said" && tail -n 60 "$log"
		done >&2
		[ -z "$FAILURE" ] || echo "FAIL $STORY: $FAILURE" >&2
	fi
	if [ -n "${KEEP:-}" ]; then
		echo "left: $W"
	else
		rm -rf "$W"
	fi
	if [ "$status" = 0 ] && [ -z "${QUIET:-}" ]; then
		((NOT_JUDGED == 0)) || echo "figures that nobody judged, for the processor is emulated: $NOT_JUDGED"
		echo "passed $STORY"
	fi
	exit "$status"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# story: a story's first words; skips when the programs are not there, and keeps
# a copy of them, so that a build meanwhile does no harm
story() {
	need jq
	local p
	for p in lanspan-bridge lanspan; do
		{ [ -x "$BIN/$p" ] && install "$BIN/$p" /run/programs/; } || skip "no $p in $BIN"
	done
	HELPERS=$BIN/netns
	BIN=/run/programs
	[ -z "${QUIET:-}" ] && echo "== $STORY: $*"
}
