#!/bin/sh
# A build whose folder and ledger are lost, or take no more, at many moments, or
# whose clock is set: what it made is undone all the same (the whole table is in
# tests/soak)

# The file systems are nobody else's.
if [ -z "${TL_UNSHARED-}" ] && unshare -m true 2>/dev/null; then
	TL_UNSHARED=1 exec unshare -m "$0"
fi

. "${0%/*}/lib.sh"
. "$here/region.sh"
. "$here/losses.sh"

losses
loss work before wait 73
loss work during build 73
loss named after create 73
loss glob during create 73
loss glob after create 73
loss glob during complete 73
is 'registered all the same: is said' "$(grep -c \
    '^tl-build: the image is registered all the same; its' err)" 1
loss state during sign 73
loss state during build 73
loss readonly during create 74
loss readonly after spec 73
loss readonly during complete 74
is 'an answer that could not be written down: is said' "$(grep -c \
    '^tl-build: template .*: completion was asked for' err)" 1
loss full during create 74
loss full after get 74
is 'a full disk of this machine is not the sandbox'"'s" \
    "$(grep -c 'a disk of the sandbox' err)" 0
loss full during build
loss inodes before create 73
loss inodes during sign 73
loss clock=+2d during create 143
loss clock=-2d during build 143
loss stop during build 0
nothing_left 'losses'
