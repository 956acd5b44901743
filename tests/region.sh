# shellcheck shell=sh
# For tests that want a whole region: sourced after lib.sh.
#
#	region [OPTION...]	start one in $T/region, point the client at it;
#				stopped and deleted at the end
#	fetch URI FILE		a snapshot out of its store
#	nothing_left NAME	no sandbox, process, mount, loop device, open
#				upload of it

[ "$(id -u)" -eq 0 ] || skip 'a sandbox needs root'
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
uploads () {
	/usr/bin/python3 - "$TL_REGION_DIR" <<'END'
import sys, boto3
from botocore.config import Config
region = sys.argv[1]
conf = dict(line.strip().split(" = ", 1) for line in open(region + "/signer.conf"))
s3 = boto3.client("s3", endpoint_url=conf["endpoint"],
    region_name=conf["region"], aws_access_key_id=conf["access_key"],
    aws_secret_access_key=conf["secret_key"],
    config=Config(s3={"addressing_style": "path"}))
for upload in s3.list_multipart_uploads(Bucket=conf["bucket"]).get("Uploads", []):
    print(upload["Key"], upload["UploadId"])
END
}

# rest: everything of the region that a finished build must not leave
rest () {
	find "$TL_REGION_DIR/sandboxes" -mindepth 1 -maxdepth 1 -type d
	grep -F "$TL_REGION_DIR/sandboxes" /proc/self/mountinfo
	losetup -l -n -O NAME,BACK-FILE | grep -F "$TL_REGION_DIR"
	# A sandbox's processes end with its tl-runtime, which names its folder.
	for f in /proc/[0-9]*/cmdline; do
		{ tr '\0\n' '  ' <"$f" && echo; } 2>/dev/null
	done | grep -F -e "$T/" | grep -v -e ' --ready ' -e grep
	uploads
}

nothing_left () {
	rest >rest.out 2>rest.err
	is "$1: nothing is left" "$(cat rest.out rest.err)" ''
}
