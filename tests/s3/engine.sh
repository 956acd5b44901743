# shellcheck shell=sh
# What is asked of any S3 store, sourced after the engine's own file.
#
#	bucket NAME		make it, waiting until the store answers
#	engine_uploads		what is sent comes back
#	engine_refusals		what may not be, is not whole, or is said twice
#	engine_journal		an uploader that is killed, and one after it
#	engine_multipart	uploads listed and given back
#	engine_conform STORE	S3's answers, as conform.py has them in a table
#	engine_reader		a key that only reads
#	engine_virtual URL	the bucket in the host's name
#	engine_region		builds of a region whose store it is
#	engine_hurt		a server of it is killed while parts are sent

# The store as botocore sees it: s3 FUNCTION [ARGUMENT...] of s3.py
s3 () {
	/usr/bin/python3 "$here/s3.py" signer.conf "$@"
}

# What region.sh has signed by curl, which splits a key like Swift's at its colon.
uploads () {
	(cd "$T" && s3 uploads)
}

bucket () {
	s3 bucket "$1" 2>bucket.err || {
		fail_ 'the store starts' "$(cat bucket.err)" \
		    "$(tail -n 20 "$T"/*/*.log)"
		exit 1
	}
}

folder=projects/proj_1/sandbox-template-builds

# block KEY PARTS [SIZE]: an upload is signed, in ./block
block () {
	printf '{"rel_path":"%s","op":{"kind":"multipart_put","parts":%s,%s}}' \
	    "$folder/$1" "$2" "\"part_size_bytes\":${3-5242880}" |
	    tl-presign -c "${conf-signer.conf}" -p proj_1 >block
}

# link KEY: a download is signed, in ./signed
link () {
	printf '{"uri":"s3://images/%s","op":{"kind":"single_get"}}' \
	    "$folder/$1" | tl-presign -c "${conf-signer.conf}" -p proj_1 >signed
}

# url BLOCK MEMBER: curl's configuration, so that no argument is a URL
url () {
	jq -r "\"url = \\\"\\(.$2)\\\"\"" "$1"
}

# fetch KEY: into ./got
fetch () {
	link "$1" && url signed url | curl -sSf -K - -o got
}

# code BLOCK MEMBER OPTION...: the status of a request to that URL
code () {
	from=$1 member=$2
	shift 2
	url "$from" "$member" | curl -sS -K - -o body -w '%{http_code}' "$@"
}

# opened KEY: how many uploads of it the store itself tells of
opened () {
	s3 uploads >listed && grep -c "^$folder/$1 " listed
}

file_of () {
	head -c "$2" /dev/urandom >"$1"
}

# there_and_back SIZE NAME: one file goes there and comes back
there_and_back () {
	file_of snapshot "$1"
	block "size-$1" 4
	given "$(cat block)"
	try "$2" tl-upload snapshot
	exits 0
	is "$2: what it says" "$(jq -c '[.uri, .sizeBytes, .parts]' out)" \
	    "[\"s3://images/$folder/size-$1\",$1,$((
	    $1 == 0 ? 1 : ($1 + 5242879) / 5242880))]"
	cp out uploaded
	ok "$2: a download is signed" fetch "size-$1"
	ok "$2: it comes back" cmp snapshot got
	is "$2: no upload is open" "$(opened "size-$1")" 0
	# Who reads it finds it under the ETag that the uploader was told.
	is "$2: its ETag" "$(s3 head "$folder/size-$1")" \
	    "$1 $(jq -r '.etag | if . == "" then "'"$(s3 head \
	    "$folder/size-$1" | cut -d' ' -f2 | tr -d '"')"'" else . end |
	    ltrimstr("\"") | rtrimstr("\"") | "\"\(.)\""' uploaded)"
}

