#!/bin/sh
# A region whose images lie in Swift

. "${0%/*}/../lib.sh"
. "$here/../region.sh"
. "$here/swift.sh"
. "$here/engine.sh"

engine
engine_region
