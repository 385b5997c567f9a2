#!/bin/sh
# SPDX-License-Identifier: MIT
#
# lab.sh up NAME... | down NAME... | show: machines of VirtualBox whose network card is a
# port of a bridge process on this host.  The card is a "generic" one with the driver
# UDPTunnel: each Ethernet frame a UDP datagram on 127.0.0.1, which is what a port of
# kind = vbox speaks.  Run it with other names beside each of several sites, and the machines are
# in one Ethernet segment.
#
#   ISO        what boots, default build/vm/guest.iso (make vm-images)
#   INSTANCE   of the bridge process, when several run
#   FIRST      the first of the UDP ports, default 20100: two a machine
#   MEMORY     MB of a machine, default 256
#   CONSOLES   folder of their serial consoles, unix sockets: default $XDG_RUNTIME_DIR or /tmp
#   VBOXMANAGE, LANSPAN   the programs
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
iso=${ISO:-$top/build/vm/guest.iso}
first=${FIRST:-20100}
memory=${MEMORY:-256}
consoles=${CONSOLES:-${XDG_RUNTIME_DIR:-/tmp}}
vboxmanage=${VBOXMANAGE:-VBoxManage}

usage()
{
	echo "usage: lab.sh up NAME... | down NAME... | show" >&2
	exit 2
}

ask_lanspan()
{
	"${LANSPAN:-lanspan}" ${INSTANCE:+-i "$INSTANCE"} "$@"
}

machine()
{
	echo "lanspan-$1"
}

exists()
{
	"$vboxmanage" showvminfo "$(machine "$1")" >/dev/null 2>&1
}

# The first pair that no machine of ours has; one that is taken by others is refused below.
free_pair()
{
	pair=$first
	while "$vboxmanage" list -l vms 2>/dev/null | grep -q "sport *= *'*$pair"; do
		pair=$((pair + 2))
	done
}

# card NAME: its frames go from port pair to port pair + 1, where the bridge process listens
card()
{
	"$vboxmanage" modifyvm "$1" --nic1 generic --nictype1 virtio --cableconnected1 on \
		--nicgenericdrv1 UDPTunnel --nicproperty1 dest=127.0.0.1 \
		--nicproperty1 "sport=$pair" --nicproperty1 "dport=$((pair + 1))"
}

up()
{
	name=$(machine "$1")
	if exists "$1"; then
		echo "lab.sh: $name exists already: down $1 takes it away" >&2
		exit 1
	fi
	free_pair
	ask_lanspan port add "$1" kind=vbox "local=127.0.0.1:$((pair + 1))" \
		"remote=127.0.0.1:$pair"
	"$vboxmanage" createvm --name "$name" --ostype Debian_64 --register
	"$vboxmanage" modifyvm "$name" --memory "$memory" --boot1 dvd --audio none \
		--uart1 0x3F8 4 --uartmode1 server "$consoles/$name.console"
	card "$name"
	"$vboxmanage" storagectl "$name" --name ide --add ide
	"$vboxmanage" storageattach "$name" --storagectl ide --port 0 --device 0 \
		--type dvddrive --medium "$iso"
	"$vboxmanage" startvm "$name" --type headless
	echo "$1: console at $consoles/$name.console"
}

# Goes on after a failure: a machine that is off, a port that went with the bridge process.
down()
{
	name=$(machine "$1")
	ask_lanspan port del "$1" || :
	exists "$1" || return 0
	"$vboxmanage" controlvm "$name" poweroff || :
	"$vboxmanage" unregistervm "$name" --delete
	rm -f "$consoles/$name.console"
}

verb=${1:-}
[ $# -eq 0 ] || shift
case $verb in
up | down)
	[ $# -gt 0 ] || usage
	if [ "$verb" = up ] && [ ! -r "$iso" ]; then
		echo "lab.sh: $iso: cannot be read: make vm-images, or ISO=FILE" >&2
		exit 1
	fi
	for guest; do
		$verb "$guest"
	done
	;;
show)
	"$vboxmanage" list vms | grep '"lanspan-' || :
	ask_lanspan port list
	;;
*) usage ;;
esac
