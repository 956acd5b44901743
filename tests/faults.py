#!/usr/bin/python3
"""Builds on regions in which one exchange goes wrong: see 84-faults.t.

faults.py --table FILE [--seed N --count N] [--jobs N] [--seconds N] --dir DIR

FILE has a line for each exchange, with what a build is to exit with for each
kind of fault; its head names the kinds.  All cells are tried, or count of
them in an order made by seed, for at most so many seconds.  Results are lines
"ok - NAME" and "not ok - NAME", details behind "# ".
"""

import argparse
import glob
import json
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

LEFT = 79       # tl-guard's, whatever the build itself came to
# What must show up nowhere: besides these the key and the store's secrets.
MARKS = [b"X-Amz-Signature", b"X-Amz-Credential", b"ZG9ja2VyOm1hcms="]
# The arguments of all that a build runs; the sanitizers suffer no tracer.
TRACE = []
if shutil.which("strace") and not os.environ.get("TL_ASAN"):
    TRACE = ["strace", "-f", "-qq", "--seccomp-bpf", "-s", "65536",
             "-e", "trace=execve"]
print_lock = threading.Lock()


class Region:
    """A region, a home and a folder for temporary files, for one worker."""

    def __init__(self, top):
        self.top = top
        self.dir = top + "/region"
        self.home = top + "/home"
        self.tmp = top + "/tmp"
        for d in (self.home, self.tmp, self.home + "/.docker"):
            os.makedirs(d)
        with open(self.home + "/.docker/config.json", "w") as f:
            json.dump({"auths": {"mark.invalid": {"auth": "ZG9ja2VyOm1hcms="}}}, f)
        self.env = dict(os.environ, TL_REGION_DIR=self.dir, HOME=self.home)
        self.env.pop("XDG_STATE_HOME", None)
        subprocess.run(["tl-region", "up"], env=self.env, check=True,
                       stderr=subprocess.PIPE)
        out = subprocess.run(["tl-region", "env"], env=self.env, check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        for line in out.splitlines():
            name, value = line.replace("export ", "", 1).split("=", 1)
            self.env[name] = value
        self.env["TMPDIR"] = self.tmp
        self.env["TL_RETRY_SECOND_MS"] = "50"
        self.secrets = MARKS + [self.env["TENSORLAKE_API_KEY"].encode()]
        with open(self.dir + "/store.keys", "rb") as f:
            self.secrets += [line.split()[1] for line in f]

    def down(self):
        subprocess.run(["tl-region", "down", "--purge"], env=self.env)

    def faults(self, text):
        with open(self.dir + "/fault.new", "w") as f:
            f.write(text + "\n")
        os.rename(self.dir + "/fault.new", self.dir + "/fault")

    def done(self):
        """How many faults the daemons have done so far."""
        n = 0
        for log in glob.glob(self.dir + "/log/*.log"):
            with open(log) as f:
                n += sum(": fault: " in line for line in f)
        return n

    def get(self, path, method="GET"):
        request = urllib.request.Request(
            self.env["TENSORLAKE_API_URL"] + path, method=method,
            headers={"Authorization": "Bearer " + self.env["TENSORLAKE_API_KEY"]})
        for _ in range(100):
            try:
                with urllib.request.urlopen(request, timeout=20) as reply:
                    return json.load(reply)
            except urllib.error.HTTPError:
                raise
            except OSError:
                # Refused for a while yet, as the fault had it.
                time.sleep(0.02)
        raise OSError(path + ": no answer")

    def reap(self):
        subprocess.run(["tl-reap"], env=self.env, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def logs(self):
        """What builds have kept of what they said."""
        logs = b""
        for path in glob.glob(self.home + "/.local/state/tl/*/log"):
            with open(path, "rb") as f:
                logs += f.read()
        return logs

    def sweep(self):
        """Undo what only a look at the server can find."""
        base = "/v1/namespaces/default/sandboxes"
        for box in self.get(base)["sandboxes"]:
            self.get(base + "/" + box["id"], "DELETE")
        for path in glob.glob(self.dir + "/store/*/uploads/*"):
            os.unlink(path)

    def left(self):
        """What a build that is over has left: in the region, in its folders."""
        left = []
        for _ in range(20):
            left = glob.glob(self.dir + "/sandboxes/sbx*")
            left += glob.glob(self.dir + "/store/*/uploads/*")
            with open("/proc/self/mountinfo") as f:
                left += [m for m in f if self.dir + "/sandboxes" in m]
            # What the client gave up on, the server may still be at.
            if not left:
                break
            time.sleep(0.1)
        for d in glob.glob("/proc/[0-9]*"):
            try:
                with open(d + "/cmdline", "rb") as f:
                    words = f.read().split(b"\0")
                with open(d + "/cwd/../.", "rb"):
                    pass
            except OSError:
                pass
            else:
                continue
            if b"--ready" not in words and any(
                    (self.top + "/").encode() in w for w in words):
                left.append("process " + repr(words))
        left += glob.glob(self.tmp + "/*")
        state = self.home + "/.local/state/tl"
        for path in glob.glob(state + "/**", recursive=True):
            name = os.path.basename(path)
            if name in ("signed.json", "spec.json", "docker.json") or \
                    name.endswith((".part", ".fifo")):
                left.append(path)
        shutil.rmtree(state, ignore_errors=True)
        return left


class Case:
    def __init__(self, exchange, image, kind, want):
        self.exchange, self.image, self.kind = exchange, image, kind
        self.reap = want.endswith("+")
        self.want = int(want.rstrip("+"))
        name, _, count = exchange.partition("@")
        self.rule = name + ":" + kind + ("@" + count if count else "")
        self.name = "%s %s" % (exchange, kind)

    def run(self, region, folder):
        """The case's complaints, none if all is right, and its status."""
        bad = []
        env = dict(region.env)
        if self.kind.startswith("no-answer"):
            env["TL_STALL_S"] = "2"
        region.faults(self.rule)
        before = region.done()
        begun = time.monotonic()
        name = "image-%x" % random.getrandbits(40)
        argv = ["tl-build", "-n", name,
                folder + "/" + self.image + "/Dockerfile"]
        trace = region.top + "/trace"
        if TRACE:
            argv = TRACE + ["-o", trace] + argv
        build = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE,
                                 start_new_session=True)
        try:
            out, err = build.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            bad.append("no end after 90 s")
            os.killpg(build.pid, signal.SIGTERM)
            out, err = build.communicate()
        took = time.monotonic() - begun
        status = build.returncode
        if region.done() == before:
            bad.append("the fault did not happen")
        os.unlink(region.dir + "/fault")
        if status != 0 and self.kind.startswith("refused="):
            # Whoever gave up was sooner than the server is back.
            time.sleep(int(self.kind.split("=")[1]) / 1000)
        if self.kind.startswith("no-answer"):
            # Between two servers it lasts longer than the client waits, and
            # then is asked again: not to be counted in the next case.
            time.sleep(1)
        if status != self.want:
            bad.append("status %d, not %d" % (status, self.want))
        if status == 0 or (status == LEFT and out):
            try:
                if json.loads(out)["name"] != name:
                    bad.append("another template")
            except (ValueError, KeyError):
                bad.append("stdout is no template: %r" % out[:200])
            else:
                found = region.get("/platform/v1/sandbox-templates/by-name/" + name)
                if found["name"] != name:
                    bad.append("not registered")
        elif out:
            bad.append("something on stdout: %r" % out[:200])
        elif not any(line.startswith(b"tl-") for line in err.splitlines()):
            bad.append("nothing is said")
        shown = {"stdout or stderr": out + err, "a log": region.logs()}
        if TRACE:
            with open(trace, "rb") as f:
                shown["an argument"] = f.read()
        for where, text in shown.items():
            for secret in region.secrets:
                if secret in text:
                    bad.append("a secret is in %s: %r" % (where, secret[:6]))
        if self.reap:
            region.reap()
        bad += ["left: " + str(what) for what in region.left()]
        if bad:
            region.sweep()
            bad += err.decode(errors="replace").splitlines()[-12:]
        return bad, status, took


def cases(table):
    kinds = None
    for line in open(table):
        words = line.split("#")[0].split()
        if not words:
            continue
        if kinds is None:
            kinds = words[2:]
            continue
        for kind, want in zip(kinds, words[2:], strict=True):
            if want != "-":
                yield Case(words[0], words[1], kind, want)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--table", required=True)
    p.add_argument("--dir", required=True)
    p.add_argument("--folder", required=True)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--count", type=int, default=0)
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--seconds", type=float, default=1e9)
    p.add_argument("--only", default="")
    p.add_argument("--observe", action="store_true")
    a = p.parse_args()
    todo = [c for c in cases(a.table) if a.only in c.name]
    if a.count:
        random.Random(a.seed).shuffle(todo)
        todo = todo[:a.count]
    waiting = queue.Queue()
    for c in todo:
        waiting.put(c)
    end = time.monotonic() + a.seconds
    regions = []

    def work(region):
        while time.monotonic() < end:
            try:
                c = waiting.get_nowait()
            except queue.Empty:
                return
            status, took = -1, 0
            try:
                bad, status, took = c.run(region, a.folder)
            except Exception as e:
                bad = ["broken off: %r" % e]
            with print_lock:
                print("%sok - %s: %d, nothing left" % (
                      "not " if bad else "", c.name, c.want))
                for line in bad:
                    print("# " + line)
                if a.observe:
                    print("@", c.exchange, c.kind, status, "%.1f" % took)
                sys.stdout.flush()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        for i in range(a.jobs):
            regions.append(Region("%s/worker%d" % (a.dir, i)))
        workers = [threading.Thread(target=work, args=(r,)) for r in regions]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
    finally:
        for r in regions:
            r.down()


main()
