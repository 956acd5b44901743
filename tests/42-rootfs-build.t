#!/bin/sh
# tl-rootfs-build: real builds, against a real store

. "${0%/*}/lib.sh"
. "$here/builder.sh"

G=1073741824
mkdir -p tools/bin tools/skip
cp "${TL_BUSYBOX:-$(command -v busybox)}" tools/bin/t
echo tool >tools/skip/note
tl-snapshot pack tools "$G" tools.tlsnap
object tools tools.tlsnap

mkdir -p ctx/bin
echo from-context >ctx/f
printf '#!/bin/sh\necho ran\n' >ctx/bin/run
chmod 755 ctx/bin/run
echo left-out >ctx/skip
echo skip >ctx/.dockerignore

# spec NAME [MEMBERS]: what to build from ./Dockerfile
spec () {
	upload "$1" >block
	jq -cn --rawfile d Dockerfile --slurpfile up block --arg c "$PWD/ctx" \
	    --argjson disk "$G" --argjson more "${2:-{\}}" '{buildId: "b",
	    snapshotId: "snap_1", rootfsNodeKind: "base", dockerfile: $d,
	    contextDir: $c, baseImage: "scratch", rootfsDiskBytes: $disk,
	    upload: $up[0]} + $more' >spec.json
}
parent () { # NAME: members for a build on that template
	download "$1" | jq -c '{rootfsNodeKind: "diff", baseImage: "busybox",
	    parent: {parentManifestUri: "s3://images/parent.tlsnap",
	    rootfsDiskBytes: 1073741824, download: .}}'
}
build () { # NAME
	rm -rf metadata.json
	try "$1" tl-rootfs-build --spec spec.json \
	    --metadata-out metadata.json --storage "$T/storage"
	cp out built
}
# ended: what is there of builders that are not; another test may run one
ended () {
	for run in /run/tl-rootfs-build.*; do
		[ ! -e "$run" ] || [ -e "/proc/${run##*.}" ] || echo "$run"
	done
}
clean () {
	# shellcheck disable=SC2154
	is "$name: nothing is left" "$(ls -A storage; find . -maxdepth 1 \
	    -name '.tl-*'; grep "$T" /proc/mounts; ended)" ''
}
have () { # NAME: the object of a build
	curl -fsS -o "$1.tlsnap" "$(download "$1" | jq -r .url)"
}

# From nothing.

printf 'FROM scratch\nCOPY f /etc/f\nCOPY bin /bin\n' >Dockerfile
spec one
build 'from scratch'
exits 0
silent err
clean
is 'its metadata' "$(jq -c . metadata.json)" \
    '{"snapshot_id":"snap_1","snapshot_uri":"s3://images/projects/p/sandbox-template-builds/one.tlsnap","snapshot_format_version":"durable_archive_v1","snapshot_size_bytes":'"$(
    jq .snapshot_size_bytes metadata.json)"',"snapshot_sha256":"'"$(
    jq -r .snapshot_sha256 metadata.json)"'","rootfs_disk_bytes":1073741824,"rootfs_node_kind":"base"}'
have one
is 'its size is told' "$(jq .snapshot_size_bytes metadata.json)" \
    "$(stat -c %s one.tlsnap)"
is 'and its sum' "$(jq -r .snapshot_sha256 metadata.json)" \
    "$(sha256sum <one.tlsnap | cut -d ' ' -f 1)"
is 'the file is there' "$(tl-snapshot cat one.tlsnap /etc/f)" from-context
tl-snapshot tar one.tlsnap | tar -tvf - >list
ok 'with its mode' grep -q '^-rwxr-xr-x 0/0 .* ./bin/run$' list
is 'nothing else' "$(awk '{ print $NF }' list | sort | tr '\n' ' ')" \
    './ ./bin/ ./bin/run ./etc/ ./etc/f '

# On a template, in stages.

cat >Dockerfile <<'END'
ARG WORD=argued
FROM busybox AS first
ARG WORD
RUN echo "made $WORD" >/made
FROM team/base:1 AS second
RUN --mount=from=team/tools:1,target=/mnt/t cp /mnt/t/bin/t /t
FROM busybox
COPY --from=first /made /made
COPY --from=1 /t /from-second
COPY --from=team/tools:1 /bin/t /t
COPY --from=team/tools:1 /skip/note /note
RUN --mount=type=bind,source=f,target=/bound cat /made /bound >/both
RUN rm /bin/vi && chown 7:8 /both
END
others=$(printf '%s\n%s' "$(download bb)" "$(download tools)" | jq -cs '
    {additionalLocalImages: [{reference: "team/base:1", download: .[0]},
    {reference: "team/tools:1", download: .[1]}]}')
spec two "$(printf '%s %s' "$(parent bb)" "$others" | jq -cs add)"
build 'on a template, in stages'
exits 0
silent err
clean
if grep -q '] STEP 1/.: FROM busybox AS first' built; then
	pass_ 'steps have the names of the Dockerfile'
else
	fail_ 'steps have the names of the Dockerfile' "$(cat built)"
fi
# placed: of each step that is shown, whether that line has its instruction
placed () {
	sed -nE 's,^(\[[0-9/]*\] )?STEP [0-9/]*: ([A-Z]*).*,\2 &,p' built |
	    sed -E 's/^([A-Z]*) .* \(Dockerfile:([0-9]+)\)$/\2 \1/' |
	    while read -r line word; do
		case $(sed -n "${line}p" Dockerfile) in
		"$word "*) echo right ;;
		*) echo "$line $word" ;;
		esac
	done | sort | uniq -c | tr -s ' '
}
is 'each step has its line' "$(placed)" " $(grep -c 'STEP ' built) right"
is 'a diff build' "$(jq -r '"\(.rootfs_node_kind) \(.parent_manifest_uri)"' \
    metadata.json)" 'diff s3://images/parent.tlsnap'
