"""`berth registry serve`: the engine and skopeo push to it and pull from it; what it refuses; what it survives."""

import base64
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading

import pytest

from support.berth_registry import BerthRegistry
from support.lying_registry import digest, image
from support.tcp_api import TcpApi
from support.waiting import eventually
from test_images import clean  # noqa: F401  (a fixture of the tests that use the engine)

pytestmark = pytest.mark.berth
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def registry(options):
    with BerthRegistry(options.bin_dir, "--gc-grace", "0s", "--gc-interval", "0s") as server:
        yield server


def push_blob(api, repository, data, **query):
    place = api.request("POST", f"/v2/{repository}/blobs/uploads/")
    assert place.status == 202
    return api.request("PUT", f"{place.headers['Location']}?digest={query.get('digest', digest(data))}", data)


def push_image(api, repository, tag, files):
    manifest, blobs = image(files, "oci")
    for data in blobs.values():
        assert push_blob(api, repository, data).status == 201
    answer = api.request("PUT", f"/v2/{repository}/manifests/{tag}", manifest, {"Content-Type": MANIFEST})
    assert answer.status == 201, answer
    return digest(manifest), set(blobs)


def code(answer):
    return answer.status, answer.json()["errors"][0]["code"]


# ---- peers

def test_the_engine_pushes_and_pulls(docker, api, registry):
    name = f"{registry.address}/team/full"
    docker("tag", "full", name)
    docker("push", name)
    before = api.get(f"/images/{name}/json")
    docker("rmi", name)
    docker("pull", name)
    after = api.get(f"/images/{name}/json")
    assert (after["Id"], after["RepoDigests"], after["RootFS"]) == (before["Id"], before["RepoDigests"], before["RootFS"])
    assert registry.api.request("GET", "/v2/_catalog").json() == {"repositories": ["team/full"]}
    assert registry.api.request("GET", "/v2/team/full/tags/list").json() == {"name": "team/full", "tags": ["latest"]}
    assert registry.run("fsck").returncode == 0


def test_skopeo(docker, api, registry, scratch):
    docker("tag", "busybox", f"{registry.address}/box")
    docker("push", f"{registry.address}/box")
    for target in (f"oci:{scratch}/layout:latest", f"docker://{registry.address}/copied/box"):
        subprocess.run(["skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false",
                        f"docker://{registry.address}/box", target], check=True, capture_output=True, timeout=60)
    subprocess.run(["skopeo", "copy", "--dest-tls-verify=false", f"oci:{scratch}/layout:latest",
                    f"docker://{registry.address}/from/layout"], check=True, capture_output=True, timeout=60)
    docker("pull", f"{registry.address}/copied/box")
    docker("pull", f"{registry.address}/from/layout")
    views = [api.get(f"/images/{registry.address}/{n}/json") for n in ("box", "copied/box", "from/layout")]
    assert views[0]["Id"] == views[1]["Id"]
    # An OCI layout has a config of its own, over the same layers.
    assert views[0]["RootFS"] == views[1]["RootFS"] == views[2]["RootFS"]


# ---- blobs

def test_a_blob_in_one_request_and_in_chunks(registry):
    data = os.urandom(300_000)
    one = registry.api.request("POST", f"/v2/a/blobs/uploads/?digest={digest(data)}", data)
    assert one.status == 201 and one.headers["Location"] == f"/v2/a/blobs/{digest(data)}"
    place = registry.api.request("POST", "/v2/b/blobs/uploads/").headers["Location"]
    for start in range(0, len(data), 70_000):
        chunk = data[start:start + 70_000]
        answer = registry.api.request("PATCH", place, chunk, {"Content-Range": f"{start}-{start + len(chunk) - 1}"})
        assert answer.status == 202 and answer.headers["Range"] == f"0-{start + len(chunk) - 1}"
        place = answer.headers["Location"]
    assert registry.api.request("PUT", f"{place}?digest={digest(data)}").status == 201
    for repository in "ab":
        assert registry.api.request("GET", f"/v2/{repository}/blobs/{digest(data)}").body == data


def test_a_chunk_out_of_order_changes_nothing(registry):
    place = registry.api.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
    registry.api.request("PATCH", place, b"x" * 10, {"Content-Range": "0-9"})
    for wrong in ("0-9", "11-20", "nonsense"):
        assert registry.api.request("PATCH", place, b"y" * 10, {"Content-Range": wrong}).status == 416
    assert registry.api.request("GET", place).headers["Range"] == "0-9"
    assert registry.api.request("PUT", f"{place}?digest={digest(b'x' * 10)}").status == 201


