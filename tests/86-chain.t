#!/bin/sh
# An image on an image on an image, each but the lowest holding differences
# only: through our client, with COPY --from one, and what stays small

. "${0%/*}/lib.sh"
. "$here/region.sh"

# platform METHOD PATH [OPTION...]
platform () {
	method=$1 path=$2
	shift 2
	curl -sS -X "$method" -H @- "$@" \
	    "$TENSORLAKE_API_URL/platform/v1/$path" <<-EOT
	Authorization: Bearer $TENSORLAKE_API_KEY
	EOT
}

# image NAME LINE...: build it, its context the folder ctx; keep its template
# in NAME.json and its snapshot in NAME.snap
keep=''
image () {
	image=$1
	shift
	printf '%s\n' "$@" >ctx/Dockerfile
	# shellcheck disable=SC2086
	try "image $image" tl-build --work "work.$image" $keep -n "$image" \
	    ctx/Dockerfile
	exits 0
	cp out "$image.json"
	fetch "$(jq -r .snapshotUri out)" "$image.snap"
}

small () {
	is "$1: its snapshot is small" "$([ "$(stat -c %s "$1.snap")" -lt \
	    700000 ] && echo small)" small
}

uri () {
	jq -r .snapshotUri "$1.json"
}

region
mkdir ctx
echo hello >ctx/f
image a 'FROM busybox' 'COPY f /a' 'RUN echo one >/same && rm /bin/vi' \
    'ENV WHO=me WHAT="two words"' 'LABEL x=y' 'WORKDIR /srv' \
    'RUN chown 7 /srv' 'USER 7' 'CMD ["/bin/sh"]'
# shellcheck disable=SC2016
image b 'FROM a' 'RUN echo "$WHO, $WHAT, $(id -u)" >who' 'USER 0' \
    'ENV WHO=other' \
    'RUN cat /a /same >/b && echo two >/same && ! [ -e /bin/vi ]'
# shellcheck disable=SC2016
image c 'FROM b' 'RUN cat /a /b /same >/c; echo "$WHO" >>who' 'COPY --from=a /same /of-a' \
    'COPY --from=b /same /of-b'
fetch "$(jq -r .parentManifestUri a.json)" busybox.snap
is 'each is a diff of the one below' "$(jq -r .parentManifestUri b.json c.json)" \
    "$(uri a; uri b)"
small a
small b
small c
ok 'two levels: sound' tl-snapshot check -p a.snap -p busybox.snap b.snap
try 'two levels' tl-snapshot cat -p a.snap -p busybox.snap b.snap /b
gives 'hello
one'
set -- -p b.snap -p a.snap -p busybox.snap
ok 'three levels: sound' tl-snapshot check "$@" c.snap
try 'three levels' tl-snapshot cat "$@" c.snap /c
gives 'hello
hello
one
two'
try 'COPY --from a diff' tl-snapshot cat "$@" c.snap /of-a
gives one
try 'COPY --from a diff of a diff' tl-snapshot cat "$@" c.snap /of-b
gives two
try 'environment, folder and user of the lowest, and of the one between' \
    tl-snapshot cat "$@" c.snap /srv/who
gives 'me, two words, 7
other'
is 'the configuration of the highest' "$(tl-snapshot config c.snap | jq -c \
    '.Env |= (map(select(startswith("PATH=") | not)) | sort)')" \
    '{"Cmd":["/bin/sh"],"Env":["WHAT=two words","WHO=other"],"Labels":{"x":"y"},"User":"0","WorkingDir":"/srv"}'
try 'what the lowest removed' tl-snapshot cat "$@" c.snap /bin/vi
exits 66
try 'what nobody touched' tl-snapshot cat "$@" c.snap /etc/hosts
gives '127.0.0.1 localhost'
is 'the spec has what lies below, nearest first' "$(jq -c \
    '[.parent.ancestors[] | .snapshotUri, .download.kind]' \
    work.c/prepared.json)" "$(jq -cn --arg a "$(uri a)" \
    --arg b "$(jq -r .parentManifestUri a.json)" \
    '[$a, "single_get", $b, "single_get"]')"

# What is below may be deleted or built again: its snapshot stays.  The legacy
# answer has what lies below, too.
for name in a b; do
	is "the template $name, deleted" "$(platform DELETE \
	    "sandbox-templates/$name" -o /dev/null -w '%{http_code}')" 204
done
tl-region down
tl-region up --answer legacy 2>/dev/null
eval "$(tl-region env)"
keep=--keep-sandbox
image d 'FROM c' 'COPY --from=c /of-b /d' 'RUN cat /a >>/d'
try 'on images whose names are gone' tl-snapshot cat -p c.snap "$@" d.snap /d
gives 'two
hello'
is 'nothing was signed in the region' "$(cat work.d/signed.json)" '{}'
tl-reap --all >/dev/null
nothing_left 'after all builds'
