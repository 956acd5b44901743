#!/bin/sh
# Settings: an option, else the environment, else the user's file, each value
# for itself; a key goes only where its own place says; nothing of the working
# directory is read

. "${0%/*}/lib.sh"
. "$here/scripted.sh"

config=$HOME/.config/tl/config
mkdir -p "${config%/*}"
TL_RETRY_SECOND_MS=1
export TL_RETRY_SECOND_MS

# conf LINE...: the user's file
conf () {
	(umask 077; printf '%s\n' "$@" >"$config.new")
	mv "$config.new" "$config"
}

# plain: no setting anywhere
plain () {
	rm -rf "$config"
	unset TENSORLAKE_API_URL TENSORLAKE_API_KEY TENSORLAKE_PAT \
	    TL_TOKEN_FILE TENSORLAKE_ORGANIZATION_ID TENSORLAKE_PROJECT_ID \
	    INDEXIFY_NAMESPACE TL_SIGN_DIALECT TL_DEADLINE TL_STALL_S \
	    TL_CA_BUNDLE XDG_CONFIG_HOME TENSORLAKE_SANDBOX_PROXY_URL
}

plan='{"name":"n","public":false,"dockerfile":"FROM ubuntu\n",
    "baseImage":"ubuntu","references":[],"ignored":[],"unresolvable":[]}'

# prepare WHAT [ARG...]: one that wants a credential, before it asks anybody
prepare () {
	name_=$1
	shift
	given "$plan"
	try "$name_" tl-prepare "$@"
}

# requests WHAT [ARG...]: what a build would ask
requests () {
	name_=$1
	shift
	given "$plan"
	try "$name_" tl-requests "$@"
}

box () {
	(umask 077; cat >box.json <<-END
	{"id":"sbx-1","namespace":"default","status":"running",
	"proxyUrl":"$URL","image":"i","buildId":"b-1",
	"resources":{"cpus":1.5,"memoryMb":1,"diskMb":1}}
	END
	)
}

# sent NAME: that header of the last request, or nothing
sent () {
	seen 'last | .headers[]? | select(.[0] == "'"$1"'") | .[1]'
}

# show WHAT [ARG...]: one request to a server, which is not there if it is not
# loopback's
show () {
	name_=$1
	shift
	: >log
	try "$name_" tl-sandbox show -s box.json "$@"
}

info='{"id":"sbx-1","namespace":"default","status":"running",
    "sandbox_url":"@URL@","resources":{"cpus":1.0,"memory_mb":1}}'
peer '[{"path":"*/sandboxes/*","answers":[{"json":'"$info"'}]}]'
box
one=http://127.0.0.1:1 two=http://127.0.0.1:2 three=http://127.0.0.1:3

# Where to.
plain
conf 'api_key = k-file'
requests 'no address'
exits 0
holds 'POST https://api.tensorlake.ai/platform/v1/'
holds 'POST https://sandbox.tensorlake.ai/sandboxes '
conf '# mine' '' "  api_url =  $one  " 'api_key=k-file'
requests 'an address of the file'
exits 0
holds "POST $one/platform/v1/"
silent err
export TENSORLAKE_API_URL=$two TENSORLAKE_API_KEY=k-env
requests 'of the environment'
exits 0
holds "POST $two/platform/v1/"
requests 'of an option' --api-url "$three"
exits 0
holds "POST $three/platform/v1/"
TENSORLAKE_API_URL='' TENSORLAKE_API_KEY=''
requests 'an empty variable is none'
holds "POST $one/platform/v1/"
conf 'api_key = k-file' "api_url = $one" 'namespace = ns-file'
requests 'a namespace of the file'
holds "POST $one/v1/namespaces/ns-file/sandboxes "
export INDEXIFY_NAMESPACE=ns-env
requests 'of the environment'
holds "POST $one/v1/namespaces/ns-env/sandboxes "
plain
mkdir -p xdg/tl
(umask 077; printf 'api_key = k\napi_url = %s\n' "$three" >xdg/tl/config)
conf "api_url = $one" 'api_key = k'
export XDG_CONFIG_HOME="$T/xdg"
requests 'XDG_CONFIG_HOME'
holds "POST $three/platform/v1/"
XDG_CONFIG_HOME=$T/nowhere
prepare 'one without a file'
exits 78
says 'no credential: set TENSORLAKE_API_KEY'