def test_sha512(registry):
    """OCI's other registered algorithm: a digest may come after the bytes, with them, or be announced."""
    api = registry.api
    blobs = [os.urandom(300_000) for _ in range(3)] + [b""]
    names = ["sha512:" + hashlib.sha512(blob).hexdigest() for blob in blobs]
    assert push_blob(api, "a", blobs[0], digest=names[0]).status == 201
    assert api.request("POST", f"/v2/a/blobs/uploads/?digest={names[1]}", blobs[1]).status == 201
    place = api.request("POST", "/v2/a/blobs/uploads/?digest-algorithm=sha512").headers["Location"]
    api.request("PATCH", place, blobs[2][:1000])
    registry.kill()
    registry.start()
    api.request("PATCH", place, blobs[2][1000:])
    assert api.request("PUT", f"{place}?digest={names[2]}").status == 201
    assert push_blob(api, "a", blobs[3], digest=names[3]).status == 201
    assert code(push_blob(api, "a", blobs[1], digest=names[0])) == (400, "DIGEST_INVALID")
    assert code(push_blob(api, "a", blobs[0], digest=names[0][:-64])) == (400, "DIGEST_INVALID")
    for name, blob in zip(names, blobs):
        answer = api.request("GET", f"/v2/a/blobs/{name}")
        assert (answer.status, answer.body, answer.headers["Docker-Content-Digest"]) == (200, blob, name)
    assert api.request("POST", f"/v2/b/blobs/uploads/?mount={names[0]}&from=a").status == 201

    def descriptor(at, kind):
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": names[at], "size": len(blobs[at])}

    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(0, "config.v1+json"),
                           "layers": [descriptor(1, "layer.v1.tar"), descriptor(2, "layer.v1.tar")]}).encode()
    name = "sha512:" + hashlib.sha512(manifest).hexdigest()
    headers = {"Content-Type": MANIFEST}
    assert code(api.request("PUT", f"/v2/a/manifests/{names[0]}", manifest, headers)) == (400, "DIGEST_INVALID")
    answer = api.request("PUT", f"/v2/a/manifests/{name}", manifest, headers)
    assert (answer.status, answer.headers["Docker-Content-Digest"]) == (201, name)
    assert api.request("GET", f"/v2/a/manifests/{name}").body == manifest
    subject = {"mediaType": MANIFEST, "digest": name, "size": len(manifest)}
    about = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(0, "config.v1+json"), "layers": [],
                        "subject": subject}).encode()
    assert api.request("PUT", "/v2/a/manifests/about", about, headers).headers["OCI-Subject"] == name
    assert [entry["digest"] for entry in api.request("GET", f"/v2/a/referrers/{name}").json()["manifests"]] == [digest(about)]

    api.request("DELETE", f"/v2/a/blobs/{names[3]}")
    registry.stop()
    assert registry.run("gc", "--gc-grace", "0s").returncode == 0
    report = registry.run("fsck")
    assert report.returncode == 0, report.stdout
    assert {entry.split(":")[1] for entry in [*names[:3], name, digest(about)]} == registry.files()
    path = f"{registry.root}/blobs/sha512/{names[1].split(':')[1]}"
    with open(path, "r+b") as file:
        file.write(b"rotten")
    report = registry.run("fsck")
    assert report.returncode == 1 and f"damaged: {names[1]}" in report.stdout
    registry.start()


def test_ranges(registry):
    data = bytes(range(256)) * 100
    push_blob(registry.api, "a", data)
    path = f"/v2/a/blobs/{digest(data)}"
    for text, expected in (("bytes=0-0", data[:1]), ("bytes=100-", data[100:]), ("bytes=-10", data[-10:]),
                           ("bytes=25599-99999", data[-1:]), ("bytes=-99999", data)):
        answer = registry.api.request("GET", path, headers={"Range": text})
        assert (answer.status, answer.body) == (206, expected), text
    for text in ("bytes=25600-", "bytes=9-8", "bytes=-0"):
        outside = registry.api.request("GET", path, headers={"Range": text})
        assert (outside.status, outside.headers["Content-Range"]) == (416, "bytes */25600"), text
    for text in ("lines=1-2", "bytes=x-y", "bytes=0-1,3-4"):
        assert registry.api.request("GET", path, headers={"Range": text}).body == data, text
    head = registry.api.request("HEAD", path)
    assert head.headers["Content-Length"] == str(len(data)) and head.body == b""


def test_what_a_client_has_is_not_sent(registry):
    pushed, blobs = push_image(registry.api, "a", "latest", [{"f": "1"}])
    for path, name in ((f"/v2/a/blobs/{min(blobs)}", min(blobs)), ("/v2/a/manifests/latest", pushed)):
        for text, status in ((f'"{name}"', 304), (f'W/"{name}"', 304), (f'"x", W/"y" , "{name}"', 304), ("*", 304), (" * ", 304),
                             ('"x"', 200), (name, 200), (f'"{name[:-1]}"', 200), ("", 200), ("**", 200)):
            assert registry.api.request("GET", path, headers={"If-None-Match": text}).status == status, text


