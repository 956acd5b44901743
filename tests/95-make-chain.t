#!/bin/sh
# README.md's Makefile of three images that stand on each other, and its CI job:
# built in order, found again by a fresh checkout, built again from what changed

. "${0%/*}/lib.sh"
. "$here/region.sh"

region
# block WORD: the block of README.md that holds it
block () {
	awk -v word="$1" '/^    / || /^$/ { text = text substr($0, 5) "\n"; next }
	    index(text, word) { exit } { text = "" }
	    END { printf "%s", text }' "$here/../README.md"
}
block 'all: base.template.json' |
    sed "s,/usr/local/share/tl,$here/../scripts," >Makefile
block 'tl-reap   ' >job
mkdir base tools app
printf 'FROM busybox\nRUN echo base >/base\n' >base/Dockerfile
printf 'FROM base\nCOPY tool /tool\n' >tools/Dockerfile
printf 'FROM tools\nRUN cat /base /tool >/app\n' >app/Dockerfile
echo tool >tools/tool

ci () {
	try "$1" sh job
}

digests () {
	tl-image digest base
	tl-image digest tools
	tl-image digest app
}

ci 'the job'
exits 0
is 'all three are registered' "$(tl-image ls --json |
    jq -r 'map(.name) | sort | join(" ")')" 'app base busybox tools'
is 'what stands on what' "$(jq -rs 'map(.parentManifestUri)[1:] ==
    map(.snapshotUri)[:2]' base.template.json tools.template.json \
    app.template.json)" true
is 'its lines are events, each of an image' "$(grep '^{' err |
    jq -rs 'map(.label) | unique | join(" ")')" 'app base tools'
is 'and nothing else' "$(grep -vc '^{' err)" 0
digests >first

# A fresh checkout: other times, no targets, of .tl no more than the cache has.
mkdir checkout checkout/.tl
cp -R Makefile job base tools app checkout
cp .tl/*.state checkout/.tl
cd checkout || exit 1
: >in
ci 'in a fresh checkout'
exits 0
digests >../again
is 'nothing is built' "$(cat ../again)" "$(cat ../first)"
is 'the targets are what is registered' "$(jq -r .name base.template.json \
    tools.template.json app.template.json | paste -sd ' ')" 'base tools app'
is 'there is no secret in what is kept' "$(grep -l "$TENSORLAKE_API_KEY" \
    .tl/*.state)" ''

# What changed, and what stands on it.
echo other >tools/tool
ci 'a file'
exits 0
digests >../file
is 'it and what stands on it are built' "$(paste -d ' ' ../again ../file |
    awk '{ print $1 == $2 }' | paste -sd ' ')" '1 0 0'
tl-build --progress none -n tools base >/dev/null
rm tools.template.json
ci 'somebody else has built one of them'
exits 0
digests >../theirs
is 'it and what stands on it are built again' "$(paste -d ' ' ../file \
    ../theirs | awk '{ print $1 == $2 }' | paste -sd ' ')" '1 0 0'
rm ./*.template.json
try 'told to' make -s -j2 \
    TL_BUILD_FLAGS='--force --progress none'
exits 0
digests >../forced
is 'all are built' "$(paste -d ' ' ../theirs ../forced |
    awk '{ print $1 == $2 }' | paste -sd ' ')" '0 0 0'
cd "$T" || exit 1
nothing_left 'at the end'
