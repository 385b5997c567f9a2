#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Who may come to a relay, what it shows of them, and who has to go.
#
#   sa === wan0 === r-hub      a is on the list of lab, b is not; c has the
#   sb ======|                 access secret of shut, d has another
#   sc, sd ==|
# beside: yes
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
story "members of a relay: admitted, shown, sent away"
relay_program

underlay
relay hub
keys a b c d
for s in access other; do
	"$BIN/lanspan" secret "$W/etc/$s.secret"
done
cp "$W/etc/access.secret" "$W/etc/hub/"
chown $NOBODY "$W/etc/hub/access.secret"
echo "${KEY[a]} # a" >"$W/etc/hub/lab.list"
hub_conf() {
	relay_conf hub <<END
[relay]
key_file = hub.key
timeout = 10
[network lab]
access = list
members_file = lab.list
${1:-}
[network shut]
access = secret
secret_file = access.secret
END
}
hub_conf
relay_start hub

for s in a b c d; do
	site $s
	case $s in c | d) conf $s network name shut ;; esac
	conf $s site keepalive 2
	conf_write $s
done
relay_of a hub
relay_of b hub
printf '[relay gone]\npublic_key = %s\naddress = gone.invalid\n' "${KEY[c]}" >>"$W/etc/b.conf"
relay_of c hub secret_file access.secret
relay_of d hub secret_file other.secret
bridge_start a b c d

names() {
	"$BIN/lanspan" -i hub show members --json |
		jq -r '[.members[] | .network + " " + .name] | sort | join(", ")'
}
are() {
	[ "$(names)" = "$1" ]
}

step "who may come"
wait_for 10 "a and c are there" are "lab a, shut c"
refused() {
	[ "$(relay_drops hub "$1")" -gt 0 ]
}
wait_for 10 "b is a stranger" refused stranger
check "the log names its key" grep -qF "registration refused reason=stranger network=lab key=\"${KEY[b]}\"" \
	"$W/log/hub.log"
wait_for 10 "d has the wrong secret" refused handshake
holds 2 "they stay outside" are "lab a, shut c"

step "what a site says of a relay that it is not registered at"
# why SITE RELAY WORDS: below the table, and in all that is shown
why() {
	lanspan "$1" show relays | grep -q "^$2: $3" &&
		lanspan "$1" show | grep -q "^  state: calling ($3"
}
wait_for 10 "the log says so, once" grep -q "relay does not answer relay=hub calls=. " "$W/log/b.log"
check "b hears nothing" why b hub "no answer yet: .*public_key.*this network"
wait_for 10 "there is no such name" why b gone ".*name"
check "the log says whose name" grep -q "address not found relay=gone address=gone.invalid error=" "$W/log/b.log"
check "d has the wrong secret" why d hub "answers, but not authentically: is secret_file"
check "a is there: nothing to say" sh -c "! '$BIN/lanspan' -i a show relays | grep -q :\ "
"$BIN/lanspan" -i a show networks 2>"$W/err"
equal "a site has no networks" $? 2
check "what it has" grep -q "it has .*relays" "$W/err"

step "who may come, counted"
# a relay that is busy asks for cookies, and comes late
equal "counted for the network" "$(show hub '.networks[] | select(.name == "lab").drops |
	keys - ["cookie", "handshake"] | join(" ")')" stranger

step "what is shown of them"
equal "site id of a" "$(member hub a .site_id)" "$(show a .site.site_id)"
equal "public key of a" "$(member hub a .public_key)" "${KEY[a]}"
equal "address of a" "$(member hub a .address)" 10.99.0.1:7741
between "last heard" "$(member hub a .last_heard_s)" 0 3
between "its number" "$(member hub a .number)" 1 64
at_least "packets of it" "$(member hub a .rx.packets)" 1
equal "members of lab" "$(show hub '.networks[] | select(.name == "lab").members')" 1
equal "members of all" "$(show hub .relay.members)" 2
check "as text" sh -c "'$BIN/lanspan' -i hub show members | grep -qE '^shut +1 +c +[0-9a-f]{16} +10.99.0.3:7741 '"
lanspan hub show drops >"$W/out"
check "drops of the network" grep -qE '^network lab +stranger +[0-9]+ ' "$W/out"
check "drops of all" grep -qE '^relay +stranger +[0-9]+ ' "$W/out"

step "a list that changes"
since=$(member hub c .age_s)
echo "${KEY[b]}" >"$W/etc/hub/lab.list"
check "reload" lanspan hub reload
wait_for 10 "a has to go, b comes" are "lab b, shut c"
check "c did not notice" [ "$(member hub c .age_s)" -ge "$since" ]
cp "$W/etc/other.secret" "$W/etc/hub/access.secret"
check "reload with another secret" lanspan hub reload
wait_for 15 "c has to go, d comes" are "lab b, shut d"

step "a limit that is hit"
hub_conf "network_packets = 1"
check "reload" lanspan hub reload
equal "it is shown" "$(show hub '.networks[] | select(.name == "lab").limits.network_packets')" 1
hub_conf "network_members = 1"
echo "${KEY[a]}" >>"$W/etc/hub/lab.list"
check "reload" lanspan hub reload
limited() {
	[ "$(show hub '.networks[] | select(.name == "lab").limited')" -gt 0 ]
}
wait_for 15 "a finds it full" limited
equal "members" "$(names)" "lab b, shut d"

step "silence"
bridge_kill b
wait_for 15 "b is forgotten, a comes" are "lab a, shut d"
bridge_stop d
wait_for 15 "d is gone, too" are "lab a"

step "a network that is taken away"
relay_conf hub <<END
[relay]
key_file = hub.key
timeout = 10
END
check "reload" lanspan hub reload
wait_for 2 "nobody is there" are ""
equal "networks" "$(show hub .relay.networks)" 0
wait_for 10 "a is told" refused network

step "a restart"
hub_conf
relay_stop hub
relay_start hub
wait_for 10 "a is back" are "lab a"
relay_stop hub
