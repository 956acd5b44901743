#!/usr/bin/python3
"""Many builds on one region, for tests/soak.

builds.py kill N FOLDER      N builds of which all, tl-guard or the script is
                             ended by kill -9 at random moments, each followed
                             by tl-reap and --resume
builds.py signal N FOLDER    N builds ended by INT and as many by TERM
builds.py crowd N FOLDER     N builds at once
builds.py row N FOLDER       N builds in a row

The environment is a region's (tests/region.sh), T the test's folder, TL_SEED
what the moments come from.  Results are lines "ok - NAME", "not ok - NAME".
"""

import glob
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request

REGION = os.environ["TL_REGION_DIR"]
STATE = os.environ["HOME"] + "/.local/state/tl"
DAEMONS = ("platformd", "sandboxd", "dataplaned", "stored")


def say(name, bad):
    print("%sok - %s" % ("not " if bad else "", name))
    for line in bad:
        print("# " + str(line)[:300])
    sys.stdout.flush()


def template(name):
    request = urllib.request.Request(
        os.environ["TENSORLAKE_API_URL"] +
        "/platform/v1/sandbox-templates/by-name/" + name,
        headers={"Authorization": "Bearer " + os.environ["TENSORLAKE_API_KEY"]})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as e:
        if e.code == 404:
            return None
        raise


def start(name, folder, resume=False):
    def fresh():
        # Python leaves it ignored where its own parent did.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        ["tl-build", "--resume", folder] if resume else
        ["tl-build", "-n", name, folder + "/Dockerfile"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True, preexec_fn=fresh)


def left(seconds=15):
    """What is left, once there is nothing or so long has passed."""
    end = time.monotonic() + seconds
    while True:
        what = glob.glob(REGION + "/sandboxes/sbx*")
        what += glob.glob(REGION + "/store/*/uploads/*")
        if not what or time.monotonic() > end:
            return what
        time.sleep(0.05)


def forget():
    shutil.rmtree(STATE, ignore_errors=True)


def whole(folder):
    """How long a build takes that nobody ends."""
    begun = time.monotonic()
    p = start("whole", folder)
    out, err = p.communicate()
    if p.returncode != 0:
        sys.exit("a build that nobody ends fails: %s" % err.decode())
    forget()
    return time.monotonic() - begun


