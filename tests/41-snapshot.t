#!/bin/sh
# tl-ext4, tl-snapshot: a tree into a snapshot and out again, the same

. "${0%/*}/lib.sh"

for tool in mke2fs e2fsck qemu-img debugfs resize2fs; do
	PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null ||
	    skip "$tool is not here"
done
PATH=$PATH:/usr/sbin:/sbin
root=$(id -u)

tree () { # DIR: one of everything
	mkdir -p "$1/bin" "$1/d/e" "$1/d/sp ace" "$1/many" "$1/empty"
	head -c 3000000 /dev/urandom >"$1/bin/rand"
	echo text >"$1/d/f"
	ln "$1/d/f" "$1/d/e/g"
	ln -s ../d "$1/d/short"
	ln -s "$(printf 'a%.0s' $(seq 200))" "$1/d/long"
	: >"$1/d/zero"
	truncate -s 5000000 "$1/d/sparse"
	printf x | dd of="$1/d/sparse" bs=1 seek=3000000 conv=notrunc \
	    2>/dev/null
	printf n >"$1/d/new
line"
	printf 8 >"$1/d/$(printf 'utf\303\2508')"
	printf x >"$1/d/$(printf 'no\355\240\275\355\270\200utf\377')"
	ln "$1/d/$(printf 'no\355\240\275\355\270\200utf\377')" "$1/d/e/n"
	ln -s "$(printf '\377')" "$1/d/bytes"
	deep=$1/$(printf 'n%.0s' $(seq 120))
	mkdir "$deep"
	: >"$deep/$(printf 'm%.0s' $(seq 200))"
	for i in $(seq 500); do
		echo "$i" >"$1/many/file.$i"
	done
	mkfifo "$1/d/fifo"
	chmod 4755 "$1/d/f"
	chmod 1777 "$1/empty"
	touch -d @1000000000 "$1/d/f"
	touch -d '1960-01-01' "$1/d/zero"
	touch -d '2100-01-01' "$1/d/sparse"
	/usr/bin/python3 - "$1" <<-'END'
	import os, sys
	r = sys.argv[1]
	os.setxattr(r + "/d/f", "user.note", b"a\0b" * 20)
	if os.getuid() == 0:
	    os.mknod(r + "/d/null", 0o20666, os.makedev(1, 3))
	    os.mknod(r + "/d/big", 0o60600, os.makedev(300, 70000))
	    os.chown(r + "/d/f", 100000, 70000)
	    os.chmod(r + "/d/f", 0o4755)
	    os.setxattr(r + "/bin/rand", "security.capability", bytes.fromhex(
	        "0100000200200000000000000000000000000000"))
	    acl = bytes.fromhex(
	        "0200000001000700ffffffff020006000500000004000500ffffffff"
	        "10000700ffffffff20000500ffffffff")
	    # What is there before does not inherit it.
	    os.makedirs(r + "/d/e/in/deep")
	    for name in "/d/e/in/plain", "/d/e/in/deep/plain", "/d/e/own":
	        open(r + name, "w").close()
	    os.symlink("plain", r + "/d/e/in/link")
	    os.chmod(r + "/d/e/own", 0o640)
	    os.setxattr(r + "/d/e/own", "system.posix_acl_access", acl)
	    os.setxattr(r + "/d/e", "system.posix_acl_default", acl)
	    os.setxattr(r + "/d/e/in/deep", "system.posix_acl_default", acl)
	END
}

