#!/bin/sh
# tl-image: lists, shows, registers, fetches and deletes images

. "${0%/*}/lib.sh"

TENSORLAKE_API_KEY=key-MARKER
TL_RETRY_SECOND_MS=1
export TENSORLAKE_API_KEY TENSORLAKE_API_URL TL_RETRY_SECOND_MS
all=/platform/v1/sandbox-templates
headers='map(.headers | map({(.[0] | ascii_downcase): .[1]}) | add)'

# rule METHOD PATH ANSWER,...
rule () {
	jq -cn --arg m "$1" --arg p "$2" --argjson a "[$3]" \
	    '{method: $m, path: $p, answers: $a}'
}

body () {
	jq -cn --arg b "$1" --argjson s "${2:-200}" '{body: $b, status: $s}'
}

# page ITEMS [LINK]
page () {
	body "{\"items\":[$1],\"pagination\":{\"next\":${2:-null}}}"
}

# serve RULE,...
serve () {
	peer "[$1]"
	TENSORLAKE_API_URL=$URL
}

# asked: the requests, in a row
asked () {
	seen 'map(.method + " " + .target)[]'
}

# Odd on purpose: it must come out as it went in.
web='{ "id":"t-1", "name" : "web","n":12345678901234567890,"n":1.0,
"snapshotId":"s-1","u":"\u0041\/","snapshotUri":"s3://b/web.tlsnap",
"snapshotSizeBytes":1468006,"rootfsDiskBytes":10737418240,
"rootfsNodeKind":"diff","createdAt":"2026-11-24T10:00:00Z" }'
tools='{"id":"t-2","name":"team/tools:1","snapshotId":"s-2"}'
odd='{"id":"t-3","name":"a\u001b[31m\u0000\nb\u009fé","snapshotId":7,
"rootfsDiskBytes":-1,"rootfsNodeKind":"","snapshotSizeBytes":1023}'

# A list.
serve "$(rule GET "$all?pageSize=100" "$(page "$web,$tools,$odd")")"
try 'a table' tl-image ls
exits 0
silent err
gives 'NAME                         KIND  DISK  SIZE   CREATED               ID
web                          diff  10G   1.4M   2026-11-24T10:00:00Z  t-1
team/tools:1                 -     -     -      -                     t-2
a\033[31m\000\012b\302\237é  -     -     1023B  -                     t-3'
is 'asks once, with the key' "$(asked) $(seen "$headers"' | .[0] |
    .authorization + " " + .accept')" \
    "GET $all?pageSize=100 Bearer key-MARKER application/json"
try 'the bytes' tl-image ls --json
exits 0
gives "[$web,
$tools,
$odd]"
serve "$(rule GET "$all*" "$(page '')")"
try 'none' tl-image ls
exits 0
gives 'NAME  KIND  DISK  SIZE  CREATED  ID'
try 'none, as JSON' tl-image ls --json
gives '[]'
serve "$(rule GET "$all*" "$(page "{\"name\":\"$(printf '%060d' 0)\"},$tools")")"
try 'a long name' tl-image ls
is 'moves no other line' "$(grep -n ' t-2$' out | tr -s ' ')" \
    '3:team/tools:1 - - - - t-2'
is 'far' "$(awk '/t-2/ { print index($0, "-  ") }' out)" 43

# Scope.
serve "$(rule GET '*' "$(page "$web")")"
try 'a PAT' env -u TENSORLAKE_API_KEY TENSORLAKE_PAT=pat-MARKER \
    TENSORLAKE_ORGANIZATION_ID=o-1 TENSORLAKE_PROJECT_ID=p-1 tl-image ls
exits 0
is 'has the long prefix, and tells the scope' "$(asked) $(seen "$headers"' | .[0] |
    .authorization + " " + .["x-forwarded-organization-id"] +
    .["x-forwarded-project-id"]')" \
    'GET /platform/v1/organizations/o-1/projects/p-1/sandbox-templates?pageSize=100 Bearer pat-MARKER o-1p-1'
try 'a PAT alone' env -u TENSORLAKE_API_KEY TENSORLAKE_PAT=pat-MARKER \
    tl-image ls
