#!/usr/bin/env python3
"""How long one whole command takes, `berth run` against `docker run`, in turn, each with its own daemon.

    bench/run_times.py --berth build/release/bin/berth --a unix:///run/a.sock --b unix:///run/b.sock [--rounds 40]

Both daemons need an image `busybox` (--image for another). Prints medians in milliseconds and their ratio; every run's
output and exit code are checked."""

import argparse
import statistics
import subprocess
import time


def run(program, host, options, image):
    command = [program, "-H", host, "run", "--rm", *options, image, "echo", "ran"]
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    took = (time.perf_counter() - begin) * 1000
    if (done.returncode, done.stdout, done.stderr) != (0, "ran\n", ""):
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}, {done.stdout!r} {done.stderr!r}")
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--berth", required=True, help="the program berth")
    parser.add_argument("--a", required=True, help="berthd's socket, as unix:///…")
    parser.add_argument("--b", help="dockerd's socket; without it only Berth is measured")
    parser.add_argument("--image", default="busybox")
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args()
    cases = {"berth run, berthd": (given.berth, given.a), "docker run, berthd": ("docker", given.a)}
    if given.b:
        cases["docker run, dockerd"] = ("docker", given.b)
    for network in ("none", "bridge"):
        times = {name: [] for name in cases}
        for i in range(given.rounds + 2):
            for name, (program, host) in cases.items():
                took = run(program, host, ["--network", network], given.image)
                if i >= 2:  # the first two warm up
                    times[name].append(took)
        slowest = statistics.median(list(times.values())[-1])
        for name, samples in times.items():
            median = statistics.median(samples)
            print(f"{network:7} {name:20} {median:8.1f} ms (least {min(samples):.1f})   1/{slowest / median:.1f}")


if __name__ == "__main__":
    main()
