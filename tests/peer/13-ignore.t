#!/bin/sh
# Ignore patterns against a matcher that nobody here wrote: npm's
# @balena/dockerignore, on patterns and paths drawn at random

. "${0%/*}/../lib.sh"

command -v npm >/dev/null || skip 'npm is absent'
npm install --prefix "$T/npm" --no-audit --no-fund --no-save --silent \
    --cache "$T/cache" @balena/dockerignore@1.0.2 >npm.log 2>&1 || {
	sed 's/^/# /' npm.log
	skip 'npm could not install @balena/dockerignore@1.0.2'
}

# One tree, all names of a small alphabet; many ignore files.  Left out of the
# drawing is where the package departs from Docker: a ** glued to other text,
# which it does not see as deep, and patterns that Docker refuses.
cat >draw.js <<'EOF'
const fs = require('fs'), path = require('path');
const ignore = require(path.resolve('npm/node_modules/@balena/dockerignore'));
let seed = 698;
const rnd = n => (seed = (seed * 1103515245 + 12345) % 2147483648,
	Math.floor(seed / 65536) % n);
const pick = a => a[rnd(a.length)];
const names = ['a', 'b', 'ab', 'b.c', 'é'];
const paths = [];
const grow = (at, depth) => {
	for (const n of names) {
		const p = at + n;
		paths.push(p);
		if (depth < 3 && (n === 'a' || n === 'b'))
			grow(p + '/', depth + 1);
	}
};
grow('', 0);
const part = () => pick(['a', 'b', 'ab', 'b.c', 'é', '*', '?', 'a*', '*b',
	'*.c', '[ab]', '[^a]', '[a-b]b', '**', '**', '.', '..', 'b?c', '\\a']);
const pattern = () => {
	let p = Array.from({ length: 1 + rnd(4) }, part).join('/');
	if (rnd(6) === 0) p = '/' + p;
	if (rnd(6) === 0) p += '/';
	if (rnd(3) === 0) p = pick(['!', '! ']) + p;
	if (rnd(8) === 0) p = '  ' + p + '\t';
	if (rnd(12) === 0) p = '#' + p;
	return p;
};
fs.writeFileSync('paths', paths.join('\n') + '\n');
const runs = +process.argv[2];
for (let i = 0; i < runs; i++) {
	const lines = Array.from({ length: 1 + rnd(6) }, pattern);
	/* "!/" and its like are errors in Docker and skipped there. */
	if (lines.some(l => path.normalize('/' + l.replace(/^\s*!\s*/, '').trim())
		=== '/'))
		lines.splice(0, lines.length, '**', '!a');
	const ig = ignore({ ignorecase: false }).add(lines);
	fs.writeFileSync(`ignore.${i}`, lines.join(pick(['\n', '\r\n'])));
	fs.writeFileSync(`want.${i}`,
		paths.filter(p => !ig.ignores(p)).join('\n') + '\n');
}
EOF
runs=200
node draw.js "$runs" || exit 1
mkdir tree
while read -r p; do
	case $p in
	a|b|*/a|*/b)
		# Folders, but for the deepest.
		case $p in
		*/*/*/*) : >"tree/$p" ;;
		*) mkdir "tree/$p" ;;
		esac ;;
	*) : >"tree/$p" ;;
	esac
done <paths

# Folders are left out of it: one that stays out comes along with what of it
# returns.
grep -vxE '(.*/)?[ab]' paths >files
grep -xE '.*/.*/.*/[ab]' paths >>files
sort files >files.sorted
: >Dockerfile
i=0 differ='' less=''
while [ "$i" -lt "$runs" ]; do
	cp "ignore.$i" Dockerfile.dockerignore
	tl-context -f Dockerfile --list tree 2>err |
	    awk -F'\t' '$2 == "-" { print $3 }' | grep -v '/$' | sort >got
	sort "want.$i" | comm -12 - files.sorted >want
	# An exception that matches a folder brings back less with BuildKit, and
	# so here; the package looks at names alone.
	cmp -s got want || {
		less="$less $i"
		grep -q '!' "ignore.$i" && [ -z "$(comm -23 got want)" ]
	} || differ="$differ $i"
	[ -s err ] && differ="$differ $i(stderr)"
	i=$((i + 1))
done
is "$runs ignore files mean the same" "$differ" ''
for i in $differ; do
	sed "s/^/# $i: /" "ignore.${i%%(*}"
	echo
done | head -40
is 'nearly all without that difference' "$(($(echo "$less" | wc -w) < runs / 10))" 1
is 'they keep some and leave some out' "$(cat want.* | wc -l | awk -v n="$runs" \
    -v p="$(wc -l <paths)" '{ s = $1 / n / p; print (s > 0.2 && s < 0.8) }')" 1
