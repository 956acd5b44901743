#!/bin/sh
# tl-platformd: templates, prepare and complete over HTTP, against a real store

. "${0%/*}/lib.sh"
. "$here/daemons.sh"
umask 077

hash () {
	printf %s "$1" | sha256sum | cut -d' ' -f1
}

key=tok_one
# ask METHOD TARGET [OPTION...]: the answer into body, its status into code
ask () {
	method=$1 target=$2
	shift 2
	code=$(curl -sS -o body -D head -w '%{http_code}' -X "$method" \
	    -H "Authorization: Bearer $key" "$@" "$api$target" 2>&1)
}

# answers NAME CODE [TEXT]: the status, and what the body holds
answers () {
	name=$1
	if [ "$code" = "$2" ] && grep -Fqe "${3-}" body; then
		pass_ "$1: $2 ${3-}"
	else
		fail_ "$1: $2 ${3-}" "$code $(cat body)"
	fi
}

field () {
	jq -r "$1" body
}

store_up

# object KEY SIZE: one of that there
object () {
	head -c "$2" /dev/zero >object
	put_object "$1"
}

cat >keys <<END
key $(hash tok_one) apiKey_1 org_1 proj_1
key $(hash tok_two) apiKey_2 org_1 proj_2
pat $(hash tok_pat) pat_1 org_1 proj_1
END
base=projects/system/sandbox-template-builds/b/snap_busybox.tlsnap
mkdir templates
cat >templates/busybox.json <<END
{"id": "sandbox_template_busybox", "name": "busybox",
 "snapshotId": "snap_busybox", "snapshotUri": "s3://images/$base",
 "snapshotFormatVersion": "durable_archive_v1", "snapshotSizeBytes": 100,
 "rootfsDiskBytes": 10737418240, "rootfsNodeKind": "base", "public": true}
END
ok 'an object in the store' object "$base" 100

start () {
	up platformd --keys keys --db platform.db --reader reader.conf \
	    --signer signer.conf --templates templates "$@"
	api=$url
}
start
is 'the database is its owner'\''s alone' "$(stat -c %a platform.db)" 600

# Who asks.  This goes out with neither length nor body, as the published
# client once sent it (tl-wire(7), "Every request").
ask POST /platform/v1/keys/introspect
answers 'introspection' 200
is 'introspection: the answer' "$(field '.id, .organizationId, .projectId' |
    tr '\n' ' ')" 'apiKey_1 org_1 proj_1 '
key=nobody
ask POST /platform/v1/keys/introspect
answers 'a wrong key' 401 '"code": "unauthenticated"'
ask GET /platform/v1/no-such-thing
answers 'a wrong key learns nothing of what there is' 401
key=tok_pat
ask POST /platform/v1/keys/introspect
answers 'a PAT without a scope' 403 X-Forwarded-Project-Id
ask GET /platform/v1/organizations/org_1/projects/proj_1/sandbox-templates \
    -H 'X-Forwarded-Organization-Id: org_1' \
    -H 'X-Forwarded-Project-Id: proj_1'
answers 'a PAT with its scope' 200 busybox
ask GET /platform/v1/organizations/org_1/projects/proj_1/sandbox-templates \
    -H 'X-Forwarded-Organization-Id: org_1' \
    -H 'X-Forwarded-Project-Id: proj_2'
answers 'a PAT with another scope' 403 '"code": "forbidden"'
key=tok_one
ask GET /platform/v1/organizations/org_1/projects/proj_2/sandbox-templates
answers 'a key in the path of another project' 403
ask GET /platform/v1/organizations/org_1/projects/proj_1/sandbox-templates
answers 'a key in the path of its own' 200
ask GET //platform/v1/sandbox-templates
answers 'an API URL that ends in a slash' 200
ask PUT /platform/v1/sandbox-templates
answers 'a method that is not there' 405 'GET, POST'
ask GET /platform/v1/organizations/org_1/sandbox-templates
answers 'half a scope' 404
ask GET /v1/namespaces/default/sandboxes
answers 'no lifecycle to pass it on to' 404

