#!/bin/sh
# The signer, the uploader and tl-multipart against Swift's S3

. "${0%/*}/../lib.sh"
. "$here/swift.sh"
. "$here/engine.sh"

engine
engine_uploads
engine_refusals
engine_journal
engine_multipart
engine_reader
engine_conform swift
engine_virtual "http://localhost:${ENDPOINT##*:}"
engine_hurt