exits 78
try 'no key' env -u TENSORLAKE_API_KEY tl-image ls
exits 78
try 'a file and an address by option' env -u TENSORLAKE_API_KEY \
    -u TENSORLAKE_API_URL tl-image ls --token-file /nonexistent --api-url "$URL"
exits 78

# Pages, each form of a link.
for link in '@URL@/x/y?p=2' /x/y?p=2 '?p=2' 'sandbox-templates?p=2' \
    '../v1/sandbox-templates?p=2' './sandbox-templates?p=2#part' ; do
	serve "$(rule GET '*[?]p=2' "$(page "$tools")"),
	    $(rule GET "$all*" "$(page "$web" "\"$link\"")")"
	try "a link $link" tl-image ls --json
	exits 0
	gives "[$web,
$tools]"
	case $link in
	*x/y*) to=/x/y ;;
	*) to=$all ;;
	esac
	is "goes to $to" "$(seen '.[1].target')" "$to?p=2"
done
is 'with the key' "$(seen "$headers"' | .[1].authorization')" \
    'Bearer key-MARKER'
for link in '""' null; do
	serve "$(rule GET "$all*" "$(page "$web" "$link")")"
	try "the link $link ends it" tl-image ls --json
	exits 0
	gives "[$web]"
done
for rest in '' ',"pagination":null' ',"pagination":{}'; do
	serve "$(rule GET "$all*" "$(body "{\"items\":[$web]$rest}")")"
	try "no link at all$rest" tl-image ls --json
	gives "[$web]"
done

# Links that are not followed.  The other server is one that would log it.
serve "$(rule GET '*' "$(page "$tools")")"
other=$URL
# foreign LINK SAYS
foreign () {
	"$here/peer.py" --script script2.json --log log2 --ready ready2 &
	second=$!
	until [ -s ready2 ] || ! kill -0 "$second"; do sleep 0.02; done
	TENSORLAKE_API_URL=$(cat ready2)
	try "the link $1" tl-image ls
	exits 76
	says "$2"
	silent out
	is "the link $1 is not followed" "$(cat log) $(wc -l <log2)" ' 1'
	kill "$second"
	wait "$second" 2>/dev/null
	rm -f ready2 log2
}
port=${other##*:}
for link in "$other/x?k=MARKER" "//127.0.0.1:$port/x" \
    "http://localhost:$port/" 'https://127.0.0.1/' 'ftp://h/x'; do
	file script2.json "[$(rule GET '*' "$(page "$web" "\"$link\"")")]"
	foreign "$link" 'another server'
	is "and its query is not shown" "$(grep -c MARKER err)" 0
done
serve "$(rule GET '*' "$(page "$web" "\"http://bad host/\"")")"
try 'no link' tl-image ls
exits 76
says 'not a link'
serve "$(rule GET '*' "$(page "$web" 7)")"
try 'a link that is a number' tl-image ls
exits 76
says 'pagination: next: '
serve "$(rule GET '*' "$(page "$web" '"/a"'),$(page "$web" '"/b"'),$(
    page "$web" '"/a"')")"
try 'a loop' tl-image ls
exits 76
says 'back to an earlier page'
is 'ends at its first page' "$(seen length)" 3
serve "$(rule GET '*' "$(page "$web" "\"$all?pageSize=100\"")")"
try 'a page that is its own next' tl-image ls
exits 76
is 'is read once' "$(seen length)" 1

# Many, and many pages of them.
python3 - >script.many <<'END'
import json
rules, n = [], 0
for p in range(100):
    items = [{"id": "t-%d" % i, "name": "image-%d" % i, "snapshotId": "s"}
             for i in range(p * 100, p * 100 + 100)]
    page = {"items": items, "pagination": {
        "next": None if p == 99 else "?pageSize=100&p=%d" % (p + 1)}}
    rules.append({"path": "*p=%d" % p if p else "*pageSize=100",
                  "answers": [{"json": page}]})
print(json.dumps(rules))
END
serve "$(sed '1s/^.//; $s/.$//' script.many)"
try 'ten thousand' tl-image ls
exits 0
is 'all of them, in order' "$(wc -l <out) $(sed -n '1d; p' out |
    awk '{ print $1 }' | cksum)" "10001 $(seq 0 9999 | sed 's/^/image-/' | cksum)"
