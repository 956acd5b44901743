#!/bin/sh
# tl-docker-config: which credentials of Docker's configuration go along
# shellcheck disable=SC2016 # a ${variable} of a Dockerfile is meant

. "${0%/*}/lib.sh"

mkdir -p docker bin
DOCKER_CONFIG=$T/docker
export DOCKER_CONFIG
PATH=$T/bin:$PATH

# plan REFERENCE...: stdin of the next try
plan () {
	{
		printf '{"name":"n","references":['
		comma=
		for r; do
			printf '%s{"reference":"%s","line":1,"role":"base"}' \
			    "$comma" "$r"
			comma=,
		done
		printf '],"ignored":[],"unresolvable":[]}'
	} >in
}

# up = user:password, tok = a token's text
up=dXNlcjpwYXNzd29yZA==

# ---- where it is read

plan reg.example/app
DOCKER_CONFIG=$T/absent try 'no folder' tl-docker-config
exits 0
silent err
gives '{}'
plan reg.example/app
try 'no file' tl-docker-config
exits 0
gives '{}'
mkdir "$HOME/.docker"
file "$HOME/.docker/config.json" '{"auths":{"reg.example":{"auth":"aDpo"}}}'
plan reg.example/app
DOCKER_CONFIG='' try "at home, without DOCKER_CONFIG" tl-docker-config
exits 0
gives '{"auths":{"reg.example":{"auth":"aDpo"}}}'
plan reg.example/app
try 'with it, there only' tl-docker-config
gives '{}'
plan reg.example/app
try 'no home either' env -u DOCKER_CONFIG -u HOME tl-docker-config
exits 0
gives '{}'
mkdir docker/config.json
plan reg.example/app
try 'a folder' tl-docker-config
exits 66
says 'config.json: not a regular file'
silent out
rmdir docker/config.json
mkfifo docker/config.json
plan reg.example/app
try 'a FIFO' tl-docker-config
exits 66
rm docker/config.json

# ---- entries: each by itself, for a plan that wants it

# entry JSON WANTED
entry () {
	file docker/config.json '{"auths":{"reg.example":'"$1"'}}'
	plan reg.example/app
	try "$1" tl-docker-config
	exits 0
	silent err
	gives "$2"
}
entry '{"auth":"'$up'"}' '{"auths":{"reg.example":{"auth":"'$up'"}}}'
entry '{"auth":"dTpwOnE6"}' '{"auths":{"reg.example":{"auth":"dTpwOnE6"}}}'
entry '{"auth":"Og=="}' '{"auths":{"reg.example":{"auth":"Og=="}}}'
entry '{"auth":"OnB3"}' '{"auths":{"reg.example":{"auth":"OnB3"}}}'
entry '{"auth":"dXNlcg=="}' '{}'
entry '{"auth":""}' '{}'
entry '{"auth":null}' '{}'
entry '{}' '{}'
entry null '{}'
entry '{"identitytoken":"t0k"}' \
    '{"auths":{"reg.example":{"identitytoken":"t0k"}}}'
entry '{"identitytoken":""}' '{"auths":{"reg.example":{"identitytoken":""}}}'
entry '{"identitytoken":"t\"k","auth":"'$up'"}' \
    '{"auths":{"reg.example":{"identitytoken":"t\"k"}}}'
entry '{"identitytoken":null,"auth":"'$up'"}' \
    '{"auths":{"reg.example":{"auth":"'$up'"}}}'
entry '{"username":"u","password":"p"}' '{"auths":{"reg.example":{"auth":"dTpw"}}}'
entry '{"username":"u"}' '{"auths":{"reg.example":{"auth":"dTo="}}}'
entry '{"password":"p"}' '{}'
entry '{"username":"u","password":"p","auth":"'$up'"}' \
    '{"auths":{"reg.example":{"auth":"'$up'"}}}'
entry '{"username":"u","password":"p","auth":""}' \
    '{"auths":{"reg.example":{"auth":"dTpw"}}}'
entry '{"registrytoken":"r"}' '{}'
entry '{"auth":"\u0064Tpw","email":"e@example"}' \
    '{"auths":{"reg.example":{"auth":"dTpw"}}}'

