#!/bin/sh
# tl-sandbox: created, waited for until it works, kept alive, deleted

. "${0%/*}/lib.sh"

TENSORLAKE_API_KEY=key-MARKER
TL_RETRY_SECOND_MS=50
export TENSORLAKE_API_KEY TENSORLAKE_API_URL TL_RETRY_SECOND_MS

prepared='{"buildId":"b-1","snapshotId":"s-1","rootfsNodeKind":"base",
"builder":{"image":"tensorlake/rootfs-builder","command":"tl-rootfs-build",
"cpus":2,"memoryMb":4096,"diskMb":30720}}'
all=/v1/namespaces/default/sandboxes

# rule METHOD PATH ANSWER[,ANSWER...]
rule () {
	printf '{"method":"%s","path":"%s","answers":[%s]}' "$1" "$2" "$3"
}

created='{"json":{"sandbox_id":"sbx-1","status":"pending"}}'

# info STATUS [MORE MEMBERS]
info () {
	printf '{"json":{"id":"sbx-1","namespace":"default","status":"%s",' "$1"
	printf '"resources":{"cpus":2.0,"memory_mb":4096}%s}}' "${2:+,$2}"
}

url='"sandbox_url":"@URL@"'
process='{"status":201,"json":{"pid":7,"status":"running","command":"/bin/true",
"args":[],"started_at":1}}'
eof='{"events":["event: eof\ndata: {}\n\n"]}'

# exited MEMBERS: how /bin/true ends
exited () {
	printf '{"json":{"pid":7,"status":"exited","command":"/bin/true",'
	printf '"started_at":1,%s}}' "$1"
}

# sandbox INFO[,INFO...] [START...]: a server whose sandbox comes to life
sandbox () {
	peer "[$(rule GET $all/sbx-1 "$1"),
	$(rule POST /api/v1/processes "${2:-$process}"),
	$(rule GET /api/v1/processes/7/output/follow "$eof"),
	$(rule GET /api/v1/processes/7 "$(exited '"exit_code":0')")]"
	TENSORLAKE_API_URL=$URL
}

# create OPTIONS...: what is asked for then
create () {
	peer "[$(rule POST $all "$created")]"
	TENSORLAKE_API_URL=$URL
	given "${prepared_now:-$prepared}"
	try "create $*" tl-sandbox create "$@"
	exits 0
	silent err
}

pending='{"id":"sbx-1","namespace":"default","status":"pending","image":"i",
"resources":{"cpus":2.0,"memoryMb":4096,"diskMb":30720},"buildId":"b-1"}'

# await: tl-sandbox wait, of a fresh sandbox
await () {
	given "${document:-$pending}"
	try "$1" tl-sandbox wait
}

# --- create

