#!/bin/sh
# Receipts for objects: the dataplane gives them, tl-platformd believes them and
# no others.  Signatures are checked against openssl's.

. "${0%/*}/lib.sh"
. "$here/daemons.sh"
umask 077

# Keys

try 'a new key' tl-dataplaned --make-attest-key key
exits 0
cp out public
is 'is for its owner only' "$(stat -c %a key)" 600
ok 'its public half is a line' grep -Eqx 'ed25519 [0-9a-f]{64}' public
try 'its public half again' tl-dataplaned --show-attest-key key
exits 0
gives "$(cat public)"
/usr/bin/python3 - key public >halves 2>&1 <<'END'
import subprocess, sys
secret = bytes.fromhex(open(sys.argv[1]).read().split()[1])
der = subprocess.run(["openssl", "pkey", "-inform", "DER", "-pubout",
    "-outform", "DER"], check=True, stdout=subprocess.PIPE,
    input=bytes.fromhex("302e020100300506032b657004220420") + secret).stdout
print("ed25519", der[-32:].hex())
END
is 'which openssl makes of it, too' "$(cat halves)" "$(cat public)"
cp key before
try 'not over another' tl-dataplaned --make-attest-key key
exits 73
ok 'which stays' cmp key before
try 'no such key' tl-dataplaned --show-attest-key none
exits 66
cp public half
try 'the public half is no key to sign with' tl-dataplaned --show-attest-key half
exits 78
says 'half:1'
cp key open
chmod 644 open
try 'a key that is open to others' tl-dataplaned --show-attest-key open
exits 78
says 'chmod 600'
cat key key >two
try 'two keys' tl-dataplaned --show-attest-key two
exits 78
says 'two:2'
: >empty
try 'no key in it' tl-dataplaned --show-attest-key empty
exits 78
is 'no key was shown' "$(grep -c "$(cut -d' ' -f2 key)" err out)" 'err:0
out:0'

# The dataplane

store_up

# object KEY TEXT: one of that there
object () {
	printf %s "$2" >object
	put_object "$1"
}

mkdir -p sandboxes/s1 sandboxes/s2
for n_ in 1 2; do
	printf '{"sandboxId":"s%s","organizationId":"o","projectId":"proj_%s"}' \
	    $n_ $n_ >sandboxes/s$n_/owner.json
done
up dataplaned -c signer.conf -s sandboxes -l "unix:$T/sock" --attest-key key

# attest NAME STATUS CODE SANDBOX REQUEST
attest () {
	got=$(curl -s --unix-socket sock -o body -w '%{http_code}' \
	    -H "X-Tensorlake-Sandbox-Id: $4" -d "$5" \
	    http://dataplane/api/v1/blob/attest)
	is "$1" "$got $(jq -r '.code // ""' body 2>/dev/null)" "$2 $3"
}
path=projects/proj_1/sandbox-template-builds/b1/s1.tlsnap
ours='{"rel_path":"'$path'"}'
attest 'no object yet' 409 OBJECT_NOT_FOUND s1 "$ours"
ok 'an object' object "$path" 'hello'
attest 'a receipt' 200 '' s1 "$ours"
cp body receipt.json
jq -r .receipt body >text
is 'what it says' "$(jq -c '[.kind, .uri, .sizeBytes, .etag, .projectId,
    .sandboxId, (keys_unsorted | length)]' text)" \
    '["object_receipt_v1","s3://images/'"$path"'",5,"\"'"$(printf hello |
    md5sum | cut -d' ' -f1)"'\"","proj_1","s1",9]'
is 'its key' "$(jq -r .keyId text)" "$(cut -d' ' -f2 public | tr -d '\n' |
    /usr/bin/python3 -c 'import sys, hashlib
print(hashlib.sha256(bytes.fromhex(sys.stdin.read())).hexdigest()[:16])')"
now=$(date +%s)
issued=$(date -d "$(jq -r .issuedAt text)" +%s)
ok 'its time is now' [ $((now - issued)) -ge 0 -a $((now - issued)) -lt 30 ]
/usr/bin/python3 - receipt.json public >verified 2>&1 <<'END'
import json, subprocess, sys
doc = json.load(open(sys.argv[1]))
public = bytes.fromhex(open(sys.argv[2]).read().split()[1])
open("pub.der", "wb").write(bytes.fromhex("302a300506032b6570032100") + public)
open("sig", "wb").write(bytes.fromhex(doc["signature"]))
open("msg", "w").write(doc["receipt"])
print(subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin",
    "-keyform", "DER", "-inkey", "pub.der", "-sigfile", "sig", "-in", "msg"],
    stdout=subprocess.PIPE, text=True).stdout.strip())
