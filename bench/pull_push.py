#!/usr/bin/python3
"""Pull and push of a gzip image of ten layers, Berth against dockerd, each with a docker-registry of its own on loopback.
As root, in a network namespace of its own; daemons, registries and their folders are gone afterwards.

    bench/pull_push.py [--megabytes 500] [--rounds 2] [--bin build/release/bin] [--engines berth,dockerd] [--compress]

Prints the median of the times, the most memory that the daemon's process took over what it had before the pull, and how
many bytes a second pull moves after one of the ten layers has changed. Berth pushes layers as they came; with --compress
it has kept none, as of an image that was built, and compresses them like dockerd. Takes three minutes on two quiet cores.
"""

import argparse
import ctypes
import gzip
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT + "/tests/integration")

from support.daemon import Daemon, Options  # noqa: E402
from support.images import Tar  # noqa: E402
from support.peer_registry import PeerRegistry  # noqa: E402

CLONE_NEWNET = 0x40000000
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def make_layer(seed, size):
    """(diff ID, gzip blob) of files of many sizes that compress to about a third, as programs do."""
    chooser = random.Random(seed)
    words = [chooser.randbytes(chooser.randint(3, 12)) for _ in range(4000)]
    tar, left, number = Tar(), size, 0
    while left > 0:
        length = min(left, chooser.choice([2_000, 20_000, 200_000, 2_000_000]))
        data = b"".join(chooser.choices(words, k=length // 8 + 1))[:length]
        tar.file(f"usr/{seed}/{number % 50}/{number}", data)
        left -= length
        number += 1
    plain = tar.bytes()
    return digest(plain), gzip.compress(plain, 6, mtime=0)


def call(registry, method, path, body=None, headers=None):
    url = path if path.startswith("http") else f"http://{registry.address}{path}"
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    return urllib.request.urlopen(request)


def upload(registry, name, tag, layers):
    def put_blob(data):
        place = call(registry, "POST", f"/v2/{name}/blobs/uploads/", b"").headers["Location"]
        call(registry, "PUT", place + ("&" if "?" in place else "?") + "digest=" + digest(data), data,
             {"Content-Type": "application/octet-stream"})

    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                         "rootfs": {"type": "layers", "diff_ids": [diff for diff, _ in layers]}}).encode()
    for data in [config, *(blob for _, blob in layers)]:
        put_blob(data)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST,
                "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": digest(config), "size": len(config)},
                "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "digest": digest(blob),
                            "size": len(blob)} for _, blob in layers]}
    call(registry, "PUT", f"/v2/{name}/manifests/{tag}", json.dumps(manifest).encode(), {"Content-Type": MANIFEST})


def anonymous_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))


class MemoryPeak:
    """How far the process's own memory rises above what it is at the beginning."""

    def __init__(self, pid):
        self.pid, self.over = pid, threading.Event()

    def __enter__(self):
        self.first = self.most = anonymous_kb(self.pid)
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.over.wait(0.02):
            self.most = max(self.most, anonymous_kb(self.pid))

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.mib = (self.most - self.first) / 1024


def received_bytes():
    with open("/proc/net/dev") as f:
        return next(int(line.split()[1]) for line in f if line.strip().startswith("lo:"))


def do(daemon, path, **query):
    answer = daemon.api.request("POST", path, query=query, headers={"X-Registry-Auth": "e30="}, timeout=600)
    failures = [line for line in answer.lines() if "error" in line]
    assert answer.status == 200 and not failures, (answer.status, failures)


def measure_once(engine, arguments, folder, name, number):
    """Seconds of pull and push, MiB of memory, bytes of the second pull."""
    flags = ["--keep-layer-blobs=false"] if engine == "berth" and arguments.compress else []
    daemon = Daemon(Options(engine, arguments.bin, folder, folder), *flags).start()
    try:
        with MemoryPeak(daemon.process.pid) as peak:
            begin = time.monotonic()
            do(daemon, "/images/create", fromImage=name, tag="one")
            pull = time.monotonic() - begin
        before = received_bytes()
        do(daemon, "/images/create", fromImage=name, tag="two")
        moved = received_bytes() - before
        with PeerRegistry() as target:  # an empty one: nothing can be mounted or skipped
            pushed = f"{target.address}/image{number}"
            daemon.api.request("POST", f"/images/{name}:one/tag", query={"repo": pushed, "tag": "one"})
            begin = time.monotonic()
            do(daemon, f"/images/{pushed}/push", tag="one")
            push = time.monotonic() - begin
    finally:
        daemon.destroy()
    return pull, push, peak.mib, moved


def measure(engines, arguments, folder, layers, changed):
    """Engines in turn, from one registry; the medians of (pull, push) for each."""
    results = {engine: [] for engine in engines}
    with PeerRegistry() as registry:
        upload(registry, "image", "one", layers)
        upload(registry, "image", "two", [*layers[:-1], changed])
        for number in range(arguments.rounds):
            for engine in engines:
                results[engine].append(measure_once(engine, arguments, folder, f"{registry.address}/image", number))
    medians = {}
    for engine, rounds in results.items():
        pull, push, memory, moved = (statistics.median(column) for column in zip(*rounds))
        print(f"{engine:<8} pull {pull:7.2f} s   push {push:7.2f} s   memory +{memory:5.1f} MiB   second pull {moved / 1e6:.1f} MB",
              flush=True)
        medians[engine] = pull, push
    return medians


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=500, help="of all layers, compressed")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--bin", default=ROOT + "/build/release/bin")
    parser.add_argument("--engines", default="berth,dockerd")
    parser.add_argument("--compress", action="store_true", help="what a push costs that has to compress")
    arguments = parser.parse_args()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        sys.exit("unshare: " + os.strerror(ctypes.get_errno()))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    folder = tempfile.mkdtemp(prefix="bench-pull.", dir="/tmp")
    try:
        sample = len(make_layer(0, 1 << 20)[1]) / (1 << 20)
        size = int(arguments.megabytes * 1e6 / 10 / sample)
        with multiprocessing.Pool() as pool:
            *layers, changed = pool.starmap(make_layer, [(seed, size) for seed in range(1, 12)], chunksize=1)
        print(f"10 layers, {sum(len(blob) for _, blob in layers) / 1e6:.0f} MB of gzip, the changed one "
              f"{len(changed[1]) / 1e6:.1f} MB", flush=True)
        results = measure(arguments.engines.split(","), arguments, folder, layers, changed)
        if len(results) == 2:
            ours, theirs = results["berth"], results["dockerd"]
            print(f"better   pull {theirs[0] / ours[0]:.1f}x   push {theirs[1] / ours[1]:.1f}x")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
