#!/bin/sh
# tl-upload: the parts of a file reach the store whole, or nothing is left

. "${0%/*}/lib.sh"
. "$here/store.sh"

head -c 1000 /dev/urandom >snap		# parts of 300: 300 300 300 100
sum () { # NUMBER: Content-MD5 of that part
	tail -c "+$((($1 - 1) * 300 + 1))" snap | head -c 300 |
	    openssl md5 -binary | base64
}

# block N [MEMBERS]: a multipart block with N URLs at the peer
block () {
	jq -cn --arg u "$URL" --argjson n "$1" --argjson more "${2:-{\}}" '{
	    kind: "s3_multipart", uri: "s3://b/projects/p/x.tlsnap",
	    uploadId: "u-1", partSizeBytes: 300,
	    partUrls: [range(1; $n + 1) | "\($u)/x?partNumber=\(.)&sig=hush"],
	    completeUrl: "\($u)/x?uploadId=u-1&sig=hush",
	    abortUrl: "\($u)/x?uploadId=u-1&sig=hush"} + $more'
}

put='{"method":"PUT","path":"*partNumber=%s&*","answers":[
    {"headers":{"ETag":"\"e%s\""}}]}'
# shellcheck disable=SC2059
parts=$(for i in 1 2 3 4; do printf "$put," "$i" "$i"; done)
result='<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\n<CompleteMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Location>http://b/x</Location><ETag>&quot;whole-4&#34;</ETag></CompleteMultipartUploadResult>'
complete='{"method":"POST","path":"*","answers":[{"body":"'"$result"'"}]}'
abort='{"method":"DELETE","path":"*","answers":[{"status":204}]}'

aborted () {
	is "$name: the upload is aborted" \
	    "$(seen '[.[] | select(.method == "DELETE")] | length')" 1
}
kept () {
	is "$name: the upload is not aborted" \
	    "$(seen '[.[] | select(.method == "DELETE")] | length')" 0
}
hushed () {
	if grep -q hush err; then
		fail_ "$name: no signature in a message" "$(cat err)"
	else
		pass_ "$name: no signature in a message"
	fi
}

peer "[$parts$complete]"
given "$(block 10)"
try 'four parts, ten URLs' tl-upload snap
exits 0
silent err
gives '{"uri":"s3://b/projects/p/x.tlsnap","sizeBytes":1000,"parts":4,"etag":"\"whole-4\""}'
is 'only as many parts as needed' \
    "$(seen '[.[] | select(.method == "PUT")] | length')" 4
is 'each with its length, none chunked' \
    "$(seen '[.[] | select(.method == "PUT" and .chunked == false) |
	.headers[] | select(.[0] == "Content-Length") | .[1]] | sort')" \
    "$(jq -n '["100", "300", "300", "300"]')"
for i in 1 2 3 4; do
	is "part $i has its Content-MD5" "$(seen "
	    .[] | select(.target | test(\"partNumber=$i&\")) | .headers[] |
	    select(.[0] == \"Content-MD5\") | .[1]")" "$(sum "$i")"
done
seen '[.[] | select(.method == "PUT")] | sort_by(.target) | .[] |
    .body_base64 // (.body | @base64)' |
    while read -r b; do
	echo "$b" | base64 -d
done >sent
ok 'the parts are the file' cmp snap sent
is 'complete lists every part in order' \
    "$(seen '.[] | select(.method == "POST") | .body')" \
    '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Part><PartNumber>1</PartNumber><ETag>"e1"</ETag></Part><Part><PartNumber>2</PartNumber><ETag>"e2"</ETag></Part><Part><PartNumber>3</PartNumber><ETag>"e3"</ETag></Part><Part><PartNumber>4</PartNumber><ETag>"e4"</ETag></Part></CompleteMultipartUpload>'
kept

peer "[$parts$complete]"
given "$(block 4 '{"uri":null}')"
try 'a legacy block has no uri' tl-upload -S -j 1 snap
exits 0
gives '{"sizeBytes":1000,"parts":4,"etag":"\"whole-4\"","sha256":"'"$(
    sha256sum <snap | cut -c 1-64)"'"}'