END
is 'openssl verifies it' "$(cat verified)" 'Signature Verified Successfully'
attest 'by its URI' 200 '' s1 '{"uri":"s3://images/'$path'"}'
is 'by its URI: the same object' "$(jq -r '.receipt | fromjson | .uri' body)" \
    "s3://images/$path"
attest "another project's" 403 FORBIDDEN s2 "$ours"
attest "another project's, by its URI" 403 FORBIDDEN s2 \
    '{"uri":"s3://images/'$path'"}'
attest 'another bucket' 403 FORBIDDEN s1 '{"uri":"s3://other/'$path'"}'
attest 'no such sandbox' 404 SANDBOX_NOT_FOUND s9 "$ours"
attest 'both' 400 INVALID_REQUEST s1 \
    '{"rel_path":"'$path'","uri":"s3://images/'$path'"}'
attest 'neither' 400 INVALID_REQUEST s1 '{}'
attest 'no JSON' 400 INVALID_REQUEST s1 '{'
attest 'a number' 400 INVALID_REQUEST s1 '{"rel_path":1}'
attest 'a path twice' 400 INVALID_REQUEST s1 \
    '{"rel_path":"'$path'","rel_path":"'$path'"}'
for bad in "${path%/*}/../s1" "/$path" "$path/" "${path%/*}//s1" \
    projects/proj_1 'projects/proj_1/sandbox-template-builds/%2e'; do
	case $bad in
	projects/proj_1) want='403 FORBIDDEN' ;;
	*) want='400 INVALID_REQUEST' ;;
	esac
	# shellcheck disable=SC2086
	attest "the path $bad" $want s1 '{"rel_path":"'"$bad"'"}'
done
attest 'file: is no place' 400 INVALID_REQUEST s1 '{"uri":"file:///'$path'"}'
is 'another method' "$(curl -s --unix-socket sock -o body -w '%{http_code}' \
    -H 'X-Tensorlake-Sandbox-Id: s1' http://dataplane/api/v1/blob/attest)" 405
mv key away
attest 'no key any more' 500 INTERNAL_ERROR s1 "$ours"
mv away key
cp signer.conf good.conf
sed 's/rwsecret/wrong/' good.conf >signer.conf
attest 'the store refuses' 502 STORE_ERROR s1 "$ours"
cp good.conf signer.conf
attest 'and gives again' 200 '' s1 "$ours"
ok 'the log says it' grep -q \
    "s1 of proj_1: receipt for s3://images/$path, 5 bytes, by $(jq -r .keyId text)" \
    dataplaned.log
ok 'and has no secret' sh -c '! grep -q "X-Amz\|RWKEY\|rwsecret" dataplaned.log'
is 'no key is in it' "$(grep -c "$(cut -d' ' -f2 key)" dataplaned.log)" 0

# The platform

hash () {
	printf %s "$1" | sha256sum | cut -d' ' -f1
}
printf 'key %s apiKey_1 org_1 proj_1\nkey %s apiKey_2 org_1 proj_2\n' \
    "$(hash tok_one)" "$(hash tok_two)" >keys
for bad in '--attest require' '--attest accept' '--attest maybe' \
    '--attest-age 0'; do
	# shellcheck disable=SC2086
	try "$bad" tl-platformd --keys keys --db p.db --reader reader.conf $bad
	exits 64
done
try 'keys that are none' tl-platformd --keys keys --db p.db \
    --reader reader.conf --attest-keys key
exits 78
says 'key:1'
is 'they are not shown' "$(grep -c "$(cut -d' ' -f2 key)" err)" 0
chmod 666 public
try 'keys that anybody may write' tl-platformd --keys keys --db p.db \
    --reader reader.conf --attest-keys public
exits 78
chmod 644 public
rm -f p.db*

