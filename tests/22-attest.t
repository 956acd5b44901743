#!/bin/sh
# tl-attest: a receipt is asked for and kept as it came, or there is none;
# tl-complete sends it along

. "${0%/*}/lib.sh"
. "$here/scripted.sh"

TL_RETRY_SECOND_MS=1
TL_SANDBOX=sandbox.json
export TL_RETRY_SECOND_MS TL_SANDBOX
# Odd on purpose: all of it must come out as it went in.
receipt='{ "receipt":"{\"a\":1}", "n":12345678901234567890,"n":1.0,"u":"\u0041\/" }'
metadata=$(metadata_)

# server ANSWER...: one after another to what is asked
server () {
	a=$(for x; do printf '%s' "$x"; done | jq -sc .)
	scripted "{\"method\":\"POST\",\"path\":\"*/blob/attest\",\"answers\":$a},"
	rm -rf docs
	mkdir docs
	documents docs "$URL"
	cp docs/*.json .
}

body () {
	jq -cn --arg b "$1" --argjson s "${2:-200}" '{body: $b, status: $s}'
}

# attest NAME [OPTION...]
attest () {
	what=$1
	shift
	given "$metadata"
	try "$what" tl-attest -p "${prepared:-prepared.json}" "$@"
}
asked='map(select(.target == "/api/v1/blob/attest"))'

server "$(body "$receipt")"
attest 'a receipt'
exits 0
silent err
gives "{\"attestation\":$receipt}"
is 'a receipt: what was asked' "$(seen "$asked | .[0].body")" \
    '{"rel_path":"projects/p1/sandbox-template-builds/b-1/s-1.tlsnap"}'
headers='map(.headers | map({(.[0] | ascii_downcase): .[1]}) | add)'
is 'a receipt: of whom, as whom' "$(seen "$asked | $headers | .[0] |
    [.\"x-tensorlake-sandbox-id\", .authorization, .host] | tojson")" \
    '["sbx-1","Bearer key-MARKER","sbx-1.local"]'
attest 'with -v' -v
exits 0
says 'attest: there is a receipt'
is 'with -v: no secret' "$(grep -c MARKER err)" 0

# It goes along, byte for byte
server "$(body "$receipt")"
attest 'once more'
cp out attested.json
given "$metadata"
try 'completed with it' tl-complete -p prepared.json -s signed.json \
    -a attested.json
exits 0
is 'completed with it: as it is, behind all others' \
    "$(seen 'map(select(.target | endswith("/complete"))) | .[0].body' |
    sed 's/.*,"attestation"/"attestation"/')" "\"attestation\":$receipt}"
echo '{}' >attested.json
given "$metadata"
try 'completed without' tl-complete -p prepared.json --attested=attested.json
exits 0
is 'completed without: not a word of it' "$(seen 'map(select(.target |
    endswith("/complete"))) | .[1].body | contains("attest")')" false
for bad in '' x '[]' '{"attestation":1}' '{"attestation":null}' \
    '{"attestation":{},"attestation":{}}' '"{}"'; do
	file bad.json "$bad"
	given "$metadata"
	try "no attested document: $bad" tl-complete -p prepared.json \
	    -a bad.json
	exits 65
	says 'bad.json: '
done
given "$metadata"
try 'one that is not there' tl-complete -p prepared.json -a none.json
exits 66

# A server that takes no members of ours; and one that does not believe it
echo "{\"attestation\":$receipt}" >attested.json
scripted '{"method":"POST","path":"*/complete","answers":[
    {"status":422,"json":{"error":"unknown field"}},
    {"json":{"id":"t-1","name":"n","snapshotId":"s-1"}}]},'
given "$metadata"
try 'a platform that knows none' tl-complete -v -p prepared.json \
    -a attested.json
exits 0
says 'refused; again without members of our own'
is 'a platform that knows none: is asked without' "$(seen 'map(select(.target |
    endswith("/complete")) | .body | contains("attest")) | tojson')" \
    '[true,false]'
scripted '{"method":"POST","path":"*/complete","answers":[{"status":403,
    "json":{"error":"attestation: too old","code":"attestation_refused"}}]},'
given "$metadata"
try 'a platform that refuses it' tl-complete -p prepared.json -a attested.json
exits 77
says 'attestation: too old'
is 'a platform that refuses it: is not asked without' "$(seen 'map(select(
    .target | endswith("/complete"))) | length')" 1

