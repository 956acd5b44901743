#!/bin/sh
# tl-guard with a flow of the user's own: its folder, its environment, signals,
# the deadline, a display that nobody reads, and what it undoes

# The commands below are for another shell.
# shellcheck disable=SC2016

. "${0%/*}/lib.sh"
. "$here/scripted.sh"

TL_RETRY_SECOND_MS=20
export TL_RETRY_SECOND_MS
state=$HOME/.local/state/tl

# until_ COMMAND...: wait till it succeeds
until_ () {
	i=0
	until "$@" >/dev/null 2>&1 || [ "$i" -gt 400 ]; do
		i=$((i + 1))
		sleep 0.05
	done
}

# back OPTION... COMMAND: tl-guard in the background, as from a terminal
back () {
	rm -f up
	env --default-signal tl-guard "$@" >back.out 2>back.err </dev/null &
	back=$!
	until_ test -e up
}

# ended NAME STATUS MOST: it has, after so many seconds at most
ended () {
	begun=$(date +%s%N)
	wait "$back"
	got=$?
	took=$((($(date +%s%N) - begun) / 1000000))
	is "$1: its status" "$got" "$2"
	is "$1: within $3 s" "$((took <= $3 * 1000)) ($took ms)" "1 ($took ms)"
	mv back.err err
	name=$1
}

# Processes of a test carry a number of seconds that no other has.
nap=97$$
# alive: how many of them there are
alive () {
	pgrep -cfx "sleep $nap"
}
dead () {
	! pgrep -fx "sleep $nap"
}
later pkill -fx "'sleep $nap'"

nothing () {
	is "$1: no folder, no ledger" "$(ls -A -I .tl-private "$state")" ''
}

# --- the status

try 'well' tl-guard true
exits 0
silent out
silent err
given 'a line
'
try 'stdin and stdout are the command'\''s' tl-guard -- cat
exits 0
gives 'a line'
try 'its own options' tl-guard -- sh -c 'exit 7'
exits 7
silent err
try 'without the two' tl-guard sh -c 'exit 7'
exits 7
try 'killed' tl-guard -- sh -c 'kill -9 $$'
exits 137
try 'not found' tl-guard -- no-such-command
exits 69
says 'no-such-command: not found'
try 'not to be run' tl-guard -- "$here"
exits 69
says "$here: Permission denied"
for args in '' '--' '--work w --resume w true' '--recheck true' \
    '--recheck --work w' '--no-such true' '--progress-fd 1 true' \
    '--progress-fd x true' '--deadline x true'; do
	# shellcheck disable=SC2086
	try "tl-guard $args" tl-guard $args
	exits 64
	silent out
done
try 'a recheck by itself' tl-guard --recheck
exits 64
says 'TL_WORK is not set'
TL_DEADLINE=soon try 'a deadline that is none' tl-guard touch ran
exits 78
says 'TL_DEADLINE'
ok 'is not run' test ! -e ran
HOME='' try 'without HOME' tl-guard touch ran
exits 78
says 'give --work'
HOME=/dev/null try 'no state folder' tl-guard touch ran
exits 73
says 'set XDG_STATE_HOME or give --work'
ok 'is not run, either' test ! -e ran
HOME='' try 'without HOME, in a folder' tl-guard --work homeless -- \
    sh -c 'echo "$TL_LEDGER"'
exits 0
gives "$T/homeless/ledger"
mkdir somewhere
for home in somewhere ./somewhere; do
	rm -rf relative
	HOME=$home try "HOME=$home" tl-guard true
	exits 78
	HOME=$home try "HOME=$home, in a folder" tl-guard --work relative -- true
	exits 0
done
is 'HOME of the working folder is none' "$(ls -A somewhere)" ''
ok 'without HOME: no ledger stays' test ! -e homeless/ledger
mkdir gone
try 'from a folder that is gone' sh -c '
    cd gone && rmdir ../gone && exec tl-guard touch ran'
exits 66
nothing 'so far'

# --- the folder, and what the command knows

