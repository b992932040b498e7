"""Images of several platforms: saved, loaded and removed whole or by platform."""

import io
import json
import os
import tarfile

import pytest

from support.berth_registry import BerthRegistry
from support.http import Api
from support.images import Tar
from support.lying_registry import LyingRegistry, digest, image
from test_cli import berth  # noqa: F401
from test_fsck import fsck
from test_images import clean  # noqa: F401  (a fixture of every test here)

pytestmark = pytest.mark.berth
INDEX = "application/vnd.oci.image.index.v1+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
NAME = "multi:1"


def platform(architecture, **more):
    return json.dumps({"os": "linux", "architecture": architecture, **more})


def make_image(architecture, content):
    manifest, blobs = image([{"shared": "x"}, {"a": content}], "oci")
    old = json.loads(manifest)
    config = {**json.loads(blobs.pop(old["config"]["digest"])), "architecture": architecture}
    text = json.dumps(config).encode()
    old["config"].update(digest=digest(text), size=len(text))
    return json.dumps(old).encode(), {**blobs, digest(text): text}


@pytest.fixture
def multi(engine):
    """The name "multi:1" for amd64 and arm64, with an attestation that nobody has."""
    documents, blobs, entries = {}, {}, []
    for architecture, variant in (("arm64", {"variant": "v8"}), ("amd64", {})):
        manifest, more = make_image(architecture, architecture)
        documents[architecture] = (OCI, manifest)
        blobs.update(more)
        entries.append({"mediaType": OCI, "digest": digest(manifest), "size": len(manifest),
                        "platform": {"os": "linux", "architecture": architecture, **variant}})
    entries.append({"mediaType": OCI, "digest": digest(b"attestation"), "size": 11,
                    "platform": {"os": "unknown", "architecture": "unknown"},
                    "annotations": {"vnd.docker.reference.type": "attestation-manifest"}})
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    api = Api(engine.socket, "v1.51")
    with LyingRegistry({"latest": (INDEX, index), **documents}, blobs) as registry:
        source = registry.address + "/multi"
        for architecture in ("arm64", "amd64"):
            answer = api.request("POST", "/images/create",
                                 query={"fromImage": source, "tag": "latest", "platform": f"linux/{architecture}"})
            assert "error" not in answer.lines()[-1]
        api.request("POST", f"/images/{source}/tag", query={"repo": "multi", "tag": "1"})
        api.request("DELETE", f"/images/{source}")
    api.index = digest(index)
    api.ids = {architecture: json.loads(manifest)["config"]["digest"] for architecture, (_, manifest) in documents.items()}
    return api


def here(api, name=NAME):
    view = api.get(f"/images/{name}/json", manifests="1")
    return [m["ImageData"]["Platform"]["architecture"] for m in view["Manifests"] if m["Kind"] == "image" and m["Available"]]


def load(api, archive, **query):
    return api.request("POST", "/images/load", archive, query={"quiet": "1", **query}).lines()


def save(api, **query):
    answer = api.request("GET", f"/images/{NAME}/get", query=query)
    assert answer.status == 200, answer
    return answer.body


def members(archive):
    return {entry.name: tarfile.open(fileobj=io.BytesIO(archive)).extractfile(entry).read()
            for entry in tarfile.open(fileobj=io.BytesIO(archive)) if entry.isfile()}


def test_saved_and_loaded_whole(multi):
    archive = save(multi)
    files = members(archive)
    # The old form has the one that the name stands for; the new one the index, as it came.
    listed = json.loads(files["manifest.json"])
    assert [item["Config"] for item in listed] == ["blobs/sha256/" + multi.ids["amd64"].removeprefix("sha256:")]
    (top,) = json.loads(files["index.json"])["manifests"]
    assert (top["digest"], top["mediaType"]) == (multi.index, INDEX)
    multi.request("DELETE", f"/images/{NAME}")
    assert multi.request("GET", f"/images/{multi.ids['arm64']}/json").status == 404
    assert load(multi, archive) == [{"stream": f"Loaded image: {NAME}\n"}]
    assert here(multi) == ["arm64", "amd64"]
    assert multi.get(f"/images/{NAME}/json")["Id"] == multi.ids["amd64"]
    assert multi.get(f"/images/{NAME}/json", platform=platform("arm64"))["Id"] == multi.ids["arm64"]
    assert save(multi) == archive


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_saved_for_one_platform(multi, architecture):
    archive = save(multi, platform=platform(architecture))
    multi.request("DELETE", f"/images/{NAME}")
    assert load(multi, archive) == [{"stream": f"Loaded image: {NAME}\n"}]
    assert here(multi) == [architecture] and multi.get(f"/images/{NAME}/json")["Id"] == multi.ids[architecture]


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_loaded_for_one_platform(multi, architecture):
    archive = save(multi)
    multi.request("DELETE", f"/images/{NAME}")
    assert load(multi, archive, platform=platform(architecture)) == [{"stream": f"Loaded image: {NAME}\n"}]
    assert here(multi) == [architecture] and multi.get(f"/images/{NAME}/json")["Id"] == multi.ids[architecture]
    # The rest comes later; the name means what was loaded last.
    load(multi, archive)
    assert here(multi) == ["arm64", "amd64"]


