#!/usr/bin/python3
"""Stand between the sandbox proxy and the dataplane and keep what is signed.

recorder.py LISTEN DATAPLANE PREFIX: answers on the unix socket LISTEN with
what the one at DATAPLANE says, and writes the body of the Nth 200 answer,
exactly as it came, to PREFIX.N.
"""
import http.client
import http.server
import socket
import socketserver
import sys

listen, dataplane, prefix = sys.argv[1:]
count = 0


class Upstream(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(dataplane)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        global count
        body = self.rfile.read(int(self.headers["Content-Length"]))
        upstream = Upstream("dataplane")
        upstream.request("POST", self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        text = answer.read()
        if answer.status == 200 and self.path.endswith("/sign"):
            count += 1
            with open(f"{prefix}.{count}", "wb") as f:
                f.write(text)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass

    def address_string(self):
        return "proxy"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


Server(listen, Handler).serve_forever()
