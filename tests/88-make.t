#!/bin/sh
# tl.mk: images as targets of make, two at once, again only when they must

. "${0%/*}/lib.sh"
. "$here/region.sh"

make_ () {
	make -s "TL_MK=$here/../scripts/tl.mk" "$@" >"$T/out" 2>"$T/err"
	status=$?
}

# --- when an image is due, with a build that only sends and says so

cat >stub <<'END'
#!/bin/sh
# What tl.mk wants of tl-build: its folder, and the digest of what is sent.
if [ "$1" = --resume ]; then
	[ ! -e "$2/template.json" ] || exit 0
	eval "set -- $(cat "$2/command")"
fi
while [ "$#" -gt 0 ]; do
	case $1 in
	-n|--label) name=$2; shift ;;
	--work) TL_WORK=$2; shift ;;
	--public) public=--public ;;
	--if-changed) ;;
	--state) shift ;;
	*) break ;;
	esac
	shift
done
export TL_WORK
echo "$name: ${public+$public }$*" >>"$STUB/built"
echo "-n '$name' --work '$TL_WORK' '$1' ${2+"'$2'"}" >"$TL_WORK/command"
echo "log of $$" >>"$TL_WORK/log"
touch "$TL_WORK/.tl-private"
[ ! -e "$STUB/meanwhile" ] || . "$STUB/meanwhile"
tl-context --digest "$TL_WORK/context.digest" -f "$1" ${2+"$2"} \
    >"$TL_WORK/context" || exit
tar -tzf "$TL_WORK/context" >"$STUB/sent"
[ ! -e "$STUB/after" ] || . "$STUB/after"
echo "{\"name\":\"$name\",\"n\":$$}" >"$TL_WORK/template.json"
END
chmod +x stub
STUB=$T TL_BUILD=$T/stub
export STUB TL_BUILD

# due NAME N [ARG...]: make builds so many, as -q knows before, and then none
due () {
	name=$1 wanted=$2
	shift 2
	: >"$T/built"
	make_ -q "$@"
	knew=$status
	make_ "$@"
	is "$name: $wanted due" "$status, -q $knew, $(wc -l <"$T/built")" \
	    "0, -q $((wanted > 0)), $wanted"
	mv "$T/built" "$T/once"
	: >"$T/built"
	make_ "$@"
	make_ -q "$@"
	cp "$T/built" "$T/twice"
	is "$name: then none" "$status $(cat "$T/built")" '0 '
}

mkdir -p one/web/sub one/web/lib
cd one || exit 1
cat >Makefile <<'END'
include $(TL_MK)
web.template.json: web/Dockerfile $(call tl-context,web)
END
echo 'FROM busybox' >web/Dockerfile
for f in mark gone moved sub/gone tool older lib/odd.o; do
	echo "$f" >"web/$f"
done
printf '%s\n' '*.log' 'lib/*.o' >web/.dockerignore
echo log >web/a.log
echo old >older
touch -d '2001-01-01' older web/older
ln -s mark web/link
due 'the first time' 1
due 'nothing' 0
touch Makefile
due 'what is elsewhere' 0
rm web/gone
due 'a file deleted at the top' 1
rm web/sub/gone
due 'a file deleted below' 1
mv web/moved web/here
due 'a file renamed' 1
chmod +x web/tool
due 'a mode' 1
cp -p older web/mark
due 'a file replaced by an older one' 1
ln -sfn older web/link
due 'a link to an older file' 1
ln -s nowhere web/dangling
due 'a link to nothing' 1
ln -sfn elsewhere web/dangling
due 'a link to something else that is not there' 1
mkdir web/empty
due 'a folder' 1
rmdir web/empty
due 'a folder less' 1
touch web/Dockerfile
due 'the Dockerfile' 1
echo '# but' >>web/.dockerignore
due 'the ignore file' 1
echo more >>web/a.log
due 'an ignored file changed' 0
touch web/b.log web/lib/new.o
rm web/lib/odd.o
due 'ignored files that come and go' 0
echo '!a.log' >>web/.dockerignore
due 'a file let in' 1
touch -d '2001-01-01' web/a.log
due 'and touched' 1
mkfifo web/fifo
due 'what is not sent' 0
touch -r web/mark stamp
echo same >web/mark
due 'bytes' 1
cp web/mark copy
cp copy web/mark
touch -d '2001-01-01' web/mark
due 'a time' 1
echo emas >web/mark
touch -d '2001-01-01' web/mark
due 'bytes, with size and time as before' 1
rm web.template.json
due 'no target' 1
mv web/mark hidden
mv hidden web/mark
due 'back again' 0
touch web/new
make_ -n
is 'make -n builds nothing' \
    "$status $(cat "$T/built") $(grep -c stub "$T/out")" '0  1'