have two
is 'RUN and ARG' "$(tl-snapshot cat --parent bb.tlsnap two.tlsnap both)" \
    "made argued
from-context"
tl-snapshot cat --parent bb.tlsnap two.tlsnap /t >t
ok 'COPY --from a template' cmp t tools/bin/t
tl-snapshot cat --parent bb.tlsnap two.tlsnap /from-second >t
ok 'RUN --mount from a template, COPY from a stage by number' \
    cmp t tools/bin/t
is 'the context has no say in what a template holds' \
    "$(tl-snapshot cat --parent bb.tlsnap two.tlsnap note)" tool
tl-snapshot tar --parent bb.tlsnap two.tlsnap | tar -tvf - >list
ok 'owners' grep -q ' 7/8 .* ./both$' list
is 'what is removed is gone' "$(grep -c ' ./bin/vi ' list)" 0
ok 'what is not, is there' grep -q ' ./bin/sh -> /bin/busybox' list

printf 'FROM busybox\nRUN echo x >/x\n' >Dockerfile
spec three "$(parent bb)"
build 'a small change'
exits 0
is 'is a small snapshot' \
    "$([ "$(jq .snapshot_size_bytes metadata.json)" -lt 524288 ] && echo yes)" \
    yes

# What buildah here may not have heard of, and what it would lose.

cat >Dockerfile <<'END'
FROM busybox AS Tools
RUN <<EOF
mkdir /made
echo "by a here-document" >/made/f
EOF
FROM busybox
COPY --link --from=tools /made /made
COPY --exclude=skip --exclude=.dockerignore . /all/
COPY <<EOF /text
one file
EOF
VOLUME /data
RUN mkdir /data && echo kept >/data/f
EXPOSE 80-81
END
chmod 4755 ctx/bin/run
spec today "$(parent bb)"
build 'a Dockerfile of today'
exits 0
clean
chmod 755 ctx/bin/run
have today
is 'here-documents' "$(tl-snapshot cat --parent bb.tlsnap today.tlsnap \
    /made/f; tl-snapshot cat --parent bb.tlsnap today.tlsnap /text)" \
    'by a here-document
one file'
is 'what is written below a VOLUME' "$(tl-snapshot cat --parent bb.tlsnap \
    today.tlsnap /data/f)" kept
tl-snapshot tar --parent bb.tlsnap today.tlsnap | tar -tvf - >list
is '--exclude' "$(sed -n 's,.* ./all/,,p' list | sort | tr '\n' ' ')" \
    ' bin/ bin/run f '
ok 'and set-id bits' grep -q '^-rwsr-xr-x 0/0 .* ./all/bin/run$' list
is 'all of it in its configuration' "$(tl-snapshot config today.tlsnap |
    jq -c '[.Volumes, .ExposedPorts]')" \
    '[{"/data":{}},{"80/tcp":{},"81/tcp":{}}]'
tl-snapshot config today.tlsnap >kept
mkdir -p box/bin
cp "${TL_BUSYBOX:-$(command -v busybox)}" box/bin/busybox
tl-snapshot pack --config kept box "$G" volumes.tlsnap
object volumes volumes.tlsnap
printf 'FROM busybox AS base\nFROM base\nRUN ["/bin/busybox", "mkdir", "/data"]\nRUN ["/bin/busybox", "touch", "/data/late"]\n' \
    >Dockerfile
spec late "$(parent volumes)"
build 'on a template with a volume'
exits 0
have late
ok 'what is written there stays' tl-snapshot cat --parent volumes.tlsnap \
    late.tlsnap /data/late
is 'and it is one again' "$(tl-snapshot config late.tlsnap |
    jq -c .Volumes)" '{"/data":{}}'
