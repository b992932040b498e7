"""Images with everything that is hard to carry: layers as uncompressed tar files, the same bytes every time."""

import os
import random
import subprocess
import tarfile
import tempfile

from .images import Tar

CAPABILITY = "SCHILY.xattr.security.capability"
NET_RAW = bytes.fromhex("0100000200200000000000000000000000000000").decode("latin-1")


def odd_files():
    """Each kind of file, and in the upper layer each way to change what lies below."""
    first, second = Tar(), Tar()
    first.folder("gone").file("gone/file", b"x").folder("gone/whole").file("gone/whole/file", b"x")
    first.folder("opaque", 0o711).file("opaque/old", b"x").file("opaque/both", b"old")
    first.file("target", b"linked").hardlink("link", "target").hardlink("gone/link", "target")
    first.symlink("symlink", "target").symlink("dangling", "/no/such/../file").hardlink("second-symlink", "symlink")
    first.file("große Überraschung ☂", "naïve".encode()).folder("日本語").file("日本語/ファイル", b"utf-8")
    first.folder("long").file("long/" + "n" * 250, b"long name").folder("long/" + "d" * 200)
    first.file("long/" + "d" * 200 + "/" + "f" * 200, b"long path")
    first.file("zeros", b"\0" * (1 << 20) + b"end" + b"\0" * 4095)
    first.entry("fifo", tarfile.FIFOTYPE, mode=0o640)
    first.entry("null", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3)
    first.entry("disk", tarfile.BLKTYPE, mode=0o660, gid=6, devmajor=259, devminor=70000)
    first.file("capable", b"#!/bin/sh\n", mode=0o755, pax_headers={CAPABILITY: NET_RAW})
    first.file("noted", b"", pax_headers={"SCHILY.xattr.user.note": "möglich"})
    first.folder("noted-folder", pax_headers={"SCHILY.xattr.user.note": "folder"})
    first.file("when", b"", pax_headers={"mtime": "1234567890.123456789"})
    first.file("swap-file", b"was a file").folder("swap-folder").file("swap-folder/inner", b"x")
    first.file("owned", b"z", mode=0o4755, uid=1234, gid=4321).folder("sticky", 0o3777, uid=4000000000, gid=5)
    second.file(".wh.dangling", b"").file("gone/.wh.file", b"").file("gone/.wh.whole", b"").file("gone/.wh.nothing", b"")
    second.file("opaque/.wh..wh..opq", b"").file("opaque/new", b"y").file("opaque/both", b"new")
    second.folder("swap-file").file("swap-file/inner", b"x").file("swap-folder", b"is a file")
    second.file("link", b"no link any more").file("owned", b"again", uid=1, gid=2)
    return [first.bytes(), second.bytes()]


def many_layers(count=20):
    layers = []
    for number in range(count):
        tar = Tar().file(f"layer{number}", f"{number}").file("same", f"{number}")
        if number % 3 == 1:
            tar.file(f".wh.layer{number - 1}", b"")
        layers.append(tar.bytes())
    return layers


def all_at_once():
    """As few images as prove it: the odd files, under twenty layers in all."""
    return odd_files() + many_layers(18)


def many_files(count):
    tar = Tar()
    for folder in range(count // 200):
        tar.folder(f"d{folder}")
        for number in range(200):
            tar.file(f"d{folder}/{number}", f"{folder}/{number}")
    return [tar.bytes()]


def sparse_files():
    """As GNU tar writes files with holes, in its three ways. (Its oldest, of type "S", dockerd refuses.)"""
    layers = []
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/sparse", "wb") as f:
            for place in (0, 300_000, 5 << 20):
                f.seek(place)
                f.write(b"island %d" % place)
            f.truncate(8 << 20)
        with open(folder + "/hole", "wb") as f:
            f.truncate(3 << 20)
        for version in ("0.0", "0.1", "1.0"):
            layers.append(subprocess.run(["tar", "-S", "--format", "pax", "--sparse-version", version, "--pax-option",
                                          "delete=atime,delete=ctime", "--mtime", "@1700000000", "--owner", "0", "--group", "0", "--mode", "0644",
                                          "--transform", f"s/^/{version}-/", "-cf", "-", "-C", folder, "sparse", "hole"],
                                         check=True, capture_output=True).stdout)
    return layers


def debian():
    """The root file system in BERTH_DEBIAN, which scripts/test.sh makes, and an upgrade."""
    with open(os.environ["BERTH_DEBIAN"], "rb") as f:
        return [f.read(), Tar().folder("usr").folder("usr/bin").file("usr/bin/.wh.passwd", b"").file("usr/bin/ls", b"new", 0o755).bytes()]


def debian_like():
    """What a Debian package brings, with its setuid programs, hard links and links, as GNU tar packs it; then an upgrade."""
    listed = subprocess.run(["dpkg", "-L", "coreutils", "login", "passwd", "perl-base"], check=True, capture_output=True).stdout
    # Not by way of Debian's links from /bin to /usr/bin, which dockerd would not follow while there is nothing behind them.
    paths = {os.path.join(os.path.realpath(os.path.dirname(p)), os.path.basename(p)) for p in listed.split(b"\n") if len(p) > 2}
    names = sorted(filter(os.path.lexists, paths))
    base = subprocess.run(["tar", "-C", "/", "--no-recursion", "--null", "-T", "-", "-cf", "-"], check=True, capture_output=True,
                          input=b"\0".join(b"." + name for name in names)).stdout
    return [base, Tar().folder("usr").folder("usr/bin").file("usr/bin/.wh.passwd", b"").file("usr/bin/ls", b"new", 0o755).bytes()]


def large_layer(megabytes):
    """One layer whose bytes don't compress to nothing, nor not at all."""
    source, tar = random.Random(7), Tar()
    for number in range(megabytes):
        tar.file(f"part{number}", source.randbytes(512) * 1024 + source.randbytes(1 << 19))
    return [tar.bytes()]
