"""Pull and push: against Debian's docker-registry, and against registries that lie, cut lines or refuse."""

import base64
import gzip
import json
import os
import subprocess
import threading
import time
import urllib.request

import pytest

from support.http import Api
from support.lying_registry import LyingRegistry, digest, image
from support.peer_registry import PASSWORD, PROGRAM, USER, PeerRegistry
from test_daemon import make_certificates
from test_cli import berth  # noqa: F401
from test_images import clean, names  # noqa: F401  (a fixture of every test here)

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="docker-registry is not installed")
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"
OCI = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def peer_registry():
    with PeerRegistry() as registry:
        yield registry


def pull(api, name, tag="latest", **query):
    return api.request("POST", "/images/create", query={"fromImage": name, "tag": tag, **query}, timeout=120)


def failure(answer):
    if answer.status >= 400:
        return answer.message
    return next(line["error"] for line in answer.lines() if "error" in line)


# ---- a real registry

def test_push_and_pull_back(docker, api, peer_registry):
    name = f"{peer_registry.address}/team/box"
    docker("tag", "busybox", name)
    out = docker("push", name).out
    pushed = next(line for line in out.splitlines() if line.startswith("latest: digest: sha256:"))
    before = api.get(f"/images/{name}/json")
    assert before["RepoDigests"] == [f"{name}@{pushed.split()[2]}"]
    docker("rmi", name)
    out = docker("pull", name).out.splitlines()
    assert f"Digest: {pushed.split()[2]}" in out
    assert out[-1] == f"{name}:latest"
    after = api.get(f"/images/{name}/json")
    assert (after["Id"], after["RootFS"], after["RepoDigests"]) == (before["Id"], before["RootFS"], before["RepoDigests"])


@pytest.mark.berth
def test_everything_arrives_as_it_left(engine, docker, api, peer_registry, new_daemon):
    """Into a second engine, which has none of the layers; every kind of file."""
    other = new_daemon(load=False)
    name = f"{peer_registry.address}/full"
    docker("tag", "full", name)
    docker("push", name)
    other.docker("pull", name)
    theirs, ours = other.api.get(f"/images/{name}/json"), api.get("/images/full/json")
    assert theirs["RootFS"] == ours["RootFS"] and theirs["Id"] == ours["Id"] and theirs["Size"] == ours["Size"]
    # Save makes each layer's tar again and verifies its digest.
    assert other.api.request("GET", f"/images/{name}/get", timeout=60).status == 200
    look = ["run", "--rm", "--network", "none", "--entrypoint", "sh", name, "-c",
            "find / -xdev -type f | sort | xargs md5sum; find / -xdev | sort | xargs stat -c '%n %a %u %g %Y %F'"]
    ignored = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/proc", "/sys", "/dev", "/ ", "/etc ", "/.dockerenv", "/data",
               "/etc/mtab")  # made by each start where the image has none
    here, there = ([line for line in daemon.docker(*look).out.splitlines() if not any(i in line + " " for i in ignored)]
                   for daemon in (engine, other))
    assert here == there and len(here) > 10


def test_a_second_push_and_pull_move_nothing(docker, peer_registry):
    name = f"{peer_registry.address}/twice"
    docker("tag", "busybox", name)
    docker("push", name)
    blobs = peer_registry.blobs()
    assert "Layer already exists" in docker("push", name).out
    assert peer_registry.blobs() == blobs
    assert f"Status: Image is up to date for {name}:latest" in docker("pull", name).out


def test_a_layer_is_mounted_from_another_repository(docker, peer_registry):
    first, second = f"{peer_registry.address}/mount/a", f"{peer_registry.address}/mount/b"
    docker("tag", "busybox", first)
    docker("tag", "busybox", second)
    docker("push", first)
    assert "Mounted from mount/a" in docker("push", second).out


def test_all_tags(docker, api, peer_registry):
    name = f"{peer_registry.address}/tags"
    for tag in ("one", "two"):
        docker("tag", "busybox", f"{name}:{tag}")
    docker("push", "-a", name)
    docker("rmi", f"{name}:one", f"{name}:two")
    docker("pull", "-a", name)
    assert names(api, reference=[name]) >= {f"{name}:one", f"{name}:two"}


