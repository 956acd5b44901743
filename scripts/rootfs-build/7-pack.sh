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

# stubs DIR: buildah makes what it mounts over if it is not there, and / as a
# folder that nobody writes to.  That is none of the image's.
stubs () {
	# Later ones keep those of containers in a file of their own.
	cat "$graph/$driver-layers/layers.json" \
	    "$graph/$driver-layers/volatile-layers.json" 2>/dev/null |
	    jq -rs --arg top "$layer" '[.[][] | {(.id): (.parent // "")}] |
	    add as $up | $up[$top] // error("") |
	    recurse($up[.] // ""; . != "")' >"$work/below" 2>/dev/null ||
	    return 0
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
}

# devices: of layers whose names are read, what is a device; buildah keeps all
# headers of what it has unpacked
devices () {
	while read -r id; do
		gzip -dc "$graph/$driver-layers/$id.tar-split.gz" 2>/dev/null |
		    jq -r 'select(.type == 2) | .payload | @base64d |
			length as $n | range($n % 512; $n; 512) as $at |
			.[$at:$at + 512] |
			select(.[156:157] == "3" or .[156:157] == "4") |
			select(.[257:262] == "ustar") | .[:100] |
			split("\u0000")[0]' 2>/dev/null
	done | sed 's,^\.*/*,/,' | sort -u
}

say "packing a disk of $(((disk + 1048575) / 1048576)) MiB"
if [ -n "$import" ]; then
	set -- --type container import
else
	set -- --type image "$(cat "$work/iid")"
fi
quietly 'the built image' buildah inspect "$@" >"$work/inspected"
was=$(stat -c %Y "$mounted")
[ -n "$import" ] || stubs "$mounted"
[ "$(stat -c %a:%u "$mounted")" != 555:0 ] || chmod 755 "$mounted"
touch -d "@$was" "$mounted"
# What was taken from the image that it stands on comes back.
# shellcheck disable=SC2016
jq -cS --arg first "$first" \
    --slurpfile volumes "$work/volumes" '.OCIv1.config // {} |
    .Volumes = (($volumes | add // {})[$first] // {}) + (.Volumes // {}) |
    . as $c | '"$known_config" "$work/inspected" >"$work/config"
# A snapshot keeps up to 60 KiB of it.
[ "$(stat -c %s "$work/config")" -le 61440 ] || {
	say "the image's labels are too long to be kept"
	jq -c 'del(.Labels)' "$work/config" >"$work/inspected"
	mv "$work/inspected" "$work/config"
}
set -- pack ${verbose:+"$verbose"} --config "$work/config" \
    ${discard:+"--discard=$discard"}
if [ -n "$has_parent_image" ]; then
	set -- "$@" --parent-raw "$work/parent.raw" \
	    --parent-id "$(cat "$work/parent.raw.id")" ${keep:+"$keep"}
elif [ -n "$keep" ]; then
	[ -e "$work/below" ] || find "$graph/$driver-layers" \
	    -name '*.tar-split.gz' | sed 's,.*/,,; s/\..*//' >"$work/below"
	lost=$(devices <"$work/below" | tr '\n' ' ')
	[ -z "$lost" ] || say "left out, as no device can be made here:" \
	    "$(printf %.500s "$lost")"
fi
run tl-snapshot "$@" "$mounted" "$disk" "$work/rootfs.tlsnap" \
    2>"$work/err" || {
	code=$?
	die "$code" "$(tail -n 1 "$work/err" | sed 's/^tl-[a-z0-9]*: //')"
}

