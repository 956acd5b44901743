#!/bin/sh
# Losses on a real region: the sandbox deleted, the command killed, the server
# stopped for a while or for good, under a running tl-exec

. "${0%/*}/lib.sh"
. "$here/region.sh"

region
TL_SANDBOX=$T/box.json
export TL_SANDBOX
file prepared.json '{"buildId":"b-1","snapshotId":"s-1",
"rootfsNodeKind":"base","builder":{"image":"tensorlake/rootfs-builder",
"command":"tl-rootfs-build",
"cpus":1,"memoryMb":512,"diskMb":1024}}'
sandboxd=$(cat "$TL_REGION_DIR/run/sandboxd.pid")

sandbox () {
	tl-sandbox create <prepared.json >new.json &&
	    tl-sandbox wait <new.json >box.json
}

# lines: how many lines have come
lines () {
	wc -l <live
}

# count OPTION...: a command that counts, in the background, until
# its first lines are there
count () {
	: >live
	(
		# shellcheck disable=SC2016
		timeout 100 tl-exec "$@" -- sh -c 'i=0
		while [ $i -lt 40 ]; do i=$((i + 1)); echo $i; sleep 0.1; done'
		echo "$?" >code
	) >live 2>said &
	counting=$!
	tries=0
	while [ "$(lines)" -lt 3 ] && [ $tries -lt 200 ]; do
		tries=$((tries + 1))
		sleep 0.1
	done
}

# ended NAME STATUS SECONDS: it has, within a generous time of now
ended () {
	begun=$(date +%s)
	wait "$counting"
	took=$(($(date +%s) - begun))
	is "$1: its status, within $3 s" "$(cat code) $((took <= $3))" "$2 1"
}

sandbox
count
ok 'the sandbox is deleted' tl-sandbox rm -s box.json
ended 'deleted' 69 5
is 'deleted: said' "$(grep -c "sandbox $(jq -r .id box.json): .*tl-build --resume" \
    said)" 1
for command in 'tl-exec true' 'tl-get /etc/passwd' 'tl-sandbox wait -s box.json'
do
	# shellcheck disable=SC2086
	try "$command, deleted" timeout 5 $command
	exits 69
	silent out
done
given x
try 'tl-put, deleted' timeout 5 tl-put /tmp/x
exits 69

sandbox
count
ok 'the command is killed' tl-exec --root -- pkill -9 -f 'i=0'
ended 'killed' 137 5

# Stopped for so long that the connection is given up, and again.
TL_STALL_S=1
export TL_STALL_S
count -v
kill -STOP "$sandboxd"
sleep 3
kill -CONT "$sandboxd"
unset TL_STALL_S
ended 'a server that stood still' 0 60
ok 'its connection was given up' grep -q "no byte for 1 s" said
is 'a server that stood still: each line once' "$(seq 1 40 | cksum)" \
    "$(cksum <live)"

tl-sandbox rm -s box.json

# The same under a whole build, with a context that takes a while to be seen.
mkdir context
head -c 30000000 /dev/urandom >context/big
nap=9$$
printf 'FROM busybox\nRUN sleep %s\n' "$nap" >context/Dockerfile
# build: one in the background, until its builder is at work
build () {
	(
		timeout 100 tl-build --progress json --work "$1" \
		    context/Dockerfile
		echo "$?" >code
	) >live 2>said &
	counting=$!
	tries=0
	until pgrep -fx "sleep $nap" >nap.pid || [ $tries -gt 300 ]; do
		tries=$((tries + 1))
		sleep 0.1
	done
}
error () {
	jq -r 'select(.event == "error" or .event == "line") | .text' said |
	    grep -c -e "$1"
}
build one
is 'the context is seen to be sent' "$(jq -s 'map(select(
    .event == "progress" and .stage == "context")) | length >= 1 and
    (last | .done == .total and .done > 30000000)' said)" true
ok 'a build loses its sandbox' tl-sandbox rm -s one/sandbox.json
ended 'a build loses its sandbox' 69 15
is 'a build loses its sandbox: what it says' \
    "$(error 'tl-exec: sandbox sbx-[^ ]*: terminated: deleted; nothing') $(
    error '^again: tl-build --resume') $(jq -r 'select(.event == "message").text' \
    said | grep -c '^build .*; sandbox sbx-.*; log: .*/one/log$')" '1 1 1'
build two
ok 'a build loses its builder' tl-exec -s two/sandbox.json --root -- \
    pkill -9 -f 'bin/tl-rootfs-build --spec'
ended 'a build loses its builder' 1 15
is 'a build loses its builder: what it says' \
    "$(error 'the builder ended with 137')" 1
nothing_left 'builds that lost'

# The server's end is that of its sandboxes, and nobody can be asked.
sandbox
TL_RETRY_SECOND_MS=20
export TL_RETRY_SECOND_MS
count
kill -9 "$sandboxd"
ended 'a server that is gone' 75 30
ok 'a server that is gone: waited for as long as it may come back' \
    grep -q 'no answer for 2[0-9][0-9] s, waiting for 300 s in all' said
