#!/bin/sh
# tl-sign: both dialects, blocks byte for byte, nothing left behind

. "${0%/*}/lib.sh"

TENSORLAKE_API_KEY=key-MARKER
TL_RETRY_SECOND_MS=1
export TENSORLAKE_API_KEY TL_RETRY_SECOND_MS

builder='"builder":{"image":"i","command":"c","cpus":2,"memoryMb":1,"diskMb":1}'
head='"buildId":"b-1","snapshotId":"s-1","rootfsNodeKind":"base",'$builder
base='{'$head',"snapshotRelPath":"projects/p/sandbox-template-builds/b-1/s.tlsnap"}'
diff='{'$head',"snapshotRelPath":"r","parent":{"parentManifestUri":"s3://b/par",
"rootfsDiskBytes":67108865}}'
local='{'$head',"snapshotRelPath":"r","additionalLocalImages":[
{"snapshotUri":"gs://b/one"},{"snapshotUri":"file:///two"},{"snapshotUri":3},
{"snapshotUri":"s3://b/four","download":{"x":1}},{},7,
{"snapshotUri":"s3://b/\u0073even","download":null}]}'

# Odd on purpose: all of it must come out as it went in.
odd='{ "uri" : "s3:\/\/b\/x","n":12345678901234567890, "n":1.0, "n":1e400,
"u":"\u0041\u2028\ud83d\ude00é", "abortUrl":"@URL@/abort?X-Sig=MARKER" , "z":[ ]}'

# server [ANSWER...]: sign answers one after another; abort works
server () {
	a=$(for x; do printf '%s' "$x"; done | jq -sc .)
	peer "[{\"method\":\"POST\",\"path\":\"*/blob/sign\",\"answers\":$a},
	    {\"method\":\"DELETE\",\"path\":\"/abort*\",
	    \"answers\":[{\"status\":204}]}]"
	sandbox
}

sandbox () {
	file sandbox.json "{\"id\":\"sbx-1\",\"proxyUrl\":\"$URL\",
	    \"routingHint\":\"node-7\"}"
}

body () {
	jq -cn --arg b "$1" --argjson s "${2:-200}" '{body: $b, status: $s}'
}

status () {
	jq -cn --argjson s "$1" '{status: $s, json: {error: "no such thing"}}'
}

sign () {
	tl-sign -s sandbox.json "$@"
}

requests () {
	seen 'map(.method + " " + .target)[]'
}

aborts () {
	seen 'map(select(.method == "DELETE")) | length'
}

asked () {
	seen 'map(select(.method == "POST").body | fromjson |
	    .op.kind + ":" + (.rel_path // .uri // .target.rel_path //
	    .target.uri))[]'
}

