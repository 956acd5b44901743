#!/bin/sh
# tl-region up --store: images lie in a store that is not the region's own

. "${0%/*}/lib.sh"
. "$here/region.sh"
. "$here/store.sh"

store
sed 's/^access_key = .*/access_key = RK/' signer.conf >reader.conf
chmod 600 reader.conf
try 'one file of the two' tl-region up --store signer.conf
exits 64
says store-reader
: >empty.conf
chmod 600 empty.conf
try 'a file that says nothing' tl-region up --store empty.conf \
    --store-reader reader.conf
exits 78
says empty.conf
chmod 644 signer.conf
try 'a key for all to read' tl-region up --store signer.conf \
    --store-reader reader.conf
exits 78
chmod 600 signer.conf

sed 's/^secret_key = .*/secret_key = wrong/' signer.conf >wrong.conf
chmod 600 wrong.conf
try 'a wrong key' tl-region up --store wrong.conf --store-reader reader.conf
exits 69
says 'template busybox'
is 'starts nothing' "$(tl-region status | grep -c ' down$')" 3
tl-region down --purge

region --store signer.conf --store-reader reader.conf
is 'three daemons' "$(tl-region status | grep ' up ' | cut -d' ' -f1,2 | tr '\n' ' ')" \
    'dataplaned up sandboxd up platformd up '
is 'the keys stay private' "$(find "$TL_REGION_DIR" -name '*.conf' \
    -perm /077)" ''
try 'a build' tl-build -n there "$sample/Dockerfile"
exits 0
cp out template.json
key=$(jq -r '.snapshotUri | ltrimstr("s3://images/")' template.json)
printf '{"uri":"s3://images/%s","op":{"kind":"single_get"}}' "$key" |
    tl-presign -c signer.conf -p proj_local >link.json
jq -r '"url = \"\(.url)\""' link.json | curl -sSf -K - -o snap
is 'as large as was said' "$(stat -c %s snap)" \
    "$(jq -r .snapshotSizeBytes template.json)"
printf '{"uri":"%s","op":{"kind":"single_get"}}' \
    "$(jq -r .parentManifestUri template.json)" |
    tl-presign -c signer.conf -p proj_local |
    jq -r '"url = \"\(.url)\""' | curl -sSf -K - -o parent
ok 'and whole' tl-snapshot check --parent parent snap
nothing_left 'a build'
tl-region down
try 'without the store' tl-region up
exits 78
says 'another store'
sed 's/^bucket = .*/bucket = other/' signer.conf >other.conf
chmod 600 other.conf
try 'with another bucket' tl-region up --store other.conf \
    --store-reader other.conf
exits 78
region --store signer.conf --store-reader reader.conf
curl -sSf -H @- -o template.json \
    "$TENSORLAKE_API_URL/platform/v1/sandbox-templates/by-name/there" <<END
Authorization: Bearer $TENSORLAKE_API_KEY
END
is 'the template is still there' "$(jq -r .name template.json)" there
tl-region down --purge
jq -r '"url = \"\(.url)\""' link.json | curl -sSf -K - -o again
ok 'purged: its images stay in the store' cmp snap again
lists tl-region.8
