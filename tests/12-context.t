#!/bin/sh
# tl-context: what of a folder is sent, as which bytes, and what may go wrong

. "${0%/*}/lib.sh"

mkdir -p tree/a tree/empty tree/shut away
echo 'FROM scratch' >tree/Dockerfile
echo run >tree/a/tool
echo mine >tree/a/private
echo dot >tree/a.c
echo outside >outside
echo far >away/far
ln -s ../outside tree/link
ln -s nowhere tree/a/dangling
ln -s "$T/away" tree/linked
chmod 755 tree/a/tool
chmod 600 tree/a/private
chmod 2750 tree/shut
touch -d '2001-09-09 01:46:40.9 UTC' tree/a.c tree/shut
touch -d '1969-12-31 00:00 UTC' tree/a/tool tree/a/private
touch -h -d '2001-09-09 01:46:41 UTC' tree/link tree/linked

# ---- what is in it, as which bytes

try 'a folder' tl-context tree
exits 0
silent err
mv out tree.tgz
ok 'a whole gzip' gzip -t tree.tgz
is 'names sorted bytewise, folders with a slash' "$(tar -tzf tree.tgz)" \
    "$(printf '%s\n' Dockerfile a.c a/ a/dangling a/private a/tool empty/ \
    link linked shut/)"
is 'modes, owners, times, links as links' \
    "$(TZ=UTC0 tar --full-time -tvzf tree.tgz | sed -E 's/ +/ /g' |
    grep -E ' (a\.c|a/tool|a/private|shut/|link.*)( |$)')" \
    "-rw-r--r-- 0/0 4 2001-09-09 01:46:40 a.c
-rw------- 0/0 5 1969-12-31 00:00:00 a/private
-rwxr-xr-x 0/0 4 1969-12-31 00:00:00 a/tool
lrwxrwxrwx 0/0 0 2001-09-09 01:46:41 link -> ../outside
lrwxrwxrwx 0/0 0 2001-09-09 01:46:41 linked -> $T/away
drwxr-s--- 0/0 0 2001-09-09 01:46:40 shut/"
is 'nothing from outside' \
    "$(gzip -dc tree.tgz | grep -acxe outside -e far)" 0
is 'no name and no time in the gzip header' \
    "$(od -An -tx1 -N8 tree.tgz | tr -d ' ')" 1f8b080000000000
is 'two blocks of zeros end it, and nothing else' \
    "$(($(gzip -dc tree.tgz | wc -c) % 512)) $(gzip -dc tree.tgz |
    tail -c 1536 | tr -d '\0' | head -c 5)" '0 shut/'

# list FOLDER: all that an unpacked tree is to have kept
list () {
	(cd "$1" && find . -mindepth 1 \( -type l -printf '%p %l\n' \) -o \
	    -printf '%p %m %Ts\n' | sort)
}

# unpacked PROGRAM ARGS...: the tree again, whoever unpacks it
unpacked () {
	rm -rf got
	mkdir got
	if ! command -v "$1" >/dev/null; then
		pass_ "unpacked by $1 # SKIP it is absent"
		return
	fi
	"$@" >log 2>&1 </dev/null
	list tree >want.list
	list got >got.list
	ok "unpacked by $1: names, modes, times" diff want.list got.list
	ok "unpacked by $1: bytes" diff -r --no-dereference tree got
}
unpacked tar -xpzf tree.tgz -C got
unpacked bsdtar -xpf tree.tgz -C got
# busybox sets a folder's time before it fills it.
if command -v busybox >/dev/null; then
	rm -rf got
	mkdir got
	busybox tar -xzf tree.tgz -C got 2>log
	ok 'unpacked by busybox: bytes' diff -r --no-dereference tree got
	is 'unpacked by busybox: modes' \
	    "$(stat -c '%a %n' got/a/tool got/a/private)" \
	    "$(printf '755 got/a/tool\n600 got/a/private')"
fi

# same ARCHIVE: what was just written is that, byte for byte
same () {
	cp out "$1.again"
	ok "$name: the same bytes" cmp "$1" "$1.again"
}
try 'again' tl-context tree
same tree.tgz
cp -a tree copy
try 'a copy, whose folders list otherwise' tl-context copy
same tree.tgz
try 'from inside' sh -c 'cd tree && tl-context'
same tree.tgz
ln -s tree root
try 'through a link to the root' tl-context root
same tree.tgz
gzip -dc tree.tgz >tree.tar
try 'zlib' tl-context --gzip zlib tree
exits 0
gzip -dc out >z.tar
ok 'another compressor, the same tar' cmp tree.tar z.tar

