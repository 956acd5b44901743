#!/bin/sh
# tl-sandboxd: sandboxes come, work, keep to themselves, and go without a trace

. "${0%/*}/lib.sh"
. "$here/sandboxd.sh"

cp "$TL_BIN/tl-runtime" tools/
[ -z "${TL_BUSYBOX-}" ] || cp "$TL_BUSYBOX" tools/busybox

# What is wrong before it listens.
try 'without keys' tl-sandboxd -s state
exits 64
silent out
try 'a keys file that is not there' tl-sandboxd -k none -s state
exits 66
says 'none: '
try 'a tl-runtime that is not there' tl-sandboxd -k keys -s state -R ./none
exits 69
says "--runtime"
try 'a port in use by name' tl-sandboxd -k keys -s state -l 0.0.0.0:0
exits 64
says 'not a loopback address'
try 'tl-runtime by hand' tl-runtime folder
exits 64
says 'descriptor 3'

try 'a PATH without mke2fs' env PATH=/usr/bin:/bin "$TL_BIN/tl-runtime" --check
exits 0
if [ "$(id -u)" -eq 0 ]; then
	mkdir elsewhere
	# What looks for leaks cannot in there.
	# shellcheck disable=SC2016
	try 'in a chroot' env ASAN_OPTIONS=detect_leaks=0 unshare -m sh -c '
	    mount --rbind / elsewhere &&
	    exec chroot elsewhere "$TL_BIN/tl-runtime" --check'
	exits 71
	says 'the kernel refuses them in a chroot'
	rmdir elsewhere
fi

# The dataplane: says what it was sent.
cat >dataplane.py <<'END'
import http.server, json, socketserver
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        text = json.dumps({"path": self.path, "body": body.decode(),
            "headers": [[k.lower(), v] for k, v in self.headers.items()]})
        status = 418 if b"teapot" in body else 200
        text = '{ "n": 12345678901234567890,  "sent": %s }' % text
        self.send_response(status)
        self.send_header("Content-Type", "application/json; x=y")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
    def log_message(self, *a): pass
    def address_string(self): return "proxy"
