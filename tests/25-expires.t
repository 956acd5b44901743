#!/bin/sh
# tl-expires: the earliest end of what is signed, whatever shape it has

. "${0%/*}/lib.sh"

# ends TEXT WANT WHAT
ends () {
	given "$1"
	try "$3" tl-expires
	exits 0
	is "$3" "$(cat out)" "$2"
	silent err
}

u='https://b.example/k?X-Amz-Algorithm=AWS4-HMAC-SHA256'
v='X-Amz-Date=20260601T120000Z'

ends '{}' '' 'nothing is signed'
ends '{"expiresAt":"2026-06-02T00:00:00Z"}' 2026-06-02T00:00:00Z 'its own word'
ends '{"expires\u0041t":"2026-06-02T02:00:00.5+02:00"}' 2026-06-02T00:00:00Z \
    'spelt otherwise'
ends '{"a":[{"expiresAt":"2026-06-03T00:00:00Z"},[{"expiresAt":"2026-06-02T00:00:00Z"}]]}' \
    2026-06-02T00:00:00Z 'the earliest, at any depth'
ends "{\"url\":\"$u&$v&X-Amz-Expires=3600&X-Amz-Signature=s\"}" \
    2026-06-01T13:00:00Z 'a signed URL'
ends "{\"url\":\"$u&x=1\\u0026$v\\u0026X-Amz-Expires=3600\"}" \
    2026-06-01T13:00:00Z 'a signed URL with escapes'
ends "{\"partUrls\":[\"$u&$v&X-Amz-Expires=7200\",\"$u&$v&X-Amz-Expires=60\"],
    \"expiresAt\":\"2026-06-02T00:00:00Z\"}" 2026-06-01T12:01:00Z \
    'the earliest of all'
ends '{"a":["https://storage.example/o?X-Goog-Date=20260601T120000Z&X-Goog-Expires=60"]}' \
    2026-06-01T12:01:00Z 'the names of another store'
ends '{"a":["https://b.example/k?AWSAccessKeyId=a&Expires=1780358400&Signature=s"]}' \
    2026-06-02T00:00:00Z 'the older signature'
for none in '"soon"' '"1780358400"' 7 null '["2026-06-02T00:00:00Z"]' \
    '{"at":"2026-06-02T00:00:00Z"}'; do
	ends "{\"expiresAt\":$none}" '' "says nothing: $none"
done
for none in "$u&$v" "$u&X-Amz-Expires=60" \
    "$u&$v&X-Amz-Expires=99999999999999999999" "$u&$v&X-Amz-Expires=-1" \
    "$u&X-Amz-Date=&X-Amz-Expires=1" "X-Amz-Date=20260601T120000Z&X-Amz-Expires=60" \
    httpExpires '' 'FROM x?Expires=1'; do
	ends "{\"url\":\"$none\"}" '' "says nothing: $none"
done

ends "$(printf '{"partUrls":['
    i=0
    while [ "$i" -lt 20000 ]; do
	    i=$((i + 1))
	    printf '"%s&partNumber=%s&%s&X-Amz-Expires=604800",' "$u" "$i" "$v"
    done
    printf '""]}')" 2026-06-08T12:00:00Z 'a very large block'

# within SECONDS ENDS STATUS
within () {
	given "{\"expiresAt\":\"$(date -u -d "$2" +%Y-%m-%dT%H:%M:%SZ)\"}"
	try "-w $1, ends $2" tl-expires -w "$1"
	exits "$3"
	is "-w $1, ends $2: says when" "$(wc -l <out)" 1
}
within 600 '9 minutes' 1
within 600 '11 minutes' 0
within 0 '1 minute' 0
within 0 '1 minute ago' 1
given '{}'
try '-w, and no end' tl-expires -w 600
exits 0
given '{}'
try 'verbose' tl-expires -v
says 'nothing in it says when it ends'
given ''
try 'an empty stdin' tl-expires
exits 65
given '["https://b.example/k?Expires=1"]'
try 'no object' tl-expires
exits 65
given '{"expiresAt":'
try 'no JSON' tl-expires
exits 65
silent out
try 'a bad number' tl-expires -w 1m
exits 64
try 'a word too many' tl-expires x
exits 64
