#!/bin/sh
# A program that has loaded a key leaves no core dump when it crashes

. "${0%/*}/lib.sh"
. "$here/scripted.sh"

[ -z "${TL_ASAN-}" ] || skip 'its watcher wants to look in'
scripted '{"path":"*","answers":[{"hang":true}]},'
documents . "$URL"
mkdir templates
cat >crash.py <<'END'
"""crash.py INPUT COMMAND...: in the midst of its work; was there a dump?"""
import os, resource, signal, subprocess, sys, time
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
if os.environ.get("DUMP_SELF"):
    os.abort()
stdin, keep = os.pipe()
p = subprocess.Popen(sys.argv[2:], stdin=stdin, stdout=subprocess.DEVNULL,
    stderr=open("crash.err", "w"))
with open(sys.argv[1], "rb") as f:
    os.write(keep, f.read())
# What reads all of it goes on; what reads none of it waits for more.
if os.environ.get("MORE") is None:
    os.close(keep)
# At work, or waiting: asleep, and has been for a while.
def at_work():
    with open("/proc/%d/stat" % p.pid) as f:
        stat = f.read().rsplit(")", 1)[1].split()
    return stat[0], stat[11], stat[12]
calm, was = 0, None
while calm < 5 and p.poll() is None:
    time.sleep(0.1)
    now = at_work()
    calm = calm + 1 if now == was and now[0] == "S" else 0
    was = now
if p.poll() is not None:
    sys.exit("ended with %d: %s" % (p.returncode, open("crash.err").read()))
p.send_signal(signal.SIGABRT)
_, status = os.waitpid(p.pid, 0)
print("dumped" if os.WCOREDUMP(status) else "none")
END

# Without a key there is one, or nothing can be seen here.
[ "$(/usr/bin/python3 crash.py /dev/null sleep 60)" = dumped ] ||
    skip 'this machine makes no core dumps'

# leaves INPUT COMMAND...
leaves () {
	is "$2${3:+ $3}: no dump" "$(/usr/bin/python3 crash.py "$@" 2>&1)" none
}
# What has answered at once has nothing to hang at.
leaves plan.json tl-prepare
leaves prepared.json tl-sandbox create
leaves prepared.json tl-sign -s sandbox.json
leaves metadata.json tl-attest -p prepared.json -s sandbox.json
leaves /dev/null tl-exec -s sandbox.json -- true
leaves /dev/null tl-image ls
leaves signed.json tl-abort
leaves block.json tl-upload snapshot
leaves /dev/null tl-stored --root store --credentials store.keys --bucket images
leaves /dev/null tl-platformd --keys keys --db db \
    --lifecycle http://127.0.0.1:1 --reader signer.conf --templates templates
MORE=1
export MORE
leaves prepared.json tl-splice - signed.json
leaves /dev/null tl-presign -c signer.conf -p p1
leaves /dev/null tl-guard -- sleep 60
