# The image.

# The last is what buildah makes of a full disk while it writes a layer.
no_space () {
	grep -qiE -e 'no space left|ENOSPC|disk quota exceeded' \
	    -e 'to file: io: read/write on closed pipe' "$work/log"
}

# step: the one that was begun last; a here-document's is a long line
step () {
	grep -E '(^|] )STEP [0-9]+' "$work/log" | tail -n 1 |
	    sed 's/^\(.\{150\}\).*/\1.../'
}

# where STEP: "Dockerfile:7: ", its line as it was given; "[2/3] STEP 4/5: ..."
# is the fourth instruction of the second stage
where () {
	at=$(echo "$1" | sed -n \
	    's,^\[\([0-9]*\)/.*\] STEP \([0-9]*\)/.*,\1 \2,p
	    s,^STEP \([0-9]*\)/.*,1 \1,p')
	line=$(awk -v at="$at" '/^FROM / { stage++; step = 0 }
	    stage { step++ }
	    stage " " step == at { print NR; exit }' "$work/Dockerfile")
	[ -z "$line" ] || sed -n "${line}s/.*/Dockerfile:&: /p" "$work/lines"
}

# full: in which step the disk was full; what RUN made may be sparse, and is
# written out when its layer is
full () {
	step=$(step)
	if tail -n 1 "$work/log" | grep -q 'committing container'; then
		printf '%s\n' "writing the layer after ${step:-the build}"
	else
		printf '%s\n' "in ${step:-the build}"
	fi
}

# limit NAME WHAT CEILING: what root may have of it here, up to a ceiling.  By
# itself a later buildah would raise it, which not every root may.
limit () {
	most=$(sed -n "s/^Max $2  *[^ ]*  *\([0-9]*\) .*/\1/p" /proc/self/limits)
	[ "${most:-$3}" -lt "$3" ] || most=$3
	echo "--ulimit=$1=$most:$most"
}

# busy: whether a RUN has failed before its command began, since the kernel would
# not seal the copy that Debian 12's buildah makes of itself; such a command's own
# failure is told by two processes
busy () {
	awk '/^(\[[0-9\/]*\] )?STEP [0-9]/ { busy = ended = 0 }
	    $0 == "Close_Fd sealing memfd copy: Device or resource busy" {
		busy = 1
	    }
	    /^subprocess exited with status / { ended++ }
	    END { exit !(busy && ended < 2 && /^Error: .*: exit status 1$/) }
	' "$work/log"
}

# built COMMAND...: held or logged, a build; from its start where it was no more
# than busy
built () {
	tries=1
	until "$@"; do
		busy || failed
		[ "$tries" -lt 3 ] || die 75 "$(where "$(step)")buildah found" \
		    "the kernel too busy $tries times in $(step); try again"
		tries=$((tries + 1))
		say "buildah found the kernel too busy: beginning again"
		quietly 'beginning again' buildah rm --all >/dev/null
	done
}

failed () {
	! no_space || die 73 "no space left $(full)"
	helper "$work/log"
	step=$(step)
	sed -n '/STEP [0-9]/h; //!H; ${ g; p }' "$work/log" >"$work/last"
	! no_id "$work/last" || die 65 "$(where "$step")$owner:" \
	    "${step:-the build} cannot be done"
	die 65 "$(where "$step")the build failed in ${step:-its Dockerfile}:" \
	    "$(tail -n 1 "$work/log")"
}

# parted: of the Dockerfile, two.  Dockerfile.files has its stages, and behind them
# one of ours that says where the last one's root is mounted, and waits to be
# ended.  Dockerfile.config is what the image says beside its files: buildah
# leaves out the stages that nothing is copied from any more.
parted () {
	last=$(grep -n '^FROM ' "$work/Dockerfile" | tail -n 1)
	as=''
	[ "${last% AS *}" != "$last" ] || as=' AS tl-last'
	{
		sed "${last%%:*}s/\$/$as/; /^VOLUME /d" "$work/Dockerfile"
		last=$last$as
		cat <<-END
		FROM scratch
		COPY --from=tl-hold . /
		RUN --mount=type=bind,from=tl-usr,target=/usr --mount=type=bind,from=${last##* AS },target=/image ["/usr/bin/sh", "-c", "sed -n s,^.*[[:space:]]/image[[:space:]].*,tl-held:\\\\&,p /proc/self/mountinfo; exec sleep 2000000000"]
		END
	} >"$work/Dockerfile.files"
	sed -E '/^(RUN|COPY|ADD) /d' "$work/Dockerfile" >"$work/Dockerfile.config"
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

# A layer of the last stage would be its files written once more, and read, and
# written again as the image's.  So there is none: the build is held where that
# stage's root is mounted.
hold () {
	parted
	mkdir -p "$work/hold/usr" "$work/hold/image"
	for link in bin lib lib64; do
		ln -s "usr/$link" "$work/hold/$link"
	done
	# Ours is no stage of theirs, nor a step.
	stages=$(grep -c '^FROM ' "$work/Dockerfile.files")
	theirs=$((stages - 1))
	prefix="[\\1\\/$theirs] "
	[ "$theirs" -gt 1 ] || prefix=
	names="$names/^tl-held:/{w $work/held
	    d};/^\\[$stages\\/$stages\\] STEP /d
	    s/^\\[\\([0-9]*\\)\\/$stages\\] STEP /${prefix}STEP /
	    s/^\\(.*STEP .*: FROM .*\\) AS tl-last\$/\\1/;"
	built held buildah build "$@" --build-context=tl-usr=/usr \
	    "--build-context=tl-hold=$work/hold" \
	    --file "$work/Dockerfile.files" "$context"
	mounted=$(root_of "$(sed 's/^tl-held://' "$work/holds")")
	[ -d "$mounted" ] || die 70 'the built file system cannot be found'
	layer=${mounted%/merged}
	layer=${layer##*/}
	# It is not needed again: with its image there it is twice as large.
	discard=$mounted
	[ "$driver" = vfs ] || discard=${mounted%/merged}/diff
	quietly 'its configuration' buildah build "$@" \
	    --file "$work/Dockerfile.config" "$context" >/dev/null
}

if [ -n "$import" ]; then
	reference "$import" importImageReference
	case $import in
	*:/*) die 65 "$spec: importImageReference: only from registries" ;;
	esac
	say "pulling $import"
	logged buildah from "$policy" ${auth:+"$auth"} --name import "docker://$import" || {
		no_space && die 73 "no space left: pulling $import"
		helper "$work/log"
		! no_id "$work/log" || die 65 "$import: $owner"
		die 69 "pulling $import failed: $(tail -n 1 "$work/log")"
	}
	mounted=$(quietly 'the image' buildah mount import) first=
else
	hold=1
	: >"$work/images"
	first=$(bases)
	pulled
	while read -r arg; do
		set -- "$@" "$arg"
	done <"$work/stripped"
	[ -z "$(ls -A "$work/files")" ] ||
	    set -- "$@" "--build-context=tl-files=$work/files"
	set -- "$policy" ${auth:+"$auth"} --isolation chroot \
	    --cap-drop CAP_SYS_CHROOT \
	    --network host "$(limit nofile 'open files' 1048576)" \
	    "$(limit nproc processes "$(cat /proc/sys/kernel/pid_max)")" \
	    --layers=false --pull=missing --format docker \
	    --iidfile "$work/iid" "$@"
	say "building, $driver storage"
	# A layer keeps whole seconds.
	touch -d "@$(($(date +%s) - 1))" "$work/began"
	if [ -n "$hold" ]; then
		hold "$@"
	else
		built logged buildah build "$@" --file "$work/Dockerfile" \
		    "$context"
		ctr=$(quietly 'the built image' buildah from "$policy" \
		    --pull=never "$(cat "$work/iid")")
		mounted=$(quietly 'the built image' buildah mount "$ctr")
		layer=$(jq -r --arg id "$(cat "$work/iid")" '.[] |
		    select("sha256:" + .id == $id or .id == $id) | .layer' \
		    "$graph/$driver-images/images.json" 2>/dev/null) || layer=
	fi
fi
rm -f "$work/auth.json"