# ---- what makes all of it wrong, wanted or not

# wrong CONFIG SAYS
wrong () {
	file docker/config.json "$1"
	plan other.example/app
	try "$1" tl-docker-config
	exits 65
	says "config.json: $2"
	silent out
	is "$name: one line, no secret" \
	    "$(wc -l <err) $(grep -c c2VjcmV0 err)" '1 0'
}
wrong 'c2VjcmV0' ''
wrong '[]' 'not an object'
wrong '{"auths":{}' ''
wrong '{"auths":[]}' 'auths: '
wrong '{"auths":{"r":"c2VjcmV0"}}' 'auths: r: not an object'
wrong '{"auths":{"r":{"auth":["c2VjcmV0"]}}}' 'auths: r: auth: '
wrong '{"auths":{"r":{"identitytoken":1}}}' 'auths: r: identitytoken: '
wrong '{"auths":{"r":{"auth":"c2VjcmV0Og"}}}' 'auths: r: auth: not padded'
wrong '{"auths":{"r":{"auth":"c2VjcmV0=Og="}}}' 'auths: r: auth: not padded'
wrong '{"auths":{"r":{"auth":"c2VjcmV0 Og="}}}' 'auths: r: auth: not padded'
wrong '{"auths":{"r":{"auth":"===="}}}' 'auths: r: auth: not padded'
wrong '{"auths":{"r":{"auth":"/zp4"}}}' 'auths: r: auth: not UTF-8'
wrong '{"auths":{"r":{},"\u0072":{}}}' 'auths: r: there twice'
wrong '{"auths":{"r":{"auth":"","auth":"c2VjcmV0"}}}' 'auths: r: auth'
wrong '{"auths":{},"auths":{}}' 'auths'
wrong '{"credHelpers":{"r":1}}' 'credHelpers: r: not a string'
wrong '{"auths":{"r":{"username":1}}}' 'auths: r: username: '
wrong '{"credHelpers":{"r":"../x"}}' 'credHelpers: r: not the name'
wrong '{"credHelpers":{"r":"a","r":"b"}}' 'credHelpers: r: there twice'
wrong '{"credsStore":"a/b"}' 'credsStore: not the name'
wrong '{"credsStore":{}}' 'credsStore: '

for empty in '' ' ' '
'; do
	file docker/config.json "$empty"
	plan reg.example/app
	try 'an empty file is empty' tl-docker-config
	exits 0
	silent err
	gives '{}'
done

# ---- only what the plan names

file docker/config.json '{"auths":{
 "z.example":{"auth":"ejp6"},
 "https://index.docker.io/v1/":{"auth":"aDpo"},
 "https://reg.example/v2/":{"auth":"cjpy"},
 "reg.example:5000":{"auth":"cDpw"},
 "localhost":{"auth":"bDps"},
 "host/team":{"auth":"dDp0"}},
 "HttpHeaders":{"X":"y"}, "currentContext":"default"}'
# wants WANTED REFERENCE...: the registries that go along, in order
wants () {
	wanted=$1
	shift
	plan "$@"
	try "for $*" tl-docker-config
	exits 0
	silent err
	is "$name: $wanted" "$(python3 -c 'import json
print(" ".join(json.load(open("out")).get("auths", {})))')" "$wanted"
}
wants ''
wants https://index.docker.io/v1/ debian:12
wants https://index.docker.io/v1/ team/app
wants https://index.docker.io/v1/ docker.io/team/app
wants https://index.docker.io/v1/ index.docker.io/team/app
wants https://reg.example/v2/ reg.example/app
wants https://reg.example/v2/ REG.example/app
wants reg.example:5000 reg.example:5000/app:1
wants localhost localhost/app
wants '' localhost:1/app
wants '' sub.z.example/app
wants '' z.example.com/app
wants 'https://index.docker.io/v1/ z.example' z.example/a debian z.example/b
wants 'https://reg.example/v2/ reg.example:5000 z.example' \
    z.example/a reg.example:5000/a reg.example/b

