# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Address translators between sites and the underlay.  A story sources this after
# lib.sh, calls nat_need before anything else, and underlay before the first nat.
#
#   sa ---+                                   n1, n2, ... the translators' namespaces:
#         +--- [in0] n1 [w0] --- wan0         in0 is a bridge, 10.K.0.254 and fd99:K::fe,
#   sb ---+                       |           w0 is 10.99.0.1KK and fd99::1KK, K its number
#   sc ------- [in0] n2 [w0] -----+
#
# The public side is 10.99.0.0/24 and fd99::/64.  wan routes what is public besides
# and answers for what is not: nothing out there knows a way to 10.K.0.0/24, but that
# of KIND none.  A translator lets in what belongs to a flow that it knows, and drops
# all else without a word, that meant for itself too: an entry of its own for a packet
# that nobody wanted would take the place of the flow that goes out a moment later.
#
# KIND          mapping of a site's UDP port             who may send to it
#   none        none; routed                             everybody
#   masq        the same port, where it is free          who was sent to, address and port
#   cone        40000 + the site's number, for all       everybody
#   symmetric   another one for each destination         who was sent to, address and port

declare -A NAT_KIND=() NAT_NUMBER=() NAT_BEHIND=() NAT_SHIFT=() NAT_IPV6=()
declare -A INSIDE=() # of a site: the translator it is behind, or empty
NAT_PORT=7741        # that sites send from

# nat_need: skips the story where the kernel cannot do it in a namespace
nat_need() {
	local missing
	need nft conntrack
	netns try
	missing=$(on try sh -e -c '
		cd /proc/sys/net || { echo no /proc/sys; exit 1; }
		[ -w ipv4/ip_forward ] || { echo no forwarding; exit 1; }
		nft -f - || { echo no nft rules for NAT; exit 1; }
		[ -w netfilter/nf_conntrack_udp_timeout ] || { echo no time-outs of conntrack; exit 1; }
		conntrack -F || { echo no conntrack; exit 1; }' 2>&1 <<-'END'
		table ip nat {
			chain post {
				type nat hook postrouting priority 100
				udp sport 7741 masquerade to :7742
				masquerade fully-random
			}
			chain pre {
				type nat hook prerouting priority -100
				udp dport 7741 dnat to 10.1.0.1:7741
			}
		}
		table inet filter {
			chain forward {
				type filter hook forward priority 0
				ct state established,related accept
				ct status dnat accept
			}
		}
		table bridge filter {
			chain forward {
				type filter hook forward priority 0
				ip saddr 10.1.0.1 ip daddr 10.1.0.2 meta l4proto udp drop
			}
		}
	END
	) || skip "no address translation in namespaces here: $missing"
	ip netns del try
}

# forwards NAMESPACE
forwards() {
	on "$1" sh -c 'cd /proc/sys/net; echo 1 >ipv4/ip_forward
		for i in all default; do echo 0 >ipv4/conf/$i/send_redirects; done
		[ ! -d ipv6 ] || echo 1 >ipv6/conf/all/forwarding
		! cd bridge 2>/dev/null || for i in bridge-nf-call-*; do echo 0 >$i; done'
}

# nat NAME KIND [BEHIND]: a translator in the underlay, or behind another one
nat() {
	local k=$((${#NAT_NUMBER[@]} + 1)) outer=${3:-} ns=n$1
	[ ${#1} -le 12 ] || fail "$1: longer than the name of an interface may be, with to-"
	NAT_NUMBER[$1]=$k NAT_KIND[$1]=$2 NAT_BEHIND[$1]=$outer NAT_SHIFT[$1]=0
	case ${NAT_KIND[${outer:-$1}]} in cone) [ -z "$outer" ] || fail "a cone holds sites only" ;; esac
	netns "$ns"
	forwards "$ns"
	forwards wan
	bridge_add "$ns" in0
	ip -n "$ns" addr add "10.$k.0.254/24" dev in0
	join "$ns" "$1" "$outer" $((100 + k))
	if [ "$2" = none ]; then
		[ -z "$outer" ] || fail "a plain router is in the underlay only"
		ip -n wan route add "10.$k.0.0/24" via "10.99.0.$((100 + k))"
	fi
	nat_rules "$1"
}

# join NAMESPACE NAME NAT N: its w0 to the inside of NAT, or to the underlay if empty,
# with the number N there and the way out
join() {
	local net=10.99.0 net6=fd99: k=${NAT_NUMBER[${3:--}]:-}
	if [ -n "$k" ]; then
		net=10.$k.0
		cable "$1" "n$3" in0 "$2"
		net6=
		[ -z "${NAT_IPV6[$3]:-}" ] || net6=fd99:$k:
	else
		cable "$1" wan wan0 "$2"
	fi
	ip -n "$1" addr add "$net.$4/24" dev w0
	ip -n "$1" route replace default via "$net.254"
	[ -n "$net6" ] || return 0
	ip -n "$1" addr add "$net6:$4/64" dev w0 nodad
	ip -n "$1" route replace default via "$net6:fe"
}

# nat_ipv6 NAME: IPv6 for the sites inside, routed, not translated; who may send in is
# as for masq, but with KIND none.  Called before a site is put there.
nat_ipv6() {
	local k=${NAT_NUMBER[$1]}
	[ -z "${NAT_BEHIND[$1]}" ] || fail "IPv6 behind two translators: no story needs it"
	NAT_IPV6[$1]=yes
	ip -n "n$1" addr add "fd99:$k::fe/64" dev in0 nodad
	ip -n wan route add "fd99:$k::/64" via "fd99::$((100 + k))"
}

# plug SITE [NAT]: the site's cable goes behind NAT, or into the underlay; the site and
# its namespace are made if need be.  The place it had is empty then.
plug() {
	local old=${INSIDE[$1]:-}
	[ -e "/run/netns/s$1" ] || site_namespace "$1"
	ip -n "s$1" link del w0 2>/dev/null
	INSIDE[$1]=${2:-}
	join "s$1" "$1" "${2:-}" "$(number "$1")"
	[ -z "$old" ] || nat_rules "$old"
	[ -z "${2:-}" ] || nat_rules "$2"
}

# nat_port SITE: of a cone, what it makes of NAT_PORT
nat_port() {
	echo $((40000 + $(number "$1") + NAT_SHIFT[${INSIDE[$1]}]))
}

# nat_sites NAT: the sites inside
nat_sites() {
	local s
	for s in "${!INSIDE[@]}"; do
		[ "${INSIDE[$s]}" != "$1" ] || echo "$s"
	done
}

# nat_rules NAT: all its rules anew; flows that it knows go on
nat_rules() {
	[ "${NAT_KIND[$1]}" != none ] || return 0
	{
		printf '%s\n' 'table ip nat' 'flush table ip nat' 'table inet filter' 'flush table inet filter'
		printf '%s\n' 'table ip nat {' 'chain post {' 'type nat hook postrouting priority 100'
		nat_outgoing "$1" "$((NAT_PORT + NAT_SHIFT[$1]))"
		printf '%s\n' '}' 'chain pre {' 'type nat hook prerouting priority -100'
		nat_incoming "$1"
		printf '%s\n' '}' '}'
		nat_filter
	} | on "n$1" nft -f - || fail "rules of the translator $1"
}

nat_outgoing() {
	local s
	case ${NAT_KIND[$1]} in
	symmetric) echo 'oifname w0 masquerade fully-random' ;;
	masq)
		[ "$2" = $NAT_PORT ] || echo "oifname w0 udp sport $NAT_PORT masquerade to :$2"
		echo 'oifname w0 masquerade'
		;;
	cone)
		for s in $(nat_sites "$1"); do
			echo "oifname w0 ip saddr $(inside_address "$s") udp sport $NAT_PORT" \
				"masquerade to :$(nat_port "$s")"
		done
		echo 'oifname w0 masquerade'
		;;
	*) fail "${NAT_KIND[$1]}: no kind of translator" ;;
	esac
}

