#!/bin/sh
# tl-exec -i: its standard input goes to the command, in pieces and to the end;
# a server that has none for processes is told apart

. "${0%/*}/lib.sh"

TENSORLAKE_API_KEY=key-MARKER
TL_RETRY_SECOND_MS=20
TL_SANDBOX=box.json
export TENSORLAKE_API_KEY TENSORLAKE_API_URL TL_RETRY_SECOND_MS TL_SANDBOX
all=/api/v1/processes
one=$all/7

rule () {
	printf '{"method":"%s","path":"%s","answers":[%s]}' "$1" "$2" "$3"
}

process () {
	printf '{"pid":7,"status":"%s","command":"cat","args":[],' "$1"
	printf '"started_at":1%s}' "${2:+,$2}"
}

# served STDIN [FOLLOW] [GET] [CLOSE]
served () {
	peer "[$(rule POST $one/stdin "$1"),
	$(rule POST $one/stdin/close "${4:-{\"status\":204\}}"),
	$(rule GET $one/output/follow "${2:-{\"events\":[{\"pause\":0.5\},{\"line\":\"a\"\}]\}}"),
	$(rule GET $one "${3:-{\"json\":$(process exited '"exit_code":0')\}}"),
	$(rule POST $all "{\"status\":201,\"json\":$(process running)}"),
	$(rule GET $all '{"json":{"processes":[]}}'),
	$(rule GET /v1/namespaces/default/sandboxes/sbx-1 '{"json":{"id":"sbx-1",
	    "namespace":"default","status":"running","resources":{"cpus":1.0,
	    "memory_mb":1}}}'),
	$(rule DELETE $one '{"status":204}')]"
	printf '{"id":"sbx-1","proxyUrl":"%s"}' "$URL" >box.json
	TENSORLAKE_API_URL=$URL
}
sent="map(select(.target | startswith(\"$one/stdin\")))"
taken='{"status":204}'

served "$taken"
given 'some text'
try 'a text' tl-exec -i -- cat
exits 0
gives a
is 'a text: asked for a stdin' "$(seen "map(select(.target == \"$all\" and
    .method == \"POST\")) | .[0].body")" \
    '{"command":"cat","args":[],"stdin_mode":"pipe"}'
is 'a text: in a piece, then the end' "$(seen "$sent | map([.target, .body]) |
    tojson")" "[[\"$one/stdin\",\"some text\"],[\"$one/stdin/close\",\"\"]]"
is 'a text: with the key' "$(seen "$sent | map(.headers | map({(.[0] |
    ascii_downcase): .[1]}) | add | .authorization) | unique | tojson")" \
    '["Bearer key-MARKER"]'
served "$taken"
try 'nothing' tl-exec --stdin -- cat
exits 0
is 'nothing: is the end' "$(seen "$sent | map(.target) | tojson")" \
    "[\"$one/stdin/close\"]"
served "$taken"
given x
try 'not without -i' tl-exec -- cat
exits 0
is 'not without -i: none is sent' "$(seen "$sent | length")" 0
is 'not without -i: nor asked for' "$(seen "map(select(.method == \"POST\")) |
    .[0].body | contains(\"stdin\")")" false
served "$taken"
head -c 200000 /dev/zero | tr '\0' x >in
try 'a long one' tl-exec -i -- cat
exits 0
is 'a long one: whole, in order' "$(seen "$sent | map(.body // \"\" | length) |
    add")" 200000

served '{"status":409,"json":{"error":"no more"}}'
given x
try 'a command that does not read' tl-exec -i -- cat
exits 0
gives a
is 'a command that does not read: no more is sent' "$(seen "$sent | length")" 1

# What cannot be sent ends the command, and says why
killed="{\"json\":$(process running)},{\"json\":$(process signaled '"signal":9')}"
for case in 404:69 405:69 403:77 500:69 503:75; do
	served "{\"status\":${case%:*},\"json\":{\"error\":\"no\"}}" '' "$killed"
	given x
	try "refused: ${case%:*}" tl-exec -i -- cat
	exits "${case#*:}"
	says 'tl-exec: stdin'
	is "refused: ${case%:*}: the command is ended" "$(seen 'map(select(
	    .method == "DELETE")) | length')" 1
done
served '{"status":404,"json":{"error":"no"}}' '' "$killed"
given x
try 'a server without' tl-exec -i -- cat
says 'stdin: this server gives a process none (404)'
served '{"drop":true}' '' "$killed"
given x
try 'an answer that is lost' tl-exec -i -- cat
exits 75
is 'an answer that is lost: it is not sent twice' "$(seen "$sent | length")" 1

# Whoever waits for a terminal is not waited for
served "$taken"
mkfifo endless
sleep 600 >endless &
later kill $! '2>/dev/null'
begun=$(date +%s)
tl-exec -i -- cat <endless >out 2>err
is 'a stdin that does not end' "$? $(cat out)" '0 a'
is 'a stdin that does not end: no longer than the command' \
    "$(($(date +%s) - begun < 30))" 1
for bad in '--attach 7' '--kill 7'; do
	# shellcheck disable=SC2086
	try "-i $bad" tl-exec -i $bad
	exits 64
done
sed -i '/^0$/d' statuses
lists tl-exec.1
