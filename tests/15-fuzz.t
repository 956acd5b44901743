#!/bin/sh
# What reads bytes from outside, on its own seeds changed at random; make fuzz
# looks longer, and with libFuzzer

. "${0%/*}/lib.sh"

for target in sigv4 sign conf answer; do
	ok "$target: what must hold, holds" \
	    "${TL_FUZZ:?run me through make check}/$target" "${ROUNDS-20000}"
	sed "s/^/# $target: /" err | head -n 3
done
