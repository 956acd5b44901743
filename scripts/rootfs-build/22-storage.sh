# Where it works, and where buildah has its storage.

work=$(mktemp -d "$out_dir/.tl-rootfs-build.XXXXXX") || exit 73
mkdir -p "$storage" || exit 73
mkdir "$work/tmp"

# layered DIR: whether an overlay can be mounted of folders of this one
layered () {
	mkdir -p "$1/l" "$1/u" "$1/w" "$1/m" && mount -t overlay overlay \
	    -o "lowerdir=$1/l,upperdir=$1/u,workdir=$1/w" "$1/m" 2>/dev/null
	overlay=$?
	[ "$overlay" -ne 0 ] || umount "$1/m"
	rm -rf "$1/l" "$1/u" "$1/w" "$1/m"
	return "$overlay"
}

# The storage of a cache is there before and after.  One build at a time uses it,
# and as long as a buildah of it lives, that has the lock, too; what one has left
# that did not come to its end is thrown away.
borrow () {
	# A script ends where a redirection of exec or ":" fails.
	command -v containers-storage >/dev/null && mkdir -p "$cache" &&
	    touch "$cache/lock" && exec 8>"$cache/lock" && flock -n 8 || return
	# Which one it is, without a start of it.
	kind_of="2 $(uname -m) $(stat -L -c '%s %Y' "$(command -v buildah)")"
	[ ! -e "$cache/dirty" ] || rm -f "$cache/kind"
	[ "$(cat "$cache/kind" 2>/dev/null)" = "$kind_of" ] ||
	    rm -rf --one-file-system "$cache/storage" "$cache/used"
	touch "$cache/dirty" && mkdir -p "$cache/storage" "$cache/used" &&
	    echo "$kind_of" >"$cache/kind" && layered "$cache/storage"
}

if [ -n "$cache" ] && borrow; then
	borrowed=$cache
	graph=$cache/storage
	rm -rf "$graph/run"
else
	cache=
	graph=$(mktemp -d "$storage/tl-rootfs-build.XXXXXX") || exit 73
fi
mkdir "$graph/run"
: >"$work/places"
# buildah makes an image's name of a layout's path, and refuses capitals in it.
plain=/run/tl-rootfs-build.$$
mkdir "$plain" || exit 73
mount --bind "$graph" "$plain" 2>/dev/null ||
    die 77 "no mounts in this sandbox: it lacks CAP_SYS_ADMIN"
HOME=$work TMPDIR=$work/tmp
export HOME TMPDIR
unset XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_DATA_HOME DOCKER_CONFIG