try 'ten thousand, as JSON' tl-image ls --json
is 'are all there' "$(jq 'map(.name) | unique | length' out)" 10000
try 'one of them by its id, from the list' tl-image show t-9999
exits 0
is 'is found on the last page' "$(jq -r .name out)" image-9999

# Show.
serve "$(rule GET "$all/by-name/team%2Ftools%3A1" "$(body "$web
")"),$(rule GET "$all/t-1" "$(body "$tools")"),
    $(rule GET "${all}[?]*" "$(page "$web,$odd")")"
try 'by name' tl-image show team/tools:1
exits 0
gives "$web"
is 'asks by name' "$(asked)" "GET $all/by-name/team%2Ftools%3A1"
: >log
try 'by id' tl-image show t-1
exits 0
is 'gives the bytes' "$(cat out)" "$tools"
is 'asks by name, then by id' "$(asked)" "GET $all/by-name/t-1
GET $all/t-1"
: >log
try 'from the list' tl-image show web
exits 0
gives "$web"
is 'asks all three' "$(asked)" "GET $all/by-name/web
GET $all/web
GET $all?pageSize=100"
try 'an id in the list' tl-image show t-3
gives "$odd"
: >log
try 'none' tl-image show gone
exits 66
silent out
says 'gone: no such image'
is 'which the list bears out' "$(seen 'length')" 3
for word in '' . ..; do
	: >log
	try "the name '$word'" tl-image show "$word"
	exits 64
	is 'nobody is asked' "$(cat log)" ''