try 'the environment' tl-guard -- sh -c '
    [ -d "$TL_WORK" ] && [ -e "$TL_WORK/.tl-private" ] &&
    [ "$TL_SANDBOX" = "$TL_WORK/sandbox.json" ] && [ "${#TL_MARK}" -eq 32 ] &&
    echo "${TL_WORK%??????} ${TL_LEDGER%??????.ledger} $TL_DEADLINE"
    stat -c %a "$TL_WORK" "$TL_LEDGER"
    cut -d" " -f2 "$TL_LEDGER"
    echo "$(ls -A "$TL_WORK" | tr "\n" " ")"'
exits 0
gives "$state/build. $state/build. 0
700
600
folder
.tl-private command log "
nothing 'after it'
try 'a failure before anything was asked for' tl-guard false
exits 1
silent err
nothing 'a failure'
mkdir -m 755 named
try 'a folder that is there' tl-guard --work named -- \
    sh -c 'echo hello >&2; echo "$TL_WORK"'
exits 0
gives "$T/named"
is 'a folder that is there: for nobody else' "$(stat -c %a named named/*)" '700
600
600'
is 'a folder that is there: its log' "$(cut -d' ' -f2- named/log)" hello
ln -s named link
try 'by a link' tl-guard --work link -- sh -c 'echo "$TL_WORK"'
gives "$T/named"
echo '{}' >named/plan.json
try 'a folder with an earlier build' tl-guard --work named touch ran
exits 73
says 'named: holds an earlier build; --resume named'
touch file
try 'a folder that is a file' tl-guard --work file touch ran
exits 73
try 'a folder in a file' tl-guard --work file/w touch ran
exits 73
try 'a name with a line end' tl-guard --work 'a
b' touch ran
exits 64
if [ "$(id -u)" -eq 0 ]; then
	mkdir theirs
	chown 12345 theirs
	try "another user's folder" tl-guard --work theirs touch ran
	exits 77
	says "theirs: is another user's"
	chown 0 theirs
	cp named/command theirs
	chown 12345 theirs/command
	try "another user's command" tl-guard --resume theirs
	exits 77
	silent out
fi
ok 'nothing of these is run' test ! -e ran
try 'a name to be quoted' tl-guard --work "it's" -- sh -c 'exit 3'
exits 3
says "again: tl-guard --resume '$T/it'\\''s'"

# --- taken up again

mkdir here
(cd here && tl-guard --work ../again --label one -- sh -c \
    'echo "$PWD: $*" >>"$TL_WORK/said"; echo hello >&2; exit 3' x 'a b' \
    2>../err)
is 'the first time' "$? $(cat again/said)" "3 $T/here: a b"
try 'again, and more words' tl-guard --resume again -- -c 'd	e'
exits 3
is 'again: where it was, and what' "$(tail -n 1 again/said)" "$T/here: a b -c d	e"
is 'again: as it was shown' "$(head -n 1 err)" 'one: hello'
try 'again, with other options' tl-guard --resume again --label two
is 'again, with other options: they count' "$(head -n 1 err)" 'two: hello'
is 'again, with other options: the words stay' "$(tail -n 1 again/said)" \
    "$T/here: a b -c d	e"
try 'and again' tl-guard --resume ../"${T##*/}"/again
is 'and again: the last ones' "$(head -n 1 err)" 'two: hello'
mv again moved
try 'a folder that was moved' tl-guard --resume moved
exits 3
says "again: tl-guard --resume $T/moved"
rmdir here
try 'from where nothing is any more' tl-guard --resume moved
exits 66
says "$T/here"
try 'a folder without a build' tl-guard --resume "$T/none"
exits 66
mkdir empty
try 'an empty folder' tl-guard --resume empty
exits 66
says 'no build folder that can be resumed'
for damage in '' half '/\0' '/\0tl-guard\0' '/\0tl-guard\0--\0' \
    '/\0tl-guard\0--no-such\0--\0true\0'; do
	# shellcheck disable=SC2059
	printf "$damage" >empty/command
	try "a command such as '$damage'" timeout 10 tl-guard --resume empty
	is "a command such as '$damage': is refused" \
	    "$(echo "$status" | grep -xc '6[46]')" 1
