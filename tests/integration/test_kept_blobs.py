"""Layers that came compressed are kept so, when they can't be made again: what was pulled is pushed with its digest."""

import glob
import gzip
import hashlib
import json
import os
import re
import sqlite3
import subprocess
import threading
import urllib.parse
import urllib.request

import pytest

from support import special_images
from support.berth_registry import BerthRegistry
from support.images import Tar, busybox_layer, docker_archive, oci_archive
from support.lying_registry import LyingRegistry, digest, image
from support.peer_registry import PROGRAM, PeerRegistry
from support.waiting import eventually
from test_fsck import fsck
from test_registry import MANIFEST, OCI, failure, pull
from test_registry_faults import free_bytes, small_disk  # noqa: F401  (the second is a fixture)

pytestmark = [pytest.mark.berth, pytest.mark.skipif(PROGRAM is None, reason="docker-registry is not installed")]


def packed_by_gzip(data):
    return gzip.compress(data, 6, mtime=0)


def packed_by_zstd(data):
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


def packed_image(files, compress=packed_by_gzip, media="docker", history=()):
    """(manifest, blobs) of layers as their makers compress them."""
    manifest, blobs = image(files, media)
    manifest = json.loads(manifest)
    config = json.loads(blobs.pop(manifest["config"]["digest"]))
    config["history"] = [{"created": "2024-01-02T03:04:05Z", "created_by": step} for step in history]
    config = json.dumps(config).encode()
    manifest["config"].update(digest=digest(config), size=len(config))
    blobs[digest(config)] = config
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


def packed_quickly(data):
    return gzip.compress(data, 1, mtime=0)


def kept_files(daemon):
    """Of layers that have their names: what is being made or removed has another."""
    return [path for path in glob.glob(daemon.data_root + "/*/*/blob") if re.search("/[0-9a-f]{16}/blob$", path)]


def kept(daemon):
    return sorted("sha256:" + hashlib.sha256(open(path, "rb").read()).hexdigest() for path in kept_files(daemon))


def layers_of(manifest):
    return [layer["digest"] for layer in json.loads(manifest)["layers"]]


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
    assert kept(daemon) == sorted(layers_of(manifest))
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
    assert fetched(peer, "marked")[1] != layers_of(manifest)
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
    [path] = kept_files(daemon)
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
    assert daemon.api.get(f"/images/{target}/json")["Size"] == again["Size"] - len(blobs[layers_of(manifest)[0]])


def test_sizes_say_what_is_on_the_disk(new_daemon):
    daemon = new_daemon(load=False)
    manifest, blobs = packed_image([{"a": os.urandom(200_000)}, {"b": "2" * 100_000}], history=["one", "two"])
    other, other_blobs = packed_image([{"a2": os.urandom(50_000)}])
    compressed = sum(layer["size"] for layer in json.loads(manifest)["layers"])
    with LyingRegistry({"one": (MANIFEST, manifest), "two": (MANIFEST, other)}, {**blobs, **other_blobs}) as origin:
        for tag in ("one", "two"):
            daemon.docker("pull", f"{origin.address}/x:{tag}")
        name = f"{origin.address}/x:one"
    assert daemon.api.get(f"/images/{name}/json")["Size"] == 300_000 + compressed
    assert [step["Size"] for step in daemon.api.get(f"/images/{name}/history")] == [100_000, 200_000]
    images = daemon.api.get("/images/json", **{"shared-size": "1"})
    usage = daemon.api.get("/system/df")
    assert sum(one["Size"] - one["SharedSize"] for one in images) == usage["LayersSize"]
    assert {one["Size"] for one in images} == {300_000 + compressed, 50_000 + json.loads(other)["layers"][0]["size"]}
    container = daemon.docker("create", name).out.strip()
    [listed] = daemon.api.get("/containers/json", all="1", size="1")
    assert listed["Id"] == container and listed["SizeRootFs"] == 300_000
    daemon.docker("rm", container)
    answer = daemon.api.request("POST", "/images/prune", query={"filters": '{"dangling":["false"]}'})
    assert json.loads(answer.body)["SpaceReclaimed"] == usage["LayersSize"]


# ---- disks that are too small for both forms