def test_a_wrong_digest_is_refused_and_leaves_nothing(registry):
    place = registry.api.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
    assert code(registry.api.request("PUT", f"{place}?digest={digest(b'other')}", b"data")) == (400, "DIGEST_INVALID")
    assert code(registry.api.request("GET", place)) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert registry.files() == set() and os.listdir(registry.root + "/uploads") == []


def test_an_upload_belongs_to_its_repository(registry):
    place = registry.api.request("POST", "/v2/mine/blobs/uploads/").headers["Location"]
    assert code(registry.api.request("PATCH", place.replace("/mine/", "/yours/"), b"x")) == (404, "BLOB_UPLOAD_UNKNOWN")
    for odd in ("..%2f..%2fregistry.db", "x", "0" * 32 + "-" + "0" * 16):
        assert registry.api.request("GET", f"/v2/mine/blobs/uploads/{odd}").status == 404


def test_mounting_needs_the_blob_to_be_there(registry):
    push_blob(registry.api, "a", b"data")
    path = f"/v2/b/blobs/uploads/?mount={digest(b'data')}&from="
    assert registry.api.request("POST", path + "c").status == 202
    assert registry.api.request("POST", path + "a").status == 201
    assert registry.api.request("GET", f"/v2/b/blobs/{digest(b'data')}").body == b"data"
    assert code(registry.api.request("GET", f"/v2/c/blobs/{digest(b'data')}")) == (404, "BLOB_UNKNOWN")


# ---- manifests

def test_bad_manifests(registry):
    manifest, _ = image([{"a": "b"}], "oci")

    def put(reference, body, kind=MANIFEST):
        return registry.api.request("PUT", f"/v2/a/manifests/{reference}", body, {"Content-Type": kind})
    assert code(put("latest", manifest)) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert code(put("latest", b"nonsense")) == (400, "MANIFEST_INVALID")
    assert code(put("latest", b"{}", "")) == (400, "MANIFEST_INVALID")
    assert code(put("sha256:" + "0" * 64, b"{}")) == (400, "DIGEST_INVALID")
    assert code(put("-bad-", b"{}")) == (400, "TAG_INVALID")
    assert code(put("latest", b" " * (5 << 20)))[0] == 413
    for odd in ("a/b\r\nX-Evil: 1", "a/b\r\n\r\n", "a b"):
        body = json.dumps({"schemaVersion": 2, "mediaType": odd}).encode()
        assert code(put("latest", body, "")) == (400, "MANIFEST_INVALID")
    assert code(registry.api.request("PUT", "/v2/UPPER/manifests/latest", b"{}")) == (400, "NAME_INVALID")
    assert code(registry.api.request("GET", "/v2/a/manifests/latest")) == (404, "NAME_UNKNOWN")
    assert registry.files() == set()


def test_tags_in_pages(registry):
    for tag in ("b", "a", "d", "c"):
        push_image(registry.api, "x", tag, [{"f": "1"}])
    first = registry.api.request("GET", "/v2/x/tags/list?n=3")
    assert first.json()["tags"] == ["a", "b", "c"]
    assert first.headers["Link"] == '</v2/x/tags/list?n=3&last=c>; rel="next"'
    second = registry.api.request("GET", "/v2/x/tags/list?n=3&last=c")
    assert second.json()["tags"] == ["d"] and "Link" not in second.headers
    assert registry.api.request("GET", "/v2/x/tags/list?n=-1").status == 400


def test_referrers(registry):
    subject, _ = push_image(registry.api, "x", "latest", [{"f": "1"}])
    push_blob(registry.api, "x", b"{}")
    artifact = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/sbom", "annotations": {"k": "v"},
                           "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2},
                           "layers": [], "subject": {"mediaType": MANIFEST, "digest": subject, "size": 1}}).encode()
    answer = registry.api.request("PUT", f"/v2/x/manifests/{digest(artifact)}", artifact, {"Content-Type": MANIFEST})
    assert answer.headers["OCI-Subject"] == subject
    index = registry.api.request("GET", f"/v2/x/referrers/{subject}").json()
    assert [(m["digest"], m["artifactType"], m["annotations"]) for m in index["manifests"]] == [
        (digest(artifact), "application/sbom", {"k": "v"})]
    assert registry.api.request("GET", f"/v2/x/referrers/{subject}?artifactType=other").json()["manifests"] == []


