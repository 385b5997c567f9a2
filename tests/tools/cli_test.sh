#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The lanspan command: keys, check, and the verbs that ask a bridge process,
# with a stand-in for it (cli_daemon.c).
# timeout: 60
set -u

here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$here/../.." && cd "${LANSPAN_BIN:-build}" 2>/dev/null && pwd)
if [ ! -x "$bin/lanspan" ]; then
	echo "skipped: build/lanspan is not built"
	exit 77
fi

tmp=$(mktemp -d) || exit 1
daemons=
finish()
{
	# shellcheck disable=SC2086 # several words
	[ -z "$daemons" ] || kill $daemons 2>/dev/null # one of them is dead
	rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 1' INT TERM
cd "$tmp" || exit 1

export LANSPAN_RUNDIR="$tmp/run"
unset NO_COLOR
export TERM=xterm
passed=0
failed=0

# run ARGUMENT...: lanspan, into $status, out and err.
run()
{
	"$bin/lanspan" "$@" >out 2>err
	status=$?
}

# is NAME COMMAND...: counts one assertion.
is()
{
	name=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
		return
	fi
	failed=$((failed + 1))
	echo "FAILED: $name: $*; status $status"
	echo "--- out"
	cat out
	echo "--- err"
	cat err
}
same()
{
	printf '%s\n' "$2" | diff -u - "$1"
}
says()
{
	grep -qF -- "$2" "$1"
}
empty()
{
	[ ! -s "$1" ]
}
not()
{
	! "$@"
}

# ---- help and usage ----------------------------------------------------------

run help
is 'help is no error' [ $status -eq 0 ]
is 'help speaks on stdout' says out 'usage: lanspan [-i NAME] VERB'
is 'help is silent on stderr' empty err
for verb in keygen pubkey secret check show watch why reload rekey disconnect connect capture port impair attach detach help version; do
	is "help names $verb" grep -q "^  $verb " out
done
cp out help.txt
run --help
is '--help is the same' cmp -s out help.txt
run help keygen
is 'help VERB' says out 'usage: lanspan keygen FILE'
run help dance
is 'help for no verb' [ $status -eq 2 ]

run
is 'no verb: status' [ $status -eq 2 ]
is 'no verb: stdout' empty out
is 'no verb: the usage on stderr' cmp -s err help.txt
run dance
is 'unknown verb: status' [ $status -eq 2 ]
is 'unknown verb: message' same err 'lanspan: dance: no such verb: see lanspan help'
run keygen
is 'argument missing' [ $status -eq 2 ]
is 'argument missing: says how' says err 'usage: lanspan keygen FILE'
run keygen a b
is 'too many arguments' [ $status -eq 2 ]
is 'too many arguments: nothing written' [ ! -e a ]
run -i berlin version
is '-i without daemon is refused' [ $status -eq 2 ]
run -i ../x reload
is '-i with a path is refused' [ $status -eq 2 ]
run -i .x reload
is '-i with a dot in front is refused' [ $status -eq 2 ]
run -x
is 'unknown option' [ $status -eq 2 ]
is 'unknown option: says how' says err 'see lanspan help'
is 'unknown option: every line begins alike' not grep -v '^lanspan: ' err
run capture lan -x
is 'unknown option of capture' [ $status -eq 2 ]
is 'unknown option of capture: begins as other errors do' \
	[ "$(head -n 1 err)" = "lanspan: capture: invalid option -- 'x'" ]
run help capture
for option in -c -Q -s --segments -w -C -G -W; do
	is "help capture names $option" grep -q -e "^  $option " out
done
run capture -h
is 'capture -h is the same' says out '  -G N '
for many in 'g.pcap' 'g%%.pcap' 'g%'; do
	run capture lan -G 1 -w "$many"
	is "-G to one name $many: status" [ $status -eq 2 ]
	is "-G to one name $many: message" says err 'would be written over'
done
for one in '-G 1 -W 1 -w g.pcap' '-G 1 -w g%s.pcap'; do
	# shellcheck disable=SC2086 # several words
	run capture lan $one
	is "$one: nobody runs" [ $status -eq 1 ]
done
run events --kind nope
is 'events of no kind: status' [ $status -eq 2 ]
is 'events of no kind: message' says err 'lanspan: events: --kind nope: there is no such kind'
is 'events of no kind: the list' says err 'peer-up'
run help events
is 'help events lists the kinds' says out 'relay-listed'
sed -i 1d out
is 'help events: narrow' not grep -q '.\{81\}' out
run events --kind peer-up
is 'events of a kind: nobody runs' [ $status -eq 1 ]
run keygen --help
is 'VERB --help: status' [ $status -eq 0 ]
is 'VERB --help' says out 'usage: lanspan keygen FILE'
run keygen -x
is 'keygen takes no option' [ $status -eq 2 ]
is 'keygen takes no option: message' says err 'lanspan: keygen: -x: no such option'
is 'keygen takes no option: nothing written' [ ! -e ./-x ]
run version
is 'version: status' [ $status -eq 0 ]
is 'version' grep -q '^lanspan [0-9]' out
"$bin/lanspan" help >/dev/full 2>err
status=$?
is 'a full disk is told' [ $status -eq 1 ]

# ---- keys --------------------------------------------------------------------

run keygen berlin.key
is 'keygen: status' [ $status -eq 0 ]
is 'keygen: mode' [ "$(stat -c %a berlin.key)" = 600 ]
is 'keygen: one line of base64' grep -qE '^[A-Za-z0-9+/]{43}=$' berlin.key
is 'keygen prints a public key' grep -qE '^[A-Za-z0-9+/]{43}=$' out
is 'keygen does not print the private key' not says out "$(cat berlin.key)"
berlin=$(cat out)
run pubkey berlin.key
is 'pubkey prints it again' same out "$berlin"
run keygen berlin.key
is 'keygen never writes over a file: status' [ $status -eq 1 ]
is 'keygen never writes over a file: message' says err 'exists already'
run pubkey berlin.key
is 'keygen never writes over a file: it is still there' same out "$berlin"
run keygen paris.key
paris=$(cat out)
is 'two keys differ' [ "$paris" != "$berlin" ]
# RFC 7748, section 6.1: Alice.
(umask 077 && echo 'dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=' >alice.key)
run pubkey alice.key
is 'pubkey knows X25519' same out 'hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo='
chmod 644 alice.key
run pubkey alice.key
is 'pubkey refuses an open file: status' [ $status -eq 1 ]
is 'pubkey refuses an open file: message' says err 'chmod 600'
run secret lab.secret
is 'secret: status' [ $status -eq 0 ]
is 'secret: silent' empty out
is 'secret: mode' [ "$(stat -c %a lab.secret)" = 600 ]
is 'secret: one line of base64' grep -qE '^[A-Za-z0-9+/]{43}=$' lab.secret

# ---- check -------------------------------------------------------------------

cat >berlin.conf <<END
[network]
name = lab
secret_file = lab.secret
[site]
name = berlin
key_file = berlin.key
[bridge]
tap = span0
[peer paris]
public_key = $paris
END
id=$(printf %s "$berlin" | base64 -d | sha256sum | cut -c 1-16)
run check berlin.conf
is 'check of a good file: status' [ $status -eq 0 ]
is 'check of a good file: summary' \
	same out "berlin.conf: good: network lab, site berlin, site id $id, 1 peer"
is 'check of a good file: no error' empty err
sed 's/^tap.*/mtu = 99/; s/^name = berlin/name = paris/' berlin.conf >bad.conf
run check bad.conf
is 'check of a bad file: status' [ $status -eq 2 ]
is 'check of a bad file: every error' same err \
	'bad.conf:7: [bridge] tap: missing: must be a name for the interface, like span0, where there is no [port NAME]
bad.conf:8: [bridge] mtu: 99 is out of range: must be 576 to 9000 bytes
bad.conf:9: [peer paris]: this site'\''s own name: must be another site'\''s'
is 'check of a bad file: no summary' empty out

# The key log is looked at as at the start, and not made.
# keylog PATH: the file with that key log is checked
keylog()
{
	sed "s,^key_file.*,&\nkey_log = $1," berlin.conf >keys.conf
	run check keys.conf
}
keylog site.keys
is 'check of a key log to come: status' [ $status -eq 0 ]
is 'check of a key log to come: not made' [ ! -e site.keys ]
keylog nodir/x.keys
is 'check of a key log in no folder: status' [ $status -eq 2 ]
is 'check of a key log in no folder: message' same err \
	"keys.conf: [site] key_log: key log nodir/x.keys: no such folder"
is 'check of a key log in no folder: no summary' empty out
keylog "$tmp/run/x.keys"
is 'check of a key log beside the control socket to come' [ $status -eq 0 ]
(umask 022 && : >site.keys)
keylog site.keys
is 'check of a key log that others may read: status' [ $status -eq 2 ]
is 'check of a key log that others may read: message' says err 'chmod 600'
rm site.keys
ln -s nowhere site.keys
keylog site.keys
is 'check of a key log by a symbolic link: status' [ $status -eq 2 ]
is 'check of a key log by a symbolic link: message' says err 'a symbolic link'
rm site.keys

# ---- check of a lab's file, and labs ------------------------------------------

printf '[network lan]\n[guest ann]\nnetworks = lan\nkernel = lab.conf\n' >lab.conf
run check lab.conf
is 'check of a lab: status' [ $status -eq 0 ]
is 'check of a lab' same out 'lab.conf: good: lab lab, 1 guest, 1 network'
run lab up --dry-run lab.conf
is 'lab up --dry-run FILE' [ $status -eq 0 ]
is 'lab up --dry-run FILE: prints' says out 'port add ann.0 kind=qemu'

# macs MACHINE-ID NAME USER: of a guest on that machine, of that user
macs()
{
	echo "$1" >machine-id
	# shellcheck disable=SC2016 # the inner shell expands it
	unshare -mur sh -c 'mount --bind machine-id /etc/machine-id && hostname "$1" &&
		unshare -U --map-user="$2" "$3" lab up --dry-run lab.conf' sh "$2" "$3" "$bin/lanspan" |
		grep -o 'mac=52:54:00:[0-9a-f:]*' | sort -u
}
if [ -e /etc/machine-id ] &&
	unshare -mur unshare -U --map-user=7 true 2>/dev/null; then
	a=11111111111111111111111111111111 b=22222222222222222222222222222222
	mac=$(macs $a debian 7)
	is 'a guest has an address' [ ${#mac} -eq 21 ]
	is 'the same each time' [ "$(macs $a debian 7)" = "$mac" ]
	is 'another on a machine of that name' [ "$(macs $b debian 7)" != "$mac" ]
	is 'another on a machine of another name' [ "$(macs $a buster 7)" != "$mac" ]
	is 'another of another user' [ "$(macs $a debian 8)" != "$mac" ]
	is 'an id that is none yet counts as missing' \
		[ "$(macs uninitialized debian 7)" = "$(macs '' debian 7)" ]
else
	echo "no namespaces or no /etc/machine-id here: addresses of guests are not looked at"
fi

printf '[network lan]\nvlan = 5000\n[guest ann]\nnetworks = lan\n' >lab.conf
run check lab.conf
is 'check of a bad lab: status' [ $status -eq 2 ]
is 'check of a bad lab: every error' same err \
	'lab.conf:2: [network lan] vlan: 5000 is out of range: must be 1 to 4094 (a VLAN)
lab.conf:3: [guest ann] nothing to boot: must have a kernel or a disk, here or in [lab]'

# Everybody may look for the sockets in the folder, whoever made it; without it nothing runs.
printf '[network lan]\n[guest ann]\nnetworks = lan\nkernel = lab.conf\n' >good.conf
for words in 'lab up good.conf' 'attach nosuch --bridge br0'; do
	[ "$words" = 'lab up good.conf' ] || [ "$(id -u)" = 0 ] || continue # for root only
	# shellcheck disable=SC2086 # several words
	(LANSPAN_RUNDIR=$tmp/made && umask 077 && run $words)
	is "$words: the run folder is for everybody to look into" [ "$(stat -c %a made)" = 755 ]
	rm -f made/attach.lock
	is "$words: nothing is left in it" rmdir made
done

run lab up lab.conf --dryrun
is 'lab up: an option of its own' [ $status -eq 2 ]
is 'lab up: named' says err 'lanspan: lab: --dryrun: no such option'
run lab down --dry-run
is 'lab down --dry-run' says err 'lanspan: lab: --dry-run: goes with up only'
run lab up
is 'lab up: what is missing' says err 'lanspan: lab: up: the file of the lab is missing'
run lab up a b
is 'lab up: too much' says err 'lanspan: lab: too many arguments'
run lab dance
is 'lab dance' says err 'lanspan: lab: "dance": must be up, down or show'

# ---- check of a relay's file -------------------------------------------------

run keygen hub.key
hub=$(cat out)
cat >hub.conf <<END
[relay]
key_file = hub.key
[network lab]
access = secret
secret_file = lab.secret
END
run check hub.conf
is 'check of a relay: status' [ $status -eq 0 ]
is 'check of a relay: summary' \
	same out "hub.conf: good: relay hub, public key $hub, access configured, 1 network"
sed 's/^access.*/access = list/; s/^key_file.*/timeout = 5/' hub.conf >bad.conf
run check bad.conf
is 'check of a bad relay: status' [ $status -eq 2 ]
is 'check of a bad relay: every error' same err \
	'bad.conf:1: [relay] key_file: missing: must be the file that lanspan keygen wrote
bad.conf:2: [relay] timeout: 5 is out of range: must be 10 to 3600 seconds
bad.conf:4: [network lab] access: list: must come with members or members_file
bad.conf:5: [network lab] secret_file: only for access = secret: change the one or take away the other'
run check none.conf
is 'check of no file' [ $status -eq 2 ]
is 'check of no file: message' same err 'none.conf: No such file or directory'

# The example is a good file as it stands.
example=$here/../../etc/lanspan.conf
if [ -e "$example" ]; then
	mkdir example
	cp "$example" example/berlin.conf
	cp berlin.key lab.secret "$here/../../etc/hook" example/
	run check example/berlin.conf
	is 'the example is good' [ $status -eq 0 ]
	# Also when everything that is commented out is put to use.
	run secret example/lab-access.secret
	# But not with a hook in a folder that others may write, as here below /tmp.
	sed -e 's/^;\([a-z_]* *=\|\[\)/\1/' -e 's,^hook  *=.*,hook = /bin/true,' \
		-e 's,/run/lanspan/berlin.keys,berlin.keys,' \
		"$example" >example/full.conf
	run check example/full.conf
	is 'the whole example is good' [ $status -eq 0 ]
	is 'the example knows the defaults' [ "$(grep -c '^;[a-z_]* *=' "$example")" -ge 10 ]
fi
example=$here/../../etc/relay.conf
if [ -e "$example" ]; then
	cp "$example" example/hub.conf
	cp hub.key example/
	cp lab.secret example/lab-access.secret
	echo "$paris" >example/customers.list
	run check example/hub.conf
	is "the relay's example is good" [ $status -eq 0 ]
	sed 's/^;\([a-z_]* *=\)/\1/' "$example" >example/full.conf
	run check example/full.conf
	is "the whole relay's example is good" [ $status -eq 0 ]
	is "the relay's example knows the defaults" [ "$(grep -c '^;[a-z_]* *=' "$example")" -ge 9 ]
fi

# ---- which instance ----------------------------------------------------------

run reload
is 'nobody runs: status' [ $status -eq 1 ]
is 'nobody runs: message' says err "no bridge process or relay runs: no socket in $tmp/run"
run -i rome reload
is 'that one does not run: status' [ $status -eq 1 ]
is 'that one does not run: message' says err 'lanspan: rome does not run'

run show everything
is 'nobody runs, and usage is wrong: status' [ $status -eq 2 ]

${CC:-gcc} -o daemon "$here/cli_daemon.c" || exit 1
mkdir run
start()
{
	./daemon "$tmp/run/$1.sock" "$tmp/answer" "$tmp/requests" &
	daemons="$daemons $!"
	tries=0
	until [ -S "run/$1.sock" ] || [ $tries -ge 100 ]; do
		sleep 0.05
		tries=$((tries + 1))
	done
}
start berlin
echo '{"ok":true}' >answer
run reload
is 'the only one is found' [ $status -eq 0 ]
is 'reload is silent' empty out
is 'the request' same requests '{"verb":"reload"}'
start paris
: >requests
run reload
is 'several: status' [ $status -eq 2 ]
is 'several: named' same err \
	'lanspan: several instances run: must be chosen by -i NAME, one of berlin paris'
is 'several: none is asked' empty requests
run -i paris reload
is 'several: -i chooses' [ $status -eq 0 ]

start rome
kill -KILL $!
wait $! 2>/dev/null
is 'killed: its socket is there' [ -S run/rome.sock ]
run reload
is 'killed: it is not among them' same err \
	'lanspan: several instances run: must be chosen by -i NAME, one of berlin paris'

# A daemon of another user has a folder of its own.
mkdir run/hub run/empty
start hub/hub
run -i hub reload
is 'in its own folder: -i finds it' [ $status -eq 0 ]
run reload
is 'in its own folder: it is among them' same err \
	'lanspan: several instances run: must be chosen by -i NAME, one of berlin hub paris'
start hub
kill -KILL $!
wait $! 2>/dev/null
run -i hub reload
is 'in its own folder: a dead socket beside it does not matter' [ $status -eq 0 ]
run reload
is 'in its own folder: named once' same err \
	'lanspan: several instances run: must be chosen by -i NAME, one of berlin hub paris'
LANSPAN_RUNDIR=$tmp/run/hub run reload
is 'the only one' [ $status -eq 0 ]
rm -r run/hub

# ---- verbs with a peer, refusals ---------------------------------------------

for verb in rekey disconnect connect; do
	: >requests
	run -i berlin "$verb" paris
	is "$verb: status" [ $status -eq 0 ]
	is "$verb: request" same requests "{\"verb\":\"$verb\",\"peer\":\"paris\"}"
done
: >requests
run -i berlin rekey 'a"}
b'
is 'an argument cannot forge a request' same requests '{"verb":"rekey","peer":"a\"}\nb"}'
run -i berlin rekey "$(printf 'a\377')"
is 'an argument that is not text' [ $status -eq 2 ]

# asks REQUEST ARGUMENT...: what the verb makes of its arguments
asks()
{
	wanted=$1
	shift
	: >requests
	run -i berlin "$@"
	is "$*: status" [ "$status" -eq 0 ]
	is "$*: request" same requests "$wanted"
}
asks '{"verb":"port","action":"add","name":"r1","settings":["kind=qemu","local=unix:/a"]}' \
	port add r1 kind=qemu local=unix:/a
asks '{"verb":"port","action":"del","name":"r1","settings":[]}' port del r1
asks '{"verb":"show","what":"ports"}' port list
asks '{"verb":"impair","port":"r1","way":"both","line":"delay 80ms loss 1%"}' \
	impair r1 both delay 80ms loss 1%
asks '{"verb":"impair","port":"r1","way":"in","line":"none"}' impair r1 in none
asks '{"verb":"impair","port":"r1","way":"both","line":"cut"}' impair r1 cut
asks '{"verb":"impair","port":"r1","way":"both","line":"delay 80ms"}' impair r1 delay 80ms
for words in 'port' 'port dance' 'port add' 'port add r1' 'port del' 'port del a b' \
	'port list x' 'impair' 'impair r1 in'; do
	: >requests
	# shellcheck disable=SC2086
	run -i berlin $words
	is "$words: is not enough" [ $status -eq 2 ]
	is "$words: nobody is asked" empty requests
done
echo '{"ok":true,"ports":[{"name":"r1","impair_in":{"line":"loss 1%","passed":9,"lost":1},
"impair_out":null}]}' >answer
run -i berlin impair r1
is 'impair PORT' same out 'in: loss 1%
  passed 9, lost 1, duplicated 0, corrupted 0, reordered 0, overflowed 0, held_frames 0
