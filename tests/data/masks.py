#!/usr/bin/python3
"""Foreign text in every place where a program can find some; TAP lines for
tests/05-masks.t.

    masks.py FOLDER SCRIPT

FOLDER has the documents of a build (tests/scripted.sh) that say @URL@ where the
server is, SCRIPT the rules of a server (tests/peer.py) that suits them.  Each
program is run once as it should be; then with text that drives terminals in
place of each of its arguments, of each variable, of each string of what it
reads, and of each answer it gets.  Whatever it makes of that: its lines on
stderr are its own, one message each, and neither they nor a terminal that is
its stdout get a byte of it raw.
"""
import concurrent.futures
import copy
import json
import os
import pty
import re
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
import tty

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
import peer                                     # noqa: E402

WORKERS = 4
# An escape, a title, newlines, a backspace, DEL, C1 in UTF-8; so long that
# every message cuts it, and somewhere within a character.
EVIL = ('e\x1b[31m\x1b]0;t\x07\n\rQ\b\x7f\x9b31m\x85Q\x90' + 'é☺' * 1200)
# For what need not be UTF-8: C1 as single bytes, and stray ones.
RAW = EVIL[:30].encode() + b'\x9b31m\xff\xc3\xe2\x98' + b'\xc3\xa9' * 1200
NAME = RAW[:60].replace(b'/', b'')
ENV = ('TENSORLAKE_API_URL TENSORLAKE_API_KEY TENSORLAKE_ORGANIZATION_ID '
       'INDEXIFY_NAMESPACE TENSORLAKE_SANDBOX_PROXY_URL TL_TOKEN_FILE '
       'TL_SANDBOX TL_SIGNER TL_LEDGER TL_CA_BUNDLE TL_DEADLINE '
       'TL_LEAVE_OUT TL_SIGN_DIALECT http_proxy SOURCE_DATE_EPOCH '
       'DOCKER_CONFIG DOCKER_AUTH_CONFIG REGISTRY_AUTH_FILE TL_BUILDER_COMMAND '
       'XDG_RUNTIME_DIR XDG_STATE_HOME XDG_CONFIG_HOME TMPDIR HOME').split()
folder, script = sys.argv[1:3]


def leaves(v, path=()):
    """Where the strings of a JSON value are."""
    if isinstance(v, str):
        return [path]
    items = v.items() if isinstance(v, dict) else \
        enumerate(v) if isinstance(v, list) else ()
    return [p for k, w in items for p in leaves(w, path + (k,))]


def planted(v, path, text):
    v = copy.deepcopy(v)
    at = v
    if not path:
        return text
    for k in path[:-1]:
        at = at[k]
    at[path[-1]] = text
    return v


def xml(s):
    return ''.join('&#%d;' % ord(c) if c in '\r\n\x7f\x9b\x85\x90' else
                   '' if c < ' ' else c for c in s)


class Script(peer.Script):
    """Its answers as they are, but for the one that is to be evil."""
    nth, how = None, None

    def begin(self, nth, how):
        with self.lock:
            self.nth, self.how, self.n = nth, how, 0
            self.used = [0] * len(self.rules)
            self.gave = []

    def take(self, request, body):
        with self.lock:
            rule, answer = self.choose(request['method'], request['target'],
                                       body)
            self.gave.append(answer)
            self.n += 1
            return self.how(answer) if self.n - 1 == self.nth else answer


# What may become of an answer.
def error_json(a):
    return {'status': 409, 'json': {
        'error': {'message': EVIL, 'code': EVIL}, 'message': EVIL}}


def error_raw(a):
    return {'status': 404, 'raw_body': RAW}


def error_xml(a):
    return {'status': 400, 'body': '<Error><Code>%s</Code><Message>%s'
            '</Message></Error>' % (xml(EVIL[:60]), xml(EVIL[:300]))}


