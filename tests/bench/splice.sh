#!/bin/sh
# tl-splice on a block of 18 MB (10,000 parts) and of 160 parts, against cat,
# which does nothing but move the bytes, and jq; and the start of a filter
# against jq and node.  Times are medians of TL_BENCH_RUNS runs (default 21),
# the commands taking turns, with the start of a process in them.

set -eu
: "${TL_BIN:?run me through make bench}" "${TL_BENCH:?}"
runs=${TL_BENCH_RUNS:-21}
work=$(mktemp -d "${TMPDIR:-/tmp}/tl-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# block PARTS: URLs of 1,800 bytes, as long session tokens make them
block () {
	awk -v parts="$1" 'BEGIN {
		for (i = 0; i < 165; i++)
			tail = tail "0123456789"
		printf "{\"upload\":{\"kind\":\"s3_multipart\",\"uri\":" \
		    "\"s3://b/projects/p/x.tlsnap\",\"uploadId\":\"u\"," \
		    "\"partSizeBytes\":67108864,\"partUrls\":["
		for (i = 1; i <= parts; i++)
			printf "%s\"https://store.example/bucket/x.tlsnap?" \
			    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=" \
			    "20260601T000000Z&partNumber=%05d&uploadId=u&" \
			    "X-Amz-Signature=%s\"", (i > 1 ? "," : ""), i, tail
		print "],\"completeUrl\":\"https://store.example/c\"," \
		    "\"abortUrl\":\"https://store.example/a\"}}" }'
}
block 10000 >"$work/long"
block 160 >"$work/short"
cat >"$work/prepared" <<'EOT'
{
  "buildId": "b-1",
  "snapshotId": "s-1",
  "snapshotRelPath": "projects/p/sandbox-template-builds/b-1/s-1.tlsnap",
  "rootfsNodeKind": "base",
  "builder": {"image": "b", "command": "tl-rootfs-build", "cpus": 2,
              "memoryMb": 4096, "diskMb": 30720},
  "parent": null
}
EOT

cat >"$work/time.py" <<'EOT'
import os, shutil, statistics, subprocess, sys, time
runs, work = int(sys.argv[1]), sys.argv[2]
ours = os.environ["TL_BIN"] + "/tl-splice"
os.chdir(work)
jq = ["jq", "-c", "--slurpfile", "s"]
edit = ".upload = $s[0].upload | .snapshotUri = .upload.uri"
null = subprocess.DEVNULL


def run(command, stdin=None, stdout=null):
    start = time.perf_counter()
    p = subprocess.Popen(command, stdin=stdin, stdout=stdout)
    assert p.wait() == 0, command
    return (time.perf_counter() - start) * 1000


def piped(command):
    start = time.perf_counter()
    left = subprocess.Popen(["cat", "long"], stdout=subprocess.PIPE)
    right = subprocess.Popen(command, stdin=left.stdout, stdout=null)
    left.stdout.close()
    assert right.wait() == 0 and left.wait() == 0, command
    return (time.perf_counter() - start) * 1000


def to_file(command):
    with open("out", "wb") as out:
        return run(command, stdout=out)


def table(title, rows):
    times = {}
    for n in range(runs):
        for name, how, command, few in rows:
            if few and n >= 3 or not shutil.which(command[0]):
                continue
            times.setdefault(name, []).append(how(command))
    print(title)
    base = None
    for name, values in times.items():
        ms = statistics.median(values)
        base = base or ms
        print(f"  {name:24}{ms:9.2f} ms {ms / base:8.2f}x")


table("block of 10,000 parts, files in, /dev/null out", [
    ("cat", run, ["cat", "prepared", "long"], False),
    ("tl-splice", run, [ours, "prepared", "long"], False),
    ("jq", run, jq + ["long", edit, "prepared"], True)])
table("the same into a file", [
    ("cat", to_file, ["cat", "prepared", "long"], False),
    ("tl-splice", to_file, [ours, "prepared", "long"], False)])
table("the same, the block from a pipe", [
    ("cat", piped, ["cat", "prepared", "-"], False),
    ("tl-splice", piped, [ours, "prepared", "-"], False)])
table("block of 160 parts", [
    ("cat", run, ["cat", "prepared", "short"], False),
    ("tl-splice", run, [ours, "prepared", "short"], False),
    ("jq", run, jq + ["short", edit, "prepared"], False)])
table("start of a filter", [
    ("true", run, ["/bin/true"], False),
    ("tl-splice -V", run, [ours, "-V"], False),
    ("tl-plan -V", run, [os.environ["TL_BIN"] + "/tl-plan", "-V"], False),
    ("tl-prepare -V", run, [os.environ["TL_BIN"] + "/tl-prepare", "-V"], False),
    ("jq -n 1", run, ["jq", "-n", "1"], False),
    ("node -e 1", run, ["node", "-e", "1"], True)])
EOT
/usr/bin/python3 "$work/time.py" "$runs" "$work"

echo 'memory at its peak, 10,000 parts'
in=$(cat "$work/prepared" "$work/long" | wc -c)
kb=$("$TL_BENCH/peak" "$TL_BIN/tl-splice" "$work/prepared" "$work/long" \
    2>&1 >/dev/null)
echo "  tl-splice               $kb KB, inputs $((in / 1024)) KB"

command -v valgrind >/dev/null || exit 0
echo 'instructions'
count () {
	name=$1
	shift
	n=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" \
	    2>&1 >/dev/null | sed -n 's/.*Collected : //p')
	awk -v name="$name" -v n="$n" \
	    'BEGIN { printf "  %-24s%9.2f million\n", name, n / 1e6 }'
}
count 'tl-splice -V' "$TL_BIN/tl-splice" -V
count '160 parts' "$TL_BIN/tl-splice" "$work/prepared" "$work/short"
count '10,000 parts' "$TL_BIN/tl-splice" "$work/prepared" "$work/long"
