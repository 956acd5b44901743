#!/bin/sh
# tl-context --record, --since: what the receiver has is left out, and with what it
# is sent it has all of the context

. "${0%/*}/lib.sh"

# The receiver of an archive: what is in the old record and not in the new one
# goes, and the archive is unpacked over the rest.
cat >apply.py <<'END'
import os, re, shutil, subprocess, sys
def names(path):
    lines = open(path, "rb").read().split(b"\n")
    assert lines[0].startswith(b"tl-context-record 1 ") and lines[-2:] == [b"end", b""]
    return [re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]),
        l.split(b"\t")[4]) for l in lines[1:-2]]
new = set(names("new"))
for name in names("old") if os.path.exists("old") else []:
    path = os.path.join(b"got", name.rstrip(b"/"))
    if name in new or not os.path.lexists(path):
        continue
    if name.endswith(b"/"):
        shutil.rmtree(path)
    else:
        os.unlink(path)
subprocess.check_call(["tar", "-xzf", "sent", "--no-same-owner", "-p", "-C", "got"])
os.rename("new", "old")
END
# tree FOLDER: all that is to be the same, and which names are of one file
tree () {
	(cd "$1" && find . -mindepth 1 -printf '%P %y %m %Ts %l %n\n' | sort
	find . -type f -links +1 -printf '%i %P\n' | sort | awk '
	    $1 != last { print "-" } { last = $1; $1 = ""; print }' | sort)
}
# sends WHAT NAME...: the context is sent again, and these of it, a name a line;
# the receiver has all of it, and the digest is that of without
sends () {
	what=$1
	shift
	given ''
	# shellcheck disable=SC2086
	try "$what" tl-context -q --record new ${since---since old} \
	    --digest with ctx
	exits 0
	silent err
	cp out sent
	is "$what: what is sent" "$(tar -tzf sent | grep -v '/$' | paste -sd' ')" "$*"
	ok "$what: unpacked" /usr/bin/python3 apply.py
	tree ctx >want
	tree got >have
	ok "$what: the receiver has all of it" diff want have
	ok "$what: and its bytes" diff -r --no-dereference ctx got
	tl-context -q --list --digest without ctx >/dev/null
	ok "$what: the digest is the same" cmp with without
}
mkdir -p ctx/a/deep ctx/b ctx/gone/sub got
echo one >ctx/a/one
echo two >ctx/a/two
echo deep >ctx/a/deep/f
ln -s one ctx/a/link
ln ctx/a/two ctx/b/same
echo x >ctx/gone/sub/x
truncate -s 300000 ctx/sparse
echo end >>ctx/sparse
dd if=/dev/urandom of=ctx/big bs=1000 count=700 status=none
# A byte that is not changed into itself later.
printf x | dd of=ctx/big bs=1 seek=400000 conv=notrunc status=none
: >ctx/empty
# What is unpacked into a folder changes its time.
find ctx -type d -exec touch -d @900000000 {} +
since=
sends 'the first time' a/deep/f a/link a/one a/two b/same big empty gone/sub/x sparse
unset since
head -n 1 old >begun
cp old first
sends 'all is there'
is 'a head' "$(grep -cxE 'tl-context-record 1 [0-9a-f]{32} [0-9a-f]{32} -' begun)" 1
is 'the key stays, and it says on what it stands' \
    "$(head -n 1 old | cut -d' ' -f3,5)" "$(cut -d' ' -f 3,4 begun)"
# unstamped RECORD: its lines, without stamps
unstamped () {
	sed '1d; /^[0S]/s/\(\(	[^	]*\)\{4\}\).*/\1/' "$1"
}
unstamped first >a
unstamped old >b
ok 'the rest is the same' cmp a b
is 'a line' "$(unstamped old | grep '	a/one$' | cut -f 1,2,4)" \
    "$(printf '0\t0644\t%s' "$(stat -c %Y ctx/a/one)")"
is 'a name of a file has its sum' "$(unstamped old | awk '$5 == "a/two" || $5 == "b/same" {
    print $1, $3, $6 }')" "$(awk '$5 == "a/two" { print 0, $3, ""
    print 1, $3, "a/two" }' old)"

