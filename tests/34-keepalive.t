#!/bin/sh
# The sandbox is kept alive (tl-wire(7), "Builder process") while a build is
# long: a ping every 120 seconds, which pass in 1.2 or 4 here, as the programs'
# clock is fast

. "${0%/*}/lib.sh"
. "$here/scripted.sh"

[ -z "${TL_ASAN-}" ] || skip 'the sanitizers want to be loaded first'
shim=${TL_PRELOAD:-$TL_BIN/../preload}/haste.so
[ -e "$shim" ] || skip "$shim: not built"

# quiet SECONDS: events of a command that has nothing to say for so long
quiet () {
	printf '{"events":[{"line":"begins"},{"pause":%s},{"line":"ends"},' "$1"
	printf '"event: eof\\ndata: {}\\n\\n"]}'
}

# hasty COMMAND...: 60 seconds without a byte pass soon, too
haste=100
hasty () {
	env LD_PRELOAD="$shim" HASTE="$haste" TL_STALL_S=86400 "$@"
}

pings () {
	seen 'map(select(.target=="/api/v1/health"))|length'
}

# begin: the log is empty, and the clock runs
begin () {
	: >log
	began=$(date +%s%N)
}

# at_least NAME: in the four seconds or more since begin some pings, and no more
# than fit in; a build has two commands, each with its own
at_least () {
	most=$((($(date +%s%N) - began) * haste / 120000000000 + 6))
	is "$1: pings" "$(($(pings) >= 2)) $(($(pings) <= most))" '1 1'
}

scripted "{\"method\":\"GET\",\"path\":\"*/output/follow\",
    \"answers\":[$(quiet 4)]},"
mkdir live
documents live "$URL"
begin
try 'tl-exec' hasty tl-exec -s live/sandbox.json --builder live/prepared.json
exits 0
gives 'begins
ends'
at_least 'tl-exec'

# A file that takes long to send: its source does.
begin
{ head -c 9000000 /dev/zero; for i in 1 2 3 4 5 6 7 8 9 10; do
	sleep 0.4
	echo "$i"
done; } | hasty tl-put -s live/sandbox.json /x 2>err
is 'tl-put' "$? $(cat err)" '0 '
at_least 'tl-put'

# A whole build: the readiness and the builder are two commands.  All that it has to
# do must have its time, so the clock is not as fast.
haste=30 soon=$(quiet 0)
scripted "{\"method\":\"GET\",\"path\":\"*/output/follow\",
    \"answers\":[$soon,$(quiet 10)]},"
begin
try 'tl-build' hasty tl-build --work work live/context/Dockerfile
exits 0
at_least 'tl-build'