try 'SOURCE_DATE_EPOCH' env SOURCE_DATE_EPOCH=1000000000 tl-context tree
mv out clamped.tgz
is 'newer times become it, older ones stay' "$(TZ=UTC0 tar --full-time \
    -tvzf clamped.tgz | awk '{ print $4, $5 }' | sort | uniq -c |
    sed 's/^ *//')" "2 1969-12-31 00:00:00
8 2001-09-09 01:46:40"
touch tree/Dockerfile tree/a.c
try 'again later' env SOURCE_DATE_EPOCH=1000000000 tl-context tree
same clamped.tgz
try 'a bad SOURCE_DATE_EPOCH' env SOURCE_DATE_EPOCH=now tl-context tree
exits 78
says SOURCE_DATE_EPOCH
silent out

# ---- other names of a file, holes, bits

mkdir -p odd/d
long=$(printf %0120d 0)
echo one >odd/a
ln odd/a odd/b
ln odd/a odd/d/c
echo two >"odd/$long"
ln "odd/$long" odd/z
echo out >odd/out
ln odd/out odd/late
printf 'odd/out\n' >left
cp odd/a odd/suid
chmod 6755 odd/suid
chmod 3777 odd/d
truncate -s 100G odd/hollow
printf middle | dd of=odd/hollow bs=1 seek=5000000001 conv=notrunc status=none
truncate -s 3G odd/empty
for i in $(seq 1 70); do
	printf %d "$i" | dd of=odd/many bs=1 seek=$((i * 1000000)) \
	    conv=notrunc status=none
