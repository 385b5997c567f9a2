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
export LANSPAN_TEST_OUT="$work/out" PATIENCE=1 TRIES=2
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

# verdict STATUS NAME: with what the runner said, if it failed
verdict()
{
	if [ "$1" -eq 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $2"
		sed 's/^/    /' said
	fi
}

# Output of what failed is shown, of what passed is not.
"$top/tools/run-tests.sh" netns bad good >said
grep -q 'the reason' said && grep -q '^the reason$' out/netns-bad.log
verdict $? output

# ---- a second try ----

script late <<'E2'
echo "try $(find tried -type f | wc -l)"
: >tried/$$
[ "$(find tried -type f | wc -l)" -gt 1 ]
E2
again()
{
	rm -rf tried
	mkdir tried
	counts "$@"
}
again 'a second try' '2 passed, 0 failed' 0 netns late good
grep -q '^late netns/late (. s): ' said && grep -q '^ok   netns/late (. s, second try): 1$' said &&
	[ "$(grep -c '^ok   netns/good' said)" -eq 1 ] && ! grep -q '^FAIL' said
verdict $? 'told in the open'
[ "$(tail -n 2 said | head -n 1)" = 'needed a second try: 1' ]
verdict $? 'and above the closing line'
grep -q '^try 0$' out/netns-late.first.log && grep -q '^try 1$' out/netns-late.log &&
	grep -q 'netns-late.first.log$' out/netns-late.log
verdict $? 'the first output is kept, and named in the second'
again 'none but of netns' '0 passed, 2 failed' 1 tools late -- unit ./bad
TRIES=1 again 'none when not wanted' '0 passed, 1 failed' 1 netns late
again 'failed twice' '0 passed, 1 failed' 1 netns bad
[ "$(grep -c '^FAIL netns/bad' said)" -eq 1 ]
verdict $? 'and told once as failed'
for n in 2 3 4 5; do
	cp bad bad$n
done
counts 'too many' '0 passed, 5 failed' 1 netns bad bad2 bad3 bad4 bad5
[ "$(grep -c '^late' said)" -eq 3 ] && grep -q '^needed a second try: 3$' said
verdict $? 'three get one, no more'

# ---- the second lane, and what comes after ----

# The first two wait for each other: they must run at once.
script beside <<'E2'
# beside: yes
# timeout: 20
: >began/beside
until [ -e began/main ]; do sleep 0.05; done
sleep 1
: >began/beside.over
echo '2 passed, 0 failed'
E2
script main <<'E2'
# timeout: 20
: >began/main
until [ -e began/beside ]; do sleep 0.05; done
[ ! -e began/alone ]
E2
script after <<'E2'
# beside: yes
[ -e began/beside.over ] || exit 1
: >began/after
[ ! -e began/alone ]
E2
script alone <<'E2'
# alone: yes
: >began/alone
[ -e began/after ] && [ -e began/main ]
E2
script early <<'E2'
sleep 0.3
[ ! -e began/beside ]
E2
mkdir began
counts lanes '7 passed, 0 failed' 0 check 'early=./early' -- netns alone beside after main -- \
	tools good -- man
grep '^ok' said | tail -n 1 | grep -q 'netns/alone'
verdict $? 'the one that is alone comes last'
! grep -q 'second try' said
verdict $? 'each at its first try'
script beside_bad <<'E2'
# beside: yes
echo the reason
exit 1
E2
counts 'failure beside' '1 passed, 1 failed' 1 tools beside_bad good
grep -q '^    | the reason$' said
verdict $? 'and shown'
grep -q '^[0-9]* s; the longest: tools/[a-z_]* [0-9]* s, tools/[a-z_]* [0-9]* s$' said
verdict $? 'seconds, and what took long'

# ---- interrupted ----

script waits <<'E2'
trap 'echo TERM >ended.main; exit 1' TERM
echo $$ >pids/main
sleep 60 &
wait
E2
script waits_beside <<'E2'
# beside: yes
trap 'echo TERM >ended.beside; exit 1' TERM
echo $$ >pids/beside
sleep 60 &
wait
E2
mkdir pids
timeout 30 "$top/tools/run-tests.sh" netns waits waits_beside >said 2>&1 &
runner=$!
for _ in $(seq 100); do
	[ -s pids/main ] && [ -s pids/beside ] && break
	sleep 0.1
done
kill "$runner"
wait "$runner"
[ -e ended.main ] && [ -e ended.beside ] &&
	! kill -0 "$(cat pids/main)" 2>/dev/null && ! kill -0 "$(cat pids/beside)" 2>/dev/null
verdict $? 'an interrupt ends what runs in both lanes'
[ -z "$(find out -name 'state.*')" ] && ! grep -q 'passed, ' said
verdict $? 'nothing is left of it, and no closing line'

script trapped <<'E2'
trap 'exit 0' INT
kill -INT $$
exit 1
E2
counts 'what is to be interrupted may be' '1 passed, 0 failed' 0 tools trapped

# make -n, as a user types it, of what runs tests: the command, and no closing line
for target in test test-checks test-netns vm-test lint; do
	(
		unset MAKEFLAGS MAKELEVEL
		timeout 60 make -n -C "$top" BUILD="$work/none" "$target"
	) >said 2>&1
	grep -qE 'tools/(run-tests|lint)\.sh' said && ! grep -qE '^[0-9]+ passed' said &&
		[ ! -e "$work/none" ]
	verdict $? "make -n $target only prints"
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
