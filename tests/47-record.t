#!/bin/sh
# tl-rootfs-build: of a context that has its record beside it, what is copied is
# told by that; the image is the one that it would be without

. "${0%/*}/lib.sh"
. "$here/cache.sh"

mkdir -p cache ctx/app ctx/other
echo two >ctx/other/g
ln -s other/g ctx/link
echo one >ctx/app/f
ln ctx/app/f ctx/app/h
ln ctx/app/f ctx/same
mkdir -m 700 ctx/dir
cat >Dockerfile <<'END'
FROM busybox
COPY app /app
RUN echo ran app
COPY app/f same /names/
RUN echo ran names
COPY ./other//g /g
RUN echo ran file
COPY . /all
RUN echo ran all
END
cp Dockerfile Dockerfile.all
: >cache/context.record
# sent WHAT STEPS: builds it so
sent () {
	tl-context -q --since cache/context.record --record record ctx >archive
	given ''
	try "$1: the context" tl-rootfs-build --cache "$T/cache" \
	    --unpack archive --record record --into into
	exits 0
	cached "$1" "$2" "{\"contextDir\": \"$T/into\"}"
}
sent 'by a record' 'app names file all '
fetched sent
plain plain
ok 'by a record: the image is the same' cmp plain.tlsnap sent.tlsnap
sent 'the same again' ''
touch -d @5 ctx/app/f ctx/other/g
sent 'times, by the record' ''
chmod 755 ctx/dir
sent 'a mode that is not copied alone' 'all '
chmod 600 ctx/other/g
sent 'a mode of one that is' 'file all '
rm ctx/same
cp -p ctx/app/f ctx/same
sent 'other names of a file' 'names file all '
ln -f ctx/app/f ctx/dir/f
ln -f ctx/other/g ctx/a-first
sent 'first names of files, of which others are copied' 'all '
echo more >>ctx/app/h
sent 'bytes, by another name' 'app names file all '
mv ctx/app/h ctx/app/i
sent 'a name in a folder' 'app names file all '
fetched sent
plain plain
ok 'of all this the image is the same' cmp plain.tlsnap sent.tlsnap
# shellcheck disable=SC2016
printf 'FROM busybox\nRUN --mount=type=bind,rw,target=/mnt %s; echo ran rw\n' \
    'rm -rf /mnt/app; echo new >/mnt/new' >Dockerfile
sent 'a step that writes there' 'rw '
is 'the record does not say that all is there' "$(wc -l <cache/context.record)" 2
sent 'the same step again' ''
cp Dockerfile.all Dockerfile
sent 'what it has written' ''
ok 'is not there' sh -c 'test -e into/app/f && test ! -e into/new'

