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
		# What the image says beside its files; buildah leaves out the
		# stages that nothing is copied from any more.
		sed -E '/^(RUN|COPY|ADD) /d' "$work/Dockerfile" \
		    >"$work/Dockerfile.config"
		if [ -n "$cache" ]; then
			cached "$@"
		else
			hold "$@"
		fi
		quietly 'its configuration' buildah build "$@" \
		    --file "$work/Dockerfile.config" "$context" >/dev/null
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

