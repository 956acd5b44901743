#!/bin/sh
# tl-splice: signed blocks and the plan reach the spec as bytes, all else stays

. "${0%/*}/lib.sh"

block='{ "z": 12345678901234567890, "n": 1.0, "n":2, "u": "\u0041\/", "e":1e400 }'

# spec WHAT PREPARED SIGNED WANTED: nothing but the signed blocks
spec () {
	file p "$2"
	file s "$3"
	try "$1" tl-splice p s
	exits 0
	silent err
	printf '%s' "$4" >want
	is "$1: the very bytes" "$(od -c out)" "$(od -c want)"
}

# refuse WHAT PREPARED SIGNED MESSAGE [OPTION...]
refuse () {
	file p "$2"
	file s "$3"
	what=$1 message=$4
	shift 4
	try "$what" tl-splice "$@" p s
	exits 65
	says "$message"
	silent out
}

# The switch, and what is set where
spec 'an added block keeps every byte' \
    '{"snapshotRelPath":"x"}
' \
    "{\"upload\":  $block  }" \
    "{\"snapshotRelPath\":\"x\",\"upload\":$block}
"
spec 'no newline at the end stays none' \
    '{"snapshotRelPath":"x"}' '{"upload":{}}' \
    '{"snapshotRelPath":"x","upload":{}}'
spec 'white space around and inside stays' \
    '
	{ "snapshotRelPath" : "" , "a" : [ 1 ,2]
  }

' '{"upload":{}}' '
	{ "snapshotRelPath" : "" , "a" : [ 1 ,2],"upload":{}
  }

'
spec 'an old block is replaced where it stands' \
    '{"upload": {"old":[1,{"upload":2}]} ,"snapshotRelPath":"x","k":1}' \
    '{"upload":{"new":1}}' \
    '{"upload": {"new":1} ,"snapshotRelPath":"x","k":1}'
spec 'a null is replaced too' \
    '{"upload":null,"snapshotRelPath":"x"}' '{"upload":{"new":1}}' \
    '{"upload":{"new":1},"snapshotRelPath":"x"}'
spec 'a name spelled with escapes is the same name' \
    '{"\u0075ploa\u0064":0,"snapshot\u0052elPath":"x"}' \
    '{"up\u006coad":{"new":1}}' \
    '{"\u0075ploa\u0064":{"new":1},"snapshot\u0052elPath":"x"}'
spec 'what nobody knows stays, repeated members and numbers included' \
    '{"f":1e400,"f":123456789012345678901,"snapshotRelPath":"\/","g":{"upload":1,"upload":2},"h":-0,"i":"\ud83d\ude00é"}' \
    '{"upload":{}}' \
    '{"f":1e400,"f":123456789012345678901,"snapshotRelPath":"\/","g":{"upload":1,"upload":2},"h":-0,"i":"\ud83d\ude00é","upload":{}}'
spec 'the uri becomes the snapshot URI, as spelled' \
    '{"snapshotUri":"old","snapshotRelPath":"x"}' \
    '{"upload":{"a":{"uri":"no"},"uri":"s3:\/\/b\u002fx","b":0}}' \
    '{"snapshotUri":"s3:\/\/b\u002fx","snapshotRelPath":"x","upload":{"a":{"uri":"no"},"uri":"s3:\/\/b\u002fx","b":0}}'
spec 'an empty uri passes' '{"snapshotRelPath":"x"}' '{"upload":{"uri":""}}' \
    '{"snapshotRelPath":"x","upload":{"uri":""},"snapshotUri":""}'
spec 'without a uri the old one stays' \
    '{"snapshotUri":"old","snapshotRelPath":"x"}' \
    '{"upload":{"uri":null}}' \
    '{"snapshotUri":"old","snapshotRelPath":"x","upload":{"uri":null}}'
