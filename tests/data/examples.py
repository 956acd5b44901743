#!/usr/bin/python3
"""Run the EXAMPLES of a manual page in the current folder, in one shell.

    examples.py [--status] PAGE

Each "$ " line of a literal block is a command, with the lines that it goes on
in; what follows up to the next one, if anything, is what it says.  Prints each
command that does not end with 0, or does not say what the page has; --status:
only the first.  A last line says how many were run.
"""

import re
import subprocess
import sys

MARK = "@@ended@@"


def blocks(path):
    inside, block = False, None
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.startswith(".Sh "):
                inside = line.startswith(".Sh EXAMPLES")
            elif inside and line.startswith(".Bd -literal"):
                block = []
            elif block is not None and line.startswith(".Ed"):
                yield block
                block = None
            elif block is not None:
                # What roff takes for itself.
                block.append(line.rstrip("\n").replace("\\&", "")
                             .replace("\\e", "\\"))


def whole(text):
    if text.endswith("\\"):
        return False
    r = subprocess.run(["sh", "-n"], input=text, capture_output=True,
                       text=True, check=False)
    return r.returncode == 0


def commands(block):
    """(command, what it says) of each."""
    lines = iter(block)
    command, says = None, []
    for line in lines:
        if not line.startswith("$ "):
            says.append(line)
            continue
        if command is not None:
            yield command, says
        command, says = line[2:], []
        while not whole(command):
            command += "\n" + re.sub(r"^> +", "", next(lines))
    if command is not None:
        yield command, says


def main(words):
    status_only = words[0] == "--status"
    all_ = [c for b in blocks(words[-1]) for c in commands(b)]
    script = "exec 2>&1 </dev/null\n"
    for command, _ in all_:
        script += f"{command}\nprintf '\\n{MARK} %d\\n' $?\n"
    r = subprocess.run(["sh"], input=script, capture_output=True, text=True,
                       check=False, timeout=120)
    ran = re.findall(rf"(.*?)\n?\n{MARK} (\d+)\n", r.stdout, re.S)
    for (command, says), (out, status) in zip(all_, ran):
        if status != "0":
            print(f"{command}: {status}: {out}")
        elif not status_only and says and out.split("\n") != says:
            print(f"{command}: {out!r}, not {says}")
    if len(ran) != len(all_):
        print(f"only {len(ran)} of {len(all_)}: {r.stdout[-500:]}")
    print(len(all_))


main(sys.argv[1:])