is 'one at a time keeps one connection' \
    "$(seen '[.[].connection] | unique | length')" 1

peer "[$parts$complete]"
block 4 '{"dup":1,"dup":2,"n":12345678901234567890}' >b
jq -cn --slurpfile b b '{"dockerfile":"FROM x","upload":$b[0]}' >spec.json
try 'the block of a spec' tl-upload --spec spec.json snap
exits 0
holds '"parts":4'
given "$(block 4)"
try 'progress' tl-upload --progress snap
exits 0
says 'tl-upload: 1000 / 1000 bytes'

: >empty
peer "[$parts$complete]"
given "$(block 4)"
try 'an empty file is one empty part' tl-upload empty
exits 0
holds '"sizeBytes":0,"parts":1'
is 'its length is said' "$(seen '.[0].headers[] |
    select(.[0] == "Content-Length") | .[1]')" 0

# What is wrong with the request.

peer "[$parts$complete,$abort]"
given "$(block 3)"
try 'too few URLs' tl-upload snap
exits 65
says '4 parts of 300, but the block has URLs for 3'
silent out
hushed
aborted
is 'too few URLs: no part is sent' \
    "$(seen '[.[] | select(.method == "PUT")] | length')" 0

try 'empty input is a failed stage' tl-upload snap
exits 65
says 'stdin: empty'
silent out
given '{"kind":"s3_multipart",'
try 'half a block' tl-upload snap
exits 65
silent out
given '{"kind":"gcs_resumable"}'
try 'another kind' tl-upload snap
exits 65
says 'gcs_resumable'
given "$(block 4 '{"completeUrl":"file:///etc/passwd"}')"
try 'no http URL' tl-upload snap
exits 65
says 'completeUrl: not an http(s) URL'
given "$(block 4 '{"partSizeBytes":0}')"
try 'parts of nothing' tl-upload snap
exits 65
says 'partSizeBytes: 0'
given "$(block 4)"
try 'no such file' tl-upload nothing
exits 66
says 'nothing: No such file'
given "$(block 4)"
try 'a folder' tl-upload .
exits 66
says 'not a regular file'
try 'no file' tl-upload
exits 64
silent out
try 'no jobs' tl-upload -j 0 snap
exits 64
try 'an unknown option' tl-upload --frobnicate snap
exits 64
says 'usage: tl-upload'
silent out
try 'help' tl-upload --help
exits 0
holds 'usage: tl-upload'
silent err
peer "[$parts$complete]"
given "$(block 4)"
try 'a full disk' sh -c 'tl-upload snap >/dev/full'
exits 74
says 'stdout: No space left'

# What a store does on bad days.

