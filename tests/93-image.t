#!/bin/sh
# tl-image on a region: what a build registers is listed, looked up by name and
# id, told apart from what replaces it, registered again, and deleted

. "${0%/*}/lib.sh"
. "$here/region.sh"

region
mkdir context
printf 'FROM busybox\nRUN echo one >/what\n' >context/Dockerfile
# build NAME: the template it registers
build () {
	tl-build -n "$1" context/Dockerfile >"$2" 2>build.err || {
		fail_ "$1 is built" "$(cat build.err)"
		exit 1
	}
}
build web first
build 'team/tools:1' tools

try 'ls' tl-image ls
exits 0
silent err
is 'has what was built' "$(awk 'NR > 1 { print $1, $2, $3 }' out)" \
    'busybox base 10G
web diff 10G
team/tools:1 diff 10G'
try 'ls --json' tl-image ls --json
is 'is the same' "$(jq -c 'map(.id)' out)" "$(
    jq -c --slurpfile a first --slurpfile b tools -n \
    '["sandbox_template_busybox", $a[0].id, $b[0].id]')"
try 'show' tl-image show web
exits 0
is 'is what complete answered' "$(cat out)" "$(cat first)"
try 'show, by its id' tl-image show "$(jq -r .id tools)"
exits 0
is 'is the other one' "$(cat out)" "$(cat tools)"
try 'one that is not there' tl-image show nothing
exits 66
try 'the long prefix' env TENSORLAKE_ORGANIZATION_ID=org_local \
    TENSORLAKE_PROJECT_ID=proj_local tl-image show web
exits 0
try 'a project of somebody else' env TENSORLAKE_ORGANIZATION_ID=org_local \
    TENSORLAKE_PROJECT_ID=other tl-image show web
exits 77
try 'a wrong key' env TENSORLAKE_API_KEY=wrong-key-1 tl-image ls
exits 77

# A name that is registered again is another snapshot.
was=$(tl-image digest web)
is 'a digest is the same again' "$(tl-image digest web) $(tl-image digest \
    "$(jq -r .id first)")" "$was $was"
build web second
is 'a digest of what replaced it is another' \
    "$(tl-image digest web | grep -c -x -v "$was")" 1
is 'by the same id' "$(jq -r .id second)" "$(jq -r .id first)"

# The snapshot that an image stands for is registered under another name.
try 'register' tl-image register --dockerfile context/Dockerfile other \
    "$(jq -r .snapshotId second)"
exits 0
same='{snapshotId, snapshotUri, snapshotSizeBytes, rootfsDiskBytes,
    rootfsNodeKind, parentManifestUri, snapshotFormatVersion, dockerfile}'
is 'is the same snapshot' "$(jq -S "$same" out)" "$(jq -S "$same" second)"
is 'under its name' "$(tl-image show other | jq -r .name) $(
    tl-image digest other)" "other $(tl-image digest web)"
mkdir onto
echo 'FROM other' >onto/Dockerfile
ok 'which is built upon' tl-build -n onto --progress none onto
try 'register of what is not there' tl-image register \
    --dockerfile context/Dockerfile none snap_none
exits 66
try 'register of what is nobody'\''s' tl-image register \
    --dockerfile context/Dockerfile none \
    "$(tl-image show busybox | jq -r .snapshotId)"
exits 66
ok 'which are deleted again' tl-image rm other onto

# More than one page, by the region's own links.
cat >many.py <<'END'
import json, os, sys, urllib.request
t = json.load(open(sys.argv[1]))
for i in range(120):
    body = {k: t[k] for k in t if k not in ("id", "createdAt")}
    body["name"] = "many-%03d" % i
    urllib.request.urlopen(urllib.request.Request(
        os.environ["TENSORLAKE_API_URL"] + "/platform/v1/sandbox-templates",
        json.dumps(body).encode(), {"Content-Type": "application/json",
        "Authorization": "Bearer " + os.environ["TENSORLAKE_API_KEY"]})).read()
END
ok 'many are registered' env no_proxy='*' python3 many.py second
try 'ls of them' tl-image ls
is 'has them all' "$(awk '{ print $1 }' out | grep -c '^many-')" 120
# shellcheck disable=SC2046
try 'rm of them' tl-image rm $(awk '/^many-/ { print $1 }' out)
exits 0
is 'says each' "$(grep -c '^deleted many-' out)" 120

