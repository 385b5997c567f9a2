#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run-tests.sh GROUP [ITEM...] [-- GROUP [ITEM...]]...
#
# Runs every item, goes on after failures, and closes with one line:
# "N passed, N failed" and ", N skipped" when something was.  Exit status 1 if
# anything failed.
#
# Groups and what an item is:
#   unit sim fuzz assume   a program       netns tools vm   a shell script
#   check           NAME=COMMAND    man           a manual page
#
# An item is counted by the last line of its output that reads "N passed, N
# failed[, N skipped]"; else by cmocka's summaries; else as one test, by its
# exit status: 0 passed, 77 skipped.  A crash, a time-out or a bad exit status
# with no failure counted is one failure more.  Output is kept in
# $LANSPAN_TEST_OUT/NAME.log and shown only of what failed.
#
# Of a script the first 20 lines may say
#   # timeout: N     seconds that it may take, in place of its group's
#   # beside: yes    it mostly waits: those run one after another beside the
#                    rest, from the first item on that is no check
#   # alone: yes     it is about speed: it comes when those beside are done
#
# An item of netns that fails is run once more, alone, when all others are done,
# if no more than 3 do; that it needed it is told, and the first output kept.  TRIES=1:
# not so.
set -u

out=${LANSPAN_TEST_OUT:-build/test}
export BIN="${BIN:-build}" PATIENCE="${PATIENCE:-1}"
export LANSPAN_SHARED="${LANSPAN_SHARED:-../shared}"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-second_deadlock_stack=1}"
mkdir -p "$out" && state=$(mktemp -d "$out/state.XXXXXX") || exit 1
started=$(date +%s)
child=
lane=
: >"$state/results"

# Of what runs now: in the lane its own, here the lane's as well.
stop()
{
	trap '' HUP INT TERM
	for pid in $child $lane; do
		kill "$pid" 2>/dev/null
	done
	# shellcheck disable=SC2086 # process ids
	wait $child $lane 2>/dev/null
	exit 130
}
trap 'rm -rf "$state"' EXIT
trap stop HUP INT TERM

# "passed failed skipped how" of a log; how is "line", "cmocka" or "none".
count_log()
{
	awk '
	/^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?\r?$/ {
		how = "line"; p = $1; f = $3; s = $5
	}
	/^\[==========\] .*test\(s\) run/ && how != "line" { how = "cmocka" }
	/^\[  PASSED  \] [0-9]+ test\(s\)/ { cp += $4 }
	/^\[  FAILED  \] .*[0-9]+ test\(s\), listed below/ { cf += number() }
	/^\[  SKIPPED \] .*[0-9]+ test\(s\), listed below/ { cs += number() }
	function number() {
		match($0, /[0-9]+ test\(s\)/)
		return substr($0, RSTART) + 0
	}
	END {
		if (how == "cmocka") { p = cp; f = cf; s = cs }
		print p + 0, f + 0, s + 0, how == "" ? "none" : how
	}' "$1"
}

# why NAME STATUS: one line that says how it ended.
why()
{
	if [ "$2" -eq 124 ] || [ "$2" -eq 137 ]; then
		echo "$1: killed after $((seconds * PATIENCE)) s"
	elif [ "$2" -gt 128 ]; then
		echo "$1: died of signal $(($2 - 128))"
	else
		echo "$1: exit status $2"
	fi
}

# run NAME COMMAND...: one item, counted.  What is started in the background
# would else ignore SIGINT, and its own children as well.
run()
{
	name=$1
	shift
	log=$out/$(echo "$name" | tr / -).log
	began=$(date +%s)
	env --default-signal=INT,QUIT timeout -k 10 "$((seconds * PATIENCE))" "$@" \
		</dev/null >"$log.$$" 2>&1 &
	child=$!
	wait "$child"
	status=$?
	child=
	took=$(($(date +%s) - began))
	mv "$log.$$" "$log"

	# shellcheck disable=SC2046 # four words
	set -- $(count_log "$log")
	p=$1 f=$2 s=$3
	if [ "$4" = none ]; then
		case $status in
		0) p=1 ;;
		77) s=1 ;;
		*) f=1 ;;
		esac
	elif [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
		f=1
	fi
	again=
	if [ "$f" -gt 0 ] && may_again; then
		again=yes p=0 f=0 s=0
		mv "$log" "${log%.log}.first.log"
		log=${log%.log}.first.log
	fi
	echo "$took $name $p $f $s" >>"$state/results"
	said=$(report) # in one piece, for two may speak at once
	echo "$said"
}