def put_referrer(registry, subject, kind, **annotations):
    text = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "artifactType": kind, "manifests": [], "annotations": annotations,
                       "subject": {"mediaType": MANIFEST, "digest": subject, "size": 1}}).encode()
    assert registry.api.request("PUT", f"/v2/x/manifests/{digest(text)}", text, {"Content-Type": INDEX}).status == 201
    return digest(text)


def referrers(registry, path):
    """All pages; and how many there were."""
    found, pages = [], 0
    while path:
        answer = registry.api.request("GET", path)
        assert answer.status == 200
        found += answer.json()["manifests"]
        pages += 1
        path = answer.headers["Link"].partition(">")[0][1:] if "Link" in answer.headers else None
    return found, pages


def test_referrers_come_in_pages(options, registry):
    """Each may be as large as a manifest, and there may be any number: an answer is neither."""
    subject = "sha256:" + "0" * 64
    path = f"/v2/x/referrers/{subject}"
    small = {put_referrer(registry, subject, "a/small+b c", number=str(i)) for i in range(7)}
    large = {put_referrer(registry, subject, "a/large", text="x" * 700_000, number=str(i)) for i in range(5)}
    found, pages = referrers(registry, path)
    assert {one["digest"] for one in found} == small | large and len(found) == 12 and pages >= 4
    assert all(len(one["annotations"].get("text", "")) in (0, 700_000) for one in found)
    assert len(registry.api.request("GET", path).body) < 2 << 20
    found, pages = referrers(registry, path + "?artifactType=a%2Fsmall%2Bb%20c&n=3")
    assert {one["digest"] for one in found} == small and len(found) == 7 and pages == 3
    assert referrers(registry, path + "?artifactType=other") == ([], 1)
    with BerthRegistry(options.bin_dir, "--proxy-remote", f"http://{registry.address}") as cache:
        found, pages = referrers(cache, path)
        assert {one["digest"] for one in found} == small | large and len(found) == 12 and pages >= 4
        assert {one["digest"] for one in referrers(cache, path + "?artifactType=a/large")[0]} == large


# ---- collecting

def test_what_a_push_has_asked_for_stays(options):
    """A client that found a blob here doesn't send it again; its manifest comes a while later."""
    with BerthRegistry(options.bin_dir, "--gc-grace", "1h") as registry:
        for repository, data in (("a", b"asked for"), ("a", b"forgotten"), ("b", b"mounted")):
            push_blob(registry.api, repository, data)
        with contextlib.closing(sqlite3.connect(registry.root + "/registry.db", timeout=30)) as database, database:
            database.execute("UPDATE links SET since = since - 3590")
        assert registry.api.request("HEAD", f"/v2/a/blobs/{digest(b'asked for')}").status == 200
        assert registry.api.request("POST", f"/v2/a/blobs/uploads/?mount={digest(b'mounted')}&from=b").status == 201
        with contextlib.closing(sqlite3.connect(registry.root + "/registry.db", timeout=30)) as database, database:
            database.execute("UPDATE links SET since = since - 20")
        assert registry.run("gc").stdout.startswith("0 manifests, 1 blobs, ")
        assert [registry.api.request("HEAD", f"/v2/a/blobs/{digest(data)}").status for data in (b"asked for", b"mounted", b"forgotten")] == [
            200, 200, 404]


def test_deleting_and_collecting(registry):
    kept, kept_blobs = push_image(registry.api, "x", "keep", [{"f": "1"}, {"shared": "s"}])
    gone, gone_blobs = push_image(registry.api, "x", "drop", [{"f": "2"}, {"shared": "s"}])
    assert registry.api.request("DELETE", "/v2/x/manifests/drop").status == 202
    assert registry.api.request("GET", f"/v2/x/manifests/{gone}").status == 200  # only the tag is gone
    assert registry.api.request("DELETE", f"/v2/x/manifests/{gone}").status == 202
    assert code(registry.api.request("DELETE", f"/v2/x/manifests/{gone}")) == (404, "MANIFEST_UNKNOWN")
    assert registry.run("gc", "--gc-grace", "0s").returncode == 0  # beside the server
    expected = {d.partition(":")[2] for d in kept_blobs | {kept}}
    assert registry.files() == expected
    assert registry.api.request("GET", "/v2/x/manifests/keep").status == 200
    assert registry.run("fsck").returncode == 0


def test_collecting_does_not_disturb_pushes(registry):
    """The same content comes and goes while garbage is collected: what was answered is there."""
    failures = []

    def work(number):
        try:
            for i in range(12):
                name = f"w{number}"
                pushed, _ = push_image(registry.api, name, "t", [{"f": f"{i % 3}"}, {"g": "same"}])
                assert registry.api.request("GET", f"/v2/{name}/manifests/t").status == 200
                registry.api.request("DELETE", f"/v2/{name}/manifests/{pushed}")
        except AssertionError as error:
            failures.append(error)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        # An hour's grace in real life; a minute here would never collect. What has no link goes at once.
        assert registry.run("gc", "--gc-grace", "2s").returncode == 0
    for thread in threads:
        thread.join()
    assert not failures
    assert registry.run("fsck").returncode == 0