# Prepare
long=/platform/v1/organizations/org_1/projects/proj_1
ask GET /platform/v1/sandbox-templates/by-name/busybox
answers 'a public template' 200 '"rootfsDiskBytes":10737418240'
ask GET /platform/v1/sandbox-templates/by-name/team%2Ftools%3A1
answers 'a template that is not there' 404 'team/tools:1'

# prepare NAME [PARENT]: the request's body on stdout
prepare () {
	jq -cn --arg name "$1" --arg parent "${2-}" '{name: $name,
	    dockerfile: "FROM busybox\n", baseImage: "busybox", public: false,
	    rootfsNodeKind: (if $parent == "" then "base" else "diff" end),
	    parentTemplate: (if $parent == "" then null else
	    {templateId: $parent, name: "busybox", reference: "busybox",
	    snapshotId: "snap_busybox", public: true} end),
	    additionalLocalImages: []}'
}
builds=/platform/v1/sandbox-template-builds
prepare first >prepare.json
ask POST $builds -d @prepare.json
answers 'prepare' 200
cp body first.json
is 'prepare: what is in the answer' "$(jq -c '[keys_unsorted,
    .rootfsNodeKind, (.builder | .cpus += 0), .additionalLocalImages]' \
    body)" \
    '[["buildId","snapshotId","rootfsNodeKind","builder","additionalLocalImages","snapshotRelPath"],"base",{"image":"tensorlake/rootfs-builder","command":"tl-rootfs-build","cpus":2,"memoryMb":2048,"diskMb":25600},[]]'
build=$(field .buildId) snap=$(field .snapshotId)
is 'prepare: the rel path' "$(field .snapshotRelPath)" \
    "projects/proj_1/sandbox-template-builds/$build/$snap.tlsnap"
ask POST $long/sandbox-template-builds -d @prepare.json
answers 'prepare by the long prefix' 200
is 'each prepare is a build of its own' \
    "$([ "$(field .buildId)" != "$build" ] && echo other)" other

prepare child sandbox_template_busybox |
jq -c '.additionalLocalImages = [
    {templateId: "sandbox_template_busybox", name: "busybox",
     reference: "busy", snapshotId: "snap_busybox", public: true},
    {templateId: "sandbox_template_gone", name: "gone", reference: "gone",
     snapshotId: "snap_gone", public: false}]' >diff.json
ask POST $builds -d @diff.json
answers 'prepare of a diff' 200
is 'prepare of a diff: parent and local images' \
    "$(jq -c '[.rootfsNodeKind, .parent, .additionalLocalImages] |
    del(..|.download?)' body)" \
    '["diff",{"templateId":"sandbox_template_busybox","parentManifestUri":"s3://images/'$base'","rootfsDiskBytes":10737418240},[{"templateId":"sandbox_template_busybox","name":"busybox","reference":"busy","snapshotId":"snap_busybox","snapshotUri":"s3://images/'$base'","public":true},{"templateId":"sandbox_template_gone","name":"gone","reference":"gone","snapshotId":"snap_gone","public":false}]]'
cp body child.json
is 'a local image can be read, whatever the client signs' \
    "$(jq -r '.additionalLocalImages[] | .download.url | values |
    "url = \"" + . + "\""' child.json | curl -fsS -K - | wc -c)" 100
ok 'by the key that only reads' grep -q Credential=ROKEY child.json
prepare x sandbox_template_none >bad.json
ask POST $builds -d @bad.json
answers 'an unknown parent is named' 404 'sandbox_template_none (busybox)'

# bad NAME FILTER TEXT: a prepare that is refused
bad () {
	prepare x | jq -c "$2" >bad.json
	ask POST $builds -d @bad.json
	answers "$1" 400 "$3"
}
bad 'an empty name' '.name = ""' '1 to 255 bytes'
bad 'a long name' '.name = ("x" * 256)' '1 to 255 bytes'
bad 'a name with a control character' '.name = "a\nb"' 'control character'
bad 'no name' 'del(.name)' name
bad 'no Dockerfile' 'del(.dockerfile)' dockerfile
bad 'an unknown kind' '.rootfsNodeKind = "other"' rootfsNodeKind
bad 'a diff of nothing' '.rootfsNodeKind = "diff"' parentTemplate
bad 'a parent without an id' '.parentTemplate = {}' templateId
bad 'an array' '[]' object
ask POST $builds -d '{"name": "a", "name": "b"}'
answers 'a name given twice' 400 name
ask POST $builds -d '{'
answers 'no JSON' 400
ask POST $builds
answers 'no body' 400
head -c 5000000 /dev/zero | tr '\0' ' ' >long.json
ask POST $builds --data-binary @long.json
answers 'a body that is too long' 413