printf 'FROM busybox\nRUN <<E\necho x\nexit 7 # %0300d\nE\n' 1 >Dockerfile
spec fails "$(parent bb)"
build 'a here-document that fails'
exits 65
says 'Dockerfile:2: the build failed in STEP 2/2: RUN ["/bin/sh", "-c", "echo x\nexit 7'
says '000...: '
printf 'FROM busybox\nRUN --device=x y\n' >Dockerfile
spec cannot "$(parent bb)"
build 'what cannot be'
exits 65
says 'tl-rootfs-build: Dockerfile:2: RUN: --device'

# What buildah makes for itself is not in the image; what others made, is.

mkdir -p ctx/box/etc
cp "$(command -v busybox)" ctx/box/sh
: >ctx/box/etc/hosts
printf 'FROM scratch\nCOPY box /bin\nRUN echo x >/x\n' >Dockerfile
spec bare
build 'a RUN from nothing'
exits 0
have bare
tl-snapshot tar bare.tlsnap | tar -tvf - >list
is 'leaves none of what is mounted over' "$(grep -cE \
    ' ./etc/(hosts|hostname|resolv.conf)$| ./run/$' list)" 0
ok 'and / as it should be' grep -q '^drwxr-xr-x 0/0 .* ./$' list
printf 'FROM scratch\nCOPY box /bin\nCOPY box/etc /etc\nRUN mkdir -p /run/x && echo x >/x\n' \
    >Dockerfile
touch -d @1000000000 ctx/box/etc/hosts
spec bare2
build 'with what was there'
exits 0
have bare2
tl-snapshot tar bare2.tlsnap | tar -tvf - >list
is 'it stays' "$(grep -oE ' ./etc/(hosts|hostname|resolv.conf)$| ./run/$' list |
    tr -d '\n')" ' ./etc/hosts ./run/'
rm -r ctx/box
printf 'FROM busybox\nRUN echo x >/x\n' >Dockerfile
spec three "$(parent bb)"
build 'on a template'
have three
is 'its hosts are as they were' "$(tl-snapshot cat --parent bb.tlsnap \
    three.tlsnap /etc/hosts)" '127.0.0.1 localhost'
tl-snapshot tar --parent bb.tlsnap three.tlsnap | tar -tf - >list
ok 'and its /run' grep -qx ./run/ list

# The same, twice: the same bytes.
printf 'FROM busybox\nCOPY f /f\nRUN echo x >/x; mkdir /dir; echo y >/dir/y\n' >Dockerfile
for i in 1 2; do
	touch ctx/f
	spec "same$i" "$(parent bb | jq -c '.sourceDateEpoch = 1400000000')"
	build "for the time $i"
	exits 0
	have "same$i"
done
ok 'a build done twice gives the same snapshot' cmp same1.tlsnap same2.tlsnap
spec same3 "$(parent bb | jq -c '.sourceDateEpoch = "now"')"
build 'no time'
exits 65

# ACLs: those of the base stay; a COPY, and what was changed in a stage below, has
# the mode alone.
mkdir -p acls/bin acls/d
cp "$(command -v busybox)" acls/bin/sh
echo x >acls/d/f
echo x >acls/e
# for user 7: rw-, the group: r--, the mask: rw-
access=0200000001000600ffffffff020006000700000004000400ffffffff10000600ffffffff20000400ffffffff
if /usr/bin/python3 -c 'import os, sys
acl = bytes.fromhex(sys.argv[1])
for f in "acls/d/f", "acls/e":
    os.setxattr(f, "system.posix_acl_access", acl)
os.setxattr("acls/d", "system.posix_acl_default", acl)' $access 2>/dev/null
then
	tl-snapshot pack acls "$G" acls.tlsnap
	object acls acls.tlsnap
	printf 'FROM busybox AS s\nFROM busybox AS b\nRUN echo x >>/e\nFROM b\nCOPY --from=s /d /s\nCOPY --from=team/a:1 /d/f /t\nCOPY f /d/c\nRUN echo x >/d/r\n' >Dockerfile
	spec acl "$(printf '%s\n%s' "$(parent acls)" "$(download acls)" | jq -cs '
	    .[0] + {additionalLocalImages: [{reference: "team/a:1",
	    download: .[1]}]}')"
	build 'with ACLs'
	exits 0
	have acl
	mkdir unpacked
	tl-snapshot unpack --parent acls.tlsnap acl.tlsnap unpacked
	is 'those of the base, and what they give' "$(/usr/bin/python3 -c '
import os
for f in ["d", "d/f", "d/c", "d/r", "e", "s", "s/f", "t"]:
    p = "unpacked/" + f
    print(f, "%o" % (os.stat(p).st_mode & 0o777), *(n[17:] + (
        "=" if os.getxattr(p, n).hex() == "'$access'" else "")
        for n in sorted(os.listxattr(p)) if "acl" in n))')" \
	    'd 755 default=
d/f 664 access=
d/c 644 access
d/r 664 access=
e 664
s 755
s/f 664
t 664'
fi

