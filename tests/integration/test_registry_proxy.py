"""`berth registry serve --proxy-remote`: a cache of another registry."""

import json
import os
import re
import socket
import subprocess
import threading

import pytest

from support.berth_registry import BerthRegistry
from support.lying_registry import LyingRegistry, digest, image
from support.tcp_api import TcpApi
from support.waiting import eventually
from test_images import clean  # noqa: F401  (a fixture of the tests that use the engine)
from test_registry_access import basic, make_users
from test_registry_server import MANIFEST, code, push_blob, push_image

pytestmark = pytest.mark.berth
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def origin(options):
    with BerthRegistry(options.bin_dir) as server:
        yield server


def cache_of(options, address, *flags):
    return BerthRegistry(options.bin_dir, "--proxy-remote", f"http://{address}", "--gc-grace", "0s", "--gc-interval", "0s", *flags)


@pytest.fixture
def cache(options, origin):
    with cache_of(options, origin.address) as server:
        yield server


def answered(registry, method="GET", status=200):
    text = registry.api.request("GET", "/metrics").body.decode()
    found = re.search(rf'requests_total{{method="{method}",code="{status}"}} (\d+)', text)
    return int(found.group(1)) if found else 0


def push_big(registry, repository, data):
    """An image of one layer, which is `data`."""
    config = b"{}"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST,
                           "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config), "size": 2},
                           "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(data), "size": len(data)}]})
    for blob in (config, data):
        assert push_blob(registry.api, repository, blob).status == 201
    assert registry.api.request("PUT", f"/v2/{repository}/manifests/latest", manifest, {"Content-Type": MANIFEST}).status == 201
    return digest(data)


def test_pull_through(docker, api, origin, cache):
    pushed, name = f"{origin.address}/team/full", f"{cache.address}/team/full"
    docker("tag", "full", pushed)
    docker("push", pushed)
    docker("pull", name)
    assert api.get(f"/images/{name}/json")["Id"] == api.get(f"/images/{pushed}/json")["Id"]
    assert cache.files() and cache.files() <= origin.files()  # the engine has the layers
    assert cache.run("fsck").returncode == 0
    docker("rmi", name)
    origin.stop()
    docker("pull", name)  # from what is here
    assert cache.api.request("GET", "/v2/team/full/tags/list").json()["tags"] == ["latest"]
    assert code(cache.api.request("GET", "/v2/team/other/manifests/latest")) == (503, "UNAVAILABLE")
    origin.start()
    assert code(cache.api.request("GET", "/v2/team/other/manifests/latest"))[0] == 404
    docker("rmi", name, pushed)


def test_skopeo_pulls_through(origin, cache, scratch, archive):
    with open(scratch + "/image.tar", "wb") as f:
        f.write(archive)
    subprocess.run(["skopeo", "copy", "--dest-tls-verify=false", f"docker-archive:{scratch}/image.tar:busybox:latest",
                    f"docker://{origin.address}/box"], check=True, capture_output=True, timeout=60)
    subprocess.run(["skopeo", "copy", "--src-tls-verify=false", f"docker://{cache.address}/box", f"oci:{scratch}/out:latest"], check=True,
                   capture_output=True, timeout=60)
    assert cache.files() == origin.files()


def test_a_tag_is_compared_each_time(origin, cache):
    first, _ = push_image(origin.api, "a", "t", [{"f": "1"}])
    assert cache.api.request("GET", "/v2/a/manifests/t").headers["Docker-Content-Digest"] == first
    second, _ = push_image(origin.api, "a", "t", [{"f": "2"}])
    assert cache.api.request("HEAD", "/v2/a/manifests/t").headers["Docker-Content-Digest"] == second
    assert cache.api.request("GET", f"/v2/a/manifests/{first}").status == 200
    origin.api.request("DELETE", "/v2/a/manifests/t")
    assert cache.api.request("GET", "/v2/a/manifests/t").status == 404
    gets = answered(origin)
    for _ in range(5):
        assert cache.api.request("GET", f"/v2/a/manifests/{second}").status == 200
    assert answered(origin) - gets == 1  # the first /metrics


def test_many_share_one_fetch(origin, cache):
    data = os.urandom(6 << 20)
    blob = push_big(origin, "a", data)
    assert cache.api.request("GET", "/v2/a/manifests/latest").status == 200
    before, results = answered(origin), []

    def get():
        answer = cache.api.request("GET", f"/v2/a/blobs/{blob}")
        results.append((answer.status, answer.headers["Content-Length"], answer.body == data))
    threads = [threading.Thread(target=get) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(200, str(len(data)), True)] * 12
    assert answered(origin) - before == 2  # one blob, one /metrics


