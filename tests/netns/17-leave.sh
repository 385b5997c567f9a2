#!/bin/bash
# SPDX-License-Identifier: MIT
#
# SIGTERM leaves nothing behind that the process made, and all that was there.
#
#   ha --- sa === wan0 === sb --- hb
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping
story "what is left after the end"

there() { # NAMESPACE LINK
	ip -n "$1" -o link show "$2" 2>/dev/null | wc -l
}

two_sites
two_hosts
links=$(ip -n sa -o link | wc -l)

step "TAP made, bridge that was there"
connect
equal "TAP while it runs" "$(there sa span0)" 1
bridge_stop a
bridge_stop b
equal "TAP after SIGTERM" "$(there sa span0)" 0
equal "bridge" "$(there sa br0)" 1
equal "links as before" "$(ip -n sa -o link | wc -l)" "$links"
equal "sockets in the run folder" "$(find "$W/run" -type s | wc -l)" 0

step "SIGINT does the same"
bridge_start a
end "${PID[a]}" INT
equal "exit status" "$ENDED" 0
unset "PID[a]"
equal "TAP" "$(there sa span0)" 0
equal "sockets in the run folder" "$(find "$W/run" -type s | wc -l)" 0

step "bridge made by create = yes"
conf a bridge bridge br7
conf a bridge create yes
conf_write a
bridge_start a
equal "bridge while it runs" "$(there sa br7)" 1
equal "the TAP's bridge" "$(ip -n sa -j link show span0 | jq -r '.[0].master')" br7
check "the bridge is up" sh -c "ip -n sa -o link show br7 | grep -q '[<,]UP[,>]'"
bridge_stop a
equal "bridge after SIGTERM" "$(there sa br7)" 0
equal "links as before" "$(ip -n sa -o link | wc -l)" "$links"

step "create = yes, and the bridge was there"
bridge_add sa br7
bridge_start a
bridge_stop a
equal "bridge after SIGTERM" "$(there sa br7)" 1
ip -n sa link del br7
conf a bridge bridge br0
conf a bridge create no

step "a persistent TAP is used, and left"
on sa ip tuntap add dev span0 mode tap
index=$(ip -n sa -j link show span0 | jq '.[0].ifindex')
connect
equal "the same device" "$(ip -n sa -j link show span0 | jq '.[0].ifindex')" "$index"
check "ping" pings ha 192.168.77.2
bridge_stop a
equal "TAP after SIGTERM" "$(there sa span0)" 1
bridge_start a
wait_for 5 "up again" both_up a b
check "ping" pings ha 192.168.77.2
bridge_stop a
on sa ip tuntap del dev span0 mode tap

step "after kill -9 the next start is whole"
bridge_start a
bridge_kill a
bridge_start a
wait_for 5 "up again" both_up a b
check "ping" pings ha 192.168.77.2
