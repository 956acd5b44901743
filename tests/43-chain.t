#!/bin/sh
# tl-snapshot: a diff of a diff of a diff, read and made through the snapshots
# that it stands on

. "${0%/*}/lib.sh"

for tool in mke2fs e2fsck qemu-img resize2fs; do
	PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null ||
	    skip "$tool is not here"
done

M=67108864
mkdir tree
head -c 3000000 /dev/urandom >tree/base
echo one >tree/same
tl-snapshot pack tree "$M" whole
echo two >tree/same
echo first >tree/first
tl-snapshot pack -p whole tree "$M" a
rm tree/first
head -c 300000 /dev/urandom >tree/second
cp 'tree/second' tree/copy
try 'a diff of a diff' tl-snapshot pack -p a -p whole tree "$M" b
exits 0
silent err
# Its name is one that a shell could take apart.
odd="b \"'\$x
;"
cp b "$odd"
echo three >tree/same
tl-snapshot pack --parent "$odd" --parent a -p whole tree "$((2 * M))" c
ok 'it is sound' tl-snapshot check -p a -p whole b
ok 'so is one more, on a larger disk' \
    tl-snapshot check -p "$odd" -p a -p whole c
for what in second same base; do
	tl-snapshot cat -p b -p a -p whole c "$what" >got
	ok "the third has the right $what" cmp got "tree/$what"
done
try 'what the second removed' tl-snapshot cat -p b -p a -p whole c first
exits 66
try 'the first has it' tl-snapshot cat -p whole a first
gives first
try 'the second has what the first changed' \
    tl-snapshot cat -p a -p whole b same
gives two
tl-snapshot tar -p b -p a -p whole c | tar -tf - | sort >list
is 'the third, listed' "$(grep -v -e /lost -e '/$' list | tr '\n' ' ')" \
    './base ./copy ./same ./second '
mkdir back
tl-snapshot unpack -p b -p a -p whole c back 2>err
ok 'the third, unpacked' diff -r --exclude=lost+found tree back
is 'each holds its own differences only' "$([ "$(stat -c %s a)" -lt 500000 ] &&
    [ "$(stat -c %s b)" -lt 1100000 ] && echo small)" small

# The same by way of raw images, level by level.
tl-snapshot raw -p a -p whole b b.raw
tl-snapshot pack -r b.raw tree "$((2 * M))" c.2
ok 'an image of the parent gives the same' cmp c c.2

# What does not fit together.
try 'the order matters' tl-snapshot cat -p whole -p a b same
exits 65
says 'whole: it is whole and takes no parent'
silent out
try 'one is missing at the end' tl-snapshot check -p b -p a c
exits 65
says 'a: it holds differences only; name its parent'
try 'one that is not there' tl-snapshot raw -p b -p none -p whole c x
exits 66
says 'none: no such file'
try 'one too many' tl-snapshot tar -p b -p a -p whole -p whole c
exits 65
says 'whole: it is whole and takes no parent'
echo text >text
try 'one that is no snapshot' tl-snapshot tar -p b -p text -p whole c
exits 65
says 'text: not a snapshot'
# shellcheck disable=SC2046
try 'no end of them' tl-snapshot tar $(printf -- '-p a %.0s' $(seq 33)) b
exits 64
says 'more than 32 parents'
# shellcheck disable=SC2046
try 'as many as there may be' tl-snapshot cat \
    $(printf -- '-p a %.0s' $(seq 31)) -p whole b base
exits 0
cp out got
ok 'are read' cmp got tree/base
try 'an image and a parent' tl-snapshot pack -p a -r b.raw tree "$M" x
exits 64
ok 'nothing is left' test ! -e x
is 'no scratch folder either' "$(find . -name '.tl-snapshot*')" ''
