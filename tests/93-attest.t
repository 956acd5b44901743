#!/bin/sh
# A region that requires receipts: builds on either path have one, and what has
# none is refused; keys are replaced while it runs

. "${0%/*}/lib.sh"
. "$here/region.sh"

try 'no such word' tl-region up --attest maybe
exits 64
says 'accept, require or ignore'
# registered NAME: whether the last image has a receipt, and by the key that
# signs now
registered () {
	key_=$(tl-dataplaned --show-attest-key "$TL_REGION_DIR/attest.key" |
	    cut -d' ' -f2 | /usr/bin/python3 -c 'import sys, hashlib
print(hashlib.sha256(bytes.fromhex(sys.stdin.read())).hexdigest()[:16])')
	is "$1: by whom" "$(tl-region logs platformd | grep ': registered as' |
	    tail -n 1 | sed 's/.*, attested by //')" "$key_"
}
region --attest require
try 'a build' tl-build -n one "$data/scratch"
exits 0
registered 'a build'
cp "$TL_REGION_DIR/attest.keys" keys
tl-dataplaned --make-attest-key "$T/new" >>"$TL_REGION_DIR/attest.keys"
mv new "$TL_REGION_DIR/attest.key"
try 'a build with another key' tl-build -n two "$data/scratch"
exits 0
registered 'a build with another key'
tl-region down
mv keys "$TL_REGION_DIR/attest.keys"
tl-region up --attest require --answer legacy 2>/dev/null
is 'the key that signs is one that is known' \
    "$(wc -l <"$TL_REGION_DIR/attest.keys")" 2
try 'a build, legacy' tl-build -n three "$data/scratch"
exits 0
registered 'a build, legacy'

# A client that asks for none
mkdir bin
cp "$TL_BIN"/* bin
rm bin/tl-attest
printf '#!/bin/sh\necho "{}"\n' >bin/tl-attest
chmod 755 bin/tl-attest
PATH=$T/bin:$PATH
try 'a client that asks for none' tl-build --work w -n four "$data/scratch"
exits 77
says 'attestation: missing'
nothing_left 'a client that asks for none'
tl-region down
tl-region up 2>/dev/null
try 'its build, resumed where none is required' tl-build --resume w
exits 0
try 'it is there' tl-image show four
exits 0
