#!/bin/sh
# tl-build where much is odd: closed descriptors, names, a terminal that goes

. "${0%/*}/lib.sh"
. "$here/region.sh"

region
state=$HOME/.local/state/tl
mkdir -p "$state"
mkdir -p quick slow
printf 'FROM busybox\nRUN echo quick >/quick\n' >quick/Dockerfile
nap=8$$
printf 'FROM busybox\nRUN sleep %s\n' "$nap" >slow/Dockerfile

# nothing NAME: no folder of a build, no ledger
nothing () {
	is "$1: no folder, no ledger" "$(ls -A -I .tl-private "$state")" ''
}

# --- before anything is paid for

try 'no stdout' sh -c 'exec tl-build quick/Dockerfile >&-'
exits 74
says 'stdout: is closed'
try 'no such descriptor' sh -c 'exec tl-build --progress-fd 7 quick/Dockerfile 7>&-'
exits 64
says '--progress-fd 7: is not open'
try 'no credentials file' tl-build --docker-config none quick/Dockerfile
exits 66
: >empty.json
try 'an empty credentials file' tl-build --docker-config empty.json \
    quick/Dockerfile
exits 65
says 'empty.json: not a JSON object'
is 'an empty credentials file: before anything is paid for' \
    "$(grep -c 'prepare' err)" 0
echo '[' >bad.json
try 'a broken credentials file' tl-build --docker-config bad.json quick/Dockerfile
exits 65
try 'a line end in a name' tl-build --work 'a
b' quick/Dockerfile
exits 64
mkfifo -m 600 pipe
try 'a token from a pipe' timeout -k 1 20 tl-build --token-file pipe quick/Dockerfile
exits 78
says 'pipe: the token must be in a file'
mkdir few
for program in sh sed grep cat mkdir dirname readlink; do
	ln -s "$(command -v "$program")" few/
done
for program in "$TL_BIN"/tl-*; do
	ln -sf "$program" few/
done
try 'without jq' env PATH="$T/few" tl-build quick/Dockerfile
exits 69
says 'jq: not found'
nothing 'before'
nothing_left 'before'

# --- where it is, and what is shown

mkdir -p away/here
try 'a CDPATH' env CDPATH="$T/away" tl-build --work here -n one quick/Dockerfile
exits 0
is 'a CDPATH: its folder' "$(ls -A away/here) $(jq -r .name here/template.json)" ' one'
XDG_STATE_HOME=relative try 'a relative XDG_STATE_HOME' tl-build \
    --progress-fd 9 quick/Dockerfile 9>shown
exits 0
silent err
ok 'is not used' test ! -e relative
is 'descriptor 9 shows it' "$(grep -c '^tl-build: quick: registered as' shown)" 1
before=$(ls here)
try 'a dry run of what is there' tl-build --resume here --dry-run
exits 64
is 'a dry run of what is there: it stays' "$(ls here)" "$before"
try 'no stderr, no stdin' sh -c 'exec tl-build quick/Dockerfile 2>&- <&-'
exits 0
is 'no stderr: registered' "$(jq -r .name out)" quick
nothing 'no stderr'
try 'a full stdout' sh -c 'exec tl-build --work "a b" quick/Dockerfile >/dev/full'
exits 74
says 'the image is registered all the same'
says "again: tl-build --resume '$T/a b'"
is 'a full stdout: no advice' "$(grep -c 'disk of the sandbox' err)" 0
try 'a full stdout, again' tl-build --resume 'a b'
exits 0
is 'a full stdout, again: the image' "$(cat out)" "$(cat 'a b/template.json')"

# --- signals as they really come

# build: in a session of its own; $build is its group
build () {
	/usr/bin/python3 -c 'import os, signal, sys
for s in signal.SIGINT, signal.SIGQUIT:
    signal.signal(s, signal.SIG_DFL)
os.setsid()
os.execvp(sys.argv[1], sys.argv[1:])' tl-build "$@" >build.out 2>build.err &
	build=$!
	i=0
	until pgrep -fx "sleep $nap" >/dev/null || [ "$i" -gt 600 ]; do
		i=$((i + 1))
		sleep 0.05
	done
}
for signal in QUIT:131 HUP:129; do
	build slow/Dockerfile
	# Its leader first, then all, as when a terminal closes.
	kill "-${signal%:*}" "$build"
	sleep 0.05
	kill "-${signal%:*}" "-$build"
	wait "$build"
	is "SIG${signal%:*}, twice at once: its status" "$?" "${signal#*:}"
	is "SIG${signal%:*}: undone" \
	    "$(grep -cE '^tl-build: (upload [0-9a-f]+: aborted|sandbox sbx-.*: deleted)$' \
	    build.err)" 2
	is "SIG${signal%:*}: no ledger" \
	    "$(find "$state" -name '*.ledger*')" ''
	nothing_left "SIG${signal%:*}"
done
