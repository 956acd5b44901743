#!/bin/sh
# What reads bytes from outside, on its own seeds changed at random; make fuzz
# looks longer, and with libFuzzer

. "${0%/*}/lib.sh"

# Each of these reads a whole file twice.
ok 'qcow2: what must hold, holds' \
    "${TL_FUZZ:?run me through make check}/qcow2" "$((${ROUNDS-20000} / 50))"
ok 'ext4: it ends, whatever is damaged' \
    "$TL_FUZZ/ext4" "$((${ROUNDS-20000} / 40))"
ok 'documents: what must hold, holds' \
    "$TL_FUZZ/documents" "$((${ROUNDS-20000} / 10))"
# Some forty requests each time.
ok 'answers: what must hold, holds' \
    "$TL_FUZZ/answers" "$((${ROUNDS-20000} / 200))"
# A helper is a process.
ok 'credentials: what must hold, holds' \
    "$TL_FUZZ/credentials" "$((${ROUNDS-20000} / 40))"
for target in settings proxy; do
	ok "$target: what must hold, holds" \
	    "$TL_FUZZ/$target" "$((${ROUNDS-20000} / 5))"
done
for target in sigv4 sign conf answer stored region websocket record; do
	ok "$target: what must hold, holds" \
	    "${TL_FUZZ:?run me through make check}/$target" "${ROUNDS-20000}"
	sed "s/^/# $target: /" err | head -n 3
done
