#!/usr/bin/env python3
"""Runs docker-py's integration suite against dockerd 20.10 and against Berth, and compares.

    tests/conformance/docker_py.py FOLDER [--bin build/release/bin] [--engine both] [-k EXPRESSION] [--api 1.41]

FOLDER is a checkout of docker-py, which is not part of this project; the Python that runs this script must have what the suite
imports (requests, urllib3, paramiko, pytest; websocket-client for one test). What passes on dockerd must pass on Berth, but
for the tests that docker_py_later.txt names, each with the reason; modules named as a whole are not even run. Exits with 1 if any other fails on Berth only, and
tells which names of the list pass meanwhile.
"""

import argparse
import fnmatch
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from engines import DOCKERD, ROOT, Engines  # noqa: E402
from support import images  # noqa: E402

LATER = os.path.join(HERE, "docker_py_later.txt")
SECONDS_PER_TEST = 60


def suite_images():
    """The names that the suite takes for granted. All are Debian's busybox."""
    layer = images.busybox_layer()
    users = images.ETC["etc/passwd"] + "postgres:x:70:70:postgres:/var/lib/postgresql:/bin/sh\n"
    extra = images.Tar().file("etc/passwd", users).folder("var/opt").bytes()
    return images.docker_archive([(["busybox:latest"], [layer], None),
                                  (["alpine:3.10", "alpine:latest"], [layer, extra], None),
                                  (["hello-world:latest"], [layer], {"Cmd": ["echo", "Hello from Docker!"]})])


def read_later():
    """Pattern and reason of each line."""
    with open(LATER) as f:
        lines = [line.strip() for line in f]
    return [tuple(part.strip() for part in line.split(" -- ", 1)) for line in lines if line and not line.startswith("#")]


def whole_modules(later):
    return [pattern[:-len(".*")].replace(".", "/") for pattern, _ in later if pattern.endswith("_test.*")]


def run_suite(engine, arguments):
    """{test: "passed" | "skipped" | "xfailed" | first line of its failure}"""
    with Engines(os.path.abspath(arguments.bin), (engine,), arguments.daemon_logs) as (daemon,):
        daemon.load(suite_images())
        # The suite deletes files that it made as root in containers, below the temporary folder.
        with tempfile.TemporaryDirectory(prefix="bt-dpy.", dir="/tmp") as scratch:
            report = scratch + "/report.xml"
            environment = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}
            environment |= {"DOCKER_HOST": "unix://" + daemon.socket, "DOCKER_TEST_API_VERSION": arguments.api,
                            "DOCKER_CONFIG": scratch + "/cli", "TMPDIR": scratch, "HOME": scratch,
                            "PYTHONPATH": os.pathsep.join([arguments.folder, HERE]),
                            "BERTH_SECONDS_PER_TEST": str(SECONDS_PER_TEST)}
            command = [sys.executable, "-m", "pytest", "tests/integration", "-q", "-p", "no:cacheprovider",
                       "-p", "docker_py_plugin", "--junitxml", report]
            if not arguments.all:
                command += [f"--ignore=tests/integration/{module}.py" for module in whole_modules(read_later())]
            if arguments.k:
                command += ["-k", arguments.k]
            with open(os.path.join(arguments.daemon_logs or scratch, f"docker-py.{engine}.txt"), "w") as out:
                subprocess.run(daemon.in_namespace(*command), cwd=arguments.folder, env=environment, stdout=out, stderr=out,
                               stdin=subprocess.DEVNULL)
            if not os.path.exists(report):
                with open(out.name) as f:
                    sys.exit(f"the suite did not run on {engine}:\n{f.read()[-3000:]}")
            return read_report(report)


def read_report(path):
    outcomes = {}
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        name = case.get("classname").replace("tests.integration.", "") + "." + case.get("name")
        outcome = "passed"
        for kind in case:
            message = (kind.get("message") or kind.text or "").strip().splitlines()
            if kind.tag == "skipped":
                outcome = "xfailed" if kind.get("type") == "pytest.xfail" else "skipped"
            elif kind.tag in ("failure", "error"):
                outcome = "failed: " + (message[0] if message else "")[:300]
        outcomes[name] = outcome
    return outcomes


def compare(reference, ours, later):
    """Names of tests that fail here only and are not listed; listed ones that pass."""
    regressions, passing = [], []
    for name, outcome in reference.items():
        listed = any(fnmatch.fnmatchcase(name, pattern) for pattern, _ in later)
        good = ours.get(name, "did not run") == outcome or ours.get(name) == "passed"
        if outcome == "passed" and not good and not listed:
            regressions.append(name)
        if outcome == "passed" and good and listed:
            passing.append(name)
    return regressions, passing


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="a checkout of docker-py")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build/release/bin"), help="folder of berthd")
    parser.add_argument("--engine", choices=("both", "berth", "dockerd"), default="both")
    parser.add_argument("-k", help="pytest's choice of tests")
    parser.add_argument("--api", default="1.41", help="the API version that the suite speaks; dockerd 20.10 knows up to 1.41")
    parser.add_argument("--all", action="store_true", help="also run the modules that docker_py_later.txt names as a whole")
    parser.add_argument("--daemon-logs", help="a folder that keeps the daemons' logs and the suite's output")
    arguments = parser.parse_args()
    arguments.folder = os.path.abspath(arguments.folder)
    if arguments.daemon_logs:
        os.makedirs(arguments.daemon_logs, exist_ok=True)
    if os.geteuid() != 0:
        sys.exit("docker_py.py: the engines need root")
    if arguments.engine in ("both", "dockerd") and not os.path.exists(DOCKERD):
        sys.exit(f"docker_py.py: {DOCKERD} is not there (Debian's docker.io), or say --engine berth")

    outcomes = {name: run_suite(name, arguments) for name in ("dockerd", "berth") if arguments.engine in ("both", name)}
    for name, results in outcomes.items():
        passed = sum(outcome == "passed" for outcome in results.values())
        failed = sum(outcome.startswith("failed") for outcome in results.values())
        print(f"{name}: {len(results)} tests, {passed} passed, {failed} failed, {len(results) - passed - failed} skipped")
        if arguments.engine != "both":
            for test, outcome in results.items():
                if outcome.startswith("failed"):
                    print(f"  {test}: {outcome}")
    if arguments.engine != "both":
        return
    later = read_later()
    regressions, passing = compare(outcomes["dockerd"], outcomes["berth"], later)
    both = sum(outcomes["berth"].get(name) == "passed" for name, outcome in outcomes["dockerd"].items() if outcome == "passed")
    print(f"of what passes on dockerd, {both} pass on Berth")
    for name in passing:
        print(f"  listed as coming later, but passes: {name}")
    for name in regressions:
        print(f"  passes on dockerd only: {name}: {outcomes['berth'].get(name, 'did not run')}")
    sys.exit(1 if regressions else 0)


if __name__ == "__main__":
    main()