# may_again: the item that failed has a second try to come, and it is noted
may_again()
{
	[ "$group" = netns ] && [ -z "$second" ] && [ "${TRIES:-2}" != 1 ] || return 1
	for slot in 1 2 3; do
		if mkdir "$state/again$slot" 2>/dev/null; then
			echo "$item" >"$state/again$slot/item"
			return 0
		fi
	done
	return 1
}

report()
{
	how="$took s${second:+, second try}"
	if [ -n "$again" ]; then
		echo "late $name ($how): failed, and is tried again when all others are done"
		failure
	elif [ "$f" -gt 0 ]; then
		echo "FAIL $name ($how): $p passed here, $f failed here"
		failure
	elif [ "$s" -gt 0 ]; then
		echo "skip $name ($how): $s of $((p + s)): $(tail -n 1 "$log")"
	else
		echo "ok   $name ($how): $p"
	fi
	[ -z "$second" ] || echo "    output of the first try: ${log%.log}.first.log" | tee -a "$log"
}

failure()
{
	sed 's/^/    | /' "$log" | tail -n 60
	why "    $name" "$status"
	echo "    whole output: $log"
}

run_program()
{
	# A thread sanitizer's map of memory wants the old layout.
	case $1 in
	*/tsan/*) run "$2" setarch -R "$1" ;;
	*) run "$2" "$1" ;;
	esac
}

# says WORD FILE: the word's value in the first lines of a script
says()
{
	sed -n "1,20s/^# $1: \\([0-9a-z]*\\)\$/\\1/p" "$2" 2>/dev/null | head -n 1
}

# run_item GROUP ITEM
run_item()
{
	group=$1 item=$2
	case $1 in
	unit | assume) seconds=120 ;;
	sim) seconds=600 ;;
	fuzz) seconds=180 ;;
	netns | tools) seconds=300 ;;
	vm) seconds=600 ;;
	check) seconds=900 ;;
	man) seconds=30 ;;
	*)
		echo "run-tests: no group named $1" >&2
		exit 2
		;;
	esac
	case $1 in
	unit | assume | sim | fuzz)
		run_program "$2" "$1/$(basename "$2")"
		;;
	netns | tools | vm)
		own=$(says timeout "$2")
		seconds=${own:-$seconds}
		run "$1/$(basename "$2" .sh)" "./$2"
		;;
	check)
		# shellcheck disable=SC2086 # the command is words
		run "check/${2%%=*}" ${2#*=}
		;;
	man)
		if command -v mandoc >/dev/null 2>&1; then
			run "man/$(basename "$2")" mandoc -T lint -W warning "$2"
		else
			run "man/$(basename "$2")" sh -c 'echo no mandoc here; exit 77'
		fi
		;;
	esac
}

# place GROUP ITEM: where it runs, "main", "beside" or "alone"
place()
{
	case $1 in
	netns | tools)
		if [ "$(says beside "$2")" = yes ]; then
			echo beside
		elif [ "$(says alone "$2")" = yes ]; then
			echo alone
		else
			echo main
		fi
		;;
	*) echo main ;;
	esac
}

# run_placed PLACE GROUP [ITEM...] [-- ...]: of the arguments, those of that place
run_placed()
{
	placed=$1
	words_group=
	shift
	for word; do
		if [ "$word" = -- ]; then
			words_group=
		elif [ -z "$words_group" ]; then
			words_group=$word
		elif [ "$(place "$words_group" "$word")" = "$placed" ]; then
			begin_lane "$@"
			run_item "$words_group" "$word"
		fi
	done
}

# begin_lane ARGUMENT...: the second lane, once there is more than checks to run
begin_lane()
{
	[ "$placed" = main ] && [ -z "$lane" ] && [ "$words_group" != check ] || return 0
	(
		child=
		trap stop HUP INT TERM
		trap - EXIT
		run_placed beside "$@"
	) &
	lane=$!
}

run_again()
{
	for noted in "$state"/again*/item; do
		[ -e "$noted" ] || break
		run_item netns "$(cat "$noted")"
	done
}

close()
{
	tries=$(find "$state" -name item | wc -l)
	echo "$(($(date +%s) - started)) s; the longest: $(sort -rn "$state/results" |
		awk 'NR <= 5 { printf "%s%s %d s", (NR > 1 ? ", " : ""), $2, $1 }')"
	[ "$tries" -eq 0 ] || echo "needed a second try: $tries"
	awk '{ p += $3; f += $4; s += $5 }
		END {
			printf "%d passed, %d failed", p, f
			if (s) printf ", %d skipped", s
			print ""
			exit f > 0
		}' "$state/results"
}

second=
run_placed main "$@"
placed=main words_group=none
begin_lane "$@"
wait "$lane"
lane=
run_placed alone "$@"
second=yes
run_again
close
