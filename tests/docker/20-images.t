#!/bin/sh
# Whole images of the Dockerfiles of data/images.cases by Docker and by us, entry
# by entry; and whether data/images.table, which 46-images.t reads, is still what
# Docker makes of them.  TL_RECORD=FILE writes that table.

. "${0%/*}/../lib.sh"
. "$here/lib.sh"
# shellcheck source=tests/builder.sh
. "$here/builder.sh"
# shellcheck source=tests/contexts.sh
. "$here/contexts.sh"
# shellcheck source=tests/images.sh
. "$here/images.sh"

case $(docker version -f '{{.Server.Version}}') in
20.*) skip 'the table is of a later Docker: name its root in TL_DOCKER_ROOT' ;;
esac
tl-snapshot tar bb.tlsnap | docker import - busybox >/dev/null
mkdir docker/ctx
cp -a ctx/. docker/ctx
[ -z "${TL_RECORD-}" ] || : >"$TL_RECORD"

image () { # NAME <DOCKERFILE
	cat >docker/Dockerfile
	docker build -q --network host -t image -f /tl-docker/Dockerfile \
	    /tl-docker/ctx >built 2>&1 </dev/null || {
		fail_ "$1: Docker builds it" "$(tail -n 3 built)"
		return 0
	}
	theirs=$(docker image inspect -f '{{json .Config}}' image |
	    jq -cS "$known"
	    layers image root /usr/bin/python3 "$here/docker/tree.py" \
		-t "$started" "$T/root" "$T/bb" | stubless)
	[ -z "${TL_RECORD-}" ] ||
	    printf '== %s\n%s\n' "$1" "$theirs" >>"$TL_RECORD"
	is "$1: the table is right" "$(sed -n "/^== $1\$/,/^==/{/^==/!p}" \
	    "${TL_RECORD:-$data/images.table}")" "$theirs"
	ours "$1" <docker/Dockerfile
	is "$1: ours is the same" "$said" "$theirs"
}

# shellcheck source=/dev/null
. "$data/images.cases"
