#!/bin/sh
# tl-guard and tl-build where something is in their way, without a region

. "${0%/*}/lib.sh"
. "$here/scripted.sh"

state=$HOME/.local/state/tl

# --- a context that was not taken

scripted '{"method":"PUT","path":"*tl-context*","answers":[{"status":403}]},'
mkdir small big
printf 'FROM busybox\nCOPY . /\n' | tee small/Dockerfile >big/Dockerfile
head -c 3000000 /dev/urandom >big/file
for context in small big; do
	try "a $context context that is not taken" \
	    timeout 60 tl-build --work "w-$context" "$context"
	exits 77
	is "a $context context that is not taken: nothing is built" \
	    "$(seen '[.[] | select(.target | test("tl-spec|/complete$"))] |
	    length')" 0
done