# Once and again
ask POST $builds -d @prepare.json -H 'Idempotency-Key: abc'
answers 'prepare under a key' 200
cp body once.json
ask POST $long/sandbox-template-builds -d @prepare.json \
    -H 'Idempotency-Key: abc'
answers 'prepare again under the key' 200
ok 'is the same build' cmp once.json body
ask POST $builds -d @diff.json -H 'Idempotency-Key: abc'
answers 'the key for another request' 422 idempotency_key_reused
key=tok_two
ask POST $builds -d @prepare.json -H 'Idempotency-Key: abc'
answers 'the key of another project' 200
is 'is another build' "$(jq -r .buildId once.json body | sort -u | wc -l)" 2
key=tok_one
ask POST $builds -d @prepare.json -H 'Idempotency-Key: a b'
answers 'a malformed key' 400 Idempotency-Key

# Complete
# completion PREPARED [FILTER]: the request's body for a build
completion () {
	jq -c '{snapshotId,
	    snapshotUri: ("s3://images/" + .snapshotRelPath),
	    snapshotFormatVersion: "durable_archive_v1",
	    snapshotSizeBytes: 1234, rootfsDiskBytes: 10737418240,
	    rootfsNodeKind} + if .parent then
	    {parentManifestUri: .parent.parentManifestUri} else {} end |
	    '"${2-.}" "$1"
}
completes () {
	completion "$1" "${2-.}" >complete.json
	ask POST "$builds/$(jq -r .buildId "$1")/complete" -d @complete.json
}
completes first.json
answers 'an object that is not there' 400 '"code": "snapshot_missing"'
ok 'the object is uploaded' object "$(jq -r .snapshotRelPath first.json)" 1234

# refuse NAME FILTER TEXT: a complete that is refused
refuse () {
	completes first.json "$2"
	answers "$1" 400 "$3"
}
refuse 'another size' '.snapshotSizeBytes = 1233' '1233, but the object has 1234'
refuse 'another bucket' '.snapshotUri |= sub("images"; "other")' \
    '"code": "uri_not_allowed"'
refuse 'a longer path' '.snapshotUri |= sub("images/"; "images/x/")' \
    '"code": "uri_not_allowed"'
refuse 'an escaped path' '.snapshotUri |= sub("proj_1"; "proj%5F1")' \
    snapshotUri
refuse 'no s3 URI' '.snapshotUri |= sub("s3:"; "file:")' snapshotUri
refuse 'an empty URI' '.snapshotUri = ""' snapshotUri
refuse 'another snapshot' '.snapshotId = "snap_x"' snapshotId
refuse 'another kind' '.rootfsNodeKind = "diff"' 'prepared as base'
refuse 'a parent out of nowhere' '.parentManifestUri = "s3://images/x"' \
    'prepared without a parent'
refuse 'no format' 'del(.snapshotFormatVersion)' snapshotFormatVersion
refuse 'no disk' '.rootfsDiskBytes = 0' rootfsDiskBytes
refuse 'no sum' '.snapshotSha256 = "xyz"' snapshotSha256
refuse 'a size as text' '.snapshotSizeBytes = "1234"' snapshotSizeBytes
key=tok_two
completes first.json
answers 'the build of another project' 404 '"code": "build_not_found"'
ask GET "/platform/v1/sandbox-templates/by-name/first"
answers 'nothing was registered' 404
key=tok_one
ask POST $builds/sandbox_template_build_none/complete -d @complete.json
answers 'an unknown build' 404 '"code": "build_not_found"'

