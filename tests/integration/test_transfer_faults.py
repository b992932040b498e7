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


# ---- documents that lie

def with_layer(manifest, **changes):
    document = json.loads(manifest)
    document["layers"][0].update(changes)
    return json.dumps(document).encode()


LIES = {
    "two things": (lambda m: m.replace(b'"schemaVersion"', b'"manifests": [], "schemaVersion"'),
                   "the document is an image's manifest and an index at once"),
    "no digest": (lambda m: with_layer(m, digest="sha256:../../../etc/passwd"), "invalid checksum digest format"),
    "less than nothing": (lambda m: with_layer(m, size=-1), "invalid size of sha256:"),
    "more than all": (lambda m: with_layer(m, size=(1 << 53) + 1), "invalid size of sha256:"),
    "no number": (lambda m: with_layer(m, size=1 << 80), "json: cannot unmarshal number"),
    "many layers": (lambda m: b'{"config":{"mediaType":"application/vnd.docker.container.image.v1+json"},"LAYERS":[' +
                    b"{}," * 1_000_000 + b"{}]}", "a document has"),
    "many manifests": (lambda m: b'{"manifests":[' + b"{}," * 20_000 + b"{}]}", "a document has a list of more than 10000"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_manifest_that_lies(engine, api, liar, lie):
    make, words = LIES[lie]
    liar.manifests["latest"] = ("application/json", make(liar.manifests["latest"][1]))
    assert words in failure(pull(api, liar.name))
    assert api.request("GET", f"/images/{liar.name}/json").status == 404 and staged(engine) == []


def test_what_an_index_promises(api):
    ours, blobs = image([{"a": "ours"}], "oci")
    wrong_size = index({**entry(OCI, ours, architecture="amd64"), "size": 17})
    swapped = index(entry(INDEX, ours, architecture="amd64"))
    inner = index(entry(OCI, ours, architecture="amd64"))
    called_a_manifest = index(entry(OCI, inner, architecture="amd64"))
    documents = {"size": (INDEX, wrong_size), "swapped": (INDEX, swapped), "called": ("text/html", called_a_manifest),
                 "1": (OCI, ours), "2": (OCI, inner)}
    with LyingRegistry(documents, blobs) as registry:
        name = registry.address + "/promises"
        assert f"size validation failed: {digest(ours)} has {len(ours)} bytes, expected 17" in failure(pull(api, name, tag="size"))
        assert "no matching manifest" in failure(pull(api, name, tag="swapped"))
        assert failure(pull(api, name, tag="called")) == "none"  # what it is counts, not what it is called
        api.request("DELETE", f"/images/{name}:called")


def peak(daemon):
    """The most memory that the daemon has ever had, in MiB."""
    with open(f"/proc/{daemon.process.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) >> 10


def test_a_config_of_many_small_things(new_daemon):
    """16 MB of text would be gigabytes of history."""
    config = b'{"rootfs":{"type":"layers","diff_ids":[]},"history":[' + b"{}," * 5_500_000 + b"{}]}"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI, "layers": [], "config": {
        "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config), "size": len(config)}}).encode()
    daemon = new_daemon(load=False)
    before = peak(daemon)
    with LyingRegistry({"latest": (OCI, manifest)}, {digest(config): config}) as registry:
        assert "a document has more than 200000 values" in failure(pull(daemon.api, registry.address + "/many"))
    assert peak(daemon) - before < 150


@pytest.mark.parametrize("said", ["bytes 0-99/300", "bytes 20000-{last}/17", "bytes 20000-99999999/*", "", "items 20000-{last}/{size}"])
def test_a_range_that_is_another_one(engine, api, liar, said):
    def lie(handler, body):
        if "Range" not in handler.headers:
            return handler.cut(body, 20_000)
        text = said.format(last=len(body) - 1, size=len(body))
        return handler.reply(206, body[20_000:], Content_Range=text)
    liar.lies[liar.layers[0]] = lie
    assert "the registry sent another range" in failure(pull(api, liar.name))
    assert staged(engine) == []


@pytest.mark.parametrize("where", ["/token", "tags/list"])
def test_html_where_json_should_be(api, liar, where):
    page = b"<html>Please log in to the hotel's network</html>"
    if where == "/token":
        liar.lies["manifests/latest"] = lambda h, _: h.refuse(401, "UNAUTHORIZED", "no", WWW_Authenticate=(
            f'Bearer realm="http://{liar.address}/token",service="x"'))
    liar.lies["service=x" if where == "/token" else where] = lambda h, _: h.reply(200, page, "text/html")
    answer = (pull(api, liar.name) if where == "/token" else
              api.request("POST", "/images/create", query={"fromImage": liar.name}))
    assert "invalid JSON" in failure(answer)


def test_a_registry_that_disappears(new_daemon):
    """In the middle of its second layer, for good. What was finished by then counts when it is back."""
    daemon = new_daemon("--max-concurrent-downloads", "1", "--max-download-attempts", "2", load=False)
    manifest, blobs = image([{"a": os.urandom(300_000)}, {"b": os.urandom(300_000)}])
    _, first, second = blobs
    with LyingRegistry({"latest": (MANIFEST, manifest)}, blobs) as registry:
        def leave(handler, body):
            handler.cut(body, 100_000)
            registry.server.socket.close()
        registry.lies[second] = leave
        name, port = registry.address + "/x", registry.port
        assert "connection refused" in failure(pull(daemon.api, name))
        assert daemon.api.request("GET", f"/images/{name}/json").status == 404 and staged(daemon) == []
    with LyingRegistry({"latest": (MANIFEST, manifest)}, blobs, port=port) as registry:
        assert failure(pull(daemon.api, name)) == "none"
        assert not any(path.endswith(first) for _, path, _ in registry.requests)
