#!/bin/sh
# A region whose images lie in Ceph

. "${0%/*}/../lib.sh"
. "$here/../region.sh"
. "$here/ceph.sh"
. "$here/engine.sh"

engine
engine_region
