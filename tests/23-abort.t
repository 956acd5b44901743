#!/bin/sh
# tl-abort: a signed upload is aborted, its URL never shown

. "${0%/*}/lib.sh"

TL_RETRY_SECOND_MS=1
export TL_RETRY_SECOND_MS

# server ANSWER...: one after another
server () {
	a=$(for x; do printf '%s' "$x"; done | jq -sc .)
	peer "[{\"method\":\"DELETE\",\"path\":\"/bucket/*\",\"answers\":$a}]"
	url="$URL/bucket/key?uploadId=u&X-Sig=MARKER%2F"
	signed="{\"upload\":{\"n\":1,\"n\":1e400,\"abortUrl\":\"$url\"},
	    \"parentDownload\":{}}"
}

server '{"status":204}'
given "$signed"
try 'a signed document' env TENSORLAKE_API_KEY=key tl-abort
exits 0
silent out
silent err
is 'a DELETE, its query whole' "$(seen '.[] | .method + " " + .target')" \
    'DELETE /bucket/key?uploadId=u&X-Sig=MARKER%2F'
is 'no token' "$(seen '.[0].headers |
    map(select(.[0] | ascii_downcase == "authorization")) | length')" 0
given "{\"abortUrl\":\"$url\"}"
try 'a bare block' tl-abort
exits 0
is 'a bare block' "$(seen length)" 2
given "{\"abort\\u0055rl\":\"$(printf %s "$url" | sed 's|/|\\/|g')\"}"
try 'escapes are undone' tl-abort
exits 0
is 'escapes are undone' "$(seen 'map(.target) | unique | length')" 1

for none in '{}' '{"parentDownload":{}}'; do
	given "$none"
	try "nothing signed: $none" tl-abort
	exits 0
	silent err
done
is 'nothing signed: no request' "$(seen length)" 3

server '{"status":404,"body":"<Error><Code>NoSuchUpload</Code></Error>"}'
given "$signed"
try 'gone already' tl-abort
exits 0
silent err
server '{"status":503}' '{"drop":true}' '{"status":204}'
given "$signed"
try 'a busy store' tl-abort -v
exits 0
says 'again in 1 s'
ok 'a busy store: no key shown' sh -c '! grep MARKER err'
is 'a busy store' "$(seen length)" 3
refused () {
	server "$3"
	given "$signed"
	try "$1" tl-abort -v
	exits "$2"
	says "$4"
	silent out
	ok "$1: no key shown" sh -c '! grep MARKER err'
}
refused 'refused' 77 '{"status":403,"body":"<Error/>"}' \
    'abort: the store refused (403 Error)'
# Its code says more than the status.
coded () {
	refused "$1" "$2" "{\"status\":400,
	    \"body\":\"<Error><Code>$1</Code></Error>\"}" "$3"
}
coded ExpiredToken 77 'credentials that signed it are over'
coded RequestTimeTooSkewed 77 'set the clocks'
coded RequestTimeout 75 'abort: the store refused (400 RequestTimeout)'
is 'slow: asked again' "$(seen length)" 5
refused 'broken' 75 '{"status":500}' 'refused (500)'
is 'broken: asked again' "$(seen length)" 5
refused 'not that' 69 '{"status":501}' 'refused (501)'
refused 'busy' 75 '{"status":503}' 'refused (503)'
refused 'no HTTP' 76 '{"raw":"hello\r\n"}' 'DELETE '
refused 'hang-up' 75 '{"drop":true}' 'DELETE '
given '{"abortUrl":"http://127.0.0.1:1/x?MARKER"}'
try 'nobody listens' tl-abort
exits 75
says 'DELETE http://127.0.0.1:1/x?'
ok 'nobody listens: no key shown' sh -c '! grep MARKER err'

server '{"hang":true}'
given "$signed"
try 'a store that hangs' tl-abort -t 1
exits 75
says 'deadline'
server '{"status":503,"headers":{"Retry-After":"60"}}'
given "$signed"
try 'no time for another attempt' env TL_RETRY_SECOND_MS=1000 tl-abort -t 2
exits 75
is 'no time for another attempt' "$(seen length)" 1
try 'no time at all' tl-abort -t 0
exits 64

bad () {
	given "$2"
	try "$1" tl-abort
	exits "${4:-65}"
	says "$3"
	silent out
	ok "$1: no key shown" sh -c '! grep MARKER err'
}
bad 'empty' '' 'stdin: empty'
bad 'no JSON' '{"abortUrl":"MARKER"' 'stdin: '
bad 'an array' '[]' 'stdin: '
bad 'another document' '{"buildId":"b"}' 'no abortUrl'
bad 'an upload without one' '{"upload":{}}' 'abortUrl: missing'
bad 'an upload that is none' '{"upload":"MARKER"}' 'upload: not an object'
bad 'two uploads' '{"upload":{},"upload":{}}' 'upload'
bad 'two URLs' '{"abortUrl":"a","abortUrl":"b"}' 'abortUrl'
bad 'a number' '{"abortUrl":7}' 'abortUrl: not a string'
bad 'no web address' '{"abortUrl":"file:///etc/x?MARKER"}' 'http' 65
try 'an unknown option' tl-abort --nope
exits 64
try 'an operand' tl-abort x
exits 64
try 'help' tl-abort -h
exits 0
holds 'usage: tl-abort'
lists tl-abort.1