engine_uploads () {
	there_and_back 1 'one byte'
	there_and_back 5242880 'one part'
	there_and_back 13000000 'three parts, the last one smaller'
	there_and_back 10485760 'two parts of the same size'
	there_and_back 0 'no byte'

	printf '{"target":{"kind":"artifact","rel_path":"%s"},%s}' \
	    "$folder/merged" '"op":{"kind":"put_artifact","multipart_hint":{
	    "max_parts":2,"part_size_bytes":5242880}}' |
	    tl-presign -c signer.conf -p proj_1 >block
	file_of snapshot 6000000
	given "$(cat block)"
	try 'signed in the merged dialect' tl-upload snapshot
	exits 0
	printf '{"target":{"kind":"blob","uri":"s3://images/%s"},%s}' \
	    "$folder/merged" '"op":{"kind":"get_blob"}' |
	    tl-presign -c signer.conf -p proj_1 >signed
	is 'and so read' "$(code signed url)" 200
	ok 'it comes back' cmp snapshot body
	is 'a range of it' "$(code signed url -r 5242870-5242889)" 206
	tail -c +5242871 snapshot | head -c 20 >want
	ok 'over the seam of two parts' cmp want body

	printf '{"rel_path":"%s","op":{"kind":"single_put"}}' "$folder/single" |
	    tl-presign -c signer.conf -p proj_1 >block
	given "$(cat block)"
	try 'in one request' tl-upload snapshot
	exits 0
	fetch single
	ok 'it comes back' cmp snapshot got

	# A name with all that a path may hold.
	odd="b 1+2=3&4,5;6'(7)*~@:é"
	block "$odd" 1
	given "$(cat block)"
	try 'an odd name' tl-upload -j 1 want
	exits 0
	block "$odd" 1
	head -c 100 snapshot >small
	given "$(cat block)"
	try 'an odd name again' tl-upload small
	exits 0
	fetch "$odd"
	ok 'an odd name: the last one stays' cmp small got
}

engine_refusals () {
	file_of snapshot 13000000
	block refused 3
	sed 's/X-Amz-Signature=0/X-Amz-Signature=x/g
	    s/X-Amz-Signature=[1-9a-f]/X-Amz-Signature=0/g
	    s/X-Amz-Signature=x/X-Amz-Signature=1/g' block >forged
	grep -o 'Signature=[0-9a-f]*' block >signatures
	is 'no signature stays' "$(grep -c -F -f signatures forged)" 0
	given "$(cat forged)"
	try 'a forged signature' tl-upload snapshot
	exits 77
	silent out
	link refused
	is 'one for another method' "$(code signed url -X DELETE)" 403
	is 'the upload stays' "$(opened refused)" 1

	# Two parts of three, and a completion that names all of them.
	head -c 5242880 snapshot >part
	for i in 0 1; do
		is "part $i" "$(code block "partUrls[$i]" -T part \
		    -D "head$i")" 200
	done
	tag () {
		sed -n 's/^[Ee][Tt][Aa][Gg]: *\([^[:cntrl:]]*\).*/\1/p' "$1"
	}
	whole () {
		echo "<CompleteMultipartUpload>"
		for i; do
			echo "<Part><PartNumber>$i</PartNumber>" \
			    "<ETag>$(tag head0)</ETag></Part>"
		done
		echo "</CompleteMultipartUpload>"
	}
	whole 1 2 3 >complete
	status=$(code block completeUrl -X POST --data-binary @complete)
	is 'a completion with a part that is not there is refused' \
	    "$(case $status in 400) echo refused ;;
	    200) grep -o '<Error>' body ;; *) echo "$status" ;; esac |
	    sed 's/<Error>/refused/')" refused
	grep -o '<Code>[^<]*' body >reason
	echo "# it says $status $(cat reason)"
	is 'and there is no object' "$(code signed url)" 404
	given "$(cat block)"
	try 'given back' tl-abort
	exits 0
	silent err
	is 'no upload is open' "$(opened refused)" 0
	given "$(cat block)"
	try 'given back again' tl-abort
	exits 0
	given "$(cat block)"
	try 'sent after that' tl-upload snapshot
	exits 69
	says 'NoSuchUpload'
	status=$(code block completeUrl -X POST --data-binary @complete)
	# Ceph 16 answers 500, which the uploader takes for worth a retry.
	is 'a completion after that is refused' \
	    "$(case $status in 404|500) echo refused ;;
	    *) echo "$status" ;; esac)" refused
	echo "# it says $status $(grep -o '<Code>[^<]*' body)"
	link refused
	is 'and there is no object yet' "$(code signed url)" 404

	# An answer that is lost is asked for again.
	block twice 1
	is 'a part' "$(code block 'partUrls[0]' -T part -D head0)" 200
	whole 1 >complete
	for time in first second; do
		status=$(code block completeUrl -X POST \
		    --data-binary @complete)
		is "a completion, the $time time" "$status $(grep -o \
		    '</CompleteMultipartUploadResult>' body)" \
		    '200 </CompleteMultipartUploadResult>'
		echo "# ETag $(grep -o '<ETag>[^<]*' body)"
	done
}