# told DIR: everything that can be told of a tree
told () {
	/usr/bin/python3 - "$1" <<-'END'
	import hashlib, os, stat, sys
	root = sys.argv[1].encode()
	inodes = {}
	for d, ds, fs in os.walk(root):
	    ds.sort()
	    for n in sorted(fs + [x for x in ds if True] + [b"."]):
	        p = os.path.join(d, n)
	        s = os.lstat(p)
	        name = os.path.relpath(p, root)
	        if name == b"lost+found":
	            continue
	        what = [name, oct(s.st_mode), s.st_uid, s.st_gid]
	        if not stat.S_ISDIR(s.st_mode):
	            what += [s.st_nlink, inodes.setdefault(s.st_ino, name)]
	        what.append(int(s.st_mtime_ns // 10**9))
	        if stat.S_ISREG(s.st_mode):
	            with open(p, "rb") as f:
	                what += [s.st_size,
	                    hashlib.sha256(f.read()).hexdigest()]
	        if stat.S_ISLNK(s.st_mode):
	            what.append(os.readlink(p))
	        if stat.S_ISCHR(s.st_mode) or stat.S_ISBLK(s.st_mode):
	            what.append(s.st_rdev)
	        for k in sorted(os.listxattr(p, follow_symlinks=False)):
	            what += [k, os.getxattr(p, k, follow_symlinks=False)]
	        print(what)
	END
}

same () { # NAME DIR DIR
	told "$2" >told.1
	told "$3" >told.2
	ok "$1" cmp told.1 told.2
}

G=1073741824
tree tree
try 'pack' tl-snapshot pack tree "$G" snap
exits 0
silent out
silent err
is 'a snapshot is private' "$(stat -c %a snap)" 600
is 'and is small' "$([ "$(stat -c %s snap)" -lt 5000000 ] && echo yes)" yes
ok 'qemu finds nothing wrong' qemu-img check -q snap
is 'its disk has the size asked for' \
    "$(qemu-img info --output=json snap | jq '."virtual-size"')" "$G"
ok 'check finds nothing wrong' tl-snapshot check snap
qemu-img convert -O raw snap raw
ok 'its compression is right' qemu-img compare -q -f qcow2 -F raw snap raw
tl-snapshot raw snap raw.2
ok 'raw is the same' qemu-img compare -q -f raw -F raw raw raw.2
try 'cat' tl-snapshot cat snap /d/f
gives text
try 'cat through a link' tl-snapshot cat snap d/short/f
gives text
tl-snapshot cat snap bin/rand >rand
ok 'cat of a large file' cmp tree/bin/rand rand
try 'cat of nothing' tl-snapshot cat snap /d/absent
exits 66
says 'no such file'
silent out
try 'cat of a folder' tl-snapshot cat snap /d
exits 66

if [ "$root" -eq 0 ]; then
	mkdir back
	try 'unpack' tl-snapshot unpack snap back
	exits 0
	silent err
	same 'every detail comes back' tree back
	# An independent reader.
	mkdir mnt
	if unshare -m true 2>/dev/null; then
		told tree >told.1
		# shellcheck disable=SC2016
		told_=$(sed -n '/^told () {/,/^}/p' "$here/41-snapshot.t")
		unshare -m sh -c "mount -o loop,ro raw mnt && $told_
		    told mnt" >told.2 2>err
		ok 'the kernel reads the same' cmp told.1 told.2
	fi
else
	mkdir back
	tl-snapshot tar snap | tar -C back -x -f - 2>/dev/null
	is 'files come back' "$(cat back/d/f)" text
fi
tl-ext4 tar raw >tar.1
tl-ext4 tar raw >tar.2
ok 'the archive is the same each time' cmp tar.1 tar.2
/usr/bin/python3 - >list <<'END'
import tarfile
for m in tarfile.open("tar.1"):
    if "SCHILY.xattr.user.note" in m.pax_headers:
        print(m.name, m.uname, m.gname)
    elif any(k.startswith(("LIBARCHIVE", "SCHILY.ino"))
            for k in m.pax_headers):
        print(m.name, m.pax_headers)
END
is 'attributes are there once, owners as numbers' "$(cat list)" './d/e/g  '
tl-snapshot tar snap | tar -tf - --warning=no-unknown-keyword >list
is 'tar lists everything once' "$(sort list | uniq -d | wc -l)" 0

# The same tree, copied: the same bytes, whatever the order on disk.
mkdir copy
tar -C tree -cS --sort=name --xattrs --xattrs-include='*' . |
    tar -C copy -xp --xattrs --xattrs-include='*' --warning=no-timestamp
tl-snapshot pack copy "$G" snap.2
ok 'a copy of the tree gives the same snapshot' cmp snap snap.2

find copy -exec touch -h -d @1500000000 '{}' +
SOURCE_DATE_EPOCH=1400000000 tl-snapshot pack copy "$G" clamped
find copy -exec touch -h -d @1600000000 '{}' +
touch -d @1300000000 copy/d/f
SOURCE_DATE_EPOCH=1400000000 tl-snapshot pack copy "$G" clamped.2
tl-snapshot tar clamped.2 | TZ=UTC tar -tvf - --full-time \
    --warning=no-unknown-keyword 2>/dev/null | grep -o ' 20..-..-..' | sort -u |
    tr -d '\n' >days
is 'no file is newer than SOURCE_DATE_EPOCH' "$(cat days)" \
    ' 2011-03-13 2014-05-13'
touch -d @1600000000 copy/d/f
SOURCE_DATE_EPOCH=1400000000 tl-snapshot pack copy "$G" clamped.2
ok 'so that times after it do not matter' cmp clamped clamped.2
rm -r copy clamped*
mkdir copy
tar -C tree -cS --sort=name --xattrs --xattrs-include='*' . |
    tar -C copy -xp --xattrs --xattrs-include='*' --warning=no-timestamp

# What is packed need not stay.
mkdir spent
tar -C tree -cS --sort=name --xattrs --xattrs-include='*' . |
    tar -C spent -xp --xattrs --xattrs-include='*' --warning=no-timestamp
mkdir upper upper/d upper/many
echo other >upper/d/new
echo 1 >upper/many/file.1
ln upper/many/file.1 upper/twin
try 'with what is packed removed elsewhere' \
    tl-snapshot pack -d upper spent "$G" snap.2
exits 0
is 'what has the name of a file is gone, all else stays' \
    "$(cd upper && find . | sort | tr '\n' ' ')" \
    '. ./d ./d/new ./many ./twin '
try 'with what is packed removed' tl-snapshot pack -d spent spent "$G" snap.3
exits 0
cmp snap snap.2 && cmp snap snap.3
ok 'the snapshot is the same' test $? = 0
is 'of files, those of several names stay' \
    "$(cd spent && find . -type f | LC_ALL=C sort | tr '\n' ' ')" \
    "$(cd tree && find . -type f -links +1 | LC_ALL=C sort | tr '\n' ' ')"
is 'of all else, everything' "$(cd spent && find . ! -type f | sort)" \
    "$(cd tree && find . ! -type f | sort)"
# In one step, and what is in files does not go through the image.
truncate -s "$G" empty.raw
mke2fs -q -F -t ext4 empty.raw
cp --sparse=always empty.raw one.raw
cp --sparse=always empty.raw two.raw
tl-ext4 sync two.raw tree
tl-ext4 qcow2 two.raw two.snap
try 'both at once' tl-ext4 pack one.raw tree one.snap
exits 0
ok 'is the same disk' qemu-img compare -q one.snap two.snap
ok 'the image needs less' test "$(stat -c %b one.raw)" -lt \
    "$(($(stat -c %b two.raw) - 5000))"
ok 'its file system is sound' e2fsck -fn one.raw
cp --sparse=always two.raw three.raw
head -c 200000 /dev/urandom >upper/large
cp -a tree later
cp upper/large later/d
cp upper/large later/bin/rand
tl-ext4 sync two.raw later
rm one.raw
try 'no image' tl-ext4 -b p -p three.raw pack one.raw later three.snap
exits 66
ok 'no snapshot' test ! -e three.snap
cp --sparse=always three.raw one.raw
try 'a diff at once' tl-ext4 -b p -p three.raw pack one.raw later three.snap
exits 0
tl-ext4 raw one.raw three.snap two.snap
ok 'is the same' cmp one.raw two.raw
rm -rf later empty.raw one.* two.* three.*
try 'removed in no folder' tl-snapshot pack -d absent tree "$G" x
exits 66
says 'absent: No such file or directory'
ok 'leaves nothing' test ! -e x
mkdir large large/d
head -c 50000000 /dev/urandom >large/d/f
truncate -s 90000000 large/d/f
printf end >>large/d/f
tl-snapshot pack large "$G" large.snap
cp -a large large.2
ln large.2/d/f kept
tl-snapshot pack -d large.2 large.2 "$G" large.snap.2
ok 'a file with another name elsewhere stays' cmp large/d/f kept
rm kept
try 'a large file' tl-snapshot pack -d large.2 large.2 "$G" large.snap.2
exits 0
ok 'is packed the same' cmp large.snap large.snap.2
ok 'and gone' test ! -e large.2/d/f
mkdir over
cp -r large/d over/d
# What is read is not what is given back.
exec 5<over/d/f
tl-snapshot pack -d over large "$G" large.snap.2
ok 'a large file of an upper folder: the same' cmp large.snap large.snap.2
used=$(stat -L -c %b /proc/self/fd/5)
exec 5<&-
ok 'it is a hole by then' test "$used" -lt 70000
rm -rf large* over
rm -rf spent* upper snap.3

# Diffs.
try 'a diff of nothing' tl-snapshot pack --parent snap copy "$G" diff
exits 0
is 'holds next to nothing' \
    "$([ "$(stat -c %s diff)" -le 458752 ] && echo yes)" yes
ok 'and is sound' tl-snapshot check --parent snap diff
rm -r copy/many/file.1* copy/bin copy/empty copy/d/short
mkdir copy/bin copy/d/short
printf x >copy/empty
ln copy/d/e/g copy/bin/third
printf Z | dd of=copy/d/sparse bs=1 seek=100 conv=notrunc 2>/dev/null
truncate -s 4000000 copy/d/sparse
rm copy/d/zero
echo grown >>copy/many/file.200
rm copy/many/file.201
ln copy/many/file.202 copy/many/file.201
head -c 200000 /dev/urandom >copy/bin/new
tl-snapshot pack --parent snap copy "$G" diff
ok 'a diff with changes is sound' tl-snapshot check --parent snap diff
is 'it holds what changed' \
    "$([ "$(stat -c %s diff)" -lt 1300000 ] && echo yes)" yes
if [ "$root" -eq 0 ]; then
	mkdir back.2
	tl-snapshot unpack --parent snap diff back.2
	same 'it unpacks to the changed tree' copy back.2
fi
tl-snapshot raw snap parent.raw
tl-snapshot pack --parent-raw parent.raw -i "$(tl-snapshot id snap)" copy "$G" \
    diff.2
ok 'the parent as an image gives the same' cmp diff diff.2
tl-snapshot pack --parent-raw parent.raw copy "$G" diff.2
ok 'without its id, too, if any parent will do' \
    tl-snapshot check --parent snap diff.2
try 'a diff needs its parent' tl-snapshot check diff
exits 65
says 'name its parent'
try 'a whole snapshot takes none' tl-snapshot check --parent diff snap
exits 65
try 'a diff of a diff alone' tl-snapshot pack --parent diff copy "$G" diff.3
exits 65
says 'diff: it holds differences only; name its parent'
ok 'which leaves nothing' test ! -e diff.3
tl-snapshot pack --parent snap copy "$((2 * G))" grown
ok 'a larger disk than the parent has' tl-snapshot check --parent snap grown
is 'has its size' "$(qemu-img info --output=json grown |
    jq '."virtual-size"')" "$((2 * G))"
try 'a smaller disk than the parent has' \
    tl-snapshot pack --parent snap copy "$((G / 2))" small
exits 65
says '1024 MiB, more than the 512 MiB'

# A snapshot proves itself; tests/unit/qcow2.c tries many more.
flip () { # FILE PLACE: into ./flipped
	/usr/bin/python3 - "$1" "$2" <<-'END'
	import sys
	b = bytearray(open(sys.argv[1], "rb").read())
	b[int(sys.argv[2])] ^= 16
	open("flipped", "wb").write(b)
	END
}
size=$(stat -c %s snap)
for at in 30 150 200 30000 70000 $((size / 2)) $((size - 3)); do
	flip snap "$at"
	try "bit $at flipped" tl-snapshot raw flipped out.raw
	exits 65
	says 'flipped: damaged'
	ok 'leaves nothing' test ! -e out.raw
done
for verb in tar check 'cat x' 'unpack back'; do
	# shellcheck disable=SC2086
	set -- $verb
	try "$1 of a damaged one" tl-snapshot "$1" flipped ${2+"$2"}
	exits 65
	says 'flipped: damaged: its contents are not what was written'
	silent out
done
flip snap 40
for verb in config id; do
	try "$verb of a damaged header" tl-snapshot "$verb" flipped
	exits 65
	says 'flipped: damaged: its header'
	silent out
done
head -c "$((size - 65536))" snap >short
for verb in config check; do
	try "$verb of one that is cut" tl-snapshot $verb short
	exits 65
	says "short: damaged: it has $((size - 65536)) bytes of $size"
done
flip snap 70000
try 'a diff on a damaged parent' tl-snapshot pack --parent flipped copy "$G" x
exits 65
says 'flipped: damaged'
tl-snapshot pack tree "$((G + 4096))" other
try 'a diff on another parent' tl-snapshot raw --parent other diff out.raw
exits 65
says 'other: not the parent that diff was made against'
tl-snapshot pack --parent diff --parent snap tree "$G" diff.3
ok 'a chain of three' tl-snapshot check --parent diff --parent snap diff.3
try 'a chain with a level left out' tl-snapshot tar --parent snap diff.3
exits 65
says 'snap: not the parent that diff.3 was made against'
silent out
qemu-img convert -O qcow2 -o compression_type=zstd raw old
try 'one without sums' tl-snapshot -v raw old old.raw
exits 0
says 'tl-snapshot: old: unverified'
ok 'is read as ever' qemu-img compare -q -f raw -F raw raw old.raw
try 'quietly' tl-snapshot raw old old.raw
silent err
tl-snapshot pack --parent old copy "$G" on-old
ok 'a diff on one without sums' tl-snapshot check --parent old on-old
printf x | dd of=old bs=1 seek=300000 conv=notrunc 2>/dev/null
try 'knows it all the same' tl-snapshot tar --parent old on-old
exits 65
says 'old: not the parent that on-old was made against'

# Clusters one by one: data, zeros and holes against each other.
/usr/bin/python3 - <<'END'
import os
C = 65536
rnd = os.urandom(C)
text = b"text " * 13107 + b"."
def write(name, clusters, size):
    with open(name, "wb") as f:
        for i, c in enumerate(clusters):
            if c is not None:
                f.seek(i * C)
                f.write(c[:max(0, size - i * C)])
        f.truncate(size)
zero = bytes(C)
part = text[:4096] + zero[4096:]
write("pa", [rnd, text, rnd, text, None, zero, zero, None, part], 9 * C)
write("ch", [rnd, zero, None, text[::-1], rnd, None, text, text, None,
             rnd, None, text], 11 * C + 1024)
END
tl-ext4 qcow2 pa pa.snap
tl-ext4 -b any -p pa qcow2 ch ch.snap
tl-snapshot raw pa.snap pa.back
ok 'clusters of every kind' cmp pa pa.back
tl-snapshot raw --parent pa.snap ch.snap ch.back
ok 'clusters of every kind in a diff' cmp ch ch.back
ok 'qemu finds nothing wrong in it' qemu-img check -q \
    'json:{"driver":"qcow2","backing":null,"file":{"driver":"file","filename":"ch.snap"}}'
try 'a parent larger than the image' tl-ext4 -b any -p ch qcow2 pa x
exits 65
says "the parent's disk is larger"
ok 'leaves nothing' test ! -e x

# No room.
try 'a tree too large for its disk' tl-snapshot pack tree 8388608 small
exits 73
says 'no space left'
says 'for a disk of 8 MiB'
is 'one line' "$(wc -l <err)" 1
ok 'nothing is left' test ! -e small
is 'no scratch folder either' "$(find . -name '.tl-snapshot*')" ''
mkdir twice
cp -r tree/bin twice
cp -r tree/bin twice/b
tl-snapshot pack twice 8388608 small 2>whole
try 'of which some is removed' tl-snapshot pack -d twice twice 8388608 small
exits 73
is 'it says the same' "$(cat err)" "$(cat whole)"

# As many inodes as there are files; a folder of many names has an index.
mkdir -p crowd/d crowd/sub
(cd crowd/d && seq -f 'name-of-a-file-%05g' 9000 | xargs touch -d @1000)
(cd crowd/d && mkdir dir && ln name-of-a-file-00001 ../sub/twin &&
    ln name-of-a-file-00002 other && ln -s x link)
try 'many files' tl-snapshot pack crowd 67108864 crowd.snap
exits 0
ok 'is sound' tl-snapshot check crowd.snap
tl-snapshot raw crowd.snap crowd.raw
indexed () { # IMAGE FOLDER
	debugfs -R "htree $2" "$1" 2>&1 | grep -m 1 -o -e 'Indirect levels: .' \
	    -e 'Not a hash-indexed'
}
is 'a folder of many names has an index' "$(indexed crowd.raw /d)" \
    'Indirect levels: 0'
is 'one of few has none' "$(indexed crowd.raw /sub)" 'Not a hash-indexed'
[ "$root" -ne 0 ] || {
	mkdir crowd.out
	tl-snapshot unpack crowd.snap crowd.out
	same 'all are there' crowd crowd.out
}
tl-snapshot pack crowd 67108864 crowd.2
ok 'each time the same' cmp crowd.snap crowd.2
tl-snapshot pack --parent crowd.snap crowd 67108864 crowd.2
is 'the same tree changes nothing in it' \
    "$([ "$(stat -c %s crowd.2)" -le 458752 ] && echo yes)" yes
rm crowd/d/name-of-a-file-000* crowd/d/link
mkdir crowd/d/link
touch crowd/d/new
tl-snapshot pack --parent crowd.snap crowd 67108864 crowd.2
ok 'changed it is sound' tl-snapshot check --parent crowd.snap crowd.2
[ "$root" -ne 0 ] || {
	mkdir crowd.out.2
	tl-snapshot unpack --parent crowd.snap crowd.2 crowd.out.2
	same 'and right' crowd crowd.out.2
}
find crowd/d -name '*[1-9]' -delete
find crowd/d -name 'name*00*' -delete
find crowd/d -name 'name*[2-9]*' -delete
tl-snapshot pack --parent crowd.snap crowd 67108864 crowd.2
ok 'few names are left' tl-snapshot check --parent crowd.snap crowd.2
tl-snapshot raw --parent crowd.snap crowd.2 crowd.raw
is 'and no index' "$(indexed crowd.raw /d)" 'Not a hash-indexed'
rm -r crowd/d
tl-snapshot pack --parent crowd.snap crowd 67108864 crowd.2
ok 'the whole folder is gone' tl-snapshot check --parent crowd.snap crowd.2
mkdir crowd/d
(cd crowd/d && seq -f '%05g' 30000 | xargs touch)
try 'more files than can be' tl-snapshot pack crowd 67108864 x
exits 73
says 'no inodes left: 30004 files and folders for a disk of 64 MiB, which has'
is 'one line' "$(wc -l <err)" 1
(cd crowd/d && seq -f '%0200g' 10500 | xargs touch)
tl-snapshot pack crowd "$G" crowd.snap
ok 'an index of two levels' tl-snapshot check crowd.snap
tl-snapshot raw crowd.snap crowd.raw
is 'has two' "$(indexed crowd.raw /d)" 'Indirect levels: 1'
rm -r crowd/d
mkdir crowd/d crowd/e
for d in d e; do
	(cd crowd/$d && seq 17000 | xargs touch)
done
try 'more files than a disk of this size has inodes by itself' \
    tl-snapshot pack crowd "$((G / 2))" crowd.snap
exits 0
rm -r crowd*

# Device nodes that could not be made in the tree.
[ "$root" -ne 0 ] || {
	mkdir -p nodes/d nodes/many nodes/gone
	mknod nodes/d/null c 1 3
	mknod nodes/d/taken b 7 1
	mknod nodes/gone/node c 1 3
	mknod nodes/many/big c 300 70000
	(cd nodes/many && seq 400 | xargs touch)
	tl-snapshot pack nodes 67108864 nodes.snap
	rm -r nodes/gone nodes/d/* nodes/many/big
	echo x >nodes/d/taken
	touch nodes/many/new
	tl-snapshot pack -k --parent nodes.snap nodes 67108864 nodes.2
	ok 'devices that stay: is sound' tl-snapshot check \
	    --parent nodes.snap nodes.2
	is 'devices stay where their folders do, and nothing of their name' \
	    "$(tl-snapshot tar --parent nodes.snap nodes.2 |
	    tar -tvf - | awk '/^[bc]/ { print $1, $3, $NF }')" \
	    'crw-r--r-- 1,3 ./d/null
crw-r--r-- 300,70000 ./many/big'
	is 'beside all others' "$(tl-snapshot tar --parent nodes.snap nodes.2 |
	    tar -tf - | grep -c ./many/)" 403
	tl-snapshot pack --parent nodes.snap nodes 67108864 nodes.2
	is 'unless told they go' "$(tl-snapshot tar --parent nodes.snap nodes.2 |
	    tar -tvf - | grep -c '^[bc]')" 0
	rm -r nodes*
}

# Holes stay holes, zeros become some.
mkdir holes holes.out
truncate -s 500M holes/all
truncate -s 300M holes/end
printf x | dd of=holes/end bs=1 seek=5000 conv=notrunc 2>/dev/null
head -c 20000000 /dev/zero >holes/zeros
{
	cat holes/zeros
	echo end
} >holes/mixed
for i in 1 2 3 4 5; do
	head -c 70001 /dev/urandom
	head -c 9999999 /dev/zero
done >holes/turns
try 'zeros take no room' tl-snapshot pack holes 16777216 holes.snap
exits 0
ok 'is sound' tl-snapshot check holes.snap
tl-snapshot unpack holes.snap holes.out
same 'all comes back' holes holes.out
is 'holes, too' "$([ "$(du -k holes.out | cut -f 1)" -lt 2000 ] && echo yes)" yes
tl-snapshot tar holes.snap >holes.tar
is 'and are holes of the archive' \
    "$([ "$(stat -c %s holes.tar)" -lt 2000000 ] && echo yes)" yes
is 'which others read' "$(/usr/bin/python3 -c 'import tarfile
t = tarfile.open("holes.tar")
print(t.getmember("./all").size, t.extractfile("./end").read(5001)[-1:],
    t.extractfile("./mixed").read()[-4:])')" "524288000 b'x' b'end\\n'"
head -c 10000000 /dev/urandom >holes/zeros
tl-snapshot pack --parent holes.snap holes 33554432 holes.2
head -c 15000000 /dev/zero | dd of=holes/zeros conv=notrunc 2>/dev/null
echo end >>holes/zeros
tl-snapshot pack --parent holes.2 --parent holes.snap holes 33554432 holes.3
ok 'zeros over data' tl-snapshot check --parent holes.2 --parent holes.snap \
    holes.3
is 'are right' "$(tl-snapshot cat --parent holes.2 --parent holes.snap holes.3 \
    zeros | sha256sum)" "$(sha256sum <holes/zeros)"
rm -r holes holes.*

# Hostile snapshots.
echo secret >secret
qemu-img create -q -f qcow2 -b "$PWD/secret" -F raw evil "$G"
try 'a backing file of the host' tl-snapshot tar evil
exits 65
silent out
qemu-img create -q -f qcow2 -o data_file="$PWD/data,data_file_raw=on" evil.2 \
    "$G" 2>/dev/null
try 'a data file of the host' tl-snapshot tar evil.2
exits 65
says 'not a snapshot'
head -c 100000 snap >half
try 'half a snapshot' tl-snapshot tar half
exits 65
silent out
try 'no snapshot at all' tl-snapshot check secret
exits 65
says 'not a snapshot'
printf X | dd of=raw bs=1 seek=1080 conv=notrunc 2>/dev/null
try 'no ext4' tl-ext4 tar raw
exits 65
says 'not an ext4 image'
silent out

# The template.
if command -v busybox >/dev/null; then
	try 'the busybox template' tl-snapshot busybox bb "$G"
	exits 0
	silent out
	tl-snapshot tar bb | tar -tvf - >list
	is 'all belongs to root' \
	    "$(awk '$2 != "root/root" && $2 != "0/0"' list)" ''
	ok 'it has a shell' grep -q 'bin/sh -> /bin/busybox' list
	tl-snapshot busybox bb.2 "$G"
	ok 'it is the same each time' cmp bb bb.2
fi

# One that wants libraries would find none in its image.
if command -v cc >/dev/null; then
	echo 'int main(void) { return 0; }' >b.c
	cc -o dynamic b.c
	TL_BUSYBOX=./dynamic
	export TL_BUSYBOX
	try 'a busybox that is not static' tl-snapshot busybox bb.3 "$G"
	exits 78
	says 'dynamic: not a static busybox; install busybox-static'
	ok 'leaves nothing' test ! -e bb.3
	cc -static -o static b.c 2>/dev/null && TL_BUSYBOX=./static \
	    tl-snapshot busybox bb.4 "$G" 2>err
	ok 'one that is static passes' test -e bb.4 -o ! -e static
	echo '#!/bin/sh' >script
	for box in script absent; do
		TL_BUSYBOX=./$box
		try "busybox is $box" tl-snapshot busybox bb.5 "$G"
		exits 78
		says "$box: "
	done
	unset TL_BUSYBOX
fi

for args in '' 'frob x' 'pack a' 'cat x' 'check' 'pack -x a b c' \
    'unpack -r x snap back'; do
	# shellcheck disable=SC2086
	try "usage: $args" tl-snapshot $args
	exits 64
	silent out
done
try 'no size' tl-snapshot pack tree 1G x
exits 64
try 'no tree' tl-snapshot pack absent "$G" x
exits 66
try 'help' tl-snapshot --help
exits 0
holds 'usage: tl-snapshot'
try 'tl-ext4 without a verb' tl-ext4
exits 64
try 'tl-ext4 without its image' tl-ext4 tar absent
exits 66
try 'a full disk' sh -c 'tl-snapshot cat snap bin/rand >/dev/full'
exits 74
qemu-img convert -O raw snap raw
try 'a full disk for the archive' sh -c 'tl-ext4 tar raw >/dev/full'
exits 74
says 'stdout: No space left on device'
lists tl-snapshot.1