spec 'the parent gets its download' \
    '{"parent":{ "rootfsDiskBytes" : 1 },"snapshotRelPath":"x"}' \
    "{\"upload\":{},\"parentDownload\":$block}" \
    "{\"parent\":{ \"rootfsDiskBytes\" : 1,\"download\":$block },\"snapshotRelPath\":\"x\",\"upload\":{}}"
spec 'a parent that has one gets the new one' \
    '{"snapshotRelPath":"x","parent":{"download":{"old":1},"k":2}}' \
    '{"parentDownload":{"new":1},"upload":{}}' \
    '{"snapshotRelPath":"x","parent":{"download":{"new":1},"k":2},"upload":{}}'
spec 'a parent that is empty gets its first member' \
    '{"snapshotRelPath":"x","parent":{ }}' \
    '{"parentDownload":{"new":1},"upload":{}}' \
    '{"snapshotRelPath":"x","parent":{"download":{"new":1} },"upload":{}}'
spec 'a null parent is none' '{"snapshotRelPath":"x","parent":null}' \
    '{"upload":{},"parentDownload":null}' \
    '{"snapshotRelPath":"x","parent":null,"upload":{}}'
spec 'local images get theirs, by index' \
    '{"snapshotRelPath":"x","additionalLocalImages":[{},{"a":1},{"download":2,"b":3},{"c":4}]}' \
    '{"upload":{},"localImageDownloads":[{"i":0},null,{"i":2},{"i":3}]}' \
    '{"snapshotRelPath":"x","additionalLocalImages":[{"download":{"i":0}},{"a":1},{"download":{"i":2},"b":3},{"c":4,"download":{"i":3}}],"upload":{}}'
spec 'no local images signed: none touched' \
    '{"snapshotRelPath":"x","additionalLocalImages":[{"download":1,"download":2}]}' \
    '{"upload":{}}' \
    '{"snapshotRelPath":"x","additionalLocalImages":[{"download":1,"download":2}],"upload":{}}'
spec 'the legacy path changes nothing' \
    '{"upload":{"kind":"s"},"snapshotUri":"u","parent":{"download":1}} ' '{}' \
    '{"upload":{"kind":"s"},"snapshotUri":"u","parent":{"download":1}} '
spec 'a null rel path is the legacy path' '{"snapshotRelPath":null}' ' { } ' \
    '{"snapshotRelPath":null}'
spec 'the snake name is no switch' '{"snapshot_rel_path":"x"}' '{}' \
    '{"snapshot_rel_path":"x"}'

# Documents that do not fit
new='{"snapshotRelPath":"x"}'
refuse 'nothing signed' "$new" '{}' 's: upload: missing'
refuse 'a null block' "$new" '{"upload":null}' 's: upload: missing'
refuse 'an array for a block' "$new" '{"upload":[1]}' 's: upload: not an object'
refuse 'a text for a block' "$new" '{"upload":"x"}' 's: upload: not an object'
refuse 'a number for a uri' "$new" '{"upload":{"uri":1}}' \
    's: upload.uri: not a string'
refuse 'a rel path of the wrong type' '{"snapshotRelPath":1}' '{"upload":{}}' \
    'p: snapshotRelPath: not a string'
refuse 'a parent not signed' '{"snapshotRelPath":"x","parent":{}}' \
    '{"upload":{}}' 's: parentDownload: missing'
refuse 'a parent of the wrong type' '{"snapshotRelPath":"x","parent":[]}' \
    '{"upload":{},"parentDownload":{}}' 'p: parent: not an object'
refuse 'a download of the wrong type' '{"snapshotRelPath":"x","parent":{}}' \
    '{"upload":{},"parentDownload":7}' 's: parentDownload: not an object'
refuse 'a parent that was not prepared' "$new" \
    '{"upload":{},"parentDownload":{}}' 's: parentDownload: signed, but'
refuse 'blocks on the legacy path' '{}' '{"upload":{}}' \
    's: upload: signed, but the prepared answer has no snapshotRelPath'