def test_pull_by_digest(docker, api, peer_registry):
    name = f"{peer_registry.address}/bydigest"
    docker("tag", "busybox", name)
    docker("push", name)
    full = api.get(f"/images/{name}/json")["RepoDigests"][0]
    docker("rmi", name)
    docker("pull", full)
    assert api.get(f"/images/{full}/json")["RepoTags"] == ["busybox:latest"]
    docker("rmi", full)


def test_what_is_not_there(api, peer_registry):
    name = f"{peer_registry.address}/nothing"
    answer = pull(api, name)
    assert answer.status == 404
    assert answer.message == f"manifest for {name}:latest not found: manifest unknown: manifest unknown"
    answer = api.request("POST", "/images/busybox/push", query={"tag": "nosuch"}, headers={"X-Registry-Auth": "e30="})
    assert "tag does not exist: busybox:nosuch" in failure(answer) or "does not exist" in failure(answer)


def test_nobody_there(api):
    answer = pull(api, "127.0.0.1:1/x")
    assert answer.status == 500 and "connection refused" in answer.message


def test_bad_names(api):
    for name in ("x/UPPER", "a b", "x/../y", "localhost:99999999/x"):
        assert pull(api, name).status == 400, name
    assert pull(api, "busybox", "sha256:123").status == 400


@pytest.mark.berth
def test_tls_and_a_password(docker, api, scratch):
    make_certificates(scratch)
    with PeerRegistry(certificate=(scratch + "/server.pem", scratch + "/server-key.pem"), auth=True) as registry:
        name = f"{registry.address}/secret"
        docker("tag", "busybox", name)
        refused = docker("push", name, code=None)
        assert refused.code == 1 and "no basic auth credentials" in refused.err
        docker("login", "-u", USER, "--password-stdin", registry.address, stdin=PASSWORD.encode())
        docker("push", name)
        docker("rmi", name)
        docker("pull", name)
        wrong = api.request("POST", "/images/create", query={"fromImage": name, "tag": "latest"})
        assert wrong.status == 500 and wrong.message.endswith("no basic auth credentials")
        docker("logout", registry.address)


# ---- the berth program

@pytest.mark.berth
def test_berth_says_what_docker_says(docker, berth, peer_registry):
    name = f"{peer_registry.address}/said"
    docker("tag", "busybox", name)
    docker("push", name)
    docker("rmi", name)
    theirs = docker("pull", name)
    docker("rmi", name)
    ours = berth("pull", name)
    assert sorted(ours.out.splitlines()) == sorted(theirs.out.splitlines())
    assert berth("pull", "-q", name).out == docker("pull", "-q", name).out
    assert berth("push", name).out.splitlines()[-1] == docker("push", name).out.splitlines()[-1]


# ---- registries that lie

@pytest.fixture
def liar():
    manifest, blobs = image([{"one": os.urandom(100_000)}, {"two": os.urandom(300_000)}])
    with LyingRegistry({"latest": (MANIFEST, manifest)}, blobs) as registry:
        registry.name = registry.address + "/x"
        registry.layers = list(blobs)[1:]
        yield registry


def nothing_stored(engine, name):
    assert engine.api.request("GET", f"/images/{name}/json").status == 404
    staging = [n for n in os.listdir(f"{engine.data_root}/overlay2") if n.startswith("tmp")]
    assert staging == []


@pytest.mark.berth
def test_the_truth_is_taken(api, liar):
    answer = pull(api, liar.name)
    assert answer.status == 200 and answer.lines()[-1]["status"] == f"Status: Downloaded newer image for {liar.name}:latest"