due 'and forgets nothing' 1

# --- names: none is code, none stops anything, a change of each is seen

: >web/a
# shellcheck disable=SC2016,SC1003
for mark in ';id>pwned' ':;id>pwned' '$(shell id>pwned)' '`id>pwned`' \
    '|id>pwned' '
	id>pwned' '=$(shell id>pwned)' '&id>pwned' "'id>pwned'" \
    '"id>pwned"' '#' '%' '*' '?' '[a]' '\' '\\' ' ' '	' ' a' '::b.3pm' '(b)' '~' '$$' '$@' \
    "$(printf '\377')" ' \'; do
	: >"web/a$mark"
	due "a$mark" 1
	rm "web/a$mark"
	due "no a$mark" 1
done
is 'nothing was run' "$(find . -name '*pwned*')" ''
cd "$T" || exit 1

# --- a context with the Makefile, its targets and its work folder in it

mkdir -p dot/out dot/lib
cd dot || exit 1
cat >Makefile <<'END'
include $(TL_MK)
all: a.template.json out/b.template.json a.plan.json
a.template.json: Dockerfile $(call tl-context,.)
out/b.template.json: b.Dockerfile $(call tl-context,.)
a.plan.json: Dockerfile
END
for f in Dockerfile b.Dockerfile lib/file; do
	echo 'FROM busybox' >"$f"
done
due 'context .' 2 -j2
is 'what of it is sent' "$(paste -sd' ' "$T/sent")" \
    'Dockerfile Makefile b.Dockerfile lib/ lib/file out/'
due 'context ., again' 0 -j2
touch -d '2001-01-01' lib/file
due 'context ., a file of it' 2 -j2
rm a.template.json
due 'context ., a target less' 1
echo x >a.template.json.part
mkdir .tl/more
due 'context ., what is left of an earlier make' 0
rm -rf .tl
due 'context ., no work folder' 2 -j2
echo 'exit 1' >"$T/meanwhile"
touch -d '2001-01-02' lib/file
: >"$T/built"
make_ -k
is 'two that fail' "$status $(sort "$T/built" | paste -sd' ')" \
    '2 a: Dockerfile . b: b.Dockerfile .'
touch -r .tl/..context "$T/stamp"
make_ -k
is 'what they leave changes nothing' \
    "$(find .tl/..context -newer "$T/stamp")" ''
rm "$T/meanwhile"
due 'they are taken up' 2 -j2
cd "$T" || exit 1

# --- what changes while make is at work

mkdir -p busy/web/sub
cd busy || exit 1
cat >Makefile <<'END'
include $(TL_MK)
all: web.template.json too.template.json
%.template.json: web/made
web.template.json: web/Dockerfile $(call tl-context,web)
too.template.json: web/Dockerfile $(call tl-context,web)
web.template.json too.template.json: web/made
web/made: source
	cp source web/made
END
echo 'FROM busybox' >web/Dockerfile
echo one >source
due 'a file that is made first' 2
echo two >source
due 'and made again' 2
echo three >source
due 'and with two at once' 2 -j2
echo 'echo late >>web/sub/late' >"$T/after"
touch -d '2001-01-01' web/Dockerfile
make_ web.template.json
rm "$T/after"
due 'what changed after it was sent' 2
echo 'echo soon >>web/sub/soon' >"$T/meanwhile"
touch -d '2001-01-02' web/Dockerfile
make_ web.template.json
rm "$T/meanwhile"
due 'what changed before it was sent' 1
is 'for the other one' "$(cut -d: -f1 "$T/once")" too
echo 'echo soon >>web/sub/soon' >"$T/meanwhile"
echo 'echo late >>web/sub/late' >"$T/after"
touch -d '2001-01-03' web/Dockerfile
make_ web.template.json
rm "$T/meanwhile" "$T/after"
due 'what changed before and after' 2
cd "$T" || exit 1

# --- contexts that cannot be read (yet), of odd names, more than one of them

mkdir later
cd later || exit 1
cat >Makefile <<'END'
include $(TL_MK)
web.template.json: web/Dockerfile $(call tl-context,web)
web/Dockerfile:
	mkdir -p web && echo FROM busybox >$@
