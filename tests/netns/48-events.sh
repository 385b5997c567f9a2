#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What happens is told: in the log, as text or JSON; by `lanspan events`, also to one who
# stalls; and to a hook, which may be slow, or fail, or never end.
#
#   ha --- sa === wan0 === sb --- hb
#                   |
#                 r-hub
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib-relay.sh
. "$TOP/tests/netns/lib-relay.sh"
need ping jq tcpreplay
story "events, logs and hooks"
relay_by_anybody
relay_program

two_sites
two_hosts
relay hub
relay_open hub
relay_run hub env # as text
wait_for 10 "the relay runs" relay_ready hub

# Nobody else may write the folders above it, as they may /tmp.
mkdir -m 755 /run/hooks && chmod 755 /run
cat >/run/hooks/hook <<END
#!/bin/sh
echo "\$1 \$2" >>$W/hook.list
env | grep -v '^PWD=\|^SHLVL=\|^_=\|^OLDPWD=' | sort >$W/hook.env.\$1
echo "event \$1"
[ ! -e $W/hook.\$1 ] || . $W/hook.\$1
END
chmod 755 /run/hooks/hook
touch "$W/hook.list"

# a_start [OPTION]: the process of a, with an option more
a_start() {
	spawn sa "$W/log/a.log" "$BIN/lanspan-bridge" "$@" -c "$W/etc/a.conf"
	PID[a]=$SPAWNED
	wait_for 10 "" bridge_ready a || fail "a does not answer"
}

sites_conf() {
	conf_write a
	conf_write b
	relay_of a hub
	relay_of b hub
}

conf a site hook /run/hooks/hook
conf a site keepalive 2
conf b site keepalive 2
sites_conf
a_start --log-json
bridge_start b
wait_for 15 "a and b are direct" both_are direct a b

events() { # events SITE [OPTION...]: the kinds, in order
	lanspan "$1" events --json "${@:2}" | jq -r .event | paste -sd' '
}
# in_order TEXT KIND...: these are among the words of it, in this order
in_order() {
	local text=" $1 " kind
	shift
	for kind; do
		case $text in *" $kind "*) text=" ${text#*" $kind "}" ;; *) return 1 ;; esac
	done
}
hooked() { # hooked EVENT PEER: so often
	grep -cx "$1 $2" "$W/hook.list"
}
silent() { # silent SITE ADDRESS: what is sent there goes nowhere
	ip -n "s$1" neigh replace "$2" lladdr 02:00:00:00:00:99 dev w0 nud permanent
}
heard() {
	ip -n "s$1" neigh del "$2" dev w0
}

is_down() {
	! is_up "$1" "$2"
}
hooks_run() { # hooks_run EVENT PEER COUNT: at least
	[ "$(hooked "$1" "$2")" -ge "$3" ]
}

step "events in order: up, another path, and back, down, up"
check "start and peer" in_order "$(events a)" started peer-up
check "start and relay" in_order "$(events a)" started relay-up
silent a 10.99.0.2
silent b 10.99.0.1
wait_for 15 "relayed" both_are relayed a b
heard a 10.99.0.2
heard b 10.99.0.1
wait_for 60 "direct again" both_are direct a b
bridge_stop b
wait_for 5 "down" is_down a b
bridge_start b
wait_for 15 "up again" both_up a b
check "all of them" in_order "$(events a)" started peer-up path path peer-down peer-up
one() { # one EXPRESSION: of the events of a, the first that is so
	lanspan a events --json | jq -cn "[inputs | select($1)][0] // empty" | grep .
}
check "the relayed path" [ -n "$(one '.event == "path" and .peer == "b" and .path == "relayed" and .relay == "hub" and .member > 0 and .from == "10.99.0.2:7741"')" ]
check "the direct path" [ -n "$(one '.event == "path" and .path == "direct" and .at == "10.99.0.2:7741" and (.from | startswith("relay hub"))')" ]
check "why it went down" [ -n "$(one '.event == "peer-down" and .reason == "closed by peer" and .peer == "b"')" ]
equal "numbers without gaps" "$(lanspan a events --json | jq -s '[.[].seq] as $s | $s == [range($s[0]; $s[0] + ($s | length))]')" true
equal "times rise" "$(lanspan a events --json | jq -s '[.[].time] | . == sort')" true
equal "the last two" "$(lanspan a events --json --last 2 | jq -s length)" 2
equal "one kind" "$(events a --kind peer-down)" peer-down
equal "the last one of a kind, though others came after" "$(events a --kind started --last 1)" started
equal "the same, followed" "$(timeout 2 "$BIN/lanspan" -i a events -f --json --kind started --last 1 |
	jq -r .event)" started
