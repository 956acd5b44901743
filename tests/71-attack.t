#!/bin/sh
# tl-sandboxd: what the root of a sandbox tries, and its user

. "${0%/*}/lib.sh"
. "$here/sandboxd.sh"

# shellcheck disable=SC2016
later 'kill $daemon 2>/dev/null; wait $daemon 2>/dev/null'
up
new

# attack USER ARGUMENT...: attack.py's lines, in lines
attack () {
	proxy 'files?path=/tmp/attack.py' -T "$here/data/attack.py"
	who=$1
	shift
	run "$who" "exec python3 /tmp/attack.py $*"
	is "$who: its end" "$result" '{"exit_code":0}'
}
# outcome USER NAME WANTED
outcome () {
	is "$1: $2" "$(sed -n "s/^$2: //p" lines)" "$3"
}

for who in root sandbox; do
	attack "$who" calls
	for call in acct add_key bpf clock_settime delete_module fanotify_init \
	    finit_module init_module kcmp kexec_file_load kexec_load keyctl \
	    open_by_handle_at perf_event_open pidfd_getfd quotactl reboot \
	    request_key settimeofday swapoff swapon syslog userfaultfd; do
		outcome "$who" "$call" EPERM
	done
	for call in clone3 fsopen fspick io_uring_enter io_uring_register \
	    io_uring_setup 'no such call' 'no random addresses'; do
		outcome "$who" "$call" ENOSYS
	done
	for call in 'unshare, user' 'unshare, user and mount' 'clone, user' \
	    'setns, user'; do
		outcome "$who" "$call" EPERM
	done
	for family in vsock alg x25 can tipc any; do
		outcome "$who" "socket $family" EAFNOSUPPORT
	done
	for family in unix inet inet6; do
		outcome "$who" "socket $family" 'done'
	done
	outcome "$who" shown ''
	# What is there of these, by the kernel's settings.
	is "$who: nothing is written" "$(sed -n 's/^write [^ ]*: //p' lines |
	    grep -v -x -e EROFS -e EACCES -e EPERM)" ''
	is "$who: nothing is mounted" "$(sed -n 's/^re*mount [^ ]*: //p
	    s/^mount [^ ]*: //p' lines | grep -v -x -e EPERM -e EACCES -e ENODEV \
	    -e EBUSY -e ENOTBLK)" ''
	is "$who: its group stays" "$(sed -n 's/^group: //p; s/^limit: //p' lines |
	    grep -c -x -e EACCES -e EPERM -e ENOENT)" 2
	outcome "$who" disk EPERM
	outcome "$who" 'init 1' EACCES
	outcome "$who" itself 'done'
	outcome "$who" 'memory of init' EACCES
	[ "$(uname -m)" = x86_64 ] || continue
	outcome "$who" 'x32 keyctl' ENOSYS
	# Not every kernel has that gate.
	case $(sed -n 's/^32-bit getpid: //p' lines) in
	'done') ;;
	*) continue ;;
	esac
	outcome "$who" '32-bit keyctl' EPERM
	outcome "$who" '32-bit unshare, user' EPERM
	outcome "$who" '32-bit socket vsock' ENOSYS
	outcome "$who" '32-bit socketcall' ENOSYS
done

# What is wanted goes on.
run root 'grep -E "^(Seccomp|NoNewPrivs):" /proc/self/status | tr "\t\n" "  "'
is 'filtered, and free to become another' "$(cat lines)" 'NoNewPrivs: 0 Seccomp: 2 '
run root 'cp /usr/bin/id /tmp/id && chown 1234 /tmp/id && chmod 4755 /tmp/id'
run sandbox '/tmp/id -u'
is 'a set-user-ID program is its owner' "$(cat lines)" 1234
run root 'unshare -m sh -c "mount -t tmpfs t /mnt && echo mounted"
    unshare -p -f sh -c "echo pids"; setarch i686 uname -m'
is 'what buildah wants of namespaces' "$(tr '\n' ' ' <lines)" \
    "mounted pids $(setarch i686 uname -m 2>/dev/null || echo) "
lifecycle -X DELETE "$url/sandboxes/$id"

# --- its network

