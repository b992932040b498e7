"""What the machine looks like, to be compared before and after: nothing that a daemon made may stay."""

import json
import os
import re
import subprocess
import time

PROGRAMS = ("berthd", "berth-shim", "berth-init", "containerd-shim", "dockerd")
FOLDERS = ("/run", "/tmp", "/var/tmp", "/run/netns", "/var/lib")
# The parent groups of all containers, which an engine keeps.
KEPT_CGROUPS = ("docker", "berth")


def mounts():
    with open("/proc/self/mountinfo") as f:
        return {"mount " + line.split()[4] for line in f}


def cgroups():
    found = set()
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        found.update("cgroup " + os.path.join(folder, n) for n in names if n not in KEPT_CGROUPS)
    return found


def naming(ids):
    """Mounts and cgroups that bear one of these IDs: what is left of containers on a machine that others use too."""
    ids = set(ids)
    return {x for x in mounts() | cgroups() if ids & set(re.split(r"[/.-]", x))}


def remove_cgroup(name):
    """An empty parent group that a test has asked for."""
    for hierarchy in ["", *os.listdir("/sys/fs/cgroup")]:
        path = os.path.join("/sys/fs/cgroup", hierarchy, name)
        if os.path.isdir(path):
            os.rmdir(path)


def processes():
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as f:
                name = f.read().strip()
            with open(f"/proc/{pid}/cmdline") as f:
                command = f.read().replace("\0", " ").strip()
        except OSError:
            continue
        # A monitor runs from a memory file; until it has named itself, only its command line tells.
        if name.startswith(PROGRAMS) or os.path.basename(command.split(" ")[0]).startswith(PROGRAMS):
            found.add(f"process {pid} {command[:120]}")
    return found


def links():
    out = subprocess.run(["ip", "-j", "link"], capture_output=True, text=True, check=True).stdout
    return {"link " + link["ifname"] for link in json.loads(out)}


def tables():
    out = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    return {"nft " + line for line in out.splitlines()}


def folders(ignored):
    return {f"file {folder}/{name}" for folder in FOLDERS if os.path.isdir(folder) for name in os.listdir(folder)
            if f"{folder}/{name}" not in ignored}


def snapshot(ignored=(), firewall=True):
    return (mounts() | cgroups() | processes() | links() | folders(ignored) | (tables() if firewall else set()))


def leaked(before, ignored=(), firewall=True, patience=15):
    """What is there now and was not before. Kernels take network namespaces and cgroups down a little later."""
    end = time.monotonic() + patience
    while True:
        new = snapshot(ignored, firewall) - before
        if not new or time.monotonic() > end:
            return sorted(new)
        time.sleep(0.2)