# As whom.
plain
conf "api_url = $URL" 'api_key = k-file'
show 'a key of the file'
exits 0
is 'is sent' "$(sent Authorization)" 'Bearer k-file'
conf "api_url = $URL" 'pat = p-file' 'organization_id = o-file' \
    'project_id = r-file'
show 'a personal access token of the file'
exits 0
is 'is sent, with its scope' "$(sent Authorization) $(
    sent X-Forwarded-Organization-Id) $(sent X-Forwarded-Project-Id)" \
    'Bearer p-file o-file r-file'
export TENSORLAKE_PROJECT_ID=r-env
show 'a project of the environment'
is 'is sent' "$(sent X-Forwarded-Organization-Id) $(
    sent X-Forwarded-Project-Id)" 'o-file r-env'
export TENSORLAKE_ORGANIZATION_ID=o-env
show 'an organization of the environment'
is 'is sent' "$(sent X-Forwarded-Organization-Id)" 'o-env'
(umask 077; echo t-file >"$HOME/token"; echo t-opt >token.opt)
plain
# The tilde is the file's.
# shellcheck disable=SC2088
conf "api_url = $URL" 'token_file = ~/token'
show 'a token file of the file'
exits 0
is 'is sent' "$(sent Authorization)" 'Bearer t-file'
conf "api_url = $URL" "token_file = $HOME/token"
show 'by its whole path'
is 'is sent' "$(sent Authorization)" 'Bearer t-file'
show 'a token file of an option' --token-file token.opt
is 'is sent' "$(sent Authorization)" 'Bearer t-opt'
export TENSORLAKE_API_URL="$URL" TENSORLAKE_API_KEY=k-env
show 'a key of the environment'
is 'is sent instead' "$(sent Authorization)" 'Bearer k-env'
show 'an option comes before it' --token-file token.opt
is 'and is sent' "$(sent Authorization)" 'Bearer t-opt'
plain
conf "api_url = $URL" 'api_key = k-file'
export TENSORLAKE_API_URL="$URL" TL_TOKEN_FILE="$T/token.opt"
show 'a token file of the environment comes before a key of the file'
is 'and is sent' "$(sent Authorization)" 'Bearer t-opt'

# A key goes where its own place says, to the default, or where the command
# line says.
plain
conf 'api_key = k-file'
export TENSORLAKE_API_URL="$URL"
show 'a key of the file, an address of the environment'
exits 78
says "$config:1: api_key: not sent to an address out of the environment"
silent out
is 'nothing is sent' "$(seen length)" 0
conf "api_url = $one" 'api_key = k-file'
show 'a key of the file, which has another address'
exits 78
is 'nothing is sent' "$(seen length)" 0
conf "api_url = $one" 'token_file = /token'
show 'a token file of the file'
exits 78
says "$config:2: token_file: not sent"
conf "api_url = $URL" 'api_key = k-file'
show 'the same address in both'
exits 0
show 'an address on the command line' --api-url "$URL"
exits 0
plain
conf 'api_key = k-file'
show 'an address on the command line, and none in the file' --api-url "$URL"
exits 0
is 'gets the key' "$(sent Authorization)" 'Bearer k-file'
plain
conf "api_url = $URL"
export TENSORLAKE_API_KEY=k-env
show 'a key of the environment, an address of the file'
exits 78
says 'TENSORLAKE_API_KEY: not sent to an address out of the user'
is 'nothing is sent' "$(seen length)" 0
show 'an address on the command line' --api-url "$URL"
exits 0
is 'gets the key' "$(sent Authorization)" 'Bearer k-env'
show 'a token file on the command line' --token-file token.opt
exits 0
is 'goes to the address of the file' "$(sent Authorization)" 'Bearer t-opt'
unset TENSORLAKE_API_KEY
export TENSORLAKE_API_URL="$URL"
show 'and to that of the environment' --token-file token.opt
exits 0
plain
conf 'api_url = https://api.tensorlake.ai' 'namespace = n'
export TENSORLAKE_API_KEY=k-env
requests 'the default address, in the file'
exits 0

