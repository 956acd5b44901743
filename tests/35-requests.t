#!/bin/sh
# tl-requests, tl-build --dry-run: what a build then sends, and nothing sent;
# what can be found to be wrong before that, is found

. "${0%/*}/lib.sh"

TENSORLAKE_API_KEY='key-MARKER'
export TENSORLAKE_API_KEY
mkdir context
printf 'FROM ubuntu\nCOPY f /f\n' >context/Dockerfile
echo f >context/f

# --- nothing is sent, no secret said

command -v strace >/dev/null && [ -z "${TL_ASAN-}" ] &&
    tracer='strace -f -qq --seccomp-bpf -o trace -e trace=connect,sendto -e signal=none'
# shellcheck disable=SC2086
try 'a dry run' ${tracer-} tl-build --dry-run context/Dockerfile
exits 0
cp out dry
[ -z "${tracer-}" ] || is 'a dry run: no connection' "$(cat trace)" ''
is 'a dry run: no key' "$(grep -r MARKER dry err "$HOME")" ''
is 'a dry run: nothing stays' "$(ls -A -I .tl-private "$HOME/.local/state/tl")" ''
is 'a dry run: where to' "$(cut -d' ' -f2 dry | sed -n 's,^\(http.*://[^/]*\).*,\1,p' |
    sort -u | paste -sd' ')" 'https://api.tensorlake.ai https://sandbox.tensorlake.ai'
tl-plan context >plan.json
tl-requests <plan.json >whole
ok 'a dry run: what tl-requests says' cmp whole dry

# body N WORD...: the body of the request that has the N-th such path
body () {
	sed -n "s,^POST [^ ]*$1 ,,p" out | sed -n "${2:-1}p"
}
cp plan.json in
try 'the options' tl-requests --disk-mb 640 --builder-disk-mb 320 --cpus 1.5 \
    --memory-mb 512 --dialect merged
exits 0
is 'the options: the sandbox' "$(body sandboxes | sed 's/{builder.image}/0/' |
    jq -c .resources)" '{"cpus":1.5,"memory_mb":512,"disk_mb":640}'
is 'the options: the upload' "$(body blob/sign | jq -c '[.. | numbers]')" '[10,67108864]'
is 'the options: the dialect' "$(body blob/sign | jq -c '[.target.kind, .op.kind]')" \
    '["artifact","put_artifact"]'
cp plan.json in
TL_SIGN_DIALECT=seed try 'the dialect of the environment' tl-requests
is 'the dialect of the environment' "$(body blob/sign | jq -c '.op.kind')" \
    '"multipart_put"'
for bad in '--cpus 0' '--cpus 1e3' '--cpus inf' '--disk-mb x' '--disk-mb -1' \
    '--memory-mb 0' '--builder-disk-mb 17592186044416' '--dialect new'; do
	cp plan.json in
	# shellcheck disable=SC2086
	try "$bad" tl-requests $bad
	exits 64
	silent out
done
cp plan.json in
try 'without a cache' tl-requests --no-cache
is 'without a cache: none is asked for' "$(grep -c record out)" 0
tl-plan --import docker.io/library/redis:7 >in
try 'an import' tl-requests
is 'an import: sends no context' "$(grep -c context.tar out)" 0
given '{}'
try 'no plan' tl-requests
exits 65
silent out

# --- what is wrong here, is found

# wrong STATUS SAYS COMMAND...: by the dry run as by the build, which then has
# asked nobody
wrong () {
	want=$1 word=$2
	shift 2
	for dry in --dry-run ''; do
		# shellcheck disable=SC2086
		TENSORLAKE_API_URL=http://127.0.0.1:1 TL_RETRY_SECOND_MS=1 \
		    try "$word${dry:+, dry}" "$@" $dry
		exits "$want"
		says "$word"
		silent out
	done
}
dockerfile () {
	rm -rf bad
	mkdir bad
	printf '%s\n' "$@" >bad/Dockerfile
}
dockerfile 'FORM ubuntu'
wrong 65 bad/Dockerfile tl-build bad/Dockerfile
dockerfile 'RUN true'
wrong 65 'FROM' tl-build bad/Dockerfile
wrong 66 'none/Dockerfile' tl-build none/Dockerfile
wrong 66 'missing' tl-build context/Dockerfile missing
dockerfile 'FROM ubuntu'
echo '[a' >bad/.dockerignore
wrong 65 '.dockerignore:1' tl-build bad/Dockerfile
rm bad/.dockerignore
mkfifo bad/fifo
try 'a FIFO is left out' tl-build --dry-run bad/Dockerfile
exits 0
mkdir docker
echo '{"auths":' >docker/config.json
DOCKER_CONFIG=$T/docker
export DOCKER_CONFIG
dockerfile 'FROM r.example/app'
wrong 65 'config.json' tl-build bad/Dockerfile
unset DOCKER_CONFIG
TENSORLAKE_API_KEY='' try 'no credential, dry' tl-build --dry-run context/Dockerfile
exits 0
TENSORLAKE_API_KEY='' try 'no credential' tl-build context/Dockerfile
exits 78
says 'no credential'
silent out
try 'a bad size' tl-build --dry-run --cpus 1.2.3 context/Dockerfile
exits 64
says '--cpus'

# --- and a build sends these

tl-runtime --enter true 2>err || {
	sed 's/^/# /' err
	exit 0
}
unset TENSORLAKE_API_KEY
. "$here/region.sh"
region
printf 'FROM busybox\nCOPY f /f\n' >context/Dockerfile

# plain: METHOD PATH lines, ids and processes by their kind, repeats once
plain () {
	sed -E "s,$TENSORLAKE_API_URL,{A},; s,http://127[^/]*,{proxyUrl},
	    s,sbx-[a-z0-9]*,{id},; s,sandbox_template_build_[A-Za-z0-9]*,{buildId},
	    s,processes/[0-9]+,processes/{pid},; s,[?].*,," | uniq
}
for answer in versioned legacy; do
	tl-build --dry-run context/Dockerfile 2>/dev/null >out
	# shellcheck disable=SC2016
	case $answer in
	versioned) sed '/^# for each other/,+1d; /^#/d' out ;;
	legacy) sed '/^#/,+1d' out ;;
	esac | cut -d' ' -f1,2 | plain >said
	try "a build, $answer" tl-build -v context/Dockerfile
	exits 0
	# What tl-guard undoes it says itself.
	sed -n -E 's/^(tl-build: )?> //p' err | cut -d' ' -f1,2 | plain >sent
	is "a build, $answer: sends what was said" "$(diff said sent)" ''
	tl-region down
	tl-region up --answer legacy 2>/dev/null
	eval "$(tl-region env)"
done