def fill(registry, count):
    """Blobs that no manifest needs, each second one with a link, as after many pushes that came to nothing."""
    with contextlib.closing(sqlite3.connect(registry.root + "/registry.db", timeout=30)) as database, database:
        for i in range(count):
            database.execute("INSERT INTO blobs VALUES(?, 1)", [digest(b"useless %d" % i)])
            if i % 2:
                database.execute("INSERT INTO links VALUES('useless', ?, 0)", [digest(b"useless %d" % i)])


def test_gc_asks_the_registry_that_serves(registry):
    """Two processes that write would wait for each other. What is more than one transaction's worth goes whole."""
    kept, _ = push_image(registry.api, "x", "keep", [{"f": "1"}])
    fill(registry, 2000)
    done = registry.run("gc", "--gc-grace", "0s")
    assert done.returncode == 0 and done.stdout == "0 manifests, 2000 blobs, 2000 bytes collected\n"
    assert registry.metric("collected_blobs_total") == 2000 and registry.metric("blobs") == 3
    assert registry.run("fsck").returncode == 0
    registry.stop()
    fill(registry, 600)
    assert registry.run("gc", "--gc-grace", "0s").stdout == "0 manifests, 600 blobs, 600 bytes collected\n"
    registry.start()
    assert registry.metric("blobs") == 3 and registry.api.request("GET", f"/v2/x/manifests/{kept}").status == 200


def test_collecting_follows_what_is_freed(registry):
    """An index's manifests, what refers to them, and what refers to that, go with its tag, in one run."""
    def put(reference, **fields):
        text = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], **fields}).encode()
        answer = registry.api.request("PUT", f"/v2/x/manifests/{reference or digest(text)}", text, {"Content-Type": INDEX})
        assert answer.status == 201
        return {"mediaType": INDEX, "digest": digest(text), "size": len(text)}
    images = [push_image(registry.api, "x", f"i{i}", [{"f": str(i)}])[0] for i in range(3)]
    index = put("index", manifests=[{"mediaType": MANIFEST, "digest": name, "size": 1} for name in images])
    about = put("", subject=index)
    put("", subject=about, annotations={"about": "it"})
    put("", subject={**index, "digest": images[0]}, annotations={"about": "kept"})
    for tag in ("i1", "i2"):
        registry.api.request("DELETE", f"/v2/x/manifests/{tag}")
    assert registry.run("gc", "--gc-grace", "0s", "--gc-untagged").stdout.startswith("0 manifests, ")
    registry.api.request("DELETE", "/v2/x/manifests/index")
    assert registry.run("gc", "--gc-grace", "0s", "--gc-untagged").stdout.startswith("5 manifests, ")
    assert registry.metric("manifests") == 2 and registry.metric("blobs") == 4  # i0, its two blobs, what refers to it
    assert registry.run("fsck").returncode == 0


def test_a_collection_that_fails_ends_nothing(registry):
    for data, ask in ((b"one", lambda: registry.run("gc", "--gc-grace", "0s")),
                      (b"two", lambda: registry.process.send_signal(signal.SIGHUP))):
        push_blob(registry.api, "a", data)
        path = f"{registry.root}/blobs/sha256/{digest(data).partition(':')[2]}"
        os.unlink(path)
        os.makedirs(path + "/no file")
        asked = ask()
        if asked:
            assert asked.returncode == 1 and "the registry that serves the folder: unlink" in asked.stderr, asked
        else:
            eventually(lambda: "collecting: unlink" in registry.log())
        shutil.rmtree(path)
    assert push_blob(registry.api, "b", b"other data").status == 201
    assert registry.run("gc", "--gc-grace", "0s").returncode == 0


def test_stopping_does_not_wait_for_a_collection(registry):
    fill(registry, 30_000)
    registry.process.send_signal(signal.SIGSTOP)  # so that it gets both at once
    registry.process.send_signal(signal.SIGHUP)
    registry.process.terminate()
    registry.process.send_signal(signal.SIGCONT)
    assert registry.process.wait(30) == 0
    registry.start()
    left = registry.metric("blobs")
    assert left > 0
    assert registry.run("gc", "--gc-grace", "0s").stdout.startswith(f"0 manifests, {left} blobs, ")


# ---- who may, and how much