# So it is with where the sandboxes are.
plain
peer '[{"path":"*/sandboxes/*","answers":[{"json":{"id":"sbx-1",
    "namespace":"default","status":"running",
    "resources":{"cpus":1.0,"memory_mb":1}}}]},
    {"path":"/api/v1/health","answers":[{"json":{"healthy":true}}]}]'
(umask 077; jq 'del(.proxyUrl)' box.json >bare.json)
export TENSORLAKE_SANDBOX_PROXY_URL="$URL/other"
conf "api_url = $URL" 'api_key = k-file'
try 'a key of the file, a proxy of the environment' \
    tl-sandbox wait -s bare.json --timeout 1
exits 78
says 'TENSORLAKE_SANDBOX_PROXY_URL: out of the environment'
is 'it gets nothing' "$(seen '[.[] | select(.target |
    startswith("/other") or startswith("/api"))] | length')" 0
export TENSORLAKE_API_URL="$URL" TENSORLAKE_API_KEY=k-env
try 'a key of the environment' tl-sandbox wait -s bare.json --timeout 1
is 'is sent there' "$(seen '[.[] | select(.target |
    startswith("/other/api"))] | length > 0')" true

# The rest of it.
plain
block='{"kind":"s3_multipart","uri":"s3://b/x","uploadId":"u",
    "partSizeBytes":1,"partUrls":[],"completeUrl":"@URL@/c",
    "abortUrl":"@URL@/a"}'
peer '[{"path":"*/blob/sign","answers":[{"json":'"$block"'}]},
    {"path":"*/sandboxes/*","answers":[{"hang":true}]}]'
box
prepared='{"buildId":"b-1","snapshotId":"s-1","rootfsNodeKind":"base",
"snapshotRelPath":"projects/p1/sandbox-template-builds/b-1/s-1.tlsnap",
"builder":{"image":"i","command":"c","cpus":1.5,"memoryMb":1,"diskMb":1}}'
# dialect WHAT WANTED [ARG...]: which one is spoken
dialect () {
	what_=$1 wanted_=$2
	shift 2
	: >log
	given "$prepared"
	try "$what_" tl-sign -s box.json "$@"
	exits 0
	is "$what_: $wanted_" "$(seen 'first | .body | fromjson |
	    if has("target") then "merged" else "seed" end')" "$wanted_"
}
conf "api_url = $URL" 'api_key = k-file'
dialect 'no dialect' seed
conf "api_url = $URL" 'api_key = k-file' 'dialect = merged'
dialect 'of the file' merged
export TL_SIGN_DIALECT=seed
dialect 'of the environment' seed
dialect 'of an option' merged --dialect merged
plain
conf "api_url = $URL" 'api_key = k-file' 'stall = 1'
show 'a stalled transfer'
exits 75
says 'no byte for 1 s'
plain
conf "api_url = https://127.0.0.1:${URL##*:}" 'api_key = k' \
    "ca_bundle = $T/ca-file"
show 'a bundle of the file'
says "$T/ca-file"
export TL_CA_BUNDLE="$T/ca-env"
show 'of the environment'
says "$T/ca-env"

# How long.
plain
peer '[{"path":"*/sandboxes/*","answers":[{"hang":true}]}]'
conf "api_url = $URL" 'api_key = k-file' 'deadline = 1'
show 'a deadline of the file'
exits 75
is 'one line says so' "$(cat err)" \
    'tl-sandbox: the deadline of 1 s has passed'
silent out
export TL_DEADLINE=2
show 'of the environment'
exits 75
says 'the deadline of 2 s has passed'
show 'of an option' --deadline 1
exits 75
says 'the deadline of 1 s has passed'
TL_DEADLINE=0
peer '[{"path":"*/sandboxes/*","answers":[{"delay":1.3,"json":'"$info"'}]}]'
conf "api_url = $URL" 'api_key = k-file' 'deadline = 1'
show 'none at all'
exits 0

