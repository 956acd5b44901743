#!/bin/sh
# tl-dataplaned: it signs for the project of the sandbox that asks, and no other

. "${0%/*}/lib.sh"

umask 077
printf 'AKRW secret rw\n' >keys
header=X-Tensorlake-Sandbox-Id
path=projects/p1/sandbox-template-builds/b1/s1.tlsnap

wait_for () {
	i=0
	while [ ! -s "$1" ] && [ $i -lt 500 ]; do
		sleep 0.02
		i=$((i + 1))
	done
	cat "$1"
}

# shellcheck disable=SC2016
later '[ -z "${pid-}" ] || kill "$pid"'
# shellcheck disable=SC2016
later '[ -z "${store-}" ] || kill "$store" 2>/dev/null'
tl-stored -d root -c keys -b images -r stored.url 2>stored.log &
store=$!
url=$(wait_for stored.url)
printf '%s = %s\n' bucket images endpoint "$url" access_key AKRW \
    secret_key secret >conf

mkdir -p sandboxes/s1 sandboxes/s2 sandboxes/s3 sandboxes/s4
owner () {
	printf '{"sandboxId":"%s","organizationId":"o1","projectId":"%s"}\n' \
	    "$2" "$3" >"sandboxes/$1/owner.json"
}
owner s1 s1 p1
owner s2 s2 p2
owner s3 other p1
owner s4 s4 ../p1

# The command line

for listen in 127.0.0.1:0 0.0.0.0:80 unix: unix:relative; do
	try "--listen $listen" tl-dataplaned -c conf -s sandboxes -l "$listen"
	exits 64
	silent out
done
try 'no --listen' tl-dataplaned -c conf -s sandboxes
exits 64
try 'no configuration' tl-dataplaned -c nowhere -s sandboxes \
    -l "unix:$T/sock"
exits 66

tl-dataplaned -v -c conf -s sandboxes -l "unix:$T/sock" -r ready 2>log &
pid=$!
is 'the address is the socket' "$(wait_for ready)" "unix:$T/sock"
is 'which is for its owner only' "$(stat -c %a sock)" 600
try 'a socket in use' tl-dataplaned -c conf -s sandboxes -l "unix:$T/sock"
exits 69
ok 'it listens nowhere else' sh -c \
    '! ls -l /proc/'"$pid"'/fd | grep -o "socket:\[[0-9]*" | tr -dc "0-9\n" |
    grep -Ff - /proc/net/tcp /proc/net/tcp6'

# asked NAME STATUS CODE CURL-OPTION...
asked () {
	what=$1 want=$2 code=$3
	shift 3
	got=$(curl -s --unix-socket sock -o body -w '%{http_code}' "$@")
	is "$what" "$got $(jq -r '.code // ""' body 2>/dev/null)" \
	    "$want $code"
}

# sign NAME STATUS CODE SANDBOX REQUEST
sign () {
	asked "$1" "$2" "$3" -H "$header: $4" -d "$5" \
	    http://dataplane/api/v1/blob/sign
}

parts='"parts":2,"part_size_bytes":5242880'
seed='{"rel_path":"'$path'","op":{"kind":"multipart_put",'$parts'}}'
merged='{"target":{"kind":"artifact","rel_path":"'$path'"},"op":{"kind":"put_artifact","multipart_hint":{"max_parts":2,"part_size_bytes":5242880}}}'
get='{"uri":"s3://images/base","op":{"kind":"single_get"}}'

for dialect in seed merged; do
	eval "request=\$$dialect"
	sign "$dialect: signed" 200 '' s1 "$request"
	is "$dialect: the block" "$(jq -c '[.kind, .uri, (.partUrls | length),
	    .partSizeBytes]' body)" \
	    '["s3_multipart","s3://images/'"$path"'",2,5242880]'
	is "$dialect: the upload is open in the store" \
	    "$(ls "root/images/uploads/$(jq -r .uploadId body)")" \
	    "root/images/uploads/$(jq -r .uploadId body)"
	is "$dialect: and is aborted by its URL" "$(curl -s -X DELETE \
	    -w '%{http_code}' "$(jq -r .abortUrl body)")" 204
done
sign 'a download' 200 '' s1 "$get"
is 'a download: the block' "$(jq -c '[.kind, .method, .headers]' body)" \
    '["single_get","GET",{}]'
sign 'a download, merged' 200 '' s2 \
    '{"target":{"kind":"blob","uri":"s3://images/base"},"op":{"kind":"get_blob"}}'