def test_users(options, scratch):
    done = subprocess.run(["htpasswd", "-nbB", "-C", "5", "moby", "whale"], capture_output=True, text=True, check=True)
    with open(scratch + "/users", "w") as f:
        f.write(done.stdout)
    with BerthRegistry(options.bin_dir, "--htpasswd", scratch + "/users", "--anonymous-read") as registry:
        def headers(text):
            return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}
        assert push_blob(TcpApi(registry.address, headers("moby:whale")), "a", b"data").status == 201
        path = f"/v2/a/blobs/{digest(b'data')}"
        assert registry.api.request("GET", path).body == b"data"
        for wrong in ({}, headers("moby:wrong"), headers("nobody:whale"), headers("moby"), {"Authorization": "Basic ???"}):
            refused = registry.api.request("POST", "/v2/a/blobs/uploads/", headers=wrong)
            assert code(refused) == (401, "UNAUTHORIZED") and refused.headers["WWW-Authenticate"].startswith("Bearer realm=")
        assert registry.api.request("GET", path, headers=headers("moby:wrong")).status == 401


def test_quota_and_immutable_tags(options):
    with BerthRegistry(options.bin_dir, "--quota", "100k", "--immutable-tags") as registry:
        assert push_blob(registry.api, "a", os.urandom(90_000)).status == 201
        assert code(push_blob(registry.api, "a", os.urandom(90_000))) == (403, "DENIED")
        assert push_blob(registry.api, "b", os.urandom(90_000)).status == 201
        push_image(registry.api, "c", "1", [{"f": "1"}])
        push_image(registry.api, "c", "1", [{"f": "1"}])  # the same again is no change
        manifest, blobs = image([{"f": "2"}], "oci")
        for data in blobs.values():
            push_blob(registry.api, "c", data)
        answer = registry.api.request("PUT", "/v2/c/manifests/1", manifest, {"Content-Type": MANIFEST})
        assert code(answer) == (409, "DENIED")


def test_immutable_tags_are_not_deleted(options):
    """They could be given anew."""
    with BerthRegistry(options.bin_dir, "--immutable-tags") as registry:
        pushed, _ = push_image(registry.api, "c", "1", [{"f": "1"}])
        untagged = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
        registry.api.request("PUT", f"/v2/c/manifests/{digest(untagged)}", untagged, {"Content-Type": INDEX})
        for reference in ("1", pushed):
            assert code(registry.api.request("DELETE", f"/v2/c/manifests/{reference}")) == (405, "UNSUPPORTED")
        assert registry.api.request("GET", "/v2/c/manifests/1").status == 200
        assert registry.api.request("DELETE", f"/v2/c/manifests/{digest(untagged)}").status == 202


def test_a_quota_holds_for_all_ways_in(options):
    with BerthRegistry(options.bin_dir, "--quota", "100k") as registry:
        api, full = registry.api, (403, "DENIED")
        data = os.urandom(60_000)
        assert push_blob(api, "a", data).status == 201
        assert push_blob(api, "a", data).status == 201  # the same again takes nothing
        assert push_blob(api, "b", os.urandom(60_000)).status == 201
        assert code(api.request("POST", f"/v2/b/blobs/uploads/?mount={digest(data)}&from=a", b"")) == full
        assert api.request("HEAD", f"/v2/b/blobs/{digest(data)}").status == 404
        # An upload that can't fit is refused when it has become too large, not at its end.
        place = api.request("POST", "/v2/c/blobs/uploads/").headers["Location"]
        assert api.request("PATCH", place, b"x" * 80_000).status == 202
        assert code(api.request("PATCH", place, b"x" * 80_000)) == full
        assert os.listdir(registry.root + "/uploads") == []
        # Several at once, each of which would fit alone.
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(push_blob(TcpApi(registry.address), "d", os.urandom(40_000)).status))
                   for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [201] * 2 + [403] * 6


def test_nothing_is_deleted_where_that_is_forbidden(options):
    with BerthRegistry(options.bin_dir, "--no-delete") as registry:
        pushed, _ = push_image(registry.api, "a", "1", [{"f": "1"}])
        assert code(registry.api.request("DELETE", f"/v2/a/manifests/{pushed}")) == (405, "UNSUPPORTED")


def test_metrics(registry):
    push_blob(registry.api, "a", b"data")
    text = registry.api.request("GET", "/metrics").body.decode()
    assert 'berth_registry_requests_total{method="PUT",code="201"} 1' in text and "berth_registry_blobs 1\n" in text


def test_a_head_counts_no_bytes(registry):
    data = os.urandom(100_000)
    push_blob(registry.api, "a", data)
    before = registry.metric("sent_bytes_total")
    assert registry.api.request("HEAD", f"/v2/a/blobs/{digest(data)}").headers["Content-Length"] == "100000"
    assert registry.metric("sent_bytes_total") - before < 10_000
    registry.api.request("GET", f"/v2/a/blobs/{digest(data)}")
    assert registry.metric("sent_bytes_total") - before > 100_000


