#!/bin/sh
# tl-stored: what is damaged costs that object only, what a crash leaves behind
# goes, and who reads does not wait for the disk

. "${0%/*}/lib.sh"

umask 077
echo 'AK SK rw' >keys
SYNC_LOG=$T/synced SYNC_SLOW=$T/slow
export SYNC_LOG SYNC_SLOW
shim=${TL_PRELOAD:-$TL_BIN/../preload}/sync.so
# The sanitizer must come first of what is preloaded.
[ -z "${TL_ASAN-}" ] || shim=''
PYTHONPATH=$here/s3 PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH PYTHONDONTWRITEBYTECODE
taps disk /usr/bin/python3 "$data/stored_disk.py" "$shim"