equal "a relay's list is told once" "$(events a --kind relay-listed | wc -w)" \
	"$(lanspan a events --json --kind relay-listed | jq -r .sites | uniq | wc -l)"
check "one peer" [ "$(lanspan a events --json --peer hub | jq -r '.relay' | sort -u)" = hub ]
lanspan a events >"$W/text"
check "as text" grep -qE '^[0-9TZ:.-]+ peer-down peer=b reason="closed by peer" path=direct at=10.99.0.2:7741$' "$W/text"
check "the relay's own" in_order "$(events hub)" started network-new member-came member-came member-went member-came

step "wrong usage"
for wrong in "--last 257" "--last x" "--kind" "sideways" "--kind nope" "--peer nope" "-f --peer nope"; do
	# shellcheck disable=SC2086
	lanspan a events $wrong >"$W/out" 2>"$W/err"
	equal "events $wrong: status" $? 2
	equal "and nothing else" "$(wc -c <"$W/out")" 0
done
check "a peer that there is not" grep -q "no peer, relay or member of that name.*: nope" "$W/err"
lanspan a events --kind nope 2>"$W/err"
check "the kinds that there are" grep -q " peer-revoked" "$W/err"
lanspan hub events --peer nope 2>"$W/err"
equal "a member that there is not" $? 2
check "one that there is" lanspan hub events --peer b

step "the log: every line has its form"
equal "lines of a that are no object with level and message" \
	"$(jq -Rr 'try (fromjson | select((.level | IN("error", "warn", "info", "debug")) and (.message | type == "string") and (.time | test("^2.*Z$")) and .program == "lanspan-bridge") | empty) catch "bad"' "$W/log/a.log" | wc -l)" 0
at_least "lines" "$(wc -l <"$W/log/a.log")" 5
equal "the peer's coming in it" "$(jq -r 'select(.event == "peer-up") | .peer' "$W/log/a.log" | sort -u)" b
VALUE='([]A-Za-z0-9._:/@+,%()~*[-]+|"([^"\\]|\\["\\]|\\x[0-9a-f]{2})*")'
LINE="^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} lanspan-[a-z]+: (error|warn|info|debug): [^=\"]*( [a-z][a-z0-9_]*=$VALUE)*\$"
for of in b hub; do
	equal "lines of $of of another form" "$(LC_ALL=C grep -cvE "$LINE" "$W/log/$of.log")" 0
	at_least "lines" "$(wc -l <"$W/log/$of.log")" 3
done

step "bad configuration: one object a line as well"
sed 's/^listen.*/listen = "some \\where"/' "$W/etc/a.conf" >"$W/etc/bad.conf"
on sa "$BIN/lanspan-bridge" --log-json -c "$W/etc/bad.conf" 2>"$W/err"
equal "status" $? 2
equal "the error" "$(jq -r '.level + " " + .message + " " + (.error | test("bad.conf:[0-9]+: .site. listen") | tostring)' "$W/err")" \
	"error configuration refused true"
cp "$W/etc/a.conf" "$W/etc/a.good"
sed -i 's/^listen.*/listen = nowhere/' "$W/etc/a.conf"
kill -HUP "${PID[a]}"
wait_for 5 "a reload that is refused is an event" one '.event == "reload-refused" and (.error | test("a.conf:[0-9]+: .site. listen: refused"))'
equal "which does not tell what stands there" "$(lanspan a events --json | grep -c nowhere)" 0
cp "$W/etc/a.good" "$W/etc/a.conf"