def test_what_is_not_there(multi):
    wanted = f"image with reference {NAME} was found but does not provide the specified platform (linux/s390x)"
    for path, query in ((f"/images/{NAME}/get", {}), ("/images/get", {"names": NAME})):
        answer = multi.request("GET", path, query={**query, "platform": platform("s390x")})
        assert (answer.status, answer.message) == (404, wanted)
        assert multi.request("GET", path, query={**query, "platform": "{"}).status == 400
    answer = multi.request("DELETE", f"/images/{NAME}", query={"platforms": platform("s390x")})
    assert (answer.status, answer.message) == (404, wanted)
    assert multi.request("DELETE", f"/images/{NAME}", query={"platforms": "nonsense"}).status == 400
    archive = save(multi)
    assert load(multi, archive, platform=platform("s390x"))[-1]["error"] == "requested platform (linux/s390x) not found"
    single = save(multi, platform=platform("amd64"))
    assert load(multi, single, platform=platform("arm64"))[-1]["error"] == "requested platform (linux/arm64) not found"
    assert here(multi) == ["arm64", "amd64"]


def test_removed_by_platform(multi):
    other = multi.request("POST", f"/images/{NAME}/tag", query={"repo": "multi", "tag": "2"})
    assert other.status == 201
    deleted = multi.request("DELETE", f"/images/{NAME}", query={"platforms": platform("amd64")}).json()
    # The shared layer stays; the names of this index mean the variant that is left.
    assert [entry.get("Deleted", "") for entry in deleted][0] == multi.ids["amd64"] and len(deleted) == 2
    for name in (NAME, "multi:2"):
        assert here(multi, name) == ["arm64"] and multi.get(f"/images/{name}/json")["Id"] == multi.ids["arm64"]
    assert multi.request("GET", f"/images/{multi.ids['amd64']}/json").status == 404
    # With the last variant goes the name; the other name keeps the image.
    assert multi.request("DELETE", f"/images/{NAME}", query={"platforms": platform("arm64")}).json() == [{"Untagged": NAME}]
    multi.request("DELETE", "/images/multi:2", query={"platforms": platform("arm64")})
    assert multi.request("GET", f"/images/{multi.ids['arm64']}/json").status == 404


def test_a_variant_in_use_stays(multi, docker):
    created = multi.request("POST", "/containers/create", {"Image": NAME, "Cmd": ["x"]}).json()["Id"]
    refused = multi.request("DELETE", f"/images/{NAME}", query={"platforms": platform("amd64")})
    assert refused.status == 409 and "image is being used by stopped container " + created[:12] in refused.message
    assert here(multi) == ["arm64", "amd64"]
    assert multi.request("DELETE", f"/images/{NAME}", query={"platforms": platform("arm64")}).status == 200
    assert here(multi) == ["amd64"]
    multi.request("DELETE", f"/containers/{created}")
    # A variant that has a name of its own besides is removed only by force.
    multi.request("POST", f"/images/{multi.ids['amd64']}/tag", query={"repo": "own", "tag": "1"})


def test_a_variant_with_another_name(multi):
    multi.request("POST", f"/images/{multi.ids['amd64']}/tag", query={"repo": "own", "tag": "1"})
    query = {"platforms": platform("amd64")}
    refused = multi.request("DELETE", f"/images/{NAME}", query=query)
    assert refused.status == 409 and "image is referenced in multiple repositories" in refused.message
    removed = multi.request("DELETE", f"/images/{NAME}", query={**query, "force": "1"}).json()
    assert {"Untagged": "own:1"} in removed and {"Deleted": multi.ids["amd64"]} in removed
    assert here(multi) == ["arm64"]


def index_of(*entries):
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}).encode()


def entry_of(kind, document, **more):
    return {"mediaType": kind, "digest": digest(document), "size": len(document), **more}


def content(daemon):
    return set(os.listdir(daemon.data_root + "/content/blobs/sha256"))


def test_an_index_goes_with_its_last_name(engine, docker, multi):
    docker("tag", "busybox", NAME)
    assert fsck(engine)[0] == []