refuse 'more local images than prepared' "$new" \
    '{"upload":{},"localImageDownloads":[null]}' \
    's: localImageDownloads: more'
refuse 'fewer local images than prepared' \
    '{"snapshotRelPath":"x","additionalLocalImages":[{},{}]}' \
    '{"upload":{},"localImageDownloads":[{}]}' \
    's: localImageDownloads: fewer'
refuse 'local images of the wrong type' \
    '{"snapshotRelPath":"x","additionalLocalImages":[1]}' \
    '{"upload":{},"localImageDownloads":[{}]}' \
    'p: additionalLocalImages[0]: not an object'
refuse 'a local block of the wrong type' \
    '{"snapshotRelPath":"x","additionalLocalImages":[{},{}]}' \
    '{"upload":{},"localImageDownloads":[{},"x"]}' \
    's: localImageDownloads[1]: not an object'
refuse 'local blocks that are no array' \
    '{"snapshotRelPath":"x","additionalLocalImages":[{}]}' \
    '{"upload":{},"localImageDownloads":{}}' \
    's: localImageDownloads: not an array'

# Two of what is set or read, plainly or in disguise
refuse 'two rel paths' '{"snapshotRelPath":"x","snapshotRelPath":"y"}' \
    '{"upload":{}}' 'p: snapshotRelPath: there twice'
refuse 'two uploads prepared' '{"snapshotRelPath":"x","upload":1,"upload":1}' \
    '{"upload":{}}' 'p: upload: there twice'
refuse 'two uploads signed' "$new" '{"upload":{},"upl\u006fad":{}}' \
    's: upload: there twice'
refuse 'two uris' "$new" '{"upload":{"uri":"a","\u0075ri":"a"}}' \
    's: upload.uri: there twice'
refuse 'two snapshot URIs' \
    '{"snapshotRelPath":"x","snapshotUri":"a","snapshotUri":"b"}' \
    '{"upload":{"uri":"c"}}' 'p: snapshotUri: there twice'
refuse 'two parents' '{"snapshotRelPath":"x","parent":null,"parent":{}}' \
    '{"upload":{}}' 'p: parent: there twice'
refuse 'two downloads of a parent' \
    '{"snapshotRelPath":"x","parent":{"download":1,"download":2}}' \
    '{"upload":{},"parentDownload":{}}' 'p: parent.download: there twice'
refuse 'two downloads of a local image' \
    '{"snapshotRelPath":"x","additionalLocalImages":[{},{"download":1,"download":2}]}' \
    '{"upload":{},"localImageDownloads":[null,{}]}' \
    'p: additionalLocalImages[1].download: there twice'

# Not JSON at all
refuse 'empty prepared' '' '{}' 'p: empty, expected a prepared answer'
refuse 'empty signed' "$new" '' "s: empty, expected tl-sign's document"
refuse 'cut short' "$new" '{"upload":{"a":"b' 's: not JSON: ends early, at byte 17'
refuse 'too long' '{} {}' '{}' 'p: not JSON at byte 3: text after the value'
refuse 'an array' '[]' '{}' 'p: not an object'
refuse 'a lone surrogate in a block' "$new" '{"upload":{"a":"\ud800"}}' \
    's: not JSON at byte 16: half a surrogate pair'
refuse 'a byte order mark' "$(printf '\357\273\277{}')" '{}' \
    'p: not JSON at byte 0'
is 'the messages show no text of a block' "$(grep -c ud800 err)" 0

deep () {
	awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "["
		for (i = 0; i < n; i++) printf "]" }'
}
spec 'a block as deep as readers go' "$new" \
    "{\"upload\":{\"a\":$(deep 125)}}" \
    "{\"snapshotRelPath\":\"x\",\"upload\":{\"a\":$(deep 125)}}"
refuse 'one level more' "$new" "{\"upload\":{\"a\":$(deep 126)}}" \
    'nested too deep'
