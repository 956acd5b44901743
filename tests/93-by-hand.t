#!/bin/sh
# The README's stages by hand, and the flow of one's own under tl-guard, work as
# they stand there; tl-guard(1) has the same flow, its other examples work, too

. "${0%/*}/lib.sh"
. "$here/region.sh"
top=${here%/*}
mkdir -p tests/data
cp -R "$sample" tests/data/sample

# block FROM TO: the README's indented lines from one to another, both included
block () {
	sed -n "s/^    //; /^$1/,/^$2/p" "$top/README.md"
}
block 'umask 077' 'tl-sandbox rm' >stages
block 'tl-guard -- ' "' flow" >flow
block 'tl-image ls' 'tl-image rm' >images
is 'the README has all' \
    "$(grep -c '' stages flow images | sed 's/:[1-9][0-9]*$//')" 'stages
flow
images'
# What roff takes for itself.
sed -n "s/\\\\e/\\\\/; /^\\$ tl-guard -- sh -euc '/,/^> ' flow/s/^[$>] //p" \
    "$pages/tl-guard.1" >paged
is 'tl-guard(1) has the same flow' "$(diff flow paged)" ''

region
try 'by hand' sh -eu stages
exits 0
is 'by hand: registered' "$(jq -r .name template.json)" sample
nothing_left 'by hand'
# One of the lines enters the image.
printf '%s\n' 'wait / #' 'type exit\r' >steps
try 'its images' /usr/bin/python3 "$here/data/typist.py" -s 24x80 steps \
    sh -eu images
holds 'STATUS 0'
holds 'sample  '
holds 'deleted sample'
holds "$(printf 'a\t1,3,4')"
nothing_left 'its images'

rm template.json
try 'an own flow' sh -eu flow
exits 0
says 'tl-guard: sample: registered as '
is 'an own flow: registered' "$(jq -r .name template.json)" sample
is 'an own flow: its folder is gone' \
    "$(ls "$HOME/.local/state/tl")" ''
nothing_left 'an own flow'

# It ends with a stage that fails, and with what that has made undone.
sed 's/tl-complete -p/false -p/' flow >broken
try 'a flow that fails' sh -eu broken
exits 1
says ': aborted'
says ': deleted'
says 'again: tl-guard --resume '
nothing_left 'a flow that fails'

# shellcheck disable=SC2016
try 'own events' sh -c "$(sed -n 's/\\e/\\/; /^\$ .*TL_MARK/,/^>/s/^[$>] //p' \
    "$pages/tl-guard.1")"
exits 0
is 'own events: are shown' "$(sed 's/0\.[0-9]*s/0.00s/' err)" \
    'hello
tl-guard: greet       0.00s'
