"""A terminal of a sandbox, for tests: its HTTP requests and a raw WebSocket.

Nothing here checks what it sends, so that a server can be told nonsense.
"""

import base64
import hashlib
import http.client
import json
import os
import select
import socket
import struct
import time
import urllib.parse


class Closed(Exception):
    """The connection ended without a close frame."""


class Region:
    def __init__(self, url, box, key):
        at = urllib.parse.urlsplit(url)
        self.at = (at.hostname, at.port)
        self.headers = {"Authorization": "Bearer " + key,
                        "X-Tensorlake-Sandbox-Id": box}

    def ask(self, method, path, body=None, headers=None):
        c = http.client.HTTPConnection(*self.at, timeout=20)
        c.request(method, "/api/v1/" + path,
                  None if body is None else json.dumps(body),
                  dict(self.headers, **(headers or {})))
        r = c.getresponse()
        text = r.read()
        c.close()
        return r.status, json.loads(text) if text else None

    def terminal(self, *words, **more):
        status, doc = self.ask("POST", "pty", dict(
            {"command": words[0], "args": list(words[1:])}, **more))
        if status != 201:
            raise RuntimeError(f"pty: {status} {doc}")
        return doc

    def session(self, doc, **more):
        return Socket(self, doc["session_id"], doc["token"], **more)


class Socket:
    def __init__(self, region, session, token, query=False, headers=None,
                 early=b"", receive=None):
        self.fd = socket.socket()
        if receive is not None:
            self.fd.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.fd.settimeout(20)
        self.fd.connect(region.at)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = dict(region.headers, Host="x", Connection="keep-alive, Upgrade",
                     Upgrade="websocket")
        lines["Sec-WebSocket-Version"] = "13"
        lines["Sec-WebSocket-Key"] = key
        path = f"/api/v1/pty/{session}/ws"
        if query:
            path += "?token=" + token
        else:
            lines["X-PTY-Token"] = token
        lines.update(headers or {})
        self.fd.sendall((f"GET {path} HTTP/1.1\r\n" + "".join(
            f"{k}: {v}\r\n" for k, v in lines.items() if v is not None) +
            "\r\n").encode() + early)
        head = b""
        while b"\r\n\r\n" not in head:
            got = self.fd.recv(4096)
            if not got:
                raise Closed("no answer")
            head += got
        head, self.rest = head.split(b"\r\n\r\n", 1)
        self.head = head.decode()
        self.status = int(self.head.split()[1])
        self.code = self.reason = self.exit = None
        self.shown = b""
        want = base64.b64encode(hashlib.sha1((
            key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        self.accepted = ("sec-websocket-accept: " + want.decode()) \
            .lower() in self.head.lower()

    def frame(self, opcode, payload=b"", fin=True, mask=True, rsv=0,
              length=None):
        n = len(payload) if length is None else length
        head = bytes([fin << 7 | rsv << 4 | opcode])
        bit = 128 if mask else 0
        if n < 126:
            head += bytes([bit | n])
        elif n < 65536:
            head += bytes([bit | 126]) + struct.pack(">H", n)
        else:
            head += bytes([bit | 127]) + struct.pack(">Q", n)
        if mask:
            key = os.urandom(4)
            head += key
            payload = bytes(b ^ key[i % 4] for i, b in enumerate(payload))
        return head + payload

    def send(self, *args, **more):
        self.fd.sendall(self.frame(*args, **more))

    def ready(self):
        self.send(2, b"\2")
        return self

    def type(self, text):
        self.send(2, b"\0" + (text.encode() if isinstance(text, str) else text))

    def resize(self, rows, cols):
        self.send(2, struct.pack(">BHH", 1, cols, rows))

    def take(self, n, until):
        while len(self.rest) < n:
            if not select.select([self.fd], [], [], max(0, until -
                                                        time.monotonic()))[0]:
                raise TimeoutError
            got = self.fd.recv(65536)
            if not got:
                raise Closed("no close frame")
            self.rest += got
        got, self.rest = self.rest[:n], self.rest[n:]
        return got

    def next(self, seconds=10):
        """A message: its opcode and payload."""
        until = time.monotonic() + seconds
        first, n = self.take(2, until)
        if n & 128:
            raise RuntimeError("a masked frame of a server")
        if n == 126:
            n = struct.unpack(">H", self.take(2, until))[0]
        elif n == 127:
            n = struct.unpack(">Q", self.take(8, until))[0]
        payload = self.take(n, until)
        opcode = first & 15
        if opcode == 8:
            self.code = struct.unpack(">H", payload[:2])[0] if payload else 0
            self.reason = payload[2:].decode()
        elif opcode == 2 and payload[:1] == b"\0":
            self.shown += payload[1:]
        elif opcode == 2 and payload[:1] == b"\3":
            self.exit = struct.unpack(">i", payload[1:])[0]
        return opcode, payload

    def until(self, text, seconds=10):
        """Take in until that has been shown: False if it is not, in time."""
        text = text.encode() if isinstance(text, str) else text
        until = time.monotonic() + seconds
        while text not in self.shown and self.code is None:
            try:
                self.next(until - time.monotonic())
            except (TimeoutError, OSError, Closed):
                break
        found = text in self.shown
        if found:
            self.shown = self.shown.split(text, 1)[1]
        return found

    def end(self, seconds=10):
        """Until its close: (code, reason, exit); None for what did not come."""
        until = time.monotonic() + seconds
        while self.code is None:
            try:
                self.next(until - time.monotonic())
            except (TimeoutError, OSError, Closed):
                break
        return self.code, self.reason, self.exit

    def close(self):
        self.fd.close()
