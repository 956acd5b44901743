#!/bin/sh
# tl-rootfs-build: build an image inside a sandbox and upload its snapshot
#
# Reads the spec that tl-splice made, writes metadata.json (tl-wire(7), "Spec"
# and "Metadata and complete").  The spec holds keys: they go from file to
# file, never through an argument.  See tl-rootfs-build(1).

# shellcheck disable=SC2154

set -eu
umask 077
# What is kept of a program that crashes could hold a key.
# shellcheck disable=SC3045
ulimit -S -c 0
PATH=$PATH:/usr/sbin:/sbin
export PATH LC_ALL=C

usage='usage: tl-rootfs-build --spec FILE --metadata-out FILE [--storage DIR]
           [--cache DIR [--cache-mb N]]
       tl-rootfs-build --check | --features
       tl-rootfs-build --unpack ARCHIVE --record FILE --into FOLDER
           [--cache DIR]
  -C, --cache DIR          keep what steps have made here, for later builds
      --cache-mb N         at most so much of it (20480)
  -n, --no-cache           use none
  -c, --check              check that everything a build needs is here
  -f, --features           print what this buildah takes in a Dockerfile
      --into FOLDER        where the context is to be
      --record FILE        what is in it
  -s, --spec FILE          what to build
  -m, --metadata-out FILE  where the result goes
  -S, --storage DIR        for layers (/var/lib/containers)
      --unpack ARCHIVE     a context, but for what the cache has of it
  -v, --verbose            say more
  -h, --help  -V, --version'

# The last line of a failed run is for a person; what it says stands there for
# scripts too, by its status.
die () { # STATUS WORDS...
	code=$1
	shift
	printf 'tl-rootfs-build: %s\n' "$*" >&2
	exit "$code"
}

# put TEXT: on stdout; what cannot be written is a failed run
put () {
	printf '%s\n' "$1" 2>/dev/null || die 74 "stdout: cannot be written"
}

say () {
	printf 'tl-rootfs-build: %s\n' "$*"
}

wrong () {
	printf '%s\n' "$usage" | head -n 2 >&2
	exit 64
}

# Mounts of our own: whatever ends this, none is left.
if [ -z "${TL_ROOTFS_BUILD_NS-}" ] && [ "$(id -u)" -eq 0 ] &&
    unshare -m --propagation private true 2>/dev/null; then
	TL_ROOTFS_BUILD_NS=1
	export TL_ROOTFS_BUILD_NS
	exec unshare -m --propagation private "$0" "$@"
fi
unset TL_ROOTFS_BUILD_NS

