#!/bin/sh
# tl-sandboxd: terminals in a sandbox, over WebSockets; what a client may send,
# and what it should not

. "${0%/*}/lib.sh"
. "$here/sandboxd.sh"

# shellcheck disable=SC2016
later 'kill $daemon 2>/dev/null; wait $daemon 2>/dev/null'
up
new

taps terminals python3 "$here/data/terminals.py" "$url" "$id" "$daemon"
new
cat >last.py <<'END'
import sys
sys.path.insert(0, sys.argv[1])
from wsclient import Region
us = Region(sys.argv[2], sys.argv[3], "secret-one")
s = us.session(us.terminal("cat")).ready()
s.type("on\n")
print(s.until("on"), flush=True)
print(*s.end(15)[:2], flush=True)
END
python3 last.py "$here/data" "$url" "$id" >last 2>&1 &
last=$!
within grep -qs True last
lifecycle -X DELETE "$url/v1/namespaces/default/sandboxes/$id"
wait $last
is "with the sandbox it ends" "$(cat last)" 'True
1001 session terminated'
# Another file: the one of before would say at once that this is there.
new
python3 last.py "$here/data" "$url" "$id" >last2 2>&1 &
last=$!
within grep -qs True last2
kill "$daemon"
wait "$daemon"
is "the daemon ends in order, with somebody connected" $? 0
wait $last
is "which is said" "$(cat last2)" 'True
1001 session terminated'
ok 'nothing is logged that nobody should see' \
    sh -c '! grep -E "[0-9a-f]{64}" log'
