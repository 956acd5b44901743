# shellcheck shell=sh
# The images of data/images.cases, built here: behind builder.sh and contexts.sh
#
#	ours NAME <DOCKERFILE	built by tl-rootfs-build on busybox; sets $said to
#				what is told of it, a line each: its configuration,
#				then what is not as in busybox (docker/tree.py)

context ctx
mkdir bb
tl-snapshot unpack bb.tlsnap bb
# tl-snapshot has that from the moment of its making.
started=$(date +%s)

# known: of a configuration, what both say and how; the order of variables, each
# of which is there once, says nothing
# shellcheck disable=SC2034,SC2016
known='["User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes",
    "WorkingDir", "Labels", "StopSignal"] as $names | . as $c |
    $names | map({(.): $c[.]}) | add |
    if .Env == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    then del(.Env) else . end | .Env |= (. // [] | sort) |
    del(.Labels["io.buildah.version"]?) |
    with_entries(select(.value | length > 0))'

# stubless: without what is only there for a RUN; and the times of folders that a
# COPY makes, which have their source's in Docker and are new in ours
stubless () {
	sed -E '/"name": "etc\/(hosts|hostname|resolv.conf)"/d
	    s/(^."mode": "d.*"name": "(in|tree|made)"), "time": [0-9]*/\1/'
}

ours () {
	upload "$1" >block
	jq -cn --rawfile d /dev/stdin --slurpfile up block --arg c "$T/ctx" \
	    --argjson p "$(download bb)" '{buildId: "b", snapshotId: "snap_1",
	    rootfsNodeKind: "diff", dockerfile: $d, contextDir: $c,
	    baseImage: "busybox", rootfsDiskBytes: 1073741824,
	    upload: $up[0], parent: {parentManifestUri: "s3://images/x",
	    rootfsDiskBytes: 1073741824, download: $p}}' >spec.json
	try "$1" tl-rootfs-build --spec spec.json \
	    --metadata-out metadata.json --storage "$T/storage"
	exits 0
	# shellcheck disable=SC2034
	said=nothing
	[ "$status" -eq 0 ] || return 0
	curl -fsS -o "$1.tlsnap" "$(download "$1" | jq -r .url)"
	rm -rf image
	mkdir image
	tl-snapshot unpack --parent bb.tlsnap "$1.tlsnap" image
	# shellcheck disable=SC2034
	said=$(tl-snapshot config "$1.tlsnap" | jq -cS "$known"
	    /usr/bin/python3 "$here/docker/tree.py" -t "$started" image bb |
	    stubless)
}
