"""A full disk, no descriptors left, clients that don't read: what can't be done is refused and leaves nothing half, what
runs goes on, and afterwards everything is as before."""

import os
import resource
import subprocess
import threading
import time

import pytest

from support import images, leaks
from support.lying_registry import LyingRegistry, image
from support.waiting import eventually

pytestmark = pytest.mark.berth
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CYCLES = int(os.environ.get("BERTH_MEMORY_CYCLES", "300"))
TALK = "i=0; while :; do i=$((i+1)); echo $i; [ $((i % 20)) != 0 ] || sleep 0.1; done"


@pytest.fixture
def small_disk(scratch):
    """A file system of 48 MB."""
    image, folder = scratch + "/image", scratch + "/disk"
    with open(image, "wb") as f:
        f.truncate(48 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", image], check=True)
    os.mkdir(folder)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(folder):
    """Every byte that there is, so that not even a small file finds a block."""
    with open(folder + "/ballast", "ab", buffering=0) as f:
        for size in (1 << 20, 64 << 10, 4 << 10, 1 << 10):
            try:
                while True:
                    f.write(b"\xa5" * size)
            except OSError:
                pass
        os.fsync(f.fileno())


def numbers(api, container):
    found = [int(line) for line in api.logs(container)[0].split()]
    return found


def test_full_disk(small_disk, new_daemon):
    daemon = new_daemon(start=False)
    daemon.data_root = small_disk + "/data"
    daemon.start()
    daemon.load(images.docker_archive([(["busybox:latest"], [images.busybox_layer()], None)]))
    api = daemon.api
    talker = api.create(cmd=["sh", "-c", TALK], name="talker")
    api.start(talker)
    idle = api.create(cmd=["sleep", "1000"], name="idle")
    again = api.create(cmd=["sleep", "1000"], name="again")
    kept = leaks.belongings(daemon)
    pid = api.state(talker)["Pid"]
    big = images.docker_archive([(["big:1"], [images.Tar().file("f", os.urandom(8 << 20)).bytes()], None)])
    for _ in range(2):  # a second time, since the first may have left the database or the layers odd
        fill(small_disk)
        for attempt in range(3):
            answer = api.request("POST", "/containers/create", {"Image": "busybox"}, {"name": f"new{attempt}"})
            assert answer.status == 500 and "no space left" in answer.message.lower(), answer
        assert {c["Names"][0] for c in api.get("/containers/json", all=1)} == {"/talker", "/idle", "/again"}
        answer = api.request("POST", "/images/load", big)
        assert b"no space left" in answer.body.lower(), answer
        assert [t for i in api.get("/images/json") for t in i["RepoTags"]] == ["busybox:latest"]
        for container in (idle, again):
            answer = api.request("POST", f"/containers/{container}/start")
            state = api.state(container)
            assert state["Running"] == (answer.status == 204), (answer, state)
            if answer.status != 204:
                assert answer.status == 500 and "no space left" in answer.message.lower(), answer
        # What ran before goes on, and can be looked at and ended.
        assert api.state(talker)["Pid"] == pid
        assert b"".join(api.logs(talker, tail=1)) != b""
        assert api.request("POST", f"/containers/{idle}/stop", query={"t": 0}).status in (204, 304)
        daemon.kill()
        os.unlink(small_disk + "/ballast")
        daemon.start()
        assert api.state(talker)["Pid"] == pid
        before = numbers(api, talker)[-1]
        eventually(lambda: numbers(api, talker)[-1] > before)  # the log is written again
        for container in (idle, again):
            api.ok("POST", f"/containers/{container}/start")
            api.ok("POST", f"/containers/{container}/stop", query={"t": 0})
        eventually(lambda: {b for b in leaks.belongings(daemon) if idle not in b and again not in b} ==
                   {b for b in kept if idle not in b and again not in b})
    # Entries were dropped while the disk was full, whole ones, and none came twice.
    found = numbers(api, talker)
    assert found == sorted(set(found)) and found[0] == 1


def free_bytes(folder):
    info = os.statvfs(folder)
    return info.f_bavail * info.f_frsize


def test_full_disk_in_a_pull(small_disk, new_daemon):
    """Two of its layers fit, and the third does not: the space of all comes back at once, also that of the finished ones."""
    daemon = new_daemon(start=False)
    daemon.data_root = small_disk + "/data"
    daemon.start()
    daemon.load(images.docker_archive([(["busybox:latest"], [images.busybox_layer()], None)]))
    daemon.docker("run", "-d", "--name", "neighbour", "busybox", "sleep", "1000")
    manifest, blobs = image([{"a": os.urandom(1 << 20)}, {"b": os.urandom(1 << 20)}, {"c": os.urandom(80 << 20)}])
    small, more = image([{"a": os.urandom(1 << 20)}])
    documents = {"latest": (MANIFEST, manifest), "small": (MANIFEST, small)}
    with LyingRegistry(documents, {**blobs, **more}) as registry:
        name = registry.address + "/big"
        before = free_bytes(small_disk)
        for _ in range(2):
            refused = daemon.docker("pull", name, code=1)
            assert "no space left on device" in refused.err, refused
            eventually(lambda: free_bytes(small_disk) > before - (1 << 20))
            assert [n for n in os.listdir(daemon.data_root + "/overlay2") if n.startswith("tmp")] == []
        # Nobody else was harmed, and what fits comes.
        assert daemon.docker("exec", "neighbour", "echo", "here").out == "here\n"
        daemon.docker("pull", name + ":small")
        fill(small_disk)
        assert "no space left on device" in daemon.docker("pull", name, code=1).err
        os.unlink(small_disk + "/ballast")
        daemon.docker("rmi", name + ":small")
        assert daemon.berth("system", "fsck").code == 0
        daemon.docker("rm", "-f", "neighbour")


def test_full_disk_in_a_save(small_disk, new_daemon, scratch):
    """Saving needs no space of the daemon's; where the client's ends, half an archive is no archive."""
    daemon = new_daemon(start=False)
    daemon.data_root = small_disk + "/data"
    daemon.start()
    daemon.load(images.docker_archive([(["noise:latest"], [images.Tar().file("f", os.urandom(20 << 20)).bytes()], None)]))
    whole = daemon.api.request("GET", "/images/noise/get").body
    fill(small_disk)
    for client in (daemon.docker, daemon.berth):
        client("save", "-o", scratch + "/saved", "noise")
        with open(scratch + "/saved", "rb") as f:
            assert f.read() == whole
        os.unlink(scratch + "/saved")
        refused = client("save", "-o", small_disk + "/saved", "noise", code=1)
        assert "no space left on device" in refused.err, refused
        assert sorted(os.listdir(small_disk)) == ["ballast", "data", "lost+found"]
    os.unlink(small_disk + "/ballast")
    assert daemon.berth("system", "fsck").code == 0


def test_removal_frees_a_full_disk(small_disk, new_daemon):
    daemon = new_daemon(start=False)
    daemon.data_root = small_disk + "/data"
    daemon.start()
    daemon.load(images.docker_archive([(["busybox:latest"], [images.busybox_layer()], None)]))
    api = daemon.api
    api.create(cmd=["sh", "-c", "dd if=/dev/zero of=/file bs=1M count=100"], name="greedy")
    api.start("greedy")
    assert api.wait("greedy") != 0
    fill(small_disk)
    assert api.request("POST", "/containers/create", {"Image": "busybox"}).status == 500
    assert api.state("greedy")["Status"] == "exited"
    api.ok("DELETE", "/containers/greedy")
    eventually(lambda: api.request("POST", "/containers/create", {"Image": "busybox"}, {"name": "next"}).status == 201)
    api.start("next")


def test_no_descriptors_left(new_daemon):
    """Clients take them all: those that come wait or are refused, nothing dies, and all is well when they have gone."""
    daemon = new_daemon()
    api = daemon.api
    talker = api.create(cmd=["sh", "-c", TALK])
    api.start(talker)
    pid = api.state(talker)["Pid"]
    stopped = api.create(cmd=["sleep", "1000"])
    limit = len(os.listdir(f"/proc/{daemon.pid}/fd")) + 12
    given = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (limit, given[1]))
    for spare in (0, 1, 2, 3, 5, 8):  # each place of a start where there is none left
        idle = [api.raw() for _ in range(40)]
        time.sleep(0.1)
        for sock in idle[:spare]:
            sock.close()
        try:
            answer = api.request("POST", f"/containers/{stopped}/start", timeout=1)
            assert answer.status in (204, 500), answer
        except OSError:
            pass  # waits for a descriptor
        for sock in idle[spare:]:
            sock.close()
        eventually(lambda: api.request("GET", "/_ping").status == 200)
        answer = api.request("POST", f"/containers/{stopped}/stop", query={"t": 0})
        assert answer.status in (204, 304), answer
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, given)
    assert api.state(talker)["Pid"] == pid
    api.ok("POST", f"/containers/{stopped}/start")
    assert api.state(stopped)["Running"]
    for container in (stopped, talker):
        api.ok("DELETE", f"/containers/{container}", query={"force": 1})


