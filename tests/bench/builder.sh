#!/bin/sh
# The builder alone: a context of 600 MB in 25,000 files COPYed and uploaded to
# tl-stored, against tar piped to zstd -1; and the most disk that it takes, by
# the size of the image; then with a cache, when only the last line has changed.
# TL_BENCH_FILES of 24,000 bytes each, one run.

set -eu
: "${TL_BIN:?run me through make bench}"
files=${TL_BENCH_FILES:-25000}
if [ "$(id -u)" -ne 0 ] || ! command -v buildah >/dev/null ||
    ! command -v zstd >/dev/null; then
	echo 'builder  skipped: it wants root, buildah and zstd'
	exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/tl-bench.XXXXXX")
stored='' watch=''
finish () {
	[ -z "$watch" ] || kill "$watch" 2>/dev/null || :
	[ -z "$stored" ] || kill "$stored" 2>/dev/null || :
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM
PATH=$TL_BIN:$PATH:/usr/sbin:/sbin
# finish ends the store.
later () { :; }
bench=$(cd "${0%/*}" && pwd)
. "$bench/../store.sh"
cd "$work"

store
mkdir storage out
/usr/bin/python3 "$bench/files.py" ctx "$files"
printf 'FROM scratch\nCOPY . /app/\n' >Dockerfile
spec () {
	printf '{"rel_path":"projects/p/sandbox-template-builds/b.tlsnap","op":%s}' \
	    '{"kind":"multipart_put","parts":160,"part_size_bytes":67108864}' |
	    tl-presign --config signer.conf --project p >block
	jq -cn --rawfile d Dockerfile --slurpfile up block --arg c "$work/ctx" \
	    '{buildId: "b", snapshotId: "s", rootfsNodeKind: "base",
	    dockerfile: $d, contextDir: $c, baseImage: "scratch",
	    rootfsDiskBytes: 10737418240, upload: $up[0]}' >spec.json
}
spec

now () { date +%s%N; }
start=$(now)
tar -cf - ctx | zstd -q -1 >tar.zst
plain=$(($(now) - start))
rm tar.zst
size=$(du -sk ctx | cut -f 1)
# Its own names come and go while it is counted.
while sleep 0.3; do
	{ du -skc storage out 2>/dev/null || :; } | tail -n 1 >>disk
done &
watch=$!
start=$(now)
tl-rootfs-build -s spec.json -m out/metadata.json -S "$work/storage" >log
took=$(($(now) - start))
kill "$watch"
watch=
most=$(sort -n disk | tail -n 1 | cut -f 1)
echo "$took $plain $size $most $files" | awk '{
	printf "builder  %d files, %d MB %8.2f s   %.2fx of tar | zstd -1, %.2f s\n",
	    $5, $3 / 1024, $1 / 1e9, $1 / $2, $2 / 1e9
	printf "builder    its disk      %8d MB  %.2f N\n", $4 / 1024, $4 / $3 }'

# As buildah's layers are on an overlay, or there is no cache.
for line in one two; do
	printf 'FROM scratch\nCOPY . /app/\nCOPY 000/0 /%s\n' "$line" \
	    >Dockerfile
	spec
	start=$(now)
	tl-rootfs-build -s spec.json -m out/metadata.json \
	    -S "$work/storage" -C "$work/cache" >log
	took=$(($(now) - start))
	echo "$took $(grep -c 'Using cache' log || :)"
done >cached
paste -sd' ' cached | awk '{
	if ($4 == 0)
		print "builder    skipped: a cache wants containers-storage"
	else
		printf "builder    with a cache  %8.2f s, its last line changed %.2f s\n",
		    $1 / 1e9, $3 / 1e9 }'
