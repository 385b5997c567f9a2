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
# Seconds that an item may take: the group's, or a line "# timeout: N" in the
# first 20 lines of a script.
set -u

out=${LANSPAN_TEST_OUT:-build/test}
export BIN="${BIN:-build}" PATIENCE="${PATIENCE:-1}"
export LANSPAN_SHARED="${LANSPAN_SHARED:-../shared}"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-second_deadlock_stack=1}"
mkdir -p "$out" || exit 1

passed=0
failed=0
skipped=0

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

# run NAME COMMAND...: one item, counted.
run()
{
	name=$1
	shift
	log=$out/$(echo "$name" | tr / -).log
	began=$(date +%s)
	timeout -k 10 "$((seconds * PATIENCE))" "$@" </dev/null >"$log.$$" 2>&1
	status=$?
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
	passed=$((passed + p))
	failed=$((failed + f))
	skipped=$((skipped + s))
	report
}

report()
{
	if [ "$f" -gt 0 ]; then
		echo "FAIL $name ($took s): $p passed here, $f failed here"
		sed 's/^/    | /' "$log" | tail -n 60
		why "    $name" "$status"
		echo "    whole output: $log"
	elif [ "$s" -gt 0 ]; then
		echo "skip $name ($took s): $s of $((p + s)): $(tail -n 1 "$log")"
	else
		echo "ok   $name ($took s): $p"
	fi
}

run_program()
{
	# A thread sanitizer's map of memory wants the old layout.
	case $1 in
	*/tsan/*) run "$2" setarch -R "$1" ;;
	*) run "$2" "$1" ;;
	esac
}

run_item()
{
	case $1 in
	unit | assume) seconds=120 ;;
	sim) seconds=600 ;;
	fuzz) seconds=180 ;;
	netns | tools) seconds=180 ;;
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
		own=$(sed -n '1,20s/^# timeout: \([0-9][0-9]*\)$/\1/p' "$2" | head -n 1)
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

group=
for word; do
	if [ "$word" = -- ]; then
		group=
	elif [ -z "$group" ]; then
		group=$word
	else
		run_item "$group" "$word"
	fi
done

if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