def error_head(a):
    text = EVIL.replace('\n', '').replace('\r', '')[:200]
    return {'status': 403, 'reason': text, 'body': '', 'headers': {
        'Location': text, 'WWW-Authenticate': text, 'Retry-After': text,
        'ETag': text, text: text, 'Content-Type': text}}


def elsewhere(a):
    return {'status': 302, 'headers': {'Location': 'http://' + EVIL[:3] +
                                       '\x9b\x7f.example/' + EVIL[:3]}}


def no_http(a):
    return {'raw': EVIL}


def no_json(a):
    return {**{k: v for k, v in a.items() if k == 'status'},
            'raw_body': b'{"a' + RAW}


def headers(a):
    text = EVIL.replace('\n', '').replace('\r', '')[:200]
    return {**a, 'headers': {'ETag': text, 'Content-Type': text}}


ALWAYS = error_json, error_raw
# Of these two each, in turn.
SOMETIMES = error_xml, error_head, elsewhere, no_http, no_json, headers


class Answers(peer.Peer):
    def answer(self, a, method):
        if 'raw_body' in a:
            body = a['raw_body']
            self.head('HTTP/1.1 %d X\r\n' % a.get('status', 200),
                      {'Content-Length': len(body)})
            if method != 'HEAD':
                self.wfile.write(body)
            return True
        return super().answer(a, method)


class Place:
    """A folder, and a server with it."""

    def __init__(self, n):
        self.script = Script(script, '/dev/null')
        self.server = peer.Server(('127.0.0.1', 0), Answers)
        self.server.script = self.script
        url = 'http://127.0.0.1:%d' % self.server.server_address[1]
        self.script.url = url
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()
        self.dir = os.path.abspath('%s.%d' % (folder, n))
        shutil.copytree(folder, self.dir, symlinks=True)
        os.mkfifo(os.fsencode(self.path('context/')) + NAME + b'.pipe')
        for name in os.listdir(self.dir):
            path = os.path.join(self.dir, name)
            if os.path.isfile(path):
                text = open(path, 'rb').read()
                open(path, 'wb').write(text.replace(b'@URL@', url.encode()))
        self.env = dict(os.environ, TENSORLAKE_API_URL=url,
                        TL_RETRY_SECOND_MS='1')

    def path(self, name):
        return os.path.join(self.dir, name)

    def run(self, argv, data=b'', env={}, pipe=False):
        """What came on stdout, which is a terminal, and on stderr."""
        if pipe:
            p = subprocess.run(argv, cwd=self.dir, input=data, env={
                **self.env, **env}, capture_output=True, timeout=30)
            return p.returncode, b'', p.stderr
        with open(self.path('in'), 'wb') as f:
            f.write(data)
        master, slave = pty.openpty()
        tty.setraw(slave)
        with open(self.path('in'), 'rb') as stdin:
            p = subprocess.Popen(argv, cwd=self.dir, stdin=stdin,
                                 stdout=slave, stderr=subprocess.PIPE,
                                 env={**self.env, **env})
        os.close(slave)
        err = p.stderr.fileno()
        got = {master: b'', err: b''}
        left = set(got)
        while left:
            for fd in select.select(list(left), [], [], 30)[0]:
                try:
                    piece = os.read(fd, 65536)
                except OSError:
                    piece = b''
                got[fd] += piece
                if not piece:
                    left.discard(fd)
        os.close(master)
        p.stderr.close()
        return p.wait(), got[master], got[err]


def unfit(text, also=b''):
    """The first thing in it that no terminal should get."""
    try:
        s = text.decode()
    except UnicodeDecodeError as e:
        return 'bytes that are no UTF-8: %r' % text[max(e.start - 20, 0):][:40]
    m = re.search('[\x00-\x09\x0b-\x1f\x7f-\x9f]' if not also else
                  '[\x00-\x08\x0b-\x1f\x7f-\x9f]', s)
    return m and 'a control character: %r' % s[max(m.start() - 20, 0):][:40]


