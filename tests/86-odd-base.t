#!/bin/sh
# What a base image has and a sandbox can hardly make stays in the image that is
# registered: ids over 65535, device nodes, ACLs; what cannot be is refused

. "${0%/*}/lib.sh"
. "$here/region.sh"

region
PATH=$PATH:/usr/sbin:/sbin
# template NAME SNAPSHOT: as a public one; the region takes it when it starts
template () {
	uri=$(printf '{"rel_path":"projects/system/sandbox-template-builds/%s/snap_%s.tlsnap","op":{"kind":"multipart_put","parts":2,"part_size_bytes":67108864}}' \
	    "$1" "$1" | tl-presign --config "$TL_REGION_DIR/signer.conf" \
	    --project system | tl-upload "$2" | jq -r .uri)
	jq -cn --arg n "$1" --arg u "$uri" --argjson s "$(stat -c %s "$2")" '
	    {id: "sandbox_template_\($n)", name: $n, snapshotId: "snap_\($n)",
	    snapshotUri: $u, snapshotFormatVersion: "durable_archive_v1",
	    snapshotSizeBytes: $s, rootfsDiskBytes: 1073741824,
	    rootfsNodeKind: "base", public: true}' \
	    >"$TL_REGION_DIR/templates/$1.json"
}
# entry NAME ARGUMENT...: of the image, as tar lists it
entry () {
	image=$1
	shift
	tl-image get --tar "$image" | tar -tvf - --numeric-owner "$@" 2>/dev/null |
	    sed 's/  */ /g; s/ [0-9-]* [0-9:]* \./ ./'
}

mkdir -p odd/bin odd/dev odd/gone odd/many high
cp "${TL_BUSYBOX:-$(command -v busybox)}" odd/bin/busybox
for name in sh chown rm ls; do
	ln -s busybox "odd/bin/$name"
done
mknod odd/dev/null c 1 3
mknod odd/dev/zero c 1 5
mknod odd/gone/node b 7 99
mknod odd/many/node b 300 70000
chmod 640 odd/many/node
chown 5:6 odd/many/node
(cd odd/many && seq 400 | xargs touch)
echo x >odd/acl
echo x >odd/owned
chown 100000:70000 odd/owned
/usr/bin/python3 - <<'EOF'
import os
acl = "0200000001000700ffffffff020006000500000004000500ffffffff" \
    "10000700ffffffff20000500ffffffff"
os.setxattr("odd/acl", "system.posix_acl_access", bytes.fromhex(acl))
os.setxattr("odd/many", "system.posix_acl_default", bytes.fromhex(acl))
os.setxattr("odd/acl", "user.note", b"noted")
EOF
echo x >high/f
chown 4000000000:1 high/f
tl-snapshot pack odd 1073741824 odd.tlsnap
tl-snapshot pack high 1073741824 high.tlsnap
template odd odd.tlsnap
template high high.tlsnap
tl-region down >/dev/null 2>&1
region

mkdir app
echo x >app/f
cat >app/Dockerfile <<'EOF'
FROM odd
COPY --chown=200000:200001 f /copied
RUN echo x >/f && chown 100000:100001 /f && rm -r /gone
RUN echo x >/many/new
EOF
try 'an odd base' tl-build -n app app
exits 0
is 'what it is: owners' "$(entry app ./owned ./copied ./f)" \
    '-rw-r--r-- 200000/200001 2 ./copied
-rw-r--r-- 100000/100001 2 ./f
-rw-r--r-- 100000/70000 2 ./owned'
is 'its devices' "$(entry app | grep '^[bc]')" \
    'crw-r--r-- 0/0 1,3 ./dev/null
crw-r--r-- 0/0 1,5 ./dev/zero
brw-r----- 5/6 300,70000 ./many/node'
is 'but not of a folder that is gone' "$(entry app | grep -c gone)" 0
is 'all of a large folder' "$(entry app | grep -c ' ./many/')" 403
mkdir app.out
tl-image get --tar app | tar -C app.out -xp --numeric-owner --xattrs \
    --xattrs-include='*' -f - --warning=no-timestamp
/usr/bin/python3 - <<'EOF' >acls
import os
for d, _, names in os.walk("app.out"):
    for p in [d] + [os.path.join(d, n) for n in sorted(names)]:
        for k in sorted(os.listxattr(p, follow_symlinks=False)):
            print(p, k, os.getxattr(p, k, follow_symlinks=False).hex())
EOF
acl=0200000001000700ffffffff020006000500000004000500ffffffff
acl=${acl}10000700ffffffff20000500ffffffff
is 'its ACLs and attributes, and what was there inherits none' \
    "$(sort acls | grep -v app.out/many/new)" \
    "app.out/acl system.posix_acl_access $acl
app.out/acl user.note 6e6f746564
app.out/many system.posix_acl_default $acl"
ok 'but what is new does' grep -q 'app.out/many/new system.posix_acl_access' acls
is 'and /' "$(entry app --no-recursion ./)" 'drwxr-xr-x 0/0 0 ./'

# refused WHAT MESSAGE, of ./app/Dockerfile; buildah may not have shown what a RUN
# said last, where a machine is very busy
refused () {
	again=0
	try "$1" tl-build -n refused app
	until grep -q ': no such owner' err || [ "$again" -eq 3 ]; do
		again=$((again + 1))
		try "$1" tl-build -n refused app
	done
	exits 1
	says "tl-rootfs-build: $2"
	silent out
}
printf 'FROM busybox\nCOPY --chown=4000000000:7 f /\n' >app/Dockerfile
refused 'COPY --chown of an id that is not there' \
    'Dockerfile:2: no such owner 4000000000:7: this sandbox has ids up to 262143: STEP 2/2: COPY'
printf 'FROM busybox\nRUN true\nRUN chown 300000 /bin\n' >app/Dockerfile
refused 'chown in RUN' \
    'Dockerfile:3: no such owner: this sandbox has ids up to 262143: STEP 3/3: RUN'
printf 'FROM high\nCOPY f /\n' >app/Dockerfile
refused 'a base with one' \
    'template high: no such owner 4000000000:1: this sandbox has ids up to 262143'
printf 'FROM busybox\nCOPY --from=high /f /\n' >app/Dockerfile
refused 'another image with one' 'template high: no such owner'
printf 'FROM busybox\nRUN chown 5 /absent\n' >app/Dockerfile
try 'another failure' tl-build -n refused app
exits 1
says 'Dockerfile:2: the build failed in STEP 2/2: RUN chown 5 /absent'
nothing_left 'in the end'
