"""Options of all tests below; see tests/integration/conftest.py."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def pytest_addoption(parser):
    parser.addoption("--bin", default=os.path.join(ROOT, "build/release/bin"), help="folder of berthd and berth")
    parser.addoption("--engine", default="dockerd" if os.environ.get("BERTH_DOCKERD") else "berth",
                     choices=("berth", "dockerd"), help="dockerd: run the tests against Debian's dockerd instead")
    parser.addoption("--shared-machine", action="store_true",
                     help="others use this machine too: report what stays behind, but don't fail for it")
    parser.addoption("--daemon-logs", help="a folder that keeps the daemons' logs")