step "following"
lanspan a events --follow --json --last 0 >"$W/follow" 2>"$W/follow.err" &
follower=$!
: >"$W/stalled"
mkfifo "$W/fifo"
sh -c "exec sleep 1000" <"$W/fifo" &
never=$!
exec 9>"$W/fifo" # held open: it stalls, and does not end
lanspan a events --follow --json --last 0 >&9 2>/dev/null &
stalled=$!
exec 9>&-
followed() {
	[ -n "$(jq -c "select($1)" "$W/follow")" ]
}
is_followed() {
	lanspan a reload && followed '.event == "reloaded"'
}
wait_for 5 "it follows" is_followed
check "rekey" lanspan a rekey b
check "disconnect" lanspan a disconnect b
wait_for 5 "live" followed '.event == "peer-down" and .reason == "disconnected by command"'
check "connect" lanspan a connect b
wait_for 10 "live, and back" followed '.event == "peer-up"'

step "hooks: arguments and variables"
wait_for 5 "the hook was told" hooks_run peer-up b 3
check "in order" in_order "$(paste -sd' ' "$W/hook.list")" peer-up path path peer-down peer-up
hook_env() {
	grep -v LANSPAN_TIME "$W/hook.env.$1"
}
common="LANSPAN_BRIDGE=br0 LANSPAN_EVENT=%s LANSPAN_INSTANCE=a LANSPAN_MERGED=0 LANSPAN_NETWORK=lab"
path="PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# shellcheck disable=SC2059
equal "of peer-down" "$(hook_env peer-down | paste -sd' ')" \
	"LANSPAN_ADDRESS=10.99.0.2:7741 $(printf "$common" peer-down) LANSPAN_PATH=direct LANSPAN_PEER=b LANSPAN_REASON=disconnected by command LANSPAN_SITE=a LANSPAN_TAP=span0 $path"
# shellcheck disable=SC2059
check "of path" grep -qE "^LANSPAN_FROM=(relay hub, member [0-9]+|10.99.0.2:7741)\$" "$W/hook.env.path"
check "its output is in the log" grep -q '"message":"hook says","hook":"peer-up","peer":"b","line":"event peer-up"' "$W/log/a.log"

logged() {
	[ -n "$(jq -c "select($1)" "$W/log/a.log")" ]
}
bounce() {
	lanspan a disconnect b && lanspan a connect b && wait_for 10 "" both_up a b
}

step "hooks that are slow, fail, or never end: nobody waits for them"
echo "sleep 1; exit 7" >"$W/hook.peer-down"
check "the peer goes and comes" bounce
wait_for 5 "the status is logged" logged '.message == "hook failed" and .status == 7'
echo "trap '' TERM; sleep 986 & sleep 986" >"$W/hook.peer-up"
check "the peer goes and comes" bounce
spawn ha "$W/log/ping.log" ping -q -i 0.02 -W 1 192.168.77.2
ping=$SPAWNED
before=$(hooked peer-down b)
wait_for 15 "it is killed after 10 s" logged '.message == "hook took too long and was killed" and .seconds == 10'
kill -INT "$ping"
wait "$ping" 2>/dev/null
check "nothing of a ping was lost meanwhile" grep -q " 0% packet loss" "$W/log/ping.log"
no_sleeper() {
	! pgrep -f 'sleep 986' >/dev/null
}
wait_for 5 "nor is left what it began" no_sleeper
no_zombie() {
	[[ $(ps -o stat= --ppid "${PID[a]}") != *Z* ]]
}
wait_for 5 "no zombie" no_zombie
rm "$W/hook.peer-up" "$W/hook.peer-down"
check "it goes on" bounce
wait_for 10 "the next hooks are run" hooks_run peer-down b $((before + 1))

step "many events, and a hook that is behind"
touch "$W/hold"
echo "while [ -e $W/hold ]; do sleep 0.05; done" >"$W/hook.peer-up"
for _ in 1 2 3; do
	bounce || fail "bounce"
