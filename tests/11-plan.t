#!/bin/sh
# tl-plan: what is looked up, warned about and refused; and where that differs
# from the published client

# shellcheck disable=SC2016,SC1003
. "${0%/*}/lib.sh"

# BASE | *base:LINE additional:LINE ... | unresolvable:LINE:REASON | IGNORED:LINE
brief='.baseImage + " | " + ([.references[] | (if .role == "base" then "*" else
"" end) + .reference + ":" + (.line | tostring)] | join(" ")) + " | " +
([.unresolvable[] | .reference + ":" + (.line | tostring) + ":" + .reason] |
join(" ")) + " | " + ([.ignored[] | .instruction + ":" + (.line | tostring)] |
join(" "))'

# reads WHAT DOCKERFILE WANTED: printf's escapes are undone in DOCKERFILE
reads () {
	# shellcheck disable=SC2059
	printf "$2" >in
	try "$1" tl-plan -n n -f -
	is "$1" "$status $(jq -r "$brief" out 2>&1)" "0 $3"
}

# differs WHAT DOCKERFILE OURS THEIRS: the published client says otherwise
differs () {
	reads "$1 (published client: $4)" "$2" "$3"
}

# refuses WHAT DOCKERFILE MESSAGE
refuses () {
	# shellcheck disable=SC2059
	printf "$2" >in
	try "$1" tl-plan -n n -f -
	exits 65
	says "$3"
	is "$1: one line" "$(wc -l <err)" 1
	silent out
}

# rejects WHAT DOCKERFILE MESSAGE THEIRS: the published client takes it
rejects () {
	# shellcheck disable=SC2059
	printf "$2" >in
	try "$1" tl-plan -n n -f -
	is "$1: 65, and one line" "$status $(wc -l <err) $(wc -c <out)" '65 1 0'
	says "$3"
}

# The document, byte by byte
printf 'FROM a\nEXPOSE 1\nCOPY --from=b@sha256:0 x y\n# \001"\\\303\251' >in
try 'the document' tl-plan -n 'my "name"' --public -f -
exits 0
gives '{"name":"my \"name\"","public":true,"dockerfile":"FROM a\nEXPOSE 1\nCOPY --from=b@sha256:0 x y\n# \u0001\"\\é","baseImage":"a","references":[{"reference":"a","line":1,"role":"base"}],"ignored":[{"instruction":"EXPOSE","line":2}],"unresolvable":[{"reference":"b@sha256:0","line":3,"reason":"digest"}]}'
is 'one warning each' "$(cat err)" \
    'tl-plan: stdin:2: EXPOSE has no effect in a sandbox image
tl-plan: stdin:3: b@sha256:0 is not looked up as a template (digest)'

# What is read how; the published client's answers stand beside
# shellcheck source=/dev/null
. "$data/plan.cases"

given 'FROM a
EXPOSE 1
VOLUME /v
SHELL ["/bin/sh", "-xc"]
ONBUILD RUN x'
try 'warnings' tl-plan -f -
is 'one line each' "$(cat err)" \
    'tl-plan: stdin:2: EXPOSE has no effect in a sandbox image
tl-plan: stdin:3: VOLUME mounts nothing in a sandbox: what is written there is part of the image
tl-plan: stdin:5: ONBUILD acts on stages of this Dockerfile only: no image keeps it'
given '# syntax=x/y
FROM a
RNU x'
try 'unknown words of another parser' tl-plan -f -
exits 0
silent err

# Names
named () {
	name=$1 want=$2
	shift 2
	tl-plan "$@" >out 2>err </dev/null
	is "$name" "$(jq -r .name out)" "$want"
}
mkdir -p 'app dir/sub' ' '
for f in Dockerfile dockerfile.dev web.prod.Dockerfile .Dockerfile Plain; do
	echo 'FROM a' >"app dir/$f"