done

back --work held -- sh -c ': >up; sleep '$nap
try 'the same folder twice' tl-guard --resume held
exits 75
says 'another tl-build or tl-reap is at work there'
try 'its ledger' tl-reap -v
says '1 not touched'
kill -TERM "$back"
ended 'the first of the two' 143 10

# --- what is undone

scripted ''
documents . "$URL"
# A flow that makes a sandbox and an upload and ends as it is told.
cat >flow <<'END'
#!/bin/sh
set -e
cd "$TL_WORK"
tl-sandbox create <$top/prepared.json >sandbox.json
tl-sign <$top/prepared.json >signed.json
echo secret >spec.json
cp sandbox.json half.json.part
: >$top/up
eval "$1"
END
chmod +x flow
top=$T
export top
registered='{"id":"t-1","name":"n","snapshotId":"s-1"}'
# made: what was asked of the server, as far as it makes or undoes
made () {
	seen 'map(select((.method != "GET" and .target != "/api/v1/processes")) | .method + " " + (.target |
	    sub("\\?.*"; "") | sub(".*/"; ""))) | join(",")'
}
try 'a flow that fails' tl-guard --work fails -- ./flow 'exit 9'
exits 9
silent out
is 'a flow that fails: undone in this order' "$(made)" \
    'POST sandboxes,POST sign,DELETE abort,DELETE sbx-1,DELETE abort'
says 'sandbox sbx-1: deleted'
is 'a flow that fails: the upload' \
    "$(grep -cE '^tl-guard: upload [0-9a-f]{16}: aborted$' err)" 1
says "tl-guard: sandbox sbx-1; log: $T/fails/log"
is 'a flow that fails: the last line' "$(tail -n 1 err)" \
    "tl-guard: again: tl-guard --resume $T/fails"
is 'a flow that fails: nothing of it that is a key, nothing half' \
    "$(cd fails && printf '%s ' *)" 'command log '
is 'a flow that fails: no ledger' "$(find "$state" -name '*.ledger*')" ''
: >log
try 'a flow that is well' tl-guard --work well -- ./flow \
    "echo '$registered' >template.json; tl-abort <signed.json"
exits 0
silent out
is 'a flow that is well: the sandbox goes, too' "$(made)" \
    'POST sandboxes,POST sign,DELETE abort,DELETE sbx-1'
is 'a flow that is well: says so' "$(grep -cE \
    '^tl-guard: n: registered as t-1 in [0-9.]+ s$' err)" 1
is 'a flow that is well: a stage' "$(grep -cE '^tl-guard: delete +[0-9.]+s$' err)" 1
is 'a flow that is well: what stays' "$(cd well && printf '%s ' *)" \
    'command log template.json '
try 'registered, and then not well' tl-guard --work both -- ./flow \
    "echo '$registered' >template.json; exit 74"
exits 74
says "the image is registered all the same: $T/both/template.json"
: >log
try 'another one'\''s key' tl-guard --api-url "$URL" -- ./flow 'exit 1'
exits 1
is 'ids are told' "$(made | tr , '\n' | grep -c '^DELETE sbx-1$')" 1
try 'ids' tl-guard --progress json -- ./flow 'exit 1'
is 'ids: an event' "$(jq -r 'select(.event == "id") | .kind + " " + .id' err)" \
    'sandbox sbx-1'
rm -rf "$state"/build.*

: >log
try 'a sandbox that is kept' tl-guard --work kept --keep-sandbox -- ./flow true
exits 0
says "the sandbox is kept; delete it with: tl-reap --all $state/work."
is 'a sandbox that is kept: its upload is not' "$(made)" \
    'POST sandboxes,POST sign,DELETE abort'
is 'a sandbox that is kept: all documents' "$(cd kept && printf '%s ' *)" \
    'command log sandbox.json signed.json spec.json '