done
truncate -s 75M odd/many
printf x >odd/tail
truncate -s 5000 odd/tail
touch -d '2001-09-09 01:46:41 UTC' odd/* odd/d
try 'names, holes, bits' timeout 20 env TL_LEAVE_OUT="$T/left" tl-context odd
exits 0
silent err
mv out odd.tgz
ok 'a hundred gigabytes of nothing are small' \
    test "$(wc -c <odd.tgz)" -lt 200000
is 'other names are links to the first that is in' \
    "$(tar -tvzf odd.tgz | sed -n 's/^h.*[0-9]:[0-9]* //p')" "b link to a
d/c link to a
z link to $long"
rm -rf got
mkdir got
ok 'unpacked, as for a build' tar -xzf odd.tgz --no-same-owner -p -C got
is 'one file' "$(stat -c %i got/a got/b got/d/c | uniq | wc -l) $(stat -c \
    %h got/a got/z got/late | paste -sd' ')" '1 3 2 1'
is 'its bits' "$(stat -c %a got/suid got/d | paste -sd' ')" '6755 3777'
is 'its sizes' "$(stat -c %s got/hollow got/empty got/many got/tail |
    paste -sd' ')" '107374182400 3221225472 78643200 5000'
ok 'and its holes' test "$(du -k got | tail -n 1 | cut -f1)" -lt 2000
is 'the bytes amid them' "$(dd if=got/hollow bs=1 skip=5000000000 count=8 \
    status=none | od -An -c | tr -d ' ')" '\0middle\0'
ok 'many pieces' cmp odd/many got/many
ok 'one that is small' cmp odd/tail got/tail
rm odd/hollow odd/empty
try 'again' tl-context odd
ok 'read by another reader' /usr/bin/python3 - <<'EOT'
import tarfile
t = tarfile.open("out")
assert t.extractfile("many").read() == open("odd/many", "rb").read()
assert t.getmember("z").islnk() and t.getmember("b").linkname == "a"
EOT
digest () {
	tl-context --list --digest "$1" odd >/dev/null
}
digest one
cp --sparse=always odd/many many.copy
touch -r odd/many many.copy
mv many.copy odd/many
digest same
rm odd/b
cp -p odd/a odd/b
digest other
is 'the digest knows links' "$(cmp -s one same && echo same
    cmp -s one other || echo other)" 'same
other'
rm -rf odd got

# ---- likely secrets

mkdir -p s/.git s/.ssh s/.aws s/.docker s/.kube s/sub
for f in .env .env.local sub/.env.production .envrc .ssh/id_rsa id_ed25519 \
    a.p12 b.jks .netrc .git-credentials .aws/credentials .kube/config \
    kubeconfig .pgpass .vault-token terraform.tfstate .dockercfg; do
	echo x >"s/$f"
done
key='-----BEGIN PRIVATE KEY-----'
for f in key.pem tls.key service.json; do
	echo "$key" >"s/$f"
done
printf '[remote "o"]\n\turl = https://x-token:s3cr3t@h/r\n' >s/.git/config
echo '{"auths":{"h":{"auth":"czpj"}}}' >s/.docker/config.json
echo '//registry.npmjs.org/:_authToken=s3cr3t' >s/.npmrc
echo 'password = s3cr3t' >s/.pypirc
echo '[global] index-url = https://u:s3cr3t@h/' >s/pip.conf
mkdir clean clean/.git clean/.docker clean/other
for f in .env.example .env.sample env id_rsa.pub config credentials \
    other/config; do
	echo x >"clean/$f"
done
echo '-----BEGIN CERTIFICATE-----' >clean/cert.pem
echo '{}' >clean/package.json
printf '[remote]\n\turl = ssh://git@h/r\n\turl = git@h:r\n' >clean/.git/config
echo '{"credsStore":"x"}' >clean/.docker/config.json
echo 'save-exact=true' >clean/.npmrc
: >clean/.env
try 'nothing that looks like a secret' tl-context --strict --list clean
exits 0
silent err
for how in '' --list; do
	# shellcheck disable=SC2086
	try "likely secrets $how" tl-context $how s
	exits 0
	is "$name: each once, or counted" "$(grep -c 'looks like' err) $(grep -c \
	    'and 5 more that look like secrets' err)" '20 1'
	is "$name: none is shown" "$(grep -c -e s3cr3t -e czpj err)" 0
done
rm s/.env.local s/sub/.env.production s/.envrc s/a.p12 s/b.jks
try 'the rest' tl-context s
is 'each has a line' "$(wc -l <err)" "$(find s -type f | wc -l)"
says 's/.git/config: looks like a repository'
try 'strict' tl-context --strict s
exits 65
says '20 of the context look like secrets, and --strict refuses them'
silent out
try 'strict and quiet' tl-context -q --strict s
exits 65
is 'one line' "$(wc -l <err)" 1
try 'quiet' tl-context -q s
exits 0
silent err
echo '*' >s/.dockerignore
try 'what is ignored is no matter' tl-context --strict s
exits 0
silent err

mkdir nothing
try 'an empty folder' tl-context nothing
exits 0
is 'an archive of nothing' "$(gzip -dc out | wc -c)" 1024

# ---- odd names

mkdir odd
long=$(printf '%0255d' 0)
deep=odd
while [ "${#deep}" -lt 3500 ]; do
	deep=$deep/$long
done
mkdir -p "$deep"
echo deep >"$deep/file"
(
	cd odd || exit
	nl='new
line'
	echo 1 >"$nl"
	echo 2 >"$(printf 'bad\377utf8')"
	echo 3 >'-rf'
	echo 4 >' blank '
	echo 5 >'back\slash'
	echo 6 >"$(printf 'esc\033[31m')"
	echo 7 >'café'
	echo 8 >"${long%?????}12345"
	ln -s "$long/../$long/../$long" long-link
	mkfifo pipe
)
try 'odd names' tl-context odd
exits 0
says 'odd/pipe: left out (FIFO)'
is 'one line for it' "$(wc -l <err)" 1
mkdir odd.got
tar -xzf out -C odd.got
rm odd/pipe
ok 'names of any bytes, of 255, paths of 3500' diff -r --no-dereference odd \
    odd.got
try 'odd names listed' tl-context --list odd
exits 0
silent err
is 'a line each' "$(wc -l <out)" $((14 + 1 + 9))
holds '2	-	new\012line'
holds '2	-	bad\377utf8'
holds '2	-	back\134slash'
holds '2	-	esc\033[31m'
holds '2	-	café'
is 'no control character' "$(tr -d '\n\t' <out | tr -cd '\000-\037')" ''
try 'odd names with NULs' tl-context -l0 odd
exits 0
# shellcheck disable=SC2016
is 'names that lead to the files' "$(tr '\n\0' '\001\n' <out |
    sed 's/^[^	]*	[^	]*	//' | tr '\001' '\n' | grep -c .)" \
    $((14 + 1 + 9 + 1))
(cd odd && cut -zf3- ../out | LC_ALL=C sort -z -c && cut -zf3- ../out |
    xargs -0 stat -- >/dev/null) 2>log
is 'sorted, and each is there' $? 0

(cd "$deep" && mkdir "$long" && cd "$long" && mkdir "$long")
try 'a path over 4095 bytes' tl-context odd
exits 65
says 'longer than 4095 bytes'
silent out

# ---- what stays out

mkdir kinds
: >kinds/file
mkfifo kinds/fifo
python3 -c 'import socket
socket.socket(socket.AF_UNIX).bind("kinds/sock")'
try 'special files' tl-context kinds
exits 0
says 'kinds/fifo: left out (FIFO)'
says 'kinds/sock: left out (socket)'
is 'only the file' "$(tar -tzf out)" file
try 'special files listed' tl-context --list kinds
silent err
gives "-	FIFO	fifo
0	-	file
-	socket	sock"
echo fifo >kinds/.dockerignore
try 'one that is ignored is no surprise' tl-context kinds
is 'no warning' "$(cat err)" 'tl-context: kinds/sock: left out (socket)'

mkdir into
echo x >into/file
(cd into && tl-context . >out.tgz 2>err)
is 'the output is not in itself' "$(tar -tzf into/out.tgz) $(cat into/err)" \
    'err
file tl-context: out.tgz: left out (output)'

# ---- what is private stays out, whatever an ignore file says

mkdir -p own/build/deep own/marked own/.config/tl own/.local/state/tl \
    own/.local/state/tl-region own/region own/empty
for f in own/build/signed.json own/build/deep/x own/marked/.tl-private \
    own/marked/key own/.config/tl/token own/.local/state/tl/a.ledger \
    own/.local/state/tl-region/keys own/region/keys own/sandbox.json \
    own/ledger own/token own/kept; do
	echo secret >"$f"
done
printf '!build\n!marked/key\n!token\n!.config/tl/token\n' >own/.dockerignore
in_use () {
	HOME=$T/own TL_WORK=own/build TL_REGION_DIR=own/region \
	    TL_SANDBOX=own/sandbox.json TL_LEDGER=own/ledger \
	    TL_TOKEN_FILE=own/token "$@"
}
try 'private things' in_use tl-context own
exits 0
silent err
is 'private things: what is sent' "$(tar -tzf out | paste -sd' ')" \
    '.config/ .dockerignore .local/ .local/state/ empty/ kept'
try 'private things: the list' in_use tl-context --list own
gives '0	-	.config/
-	in use	.config/tl/
44	-	.dockerignore
0	-	.local/
0	-	.local/state/
-	in use	.local/state/tl-region/
-	in use	.local/state/tl/
-	in use	build/
0	-	empty/
7	-	kept
-	in use	ledger
-	.tl-private	marked/
-	in use	region/
-	in use	sandbox.json
-	in use	token'
ln -s build own/link
try 'a link to it' in_use tl-context own
is 'a link to it: is sent as a link' "$(tar -tvzf out link | sed 's/.* link/link/')" \
    'link -> build'
rm own/link
try 'their folders elsewhere' env XDG_CONFIG_HOME="$T/own/.config" \
    XDG_STATE_HOME="$T/own/.local/state" tl-context --list own
is 'their folders elsewhere' "$(grep -c 'in use' out)" 3
try 'a private folder as the context' tl-context own/marked
exits 65
silent out
says 'own/marked: holds .tl-private, so it is never sent; take another folder as the context'
try 'a build folder as the context' env TL_WORK=own/build tl-context own/build
exits 65
silent out
says 'own/build: this toolkit keeps keys in it, so it is never sent'
try 'a folder below one' env TL_WORK=own/build tl-context own/build/deep
exits 0
is 'a folder below one is sent' "$(tar -tzf out)" x
try 'the digest' in_use tl-context --digest one own
echo more >own/build/log
echo more >own/marked/log
try 'the digest, later' in_use tl-context --digest two own
is 'the digest does not see it' "$(cat one)" "$(cat two)"

# ---- the command line

try 'no such folder' tl-context absent
exits 66
says 'tl-context: absent: No such file'
silent out
try 'a file for a folder' tl-context outside
exits 66
says 'outside: Not a directory'
silent out
try 'no such Dockerfile' tl-context -f tree/Missing tree
exits 66
says 'tree/Missing: No such file'
silent out
try 'the Dockerfile names the folder' tl-context -f kinds/file --list
holds '	.dockerignore'
try 'two folders' tl-context tree kinds
exits 64
says 'usage: tl-context'
silent out
try '-0 without a list' tl-context -0 tree
exits 64
try 'an unknown option' tl-context --frobnicate
exits 64
silent out
try 'an unknown compressor' tl-context --gzip lzma tree
exits 64
says 'lzma'
try 'help' tl-context --help
exits 0
holds 'usage: tl-context'
silent err
try 'version' tl-context -V
exits 0
holds 'tl-context '
try 'verbose' tl-context -v kinds
says 'ignore file: kinds/.dockerignore'
says '2 entries of 5 bytes, 2 left out'

# ---- output that cannot be written

try 'a full disk' sh -c 'tl-context tree >/dev/full'
exits 74
says 'stdout: No space left'
try 'a full disk, listing' sh -c 'tl-context --list tree >/dev/full'
exits 74
try 'no stdout' sh -c 'tl-context tree >&-'
exits 74
says 'stdout: '
head -c 3000000 /dev/urandom >copy/random
try 'a reader that has enough' sh -c '
	{ tl-context copy; echo $? >code; } | head -c 10 >/dev/null'
is 'ends by SIGPIPE' "$(cat code)" 141
silent err
try 'with SIGPIPE ignored' sh -c '
	trap "" PIPE; { tl-context copy; echo $? >code; } | head -c 10 >&2'
is 'a failed write' "$(cat code)" 74

# ---- permissions, as someone who has to ask

if [ "$(id -u)" -eq 0 ]; then
	chmod 755 "$T"
	as () { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
else
	as () { "$@"; }
fi
mkdir -p locked/folder locked/heap
echo x >locked/a
echo x >locked/folder/f
echo x >locked/key
chmod 0 locked/key
try 'an unreadable file' as "$(command -v tl-context)" locked
exits 66
says 'locked/key: Permission denied'
silent out
is 'one line' "$(wc -l <err)" 1
try 'found by the list as well' as "$(command -v tl-context)" --list locked
exits 66
silent out
echo key >locked/.dockerignore
try 'ignored, it is in nobody'"'s way" as "$(command -v tl-context)" locked
exits 0
chmod 0 locked/folder
try 'an unreadable folder' as "$(command -v tl-context)" locked
exits 66
says 'locked/folder: Permission denied'
silent out
echo folder >>locked/.dockerignore
try 'ignored, it is not walked' as "$(command -v tl-context)" locked
exits 0
echo '!folder/x' >>locked/.dockerignore
try 'with an exception, it is' as "$(command -v tl-context)" locked
exits 66
chmod 755 locked/folder

# ---- what changes while it is read
#
# A first file that does not compress fills the pipe, so the program waits in
# a write, its list made and the rest unread, until we have changed something.

mkfifo slow
# race NAME CHANGE: run CHANGE in folder race in the middle of sending it
# shellcheck disable=SC2034
race () {
	rm -rf race
	mkdir -p race/sub
	head -c 1500000 /dev/urandom >race/a-big
	echo inside >race/sub/file
	echo second >race/z
	name=$1
	tl-context race >slow 2>err &
	pid=$!
	{
		head -c 1 >start
		(cd race && eval "$2")
		cat >rest
	} <slow
	wait "$pid"
	status=$?
}

race 'nothing changes' :
exits 0
ok 'it is whole' sh -c 'cat start rest | gzip -t'
race 'a folder becomes a link' 'mv sub ../sub.was; ln -s ../away sub'
exits 66
says 'race/sub/: no longer a folder'
is 'nothing of the link is sent' \
    "$(cat start rest | gzip -dc 2>/dev/null | grep -acx far)" 0
rm -rf sub.was
race 'a file becomes a link' 'rm sub/file; ln -s ../../outside sub/file'
exits 66
says 'race/sub/file: no longer a regular file'
is 'nothing of its target is sent' \
    "$(cat start rest | gzip -dc 2>/dev/null | grep -acx outside)" 0
race 'a file becomes a FIFO' 'rm z; mkfifo z'
exits 66
says 'race/z: no longer a regular file'
race 'a file becomes a folder' 'rm z; mkdir z'
exits 66
says 'race/z: no longer a regular file'
race 'a file vanishes' 'rm sub/file'
exits 66
says 'race/sub/file: No such file'
race 'a folder vanishes' 'rm -r sub'
exits 66
says 'race/sub/: No such file'
race 'a file shrinks' 'truncate -s 1000000 a-big'
exits 74
says 'race/a-big: shrank while it was read'
race 'a file grows' 'echo more >>a-big'
exits 0
is 'with the size first seen' \
    "$(cat start rest | tar -tvzf - | awk '/a-big/ { print $3 }')" 1500000
race 'a later file grows before it is opened' 'echo more >>z'
exits 0
is 'with the size at opening' \
    "$(cat start rest | tar -xzOf - z)" "$(printf 'second\nmore')"
race 'a file appears' ': >sub/new'
exits 0
is 'too late' "$(cat start rest | tar -tzf - | grep -c new)" 0

# A folder and a link swapped all the time: whenever it is looked at, the link
# is a link.
rm -rf race
mkdir -p race/sub
echo inside >race/sub/near
ln -s "$T/away" race/other
cat >swap.py <<'EOF'
import ctypes, os
libc = ctypes.CDLL(None)
while os.path.exists('race/sub'):
    libc.renameat2(-100, b'race/sub', -100, b'race/other', 2)
EOF
python3 swap.py 2>swap.err &
pid=$!
later "kill $pid 2>/dev/null"
i=0
: >all
while [ "$i" -lt 150 ]; do
	tl-context --list race >>all 2>>log
	tl-context race 2>>log | gzip -dc 2>>log >>all
	i=$((i + 1))
done
kill "$pid"
is 'swapped all the time: seen in both states' \
    "$(grep -aco -m 1 near all) $(cat swap.err)" '1 '
is 'nothing of the link in any' "$(grep -ac far all)" 0

# ---- what a list leaves out

rm -rf left
mkdir -p left/sub/deep left/whole
for f in a b keep sub/a sub/deep/a whole/a; do
	echo "$f" >"left/$f"
done
ln -s left/sub short
printf '%s\n' left/a left/b/ short/a "$T/left/whole" nowhere/a '' / . left \
    left/not-yet >list
printf '!a\n' >left/.dockerignore
TL_LEAVE_OUT=list
export TL_LEAVE_OUT
try 'a list' tl-context --list left
exits 0
gives '3	-	.dockerignore
-	TL_LEAVE_OUT	a
-	TL_LEAVE_OUT	b
5	-	keep
0	-	sub/
-	TL_LEAVE_OUT	sub/a
0	-	sub/deep/
11	-	sub/deep/a
-	TL_LEAVE_OUT	whole/'
try 'is no surprise' tl-context --digest list.1 left
exits 0
silent err
is 'what is left' "$(tar -tzf out | paste -sd' ')" \
    '.dockerignore keep sub/ sub/deep/ sub/deep/a'
rm left/a
ln -s nowhere left/b.new
mv left/b.new left/b
echo new >left/sub/a
mkdir left/not-yet
tl-context --list --digest list.2 left >out
ok 'what is left out may change' cmp list.1 list.2
printf 'left/keep' >list
tl-context --list left >out
is 'a list without a last line end' "$(grep -c 'TL_LEAVE_OUT	keep' out)" 1
: >list
try 'an empty list' tl-context --list left
is 'leaves nothing out' "$(grep -c TL_LEAVE out)" 0
try 'a list that is not there' env TL_LEAVE_OUT=no.list tl-context --list left
exits 66
says 'no.list: No such file'
silent out
TL_LEAVE_OUT=''
try 'no list' tl-context --list left
exits 0
unset TL_LEAVE_OUT

# ---- the digest of what goes in

rm -rf sum
mkdir -p sum/sub
echo one >sum/file
echo two >sum/sub/file
ln -s ../away/far sum/link
printf 'out\n**/*.o\n' >sum/.dockerignore
touch -h -d '2026-01-01 00:00:00.5' sum/file sum/sub/file sum/link
tl-context --digest sum.1 sum >sum.tar.gz
is 'a digest is for nobody else' "$(stat -c %a sum.1)" 600
is 'it is one line' "$(grep -c '^[0-9a-f]\{32\}$' sum.1) $(wc -c <sum.1)" '1 33'
tl-context --digest sum.2 sum >out
ok 'the same tree, the same digest' cmp sum.1 sum.2
tl-context --digest sum.2 --gzip zlib sum >out
ok 'another compressor, the same digest' cmp sum.1 sum.2
try 'a list has it, too' tl-context --list --digest sum.2 sum
exits 0
holds '4	-	sub/file'
ok 'the same digest' cmp sum.1 sum.2