# A store, and what is none of the sandbox's business.
cat >servers.py <<'END'
import os, socket, threading
def uid(peer, here):
    # Who is connected: of each socket its two addresses, in hex, and its owner.
    # An ended connection to elsewhere may still have the same port, and no owner.
    at = ["%08X:%04X" % (0x0100007F, name[1]) for name in (peer, here)]
    for line in open("/proc/net/tcp"):
        if line.split()[1:3] == at:
            return line.split()[7]
def serve(s, word):
    s.listen(512)
    while True:
        c, peer = s.accept()
        threading.Thread(target=answer, args=(c, peer, word), daemon=True).start()
def answer(c, peer, word):
    if word != "store":
        c.sendall(word.encode() + b"\n")
        c.close()
        return
    line = c.makefile("rb", 0).readline().strip()
    if line == b"who":
        c.sendall(uid(peer, c.getsockname()).encode())
    elif line == b"echo":
        while True:
            b = c.recv(65536)
            if not b: break
            c.sendall(b)
        c.sendall(b"the end")
    elif line == b"bulk":
        c.sendall(bytes(6000000))
    elif line == b"hold":
        c.recv(1)
    elif line == b"cut":
        c.sendall(b"half")
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    c.close()
ports = []
for word in "store", "other":
    s = socket.create_server(("127.0.0.1", 0))
    ports.append(str(s.getsockname()[1]))
    threading.Thread(target=serve, args=(s, word), daemon=True).start()
s = socket.create_server(("0.0.0.0", 0))
ports.append(str(s.getsockname()[1]))
threading.Thread(target=serve, args=(s, "any"), daemon=True).start()
u = socket.socket(socket.AF_UNIX)
u.bind("\0tl-attack-%d" % os.getpid())
ports.append(str(os.getpid()))
open("ports.part", "w").write(" ".join(ports) + "\n")
os.rename("ports.part", "ports")
serve(u, "abstract")
END
/usr/bin/python3 servers.py &
later "kill $! 2>/dev/null"
within [ -s ports ]
read -r store other any abstract <ports
# Of the host's own addresses one that is not loopback, if it has any.
mine=$(hostname -I 2>/dev/null | tr ' ' '\n' | grep -m 1 -v :)
mine=${mine:-192.0.2.1}

