#!/bin/sh
# tl-stored: S3 as its own client knows it, and as a presigned URL has it

. "${0%/*}/lib.sh"

umask 077
printf '# keys\nAKRW secret/rw+x rw\nAKRO secret/ro ro\n' >keys

# start OPTION...: a store on the folder "root"
start () {
	tl-stored -d root -c keys -b region-bucket -b other -r url "$@" \
	    2>log &
	pid=$!
	i=0
	while [ ! -s url ] && [ $i -lt 500 ] && kill -0 $pid 2>/dev/null; do
		sleep 0.02
		i=$((i + 1))
	done
	url=$(cat url)
}

stop () {
	kill "$pid" 2>/dev/null
	wait "$pid"
	status=$?
	pid=
}

# shellcheck disable=SC2016
later '[ -z "${pid-}" ] || kill "$pid"'

# The command line

for args in '' '-d root' '-d root -c keys' '-c keys -b region-bucket' \
    '-d root -c keys -b region-bucket x' '-d root -c keys -b ..' \
    '-d root -c keys -b A/B' '-d root -c keys -b region-bucket -m 0'; do
	# shellcheck disable=SC2086
	try "tl-stored $args" tl-stored $args
	exits 64
	silent out
done
try 'no keys' tl-stored -d root -c nowhere -b region-bucket
exits 66
file bad 'AK SK wr
'
try 'bad keys' tl-stored -d root -c bad -b region-bucket
exits 78
says 'bad:1: not ACCESS SECRET rw|ro'
file open ''
chmod 644 open
try 'keys that others can read' tl-stored -d root -c open -b region-bucket
exits 78
says 'chmod 600'
try 'an address that is not loopback' tl-stored -d root -c keys \
    -b region-bucket -l 0.0.0.0:0
exits 64
silent out

start -v
ok 'it listens on loopback' grep -q '^http://127\.0\.0\.1:[1-9]' url
try 'a folder in use' tl-stored -d root -c keys -b region-bucket
exits 69
says 'in use by another process'

# Presigned URLs, made by tl-presign

conf () {
	printf '%s = %s\n' bucket region-bucket endpoint "$url" \
	    access_key "$1" secret_key "$2" >"$3"
}

key=projects/p1/sandbox-template-builds/b1/s1.tlsnap