refuse 'a download that only the spec makes too deep' \
    '{"snapshotRelPath":"x","parent":{}}' \
    "{\"upload\":{},\"parentDownload\":{\"a\":$(deep 125)}}" \
    's: parentDownload: nested too deep for a spec'

# With a plan
plan='{"name":"n","public":false,"dockerfile":"FROM a\u000a# \"q\"\n","baseImage":"a","references":[]}'
context=/var/lib/tensorlake/rootfs-builder/build/context
added='"dockerfile":"FROM a\u000a# \"q\"\n","contextDir":"'$context'","baseImage":"a"'
file plan "$plan"
planned () {
	what=$1 want=$4
	file p "$2"
	file s "$3"
	shift 4
	try "$what" tl-splice -p plan "$@" p s
	exits 0
	silent err
	gives "$want"
}
planned 'the plan, texts as spelled' '{"a":1}
' '{}' '{"a":1,'"$added"',"rootfsDiskBytes":10737418240}'
planned 'into an empty object' '{}
' '{}' '{'"$added"',"rootfsDiskBytes":10737418240}'
planned 'with a block' '{"snapshotRelPath":"x"}
' '{"upload":{"uri":"u"}}' '{"snapshotRelPath":"x","upload":{"uri":"u"},"snapshotUri":"u",'"$added"',"rootfsDiskBytes":10737418240}'
planned 'old values replaced' '{"rootfsDiskBytes":[9],"baseImage":null,"x":0,"contextDir":"","dockerfile":{}}
' '{}' '{"rootfsDiskBytes":10737418240,"baseImage":"a","x":0,"contextDir":"'$context'","dockerfile":"FROM a\u000a# \"q\"\n"}'
planned 'the size of the parent' \
    '{"snapshotRelPath":"x","parent":{"rootfsDiskBytes":7}}
' '{"upload":{},"parentDownload":{}}' \
    '{"snapshotRelPath":"x","parent":{"rootfsDiskBytes":7,"download":{}},"upload":{},'"$added"',"rootfsDiskBytes":7}'
planned 'the size given wins' '{"parent":{"rootfsDiskBytes":7}}
' '{}' '{"parent":{"rootfsDiskBytes":7},'"$added"',"rootfsDiskBytes":3145728}' \
    --disk-mb 3
planned 'the largest size there is' '{}
' '{}' '{'"$added"',"rootfsDiskBytes":18446744073708503040}' \
    --disk-mb 17592186044415
planned 'Docker compatibility' '{"dockerCompat":false}
' '{}' '{"dockerCompat":true,'"$added"',"rootfsDiskBytes":10737418240}' \
    --docker-compat
planned 'no cache' '{}
' '{}' '{'"$added"',"rootfsDiskBytes":10737418240,"noCache":true}' --no-cache
SOURCE_DATE_EPOCH=0001400000000
export SOURCE_DATE_EPOCH
planned 'a time that no file is to be newer than' '{"a":1}
' '{}' '{"a":1,'"$added"',"rootfsDiskBytes":10737418240,"sourceDateEpoch":1400000000}'
SOURCE_DATE_EPOCH=12x
try 'no time' tl-splice -p plan p s
exits 78
silent out
unset SOURCE_DATE_EPOCH
# shellcheck disable=SC1003
printf ' {"auths":\r\n\t{"r.example":{"auth":"dTpw\\/é\\u0041"}}} \n' >docker
planned 'Docker credentials, as text' '{"a":1}
' '{}' '{"a":1,'"$added"',"rootfsDiskBytes":10737418240,"dockerConfigJson":"{\"auths\":\r\n\t{\"r.example\":{\"auth\":\"dTpw\\/é\\u0041\"}}}"}' \
    --docker-config docker
if [ -x /usr/bin/python3 ]; then
	is 'and every reader gets them back' "$(/usr/bin/python3 -c '
import json
print(json.loads(json.load(open("out"))["dockerConfigJson"])
    == json.load(open("docker")))')" True
