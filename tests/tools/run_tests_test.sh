#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The test runner counts rightly whatever a test does, so that its closing line
# can be believed.
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
export LANSPAN_TEST_OUT="$work/out" PATIENCE=1
passed=0
failed=0
cd "$work" || exit 1

# script NAME: standard input is its body.
script()
{
	{
		echo '#!/bin/sh'
		cat
	} >"$1"
	chmod +x "$1"
}

# counts NAME LINE STATUS WORD...: the runner's last line and exit status.
counts()
{
	name=$1 line=$2 status=$3
	shift 3
	"$top/tools/run-tests.sh" "$@" >"$work/said" 2>&1
	got=$?
	if [ "$(tail -n 1 "$work/said")" = "$line" ] && [ "$got" -eq "$status" ] &&
		[ "$(grep -c '^[0-9]* passed, [0-9]* failed' "$work/said")" -eq 1 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $name: wanted \"$line\" and $status; exit status $got, and"
		sed 's/^/    /' "$work/said"
	fi
}

script good <<'E2'
exit 0
E2
script bad <<'E2'
echo the reason
exit 3
E2
script skips <<'E2'
echo no tools here
exit 77
E2
script crashes <<'E2'
echo '[==========] Running 3 test(s).'
echo '[       OK ] one'
kill -SEGV $$
E2
script cmocka_good <<'E2'
echo '[==========] 3 test(s) run.' >&2
echo '[  PASSED  ] 3 test(s).' >&2
E2
script cmocka_mixed <<'E2'
echo '[==========] 6 test(s) run.'
echo '[  PASSED  ] 3 test(s).'
echo '[  SKIPPED ] 1 test(s), listed below:'
echo '[  SKIPPED ] four'
echo '[  FAILED  ] 2 test(s), listed below:'
echo '[  FAILED  ] five'
echo ' 2 FAILED TEST(S)'
exit 2
E2
script cmocka_two_groups <<'E2'
echo '[==========] 2 test(s) run.'
echo '[  PASSED  ] 2 test(s).'
echo '[==========] 4 test(s) run.'
echo '[  PASSED  ] 4 test(s).'
E2
script cmocka_then_leak <<'E2'
echo '[==========] 2 test(s) run.'
echo '[  PASSED  ] 2 test(s).'
echo 'ERROR: LeakSanitizer: detected memory leaks'
exit 1
E2
script own_line <<'E2'
echo '40 passed, 1 failed, 2 skipped'
exit 1
E2
script own_line_lies <<'E2'
echo '40 passed, 0 failed'
exit 1
E2
script hangs <<'E2'
# timeout: 1
sleep 60
E2
script reads_input <<'E2'
read -r x && exit 1
exit 0
E2

counts nothing '0 passed, 0 failed' 0
counts 'an empty group' '0 passed, 0 failed' 0 unit -- netns
counts good '1 passed, 0 failed' 0 netns good
counts bad '1 passed, 1 failed' 1 netns bad good
counts skips '1 passed, 0 failed, 1 skipped' 0 netns skips good
counts crashes '1 passed, 1 failed' 1 unit ./crashes -- netns good
counts missing '1 passed, 1 failed' 1 unit ./not_built -- netns good
counts 'missing script' '0 passed, 1 failed' 1 netns not_there
counts cmocka_good '3 passed, 0 failed' 0 unit ./cmocka_good
counts cmocka_mixed '3 passed, 2 failed, 1 skipped' 1 unit ./cmocka_mixed
counts cmocka_two_groups '6 passed, 0 failed' 0 unit ./cmocka_two_groups
counts cmocka_then_leak '2 passed, 1 failed' 1 unit ./cmocka_then_leak
counts own_line '40 passed, 1 failed, 2 skipped' 1 sim ./own_line
counts own_line_lies '40 passed, 1 failed' 1 sim ./own_line_lies
counts hangs '0 passed, 1 failed' 1 netns hangs
counts 'input is closed' '1 passed, 0 failed' 0 netns reads_input
counts check '1 passed, 1 failed' 1 check 'yes=test 1 -eq 1' 'no=test 1 -eq 2'
counts 'all together' '5 passed, 1 failed, 1 skipped' 1 \
	netns good bad skips -- unit ./cmocka_good -- check a=true

# Output of what failed is shown, of what passed is not.
"$top/tools/run-tests.sh" netns bad good >said
if grep -q 'the reason' said && grep -q '^the reason$' out/netns-bad.log; then
	passed=$((passed + 1))
else
	failed=$((failed + 1))
	echo "FAIL output"
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
