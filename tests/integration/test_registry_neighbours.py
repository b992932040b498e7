"""A registry on the engine's machine: blobs go between them as files, not as bytes; who may do what stays as it is."""

import contextlib
import glob
import os
import re
import shutil
import socket
import threading
import time

import pytest

from support import special_images
from support.berth_registry import BerthRegistry
from support.images import Tar, docker_archive
from support.lying_registry import LyingRegistry, image
from support.peer_registry import free_port
from support.rootfs import differences, tree
from support.tcp_api import TcpApi
from test_registry import MANIFEST
from test_registry_access import basic, make_users
from test_registry_daemon import wait_for, wait_until
from test_registry_faults import free_bytes, small_disk  # noqa: F401  (the second is a fixture)

pytestmark = pytest.mark.berth
MEGABYTES = 24


@pytest.fixture
def ours(new_daemon):
    daemon = new_daemon(load=False)
    daemon.docker("load", stdin=docker_archive([(["big:latest"], special_images.large_layer(MEGABYTES), {"Cmd": ["x"]})]))
    return daemon


def neighbour(daemon, *flags):
    return BerthRegistry(daemon.options.bin_dir, "--gc-grace", "0s", "--gc-interval", "0s", *flags,
                         neighbours=daemon.exec_root + "/registries")


def push_and_pull(daemon, name):
    daemon.docker("tag", "big", name)
    daemon.docker("push", name)
    before, files = daemon.api.get(f"/images/{name}/json"), tree(daemon, name)
    daemon.docker("rmi", "-f", "big", name)
    daemon.docker("pull", name)
    assert daemon.api.get(f"/images/{name}/json")["Id"] == before["Id"]
    assert differences(files, tree(daemon, name)) == []
    daemon.docker("tag", name, "big")


def test_files_move_not_bytes(ours):
    with neighbour(ours) as registry:
        push_and_pull(ours, f"{registry.address}/box")
        assert registry.metric("taken_files_total") == 2 and registry.metric("given_files_total") == 2  # layer, config
        assert registry.metric("taken_files_bytes_total") > MEGABYTES << 19
        assert registry.metric("given_files_bytes_total") == registry.metric("taken_files_bytes_total")
        assert registry.metric("received_bytes_total") < 4096 and registry.metric("sent_bytes_total") < 16384
        assert registry.run("fsck").returncode == 0 and os.listdir(registry.root + "/uploads") == []
        # It is the same registry after a restart, and its socket the same.
        registry.kill()
        registry.start()
        ours.docker("rmi", "-f", "big", f"{registry.address}/box")
        ours.docker("pull", f"{registry.address}/box")
        assert registry.metric("given_files_total") == 2 and len(os.listdir(ours.exec_root + "/registries")) == 1
    assert os.listdir(ours.exec_root + "/registries") == []
    assert ours.berth("system", "fsck").code == 0


def test_what_goes_by_reference_stands_in_the_access_log(ours, scratch):
    users = make_users(scratch + "/users", ann="secret-ann")
    with neighbour(ours, "--access-log", "--htpasswd", users) as registry:
        name = f"{registry.address}/box"
        ours.docker("login", "-u", "ann", "-p", "secret-ann", registry.address)
        push_and_pull(ours, name)
        with open(registry.folder + "/log") as log:
            text = log.read().replace('\\"', '"')
            lines = re.findall(r'registry: (\S+) "(\S+) (\S+)" (\d+) (\d+) by reference', text)
        assert {user for user, *_ in lines} == {"ann"}
        sent = [(path, int(size)) for _, method, path, status, size in lines if (method, status) == ("PATCH", "202")]
        given = [(path, int(size)) for _, method, path, status, size in lines if (method, status) == ("GET", "200")]
        assert len(sent) == len(given) == 2 and len(lines) == 4  # layer, config
        assert all(path.startswith("/v2/box/blobs/uploads/") for path, _ in sent)
        assert all(path.startswith("/v2/box/blobs/sha256:") for path, _ in given)
        assert sorted(size for _, size in sent) == sorted(size for _, size in given)
        assert sum(size for _, size in sent) > MEGABYTES << 19


def test_the_daemons_own_registry(new_daemon):
    address = f"127.0.0.1:{free_port()}"
    daemon = new_daemon("--registry", address)
    api = TcpApi(address)
    assert wait_for(api) == 200
    daemon.docker("tag", "full", f"{address}/full")
    daemon.docker("push", f"{address}/full")
    daemon.docker("rmi", "full", f"{address}/full")
    daemon.docker("pull", f"{address}/full")
    assert b"given_files_total 2" in api.request("GET", "/metrics").body  # busybox, below it, is there still


