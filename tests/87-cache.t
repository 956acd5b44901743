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
# A RUN that sleeps at its end: buildah may lose what is printed just before one
# is over, where a machine is busy.
cat >ctx/Dockerfile <<'END'
FROM busybox
RUN echo ran one; echo x >/x; chown 5:6 /x; chmod 4750 /x; sleep 0.2
COPY f /f
RUN echo ran two; cat /f >/got; sleep 0.2
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

# The context is there, too.
head -c 3000000 /dev/urandom >ctx/big
mkdir ctx/a
echo x >ctx/a/x
ln -s x ctx/a/link
cat >ctx/Dockerfile <<'END'
FROM busybox
RUN echo ran one; echo x >/x; chown 5:6 /x; chmod 4750 /x; sleep 0.2
COPY f /f
RUN echo ran two; cat /f >/got; sleep 0.2
COPY . /all
END
# sends WHAT little|all: of its context; the file alone is 3 MB
sends () {
	bytes=$(sed -n 's,^tl-put: [0-9]* / \([0-9]*\) bytes,\1,p' err | tail -n 1)
	case $bytes in
	3??????) how=all ;;
	? | ?? | ??? | 1???) how=little ;;
	*) how=$bytes ;;
	esac
	is "$1: sends" "$how" "$2"
}
holds_all () { # WHAT: that image has all of the context, as it is
	image "$1"
	ok "$1: the context is in it" diff -r --no-dereference ctx "$root/all"
	is "$1: its modes and links" \
	    "$(cd "$root/all" && find . -mindepth 1 -printf '%P %y %m %l\n' | sort)" \
	    "$(cd ctx && find . -mindepth 1 -printf '%P %y %m %l\n' | sort)"
}
build 'a large file' ''
sends 'a large file' all
holds_all 'a large file'
build 'it again' ''
sends 'it again' little
chmod 700 ctx/a/x
rm ctx/a/link
mkdir ctx/a/link
mv ctx/f ctx/a/link/f
ln -s a/link/f ctx/f
build 'changes' 'two '
sends 'changes' little
holds_all 'changes'
rm -r ctx/f ctx/a/link
echo 'f' >ctx/f
echo big >ctx/.dockerignore
build 'more of them' 'two '
sends 'more of them' little
mv ctx/big .
holds_all 'more of them'
mv big ctx
rm ctx/.dockerignore
build 'no cache' 'one two ' --no-cache
sends 'no cache' all
holds_all 'no cache'
build 'after an ignore file' 'two '
sends 'after an ignore file' all

# A sandbox that goes while the context is unpacked.
mkdir bin
cp "$TL_BIN"/* bin
mv bin/tl-exec bin/real-exec
cat >bin/tl-exec <<'END'
#!/bin/sh
# What unpacks there stops in the middle.
for word; do
	shift
	case $word in
	umask*) word="mkdir /tmp/bin; cat >/tmp/bin/tar <<'EOT'
#!/bin/sh
head -c 1000000 \"\$2\" | /usr/bin/tar -xzf - -C \"\$6\"
umask 022
touch /tmp/amid
sleep 1000
EOT
chmod 755 /tmp/bin/tar; PATH=/tmp/bin:\$PATH; $word" ;;
	esac
	set -- "$@" "$word"
done
exec real-exec "$@"
END
chmod 755 bin/tl-exec
head -c 3000000 /dev/urandom >ctx/big
echo of no use >ctx/a/y
rm ctx/a/x
"$T/bin/tl-build" -n img --work cut ctx >cut.json 2>cut.err &
cut=$!
tries=0
until tl-get -s cut/sandbox.json /tmp/amid >/dev/null 2>&1 ||
    [ "$tries" -gt 300 ]; do
	tries=$((tries + 1))
	sleep 0.1
done
ok 'it is being unpacked' test "$tries" -le 300
try 'amid its unpacking' tl-get -s cut/sandbox.json \
    /var/cache/tl-rootfs-build/context.record
exits 0
is 'the record says that nothing is there' "$(wc -l <out) $(tail -n 1 out)" '2 end'
tl-sandbox rm <cut/sandbox.json
wait "$cut"
is 'the build fails' "$(($? > 0))" 1
try 'it is resumed' tl-build --resume cut
exits 0
sends 'it is resumed' all
holds_all 'it is resumed'
build 'and once more' ''
sends 'and once more' little
rm -r ctx/big ctx/a
sed -i '$d' ctx/Dockerfile

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

# They stay mounted between builds, as long as the region is up.
mounts () {
	PATH=$PATH:/usr/sbin losetup -l -n -O BACK-FILE |
	    grep -F "$TL_REGION_DIR/cache" | sed 's,.*/,,' | sort | tr '\n' ' '
}
up () {
	tl-region up --cache 2>/dev/null
	eval "$(tl-region env)"
}
is 'they are mounted' "$(mounts)" 'proj_local.0 proj_local.1 '
rm "$TL_REGION_DIR/cache/proj_local.0"
build 'one that was deleted' 'one two '
is 'the old one is mounted no more' "$(mounts)" 'proj_local.0 proj_local.1 '
tl-region down
is 'the region is down: none is mounted' "$(mounts)" ''
up
build 'after that' ''
image 'after that'
pkill -KILL -f "tl-sandboxd .*$TL_REGION_DIR/"
tries=0
while [ -n "$(mounts)" ] && [ "$tries" -lt 300 ]; do
	tries=$((tries + 1))
	sleep 0.1
done
is 'a daemon that was killed: none is mounted' "$(mounts)" ''
tl-region down 2>/dev/null
up
build 'after its death' ''

# A machine may have gone down with it mounted, it may be damaged, or anything.
# broken COMMAND...: run on each of them, while the region is down
broken () {
	tl-region down
	for file in "$TL_REGION_DIR"/cache/*; do
		"$@"
	done >/dev/null 2>&1
	up
}
cut_off () {
	PATH=$PATH:/sbin debugfs -w -R 'feature needs_recovery' "$file"
}
zeros () {
	dd if=/dev/zero of="$file" bs=1M count=8 conv=notrunc
}
broken cut_off
build 'one that was cut' 'one two '
broken zeros
build 'a damaged one' 'one two '
build 'is a new one' ''
image 'is a new one'
nothing_left 'all of it'
