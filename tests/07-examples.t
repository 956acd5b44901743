#!/bin/sh
# The manual pages' examples work as they stand

. "${0%/*}/lib.sh"
. "$here/scripted.sh"

TL_RETRY_SECOND_MS=1
export TL_RETRY_SECOND_MS
scripted ''

# runs PAGE [--status]: with it they work, whatever they say
runs () {
	page=$1
	shift
	mkdir "$page"
	case $page in
	tl-context.1|tl-ext4.1|tl-snapshot.1) ;;
	*)
		documents "$page" "$URL"
		cp "$page/context/Dockerfile" "$page"
		cp "$page/request.json" "$page/request"
		cp "$page/block.json" "$page/block"
		cp "$page/snapshot" "$page/rootfs.tlsnap"
		echo "{\"upload\":$(cat "$page/block.json")}" \
		    >"$page/spec.json" ;;
	esac
	case $page in
	tl-presign.1)
		printf '%s\n' 'bucket = images' \
		    'endpoint = http://127.0.0.1:9000' \
		    'access_key = AKIDEXAMPLE' 'secret_key = not-a-secret' \
		    >"$page/signer.conf" ;;
	tl-upload.1)
		mkdir -p "$page/root"
		sed 's/p1/proj_1/' "$page/request.json" >"$page/request" ;;
	esac
	(cd "$page" && exec python3 "$here/data/examples.py" "$@" \
	    "$pages/$page") >found 2>&1
	is "$page: its examples" "$(sed '$d' found)" ''
	is "$page: it has some" "$(tail -n 1 found | grep -x '[1-9][0-9]*')" \
	    "$(tail -n 1 found)"
}

mkdir live
documents live "$URL"
export TL_SANDBOX="$T/live/sandbox.json"

# Nobody is asked, so what they say is always the same.
runs tl-plan.1
runs tl-splice.1
runs tl-context.1
runs tl-docker-config.1
runs tl-presign.1
runs tl-expires.1
PATH=$PATH:/usr/sbin:/sbin
! command -v mke2fs >/dev/null || runs tl-ext4.1
! command -v qemu-img >/dev/null || ! command -v busybox >/dev/null ||
    runs tl-snapshot.1

# These ask a server, which says what it likes.
runs tl-prepare.1 --status
runs tl-sandbox.1 --status
runs tl-sign.1 --status
runs tl-put.1 --status
runs tl-get.1 --status
runs tl-exec.1 --status
runs tl-complete.1 --status
runs tl-image.1 --status
runs tl-changed.1 --status
runs tl-abort.1 --status
runs tl-upload.1 --status
runs tl-multipart.1 --status
