"""terminals.py URL SANDBOX DAEMON: terminals of a sandbox, as tl-wire(7) has them,
and what a hostile client sends.  TAP without numbers."""

import os
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from wsclient import Closed, Region, Socket  # noqa: E402

url, box, daemon = sys.argv[1:4]
us = Region(url, box, "secret-one")
them = Region(url, box, "secret-two")


def check(name, got, want=True):
    if got == want:
        print("ok -", name)
    else:
        print("not ok -", name)
        print(f"# got {got!r}, wanted {want!r}")
    sys.stdout.flush()


def sh(text, **more):
    return us.terminal("/bin/sh", "-c", text, **more)


def ended(doc, seconds=10):
    """The session once it is not alive."""
    for _ in range(seconds * 20):
        status, now = us.ask("GET", "pty/" + doc["session_id"])
        if status != 200 or not now["is_alive"]:
            break
        time.sleep(0.05)
    return now


def resident():
    """KiB of the daemon; the sanitizers keep what was freed."""
    with open(f"/proc/{daemon}/status", encoding="utf-8") as f:
        return 0 if "TL_ASAN" in os.environ else int(
            [line for line in f if line.startswith("VmRSS")][0].split()[1])


# A terminal, what is typed and shown.
doc = us.terminal("/bin/sh", "-i", rows=31, cols=99,
                  env={"PS1": "$ ", "TERM": "vt220"})
check("an id and a token", sorted(doc), ["session_id", "token"])
check("the token is 256 bits", len(bytes.fromhex(doc["token"])), 32)
s = us.session(doc)
check("the connection is switched", (s.status, s.accepted), (101, True))
s.ready()
check("a prompt", s.until("$ "))
s.type("tty; stty size; echo $TERM; id -un; echo $0\n")
check("a terminal of the sandbox's own", s.until("\r\n/dev/pts/"))
check("of the size that was asked for", s.until("\r\n31 99\r\n"))
check("its TERM", s.until("vt220\r\n"))
check("as the sandbox's user", s.until("sandbox\r\n"))
# What is typed before the prompt is shown before it.
check("and its shell, which asks for more", s.until("/bin/sh\r\n$ "))
s.resize(40, 120)
s.type("stty size\n")
check("its size follows", s.until("\r\n40 120\r\n$ "))
status, _ = us.ask("POST", "pty/" + doc["session_id"] + "/resize",
                   {"rows": 7, "cols": 5000})
check("by request, too", status, 204)
s.type("stty size\n")
check("and within bounds", s.until("\r\n7 1000\r\n$ "))
status, one = us.ask("GET", "pty/" + doc["session_id"])
check("it is described", (status, one["command"], one["args"], one["rows"],
      one["cols"], one["is_alive"], one["exit_code"], one["ended_at"]),
      (200, "/bin/sh", ["-i"], 7, 1000, True, None, None))
check("its token is in no description", doc["token"] in str(
    us.ask("GET", "pty")) + str(one), False)
s.type("sleep 100\n")
check("a command in the foreground", s.until("sleep 100\r\n"))
time.sleep(0.3)
s.type(b"\3")
check("is interrupted", s.until("$ "))
s.type("echo st''ill; trap 'echo WIN' WINCH; echo tra''p\n")
check("and the shell goes on", s.until("still\r\n") and s.until("trap\r\n"))
s.resize(20, 20)
s.type("\n")
check("who has the terminal is told of its size", s.until("WIN\r\n"))
s.type("ps -o ppid= -C sh,sleep | sort -u | wc -l; jobs; exit 7\n")
check("its end", s.end(), (1000, "exit:7", 7))
s.close()
one = ended(doc)
check("is told for a while", (one["is_alive"], one["exit_code"]), (False, 7))
check("it is no process of the other kind",
      us.ask("GET", "processes/" + str(one["pid"]))[0], 404)
check("and in no list of them", us.ask("GET", "processes")[1],
      {"processes": []})

# What is shown at the end is not lost, nor what came before anybody looked.
doc = sh("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done")
ended(doc)
s = us.session(doc).ready()
check("all of it", s.end(), (1000, "exit:0", 0))
check("from the beginning", s.shown.startswith(b"line 0\r\nline 1\r\n") and
      s.shown.endswith(b"line 1999\r\n"))
s = us.session(doc, query=True).ready()
check("once more, with its token in the query", (s.end()[1],
      s.shown.count(b"\n")), ("exit:0", 2000))
s = us.session(sh("kill -9 $$")).ready()
check("a signal's end is as a shell has it", s.end(), (1000, "exit:137", 137))
# The one between it and us is held up meanwhile, and never reads that.
doc = sh("r=$(($$ + 2)); trap '' HUP; kill -STOP $r; echo the last; "
         "(sleep 1; kill -CONT $r) & exit 3")
