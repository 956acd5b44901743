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
