#!/bin/sh
# tl-exec: a command in the sandbox, as if it ran here

. "${0%/*}/lib.sh"

TENSORLAKE_API_KEY=key-MARKER
TL_RETRY_SECOND_MS=20
TENSORLAKE_API_URL=http://127.0.0.1:9
TL_SANDBOX=box.json
export TENSORLAKE_API_KEY TENSORLAKE_API_URL TL_RETRY_SECOND_MS TL_SANDBOX
all=/api/v1/processes
one=$all/7
follow=$one/output/follow

# rule METHOD PATH ANSWER[,ANSWER...]
rule () {
	printf '{"method":"%s","path":"%s","answers":[%s]}' "$1" "$2" "$3"
}

# process STATUS [MEMBERS]
process () {
	printf '{"pid":7,"status":"%s","command":"make","args":["-j","all"],' \
	    "$1"
	printf '"started_at":1%s}' "${2:+,$2}"
}

started="{\"status\":201,\"json\":$(process running)}"
running="{\"json\":$(process running)}"
none='{"json":{"processes":[]}}'
ours="{\"json\":{\"processes\":[$(process running)]}}"

# exited MEMBERS [STATUS]
exited () {
	printf '{"json":%s}' "$(process "${2-exited}" "$1")"
}
done_=$(exited '"exit_code":0')

# events EVENT[,EVENT...] [MORE MEMBERS]
events () {
	printf '{"events":[%s]%s}' "$1" "${2:+,$2}"
}

# line TEXT [STREAM]
line () {
	printf '{"line":"%s","stream":"%s"}' "$1" "${2-stdout}"
}

a=$(line a) b=$(line b) c=$(line c) d=$(line d)
x=$(line x stderr) y=$(line y stderr)

# served FOLLOWS [GETS] [STARTS] [LISTS] [PROXY]: the sandbox's proxy
served () {
	peer "[$(rule GET $follow "$1"),
	$(rule GET $one "${2:-$done_}"),
	$(rule POST $all "${3:-$started}"),
	$(rule GET $all "${4:-$none}"),
	$(rule GET /api/v1/health "{\"json\":{\"healthy\":true}}"),
	$(rule DELETE $one '{"status":204}')]"
	printf '{"id":"sbx-1","proxyUrl":"%s","routingHint":"n7"}' "$URL" \
	    >box.json
}

run () {
	try "$1" tl-exec make -j all
}

requests () {
	seen '.[]|.method+" "+.target' | sed "s,$one,P,; s,$all,ALL,
	s,/output,,"
}

# --- all is well