command -v tl-options >/dev/null || die 78 'tl-options: not found'
code=$(tl-options tl-rootfs-build "$usage" "$@") || exit
eval "$code"
spec=${spec#*=} metadata=${metadata_out#*=} ask=$check$features
storage=${storage#*=}
storage=${storage:-/var/lib/containers}
cache=${cache#*=} cache_mb=${cache_mb#*=}
# A sandbox may have been given one.
[ -n "$cache" ] || [ ! -d /var/cache/tl-rootfs-build ] ||
    cache=/var/cache/tl-rootfs-build
[ -z "$no_cache" ] || cache=
case $cache in
'' | /*) ;;
*) cache=$PWD/$cache ;;
esac
cache_mb=${cache_mb:-20480}
case $cache_mb in
0* | *[!0-9]* | ?????????*) die 64 "--cache-mb: not a size in MiB" ;;
esac
unpack=${unpack#*=} record=${record#*=} into=${into#*=}
case $#$ask${spec:+s}${metadata:+m}${unpack:+u}${record:+r}${into:+i} in
0sm | 0--check | 0--features | 0uri) ;;
*) wrong ;;
esac
[ "$(id -u)" -eq 0 ] || die 77 "must be run as root, in a sandbox"

# The end, whichever way it comes.

work='' graph='' child='' tee='' said='' uploading='' mounted='' names='' plain='' leaving='' uploader=''
# uploader: what sends the snapshot while it is packed
# borrowed: a cache that, where it is full, is to be done without; tidy: one that
# can be left to others; again: a build is to begin again
borrowed='' tidy='' again=

# gone PID SECONDS: wait for its end, so long at the most
gone () {
	timeout "$2" tail -s 0.01 --pid="$1" -f /dev/null 2>/dev/null || :
}

# What runs in the background has a session of its own: all of it ends.
stop_child () {
	[ -n "$child" ] || return 0
	kill -TERM "-$child" 2>/dev/null || kill -TERM "$child" \
	    2>/dev/null || :
	# tl-upload gives its upload back meanwhile.
	gone "$child" 10
	kill -KILL "-$child" 2>/dev/null || :
	child=
}

# unmounted: what a build that was held has mounted, the innermost first
unmounted () {
	awk -v d="$graph/" 'index($5, d) == 1 { print $5 }' \
	    /proc/self/mountinfo | sort -r | while read -r mount; do
		umount -l "$mount" 2>/dev/null || :
	done
}

# put_away: what the build stood on is not needed any more: its mounts, and its
# storage but for what a cache keeps of it
put_away () {
	[ -z "$mounted" ] || umount -l "$mounted" 2>/dev/null || :
	[ -z "$plain" ] || {
		umount -l "$plain" 2>/dev/null || :
		rmdir "$plain" 2>/dev/null || :
	}
	[ -n "$graph" ] || return 0
	unmounted
	[ -z "$tidy" ] || [ -n "$again" ] || ! tidied || return 0
	rm -rf --one-file-system "$graph"
}

finish () {
	code=$?
	trap - EXIT
	trap '' HUP INT TERM
	stop_child
	# At once, so that no part comes behind the abort below.
	[ -z "$uploader" ] || {
		kill -KILL "-$uploader" 2>/dev/null || :
		wait "$uploader" 2>/dev/null || :
	}
	# Who shows it may still wait for a writer.
	[ ! -p "$work/fifo" ] || (: <>"$work/fifo") || :
	[ -z "$tee" ] || kill "$tee" 2>/dev/null || :
	[ -z "$borrowed" ] || [ "$code" -ne 73 ] || {
		say "beginning again without the cache"
		again=1
	}
	# Upstream's clients do not give an unused upload back.
	if [ "$code" -ne 0 ] && [ -z "$uploading$again" ] &&
	    [ -n "$work" ] && command -v tl-abort >/dev/null; then
		tl-abort -t 8 <"$keys" 2>/dev/null || :
	fi
	# It may wait for somebody to write to a fifo; a new process loses TERM.
	[ -z "$said" ] || kill -KILL "$said" 2>/dev/null || :
	# A signal to all of a group ends that, too.
	if [ -z "$leaving" ] || ! wait "$leaving"; then
		put_away
	fi
	[ -z "$work" ] || rm -rf --one-file-system "$work"
	[ -z "$again" ] || {
		trap - HUP INT TERM
		exec "$0" --spec "$keys" --metadata-out "$metadata" \
		    --storage "$storage" ${verbose:+"$verbose"} --no-cache
	}
	exit "$code"
}
# stopped STATUS: by a signal
stopped () {
	echo 'tl-rootfs-build: stopped by a signal' >&2
	# tl-upload may end before it hears signals: the upload is given back here,
	# once more or not.
	[ "$uploading" != begun ] || uploading=
	exit "$1"
}
trap finish EXIT
trap 'stopped 129' HUP
trap 'stopped 130' INT
trap 'stopped 143' TERM

# run COMMAND...: in the background, so that signals are heard at once; it has
# no way to the spec, but for the upload
run () {
	if [ -n "$uploading" ]; then
		setsid "$@" &
	else
		setsid "$@" 9<&- &
	fi
	child=$!
	code=0
	wait "$child" || code=$?
	# What a RUN step left behind ends with it.
	kill -KILL "-$child" 2>/dev/null || :
	child=
	return "$code"
}

# places: for sed, which line of the Dockerfile each of buildah's steps is: "[2/3]
# STEP 4/5: ..." is the fourth instruction of the second stage
places () {
	awk 'NR == FNR { line[FNR] = $0; next }
	    /^FROM / { stage++; step = 0 }
	    stage {
		step++
		behind = "STEP " step "\\/[0-9]*: .*/s/$/ (Dockerfile:" \
		    line[FNR] ")/"
		print "/^\\[" stage "\\/[0-9]*\\] " behind
		if (stage == 1)
			print "/^" behind
	    }' "$work/lines" "$work/Dockerfile"
}

# shown: what comes into the fifo, as it comes, and kept in $work/log
shown () {
	mkfifo "$work/fifo"
	# Templates are shown by the names the Dockerfile has for them, and
	# its instructions with their lines there.
	sed -u "$names" <"$work/fifo" | tee "$work/log" |
	    sed -u -f "$work/places" &
	tee=$!
}

all_shown () {
	gone "$tee" 10
	kill "$tee" 2>/dev/null || :
	tee=
	rm -f "$work/fifo"
}

# logged COMMAND...: it has the fifo, and this shell has not: when a signal has ended
# who reads there, the shell would end where it says so.
logged () {
	shown
	code=0
	# shellcheck disable=SC2016
	run sh -c 'exec "$@" >"$0" 2>&1' "$work/fifo" "$@" || code=$?
	all_shown
	return "$code"
}

# held COMMAND...: the same, until its last step says where what was to be made
# stands, in a line that "$names" puts into $work/held, and that is in $work/holds
# then; all of it ends.  It fails if it ends before.
held () {
	rm -f "$work/held"
	mkfifo "$work/held"
	shown
	head -n 1 "$work/held" >"$work/holds" &
	said=$!
	# shellcheck disable=SC2016
	setsid sh -c '"$@"; echo >"$0"' "$work/held" "$@" >"$work/fifo" 2>&1 9<&- &
	child=$!
	wait "$said" || :
	said=
	# Whoever writes there, and was slow to open it, is not to wait or end.
	# No process reads it: one that is new loses a signal now and then, and
	# would never end.
	exec 6<>"$work/held"
	code=0
	grep -q . "$work/holds" || code=1
	kill -KILL "-$child" 2>/dev/null || :
	wait "$child" 2>/dev/null || :
	child=
	all_shown
	exec 6<&-
	# Who shows what comes later must not wait for a reader of it.
	rm -f "$work/held"
	return "$code"
}

