#!/bin/sh
# tl-sandboxd where cgroup v2 is all there is: limits hold, and leave no trace

. "${0%/*}/../lib.sh"

sandboxes
[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] ||
    skip 'no cgroup v2 alone at /sys/fs/cgroup'
printf 'key %s k org_1 proj_1\n' \
    "$(printf secret | sha256sum | cut -d' ' -f1)" >keys
chmod 600 keys
echo 'header = "Authorization: Bearer secret"' >auth

up () {
	rm -f ready
	tl-sandboxd -k keys -s state -r ready 2>>log &
	daemon=$!
	tries=600
	until [ -s ready ] || [ $((tries -= 1)) -eq 0 ]; do
		sleep 0.1
	done
	[ -s ready ] || {
		fail_ 'tl-sandboxd starts' "$(cat log)"
		exit 1
	}
	url=$(cat ready)
}
# shellcheck disable=SC2016
later 'kill $daemon 2>/dev/null; wait $daemon 2>/dev/null'
ask () {
	curl -sS -K auth -H "X-Tensorlake-Sandbox-Id: ${id-}" -o body "$@"
}
new () {
	ask -d '{"resources": {"cpus": 0.5, "memory_mb": 128, "disk_mb": 1024}}' \
	    "$url/sandboxes"
	id=$(jq -r .sandbox_id body)
	while [ "$(jq -r .status body)" = pending ]; do
		sleep 0.1
		ask "$url/sandboxes/$id"
	done
}
# run SHELL-TEXT: as the sandbox's root; output in lines, $result
run () {
	jq -n --arg c "$1" '{command: "/bin/sh", args: ["-c", $c],
	    user: "root", timeout: 120}' >request
	ask --data-binary @request "$url/api/v1/processes/run"
	sed -n 's/^data: //p' body | jq -r 'select(.line) | .line' >lines
	result=$(sed -n 's/^data: //p' body |
	    jq -rc 'select(.line or .pid | not)')
}
groups () {
	find /sys/fs/cgroup -mindepth 1 -name 'tl-*'
}

is 'no group before' "$(groups)" ''
# systemd takes controllers from groups that are not its own; if it does not,
# that ours stay shows nothing.
units () {
	systemd-run -q --wait -p CPUWeight=50 true
	systemctl daemon-reload
	systemd-run -q --wait true
}
if [ -d /run/systemd/system ]; then
	echo +cpu >/sys/fs/cgroup/cgroup.subtree_control
	mkdir /sys/fs/cgroup/bare
	units
	is 'systemd takes processors from a group at the top' \
	    "$(find /sys/fs/cgroup/bare -name cpu.max)" ''
	rmdir /sys/fs/cgroup/bare
fi

up
new
is 'a sandbox' "$(jq -r .status body)" running
sed -n 's/.*: running after/# running after/p' log
group=$(find /sys/fs/cgroup -name "tl-$id")
limits () {
	(cd "$group" && cat memory.max memory.swap.max cpu.max pids.max) 2>&1
}
wanted='134217728
0
50000 100000
8192'
# A kernel without swap accounting has no such file.
[ -e "$group/memory.swap.max" ] || wanted=$(echo "$wanted" | sed '2s/.*/cat: '\
'memory.swap.max: No such file or directory/')
is 'its limits' "$(limits)" "$wanted"
is 'nothing is said to lack' "$(grep cgroup log)" ''

if [ -d /run/systemd/system ]; then
	units
	is 'they stay when units come and go' "$(limits)" "$wanted"
fi

run 'tail /dev/zero'
is 'out of memory' "$result" '{"exit_code":137,"oom_killed":true}'
ok 'by the kernel' grep -Eq '^oom_kill [1-9]' "$group/memory.events"
run 'dd if=/dev/zero of=/var/tmp/x bs=1M count=500 2>&1 && sync'
is 'a file may be larger than memory' "$result" '{"exit_code":0}'
run 'timeout 3 sh -c "while :; do :; done"'
is 'a busy loop' "$result" '{"exit_code":124}'
ok 'is slowed down' grep -Eq '^nr_throttled [1-9]' "$group/cpu.stat"
echo 8 >"$group/pids.max"
run 'for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait'
ok 'processes have an end' grep -Eq '^max [1-9]' "$group/pids.events"
echo 8192 >"$group/pids.max"
# shellcheck disable=SC2016
run 'exec 2>/dev/null; mkdir /mnt/c; mount -t cgroup2 c /mnt/c; ls /mnt/c
    for f in memory.max cpu.max pids.max; do echo max >/mnt/c/$f; done
    mkdir /mnt/c/sub && echo made'
is 'root in there can see its group' "$(grep -x -e memory.max -e made lines)" \
    memory.max
is 'and not lift the limits' "$(limits)" "$wanted"
ask -X DELETE "$url/sandboxes/$id"
is 'no group of it after its end' "$(groups | grep -F "$id")" ''

new
jq -n '{command: "sleep", args: ["1000"]}' >request
ask --data-binary @request "$url/api/v1/processes"
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
up
is 'after kill -9 the next daemon removes it' "$(groups | grep -F "$id")" ''
new
is 'and goes on' "$(jq -r .status body)" running
kill "$daemon"
wait "$daemon"
is 'no group after the daemon' "$(groups)" ''
