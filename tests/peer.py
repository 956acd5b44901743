#!/usr/bin/python3
"""A scripted HTTP server on loopback: it answers as told and logs what it got.

    peer.py --script FILE --log FILE --ready FILE
    peer.py --serve ASK TOLD

It binds a free port of 127.0.0.1 and then writes its URL and a newline to the
ready file.  The script is a JSON array of rules.  A request takes the first
rule that fits and has an answer left:

    {"method": "GET",          any method if absent
     "path": "/sandboxes/*",   shell pattern for path and query
     "body_has": TEXT,         only if the request's body holds it
     "answers": [ANSWER...],   one after another, the last again and again
     "once": true}             unless this: then the rule is used up

ANSWER, each member optional:

    "status": 200, "reason": TEXT, "headers": {NAME: VALUE}
    "json": VALUE | "body": TEXT | "base64": TEXT | "file": PATH
    "pieces": [TEXT | {"pause": SECONDS} ...]   a chunked body
    "events": [EVENT ...]     server-sent events, chunked.  EVENT: an object
                              with "line" (and "stream"), TEXT as it stands, or
                              {"pause": SECONDS}
    "delay": SECONDS          before the answer
    "length": N               a Content-Length that need not be true
    "cut": N                  close after N bytes of the body (of what "pieces"
                              or "events" made: at their end, unterminated)
    "close": true             close the connection after the answer
    "drop": true              close without an answer ("rst": by a reset)
    "down": SECONDS           no connections are taken for so long; those there
                              are end, this one behind the answer
    "hang": true              never answer
    "raw": TEXT               these bytes instead of an HTTP answer

In every text of an answer @URL@ stands for the server's own URL.  A request
that no rule fits gets 404.

The log has one JSON object a line, written before the answer is sent:
n, connection, time_ms, method, target, headers (pairs, as they came), body,
length, chunked, rule (its index, null if none).  A body that is no UTF-8 is in
body_base64 instead; one that was cut short has "cut": true.

With --serve it begins one for each line that comes out of the fifo ASK, a folder
with script.json and log: a process each, whose id and URL go to the fifo
TOLD.
"""

import argparse
import base64
import fnmatch
import json
import os
import signal
import socket
import socketserver
import struct
import sys
import threading
import time

START = time.monotonic()


class Script:
    def __init__(self, path, log):
        with open(path, encoding="utf-8") as f:
            self.rules = json.load(f)
        self.used = [0] * len(self.rules)
        self.log = open(log, "a", encoding="utf-8")
        self.lock = threading.Lock()
        self.n = 0
        self.connections = 0
        self.url = ""

    def connection(self):
        with self.lock:
            self.connections += 1
            return self.connections

    def choose(self, method, target, body):
        for i, rule in enumerate(self.rules):
            answers = rule["answers"]
            if rule.get("method", method) != method:
                continue
            if not fnmatch.fnmatchcase(target, rule["path"]):
                continue
            if rule.get("body_has", "").encode() not in body:
                continue
            if rule.get("once") and self.used[i] >= len(answers):
                continue
            answer = answers[min(self.used[i], len(answers) - 1)]
            self.used[i] += 1
            return i, answer
        return None, {"status": 404, "json": {"error": "no rule fits"}}

    def take(self, request, body):
        """Number, match and log a request: its answer."""
        with self.lock:
            self.n += 1
            rule, answer = self.choose(
                request["method"], request["target"], body)
            entry = {"n": self.n, **request, "rule": rule,
                     "time_ms": int((time.monotonic() - START) * 1000),
                     "length": len(body)}
            try:
                entry["body"] = body.decode("utf-8")
            except UnicodeDecodeError:
                entry["body_base64"] = base64.b64encode(body).decode()
            self.log.write(json.dumps(entry) + "\n")
            self.log.flush()
            return answer

    def text(self, s):
        return s.replace("@URL@", self.url).encode("utf-8", "surrogatepass")


class Gone(Exception):
    """The connection is to be closed."""