# A template with a sparse file: its holes are no data on the way.
mkdir -p holes/bin
cp "$(command -v busybox)" holes/bin/sh
truncate -s 700M holes/sparse
echo end >>holes/sparse
tl-snapshot pack holes "$G" holes.tlsnap
object holes holes.tlsnap
printf 'FROM busybox\nRUN echo x >/x\n' >Dockerfile
spec sparse "$(parent holes)"
build 'on a template with a sparse file'
exits 0
have sparse
is 'is all there' "$(tl-snapshot cat --parent holes.tlsnap sparse.tlsnap /sparse |
    tail -c 4)" end
is 'and a hole again' "$(tl-snapshot raw --parent holes.tlsnap sparse.tlsnap raw;
    [ "$(du -k raw | cut -f 1)" -lt 102400 ] && echo yes)" yes
rm -f raw

# A template that is not what was written, or not of this chain.

have three
object three three.tlsnap
/usr/bin/python3 - <<'END'
b = bytearray(open("bb.tlsnap", "rb").read())
b[len(b) // 2] ^= 1
open("flipped.tlsnap", "wb").write(b)
END
object flipped flipped.tlsnap
# on ANCESTOR NAME: members for a build on a diff, and what that stands on
on () {
	parent "$2" | jq -c --argjson d "$(download "$1")" \
	    '.parent.ancestors = [{snapshotUri: "s3://images/below", download: $d}]'
}
printf 'FROM busybox\nRUN cat /x\n' >Dockerfile
spec damaged "$(parent flipped)"
build 'on a damaged template'
exits 65
says 'template busybox: its snapshot: damaged'
clean
spec damaged "$(on flipped three)"
build 'on a template whose ancestor is damaged'
exits 65
says 'template busybox: one that it stands on: damaged'
spec other "$(on tools three)"
build 'on a template with another ancestor'
exits 65
says 'one that it stands on: not the parent that its snapshot was made against'
ok 'nothing is registered' test ! -e metadata.json
spec right "$(on bb three)"
build 'on a template with its own'
exits 0
have right
ok 'which is kept in mind' tl-snapshot check --parent three.tlsnap \
    --parent bb.tlsnap right.tlsnap
tl-snapshot pack --parent bb.tlsnap tools 1073741824 else.tlsnap
try 'another one in its place' tl-snapshot check --parent else.tlsnap \
    --parent bb.tlsnap right.tlsnap
exits 65
says 'not the parent'

# What buildah here can do.

try 'a check' tl-rootfs-build --check
exits 0
silent out
silent err
try 'features' tl-rootfs-build --features
exits 0
silent err
version=$(sed -n '1s/^buildah \([0-9]*\.[0-9]*\)\..*/\1/p' out)
sed 1d out >features
ok 'the version first' test -n "$version"
sed -n '/^\.It Sy buildah/,/^\.El/s/^\.It //p' \
    "$pages/tl-rootfs-build.1" | sed 's/\\//g; s/Sy //g' |
    awk -v v="$version" -F ' Ta ' 'NR == 1 { for (i = 2; i <= NF; i++)
	if ($i == v) at = i } NR > 1 && at { print $1, $at }' >table
if [ -s table ]; then
	is "the page says the same of $version" "$(diff table features)" ''
else
	echo "# the page does not know buildah $version"
	sed 's/^/# /' features
fi
is 'each is answered' "$(grep -cE ' (yes|no)$' features)" 8
is 'nothing is left' "$(find /tmp -maxdepth 1 -name 'tl-rootfs-build.*')" ''
mkdir bare
# shellcheck disable=SC2016
unshare -m sh -c 'mount --bind bare /usr/lib/podman 2>/dev/null
    buildah --storage-driver vfs --root "$PWD/g" --runroot "$PWD/r" \
	from scratch >/dev/null 2>said
    tl-rootfs-build --check 2>err; echo "$? $(cat err)"' >checked
if grep -q netavark said; then
	is 'without netavark' "$(cat checked)" "78 tl-rootfs-build: netavark: \
not here; buildah cannot start without it"
else
	is 'netavark is not wanted' "$(cat checked)" '0 '
fi

# Root of a container may not raise its limits; nor need it.
printf 'FROM busybox\nRUN grep -E "open files|processes" /proc/self/limits >/x\n' \
    >Dockerfile
spec limits "$(parent bb)"
jq '.rootfsDiskBytes = "BYTES"' spec.json | sed 's/"BYTES"/1.073741824e9/' \
    >spec.2 && mv spec.2 spec.json
rm -f metadata.json
try 'with low limits' setpriv --bounding-set=-sys_resource \
    prlimit --nofile=4000:5000 --nproc=6000:7000 tl-rootfs-build \
    --spec spec.json --metadata-out metadata.json --storage "$T/storage"
exits 0
silent err
have limits
is 'a RUN has as much as there is' "$(tl-snapshot cat --parent bb.tlsnap \
    limits.tlsnap x | tr -s ' \n' ' ')" \
    'Max processes 7000 7000 processes Max open files 5000 5000 files '
