"""Presigned URLs as botocore makes them, for tests/50-presign.t.

usage: presign.py CONFIG TIME OPERATION KEY [NAME=VALUE ...]
One URL on standard output; with PartNumber=A-B, one for each part.
"""
import datetime
import sys

import botocore.auth
import botocore.session
from botocore.config import Config

conf, when, operation, key = sys.argv[1:5]
now = datetime.datetime.strptime(when, '%Y-%m-%dT%H:%M:%SZ')


class Then(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return cls(*now.timetuple()[:6])


botocore.auth.datetime.datetime = Then
c = {}
for line in open(conf):
    if '=' in line and not line.startswith('#'):
        name, value = line.split('=', 1)
        c[name.strip()] = value.strip()

client = botocore.session.get_session().create_client(
    's3', region_name=c.get('region', 'us-east-1'),
    endpoint_url=c['endpoint'],
    aws_access_key_id=c['access_key'],
    aws_secret_access_key=c['secret_key'],
    aws_session_token=c.get('session_token'),
    config=Config(signature_version='s3v4',
                  s3={'addressing_style': c.get('addressing', 'path')}))

params = {'Bucket': c['bucket'], 'Key': key}
parts = [None]
for word in sys.argv[5:]:
    name, value = word.split('=', 1)
    if name == 'PartNumber':
        first, last = value.split('-')
        parts = range(int(first), int(last) + 1)
    else:
        params[name] = value
for part in parts:
    if part is not None:
        params['PartNumber'] = part
    print(client.generate_presigned_url(
        operation, Params=params, ExpiresIn=int(c.get('expires_s', 604800))))
