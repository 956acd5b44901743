"""Presigned URLs as botocore makes them, for tests/50-presign.t.

usage: presign.py CONFIG TIME OPERATION KEY [NAME=VALUE ...]
One URL on standard output; with PartNumber=A-B, one for each part.
"""
import datetime
import os
import sys

# Where awscrt is installed, botocore would sign by that, at its own time.
os.environ['BOTO_DISABLE_CRT'] = 'true'

import botocore.auth
import botocore.session
from botocore.config import Config

conf, when, operation, key = sys.argv[1:5]
now = datetime.datetime.strptime(when, '%Y-%m-%dT%H:%M:%SZ')


class Then(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return cls(*now.timetuple()[:6])

    @classmethod
    def now(cls, tz=None):
        return cls(*now.timetuple()[:6], tzinfo=tz)


botocore.auth.datetime.datetime = Then
# botocore of 2025 and later asks this instead.
if hasattr(botocore.auth, 'get_current_datetime'):
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: (
        now if remove_tzinfo else
        now.replace(tzinfo=datetime.timezone.utc))
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
