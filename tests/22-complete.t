#!/bin/sh
# tl-complete: metadata checked, the image registered, the answer passed on

. "${0%/*}/lib.sh"

TENSORLAKE_API_KEY=key-MARKER
TL_RETRY_SECOND_MS=1
export TENSORLAKE_API_KEY TENSORLAKE_API_URL TL_RETRY_SECOND_MS

builder='"builder":{"image":"i","command":"c","cpus":2,"memoryMb":1,"diskMb":1}'
head='"buildId":"b-1","snapshotId":"s-1","rootfsNodeKind":"base",'$builder
uri=s3://bucket/projects/p/sandbox-template-builds/b-1/s-1.tlsnap
file new.json "{$head,\"snapshotRelPath\":\"projects/p/x\",
\"snapshotUri\":\"s3://prepared\",\"parent\":{\"parentManifestUri\":\"s3://par\",
\"rootfsDiskBytes\":42}}"
file legacy.json "{$head,\"snapshotUri\":\"s3://prepared\"}"
file none.json "{$head}"
file signed.json "{\"upload\":{\"uri\":\"$uri\",\"n\":1e400,\"n\":2,
\"completeUrl\":\"https://h/c?X-Sig=MARKER\"}}"
file no-uri.json '{"upload":{"uploadId":"u"}}'
file empty.json '{}'

need='"snapshot_format_version":"durable_archive_v1","snapshot_size_bytes":734003200,
"rootfs_disk_bytes":"+21474836480"'
metadata="{$need}"
# Odd on purpose: all of it must come out as it went in.
answer='  { "id":"t-1", "n":12345678901234567890,"n":1.0,"u":"\u0041\/" }
'

# server ANSWER...: one after another
server () {
	a=$(for x; do printf '%s' "$x"; done | jq -sc .)
	peer "[{\"method\":\"POST\",\"path\":\"*/complete\",\"answers\":$a}]"
	TENSORLAKE_API_URL=$URL
}

body () {
	jq -cn --arg b "$1" --argjson s "${2:-200}" '{body: $b, status: $s}'
}

ok_body=$(body "$answer")
sent () {
	seen '.[-1].body'
}

server "$ok_body"
given "$metadata"
try 'completes' tl-complete -p new.json -s signed.json
exits 0
silent err
printf '%s' "$answer" | cmp - out
is 'the answer as it came' $? 0
given "$metadata"
try 'completes again' tl-complete -p new.json -s signed.json
exits 0
is 'one request' "$(seen '.[0] | .method + " " + .target')" \
    'POST /platform/v1/sandbox-template-builds/b-1/complete'
is 'its body, byte for byte' "$(sent)" \
"{\"snapshotId\":\"s-1\",\"snapshotUri\":\"$uri\",\"snapshotFormatVersion\":\"durable_archive_v1\",\"snapshotSizeBytes\":734003200,\"rootfsDiskBytes\":21474836480,\"rootfsNodeKind\":\"base\"}"
headers='map(.headers | map({(.[0] | ascii_downcase): .[1]}) | add)'
is 'with the key' "$(seen "$headers"' | .[0].authorization')" \
    'Bearer key-MARKER'
is 'the same body has the same idempotency key' \
    "$(seen "$headers"' | map(.["idempotency-key"]) |
    "\(unique | length) \(.[0] | length)"')" '1 32'
given "{$need,\"snapshot_id\":\"other\"}"
try 'another body' tl-complete -p new.json -s signed.json
is 'another body has another key' \
    "$(seen "$headers"' | map(.["idempotency-key"]) | unique | length')" 2
sum=$(printf x | sha256sum | cut -d ' ' -f 1)
given "{$need,\"snapshot_sha256\":\"$sum\"}"
try 'a sum of the snapshot' tl-complete -p new.json -s signed.json
is 'goes along, behind upstream'\''s members' "$(sent | grep -o \
    "\"rootfsNodeKind\":\"base\",\"snapshotSha256\":\"$sum\"}")" \
    "\"rootfsNodeKind\":\"base\",\"snapshotSha256\":\"$sum\"}"

given "{$need,\"snapshot_uri\":\"$uri\",\"snapshot_id\":\"s-2\",
\"rootfs_node_kind\":\"diff\",\"rootfs_format\":\"ext4\"}"
try 'all members' tl-complete -p new.json -s signed.json
exits 0
is 'all members, in order' "$(sent)" \
"{\"snapshotId\":\"s-2\",\"snapshotUri\":\"$uri\",\"snapshotFormatVersion\":\"durable_archive_v1\",\"snapshotSizeBytes\":734003200,\"rootfsDiskBytes\":21474836480,\"rootfsNodeKind\":\"diff\",\"parentManifestUri\":\"s3://par\",\"rootfsFormat\":\"ext4\"}"
given "{\"rootfs_format\":\"cas-streaming\",\"imageSizeBytes\":9}"
try 'a streaming image' tl-complete -p new.json -s signed.json --disk-mb 3
exits 0
is 'a streaming image' "$(sent)" \
"{\"snapshotId\":\"s-1\",\"snapshotUri\":\"$uri\",\"snapshotFormatVersion\":\"content_addressed_streaming_v1\",\"snapshotSizeBytes\":9,\"rootfsDiskBytes\":3145728,\"rootfsNodeKind\":\"base\",\"rootfsFormat\":\"cas-streaming\"}"