@pytest.mark.berth
@pytest.mark.parametrize("lie,words", [
    ("wrong bytes", "filesystem layer verification failed for digest"),
    ("too short", "size validation failed"),
    ("too long", "size validation failed"),
    ("html", "size validation failed"),
    ("gone", "unknown"),
])
def test_a_wrong_layer_is_refused(engine, api, liar, lie, words):
    liar.lies[liar.layers[1]] = {
        "wrong bytes": lambda h, body: h.reply(200, body[:-600] + b"\1" * 600),
        "too short": lambda h, body: h.reply(200, body[:-1]),
        "too long": lambda h, body: h.reply(200, body + b"\0"),
        "html": lambda h, body: h.reply(200, b"<html>Please log in to the hotel's network</html>", "text/html"),
        "gone": lambda h, body: h.refuse(404, "BLOB_UNKNOWN", "blob unknown to registry"),
    }[lie]
    first = pull(api, liar.name)
    assert words in failure(first)
    nothing_stored(engine, liar.name)
    liar.lies.clear()
    liar.requests.clear()
    assert "error" not in pull(api, liar.name).lines()[-1]
    # A layer that was complete by then is not fetched again.
    short = liar.layers[0].removeprefix("sha256:")[:12]
    if any(line.get("status") == "Pull complete" and line.get("id") == short for line in first.lines()):
        assert not any(path.endswith(liar.layers[0]) for _, path, _ in liar.requests)


@pytest.mark.berth
def test_a_cut_line_is_taken_up_again_where_it_broke(api, liar):
    cuts = iter([0, 1, 511, 512, 100_000])

    def cut(handler, body):
        at = next(cuts, None)
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        if at is None:
            handler.reply(206, body[start:], Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            handler.send_response(206 if start else 200)
            handler.send_header("Content-Length", str(len(body) - start))
            if start:
                handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            handler.end_headers()
            handler.wfile.write(body[start:start + at])
            handler.close_connection = True

    liar.lies[liar.layers[1]] = cut
    assert "error" not in pull(api, liar.name).lines()[-1]
    ranges = [h["Range"] for _, path, h in liar.requests if path.endswith(liar.layers[1]) and "Range" in h]
    assert ranges[-1] == "bytes=101024-"


@pytest.mark.berth
@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_registry_is_asked_again(api, liar, status):
    answers = iter([True, True])
    liar.lies["manifests/latest"] = lambda h, body: (
        h.refuse(status, "TOOMANYREQUESTS", "slow down") if next(answers, False) else h.reply(200, body, MANIFEST))
    assert "error" not in pull(api, liar.name).lines()[-1]


@pytest.mark.berth
@pytest.mark.parametrize("body,words", [
    (b"not json", "invalid JSON"),
    (b"{}", "unsupported manifest media type"),
    (b"[]", "no JSON object"),
    (b"<html></html>", "invalid JSON"),
    (b'{"schemaVersion":1,"name":"x","tag":"latest","fsLayers":[]}', "schema 1"),
    (b" " * (5 << 20), "too long"),
])
def test_a_manifest_that_is_none(engine, api, liar, body, words):
    liar.lies["manifests/latest"] = lambda h, _: h.reply(200, body, MANIFEST)
    assert words in failure(pull(api, liar.name))
    nothing_stored(engine, liar.name)


@pytest.mark.berth
def test_an_artifact_is_no_image(api, liar):
    manifest = json.loads(liar.manifests["latest"][1])
    manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
    liar.manifests["latest"] = (MANIFEST, json.dumps(manifest).encode())
    assert 'Encountered remote "application/vnd.cncf.helm.config.v1+json"' in failure(pull(api, liar.name))


@pytest.mark.berth
def test_401_in_circles_ends(api, liar):
    for challenge in ('Basic realm="x"', f'Bearer realm="http://{liar.address}/v2/",service="x"', "Nonsense"):
        liar.lies["manifests/latest"] = lambda h, _: h.refuse(401, "UNAUTHORIZED", "no", WWW_Authenticate=challenge)
        liar.requests.clear()
        assert pull(api, liar.name).status == 500
        assert len(liar.requests) < 10


@pytest.mark.berth
def test_redirects_in_circles_end(api, liar):
    liar.lies["manifests/latest"] = lambda h, _: h.reply(307, b"", Location=h.path)
    assert "stopped after 10 redirects" in failure(pull(api, liar.name))


@pytest.mark.berth
def test_a_password_does_not_follow_a_redirect(api, liar):
    with LyingRegistry({}, liar.blobs) as elsewhere:
        liar.lies["/v2/x/manifests/latest"] = lambda h, body: (
            h.reply(200, body, MANIFEST) if h.headers.get("Authorization") else
            h.refuse(401, "UNAUTHORIZED", "no", WWW_Authenticate='Basic realm="x"'))
        for layer in liar.layers:
            liar.lies[layer] = lambda h, _: h.reply(307, b"", Location=f"http://{elsewhere.address}{h.path}")
        auth = base64.urlsafe_b64encode(json.dumps({"username": "moby", "password": "whale"}).encode()).decode()
        answer = api.request("POST", "/images/create", query={"fromImage": liar.name, "tag": "latest"},
                             headers={"X-Registry-Auth": auth})
        assert "error" not in answer.lines()[-1]
        assert elsewhere.requests and not any("Authorization" in headers for _, _, headers in elsewhere.requests)
        assert any("Authorization" in headers for _, _, headers in liar.requests)


@pytest.mark.berth
def test_platforms_of_an_index(api):
    ours, blobs = image([{"a": "ours"}], "oci")
    theirs, more = image([{"a": "theirs"}], "oci")
    entry = lambda m, arch, **p: {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(m),  # noqa: E731
                                  "size": len(m), "platform": {"os": "linux", "architecture": arch, **p}}
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX,
                        "manifests": [entry(theirs, "arm64", variant="v8"), entry(ours, "amd64")]}).encode()
    kind = "application/vnd.oci.image.manifest.v1+json"
    with LyingRegistry({"latest": (INDEX, index), "a": (kind, ours), "b": (kind, theirs)}, {**blobs, **more}) as registry:
        name = registry.address + "/multi"
        pull(api, name)
        assert api.get(f"/images/{name}/json")["RepoDigests"] == [f"{name}@{digest(index)}"]
        first = api.get(f"/images/{name}/json")["Id"]
        pull(api, name, platform="linux/arm64")
        assert api.get(f"/images/{name}/json")["Id"] != first
        answer = pull(api, name, platform="linux/s390x")
        assert failure(answer) == "no matching manifest for linux/s390x in the manifest list entries"
        view = api.get(f"/distribution/{name}/json")
        assert view["Descriptor"]["digest"] == digest(index) and len(view["Platforms"]) == 2


