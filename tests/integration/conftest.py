"""The frame of the integration tests: daemons, the stock client, the raw API, and the check that nothing stays behind.

The whole session runs in a network namespace of its own, so that bridges, rules and ports harm nobody; `peer` is
another one, joined to it by a cable: another host. Run by scripts/test.sh, or
    pytest tests/integration --bin build/release/bin [-k …]
    pytest tests/integration --engine dockerd        (the reference: proves the tests, not Berth)
"""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from support import images, leaks  # noqa: E402
from support.daemon import Daemon, Options  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLONE_NEWNET = 0x40000000


def pytest_configure(config):
    config.addinivalue_line("markers", "berth: what only Berth does, or newer than the reference engine")
    config.addinivalue_line("markers", "slow: takes long on two cores")
    if os.geteuid() != 0:
        pytest.exit("the integration tests need root", 2)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        pytest.exit("unshare(CLONE_NEWNET): " + os.strerror(ctypes.get_errno()), 2)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--engine") == "berth":
        return
    for item in items:
        if item.get_closest_marker("berth"):
            item.add_marker(pytest.mark.skip(reason="not of the reference engine"))


def sanitizer_files(folder):
    return {name for name in os.listdir(folder) if name.startswith("sanitizer.")}


@pytest.fixture(scope="session")
def options(pytestconfig):
    engine = pytestconfig.getoption("--engine")
    bin_dir = os.path.abspath(pytestconfig.getoption("--bin"))
    if engine == "berth" and not os.path.exists(bin_dir + "/berthd"):
        pytest.exit(f"{bin_dir}/berthd is not there: scripts/build.sh makes it", 2)
    logs = pytestconfig.getoption("--daemon-logs")
    if logs:
        os.makedirs(logs, exist_ok=True)
    before = leaks.snapshot(firewall=engine == "berth")
    folder = tempfile.mkdtemp(prefix="bt.", dir="/tmp")
    os.mkdir(folder + "/cli")
    log_dir = logs or folder + "/log"
    os.makedirs(log_dir, exist_ok=True)
    # A program under a sanitizer writes its findings to files beside the logs; any such file fails the session.
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        ours = f"log_path={log_dir}/sanitizer:detect_leaks=1:print_stacktrace=1"
        os.environ[name] = ":".join(filter(None, (os.environ.get(name), ours)))
    earlier = sanitizer_files(log_dir)
    yield Options(engine, bin_dir, folder, log_dir)
    found = []
    for name in sorted(sanitizer_files(log_dir) - earlier):
        with open(os.path.join(log_dir, name), errors="replace") as f:
            found.append(f.read()[:4000])
    shutil.rmtree(folder, ignore_errors=True)
    ignored = {logs} if logs else ()
    left = leaks.leaked(before, ignored, firewall=engine == "berth")
    if pytestconfig.getoption("--shared-machine") and left:
        print("\nleft behind by these tests or by others on this machine:\n  " + "\n  ".join(left))
        left = []
    assert not found, "sanitizers have found:\n" + "\n".join(found)
    assert not left, "left behind:\n  " + "\n  ".join(left)


@pytest.fixture(scope="session")
def archive():
    return images.test_images()


@pytest.fixture(scope="session")
def peer(options):
    """Another host: runs commands at 198.51.100.2, reaches this one at 198.51.100.1."""
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec sleep 100000"], stdout=subprocess.PIPE)
    holder.stdout.readline()
    host = Peer(holder.pid)
    subprocess.run(["ip", "link", "add", "cable0", "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid)],
                   check=True)
    subprocess.run(["ip", "addr", "add", host.here + "/24", "dev", "cable0"], check=True)
    subprocess.run(["ip", "link", "set", "cable0", "up"], check=True)
    subprocess.run(["ip", "route", "add", "default", "via", host.address], check=True)
    host.run("ip", "link", "set", "lo", "up")
    host.run("ip", "addr", "add", host.address + "/24", "dev", "eth0")
    host.run("ip", "link", "set", "eth0", "up")
    yield host
    holder.kill()
    holder.wait()
    subprocess.run(["ip", "link", "del", "cable0"], capture_output=True)


class Peer:
    here, address = "198.51.100.1", "198.51.100.2"

    def __init__(self, pid):
        self.prefix = ["nsenter", "-t", str(pid), "-n"]

    def run(self, *command, check=True, timeout=20, **options):
        return subprocess.run([*self.prefix, *command], check=check, timeout=timeout, capture_output=True, **options)

    def popen(self, *command, **options):
        return subprocess.Popen([*self.prefix, *command], **options)


@pytest.fixture(scope="session")
def session_daemon(options, archive):
    daemon = Daemon(options, name="main").start()
    daemon.load(archive)
    yield daemon
    daemon.destroy()


@pytest.fixture
def engine(session_daemon):
    """The daemon that most tests share. Afterwards it must be alive and is emptied of containers."""
    pid = session_daemon.pid
    yield session_daemon
    assert session_daemon.alive() and session_daemon.pid == pid, "the daemon died:\n" + session_daemon.log_tail(60)
    session_daemon.remove_containers()


@pytest.fixture
def api(engine):
    return engine.api


@pytest.fixture
def docker(engine):
    return engine.docker


@pytest.fixture
def new_daemon(options, archive):
    """Makes daemons of the test's own: new_daemon(*flags, config={…}, load=True, start=True)."""
    made = []

    def make(*flags, config=None, load=True, start=True):
        daemon = Daemon(options, *flags, config=config)
        made.append(daemon)
        if start:
            daemon.start()
            if load:
                daemon.load(archive)
        return daemon

    yield make
    for daemon in made:
        if daemon.process is None:
            shutil.rmtree(daemon.root)
        else:
            daemon.destroy()


@pytest.fixture
def scratch():
    """A folder that is gone after the test."""
    folder = tempfile.mkdtemp(prefix="bt-scratch.", dir="/tmp")
    yield folder
    shutil.rmtree(folder)
