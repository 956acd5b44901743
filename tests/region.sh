# shellcheck shell=sh
# For tests that want a whole region: sourced after lib.sh.
#
#	region [OPTION...]	start one in $T/region, point the client at it;
#				stopped and deleted at the end
#	fetch URI FILE		a snapshot out of its store
#	nothing_left NAME	no sandbox, process, mount, loop device, open
#				upload of it

sandboxes
sample=$here/data/sample
# shellcheck disable=SC2154
case $sample in
*/peer/data/sample|*/s3/data/sample) sample=$here/../data/sample ;;
esac
TL_REGION_DIR=$T/region
export TL_REGION_DIR

region () {
	later tl-region down --purge
	tl-region up "$@" 2>up.err || {
		fail_ 'the region starts' "$(cat up.err)"
		exit 1
	}
	eval "$(tl-region env)"
}

# fetch URI FILE: an object, through a presigned URL
fetch () {
	printf '{"uri":"%s","op":{"kind":"single_get"}}' "$1" |
	    tl-presign --config "$TL_REGION_DIR/signer.conf" \
	    --project proj_local | jq -r '"url = \"\(.url)\""' |
	    curl -fsS --config - -o "$2"
}

# uploads: the multipart uploads that are open in the region's store
uploads () (
	# shellcheck disable=SC2034
	while read -r key _ value; do
		eval "$key=\$value"
	done <"$TL_REGION_DIR/signer.conf"
	# shellcheck disable=SC2154
	printf 'user = "%s:%s"\nurl = "%s/%s?uploads="\n' "$access_key" \
	    "$secret_key" "$endpoint" "$bucket" |
	    curl -fsS --aws-sigv4 "aws:amz:$region:s3" --config - \
	    -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' >"$T/uploads.xml"
	# What is no list has none of them.
	grep -q '<ListMultipartUploadsResult' "$T/uploads.xml" || echo 'no list'
	grep -o '<UploadId>[^<]*' "$T/uploads.xml"
)

# rest: everything of the region that a finished build must not leave
rest () {
	find "$TL_REGION_DIR/sandboxes" -mindepth 1 -maxdepth 1 -type d
	grep -F "$TL_REGION_DIR/sandboxes" /proc/self/mountinfo
	# A cache stays mounted until the region ends.
	PATH=$PATH:/usr/sbin losetup -l -n -O NAME,BACK-FILE |
	    grep -F "$TL_REGION_DIR" | grep -vF "$TL_REGION_DIR/cache/"
	# A sandbox's processes end with its tl-runtime, which names its folder.
	# shellcheck disable=SC2013
	for f in $(grep -alsF -e "$T/" /proc/[0-9]*/cmdline); do
		{ tr '\0\n' '  ' <"$f" && echo; } 2>/dev/null
	done | grep -F -e "$T/" | grep -v -e ' --ready ' -e grep
	uploads
}

nothing_left () {
	rest >rest.out 2>rest.err
	is "$1: nothing is left" "$(cat rest.out rest.err)" ''
}
