#!/bin/sh
# tl-presign: the block is the rules' and its URLs are botocore's, byte for byte

. "${0%/*}/lib.sh"

umask 077
t=2026-06-01T12:34:56Z
here=projects/proj_1/sandbox-template-builds/b-1
base='bucket = region-bucket
endpoint = http://127.0.0.1:4567
access_key = AKIDEXAMPLE
secret_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
'
file conf "$base"

presign () {
	tl-presign -c "${conf:-conf}" -p proj_1 -t "$t" "$@"
}

put () {
	given '{"rel_path":"'"$1"'","op":{"kind":"multipart_put","parts":'"$2"',"part_size_bytes":67108864}}'
}

# urls MEMBER: those of the block kept by keep (a check of ok writes "out")
urls () {
	jq -r ".$1" answer
}

keep () {
	cp out answer
}

# Shape and rules

put "$here/snap.tlsnap" 2
try 'a multipart upload' presign -u u-1
exits 0
silent err
cp out block
is 'is the block of tl-wire(7)' "$(jq -c '[.kind, .uri, .uploadId,
    .partSizeBytes, (.partUrls | length), .expiresAt, (keys | length)]' out)" \
    '["s3_multipart","s3://region-bucket/'"$here"'/snap.tlsnap","u-1",67108864,2,"2026-06-08T12:34:56Z",8]'

given '{"target":{"kind":"artifact","rel_path":"'"$here/snap.tlsnap"'"},"op":{"kind":"put_artifact","multipart_hint":{"max_parts":2,"part_size_bytes":67108864}}}'
try 'the merged dialect' presign -u u-1
exits 0
keep
ok 'the merged dialect: the same block' cmp block answer

given '{"target":{"kind":"artifact","rel_path":"'"$here/snap.tlsnap"'"},"op":{"kind":"put_artifact"}}'
try 'no hint' presign -u u-1
is 'no hint: room for any image' "$(jq -c '[(.partUrls | length),
    .partSizeBytes]' out)" '[10000,67108864]'

given '{"rel_path":"'"$here/one"'","op":{"kind":"single_put"}}'
try 'a single put' presign
is 'a single put: its block' "$(jq -c 'del(.url)' out)" \
    '{"kind":"single_put","uri":"s3://region-bucket/'"$here/one"'","method":"PUT","headers":{},"expiresAt":"2026-06-08T12:34:56Z"}'

given '{"uri":"s3://region-bucket/base/parent.tlsnap","op":{"kind":"single_get"}}'
try 'a download' presign
exits 0
cp out block
is 'a download: its block' "$(jq -c 'del(.url)' out)" \
    '{"kind":"single_get","method":"GET","headers":{},"expiresAt":"2026-06-08T12:34:56Z"}'
given '{"target":{"kind":"blob","uri":"s3://region-bucket/base/parent.tlsnap"},"op":{"kind":"get_blob"}}'
try 'a download, merged' presign
keep
ok 'a download, merged: the same block' cmp block answer

# refused STATUS TEXT REQUEST
refused () {
	given "$3"
	try "${4:-$3}" presign -u u-1
	exits "$1"
	says "$2"
	silent out
}

op='"op":{"kind":"multipart_put","parts":1,"part_size_bytes":5242880}'
refused 77 'not below projects/proj_1/' \
    '{"rel_path":"projects/proj_2/sandbox-template-builds/b/s",'"$op}"
refused 77 'not below' '{"rel_path":"projects/proj_1/other/b/s",'"$op}"
refused 77 'not below' \
    '{"rel_path":"projects/proj_1/sandbox-template-builds",'"$op}"
for path in ../x a/../b a/./b a//b a/ 'a\\b' a%2fb 'a\u0000b' 'a\nb' \
    'a\u007fb'; do
	refused 65 rel_path '{"rel_path":"'"$here/$path"'",'"$op}"
