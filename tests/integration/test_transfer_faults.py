"""Registries that drip, never end, or nest without end: a clear error, nothing stored, and the next try works."""

import json
import os
import subprocess
import threading

import pytest

from support.lying_registry import LyingRegistry, digest, image

pytestmark = pytest.mark.berth
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"
OCI = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def liar():
    manifest, blobs = image([{"one": os.urandom(50_000)}, {"two": os.urandom(60_000)}])
    with LyingRegistry({"latest": (MANIFEST, manifest)}, blobs) as registry:
        registry.name = registry.address + "/x"
        registry.config, *registry.layers = blobs
        yield registry


def pull(api, name, **query):
    return api.request("POST", "/images/create", query={"fromImage": name, "tag": "latest", **query}, timeout=120)


def failure(answer):
    if answer.status >= 400:
        return answer.message
    return next((line["error"] for line in answer.lines() if "error" in line), "none")


def staged(daemon):
    return [name for name in os.listdir(f"{daemon.data_root}/overlay2") if name.startswith("tmp")]


# ---- slow drip

def drip(handler, data):
    """A byte now and then, until nobody listens any more."""
    try:
        for i in range(len(data)):
            handler.wfile.write(data[i:i + 1])
            handler.wfile.flush()
            handler.server.ended.wait(0.2)
    except OSError:
        pass
    handler.close_connection = True


def head_of(length, kind="application/octet-stream"):
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()


def drip_all(handler, body):
    drip(handler, head_of(len(body)) + body)


def drip_body(handler, body):
    handler.wfile.write(head_of(len(body)))
    drip(handler, body)


def drip_end(handler, body):
    """All but the last bytes at once."""
    handler.wfile.write(head_of(len(body)) + body[:-60])
    drip(handler, body[-60:])


def test_a_registry_that_drips_is_given_up(new_daemon, liar):
    liar.server.ended = threading.Event()
    daemon = new_daemon("--registry-timeout", "1", load=False)
    token = f'Bearer realm="http://{liar.address}/token",service="x"'
    cases = [("manifests/latest", drip_all), ("manifests/latest", drip_body), (liar.config, drip_body),
             (liar.layers[0], drip_all), (liar.layers[0], drip_body), (liar.layers[0], drip_end)]
    for suffix, lie in cases:
        liar.lies[suffix] = lie
        words = failure(pull(daemon.api, liar.name))
        assert "the server is too slow: " in words or words.endswith("i/o timeout"), (suffix, lie, words)
        assert daemon.api.request("GET", f"/images/{liar.name}/json").status == 404 and staged(daemon) == []
        liar.lies.clear()
    liar.lies["manifests/latest"] = lambda h, _: h.refuse(401, "UNAUTHORIZED", "no", WWW_Authenticate=token)
    liar.lies["service=x"] = lambda h, _: drip_all(h, b'{"token": "good"}')
    assert "Client.Timeout exceeded" in failure(pull(daemon.api, liar.name))
    liar.lies.clear()
    liar.server.ended.set()
    assert failure(pull(daemon.api, liar.name)) == "none"


@pytest.mark.parametrize("value", ["0", "-1", "86401"])
def test_how_patient_the_daemon_can_be(new_daemon, value):
    daemon = new_daemon("--registry-timeout", value, start=False)
    ended = subprocess.run(daemon.command(), capture_output=True, text=True, timeout=20)
    assert ended.returncode == 1 and f"invalid registry timeout: {value}" in ended.stderr


# ---- endless

