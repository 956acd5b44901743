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