# The uploader is killed, and another one goes on.
engine_journal () {
	file_of snapshot 26000000
	block journal 5
	tl-upload -j 1 -J journal -v snapshot <block >first.out 2>first.err &
	first=$!
	i=0
	until [ -n "$(sed -n 3p journal 2>/dev/null)" ] ||
	    [ "$i" -eq 2000 ]; do
		i=$((i + 1))
		sleep 0.005
	done
	kill -9 "$first" 2>/dev/null
	wait "$first" 2>/dev/null
	is 'killed in the middle: no result' "$(cat first.out)" ''
	given "$(cat block)"
	try 'the next one' tl-upload -J journal -v snapshot
	exits 0
	sent=$(grep -c '^> PUT ' err)
	is 'sends only the rest' \
	    "$(if [ "$sent" -gt 0 ] && [ "$sent" -lt 5 ]; then
	    echo rest; else echo "$sent"; fi)" rest
	fetch journal
	ok 'and the whole comes back' cmp snapshot got
	is 'no upload is open' "$(opened journal)" 0

	# SIGTERM without a journal gives it back.
	block term 5
	tl-upload -j 1 -v snapshot <block >first.out 2>first.err &
	first=$!
	until grep -q 'PUT ' first.err || ! kill -0 "$first" 2>/dev/null; do
		:
	done
	kill -TERM "$first"
	wait "$first"
	is 'SIGTERM' "$?" 143
	is 'gives it back' "$(opened term)" 0
}

engine_conform () {
	taps "$1" /usr/bin/python3 -B "$here/conform.py" signer.conf "$1"
}

m () {
	tl-multipart -c signer.conf "$@"
}

engine_multipart () {
	for key in many many many/1 manyone man; do
		m create "$folder/$key" >>ids
	done
	is 'five ids' "$(sort -u ids | grep -c .)" 5
	try 'list' m list "$folder/many"
	exits 0
	is 'those of the key only' "$(sort out)" "$(head -n 2 ids | sort)"
	try 'release' m release "$folder/many"
	exits 0
	is 'the others stay' "$(s3 uploads | cut -d' ' -f1 |
	    sort | sed "s,$folder/,,")" 'man
many/1
manyone'
	for key in many/1 manyone man; do
		m release "$folder/$key"
	done
	try 'list when none is open' m list "$folder/man"
	exits 0
	silent out
	id=$(m create "$folder/one")
	try 'abort' m abort "$folder/one" "$id"
	exits 0
	try 'abort again' m abort "$folder/one" "$id"
	exits 0
	is 'none is open' "$(s3 uploads)" ''

	s3 opened "$folder/pages" 1003
	s3 opened "$folder/pages/below" 1
	try 'list more than a page' m list "$folder/pages"
	exits 0
	is 'all of them' "$(sort -u out | grep -c .)" 1003
	try 'release more than a page' m release "$folder/pages"
	exits 0
	is 'only the other one stays' "$(s3 uploads | cut -d' ' -f1)" \
	    "$folder/pages/below"
	m release "$folder/pages/below"
}

