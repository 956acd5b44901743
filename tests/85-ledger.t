#!/bin/sh
# The ledger: what is made elsewhere is on disk before the request leaves;
# tl-reap undoes what dead builds left, and nothing else

. "${0%/*}/lib.sh"

TENSORLAKE_API_KEY=key-MARKER
TL_RETRY_SECOND_MS=1
XDG_STATE_HOME=$T/state
export TENSORLAKE_API_KEY TENSORLAKE_API_URL TL_RETRY_SECOND_MS XDG_STATE_HOME
state=$XDG_STATE_HOME/tl
mkdir -p "$state"
TL_LEDGER=$state/one.ledger
export TL_LEDGER

prepared='{"buildId":"b-1","snapshotId":"s-1","rootfsNodeKind":"base",
"snapshotRelPath":"projects/p/sandbox-template-builds/b-1/s-1.tlsnap",
"builder":{"image":"i","command":"tl-rootfs-build",
"cpus":2,"memoryMb":4096,"diskMb":30720}}'
legacy='{"buildId":"b-2","snapshotId":"s-1","rootfsNodeKind":"base",
"upload":{"abortUrl":"@URL@/bucket/legacy?X-Amz-Signature=SIG-MARKER"},
"builder":{"image":"i","command":"tl-rootfs-build",
"cpus":2,"memoryMb":4096,"diskMb":30720}}'
box='{"id":"sbx-1","namespace":"default","status":"running"}'
all=/v1/namespaces/default/sandboxes
block='{"json":{"uri":"s3://b/k","abortUrl":"@URL@/bucket/key?uploadId=u&X-Amz-Signature=SIG-MARKER"}}'
created='{"status":201,"json":{"sandbox_id":"sbx-1","status":"running"}}'

# rule METHOD PATH ANSWER[,ANSWER...]
rule () {
	printf '{"method":"%s","path":"%s","answers":[%s]}' "$1" "$2" "$3"
}

# server CREATE SIGN DELETE ABORT: what each is answered
server () {
	peer "[$(rule POST $all "$1"),$(rule POST /api/v1/blob/sign "$2"),
	$(rule DELETE "$all/*" "$3"),$(rule DELETE '/bucket/*' "$4")]"
	TENSORLAKE_API_URL=$URL
	printf '{"id":"sbx-1","namespace":"default","status":"running","proxyUrl":"%s"}' \
	    "$URL" >sandbox.json
}
fine='{"status":204}'

# lines: the ledger without times, keys as KEY, the credential as AS
lines () {
	[ ! -e "$TL_LEDGER" ] || sed -E 's/^[0-9T:-]{19}Z //
	    s/\b[0-9a-f]{32}\b/KEY/; s/ KEY [0-9a-f]{8} / KEY AS /
	    s,http://127.0.0.1:[0-9]+,URL,; s/\b[0-9a-f]{16}\b/ID/' "$TL_LEDGER"
}

# asked: what the server saw, less the queries
asked () {
	seen '.[] | .method + " " + (.target | sub("\\?.*"; ""))' | paste -sd,
}

# --- what is written

server "$created" "$block" "$fine" "$fine"
given "$prepared"
try 'create' tl-sandbox create
exits 0
body='{"image":"i","resources":{"cpus":2.0,"memory_mb":4096,"disk_mb":30720},"timeout_secs":300}'
is 'create: two lines' "$(lines)" "intent sandbox KEY AS URL default $body
made sandbox KEY sbx-1"
is 'create: for nobody else' "$(stat -c %a "$TL_LEDGER")" 600
is 'create: the key is that of the request' \
    "$(seen '.[0].headers[] | select(.[0] == "Idempotency-Key") | .[1]')" \
    "$(awk '{ print $4; exit }' "$TL_LEDGER")"
given "$prepared"
try 'sign' tl-sign -s sandbox.json
exits 0
cp out signed.json
is 'sign: two lines' "$(lines | tail -n 2)" \
    "intent upload KEY AS URL default projects/p/sandbox-template-builds/b-1/s-1.tlsnap