line=$(sed -n 's/.*delete it with: //p' err)
try 'tl-reap leaves it' tl-reap
holds 'kept	sandbox	sbx-1'
# shellcheck disable=SC2086
try 'unless it is told' $line
exits 0
holds 'undone	sandbox	sbx-1'
nothing 'a sandbox that was kept'

# Whatever cannot be undone is said, stays in the ledger, and is the status.
no='{"method":"DELETE","path":"*","answers":[{"status":401}]},'
scripted "$no"
times=0
for end in 'exit 9' 'kill -9 $$' true; do
	# The ledger of the one before is taken up with the folder's name.
	rm -rf stays
	times=$((times + 1))
	try "not undone, $end" tl-guard --work stays -- ./flow "$end"
	exits 79
	is "not undone, $end: says what" "$(grep -cE \
	    '^tl-guard: sandbox sbx-1 is left: .*401' err)" "$times"
	line=$(sed -n 's/.*not all could be undone; again: //p' err)
	is "not undone, $end: says what to run" "$line" "tl-reap ${line#* }"
	ok "not undone, $end: it is in the ledger" \
	    grep -q 'made sandbox' "${line#* }"
done
try 'not undone, in JSON' tl-guard --progress json -- ./flow 'exit 9'
is 'not undone, in JSON: the end' \
    "$(jq -r 'select(.event == "end").status' err)" 79
scripted ''
sed -i "s,http://127.0.0.1:[0-9]*,$URL," "$state"/*.ledger*
as=$(tl-guard --work as -- sh -c '
    tl-sandbox create <prepared.json >/dev/null; cut -d" " -f5 "$TL_LEDGER" |
    sed -n 2p')
sed -i -E "s/ [0-9a-f]{8} http/ $as http/" "$state"/*.ledger
# shellcheck disable=SC2086
try 'what it said' $line
exits 0
is 'what it said: undone' "$(cut -f1,2 out | sort -ru)" "undone	upload
undone	sandbox"
tl-reap >/dev/null 2>&1
rm -rf "$state"/build.*
nothing 'all of these'
scripted '{"method":"DELETE","path":"*","answers":[{"hang":true}]},'
begun=$(date +%s)
try 'a server that does not answer' tl-guard --work hangs -- ./flow 'exit 9'
exits 79
is 'is waited for so long' "$(($(date +%s) - begun <= 15))" 1
rm -rf "$state"
scripted ''
# Deleted twice: undone as well.
no='[{"status":404,"json":{"code":"SANDBOX_NOT_FOUND","error":"none"}}]'
scripted '{"method":"DELETE","path":"*","answers":'"$no"'},
    {"method":"GET","path":"*/sandboxes/sbx-1","answers":'"$no"'},'
try 'what is gone already' tl-guard -- ./flow 'exit 9'
exits 9
scripted ''

# --- signals

for signal in INT:130 TERM:143 HUP:129 QUIT:131; do
	: >log
	back --work "sig.$signal" -- ./flow 'trap "echo told >&2; exit 4" TERM
	    sleep '$nap' & sleep '$nap' & wait'
	kill "-${signal%:*}" "$back"
	ended "SIG${signal%:*}" "${signal#*:}" 10
	says 'stopped by a signal'
	says "again: tl-guard --resume $T/sig.$signal"
	is "SIG${signal%:*}: the command is told" "$(grep -cx told err)" 1
	ok "SIG${signal%:*}: its children have ended" dead
	is "SIG${signal%:*}: undone" "$(made)" \
	    'POST sandboxes,POST sign,DELETE abort,DELETE sbx-1,DELETE abort'
done

back -- sh -c 'sleep '$nap' & (sleep '$nap' & sleep '$nap') & : >up; exit 5'
ended 'children in the background' 5 3
ok 'children in the background: have ended' dead
back -- sh -c 'setsid sleep '$nap' & until pgrep -fx "sleep '$nap'"; do :; done
    : >up; exit 5'