given '{"references":[],"unresolvable":[
 {"reference":"z.example/a@sha256:00","line":1,"reason":"digest"},
 {"reference":"reg.example/${A}","line":2,"reason":"build argument"},
 {"reference":"debian:${V}","line":3,"reason":"build argument"}]}'
try 'what is not looked up is pulled all the same' tl-docker-config
silent err
gives '{"auths":{"https://index.docker.io/v1/":{"auth":"aDpo"},"https://reg.example/v2/":{"auth":"cjpy"},"z.example":{"auth":"ejp6"}}}'
given '{"references":[],"unresolvable":[
 {"reference":"${R}/a","line":1,"reason":"build argument"}]}'
try 'a registry that only the build knows' tl-docker-config
exits 0
says '${R}/a: its registry is not known here'
gives '{}'
given '{"references":[],"unresolvable":[
 {"reference":"${R}/a","line":1,"reason":"build argument"}]}'
try 'named by the user' tl-docker-config --registry z.example
gives '{"auths":{"z.example":{"auth":"ejp6"}}}'
given '{"references":[],"unresolvable":[],"importImageReference":"z.example/a"}'
try 'an import' tl-docker-config
gives '{"auths":{"z.example":{"auth":"ejp6"}}}'
plan
try 'all of them' tl-docker-config --all
exits 0
is 'six' "$(grep -o '"auth"' out | wc -l)" 6

if command -v tl-plan >/dev/null; then
	printf 'FROM z.example/a AS one\nFROM scratch\nCOPY --from=one / /\n' \
	    >Dockerfile
	tl-plan >plan
	try "a plan of tl-plan's" sh -c 'tl-docker-config <plan'
	gives '{"auths":{"z.example":{"auth":"ejp6"}}}'
fi

# ---- helpers and stores

