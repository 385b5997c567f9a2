#!/bin/sh
# SPDX-License-Identifier: MIT
#
# layers.sh [TOP]: does every wall of the house stand?  One line for each that
# does not: FILE:LINE: WALL: what is wrong.  Exit status 1 if there was any.
#
#   down     base -> base; core -> base, core; host -> base, host, and host/tap
#            -> core/vnet.h; app -> base, core, host, app; programs -> all of
#            these.  A header beside its .c file is for that folder alone.
#   cycle    none between headers, none between rooms (x.c and x_part.c count
#            with x.h)
#   library  openssl: core/aead, core/kex, host/tls; intel-ipsec-mb: core/aead_mb;
#            pcap: host/capture, host/nic, lanspan/capture_file; iniparser: app/conf; libmnl:
#            host/netlink; natpmp, miniupnpc: host/portmap_*; jansson: app and
#            programs
#   core     pure: only the headers listed below, no system call, no clock, no
#            randomness of its own, no log; heap only in functions named _init,
#            _new, _start or _free, and in aead
#   banned   sprintf, strcpy, strcat, gets, atoi and their like nowhere
set -eu

cd "${1:-.}"
# Our names have no white space.
# shellcheck disable=SC2046,SC1003
exec awk '
BEGIN {
	may["base"] = " base "
	may["core"] = " base core "
	may["host"] = " base host "
	may["app"] = " base core host app "
	may["program"] = may["app"]

	pure = " assert ctype errno inttypes limits stdalign stdarg stdbool stddef " \
		"stdint stdio stdlib string sys/uio "
	heap = "malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|" \
		"strdup|strndup|free"
	impure = "clock_now|clock_wall_(seconds|us)|rand_bytes|rand_source_kernel|" \
		"log_[a-z]+|clock_gettime|gettimeofday|time|clock|getrandom|getentropy|" \
		"rand|random|srand|srandom|socket|bind|connect|send|sendto|sendmsg|" \
		"sendmmsg|recv|recvfrom|recvmsg|recvmmsg|open|close|read|write|readv|" \
		"writev|ioctl|fcntl|poll|select|epoll_[a-z_]+|syscall|mmap|munmap|" \
		"fopen|printf|fprintf|vfprintf|puts|perror|getenv|system|sleep|usleep|" \
		"nanosleep|exit|_exit|raise|fork|signal|pthread_[a-z_]+"
	banned = "sprintf|vsprintf|strcpy|stpcpy|strcat|strncat|gets|atoi|atol|atof"

	for (i = 1; i < ARGC; i++)
		is_file[ARGV[i]] = 1
}

FNR == 1 { enter(FILENAME) }
{ line($0) }

END {
	for (i = 1; i <= n_nodes; i++)
		walk(nodes[i], "")
	exit bad
}

function wall(name, text) {
	printf "%s:%d: %s: %s\n", file, FNR, name, text
	bad = 1
}

function enter(name,    parts, n) {
	file = name
	comment = 0
	body = candidate = ""
	n = split(name, parts, "/")
	layer = n > 2 ? parts[2] : "program"
	if (!(layer in may))
		layer = "program"
	room = room_of(name)
}