engine_reader () {
	file_of snapshot 100
	block reader 1
	given "$(cat block)"
	try 'an object' tl-upload snapshot
	exits 0
	conf=reader.conf
	fetch reader
	ok 'a key that only reads: it reads' cmp snapshot got
	try 'it opens no upload' tl-multipart -c reader.conf create "$folder/x"
	exits 77
	says AccessDenied
	unset conf
	sed 's/^secret_key = .*/secret_key = another/' signer.conf >wrong.conf
	chmod 600 wrong.conf
	try 'a wrong secret' tl-multipart -c wrong.conf create "$folder/x"
	exits 77
	says SignatureDoesNotMatch
	sed 's/^bucket = .*/bucket = nothing-there/' signer.conf >wrong.conf
	try 'a bucket that is not there' tl-multipart -c wrong.conf create \
	    "$folder/x"
	exits 69
	says NoSuchBucket
}

engine_virtual () {
	sed "s,^endpoint = .*,endpoint = $1,
	    s/^addressing = .*/addressing = virtual/" signer.conf >virtual.conf
	chmod 600 virtual.conf
	file_of snapshot 6000000
	conf=virtual.conf
	block virtual 2
	is 'the bucket is in the host' "$(jq -r '.partUrls[0] |
	    split("/")[2] | split(".")[0]' block)" images
	given "$(cat block)"
	try 'and the upload goes there' tl-upload snapshot
	exits 0
	fetch virtual
	ok 'and comes back' cmp snapshot got
	try 'list' tl-multipart -c virtual.conf list "$folder/virtual"
	exits 0
	silent out
	unset conf
	fetch virtual
	ok 'it is the same bucket' cmp snapshot got
}

# What kill_one kills begins again by start_one, a second after.
engine_hurt () {
	file_of snapshot 80000000
	block hurt 16
	given "$(cat block)"
	tl-upload -j 2 -v snapshot <block >hurt.out 2>hurt.err &
	uploader=$!
	i=0
	until [ "$(grep -c '^< PUT .*: 200' hurt.err)" -ge 2 ] ||
	    [ "$i" -eq 2000 ]; do
		i=$((i + 1))
		sleep 0.005
	done
	kill_one
	is 'a server is killed with parts under way' \
	    "$(grep -c '^> POST' hurt.err)" 0
	sleep 1
	start_one
	wait "$uploader"
	is 'the upload ends well' "$? $(jq .parts hurt.out)" '0 16'
	echo "# $(grep -c '^> PUT' hurt.err) requests for 16 parts," \
	    "$(grep -c '^< PUT .*: 5' hurt.err) of them with 5xx"
	fetch hurt
	ok 'the whole comes back' cmp snapshot got
	is 'no upload is open' "$(opened hurt)" 0
}

# image TEMPLATE: what is registered there is whole
image () {
	for member in parentManifestUri snapshotUri; do
		printf '{"uri":"%s","op":{"kind":"single_get"}}' \
		    "$(jq -r ".$member" "$1")" |
		    tl-presign -c signer.conf -p proj_local >signed
		url signed url | curl -sSf -K - -o "$member"
	done
	tl-snapshot cat --parent parentManifestUri snapshotUri \
	    /srv/index.tsv >got
}

engine_region () {
	"$sample/bin/index" <"$sample/poem.txt" >want
	for answer in versioned legacy; do
		region --answer "$answer" --store signer.conf \
		    --store-reader reader.conf
		try "a build, $answer" tl-build -n "$answer" \
		    "$sample/Dockerfile"
		exits 0
		cp out template.json
		is "$answer: no upload is open" "$(s3 uploads)" ''
		image template.json
		ok "$answer: its image is whole" cmp want got
		nothing_left "$answer"
		tl-region down
	done

	# Killed with an upload open: the block is with nobody any more.
	region --store signer.conf --store-reader reader.conf
	mkdir late
	echo 'FROM busybox' >late/Dockerfile
	tl-build -n late --work late.work late/Dockerfile >late.out 2>late.err &
	build=$!
	i=0
	until [ -s late.work/signed.json ] || [ "$i" -eq 2000 ]; do
		i=$((i + 1))
		sleep 0.01
	done
	kill -9 "$build"
	wait "$build" 2>/dev/null
	is 'a build is killed with its upload open' \
	    "$(s3 uploads | grep -c .)" 1
	given "$(cat late.work/sandbox.json)"
	try 'its sandbox is deleted' tl-sandbox rm
	exits 0
	nothing_left 'the region gave it back'
}
