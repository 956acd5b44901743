#!/bin/sh
# tl-changed: whether a build would make what is registered already
# shellcheck disable=SC2012

. "${0%/*}/lib.sh"

TENSORLAKE_API_KEY=key-MARKER
TL_RETRY_SECOND_MS=1
export TENSORLAKE_API_KEY TENSORLAKE_API_URL TL_RETRY_SECOND_MS
all=/platform/v1/sandbox-templates/by-name

template () {
	printf '{"id":"t-%s","name":"%s", "snapshotId":"%s"}\n' "$1" "$1" "$2"
}

# serve WEB BASE: what is answered for either, each of them ANSWER,...
serve () {
	peer "[{\"method\":\"GET\",\"path\":\"$all/web\",\"answers\":[$1]},
	    {\"method\":\"GET\",\"path\":\"$all/base\",\"answers\":[$2]}]"
	TENSORLAKE_API_URL=$URL
}

# answer TEXT: as it stands
answer () {
	jq -cn --arg b "$1" '{body: $b}'
}

# folder: of a build of the image web, on base
folder () {
	rm -rf work
	mkdir work
	printf 'FROM base\n' | tl-plan -n web -f - >work/plan.json
	echo 0123 >work/context.seen
}

none='{"status":404}'
web=$(template web s-1)
base=$(answer "$(template base s-0)")
folder
serve "$none" "$base"
try 'no build is known' tl-changed --state state work
exits 0
silent out
silent err
is 'the folder has its digest' "$(cat work/inputs)" "sha256:$(printf \
    '[2,"web",false,"FROM base\\n",false,"0123",null,false,null,["base","s-0"]]' |
    sha256sum | cut -d ' ' -f 1)"
is 'asks what it stands on, and no more' "$(seen 'map(.target)[]')" "$all/base"
cp work/context.seen work/context.digest
echo "$web" >work/template.json
try 'what was built is kept' tl-changed --done --state state work
exits 0
is 'with its snapshot' "$(jq -c . state)" \
    "{\"name\":\"web\",\"inputs\":\"$(cat work/inputs)\",\"snapshotId\":\"s-1\"}"
is 'for nobody else' "$(stat -c %a state)" 600
cp state good

# again WHAT SAYS [OPTION...]: there is something to build
again () {
	what=$1 why=$2
	shift 2
	try "$what" tl-changed -v --state state "$@" work
	exits 0
	says "to build: $why"
	is "$what: nothing is found" "$(ls work | tr '\n' ' ')" \
	    'context.seen inputs plan.json '
}

folder
serve "$(answer "$web")" "$base"
try 'the same again' tl-changed --state state work
exits 0
silent out
silent err
is 'has the template, byte for byte' "$(cat work/template.json)" "$web"
is 'and nothing to be kept' "$(ls work | tr '\n' ' ')" \
    'context.seen plan.json template.json unchanged '
try 'which is not done' tl-changed --done --state state work
exits 0
is 'nor changed' "$(cat state)" "$(cat good)"
folder
again 'another size' 'its inputs have changed' --disk-mb 1G
again 'compatibility' 'its inputs have changed' --docker-compat
SOURCE_DATE_EPOCH=1 again 'another time' 'its inputs have changed'
SOURCE_DATE_EPOCH=x try 'no time' tl-changed --state state work
exits 78
says 'SOURCE_DATE_EPOCH: not a number of seconds'
again 'told to' '--force is given' --force
echo 0124 >work/context.seen
again 'another context' 'its inputs have changed'
folder
serve "$(answer "$web")" "$(answer "$(template base s-9)")"
again 'another parent' 'its inputs have changed'
serve "$(answer "$web")" "$none"
again 'no parent' 'its inputs have changed'
serve "$none" "$base"
again 'not registered' 'it is not registered any more'
serve "$(answer "$(template web s-2)")" "$base"
again 'replaced' 'somebody has registered another under its name'
for text in '{' '[]' '{"name":"web","inputs":7,"snapshotId":"s"}' ''; do
	printf %s "$text" >state
	again "a state '$text'" 'the record of the last build is damaged'
done
rm state
again 'no state' 'there is no record of a build'
mkdir state
again 'a state that is a folder' 'the record of the last build is damaged'
rmdir state
cp good state
try 'no folder for it' env HOME=/proc tl-changed -v work
exits 0
says 'give --state'

# What cannot be known is no reason to build, nor to leave it.
serve '{"status":500}' "$base"
try 'a server that fails' tl-changed --state state work
exits 69
serve "$(answer 'no JSON')" "$base"
try 'an answer that is none' tl-changed --state state work
exits 76
serve "$(answer '{"id":"x","name":"web"}')" "$base"
try 'a template without a snapshot' tl-changed --state state work
exits 76
serve "$(answer "$web")" '{"status":403}'
try 'a parent that may not be asked for' tl-changed --state state work
exits 77
is 'none of them finds anything' "$(ls work | tr '\n' ' ')" \
    'context.seen plan.json '

# Afterwards nothing is a failure: the image is registered.
serve "$(answer "$web")" "$base"
tl-changed --force --state state work
rm state
for wrong in "echo x >work/context.digest" "echo '{' >work/template.json" \
    'rm work/plan.json'; do
	folder
	tl-changed --force --state state work
	cp work/context.seen work/context.digest
	echo "$web" >work/template.json
	eval "$wrong"
	try "afterwards: $wrong" tl-changed --done -v --state state work
	exits 0
	says 'so --if-changed builds it next time'
	is 'is not kept' "$(ls state 2>/dev/null)" ''
done
folder
tl-changed --force --state state work
cp work/context.seen work/context.digest
echo "$web" >work/template.json
try 'afterwards: no place' tl-changed --done -v --state none/state work
exits 0
says 'so --if-changed builds it next time'

try 'no plan' tl-changed --state state .
exits 66
says 'plan.json'
echo '{}' >plan.json
try 'none that is one' tl-changed --state state .
exits 65
peer_end
try 'nobody there' tl-changed --state state work
exits 75
try 'no key' env -u TENSORLAKE_API_KEY tl-changed --state state work
exits 78
for line in '' 'a b' '--state= a' '--disk-mb x a' '--bad a'; do
	# shellcheck disable=SC2086
	try "usage: '$line'" tl-changed $line
	exits 64
done
lists tl-changed.1