END
due 'a context that is made first' 1
touch -d '2001-01-01' web/Dockerfile
due 'and changes' 1
ln -s nowhere web/.dockerignore
make_ -q
is 'an ignore file that cannot be read: is due' "$status" 1
make_
is 'and the build says why' \
    "$status $(grep -c 'a link to nothing' "$T/err")" '2 1'
rm web/.dockerignore
due 'and without it' 0
make_ TL_CONTEXT=/no/such
is 'no tl-context: is due, and says why' \
    "$status $(grep -c '/no/such\|that will build it again' "$T/err")" '0 2'
due 'with a tl-context' 0
cat >Makefile <<'END'
include $(TL_MK)
web.template.json: web/Dockerfile $(call tl-context,$(DIR))
END
# shellcheck disable=SC2016
for dir in 'a b' ' a	b' 'a:b' 'a;id' 'a|b' 'a*' 'a%b' 'a$$b' 'a#b' 'a\\b'; do
	make_ DIR="$dir"
	is "the context $dir: an error" \
	    "$status $(grep -c 'make cannot have .* in a name' "$T/err")" '2 1'
done
for dir in "it's" '"q"' 'a&b' '-v' 'a(b)' 'caf\303\251' 'a@b' '!x'; do
	dir=$(printf %b "$dir")
	mkdir -- "./$dir"
	echo FROM busybox >"./$dir/Dockerfile"
	cat >Makefile <<END
include \$(TL_MK)
out/$dir.template.json: $dir/Dockerfile \$(call tl-context,$dir)
END
	mkdir -p out
	due "the context $dir" 1
	: >"./$dir/new"
	due "the context $dir, changed" 1
	is 'by its name' "$(sed 's,\./,,g' "$T/once")" \
	    "$dir: $dir/Dockerfile $dir"
done
mkdir -p a/b a@-b a@b
echo FROM busybox >a/b/Dockerfile
cp a/b/Dockerfile a@-b
cp a/b/Dockerfile a@b
ln -s "$PWD/a" far
cat >Makefile <<'END'
include $(TL_MK)
all: 1.template.json 2.template.json 3.template.json 4.template.json \
    5.template.json
1.template.json: a/b/Dockerfile $(call tl-context,a/b/)
2.template.json: a@-b/Dockerfile $(call tl-context, a@-b )
3.template.json: $(call tl-context,$(CURDIR)/far/b) far/b/Dockerfile
4.template.json: far/b/Dockerfile
5.template.json: a@b/Dockerfile $(call tl-context,a@b)
END
due 'folders below others' 5
touch a/b/new
due 'one of them changed' 2
is 'those that have it' "$(cut -d: -f1 "$T/once" | paste -sd' ')" '1 3'
touch a@-b/new
due 'another' 1
cd "$T" || exit 1

mkdir -p more/web more/lib
cd more || exit 1
cat >Makefile <<'END'
include $(TL_MK)
web.template.json: Web $(call tl-context,web)
END
echo FROM busybox >Web
touch web/file lib/file lib/other
due 'a Dockerfile that is elsewhere' 1
is 'the context is the one that is named' \
    "$(cat "$T/once" "$T/sent")" 'web: Web web
file'
echo file >Web.dockerignore
make_ -B
# shellcheck disable=SC2016
is 'with an ignore file of its own: it must be named' "$status $(grep -c \
    'another ignore file counts for Web: write $(call tl-context,web,Web)' \
    "$T/err")" '2 1'
sed -i 's/,web/,web,Web/' Makefile
due 'and is then' 1
touch -d '2001-01-01' web/file
due 'what it leaves out' 0
echo lib/other >Web.dockerignore
due 'another' 1
# shellcheck disable=SC2016
echo 'web.template.json: $(call tl-context,lib)' >>Makefile
due 'two contexts' 1
is 'the one of its Dockerfile is the context' "$(cat "$T/once")" 'web: Web web'
rm lib/file
due 'the other has changed' 1
sed -i 's/,web,Web/,web/' Makefile
rm Web.dockerignore
make_
is 'two of which none is named' \
    "$status $(grep -c 'which is its context' "$T/err")" '2 1'
# shellcheck disable=SC2016
echo 'lib.template.json: $(call tl-context,lib)' >>Makefile
make_ lib.template.json
is 'no Dockerfile' "$status $(grep -c 'needs its Dockerfile' "$T/err")" '2 1'
cd "$T" || exit 1

# --- what an earlier make has left