sign 'a single put' 200 '' s1 '{"rel_path":"'$path'","op":{"kind":"single_put"}}'
sign '10,000 parts' 200 '' s1 "$(echo "$seed" | sed 's/"parts":2/"parts":10000/')"
is '10,000 parts: all there' "$(jq '.partUrls | length' body)" 10000
is '10,000 parts: aborted' "$(curl -s -X DELETE -w '%{http_code}' \
    "$(jq -r .abortUrl body)")" 204

# Whose

sign "another project's prefix" 403 FORBIDDEN s2 "$seed"
sign "another project's prefix, merged" 403 FORBIDDEN s2 "$merged"
sign 'another bucket' 403 FORBIDDEN s1 "$(echo "$get" | sed s/images/others/)"
sign 'no such sandbox' 404 SANDBOX_NOT_FOUND s9 "$seed"
mv sandboxes/s1 sandboxes/gone
sign 'a sandbox that has gone' 404 SANDBOX_NOT_FOUND s1 "$seed"
mv sandboxes/gone sandboxes/s1
sign 'an owner.json of another' 500 INTERNAL_ERROR s3 "$seed"
sign 'a project that is none' 500 INTERNAL_ERROR s4 "$seed"
for id in . .. ../s1 s1/../s1 's1 s2' s1%2f 's1;s2' s1,s1 \
    00000000000000000000000000000000000000000000000000000000000000001; do
	sign "id $id" 400 INVALID_SANDBOX_ID "$id" "$seed"
done
asked 'no id' 400 MISSING_SANDBOX_ID -d "$seed" \
    http://dataplane/api/v1/blob/sign
asked 'an empty id' 400 MISSING_SANDBOX_ID -H "$header;" -d "$seed" \
    http://dataplane/api/v1/blob/sign
asked 'the id twice' 400 INVALID_SANDBOX_ID -H "$header: s1" \
    -H "$header: s1" -d "$seed" http://dataplane/api/v1/blob/sign
asked 'the id twice, in another spelling' 400 INVALID_SANDBOX_ID \
    -H "$header: s2" -H "x-tensorlake-sandbox-id: s1" -d "$seed" \
    http://dataplane/api/v1/blob/sign
for other in X_Tensorlake_Sandbox_Id X.Tensorlake.Sandbox.Id; do
	asked "$other is another header" 400 MISSING_SANDBOX_ID \
	    -H "$other: s1" -d "$seed" http://dataplane/api/v1/blob/sign
	asked "$other changes nothing" 403 FORBIDDEN -H "$header: s2" \
	    -H "$other: s1" -d "$seed" http://dataplane/api/v1/blob/sign
done

# What

sign 'not JSON' 400 INVALID_REQUEST s1 '{"rel_path":'
sign 'nothing' 400 INVALID_REQUEST s1 ''
sign 'a mix of both' 400 INVALID_REQUEST s1 \
    '{"rel_path":"'$path'","target":{"kind":"artifact","rel_path":"'$path'"},"op":{"kind":"put_artifact"}}'
sign 'a path with ..' 400 INVALID_REQUEST s1 \
    "$(echo "$seed" | sed 's|b1/s1|../b1|')"
sign 'too many parts' 400 INVALID_REQUEST s1 \
    "$(echo "$seed" | sed 's/"parts":2/"parts":10001/')"
sign 'writing to a uri' 400 INVALID_REQUEST s1 \
    '{"uri":"s3://images/x","op":{"kind":"single_put"}}'
head -c 20000 /dev/zero | tr '\0' ' ' >large
asked 'too long' 413 too_large -H "$header: s1" -d @large \
    http://dataplane/api/v1/blob/sign
asked 'another method' 405 METHOD_NOT_ALLOWED -H "$header: s1" \
    http://dataplane/api/v1/blob/sign
asked 'another path' 404 NOT_FOUND -H "$header: s1" -d "$seed" \
    http://dataplane/api/v1/blob/signs
is 'no upload is left by what was refused' "$(ls root/images/uploads)" ''

# What is open at a path of a sandbox that has ended

release () {
	asked "$1" "$2" "$3" -H "$header: $4" -d "$5" \
	    http://dataplane/api/v1/blob/release
}
ours='{"rel_path":"'$path'"}'
sign 'an upload' 200 '' s1 "$seed"
sign 'and once more' 200 '' s1 "$merged"
tl-multipart -c conf create "$path.2" >/dev/null
tl-multipart -c conf create "$path/2" >/dev/null
release 'not while it runs' 404 SANDBOX_NOT_FOUND s1 "$ours"
mv sandboxes/s1/owner.json sandboxes/s1/ended.json
mv sandboxes/s2/owner.json sandboxes/s2/ended.json
sign 'ended: nothing is signed' 404 SANDBOX_NOT_FOUND s1 "$seed"
release "another project's path" 403 FORBIDDEN s2 "$ours"
release 'no path' 400 INVALID_REQUEST s1 '{"path":"x"}'
release 'a path that is a number' 400 INVALID_REQUEST s1 '{"rel_path":1}'
release 'a path twice' 400 INVALID_REQUEST s1 \
    '{"rel_path":"'$path'","rel_path":"'$path'.2"}'