peer "[{\"method\":\"PUT\",\"path\":\"*partNumber=2&*\",\"answers\":[
    {\"drop\":\"rst\"},{\"status\":503},{\"status\":503},
    {\"headers\":{\"ETag\":\"\\\"e2\\\"\"}}]},$parts$complete]"
given "$(block 4)"
try 'a reset and two 503' tl-upload snap
exits 0
silent err
is 'only that part is sent again' "$(seen '[.[] | select(.method == "PUT") |
    .target | capture("partNumber=(?<n>[0-9]+)").n] | sort | join(" ")')" \
    '1 2 2 2 2 3 4'

peer "[{\"method\":\"PUT\",\"path\":\"*partNumber=3&*\",\"answers\":[
    {\"status\":400,\"body\":\"<Error><Code>BadDigest</Code></Error>\"},
    {\"length\":50,\"body\":\"x\"},
    {\"status\":200},
    {\"headers\":{\"ETag\":\"\\\"e3\\\"\"}}]},$parts$complete]"
given "$(block 4)"
try 'a bad digest, a cut answer, no ETag' tl-upload snap
exits 0
is 'that part is sent until it is taken' "$(seen '[.[] | select(.target |
    test("partNumber=3&"))] | length')" 4

peer "[{\"method\":\"PUT\",\"path\":\"*partNumber=4&*\",\"answers\":[
    {\"status\":429}]},$parts$complete,$abort]"
given "$(block 4)"
try 'a store that never takes a part' tl-upload --tries 2 snap
exits 75
says 'part 4 of 4'
silent out
aborted
hushed

peer "[{\"method\":\"PUT\",\"path\":\"*partNumber=2&*\",\"answers\":[
    {\"status\":403,\"body\":\"<?xml version=\\\"1.0\\\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>\"}]},
    $parts$complete,$abort]"
given "$(block 4 '{"expiresAt":"2020-01-01T00:00:00Z"}')"
try 'expired URLs' tl-upload snap
exits 77
says 'part 2 of 4: the store refused (403 AccessDenied): Request has expired'
says 'good until 2020-01-01T00:00:00Z'
silent out
aborted
hushed

# complete NAME STATUS WORDS TRIES ANSWER
completion () {
	peer "[$parts{\"method\":\"POST\",\"path\":\"*\",\"answers\":[$5]},$abort]"
	given "$(block 4)"
	try "complete: $1" tl-upload --tries 2 snap
	exits "$2"
	says "$3"
	silent out
	aborted
	hushed
	is "complete: $1: tried" \
	    "$(seen '[.[] | select(.method == "POST")] | length')" "$4"
}
completion 'an Error in a 200' 69 'InvalidPart): no such part' 1 \
    '{"body":"<Error><Code>InvalidPart</Code><Message>no such part</Message></Error>"}'
completion 'a passing Error in a 200' 75 'InternalError' 2 \
    '{"body":"<Error><Code>InternalError</Code></Error>"}'
completion 'half a result' 76 'not XML' 2 \
    '{"body":"<CompleteMultipartUploadResult><ETag>x</ETag>"}'
completion 'an empty 200' 76 'empty answer' 2 '{"body":""}'
completion 'a page of a proxy' 76 'answered <html>' 2 \
    '{"body":"<html><body>Welcome</body></html>"}'
completion 'two roots' 76 'not XML' 2 \
    '{"body":"<CompleteMultipartUploadResult/><Error/>"}'

for bad in '{"body":"<html><body>Welcome</body></html>"}' '{"body":""}' \
    '{"body":"<CompleteMultipartUploadResult><ETag>x"}'; do
	peer "[$parts{\"method\":\"POST\",\"path\":\"*\",\"answers\":[
	    $bad,{\"body\":\"$result\"}]}]"
	given "$(block 4)"
	try "complete: $bad, then well" tl-upload snap
	exits 0
	holds '"uri"'
	peer "[$parts{\"method\":\"POST\",\"path\":\"*\",\"answers\":[$bad,
	    {\"status\":404,\"body\":\"<Error><Code>NoSuchUpload</Code></Error>\"}
	    ]},$abort]"
	given "$(block 4)"
	try "complete: $bad, then no such upload" tl-upload snap
	exits 75
	says 'the object may be whole'
	silent out
done
peer "[$parts{\"method\":\"POST\",\"path\":\"*\",\"answers\":[
    {\"body\":\"<html/>\"}]},$abort]"
given "$(block 4)"
try 'complete: a page each time' tl-upload snap
exits 76
is 'complete: a page each time: tried four times' \
    "$(seen '[.[] | select(.method == "POST")] | length')" 4
peer "[$parts{\"method\":\"POST\",\"path\":\"*\",\"answers\":[
    {\"status\":503},{\"body\":\"$result\"}]}]"
given "$(block 4)"
try 'complete after a 503' tl-upload snap
exits 0
peer "[$parts{\"method\":\"POST\",\"path\":\"*\",\"answers\":[
    {\"body\":\"<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>\"}]}]"
given "$(block 4)"
try 'an empty ETag, as Ceph has it' tl-upload snap
exits 0
holds '"etag":""'
peer "[$parts{\"method\":\"POST\",\"path\":\"*\",\"answers\":[{\"body\":\"<C\",\"length\":50},
    {\"status\":404,\"body\":\"<Error><Code>NoSuchUpload</Code></Error>\"}]},$abort]"
given "$(block 4)"
try 'a lost answer, then no such upload' tl-upload snap
exits 75
says 'the object may be whole'

# Signals.

for sig in TERM INT; do
	peer "[{\"method\":\"PUT\",\"path\":\"*partNumber=3&*\",\"answers\":[
	    {\"hang\":true}]},$parts$complete,$abort]"
	block 4 >b
	# Not from the shell: it starts background jobs with SIGINT ignored.
	/usr/bin/python3 -c '
import signal, subprocess, sys, time
p = subprocess.Popen(["tl-upload", "snap"], stdin=open("b"),
    stdout=open("out", "w"), stderr=open("err", "w"))
for i in range(500):
    if open("log").read().count("\n") >= 4: break
    time.sleep(0.02)
p.send_signal(getattr(signal, "SIG" + sys.argv[1]))
sys.exit(p.wait())' "$sig"
	# shellcheck disable=SC2034
	status=$? name="SIG$sig"
	exits "$([ "$sig" = INT ] && echo 130 || echo 143)"
	says 'stopped by a signal'
	silent out
	aborted
	is "SIG$sig: nothing is completed" \
	    "$(seen '[.[] | select(.method == "POST")] | length')" 0
done

# The journal.

peer "[{\"method\":\"PUT\",\"path\":\"*partNumber=3&*\",\"answers\":[
    {\"status\":503},{\"headers\":{\"ETag\":\"\\\"e3\\\"\"}}]},$parts$complete,$abort]"
block 4 >b
given "$(cat b)"
try 'a run that fails halfway' tl-upload -j 1 -t 1 -J journal snap
exits 75
says '2 of 4 parts are kept'
kept
is 'the journal is private' "$(stat -c %a journal)" 600
is 'and names no secret' "$(grep -c -e hush -e u-1 journal)" 0
cp journal journal.2
given "$(cat b)"
try 'its rerun' tl-upload -v -J journal snap
exits 0
says '2 of 4 parts were there'
holds '"parts":4'
is 'only the rest is sent' "$(seen '[.[] | select(.method == "PUT") |
    .target | capture("partNumber=(?<n>[0-9]+)").n] | sort | join(" ")')" \
    '1 2 3 3 4'
is 'all are completed' "$(seen '.[] | select(.method == "POST") |
    [.body | scan("<Part>")] | length')" 4
ok 'then the journal is gone' test ! -e journal

peer "[$parts$complete]"
block 4 >b
cp journal.2 journal
printf '3 0123' >>journal		# power was lost here
printf 'X' | dd of=snap bs=1 seek=350 conv=notrunc 2>/dev/null
given "$(cat b)"
try 'the file changed in part 2' tl-upload -J journal snap
exits 0
is 'part 2 is sent again' "$(seen '[.[] | select(.method == "PUT") |
    .target | capture("partNumber=(?<n>[0-9]+)").n] | sort | join(" ")')" \
    '2 3 4'

peer "[$parts$complete]"
cp journal.2 journal
given "$(block 4 '{"uploadId":"u-2"}')"
try "another upload's journal" tl-upload -J journal snap
exits 0
is 'all parts are sent' \
    "$(seen '[.[] | select(.method == "PUT")] | length')" 4
echo precious >mine
given "$(block 4)"
try 'a file that is no journal' tl-upload -J mine snap
exits 65
says 'not a journal'
is 'it is left alone' "$(cat mine)" precious
# A place that is none, and what others left there: no byte is sent.
mkdir folder
mkfifo pipe
ln -s "$T/mine" link
for case in 'absent/journal:No such file' 'folder:Is a directory' \
    'pipe:not a regular file' 'link:' "/dev/null:not a regular file"; do
	peer "[$parts$complete]"
	given "$(block 4)"
	try "a journal at ${case%%:*}" timeout 20 tl-upload \
	    -J "${case%%:*}" snap
	exits 73
	says "${case%%:*}: ${case#*:}"
	is "$name: it is given back, and no part sent" \
	    "$(seen 'map(.method) | join(" ")')" DELETE
done
is 'what a link leads to is left alone' "$(cat mine)" precious
# Lines that say what cannot be: from there on all is sent again.
for line in '0 00112233445566778899aabbccddeeff "e"' \
    '2 00112233445566778899aabbccddee "e"' \
    '2 zz112233445566778899aabbccddeeff "e"' \
    '2 00112233445566778899aabbccddeeff' '-2 x' ''; do
	peer "[$parts$complete]"
	{
		sed -n 1p journal.2
		printf '%s\n' "$line"
		sed -n '2,$p' journal.2
	} >journal
	given "$(block 4)"
	try "a journal with the line $line" tl-upload -J journal snap
	exits 0
	is "$name: all parts are sent" \
	    "$(seen '[.[] | select(.method == "PUT")] | length')" 4
done
# A part that the upload does not have, or one that is there with another sum.
peer "[$parts$complete]"
{
	sed -n 1p journal.2
	echo '5 00112233445566778899aabbccddeeff "e5"'
	echo '18446744073709551616 00112233445566778899aabbccddeeff "e5"'
	echo '2 00112233445566778899aabbccddeeff "e2"'
} >journal
given "$(block 4)"
try 'a journal of other parts' tl-upload -J journal snap
exits 0
is 'all parts are sent, and no others' "$(seen '[.[] | select(.method == "PUT") |
    .target | capture("partNumber=(?<n>[0-9]+)").n] | sort | join(" ")')" \
    '1 2 3 4'
peer "[$parts$complete]"
cp journal.2 journal
exec 9<journal
flock 9
given "$(block 4)"
try 'a journal in use' tl-upload -J journal snap
exits 75
says 'another upload uses it'
exec 9<&-

# One PUT.

single () {
	jq -cn --arg u "$URL" '{kind: "single_put", method: "PUT",
	    url: "\($u)/one?sig=hush", headers: {"x-amz-acl": "private",
	    "Content-Length": "7", "host": "x"}}'
}
peer '[{"method":"PUT","path":"/one*","answers":[{"status":503},
    {"headers":{"ETag":"\"one\""}}]}]'
given "$(single)"
try 'a single_put' tl-upload snap
exits 0
gives '{"sizeBytes":1000,"parts":1,"etag":"\"one\""}'
is 'its headers go along, its length is true' "$(seen '.[1].headers | map(
    select(.[0] == "x-amz-acl" or .[0] == "Content-Length")[1]) |
    sort | join(" ")')" '1000 private'
peer '[{"method":"PUT","path":"/one*","answers":[{"status":403}]}]'
given "$(single)"
try 'a single_put that is refused' tl-upload snap
exits 77
silent out
hushed

# What each of S3's codes means: "STATUS CODE...", and what is advised.  One
# answer for each, as of a store that has only that to say.
table='75 BadDigest BandwidthLimitExceeded Busy ConditionalRequestConflict
75 IncompleteBody InternalError InternalFailure OperationAborted
75 PriorRequestNotComplete RequestLimitExceeded RequestThrottled RequestTimeout
75 RequestTimeoutException ServerBusy ServiceUnavailable SlowDown SlowDownRead
75 SlowDownWrite TemporaryRedirect Throttling ThrottlingException
75 TooManyRequests TooManyRequestsException XAmzContentChecksumMismatch
75 XAmzContentSHA256Mismatch
77=expired ExpiredPresignRequest RequestExpired
77=credentials ExpiredToken ExpiredTokenException InvalidAccessKeyId
77=credentials InvalidClientTokenId InvalidToken InvalidTokenId
77=credentials TokenRefreshRequired UnrecognizedClientException
77=clocks RequestInTheFuture RequestNotReadyYet RequestTimeTooSkewed
77=as.it.was AuthorizationHeaderMalformed AuthorizationParametersError
77=as.it.was AuthorizationQueryParametersError IncompleteSignature
77=as.it.was InvalidSignatureException MissingAuthenticationToken
77=as.it.was MissingSecurityHeader SignatureDoesNotMatch
77=as.it.was SignatureVersionNotSupported
77=may.not AccessDenied AccessDeniedException AccountProblem AllAccessDisabled
77=may.not AuthFailure CredentialsNotSupported InvalidPayer InvalidSecurity
77=may.not NotSignedUp UnauthorizedAccess UserSuspended
69=completed NoSuchUpload
69 EntityTooSmall EntityTooLarge InvalidPart InvalidPartOrder NoSuchBucket
69 NoSuchKey InvalidArgument InvalidDigest KeyTooLongError MalformedXML
69 MethodNotAllowed NotImplemented PreconditionFailed QuotaExceeded
69 InvalidRequest SomethingNew'
echo "$table" | while read -r want each; do
	for code in $each; do
		echo "$want $code"
	done
done >codes
while read -r _ code; do
	jq -cn --arg b "<Error><Code>$code</Code></Error>" '{status: 400,
	    body: $b}'