def verdict(status, out, err, ours=r'tl[a-z0-9-]*: '):
    """None, or what is wrong."""
    if status < 0 and status != -13:
        return 'killed by signal %d' % -status
    why = unfit(out, True)
    if why:
        return 'on the terminal ' + why
    why = unfit(err)
    if why:
        return 'on stderr ' + why
    for line in err.decode().split('\n')[:-1]:
        if not re.match(ours + r'|usage: |  |       |[<>] ', line):
            return 'a line of its own: %r' % line[:100]
        if len(line.encode()) > 4096:
            return 'a line of %d bytes' % len(line.encode())
    return None if not err or err.endswith(b'\n') else 'no end of a line'


class Row:
    """A program, its arguments, what it reads; flags:

    net     its answers are tried       env     so is each variable
    data    stdout has bytes as they are, so it is no terminal
    text    what it reads is no JSON    words   any argument is right
    """

    def __init__(self, program, args, stdin=None, flags=''):
        self.program, self.stdin = program, stdin
        self.args = args.split() if isinstance(args, str) else args
        self.flags = flags.split()
        self.argv = [program] + self.args
        self.name = ' '.join(self.argv)


C = '-v -c signer.conf'
P = 'prepared.json'
S = '-v -s sandbox.json'
# A builder's output.
SAYS = ['--work', 'g', '--', 'sh', '-c', 'printf %s "$EVIL" >&2; exit 1']
ROWS = [Row(*r) for r in (
    ('tl-plan', '-v -f - -n x context', 'context/Dockerfile', 'text'),
    ('tl-plan', '-v --import docker.io/library/redis:7'),
    ('tl-lower', '-v -c context context/Dockerfile'),
    ('tl-docker-config', '-v -r r.example', 'plan.json', 'env'),
    ('tl-splice', '-v -p plan.json --docker-config docker.json prepared.json '
                  'signed.json'),
    ('tl-context', '-v --list -f context/Dockerfile context', None, 'env'),
    ('tl-context', '-v context', None, 'data'),
    ('tl-config', '--show -v', None, 'env'),
    ('tl-requests', '-v --dialect auto', 'plan.json'),
    ('tl-prepare', '-v', 'plan.json', 'net'),
    ('tl-sandbox', '-v create', P, 'net env'),
    ('tl-sandbox', '-v create --image n', None, 'net'),
    ('tl-sandbox', '-v wait --timeout 1', 'sandbox.json', 'net'),
    ('tl-sandbox', '-v show', 'sandbox.json', 'net'),
    ('tl-sandbox', '-v rm --timeout 1', 'sandbox.json', 'net'),
    ('tl-sign', S, P, 'net'),
    ('tl-attest', S + ' -p prepared.json', 'metadata.json', 'net'),
    ('tl-complete', '-v -p prepared.json -s signed.json', 'metadata.json',
     'net'),
    ('tl-complete', '-v -p prepared.json -a attested.json metadata.json'),
    ('tl-image', '-v ls', None, 'net'),
    ('tl-image', '-v ls --json', None, 'net'),
    ('tl-image', '-v show n', None, 'net'),
    ('tl-image', '-v digest n', None, 'net'),
    ('tl-image', '-v get --signer signer.conf --snapshot n', None, 'net data'),
    ('tl-image', '-v get -s sandbox.json --snapshot n', None, 'net data'),
    ('tl-image', '-v rm n', None, 'net'),
    ('tl-image', '-v register --dockerfile plan.json n s-1', None, 'net'),
    ('tl-put', S + ' /x', 'snapshot', 'net text'),
    ('tl-get', S + ' /x', None, 'net data'),
    ('tl-exec', S + ' --cwd / -- true', None, 'net words'),
    ('tl-exec', S + ' --builder prepared.json', None, 'net words'),
    ('tl-diagnose', S + ' -t 1 --log log', None, 'net'),
    ('tl-abort', '-v -t 1', 'signed.json', 'net'),
    ('tl-expires', '-v', 'expires.json'),
    ('tl-upload', '-v -t 1 -J journal snapshot', 'block.json', 'net'),
    ('tl-presign', C + ' -p p1 -u u-1', 'request.json'),
    ('tl-presign', C + ' -p p1', 'request.json', 'net'),
    ('tl-multipart', C + ' create a/b', None, 'net'),
    ('tl-multipart', C + ' abort a/b u-1', None, 'net'),
    ('tl-multipart', C + ' list a/b', None, 'net'),
    ('tl-multipart', C + ' release a/b', None, 'net'),
    ('tl-reap', '-v -t 1 old.ledger', None, 'net'),
    ('tl-changed', '-v --state state work', None, 'net'),
    ('tl-ext4', '-v cat image /hello', None, 'data'),
    ('tl-ext4', 'tar image', None, 'data'),
    ('tl-snapshot', '-v cat image /hello', None, 'data'),
    ('tl-snapshot', '-v check image'),
    ('tl-snapshot', 'pack -c plan.json -p snapshot image 1000 x'),
    ('tl-unpack', '--folder unpacked --signer signer.conf n'),
    ('tl-region', '--dir d status'),
    ('tl-region', '--dir d logs x'),
    ('tl-region', '--dir d up --port x'),
    ('tl-region', '--dir d up --answer x'),
    ('tl-guard', '-v --work g --label l --program p --progress plain -- true',
     None, 'shown'),
    ('tl-guard', SAYS, None, 'shown'),
    ('tl-guard', ['--progress', 'json'] + SAYS, None, 'shown'),
    ('tl-guard', ['--progress', 'none'] + SAYS, None, 'shown'),
    ('tl-build', '-v --work b --docker-config docker.json context', None,
     'shown'),
    ('tl-runtime', '-n x folder'),
    ('tl-stored', '-d objects -c none -b images'),
    ('tl-dataplaned', '-c none -s . -l unix:/nowhere/s'),
    ('tl-platformd', '--keys none --db db --reader signer.conf'),
    ('tl-sandboxd', '-k none -s state -l x'),
)]