# sign REQUEST MEMBER [CONF [OPTION...]]
sign () {
	req=$1 member=$2 c=${3-conf}
	shift 2
	[ $# -eq 0 ] || shift
	printf %s "$req" | tl-presign -c "$c" -p p1 "$@" | jq -r "$member"
}

# ago SECONDS: a time for tl-presign -t
ago () {
	date -u -d "@$(($(date +%s) - $1))" +%FT%TZ
}

# asked NAME STATUS CODE CURL-OPTION...: the status and S3's word in the answer
asked () {
	name=$1 want=$2 code=$3
	shift 3
	got=$(curl -s -o body -w '%{http_code}' "$@")
	word=$(sed -n 's|.*<Code>\(.*\)</Code>.*|\1|p' body 2>/dev/null)
	is "$name" "$got $word" "$want $code"
}

conf AKRW secret/rw+x conf
conf AKRO secret/ro ro
conf AKRW wrong wrong
put='{"rel_path":"'$key'","op":{"kind":"single_put"}}'
get='{"uri":"s3://region-bucket/'$key'","op":{"kind":"single_get"}}'
printf 'some bytes' >some
asked 'PUT' 200 '' -T some "$(sign "$put" .url)"
asked 'GET' 200 '' "$(sign "$get" .url)"
ok 'GET: the bytes' cmp some body
ok 'each request is in the log, without its query' \
    grep -q ": GET /region-bucket/$key\$" log
asked 'GET by the read-only key' 200 '' "$(sign "$get" .url ro)"
asked 'PUT by the read-only key' 403 AccessDenied -T some \
    "$(sign "$put" .url ro)"
asked 'HEAD with a URL for GET' 403 '' -I "$(sign "$get" .url)"
asked 'PUT with a URL for GET' 403 SignatureDoesNotMatch -T some \
    "$(sign "$get" .url)"
asked 'a wrong secret' 403 SignatureDoesNotMatch "$(sign "$get" .url wrong)"
u=$(sign "$get" .url)
asked 'another key with that signature' 403 SignatureDoesNotMatch \
    "$(echo "$u" | sed 's/s1\.tlsnap/s2.tlsnap/')"
asked 'another expiry with that signature' 403 SignatureDoesNotMatch \
    "$(echo "$u" | sed 's/Expires=604800/Expires=604799/')"
asked 'one digit of the signature' 403 SignatureDoesNotMatch \
    "${u%?}$(printf %s "$u" | tail -c 1 | tr 0-9a-f 1-9a-f0)"
asked 'a parameter more' 403 SignatureDoesNotMatch "$u&x=1"
asked 'another host' 403 SignatureDoesNotMatch -H 'Host: elsewhere' "$u"
asked 'a header that is not signed' 403 AccessDenied \
    -H 'x-amz-meta-a: b' "$u"
asked 'no signature' 403 AccessDenied "${u%%\?*}"
asked 'no X-Amz-Expires' 400 AuthorizationQueryParametersError \
    "$(echo "$u" | sed 's/&X-Amz-Expires=[0-9]*//')"
asked 'X-Amz-Date twice' 400 AuthorizationQueryParametersError \
    "$u&X-Amz-Date=20260101T000000Z"
asked 'both ways of signing' 400 InvalidArgument -H 'Authorization: x' "$u"
asked 'expired' 403 AccessDenied \
    "$(sign "$get" .url conf -t "$(ago 604802)")"
ok 'expired: says so' grep -q 'has expired' body
asked 'just not expired' 200 '' \
    "$(sign "$get" .url conf -t "$(ago 604790)")"
asked 'signed in the future' 403 AccessDenied \
    "$(sign "$get" .url conf -t "$(ago -3600)")"
asked 'Content-Length: a chunked PUT' 411 MissingContentLength \
    -H 'Transfer-Encoding: chunked' -T some "$(sign "$put" .url)"
asked 'a range' 206 '' -r 5-7 "$u"
is 'a range: the bytes' "$(cat body)" byt
asked 'a range past the end' 416 InvalidRange -r 10- "$u"
# shellcheck disable=SC2016
asked 'a bad percent escape' 400 InvalidURI "${u}&a=%zz"

# A multipart upload as tl-presign opens it

multi='{"rel_path":"'$key'","op":{"kind":"multipart_put","parts":3,"part_size_bytes":5242880}}'
printf %s "$multi" >in
try 'tl-presign opens an upload' tl-presign -c conf -p p1
exits 0
silent err
cp out block
id=$(jq -r .uploadId block)
is 'its id is in every URL' "$(jq -r '.partUrls[], .completeUrl, .abortUrl' \
    block | grep -c "uploadId=$id&")" 5
head -c 5242880 /dev/urandom >p1
printf end >p2
for part in 1 2; do
	asked "part $part" 200 '' -T p$part -D head$part \
	    "$(jq -r ".partUrls[$((part - 1))]" block)"
	eval "e$part=$(sed -n 's/^ETag: "\(.*\)".*/\1/p' head$part)"
done
# shellcheck disable=SC2154
is 'the ETag is the MD5' "$e1 $e2" \
    "$(md5sum <p1 | cut -d' ' -f1) $(md5sum <p2 | cut -d' ' -f1)"
xml () {
	printf '<CompleteMultipartUpload>'
	printf '<Part><PartNumber>%s</PartNumber><ETag>%s</ETag></Part>' "$@"
	printf '</CompleteMultipartUpload>'
}
xml 1 "\"$e2\"" >list
asked 'complete: another ETag' 400 InvalidPart -X POST -d @list \
    "$(jq -r .completeUrl block)"
echo 'no xml' >list
asked 'complete: no XML' 400 MalformedXML -X POST -d @list \
    "$(jq -r .completeUrl block)"
xml 1 "\"$e1\"" 2 "&quot;$e2&quot;" >list
asked 'complete' 200 '' -X POST -d @list "$(jq -r .completeUrl block)"
ok 'complete: a result' grep -q '<ETag>&quot;[0-9a-f]*-2&quot;</ETag>' body
asked 'the object' 200 '' "$(sign "$get" .url)"
ok 'the object: its bytes' sh -c 'cat p1 p2 | cmp - body'
asked 'abort after completing' 404 NoSuchUpload -X DELETE \
    "$(jq -r .abortUrl block)"
given ''
printf %s "$multi" >in
try 'an upload whose block has nowhere to go' sh -c \
    'tl-presign -c conf -p p1 >/dev/full'
exits 74
mkfifo pipe
printf %s "$multi" | sed 's/"parts":3/"parts":10000/' >in
try 'an upload whose reader leaves' sh -c '
    tl-presign -c conf -p p1 <in >pipe & head -c 1 pipe >/dev/null; wait $!'
exits 74
lists tl-presign.1
rm statuses
try 'tl-multipart create' tl-multipart -c conf create x/y
exits 0
id=$(cat out)
try 'tl-multipart abort' tl-multipart -c conf abort x/y "$id"
exits 0
silent out
try 'tl-multipart abort, again' tl-multipart -c conf abort x/y "$id"
exits 0
is 'no upload is left' "$(ls root/region-bucket/uploads)" ''
for key_ in x/y x/y x/y x/yz x; do
	tl-multipart -c conf create "$key_" >>ids
done
try 'tl-multipart list' tl-multipart -c conf list x/y
exits 0
is 'its ids' "$(sort out)" "$(head -n 3 ids | sort)"
try 'tl-multipart list, a full disk' sh -c \
    'tl-multipart -c conf list x/y >/dev/full'
exits 74
try 'tl-multipart release' tl-multipart -c conf release x/y
exits 0
silent out
try 'tl-multipart list, then' tl-multipart -c conf list x/y
exits 0
silent out
is 'others are left' "$(tl-multipart -c conf list x/yz; \
    tl-multipart -c conf list x)" "$(tail -n 2 ids)"
try 'tl-multipart -v release' tl-multipart -v -c conf release x/yz
says 'released 1 uploads'
tl-multipart -c conf release x
try 'tl-multipart release by the read-only key' tl-multipart -c ro release x/y
exits 0
for args in list 'list x y' 'release' 'abort x' 'create x y' 'lists x'; do
	# shellcheck disable=SC2086
	try "tl-multipart $args" tl-multipart -c conf $args
	exits 64
done
try 'tl-multipart by the read-only key' tl-multipart -c ro create x/y
exits 77
says AccessDenied
ok 'no query in its words' sh -c '! grep -q X-Amz err'
printf '%s = %s\n' bucket nowhere endpoint "$url" access_key AKRW \
    secret_key secret/rw+x >nobucket
try 'tl-multipart in no bucket' tl-multipart -c nobucket create x/y
exits 69
says NoSuchBucket
# A list as other stores have it: in pages, with entities, not in order.
upload () {
	printf '<Upload><Initiator><ID>i</ID></Initiator><UploadId>%s</UploadId>' "$2"
	printf '<Key>%s</Key></Upload>' "$1"
}
result () {
	printf '<?xml version="1.0"?><ListMultipartUploadsResult xmlns="x">'
	printf '%s</ListMultipartUploadsResult>' "$1"
}
page1=$(result "<IsTruncated>true</IsTruncated><NextKeyMarker>a&amp;b/&#xe9;&lt;\
</NextKeyMarker><NextUploadIdMarker>2~u+/=</NextUploadIdMarker>$(
    upload 'a&amp;b/&#233;&lt;&quot;' no; upload 'a&amp;b/&#xe9;&lt;' one)")
page2=$(result "$(upload 'a&#38;b/é&lt;' 'two'
    upload 'a&amp;amp;b/é&lt;' no)<IsTruncated>false</IsTruncated>")
# lister ANSWER...: a store that says these, each a page
lister () {
	for answer; do
		jq -n --arg b "$answer" '{body: $b}'
	done | jq -s '[{method: "GET", path: "/images/[?]*", answers: .}, {method:
	    "DELETE", path: "*uploadId=one&*", answers: [{status: 403}]},
	    {method: "DELETE", path: "*", answers: [{status: 204}]}]' >pages
	peer "$(cat pages)"
	printf '%s = %s\n' bucket images endpoint "$URL" access_key AK \
	    secret_key sk >paged
}
lister "$page1" "$page2"
try 'a list in two pages' tl-multipart -c paged list 'a&b/é<'
exits 0
gives 'one
two'
is 'they are asked for by the whole key, and from where the first ended' \
    "$(seen 'map(.target | sub("&X-Amz-.*"; ""))[]')" \
    '/images/?uploads=&prefix=a%26b%2F%C3%A9%3C
