#!/bin/sh
# tl-sandboxd: one sandbox uses up all that it can; another, and the daemon,
# answer meanwhile

. "${0%/*}/lib.sh"
. "$here/sandboxd.sh"

# A server on the host that counts who is connected at most.
cat >store.py <<'END'
import selectors, socket, sys
s = socket.create_server(("127.0.0.1", 0), backlog=1024)
print(s.getsockname()[1], flush=True)
sel, n = selectors.DefaultSelector(), 0
sel.register(s, selectors.EVENT_READ)
while True:
    for key, _ in sel.select():
        if key.fileobj is s:
            c = s.accept()[0]
            sel.register(c, selectors.EVENT_READ)
            n += 1
            open("most", "a").write(f"{n}\n")
        elif not key.fileobj.recv(100):
            sel.unregister(key.fileobj)
            key.fileobj.close()
            n -= 1
END
/usr/bin/python3 store.py >port &
# shellcheck disable=SC2034
store=$!
# shellcheck disable=SC2016
later 'kill $store $daemon 2>/dev/null; wait $store $daemon 2>/dev/null'
within [ -s port ]
up -N store -p "$(cat port)" --sandbox-quota 2 --disk-quota 600
# Long enough for all of this on a slow machine.
new '' 3600
other=$id

# flood NAME TEXT: python's TEXT, as the sandbox's user, until it can have no
# more, which it then holds; meanwhile another one works
flood () {
	new '"memory_mb": 4096,' 1000
	one=$id
	jq -n --arg c "$2
print('full', flush=True)
time.sleep(1000)" '{command: "python3", user: "sandbox",
	    args: ["-c", "import os, resource, socket, time\n" + $c]}' >request
	proxy processes --data-binary @request
	pid=$(json .pid)
	ok "$1: it has an end" within full
	id=$other
	run sandbox 'echo works >/tmp/f && cat /tmp/f; true | wc -l'
	is "$1: another one works" "$(tr '\n' ' ' <lines)" 'works 0 '
	proxy 'files?path=/etc/hostname'
	is "$1: its files are read" "$code" 200
	run sandbox "exec python3 -c 'import socket
s = socket.create_connection((\"127.0.0.1\", $(cat port)), 5)
s.close()'"
	is "$1: it reaches the store" "$result" '{"exit_code":0}'
	id=$one
	lifecycle -X DELETE "$url/sandboxes/$id"
	is "$1: it can be ended" "$code $(json .status)" '200 terminated'
}
full () {
	proxy "processes/$pid/output"
	grep -q full body && return
	proxy 'files?path=/tmp/full'
	[ "$code" = 200 ]
}

# Threads count like processes, and are made in less time.
flood 'processes, the last of them zombies' '
import threading, _thread
threading.stack_size(65536)
try:
    for i in range(8100): _thread.start_new_thread(time.sleep, (1000,))
    while True:
        if os.fork() == 0: os._exit(0)
except (OSError, RuntimeError): pass'
flood descriptors '
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
held = []
try:
    while len(held) < 1 << 20: held.append(os.open("/dev/null", os.O_RDONLY))
except OSError: pass'
# Its last lines are shown when it has ended.
flood 'lines of output' '
for i in range(1 << 19): print("x" * 99)
open("/tmp/full", "w").close()'
flood connections '
held = []
try:
    while len(held) < 4096:
        held.append(socket.create_connection(("127.0.0.1", '"$(cat port)"'), 1))
except OSError: pass'
# The last may have come from another one.
is 'connections: no more than are passed on' \
    "$(sort -n most | tail -n 1 | awk '{ print $1 <= 129 }')" 1
if ! grep -q 'no disk limit' log; then
	flood files '
os.mkdir("/tmp/many")
i = 0
try:
    while True:
        os.close(os.open("/tmp/many/%d" % i, os.O_CREAT | os.O_WRONLY))
        i += 1
except OSError: pass'
	flood 'a disk' '
try:
    with open("/tmp/big", "wb", buffering=0) as f:
        while f.write(bytes(1 << 20)): pass
except OSError: pass'
fi

# Nor does a project take all there are.
lifecycle -d '{"resources": {"disk_mb": 345}}' "$url/sandboxes"
is 'disks over the quota' "$code $(json .error)" "503 the disks of the project \
would be 601 MiB, its quota is 600; ask for a smaller one, or delete some"
lifecycle -d '{"resources": {"disk_mb": 16}}' "$url/sandboxes"
second=$(json .sandbox_id)
lifecycle -d '{"resources": {"disk_mb": 16}}' "$url/sandboxes"
is 'sandboxes over the quota' "$code $(json .error)" "503 the project has 2 \
sandboxes already, which is its quota; delete some"
as two -d '{"resources": {"disk_mb": 500}}' "$url/sandboxes"
is "another project's are its own" "$code" 201
as two -X DELETE "$url/sandboxes/$(json .sandbox_id)"
lifecycle -X DELETE "$url/sandboxes/$second"
lifecycle -d '{"resources": {"disk_mb": 16}}' "$url/sandboxes"
is 'what has ended does not count' "$code" 201
lifecycle -X DELETE "$url/sandboxes/$(json .sandbox_id)"

# What is left of all of them.
lifecycle "$url/sandboxes"
is 'one is there' "$(json '[.sandboxes[] | select(.status == "running")] | length')" 1
id=$other
lifecycle -X DELETE "$url/sandboxes/$id"
is 'and ends' "$code" 200
is 'nothing is left' "$(ls state)" lock