# noticed NAME 1|0 CHANGE: whether the change is seen; and it is undone
noticed () {
	rm -rf was
	cp -a sum was
	(cd sum && eval "$3")
	tl-context --list --digest sum.2 sum >log
	cmp -s sum.1 sum.2
	is "a digest, $1" "$?" "$2"
	rm -rf sum
	mv was sum
}
noticed 'bytes' 1 'echo 1ne >file; touch -d "2026-01-01 00:00:00.5" file'
noticed 'a time' 1 'touch file'
noticed 'an older time' 1 'touch -d 2001-01-01 file'
noticed 'a time within the second' 0 'touch -d "2026-01-01 00:00:00.7" file'
noticed 'a mode' 1 'chmod +x file'
noticed "a folder's mode" 1 'chmod 700 sub'
noticed 'a file more' 1 ': >new'
noticed 'a file less' 1 'rm sub/file'
noticed 'a folder more' 1 'mkdir new'
noticed 'a new name' 1 'mv file elif'
noticed 'a file in another folder' 1 'mv sub/file sub2; rm -r sub'
noticed "a link's target" 1 'ln -sfn elif link
    touch -h -d "2026-01-01 00:00:00.5" link'
noticed 'what a link points to' 0 'echo further >../away/far'
noticed 'the ignore file' 1 'echo "# more" >>.dockerignore'
noticed 'a file that stays out' 0 ': >out; : >sub/a.o'
noticed "a folder's time" 0 'touch sub'
noticed 'a FIFO' 0 'mkfifo sub/fifo'
tl-context --digest sum/digest sum >out
tl-context --digest sum/digest sum >out
ok 'the digest is not in itself' cmp sum.1 sum/digest
rm sum/digest
SOURCE_DATE_EPOCH=1 tl-context --list --digest sum.2 sum >out
SOURCE_DATE_EPOCH=1 tl-context --digest sum.3 sum >out
is 'no time is later than SOURCE_DATE_EPOCH' \
    "$(cmp sum.2 sum.3 2>&1; cmp -s sum.1 sum.2; echo $?)" 1