sha=$(printf 'a%.0s' $(seq 64))
summed=".snapshotSha256 = \"$sha\""
completes first.json "$summed"
answers 'complete' 200
cp body template.json
is 'complete: the template' "$(jq -c '[.name, .snapshotId, .snapshotUri,
    .snapshotFormatVersion, .snapshotSizeBytes, .rootfsDiskBytes,
    .rootfsNodeKind, .public, .dockerfile]' body)" "$(jq -c \
    '["first", .snapshotId, "s3://images/" + .snapshotRelPath,
    "durable_archive_v1", 1234, 10737418240, "base", false,
    "FROM busybox\n"]' first.json)"
is 'complete: the sum' "$(jq -r .snapshotSha256 body)" "$sha"
ask GET /platform/v1/sandbox-templates/by-name/first
is 'it is kept' "$(field .snapshotSha256)" "$sha"
cp template.json body
ok 'complete: a time in UTC' grep -Eq \
    '"createdAt":"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z"' body
completes first.json "$summed | to_entries | reverse | from_entries"
answers 'the same again, in another order' 200
ok 'gives the same' cmp template.json body
completes first.json '.rootfsDiskBytes = 1'
answers 'complete with other values' 409 '"code": "already_completed"'
ask GET $long/sandbox-templates/by-name/first
ok 'the template is found by its name' cmp template.json body
ask GET "/platform/v1/sandbox-templates/$(jq -r .id template.json)"
ok 'and by its id' cmp template.json body

ok 'the upload of a diff' object "$(jq -r .snapshotRelPath child.json)" 1234
completes child.json 'del(.parentManifestUri)'
answers 'a diff without its parent' 400 'parentManifestUri'
completes child.json '.parentManifestUri = "s3://images/other"'
answers 'a diff of another parent' 400 'parentManifestUri'
completes child.json
answers 'a diff' 200 '"parentManifestUri":"s3://images/'$base'"'

# The last of a name wins, under the id it had.
ask POST $builds -d @prepare.json
cp body second.json
object "$(field .snapshotRelPath)" 1234
completes second.json
answers 'a second build of the name' 200
is 'keeps the id' "$(field .id)" "$(jq -r .id template.json)"
completes first.json "$summed"
ok 'the first is still answered as it was' cmp template.json body
ask GET /platform/v1/sandbox-templates/by-name/first
is 'the second is registered' "$(field .snapshotId)" \
    "$(jq -r .snapshotId second.json)"

# Another project's
key=tok_two
ask GET /platform/v1/sandbox-templates/by-name/first
answers 'a private template of another project, by name' 404
ask GET "/platform/v1/sandbox-templates/$(jq -r .id template.json)"
answers 'by id' 404
ask GET /platform/v1/sandbox-templates
is 'in the list' "$(jq -c '[.items[].name]' body)" '["busybox"]'
prepare x "$(jq -r .id template.json)" >bad.json
ask POST $builds -d @bad.json
answers 'as a parent' 404 template_not_found
ask DELETE /platform/v1/sandbox-templates/first
answers 'to be deleted' 404
ask DELETE /platform/v1/sandbox-templates/busybox
answers 'a template that is nobody'\''s, to be deleted' 404
key=tok_one

# Register, list, delete
own=projects/proj_1/sandbox-template-builds/r/snap_r.tlsnap
ok 'a snapshot' object "$own" 10
register () {
	jq -cn --arg uri "$1" '{name: "reg/istered:1",
	    dockerfile: "FROM x\n", snapshotId: "snap_r",
	    snapshotSandboxId: "sbx-1", snapshotUri: $uri,
	    snapshotSizeBytes: 10, rootfsDiskBytes: 4096, public: true}' |
	    jq -c "${2-.}" >register.json
	ask POST /platform/v1/sandbox-templates -d @register.json
}
register "s3://images/projects/proj_2/x"
answers 'registering the snapshot of another project' 403 forbidden
register "s3://images/projects/proj_1/../proj_2/x"
answers 'registering it by a detour' 400
register "s3://elsewhere/projects/proj_1/x"
answers 'registering out of another bucket' 400 uri_not_allowed
register "s3://images/$own" '.snapshotSizeBytes = 11'
answers 'registering with another size' 400 snapshot_size
register "s3://images/$own"
answers 'registering' 201 '"snapshotSandboxId":"sbx-1"'
ask GET /v1/namespaces/any/snapshots/snap_r
answers 'its snapshot, as the lifecycle shows one' 200
is 'that, in full' "$(jq -c 'del(.created_at)' body)" \
    '{"snapshot_id":"snap_r","status":"completed","sandbox_id":"sbx-1",'"$(
    )"'"snapshot_uri":"s3://images/'"$own"'","size_bytes":10,'"$(
    )"'"rootfs_disk_bytes":4096}'
