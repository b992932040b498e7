"""`berth system fsck`: everything that can be wrong with the store is found while it is in use, and what can be repaired is."""

import json
import os
import subprocess
import threading

import pytest

from support import images
from support.waiting import eventually

pytestmark = pytest.mark.berth

IDLE = ["sleep", "1000"]


def fsck(daemon, repair=False):
    """(problems, summary)"""
    answer = daemon.api.request("POST", "/system/fsck", query={"repair": "1"} if repair else {})
    assert answer.status == 200, answer
    lines = [json.loads(line) for line in answer.body.splitlines() if line.strip()]
    assert "Summary" in lines[-1], lines
    return [line["Problem"] for line in lines if "Problem" in line], lines[-1]["Summary"]


def berth(daemon, *arguments):
    done = subprocess.run([daemon.options.bin_dir + "/berth", "-H", "unix://" + daemon.socket, *arguments],
                          capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def fragile(daemon, name="fragile:1", text="here"):
    """An image of two layers; returns the archive and the folder of its upper layer."""
    archive = images.docker_archive([([name], [images.busybox_layer(), images.Tar().file("only", text).bytes()], None)])
    daemon.load(archive)
    return archive, daemon.api.get(f"/images/{name}/json")["GraphDriver"]["Data"]["UpperDir"]


def test_nothing_wrong(new_daemon):
    daemon = new_daemon()
    fragile(daemon)
    daemon.docker("run", "-d", "--name", "busy", "fragile:1", *IDLE)
    problems, summary = fsck(daemon)
    assert not problems
    known = daemon.api.get("/images/json", all=1)
    assert summary["Images"] == len(known) and summary["Documents"] == 2 * len(known)
    assert summary["Layers"] >= 2 and summary["Containers"] == 1 and summary["Bytes"] > 1_000_000
    assert summary["Problems"] == summary["Repaired"] == 0
    code, out, err = berth(daemon, "system", "fsck")
    assert (code, err) == (0, "") and out.endswith("1 containers: no problems\n")


def test_a_changed_byte_is_found_taken_out_and_made_anew(new_daemon):
    daemon = new_daemon()
    archive, folder = fragile(daemon)
    with open(folder + "/only", "r+") as f:
        f.write("h3re")
    [problem], summary = fsck(daemon)
    assert (problem["Kind"], problem["Object"], problem["Repaired"]) == ("damaged", "layer", False)
    assert problem["Images"] == ["fragile:1"] and summary["Problems"] == 1
    code, out, _ = berth(daemon, "system", "fsck")
    assert code == 1 and "is damaged on the disk" in out and "fragile:1" in out

    [problem], summary = fsck(daemon, repair=True)
    assert problem["Repaired"] and summary["Repaired"] == 1
    answer = daemon.api.request("POST", "/containers/create", {"Image": "fragile:1", "Cmd": ["true"]})
    assert answer.status == 404 and "load or pull the image again" in answer.message, answer
    [problem], _ = fsck(daemon)
    assert problem["Kind"] == "missing"
    daemon.load(archive)
    assert not fsck(daemon)[0]
    assert daemon.docker("run", "--rm", "fragile:1", "cat", "/only").out == "here"


@pytest.mark.parametrize("damage", ["mode", "owner", "extra", "gone"])
def test_damage_besides_bytes(new_daemon, damage):
    daemon = new_daemon()
    _, folder = fragile(daemon)
    path = folder + "/only"
    if damage == "mode":
        os.chmod(path, 0o777)
    elif damage == "owner":
        os.chown(path, 12, 12)
    elif damage == "extra":
        with open(path, "a") as f:
            f.write("more")
    else:
        os.unlink(path)
    [problem], _ = fsck(daemon)
    assert (problem["Kind"], problem["Object"]) == ("damaged", "layer")
    assert "only" in problem["Message"] or damage == "gone"


def test_a_layer_under_a_container_is_left_alone(new_daemon):
    daemon = new_daemon()
    _, folder = fragile(daemon)
    container = daemon.docker("run", "-d", "fragile:1", *IDLE).out.strip()
    with open(folder + "/only", "r+") as f:
        f.write("h3re")
    [problem], _ = fsck(daemon, repair=True)
    assert not problem["Repaired"] and problem["Containers"] == [container]
    assert "remove the containers" in problem["Message"]
    assert daemon.api.state(container)["Running"]
    daemon.docker("rm", "-f", container)

    def is_repaired():
        [problem], _ = fsck(daemon, repair=True)
        return problem["Repaired"]
    eventually(is_repaired)  # the container's own layer goes behind the answer


def test_documents(new_daemon):
    daemon = new_daemon()
    archive, _ = fragile(daemon)
    image = daemon.api.get("/images/fragile:1/json")["Id"]
    blobs = daemon.data_root + "/content/blobs/sha256/"
    with open(blobs + image.removeprefix("sha256:"), "a") as f:
        f.write(" ")
    [problem], _ = fsck(daemon, repair=True)
    assert (problem["Kind"], problem["Object"], problem["ID"]) == ("damaged", "config", image)
    assert not problem["Repaired"] and problem["Images"] == ["fragile:1"]
    daemon.load(archive)
    assert not fsck(daemon)[0]


def test_strays(new_daemon):
    daemon = new_daemon()
    blobs = daemon.data_root + "/content/blobs/sha256/"
    with open(blobs + 64 * "a", "w") as f:
        f.write("nobody's")
    problems, summary = fsck(daemon)
    assert [(p["Kind"], p["Object"]) for p in problems] == [("stray", "content")] and summary["Repaired"] == 0
    problems, summary = fsck(daemon, repair=True)
    assert summary["Repaired"] == 1 and not os.path.exists(blobs + 64 * "a")
    assert not fsck(daemon)[0]


def test_a_container_whose_own_layer_is_lost(new_daemon):
    daemon = new_daemon()
    container = daemon.docker("create", "busybox", "true").out.strip()
    os.rename(f"{daemon.data_root}/overlay2/c-{container}", daemon.root + "/lost")
    [problem], _ = fsck(daemon)
    assert (problem["Kind"], problem["Object"], problem["ID"]) == ("missing", "container layer", container)
    os.rename(daemon.root + "/lost", f"{daemon.data_root}/overlay2/c-{container}")


def test_while_images_come_and_go(new_daemon):
    """A check beside loads, removals and containers says nothing, and with --repair takes nothing away that is used."""
    daemon = new_daemon()
    failures = []

    def churn(number):
        for turn in range(6):
            name = f"churn{number}:{turn}"
            archive = images.docker_archive([([name], [images.busybox_layer(), images.Tar().file("x", name).bytes()], None)])
            daemon.load(archive)
            done = daemon.docker("run", "--rm", "--network", "none", name, "cat", "/x", code=None)
            if done.out != name:
                failures.append(done)
            daemon.docker("rmi", name)

    threads = [threading.Thread(target=churn, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    checks = 0
    while any(thread.is_alive() for thread in threads):
        problems, _ = fsck(daemon, repair=True)
        assert not problems
        checks += 1
    for thread in threads:
        thread.join()
    assert not failures and checks > 0
