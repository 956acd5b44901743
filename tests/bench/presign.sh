#!/bin/sh
# 10,000 part URLs: tl-presign against cat of its own output, each through a
# pipe to another cat, and against botocore, which signs a few hundred.
#
# Each is run TL_BENCH_RUNS times (default 20) and the best run counts.  The
# time of a URL is what 10,000 parts cost more than one, written to /dev/null.

set -eu
: "${TL_BIN:?run me through make bench}" "${TL_BENCH:?}"
runs=${TL_BENCH_RUNS:-20}
data=$(cd "${0%/*}/../data" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/tl-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work"
umask 077

cat >conf <<'EOF'
bucket = region-bucket
endpoint = http://127.0.0.1:4567
access_key = AKIDEXAMPLE
secret_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
EOF
key=projects/proj_1/sandbox-template-builds/sandbox_template_build_7Qm2/snap_91c0.tlsnap
id=0123456789abcdef0123456789abcdef
t=2026-06-01T00:00:00Z
for n in 1 10000; do
	printf '{"rel_path":"%s","op":{"kind":"multipart_put","parts":%d,' \
	    "$key" $n >request.$n
	echo '"part_size_bytes":67108864}}' >>request.$n
done

ours () {
	"$TL_BIN/tl-presign" -c conf -p proj_1 -u $id -t $t <"request.$1"
}
ours 10000 >block

# best COMMAND...: the least of some runs, in microseconds
best () {
	i=0
	while [ "$i" -lt "$runs" ]; do
		s=$(date +%s%N)
		"$@" >/dev/null
		e=$(date +%s%N)
		echo $(((e - s) / 1000))
		i=$((i + 1))
	done | sort -n | head -n 1
}

piped () {
	"$@" | cat
}

all=$(best ours 10000)
one=$(best ours 1)
pipe=$(best piped ours 10000)
cat=$(best piped cat block)
rss=$("$TL_BENCH/peak" "$TL_BIN/tl-presign" -c conf -p proj_1 -u $id \
    <request.10000 2>&1 >/dev/null)
awk -v a="$all" -v o="$one" -v c="$cat" -v m="$rss" -v w="$pipe" \
    -v b="$(wc -c <block)" 'BEGIN {
	printf "presign  10,000 parts, %d bytes %8.2f ms  %5.2fx of cat " \
	    "(limit 2.5)\n", b, w / 1000, w / c
	printf "presign  a URL                    %8.3f us (limit 0.5)\n",
	    (a - o) / 9999
	printf "presign  peak memory %d kB (limit 3000)\n", m
}'

if command -v valgrind >/dev/null; then
	count () {
		valgrind --tool=callgrind --callgrind-out-file=/dev/null \
		    "$TL_BIN/tl-presign" -c conf -p proj_1 -u $id \
		    <"request.$1" 2>&1 >/dev/null |
		    sed -n 's/.*Collected : //p'
	}
	awk -v a="$(count 10000)" -v o="$(count 1)" 'BEGIN {
		printf "presign  a URL, without SHA instructions %d " \
		    "instructions\n", (a - o) / 9999
	}'
fi

if /usr/bin/python3 -c 'import botocore' 2>/dev/null; then
	peer () {
		/usr/bin/python3 "$data/presign.py" conf $t upload_part \
		    "$key" UploadId=$id PartNumber=1-"$1"
	}
	jq -r '.partUrls[:501][]' block >want
	peer 501 | cmp - want && echo 'presign  the URLs are those of botocore'
	runs=3
	awk -v a="$(best peer 501)" -v b="$(best peer 1)" -v o="$all" \
	    -v p="$one" 'BEGIN {
		u = (a - b) / 500
		printf "presign  a URL, botocore          %8.3f us  %5.0fx\n",
		    u, u / ((o - p) / 9999)
	}'
fi
