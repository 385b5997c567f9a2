#!/bin/sh
# SPDX-License-Identifier: MIT
#
# netns.sh VM STORY...: runs stories of tests/netns, unchanged, inside a guest of QEMU,
# emulated in software, with Debian's own kernel (in VM/linux) and the files of this machine.
# Its last line is that of tools/run-tests.sh, its status as well; logs are in VM/netns/log.
#
#   BIN         folder of the programs, default build
#   PATIENCE    factor on time limits, default 6: emulation is slow
#   VM_CPUS, VM_MEMORY   2, and 2048 MB
#   VM_SECONDS  the guest is ended then, default 900 and 200 for each story
set -eu

vm=$(cd "$1" && pwd)
shift
top=$(cd "$(dirname "$0")/.." && pwd)
bin=$(cd "${BIN:-build}" && pwd)
answers=$(cd "$top" && cd "${LANSPAN_SHARED:-../shared}" 2>/dev/null && pwd) || answers=/none
out=$vm/netns
cpus=${VM_CPUS:-2}
seconds=${VM_SECONDS:-$((900 + 200 * $#))}

rm -rf "$out"
mkdir -p "$out/log"
cat >"$out/run.sh" <<END
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
cd $top
echo "kernel \$(uname -r), \$(nproc) processors"
modprobe tun
export LANSPAN_TEST_OUT=/mnt/shared/log LANSPAN_SHARED=$answers
export BIN=$bin PATIENCE=${PATIENCE:-6}
tools/run-tests.sh netns $*
echo "status \$?"
sync
echo o >/proc/sysrq-trigger
while :; do read -r _ </dev/ttyS0; done # no program can be read from here on
END

[ "$cpus" = 1 ] || threads=,thread=multi
timeout -k 10 "$seconds" qemu-system-x86_64 -M pc -accel "tcg${threads:-}" -smp "$cpus" \
	-m "${VM_MEMORY:-2048}" -nodefaults -no-user-config -display none -no-reboot \
	-device virtio-rng-pci -chardev "file,id=console,path=$out/console" -serial chardev:console \
	-kernel "$vm/linux/vmlinuz" -initrd "$vm/netns.gz" -append "console=ttyS0 quiet panic=-1" \
	-virtfs local,path=/,mount_tag=machine,security_model=none,readonly=on,multidevs=remap \
	-virtfs "local,path=$vm/linux/lib/modules,mount_tag=modules,security_model=none,readonly=on" \
	-virtfs "local,path=$out,mount_tag=shared,security_model=mapped-xattr" </dev/null >"$out/qemu" 2>&1 &
guest=$!
trap 'kill $guest' HUP INT TERM
tail -n +1 --pid=$guest -F "$out/console" 2>/dev/null | grep --line-buffered -v -e "^status [0-9]*$" -e "sysrq: Power Off" \
	-e "reboot: Power down" || :
wait $guest || cat "$out/qemu" >&2
grep -q '^status 0$' "$out/console"
