"""Images that are hard to carry go between Berth, its registry, dockerd and other tools; each side unpacks the same files."""

import os
import shutil

import pytest

from support import special_images
from support.berth_registry import BerthRegistry
from support.dockerd_peer import DockerdPeer
from support.images import busybox_layer, docker_archive
from support.peer_tools import TOOLS
from support.rootfs import differences, tree

pytestmark = [pytest.mark.berth,
              pytest.mark.skipif(not all(map(shutil.which, (*TOOLS, "dockerd"))), reason="a peer is not installed")]

FILES, MEGABYTES = (20_000, 300) if os.environ.get("BERTH_BIG_IMAGES") else (1000, 24)
IMAGES = {"busybox": lambda: [busybox_layer()], "debian": special_images.debian,
          "debian-like": special_images.debian_like, "special": special_images.all_at_once,
          "sparse": special_images.sparse_files, "files": lambda: special_images.many_files(FILES),
          "large": lambda: special_images.large_layer(MEGABYTES)}


@pytest.fixture(scope="module")
def registry(options):
    with BerthRegistry(options.bin_dir) as server:
        yield server


@pytest.fixture(scope="module")
def dockerd(options):
    with DockerdPeer(options) as daemon:
        yield daemon


@pytest.fixture
def ours(new_daemon):
    return new_daemon(load=False)


def move(name, sender, receiver):
    sender.docker("push", name, timeout=120)
    sender.docker("rmi", name, timeout=120)
    receiver.docker("pull", name, timeout=120)


@pytest.mark.parametrize("kind", IMAGES)
def test_both_engines_unpack_the_same(kind, registry, dockerd, ours, scratch):
    """dockerd's archive, by Berth and its registry, to dockerd and back; each time into an engine that has no layer of it."""
    if kind == "debian" and not os.environ.get("BERTH_DEBIAN"):
        pytest.skip("BERTH_DEBIAN names no root file system")
    name, archive = f"{registry.address}/{kind}:latest", scratch + "/image.tar"
    with open(archive, "wb") as f:
        f.write(docker_archive([([name], IMAGES[kind](), {"Cmd": ["x"]})]))
    dockerd.docker("load", "-i", archive, timeout=120)
    expected, identity = tree(dockerd, name), dockerd.api.get(f"/images/{name}/json")["Id"]
    dockerd.docker("rmi", name, timeout=120)
    ours.docker("load", "-i", archive, timeout=120)
    assert differences(expected, tree(ours, name)) == []
    move(name, ours, dockerd)
    assert differences(expected, tree(dockerd, name)) == []
    move(name, dockerd, ours)
    assert differences(expected, tree(ours, name)) == []
    assert ours.api.get(f"/images/{name}/json")["Id"] == identity


# ---- save and load

@pytest.fixture
def saved(ours, scratch):
    """An archive as Berth saves it, and what it is of."""
    ours.docker("load", stdin=docker_archive([(["special:latest"], special_images.all_at_once(), {"Cmd": ["x"]})]))
    ours.docker("save", "-o", scratch + "/saved.tar", "special")
    return Saved(ours, scratch)


class Saved:
    def __init__(self, ours, scratch):
        self.ours, self.path, self.back = ours, scratch + "/saved.tar", scratch + "/back.tar"
        self.files, self.view = tree(ours, "special"), ours.api.get("/images/special/json")
        self.key = lambda image: (image["Id"], image["RootFS"], image["Created"], image["Config"]["Cmd"])
        ours.docker("rmi", "special")

    def comes_back(self):
        """What another tool has saved of it is loaded: the same image, the same files."""
        ours = self.ours
        loaded = ours.docker("load", "-q", "-i", self.back).out.split("Loaded image")[1].strip(": \n").removeprefix("ID: ")
        assert self.key(ours.api.get(f"/images/{loaded}/json")) == self.key(self.view)
        assert differences(self.files, tree(ours, loaded)) == []


def test_save_and_load_with_dockerd(saved, dockerd):
    dockerd.docker("load", "-i", saved.path)
    assert saved.key(dockerd.api.get("/images/special/json")) == saved.key(saved.view)
    assert differences(saved.files, tree(dockerd, "special")) == []
    dockerd.docker("save", "-o", saved.back, "special")
    dockerd.docker("rmi", "special")
    saved.comes_back()


@pytest.mark.parametrize("name", TOOLS)
def test_save_and_load_with_a_tool(name, saved, scratch):
    """By way of the tool's own store, where it has one."""
    with TOOLS[name](scratch + "/tool") as tool:
        tool.save(tool.load(saved.path), saved.back)
    saved.comes_back()


@pytest.mark.parametrize("name", ("skopeo", "podman", "buildah"))
def test_layouts_with_a_tool(name, saved, scratch):
    """As OCI's layout both ways."""
    with TOOLS[name](scratch + "/tool") as tool:
        tool.save_layout(tool.load_layout(saved.path), saved.back)
    saved.comes_back()