def test_parts_and_sizes_of_what_is_not_here_yet(origin, cache):
    data = os.urandom(300_000)
    blob = push_big(origin, "a", data)
    cache.api.request("GET", "/v2/a/manifests/latest")
    head = cache.api.request("HEAD", f"/v2/a/blobs/{blob}")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, "300000", b"")
    part = cache.api.request("GET", f"/v2/a/blobs/{blob}", headers={"Range": "bytes=1000-1999"})
    assert (part.status, part.body) == (206, data[1000:2000])


def test_what_is_here_for_one_repository_is_not_for_another(origin, cache):
    blob = push_big(origin, "a", b"mine")
    cache.api.request("GET", "/v2/a/manifests/latest")
    assert cache.api.request("GET", f"/v2/a/blobs/{blob}").status == 200
    assert code(cache.api.request("GET", f"/v2/b/blobs/{blob}")) == (404, "BLOB_UNKNOWN")
    push_big(origin, "b", b"mine")
    cache.api.request("GET", "/v2/b/manifests/latest")
    before = answered(origin)
    assert cache.api.request("GET", f"/v2/b/blobs/{blob}").body == b"mine"
    assert answered(origin) - before == 1  # nothing was fetched


def test_a_manifest_that_names_a_blob_is_no_right_to_it(options):
    """Whoever may write anywhere at the origin could else read what he knows the digest of."""
    secret, (other, _) = b"secret layer" * 1000, image([{"f": "1"}], "oci")
    named = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": {"digest": digest(secret), "size": len(secret)},
                        "layers": []}).encode()
    going_on = threading.Event()
    with LyingRegistry({"latest": (MANIFEST, named)}, {digest(secret): secret}) as origin, cache_of(options, origin.address) as cache:
        origin.lies[f"/evil/blobs/{digest(secret)}"] = lambda handler, _: handler.refuse(404, "BLOB_UNKNOWN", "unknown")

        def slowly(handler, body):
            handler.reply(200, body[:5000], length=len(body))
            if handler.command == "GET":
                going_on.wait(20)
                handler.wfile.write(body[5000:])
        origin.lies[f"/private/blobs/{digest(secret)}"] = slowly
        for repository in ("private", "evil"):
            assert cache.api.request("GET", f"/v2/{repository}/manifests/latest").status == 200

        def refused():
            for method in ("HEAD", "GET"):
                assert cache.api.request(method, f"/v2/evil/blobs/{digest(secret)}").status == 404
        refused()
        with client_of(cache, f"/v2/private/blobs/{digest(secret)}") as client:
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
            refused()  # while it comes for somebody else
            going_on.set()
            assert cache.api.request("GET", f"/v2/private/blobs/{digest(secret)}").body == secret
        refused()  # when it is here
        del origin.lies[f"/evil/blobs/{digest(secret)}"]
        assert cache.api.request("GET", f"/v2/evil/blobs/{digest(secret)}").body == secret
        asked = [path for method, path, _ in origin.requests if method == "GET" and "/blobs/" in path]
        assert asked == [f"/v2/evil/blobs/{digest(secret)}", f"/v2/private/blobs/{digest(secret)}"]


def client_of(cache, path):
    host, port = cache.address.split(":")
    client = socket.create_connection((host, int(port)), timeout=30)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client