done
refused 65 'empty segment' '{"rel_path":"/'"$here/s"'",'"$op}"
refused 65 'path: empty' '{"rel_path":"",'"$op}"
long=$(printf '%01024d' 0)
refused 65 'more than 1024' '{"rel_path":"'"$here/$long"'",'"$op}" \
    'a long path'
for parts in 0 10001 4294967297 18446744073709551617 -1 1.0 1e3 '"1"' true; do
	put "$here/s" "$parts"
	try "$parts parts" presign -u u-1
	exits 65
	silent out
done
for size in 0 5242879 5368709121 99999999999999999999; do
	refused 65 part_size_bytes '{"rel_path":"'"$here/s"'","op":{"kind":"multipart_put","parts":1,"part_size_bytes":'"$size}}"
done
refused 65 parts '{"rel_path":"'"$here/s"'","op":{"kind":"multipart_put","part_size_bytes":5242880}}'
refused 65 'two dialects' '{"target":{"kind":"blob","uri":"s3://b/k"},"rel_path":"x","op":{"kind":"get_blob"}}'
refused 65 'two dialects' '{"rel_path":"'"$here/s"'","op":{"kind":"multipart_put","parts":1,"part_size_bytes":5242880,"multipart_hint":{}}}'
refused 65 'two dialects' '{"target":{"kind":"artifact","rel_path":"'"$here/s"'"},"op":{"kind":"put_artifact","parts":1}}'
refused 65 op.kind '{"target":{"kind":"artifact","rel_path":"'"$here/s"'"},"op":{"kind":"multipart_put"}}'
refused 65 op.kind '{"rel_path":"'"$here/s"'","op":{"kind":"put_artifact"}}'
refused 65 op.kind '{"target":{"kind":"blob","uri":"s3://region-bucket/k"},"op":{"kind":"put_artifact"}}'
refused 65 target '{"target":null,"op":{"kind":"get_blob"}}'
refused 65 'both rel_path and uri' '{"rel_path":"'"$here/s"'","uri":"s3://region-bucket/k",'"$op}"
refused 65 'rel_path or uri is missing' "{$op}"
refused 65 'for reading only' '{"uri":"s3://region-bucket/k",'"$op}"
refused 65 'op: missing' '{"rel_path":"x"}'
refused 65 request '[]'
refused 65 request '{"rel_path":"a","rel_path":"b",'"$op}"
refused 65 request '{"rel_path":'
get='"op":{"kind":"single_get"}'
refused 77 'outside the origins' '{"uri":"s3://other/k",'"$get}"
refused 77 'scheme' '{"uri":"file:///etc/passwd",'"$get}"
refused 65 's3://BUCKET/KEY' '{"uri":"s3://region-bucket",'"$get}"
refused 65 '".."' '{"uri":"s3://region-bucket/a/../b",'"$get}"

file origins "${base}read_origin = s3://images/base
read_origin = s3://public
"
conf=origins
for uri in s3://images/base/x s3://images/base s3://public/any/thing; do
	given '{"uri":"'"$uri"'",'"$get}"
	try "read origin $uri" presign
	exits 0
done
refused 77 'outside the origins' '{"uri":"s3://images/basement/x",'"$get}"
conf=conf

# The command line and the configuration

given ''
try 'empty stdin' presign
exits 65
says 'stdin: empty'
silent out
try 'no project' tl-presign -c conf
exits 64
try 'a time that is none' tl-presign -c conf -p proj_1 -t tomorrow
exits 64
try '--help' tl-presign --help
exits 0
holds 'usage: tl-presign'
put "$here/s" 3
try 'a full disk' sh -c \
    'tl-presign -c conf -p proj_1 -u u >/dev/full'
exits 74
put "$here/s" 3
try 'stdout closed' sh -c 'tl-presign -c conf -p proj_1 -u u >&-'
exits 74

chmod 644 conf
put "$here/s" 1
try 'a key that others can read' presign -u u
exits 78
says 'chmod 600'
chmod 600 conf
put "$here/s" 1
try 'no configuration' tl-presign -c nowhere -p proj_1 -u u
exits 66
for line in 'endpont = x' 'addressing = dns' 'read_origin = gs://x' \
    'bucket = b' 'expires_s = 604801' 'credentials_expire = soon' 'x' \
    'session_token =' 'access_key = twice'; do
	file bad "$base$line
