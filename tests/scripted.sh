# shellcheck shell=sh
# For tests that want every program to have a server and documents that suit
# it: sourced after lib.sh.
#
#	scripted [RULE,...]	a server with an answer to each request of a
#				build, after those of the rules; sets $URL
#	documents DIR URL	the documents of a build there
#
# Secrets in them hold the word MARKER.

scripted () {
	run_='{"pid":7,"command":"true","args":[],"started_at":1,'
	info_='"status":"running","sandbox_url":"@URL@","routing_hint":"n1",'
	whole='<CompleteMultipartUploadResult><ETag>\"w\"</ETag>'
	opened='<InitiateMultipartUploadResult><UploadId>u-1</UploadId>'
	listed='<ListMultipartUploadsResult><Upload><Key>a/b</Key>'
	listed="$listed<UploadId>u-1</UploadId></Upload>"
	peer "[$1
{\"method\":\"GET\",\"path\":\"*/by-name/*\",\"answers\":[{\"status\":404}]},
{\"method\":\"GET\",\"path\":\"*/sandbox-templates/*\",\"answers\":[
    {\"json\":$(template_)}]},
{\"method\":\"DELETE\",\"path\":\"*/sandbox-templates/*\",\"answers\":[
    {\"status\":204}]},
{\"method\":\"GET\",\"path\":\"*/sandbox-templates[?]*\",\"answers\":[
    {\"json\":{\"items\":[$(template_)]}}]},
{\"method\":\"POST\",\"path\":\"*/sandbox-templates\",\"answers\":[
    {\"status\":201,\"json\":$(template_)}]},
{\"method\":\"GET\",\"path\":\"*/snapshots/s-1\",\"answers\":[
    {\"json\":{\"status\":\"completed\",\"sandbox_id\":\"sbx-1\",
    \"snapshot_uri\":\"s3://images/x\",\"size_bytes\":8,
    \"rootfs_disk_bytes\":4096}}]},
{\"method\":\"POST\",\"path\":\"*/sandbox-template-builds\",\"answers\":[
    {\"json\":$(prepared_)}]},
{\"method\":\"POST\",\"path\":\"*/sandbox-template-builds/*/complete\",
    \"answers\":[{\"json\":{\"id\":\"t-1\",\"name\":\"n\"}}]},
{\"method\":\"POST\",\"path\":\"*/sandboxes\",\"answers\":[
    {\"json\":{\"sandbox_id\":\"sbx-1\",$info_\"x\":1}}]},
{\"method\":\"GET\",\"path\":\"*/sandboxes/sbx-1\",\"answers\":[
    {\"json\":{\"id\":\"sbx-1\",\"namespace\":\"default\",$info_
    \"resources\":{\"cpus\":1.0,\"memory_mb\":1}}}]},
{\"method\":\"DELETE\",\"path\":\"*/sandboxes/sbx-1\",\"answers\":[{}]},
{\"method\":\"POST\",\"path\":\"/api/v1/processes\",\"answers\":[
    {\"status\":201,\"json\":$run_\"status\":\"running\"}}]},
{\"method\":\"GET\",\"path\":\"/api/v1/processes\",\"answers\":[
    {\"json\":{\"processes\":[]}}]},
{\"method\":\"GET\",\"path\":\"*/output/follow\",\"answers\":[
    {\"events\":[{\"line\":\"a line\"},\"event: eof\\ndata: {}\\n\\n\"]}]},
{\"method\":\"GET\",\"path\":\"/api/v1/processes/7\",\"answers\":[
    {\"json\":$run_\"status\":\"exited\",\"exit_code\":0}}]},
{\"method\":\"DELETE\",\"path\":\"/api/v1/processes/7\",\"answers\":[{}]},
{\"method\":\"GET\",\"path\":\"/api/v1/health\",\"answers\":[
    {\"json\":{\"healthy\":true}}]},
{\"method\":\"PUT\",\"path\":\"/api/v1/files*\",\"answers\":[
    {\"status\":204}]},
{\"method\":\"GET\",\"path\":\"/api/v1/files*\",\"answers\":[
    {\"json\":$(metadata_)}]},
{\"method\":\"POST\",\"path\":\"*/blob/sign\",\"body_has\":
    \"single_get\",\"answers\":[{\"json\":{\"kind\":\"single_get\",
    \"url\":\"@URL@/images/x?X-Sig=MARKER\"}}]},
{\"method\":\"POST\",\"path\":\"*/blob/sign\",\"answers\":[
    {\"json\":$(block_ @URL@)}]},
{\"method\":\"POST\",\"path\":\"*/blob/attest\",\"answers\":[
    {\"json\":{\"receipt\":\"{}\",\"signature\":\"00\"}}]},
{\"method\":\"PUT\",\"path\":\"/part*\",\"answers\":[
    {\"headers\":{\"ETag\":\"\\\"e\\\"\"}}]},
{\"method\":\"POST\",\"path\":\"/whole*\",\"answers\":[
    {\"body\":\"$whole</CompleteMultipartUploadResult>\"}]},
{\"method\":\"DELETE\",\"path\":\"/abort*\",\"answers\":[{\"status\":204}]},
{\"method\":\"POST\",\"path\":\"/images/*uploads*\",\"answers\":[
    {\"body\":\"$opened</InitiateMultipartUploadResult>\"}]},
{\"method\":\"GET\",\"path\":\"/images/[?]uploads*\",\"answers\":[
    {\"body\":\"$listed</ListMultipartUploadsResult>\"}]},
{\"method\":\"GET\",\"path\":\"/images/x[?]*\",\"answers\":[
    {\"body\":\"snapshot\"}]},
{\"method\":\"PUT\",\"path\":\"/images/*\",\"answers\":[
    {\"headers\":{\"ETag\":\"\\\"e\\\"\"}}]},
{\"method\":\"POST\",\"path\":\"/images/*uploadId=*\",\"answers\":[
    {\"body\":\"$whole</CompleteMultipartUploadResult>\"}]},
{\"method\":\"DELETE\",\"path\":\"/images/*\",\"answers\":[
    {\"status\":204}]}]"
	TENSORLAKE_API_URL=$URL
	TENSORLAKE_API_KEY=key-MARKER
	export TENSORLAKE_API_URL TENSORLAKE_API_KEY
}

prepared_ () {
	cat <<-'END'
	{"buildId":"b-1","snapshotId":"s-1","rootfsNodeKind":"base",
	"snapshotRelPath":"projects/p1/sandbox-template-builds/b-1/s-1.tlsnap",
	"builder":{"image":"i","command":"tl-rootfs-build","cpus":1.5,
	"memoryMb":1,"diskMb":1}}
	END
}

template_ () {
	echo '{"id":"t-1","name":"n","snapshotId":"s-1",' \
	    '"snapshotUri":"s3://images/x"}'
}

metadata_ () {
	cat <<-'END'
	{"snapshot_format_version":"durable_archive_v1",
	"snapshot_uri":"s3://images/projects/p1/x.tlsnap",
	"snapshot_size_bytes":5,"rootfs_disk_bytes":"1073741824"}
	END
}

block_ () {
	cat <<-END
	{"kind":"s3_multipart","uri":"s3://images/projects/p1/x.tlsnap",
	"uploadId":"u-1","partSizeBytes":5242880,
	"partUrls":["$1/part1?X-Sig=MARKER","$1/part2?X-Sig=MARKER"],
	"completeUrl":"$1/whole?X-Sig=MARKER",
	"abortUrl":"$1/abort?X-Sig=MARKER"}
	END
}

documents () {
	(cd "$1" && umask 077
	mkdir context
	printf 'FROM ubuntu\nCOPY --from=tools:1 /t /t\n' >context/Dockerfile
	echo hello >context/hello
	cat >plan.json <<-'END'
	{"name":"n","public":false,"dockerfile":"FROM ubuntu\n",
	"baseImage":"ubuntu","references":[
	{"reference":"ubuntu","line":1,"role":"base"}],
	"ignored":[],"unresolvable":[]}
	END
	prepared_ >prepared.json
	metadata_ >metadata.json
	block_ "$2" >block.json
	echo "{\"upload\":$(cat block.json)}" >signed.json
	echo '{"attestation":{"receipt":"{}","signature":"00"}}' >attested.json
	echo '{"expiresAt":"2026-06-02T00:00:00Z"}' >expires.json
	cat >sandbox.json <<-END
	{"id":"sbx-1","namespace":"default","status":"running",
	"proxyUrl":"$2","image":"i",
	"resources":{"cpus":1.5,"memoryMb":1,"diskMb":1},"buildId":"b-1"}
	END
	echo '{"auths":{"r.example":{"auth":"dTpNQVJLRVI="}}}' >docker.json
	cat >request.json <<-'END'
	{"rel_path":"projects/p1/sandbox-template-builds/b-1/s-1.tlsnap",
	"op":{"kind":"multipart_put","parts":2,"part_size_bytes":67108864}}
	END
	printf '%s\n' 'bucket = images' "endpoint = $2" 'region = us-east-1' \
	    'addressing = path' 'access_key = AKMARKER' \
	    'secret_key = secret-MARKER' >signer.conf
	head -c 1000 /dev/zero >snapshot
	printf 'key %064d k1 org_1 proj_1\n' 0 >keys
	echo 'AKMARKER secret-MARKER rw' >store.keys)
}
