#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Who does not belong never gets in, and what he sends is counted.
#
#   ha --- sa === wan0 === sb --- hb      b has another key, secret, cipher, name
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping
story "wrong key, secret, cipher, network; own key"

two_sites
two_hosts
keys c # a pair that nobody expects
conf_write a
bridge_start a

counted() {
	[ "$(drops a)" -gt "$1" ] || { [ "$(drops b)" -gt "$2" ]; }
}

apart() {
	! is_up a b && ! is_up b a
}

# stranger WHAT: b starts as configured now, and must stay outside
stranger() {
	local before
	step "$1"
	before=$(drops a)
	conf_write b
	bridge_start b
	wait_for 10 "a drop is counted" counted "$before" 0
	echo "      a: $(drops_text a)"
	echo "      b: $(drops_text b)"
	holds 1 "a and b stay apart" apart
	pings ha 192.168.77.2 && fail "a ping passed"
	equal "frames b took" "$(peer_get b a .rx.frames)" 0
	equal "frames a took" "$(peer_get a b .rx.frames)" 0
	bridge_stop b
}

conf b site key_file c.key
stranger "b has another key than a expects"
conf b site key_file b.key

mine=${KEY[a]}
KEY[a]=${KEY[c]}
stranger "b expects another key than a has"
KEY[a]=$mine

"$BIN/lanspan" secret "$W/etc/other.secret" >/dev/null
conf b network secret_file other.secret
stranger "another secret"

conf b network secret_file -
stranger "no secret"
conf b network secret_file lab.secret

conf b network cipher chacha20-poly1305
stranger "another cipher"
conf b network cipher aes-256-gcm

conf b network name labor
stranger "another network"
conf b network name lab

step "the right one gets in, although all those came before"
conf_write b
bridge_start b
wait_for 10 "a and b are up" both_up a b
check "ping" pings ha 192.168.77.2

step "both with the other cipher"
for s in a b; do
	bridge_stop $s
	conf $s network cipher chacha20-poly1305
done
connect
check "ping" pings ha 192.168.77.2

step "both without a secret"
for s in a b; do
	bridge_stop $s
	conf $s network secret_file -
done
connect
check "ping" pings ha 192.168.77.2
