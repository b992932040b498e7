#!/usr/bin/python3
"""Holds every #include below src/ against the rooms declared in src/CMakeLists.txt.

A room (berth_room, berth_app) names in USES all the rooms that its files may include. The linker lets many a wrong
arrow pass, since a static library is found through another one; this check doesn't.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SRC = os.path.join(ROOT, "src")
KEYWORDS = {"PATH", "EXCLUDE", "USES", "LINKS"}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


class Room:
    def __init__(self, name, path, uses):
        self.name, self.path, self.uses = name, path, uses


def declared(text):
    """Yields a Room for every berth_room(...) and berth_app(...)."""
    text = re.sub(r"#.*", "", text)
    for kind, body in re.findall(r"\b(berth_room|berth_app)\s*\(([^)]*)\)", text):
        words = body.split()
        name, keyword, lists = words[0], None, {k: [] for k in KEYWORDS}
        for word in words[1:]:
            if word in KEYWORDS:
                keyword = word
            elif keyword:
                lists[keyword].append(word.strip('"'))
        if kind == "berth_app":
            yield Room(name, "apps/" + name, set(lists["USES"]))
        else:
            yield Room(name, (lists["PATH"] or [name])[0], set(lists["USES"]))


def sources():
    for folder, _, names in os.walk(SRC):
        for name in sorted(names):
            if name.endswith((".cc", ".h", ".c")):
                yield os.path.relpath(os.path.join(folder, name), SRC)


def room_of(file, rooms):
    """The room with the longest path that holds the file."""
    def holds(room):
        return file.startswith(room.path + "/") or os.path.splitext(file)[0] == room.path
    return max((r for r in rooms if holds(r)), key=lambda r: len(r.path), default=None)


def complaints(rooms):
    by_name = {r.name: r for r in rooms}
    for room in rooms:
        for used in sorted(room.uses - by_name.keys()):
            yield f"src/CMakeLists.txt: {room.name} uses {used}, which is no room"
    seen = set()
    for room in rooms:  # a room stands above all that it uses, so the declarations are in order
        for used in sorted(room.uses & by_name.keys() - seen):
            yield f"src/CMakeLists.txt: {room.name} uses {used}, which stands above it"
        seen.add(room.name)
    for file in sources():
        room = room_of(file, rooms)
        if room is None:
            yield f"src/{file}: belongs to no room"
            continue
        with open(os.path.join(SRC, file), encoding="utf-8") as f:
            includes = INCLUDE.findall(f.read())
        for include in includes:
            if not os.path.exists(os.path.join(SRC, include)):
                if not os.path.exists(os.path.join(SRC, os.path.dirname(file), include)):
                    yield f'src/{file}: "{include}" does not exist below src/'
                continue
            target = room_of(include, rooms)
            if target is None:
                yield f'src/{file}: "{include}" belongs to no room'
            elif target is not room and target.name not in room.uses:
                yield f'src/{file}: room {room.name} includes "{include}" but does not declare to use {target.name}'


def main():
    with open(os.path.join(SRC, "CMakeLists.txt"), encoding="utf-8") as f:
        rooms = list(declared(f.read()))
    found = list(complaints(rooms))
    for line in found:
        print(line, file=sys.stderr)
    print(f"check_rooms: {len(rooms)} rooms, {len(found)} wrong")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
