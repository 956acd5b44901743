#!/bin/sh
# tl-put and tl-get: files into the sandbox and out of it

# A pipe is not the same as a file here.
# shellcheck disable=SC2002

. "${0%/*}/lib.sh"

TENSORLAKE_API_KEY=key-MARKER
TL_RETRY_SECOND_MS=20
TENSORLAKE_API_URL=http://127.0.0.1:9
TL_SANDBOX=box.json
export TENSORLAKE_API_KEY TENSORLAKE_API_URL TL_RETRY_SECOND_MS TL_SANDBOX

# served METHOD ANSWER[,ANSWER...]
served () {
	peer "[{\"method\":\"$1\",\"path\":\"/api/v1/files?path=*\",
	\"answers\":[$2]}]"
	printf '{"id":"sbx-1","proxyUrl":"%s"}' "$URL" >box.json
}

sent () {
	seen ".[-1]|\"\(.length) \(.chunked) \(.body // \"binary\" | .[0:20])\""
}

# --- put

served PUT '{"status":204}'
given 'hello'
try 'a file' tl-put '/var/a b/ü~*-._+%&=.json'
exits 0
silent out
silent err
is 'its target, form-encoded' "$(seen '.[].target')" \
    '/api/v1/files?path=%2Fvar%2Fa+b%2F%C3%BC%7E*-._%2B%25%26%3D.json'
