"""What the machine looks like, to be compared before and after: nothing that a daemon made may stay."""

import json
import os
import re
import subprocess
import time

PROGRAMS = ("berthd", "berth-shim", "berth-init", "berth-logger", "containerd-shim", "dockerd")
FOLDERS = ("/run", "/tmp", "/var/tmp", "/run/netns", "/var/lib")
# What skopeo, as root, remembers of registries.
KEPT_FOLDERS = ("/var/lib/containers",)
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
            if f"{folder}/{name}" not in (*KEPT_FOLDERS, *ignored)}


def belongings(daemon):
    """What a daemon keeps for containers, layers and volumes: folders below its roots, elements of its nftables maps."""
    found = set()
    for root in (daemon.data_root, daemon.exec_root):
        for folder, names, _ in os.walk(root):
            depth = os.path.relpath(folder, root).count("/")
            found.update(os.path.join(folder, n) for n in names)
            if depth >= 1:
                names.clear()  # what lies in a layer or a volume is not looked at
    instance = 0xCBF29CE484222325  # FNV-1a of the data root, as berthd names its instance
    for byte in daemon.data_root.encode():
        instance = ((instance ^ byte) * 0x100000001B3) % (1 << 64)
    table = "berth-" + instance.to_bytes(8, "little")[:4].hex()
    out = subprocess.run(["nft", "-j", "list", "table", "ip", table], capture_output=True, text=True).stdout
    for item in json.loads(out or '{"nftables": []}')["nftables"]:
        for kind in ("map", "set"):
            found.update(f"{item[kind]['name']} {json.dumps(e)}" for e in item.get(kind, {}).get("elem", []))
    return found


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
