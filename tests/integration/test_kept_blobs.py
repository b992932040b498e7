"""Layers that came compressed are kept so, when they can't be made again: what was pulled is pushed with its digest."""

import glob
import gzip
import hashlib
import json
import os
import subprocess

import pytest

from support import special_images
from support.images import Tar, busybox_layer, docker_archive, oci_archive
from support.lying_registry import LyingRegistry, digest, image
from support.peer_registry import PROGRAM, PeerRegistry
from test_fsck import fsck
from test_registry import MANIFEST, OCI, failure, pull
from test_registry_faults import small_disk  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.berth, pytest.mark.skipif(PROGRAM is None, reason="docker-registry is not installed")]


def packed_by_gzip(data):
    return gzip.compress(data, 6, mtime=0)


def packed_by_zstd(data):
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


def packed_image(files, compress=packed_by_gzip, media="docker"):
    """(manifest, blobs) of layers as their makers compress them."""
    manifest, blobs = image(files, media)
    manifest = json.loads(manifest)
    kind = ".gzip" if media == "docker" else "+gzip" if compress is packed_by_gzip else "+zstd"
    for layer in manifest["layers"]:
        data = compress(blobs.pop(layer["digest"]))
        layer.update(mediaType=layer["mediaType"] + kind, digest=digest(data), size=len(data))
        blobs[digest(data)] = data
    return json.dumps(manifest).encode(), blobs


def serve(manifest, blobs):
    return LyingRegistry({"latest": (json.loads(manifest)["mediaType"], manifest)}, blobs)


def fetched(registry, repository):
    """The manifest's bytes as the registry has them, and the digests of the layers."""
    answer = subprocess.run(["curl", "-sS", "-H", f"Accept: {MANIFEST}, {OCI}",
                             f"http://{registry.address}/v2/{repository}/manifests/latest"], capture_output=True, check=True).stdout
    return answer, [layer["digest"] for layer in json.loads(answer)["layers"]]


def kept(daemon):
    return sorted("sha256:" + hashlib.sha256(open(path, "rb").read()).hexdigest()
                  for path in glob.glob(daemon.data_root + "/overlay2/*/blob"))


@pytest.fixture(scope="module")
def peer():
    with PeerRegistry() as registry:
        yield registry


@pytest.mark.parametrize("compress,media", [(packed_by_gzip, "docker"), (packed_by_gzip, "oci"), (packed_by_zstd, "oci")])
def test_what_was_pulled_is_pushed_as_it_came(new_daemon, peer, compress, media):
    daemon = new_daemon(load=False)
    files = [{"a": "1" * 5000, "b": compress.__name__ + media}, {"c": os.urandom(300_000)}]
    manifest, blobs = packed_image(files, compress, media)
    name, target = f"as-it-came-{media}-{compress.__name__.rpartition('_')[2]}", ""
    with serve(manifest, blobs) as origin:
        daemon.docker("pull", f"{origin.address}/x")
        target = f"{peer.address}/{name}"
        daemon.docker("tag", f"{origin.address}/x", target)
    # Its registry is gone by now, and the daemon is another one.
    daemon.kill()
    daemon.start()
    out = daemon.docker("push", target).out
    assert f"digest: {digest(manifest)}" in out and out.count("Pushed") == 2, out
    assert fetched(peer, name)[0] == manifest
    assert not fsck(daemon)[0]
    layers = [layer["digest"] for layer in json.loads(manifest)["layers"]]
    assert kept(daemon) == sorted(layers)
    daemon.docker("rmi", "-f", daemon.api.get(f"/images/{target}/json")["Id"])
    assert kept(daemon) == []


def test_what_can_be_made_again_is_not_kept(new_daemon, peer):
    builder, user = new_daemon(load=False), new_daemon(load=False)
    first, second = f"{peer.address}/made/first", f"{peer.address}/made/second"
    builder.docker("load", stdin=docker_archive(
        [(["big:latest"], [busybox_layer(), *special_images.large_layer(2)], {"Cmd": ["x"]})]))
    builder.docker("tag", "big", first)
    builder.docker("push", first)
    user.docker("pull", first)
    assert kept(user) == []
    user.docker("tag", first, second)
    assert f"digest: {digest(fetched(peer, 'made/first')[0])}" in user.docker("push", second).out


