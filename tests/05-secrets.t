#!/bin/sh
# Tokens, signed URLs and credentials are in no argument of any process, in no
# message however talkative, and in no file that others may read

. "${0%/*}/lib.sh"
. "$here/scripted.sh"

command -v strace >/dev/null || skip 'no strace here'
[ -z "${TL_ASAN-}" ] || skip 'leaks cannot be looked for under strace'
TL_RETRY_SECOND_MS=1
export TL_RETRY_SECOND_MS

# What may not be seen: the word in all secrets of scripted.sh, and what base64
# makes of it wherever it begins.
cat >secrets <<'END'
MARKER
TUFSS0VS
1BUktFU
NQVJLRV
END

# hidden WHAT FILE...: no secret in them
hidden () {
	what=$1
	shift
	is "$what" "$(grep -a -F -f "$T/secrets" "$@" /dev/null |
	    cut -c 1-300 | head -n 3)" ''
}

# traced INPUT COMMAND...: run it in ./live, and look at all there is to see
traced () {
	input=$1
	shift
	(cd live && exec strace -f -qq --seccomp-bpf -s 65536 -e trace=execve \
	    -o "$T/trace" "$@" <"$input" >"$T/out") 2>err
	status=$?
	name="$2${3:+ $3}"
	[ "$1" = env ] || name="$1${2:+ $2}"
	name="$name, $server ($status)"
	[ -s trace ] || fail_ "$name: traced" "$(cat err)"
	hidden "$name: arguments" trace
	hidden "$name: messages" err
	find live home -type f -perm /077 -exec cat {} + >open
	hidden "$name: files that others may read" open
}

# whole SERVER: every program that talks, as talkative as it can be
whole () {
	server=$1
	rm -rf live
	mkdir live
	documents live "$URL"
	mkdir live/docker
	cp live/docker.json live/docker/config.json
	DOCKER_CONFIG=$T/live/docker
	export DOCKER_CONFIG
	traced plan.json tl-prepare -v
	traced prepared.json tl-sandbox create -v
	traced /dev/null tl-sandbox create -v --image n
	traced sandbox.json tl-sandbox wait -v --timeout 1
	traced sandbox.json tl-sandbox show -v
	traced sandbox.json tl-sandbox rm -v --timeout 1
	traced prepared.json tl-sign -v -s sandbox.json
	traced snapshot tl-put -v -s sandbox.json /x
	traced /dev/null tl-get -v -s sandbox.json /x
	traced /dev/null tl-exec -v -s sandbox.json -- true
	traced /dev/null tl-diagnose -v -t 1 -s sandbox.json
	traced metadata.json tl-attest -v -p prepared.json -s sandbox.json
	traced metadata.json tl-complete -v -p prepared.json -s signed.json
	traced /dev/null tl-image -v ls
	traced /dev/null tl-image -v show n
	traced /dev/null tl-image -v get --signer signer.conf --snapshot n
	traced /dev/null tl-image -v get -s sandbox.json --snapshot n
	traced /dev/null tl-image -v register --dockerfile plan.json n s-1
	traced /dev/null tl-changed -v .
	traced /dev/null tl-config --show
	traced /dev/null tl-image -v rm n
	traced signed.json tl-abort -v -t 1
	traced block.json tl-upload -v -p -t 1 snapshot
	traced request.json tl-presign -v -c signer.conf -p p1
	traced /dev/null tl-multipart -v -c signer.conf abort a/b u-1
	traced /dev/null tl-multipart -v -c signer.conf release a/b
	# Whose end undoes what it made, and says so.
	# shellcheck disable=SC2016
	traced prepared.json tl-guard -v --work g -- sh -c '
	    tee "$TL_WORK/prepared.json" | tl-sandbox create -v >"$TL_SANDBOX"
	    tl-sign -v <"$TL_WORK/prepared.json" >"$TL_WORK/signed.json"
	    exit 1'
	traced /dev/null tl-build -v --work w context/Dockerfile
}

scripted ''
whole 'a server that works'
is 'which the build got through' "$status $(jq -r .id out)" '0 t-1'
is 'and used the key' "$(seen '[.[] | .headers[] | select(.[1] ==
    "Bearer key-MARKER")] | length > 20')" true
# The same with the key in the user's file.
unset TENSORLAKE_API_URL TENSORLAKE_API_KEY
mkdir -p home/.config/tl
(umask 077; printf 'api_url = %s\napi_key = key-MARKER\n' "$URL" \
    >home/.config/tl/config)
: >log
whole 'a key in the file'
rm home/.config/tl/config
is 'which the build got through' "$status $(jq -r .id out)" '0 t-1'
is 'and used the key' "$(seen '[.[] | .headers[] | select(.[1] ==
    "Bearer key-MARKER")] | length > 20')" true