# ---- what changes

echo three >ctx/a/one
sends 'bytes' a/one
touch -r ctx/a/two stamp
echo TWO >ctx/a/two
touch -r stamp ctx/a/two
sends 'bytes, but not the time, of a file with two names' a/two b/same
chmod 600 ctx/a/one
sends 'a mode' a/one
touch -d @1000000000 ctx/a/deep/f
sends 'a time' a/deep/f
touch -d @1000000000 ctx/a ctx/a/deep
sends 'times of folders'
ln -sfn two ctx/a/link
sends 'what a link leads to' a/link
mv ctx/a/one ctx/a/moved
sends 'a name' a/moved
rm -r ctx/gone
sends 'what is gone'
printf y | dd of=ctx/big bs=1 seek=400000 conv=notrunc status=none
touch -r stamp ctx/big
sends 'a time and bytes' big
printf z | dd of=ctx/big bs=1 seek=400000 conv=notrunc status=none
touch -r stamp ctx/big
sends 'the bytes of a large one only' big
printf z | dd of=ctx/sparse bs=1 seek=140000 conv=notrunc status=none
sends 'a piece in a hole' sparse

# ---- what becomes another kind

rm ctx/a/moved
mkdir ctx/a/moved
echo f >ctx/a/moved/f
sends 'a file becomes a folder' a/moved/f
rm -r ctx/a/moved
ln -s deep ctx/a/moved
sends 'which becomes a link' a/moved
rm ctx/a/moved
echo file >ctx/a/moved
sends 'which becomes a file' a/moved
rm ctx/a/moved
ln -s deep ctx/a/moved
sends 'a link again' a/moved
rm ctx/a/moved
mkdir ctx/a/moved
echo f >ctx/a/moved/f
sends 'a folder where a link to one was' a/moved/f
is 'and not through the link' "$(ls got/a/deep)" f

# ---- names of one file

rm ctx/b/same
cp -p ctx/a/two ctx/b/same
sends 'no other name, but a file like it' b/same
ln -f ctx/a/two ctx/b/same
ln ctx/a/two ctx/c
sends 'other names again' b/same c
rm ctx/a/two
sends 'the first name goes' b/same c
echo more >>ctx/c
sends 'by its other name' b/same c
ln ctx/c ctx/a/two
sends 'one that comes before it' a/two b/same c
cp -p ctx/c ctx/d
ln -f ctx/d ctx/c
sends 'one goes over to a file like it' c d
cp -p ctx/d ctx/e
ln ctx/d ctx/f
sends 'two files that are alike' e f
ln -f ctx/e ctx/f
sends 'a name goes over from one to the other' f
sed -i 's/	[0-9]*	a\/two/	1	a\/two/' old
sends 'of names that differ, as of a file that changed while it was read' \
    a/two b/same

# ---- names of any bytes

nl='new
line'
for odd in "$nl" 'back\slash' '-rf' ' blank ' 'tab	tab' '%s' '\012' \
    "$(printf 'bad\377utf8')" 'café' '*' "q'uote\"" end; do
	mkdir "ctx/$odd"
	echo 1 >"ctx/$odd/$odd"
	ln "ctx/$odd/$odd" "ctx/$odd/z$odd"
done
tl-context -q --since old --record new ctx >sent
/usr/bin/python3 apply.py
sends 'odd names'
for odd in "$nl" '-rf' ' blank ' 'tab	tab' '%s' '\012'; do
	rm -r "ctx/$odd"
done
sends 'odd names that go'
is 'a line each' "$(wc -l <old)" $(($(find ctx -mindepth 1 | wc -l) + 2 -
    $(find ctx -mindepth 1 | grep -c "$nl")))
is 'the record is for its owner only' "$(stat -c %a old)" 600

# ---- a file that changes between its two readings

