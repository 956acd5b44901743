#!/bin/sh
# tl-ext4: what other programs made, and what is damaged, in one place each:
# told in a line, with no archive that looks whole, or without an end

. "${0%/*}/lib.sh"

PATH=$PATH:/usr/sbin:/sbin
for tool in mke2fs debugfs; do
	command -v "$tool" >/dev/null || skip "$tool is not here"
done

mkdir -p tree/d/sub tree/x
echo small >tree/d/f
head -c 200 /dev/urandom >tree/d/middle
head -c 300000 /dev/urandom >tree/x/big
big=$(sha256sum <tree/x/big)
truncate -s 10M tree/x/hole
ln -s d/f tree/link
ln -s "$(printf 'a%.0s' $(seq 200))" tree/long
mke2fs -q -t ext4 -b 1024 -d tree ext4 16M >log 2>&1
mke2fs -q -t ext2 -b 1024 -d tree ext2 16M >log 2>&1
mke2fs -q -t ext4 -b 1024 -O inline_data -I 256 -d tree inline 16M >log 2>&1

# Three ways to keep a file: extents, lists of blocks, in the inode itself.
for kind in ext4 ext2 inline; do
	try "$kind: the tree" tl-ext4 tar "$kind"
	exits 0
	silent err
	mkdir "$kind.out"
	tar -xf out -C "$kind.out"
	ok "$kind: is as it was" diff -r --no-dereference tree "$kind.out"
	try "$kind: by a link" tl-ext4 cat "$kind" link
	gives 'small'
	try "$kind: a file" tl-ext4 cat "$kind" x/big
	is "$kind: its bytes" "$(sha256sum <out)" "$big"
done

# damaged STATUS SAYS KIND COMMAND: of debugfs; the archive has no end
damaged () {
	cp "$3" image
	debugfs -w -R "$4" image >log 2>&1
	try "$3: $4" timeout 60 tl-ext4 tar image
	exits "$1"
	says "tl-ext4: image: $2"
	is "$3: $4: one line" "$(wc -l <err)" 1
	tar -tf out >list 2>&1
	is "$3: $4: no whole archive" "$?" 2
}
# Folders that lead in a circle, or by more paths than anybody can walk.
damaged 65 './d/sub/up: a folder that has another name' ext4 'link /d /d/sub/up'
damaged 65 './x/again: a folder that has another' ext4 'link /d /x/again'
# What is no kind of file.
damaged 65 './x/big: a file of an unknown type' ext4 'clri /x/big'
damaged 65 './d/f: a file of an unknown type' inline 'sif /d/f mode 0'
# Sizes that nothing has.
damaged 65 './link: a link of 5000 bytes' ext4 'sif /link size 5000'
damaged 65 './x/big: a broken file' ext4 'sif /x/big size 0x7fffffffffffffff'
damaged 74 './long: ' ext4 'sif /long block[5] 0xffffff'
# Blocks that are nowhere.
damaged 74 './x/big: ' ext4 'sif /x/big block[5] 0xffffff'
damaged 74 './x/big: ' ext4 'sif /x/big block[0] 0'
damaged 74 './x/big: ' ext2 'sif /x/big block[0] 0xffffff'
damaged 74 './x/big: Illegal indirect block' ext2 \
    'sif /x/big block[IND] 0xffffff'
damaged 74 './x/big: Illegal indirect block' ext2 \
    'sif /x/big block[DIND] 0xffffff'
damaged 74 'a folder: ' ext2 'sif /d block[0] 0xffffff'
# The rest of it can be read all the same.
try 'a file beside it' tl-ext4 cat image x/big
exits 0
is 'is as it was' "$(sha256sum <out)" "$big"
try 'one in it' tl-ext4 cat image d/f
exits 74
silent out

# Holes cost nothing, however many: this is 3 TiB.
cp ext4 image
debugfs -w -R 'sif /x/hole size 0x30000000000' image >log 2>&1
try 'a hole of 3 TiB' timeout 60 tl-ext4 tar image
exits 0
is 'its size' "$(tar -tvf out | awk '$NF == "./x/hole" { print $3 }')" \
    3298534883328

for half in 1 8 15; do
	head -c "${half}M" ext4 >image
	try "the first $half MiB" tl-ext4 tar image
	exits 65
	says "image: cut short, $((half << 20)) bytes of $((16 << 20))"
	silent out
done
try 'into it' tl-ext4 sync image tree
exits 65
cp ext4 image
try 'what is no folder' tl-ext4 sync image ext4
exits 66
says 'ext4: Not a directory'
ok 'leaves it' cmp image ext4
try 'a file that is not there' tl-ext4 cat ext4 d/none
exits 66
says 'd/none: no such file in the image'
try 'a folder' tl-ext4 cat ext4 d
exits 66
says 'd: not a regular file'

# What the library keeps of a block, a list of a file's extents here, is not written
# over what has been put there since.
mke2fs -q -t ext4 -b 4096 -O ^has_journal image 8M >log 2>&1
mkdir reuse
/usr/bin/python3 - <<'PY'
with open("reuse/a", "wb") as f:
    for i in range(900):
        f.seek(i * 65536)
        f.write(b"a")
PY
ok 'a file in pieces' tl-ext4 sync image reuse
: >reuse/a
free=$(dumpe2fs -h image 2>&1 | sed -n 's/^Free blocks: *//p')
head -c "$(((free + 890) * 4096))" /dev/urandom >reuse/b
ok 'one in its place' tl-ext4 sync image reuse
try 'the second one' tl-ext4 cat image b
is 'the second one: its bytes' "$(sha256sum <out)" "$(sha256sum <reuse/b)"
ok 'is sound' e2fsck -fn image

# A disk that is full, at whatever block: told, also if it is one of the last, which
# are written when the image is closed.
if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
	mke2fs -q -t ext4 -b 4096 -O ^has_journal base 8M >log 2>&1
	mkdir small full
	for i in $(seq 12); do
		mkdir "small/d$i"
		echo "$i" >"small/d$i/f"
	done
	cp --sparse=always base image
	tl-ext4 sync image small
	tl-ext4 tar image >want
	most=$(du -k image | cut -f 1) least=$(du -k base | cut -f 1)
	# shellcheck disable=SC2016
	unshare -m sh -c 'kib=$1
	while [ "$kib" -le "$2" ]; do
		mount -t tmpfs -o "size=${kib}k" none full
		if cp --sparse=always base full/image 2>err; then
			if ! tl-ext4 sync full/image small 2>>err; then
				echo told
			elif tl-ext4 tar full/image | cmp -s - want; then
				echo whole
			else
				echo "$kib KiB: lost"
			fi
		fi
		umount full
		kib=$((kib + 4))
	done' sh "$((least - 8))" "$((most + 8))" | sort | uniq >out
	gives 'told
whole'
fi