block=$(body "$odd")
plain=$(body '{"uri":"s3://b/x","abortUrl":"@URL@/abort?X-Sig=MARKER"}')
get=$(body ' {"kind":"single_get","n":1.10}
')

server "$(body "
 $odd	
")"
given "$base"
try 'an upload' sign
exits 0
silent err
gives "{\"upload\":$(printf %s "$odd" | sed "s|@URL@|$URL|")}"
is 'one request' "$(requests)" 'POST /api/v1/blob/sign'
is 'the seed dialect, byte for byte' "$(seen '.[].body')" \
'{"rel_path":"projects/p/sandbox-template-builds/b-1/s.tlsnap","op":{"kind":"multipart_put","parts":160,"part_size_bytes":67108864}}'
headers='map(.headers | map({(.[0] | ascii_downcase): .[1]}) | add)'
is 'to the sandbox, with the key' "$(seen "$headers"' | .[0] |
    [.host, ."x-tensorlake-sandbox-id", ."x-tensorlake-route-hint",
    .authorization, ."content-type"] | join(" ")')" \
    'sbx-1.local sbx-1 node-7 Bearer key-MARKER application/json'

given "$base"
try 'the sandbox by variable' env TL_SANDBOX=sandbox.json tl-sign
exits 0

# The other dialect.
for code in 400 404 405 415 422; do
	server "$(status $code)" "$plain" "$get"
	given "$diff"
	try "auto, $code" sign
	exits 0
	is "auto, $code: the other one, once, and kept" "$(asked)" \
'multipart_put:r
put_artifact:r
get_blob:s3://b/par'
done
is 'the merged dialect, byte for byte' "$(seen '.[1:][].body')" \
'{"target":{"kind":"artifact","rel_path":"r"},"op":{"kind":"put_artifact","multipart_hint":{"max_parts":2,"part_size_bytes":67108864}}}
{"target":{"kind":"blob","uri":"s3://b/par"},"op":{"kind":"get_blob"}}'
for code in 401:77 403:77 409:69 410:69 413:69 500:69; do
	server "$(status "${code%:*}")" "$plain"
	given "$base"
	try "auto, $code" sign
	exits "${code#*:}"
	says "sign upload: refused (${code%:*}): {\"error\": \"no such thing\"}"
	silent out
	is "auto, $code: asked once" "$(seen length)" 1
done
server "$(status 400)" "$(status 422)" "$plain"
given "$base"
try 'neither dialect' sign
exits 69
says 'seed dialect: refused (400)'
says 'merged dialect: refused (422)'
silent out
server "$(status 400)" "$plain"
given "$base"
try 'the seed dialect pinned' sign --dialect seed
exits 69
says 'sign upload: refused (400)'
is 'the seed dialect pinned: asked once' "$(seen length)" 1
server "$plain"
given "$base"
try 'the merged dialect pinned' env TL_SIGN_DIALECT=merged \
    tl-sign -s sandbox.json
exits 0
is 'the merged dialect pinned' "$(seen '.[0].body | fromjson | .op.kind')" \
    put_artifact
server "$plain" "$(status 400)"
given "$diff"
try 'a choice once made stands' sign
exits 69
is 'a choice once made stands' "$(asked)" 'multipart_put:r
single_get:s3://b/par'

# What is signed, in order.
server "$plain" "$get"
given "$diff"
try 'a parent' sign
exits 0
gives "{\"upload\":{\"uri\":\"s3://b/x\",\"abortUrl\":\"$URL/abort?X-Sig=MARKER\"},\"parentDownload\":{\"kind\":\"single_get\",\"n\":1.10}}"
is 'a parent: its size counts' "$(seen '.[0].body | fromjson | .op.parts')" 2
server "$plain" "$get" "$(body '"any value"')"
given "$local"
try 'local images' sign
exits 0
gives "{\"upload\":{\"uri\":\"s3://b/x\",\"abortUrl\":\"$URL/abort?X-Sig=MARKER\"},\"localImageDownloads\":[{\"kind\":\"single_get\",\"n\":1.10},null,null,null,null,null,\"any value\"]}"
is 'local images: those that need it' "$(asked)" 'multipart_put:r
single_get:gs://b/one
single_get:s3://b/seven'
server "$plain"
given "{$head,\"snapshotRelPath\":\"r\",\"additionalLocalImages\":[{},{}]}"
try 'local images, none to sign' sign
gives "{\"upload\":{\"uri\":\"s3://b/x\",\"abortUrl\":\"$URL/abort?X-Sig=MARKER\"}}"
server "$plain"
given "{$head,\"snapshotRelPath\":\"\"}"
try 'an empty rel path is the new path' sign
exits 0
is 'an empty rel path' "$(seen '.[0].body | fromjson | .rel_path')" ''

# The legacy path signs nothing, and asks nobody.
for doc in "{$head}" "{$head,\"snapshotRelPath\":null,\"upload\":{\"a\":1}}" \
    "{$head,\"parent\":{\"parentManifestUri\":\"s3://p\"}}"; do
	given "$doc"
	try 'the legacy path' env -u TENSORLAKE_API_KEY tl-sign -s missing.json
	exits 0
	silent err
	gives '{}'
done
is 'the legacy path: no request' "$(seen length)" 1

# The number of parts.
for disk in 0:1 1:1 64:1 65:2 10240:160 639999:10000 640000:10000; do
	server "$plain"
	given "$base"
	try "${disk%:*} MB" sign --disk-mb "${disk%:*}"
	silent err
	is "${disk%:*} MB: ${disk#*:} parts" \
	    "$(seen '.[0].body | fromjson | .op.parts')" "${disk#*:}"
done
server "$plain"
given "$base"
try 'a disk too large for its parts' sign --disk-mb 640001
exits 0
says 'warning: 10000 parts of 64 MB hold less than a disk of 640001 MB'
is 'a disk too large: 10000 parts' \
    "$(seen '.[0].body | fromjson | .op.parts')" 10000
nosize="{$head,\"snapshotRelPath\":\"r\",\"parent\":{\"parentManifestUri\":\"u\"}}"
given "$nosize"
try 'a parent without a size' sign
exits 65
says 'rootfsDiskBytes'
silent out
is 'a parent without a size: not asked' "$(seen length)" 1
given "$nosize"
try 'unless the size is given' sign --disk-mb 1
exits 0
try 'a size over 2^64' sign --disk-mb 17592186044416
exits 64

# Busy servers.
busy () {
	jq -cn --argjson s "$1" --arg r "$2" \
	    '{status: $s, headers: {"Retry-After": $r}}'
}
server '{"status":503}' '{"status":502}' '{"status":504}' '{"status":429}' \
    "$plain"
given "$base"
try 'four times busy' sign -v
exits 0
says 'answered 503; again in 1 s'
says 'answered 502; again in 2 s'
says 'answered 504; again in 4 s'
says 'answered 429; again in 8 s'
is 'four times busy: five requests' "$(seen length)" 5
is 'a fresh trace on each' \
    "$(seen "$headers"' | map(.traceparent) | unique | length')" 5
server '{"status":503}'
given "$base"
try 'always busy' sign
exits 75
says 'sign upload: refused (503)'
silent out
is 'always busy: five requests' "$(seen length)" 5
server "$(busy 429 7)" "$(busy 503 600)" "$plain"
given "$base"
try 'Retry-After' sign -v
exits 0
says 'answered 429; again in 7 s'
says 'answered 503; again in 60 s'
server '{"status":400,"json":{"error":"sandbox not running"}}' "$plain"
given "$base"
try 'a sandbox not yet running' sign
exits 0
is 'a sandbox not yet running: the same again' \
    "$(seen 'map(.body) | unique | length')" 1
server '{"status":500,"json":{"code":"PROXY_ERROR"}}' "$plain"
given "$base"
try 'a proxy in trouble' sign
exits 0
server '{"drop":true}' '{"drop":"rst"}' "$plain"
given "$base"
try 'hang-ups' sign
exits 0
server "$(body "$odd" | jq -c '.cut = 40')" "$plain"
given "$base"
try 'a cut answer' sign
exits 0
is 'a cut answer: asked again' "$(seen length)" 2
file sandbox.json '{"id":"s","proxyUrl":"http://127.0.0.1:1"}'
given "$base"
try 'nobody listens' sign -v
exits 75
says 'again in 8 s'
silent out

# Answers that cannot be used.  An upload that is known is aborted.
useless () {
	server "$3"
	given "$base"
	try "$1" sign ${5:+--dialect "$5"}
	exits 76
	says "$4"
	silent out
	is "$1: aborted" "$(aborts)" "$2"
}
abort='"abortUrl":"@URL@/abort?X-Sig=MARKER"'
useless 'empty' 0 '{}' 'sign upload: the answer is empty' ''
useless '204' 0 '{"status":204}' 'the answer is empty' ''
useless 'HTML' 0 '{"body":"<html><h1>Hi"}' 'the answer is not JSON' ''
useless 'gzip' 0 '{"base64":"H4sIAAAAAAAAA6uuBQBDv6ajAgAAAA==",
    "headers":{"Content-Encoding":"gzip"}}' 'the answer is not JSON' ''
