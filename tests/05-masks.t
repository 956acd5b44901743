#!/bin/sh
# No text from outside reaches a terminal as it is, nor makes a second line:
# every program, and every place where it finds some

. "${0%/*}/lib.sh"
. "$here/scripted.sh"

mkdir live
scripted ''
documents live @URL@
taps masked /usr/bin/python3 "$data/masks.py" live script.json
