#!/bin/sh
# Uploads whose ids nobody has are released when their sandbox ends: all of
# its keys, no other, and none that another sandbox is still building

. "${0%/*}/lib.sh"
sandboxes
tl-runtime --check 2>err || skip "no sandboxes here: $(cat err)"
. "$here/store.sh"

store --fault store.fault
store_url=$(cat url)
for k in one two; do
	printf 'key %s k_%s org_1 proj_%s\n' "$(printf 'secret-%s' "$k" |
	    sha256sum | cut -d' ' -f1)" "$k" "$k"
	printf 'header = "Authorization: Bearer secret-%s"\n' "$k" >"auth.$k"
done >keys
chmod 600 keys
# A gate before the store: it logs each request in asked.METHOD, and lets none of
# that method through while there is a file shut.METHOD.
cat >gate.py <<'END'
import http.client, http.server, os, sys, time
port = int(sys.argv[1].rpartition(":")[2])
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open("asked." + self.command, "a") as f:
            f.write(self.path.partition("&X-Amz")[0] + "\n")
        while os.path.exists("shut." + self.command):
            time.sleep(0.02)
        try:
            up = http.client.HTTPConnection("127.0.0.1", port)
            up.request(self.command, self.path, headers=dict(self.headers))
            answer = up.getresponse()
            text = answer.read()
            self.send_response(answer.status)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        except OSError:
            self.close_connection = True
    do_POST = do_DELETE = do_GET
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
with open("gate.part", "w") as f:
    f.write("http://127.0.0.1:%d\n" % s.server_port)
os.rename("gate.part", "gate")
s.serve_forever()
END
/usr/bin/python3 gate.py "$store_url" 2>gate.err &
later "kill $! 2>/dev/null"
: >asked.POST
# within COMMAND...: wait until it succeeds, fifteen seconds at most
within () {
	tries=300
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.05
	done
}
within [ -s gate ]
sed -i "s|^endpoint.*|endpoint = $(cat gate)|" signer.conf
tl-dataplaned -c signer.conf -s state -l "unix:$T/dp.sock" -r dp.ready \
    2>dp.log &
later "kill $! 2>/dev/null; wait $! 2>/dev/null"
within [ -s dp.ready ]

# up: a daemon; $url, $daemon
up () {
	rm -f ready
	tl-sandboxd -k keys -s state -r ready -d "$T/dp.sock" \
	    --fault fault 2>>log &
	daemon=$!
	within [ -s ready ]
	url=$(cat ready)
}
# shellcheck disable=SC2016
later 'kill $daemon 2>/dev/null; wait $daemon 2>/dev/null'
up

# as WHO CURL-ARGUMENT...: stdout is the body, $code the status
as () {
	auth=auth.$1
	shift
	code=$(curl -sS -m 30 -K "$auth" -o body -w '%{http_code}' "$@" \
	    2>curl.err)
}
# new [TIMEOUT]: a sandbox, $id
new () {
	as "${who-one}" -d '{"resources": {"disk_mb": 64},
	    "timeout_secs": '"${1-300}}" "$url/sandboxes"
	id=$(jq -r .sandbox_id body)
}
# sign SANDBOX KEY: ask for an upload, whose answer is read by nobody
sign () {
	as "${who-one}" -H "X-Tensorlake-Sandbox-Id: $1" -d '{"rel_path": "'"$2"'",
	    "op": {"kind": "multipart_put", "parts": 1,
	    "part_size_bytes": 5242880}}' "$url/api/v1/blob/sign"
}
delete () {
	as "${who-one}" -X DELETE "$url/sandboxes/$1"
}
# open: how many uploads are open in the store
open () {
	set -- store/images/uploads/*
	[ -e "$1" ] || shift
	echo $#
}
gone () {
	[ "$(open)" -eq 0 ] && [ -z "$(ls -d state/sbx-* 2>/dev/null)" ]
}
faults () {
	printf '%s\n' "$2" >fault.new
	mv fault.new "$1"
}
key=projects/proj_one/sandbox-template-builds/b1/s1.tlsnap

# One sandbox, both dialects; what is only read opens nothing.
new
as one -H "X-Tensorlake-Sandbox-Id: $id" "$url/api/v1/blob/sign" -d '{
    "uri": "s3://images/x", "op": {"kind": "single_get"}}'
sign "$id" projects/proj_two/sandbox-template-builds/b1/s1.tlsnap
is "what opens nothing is not kept: another project's" "$code" 403
ok 'nor what is read' test ! -e "state/$id/uploads"
sign "$id" "$key"
is 'signed' "$code" 200
sign "$id" "$key"
as one -H "X-Tensorlake-Sandbox-Id: $id" "$url/api/v1/blob/sign" -d '{
    "target": {"kind": "artifact", "rel_path": "'"$key"'-2"},
    "op": {"kind": "put_artifact"}}'
is 'signed, merged' "$code" 200
is 'three uploads are open' "$(open)" 3
is 'each key is on the disk once' "$(cat "state/$id/uploads")" "$key
$key-2"
is 'for the daemon only' "$(stat -c %a "state/$id/uploads")" 600
for other in "$key-3" "$key/x" "${key%/*}" "${key%?}"; do
	tl-multipart -c signer.conf create "$other" >/dev/null || exit 1
done
delete "$id"
is 'the end of the sandbox' "$code $(jq -r .status body)" '200 terminated'
is 'its uploads are released, those of other keys are not' "$(open)" 4
for other in "$key-3" "$key/x" "${key%/*}" "${key%?}"; do
	ok "one of ${other#*builds} is still there" \
	    [ "$(tl-multipart -c signer.conf list "$other" | wc -l)" -eq 1 ]
	tl-multipart -c signer.conf release "$other" || exit 1
done
is 'nothing of it stays' "$(ls -d state/sbx-* 2>/dev/null)" ''
ok 'which the log says' grep -q "$id: released 2 uploads of $key\$" log

# An answer that is lost between any two of them.
for where in fault/sign store.fault/upload-create; do
	new
	faults "${where%/*}" "${where#*/}:reset-after@1"
	sign "$id" "$key"
	rm "${where%/*}"
	is "$where is lost" "$(open)" 1
	delete "$id"
	is "$where: and released" "$(open)" 0