made upload KEY ID"
id=$(tail -n 1 "$TL_LEDGER" | cut -d' ' -f5)
is 'sign: the key is in a file beside it' \
    "$(jq -r .abortUrl "$TL_LEDGER.$id" | sed 's/.*?//')" \
    'uploadId=u&X-Amz-Signature=SIG-MARKER'
is 'sign: for nobody else' "$(stat -c %a "$TL_LEDGER.$id")" 600
ok 'no secret in the ledger' sh -c "! grep -e MARKER '$TL_LEDGER'"

cp signed.json in
try 'abort' tl-abort
exits 0
is 'abort: a line' "$(lines | tail -n 1)" 'gone upload ID'
given "$box"
try 'rm' tl-sandbox rm
exits 0
is 'rm: a line' "$(lines | tail -n 1)" 'gone sandbox sbx-1'
: >log
try 'reap: nothing is open' tl-reap
exits 0
silent out
silent err
is 'nothing is asked' "$(seen length)" 0
is 'the ledger is gone, and what lay beside it' "$(ls -A -I .tl-private "$state")" ''

given "$prepared"
TL_LEDGER=$T/none/there try 'a ledger that cannot be written' tl-sandbox create
exits 73
says 'TL_LEDGER'
silent out
: >log
given "$prepared"
TL_LEDGER=/dev/full try 'a full disk' tl-sandbox create
exits 74
is 'is asked for nothing' "$(seen length)" 0

peer "[$(rule POST '*/sandbox-template-builds' "{\"json\":$legacy}"),
$(rule POST '*/complete' '{"json":{"id":"t"}}')]"
TENSORLAKE_API_URL=$URL
given '{"name":"n","public":false,"dockerfile":"FROM x","baseImage":"x",
"references":[],"ignored":[],"unresolvable":[]}'
try 'prepare, legacy' tl-prepare
exits 0
is 'prepare: its build and its upload' "$(lines)" "intent build KEY AS URL default
made build KEY b-2
intent upload KEY AS URL default b-2
made upload KEY ID"
cp out prepared.json
given '{"snapshot_format_version":"v","snapshot_size_bytes":1,
"rootfs_disk_bytes":1,"snapshot_uri":"s3://b/k"}'
try 'complete' tl-complete -p prepared.json
exits 0
is 'complete: all is over' "$(lines | tail -n 4 | sed 's/ [0-9a-f]* URL/ AS URL/')" \
    "intent template b-2 AS URL default
made template b-2 b-2
gone build b-2
gone upload ID"
tl-reap
is 'and so is the ledger' "$(ls -A -I .tl-private "$state")" ''

# --- what is undone

: >statuses

