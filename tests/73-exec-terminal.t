#!/bin/sh
# tl-exec -t: a terminal in a sandbox made one with the terminal here

. "${0%/*}/lib.sh"
. "$here/region.sh"

region
printf 'FROM busybox\nENV WHO=me\nWORKDIR /srv\n' >Dockerfile
tl-build -n box Dockerfile >/dev/null 2>err || cat err
try 'a sandbox' tl-sandbox create --image box --disk-mb 64M
exits 0
tl-sandbox wait <out >box.json 2>err || cat err
TL_SANDBOX=box.json
export TL_SANDBOX

# on STEPS COMMAND...: on a terminal, where TERM is vt220
on () {
	printf '%s\n' "$1" >steps
	shift
	TERM=vt220 COLORTERM='' /usr/bin/python3 "$here/data/typist.py" -s 33x101 \
	    steps "$@" >out 2>err </dev/null
	status=$(sed -n 's/^STATUS //p' out)
	is "$name: the terminal is as it was" "$(sed -n 's/^MODES //p' out)" \
	    same
	is "$name: in time" "$(grep ^LATE out)" ''
}

name='a shell'
# shellcheck disable=SC2016,SC1078,SC1079
on 'wait /srv
type tty; stty size; echo "$TERM $WHO $(id -u) $0"\r
wait /dev/pts/
wait 33 101
wait vt220 me 0
size 50x70
type stty size\r
wait 50 70
type sleep 100\r
wait sleep 100
sleep 0.5
type \x03
type echo going on $?\r
wait going on 130
type false\r
type \x04' tl-exec -t
exits 1

name='a command'
on 'wait ready
type a\\x01\x16\x03b\r' tl-exec -t -- sh -c \
    'stty raw -echo; echo ready; dd bs=1 count=4 2>/dev/null | od -An -tx1; exit 5'
exits 5
name='a byte each'
on 'wait ready
type \x03\x1a\x1c\x11' tl-exec -t -- sh -c \
    'stty raw -echo; echo ready; dd bs=1 count=4 2>/dev/null | od -An -tx1'
exits 0
holds '03 1a 1c 11'
name='much'
# shellcheck disable=SC2016
on '' tl-exec -t -- sh -c 'i=0; while [ $i -lt 3000 ]; do
    echo line $i of many; i=$((i + 1)); done; exit 9'
exits 9
is 'much: all of it' "$(grep -c 'of many' out) $(grep 'of many' out | tail -n 1)" \
    '3000 line 2999 of many'
# shellcheck disable=SC2016
for case in 'kill -9 $$:137' 'kill -15 $$:143' 'exit 255:255' ':0'; do
	name="its end: ${case%:*}"
	on '' tl-exec -t -- sh -c "${case%:*}"
	exits "${case##*:}"
done
name='options'
# shellcheck disable=SC2016
on '' tl-exec -t --root --cwd /tmp --env TERM=xterm --env 'A=b c' -- \
    sh -c 'pwd; echo "$TERM, $A"; exit 3'
exits 3
holds '/tmp
xterm, b c'

# However it ends, the terminal here is as it was; and so does what ran there.
gone () {
	for _ in $(seq 100); do
		tl-exec -- sh -c "! ps | grep -q '[s]leep $1'" && return
		sleep 0.1
	done
	return 1
}
n_=1000
for case in TERM:143 INT:130 HUP:129; do
	signal=${case%:*}
	n_=$((n_ + 1))
	name="SIG$signal"
	on "wait on
signal SIG$signal" tl-exec -t -- sh -c "echo on; sleep $n_"
	exits "${case#*:}"
	holds 'tl-exec: stopped by a signal'
	ok "SIG$signal: what ran there is ended" gone $n_
done
name=SIGQUIT
on 'wait on
signal SIGQUIT' tl-exec -t -- sh -c 'echo on; sleep 1010'
is 'SIGQUIT: its usual end' "$status" -3
name='SIGTERM twice'
on 'wait on
signal SIGTERM
signal SIGTERM' tl-exec -t -- sh -c 'echo on; sleep 1011'
ok 'SIGTERM twice: ends' test "$status" = 143 -o "$status" = -15
name='a deadline'
on 'wait on' tl-exec -t --deadline 2 -- sh -c 'echo on; sleep 1012'
exits 75
holds 'the deadline of 2 s has passed'
name='killed there'
id=$(jq -r .id box.json)
url=$(jq -r .proxyUrl box.json)
cat >end.sh <<END
asked () {
	echo 'header = "Authorization: Bearer $TENSORLAKE_API_KEY"' |
	    curl -fsS -K - -X "\$1" -H "X-Tensorlake-Sandbox-Id: $id" \
	    "$url/api/v1/pty\$2"
}
asked DELETE "/\$(asked GET '' | jq -r 'first(.sessions[] | select(.is_alive)) |
    .session_id')"
END
on 'wait on
run sh ./end.sh' tl-exec -t -- sh -c 'echo on; sleep 1013'
exits 69
holds 'the terminal was ended'

# What cannot be.
try 'not a terminal' tl-exec -t -- true
exits 64
says '-t: standard input is no terminal'
for bad in '-i' '--attach 3' '--kill 3' '--status-file x' '--builder x'; do
	# shellcheck disable=SC2086
	try "-t $bad" tl-exec -t $bad
	exits 64
	says 'usage: tl-exec'
done
name='no such command'
on '' tl-exec -t -- /nope
exits 69
holds 'tl-exec: terminal: refused (400)'
name='verbose'
on 'wait on
type \x04' tl-exec -v -t -- sh -c 'echo on; cat'
exits 0
holds '/ws: 101'
is 'verbose: no token' "$(grep -cE '[0-9a-f]{64}' out)" 0

name='its sandbox goes'
on 'wait on
run tl-sandbox rm <box.json >/dev/null 2>&1' tl-exec -t -- \
    sh -c 'echo on; sleep 1014'
exits 69
try 'another sandbox' tl-sandbox create --image box --disk-mb 64M
tl-sandbox wait <out >box.json 2>err || cat err
name='its server goes'
on "wait on
run kill -9 $(cat "$TL_REGION_DIR/run/sandboxd.pid")" \
    tl-exec -t -- sh -c 'echo on; sleep 1015'
exits 75
holds 'tl-exec: the connection is lost'
# Not the commands' own.
sed -i -E '/^(0|1|3|5|9|137|255)$/d' statuses
lists tl-exec.1