is 'a size may be spelled in other ways' \
    "$(jq .rootfs_disk_bytes metadata.json)" 1073741824

# What goes wrong.

printf 'FROM busybox\n# two\n\nRUN echo fine\nRUN echo words >&2; false\nRUN true\n' \
    >Dockerfile
spec four "$(parent bb)"
build 'a failing RUN'
exits 65
says 'Dockerfile:5: the build failed in STEP 3/4: RUN echo words >&2; false'
# Where a machine is very busy, buildah ends before it has passed them on, once in
# some hundred builds.
again=0
until grep -qx words built || [ "$again" -eq 3 ]; do
	again=$((again + 1))
	spec four "$(parent bb)"
	tl-rootfs-build --spec spec.json --metadata-out metadata.json \
	    --storage "$T/storage" >built 2>err
done
ok 'its words are shown' grep -qx words built
is 'each step has its line, over comments' "$(placed)" ' 3 right'
ok 'no metadata' test ! -e metadata.json
is 'the upload is aborted' \
    "$(tl-upload bb.tlsnap <block 2>&1 >/dev/null | grep -c NoSuchUpload)" 1
clean

# Debian 12's buildah copies itself for each RUN, and dies where the kernel does
# not seal the copy: here the first times that a build comes to one.
mkdir busy
cat >busy/buildah <<'END'
#!/bin/sh
case " $* " in
*' build '*' --file '*Dockerfile.config*) ;;
*' build '*)
	echo x >>builds
	[ "$(wc -l <builds)" -gt "$(cat fails)" ] || {
		cat words >&2
		exit 1
	} ;;
esac
exec "$(cat real)" "$@"
END
chmod +x busy/buildah
command -v buildah >real
sealing='Close_Fd sealing memfd copy: Device or resource busy'
# busily TIMES WORDS: a build that fails so often so
busily () {
	rm -f builds
	echo "$1" >fails
	printf '%s\n' 'STEP 1/2: FROM busybox' \
	    'STEP 2/2: RUN echo x >/x' "$2" \
	    'Error: building at STEP "RUN echo x >/x": exit status 1' >words
	printf 'FROM busybox\nRUN echo x >/x\n' >Dockerfile
	spec "busy$1" "$(parent bb)"
	PATH=$T/busy:$PATH build "$3"
}
busily 2 "$sealing" 'a kernel too busy twice'
exits 0
silent err
clean
is 'a kernel too busy twice: a line for each' "$(grep -c \
    '^tl-rootfs-build: buildah found the kernel too busy: ' built)" 2
have busy2
is 'a kernel too busy twice: what is built' \
    "$(tl-snapshot cat --parent bb.tlsnap busy2.tlsnap /x)" x
busily 9 "$sealing" 'a kernel always too busy'
exits 75
says 'tl-rootfs-build: Dockerfile:2: buildah found the kernel too busy 3 times in STEP 2/2: RUN echo x >/x; try again'
is 'a kernel always too busy: so many tries' "$(wc -l <builds)" 3
clean
for words in "a word of $sealing" "$sealing
subprocess exited with status 1
subprocess exited with status 1"; do
	busily 1 "$words" 'a command that failed'
	exits 65
	says 'the build failed in STEP 2/2: RUN echo x >/x'
	is 'a command that failed: no second time' "$(wc -l <builds)" 1
done

printf 'FRMO busybox\n' >Dockerfile
spec five "$(parent bb)"
build 'no Dockerfile'
exits 65
says 'tl-rootfs-build: Dockerfile:1: FRMO is not a Dockerfile instruction'
printf 'FROM busybox\nCOPY absent /\n' >Dockerfile
spec six "$(parent bb)"
build 'a file that is not in the context'
exits 65
says 'STEP 2/2: COPY absent /'
clean

printf 'FROM busybox\nRUN head -c 40000000 /dev/urandom >/big\n' >Dockerfile
spec seven '{"baseImage":"busybox"}'
jq -c --argjson p "$(parent bb)" '. + $p + {rootfsNodeKind: "base",
    rootfsDiskBytes: 33554432} | del(.parent.rootfsDiskBytes)' spec.json \
    >spec.2 && mv spec.2 spec.json
build 'a tree too large for its disk'
exits 73
says 'no space left'
says 'for a disk of 32 MiB'
clean

spec eight "$(parent bb | jq -c '.parent.rootfsDiskBytes = 2147483648')"
build 'a disk smaller than the parent'
exits 65
says 'more than the 1073741824'
spec nine "$(parent absent)"
build 'a template that is gone'
exits 69
says 'template busybox: not available'
is 'no URL is shown' "$(grep -c -i 'X-Amz' err built | tr '\n' ' ')" \
    'err:0 built:0 '