fi
file docker '{}
'
planned 'no credentials, no member' '{"a":1}
' '{}' '{"a":1,'"$added"',"rootfsDiskBytes":10737418240}' \
    --docker-config docker
file plan "${plan%\}},\"importImageReference\":\"r\"}"
planned 'an import' '{}
' '{}' '{'"$added"',"importImageReference":"r","rootfsDiskBytes":10737418240}'
file plan "${plan%\}},\"importImageReference\":null}"
planned 'a null reference is none' '{"importImageReference":"old"}
' '{}' '{"importImageReference":"old",'"$added"',"rootfsDiskBytes":10737418240}'

file plan "$plan"
refuse 'a parent without a size' '{"parent":{}}' '{}' \
    'p: parent.rootfsDiskBytes: missing' -p plan
refuse 'a parent of a wrong size' '{"parent":{"rootfsDiskBytes":1.5}}' '{}' \
    'p: parent.rootfsDiskBytes: not a size' -p plan
refuse 'two dockerfiles prepared' '{"dockerfile":1,"dockerfile":2}' '{}' \
    'p: dockerfile: there twice' -p plan
refuse 'two sizes prepared' '{"rootfsDiskBytes":1,"rootfsDiskBytes":1}' '{}' \
    'p: rootfsDiskBytes: there twice' -p plan --disk-mb 1
refuse 'two parents, and a size given' '{"parent":1,"parent":1}' '{}' \
    'p: parent: there twice' -p plan --disk-mb 1
file plan '{"dockerfile":"x"}'
refuse 'a plan without a base image' '{}' '{}' 'plan: baseImage: missing' \
    -p plan
file plan '{"dockerfile":["x"],"baseImage":"y"}'
refuse 'a plan of wrong types' '{}' '{}' 'plan: dockerfile: not a string' \
    -p plan
file plan '{"dockerfile":"x","baseImage":"y","dockerfile":"z"}'
refuse 'a plan that says it twice' '{}' '{}' 'plan: dockerfile: there twice' \
    -p plan
file plan ''
refuse 'an empty plan' '{}' '{}' "plan: empty, expected tl-plan's document" \
    -p plan
file plan "$plan"
file docker '{"auths":{"r":{"auth":"c2VjcmV0"}'
refuse 'bad credentials' '{}' '{}' 'docker: not JSON: ends early' \
    -p plan --docker-config docker
is 'and they are not shown' "$(grep -c c2VjcmV0 err)" 0
file docker ''
refuse 'empty credentials' '{}' '{}' 'docker: empty' \
    -p plan --docker-config docker

# The command line
file p '{}'
file s '{}'
given '{}'
try 'prepared from stdin' tl-splice - s
exits 0
given '{"upload":[]}'
try 'signed from stdin' tl-splice p -
exits 65
says 'stdin: upload: signed, but'
try 'an empty stdin' tl-splice - s
exits 65
says 'stdin: empty'
silent out
for twice in '- -' '-p - - s' '-p - p -' '-p plan --docker-config - p -'; do
	given '{}'
	# shellcheck disable=SC2086
	try "stdin taken twice: $twice" tl-splice $twice
	exits 64
	says 'standard input holds one document only'
	silent out
done
for wrong in '' p 'p s p' '-q p s' '--disk-mb 5 p s' '--docker-compat p s' '--no-cache p s' \
    '--docker-config docker p s' '-p plan --disk-mb -1 p s' \
    '-p plan --disk-mb 17592186044416 p s' '-p plan --disk-mb 1.5 p s' \
    '-p plan --disk-mb 99999999999999999999 p s'; do
	# shellcheck disable=SC2086
	try "usage: $wrong" tl-splice $wrong
	exits 64
	silent out
done
try 'a missing file' tl-splice p none
exits 66
says 'none: No such file'
try 'a folder' tl-splice p .
exits 74
silent out
try 'what is done' tl-splice -v p s
exits 0
says 'a spec of 2'
gives_2=$(cat out)
is 'and the output is the same' "$gives_2" '{}'

