#!/usr/bin/python3
"""Lists the methods and paths of an Engine API file (OpenAPI 2, YAML), one "METHOD /path" a line.

    scripts/api_paths.py docker-engine-api-v1.51.yaml > tests/spec/api-v1.51.txt

Reads the two levels below "paths:" by their indentation, so that no YAML library is needed.
"""

import re
import sys


def paths(text):
    path = None
    inside = False
    for line in text.splitlines():
        if re.match(r"\S", line):
            inside = line.startswith("paths:")
        if not inside:
            continue
        if match := re.fullmatch(r"  (/\S+):\s*", line):
            path = match[1]
        elif match := re.fullmatch(r"    (get|post|put|delete|head|patch):\s*", line):
            yield f"{match[1].upper()} {path}"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as f:
        print("\n".join(paths(f.read())))