class S(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
S("dp.sock", H).serve_forever()
END
/usr/bin/python3 dataplane.py &
later "kill $! 2>/dev/null"

# shellcheck disable=SC2016
later 'kill $daemon 2>/dev/null; wait $daemon 2>/dev/null'
up

# rest: what is there of sandboxes on this machine, of ours
rest () {
	find state -mindepth 1 -maxdepth 1 ! -name lock
	grep -F "$T/state" /proc/self/mountinfo
	PATH=$PATH:/usr/sbin losetup -l -n -O NAME,BACK-FILE | grep -F "$T/state"
	find /sys/fs/cgroup -maxdepth 3 -name 'tl-sbx-*' 2>/dev/null |
	    while read -r group; do
		grep -qxF "${group##*/tl-}" ids 2>/dev/null && echo "$group"
	    done
	for f in /proc/[0-9]*/cmdline; do
		{ tr '\0' ' ' <"$f"; } 2>/dev/null | grep -F "$T/state/"
	done
}

# Life.
new
echo "$id" >>ids
is 'create answers 201' "$code" 201
is 'and it runs' "$(json .status)" running
is 'the proxy is here' "$(json .sandbox_url)" "$url"
is 'with a hint' "$(json .routing_hint)" local
grep -qs 'no cpu cgroup' log || {
	find /sys/fs/cgroup -path "*/tl-$id/*" \( -name cpu.max -o \
	    -name cpu.cfs_quota_us \) -exec cat {} + >quota
	is 'its processors are limited' "$(cut -d' ' -f1 quota)" 200000
}
is 'its owner is on record' "$(jq -c . "state/$id/owner.json")" \
    '{"sandboxId":"'"$id"'","organizationId":"org_1","projectId":"proj_one"}'
lifecycle "$url/v1/namespaces/default/sandboxes/$id"
is 'it is shown' "$code $(json '.id + " " + .status + " " + .namespace')" \
    "200 $id running default"
is 'without sandbox_id beside id' "$(json 'has("sandbox_id")')" false
ok 'with its resources, cpus a fraction' grep -qF '"resources":{"cpus":2.0,'\
'"memory_mb":1024,"ephemeral_disk_mb":256}' body
lifecycle "$url/v1/namespaces/other/sandboxes/$id"
is 'not in another namespace' "$code" 404
lifecycle "$url/sandboxes"
is 'and listed' "$(json '.sandboxes | length')" 1
proxy health
is 'healthy' "$code $(cat body)" '200 {"healthy":true}'

# Who asks.
curl -sS -o body -w '%{http_code}' "$url/sandboxes/$id" >code
is 'no key: 401' "$(cat code)" 401
as two "$url/sandboxes/$id"
is "another project's key: 404" "$code" 404
as two -X DELETE "$url/sandboxes/$id"
is 'it cannot delete it' "$code" 404
as two "$url/sandboxes"
is 'nor see it' "$(json '.sandboxes | length')" 0
as two -H "X-Tensorlake-Sandbox-Id: $id" "$url/api/v1/processes"
is 'nor reach it' "$code $(json .code)" '404 SANDBOX_NOT_FOUND'
as one "$url/api/v1/health"
is 'no id: 400' "$code $(json .code)" '400 MISSING_SANDBOX_ID'
as one -H "Host: $id.local" "$url/api/v1/health"
is 'the id as Host' "$code" 200
as one -H "Host: $id.local:99" -H "X-Tensorlake-Sandbox-Id: $id" \
    "$url/api/v1/health"
is 'and both' "$code" 200
as one -H "Host: sbx-other.local" -H "X-Tensorlake-Sandbox-Id: $id" \
    "$url/api/v1/health"
is 'if they agree' "$code" 400
as one -H "X-Tensorlake-Sandbox-Id: $id" -H "x-tensorlake-sandbox-id: $id" \
    "$url/api/v1/health"
is 'twice is refused' "$code" 400
for name in X_Tensorlake_Sandbox_Id X.Tensorlake.Sandbox.Id \
    X-Tensorlake-Sandbox-Id~; do
	as one -H "$name: $id" "$url/api/v1/health"
	is "$name is no such header" "$code" 400
done

# Processes.
start sandbox 'echo out 1; sleep 0.1; echo err 1 >&2; sleep 0.1; echo out 2
	printf "bad \377 byte\r\nno end"; exit 3'
is 'start answers 201' "$code" 201
is 'a process object' "$(json '[.status, .command, .args[0], .exit_code,
    .stdin_writable] | tojson')" '["running","/bin/sh","-c",null,false]'
proxy "processes/$pid/output/follow" -D headers
is 'a stream of events' "$(tr -d '\r' <headers | sed -n 's/^Content-Type: //p')" \
    text/event-stream
sed -n 's/^data: //p' body | jq -r 'select(.line) | .stream + " " + .line' \
    >lines
is 'both streams in order' "$(cat lines)" "stdout out 1
stderr err 1
stdout out 2
stdout bad � byte
stdout no end"
is 'then eof' "$(tail -n 3 body)" 'event: eof
data: {}'
mv body first
proxy "processes/$pid/output/follow"
ok 'the replay is the same' cmp first body
proxy "processes/$pid"
is 'its end' "$(json '[.status, .exit_code, .signal, .oom_killed] | tojson')" \
    '["exited",3,null,false]'
