# holder STAGE: a stage of ours behind a Dockerfile's: it says where the root of
# that one is mounted, and waits to be ended
holder () {
	cat <<-END
	FROM scratch
	COPY --from=tl-hold . /
	RUN --mount=type=bind,from=tl-usr,target=/usr --mount=type=bind,from=$1,target=/image ["/usr/bin/sh", "-c", "sed -n s,^.*[[:space:]]/image[[:space:]].*,tl-held:\\\\&,p /proc/self/mountinfo; exec sleep 2000000000"]
	END
}

# root_of MOUNT: where in the storage is what that line of mountinfo(5) shows
root_of () {
	echo "$1" | awk -v d="$graph" -v driver="$driver" '
	    driver == "vfs" {
		n = split($4, part, "/")
		print d "/vfs/dir/" part[n]
		exit
	    }
	    { dev = $3; root = $4 }
	    END {
		while ((getline <"/proc/self/mountinfo") > 0)
			if ($3 == dev && $4 == root && index($5, d "/") == 1) {
				print $5
				exit
			}
	    }'
}

# holding ARGUMENT...: Dockerfile.files is built until its last stage, the holder,
# says where $mounted is; $layer is what buildah calls it
holding () {
	[ -d "$work/hold" ] || {
		mkdir -p "$work/hold/usr" "$work/hold/image"
		for link in bin lib lib64; do
			ln -s "usr/$link" "$work/hold/$link"
		done
	}
	built held buildah build "$@" --build-context=tl-usr=/usr \
	    "--build-context=tl-hold=$work/hold" \
	    --file "$work/Dockerfile.files" "$context"
	mounted=$(root_of "$(sed 's/^tl-held://' "$work/holds")")
	[ -d "$mounted" ] || die 70 'the built file system cannot be found'
	layer=${mounted%/merged}
	layer=${layer##*/}
}

# A layer of the last stage would be its files written once more, and read, and
# written again as the image's.  So there is none: the build is held where that
# stage's root is mounted.
hold () {
	last=$(grep -n '^FROM ' "$work/Dockerfile" | tail -n 1)
	as=''
	[ "${last% AS *}" != "$last" ] || as=' AS tl-last'
	{
		sed "${last%%:*}s/\$/$as/; /^VOLUME /d" "$work/Dockerfile"
		last=$last$as
		holder "${last##* AS }"
	} >"$work/Dockerfile.files"
	# Ours is no stage of theirs, nor a step.
	stages=$(grep -c '^FROM ' "$work/Dockerfile.files")
	theirs=$((stages - 1))
	prefix="[\\1\\/$theirs] "
	[ "$theirs" -gt 1 ] || prefix=
	names="$names/^tl-held:/{w $work/held
	    d};/^\\[$stages\\/$stages\\] STEP /d
	    s/^\\[\\([0-9]*\\)\\/$stages\\] STEP /${prefix}STEP /
	    s/^\\(.*STEP .*: FROM .*\\) AS tl-last\$/\\1/;"
	holding "$@"
	# It is not needed again: with its image there it is twice as large.
	discard=$mounted
	[ "$driver" = vfs ] || discard=${mounted%/merged}/diff
}

# in_base PATH: whether a layer below the last has it, the base image that is;
# a template's are all in one; the lowest one is $found
in_base () {
	found=''
	while read -r below; do
		for dir in "$graph/overlay/$below/diff" "$graph/vfs/dir/$below"
		do
			[ ! -e "$dir/$1" ] && [ ! -L "$dir/$1" ] ||
			    found=$dir/$1
		done
	done <"$work/below"
	[ -n "$found" ]
}

# The root that stubs() has been through.
stubless=

# stubs DIR: buildah makes what it mounts over if it is not there, and / as a
# folder that nobody writes to.  That is none of the image's, and times are none of
# what takes it away.
stubs () {
	[ "$1" != "$stubless" ] || return 0
	stubless=$1
	# Later ones keep those of containers in a file of their own.
	cat "$graph/$driver-layers/layers.json" \
	    "$graph/$driver-layers/volatile-layers.json" 2>/dev/null |
	    jq -rs --arg top "$layer" '[.[][] | {(.id): (.parent // "")}] |
	    add as $up | $up[$top] // error("") |
	    recurse($up[.] // ""; . != "")' >"$work/below" 2>/dev/null ||
	    return 0
	was=$(stat -c %Y "$1")
	etc=$(stat -c %Y "$1/etc" 2>/dev/null) || etc=
	for stub in etc/hosts etc/hostname etc/resolv.conf; do
		! in_base "$stub" || continue
		find "$1/$stub" -maxdepth 0 -type f -size 0 \
		    -newer "$work/began" -delete 2>/dev/null || :
	done
	[ -z "$etc" ] || touch -d "@$etc" "$1/etc"
	if ! in_base run; then
		rmdir "$1/run" 2>/dev/null || :
	# It is mounted into, and what that has made is gone again.
	elif [ "$(ls -A "$1/run")" = "$(ls -A "$found")" ]; then
		touch -r "$found" "$1/run" 2>/dev/null || :
	fi
	touch -d "@$was" "$1"
}

