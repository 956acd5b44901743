"""A command on a terminal of its own, under something like a shell.

    terminal.py [--background | --leader] COMMAND... [-- WAIT TYPE]...

WAIT for a text on the terminal, a moment, and then TYPE (Python escapes).
All that was shown comes on stdout; a job that is stopped goes on a second
later, between the lines STOPPED and ON, and at its end its STATUS is a line.
--leader: without the shell.  At most 15 seconds.
"""

import os
import pty
import select
import signal
import sys
import time


def shell(command, background):
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        if not background:
            os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execvp(command[0], command)
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            break
        os.tcsetpgrp(0, os.getpid())
        print("STOPPED", flush=True)
        time.sleep(1)
        print("ON", flush=True)
        os.tcsetpgrp(0, job)
        os.killpg(job, signal.SIGCONT)
    print("STATUS", os.waitstatus_to_exitcode(status), flush=True)
    os._exit(0)


def main():
    words = sys.argv[1:]
    how = words.pop(0) if words[0].startswith("--") else ""
    steps = []
    while len(words) > 3 and words[-3] == "--":
        steps.insert(0, (words[-2], words[-1]))
        words = words[:-3]
    pid, fd = pty.fork()
    if pid == 0:
        if how == "--leader":
            os.execvp(words[0], words)
        shell(words, how == "--background")
    end = time.monotonic() + 15
    got = b""
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.1)[0]:
            continue
        try:
            got += os.read(fd, 65536)
        except OSError:
            break
        if steps and steps[0][0].encode() in got:
            time.sleep(0.5)
            os.write(fd, steps.pop(0)[1].encode().decode(
                "unicode_escape").encode())
    os.kill(pid, signal.SIGKILL)
    sys.stdout.write(got.decode(errors="replace").replace("\r\n", "\n"))


main()
