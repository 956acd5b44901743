"""A program on a terminal of its own, typed at and looked at.

    typist.py [-s ROWSxCOLS] STEPS COMMAND...

STEPS is a file of lines, each a step:
    wait TEXT       until that has been shown since the last wait
    type TEXT       (Python escapes)
    size ROWSxCOLS  of the window
    signal NAME     to the program
    sleep SECONDS
    run COMMAND     a shell's, meanwhile, elsewhere
All that was shown comes on stdout, then two lines: "STATUS N" and "MODES same"
or what has changed of the terminal's.  A wait of more than 20 seconds: "LATE".
"""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time


def size(fd, text):
    rows, cols = map(int, text.split("x"))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


def main():
    words = sys.argv[1:]
    start = "24x80"
    if words[0] == "-s":
        start = words[1]
        words = words[2:]
    with open(words[0], encoding="utf-8") as f:
        steps = [line.rstrip("\n").split(" ", 1) for line in f if line.strip()]
    master, slave = pty.openpty()
    size(slave, start)
    before = termios.tcgetattr(slave)
    job = os.fork()
    if job == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in range(3):
            os.dup2(slave, fd)
        os.closerange(3, 64)
        os.execvp(words[1], words[1:])
    got, at, late = b"", 0, None

    def look(seconds):
        nonlocal got
        if not select.select([master], [], [], seconds)[0]:
            return False
        got += os.read(master, 65536)
        return True

    for what, rest in [s if len(s) == 2 else (s[0], "") for s in steps]:
        if what == "wait":
            text = rest.encode().decode("unicode_escape").encode()
            until = time.monotonic() + 20
            while text not in got[at:] and late is None:
                look(0.1)
                if time.monotonic() > until:
                    late = rest
            at = got.find(text, at) + len(text)
        elif what == "type":
            os.write(master, rest.encode().decode("unicode_escape").encode())
        elif what == "size":
            size(slave, rest)
        elif what == "signal":
            os.kill(job, getattr(signal, rest))
        elif what == "sleep":
            until = time.monotonic() + float(rest)
            while time.monotonic() < until:
                look(0.05)
        elif what == "run":
            subprocess.run(rest, shell=True, check=False)
    until = time.monotonic() + 30
    status = None
    while time.monotonic() < until:
        look(0.1)
        pid, raw = os.waitpid(job, os.WNOHANG)
        if pid == job:
            status = os.waitstatus_to_exitcode(raw)
            break
    if status is None:
        os.kill(job, signal.SIGKILL)
        os.waitpid(job, 0)
    while look(0.1):
        pass
    after = termios.tcgetattr(slave)
    sys.stdout.write(got.decode(errors="replace").replace("\r\n", "\n"))
    if late is not None:
        print("\nLATE", late)
    print("\nSTATUS", status)
    print("MODES", "same" if before == after else f"{before} {after}")


main()