def test_an_origin_that_is_slow(options):
    """Blobs that trickle keep nobody from asking; a fetch that nobody waits for ends; and a tag that is here is served when
    the origin says nothing for long."""
    layers = [b"%d" % i * 100_000 for i in range(40)]
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": {"digest": digest(b"{}"), "size": 2},
                           "layers": [{"digest": digest(data), "size": len(data)} for data in layers]}).encode()
    stopped, left = threading.Event(), []
    with LyingRegistry({"latest": (MANIFEST, manifest), "new": (MANIFEST, manifest)}, {digest(data): data for data in layers}) as origin, \
            cache_of(options, origin.address) as cache:
        def trickle(handler, body):
            handler.reply(200, body[:5000], length=len(body))
            try:
                while not stopped.wait(0.2):
                    handler.wfile.write(b"x" * 100)
            except OSError:
                left.append(handler.path)
            handler.close_connection = True
        for data in layers:
            origin.lies["/blobs/" + digest(data)] = trickle
        assert cache.api.request("GET", "/v2/a/manifests/latest").status == 200
        clients = [client_of(cache, f"/v2/a/blobs/{digest(data)}") for data in layers]
        try:
            assert clients[0].recv(100).startswith(b"HTTP/1.1 200 ")
            assert cache.api.request("GET", "/v2/a/manifests/new").status == 200
            assert cache.api.request("GET", "/v2/a/tags/list").status == 404  # the origin's word
        finally:
            for client in clients:
                client.close()
        # Those that are left make room for those that never began.
        eventually(lambda: len(left) >= 32, timeout=30)
        origin.lies["/manifests/latest"] = lambda handler, _: stopped.wait(60)
        assert cache.api.request("GET", "/v2/a/manifests/latest").body == manifest
        assert cache.api.request("GET", "/v2/a/manifests/latest").body == manifest  # at once, the question being old
        stopped.set()


def test_a_cache_is_not_pushed_to(cache):
    assert code(cache.api.request("POST", "/v2/a/blobs/uploads/")) == (405, "UNSUPPORTED")
    assert code(cache.api.request("PUT", "/v2/a/manifests/latest", b"{}")) == (405, "UNSUPPORTED")


def test_it_logs_in(options, scratch):
    users = make_users(scratch + "/users", moby="secret")
    with open(scratch + "/password", "w") as f:
        f.write("secret\n")
    with BerthRegistry(options.bin_dir, "--htpasswd", users) as origin:
        push_image(TcpApi(origin.address, basic("moby", "secret")), "a", "latest", [{"f": "1"}])
        with cache_of(options, origin.address, "--proxy-user", "moby", "--proxy-password-file", scratch + "/password") as cache:
            manifest = cache.api.request("GET", "/v2/a/manifests/latest")
            assert manifest.status == 200
            assert cache.api.request("GET", f"/v2/a/blobs/{manifest.json()['layers'][0]['digest']}").status == 200
        with cache_of(options, origin.address) as cache:
            assert code(cache.api.request("GET", "/v2/a/manifests/latest")) == (503, "UNAVAILABLE")


def test_a_lie_is_not_kept(options):
    manifest, blobs = image([{"f": "x" * 100_000}], "oci")
    wrong = {name: data[:-1] + b"!" for name, data in blobs.items()}
    with LyingRegistry({"latest": (MANIFEST, manifest)}, wrong) as liar, cache_of(options, liar.address) as cache:
        assert cache.api.request("GET", "/v2/a/manifests/latest").status == 200
        for name, data in blobs.items():
            try:
                answer = cache.api.request("GET", f"/v2/a/blobs/{name}")
                assert answer.status != 200, answer
            except Exception as error:  # cut before its end
                assert "IncompleteRead" in repr(error)
        assert cache.files() == {digest(manifest).partition(":")[2]}
        assert os.listdir(cache.root + "/uploads") == []


def test_an_origin_that_dies_on_the_way(options, origin, cache):
    data = os.urandom(4 << 20)
    blob = push_big(origin, "a", data)
    cache.api.request("GET", "/v2/a/manifests/latest")
    origin.stop()
    assert code(cache.api.request("GET", f"/v2/a/blobs/{blob}")) == (503, "UNAVAILABLE")
    origin.start()
    assert cache.api.request("GET", f"/v2/a/blobs/{blob}").body == data
    assert cache.run("fsck").returncode == 0


def test_what_nobody_asks_for_expires(options, origin):
    push_big(origin, "a", b"data")
    with cache_of(options, origin.address, "--proxy-expire", "1s", "--gc-interval", "1s") as cache:
        cache.api.request("GET", "/v2/a/manifests/latest")
        cache.api.request("GET", f"/v2/a/blobs/{digest(b'data')}")
        assert cache.files()
        for _ in range(100):
            if not cache.files():
                break
            threading.Event().wait(0.1)
        assert cache.files() == set()
        assert cache.api.request("GET", "/v2/a/manifests/latest").status == 200  # and comes again


