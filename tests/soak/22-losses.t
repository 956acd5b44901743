#!/bin/sh
# The whole table of losses: each, before, during and after each stage of a
# build; TL_LOSSES=PATTERN tries some, as 'full *' or '* during build'

if [ -z "${TL_UNSHARED-}" ] && unshare -m true 2>/dev/null; then
	TL_UNSHARED=1 exec unshare -m "$0"
fi

. "${0%/*}/soak.sh"
# shellcheck source=tests/losses.sh
. "$here/losses.sh"

losses
for how in work glob state named readonly full inodes limit stop clock=+2d \
    clock=-2d clock=+400s clock=-30s; do
	for step in prepare create wait sign splice context spec build get \
	    complete; do
		for when in before during after; do
			# shellcheck disable=SC2254
			case "$how $when $step" in
			*' during wait'|*' during splice') continue ;;
			${TL_LOSSES:-*}) loss "$how" "$when" "$step" ;;
			esac
		done
	done
done
nothing_left 'losses'

# Longer than a lease: the sandbox has ended meanwhile, and so does the build.
[ -z "${TL_LOSSES-}" ] || exit 0
mkdir nap
printf 'FROM busybox\nRUN sleep 987\n' >nap/Dockerfile
setsid -w tl-build nap >out 2>err </dev/null &
i=0
until pgrep -fx 'sleep 987' >/dev/null || [ "$i" -gt 600 ]; do
	i=$((i + 1))
	sleep 0.1
done
build=$(pgrep -o -f '^tl-guard --program=tl-build')
session=$(ps -o sid= -p "$build" | tr -d ' ')
pkill -STOP -s "$session"
sleep 330
is 'stopped for longer than a lease: the sandbox has ended' "$(left_)" ''
pkill -CONT -s "$session"
wait
is 'stopped for longer than a lease: says so' \
    "$(grep -c '^tl-exec: sandbox sbx-.*terminated' err)" 1
nothing_left 'stopped for longer than a lease'
