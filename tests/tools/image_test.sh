#!/bin/sh
# SPDX-License-Identifier: MIT
#
# image.sh puts modules where the guest looks for them, though its folder is named by a
# relative path.  modprobe, depmod and busybox are stand-ins.
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v cpio >/dev/null; then
	echo "no cpio: skipped"
	exit 77
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work" || exit 1

# stand_in NAME: its text on stdin.
stand_in()
{
	cat >"bin/$1"
	chmod +x "bin/$1"
}

mkdir -p bin linux/lib/modules/1.0/kernel
stand_in busybox <<'END'
#!/bin/sh
echo sh
END
stand_in depmod <<'END'
#!/bin/sh
END
stand_in modprobe <<'END'
#!/bin/sh
echo "insmod $(realpath "$2")/lib/modules/1.0/kernel/$6.ko"
END
echo 1.0 >linux/release
: >linux/lib/modules/1.0/modules.builtin
: >linux/lib/modules/1.0/modules.order
echo code >linux/lib/modules/1.0/kernel/dummy.ko
echo '#!/bin/sh' >init

PATH=$work/bin:$PATH "$top/vm/image.sh" linux init image.gz dummy || {
	echo "FAIL image.sh"
	exit 1
}
gzip -dc image.gz | cpio -t --quiet >list
if ! grep -qx '\(\./\)\{0,1\}lib/modules/1.0/kernel/dummy.ko' list; then
	echo "FAIL the module's place:"
	cat list
	exit 1
fi
echo "1 passed, 0 failed"