# Which snapshot URI.
which () {
	given "$2"
	shift 2
	try "$name" tl-complete "$@"
	exits 0
	is "$name: $want_uri" "$(seen '.[-1].body | fromjson | .snapshotUri')" \
	    "$want_uri"
}
m="{$need,\"snapshotUri\":\"s3://metadata\"}"
name='new path, unsigned' want_uri=s3://metadata
which x "$m" -p new.json
name='new path, signed without uri' want_uri=s3://metadata
which x "$m" -p new.json -s no-uri.json
name='legacy path' want_uri=s3://metadata
which x "$m" -p legacy.json -s empty.json
name='legacy path, metadata silent' want_uri=s3://prepared
which x "$metadata" -p legacy.json -s empty.json

# What is wrong is found before anything is asked.
asked=$(seen length)
bad () {
	says_what=$4
	given "$3"
	n_=$1 s_=$2
	shift 4
	try "$n_" tl-complete "$@"
	exits "$s_"
	says "$says_what"
	silent out
}
new='-p new.json -s signed.json'
# shellcheck disable=SC2086
{
bad 'no metadata' 65 '' 'stdin: empty' $new
bad 'no JSON' 65 '{' 'stdin: ' $new
bad 'an array' 65 '[]' 'expected metadata' $new
bad 'no size' 65 '{"snapshot_format_version":"v"}' \
    'stdin: snapshot_size_bytes: missing' $new
bad 'a null that hides' 65 "{\"snapshot_format_version\":null,
\"snapshotFormatVersion\":\"v\"}" 'snapshot_format_version: missing' $new
bad 'another URI' 65 "$m" "signed was $uri" $new
bad 'an empty URI' 65 "{$need,\"snapshot_uri\":\"\"}" 'snapshot_uri: empty' $new
bad 'a diff without a parent' 65 "{$need,\"rootfs_node_kind\":\"diff\"}" \
    'parent_manifest_uri: missing' -p legacy.json
bad 'no URI anywhere' 65 "$metadata" 'snapshot_uri: missing' -p none.json
bad 'signed for another' 65 "$metadata" 'empty.json: no upload' \
    -p new.json -s empty.json
bad 'signed, though legacy' 65 "$metadata" 'signed.json: an upload' \
    -p legacy.json -s signed.json
bad 'no prepared' 64 "$metadata" 'usage: tl-complete' -s signed.json
bad 'prepared is not there' 66 "$metadata" missing.json -p missing.json
bad 'signed is not there' 66 "$metadata" missing.json -p new.json -s missing.json
: >nothing
bad 'prepared is empty' 65 "$metadata" 'nothing: empty' -p nothing
bad 'signed is empty' 65 "$metadata" 'nothing: empty' -p new.json -s nothing
}
file twice.json '{"upload":{"uri":"a","uri":"b"}}'
bad 'a signed uri twice' 65 "$metadata" 'twice.json: upload: ' \
    -p new.json -s twice.json
file number.json '{"upload":{"uri":7}}'
bad 'a signed uri of another type' 65 "$metadata" 'upload: uri: not a string' \
    -p new.json -s number.json
sed 's/b-1/b-1\/..\/../' new.json >path.json
bad 'a build id that is a path' 65 "$metadata" 'path.json: buildId: ' \
    -p path.json
is 'nothing of it was asked' "$(seen length)" "$asked"

# The server's answers.
answers () {
	server "$3"
	given "$metadata"
	try "$1" tl-complete -p new.json -s signed.json
	exits "$2"
	says "$4"
	silent out
	is "$1: asked ${5:-once}" "$(seen length)" "${6:-1}"
}
answers '403' 77 '{"status":403,"json":{"error":"no"}}' \
    'complete: refused (403)'
answers '404' 69 '{"status":404}' 'complete: refused (404)'
answers '409' 69 '{"status":409,"json":{"error":"other values"}}' 'other values'
answers '503' 75 '{"status":503,"headers":{"Retry-After":"1"}}' \
    'refused (503)' 'five times' 5
answers '502' 75 '{"status":502}' 'refused (502)' 'five times' 5
maybe='the image may be registered'
answers 'an empty 200' 76 '{}' "$maybe"
answers 'a 204' 76 '{"status":204}' "$maybe"
answers 'HTML' 76 '{"body":"<html>"}' "$maybe"
answers 'an error under a 200' 76 '{"json":{"error":"no room \u001b[1m"}}' \
    'an error under the status 200: no room ?[1m'
