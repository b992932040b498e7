#!/usr/bin/python3
"""Many containers on one daemon: how long they take to start, what the list and a look at all of them cost, and what the
daemon and the monitors hold in memory. As root; the daemon is one of its own, and everything is gone afterwards.

    bench/many.py [--count 1000] [--probes] [--jobs 8] [--bin build/release/bin] [--seconds 10]
"""

import argparse
import concurrent.futures
import ctypes
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT + "/tests/integration")

from support import images  # noqa: E402
from support.daemon import Daemon, Options  # noqa: E402

CLONE_NEWNET = 0x40000000


def memory_kb(pid):
    """Proportional share of a process, in KiB."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds_of_thread(pid):
    """Of a process with one thread, in nanoseconds' precision: a monitor uses less than a tick."""
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0]) / 1e9


def children_of_shims(daemon, sample=50):
    """Monitors, a few of them: all are alike, and reading a thousand of these files takes long."""
    found = []
    for name in os.listdir(daemon.exec_root + "/containers")[:sample]:
        try:
            with open(f"{daemon.exec_root}/containers/{name}/shim.pid") as f:
                found.append(int(f.read()))
        except OSError:
            pass
    return found


def each(jobs, work, items):
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(work, items))


def timed(what, work):
    begin = time.monotonic()
    result = work()
    print(f"{what:<44} {time.monotonic() - begin:8.2f} s", flush=True)
    return result


def median_ms(work, rounds=15):
    times = []
    for _ in range(rounds):
        begin = time.monotonic()
        work()
        times.append((time.monotonic() - begin) * 1000)
    return sorted(times)[rounds // 2]


def watch(daemon, containers, seconds):
    """One stats stream each for so long: the daemon's share of one processor, and samples for each."""
    streams = []
    for container in containers:
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(daemon.socket)
        stream.sendall(f"GET /v1.41/containers/{container}/stats HTTP/1.1\r\nHost: d\r\n\r\n".encode())
        streams.append(stream)
    poll = select.epoll()
    for stream in streams:
        poll.register(stream.fileno(), select.EPOLLIN)
    by_fd = {stream.fileno(): stream for stream in streams}

    def drain(until):
        count = 0
        while (left := until - time.monotonic()) > 0:
            for fd, _ in poll.poll(left):
                count += by_fd[fd].recv(1 << 16).count(b'"preread"')
        return count

    drain(time.monotonic() + 2.5)  # the first samples open files
    before, begin = cpu_seconds(daemon.pid), time.monotonic()
    samples = drain(begin + seconds)
    used = cpu_seconds(daemon.pid) - before
    for stream in streams:
        stream.close()
    return 100 * used / (time.monotonic() - begin), samples / len(containers) / seconds


def measure(daemon, count, jobs, seconds):
    api = daemon.api
    print(f"{'an empty daemon':<44} {memory_kb(daemon.pid) / 1024:8.1f} MiB")
    spec = {"HostConfig": {"NetworkMode": "none"}}
    containers = timed(f"create {count}", lambda: each(jobs, lambda _: api.create(cmd=["sleep", "1000000"], **spec), range(count)))
    timed(f"start {count}", lambda: each(jobs, api.start, containers))
    assert len(api.get("/containers/json")) == count
    print(f"{'list them':<44} {median_ms(lambda: api.ok('GET', '/containers/json')):8.2f} ms")
    print(f"{'inspect one':<44} {median_ms(lambda: api.inspect(containers[0])):8.2f} ms")
    time.sleep(3)
    print(f"{'the daemon':<44} {memory_kb(daemon.pid) / 1024:8.1f} MiB")
    shims = children_of_shims(daemon)
    print(f"{'each monitor':<44} {sum(map(memory_kb, shims)) / max(1, len(shims)):8.1f} KiB")
    share, rate = watch(daemon, containers, seconds)
    print(f"{f'statistics of all, {rate:.2f} samples a second each':<44} {share:8.2f} % of a processor")
    time.sleep(3)
    print(f"{'the daemon afterwards':<44} {memory_kb(daemon.pid) / 1024:8.1f} MiB")
    daemon.kill()
    timed("a daemon that was killed is back", daemon.start)
    assert len(api.get("/containers/json")) == count, "containers were lost"
    print(f"{'the new daemon':<44} {memory_kb(daemon.pid) / 1024:8.1f} MiB")
    timed(f"remove {count}", lambda: each(jobs, api.remove, containers))


def measure_probes(daemon, count, jobs, seconds):
    """`count` containers, each probed once a second: what that costs the daemon and the monitors; the probes' own time is not in it."""
    api = daemon.api
    probe = {"Test": ["CMD", "true"], "Interval": 10**9}
    spec = {"HostConfig": {"NetworkMode": "none"}, "Healthcheck": probe}
    containers = each(jobs, lambda _: api.create(cmd=["sleep", "1000000"], **spec), range(count))
    each(jobs, api.start, containers)
    time.sleep(3)
    shims = children_of_shims(daemon, count)

    def now():
        return cpu_seconds(daemon.pid), sum(map(cpu_seconds_of_thread, shims))

    before = now()
    time.sleep(seconds)
    used = [after - then for after, then in zip(now(), before)]
    assert all(api.inspect(c)["State"]["Health"]["Status"] == "healthy" for c in containers)
    for what, share in zip(("the daemon", "all monitors"), used):
        print(f"{f'{count} probes a second: {what}':<44} {share / seconds * 100:8.2f} % of a processor")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--probes", action="store_true", help="instead: what health checks cost, one a second for each")
    parser.add_argument("--bin", default=ROOT + "/build/release/bin")
    arguments = parser.parse_args()
    if ctypes.CDLL(None).unshare(CLONE_NEWNET) != 0:
        sys.exit("this needs root")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    folder = tempfile.mkdtemp(prefix="bm.", dir="/tmp")
    daemon = Daemon(Options("berth", os.path.abspath(arguments.bin), folder, folder), name="many").start()
    try:
        daemon.load(images.test_images())
        work = measure_probes if arguments.probes else measure
        work(daemon, arguments.count, arguments.jobs, arguments.seconds)
    finally:
        if not daemon.alive():
            daemon.start()
        each(arguments.jobs, daemon.api.remove, [c["Id"] for c in daemon.api.get("/containers/json", all=1)])
        daemon.destroy()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