# A command goes on, and can be seen again.
run='"pid":7,"command":"make","args":[],"started_at":1'
peer '[{"method":"GET","path":"*/output/follow","answers":[
    {"events":[{"line":"a"},{"pause":60}]},
    {"events":[{"line":"a"},{"pause":60}]},
    {"events":[{"line":"a"},{"line":"b"},"event: eof\ndata: {}\n\n"]}]},
    {"method":"GET","path":"/api/v1/processes/7","answers":[
    {"json":{'"$run"',"status":"exited","exit_code":3}}]},
    {"method":"POST","path":"/api/v1/processes","answers":[
    {"status":201,"json":{'"$run"',"status":"running"}}]},
    {"method":"GET","path":"/api/v1/processes","answers":[
    {"json":{"processes":[]}}]},
    {"method":"DELETE","path":"/api/v1/processes/7","answers":[
    {"status":204}]}]'
box
conf "api_url = $URL" 'api_key = k-file'
TL_SANDBOX=box.json
export TL_SANDBOX
try 'a command' tl-exec --deadline 1 -- make
exits 75
is 'one line says how to go on' "$(cat err)" 'tl-exec: the deadline of 1 s '\
'has passed; process 7 still runs in sandbox sbx-1: see it with --attach 7, '\
'end it with --kill 7'
gives a
is 'it is not killed' "$(seen 'map(select(.method == "DELETE")) | length')" 0
try 'to see it again, for a while' timeout --preserve-status -s INT 1 \
    tl-exec --attach 7
exits 130
gives a
is 'it is not killed either' \
    "$(seen 'map(select(.method == "DELETE")) | length')" 0
try 'to see it again' tl-exec --attach 7 --status-file end.json
exits 3
gives 'a
b'
is 'with its end' "$(jq -c . end.json)" \
    '{"pid":7,"exitCode":3,"oomKilled":false}'
try 'to end it' tl-exec --kill 7
exits 0
is 'it is killed' "$(seen 'map(select(.method == "DELETE"))[].target')" \
    /api/v1/processes/7
is 'nothing more was started' \
    "$(seen 'map(select(.method == "POST")) | length')" 1
for args in '--attach 7 make' '--kill 7 --attach 7' '--kill 0' \
    '--attach 7 --builder box.json'; do
	# shellcheck disable=SC2086
	try "$args" tl-exec $args
	exits 64
done

# Whatever is waited for: here stdin, before and after there is a client.
mkfifo pipe
exec 8<>pipe
for args in 'tl-prepare' 'tl-sandbox wait' 'tl-put /x' 'tl-sign'; do
	: >log
	# shellcheck disable=SC2086
	timeout 10 $args --deadline 1 <&8 >out 2>err 8<&-
	is "$args: a stdin that does not end" "$? $(cat err)" \
	    "75 ${args%% *}: the deadline of 1 s has passed"
done
exec 8<&-

# A build hands it all on.
scripted '{"method":"GET","path":"*/by-name/*","answers":[{"delay":1.3,
    "status":404}]},'
unset TL_SANDBOX
plain
mkdir context
printf 'FROM ubuntu\n' >context/Dockerfile
# build WHAT [ARG...]
build () {
	what_=$1
	shift
	: >log
	rm -rf w
	try "$what_" tl-build --work w "$@" context/Dockerfile
}
# keys WANTED: those of all requests but the store's, of which there were many
keys () {
	is "$name: $1" "$(seen '[.[] | .headers[] |
	    select(.[0] == "Authorization") | .[1]] |
	    if length > 15 then unique[] else length end')" "$1"
}
build 'a build with options' --api-url "$URL" --token-file token.opt
exits 0
keys 'Bearer t-opt'
conf "api_url = $URL" 'api_key = k-file' 'deadline = 1'
build 'a build with the file, whose deadline is its own, too'
exits 75
says 'the deadline of 1 s has passed'
conf "api_url = $URL" 'api_key = k-file'
build 'a build with the file'
exits 0
keys 'Bearer k-file'
export TL_DEADLINE=1
build 'a build with a deadline'
exits 75
says 'the deadline of 1 s has passed'
build 'an option comes first' --deadline 60
exits 0
TL_DEADLINE=soon
build 'one that is none'
exits 78
says 'tl-build: TL_DEADLINE: not a number from 0 to 31536000'
plain
conf "api_url = $one" 'api_key = k-file'
export TENSORLAKE_API_URL="$URL"
build "a key of the file, an address of the environment's"
exits 78
is 'nothing is sent' "$(seen length)" 0
build 'an address for once' --api-url "$URL"
exits 0
keys 'Bearer k-file'

