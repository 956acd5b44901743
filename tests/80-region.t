#!/bin/sh
# tl-region: up, status, env, down, and what stands in its way

. "${0%/*}/lib.sh"
. "$here/region.sh"

try 'no verb' tl-region
exits 64
silent out
try 'env before up' tl-region env
exits 69
says 'not up'
gives false
# shellcheck disable=SC2016
is 'which a shell heeds' "$(sh -c 'eval "$(tl-region env)" && echo on' 2>&1)" \
    'tl-region: not up: tl-region up first'
try 'status before up' tl-region status
exits 69
try 'down before up is done already' tl-region down
exits 0

region
is 'the state is private' "$(stat -c %a "$TL_REGION_DIR")" 700
find "$TL_REGION_DIR" -type f -perm /077 ! -path '*/store/*' >open
is 'and so are its files' "$(cat open)" ''
try 'status' tl-region status
exits 0
is 'four daemons' "$(grep -c ' up pid ' out)" 4
is 'their ports are for root alone' "$(sed -n 's/.*127.0.0.1:\([0-9]*\).*/\1/p' out |
    awk '$1 > 0 && $1 < 1024' | wc -l)" 3
try 'env' tl-region env
exits 0
holds 'export TENSORLAKE_API_URL=http://127.0.0.1:'
ok 'env: where the signer is' test -s "$(sh -c '. ./out; echo "$TL_SIGNER"')"
try 'up again' tl-region up
exits 75
says 'already up'

# The key is in no argument of any process.
key=$(cat "$TL_REGION_DIR/key")
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' |
    grep -F -f "$TL_REGION_DIR/key" >argv
is 'no process has the key as an argument' "$(cat argv)" ''

port=${TENSORLAKE_API_URL##*:}
try 'a busy port' tl-region --dir "$T/other" up --port "$port"
exits 69
says "$port"
later tl-region --dir "$T/other" down --purge
is 'leaves nothing running' "$(tl-region --dir "$T/other" status |
    grep -c ' down')" 4

# Later buildahs want a program that they do not use.
mkdir fake
cat >fake/buildah <<'END'
#!/bin/sh
echo 'Error: could not find "netavark" in one of [/usr/lib/podman].' >&2
exit 125
END
chmod +x fake/buildah
try 'up without netavark' env PATH="$PWD/fake:$PATH" \
    tl-region --dir "$T/poor" up
exits 0
says 'tl-region: no image can be built: netavark: not here; buildah starts'
tl-region --dir "$T/poor" down --purge

(exec 3<>/dev/null; PATH=/usr/bin:/bin; mkdir half
cp "$TL_BIN/tl-region" "$TL_BIN/tl-stored" half/
half/tl-region --dir "$T/third" up 2>err)
is 'a missing program is named' "$(grep -c 'not found' err)" 1
tl-region --dir "$T/third" down --purge

mkdir "$T/theirs"
chown 12345 "$T/theirs"
for verb in up down; do
	try "$verb in a folder of somebody else" tl-region --dir "$T/theirs" \
	    "$verb"
	exits 77
	says 'belongs to somebody else'
done

kept=$key where=$(tl-region status | sed 's/ pid [0-9]*//')
try 'down' tl-region down
exits 0
is 'no socket stays' "$(find "$TL_REGION_DIR" -type s)" ''
tl-region up 2>/dev/null
is 'the key is the same after a restart' "$(cat "$TL_REGION_DIR/key")" "$kept"
is 'and so is where it is' "$(tl-region status | sed 's/ pid [0-9]*//')" "$where"
tl-region down
python3 -c 'import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
open("taken", "w").close()
time.sleep(600)' "$port" &
later kill $! '2>/dev/null'
until [ -e taken ]; do sleep 0.05; done
try 'up when its port is taken' tl-region up
exits 0
is 'another is found, for that server only' "$(tl-region status |
    sed 's/ pid [0-9]*//' | grep -v -x -F -e "$where" | sed 's/ .*//')" platformd
eval "$(tl-region env)"
is 'the template busybox is known' "$(curl -fsS -H @- \
    "$TENSORLAKE_API_URL/platform/v1/sandbox-templates/by-name/busybox" \
    <<END | jq -r .name
Authorization: Bearer $kept
END
)" busybox
nothing_left 'a region without builds'

# An earlier release took a busybox that was not static.
tl-region down
is 'a good template stays' "$(jq -r .snapshotId \
    "$TL_REGION_DIR/templates/busybox.json")" snap_busybox
rm "$TL_REGION_DIR/busybox.static"
tl-region up 2>up.err
is 'looked at again, too' "$(jq -r .snapshotId \
    "$TL_REGION_DIR/templates/busybox.json") $(grep -c busybox up.err)" \
    'snap_busybox 0'
mkdir -p wrong/bin
cp "$(command -v jq)" wrong/bin/busybox
tl-snapshot pack wrong 1073741824 wrong.tlsnap
path=projects/system/sandbox-template-builds/busybox/snap_busybox.tlsnap
printf '%s' '{"rel_path":"'$path'","op":{"kind":"multipart_put","parts":1,' \
    '"part_size_bytes":67108864}}' |
    tl-presign --config "$TL_REGION_DIR/signer.conf" --project system |
    tl-upload wrong.tlsnap >/dev/null
tl-region down
rm "$TL_REGION_DIR/busybox.static"
try 'up with a template that can run nothing' tl-region up
exits 0
says 'template busybox can run nothing: made again'
fetch "$(jq -r .snapshotUri "$TL_REGION_DIR/templates/busybox.json")" new
# shellcheck disable=SC2016
ok 'the new one is not that' sh -c \
    'tl-snapshot cat new /bin/busybox | cmp - "${TL_BUSYBOX:-$(command -v busybox)}"'
tl-region down
try 'up is silent of it then' tl-region up
is 'up is silent of it then: no busybox' "$(grep -c busybox err)" 0
tl-region down --purge
try 'no static busybox' env TL_BUSYBOX="$PWD/wrong/bin/busybox" tl-region up
exits 69
says 'not a static busybox; install busybox-static'
lists tl-region.8
