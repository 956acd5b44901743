"""The files of a large context: files.py FOLDER N

N files of 24,000 bytes, 100 in a folder, half of which can be made shorter; the
same each time.
"""
import os
import random
import sys

random.seed(1)
block = random.randbytes(1 << 20) + b"text that can be made shorter\n" * 35000
for i in range(int(sys.argv[2])):
    folder = "%s/%03d" % (sys.argv[1], i // 100)
    os.makedirs(folder, exist_ok=True)
    at = random.randrange(len(block) - 24000)
    with open("%s/%d" % (folder, i), "wb") as f:
        f.write(block[at:at + 24000])
