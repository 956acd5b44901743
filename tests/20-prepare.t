#!/bin/sh
# tl-prepare: look the plan's references up, prepare, pass the answer on

. "${0%/*}/lib.sh"

TENSORLAKE_API_KEY=key-MARKER
TL_RETRY_SECOND_MS=1
export TENSORLAKE_API_KEY TENSORLAKE_API_URL TL_RETRY_SECOND_MS

plan='{"name":"web","public":true,"dockerfile":"FROM ubuntu:24.04\nRUN \u0041\n",
"baseImage":"ubuntu:24.04","references":[
{"reference":"ubuntu:24.04","line":1,"role":"base"},
{"reference":"team/tools:1~é","line":2,"role":"additional"},
{"reference":"gone:1","line":3,"role":"additional"}],
"ignored":[],"unresolvable":[]}'
import='{"name":"i","public":false,"dockerfile":"FROM r\n","baseImage":"r",
"references":[],"ignored":[],"unresolvable":[],"importImageReference":"r"}'
# Odd on purpose: all of it must come out as it went in.
answer='{ "buildId" : "b-1", "snapshotId":"s-1","n":12345678901234567890,
"n":1.0, "u":"\u0041\/", "rootfsNodeKind":"diff", "builder":{"image":"i",
"command":"c","cpus":2,"memoryMb":4096,"diskMb":1,"e":1e400},"z":[ ] }'

rule () {
	jq -cn --arg m "$1" --arg p "$2" --argjson a "$3" \
	    '{method: $m, path: $p, answers: [$a]}'
}

body () {
	jq -cn --arg b "$1" --argjson s "${2:-200}" '{body: $b, status: $s}'
}

base_t='{"json":{"id":"t-1","name":"Ubuntu","snapshotId":"sn-1","public":true,
"snapshotFormatVersion":"durable_archive_v1","rootfsNodeKind":"diff"}}'
tools_t='{"json":{"id":"t-2","name":"tools","snapshotId":"sn-2","public":null}}'

# script PREPARE-ANSWER [BASE-TEMPLATE]: the usual server
script () {
	peer "[$(rule GET '*/by-name/ubuntu*' "${2:-$base_t}"),
	$(rule GET '*/by-name/team*' "$tools_t"),
	$(rule POST '*/sandbox-template-builds' "$1")]"
	TENSORLAKE_API_URL=$URL
}

script "$(body "$answer
")"
given "$plan"
try 'prepares' tl-prepare
exits 0
silent err
gives "$answer"
is 'asks in order, each once, escaped' "$(seen 'map(.method + " " + .target)[]')" \
"GET /platform/v1/sandbox-templates/by-name/ubuntu%3A24.04
GET /platform/v1/sandbox-templates/by-name/team%2Ftools%3A1~%C3%A9
GET /platform/v1/sandbox-templates/by-name/gone%3A1
POST /platform/v1/sandbox-template-builds"
is 'all seven members, byte for byte' "$(seen '.[3].body')" \
'{"name":"web","dockerfile":"FROM ubuntu:24.04\nRUN A\n","baseImage":"ubuntu:24.04","public":true,"rootfsNodeKind":"diff","parentTemplate":{"templateId":"t-1","name":"Ubuntu","reference":"ubuntu:24.04","snapshotId":"sn-1","public":true},"additionalLocalImages":[{"templateId":"t-2","name":"tools","reference":"team/tools:1~é","snapshotId":"sn-2","public":false}]}'
headers='map(.headers | map({(.[0] | ascii_downcase): .[1]}) | add)'
is 'the key on each' "$(seen "$headers"' | map(.authorization) | unique[]')" \
    'Bearer key-MARKER'
is 'JSON is what a lookup wants' "$(seen "$headers"' | .[0].accept')" \
    'application/json'
is 'no scope with a key' \
    "$(seen "$headers"' | map(select(has("x-forwarded-project-id"))) | length')" 0
is 'a fresh trace on each' \
    "$(seen "$headers"' | map(.traceparent) | unique | length')" 4
is 'an idempotency key on prepare alone' \
    "$(seen "$headers"' | map(has("idempotency-key")) | tojson')" \
    '[false,false,false,true]'

