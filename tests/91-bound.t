#!/bin/sh
# Servers that do not answer while a build gives back what it made: it ends
# within 15 s all the same, says what is left, has a status of its own for it, and
# tl-reap does the rest

. "${0%/*}/lib.sh"
. "$here/region.sh"

region
state=$HOME/.local/state/tl
mkdir slow
printf 'FROM busybox\nRUN sleep 985\n' >slow/Dockerfile

faults () {
	printf '%s\n' "$@" >"$TL_REGION_DIR/fault.new"
	mv "$TL_REGION_DIR/fault.new" "$TL_REGION_DIR/fault"
}

# ends WHAT STATUS RULES COMMAND...: a build in whose sandbox something runs is
# met by these, once the servers fail so
ends () {
	what=$1 want=$2 rules=$3
	shift 3
	env --default-signal tl-build -n bound slow/Dockerfile >build.out 2>build.err &
	build=$!
	i=0
	until pgrep -f '^sleep 985' >/dev/null || [ "$i" -gt 600 ]; do
		i=$((i + 1))
		sleep 0.05
	done
	# shellcheck disable=SC2086
	faults $rules
	before=$(date +%s)
	"$@"
	wait "$build" 2>/dev/null
	is "$what: its status" "$?" "$want"
	took=$(($(date +%s) - before))
	# A busy machine needs time of its own; without a bound it is minutes.
	ok "$what: within 15 s ($took)" test "$took" -le 30
	is "$what: nothing on stdout" "$(cat build.out)" ''
	rm "$TL_REGION_DIR/fault"
	is "$what: says what to do" "$(sed -n 's/.*again: \(tl-[a-z]*\) .*/\1/p' \
	    build.err | paste -sd' ')" 'tl-reap tl-build'
	line=$(sed -n 's/.*not all could be undone; again: //p' build.err)
	ok "$what: the ledger has it" test -s "${line##* }"
	# shellcheck disable=SC2086
	try "$what: what it said" $line
	exits 0
	is "$what: no ledger is left" "$(find "$state" -name '*.ledger*')" ''
	# The region tries on its own, too, and waits longer each time.
	i=0
	while [ -n "$(find "$TL_REGION_DIR/sandboxes" -name 'sbx*')" ] &&
	    [ "$i" -lt 300 ]; do
		i=$((i + 1))
		sleep 0.1
	done
	nothing_left "$what"
}

interrupt () {
	kill -INT "$build"
}

# Its builder ends: the stage fails.
lose () {
	pkill -f '^sleep 985'
}

ends 'nothing answers' 79 \
    'delete:no-answer upload-abort:no-answer process-kill:no-answer' \
    interrupt
ends 'nothing answers, and the builder fails' 79 \
    'delete:no-answer upload-abort:no-answer' lose
ends 'the store only' 79 \
    'upload-abort:no-answer=8000 bucket-list:no-answer=8000' interrupt
