#!/bin/sh
# A client that nobody here wrote: npm's tensorlake 0.5.89 builds the sample
# image on our region, by its native module (the JavaScript around it wants a
# newer Node than Debian has)

. "${0%/*}/../lib.sh"
sample=$here/../data/sample

command -v npm >/dev/null || skip 'npm is absent'
sandboxes
case $(uname -m) in
x86_64) arch=linux-x64 ;;
aarch64) arch=linux-arm64 ;;
*) skip "the client is not published for $(uname -m)" ;;
esac

mkdir client
npm install --prefix client --no-audit --no-fund --no-save --silent \
    --cache "$T/npm" tensorlake@0.5.89 >npm.log 2>&1 || {
	sed 's/^/# /' npm.log
	skip 'npm could not install tensorlake@0.5.89'
}
module=client/node_modules/tensorlake/dist/native/$arch/tensorlake-node.node

TL_REGION_DIR=$T/region
export TL_REGION_DIR
later tl-region down --purge
tl-region up 2>up.err || {
	fail_ 'the region starts' "$(cat up.err)"
	exit
}
eval "$(tl-region env)"

try 'the published client' node "$here/build.cjs" "$module" \
    "$sample/Dockerfile" published
exits 0
cp out template.json
is 'it registered the image' "$(jq -r .name template.json)" published
is 'the platform knows it' "$(curl -fsS -H @- \
    "$TENSORLAKE_API_URL/platform/v1/sandbox-templates/by-name/published" \
    <<EOT | jq -r .id
Authorization: Bearer $TENSORLAKE_API_KEY
EOT
)" "$(jq -r .id template.json)"

try 'ours beside it' tl-build --work work -n ours "$sample/Dockerfile"
exits 0
# It does not pass on what metadata.json has beside that.
same='del(.id, .name, .snapshotId, .snapshotUri, .createdAt, .snapshotSizeBytes, .snapshotSha256)'
is 'and registered the same but for names' "$(jq -cS "$same" out)" \
    "$(jq -cS "$same" template.json)"

# What it has registered is an image like any other, and ours are found by it.
try 'its image is listed' tl-image ls
exits 0
is 'its image is listed: beside ours' "$(awk 'NR > 1 { print $1 }' out |
    grep -cx -e published -e ours)" 2
try 'its image, by name' tl-image show published
exits 0
is 'its image, by name: what it was told' "$(jq -cS . out)" \
    "$(jq -cS . template.json)"
try 'its image, by id' tl-image show "$(jq -r .id template.json)"
exits 0
is 'its image, by id: the same' "$(jq -cS . out)" \
    "$(jq -cS . template.json)"
try 'its image, fetched' tl-image get --signer "$TL_SIGNER" -o disk.raw published
exits 0
is 'its image, fetched: a file of it' "$(tl-ext4 cat disk.raw /srv/poem.txt |
    cmp - "$sample/poem.txt" 2>&1)" ''
mkdir on
printf 'FROM ours\nRUN test -s /srv/index.tsv\n' >on/Dockerfile
try 'it builds on ours' node "$here/build.cjs" "$module" on/Dockerfile on
exits 0
is 'it builds on ours: which it has found by name' "$(jq -r \
    '[.rootfsNodeKind, .parentManifestUri] | join(" ")' out)" \
    "diff $(tl-image show ours | jq -r .snapshotUri)"

# It signs neither local images nor what a parent stands on: that comes with
# the answer to prepare.
mkdir top
printf 'FROM busybox\nENV WHO=me\nRUN echo one >/one\n' >top/Dockerfile
try 'the published client: an image' node "$here/build.cjs" "$module" \
    top/Dockerfile one
exits 0
# shellcheck disable=SC2016
printf 'FROM one\nCOPY --from=ours /srv/index.tsv /\nRUN echo $WHO >/two\n' \
    >top/Dockerfile
try 'one on it, with a file of another' node "$here/build.cjs" "$module" \
    top/Dockerfile two
exits 0
printf 'FROM two\nRUN test -s /index.tsv && cat /one /two\n' >top/Dockerfile
try 'one on that' node "$here/build.cjs" "$module" top/Dockerfile three
exits 0
cp err events
ok 'has what they have' grep -qx 'build_log: me' events

# An upload whose block does not reach it: it has nothing to abort it by.
echo 'sign:reset-after@1' >"$TL_REGION_DIR/fault.new"
mv "$TL_REGION_DIR/fault.new" "$TL_REGION_DIR/fault"
try 'the published client: a lost answer' node "$here/build.cjs" "$module" \
    "$sample/Dockerfile" lost
rm "$TL_REGION_DIR/fault"
is 'an upload was opened for it, which the region releases' \
    "$(tl-region logs sandboxd | grep -c 'fault: sign: ') $(
    tl-region logs sandboxd | grep -c 'released 1 uploads') $(
    find "$TL_REGION_DIR"/store/*/uploads -type f)" '1 1 '

# Its terminals, on a sandbox of its image.
tl-sandbox create --image published 2>err | tl-sandbox wait >box.json 2>>err ||
    cat err
try 'its terminals' node "$here/pty.cjs" client/node_modules/tensorlake \
    "$(jq -r .id box.json)" "$(jq -r .proxyUrl box.json)"
exits 0
gives 'its size true
what it was told true
another size true
again, from the beginning true
and on true
its status 6
killed: PTY session terminated
no token: Unexpected server response: 403'
tl-sandbox rm <box.json >out 2>err || cat err
is 'no sandbox is left' "$(find "$TL_REGION_DIR/sandboxes" -name owner.json)" ''