done
rm "$W/hold"
wait_for 20 "older ones were left out, and the log tells" logged '.message == "hook is behind, older events were left out" and .count >= 1'
rm "$W/hook.peer-up"

step "revocation"
unpeer a b
sites_conf
check "reload" lanspan a reload
wait_for 5 "an event" one '.event == "peer-revoked" and .peer == "b" and (.site_id | length == 16)'
wait_for 20 "a hook" hooks_run peer-revoked b 1
peer a b 10.99.0.2:7741
conf a site hook -
sites_conf
check "a reload without the hook" lanspan a reload
wait_for 15 "b is back" both_up a b
: >"$W/hook.list"
check "the peer goes and comes" bounce
equal "and no hook is run" "$(wc -l <"$W/hook.list")" 0

step "a hook that others may write is refused"
chmod 777 /run/hooks/hook
conf a site hook /run/hooks/hook
sites_conf
lanspan a reload 2>"$W/err"
equal "status" $? 2
check "and why" grep -q "others may write it" "$W/err"
chmod 755 /run/hooks/hook
check "now it is good" lanspan a reload
chmod 777 /run/hooks
: >"$W/hook.list"
bounce
wait_for 10 "nor is it run when others may write its folder" logged '.message == "hook cannot be run" and .hook == "peer-up"'
equal "runs" "$(wc -l <"$W/hook.list")" 0
chmod 755 /run/hooks

step "the tunnel in itself is a loop"
# b's end of the underlay is in a's bridge as well: a frame with a packet of the tunnel
capture sa w0 "$W/wire.pcap"
own=$SPAWNED
pings ha 192.168.77.2 -s 600
pings ha 192.168.77.2 -s 600
end "$own"
check "a packet of the tunnel was seen" [ -s "$W/wire.pcap" ]
on ha tcpreplay -q -i e0 "$W/wire.pcap" >"$W/log/tcpreplay.log" 2>&1
wait_for 5 "an event" one '.event == "loop" and .reason == "own tunnel" and .frames >= 1'
wait_for 5 "a hook" grep -q '^loop ' "$W/hook.list"

step "a message that repeats is held back"
for _ in $(seq 30); do
	lanspan a disconnect b && lanspan a connect b
	wait_for 10 "" is_up a b
done
between "lines of peer-up, b" "$(jq -c 'select(.event == "peer-up")' "$W/log/a.log" | wc -l)" 10 45

step "one who stalls disturbs nobody"
check "it still runs" alive "$stalled"
equal "what the other lost" "$(jq -c 'select(.event == "lost")' "$W/follow" | wc -l)" 0
equal "the other's numbers without gaps" "$(jq -s '[.[].seq] as $s | $s == [range($s[0]; $s[0] + ($s | length))]' "$W/follow")" true
check "ping ha to hb" pings ha 192.168.77.2
kill "$stalled" "$never" 2>/dev/null

step "so many may follow"
declare -a FOLLOWERS=()
for n in 1 2 3 4 5 6 7 8 9; do
	"$BIN/lanspan" -i a events -f >/dev/null 2>"$W/follow.err.$n" &
	FOLLOWERS+=($!)
done
refused() {
	grep -q "too many follow" "$W"/follow.err.[1-9]
}
wait_for 10 "one more is refused" refused
check "the first one goes on" alive "$follower"
kill "${FOLLOWERS[@]}" 2>/dev/null

step "the end: who follows is told"
bridge_stop a
wait "$follower"
equal "its status" $? 1
check "and why" grep -q "a has ended, or was restarted" "$W/follow.err"
check "its last events" in_order "$(jq -r .event "$W/follow" | tail -n 3 | paste -sd" ")" stopping relay-down

step "damage in the log of a relay and a site"
equal "lines of a that are no objects" "$(jq -Rr 'try (fromjson | empty) catch "bad"' "$W/log/a.log" | wc -l)" 0
for of in b hub; do
	equal "lines of $of of another form" "$(LC_ALL=C grep -cvE "$LINE" "$W/log/$of.log")" 0
done