useless 'two values' 0 "$(body '{"uri":"x"} {}')" 'not JSON' ''
useless 'a lone surrogate' 0 "$(body '{"uri":"\ud800"}')" 'not JSON' ''
useless 'null' 0 "$(body null)" 'the answer is null' ''
useless 'no uri, merged' 1 "$(body "{$abort}")" 'has no uri' merged
useless 'uri a number' 1 "$(body "{\"uri\":1,$abort}")" 'not a string' ''
useless 'uri empty' 1 "$(body "{\"uri\":\"\",$abort}")" 'is empty' ''
useless 'uri null' 1 "$(body "{\"uri\":null,$abort}")" 'not a string' ''
useless 'uri twice' 1 "$(body "{\"uri\":\"a\",\"\\u0075ri\":\"b\",$abort}")" \
    'uri' ''
useless 'an array, merged' 0 "$(body '["uri"]')" 'is not an object' merged
useless 'an array, seed' 1 "$(body "[{$abort}]")" 'is not an object' ''
useless 'a string' 0 "$(body '"uri"')" 'is not an object' ''
# nested DEPTH: a block that has so many levels, its own included
nested () {
	printf '{"uri":"s3://b/x",%s,"x":%s%s}' "$abort" \
	    "$(printf '%*s' "$(($1 - 1))" '' | tr ' ' '[')" \
	    "$(printf '%*s' "$(($1 - 1))" '' | tr ' ' ']')"
}
useless 'a level too deep for a spec' 1 "$(body "$(nested 127)")" \
    'nested too deep for a spec' ''
