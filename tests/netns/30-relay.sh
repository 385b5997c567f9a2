#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A relay runs as nobody, shows itself, reloads, and takes nothing from strangers.
#
#   wan 10.99.0.254 === wan0 === r-hub 10.99.0.200
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
story "a relay: start, show, reload, garbage, end"
relay_program

underlay
relay hub
"$BIN/lanspan" keygen "$W/etc/hub/paris.key" >"$W/etc/hub/lab.list"
"$BIN/lanspan" secret "$W/etc/hub/access.secret"
chown $NOBODY "$W"/etc/hub/*.secret

good() {
	cat <<END
[relay]
key_file = hub.key
members = 500
[network lab]
access = list
members_file = lab.list
[network shut]
access = secret
secret_file = access.secret
site_bytes = 1000
END
}
good | relay_conf hub

# told FILE-NAME WORDS: the log says so
told() {
	grep -qE "$2" "$W/log/$1.log"
}

step "it starts, as nobody, without capabilities"
relay_start hub
hub=${RELAY_PID[hub]}
status() {
	awk -v name="$1:" '$1 == name { print $2 }' "/proc/$hub/status"
}
equal "user" "$(status Uid)" $NOBODY
for set in Inh Prm Eff Bnd Amb; do
	equal "capabilities Cap$set" "$(status Cap$set)" 0000000000000000
done
wait_for 5 "the log names its key" grep -qF "public_key=\"${RELAY_KEY[hub]}\" networks=2" "$W/log/hub.log"
check "no complaint in the log" sh -c "! grep -E 'warn|error' $W/log/hub.log"
between "memory of an empty relay, KiB" "$(status VmRSS)" 1 $((40000 * PATIENCE))

step "it shows itself"
equal "lanspan check" "$("${AS_NOBODY[@]}" "$BIN/lanspan" check "$W/etc/hub/hub.conf" |
	sed 's/.*hub.conf: //; s/key .*, a/key, a/')" "good: relay hub, public key, access configured, 2 networks"
equal "name" "$(show hub .relay.name)" hub
equal "public key" "$(show hub .relay.public_key)" "${RELAY_KEY[hub]}"
equal "listening" "$(show hub '.relay.listen | join(" ")')" "0.0.0.0:7741 [::]:7741"
equal "room" "$(show hub .relay.max_members)" 500
equal "networks" "$(show hub '[.networks[] | .name + " " + .access] | sort | join(", ")')" \
	"lab list, shut secret"
equal "limit of one" "$(show hub '.networks[] | select(.name == "shut").limits.site_bytes')" 1000
lanspan hub show >"$W/out" || fail "show"
check "show: head" grep -q '^relay: hub$' "$W/out"
check "show: networks" grep -qE '^lab +list +0/256 ' "$W/out"
equal "show members" "$(lanspan hub show members)" "no members"
equal "show drops" "$(lanspan hub show drops)" "nothing was dropped"
lanspan hub show peers >"$W/out" 2>&1
equal "show peers: status" $? 2
check "show peers: says what there is" grep -q "networks, members, captures and drops" "$W/out"
lanspan hub rekey x 2>"$W/out"
equal "rekey: status" $? 2

step "a second one is refused"
relay_run hub
wait_for 10 "" gone "${RELAY_PID[hub]}" || fail "the second runs on"
wait "${RELAY_PID[hub]}"
equal "its status" $? 1
check "it says why" told hub "error: .*(another process has this port|running already)"
good | sed 's/^key_file.*/&\nlisten = 127.0.0.1:1999/' >"$W/etc/hub/other.conf"
on r-hub env LANSPAN_RUNDIR="$W/run/hub" "${AS_NOBODY[@]}" "$BIN/lanspan-relay" \
	-c "$W/etc/hub/other.conf" >"$W/log/other.log" 2>&1 &
other=$!
wait_for 5 "another instance may run" test -S "$W/run/hub/other.sock"
kill $other
mv "$W/etc/hub/other.conf" "$W/etc/hub/hub.conf"
on r-hub env LANSPAN_RUNDIR="$W/run/hub" "${AS_NOBODY[@]}" "$BIN/lanspan-relay" \
	-c "$W/etc/hub/hub.conf" >"$W/log/other.log" 2>&1
equal "the same instance at another port: status" $? 1
check "it says why" told other "error: control socket .*running already"
RELAY_PID[hub]=$hub
check "the first one runs on" relay_ready hub

step "reload"
networks() {
	show hub '[.networks[] | "\(.name) \(.access) \(.limits.site_bytes)"] | sort | join(", ")'
}
{
	good | sed 's/^access = list/access = open/; /^members_file/d; s/1000$/2000/'
	printf '[network new]\naccess = open\n'
} | relay_conf hub
check "lanspan reload" lanspan hub reload
equal "changed and new" "$(networks)" "lab open 0, new open 0, shut secret 2000"
good | relay_conf hub
kill -HUP "$hub"
reloaded() {
	[ "$(networks)" = "lab list 0, shut secret 1000" ]
}
wait_for 5 "SIGHUP: back, and gone" reloaded

