#!/usr/bin/python3
"""The store as a client that is not ours sees it: s3.py CONF VERB ARGUMENT..."""

import json
import sys
import threading
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

conf = dict(line.strip().split(" = ", 1) for line in open(sys.argv[1]))
s3 = boto3.client(
    "s3", endpoint_url=conf["endpoint"], region_name=conf["region"],
    aws_access_key_id=conf["access_key"],
    aws_secret_access_key=conf["secret_key"],
    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0},
                  max_pool_connections=8))
own = conf["bucket"]


def bucket(name):
    """Make it; until the store answers, for 30 s at most."""
    end = time.monotonic() + 30
    while True:
        try:
            s3.create_bucket(Bucket=name)
            return
        except (BotoCoreError, ClientError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def allow(user):
    """Let another user of the store read what is in it."""
    s3.put_bucket_policy(Bucket=own, Policy=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": ["s3:GetObject"],
            "Principal": {"AWS": ["arn:aws:iam:::user/" + user]},
            "Resource": ["arn:aws:s3:::%s/*" % own]}]}))


def opened(key, count):
    """Open so many uploads of a key, eight at a time."""
    def some(n):
        for _ in range(n):
            s3.create_multipart_upload(Bucket=own, Key=key)
    count = int(count)
    threads = [threading.Thread(target=some, args=((count + i) // 8,))
               for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def uploads():
    """All open ones of the bucket, a key and an id a line."""
    pages = s3.get_paginator("list_multipart_uploads")
    for page in pages.paginate(Bucket=own):
        for upload in page.get("Uploads", []):
            print(upload["Key"], upload["UploadId"])


def head(key):
    answer = s3.head_object(Bucket=own, Key=key)
    print(answer["ContentLength"], answer["ETag"])


globals()[sys.argv[2]](*sys.argv[3:])
