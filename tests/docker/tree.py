"""A tree, told entry by entry: tree.py [-t TIME] ROOT [WITHOUT]

A line of JSON each, sorted by name: mode, owner, name, then what it has of text
or digest, target, device, time (but for those from TIME on), attributes, the
first name of the same file.  What WITHOUT has under the same name is left out
where it is told the same.
"""
import hashlib
import json
import os
import stat
import sys

args = sys.argv[1:]
new = None
if args[0] == "-t":
    new = int(args[1])
    args = args[2:]


def told(root):
    root = os.fsencode(root)
    first = {}
    for folder, names, files in os.walk(root):
        names.sort()
        entries = [folder] if folder == root else []
        entries += [os.path.join(folder, n) for n in sorted(names + files)]
        for path in entries:
            s = os.lstat(path)
            name = os.path.relpath(path, root).decode("utf-8", "replace")
            if name == "lost+found":
                continue
            e = {"mode": stat.filemode(s.st_mode),
                 "owner": "%d:%d" % (s.st_uid, s.st_gid), "name": name}
            if stat.S_ISREG(s.st_mode):
                with open(path, "rb") as f:
                    text = f.read()
                if len(text) < 100:
                    e["text"] = text.decode("utf-8", "replace")
                else:
                    e["sha256"] = hashlib.sha256(text).hexdigest()
            if stat.S_ISLNK(s.st_mode):
                e["target"] = os.fsdecode(os.readlink(path))
            if stat.S_ISCHR(s.st_mode) or stat.S_ISBLK(s.st_mode):
                e["device"] = s.st_rdev
            t = int(s.st_mtime)
            if new is None or t < new:
                e["time"] = t
            for k in sorted(os.listxattr(path, follow_symlinks=False)):
                if not k.startswith("trusted.overlay."):
                    e.setdefault("attributes", {})[k] = os.getxattr(
                        path, k, follow_symlinks=False).hex()
            if not stat.S_ISDIR(s.st_mode) and s.st_nlink > 1:
                e["same"] = first.setdefault(s.st_ino, name)
            yield name, json.dumps(e)


below = dict(told(args[1])) if len(args) > 1 else {}
for name, line in sorted(told(args[0])):
    if below.pop(name, None) != line:
        print(line)
for name in sorted(below):
    if not os.path.lexists(os.path.join(args[0], name)):
        print(json.dumps({"gone": name}))