out: none'
run -i berlin impair r2
is 'impair of no port' [ $status -eq 2 ]
is 'impair of no port: message' same err 'lanspan: impair r2: there is no port of that name'

echo '{"ok":false,"status":1,"error":"no peer \"rome\"\u001b[31m"}' >answer
run -i berlin rekey rome
is 'a refusal: status' [ $status -eq 1 ]
is 'a refusal: the reason, made harmless' same err 'lanspan: no peer "rome"\x1b[31m'
echo '{"ok":false,"status":2,"errors":["x.conf:1: one","x.conf:2: two"]}' >answer
run -i berlin reload
is 'errors of a configuration: status' [ $status -eq 2 ]
is 'errors of a configuration: all lines' same err 'x.conf:1: one
x.conf:2: two'
echo '{"ok":false,"status":2,"errors":["[port r1] vlan: one","[port r1] mtu: two"]}' >answer
run -i berlin port add r1 kind=nic
is 'errors of a port: status' [ $status -eq 2 ]
is 'errors of a port: all lines' same err 'lanspan: [port r1] vlan: one
lanspan: [port r1] mtu: two'
echo 'hello' >answer
run -i berlin reload
is 'nonsense: status' [ $status -eq 1 ]
is 'nonsense: message' says err 'makes no sense'
: >answer
run -i berlin show
is 'no answer at all' [ $status -eq 1 ]

