#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The TAP or the bridge is deleted under the running process: it neither ends nor
# spins, makes and joins them again, and traffic is back within 5 s.
#
#   ha --- sa [br0: p-a, span0] === wan0 === [br0: p-b, span0] sb --- hb
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need ping
story "TAP and bridge deleted"

two_sites
two_hosts
connect
pid=${PID[a]}
check "ping before" pings ha 192.168.77.2

# calm SECONDS: the process uses less than a tenth of a CPU
calm() {
	local before
	before=$(cpu "$pid")
	holds "$1" "the process lives" alive "$pid"
	between "its CPU, ticks of 10 ms in $1 s" "$(($(cpu "$pid") - before))" 0 "$(($1 * 10 * PATIENCE))"
}

step "TAP deleted"
ip -n sa link del span0
wait_for 5 "traffic is back" pings ha 192.168.77.2
equal "the same process" "${PID[a]} $(alive "$pid" && echo lives)" "$pid lives"
calm 2

step "TAP deleted three times in a row"
for _ in 1 2 3; do
	wait_for 5 "span0 is there" ip -n sa link show span0
	ip -n sa link del span0
done
wait_for 5 "traffic is back" pings ha 192.168.77.2

step "TAP taken out of the bridge"
ip -n sa link set span0 nomaster
wait_for 5 "traffic is back" pings ha 192.168.77.2

step "bridge deleted, and nothing comes for a while"
ip -n sa link del br0
calm 3
at_least "it says so" "$(grep -c br0 "$W/log/a.log")" 1

step "bridge made again"
bridge_add sa br0
ip -n sa link set p-a master br0
wait_for 5 "traffic is back" pings ha 192.168.77.2
equal "the same process" "${PID[a]} $(alive "$pid" && echo lives)" "$pid lives"
calm 2

step "both deleted"
ip -n sa link del br0
ip -n sa link del span0
calm 2
bridge_add sa br0
ip -n sa link set p-a master br0
wait_for 5 "traffic is back" pings ha 192.168.77.2

step "TAP set down, and up again"
ip -n sa link set span0 down
calm 2
ip -n sa link set span0 up
wait_for 5 "traffic is back" pings ha 192.168.77.2
