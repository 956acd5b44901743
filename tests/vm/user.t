#!/bin/sh
# A region of an ordinary user, in a cgroup v2 that systemd delegates: its
# sandboxes have limits

if [ "$(id -u)" -eq 0 ]; then
	[ -d /run/systemd/system ] || {
		echo '1..0 # SKIP no systemd here'
		exit
	}
	id tl-user >/dev/null 2>&1 || useradd -m -s /bin/sh tl-user
	exec systemd-run -q --wait --pipe --collect -p Delegate=yes \
	    -p User=tl-user env HOME=/home/tl-user PATH="$PATH" \
	    TMPDIR="${TMPDIR:-/tmp}" TL_BIN="$TL_BIN" "$(realpath "$0")"
fi
. "${0%/*}/../lib.sh"
here=$here/..
# shellcheck disable=SC1091
. "$here/region.sh"

own=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
region --network store
sed 's/^/# /' up.err
try 'a sandbox' sh -c 'tl-sandbox create --cpus 0.5 --memory-mb 128 \
    --image tensorlake/rootfs-builder |
    tl-sandbox wait >box.json'
exits 0
is 'nothing is said to lack but a disk limit' \
    "$(grep -c 'cgroup' "$TL_REGION_DIR/log/sandboxd.log")" 0
group=$(find "$own" -name "tl-$(jq -r .id box.json)")
is 'its limits' "$(cd "$group" && cat memory.max cpu.max pids.max)" '134217728
50000 100000
8192'
try 'out of memory' tl-exec -s box.json -- tail /dev/zero
exits 137
ok 'by the kernel' grep -Eq '^oom_kill [1-9]' "$group/memory.events"
try 'it lives on' tl-exec -s box.json -- echo works
gives works
tl-sandbox rm <box.json >out 2>err
is 'no group of it after its end' "$(find "$own" -name 'tl-sbx-*')" ''
mkdir context
printf 'FROM busybox\nRUN echo one >/one\n' >context/Dockerfile
try 'a build' tl-build -n one context
exits 0
tl-region down
is 'no group after the region' "$(find "$own" -name 'tl-[0-9]*')" ''
try 'up again, in the same one' tl-region up --network store
exits 0
is 'up again: nothing lacks' \
    "$(grep -c 'cgroup' "$TL_REGION_DIR/log/sandboxd.log")" 0
