"""Berth and the reference engine side by side: no difference that differential/allowed.py doesn't explain."""

import os
import re
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))


def test_no_unexplained_difference(pytestconfig):
    if pytestconfig.getoption("--engine") != "berth":
        pytest.skip("compares Berth with the reference engine")
    if "BERTH_JUDGES" not in os.environ:
        pytest.skip("takes two minutes: say BERTH_JUDGES=1, or run tests/conformance/differential itself")
    if not os.path.exists("/usr/sbin/dockerd"):
        pytest.skip("dockerd is not installed (Debian's docker.io)")
    done = subprocess.run([sys.executable, os.path.join(HERE, "differential"), "--bin", pytestconfig.getoption("--bin")],
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-4000:]
    requests = int(re.search(r"^(\d+) requests", done.stdout, re.M).group(1))
    assert requests >= 400