given "$plan"
try 'a key of ours' tl-prepare -k my-key.1
is 'a given idempotency key' "$(seen "$headers"' | .[-1]["idempotency-key"]')" \
    'my-key.1'

# What is no template leaves a base build, with null and [].
peer "[$(rule POST '*/sandbox-template-builds' "$(body "$answer")")]"
TENSORLAKE_API_URL=$URL
given "$plan"
try 'no template anywhere' tl-prepare
exits 0
is 'a base build' "$(seen '.[3].body | fromjson |
    [.rootfsNodeKind, .parentTemplate, .additionalLocalImages] | tojson')" \
    '["base",null,[]]'
given "$import"
try 'import' tl-prepare
exits 0
is 'an import looks nothing up' "$(seen '.[4:] | map(.method)[]')" POST

script "$(body "$answer")"
given "$(printf %s "$plan" | jq -c '.references += [.references[1]]')"
try 'a reference twice' tl-prepare
exits 0
is 'a reference twice is asked once' \
    "$(seen 'map(select(.target | test("team"))) | length')" 1

# Scope.
script "$(body "$answer")"
given "$plan"
try 'a PAT' env -u TENSORLAKE_API_KEY TENSORLAKE_PAT=pat-MARKER \
    TENSORLAKE_ORGANIZATION_ID=o-1 TENSORLAKE_PROJECT_ID=p-1 tl-prepare
exits 0
is 'has the long prefix' "$(seen '.[3].target')" \
    '/platform/v1/organizations/o-1/projects/p-1/sandbox-template-builds'
is 'and tells the scope' "$(seen "$headers"' |
    map(.["x-forwarded-organization-id"] + .["x-forwarded-project-id"]) |
    unique[]')" 'o-1p-1'
script "$(body "$answer")"
given "$plan"
try 'a key and both ids' env TENSORLAKE_ORGANIZATION_ID=o-1 \
    TENSORLAKE_PROJECT_ID=p-1 tl-prepare
is 'has the long prefix too' "$(seen '.[0].target')" \
    '/platform/v1/organizations/o-1/projects/p-1/sandbox-templates/by-name/ubuntu%3A24.04'
is 'and no scope headers' "$(seen "$headers"' |
    map(select(has("x-forwarded-project-id"))) | length')" 0

# Templates that end the build.
refused () {
	script "$(body "$answer")" "$3"
	given "$plan"
	try "$1" tl-prepare
	exits "$2"
	says "$4"
	silent out
	is "$1: nothing prepared" "$(seen 'map(select(.method == "POST")) |
	    length')" 0
}
refused 'lookup 403' 77 '{"status":403,"json":{"error":"no"}}' \
    'ubuntu:24.04: template lookup: refused (403)'
refused 'lookup 500' 69 '{"status":500}' 'refused (500)'
refused 'no id' 76 '{"json":{"name":"n","snapshotId":"s"}}' \
    'ubuntu:24.04: id: missing'
refused 'no name' 76 '{"json":{"id":"n","snapshotId":"s"}}' 'name: missing'
refused 'no snapshot' 76 '{"json":{"id":"n","name":"s"}}' \
    'snapshotId: missing'
refused 'public of another type' 76 \
    '{"json":{"id":"n","name":"s","snapshotId":"x","public":"yes"}}' 'public: '
refused 'an HTML page' 76 '{"body":"<html>"}' 'ubuntu:24.04: '
refused 'an empty answer' 76 '{}' 'the answer is empty'
refused 'content-addressed' 65 '{"json":{"id":"n","name":"s","snapshotId":"x",
    "snapshotFormatVersion":"content_addressed_streaming_v1"}}' \
    'ubuntu:24.04: is a CAS image'

