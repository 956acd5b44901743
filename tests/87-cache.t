#!/bin/sh
# A region with a cache: a builder finds what the one before it has made

. "${0%/*}/lib.sh"
. "$here/region.sh"

[ "$(id -u)" -eq 0 ] || skip 'no loop devices for an ordinary user'
command -v containers-storage >/dev/null ||
    skip 'containers-storage is not here'
region --cache
[ -d "$TL_REGION_DIR/cache" ] || skip 'no loop devices here'
mkdir ctx
echo one >ctx/f
cat >ctx/Dockerfile <<'END'
FROM busybox
RUN echo ran one; echo x >/x; chown 5:6 /x; chmod 4750 /x
COPY f /f
RUN echo ran two; cat /f >/got
END
# build WHAT STEPS [OPTION...]: these run
build () {
	what=$1 steps=$2
	shift 2
	try "$what" tl-build -n img "$@" ctx
	exits 0
	is "$what: what runs" \
	    "$(grep -o 'ran [a-z]*$' err | sort -u | sed 's/ran //' |
	    tr '\n' ' ')" "$steps"
}
image () { # WHAT: the content of /got
	rm -rf u
	tl-unpack --folder u --signer "$TL_REGION_DIR/reader.conf" img >un 2>err
	root=$(jq -r .folder un)
	is "$1: what is in it" "$(cat "$root/got") $(stat -c %u:%g:%a "$root/x")" \
	    "$(cat ctx/f) 5:6:4750"
}
build 'the first' 'one two '
image 'the first'
build 'the same again' ''
image 'the same again'
echo two >ctx/f
build 'a file has changed' 'two '
image 'a file has changed'
build 'without' 'one two ' --no-cache
is 'it is for root only' "$(stat -c %a "$TL_REGION_DIR/cache" \
    "$TL_REGION_DIR/cache"/* | tr '\n' ' ')" '700 600 '

# Two at once have one each, and then the ids of their sandboxes change.
sed 's/ran one/ran one; sleep 3/' ctx/Dockerfile >slow
cp -r ctx other
cp slow other/Dockerfile
tl-build -n other other >other.json 2>other.err &
other=$!
tries=0
until grep -q 'STEP 2' other.err || [ "$tries" -gt 500 ]; do
	tries=$((tries + 1))
	sleep 0.02
done
build 'beside another' 'one two '
wait "$other"
is 'both are built' "$?" 0
is 'with two caches' "$(find "$TL_REGION_DIR/cache" -type f |
    sed 's,.*/,,' | sort | tr '\n' ' ')" 'proj_local.0 proj_local.1 '
build 'alone again' ''
image 'alone again'

# No other sandbox has it.
tl-sandbox create --image img | tl-sandbox wait >running.json
try 'a sandbox' tl-exec -s running.json -- find / -xdev -name 'tl-rootfs-build'
exits 0
ok 'has none' sh -c '! grep cache out'
tl-sandbox rm <running.json

# It may be damaged, or anything.
for file in "$TL_REGION_DIR"/cache/*; do
	dd if=/dev/zero of="$file" bs=1M count=8 conv=notrunc 2>/dev/null
done
build 'a damaged one' 'one two '
build 'is a new one' ''
image 'is a new one'
nothing_left 'all of it'
is 'its mounts' "$(losetup -l -n -O BACK-FILE | grep -F "$TL_REGION_DIR/cache")" ''
