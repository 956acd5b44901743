#!/bin/sh
# tl-context: which ignore file counts, and what it does to a tree
#
# What single patterns mean is in unit/ignore.c.

. "${0%/*}/lib.sh"

# names: what would go in, of the list in out
names () {
	awk -F'\t' '$2 == "-" { print $3 }' out | paste -sd' '
}

mkdir -p c/src/gen c/docs c/node_modules/left/pad
for f in Dockerfile README.md src/main.c src/main.o src/gen/x.c docs/a.md \
    docs/b.txt node_modules/left/pad/index.js node_modules/left/README.md; do
	echo "$f" >"c/$f"
done

try 'no ignore file' tl-context --list c
is 'all goes in' "$(grep -c '	-	' out) $(wc -l <out)" '15 15'

# ignore TEXT WANTED: the ignore file, and what then goes in
ignore () {
	printf '%b' "$1" >c/.dockerignore
	try "$(tr -s '\n\r' ', ' <c/.dockerignore)" tl-context --list c
	exits 0
	silent err
	is "$name" "$(names)" "$2"
}
ignore 'node_modules\n**/*.o\n.dockerignore\n' \
    'Dockerfile README.md docs/ docs/a.md docs/b.txt src/ src/gen/ src/gen/x.c src/main.c'
is 'why, and where that is said' "$(grep -v '	-	' out)" \
    "-	c/.dockerignore:3	.dockerignore
-	c/.dockerignore:1	node_modules/
-	c/.dockerignore:2	src/main.o"
ignore '*\n!src\nsrc/*.o\n' 'src/ src/gen/ src/gen/x.c src/main.c'
ignore '*\n!docs/*.md\n' 'docs/ docs/a.md'
ignore '**\n!**/README.md' \
    'README.md node_modules/ node_modules/left/ node_modules/left/README.md'
ignore '\xef\xbb\xbf# what stays\r\n*\r\n!Dockerfile\r\n' 'Dockerfile'
ignore 'docs/*\nnode_modules\nsrc\n*.*' 'Dockerfile docs/'
ignore '*' ''
try 'all ignored' tl-context c
exits 0
is 'an archive of nothing' "$(gzip -dc out | wc -c)" 1024
ignore '*\n!src/gen' 'src/ src/gen/ src/gen/x.c'
try 'a folder let back in' tl-context c
is 'comes with its parents' "$(tar -tzf out | paste -sd' ')" \
    'src/ src/gen/ src/gen/x.c'

echo k >c/src/.env
ignore '**/.env\n!src\nnode_modules\ndocs\nREADME.md\nDockerfile' \
    '.dockerignore src/ src/gen/ src/gen/x.c src/main.c src/main.o'
ignore 'src/*\n!src\nnode_modules\ndocs\n*.md\nDockerfile' \
    '.dockerignore src/'
rm c/src/.env

# The list is the archive's, name by name.
printf '%b' 'docs\n!docs/b.txt\n**/left/*\n' >c/.dockerignore
try 'listed' tl-context --list c
names >listed
try 'sent' tl-context c
is 'what is listed is what is sent' "$(tar -tzf out | paste -sd' ')" \
    "$(cat listed)"

# ---- an ignore file of the Dockerfile's own

mkdir -p c/deploy
echo 'FROM scratch' >c/deploy/prod
echo '*' >c/.dockerignore
try 'the root one counts' tl-context -f c/deploy/prod --list c
is 'all out' "$(names)" ''
printf '*\n!src/main.c\n' >c/deploy/prod.dockerignore
try "the Dockerfile's own wins" tl-context -f c/deploy/prod --list c
is 'only it counts' "$(names)" 'src/ src/main.c'
holds 'c/deploy/prod.dockerignore:1	Dockerfile'
: >c/deploy/prod.dockerignore
try 'even an empty one' tl-context -f c/deploy/prod --list c
is 'nothing is out' "$(grep -cv '	-	' out)" 0
rm -r c/deploy
printf '*\n!README.md' >c/Dockerfile.dockerignore
try 'without -f, Dockerfile has one' tl-context --list c
is 'it wins' "$(names)" README.md
try 'with a Dockerfile on stdin' tl-context -f - --list c
is 'the root one counts' "$(names)" ''
rm c/Dockerfile.dockerignore
mkdir outside
echo 'FROM scratch' >outside/Dockerfile
echo 'src' >outside/Dockerfile.dockerignore
echo 'docs' >c/.dockerignore
try 'a Dockerfile outside the context' tl-context -f outside/Dockerfile \
    --list c
holds 'outside/Dockerfile.dockerignore:1	src/'
is 'the root one does not count' "$(names | tr ' ' '\n' | grep -c docs)" 3

# ---- ignore files that are none

try_bad () {
	try "$1" tl-context c
	exits "$2"
	says "$3"
	silent out
	is 'one line' "$(wc -l <err)" 1
}
printf 'ok\n\n[a' >c/.dockerignore
try_bad 'a class without an end' 65 "c/.dockerignore:3: '['"
printf '!' >c/.dockerignore
try_bad 'an exception of nothing' 65 "c/.dockerignore:1: '!'"
printf '%s' "a\\" >c/.dockerignore
try_bad 'a last backslash' 65 "c/.dockerignore:1: '\\'"
rm c/.dockerignore
ln -s nowhere c/.dockerignore
try_bad 'a link to nothing' 66 'c/.dockerignore: a link to nothing'
rm c/.dockerignore
mkfifo c/.dockerignore
try_bad 'a FIFO' 66 'c/.dockerignore: not a regular file'
rm c/.dockerignore
mkdir c/.dockerignore
try_bad 'a folder' 66 'c/.dockerignore: not a regular file'
rmdir c/.dockerignore
echo '*.md' >patterns
ln -s ../patterns c/.dockerignore
try 'a link to a file is read' tl-context --list c
holds 'c/.dockerignore:1	README.md'
rm c/.dockerignore
head -c 5000000 /dev/zero | tr '\0' x >c/.dockerignore
try_bad 'one that is too long' 65 'c/.dockerignore: more than'