def test_a_registry_elsewhere_gets_bytes(ours, options):
    """Its socket is in a folder that this engine doesn't look into, as that of another machine."""
    other = ours.root + "/elsewhere"
    with BerthRegistry(options.bin_dir, neighbours=other) as registry:
        assert len(os.listdir(other)) == 1
        push_and_pull(ours, f"{registry.address}/box")
        assert registry.metric("taken_files_total") == 0 == registry.metric("given_files_total")
        assert registry.metric("received_bytes_total") > MEGABYTES << 19


def test_rights_and_quota_are_the_same(ours, scratch):
    with open(scratch + "/rights", "w") as f:
        f.write("moby team/* pull,push\nwhale team/* pull\n")
    users = make_users(scratch + "/users", moby="secret", whale="splash")
    with neighbour(ours, "--htpasswd", users, "--rights", scratch + "/rights", "--quota", str(MEGABYTES << 18)) as registry:
        moby = ("--config", scratch + "/moby")
        ours.docker(*moby, "login", "-u", "moby", "--password-stdin", registry.address, stdin=b"secret")
        name = f"{registry.address}/team/big"
        ours.docker("tag", "big", name)
        assert "quota" in ours.docker(*moby, "push", name, code=1).err
        assert not any(os.path.getsize(os.path.join(f, n)) > 1 << 20 for f, _, names in os.walk(registry.root) for n in names)
        small = f"{registry.address}/team/small"
        ours.docker("import", "-", small, stdin=special_images.many_layers(1)[0])
        ours.docker(*moby, "push", small)
        ours.docker("rmi", small)
        ours.docker("pull", small, code=1)  # without a name
        ours.docker(*moby, "pull", small)
        whale = ("--config", scratch + "/whale")
        ours.docker(*whale, "login", "-u", "whale", "--password-stdin", registry.address, stdin=b"splash")
        ours.docker("tag", small, small + ":two")
        ours.docker("tag", small, f"{registry.address}/team/other")
        ours.docker(*whale, "push", f"{registry.address}/team/other", code=1)
        # The socket by itself opens nothing.
        (name,) = os.listdir(ours.exec_root + "/registries")
        moby_api = TcpApi(registry.address, basic("moby", "secret"))
        blob = moby_api.request("GET", "/v2/team/small/manifests/latest").json()["layers"][0]["digest"]
        assert b"taken_files_total 2" in moby_api.request("GET", "/metrics").body  # not the layer that was too much
        for headers, status in (("", 401), ("Authorization: " + basic("whale", "splash")["Authorization"] + "\r\n", 101)):
            assert raw_status(ours.exec_root + "/registries/" + name, f"/v2/team/small/blobs/{blob}", headers) == status


def raw_status(path, target, headers="", method="GET"):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}Connection: Upgrade\r\nUpgrade: berth-blob-2\r\n\r\n".encode())
        return int(s.recv(4096).split()[1])


def test_what_the_socket_refuses(ours):
    with neighbour(ours) as registry:
        (name,) = os.listdir(ours.exec_root + "/registries")
        path = ours.exec_root + "/registries/" + name
        assert os.stat(path).st_mode & 0o007 == 0 and os.stat(os.path.dirname(path)).st_mode & 0o007 == 0
        for target in ("/v2/", "/v2/_catalog", "/v2/a/manifests/x", "/v2/a/blobs/sha256:" + "0" * 64, "/v2/a/blobs/nonsense",
                       "/v2/a/blobs/..%2f..%2fregistry.db"):
            assert raw_status(path, target) == 404, target
        place = registry.api.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
        assert raw_status(path, place.replace("/a/", "/b/"), method="PATCH") == 404
        assert raw_status(path, place, "Content-Range: 5-\r\n", method="PATCH") == 416
        # Who lies about what was written, or leaves in the middle, leaves nothing.
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            s.sendall(f"PATCH {place} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: berth-blob-2\r\nContent-Length: 0\r\n\r\n".encode())
            assert b" 101 " in s.recv(4096)
            s.sendall(b"g")
            _, (fd,), _, _ = socket.recv_fds(s, 1, 1)
            os.write(fd, b"four")
            os.close(fd)
            s.sendall((5 | 1 << 63).to_bytes(8, "little"))
            assert s.recv(1) == b""
        assert registry.api.request("GET", place).status == 404 and os.listdir(registry.root + "/uploads") == []


def test_a_quota_bounds_what_is_written(ours, options):
    with neighbour(ours, "--quota", "1000") as registry:
        (name,) = os.listdir(ours.exec_root + "/registries")
        place = registry.api.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(ours.exec_root + "/registries/" + name)
            s.sendall(f"PATCH {place} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: berth-blob-2\r\nContent-Length: 0\r\n\r\n".encode())
            assert b" 101 " in s.recv(4096)
            s.sendall(b"g")
            _, (fd,), _, _ = socket.recv_fds(s, 1, 1)
            os.write(fd, b"x" * 1001)
            os.close(fd)
            s.sendall((1001).to_bytes(8, "little"))  # and more would follow
            assert s.makefile("rb").read() == b"rthe repository's quota of 1000 bytes is exceeded"
        assert registry.api.request("GET", place).status == 404 and os.listdir(registry.root + "/uploads") == []