# What is wrong with it, by its line.
plain
# bad WHAT SAYS LINE...
bad () {
	what_=$1 says_=$2
	shift 2
	conf "$@"
	requests "$what_"
	exits 78
	is "$what_: one line" "$(wc -l <err)" 1
	says "tl-requests: $config$says_"
	silent out
	is "$what_: no secret" "$(grep -c MARKER err)" 0
}
bad 'an unknown name' ':2: api_urls: no such setting' 'api_key = MARKER' \
    'api_urls = MARKER'
bad 'what is no name at all' ':1: no such setting' 'MARKER MARKER = x'
bad 'no value' ':1: not NAME = VALUE' 'MARKER'
bad 'an empty value' ':2: api_key: empty' '' 'api_key ='
bad 'a repeated name' ':3: api_key: given twice' 'api_key = MARKER' '#' \
    'api_key = MARKER'
bad 'two credentials' ':2: pat: a credential is there already, in line 1' \
    'api_key = MARKER' 'pat = MARKER'
bad 'a blank in a key' ':1: api_key: holds a blank' 'api_key = MARKER b'
bad 'a control byte' ':1: api_key: control byte' \
    "$(printf 'api_key = M\033[1m')"
bad 'no address' ':1: api_url: nowhere: not an http(s) address' \
    'api_url = nowhere' 'api_key = MARKER'
bad 'an address with a password' ':1: api_url: holds a user name' \
    'api_url = https://u:MARKER@api.x.example' 'api_key = k'
bad 'one with a slash in it' ':1: api_url: holds a user name' \
    'api_url = https://u:1/MARKER@api.x.example' 'api_key = k'
bad 'one without a scheme' ':1: api_url: holds a user name' \
    'api_url = u:MARKER@api.x.example' 'api_key = k'
bad 'an address whose sandboxes are nowhere' ':1: api_url: https://x.example' \
    'api_url = https://x.example' 'api_key = k'
bad 'a dialect' ':1: dialect: must be auto, seed or merged' 'dialect = old'
for value in -1 1s ' ' 99999999999999999999 1.5; do
	bad "a deadline of $value" ':1: deadline: ' "deadline = $value"
done
bad 'a stall of 0' ':1: stall: not a number from 1' 'stall = 0'
bad 'a relative token file' ':1: token_file: not a path from / or ~/' \
    'token_file = token'
bad 'a relative bundle' ':1: ca_bundle: not a path from / or ~/' \
    'ca_bundle = ./ca.pem'
bad 'a token file that is not there' ':1: token_file: /nowhere: No such file' \
    'token_file = /nowhere'
long=$(head -c 60000 /dev/zero | tr '\0' a)
conf "# $long" "api_url = $one" 'api_key = k'
requests 'a long line'
exits 0
bad 'a file that is too long' ': more than' "# $long" "# $long"
(umask 077; printf 'api_key = k\0\napi_url = x\n' >"$config")
requests 'a NUL'
exits 78
says "$config: holds a NUL"
for word in --api-url --token-file; do
	requests "an empty $word" "$word" ''
	exits 64
done
requests 'a deadline that is none' --deadline soon
exits 64
says 'deadline: not a number'
export TL_STALL_S=soon
requests 'a variable that is no number'
exits 78
says 'TL_STALL_S: not a number'