# Where the output cannot go
file s '{"upload":{}}'
file p "$new"
try 'a full disk' sh -c 'tl-splice p s >/dev/full'
exits 74
says 'stdout: No space left'
try 'a closed stdout' sh -c 'tl-splice p s >&-'
exits 74
says 'stdout'
is 'the inputs are as they were' "$(cat p s)" "$new{\"upload\":{}}"

# Long documents take another way into memory
awk 'BEGIN { printf "{\"upload\":{\"partUrls\":[";
	for (i = 0; i < 10000; i++)
		printf "%s\"https://store.example/%0300d?\\u0026&sig\"", i ? "," : "", i
	printf "],\"uri\":\"s3://b/x\"}}" }' >long
{
	printf '{"snapshotRelPath":"x","upload":'
	tail -c +11 long | head -c -1
	printf ',"snapshotUri":"s3://b/x"}'
} >want
file p "$new"
try 'a long block from a file' tl-splice p long
exits 0
is 'byte for byte' "$(cmp out want 2>&1)" ''
long=$(wc -c <long)
try 'the same, redirected' sh -c 'tl-splice p - <long'
is 'redirected: byte for byte' "$status $(cmp out want 2>&1)" '0 '
try 'the same, from a pipe' sh -c 'cat long | tl-splice p -'
is 'piped: byte for byte' "$status $(cmp out want 2>&1)" '0 '
# shellcheck disable=SC2016
try 'piped, in pieces' sh -c '{ head -c 70000 long; sleep 0.1
    tail -c +70001 long; } | tl-splice p -'
is 'piped, in pieces: byte for byte' "$status $(cmp out want 2>&1)" '0 '
try 'piped, too long' sh -c 'yes "" | head -c 67108865 | tl-splice p -'
exits 65
says 'stdin: more than 67108864 bytes'
silent out
try 'the same, into a pipe' sh -c 'tl-splice p long | cat'
is 'into a pipe: byte for byte' "$(cmp out want 2>&1)" ''
{
	printf 'not mine: '
	cat long
} >behind
try 'the same behind what another program took' sh -c \
    '{ dd bs=10 count=1 2>/dev/null >took; tl-splice p -; } <behind'
is 'behind: byte for byte' "$status $(cmp out want 2>&1)" '0 '

# A long file that is written to while it is read
{
	printf '{"x":"'
	head -c 400000 /dev/zero | tr '\0' x
	printf '"}'
} >growing
meanwhile () {
	name=$1
	shift
	rm -f fifo
	mkfifo fifo
	# It has taken the first file when it opens the second.
	{
		exec 9>fifo
		"$@"
		echo '{}' >&9
		exec 9>&-
	} &
	tl-splice growing fifo >out 2>err
	status=$?
	wait "$!"
}
meanwhile 'a file left alone' :
exits 0
meanwhile 'a file that grows' sh -c 'echo >>growing'
exits 75
says 'growing: changed while it was read'
silent out
meanwhile 'a file of another time' touch -d 2001-01-01 growing
exits 75
silent out
meanwhile 'a file that shrinks' truncate -s 10 growing
exits 75
says 'growing: changed while it was read'
silent out
head -c 400000 /dev/zero >growing
meanwhile 'a file that is emptied' truncate -s 0 growing
exits 75
says 'tl-splice: an input file became shorter while it was read'
silent out
head -c $((long - 1)) long >short
try 'a long block cut short' tl-splice p short
exits 65
says "short: not JSON: ends early, at byte $((long - 1))"
silent out
try 'a long block on a full disk' sh -c 'tl-splice p long >/dev/full'
exits 74
{
	printf '{"upload":{"a":"'
	head -c $((64 << 20)) /dev/zero | tr '\0' x
	printf '"}}'
} >short
try 'longer than 64 MB' tl-splice p short
exits 65
says 'short: more than 67108864 bytes'
silent out
lists tl-splice.1