# dead CREATE SIGN DELETE ABORT: a build that died after these
dead () {
	rm -rf "${state:?}"/*
	server "$@"
	printf %s "$prepared" | tl-sandbox create >/dev/null 2>&1
	printf %s "$prepared" | tl-sign -s sandbox.json >/dev/null 2>&1
	: >log
}

dead "$created" "$block" "$fine" "$fine"
before=$(cat "$TL_LEDGER")
try 'reap -n' tl-reap -n
exits 0
is 'reap -n says what there is' "$(cut -f1,2,4 out)" "open	upload	one.ledger
open	sandbox	one.ledger"
is 'reap -n asks nothing' "$(seen length)" 0
is 'reap -n leaves the ledger' "$(cat "$TL_LEDGER")" "$before"
try 'reap' tl-reap
exits 0
is 'reap: in this order, the upload once more' "$(asked)" \
    "DELETE /bucket/key,DELETE $all/sbx-1,DELETE /bucket/key"
is 'reap says what it did' "$(cut -f1,2 out)" "undone	upload
undone	sandbox"
is 'reap: all is gone' "$(ls -A -I .tl-private "$state")" ''
ok 'reap shows no key' sh -c '! grep MARKER out err'

dead "$created" "$block" "$fine" "$fine"
exec 8>>"$TL_LEDGER"
flock 8
try 'a build that lives' tl-reap
exits 0
silent out
is 'is not touched' "$(seen length)" 0
try 'a build that lives, named' tl-reap "$TL_LEDGER"
says 'at work'
exec 8>&-

dead "$created" "$block" '{"status":500}' '{"status":403}'
try 'a clean-up that fails' tl-reap -t 2
exits 77
says 'sandbox sbx-1: '
says 'refused (403)'
says 'stays for the next time'
ok 'a clean-up that fails shows no key' sh -c '! grep MARKER out err'
server "$created" "$block" "$fine" "$fine"
sed -i "s,http://127.0.0.1:[0-9]*,$URL," "$state"/*
as=$(TL_LEDGER=$T/as.ledger sh -c 'printf %s "$1" | tl-sandbox create >/dev/null
    cut -d" " -f5 "$TL_LEDGER" | head -n 1' sh "$prepared")
sed -i -E "s/ [0-9a-f]{8} http/ $as http/" "$TL_LEDGER"
: >log
try 'a clean-up, again' tl-reap
exits 0
is 'a clean-up, again: all is gone' "$(ls -A -I .tl-private "$state")" ''

dead "$created" "$block" "$fine" "$fine"
TENSORLAKE_API_URL=http://127.0.0.1:1 try 'made elsewhere' tl-reap
exits 0
says 'not at the configured address'
is 'made elsewhere: left' "$(cut -f1,2 out)" "undone	upload
left	sandbox"
TENSORLAKE_API_KEY=another try 'another key' tl-reap
exits 0
says 'another credential'
holds 'left	sandbox	sbx-1'
TENSORLAKE_API_KEY='' try 'no key' tl-reap
exits 78
says 'no credential'
TENSORLAKE_API_KEY=another try 'another key, --all' tl-reap --all
exits 0
is 'another key, --all: all is gone' "$(ls -A -I .tl-private "$state")" ''

# To another project's key, what lives is not there.
dead "$created" "$block" '{"status":404}' "$fine"
TENSORLAKE_API_KEY=another try 'another project, --all' tl-reap --all
exits 0
says 'of another project that says nothing'
holds 'left	sandbox	sbx-1'
ok 'another project, --all: not forgotten' grep -q 'made sandbox' "$TL_LEDGER"
try 'its own key' tl-reap
exits 0
holds 'undone	sandbox	sbx-1'
dead '{"drop":true}' "$block" "$fine" "$fine"
TENSORLAKE_API_KEY=another try 'asked for with another key' tl-reap --all
exits 0
is 'asked for with another key: not asked again' "$(asked)" \
    'DELETE /bucket/key'
holds 'left	sandbox'

# A URL that has expired will never do; one that has not, may.
for date in 20200101 20990101; do
	dead "$created" "{\"json\":{\"uri\":\"s3://b/k\",\"abortUrl\":\"@URL@/bucket/key?X-Amz-Date=${date}T000000Z&X-Amz-Expires=9\"}}" \
	    "$fine" '{"status":403}'
	try "an upload signed at $date" tl-reap
	cut -f1,2 out >"said.$date"
done
is 'an expired URL' "$(cat said.20200101)" "unknown	upload
undone	sandbox"
is 'a valid one that is refused' "$(cat said.20990101)" "failed	upload
undone	sandbox"

dead "$created" "$block" "$fine" "$fine"
printf '2026-01-01T00:00:00Z keep sandbox sbx-1\n' >>"$TL_LEDGER"
try 'kept on purpose' tl-reap
holds 'kept	sandbox	sbx-1'
exits 0
try 'too young' tl-reap --all --older-than 1h
silent out
touch -d '2 hours ago' "$TL_LEDGER"
try 'old enough' tl-reap --all --older-than 1h
exits 0
is 'old enough: all is gone' "$(ls -A -I .tl-private "$state")" ''

# A clock was set back, or a file server's is ahead.
dead "$created" "$block" "$fine" "$fine"
touch -d '+1 day' "$TL_LEDGER"
try 'a time to come' tl-reap --older-than 1h
exits 0
is 'a time to come: all is gone' "$(ls -A -I .tl-private "$state")" ''

# A damaged line means nothing and stops nothing.
dead "$created" "$block" "$fine" "$fine"
for line in ' a b c' '2026-11-24T12:00:00Z' '2026-11-24T12:00:00Z  x y' \
    '2026-11-24T12:00:00Z intent sandbox k  http://h ns' \
    '2026-11-24T12:00:00Z intent sandbox k as  ns {}' \
    '2026-11-24T12:00:00Z made sandbox ' '2026-11-24T12:00:00Z gone'; do
	printf '%s\n' "$line"
done >"$state/a.ledger"
touch -d '1 hour ago' "$state/a.ledger"
try 'damaged lines' tl-reap
exits 0
holds 'undone	sandbox'
is 'damaged lines: all is gone' "$(ls -A -I .tl-private "$state")" ''

# --- answers that were lost

drop='{"drop":true}'
dead "$drop,$drop,$drop,$drop,$drop,$created" "$block" "$fine" "$fine"
is 'a lost create: only asked for' "$(lines | head -n 2 | cut -d' ' -f1,2)" \
    "intent sandbox
intent upload"
try 'a lost create' tl-reap
exits 0
is 'a lost create: asked again, then deleted' "$(asked)" \
    "DELETE /bucket/key,POST $all,DELETE $all/sbx-1,DELETE /bucket/key"
is 'a lost create: all is gone' "$(ls -A -I .tl-private "$state")" ''
dead '{"drop":true}' '{"drop":true}' "$fine" "$fine"
sed -i -E 's/^[0-9-]{10}/2026-01-01/' "$TL_LEDGER"
try 'lost long ago' tl-reap
exits 0
says 'has ended by itself after 300 s'
says 'own expiry'
is 'lost long ago: nothing is asked' "$(seen length)" 0
is 'lost long ago: forgotten' "$(ls -A -I .tl-private "$state")" ''
# A ledger that takes no more (a full disk): undone all the same.
dead "$drop,$drop,$drop,$drop,$drop,$created" "$block" "$fine" "$fine"
try 'a ledger that is full' sh -c 'trap "" XFSZ; ulimit -f 1; exec tl-reap'
is 'a ledger that is full: asked again, then deleted' "$(asked)" \
    "DELETE /bucket/key,POST $all,DELETE $all/sbx-1,DELETE /bucket/key"
is 'a ledger that is full: what is done' "$(cut -f1-3 out | grep sandbox)" \
    'undone	sandbox	sbx-1'
says 'File too large'
ok 'a ledger that is full: it stays' test -s "$TL_LEDGER"
# Killed when the answer was there, and not yet its line.
for part in '' .Ab3xYz; do
	dead "$created" "$block" "$fine" "$fine"
	sed -i '/made upload/d' "$TL_LEDGER"
	file_=$(find "$state" -name 'one.ledger.*')
	[ -z "$part" ] || mv "$file_" "$file_$part"
	echo mine >"$TL_LEDGER.bak"
	try "an upload without its line$part" tl-reap
	exits 0
	is "an upload without its line$part: aborted" "$(asked)" \
	    "DELETE /bucket/key,DELETE $all/sbx-1"
	is "an upload without its line$part: only what is not ours stays" \
	    "$(ls -A -I .tl-private "$state")" one.ledger.bak
done
dead "$created" "$block" "$fine" "$fine"
sed -i '/made upload/d' "$TL_LEDGER"
file_=$(find "$state" -name 'one.ledger.*')
head -c 20 "$file_" >"$file_.Ab3xYz"
rm "$file_"
try 'half a file' tl-reap
exits 0
says 'no answer came'
is 'half a file: all is gone' "$(ls -A -I .tl-private "$state")" ''
dead "$created" "$block" "$fine" "$fine"
sed -i '/made upload/d' "$TL_LEDGER"
rm "$TL_LEDGER".*
mkfifo "$TL_LEDGER.0123456789abcdef"
try 'a FIFO beside it' timeout 20 tl-reap
exits 0
says 'no answer came'
dead '{"status":403}' '{"status":403}' "$fine" "$fine"
is 'refused is not made' "$(lines | cut -d' ' -f1,2 | paste -sd,)" \
    'intent sandbox,none sandbox,intent upload,none upload'
try 'refused' tl-reap
silent out
is 'refused: nothing is asked' "$(seen length)" 0

# Of two sandboxes the last one is known to have ended; the first one's builder
# may still have been sending.
dead "$created" "$block" "$fine" "$fine"
printf '2026-01-01T00:00:00Z intent sandbox k a %s default {}\n' "$URL" >>"$TL_LEDGER"
try 'two sandboxes' tl-reap
is 'two sandboxes: the upload once more' "$(asked)" \
    "DELETE /bucket/key,DELETE $all/sbx-1,DELETE /bucket/key"

# --- what a crash leaves of a line

dead "$created" "$block" "$fine" "$fine"
printf '2026-01-01T00:00:00Z gone sandbox sbx-' >>"$TL_LEDGER"
printf %s "$prepared" | tl-sandbox create >/dev/null
is 'a torn line stays by itself' "$(tail -n 2 "$TL_LEDGER" | cut -d' ' -f2,3)" \
    "intent sandbox
made sandbox"
printf '\0\0garbage\n2026 gone sandbox sbx-1\n\n \n' >>"$TL_LEDGER"
try 'what is no line' tl-reap
exits 0
is 'a torn line means nothing' "$(cut -f1,2 out)" "undone	upload
undone	sandbox
undone	sandbox"

dead "$created" "$block" "$fine" "$fine"
mkfifo "$state/a.ledger"
touch -d '1 hour ago' "$state/a.ledger"
try 'a pipe among them' timeout 20 tl-reap
exits 66
says "$state/a.ledger: not a file"
is 'a pipe among them: the others' "$(cut -f1,2 out)" "undone	upload
undone	sandbox"
rm "$state/a.ledger"
ln -s "$TL_LEDGER" "$state/b.ledger"
try 'a link' tl-reap
exits 66
says 'b.ledger'
rm "$state/b.ledger"
head -c 5000000 /dev/zero >"$state/c.ledger"
try 'one too large' tl-reap
says "$state/c.ledger"
is 'one too large: fails' "$((status != 0))" 1

# --- folders of builds that failed

rm -rf "${state:?}"/*
for folder in build.old build.new build.open work.1; do
	mkdir -p "$state/$folder"
	echo plan >"$state/$folder/plan.json"
done
mkdir away
touch away/file
ln -s "$T/away" "$state/build.link"
echo file >"$state/build.file"
printf '2026-01-01T00:00:00Z keep sandbox sbx-1\n' >"$state/build.open.ledger"
exec 8>>"$state/build.open.ledger"
flock 8
touch -d '2 days ago' "$state"/build.[!n]*
try 'folders, older than a day, -n' tl-reap -n --folders --older-than 1d
gives 'open	folder	build.old	-'
exits 0
try 'folders, older than a day' tl-reap --folders --older-than 1d
gives 'undone	folder	build.old	-'
exits 0
try 'folders, at once' tl-reap --folders
silent out
touch -d '1 minute ago' "$state/build.new"
mkdir "$state/build.new/mine"
touch -d '1 minute ago' "$state/build.new"
try 'a folder with something else in it' tl-reap --folders
exits 73
says 'build.new/mine: Is a directory'
holds 'failed	folder	build.new	-'
rmdir "$state/build.new/mine"
touch -d '1 minute ago' "$state/build.new"
try 'folders' tl-reap --folders
gives 'undone	folder	build.new	-'
is 'what stays' "$(cd "$state" && printf '%s ' *)" \
    'build.file build.link build.open build.open.ledger work.1 '
ok 'a link is not followed' test -e away/file
exec 8>&-
rm -rf "${state:?}"/*
try 'folders, and a ledger' tl-reap --folders x.ledger
exits 64

try 'a bad duration' tl-reap --older-than 1x
exits 64
says 'not a duration'
HOME='' XDG_STATE_HOME='' try 'no home' tl-reap
exits 78
lists tl-reap.1