# ---- show --------------------------------------------------------------------

cat >answer <<'END'
{"ok":true,
"site":{"name":"berlin","site_id":"00112233445566aa","public_key":"AAAA","network":"lab",
 "cipher":"aes-256-gcm","engine":"OpenSSL 3.0","version":"0.1.0","pid":4711,"uptime_s":7384,
 "listen":["0.0.0.0:7741","[::]:7741"],"tap":"span0","bridge":"br0","mtu":1500,"workers":2,
 "mss_clamp":"yes","learning":true,"reserved":"drop","netfilter":true,
 "port_mapping":{"state":"mapped","state_text":null,"protocol":"upnp",
  "external":["203.0.113.9:7741"],"lifetime_s":3540,"next_s":1740,"error":"refused"},
 "key_log":"/run/lanspan/berlin.keys\u001b[0m",
 "broadcast":"auto","floods_sent":41,"copies_saved":123,"flood_key_age_s":192},
"peers":[
 {"name":"paris","site_id":"bbbb","public_key":"BBBB","state":"up","state_text":"up for 3 minutes",
  "port":2,"endpoint":"203.0.113.7:7741","addresses":["203.0.113.7","vpn.example.net"],
  "path":"direct","rtt_ms":0.456,"lost":12,"reordered":3,"loss_percent":0.25,
  "reorder_percent":0.0123,"engine":"OpenSSL 3.0","offloads":["gso","gro"],
  "pmtu":1500,"handshake_age_s":63,"last_heard_s":0.25,
  "rx":{"bytes":1288490189,"frames":900,"datagrams":800},
  "tx":{"bytes":1023,"frames":7,"datagrams":6},
  "handshakes":3,"rekeys":2,"roamed":1,"path_changes":4,
  "flooded_frames":17,"has_flood_key":true,"drops":{"replayed":12,"auth":3}},
 {"name":"a-site-with-a-long-name","site_id":"cccc","public_key":"CCCC","state":"connecting",
  "state_text":"connecting","port":3,"endpoint":null,"addresses":[],"path":null,"rtt_ms":null,
  "lost":0,"reordered":0,"loss_percent":null,"reorder_percent":null,"engine":null,
  "offloads":[],"pmtu":null,"handshake_age_s":null,"last_heard_s":null,
  "rx":{"bytes":0,"frames":0,"datagrams":0},"tx":{"bytes":0,"frames":0,"datagrams":0},
  "handshakes":0,"rekeys":0,"roamed":0,"path_changes":0,
  "flooded_frames":0,"has_flood_key":false,"drops":{}}],
"ports":[{"name":"span0","kind":"tap","state":"up","note":"bridge port has no GRO","cut":0,"bridge":"br0","bridge_state":"joined",
 "mtu":1500,"offloads":["csum","tso4"],"offload_note":"uso: not in this kernel",
 "rx":{"bytes":1048576,"frames":10,"calls":4},"tx":{"bytes":2048,"frames":20,"calls":5},
 "drops":{"runt":1}}],
"macs":[{"mac":"02:00:00:00:00:01","vlan":0,"port":"span0","age_s":192,"learned_s":300,"moves":0,"held":false,
  "rx":{"frames":1,"bytes":60},"tx":{"frames":9,"bytes":2048}},
 {"mac":"02:00:00:00:00:02","vlan":100,"port":"paris\u001b]0;evil\u0007\u009b","age_s":100000,"learned_s":100001,"moves":12,
  "held":true,"rx":{"frames":1,"bytes":60},"tx":{"frames":9,"bytes":2048}}],
"paths":[{"peer":"paris","path":"direct","relay":null,"local":"192.0.2.1:7741","remote":"203.0.113.7:7741","state":"in use",
 "pmtu":1500,"pmtu_state":"confirmed","rtt_ms":0.456,"gso":true,"gso_note":null},
 {"peer":"oslo","path":"relayed","relay":"hub","local":"192.0.2.1:7741","remote":"relay hub, member 3","state":"in use",
 "pmtu":1500,"pmtu_state":"confirmed","rtt_ms":0.456,"gso":false,"gso_note":"off: refused"},
 {"peer":"rome","path":"direct","relay":null,"local":"192.0.2.1:7741","remote":"203.0.113.9:7741","state":"in use",
 "pmtu":1500,"pmtu_state":"confirmed","rtt_ms":0.456,"gso":false,"gso_note":"off: refused"}],
"workers":[
 {"worker":0,"tap_queue":true,"turns":9,"tap_reads":10,"tap_writes":300,"receives":5,"sends":6,"yields":7},
 {"worker":1,"tap_queue":false,"turns":8,"tap_reads":0,"tap_writes":3,"receives":4,"sends":0,"yields":0}],
"drops":[{"where":"peer paris","reason":"replayed","count":3,"last_s":61,"text":"seen before"}]}
END
: >requests
run -i berlin show
is 'show: status' [ $status -eq 0 ]
is 'show: request' same requests '{"verb":"show","what":"all"}'
is 'show: text' same out 'site: berlin
  network: lab
  site id: 00112233445566aa
  public key: AAAA
  cipher: aes-256-gcm (OpenSSL 3.0)
  listening: 0.0.0.0:7741, [::]:7741
  running: 2h03m, version 0.1.0, pid 4711
  workers: 2
  mss_clamp: yes
  netfilter: on, bridged frames pass the packet filters too
  broadcast: auto, 41 frames sent once by a relay, 123 copies saved, key age 3m12s
  port mapping: mapped, 203.0.113.9:7741 by upnp, for 59m00s
  port mapping error: refused
  key log: /run/lanspan/berlin.keys\x1b[0m: whoever has this file can read all traffic

port: span0
  kind: tap
  state: up (bridge port has no GRO)
  bridge: br0, joined
  mtu: 1500
  offloads: csum tso4
  offload note: uso: not in this kernel
  received: 1.0 MiB in 10 frames, 4 calls
  sent: 2.0 KiB in 20 frames, 5 calls
  dropped: 1 runt

peer: paris
  state: up (up for 3 minutes)
  site id: bbbb
  public key: BBBB
  endpoint: 203.0.113.7:7741
  configured: 203.0.113.7, vpn.example.net
  path: direct
  round trip: 0.46 ms
  loss: 0.2 % lately, 12 in all; reordered: 0.012 % lately, 3 in all
  path mtu: 1500
  engine: OpenSSL 3.0
  offloads: gso gro
  latest handshake: 1m03s ago
  last heard: 0.2s ago
  handshakes: 3, rekeys: 2, roamed: 1, path changes: 4
  received: 1.2 GiB in 900 frames, 800 datagrams
  sent: 1023 B in 7 frames, 6 datagrams
  flooded: 17 frames received, has our flood key
  dropped: 12 replayed, 3 auth

peer: a-site-with-a-long-name
  state: connecting
  site id: cccc
  public key: CCCC
  loss: - lately, 0 in all; reordered: - lately, 0 in all
  handshakes: 0, rekeys: 0, roamed: 0, path changes: 0
  received: 0 B in 0 frames, 0 datagrams
  sent: 0 B in 0 frames, 0 datagrams'

# Without relays there is nothing to say of floods; a key that went is told.
cp answer full
sed 's/"floods_sent":41/"floods_sent":0/; s/"flood_key_age_s":192/"flood_key_age_s":null/
	s/"flooded_frames":17,"has_flood_key":true/"flooded_frames":0,"has_flood_key":false/' full >answer
run -i berlin show
is 'show without floods' not grep -q flood out
is 'show without floods: nor broadcast' not grep -q broadcast out
sed 's/"flood_key_age_s":192/"flood_key_age_s":null/; s/"has_flood_key":true/"has_flood_key":false/' \
	full >answer
run -i berlin show
is 'show without a flood key' says out '41 frames sent once by a relay, 123 copies saved, key age -'
is 'a peer without our flood key' says out '17 frames received, has not our flood key'
cp full answer

table()
{
	: >requests
	run -i berlin show "$1"
	is "show $1: request" same requests "{\"verb\":\"show\",\"what\":\"$1\"}"
	is "show $1: text" same out "$2"
}
table peers \
'PEER                     STATE       ENDPOINT          PATH        RTT   LOSS  REORDER  PMTU  HANDSHAKE  HEARD       RX      TX
paris                    up          203.0.113.7:7741  direct  0.46 ms  0.2 %  0.012 %  1500      1m03s   0.2s  1.2 GiB  1023 B
a-site-with-a-long-name  connecting  -                 -             -      -        -     -          -      -      0 B     0 B
a-site-with-a-long-name: connecting'
table ports \
'PORT   KIND  STATE  WIRE  JOINED   MTU  VLANS  BAD LINE  OFFLOADS        RX       TX  STRANGERS  DROPS
span0  tap   up     br0   joined  1500  -      -         csum tso4  1.0 MiB  2.0 KiB          -  1 runt
span0: bridge port has no GRO
span0: uso: not in this kernel'
table macs \
'ADDRESS            VLAN  PORT                            AGE  LEARNED  MOVES  HELD    RX       TX
02:00:00:00:00:01     0  span0                         3m12s    5m00s      0  no    60 B  2.0 KiB
02:00:00:00:00:02   100  paris\x1b]0;evil\x07\xc2\x9b  1d03h    1d03h     12  yes   60 B  2.0 KiB'
table paths \
'PEER   PATH     LOCAL           REMOTE               STATE   PMTU  PROBING        RTT  GSO
paris  direct   192.0.2.1:7741  203.0.113.7:7741     in use  1500  confirmed  0.46 ms  yes
oslo   relayed  192.0.2.1:7741  relay hub, member 3  in use  1500  confirmed  0.46 ms  no
rome   direct   192.0.2.1:7741  203.0.113.9:7741     in use  1500  confirmed  0.46 ms  no
192.0.2.1:7741: off: refused'
table workers \
'WORKER  TAP QUEUE  TURNS  TAP READS  TAP WRITES  RECEIVES  SENDS  YIELDS
     0  yes            9         10         300         5      6       7
     1  no             8          0           3         4      0       0'
