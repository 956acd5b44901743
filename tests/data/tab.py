"""What a shell offers at the TAB key, on a terminal of its own.

    tab.py SETUP COMMAND... <LINES

SETUP is typed first.  Each line of stdin is typed, with TAB behind it; what the
terminal shows then comes on stdout after "== LINE".  At last, "= {WORD}..." has
the words that the shell makes of the line as it then is.  At most 60 seconds.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

END = time.monotonic() + 60
# Tall and wide, so that no list is asked about or cut.
SIZE = struct.pack("HHHH", 900, 300, 0, 0)


class Terminal:
    def __init__(self, command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, SIZE)
        self.got = b""
        self.count = 0

    def write(self, text):
        os.write(self.fd, text.encode())

    def until(self, what):
        """What is shown before that, which is left out."""
        while what not in self.got:
            if time.monotonic() > END:
                sys.exit("nothing more after: %r" % self.got[-2000:])
            if not select.select([self.fd], [], [], 0.1)[0]:
                continue
            try:
                self.got += os.read(self.fd, 65536)
            except OSError:
                sys.exit("ended: %r" % self.got[-2000:])
        text, self.got = self.got.split(what, 1)
        return text.decode(errors="replace")

    def settle(self):
        """All that was typed is done with."""
        self.count += 1
        self.write("echo END''%d.\n" % self.count)
        return self.until(b"END%d." % self.count)


def main():
    t = Terminal(sys.argv[2:])
    t.write(sys.argv[1] + "\n")
    t.write("offered () { printf '%s' =; printf '{%s}' \"$@\"; echo =; }\n")
    t.settle()
    for line in sys.stdin.read().splitlines():
        t.write(line + "\t\x01offered \n")
        text = t.settle()
        text = re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>()][0B]?)", "", text)
        text = text.replace("\r", "").replace("\0", "")
        words = re.search(r"=(\{.*\})=\n", text, re.S)
        print("== %s\n%s\n= %s" % (line, text,
                                   words.group(1) if words else "?"))
    os.kill(t.pid, signal.SIGKILL)


main()
