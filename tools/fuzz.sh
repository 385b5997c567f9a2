#!/bin/sh
# SPDX-License-Identifier: MIT
#
# fuzz.sh SECONDS FUZZER...: libFuzzer on each in turn, starting from
# tests/fuzz/corpus/NAME.  New inputs go to $FUZZ_OUT/NAME, crashes to
# $FUZZ_OUT/NAME-crash-*.  Goes on after a crash; exit status 1 if there was one.
set -u

seconds=$1
shift
out=${FUZZ_OUT:-build/fuzz/found}
bad=0
for fuzzer; do
	name=$(basename "$fuzzer" _fuzz)
	mkdir -p "$out/$name" "tests/fuzz/corpus/$name" || exit 1
	echo "fuzz: $name for $seconds s"
	if "$fuzzer" -max_total_time="$seconds" -timeout=10 -max_len=70000 -print_final_stats=1 \
		-artifact_prefix="$out/$name-" "$out/$name" "tests/fuzz/corpus/$name" \
		>"$out/$name.log" 2>&1; then
		grep -E '^stat::(number_of_executed_units|new_units_added)' "$out/$name.log"
	else
		echo "FAIL $name: $out/$name.log"
		tail -n 40 "$out/$name.log"
		bad=1
	fi
done
exit $bad