done

# Two that build the same: the last one ends it, here by its time.
new 4
first=$id
new
second=$id
new
sign "$first" "$key"
sign "$second" "$key"
sign "$id" "$key-2"
delete "$id"
is 'another key does not wait' "$(open)" 2
delete "$second"
is 'one of two ends: both uploads stay' "$code $(open)" '200 2'
ok 'the other ends by its time: both are released' within gone

# One project's wishes do not keep another's.
new
who=two
mine=$id
new
sign "$id" "$key"
is "another project's key" "$code" 403
unset who
sign "$mine" "$key"
delete "$mine"
is 'does not hold it' "$(open)" 0
who=two
delete "$id"
unset who

# The daemon ends, and is killed.
new
sign "$id" "$key"
kill "$daemon"
wait "$daemon"
is 'the daemon ends: released' "$(open) $(ls -d state/sbx-* 2>/dev/null)" '0 '
up
new
sign "$id" "$key"
printf '%s' "$key-never" >>"state/$id/uploads"
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
is 'it is killed: the upload stays' "$(open)" 1
up
ok 'the next one releases it' within gone
is 'but asks for no line that is not whole' \
    "$(grep -c never asked.GET)" 0

# It cannot be written down: nothing is asked.
new
mkdir "state/$id/uploads"
: >asked.POST
sign "$id" "$key"
is 'what cannot be kept is not asked for' "$code $(cat asked.POST)" '503 '
delete "$id"
is 'and it ends all the same' "$code $(ls -d state/sbx-* 2>/dev/null)" '200 '

# The store does not answer: the end waits only for a moment.
new
sign "$id" "$key"
kill -STOP "$stored"
delete "$id"
is 'a store that hangs: the sandbox ends' \
    "$code $(jq -r .status body)" '200 terminated'
is 'what is left is to be seen' "$(cd "state/$id" && echo *)" \
    'ended.json uploads'
ok 'nothing can be signed for it' sh -c "curl -s --unix-socket dp.sock \
    -H 'X-Tensorlake-Sandbox-Id: $id' -d '{}' http://d/api/v1/blob/sign |
    grep -q SANDBOX_NOT_FOUND"
kill -CONT "$stored"
ok 'it answers again: released' within gone

# While it is being released, nobody opens the same anew.
new
before=$id
new
sign "$before" "$key"
: >asked.GET
: >shut.GET
delete "$before" &
deleting=$!
within [ -s asked.GET ]
sign "$id" "$key"
is 'what is being released cannot be opened meanwhile' "$code" 503
rm shut.GET
wait "$deleting"
ok 'then it is gone' within [ ! -e "state/$before" ]
sign "$id" "$key"
is 'and can be opened' "$code $(open)" '200 1'
delete "$id"

# A request that is under way when the sandbox ends opens nothing for ever.
new
: >asked.POST
: >asked.GET
: >shut.POST
sign "$id" "$key" &
signing=$!
within [ -s asked.POST ]
delete "$id"
is 'a request is under way, and the sandbox ends' \
    "$code $(jq -r .status body)" '200 terminated'
is 'nothing is looked for yet' "$(cat asked.GET)" ''
rm shut.POST
wait "$signing"
ok 'when it is over, it is released' within gone

# The store is down, and the daemon starts again meanwhile.
new
sign "$id" "$key"
kill "$stored"
wait "$stored"
delete "$id"
is 'a store that is down: the sandbox ends' \
    "$code $(jq -r .status body)" '200 terminated'
ok 'the log says what is left' grep -q \
    "$id: uploads are still to be released, of $key: " log
left=$id
# After a week nobody can use what was signed.
new
sign "$id" "$key-5"
touch -d '8 days ago' "state/$id/uploads"
delete "$id"
ok 'what is too old is given up' within [ ! -e "state/$id" ]
ok 'which the log says' grep -q "$id: given up.*$key-5" log
id=$left
kill "$daemon"
wait "$daemon"
is 'the daemon ends: it is kept' "$? $(cat "state/$id/uploads")" "0 $key"
up
new
is 'the next one works' "$(jq -r .status body)" running
tl-stored --root store --credentials cred --bucket images \
    --listen "${store_url#http://}" --ready url 2>>stored.log &
stored=$!
ok 'the store is back: released' within [ ! -e "state/$left" ]
is 'all of it then' "$(open)" 0
delete "$id"
ok 'and nothing stays' within gone
kill "$daemon"
wait "$daemon"
is 'no token and no query in the logs' \
    "$(cat log dp.log | grep -c 'secret-\|X-Amz\|uploadId=')" 0
