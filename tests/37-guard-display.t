#!/bin/sh
# tl-guard's display: each mode shows what its page says, whatever the command
# prints

. "${0%/*}/lib.sh"

unset NO_COLOR
# What is guarded says its stdin; "@MARK@ " begins an event.
cat >say <<'END'
#!/bin/sh
LC_ALL=C exec sed -u "s/@MARK@/$TL_MARK/" >&2
END
chmod +x say
PATH=$T:$PATH

# events LINE...: stdin of the next try: these; one with "!" is an event
events () {
	for line; do
		case $line in
		!*) echo "@MARK@ ${line#!}" ;;
		*) printf '%b\n' "$line" ;;
		esac
	done >in
}

# show MODE [OPTION...]
show () {
	mode=$1
	shift
	tl-guard --progress "$mode" "$@" -- say
}

# shapes: of each JSON line on stderr, its event, members and their types
shapes () {
	jq -rc '[.event] + [to_entries[] | select(.key != "event") |
	    .key + ":" + (.value | type)] | join(" ")' err
}

all () {
	events '!stage build' 'a line' 'tl-upload: 3 / 9 bytes' \
	    'tl-put: 4 bytes' '!id sandbox sbx-1' '!say hello' '!error bad' \
	    '!done' '!stage x' '!failed 65'
}

# --- JSON

all
try 'each event' show json
exits 0
silent out
shapes >out
gives 'stage time:string stage:string
line time:string stage:string text:string
progress time:string stage:string done:number total:number
progress time:string stage:string done:number
id time:string stage:string kind:string id:string
message time:string stage:string text:string
error time:string stage:string text:string
done time:string stage:string milliseconds:number
stage time:string stage:string
failed time:string stage:string status:number
end time:string status:number'
is 'times are UTC with milliseconds' "$(jq -r .time err | grep -vcE \
    '^[0-9]{4}-[0-9]{2}-[0-9]{2}T([0-9]{2}:){2}[0-9]{2}\.[0-9]{3}Z$')" 0
is 'the end has the status' "$(jq -r 'select(.event == "end").status' err)" 0
sed -n 's/^\.It Li \([a-z]*\) Ta.*/\1/p' "$pages/tl-guard.1" | sort >paged
events 'STEP 1/1: FROM a' '!stage x' 'STEP 1/1: FROM a'
cp err each
show json <in >/dev/null 2>with
is 'the page has each event' "$(jq -r .event each with | sort -u)" "$(cat paged)"
all
try 'a label' show json --label 'web "1"'
is 'a label: in each event' "$(jq -r .label err | sort -u)" 'web "1"'
# step LINE: what the event before it says
step () {
	events '!stage build' "$1"
	show json <in >/dev/null 2>err
	jq -c 'select(.event == "step") | del(.time, .event, .stage)' err
}
is 'a step, its line in the Dockerfile' \
    "$(step 'STEP 2/4: RUN make (Dockerfile:7)')" \
    '{"step":2,"steps":4,"line":7,"text":"RUN make"}'
is 'and what the line says follows' "$(jq -r 'select(.text) |
    "\(.event) \(.text)"' err)" "step RUN make
line STEP 2/4: RUN make (Dockerfile:7)"
is 'of one stage of several' "$(step '[1/2] STEP 2/4: RUN make (Dockerfile:7)')" \
    '{"step":2,"steps":4,"dockerfileStage":1,"dockerfileStages":2,"line":7,"text":"RUN make"}'
is "a builder that is not ours" "$(step 'STEP 1/1: FROM a')" \
    '{"step":1,"steps":1,"text":"FROM a"}'
is 'the last place is the builder'"'"'s' \
    "$(step 'STEP 1/1: RUN a (Dockerfile:1) (Dockerfile:22)')" \
    '{"step":1,"steps":1,"line":22,"text":"RUN a (Dockerfile:1)"}'
for line in 'STEP 1/1: RUN a (Dockerfile:)' 'STEP 1/1: RUN a (Dockerfile:1) b' \
    'STEP 1/1: RUN a (Dockerfile:-1)' 'STEP 1/1: RUN a (Dockerfile:12345678)'; do
	is "no place: $line" "$(step "$line" | jq -c .)" \
	    "{\"step\":1,\"steps\":1,\"text\":\"${line#*: }\"}"
done
for line in 'STEP 1: RUN a' 'STEP a' 'x STEP 1/1: RUN a' '[1/2]STEP 1/1: RUN a' \
    ' STEP 1/1: RUN a'; do
	is "no step: $line" "$(step "$line")" ''
done
events 'STEP 1/1: FROM a'
try 'outside of a stage' show json
is 'outside of a stage there are no steps' "$(jq -r .event err | head -n 1)" line
try 'an end that is not well' tl-guard --progress json -- sh -c 'exit 7'
exits 7
is 'an end that is not well: its status' \
    "$(jq -r 'select(.event == "end").status' err)" 7

