#!/bin/sh
# SPDX-License-Identifier: MIT
#
# size.sh [TOP]: files of src and include over 500 lines and functions over 70
# lines (from brace to brace), one line each.  Exit status 1 if there was any.
set -eu

cd "${1:-.}"
# Our names have no white space.
# shellcheck disable=SC2046
exec awk '
FNR == 1 { end_file(); file = FILENAME; start = 0; name = "" }
{ lines = FNR }
/^[A-Za-z_].*\(/ && !start {
	name = $0
	sub(/ *__attribute__ *\(\(.*\)\)/, "", name)
	sub(/\(.*/, "", name)
	sub(/.*[ *]/, "", name)
}
/^\{/ { start = FNR }
/^\}/ && start {
	if (FNR - start > 70) {
		printf "%s:%d: %s() has %d lines, 70 are the limit\n", file, start, name, FNR - start
		bad = 1
	}
	start = 0
}
END { end_file(); exit bad }
function end_file() {
	if (lines > 500) {
		printf "%s:%d: %d lines, 500 are the limit\n", file, lines, lines
		bad = 1
	}
}' $(find include src -name '*.[ch]' | LC_ALL=C sort)
