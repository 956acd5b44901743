#!/bin/sh
# tl-build's folder and its children: who may have what, and what stays

. "${0%/*}/lib.sh"
. "$here/region.sh"

region
state=$HOME/.local/state/tl
mkdir context
printf 'FROM busybox\nCOPY mark /mark\n' >context/Dockerfile
echo one >context/mark

# --- the key is for those that send it

if command -v strace >/dev/null && [ -z "${TL_ASAN-}" ]; then
	try 'a build, traced' strace -f -qq --seccomp-bpf -v -s 9999 \
	    -e trace=execve -e status=successful -o trace \
	    tl-build --work traced context/Dockerfile
	exits 0
	grep -F "$TENSORLAKE_API_KEY" trace |
	    sed -n 's/^[0-9]* *execve("\([^"]*\)".*/\1/p' |
	    sed 's,.*/,,' | sort -u | paste -sd' ' >holders
	is 'a build: who has the key' "$(cat holders)" \
	    'tl-attest tl-build tl-complete tl-exec tl-get tl-guard tl-prepare tl-put tl-sandbox tl-sign'
	sed -n 's/^[0-9]* *execve("[^"]*", \(\[[^]]*\]\).*/\1/p' trace >args
	is 'a build: in no argument' \
	    "$(grep -c -F "$TENSORLAKE_API_KEY" args)" 0
	is 'a build: of many' "$(($(wc -l <args) > 30))" 1
fi

# --- what stays

try 'a folder that was named' tl-build --work named context/Dockerfile
exits 0
is 'a folder that was named: nothing signed stays' \
    "$(grep -rl -e X-Amz-Signature named)" ''
is 'a folder that was named: what is there' "$(cd named && printf "%s " *)" \
    'attested.json builder.begun builder.json command context.digest log metadata.json plan.json prepared.json template.json '
is 'for nobody else' "$(stat -c %a named) $(find named -type f -perm /077)" \
    '700 '
try 'a folder that was used' tl-build --work named context/Dockerfile
exits 73
says 'named: holds an earlier build; --resume named'
try 'a folder of its own' tl-build context/Dockerfile
exits 0
is 'a folder of its own: is gone' "$(ls -A -I .tl-private "$state")" ''

for bad in context/none Bad; do
	echo 'FORM busybox' >Bad
	try "$bad" tl-build "$bad"
	is "$bad: fails" "$((status != 0))" 1
	is "$bad: is not to be taken up again" "$(grep -c resume err)" 0
	is "$bad: no folder, no ledger" "$(ls -A -I .tl-private "$state")" ''
done
try 'a wrong key' env TENSORLAKE_API_KEY=wrong tl-build context/Dockerfile
exits 77
is 'a wrong key: nothing was begun, nothing stays' "$(ls -A -I .tl-private "$state")" ''
mkdir fails
printf 'FROM busybox\nRUN false\n' >fails/Dockerfile
try 'a build that fails' tl-build fails/Dockerfile
exits 1
says "again: tl-build --resume $state/build."
is 'a build that fails: its folder stays, without a ledger' \
    "$(find "$state" -mindepth 1 -maxdepth 1 ! -name .tl-private | sed 's,.*/build[.][^.]*$,build,')" \
    build
is 'a build that fails: nothing signed stays' \
    "$(grep -rl -e X-Amz-Signature "$state")" ''

# --- names that are not options, and folders that are not ours

mv context ./-context
try 'a name with a dash' tl-build -n dash -- -context/Dockerfile
exits 0
is 'a name with a dash: is built' "$(jq -r .name out)" dash
try 'without the two' tl-build -n dash -context/Dockerfile
exits 64
try 'with its context, and again' tl-build --work dash -n dash -- \
    -context/Dockerfile -context
exits 0
try 'a name with a dash, resumed' tl-build --resume dash --progress plain
exits 0
is 'a name with a dash, resumed: the same' "$(cat out)" "$(cat dash/template.json)"
mv ./-context context

if [ "$(id -u)" -eq 0 ]; then
	mkdir theirs
	chown 12345 theirs
	try "another user's folder" tl-build --work theirs context/Dockerfile
	exits 77
	says "theirs: is another user's"
	printf 'touch %s/run\n' "$T" >theirs/command
	try "another user's build" tl-build --resume theirs
	exits 77
	chown 12345 theirs/command
	chown 0 theirs
	try "another user's command" tl-build --resume theirs
	exits 77
	says "theirs/command: is another user's"
	ok 'is not run' test ! -e run
fi
nothing_left 'at the end'