# refused WORDS WHAT: reload with status 2, and nothing changed
refused() {
	lanspan hub reload >"$W/out" 2>&1
	equal "$2: status" $? 2
	grep -qE "$1" "$W/out" || fail "$2: says '$(cat "$W/out")'"
	reloaded || fail "$2: changed something: $(networks)"
}
good | sed 's/members = 500/members = 501/; s/1000$/7/' | relay_conf hub
refused '\[relay\] members: this cannot change while running' "a fixed key"
good | sed 's/^key_file.*/&\ntimeout = 1/; s/1000$/7/' | relay_conf hub
refused 'hub.conf:3: \[relay\] timeout: 1 is out of range' "an error"
kill -HUP "$hub"
wait_for 5 "SIGHUP tells it in the log" told hub 'hub.conf:3: \[relay\] timeout'
good | relay_conf hub
echo nonsense >>"$W/etc/hub/lab.list"
refused 'lab.list:2: "nonsense" is not a public key' "an error in the list"
sed -i '$d' "$W/etc/hub/lab.list"
stranger=(setpriv --reuid 1234 --regid 1234 --clear-groups)
"${stranger[@]}" "$BIN/lanspan" -i hub reload 2>"$W/out"
equal "another user: status" $? 1

step "garbage"
helper garbage
for to in 10.99.0.200 fd99::200; do
	before=$(relay_drops hub)
	read -r sent answers longer <<<"$(on wan "$HELPER" $to 7741)"
	at_least "datagrams sent to $to" "$sent" 10000
	equal "answers" "$answers" 0
	equal "answers longer than what was sent" "$longer" 0
	dropped() {
		[ $(($(relay_drops hub) - before)) = "$sent" ]
	}
	wait_for 5 "each is counted" dropped
done
echo "      $(show hub .relay.members) members; $(lanspan hub show drops |
	awk 'NR > 1 { printf "%s%s %s", sep, $3, $2; sep = ", " }')"
at_least "too short" "$(relay_drops hub short)" 1
at_least "of no kind" "$(relay_drops hub kind)" 1
at_least "registrations for nobody" "$(relay_drops hub mac1)" 1
at_least "of no session" "$(relay_drops hub index)" 1
equal "members" "$(show hub .relay.members)" 0
between "memory, KiB" "$(status VmRSS)" 1 $((40000 * PATIENCE))
check "it works on" lanspan hub reload

step "the end"
relay_stop hub
equal "control sockets left behind" "$(find "$W/run" -name 'hub.sock' | wc -l)" 0

step "bad starts"
# bad STATUS WORDS WHAT [COMMAND-PREFIX...]
bad() {
	local wanted=$1 words=$2 what=$3 got
	shift 3
	: >"$W/log/hub.log"
	relay_run hub "$@"
	wait_for 10 "" gone "${RELAY_PID[hub]}" || fail "$what: it runs on"
	wait "${RELAY_PID[hub]}"
	got=$?
	unset "RELAY_PID[hub]"
	[ $got = "$wanted" ] || fail "$what: status $got, not $wanted: $(cat "$W/log/hub.log")"
	told hub "$words" || fail "$what: says '$(cat "$W/log/hub.log")'"
	echo "  ok  $what: $(head -n 1 "$W/log/hub.log")"
	good | relay_conf hub
}
mv "$W/etc/hub/hub.key" "$W/etc/hub.key"
bad 2 'hub.conf:2: \[relay\] key_file: .*No such file' "no key"
good | sed 's/^key_file.*/&\nlisten = 192.0.2.7/' | relay_conf hub
mv "$W/etc/hub.key" "$W/etc/hub/hub.key"
bad 1 'cannot listen listen=192.0.2.7:7741 .*must be an address of this host' "not our address"
chown 0 "$W/etc/hub/hub.key"
bad 2 'hub.key: Permission denied' "a key for root alone"
echo "[site]" | relay_conf hub
bad 2 'hub.conf:1: \[site\]: unknown section: only the file of a site' "a site's file"

step "the key by the service manager"
mkdir "$W/credentials"
mv "$W/etc/hub/hub.key" "$W/credentials/"
chown $NOBODY "$W/credentials/hub.key"
relay_run hub env CREDENTIALS_DIRECTORY="$W/credentials"
wait_for 10 "it runs" relay_ready hub
equal "its key" "$(show hub .relay.public_key)" "${RELAY_KEY[hub]}"
relay_stop hub
