#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What install puts below DESTDIR, uninstall takes away, and nothing else.
set -u

cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
passed=0
failed=0

# demand NAME COMMAND...
demand()
{
	name=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $name"
	fi
}

no_word()
{
	! grep -r "$1" "$2"
}

empty()
{
	[ -z "$(find "$1" ! -type d | tee "$work/left")" ] || {
		cat "$work/left"
		return 1
	}
}

root=$work/root
umask 077
demand 'make install' make -s install DESTDIR="$root" PREFIX=/opt/x
for daemon in lanspan-bridge lanspan-relay; do
	demand "$daemon is in sbin" test -x "$root/opt/x/sbin/$daemon"
done
demand 'the CLI is in bin' test -x "$root/opt/x/bin/lanspan"
for page in man/*.[1-9]; do
	installed=$root/opt/x/share/man/man${page##*.}/${page##*/}
	demand "$page" test -s "$installed" -a "$(stat -c %a "$installed")" = 644
	demand "$page names no other prefix" no_word '/usr/local' "$installed"
done
demand 'everybody may read all' test -z "$(find "$root/opt" ! -perm -444)"
for example in etc/*.conf; do
	demand "$example" cmp "$example" "$root/opt/x/share/doc/lanspan/examples/${example##*/}"
done
demand 'the dissector' cmp etc/wireshark/lanspan.lua "$root/opt/x/share/lanspan/wireshark/lanspan.lua"
for unit in etc/systemd/*.service; do
	installed=$root/opt/x/lib/systemd/system/${unit##*/}
	demand "$unit starts the installed program" grep -q '^ExecStart=/opt/x/sbin/lanspan-' "$installed"
	demand "$unit names no other prefix" no_word '@[A-Z]*DIR@\|/usr/local' "$installed"
done
# understood UNIT: systemd has nothing to say about it, with what it starts there
understood()
{
	unit=${1##*/}
	sed "s,/opt/x,$root/opt/x,g" "$1" >"$work/${unit%@.service}@hub.service"
	systemd-analyze verify --man=no "$work/${unit%@.service}@hub.service" >"$work/verify" 2>&1
	! grep -F "${unit%@.service}" "$work/verify"
}
if systemd-analyze --version >/dev/null 2>&1; then
	for unit in etc/systemd/*.service; do
		demand "$unit is understood" understood "$root/opt/x/lib/systemd/system/${unit##*/}"
	done
else
	echo "no systemd-analyze: it does not check the units"
fi
for word in DynamicUser=yes CapabilityBoundingSet= LoadCredential=%i.key:/etc/lanspan/%i.key; do
	demand "the relay's unit has $word" grep -qx "$word" etc/systemd/lanspan-relay@.service
done
demand 'the completion is where bash looks for it' \
	cmp etc/completion/lanspan "$root/opt/x/share/bash-completion/completions/lanspan"
demand 'nothing outside the prefix' test "$(ls -A "$root")" = opt -a "$(ls -A "$root/opt")" = x

mkdir -p "$root/opt/x/bin" "$root/opt/x/share/man/man8"
echo mine >"$root/opt/x/bin/other"
echo mine >"$root/opt/x/share/man/man8/other.8"
demand 'make uninstall' make -s uninstall DESTDIR="$root" PREFIX=/opt/x
demand 'files of others stay' test -e "$root/opt/x/bin/other" -a -e "$root/opt/x/share/man/man8/other.8"
rm -f "$root/opt/x/bin/other" "$root/opt/x/share/man/man8/other.8"
demand 'nothing is left' empty "$root"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
