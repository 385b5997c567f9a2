# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Guests on the stage: machines of QEMU, emulated in software, with Debian's own kernel and
# vm/guest-init, as "make vm-images" made them.  A story that has one sources this after
# lib.sh, and calls machine_files before its first step.
#
# A guest is spoken to by its serial console, a unix socket; what it says is kept in
# log/NAME.console.
#
#   LANSPAN_VM  folder of linux/ and guest.gz, default vm in the folder of programs

MACHINE_MEMORY=192
AS=() # what commands of a page run by

# machine_files: the story is skipped when there is nothing to boot
machine_files() {
	local folder=${HELPERS%/netns}
	not_emulated "no guests in a guest"
	need qemu-system-x86_64 socat
	for VM in "${LANSPAN_VM:-$folder/vm}" "$folder/../vm"; do
		[ -r "$VM/linux/vmlinuz" ] && [ -r "$VM/guest.gz" ] && return
	done
	skip "no guests in $folder/vm: make vm-images"
}

# machine_run NAMESPACE NAME OPTION...: boots it there, its cards are QEMU's options; without
# waiting.  MACHINE_BOOT set: options of what it boots instead, then it calls itself guest
machine_run() {
	local ns=$1 name=$2 socket=$W/run/$2.console
	local boot=(-kernel "$VM/linux/vmlinuz" -initrd "$VM/guest.gz" -append
		"console=ttyS0 quiet panic=-1 guest=$name")
	shift 2
	[ -z "${MACHINE_BOOT[*]:-}" ] || boot=("${MACHINE_BOOT[@]}")
	spawn "$ns" "$W/log/$name.qemu" qemu-system-x86_64 -M pc -accel tcg -m "$MACHINE_MEMORY" \
		-nodefaults -no-user-config -display none -no-reboot -device virtio-rng-pci \
		-chardev "socket,id=console,path=$socket,server=on,wait=off,logfile=$W/log/$name.console" \
		-serial chardev:console "${boot[@]}" "$@"
	machine_console "$name" "$socket"
}

# machine_console NAME SOCKET: opens the console; what is written to run/NAME.in goes there
machine_console() {
	wait_for 20 "" test -S "$2" || fail "guest $1: $(cat "$W/log/$1.qemu")"
	[ -p "$W/run/$1.in" ] || mkfifo "$W/run/$1.in"
	setpriv --pdeathsig KILL socat "OPEN:$W/run/$1.in,rdwr!!OPEN:/dev/null" "UNIX-CONNECT:$2" &
	CHILDREN+=("$!")
}

# machine_booted NAME
machine_booted() {
	wait_for 60 "guest $1 is up" grep -q "guest .* is up" "$W/log/$1.console"
}

# machine_tell NAME COMMAND: one line for its shell; the word that its answer ends with is in TOLD
machine_tell() {
	TOLD=t$RANDOM$RANDOM$RANDOM
	printf 'echo "[%s"; (%s); echo "%s]$?"\n' "$TOLD" "${2//$'\n'/ }" "$TOLD" >"$W/run/$1.in"
}

# machine_status NAME WORD: of the command with that word; fails when it has not ended
machine_status() {
	sed -n "s/.*$2\]\([0-9][0-9]*\).*/\1/p" "$W/log/$1.console" | grep .
}

# machine NAME COMMAND: runs it there, prints what it says, its status is the command's
machine() {
	local word
	machine_tell "$@"
	word=$TOLD
	wait_for "${MACHINE_WAIT:-60}" "" machine_status "$1" "$word" || {
		echo "guest $1 does not answer: $2" >&2
		return 1
	}
	sed -n "/\[$word/,/$word\]/{s/.*\[$word//;s/$word\].*//;/./p}" "$W/log/$1.console"
	return "$(machine_status "$1" "$word")"
}

# lab SITE WORD...: lanspan lab, at the site's bridge process; what it leaves behind in the
# site's namespace ends with the story
lab() {
	local s=$1
	shift
	on "s$s" "$BIN/lanspan" -i "$s" lab "$@"
}

# lab_machine LAB NAME: the guest that lanspan lab started can be spoken to
lab_machine() {
	house_machine . "$@"
}

# page BLOCK: what stands after that mark in lanspan-lab(7)
page() {
	sed -n "/^\.\\\\\" @ $1\$/,/^\.Ed/{/^\./d;s/\\\\e/\\\\/g;p}" "$TOP/man/lanspan-lab.7" | grep '' ||
		fail "lanspan-lab(7) has no block $1"
}

# page_machine NAME BLOCK [SED-EXPRESSION]: a guest does what stands there, line by line
page_machine() {
	local line
	while read -r line <&3; do
		check "$1: $line" machine "$1" "$line" >"$W/said"
		tail -n 1 "$W/said"
	done 3< <(page "$2" | sed "${3:-}")
}

# page_run NAMESPACE BLOCK [SED-EXPRESSION]: the shell does what stands there, in the folder
# PLACE with its control sockets, by the command in AS, with this build's programs; when it starts
# a bridge process, it goes on when that answers
page_run() {
	local ready='until lanspan -i \1 show >/dev/null 2>\&1; do sleep 0.1; done'
	page "$2" | sed "${3:-}" |
		sed "s,^lanspan-bridge -c \(.*\).conf &\$,&\n$ready," >"$W/commands"
	sed "/^until/d; s/^/  $ /" "$W/commands"
	(cd "$PLACE" && on "$1" "${AS[@]}" env LANSPAN_RUNDIR="$PLACE/run" PATH="$BIN:$PATH" \
		bash -e "$W/commands") >>"$W/log/commands.log" 2>&1 </dev/null ||
		fail "$(tail -n 5 "$W/log/commands.log")"
}

# house NAME: a place with the image of guests, of who runs AS
house() {
	mkdir -p "$W/$1/run"
	ln -s "$VM/linux/vmlinuz" "$VM/guest.gz" "$W/$1/"
	PLACE=$W/$1
}

# house_ask NAME WORD...: lanspan there
house_ask() {
	local place=$W/$1
	shift
	LANSPAN_RUNDIR=$place/run "$BIN/lanspan" "$@"
}

# house_machine NAME LAB GUEST: it can be spoken to
house_machine() {
	local files=$W/$1/run/labs/$2/$3
	ln -sf "$files.log" "$W/log/$3.console"
	machine_console "$3" "$files.console"
	machine_booted "$3"
}