python3 - <<'END' >in
import sys
out = sys.stdout.buffer
for byte in range(256):
    if byte != 10:
        out.write(b"x" + bytes([byte]) + b"y\n")
out.write(b"\xed\xa0\x80\xc0\x80\xf5\x80\x80\x80\xe2\x82 \xe2\x82\xac\n")
out.write(b"\x1b[31mred\x1b[m \x1b]0;title\x07 \x1bPq\x1b\\ end\n")
out.write(b"A" * 1000000)
END
cp in hostile
try 'every byte' show json
exits 0
python3 - <<'END' >verdict 2>&1
import json
data = open("err", "rb").read()
assert all(b >= 0x20 or b == 10 for b in data), "a control byte"
events = [json.loads(l.decode("utf-8")) for l in data.split(b"\n")[:-1]]
assert data.endswith(b"\n") and events.pop()["event"] == "end"
assert all(e["event"] == "line" for e in events)
texts = [e["text"] for e in events]
assert texts[0] == "x?y" and texts[ord("\t")] == "x\ty", texts[:10]
assert not any(c in t for t in texts for c in "\x1b\x00\x7f\x9b\r")
assert sum(t.count("A") for t in texts if len(t) > 1000) == 1000000
assert any("\u20ac" in t for t in texts)
assert "red   end" in texts, texts[255:258]
print("fine")
END
is 'every byte: valid JSON, a line each, nothing lost' "$(cat verdict)" fine

# --- plain

all
try 'plain' show plain
exits 0
silent out
sed 's/ [0-9.]*s$/ Ns/' err >out
gives 'a line
tl-guard: hello
tl-guard: bad
tl-guard: build       Ns'
all
try 'plain, labelled' show plain --label web --program tl-mine
sed 's/ [0-9.]*s$/ Ns/' err >out
gives 'web: a line
web: tl-mine: hello
web: tl-mine: bad
web: tl-mine: build       Ns'
cp hostile in
TERM=xterm try 'plain, every byte' show plain
is 'plain: no control byte but tab' \
    "$(tr -d '\11\12\40-\176\200-\377' <err | wc -c)" 0
events 'one\rtwo\rthree\r'
try 'overwritten' show plain
is 'of an overwritten line the last piece' "$(cat err)" three
events '!stage a' 'tl-upload: 3 / 9 bytes' 'tl-upload: 9 / 9 bytes'
try 'an upload' show plain
is 'an upload is said when it is there' "$(cat err)" 'tl-upload: 9 / 9 bytes'
events '!stage a'
try 'verbose' show plain -v
says 'tl-guard: a ...'
try 'half a line' tl-guard -- sh -c 'printf half >&2'
is 'half a line: is shown' "$(cat err)" half

# --- what buildah says of copying, and how long its steps take

copying () {
	events 'Getting image source signatures' \
	    'Copying blob sha256:ab182cf268ea' \
	    'Copying config sha256:050d73788126' \
	    'Writing manifest to image destination' 'Storing signatures' \
	    'Storing signatures of mine' "$@"
}
copying
try 'copying' show plain --work copies
is 'copying: is not shown' "$(cat err)" 'Storing signatures of mine'
is 'copying: is in the log' "$(wc -l <copies/log)" 6
rm -rf copies
copying
try 'copying, verbose' show plain -v
is 'copying, verbose: is shown' "$(grep -c '^[CGSW]' err)" 6
copying
try 'copying, JSON' show json
is 'copying, JSON: is there' "$(shapes | grep -c '^line ')" 6
copying '!error bad'
try 'copying, none' show none
is 'copying, none: is not among the last lines' "$(cat err)" \
    'Storing signatures of mine
tl-guard: bad'

# Behind a line that begins with + some time passes, once it has been read.
events '+STEP 1/1: of no stage' '!stage a' '+STEP 1/1: FROM a' '!done' \
    '!stage build' '+tl-rootfs-build: fetching' '+[1/2] STEP 1/2: FROM x' \
    '[1/2] STEP 2/2: COPY quick' '+STEP of a program' \
    "+[2/2] STEP 1/1: RUN $(printf 'é%.0s' $(seq 40))" \
    '+[2/2] COMMIT' 'a line' '+tl-rootfs-build: packing' \
    'tl-rootfs-build: done' '!done' '!stage c' '!done'
# The sanitizers are slow themselves.
long=${TL_ASAN:+1.5}
export long
cat >slow <<'END'
while IFS= read -r line; do
	printf '%s\n' "${line#+}"
	case $line in
	+*) timeout 5 sh -c 'until grep -qF -e "$1" err; do
		sleep 0.01; done' sh "${line#+}" ;;
	esac
	case $line in
	+*[13579]/12:*) sleep ${long:-0.4} ;;
	+*/12:*) sleep 0.12 ;;
	+*) sleep 0.2 ;;
	esac