s = us.session(doc).ready()
for _ in range(4):
    s.type("x")
    time.sleep(0.1)
check("typed too late, and what was shown is there all the same",
      (s.until("the last"), s.end()), (True, (1000, "exit:3", 3)))
doc = sh("sleep 60 & exec >/dev/null </dev/null 2>&1; exit 3")
s = us.session(doc).ready()
check("what is left in the background holds nothing up", s.end(5)[1], "exit:3")

# It stays when the connection ends, for who comes again.
doc = us.terminal("cat")
s = us.session(doc).ready()
s.type("one\n")
check("typed and shown", s.until("one\r\none\r\n"))
s.close()
a, b = us.session(doc).ready(), us.session(doc).ready()
check("it is there again", a.until("one\r\none\r\n"))
a.type("two\n")
check("two are shown the same", a.until("two\r\ntwo\r\n") and
      b.until("one\r\none\r\ntwo\r\ntwo\r\n"))
a.send(8, struct.pack(">H", 1000) + b"client disconnect")
check("a close is answered", a.end()[:2], (1000, "client disconnect"))
b.send(9, b"are you there")
check("a ping, too", b.next(), (10, b"are you there"))
check("killed", us.ask("DELETE", "pty/" + doc["session_id"])[0], 204)
check("it says so", b.end()[:2], (1001, "session terminated"))
check("and is gone", ended(doc)["exit_code"], 128 + 1)
doc = sh("trap '' HUP; echo on; while :; do sleep 1; done")
s = us.session(doc).ready()
s.until("on")
begun = time.monotonic()
us.ask("DELETE", "pty/" + doc["session_id"])
check("one that does not go is killed", (s.end(15)[1],
      3 < time.monotonic() - begun < 12), ("session terminated", True))

# Who may.
doc = us.terminal("cat")
path = "pty/" + doc["session_id"]
check("another project sees none", them.ask("GET", path)[1]["code"],
      "SANDBOX_NOT_FOUND")
check("nor is it connected", Socket(them, doc["session_id"],
                                    doc["token"]).status, 404)
check("no key", Socket(us, doc["session_id"], doc["token"], headers={
    "Authorization": None}).status, 401)
for name, token in (("a token that is not its", "0" * 64), ("a part of it",
                    doc["token"][:63]), ("none", "")):
    check(name, Socket(us, doc["session_id"], token).status, 403)
other = us.terminal("cat")
check("another's token", Socket(us, doc["session_id"],
                                other["token"]).status, 403)
check("an id that is none", Socket(us, "nope", doc["token"]).status, 404)
for name, headers, want in (
        ("no upgrade", {"Upgrade": None}, 426),
        ("another protocol", {"Upgrade": "h2c"}, 426),
        ("another version", {"Sec-WebSocket-Version": "8"}, 426),
        ("no key of the handshake", {"Sec-WebSocket-Key": None}, 400),
        ("one that is too short", {"Sec-WebSocket-Key": "AAAA"}, 400),
        ("one that is no base64", {"Sec-WebSocket-Key": "!" * 24}, 400)):
    check("refused: " + name, Socket(us, doc["session_id"], doc["token"],
                                     headers=headers).status, want)
for method, at, want in (("PUT", "pty", 405), ("PUT", path, 405), ("GET", path +
                         "/resize", 405), ("GET", path + "/x", 404),
                         ("POST", path + "/ws", 405), ("GET", "pty/", 404)):
    check(f"{method} {at.replace(doc['session_id'], 'ID')}",
          us.ask(method, at)[0], want)
for name, body in (("no command", {}), ("a size that is none", {
        "command": "cat", "rows": "x"}), ("a program that is not there", {
            "command": "/nope"}), ("a folder that is not there", {
                "command": "cat", "working_dir": "/nope"}), ("a user", {
                    "command": "cat", "user": "nobody-here"})):
    check("refused: " + name, us.ask("POST", "pty", body)[0], 400)
check("no size", us.ask("POST", path + "/resize", {"rows": 3})[0], 400)
s = us.session(us.terminal("id", "-u", user="root")).ready()
check("root, where asked for", (s.end()[2], s.shown), (0, b"0\r\n"))

