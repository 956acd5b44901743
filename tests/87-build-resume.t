#!/bin/sh
# tl-build killed, interrupted, failed: nothing is left, and --resume runs what
# is missing and what can no longer be used

. "${0%/*}/lib.sh"
. "$here/region.sh"

# dockerfile NAME LINE...: a folder with a Dockerfile of these lines
dockerfile () {
	mkdir -p "$1"
	folder=$1
	shift
	printf '%s\n' "$@" >"$folder/Dockerfile"
}

# build ARGUMENTS...: in the background, with SIGINT as a terminal has it
build () {
	python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' tl-build "$@" >build.out 2>build.err &
	build=$!
}

# until_ COMMAND...: wait till it succeeds
until_ () {
	i=0
	until "$@" >/dev/null 2>&1 || [ "$i" -gt 600 ]; do
		i=$((i + 1))
		sleep 0.05
	done
}

# stages: which ran, and which were there
ran () {
	sed -n 's/^tl-build: \([a-z]*\)  *[0-9.]*s$/\1/p' err | paste -sd' '
}

region
state=$HOME/.local/state/tl
dockerfile slow 'FROM busybox' 'RUN sleep 986'

build -n slow slow/Dockerfile
until_ pgrep -f '^sleep 986'
work=$(find "$state" -mindepth 1 -type d)
try 'beside a build that lives' tl-reap -v
exits 0
says '1 not touched'
silent out
try 'the same build twice' tl-build --resume "$work"
exits 75
says 'another tl-build'
kill -9 "$build"
wait "$build" 2>/dev/null
try 'after kill -9' tl-reap -n
is 'after kill -9: what is open' "$(cut -f1,2 out)" "open	upload
open	sandbox"
try 'after kill -9' tl-reap
exits 0
is 'after kill -9: undone' "$(cut -f1,2 out)" "undone	upload
undone	sandbox"
# What the build had started ends with what it has lost.
# shellcheck disable=SC2016
until_ sh -c '! pgrep -f "$1"' sh "$work/[a-z]"
nothing_left 'after kill -9 and tl-reap'
is 'no ledger' "$(find "$state" -name '*.ledger*')" ''
printf 'FROM busybox\nRUN echo quick >/quick\n' >slow/Dockerfile
try 'resumed with another Dockerfile' tl-build --resume "$work"
exits 0
says 'the plan has changed: again from prepare'
is 'resumed: it is registered' "$(jq -r .name out)" slow
nothing_left 'resumed'
is 'resumed: no folder, no ledger' "$(ls -A -I .tl-private "$state")" ''

