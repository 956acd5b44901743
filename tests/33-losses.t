#!/bin/sh
# A sandbox that is gone, a process that is lost, a connection that is dead:
# noticed, by asking those who know

. "${0%/*}/lib.sh"

TENSORLAKE_API_KEY=key-MARKER
TL_SANDBOX=box.json
export TENSORLAKE_API_KEY TENSORLAKE_API_URL TL_SANDBOX TL_STALL_S \
    TL_RETRY_SECOND_MS
box=/v1/namespaces/default/sandboxes/sbx-1
all=/api/v1/processes
one=$all/7

# rule METHOD PATH ANSWER[,ANSWER...]
rule () {
	printf '{"method":"%s","path":"%s","answers":[%s]}' "$1" "$2" "$3"
}

# info STATUS [MEMBERS]: what the lifecycle says
info () {
	printf '{"json":{"id":"sbx-1","namespace":"default","status":"%s",' "$1"
	printf '"sandbox_url":"@URL@","resources":{"cpus":1.0,"memory_mb":1}'
	printf '%s}}' "${2:+,$2}"
}

# process STATUS [MEMBERS]
process () {
	printf '{"pid":7,"status":"%s","command":"make","args":[],' "$1"
	printf '"started_at":1%s}' "${2:+,$2}"
}
started="{\"status\":201,\"json\":$(process running)}"
running="{\"json\":$(process running)}"
done_="{\"json\":$(process exited '"exit_code":0')}"
none='{"json":{"processes":[]}}'
ours="{\"json\":{\"processes\":[$(process running)]}}"
no_process='{"status":404,"json":{"error":"no such process","code":"NOT_FOUND"}}'

line () {
	printf '{"line":"%s"}' "$1"
}

# events EVENT[,EVENT...] [MORE MEMBERS]
events () {
	printf '{"events":[%s]%s}' "$1" "${2:+,$2}"
}
a=$(line a) b=$(line b)

# served LIFECYCLE FOLLOWS [GETS] [LISTS] [STARTS]
served () {
	peer "[$(rule GET $box "$1"),
	$(rule GET $one/output/follow "$2"),
	$(rule GET $one "${3:-$done_}"),
	$(rule GET $all "${4:-$none}"),
	$(rule POST $all "${5:-$started}"),
	$(rule DELETE $one '{"status":204}')]"
	point "$URL"
}

# point PROXY: the sandbox's document
point () {
	TENSORLAKE_API_URL=$URL
	printf '{"id":"sbx-1","status":"running","proxyUrl":"%s"}' "$1" \
	    >box.json
}

# asked: what each was asked, and how often
asked () {
	seen '.[]|.method+" "+(.target|sub("\\?.*";""))' |
	    sed "s,$one,P,; s,$all,ALL,; s,$box,BOX,; s,/api/v1/,," | uniq -c |
	    sed 's/^ *//' | paste -sd,
}

# --- the sandbox is gone: no second try, though each would wait a second

ended=$(info terminated '"outcome":"timeout"')
unknown='{"status":404,"body":"no such sandbox"}'
prepared='{"buildId":"b-1","snapshotId":"s-1","rootfsNodeKind":"base",
"snapshotRelPath":"projects/p1/sandbox-template-builds/b-1/s-1.tlsnap",
"builder":{"image":"i","command":"tl-rootfs-build","cpus":1,"memoryMb":1,
"diskMb":1}}'

