# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What lanspan-bridge asks of the kernel, set against the frames that it carried.
# For the stage of two sites, a and b, with a host each.  Sourced after lib.sh.
#
# Frames are counted by the hosts' interfaces.  Those count a super-frame as one;
# here it counts as the frames that it would be on a wire: of each interface and
# direction the packets, or the bytes beyond the first headers over the payload of
# a frame, whichever is more.

CALLS="turns tap_reads tap_writes receives sends yields"

# calls SITE...: a number for each word of CALLS, so far, these sites together
calls() {
	local s
	for s in "$@"; do
		"$BIN/lanspan" -i "$s" show --json
	done | jq -ers --arg kinds "$CALLS" \
		'[.[].system_calls] as $all | $kinds / " " | map(. as $k | [$all[][$k]] | add) | @tsv'
}

# traffic HOST...: packets and bytes that e0 sent, packets and bytes it received
traffic() {
	local h
	for h in "$@"; do
		ip -n "h$h" -j -s link show e0
	done | jq -rs '[.[][0].stats64 | .tx.packets, .tx.bytes, .rx.packets, .rx.bytes] | @tsv'
}

ledger() {
	echo "$(calls a b)" "$(traffic a b)"
}

# spent LEDGER [HEADERS PAYLOAD]: what came since: a line "KIND NUMBER" for each word
# of CALLS, for all of them, and for the frames that the hosts sent and that
# arrived; of full TCP frames on an MTU of 1500 when not said otherwise
spent() {
	echo "$1" "$(ledger)" | awk -v kinds="$CALLS" -v head="${2:-66}" -v payload="${3:-1448}" '
		function since(i) { return $(i + NF / 2) - $i }
		function wire(i,  n, more) {
			n = since(i)
			more = (since(i + 1) - head * n) / payload
			return more > n ? more : n
		}
		{
			k = split(kinds, kind, " ")
			for (i = 1; i <= k; i++) {
				print kind[i], since(i)
				all += since(i)
			}
			for (i = k + 1; i <= NF / 2; i += 4) {
				sent += wire(i)
				arrived += wire(i + 2)
			}
			print "all", all
			printf "sent %d\narrived %d\n", sent, arrived
		}'
}

# spent_on KIND: out of what spent said
spent_on() {
	awk -v kind="$1" '$1 == kind { print $2 }'
}