create
gives '{"id":"sbx-1","namespace":"default","status":"pending","image":"tensorlake/rootfs-builder","resources":{"cpus":2.0,"memoryMb":4096,"diskMb":30720},"buildId":"b-1"}'
is 'the request' "$(seen '.[0]|.method,.target,.body')" "POST
$all
"'{"image":"tensorlake/rootfs-builder","resources":{"cpus":2.0,"memory_mb":4096,"disk_mb":30720},"timeout_secs":300}'
is 'its headers' "$(seen '.[0].headers|map(.[0]+": "+.[1])|sort|.[]' |
    sed 's/[0-9a-f]\{32\}/HEX32/g; s/-[0-9a-f]\{16\}-/-HEX16-/; s/:[0-9]*$//
	s,tl/[0-9.]*,tl/V,')" 'Accept: */*
Authorization: Bearer key-MARKER
Content-Length: 114
Content-Type: application/json
Host: 127.0.0.1
Idempotency-Key: HEX32
User-Agent: tl/V
traceparent: 00-HEX32-HEX16-01'
peer "[$(rule POST $all "$created")]"
TENSORLAKE_API_URL=$URL
try 'one of an image' tl-sandbox create --image team/web:1
exits 0
gives '{"id":"sbx-1","namespace":"default","status":"pending","image":"team/web:1","resources":{"cpus":1.0,"memoryMb":1024,"diskMb":10240}}'
is 'one of an image: the request' "$(seen '.[0].body')" \
    '{"image":"team/web:1","resources":{"cpus":1.0,"memory_mb":1024,"disk_mb":10240},"timeout_secs":300}'
try 'one of an image, of other sizes' tl-sandbox create --image web --cpus 2 \
    --memory-mb 2G --disk-mb 512
exits 0
is 'one of an image, of other sizes: the request' "$(seen \
    '.[1].body|fromjson.resources|map_values(.+0)|tojson')" \
    '{"cpus":2,"memory_mb":2048,"disk_mb":512}'
for bad in "--image=" "--image=$(printf '%0256d' 0)" \
    "--image=$(printf '\377')" '--image=web --builder-disk-mb=5'; do
	# shellcheck disable=SC2086
	try "create $bad" tl-sandbox create $bad
	exits 64
done
create --idempotency-key my-key
is 'a key of one'\''s own' \
    "$(seen '.[0].headers[]|select(.[0]=="Idempotency-Key")[1]')" my-key

sizes () {
	create "$@"
	# jq 1.7 spells a number that it only passes on as it came.
	is "sizes of $*" \
	    "$(seen '.[0].body|fromjson.resources|map_values(.+0)|tojson')" \
	    "$want"
}
want='{"cpus":0.5,"memory_mb":8192,"disk_mb":30720}' \
    sizes --cpus 0.5 --memory-mb 8192
want='{"cpus":2,"memory_mb":4096,"disk_mb":40960}' sizes --disk-mb 40960
want='{"cpus":2,"memory_mb":4096,"disk_mb":10240}' sizes --builder-disk-mb 1024
want='{"cpus":2,"memory_mb":4096,"disk_mb":1024}' \
    sizes --builder-disk-mb 1024 --disk-mb 1
prepared_now=$(printf %s "$prepared" |
    jq -c '.parent={parentManifestUri:"s3://b/p",rootfsDiskBytes:42949672961}')
want='{"cpus":2,"memory_mb":4096,"disk_mb":40961}' sizes
peer "[$(rule POST $all "$created")]"
TENSORLAKE_API_URL=$URL
given "$prepared_now"
try 'a doubtful disk' tl-sandbox create --disk-mb 640001
exits 0
says 'parts of 64 MB hold less than a disk of 640001 MB'
peer '[]'
TENSORLAKE_API_URL=$URL
given "$prepared_now"
try "a disk smaller than the parent's" tl-sandbox create --disk-mb 40G
exits 64
says "--disk-mb 40960: smaller than the parent image's 40961"
silent out
is "a disk smaller than the parent's: nothing was asked for" \
    "$(seen length)" 0
prepared_now=$(printf %s "$prepared" |
    jq -c '.parent={parentManifestUri:"s3://b/p"}')
peer '[]'
TENSORLAKE_API_URL=$URL
given "$prepared_now"
try 'a parent without a size' tl-sandbox create
exits 65
says rootfsDiskBytes
silent out
is 'nothing was asked for' "$(seen length)" 0
prepared_now=

answered () {
	peer "[$(rule POST $all "$1"),$(rule DELETE $all/'*' '{"json":{}}')]"
	TENSORLAKE_API_URL=$URL
	given "$prepared"
	try "$2" tl-sandbox create
}
answered '{"status":504,"json":{"sandbox_id":"sbx-1","status":"pending",
"routing_hint":"n7","sandbox_url":"http://127.0.0.1:1","ingress_endpoint":""}}' \
    'a 504 with a document'
exits 0
holds '"id":"sbx-1","namespace":"default","status":"pending","proxyUrl":"http://127.0.0.1:1","routingHint":"n7",'
answered '{"status":504,"body":"upstream timeout"}' 'a 504 without one'
exits 75
is 'a 504 without one: asked five times' "$(seen length)" 5
says 'create sandbox: refused (504): upstream timeout'
silent out
answered '{"status":503,"body":"full"}' 'no room'
exits 75
is 'asked five times: it has not begun' "$(seen length)" 5
answered '{"status":500,"body":"broken"}' 'a server that breaks'
exits 69
is 'not asked twice' "$(seen length)" 1
answered '{"status":401,"body":"who?"}' 'no such key'
exits 77
says 'refused (401): who?'
answered '{"status":422,"body":"no such image"}' 'refused'
exits 69
says 'no such image'
answered '{"body":"{\"sandbox_id\":"}' 'an answer cut short'
exits 76
silent out
answered '{"json":{"status":"pending"}}' 'an answer without an id'
exits 76
says sandbox_id
answered '{"json":{"sandbox_id":"a/../b","status":"pending"}}' 'a hostile id'
exits 76
is 'a hostile id deletes nothing' "$(seen length)" 1
answered '{"json":{"sandbox_id":"sbx-9","status":"pending",
"routing_hint":"a\r\nb"}}' 'a hint that is no header'
exits 76
is 'what it made is deleted' "$(seen '.[1]|.method+" "+.target')" \
    "DELETE $all/sbx-9"
# A lost answer is asked for again: the same bytes under the same key.  What
# may be there stays in the ledger.
# lost STATUS REQUESTS LEDGER ANSWER[,ANSWER...]
lost () {
	TL_LEDGER=ledger
	export TL_LEDGER
	rm -f ledger
	answered "$4" "lost: $4"
	unset TL_LEDGER
	exits "$1"
	is "lost: $4: $2 requests, one key" "$(seen '"\(length) \(
	    map(.body)|unique|length) \(map(.headers[]|
	    select(.[0]=="Idempotency-Key")[1])|unique|length)"')" "$2 1 1"
	is "lost: $4: the ledger" "$(cut -d' ' -f2 ledger | paste -sd' ')" "$3"
	[ "$3" != intent ] || says 'ends by itself in 300 s'
}
lost 0 2 'intent made' "{\"drop\":true},$created"
lost 0 5 'intent made' "{\"drop\":\"rst\"},{\"body\":\"{}\",\"cut\":1},
{\"status\":502},{\"status\":504,\"json\":{\"error\":\"slow\"}},$created"
lost 0 3 'intent made' "{\"drop\":true},{\"status\":409},$created"
lost 75 5 intent '{"drop":true}'
lost 77 2 intent '{"drop":true},{"status":403}'
lost 75 5 intent '{"status":504,"json":{"error":"slow"}},{"status":503}'
lost 69 1 intent '{"status":500}'
lost 75 5 'intent none' '{"status":503}'
lost 69 1 'intent none' '{"status":409}'
TENSORLAKE_API_URL=http://127.0.0.1:9
given "$prepared"
try 'nobody there' tl-sandbox create
exits 75
silent out
given ''
try 'an empty stdin' tl-sandbox create
exits 65
says 'stdin: empty'

# --- wait

sandbox "$(info pending),$(info suspended),$(info running "$url")"
await 'until it runs'
exits 0
gives '{"id":"sbx-1","namespace":"default","status":"running","proxyUrl":"'"$URL"'","image":"i","resources":{"cpus":2.0,"memoryMb":4096,"diskMb":30720},"buildId":"b-1"}'
silent err
is 'three polls, three requests for /bin/true' \
    "$(seen '.[]|.method+" "+.target')" "GET $all/sbx-1
GET $all/sbx-1
GET $all/sbx-1
POST /api/v1/processes
GET /api/v1/processes/7/output/follow
GET /api/v1/processes/7"
is 'as the sandbox'\''s user' "$(seen '.[3].body')" \
    '{"command":"/bin/true","args":[]}'
is 'towards the proxy' "$(seen '.[3].headers|map(.[0]+": "+.[1])|.[]' |
    grep -E '^(Host|X-|Auth)')" 'Host: sbx-1.local
Authorization: Bearer key-MARKER
X-Tensorlake-Sandbox-Id: sbx-1'

for bad in '{"status":502}' '{"status":503,"body":"x"}' '{"status":504}' \
    '{"status":400,"body":"sandbox is not running"}' \
    '{"status":500,"json":{"code":"PROXY_ERROR"}}' \
    '{"status":500,"body":"Failed to proxy request"}' \
    '{"drop":true}' '{"drop":"rst"}' '{"body":"0123","cut":2}'; do
	sandbox "$bad,$bad,$(info running "$url")"
	await "$bad"
	exits 0
	is "$bad: polled again" \
	    "$(seen '[.[]|select(.target|endswith("sbx-1"))]|length')" 3
done
refuse () {
	sandbox "$1,$(info running "$url")"
	await "$1"
	exits "$2"
	says "$3"
	silent out
	is "$1: polled once" "$(seen length)" 1
}
refuse '{"status":404,"body":"no such sandbox"}' 69 'no such sandbox'
refuse '{"status":400,"body":"bad"}' 69 'refused (400): bad'
refuse '{"status":500,"body":"oops"}' 69 oops
refuse '{"status":403,"body":"not yours"}' 77 'not yours'
refuse "$(info terminated '"outcome":"no node"')" 69 'terminated: no node'
refuse '{"body":"<html>"}' 76 'sandbox sbx-1'
refuse '{"json":{"id":"sbx-2","status":"running"}}' 76 'another sandbox'
refuse '{"json":{"id":"sbx-1","sandbox_id":"sbx-2","status":"running"}}' 76 \
    'another sandbox'

sandbox "$(info pending)"
given "$pending"
try 'never' tl-sandbox wait --timeout 1
exits 75
says 'sandbox sbx-1: pending (after 1 s)'
silent out
sandbox '{"status":502,"body":"down"}'
given "$pending"
try 'never there' tl-sandbox wait --timeout 1
exits 75
says 'refused (502): down (after 1 s)'

# The address: tl-wire(7), "Proxy address".
where () {
	try "$1" tl-sandbox wait
	exits 0
	is "$1: the proxy" "$(jq -r .proxyUrl out)" "$2"
}
sandbox "$(info running "$url,\"ingress_endpoint\":\"http://127.0.0.1:1\"")"
given "$pending"
where 'sandbox_url before ingress_endpoint' "$URL"
sandbox "$(info running '"sandbox_url":" ","ingress_endpoint":"@URL@"')"
given "$pending"
where 'a blank sandbox_url is none' "$URL"
sandbox "$(info running)"
given "$pending"
TENSORLAKE_SANDBOX_PROXY_URL=" $URL/pre/ "
export TENSORLAKE_SANDBOX_PROXY_URL
peer "[$(rule GET $all/sbx-1 "$(info running)"),
$(rule POST /pre/api/v1/processes "$process"),
$(rule GET /pre/api/v1/processes/7/output/follow "$eof"),
$(rule GET /pre/api/v1/processes/7 "$(exited '"exit_code":0')")]"
TENSORLAKE_API_URL=$URL TENSORLAKE_SANDBOX_PROXY_URL=" $URL/pre/ "
where 'neither: the environment, its path kept' "$URL/pre/"
sandbox "$(info running "$url")"
TENSORLAKE_SANDBOX_PROXY_URL=http://127.0.0.1:1
given "$pending"
where 'the server before the environment' "$URL"
unset TENSORLAKE_SANDBOX_PROXY_URL
sandbox "$(info running)"
await 'no address at all'
exits 78
says TENSORLAKE_SANDBOX_PROXY_URL
sandbox "$(info running '"sandbox_url":"http://127.0.0.1:1"')"
document=$(printf %s "$pending" | jq -c --arg u "$URL" '.proxyUrl=$u')
given "$document"
where 'the answer to create before a later one' "$URL"
sandbox "$(info running "$url,\"routing_hint\":\"later\"")"
document=$(printf %s "$pending" | jq -c '.ingressEndpoint="http://127.0.0.1:1"')
given "$document"
where 'a later sandbox_url before an earlier ingress_endpoint' "$URL"
is 'the hint of the running one' "$(jq -r .routingHint out)" later
is 'it is in the requests' "$(seen '.[1].headers[]|
    select(.[0]=="X-Tensorlake-Route-Hint")[1]')" later
document=$(printf %s "$pending" | jq -c '.routingHint="first"')
sandbox "$(info running "$url,\"routing_hint\":\"later\"")"
await 'the first hint stays'
is 'the hint of the answer to create' "$(jq -r .routingHint out)" first
document=

# Is the proxy ready: tl-wire(7), "Readiness".
for bad in '{"status":503,"json":{"code":"SANDBOX_NOT_RUNNING"}}' \
    '{"status":502,"body":"x"}' '{"status":504}' '{"drop":true}' \
    '{"status":400,"body":"not running yet"}'; do
	sandbox "$(info running "$url")" "$bad,$bad,$bad,$bad,$process"
	await "proxy: $bad"
	exits 0
	is "proxy: $bad: started until it works, no list" \
	    "$(seen 'map(.method+" "+.target)|map(select(
	    endswith("/processes")))|group_by(.)|map("\(length) \(.[0])")|
	    .[]')" '5 POST /api/v1/processes'
done
sandbox "$(info running "$url")" '{"status":503,"body":"still"}'
given "$pending"
try 'a proxy that never is' tl-sandbox wait --timeout 1
exits 75
says 'refused (503): still (after 1 s)'
silent out
sandbox "$(info running "$url")" '{"status":403,"body":"no"}'
await 'a proxy that refuses'
exits 77
is 'asked once' "$(seen '[.[]|select(.method=="POST")]|length')" 1
sandbox "$(info running '"sandbox_url":"http://127.0.0.1:9"')"
given "$pending"
try 'a proxy that is not there' tl-sandbox wait --timeout 1
exits 75
peer "[$(rule GET $all/sbx-1 "$(info running "$url")"),
$(rule POST /api/v1/processes "$process"),
$(rule GET /api/v1/processes/7/output/follow "$eof"),
$(rule GET /api/v1/processes/7 "$(exited '"exit_code":1')")]"
TENSORLAKE_API_URL=$URL
await '/bin/true that fails'
exits 69
says '/bin/true ended with 1'
sandbox "$(info running "$url")" '{"status":400,"json":{"error":"/bin/true: No such file or directory","code":"BAD_REQUEST"}}'
await 'an image without /bin/true'
exits 0
silent err
sandbox "$(info running "$url")" '{"status":400,"json":{"error":"args: not strings","code":"BAD_REQUEST"}}'
await 'another refusal'
exits 69

# --- show, rm, keepalive

sandbox "$(info running "$url")"
given "$pending"
try 'show' tl-sandbox show
exits 0
is 'show: one request' "$(seen length)" 1
holds '"status":"running","proxyUrl":"'
file box.json "$pending"
sandbox "$(info terminated)"
try 'show what is gone' tl-sandbox show -s box.json
exits 69
silent out

rm_ () {
	peer "[$(rule DELETE $all/sbx-1 "$2")]"
	TENSORLAKE_API_URL=$URL
	given "$pending"
	try "rm: $1" tl-sandbox rm
	exits "$3"
	silent out
	is "rm: $1: requests" "$(seen length)" "$4"
}
rm_ deleted '{"json":{}}' 0 1
rm_ 'no longer there' '{"status":404,"body":"x"}' 0 2
rm_ 'not at once' '{"status":503},{"drop":true},{"status":500},{"json":{}}' 0 4
rm_ 'a page first' '{"body":"<p>","headers":{"Content-Type":"text/html"}},
{"json":{"error":"not now"}},{"status":204}' 0 3
rm_ 'not ours' '{"status":403,"body":"no"}' 77 1
peer "[$(rule DELETE $all/sbx-1 '{"status":404},{}'),
$(rule GET $all/sbx-1 "$(info running "$url")")]"
TENSORLAKE_API_URL=$URL
given "$pending"
try 'rm: there all the same' tl-sandbox rm
exits 0
is 'rm: there all the same: once more' "$(seen 'map(.method)|join(" ")')" \
    'DELETE GET DELETE'
peer "[$(rule DELETE $all/sbx-1 '{"status":502,"body":"x"}')]"
TENSORLAKE_API_URL=$URL
given "$pending"
try 'rm: never' tl-sandbox rm --timeout 1
exits 75
says 'delete sandbox sbx-1: refused (502)'

file run.json "$(printf %s "$pending" | jq -c --arg u "$URL" '.proxyUrl=$u')"
peer "[$(rule GET /api/v1/health '{"json":{"healthy":true}},{"status":503},
{"status":404,"json":{"code":"SANDBOX_NOT_FOUND"}}'),
$(rule GET $all/sbx-1 "$(info running "$url"),{\"status\":404}")]"
TENSORLAKE_API_URL=$URL
jq -c --arg u "$URL" '.proxyUrl=$u' run.json >run2.json
sed -i 's/$/\n/' run2.json
timeout 30 tl-sandbox keepalive --every 1 -s run2.json >out 2>err
is 'keepalive goes on until the sandbox is gone' \
    "$? $(seen 'map(.target|sub(".*/";""))|join(" ")')" \
    '69 health health sbx-1 health sbx-1'

