#!/bin/sh
# SPDX-License-Identifier: MIT
#
# kernel.sh FOLDER: Debian's own kernel, taken apart in FOLDER by an ordinary user:
# vmlinuz, release (its name), lib/modules/RELEASE with modules.dep.  The package comes from
# the archive that apt knows; VM_KERNEL=FILE.deb is taken instead.
set -eu
PATH=$PATH:/usr/sbin:/sbin

out=$1
meta=linux-image-amd64
mkdir -p "$out"
work=$(mktemp -d "$out/new.XXXXXX")
trap 'rm -rf "$work"' EXIT

download()
{
	package=$(apt-cache depends --no-recommends --no-suggests "$meta" 2>/dev/null |
		awk '/Depends: linux-image-/ { print $2; exit }')
	if [ -z "$package" ]; then
		echo "kernel: apt does not know $meta: apt-get update, or VM_KERNEL=FILE.deb" >&2
		exit 1
	fi
	echo "kernel: $package"
	(cd "$work" && apt-get -q download "$package" 2>&1) >"$work/log" || {
		cat "$work/log" >&2
		exit 1
	}
}

if [ -n "${VM_KERNEL:-}" ]; then
	cp "$VM_KERNEL" "$work/kernel.deb"
else
	download
fi
mkdir "$work/all"
dpkg-deb --fsys-tarfile "$work"/*.deb | tar -x -C "$work/all" ./boot ./lib
release=$(basename "$work"/all/lib/modules/*)
depmod -b "$work/all" "$release"
rm -rf "${out:?}/lib" "$out/release"
mv "$work"/all/lib "$out/lib"
mv "$work"/all/boot/vmlinuz-* "$out/vmlinuz"
echo "$release" >"$out/release"
