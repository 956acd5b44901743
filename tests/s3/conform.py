#!/usr/bin/python3
"""One table of what S3 answers, asked of a store: conform.py CONF [STORE]

CONF is a signer's configuration.  Prints TAP lines for lib.sh.  What a row
expects is what S3's documents say: its API reference under the operation that
the row names, and the user guide's "Conditional requests" and "Checking object
integrity".  STORE is swift, ceph, or nothing for tl-stored.  Where a store
differs, differs.py says how.  The rows on what is not known are for tl-stored
only: S3 and the others pass over some of that, tl-stored refuses all.
"""
import base64
import hashlib
import re
import sys
import time
import zlib
from urllib.parse import unquote

import differs
import raw
from raw import Answer, quote

raw.read(sys.argv[1])
store = sys.argv[2] if len(sys.argv) > 2 else ''
other_words = {name: word for word, names in
               getattr(differs, store, {}).items() for name in names}
missed = []


def check(name, good, *why):
    good = good or name in other_words
    if not good:
        missed.append(('not so', name))
    print(('ok' if good else 'not ok') + ' - ' + name)
    for w in () if good else why:
        print('#   %s' % repr(w)[:300])


def row(name, method, target, headers, body, want, then=None):
    """One exchange; then() looks at what came, if that is as S3 has it."""
    a = Answer(method, target, headers, body)
    word = str(a.status) if method == 'HEAD' else a.word
    if other_words.get(name) == word:
        want, then = word, None
    good = word == (want[:3] if method == 'HEAD' else want)
    if good and then is not None:
        try:
            good = then(a)
        except Exception:
            good = False
    print('%sok - %s: %s' % ('' if good else 'not ', name, want))
    if not good:
        print('#   got', word, a.headers.items(), a.body[:200])
        missed.append((word, name))
    return a


def b64(b):
    return base64.b64encode(b).decode()