touch -d 2001-01-01 sum.1
tl-context --digest sum.1 sum >out
is 'a digest that is there keeps its time' "$(stat -c %Y sum.1)" \
    "$(date -d 2001-01-01 +%s)"
echo three >sum/file
tl-context --list --digest sum.1 sum >out
ok 'another tree, another time' test sum.1 -nt sum.2
ok 'and another digest' sh -c '! cmp -s sum.1 sum.2'
rm sum.1
try 'an archive that cannot be written' sh -c \
    'tl-context --digest sum.1 sum >/dev/full'
exits 74
ok 'it has no digest' test ! -e sum.1
try 'a list that cannot be written' sh -c \
    'tl-context --list --digest sum.1 sum >/dev/full'
exits 74
ok 'has none, either' test ! -e sum.1
try 'a digest that cannot be written' tl-context --digest no/where sum
exits 73
try 'a digest that is a folder' tl-context --list --digest sum/sub sum
exits 74

# Files that a disk must be waited for are read side by side.
shim=${TL_PRELOAD:-$TL_BIN/../preload}/disk.so
if [ -n "${TL_ASAN-}" ] || [ ! -e "$shim" ]; then
	echo '# no reading that waits: not tried'
else
	mkdir -p disk/d disk/e
	for i in 1 2 3 4 5 6 7 8 9; do
		for j in 1 2 3 4 5; do
			echo $i$j >disk/d/$i$j
			echo $i$j >disk/e/$i$j
		done
	done
	head -c 300000 /dev/zero >disk/d/large
	tl-context -q disk >plain
	try 'from a disk' sh -c "LD_PRELOAD='$shim' TL_TOLD=told \
	    exec tl-context -q disk >waited"
	exits 0
	ok 'the same is sent' cmp waited plain
	is 'each small file is told of once' "$(sort told | uniq -d)" ''
	ok 'most are' test "$(wc -l <told)" -gt 80
	is 'no large one is' "$(grep -c large told)" 0
fi

lists tl-context.1
