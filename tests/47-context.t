#!/bin/sh
# tl-rootfs-build --unpack: the cache's folder becomes the context, whatever comes
# in between; what is copied is told by its record

. "${0%/*}/lib.sh"

[ "$(id -u)" -eq 0 ] || skip 'not root'
unshare -m true 2>/dev/null || skip 'no mount namespaces here'
command -v buildah >/dev/null || skip 'buildah is not here'

mkdir tmp
export TMPDIR="$T/tmp"
record=cache/context.record
# send [OPTION...]: the context as a client sends it that has asked for the record
send () {
	cp "$record" had 2>/dev/null || : >had
	tl-context -q --since had --record record "$@" ctx >archive
}
unpack () { # WHAT
	try "$1" tl-rootfs-build --cache "$T/cache" --unpack archive \
	    --record record --into into
}
tree () {
	(cd "$1/" && find . -mindepth 1 -printf '%P %y %m %Ts %l %n\n' | sort)
}
whole () { # WHAT: the context is there, in the cache
	exits 0
	is "$1: is a link" "$(readlink into)" "$T/cache/context"
	tree ctx >want
	tree into >have
	ok "$1: all of it, and no more" diff want have
	ok "$1: and its bytes" diff -r --no-dereference ctx into/
	ok "$1: with its record" cmp record "$record"
	is "$1: what else there is" "$(ls cache; ls archive* 2>&1)" "context
context.record
lock
ls: cannot access 'archive*': No such file or directory"
}
sent () { # WHAT WANTED: what of it is sent
	is "$1: what is sent" "$(tar -tzf archive | grep -v '/$' | paste -sd' ')" "$2"
}

mkdir -p ctx/a ctx/b/sub cache
chmod 750 ctx/b
echo one >ctx/a/one
echo two >ctx/a/two
ln -s one ctx/a/link
ln ctx/a/two ctx/b/two
echo x >ctx/b/sub/x
find ctx -type d -exec touch -d @900000000 {} +
: >"$record"
send
unpack 'the first'
whole 'the first'
is 'everyone here may read its record' "$(stat -c %a "$record")" 644
send
sent 'nothing is sent' ''
unpack 'the same'
whole 'the same'
echo more >>ctx/a/one
rm -r ctx/b/sub
mv ctx/b/two ctx/b/three
rm ctx/a/link
mkdir ctx/a/link
echo y >ctx/a/link/y
send
sent 'changes' 'a/link/y a/one b/three'
unpack 'changes'
whole 'changes'
rm -r ctx/a/link
ln -s ../../outside ctx/a/link
mkdir outside
echo kept >outside/y
send
unpack 'a link where a folder was'
whole 'a link where a folder was'
rm ctx/a/link
mkdir ctx/a/link
echo z >ctx/a/link/y
send
unpack 'a folder where a link was'
whole 'a folder where a link was'
is 'nothing goes through the link' "$(cat outside/y)" kept
nl='new
line'
for odd in "$nl" 'back\slash' '-rf' ' blank ' 'tab	tab' '%s' '\012' '\0101' \
    "$(printf 'bad\377utf8')" 'café' '*' "q'uote\""; do
	mkdir "ctx/$odd"
	echo 1 >"ctx/$odd/$odd"
	ln "ctx/$odd/$odd" "ctx/z$odd"
done
touch ctx/A
send
unpack 'odd names'
whole 'odd names'
find ctx -mindepth 1 -maxdepth 1 ! -name '[abA]' -exec rm -r {} +
send
sent 'odd names that are gone' ''
unpack 'odd names that are gone'
whole 'odd names that are gone'
find ctx -mindepth 1 -delete
send
unpack 'nothing'
whole 'nothing'
send
unpack 'nothing again'
whole 'nothing again'

# ---- in the middle

mkdir ctx/d
for i in 1 2 3 4 5; do
	head -c 500000 /dev/urandom >"ctx/d/$i"