@pytest.fixture
def cramped(small_disk, new_daemon):  # noqa: F811
    """A daemon whose data root is on a small disk."""
    daemon = new_daemon(load=False, start=False)
    daemon.data_root = small_disk + "/data"
    daemon.start()
    daemon.room = free_bytes(small_disk)
    yield daemon
    daemon.stop()


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_a_pull_that_fits_without_the_compressed_form(cramped, small_disk, parts):  # noqa: F811
    files = [{"small": os.urandom(100_000)}] + [{f"big{i}": os.urandom(int(cramped.room * 0.8 / parts))} for i in range(parts)]
    manifest, blobs = packed_image(files, packed_quickly)
    with serve(manifest, blobs) as origin:
        answer = pull(cramped.api, f"{origin.address}/x")
        assert "error" not in answer.lines()[-1], failure(answer)
    assert all(os.path.getsize(path) < cramped.room // 10 for path in kept_files(cramped))
    assert free_bytes(small_disk) > cramped.room // 10
    assert not fsck(cramped)[0]


def test_a_load_that_fits_without_the_compressed_form(cramped):
    layers = [Tar().file(name, os.urandom(int(cramped.room * 0.4))).bytes() for name in ("one", "two")]
    answer = cramped.api.request("POST", "/images/load", body=oci_archive("loaded:1", layers), query={"quiet": "1"},
                                 headers={"Content-Type": "application/x-tar"}, timeout=60)
    assert "error" not in answer.lines()[-1], answer
    assert kept(cramped) == [] and not fsck(cramped)[0]


def test_what_another_pull_has_stored_is_given_up_in_order(cramped):
    """One pull makes the layer, another one's image has it, and the first is the one that finds the disk full."""
    shared = {"shared": os.urandom(3_000_000)}
    manifest, blobs = packed_image([shared, {"big": os.urandom(int(cramped.room * 0.95))}], packed_quickly)
    other, other_blobs = packed_image([shared], packed_quickly)
    go, answers = threading.Event(), []
    with LyingRegistry({"one": (MANIFEST, manifest), "two": (MANIFEST, other)}, {**blobs, **other_blobs}) as origin:
        def wait(handler, body):
            go.wait(30)
            handler.reply(200, body, "application/octet-stream")
        origin.lies[layers_of(manifest)[1]] = wait
        first = threading.Thread(target=lambda: answers.append(pull(cramped.api, f"{origin.address}/x", "one")))
        first.start()
        eventually(lambda: kept_files(cramped))
        assert "error" not in pull(cramped.api, f"{origin.address}/x", "two").lines()[-1]
        go.set()
        first.join()
        assert "no space left on device" in failure(answers[0])
        assert not fsck(cramped)[0]
        [one] = cramped.api.get("/images/json")
        assert one["Size"] == 3_000_000 + sum(os.path.getsize(path) for path in kept_files(cramped))


# ---- beside what is there already

def test_an_image_keeps_the_form_that_it_came_with(new_daemon, peer):
    """Its base is kept as somebody else has compressed it."""
    base = Tar().file("base", "1" * 5000).bytes()
    maker, user = new_daemon(load=False), new_daemon(load=False)
    maker.docker("load", stdin=docker_archive([(["b:latest"], [base, Tar().file("own", "2" * 100).bytes()], {"Cmd": ["x"]})]))
    first, second = f"{peer.address}/form/first", f"{peer.address}/form/second"
    maker.docker("tag", "b", first)
    maker.docker("push", first)
    pushed = fetched(peer, "form/first")[0]
    manifest, blobs = packed_image([{"base": "1" * 5000}])
    with serve(manifest, blobs) as origin:
        user.docker("pull", f"{origin.address}/x")
    assert kept(user) == layers_of(manifest)
    user.docker("pull", first)
    user.docker("tag", first, second)
    for name in (first, second):
        assert f"digest: {digest(pushed)}" in user.docker("push", name).out
    assert fetched(peer, "form/second")[0] == pushed


def test_a_load_brings_what_was_not_kept(new_daemon):
    daemon = new_daemon(load=False)
    layer = Tar().file("x", "brought").bytes()
    daemon.docker("load", stdin=docker_archive([(["plain:1"], [layer], {"Cmd": ["plain"]})]))
    assert kept(daemon) == []
    daemon.load(oci_archive("packed:1", [layer]))
    assert kept(daemon) == [digest(packed_quickly(layer))] and not fsck(daemon)[0]
    [plain] = [one for one in daemon.api.get("/images/json") if one["RepoTags"] == ["plain:1"]]
    assert plain["Size"] == len("brought") + len(packed_quickly(layer))


def test_both_of_docker_s_forms_in_one_archive(new_daemon, peer):
    """As docker with containerd's store saves: manifest.json names what index.json has the manifest of."""
    daemon = new_daemon(load=False)
    manifest, blobs = packed_image([{"a": "both" * 1000}], media="oci")
    blobs = {**blobs, digest(manifest): manifest}
    parsed = json.loads(manifest)
    index = {"schemaVersion": 2, "manifests": [{"mediaType": OCI, "digest": digest(manifest), "size": len(manifest),
             "annotations": {"io.containerd.image.name": "docker.io/library/both:1", "org.opencontainers.image.ref.name": "1"}}]}
    path = lambda name: "blobs/sha256/" + name.partition(":")[2]  # noqa: E731
    tar = Tar()
    for name, data in blobs.items():
        tar.file(path(name), data)
    tar.file("index.json", json.dumps(index)).file("oci-layout", '{"imageLayoutVersion":"1.0.0"}')
    tar.file("manifest.json", json.dumps([{"Config": path(parsed["config"]["digest"]), "RepoTags": ["both:1"],
                                           "Layers": [path(layer) for layer in layers_of(manifest)]}]))
    daemon.load(tar.bytes())
    daemon.docker("tag", "both:1", f"{peer.address}/both")
    daemon.docker("push", f"{peer.address}/both")
    assert fetched(peer, "both")[0] == manifest


def test_foreign_layers_are_not_kept(new_daemon):
    daemon = new_daemon(load=False)
    manifest, blobs = packed_image([{"a": "foreign" * 1000}])
    manifest = manifest.replace(b"rootfs.diff", b"rootfs.foreign.diff")
    with serve(manifest, blobs) as origin:
        daemon.docker("pull", f"{origin.address}/x")
    assert kept(daemon) == []


def test_zstd_goes_on_as_zstd(new_daemon, peer):
    daemon = new_daemon(load=False)
    manifest, blobs = packed_image([{"a": "z" * 1000}], packed_by_zstd, "oci")
    with serve(manifest, blobs) as origin:
        daemon.docker("pull", f"{origin.address}/x")
        daemon.docker("tag", f"{origin.address}/x", f"{peer.address}/zstd-kept")
    subprocess.run([daemon.options.bin_dir + "/berth", "-H", "unix://" + daemon.socket, "push", "--compression", "zstd",
                    f"{peer.address}/zstd-kept"], check=True, capture_output=True)
    assert fetched(peer, "zstd-kept")[0] == manifest


def test_layers_come_in_any_order_on_vfs(new_daemon, peer):
    """The large one below is finished last."""
    daemon = new_daemon("--storage-driver", "vfs")
    manifest, blobs = packed_image([{"below": os.urandom(5_000_000), "hidden": "x"}, {"above": "2", ".wh.hidden": ""}, {"top": "3"}])
    target = f"{peer.address}/vfs"
    with serve(manifest, blobs) as origin:
        daemon.docker("pull", f"{origin.address}/x")
        daemon.docker("tag", f"{origin.address}/x", target)
    for _ in range(2):
        container = daemon.docker("create", target).out.strip()
        [root] = [folder for folder in glob.glob(daemon.data_root + "/vfs/c-*/fs") if container in folder]
        assert sorted(name for name in os.listdir(root) if os.path.isfile(f"{root}/{name}")) == ["above", "below", "top"]
        daemon.docker("rm", container)
    assert f"digest: {digest(manifest)}" in daemon.docker("push", target).out
    assert not fsck(daemon)[0]


# ---- what others say of a layer

def put_blob(registry, repository, data):
    start = urllib.request.Request(f"http://{registry.address}/v2/{repository}/blobs/uploads/", method="POST", data=b"")
    place = urllib.parse.urljoin(start.full_url, urllib.request.urlopen(start).headers["Location"])
    urllib.request.urlopen(urllib.request.Request(place + ("&" if "?" in place else "?") + "digest=" + digest(data), method="PUT",
                                                  data=data, headers={"Content-Type": "application/octet-stream"}))


def put_manifest(registry, repository, tag, manifest):
    urllib.request.urlopen(urllib.request.Request(f"http://{registry.address}/v2/{repository}/manifests/{tag}", method="PUT",
                                                  data=manifest, headers={"Content-Type": json.loads(manifest)["mediaType"]}))


def own_image(name, files):
    """Made here, of the layer that image() makes."""
    tar = Tar()
    for path, data in files.items():
        tar.file(path, data)
    return docker_archive([([name], [tar.bytes()], {"Cmd": [name]})])


def test_a_foreign_descriptor_is_no_word_about_a_layer(new_daemon):
    daemon = new_daemon(load=False)
    files, wrong = {"shared": "1" * 5000}, os.urandom(500)
    daemon.load(own_image("own:1", files))
    manifest, blobs = packed_image([files])
    liar = json.loads(manifest)
    liar["layers"][0].update(mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", digest=digest(wrong),
                             size=len(wrong), urls=["http://127.0.0.1:1/x"])
    with BerthRegistry(daemon.options.bin_dir) as registry, serve(json.dumps(liar).encode(), blobs) as origin:
        put_blob(registry, "foreign", wrong)
        daemon.docker("pull", f"{origin.address}/x")
        for name, tag in ((f"{origin.address}/x", "liar"), ("own:1", "latest")):
            daemon.docker("tag", name, f"{registry.address}/foreign:{tag}")
            daemon.docker("push", f"{registry.address}/foreign:{tag}")
        assert fetched(registry, "foreign")[1] != [digest(wrong)]


def test_a_size_that_a_manifest_only_claims_is_not_passed_on(new_daemon, peer):
    daemon = new_daemon("--keep-layer-blobs=false", load=False)
    files = {"shared": "2" * 5000}
    daemon.load(own_image("first:1", files))
    daemon.docker("tag", "first:1", f"{peer.address}/claims:latest")
    daemon.docker("push", f"{peer.address}/claims:latest")
    [true] = json.loads(fetched(peer, "claims")[0])["layers"]
    manifest, blobs = packed_image([files])
    liar = json.loads(manifest)
    put_blob(peer, "claims", blobs[liar["config"]["digest"]])
    liar["layers"] = [{**true, "size": true["size"] + 7}]
    put_manifest(peer, "claims", "liar", json.dumps(liar).encode())
    daemon.docker("pull", f"{peer.address}/claims:liar")
    daemon.load(own_image("second:1", files))
    daemon.docker("tag", "second:1", f"{peer.address}/claims:latest")
    assert "Layer already exists" in daemon.docker("push", f"{peer.address}/claims:latest").out
    assert json.loads(fetched(peer, "claims")[0])["layers"] == [true]


# ---- the record of its size

def test_a_record_that_a_crash_or_an_older_daemon_has_left(new_daemon):
    daemon = new_daemon(load=False)
    manifest, blobs = packed_image([{"a": "row" * 1000}])
    with serve(manifest, blobs) as origin:
        daemon.docker("pull", f"{origin.address}/x")
        name = f"{origin.address}/x"
    size = daemon.api.get(f"/images/{name}/json")["Size"]
    daemon.stop()
    with sqlite3.connect(daemon.data_root + "/state.db") as database:
        assert database.execute("SELECT size FROM image_layer_blobs").fetchall() == [(len(blobs[layers_of(manifest)[0]]),)]
        database.execute("DELETE FROM image_layer_blobs")
        database.execute("INSERT INTO image_layer_blobs VALUES('sha256:gone', 5)")
    database.close()
    daemon.start()
    assert daemon.api.get(f"/images/{name}/json")["Size"] == 3000 == daemon.api.get("/system/df")["LayersSize"]
    assert not fsck(daemon, repair=True)[0]
    assert daemon.api.get(f"/images/{name}/json")["Size"] == size
    [folder] = [os.path.dirname(path) for path in kept_files(daemon)]
    os.unlink(folder + "/blob-digest")  # half given up, as a kill may leave it
    assert not fsck(daemon)[0] and not fsck(daemon, repair=True)[0]
    assert not os.path.exists(folder + "/blob") and daemon.api.get(f"/images/{name}/json")["Size"] == 3000


def test_switched_off_it_gives_back_what_it_took(new_daemon):
    daemon = new_daemon(load=False)
    manifest, blobs = packed_image([{"a": "off" * 1000}])
    with serve(manifest, blobs) as origin:
        daemon.docker("pull", f"{origin.address}/x")
    assert len(kept(daemon)) == 1
    daemon.stop()
    daemon.flags.append("--keep-layer-blobs=false")
    daemon.start()
    assert kept(daemon) == [] and not fsck(daemon)[0]
    assert daemon.api.get("/system/df")["LayersSize"] == 3000
