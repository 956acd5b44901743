#!/bin/sh
# What Docker makes of the Dockerfiles of data/dockerfiles.cases: the entries that
# stand there, which 45-dockerfiles.t holds ours against

. "${0%/*}/../lib.sh"
. "$here/lib.sh"

# shellcheck source=tests/contexts.sh
. "$here/contexts.sh"
context ctx
tl-snapshot busybox bb.tlsnap 1073741824
tl-snapshot tar bb.tlsnap | docker import - bb >/dev/null
mkdir bb
tl-snapshot unpack bb.tlsnap bb
mkdir docker/ctx
cp -a ctx/. docker/ctx

other=0 version=$(docker version -f '{{.Server.Version}}')
makes () { # WHAT DOCKERFILE ENTRIES [DOCKERS]
	# It loses set-id bits, and keeps what it has mounted at.
	case $version:$1 in
	20.*:--chmod | 20.*:'a mount of one')
		other=$((other + 1))
		echo "# otherwise in this Docker: $1"
		return 0 ;;
	esac
	# shellcheck disable=SC2059
	printf "$2" | sed 's/@/c/g' >docker/ctx/Dockerfile
	mv docker/ctx/Dockerfile docker/Dockerfile
	if ! docker build -q --network host --target c -t case \
	    -f /tl-docker/Dockerfile /tl-docker/ctx >built 2>&1 </dev/null; then
		# Of the frontends that are called labs, or later than this one.
		if grep -qiE -e 'unknown (flag|instruction): ' \
		    -e "unsupported modifier|missing ':' in subst" built; then
			other=$((other + 1))
			echo "# not in this Docker: $1: $(tail -n 1 built)"
		elif [ "${4-}" = refused ]; then
			pass_ "$1: refused"
		else
			fail_ "$1" "$(tail -n 3 built)"
		fi
		return 0
	fi
	layers case root /usr/bin/python3 "$here/docker/tree.py" "$T/root" |
	    jq -rs --rawfile bb names '($bb / "\n") as $bb | map(select(.name |
		IN("etc/resolv.conf", "etc/hosts", "etc/hostname", $bb[]) |
		not) | "\(.mode) \(.owner) \(.name)" +
		(if .target then " -> " + .target else "" end) +
		(if .text then "=" + (.text | rtrimstr("\n") |
		    gsub("\n"; "|")) else "" end)) | join(";")' >entries
	is "$1" "$(cat entries)" "${4-$3}"
}
(cd bb && find . | sed 's,^\./,,') >names
# shellcheck source=/dev/null
. "$data/dockerfiles.cases"
echo "# $other of them are not in this Docker: $version"
ok 'it takes the most' test "$other" -lt 40
