#!/usr/bin/python3
"""Documents against their schemas (data/schema, JSON Schema draft 7).

    documents.py check NAME FILE     valid, and each member that the schema
                                     knows counts: gone or of another type,
                                     the document is not valid any more
    documents.py agree NAME FILE PATTERN COMMAND...
                                     COMMAND takes on stdin, by its status 0
                                     or 65, just what the schema does, and
                                     also the changes that the pattern fits
    documents.py page PAGE DIR       the JSON of a manual page's literal
                                     blocks to DIR/SUBSECTION.json

Prints what is wrong; nothing if all is well.
"""

import copy
import json
import os
import re
import subprocess
import sys

import jsonschema

try:
    import referencing.jsonschema
except ImportError:  # jsonschema has it since 4.18
    referencing = None

SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schema")


def schema(name):
    with open(os.path.join(SCHEMAS, name), encoding="utf-8") as f:
        return json.load(f)


def validator(name):
    s = schema(name + ".json")
    jsonschema.Draft7Validator.check_schema(s)
    others = {n: schema(n) for n in os.listdir(SCHEMAS)}
    if referencing is None:
        resolver = jsonschema.RefResolver("", s, store=others)
        return jsonschema.Draft7Validator(s, resolver=resolver)
    registry = referencing.Registry().with_contents(
        others.items(), default_specification=referencing.jsonschema.DRAFT7)
    return jsonschema.Draft7Validator(s, registry=registry)


def no_twins(pairs):
    if len({k for k, _ in pairs}) != len(pairs):
        raise ValueError("a member is there twice")
    return dict(pairs)


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f, object_pairs_hook=no_twins)


def wrong(value):
    """A value of a type that nothing takes in the place of this one."""
    return 7.5 if isinstance(value, (dict, list)) else {"?": [0]}


def properties(s):
    """What a schema says of members, those of its references too."""
    if "$ref" in s:
        s = schema(s["$ref"])
    known = dict(s.get("properties", {}))
    needed = set(s.get("required", []))
    for part in s.get("allOf", []):
        if "$ref" in part:
            more = properties(part)
            known = {**more[0], **known}
            needed |= more[1]
    return known, needed


def mutants(doc, s, path=()):
    """(what, document) for each member that the schema knows."""
    known, needed = properties(s)

    def change(name, value):
        out = copy.deepcopy(doc)
        at = out
        for step in path:
            at = at[step]
        if value is None:
            del at[name]
        else:
            at[name] = value
        return out

    here = doc
    for step in path:
        here = here[step]
    for name, sub in known.items():
        if name not in here:
            continue
        what = ".".join((*path, name))
        yield f"{what} of another type", change(name, wrong(here[name]))
        if name in needed:
            yield f"without {what}", change(name, None)
        if isinstance(here[name], dict):
            yield from mutants(doc, sub, (*path, name))


def check(name, path):
    v, doc = validator(name), load(path)
    for e in v.iter_errors(doc):
        print(f"{path}: {'.'.join(map(str, e.absolute_path))}: {e.message}"
              [:300])
    n = 0
    for what, mutant in mutants(doc, v.schema):
        n += 1
        if v.is_valid(mutant):
            print(f"{name}: valid {what}")
    if n == 0 and doc:
        print(f"{name}: the schema knows none of its members")


def agree(name, path, spared, command):
    v, doc = validator(name), load(path)
    for what, mutant in [("as it is", doc), *mutants(doc, v.schema)]:
        r = subprocess.run(command, input=json.dumps(mutant).encode(),
                           capture_output=True, check=False)
        valid = v.is_valid(mutant) or re.fullmatch(spared, what) is not None
        if r.returncode != (0 if valid else 65):
            print(f"{name}, {what}: {'' if valid else 'not '}valid, but "
                  f"{command[0]} ends with {r.returncode}: "
                  f"{r.stderr.decode()}")


def page(path, folder):
    title, block = None, None
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.startswith(".Ss "):
                title = line[4:].split()[0].lower()
            elif line.startswith(".Bd -literal"):
                block = ""
            elif line.startswith(".Ed") and block is not None:
                if title and block.lstrip().startswith("{"):
                    # A line too long is broken as in a shell.
                    text = re.sub(r"\\\n", "", block.replace("\\e", "\\"))
                    with open(f"{folder}/{title}.json", "w",
                              encoding="utf-8") as out:
                        out.write(text)
                block = None
            elif block is not None:
                block += line


def main(words):
    if words[0] == "check":
        check(*words[1:3])
    elif words[0] == "agree":
        agree(words[1], words[2], words[3], words[4:])
    else:
        page(*words[1:3])


main(sys.argv[1:])