ask GET /v1/namespaces/any/snapshots
is 'all of the project' "$(jq -c '[.snapshots[].snapshot_id] |
    index("snap_r") != null' body)" true
ask GET /v1/namespaces/any/snapshots/none
answers 'a snapshot that is not there' 404 snapshot_not_found
ask DELETE /v1/namespaces/any/snapshots/snap_r
answers 'a snapshot, to be deleted' 405
key=tok_two
ask GET /v1/namespaces/any/snapshots/snap_r
answers 'a snapshot of another project' 404 snapshot_not_found
ask GET /v1/namespaces/any/snapshots
is 'is in no other project'\''s list' "$(grep -c snap_r body)" 0
key=wrong
ask GET /v1/namespaces/any/snapshots/snap_r
answers 'a snapshot, without a key' 401
key=tok_two
ask GET /platform/v1/sandbox-templates/by-name/reg%2Fistered%3A1
answers 'a public template is there for another project' 200 sbx-1
key=tok_one
ask GET '/platform/v1/sandbox-templates?pageSize=2'
answers 'a page of a list' 200
is 'a page: what is on it' "$(jq -c '[.items[].name]' body)" \
    '["busybox","first"]'
ask GET "$(field .pagination.next)"
is 'the next page, by its link' \
    "$(jq -c '[[.items[].name], .pagination.next]' body)" \
    '[["child","reg/istered:1"],null]'
ask GET '/platform/v1/sandbox-templates?pageSize=0'
answers 'a page of no size' 400 pageSize
ask DELETE /platform/v1/sandbox-templates/reg%2Fistered%3A1
is 'delete: status and body' "$code$(cat body)" 204
ask DELETE /platform/v1/sandbox-templates/reg%2Fistered%3A1
answers 'delete again' 404 template_not_found

# What a diff stands on
# below: the ancestors in the answer, and what can be read there
below () {
	jq -r '.parent, .additionalLocalImages[] | .ancestors[]? |
	    .snapshotUri, (.download | .kind, .url)' body >ancestors
	is "$1" "$(grep -e s3: -e single ancestors | tr '\n' ' ')" "$2"
	is "$1: they can be read" "$(sed -n 's/^http:.*/url = "&"/p' \
	    ancestors | curl -fsS -K - | wc -c)" "$3"
}
child=$(jq -r .snapshotRelPath child.json)
ask GET /platform/v1/sandbox-templates/by-name/child
cp body child.template
id=$(field .id)
prepare grandchild "$id" >grandchild.json
ask POST $builds -d @grandchild.json
answers 'prepare on a diff' 200
below 'what it stands on' "s3://images/$base single_get " 100
is 'but the parent is left to the client to sign' \
    "$(jq -c '.parent | keys_unsorted' body)" \
    '["templateId","parentManifestUri","rootfsDiskBytes","ancestors"]'
ask POST $builds -d @grandchild.json -H 'X-Tl-Answer: legacy'
below 'the same in a legacy answer' "s3://images/$base single_get " 100
prepare x | jq -c --arg id "$id" '.additionalLocalImages =
    [{templateId: $id, name: "child", reference: "child"}]' >image.json
ask POST $builds -d @image.json
below 'what a local image stands on' "s3://images/$base single_get " 100

# A snapshot outlives its template: what was built on it stands on it still.
ask POST $builds -d @grandchild.json
cp body grand.json
object "$(field .snapshotRelPath)" 1234
completes grand.json
answers 'a diff of a diff' 200
prepare x "$(field .id)" >onto.json
ask DELETE /platform/v1/sandbox-templates/child
is 'a template that others stand on is deleted' "$code" 204
ask POST $builds -d @onto.json
below 'though a template was deleted' \
    "s3://images/$child single_get s3://images/$base single_get " 1334

