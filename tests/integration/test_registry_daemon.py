"""`berthd --registry`: the registry beside the daemon."""

import os
import signal
import time

import pytest

from support.lying_registry import digest
from support.peer_registry import free_port
from support.tcp_api import TcpApi
from test_registry_server import push_blob

pytestmark = pytest.mark.berth


def wait_for(api):
    for _ in range(500):
        try:
            return api.request("GET", "/v2/").status
        except OSError:
            time.sleep(0.02)
    raise AssertionError("the registry does not answer")


def serving(address):
    """Pids of those who serve there."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as f:
                if f"--addr={address}" in f.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


def wait_until(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it does not happen")


def test_build_push_pull_run_with_nothing_else(new_daemon):
    address = f"127.0.0.1:{free_port()}"
    daemon = new_daemon("--registry", address)
    assert wait_for(TcpApi(address)) == 200
    name = f"{address}/team/box"
    daemon.docker("tag", "busybox", name)
    daemon.docker("push", name)
    daemon.docker("rmi", name)
    assert daemon.docker("run", "--rm", name, "echo", "hello").out.endswith("hello\n")
    assert os.path.exists(daemon.data_root + "/registry/registry.db")
    assert daemon.stop() == 0
    assert serving(address) == []


def test_it_comes_back_and_goes_with_the_daemon(new_daemon):
    address = f"127.0.0.1:{free_port()}"
    api = TcpApi(address)
    daemon = new_daemon("--registry", address, "--registry-opt", "quota=1k", load=False)
    wait_for(api)
    assert push_blob(api, "a", b"data").status == 201
    assert push_blob(api, "a", b"x" * 2000).status == 403
    (first,) = serving(address)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: serving(address) not in ([], [first]))
    wait_for(api)
    daemon.kill()
    wait_until(lambda: serving(address) == [])
    daemon.start()
    wait_for(api)
    assert api.request("GET", f"/v2/a/blobs/{digest(b'data')}").body == b"data"


def test_one_that_can_not_start_harms_nobody(new_daemon):
    daemon = new_daemon("--registry", "127.0.0.1:1", "--registry-opt", "nonsense=1", load=False)
    wait_until(lambda: "unknown flag: --nonsense" in daemon.log())
    assert daemon.api.request("GET", "/_ping").status == 200