mkdir -p left/web
cd left || exit 1
cat >Makefile <<'END'
include $(TL_MK)
out/web.template.json: web/Dockerfile $(call tl-context,web)
END
echo FROM busybox >web/Dockerfile
make_
is 'no folder for the target' "$status $(ls -A .tl)" '2 .tl-private
out%web
targets
web.context'
mkdir out
: >"$T/built"
make_
is 'the image is there: it is taken' "$status $(cat "$T/built") $(ls out)" \
    '0  web.template.json'
rm -r out
touch web/new
make_
mkdir out
touch web/newer
due 'the image is there, of another context' 1
echo 'exit 1' >"$T/meanwhile"
touch web/newest
make_
rm "$T/meanwhile"
due 'other options' 1 TL_BUILD_FLAGS=--public
is 'it is not the one that failed' "$(cat "$T/once")" \
    'web: --public web/Dockerfile web'
cd "$T" || exit 1

# --- whatever else a Makefile says

mkdir -p says/web
echo FROM busybox >says/web/Dockerfile
cd says || exit 1
makefile () {
	cat >Makefile <<'END'
include $(TL_MK)
web.template.json: web/Dockerfile $(call tl-context,web)
END
	printf '%b\n' "$1" >>Makefile
	rm -rf .tl w web/tl web.template.json
}
# shellcheck disable=SC2016
for says in '.ONESHELL:' '.ONESHELL:\nSHELL = /bin/bash' 'SHELL = /bin/bash' \
    '.SHELLFLAGS = -euc' 'SHELL = /bin/bash\n.SHELLFLAGS = -euo pipefail -c' \
    '.DELETE_ON_ERROR:' '.SECONDEXPANSION:' '.POSIX:' '.SUFFIXES:' '.SILENT:' \
    '.NOTPARALLEL:' 'MAKEFLAGS += -rR' \
    'MAKEFLAGS += --warn-undefined-variables' \
    'export TL_WORK TL_BUILD TL_NAME' 'unexport TL_WORK' \
    'export SOURCE_DATE_EPOCH := 1000' \
    'web.template.json: export SOURCE_DATE_EPOCH = 1000' \
    'export PATH := /usr/bin:$(PATH)' 'TL_WORK = web/tl' \
    'TL_WORK = $(CURDIR)/w' \
    'TL_WORK = ../says/.tl' 'TL_NAME = my image' 'export' \
    '.ONESHELL:\n.SHELLFLAGS = -c -- '; do
	makefile "$says"
	due "$says" 1 -j2
	is "$says: silently" "$(cat "$T/out" "$T/err")" ''
	touch web/new
	due "$says, a change" 1
	rm web/new
done
makefile '.ONESHELL:'
make_ TL_BUILD=false
is '.ONESHELL: what fails has failed' "$status $(ls)" '2 Makefile
web'
makefile 'TL_WORK = web'
make_
is 'the context as the work folder' "$status $(ls -A web)" '2 Dockerfile'
cd "$T" || exit 1

# --- installed elsewhere

is 'make install' "$(make -s -C "$here/.." install B="${TL_BIN%/bin}" \
    DESTDIR="$T/inst" PREFIX=/opt/tl 2>&1)" ''
there=$T/inst/opt/tl/share
is 'nothing speaks of another place' \
    "$(grep -rl '/usr/local/share' "$there")" ''
is 'but of this one' "$(grep -rho '/opt/tl/share/.*' "$there" | sort -u)" \
    '/opt/tl/share/tl/tl.mk
/opt/tl/share/tl/tl.mk ,'
cd says || exit 1
makefile ''
due 'with what is there' 1 "TL_MK=$there/tl/tl.mk"
cd "$T" || exit 1
rm -rf inst

# --- with a region: two at once

unset TL_BUILD
region
cp -R "$here/data/make" images
cd images || exit 1
name='make -j2'
make_ -j2
cd "$T" || exit 1
exits 0
is 'each line says of which' "$(grep -vc -e '^left: ' -e '^right: ' err)" 0
is 'both are registered, by their names' \
    "$(jq -r .name images/*.template.json | paste -sd' ')" 'left right'
is 'no folder of a build is left' "$(find images/.tl -mindepth 1 -type d)" ''
nothing_left 'make'
before=$(jq -r .snapshotUri images/left.template.json)
right=$(jq -r .snapshotUri images/right.template.json)
cd images && make_
is 'nothing changed: nothing is built' "$(jq -r .snapshotUri left.template.json)" \
    "$before"
