#!/bin/sh
# A context of text, 200 MB in 4,000 files, like source code: tl-context against tar alone
# (the limit), tar piped to gzip -1, and Python's tarfile at gzip level 1.
#
# The text packs to about 23 % with gzip -1, as C headers do.  Each is run
# TL_BENCH_RUNS times (default 3) on files that are in the page cache; the best
# run counts, times and ratios are of the wall clock.

set -eu
: "${TL_BIN:?run me through make bench}" "${TL_BENCH:?}"
runs=${TL_BENCH_RUNS:-3}
mb=${TL_BENCH_MB:-200}
work=$(mktemp -d "${TMPDIR:-/tmp}/tl-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

/usr/bin/python3 - "$work/tree" "$mb" <<'EOF'
import os, random, sys
random.seed(698)
root, mb = sys.argv[1], int(sys.argv[2])
letters = 'etaoinshrdlucmfwypvbgkjqxz'
words = [''.join(random.choices(letters, k=random.randint(3, 11)))
         for _ in range(1500)]
weights = [(i + 1) ** -1.4 for i in range(len(words))]
shapes = ['\t%s = %s(%s);\n', '\tif (%s != %s)\n\t\treturn %s;\n',
          'struct %s *%s_%s;\n', ' * %s the %s of a %s\n',
          '\tfor (i = 0; i < %s->%s; i++)\n\t\t%s[i] = 0;\n',
          '#define %s_%s %s\n']
files = 20 * mb
size = (mb << 20) // files
for i in range(files):
    folder = os.path.join(root, 'd%02d' % (i % 50), 's%d' % (i % 7))
    os.makedirs(folder, exist_ok=True)
    text = ''.join(random.choices(shapes, k=size // 24))
    text %= tuple(random.choices(words, weights, k=text.count('%s')))
    text = (text * 2)[:size]
    with open(os.path.join(folder, 'f%05d.c' % i), 'w') as f:
        f.write(text)
EOF
bytes=$(du -sb --apparent-size "$work/tree" | cut -f 1)

# best NAME COMMAND...: the least of some runs, in seconds, into $work/NAME
best () {
	name=$1
	shift
	i=0
	while [ "$i" -lt "$runs" ]; do
		s=$(date +%s.%N)
		"$@"
		e=$(date +%s.%N)
		awk -v s="$s" -v e="$e" 'BEGIN { printf "%.4f\n", e - s }'
		i=$((i + 1))
	done | sort -n | head -n 1 >"$work/$name"
}

ours () {
	"$TL_BIN/tl-context" "$@" "$work/tree" | cat >/dev/null
}
tar_alone () {
	tar -C "$work/tree" -cf - . | cat >/dev/null
}
tar_gzip () {
	tar -C "$work/tree" -cf - . | gzip -1 | cat >/dev/null
}
python_gzip () {
	/usr/bin/python3 -c '
import gzip, sys, tarfile
with gzip.GzipFile(fileobj=sys.stdout.buffer, mode="wb", compresslevel=1) as z:
    with tarfile.open(fileobj=z, mode="w|") as t:
        t.add(sys.argv[1], ".")
' "$work/tree" | cat >/dev/null
}

cat "$work"/tree/*/*/* >/dev/null
best isal ours
best zlib ours --gzip zlib
best tar tar_alone
best tar_gzip tar_gzip
best python python_gzip
"$TL_BIN/tl-context" "$work/tree" >"$work/out.isal"
(cd "$work/tree" && tar -cf - .) | gzip -1 >"$work/out.gzip"
rss=$("$TL_BENCH/peak" "$TL_BIN/tl-context" "$work/tree" 2>&1 >/dev/null)

# row NAME LABEL: its time, MB/s, and how many times ours it takes
row () {
	awk -v t="$(cat "$work/$1")" -v o="$(cat "$work/isal")" \
	    -v b="$bytes" -v l="$2" 'BEGIN {
		printf "context  %-26s %7.3f s %7.0f MB/s  %5.2fx\n",
		    l, t, b / t / 1e6, t / o
	}'
}
row isal 'tl-context'
row zlib 'tl-context --gzip zlib'
row tar 'tar alone'
row tar_gzip 'tar | gzip -1'
row python 'python tarfile level 1'
awk -v r="$rss" -v a="$(wc -c <"$work/out.isal")" \
    -v b="$(wc -c <"$work/out.gzip")" -v n="$bytes" 'BEGIN {
	printf "context  peak memory %d kB; size %.1f%% of the tree, " \
	    "gzip -1 %.1f%%\n", r, 100 * a / n, 100 * b / n
}'
