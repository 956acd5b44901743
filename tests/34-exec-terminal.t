#!/bin/sh
# tl-exec -t against servers of other kinds: older ones, ones that refuse, that
# break off, that answer nonsense; over TLS; through a proxy

. "${0%/*}/lib.sh"

TENSORLAKE_API_KEY=key-MARKER
TL_RETRY_SECOND_MS=20
TL_SANDBOX=box.json
export TENSORLAKE_API_KEY TENSORLAKE_API_URL TL_RETRY_SECOND_MS TL_SANDBOX

server=
# shellcheck disable=SC2016
later '[ -z "$server" ] || kill $server 2>/dev/null'
# served MODE [CERTIFICATE]
served () {
	[ -z "$server" ] || {
		kill $server
		wait $server 2>/dev/null
	}
	rm -f ready
	: >log
	/usr/bin/python3 "$here/data/ptyserver.py" "$1" ready log ${2+"$2"} \
	    2>server.err &
	server=$!
	for _ in $(seq 250); do
		[ ! -s ready ] || break
		sleep 0.02
	done
	TENSORLAKE_API_URL=$(cat ready)
	at "$TENSORLAKE_API_URL"
}
# at URL: of the sandbox's proxy
at () {
	printf '{"id":"sbx-1","proxyUrl":"%s"}' "$1" >box.json
}
# on STEPS COMMAND...
on () {
	printf '%s\n' "$1" >steps
	shift
	TERM=vt220 COLORTERM=truecolor /usr/bin/python3 \
	    "$here/data/typist.py" -s 20x60 steps "$@" >out 2>err </dev/null
	status=$(sed -n 's/^STATUS //p' out)
	is "$name: the terminal is as it was" "$(sed -n 's/^MODES //p' out)" \
	    same
}
deleted () {
	grep -c '^DELETE /api/v1/pty/s1 ' log
}

name='as the published client has it'
served typed
on 'wait pieces
type x\x03' tl-exec -t -- top -b
exits 7
is "$name: what is shown" "$(sed '/^STATUS/,$d' out | sed '/^$/d')" 'on
in pieces'
is "$name: what is asked for" "$(sed -n 's/^POST .* {/{/p' log)" \
    '{"command":"top","args":["-b"],"env":{"TERM":"vt220","COLORTERM":"truecolor"},"rows":20,"cols":60}'
is "$name: ready, its size, an answer to the ping, what is typed, the end" \
    "$(sed -n 's/^frame //p' log)" "130 masked b'\\x02'
130 masked b'\\x01\\x00<\\x00\\x14'
138 masked b''
130 masked b'\\x00x\\x03'
136 masked b'\\x03\\xe8exit:7'"
is "$name: its token, in a header alone" "$(sed -n 's/^token //p' log)" 'header '
is "$name: it is not deleted" "$(deleted)" 0
name='a sandbox is kept alive'
on 'wait pieces
sleep 4
type x' tl-exec -t --keepalive=1 -- true
exits 7
is "$name: it is" "$(test "$(grep -c '^GET /api/v1/health' log)" -gt 1 &&
    echo kept)" kept
served typed
name='a shell'
on 'wait pieces
type x' tl-exec -t
exits 7
is "$name: bash or sh" "$(sed -n 's/^POST .* {/{/p' log | tail -n 1 |
    jq -c '[.command, .args]')" '["/bin/sh",["-c","[ ! -x /bin/bash ] || exec /bin/bash -l; exec /bin/sh -l"]]'
for case in reason:4 negative:128 early:7 query:7; do
	name="a server of the kind ${case%:*}"
	served "${case%:*}"
	on '' tl-exec -t -- true
	exits "${case#*:}"
done
is "a token in the query: at last" "$(sed -n 's/^token //p' log)" 'header 
header query'

for case in none:69:'this server gives no terminals (404)' \
    refuse:77:'terminal: refused (403): ' plain:76:'terminal: refused (200)' \
    accept:76:'the answer is not to this request' \
    long:76:"the answer's headers are too long" \
    http10:76:'the answer is not HTTP/1.1' \
    no-token:76:'the answer is not valid' \
    cut:75:'the connection is lost' garbage:75:'the connection is lost' \
    nonsense:75:'the connection is lost' \
    policy:7:''; do
	mode=${case%%:*} text=${case#*:}
	name="a server of the kind $mode"
	served "$mode"
	on '' tl-exec -t -- true
	exits "${text%%:*}"
	[ -z "${text#*:}" ] || {
		is "$name: one line" "$(grep -c ^tl-exec: out)" 1
		holds "${text#*:}"
	}
	case $mode in
	none|no-token|policy) ;;
	*) is "$name: the terminal there is ended" "$(deleted)" 1 ;;
	esac
done
name='nobody there'
kill $server
wait $server 2>/dev/null
server=
on '' tl-exec -t -- true
exits 75

name='over TLS'
openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 \
    -subj /CN=127.0.0.1 -addext 'subjectAltName=IP:127.0.0.1' 2>err || cat err
cat cert key >both
served typed both
on 'wait pieces
type x' env TL_CA_BUNDLE=cert tl-exec -t -- true
exits 7
name='over TLS, to a stranger'
on '' tl-exec -t -- true
exits 78
is "$name: no request" "$(grep -c pty log)" 2

name='through a proxy'
served typed
proxy=$TENSORLAKE_API_URL
at http://box.example
on 'wait pieces
type x' env http_proxy="$proxy" TENSORLAKE_API_URL=http://api.example \
    tl-exec --insecure-http -t -- true
exits 7
is "$name: in a tunnel" "$(grep -c '^CONNECT box.example:80 ' log)" 1
is "$name: which does not get the key" "$(grep -c MARKER log)" 0
sed -i -E '/^(4|7|128)$/d' statuses
lists tl-exec.1