ended 'a session of its own' 5 3
is 'a session of its own: is left' "$(alive)" 1
pkill -fx "sleep $nap"
back -- sh -c 'trap "" TERM; (trap "" TERM; sleep '$nap'; sleep '$nap') & : >up; wait'
kill -TERM "$back"
ended 'what does not listen' 143 10
ok 'what does not listen: has ended' dead
back -- sh -c ': >up; sleep '$nap'; sleep 1; exit 0'
kill -STOP "$(pgrep -fx "sleep $nap")"
kill -TERM "$back"
ended 'what is stopped' 143 10
ok 'what is stopped: has ended' dead

# A terminal closes: its leader first, then all.
back -- ./flow 'sleep '$nap
kill -HUP "$back"
sleep 0.2
kill -TERM "$back" 2>/dev/null
ended 'two signals of one gesture' 129 10
says 'sandbox sbx-1: deleted'

scripted '{"method":"DELETE","path":"*","answers":[{"hang":true}]},'
back --work twice -- ./flow 'sleep '$nap
kill -INT "$back"
until_ sh -c 'grep -q DELETE log'
sleep 0.6
kill -TERM "$back"
ended 'a second signal' 130 2
line=$(sed -n 's/^tl-guard: ended at once; to undo what is left, run: //p' err)
is 'a second signal: what to run' "${line%% *}" tl-reap
ok 'a second signal: the ledger has it' grep -q 'made sandbox' "${line#* }"
back --work stubborn -- sh -c 'trap "" TERM; : >up; sleep '$nap'; sleep '$nap
kill -INT "$back"
sleep 0.7
kill -INT "$back"
ended 'a second signal, and a command that does not listen' 130 2
until_ dead
ok 'has ended all the same' dead
scripted ''
rm -rf "$state"

rm -f up
env --default-signal nohup tl-guard -- sh -c ': >up; sleep 1; echo fine' \
    >back.out 2>back.err </dev/null &
back=$!
until_ test -e up
kill -HUP "$back"
ended 'nohup' 0 10
is 'nohup: to its end' "$(cat back.out)" fine
rm -f up
(trap '' INT; exec tl-guard -- sh -c ': >up; sleep 1; echo fine' \
    >back.out 2>back.err </dev/null) &
back=$!
until_ test -e up
kill -INT "$back"
ended 'an ignored SIGINT' 0 10

# A group of its own with a parent beside it: an orphaned one is never stopped.
cat >apart.py <<'END'
import os, sys
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.execvp(sys.argv[1], sys.argv[1:])
open("apart", "w").write(str(pid))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
rm -f up
env --default-signal python3 apart.py tl-guard -- sh -c ': >up; sleep '$nap \
    >back.out 2>back.err </dev/null &
apart=$!
until_ test -s apart
until_ test -e up
back=$(cat apart)
kill -TSTP "$back"
until_ sh -c "ps -o stat= -p $back | grep -q T"
until_ sh -c "ps -o stat= -p $(pgrep -fx "sleep $nap") | grep -q T"
is 'SIGTSTP: both stand still' "$(ps -o stat= -p "$back" |
    cut -c1)$(ps -o stat= -p "$(pgrep -fx "sleep $nap")" | cut -c1)" TT
kill -CONT "$back"
until_ sh -c "ps -o stat= -p $(pgrep -fx "sleep $nap") | grep -q S"
is 'SIGCONT: both go on' "$(ps -o stat= -p "$back" |
    cut -c1)$(ps -o stat= -p "$(pgrep -fx "sleep $nap")" | cut -c1)" SS
kill -TERM "$back"
back=$apart
ended 'SIGCONT' 143 10

# --- the deadline

: >log
try 'a deadline' tl-guard --deadline 1 --work late -- ./flow 'sleep '$nap
exits 75
says 'the deadline of 1 s has passed'
says "again: tl-guard --resume $T/late"
is 'a deadline: undone' "$(made)" \
    'POST sandboxes,POST sign,DELETE abort,DELETE sbx-1,DELETE abort'
ok 'a deadline: its children have ended' dead
TL_DEADLINE=1 try 'a deadline of the environment' tl-guard sleep 20
exits 75
TL_DEADLINE=1 try 'the option counts' tl-guard --deadline 20 -- sh -c 'sleep 2; exit 3'
exits 3

