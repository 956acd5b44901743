#!/bin/sh
# Who stands on whom: one way between the parts of lib and between its files,
# and each library that only one of them is to know.

. "${0%/*}/lib.sh"
root=$here/..

# A line a file and what it includes of ours: "folder folder", lib/ left out;
# a folder is core, dockerfile, client/x, region/x ...
(cd "$root" && grep -r '^#include "[a-z_]*/' cmd lib) >all
sed -n 's|^lib/||; s|/[^/:]*:#include "| |
    s|/[^/]*$||; / /p' all | sort -u | awk '$1 != $2' >edges

# arrows FROM TO: those from one folder or part to another.
arrows() {
	awk -v from="$1" -v to="$2" '$1 ~ "^(" from ")(/|$)" &&
	    $2 ~ "^(" to ")(/|$)"' edges
}

# only LIBRARY WHERE: the header is included below these alone, and there.
only() {
	(cd "$root" && grep -rlE "^#include <$1>" cmd lib) >users
	ok "there is who uses $1" test -s users
	is "$1 is known to $2 alone" "$(grep -vE "^($2)" users)" ''
}

ok "the servers stand on core" test -n "$(arrows region core)"
ok "the client's side stands on core" test -n "$(arrows client core)"
ok "the builder stands on core" test -n "$(arrows builder core)"
is "core stands on nothing" \
    "$(arrows core 'client|builder|region|dockerfile|cmd')" ''
is "what reads a Dockerfile stands on core alone" \
    "$(arrows dockerfile 'client|builder|region|cmd')" ''
is "the client's side knows neither builder nor server" \
    "$(arrows client 'builder|region')" ''
is "the builder knows neither client nor server" \
    "$(arrows builder 'client|region')" ''
is "the servers know neither client nor builder, nor a Dockerfile" \
    "$(arrows region 'client|builder|dockerfile')" ''
is "nothing in lib includes a program" \
    "$(grep '^lib/.*"cmd/' all)" ''
ok "folders of lib stand on each other in one direction" tsort edges
# The drawing: "    FOLDER  FOLDER...", core left out.
awk '/^    (client|builder|region)\// { for (i = 2; i <= NF; i++)
    print $1, $i }' "$root/lib/README.md" | sort >drawn
is "as lib/README.md draws them" "$(grep -v -e '^cmd ' -e ' core$' edges | diff drawn -)" ''
(cd "$root/lib" && find . -mindepth 2 -name '*.c' | sed 's,^./,,
    s,/[^/]*$,,' | sort -u) >folders
# shellcheck disable=SC2016
is "which names each folder" "$(sed -n 's,^| `\([a-z/]*\)` .*,\1,p' \
    "$root/lib/README.md" | sed 's,/$,,' | sort -u | diff - folders)" ''

# So do files, a .c and its .h being one: a file stands on those it includes,
# and on those whose functions it calls.  A header that several files implement
# has no .c of its own name.
sed -n 's|^lib/||; s|\.[ch]:#include "| |; s|\.h".*||p' all >files
(cd "$root" && find lib -name '*.c' | sed 's|c$|o|') >objects
(cd "$TL_BIN/.." && xargs nm -A -P) <objects >symbols
awk '{ sub(/\.o:$/, "", $1); sub(/^lib\//, "", $1) }
    $3 == "U" { wants[$1, $2] }
    $3 ~ /^[ABCDGRSTVW]$/ { of[$2] = $1 }
    END { for (w in wants) { split(w, a, SUBSEP)
	if (a[2] in of) print a[1], of[a[2]] } }' symbols >calls
ok "there are calls from file to file" test -s calls
is "no function is defined in two parts" "$(awk '$3 == "T" { print $2 }' \
    symbols | sort | uniq -d)" ''
sort -u files calls | awk '$1 != $2' >edges
is "files of lib stand on each other in one direction" \
    "$(tsort edges 2>&1 >sorted)" ''

only microhttpd.h 'lib/region/serve/serve(_[a-z]*)?\.c'
only curl/curl.h 'lib/core/http(_[a-z]*)?\.[ch]'
only jv.h lib/core/json_double.c
only expat.h lib/core/xml.c
only wslay/wslay.h lib/core/websocket.c
