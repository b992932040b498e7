"""Many containers, many clients: nothing fails, nothing stays."""

import os
import resource
import threading
import time

import pytest

from support import leaks
from support.waiting import eventually

CYCLES = int(os.environ.get("BERTH_CYCLES", "0"))


def in_parallel(count, work):
    """work(i) on `count` threads; the errors of all."""
    errors = []

    def run(i):
        try:
            work(i)
        except Exception as error:  # every failure must be seen, whatever it is
            errors.append(f"{type(error).__name__}: {error}")
    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return errors


def test_cycles_from_16_clients(engine, api, options):
    """2,000 times create, start, kill, remove. Fewer when the machine is slow: the first 64 tell."""
    links, ids = leaks.links(), []

    def cycle(name, network):
        container = api.create(cmd=["sleep", "1000"], name=name, HostConfig={"NetworkMode": network})
        ids.append(container)
        api.start(container)
        api.post(f"/containers/{container}/kill")
        assert api.delete(f"/containers/{container}", force=1).status == 204

    def client(number, cycles):
        for i in range(cycles):
            cycle(f"c{number}-{i}", "bridge" if i % 2 else "none")

    started = time.monotonic()
    assert not in_parallel(16, lambda n: client(n, 4))
    each = (time.monotonic() - started) / 64
    total = CYCLES or (2000 if options.is_berth and each * 2000 < 60 else 500 if each * 500 < 60 else 64)
    assert not in_parallel(16, lambda n: client(n, total // 16))
    assert api.get("/containers/json", all=1) == []
    eventually(lambda: leaks.links() <= links, 60)
    eventually(lambda: not leaks.naming(ids), 60)
    print(f"{total} cycles")


def test_parallel_starts_have_distinct_addresses(api):
    ids = [api.create(cmd=["sleep", "1000"]) for _ in range(30)]
    assert not in_parallel(30, lambda i: api.start(ids[i]))
    addresses = {api.inspect(i)["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] for i in ids}
    assert len(addresses) == 30
    assert not in_parallel(30, lambda i: api.remove(ids[i]))


def test_one_name_for_many(api):
    """Only one of many clients gets a name."""
    statuses = []

    def create(_):
        statuses.append(api.request("POST", "/containers/create", {"Image": "busybox"}, query={"name": "wanted"}).status)
    assert not in_parallel(16, create)
    assert sorted(statuses) == [201] + [409] * 15


def test_parallel_loads_of_one_image(api, archive):
    assert not in_parallel(8, lambda i: api.ok("POST", "/images/load", archive, timeout=120))
    assert api.get("/images/full/json")
    container = api.create("full")
    api.start(container)
    assert api.wait(container) == 0


def resident(engine):
    """KiB, shared pages counted in proportion."""
    with open(f"/proc/{engine.pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


@pytest.mark.berth
def test_memory_goes_back_when_work_is_done(new_daemon, options):
    """An idle daemon is small, whatever it has done before."""
    if options.sanitized:
        pytest.skip("a sanitizer keeps freed memory")
    daemon = new_daemon()  # which has just loaded images
    eventually(lambda: resident(daemon) < 6 << 10)
    ids = [daemon.api.create(cmd=["true"]) for _ in range(50)]
    for container in ids:
        daemon.api.start(container)
    for container in ids:
        daemon.api.remove(container)
    eventually(lambda: resident(daemon) < 6 << 10)


@pytest.mark.berth
def test_idle_connections_cost_little(new_daemon, options):
    """10,000 of them; half have asked something before."""
    if options.sanitized:
        pytest.skip("a sanitizer keeps freed memory")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    count = min(10000, limit[1] - 500)
    daemon = new_daemon(load=False)
    before = resident(daemon)
    connections = []
    try:
        for i in range(count):
            connections.append(daemon.api.raw())
            if i % 2:
                connections[-1].sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
                connections[-1].recv(4096)
        assert (resident(daemon) - before) / count < 0.5
        assert daemon.api.request("GET", "/_ping").status == 200
    finally:
        for connection in connections:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    eventually(lambda: len(os.listdir(f"/proc/{daemon.pid}/fd")) < 100, 20)
    eventually(lambda: resident(daemon) - before < 2048)


@pytest.mark.berth
def test_memory_after_many_streams(engine, api, options):
    """Clients that come and go leave no memory behind that grows with their number."""
    container = api.create(cmd=["sh", "-c", "while :; do echo x; sleep 0.01; done"])
    api.start(container)

    def round_of_clients():
        for _ in range(100):
            stream = api.stream("GET", f"/containers/{container}/logs", {"follow": 1, "stdout": 1})
            stream.read(1)
            stream.connection.close()
    round_of_clients()
    before = resident(engine)
    round_of_clients()
    round_of_clients()
    assert options.sanitized or resident(engine) - before < 4096  # a sanitizer keeps freed memory
