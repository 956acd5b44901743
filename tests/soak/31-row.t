#!/bin/sh
# TL_ROW builds in a row (1000): descriptors, threads and memory of the daemons
# stay as they are

. "${0%/*}/soak.sh"
builds row "${TL_ROW:-1000}"