table drops \
'WHERE       REASON    COUNT   LAST  MEANING
peer paris  replayed      3  1m01s  seen before'

cp answer full
cat >answer <<'END'
{"ok":true,
"relay":{"name":"hub","public_key":"AAAA","site_id":"0011","access":"configured","engine":"openssl",
 "version":"0.1.0","pid":4711,"uptime_s":7384,"listen":["0.0.0.0:7741"],"networks":2,"members":2,
 "max_members":10000,"timeout_s":60,"limits":{}},
"networks":[
 {"name":"lab","access":"secret","configured":true,"members":2,"revision":5,
  "limits":{"network_members":256},"rx":{"packets":7,"bytes":1048576},
  "tx":{"packets":9,"bytes":2048},"floods":3,"copies":4,"limited":6,"drops":{"frames":6}},
 {"name":"x\u001b[2J","access":"open","configured":false,"members":0,"revision":1,
  "limits":{"network_members":1},"rx":{"packets":0,"bytes":0},
  "tx":{"packets":0,"bytes":0},"floods":0,"copies":0,"limited":0,"drops":{}}],
"members":[
 {"network":"lab","number":1,"name":"paris\u001b]0;evil","public_key":"BBBB","site_id":"bbbb",
  "address":"203.0.113.7:7741","age_s":192,"last_heard_s":4,"rx":{"packets":7,"bytes":1048576},
  "tx":{"packets":9,"bytes":2048},"floods":3,"copies":4,"drops":{"auth":2}}],
"drops":[{"where":"relay","network":null,"member":null,"reason":"mac1","count":3,"text":"no"},
 {"where":"network","network":"lab","member":null,"reason":"full","count":4,"text":"many"},
 {"where":"member","network":"lab","member":"rome\u0007","reason":"auth","count":2,"text":"tag"}]}
