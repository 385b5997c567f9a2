#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The manual pages know every verb, key, drop reason and JSON member that the
# sources know, with the keys' defaults and ranges, and whether reload may change
# them.
set -u

cd "$(dirname "$0")/../.." || exit 1
passed=0
failed=0

# knows PAGE WHAT PATTERN: the page has a line like that
knows()
{
	if grep -qE -- "$3" "man/$1"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $1 does not tell of $2"
	fi
}

# text_of WHOSE SECTION KEY: what lanspan.conf(5) says of the key, on one line;
# WHOSE file: site or relay
text_of()
{
	awk -v whose="$1" -v section="$2" -v key="$3" '
	/^\.Sh / { part = $0 ~ "OF A " toupper(whose) "$"; inside = 0 }
	/^\.Ss / && part { inside = $2 == "[" section "]" || $2 == "[" section }
	/^\.(It|El)/ { here = inside && $2 == "Ic" && $3 == key }
	here { printf "%s ", $0 }' man/lanspan.conf.5
}

# keys FILE: its table of keys, a line each: section key default min max live
keys()
{
	awk '
	/^static const struct conf_key keys/ { table = 1; next }
	/^}/ { table = 0 }
	!table { next }
	/^\t\{ / { entry = "" }
	{ entry = entry " " $0 }
	/\},$/ && match(entry, /KEY\("[a-z]*", "[a-z_]*"\)/) {
		split(substr(entry, RSTART, RLENGTH), word, "\"")
		print word[2] "|" word[4] "|" after(".standard = \"", "\"") "|" \
			after(".min = ", "[,} ]") "|" after(".max = ", "[,} ]") "|" \
			(entry ~ /\.live = true/ ? "live" : "fixed")
	}
	function after(start, stop,    at, rest) {
		at = index(entry, start)
		if (!at)
			return ""
		rest = substr(entry, at + length(start))
		return substr(rest, 1, match(rest, stop) - 1)
	}' "$1"
}

# says SECTION KEY WHAT TEXT: what the page says of the key has that text
says()
{
	case $said in
	*"$4"*) passed=$((passed + 1)) ;;
	*)
		failed=$((failed + 1))
		echo "FAIL lanspan.conf.5 does not tell $3 of [$1] $2: $4"
		;;
	esac
}

# reasons FILE PREFIX: the names in its table of drop reasons
reasons()
{
	tr '\n' ' ' <"$1" |
		grep -oE "\[$2_[A-Z0-9_]+\\] = \{[[:space:]]*\"[a-z0-9-]+\"" | sed 's/.*"\(.*\)"/\1/'
}
for reason in $(reasons src/core/drop.c DROP); do
	if cat man/lanspan.8 man/lanspan-protocol.7 | grep -qE "^\.It (.* , )?$reason( ,.*)?\$"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL no page tells of the drop reason $reason"
	fi
done

for reason in $(reasons src/core/relay_count.c RELAY); do
	knows lanspan-relay.8 "the drop reason $reason" "^\.It (.* , )?$reason( ,.*)?\$"
done

kinds=$(sed -n '/^} kinds\[\] = {/,/^}/s/^\t\[EVENT_[A-Z_]*\] = { "\([a-z-]*\)".*/\1/p' src/app/event.c)
events=$(sed -n '/^\.Sh EVENTS/,/^\.Sh ENVIRONMENT/p' man/lanspan.8)
for kind in $kinds lost; do
	if echo "$events" | grep -qE "^\.It (.* , )?$kind( ,.*)?\$"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL lanspan.8 does not tell of the event $kind"
	fi
done

verbs=$(sed -n '/^static const struct cli_verb verbs/,/^}/s/^\t{ "\([a-z]*\)".*/\1/p' \
	src/lanspan/main.c)
for verb in $verbs; do
	knows lanspan.8 "the verb $verb" "^\.It Cm $verb( |\$)"
done

for key in $(grep -ohE '(KEY\("[a-z]+", "[a-z_]+"|SETTING\("[a-z_]+")' src/app/lab_conf.c |
	sed 's/.*"\([a-z_]*\)"$/\1/' | sort -u); do
	knows lanspan-lab.7 "the key $key" "^\.It Ic ([a-z_]+ , )*$key( |\$)"
done

members=$(grep -ohE '(put|answer)[a-z_]*\([a-z]+, "[a-z_0-9]+"' src/app/report*.c src/app/why.c |
	sed 's/.*"\(.*\)"/\1/' | sort -u)
of_site=$(sed -n '/^\.Sh JSON$/,/^\.Sh JSON OF A RELAY/p' man/lanspan.8)
for member in $members; do
	if echo "$of_site" | grep -qE "^\.(It )?Em ([a-z_]+ , )*$member( |\$)"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL lanspan.8 does not tell of a site's member $member"
	fi
done

members=$(grep -ohE 'answer_[a-z]+\([a-z]+, "[a-z_]+"' src/app/hub_report.c src/app/answer.c |
	sed 's/.*"\(.*\)"/\1/' | sort -u)
of_relay=$(sed -n '/^\.Sh JSON OF A RELAY/,/^\.Sh DROPS/p' man/lanspan.8)
for member in $members; do
	if echo "$of_relay" | grep -qE "^\.(It )?Em $member( |\$)"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL lanspan.8 does not tell of a relay's member $member"
	fi
done

while IFS='|' read -r whose section key standard min max live; do
	said=$(text_of "$whose" "$section" "$key")
	says "$section" "$key" 'anything' ".It Ic $key No ="
	[ -z "$standard" ] || says "$section" "$key" 'the default' "$standard"
	[ -z "$min" ] || says "$section" "$key" 'the range' "$min to $max"
	reload=' May change at reload.'
	case $whose.$section in site.peer | site.port | relay.network) reload= ;; esac
	if [ "$live" = live ]; then
		says "$section" "$key" 'that it may change' "$reload"
	else
		case $said in
		*"$reload"*)
			failed=$((failed + 1))
			echo "FAIL lanspan.conf.5 says that [$section] $key may change at reload"
			;;
		*) passed=$((passed + 1)) ;;
		esac
	fi
done <<EOF
$(keys src/app/conf_keys.c | sed 's/^/site|/')
$(keys src/app/relay_conf.c | sed 's/^/relay|/')
EOF

# controls FILE: the types of CONTROL records, a line each: number name
controls()
{
	sed -n '/^enum wire_[a-z_]*control {/,/^}/s/^\tWIRE_\([A-Z_]*\) = \([0-9]*\),.*/\2 \1/p' \
		"include/core/$1"
}
while read -r number name; do
	knows lanspan-protocol.7 "CONTROL $number, $name" "^\.It (.* )?$number $name( |\$)"
done <<EOF
$(controls wire.h)
$(controls wire_relay.h)
EOF
knows lanspan-protocol.7 'the flag PATH' '^One flag is defined, PATH, 1:'

# The tables were read at all.
[ $passed -ge 200 ] || {
	failed=$((failed + 1))
	echo "FAIL only $passed things were looked for"
}

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
