#!/bin/sh
# A region of an ordinary user, one with subordinate ids, who is made up here for
# as long as this runs

# shellcheck disable=SC2016
. "${0%/*}/lib.sh"

[ "$(id -u)" -eq 0 ] ||
    skip 'root makes the user up; a user like that can run all tests'
for tool in newuidmap getsubids setpriv buildah; do
	command -v "$tool" >/dev/null || skip "$tool is not here"
done
for file in subuid subgid; do
	[ -e /etc/$file ] || skip "no /etc/$file here"
done
uid=2345678 first=234567890
cp -r "$data/sample" sample
mkdir bin user
# Programs may lie where root alone may look.
chmod 711 .
cp /etc/passwd passwd
printf 'tl-test:x:%d:%d::%s:/bin/sh\n' $uid $uid "$T/user" >>passwd
printf 'tl-test:%d:65536\n' $first >subuid
: >nobody
chown -R $uid:$uid user

# user FILE COMMAND...: as that user, whose subordinate ids are in FILE
user () {
	ids=$1
	shift
	unshare -m sh -ec '
		mount --bind passwd /etc/passwd
		mount --bind "$2" /etc/subuid
		mount --bind "$2" /etc/subgid
		mount --bind "$TL_BIN" bin
		uid=$1
		shift 2
		cd user
		exec setpriv --reuid="$uid" --regid="$uid" --clear-groups \
		    --inh-caps=-all "$@"' \
	    sh $uid "$ids" env HOME="$T/user" PATH="$T/bin:/usr/bin:/bin" \
	    TL_BIN="$T/bin" TL_REGION_DIR="$T/user/region" "$@"
}
# own COMMAND...: with 65,536 of them
own () {
	user subuid "$@"
}
# sandbox COMMAND...: in the sandbox of ./box.json, by its region's client
sandbox () {
	own sh -c 'eval "$(tl-region env)"
	    exec tl-exec --root -s box.json -- "$@"' sh "$@"
}

try 'no subordinate ids' user nobody tl-runtime --check
exits 77
says 'tl-test has 0 subordinate user ids, a sandbox needs 65536: as root, install
uidmap and run usermod --add-subuids 100000-165535 tl-test'
try 'no subordinate ids: a region' user nobody tl-region up
exits 77
says 'tl-region: sandboxd: not root: tl-test has 0 subordinate user ids'
rm -rf user/region
try 'some' own tl-runtime --check --network store
exits 0
says 'sandboxes have no disk limit: loop devices need root'
try 'the user is root' own tl-runtime --enter cat /proc/self/uid_map
exits 0
is 'the user is root, and has them' "$(awk '{ print $1, $2, $3 }' out)" "0 $uid 1
1 $first 65536"
try 'root of a sandbox is another' own tl-runtime --enter --base 1 \
    cat /proc/self/uid_map
exits 0
is 'root of a sandbox is the first of them' \
    "$(awk '{ print $1, $2, $3 }' out)" '0 1 65536'
try 'a status of its own' own tl-runtime --enter sh -c 'exit 9'
exits 9
try 'a program that is not there' own tl-runtime --enter ./none
exits 127

later 'own tl-region down --purge'
try 'a region' own tl-region up --network store
exits 0
says 'tl-region: sandboxes have no disk limit'
is 'a region: what is not limited is said once' \
    "$(grep -c 'no disk limit' err)" 1

mkdir user/context
printf 'one\n' >user/context/f
cat >user/context/Dockerfile <<'END'
FROM busybox
COPY --chown=7:8 f /f
RUN echo two >/two && chown 1234:65533 /two && chmod 4750 /two
USER 1234
RUN id -u >/tmp/who
WORKDIR /srv
ENV WHO=me
END
chown -R $uid user/context
try 'a build' own sh -c 'eval "$(tl-region env)" && tl-build -n app context'
exits 0
try 'a sandbox of it' own sh -c 'eval "$(tl-region env)" &&
    tl-sandbox create --image app | tl-sandbox wait >box.json'
exits 0
try 'owners and modes' sandbox stat -c '%n %u %g %a' /f /two /tmp/who /
exits 0
gives '/f 7 8 644
/two 1234 65533 4750
/tmp/who 1234 0 644
/ 0 0 755'
try 'what it reads' sandbox sh -c 'cat /f /tmp/who; echo $WHO; pwd'
gives 'one
1234
me
/srv'
try 'what it changes' sandbox sh -c 'echo more >>/f && chown 5:6 /f &&
    rm /two && stat -c %u:%g /f && ls /two 2>&1'
holds '5:6'
holds 'No such file'
is 'is not in the image' \
    "$(cat user/region/images/*/root/f)" one

# Seen from outside it is neither root nor the user.
own sh -c 'eval "$(tl-region env)"
    exec tl-exec --root -s box.json -- sleep 4321' >sleep.out 2>&1 &
client=$!
i=0
until pid=$(pgrep -x -f 'sleep 4321'); do
	[ $i -lt 100 ] || break
	i=$((i + 1))
	sleep 0.1
done
is 'its processes have a subordinate id' "$(stat -c %u "/proc/$pid")" $first
is 'and see nothing of the host' "$(sandbox sh -c "ls -d $T /proc/$pid" 2>&1 |
    grep -c 'No such file')" 2
is 'the store is all that they reach' "$(sandbox sh -c '
    cat /proc/net/dev' | sed -n 's/^ *\([a-z0-9]*\):.*/\1/p')" lo

# No cgroup limits them; threads count like processes.
cat >user/many <<'END'
import _thread, threading, time
threading.stack_size(65536)
n = 0
try:
    while n < 10000:
        _thread.start_new_thread(time.sleep, (30,))
        n += 1
except RuntimeError:
    pass
print(n < 8192)
END
try 'processes have an end' own sh -c 'eval "$(tl-region env)"
    tl-sandbox create --image tensorlake/rootfs-builder |
        tl-sandbox wait >host.json
    tl-exec -s host.json -- python3 -c "$(cat many)"
    tl-sandbox rm <host.json >/dev/null'
gives True

# A daemon that is killed takes its sandboxes along; the next one, their files.
sandbox sh -c 'mkdir -p /deep/er && : >/deep/er/file && chmod 0 /deep'
pkill -KILL -f "tl-sandboxd --ready $T/user/region" || echo 'Bail out! none'
pkill -u $uid -x tl-exec
wait "$client"
i=0
while kill -0 "$pid" 2>/dev/null && [ $i -lt 100 ]; do
	i=$((i + 1))
	sleep 0.1
done
ok 'a killed daemon: its sandboxes are gone' test $i -lt 100
own tl-region down
is 'what they left' "$(find user/region/sandboxes -maxdepth 2 -name mnt | wc -l)" 1
try 'up again' own tl-region up --network store
exits 0
is 'what they left is removed' "$(ls user/region/sandboxes)" lock
try 'down' own tl-region down --purge
exits 0
is 'nothing is left' "$(ls -A user/region 2>&1; pgrep -r R,S,D -a -u $uid,$first)" \
    "ls: cannot access 'user/region': No such file or directory"
