"""Space that images take: prune by last use, and the policy that frees it by itself."""

import glob
import os
import subprocess
import time

import pytest

from support import images
from support.waiting import eventually

pytestmark = pytest.mark.berth

MEGABYTE = 1 << 20


def archive(name, megabytes):
    return images.docker_archive([([name], [images.Tar().file("big", os.urandom(megabytes * MEGABYTE)).bytes()], None)])


def tags(daemon):
    return sorted(tag for image in daemon.api.get("/images/json") for tag in image["RepoTags"])


def prune(daemon, age):
    answer = daemon.api.request("POST", "/images/prune",
                                query={"filters": '{"dangling":["false"],"unused-for":["%s"]}' % age})
    return answer


def test_prune_by_last_use(new_daemon):
    """An image that a container has just left counts as used, however old its build is."""
    daemon = new_daemon()
    daemon.load(images.docker_archive([(["old:1"], [images.busybox_layer()], None)]))
    daemon.load(images.docker_archive([(["used:1"], [images.busybox_layer(), images.Tar().file("x", "x").bytes()], None)]))
    assert prune(daemon, "1h").status == 200 and "old:1" in tags(daemon)
    before = time.time()
    daemon.docker("run", "--rm", "--network", "none", "used:1", "true")
    eventually(lambda: not any(name.startswith("c-") for name in os.listdir(daemon.data_root + "/overlay2")))
    daemon.kill()
    daemon.start()
    assert prune(daemon, f"{time.time() - before:.6f}s").status == 200
    assert "used:1" in tags(daemon) and "old:1" not in tags(daemon)
    answer = prune(daemon, "soon")
    assert answer.status == 400 and answer.message == 'failed to parse value as duration: "soon"'


@pytest.fixture
def small_disk(scratch):
    """A data root of 64 MiB."""
    image, folder = scratch + "/disk", scratch + "/mnt"
    os.mkdir(folder)
    with open(image, "wb") as f:
        f.truncate(64 * MEGABYTE)
    subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_the_policy_frees_what_was_unused_longest(small_disk, new_daemon):
    daemon = new_daemon("--image-gc-high-threshold", "70", "--image-gc-low-threshold", "65", "--image-minimum-gc-age", "0s",
                        start=False)
    daemon.data_root = small_disk + "/data"
    daemon.start()
    daemon.load(archive("held:1", 8))
    daemon.load(archive("first:1", 8))
    daemon.load(archive("second:1", 8))
    daemon.docker("create", "--name", "holder", "held:1", "x")
    daemon.docker("tag", "first:1", "first:again")  # used later than the second
    assert tags(daemon) == ["first:1", "first:again", "held:1", "second:1"]
    daemon.load(archive("third:1", 20))
    eventually(lambda: "second:1" not in tags(daemon))
    assert "held:1" in tags(daemon), "a container stands on it"
    assert "third:1" in tags(daemon), "the newest goes last"
    daemon.docker("rm", "holder")
    daemon.stop()


def test_compressed_forms_go_before_images(small_disk, new_daemon):
    daemon = new_daemon("--image-gc-high-threshold", "60", "--image-gc-low-threshold", "55", "--image-minimum-gc-age", "0s",
                        start=False)
    daemon.data_root = small_disk + "/data"
    daemon.start()
    for name in ("first:1", "second:1"):
        layer = images.Tar().file("big", os.urandom(10 * MEGABYTE)).bytes()
        daemon.load(images.oci_archive(name, [layer]))
    blobs = daemon.data_root + "/overlay2/*/blob"
    assert eventually(lambda: len(glob.glob(blobs)) < 2)
    assert tags(daemon) == ["first:1", "second:1"]
    daemon.stop()


def test_refused_policies(new_daemon):
    daemon = new_daemon(start=False)
    for flags, message in [(["--image-gc-high-threshold", "101"], "a percentage is from 0 to 100"),
                           (["--image-gc-high-threshold", "50", "--image-gc-low-threshold", "60"],
                            "image-gc-low-threshold must not be above image-gc-high-threshold"),
                           (["--image-minimum-gc-age", "soon"], "invalid image-minimum-gc-age: soon")]:
        done = subprocess.run([daemon.options.bin_dir + "/berthd", "--data-root", daemon.data_root, "--exec-root", daemon.exec_root,
                               "-H", "unix://" + daemon.socket, "-p", daemon.pidfile, *flags], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and message in done.stderr, done


def test_system_prune(new_daemon):
    """The stock client's `system prune` also asks for the build cache."""
    daemon = new_daemon()
    daemon.docker("create", "busybox", "true")
    done = daemon.docker("system", "prune", "-af")
    assert "Deleted Containers:" in done.out and "Deleted Images:" in done.out and "Total reclaimed space:" in done.out
    assert not daemon.api.get("/images/json")
    answer = daemon.api.request("POST", "/build/prune", query={"filters": "{"})
    assert answer.status == 400