# In place of what a file of lines has: E is the text.
LINES = [(Row(*r), name, lines) for r, name, lines in (
    (('tl-plan', '-v -f x.Dockerfile context'), 'x.Dockerfile', (
        'FROM E', 'FROM a\nE x', 'FROM a\nCOPY --E=1 x y', 'FROM --E a',
        'FROM a AS E', 'ARG E\nFROM a', 'ARG V=E\nFROM $V', 'FROM ${E}',
        '# syntax=E\nFROM a', '# E=1\nFROM a', 'FROM a\nRUN <<E\nx',
        'FROM a\nCOPY --from=E a b', 'FROM a\nCOPY --from=a:E a b',
        'FROM a\nENV E', 'FROM a\nEXPOSE E', 'FROM a\nHEALTHCHECK E',
        'FROM a\nONBUILD E x', 'FROM a\nADD --checksum=E x y',
        'FROM a\nRUN --mount=type=E true', 'FROM a\nRUN --mount=from=E true',
        'FROM a b E', 'FROM a\nSTOPSIGNAL E', 'E', '# escape=E\nFROM a')),
    (('tl-lower', '-v -c context -d made x.Dockerfile'), 'x.Dockerfile', (
        'FROM a\nCOPY --E=1 x y', 'FROM a\nCOPY --chmod=E hello y',
        'FROM a\nCOPY --exclude=E * /', 'FROM a\nADD --checksum=E x y',
        'FROM a\nCOPY <<E x\na', 'FROM a\nCOPY E /', 'E',
        'FROM a\nCOPY --parents E /', 'FROM a\nRUN <<E\nx')),
    (('tl-context', '-v --list context'), 'context/.dockerignore',
     ('E', '[E', '!E', '**/E\\')),
    (('tl-image', '-v ls'), '.config/tl/config',
     ('E = x', 'api_url = E', 'E', 'api_url = http://E/', 'token_file = E',
      'ca_bundle = E', 'organization = E', 'project = E', 'namespace = E')),
    (('tl-config', '--show'), '.config/tl/config',
     ('E = x', 'api_url = E', 'E', 'token_file = E', 'project = E')),
    (('tl-presign', C + ' -p p1 -u u', 'request.json'), 'signer.conf',
     ('E = x', 'bucket = E', 'endpoint = E', 'E', 'region = E',
      'addressing = E', 'bucket = b\nendpoint = http://E')),
    (('tl-docker-config', '-v', 'plan.json'), '.docker/config.json', (
        '{"credHelpers":{"docker.io":E}}', '{"credsStore":E}',
        '{"auths":{E:{"auth":"dTpw"}}}', '{"auths":{"docker.io":{"auth":E}}}',
        '{"auths":{"docker.io":E}}', '{"credHelpers":{E:"none"}}', '{E',
        '{"auths":E}', '{"credsStore":"evil"}', '{"credsStore":"worse"}')),
    (('tl-reap', '-v -t 1 x.ledger'), 'x.ledger', (
        'A folder E', 'A intent sandbox k as @URL@ E {}',
        'A intent sandbox k as E ns {}', 'A intent sandbox k as @URL@ ns E',
        'A intent sandbox E as @URL@ default {}\nA made sandbox E E',
        'A intent upload E as @URL@ default {}\nA made upload E E',
        'A intent template E as @URL@ default {}', 'E')),
    (('tl-reap', '-v -n x.ledger'), 'x.ledger', (
        'A intent sandbox E as @URL@ default {}\nA made sandbox E E',
        'A intent template E as E E {}')),
    (('tl-upload', '-v -t 1 -J journal snapshot', 'block.json'), 'journal',
     ('E', 'tl-upload 1 E')),
    (('tl-splice', 'prepared.json -', 'signed.json'), P, ('E', '{"E')),
    (('tl-stored', '-d o -c x.keys -b images -l x'), 'x.keys',
     ('E', 'a b E', 'E E E E')),
    (('tl-platformd', '--keys x.keys --db db --reader signer.conf '
      '--listen x'), 'x.keys', ('E', 'key E', 'key E k o p')),
    (('tl-stored', '-d o -c store.keys -b images --fault x.fault -l x'),
     'x.fault', ('E', 'put E', 'E status 500')),
    (('tl-dataplaned', '-c x.conf -s . -l unix:/nowhere/s'), 'x.conf',
     ('E = x', 'bucket = E', 'endpoint = E', 'E')),
    (('tl-diagnose', S + ' -t 1 --log log', None), 'log',
     ('write /E: no space left on device', 'E: Killed', 'exit code: 137 E')),
    (('tl-get', '-v -s sandbox.json -o E/x /y'), 'none', ('',)),
    # context/E is a file.
    (('tl-unpack', '--folder context/E/x n'), 'none', ('',)),
)]