# get: the disk, through signed downloads, what it stands on included.
PATH=$PATH:/usr/sbin:/sbin
signer=$TL_REGION_DIR/signer.conf
printf 'FROM web\nRUN echo three >/more\n' >context/Dockerfile
build top third
# What get makes on the way is in a folder of its own: others make the like.
mkdir got tmp
TMPDIR=$T/tmp
export TMPDIR
try 'get, raw' tl-image get --signer "$signer" -o got/disk top
exits 0
silent err
silent out
is 'a whole disk, and sparse' "$(stat -c %s got/disk) $(($(stat -c '%b * %B' \
    got/disk) < 100000000))" "$(jq -r .rootfsDiskBytes third) 1"
ok 'which is sound' e2fsck -fn got/disk
is 'with what each build has made' "$(tl-ext4 cat got/disk /what
    tl-ext4 cat got/disk /more)" 'one
three'
try 'get, by the id' tl-image get --signer "$signer" --tar "$(jq -r .id third)"
exits 0
is 'the files of it' "$(tar -xOf out ./what; tar -xOf out ./more)" 'one
three'
try 'get, a tar in a file' tl-image get --signer "$signer" --tar -o got/tar top
exits 0
ok 'is the same' cmp got/tar "$(tl-image get --signer "$signer" --tar \
    -o got/again top; echo got/again)"
try 'get, as it is stored' tl-image get --signer "$signer" --snapshot top
exits 0
mv out whole
fetch "$(jq -r .snapshotUri third)" stored
ok 'each byte of it' cmp whole stored
try 'get, that in a file' tl-image get --signer "$signer" --snapshot \
    -o got/snapshot top
ok 'each byte of it there' cmp got/snapshot stored
try 'get, onto a full disk' sh -c "tl-image get --signer '$signer' \
    --snapshot top >/dev/full"
exits 74
try 'get, into no folder' tl-image get --signer "$signer" -o none/disk top
exits 73
try 'get, where nobody may sign' tl-image get --signer /nonexistent \
    -o got/none top
exits 66
try 'get of none' tl-image get --signer "$signer" -o got/none gone
exits 66
# Who has no such configuration asks a sandbox.
tl-plan context | tl-prepare | tl-sandbox create | tl-sandbox wait >sandbox.json
try 'get, by a sandbox' tl-image get -s sandbox.json --tar top
exits 0
mv out files
ok 'the same files' cmp got/tar files
try 'get, by a sandbox, raw' tl-image get -s sandbox.json -o got/raw top
exits 0
# Most of its 10 GiB are holes, which cmp would read.
ok 'the same disk' qemu-img compare -f raw -F raw got/disk got/raw
rm got/raw
ok 'it goes' tl-sandbox rm -s sandbox.json
try 'get, by one that is gone' tl-image get -s sandbox.json --tar top
exits 69
sed 's/^secret_key = .*/secret_key = wrong-secret/' "$signer" >wrong.conf
chmod 600 wrong.conf
try 'get, signed wrongly' tl-image get --signer wrong.conf -o got/none top
exits 77
silent out
# Told to end while the store does not answer: it cannot have been faster.
stored=$(cat "$TL_REGION_DIR/run/stored.pid")
kill -STOP "$stored"
# Twice within a moment, as timeout(1) does: it is one wish.
twice () {
	"$@" &
	sleep 1
	kill -TERM "$!"
	sleep 0.1
	kill -TERM "$!"
	wait "$!"
}
try 'get, told to end' twice tl-image get --signer "$signer" -o got/none top
kill -CONT "$stored"
exits 143
# What lies below is not registered any more, and was not whole.
tl-image rm web >/dev/null
try 'get, a parent that is not listed' tl-image get --signer "$signer" \
    -o got/none top
exits 65
says 'name its parent'
is 'nothing but what was asked for is left' "$(find got -mindepth 1 | sort |
    tr '\n' ' ')$(ls -A tmp)" \
    'got/again got/disk got/snapshot got/tar '
unset TMPDIR
tl-image rm top >/dev/null
printf 'FROM busybox\nRUN echo one >/what\n' >context/Dockerfile
build web second

try 'rm of what is not the project'\''s' tl-image rm busybox
exits 77
try 'rm, by name and by id' tl-image rm web "$(jq -r .id tools)"
exits 0
gives 'deleted web
deleted team/tools:1'
try 'again' tl-image rm web
exits 66
try 'again, if it exists' tl-image rm --if-exists web
exits 0
is 'the rest is there' "$(tl-image ls --json | jq -r 'map(.name)[]')" busybox

tl-reap --all >/dev/null 2>&1
nothing_left 'of the images'