# Whose it is.
plain
conf "api_url = $one" 'api_key = k'
chmod 640 "$config"
requests 'a key that others may read'
exits 78
says "$config: holds a secret and is open to others; chmod 600 it"
conf "api_url = $one" 'pat = k' 'organization_id = o' 'project_id = p'
chmod 604 "$config"
requests 'a token that others may read'
exits 78
conf "api_url = $one" "token_file = $T/token.opt"
chmod 644 "$config"
requests 'no secret, and others may read it'
exits 0
chmod 664 "$config"
requests 'others may write it'
exits 78
says "$config: others may write it"
rm "$config"
mkdir "$config"
requests 'a folder'
exits 78
says "$config: not a file"
rmdir "$config"
mkfifo "$config"
requests 'a pipe, which nobody writes to'
exits 78
says "$config: not a file"
rm "$config"
(umask 077; printf 'api_key = k\napi_url = %s\n' "$two" >kept)
ln -s "$T/kept" "$config"
requests 'a link'
exits 0
holds "POST $two/"
chmod 644 kept
requests 'what counts is where it leads'
exits 78
rm kept
prepare 'a link to nowhere is no file'
exits 78
says 'no credential'
rm "$config"
if [ "$(id -u)" -eq 0 ]; then
	conf 'api_key = k'
	chown 12345 "$config"
	requests "somebody else's"
	exits 78
	says "$config: belongs to somebody else"
fi

# Nothing of the working directory is read, whatever it is called, wherever
# HOME leads.
plain
mkdir -p tree/.tensorlake tree/.config/tl tree/tl tree/home/.config/tensorlake
cd tree || exit 1
for f in .env .envrc .tensorlake/config.toml .tensorlake/config .tlrc \
    .config/tl/config tl/config config tl.conf Makefile; do
	printf 'api_url = http://127.0.0.1:9\napi_key = k\n' >"$f"
	printf 'TENSORLAKE_API_URL=http://127.0.0.1:9\n' >>"$f"
done
chmod -R go-rwx .
# A login of the official client's is not ours to use.
mkdir -p "$HOME/.config/tensorlake"
printf '["https://api.tensorlake.ai"]\ntoken = "login"\n' \
    >"$HOME/.config/tensorlake/credentials.toml"
for how in 'HOME=.' 'HOME=' 'XDG_CONFIG_HOME=.' 'XDG_CONFIG_HOME=.config' \
    'XDG_CONFIG_HOME=' '-u HOME'; do
	given "$plan"
	# shellcheck disable=SC2086
	try "with $how" env $how tl-prepare
	exits 78
	says 'no credential'
done
if command -v strace >/dev/null && [ -z "${TL_ASAN-}" ]; then
	conf "api_url = $one" 'api_key = k-MARKER'
	printf '%s' "$plan" >in
	strace -f -qq -s 4096 -e trace=%file -o ../trace tl-prepare -v <in \
	    >out 2>err
	is 'a run with a file' "$?" 75
	is 'its file was read' "$(grep -c "open.*\"$config\"" ../trace)" 1
	is 'no path that is not whole' "$(grep -v AT_FDCWD ../trace |
	    grep 'open'; grep 'AT_FDCWD, "[^/]' ../trace)" ''
	is 'nothing below the working directory' \
	    "$(grep -F "\"$T/tree" ../trace)" ''
	is "nor the official client's" "$(grep tensorlake/ ../trace)" ''
	is 'the key is nowhere to be seen' \
	    "$(grep -c MARKER ../trace out err | grep -v ':0')" ''
fi
cd "$T" || exit 1

# What is in force, and where from.
plain
: >"$T/statuses"
try 'nothing anywhere' tl-config --show
exits 0
silent err
gives 'default	api_url = https://api.tensorlake.ai
default	namespace = default
default	dialect = auto
default	deadline = 0
default	stall = 60'
conf '# ours' "api_url = $one" 'pat = k-MARKER' 'organization_id = o-1' \
    'stall = 7' 'deadline = 9' 'ca_bundle = ~/ca.pem'
try 'the file' tl-config --show
gives "file $config:2	api_url = $one
file $config:3	pat = set
file $config:4	organization_id = o-1
default	namespace = default
default	dialect = auto
file $config:6	deadline = 9
file $config:5	stall = 7
file $config:7	ca_bundle = $HOME/ca.pem"
try 'the environment and options before it' env TENSORLAKE_API_KEY=k-MARKER \
    TENSORLAKE_PROJECT_ID=p-1 TL_DEADLINE=8 TL_STALL_S=6 TL_CA_BUNDLE=/ca \
    SSL_CERT_FILE=/none INDEXIFY_NAMESPACE=ns TL_SIGN_DIALECT=seed \
    tl-config --show --api-url "$two" --deadline 5 --insecure-http