proxy "processes/$pid/stdout"
is 'stdout by line' "$(json tojson)" '{"pid":'"$pid"',"lines":["out 1",'\
'"out 2","bad � byte","no end"],"line_count":4}'
proxy "processes/$pid/stderr"
is 'stderr by line' "$(json '.lines | tojson')" '["err 1"]'
# Six bytes of JSON for each, and all of them at once would be 96 MB.
start sandbox 'head -c 8000000 /dev/zero | tr "\0" "\1" | fold -w 40000'
proxy "processes/$pid/output/follow"
proxy "processes/$pid/stdout"
is 'a long log, whole' "$(json '.line_count, (.lines | map(length) | add)' |
    tr '\n' ' ')" '200 8000000 '
[ -n "${TL_ASAN-}" ] ||
    ok 'and never in memory as a whole' test "$(awk '/VmHWM/ { print $2 }' \
    "/proc/$daemon/status")" -lt 65536
# Each address says what it takes.
while read -r path methods; do
	proxy "$path" -X PATCH -D headers
	is "$path takes $methods" "$code $(json .code) $(tr -d '\r' <headers |
	    sed -n 's/^Allow: //p')" "405 METHOD_NOT_ALLOWED $methods"
done <<END
processes GET, POST
processes/run POST
processes/$pid GET, DELETE
processes/$pid/signal POST
processes/$pid/output GET
files GET, PUT, DELETE
END
start sandbox 'sleep 60 & sleep 60'
proxy "processes/$pid" -X DELETE
is 'kill' "$code" 204
proxy "processes/$pid/output/follow"
proxy "processes/$pid"
is 'it was killed' "$(json '[.status, .signal, .exit_code] | tojson')" \
    '["signaled",9,null]'
run sandbox 'ps -e -o args'
is 'with all its group' \
    "$(grep -cx 'ps -e -o args' lines) $(grep -c sleep lines)" '1 0'
proxy processes
is 'all are listed' "$(json '.processes | length')" 4
proxy processes -d '{"command": "/no/such"}'
is 'a command that is not there' "$code" 400
proxy processes/9999
is 'a process that is not there' "$code $(json .code)" '404 NOT_FOUND'
proxy processes -d '{"command": "/usr/bin/env", "env": {"A": "b c"},
    "working_dir": "/tmp"}'
proxy "processes/$(json .pid)/stdout"
is 'environment and folder' "$(json '[.lines[] | select(test(
    "^(A|HOME|PWD|USER)="))] | sort | tojson')" \
    '["A=b c","HOME=/home/sandbox","USER=sandbox"]'
run root 'id -u; exit 7'
is 'run as root' "$(cat lines) $result" '0 {"exit_code":7}'
proxy processes/run -d '{"command": "sleep", "args": ["60"], "timeout": 0.2}'
is 'run ends at its timeout' "$(sed -n 's/^data: //p' body | tail -n 1)" \
    '{"signal":9}'

# Files.
head -c 300000 /dev/urandom >blob
proxy 'files?path=%2Ftmp%2Fa+b%2Fc' -T blob
is 'put' "$code" 204
proxy 'files?path=%2Ftmp%2Fa+b%2Fc'
is 'get' "$code" 200
ok 'the same bytes' cmp blob body
run sandbox 'stat -c "%U %a" "/tmp/a b/c" "/tmp/a b"'
is "the sandbox user's" "$(cat lines)" 'sandbox 644
sandbox 755'
proxy 'files?path=/tmp/a%20b/c' -X DELETE
is 'delete' "$code" 204
proxy 'files?path=/tmp/a%20b/c' -X DELETE
is 'delete again' "$code $(json .code)" '404 NOT_FOUND'
proxy 'files?path=/tmp'
is 'a folder' "$code $(json .code)" '400 IS_DIRECTORY'
proxy 'files'
is 'no path' "$code" 400
proxy 'files?path=/tmp/x/../y'
is 'dots' "$code $(json .code)" '403 PATH_TRAVERSAL'
proxy 'files?path=/tmp/x%2F%2e%2e%2Fy' -T blob
is 'dots, encoded' "$code $(json .code)" '403 PATH_TRAVERSAL'
proxy 'files?path=/etc/x' -T blob
is "not with root's rights" "$code" 403
# Links out of it, links into /proc, other things than files.
echo outside >secret
chmod 644 secret
run root "ln -s $T/secret /tmp/l1; ln -s ../../../../../..$T/secret /tmp/l2
    ln -s /etc/shadow /tmp/l3; ln -s /proc/1/root/etc/shadow /tmp/l4
    ln -s /proc/self/environ /tmp/l5; mkfifo -m 666 /tmp/fifo
    ln -s / /tmp/top; echo mine >/tmp/mine; chmod 600 /tmp/mine
    mkdir /tmp/mnt; mount -t binfmt_misc b /tmp/mnt
    python3 -c 'import socket