is 'its body' "$(sent)" '5 false hello'
is 'its headers: a length, no type' \
    "$(seen '.[0].headers|map(.[0]+": "+.[1])|sort|.[]' |
    sed 's/[0-9a-f]\{32\}/HEX32/g; s/-[0-9a-f]\{16\}-/-HEX16-/
	s,tl/[0-9.]*,tl/V,')" 'Accept: */*
Authorization: Bearer key-MARKER
Content-Length: 5
Host: sbx-1.local
User-Agent: tl/V
X-Tensorlake-Sandbox-Id: sbx-1
traceparent: 00-HEX32-HEX16-01'

served PUT '{"status":204}'
printf 'from a pipe' | tl-put /x 2>err
is 'a short pipe has a length' "$? $(sent)" '0 11 false from a pipe'
served PUT '{"status":204}'
printf 'skipped rest' >in
{ head -c 0 && dd bs=1 count=8 of=/dev/null 2>/dev/null && tl-put /x; } <in
is 'a file is sent from where it stands' "$? $(sent)" '0 4 false rest'
head -c 9000000 /dev/urandom >big
served PUT '{"status":503},{"status":204}'
{ dd bs=1 count=8 of=/dev/null 2>/dev/null && tl-put /x; } <in
is 'and from there again' "$? $(sent)" '0 4 false rest'
served PUT '{"status":204}'
cat big | tl-put /x 2>err
is 'a long pipe goes in chunks' "$? $(sent)" '0 9000000 true binary'
is 'all of it' "$(jq -r .body_base64 log | base64 -d | cksum)" "$(cksum <big)"
served PUT '{"status":204}'
tl-put /x <big 2>err
is 'a long file has a length' "$? $(sent)" '0 9000000 false binary'
is 'all of it' "$(jq -r .body_base64 log | base64 -d | cksum)" "$(cksum <big)"
head -c 8388608 big >edge
served PUT '{"status":204}'
cat edge | tl-put /x 2>err
is 'a pipe of just what is held' "$? $(sent)" '0 8388608 true binary'
is 'all of it' "$(jq -r .body_base64 log | base64 -d | cksum)" "$(cksum <edge)"

served PUT '{"status":204}'
given ''
try 'an empty stdin is a stage that failed' tl-put /x
exits 65
says 'stdin: empty'
is 'nothing is sent' "$(seen length)" 0
true | tl-put /x 2>err
is 'so is an empty pipe' "$? $(seen length)" '65 0'
try 'unless it is meant' tl-put --allow-empty /x
exits 0
is 'an empty body' "$(sent)" '0 false '
is 'its length is told' "$(seen '.[0].headers[]|
    select(.[0]=="Content-Length")[1]')" 0

served PUT '{"status":503},{"drop":true},{"status":502},{"status":204}'
given 'text'
try 'a busy server' tl-put /x
exits 0
is 'the file is sent whole each time' "$(seen 'map(.body)|unique|.[]')" text
served PUT '{"status":503},{"status":204}'
cat big | tl-put /x 2>err
is 'what is gone cannot be sent again' "$? $(seen length)" '75 1'

refused () {
	served PUT "$2"
	given 'hello'
	try "put: $1" tl-put /x/y
	exits "$3"
	says "$4"
}
refused 'forbidden' '{"status":403,"json":{"code":"PATH_TRAVERSAL"}}' 77 \
    PATH_TRAVERSAL
refused 'a folder' '{"status":400,"json":{"code":"IS_DIRECTORY"}}' 69 \
    '/x/y: refused (400)'
refused 'no such sandbox' '{"status":404,"json":{"code":"SANDBOX_NOT_FOUND"}}' \
    69 SANDBOX_NOT_FOUND
refused 'no length, no service' '{"status":411}' 69 'refused (411)'
refused 'a page' '{"body":"<p>","headers":{"Content-Type":"text/html"}}' 76 \
    '/x/y: the answer is a page of HTML (200)'
refused 'an error under a 200' '{"json":{"error":"no room"}}' 76 \
    '/x/y: an error under the status 200: no room'
refused 'never' '{"status":503,"body":"x"}' 75 'refused (503)'
is 'put: never: tried five times' "$(seen length)" 5

# How far it is: what is known, once a second, in the form that tl-guard knows.
served PUT '{"status":204}'
given 'hello'
try 'progress: a file' tl-put -p /x
exits 0
silent out
is 'progress: a file: when it is there' "$(cat err)" 'tl-put: 5 / 5 bytes'
{ cat big; sleep 1.2; echo more; sleep 1.2; echo more; } |
    tl-put --progress /x 2>err
is 'progress: a long pipe' "$? $(sort -u err | sed 's/^tl-put: //' |
    grep -Ev '^[0-9]+ bytes$')" '0 9000010 / 9000010 bytes'
is 'progress: a long pipe: while it is made' \
    "$(($(grep -c '^tl-put: [0-9]* bytes$' err) >= 2))" 1
served PUT '{"status":503},{"status":204}'
try 'progress: a second try' sh -c 'tl-put -p /x <big'
exits 0
is 'progress: a second try: all of it once' \
    "$(grep -c 'tl-put: 9000000 / 9000000 bytes' err)" 1
served PUT '{"status":403}'
given 'hello'
try 'progress: refused' tl-put -p /x
exits 77
is 'progress: refused: nothing is there' "$(grep -c bytes err)" 0
lists tl-put.1
rm statuses

# --- get

served GET '{"body":"the file\n"}'
try 'get' tl-get '/a b'
exits 0
gives 'the file'
silent err
is 'get: the request' "$(seen '.[]|.method,.target')" 'GET
/api/v1/files?path=%2Fa+b'
served GET '{"body":"<p>","headers":{"Content-Type":"Text/HTML"}}'
try 'a page' tl-get /x
exits 76
says '/x: the answer is a page of HTML (200)'
silent out
served GET '{"body":""}'
try 'an empty file' tl-get /x
exits 0
silent out
served GET '{"file":"big"}'
try 'a long file' tl-get /x
exits 0
is 'a long file: all of it' "$(cksum <out)" "$(cksum <big)"
served GET '{"pieces":["a",{"pause":0.05},"b\n"]}'
try 'in chunks' tl-get /x
gives ab
served GET '{"status":502},{"drop":true},{"body":"01234","cut":2},
{"pieces":["01"],"cut":0},{"body":"whole\n"}'
try 'what goes wrong is done again' tl-get /x
exits 0
gives whole
served GET '{"body":"0123456789","cut":4}'
try 'cut each time' tl-get /x
exits 75
silent out
served GET '{"file":"big","cut":8999999},{"file":"big"}'
try 'a long file, cut' tl-get /x
exits 75
mv out part
is 'it is not begun anew' "$(seen length)" 1
ok 'what came is there' cmp -s -n 8388608 part big

served GET '{"status":404,"json":{"error":"not found","code":"NOT_FOUND"}}'
try 'no such file' tl-get /x/metadata.json
exits 69
says '/x/metadata.json: no such file in the sandbox'
silent out
served GET '{"status":404,"json":{"code":"SANDBOX_NOT_FOUND"}}'
try 'no such sandbox' tl-get /x
exits 69
says SANDBOX_NOT_FOUND
served GET '{"status":400,"json":{"code":"IS_DIRECTORY"}}'
try 'a folder' tl-get /x
exits 69
says IS_DIRECTORY
served GET '{"status":401}'
try 'not with this key' tl-get /x
exits 77

served GET '{"body":"new\n"}'
echo old >target
try 'to a file' tl-get -o target /x
exits 0
silent out
is 'to a file: it' "$(cat target)" new
served GET '{"file":"big","cut":8999999}'
try 'to a file, cut' tl-get -o target /x
exits 75
is 'the file is what it was, nothing beside it' \
    "$(cat target) $(echo target*)" 'new target'
served GET '{"status":404}'
try 'to a file, missing' tl-get --output target /x
exits 69
is 'the file is what it was' "$(cat target) $(echo target*)" 'new target'
try 'to a folder that is not there' tl-get -o no/such /x
exits 73
served GET '{"pieces":["x",{"pause":5},"y"]}'
python3 - >got 2>err <<'END'
import signal, subprocess, time
p = subprocess.Popen(["tl-get", "-o", "target", "/x"])
time.sleep(0.5)
p.send_signal(signal.SIGTERM)
print(p.wait())
END
is 'interrupted' "$(cat got) $(cat target) $(echo target*)" '143 new target'

served GET '{"file":"big"}'
tl-get /x >/dev/full 2>err
is 'a full disk' "$?" 74
tl-get /x 2>err | head -c 1 >/dev/null
served GET '{"body":"x"}'
tl-get /x >&- 2>err
is 'a closed stdout' "$?" 74

# --- usage

for program in tl-put tl-get; do
	try "$program: no path" $program
	exits 64
	try "$program: two paths" $program /a /b
	exits 64
	given x
	try "$program: a relative path" $program a/b
	exits 64
	says 'not an absolute path'
	given x
	try "$program: no such document" $program -s missing.json /x
	exits 66
	file box.json 'nonsense'
	given x
	try "$program: no document" $program /x
	exits 65
	says box.json
	file box.json '{"id":"sbx-1","proxyUrl":"http://proxy.example"}'
	given x
	try "$program: a token over plain http" $program /x
	exits 78
	says --insecure-http
done
is 'no secret in any message' "$(cat ./*err | grep -c MARKER)" 0
lists tl-get.1