@pytest.mark.berth
def test_two_pulls_of_one_image_share_the_work(api, liar):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(pull(api, liar.name))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("error" not in answer.lines()[-1] for answer in answers)
    for layer in liar.layers:
        assert sum(path.endswith(layer) for _, path, _ in liar.requests) == 1


@pytest.mark.parametrize("tag", ["../../other", "a b", "x HTTP/1.1\r\nX: y", "", "-a"])
def test_tags_that_are_none(api, liar, tag):
    """A list of tags is what a stranger says: its entries become names here, and addresses there."""
    liar.lies["/tags/list"] = lambda handler, _: handler.reply(200, json.dumps({"name": "x", "tags": ["latest", tag]}).encode())
    answer = api.request("POST", "/images/create", query={"fromImage": liar.name})
    assert "invalid tag format" in failure(answer) or "invalid reference format" in failure(answer)
    assert not [path for _, path, _ in liar.requests if "/manifests/" in path and not path.endswith("/latest")]


# ---- images of several platforms

def two_platforms(peer=None):
    """An index of amd64 and arm64, and what it leads to."""
    ours, blobs = image([{"a": "ours"}], "oci")
    theirs, more = image([{"a": "theirs"}], "oci")
    entry = lambda m, arch, **p: {"mediaType": OCI, "digest": digest(m), "size": len(m),  # noqa: E731
                                  "platform": {"os": "linux", "architecture": arch, **p}}
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX,
                        "manifests": [entry(theirs, "arm64", variant="v8"), entry(ours, "amd64")]}).encode()
    return index, ours, theirs, {**blobs, **more}


@pytest.fixture
def multi():
    index, ours, theirs, blobs = two_platforms()
    with LyingRegistry({"latest": (INDEX, index), "a": (OCI, ours), "b": (OCI, theirs)}, blobs) as registry:
        registry.name, registry.index = registry.address + "/multi", digest(index)
        registry.members = {"amd64": digest(ours), "arm64": digest(theirs)}
        yield registry


