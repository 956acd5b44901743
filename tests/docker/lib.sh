# shellcheck shell=sh
# For tests against Docker, behind lib.sh: a daemon of Debian's docker.io in
# namespaces of its own, without bridge and iptables; the whole file is skipped
# where there is none.
#
#	docker ARGUMENT...	its client; what is in $T/docker is at /tl-docker
#	layers IMAGE DIR COMMAND...
#				COMMAND with the image's root at DIR, read-only
#
# TL_DOCKER_ROOT: the root folder of another Debian whose dockerd it is to be, as
# mmdebstrap --include=docker.io,docker-cli,docker-buildx makes one; Debian 12's
# takes no here-documents.

here=${here%/docker}
# shellcheck disable=SC2034
data=$here/data pages=$here/../man
[ "$(id -u)" -eq 0 ] || skip 'a Docker daemon needs root'
PATH=$PATH:/usr/sbin:/sbin
root=${TL_DOCKER_ROOT:-/}
[ -x "$root/usr/sbin/dockerd" ] ||
    skip 'no dockerd here: install docker.io, or name a root in TL_DOCKER_ROOT'
unshare -m true 2>/dev/null || skip 'no mount namespaces here'
mkdir -p docker/l docker/u docker/w docker/m
# shellcheck disable=SC2016
unshare -m sh -c 'cd docker && mount -t overlay overlay \
    -o lowerdir=l,upperdir=u,workdir=w m' 2>/dev/null ||
    skip 'no overlay file systems here, which this looks into'
# shellcheck disable=SC2016
unshare -m -n --propagation private sh -euc '
	ip link set lo up 2>/dev/null || :
	[ "$1" = / ] || mount --rbind "$1" "$1"
	cd "$1"
	mkdir -p tl-docker
	mount --bind "$2/docker" tl-docker
	[ "$1" = / ] || {
		mount -t proc proc proc
		mount --rbind /sys sys
		mount --rbind /dev dev
	}
	mount -t tmpfs tmpfs run
	exec chroot . dockerd --data-root /tl-docker/data \
	    --exec-root /tl-docker/exec --pidfile /tl-docker/pid \
	    -H unix:///tl-docker/sock --storage-driver overlay2 \
	    --iptables=false --ip6tables=false --bridge=none' \
    sh "$root" "$T" >docker/log 2>&1 </dev/null &
daemon=$!
# Its containerd ends with it.
# shellcheck disable=SC2016
later 'kill "$daemon" 2>/dev/null; wait "$daemon" 2>/dev/null
    [ "$root" = / ] && rmdir /tl-docker 2>/dev/null'

docker () {
	nsenter -t "$daemon" -m -n -r -w env HOME=/tl-docker DOCKER_BUILDKIT=1 \
	    docker -H unix:///tl-docker/sock "$@"
}

tries=0
until docker version >docker/version 2>&1; do
	tries=$((tries + 1))
	if ! kill -0 "$daemon" 2>/dev/null || [ "$tries" -eq 120 ]; then
		skip "dockerd does not start: $(tail -n 1 docker/log |
		    tr -d '\n' | head -c 200)"
	fi
	sleep 0.5
done

layers () {
	lower=$(docker image inspect -f '{{index .GraphDriver.Data "UpperDir"}}:{{index .GraphDriver.Data "LowerDir"}}' \
	    "$1" | sed "s,/tl-docker/,$T/docker/,g; s/:<no value>//; s/:\$//")
	dir=$2
	mkdir -p "$dir" empty
	# One alone cannot be mounted.
	case $lower in
	*:*) ;;
	*) lower=$lower:$T/empty ;;
	esac
	shift 2
	# shellcheck disable=SC2016
	unshare -m sh -euc 'lower=$1 dir=$2
	    shift 2
	    mount -t overlay -o "ro,lowerdir=$lower" overlay "$dir"
	    "$@"' sh "$lower" "$dir" "$@"
}
