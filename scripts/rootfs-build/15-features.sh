# What is here.

where='in this sandbox'
[ -z "$ask" ] || where=here
for tool in buildah curl e2fsck jq mke2fs qemu-img tl-ext4 tl-lower \
    tl-snapshot tl-upload; do
	command -v "$tool" >/dev/null || die 78 "$tool: not $where"
done

# helper FILE: the program that buildah said last it does not find, though it
# would not even use it
helper () {
	wanted=$(tail -n 1 "$1" | sed -n \
	    's/^Error: .*could not find "\([a-z-]*\)" in one of \[.*/\1/p')
	[ -z "$wanted" ] ||
	    die 78 "$wanted: not $where; buildah cannot start without it"
}

# asked ARGUMENT...: buildah, on a storage of no use; its words are in $work/said
asked () {
	CONTAINERS_CONF=$work/containers.conf TMPDIR=$work buildah \
	    --storage-driver vfs --root "$work/graph" --runroot "$work/run" \
	    "$@" >"$work/said" 2>&1
}

# takes NAME LINE...: whether it takes a Dockerfile of these, from nothing.  No
# program is there to be run: a RUN fails, for one reason or another.
takes () {
	name=$1
	shift
	printf 'FROM scratch\n' >"$work/Dockerfile"
	printf '%s\n' "$@" >>"$work/Dockerfile"
	answer=yes
	asked build --signature-policy "$work/policy.json" --isolation chroot \
	    --network host --layers=false -f "$work/Dockerfile" "$work/here" || {
		case $name in
		RUN*) ! grep -q 'RUN only supports' "$work/said" || answer=no ;;
		*) answer=no ;;
		esac
	}
	put "$name $answer"
}

if [ -n "$ask" ]; then
	uploading=1
	work=$(mktemp -d "${TMPDIR:-/tmp}/tl-rootfs-build.XXXXXX") || exit 73
	mkdir "$work/here"
	: >"$work/containers.conf"
	: >"$work/here/f"
	echo '{"default":[{"type":"insecureAcceptAnything"}]}' \
	    >"$work/policy.json"
	asked from scratch || {
		helper "$work/said"
		die 78 "buildah does not start: $(tail -n 1 "$work/said")"
	}
	[ -z "$check" ] || exit 0
	put "$(buildah --version | sed 's/^\(buildah\) version \([^ ]*\).*/\1 \2/')"
	takes 'here-documents' 'COPY <<END /x' 'text' 'END'
	takes 'COPY --chmod' 'COPY --chmod=600 f /'
	takes 'COPY --exclude' 'COPY --exclude=x . /'
	takes 'COPY --link' 'COPY --link f /'
	takes 'COPY --parents' 'COPY --parents ./f /'
	takes 'RUN --network' 'RUN --network=host ["/absent"]'
	# shellcheck disable=SC2016
	takes '${NAME%pattern}' 'ARG A=b.c' 'ENV X=${A%.c}'
	takes 'HEALTHCHECK --start-interval' \
	    'HEALTHCHECK --start-interval=5s CMD true'
	exit
fi