@pytest.mark.berth
def test_an_index_goes_on_with_its_digest_when_all_of_it_is_here(docker, api, multi, peer_registry):
    target = f"{peer_registry.address}/whole"
    pull(api, multi.name, platform="linux/arm64")
    pull(api, multi.name)
    docker("tag", multi.name, target)
    assert f"latest: digest: {multi.index} size:" in docker("push", target).out
    view = api.get(f"/distribution/{target}/json")
    assert view["Descriptor"]["digest"] == multi.index and len(view["Platforms"]) == 2
    docker("rmi", target, multi.name)
    docker("pull", "--platform", "linux/arm64", f"{target}@{multi.index}")
    docker("rmi", f"{target}@{multi.index}")


@pytest.mark.berth
def test_of_an_index_that_is_not_all_here_one_platform_goes(docker, api, berth, multi, peer_registry):
    target = f"{peer_registry.address}/single"
    pull(api, multi.name)
    docker("tag", multi.name, target)
    lines = api.request("POST", f"/images/{target}/push", query={"tag": "latest"},
                        headers={"X-Registry-Auth": "e30="}).lines()
    note = next(line["aux"] for line in lines if "manifestPushedInsteadOfIndex" in line.get("aux", {}))
    assert note["originalIndex"]["digest"] == multi.index and note["selectedManifest"]["digest"] == multi.members["amd64"]
    view = api.get(f"/distribution/{target}/json")
    assert view["Descriptor"]["mediaType"] != INDEX and len(view["Platforms"]) == 1
    # Unless somebody asks for all: then the rest comes from where the image came from.
    assert multi.index in berth("push", "--all-platforms", target).out
    assert api.get(f"/distribution/{target}/json")["Descriptor"]["digest"] == multi.index
    docker("rmi", target, multi.name)


@pytest.mark.berth
def test_the_platforms_of_a_name(engine, docker, berth, multi):
    api = Api(engine.socket, "v1.51")
    pull(api, multi.name)
    pull(api, multi.name, platform="linux/arm64")
    path = f"/images/{multi.name}/json"
    arm = json.dumps({"os": "linux", "architecture": "arm64", "variant": "v8"})
    amd = json.dumps({"os": "linux", "architecture": "amd64"})
    assert api.get(path)["Id"] == api.get(path, platform=arm)["Id"]  # the last one that was pulled
    other = api.get(path, platform=amd)
    assert other["Id"] != api.get(path)["Id"] and other["RepoTags"] == [f"{multi.name}:latest"]
    refused = api.request("GET", path, query={"platform": json.dumps({"os": "linux", "architecture": "s390x"})})
    assert refused.status == 404 and refused.message == (
        f"image with reference {multi.name} was found but does not provide the specified platform (linux/s390x)")
    assert api.request("GET", path, query={"platform": "{"}).status == 400
    assert api.request("GET", path, query={"platform": '{"os":"linux"}'}).message == "both OS and Architecture must be provided"
    assert api.request("GET", path, query={"platform": arm, "manifests": "1"}).status == 400
    manifests = api.get(path, manifests="1")["Manifests"]
    assert [(m["ImageData"]["Platform"]["architecture"], m["Available"]) for m in manifests] == [("arm64", True), ("amd64", True)]
    listed = [i for i in api.get("/images/json", manifests="1") if f"{multi.name}:latest" in i["RepoTags"]]
    assert len(listed) == 1 and listed[0]["Descriptor"]["digest"] == multi.index
    assert sorted(m["ID"] for m in listed[0]["Manifests"]) == sorted(multi.members.values())
    tree = berth("image", "ls", "--tree").out
    assert f"{multi.name}:latest" in tree and "├─ linux/arm64/v8" in tree and "└─ linux/amd64" in tree
    for flag in ("--quiet", "--no-trunc"):
        assert f"{flag} is not yet supported with --tree" in berth("image", "ls", "--tree", flag, code=1).err
    # The variant without a name is neither shown nor pruned, and goes with the name.
    ids = {i["Id"] for i in api.get("/images/json")}
    assert other["Id"] not in ids
    api.request("POST", "/images/prune")
    assert api.get(path, platform=amd)["Id"] == other["Id"]
    docker("rmi", multi.name)
    assert api.request("GET", f"/images/{other['Id']}/json").status == 404


