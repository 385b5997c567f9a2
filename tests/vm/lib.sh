# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What guests do in more than one story here.

# machine_server NAME: it has 192.168.77.2, and leases for others
machine_server() {
	check "guest $1 serves DHCP" machine "$1" "ip addr add 192.168.77.2/24 dev eth0 &&
		touch /run/leases && printf '%s\n' 'interface eth0' 'start 192.168.77.100' \
		'end 192.168.77.150' 'opt subnet 255.255.255.0' 'opt router 192.168.77.2' \
		'lease_file /run/leases' >/etc/udhcpd.conf && udhcpd /etc/udhcpd.conf"
}

# machine_lease NAME
machine_lease() {
	check "guest $1 gets a lease" machine "$1" \
		"udhcpc -i eth0 -n -q -t 20 -T 1 -s /etc/udhcpc >/run/udhcpc 2>&1"
	LEASE=$(machine "$1" "grep ^lease /run/udhcpc")
	echo "  ok  $LEASE"
	[[ "$LEASE" = "lease 192.168.77.1"??" of 192.168.77.2" ]] || fail "not the lease: $LEASE"
	LEASE=${LEASE#lease } LEASE=${LEASE%% *}
}

# machine_file NAME MEGABYTES: something to send, ten times the same; its digest in DIGEST
machine_file() {
	DIGEST=$(MACHINE_WAIT=120 machine "$1" "head -c $(($2 * 104858)) /dev/urandom >/tmp/part && rm -f /tmp/sent &&
		for i in 0 1 2 3 4 5 6 7 8 9; do cat /tmp/part >>/tmp/sent; done && md5sum </tmp/sent") ||
		fail "guest $1: no file of $2 MB"
}

# machine_sends FROM TO ADDRESS: begins to; the other's answer has the word in SENDING
machine_sends() {
	machine_tell "$2" "nc -l -p 9 | md5sum"
	SENDING=$TOLD
	machine_tell "$1" "for i in 1 2 3 4 5; do nc $3 9 </tmp/sent && break; sleep 1; done"
}

# machine_received TO
machine_received() {
	wait_for 180 "all of it has come" machine_status "$1" "$SENDING"
	equal "its digest" "$(sed -n "/\[$SENDING/,/$SENDING\]/s/\([0-9a-f]\{32\}\).*/\1/p" "$W/log/$1.console")" "${DIGEST%% *}"
}
