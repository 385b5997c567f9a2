#!/bin/sh
# SPDX-License-Identifier: MIT
#
# lint.sh: all that can be said about the sources without running them.  What is
# not installed is skipped with a word; "tools/deps.sh lint" installs it.  Goes
# on after a failure; exit status 1 if there was one.
# shellcheck disable=SC2317 # tool calls them
set -u

build=${BUILD:-build}
make=${MAKE:-make}
bad=0

# tool NAME COMMAND...: clean when the command succeeds.
tool()
{
	name=$1
	shift
	if "$@"; then
		echo "lint: $name: clean"
	else
		echo "lint: $name: FAILED"
		bad=1
	fi
}

have()
{
	command -v "$1" >/dev/null 2>&1 && return
	echo "lint: $1: skipped, not installed"
	return 1
}

sources()
{
	find src -name '*.c' | LC_ALL=C sort
}

scripts()
{
	find tools tests vm .ci -name '*.sh' -o -path .ci/run -o -path 'vm/*-init' | LC_ALL=C sort
}

builds()
{
	log=$build/lint-$1.log
	"$make" -s -k --no-print-directory BUILD="$build/lint-$1" CC="$1" SAN= test-programs \
		>"$log" 2>&1 && return
	grep -E -A 5 "error|warning" "$log"
	return 1
}

tidy()
{
	sources | xargs -n 4 -P "$(nproc)" sh -c 'clang-tidy --quiet "$@" -- -std=c11 \
		-D_GNU_SOURCE -Iinclude -DLANSPAN_VERSION=\"0\" 2>/dev/null' sh
}

check_cpp()
{
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --language=c \
		--enable=warning,style,performance,portability -j "$(nproc)" \
		--suppress=missingIncludeSystem \
		--suppress=preprocessorErrorDirective `# 2.10 miscounts a macro in a macro; compilers judge` \
		--suppress=unusedStructMember `# fields that another room reads` \
		--suppress=variableScope `# all of a block's names at its top: our layout` \
		--suppress=constParameterCallback `# callbacks have the shape of their table` \
		-D_GNU_SOURCE -D__BYTE_ORDER__=1 -D__ORDER_LITTLE_ENDIAN__=1 -DLANSPAN_VERSION='"0"' '-Djson_array_foreach(a,i,v)=for(;;)' \
		-Iinclude src
}

mkdir -p "$build"
for cc in gcc clang; do
	have "$cc" && tool "$cc build" builds "$cc"
done
have clang-tidy && tool clang-tidy tidy
have cppcheck && tool cppcheck check_cpp
# shellcheck disable=SC2046 # our names have no white space
have shellcheck && tool shellcheck shellcheck -S warning -x -P SCRIPTDIR $(scripts)
for page in man/*.[1-9]; do
	[ -e "$page" ] || continue
	have mandoc || break
	tool "mandoc $page" mandoc -T lint -W warning "$page"
done
exit $bad