def test_what_only_says_that_it_can_be_made_again(new_daemon, peer):
    """The mark that Berth's gzip has, before something else: the layer is used, and goes on compressed anew."""
    daemon = new_daemon(load=False)

    def marked(data):
        return b"\x1f\x8b\x08\x04\0\0\0\0\x04\xff\x06\0Be\x02\0\x01\0" + gzip.compress(data, 9, mtime=0)[10:]
    manifest, blobs = packed_image([{"a": "1" * 5000}], marked)
    target = f"{peer.address}/marked"
    with serve(manifest, blobs) as origin:
        daemon.docker("pull", f"{origin.address}/x")
        daemon.docker("tag", f"{origin.address}/x", target)
    assert kept(daemon) == []
    daemon.docker("push", target)
    assert fetched(peer, "marked")[1] != [layer["digest"] for layer in json.loads(manifest)["layers"]]
    daemon.docker("rmi", "-f", daemon.api.get(f"/images/{target}/json")["Id"])
    daemon.docker("pull", target)


def test_it_can_be_switched_off(new_daemon, peer):
    daemon = new_daemon("--keep-layer-blobs=false", load=False)
    manifest, blobs = packed_image([{"a": "off" * 5000}])
    target = f"{peer.address}/off"
    with serve(manifest, blobs) as origin:
        daemon.docker("pull", f"{origin.address}/x")
        daemon.docker("tag", f"{origin.address}/x", target)
    assert kept(daemon) == []
    daemon.docker("push", target)
    _, [layer] = fetched(peer, "off")
    assert layer not in blobs


def test_an_index_stays_whole_without_its_origin(new_daemon, peer):
    daemon = new_daemon(load=False)
    manifest, blobs = packed_image([{"a": "index" * 1000}], media="oci")
    index = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        {"mediaType": OCI, "digest": digest(manifest), "size": len(manifest),
         "platform": {"os": "linux", "architecture": "amd64"}}]}).encode()
    target = f"{peer.address}/index"
    with LyingRegistry({"latest": ("application/vnd.oci.image.index.v1+json", index), "one": (OCI, manifest)}, blobs) as origin:
        daemon.docker("pull", f"{origin.address}/x")
        daemon.docker("tag", f"{origin.address}/x", target)
    assert f"digest: {digest(index)}" in daemon.docker("push", target).out


def test_what_was_loaded_from_an_oci_layout_is_pushed_as_it_came(new_daemon, peer):
    daemon = new_daemon(load=False)
    archive = oci_archive("loaded:1", [busybox_layer(), Tar().file("x", "loaded").bytes()])
    daemon.load(archive)
    daemon.load(archive)  # the same again
    layers = [digest(gzip.compress(data, 1, mtime=0)) for data in (busybox_layer(), Tar().file("x", "loaded").bytes())]
    assert kept(daemon) == sorted(layers)
    daemon.docker("tag", "loaded:1", f"{peer.address}/loaded")
    daemon.docker("push", f"{peer.address}/loaded")
    assert fetched(peer, "loaded")[1] == layers
    assert "Layer already exists" in daemon.docker("push", f"{peer.address}/loaded").out


def test_a_layer_on_another_parent_has_it_too(new_daemon, peer):
    daemon = new_daemon(load=False)
    manifest, blobs = packed_image([{"a": "one"}, {"shared": "2" * 3000}])
    other, other_blobs = packed_image([{"b": "other"}, {"shared": "2" * 3000}])
    with LyingRegistry({"one": (MANIFEST, manifest), "two": (MANIFEST, other)}, {**blobs, **other_blobs}) as origin:
        for tag in ("one", "two"):
            daemon.docker("pull", f"{origin.address}/x:{tag}")
        daemon.docker("tag", f"{origin.address}/x:two", f"{peer.address}/parents:latest")
        daemon.docker("rmi", f"{origin.address}/x:one")
    assert f"digest: {digest(other)}" in daemon.docker("push", f"{peer.address}/parents").out


def test_zstd_is_made_when_it_is_asked_for(new_daemon, peer):
    daemon = new_daemon(load=False)
    manifest, blobs = packed_image([{"a": "zstd" * 1000}])
    with serve(manifest, blobs) as origin:
        daemon.docker("pull", f"{origin.address}/x")
        daemon.docker("tag", f"{origin.address}/x", f"{peer.address}/zstd")
    subprocess.run([daemon.options.bin_dir + "/berth", "-H", "unix://" + daemon.socket, "push", "--compression", "zstd",
                    f"{peer.address}/zstd"], check=True, capture_output=True)
    assert json.loads(fetched(peer, "zstd")[0])["layers"][0]["mediaType"].endswith("zstd")