# Whatever a server says, it is not to be repeated: what it was told itself,
# and addresses that are keys.
url='no https://h/x?X-Sig=MARKER&b=MARKER'
# says_it STATUS: rules for a server that says it all
says_it () {
	for path in '/platform/*' '*/sandboxes*' '/api/*'; do
		printf '{"path":"%s","answers":[{"status":%s,"json":%s}]},' \
		    "$path" "$1" "{\"error\":\"key-MARKER: $url\"}"
	done
	printf '{"path":"*","answers":[{"status":%s,"body":"<Error><Code>%s' \
	    "$1" "$url</Code></Error>\"}]},"
}
scripted "$(says_it 403)"
whole 'a server that refuses'
scripted "$(says_it 503)"
whole 'a server that is busy'
scripted '{"path":"*","answers":[{"body":"key-MARKER '"$url"'"}]},'
whole 'a server that talks nonsense'
scripted '{"path":"*","answers":[{"status":307,"headers":{"Location":
    "http://127.0.0.1:1/x?X-Sig=MARKER"}}]},'
whole 'a server that sends elsewhere'

# A proxy that is not well-formed: libcurl would quote it, or take what stands
# between a password's '@' and '/' for its host.
server='a bad proxy'
for proxy in https_proxy HTTPS_PROXY ALL_PROXY; do
	for value in http://user:MARKER/x@127.0.0.1:3128 nosuch://u:MARKER@h:1 \
	    http://u:x@MARKER/y@h:1 u:1@MARKER#y@h socks5h://u:x@MARKER?@h:1 \
	    http://MARKER:1/x@h:1; do
		export "$proxy=$value" TENSORLAKE_API_URL=https://api.h.example
		traced plan.json tl-prepare -v
		unset "$proxy"
		is "$proxy: its name and what to do" "$status $(grep -c \
		    "^tl-prepare: ubuntu: $proxy: not well-formed" err)" '78 1'
	done
done

TENSORLAKE_API_URL=$URL

# Docker's credentials, the store's too.
server=''
printf '#!/bin/sh\ncat >/dev/null\necho "{\\"Username\\":\\"u\\",' \
    >docker-credential-marked
printf '\\"Secret\\":\\"MARKER\\"}"\n' >>docker-credential-marked
chmod +x docker-credential-marked
PATH=$T:$PATH
echo '{"auths":{"r.example":{"auth":"dTpNQVJLRVI="}},
    "credHelpers":{"s.example":"marked"}}' >live/docker/config.json
chmod 600 live/docker/config.json
traced plan.json tl-docker-config -v -a
is 'both are found' "$(jq -r '.auths[].auth | @base64d' out)" 'u:MARKER
u:MARKER'
(umask 077; cp out live/docker.json)
traced prepared.json tl-splice -v -p plan.json --docker-config docker.json \
    - signed.json
is 'and reach the spec' "$(grep -c dTpNQVJLRVI out)" 1

# A whole region, its sandbox and builder included.
if [ "$(id -u)" -ne 0 ]; then
	echo '# a region of an ordinary user needs newuidmap, which has no' \
	    'rights where it is traced'
	exit 0
fi
peer_end
unset TENSORLAKE_API_KEY DOCKER_CONFIG
. "$here/region.sh"
mkdir tmp
TMPDIR=$T/tmp
export TMPDIR
later tl-region down --purge
strace -f -qq --seccomp-bpf -s 65536 -e trace=execve -o region.trace \
    tl-region up 2>up.err &
tracer=$!
until vars=$(tl-region env 2>/dev/null); do
	kill -0 "$tracer" || break
	sleep 0.1
done
eval "$vars"
strace -f -qq --seccomp-bpf -s 65536 -e trace=execve -o build.trace \
    tl-build -v --work work --keep-sandbox "$sample/Dockerfile" >template 2>build.err
is 'a build on a region' "$? $(jq -r .name template)" '0 sample'
tl-reap --all >/dev/null
tl-region down
wait "$tracer"
{
	cat "$TL_REGION_DIR/key"
	cut -d ' ' -f 2 "$TL_REGION_DIR/store.keys"
	grep -o 'X-Amz-Signature=[0-9a-f]*' work/signed.json | sort -u
} >secrets
is 'its secrets are known' "$(($(wc -l <secrets) > 50))" 1
ok 'its processes were seen, those in the sandbox too' \
    grep -q 'execve(.*tl-rootfs-build' region.trace
hidden 'a region: arguments' region.trace
hidden 'a build: arguments' build.trace
hidden 'a build: messages' build.err up.err
hidden 'a region: logs' "$TL_REGION_DIR"/log/*
find "$TL_REGION_DIR" work home tmp -type f -perm /077 -size -4096k \
    -exec cat {} + >open
hidden 'files that others may read' open
