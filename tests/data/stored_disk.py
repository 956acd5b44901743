"""tl-stored and its disk; TAP lines for tests/54-stored-disk.t, in whose folder
it starts the store again and again.  SYNC_LOG and SYNC_SLOW are of
tests/preload/sync.c, if that is preloaded.
"""
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import raw
from raw import Answer, quote

shim = sys.argv[1] if len(sys.argv) > 1 else ''
here = os.getcwd()
top = 'root/images/'
store = None


def check(name, good, *why):
    print(('ok' if good else 'not ok') + ' - ' + name, flush=True)
    for w in () if good else why:
        print('#   ' + repr(w)[:300])


def asked(name, word, method, target, headers=(), body=b''):
    a = Answer(method, target, headers, body)
    good = a.status == int(word[:3]) if method == 'HEAD' else a.word == word
    check('%s: %s' % (name, word), good, 'got ' + a.word, log())
    return a


def start(preload=''):
    global store
    if os.path.exists('url'):
        os.unlink('url')
    env = dict(os.environ, LD_PRELOAD=preload) if preload else os.environ
    store = subprocess.Popen(
        ['tl-stored', '-d', 'root', '-c', 'keys', '-b', 'images', '-r', 'url',
         '-m', '1'], stderr=open('log', 'w'), env=env)
    end = time.time() + 20
    while not os.path.exists('url') and store.poll() is None:
        if time.time() > end:
            break
        time.sleep(0.01)
    if not os.path.exists('url'):
        check('it starts', False, log())
        stop()
        sys.exit(1)
    raw.conf.update(bucket='images', endpoint=open('url').read().strip(),
                    access_key='AK', secret_key='SK')


def stop(how=signal.SIGTERM):
    store.send_signal(how)
    store.wait()


def again():
    stop()
    start()


def log():
    return open('log', errors='replace').read()


def path(key):
    name = hashlib.sha256(key.encode()).hexdigest()
    return '%sobjects/%s/%s' % (top, name[:2], name)


def data(key):
    m = open(path(key)).read()
    return '%sdata/%s/%s' % (top, re.search('^data (.*)', m, re.M).group(1),
                             re.search('^extent (\\S*)', m, re.M).group(1))


def put(key, body):
    return Answer('PUT', key, {}, body)


def upload(key):
    return Answer('POST', key + '?uploads=').element('UploadId')


def spent():
    """Of the store, in ms of processor time."""
    f = open('/proc/%d/stat' % store.pid).read().rpartition(')')[2].split()
    return (int(f[11]) + int(f[12])) * 1000 // os.sysconf('SC_CLK_TCK')


# Folders are there to stay before anything is in them.
start(shim)
if shim:
    synced = {p for p in open('synced').read().split('\n')
              if not os.path.basename(p).startswith('url')}
    check('a new root and its bucket are synced where they are named',
          {here, here + '/root', here + '/root/images',
           here + '/root/images/objects'} <= synced, synced)

# Who reads waits for no fsync.
put('read', b'some bytes')
put('gone', b'x')
ids = [upload('parts') for i in range(2)]
parts = (b'<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s'
         b'</ETag></Part></CompleteMultipartUpload>')
parts %= Answer('PUT', 'parts?partNumber=1&uploadId=' + ids[0], {},
                b'part').headers['ETag'].encode()
