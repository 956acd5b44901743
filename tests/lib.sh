# shellcheck shell=sh
# What every test sources: TAP, a fresh folder, and words to say what is right.
#
#	given TEXT		stdin of the next try (default: empty)
#	try NAME COMMAND...	run it; status, stdout and stderr are kept
#	exits N			its status
#	gives TEXT		stdout, exactly (a final newline is added)
#	holds TEXT		stdout holds it
#	says TEXT		stderr holds it
#	silent out|err		nothing there
#	ok NAME COMMAND...	a check of its own: COMMAND succeeds
#	is NAME GOT WANTED	two strings are the same
#	lists PAGE [FILE]	the page's EXIT STATUS has each N of exits (or of
#				FILE); what any program may end with is in tl.7
#	taps NAME COMMAND...	the "ok - " and "not ok - " lines it prints are
#				checks, too; that it ends well is one more
#	skip WHY		end the whole file, skipped
#	peer SCRIPT		a server that answers by SCRIPT (peer.py): sets
#				$URL, empties ./log, ends the one before
#	seen FILTER		jq over the requests it logged, as one array
#
# Each check is one TAP line.  The folder $T is new, the working directory, and
# removed at the end; what runs in the background is registered with later().

set -u
# Where the tests run in the background, SIGINT is ignored, and would be by all
# that is tested: begin again with signals as they are at a terminal.
if [ "${TL_FRESH_SIGNALS-}" != "$$" ]; then
	exec env --default-signal TL_FRESH_SIGNALS=$$ "$0" "$@"
fi
unset TL_FRESH_SIGNALS
umask 022
T=$(mktemp -d "${TMPDIR:-/tmp}/tl-test.XXXXXX") || exit 1
here=$(cd "${0%/*}" && pwd)
# shellcheck disable=SC2034
data=$here/data
pages=$here/../man
# What the tests are known to work with comes before other software of its name.
PATH=${TL_BIN:?run me through make check}:/usr/bin:/bin:$PATH
export PATH
cd "$T" || exit 1
HOME=$T/home
mkdir "$HOME"
export HOME
unset TENSORLAKE_API_URL TENSORLAKE_API_KEY TENSORLAKE_PAT TL_TOKEN_FILE \
	TENSORLAKE_ORGANIZATION_ID TENSORLAKE_PROJECT_ID INDEXIFY_NAMESPACE \
	TENSORLAKE_SANDBOX_PROXY_URL DOCKER_CONFIG DOCKER_AUTH_CONFIG REGISTRY_AUTH_FILE \
	XDG_RUNTIME_DIR TL_SIGN_DIALECT \
	SOURCE_DATE_EPOCH http_proxy https_proxy HTTP_PROXY HTTPS_PROXY \
	ALL_PROXY all_proxy XDG_STATE_HOME XDG_CONFIG_HOME TL_SANDBOX \
	TL_LEDGER TL_LEAVE_OUT TL_RETRY_SECOND_MS TL_DEADLINE TL_STALL_S \
	TL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR MAKEFLAGS MFLAGS MAKELEVEL

n=0 failed=0 name='' status='' at_exit=''
: >in
: >out
: >err

later () {
	at_exit="$*
$at_exit"
}

