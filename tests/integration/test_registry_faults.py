"""`berth registry serve` killed at random points of everything it does, and on a full disk."""

import hashlib
import os
import random
import subprocess
import threading

import pytest

from support.berth_registry import BerthRegistry
from support.lying_registry import digest, image
from test_registry_server import MANIFEST, push_blob, push_image

pytestmark = pytest.mark.berth


class Gone(Exception):
    pass


def attempt(action):
    """What the operation returns; Gone when the registry was killed under it."""
    try:
        return action()
    except AssertionError:
        raise
    except Exception as error:  # the many ways to say that a line was cut
        raise Gone from error


def chunked(api, repository, data):
    place = api.request("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
    for start in range(0, len(data), 50_000):
        piece = data[start:start + 50_000]
        answer = api.request("PATCH", place, piece, {"Content-Range": f"{start}-{start + len(piece) - 1}"})
        assert answer.status == 202, answer
    return api.request("PUT", f"{place}?digest={digest(data)}")


def single(api, repository, data):
    return api.request("POST", f"/v2/{repository}/blobs/uploads/?digest={digest(data)}", data)


class Worker(threading.Thread):
    """Pushes, mounts and deletes in a repository of its own until the registry is gone. `true` is what must hold: only
    the operation under way may have happened or not."""

    def __init__(self, registry, name, seed):
        super().__init__()
        self.registry, self.name_, self.rng = registry, name, random.Random(seed)
        self.tags, self.unsure, self.failure, self.count = {}, None, None, 0

    def run(self):
        try:
            while True:
                attempt(self.step)
                self.unsure = None
                self.count += 1
        except Gone:
            pass
        except AssertionError as error:
            self.failure = error

    def step(self):
        api, rng, name = self.registry.api, self.rng, self.name_
        tag = f"t{rng.randrange(4)}"
        kind = rng.randrange(5)
        if kind == 4 and tag in self.tags:
            self.unsure = tag
            answer = api.request("DELETE", f"/v2/{name}/manifests/{self.tags[tag]}")
            assert answer.status in (202, 404), answer
            gone = self.tags[tag]
            self.tags = {t: d for t, d in self.tags.items() if d != gone}
            return
        data = rng.randbytes(rng.choice((10, 3_000, 150_000)))
        pushed = (single if kind % 2 else chunked)(api, name, data)
        assert pushed.status == 201, pushed
        if kind == 3:
            answer = api.request("POST", f"/v2/{name}-m/blobs/uploads/?mount={digest(data)}&from={name}")
            assert answer.status == 201, answer
        manifest, blobs = image([{"f": rng.randbytes(8).hex()}], "oci")
        for blob in blobs.values():
            assert push_blob(api, name, blob).status == 201
        self.unsure = tag
        answer = api.request("PUT", f"/v2/{name}/manifests/{tag}", manifest, {"Content-Type": MANIFEST})
        assert answer.status == 201, answer
        self.tags[tag] = digest(manifest)

    def check(self):
        assert self.failure is None, self.failure
        for tag, wanted in self.tags.items():
            if tag == self.unsure or (self.unsure and self.tags.get(self.unsure) == wanted):
                continue
            answer = self.registry.api.request("GET", f"/v2/{self.name_}/manifests/{tag}")
            assert answer.status == 200 and "sha256:" + hashlib.sha256(answer.body).hexdigest() == wanted, (tag, answer)
            for layer in answer.json()["layers"]:
                blob = self.registry.api.request("GET", f"/v2/{self.name_}/blobs/{layer['digest']}")
                assert digest(blob.body) == layer["digest"]


def test_killed_anywhere(options):
    """Pushes in one and in many requests, mounts, deletes, and garbage collection every second, a kill after a random time:
    fsck finds nothing, what was answered is there, and everything can be done again."""
    seed = int(os.environ.get("BERTH_CRASH_SEED", "7"))
    kills = int(os.environ.get("BERTH_CRASH_POINTS", "25"))
    rng = random.Random(seed)
    done = 0
    with BerthRegistry(options.bin_dir, "--gc-grace", "2s", "--gc-interval", "1s") as registry:
        workers = {}
        for round_number in range(kills):
            workers = {n: Worker(registry, f"r{n}", rng.random()) for n in range(3)}
            for number, worker in workers.items():
                worker.start()
            threading.Event().wait(rng.uniform(0.01, 0.35))
            registry.kill()
            for worker in workers.values():
                worker.join()
                done += worker.count
            registry.start()
            check = registry.run("fsck")
            assert check.returncode == 0, (seed, round_number, check.stdout)
            for worker in workers.values():
                worker.check()
        push_image(registry.api, "r0", "again", [{"f": "1"}])
    assert done > kills


@pytest.fixture
def small_disk(scratch):
    """24 MB of ext4."""
    with open(scratch + "/disk", "wb") as f:
        f.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", scratch + "/disk"], check=True)
    os.mkdir(scratch + "/mount")
    subprocess.run(["mount", "-o", "loop", scratch + "/disk", scratch + "/mount"], check=True)
    yield scratch + "/mount"
    subprocess.run(["umount", scratch + "/mount"], check=True)


def free_bytes(folder):
    info = os.statvfs(folder)
    return info.f_bavail * info.f_frsize


def test_a_full_disk(options, small_disk):
    registry = BerthRegistry(options.bin_dir, "--gc-grace", "0s", "--gc-interval", "0s")
    registry.root = small_disk + "/root"
    with registry:
        api = registry.api
        kept, _ = push_image(api, "kept", "latest", [{"f": "1"}])
        before = free_bytes(small_disk)
        big = os.urandom(40 << 20)
        for push in (single, lambda *a: chunked_until_refused(*a)):
            answer = push(api, "big", big)
            assert answer.status == 507 and answer.json()["errors"][0]["code"] == "UNKNOWN", answer
            assert os.listdir(registry.root + "/uploads") == []
            assert free_bytes(small_disk) > before - (1 << 20)
        # Nearly full: others go on, and what is deleted and collected makes room.
        filler = os.urandom(free_bytes(small_disk) - (3 << 20))
        assert single(api, "filler", filler).status == 201
        assert single(api, "big", os.urandom(6 << 20)).status == 507
        assert api.request("GET", "/v2/kept/manifests/latest").status == 200
        assert push_blob(api, "small", b"still fits").status == 201
        with open(small_disk + "/rest", "wb") as f:  # now really nothing is left
            try:
                while True:
                    f.write(b"\0" * 65536)
                    f.flush()
            except OSError:
                pass
        assert api.request("DELETE", f"/v2/filler/blobs/{digest(filler)}").status == 202
        assert registry.run("gc", "--gc-grace", "0s").returncode == 0
        assert single(api, "big", os.urandom(6 << 20)).status == 201
        assert api.request("GET", f"/v2/kept/manifests/{kept}").status == 200
        assert registry.run("fsck").returncode == 0


def chunked_until_refused(api, repository, data):
    place = api.request("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
    for start in range(0, len(data), 4 << 20):
        answer = api.request("PATCH", place, data[start:start + (4 << 20)])
        if answer.status != 202:
            return answer
    raise AssertionError("it fitted")
