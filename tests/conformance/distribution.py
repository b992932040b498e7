#!/usr/bin/env python3
"""Runs the conformance suite of OCI's distribution-spec against `berth registry serve`.

    tests/conformance/distribution.py FOLDER [--bin build/release/bin]

FOLDER is a checkout of distribution-spec, which is not part of this project; Go must be there to build its suite. v1.1.1 and older are a
Go test, what came after is a program; both are asked for all four workflows. Exits with 1 if anything fails.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))

from support.berth_registry import BerthRegistry  # noqa: E402

WORKFLOWS = ("PULL", "PUSH", "CONTENT_DISCOVERY", "CONTENT_MANAGEMENT")
# What the suite leaves alone unless it is told that a registry has it.
EXTRAS = ("API_BLOBS_DIGEST_HEADER", "API_BLOBS_UPLOAD_CANCEL", "API_MANIFESTS_DIGEST_HEADER")


def run_test(program, folder, address, out):
    environment = {f"OCI_TEST_{workflow}": "1" for workflow in WORKFLOWS} | {
        "OCI_ROOT_URL": "http://" + address, "OCI_NAMESPACE": "suite/one", "OCI_CROSSMOUNT_NAMESPACE": "suite/two",
        "OCI_AUTOMATIC_CROSSMOUNT": "1", "OCI_REPORT_DIR": out}
    done = subprocess.run([program], cwd=folder, env=os.environ | environment, capture_output=True, text=True)
    summary = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    print(*re.findall(r"^(?:Ran \d+ of .*|.*\d+ Passed.*|\s*\[FAIL\].*)$", summary, re.MULTILINE), sep="\n")
    return done.returncode


def run_program(program, folder, address, out):
    environment = {"OCI_REGISTRY": address, "OCI_TLS": "disabled", "OCI_RESULTS_DIR": out} | {f"OCI_{name}": "true" for name in EXTRAS}
    done = subprocess.run([program], cwd=folder, env=os.environ | environment, capture_output=True, text=True)
    print(done.stdout[max(done.stdout.find("OCI Conformance Result"), 0):].strip())
    return done.returncode


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build/release/bin"))
    arguments = parser.parse_args()
    folder = os.path.join(os.path.abspath(arguments.folder), "conformance")
    is_program = os.path.exists(os.path.join(folder, "main.go"))
    with tempfile.TemporaryDirectory(prefix="bt-oci.", dir="/tmp") as scratch:
        program = scratch + "/suite"
        subprocess.run(["go", *(["build"] if is_program else ["test", "-c"]), "-o", program, "."], cwd=folder, check=True)
        with BerthRegistry(os.path.abspath(arguments.bin)) as registry:
            return (run_program if is_program else run_test)(program, folder, registry.address, scratch)


if __name__ == "__main__":
    sys.exit(main())