done
END
cp in timed
# took: the lines with times; a step's must be long enough
took () {
	sed -nE 's/^(tl-guard: [abc].* )[0-9.]+s$/\1Ns/
	    s/^(tl-guard: +)[0-9]+\.([2-9].|1[5-9])s  /\1Ns  /; /^tl-guard/p' err
}
try 'steps' sh -c 'sh slow | tl-guard --progress plain -- say'
exits 0
took >out
gives "tl-guard: a           Ns
tl-guard:    Ns  STEP 1/1: FROM a
tl-guard: build       Ns
tl-guard:    Ns  fetching
tl-guard:    Ns  [1/2] STEP 1/2: FROM x
tl-guard:    Ns  [1/2] STEP 2/2: COPY quick
tl-guard:    Ns  [2/2] STEP 1/1: RUN $(printf 'é%.0s' $(seq 20))...
tl-guard:    Ns  [2/2] COMMIT
tl-guard:    Ns  packing
tl-guard: c           Ns"
cp timed in
try 'steps, JSON' sh -c 'sh slow | tl-guard --progress json -- say'
is 'steps, JSON: events' "$(jq -r .event err | sort | uniq -c |
    tr -s ' ' | tr '\n' ,)" ' 3 done, 1 end, 11 line, 3 stage, 4 step,'
{
	printf '@MARK@ %s\n' 'stage build'
	seq -f '+STEP %g/12: RUN x' 12
	printf '@MARK@ %s\n' 'done'
} >in
try 'many steps' sh -c 'sh slow | tl-guard --progress plain -- say'
is 'many steps: eight of them, the longest among them' \
    "$(grep -c 'STEP.*RUN x' err) $(grep -cE '[0-9]s  STEP ' err) $(
    grep -cE '[0-9]s  STEP ([13579]|11)/' err)" '20 8 6'
is 'in their order' "$(grep -E '[0-9]s  STEP ' err | sort -k 4.1,4V -c 2>&1)" ''

# --- none

events '!stage a' '!say quiet' 'quiet too' '!done'
try 'none' show none
exits 0
silent err
# shellcheck disable=SC2046
events $(seq -f 'l%g' 30) '!error bad'
try 'none, an error' show none
is 'an error, and the last twenty lines' "$(cat err)" \
    "$(seq -f 'l%g' 11 30; echo 'tl-guard: bad')"
try 'no such mode' tl-guard --progress loud -- touch ran
exits 64
says '--progress loud'
ok 'no such mode: nothing is run' test ! -e ran

# --- another descriptor

all
try 'descriptor 9' sh -c 'exec tl-guard --progress-fd 9 -- say 9>shown'
exits 0
silent err
is 'descriptor 9 shows it' "$(grep -c 'tl-guard: build' shown)" 1
try 'descriptor 9, closed' sh -c 'exec tl-guard --progress-fd 9 -- touch ran 9>&-'
exits 64
says '--progress-fd 9: is not open'
ok 'descriptor 9, closed: nothing is run' test ! -e ran

# --- the log

all
try 'a log' show none --work w
is 'the log: its mode' "$(stat -c %a w/log)" 600
is 'the log: everything, with its time' "$(sed -E \
    's/^[0-9T:.-]+Z /Z /; s/ [0-9.]+s$/ Ns/' w/log)" 'Z tl-guard: build ...
Z a line
Z tl-upload: 3 / 9 bytes
Z tl-put: 4 bytes
Z tl-guard: sandbox sbx-1
Z tl-guard: hello
Z tl-guard: bad
Z tl-guard: build       Ns
Z tl-guard: x ...'
is 'the log: no mark' "$(grep -cE '[0-9a-f]{32}' w/log)" 0
cp hostile in
try 'a log of every byte' show none --work hostile.d
is 'the log: no control byte but tab' \
    "$(tr -d '\11\12\40-\176\200-\377' <hostile.d/log | wc -c)" 0
mkdir linked
touch aside
ln -s ../aside linked/log
try 'a log that is a link' show none --work linked
exits 73
is 'a log that is a link: is not written' "$(cat aside)" ''

# --- the mark

# shellcheck disable=SC2016
try 'forged' tl-guard --progress json --work forged -- sh -c '
    printf "stage forged\nsay 0123\n%s\n" "${TL_MARK%?} say false" >&2
    printf "no newline%s say true\n" "$TL_MARK" >&2; echo "$TL_MARK" >mark'
is 'only what the mark begins is an event' \
    "$(jq -r '.event + " " + (.text // "")' err | sed 's/[0-9a-f]\{31\} /MARK /')" \
    'line stage forged