# A busy lookup is asked again, as long as it says.
peer "[{\"method\":\"GET\",\"path\":\"*ubuntu*\",\"answers\":[
{\"status\":503},{\"status\":429,\"headers\":{\"Retry-After\":\"7\"}},
{\"status\":404}]},$(rule POST '*' "$(body "$answer")")]"
TENSORLAKE_API_URL=$URL
given "$plan"
try 'a busy lookup' tl-prepare -v
exits 0
says 'answered 503; again in 1 s'
says 'answered 429; again in 7 s'
ok 'no key in what -v says' sh -c '! grep MARKER err'

# Prepare's answers.
answers () {
	script "$3"
	given "$plan"
	try "$1" tl-prepare
	exits "$2"
	says "$4"
	silent out
	is "$1: asked ${5:-once}" "$(seen 'map(select(.method == "POST")) |
	    length')" "${6:-1}"
}
answers '401' 77 '{"status":401}' 'prepare: refused (401)'
answers '409 with words' 69 \
    '{"status":409,"json":{"error":"name \u001b[31m taken"}}' 'taken'
answers '422 with a newline' 69 '{"status":422,"body":"no good\n"}' \
    'prepare: refused (422): no good'
is 'a newline is not shown' "$(grep -c 'good?' err)" 0
answers '503' 75 '{"status":503,"headers":{"Retry-After":"1"}}' \
    'refused (503)' 'five times' 5
answers '504' 75 '{"status":504}' 'refused (504)' 'five times' 5
answers 'HTML' 76 '{"body":"<html>hi"}' "the server's answer"
answers 'an empty 200' 76 '{}' "the server's answer: empty"
answers 'a 204' 76 '{"status":204}' "the server's answer: empty"
answers 'an array' 76 '{"json":[]}' 'not a JSON object'
answers 'no buildId' 76 '{"json":{"snapshotId":"s"}}' 'buildId: missing'
answers 'a builder command that is none' 76 \
    "$(body "$(printf %s "$answer" | sed "s/\"c\"/\"'c\"/")")" \
    'builder.command'
answers 'text behind it' 76 "$(body "$answer x")" "the server's answer"
answers 'gzip' 76 '{"base64":"H4sIAAAAAAAAA6uuBQBDv6ajAgAAAA==",
    "headers":{"Content-Encoding":"gzip"}}' "the server's answer"
answers 'cut' 75 "$(body "$answer" | jq -c '.cut = 40')" 'prepare' \
    'five times' 5
answers 'a hang-up' 75 '{"drop":true}' 'POST ' 'five times' 5
answers 'no HTTP' 76 '{"raw":"SSH-2.0-x\r\n"}' 'POST '
answers 'a 3xx without Location' 76 '{"status":302}' 'refused (302)'
script "$(body "$answer" 202)"
given "$plan"
try '202 will do' tl-prepare
exits 0

# A lost answer is asked for again: the same bytes under the same key.
# lost ANSWER,...: those before the one that is wanted
lost () {
	peer "[{\"method\":\"POST\",\"path\":\"*\",\"answers\":[$1,
	$(body "$answer
")]}]"
	TENSORLAKE_API_URL=$URL
	rm -f ledger
	given "$import"
	try "lost: $1" env TL_LEDGER=ledger tl-prepare
	exits "${2:-0}"
	[ "$status" -ne 0 ] || gives "$answer"
	is "lost: $1: one request, one key, fresh traces" \
	    "$(seen "[map(.body), ($headers | map(.[\"idempotency-key\"])),
	    ($headers | map(.traceparent))] | map(unique | length) |
	    tojson")" \
	    "[1,1,$3]"
	is "lost: $1: one intent" "$(grep -c ' intent build ' ledger)" 1
}
lost '{"drop":true}' 0 2
lost '{"drop":"rst"},{"body":"{}","cut":1},{"status":502},{"status":504}' 0 5
# A server that is still at the first says so.
lost '{"drop":true},{"status":409},{"status":409}' 0 4
lost '{"status":409}' 69 1
lost '{"drop":true},{"status":403}' 77 2

# A server that is not there: asked again, nothing was sent.
TENSORLAKE_API_URL=http://127.0.0.1:1
given "$import"
try 'nobody listens' tl-prepare -v
exits 75
is 'nobody listens: five times' "$(grep -c '^> POST' err)" 5

# The token stays with its host.
peer "[$(rule POST '*' "$(body "$answer")")]"
other=$URL
mv log log.other
later "kill $peer_pid 2>/dev/null"
peer_pid=
mkdir second
cd second || exit 1
peer "[{\"path\":\"*\",\"answers\":[{\"status\":307,
    \"headers\":{\"Location\":\"${other%127*}localhost:${other##*:}/else\"}}]}]"
TENSORLAKE_API_URL=$URL
given "$plan"
try 'a redirect to another server' tl-prepare
exits 76
says 'redirected to another server'
silent out
cd .. || exit 1
is 'another server is asked without a token, and gets no body' \
    "$(jq -rs 'map(.method + " " + (.headers |
    map(select(.[0] | ascii_downcase == "authorization")) | length |
    tostring)) | unique | join(",")' log.other)" 'GET 0'
peer "[$(rule POST '/else' "$(body "$answer")"),
    $(rule POST '*' '{"status":307,"headers":{"Location":"/else"}}')]"
TENSORLAKE_API_URL=$URL
given "$import"
try 'a redirect' tl-prepare
exits 0
is 'a redirect keeps method and body' \
    "$(seen '.[1] | .method + " " + .target + " " + (.body | fromjson |
    .baseImage)')" 'POST /else r'
rm -f log

# From https to http: what is meant for nobody else's eyes goes no further.
openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.crt -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    2>/dev/null
cat >tls.py <<'EOF'
import http.server, ssl, sys
class Redirect(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(303)
        self.send_header("Location", sys.argv[1])
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Redirect)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("tls.crt", "tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
open("tls.port", "w").write("%d\n" % server.server_port)
server.serve_forever()
EOF
peer "[$(rule GET '*' "$(body "$answer")")]"
/usr/bin/python3 tls.py "$URL/else" 2>tls.err &
later "kill $!"
while [ ! -s tls.port ] && kill -0 $! 2>/dev/null; do
	sleep 0.05
done
given "$import"
try 'from https to http' env TL_CA_BUNDLE="$T/tls.crt" \
    TENSORLAKE_API_URL="https://localhost:$(cat tls.port)" tl-prepare
exits 76
says 'redirected from https to another protocol'
silent out
is 'from https to http: nobody is asked' "$(seen length)" 0
TENSORLAKE_API_URL=$URL
rm -f log

# Input.
bad () {
	given "$2"
	try "$1" tl-prepare
	exits 65
	says "$3"
	silent out
}
TENSORLAKE_API_URL=http://127.0.0.1:1
bad 'empty' '' 'stdin: empty'
bad 'no JSON' '{' 'stdin: '
bad 'no object' '[]' 'expected a plan'
bad 'no name' '{}' 'stdin: name: missing'
bad 'references of an import' "$(printf %s "$plan" |
    jq -c '.importImageReference = "x"')" 'an import has none'
bad 'a reference that is a dot' "$(printf %s "$plan" |
    jq -c '.references[0].reference = ".."')" 'not an image reference'
