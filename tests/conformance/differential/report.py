"""Compares two answers recursively and sorts what differs: allowed with a reason, or a finding."""

import fnmatch
import json
import re

from allowed import ALLOWED, NEWER, NOTHING, TYPE_ONLY, UNORDERED, UNORDERED_CASES, matches


def show(value):
    return "nothing" if value is NOTHING else json.dumps(value, ensure_ascii=False)[:300]


def kind(value):
    return {bool: "bool", int: "number", float: "number", str: "string", list: "list", dict: "object",
            type(None): "null"}.get(type(value), "nothing")


def order_of(item):
    """By name, as far as there is one: what else differs is to be found between two of the same name."""
    name = (item.get("Name") or item.get("Id") or "") if isinstance(item, dict) else ""
    return name, json.dumps(item, sort_keys=True)


class Difference:
    def __init__(self, case, path, reference, ours):
        self.case, self.path, self.reference, self.ours = case, path, reference, ours

    def __str__(self):
        return f"{self.case}: {self.path}\n    dockerd {show(self.reference)}\n    berth   {show(self.ours)}"


class Report:
    def __init__(self):
        self.findings, self.allowed = [], []
        self.used = {entry: 0 for entry in ALLOWED}
        self.cases = set()
        self.reworded = 0

    def compare(self, case, reference, ours):
        assert case not in self.cases, f"two cases have the name {case}"
        self.cases.add(case)
        if reference.status != ours.status:
            # Their bodies have nothing in common then, but perhaps what they complain about.
            self.add(case, "status", reference.status, ours.status)
            a, b = (r.body.get("message", NOTHING) if isinstance(r.body, dict) else NOTHING for r in (reference, ours))
            if a is not NOTHING or b is not NOTHING:
                self.walk(case, "body.message", a, b)
            return
        for name in sorted(set(reference.headers) | set(ours.headers)):
            self.walk(case, f"header {name}", reference.headers.get(name, NOTHING), ours.headers.get(name, NOTHING))
        self.walk(case, "body", reference.body, ours.body)

    def walk(self, case, path, reference, ours):
        if reference is NOTHING or ours is NOTHING or kind(reference) != kind(ours):
            self.add(case, path, reference, ours)
        elif isinstance(reference, dict):
            for key in sorted(set(reference) | set(ours)):
                self.walk(case, f"{path}.{key}", reference.get(key, NOTHING), ours.get(key, NOTHING))
        elif isinstance(reference, list):
            self.walk_list(case, path, reference, ours)
        elif reference != ours and not any(matches(path, p) and matches(case, c) for c, p in TYPE_ONLY):
            if not (isinstance(reference, str) and self.is_newer(reference, ours)):
                self.add(case, path, reference, ours)

    def is_newer(self, reference, ours):
        """Whether `ours` is what a newer Docker says instead of `reference`."""
        for rule in NEWER:
            reworded, count = re.subn(rule.old, rule.new, reference)
            if count and reworded != reference:
                reference = reworded
                if reference == ours:
                    self.reworded += 1
                    return True
        return False

    def walk_list(self, case, path, reference, ours):
        if any(matches(path, p) for p in UNORDERED) or path == "body" and any(matches(case, c) for c in UNORDERED_CASES):
            reference, ours = (sorted(v or [], key=order_of) for v in (reference, ours))
        if len(reference) != len(ours):
            self.add(case, path, reference, ours)
            return
        for i, (a, b) in enumerate(zip(reference, ours)):
            self.walk(case, f"{path}[{i}]", a, b)

    def add(self, case, path, reference, ours):
        difference = Difference(case, path, reference, ours)
        for entry in ALLOWED:
            if entry.covers(difference):
                self.used[entry] += 1
                self.allowed.append((difference, entry))
                return
        self.findings.append(difference)

    def unused(self):
        return [entry for entry, count in self.used.items() if count == 0]