def endless(head, piece):
    def lie(handler, _):
        try:
            handler.wfile.write(head)
            while True:
                handler.wfile.write(piece)
        except OSError:
            pass
        handler.close_connection = True
    return lie


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + b" " * 65536 + b"\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("head,piece,words", [
    (CHUNKED, CHUNK, "the server's answer is too long"),
    (UNTIL_CLOSE, b" " * 65536, "the server's answer is too long"),
    (b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"x" * 8000 + b"\r\n", "the head of the server's answer is too long"),
    (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 65536, "the server's answer is not HTTP"),
    (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "the head of the server's answer is too long"),
    (CHUNKED + b"0\r\n", b"X-Trailer: y\r\n" * 1000, "the trailers of the server's answer are too long"),
], ids=["chunks", "until the end", "headers", "header", "continue", "trailers"])
def test_an_endless_manifest(new_daemon, liar, head, piece, words):
    daemon = new_daemon("--max-download-attempts", "1", load=False)
    liar.lies["manifests/latest"] = endless(head, piece)
    assert words in failure(pull(daemon.api, liar.name))
    liar.lies = {"manifests/latest": lambda h, _: h.refuse(401, "UNAUTHORIZED", "no", WWW_Authenticate=(
        f'Bearer realm="http://{liar.address}/token",service="x"')), "service=x": endless(head, piece)}
    assert words in failure(pull(daemon.api, liar.name))
    liar.lies = {}
    assert failure(pull(daemon.api, liar.name)) == "none"


@pytest.mark.parametrize("head", [CHUNKED, UNTIL_CLOSE], ids=["chunks", "until the end"])
def test_an_endless_blob(engine, api, liar, head):
    for blob in (liar.config, liar.layers[0]):
        def longer(handler, body):
            piece = body + b" " * 100_000
            piece = b"%x\r\n%s\r\n" % (len(piece), piece) if head is CHUNKED else piece
            endless(head, piece)(handler, body)
        liar.lies[blob] = longer
        words = failure(pull(api, liar.name))
        assert "size validation failed" in words and "has more than" in words
        assert api.request("GET", f"/images/{liar.name}/json").status == 404
        liar.lies.clear()
    assert failure(pull(api, liar.name)) == "none"


# ---- nested indexes

def entry(kind, document, **platform):
    return {"mediaType": kind, "digest": digest(document), "size": len(document),
            **({"platform": {"os": "linux", **platform}} if platform else {})}


def index(*entries):
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}).encode()


def test_an_index_in_an_index(api):
    ours, blobs = image([{"a": "ours"}], "oci")
    theirs, more = image([{"a": "theirs"}], "oci")
    first = index(entry(OCI, theirs, architecture="arm64"))
    second = index(entry(OCI, ours, architecture="amd64"))
    top = index(entry(INDEX, first), entry(INDEX, second))
    documents = {"latest": (INDEX, top), "1": (INDEX, first), "2": (INDEX, second), "3": (OCI, ours), "4": (OCI, theirs)}
    with LyingRegistry(documents, {**blobs, **more}) as registry:
        name = registry.address + "/nested"
        for platform, manifest in (("linux/amd64", ours), ("linux/arm64", theirs)):
            assert failure(pull(api, name, platform=platform)) == "none"
            found = api.get(f"/images/{name}/json")
            assert found["Id"] == json.loads(manifest)["config"]["digest"]
            assert found["RepoDigests"] == [f"{name}@{digest(top)}"]
        assert failure(pull(api, name, platform="linux/s390x")) == (
            "no matching manifest for linux/s390x in the manifest list entries")
        api.request("DELETE", f"/images/{name}")


def test_indexes_too_deep_and_too_many(api):
    ours, blobs = image([{"a": "ours"}], "oci")
    documents = {"image": (OCI, ours)}
    inner = entry(OCI, ours, architecture="amd64")
    for depth in range(20):
        document = index(inner)
        documents[f"depth{depth}"] = (INDEX, document)
        inner = entry(INDEX, document)
    wide = [index(entry(OCI, ours, architecture=f"cpu{n}")) for n in range(200)]
    documents.update({f"wide{n}": (INDEX, document) for n, document in enumerate(wide)})
    documents["wide"] = (INDEX, index(*(entry(INDEX, document) for document in wide)))
    with LyingRegistry(documents, blobs) as registry:
        name = registry.address + "/deep"
        assert failure(pull(api, name, tag="depth2")) == "none"
        for tag, words in (("depth19", "indexes are nested too deeply"), ("wide", "index leads to too many others")):
            registry.requests.clear()
            assert f"the image's {words}" in failure(pull(api, name, tag=tag))
            assert len(registry.requests) < 50
        api.request("DELETE", f"/images/{name}:depth2")
