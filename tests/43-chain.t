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
tl-snapshot pack -r b.raw -i "$(tl-snapshot id b)" tree "$((2 * M))" c.2
ok 'an image of the parent gives the same' cmp c c.2

# A configuration goes along, each byte of it.
file conf '{"Env": ["A=1"], "n": 12345678901234567890}'
tl-snapshot pack -c conf -r b.raw tree "$((2 * M))" with
try 'a configuration' tl-snapshot config with
exits 0
gives "$(cat conf)"
ok 'nobody else minds it' tl-snapshot check -p b -p a -p whole with
ok 'nor does qemu' qemu-img check -q \
    'json:{"driver":"qcow2","backing":null,"file":{"driver":"file","filename":"with"}}'
try 'none' tl-snapshot config b
gives '{}'
printf '{"x":"%061432d"}' 0 >long
tl-snapshot pack --config long tree "$M" with.2
try 'as long as it may be' tl-snapshot config with.2
gives "$(cat long)"
ok 'it is sound' tl-snapshot check with.2
printf '{"x":"%061433d"}' 0 >long
try 'a byte more' tl-snapshot pack --config long tree "$M" x
exits 65
says 'long: more than 61440 bytes'
echo '[]' >list
try 'an array' tl-snapshot pack --config list tree "$M" x
exits 65
says 'list: configuration: not an object'
printf '\377\377\377' | dd of=with bs=1 seek=133 conv=notrunc 2>/dev/null
try 'a header that lies' tl-snapshot config with
exits 65
says 'damaged'
silent out
try 'of no snapshot' tl-snapshot config list
exits 65
says 'not a snapshot'
try 'of nothing' tl-snapshot config none
exits 66
try 'a configuration elsewhere' tl-snapshot tar -c conf whole
exits 64

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
says 'none: No such file'
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
# Each is made against the one before.
tl-snapshot raw whole whole.raw
mkdir first
tl-snapshot unpack whole first
last=whole parents='-p whole'
for i in $(seq 31); do
	tl-snapshot pack -r whole.raw -i "$(tl-snapshot id "$last")" first \
	    "$M" "d$i"
	last=d$i parents="-p d$i $parents"
done
tl-snapshot pack -r whole.raw -i "$(tl-snapshot id d31)" first "$M" top
# shellcheck disable=SC2086
try 'as many as there may be' tl-snapshot cat $parents top base
exits 0
cp out got
ok 'are read' cmp got tree/base
try 'an image and a parent' tl-snapshot pack -p a -r b.raw tree "$M" x
exits 64
ok 'nothing is left' test ! -e x
is 'no scratch folder either' "$(find . -name '.tl-snapshot*')" ''