# each COMMAND...: as its first exchange fails in this way and that
each () {
	for bad in '{"status":503,"json":{"code":"SANDBOX_NOT_RUNNING"}}' \
	    '{"status":404,"json":{"code":"SANDBOX_NOT_FOUND"}}' \
	    '{"status":400,"body":"sandbox is not running"}' \
	    '{"status":502,"body":"down"}' '{"drop":true}'; do
		peer "[$(rule GET $box "$ended"),
		    {\"path\":\"/api/*\",\"answers\":[$bad]}]"
		point "$URL"
		given "${input-}"
		try "$1 ${2-}: $bad" timeout 60 "$@"
		exits 69
		says "sandbox sbx-1: terminated: timeout; nothing of it is left"
		says 'tl-build --resume'
		silent out
		is "$name: one try, one question" "$(seen length)" 2
	done
	peer "[$(rule GET $box "$unknown")]"
	point http://127.0.0.1:9
	given "${input-}"
	try "$1 ${2-}: no proxy, no such sandbox" timeout 60 "$@"
	exits 69
	says 'sandbox sbx-1: refused (404): no such sandbox; nothing of it'
	says 'server and namespace'
	is "$name: one question" "$(asked)" '1 GET BOX'
}
each tl-exec make
input=x
each tl-put /x
input=
each tl-get /x
input=$prepared
each tl-sign
input=

# wait has asked already: it ends between the two waits.
served "$(info running),$ended" '' '' '' \
    '{"status":503,"json":{"code":"SANDBOX_NOT_RUNNING"}}'
cp box.json in
try 'tl-sandbox wait' timeout 60 tl-sandbox wait
exits 69
says 'sandbox sbx-1: terminated: timeout'
is 'tl-sandbox wait: at once' "$(asked)" '1 GET BOX,1 POST ALL,1 GET BOX'

# While a command runs in it.
served "$ended" "$(events "$a" '"cut":0'),{\"drop\":true}" '{"drop":true}'
try 'amid a command' tl-exec make
exits 69
gives a
says 'terminated: timeout'
is 'amid a command: nothing more is asked' "$(asked)" \
    '1 GET ALL,1 POST ALL,1 GET P/output/follow,1 GET BOX'
served "$ended" "$(events "$a")" \
    '{"status":404,"json":{"code":"SANDBOX_NOT_FOUND"}}'
try 'behind an end of its output' tl-exec make
exits 69
is 'behind an end: nothing more is asked' "$(asked)" \
    '1 GET ALL,1 POST ALL,1 GET P/output/follow,1 GET P,1 GET BOX'
served "$ended" '' '' '' '{"drop":true}'
try 'amid the start' tl-exec make
exits 69
is 'amid the start: no list, no other start' "$(asked)" \
    '1 GET ALL,1 POST ALL,1 GET BOX'

# --- it is there all the same

TL_RETRY_SECOND_MS=20
served "$(info running)" "$(events "$a" '"cut":0'),{\"status\":503},
$(events "$a,$b")" "$running,$done_"
try 'it runs' tl-exec make
exits 0
gives 'a
b'
served '{"hang":true}' "$(events "$a")" '' '' "{\"status\":503},$started"
TL_STALL_S=1 try 'nobody knows' tl-exec make
exits 0
served '{"status":401}' "$(events "$a")" '' '' "{\"status\":503},$started"
try 'nobody says' tl-exec make
exits 0
busy='{"status":503},{"status":503},{"status":503},{"status":503},
{"status":503},{"status":503},{"status":503},{"status":503},{"status":503},
{"status":503},{"status":503},{"status":503},{"status":503}'
for status_ in suspended pending snapshotting a-new-word; do
	served "$(info $status_)" "$busy,$(events "$a")" "$running,$running,
	$running,$running,$running,$running,$running,$running,$running,
	$running,$running,$running,$running,$done_"
	try "$status_" tl-exec make
	exits 0
	gives a
	says 'does not run for now; waiting'
done
served "$(info running)" "$busy" "$running"
try 'it runs, its proxy never' tl-exec make
exits 75

# --- the process is lost

unset TL_RETRY_SECOND_MS
served "$(info running)" "$(events "$a" '"cut":0')" "$no_process"
try 'a lost process' tl-exec make
exits 75
gives a
says 'process 7 is not there any more, though its sandbox sbx-1 is'
is 'a lost process: looked for once' "$(asked)" \
    '1 GET ALL,1 POST ALL,1 GET P/output/follow,1 GET BOX,1 GET P,1 GET ALL,1 DELETE P'
TL_RETRY_SECOND_MS=20
served "$(info running)" "$(events "$a")" \
    "$no_process,$no_process,$done_" "$none,$ours"
try 'not found, but listed' tl-exec make
exits 0

# --- a connection that is dead, without a word

TL_STALL_S=1
served "$(info running)" "$(events "$a,{\"pause\":60}"),$(events "$a,$b")" \
    "$running,$done_"
try 'a dead follow' timeout 50 tl-exec make
exits 0
gives 'a
b'
q="$(events "$a,{\"pause\":60}")"
served "$(info running)" "$q,$q,$q,$q,$q,$q,$q,$q,$q,$q,$q,$q,$(events "$a,$b")" \
    "$running,$running,$running,$running,$running,$running,$running,$running,
    $running,$running,$running,$running,$done_"
# Half a second is ten where the clock can be made to run faster.
shim=${TL_PRELOAD:-$TL_BIN/../preload}/haste.so
hasty=''
if [ -z "${TL_ASAN-}" ] && [ -e "$shim" ]; then
	hasty="env LD_PRELOAD=$shim HASTE=20 TL_STALL_S=10"
fi
# shellcheck disable=SC2086
try 'a command that is quiet for long, and no heart' timeout 100 $hasty \
    tl-exec make
exits 0
gives 'a
b'
beat="{\"pause\":0.6},\": heartbeat\\n\\n\""
served "$(info running)" "$(events "$a,$beat,$beat,$beat,$b")"
try 'a quiet one, whose heart beats' tl-exec make
gives 'a
b'
is 'it is left alone' "$(seen 'map(select(.target|endswith("follow")))|
    length')" 1
served "$(info running)" "$(events "$a,$b")" "{\"hang\":true},$done_"
try 'a dead look' timeout 50 tl-exec make
exits 0
gives 'a
b'
served "$ended" "$(events "$a,{\"pause\":60}")"
try 'a dead follow of a sandbox that is gone' timeout 50 tl-exec make
exits 69
gives a
is 'a dead follow: one question' "$(asked)" \
    '1 GET ALL,1 POST ALL,1 GET P/output/follow,1 GET BOX'
unset TL_STALL_S TL_RETRY_SECOND_MS

# --- a link that is down for longer than anything else is tried

# waited NAME: it was, and said so now and then, not each time
waited () {
	name=$1
	says '; no answer for '
	says 'waiting for 300 s in all'
	says 'answered again, after '
	is "$1: lines" "$(awk 'END { print (NR > 1 && NR < 6) }' err)" 1
}

# Five tries take 15 seconds of 10 ms, and 80 of them pass.
TL_RETRY_SECOND_MS=10
export TL_RETRY_SECOND_MS
down='"drop":true,"down":0.8'
served "$(info running)" "$(events "$a" '"cut":0,"down":0.8'),
$(events "$a,$b")" "$running,$done_"
try 'down amid a command' timeout 50 tl-exec make
exits 0
gives 'a
b'
waited 'down amid a command'
served "$(info running)" "$(events "$a")" "{$down},$done_"
try 'down behind its output' timeout 50 tl-exec make
exits 0
gives a
waited 'down behind its output'
served "$(info running)" "$(events "$a")" '' \
    '{"json":{"processes":[]},"down":0.8}'
try 'down right before its start' timeout 50 tl-exec make
exits 0
gives a
waited 'down right before its start'
served "$(info running)" '{"drop":true}' "$running"
try 'no link that is down: it drops one kind of request' timeout 50 tl-exec make
exits 75
is "$name: ten looks at the process" "$(seen 'map(select(.method == "GET" and (.target |
    endswith("/7")))) | length')" 10