# stand NAME FILTER: register a diff of that kind
stand () {
	jq -cn --arg uri "s3://images/$own" '{name: "stand",
	    dockerfile: "FROM x\n", snapshotId: "snap_r", snapshotUri: $uri,
	    snapshotSizeBytes: 10, rootfsDiskBytes: 4096,
	    rootfsNodeKind: "diff"}' | jq -c "$1" >register.json
	ask POST /platform/v1/sandbox-templates -d @register.json
}
stand .
answers 'registering a diff of nothing' 400 parent_unknown
stand '.parentManifestUri = "s3://images/none"'
answers 'registering a diff of what is not known' 400 parent_unknown
stand '.parentTemplate = {templateId: "sandbox_template_busybox"}'
answers 'registering a diff of a template' 201 "s3://images/$base"
stand ".parentManifestUri = \"s3://images/$child\""
answers 'registering a diff of a deleted one'\''s snapshot' 201
key=tok_two
own=projects/proj_2/sandbox-template-builds/r/snap_r.tlsnap
object "$own" 10
stand ".parentManifestUri = \"s3://images/$child\""
answers 'registering a diff of another project'\''s snapshot' 400 \
    parent_unknown
stand ".parentManifestUri = \"s3://images/$base\""
answers 'registering a diff of a public template'\''s' 201
prepare x "$(field .id)" >two.json
key=tok_one

# known URI PARENT: a snapshot that the database has
known () {
	sqlite3 platform.db "REPLACE INTO snapshot
	    VALUES ('$1', '', 'diff', '$2')"
}
sqlite3 platform.db "DELETE FROM snapshot WHERE uri = 's3://images/$base'"
ask POST $builds -d @onto.json
answers 'what lies below is not known' 409 '"code": "ancestor_unknown"'
answers 'and is named' 409 "$base"
jq -c --arg id "$id" '.rootfsNodeKind = "base" |
    .additionalLocalImages = [.parentTemplate] | .parentTemplate = null' \
    onto.json >image.json
ask POST $builds -d @image.json
answers 'nor below a local image' 409 'additionalLocalImages[0]: grandchild'
known "s3://images/$base" s3://images/1
sqlite3 platform.db "INSERT INTO snapshot WITH RECURSIVE n(i) AS (SELECT 1
    UNION ALL SELECT i + 1 FROM n WHERE i < 28) SELECT 's3://images/' || i, '',
    'diff', 's3://images/' || (i + 1) FROM n;
    INSERT INTO snapshot VALUES ('s3://images/29', '', 'base', NULL)"
ask POST $builds -d @onto.json
answers 'as many as there may be' 200
is 'are all in the answer' "$(jq '.parent.ancestors | length' body)" 31
known s3://images/29 s3://images/30
ask POST $builds -d @onto.json
answers 'one more is too many' 400 'more than 31 other snapshots'
known s3://images/29 s3://images/1
ask POST $builds -d @onto.json
answers 'they go in a circle' 400 'more than 31 other snapshots'
ask DELETE /platform/v1/sandbox-templates/stand
ask DELETE /platform/v1/sandbox-templates/grandchild
key=tok_two
ask DELETE /platform/v1/sandbox-templates/stand
key=tok_one

# The legacy answer, wished for by one request
ask POST $builds -d @diff.json -H 'X-Tl-Answer: legacy'
answers 'a legacy answer' 200
cp body legacy.json
is 'it has no rel path, but an upload and a download' "$(jq -c \
    '[has("snapshotRelPath"), .upload.kind, .upload.partSizeBytes,
    (.upload.partUrls | length), .parent.download.kind,
    [.additionalLocalImages[] | has("download")]]' body)" \
    '[false,"s3_multipart",104857600,1024,"single_get",[true,false]]'