# --- as whom, and usage

sandbox "$(info running "$url")"
unset TENSORLAKE_API_KEY
TENSORLAKE_PAT=pat-MARKER TENSORLAKE_ORGANIZATION_ID=org_1
TENSORLAKE_PROJECT_ID=proj_1 INDEXIFY_NAMESPACE='n/1'
export TENSORLAKE_PAT TENSORLAKE_ORGANIZATION_ID TENSORLAKE_PROJECT_ID \
    INDEXIFY_NAMESPACE
peer "[$(rule GET '/v1/namespaces/n%2F1/sandboxes/sbx-1' \
    "$(info running "$url")"),
$(rule POST /api/v1/processes "$process"),
$(rule GET /api/v1/processes/7/output/follow "$eof"),
$(rule GET /api/v1/processes/7 "$(exited '"exit_code":0')")]"
TENSORLAKE_API_URL=$URL
await 'with a PAT'
exits 0
is 'its scope is in every request' "$(seen 'map(.headers|
    map(select(.[0]|test("^X-F|^Auth"))|.[1])|join(" "))|unique|.[]')" \
    'Bearer pat-MARKER org_1 proj_1'
unset TENSORLAKE_PAT TENSORLAKE_ORGANIZATION_ID TENSORLAKE_PROJECT_ID \
    INDEXIFY_NAMESPACE