socket.socket(socket.AF_UNIX).bind(\"/tmp/socket\")' && chmod 666 /tmp/socket"
for path in /tmp/l1 /tmp/l2 /tmp/l3 /tmp/l4 /tmp/l5 /tmp/fifo /dev/zero \
    /tmp/socket /dev/tty /dev/ptmx \
    "/tmp/top$T/secret" /proc/1/environ /proc/self/status /sys/kernel/notes \
    /tmp/mine; do
	proxy "files?path=$path" --max-time 5
	case $code in
	40[034]) pass_ "get $path is refused" ;;
	*) fail_ "get $path is refused" "$code" ;;
	esac
done
proxy 'files?path=/tmp/l1' -T blob
is 'a link out of it does not lead there' "$(cat secret)" outside
proxy 'files?path=/tmp/fifo' -T blob --max-time 5
is 'put to a FIFO' "$code" 400
# The sandbox's own memory, under its limit.
proxy 'files?path=/dev/shm/x' -T blob
is 'put into memory' "$code" 204
run sandbox 'wc -c </dev/shm/x; rm /dev/shm/x'
is 'put into memory: it is there' "$(cat lines)" 300000
# What a process there mounts for itself is not what others see.
start root 'unshare -m sh -c "mount -t tmpfs t /srv; echo x >/srv/only; sleep 60"'
proxy 'files?path=/srv/only'
is "a process's own mount" "$code" 404
proxy "processes/$pid" -X DELETE
start sandbox 'echo leased >/tmp/leased; exec python3 -c "
import fcntl, signal
signal.signal(signal.SIGIO, signal.SIG_IGN)
f = open(\"/tmp/leased\", \"r+\")
fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK)
open(\"/tmp/held\", \"w\").close()
signal.pause()"'
run sandbox 'until [ -e /tmp/held ]; do sleep 0.05; done'
for how in '' '-T blob'; do
	# shellcheck disable=SC2086
	proxy 'files?path=/tmp/leased' --max-time 5 $how
	is "a leased file ${how:-get}" "$code $(json .code)" '409 IN_USE'
done
proxy "processes/$pid" -X DELETE

# What it uses up is its own.
instances () {
	/usr/bin/python3 -c 'import ctypes
n, libc = 0, ctypes.CDLL(None)
while libc.inotify_init() >= 0: n += 1
print(n)'
}
before=$(instances)
for who in root sandbox; do
	start $who 'exec python3 -c "
import ctypes, signal
libc = ctypes.CDLL(None)
while libc.inotify_init() >= 0: pass
open(\"/tmp/used-by-'$who'\", \"w\").close()
signal.pause()"'
done
run root 'until [ -e /tmp/used-by-root ] && [ -e /tmp/used-by-sandbox ]; do
    sleep 0.05; done'
# An ordinary user's sandboxes use up what that user may have.
[ "$(id -u)" -ne 0 ] || ok 'all that it may have of inotify is not of ours' \
    test "$(instances)" -gt $((before / 2 - 1))
run root 'pkill -f inotify_init'

# What it keeps out of.
run sandbox "ls $T; cat /etc/shadow; cat $T/dp.sock; ls /home; id -un
    curl -sS --unix-socket $T/dp.sock http://x/ 2>&1 | head -n 1"
is "nothing of the host's" "$(grep -ce secret -e root: lines)" 0
is 'whose homes are not there' "$(grep -cx sandbox lines)" 2
ok "the dataplane's socket cannot be reached" grep -q "curl: (7)" lines
run root 'exec 2>/dev/null; mknod /tmp/disk b 7 0; mount -t proc p /mnt; umount /proc
    echo x >/proc/sys/kernel/core_pattern; mount -o remount,rw /usr/local/bin
    touch /usr/local/bin/x; kill -9 1; readlink /proc/1/root
    echo end; ls -d /mnt/self /tmp/disk /usr/local/bin/x'
is 'root in there is not root out here' "$(sed -n "/^end/,\$p" lines)" end
# A flag of its / could not be taken away in there, and buildah wants none.
run root 'findmnt -no VFS-OPTIONS /'
is 'its / has no flag that is locked' "$(cat lines)" rw,relatime
run root 'cat /proc/self/uid_map | tr -s " "; hostname; ls /proc | grep -c "^[0-9]"'
ok 'ids of its own' grep -Eq \
    '^ 0 (1 65536|[0-9]{9,10} 262144)$' lines
ok 'a name of its own' grep -qx "$id" lines
ok 'processes of its own' grep -Eqx '[3-6]' lines
run root 'exec 2>&1; touch /usr/share/x && ls /usr/share/x; ls /usr/local/bin'
if [ "$(id -u)" -eq 0 ]; then
	is 'its /usr can be written, the host does not see it' \
	    "$(cat lines) $(ls /usr/share/x 2>&1)" "/usr/share/x
tl-runtime ls: cannot access '/usr/share/x': No such file or directory"
else
	is 'its /usr cannot be written' "$(cat lines)" \
	    "touch: cannot touch '/usr/share/x': Permission denied
tl-runtime"
fi

if command -v buildah >/dev/null && command -v busybox >/dev/null; then
	new
	echo "$id" >>ids
	# shellcheck disable=SC2016
	run root 'exec 2>&1; cd /tmp; cp "$(command -v busybox)" busybox
	    printf "%s\n" "FROM scratch" "COPY busybox /bin/busybox" \
		"RUN [\"/bin/busybox\", \"mkdir\", \"/made\"]" >Dockerfile
	    buildah --storage-driver overlay bud --isolation chroot --layers \
		-t t . || exit
	    buildah --root /var/lib/vfs --storage-driver vfs bud \
		--isolation chroot -t v . || exit
	    m=$(buildah --storage-driver overlay mount "$(buildah \
		--storage-driver overlay from localhost/t)"); ls -d "$m/made"'
	is 'buildah builds in it' "$result" '{"exit_code":0}'
	ok 'with overlay storage' grep -q '/overlay/.*/made$' lines
	[ "$result" = '{"exit_code":0}' ] || sed 's/^/# /' lines
	lifecycle -X DELETE "$url/sandboxes/$id"
	is 'and nothing of that is left' "$(rest | grep -F "$id")" ''
	id=$(head -n 1 ids)
else
	echo '# no buildah and busybox here: not tested with them'
fi

# Signing goes on, in our own words.
printf '{ "rel_path" :"a\\u0041" , "n":1e400}' >sign
proxy blob/sign --data-binary @sign -H 'X-Extra: 1' -H 'Cookie: a' \
    -H 'X_Tensorlake_Sandbox_Id: sbx-evil' -H 'X-Tensorlake-Project: evil'
is 'blob/sign is passed on' "$code" 200
ok 'its answer as it came' grep -q '^{ "n": 12345678901234567890,  "sent"' body
is 'to its address' "$(json .sent.path)" /api/v1/blob/sign
is 'its body as it was' "$(json .sent.body)" "$(cat sign)"
is 'whose sandbox it is' "$(json '[.sent.headers[] | select(.[0] |
    test("sandbox")) | .[1]] | tojson')" '["'"$id"'"]'