/images/?uploads=&prefix=a%26b%2F%C3%A9%3C&key-marker=a%26b%2F%C3%A9%3C&upload-id-marker=2~u%2B%2F%3D'
lister "$page1" "$page2"
try 'one that is not let go' tl-multipart -c paged release 'a&b/é<'
exits 77
is 'does not keep the others' "$(seen 'map(select(.method == "DELETE") |
    .target | sub("&X-Amz-.*"; ""))[]')" '/images/a%26b/%C3%A9%3C?uploadId=one
/images/a%26b/%C3%A9%3C?uploadId=two'
for answer in '' '<html>' "${page2%</*}" "$(result '<Upload><Key>a')" \
    "$(result '<Upload><Key>a</Key></Upload>')" \
    "$(result '<IsTruncated>true</IsTruncated>')"; do
	lister "$answer"
	try "no list: $answer" tl-multipart -c paged release a
	exits 76
	silent out
done
lister "$page1"
try 'a list without an end' tl-multipart -c paged list 'a&b/é<'
exits 76
says 'no end after 1000 pages'
peer_end
lists tl-multipart.1
rm statuses
given "$multi"
try 'tl-presign in no bucket' tl-presign -c nobucket -p p1
exits 69
silent out

# A crash: parts that were acknowledged are there, what does not count goes

