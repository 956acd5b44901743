#!/bin/sh
# Each allocation fails in turn, alone or with all that follow: one line, a
# status that the page has, no output, and what was signed is aborted

. "${0%/*}/lib.sh"
. "$here/scripted.sh"

[ -z "${TL_ASAN-}" ] || skip 'the sanitizers have an allocator of their own'
shim=${TL_PRELOAD:-$TL_BIN/../preload}/nomem.so
[ -e "$shim" ] || skip "$shim: not built"
TL_RETRY_SECOND_MS=1
export TL_RETRY_SECOND_MS
mkdir live
scripted ''
documents live "$URL"
cd live || exit 1
jq -c '.parent = {"parentManifestUri": "s3://images/p",
    "rootfsDiskBytes": 1073741824}' prepared.json >diff.json

# each OPTIONS INPUT LEAST COMMAND...: at least so many of them are fatal
each () {
	options=$1 input=$2 least=$3
	shift 3
	exit_status "$1.1" >listed
	# shellcheck disable=SC2086
	python3 "$here/data/nomem.py" --shim "$shim" --input "$input" \
	    --log ../log --listed "71 $(grep -ow '[0-9]*' listed | tr '\n' ' ')" \
	    $options -- "$@" >found 2>&1
	is "$* $options: each ends as it should" "$(sed '$d' found)" ''
	# shellcheck disable=SC2016
	ok "$* $options: $least or more are noticed" \
	    awk -v n="$least" 'END { exit !($1 >= $2 && $2 >= n) }' found
}

each '' signed.json 7 tl-splice -p plan.json --docker-config docker.json \
    prepared.json -
each '' context/Dockerfile 30 tl-plan -f - -n x context
each '' context/Dockerfile 10 tl-plan --import redis:7
each '' request.json 80 tl-presign -c signer.conf -p p1 -u u-1 \
    -t 2026-06-02T00:00:00Z
each '' request.json 80 tl-presign -c signer.conf -p p1 \
    -t 2026-06-02T00:00:00Z
each --on plan.json 7 tl-docker-config
each '' diff.json 80 tl-sign -s sandbox.json
each '--on --step 7' diff.json 12 tl-sign -s sandbox.json
each '--step 2' metadata.json 40 tl-attest -p prepared.json -s sandbox.json
each '--step 2' metadata.json 40 tl-complete -p prepared.json -a attested.json
each '--step 2' metadata.json 40 tl-complete -p prepared.json -s signed.json
each '' plan.json 40 tl-image ls
each '' plan.json 40 tl-image ls --json
each '' plan.json 40 tl-image digest n
each '--step 2' plan.json 40 tl-image register --dockerfile plan.json n s-1
each '--step 2' plan.json 20 tl-changed --state ./state .
each '--step 2' plan.json 20 tl-image rm n
