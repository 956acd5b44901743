#!/usr/bin/python3
"""S3 requests as odd as they need to be, with nothing but Python's own library.

As a module: read(CONF), then Answer(METHOD, TARGET, HEADERS, BODY), the target
being a key, escaped, and a query.  As a program,

    raw.py CONF METHOD TARGET [NAME:VALUE...] <body >answer

prints status and code on stderr.  CONF is a signer's configuration.
"""
import hashlib
import hmac
import http.client
import re
import sys
import time
import urllib.parse

quote = urllib.parse.quote
conf = {}


def read(path):
    conf.update(line.strip().split(' = ', 1) for line in open(path))


def sha256(b):
    return hashlib.sha256(b).hexdigest()


def sign(method, path, query, headers, body):
    """The Authorization header: Signature Version 4."""
    stamp = time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())
    # To sign one header twice is to sign its values joined.
    joined = {}
    for k, v in headers:
        joined.setdefault(k.lower(), []).append(v.strip())
    joined.update({'host': [urllib.parse.urlsplit(conf['endpoint']).netloc], 'x-amz-date': [stamp],
                   'x-amz-content-sha256': [sha256(body)]})
    names = ';'.join(sorted(joined))
    pairs = sorted('='.join(quote(urllib.parse.unquote(w), safe='~')
                            for w in (p + '=').split('=')[:2])
                   for p in query.split('&') if p)
    request = '\n'.join([
        method, path, '&'.join(pairs)] +
        [k + ':' + ','.join(joined[k]) for k in sorted(joined)] +
        ['', names, sha256(body)])
    scope = '/'.join([stamp[:8], conf.get('region', 'us-east-1'), 's3',
                      'aws4_request'])
    text = '\n'.join(['AWS4-HMAC-SHA256', stamp, scope,
                      sha256(request.encode())])
    key = ('AWS4' + conf['secret_key']).encode()
    for part in scope.split('/') + [text]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return headers + [
        ('x-amz-date', stamp), ('x-amz-content-sha256', sha256(body)),
        ('Authorization', 'AWS4-HMAC-SHA256 Credential=%s/%s, '
         'SignedHeaders=%s, Signature=%s' %
         (conf['access_key'], scope, names, key.hex()))]


class Answer:
    def __init__(self, method, target, headers=(), body=b''):
        path, _, query = target.partition('?')
        path = '/' + conf['bucket'] + '/' + path
        address = urllib.parse.urlsplit(conf['endpoint'])
        headers = list(headers.items() if isinstance(headers, dict)
                       else headers)
        c = http.client.HTTPConnection(address.hostname, address.port,
                                       timeout=60)
        c.putrequest(method, path + ('?' + query if query else ''),
                     skip_accept_encoding=True)
        for k, v in sign(method, path, query, headers, body):
            c.putheader(k, v)
        if body or method in ('PUT', 'POST'):
            c.putheader('Content-Length', str(len(body)))
        c.endheaders(body or None)
        r = c.getresponse()
        self.status, self.headers, self.body = r.status, r.headers, r.read()
        c.close()
        m = re.search(rb'<Code>([^<]*)', self.body)
        self.code = m.group(1).decode() if m else ''
        self.word = ('%d %s' % (self.status, self.code)).strip()

    def element(self, name):
        m = re.search('<%s>([^<]*)</%s>' % (name, name), self.body.decode())
        return m.group(1) if m else ''


if __name__ == '__main__':
    read(sys.argv[1])
    method, target, *given = sys.argv[2:]
    answer = Answer(method, target, [h.split(':', 1) for h in given],
                    sys.stdin.buffer.read())
    sys.stdout.buffer.write(answer.body)
    print(answer.word, file=sys.stderr)
