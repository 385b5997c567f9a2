#!/bin/sh
# SPDX-License-Identifier: MIT
#
# image.sh KERNEL INIT OUT MODULE...: an initramfs for a guest, made by an ordinary user:
# busybox, INIT as /init, and the modules of the folder KERNEL (kernel.sh's) with all they
# need.  modprobe names files by whole paths, whatever it was given.
set -eu
PATH=$PATH:/usr/sbin:/sbin

kernel=$(realpath "$1") init=$2 out=$3
shift 3
release=$(cat "$kernel/release")
root=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$root" "$out.new"' EXIT

mkdir -p "$root/bin" "$root/dev" "$root/etc" "$root/proc" "$root/sys" "$root/tmp" "$root/run"
cp "$(command -v busybox)" "$root/bin/busybox"
for name in $("$root/bin/busybox" --list); do
	[ "$name" = busybox ] || ln -s busybox "$root/bin/$name"
done
install -m 755 "$init" "$root/init"

for module; do
	modprobe -d "$kernel" -S "$release" --show-depends "$module"
done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r file; do
	name=${file#"$kernel"/}
	mkdir -p "$root/${name%/*}"
	cp "$file" "$root/$name"
done
cp "$kernel/lib/modules/$release"/modules.builtin* "$kernel/lib/modules/$release/modules.order" \
	"$root/lib/modules/$release/"
depmod -b "$root" "$release"
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet | gzip -1) >"$out.new"
mv "$out.new" "$out"
