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

# differs WHAT DOCKERFILE OURS THEIRS: THEIRS is the published client's answer
# in the same form, or what it says
differs () {
	reads "$1 (published client: $4)" "$2" "$3"
	[ "$3" != "$4" ] || fail_ "$1: no difference"
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

# The document, byte by byte
printf 'FROM a\nEXPOSE 1\nCOPY --from=b@sha256:0 x y\n# \001"\\\303\251' >in
try 'the document' tl-plan -n 'my "name"' --public -f -
exits 0
gives '{"name":"my \"name\"","public":true,"dockerfile":"FROM a\nEXPOSE 1\nCOPY --from=b@sha256:0 x y\n# \u0001\"\\é","baseImage":"a","references":[{"reference":"a","line":1,"role":"base"}],"ignored":[{"instruction":"EXPOSE","line":2}],"unresolvable":[{"reference":"b@sha256:0","line":3,"reason":"digest"}]}'
is 'one warning each' "$(cat err)" \
    'tl-plan: stdin:2: EXPOSE has no effect in a sandbox image
tl-plan: stdin:3: b@sha256:0 is not looked up as a template (digest)'

# As the published client has it
reads 'one stage' 'FROM ubuntu:24.04\nRUN x\n' \
    'ubuntu:24.04 | *ubuntu:24.04:1 |  | '
reads 'the base is looked up first, the rest as first seen' \
    'FROM a AS one\nCOPY --from=c x y\nFROM b\nCOPY --from=d x y\nFROM e\nCOPY --from=a x y\nRUN --mount=type=bind,from=f,target=/t x\n' \
    'e | *e:5 c:2 a:1 d:4 b:3 f:7 |  | '
reads 'the same image twice' 'FROM a\nFROM a\nFROM b\nFROM b\n' \
    'b | *b:4 a:2 |  | '
reads 'the base image copied from is the base image' \
    'FROM x AS s\nCOPY --from=b q r\nFROM b\n' 'b | *b:3 x:1 |  | '
reads 'stages are not looked up' \
    'FROM a AS one\nFROM b AS two\nCOPY --from=one x y\nFROM two\nRUN --mount=from=one,type=bind x\n' \
    'two | a:1 b:2 |  | '
reads 'a stage that comes later is no stage yet' \
    'FROM a\nCOPY --from=late x y\nFROM b AS late\n' 'b | *b:3 late:2 a:1 |  | '
reads 'scratch is no image' 'FROM SCRATCH AS a\nFROM b\nCOPY --from=scratch x y\n' \
    'b | *b:2 |  | '
reads 'flags of FROM' 'FROM --platform=linux/amd64 --platform linux/arm64 a as x\n' \
    'a | *a:1 |  | '
reads 'quotes of FROM' 'FROM "ubun"'"'tu':24.04"' AS "x y"\n' \
    'ubuntu:24.04 | *ubuntu:24.04:1 |  | '
reads 'words and comments behind the name' 'FROM a AS b c # d\nFROM e # f\n' \
    'e | *e:2 a:1 |  | '
reads 'digests' 'FROM a@sha256:1 AS x\nFROM b@sha256:2\nCOPY --from=c@sha256:3 x y\n' \
    'b@sha256:2 |  | a@sha256:1:1:digest b@sha256:2:2:digest c@sha256:3:3:digest | '
reads 'an argument that nobody knows' 'ARG V\nFROM a:$V AS x\nFROM b:${W}\nCOPY --from=$V x y\n' \
    'b:${W} |  | a:$V:2:build argument b:${W}:3:build argument $V:4:build argument | '
reads 'a dollar that is none' 'FROM u\\$x\n' 'u$x |  | u$x:1:build argument | '
reads 'COPY --from in two words' 'FROM a\nCOPY --chown=0 --from b x y\n' \
    'a | *a:1 b:2 |  | '
reads 'an empty --from' 'FROM a\nCOPY --from= b c\n' 'a | *a:1 |  | '
reads 'several mounts' \
    'FROM a\nRUN --mount=type=cache,target=/c --mount=type=bind,FROM=b,source=/ --network=none --mount=from=c x\n' \
    'a | *a:1 b:2 c:2 |  | '
reads 'a row in quotes' "FROM a\nRUN --mount='type=bind,\"from=b\"' x\n" \
    'a | *a:1 b:2 |  | '
reads 'ADD and ONBUILD are not read' \
    'FROM a\nADD --from=b x y\nONBUILD COPY --from=c x y\n' \
    'a | *a:1 |  | ONBUILD:3'
reads 'what has no effect' \
    'FROM a\nexpose 1\nHEALTHCHECK NONE\nLabel a=b\nSTOPSIGNAL 9\nVOLUME /v\nONBUILD RUN x\nSHELL ["a"]\nCMD x\nENTRYPOINT x\nUSER 0\nENV a=b\nWORKDIR /\nARG q\nEXPOSE 2\n' \
    'a | *a:1 |  | EXPOSE:2 HEALTHCHECK:3 LABEL:4 STOPSIGNAL:5 VOLUME:6 ONBUILD:7 SHELL:8 EXPOSE:15'
is 'a warning each' "$(wc -l <err)" 8
reads 'any case, blanks, CR LF, no end' \
    '\r\n  # x\r\n\tfRoM\t a \\ \r\n  AS  b\r\ncopy  --from=B x y\r\nrun\f--mount=from=c x' \
    'a | *a:3 c:6 |  | '
reads 'continued to the end of the file' 'FROM \\\n a \\' 'a | *a:1 |  | '
reads 'a line of nothing but the continuation' '\\\n\\\nFROM a\n' \
    'a | *a:1 |  | '
reads 'an unknown word' 'FROM a\nRNU x\n' 'a | *a:1 |  | '
says 'stdin:2: RNU is no instruction of a Dockerfile'
reads 'unknown words of another parser' '# syntax=x/y\nFROM a\nRNU x\n' \
    'a | *a:2 |  | '
silent err

# Where the published client reads a Dockerfile as Docker does not
differs 'a here-document' 'FROM a\nRUN <<EOF\nFROM evil:1\nEXPOSE 1\nEOF\n' \
    'a | *a:1 |  | ' 'evil:1 | *evil:1:3 a:1 |  | EXPOSE:4'
differs 'here-documents, several and quoted' \
    'FROM a\nCOPY <<"x y" <<-\\z 3<<w /d/\nx\nFROM b\nx y\n\tFROM c\n\tz\nFROM d\nw\nRUN --mount=from=e cat <<EOF >f && g\nEXPOSE 1\nEOF\nVOLUME /v\n' \
    'a | *a:1 e:10 |  | VOLUME:13' \
    'd | *d:8 a:1 b:4 c:6 e:10 |  | EXPOSE:11 VOLUME:13'
differs 'a here-document of ONBUILD' \
    'FROM a\nONBUILD RUN <<EOF\nFROM b\nEOF\n' 'a | *a:1 |  | ONBUILD:2' \
    'b | *b:3 a:1 |  | ONBUILD:2'
differs 'a here-document behind a continued line' \
    'FROM a\nRUN x \\\n <<EOF\nFROM b\nEOF\n' 'a | *a:1 |  | ' \
    'b | *b:4 a:1 |  | '
differs 'a comment inside a continued line' \
    'FROM a\nCOPY \\\n# x\n --from=b c d\n' 'a | *a:1 b:2 |  | ' \
    'a | *a:1 |  | '
differs 'a blank line inside a continued line' \
    'FROM a\nRUN --mount=type=bind \\\n\n --mount=from=b \\\n  \n x\n' \
    'a | *a:1 b:2 |  | ' 'a | *a:1 |  | '
differs 'a comment that ends in a backslash' \
    'FROM a\nCOPY \\\n# x \\\n--from=b c d\nRUN x\n' \
    'a | *a:1 b:2 |  | ' 'a | *a:1 b:2 |  | (the comment continues)'
differs 'two backslashes at the end' 'FROM a\nRUN x \\\\\nEXPOSE 1\n' \
    'a | *a:1 |  | EXPOSE:3' 'a | *a:1 |  | '
differs 'continued words are joined without a blank' 'FR\\\nOM a\\\n:1\n' \
    'a:1 | *a:1:1 |  | ' 'no FROM'
differs 'the escape directive' \
    '# escape=`\nFROM a\nCOPY `\n --from=b c:\\ d\nRUN x \\\nEXPOSE 1\n' \
    'a | *a:2 b:3 |  | EXPOSE:6' 'a | *a:2 |  | '
differs 'directives in a row' \
    '#syntax = x\n# check=skip=all\n#ESCAPE=`\nFROM `\na\n' \
    'a | *a:4 |  | ' 'FROM has no image'
differs 'a stage by number' 'FROM a\nFROM b\nCOPY --from=0 x y\nCOPY --from=7 x y\n' \
    'b | *b:2 a:1 7:4 |  | ' 'b | *b:2 a:1 0:3 7:4 |  | '
differs 'a stage in another case' 'FROM a AS Build\nFROM b\nCOPY --from=build x y\n' \
    'b | *b:2 a:1 |  | ' 'b | *b:2 a:1 build:3 |  | '
differs 'a FROM in another case' 'FROM a AS Build\nFROM bUILD\n' \
    'bUILD | a:1 |  | ' 'bUILD | *bUILD:2 a:1 |  | '
differs 'a stage of its image'"'s name" 'FROM base AS base\n' \
    'base | *base:1 |  | ' 'base |  |  | '
differs 'and a stage built on it' 'FROM base AS base\nFROM base\n' \
    'base | base:1 |  | ' 'base |  |  | '
differs 'a byte order mark' '\357\273\277FROM a\n' 'a | *a:1 |  | ' 'no FROM'
differs 'scratch at the end' 'FROM a AS b\nFROM scratch\nCOPY --from=b x y\n' \
    'scratch | a:1 |  | ' 'scratch | *scratch:2 a:1 |  | '
differs 'a tab behind a flag' 'FROM --platform=x\ta\n' 'a | *a:1 |  | ' \
    'FROM has no image'
differs 'a tab and a platform' 'FROM\t--platform=$BUILDPLATFORM\ta\tAS\tb\n' \
    'a | *a:1 |  | ' 'FROM has no image'
differs 'quotes of COPY --from' 'FROM a\nCOPY --from="b" x y\n' \
    'a | *a:1 b:2 |  | ' 'a | *a:1 "b":2 |  | '
differs 'what looks like a flag behind the values' \
    'FROM a\nCOPY x --from=b y\nRUN echo --mount=from=c\n' \
    'a | *a:1 |  | ' 'a | *a:1 b:2 c:3 |  | '
differs 'a build argument with a default' 'ARG V=24.04\nFROM ubuntu:$V\n' \
    'ubuntu:24.04 | *ubuntu:24.04:2 |  | ' \
    'ubuntu:$V |  | ubuntu:$V:2:build argument | '
differs 'all forms of it' \
    'ARG A=a E= B="b ${A}"\nARG C=c-${A}\nFROM $C AS s1\nFROM ${E:-${N:-x}}${N-y}${C+z}${E+w}${E:+$N}${N:+$N} AS s2\nFROM ${A:-"q}"}r\n' \
    'a}r | *a}r:5 c-a:3 xyzw:4 |  | ' \
    '${A:-"q}"}r |  | $C:3:build argument ...'
differs 'a default that names a stage' \
    'ARG S=one\nFROM a AS one\nFROM $S\n' 'one | a:2 |  | ' \
    '$S |  | $S:3:build argument | '
differs 'a default with a digest' 'ARG I=a@sha256:1\nFROM $I\n' \
    'a@sha256:1 |  | a@sha256:1:2:digest | ' \
    '$I |  | $I:2:build argument | '
reads 'values that only BuildKit knows' \
    'ARG TARGETARCH=x\nFROM a:${TARGETARCH:-amd64}\n' \
    'a:${TARGETARCH:-amd64} |  | a:${TARGETARCH:-amd64}:2:build argument | '
reads 'expressions of other kinds' \
    'ARG A=a\nFROM ${A:?no}\nFROM ${A#a}\nFROM ${A\nFROM $1\nFROM ${A:+$N}\nFROM x\n' \
    'x | *x:7 | ${A:?no}:2:build argument ${A#a}:3:build argument ${A:4:build argument $1:5:build argument ${A:+$N}:6:build argument | '
reads 'single quotes keep a dollar' "ARG A=a\nFROM '\$A'\n" \
    '$A |  | $A:2:build argument | '
reads 'an argument of a stage is none of the next FROM' \
    'ARG A=a\nFROM x\nARG A=b\nFROM $A\n' 'a | *a:4 x:2 |  | '
reads 'an empty value' 'ARG A=\nFROM $A\n' '$A |  | $A:2:build argument | '
reads 'JSON form has no here-document' \
    'FROM a\nRUN ["x","<<EOF"]\nEXPOSE 1\n' 'a | *a:1 |  | EXPOSE:3'
reads 'what is no here-document' \
    'FROM a\nRUN x <<<y a<<b "<<c" << d 1 <<$((1<<2))\nENV x=<<EOF\nEXPOSE 1\n' \
    'a | *a:1 |  | EXPOSE:4'
reads 'a quote left open hides it' 'FROM a\nRUN it'"'"'s <<EOF\nEXPOSE 1\n' \
    'a | *a:1 |  | EXPOSE:3'

# What cannot be meant
refuses 'no FROM' 'RUN x\n' 'stdin: no FROM'
refuses 'nothing but comments' '# x\n\n' 'stdin: no FROM'
refuses 'nothing at all' '' 'stdin: empty, expected a Dockerfile'
refuses 'FROM alone' 'FROM\n' 'stdin:1: FROM has no image'
refuses 'FROM and a comment' 'FROM # x\n' 'stdin:1: FROM has no image'
refuses 'FROM and a flag' '\nFROM --platform=x\n' 'stdin:2: FROM has no image'
refuses 'FROM and half a flag' 'FROM --platform\n' \
    'stdin:1: FROM: --platform has no value'
refuses 'FROM nothing' 'FROM ""\n' 'stdin:1: FROM has no image'
refuses 'FROM and two images' 'FROM a b\n' 'stdin:1: FROM: expected AS'
refuses 'AS nothing' 'FROM a AS\n' 'stdin:1: FROM: no name behind AS'
refuses 'a quote that is not closed' 'FROM a\nFROM "b\n' \
    'stdin:2: FROM: a quote is not closed'
refuses 'ARG with a quote that is not closed' 'ARG a="b\nFROM a\n' \
    'stdin:1: ARG: a quote is not closed'
refuses 'a here-document without end' 'FROM a\nRUN x\nRUN <<EOF\nEO\n EOF\n' \
    "stdin:3: the here-document's end, a line EOF, is missing"
refuses 'a NUL' 'FROM a\nRUN x\000y\n' 'stdin:2: a NUL byte'
refuses 'malformed UTF-8' 'FROM a\n\nRUN \303(\n' 'stdin:3: not UTF-8'
refuses 'a wrong escape' '#syntax=x\n#escape=x\nFROM a\n' \
    'stdin:2: the escape character is'
reads 'a directive too late' '# x\n# escape=x\nFROM a\n' 'a | *a:3 |  | '

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
for wrong in '--import' '--import x -f y' '--import x y' 'x y' '-q' '--name'; do
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
try 'no folder' tl-plan in
exits 66
says 'in: not a folder'
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
