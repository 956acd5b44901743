#!/bin/sh
# Ten builds in a row leave no process, mount, socket, folder or open upload
# behind; two at once do not mix

. "${0%/*}/lib.sh"
. "$here/region.sh"

region
before=$(find "$T" -type s | wc -l)
descriptors () {
	for name in platformd sandboxd dataplaned stored; do
		find "/proc/$(cat "$TL_REGION_DIR/run/$name.pid")/fd" \
		    -mindepth 1 | wc -l
	done | paste -sd' '
}
i=0
while [ "$i" -lt 10 ]; do
	i=$((i + 1))
	try "build $i" tl-build -n "image-$i" "$here/data/scratch/Dockerfile"
	exits 0
	[ "$i" -ne 1 ] || fds=$(descriptors)
done
nothing_left 'ten builds'
is 'no socket more' "$(find "$T" -type s | wc -l)" "$before"
sleep 0.2
is 'no descriptor more in the daemons' "$(descriptors)" "$fds"
is 'no folder of a build' "$(find "$HOME/.local/state/tl" -mindepth 1 ! -name .tl-private)" ''

for side in left right; do
	mkdir "$side"
	printf 'FROM busybox\nCOPY mark /mark\nRUN cat /mark >/made\n' \
	    >"$side/Dockerfile"
	echo "$side" >"$side/mark"
done
tl-build -n left left/Dockerfile >left.json 2>left.err &
one=$!
tl-build -n right right/Dockerfile >right.json 2>right.err &
two=$!
wait "$one"
is 'two at once: the first' "$? $(jq -r .name left.json)" '0 left'
wait "$two"
is 'two at once: the second' "$? $(jq -r .name right.json)" '0 right'
[ -s right.json ] || cat right.err >&2
is 'two at once: two snapshots' "$(jq -r .snapshotUri left.json right.json |
    sort -u | wc -l)" 2
nothing_left 'two at once'