is "no header of the client's" "$(json '[.sent.headers[][0] | select(
    IN("x-extra", "cookie", "authorization", "x-tensorlake-project",
    "traceparent"))] | tojson')" '[]'
proxy blob/sign -d teapot -D headers
is 'its status too' "$code" 418
is 'and its type' "$(tr -d '\r' <headers | sed -n 's/^Content-Type: //p')" \
    'application/json; x=y'
as two -H "X-Tensorlake-Sandbox-Id: $id" -d '{}' "$url/api/v1/blob/sign"
is 'not for another project' "$code" 404
head -c 1100000 /dev/zero | tr '\0' x >large
proxy blob/sign --data-binary @large
is 'not a long one' "$code" 413

# Input of processes.
printf '{"command":"cat","stdin_mode":"pipe"}' >request
proxy processes --data-binary @request
is 'a process with a stdin' "$code $(json .stdin_writable)" '201 true'
pid=$(json .pid)
printf 'a\000b\nsecond\n' >piece
proxy "processes/$pid/stdin" --data-binary @piece
is 'takes a piece' "$code" 204
proxy "processes/$pid/stdin" -d 'end'
is 'and another' "$code" 204
as two -H "X-Tensorlake-Sandbox-Id: $id" -d x "$url/api/v1/processes/$pid/stdin"
is 'not of another project' "$code" 404
proxy "processes/$pid/stdin"
is 'by no other method' "$code" 405
proxy "processes/$pid/stdin/close" -X POST
is 'and its end' "$code" 204
proxy "processes/$pid/stdin/close" -X POST
is 'which may come twice' "$code" 204
proxy "processes/$pid/output/follow"
is 'has read it all' "$(sed -n 's/^data: //p' body | jq -r '.line // empty' |
    tail -n 2 | tr '\n' ' ')" 'second end '
