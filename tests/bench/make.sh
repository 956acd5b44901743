#!/bin/sh
# make with nothing to do, for an image whose context has 100,000 files of 800
# bytes: against tar piped to sha256sum, and find, which looks at no file.
#
# Each is run TL_BENCH_RUNS times (default 3) on files that are in the page
# cache; the best run counts.

set -eu
: "${TL_BIN:?run me through make bench}"
here=$(cd "${0%/*}" && pwd)
runs=${TL_BENCH_RUNS:-3}
files=${TL_BENCH_FILES:-100000}
work=$(mktemp -d "${TMPDIR:-/tmp}/tl-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
unset MAKEFLAGS MFLAGS MAKELEVEL
cd "$work"

/usr/bin/python3 - "$files" <<'EOF'
import os, sys
for i in range(int(sys.argv[1])):
    folder = 'web/%02d/%d' % (i % 100, i // 100 % 10)
    if i < 1000:
        os.makedirs(folder)
    with open('%s/%d' % (folder, i), 'w') as f:
        f.write(('%07d\n' % i) * 100)
EOF
echo 'FROM busybox' >Dockerfile
# shellcheck disable=SC2016
printf 'include %s\nweb.template.json: Dockerfile $(call tl-context,web)\n' \
    "$here/../../scripts/tl.mk" >Makefile
make -q 2>/dev/null || :
touch web.template.json

# best NAME COMMAND...: the least of some runs, in seconds
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
	done | sort -n | head -n 1 | sed "s/^/make     $name /; s/\$/ s/"
}

summed () {
	tar -cf - web | sha256sum >sum
}

best "nothing to do, $files files" make -q
best 'tar | sha256sum           ' summed
best 'find                      ' find web -newer web.template.json
