#!/bin/sh
# SPDX-License-Identifier: MIT
#
# vm/virtualbox says the right things to VBoxManage and to lanspan, both played here, and its
# Vagrantfile is one.
set -u

cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
skipped=0

ok()
{
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf '%s: got\n%s\nwanted\n%s\n' "$1" "$2" "$3"
	fi
}

# A VBoxManage that knows the machines in the folder and speaks as 7.2.22 was heard to; of
# modifyvm it takes the options that 7.2.22 took.  A lanspan that has the ports in the file.
mkdir "$work/machines" "$work/bin"
: >"$work/ports"
cat >"$work/bin/VBoxManage" <<'END'
#!/bin/sh
cd "$WORK/machines" || exit 1
no()
{
	echo "VBoxManage: error: $*" >&2
	exit 1
}
card()
{
	printf "NIC 1:                       MAC: 080027B4BDB0, Attachment: Generic 'UDPTunnel' "
	printf "{ dest='127.0.0.1', dport='%s', sport='%s' }, Cable connected: on\n" \
		"$(cat "$1/dport")" "$(cat "$1/sport")"
}
case $1 in
showvminfo | list)
	if [ -e "$WORK/ended" ]; then
		rm "$WORK/ended"
		no "Failed to create the VirtualBox object!"
	fi
	;;
*) echo "VBoxManage $*" >>"$WORK/said" ;;
esac
verb=$1
case $verb in
list)
	for name in *; do
		[ -d "$name" ] || continue
		echo "\"$name\" {a548734d-1e30-4616-9383-923e6393c182}"
		[ "$2" != -l ] || card "$name"
	done
	exit
	;;
createvm)
	mkdir "$3"
	echo poweroff >"$3/state"
	exit
	;;
esac
name=$2
[ -d "$name" ] || no "Could not find a registered machine named '$name'"
case $verb in
showvminfo)
	if [ "${3:-}" = --machinereadable ]; then
		echo "name=\"$name\""
		echo "VMState=\"$(cat "$name/state")\""
	else
		card "$name"
	fi
	;;
startvm)
	[ ! -e "$WORK/no-driver" ] || no "The virtual machine '$name' has terminated unexpectedly"
	echo running >"$name/state"
	;;
controlvm)
	[ "$(cat "$name/state")" = running ] || no "Machine '$name' is not currently running."
	echo poweroff >"$name/state"
	touch "$name/locked" "$WORK/ended"
	;;
unregistervm)
	if [ -e "$name/locked" ]; then
		rm "$name/locked"
		no "Cannot unregister the machine '$name' while it is locked"
	fi
	rm -r "$name"
	;;
storageattach) [ ! -e "$WORK/bad-disk" ] || no "Could not find file for the medium" ;;
modifyvm)
	shift 2
	[ "$(cat "$name/state")" = poweroff ] || no "The machine is not mutable or running"
	while [ $# -gt 0 ]; do
		case $1 in
		--memory | --boot[1-4] | --nic[1-8] | --nictype[1-8] | --cableconnected[1-8]) ;;
		--nicgenericdrv[1-8] | --uartmode[12] | --audio-enabled | --vm-execution-engine) ;;
		--uart[12]) shift ;;
		--nicproperty[1-8]) echo "${2#*=}" >"$name/${2%%=*}" ;;
		*) no "Unknown option: $1" ;;
		esac
		[ "$1" != --uartmode1 ] || shift
		shift 2
	done
	;;
esac
END
cat >"$work/bin/lanspan" <<'END'
#!/bin/sh
[ "$1" != -i ] || { echo "instance $2" >>"$WORK/said" && shift 2; }
case "$1 $2" in
"port list")
	cat "$WORK/ports"
	exit
	;;
"port add")
	! grep -q "^$3 " "$WORK/ports" || exit 1
	[ ! -e "$WORK/no-bridge" ] || exit 1
	echo "$3   vbox  up     ${6#remote=}  -          -  trunk all" >>"$WORK/ports"
	;;
"port del")
	grep -q "^$3 " "$WORK/ports" || exit 1
	sed -i "/^$3 /d" "$WORK/ports"
	;;
