#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What cannot work is said at once, in words, with the right exit status; what may
# come right later is waited for.
#
#   sa alone: br0, w0
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need setpriv ss socat
story "bad configuration, bad surroundings"

two_sites
conf_write a
good=$(cat "$W/etc/a.conf")

# bad STATUS WORDS WHAT [PREFIX...]: must end with that status and say those words
bad() {
	local status=$1 words=$2 what=$3
	shift 3
	: >"$W/log/a.log"
	bridge_run a "$@"
	wait_for 10 "" gone "${PID[a]}" || fail "$what: it runs on"
	wait "${PID[a]}"
	local got=$?
	unset "PID[a]"
	[ "$got" = "$status" ] || fail "$what: exit status $got, not $status: $(cat "$W/log/a.log")"
	grep -qiE "$words" "$W/log/a.log" || fail "$what: says '$(cat "$W/log/a.log")', not /$words/"
	echo "  ok  $what: $(head -n 1 "$W/log/a.log")"
	echo "$good" >"$W/etc/a.conf"
}

# changed SED-SCRIPT: the good file with a change
changed() {
	echo "$good" | sed "$1" >"$W/etc/a.conf"
}

step "the file"
rm "$W/etc/a.conf"
bad 2 "a\.conf" "no file"
changed 's/^listen.*/&\ncolour = blue/'
bad 2 "a\.conf:[0-9]+.*colour" "unknown key"
echo "[kitchen]" >>"$W/etc/a.conf"
bad 2 "a\.conf:[0-9]+.*kitchen" "unknown section"
changed 's/^tap .*/&\n&/'
bad 2 "a\.conf:[0-9]+.*tap" "repeated key"
printf '%s\n[bridge]\nmtu = 1500\n' "$good" >"$W/etc/a.conf"
bad 2 "a\.conf:[0-9]+.*bridge" "repeated section"
for mtu in 575 9001 -1 1500x ""; do
	changed "s/^tap .*/&\nmtu = $mtu/"
	bad 2 "a\.conf:[0-9]+.*mtu" "mtu = $mtu"
done
changed 's/^listen.*/listen = somewhere/'
bad 2 "a\.conf:[0-9]+.*listen" "listen = somewhere"
changed "s|^public_key.*|public_key = ${KEY[a]}|"
bad 2 "a\.conf:[0-9]+.*(own|itself|this site)" "own key as a peer"
changed "s|^public_key.*|public_key = short|"
bad 2 "a\.conf:[0-9]+.*public_key" "no key as a peer's key"

step "the key"
changed 's/^key_file.*/key_file = nowhere.key/'
bad 2 "nowhere\.key" "no key file"
for mode in 640 604 644 666; do
	chmod $mode "$W/etc/a.key"
	bad 2 "a\.key.*(mode|permission|0600|readable|open)" "key file with mode $mode"
done
chmod 600 "$W/etc/a.key"
mv "$W/etc/a.key" "$W/etc/a.sav"
echo rubbish >"$W/etc/a.key"
chmod 600 "$W/etc/a.key"
bad 2 "a\.key" "key file with rubbish"
rm "$W/etc/a.key"
mkdir "$W/etc/a.key"
bad 2 "a\.key" "a folder for a key file"
rmdir "$W/etc/a.key"
mv "$W/etc/a.sav" "$W/etc/a.key"

step "all errors in one go"
changed 's/^listen.*/listen = x/; s/^tap .*/&\nmtu = 5\ncolour = blue/'
"$BIN/lanspan" check "$W/etc/a.conf" >"$W/check" 2>&1
equal "exit status of lanspan check" $? 2
equal "errors that it finds" "$(grep -cE 'a\.conf:[0-9]+' "$W/check")" 3
sed 's/^/      /' "$W/check"
echo "$good" >"$W/etc/a.conf"
check "lanspan check of the good file" "$BIN/lanspan" check "$W/etc/a.conf"

step "the surroundings"
ip -n sa link add span0 type veth peer name other
bad 1 "span0" "TAP name taken by a veth"
ip -n sa link del span0
on sa ip tuntap add dev span0 mode tun
bad 1 "span0" "TAP name taken by a TUN"
on sa ip tuntap del dev span0 mode tun
spawn sa "$W/log/taken.log" socat -u UDP4-RECV:7741 /dev/null
taken=$SPAWNED
wait_for 5 "" listens sa u 7741
bad 1 "7741" "port in use"
end "$taken"
changed 's/^listen.*/listen = 192.0.2.77:7741/'
bad 1 "192\.0\.2\.77" "an address that is not ours"
bad 1 "privilege|permi|CAP_NET_ADMIN" "no privilege" \
	setpriv --bounding-set -net_admin --inh-caps -net_admin
changed 's/^listen.*/&\nlog = error/'
bad 1 "CAP_NET_ADMIN" "no privilege, and only errors are logged" \
	setpriv --bounding-set -net_admin --inh-caps -net_admin
changed 's/^bridge .*/bridge = w0/'
bad 1 "w0" "the bridge is no bridge"
equal "TAP left behind by all that" "$(ip -n sa -o link show span0 2>/dev/null | wc -l)" 0
equal "sockets left behind by all that" "$(find "$W/run" -type s | wc -l)" 0

step "two processes for one instance"
bridge_start a
first=${PID[a]}
bad 1 "span0|7741|a\.sock|busy|in use|running" "the second"
PID[a]=$first
check "the first one runs on" bridge_ready a
bridge_stop a

step "a bridge that does not exist is waited for"
ip -n sa link del br0
: >"$W/log/a.log"
bridge_start a
at_least "it says so" "$(grep -c br0 "$W/log/a.log")" 1
bridge_add sa br0
joined() {
	[ "$(ip -n sa -j link show span0 | jq -r '.[0].master')" = br0 ]
}
wait_for 5 "span0 joins br0" joined
