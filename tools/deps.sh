#!/bin/sh
# SPDX-License-Identifier: MIT
#
# deps.sh LIST...: installs what of the lists (build, test, demo, bench, fuzz, lint, vm) is
# missing.  Without root it prints the command to run instead, and fails only
# if something is missing.  Needs no more than a Debian base system.
set -eu

build="gcc libc6-dev libssl-dev libmnl-dev libiniparser-dev libjansson-dev
	libnatpmp-dev libminiupnpc-dev libpcap-dev libncurses-dev"
# The second AEAD engine: the build does without it elsewhere.
if [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ]; then
	build="$build libipsec-mb-dev"
fi
run="iproute2 iputils-ping iperf3 procps"
demo="$run jq tcpdump util-linux"
bench="$run jq ethtool openssl openvpn tinc fastd n2n wireguard-go wireguard-tools"
test="$run perl libcmocka-dev mandoc ethtool tcpdump tcpreplay socat jq
	dnsmasq-base udhcpc openssl strace util-linux
	nftables conntrack tmux tshark wireshark-common lua-luaossl miniupnpd-nftables"
fuzz="clang"
vm="qemu-system-x86 busybox-static cpio kmod socat isolinux syslinux-common xorriso vpcs"
lint="clang clang-tidy cppcheck shellcheck mandoc libcmocka-dev"

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "deps: not a Debian system: install these yourself if the build fails:" >&2
	echo "$build $test $lint" >&2
	exit 0
fi

wanted=
for list; do
	case $list in
	build) wanted="$wanted $build" ;;
	test) wanted="$wanted $test" ;;
	demo) wanted="$wanted $demo" ;;
	bench) wanted="$wanted $bench" ;;
	fuzz) wanted="$wanted $fuzz" ;;
	vm) wanted="$wanted $vm" ;;
	lint) wanted="$wanted $lint" ;;
	*)
		echo "deps: no list named $list" >&2
		exit 2
		;;
	esac
done

# shellcheck disable=SC2086 # a list of words
have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
	awk '$1 == "installed" { print $2 }')
missing=
for package in $wanted; do
	case "
$have
$missing
" in
	*"
$package
"*) ;;
	*) missing="$missing
$package" ;;
	esac
done
[ -n "$missing" ] || exit 0
missing=$(echo "$missing" | xargs)

if [ "$(id -u)" -ne 0 ]; then
	echo "deps: packages are missing; as root run:" >&2
	echo "apt-get update && apt-get install --no-install-recommends -y $missing" >&2
	exit 1
fi
echo "deps: installing $missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=300 update
# shellcheck disable=SC2086
apt-get -q -o DPkg::Lock::Timeout=300 install --no-install-recommends -y $missing </dev/null