done
send
unpack 'some'
# tar is ended amid a file
mkdir bin
cat >bin/tar <<'END'
#!/bin/sh
head -c 200000 "$2" | /usr/bin/tar -xzf - -C "$6"
kill -KILL $PPID
END
chmod +x bin/tar
# cut WHAT: this ends in the middle of its archive
cut_off () {
	cp archive whole.tgz
	PATH=$T/bin:$PATH unpack "$1"
	ok "$1: was cut" test "$status" -gt 128
	ok "$1: still has its archive" cmp archive whole.tgz
	is "$1: the record claims nothing" "$(sed 1d "$record")
$(head -n 1 "$record")" "end
tl-context-record 1 $(head -n 1 record | cut -d' ' -f3) - -"
	rm -rf tmp/*
}
head -c 500000 /dev/urandom >ctx/d/3
rm ctx/d/1
send
cut_off 'a cut'
unpack 'the same again'
whole 'the same again'
head -c 500000 /dev/urandom >ctx/d/3
rm ctx/d/2
send
cut_off 'another cut'
rm archive
key=$(head -n 1 "$record" | cut -d' ' -f3)
send
sent 'another sandbox: all is sent' 'd/3 d/4 d/5'
is 'another sandbox: with the key' "$(head -n 1 record | cut -d' ' -f3,5)" \
    "$key -"
unpack 'another sandbox'
whole 'another sandbox'
cp record last
echo x >ctx/x
send
cp archive copy
unpack 'what was unpacked'
cp copy archive
rm into
unpack 'but not put in its place'
whole 'but not put in its place'
mkdir into.d
rm into
mv into.d into
touch into/file
cp copy archive
unpack 'a folder in its place'
whole 'a folder in its place'

# ---- what is none of it

# refuses STATUS WHAT SAYS: and the cache stays as it is
refuses () {
	cp "$record" before
	tree cache/context >tree.before
	unpack "$2"
	exits "$1"
	says "$3"
	tree cache/context >tree.after
	ok "$2: the cache is as before" sh -c \
	    'cmp before cache/context.record && cmp tree.before tree.after'
}
cp copy archive
sed '1s/ [^ ]*$/ 0123456789abcdef0123456789abcdef/
    1s/ [^ ]* \([^ ]*\)$/ 00000000000000000000000000000000 \1/' last >record
refuses 65 'a record of another cache' 'stands on a context that is not in the cache'
sed '$d' last >record
refuses 65 'half a record' 'not a record'
for path in '../x' 'a/../../x' '/x' '..'; do
	P=$path awk -F '\t' -v OFS='\t' 'NR == 3 { $5 = ENVIRON["P"] } { print }' \
	    last >record
	refuses 65 "the path $path" 'leads out of the context'
done
cp last record
exec 8>cache/lock
flock 8
refuses 75 'while a build uses it' 'the cache is in use'
exec 8>&-
sed '1s/[^ ]*$/0123456789abcdef0123456789abcdef/' last >record
try 'no cache' tl-rootfs-build --cache "$T/no" --unpack archive --record record \
    --into into
exits 73
says 'there is no cache here'
sed '1s/[^ ]*$/-/' last >record
tl-context -q ctx >archive
try 'no cache, but all of it' tl-rootfs-build --cache "$T/no" --unpack archive \
    --record record --into into
exits 0
ok 'no cache, but all of it: is there' diff -r --no-dereference ctx into/
is 'no cache, but all of it: as a folder' "$(test -L into || echo folder)" folder
for wrong in '--unpack archive' '--record record --into into' \
    '--unpack archive --record record' \
    '--check --unpack archive --record record --into into'; do
	# shellcheck disable=SC2086
	try "$wrong" tl-rootfs-build $wrong
	exits 64
done

# ---- no room

mkdir small
# shellcheck disable=SC2016
ok 'no room' unshare -m sh -euc 'mount -t tmpfs -o size=3m none small
    export T=$PWD record=small/context.record
    unpack () {
	    tl-rootfs-build --cache "$T/small" --unpack archive \
		--record record --into into >said
	    diff -r --no-dereference ctx into/
	    cmp record "$1"
    }
    : >"$record"
    rm -rf into
    send () {
	    cp "$record" had
	    tl-context -q --since had --record record ctx >archive
    }
    send
    unpack "$record"
    test -L into
    head -c 2200000 /dev/urandom >ctx/large
    rm ctx/d/4
    send
    tar -tzf archive >sent
    unpack into.record
    test ! -L into
    grep -q "the cache has no room for the context" said
    test ! -e small/context
    test "$(wc -l <"$record")" -eq 2
    send
    test "$(head -n 1 record | cut -d" " -f 3)" = "$(cut -d" " -f 3 into.record |
	head -n 1)"
    unpack into.record
    rm ctx/large
    send
    unpack "$record"
    test -L into && test ! -e into.record'
is 'no room: what was sent' "$(grep -v '/$' sent | paste -sd' ')" large
is 'nothing is left' "$(ls tmp)" ''
