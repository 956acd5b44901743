#!/bin/sh
# A cold build, against Docker's BuildKit: a context of 600 MB in 25,000 files,
# COPYed onto a small base of a registry on loopback.  Ours is the whole flow on a
# region that is started for it, upload and end included; theirs is "docker build"
# with a daemon that runs and has nothing.  In turns; medians.  Then once more,
# with what each has kept of the first build, when only the last line has changed.
#
# TL_BENCH_FILES of 24,000 bytes each, TL_BENCH_RUNS (3), TL_DOCKER_ROOT as for
# "make check-docker".

set -eu
: "${TL_BIN:?run me through make bench}" "${T:?}"
here=$(cd "${0%/*}/.." && pwd)
bench=$here/bench files=${TL_BENCH_FILES:-25000} runs=${TL_BENCH_RUNS:-3}
work=$PWD registry=''
# Debian's client, before another of its name.
PATH=$TL_BIN:/usr/bin:/bin:$PATH:/usr/sbin:/sbin HOME=$work/home
export PATH HOME
mkdir home
skip () {
	echo "docker   skipped: $*"
	exit 0
}
finish () {
	[ -z "$registry" ] || kill "$registry" 2>/dev/null || :
}
trap finish EXIT
trap 'exit 130' INT TERM

[ "$(id -u)" -eq 0 ] || skip 'it wants root'
for tool in buildah docker-registry; do
	command -v "$tool" >/dev/null || skip "$tool is not here"
done
tl-runtime --enter true 2>/dev/null || skip 'no sandboxes here'

# The base: this Debian's smallest, or busybox where there is no mirror.
release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
base="$release minbase"
mmdebstrap -q --variant=minbase "$release" base.tar 2>mmdebstrap.log || {
	base=busybox
	mkdir -p root/bin
	cp "$(command -v busybox)" root/bin ||
	    skip 'neither mmdebstrap nor busybox'
	tar -C root -cf base.tar .
}
port=$(/usr/bin/python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
cat >registry.yml <<END
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:$port"}
END
docker-registry serve registry.yml >registry.log 2>&1 &
registry=$!
until curl -fs "http://127.0.0.1:$port/v2/" >/dev/null; do
	kill -0 "$registry" || exit 1
	sleep 0.1
done
# shellcheck disable=SC2016
unshare -m sh -euc 'export STORAGE_DRIVER=vfs
	b="buildah --root $PWD/push --runroot $PWD/push.run"
	c=$($b from scratch)
	$b add -q "$c" base.tar / >/dev/null
	$b commit -q "$c" base >/dev/null
	$b push -q --tls-verify=false base "docker://127.0.0.1:$1/base:1"
	rm -rf push push.run base.tar' sh "$port"

mkdir docker
/usr/bin/python3 "$bench/files.py" docker/ctx "$files"
printf '%s\n' Dockerfile .dockerignore >docker/ctx/.dockerignore
line=0
dockerfile () {
	line=$((line + 1))
	printf 'FROM 127.0.0.1:%s/base:1\nCOPY . /app/\nRUN echo %s >/line\n' \
	    "$port" "$line" >docker/ctx/Dockerfile
}
dockerfile
now () { date +%s%N; }

# Docker's daemon has a network of its own, and there the registry again.
theirs () (
	T=$work here=$here/docker
	at_exit=''
	later () { at_exit="$*; $at_exit"; }
	trap 'set +e; eval "$at_exit"; rm -rf docker/data docker/exec' EXIT
	trap 'exit 130' INT TERM
	# shellcheck source=tests/docker/lib.sh
	. "$here/lib.sh"
	nsenter -t "$daemon" -n docker-registry serve registry.yml \
	    >registry.log 2>&1 &
	later "kill $!"
	until nsenter -t "$daemon" -n curl -fs \
	    "http://127.0.0.1:$port/v2/" >/dev/null; do sleep 0.1; done
	docker version -f '{{.Server.Version}}' >number
	sync
	start=$(now)
	built () {
		docker build -q --network none -t bench /tl-docker/ctx >docker.log 2>&1 \
		    </dev/null || {
			tail -n 3 docker.log >&2
			exit 1
		}
		echo $(($(now) - start)) >>"$1"
	}
	built theirs
	dockerfile
	start=$(now)
	built theirs.again
)
ours () {
	sync
	start=$(now)
	tl-region --dir "$work/region" run --network store --reach "$port" \
	    --purge -- tl-build -n bench docker/ctx >ours.log 2>&1 || {
		tail -n 3 ours.log >&2
		exit 1
	}
	echo $(($(now) - start)) >>ours
}
again () {
	export TL_REGION_DIR="$work/region"
	{ tl-region up --cache --network store --reach "$port" &&
	    eval "$(tl-region env)" && tl-build -n bench docker/ctx &&
	    dockerfile && start=$(now) && tl-build -n bench docker/ctx &&
	    echo $(($(now) - start)) >>ours.again
	tl-region down --purge; } >ours.log 2>&1
	[ -s ours.again ] || {
		tail -n 5 ours.log >&2
		exit 1
	}
}
i=0
while [ "$i" -lt "$runs" ]; do
	i=$((i + 1))
	theirs
	[ -s theirs ] || exit 0
	ours
	again
done
median () { sort -n "$1" | sed -n "$(((runs + 1) / 2))p"; }
echo "$(median ours) $(median theirs) $(du -sk docker/ctx)" | awk \
    -v files="$files" -v base="$base" -v version="$(cat number)" '{
	printf "docker   %d files, %d MB onto %s %8.2f s   %.2fx of Docker %s, %.2f s\n",
	    files, $3 / 1024, base, $1 / 1e9, $1 / $2, version, $2 / 1e9 }'
echo "$(median ours.again) $(median theirs.again)" | awk '{
	printf "docker     its last line changed, with a cache %8.2f s   %.2fx of Docker, %.2f s\n",
	    $1 / 1e9, $1 / $2, $2 / 1e9 }'