esac
echo "lanspan $*" >>"$WORK/said"
END
cat >"$work/bin/VirtualBoxVM" <<'END'
#!/bin/sh
echo "VirtualBoxVM $*" >>"$WORK/said"
echo running >"$WORK/machines/$2/state"
END
chmod +x "$work"/bin/*
touch "$work/guest.iso"

lab()
{
	: >"$work/said"
	env WORK="$work" PATH="$work/bin:$PATH" ISO="$work/guest.iso" CONSOLES="$work" \
		vm/virtualbox/lab.sh "$@" >"$work/out" 2>&1
}
state_of()
{
	cat "$work/machines/lanspan-$1/state" 2>/dev/null
}

lab up ann
ok "up: status" $? 0
ok "up: what it says" "$(cat "$work/said")" "lanspan port add ann kind=vbox local=127.0.0.1:20101 remote=127.0.0.1:20100
VBoxManage createvm --name lanspan-ann --ostype Debian_64 --register
VBoxManage modifyvm lanspan-ann --memory 256 --boot1 dvd --audio-enabled off --uart1 0x3F8 4 --uartmode1 server $work/lanspan-ann.console
VBoxManage modifyvm lanspan-ann --nic1 generic --nictype1 virtio --cableconnected1 on --nicgenericdrv1 UDPTunnel --nicproperty1 dest=127.0.0.1 --nicproperty1 sport=20100 --nicproperty1 dport=20101
VBoxManage storagectl lanspan-ann --name ide --add ide
VBoxManage storageattach lanspan-ann --storagectl ide --port 0 --device 0 --type dvddrive --medium $work/guest.iso
VBoxManage startvm lanspan-ann --type headless"
ok "up: it runs" "$(state_of ann)" running
lab up bob
ok "a second one has other ports" "$(head -n 1 "$work/said")" \
	"lanspan port add bob kind=vbox local=127.0.0.1:20103 remote=127.0.0.1:20102"

lab up ann
ok "up again: status" $? 0
ok "up again: nothing is done" "$(cat "$work/said")" ""
: >"$work/ports"
lab up bob
ok "up after a restart of the bridge process: plugged in as before" "$(cat "$work/said")" \
	"lanspan port add bob kind=vbox local=127.0.0.1:20103 remote=127.0.0.1:20102"

INSTANCE=berlin lab down ann bob
ok "down: status" $? 0
ok "down: of that instance" "$(grep -c '^instance berlin' "$work/said")" 3
ok "down: what it says, one that is locked for a moment" "$(grep -v ^instance "$work/said")" \
	"VBoxManage controlvm lanspan-ann poweroff
VBoxManage unregistervm lanspan-ann --delete
VBoxManage unregistervm lanspan-ann --delete
lanspan port del bob
VBoxManage controlvm lanspan-bob poweroff
VBoxManage unregistervm lanspan-bob --delete
VBoxManage unregistervm lanspan-bob --delete"
ok "down: no machine is left" "$(ls "$work/machines")" ""
lab down ann
ok "down again: status" $? 0
ok "down again: nothing is said" "$(cat "$work/said" "$work/out")" ""

for other in "qemu  up     127.0.0.1:20100" "vbox  up     127.0.0.1:20102"; do
	echo "ann   $other  -          -  trunk all" >"$work/ports"
	lab down ann bob
	ok "down: a port of that name and no machine: status" $? 1
	ok "down: a port of that name and no machine: it stays" "$(cat "$work/said")" ""
	ok "down: which is told" "$(cat "$work/out")" "lab.sh: the port ann stays, as it is not \
that of a machine lanspan-ann: \"lanspan port del ann\" takes it away"
	: >"$work/ports"
	lab up ann
	echo "ann   $other  -          -  trunk all" >"$work/ports"
	[ "${other%% *}" = qemu ] || echo "anno  vbox  up     127.0.0.1:20100 - - x" >>"$work/ports"
	lab down ann
	ok "down: another's port of that name: status" $? 1
	ok "down: another's port of that name stays, the machine goes" "$(cat "$work/said")" \
		"VBoxManage controlvm lanspan-ann poweroff
VBoxManage unregistervm lanspan-ann --delete
VBoxManage unregistervm lanspan-ann --delete"
done
: >"$work/ports"

touch "$work/no-driver"
lab up ann
ok "one that does not start: status" $? 1
ok "one that does not start: what is told" "$(tail -n 1 "$work/out")" \
	'lab.sh: lanspan-ann does not start: "down ann" takes it away, and its log with it'
DRIVERLESS=yes lab up ann
ok "without the driver: status" $? 0
ok "without the driver: what it says" "$(cat "$work/said")" \
	"VBoxManage modifyvm lanspan-ann --vm-execution-engine recompiler
VirtualBoxVM --startvm lanspan-ann --driverless"
rm "$work/no-driver"
lab down ann

touch "$work/bad-disk"
lab up ann
ok "one that cannot be made: status" $? 1
ok "one that cannot be made: what is told" "$(tail -n 1 "$work/out")" \
	"lab.sh: lanspan-ann could not be made"
ok "one that cannot be made: nothing is left" "$(ls "$work/machines" && cat "$work/ports")" ""
rm "$work/bad-disk"
touch "$work/no-bridge"
lab up ann
ok "no bridge process: status" $? 1
ok "no bridge process: nothing is made" "$(ls "$work/machines")" ""
rm "$work/no-bridge" "$work/guest.iso"
lab up ann
ok "no CD: status" $? 1
ok "no CD: nothing is done" "$(cat "$work/said")" ""
VBOXMANAGE=none-of-these lab show
ok "no VirtualBox: what is told" "$(cat "$work/out")" "lab.sh: none-of-these: not found"
for words in "" up "show ann"; do
	# shellcheck disable=SC2086 # words
	lab $words
	ok "\"$words\": status" $? 2
done

if command -v vagrant >/dev/null 2>&1; then
	ok "vagrant validate" "$(cd vm/virtualbox && HOME=$work VAGRANT_DOTFILE_PATH=$work/vagrant \
		timeout 100 vagrant validate --ignore-provider 2>&1 | tail -n 1)" \
		"Vagrantfile validated successfully."
elif command -v ruby >/dev/null 2>&1; then
	ok "ruby -c" "$(ruby -c <vm/virtualbox/Vagrantfile 2>&1)" "Syntax OK"
else
	echo "no vagrant and no ruby here"
	skipped=1
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
