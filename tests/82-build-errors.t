#!/bin/sh
# tl-build on a region when something is wrong: one clear line, a documented
# status, the sandbox gone, the upload aborted, the region still serving

. "${0%/*}/lib.sh"
. "$here/region.sh"

# dockerfile NAME LINE...: a folder with a Dockerfile of these lines
dockerfile () {
	mkdir -p "$1"
	folder=$1
	shift
	printf '%s\n' "$@" >"$folder/Dockerfile"
}

region
key=$TENSORLAKE_API_KEY

TENSORLAKE_API_KEY=wrong
try 'a wrong key' tl-build "$sample/Dockerfile"
exits 77
says '401'
silent out
unset TENSORLAKE_API_KEY
try 'no key' tl-build "$sample/Dockerfile"
exits 78
says 'TENSORLAKE_API_KEY'
export TENSORLAKE_API_KEY="$key"

TENSORLAKE_API_URL='http://127.0.0.1:1' \
    try 'no server' tl-build "$sample/Dockerfile"
exits 75
says '127.0.0.1'

try 'no Dockerfile' tl-build "$T/none/Dockerfile"
exits 66
says 'none/Dockerfile'
nothing_left 'after what fails before a sandbox'

dockerfile parent 'FROM 127.0.0.1:9/image:1'
try 'an unknown base image' tl-build parent/Dockerfile
exits 1
says '127.0.0.1:9/image:1'
silent out
nothing_left 'an unknown base image'

dockerfile run 'FROM busybox' 'RUN echo before && exit 7'
try 'a RUN step that fails' tl-build run/Dockerfile
exits 1
says 'before'
says 'exit 7'
silent out
nothing_left 'a RUN step that fails'

dockerfile big 'FROM scratch' 'COPY big /big'
head -c 40000000 /dev/urandom >big/big
try 'a full disk' tl-build --disk-mb 32 big/Dockerfile
exits 1
says 'o space left'
silent out
nothing_left 'a full disk'

# remote: wait until the build's RUN step is under way; no other run of this
# test has the same
nap=9$$
remote () {
	i=0
	until pgrep -fx "sleep $nap" >/dev/null || [ "$i" -gt 600 ]; do
		i=$((i + 1))
		sleep 0.05
	done
}
dockerfile slow 'FROM busybox' "RUN sleep $nap"
tl-build --work slow.work slow/Dockerfile >slow.out 2>slow.err &
build=$!
remote
id=$(jq -r .id slow.work/sandbox.json)
curl -fsS -X DELETE -H @- -o /dev/null \
    "$TENSORLAKE_API_URL/v1/namespaces/default/sandboxes/$id" <<END
Authorization: Bearer $key
END
wait "$build"
code=$?
is 'a sandbox that is killed: fails' "$((code != 0))" 1
is 'a sandbox that is killed: says so' \
    "$(grep -c 'tl-exec: .*sandbox' slow.err)" 1
is 'a sandbox that is killed: nothing on stdout' "$(cat slow.out)" ''
nothing_left 'a sandbox that is killed'

for signal in INT:130 TERM:143 HUP:129; do
	rm -rf slow.work
	# A background job has SIGINT ignored; the build must not inherit that.
	python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' \
	    tl-build --work slow.work slow/Dockerfile >slow.out 2>slow.err &
	build=$!
	remote
	kill "-${signal%:*}" "$build"
	wait "$build"
	is "SIG${signal%:*}: its status" "$?" "${signal#*:}"
	is "SIG${signal%:*}: nothing on stdout" "$(cat slow.out)" ''
	nothing_left "SIG${signal%:*}"
done

mkdir part
cp "$TL_BIN"/tl-* part/
rm part/tl-sign
try 'a missing program' env PATH=/usr/bin:/bin part/tl-build "$sample/Dockerfile"
exits 69
says 'tl-sign: not found'

mkdir used
echo '{}' >used/plan.json
try 'a build folder in use' tl-build --work used "$sample/Dockerfile"
exits 73
is 'is left as it was' "$(ls used)" plan.json

try 'the region still serves' tl-build -n still "$sample/Dockerfile"
exits 0
is 'no secret in what the builds said' \
    "$(grep -l -e X-Amz-Signature -e "$key" ./*.err)" ''
nothing_left 'at the end'
lists tl-build.1