def memory_of(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def test_memory_over_many_cycles(new_daemon, options):
    """BERTH_MEMORY_CYCLES containers come and go; neither memory nor descriptors grow with their number."""
    daemon = new_daemon()
    api = daemon.api

    def cycles(count):
        def client(number):
            for i in range(count // 4):
                container = api.create(cmd=["true"], name=f"c{number}-{i}", HostConfig={"NetworkMode": "none"})
                api.start(container)
                api.wait(container)
                api.ok("GET", f"/containers/{container}/logs", query={"stdout": 1})
                api.remove(container)
        threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert api.get("/containers/json", all=1) == []

    cycles(200)  # the event log and the allocator fill up first
    before, descriptors = memory_of(daemon.pid), len(os.listdir(f"/proc/{daemon.pid}/fd"))
    cycles(CYCLES)
    grown = memory_of(daemon.pid) - before
    print(f"{CYCLES} cycles: {grown} KiB more than {before} KiB")
    assert options.sanitized or grown < 4096 + CYCLES // 10  # a sanitizer keeps freed memory
    eventually(lambda: len(os.listdir(f"/proc/{daemon.pid}/fd")) <= descriptors + 2)


def test_clients_that_do_not_read(new_daemon, options):
    """Each holds up only itself, in bounded memory: the daemon's, and the monitor's."""
    daemon = new_daemon()
    api = daemon.api
    noisy = api.create(cmd=["sh", "-c", "yes 0123456789012345678901234567890123456789 | head -n 200000"],
                       HostConfig={"NetworkMode": "none"})
    api.start(noisy)
    eventually(lambda: len(api.logs(noisy, tail=1)[0]) > 0)
    before = memory_of(daemon.pid)
    lazy = []
    for path, query in ((f"/containers/{noisy}/logs", "?follow=1&stdout=1"), ("/events", "?since=1"),
                        ("/images/get", "?names=full"), (f"/containers/{noisy}/attach", "?stream=1&stdout=1&logs=1")):
        sock = api.raw()
        method = "POST" if "attach" in path else "GET"
        sock.sendall(f"{method} {api.url(path)}{query} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n".encode())
        lazy.append(sock)
    for i in range(50):
        api.remove(api.create(name=f"event{i}"))
    assert api.request("GET", "/_ping").status == 200
    assert options.sanitized or memory_of(daemon.pid) - before < 24 << 10
    for sock in lazy:
        sock.close()
    assert api.wait(noisy) == 0  # it wrote on once its slow client had gone
    assert api.logs(noisy)[0].count(b"\n") == 200000
