#!/bin/sh
# SPDX-License-Identifier: MIT
#
# soak.sh SECONDS [SIM...] -- [STORY...]: runs all of them again and again until
# the time is over, and stops at the first failure.  Round N runs the simulator
# with SIM_SEED=N*100000 as its first seed.
set -u

deadline=$(($(date +%s) + $1))
shift
sims=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	sims="$sims $1"
	shift
done
[ $# -eq 0 ] || shift

round=0
while [ "$(date +%s)" -lt "$deadline" ]; do
	round=$((round + 1))
	SIM_SEED=$((round * 100000))
	export SIM_SEED TRIES=1
	# shellcheck disable=SC2086 # a list of words
	if ! tools/run-tests.sh sim $sims -- netns "$@"; then
		echo "soak: round $round failed; SIM_SEED=$SIM_SEED"
		exit 1
	fi
	echo "soak: round $round passed"
done