proxy "processes/$pid"
is 'and ends by it' "$(json '[.exit_code, .stdin_writable] | tojson')" \
    '[0,false]'
proxy "processes/$pid/stdin" -d x
is 'then it reads no more' "$code $(json .code)" '409 NOT_READING'
printf '{"command":"true"}' >request
proxy processes --data-binary @request
proxy "processes/$(json .pid)/stdin" -d x
is 'one without a stdin' "$code $(json .code)" '409 NOT_READING'
printf '{"command":"true","stdin_mode":"tty"}' >request
proxy processes --data-binary @request
is 'no such mode' "$code" 400
printf '{"command":"sleep","args":["1"],"stdin_mode":"pipe"}' >request
proxy processes --data-binary @request
pid=$(json .pid)
head -c 900000 /dev/zero >piece
proxy "processes/$pid/stdin" --data-binary @piece
is 'one that ends without reading' "$code" 409

# So do receipts.
proxy blob/attest --data-binary @sign -H 'X_Tensorlake_Sandbox_Id: sbx-evil'
is 'blob/attest is passed on' "$code" 200
ok 'blob/attest: the answer as it came' grep -q \
    '^{ "n": 12345678901234567890,  "sent"' body
is 'blob/attest: to its address' "$(json .sent.path)" /api/v1/blob/attest
is 'blob/attest: its body as it was' "$(json .sent.body)" "$(cat sign)"
is 'blob/attest: whose sandbox it is' "$(json '[.sent.headers[] | select(.[0] |
    test("sandbox")) | .[1]] | tojson')" '["'"$id"'"]'
as two -H "X-Tensorlake-Sandbox-Id: $id" -d '{}' "$url/api/v1/blob/attest"
is 'blob/attest: not for another project' "$code" 404
proxy blob/attest
is 'blob/attest: no other method' "$code" 404
proxy blob/attest --data-binary @large
is 'blob/attest: not a long one' "$code" 413