useless 'too deep for any reader' 1 "$(body "$(nested 300)")" 'not JSON' ''
useless 'cut, but legible' 1 "$(body "{$abort,\"x\":")" 'not JSON' ''
useless 'abortUrl escaped' 1 "$(body '{"x":[1,{"abortUrl" : "@URL@\/abort?X-Sig=MARKER"}')" \
    'not JSON' ''
useless 'abortUrl no string' 0 "$(body '{"abortUrl":[],"uri":}')" 'not JSON' ''
useless 'two values, legible' 1 "$(body "{$abort} {}")" 'not JSON' ''
server "$(body "$(nested 126)")"
given "$base"
try 'as deep as a spec takes' sign
exits 0
silent err
cp out deep.json
printf '%s' "$base" >deep.prepared
ok 'and the spec takes it' tl-splice deep.prepared deep.json
server "$(body '{"uploadId":"u"}')"
given "$base"
try 'no uri, seed' sign
exits 0
gives '{"upload":{"uploadId":"u"}}'
says 'warning: sign upload: the block has no uri and the prepared answer has no'
is 'no uri, seed: one line' "$(wc -l <err)" 1
server "$(body '{"uploadId":"u"}')"
printf '%s' "$base" | jq -c '.snapshotUri = "s3://b/k"' >in
try 'one that the prepared answer knows' sign
exits 0
silent err
head -c 67108865 /dev/zero | tr '\0' ' ' >huge
useless 'huge' 0 '{"file":"huge"}' 'more than the allowed size' ''
rm huge

# A later step that fails gives the upload back.
later_fails () {
	server "$plain" "$3"
	given "$diff"
	try "$1" sign
	exits "$2"
	silent out
	says 'sign parent'
	is "$1: the upload is aborted" "$(aborts)" 1
	ok "$1: no secret" sh -c '! grep MARKER err'
}
later_fails 'the parent is refused' 77 "$(status 403)"
later_fails 'the parent is busy' 75 '{"status":503}'
later_fails 'the parent is no JSON' 76 "$(body nope)"
later_fails 'the parent is an error' 76 '{"json":{"error":"no such object"}}'
later_fails 'the parent is null' 76 "$(body null)"
later_fails 'the parent is no object' 76 "$(body '"x"')"
is 'without a token' "$(seen "$headers"' | .[-1] | has("authorization")')" false
is 'by its URL' "$(seen '.[-1].target')" '/abort?X-Sig=MARKER'
server "$plain" "$get" "$(status 404)"
given "$local"
try 'a local image is refused' sign
exits 69
says 'sign local image 6: '
is 'a local image is refused: aborted' "$(aborts)" 1
server "$plain"
given "$base"
try 'a full disk' sh -c 'tl-sign -s sandbox.json >/dev/full'
exits 74
says 'stdout'
is 'a full disk: aborted' "$(aborts)" 1
server "$plain"
given "$base"
try 'no stdout' sh -c 'tl-sign -s sandbox.json >&-'
exits 74
is 'no stdout: aborted' "$(aborts)" 1
server "$plain"
given "$base"
try 'no reader' sh -c '{ sleep 1; tl-sign -s sandbox.json; echo $? >status; } | :'
is 'no reader: not killed' "$(cat status)" 74
is 'no reader: aborted' "$(aborts)" 1

