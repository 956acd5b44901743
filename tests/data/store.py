"""tl-stored by its real client, boto3; TAP lines for tests/52-stored.t.

usage: store.py URL BUCKET ACCESS SECRET [RO-ACCESS RO-SECRET]
"""
import hashlib
import io
import random
import sys
import threading

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

url, bucket, access, secret, ro_access, ro_secret = sys.argv[1:]


def client(a, s, region='us-east-1', style='path'):
    return boto3.client(
        's3', endpoint_url=url, region_name=region, aws_access_key_id=a,
        aws_secret_access_key=s,
        config=Config(signature_version='s3v4', retries={'max_attempts': 1},
                      s3={'addressing_style': style}))


def check(name, good, *why):
    print(('ok' if good else 'not ok') + ' - ' + name)
    for w in [] if good else why:
        print('#  ', repr(w)[:500])


def refused(name, code, call, **kw):
    try:
        call(**kw)
        check(name, False, 'no error')
    except ClientError as e:
        check(name + ': ' + code, e.response['Error']['Code'] == code,
              e.response)


def md5(b):
    return hashlib.md5(b).hexdigest()


s3 = client(access, secret)
ro = client(ro_access, ro_secret)
key = "a b/ü+~'(x)*&=@:$,;!\"<>%2F\\/../é"

r = s3.put_object(Bucket=bucket, Key=key, Body=b'hello',
                  ContentType='text/x', Metadata={'who': 'me'})
check('put: ETag', r['ETag'] == '"%s"' % md5(b'hello'), r)
r = s3.get_object(Bucket=bucket, Key=key)
check('get: body', r['Body'].read() == b'hello')
check('get: what was kept with it', r['ContentType'] == 'text/x' and
      r['Metadata'] == {'who': 'me'} and r['ETag'] == '"%s"' % md5(b'hello'),
      r)
r = s3.head_object(Bucket=bucket, Key=key)
check('head', r['ContentLength'] == 5 and r['AcceptRanges'] == 'bytes', r)
s3.put_object(Bucket=bucket, Key='empty', Body=b'')
check('empty object',
      s3.get_object(Bucket=bucket, Key='empty')['Body'].read() == b'')
for spec, want in (('bytes=1-3', b'ell'), ('bytes=3-', b'lo'),
                   ('bytes=-2', b'lo'), ('bytes=0-99', b'hello'),
                   ('bytes=4-4', b'o')):
    r = s3.get_object(Bucket=bucket, Key=key, Range=spec)
    check('range ' + spec, r['Body'].read() == want and
          r['ResponseMetadata']['HTTPStatusCode'] == 206, r)
refused('range past the end', 'InvalidRange', s3.get_object, Bucket=bucket,
        Key=key, Range='bytes=5-')
r = s3.get_object(Bucket=bucket, Key=key, Range='lines=1-2')
check('another unit is ignored', r['Body'].read() == b'hello')
refused('no key', 'NoSuchKey', s3.get_object, Bucket=bucket, Key='nowhere')
refused('no bucket', 'NoSuchBucket', s3.get_object, Bucket='nowhere', Key='k')
refused('unknown access key', 'InvalidAccessKeyId',
        client('nobody', 'x').get_object, Bucket=bucket, Key=key)
refused('wrong secret', 'SignatureDoesNotMatch',
        client(access, 'x').get_object, Bucket=bucket, Key=key)
refused('wrong region', 'AuthorizationHeaderMalformed',
        client(access, secret, 'eu-west-1').put_object, Bucket=bucket,
        Key=key, Body=b'x')
check('read-only key reads',
      ro.get_object(Bucket=bucket, Key=key)['Body'].read() == b'hello')
refused('read-only key: put', 'AccessDenied', ro.put_object, Bucket=bucket,
        Key=key, Body=b'x')
refused('read-only key: delete', 'AccessDenied', ro.delete_object,
        Bucket=bucket, Key=key)
refused('read-only key: create', 'AccessDenied', ro.create_multipart_upload,
        Bucket=bucket, Key=key)
refused('a wrong Content-MD5', 'BadDigest', s3.put_object, Bucket=bucket,
        Key=key, Body=b'x', ContentMD5='XUFAKrxLKna5cZ2REBfFkg==')
refused('a Content-MD5 that is none', 'InvalidDigest', s3.put_object,
        Bucket=bucket, Key=key, Body=b'x', ContentMD5='x')
check('a refused put changes nothing',
      s3.get_object(Bucket=bucket, Key=key)['Body'].read() == b'hello')