scripted '{"method":"POST","path":"*/complete","answers":[
    {"status":400,"json":{"error":"no object is there"}},
    {"status":403,"json":{"error":"attestation: missing"}}]},'
given "$metadata"
try 'what is wrong comes first' tl-complete -p prepared.json -a attested.json
exits 69
says 'no object is there'

# An older server, and the other answers
for status_ in 404 405; do
	server "$(body '{"error":"no such address","code":"NOT_FOUND"}' $status_)"
	attest "an older server, $status_"
	exits 0
	silent err
	gives '{}'
	attest "an older server, $status_, with -v" -v
	says "the server gives no receipts ($status_), it is an older one"
	is "an older server, $status_: asked once" "$(seen "$asked | length")" 2
done
for case in 400:69 401:77 403:77 409:69 422:69 429:75 500:69 503:75; do
	server "$(body '{"error":"no"}' "${case%:*}")"
	attest "refused: ${case%:*}"
	exits "${case#*:}"
	says 'attest'
	silent out
done
server "$(body '{"error":"busy"}' 503)" "$(body "$receipt")"
attest 'busy, then not'
exits 0
gives "{\"attestation\":$receipt}"
deep=$(printf '[%.0s' $(seq 126))$(printf ']%.0s' $(seq 126))
server "$(body "{\"a\":$deep}")"
attest 'nested too deep'
exits 76
deep=${deep#?}
server "$(body "{\"a\":${deep%?}}")"
attest 'nested as deep as may be'
exits 0
for bad in '' null '"x"' '[]' '{' '{"error":"no"}' '<html></html>'; do
	server "$(body "$bad")"
	attest "an answer that is none: $bad"
	exits 76
	says 'attest: '
	silent out
done
server '{"headers":{"Content-Type":"text/html"},"body":"<html></html>"}'
attest 'a page'
exits 76

# The sandbox is gone: nobody else gives a receipt
server '{"status":404,"json":{"error":"there is no such sandbox"}}'
scripted '{"method":"POST","path":"*/blob/attest","answers":[{"status":404,
    "json":{"error":"there is no such sandbox","code":"SANDBOX_NOT_FOUND"}}]},
    {"method":"GET","path":"*/sandboxes/sbx-1","answers":[{"status":404,
    "json":{"error":"no"}}]},'
jq --arg u "$URL" '.proxyUrl = $u' docs/sandbox.json >sandbox.json
attest 'the sandbox is gone'
exits 0
says 'attest: the sandbox is gone'
gives '{}'

# The legacy path: where the builder says, else where prepare did
server "$(body "$receipt")"
jq -c 'del(.snapshotRelPath) | .snapshotUri = "s3://images/prepared"' \
    prepared.json >legacy.json
prepared=legacy.json
attest 'legacy: a receipt'
exits 0
gives "{\"attestation\":$receipt}"
metadata='{"x":1}'
attest 'legacy: metadata that does not say'
exits 0
metadata='{"snapshotUri":"s3://images/camel"}'
attest 'legacy: in the other spelling'
exits 0
is 'legacy: what was asked' "$(seen "$asked | map(.body) | tojson")" \
    '["{\"uri\":\"s3://images/projects/p1/x.tlsnap\"}","{\"uri\":\"s3://images/prepared\"}","{\"uri\":\"s3://images/camel\"}"]'
jq -c 'del(.snapshotUri)' legacy.json >nowhere.json
prepared=nowhere.json metadata='{}'
attest 'legacy: nowhere'
exits 65
says 'stdin: snapshot_uri'
prepared='' metadata=$(metadata_)

# Input
for bad in '' '[]' x; do
	given "$bad"
	try "metadata: '$bad'" tl-attest -p prepared.json
	exits 65
	says stdin
	silent out
done
given "$metadata"
try 'no prepared answer given' tl-attest
exits 64
given "$metadata"
try 'an argument' tl-attest -p prepared.json x
exits 64
given "$metadata"
try 'no prepared answer' tl-attest -p none.json
exits 66
attest 'no sandbox' -s none.json
exits 66
given "$metadata"
try 'a sandbox that is none' tl-attest -p prepared.json -s prepared.json
exits 65
TENSORLAKE_API_KEY='' attest 'no credential'
exits 78
given "$metadata"
try 'a full disk' sh -c 'tl-attest -p prepared.json >/dev/full'
exits 74

lists tl-attest.1