@pytest.mark.berth
def test_the_platforms_of_a_name_survive_the_daemon(new_daemon, multi):
    daemon = new_daemon(load=False)
    pull(daemon.api, multi.name, platform="linux/arm64")
    pull(daemon.api, multi.name)
    daemon.kill()
    daemon.start()
    manifests = Api(daemon.socket, "v1.51").get(f"/images/{multi.name}/json", manifests="1")["Manifests"]
    assert [m["Available"] for m in manifests] == [True, True]


# ---- layers of all kinds

@pytest.mark.berth
def test_layers_of_all_kinds(docker, api, peer_registry):
    manifest, blobs = image([{"plain": "1"}, {"gzip": "2"}, {"zstd": "3"}, {}], "oci")
    manifest = json.loads(manifest)
    for layer, kind, compress in zip(manifest["layers"][1:3], ("gzip", "zstd"), (
            gzip.compress, lambda data: subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout)):
        data = compress(blobs[layer["digest"]])
        layer.update(mediaType=layer["mediaType"] + "+" + kind, digest=digest(data), size=len(data))
        blobs[digest(data)] = data
    with LyingRegistry({"latest": (OCI, json.dumps(manifest).encode())}, blobs) as registry:
        name = registry.address + "/kinds"
        assert "error" not in pull(api, name).lines()[-1]
        assert len(api.get(f"/images/{name}/json")["RootFS"]["Layers"]) == 4
        docker("rmi", name)