gives "option --api-url	api_url = $two
variable TENSORLAKE_API_KEY	api_key = set
file $config:4	organization_id = o-1
variable TENSORLAKE_PROJECT_ID	project_id = p-1
variable INDEXIFY_NAMESPACE	namespace = ns
variable TL_SIGN_DIALECT	dialect = seed
option --deadline	deadline = 5
variable TL_STALL_S	stall = 6
variable TL_CA_BUNDLE	ca_bundle = /ca
option --insecure-http	insecure_http = yes"
is 'no secret of either' "$(grep -c MARKER out err | grep -v ':0')" ''
plain
# shellcheck disable=SC2016
try 'a file of a token, certificates, an address with a name in it' env \
    SSL_CERT_FILE=/file SSL_CERT_DIR="$(printf '/a\033b')" \
    TENSORLAKE_API_URL='http://me:MARKER@h/?k=MARKER' tl-config --show \
    --token-file ./token
exits 0
is 'is said without its secrets' "$(grep -e api_url -e token_ -e ca_ out)" \
    'variable TENSORLAKE_API_URL	api_url = http://h/?
option --token-file	token_file = ./token
variable SSL_CERT_FILE	ca_bundle = /file
variable SSL_CERT_DIR	ca_bundle = /a\033b'
conf 'no_such = 1'
try 'a file that is wrong' tl-config --show
exits 78
silent out
plain
for line in '' '--show x' '--show --deadline x'; do
	# shellcheck disable=SC2086
	try "usage: $line" tl-config $line
	exits 64
done
conf "$(printf '\357\273\277stall = 7')"
try 'a byte order mark' tl-config --show
exits 0
holds "file $config:1	stall = 7"
plain
lists tl-config.1

# Whom to trust: a file, a folder, both; and then not the system's.
if ! command -v openssl >/dev/null; then
	echo '# no openssl here'
	exit 0
fi
mkdir tls tls/good tls/empty
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -keyout tls/key -out tls/cert \
    >/dev/null 2>&1
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other \
    -keyout tls/otherkey -out tls/other >/dev/null 2>&1
cp tls/cert "tls/good/$(openssl x509 -noout -hash -in tls/cert).0"
cat >tls.py <<'END'
import http.server, ssl, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"items":[]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a):
        pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
c.load_cert_chain("tls/cert", "tls/key")
s.socket = c.wrap_socket(s.socket, server_side=True)
with open("tls/port.new", "w") as f:
    f.write(str(s.server_address[1]))
import os
os.rename("tls/port.new", "tls/port")
s.serve_forever()
END
/usr/bin/python3 tls.py &
tls=$!
later "kill $tls 2>/dev/null"
until [ -s tls/port ] || ! kill -0 $tls 2>/dev/null; do sleep 0.05; done
TENSORLAKE_API_URL=https://127.0.0.1:$(cat tls/port)
TENSORLAKE_API_KEY=k-MARKER
export TENSORLAKE_API_URL TENSORLAKE_API_KEY
# trusts STATUS WHAT VARIABLE=VALUE...
trusts () {
	wanted=$1 what=$2
	shift 2
	try "$what" env "$@" tl-image ls --json
	is "$what: $wanted" "$((status == 0))" "$wanted"
}
trusts 0 'nobody else than the system' TL_X=
trusts 1 'a bundle' TL_CA_BUNDLE=tls/cert
trusts 1 'a file' SSL_CERT_FILE=tls/cert
trusts 1 'a folder' SSL_CERT_DIR=tls/good
trusts 1 'a folder beside another file' SSL_CERT_FILE=tls/other \
    SSL_CERT_DIR=tls/good
trusts 1 'a file beside a folder of none' SSL_CERT_FILE=tls/cert \
    SSL_CERT_DIR=tls/empty
trusts 0 'a folder of none' SSL_CERT_DIR=tls/empty
trusts 0 'another file' SSL_CERT_FILE=tls/other
trusts 0 'another bundle, whatever else there is' TL_CA_BUNDLE=tls/other \
    SSL_CERT_FILE=tls/cert SSL_CERT_DIR=tls/good