# What no client should send.
hostile = (
    ("a frame without a mask", [((2, b"\0x"), {"mask": False})], 1002),
    ("a reserved bit", [((2, b"\0x"), {"rsv": 4})], 1002),
    ("an opcode that is none", [((3, b"x"), {})], 1002),
    ("a continuation of nothing", [((0, b"x"), {})], 1002),
    ("a message in a message", [((2, b"\0x"), {"fin": False}),
                                ((2, b"\0x"), {})], 1002),
    ("a ping in pieces", [((9, b"x"), {"fin": False})], 0),
    ("a ping that is too long", [((9, b"x" * 126), {})], 0),
    ("a message that is too long", [((2, b"\0"), {"length": 65537})], 1009),
    ("one of 2^63 bytes", [((2, b""), {"length": 2 ** 63})], 0),
    ("one of 2^62 bytes", [((2, b"\0"), {"length": 2 ** 62})], 1009),
    ("pieces that are too long", [((2, b"\0" * 40000), {"fin": False}),
                                  ((0, b"\0" * 40000), {})], 1009),
    ("text that is no UTF-8", [((1, b"\xc3("), {})], 1007),
    ("a close without half its code", [((8, b"\3"), {})], False),
    ("a close with no such code", [((8, struct.pack(">H", 999)), {})], 1002),
    ("a close whose words are no UTF-8", [((8, struct.pack(">H", 1000) +
                                            b"\xff"), {})], 1007),
)
for name, frames, want in hostile:
    s = us.session(doc).ready()
    try:
        for args, more in frames:
            s.send(*args, **more)
    except OSError:
        pass
    code = s.end(5)[0]
    check(f"hostile: {name}", code if want is not False else code is None or
          code >= 0, True if want is False else want)
    try:
        over = s.fd.recv(1) == b""
    except OSError:
        over = True
    check(f"hostile: {name}: the connection ends", over)
    s.close()
s = us.session(doc).ready()
for payload in (b"", b"\0", b"\1", b"\1\0\0\0", b"\3\0\0\0\0", b"\x7fx",
                b"\1\0\0\0\0"):
    s.send(2, payload)
s.send(1, "ein Text, gültig".encode())
s.send(10, b"a pong that nobody asked for")
for piece in range(3):
    s.send(2 if piece == 0 else 0, b"\0pie" if piece == 0 else b"ces",
           fin=piece == 2)
s.type("\n")
check("what means nothing is passed over", s.until("piecesces\r\n"))
s.close()
s = us.session(doc, early=s.frame(2, b"\2") + s.frame(2, b"\0early\n"))
check("what comes with the request counts", s.until("early\r\nearly\r\n"))
s.close()

# Who does not read, and who does not say that he is ready.
flood = us.terminal("/bin/sh", "-c", "yes 0123456789012345678901234567890")
before = resident()
s = us.session(flood, receive=4096).ready()
time.sleep(4)
check("a slow reader costs no memory", resident() - before < 4000 or
      resident() - before)
status, one = us.ask("GET", "pty/" + flood["session_id"])
check("a slow reader holds only his own up", (status, one["is_alive"]),
      (200, True))
lazy = us.session(flood)
check("one that never is ready is let go", lazy.end(20)[:2] if s.until(
    "\n") is not None and [s.next() for _ in range(400)] else None,
      (1008, "pre-ready buffer overflow"))
s.close()
lazy.close()
us.ask("DELETE", "pty/" + flood["session_id"])
s = us.session(doc, receive=4096).ready()
sent = 0
s.fd.settimeout(3)
try:
    for _ in range(200000):
        s.fd.sendall(s.frame(9, b"x" * 125))
        sent += 1
except OSError:
    pass
check("pings whose answers nobody reads come to a halt", sent < 200000)
s.close()
stuck = us.terminal("/bin/sh", "-c", "stty raw -echo; echo go; sleep 300")
s = us.session(stuck).ready()
s.until("go")
sent = 0
s.fd.settimeout(3)
try:
    for _ in range(2000):
        s.type(b"x" * 30000)
        sent += 1
except OSError:
    pass
check("what is typed and never read, too", sent < 2000)
s.close()
us.ask("DELETE", "pty/" + stuck["session_id"])

# No more than so many.
made = []
while len(made) < 70:
    status, new = us.ask("POST", "pty", {"command": "cat"})
    if status != 201:
        break
    made.append(new)
check("more than 64 are refused", (status, new.get("code")),
      (429, "TOO_MANY_SESSIONS"))
check("so many were there", len(us.ask("GET", "pty")[1]["sessions"]), 64)
for new in made + [doc, other]:
    us.ask("DELETE", "pty/" + new["session_id"])

for new in made[:3]:
    ended(new)
status, new = us.ask("POST", "pty", {"command": "true"})
check("ended ones make room", status, 201)
check("killed ones are kept for a while", us.ask("GET", "pty/" +
      made[2]["session_id"])[0] if made else None, 200)