# ---- what it survives

def test_an_upload_goes_on_after_a_kill(registry):
    data = os.urandom(1 << 20)
    place = registry.api.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
    assert registry.api.request("PATCH", place, data[:600_000]).status == 202
    registry.kill()
    registry.start()
    assert registry.api.request("GET", place).headers["Range"] == "0-599999"
    assert registry.api.request("PATCH", place, data[600_000:], {"Content-Range": f"600000-{len(data) - 1}"}).status == 202
    assert registry.api.request("PUT", f"{place}?digest={digest(data)}").status == 201
    assert registry.api.request("GET", f"/v2/a/blobs/{digest(data)}").body == data


def test_uploads_that_nobody_goes_on_with_hold_no_descriptors(registry):
    data = os.urandom(100_000)
    places = [registry.api.request("POST", "/v2/a/blobs/uploads/").headers["Location"]]
    assert registry.api.request("PATCH", places[0], data[:60_000]).status == 202
    places += [registry.api.request("POST", "/v2/a/blobs/uploads/").headers["Location"] for _ in range(400)]
    assert len(os.listdir(f"/proc/{registry.process.pid}/fd")) < 350
    for place in places:
        start = int(registry.api.request("GET", place).headers["Range"].removeprefix("0-") or 0)
        start += 1 if start else 0
        assert registry.api.request("PATCH", place, data[start:], {"Content-Range": f"{start}-{len(data) - 1}"}).status == 202
    assert registry.api.request("PUT", f"{places[0]}?digest={digest(data)}").status == 201
    assert registry.api.request("PUT", f"{places[-1]}?digest={digest(data)}").status == 201