served "$(info running)" "$(events "$a")" '' "$none,$none,$ours" "{$down}"
try 'down amid its start' timeout 50 tl-exec make
exits 0
gives a
waited 'down amid its start'
is 'down amid its start: started once' "$(seen 'map(select(
    .method == "POST")) | length')" 1
served "$ended" "$(events "$a" '"cut":0,"down":0.8'),
{\"status\":404,\"json\":{\"code\":\"SANDBOX_NOT_FOUND\"}}" \
    '{"status":404,"json":{"code":"SANDBOX_NOT_FOUND"}}'
try 'down until the sandbox is gone' timeout 50 tl-exec make
exits 69
gives a
says 'terminated: timeout; nothing of it is left'

# In a build from the first request on.
TL_LEDGER=$T/ledger
export TL_LEDGER
served "$(info running)" "$(events "$a")" '' "{$down},$none"
try 'down before a command' timeout 50 tl-exec make
exits 0
gives a
waited 'down before a command'
head_='"buildId":"b-1","snapshotId":"s-1","rootfsNodeKind":"base","builder":
{"image":"i","command":"c","cpus":2,"memoryMb":1,"diskMb":1}'
file prepared.json "{$head_,\"snapshotUri\":\"s3://b/x\"}"
metadata='{"snapshot_format_version":"durable_archive_v1",
"snapshot_size_bytes":7,"rootfs_disk_bytes":1048576}'
# fine, for each that is patient: what the peer says to it in the end
each_patient () {
	input=x
	"$1" PUT '{"status":204}' tl-put /x
	input=
	"$1" GET '{"body":"x"}' tl-get /x
	input=$prepared
	"$1" POST '{"json":{"uri":"s3://b/x"}}' tl-sign
	input=$metadata
	"$1" POST '{"json":{"receipt":"x"}}' tl-attest -p prepared.json
	"$1" POST '{"json":{"id":"t-1"}}' tl-complete -p prepared.json
}
# back METHOD ANSWER COMMAND...
back () {
	peer "[$(rule GET $box "$(info running)"),
	    $(rule "$1" '*' "{$down},$2")]"
	point "$URL"
	shift 2
	given "$input"
	try "down before $1" timeout 50 "$@"
	exits 0
	waited "down before $1"
}
each_patient back
# away METHOD ANSWER COMMAND...: it does not come back
away () {
	peer "[$(rule "$1" '*' '{"drop":true,"down":100}')]"
	point "$URL"
	shift 2
	given "$input"
	TL_RETRY_SECOND_MS=3 try "$1 waits in vain" timeout 50 "$@"
	exits 75
	says '; no answer for 2'
	is "$1 waits in vain: each line is one of those" "$(grep -vc \
	    'no answer for' err)" 1
	given "$input"
	TL_RETRY_SECOND_MS=1000 TL_DEADLINE=1 try "$1 and its deadline" \
	    timeout 10 "$@"
	exits 75
	says 'the deadline of 1 s has passed'
}
each_patient away
input=
away GET '' tl-exec make
# A long pipe that has not been read further than what is held.
peer "[$(rule GET /down '{"down":0.8}'),$(rule PUT '*' '{"status":204}')]"
point "$URL"
head -c 9000000 /dev/zero >long
curl -s "$URL/down"
try 'down before a long pipe' sh -c 'cat long | tl-put /x'
exits 0
is 'down before a long pipe: all of it' "$(seen '.[-1].length')" 9000000
unset TL_LEDGER

