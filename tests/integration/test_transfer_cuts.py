"""Lines to a registry that break at every kind of place: each pull and push goes on and is right."""

import json
import os
import urllib.request

import pytest

from support.cutting_line import POSITIONS, CuttingLine
from support.lying_registry import LyingRegistry, digest, image
from support.peer_registry import PROGRAM, PeerRegistry

pytestmark = [pytest.mark.berth, pytest.mark.skipif(PROGRAM is None, reason="docker-registry is not installed")]
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def source():
    """An image behind a token server."""
    manifest, blobs = image([{"f": os.urandom(300_000)}])
    with LyingRegistry({"latest": (MANIFEST, manifest)}, blobs) as registry:
        registry.config, registry.layer = json.loads(manifest)["config"]["digest"], digest(list(blobs.values())[1])

        def guarded(handler, body):
            if handler.headers.get("Authorization") == "Bearer good":
                return handler.reply(200, body, MANIFEST)
            realm = f'Bearer realm="http://{handler.headers["Host"]}/token",service="x"'
            return handler.refuse(401, "UNAUTHORIZED", "no", WWW_Authenticate=realm)

        registry.lies["manifests/latest"] = guarded
        registry.lies["service=x"] = lambda handler, _: handler.reply(200, b'{"token": "good"}')
        yield registry


@pytest.fixture(scope="module")
def peer():
    with PeerRegistry() as registry:
        yield registry


def ended(answer):
    assert answer.status == 200, answer.body
    assert not any("error" in line for line in answer.lines()), answer.lines()
    return answer.lines()


def pull(api, name):
    return ended(api.request("POST", "/images/create", query={"fromImage": name, "tag": "latest"}, timeout=60))


def fetched(peer, path):
    request = urllib.request.Request(f"http://{peer.address}/v2/{path}", headers={"Accept": MANIFEST})
    with urllib.request.urlopen(request) as answer:
        return answer.read()


@pytest.mark.parametrize("how", ["end", "reset"])
@pytest.mark.parametrize("what", ["first", "token", "manifest", "config", "layer"])
def test_a_pull_goes_on(api, source, what, how):
    wanted = {"first": lambda path: path == "/v2/",
              "token": lambda path: path.startswith("/token"),
              "manifest": lambda path: path.endswith("manifests/latest"),
              "config": lambda path: path.endswith(source.config),
              "layer": lambda path: path.endswith(source.layer)}[what]
    for position in POSITIONS:
        with CuttingLine(source.address, lambda _, path: wanted(path), "answer", position, how) as line:
            name = line.address + "/x"
            pull(api, name)
            assert line.cuts == 1, position
            api.request("DELETE", f"/images/{name}")


@pytest.mark.parametrize("how", ["end", "reset"])
@pytest.mark.parametrize("what", ["POST upload", "PATCH layer", "PUT layer", "PATCH config", "PUT config", "PUT manifest"])
@pytest.mark.parametrize("side", ["request", "answer"])
def test_a_push_goes_on(api, source, peer, what, side, how):
    pull(api, source.address + "/x")
    method, _, kind = what.partition(" ")
    for position in POSITIONS:
        uploads = []

        def wanted(asked, path):
            if asked == "POST":
                uploads.append(path)
            of = "manifest" if "/manifests/" in path else "layer" if len(uploads) == 1 else "config"
            return asked == method and (kind == of or kind == "upload")

        with CuttingLine(peer.address, wanted, side, position, how) as line:
            name = f"{line.address}/{position.replace(' ', '')}-{method}-{kind}-{side}-{how}".lower()
            assert api.request("POST", f"/images/{source.address}/x/tag", query={"repo": name}).status == 201
            lines = ended(api.request("POST", f"/images/{name}/push", query={"tag": "latest"},
                                      headers={"X-Registry-Auth": "e30="}, timeout=60))
            assert line.cuts == 1, position
            assert any("digest: sha256:" in message.get("status", "") for message in lines)
        repository = name.partition("/")[2]
        manifest = json.loads(fetched(peer, f"{repository}/manifests/latest"))
        for blob in [manifest["config"], *manifest["layers"]]:
            assert digest(fetched(peer, f"{repository}/blobs/{blob['digest']}")) == blob["digest"]
        api.request("DELETE", f"/images/{name}", query={"noprune": "1"})


def test_a_peer_that_leaves_in_the_middle_of_a_long_upload(api, peer):
    """It takes nothing more, and the kernel's buffers are soon full: whoever writes has to see that it has gone."""
    manifest, blobs = image([{"f": os.urandom(12 << 20)}])
    with LyingRegistry({"latest": (MANIFEST, manifest)}, blobs) as registry:
        pull(api, registry.address + "/long")
        for position in ("head", "first byte", "middle"):
            with CuttingLine(peer.address, lambda method, _: method == "PATCH", "request", position) as line:
                name = f"{line.address}/long-{position.replace(' ', '')}"
                api.request("POST", f"/images/{registry.address}/long/tag", query={"repo": name})
                lines = ended(api.request("POST", f"/images/{name}/push", query={"tag": "latest"},
                                          headers={"X-Registry-Auth": "e30="}, timeout=50))
                assert line.cuts == 1 and any(message.get("status") == "Retrying" for message in lines)
                api.request("DELETE", f"/images/{name}", query={"noprune": "1"})
        api.request("DELETE", f"/images/{registry.address}/long")
