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

# A VBoxManage that knows the machines in the folder, and a lanspan that says yes.
mkdir "$work/machines" "$work/bin"
cat >"$work/bin/VBoxManage" <<'END'
#!/bin/sh
cd "$WORK/machines" || exit 1
case $1 in
showvminfo) [ -e "$2" ]; exit ;;
list) cat -- * 2>/dev/null; exit 0 ;;
esac
echo "VBoxManage $*" >>"$WORK/said"
case $1 in
createvm) touch "$3" ;;
unregistervm) rm "$2" ;;
modifyvm)
	for word; do
		case $word in
		sport=*) echo "NIC 1 Settings: sport='${word#sport=}'" >>"$2" ;;
		esac
	done
	;;
esac
END
cat >"$work/bin/lanspan" <<'END'
#!/bin/sh
echo "lanspan $*" >>"$WORK/said"
END
chmod +x "$work"/bin/*
touch "$work/guest.iso"

lab()
{
	: >"$work/said"
	env WORK="$work" PATH="$work/bin:$PATH" ISO="$work/guest.iso" CONSOLES="$work" \
		vm/virtualbox/lab.sh "$@" >"$work/out" 2>&1
}

lab up ann
ok "up: status" $? 0
ok "up: what it says" "$(cat "$work/said")" "lanspan port add ann kind=vbox local=127.0.0.1:20101 remote=127.0.0.1:20100
VBoxManage createvm --name lanspan-ann --ostype Debian_64 --register
VBoxManage modifyvm lanspan-ann --memory 256 --boot1 dvd --audio none --uart1 0x3F8 4 --uartmode1 server $work/lanspan-ann.console
VBoxManage modifyvm lanspan-ann --nic1 generic --nictype1 virtio --cableconnected1 on --nicgenericdrv1 UDPTunnel --nicproperty1 dest=127.0.0.1 --nicproperty1 sport=20100 --nicproperty1 dport=20101
VBoxManage storagectl lanspan-ann --name ide --add ide
VBoxManage storageattach lanspan-ann --storagectl ide --port 0 --device 0 --type dvddrive --medium $work/guest.iso
VBoxManage startvm lanspan-ann --type headless"
lab up bob
ok "a second one has other ports" "$(head -n 1 "$work/said")" \
	"lanspan port add bob kind=vbox local=127.0.0.1:20103 remote=127.0.0.1:20102"
lab up ann
ok "one that exists: status" $? 1
ok "one that exists: nothing is done" "$(cat "$work/said")" ""
INSTANCE=berlin lab down ann bob
ok "down: status" $? 0
ok "down: what it says" "$(cat "$work/said")" "lanspan -i berlin port del ann
VBoxManage controlvm lanspan-ann poweroff
VBoxManage unregistervm lanspan-ann --delete
lanspan -i berlin port del bob
VBoxManage controlvm lanspan-bob poweroff
VBoxManage unregistervm lanspan-bob --delete"
ok "down: no machine is left" "$(ls "$work/machines")" ""
lab
ok "no verb: status" $? 2

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