nat_incoming() {
	local s
	[ "${NAT_KIND[$1]}" = cone ] || return 0
	for s in $(nat_sites "$1"); do
		echo "iifname w0 udp dport $(nat_port "$s") dnat to $(inside_address "$s"):$NAT_PORT"
	done
}

nat_filter() {
	cat <<-'END'
		table inet filter {
			chain known {
				ct state established,related accept
				ct status dnat accept
				icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
				drop
			}
			chain forward {
				type filter hook forward priority 0
				iifname w0 goto known
			}
			chain input {
				type filter hook input priority 0
				iifname w0 goto known
			}
		}
	END
}

# inside_address SITE: what its interface has; outside_address SITE: by which it is
# seen in the underlay
inside_address() {
	local k=${NAT_NUMBER[${INSIDE[$1]:--}]:-}
	[ -n "$k" ] && echo "10.$k.0.$(number "$1")" || echo "10.99.0.$(number "$1")"
}

outside_address() {
	local n=${INSIDE[$1]:-}
	while [ -n "${NAT_BEHIND[${n:--}]:-}" ]; do
		n=${NAT_BEHIND[$n]}
	done
	if [ -z "$n" ] || [ "${NAT_KIND[$n]}" = none ]; then
		inside_address "$1"
	else
		echo "10.99.0.$((100 + NAT_NUMBER[$n]))"
	fi
}

# ---- weather --------------------------------------------------------------

# nat_timeout NAME SECONDS: of UDP flows, of one packet and of many, from now on
nat_timeout() {
	on "n$1" sh -c "cd /proc/sys/net/netfilter
		echo $2 >nf_conntrack_udp_timeout; echo $2 >nf_conntrack_udp_timeout_stream"
}

# nat_forget NAME [rebind]: all flows, as when it starts anew; rebind: the ports that
# masq and cone give are others from now on
nat_forget() {
	if [ "${2:-}" = rebind ]; then
		NAT_SHIFT[$1]=$((NAT_SHIFT[$1] + 100))
		nat_rules "$1"
	fi
	on "n$1" conntrack -F 2>/dev/null || fail "conntrack -F"
}

# nat_flows NAME: how many UDP flows it knows
nat_flows() {
	on "n$1" conntrack -L -p udp 2>/dev/null | wc -l
}

# nat_block SITE OTHER: what they send to each other through the underlay is dropped
# there; nat_unblock SITE OTHER: no more
nat_block() {
	on wan nft list table ip blocked >/dev/null 2>&1 || nat_blockable
	nat_pair add "$1" "$2"
}

nat_unblock() {
	nat_pair delete "$1" "$2"
}

nat_blockable() {
	local family
	for family in bridge ip; do # what passes on the public side, and what wan routes
		on wan nft -f - <<-END || fail "no rules in the underlay"
			table $family blocked {
				set pairs {
					type ipv4_addr . ipv4_addr
				}
				chain forward {
					type filter hook forward priority 0
					meta l4proto udp ip saddr . ip daddr @pairs drop
				}
			}
		END
	done
}

nat_pair() {
	local a b family
	a=$(outside_address "$2")
	b=$(outside_address "$3")
	for family in bridge ip; do
		on wan nft "$1" element $family blocked pairs "{ $a . $b, $b . $a }" ||
			fail "$1: the pair of $a and $b"
	done
}
