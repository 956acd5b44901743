#!/bin/sh
# Builds killed at random moments, TL_KILLS of them (200), and then tl-reap:
# nothing is left, and the next build succeeds

. "${0%/*}/soak.sh"
grep -q TL_LEDGER "$TL_BIN/tl-build" || skip 'tl-build writes no ledger'
builds kill "${TL_KILLS:-200}"