def test_a_client_that_vanishes_keeps_nothing(registry):
    """It is silent, but its connection seems to live: who goes on with the upload, or drops it, need not wait for that."""
    host, port = registry.address.split(":")
    with contextlib.ExitStack() as stack:
        places = []
        for _ in range(2):
            place = registry.api.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
            client = stack.enter_context(socket.create_connection((host, int(port))))
            client.sendall(f"PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode() + b"a" * 1000)
            places.append(place)
        for place in places:
            eventually(lambda: registry.api.request("GET", place).headers.get("Range") == "0-999")
        answer = registry.api.request("PATCH", places[0], b"b" * 10, {"Content-Range": "1000-1009"})
        assert (answer.status, answer.headers["Range"]) == (202, "0-1009")
        data = b"a" * 1000 + b"b" * 10
        assert registry.api.request("PUT", f"{places[0]}?digest={digest(data)}").status == 201
        assert registry.api.request("DELETE", places[1]).status == 204
        assert registry.api.request("GET", places[1]).status == 404


@pytest.mark.parametrize("interval", ["1s", "0s"])
def test_an_upload_that_expires_takes_no_more(options, interval):
    """By itself, or when the registry is told to collect (with 0s it looks for uploads once in an hour)."""
    with BerthRegistry(options.bin_dir, "--gc-interval", interval) as registry:
        place = registry.api.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
        assert registry.api.request("PATCH", place, b"four").status == 202
        path = f"{registry.root}/uploads/{place.rpartition('/')[2]}"
        os.utime(path, (1, 1))
        if interval == "0s":
            registry.process.send_signal(signal.SIGHUP)
        eventually(lambda: not os.path.exists(path))
        assert code(registry.api.request("PATCH", place, b"more")) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_a_request_under_way_ends_before_the_registry_does(registry):
    data = os.urandom(1 << 20)
    host, port = registry.address.split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(f"POST /v2/a/blobs/uploads/?digest={digest(data)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode())
        client.sendall(data[:500_000])
        eventually(lambda: any(os.path.getsize(f"{registry.root}/uploads/{name}") for name in os.listdir(registry.root + "/uploads")))
        registry.process.terminate()

        def is_closed():
            with socket.socket() as another:
                return another.connect_ex((host, int(port))) != 0
        eventually(is_closed)
        client.sendall(data[500_000:])
        assert client.recv(4096).startswith(b"HTTP/1.1 201 ")
        assert registry.process.wait(20) == 0
    registry.start()
    assert registry.api.request("GET", f"/v2/a/blobs/{digest(data)}").body == data


def test_killed_at_random_points(registry):
    """What was answered is there after every kill, and fsck finds nothing."""
    seed = int(os.environ.get("BERTH_CRASH_SEED", "7"))
    rng = random.Random(seed)
    answered = {}
    for round_number in range(12):
        stop = threading.Event()

        def pusher(number):
            for i in range(1000):
                if stop.is_set():
                    return
                try:
                    pushed, _ = push_image(registry.api, f"r{number}", f"t{i % 5}", [{"f": f"{round_number} {number} {i}"}])
                    answered[(f"r{number}", pushed)] = True
                except (OSError, AssertionError):
                    return
                except Exception:  # http.client's many ways to say that the line was cut
                    return
        threads = [threading.Thread(target=pusher, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        stop.wait(rng.uniform(0.02, 0.4))
        registry.kill()
        stop.set()
        for thread in threads:
            thread.join()
        registry.start()
        check = registry.run("fsck")
        assert check.returncode == 0, (seed, check.stdout)
        for repository, pushed in rng.sample(sorted(answered), min(20, len(answered))):
            answer = registry.api.request("GET", f"/v2/{repository}/manifests/{pushed}")
            assert answer.status == 200 and "sha256:" + hashlib.sha256(answer.body).hexdigest() == pushed
    assert answered


def test_two_can_not_serve_one_folder(registry, options):
    second = subprocess.run([options.bin_dir + "/berth", "registry", "serve", "--root", registry.root, "-a", "127.0.0.1:0"],
                            capture_output=True, text=True, timeout=20)
    assert second.returncode == 1 and "is served by another process" in second.stderr


def test_what_was_lost_comes_with_the_next_push(registry):
    """A client that asks first is told that it isn't here; one that doesn't, mends it."""
    def path_of(name):
        return f"{registry.root}/blobs/sha256/{name.partition(':')[2]}"

    def damage(name, text):
        if text is None:
            os.unlink(path_of(name))
        else:
            with open(path_of(name), "wb") as file:
                file.write(text)
    pushed, blobs = push_image(registry.api, "a", "t", [{"f": "1"}])
    size = os.path.getsize(path_of(pushed))
    for text in (None, b"short", b"x" * size):
        damage(pushed, text)
        assert registry.run("fsck").returncode == 1
        assert registry.api.request("HEAD", "/v2/a/manifests/t").status == (200 if text and len(text) == size else 404)
        assert push_image(registry.api, "a", "t", [{"f": "1"}])[0] == pushed
        assert digest(registry.api.request("GET", "/v2/a/manifests/t").body) == pushed
        assert registry.run("fsck").returncode == 0
    for text in (None, b"short"):
        damage(min(blobs), text)
        assert registry.api.request("HEAD", f"/v2/a/blobs/{min(blobs)}").status == 404
        assert registry.api.request("POST", f"/v2/b/blobs/uploads/?mount={min(blobs)}&from=a").status == 202
        push_image(registry.api, "a", "t", [{"f": "1"}])
        assert registry.run("fsck").returncode == 0


def test_fsck_compares_the_tables(registry):
    pushed, blobs = push_image(registry.api, "a", "t", [{"f": "1"}])
    registry.api.request("DELETE", f"/v2/a/blobs/{min(blobs)}")
    allowed = registry.run("fsck")
    assert allowed.returncode == 0 and f"not here: a {pushed} {min(blobs)}\n" in allowed.stdout
    push_image(registry.api, "a", "t", [{"f": "1"}])

    def faults(*changes):
        with contextlib.closing(sqlite3.connect(registry.root + "/registry.db", timeout=30, isolation_level=None)) as database:
            for change in changes:
                database.execute(change)
        found = registry.run("fsck")
        return found.returncode, found.stdout.splitlines()[:-1]
    nothing = "sha256:" + "0" * 64
    assert faults(f"INSERT INTO tags VALUES('a', 'lost', '{nothing}', 0)") == (1, [f"tag of no manifest: a lost {nothing}"])
    assert faults("DELETE FROM tags WHERE name = 'lost'", f"INSERT INTO links VALUES('a', '{nothing}', 0)") == (
        1, [f"link to no blob: a {nothing}"])
    assert faults(f"DELETE FROM links WHERE digest = '{nothing}'", f"INSERT INTO refs VALUES('a', '{nothing}', '{max(blobs)}')") == (
        1, [f"reference of no manifest: a {nothing} {max(blobs)}"])
    assert faults(f"DELETE FROM refs WHERE manifest = '{nothing}' OR digest = '{max(blobs)}'") == (1, [f"references differ: a {pushed}"])
    push_image(registry.api, "a", "t", [{"f": "1"}])
    assert faults() == (0, [])


def test_a_damaged_blob_is_told(registry):
    push_blob(registry.api, "a", b"some data")
    path = next(os.path.join(folder, name) for folder, _, names in os.walk(registry.root + "/blobs") for name in names)
    with open(path, "wb") as f:
        f.write(b"other data")
    found = registry.run("fsck")
    assert found.returncode == 1 and "damaged: " + digest(b"some data") in found.stdout
