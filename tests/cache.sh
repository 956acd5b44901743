# shellcheck shell=sh
# For tests of tl-rootfs-build --cache, behind lib.sh: builds of ./Dockerfile with
# the context ctx, on the template busybox; the whole file is skipped where it
# cannot run.
#
#	spec NAME [MEMBERS]	what to build, to upload it as NAME
#	build NAME [OPTION...]	builds it; $ran is what was run of its steps
#	cached WHAT STEPS [MEMBERS]
#				with the cache; these run
#	plain NAME		the same without, as that snapshot
#	fetched NAME		what was built last, as that snapshot

. "$here/builder.sh"

command -v containers-storage >/dev/null ||
    skip 'containers-storage is not here'
mkdir over over/l over/u over/w over/m
# shellcheck disable=SC2016
unshare -m sh -c 'cd over && mount -t overlay overlay \
    -o lowerdir=l,upperdir=u,workdir=w m' 2>/dev/null ||
    skip 'no overlay file systems here'

G=1073741824

spec () { # NAME [MEMBERS]: what to build from ./Dockerfile
	upload "$1" >block
	jq -cn --rawfile d Dockerfile --slurpfile up block --arg c "$PWD/ctx" \
	    --argjson disk "$G" --argjson p "$(download bb)" \
	    --argjson more "${2:-{\}}" '{buildId: "b",
	    snapshotId: "snap_1", rootfsNodeKind: "diff", dockerfile: $d,
	    contextDir: $c, baseImage: "busybox", rootfsDiskBytes: $disk,
	    parent: {parentManifestUri: "s3://images/x",
	    rootfsDiskBytes: $disk, download: $p},
	    sourceDateEpoch: 1000, upload: $up[0]} + $more' >spec.json
}
# build NAME [OPTION...]: $ran is what was run of its steps, each of which says
# "ran ..."; those that are there come first in a stage, and then a line says so
build () {
	rm -f metadata.json
	name=$1
	shift
	try "$name" tl-rootfs-build --spec spec.json \
	    --metadata-out metadata.json --storage "$T/storage" "$@"
	cp out built
	ran=$(awk '/STEP 1\// { all = all stage; stage = "" }
	    /STEP .*: RUN/ && match($0, /ran [a-z]*/) {
		stage = stage substr($0, RSTART + 4, RLENGTH - 4) " "
	    }
	    /^--> Using cache$/ { stage = "" }
	    END { print all stage }' built)
}
cached () { # WHAT STEPS: builds ./Dockerfile with the cache; these run
	spec now "${3:-}"
	build "$1" --cache "$T/cache"
	exits 0
	is "$1: what runs" "$ran" "$2"
}
fetched () { # NAME
	curl -fsS -o "$1.tlsnap" "$(download now | jq -r .url)"
}
plain () { # NAME: the same without, as that snapshot
	spec now
	build "$1" --no-cache --cache "$T/cache"
	exits 0
	fetched "$1"
}