cat >bin/docker-credential-ok <<'EOF'
#!/bin/sh
registry=$(cat)
echo "$0 $* <$registry" >>"${LOG:?}"
env >"$LOG.env"
echo noise >&2
case $registry in
token.example) echo '{"ServerURL":"s","Username":"<token>","Secret":"idtok"}' ;;
none.example) echo 'credentials not found in native keychain'; exit 1 ;;
odd.example) echo '{"Username":"u"}' ;;
*) echo '{"ServerURL":"s","Username":"user","Secret":"password"}' ;;
esac
EOF
cat >bin/docker-credential-deaf <<'EOF'
#!/bin/sh
exec <&-
echo '{"ServerURL":"s","Username":"deaf","Secret":"s"}'
EOF
cat >bin/docker-credential-slow <<'EOF'
#!/bin/sh
sleep 60 &
echo $! >"$LOG.slow"
wait
EOF
cat >bin/docker-credential-loud <<'EOF'
#!/bin/sh
exec yes
EOF
chmod +x bin/*
LOG=$T/log
export LOG
TENSORLAKE_API_KEY=k3y
export TENSORLAKE_API_KEY

file docker/config.json '{"credHelpers":{"reg.example":"ok","token.example":
 "ok","none.example":"ok","odd.example":"ok","gone.example":"gone",
 "deaf.example":"deaf"},"auths":{"none.example":{"auth":"bjpu"}}}'
plan reg.example/a
try 'a helper' tl-docker-config
exits 0
silent err
gives '{"auths":{"reg.example":{"auth":"'$up'"}}}'
is 'asked for that registry only, and how' "$(cat log)" \
    "$T/bin/docker-credential-ok get <reg.example"
is 'it does not get our key' "$(grep -c TENSORLAKE log.env)" 0
ok 'it gets the rest' grep -q '^DOCKER_CONFIG=' log.env
plan token.example/a
try 'a token' tl-docker-config
gives '{"auths":{"token.example":{"identitytoken":"idtok"}}}'
plan deaf.example/a
try 'one that does not read' tl-docker-config
gives '{"auths":{"deaf.example":{"auth":"ZGVhZjpz"}}}'
for r in none odd gone; do
	plan $r.example/a
	try "$r: nothing, quietly" tl-docker-config
	exits 0
	silent err
	gives '{}'
done
plan none.example/a odd.example/a gone.example/a
try 'why, when asked' tl-docker-config -v
says 'none.example: docker-credential-ok: has none, or failed'
says 'odd.example: docker-credential-ok: its answer is not valid'
says 'gone.example: docker-credential-gone: No such file'
is 'nothing it wrote is shown' "$(grep -c -e keychain -e noise err)" 0
plan reg.example/a token.example/a
try 'verbose shows no secret' tl-docker-config -v
is 'none' "$(grep -c -e password -e idtok -e $up err)" 0

file docker/config.json '{"credsStore":"ok","auths":{"reg.example":{},
 "inline.example":{"auth":"aTpp"},"token.example":{"email":"e"}}}'
: >log
plan reg.example/a inline.example/a token.example/a absent.example/a
try 'a store' tl-docker-config
exits 0
gives '{"auths":{"absent.example":{"auth":"'$up'"},"inline.example":{"auth":"'$up'"},"reg.example":{"auth":"'$up'"},"token.example":{"identitytoken":"idtok"}}}'
is 'asked for each registry that is needed, entry or not' \
    "$(sed 's/.*<//' log | sort | paste -sd' ')" \
    'absent.example inline.example reg.example token.example'
file docker/config.json '{"credsStore":"ok"}'
: >log
plan debian b/c docker.io/d index.docker.io/e none.example/a
try 'a store alone' tl-docker-config
gives '{"auths":{"https://index.docker.io/v1/":{"auth":"'$up'"}}}'
is 'asked as Docker asks it' "$(sed 's/.*<//' log | sort | paste -sd' ')" \
    'https://index.docker.io/v1/ none.example'
file docker/config.json '{"credsStore":"ok","auths":{
 "none.example":{"auth":"bjpu"},"reg.example":{"auth":"cjpy"}},
 "credHelpers":{"reg.example":"","odd.example":"ok"}}'
: >log
plan none.example/a reg.example/a odd.example/a
try 'what the store has not, and a helper that is none' tl-docker-config
exits 0
gives '{"auths":{"none.example":{"auth":"bjpu"},"reg.example":{"auth":"cjpy"}}}'
is 'who is asked' "$(sed 's/.*<//' log | sort | paste -sd' ')" \
    'none.example odd.example'
file docker/config.json '{"credsStore":"gone","credHelpers":{"reg.example":""}}'
plan debian reg.example/a
try 'a store that is not there' tl-docker-config -v
exits 0
says 'https://index.docker.io/v1/: docker-credential-gone: No such file'
gives '{}'
file docker/config.json '{"credsStore":"","auths":{"reg.example":{}}}'
plan reg.example/a
try 'an empty store is none' tl-docker-config
gives '{}'

file docker/config.json '{"credHelpers":{"slow.example":"slow"}}'
plan slow.example/a
try 'a slow helper' timeout 20 tl-docker-config -v --timeout 1
exits 0
says 'slow.example: docker-credential-slow: too slow'
gives '{}'
# Gone, or waiting for init to look at it, within two seconds.
i=0
while [ "$i" -lt 20 ] && sed 's/.*) //' "/proc/$(cat log.slow)/stat" 2>log.ps |
    grep -qv '^Z'; do
	i=$((i + 1))
	sleep 0.1
done
is 'what it started is gone as well' "$((i < 20))" 1
file docker/config.json '{"credHelpers":{"loud.example":"loud"}}'
plan loud.example/a
try 'one that does not stop' timeout 20 tl-docker-config -v
exits 0
says 'loud.example: docker-credential-loud: says too much'
gives '{}'

cat >bin/docker-credential-agent <<'EOT'
#!/bin/sh
sleep 60 &
echo $! >"$LOG.agent"
printf '{"Username":"u","Secret":"p"}'
EOT
cat >bin/docker-credential-silent <<'EOT'
#!/bin/sh
sleep 60 &
exit 0
EOT
chmod +x bin/*
file docker/config.json '{"credHelpers":{"a.example":"agent",
 "s.example":"silent"}}'
plan a.example/a s.example/a
try 'one whose child holds its stdout' timeout 20 tl-docker-config -v
exits 0
gives '{"auths":{"a.example":{"auth":"dTpw"}}}'
says 's.example: docker-credential-silent: its answer is not valid'
i=0
while [ "$i" -lt 20 ] && sed 's/.*) //' "/proc/$(cat log.agent)/stat" \
    2>log.ps | grep -qv '^Z'; do
	i=$((i + 1))
	sleep 0.1
done
is 'that child is gone as well' "$((i < 20))" 1
if command -v valgrind >/dev/null && [ -z "${TL_ASAN-}" ]; then
	file docker/config.json '{"credHelpers":{"a.example":"agent",
	 "l.example":"loud","s.example":"silent","w.example":"slow",
	 "g.example":"gone","odd.example":"ok"}}'
	plan a.example/a l.example/a s.example/a w.example/a g.example/a \
	    odd.example/a
	try 'no memory that nobody has set' valgrind -q --error-exitcode=9 \
	    "$TL_BIN/tl-docker-config" -v -t 3
	exits 0
fi

# ---- several places

mkdir -p run/containers
file docker/config.json '{"auths":{"d.example":{"auth":"ZDpk"},
 "e.example":{"auth":"ZDpk"},"f.example":{"auth":"ZDpk"}}}'
file run/containers/auth.json '{"auths":{"d.example":{"auth":"cnQ6cnQ="},
 "r.example":{"auth":"cnQ6cnQ="}}}'
file auth.json '{"auths":{"e.example":{"auth":"YTph"},"f.example/team":
 {"auth":"YTph"}}}'
# places WANTED VARIABLE...
places () {
	wanted=$1
	shift
	plan d.example/a e.example/a f.example/a r.example/a
	try "$*" env "$@" tl-docker-config
	exits 0
	silent err
	is "$* counts so" "$(jq -r '.auths // {} | to_entries[] |
	    .key + "=" + .value.auth' out | paste -sd' ')" "$wanted"
}
d=d.example=ZDpk e=e.example=ZDpk f=f.example=ZDpk rt=r.example=cnQ6cnQ=
places "$d $e $f" A=b
places "$d $e $f $rt" "XDG_RUNTIME_DIR=$T/run"
places "$d e.example=YTph f.example/team=YTph" "REGISTRY_AUTH_FILE=$T/auth.json"
places "$d e.example=YTph f.example/team=YTph $rt" \
    "REGISTRY_AUTH_FILE=$T/auth.json" "XDG_RUNTIME_DIR=$T/run"
places "$d e.example=ZTpl $f" \
    'DOCKER_AUTH_CONFIG={"auths":{"e.example":{"auth":"ZTpl"}}}'
places "$d $e $f" DOCKER_AUTH_CONFIG=
places "$d $e $f" REGISTRY_AUTH_FILE=/nonexistent
plan e.example/a
try 'a variable that is no configuration' env \
    DOCKER_AUTH_CONFIG='{"auths":{"c2VjcmV0"' tl-docker-config
exits 65
says 'DOCKER_AUTH_CONFIG: '
is 'its value is not shown' "$(grep -c c2VjcmV0 err)" 0
plan e.example/a
try 'a file that is none' env REGISTRY_AUTH_FILE="$T" tl-docker-config
exits 66

# ---- plans and outputs that are none

given ''
try 'no plan' tl-docker-config
exits 65
says 'stdin: empty'
silent out
for bad in '[]' '{}' '{"references":{}}' '{"references":[{}],"unresolvable":[]}' \
    '{"references":[]}' 'x'; do
	given "$bad"
	try "not a plan: $bad" tl-docker-config
	exits 65
	says 'stdin: '
	silent out
done
plan
try 'a full disk' sh -c 'tl-docker-config >/dev/full'
exits 74
plan
try 'no stdout' sh -c 'tl-docker-config >&-'
exits 74
try 'an argument' tl-docker-config file
exits 64
silent out
try 'a registry that is a URL' tl-docker-config -r https://reg.example
exits 64
says 'not a host'
try 'no time at all' tl-docker-config -t 0
exits 64

lists tl-docker-config.1