printf %s "$multi" | tl-presign -c conf -p p1 >block
asked 'a part before the crash' 200 '' -T p1 "$(jq -r '.partUrls[0]' block)"
kill -9 "$pid"
wait "$pid" 2>/dev/null
mkdir root/region-bucket/data/00000000000000000000000000000000
: >root/region-bucket/objects/.tmp-x
: >root/region-bucket/uploads/.tmp-x
listen=${url#http://}
rm -f url
start -l "$listen"
is 'after a crash: half-written things are gone' \
    "$(find root -name '.tmp*' -o -name '000*')" \
    "$(find root -name 00001)"
xml 1 "\"$e1\"" >list
asked 'after a crash: complete' 200 '' -X POST -d @list \
    "$(jq -r .completeUrl block)"
asked 'after a crash: the object' 200 '' "$(sign "$get" .url)"
ok 'after a crash: its bytes' cmp p1 body
is 'one data folder for one object' \
    "$(find root/region-bucket/data -mindepth 1 -maxdepth 1 | wc -l)" 1
# A crash after the object counts and before the upload does not any more.
printf %s "$multi" | tl-presign -c conf -p p1 >block
id=$(jq -r .uploadId block)
for part in 1 2; do
	asked "part $part" 200 '' -T p$part "$(jq -r ".partUrls[$((part - 1))]" block)"
done
cp "root/region-bucket/uploads/$id" marker
asked 'complete with one part' 200 '' -X POST -d @list \
    "$(jq -r .completeUrl block)"
stop
is 'it ends with 0 on SIGTERM' "$status" 0
ok 'and takes its ready file along' test ! -e url
cp marker "root/region-bucket/uploads/$id"
ln -s nothing "root/region-bucket/data/$id/00002"
start -l "$listen"
is 'a completion cut short is brought to its end' \
    "$(ls root/region-bucket/uploads; find "root/region-bucket/data/$id" \
    -mindepth 1 | wc -l)" 1
asked 'and the object stands' 200 '' "$(sign "$get" .url)"
ok 'with its bytes' cmp p1 body
is 'nothing was logged' "$(cat log)" ''

if /usr/bin/python3 -c 'import boto3' 2>/dev/null; then
	taps boto3 /usr/bin/python3 "$data/store.py" "$url" region-bucket \
	    AKRW secret/rw+x AKRO secret/ro
else
	echo '# without python3-boto3: not tried with its real client'
fi
printf '%s = %s\n' bucket other endpoint "$url" access_key AKRW \
    secret_key secret/rw+x region us-east-1 >conform
taps S3 /usr/bin/python3 -B "$here/s3/conform.py" conform
is 'no upload is left' "$(ls root/region-bucket/uploads)" ''
stop
is 'it ends with 0' "$status" 0
lists tl-stored.8