def test_indexes_within_an_index_go_with_it(new_daemon, options):
    """Pull, push, pull, save, load: the name means the same digest at the end, and nothing of it stays behind."""
    daemon = new_daemon()
    api = Api(daemon.socket, "v1.51")
    before = content(daemon)
    manifests, blobs = {}, {}
    for architecture in ("arm64", "amd64"):
        manifests[architecture], more = make_image(architecture, architecture)
        blobs.update(more)
    inner = [index_of(entry_of(OCI, manifest, platform={"os": "linux", "architecture": architecture}))
             for architecture, manifest in manifests.items()]
    around = index_of(entry_of(INDEX, inner[0]))  # leads to what the top one names, too
    top = index_of(entry_of(INDEX, around), *(entry_of(INDEX, one) for one in inner))
    indexes = [top, around, *inner]
    documents = {"latest": (INDEX, top), **{str(i): (INDEX, one) for i, one in enumerate(indexes)},
                 **{name: (OCI, one) for name, one in manifests.items()}}

    def check(name):
        [listed] = [i for i in api.get("/images/json", manifests="1") if f"{name}:latest" in i["RepoTags"]]
        assert listed["Descriptor"]["digest"] == digest(top)
        assert here(api, name) == ["arm64", "amd64"]
        assert {digest(one).removeprefix("sha256:") for one in indexes} <= content(daemon)
        assert fsck(daemon)[1]["Problems"] == 0

    with LyingRegistry(documents, blobs) as registry, BerthRegistry(options.bin_dir) as target:
        source, name = registry.address + "/nested", target.address + "/nested"
        for architecture in ("arm64", "amd64"):
            daemon.docker("pull", "--platform", f"linux/{architecture}", source)
        check(source)
        daemon.docker("tag", source, name)
        daemon.docker("rmi", source)
        assert f"latest: digest: {digest(top)} size:" in daemon.docker("push", name).out
        for one in indexes:
            assert target.api.request("GET", f"/v2/nested/manifests/{digest(one)}").body == one
        daemon.docker("rmi", name)
        assert content(daemon) == before
        for architecture in ("arm64", "amd64"):
            daemon.docker("pull", "--platform", f"linux/{architecture}", name)
        archive = api.request("GET", f"/images/{name}/get").body
        daemon.docker("rmi", name)
        assert load(api, archive) == [{"stream": f"Loaded image: {name}:latest\n"}]
        check(name)
        with open(f"{daemon.data_root}/content/blobs/sha256/{digest(around).removeprefix('sha256:')}", "a") as f:
            f.write(" ")
        [problem], _ = fsck(daemon)
        assert (problem["Kind"], problem["Object"], problem["ID"]) == ("damaged", "index", digest(around))
        daemon.docker("rmi", name)
        assert content(daemon) == before


def test_an_archive_that_goes_round_in_indexes(api):
    """Each index names the next one 7,000 times; one manifest has 1,000 names with a megabyte of config each."""
    def layout(documents, kind, last, count):
        tar, document = Tar(), {"mediaType": kind, "digest": digest(last), "size": len(last)}
        for data in documents:
            tar.file("blobs/sha256/" + digest(data).partition(":")[2], data)
        return tar.file("index.json", json.dumps({"schemaVersion": 2, "manifests": [document] * count})).bytes()

    indexes = [b'{"manifests":[]}']
    for _ in range(4):
        entry = {"mediaType": INDEX, "digest": digest(indexes[-1]), "size": len(indexes[-1])}
        indexes.append(json.dumps({"schemaVersion": 2, "manifests": [entry] * 7000}).encode())
    too_large = "the archive's images are too large together"
    for count, words in ((1, "the archive has no image"), (7000, too_large)):
        assert load(api, layout(indexes, INDEX, indexes[-1], count))[-1]["error"] == words
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": []}, "author": "x" * (1 << 20)}).encode()
    manifest = json.dumps({"schemaVersion": 2, "config": {"digest": digest(config), "size": len(config)}, "layers": []}).encode()
    assert load(api, layout([config, manifest], OCI, manifest, 1000))[-1]["error"] == too_large


def test_the_clients(multi, docker, berth, scratch):
    for client in (docker, berth):
        client("save", "-o", scratch + "/all.tar", NAME)
        client("save", "--platform", "linux/arm64", "-o", scratch + "/arm.tar", NAME)
        removed = client("rmi", "--platform", "linux/amd64", NAME).out
        assert f"Deleted: {multi.ids['amd64']}" in removed and here(multi) == ["arm64"]
        client("rmi", NAME)
        assert f"Loaded image: {NAME}" in client("load", "-i", scratch + "/arm.tar").out
        assert here(multi) == ["arm64"]
        client("rmi", NAME)
        client("load", "--platform", "linux/amd64", "-i", scratch + "/all.tar")
        assert here(multi) == ["amd64"]
        client("load", "-i", scratch + "/all.tar")
        assert here(multi) == ["arm64", "amd64"]


def test_all_of_it_survives_a_kill(new_daemon, multi):
    archive = save(multi)
    daemon = new_daemon(load=False)
    api = Api(daemon.socket, "v1.51")
    load(api, archive)
    daemon.kill()
    daemon.start()
    assert here(api) == ["arm64", "amd64"]
    assert api.request("DELETE", f"/images/{NAME}", query={"platforms": platform("amd64")}).status == 200
    daemon.kill()
    daemon.start()
    assert here(api) == ["arm64"] and api.get(f"/images/{NAME}/json")["Id"] == multi.ids["arm64"]
    report = api.request("POST", "/system/fsck", version="").lines()
    assert not any("problem" in line for line in report[:-1]), report