clean
spec nine2 "$(parent bb | jq -c '.baseImage = "a|b"')"
build 'a name that is none'
exits 65
says 'baseImage: not an image reference'
spec ten "$(parent bb)"
jq -c '.parent.download.url = "file:///etc/passwd"' spec.json >spec.2
mv spec.2 spec.json
build 'a download that is no http'
exits 65
says 'no usable download'
spec ten2 "$(parent bb)"
jq -c --arg u "$(cat url)/images/[x" '.parent.download.url = $u' spec.json \
    >spec.2
mv spec.2 spec.json
build 'a URL is taken as it stands'
exits 69
# An array would be words, and a word behind an assignment a command.
for member in '.parent.parentManifestUri = ["s3://x", "touch", "pwned"]' \
    '.snapshotId = ["s", "touch", "pwned"]' \
    '.additionalLocalImages = {"touch": "pwned"}'; do
	spec ten3 "$(parent bb)"
	jq -c "$member" spec.json >spec.2
	mv spec.2 spec.json
	build "a member of the wrong type: $member"
	exits 65
	says 'wrong type'
done
is 'and nothing of the spec was run' "$(find . -name pwned)" ''
printf 'FROM busybox\n' >Dockerfile
spec eleven "$(parent bb)"
jq -c 'del(.upload)' spec.json >spec.2
mv spec.2 spec.json
build 'nothing was signed'
exits 65
says 'not a spec'
echo '{"dockerConfigJson":"hush' >spec.json
build 'no JSON'
exits 65
is 'it is not quoted' "$(grep -c hush err)" 0
try 'no options' tl-rootfs-build
exits 64
try 'no such spec' tl-rootfs-build --spec none --metadata-out m
exits 66

printf 'FROM busybox\nRUN echo sleeping; sleep 60\n' >Dockerfile
spec twelve "$(parent bb)"
tl-rootfs-build --spec spec.json --metadata-out metadata.json \
    --storage "$T/storage" >out 2>err &
pid=$!
i=0
until grep -q '^sleeping' out || [ "$i" -eq 500 ]; do
	i=$((i + 1))
	sleep 0.02
done
kill "$pid"
wait "$pid"
# shellcheck disable=SC2034
status=$? name='SIGTERM in a RUN'
exits 143
clean
is 'SIGTERM in a RUN: its processes are gone' \
    "$(pgrep -f "^sleep 60$" | while read -r p; do
	readlink "/proc/$p/root"; done | grep -c "$T" || :)" 0
is 'SIGTERM in a RUN: the upload is aborted' \
    "$(tl-upload bb.tlsnap <block 2>&1 >/dev/null | grep -c NoSuchUpload)" 1

# The same in the upload, and to all of its group, as a terminal's signal is: what
# the build stood on is being put away then.
printf 'FROM busybox\nRUN echo quick\n' >Dockerfile
spec thirteen "$(parent bb)"
setsid tl-rootfs-build --spec spec.json --metadata-out metadata.json \
    --storage "$T/storage" >out 2>err &
pid=$!
timeout 60 sh -c 'until grep -q "tl-rootfs-build: packing" out; do
	sleep 0.01
done'
kill -STOP "$stored"
timeout 60 sh -c 'until grep -q "tl-rootfs-build: uploading" out; do
	sleep 0.01
done'
kill -TERM "-$pid"
kill -CONT "$stored"
wait "$pid"
# shellcheck disable=SC2034
status=$? name='SIGTERM in the upload'
exits 143
clean
is 'SIGTERM in the upload: it is aborted' \
    "$(tl-upload bb.tlsnap <block 2>&1 >/dev/null | grep -c NoSuchUpload)" 1

# While it is packed it is uploaded already; what sends it does not outlive the
# builder, whichever way that ends.
mkdir late
cat >late/tl-ext4 <<END
#!/bin/sh
case " \$* " in
*' pack '*)
	: >"$T/packing"
	sleep 986
	exit 1 ;;
esac
exec $(command -v tl-ext4) "\$@"
END
chmod +x late/tl-ext4
for signal in TERM KILL; do
	spec "packing$signal" "$(parent bb)"
	rm -f packing
	PATH=$T/late:$PATH tl-rootfs-build --spec spec.json \
	    --metadata-out metadata.json --storage "$T/storage" >out 2>err &
	pid=$!
	# shellcheck disable=SC2016
	timeout 60 sh -c 'until [ -e packing ]; do sleep 0.01; done'
	is "SIG$signal in packing: it is being sent" \
	    "$(pgrep -cf "tl-upload --growing .*$T")" 1
	kill "-$signal" "$pid"
	wait "$pid" 2>/dev/null
	# shellcheck disable=SC2034
	status=$? name="SIG$signal in packing"
	i=0
	while pgrep -f "tl-upload --growing .*$T" >/dev/null &&
	    [ "$i" -lt 1500 ]; do
		i=$((i + 1))
		sleep 0.02
	done
	is "SIG$signal in packing: the upload is aborted" "$(tl-upload \
	    bb.tlsnap <block 2>&1 >/dev/null | grep -c NoSuchUpload)" 1
	[ "$signal" = KILL ] || {
		exits 143
		clean
	}
