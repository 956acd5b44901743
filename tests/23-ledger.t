#!/bin/sh
# tl-reap: what a damaged ledger does, and what is shown of one

. "${0%/*}/lib.sh"

XDG_STATE_HOME=$T/state
TENSORLAKE_API_URL=http://127.0.0.1:9
TENSORLAKE_API_KEY=k
TL_RETRY_SECOND_MS=1
export XDG_STATE_HOME TENSORLAKE_API_URL TENSORLAKE_API_KEY TL_RETRY_SECOND_MS
mkdir -p state/tl

# ledger NAME: an old one, of what is on stdin
ledger () {
	cat >"state/tl/build.$1.ledger"
	touch -d '-1 hour' "state/tl/build.$1.ledger"
}
at=2026-11-24T12:00:00Z
api=http://127.0.0.1:9
good () {
	printf '%s\n' "$at folder /nowhere" "$at intent sandbox k1 as $api ns {}" |
	    ledger good00
}

# A damaged line means nothing, and stops nothing.
while IFS= read -r line; do
	good
	printf '%s\n%s\n' "$line" "$at intent sandbox k2 as $api ns {}" |
	    ledger bad000
	try "[$line]" tl-reap -n
	is "[$line]: both are listed" "$status $(cut -f 4 out | sort |
	    paste -sd' ')" '0 build.bad000.ledger build.good00.ledger'
done <<END

 a b c
$at
$at 
$at intent
$at intent sandbox
$at intent sandbox k
$at intent sandbox k  $api ns
$at intent sandbox k as  ns {}
$at intent sandbox k as $api
$at intent sandbox  as $api ns {}
$at intent nothing k as $api ns {}
$at made sandbox
$at made sandbox k9 s
$at made sandbox  s
$at made upload k2 ../../x
$at gone sandbox
$at none upload k9
$at keep
$at keep sandbox s9
$at folder
$at  folder /x
yesterday intent sandbox k as $api ns {}
$(printf '\033\377\001')
END
printf 'no end' | ledger bad000
try 'no line at all' tl-reap -n
is 'the other is listed' "$status $(cut -f 4 out)" '0 build.good00.ledger'
: | ledger bad000
try 'nothing in it' tl-reap -n
exits 0

# Control bytes are not for a terminal, nor for the lines of a list.
rm -f state/tl/*
odd () {
	printf '%b\n' "$at folder /no\\033[31mwhere" \
	    "$at intent sandbox k1 as $api ns {\"\\033[2J\\r\":1}" \
	    "$at made sandbox k1 s\\033[31mx\\rY\\0302\\0233m" \
	    "$at intent upload k\\0332 a\\033s $api\\007 n\\033s {}" \
	    "$at made upload k\\0332 u\\033[31m" | ledger odd000
}
for how in -n -v -av; do
	odd
	try "control bytes, $how" tl-reap "$how"
	is "control bytes, $how: none is shown" \
	    "$(cat out err | tr -d '\n\t' | LC_ALL=C tr -cd '\000-\037\177' |
	    wc -c) $(cat out err | grep -c "$(printf '\302\233')")" '0 0'
	is "control bytes, $how: a line each" "$(wc -l <out)" 2
done
holds 's?[31mx?Y?m'

try 'a ledger that is not there' tl-reap nowhere.ledger
exits 66
says 'nowhere.ledger: No such file or directory'
good
try 'and one that is' tl-reap -n nowhere.ledger state/tl/build.good00.ledger
exits 66
holds 'build.good00.ledger'
