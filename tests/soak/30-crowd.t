#!/bin/sh
# TL_CROWD builds at once (64): all registered, each with its own files

. "${0%/*}/soak.sh"
builds crowd "${TL_CROWD:-64}"