start () {
	up platformd --keys keys --db platform.db --reader reader.conf "$@"
	api=$url/platform/v1/sandbox-template-builds
}
key_=tok_one
# prepare NAME: a build, into NAME.json, whose object is five bytes
prepare () {
	curl -sS -H "Authorization: Bearer $key_" -o "$1.json" -d '{"name":"'"$1"'",
	    "dockerfile":"FROM x\n","baseImage":"x","public":false,
	    "rootfsNodeKind":"base","parentTemplate":null,
	    "additionalLocalImages":[]}' "$api"
	object "$(jq -r .snapshotRelPath "$1.json")" "${2-hello}"
	jq -c '{snapshotId, snapshotUri: ("s3://images/" + .snapshotRelPath),
	    snapshotFormatVersion: "durable_archive_v1", snapshotSizeBytes: 5,
	    rootfsDiskBytes: 4096, rootfsNodeKind}' "$1.json" >"$1.body"
}
# receipt NAME SANDBOX: for its object, into NAME.receipt
receipt () {
	attest "$1: a receipt" 200 '' "$2" \
	    "$(jq -c '{rel_path: .snapshotRelPath}' "$1.json")"
	cp body "$1.receipt"
}
# completes NAME STATUS TEXT [RECEIPT]
completes () {
	{
		sed 's/}$//' "$1.body"
		[ -z "${4-}" ] || {
			printf ',"attestation":'
			cat "$4"
		}
		echo '}'
	} >body.json
	got=$(curl -sS -o body -w '%{http_code}' -H "Authorization: Bearer $key_" \
	    -d @body.json "$api/$(jq -r .buildId "$1.json")/complete")
	if [ "$got" = "$2" ] && grep -Fqe "$3" body; then
		pass_ "$1 ${4-without}: $2 $3"
	else
		fail_ "$1 ${4-without}: $2 $3" "$got $(cat body)"
	fi
}

start --attest require --attest-keys public
prepare first
completes first 403 attestation_required
receipt first s1
completes first 403 'attestation_refused' text
/usr/bin/python3 "$data/receipts.py" --token tok_one --body first.body \
    --url "$api/$(jq -r .buildId first.json)/complete" \
    --attestation first.receipt --key key >forged 2>forged.err
is 'forged receipts: none is believed' "$(cat forged)" 'sent more than 200'
echo "# $(tail -n 1 forged.err) forged receipts"

# Of another build, of another project, of an object that was replaced
prepare second
receipt second s1
completes first 403 'another object than snapshotUri' second.receipt
jq -c --slurpfile s second.json '.snapshotUri =
    "s3://images/" + $s[0].snapshotRelPath' first.body >moved.body
cp first.json moved.json
completes moved 400 uri_not_allowed second.receipt
key_=tok_two
prepare theirs
receipt theirs s2
completes theirs 403 'of another project' first.receipt
key_=tok_one
completes first 403 'of another project' theirs.receipt
object "$(jq -r .snapshotRelPath second.json)" jello
completes second 403 'is another by now' second.receipt
object "$(jq -r .snapshotRelPath second.json)" hello
sed 's/"snapshotSizeBytes":5/"snapshotSizeBytes":6/' first.body >larger.body
cp first.json larger.json
completes larger 403 'not of snapshotSizeBytes' first.receipt
jq . first.receipt >printed
jq -cS '{signature, x: 1, receipt}' first.receipt >sorted
completes first 200 '"snapshotSizeBytes":5' printed
ok 'the log says by whom' grep -q \
    "registered as .* attested by $(jq -r .keyId text)" platformd.log
completes first 200 '"snapshotSizeBytes":5' sorted
completes first 200 '"snapshotSizeBytes":5'
completes larger 409 already_completed first.receipt
completes second 403 'another object than snapshotUri' first.receipt
completes second 200 '"name":"second"' second.receipt

# Keys are added and withdrawn while it runs
tl-dataplaned --make-attest-key new >new.public
prepare third
receipt third s1
cp key old
cp new key
prepare fourth
receipt fourth s1
completes fourth 403 'by no key that is known here' fourth.receipt
cat new.public >>public
completes fourth 200 '"name":"fourth"' fourth.receipt
completes third 200 '"name":"third"' third.receipt
cp public both
prepare fifth
cp old key
receipt fifth s1
cat new.public >public
completes fifth 403 'by no key that is known here' fifth.receipt
rm public
completes fifth 503 unavailable fifth.receipt
cp both public
completes fifth 200 '"name":"fifth"' fifth.receipt
down platformd

# Age, and the other words
start --attest-keys public --attest-age 1
prepare sixth
receipt sixth s1
sleep 2.1
completes sixth 403 'too old' sixth.receipt
completes sixth 200 '"name":"sixth"'
prepare seventh
completes seventh 403 attestation_refused text
receipt seventh s1
completes seventh 200 '"name":"seventh"' seventh.receipt
down platformd
start --attest ignore --attest-keys public
prepare eighth
completes eighth 200 '"name":"eighth"' text
down platformd
start
prepare ninth
completes ninth 200 '"name":"ninth"' text
down platformd

# A signer without a key has no such address
down dataplaned
up dataplaned -c signer.conf -s sandboxes -l "unix:$T/sock"
attest 'without a key' 404 NOT_FOUND s1 "$ours"
try 'a key that is none' tl-dataplaned -c signer.conf -s sandboxes \
    -l "unix:$T/sock2" --attest-key public
exits 78
lists tl-dataplaned.8