# Raw requests: folds, and a second request behind a first.
/usr/bin/python3 - "${url##*:}" "$id" >raw <<'END'
import socket, sys
port, id = int(sys.argv[1]), sys.argv[2]
def ask(head):
    s = socket.create_connection(("127.0.0.1", port)); s.settimeout(5)
    s.sendall(("GET /api/v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "Authorization: Bearer secret-one\r\n" + head + "\r\n").encode())
    return s.recv(64).split(b" ")[1].decode()
print(ask(f"X-Tensorlake-Sandbox-Id: {id}\r\n"),
    ask(f"X-A: b\r\n X-Tensorlake-Sandbox-Id: {id}\r\n"),
    ask(f"X-Tensorlake-Sandbox-Id:\r\n {id}\r\n"),
    ask(f"X-Tensorlake-Sandbox-Id : {id}\r\n"),
    ask(f"X-Tensorlake-Sandbox-Id: {id},{id}\r\n"),
    ask(f"X-Tensorlake-Sandbox-Id: ../{id}\r\n"))
END
is 'folded and misspelt ids are refused' "$(cat raw)" '200 400 400 400 400 400'

# Limits.
if ! grep -q 'no disk limit' log; then
	# What the file system had set aside for the first file fits into the second.
	# shellcheck disable=SC2016
	run sandbox 'for f in big rest; do
	    dd if=/dev/zero of=/tmp/$f bs=64k 2>&1; sync; done'
	ok 'its disk has an end' grep -q 'No space left' lines
	proxy 'files?path=/tmp/more' -T blob
	is 'put to a full disk' "$code $(json .code)" '507 NO_SPACE'
	head -c 90000000 /dev/zero >long
	for how in '' 'Transfer-Encoding: chunked'; do
		proxy 'files?path=/tmp/more' -T long -H 'Expect:' ${how:+-H "$how"}
		is "a long body to a full disk${how:+, chunked}" \
		    "$code $(json .code)" '507 NO_SPACE'
	done
	rm long
fi
lifecycle -X DELETE "$url/sandboxes/$id"
is 'delete' "$code $(json .status)" '200 terminated'
is 'nothing is left' "$(rest)" ''
lifecycle -X DELETE "$url/sandboxes/$id"
is 'delete again' "$code" 200
lifecycle -X DELETE "$url/sandboxes/sbx-nosuch"
is 'delete what never was' "$code" 404
proxy health
is 'it is not running' "$code $(json .code)" '503 SANDBOX_NOT_RUNNING'
if grep -qs 'no memory cgroup' log; then
	echo '# no memory cgroup here: its limit is not tested'
else
	new '"memory_mb": 64,'
	echo "$id" >>ids
	run sandbox 'tail /dev/zero'
	is 'its memory has an end' "$result" '{"exit_code":137,"oom_killed":true}'
	proxy processes -d '{"command": "tail", "args": ["/dev/zero"]}'
	pid=$(json .pid)
	proxy "processes/$pid/output/follow"
	proxy "processes/$pid"
	is 'which is said' "$(json '[.status, .signal, .oom_killed] |
	    tojson')" '["oom_killed",9,true]'
	proxy health
	is 'the sandbox lives on' "$code" 200
	lifecycle -X DELETE "$url/sandboxes/$id"
fi

# Time.
# Far from the limit on either side, for slow machines.
new '' 3
echo "$id" >>ids
sleep 1.8
proxy health
sleep 1.8
proxy health
is 'requests renew its time' "$code" 200
sleep 3.6
lifecycle "$url/sandboxes/$id"
is 'then it is up' "$(json '[.status, .outcome] | tojson')" \
    '["terminated","timeout"]'
is 'nothing is left then' "$(rest)" ''

# The same once more.
for i in 201 200; do
	lifecycle -d '{"image": "x"}' -H 'Idempotency-Key: k1' "$url/sandboxes"
	is "with a key: $i" "$code" "$i"
	json .sandbox_id >>twice
done
is 'one key, one sandbox' "$(uniq twice | wc -l)" 1
lifecycle -d '{"image": "y"}' -H 'Idempotency-Key: k1' "$url/sandboxes"
is 'but not for something else' "$code" 409
as two -d '{"image": "x"}' -H 'Idempotency-Key: k1' "$url/sandboxes"
is 'nor for someone else' "$code" 201
for body in '' '[]' '{"image": 1}' '{"resources": {"memory_mb": 1}}' \
    '{"resources": {"disk_mb": -5}}' '{"timeout_secs": 0}' \
    '{"resources": {"cpus": 0}}' '{"image": "a", "image": "b"}'; do
	lifecycle -d "$body" "$url/sandboxes"
	is "create with ${body:-nothing}" "$code" 400
done

# Ten at once, with work in them.
: >ten
while [ "$(wc -l <ten)" -lt 10 ]; do
	new
	echo "$id" >>ten
done
cat ten >>ids
is 'ten sandboxes' "$(sort -u ten | wc -l)" 10
while read -r id; do
	start root 'mount -t tmpfs x /mnt; setsid sleep 100 & sleep 100'
done <ten
while read -r id; do
	lifecycle -X DELETE "$url/sandboxes/$id"
done <ten
lifecycle "$url/sandboxes"
json '.sandboxes[] | select(.status == "running") | .id' >running
is 'all but the others are gone' "$(wc -l <running)" 1
is 'without a trace' "$(rest | grep -Ff ten)" ''

# The daemon ends: so do they, and who follows is told.
new
echo "$id" >>ids
start sandbox 'echo begun; sleep 100'
printf 'header = "Authorization: Bearer secret-one"\n' >auth
curl -sSN -K auth -H "X-Tensorlake-Sandbox-Id: $id" \
    "$url/api/v1/processes/$pid/output/follow" >followed 2>&1 &
follower=$!
within grep -qs begun followed
try 'two of one folder' tl-sandboxd -k keys -s state
exits 69
says 'another tl-sandboxd'
kill "$daemon"
wait "$daemon"
is 'SIGTERM: status 0' "$?" 0
wait "$follower"
ok 'the follower saw the line, and the end' grep -q eof followed
is 'nothing is left after SIGTERM' "$(rest)" ''

# It is killed: the kernel ends them, the next one sweeps.
up
new
echo "$id" >>ids
nap=4$$
start root "setsid sleep $nap & setsid sleep $nap"
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
gone () {
	rest | grep -v -e '^state' -e ^/sys >left
	! [ -s left ]
}
within gone
is 'kill -9: no process, mount or loop device' "$(cat left)" ''
is 'and nobody sleeps on' "$(pgrep -cfx "sleep $nap")" 0
up
is 'the next daemon removes the rest' "$(rest)" ''
kill "$daemon"
wait "$daemon"
is 'nor is its own cgroup there' "$(find /sys/fs/cgroup -maxdepth 2 -name \
    "tl-$(stat -c %D state)-$(printf %x "$(stat -c %i state)")")" ''

# In most containers cgroups are to be looked at only, as they are for an
# ordinary user.
cat >contained <<'END'
for at in $(sed -n 's/^[^ ]* \([^ ]*\) cgroup2* .*/\1/p' /proc/mounts); do
	mount -o remount,bind,ro "$at" || exit
done
exec "$@"
END
cat log >>logs
: >log
[ "$(id -u)" -ne 0 ] || around="unshare -m sh $T/contained"
up
new
is 'cgroups that cannot be made: it runs' "$code $(json .status)" '201 running'
echo "$id" >>ids
run sandbox 'echo works'
is 'and works' "$(cat lines)" works
ok 'what is not limited is said' grep -q \
    'no memory cgroup on this machine: memory_mb is not enforced' log
kill "$daemon"
wait "$daemon"
is 'nothing is left of it' "$(rest)" ''
cat logs >>log
is 'no token in the log' "$(grep -c secret- log)" 0
lists tl-sandboxd.8