# again [OPTION...]: the daemon anew, and a sandbox
again () {
	kill "$daemon"
	wait "$daemon"
	up "$@"
	new
}
# connect USER: to all of them
connect () {
	attack "$1" net "store=127.0.0.1:$store" "other=127.0.0.1:$other" \
	    "any=127.0.0.1:$any" "abstract=@tl-attack-$abstract" \
	    "daemon=127.0.0.1:${url##*:}" "address=$mine:$any"
}
# ask LINE: a python text with a connection to the store, s
ask () {
	run sandbox "exec python3 -c '
import hashlib, os, socket, threading
def dial(word):
    s = socket.create_connection((\"127.0.0.1\", $store)); s.settimeout(20)
    s.sendall(word + b\"\\n\")
    return s
$1'"
}

again --network store --reach "$store"
for who in root sandbox; do
	connect "$who"
	outcome "$who" interfaces lo
	# Nothing was asked, so nothing is said: but it was there.
	outcome "$who" store ETIMEDOUT
	for at in other any abstract daemon; do
		outcome "$who" "$at" ECONNREFUSED
	done
	outcome "$who" address ENETUNREACH
done
ask 'print(dial(b"who").recv(100).decode())'
uid=$(cat lines)
run root 'cat /proc/self/uid_map'
wanted=$(awk '{ print $2 }' lines)
# To an ordinary user's daemon its first subordinate id is 1.
[ "$wanted" -ne 1 ] || wanted=$(getsubids "$(id -un)" | awk '{ print $3; exit }')
is 'whoever asks the store is the sandbox' "$uid" "$wanted"
ask '
def both():
    s, sent, got = dial(b"echo"), hashlib.sha256(), hashlib.sha256()
    def send():
        for i in range(20):
            b = os.urandom(100000); sent.update(b); s.sendall(b)
        s.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=send); t.start()
    n, rest = 0, b""
    while True:
        b = s.recv(65536)
        if not b: break
        n += len(b); rest += b; got.update(rest[:-7]); rest = rest[-7:]
    t.join()
    print(n, rest.decode(), sent.digest() == got.digest())
all = [threading.Thread(target=both) for i in range(30)]
for t in all: t.start()
for t in all: t.join()'
is 'both ways, to the end of each' "$(sort lines | uniq -c | tr -s ' ')" \
    ' 30 2000007 the end True'
ask '
import time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
s.connect(("127.0.0.1", '"$store"')); s.sendall(b"bulk\n")
s.shutdown(socket.SHUT_WR)
time.sleep(0.5)
n = 0
while True:
    b = s.recv(65536)
    if not b: break
    n += len(b)
print(n)'
is 'what comes before an end reaches a slow reader' "$(cat lines)" 6000000
ask '
s = dial(b"cut")
try:
    while s.recv(100): pass
    print("an end")
except ConnectionResetError: print("cut")'
is 'what is cut short does not look whole' "$(cat lines)" cut
start sandbox "exec python3 -c '
import socket, time
a = []
for i in range(200):
    s = socket.create_connection((\"127.0.0.1\", $store)); s.sendall(b\"hold\\n\")
    a.append(s)
open(\"/tmp/many\", \"w\").close()
time.sleep(60)'"
run root 'until [ -e /tmp/many ]; do sleep 0.05; done'
first=$id
start sandbox "exec python3 -c '
import socket, time
s = socket.create_server((\"127.0.0.1\", 7777))
open(\"/tmp/listens\", \"w\").close()
s.accept()'"
run root 'until [ -e /tmp/listens ]; do sleep 0.05; done'
new
ask 'print(dial(b"who").recv(100).decode() != "")'
is 'another is served meanwhile' "$(cat lines)" True
attack sandbox net first=127.0.0.1:7777
outcome sandbox first ECONNREFUSED
is 'one of its own may have a low port' "$(run root 'python3 -c "
import socket
print(socket.create_server((\"127.0.0.1\", 80)).getsockname()[1])"'
    cat lines)" 80
id=$first

# What helps it ends with it, however the daemon ends.
helpers=$(pgrep -P "$(pgrep -d, -P "$daemon" tl-runtime)")
ok 'there is something to end' test -n "$helpers"
kill -9 "$daemon"
wait "$daemon"
gone () {
	for p in $helpers; do
		# One that has ended may wait for a slow init to be reaped.
		grep -qs '^State:.[^Z]' "/proc/$p/status" && return 1
	done
	return 0
}
ok 'kill -9: nothing of it goes on' within gone

up --network none --reach "$store"
new
connect sandbox
outcome sandbox interfaces lo
outcome sandbox store ECONNREFUSED
again --network host
connect root
outcome root other other
outcome root abstract abstract
lifecycle -d '{"network": {"allow_internet_access": false}}' "$url/sandboxes"
is 'with the network of the host none can be kept from it' "$code" 400

try 'another kind' tl-sandboxd -k keys -s state -N some
exits 64
says '--network some: none, store, outside or host'
try 'no port' tl-sandboxd -k keys -s state -p 65536
exits 64
says '--reach 65536: not a port'
try 'too many ports' tl-sandboxd -k keys -s state -p 1 -p 2 -p 3 -p 4 -p 5 \
    -p 6 -p 7 -p 8 -p 9
exits 64
mkdir few
# The last three are for an ordinary user.
for program in sh mke2fs getsubids newuidmap newgidmap; do
	program=$(PATH=$PATH:/usr/sbin:/sbin command -v $program) || continue
	ln -s "$program" few/
done
try 'without pasta' env PATH="$T/few" "$TL_BIN/tl-runtime" --check -N outside
exits 69
if [ "$(id -u)" -eq 0 ] || [ -w /dev/net/tun ]; then
	says 'pasta: not found; install passt'
fi
kill "$daemon"
wait "$daemon"

# Other machines: a host of its own is made, with another beside it.
if ! tl-runtime --check --network outside 2>err; then
	echo "# other machines: not tested: $(cat err)"
	exit 0
fi
# As tl-region does, whose files are its own.
try 'their way is there for who keeps files private' sh -c 'umask 077
    exec tl-runtime --check --network outside'
exits 0
command -v ip >/dev/null || {
	echo '# other machines: not tested without ip(8)'
	exit 0
}
cat >other.py <<'END'
import socket
s = socket.create_server(("10.99.0.2", 8080))
open("other.ready", "w").close()
while True:
    c, peer = s.accept()
    c.sendall(b"outside\n")
    c.close()
END
# What the host asks for names is on its own loopback interface, as systemd has it.
cat >names.py <<'END'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.53", 53))
while True:
    q, peer = s.recvfrom(2000)
    end = q.index(b"\0", 12) + 5
    a = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\x63\0\2"
    if q[end - 4:end - 2] != b"\0\1":
        a = b""
    s.sendto(q[:2] + b"\x81\x80\0\1\0" + bytes([a != b""]) + b"\0\0\0\0" +
        q[12:end] + a, peer)
END
echo 'nameserver 127.0.0.53' >resolv.conf
# shellcheck disable=SC2016
unshare -n sh -c 'ip link set lo up; : >other.there; exec sleep 300' &
machine=$!
later "kill $machine 2>/dev/null"
within [ -e other.there ]
cat >host.sh <<'END'
set -e
mount --bind resolv.conf /etc/resolv.conf
ip link set lo up
ip link add eth9 type veth peer name eth9 netns "$1"
ip addr add 10.99.0.1/24 dev eth9
ip link set eth9 up
ip route add default via 10.99.0.2
nsenter -t "$1" -n ip addr add 10.99.0.2/24 dev eth9
nsenter -t "$1" -n ip link set eth9 up
shift
exec "$@"
END
# The daemon's own loopback interface is not ours: we ask it from there.
rm -f ports
around="unshare -n -m sh host.sh $machine"
up --network outside --reach 1
nsenter -t "$daemon" -n /usr/bin/python3 servers.py &
later "kill $! 2>/dev/null"
nsenter -t "$daemon" -n /usr/bin/python3 names.py &
later "kill $! 2>/dev/null"
nsenter -t "$machine" -n /usr/bin/python3 other.py &
later "kill $! 2>/dev/null"
within [ -s ports ]
within [ -e other.ready ]
as () {
	printf 'header = "Authorization: Bearer secret-%s"\n' "$1" >auth
	shift
	code=$(nsenter -t "$daemon" -n curl -sS -K auth -o body \
	    -w '%{http_code}' "$@" 2>curl.err)
}
read -r store other any abstract <ports
mine=10.99.0.1
new
for who in root sandbox; do
	attack "$who" net machine=10.99.0.2:8080 "other=127.0.0.1:$other" \
	    "any=127.0.0.1:$any" "abstract=@tl-attack-$abstract" \
	    "daemon=127.0.0.1:${url##*:}" "address=10.99.0.1:$any"
	outcome "$who" interfaces 'eth9 lo'
	outcome "$who" machine outside
	for at in other any abstract daemon address; do
		outcome "$who" "$at" ECONNREFUSED
	done
done
run sandbox 'python3 -c "
import socket
print(socket.gethostbyname(\"registry.example\"))"'
is 'names are asked for where the host asks' "$(cat lines)" 10.99.0.2
lifecycle -X DELETE "$url/sandboxes/$id"
grep -qs 'no memory cgroup' log || {
	new '"memory_mb": 100,'
	for _ in 1 2 3; do
		run sandbox 'tail /dev/zero'
	done
	is 'a flood of memory ends itself' "$result" \
	    '{"exit_code":137,"oom_killed":true}'
	attack root net machine=10.99.0.2:8080
	outcome root machine outside
}
new
lifecycle -d '{"network": {"allow_internet_access": false}}' "$url/sandboxes"
id=$(json .sandbox_id)
within begun
attack sandbox net machine=10.99.0.2:8080
outcome sandbox interfaces lo
outcome sandbox machine ENETUNREACH
helpers=$(pgrep -P "$(pgrep -d, -P "$daemon" tl-runtime)")
kill -9 "$daemon"
wait "$daemon"
ok 'kill -9: no pasta goes on' within gone

# This state is known to nobody after us, and so are its groups.
left () {
	for one in $made; do
		find /sys/fs/cgroup -name "tl-$one" 2>/dev/null
	done
}
made=$(find state -maxdepth 1 -name 'sbx-*' -printf '%f\n')
ok 'kill -9: their folders are left' test -n "$made"
around=''
up --network none
is 'the next daemon removes their groups' "$(left)" ''
