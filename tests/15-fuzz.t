#!/bin/sh
# What reads bytes from outside, on its own seeds changed at random; make fuzz
# looks longer, and with libFuzzer

. "${0%/*}/lib.sh"

# Each of these reads a whole file twice.
ok 'qcow2: what must hold, holds' \
    "${TL_FUZZ:?run me through make check}/qcow2" "$((${ROUNDS-20000} / 50))"
for target in sigv4 sign conf answer; do
	ok "$target: what must hold, holds" \
	    "${TL_FUZZ:?run me through make check}/$target" "${ROUNDS-20000}"
	sed "s/^/# $target: /" err | head -n 3
done