bad 'two bases' "$(printf %s "$plan" |
    jq -c '.references[1].role = "base"')" 'a second "base"'
bad 'an unknown role' "$(printf %s "$plan" |
    jq -c '.references[1].role = "x"')" 'role: '
bad 'a dockerfile twice' '{"name":"n","dockerfile":"a","dockerfile":"b"}' \
    'dockerfile'

given "$import"
try 'no credential' env -u TENSORLAKE_API_KEY tl-prepare
exits 78
says 'TENSORLAKE_API_KEY'
given "$import"
try 'a token over plain http' env TENSORLAKE_API_URL=http://api.example.invalid \
    tl-prepare
exits 78
says 'plain http'
try 'a bad key' tl-prepare -k 'a b'
exits 64
try 'an unknown option' tl-prepare --nope
exits 64
says 'usage: tl-prepare'
try 'an operand' tl-prepare x
exits 64
try 'help' tl-prepare --help
exits 0
holds 'usage: tl-prepare'
silent err
try 'version' tl-prepare -V
exits 0
holds 'tl-prepare '

script "$(body "$answer")"
given "$import"
try 'a full disk' sh -c 'tl-prepare >/dev/full'
exits 74
says 'stdout'
given "$import"
try 'no stdout' sh -c 'tl-prepare >&-'
exits 74
lists tl-prepare.1
