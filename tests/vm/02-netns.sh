#!/bin/sh
# SPDX-License-Identifier: MIT
# timeout: 3000
#
# Stories of tests/netns, unchanged, under Debian's own kernel; all of them are run by "make
# vm-netns".  STORIES: the first letters of their names; the last line is the count of all.
set -u
cd "$(dirname "$0")/../.." || exit 1
vm=${LANSPAN_VM:-${BIN:-build}/vm}
skip()
{
	echo "skip 02-netns: $*"
	exit 77
}
command -v qemu-system-x86_64 >/dev/null || skip "qemu-system-x86_64 is not installed"
[ -r "$vm/netns.gz" ] || skip "no guests in $vm: make vm-images"

set --
for s in ${STORIES:-01 03 06 07 14 30 61 64 65}; do
	set -- "$@" "tests/netns/$s"*.sh
done
PATIENCE=$((6 * ${PATIENCE:-1})) vm/netns.sh "$vm" "$@"