END
run -i berlin show
is 'show of a relay' same out 'relay: hub
  public key: AAAA
  access: configured
  listening: 0.0.0.0:7741
  networks: 2
  members: 2 of at most 10000
  running: 2h03m, version 0.1.0, pid 4711

NETWORK   ACCESS  MEMBERS  RX PACKETS       RX  TX PACKETS       TX  FLOODS  COPIES  LIMITED  DROPS
lab       secret    2/256           7  1.0 MiB           9  2.0 KiB       3       4        6  6 frames
x\x1b[2J  open        0/1           0      0 B           0      0 B       0       0        0  -'
table networks \
'NETWORK   ACCESS  MEMBERS  RX PACKETS       RX  TX PACKETS       TX  FLOODS  COPIES  LIMITED  DROPS
lab       secret    2/256           7  1.0 MiB           9  2.0 KiB       3       4        6  6 frames
x\x1b[2J  open        0/1           0      0 B           0      0 B       0       0        0  -'
table members \
'NETWORK  NUMBER  NAME              SITE ID  ADDRESS             AGE  HEARD  RX PACKETS       RX  TX PACKETS       TX  DROPS
lab           1  paris\x1b]0;evil  bbbb     203.0.113.7:7741  3m12s     4s           7  1.0 MiB           9  2.0 KiB  2 auth'
table drops \
'WHERE                REASON  COUNT  MEANING
relay                mac1        3  no
network lab          full        4  many
member lab rome\x07  auth        2  tag'
echo '{"ok":true,"networks":[],"members":[]}' >answer
table networks 'no networks'
table members 'no members'

echo '{"ok":true,"peers":[],"drops":[]}' >answer
table peers 'no peers'
table drops 'nothing was dropped'
table workers 'no workers'
: >requests
run -i berlin show --json peers
is 'show --json: request' same requests '{"verb":"show","what":"peers"}'
is 'show --json: sorted, without ok' same out '{
  "drops": [],
  "peers": []
}'
cp full answer
run -i berlin show macs --json
is 'show --json escapes' not grep -qaP '[^ -~]' out
run -i berlin show everything
is 'show of something else' [ $status -eq 2 ]
run -i berlin show peers macs
is 'show of two things' [ $status -eq 2 ]
run -i berlin show --json --json
is 'show --json twice' [ $status -eq 2 ]

# ---- colours -----------------------------------------------------------------

if command -v script >/dev/null; then
	green=$(printf '\033[32mup\033[0m')
	script -qec "$bin/lanspan -i berlin show peers" /dev/null >out </dev/null
	is 'colours on a terminal' says out "$green"
	NO_COLOR=1 script -qec "$bin/lanspan -i berlin show peers" /dev/null >out </dev/null
	is 'no colours with NO_COLOR' not says out "$green"
	is 'and still the text' says out 'paris'
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