# --- a display that nobody reads

mkfifo unread
# unread OPTION... COMMAND: its stderr is a FIFO that is open and not read
unread () {
	# shellcheck disable=SC2217
	sleep 60 <unread &
	reader=$!
	rm -f up
	: >back.err
	env --default-signal tl-guard "$@" >back.out 2>unread </dev/null &
	back=$!
	until_ test -e up
}
read_ () {
	kill "$reader" 2>/dev/null
	wait "$reader" 2>/dev/null
	: >back.err
}
for mode in plain json; do
	: >log
	unread --deadline 2 --progress $mode -- \
	    ./flow 'seq 1 250000 >&2; sleep '$nap
	ended "unread, $mode" 75 12
	read_
	is "unread, $mode: undone" "$(made)" \
	    'POST sandboxes,POST sign,DELETE abort,DELETE sbx-1,DELETE abort'
	ok "unread, $mode: its children have ended" dead
	rm -rf "$state"/build.*
done
: >log
unread -- ./flow 'seq 1 250000 >&2; sleep '$nap
kill -INT "$back"
ended 'unread, a signal' 130 12
read_
is 'unread, a signal: undone' "$(made)" \
    'POST sandboxes,POST sign,DELETE abort,DELETE sbx-1,DELETE abort'
scripted '{"method":"DELETE","path":"*","answers":[{"hang":true}]},'
unread -- ./flow 'seq 1 250000 >&2; sleep '$nap
kill -INT "$back"
until_ sh -c 'grep -q DELETE log'
sleep 0.6
kill -INT "$back"
ended 'unread, a second signal' 130 2
read_
until_ dead
ok 'unread, a second signal: its children have ended' dead
# All that can be slow at once.
unread -- ./flow 'trap "" TERM; seq 1 250000 >&2; sleep '$nap'; sleep '$nap
sleep 1
kill -INT "$back"
ended 'unread, nothing listens, nothing answers' 79 15
read_
scripted ''
rm -rf "$state"
unread --work log.d -- sh -c ': >up; seq 1 250000 >&2'
ended 'unread, to the end' 0 10
read_
is 'unread, to the end: the log has it all' \
    "$(cut -d' ' -f2 log.d/log | grep -v : | cksum)" "$(seq 1 250000 | cksum)"

# Read after a while.
(until [ -e up ]; do sleep 0.05; done; sleep 1; cat >shown) <unread &
reader=$!
rm -f up
tl-guard -- sh -c 'seq 1 250000 >&2; : >up; sleep 2; echo last >&2' 2>unread
wait "$reader"
left_=$(sed -n 's/^tl-guard: \([0-9]*\) lines were not shown.*the log has them$/\1/p' \
    shown | paste -sd+)
is 'read late: what is missing is counted' \
    "$(($(grep -c '^[0-9]*$' shown) + ${left_:-0})) $(tail -n 1 shown)" \
    '250000 last'
is 'read late: not all was kept' "$((${left_:-0} > 0))" 1

# --- a terminal

cat >term.py <<'END'
"""term.py TYPED COMMAND...: in a session on a terminal of its own; TYPED when
the command says "ready".  What it says; then its status."""
import os, pty, re, select, sys, time
typed = sys.argv[1].encode().decode("unicode_escape").encode()
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
seen = b""
end = time.monotonic() + 15
while time.monotonic() < end:
    if select.select([fd], [], [], 0.1)[0]:
        try:
            piece = os.read(fd, 4096)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    if typed and b"ready" in seen:
        os.write(fd, typed)
        typed = b""
else:
    print("no end")
    os.kill(pid, 9)
_, status = os.waitpid(pid, 0)
print(re.sub(r"\x1b\[[0-9]*[mK]|\r", "", seen.decode(errors="replace")))
print("status", os.waitstatus_to_exitcode(status))
END
try 'a password' python3 term.py 'open\n' tl-guard -- sh -c '
    stty -echo </dev/tty; echo ready >&2; read -r word </dev/tty
    stty echo </dev/tty; echo "got $word" >&2; exit 3'
