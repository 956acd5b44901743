"""Texts that are JSON, nearly JSON or no JSON, made from a seed, for a reader
of frames (tests/fuzz/span.c) and for Python's own.

differ.py PROGRAM SEED COUNT: prints how often both said yes and no; where they
disagree, the text, and the status is 1.
"""
import json
import random
import subprocess
import sys

program, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rnd = random.Random(seed)
sys.set_int_max_str_digits(0)
sys.setrecursionlimit(20000)

SEEDS = [
    b'{"a":{"b":[1,-0,1.5e+3,1E400],"c":null},"a":[true,false]}',
    b' [ "x\\u0041\\/\\ud83d\\ude00" , "\xc3\xa9\xf0\x9f\x98\x80" , {} , [] ] \n',
    b'"' + b'x' * 70 + b'\\"' + b'y' * 40 + b'"',
    b'{"snapshotRelPath":"p","upload":{"uri":"s3:\\/\\/b"},"parent":null}',
    b'-12345678901234567890.0123456789e-10',
    b'[' * 127 + b']' * 127,
    b'{"":' * 126 + b'[]' + b'}' * 126,
    b'[[],{},"",0,[[]],{"a":{}},"\\\\","\\"",1e1]',
]
PIECES = [
    b'{', b'}', b'[', b']', b',', b':', b'"', b'\\', b'\\u', b'\\ud800',
    b'\\udc00', b'\\n', b'\\x', b'0', b'1', b'-', b'+', b'.', b'e', b'E',
    b'true', b'false', b'null', b'NaN', b'Infinity', b' ', b'\t', b'\r',
    b'\n', b'\0', b'\x0b', b'\x7f', b'\x80', b'\xc0\x80', b'\xc3\xa9',
    b'\xed\xa0\x80', b'\xef\xbb\xbf', b'\xf4\x90\x80\x80', b'/**/', b"'",
    b'"upload":1', b'"a":', b'[[', b']]', b'\xe2\x80\xa8', b'\xc2\xa0',
]


def mutate(text):
    for _ in range(rnd.choice((0, 1, 1, 1, 2, 3))):
        at = rnd.randrange(len(text) + 1)
        to = min(len(text), at + rnd.choice((0, 0, 1, 1, 2, 5)))
        how = rnd.randrange(5)
        if how == 0:
            new = b''
        elif how == 1:
            new = bytes([rnd.randrange(256)])
        elif how == 2 and text:
            start = rnd.randrange(len(text))
            new = text[start:start + rnd.randrange(1, 20)]
        else:
            new = rnd.choice(PIECES)
        text = text[:at] + new + text[to:]
    if rnd.randrange(20) == 0:
        text = text[:rnd.randrange(len(text) + 1)]
    return text


def refuse(word):
    raise ValueError(word)


def check(value, depth=0):
    """Depth as the header has it; no half of a surrogate pair anywhere."""
    # Objects are tuples here, so that repeated members stay.
    if isinstance(value, str):
        if any(0xd800 <= ord(c) <= 0xdfff for c in value):
            refuse("surrogate")
    elif isinstance(value, (list, tuple)):
        if depth == 127:
            refuse("depth")
        if isinstance(value, list):
            for v in value:
                check(v, depth + 1)
        else:
            for name, v in value:
                check(name, 127)
                check(v, depth + 1)


class Number(str):
    """As spelled: numbers are not evaluated."""


def parse(text):
    value = json.loads(
        text.decode("utf-8"), parse_constant=refuse, parse_int=Number,
        parse_float=Number, object_pairs_hook=tuple)
    check(value)
    return value


def strict(text):
    try:
        return True, parse(text)
    except (ValueError, RecursionError):
        return False, None


texts = [mutate(rnd.choice(SEEDS)) for _ in range(count)]
frames = b''.join(b'%d\n%s' % (len(t), t) for t in texts)
out = subprocess.run([program], input=frames, stdout=subprocess.PIPE,
                     check=True).stdout
at = yes = no = wrong = 0
for text in texts:
    end = out.index(b'\n', at)
    head, at = out[at:end], end + 1
    good, value = strict(text)
    if head == b'-':
        got = None
    else:
        got = out[at:at + int(head)]
        at += int(head)
    if good != (got is not None) or good and parse(got) != value:
        wrong += 1
        print("differs:", text, "python:", good, "span:", got)
    yes, no = yes + good, no + (not good)
print(f"# {yes} good, {no} bad, {wrong} wrong")
sys.exit(wrong != 0 or yes < count / 10 or no < count / 10 or at != len(out))
