"""A pytest plugin for docker_py.py: no test of the suite may hang, or change the environment of the next. It stands alone, since
the suite's own folder is the root."""

import os
import signal

import pytest

ENVIRONMENT = dict(os.environ)
SECONDS = int(ENVIRONMENT["BERTH_SECONDS_PER_TEST"])


@pytest.hookimpl(hookwrapper=True)  # pytest 7 is Debian's; 8 takes this form too
def pytest_runtest_protocol(item):
    def too_long(*_):
        raise TimeoutError(f"{item.name}: no end within {SECONDS} s")

    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
