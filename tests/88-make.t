#!/bin/sh
# tl.mk: images as targets of make, two at once, again only when they must

. "${0%/*}/lib.sh"
. "$here/region.sh"

region
cp -R "$here/data/make" images
cd images || exit 1
unset MAKEFLAGS MFLAGS MAKELEVEL
make_ () {
	make -s "TL_MK=$here/../scripts/tl.mk" "$@" >"$T/out" 2>"$T/err"
	status=$?
}
name='make -j2'
make_ -j2
cd "$T" || exit 1
exits 0
is 'both are registered, by their names' \
    "$(jq -r .name images/*.template.json | paste -sd' ')" 'left right'
is 'no folder of a build is left' "$(ls -A images/.tl)" ''
nothing_left 'make'
before=$(jq -r .snapshotUri images/left.template.json)
right=$(jq -r .snapshotUri images/right.template.json)
cd images && make_
is 'nothing changed: nothing is built' "$(jq -r .snapshotUri left.template.json)" \
    "$before"
sleep 1
echo changed >left/mark
make_
cd "$T" || exit 1
name='a file of a context changed'
exits 0
is 'one image is built again' \
    "$([ "$(jq -r .snapshotUri images/left.template.json)" != "$before" ] && echo yes)" \
    yes
is 'the other is not' "$(jq -r .snapshotUri images/right.template.json)" "$right"

echo 'FROM no.such.invalid/x' >images/left/Dockerfile
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

# --- a name in a context is never code

mkdir -p names/web
echo 'FROM busybox' >names/web/Dockerfile
: >names/web/a
# shellcheck disable=SC2016
printf 'include %s\nweb.template.json: web/Dockerfile $(call tl-context,web)\n' \
    "$here/../scripts/tl.mk" >names/Makefile
cd names || exit 1
# shellcheck disable=SC2016,SC1003
for mark in ';id>pwned' ':;id>pwned' '$(shell id>pwned)' '`id>pwned`' '|id>pwned' \
    '
	id>pwned' '=$(shell id>pwned)' '&id>pwned' "'id>pwned'" '#' '%' '*' '?' \
    '\' ' '; do
	: >"web/a$mark"
	make_ TL_BUILD=false -n web.template.json
	is "a name stops nothing: a$mark" "$status" 0
	make_ TL_BUILD=false web.template.json
	is 'and is not code' "$(ls)" 'Makefile
web'
	rm "web/a$mark"
	rm -rf .tl
done
cd "$T" || exit 1
rm -rf names

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
is 'is built of its own Dockerfile' "$(grep -c 'echo b' err)" 1
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
