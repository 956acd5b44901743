#!/bin/sh
# tl-diagnose: what a sandbox, a builder's end and a log tell of a failure

. "${0%/*}/lib.sh"
. "$here/scripted.sh"

larger='try more with --builder-disk-mb or --disk-mb'
memory='the sandbox ran out of memory: try more with --memory-mb'
folder=/var/lib/tensorlake/rootfs-builder/build
TL_RETRY_SECOND_MS=20
TL_SANDBOX=sandbox.json
export TL_RETRY_SECOND_MS TL_SANDBOX

# answers EVENT,...: a sandbox whose command says this
answers () {
	scripted '{"method":"GET","path":"*/output/follow","answers":[
	    {"events":['"$1"'"event: eof\ndata: {}\n\n"]}]},'
	rm -rf context ./*.json.* signer.conf
	documents . "$URL"
}

df='{"line":"Filesystem 1024-blocks Used Available Capacity Mounted on"},
    {"line":"/dev/vda 1000 900 100 90% /"},'
kernel='{"stream":"stderr","line":"[  1.1] Out of memory: Killed process 7"},'

answers "$df"
try 'nothing to find' tl-diagnose
exits 0
silent out
silent err
is 'asked as root, once' "$(seen 'map(select(.method == "POST").body |
    fromjson | [.command, .user, .args[0], .args[3:]]) | tojson')" \
    '[["/bin/sh","root","-lc",["'"$folder"'","/var/lib/docker","/"]]]'
seen 'map(select(.method == "POST").body | fromjson | .args[1])[0]' >asks
mkdir fake
printf '#!/bin/sh\necho "kernel says"; echo hidden >&2\n' >fake/dmesg
chmod 755 fake/dmesg
PATH=$T/fake:$PATH try 'the command itself' \
    sh -c "$(cat asks)" sh /nowhere / /proc
exits 0
is 'the command itself: the kernel on stderr' "$(cat err)" 'kernel says'
is 'the command itself: what is there on stdout' \
    "$(grep -c '% *[/]' out) $(grep -c /nowhere out)" '1 0'

answers "$df$kernel"
try 'no memory' tl-diagnose
exits 0
gives "$memory"
silent err
answers "$df{\"line\":\"Killed process 7\"},"
try 'a disk called so' tl-diagnose
silent out
answers "$df"'{"line":"/dev/vdb 1000 970 30 97% /var/lib/docker"},'
try 'a full disk' tl-diagnose
gives "the sandbox's disk is 97% full: $larger"
answers "$kernel"'{"line":"/dev/vdb 1000 950 50 95% /var/lib/docker"},'
try 'both' tl-diagnose
gives "$memory
the sandbox's disk is 95% full: $larger"
answers "$df"
printf '%s\n' 'T cc: write: No SPACE left on device' 'T b' >said
try 'a log' tl-diagnose --log said
gives "a disk of the sandbox was full: $larger"
try 'a log from the second line on' tl-diagnose --log said \
    --from "$(head -n 1 said | wc -c)"
exits 0
silent out
printf 'no newline: ENOSPC' >said
try 'a line without its end' tl-diagnose --log said
gives "a disk of the sandbox was full: $larger"
echo '{"pid":7,"signal":9,"oomKilled":true}' >end.json
try "the builder's end" tl-diagnose --status-file end.json
gives "$memory"
echo '{"pid":7,"exitCode":1,"oomKilled":false}' >end.json
try 'a better end' tl-diagnose --status-file end.json
exits 0
silent out

# A sandbox that cannot be asked.
printf 'ENOSPC\n' >said
scripted '{"method":"GET","path":"*/output/follow","answers":[
    {"events":['"$kernel"'{"pause":60}]}]},'
documents_ () {
	rm -rf context
	documents . "$URL"
}
documents_
begun=$(date +%s)
try 'one that hangs' tl-diagnose -t 1 --log said
exits 0
gives "$memory
a disk of the sandbox was full: $larger"
silent err
is 'one that hangs: it is not waited for' "$(($(date +%s) - begun < 15))" 1
try 'one that hangs, with -v' tl-diagnose -v -t 1
says 'the deadline of 1 s has passed'
scripted '{"path":"*","answers":[{"drop":true}]},'
documents_
try 'one that is not reached' tl-diagnose -t 1 --log said
exits 0
gives "a disk of the sandbox was full: $larger"
silent err
scripted '{"path":"*","answers":[{"status":404,"json":
    {"code":"SANDBOX_NOT_FOUND","error":"sandbox not found"}}]},'
documents_
try 'one that is gone' tl-diagnose -v
exits 0
silent out
says 'tl-diagnose: '
scripted '{"method":"GET","path":"*/output/follow","answers":[{"hang":true}]},'
documents_
# A terminal's SIGINT.
try 'interrupted' timeout -s INT 1 tl-diagnose -t 60
is 'interrupted: timeout ends it' "$status" 124
silent out

# Its input.
try 'a log that is not there' tl-diagnose --log none
exits 66
says 'none'
echo '{' >end.json
try 'an end that is none' tl-diagnose --status-file end.json
exits 65
says 'end.json'
: >end.json
try 'an empty end' tl-diagnose --status-file end.json
exits 65
says 'end.json: empty'
try 'no sandbox' tl-diagnose -s none.json
exits 66
try 'from what' tl-diagnose --from 3
exits 64
try 'no time' tl-diagnose -t 0
exits 64
says '--timeout'
try 'stdout full' sh -c 'tl-diagnose -t 1 --log said >/dev/full'
exits 74
unset TENSORLAKE_API_KEY
try 'no key' tl-diagnose
exits 78
lists tl-diagnose.1

[ "$(id -u)" -eq 0 ] || exit 0
unset TENSORLAKE_API_URL TL_SANDBOX TL_RETRY_SECOND_MS
. "$here/region.sh"
region
mkdir build
printf 'FROM scratch\nCOPY big /big\n' >build/Dockerfile
head -c 40000000 /dev/urandom >build/big
try 'a build on a small disk' tl-build --work full --disk-mb 32 \
    build/Dockerfile
exits 1
says "$larger"
ok 'a build on a small disk: its log has it' grep -qF "$larger" full/log
rm build/big
try 'the same folder, another failure' tl-build --resume full
exits 1
says 'STEP'
is 'another failure: no old advice' "$(grep -cF "$larger" err)" 0
if grep -qs 'no memory cgroup' "$TL_REGION_DIR"/log/*; then
	echo '# no memory cgroup here: a lack of memory is not tested'
else
	printf 'FROM busybox\nRUN tail /dev/zero\n' >build/Dockerfile
	try 'a build that wants memory' tl-build --work oom --memory-mb 256 \
	    build/Dockerfile
	exits 1
	says 'memory ran out: try more with --memory-mb'
	ok 'a build that wants memory: its log has it' \
	    grep -q 'memory ran out: try more with --memory-mb' oom/log
fi
nothing_left 'builds that failed'