served "$(events "$a,$x,$b")"
run 'a command'
exits 0
gives 'a
b'
is 'its stderr' "$(cat err)" x
is 'its requests' "$(requests)" 'GET ALL
POST ALL
GET P/follow
GET P'
is 'the start' "$(seen '.[1].body')" '{"command":"make","args":["-j","all"]}'
is 'its headers' "$(seen '.[1].headers|map(.[0]+": "+.[1])|sort|.[]' |
    sed 's/[0-9a-f]\{32\}/HEX32/g; s/-[0-9a-f]\{16\}-/-HEX16-/
	s,tl/[0-9.]*,tl/V,')" 'Accept: */*
Authorization: Bearer key-MARKER
Content-Length: 38
Content-Type: application/json
Host: sbx-1.local
User-Agent: tl/V
X-Tensorlake-Route-Hint: n7
X-Tensorlake-Sandbox-Id: sbx-1
traceparent: 00-HEX32-HEX16-01'
is 'the follow wants events' "$(seen '.[2].headers[]|
    select(.[0]=="Accept")[1]')" text/event-stream
# libcurl repeats what was sent on a kept connection that turned out dead.
is 'the start has a connection of its own' \
    "$(seen 'map(.connection)|.[0]!=.[1],(unique|length)')" 'true
2'

served "$(events "$a")"
try 'options' tl-exec --root --cwd /x --env A=1 --env B= --env A=2=3 \
    --status-file st -- make -j all
exits 0
is 'options: the start' "$(seen '.[1].body')" '{"command":"make","args":["-j","all"],"env":{"A":"2=3","B":""},"working_dir":"/x","user":"root"}'
is 'the status file' "$(cat st)" '{"pid":7,"exitCode":0,"oomKilled":false}'
is 'nobody else may read it' "$(stat -c %a st)" 600

file prepared.json '{"buildId":"b","snapshotId":"s","rootfsNodeKind":"base",
"builder":{"image":"i","command":"tl-rootfs-build --x '\''a b'\''","cpus":2,
"memoryMb":1,"diskMb":1}}'
served "$(events "$a")"
try 'the builder' tl-exec --builder prepared.json
exits 0
B=/var/lib/tensorlake/rootfs-builder/build
is 'the builder: tl-wire(7), "Builder process"' "$(seen '.[1].body')" '{"command":"/usr/local/bin/tl-rootfs-build","args":["--x","a b","--spec","'$B'/spec.json","--metadata-out","'$B'/metadata.json"],"env":{"PATH":"/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},"working_dir":"'$B'","user":"root"}'
served "$(events "$a")"
# shellcheck disable=SC2016
try 'the builder behind words' tl-exec --builder prepared.json --cwd / \
    --env PATH=/b -- sh -c 'exec "$@"' sh
is 'the builder behind words' "$(seen '.[1].body')" '{"command":"sh","args":["-c","exec \"$@\"","sh","/usr/local/bin/tl-rootfs-build","--x","a b","--spec","'$B'/spec.json","--metadata-out","'$B'/metadata.json"],"env":{"PATH":"/b"},"working_dir":"/","user":"root"}'

# --- events: tl-wire(7), "Following output"

served "$(events '"event: x\r\ndata: {\"line\":\"crlf\",\"timestamp\":null}\r\n\r\n",
"data:{\"line\":\"no space\",\"timestamp\":1}\n\n",
"data: {\"line\":\ndata: \"two fields\",\"timestamp\":1}\n\n",
": a comment\n\n", "data: {}\n\n", "data: {\"healthy\":true}\n\n",
"data: {\"line\":\"no timestamp\"}\n\n", "data: no JSON\n\n", "data: []\n\n",
"data: {\"line\":1,\"timestamp\":1}\n\n",
"data: {\"line\":\"\\ud800\",\"timestamp\":1}\n\n",
"data: {\"line\":\"\\u00e9\\u20ac\",\"timestamp\":\"x\"}\n\n",
"data: {\"line\":\"\",\"timestamp\":1}\n\n",
"data: {\"line\":\"t\\tab\\u001b\",\"timestamp\":1}\n\n",
"event: eof\ndata: {}\n\n",
"data: {\"line\":\"behind eof\",\"timestamp\":1}\n\n",
"da", {"pause":0.05}, "ta: {\"line\":\"in pie", {"pause":0.05},
"ces\",\"timestamp\":1}\n", {"pause":0.05}, "\n",
"data: {\"line\":\"never closed\",\"timestamp\":1}\n"')"
run 'events of all kinds'
exits 0
gives "crlf
no space
two fields
é€

$(printf 't\tab\033')
behind eof
in pieces"
served "$(events "$(line o other),$a")"
run 'a stream of another name'
gives a
says o
served "$(events "$a" '"headers":{"Content-Type":"Text/Event-Stream; x=y"}')"
run 'the type in other letters'
gives a

# Each line is there when it came, not at the end.
served "$(events "$a,{\"pause\":3},$b")"
tl-exec make -j all >live 2>err &
pid=$!
tries=0
while [ ! -s live ] && [ $tries -lt 100 ]; do
	tries=$((tries + 1))
	sleep 0.02
done
is 'live' "$(cat live)" a
wait $pid
is 'and all in the end' "$? $(tr '\n' ' ' <live)" '0 a b '

# --- how it ends: tl-wire(7), "End of a process"

ends () {
	served "$(events "$a")" "$1"
	run "$1"
	exits "$2"
	gives a
}
ends "$(exited '"exit_code":3')" 3
ends "$(exited '"exit_code":70')" 70
ends "$(exited '"exit_code":256')" 255
ends "$(exited '"signal":9' signaled)" 137
ends "$(exited '"signal":15' signaled)" 143
ends "$(exited '"exit_code":2,"oom_killed":true')" 2
says 'killed, memory ran out'
ends "$(exited '"exit_code":0,"oom_killed":true')" 137
says 'killed, memory ran out'
ends "$(exited '' oom_killed)" 137
ends "$(exited '"managed":{"id":"m","last_exit":{"oom_killed":true}}')" 137
ends "$(exited '')" 0
says 'without a code or a signal'
ends "$(exited ''),$(exited ''),$(exited '"exit_code":4')" 4
ends "$running,$running,$(exited '"exit_code":5')" 5
silent err
served "$(events "$a")" "$(exited '"signal":9' signaled)"
try 'the status file of a signal' tl-exec --status-file st make
is 'the status file of a signal' "$(cat st)" \
    '{"pid":7,"signal":9,"oomKilled":false}'

# --- reattach: tl-wire(7), "Reattach"

again () {
	name_=$1
	shift
	served "$@"
	run "$name_"
	exits 0
	gives 'a
b
c
d'
}
again 'cut' "$(events "$a,$b" '"cut":0'),$(events "$a,$b,$c,$d")" \
    "$running,$done_"
is 'cut: nothing is said of it' "$(cat err)" ''
again 'cut amid an event' "$(events "$a,\"data: {\\\"line\\\":\"" '"cut":0'),
$(events "$a,$b,$c,$d")" "$running,$done_"
again 'cut at the very end, the process done' \
    "$(events "$a,$b,$c" '"cut":0'),$(events "$a,$b,$c,$d")"
again 'an early eof' "$(events "$a"),$(events "$a,$b,$c"),
$(events "$a,$b,$c,$d")" "$running,$running,$done_"
again 'all that can go wrong once' "{\"status\":500},{\"drop\":true},
{\"status\":503},$(events "$a,$b" '"cut":0'),
$(events "$d,$d,$d" '"headers":{"Content-Type":"text/html"}'),
$(events "$a,$b,$c,$d")" "$running,{\"status\":500},{\"drop\":true},$running,
{\"body\":\"{\"},$running,$running,$running,$done_"
again 'cut often, with news each time' "$(events "$a,$b" '"cut":0'),
$(events "$a,$b,$c" '"cut":0'),$(events "$a,$b,$c" '"cut":0'),
$(events "$a,$b,$c" '"cut":0'),$(events "$a,$b,$c" '"cut":0'),
$(events "$a,$b,$c" '"cut":0'),$(events "$a,$b,$c" '"cut":0'),
$(events "$a,$b,$c" '"cut":0'),$(events "$a,$b,$c,$d" '"cut":0'),
$(events "$a,$b,$c,$d")" "$running,$running,$running,$running,$running,
$running,$running,$running,$running,$done_"

# A replay has all of stdout first: neither lost nor doubled.
served "$(events "$a,$x,$b" '"cut":0'),$(events "$a,$b,$c,$x,$y")" \
    "$running,$done_"
run 'both streams, replayed in another order'
gives 'a
b
c'
is 'its stderr' "$(cat err)" 'x
y'

served "$(events "$a" '"cut":0')" "$running"
run 'cut for ever'
exits 75
says output/follow
is 'cut for ever: what came is there, once' "$(cat out)" a
is 'cut for ever: attempts' "$(seen '[.[]|select(.target|endswith("follow"))]|
    length')" 10
is 'cut for ever: it is not left running' "$(requests | tail -n 1)" 'DELETE P'
served "$(events "$a")" '{"status":500,"body":"oops"}'
run 'a daemon that lost its mind'
exits 69
says oops
is 'it was asked ten times' "$(requests | grep -c '^GET P$')" 10
served '{"status":404,"body":"x"}' "$done_"
run 'no output to be had of what has ended'
exits 0
says 'output may be missing'

# --- start: tl-wire(7), "Lost start"

start () {
	name_=$1
	shift
	served "$(events "$a")" '' "$@"
	run "start: $name_"
}
for lost in '{"drop":true}' '{"status":502}' '{"status":504,"body":"x"}' \
    '{"status":500}' '{"status":201,"body":"{\"pid\":"}' \
    '{"status":201,"json":{}}' '{"status":201,"body":"{\"pid\":7}","cut":4}'; do
	start "$lost, but started" "$lost" "$none,$ours"
	exits 0
	gives a
	silent err
	is "start: $lost: once" "$(requests | grep -c POST)" 1
done
start 'seen late' '{"drop":true}' "$none,$none,{\"status\":502},$none,$ours"
exits 0
is 'start: seen late: once' "$(requests | grep -c POST)" 1
start 'really lost' "{\"drop\":true},$started" "$none"
exits 0
is 'start: really lost: looked for over ten seconds, then again' \
    "$(requests | uniq -c | tr -s ' ')" ' 1 GET ALL
 1 POST ALL
 17 GET ALL
 1 POST ALL
 1 GET P/follow
 1 GET P'
start 'busy' "{\"status\":503},{\"status\":429},$started"
exits 0
is 'start: busy: no list between' "$(requests | grep -c 'GET ALL')" 1
start 'always busy' '{"status":503,"body":"full"}'
exits 75
says 'make: start: refused (503): full'
is 'start: always busy: five times' "$(requests | grep -c POST)" 5
start 'refused' '{"status":400,"body":"bad command"}'
exits 69
says 'bad command'
is 'start: refused: once' "$(requests | grep -c POST)" 1
start 'not allowed' '{"status":403}'
exits 77

# Nothing that ran before is taken for it, and nothing is started twice.
start 'an older run of the same command' "{\"drop\":true},$started" "$ours"
exits 0
is 'start: the older one is not taken' "$(requests | grep -c POST)" 2
start 'two that it could be' '{"drop":true}' "$none,{\"json\":{\"processes\":
[$(process running),$(process running | sed 's/:7/:8/')]}}"
exits 75
says 'it may be running'
silent out
is 'start: two that it could be: once' "$(requests | grep -c POST)" 1
start 'no list to be had' '{"drop":true}' '{"status":404}'
exits 75
says 'it may be running'
is 'start: no list to be had: once' "$(requests | grep -c POST)" 1
start 'no list afterwards' '{"drop":true}' "$none,{\"status\":502}"
exits 75
is 'start: no list afterwards: once' "$(requests | grep -c POST)" 1
start 'no list in the end' '{"drop":true}' "$none,$none,{\"status\":502}"
exits 75
is 'start: no list in the end: once' "$(requests | grep -c POST)" 1
start 'no list, no need' "$started" '{"status":404}'
exits 0
gives a

# --- signals, and outputs that go away

# stop SIGNAL STATUS: while it is followed
stop () {
	served "$(events "$a,{\"pause\":5},$b")" "$running"
	python3 - "$1" >got 2>err <<'END'
import signal, subprocess, sys
p = subprocess.Popen(["tl-exec", "make", "-j", "all"], stdout=subprocess.PIPE)
p.stdout.readline()
p.send_signal(getattr(signal, sys.argv[1]))
print(p.wait())
END
	is "$1: its status, and nothing is left running" \
	    "$(cat got) $(requests | tail -n 1)" "$2 DELETE P"
}
stop SIGINT 130
stop SIGTERM 143
stop SIGHUP 129
served "$(events "$a")" '' "{\"delay\":1,${started#?}"
python3 - >got 2>err <<'END'
import signal, subprocess, time
p = subprocess.Popen(["tl-exec", "make", "-j", "all"])
time.sleep(0.5)
p.send_signal(signal.SIGINT)
print(p.wait())
END
is 'SIGINT while it starts' "$(cat got) $(requests | tail -n 1)" \
    '130 DELETE P'
served "$(events "$a,{\"pause\":0.2},$b,{\"pause\":0.2},$c")" "$running"
{ tl-exec make -j all 2>err; echo $? >code; } | head -n 1 >out
is 'a reader that goes away' "$(cat code) $(requests | tail -n 1)" \
    '74 DELETE P'
served "$(events "$a")"
tl-exec make -j all >/dev/full 2>err
is 'a full disk' "$?" 74
served "$(events "$a")"
tl-exec make -j all >&- 2>err
is 'a closed stdout' "$?" 74

# --- beside it

served "$(events "$a,{\"pause\":2.5},$b")"
try 'keepalive' tl-exec --keepalive=1 make -j all
exits 0
is 'keepalive: pings while it runs' \
    "$(seen 'map(select(.target=="/api/v1/health"))|
    "\(length) \(.[0].headers|map(select(.[0]=="Host"))[0][1])"')" \
    '2 sbx-1.local'
served "$(events "$(line '\u001b[31mred\u009b\u0007\tend\u00e9 \u0085x')")"
python3 - >got <<'END'
import os, pty, sys
out = b""
pid, fd = pty.fork()
if pid == 0:
    os.execvp("tl-exec", ["tl-exec", "make", "-j", "all"])
while True:
    try:
        piece = os.read(fd, 4096)
    except OSError:
        break
    if not piece:
        break
    out += piece
os.waitpid(pid, 0)
sys.stdout.buffer.write(out)
END
is 'a terminal gets no control characters' "$(tr -d '\r' <got)" \
    "$(printf '?[31mred??\tend\303\251 ?x')"
served "$(events "$a")"
TENSORLAKE_PAT=pat-MARKER TENSORLAKE_ORGANIZATION_ID=org_1
TENSORLAKE_PROJECT_ID=proj_1
export TENSORLAKE_PAT TENSORLAKE_ORGANIZATION_ID TENSORLAKE_PROJECT_ID
try 'with a PAT' env -u TENSORLAKE_API_KEY tl-exec make -j all
exits 0
is 'its scope is in every request' "$(seen 'map(.headers|
    map(select(.[0]|test("^X-F|^Auth"))|.[1])|join(" "))|unique|.[]')" \
    'Bearer pat-MARKER org_1 proj_1'
unset TENSORLAKE_PAT TENSORLAKE_ORGANIZATION_ID TENSORLAKE_PROJECT_ID

# A long output, whole and in order.
seq 1 20000 | jq -c '{line: "line number \(.)"}' | paste -sd, >lines
served "$(events "$(cat lines)")"
run 'long'
exits 0
is 'long: all of it' "$(seq 1 20000 | sed 's/^/line number /' | cksum)" \
    "$(cksum <out)"

# --- usage

try 'no command' tl-exec
exits 64
try 'a bad variable' tl-exec --env 1 make
exits 64
says 'not NAME=VALUE'
try 'no such prepared document' tl-exec --builder missing.json
exits 66
try 'options behind the command are its own' tl-exec -s missing.json make -h
exits 66
unset TL_SANDBOX
try 'which sandbox' tl-exec make
exits 64
says TL_SANDBOX
file box.json '{"id":"sbx-1"}'
try 'one that does not run yet' tl-exec -s box.json make
exits 65
says 'tl-sandbox wait'
is 'no secret in any message' "$(cat ./*err | grep -c MARKER)" 0
# A command's own status may be any; these are ours.
sed -i '/^\(6[4-9]\|7[1-8]\)$/!d' statuses
lists tl-exec.1
