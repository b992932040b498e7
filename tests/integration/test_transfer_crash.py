"""kill -9 in the middle of pull, push and removal: the store is right afterwards, and the operation works when it is
repeated."""

import os
import random
import threading
import time

import pytest

from support.lying_registry import LyingRegistry, image
from support.peer_registry import PROGRAM, PeerRegistry
from support.waiting import eventually
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
            # Swept by a thread of its own, so that nobody waits for it.
            eventually(lambda: not any(n.startswith("tmp") for n in os.listdir(daemon.data_root + "/overlay2")))
            answer = ask(daemon, work[0], work[1], **work[2])
            if what == "rmi":
                assert answer.status in (200, 404), context
            else:
                assert worked(answer), (context, answer.lines())
            for name in (pulled, pushed):
                daemon.api.request("DELETE", f"/images/{name}", query={"force": "1"})
            assert fsck(daemon)[0] == [], context
