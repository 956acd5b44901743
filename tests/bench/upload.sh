#!/bin/sh
# tl-upload: 1 GiB in 16 parts to tl-stored, against curl -Z, which sends the
# same parts through the same kind of URLs with no checksum, no completion and
# the parts cut beforehand, and against that with md5sum on all processors before
# it, as each part's ETag is its MD5; and peak memory.  Medians of TL_BENCH_RUNS runs (5),
# taking turns.

set -eu
: "${TL_BIN:?run me through make bench}" "${TL_BENCH:?}"
runs=${TL_BENCH_RUNS:-5}
work=$(mktemp -d "${TMPDIR:-/tmp}/tl-bench.XXXXXX")
stored=
finish () {
	[ -z "$stored" ] || kill "$stored" 2>/dev/null || :
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM
PATH=$TL_BIN:$PATH
# finish ends the store.
later () { :; }
. "${0%/*}/../store.sh"
cd "$work"

store
head -c 1073741824 /dev/urandom >snap
split -b 64M -d snap part.

cat >time.py <<'END'
import glob, json, os, re, statistics, subprocess, sys, time
runs = int(sys.argv[1])
null = subprocess.DEVNULL
parts = sorted(glob.glob("part.*"))


def sign():
    request = {"rel_path": "projects/p/sandbox-template-builds/b/s.tlsnap",
               "op": {"kind": "multipart_put", "parts": len(parts),
                      "part_size_bytes": 64 << 20}}
    return subprocess.run(["tl-presign", "-c", "signer.conf", "-p", "p"],
                          input=json.dumps(request).encode(), check=True,
                          capture_output=True).stdout


def run(command, stdin=b""):
    before = os.times()
    start = time.perf_counter()
    r = subprocess.run([os.environ["TL_BENCH"] + "/peak"] + command,
                       input=stdin, stdout=null, stderr=subprocess.PIPE)
    took = time.perf_counter() - start
    cpu = sum(os.times()[2:4]) - sum(before[2:4])
    assert r.returncode == 0, (command, r.stderr)
    return took, int(re.findall(rb"\d+", r.stderr)[-1]), cpu


def ours():
    return run(["tl-upload", "snap"], sign())


def configured():
    urls = json.loads(sign())["partUrls"]
    with open("curl.conf", "w") as f:
        f.write("parallel\nparallel-max = 4\nparallel-immediate\n"
                "silent\nfail\n")
        for i, (part, url) in enumerate(zip(parts, urls)):
            f.write("%supload-file = %s\nurl = \"%s\"\noutput = /dev/null\n"
                    "header = \"Expect:\"\n"
                    % ("next\nsilent\nfail\n" if i else "", part, url))


def curl():
    configured()
    return run(["curl", "--config", "curl.conf"])


def summed():
    configured()
    return run(["sh", "-c", "ls part.* | xargs -n 1 -P %d md5sum >sums && "
                "exec curl --config curl.conf" % os.cpu_count()])


names = ("tl-upload", ours), ("curl -Z", curl), ("md5sum, curl -Z", summed)
took, peak, cpu = ({name: [] for name, _ in names} for _ in range(3))
for i in range(runs + 1):
    for name, f in names:
        t, kb, used = f()
        if i:               # the first one fills the page cache
            took[name].append(t)
            peak[name].append(kb)
            cpu[name].append(used)
base = statistics.median(took["curl -Z"])
for name in took:
    t = statistics.median(took[name])
    print("%-15s %.2f s, %.0f MB/s, %.2fx of curl -Z; processor %.2f s, "
          "peak %.1f MB" % (name, t, 1073.7 / t, t / base,
                            statistics.median(cpu[name]),
                            max(peak[name]) / 1024))
END
/usr/bin/python3 time.py "$runs"
