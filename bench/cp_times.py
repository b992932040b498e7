#!/usr/bin/env python3
"""How long copies into and out of a container take: the engine alone (a ready tar over the API, no client program), and whole
commands (`docker cp`, `berth cp`). What the stock client needs for itself is the same for every engine.

    bench/cp_times.py --berth build/release/bin/berth --a unix:///run/a.sock --b unix:///run/b.sock [--rounds 5]

`--a` is berthd, `--b` dockerd; both need an image `busybox` (--image for another). Prints medians in milliseconds and their ratio to
dockerd's. Each copy is compared with what was sent."""

import argparse
import filecmp
import http.client
import os
import shutil
import socket
import statistics
import subprocess
import tarfile
import tempfile
import time


class Engine(http.client.HTTPConnection):
    """One connection to an engine's unix socket."""

    def __init__(self, url):
        super().__init__("localhost", blocksize=1 << 20)
        self.path = url.removeprefix("unix://")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def call(self, method, path, body=None, to=None):
        headers = {"Content-Type": "application/x-tar"} if body else {}
        self.request(method, path, body=body, headers=headers)
        answer = self.getresponse()
        if to is None:
            text = answer.read()
        else:
            shutil.copyfileobj(answer, to, 1 << 20)
            text = b""
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text!r}")


def make_sources(folder):
    """One large file, one folder of many small ones, and a tar of each."""
    large, many = folder + "/large", folder + "/many"
    os.mkdir(large)
    os.mkdir(many)
    block = os.urandom(1 << 20)
    with open(large + "/file", "wb") as f:
        for _ in range(200):
            f.write(block)
    for i in range(5000):
        os.makedirs(f"{many}/{i % 50}", exist_ok=True)
        with open(f"{many}/{i % 50}/{i}", "wb") as f:
            f.write(block[i : i + 200 + i % 2000])
    for name in ("large", "many"):
        with tarfile.open(f"{folder}/{name}.tar", "w") as tar:
            tar.add(f"{folder}/{name}", name)


def same(left, right):
    seen = filecmp.dircmp(left, right)
    _, unlike, odd = filecmp.cmpfiles(left, right, seen.common_files, shallow=False)
    return not (seen.left_only or seen.right_only or unlike or odd) and all(
        same(f"{left}/{name}", f"{right}/{name}") for name in seen.common_dirs
    )


def timed(work):
    os.sync()
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


class Case:
    def __init__(self, program, host, image, folder):
        self.program, self.host, self.folder = program, host, folder
        self.container = self.docker("run", "-d", "--network", "none", image, "sleep", "3600").strip()

    def docker(self, *words):
        return subprocess.run(["docker", "-H", self.host, *words], check=True, capture_output=True, text=True).stdout

    def copy(self, what, i):
        """Milliseconds in and out of one copy of `what`."""
        inside, out = f"/in{i}", tempfile.mkdtemp(dir=self.folder)
        self.docker("exec", self.container, "mkdir", inside)
        if self.program:
            cp = [self.program, "-H", self.host, "cp"]
            there, back = [f"{self.folder}/{what}", f"{self.container}:{inside}"], [f"{self.container}:{inside}/{what}", out]
            took_in = timed(lambda: subprocess.run(cp + there, check=True, capture_output=True))
            took_out = timed(lambda: subprocess.run(cp + back, check=True, capture_output=True))
        else:
            archive = f"/v1.41/containers/{self.container}/archive?path={inside}"
            with open(f"{self.folder}/{what}.tar", "rb") as body:
                took_in = timed(lambda: Engine(self.host).call("PUT", archive, body))
            with open(out + "/tar", "w+b") as file:
                took_out = timed(lambda: Engine(self.host).call("GET", f"{archive}/{what}", to=file))
                file.seek(0)
                with tarfile.open(fileobj=file) as tar:
                    tar.extractall(out)
        if not same(f"{self.folder}/{what}", f"{out}/{what}"):
            raise SystemExit(f"{self.program or 'the API'} on {self.host}: what came back differs")
        shutil.rmtree(out)
        return took_in, took_out

    def close(self):
        self.docker("rm", "-f", self.container)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--berth", required=True, help="the program berth")
    parser.add_argument("--a", required=True, help="berthd's socket, as unix:///…")
    parser.add_argument("--b", required=True, help="dockerd's socket")
    parser.add_argument("--image", default="busybox")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    programs = {
        "API, dockerd": (None, given.b),
        "API, berthd": (None, given.a),
        "docker cp, dockerd": ("docker", given.b),
        "docker cp, berthd": ("docker", given.a),
        "berth cp, berthd": (given.berth, given.a),
    }
    with tempfile.TemporaryDirectory() as folder:
        make_sources(folder)
        cases = {}
        try:
            for name, (program, host) in programs.items():
                cases[name] = Case(program, host, given.image, folder)
            for what in ("large", "many"):
                times = {name: [] for name in cases}
                for i in range(given.rounds):
                    for name, case in cases.items():
                        times[name].append(case.copy(what, f"{what}{i}"))
                for name, samples in times.items():
                    base = times["API, dockerd" if name.startswith("API") else "docker cp, dockerd"]
                    figures = [statistics.median(column) for column in zip(*samples)]
                    ratios = [statistics.median(column) / own for column, own in zip(zip(*base), figures)]
                    print(f"{what:6} {name:20} in {figures[0]:8.1f} ms  1/{ratios[0]:.1f}   out {figures[1]:8.1f} ms  1/{ratios[1]:.1f}")
        finally:
            for case in cases.values():
                case.close()


if __name__ == "__main__":
    main()