# "app/conf" for include/app/conf.h, src/app/conf.c and src/app/conf_ini.c.
function room_of(name,    folder, stem) {
	sub(/^(src|include)\//, "", name)
	sub(/\.[ch]$/, "", name)
	folder = name
	sub(/[^\/]*$/, "", folder)
	stem = substr(name, length(folder) + 1)
	while (!(("include/" folder stem ".h") in is_file)) {
		if (!sub(/_[^_]*$/, "", stem))
			return name
	}
	return folder stem
}

# Comments go, strings become "", and what an include names is kept.
function strip(s,    out, at, c) {
	if (!comment && s ~ /^[ \t]*#[ \t]*include/) {
		sub(/\/[\/*].*$/, "", s)
		return s
	}
	out = ""
	while (s != "") {
		if (comment) {
			at = index(s, "*/")
			if (!at)
				return out
			s = substr(s, at + 2)
			comment = 0
			continue
		}
		if (!match(s, /\/\*|\/\/|["'\'']/))
			return out s
		out = out substr(s, 1, RSTART - 1)
		c = substr(s, RSTART, RLENGTH)
		s = substr(s, RSTART + RLENGTH)
		if (c == "//")
			return out
		if (c == "/*") {
			comment = 1
			continue
		}
		if (c == "\"")
			match(s, /^(\\.|[^"\\])*"?/)
		else
			match(s, /^(\\.|[^\\'\''])*'\''?/)
		s = substr(s, RLENGTH + 1)
		out = out c c
	}
	return out
}

function line(text,    s) {
	s = strip(text)
	if (s ~ /^[ \t]*#[ \t]*include/) {
		include_line(s)
		return
	}
	follow_function(s)
	if (file ~ /^src\//)
		no_call(s, banned, "banned", "use a bounded or checking function instead")
	if (layer == "core") {
		no_call(s, impure, "core", "the core takes time, randomness and datagrams as arguments")
		if (body !~ /_(init|new|start|free)$/ && room != "core/aead")
			no_call(s, heap, "core", "heap only in _init, _new, _start and _free")
	}
}

# body: the function that the line is in, by our layout: its name at column one
# of a line, its braces alone at column one.
function follow_function(s,    t) {
	if (s ~ /^\{/)
		body = candidate
	else if (s ~ /^\}/)
		body = candidate = ""
	else if (body == "" && s ~ /^[A-Za-z_]/) {
		t = s
		gsub(/__attribute__ *\(\(([^()]|\([^()]*\))*\)\)/, "", t)
		if (!match(t, /[A-Za-z_0-9]+\(/))
			return
		candidate = substr(t, RSTART, RLENGTH - 1)
		if (t ~ /^static [^=(]*\(/)
			own[file, candidate] = 1
	}
}

# A static function of the file itself may have any name.
function no_call(s, names, name, why,    rest, word) {
	rest = " " s
	while (match(rest, "[^A-Za-z0-9_.>](" names ")[ \t]*\\(")) {
		word = substr(rest, RSTART + 1, RLENGTH - 1)
		sub(/[ \t]*\($/, "", word)
		rest = substr(rest, RSTART + RLENGTH)
		if (!((file, word) in own))
			wall(name, word "(): " why)
	}
}

function include_line(s,    target) {
	target = s
	sub(/^[ \t]*#[ \t]*include[ \t]*/, "", target)
	sub(/[ \t\r]*$/, "", target)
	if (target ~ /^</)
		system_include(substr(target, 2, length(target) - 2))
	else
		own_include(substr(target, 2, length(target) - 2))
}

function system_include(name,    stem) {
	if (name ~ /^openssl\// && file != "src/host/tls.c" &&
	    file !~ /^src\/core\/(aead[a-z_]*|kex)\.c$/)
		wall("library", "<" name "> is for src/core/aead*.c, src/core/kex.c and " \
			"src/host/tls.c only")
	if (name == "intel-ipsec-mb.h") {
		if (file != "src/core/aead_mb.c")
			wall("library", "<" name "> is for src/core/aead_mb.c only")
		return
	}
	if (name ~ /^pcap/ && file !~ /^src\/(host\/(capture|nic)|lanspan\/capture_file)\.c$/)
		wall("library", "<" name "> is for src/host/capture.c, src/host/nic.c and " \
			"src/lanspan/capture_file.c only")
	if (name ~ /iniparser|dictionary\.h$/ && file !~ /^src\/app\/conf[a-z_]*\.[ch]$/)
		wall("library", "<" name "> is for src/app/conf* only")
	if (name ~ /^libmnl\// && file !~ /^src\/host\/netlink[a-z_]*\.[ch]$/)
		wall("library", "<" name "> is for src/host/netlink*.[ch] only")
	if (name ~ /curses\.h$/ && file != "src/lanspan/watch_screen.c")
		wall("library", "<" name "> is for src/lanspan/watch_screen.c only")
	if (name == "natpmp.h" && file != "src/host/portmap_natpmp.c")
		wall("library", "<" name "> is for src/host/portmap_natpmp.c only")
	if (name ~ /^miniupnpc\// && file != "src/host/portmap_upnp.c")
		wall("library", "<" name "> is for src/host/portmap_upnp.c only")
	if (name ~ /^jansson/ && layer != "app" && layer != "program")
		wall("library", "<" name "> is for app and the programs only")
	stem = name
	sub(/\.h$/, "", stem)
	if (name == "threads.h" && room ~ /^core\/(aead|kex)$/)
		return # call_once() for what libcrypto fetches by name
	if (layer == "core" && name !~ /^openssl\// && !index(pure, " " stem " "))
		wall("core", "<" name "> is not among the headers of a pure room")
}

function own_include(name,    parts, to_layer, path) {
	if (split(name, parts, "/") == 1) {
		path = file
		sub(/[^\/]*$/, "", path)
		path = path name
		to_layer = layer
	} else {
		to_layer = parts[1]
		path = "include/" name
	}
	if (!(path in is_file)) {
		wall("down", "\"" name "\" is no door of a room, nor beside this file")
		return
	}
	if (!index(may[layer], " " to_layer " ") && to_layer != layer &&
	    !(room == "host/tap" && path == "include/core/vnet.h"))
		wall("down", layer " may not include \"" name "\"")
	if (layer == "core" && name == "base/log.h")
		wall("core", "\"" name "\": core rooms report events and counters instead")

	if (file ~ /\.h$/)
		edge(file, path)
	if (room_of(path) != room)
		edge(room, room_of(path))
}

function edge(from, to) {
	if ((from, to) in where)
		return
	where[from, to] = file ":" FNR
	if (!(from in n_out))
		nodes[++n_nodes] = from
	out[from, ++n_out[from]] = to
}

# Depth first; path holds "a b c " from the root, state 1 on it, 2 done.
function walk(node, path,    i, to) {
	if (state[node])
		return
	state[node] = 1
	path = path node " "
	for (i = 1; i <= n_out[node]; i++) {
		to = out[node, i]
		if (state[to] == 1)
			report_cycle(node, to, path)
		else
			walk(to, path)
	}
	state[node] = 2
}

function report_cycle(last, first, path,    members) {
	members = substr(" " path, index(" " path, " " first " ") + 1)
	gsub(/ /, " -> ", members)
	printf "%s: cycle: %s%s\n", where[last, first], members, first
	bad = 1
}
' $(find include src -name '*.[ch]' | LC_ALL=C sort)
