"""kill -9, cut lines and full disks in the middle of pull, push and removal: the store is right afterwards, and the
operation works when it is repeated."""

import os
import random
import socket
import subprocess
import threading
import time

import pytest

from support.lying_registry import LyingRegistry, image
from support.peer_registry import PROGRAM, PeerRegistry
from test_fsck import fsck

pytestmark = [pytest.mark.berth, pytest.mark.skipif(PROGRAM is None, reason="docker-registry is not installed")]
SEED = int(os.environ.get("BERTH_CRASH_SEED", "20240607"))
POINTS = int(os.environ.get("BERTH_TRANSFER_KILLS", "12"))
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def ask(daemon, method, path, **query):
    """Whatever comes of it: the daemon dies meanwhile."""
    try:
        return daemon.api.request(method, path, query=query, headers={"X-Registry-Auth": "e30="}, timeout=60)
    except Exception:  # http.client has a dozen of its own
        return None


def worked(answer):
    return answer is not None and answer.status < 400 and not any("error" in line for line in answer.lines())


def test_killed_in_pull_push_and_removal(new_daemon):
    """BERTH_TRANSFER_KILLS kills at seeded random moments."""
    chooser = random.Random(SEED)
    manifest, blobs = image([{f"f{i}": os.urandom(1 << 20)} for i in range(4)])
    with LyingRegistry({"latest": (MANIFEST, manifest)}, blobs) as source, PeerRegistry() as target:
        daemon = new_daemon(load=False)
        pulled, pushed = source.address + "/x", f"{target.address}/x"
        for point in range(POINTS):
            what = chooser.choice(["pull", "push", "rmi"])
            if what != "pull":
                assert worked(ask(daemon, "POST", "/images/create", fromImage=pulled, tag="latest"))
            if what == "push":
                pushed = f"{target.address}/x{point}"
                assert daemon.api.request("POST", f"/images/{pulled}/tag", query={"repo": pushed}).status == 201
            work = {"pull": ("POST", "/images/create", {"fromImage": pulled, "tag": "latest"}),
                    "push": ("POST", f"/images/{pushed}/push", {"tag": "latest"}),
                    "rmi": ("DELETE", f"/images/{pulled}", {"force": "1"})}[what]
            thread = threading.Thread(target=lambda: ask(daemon, work[0], work[1], **work[2]))
            thread.start()
            time.sleep(chooser.uniform(0, 0.15))
            daemon.kill()
            thread.join()
            daemon.start()
            context = f"point {point} (seed {SEED}): killed in {what}"
            assert fsck(daemon)[0] == [], context
            staging = [n for n in os.listdir(daemon.data_root + "/overlay2") if n.startswith("tmp")]
            assert staging == [], context
            answer = ask(daemon, work[0], work[1], **work[2])
            if what == "rmi":
                assert answer.status in (200, 404), context
            else:
                assert worked(answer), (context, answer.lines())
            for name in (pulled, pushed):
                daemon.api.request("DELETE", f"/images/{name}", query={"force": "1"})
            assert fsck(daemon)[0] == [], context


@pytest.fixture
def small_disk(scratch):
    """A file system of 24 MiB."""
    file, folder = scratch + "/disk", scratch + "/mounted"
    os.mkdir(folder)
    with open(file, "wb") as f:
        f.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", file], check=True)
    subprocess.run(["mount", "-o", "loop", file, folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_full_in_the_middle_of_a_pull(new_daemon, small_disk):
    manifest, blobs = image([{"small": os.urandom(1 << 20)}, {"large": os.urandom(40 << 20)}])
    fitting, more = image([{"small": os.urandom(1 << 20)}, {"other": os.urandom(2 << 20)}])
    with LyingRegistry({"latest": (MANIFEST, manifest), "fits": (MANIFEST, fitting)}, {**blobs, **more}) as registry:
        daemon = new_daemon(start=False)
        daemon.data_root = small_disk + "/data"
        daemon.start()
        name = registry.address + "/x"
        answer = ask(daemon, "POST", "/images/create", fromImage=name, tag="latest")
        assert "no space left on device" in answer.lines()[-1]["error"]
        assert daemon.api.request("GET", f"/images/{name}/json").status == 404
        assert fsck(daemon)[0] == []
        assert worked(ask(daemon, "POST", "/images/create", fromImage=name, tag="fits"))
        daemon.kill()


@pytest.mark.parametrize("cut", ["head", "first byte", "middle", "last byte"])
def test_an_upload_that_is_cut_goes_on(new_daemon, cut):
    """A line that breaks at the Nth byte of the layer, between the daemon and docker-registry."""
    manifest, blobs = image([{"f": os.urandom(3 << 20)}])
    with LyingRegistry({"latest": (MANIFEST, manifest)}, blobs) as source, PeerRegistry() as target:
        limit = {"head": 10, "first byte": 700, "middle": 1 << 20, "last byte": (3 << 20) + 2000}[cut]
        host, port = target.address.split(":")
        listener = socket.create_server(("127.0.0.1", 0))
        cuts = []

        def serve(client):
            server = socket.create_connection((host, int(port)))
            threading.Thread(target=forward, args=(server, client, None), daemon=True).start()
            forward(client, server, limit)

        def forward(source, target, most):
            sent, patch = 0, False
            try:
                while piece := source.recv(1 << 16):
                    patch = patch or piece.startswith(b"PATCH")
                    if most is not None and patch and not cuts and sent + len(piece) > most:
                        target.sendall(piece[:most - sent])
                        cuts.append(sent)
                        break
                    sent = sent + len(piece) if patch else 0
                    target.sendall(piece)
            except OSError:
                pass
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

        def accept():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        daemon = new_daemon(load=False)
        pulled, pushed = source.address + "/x", f"127.0.0.1:{listener.getsockname()[1]}/x"
        assert worked(ask(daemon, "POST", "/images/create", fromImage=pulled, tag="latest"))
        daemon.api.request("POST", f"/images/{pulled}/tag", query={"repo": pushed})
        answer = ask(daemon, "POST", f"/images/{pushed}/push", tag="latest")
        assert worked(answer), answer.lines()
        assert cuts and any(line.get("status") == "Retrying" for line in answer.lines())
        listener.close()