holds 'got open'
holds 'status 3'
is 'a password: is not shown' "$(grep -c '^open' out)" 0
try 'stdin is the terminal' python3 term.py 'one\n' tl-guard -- sh -c '
    echo ready >&2; read -r word; echo "got $word" >&2'
holds 'got one'
holds 'status 0'
try 'the terminal comes back' python3 term.py 'one\ntwo\n' sh -c '
    tl-guard -- sh -c "echo ready >&2; read -r word </dev/tty"
    read -r word </dev/tty; echo "then $word"'
holds 'then two'
try 'interrupted while it reads' python3 term.py '\x03' tl-guard -- sh -c '
    echo ready >&2; read -r word </dev/tty; echo no >&2'
holds 'status 130'
try 'interrupted' python3 term.py '\x03' tl-guard -- sh -c '
    echo ready >&2; sleep '$nap
holds 'status 130'
holds 'stopped by a signal (130)'

# In the background it waits to come forward, and what is typed stops all.
cat >jobs.py <<'END'
"""jobs.py COMMAND...: COMMAND as a job of a shell, on a terminal of its own."""
import os, pty, signal, sys, time
pid, fd = pty.fork()
if pid == 0:
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execvp(sys.argv[1], sys.argv[1:])
    try:
        os.setpgid(job, job)
    except OSError:
        pass            # it has done so, and become another program
    def forward(group):
        os.tcsetpgrp(0, group)
    def state():
        return open("/proc/%d/stat" % job).read().rsplit(") ")[1][0]
    def until(what):
        for _ in range(400):
            if what():
                return "yes"
            time.sleep(0.05)
        return "no"
    said = open("said", "w")
    def say(*words):
        print(*words, file=said, flush=True)
    def used():
        words = open("/proc/%d/stat" % job).read().rsplit(") ")[1].split()
        return int(words[11]) + int(words[12])
    until(lambda: os.path.exists("asks"))
    before = used()
    time.sleep(1)
    say("idle", used() - before < 20, os.path.exists("got"))
    forward(job)
    # A ^Z, once it has what it reads from.
    until(lambda: os.tcgetpgrp(0) not in (job, os.getpgrp()))
    os.kill(os.getppid(), signal.SIGUSR1)
    say("stopped", until(lambda: state() == "T"), os.tcgetpgrp(0) == job)
    forward(os.getpgrp())
    time.sleep(0.3)
    forward(job)
    os.killpg(job, signal.SIGCONT)
    until(lambda: os.tcgetpgrp(0) not in (job, os.getpgrp()))
    os.kill(os.getppid(), signal.SIGUSR2)
    _, status = os.waitpid(job, 0)
    say("status", os.waitstatus_to_exitcode(status))
    say("back", os.tcgetpgrp(0) == job)
    os._exit(0)
signal.signal(signal.SIGUSR1, lambda *_: os.write(fd, b"\x1a"))
signal.signal(signal.SIGUSR2, lambda *_: os.write(fd, b"word\n"))
while True:
    try:
        if not os.read(fd, 4096):
            break
    except OSError:
        break
os.waitpid(pid, 0)
END
timeout 60 python3 jobs.py tl-guard -- sh -c '
    : >asks; read -r word; echo "$word" >got; exit 4'
is 'a job of a shell' "$(cat said got)" 'idle True False
stopped yes True
status 4
back True
word'

# --- killed

: >log
back --work killed -- ./flow 'trap "echo told >../told; exit" TERM; sleep '$nap' & wait'
kill -9 "$back"
wait "$back" 2>/dev/null
until_ test -e told
ok 'kill -9: the command is told' test -e told
until_ sh -c 'tl-reap | grep undone >reaped'
is 'kill -9, tl-reap: undone' "$(cut -f1,2 reaped)" "undone	upload
undone	sandbox"
pkill -fx "sleep $nap"
nothing 'the end'
# What a command gives is told apart from the rest.
sed -i '/^[0-9]$/d; /^137$/d' statuses
lists tl-guard.1
