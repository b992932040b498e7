"""The vfs driver, where overlay can't work; and mounts that are passed on between host and container."""

import os
import subprocess

import pytest

from support import images
from support.waiting import eventually

pytestmark = pytest.mark.berth


def exercise(daemon):
    """What must not depend on the driver: layers and whiteouts, a container's own changes, save and load, removal."""
    docker = daemon.docker
    assert docker("run", "--rm", "--entrypoint", "sh", "full", "-c", "cat /hello.txt; ls -A /data").out == (
        "hello from the top layer\n")
    docker("run", "--name", "changed", "busybox", "sh", "-c", "echo mine > /etc/os-release; rm -r /data")
    assert docker("run", "--rm", "busybox", "sh", "-c", "head -1 /etc/os-release; ls /data").out == "ID=berthtest\nseed\n"
    docker("rm", "changed")
    saved = docker("save", "full").raw
    ids = docker("images", "-q", "--no-trunc").out
    docker("rmi", "full", "busybox")
    daemon.load(saved)
    assert docker("images", "-q", "full", "--no-trunc").out.strip() in ids
    assert docker("save", "full").raw == saved


def test_vfs(new_daemon):
    daemon = new_daemon("--storage-driver", "vfs")
    assert daemon.api.get("/info")["Driver"] == "vfs"
    exercise(daemon)
    daemon.docker("rmi", "-f", "full", "busybox", code=None)
    daemon.restart()
    layers = [name for name in os.listdir(daemon.data_root + "/vfs") if os.listdir(daemon.data_root + "/vfs/" + name)]
    assert not layers, layers


def test_vfs_is_chosen_where_overlay_does_not_work(new_daemon, scratch):
    """On an overlay there can be no other one."""
    for name in ("lower", "upper", "work", "mnt"):
        os.mkdir(f"{scratch}/{name}")
    folder = scratch + "/mnt"
    options = f"lowerdir={scratch}/lower,upperdir={scratch}/upper,workdir={scratch}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, folder], check=True)
    try:
        daemon = new_daemon(load=False, start=False)
        daemon.data_root = folder + "/data"
        daemon.start()
        assert daemon.api.get("/info")["Driver"] == "vfs"
        daemon.load(images.test_images())
        exercise(daemon)
        daemon.destroy()
        daemon.process = None
        os.makedirs(daemon.root, exist_ok=True)
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def shared_host(new_daemon, scratch):
    """A daemon in whose mount namespace everything is shared, as systemd makes it on every machine."""
    daemon = new_daemon(load=False, start=False)
    daemon.prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --make-rshared / && exec "$@"', "sh"]
    daemon.start()
    daemon.load(images.test_images())
    folder = scratch + "/shared"
    os.mkdir(folder)
    inside(daemon, "mount", "-t", "tmpfs", "outer", folder)
    os.mkdir(scratch + "/plain")
    yield daemon, folder


def inside(daemon, *command):
    done = subprocess.run(["nsenter", "-t", str(daemon.pid), "-m", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def mounts(daemon):
    return inside(daemon, "cat", "/proc/self/mountinfo").count("\n")


def test_shared_bind_passes_mounts_on_both_ways(shared_host):
    daemon, folder = shared_host
    before = mounts(daemon)
    container = daemon.docker("run", "-d", "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined",
                              "-v", f"{folder}:/x:rshared", "busybox", "sh", "-c",
                              "mkdir /x/in /x/out && mount -t tmpfs inner /x/in && touch /x/in/made && sleep 1000").out.strip()
    eventually(lambda: "made" in inside(daemon, "sh", "-c", f"ls {folder}/in 2>/dev/null || true"))
    assert mounts(daemon) == before + 1  # and nothing else of the container
    inside(daemon, "mount", "-t", "tmpfs", "outer", folder + "/out")
    inside(daemon, "touch", folder + "/out/from-the-host")
    assert daemon.docker("exec", container, "ls", "/x/out").out == "from-the-host\n"
    inside(daemon, "umount", folder + "/out")
    daemon.docker("rm", "-f", container)
    inside(daemon, "umount", folder + "/in")
    assert mounts(daemon) == before


def test_slave_bind_receives_and_gives_nothing(shared_host):
    daemon, folder = shared_host
    before = mounts(daemon)
    inside(daemon, "mkdir", folder + "/in", folder + "/out")
    container = daemon.docker("run", "-d", "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined",
                              "-v", f"{folder}:/x:rslave", "busybox", "sh", "-c",
                              "mount -t tmpfs inner /x/in && touch /x/in/made && sleep 1000").out.strip()
    eventually(lambda: "made" in daemon.docker("exec", container, "ls", "/x/in").out)
    inside(daemon, "mount", "-t", "tmpfs", "outer", folder + "/out")
    inside(daemon, "touch", folder + "/out/from-the-host")
    assert daemon.docker("exec", container, "ls", "/x/out").out == "from-the-host\n"
    inside(daemon, "umount", folder + "/out")
    assert mounts(daemon) == before and inside(daemon, "ls", folder + "/in") == ""


def test_private_by_default(shared_host):
    daemon, folder = shared_host
    before = mounts(daemon)
    assert daemon.docker("run", "--rm", "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined",
                         "-v", f"{folder}:/x", "busybox", "sh", "-c",
                         "mkdir /x/in && mount -t tmpfs inner /x/in && echo mounted").out == "mounted\n"
    assert mounts(daemon) == before


def test_shared_bind_needs_a_shared_mount(shared_host, scratch):
    daemon, folder = shared_host
    inside(daemon, "mount", "--make-private", folder)
    before = mounts(daemon)
    answer = daemon.docker("run", "--rm", "-v", f"{folder}:/x:rshared", "busybox", "true", code=125)
    assert f"path {folder} is mounted on {folder} but it is not a shared mount" in answer.err
    assert daemon.docker("run", "--rm", "-v", f"{folder}:/x:rslave", "busybox", "echo", "private").out == "private\n"
    assert mounts(daemon) == before
