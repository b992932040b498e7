#!/usr/bin/python3
"""Adds up what scripts/test.sh has left in a folder; prints the closing line and exits 1 if anything failed."""

import glob
import json
import os
import sys
import xml.etree.ElementTree as xml


def count_checks(folder):
    verdicts = [open(path).read().strip() for path in glob.glob(folder + "/*.check")]
    return verdicts.count("pass"), verdicts.count("fail"), 0


def count_unit(folder):
    """Cases of the GoogleTest programs, and one failure for each program that ctest saw fail without a failed case."""
    passed = failed = skipped = 0
    for path in glob.glob(folder + "/unit/*.json"):
        with open(path) as f:
            report = json.load(f)
        skips = sum(case.get("result") in ("SKIPPED", "SUPPRESSED")
                    for suite in report["testsuites"] for case in suite["testsuite"])
        failed += report["failures"]
        skipped += skips
        passed += report["tests"] - report["failures"] - skips
    path = folder + "/ctest.xml"
    if os.path.exists(path):
        broken = sum(case.find("failure") is not None for case in xml.parse(path).iter("testcase"))
        failed = max(failed, broken)
    elif os.path.isdir(folder + "/unit"):
        failed += 1
    return passed, failed, skipped


def count_integration(folder):
    status = folder + "/pytest.exit"
    if not os.path.exists(status):
        return 0, 0, 0
    code = int(open(status).read())
    path = folder + "/pytest.xml"
    if not os.path.exists(path):
        return 0, 1, 0
    tests = failed = skipped = 0
    for suite in xml.parse(path).iter("testsuite"):
        tests += int(suite.get("tests"))
        failed += int(suite.get("failures")) + int(suite.get("errors"))
        skipped += int(suite.get("skipped"))
    passed = max(0, tests - failed - skipped)
    if code != 0 and failed == 0:  # interrupted, nothing collected, or a check at the session's end
        failed = 1
    return passed, failed, skipped


def count_machine(folder):
    """What tests/vm/run.py has counted; when it ended without, that is a failure."""
    if not os.path.exists(folder + "/vm.exit"):
        return 0, 0, 0
    path = folder + "/vm.counts"
    if not os.path.exists(path):
        return 0, 1, 0
    passed, failed, skipped = map(int, open(path).read().split())
    return passed, failed, skipped


def main():
    folder = sys.argv[1]
    parts = count_checks(folder), count_unit(folder), count_integration(folder), count_machine(folder)
    passed, failed, skipped = map(sum, zip(*parts))
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
