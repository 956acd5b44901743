#!/bin/sh
# Our JSON reader against Python's, on texts made from seeds: the same verdict
# on each, the same values where it is good

. "${0%/*}/lib.sh"

[ -x /usr/bin/python3 ] || skip 'python3 is absent'
for seed in 698 15 2026; do
	ok "seed $seed: no difference" /usr/bin/python3 "$data/differ.py" \
	    "${TL_FUZZ:?run me through make check}/span" "$seed" 4000
	sed 's/^/# /' out | tail -n 1
done