answers 'a page' 76 '{"body":"[1]","headers":{"Content-Type":"text/html"}}' \
    'a page of HTML'
answers 'a 201 that is no JSON' 76 "$(body '{"id":' 201)" "(201) is not JSON"
answers 'a cut answer' 75 "$(body "$answer" | jq -c '.cut = 9')" "$maybe" \
    'five times' 5
answers 'a hang-up' 75 '{"drop":true}' "$maybe" 'five times' 5
head -c 4194305 /dev/zero | tr '\0' ' ' >huge
answers 'a huge answer' 76 '{"file":"huge"}' "$maybe"
for value in '[1]' '"x"' 7 null; do
	server "$(body "$value" 202)"
	given "$metadata"
	try "202 with $value" tl-complete -p new.json -s signed.json
	exits 0
	is "202 with $value" "$(cat out)" "$value"
done

# A lost answer is asked for again: the same bytes under the same key.  What
# may be registered stays in the ledger, what certainly is not does not.
# lost STATUS REQUESTS LEDGER ANSWER...; with no number of requests, many
lost () {
	want=$1 times=$2 verbs=$3
	shift 3
	server "$@"
	rm -f ledger
	given "$metadata"
	try "lost: $*" env TL_LEDGER=ledger \
	    tl-complete -p new.json -s signed.json
	exits "$want"
	[ -n "$times" ] || times=$(seen 'if length > 9 then length else 9 end')
	is "lost: $*: $times requests, one key" "$(seen length) $(
	    seen "$headers"' | map(.["idempotency-key"]) | unique | length') $(
	    seen 'map(.body) | unique | length')" "$times 1 1"
	is "lost: $*: the ledger" "$(cut -d' ' -f2 ledger | paste -sd' ')" \
	    "$verbs"
	case $verbs in
	intent) says "$maybe" ;;
	*) ok "lost: $*: no maybe" sh -c '! grep "may be registered" err' ;;
	esac
}
drop='{"drop":true}'
lost 0 2 'intent made gone' "$drop" "$ok_body"
lost 0 5 'intent made gone' "$drop" '{"drop":"rst"}' \
    "$(body "$answer" | jq -c '.cut = 9')" '{"status":504}' "$ok_body"
lost 0 3 'intent made gone' "$drop" '{"status":409}' "$ok_body"
# Patience lasts 300 of these seconds; more than nine requests fit in on a busy
# machine, too.
TL_RETRY_SECOND_MS=10
lost 75 '' intent "$drop"
TL_RETRY_SECOND_MS=1
lost 77 2 intent "$drop" '{"status":403}'
lost 69 5 intent "$drop" '{"status":409}'
lost 75 5 intent '{"status":502}' '{"status":503}'
lost 69 1 intent '{"status":500}'
lost 69 1 'intent none' '{"status":409}'
lost 77 2 'intent none' '{"status":429}' '{"status":403}'

# Nothing was sent, so it is asked again.
given "$metadata"
try 'nobody listens' env TENSORLAKE_API_URL=http://127.0.0.1:1 \
    tl-complete -v -p new.json -s signed.json
exits 75
silent out
is 'nobody listens: five times' "$(grep -c '^> POST' err)" 5
ok 'nobody listens: no maybe' sh -c '! grep "may be registered" err'

server '{"status":403}'
given "$metadata"
try 'all that -v says' tl-complete -v -p new.json -s signed.json
ok 'all that -v says: no secret' sh -c '! grep MARKER err'
server "$ok_body"
given "$metadata"
try 'a PAT' env -u TENSORLAKE_API_KEY TENSORLAKE_PAT=pat \
    TENSORLAKE_ORGANIZATION_ID=o TENSORLAKE_PROJECT_ID=q \
    tl-complete -p new.json -s signed.json
is 'a PAT: the long prefix' "$(seen '.[0].target')" \
    '/platform/v1/organizations/o/projects/q/sandbox-template-builds/b-1/complete'
given "$metadata"
try 'a full disk' sh -c \
    'tl-complete -p new.json -s signed.json >/dev/full'
exits 74
try 'an unknown option' tl-complete --nope
exits 64
try 'help' tl-complete -h
exits 0
holds 'usage: tl-complete'
server "$(body '{"error":"unknown field snapshotSha256"}' 422)" "$ok_body"
given "{$need,\"snapshot_sha256\":\"$sum\"}"
try 'a platform that knows no sums' tl-complete -v -p new.json -s signed.json
exits 0
says 'refused; again without snapshotSha256'
is 'is asked without' "$(seen 'map(.body | contains("Sha256")) | tojson')" \
    '[true,false]'
server "$(body '{"error":"no"}' 400)"
given "{$need,\"snapshot_sha256\":\"$sum\"}"
try 'one that refuses it all' tl-complete -p new.json -s signed.json
exits 69
is 'was asked twice' "$(seen length)" 2

lists tl-complete.1
