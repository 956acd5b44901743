#!/bin/sh
# A whole build on a region of this machine, tl-build against the published
# client (npm's tensorlake 0.5.89, its native module), in turns: wall time,
# the largest process of the client's side, requests.  The builder's own time
# is in both and named, since neither client can do anything about it.

set -eu
: "${TL_BIN:?run me through make bench}" "${T:?}"
here=$(cd "${0%/*}" && pwd)
sample=$here/../data/sample
runs=${TL_BENCH_RUNS:-5}
"$TL_BIN/tl-runtime" --enter true || {
	echo "build    skipped: see above"
	exit 0
}
TL_REGION_DIR=$T/region HOME=$T/home
export TL_REGION_DIR HOME
mkdir "$HOME"
trap 'tl-region down --purge' EXIT
trap 'exit 130' INT TERM
tl-region up 2>/dev/null
eval "$(tl-region env)"

module=
case $(uname -m) in
x86_64) arch=linux-x64 ;;
*) arch=linux-arm64 ;;
esac
if command -v npm >/dev/null && npm install --prefix "$T/client" --no-audit \
    --no-fund --no-save --silent --cache "$T/npm" tensorlake@0.5.89 \
    >/dev/null 2>&1; then
	module=$T/client/node_modules/tensorlake/dist/native/$arch
	module=$module/tensorlake-node.node
fi

/usr/bin/python3 - "$runs" "$sample/Dockerfile" "$here/../peer/build.cjs" "$module" \
    "$T" <<'EOT'
import json, os, re, resource, statistics, subprocess, sys, time
runs, dockerfile, script, module, work = sys.argv[1:]


def run(command):
    """Seconds, the largest process in MB, what was said."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    assert status == 0, said
    return time.perf_counter() - start, used.ru_maxrss / 1024, said


ours, theirs, builder = [], [], []
for i in range(int(runs)):
    ours.append(run(["tl-build", "-n", "bench", dockerfile]))
    builder.append(float(re.search(r"build +([0-9.]+)s", ours[-1][2])[1]))
    if module:
        theirs.append(run(["node", script, module, dockerfile, "bench"]))
said = run(["tl-build", "-v", "-n", "bench", dockerfile])[2]
mine = statistics.median(t for t, _, _ in ours)
inside = statistics.median(builder)
print(f"build    tl-build          {mine:7.2f} s   1.00x  largest process "
    f"{max(m for _, m, _ in ours):.0f} MB  "
    f"{len(re.findall('^> ', said, re.M))} requests")
print(f"build      of which the builder {inside:.2f} s, ours {mine - inside:.2f} s")
if theirs:
    other = statistics.median(t for t, _, _ in theirs)
    print(f"build    published client  {other:7.2f} s   {other / mine:.2f}x  "
        f"largest process {max(m for _, m, _ in theirs):.0f} MB")
else:
    print("build    published client  not here (npm)")
EOT
