#!/bin/sh
# Whole images of some Dockerfiles, against what Docker makes of them: owners,
# modes, links, attributes, times, configuration, as docker/20-images.t has
# recorded it in data/images.table

. "${0%/*}/lib.sh"
. "$here/builder.sh"
. "$here/contexts.sh"
. "$here/images.sh"

image () { # NAME <DOCKERFILE
	ours "$1"
	is "$1" "$said" "$(sed -n "/^== $1\$/,/^==/{/^==/!p}" \
	    "$data/images.table")"
}
# shellcheck source=/dev/null
. "$data/images.cases"