done <codes | jq -s '[{method: "PUT", path: "/one*", answers: .}]' >answers
peer "$(cat answers)"
single >in.block
while read -r want code; do
	tl-upload -t 1 snap <in.block >out 2>err
	got=$?
	advice=${want#??}
	is "$code: $want" "$got $(grep -c "$code.*${advice#=}" err) $(grep -c \
	    'hush' err)" "${want%%=*} 1 0"
done <codes
is 'all codes that the program knows are in the table' "$(sed -n \
    's/.*{ STORE_[A-Z]*, "\(.*\)" }.*/\1/p' "$here/../lib/core/store.c" |
    while read -r code; do grep -q " $code\$" codes || echo "$code"; done)" ''
# What passes is asked again, whatever the status; what does not is not.
for answer in '400 SlowDown 2' '403 RequestTimeout 2' '200 - 1' '500 - 2' \
    '503 Strange 2' '429 - 2' '501 - 1' '403 ExpiredToken 1' '400 - 1'; do
	# shellcheck disable=SC2086
	set -- $answer
	body=''
	[ "$2" = - ] || body="<Error><Code>$2</Code></Error>"
	peer "$(jq -cn --arg b "$body" --argjson s "$1" '[{method: "PUT",
	    path: "/one*", answers: [{status: $s, body: $b}]}]')"
	single >in.block
	tl-upload -t 2 snap <in.block >out 2>err
	is "$1 $2: asked $3 times" "$(seen length)" "$3"