done
serve "$(rule GET "$all/by-name/*" '{"status":404}'),
    $(rule GET "$all/*" '{"status":405}'),
    $(rule GET "${all}[?]*" "$(page "$tools")")"
try 'a server that has none by id' tl-image show t-2
exits 0
gives "$tools"
# A 404 that nothing bears out.
for answer in '{"status":404}' "$(body '<html>no</html>' 404)"; do
	serve "$(rule GET '*' "$answer")"
	for verb in ls 'show web' 'digest web' 'rm --if-exists web'; do
		# shellcheck disable=SC2086
		try "404 throughout: $verb" tl-image $verb
		exits 69
		says 'the list: refused (404)'
		silent out
	done
done

# digest: which snapshot.
serve "$(rule GET "$all/by-name/web" "$(body "$web")"),
    $(rule GET "$all/by-name/tools" "$(body "$tools")"),
    $(rule GET "$all/by-name/odd" "$(body "$odd")"),
    $(rule GET "$all/by-name/none" "$(body '{"id":"x","name":"none"}')"),
    $(rule GET "${all}[?]*" "$(page '')")"
try 'a digest' tl-image digest web
exits 0
gives "sha256:$(printf '["s-1","s3://b/web.tlsnap",1468006]' |
    sha256sum | cut -d ' ' -f 1)"
try 'of little' tl-image digest tools
gives "sha256:$(printf '["s-2",null,null]' | sha256sum | cut -d ' ' -f 1)"
for word in odd none; do
	try "a snapshot of no name: $word" tl-image digest "$word"
	exits 76
	says 'snapshotId'
	silent out
done
try 'of none' tl-image digest gone
exits 66

# rm.
gone='{"status":204}'
serve "$(rule DELETE "$all/web" "$gone,{\"status\":404}"),
    $(rule DELETE "$all/team%2Ftools%3A1" "$gone"),
    $(rule DELETE "$all/used" "$(body in-use 409)"),
    $(rule GET "${all}[?]*" "$(page "$tools,{\"id\":\"t-9\",\"name\":\"theirs\"},
    {\"id\":\"t-8\"}")")"
try 'rm' tl-image rm web
exits 0
silent err
gives 'deleted web'
is 'by its name' "$(asked)" "DELETE $all/web"
: >log
try 'rm by id' tl-image rm t-2
exits 0
gives 'deleted team/tools:1'
is 'which the list tells' "$(asked)" "DELETE $all/t-2
GET $all?pageSize=100
DELETE $all/team%2Ftools%3A1"
try 'one that is not there' tl-image rm gone
exits 66
says 'gone: no such image'
silent out
try 'which is as well' tl-image rm --if-exists gone
exits 0
silent err
silent out
try "several" tl-image rm gone used team/tools:1 web
exits 66
gives 'deleted team/tools:1'
is 'each has its line' "$(cat err)" 'tl-image: gone: no such image
tl-image: used: deleting it: refused (409): in-use
tl-image: web: no such image'
try 'several, the first refused' tl-image rm --if-exists used gone
exits 69
for word in theirs t-9; do
	try "another project's, $word" tl-image rm --if-exists "$word"
	exits 77
	says 'not this project'
done
try 'one of no name' tl-image rm t-8
exits 76
for word in '' . ..; do
	: >log
	try "rm '$word'" tl-image rm "$word"
	exits 64
	is 'nobody is asked' "$(cat log)" ''
done
# An answer that was lost: a 404 then says that it is done.
serve "$(rule DELETE "$all/web" "{\"drop\":true},{\"status\":404}"),
    $(rule GET "${all}[?]*" "$(page '')")"
try 'a lost answer' tl-image rm web
exits 0
gives 'deleted web'
is 'was asked again' "$(asked)" "DELETE $all/web
DELETE $all/web"
serve "$(rule DELETE '*' "$(body '<html></html>' 200 |
    jq -c '.headers = {"Content-Type": "text/html"}')")"
try 'a page for an answer' tl-image rm web
exits 76
silent out
serve "$(rule DELETE '*' '{"status":202,"json":{"id":"t-1"}}')"
try 'another 2xx' tl-image rm web
exits 0

# register: a snapshot of a sandbox.
snaps=/v1/namespaces/default/snapshots
snap='{"status":"completed","sandbox_id":"sbx-1","snapshot_uri":"s3://b/s",
"size_bytes":7,"rootfs_disk_bytes":4096}'
# enrolled SNAPSHOT-ANSWER ANSWER [LIST-ANSWER]
enrolled () {
	serve "$(rule GET "$snaps/s%2F1" "$1"),$(rule POST "$all" "$2"),
	    $(rule GET "$snaps" "${3-$(body '{"snapshots":[]}')}")"
	printf 'FROM "x"\n' >dockerfile
}
register () {
	try "$@" tl-image register --dockerfile dockerfile team/web:1 s/1
}
enrolled "$(body "$snap")" "$(body "$web" 201)"
register 'register'
exits 0
silent err
is 'gives the answer, byte for byte' "$(cat out)" "$web"
is 'looks the snapshot up, then registers it' "$(asked)" "GET $snaps/s%2F1
POST $all"
is 'with all it has' "$(seen '.[1].body')" '{"name":"team/web:1",'"$(
    )"'"dockerfile":"FROM \"x\"\n","snapshotId":"s/1",'"$(
    )"'"snapshotSandboxId":"sbx-1","snapshotUri":"s3://b/s",'"$(
    )"'"snapshotSizeBytes":7,"rootfsDiskBytes":4096,"public":false}'
is 'and the key, both times' "$(seen "$headers"' | map(.authorization)[]')" \
    'Bearer key-MARKER
Bearer key-MARKER'
: >log
given 'FROM y'
try 'for everybody, the Dockerfile from stdin' tl-image register -p \
    --dockerfile - team/web:1 s/1
exits 0
is 'says so' "$(seen '.[1].body | fromjson | [.public, .dockerfile][]')" 'true
FROM y'
enrolled "$(body "$(echo "$snap" | sed 's/completed/in_progress/')")" "$gone"
register 'one that is not finished'
exits 75
says 'in_progress'
is 'is not registered' "$(seen 'length')" 1
enrolled "$(body "$(echo "$snap" | sed 's/completed/failed/')")" "$gone"
register 'one that failed'
exits 65
enrolled "$(body "$(echo "$snap" | sed 's/size_bytes/size/')")" "$gone"
register 'one that tells too little'
exits 76
says 'sizeBytes: missing'
silent out
is 'is not registered either' "$(seen 'length')" 1
enrolled '{"status":404}' "$gone"
register 'none such'
exits 66
says 'team/web:1: s/1: no such snapshot'
is 'which the list bears out' "$(asked)" "GET $snaps/s%2F1
GET $snaps"
enrolled '{"status":404}' "$gone" '{"status":404}'
register 'a server without snapshots'
exits 69
says 'the snapshots: refused (404)'
enrolled "$(body "$snap")" "$(body '{"error":"not yours"}' 403)"
register 'refused'
exits 77
says 'register: refused (403): '
enrolled "$(body "$snap")" "{\"drop\":true},$(body "$web" 201)"
register 'a lost answer'
exits 0
is 'gives the one that came' "$(cat out)" "$web"
enrolled "$(body "$snap")" '{"drop":true}'
register 'answers that are all lost'
exits 75
says 'it may be registered'
for answer in "$(body '' 201)" "$(body '[]' 201)" "$(body '{"error":"x"}')"; do
	enrolled "$(body "$snap")" "$answer"
	register "no answer: $answer"
	exits 76
	says 'it may be registered'
	silent out
done
printf '\377' >dockerfile
register 'a Dockerfile that is not UTF-8'
exits 65
: >dockerfile
register 'an empty one'
exits 65
rm dockerfile
register 'none'
exits 66
for line in 'a s' '--dockerfile d a' '--dockerfile d a s t' \
    '--dockerfile d --json a s' '-o x --dockerfile d a s'; do
	# shellcheck disable=SC2086
	try "usage: register $line" tl-image register $line
	exits 64
	silent out
done
echo 'FROM x' >dockerfile
for word in . ..; do
	: >log
	try "the snapshot $word" tl-image register --dockerfile dockerfile a $word
	exits 64
	is 'nobody is asked' "$(cat log)" ''
done
try 'an empty name' tl-image register --dockerfile dockerfile '' s
exits 64
for line in 'ls -p' 'show --dockerfile d a' 'rm -p a'; do
	# shellcheck disable=SC2086
	try "usage: $line" tl-image $line
	exits 64
done

# What can be wrong with an answer, whatever was asked.
# wrong WHAT STATUS SAYS ANSWER
wrong () {
	serve "$(rule '*' '*' "$4" | jq -c 'del(.method)')"
	for verb in ls 'show web' 'digest web' 'rm web'; do
		case $verb:$2 in
		rm*:76) continue ;;
		esac
		# shellcheck disable=SC2086
		try "$1: $verb" tl-image $verb
		exits "$2"
		says "$3"
		silent out
		is "$1: $verb: one line" "$(grep -c '^tl-image: ' err) $(
		    wc -l <err)" '1 1'
	done
}
wrong 401 77 'is the key right?' "$(body no 401)"
wrong 403 77 'refused (403): no' "$(body no 403)"
wrong 500 69 'refused (500): broken' "$(body broken 500)"
is 'a 500 is not asked again' "$(seen length)" 4
wrong 503 75 'refused (503)' "$(body busy 503)"
is 'a 503 is, four times' "$(seen length)" 20
wrong 'control bytes' 69 '?[31m' "$(body "$(printf '\033[31m')" 500)"
html='{"body":"<html></html>","headers":{"Content-Type":"text/html"}}'
wrong 'a page of HTML' 76 'a page of HTML (200)' "$html"
wrong 'an error under a 200' 76 'an error under the status 200: no' \
    "$(body '{"error":"no"}')"
wrong 'half an answer' 76 'the answer' "$(body '{"items":[{"id":"t')"
wrong 'an empty answer' 76 'is empty' "$(body '')"
wrong 'an object that is no answer' 76 missing "$(body '{"x":[]}')"
wrong 'an array' 76 'not a JSON object' "$(body '[]')"
wrong 'a cut answer' 75 '' '{"body":"{\"items\":[]}","cut":4}'
for items in '"x"' 7 null; do
	serve "$(rule GET '*' "$(page "$items")")"
	try "a list of $items" tl-image ls
	exits 76
done
serve "$(rule GET '*' "$(body '{"images":[]}')")"
try 'no items' tl-image ls
exits 76
says 'items'
serve "$(rule GET "$all*" "$(body busy 503),$(body busy 502),$(page "$web")")"
try 'busy at first' tl-image ls --json
exits 0
gives "[$web]"

# get: what is signed here comes from the store, which is the same server.
# got CHAIN STORE: an image of two snapshots, and what the store says
got () {
	serve "$(rule GET "$all/by-name/top" "$(body "$1")"),
	    $(rule GET "${all}[?]*" "$(page "$below")"),
	    $(rule GET '/images/*' "$2")"
	(umask 077; printf '%s\n' 'bucket = images' "endpoint = $URL" \
	    'region = us-east-1' 'addressing = path' 'access_key = AK' \
	    'secret_key = secret-MARKER' >signer.conf)
}
# image NAME SNAPSHOT [MEMBER...]
image () {
	printf '{"id":"t-%s","name":"%s","snapshotId":"s","snapshotUri":' "$1" "$1"
	printf '"s3://images/%s"%s}' "$2" "${3-}"
}
below=$(image low b)
top=$(image top a ',"parentManifestUri":"s3://images/b","snapshotSizeBytes":5')
get () {
	tl-image get --signer signer.conf "$@"
}
got "$top" "$(body 'bytes')"
try 'get, as it is stored' get --snapshot top
exits 0
silent err
is 'is the bytes' "$(cat out)" bytes
is 'asks the store without the key' "$(seen "$headers"' | .[-1] |
    has("authorization")') $(seen '.[-1].target | sub("[?].*"; "")')" \
    'false /images/a'
try 'get of what is no snapshot' get -o disk top
exits 65
is 'asks for both' "$(seen 'map(.target | sub("[?].*"; ""))[-2:][]')" '/images/a
/images/b'
got "$top" "$(body 'byte')"
try 'get, cut by the store' get --snapshot -o disk top
exits 76
says '4 bytes, where the server has registered 5'
got "$top" '{"body":"bytes","cut":2},'"$(body busy 503),$(body bytes)"
try 'get, at the third time' get --snapshot -o disk top
exits 0
is 'is whole' "$(cat disk)" bytes
rm disk
got "$top" "$(body '<Error>AccessDenied</Error>' 403)"
try 'get, refused by the store' get --snapshot -o disk top
exits 77
below=$(image low b ',"parentManifestUri":"s3://images/a"')
got "$top" "$(body bytes)"
try 'get of a circle' get -o disk top
exits 76
says 'leads back to itself'
below=$(seq 40 | while read -r i; do
	image "$i" "x$i" ",\"parentManifestUri\":\"s3://images/x$((i + 1))\""
	[ "$i" -eq 40 ] || echo ,
done)
got "$(image top x0 ',"parentManifestUri":"s3://images/x1"')" "$(body bytes)"
try 'get of a long chain' get -o disk top
exits 76
says 'more than 32'
got '{"id":"t","name":"top","snapshotId":"s"}' "$(body bytes)"
try 'get of what has no place' get -o disk top
exits 69
says 'does not tell where'
got "$(image top a ',"snapshotFormatVersion":"content_addressed_streaming_v1"')" \
    "$(body bytes)"
try 'get of a CAS image' get -o disk top
exits 65
says 'content-addressed'
got "$(image top a | sed 's,s3://images,s3://others,')" "$(body bytes)"
try 'get from a bucket that is not the signer'\''s' get -o disk top
is 'is not 0, and the store is not asked' \
    "$((status != 0)) $(seen length)" '1 1'
got "$top" '{"pieces":["by",{"pause":30},"tes"]}'
tl-image get --signer signer.conf -o disk top 2>err &
getting=$!
until [ "$(seen 'map(select(.target | test("/images/"))) | length')" = 1 ] ||
    ! kill -0 $getting; do sleep 0.05; done
kill $getting
wait $getting
is 'get, told to end' "$? $(wc -l <err)" '143 1'
is 'nothing is left of all these' "$(find . -name 'disk*' -o -name '.tl-*')" ''
for line in 'top' '--raw top' '--raw --tar -o x top' '-o x' '-o x a b' \
    '--json -o x top'; do
	# shellcheck disable=SC2086
	try "usage: get $line" get $line
	exits 64
done
TL_SIGNER=/none TL_SANDBOX=x try 'TL_SIGNER' tl-image get -o x top
exits 66
says '/none'
try 'get without a signer' tl-image get -o x top
exits 64
says 'who signs?'
for line in 'ls -o x' 'show --signer x top' 'rm --raw top' 'ls -s x' \
    'get --signer x -s y -o z top'; do
	# shellcheck disable=SC2086
	try "usage: $line" tl-image $line
	exits 64
done

# The same, signed by the proxy of a sandbox.
# signed CHAIN ANSWER-TO-SIGN
signed () {
	serve "$(rule GET "$all/by-name/top" "$(body "$1")"),
	    $(rule GET "${all}[?]*" "$(page "$below")"),
	    $(rule POST '/api/v1/blob/sign' "$2"),
	    $(rule GET '/stored/*' "$(body bytes)")"
	echo "{\"id\":\"sbx-1\",\"proxyUrl\":\"$URL\"}" >sandbox.json
}
block () {
	body '{"kind":"single_get","method":"GET","url":"@URL@/stored/'"$1"'?s=MARKER"}'
}
below=$(image low b)
signed "$top" "$(block a),$(block b)"
try 'get, by a sandbox' tl-image get -s sandbox.json -o disk top
exits 65
is 'signs all, then fetches' "$(seen 'map(.method + " " +
    (.target | sub("[?].*"; "")))[-4:][]')" 'POST /api/v1/blob/sign
POST /api/v1/blob/sign
GET /stored/a
GET /stored/b'
is 'asks for downloads' "$(seen '.[-4:-2] | map(.body)[]')" '{"uri":"s3://images/a","op":{"kind":"single_get"}}
{"uri":"s3://images/b","op":{"kind":"single_get"}}'
is 'of the sandbox, with the key, which the store is not shown' \
    "$(seen "$headers"' | map([.["x-tensorlake-sandbox-id"], .authorization] |
    map(. // "-") | join(" "))[-4:][]')" 'sbx-1 Bearer key-MARKER
sbx-1 Bearer key-MARKER
- -
- -'
is 'no URL is shown' "$(grep -c MARKER err)" 0
signed "$top" "$(body '{"error":"no rel_path"}' 400),$(block a)"
try 'get, by the other dialect' env TL_SANDBOX=sandbox.json \
    tl-image get --snapshot top
exits 0
is 'is the bytes' "$(cat out) $(seen '.[-2].body | fromjson | .op.kind')" \
    'bytes get_blob'
signed "$top" "$(body '{"error":"forbidden","code":"x"}' 403)"
try 'get, where the sandbox may not' tl-image get -s sandbox.json \
    --snapshot -o disk top
exits 77
says 'sign: refused (403)'
signed "$top" "$(body '{"kind":"other"}')"
try 'get of another block' tl-image get -s sandbox.json -o disk top
exits 76
says 'the signed block is not a download'
try 'get by no sandbox' tl-image get -s /nonexistent -o disk top
exits 66
is 'nothing is left of these either' "$(find . -name 'disk*' -o -name '.tl-*')" ''

peer_end
try 'nobody there' tl-image ls
exits 75

for line in '' 'no-verb' 'ls more' show 'show a b' digest rm 'show --json a' \
    'ls --if-exists' 'digest --if-exists a' 'rm --json a'; do
	# shellcheck disable=SC2086
	try "usage: '$line'" tl-image $line
	exits 64
	silent out
done
lists tl-image.1

# --- the client's part of the toolkit alone

mkdir alone
cp "$TL_BIN/tl-image" alone/
peer '[]'
for form in --raw --tar; do
	try "get $form without tl-snapshot" env TENSORLAKE_API_URL="$URL" \
	    alone/tl-image get "$form" -o disk -s box.json web
	exits 69
	says 'get: tl-snapshot is not installed; it comes with tl-builder'
done
try 'get without tl-presign' env TENSORLAKE_API_URL="$URL" \
    alone/tl-image get --snapshot --signer conf -o disk web
exits 69
says 'get: tl-presign is not installed; it comes with tl-region'
is 'nobody is asked' "$(seen length)" 0