@pytest.mark.parametrize("damage", ["byte", "end", "gone"])
def test_damage_is_found_and_costs_only_the_digest(new_daemon, peer, damage):
    daemon = new_daemon(load=False)
    manifest, blobs = packed_image([{"a": damage * 2000, "b": os.urandom(100_000)}])
    target = f"{peer.address}/damage/{damage}"
    with serve(manifest, blobs) as origin:
        daemon.docker("pull", f"{origin.address}/x")
        daemon.docker("tag", f"{origin.address}/x", target)
    [path] = glob.glob(daemon.data_root + "/overlay2/*/blob")
    if damage == "byte":
        with open(path, "r+b") as f:
            f.seek(50_000)
            f.write(b"?!")
    elif damage == "end":
        os.truncate(path, 70_000)
    else:
        os.unlink(path)
    [problem], _ = fsck(daemon)
    assert (problem["Kind"], problem["Object"]) == ("missing" if damage == "gone" else "damaged", "blob"), problem
    assert target + ":latest" in problem["Images"] and not problem["Repaired"]

    daemon.docker("push", target)
    _, [layer] = fetched(peer, f"damage/{damage}")
    assert layer not in blobs
    again = daemon.api.get(f"/images/{target}/json")
    [problem], _ = fsck(daemon, repair=True)
    assert problem["Repaired"] and not fsck(daemon)[0] and kept(daemon) == []
    assert daemon.api.get(f"/images/{target}/json")["Size"] == again["Size"] - len(blobs[json.loads(manifest)["layers"][0]["digest"]])


def test_sizes_say_what_is_on_the_disk(new_daemon):
    daemon = new_daemon(load=False)
    manifest, blobs = packed_image([{"a": os.urandom(200_000)}, {"b": "2" * 100_000}])
    other, other_blobs = packed_image([{"a2": os.urandom(50_000)}])
    compressed = sum(layer["size"] for layer in json.loads(manifest)["layers"])
    with LyingRegistry({"one": (MANIFEST, manifest), "two": (MANIFEST, other)}, {**blobs, **other_blobs}) as origin:
        for tag in ("one", "two"):
            daemon.docker("pull", f"{origin.address}/x:{tag}")
        name = f"{origin.address}/x:one"
    assert daemon.api.get(f"/images/{name}/json")["Size"] == 300_000 + compressed
    images = daemon.api.get("/images/json", **{"shared-size": "1"})
    usage = daemon.api.get("/system/df")
    assert sum(one["Size"] - one["SharedSize"] for one in images) == usage["LayersSize"]
    assert {one["Size"] for one in images} == {300_000 + compressed, 50_000 + json.loads(other)["layers"][0]["size"]}
    assert sorted(step["Size"] for step in daemon.api.get(f"/images/{name}/history")) == []  # it has no history
    container = daemon.docker("create", name).out.strip()
    [listed] = daemon.api.get("/containers/json", all="1", size="1")
    assert listed["Id"] == container and listed["SizeRootFs"] == 300_000
    daemon.docker("rm", container)
    answer = daemon.api.request("POST", "/images/prune", query={"filters": '{"dangling":["false"]}'})
    assert json.loads(answer.body)["SpaceReclaimed"] == usage["LayersSize"]


def test_a_disk_that_is_too_small_for_both_forms(small_disk, new_daemon):  # noqa: F811
    """The image comes, without its compressed form, and nothing of that stays."""
    daemon = new_daemon(load=False, start=False)
    daemon.data_root = small_disk + "/data"
    daemon.start()
    room = os.statvfs(small_disk)
    size = room.f_bavail * room.f_frsize // 3 * 2
    manifest, blobs = packed_image([{"small": os.urandom(100_000)}, {"big": os.urandom(size)}], lambda data: gzip.compress(data, 1))
    with serve(manifest, blobs) as origin:
        answer = pull(daemon.api, f"{origin.address}/x")
        assert "error" not in answer.lines()[-1], failure(answer)
        assert all(os.path.getsize(path) < size for path in glob.glob(daemon.data_root + "/overlay2/*/blob"))
    assert not fsck(daemon)[0]
    daemon.stop()