is 'its URI' "$(field .snapshotUri)" "s3://images/projects/proj_1/sandbox-template-builds/$(field .buildId)/$(field .snapshotId).tlsnap"
# Its URLs are good: one part, the completion, and the parent's download.
jq -r '"url = \"" + .upload.partUrls[0] + "\""' legacy.json >curl.conf
head -c 1234 /dev/zero >object
etag=$(curl -fsS -T object -D - -o /dev/null -K curl.conf | tr -d '\r' |
    sed -n 's/^[Ee][Tt]ag: *//p')
jq -r '"url = \"" + .upload.completeUrl + "\""' legacy.json >curl.conf
ok 'the upload can be completed' curl -fsS -K curl.conf -d \
    "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>$etag</ETag></Part></CompleteMultipartUpload>"
jq -r '"url = \"" + .parent.download.url + "\""' legacy.json >curl.conf
is 'the parent can be read' "$(curl -fsS -K curl.conf | wc -c)" 100
jq '.snapshotRelPath = (.snapshotUri | sub("s3://images/"; ""))' \
    legacy.json >legacy2.json
completes legacy2.json
answers 'complete of a legacy build' 200 '"name":"child"'
ask POST $builds -d @prepare.json -H 'X-Tl-Answer: other'
answers 'an answer that is unknown' 400 X-Tl-Answer

# An upload that nobody completes is aborted when its build expires.
ask POST $builds -d @prepare.json -H 'X-Tl-Answer: legacy'
answers 'a legacy build that is left alone' 200
cp body left.json

# The legacy answer by default, and without what signs it
down platformd
start --answer legacy
ask POST $builds -d @prepare.json -H 'Idempotency-Key: legacy'
answers 'legacy by default' 200 '"uploadId"'
cp body once.json
ask POST $builds -d @prepare.json -H 'Idempotency-Key: legacy'
ok 'again under its key: the same upload' cmp once.json body
ask POST $builds -d @prepare.json -H 'X-Tl-Answer: versioned'
answers 'a versioned answer, wished for' 200 '"snapshotRelPath"'
down platformd
up platformd --keys keys --db platform.db --reader reader.conf
api=$url
ask POST $builds -d @prepare.json -H 'X-Tl-Answer: legacy'
answers 'a legacy answer without a signer' 400 '"code": "no_signer"'

# A restart
down platformd
is 'it ends well' "$?" 0
is 'and takes its ready file away' "$(ls platformd.url 2>/dev/null)" ''
# The first version's database had no snapshots.
stored_snapshots () {
	sqlite3 platform.db "SELECT * FROM snapshot WHERE project != ''
	    AND uri NOT LIKE '%/r/snap_r.tlsnap'" |
	    sort
}
stored_snapshots >snapshots
sqlite3 platform.db 'DROP TABLE snapshot; DROP TRIGGER snapshot_added;
    DROP TRIGGER snapshot_changed; PRAGMA user_version = 1'
rm templates/busybox.json
peer '[{"path": "/v1/namespaces/*", "answers": [{"status": 429,
    "headers": {"Retry-After": "7", "X-Inner": "no"},
    "json": {"a": 1}}]}]'
start --lifecycle "$URL/" --expire 1 -v
is 'an older database is told which snapshots there were' \
    "$(stored_snapshots)" "$(cat snapshots)"
ask GET /platform/v1/sandbox-templates/by-name/first
is 'a template survives a restart' "$(field .snapshotId)" \
    "$(jq -r .snapshotId second.json)"
ask GET /platform/v1/sandbox-templates/by-name/busybox
answers 'one that was nobody'\''s goes with its file' 404
completes second.json
answers 'complete is the same after a restart' 200 '"name":"first"'

# Builds expire
sleep 2
completes left.json '.snapshotUri = "s3://images/x"'
answers 'a build past its time' 404 expired
jq -r '"url = \"" + .upload.partUrls[0] + "\""' left.json >curl.conf
is 'its upload, so far' "$(curl -sS -o /dev/null -w '%{http_code}' -T object \
    -K curl.conf)" 200
ask POST $builds -d @prepare.json
answers 'a new build' 200
is 'and its upload, aborted' "$(curl -sS -o /dev/null -w '%{http_code}' \
    -T object -K curl.conf)" 404