for name, method, target, body in (
        ('PUT', 'PUT', 'new', b'new'), ('PUT again', 'PUT', 'new', b'newer'),
        ('create', 'POST', 'parts?uploads=', b''),
        ('a part', 'PUT', 'parts?partNumber=2&uploadId=' + ids[0], b'new'),
        ('complete', 'POST', 'parts?uploadId=' + ids[0], parts),
        ('abort', 'DELETE', 'parts?uploadId=' + ids[1], b''),
        ('DELETE', 'DELETE', 'gone', b'')) if shim else ():
    got = []
    writer = threading.Thread(target=lambda: got.append(
        Answer(method, target, {}, body).status))
    open('slow', 'w').close()
    writer.start()
    # Each fsync takes 800 ms: it is in one of them all the time.
    good, begun = True, time.time()
    while writer.is_alive() and time.time() < begun + 0.6:
        good = (Answer('GET', 'read').body == b'some bytes' and
                Answer('GET', '?list-type=2').status == 200 and
                Answer('HEAD', 'read').status == 200) and good
    took = time.time() - begun
    was = writer.is_alive()
    os.unlink('slow')
    writer.join()
    check('%s waits for the disk, and who reads does not' % name,
          good and was and got[0] // 100 == 2, good, was, got, took)
stop()
shutil.rmtree('root')
# Only here was it slow, and told.
start()

# What is damaged.
put('near', b'1')
put('far', b'2')
put('hurt', b'what it was')
whole = open(path('hurt')).read()
bytes_ = data('hurt')
opened = upload('open')


def restore():
    for p in path('hurt'), bytes_:
        if os.path.isdir(p) and not os.path.islink(p):
            shutil.rmtree(p)
        elif os.path.lexists(p):
            os.unlink(p)
    open(path('hurt'), 'w').write(whole)
    os.makedirs(os.path.dirname(bytes_), exist_ok=True)
    open(bytes_, 'w').write('what it was')


def neighbours(name):
    a = Answer('GET', '?list-type=2&prefix=')
    check(name + ': others are read, and listed', a.status == 200 and
          Answer('GET', 'near').body == b'1' and
          Answer('GET', 'far').body == b'2' and
          set(re.findall('<Key>([^<]*)', a.body.decode())) >= {'near', 'far'},
          a.word, a.body)


def sub(old, new):
    def do(m):
        open(m, 'w').write(re.sub(old, new, open(m).read(), flags=re.M))
    return do


def instead(make):
    def do(m):
        os.unlink(m)
        make(m)
    return do


damages = (
        ('empty', lambda m: open(m, 'w').close()),
        ('cut short', lambda m: os.truncate(m, 150)),
        ('one byte', lambda m: os.truncate(m, 1)),
        ('no end', sub('^end\n', '')),
        ('more behind the end', sub('^end\n', 'end\nx\n')),
        ('zeros', lambda m: open(m, 'w').write('\0' * 200)),
        ('a NUL', sub('^etag', '\0etag')),
        ('another kind', sub('^tl-object 1', 'tl-object 2')),
        ('an unknown word', sub('^etag', 'xtag')),
        ('a word alone', sub('^size.*', 'size')),
        ('the key', sub('^hurt', 'hunt')),
        ('a long key', sub('^key .', 'key 400000000')),
        ('no key', sub('^key .*', 'key ')),
        ('the size', sub('^size 11', 'size 12')),
        ('a negative size', sub('^size 11', 'size -1')),
        ('no size', sub('^size.*\n', '')),
        ('the ETag', sub('^etag .', 'etag x')),
        ('no ETag', sub('^etag .*\n', '')),
        ('data elsewhere', sub('^data .*', 'data ../../../etc')),
        ('no data', sub('^data .*\n', '')),
        ('a file elsewhere', sub('^extent \\S*', 'extent ../../../passwd')),
        ('a huge extent', sub('^extent (\\S*) 11$',
                              'extent \\1 18446744073709551615')),
        ('a date', sub('^modified .*', 'modified x')),
        ('that of another', lambda m: shutil.copy(path('near'), m)),
        ('a folder', instead(os.mkdir)),
        ('a pipe', instead(os.mkfifo)),
        ('a link', instead(lambda m: os.symlink('/etc/passwd', m))))
for i, (name, do) in enumerate(damages):
    key = 'hurt%d' % i
    put(key, b'what it was')
    do(path(key))
    asked(name, '500 InternalError', 'GET', key)
    check(name + ': it is in the log', path(key)[5:] in log(), log())
    neighbours(name)
again()
for i, (name, do) in enumerate(damages):
    key = 'hurt%d' % i
    check(name + ': it starts, and says so', path(key)[5:] in log(), log())
    asked(name + ', later', '500 InternalError', 'GET', key)
neighbours('started again')
check('nothing was swept', len(os.listdir(top + 'data')) == 4 + len(damages))
for i in range(len(damages) - 3):
    Answer('DELETE', 'hurt%d' % i)
for i in range(len(damages) - 3, len(damages)):
    p = path('hurt%d' % i)
    if os.path.isdir(p):
        os.rmdir(p)
    else:
        os.unlink(p)

restore()
again()
for name, do in (
        ('bytes missing', os.unlink),
        ('bytes cut short', lambda b: os.truncate(b, 5)),
        ('no bytes', lambda b: os.truncate(b, 0)),
        ('more bytes', lambda b: os.truncate(b, 12)),
        ('a folder for bytes', instead(os.mkdir)),
        ('a pipe for bytes', instead(os.mkfifo)),
        ('a link for bytes', instead(lambda b: os.symlink('/etc/passwd', b)))):
    restore()
    do(bytes_)
    asked(name, '500 InternalError', 'GET', 'hurt')
    asked(name, '500', 'HEAD', 'hurt')
    asked(name + ', a range', '500 InternalError', 'GET', 'hurt',
          {'Range': 'bytes=0-2'})
    check(name + ': it is in the log', bytes_[5:] in log(), log())
    neighbours(name)
    before = spent()
    time.sleep(0.1)
    check(name + ': it does not spin', spent() - before < 50)

restore()
open(path('hurt'), 'w').close()
asked('damaged: there is one', '412 PreconditionFailed', 'PUT', 'hurt',
      {'If-None-Match': '*'}, b'x')
asked('damaged: nobody knows its ETag', '500 InternalError', 'PUT', 'hurt',
      {'If-Match': '"%s"' % ('0' * 32)}, b'x')
asked('damaged: replaced', '200', 'PUT', 'hurt', {}, b'x')
asked('damaged, replaced', '200', 'GET', 'hurt')
open(path('hurt'), 'w').close()
asked('damaged: deleted', '204', 'DELETE', 'hurt')
asked('damaged, deleted', '404 NoSuchKey', 'GET', 'hurt')

m = top + 'uploads/' + opened
keep = open(m).read()
for text in '', 'x\n', keep[:60]:
    open(m, 'w').write(text)
    again()
    asked('an upload is damaged', '500 InternalError', 'GET',
          'open?uploadId=' + opened)
    asked('an upload is damaged: another', '200', 'POST', 'open?uploads=')
    asked('an upload is damaged: a list', '200', 'GET', '?uploads=')
open(m, 'w').write(keep)

# A part is damaged before its upload is complete.
PART = b'<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>'
WHOLE = b'<CompleteMultipartUpload>%s</CompleteMultipartUpload>'


def part(n, id, body):
    a = Answer('PUT', 'cut?partNumber=%d&uploadId=%s' % (n, id), {}, body)
    return PART % (n, a.headers['ETag'].encode())


def part_file(id):
    d = top + 'data/' + id + '/'
    return d + os.readlink(d + '00001')


put('cut', b'what was there before')
hurt_, well = upload('cut'), upload('cut')
list_ = {id: WHOLE % (part(1, id, b'first') + part(2, id, b'second'))
         for id in (hurt_, well)}
for name, word, do in (
        ('cut short', '400 InvalidPart', lambda p: os.truncate(p, 3)),
        ('empty', '400 InvalidPart', lambda p: os.truncate(p, 0)),
        ('longer', '400 InvalidPart', lambda p: open(p, 'a').write('x')),
        ('a folder', '400 InvalidPart', instead(os.mkdir)),
        ('missing', '500 InternalError', os.unlink)):
    name = 'a part is ' + name
    p = part_file(hurt_)
    do(p)
    if name.endswith('short'):
        again()
    asked(name, word, 'POST', 'cut?uploadId=' + hurt_, {}, list_[hurt_])
    check(name + ': it is in the log', top[5:] + 'uploads/' + hurt_ +
          ': part 00001' in log(), log())
    asked(name + ': the list of parts', '500 InternalError', 'GET',
          'cut?uploadId=' + hurt_)
    check(name + ': the object is what it was',
          Answer('GET', 'cut').body == b'what was there before')
    neighbours(name)
    if os.path.isdir(p):
        os.rmdir(p)
    part(1, hurt_, b'first')
asked('a part was damaged: another upload', '200', 'POST',
      'cut?uploadId=' + well, {}, list_[well])
put('cut', b'')
asked('a part was damaged, and sent again', '200', 'POST',
      'cut?uploadId=' + hurt_, {}, list_[hurt_])
check('a part was damaged, and sent again: all of it',
      Answer('GET', 'cut').body == b'firstsecond')
Answer('DELETE', 'cut')

# What a crash leaves behind.
again()
swept = upload('swept')
for n in 1, 2:
    Answer('PUT', 'swept?partNumber=%d&uploadId=%s' % (n, swept), {},
           b'part %d' % n)


def files():
    return sorted(os.path.join(d, f) for d, _, fs in os.walk('root')
                  for f in fs)


before = files()
u = top + 'data/' + swept + '/'
nobody = top + 'data/' + '0123456789abcdef' * 2
os.mkdir(nobody)
for name in (u + '.tmp-0123456789abcdef', u + 'a' * 32 + '-01234567',
             nobody + '/.tmp-0', top + 'objects/.tmp-0',
             top + 'objects/00/.tmp-0', top + 'uploads/.tmp-0'):
    open(name, 'w').close()
os.symlink('x', u + '.link-01234567')
# An upload whose data went first.
text = open(top + 'uploads/' + swept).read()
open(top + 'uploads/' + '7' * 32, 'w').write(
    text.replace(swept, '7' * 32))
stop(signal.SIGKILL)
start()
check('after a crash: what is half done is gone, and nothing else',
      files() == before, set(files()) ^ set(before))
check('after a crash: its folder, too', not os.path.exists(nobody))
a = Answer('GET', 'swept?uploadId=' + swept)
check('after a crash: the parts are there', a.body.count(b'<Part>') == 2, a)
check('after a crash: nothing to log', log() == '', log())
stop()

# Many keys.  What reads all of them for each page takes seconds.
shutil.rmtree('root')
many = ['many/%05d' % i for i in range(20000)]
for i, key in enumerate(many):
    os.makedirs(os.path.dirname(path(key)), exist_ok=True)
    open(path(key), 'w').write(
        'tl-object 1\nkey %d\n%s\netag %032x\nsize 0\nmodified 1\n'
        'data %032x\nextent %032x-00000000 0\nend\n' %
        (len(key), key, i, i, i))
start()
for size in 1000, 100:
    seen, token, begun = [], '', spent()
    while True:
        a = Answer('GET', '?list-type=2&max-keys=%d' % size + token)
        seen += re.findall('<Key>([^<]*)', a.body.decode())
        if a.element('IsTruncated') != 'true':
            break
        token = '&continuation-token=' + a.element('NextContinuationToken')
    took = spent() - begun
    check('20,000 keys, %d a page' % size, seen == many)
    check('20,000 keys, %d a page: each is looked at once' % size,
          took < 2000, took)
    print('#   %d ms of processor time' % took)
a = Answer('GET', '?list-type=2&prefix=many%2F1999&delimiter=9').body.decode()
check('groups of them', re.findall('<CommonPrefixes><Prefix>([^<]*)', a) ==
      ['many/19999'] and a.count('<Key>') == 9, a)
stop()