shim=${TL_PRELOAD:-$TL_BIN/../preload}/rewind.so
if [ -z "${TL_ASAN-}" ]; then
	# One with holes is gone back to in any case.
	rm ctx/sparse
	printf b >ctx/b/f
	touch -d @1000000000 ctx/b/f
	sends 'a file' b/f
	printf c >ctx/b/f
	touch -d @1000000000 ctx/b/f
	try 'it changes between' env LD_PRELOAD="$shim" tl-context -q \
	    --record new --since old --digest with ctx
	exits 0
	cp out sent
	is 'what is sent is the second' "$(tar -xOzf sent b/f)" x
	/usr/bin/python3 apply.py
	touch -d @1000000000 ctx/b/f
	sends 'and the record is of that'
fi

# ---- records that are none

cp old good
other () { # WHAT: its key is another and it stands on none
	is "$1: counts as none" "$(head -n 1 new | cut -d' ' -f5)
$(tar -tzf out | wc -l)" "-
$(find ctx -mindepth 1 | wc -l)"
}
key=$(head -n 1 good | cut -d' ' -f3)
# shellcheck disable=SC2016
for damage in '$d' '$s/end/ent/' '1s/record 1/record 2/' '1s/ 1 ../ 1 /' \
    '3s/	0/	9/' '3s/	/ /' '3s/\([0-9a-f]\{31\}\)[0-9a-f]	/\1g	/' '3s/^./7/' \
    '3s/$/	x/' '3s/[^	]*$//' 's/\\134/\\13/' 's/\\377/\\000/' '2s/^/x\n/'; do
	sed "$damage" good >old
	! cmp -s good old || fail_ "$damage" 'changes nothing'
	try "damaged, $damage" tl-context -q --record new --since old ctx
	exits 0
	silent err
	other "damaged, $damage"
	is "damaged, $damage: another key" \
	    "$(head -n 1 new | grep -c "$key")" 0
done
head -c 100 /dev/urandom >old
try 'noise' tl-context -q --record new --since old ctx
other 'noise'
: >old
try 'an empty one' tl-context -q --record new --since old ctx
exits 0
other 'an empty one'
printf 'tl-context-record 1 %s - -\nend\n' "$key" >old
try 'a key alone' tl-context -q --record new --since old ctx
exits 0
other 'a key alone'
is 'a key alone stays' "$(head -n 1 new | cut -d' ' -f3)" "$key"

# ---- what is not read again

rm -rf ctx got old
mkdir -p ctx/d got
echo one >ctx/one
echo two >ctx/two
ln ctx/two ctx/zwei
ln -s one ctx/link
truncate -s 300000 ctx/sparse
: >ctx/.dockerignore
# stamps RECORD: how many digits each file's stamp has
stamps () {
	awk -F '\t' '/^[0S]/ { print length($6) }' "$1" | paste -sd' '
}
# taken NAME FIELD RECORD: what the record has there
taken () {
	awk -F '\t' -v name="$1" -v field="$2" '$5 == name { print $field }' "$3"
}
# forged NAME FIELD VALUE: the old record has that
forged () {
	awk -F '\t' -v OFS='\t' -v name="$1" -v field="$2" -v value="$3" '
	    $5 == name { $field = value } { print }' old >forged
	mv forged old
}
nothing=00000000000000000000000000000000
# A machine that is busy may take long.
for _ in 1 2 3 4 5 6 7 8 9; do
	touch ctx/one ctx/two ctx/sparse ctx/.dockerignore
	tl-context -q --record old ctx >/dev/null
	[ "$(date +%s)" -gt $(($(stat -c %Z ctx/one) + 2)) ] || break
done
is 'files of just now have no stamps' "$(stamps old)" '0 0 0 0'
sleep 3
rm old
since=
sends 'first' .dockerignore link one sparse two zwei
unset since
is 'later they have them, and digests' "$(stamps old)" '48 48 48 48'
cp old stamped
sends 'and again'
unstamped stamped >a
unstamped old >b
ok 'stamps stay' cmp a b
for name in .dockerignore one sparse two; do
	forged "$name" 3 "$nothing"
done
forged zwei 3 "$nothing"
sends 'sums that only a reader can tell are wrong'
is 'nobody has read' "$(for name in .dockerignore one sparse two zwei; do
    taken "$name" 3 old; done | sort | uniq -c)" "      5 $nothing"
