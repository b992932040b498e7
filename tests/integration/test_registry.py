"""Pull and push: against Debian's docker-registry, and against registries that lie, cut lines or refuse."""

import base64
import json
import os
import threading

import pytest

from support.lying_registry import LyingRegistry, digest, image
from support.peer_registry import PASSWORD, PROGRAM, USER, PeerRegistry
from test_daemon import make_certificates
from test_cli import berth  # noqa: F401
from test_images import clean, names  # noqa: F401  (a fixture of every test here)

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="docker-registry is not installed")
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"


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
    assert words in failure(pull(api, liar.name))
    nothing_stored(engine, liar.name)
    liar.lies.clear()
    liar.requests.clear()
    assert "error" not in pull(api, liar.name).lines()[-1]
    # The layer that was complete is not fetched again.
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
