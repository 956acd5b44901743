#!/usr/bin/python3
"""Receipts that are none, each sent to complete a build: see 54-attest.t.

receipts.py --url URL --token TOKEN --body FILE --attestation FILE --key FILE

URL is the address that completes the build, the body lacks its attestation, the
one given is true, and the key is the dataplane's own.  Prints how many were
sent and a line for each that was believed, or refused in other words than it
should be.  Signatures are openssl's, so a peer checks our own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

DER = bytes.fromhex("302e020100300506032b657004220420")


def sign(secret, text):
    with tempfile.TemporaryDirectory() as top:
        with open(top + "/key", "wb") as f:
            f.write(DER + secret)
        with open(top + "/text", "wb") as f:
            f.write(text)
        return subprocess.run(
            ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", top + "/key",
             "-keyform", "DER", "-in", top + "/text"],
            check=True, stdout=subprocess.PIPE).stdout.hex()


def outer(text, signature):
    return json.dumps({"receipt": text, "signature": signature})


def changed(receipt, **members):
    new = dict(receipt)
    for name, value in members.items():
        if value is None:
            del new[name]
        else:
            new[name] = value
    return json.dumps(new)


def forged(true, secret):
    """Name and JSON text of each."""
    text, signature = true["receipt"], true["signature"]
    receipt = json.loads(text)
    for i in range(0, len(signature), 2):
        byte = int(signature[i:i + 2], 16) ^ (1 << (i // 2 % 8))
        yield "signature byte %d" % (i // 2), outer(
            text, "%s%02x%s" % (signature[:i], byte, signature[i + 2:]))
    for name, s in (("none", ""), ("short", signature[:-2]),
                    ("long", signature + "00"), ("zeros", "0" * 128),
                    ("no digits", "x" * 128), ("a list", [signature]),
                    ("null", None), ("a number", 1)):
        yield "signature: " + name, outer(text, s)
    step = max(1, len(text) // 100)
    for i in range(0, len(text), step):
        c = "0" if text[i] != "0" else "1"
        yield "text byte %d" % i, outer(text[:i] + c + text[i + 1:], signature)
    for name, t in (("a blank behind", text + " "), ("a blank before", " " + text),
                    ("a line", text + "\n"), ("cut", text[:-1]), ("none", ""),
                    ("an object", receipt), ("a list", [text]), ("null", None),
                    ("a NUL", text + "\0"), ("twice", text + text),
                    ("long", text + " " * 20000)):
        yield "text: " + name, outer(t, signature)
    for i in range(16):
        yield "another's key %d" % i, outer(text, sign(os.urandom(32), text.encode()))
    for name, raw in (
            ("no object", '"x"'), ("a list", "[%s]" % outer(text, signature)),
            ("empty", "{}"), ("no signature", json.dumps({"receipt": text})),
            ("no text", json.dumps({"signature": signature})),
            ("the text itself", text),
            ("one in one", json.dumps({"attestation": true})),
            ("two texts", '{"receipt":%s,%s' % (
                json.dumps(text), outer(text, signature)[1:])),
            ("two signatures", '{"signature":"00",%s' % outer(text, signature)[1:])):
        yield name, raw
    # Signed with the right key, and yet not to be believed.
    uri = receipt["uri"]
    head, _, name = uri.rpartition("/")
    said = [
        ("another kind", changed(receipt, kind="object_receipt_v2")),
        ("another project", changed(receipt, projectId="proj_2")),
        ("no project", changed(receipt, projectId="")),
        ("another snapshot", changed(receipt, uri=head + "/x.tlsnap")),
        ("another build", changed(receipt, uri=uri.replace("_build_", "_build_x"))),
        ("another bucket", changed(receipt, uri=uri.replace("s3://images", "s3://other"))),
        ("another case", changed(receipt, uri=uri.replace("s3:", "S3:"))),
        ("a longer URI", changed(receipt, uri=uri + "/")),
        ("one byte more", changed(receipt, sizeBytes=receipt["sizeBytes"] + 1)),
        ("one byte less", changed(receipt, sizeBytes=receipt["sizeBytes"] - 1)),
        ("a size as text", changed(receipt, sizeBytes=str(receipt["sizeBytes"]))),
        ("another ETag", changed(receipt, etag='"0"')),
        ("an ETag without quotes", changed(receipt, etag=receipt["etag"].strip('"'))),
        ("yesterday", changed(receipt, issuedAt="2020-01-01T00:00:00Z")),
        ("an hour ago", changed(receipt, issuedAt=time.strftime(
            "%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600)))),
        ("tomorrow", changed(receipt, issuedAt="2099-01-01T00:00:00Z")),
        ("no time", changed(receipt, issuedAt="now")),
        ("a time as a number", changed(receipt, issuedAt=1782000000)),
        ("another key's id", changed(receipt, keyId="0" * 16)),
        ("no JSON", text[:-1]), ("a list", "[%s]" % text), ("a string", '"x"'),
        ("two URIs", text[:-1] + ',"uri":%s}' % json.dumps(uri)),
        ("two sizes", text[:-1] + ',"sizeBytes":1}')]
    said += [("no " + n, changed(receipt, **{n: None}))
             for n in receipt if n != "lastModified"]
    for name, t in said:
        yield "signed: " + name, outer(t, sign(secret, t.encode()))


def main():
    p = argparse.ArgumentParser()
    for name in ("url", "token", "body", "attestation", "key"):
        p.add_argument("--" + name, required=True)
    a = p.parse_args()
    with open(a.key) as f:
        secret = bytes.fromhex(f.read().split()[1])
    with open(a.body) as f:
        body = f.read().strip()
    with open(a.attestation) as f:
        true = json.load(f)
    # A peer's signature of the same text is the same: Ed25519 has no chance in it.
    if sign(secret, true["receipt"].encode()) != true["signature"]:
        print("openssl signs otherwise")
    sent = 0
    for name, raw in forged(true, secret):
        request = urllib.request.Request(
            a.url, method="POST",
            data=(body[:-1] + ',"attestation":' + raw + "}").encode(),
            headers={"Authorization": "Bearer " + a.token,
                     "Content-Type": "application/json"})
        sent += 1
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                print("believed: %s (%d)" % (name, reply.status))
                return
        except urllib.error.HTTPError as e:
            answer = e.read().decode()
            if e.code != 403 or '"attestation_refused"' not in answer:
                print("%s: %d %s" % (name, e.code, answer))
    print("sent %s" % ("more than 200" if sent > 200 else sent))
    print(sent, file=sys.stderr)


main()
