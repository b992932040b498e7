"""Images while something else happens to them: removal during a push or save, a registry that lies about what it has,
another that is silent, clients that leave."""

import gzip
import hashlib
import io
import json
import os
import tarfile
import threading

import pytest

from support.berth_registry import BerthRegistry
from support.images import Tar, docker_archive
from support.lying_registry import LyingRegistry, digest, image
from support.waiting import eventually
from test_fsck import fsck

pytestmark = pytest.mark.berth
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def daemon(new_daemon):
    return new_daemon(load=False)


@pytest.fixture
def registry(options):
    with BerthRegistry(options.bin_dir) as server:
        yield server


def load(daemon, name, layers, **config):
    daemon.docker("load", stdin=docker_archive([([name], layers, config or None)]))
    return daemon.api.get(f"/images/{name}/json")["Id"]


def big_layer(megabytes):
    return Tar().file("big", os.urandom(megabytes << 20)).bytes()


def stored_layers(daemon):
    return [name for name in os.listdir(f"{daemon.data_root}/overlay2") if os.path.isdir(f"{daemon.data_root}/overlay2/{name}/diff")]



# ---- removal meanwhile

def test_an_image_that_is_removed_is_pushed_to_the_end(daemon, registry):
    name = f"{registry.address}/a"
    load(daemon, name + ":1", [big_layer(40)])
    removed = None
    lines = []
    with daemon.api.stream("POST", f"/images/{name}/push", query={"tag": "1"}) as answer:
        for line in answer:
            lines.append(json.loads(line))
            if removed is None and lines[-1].get("status") == "Pushing":
                removed = daemon.api.request("DELETE", f"/images/{name}:1", query={"force": "1"})
    assert removed is not None and removed.status == 200
    assert any("aux" in line for line in lines) and not any("error" in line for line in lines), lines[-3:]
    assert registry.api.request("GET", "/v2/a/manifests/1", headers={"Accept": f"{OCI}, {DOCKER}"}).status == 200
    eventually(lambda: stored_layers(daemon) == [])
    assert fsck(daemon)[0] == []


def test_an_image_that_is_removed_is_saved_to_the_end(daemon):
    load(daemon, "a:1", [big_layer(40), Tar().file("small", "x").bytes()])
    with daemon.api.stream("GET", "/images/a:1/get") as answer:
        head = answer.read(1 << 20)
        assert daemon.api.request("DELETE", "/images/a:1", query={"force": "1"}).status == 200
        archive = io.BytesIO(head + answer.read())
    with tarfile.open(fileobj=archive) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))[0]
        for path in manifest["Layers"]:
            assert hashlib.sha256(tar.extractfile(path).read()).hexdigest() == os.path.basename(path)
    eventually(lambda: stored_layers(daemon) == [])
    assert fsck(daemon)[0] == []


# ---- registries that can't be trusted

def test_a_pull_does_not_say_what_a_push_sends(daemon, registry):
    """A manifest that calls another blob by a layer's name must not become the source of that layer."""
    good, evil = Tar().file("bin/tool", "good").bytes(), Tar().file("bin/tool", "EVIL").bytes()
    load(daemon, "good:1", [good])
    manifest, blobs = image([{"bin/tool": "good"}], "oci")
    config = next(data for data in blobs.values() if data.startswith(b"{"))
    lie = json.loads(manifest)
    lie["layers"] = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(evil), "size": len(evil)}]
    lie["config"]["digest"], lie["config"]["size"] = digest(config), len(config)
    for data in (evil, config):
        assert registry.api.request("POST", f"/v2/evil/x/blobs/uploads/?digest={digest(data)}", data).status == 201
    assert registry.api.request("PUT", "/v2/evil/x/manifests/1", json.dumps(lie).encode(), {"Content-Type": OCI}).status == 201
    assert digest(good) in json.loads(config)["rootfs"]["diff_ids"]
    daemon.docker("pull", f"{registry.address}/evil/x:1")
    daemon.docker("tag", "good:1", f"{registry.address}/own:1")
    daemon.docker("push", f"{registry.address}/own:1")
    sent = registry.api.request("GET", "/v2/own/manifests/1", headers={"Accept": f"{OCI}, {DOCKER}"}).json()
    assert digest(evil) not in [layer["digest"] for layer in sent["layers"]]
    blob = registry.api.request("GET", f"/v2/own/blobs/{sent['layers'][0]['digest']}").body
    assert gzip.decompress(blob) == good


def silent(begun):
    """Answers nothing until the other side has gone."""
    def lie(handler, _):
        begun.release()
        handler.connection.settimeout(50)
        try:
            handler.server.gone.append(handler.connection.recv(1) == b"")
        except OSError:
            handler.server.gone.append(False)
        handler.close_connection = True
    return lie


def begin_pull(daemon, registry):
    client = daemon.api.raw()
    path = daemon.api.url("/images/create", {"fromImage": registry.address + "/x", "tag": "latest"})
    client.sendall(f"POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n".encode())
    return client


def test_a_silent_registry_holds_up_no_other_one(daemon):
    manifest, blobs = image([{"popular": "layer"}])
    layer = list(blobs)[1]
    begun = threading.Semaphore(0)
    with LyingRegistry({"latest": (DOCKER, manifest)}, blobs) as bad, LyingRegistry({"latest": (DOCKER, manifest)}, blobs) as good:
        bad.server.gone = []
        bad.lies[layer] = silent(begun)
        client = begin_pull(daemon, bad)
        assert begun.acquire(timeout=30)
        daemon.docker("pull", good.address + "/x")
        client.close()
        eventually(lambda: bad.server.gone == [True])  # its client has left


def test_clients_that_leave_take_their_pulls_along(daemon):
    """More of them than there were threads once, of a registry that says nothing at all."""
    manifest, blobs = image([{"a": "b"}])
    begun = threading.Semaphore(0)
    count = 20
    with LyingRegistry({"latest": (DOCKER, manifest)}, blobs) as bad, LyingRegistry({"latest": (DOCKER, manifest)}, blobs) as good:
        bad.server.gone = []
        bad.lies["manifests/latest"] = silent(begun)
        clients = [begin_pull(daemon, bad) for _ in range(count)]
        for _ in range(count):
            assert begun.acquire(timeout=30)
        daemon.docker("pull", good.address + "/x")
        for client in clients:
            client.close()
        eventually(lambda: len(bad.server.gone) >= count and all(bad.server.gone))


# ---- archives

def test_an_archive_of_very_many_entries_is_refused(daemon):
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as file, tarfile.open(fileobj=file, mode="w|") as tar:
        for i in range(100_001):
            link = tarfile.TarInfo(str(i))
            link.type, link.linkname = tarfile.SYMTYPE, "x"
            tar.addfile(link)
    answer = daemon.api.request("POST", "/images/load", out.getvalue())
    assert "the archive has more than 100000 entries" in answer.body.decode()