# The lifecycle
ask POST '/v1/namespaces/default/sandboxes?x=%20y' -d '{"image":"a"}' \
    -H 'X-Forwarded-Project-Id: p' -H 'X-Tensorlake-Sandbox-Id: sbx'
answers 'a lifecycle request' 429 '{"a": 1}'
ok 'keeps when to try again' grep -qi '^retry-after: 7' head
ok 'and no other header' sh -c '! grep -qi x-inner head'
is 'is passed on' "$(seen '.[0] | [.method, .target, .body,
    ([.headers[] | select(.[0] | ascii_downcase | IN("authorization",
    "x-forwarded-project-id", "x-tensorlake-sandbox-id"))
    | .[1]] | sort)] | tojson')" \
    '["POST","/v1/namespaces/default/sandboxes?x=%20y","{\"image\":\"a\"}",["Bearer tok_one","p"]]'
peer_end
ask GET /v1/namespaces/default/sandboxes/x
answers 'a lifecycle that does not answer' 502 '"code": "bad_gateway"'

# The store is away
away=$(sed -n 's/^endpoint = //p' reader.conf)
down stored
ask POST $builds -d @prepare.json
cp body third.json
completes third.json
answers 'a store that does not answer' 503 '"code": "unavailable"'
ok 'each request is in the log, without its query' \
    grep -q ': POST /v1/namespaces/default/sandboxes$' platformd.log
is 'no secret is in the log' \
    "$(grep -c -e tok_one -e Signature -e rwsecret -e rosecret \
    platformd.log)" 0
down platformd

# It is back, and the reader's key is another by now.
printf '%s %s rw\n%s %s ro\n' RWKEY rwsecret ROKEY changed >store.keys
up stored --root store --credentials store.keys --bucket images \
    --listen "${away#http://}"
start
ask POST $builds -d @prepare.json
cp body third.json
completes third.json
answers 'a store that refuses the reader' 502 '"code": "store_refused"'
ok 'which is in the log' grep -q 'HEAD of s3://images/[^?]*: refused (403)' \
    platformd.log
down platformd
down stored

# What it refuses to start with
set -- --keys keys --db platform.db --reader reader.conf
try 'no option' tl-platformd
exits 64
silent out
says 'usage: tl-platformd'
try 'an operand' tl-platformd "$@" x
exits 64
try 'legacy without a signer' tl-platformd "$@" --answer legacy
exits 64
says '--answer legacy: needs --signer'
try 'another answer' tl-platformd "$@" --answer new
exits 64
says '--answer new'
try 'no number' tl-platformd "$@" --builder-disk-mb 1G
exits 64
says '--builder-disk-mb 1G'
try 'no cpus' tl-platformd "$@" --builder-cpus 0
exits 64
says '--builder-cpus 0'
try 'a lifecycle that is none' tl-platformd "$@" --lifecycle 127.0.0.1:1
exits 64
says '--lifecycle 127.0.0.1:1'
try 'any address' tl-platformd "$@" --listen 0.0.0.0:0
exits 64
says '0.0.0.0:0: not a loopback address'
try 'no keys' tl-platformd "$@" --keys none
exits 66
says none
echo '{"name": "x"}' >templates/bad.json
try 'a bad template' tl-platformd "$@" --templates templates
exits 65
says templates/bad.json
jq '.public = false' >templates/bad.json <<END
{"id": "i", "name": "x", "snapshotId": "s", "snapshotUri": "s3://images/x"}
END
try 'a private template of nobody' tl-platformd "$@" --templates templates
exits 65
says 'public'
echo text >text.db
try 'no database' tl-platformd "$@" --db text.db
exits 78
says text.db
python3 -c 'import sqlite3
sqlite3.connect("other.db").execute("create table t (a)")'
try 'another database' tl-platformd "$@" --db other.db
exits 78
says 'another program'
chmod 644 platform.db
try 'an open database' tl-platformd "$@"
exits 78
says 'chmod 600'
silent out
chmod 600 platform.db
try 'a place that is none' tl-platformd "$@" --db none/platform.db
exits 73
lists tl-platformd.8
