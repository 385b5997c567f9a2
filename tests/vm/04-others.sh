#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# Machines that are not started by lanspan: at a port of kind = vbox one that boots the CD
# of vm/virtualbox, by QEMU with raw frames in UDP datagrams as UDPTunnel has them; at ports of
# kind = ubridge GNS3's virtual PCs, which speak as ubridge does.  vm/gns3 tells how.
#
#   CD --vbox-- sa === underlay === sb --ubridge-- pc
#   pc --ubridge-'
# shellcheck source=../netns/lib.sh
. "$(dirname "$0")/../netns/lib.sh"
for lib in lab machine; do
	# shellcheck source=/dev/null
	. "$TOP/tests/netns/lib-$lib.sh"
done
need vpcs ping
story "machines of VirtualBox and of GNS3"
machine_files
[ -r "$VM/guest.iso" ] || skip "no CD in $VM: make vm-images"

two_sites
for s in a b; do
	conf $s bridge tap -
	conf $s bridge bridge -
	port $s pc kind=ubridge local=127.0.0.1:20105 remote=127.0.0.1:20104
done
connect

# pc SITE ADDRESS NUMBER: GNS3's virtual PC there, told what to do at TCP port 4000
pc() {
	(cd "$W/run" && spawn "s$1" "$W/log/pc-$1.log" vpcs -i 1 -m "$3" -p 4000 -s 20104 -c 20105 -t 127.0.0.1)
	wait_for 10 "" listens "s$1" t 4000 || fail "vpcs does not listen"
	pc_tell "$1" "ip $2 24" >/dev/null
}
# pc_tell SITE COMMAND: what it says
pc_tell() {
	{
		echo "$2"
		sleep "${3:-1}"
	} | on "s$1" socat -t 1 - TCP:127.0.0.1:4000 | tr -d '\r'
}

step "GNS3's virtual PCs, of two sites"
pc a 192.168.77.5 1
pc b 192.168.77.6 2
reaches() { # SITE ADDRESS
	pc_tell "$1" "ping $2 -c 1" 2 | grep -aq "^$2 icmp_seq=1 ttl="
}
wait_for 20 "one reaches the other" reaches a 192.168.77.6
wait_for 20 "and the other the one" reaches b 192.168.77.5

step "the CD of VirtualBox' machines"
check "a port is plugged in" lanspan a port add cd kind=vbox local=127.0.0.1:20101 remote=127.0.0.1:20100
# shellcheck disable=SC2034 # lib-machine.sh takes it
MACHINE_BOOT=(-cdrom "$VM/guest.iso")
machine_run sa cd -device virtio-net-pci,netdev=n -netdev dgram,id=n,local.type=inet,local.host=127.0.0.1,local.port=20100,remote.type=inet,remote.host=127.0.0.1,remote.port=20101
machine_booted cd
check "its address" machine cd "ip addr add 192.168.77.7/24 dev eth0"
check "it reaches the virtual PC of the other site" machine cd "ping -q -c 3 192.168.77.6 >/dev/null"
