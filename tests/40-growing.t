#!/bin/sh
# tl-upload --growing: a file is sent while it is written, and never before it is
# whole is there an object of it

. "${0%/*}/lib.sh"
. "$here/store.sh"

head -c 1000 /dev/urandom >whole	# parts of 300: 300 300 300 100
spec () { # KIND N: with N URLs
	jq -cn --arg u "$URL" --argjson n "$2" --arg k "$1" '{upload:
	    ({kind: $k, uri: "s3://b/x", url: "\($u)/x?partNumber=1&sig=hush",
	    uploadId: "u-1", partSizeBytes: 300,
	    partUrls: [range(1; $n + 1) | "\($u)/x?partNumber=\(.)&sig=hush"],
	    completeUrl: "\($u)/x?uploadId=u-1&sig=hush",
	    abortUrl: "\($u)/x?uploadId=u-1&sig=hush"})}' >spec.json
}
put='{"method":"PUT","path":"*partNumber=%s&*","answers":[
    {"headers":{"ETag":"\"e%s\""}}]}'
# shellcheck disable=SC2059
parts=$(for i in 1 2 3 4; do printf "$put," "$i" "$i"; done)
complete='{"method":"POST","path":"*","answers":[{"body":"<CompleteMultipartUploadResult><ETag>w</ETag></CompleteMultipartUploadResult>"}]}'
abort='{"method":"DELETE","path":"*","answers":[{"status":204}]}'
mkfifo fifo
# sends KIND N: begins to send ./snap, which fd 5 tells of
sends () {
	spec "$1" "$2"
	tl-upload --growing --sum -t 1 -s spec.json snap <fifo >out 2>err &
	sender=$!
	exec 5>fifo
}
puts () { # the parts that were sent
	jq -r 'select(.method == "PUT") | .target' log 2>/dev/null |
	    sed 's/.*partNumber=//; s/&.*//' | sort | tr '\n' ' '
}
until_puts () { # LIST
	i=0
	until [ "$(puts)" = "$1" ] || [ "$i" -gt 1500 ]; do
		i=$((i + 1))
		sleep 0.02
	done
	is "$name: the parts so far" "$(puts)" "$1"
}
ends () {
	exec 5>&-
	wait "$sender"
	status=$?
}
gone () { # it does not wait for more
	i=0
	while kill -0 "$sender" 2>/dev/null && [ "$i" -lt 1500 ]; do
		i=$((i + 1))
		sleep 0.02
	done
	is "$name: it does not wait" "$((i < 1500))" 1
}
aborted () {
	is "$name: the upload is aborted" "$(seen '[.[] | select(.method ==
	    "DELETE" or .method == "POST") | .method]' | tr -d ' \n')" '["DELETE"]'
}

peer "[$parts$complete,$abort]"
name='a file that grows'
sends s3_multipart 9
sleep 0.1
# It is written with its first part last.
{ head -c 300 /dev/zero; tail -c +301 whole | head -c 299; } >snap
until_puts ''
tail -c +600 whole | head -c 201 >>snap
until_puts '2 '
tail -c +801 whole >>snap
until_puts '2 3 '
sleep 0.1
head -c 300 whole | dd of=snap conv=notrunc 2>/dev/null
is 'its first part waits, and its last' "$(puts)" '2 3 '
printf who >&5
sleep 0.1
echo le >&5
ends
exits 0
silent err
is 'all of it was sent' "$(puts)" '1 2 3 4 '
is 'what it says' "$(jq -c '[.parts, .sizeBytes, .sha256]' out)" \
    "[4,1000,\"$(sha256sum <whole | cut -d' ' -f1)\"]"
for i in 1 2 3 4; do
	is "part $i has its Content-MD5" "$(seen "[.[] | select(.method == \"PUT\" and
	    (.target | contains(\"partNumber=$i&\"))) | .headers[] |
	    select(.[0] == \"Content-MD5\") | .[1]][0]" | tr -d '"')" \
	    "$(tail -c +$(((i - 1) * 300 + 1)) whole | head -c 300 |
	    openssl md5 -binary | base64)"
done

# What is not finished becomes nothing.
for what in '' whol wholE 'whole or not'; do
	peer "[$parts$complete,$abort]"
	name="it ends with '$what'"
	cp whole snap
	sends s3_multipart 9
	printf %s "$what" >&5
	ends
	exits 65
	says 'snap: it was not finished: stdin did not say "whole"'
	silent out
	aborted
done
peer "[$parts$complete,$abort]"
name='it becomes shorter'
cp whole snap
sends s3_multipart 9
until_puts '2 3 '
: >snap
gone
ends
exits 65
says 'became shorter'
aborted
peer "[$parts$complete,$abort]"
name='more than there are URLs for'
cp whole snap
sends s3_multipart 3
gone
ends
exits 65
says 'sign for a larger disk'
aborted
peer "[$parts$complete,$abort]"
name='a signal'
cp whole snap
sends s3_multipart 9
until_puts '2 3 '
kill -TERM "$sender"
wait "$sender"
status=$?
exec 5>&-
exits 143
aborted

# Others.
peer "[$parts$complete,$abort]"
name='one that fits a part'
rm -f snap
sends s3_multipart 9
sleep 0.1
head -c 10 whole >snap
echo whole >&5
ends
exits 0
is "$name: is one" "$(puts)" '1 '
peer "[$parts$complete,$abort]"
name='a block of one URL'
cp whole snap
sends single_put 9
sleep 0.2
is "$name: nothing is sent before it is whole" "$(puts)" ''
echo whole >&5
ends
exits 0
is "$name: and then all" "$(seen '[.[] | .headers[] |
    select(.[0] == "Content-Length") | .[1]]' | tr -d ' \n')" '["1000"]'
rm snap
given ''
peer "[$abort]"
spec s3_multipart 9
try 'a file that never comes' tl-upload -g -s spec.json snap
exits 66
says 'snap: it was never written'
aborted
try 'a block on stdin' tl-upload -g whole
exits 64
says 'needs --spec'
try 'a journal' tl-upload -g -s spec.json -J j whole
exits 64
says 'no --journal'

# A real store, and many parts.
store --part-min 1
rel=projects/p/sandbox-template-builds/b/s.tlsnap
printf '{"rel_path":"%s","op":{"kind":"multipart_put",%s}}' "$rel" \
    '"parts":60,"part_size_bytes":5242880' |
    tl-presign --config signer.conf --project p |
    sed 's/"partSizeBytes": *5242880/"partSizeBytes": 40000/' |
    jq -c '{upload: .}' >spec.json
head -c 2000000 /dev/urandom >many
rm -f snap
/usr/bin/python3 - <<'END' | tl-upload -g -s spec.json snap >out 2>err
import time
data = open("many", "rb").read()
with open("snap", "wb", buffering=0) as f:
    f.write(bytes(1000))
    for at in range(1000, len(data), 77777):
        f.write(data[at:at + 77777])
        time.sleep(0.005)
    f.seek(0)
    f.write(data[:1000])
print("whole")
END
status=$? name='a real store'
exits 0
printf '{"uri":"s3://images/%s","op":{"kind":"single_get"}}' "$rel" |
    tl-presign --config signer.conf --project p | jq -r .url |
    sed 's/.*/url = "&"/' | curl -fsS --config - -o back
ok 'a real store: it has the file' cmp many back