line say 0123
line MARK say false
line no newline
message true
end '
is 'the mark is 16 bytes, in hex' "$(grep -cxE '[0-9a-f]{32}' mark)" 1
# shellcheck disable=SC2016
try 'the next one' tl-guard -- sh -c 'echo "$TL_MARK" >mark2'
is 'and another one each time' "$(cat mark mark2 | sort -u | wc -l)" 2

# --- a stderr that does not take anything

for to in '2>&-' '2>/dev/full' '2>&1 | true'; do
	all
	try "stderr $to" sh -c "{ tl-guard --progress plain --work to -- say; \
	    echo \$? >ended; } $to"
	is "stderr $to: it goes on to the end" \
	    "$(cat ended) $(grep -c ' tl-guard: x' to/log)" '0 1'
	rm -rf to ended
done

# --- a terminal

# On a pty: WIDTH, the new WIDTH or 0; TERM and NO_COLOR as they are.
cat >screen.py <<'END'
import fcntl, os, pty, struct, subprocess, sys, termios, time, threading
mark, wide, then = "@MARK@", int(sys.argv[1]), int(sys.argv[2])
master, slave = pty.openpty()
def size(n):
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, n, 0, 0))
size(wide)
seen = bytearray()
def reader():
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            return
        if not piece:
            return
        seen.extend(piece)
t = threading.Thread(target=reader, daemon=True)
t.start()
p = subprocess.Popen(["tl-guard", "say"], stdin=subprocess.PIPE, stderr=slave)
def put(*lines):
    for l in lines:
        p.stdin.write(l.encode() + b"\n")
    p.stdin.flush()
def until(text):
    for _ in range(500):
        if text in bytes(seen):
            return
        time.sleep(0.02)
put(mark + " stage build", "a line", "tl-upload: 3000000 / 9000000 bytes")
until(b"a line" if os.environ["TERM"] == "dumb" else
    b"build" if wide < 40 else b"3.0 of 9.0 MB sent")
if then:
    size(then)
    del seen[:]
    time.sleep(0.5)
    sys.stdout.buffer.write(bytes(seen))
    del seen[:]
else:
    put(mark + " error bad", mark + " done")
p.stdin.close()
p.wait()
os.close(slave)
t.join(5)
if not then:
    sys.stdout.buffer.write(bytes(seen))
END
esc=$(printf '\033')
export TERM=xterm
live () {
	python3 screen.py "$@" | tr '\r' '\n' >seen
}
live 80 0
ok 'live: how much is sent' grep -qF '3.0 of 9.0 MB sent' seen
ok 'live: the line is cleared before it is drawn' grep -q "^$esc\[K.*build" seen
is 'live: an error in red, and back' \
    "$(grep -cF "${esc}[31mtl-guard: bad${esc}[m" seen)" 1
is 'live: no line is left, no cursor hidden' \
    "$(grep . seen | tail -n 1 | sed "s/[0-9.]*s\$/Ns/; s/^$esc\[K//") $(grep -c '[?]25l' seen)" \
    'tl-guard: build       Ns 0'
NO_COLOR=1 live 80 0
is 'NO_COLOR: no colours' "$(grep -cE "$esc\[[0-9]*m" seen)" 0
TERM=dumb live 80 0
is 'a dumb terminal gets no escapes' "$(grep -c "$esc" seen)" 0
# width: of the longest row
width () {
	sed -e "s/$esc\[[0-9]*[mK]//g" seen | awk '
	    length > n { n = length } END { print n + 0 }'
}
NO_COLOR=1 live 20 0
# What moves, that is: lines wrap.
is 'narrow: a row fits' "$(grep '^.*K  build' seen |
    sed "s/$esc\[K//" |
    awk 'length >= 20 { n++ } END { print (NR > 0), n + 0 }')" '1 0'
live 80 24
is 'narrower on the way: rows fit' "$(($(width) > 0 && $(width) < 24))" 1

# --- a pipe or a terminal that somebody has made non-blocking loses nothing

cat >slow.py <<'END'
import fcntl, os, subprocess, time
ours, theirs = os.pipe()
fcntl.fcntl(theirs, fcntl.F_SETFL, os.O_NONBLOCK)
p = subprocess.Popen(["tl-guard", "--progress", "plain", "--", "sh", "-c",
    "seq 40000 >&2"], stderr=theirs)
os.close(theirs)
time.sleep(0.5)
n = 0
while piece := os.read(ours, 65536):
    n += piece.count(b"\n")
print(p.wait(), n)
END
is 'a pipe that does not wait: each line' "$(/usr/bin/python3 slow.py)" '0 40000'

is 'nothing is left' "$(ls -A -I .tl-private "$HOME/.local/state/tl")" ''
