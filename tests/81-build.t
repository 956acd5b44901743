#!/bin/sh
# tl-build on a region: the image is right, in both shapes of the prepare
# answer and both dialects; blocks reach the builder byte for byte

. "${0%/*}/lib.sh"
. "$here/region.sh"

# right NAME TEMPLATE: the registered image holds what its RUN steps make
right () {
	fetch "$(jq -r .snapshotUri "$2")" snap
	set -- "$@" snap
	parent=$(jq -r '.parentManifestUri // empty' "$2")
	if [ -n "$parent" ]; then
		fetch "$parent" parent
		ok "$1: the snapshot is clean" \
		    tl-snapshot check --parent parent snap
		tl-snapshot cat --parent parent snap /srv/index.tsv >got
	else
		ok "$1: the snapshot is clean" tl-snapshot check snap
		tl-snapshot cat snap /srv/index.tsv >got
	fi
	"$sample/bin/index" <"$sample/poem.txt" >want
	ok "$1: a file of a RUN step is in it" cmp want got
}

# The builder removes its spec, so what starts it keeps a copy.
mkdir bin
cp "$TL_BIN"/tl-* bin/
mv bin/tl-rootfs-build bin/builder
cat >bin/tl-rootfs-build <<'END'
#!/bin/sh
case $1 in
--spec) cp "$2" "$2.kept" ;;
esac
exec "${0%/*}/builder" "$@"
END
chmod +x bin/tl-rootfs-build
PATH=$T/bin:$PATH

region
for dialect in auto seed merged; do
	try "dialect $dialect" tl-build --work "work.$dialect" -n "$dialect" \
	    --dialect "$dialect" "$sample/Dockerfile"
	exits 0
	cp out template.json
	is "dialect $dialect: its name" "$(jq -r .name out)" "$dialect"
	right "dialect $dialect" template.json
done
is 'the build folder is private' "$(stat -c %a work.auto)" 700
is 'and its documents' "$(find work.auto -name '*.json' -perm /077)" ''

# A recorder between the proxy and the dataplane keeps what was signed.
mv "$TL_REGION_DIR/run/dataplane.sock" "$TL_REGION_DIR/run/real.sock"
python3 "$here/recorder.py" "$TL_REGION_DIR/run/dataplane.sock" \
    "$TL_REGION_DIR/run/real.sock" recorded &
recorder=$!
# shellcheck disable=SC2016
later '[ -z "$recorder" ] || kill "$recorder"'
i=0
until [ -S "$TL_REGION_DIR/run/dataplane.sock" ] || [ "$i" -gt 100 ]; do
	i=$((i + 1))
	sleep 0.05
done
try 'with the sandbox kept' tl-build --work kept --keep-sandbox -n kept \
    "$sample/Dockerfile"
exits 0
export TL_SANDBOX="$T/kept/sandbox.json"
# Output is lines, and long ones are broken: base64 has none.
tl-exec --root -- base64 \
    /var/lib/tensorlake/rootfs-builder/build/spec.json.kept |
    base64 -d >spec.reached
try 'the spec, in the sandbox, after the build' tl-exec --root -- \
    ls /var/lib/tensorlake/rootfs-builder/build
is 'it is gone' "$(cat out)" 'context
metadata.json
spec.json.kept'
try 'the sandbox that was kept' tl-reap --all
exits 0
holds 'undone	sandbox'
ok 'the spec reached the builder as spliced' cmp spec.reached kept/spec.json
ok 'each signed block is in it byte for byte' python3 -c '
import sys
spec = open("spec.reached", "rb").read()
blocks = [open(p, "rb").read().strip() for p in sys.argv[1:]]
assert len(blocks) >= 2 and all(len(b) > 100 for b in blocks), blocks
assert b"\"upload\":" + blocks[0] in spec
assert b"\"download\":" + blocks[1] in spec
' recorded.*
ok 'and the rest of the prepared answer too' python3 -c '
prepared = open("kept/prepared.json", "rb").read().strip()
spec = open("spec.reached", "rb").read()
# Nothing was in the way of the first member that we set or add to.
head = prepared[:prepared.index(b"\"parent\"")]
assert len(head) > 50 and spec.startswith(head), spec[:400]
'
kill "$recorder"
recorder=
mv "$TL_REGION_DIR/run/real.sock" "$TL_REGION_DIR/run/dataplane.sock"

# A file of that name is nobody's output: no stage is left out for it.
echo mine >./-
try 'an image without a template below it' tl-build -n scratch \
    "$here/data/scratch/Dockerfile"
exits 0
cp out template.json
is 'is a base image' "$(jq -r .rootfsNodeKind out)" base
is 'a file called "-" is left alone' "$(cat ./-)" mine
rm ./-
is 'its folder is gone after success' \
    "$(find "$HOME/.local/state/tl" -mindepth 1 ! -name .tl-private)" ''
try 'on top of an image built here' sh -c 'mkdir top && cd top &&
	printf "FROM scratch\nCOPY a /a\n" >Dockerfile && echo hello >a &&
	tl-build -n below Dockerfile >below.json &&
	printf "FROM busybox\nCOPY --from=below /a /b\nRUN cat /b >/c\n" \
	    >Dockerfile && tl-build -n above Dockerfile'
exits 0
nothing_left 'after all builds'

tl-region down
tl-region up --answer legacy 2>/dev/null
eval "$(tl-region env)"
try 'the legacy answer' tl-build --work work.legacy --keep-sandbox -n legacy \
    "$sample/Dockerfile"
exits 0
cp out template.json
right 'the legacy answer' template.json
is 'nothing was signed in the region' "$(cat work.legacy/signed.json)" '{}'
tl-reap --all >/dev/null
nothing_left 'after the legacy build'
