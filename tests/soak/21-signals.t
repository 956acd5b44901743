#!/bin/sh
# INT and TERM at TL_SIGNALS random moments each (50): the status says so, and
# nothing is left

. "${0%/*}/soak.sh"
builds signal "${TL_SIGNALS:-50}"
