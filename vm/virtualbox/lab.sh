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
#   DRIVERLESS yes: without the kernel driver, interpreted and slow, in a window (README.md)
#   VBOXMANAGE, VIRTUALBOXVM, LANSPAN   the programs
#
# Both verbs may be said again: up makes, plugs in and starts what is not yet, after a restart
# of the bridge process, say; down takes away what is left.  A port of that name that is not the
# machine's stays, which is told, and the status is 1.
set -eu
export LC_ALL=C

top=$(cd "$(dirname "$0")/../.." && pwd)
iso=${ISO:-$top/build/vm/guest.iso}
first=${FIRST:-20100}
memory=${MEMORY:-256}
consoles=${CONSOLES:-${XDG_RUNTIME_DIR:-/tmp}}
vboxmanage=${VBOXMANAGE:-VBoxManage}
lanspan=${LANSPAN:-lanspan}

usage()
{
	echo "usage: lab.sh up NAME... | down NAME... | show" >&2
	exit 2
}

die()
{
	echo "lab.sh: $*" >&2
	exit 1
}

ask_lanspan()
{
	"$lanspan" ${INSTANCE:+-i "$INSTANCE"} "$@"
}

machine()
{
	echo "lanspan-$1"
}

# ask_vbox QUESTION...: the answer in $said.  The service behind it ends when nobody asks it
# any more, and in between it does not answer.
ask_vbox()
{
	more=5
	until said=$("$vboxmanage" "$@" 2>&1); do
		[ $more -gt 0 ] || die "$said"
		more=$((more - 1))
		sleep 1
	done
}

# look MACHINE: its $state, empty when there is no such machine
look()
{
	state=
	ask_vbox list vms
	case $said in
	*"\"$1\" {"*) ;;
	*) return 0 ;;
	esac
	ask_vbox showvminfo "$1" --machinereadable
	state=$(echo "$said" | sed -n 's/^VMState="\(.*\)"$/\1/p')
}

is_off()
{
	look "$1"
	case $state in
	'' | poweroff | aborted | saved | aborted-saved) ;;
	*) return 1 ;;
	esac
}

# The first pair that no machine has; one that is taken by others is refused below.
free_pair()
{
	pair=$first
	ask_vbox list -l vms
	while echo "$said" | grep -q "sport='$pair'"; do
		pair=$((pair + 2))
	done
}

# pair_of MACHINE: as it was made with; empty when its card is no UDPTunnel's
pair_of()
{
	ask_vbox showvminfo "$1"
	pair=$(echo "$said" | sed -n "s/^NIC 1:.* sport='\([0-9]*\)'.*/\1/p")
}

# Before the machine, so that nothing is made when lanspan says no.
plug()
{
	if ! ask_lanspan port list | grep -q "^$1 .* 127\.0\.0\.1:$pair "; then
		ask_lanspan port add "$1" kind=vbox "local=127.0.0.1:$((pair + 1))" \
			"remote=127.0.0.1:$pair"
	fi
}

# card MACHINE: its frames go from port pair to port pair + 1, where the bridge process listens
card()
{
	"$vboxmanage" modifyvm "$1" --nic1 generic --nictype1 virtio --cableconnected1 on \
		--nicgenericdrv1 UDPTunnel --nicproperty1 dest=127.0.0.1 \
		--nicproperty1 "sport=$pair" --nicproperty1 "dport=$((pair + 1))"
}

make()
{
	"$vboxmanage" createvm --name "$1" --ostype Debian_64 --register &&
		"$vboxmanage" modifyvm "$1" --memory "$memory" --boot1 dvd --audio-enabled off \
			--uart1 0x3F8 4 --uartmode1 server "$consoles/$1.console" &&
		card "$1" &&
		"$vboxmanage" storagectl "$1" --name ide --add ide &&
		"$vboxmanage" storageattach "$1" --storagectl ide --port 0 --device 0 \
			--type dvddrive --medium "$iso"
}

start()
{
	if [ "${DRIVERLESS:-no}" = no ]; then
		"$vboxmanage" startvm "$1" --type headless
		return
	fi
	"$vboxmanage" modifyvm "$1" --vm-execution-engine recompiler
	"${VIRTUALBOXVM:-VirtualBoxVM}" --startvm "$1" --driverless >/dev/null 2>&1 &
	tries=60
	until look "$1" && [ "$state" = running ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 1
	done
}

up()
{
	name=$(machine "$1")
	look "$name"
	if [ -n "$state" ]; then
		pair_of "$name"
		[ -n "$pair" ] || die "$name: its card is no UDPTunnel's: another machine of that name"
		plug "$1"
	else
		[ -r "$iso" ] || die "$iso: cannot be read: make vm-images, or ISO=FILE"
		free_pair
		plug "$1"
		make "$name" || {
			take_away "$1"
			die "$name could not be made"
		}
	fi
	! is_off "$name" || start "$name" ||
		die "$name does not start: \"down $1\" takes it away, and its log with it"
	echo "$1: console at $consoles/$name.console"
}

# Only the port that is this machine's, by its kind and far end: another of that name is somebody
# else's.  Goes on after a failure: a port that went with the bridge process, say.
unplug()
{
	mine=$(ask_lanspan port list | awk -v name="$1" -v far="127.0.0.1:$pair" \
		'$1 == name { print $2 == "vbox" && $4 == far ? "yes" : "no" }')
	case $mine in
	yes) ask_lanspan port del "$1" || : ;;
	no)
		echo "lab.sh: the port $1 stays, as it is not that of a machine $name:" \
			"\"lanspan port del $1\" takes it away" >&2
		left=1
		;;
	esac
}

# A machine that was just turned off is locked for a moment.
take_away()
{
	name=$(machine "$1")
	unplug "$1"
	is_off "$name" || "$vboxmanage" controlvm "$name" poweroff || :
	tries=10
	while look "$name" && [ -n "$state" ]; do
		! said=$("$vboxmanage" unregistervm "$name" --delete 2>&1) || break
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "$said"
		sleep 1
	done
	rm -f "$consoles/$name.console"
}

down()
{
	pair=
	look "$(machine "$1")"
	[ -z "$state" ] || pair_of "$(machine "$1")"
	take_away "$1"
}

verb=${1:-}
[ $# -eq 0 ] || shift
case $verb in
up | down) [ $# -gt 0 ] || usage ;;
show) [ $# -eq 0 ] || usage ;;
*) usage ;;
esac
for program in "$vboxmanage" "$lanspan"; do
	command -v "$program" >/dev/null || die "$program: not found"
done
if [ "$verb" = show ]; then
	"$vboxmanage" list vms | grep '"lanspan-' || :
	ask_lanspan port list
fi
left=0
for guest; do
	$verb "$guest"
done
[ $left = 0 ]