done
pkill -f '^sleep 986'
# shellcheck disable=SC2016
timeout 60 sh -c 'while pgrep -f "[t]l-snapshot pack .*$1" >/dev/null; do
    sleep 0.02; done' sh "$T"
rm -rf storage/* .tl-rootfs-build.*
rmdir "/run/tl-rootfs-build.$pid"

# And it is sent while it is packed: packing here does not end before a part is
# stored.
cat >late/tl-ext4 <<END
#!/bin/sh
$(command -v tl-ext4) "\$@" || exit
case " \$* " in
*' pack '*)
	i=0
	until find "$T/store" -size 5242880c | grep -q . || [ "\$i" -eq 500 ]
	do
		i=\$((i + 1))
		sleep 0.02
	done
	find "$T/store" -size 5242880c | wc -l >"$T/sent" ;;
esac
END
head -c 12000000 /dev/urandom >ctx/large
printf 'FROM scratch\nCOPY large /\n' >Dockerfile
signed large '"kind":"multipart_put","parts":16,"part_size_bytes":5242880' >block
spec large "$(jq -c '{upload: .}' block)"
PATH=$T/late:$PATH build 'an upload beside the packing'
exits 0
clean
is 'an upload beside the packing: a part is stored' "$(cat sent)" 1
have large
ok 'an upload beside the packing: the file is there' sh -c \
    'tl-snapshot cat large.tlsnap large | cmp - ctx/large'
signed gone '"kind":"multipart_put","parts":16,"part_size_bytes":5242880' >block
spec gone "$(jq -c '{upload: .}' block)"
curl -fsS -X DELETE "$(jq -r .upload.abortUrl spec.json)"
build 'an upload that is refused beside the packing'
exits 69
says 'tl-rootfs-build: upload: part '
says ': the store refused (404 NoSuchUpload)'
ok "$name: no metadata" test ! -e metadata.json
clean
rm ctx/large

# Registries.

if command -v docker-registry >/dev/null && command -v skopeo >/dev/null; then
	cat >registry.yml <<-END
	version: 0.1
	log: {level: error}
	storage: {filesystem: {rootdirectory: $T/registry}}
	http: {addr: "127.0.0.1:0"}
	END
	docker-registry serve registry.yml >registry.log 2>&1 &
	registry=$!
	later "kill $registry; wait $registry 2>/dev/null"
	i=0 port=
	until [ -n "$port" ] || [ "$i" -eq 500 ]; do
		i=$((i + 1))
		sleep 0.02
		port=$(/usr/bin/python3 - "$registry" <<-'END'
		import os, sys
		pid = sys.argv[1]
		own = set()
		for fd in os.listdir("/proc/%s/fd" % pid):
		    try:
		        own.add(os.readlink("/proc/%s/fd/%s" % (pid, fd)))
		    except OSError:
		        pass
		for line in open("/proc/%s/net/tcp" % pid):
		    w = line.split()
		    if w[3] == "0A" and "socket:[%s]" % w[9] in own:
		        print(int(w[1].split(":")[1], 16))
		END
		)
	done
	mkdir -p image/bin
	cp "${TL_BUSYBOX:-$(command -v busybox)}" image/bin/sh
	echo pulled >image/pulled
	ref=127.0.0.1:$port/team/app:1
	# shellcheck disable=SC2016
	unshare -m sh -c 'export STORAGE_DRIVER=vfs
	    b="buildah --root $PWD/push --runroot $PWD/push.run"
	    c=$($b from scratch) && $b copy -q $c image / >/dev/null &&
	    $b commit -q $c pushed >/dev/null &&
	    $b push -q --tls-verify=false pushed docker://'"$ref" 2>push.err
	printf 'FROM %s\nRUN ["/bin/sh", "-c", "true"]\n' "$ref" >Dockerfile
	spec reg
	build 'a base image of a registry'
	exits 0
	have reg
	is 'it is pulled' "$(tl-snapshot cat reg.tlsnap pulled)" pulled

	: >Dockerfile
	spec imp "$(jq -cn --arg r "$ref" '{importImageReference: $r,
	    baseImage: $r, dockerConfigJson: "{\"auths\":{\"r.example\":{\"auth\":\"aHVzaDpodXNo\"}}}"}')"
	build 'an import'
	exits 0
	silent err
	have imp
	is 'it is imported' "$(tl-snapshot cat imp.tlsnap pulled)" pulled
	is 'no credential is shown' "$(grep -c aHVza err built | tr '\n' ' ')" \
	    'err:0 built:0 '
	clean
	spec imp2 "$(jq -cn --arg r "127.0.0.1:$port/absent:1" \
	    '{importImageReference: $r}')"
	build 'an import of nothing'
	exits 69
	says 'absent:1 failed'
	# shellcheck disable=SC2016
	unshare -m sh -c 'export STORAGE_DRIVER=vfs
	    b="buildah --root $PWD/push --runroot $PWD/push.run"
	    c=$($b from pushed) && $b config --volume /data "$c" &&
	    $b commit -q "$c" volumes >/dev/null &&
	    $b push -q --tls-verify=false volumes docker://127.0.0.1:'"$port"'/v:1' 2>push.err
	cp box/bin/busybox ctx
	printf 'FROM 127.0.0.1:%s/v:1\nCOPY busybox /\nRUN ["/busybox", "mkdir", "-p", "/data"]\nRUN ["/busybox", "touch", "/data/late"]\n' \
	    "$port" >Dockerfile
	spec regv
	build 'a base image with a volume'
	exits 0
	have regv
	ok 'what is written there stays, too' tl-snapshot cat regv.tlsnap \
	    /data/late
	is 'and it is still one' "$(tl-snapshot config regv.tlsnap |
	    jq -c .Volumes)" '{"/data":{}}'
	# Where no device can be made: what of the image is one is named.
	mkfifo go
	cat >userns <<-'END'
	#!/bin/sh
	# COMMAND...: as root of a user namespace with the same ids
	unshare -U -m sh -c 'read -r _ <go; exec "$@"' sh "$@" &
	own=$(readlink /proc/self/ns/user)
	until there=$(readlink "/proc/$!/ns/user") && [ "$there" != "$own" ]; do
	    kill -0 "$!" || exit
	done
	echo 0 0 65536 >"/proc/$!/uid_map"
	echo 0 0 65536 >"/proc/$!/gid_map"
	echo >go
	wait "$!"
	END
	chmod +x userns
	# shellcheck disable=SC2016
	if ! unshare -m sh -c 'export STORAGE_DRIVER=vfs
	    b="buildah --root $PWD/push --runroot $PWD/push.run"
	    c=$($b from pushed) && m=$($b mount "$c") && mkdir "$m/dev" &&
	    mknod "$m/dev/tape" c 9 0 && mknod "$m/disk" b 8 0 &&
	    $b commit -q "$c" devices >/dev/null &&
	    $b push -q --tls-verify=false devices docker://127.0.0.1:'"$port"'/d:1' 2>push.err; then
		echo "# no image with devices: $(tail -n 1 push.err)"
	elif ! timeout 10 ./userns mount -t tmpfs tmpfs /mnt 2>userns.err; then
		echo "# no user namespaces: $(tail -n 1 userns.err)"
	else
		lost='left out, as no device can be made here:'
		printf 'FROM 127.0.0.1:%s/d:1\nRUN ["/bin/sh", "-c", "true"]\n' \
		    "$port" >Dockerfile
		for what in dockerfile import cached again; do
			spec "dev$what"
			[ "$what" != import ] || spec "dev$what" "$(jq -cn \
			    --arg r "127.0.0.1:$port/d:1" \
			    '{importImageReference: $r, baseImage: $r}')"
			rm -f metadata.json
			try "devices of a base, $what" ./userns tl-rootfs-build \
			    --spec spec.json --metadata-out metadata.json \
			    --storage "$T/storage" --cache "$T/kept.$what"
			exits 0
			silent err
			[ "$what" != cached ] || {
				mv kept.cached kept.again
				is 'a cache keeps which they are' "$(cat \
				    kept.again/storage/tl-devices/* | sort |
				    tr '\n' ' ')" 'dev/tape disk '
			}
			is "devices of a base, $what: which are named" "$(grep \
			    " $lost" out)" \
			    "tl-rootfs-build: $lost /dev/tape /disk "
			clean
			have "dev$what"
			is "devices of a base, $what: are left out" \
			    "$(tl-snapshot tar "dev$what.tlsnap" |
			    tar -tvf - | grep -c '^[bc]')" 0
		done
		cp Dockerfile saved
		printf 'FROM scratch\nCOPY f /f\n' >Dockerfile
		spec devnone
		rm -f metadata.json
		try 'devices of nothing' ./userns tl-rootfs-build \
		    --spec spec.json --metadata-out metadata.json \
		    --storage "$T/storage"
		exits 0
		silent err
		mv saved Dockerfile
		spec devroot
		build 'devices of a base, as root'
		exits 0
		is 'devices of a base, as root: none is named' \
		    "$(grep -c " $lost" built)" 0
		have devroot
		is 'devices of a base, as root: are there' "$(tl-snapshot tar \
		    devroot.tlsnap | tar -tvf - | grep -c '^[bc]')" 2
	fi
	for ref in '-v' 'oci:/etc' 'a b'; do
		spec imp3 "$(jq -cn --arg r "$ref" '{importImageReference: $r}')"
		build "an import of $ref"
		exits 65
	done
	clean
else
	echo '# docker-registry or skopeo is not here: pulls are not tested'
fi
lists tl-rootfs-build.1
