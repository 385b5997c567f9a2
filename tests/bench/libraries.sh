# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Programs with the libraries of another Debian, in LIBRARIES: scripts of their names, in
# a folder that BIN and PATH then begin with.  bench.sh sources this.

LOADER=$(find "$LIBRARIES" -name 'ld-linux*.so.*' | head -n 1)
CIPHERS=$(find "$LIBRARIES" -name 'libcrypto.so.3' | head -n 1)
[ -f "$LOADER" ] || fail "LIBRARIES=$LIBRARIES: there is no ld-linux*.so.* in it"
[ -f "$CIPHERS" ] || fail "LIBRARIES=$LIBRARIES: there is no libcrypto.so.3 in it"

# with_libraries PROGRAM SCRIPT
with_libraries() {
	printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' \
		"$(realpath "$LOADER")" "$(dirname "$(realpath "$CIPHERS")")" "$1" >"$2"
	chmod +x "$2"
}

mkdir -p "$W/with/bench"
for program in lanspan lanspan-bridge lanspan-relay bench/lanspan-bridge; do
	with_libraries "$(realpath "$BIN/$program")" "$W/with/$program"
done
for program in openvpn openssl; do
	! command -v $program >/dev/null || with_libraries "$(command -v $program)" "$W/with/$program"
done
BIN=$W/with
PATH=$W/with:$PATH