echo changed >left/mark
make_
cd "$T" || exit 1
name='a file of a context changed'
exits 0
is 'one image is built again' \
    "$([ "$(jq -r .snapshotUri images/left.template.json)" != "$before" ] && echo yes)" \
    yes
is 'the other is not' "$(jq -r .snapshotUri images/right.template.json)" "$right"

echo 'FROM 127.0.0.1:9/x' >images/left/Dockerfile
cd images && make_
cd "$T" || exit 1
is 'a build that fails is a target that fails' "$((status != 0))" 1
printf 'FROM busybox\nCOPY mark /mark\n' >images/left/Dockerfile
cd images && make_
cd "$T" || exit 1
name='and is taken up again'
exits 0
says 'the plan has changed'
nothing_left 'taken up again'

# --- two targets of one name, and another build for a target

mkdir -p two/a two/b
printf 'FROM busybox\nRUN false\n' >two/a/Dockerfile
printf 'FROM busybox\nRUN echo b >/b\n' >two/b/Dockerfile
cat >two/Makefile <<'END'
include $(TL_MK)
a/web.template.json: a/Dockerfile
b/web.template.json: b/Dockerfile
../web.template.json: $(or $(FROM),a)/Dockerfile
END
touch web
cd two && make_ a/web.template.json
make_ b/web.template.json
cd "$T" || exit 1
name='a target whose namesake has failed'
exits 0
is 'is built of its own Dockerfile' "$(grep -q 'echo b' err && echo it)" it
rm two/b/web.template.json
sed -i 's/RUN false/RUN true/' two/a/Dockerfile
cd two && make_ a/web.template.json b/web.template.json
cd "$T" || exit 1
name='two of one name'
exits 2
says 'would both be the image web'
cd two && make_ ../web.template.json TL_BUILD_FLAGS=--bad
make_ ../web.template.json FROM=b TL_BUILD_FLAGS='--disk-mb 20480'
cd "$T" || exit 1
name='another Dockerfile, other options'
exits 0
is 'those count' "$(jq -r .rootfsDiskBytes web.template.json)" 21474836480
is 'a neighbour stays' "$(ls web)" web
rm -rf two web web.template.json

# --- a context with all of this in it, whose build is taken up again

mkdir all
printf 'FROM busybox\nCOPY . /all\nRUN test -e /all/let\n' >all/Dockerfile
# shellcheck disable=SC2016
printf 'include %s\nall.template.json: Dockerfile $(call tl-context,.)\n' \
    "$here/../scripts/tl.mk" >all/Makefile
cd all && make_
is 'the builder fails' "$((status != 0))" 1
make_
cd "$T" || exit 1
is 'taken up again, its log is no change' \
    "$(grep -c 'prepare: is there' err) $(grep -c 'context has' err)" '1 0'
touch all/let
cd all && make_
cd "$T" || exit 1
name='taken up with what it lacked'
exits 0
says 'the context has changed'
cd all && make_ -q
cd "$T" || exit 1
is 'and then at rest' "$status" 0
is 'nothing of the build is in the image' "$(ls -A all)" '.tl
Dockerfile
Makefile
all.template.json
let'
nothing_left 'a context with its own build'
rm -rf all

# --- make is told to end

for signal in TERM INT; do
	printf 'FROM busybox\nCOPY mark /mark\nRUN sleep 987\n' \
	    >images/left/Dockerfile
	touch images/right/Dockerfile
	(cd images && exec env --default-signal make -s -j2 \
	    "TL_MK=$here/../scripts/tl.mk") >out 2>err &
	make=$!
	i=0
	until pgrep -f '^sleep 987' >/dev/null || [ "$i" -gt 600 ]; do
		i=$((i + 1))
		sleep 0.05
	done
	# A terminal's SIGINT reaches all.
	if [ "$signal" = INT ]; then
		pkill -INT -P "$make"
	fi
	kill "-$signal" "$make"
	wait "$make" 2>/dev/null
	is "make and $signal: fails" "$(($? != 0))" 1
	is "make and $signal: the builds have ended" \
	    "$(pgrep -f "tl-build.*$T/images" || pgrep -f '^sleep 987')" ''
	nothing_left "make and $signal"
	is "make and $signal: no half a template" "$(jq -r .name \
	    images/left.template.json)" left
done
printf 'FROM busybox\nCOPY mark /mark\n' >images/left/Dockerfile
cd images && make_
cd "$T" || exit 1
name='and once more'
exits 0
nothing_left 'at the end'