release 'a path with ..' 400 INVALID_REQUEST s1 \
    '{"rel_path":"'${path%/*}'/../x"}'
release 'a list' 400 INVALID_REQUEST s1 '["'$path'"]'
release 'nothing' 400 INVALID_REQUEST s1 ''
release 'id ..' 400 INVALID_SANDBOX_ID .. "$ours"
asked 'no id' 400 MISSING_SANDBOX_ID -d "$ours" \
    http://dataplane/api/v1/blob/release
asked 'another method' 405 METHOD_NOT_ALLOWED -H "$header: s1" \
    http://dataplane/api/v1/blob/release
is 'so all are there still' "$(set -- root/images/uploads/*; echo $#)" 4
release 'released' 200 '' s1 "$ours"
is 'which are two' "$(cat body)" '{"released":2}'
release 'again' 200 '' s1 "$ours"
is 'which is none' "$(cat body)" '{"released":0}'
for other in "$path.2" "$path/2"; do
	is "what is open at ${other##*/} stays" \
	    "$(tl-multipart -c conf list "$other" | wc -l)" 1
	tl-multipart -c conf release "$other"
done
is 'the log says it' "$(grep -c "s1 of p1: released 2 uploads of s3://images/$path\$" log)" 1
for s in s1 s2; do
	mv sandboxes/$s/ended.json sandboxes/$s/owner.json
done

# Who: another user, through a socket that lets it connect

if [ "$(id -u)" -eq 0 ]; then
	chmod 711 "$T"
	chmod 666 sock
	as_nobody () {
		setpriv --reuid 65534 --clear-groups curl -s --unix-socket \
		    "$T/sock" -w ' %{http_code}' -H "$header: s1" -d "$get" \
		    http://dataplane/api/v1/blob/sign
	}
	is 'another user is refused' "$(as_nobody | grep -c 'FORBIDDEN.* 403\|^ 403')" 1
	kill "$pid"
	wait "$pid"
	tl-dataplaned -c conf -s sandboxes -l "unix:$T/sock" -r ready \
	    -u 65534 2>>log &
	pid=$!
	wait_for ready >/dev/null
	is 'unless it is allowed' "$(as_nobody | tail -c 4)" ' 200'
fi

# When the store or the credentials fail

cp conf good
sed 's/^secret_key.*/secret_key = wrong/' good >conf
mv sandboxes/s1/owner.json sandboxes/s1/ended.json
release 'the store refuses the list' 502 STORE_ERROR s1 "$ours"
mv sandboxes/s1/ended.json sandboxes/s1/owner.json
sign 'the store refuses the key' 502 STORE_ERROR s1 "$seed"
echo 'credentials_expire = 2020-01-01T00:00:00Z' | cat good - >conf
sign 'credentials that have ended' 503 CREDENTIALS_ENDED s1 "$seed"
sign 'credentials that have ended: a download' 503 CREDENTIALS_ENDED s1 "$get"
rm conf
sign 'no configuration any more' 500 INTERNAL_ERROR s1 "$seed"
cp good conf
sign 'and there again' 200 '' s1 "$get"
kill "$store"
wait "$store"
store=
sign 'no store' 503 STORE_UNAVAILABLE s1 "$seed"
sign 'no store: a download needs none' 200 '' s1 "$get"
mv sandboxes/s1/owner.json sandboxes/s1/ended.json
release 'no store: nothing is released' 503 STORE_UNAVAILABLE s1 "$ours"

ok 'the log says what was signed' grep -q \
    "sandbox s1 of p1: multipart_put s3://images/$path, 2 parts" log
ok 'and each request' grep -q ': POST /api/v1/blob/release$' log
ok 'and has no query, key or secret' sh -c \
    '! grep -q "X-Amz\|AKRW\|= secret\|uploadId=" log'
kill "$pid"
wait "$pid"
is 'it ends with 0 on SIGTERM' $? 0
pid=
ok 'and takes socket and ready file along' sh -c \
    'test ! -e sock && test ! -e ready'
lists tl-dataplaned.8