refused('copy', 'NotImplemented', s3.copy_object, Bucket=bucket, Key='c',
        CopySource={'Bucket': bucket, 'Key': key})
refused('acl', 'NotImplemented', s3.get_object_acl, Bucket=bucket, Key=key)

s3.put_object(Bucket=bucket, Key=key, Body=b'again')
check('overwritten', s3.get_object(Bucket=bucket, Key=key)['Body'].read() ==
      b'again')
for k in ('l/a', 'l/b/1', 'l/b/2', 'l/c', 'l/é &'):
    s3.put_object(Bucket=bucket, Key=k, Body=b'x')
r = s3.list_objects_v2(Bucket=bucket, Prefix='l/')
check('list', [o['Key'] for o in r['Contents']] ==
      ['l/a', 'l/b/1', 'l/b/2', 'l/c', 'l/é &'], r)
r = s3.list_objects_v2(Bucket=bucket, Prefix='l/', Delimiter='/')
check('list with a delimiter', [o['Key'] for o in r['Contents']] ==
      ['l/a', 'l/c', 'l/é &'] and
      [p['Prefix'] for p in r['CommonPrefixes']] == ['l/b/'], r)
for delimiter in '', '/':
    keys = []
    for page in s3.get_paginator('list_objects_v2').paginate(
            Bucket=bucket, Prefix='l/', Delimiter=delimiter,
            PaginationConfig={'PageSize': 1}):
        keys += [o['Key'] for o in page.get('Contents', [])]
        keys += [p['Prefix'] for p in page.get('CommonPrefixes', [])]
    check('list by pages, delimiter %r' % delimiter,
          keys == (['l/a', 'l/b/', 'l/c', 'l/é &'] if delimiter else
                   ['l/a', 'l/b/1', 'l/b/2', 'l/c', 'l/é &']), keys)
s3.delete_object(Bucket=bucket, Key='l/a')
s3.delete_object(Bucket=bucket, Key='l/a')
refused('deleted', 'NoSuchKey', s3.get_object, Bucket=bucket, Key='l/a')
check('bucket', s3.head_bucket(Bucket=bucket) and
      not s3.get_bucket_location(Bucket=bucket)['LocationConstraint'])

# Multipart uploads
P = 5 << 20
body = random.Random(1).randbytes(2 * P + 1234)
parts = [body[:P], body[P:2 * P], body[2 * P:]]
whole = hashlib.md5(b''.join(hashlib.md5(p).digest()
                             for p in parts)).hexdigest() + '-3'
key = 'multi/part'
up = dict(Bucket=bucket, Key=key)
up['UploadId'] = s3.create_multipart_upload(
    Bucket=bucket, Key=key, ContentType='x/y')['UploadId']
check('an open upload is no object', not
      s3.list_objects_v2(Bucket=bucket, Prefix='multi/').get('Contents'))
r = s3.list_multipart_uploads(Bucket=bucket)
check('list of uploads', [(u['Key'], u['UploadId']) for u in r['Uploads']] ==
      [(key, up['UploadId'])], r)
s3.upload_part(PartNumber=2, Body=b'to be replaced', **up)
etags = {}
for n in (3, 1, 2):
    etags[n] = s3.upload_part(PartNumber=n, Body=parts[n - 1], **up)['ETag']
check('part ETags', etags == {n + 1: '"%s"' % md5(p)
                              for n, p in enumerate(parts)}, etags)
r = s3.list_parts(**up)
check('list of parts', [(p['PartNumber'], p['ETag'], p['Size'])
                        for p in r['Parts']] ==
      [(n, etags[n], len(parts[n - 1])) for n in (1, 2, 3)], r)
r = s3.list_parts(MaxParts=2, **up)
check('list of parts, truncated', r['IsTruncated'] and len(r['Parts']) == 2
      and r['NextPartNumberMarker'] == 2, r)
r = s3.list_parts(PartNumberMarker=2, **up)
check('list of parts, the rest', [p['PartNumber'] for p in r['Parts']] == [3],
      r)


def complete(numbers, tags=None, **kw):
    tags = tags or etags
    return s3.complete_multipart_upload(**dict(up, **kw), MultipartUpload={
        'Parts': [{'PartNumber': n, 'ETag': tags[n]} for n in numbers]})