@pytest.mark.berth
def test_a_foreign_layer_comes_from_its_address(docker, api, peer_registry):
    manifest, blobs = image([{"here": "1"}, {"foreign": "2"}])
    manifest = json.loads(manifest)
    foreign = manifest["layers"][1]
    elsewhere = {foreign["digest"]: blobs.pop(foreign["digest"])}
    with LyingRegistry({}, elsewhere) as other:
        foreign["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
        foreign["urls"] = [f"http://{other.address}/v2/x/blobs/{foreign['digest']}"]
        with LyingRegistry({"latest": (MANIFEST, json.dumps(manifest).encode())}, blobs) as registry:
            name, target = registry.address + "/foreign", f"{peer_registry.address}/foreign"
            assert "error" not in pull(api, name).lines()[-1]
            docker("tag", name, target)
            assert "Skipped foreign layer" in docker("push", target).out
            docker("rmi", name, target)


@pytest.mark.berth
def test_layers_go_as_zstd(docker, berth, api, peer_registry):
    target = f"{peer_registry.address}/zstd"
    docker("tag", "busybox", target)
    berth("push", "--compression", "zstd", target)
    request = urllib.request.Request(f"http://{peer_registry.address}/v2/zstd/manifests/latest", headers={"Accept": OCI})
    manifest = json.load(urllib.request.urlopen(request))
    assert all(layer["mediaType"].endswith("tar+zstd") for layer in manifest["layers"])
    before = api.get(f"/images/{target}/json")["Id"]
    docker("rmi", target)
    docker("pull", target)
    assert api.get(f"/images/{target}/json")["Id"] == before
    refused = api.request("POST", f"/images/{target}/push", query={"tag": "latest", "compression": "lzma"})
    assert refused.status == 400
    docker("rmi", target)


# ---- mirrors, proxies, long blobs

@pytest.mark.berth
def test_a_mirror_is_asked_first_and_each_blob_falls_back(new_daemon, liar):
    manifest, lost, wrong = liar.manifests["latest"][1], liar.layers[0], liar.layers[1]
    with LyingRegistry({"latest": (MANIFEST, manifest)}, liar.blobs) as mirror:
        mirror.lies[lost] = lambda h, body: h.refuse(404, "BLOB_UNKNOWN", "unknown")
        mirror.lies[wrong] = lambda h, body: h.reply(200, b"\1" * len(body))
        daemon = new_daemon("--registry-mirror", f"{liar.address}=http://{mirror.address}",
                            "--registry-mirror", f"http://{mirror.address}", load=False)
        assert "error" not in pull(daemon.api, liar.name).lines()[-1]
        asked = [path for _, path, _ in liar.requests]
        assert not any("/manifests/" in path for path in asked)
        assert sorted(p.rpartition("/")[2] for p in asked if "/blobs/" in p) == sorted([lost, wrong])
        assert "error" not in pull(daemon.api, "busybox").lines()[-1]  # Docker Hub's, which nobody reaches from here
        info = daemon.api.get("/info")["RegistryConfig"]
        assert info["Mirrors"] == [f"http://{mirror.address}/"]
        assert info["IndexConfigs"][liar.address]["Mirrors"] == [f"http://{mirror.address}/"]


@pytest.mark.berth
@pytest.mark.parametrize("mirror,words", [
    ("ftp://x", 'invalid mirror: unsupported scheme "ftp" in "ftp://x"'),
    ("https://x/path", "invalid mirror: path, query, or fragment at end of the URI"),
    ("https://a:b@x", "invalid mirror: username/password not allowed in URI"),
])
def test_what_is_no_mirror(new_daemon, mirror, words):
    daemon = new_daemon("--registry-mirror", mirror, start=False)
    ended = subprocess.run(daemon.command(), capture_output=True, text=True, timeout=20)
    assert ended.returncode == 1 and words in ended.stderr


@pytest.mark.berth
def test_a_long_blob_on_a_slow_line_comes_over_several(docker, api):
    manifest, blobs = image([{"long": os.urandom(20 << 20)}])
    layer = list(blobs)[1]

    def slow(handler, body):
        start, _, end = handler.headers.get("Range", "bytes=0-")[6:].partition("-")
        part = body[int(start):int(end) + 1 if end else len(body)]
        handler.send_response(206 if "Range" in handler.headers else 200)
        handler.send_header("Content-Length", str(len(part)))
        if "Range" in handler.headers:
            handler.send_header("Content-Range", f"bytes {start}-{int(start) + len(part) - 1}/{len(body)}")
        handler.end_headers()
        try:
            for at in range(0, len(part), 128 << 10):
                handler.wfile.write(part[at:at + (128 << 10)])
                time.sleep(0.02)
        except OSError:
            handler.close_connection = True

    with LyingRegistry({"latest": (MANIFEST, manifest)}, blobs) as registry:
        registry.lies[layer] = slow
        assert "error" not in pull(api, registry.address + "/long").lines()[-1]
        ranges = [h["Range"] for _, path, h in registry.requests if path.endswith(layer) and "Range" in h]
        assert len(ranges) > 8 and sum(r.endswith("-") for r in ranges) <= 1
        docker("rmi", registry.address + "/long")


# ---- search

@pytest.mark.berth
def test_search(docker, api, berth):
    results = [{"name": "team/app", "description": "An app\nthat is long " + "x" * 80, "star_count": 7, "is_official": False,
                "is_automated": True},
               {"name": "base", "description": "", "star_count": 90, "is_official": True, "is_automated": False}]
    with LyingRegistry({}, {}) as registry:
        registry.lies["n=25"] = lambda h, _: h.reply(200, json.dumps({"num_results": 2, "results": results}).encode())
        registry.lies["n=3"] = lambda h, _: h.reply(503)
        term = registry.address + "/app"
        assert [r["name"] for r in api.get("/images/search", term=term)] == ["team/app", "base"]
        assert registry.requests[-1][1] == "/v1/search?q=app&n=25"
        official = api.get("/images/search", term=term, filters='{"is-official":["true"]}')
        assert [r["name"] for r in official] == ["base"]
        assert [r["star_count"] for r in api.get("/images/search", term=term, filters='{"stars":["8"]}')] == [90]
        out = docker("search", term).out.splitlines()
        assert out[0].split()[:2] == ["NAME", "DESCRIPTION"] and out[1].startswith("team/app") and "[OK]" in out[2]
        assert berth("search", term).out.splitlines() == out
        assert api.request("GET", "/images/search", query={"term": term, "limit": "3"}).status == 500
        assert api.request("GET", "/images/search", query={"term": term, "limit": "101"}).message == \
            "limit 101 is outside the range of [1, 100]"
        assert api.request("GET", "/images/search", query={"term": term, "filters": '{"x":["1"]}'}).status == 400
