#!/bin/sh
# The signer, the uploader and tl-multipart against Ceph's radosgw

. "${0%/*}/../lib.sh"
. "$here/ceph.sh"
. "$here/engine.sh"

engine
engine_uploads
engine_refusals
engine_journal
engine_multipart
engine_reader
engine_conform ceph
engine_virtual "http://localhost:${ENDPOINT##*:}"
engine_hurt
