#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Plants one broken wall at a time in a copy of the tree, and demands that
# layers.sh fails and names file, line and wall; then plants what looks like
# one and is none.
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
: >"$work/passed"
: >"$work/failed"

# Counts in files: the plants come by pipes, so their ends are other shells.
verdict()
{
	if [ "$1" -eq 0 ]; then
		echo "$2" >>"$work/passed"
	else
		echo "$2" >>"$work/failed"
		echo "FAIL $2"
		sed "s/^/    /" "$work/said"
	fi
}

# Of the tree's own files what they include is enough, and quick.
mkdir "$work/tree"
(cd "$top" && find include src -name '*.[ch]') | while read -r file; do
	mkdir -p "$work/tree/$(dirname "$file")"
	grep '^#[ \t]*include' "$top/$file" >"$work/tree/$file"
done
mkdir -p "$work/tree/include/base" "$work/tree/include/core" "$work/tree/include/host" \
	"$work/tree/include/app"
for door in base/zz core/zz core/zy core/vnet core/aead host/zz host/tap \
	host/capture host/netlink host/tls app/zz app/conf; do
	[ -e "$work/tree/include/$door.h" ] ||
		echo "/* a door */" >"$work/tree/include/$door.h"
done
cp -R "$work/tree" "$work/clean"
# Walls that are broken already are told by layers itself, not here.
"$top/tools/layers.sh" "$work/tree" >"$work/before"
: >"$work/planted"

# Pulls out what was planted.
fresh_tree()
{
	while read -r file; do
		rm -f "$work/tree/$file"
		[ ! -e "$work/clean/$file" ] || cp "$work/clean/$file" "$work/tree/$file"
	done <"$work/planted"
	: >"$work/planted"
}

# plant FILE: standard input becomes the end of it.  $at is its first line.
plant()
{
	echo "$1" >>"$work/planted"
	mkdir -p "$work/tree/$(dirname "$1")"
	at=1
	if [ -e "$work/tree/$1" ]; then
		at=$(($(wc -l <"$work/tree/$1") + 1))
	fi
	cat >>"$work/tree/$1"
}

look()
{
	"$top/tools/layers.sh" "$work/tree" >"$work/all"
	status=$?
	grep -Fvx -f "$work/before" "$work/all" >"$work/said"
	[ -s "$work/before" ] || cp "$work/all" "$work/said"
}

# breaks FILE LINE WALL TEXT: standard input is the plant, LINE counts in it.
breaks()
{
	fresh_tree
	plant "$1"
	look
	grep -F "$1:$((at + $2 - 1)): $3: " "$work/said" | grep -Fq -e "$4"
	named=$?
	[ "$status" -eq 1 ] && [ "$named" -eq 0 ]
	verdict $? "$1: $3: $4"
}

# stands FILE: standard input breaks nothing.
stands()
{
	fresh_tree
	plant "$1"
	look
	[ ! -s "$work/said" ]
	verdict $? "$1 was blamed"
}

# breaks_down FILE HEADER: an include that may not be there.
breaks_down()
{
	echo "#include \"$2\"" | breaks "$1" 1 down "\"$2\""
}

breaks_down src/base/zz.c core/zz.h
breaks_down src/base/zz.c host/zz.h
breaks_down include/base/zz.h app/zz.h
breaks_down src/core/zz.c host/zz.h
breaks_down include/core/zz.h app/zz.h
breaks_down src/host/zz.c core/zz.h
breaks_down src/host/zz.c core/vnet.h
breaks_down src/host/tap.c core/zz.h
breaks_down src/host/zz.c app/zz.h
breaks_down src/app/zz.c core/nowhere.h
breaks_down src/app/zz.c ../core/zz.h
breaks_down src/app/zz.c zz_parts.h
breaks_down src/lanspan-zz.c lib/zz.h

for file in src/base/zz.c src/core/zz.c src/host/zz.c src/app/zz.c src/lanspan-zz.c \
	include/core/aead.h include/host/tls.h src/host/tls_zz.c; do
	echo '#include <openssl/evp.h>' | breaks $file 1 library openssl/evp.h
	echo '#include <pcap/pcap.h>' | breaks $file 1 library pcap/pcap.h
	echo '#include <intel-ipsec-mb.h>' | breaks $file 1 library intel-ipsec-mb.h
	echo '# include <iniparser/iniparser.h>' | breaks $file 1 library iniparser
	echo '#include <libmnl/libmnl.h>' | breaks $file 1 library libmnl/libmnl.h
	echo '#include <curses.h>' | breaks $file 1 library curses.h
	echo '#include <natpmp.h>' | breaks $file 1 library natpmp.h
	echo '#include <miniupnpc/miniupnpc.h>' | breaks $file 1 library miniupnpc/miniupnpc.h
done
for file in src/base/zz.c src/core/zz.c src/host/zz.c; do
	echo '#include <jansson.h>' | breaks $file 1 library jansson.h
done
echo '#include <pcap.h>' | breaks src/app/conf.c 1 library pcap.h
echo '#include <pcap.h>' | breaks src/lanspan/capture.c 1 library pcap.h

for header in sys/socket.h unistd.h time.h sys/random.h sys/time.h pthread.h linux/if_tun.h; do
	echo "#include <$header>" | breaks src/core/zz.c 1 core "<$header>"
	echo "#include <$header>" | breaks include/core/zz.h 1 core "<$header>"
done
echo '#include "base/log.h"' | breaks src/core/zz.c 1 core base/log.h