# A build killed while the sandbox waits for its context.
mkdir context
printf 'FROM busybox\nCOPY mark /mark\nRUN cat /mark\n' >context/Dockerfile
echo one >context/mark
cp "$(command -v tl-exec)" real-exec
mkdir bin
cp "$TL_BIN"/* bin/
cat >bin/tl-exec <<END
#!/bin/sh
case " \$* " in
*' --builder '*) [ ! -e $T/hold ] || { echo \$\$ >$T/held.part; mv $T/held.part $T/held; exec sleep 60; } ;;
esac
exec $T/real-exec "\$@"
END
: >hold
export PATH="$T/bin:$PATH"
build --work work context/Dockerfile
until_ test -e held
kill -9 "$build"
wait "$build" 2>/dev/null
kill "$(cat held)"
rm hold held work/builder.begun
try 'resumed beside its sandbox' tl-build --resume work -v
exits 0
is 'resumed beside its sandbox: what ran' "$(ran)" \
    'plan options check compare resume credentials wait splice spec build metadata attest complete delete'
says 'tl-build: sign: is there'
nothing_left 'resumed beside its sandbox'
try 'a build that has ended well' tl-build --resume work
exits 0
is 'a build that has ended well: as it was' "$(cat out)" \
    "$(cat work/template.json)"
is 'a build that has ended well: what ran' "$(ran)" 'plan options check compare resume credentials'

# hold: a build killed before its builder begins
hold () {
	: >hold
	rm -rf work
	build --work work context/Dockerfile
	until_ test -e held
	kill -9 "$build"
	wait "$build" 2>/dev/null
	kill "$(cat held)"
	rm -f hold held work/builder.begun
}
hold
echo two >context/mark
try 'resumed with another context' tl-build --resume work
exits 0
says 'the context has changed: again from sandbox'
is 'resumed with another context: the builder has the new one' \
    "$(grep -cx two err)" 1
is 'resumed with another context: nothing is prepared again' \
    "$(grep -c '^tl-build: prepare: is there' err)" 1
nothing_left 'resumed with another context'

hold
tl-sandbox rm <work/sandbox.json
try 'resumed without its sandbox' tl-build --resume work
exits 0
says 'the sandbox is gone: again from sandbox'
nothing_left 'resumed without its sandbox'

hold
sed -E -i 's/X-Amz-Date=[0-9]{8}/X-Amz-Date=20200101/g; s/"expiresAt":"[0-9]{4}/"expiresAt":"2020/g' \
    work/signed.json
try 'resumed with what has expired' tl-build --resume work
exits 0
says 'what was signed has expired'
case " $(ran) " in
*' sign splice '*) pass_ 'it is signed again' ;;
*) fail_ 'it is signed again' "$(ran)" ;;
esac
tl-reap >/dev/null 2>&1
is 'no ledger is left' "$(find "$state" -name '*.ledger*')" ''

# Only the last request fails.
cat >bin/tl-complete <<END
#!/bin/sh
[ ! -e $T/refuse ] || { echo 'tl-complete: not now' >&2; exit 75; }
exec $TL_BIN/tl-complete "\$@"
END
: >refuse
rm -rf work
try 'a completion that fails' tl-build --work work context/Dockerfile
exits 75
says 'tl-complete: not now'
says "again: tl-build --resume $T/work"
nothing_left 'a completion that fails'
ok 'a completion that fails: nothing signed is left' sh -c \
    '! grep -rl -e Signature -e abortUrl work'
rm refuse
try 'a completion, resumed' tl-build --resume work
exits 0
is 'a completion, resumed: what ran' "$(ran)" \
    'plan options check compare resume credentials complete'
is 'a completion, resumed: with the receipt that it has' "$(tl-region logs \
    platformd | grep ': registered as' | tail -n 1 | grep -c 'attested by')" 1
nothing_left 'a completion, resumed'

# --- signals and the deadline

dockerfile slow 'FROM busybox' 'RUN sleep 986'
try 'a deadline' tl-build --deadline 3 slow/Dockerfile
exits 75
says 'the deadline of 3 s has passed'
says '--resume'
nothing_left 'a deadline'

# The second signal, while the first one's work is under way.
build slow/Dockerfile
until_ pgrep -f '^sleep 986'
echo 'upload-abort:no-answer delete:no-answer' >"$TL_REGION_DIR/fault.new"
mv "$TL_REGION_DIR/fault.new" "$TL_REGION_DIR/fault"
kill -TERM "$build"
until_ grep -q 'fault: upload-abort' "$TL_REGION_DIR"/log/stored.log
sleep 0.6
kill -TERM "$build"
wait "$build"
is 'a second signal: its status' "$?" 143
line=$(sed -n 's/.*to undo what is left, run: //p' build.err)
is 'a second signal: says what to run' "${line%% *}" tl-reap
rm "$TL_REGION_DIR/fault"
# shellcheck disable=SC2086
try 'a second signal: what it said' $line
exits 0
is 'a second signal: what was left' "$(cut -f1,2 out)" "undone	upload
undone	sandbox"
sleep 0.5
nothing_left 'a second signal'

try 'no build folder' tl-build --resume "$T/none"
exits 66
is 'no secret in what the builds said' \
    "$(grep -l -e X-Amz-Signature -e "$TENSORLAKE_API_KEY" ./*.err)" ''