# So does a signal.
file kill.py '
import signal, subprocess, sys, time
# A background job of a shell ignores SIGINT.
signal.signal(signal.SIGINT, signal.SIG_DFL)
p = subprocess.Popen(["tl-sign", "-s", "sandbox.json"],
    stdin=open("in"), stdout=open("out", "w"), stderr=open("err", "w"))
for i in range(500):
    if len(open("log").readlines()) == int(sys.argv[2]):
        break
    time.sleep(0.02)
p.send_signal(getattr(signal, "SIG" + sys.argv[1]))
sys.exit(p.wait(20))'
# signalled SIGNAL AFTER: sent when that many requests have come
signalled () {
	name="$1 after $2"
	printf '%s' "$diff" >in
	python3 kill.py "$1" "$2"
	status=$?
	: >in
}
for sig in INT:130 TERM:143 HUP:129; do
	server "$plain" '{"hang":true}'
	signalled "${sig%:*}" 2
	exits "${sig#*:}"
	says 'stopped by a signal'
	silent out
	is "SIG${sig%:*}: aborted" "$(aborts)" 1
done
server "$(printf %s "$plain" | jq -c '.delay = 1')" "$get"
signalled TERM 1
exits 143
silent out
is 'a signal before the answer: aborted' "$(requests)" \
'POST /api/v1/blob/sign
DELETE /abort?X-Sig=MARKER'
server '{"status":503}'
TL_RETRY_SECOND_MS=1000
signalled TERM 1
TL_RETRY_SECOND_MS=1
exits 143
is 'a signal ends a wait' "$(seen length)" 1

# Secrets.
server "$(status 400)" '{"status":503}' "$block" "$(status 403)"
given "$diff"
try 'all that -v says' sign -v
exits 77
says 'sign upload: asking in the merged dialect'
says 'upload: aborted'
ok 'all that -v says: no secret' sh -c '! grep MARKER err'
peer "[{\"path\":\"*\",\"answers\":[$plain]}]"
other=$URL
mv log log.other
later "kill $peer_pid 2>/dev/null"
peer_pid=
mkdir second
cd second || exit 1
peer "[{\"path\":\"*\",\"answers\":[{\"status\":307,\"headers\":{
    \"Location\":\"http://localhost:${other##*:}/else\"}}]}]"
sandbox
given "$base"
try 'a redirect to another server' sign
exits 76
cd .. || exit 1
is 'another server gets neither token nor request' \
    "$(jq -rs length log.other)" 0
rm -f log

# Input.
bad () {
	given "$2"
	try "$1" sign
	exits 65
	says "$3"
	silent out
}
bad 'empty' '' 'stdin: empty, expected a prepared answer'
bad 'no JSON' 'x' 'stdin: '
bad 'an old shape' "{$head,\"snapshotRelPath\":1}" 'stdin: snapshotRelPath: '
bad 'a rel path twice' \
    "{$head,\"snapshotRelPath\":\"a\",\"snapshotRelPath\":\"b\"}" \
    'snapshotRelPath'
bad 'a local image with two URIs' "{$head,\"snapshotRelPath\":\"r\",
\"additionalLocalImages\":[{},{\"snapshotUri\":\"a\",\"snapshotUri\":\"b\"}]}" \
    'additionalLocalImages[1]'
given "$base"
try 'no sandbox' tl-sign
exits 64
says 'TL_SANDBOX'
given "$base"
try 'no sandbox file' tl-sign -s missing.json
exits 66
says 'missing.json'
given "$base"
try 'no credential' env -u TENSORLAKE_API_KEY tl-sign -s sandbox.json
exits 78
try 'a dialect that is none' sign -d latin
exits 64
says '--dialect: must be auto, seed or merged'
try 'nor by variable' env TL_SIGN_DIALECT=latin tl-sign -s sandbox.json
exits 78
says 'TL_SIGN_DIALECT: '
try 'an unknown option' tl-sign --nope
exits 64
says 'usage: tl-sign'
try 'an operand' tl-sign x
exits 64
try 'help' tl-sign --help
exits 0
holds 'usage: tl-sign'
silent err
lists tl-sign.1
