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
nothing_left 'at the end'
