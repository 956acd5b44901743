# shellcheck shell=sh disable=SC2034
# For tests of tl-sandboxd by itself: sourced after lib.sh.  Where there can be no
# sandboxes the file is skipped; else ./keys and an empty ./tools are there.
#
#	keys_file		./keys, for the keys secret-one and secret-two
#	up [OPTION...]		a daemon in ./state: $url, $daemon
#	new [RESOURCES [TIME]]	a sandbox: $id
#	run USER TEXT		a shell's text in it, to its end: ./lines, $result
#	start USER TEXT		the same, in the background: $pid
#	lifecycle, proxy	curl, to the two sides of it: ./body, $code

keys_file () {
	for k in one two; do
		printf 'key %s %s org_1 proj_%s\n' "$(printf 'secret-%s' "$k" |
		    sha256sum | cut -d' ' -f1)" "k_$k" "$k"
	done >keys
	chmod 600 keys
}
# within COMMAND...: wait until it succeeds: 400 tries, twenty seconds or more
within () {
	tries=400
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.05
	done
}
# up [OPTION...]: a daemon; $url, $daemon
up () {
	rm -f ready
	${around-} tl-sandboxd -k keys -s state -r ready -t tools \
	    -d "$T/dp.sock" "$@" 2>>log &
	daemon=$!
	within [ -s ready ]
	url=$(cat ready)
}
# as WHO CURL-ARGUMENT...: stdout is the body, $code the status
as () {
	printf 'header = "Authorization: Bearer secret-%s"\n' "$1" >auth
	shift
	code=$(curl -sS -K auth -o body -w '%{http_code}' "$@" 2>curl.err)
}
lifecycle () {
	as one "$@"
}
# proxy WHAT CURL-ARGUMENT...: to sandbox $id
proxy () {
	path=$1
	shift
	as one -H "X-Tensorlake-Sandbox-Id: $id" "$@" "$url/api/v1/$path"
}
json () {
	jq -r "$1" body
}
# new [RESOURCES [TIMEOUT]]: a sandbox, $id
new () {
	lifecycle -d '{"image": "x", "resources": {"cpus": 2.0, '"${1-}"'
	    "disk_mb": 256}, "timeout_secs": '"${2-300}}" "$url/sandboxes"
	id=$(json .sandbox_id)
	# On a busy machine the answer comes before the sandbox.
	created=$code
	[ "$(json .status)" != pending ] || within begun
	code=$created
}
# begun: is it no longer only being made?
begun () {
	lifecycle "$url/sandboxes/$id"
	[ "$(json .status)" != pending ]
}
# run USER SHELL-TEXT: to its end; events in body, its output in lines
run () {
	jq -n --arg u "$1" --arg c "$2" '{command: "/bin/sh",
	    args: ["-c", $c], user: $u, timeout: 60}' >request
	proxy processes/run --data-binary @request
	sed -n 's/^data: //p' body | jq -r 'select(.line) | .line' >lines
	result=$(sed -n 's/^data: //p' body | jq -rc 'select(.line | not) |
	    select(.pid | not)')
}
# start USER SHELL-TEXT: $pid
start () {
	jq -n --arg u "$1" --arg c "$2" '{command: "/bin/sh",
	    args: ["-c", $c], user: $u}' >request
	proxy processes --data-binary @request
	pid=$(json .pid)
}

sandboxes
tl-runtime --check 2>err || skip "no sandboxes here: $(cat err)"
keys_file
mkdir tools
