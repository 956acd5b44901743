#!/bin/sh
# tl-image on a region: what a build registers is listed, looked up by name and
# id, told apart from what replaces it, and deleted

. "${0%/*}/lib.sh"
. "$here/region.sh"

region
mkdir context
printf 'FROM busybox\nRUN echo one >/what\n' >context/Dockerfile
# build NAME: the template it registers
build () {
	tl-build -n "$1" context/Dockerfile >"$2" 2>build.err || {
		fail_ "$1 is built" "$(cat build.err)"
		exit 1
	}
}
build web first
build 'team/tools:1' tools

try 'ls' tl-image ls
exits 0
silent err
is 'has what was built' "$(awk 'NR > 1 { print $1, $2, $3 }' out)" \
    'busybox base 10G
web diff 10G
team/tools:1 diff 10G'
try 'ls --json' tl-image ls --json
is 'is the same' "$(jq -c 'map(.id)' out)" "$(
    jq -c --slurpfile a first --slurpfile b tools -n \
    '["sandbox_template_busybox", $a[0].id, $b[0].id]')"
try 'show' tl-image show web
exits 0
is 'is what complete answered' "$(cat out)" "$(cat first)"
try 'show, by its id' tl-image show "$(jq -r .id tools)"
exits 0
is 'is the other one' "$(cat out)" "$(cat tools)"
try 'one that is not there' tl-image show nothing
exits 66
try 'the long prefix' env TENSORLAKE_ORGANIZATION_ID=org_local \
    TENSORLAKE_PROJECT_ID=proj_local tl-image show web
exits 0
try 'a project of somebody else' env TENSORLAKE_ORGANIZATION_ID=org_local \
    TENSORLAKE_PROJECT_ID=other tl-image show web
exits 77
try 'a wrong key' env TENSORLAKE_API_KEY=wrong-key-1 tl-image ls
exits 77

# A name that is registered again is another snapshot.
was=$(tl-image digest web)
is 'a digest is the same again' "$(tl-image digest web) $(tl-image digest \
    "$(jq -r .id first)")" "$was $was"
build web second
is 'a digest of what replaced it is another' \
    "$(tl-image digest web | grep -c -x -v "$was")" 1
is 'by the same id' "$(jq -r .id second)" "$(jq -r .id first)"

# More than one page, by the region's own links.
cat >many.py <<'END'
import json, os, sys, urllib.request
t = json.load(open(sys.argv[1]))
for i in range(120):
    body = {k: t[k] for k in t if k not in ("id", "createdAt")}
    body["name"] = "many-%03d" % i
    urllib.request.urlopen(urllib.request.Request(
        os.environ["TENSORLAKE_API_URL"] + "/platform/v1/sandbox-templates",
        json.dumps(body).encode(), {"Content-Type": "application/json",
        "Authorization": "Bearer " + os.environ["TENSORLAKE_API_KEY"]})).read()
END
ok 'many are registered' env no_proxy='*' python3 many.py second
try 'ls of them' tl-image ls
is 'has them all' "$(awk '{ print $1 }' out | grep -c '^many-')" 120
# shellcheck disable=SC2046
try 'rm of them' tl-image rm $(awk '/^many-/ { print $1 }' out)
exits 0
is 'says each' "$(grep -c '^deleted many-' out)" 120

try 'rm of what is not the project'\''s' tl-image rm busybox
exits 77
try 'rm, by name and by id' tl-image rm web "$(jq -r .id tools)"
exits 0
gives 'deleted web
deleted team/tools:1'
try 'again' tl-image rm web
exits 66
try 'again, if it exists' tl-image rm --if-exists web
exits 0
is 'the rest is there' "$(tl-image ls --json | jq -r 'map(.name)[]')" busybox

tl-reap --all >/dev/null 2>&1
nothing_left 'of the images'
