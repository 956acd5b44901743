#!/usr/bin/python3
"""Let each allocation of a program fail in turn and judge how it ends.

    nomem.py --shim FILE --input FILE --listed "0 64 ..." [--log FILE]
        [--on] [--step N] COMMAND...

The first run is undisturbed: it says how many allocations there are and what
comes out.  Each other one must end in the same way, or with a status of the
list, one line on stderr that begins with the program's name, and no output;
and what its requests opened (by the log of peer.py) must be given back, or the
line say that it is not.  Prints a line for each that does not, and last how
many runs there were and how many of them failed as they should.
"""

import argparse
import json
import os
import subprocess
import sys

p = argparse.ArgumentParser()
p.add_argument("--shim", required=True)
p.add_argument("--input", required=True)
p.add_argument("--listed", required=True)
p.add_argument("--log")
p.add_argument("--on", action="store_true")
p.add_argument("--step", type=int, default=1)
p.add_argument("command", nargs="+")
o = p.parse_args()
listed = {int(s) for s in o.listed.split()} - {0}
count_file = "nomem.count"


def run(at):
    env = {**os.environ, "LD_PRELOAD": o.shim, "NOMEM_AT": str(at),
           "NOMEM_SKIP": "libcrypto", "NOMEM_LOG": count_file}
    if o.on:
        env["NOMEM_ON"] = "1"
    if o.log:
        os.truncate(o.log, 0)
    with open(o.input, "rb") as f:
        r = subprocess.run(o.command, stdin=f, capture_output=True, env=env,
                           timeout=60, check=False)
    return r.returncode, r.stdout, r.stderr.decode("utf-8", "replace")


def left_open():
    """Uploads that were opened and not given back."""
    if not o.log:
        return 0
    n = 0
    with open(o.log, encoding="utf-8") as f:
        for line in f:
            q = json.loads(line)
            if q["method"] == "DELETE":
                n -= 1
            elif q["method"] == "POST" and (
                    "put" in q.get("body", "") or "uploads" in q["target"]):
                n += 1
    return n


def fault(at, want):
    status, out, err = run(at)
    if (status, out, err) == want:
        return None
    if status < 0:
        return f"ended by signal {-status}: {err!r}"
    if status not in listed:
        return f"status {status}: {err!r}"
    if out:
        return f"output, status {status}: {err!r}"
    if err.count("\n") != 1 or not err.startswith("tl-"):
        return f"not one line: {err!r}"
    n = left_open()
    if n > 0 and not o.on and "left to the store's own expiry" not in err:
        return f"{n} uploads left open: {err!r}"
    return ""


want = run(0)
with open(count_file, encoding="ascii") as f:
    total = int(f.read())
if want[0] != 0 or want[2] != "":
    sys.exit(f"undisturbed: {want[0]}: {want[2]!r}")
runs = failures = 0
for at in range(1, total + 1, o.step):
    why = fault(at, want)
    runs += 1
    if why == "":
        failures += 1
    elif why is not None:
        print(f"allocation {at}: {why}")
print(runs, failures)
