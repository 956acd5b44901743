# devices_of LAYER: what is a device in it; buildah keeps all headers of what it has
# unpacked
devices_of () {
	gzip -dc "$graph/$driver-layers/$1.tar-split.gz" 2>/dev/null |
	    jq -r 'select(.type == 2) | .payload | @base64d |
		length as $n | range($n % 512; $n; 512) as $at |
		.[$at:$at + 512] |
		select(.[156:157] == "3" or .[156:157] == "4") |
		select(.[257:262] == "ustar") | .[:100] |
		split("\u0000")[0]' 2>/dev/null
}

# devices: the same of layers whose names are read; a cache keeps the answers
devices () {
	while read -r id; do
		# Below what stands on nothing is an empty line.
		[ -n "$id" ] || continue
		answer=$graph/tl-devices/$id
		[ -e "$answer" ] || {
			mkdir -p "$graph/tl-devices"
			devices_of "$id" >"$answer.new"
			mv "$answer.new" "$answer"
		}
		cat "$answer"
	done | sed 's,^\.*/*,/,' | sort -u
}

borrowed=
say "packing a disk of $(((disk + 1048575) / 1048576)) MiB"
if [ -n "$import" ]; then
	set -- --type container import
else
	set -- --type image "$(cat "$work/iid")"
fi
quietly 'the built image' buildah inspect "$@" >"$work/inspected"
[ -n "$import" ] || stubs "$mounted"
[ "$(stat -c %a:%u "$mounted")" != 555:0 ] || chmod 755 "$mounted"
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
set -- pack --growing ${verbose:+"$verbose"} --config "$work/config" \
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
# What is packed is uploaded meanwhile, and nothing of it is an object before all
# is whole.
mkfifo "$work/packed"
shown
# shellcheck disable=SC2016
setsid sh -c 'exec tl-upload --growing --progress --sum --spec "$1" "$2" \
    <"$3" >"$4" 2>"$5"' sh "$keys" "$work/rootfs.tlsnap" "$work/packed" \
    "$work/uploaded" "$work/fifo" &
uploader=$!
# Both ends: whether that one lives or not, this one does not wait, nor end.
exec 7<>"$work/packed"
run tl-snapshot "$@" "$mounted" "$disk" "$work/rootfs.tlsnap" \
    2>"$work/err" 7<&- || {
	code=$?
	why=$(tail -n 1 "$work/err" | sed 's/^tl-[a-z0-9]*: //')
	# Where there is no room, there is none for that, either.
	case $code:$why in
	74: | *'No space left on device'*)
		die 73 "no space left in the sandbox for packing${why:+: $why}" ;;
	esac
	die "$code" "$why"
}
# While the rest is uploaded.
put_away 9<&- 7<&- &
leaving=$!