def crc(b, poly, bits):
    """A reflected CRC, bit by bit."""
    mask = (1 << bits) - 1
    n = mask
    for byte in b:
        n ^= byte
        for _ in range(8):
            n = n >> 1 ^ (poly if n & 1 else 0)
    return b64(((n ^ mask) & mask).to_bytes(bits // 8, 'big'))


def sums(b):
    return {'crc32': b64(zlib.crc32(b).to_bytes(4, 'big')),
            'crc32c': crc(b, 0x82f63b78, 32),
            'crc64nvme': crc(b, 0x9a6c9329ac4bc9b5, 64),
            'sha1': b64(hashlib.sha1(b).digest()),
            'sha256': b64(hashlib.sha256(b).digest())}


date = '%a, %d %b %Y %H:%M:%S GMT'
past = time.strftime(date, time.gmtime(time.time() - 86400))
future = time.strftime(date, time.gmtime(time.time() + 86400))
asctime = time.strftime('%a %b %d %H:%M:%S %Y',
                        time.gmtime(time.time() - 86400))
other = '"%s"' % ('0' * 32)


def is_now(key, body):
    a = Answer('GET', key)
    return a.status == 200 and a.body == body


# GetObject, HeadObject: conditions
a = row('PUT', 'PUT', 'c/a', {}, b'abcdef', '200')
etag = a.headers['ETag']
plain = etag.strip('"')
modified = Answer('HEAD', 'c/a').headers['Last-Modified']
no_body = dict(then=lambda a: a.body == b'')
for m in 'GET', 'HEAD':
    def ask(what, headers, want, m=m, **kw):
        row(m + ' ' + what, m, 'c/a', headers, b'', want, **kw)
    bad = '412 PreconditionFailed'
    ask('If-Match', {'If-Match': etag}, '200')
    ask('If-Match *', {'If-Match': '*'}, '200')
    ask('If-Match, no quotes', {'If-Match': plain}, '200')
    ask('If-Match, a list', {'If-Match': '%s, %s' % (other, etag)}, '200')
    ask('If-Match, weak', {'If-Match': 'W/' + etag}, bad)
    ask('If-Match, another', {'If-Match': other}, bad)
    ask('If-None-Match', {'If-None-Match': etag}, '304', **no_body)
    ask('If-None-Match *', {'If-None-Match': '*'}, '304', **no_body)
    ask('If-None-Match, weak', {'If-None-Match': 'W/' + etag}, '304')
    ask('If-None-Match, a list', {'If-None-Match': other + ',' + etag}, '304')
    ask('If-None-Match, a part of it', {'If-None-Match': plain[:8]}, '200')
    ask('If-None-Match, another', {'If-None-Match': other}, '200')
    ask('If-Modified-Since, before', {'If-Modified-Since': past}, '200')
    ask('If-Modified-Since, asctime', {'If-Modified-Since': asctime}, '200')
    ask('If-Modified-Since, the same', {'If-Modified-Since': modified}, '304',
        **no_body)
    ask('If-Modified-Since, no date', {'If-Modified-Since': 'x'}, '200')
    ask('If-Unmodified-Since, the same', {'If-Unmodified-Since': modified},
        '200')
    ask('If-Unmodified-Since, before', {'If-Unmodified-Since': past}, bad)
    # The four rules of GetObject's page on two at once.
    ask('If-Match good, If-Unmodified-Since not',
        {'If-Match': etag, 'If-Unmodified-Since': past}, '200')
    ask('If-Match not, If-Unmodified-Since good',
        {'If-Match': other, 'If-Unmodified-Since': future}, bad)
    ask('If-None-Match not, If-Modified-Since good',
        {'If-None-Match': etag, 'If-Modified-Since': past}, '304')
    ask('If-None-Match good, If-Modified-Since not',
        {'If-None-Match': other, 'If-Modified-Since': modified}, '200')
    ask('If-Match and If-None-Match', {'If-Match': other,
                                       'If-None-Match': etag}, bad)
row('304 has ETag and date', 'GET', 'c/a', {'If-None-Match': etag}, b'',
    '304', lambda a: a.headers['ETag'] == etag and
    a.headers['Last-Modified'] == modified)
row('If-Match of what is not there', 'GET', 'c/no', {'If-Match': etag}, b'',
    '404 NoSuchKey')
for what, value, want in (
        ('the ETag', etag, '206'), ('another', other, '200'),
        ('weak', 'W/' + etag, '200'), ('the date', modified, '206'),
        ('another date', past, '200')):
    row('If-Range, ' + what, 'GET', 'c/a',
        {'Range': 'bytes=1-2', 'If-Range': value}, b'', want,
        lambda a: a.body == (b'bc' if a.status == 206 else b'abcdef'))
row('a range that cannot be, If-Range another', 'GET', 'c/a',
    {'Range': 'bytes=9-', 'If-Range': other}, b'', '200')
row('a range that cannot be, If-None-Match', 'GET', 'c/a',
    {'Range': 'bytes=9-', 'If-None-Match': etag}, b'', '304')

# PutObject: conditions
row('PUT If-None-Match *, there is one', 'PUT', 'c/a', {'If-None-Match': '*'},
    b'new', '412 PreconditionFailed', lambda a: is_now('c/a', b'abcdef'))
row('PUT If-None-Match *, there is none', 'PUT', 'c/b',
    {'If-None-Match': '*'}, b'b', '200')
row('PUT If-None-Match, an ETag', 'PUT', 'c/a', {'If-None-Match': other},
    b'new', '501 NotImplemented', lambda a: is_now('c/a', b'abcdef'))
row('PUT If-Match, another', 'PUT', 'c/a', {'If-Match': other}, b'new',
    '412 PreconditionFailed', lambda a: is_now('c/a', b'abcdef'))
row('PUT If-Match, there is none', 'PUT', 'c/no', {'If-Match': etag}, b'new',
    '404 NoSuchKey')
row('PUT If-Match', 'PUT', 'c/a', {'If-Match': etag}, b'abc', '200',
    lambda a: is_now('c/a', b'abc'))
row('PUT If-Match, that was', 'PUT', 'c/a', {'If-Match': etag}, b'new',
    '412 PreconditionFailed', lambda a: is_now('c/a', b'abc'))
row('PUT If-Match and If-None-Match', 'PUT', 'c/a',
    {'If-Match': etag, 'If-None-Match': '*'}, b'new', '501 NotImplemented')
for k in 'If-Modified-Since', 'If-Unmodified-Since':
    row('PUT ' + k, 'PUT', 'c/a', {k: future}, b'new', '501 NotImplemented',
        lambda a: is_now('c/a', b'abc'))

# DeleteObject: conditions
row('DELETE If-Match, another', 'DELETE', 'c/a', {'If-Match': other}, b'',
    '412 PreconditionFailed', lambda a: is_now('c/a', b'abc'))
etag = Answer('PUT', 'c/a', {}, b'abc').headers['ETag']
row('DELETE If-Match', 'DELETE', 'c/a', {'If-Match': etag}, b'', '204')
row('it is gone', 'GET', 'c/a', {}, b'', '404 NoSuchKey')
row('DELETE If-Match, there is none', 'DELETE', 'c/a', {'If-Match': etag},
    b'', '404 NoSuchKey')
row('DELETE If-Match *', 'DELETE', 'c/b', {'If-Match': '*'}, b'', '204')
row('DELETE what is not there', 'DELETE', 'c/b', {}, b'', '204')

# PutObject, UploadPart: checksums.  16 KB and a bit come in several reads.
body = bytes(range(256)) * 65 + b'end'
wrong = sums(b'other')
for k, value in sums(body).items():
    name = 'x-amz-checksum-' + k
    # CRC-64/NVME where the library that is linked has it.
    a = Answer('PUT', 's/' + k, {name: value}, body)
    if k == 'crc64nvme' and a.status == 501 and store == '':
        check(k + ' is refused clearly', 'crc64nvme' in a.body.decode() and
              Answer('HEAD', 's/' + k).status == 404)
        continue
    check(k + ': taken', a.word == '200', a.word, a.body[:200])
    row(k + ': wrong', 'PUT', 's/' + k, {name: wrong[k]}, body + b'!',
        '400 BadDigest', lambda a: is_now('s/' + k, body))
    row(k + ': no base64', 'PUT', 's/' + k, {name: '#'}, body,
        '400 InvalidRequest')
    row(k + ': too short', 'PUT', 's/' + k, {name: 'AAA='}, body,
        '400 InvalidRequest')
    row(k + ': told to who asks', 'HEAD', 's/' + k,
        {'x-amz-checksum-mode': 'ENABLED'}, b'', '200',
        lambda a: a.headers[name] == value)
    row(k + ': not to others', 'HEAD', 's/' + k, {}, b'', '200',
        lambda a: a.headers[name] is None)
good = sums(b'x')
row('two sums', 'PUT', 's/two', {
    'x-amz-checksum-crc32': good['crc32'],
    'x-amz-checksum-sha1': good['sha1']}, b'x', '400 InvalidRequest')
row('an algorithm and no sum', 'PUT', 's/two',
    {'x-amz-sdk-checksum-algorithm': 'CRC32'}, b'x', '400 InvalidRequest')
row('an algorithm and another sum', 'PUT', 's/two',
    {'x-amz-sdk-checksum-algorithm': 'SHA1',
     'x-amz-checksum-crc32': good['crc32']}, b'x', '400 InvalidRequest')
row('an algorithm and its sum', 'PUT', 's/one',
    {'x-amz-sdk-checksum-algorithm': 'CRC32',
     'x-amz-checksum-crc32': good['crc32']}, b'x', '200')
row('a sum of no body', 'PUT', 's/none',
    {'x-amz-checksum-sha256': sums(b'')['sha256']}, b'', '200')
row('refused: none of them is there', 'HEAD', 's/two', {}, b'', '404')

# CompleteMultipartUpload: conditions
whole = ('<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>'
         '<ETag>%s</ETag></Part></CompleteMultipartUpload>')


def upload(key, body, headers=None):
    """An upload with its only part there: its id, and the list of parts."""
    i = Answer('POST', key + '?uploads=', headers or {}).element('UploadId')
    a = Answer('PUT', '%s?partNumber=1&uploadId=%s' % (key, quote(i)), {},
               body)
    return quote(i), (whole % a.headers['ETag']).encode()


i, parts = upload('m/a', b'one')
row('complete If-Match, there is none', 'POST', 'm/a?uploadId=' + i,
    {'If-Match': other}, parts, '404 NoSuchKey')
row('complete If-None-Match *, there is none', 'POST', 'm/a?uploadId=' + i,
    {'If-None-Match': '*'}, parts, '200', lambda a: is_now('m/a', b'one'))
etag = Answer('HEAD', 'm/a').headers['ETag'] or other
i, parts = upload('m/a', b'two')
row('complete If-None-Match *, there is one', 'POST', 'm/a?uploadId=' + i,
    {'If-None-Match': '*'}, parts, '412 PreconditionFailed',
    lambda a: is_now('m/a', b'one'))
row('complete If-Match, another', 'POST', 'm/a?uploadId=' + i,
    {'If-Match': other}, parts, '412 PreconditionFailed',
    lambda a: is_now('m/a', b'one'))
row('the upload is still there', 'GET', 'm/a?uploadId=' + i, {}, b'', '200')
row('complete If-Match', 'POST', 'm/a?uploadId=' + i, {'If-Match': etag},
    parts, '200', lambda a: is_now('m/a', b'two'))
i, parts = upload('m/b', b'part')
for k in ('x-amz-checksum-crc32', 'x-amz-checksum-sha256'):
    row('a part with a wrong ' + k, 'PUT',
        'm/b?partNumber=1&uploadId=' + i, {k: wrong[k[15:]]}, b'other!',
        '400 BadDigest')
    row('a part with its ' + k, 'PUT', 'm/b?partNumber=1&uploadId=' + i,
        {k: sums(b'part')[k[15:]]}, b'part', '200')
row('a part with a condition', 'PUT', 'm/b?partNumber=1&uploadId=' + i,
    {'If-Match': other}, b'new', '501 NotImplemented')
row('and it completes', 'POST', 'm/b?uploadId=' + i, {}, parts, '200',
    lambda a: is_now('m/b', b'part'))

# What is not known is refused, and changes nothing.
if store == '':
    Answer('PUT', 'u/a', {}, b'stays')
    no = '501 NotImplemented'
    stays = dict(then=lambda a: is_now('u/a', b'stays'))
    for p in ('append', 'append=', 'renameObject', 'tagging', 'acl',
              'retention', 'legal-hold', 'encryption', 'torrent', 'restore',
              'select',
              'versionId=1', 'uploads', 'partNumber=1', 'location', 'x',
              'X-Amz-Foo=1', 'x-amz-meta-a=1', '%61ppend', 'prefix=a'):
        row('PUT ?' + p, 'PUT', 'u/a?' + p, {}, b'new', no, **stays)
    for p in ('acl', 'tagging', 'versionId=1', 'attributes', 'torrent',
              'partNumber=1', 'response-content-type=a', 'list-type=2'):
        row('GET ?' + p, 'GET', 'u/a?' + p, {}, b'', no)
        row('DELETE ?' + p, 'DELETE', 'u/a?' + p, {}, b'', no, **stays)
    for p in ('', 'acl', 'versions', 'versioning', 'policy', 'lifecycle',
              'list-type=2&fetch-owner=true', 'list-type=2&uploadId=1',
              'list-type=2&versions'):
        row('GET bucket ?' + p, 'GET', '?' + p, {}, b'', no)
    row('POST bucket ?delete', 'POST', '?delete', {}, b'<Delete/>', no,
        **stays)
    row('DELETE bucket', 'DELETE', '', {}, b'', no, **stays)
    for h, v in (
            ('x-amz-write-offset-bytes', '5'), ('x-amz-copy-source', '/a/b'),
            ('x-amz-rename-source', 'b'), ('x-amz-acl', 'public-read'),
            ('x-amz-grant-read', 'id=a'), ('x-amz-tagging', 'a=b'),
            ('x-amz-storage-class', 'GLACIER'),
            ('x-amz-server-side-encryption', 'AES256'),
            ('x-amz-server-side-encryption-customer-algorithm', 'AES256'),
            ('x-amz-website-redirect-location', '/'),
            ('x-amz-object-lock-mode', 'GOVERNANCE'),
            ('x-amz-object-lock-legal-hold', 'ON'),
            ('x-amz-expected-bucket-owner', '123456789012'),
            ('x-amz-request-payer', 'requester'),
            ('x-amz-checksum-xxhash64', 'AAAAAAAAAAA='),
            ('x-amz-checksum-crc32x', 'AAAAAA=='),
            ('x-amz-checksum-algorithm', 'CRC32'),
            ('x-amz-checksum-mode', 'ENABLED'),
            ('x-amz-trailer', 'x-amz-checksum-crc32'),
            ('x-amz-decoded-content-length', '3'),
            ('x-amz-metadata-directive', 'COPY'), ('x-amz-anything', '1'),
            ('x-amz-meta', '1'), ('Content-Range', 'bytes 0-2/5'),
            ('If-Range', other), ('If-Something', '1')):
        row('PUT with ' + h, 'PUT', 'u/a', {h: v}, b'new', no, **stays)
    for h in ('x-amz-expected-bucket-owner', 'x-amz-checksum-crc32',
              'x-amz-mfa'):
        row('GET with ' + h, 'GET', 'u/a', {h: 'AAAAAA=='}, b'', no)
        row('DELETE with ' + h, 'DELETE', 'u/a', {h: 'AAAAAA=='}, b'', no,
            **stays)
    row('create with an unknown sum', 'POST', 'u/m?uploads=',
        {'x-amz-checksum-algorithm': 'MD4'}, b'', no)
    row('the same parameter twice', 'PUT', 'u/a?x-id=a&x-id=b', {}, b'new',
        '400 InvalidArgument', **stays)
    row('the same condition twice', 'PUT', 'u/a',
        [('If-Match', '*'), ('If-Match', other)], b'new',
        '400 InvalidArgument', **stays)
    row('metadata', 'PUT', 'u/b?x-id=PutObject', {'x-amz-meta-a': '1'}, b'b',
        '200', lambda a: Answer('GET', 'u/b').headers['x-amz-meta-a'] == '1')

# ListObjectsV2: any key, page by page
keys = ['l/' + k for k in (
    'a', 'a b', 'a+b', 'a&b', 'a<b>"', "a'b", 'a%2Fb', 'a\tb', 'a\nb', 'a\rb',
    'a\r\nb', 'a\x01b', 'a\x7fb', ' a ', 'a  b', 'g/1', 'g/2', 'g/h/1', 'g0',
    'ü', '\U0001f600', '\ufffd', '=', '/', '//', '?', '#',
    'k' * 990)]
for k in keys:
    Answer('PUT', quote(k, safe='/~'), {}, b'x')
keys.sort(key=lambda k: k.encode())


def pages(size, query=''):
    seen, token = [], ''
    for _ in range(len(keys) + 2):
        a = Answer('GET', '?list-type=2&prefix=l%2F&encoding-type=url'
                   '&max-keys=' + str(size) + query + (
                       '&continuation-token=' + quote(token, safe='')
                       if token else ''))
        text = a.body.decode()
        seen += [unquote(k) for k in re.findall(
            '<Key>([^<]*)</Key>|<CommonPrefixes><Prefix>([^<]*)</Prefix>',
            text) for k in k if k]
        token = a.element('NextContinuationToken')
        if a.element('IsTruncated') != 'true':
            return seen
    return 'no end'


groups = sorted({'l/' + k[2:].split('/')[0] + '/' if '/' in k[2:] else k
                 for k in keys}, key=lambda k: k.encode())
for n in 1, 2, 3, 1000:
    got = pages(n)
    check('all keys, %d a page' % n, got == keys, got)
    got = pages(n, '&delimiter=%2F')
    check('all groups, %d a page' % n, got == groups, got)
row('no keys at all', 'GET', '?list-type=2&max-keys=0', {}, b'', '200',
    lambda a: a.element('IsTruncated') == 'false')
row('start-after', 'GET', '?list-type=2&prefix=l%2F&start-after=l%2Fg0', {},
    b'', '200', lambda a: re.findall(r'<Key>l/(k+)</Key>', a.body.decode()))
row('start-after before the prefix', 'GET',
    '?list-type=2&prefix=l%2Fg%2F&start-after=a', {}, b'', '200',
    lambda a: a.element('KeyCount') == '3')
row('start-after behind the prefix', 'GET',
    '?list-type=2&prefix=l%2Fg%2F&start-after=z', {}, b'', '200',
    lambda a: a.element('KeyCount') == '0')
for token in 'x', '00', 'l%2Fa', '', '6':
    row('a continuation token that is none: ' + token, 'GET',
        '?list-type=2&continuation-token=' + token, {}, b'',
        '400 InvalidArgument')
row('another list-type', 'GET', '?list-type=3', {}, b'',
    '400 InvalidArgument')
row('another encoding-type', 'GET', '?list-type=2&encoding-type=x', {}, b'',
    '400 InvalidArgument')
row('max-keys is no number', 'GET', '?list-type=2&max-keys=x', {}, b'',
    '400 InvalidArgument')
row('a key that is not UTF-8', 'PUT', 'l/%FF', {}, b'', '400 InvalidURI')

# ListMultipartUploads, ListParts
ids = {}
for k in 'o/a', 'o/b', 'o/g/1', 'o/g/2':
    ids[k] = quote(Answer('POST', k + '?uploads=').element('UploadId'))
row('uploads in groups', 'GET', '?uploads=&prefix=o%2F&delimiter=%2F', {}, b'',
    '200', lambda a: re.findall('<Key>([^<]*)|<CommonPrefixes><Prefix>([^<]*)',
                                a.body.decode()) ==
    [('o/a', ''), ('o/b', ''), ('', 'o/g/')])
row('no uploads at all', 'GET', '?uploads=&max-uploads=0', {}, b'', '200',
    lambda a: a.element('IsTruncated') == 'false')
Answer('PUT', 'o/a?partNumber=1&uploadId=' + ids['o/a'], {}, b'x')
row('no parts at all', 'GET', 'o/a?max-parts=0&uploadId=' + ids['o/a'], {},
    b'', '200', lambda a: a.element('IsTruncated') == 'false')
for k, i in ids.items():
    row('abort ' + k, 'DELETE', k + '?uploadId=' + i, {}, b'', '204')
for k in keys:
    Answer('DELETE', quote(k, safe='/~'))
for word in sorted({w for w, _ in missed}):
    print('# differs: %r: %r,' % (word, [n for w, n in missed if w == word]))
