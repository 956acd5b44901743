#!/bin/sh
# Builds killed at random moments, TL_KILLS of them (200): after tl-reap nothing
# is left, and taken up again they succeed

. "${0%/*}/soak.sh"
builds kill "${TL_KILLS:-200}"
