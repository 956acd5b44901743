#!/bin/sh
# tl-progress: each mode shows what its page says, whatever a builder prints

. "${0%/*}/lib.sh"

mark=0123456789abcdef0123456789abcdef
unset NO_COLOR

# events LINE...: stdin of the next try: the mark, then these; "!" is the mark
events () {
	echo "$mark" >in
	for line; do
		case $line in
		!*) echo "$mark ${line#!}" ;;
		*) printf '%b\n' "$line" ;;
		esac
	done >>in
}

# shapes: of each JSON line on stderr, its event, members and their types
shapes () {
	jq -rc '[.event] + [to_entries[] | select(.key != "event") |
	    .key + ":" + (.value | type)] | join(" ")' err
}

all () {
	events '!stage build' 'a line' 'tl-upload: 3 / 9 bytes' \
	    'tl-put: 4 bytes' '!id sandbox sbx-1' '!say hello' '!error bad' \
	    '!done' '!stage x' '!failed 65' '!end 65'
}

# --- JSON

all
try 'each event' tl-progress -m json
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
sed -n 's/^\.It Li \([a-z]*\) Ta.*/\1/p' "$pages/tl-progress.1" | sort >paged
is 'the page has each event' "$(jq -r .event err | sort -u)" "$(cat paged)"

python3 - "$mark" <<'END' >in
import os, sys
out = sys.stdout.buffer
out.write(sys.argv[1].encode() + b"\n")
for byte in range(256):
    if byte != 10:
        out.write(b"x" + bytes([byte]) + b"y\n")
out.write(b"\xed\xa0\x80\xc0\x80\xf5\x80\x80\x80\xe2\x82 \xe2\x82\xac\n")
out.write(b"\x1b[31mred\x1b[m \x1b]0;title\x07 \x1bPq\x1b\\ end\n")
out.write(b"A" * 1000000)
END
cp in hostile
try 'every byte' tl-progress -m json
exits 0
python3 - <<'END' >verdict 2>&1
import json
data = open("err", "rb").read()
assert all(b >= 0x20 or b == 10 for b in data), "a control byte"
events = [json.loads(l.decode("utf-8")) for l in data.split(b"\n")[:-1]]
assert data.endswith(b"\n") and all(e["event"] == "line" for e in events)
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
try 'plain' tl-progress -m plain
exits 0
silent out
sed 's/ [0-9.]*s$/ Ns/' err >out
gives 'a line
tl-build: hello
tl-build: bad
tl-build: build       Ns'
cp hostile in
TERM=xterm try 'plain, every byte' tl-progress -m plain
is 'plain: no control byte but tab' \
    "$(tr -d '\11\12\40-\176\200-\377' <err | wc -c)" 0
events 'one\rtwo\rthree\r'
try 'overwritten' tl-progress -m plain
is 'of an overwritten line the last piece' "$(cat err)" three
events '!stage a' 'tl-upload: 3 / 9 bytes' 'tl-upload: 9 / 9 bytes'
try 'an upload' tl-progress -m plain
is 'an upload is said when it is there' "$(cat err)" 'tl-upload: 9 / 9 bytes'
events '!stage a'
try 'verbose' tl-progress -v -m plain
says 'tl-build: a ...'

# --- none

events '!stage a' '!say quiet' 'quiet too' '!done' '!end 0'
try 'none' tl-progress -m none
exits 0
silent err
# shellcheck disable=SC2046
events $(seq -f 'l%g' 30) '!error bad'
try 'none, an error' tl-progress -m none
is 'an error, and the last twenty lines' "$(cat err)" \
    "$(seq -f 'l%g' 11 30; echo 'tl-build: bad')"

# --- the log

all
try 'a log' tl-progress -m none --log log
is 'the log: its mode' "$(stat -c %a log)" 600
is 'the log: everything, with its time' "$(sed -E \
    's/^[0-9T:.-]+Z /Z /; s/ [0-9.]+s$/ Ns/' log)" 'Z tl-build: build ...