cp stamped old
forged one 6 "$(taken one 6 stamped | cut -c -16)$nothing"
tl-context -q --since old --record new --digest with ctx >/dev/null
tl-context -q --list --digest without ctx >/dev/null
ok 'nor for a digest' sh -c '! cmp -s with without'
cp stamped old
touch -r ctx/one stamp
echo ONE >ctx/one
touch -r stamp ctx/one
sends 'bytes, not the size and no time that can be set' one
echo owe >ctx/other
touch -r stamp ctx/other
mv ctx/other ctx/one
sends 'another file that is as old and as large' one
echo Two >ctx/zwei
printf x | dd of=ctx/sparse bs=1 seek=140000 conv=notrunc status=none
touch -r stamp ctx/sparse
chmod 755 ctx/one
sends 'by another name, in a hole, and a mode' one sparse two zwei
ln ctx/zwei ctx/d/two
echo d/two >ctx/.dockerignore
sleep 3
tl-context -q --since old --record new --digest with ctx >sent
/usr/bin/python3 apply.py
is 'when all is still they have stamps again' "$(stamps old)" '48 48 48 48'
cp old stamped
: >ctx/.dockerignore
sends 'a first name that comes in' .dockerignore d/two two zwei
cp stamped old
tl-context -q --record new --since old ctx >/dev/null
is 'what is known for a digest stays without one' \
    "$(taken one 6 new)" "$(taken one 6 stamped)"
forged one 6 "$(taken one 6 stamped | cut -c -16)"
forged one 3 "$nothing"
tl-context -q --record new --since old ctx >/dev/null
is 'and is not needed' "$(taken one 3 new)" "$nothing"
cp stamped old
forged one 6 "$(taken one 6 stamped | cut -c -16)"
sends 'it is read for one' .dockerignore d/two two zwei
SOURCE_DATE_EPOCH=1000 tl-context -q --record new --since old ctx >sent
is 'a time that is sent as another' "$(tar -tzf sent | grep -c '[^/]$')" \
    "$(find ctx ! -type d | wc -l)"

# Of these each makes a record none.
sleep 3
tl-context -q --record good ctx >/dev/null
key=$(head -n 1 good | cut -d' ' -f3)
stamp=$(taken one 6 good)
for wrong in "one ${stamp}0" "one ${stamp%?}" "one ${stamp%?}g" "one $stamp	" \
    "one $stamp${nothing}0" "d/ $stamp" "link $stamp"; do
	cp good old
	forged "${wrong%% *}" 6 "${wrong#* }"
	try "a stamp: $wrong" tl-context -q --record new --since old ctx
	exits 0
	silent err
	other "a stamp: $wrong"
	is "a stamp: $wrong: another key" "$(head -n 1 new | grep -c "$key")" 0
done

# ---- the command line

cp good old
cp good ctx/in
try 'in the context' tl-context -q --record ctx/in --since ctx/in ctx
exits 0
is 'is left out' "$(tar -tzf out | grep -cx in) $(cut -f 5 ctx/in | grep -cx in)" '0 0'
rm ctx/in
try 'no such record' tl-context --record new --since nothing ctx
exits 66
says 'nothing: No such file'
silent out
try 'no place for it' tl-context -q --record nowhere/new ctx
exits 73
says 'nowhere/new'
lists tl-context.1
try 'since alone' tl-context --since old ctx
exits 64
try 'with a list' tl-context --list --record new ctx
exits 64
mkdir void
try 'nothing in it' tl-context --record new void
exits 0
is 'nothing in it' "$(wc -l <new)" 2
SOURCE_DATE_EPOCH=1000 tl-context -q --record old ctx >/dev/null
is 'times are as they are sent' "$(sed '1d;$d' old | cut -f 4 | sort -u)" 1000
touch ctx/d ctx/one
try 'and later ones' env SOURCE_DATE_EPOCH=1000 tl-context -q --record new \
    --since old ctx
is 'and later ones are the same' "$(tar -tzf out | grep -v '/$')" ''