done
echo 'FROM a' >' /Dockerfile'
cp 'app dir/Dockerfile' 'app dir/sub/'
named 'by folder' 'app dir' 'app dir'
named 'by folder, with a slash' 'app dir' 'app dir/'
named 'by folder, with dots' 'app dir' 'app dir/sub/..'
named 'by the file'"'s folder" 'app dir' -f 'app dir/Dockerfile' /
named 'any extension' 'app dir' -f 'app dir/dockerfile.dev'
named 'by file' web.prod -f 'app dir/web.prod.Dockerfile'
named 'a dot file' .Dockerfile -f 'app dir/.Dockerfile'
named 'no extension' Plain -f 'app dir/Plain'
named 'blanks only' sandbox-image ' '
named 'given' x/y:1 -n x/y:1 'app dir'
named 'given and empty' '' -n '' 'app dir'
named 'import' c --import a.b:5/c:d@sha256:1
named 'import without a tag' c --import a/c
named 'import with an empty tag' c: --import a/c:
named 'import of nothing nameable' imported-image --import a/
cd 'app dir' || exit 1
named 'here' 'app dir'
echo 'FROM a' >../in
tl-plan -f - <../in >out 2>err
is 'from stdin' "$(jq -r .name out)" 'app dir'
cd ..

# Import
try 'an import' tl-plan --import ' a/b:1 '
exits 0
silent err
gives '{"name":"b","public":false,"dockerfile":"FROM a/b:1\n","baseImage":"a/b:1","importImageReference":"a/b:1","references":[],"ignored":[],"unresolvable":[]}'
try 'an import of a template name' tl-plan --import 'team/x@sha256:0'
is 'is not looked up' "$(jq -c '[.references, .unresolvable]' out)" '[[],[]]'

# The command line
for wrong in '--import' '--import x -f y' '--import x y' 'x y z' '-f x y z' '-q' '--name'; do
	# shellcheck disable=SC2086
	try "usage: $wrong" tl-plan $wrong
	exits 64
	silent out
done
for wrong in '' ' ' 'a b' 'a
RUN b' "$(printf 'a\177')" "$(printf 'a\377')"; do
	try 'not a reference' tl-plan --import "$wrong"
	exits 64
	says '--import'
	silent out
done
try 'a name that is no text' tl-plan -n "$(printf 'a\377')" 'app dir'
exits 64
try 'no Dockerfile' tl-plan /
exits 66
says '/Dockerfile: No such file'
try 'no context' tl-plan none
exits 66
says 'none: No such file'
echo 'FROM a' >is.Dockerfile
try 'no folder' tl-plan is.Dockerfile in
exits 66
says 'in: not a folder'
try 'a Dockerfile' tl-plan is.Dockerfile
exits 0
is 'a Dockerfile: the name is made of it' "$(jq -r .name out)" is
given 'FROM b'
try 'a Dockerfile on stdin' tl-plan -n x -
exits 0
is 'a Dockerfile on stdin: its base' "$(jq -r .baseImage out)" b
mkdir "$(printf 'bad\377')"
echo 'FROM a' >"$(printf 'bad\377')/Dockerfile"
try 'a folder that is no text' tl-plan "$(printf 'bad\377')"
exits 65
says 'give a name with -n'
try 'what is looked up' tl-plan -v 'app dir'
exits 0
says 'to look up: a (base)'
given 'FROM a'
try 'a full disk' sh -c 'tl-plan -f - >/dev/full'
exits 74
says 'stdout'
{
	echo 'FROM a'
	head -c $((4 << 20)) /dev/zero | tr '\0' '#'
} >long
try 'longer than 4 MB' tl-plan -f long
exits 65
says 'long: more than 4194304 bytes'
printf 'FROM a%s\nEXPOSE 1\n' "$(printf '\033[31m')" >in
try 'control characters' tl-plan -f -
is 'are not for a terminal' "$(grep -c "$(printf '\033')" err)" 0
lists tl-plan.1
