"""Walks through the API of two engines, dockerd 20.10 and Berth, with the same requests, and tells each difference.

    tests/conformance/differential [--bin build/release/bin] [-k WALK] [--allowed]

(run it as `python3 tests/conformance/differential`; it needs root, and Debian's docker.io). Exits with 1 if there is a difference
that allowed.py doesn't explain.
"""

import argparse
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

from engines import ROOT, Engines  # noqa: E402
from exchange import Exchange  # noqa: E402
from report import Report  # noqa: E402
from support import images  # noqa: E402
from walks import WALKS  # noqa: E402


def run(bin_dir, chosen=None, log_dir=None, progress=lambda line: None):
    """(report, number of requests compared) of all walks, or of those whose names contain `chosen`."""
    report = Report()
    with Engines(bin_dir, log_dir=log_dir) as daemons:
        archive = images.test_images()
        exchange = Exchange(daemons, report)
        exchange.both(lambda side: side.daemon.load(archive))
        for name, walk in WALKS.items():
            if chosen and not any(word in name for word in chosen.split(",")):
                continue
            exchange.walk = name
            start, before = time.monotonic(), exchange.count
            walk(exchange)
            exchange.both(lambda side: side.daemon.remove_containers())
            progress(f"{name}: {exchange.count - before} requests, {time.monotonic() - start:.1f} s")
        exchange.join()
        for side in exchange.sides:
            assert side.daemon.alive(), f"{side.name} died:\n{side.daemon.log_tail(60)}"
        for name, seconds in exchange.slow:
            progress(f"slow: {name}: {seconds:.1f} s")
    return report, exchange.count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(ROOT, "build/release/bin"), help="folder of berthd")
    parser.add_argument("-k", help="only walks with one of these words (comma between them) in their names")
    parser.add_argument("--allowed", action="store_true", help="also list the differences that are allowed, with their reasons")
    parser.add_argument("--daemon-logs", help="a folder that keeps the daemons' logs")
    arguments = parser.parse_args()
    if arguments.daemon_logs:
        os.makedirs(arguments.daemon_logs, exist_ok=True)

    report, count = run(os.path.abspath(arguments.bin), arguments.k, arguments.daemon_logs, print)
    if arguments.allowed:
        for difference, entry in report.allowed:
            print(f"allowed ({entry.reason}): {difference}")
    for difference in report.findings:
        print(difference)
    if not arguments.k:
        for entry in report.unused():
            print(f"no case needs this entry of allowed.py any more: {entry}")
    print(f"{count} requests, {len(report.findings)} differences, {len(report.allowed)} allowed ones")
    sys.exit(1 if report.findings else 0)


if __name__ == "__main__":
    main()