finish () {
	code=$?
	trap - EXIT
	eval "$at_exit"
	cd /
	rm -rf "$T"
	if [ "$code" -ne 0 ] && [ "$failed" -eq 0 ]; then
		echo "# $0: ended early with $code" >&2
	fi
	if [ -z "${skipped-}" ]; then
		echo "1..$n"
		[ "$failed" -eq 0 ] || code=1
	fi
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

skip () {
	echo "1..0 # SKIP $*"
	skipped=1
	exit 0
}

# sandboxes: an ordinary user may have none on this machine
sandboxes () {
	[ "$(id -u)" -eq 0 ] || lacking=$(tl-runtime --enter true 2>&1) ||
	    skip "$lacking"
}

pass_ () {
	n=$((n + 1))
	printf "ok %d - %s\n" "$n" "$1"
}

fail_ () {
	n=$((n + 1))
	failed=$((failed + 1))
	printf "not ok %d - %s\n" "$n" "$1"
	# What it had is shown by prove without -v, too.
	printf '# %s, check %d: %s\n' "$0" "$n" "$1" >&2
	shift
	for line; do
		printf '%s\n' "$line" | head -c 2000 | sed 's/^/#   /' >&2
	done
}

given () {
	printf '%s' "$1" >in
}

file () {
	printf '%s' "$2" >"$1"
}

try () {
	name=$1
	shift
	"$@" <in >out 2>err
	status=$?
	: >in
}

exits () {
	echo "$1" >>"$T/statuses"
	if [ "$status" -eq "$1" ]; then
		pass_ "$name: exits $1"
	else
		fail_ "$name: exits $1" "status $status" "$(cat err)"
	fi
}

# exit_status PAGE: its section; of a list only the items
exit_status () {
	sed -n '/^\.Sh EXIT STATUS/,/^\.Sh [^E]/p' "$pages/$1" >section
	! grep '^\.It ' section || return 0
	cat section
}

lists () {
	exit_status "$1" >listed
	sed -n '/^Any program may also end/,/^\./p' "$pages/tl.7" |
	    grep -oE '[0-9]+' >>listed
	sort -u "${2-$T/statuses}" | while read -r n_; do
		grep -qw -- "$n_" listed || echo "$n_"
	done >unlisted
	is "$1 lists each status" "$(cat unlisted)" ''
}

gives () {
	printf '%s\n' "$1" >want
	if cmp -s want out; then
		pass_ "$name: the right output"
	else
		fail_ "$name: the right output" "wanted: $1" "got: $(cat out)" \
		    "$(cat err)"
	fi
}

holds () {
	if grep -Fqe "$1" out; then
		pass_ "$name: gives $1"
	else
		fail_ "$name: gives $1" "got: $(cat out)" "$(cat err)"
	fi
}

says () {
	if grep -Fqe "$1" err; then
		pass_ "$name: says $1"
	else
		fail_ "$name: says $1" "stderr: $(cat err)"
	fi
}

silent () {
	if [ -s "$1" ]; then
		fail_ "$name: nothing on std$1" "got: $(cat "$1")"
	else
		pass_ "$name: nothing on std$1"
	fi
}

ok () {
	name=$1
	shift
	if "$@" >out 2>err </dev/null; then
		pass_ "$name"
	else
		fail_ "$name" "status $? of: $*" "$(cat out err)"
	fi
}

taps () {
	taps_=$1
	shift
	"$@" >tap 2>&1
	tap_status=$?
	while read -r line; do
		case $line in
		'ok - '*) pass_ "$taps_: ${line#ok - }" ;;
		'not ok - '*) fail_ "$taps_: ${line#not ok - }" ;;
		*) printf '%s\n' "# ${line#'#'}" ;;
		esac
	done <tap
	is "$taps_: to its end" "$tap_status" 0
	[ "$tap_status" -eq 0 ] || tail -n 5 tap >&2
}

is () {
	if [ "$2" = "$3" ]; then
		pass_ "$1"
	else
		fail_ "$1" "got:    $2" "wanted: $3"
	fi
}

peer_pid=

peer_end () {
	[ -z "$peer_pid" ] || kill "$peer_pid" 2>/dev/null
	peer_pid=
}

# One that is asked for each of them: Python takes longer to begin than most of
# what is tested.
peers_begin () {
	mkdir "$T.peers"
	# shellcheck disable=SC2016
	later 'peer_end; kill "$peers"; wait "$peers"; rm -r "$T.peers"'
	mkfifo "$T.peers/ask" "$T.peers/told"
	"$here/peer.py" --serve "$T.peers/ask" "$T.peers/told" \
	    2>"$T.peers/err" &
	peers=$!
}

peer () {
	[ -n "${peers-}" ] || peers_begin
	# Nobody would take the question, and the test never end.
	kill -0 "$peers" 2>/dev/null || {
		echo "Bail out! peer.py has ended: $(cat "$T.peers/err")"
		exit 1
	}
	peer_end
	rm -f log
	: >log
	printf '%s' "$1" >script.json
	pwd >"$T.peers/ask"
	read -r peer_pid URL <"$T.peers/told"
	[ -n "$URL" ] || {
		echo "Bail out! peer.py: $(cat "$T.peers/err")"
		exit 1
	}
}

seen () {
	jq -rs "$1" log
}