def quoted(row, line, raw):
    """The line with the text in the place of E; JSON where it is JSON."""
    text = RAW.replace(b'\n', b'') if raw else \
        EVIL.replace('\n', '').encode()
    line = line.replace('A ', '2026-11-24T12:00:00Z ')
    if line.startswith('{'):
        text = json.dumps(EVIL, ensure_ascii=False).encode()
    elif 'ledger' in ' '.join(row.args):
        text = text.replace(b' ', b'')
    return line.encode().replace(b'E', text)


def documents(row):
    """The names of files of JSON among its arguments and on its stdin."""
    names = [a for a in row.args if a.endswith('.json')]
    return names + ([row.stdin] if row.stdin and row.stdin.endswith('.json')
                    and 'text' not in row.flags else [])


def put(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(fd, 'wb') as f:
        f.write(text)


class Tried:
    def __init__(self, row):
        self.row, self.n, self.wrong = row, 0, []

    def run(self, place, what, argv=None, env={}, nth=None, how=None,
            data=None):
        row = self.row
        place.script.begin(nth, how)
        if data is None:
            data = open(place.path(row.stdin), 'rb').read() if row.stdin \
                else b''
        ours = r'.*' if 'shown' in row.flags else r'tl[a-z0-9-]*: '
        self.n += 1
        try:
            got = place.run(argv or row.argv, data, env, 'data' in row.flags)
            why = verdict(*got, ours)
        except subprocess.TimeoutExpired:
            why = 'does not end'
        if why:
            self.wrong.append('%s: %s' % (what, why))
        # The next one finds nothing of it, whichever that is.
        for name in b'w', b'journal', b'made', b'g', b'b', b'x', NAME:
            path = os.path.join(os.fsencode(place.dir), name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)


def try_row(row, place):
    t = Tried(row)
    t.run(place, 'as it is')
    asked = list(place.script.gave) if 'net' in row.flags else []
    for i, a in enumerate(row.args):
        if a == '--':
            break
        if not a.startswith('-'):
            argv = list(row.argv)
            argv[i + 1] = NAME
            t.run(place, 'argument %d' % (i + 1), argv)
    t.run(place, 'an option', [row.program, b'--' + NAME] + row.args)
    for name in ENV if 'env' in row.flags else ():
        t.run(place, name, env={name: NAME.decode(errors='surrogateescape')})
    for name in documents(row):
        path = place.path(name)
        was = open(path, 'rb').read()
        v = json.loads(was)
        texts = [(str(p), json.dumps(planted(v, p, EVIL), ensure_ascii=False)
                  .encode()) for p in leaves(v)]
        texts += [('a member', json.dumps({EVIL: EVIL, **v},
                                          ensure_ascii=False).encode()),
                  ('no UTF-8', b'{"a":"' + RAW), ('no JSON', RAW)]
        for what, text in texts:
            put(path, text)
            t.run(place, '%s %s' % (name, what))
        put(path, was)
    for i, a in enumerate(asked):
        turn = (len(row.name) + i) % 6
        for how in ALWAYS + (SOMETIMES * 2)[turn:turn + 2]:
            t.run(place, 'answer %d %s' % (i, how.__name__), nth=i, how=how)
        for member in 'json', 'events':
            for p in leaves(a.get(member)):
                t.run(place, 'answer %d %s' % (i, p), nth=i, how=lambda a: {
                    **a, member: planted(a[member], p, EVIL)})
    return t


def try_lines(entry, place):
    row, name, lines = entry
    t = Tried(row)
    path = place.path(name)
    was = open(path, 'rb').read() if os.path.exists(path) else None
    for i, line in enumerate(lines):
        # As text and as bytes in turn; a file of few lines has both.
        for raw in (False, True) if len(lines) < 9 else (i % 2 == 1,):
            put(path, quoted(row, line, raw).replace(
                b'@URL@', place.script.url.encode()) + b'\n')
            t.run(place, '%r in %s' % (line, name),
                  [a.encode().replace(b'E/', NAME + b'/')
                   for a in row.argv],
                  env={'HOME': place.dir})
    if was is not None:
        put(path, was)
    elif os.path.exists(path):
        os.unlink(path)
    return t


DAEMONS = (
    ('tl-stored', '-v -d o -c store.keys -b images -r up'),
    ('tl-platformd', '-v --keys keys --db db --reader signer.conf --ready up'),
    ('tl-dataplaned', '-v -c signer.conf -s . -l unix:%s/s -r up'),
)


def ask(place, request):
    """Send it, whatever it is, and read what comes."""
    url = open(place.path('up')).read().strip()
    if url.startswith('unix:'):
        s = socket.socket(socket.AF_UNIX)
        s.connect(url[5:])
    else:
        s = socket.create_connection(url[7:].split(':'))
    with s:
        s.settimeout(20)
        s.sendall(request)
        s.shutdown(socket.SHUT_WR)
        try:
            while s.recv(65536):
                pass
        except OSError:
            pass


def try_daemon(entry, place):
    """What is in its log of requests."""
    t = Tried(Row(*entry))
    argv = [a.replace('%s', place.dir) for a in t.row.argv]
    if os.path.exists(place.path('up')):
        os.unlink(place.path('up'))
    os.makedirs(place.path('o'), exist_ok=True)
    with open(place.path('err'), 'wb') as err:
        p = subprocess.Popen(argv, cwd=place.dir, env=place.env, stderr=err)
    while not os.path.exists(place.path('up')) and p.poll() is None:
        time.sleep(0.01)
    evil = RAW.replace(b'\n', b'').replace(b'\r', b'')[:300]
    key = b'Authorization: Bearer ' + open(place.path('keys'), 'rb').read() \
        .split()[1] + b'\r\n'
    for head in (b'GET /' + evil, b'GET /images/x?' + evil, evil + b' /',
                 b'POST /platform/v1/' + evil, b'PUT /images/' + evil,
                 b'GET /v1/namespaces/' + evil + b'/sandboxes',
                 b'POST /organizations/org_1/projects/proj_1/'
                 b'sandbox-template-builds'):
        for header in (b'', key, evil + b': ' + evil + b'\r\n',
                       b'Authorization: ' + evil + b'\r\n',
                       b'Host: ' + evil + b'\r\n'):
            t.n += 1
            body = b'{"a' + evil
            if p.poll() is None:
                ask(place, b'%s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s'
                    % (head, header, len(body), body))
    p.terminate()
    p.wait()
    err = open(place.path('err'), 'rb').read()
    why = verdict(p.returncode, b'', err, r'(\S+Z )?tl-[a-z]*: ')
    if why or p.returncode or err.count(b'\n') < t.n / 4:
        t.wrong.append(why or 'ended with %d, or logs nothing: %r' %
                       (p.returncode, err[-300:]))
    return t


def prepare():
    """What a build's folder has besides."""
    def at(name):
        return os.path.join(folder, name)
    for n, name in enumerate((b'', b'.pem', b'.env')):
        open(os.path.join(os.fsencode(at('context')), NAME + name), 'w').close()
    os.mkdir(at('work'))
    for name in 'plan.json', 'inputs':
        shutil.copy(at('plan.json'), at('work/' + name))
    put(at('old.ledger'), b'2026-11-24T12:00:00Z intent sandbox k as @URL@ '
        b'default {}\n2026-11-24T12:00:00Z made sandbox k sbx-1\n')
    put(at('log'), b'Killed\n')
    put(at('image'), RAW * 1000)
    for name, script_ in (
            ('evil', b'cat >/dev/null; printf "%s" "$EVIL" | tee /dev/stderr;'
             b' exit 1'),
            ('worse', b'cat >/dev/null; printf \'{"ServerURL":"%s",'
             b'"Username":"u\\033","Secret":"%s"}\' "$EVIL" "$EVIL"')):
        put(at('bin/docker-credential-' + name), b'#!/bin/sh\n' + script_)
        os.chmod(at('bin/docker-credential-' + name), 0o755)
    os.environ['PATH'] = os.path.abspath(at('bin')) + ':' + os.environ['PATH']
    os.environb[b'EVIL'] = RAW[:200]


def main():
    prepare()
    places = [Place(n) for n in range(WORKERS)]
    free = list(places)
    lock = threading.Lock()

    def one(how, what):
        with lock:
            place = free.pop()
        try:
            return how(what, place)
        finally:
            with lock:
                free.append(place)

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        jobs = [pool.submit(one, try_row, row) for row in ROWS] + \
            [pool.submit(one, try_lines, entry) for entry in LINES] + \
            [pool.submit(one, try_daemon, entry) for entry in DAEMONS]
        for job in jobs:
            t = job.result()
            print('%s - %s: %d texts' % ('not ok' if t.wrong else 'ok',
                                         t.row.name, t.n))
            for why in t.wrong[:5]:
                print('#   ' + why)
            sys.stdout.flush()


main()
