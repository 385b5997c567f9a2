#!/bin/sh
# SPDX-License-Identifier: MIT
#
# iso.sh KERNEL INITRD OUT: a CD that boots the kernel in the folder KERNEL (kernel.sh's) with
# INITRD, its console on the first serial port; for machines that can only boot from a disk.
set -eu

kernel=$1 initrd=$2 out=$3
root=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$root" "$out.new"' EXIT

cp "$kernel/vmlinuz" "$root/vmlinuz"
cp "$initrd" "$root/initrd"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$root/"
cat >"$root/isolinux.cfg" <<'END'
DEFAULT guest
LABEL guest
KERNEL vmlinuz
INITRD initrd
APPEND console=ttyS0 quiet panic=-1 guest=guest
END
xorriso -as mkisofs -quiet -R -o "$out.new" -b isolinux.bin -c boot.cat -no-emul-boot \
	-boot-load-size 4 -boot-info-table "$root" 2>/dev/null
mv "$out.new" "$out"