def kill(n, folder):
    length = whole(folder)
    for i in range(n):
        moment = random.uniform(0, length)
        p = start("killed", folder)
        time.sleep(moment)
        # As a machine's end would; who guards; who wires the rest.
        what = ("all", "tl-guard", "the script")[i % 3]
        if what == "all":
            kill_session(p)
        else:
            kill_one(p, what == "the script")
        out, err = p.communicate()
        bad = []
        if what == "the script":
            # Nothing is to be done by hand then.
            if p.returncode not in (0, 128 + signal.SIGKILL):
                bad.append("status %d" % p.returncode)
            bad += ["left at once: " + it for it in left(2)]
            bad += ["a ledger is left" for it in
                    glob.glob(STATE + "/*.ledger")]
            if bad:
                bad += err.decode(errors="replace").splitlines()[-12:]
        # What had begun to ask for something is let to hear the answer.
        end = time.monotonic() + 15
        while True:
            reap = subprocess.run(["tl-reap", "-v"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
            if reap.returncode != 0:
                bad.append("tl-reap: status %d: %s%s" % (
                    reap.returncode, reap.stdout, reap.stderr))
            if not glob.glob(STATE + "/*.ledger*"):
                break
            if time.monotonic() > end:
                bad.append("a ledger stays: " + reap.stderr)
                break
            time.sleep(0.1)
        bad += ["left: " + what for what in left()]
        bad += again()
        say("kill -9 of %s after %.3f s, tl-reap, --resume" % (
            what, moment), bad)
        forget()


def processes():
    """Each process: its id, its parent, its session, its words."""
    for path in glob.glob("/proc/[0-9]*"):
        try:
            with open(path + "/stat") as f:
                words = f.read().rsplit(") ", 1)[1].split()
            with open(path + "/cmdline", "rb") as f:
                yield (int(path[6:]), int(words[1]), int(words[3]),
                       f.read().split(b"\0"))
        except (OSError, IndexError):
            pass


def kill_session(p):
    """All of a build: its display and its command have groups of their own."""
    some = True
    while some:
        some = False
        for pid, _, session, words in processes():
            # What has ended has no words.
            if session == p.pid and words != [b""]:
                kill_pid(pid)
                some = True


def kill_one(p, script):
    """tl-guard, which tl-build has become, or the script that it runs."""
    if not script:
        return kill_pid(p.pid)
    for pid, parent, _, words in processes():
        # Its display and what undoes have its own words.
        if parent == p.pid and words[0].endswith(b"sh"):
            kill_pid(pid)


def kill_pid(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def again():
    """The build that was killed, taken up again, if it had come so far."""
    bad = []
    for path in glob.glob(STATE + "/build.*/command"):
        p = start("killed", os.path.dirname(path), resume=True)
        out, err = p.communicate()
        try:
            if json.loads(out)["name"] != "killed":
                bad.append("another: " + out.decode())
        except (ValueError, KeyError):
            bad += ["resumed: status %d" % p.returncode]
            bad += err.decode(errors="replace").splitlines()[-12:]
        bad += ["left by --resume: " + what for what in left()]
    bad += ["in the state folder: " + what for what in
            glob.glob(STATE + "/*/") + glob.glob(STATE + "/*.ledger*")
            if os.path.exists(what + "/command") or "ledger" in what]
    return bad


def ended(p):
    try:
        return p.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
        return p.communicate()


def signals(n, folder):
    length = whole(folder)
    for i in range(2 * n):
        sig = (signal.SIGINT, signal.SIGTERM)[i % 2]
        moment = random.uniform(0, length)
        p = start("signalled", folder)
        time.sleep(moment)
        begun = time.monotonic()
        if i % 4 < 2:
            # A terminal's reaches all of its group, kill(1)'s only the one.
            p.send_signal(sig)
        else:
            try:
                os.killpg(p.pid, sig)
            except ProcessLookupError:
                pass
        out, err = ended(p)
        took = time.monotonic() - begun
        bad = []
        # Before the shell has its traps, the signal itself ends it.
        if p.returncode not in (0, 128 + sig, -sig):
            bad.append("status %d" % p.returncode)
        if p.returncode != 0 and out:
            bad.append("something on stdout: %r" % out[:80])
        if took > 15:
            bad.append("took %.1f s" % took)
        bad += ["left: " + what for what in left(5)]
        if bad:
            bad += err.decode(errors="replace").splitlines()[-12:]
            subprocess.run(["tl-reap"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        say("%s to %s after %.3f s: status %d" % (
            sig.name, "one" if i % 4 < 2 else "all", moment,
            p.returncode), bad)
        forget()


def crowd(n, folder):
    builds = []
    for i in range(n):
        mine = "%s/crowd/%d" % (os.environ["T"], i)
        shutil.copytree(folder, mine)
        with open(mine + "/hello.txt", "w") as f:
            f.write("build %d\n" % i)
        builds.append((i, start("crowd-%d" % i, mine)))
    uris = set()
    for i, p in builds:
        out, err = p.communicate()
        bad = []
        try:
            got = json.loads(out)
            uris.add(got["snapshotUri"])
            if got["name"] != "crowd-%d" % i:
                bad.append("name " + got["name"])
            if template("crowd-%d" % i)["id"] != got["id"]:
                bad.append("another is registered")
        except (ValueError, KeyError, TypeError) as e:
            bad += ["status %d, %r" % (p.returncode, e)]
            bad += err.decode(errors="replace").splitlines()[-8:]
        else:
            bad += content(i, got["snapshotUri"])
        say("build %d of %d at once" % (i, n), bad)
    say("each has a snapshot of its own",
        [] if len(uris) == n else ["%d of %d" % (len(uris), n)])
    say("nothing is left", left())


def content(i, uri):
    """Whether the image holds the file of that build, and no other's."""
    ask = json.dumps({"uri": uri, "op": {"kind": "single_get"}})
    block = subprocess.run(
        ["tl-presign", "--config", REGION + "/signer.conf", "--project",
         "proj_local"], input=ask, stdout=subprocess.PIPE, text=True).stdout
    path = "%s/crowd/%d/snapshot" % (os.environ["T"], i)
    with urllib.request.urlopen(json.loads(block)["url"]) as reply:
        with open(path, "wb") as f:
            shutil.copyfileobj(reply, f)
    got = subprocess.run(["tl-snapshot", "cat", path, "/hello.txt"],
                         stdout=subprocess.PIPE, text=True).stdout
    os.unlink(path)
    return [] if got == "build %d\n" % i else ["its file: %r" % got]


def measures():
    """Descriptors, threads and KiB of memory of each daemon."""
    m = {}
    for name in DAEMONS:
        with open("%s/run/%s.pid" % (REGION, name)) as f:
            pid = f.read().strip()
        m[name, "descriptors"] = len(os.listdir("/proc/%s/fd" % pid))
        with open("/proc/%s/status" % pid) as f:
            for line in f:
                if line.startswith(("Threads:", "VmRSS:")):
                    word = line.split()
                    m[name, word[0].rstrip(":")] = int(word[1])
    return m


def row(n, folder):
    # tl-sandboxd remembers 256 sandboxes that have ended, at some 23 KiB.
    warm = min(300, n // 2)
    remembered = 24 * min(n - warm, max(0, 256 - warm))
    first = None
    failed = []
    for i in range(n):
        # One name: what is registered anew replaces what was.
        p = start("row", folder)
        out, err = p.communicate()
        if p.returncode != 0:
            failed += err.decode(errors="replace").splitlines()[-4:]
        if i + 1 == warm:
            first = settled()
    last = settled()
    say("%d builds in a row succeed" % n, failed)
    say("nothing is left", left())
    say("no folder of a build", glob.glob(STATE + "/build*"))
    for key in sorted(last):
        bad = []
        more = 0
        if key[1] == "VmRSS":
            more = 2048 + (remembered if key[0] == "sandboxd" else 0)
        if last[key] > first[key] + more:
            bad.append("%d after %d builds, %d after %d" % (
                first[key], warm, last[key], n))
        say("%s: %s stay (%d, %d)" % (*key, first[key], last[key]), bad)
    db = sqlite3.connect("file:%s/platform.db?mode=ro" % REGION, uri=True)
    rows = db.execute("select count(*) from template where name = 'row'")
    count = rows.fetchone()[0]
    say("one row of templates", [] if count == 1 else [count])


def settled():
    """Measured when the connections of the last build are gone."""
    best = measures()
    for _ in range(30):
        time.sleep(0.1)
        now = measures()
        best = {k: min(best[k], now[k]) for k in now}
    return best


random.seed(int(os.environ.get("TL_SEED", "0")))
{"kill": kill, "signal": signals, "crowd": crowd, "row": row}[sys.argv[1]](
    int(sys.argv[2]), sys.argv[3])
