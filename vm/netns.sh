#!/bin/sh
# SPDX-License-Identifier: MIT
#
# netns.sh VM STORY...: runs stories of tests/netns, unchanged, inside guests of QEMU,
# emulated in software, with Debian's own kernel (in VM/linux) and the files of this machine.
# Its last line is that of tools/run-tests.sh, its status as well; logs are in VM/netns/N/log.
#
#   BIN         folder of the programs, default build
#   PATIENCE    factor on time limits, default 6: emulation is slow
#   VM_GUESTS   that share the stories, default 2
#   VM_CPUS, VM_MEMORY   of each, 1, and 2048 MB
#   VM_OUT      folder of what they say, default VM/netns
#   VM_SECONDS  guests are ended then, default 900 and 400 for each story of one
#   TRIES       1: what fails is not tried again
set -eu

vm=$(cd "$1" && pwd)
shift
top=$(cd "$(dirname "$0")/.." && pwd)
bin=$(cd "${BIN:-build}" && pwd)
answers=$(cd "$top" && cd "${LANSPAN_SHARED:-../shared}" 2>/dev/null && pwd) || answers=/none
out=${VM_OUT:-$vm/netns}
cpus=${VM_CPUS:-1}
guests=${VM_GUESTS:-2}
[ "$guests" -le $# ] || guests=$#
seconds=${VM_SECONDS:-$((900 + 400 * ($# + guests - 1) / guests))}
[ "$cpus" = 1 ] || threads=,thread=multi

# share N STORY...: every so manieth of them, from the Nth on
share()
{
	i=$((guests - $1))
	shift
	for story; do
		i=$((i + 1))
		[ $((i % guests)) -ne 0 ] || echo "$story"
	done
}

# run_sh STORY...: what a guest does
run_sh()
{
	cat <<END
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
cd $top
echo "kernel \$(uname -r), processors: \$(nproc)"
modprobe tun
export LANSPAN_TEST_OUT=/mnt/shared/log LANSPAN_SHARED=$answers LANSPAN_EMULATED=yes
export BIN=$bin PATIENCE=${PATIENCE:-6} TRIES=${TRIES:-2}
tools/run-tests.sh netns $*
echo "status \$?"
sync
echo o >/proc/sysrq-trigger
while :; do read -r _ </dev/ttyS0; done # no program can be read from here on
END
}

# boot FOLDER: a guest that shares it
boot()
{
	exec timeout -k 10 "$seconds" qemu-system-x86_64 -M pc -accel "tcg${threads:-}" \
		-smp "$cpus" -m "${VM_MEMORY:-2048}" -nodefaults -no-user-config -display none \
		-no-reboot -device virtio-rng-pci -chardev "file,id=console,path=$1/console" \
		-serial chardev:console -kernel "$vm/linux/vmlinuz" -initrd "$vm/netns.gz" \
		-append "console=ttyS0 quiet panic=-1" \
		-virtfs local,path=/,mount_tag=machine,security_model=none,readonly=on,multidevs=remap \
		-virtfs "local,path=$vm/linux/lib/modules,mount_tag=modules,security_model=none,readonly=on" \
		-virtfs "local,path=$1,mount_tag=shared,security_model=mapped-xattr" \
		</dev/null >"$1/qemu" 2>&1
}

# told: what a console says, but for its end
told()
{
	grep --line-buffered -v -e "^status [0-9]*$" -e "sysrq: Power Off" -e "reboot: Power down" \
		-e "^[0-9]* passed, [0-9]* failed"
}

rm -rf "$out"
pids=
tails=
trap 'kill $pids' HUP INT TERM
n=0
while [ $n -lt "$guests" ]; do
	n=$((n + 1))
	mkdir -p "$out/$n/log"
	# shellcheck disable=SC2046 # names of files of ours
	run_sh $(share $n "$@") >"$out/$n/run.sh"
	: >"$out/$n/console"
	boot "$out/$n" &
	pids="$pids $!"
	(tail -n +1 --pid=$! -f "$out/$n/console" | told || :) &
	tails="$tails $!"
done
for pid in $pids; do
	wait "$pid" || echo "QEMU ended with status $?: is $seconds s not enough?"
done
# shellcheck disable=SC2086 # process ids
wait $tails
cat "$out"/*/qemu >&2
sed 's/\r$//' "$out"/*/console | awk -v guests="$guests" '
	/^status [01]$/ { ended++ }
	/^[0-9]+ passed, [0-9]+ failed/ { p += $1; f += $3; s += $5 }
	END {
		f += guests - ended # whose stories nobody knows of
		printf "%d passed, %d failed", p, f
		if (s) printf ", %d skipped", s
		print ""
		exit f > 0
	}'
