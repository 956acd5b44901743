#!/bin/sh
# tl-guard and tl-build where something is in their way, without a region

. "${0%/*}/lib.sh"
. "$here/scripted.sh"

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

# --- a folder in which something cannot be written

scripted ''
for path in plan.new plan.new.part builder.begun; do
	mkdir -p "full-$path/$path"
	try "no $path" timeout 60 tl-build --work "full-$path" small
	exits 73
done

# --- a variable that is not set

for option in --work --import --token-file -n; do
	try "$option of nothing" tl-build $option '' --dry-run small
	exits 64
	says "tl-build: $option: empty"
done

# --- registry credentials out of a pipe

scripted ''
mkfifo keys
echo '{"auths":{"r.example":{"auth":"dTpw"}}}' >keys &
try 'credentials out of a pipe' timeout 60 tl-build --docker-config keys small
exits 0
is 'credentials out of a pipe: are sent' \
    "$(seen '.[] | select(.target | test("tl-spec")) | .body' |
    grep -c r.example)" 1

# --- a sandbox that was asked for, and a disk that is full

scripted ''
prepared_ >in
try 'a ledger' env TL_LEDGER="$T/made" tl-sandbox create
exits 0
sed 1q made >asked
: >log
try 'on a full disk' sh -c "trap '' XFSZ; (ulimit -f 0; tl-reap asked 2>&1) |
    cat"
is 'on a full disk: it is deleted all the same' "$(seen '[.[] |
    select(.method == "DELETE") | .target[-6:]] | join(" ")')" /sbx-1
holds 'sandbox	sbx-1'

# --- tl-guard: what its log and its streams are

plain=--progress=plain
try 'a log longer than may be' sh -c "(ulimit -f 8; tl-guard $plain -- sh -c '
    trap \"\" XFSZ; yes a line | head -n 9000 >&2; exit 7'
    echo \$? >&3) 2>&1 | tail -n 1 3>&-" 3>code
is 'a log longer than may be: the status is that of the command' \
    "$(cat code)" 7
try 'a display of its own' sh -c "tl-guard --work own --progress-fd 3 \
    $plain -- sh -c 'ls -l /proc/self/fd >\$TL_WORK/fds
    exit 7' 3>shown"
exits 7
is 'a display of its own: not the command'"'s" "$(grep -c /shown own/fds)" 0
try 'a display of its own: again without it' tl-guard --resume own
exits 7
try 'no folder' tl-guard --work '' true
exits 64
says 'tl-guard: --work: empty'
# shellcheck disable=SC2016
try 'a folder that is removed' tl-guard --work gone -- \
    sh -c 'rm -rf "$TL_WORK"; sleep 60'
exits 73
says "gone: is gone"
is 'a folder that is removed: is not to be resumed' "$(grep -c resume err)" 0
# shellcheck disable=SC2016
try 'a command that removes it, at its end' tl-guard --work gone2 -- \
    sh -c 'rm -rf "$TL_WORK"'
exits 0
scripted ''
prepared_ >in
try 'what is left' tl-guard --insecure-http --keep-sandbox -- tl-sandbox create
exits 0
says 'tl-reap --all --insecure-http /'
# SIGUSR1, SIGALRM
for sig in 10 14; do
	try "signal $sig" tl-guard -- sh -c "kill -$sig \$PPID; sleep 60"
	exits "$((128 + sig))"
	says 'stopped by a signal'
done

# --- names, and a build that is taken up again

odd="-a 'b
*c"
mkdir -- "$odd"
cp small/Dockerfile "./$odd"
scripted '{"method":"POST","path":"*/complete","answers":[{"status":403}],
    "once":true},'
try 'odd names' timeout 60 tl-build -n odd --work "$T/w 'x" -- "$odd"
exits 77
sed -n 's/.*again: //p' err >again
try 'odd names: what it says' timeout 60 sh again
exits 0
is 'odd names: the image' "$(jq -r .id out)" t-1
is 'odd names: only the end of it again' "$(seen '[.[] |
    select(.target | test("/sandbox-template-builds$|/complete$")) |
    .target | split("/")[-1]] | join(" ")')" \
    'sandbox-template-builds complete complete'

# --- at a terminal

terminal () {
	env TERM=xterm python3 "$here/data/terminal.py" "$@"
}

# shellcheck disable=SC2016
try 'stopped' terminal tl-guard -- \
    sh -c 'echo "$TL_MARK stage x" >&2; sleep 1' -- 'x  ' '\x1a'
is 'stopped: nothing moves' "$(grep -c '^ON$' out)" 1
holds 'STATUS 0'
# shellcheck disable=SC2016
read='echo ask; read x; echo "got $x"; sleep 1'
try 'asked' terminal tl-guard -- sh -c "$read" -- ask '\x1a' -- ON 'word\n'
holds STOPPED
holds 'got word'
holds 'STATUS 0'
try 'asked, and then interrupted' terminal tl-guard -- sh -c "$read" \
    -- ask 'word\n' -- got '\x03'
holds 'STATUS 130'
try 'nobody could let it go on' terminal --leader tl-guard -- \
    sh -c 'echo ask; sleep 1; echo done' -- ask '\x1a'
holds 'done'
try 'asked, in the background' terminal --background sh -c \
    'tl-guard --deadline 1 -- sh -c "read x </dev/tty"; times'
holds 'STATUS 0'
idle=$(grep -c '^0m0[.][01].*s 0m0[.][01].*s$' out)
is 'asked, in the background: it waits' "$idle" 2

# --- a folder that is in use is not taken

mkdir used
: >used/half.part
chmod 755 used
try 'a folder in use' tl-guard --work used -- true
exits 73
says 'used: holds other things; name a new folder, or an empty one'
is 'a folder in use: as it was' "$(stat -c %a used) $(ls -A used)" \
    '755 half.part'
# shellcheck disable=SC2016
try 'folders in the folder' env XDG_STATE_HOME="$T/state" tl-guard -- sh -c \
    'mkdir -p "$TL_WORK/a/b" && : >"$TL_WORK/a/b/c" && ln -s / "$TL_WORK/root"'
exits 0
is 'folders in the folder: all go' \
    "$(ls -A -I .tl-private state/tl)" ''
