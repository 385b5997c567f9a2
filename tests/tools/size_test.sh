#!/bin/sh
# SPDX-License-Identifier: MIT
#
# size.sh names a file and a function that are one line too long, and no other.
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
passed=0
failed=0

# says NAME EXPECTED: what size.sh says of the tree, each line as FILE WORD.
says()
{
	"$top/tools/size.sh" "$work" >"$work/said"
	status=$?
	got=$(sed 's/:[0-9]*: / /; s/,.*//' "$work/said")
	if [ "$got" = "$2" ] && [ $status -eq $((${#2} > 0)) ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $1: exit status $status"
		cat "$work/said"
	fi
}

lines()
{
	awk -v n="$1" 'BEGIN { while (n-- > 0) print "\tx();" }'
}

mkdir -p "$work/src/core" "$work/include/core"
lines 500 >"$work/include/core/a.h"
{
	printf 'static void __attribute__((noinline)) first(int a,\n\t\tint b)\n{\n'
	lines 69
	printf '}\n\nint second(void)\n{\n'
	lines 69
	echo '}'
} >"$work/src/core/a.c"
says 'at the limits' ''

lines 501 >"$work/include/core/a.h"
says 'long header' 'include/core/a.h 501 lines'
lines 501 >"$work/src/b.c"
lines 1 >"$work/src/c.c"
says 'long header and file' 'include/core/a.h 501 lines
src/b.c 501 lines'
rm "$work/include/core/a.h" "$work/src/b.c"

sed 's/^int second/static char *__attribute__((format(printf, 1, 2))) other/' "$work/src/core/a.c" |
	awk '{ print } /other/ { inside = 1 } inside && /^{/ { print "\ty();" }' >"$work/src/core/b.c"
says 'long function' 'src/core/b.c other() has 71 lines'

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
