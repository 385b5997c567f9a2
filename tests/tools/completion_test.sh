#!/bin/bash
# SPDX-License-Identifier: MIT
#
# etc/completion/lanspan, called as bash calls it, beside the table of verbs, and with a
# stand-in for a bridge process (cli_daemon.c).
# shellcheck disable=SC2016 # names such as $(id) are not to be expanded
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
bin=$(cd "$top" && cd "${LANSPAN_BIN:-build}" 2>/dev/null && pwd)
if [ ! -x "$bin/lanspan" ]; then
	echo "skipped: build/lanspan is not built"
	exit 77
fi
tmp=$(mktemp -d) || exit 1
daemons=()
finish() {
	[ ${#daemons[@]} = 0 ] || kill "${daemons[@]}" 2>/dev/null
	rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 1' INT TERM
cd "$tmp" || exit 1
export LANSPAN_RUNDIR=$tmp/run
passed=0
failed=0

# shellcheck source=../../etc/completion/lanspan
. "$top/etc/completion/lanspan"

# completes WANTED WORD...: what the last word may become, ordered, with blanks between
completes() {
	local wanted=$1 got
	shift
	COMP_WORDS=("$bin/lanspan" "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_lanspan
	got=$(printf '%s\n' "${COMPREPLY[@]}" | sort | xargs)
	if [ "$got" = "$wanted" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL lanspan $*: '$got', not '$wanted'"
	fi
}

# The one table of verbs, in order.
verbs=$(sed -n '/^static const struct cli_verb verbs/,/^}/s/^\t{ "\([a-z-]*\)".*/\1/p' \
	"$top/src/lanspan/main.c" | sort | xargs)
[ "$(wc -w <<<"$verbs")" -ge 15 ] || {
	failed=$((failed + 1))
	echo "FAIL only these verbs were found: $verbs"
}
completes "$verbs" ''
completes "$verbs" -i berlin ''
completes "$verbs" help ''
completes 'show' sh
completes 'pubkey' pu
completes '' dance ''
completes '--help --version -V -h -i' -
completes '' version ''

# What stands in the usage of show is what it knows.
completes 'captures' show ca
parts=$("$bin/lanspan" help show | sed -n '1s/.*\[\([a-z|]*\)\].*/\1/p' | tr '|' '\n' | sort | xargs)
completes "$parts" show ''
completes '--json' show peers -
completes '--json' why -
completes '--follow --json --kind --last --peer' events -
completes '' events --last ''
completes '--bridge --confirm --confirm-within --force --undo' attach -
completes '--confirm --confirm-within --forget --undo' detach -
links=$(printf '%s\n' /sys/class/net/*/ | cut -d / -f 5 | sort | xargs)
completes "$links" attach ''
completes "$links" detach ''
completes "$links" attach --confirm ''
completes '' attach eth0 --confirm-within ''

touch site.conf 'other file'
completes 'site.conf' check si
completes 'site.conf' capture lan -w si
completes 'lan member peer port wire' capture ''
# The options of capture are those that getopt knows, and help lists.
options=$(sed -n 's/.*getopt_long(.*"\([a-zA-Z:]*\)".*/\1/p' "$top/src/lanspan/capture_arguments.c" |
	tr -d : | sed 's/./-&\n/g')
long=$(sed -n 's/.*{ "\([a-z-]*\)", [a-z]*_argument.*/--\1/p' "$top/src/lanspan/capture_arguments.c")
completes "$(printf '%s\n' "$options" "$long" | sort | xargs)" capture lan -
completes 'in out' capture lan -Q ''

kinds=$(sed -n 's/.*\[EVENT_[A-Z_]*\] = { "\([a-z-]*\)".*/\1/p' "$top/src/app/event.c" |
	sort - <(echo lost) | xargs)
completes "$kinds" events --kind ''
completes 'peer-down peer-moved peer-refused peer-revoked peer-up' events --kind peer

# ---- what runs --------------------------------------------------------------

completes '' -i ''
completes '' rekey ''
${CC:-gcc} -o daemon "$here/cli_daemon.c" || exit 1
mkdir -p run/hub
# start SOCKET ANSWER
start() {
	./daemon "$tmp/run/$1.sock" "$tmp/$2" "$tmp/requests" &
	daemons+=($!)
	for _ in {1..100}; do
		[ -S "run/$1.sock" ] && return
		sleep 0.05
	done
}
cat >answer <<'END'
{"ok":true,"site":{"name":"berlin","network":"lab"},
"peers":[{"name":"paris","addresses":["x"]},{"name":"prague","drops":{"name":3}},{"name":"rome"}],
"relays":[{"name":"hub"}],"ports":[{"name":"span0"}],
"events":[{"event":"peer-up","peer":"paris"},{"event":"started"},{"event":"peer-up"}]}
END
start berlin answer
completes 'berlin' -i ''
for verb in rekey disconnect connect; do
	completes 'paris prague rome' "$verb" ''
done
completes 'paris prague' -i berlin rekey p
completes '' -i oslo rekey p
completes 'paris prague rome' capture peer ''
completes 'span0' capture port ''
completes 'span0' port del ''
completes 'add del list' port ''
completes 'local=' port add x kind=qemu lo
completes '--json' port list ''
keys=$(sed -n 's/.*KEY("port", "\([a-z_]*\)").*/\1=/p' "$top/src/app/conf_keys.c" | sort | xargs)
completes "$keys" port add x ''
completes 'span0' impair s
completes 'corrupt cut' impair span0 in c
completes 'both burst' impair span0 b
completes '' impair span0 in delay ''
completes 'hub paris prague rome' events --peer ''
completes 'paris prague' events --peer p
start hub/hub answer
completes 'berlin hub' -i ''
completes 'hub' -i h
completes '' rekey '' # which of the two?
completes 'paris prague rome' -i hub rekey ''

# ---- names that strangers chose ---------------------------------------------
# Nothing in a name is run, and none that the shell would look at twice is offered.
cat >answer <<'END'
{"ok":true,"peers":[{"name":"$(id>ran)"},{"name":"paris"},{"name":"`id>ran`"},{"name":"--json"}],
"members":[{"name":"$(id>ran)"},{"name":"a b"},{"name":"lyon;id>ran"},{"name":"oslo"}],
"relays":[{"name":"${x:=$(id>ran)}"},{"name":"hub"},{"name":"<(id>ran)"}],
"ports":[{"name":"$(id>ran)"},{"name":"span0"},{"name":"~root"},{"name":"*"}]}
END
for name in '$(id>ran)' '`id>ran`' 'a;id>ran' -V; do
	start "$name" answer
	mkdir -p "nics/$name/bridge"
done
mkdir -p nics/eth0.5 nics/br0/bridge
_lanspan_net=$tmp/nics
for begun in '' '$' '`' a '~' '*'; do
	unset x
	completes "$([ -n "$begun" ] || echo berlin hub)" -i "$begun"
	completes "$([ -n "$begun" ] || echo br0 eth0.5)" attach "$begun"
	completes "$([ -n "$begun" ] || echo br0)" attach eth0.5 --bridge "$begun"
	completes "$([ -n "$begun" ] || echo paris)" -i hub rekey "$begun"
	completes "$([ -n "$begun" ] || echo paris)" -i hub capture peer "$begun"
	completes "$([ -n "$begun" ] || echo oslo)" -i hub capture member "$begun"
	completes "$([ -n "$begun" ] || echo span0)" -i hub capture port "$begun"
	completes "$([ -n "$begun" ] || echo span0)" -i hub port del "$begun"
	completes "$([ -n "$begun" ] || echo both cut in none out span0)" -i hub impair "$begun"
	completes "$([ -n "$begun" ] || echo hub paris)" -i hub events --peer "$begun"
done
# Nor is a word that stands there already.
completes 'paris' -i hub rekey 'x/;1e id>ran;#' ''
completes '' -i '$(id>ran)' port 'del;id>ran' '$(id>ran)'
if [ -e ran ] || [ -e run/ran ]; then
	failed=$((failed + 1))
	echo "FAIL a name was run"
else
	passed=$((passed + 1))
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