def test_a_wrong_digest_is_noticed(ours):
    """A blob that was damaged on the registry's disk is no image's layer."""
    with neighbour(ours) as registry:
        name = f"{registry.address}/box"
        push_and_pull(ours, name)
        ours.docker("rmi", "-f", "big", name)
        largest = max((os.path.join(f, n) for f, _, names in os.walk(registry.root + "/blobs") for n in names), key=os.path.getsize)
        with open(largest, "r+b") as f:
            f.seek(os.path.getsize(largest) - 2000)
            byte = f.read(1)
            f.seek(-1, 1)
            f.write(bytes([byte[0] ^ 1]))
        ours.docker("pull", name, code=1)
        assert ours.api.request("GET", f"/images/{name}/json").status == 404


def test_a_full_disk(ours, small_disk):
    """It is the registry's disk that is full: the push fails, and the space comes back."""
    registry = neighbour(ours)
    registry.root = small_disk + "/root"
    with registry:
        name = f"{registry.address}/more"
        ours.docker("import", "-", name, stdin=Tar().file("noise", os.urandom(30 << 20)).bytes())
        before = free_bytes(small_disk)
        assert "o space left on device" in ours.docker("push", name, code=1).err
        wait_until(lambda: os.listdir(registry.root + "/uploads") == [] and free_bytes(small_disk) > before - (1 << 20))
        ours.docker("tag", "big", name + ":fits")
        ours.docker("push", name + ":fits")
        assert registry.metric("received_bytes_total") < 4096 and registry.run("fsck").returncode == 0


def test_a_name_is_no_path(ours):
    """What a registry calls itself leads to a socket of that name, or to none."""
    manifest, blobs = image([{"one": os.urandom(1000)}])
    with neighbour(ours) as registry, LyingRegistry({"latest": (MANIFEST, manifest)}, blobs) as liar:
        (name,) = os.listdir(ours.exec_root + "/registries")
        for claimed in (name.removesuffix(".sock"), "../" * 8 + name, "/" + name, "x" * 32, "", "0" * 32):
            liar.headers = {"Berth-Registry": claimed}
            liar.requests.clear()
            ours.docker("pull", liar.address + "/x")
            assert any("/blobs/" in path for _, path, _ in liar.requests)
            ours.docker("rmi", liar.address + "/x")
        assert registry.metric("given_files_total") == 0


@pytest.mark.parametrize("victim", ("engine", "registry"))
def test_killed_in_the_middle(victim, ours):
    with neighbour(ours) as registry:
        def interrupt(verb, name, moment):
            transfer = threading.Thread(target=lambda: ours.docker(verb, name, code=None))
            transfer.start()
            moment(transfer)
            (ours if victim == "engine" else registry).kill()
            (ours if victim == "engine" else registry).start()
            transfer.join()
            assert registry.run("fsck").returncode == 0
            assert ours.berth("system", "fsck").code == 0

        caught = 0
        for number in range(4):
            # Where nothing of it is there yet: each round sends the layer anew.
            name = f"{registry.address}/box{number}"
            registry.stop()
            shutil.rmtree(registry.root)
            registry.start()
            ours.docker("tag", "big", name)

            def has_come(transfer, wanted=(1 + 3 * number) << 20):
                nonlocal caught
                wait_until(lambda: most_bytes(registry.root + "/uploads") >= wanted or not transfer.is_alive())
                caught += transfer.is_alive() and most_bytes(registry.root + "/uploads") > 0
            interrupt("push", name, has_come)
            ours.docker("push", name)
        assert caught >= 1
        ours.docker("rmi", "-f", "big", *(f"{registry.address}/box{number}" for number in range(4)))
        for wanted in (1, 1 << 20, 2 << 20, 4 << 20):
            was_caught = False

            def is_unpacked(transfer):
                """The layer grows in a folder without a name."""
                nonlocal was_caught
                while transfer.is_alive() and staged_bytes(ours) < wanted:
                    time.sleep(0.0005)
                was_caught = transfer.is_alive() and staged_bytes(ours) >= wanted
            for _ in range(20):  # it may be over before that is seen
                ours.docker("rmi", "-f", name, code=None)
                wait_until(lambda: staged_bytes(ours) == 0)  # what the kill before has left
                interrupt("pull", name, is_unpacked)
                if was_caught:
                    break
            assert was_caught
        ours.docker("pull", name)
        assert registry.metric("blobs") >= 3


def staged_bytes(daemon):
    """Of layers that are being unpacked."""
    total = 0
    for staging in glob.glob(daemon.data_root + "/overlay2/tmp*"):
        for folder, _, names in os.walk(staging):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    total += os.stat(f"{folder}/{name}").st_size
    return total


def most_bytes(folder):
    """Of the largest file."""
    sizes = [0]
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):
            sizes.append(entry.stat().st_size)
    return max(sizes)