refused('complete: order', 'InvalidPartOrder', complete, numbers=[2, 1])
refused('complete: repeated', 'InvalidPartOrder', complete, numbers=[1, 1])
refused('complete: no such part', 'InvalidPart', complete, numbers=[1, 7],
        tags={1: etags[1], 7: etags[1]})
refused('complete: another ETag', 'InvalidPart', complete, numbers=[1],
        tags={1: etags[2]})
refused('complete: too small', 'EntityTooSmall', complete,
        numbers=[3, 4], tags={3: etags[3], 4: s3.upload_part(
            PartNumber=4, Body=b'tail', **up)['ETag']})
refused('complete: another upload', 'NoSuchUpload', complete, numbers=[1],
        UploadId='0' * 32)
refused('complete: an id with a path', 'NoSuchUpload', complete, numbers=[1],
        UploadId='../uploads/' + up['UploadId'])
refused('complete: another key', 'NoSuchUpload', complete, numbers=[1],
        Key='other')
refused('complete: nothing', 'MalformedXML', s3.complete_multipart_upload,
        MultipartUpload={'Parts': []}, **up)
r = complete([1, 2, 3])
check('complete: ETag', r['ETag'] == '"%s"' % whole, r)
r = complete([1, 2, 3])
check('complete again, the answer was lost', r['ETag'] == '"%s"' % whole, r)
r = s3.get_object(Bucket=bucket, Key=key)
got = r['Body'].read()
check('the parts are the object', got == body and r['ContentType'] == 'x/y'
      and r['ETag'] == '"%s"' % whole, len(got))
for a, b in ((P - 3, P + 3), (0, 2 * P), (2 * P, 2 * P), (P, 2 * P - 1),
             (17, len(body) - 1)):
    r = s3.get_object(Bucket=bucket, Key=key, Range='bytes=%d-%d' % (a, b))
    check('range %d-%d over parts' % (a, b),
          r['Body'].read() == body[a:b + 1])
check('no upload is left', 'Uploads' not in
      s3.list_multipart_uploads(Bucket=bucket))
refused('a part of a completed upload', 'NoSuchUpload', s3.upload_part,
        PartNumber=1, Body=b'x', **up)

up['UploadId'] = s3.create_multipart_upload(Bucket=bucket,
                                            Key=key)['UploadId']
s3.upload_part(PartNumber=1, Body=b'x', **up)
s3.abort_multipart_upload(**up)
refused('abort again', 'NoSuchUpload', s3.abort_multipart_upload, **up)
opened = [(k, s3.create_multipart_upload(Bucket=bucket, Key=k)['UploadId'])
          for k in ('p/a', 'p/b', 'p/b', 'p/b', 'p/c', 'p')]
for size in (1, 2, 3, 1000):
    seen = []
    for page in s3.get_paginator('list_multipart_uploads').paginate(
            Bucket=bucket, Prefix='p/', PaginationConfig={'PageSize': size}):
        seen += [(u['Key'], u['UploadId']) for u in page.get('Uploads', [])]
    check('list of uploads, by pages of %d' % size,
          seen == sorted(opened[:-1]), seen)
for k, i in opened:
    s3.abort_multipart_upload(Bucket=bucket, Key=k, UploadId=i)
refused('parts of an aborted upload', 'NoSuchUpload', s3.list_parts, **up)
check('an aborted upload leaves the object alone',
      s3.head_object(Bucket=bucket, Key=key)['ContentLength'] == len(body))

# An object that is replaced while somebody reads it stays whole for them.
r = s3.get_object(Bucket=bucket, Key=key)
first = r['Body'].read(100)
s3.put_object(Bucket=bucket, Key=key, Body=b'new')
check('replaced while being read', first + r['Body'].read() == body)
check('and new for the next', s3.get_object(
    Bucket=bucket, Key=key)['Body'].read() == b'new')

# Several at once, by the transfer manager.
big = bytes(range(251)) * 90000
s3.upload_fileobj(io.BytesIO(big), bucket, 'managed')
out = io.BytesIO()
s3.download_fileobj(bucket, 'managed', out)
check('upload_fileobj, download_fileobj', out.getvalue() == big)
fails = []


def race(i):
    try:
        s3.put_object(Bucket=bucket, Key='race', Body=b'%d' % i * 1000)
        b = s3.get_object(Bucket=bucket, Key='race')['Body'].read()
        if len(b) != 1000 or b != b[:1] * 1000:
            fails.append(b)
    except Exception as e:
        fails.append(e)


threads = [threading.Thread(target=race, args=(i,)) for i in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
check('writers and readers of one key', not fails, *fails)
