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
    'tl-region: not up; run tl-region up first'
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
is 'its sandboxes and disk' "$(sed -n '5,$s/[0-9][0-9]*/N/p' out | tr '\n' ' ')" \
    'sandboxes N disk N MiB '
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

# What sandboxes reach, where there is no pasta.
try 'another network' tl-region --dir "$T/other" up --network some
exits 64
says '--network some'
try 'no port' tl-region --dir "$T/other" up --reach 1x
exits 64
says '--reach 1x'
mkdir scratch
cp "$data/scratch/hello.txt" scratch/
printf 'FROM busybox\nCOPY hello.txt /\n' >scratch/Dockerfile
# shellcheck disable=SC2016
try 'without pasta' unshare -m sh -c 'pasta=$(command -v pasta) &&
    mount --bind /dev/null "$(readlink -f "$pasta")"
    exec tl-region --dir "$1" up --reach 9' - "$T/other"
exits 0
silent out
is 'it is said, with the cure' "$(head -n 1 err)" 'tl-region: sandboxes can reach only the store, '\
'no registries: pasta: not found; install passt'
(
	eval "$(tl-region --dir "$T/other" env)"
	tl-build -n without scratch/Dockerfile
) >out 2>err
is 'a build on a template works' "$(jq -r .name out)" without
[ "$(jq -r .name out)" = without ] || sed 's/^/# /' err
tl-region --dir "$T/other" down --purge

# Their logs, one and all.
printf '%s\n' '2020-01-01T00:00:02.000Z two' 'and more' \
    '2020-01-01T00:00:04.000Z four' >>"$TL_REGION_DIR/log/platformd.log"
printf '%s\n' '2020-01-01T00:00:01.000Z one' '2020-01-01T00:00:03.000Z three' \
    >>"$TL_REGION_DIR/log/sandboxd.log"
try 'logs of one' tl-region logs platformd
exits 0
is 'logs of one: it alone' "$(grep -vc '^platformd: ' out)" 0
try 'logs' tl-region logs
is 'logs: by time' "$(sed -n 's/:00:0[0-9.]*Z//; s/2020-01-01T00//p; /more/p' out)" \
    'sandboxd:  one
platformd:  two
platformd: and more
sandboxd:  three
platformd:  four'
try 'no such log' tl-region logs none
exits 66
tl-region logs -f >followed &
follower=$!
until [ -s followed ]; do sleep 0.05; done
echo '2099-01-01T00:00:00.000Z tl-platformd: one more' \
    >>"$TL_REGION_DIR/log/platformd.log"
i=0
until grep -q '^platformd: 2099.*one more' followed || [ "$i" -gt 100 ]; do
	i=$((i + 1))
	sleep 0.05
done
ok 'logs -f goes on' grep -q '^platformd: 2099.*one more' followed
kill "$follower"
wait "$follower"
is 'logs -f ends' "$?" 143
is 'logs -f: nothing of it runs' "$(pgrep -f "tail.*$TL_REGION_DIR" || :)" ''
try 'status that follows' tl-region status -f
exits 64

# A command, with a region for it.
# shellcheck disable=SC2016
try 'run' tl-region --dir "$T/own" run -- sh -c 'echo "$TENSORLAKE_API_URL"
    tl-region --dir "$1" status | grep -c " up "; exit 3' sh "$T/own"
is 'run: the status of the command' "$status" 3
silent err
is 'run: it is given a region, which is up' \
    "$(sed 's,^http://127.0.0.1:[0-9]*$,address,' out | tr '\n' ' ')" 'address 4 '
is 'run: and down after it' "$(tl-region --dir "$T/own" status | grep -c ' down')" 4
# shellcheck disable=SC2016
try 'run beside a region that is up' tl-region run -- \
    sh -c 'echo "$TENSORLAKE_API_URL"'
exits 0
gives "$TENSORLAKE_API_URL"
ok 'which stays up' tl-region status
mkfifo go
tl-region --dir "$T/own" run -- cat go >first &
one=$!
until tl-region --dir "$T/own" status >/dev/null; do sleep 0.1; done
try 'a second run' tl-region --dir "$T/own" run -- true
exits 0
ok 'does not stop what the first one uses' tl-region --dir "$T/own" status
echo on >go
wait "$one"
is 'the first one ends well' "$? $(cat first)" '0 on'
is 'and stops it' "$(tl-region --dir "$T/own" status | grep -c ' down')" 4
try 'run with --purge' tl-region --dir "$T/own" run --purge -- true
exits 0
ok 'nothing is left of it' test ! -e "$T/own"
try 'run without a command' tl-region run --
exits 64
try 'run of what is not there' tl-region run -- "$T/no-such"
is 'run of what is not there: its status' "$status" 127

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
says 'tl-region: no image can be built: netavark: not here; buildah cannot start'
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

kept=$key where=$(tl-region status | sed -n 's/ pid [0-9]*//p')
try 'down' tl-region down
exits 0
is 'no socket stays' "$(find "$TL_REGION_DIR" -type s)" ''
tl-region up 2>/dev/null
is 'the key is the same after a restart' "$(cat "$TL_REGION_DIR/key")" "$kept"
is 'and so is where it is' "$(tl-region status | sed -n 's/ pid [0-9]*//p')" "$where"
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
    sed -n 's/ pid [0-9]*//p' | grep -v -x -F -e "$where" | sed 's/ .*//')" platformd
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
if ! PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v tl-snapshot >/dev/null; then
	mkdir alone
	cp "$TL_BIN/tl-region" "$TL_BIN/tl-options" alone/
	try 'up without the builder' env PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	    alone/tl-region --dir "$T/alone.state" up
	exits 69
	says 'tl-snapshot: not found; it comes with tl-builder'
fi
try 'up with a template that can run nothing' tl-region up
exits 0
says 'template busybox can run nothing: it is made again'
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
