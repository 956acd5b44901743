#!/bin/sh
# A sandbox from the request for it to the end of its first process, by what it
# reaches; then 64 at once, and the memory that all of it takes.

set -eu
: "${TL_BIN:?run me through make bench}" "${T:?}"
"$TL_BIN/tl-runtime" --enter true || {
	echo "sandbox  skipped: see above"
	exit 0
}
printf 'key %s k o p\n' "$(printf secret | sha256sum | cut -d' ' -f1)" >keys
chmod 600 keys
kinds='host store'
! tl-runtime --check --network outside 2>/dev/null || kinds="$kinds outside"

for kind in $kinds; do
	rm -f url
	tl-sandboxd -k keys -s state -r url -N "$kind" -p 1 2>>log &
	daemon=$!
	trap 'kill $daemon 2>/dev/null' EXIT
	trap 'exit 130' INT TERM
	until [ -s url ]; do sleep 0.02; done
	/usr/bin/python3 - "$kind" "$(cat url)" "$daemon" \
	    "${TL_BENCH_RUNS:-10}" <<'END'
import concurrent.futures, json, os, statistics, sys, time, urllib.request
kind, url, daemon, runs = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])


def ask(method, path, body=None, sandbox=None):
    request = urllib.request.Request(url + path, method=method,
        data=None if body is None else json.dumps(body).encode())
    request.add_header("Authorization", "Bearer secret")
    if sandbox:
        request.add_header("X-Tensorlake-Sandbox-Id", sandbox)
    return urllib.request.urlopen(request).read()


def one(i=0):
    begun = time.perf_counter()
    made = json.loads(ask("POST", "/sandboxes", {"image": "x",
        "resources": {"memory_mb": 256, "ephemeral_disk_mb": 1024}}))
    # Where many come at once, it is not there yet after two seconds.
    while made["status"] == "pending":
        time.sleep(0.05)
        made["status"] = json.loads(ask("GET", "/sandboxes/" +
            made["sandbox_id"]))["status"]
    ask("POST", "/api/v1/processes/run", {"command": "true"}, made["sandbox_id"])
    return made["sandbox_id"], time.perf_counter() - begun


def end(sandbox):
    begun = time.perf_counter()
    ask("DELETE", "/sandboxes/" + sandbox)
    return time.perf_counter() - begun


def memory():
    """MB of the daemon and all that is below it, each page once."""
    parent, size = {}, 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                parent[pid] = f.read().rsplit(")", 1)[1].split()[1]
        except OSError:
            pass
    for pid in parent:
        at = pid
        while at in parent and at != daemon:
            at = parent[at]
        if at == daemon:
            try:
                with open("/proc/%s/smaps_rollup" % pid) as f:
                    size += next(int(line.split()[1]) for line in f
                        if line.startswith("Pss:"))
            except (OSError, StopIteration):
                pass
    return size / 1024


starts, ends = [], []
for i in range(runs):
    sandbox, took = one()
    starts.append(took)
    ends.append(end(sandbox))
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    begun = time.perf_counter()
    made = [sandbox for sandbox, _ in pool.map(one, range(64))]
    took = time.perf_counter() - begun
    size = memory()
    list(pool.map(end, made))
print("sandbox  %-8s start to its first process's end %.3f s, its end %.3f s; "
    "64 at once %.2f s, %.0f MB" % (kind, statistics.median(starts),
    statistics.median(ends), took, size))
END
	kill "$daemon"
	wait "$daemon" || :
	# Or the last one would not be there to be ended: a failure.
	trap - EXIT
done