done
peer '[{"method":"PUT","path":"/one*","answers":[{"status":403,"body":
    "<Error><Code>AccessDenied</Code><Message>Request is not yet valid</Message></Error>"}]}]'
given "$(single)"
try 'a URL of the future' tl-upload snap
exits 77
says 'set the clocks'
given '{"kind":"single_put","url":"http://store.example/one?sig=hush"}'
try 'a proxy that is none' env no_proxy= NO_PROXY= \
    http_proxy=nosuch://u:hush@h:1 tl-upload snap
exits 78
says 'http_proxy: not well-formed'
silent out
hushed

# A real store: it checks each Content-MD5 and the list of parts.

store --part-min 1
rel=projects/p/sandbox-template-builds/b/s.tlsnap
# signed BYTES: a block whose parts have so many bytes
signed () {
	printf '{"rel_path":"%s","op":{"kind":"multipart_put",%s}}' "$rel" \
	    '"parts":60,"part_size_bytes":5242880' |
	    tl-presign --config signer.conf --project p |
	    sed "s/\"partSizeBytes\": *5242880/\"partSizeBytes\": $1/"
}
back () {
	printf '{"uri":"s3://images/%s","op":{"kind":"single_get"}}' "$rel" |
	    tl-presign --config signer.conf --project p | jq -r .url |
	    sed 's/.*/url = "&"/' | curl -fsS --config - -o back
}
# More whole parts than are summed side by side, and a short one.
head -c 2000000 /dev/urandom >many
for bytes in 40000 39999 2000000 100001; do
	signed "$bytes" >b
	given "$(cat b)"
	try "a real store, parts of $bytes" tl-upload many
	exits 0
	holds "\"uri\":\"s3://images/$rel\",\"sizeBytes\":2000000,\"parts\":$(((1999999 + bytes) / bytes))"
	back
	ok "parts of $bytes: it has the file" cmp many back
done
lists tl-upload.1