given "$pending"
try 'no credential' tl-sandbox wait
exits 78
TENSORLAKE_API_KEY=key-MARKER
export TENSORLAKE_API_KEY

for args in '' nonsense 'wait rm' 'create --timeout 1' 'rm --cpus 2' \
    'create --cpus 0' 'create --cpus x' 'create --cpus 1e3' \
    'create --cpus nan' 'create --memory-mb -1' 'create --memory-mb 1.5' \
    'create --disk-mb 17592186044416' 'wait --timeout 0' \
    'keepalive --every 300' 'create --idempotency-key é'; do
	# shellcheck disable=SC2086
	try "tl-sandbox $args" tl-sandbox $args
	exits 64
	silent out
done
given 'nonsense'
try 'a document that is none' tl-sandbox rm
exits 65
says stdin
try 'no document' tl-sandbox rm -s missing.json
exits 66
given "$pending"
sandbox "$(info running "$url")"
given "$pending"
tl-sandbox show <in >/dev/full 2>err
is 'a full disk' "$?" 74
given "$pending"
tl-sandbox show <in >&- 2>err
is 'a closed stdout' "$?" 74
is 'no secret in any message' "$(cat ./*err | grep -c MARKER)" 0

# Whoever interrupts a create gets the id all the same.
peer "[$(rule POST $all "{\"delay\":1,${created#?}")]"
TENSORLAKE_API_URL=$URL
file in "$prepared"
python3 - >out 2>err <<'END'
import signal, subprocess, time
p = subprocess.Popen(["tl-sandbox", "create"], stdin=open("in"),
                     stdout=subprocess.PIPE)
# Not before it has asked.
end = time.monotonic() + 30
while not open("log").read() and time.monotonic() < end:
    time.sleep(0.02)
p.send_signal(signal.SIGINT)
print(p.communicate()[0].decode().split(",")[0], p.returncode)
END
is 'interrupted' "$(cat out)" '{"id":"sbx-1" 130'
lists tl-sandbox.1