class Peer(socketserver.StreamRequestHandler):
    # Each piece leaves at once, as the pauses between them say.
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.script = self.server.script
        self.number = self.script.connection()

    def handle(self):
        try:
            while self.exchange():
                pass
        except (Gone, OSError):
            pass

    def finish(self):
        try:
            super().finish()
        except OSError:
            pass

    def read_head(self):
        line = self.rfile.readline(65536)
        if not line.strip():
            raise Gone
        parts = line.decode("latin-1").split()
        if len(parts) != 3:
            raise Gone
        headers = []
        while True:
            line = self.rfile.readline(65536)
            if line in (b"\r\n", b"\n"):
                break
            if not line:
                raise Gone
            name, _, value = line.decode("latin-1").rstrip("\r\n") \
                .partition(":")
            headers.append([name, value.strip()])
        return parts, headers

    def read_body(self, headers):
        get = {k.lower(): v for k, v in headers}
        if get.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in get.get("transfer-encoding", "").lower():
            body = b""
            while True:
                size = self.rfile.readline(64)
                if not size:
                    return body, True, True
                n = int(size.split(b";")[0], 16)
                chunk = self.rfile.read(n)
                body += chunk
                if len(chunk) < n:
                    return body, True, True
                self.rfile.readline(64)
                if n == 0:
                    return body, True, False
        n = int(get.get("content-length", 0))
        body = self.rfile.read(n)
        return body, False, len(body) < n

    def exchange(self):
        (method, target, _), headers = self.read_head()
        body, chunked, cut = self.read_body(headers)
        request = {"connection": self.number, "method": method,
                   "target": target, "headers": headers, "chunked": chunked}
        if cut:
            request["cut"] = True
        answer = self.script.take(request, body)
        if cut:
            return False
        if "delay" in answer:
            time.sleep(answer["delay"])
        if "down" in answer:
            self.server.go_down(answer["down"], self.request)
        return self.answer(answer, method) and "down" not in answer

    def answer(self, a, method):
        if a.get("hang"):
            # Until the client gives up.
            while self.request.recv(65536):
                pass
            raise Gone
        if "drop" in a:
            if a["drop"] == "rst":
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                        struct.pack("ii", 1, 0))
            raise Gone
        if "raw" in a:
            self.wfile.write(self.script.text(a["raw"]))
            raise Gone
        status = a.get("status", 200)
        headers = dict(a.get("headers", {}))
        known = {k.lower() for k in headers}

        def default(name, value):
            if name.lower() not in known:
                headers[name] = value

        if a.get("close") or "cut" in a:
            default("Connection", "close")
        head = f"HTTP/1.1 {status} {a.get('reason', 'Scripted')}\r\n"
        pieces = a.get("pieces")
        if "events" in a:
            default("Content-Type", "text/event-stream")
            pieces = [self.event(e) for e in a["events"]]
        if pieces is not None:
            default("Transfer-Encoding", "chunked")
            self.head(head, headers)
            for piece in pieces:
                if isinstance(piece, dict):
                    time.sleep(piece["pause"])
                    continue
                text = self.script.text(piece)
                if text:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
            if "cut" in a:
                raise Gone
            self.wfile.write(b"0\r\n\r\n")
            return not a.get("close")
        body = b""
        if "json" in a:
            default("Content-Type", "application/json")
            body = self.script.text(json.dumps(a["json"]))
        elif "body" in a:
            body = self.script.text(a["body"])
        elif "base64" in a:
            body = base64.b64decode(a["base64"])
        elif "file" in a:
            with open(a["file"], "rb") as f:
                body = f.read()
        if status >= 200 and status not in (204, 304):
            default("Content-Length", a.get("length", len(body)))
        self.head(head, headers)
        if method != "HEAD":
            self.wfile.write(body[:a.get("cut", len(body))])
        if "cut" in a or a.get("length", len(body)) != len(body):
            raise Gone
        return not a.get("close")

    @staticmethod
    def event(e):
        if isinstance(e, str) or "pause" in e:
            return e
        e = {"timestamp": 1782000000000, "stream": "stdout", **e}
        return "event: output\ndata: " + json.dumps(e) + "\n\n"

    def head(self, head, headers):
        for name, value in headers.items():
            head += f"{name}: {value}\r\n"
        self.wfile.write(self.script.text(head + "\r\n"))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, *args):
        super().__init__(*args)
        self.open = set()
        self.down = 0

    def process_request(self, request, address):
        self.open.add(request)
        super().process_request(request, address)

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def go_down(self, seconds, last):
        """Refuse at once; main() has the rest."""
        self.down = seconds
        for s in [self.socket, *(self.open - {last})]:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        threading.Thread(target=self.shutdown, daemon=True).start()


def serve(script, ready):
    at = ("127.0.0.1", 0)
    while True:
        with Server(at, Peer) as server:
            server.script = script
            if at[1] == 0:
                at = server.server_address
                script.url = "http://127.0.0.1:%d" % at[1]
                ready(script.url)
            server.serve_forever(0.05)
        time.sleep(server.down)


def serve_each(ask, told):
    # Nobody waits for them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    def tell(url):
        with open(told, "w", encoding="utf-8") as f:
            f.write(f"{os.getpid()} {url}\n")

    while True:
        with open(ask, encoding="utf-8") as f:
            folder = f.read().rstrip("\n")
        if os.fork() != 0:
            continue
        try:
            os.chdir(folder)
            script = Script("script.json", "log")
        except (OSError, ValueError):
            tell("")
            raise
        serve(script, tell)


def main():
    p = argparse.ArgumentParser(description="a scripted HTTP server")
    p.add_argument("--script")
    p.add_argument("--log")
    p.add_argument("--ready")
    p.add_argument("--serve", nargs=2)
    o = p.parse_args()
    if o.serve:
        serve_each(*o.serve)

    def ready(url):
        with open(o.ready + ".part", "w", encoding="utf-8") as f:
            f.write(url + "\n")
        os.rename(o.ready + ".part", o.ready)

    serve(Script(o.script, o.log), ready)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
