#!/bin/sh
# The unit tests in C, each a program of its own that speaks TAP

. "${0%/*}/lib.sh"

for unit in "${TL_UNIT:?run me through make check}"/*; do
	[ -x "$unit" ] || continue
	"$unit" >tap 2>&1
	code=$?
	sed -n 's/^\(not ok\)/# &/p; /^#/p' tap
	if [ "$code" -eq 0 ] && tail -n 1 tap | grep -q '^1\.\.[1-9]'; then
		pass_ "${unit##*/}: $(grep -c '^ok' tap) checks"
	else
		fail_ "${unit##*/}" "status $code" "$(grep -v '^ok' tap)"
	fi
done