Z a line
Z tl-upload: 3 / 9 bytes
Z tl-put: 4 bytes
Z tl-build: sandbox sbx-1
Z tl-build: hello
Z tl-build: bad
Z tl-build: build       Ns
Z tl-build: x ...'
is 'the log: no mark' "$(grep -c "$mark" log)" 0
cp hostile in
try 'a log of every byte' tl-progress -m none --log hostile.log
is 'the log: no control byte but tab' \
    "$(tr -d '\11\12\40-\176\200-\377' <hostile.log | wc -c)" 0
ln -s log link
all
try 'a log that is a link' tl-progress --log link
exits 73
events '!flush flushed'
try 'flush' tl-progress -m none --log log
ok 'flush: the file is there' test -e flushed

# --- the mark

events 'stage forged' "say $mark" '!say true'
try 'forged' tl-progress -m json
is 'only what the mark begins is an event' \
    "$(jq -r '.event + " " + (.text // "")' err | sed "s/$mark/MARK/")" \
    'line stage forged
line say 
message true'
printf 'short\n' >in
try 'no mark' tl-progress
exits 65
: >in
try 'no stdin' tl-progress
exits 65

# --- a stderr that does not take anything

for to in '2>&-' '2>/dev/full' '2>&1 | true'; do
	all
	try "stderr $to" sh -c "{ tl-progress -m plain --log to.log; \
	    echo \$? >ended; } $to"
	is "stderr $to: it goes on to the end" \
	    "$(cat ended) $(grep -c ' tl-build: x' to.log)" '0 1'
	rm -f to.log ended
done

# --- a terminal

# On a pty: WIDTH, the new WIDTH or 0; TERM and NO_COLOR as they are.
cat >screen.py <<'END'
import fcntl, os, pty, struct, subprocess, sys, termios, time, threading
mark, wide, then = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
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
p = subprocess.Popen(["tl-progress"], stdin=subprocess.PIPE, stderr=slave)
def put(*lines):
    for l in lines:
        p.stdin.write(l.encode() + b"\n")
    p.stdin.flush()
def until(text):
    for _ in range(500):
        if text in bytes(seen):
            return
        time.sleep(0.02)
put(mark, mark + " stage build", "a line", "tl-upload: 3000000 / 9000000 bytes")
until(b"a line" if os.environ["TERM"] == "dumb" else
    b"build" if wide < 40 else b"3.0 of 9.0 MB sent")
if then:
    size(then)
    del seen[:]
    time.sleep(0.5)
    sys.stdout.buffer.write(bytes(seen))
    del seen[:]
    put(mark + " end 1")
else:
    put(mark + " error bad", mark + " done", mark + " end 0")
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
	python3 screen.py "$mark" "$@" | tr '\r' '\n' >seen
}
live 80 0
ok 'live: how much is sent' grep -qF '3.0 of 9.0 MB sent' seen
ok 'live: the line is cleared before it is drawn' grep -q "^$esc\[K.*build" seen
is 'live: an error in red, and back' \
    "$(grep -cF "${esc}[31mtl-build: bad${esc}[m" seen)" 1
is 'live: no line is left, no cursor hidden' \
    "$(grep . seen | tail -n 1 | sed 's/[0-9.]*s$/Ns/') $(grep -c '[?]25l' seen)" \
    'tl-build: build       Ns 0'
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

# --- the deadline

cat >parent.sh <<'END'
trap 'echo alarm; kill $nap; exit' ALRM
mkfifo f
tl-progress -m none --deadline 1 --parent "${1:-$$}" <f &
exec 3>f
echo 0123456789abcdef >&3
sleep "$2" >/dev/null & nap=$!; wait $nap
exec 3>&-
wait
echo quiet
END
is 'a deadline: the parent is told' "$(timeout 20 sh parent.sh '' 10)" alarm
rm f
is 'a deadline: nobody else is' \
    "$(sleep 5 >/dev/null & timeout 20 sh parent.sh $! 2; kill $! 2>&1)" quiet
try 'a deadline for nobody' tl-progress --deadline 3
exits 64
lists tl-progress.1
