"""Waiting for something to become true, without guessing how long it takes."""

import time


def eventually(question, timeout=10, interval=0.02):
    """Asks until the answer is true and returns it; fails with the last answer."""
    end = time.monotonic() + timeout
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {timeout} s; the last answer was {answer!r}"
        time.sleep(interval)
