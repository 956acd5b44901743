"""A server with one terminal, which answers as it is told to.

    ptyserver.py MODE READY LOG [CERTIFICATE]

READY gets its URL, LOG a line for each request and message.  It is its own
proxy: CONNECT leads to itself.  With a certificate (and its key, in one file)
it speaks TLS.
"""

import base64
import hashlib
import os
import socket
import ssl
import struct
import sys
import threading

mode, ready, log = sys.argv[1:4]
TOKEN = "t" * 64


def say(*words):
    with open(log, "a", encoding="utf-8") as f:
        print(*words, file=f)


def answer(c, status, body="", *headers):
    c.sendall("\r\n".join([f"HTTP/1.1 {status} x", *headers,
              f"Content-Length: {len(body)}", "", body]).encode())


def frame(opcode, payload, fin=1, mask=False):
    n = len(payload)
    head = bytes([fin << 7 | opcode])
    bit = 128 if mask else 0
    head += bytes([bit | n]) if n < 126 else bytes([bit | 126]) + \
        struct.pack(">H", n)
    return head + (b"\0\0\0\0" if mask else b"") + payload


def read_frame(f):
    first, n = f.read(2)
    masked, n = n >> 7, n & 127
    if n == 126:
        n = struct.unpack(">H", f.read(2))[0]
    key = f.read(4) if masked else b"\0\0\0\0"
    say("frame", first, "masked" if masked else "plain", bytes(
        b ^ key[i % 4] for i, b in enumerate(f.read(n))))
    return first & 15


def terminal(c, f):
    read_frame(f)
    read_frame(f)
    if mode == "garbage":
        c.sendall(frame(2, b"\0a", mask=True))
    elif mode == "nonsense":
        # Reserved bits, and an opcode that has no meaning.
        c.sendall(b"\x7b" + bytes(range(63)))
    else:
        c.sendall(frame(9, b"") + frame(2, b"\0on\r\n") + frame(1, b"text") +
                  frame(2, b"") + frame(2, b"\x09unknown") +
                  frame(2, b"\0in ", fin=0) + frame(0, b"pieces\r\n"))
    if mode == "cut":
        return
    if mode == "typed":
        while read_frame(f) != 2:
            pass
    if mode not in ("reason", "negative"):
        c.sendall(frame(2, struct.pack(">Bi", 3, 7)))
    reason = {"reason": b"exit:4", "negative": b"exit:-1",
              "policy": b"output lagged \x1b[31m"}.get(mode, b"exit:7")
    code = 1008 if mode == "policy" else 1000
    c.sendall(frame(8, struct.pack(">H", code) + reason))
    try:
        while read_frame(f) != 8:
            pass
    except (ValueError, OSError):
        pass


def websocket(c, f, path, headers):
    named = headers.get("x-pty-token") == TOKEN
    asked = path.endswith("/ws?token=" + TOKEN)
    say("token", "header" if named else "", "query" if asked else "")
    if mode == "refuse" or (mode == "query" and not asked) or not named:
        answer(c, 403, '{"error": "Invalid token", "code": "INVALID_TOKEN"}')
        return
    if mode == "plain":
        answer(c, 200, "hello")
        return
    accept = base64.b64encode(hashlib.sha1((
        headers["sec-websocket-key"] +
        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    if mode == "accept":
        accept = accept[::-1]
    lines = [b"HTTP/1.1 101 x", b"upgrade: WebSocket", b"connection: Upgrade",
             b"Sec-WebSocket-Accept:" + accept.encode() + b" "]
    if mode == "long":
        lines += [b"x: " + b"x" * 1000] * 100
    if mode == "early":
        c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if mode == "http10":
        lines[0] = b"HTTP/1.0 101 x"
    c.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
    if mode not in ("long", "http10"):
        terminal(c, f)


def serve(c):
    f = c.makefile("rb")
    while True:
        line = f.readline().decode().split()
        if not line:
            return
        method, path = line[:2]
        headers = {}
        while (h := f.readline().decode().strip()):
            name, value = h.split(":", 1)
            headers[name.lower()] = value.strip()
        body = f.read(int(headers.get("content-length", 0))).decode()
        say(method, path, headers.get("host"), body)
        if method == "CONNECT":
            c.sendall(b"HTTP/1.1 200 go on\r\n\r\n")
            continue
        path = path[path.index("/", 8):] if path.startswith("http") else path
        if path.startswith("/v1/") or path.startswith("/sandboxes"):
            answer(c, 200, '{"id":"sbx-1","namespace":"default","status":'
                   '"running","resources":{"cpus":1.0,"memory_mb":1}}')
        elif path == "/api/v1/health":
            answer(c, 200, '{"healthy":true}')
        elif path == "/api/v1/pty" and mode == "none":
            answer(c, 404, '{"error": "no such address"}')
        elif path == "/api/v1/pty":
            answer(c, 201, '{"session_id": "s1", "token": "%s"}' % (
                "" if mode == "no-token" else TOKEN))
        elif path.startswith("/api/v1/pty/s1/ws"):
            websocket(c, f, path, headers)
            return
        elif method == "DELETE":
            answer(c, 204)
        else:
            answer(c, 404, "{}")


def take(c, context):
    try:
        if context is not None:
            c = context.wrap_socket(c, server_side=True)
        serve(c)
    except (OSError, ValueError) as e:
        say("lost", type(e).__name__)
    finally:
        c.close()


server = socket.create_server(("127.0.0.1", 0))
tls = None
if len(sys.argv) > 4:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[4])
with open(ready + ".new", "w", encoding="utf-8") as r:
    r.write("http%s://127.0.0.1:%d\n" % ("s" if tls else "",
                                         server.getsockname()[1]))
os.rename(ready + ".new", ready)
while True:
    threading.Thread(target=take, args=(server.accept()[0], tls),
                     daemon=True).start()
