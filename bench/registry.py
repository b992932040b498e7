#!/usr/bin/python3
"""Blobs per second of `berth registry serve` against Debian's docker-registry, by 32 clients on loopback: downloads (by
`ab`) and uploads (POST, then PUT) of 1 KB and 10 MB, and what each server holds in memory at most. Both are measured in
turn, in one run; the best of the rounds counts. Bounded: at most some hundred MB below --folder, gone afterwards.

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

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CASES = [  # name, bytes of a blob, how many
    ("get_1k", 1 << 10, 8000), ("get_10m", 10 << 20, 120), ("put_1k", 1 << 10, 1500), ("put_10m", 10 << 20, 32)]


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
    return Server([bin_dir + "/berth", "registry", "serve", "--root", folder + "/root", "-a", f"127.0.0.1:{port}"], port)


class Client:
    """HTTP on one kept connection, with as little of Python's own cost as can be."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self, method, path, body=b""):
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        if len(body) < 65536:
            self.socket.sendall(head + body)
        else:
            self.socket.sendall(head)
            self.socket.sendall(body)
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.socket.recv(65536)
            if not piece:
                raise SystemExit("the server hung up")
            data += piece
        head, _, rest = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        left = (int(length.group(1)) if length else 0) - len(rest)
        while left > 0:
            left -= len(self.socket.recv(65536))
        return int(head[9:12]), head

    def upload(self, repository, data, name):
        status, head = self.request("POST", f"/v2/{repository}/blobs/uploads/")
        assert status == 202, head
        place = re.sub("^https?://[^/]*", "", re.search(rb"(?i)\r\nlocation: ([^\r]+)", head).group(1).decode())
        status, head = self.request("PUT", place + ("&" if "?" in place else "?") + "digest=" + name, data)
        assert status == 201, head


def put_some(port, start, stop, threads, jobs):
    def work(mine):
        start.wait()
        client = Client(port)
        for data, name in mine:
            client.upload("bench", data, name)
    pool = [threading.Thread(target=work, args=(jobs[n::threads],)) for n in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    stop.wait()


def put_all(server, size, count, clients):
    """Every blob is another one; made and hashed before the clock runs."""
    base = os.urandom(size)
    jobs = []
    for _ in range(count):
        data = os.urandom(16) + base[16:]
        jobs.append((data, digest(data)))
    processes = os.cpu_count()
    start, stop = multiprocessing.Barrier(clients + 1), multiprocessing.Barrier(processes + 1)
    workers = [multiprocessing.Process(target=put_some, args=(server.port, start, stop, clients // processes, jobs[n::processes]))
               for n in range(processes)]
    for worker in workers:
        worker.start()
    start.wait()
    begin = time.monotonic()
    stop.wait()
    took = time.monotonic() - begin
    for worker in workers:
        worker.join()
    return count / took


def get_all(server, size, count, clients):
    data = os.urandom(size)
    Client(server.port).upload("bench", data, digest(data))
    done = subprocess.run(["ab", "-q", "-k", "-n", str(count), "-c", str(clients), f"http://127.0.0.1:{server.port}/v2/bench/blobs/{digest(data)}"],
                          capture_output=True, text=True, check=True).stdout
    assert re.search(r"Failed requests: +0\n", done) and "Non-2xx" not in done, done
    return float(re.search(r"Requests per second: +([\d.]+)", done).group(1))


def measure(make, folder, clients, results):
    os.mkdir(folder)
    server = make(folder)
    try:
        for name, size, count in CASES:
            work = get_all if name.startswith("get") else put_all
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
    for name, _, _ in CASES:
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
