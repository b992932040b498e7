#!/usr/bin/python3
"""Blobs per second of `berth registry serve` against Debian's docker-registry, by 32 clients on loopback: downloads and
uploads (POST, then PUT) of 1 KB and 10 MB, and what each server holds in memory at most. Both are measured in turn, in
one run; the best of the rounds counts. Takes two minutes with --rounds 3. Bounded: at most some hundred MB below --folder, gone afterwards.

    bench/registry.py [--bin build/release/bin] [--rounds 3] [--clients 32] [--json FILE]
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, command, port):
        self.port = port
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        raise SystemExit(f"{command[0]} does not start")

    def peak_kb(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))

    def stop(self):
        self.process.terminate()
        self.process.wait()


def docker_registry(folder):
    port = free_port()
    with open(folder + "/config.yml", "w") as f:
        f.write(f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: {{rootdirectory: {folder}/data}}\n"
                f"http:\n  addr: 127.0.0.1:{port}\n")
    return Server(["docker-registry", "serve", folder + "/config.yml"], port)


def berth(folder, bin_dir):
    port = free_port()
    return Server([bin_dir + "/berth", "registry", "serve", "--root", folder + "/root", "-a", f"127.0.0.1:{port}",
                   "--neighbours="], port)


class Client:
    """HTTP on one kept connection, at as little cost of its own as can be: it runs on the servers' machine. Large bodies
    leave by sendfile from a memory file, and what comes is dropped by the kernel (MSG_TRUNC)."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.scratch = bytearray(1 << 20)

    def request(self, method, path, body=None):
        length = body.size if body else 0
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        if body:
            body.send(self.socket)
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.socket.recv(4096)
            if not piece:
                raise SystemExit("the server hung up")
            data += piece
        head, _, rest = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        left = (int(length.group(1)) if length else 0) - len(rest)
        while left > 0:
            count = self.socket.recv_into(self.scratch, min(left, len(self.scratch)), socket.MSG_TRUNC)
            assert count, "the server hung up"
            left -= count
        return int(head[9:12]), head

    def upload(self, repository, blob):
        status, head = self.request("POST", f"/v2/{repository}/blobs/uploads/")
        assert status == 202, head
        place = re.sub("^https?://[^/]*", "", re.search(rb"(?i)\r\nlocation: ([^\r]+)", head).group(1).decode())
        status, head = self.request("PUT", place + ("&" if "?" in place else "?") + "digest=" + blob.digest, blob)
        assert status == 201, head

    def download(self, repository, blob):
        status, head = self.request("GET", f"/v2/{repository}/blobs/{blob.digest}")
        assert status == 200, head


class Blob:
    """Bytes to send, each time from the beginning."""

    def __init__(self, data):
        self.size, self.digest = len(data), digest(data)
        self.data = self.file = None
        if self.size <= 64 << 10:
            self.data = data
        else:
            self.file = os.memfd_create("blob")
            assert os.write(self.file, data) == self.size

    def send(self, target):
        if self.file is None:
            return target.sendall(self.data)
        done = 0
        while done < self.size:
            done += os.sendfile(target.fileno(), self.file, done, self.size - done)

    def close(self):
        if self.file is not None:
            os.close(self.file)


def run_all(port, clients, jobs):
    """Every job by one of `clients` threads, which share the CPUs' number of processes; jobs per second."""
    def work(mine):
        start.wait()
        try:
            client = Client(port)
            for method, blob in mine:
                getattr(client, method)("bench", blob)
        except BaseException:  # a thread's failure is nobody's otherwise
            traceback.print_exc()
            os._exit(1)

    def some(number):
        threads = clients // processes
        pool = [threading.Thread(target=work, args=(jobs[number + processes * n::processes * threads],)) for n in range(threads)]
        for thread in pool:
            thread.start()
        for thread in pool:
            thread.join()

    processes = min(os.cpu_count(), clients)
    start = multiprocessing.Barrier(clients // processes * processes + 1)
    workers = [multiprocessing.Process(target=some, args=(n,)) for n in range(processes)]
    for worker in workers:
        worker.start()
    start.wait()
    begin = time.monotonic()
    for worker in workers:
        worker.join()
    took = time.monotonic() - begin
    assert all(worker.exitcode == 0 for worker in workers), "a client failed"
    return len(jobs) / took


def put(server, size, count, clients):
    """Every blob is another one; made and hashed before the clock runs."""
    base = os.urandom(size)
    blobs = [Blob(os.urandom(16) + base[16:]) for _ in range(count)]
    try:
        return run_all(server.port, clients, [("upload", blob) for blob in blobs])
    finally:
        for blob in blobs:
            blob.close()


def get(server, size, count, clients):
    blob = Blob(os.urandom(size))
    Client(server.port).upload("bench", blob)
    try:
        return run_all(server.port, clients, [("download", blob)] * count)
    finally:
        blob.close()


def get_small(server, size, seconds, clients):
    """By ab, since Python would be what is measured."""
    blob = Blob(os.urandom(size))
    Client(server.port).upload("bench", blob)
    address = f"http://127.0.0.1:{server.port}/v2/bench/blobs/{blob.digest}"
    done = subprocess.run(["ab", "-q", "-k", "-t", str(seconds), "-n", "1000000", "-c", str(clients), address],
                          capture_output=True, text=True, check=True).stdout
    assert re.search(r"Failed requests: +0\n", done) and "Non-2xx" not in done, done
    return float(re.search(r"Requests per second: +([\d.]+)", done).group(1))


CASES = [  # name, how, bytes of a blob, how many of them (or for how many seconds)
    ("get_1k", get_small, 1 << 10, 3), ("get_10m", get, 10 << 20, 256), ("put_1k", put, 1 << 10, 960), ("put_10m", put, 10 << 20, 64)]


def measure(make, folder, clients, results):
    os.mkdir(folder)
    server = make(folder)
    try:
        for name, work, size, count in CASES:
            results.setdefault(name, []).append(work(server, size, count, clients))
        results.setdefault("peak_kb", []).append(server.peak_kb())
    finally:
        server.stop()
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", default=ROOT + "/build/release/bin")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--json")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="bench-registry.", dir=options.folder)
    theirs, ours = {}, {}
    try:
        for number in range(options.rounds):
            measure(docker_registry, f"{folder}/d{number}", options.clients, theirs)
            measure(lambda place: berth(place, options.bin), f"{folder}/b{number}", options.clients, ours)
    finally:
        shutil.rmtree(folder)
    print("| case | docker-registry | Berth | better |\n| --- | --- | --- | --- |")
    table = {}
    for name, *_ in CASES:
        a, b = max(theirs[name]), max(ours[name])
        table[name] = {"docker-registry": a, "berth": b}
        print(f"| {name} | {a:.0f}/s | {b:.0f}/s | {b / a:.1f}x |")
    a, b = max(theirs["peak_kb"]), max(ours["peak_kb"])
    table["peak_kb"] = {"docker-registry": a, "berth": b}
    print(f"| most memory | {a / 1024:.1f} MiB | {b / 1024:.1f} MiB | {a / b:.1f}x |")
    if options.json:
        with open(options.json, "w") as f:
            json.dump(table, f, indent=1)


if __name__ == "__main__":
    main()
