#!/bin/sh
# The documents of tl-documents(5) and of a real build are what their schemas
# (data/schema) say, and the programs take just what these allow

. "${0%/*}/lib.sh"
. "$here/scripted.sh"

/usr/bin/python3 -c 'import jsonschema' 2>/dev/null ||
    skip 'no python3-jsonschema here'

# valid NAME FILE WHAT
valid () {
	/usr/bin/python3 "$here/data/documents.py" check "$1" "$2" >found 2>&1
	is "$3" "$(cat found)" ''
}

mkdir page
/usr/bin/python3 "$here/data/documents.py" page \
    "$here/../man/tl-documents.5" page
for name in plan prepared sandbox signed metadata attested template build; do
	valid "$name" "page/$name.json" "the page's $name"
done

sed -n '/^{"pid"/p' "$here/../man/tl-exec.1" >page/builder.json
valid builder page/builder.json "tl-exec(1)'s status"
mkdir docker
echo '{"auths":{"r.example":{"auth":"dTpw"},"s.example":{"auth":"eDp5"}}}' \
    >docker/config.json
echo 'FROM r.example/app' | tl-plan -f - |
    DOCKER_CONFIG=docker tl-docker-config >credentials.json
valid docker credentials.json 'registry credentials'
is 'there are some' "$(jq -c '.auths | keys' credentials.json)" '["r.example"]'

# agrees NAME FILE SPARED COMMAND...: but for changes in what it does not need
agrees () {
	/usr/bin/python3 "$here/data/documents.py" agree "$@" >found 2>&1
	is "what $4 takes is what the schema of a $1 allows" "$(cat found)" ''
}
scripted ''
jq 'del(.additionalLocalImages)' page/prepared.json >prepared.json
jq --arg u "$URL" '.proxyUrl = $u' page/sandbox.json >sandbox.json
prepared_ >base.json
agrees prepared prepared.json '' tl-sign -s sandbox.json
agrees plan page/plan.json '.*(ignored|unresolvable).*' tl-prepare
agrees sandbox sandbox.json 'without (?!id$).*' tl-sandbox show
agrees metadata page/metadata.json \
    '(snapshot_id|rootfs_node_kind) of another type' tl-complete -p base.json

# What a real build leaves, in both shapes of the prepared answer.
if ! tl-runtime --enter true 2>err; then
	sed 's/^/# /' err
	exit 0
fi
peer_end
unset TENSORLAKE_API_KEY
. "$here/region.sh"
region
mkdir context
printf 'FROM busybox\nCOPY --from=busybox /bin/sh /bin/other\nLABEL a=b\n' \
    >context/Dockerfile
try 'a build' tl-build --work w --keep-sandbox --if-changed --state state -n documents context/Dockerfile
exits 0
for name in plan docker prepared sandbox signed spec builder metadata \
    attested template; do
	valid "$name" "w/$name.json" "a real $name"
done
valid build state 'a real state'
jq .upload w/signed.json >upload.json
valid upload upload.json 'a real upload block'
jq .attestation w/attested.json >attestation.json
valid attestation attestation.json 'a real receipt'
jq .parentDownload w/signed.json >download.json
valid download download.json 'a real download block'
tl-reap --all >/dev/null
nothing_left 'of the build'