"
	conf=bad
	put "$here/s" 1
	try "configuration: $line" presign -u u
	exits 78
	says bad:5
	silent out
done
conf=conf

file short "${base}credentials_expire = 2026-06-01T13:34:56Z
"
conf=short
put "$here/s" 1
try 'credentials that end first' presign -u u
keep
is 'credentials that end first: expiresAt' "$(urls expiresAt)" \
    2026-06-01T13:34:56Z
is 'credentials that end first: the URLs' \
    "$(urls abortUrl | grep -c 'X-Amz-Expires=3600&')" 1
put "$here/s" 1
try 'credentials that have ended' tl-presign -c short -p proj_1 -u u \
    -t 2026-06-01T13:34:56Z
exits 78
says 'have ended'
silent out
conf=conf

# Against botocore

peer () {
	/usr/bin/python3 "$data/presign.py" "$conf" "$t" "$@"
}

if ! /usr/bin/python3 -c 'import botocore' 2>/dev/null; then
	echo '# without python3-boto3: URLs are not compared with botocore'
	exit
fi

# Another signer of Amazon's, where it is installed, does not come between:
# this one would end with an error.
mkdir -p crt/awscrt
for module in __init__ auth; do
	: >"crt/awscrt/$module.py"
done
PYTHONPATH=$T/crt${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH

# One key for each thing that is escaped, or not.
compare () {
	rel=$here/$2
	jq -cn --arg p "$rel" --argjson n "$3" '{rel_path: $p, op:
	    {kind: "multipart_put", parts: $n, part_size_bytes: 5242880}}' >in
	try "$1" presign -u "$4"
	exits 0
	keep
	urls 'partUrls[]' >ours
	peer upload_part "$rel" UploadId="$4" PartNumber=1-"$3" >theirs
	ok "$1: $3 part URLs are botocore's" cmp ours theirs
	is "$1: completeUrl" "$(urls completeUrl)" \
	    "$(peer complete_multipart_upload "$rel" UploadId="$4")"
	is "$1: abortUrl" "$(urls abortUrl)" \
	    "$(peer abort_multipart_upload "$rel" UploadId="$4")"
	is "$1: uri" "$(urls uri)" "s3://region-bucket/$rel"
}

compare 'plain' snap.tlsnap 1234 u-1
compare 'odd key' "a b/ü+~'(x)*&=@:\$,;!\"<>[]{}|^\`#?/é/日本" 12 'a+b/c=~.-_'
i=0
while [ $i -lt 8 ]; do
	# Every position of the number within a hash block's neighbourhood.
	compare "length $i" "$(printf '%0*d' $((i * 8 + 1)) 0)" 11 "u$i"
	i=$((i + 1))
done

file virtual "${base}addressing = virtual
session_token = IQoJ/b3+Jp==
region = eu-central-1
expires_s = 3600
"
sed -i 's|^endpoint.*|endpoint = https://s3.example.com:8443/|' virtual
conf=virtual
compare 'virtual, token' 'x y~+' 12 u-1
file default "${base}addressing = virtual
"
sed -i 's|^endpoint.*|endpoint = https://s3.example.com:443|' default
conf=default
compare 'a port that goes without saying' s 2 u-1
file below "$base"
sed -i 's|^endpoint.*|endpoint = https://s3.example.com/base|' below
conf=below
compare 'an endpoint with a path' s 2 u-1
conf=conf

given '{"uri":"s3://region-bucket/base/x y","op":{"kind":"single_get"}}'
try 'get' presign
keep
is "get: botocore's URL" "$(urls url)" "$(peer get_object 'base/x y')"
given '{"rel_path":"'"$here/one"'","op":{"kind":"single_put"}}'
try 'put' presign
keep
is "put: botocore's URL" "$(urls url)" "$(peer put_object "$here/one")"
lists tl-presign.1