# An address that never answered is not waited for: no ledger, no build.
by_hand () {
	TENSORLAKE_API_URL=http://127.0.0.1:9
	printf '{"id":"sbx-1","status":"running","proxyUrl":"%s"}' \
	    http://127.0.0.1:9 >box.json
	shift 2
	given "$input"
	try "$1: a wrong address" timeout 50 "$@" -v
	exits 75
	is "$1: a wrong address: five times" "$(grep '^> ' err |
	    grep -vc sandboxes)" 5
	ok "$1: a wrong address: not waited for" sh -c \
	    '! grep "no answer" err'
}
each_patient by_hand
rm ledger prepared.json long
unset TL_RETRY_SECOND_MS

# --- polls: soon at first, then once a second

# grows FIRST FILTER: the gaps between these requests are FIRST ms at least,
# half as much again each time, and a second in the end
grows () {
	seen "[.[]|select($2).time_ms]|[.[1:],.[:-1]]|transpose|
	    map(.[0]-.[1])|.[]" >gaps
	awk -v ms="$1" 'NR == 1 && $1 > 500 { print "first " $1 }
	    $1 < ms - 2 { print NR ": " $1 " < " ms }
	    { ms = ms * 1.45 > 950 ? 950 : ms * 1.45; last = $1 }
	    END { if (last < 940) print "last " last }' gaps >wrong
	is "$name: the gaps grow" "$(cat wrong)" ''
}
p=$(info pending)
served "$p,$p,$p,$p,$p,$p,$p,$p,$p,$p,$(info running)" \
    "$(events "$a")"
cp box.json in
try 'tl-sandbox wait' tl-sandbox wait
exits 0
grows 30 '.target|endswith("sbx-1")'
served "$(info running)" "$(events "$a")" '' \
    "$none,$none,$none,$none,$none,$none,$none,$none,$none,$none,$ours" \
    '{"drop":true}'
try 'a lost start' tl-exec make
exits 0
sed -i 1d log
grows 50 '.method=="GET" and (.target|endswith("processes"))'
served "$(info running)" "$(events "$a")" "$running,$running,$running,
$running,$running,$running,$running,$done_"
try 'follows that end early' tl-exec make
exits 0
sed -i 1,3d log
grows 20 '.target|endswith("follow")'
no='{"status":500}'
peer "[$(rule DELETE $box "$no,$no,$no,$no,$no,$no,$no,$no,$no,{}")]"
point "$URL"
cp box.json in
try 'tl-sandbox rm' tl-sandbox rm
exits 0
grows 50 '.method=="DELETE"'

sed -i '/^0$/d' statuses
lists tl-exec.1
is 'no secret in any message' "$(cat ./*err | grep -c MARKER)" 0