for call in malloc calloc realloc strdup free clock_gettime time getrandom \
	clock_now rand_bytes log_warn sendto socket read printf; do
	printf 'void zz_step(int a)\n{\n\tif (a)\n\t\t%s(a);\n}\n' $call |
		breaks src/core/zz.c 4 core "$call()"
	printf 'static inline void zz_step(int a)\n{\n\tint b = -%s (a);\n}\n' $call |
		breaks include/core/zz.h 3 core "$call()"
done
# An _init before it does not open the door for the next function.
printf 'void zz_init(void)\n{\n}\n\nint zz_step(struct z *z,\n\t\tint (*f)(int))\n{\n\tfree(z);\n}\n' |
	breaks src/core/zz.c 8 core 'free()'
printf 'void zz_initialise(void)\n{\n\tfree(z);\n}\n' | breaks src/core/zz.c 3 core 'free()'
printf 'char *a = "/*"; int b = time(0); /* */\n' | breaks src/core/zz.c 1 core 'time()'
printf 'char a = '\''"'\''; int b = time(0); // "\n' | breaks src/core/zz.c 1 core 'time()'
printf '/* a\n * b */ int c = time(0);\n' | breaks src/core/zz.c 2 core 'time()'

for call in sprintf strcpy strcat gets atoi; do
	printf 'void zz(char *a)\n{\n\t%s(a);\n}\n' $call | breaks src/host/zz.c 3 banned "$call()"
done
printf 'static int a = time(0);\nint b = time(0);\n' | breaks src/core/zz.c 2 core 'time()'
printf 'static int a = time(0);\n' | breaks src/core/zz.c 1 core 'time()'
echo 'int a = atoi("1") + b;' | breaks src/lanspan-zz.c 1 banned 'atoi()'

# Cycles: two headers, three rooms by way of their .c files, a header and itself.
fresh_tree
echo '#include "core/zy.h"' | plant include/core/zz.h
echo '#include "core/zz.h"' | plant include/core/zy.h
look
grep -Eq '^include/core/z[yz].h:[0-9]+: cycle: (include/core/zz.h -> include/core/zy.h -> include/core/zz.h|include/core/zy.h -> include/core/zz.h -> include/core/zy.h)$' "$work/said" &&
	[ "$status" -eq 1 ]
verdict $? 'cycle of headers'

fresh_tree
echo '/* a door */' | plant include/core/zx.h
echo '#include "core/zy.h"' | plant src/core/zz.c
echo '#include "core/zx.h"' | plant src/core/zy_part.c
echo '#include "core/zz.h"' | plant src/core/zx.c
look
grep -Eq 'src/core/z[a-z_]*.c:1: cycle: core/z. -> core/z. -> core/z. -> core/z.$' "$work/said" &&
	[ "$status" -eq 1 ]
verdict $? 'cycle of rooms'

fresh_tree
echo '#include "core/zz.h"' | plant include/core/zz.h
look
grep -Eq 'cycle: include/core/zz.h -> include/core/zz.h$' "$work/said" && [ "$status" -eq 1 ]
verdict $? 'header that includes itself'

# What is allowed.
printf '#include "core/vnet.h"\n' | stands src/host/tap.c
printf '#include "core/vnet.h"\n' | stands include/host/tap.h
printf '#include "base/zz.h"\n#include "core/zz.h"\n#include "host/zz.h"\n#include <jansson.h>\n' |
	stands src/app/zz.c
printf '#include <openssl/evp.h>\n' | stands src/core/kex.c
printf '#include <openssl/ssl.h>\n' | stands src/host/tls.c
printf '#include <intel-ipsec-mb.h>\n' | stands src/core/aead_mb.c
printf '#include <openssl/evp.h>\nvoid aead_x(void)\n{\n\tfree(0);\n}\n' | stands src/core/aead_zz.c
printf '#include <pcap/pcap.h>\n' | stands src/host/capture.c
printf '#include <pcap/pcap.h>\n' | stands src/host/nic.c
printf '#include <pcap/pcap.h>\n' | stands src/lanspan/capture_file.c
printf '#include <iniparser/iniparser.h>\n' | stands src/app/conf_zz.c
printf '#include <libmnl/libmnl.h>\n' | stands src/host/netlink.c
printf '#include <libmnl/libmnl.h>\n' | stands src/host/netlink_zz.c
printf '#include <curses.h>\n' | stands src/lanspan/watch_screen.c
printf '#include <natpmp.h>\n' | stands src/host/portmap_natpmp.c
printf '#include <miniupnpc/upnpcommands.h>\n' | stands src/host/portmap_upnp.c
printf 'bool zz_init(struct z *z)\n{\n\tz->a = malloc(1);\n}\n' | stands src/core/zz.c
printf 'void zz_free(struct z *z)\n{\n\tfree(z->a);\n}\n' | stands src/core/zz.c
printf '/* time(0), free(x)\n strcpy(a, b) */\n// atoi(c)\nchar *a = "malloc(1) \\" free(2)";\n' |
	stands src/core/zz.c
printf 'int a = lifetime(0) + z->free(1) + z.read(2) + snprintf(a, 1, "") + my_free(3);\n' |
	stands src/core/zz.c
printf 'static int send(int a)\n{\n\treturn a;\n}\n\nint zz_step(void)\n{\n\treturn send(1);\n}\n' |
	stands src/core/zz.c
printf '/* #include "app/zz.h" */\n' | stands src/core/zz.c

echo "$(wc -l <"$work/passed") passed, $(wc -l <"$work/failed") failed"
[ ! -s "$work/failed" ]