def test_killed_while_fetching(options, origin, cache):
    data = os.urandom(8 << 20)
    blob = push_big(origin, "a", data)
    for _ in range(4):
        cache.api.request("GET", "/v2/a/manifests/latest")
        thread = threading.Thread(target=lambda: attempt(cache, blob))
        thread.start()
        threading.Event().wait(0.01)
        cache.kill()
        thread.join()
        cache.start()
        assert cache.run("fsck").returncode == 0
    cache.api.request("GET", "/v2/a/manifests/latest")
    assert cache.api.request("GET", f"/v2/a/blobs/{blob}").body == data


def attempt(cache, blob):
    try:
        cache.api.request("GET", f"/v2/a/blobs/{blob}")
    except Exception:  # killed meanwhile
        pass


def test_referrers_come_from_the_origin(origin, cache):
    subject, _ = push_image(origin.api, "signed", "latest", [{"f": "1"}])
    path = f"/v2/signed/referrers/{subject}"
    assert cache.api.request("GET", path).json()["manifests"] == []
    empty = b"{}"
    assert push_blob(origin.api, "signed", empty).status == 201
    for kind in ("sig", "sbom"):
        artifact = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": f"application/{kind}", "annotations": {"a": kind},
                               "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(empty), "size": 2},
                               "layers": [], "subject": {"mediaType": MANIFEST, "digest": subject, "size": 1}}).encode()
        assert origin.api.request("PUT", f"/v2/signed/manifests/{digest(artifact)}", artifact, {"Content-Type": MANIFEST}).status == 201
    answer = cache.api.request("GET", path)
    assert answer.headers["Content-Type"] == "application/vnd.oci.image.index.v1+json"
    assert answer.json()["manifests"] == origin.api.request("GET", path).json()["manifests"] != []
    found = cache.api.request("GET", path + "?artifactType=application/sbom").json()["manifests"]
    assert [one["annotations"] for one in found] == [{"a": "sbom"}]
    # What was asked for stays when the origin is away.
    assert cache.api.request("GET", f"/v2/signed/manifests/{found[0]['digest']}").status == 200
    origin.stop()
    assert cache.api.request("GET", path).json()["manifests"] == found


def test_referrers_of_an_origin_that_only_has_their_tag(options):
    """As docker-registry 2.8, which has no lists of them."""
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": MANIFEST, "digest": "sha256:" + "1" * 64, "size": 7, "artifactType": "application/sig"}]}).encode()
    with LyingRegistry({"sha256-" + "0" * 64: (INDEX, index)}, {}) as origin, cache_of(options, origin.address) as cache:
        found = cache.api.request("GET", f"/v2/a/referrers/sha256:{'0' * 64}").json()["manifests"]
        assert [one["digest"] for one in found] == ["sha256:" + "1" * 64]
        assert cache.api.request("GET", f"/v2/a/referrers/sha256:{'2' * 64}").json()["manifests"] == []


def test_referrers_of_an_origin_that_makes_no_sense(options):
    """They are those that are here, as when it is away."""
    subject = "sha256:" + "0" * 64
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [], "config": {"digest": digest(b"{}"), "size": 2},
                           "subject": {"digest": subject, "size": 1}}).encode()
    with LyingRegistry({"latest": (MANIFEST, manifest)}, {}) as origin, cache_of(options, origin.address) as cache:
        assert cache.api.request("GET", "/v2/a/manifests/latest").status == 200

        def found():
            return [one["digest"] for one in cache.api.request("GET", f"/v2/a/referrers/{subject}").json()["manifests"]]
        assert found() == []  # it has none
        origin.lies["/referrers/" + subject] = lambda handler, _: handler.reply(200, b"<html>")
        assert found() == [digest(manifest)]
        del origin.lies["/referrers/" + subject]
        origin.lies["/manifests/" + subject.replace(":", "-")] = lambda handler, _: handler.refuse(403, "DENIED", "no")
        assert found() == [digest(manifest)]


def test_nothing_of_an_origin_becomes_a_header(options):
    with LyingRegistry({"latest": ("", b'{"mediaType": "a/b\\r\\nX-Evil: 1"}')}, {}) as origin, \
            cache_of(options, origin.address) as cache:
        assert cache.api.request("GET", "/v2/a/manifests/latest").status == 503
        tags = json.dumps({"tags": ["a\r\nX-Evil: 1", "a", "b"]}).encode()
        origin.lies["/tags/list"] = lambda handler, _: handler.reply(200, tags)
        answer = cache.api.request("GET", "/v2/a/tags/list?n=1")
        assert answer.json()["tags"] == ["a"] and "X-Evil" not in answer.headers
