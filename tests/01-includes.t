#!/bin/sh
# Who includes whom: one way between the parts of lib, and each library that
# only one of them is to know.

. "${0%/*}/lib.sh"
root=$here/..

# A line a file and what it includes of ours: "folder folder", lib/ left out;
# a folder is core, build/x, region/x ...
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
ok "the client's side stands on core" test -n "$(arrows build core)"
is "core stands on nothing" "$(arrows core 'build|region|cmd')" ''
is "the client's side knows no server" "$(arrows build region)" ''
is "the servers know nothing of the client's side" \
    "$(arrows region build)" ''
is "nothing in lib includes a program" \
    "$(grep '^lib/.*"cmd/' all)" ''
ok "folders of lib stand on each other in one direction" tsort edges

only microhttpd.h 'lib/region/serve/serve(_[a-z]*)?\.c'
only curl/curl.h lib/core/http.c
only jv.h lib/core/json.c
