"""`manifest` of both clients: lists of images are put together from a registry, described, pushed, and pulled by platform; either
client goes on where the other was."""

import json
import os
import ssl
import subprocess

import pytest

from support.berth_registry import BerthRegistry
from support.lying_registry import LyingRegistry, digest, image
from support.peer_registry import PROGRAM, PeerRegistry
from support.tcp_api import TcpApi
from test_daemon import make_certificates
from test_images import clean  # noqa: F401  (a fixture of every test here)
from test_registry_access import RIGHTS, basic, make_users

pytestmark = pytest.mark.berth
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CLIENTS = ("docker", "berth")


def make_image(architecture, media="docker"):
    """Its manifest is laid out as dockerd does it, which old clients take for granted."""
    manifest, blobs = image([{"arch": architecture}], media)
    document = json.loads(manifest)
    config = {**json.loads(blobs.pop(document["config"]["digest"])), "architecture": architecture}
    text = json.dumps(config).encode()
    document["config"].update(digest=digest(text), size=len(text))
    return json.dumps(document, indent=3).encode(), {**blobs, digest(text): text}


def push_image(api, repository, tag, manifest, blobs):
    for data in blobs.values():
        place = api.request("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"].removeprefix("http://" + api.address)
        assert api.request("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest(data)}", data).status == 201
    kind = json.loads(manifest)["mediaType"]
    answer = api.request("PUT", f"/v2/{repository}/manifests/{tag}", manifest, {"Content-Type": kind})
    assert answer.status == 201, answer
    return digest(manifest)


def fill(api):
    return {f"{repository}:{architecture}": push_image(api, repository, architecture, *make_image(architecture))
            for repository, architecture in (("a", "amd64"), ("a", "arm64"), ("b", "s390x"))}


@pytest.fixture(scope="module")
def registry(options):
    with BerthRegistry(options.bin_dir) as server:
        server.digests = fill(server.api)
        push_image(server.api, "o", "amd64", *make_image("amd64", "oci"))
        yield server


@pytest.fixture
def client(options, scratch):
    """client("docker" or "berth", words…): each with its own folder of settings, or with `home`."""
    def run(program, *words, code=0, home=None):
        folder = f"{scratch}/{home or program}"
        os.makedirs(folder, exist_ok=True)
        path = "docker" if program == "docker" else options.bin_dir + "/berth"
        done = subprocess.run([path, "--config", folder, "manifest", *words], capture_output=True, text=True, timeout=60)
        assert code is None or done.returncode == code, done
        return done
    run.folder = scratch
    return run


@pytest.fixture(scope="session")
def docker_keeps_bytes():
    """docker before 28 knows no OCI images here, and forgets the bytes of manifests."""
    version = subprocess.run(["docker", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    return int(version.split(".")[0]) >= 28


def files(folder):
    found = {}
    for place, _, names in os.walk(folder + "/manifests"):
        for name in names:
            path = os.path.join(place, name)
            with open(path) as f:
                found[os.path.relpath(path, folder)] = f.read()
    return found


def without_bytes(document):
    return [{k: v for k, v in one.items() if k != "Raw"} for one in (document if isinstance(document, list) else [document])]


@pytest.mark.parametrize("first,second", [("docker", "docker"), ("berth", "berth"), ("docker", "berth"), ("berth", "docker")])
def test_from_images_to_a_list(client, registry, docker, api, first, second):
    a, name = registry.address, f"{registry.address}/list-{first}-{second}"

    def one(*words, **more):
        return client(first, *words, home="shared", **more).stdout

    def other(*words, **more):
        return client(second, *words, home="shared", **more).stdout
    assert one("create", "--insecure", name, f"{a}/a:amd64", f"{a}/a:arm64") == f"Created manifest list {name}:latest\n"
    refused = client(second, "create", "--insecure", name, f"{a}/b:s390x", home="shared", code=1)
    assert refused.stderr == "refusing to amend an existing manifest list with no --amend flag\n"
    other("create", "--insecure", "-a", name, f"{a}/b:s390x")
    assert other("annotate", name, f"{a}/a:arm64", "--variant", "v8", "--os-features", "x,y", "--os-features=y") == ""
    one("annotate", name, f"{a}/b:s390x", "--os-version", "1<2")
    expected = [("amd64", {}), ("arm64", {"os.features": ["x", "y"], "variant": "v8"}), ("s390x", {"os.version": "1<2"})]
    here = json.loads(one("inspect", name))
    assert [m["platform"] for m in here["manifests"]] == [{"architecture": n, "os": "linux", **more} for n, more in expected]
    assert sorted(m["digest"] for m in here["manifests"]) == sorted(registry.digests.values())
    pushed = other("push", "-p", name).splitlines()
    assert pushed[:-1] == [f"Pushed ref {name}@{d} with digest: {d}" for d in registry.digests.values()]
    assert client(first, "push", name, home="shared", code=1).stderr == f"No such manifest: {name}:latest\n"
    there = registry.api.request("GET", f"/v2/{name.split('/')[1]}/manifests/latest", headers={"Accept": LIST})
    assert there.headers["Content-Type"] == LIST and digest(there.body) == pushed[-1] and json.loads(there.body) == here
    assert json.loads(one("inspect", "--insecure", name)) == here == json.loads(other("inspect", "--insecure", name))
    for architecture in ("arm64", "amd64"):
        docker("pull", "--platform", f"linux/{architecture}", name)
        assert api.get(f"/images/{name}/json")["Architecture"] == architecture


def test_both_keep_and_show_the_same(client, registry, docker_keeps_bytes):
    a = registry.address
    for program in CLIENTS:
        client(program, "create", "--insecure", f"{a}/l:1", f"{a}/a:amd64", f"{a}/b:s390x", f"{a}/a@{registry.digests['a:arm64']}")
        client(program, "annotate", f"{a}/l:1", f"{a}/a:amd64", "--variant", "v3", "--os-version", "<&>")
    theirs, ours = (files(f"{client.folder}/{program}") for program in CLIENTS)
    assert theirs.keys() == ours.keys() and len(ours) == 3
    if docker_keeps_bytes:
        assert theirs == ours
    else:
        assert all(without_bytes(json.loads(theirs[name])) == without_bytes(json.loads(ours[name])) for name in ours)
    looks = [("inspect", f"{a}/l:1"), ("inspect", f"{a}/l:1", f"{a}/a:amd64"), ("inspect", "--insecure", f"{a}/a:amd64")]
    if docker_keeps_bytes:
        looks += [("inspect", "-v", f"{a}/l:1"), ("inspect", "-v", f"{a}/l:1", f"{a}/b:s390x"),
                  ("inspect", "--insecure", f"{a}/o:amd64"), ("inspect", "--insecure", "-v", f"{a}/o:amd64")]
    for words in looks:
        theirs, ours = (client(program, *words).stdout for program in CLIENTS)
        assert theirs == ours, words
    client("berth", "push", f"{a}/l:1")
    for words in (("inspect", "--insecure", f"{a}/l:1"), ("inspect", "--insecure", "-v", f"{a}/l:1")):
        theirs, ours = (client(program, *words, home="none").stdout for program in CLIENTS)
        assert theirs == ours or without_bytes(json.loads(theirs)) == without_bytes(json.loads(ours)), words


def test_an_index_of_oci_images(client, registry, docker, api):
    a, name = registry.address, f"{registry.address}/index"
    client("berth", "create", "--insecure", name, f"{a}/o:amd64")
    top = client("berth", "push", name).stdout.splitlines()[-1]
    there = registry.api.request("GET", "/v2/index/manifests/latest", headers={"Accept": INDEX})
    assert there.headers["Content-Type"] == INDEX and digest(there.body) == top
    docker("pull", name)
    assert api.get(f"/images/{name}/json")["Architecture"] == "amd64"


def test_a_list_of_an_older_docker(client, registry):
    """Its files have no bytes: what dockerd writes can be made again, what others write is refused."""
    a, home = registry.address, f"{client.folder}/berth/manifests"
    manifest, blobs = make_image("riscv64")
    push_image(registry.api, "odd", "1", json.dumps(json.loads(manifest)).encode(), blobs)
    for target, source in ((f"{a}/made", f"{a}/b:s390x"), (f"{a}/not-made", f"{a}/odd:1")):
        client("berth", "create", "--insecure", target, source)
    for name, text in files(f"{client.folder}/berth").items():
        with open(f"{client.folder}/berth/{name}", "w") as f:
            json.dump({k: v for k, v in json.loads(text).items() if k != "Raw"}, f)
    assert "Pushed ref" in client("berth", "push", f"{a}/made").stdout
    failed = client("berth", "push", f"{a}/not-made", code=1)
    assert f"internal digest mismatch for {a}/odd:1: expected sha256:" in failed.stderr
    (broken,) = os.listdir(f"{home}/{a.replace(':', '-')}_made-latest")
    with open(f"{home}/{a.replace(':', '-')}_made-latest/{broken}", "w") as f:
        f.write("{")
    assert "invalid manifest file" in client("berth", "inspect", f"{a}/made", code=1).stderr
    client("berth", "rm", f"{a}/made", f"{a}/not-made")
    assert os.listdir(home) == []


def test_what_makes_no_sense(client, registry):
    a = registry.address
    for program in CLIENTS:
        client(program, "create", "--insecure", f"{a}/l", f"{a}/a:amd64")
        client(program, "create", "--insecure", "elsewhere/l", f"{a}/a:amd64")
    for words in (
            ("annotate", f"{a}/l", f"{a}/a:amd64", "--arch", "pdp11"),
            ("annotate", f"{a}/l", f"{a}/a:amd64", "--os", "windows", "--arch", "s390x"),
            ("annotate", f"{a}/l", f"{a}/a:none"), ("annotate", f"{a}/none", f"{a}/a:amd64"),
            ("annotate", "a@b", "a"), ("annotate", "a", "a@b"),
            ("create", "a@b", "a"), ("create", f"{a}/m", "a@b"), ("create", f"{a}/m", f"{a}/a:amd64"),
            ("create", "--insecure", f"{a}/m", f"{a}/l@sha256:{'0' * 64}"),
            ("push", "none"), ("push", "a@b"), ("push", "elsewhere/l"),
            ("rm", "none", "a@b", "none:2"), ("rm", f"{a}/l", "none"),
            ("inspect", f"{a}/a:amd64"), ("inspect", "a@b"), ("inspect", "a", "a@b"), ("inspect", f"{a}/l", "none"),
            ("inspect", "elsewhere/l")):
        theirs, ours = (client(program, *words, code=1) for program in CLIENTS)
        if words[:2] == ("create", "--insecure"):  # docker says "manifest unknown" or this, by what a registry adds to its refusal
            assert ours.stderr == f"no such manifest: {words[-1]}\n" and theirs.returncode == 1
        else:
            assert (theirs.stdout, theirs.stderr) == (ours.stdout, ours.stderr), words
    for words in (("create", "a"), ("inspect",), ("inspect", "a", "b", "c"), ("push",), ("rm",), ("annotate", "a"), ("push", "--nothing", "a")):
        theirs, ours = (client(program, *words, code=None) for program in CLIENTS)
        assert theirs.returncode == ours.returncode != 0 and "Usage:  berth manifest " + words[0] in ours.stderr
    assert files(client.folder + "/berth").keys() == {f"manifests/docker.io_elsewhere_l-latest/{a.replace(':', '-')}_a-amd64"}


def test_nothing_is_kept_of_a_list_that_can_not_be_made(client, registry):
    a = registry.address
    client("berth", "create", "--insecure", f"{a}/l", f"{a}/a:amd64", f"{a}/a:none", code=1)
    assert files(client.folder + "/berth") == {}


def test_a_registry_that_lies(client):
    manifest, blobs = make_image("amd64")
    config = json.loads(manifest)["config"]["digest"]
    entry = {"mediaType": DOCKER, "digest": digest(manifest), "size": len(manifest)}
    inner = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**entry, "platform": {"os": "linux", "architecture": "arm"}}]}).encode()
    outer = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**entry, "mediaType": INDEX, "digest": digest(inner)}]}).encode()
    lost = inner.replace(digest(manifest).encode(), digest(b"nothing").encode())
    strange = inner.replace(digest(manifest).encode(), b"../../etc")
    documents = {"good": (DOCKER, manifest), "inner": (INDEX, inner), "outer": (INDEX, outer), "lost": (INDEX, lost), "strange": (INDEX, strange),
                 "html": ("text/html", b"<html>"), "json": ("application/json", manifest + b" "), "short": (DOCKER, b"{"),
                 "other": (LIST, inner + b" "), "old": ("application/vnd.docker.distribution.manifest.v1+prettyjws", b"{}")}
    with LyingRegistry(documents, blobs) as liar:
        def says(words, name="good", command="inspect"):
            more = [f"{liar.address}/l"] if command == "create" else []
            done = client("berth", command, "--insecure", *more, f"{liar.address}/x{':' if '@' not in name else ''}{name}", code=1)
            assert words in done.stderr, done
        listed = json.loads(client("berth", "inspect", "--insecure", f"{liar.address}/x:inner").stdout)
        assert listed["manifests"][0]["platform"] == {"architecture": "arm", "os": "linux"}
        says("/x:inner is a manifest list", "inner", "create")
        says("unsupported manifest type: " + INDEX, "outer")
        says("no such manifest: " + f"{liar.address}/x@{digest(b'nothing')}", "lost")
        says("invalid checksum digest format", "strange")
        says("unsupported manifest media type and no default available: text/html", "html")
        says("unsupported manifest media type and no default available: application/json", "json")
        says("unsupported manifest media type and no default available: application/vnd.docker.distribution.manifest.v1+prettyjws", "old")
        says("unexpected end of JSON input", "short", "create")
        says(f"mediaType in manifest list should be '{LIST}' not '{INDEX}'", "other")
        liar.manifests[digest(b"wanted")] = (DOCKER, manifest)
        says(f"manifest verification failed for digest {digest(b'wanted')}", f"@{digest(b'wanted')}")
        for status, code, words in ((403, "DENIED", "denied: no"), (401, "UNAUTHORIZED", "unauthorized: no"), (404, "NAME_UNKNOWN", "no such manifest: ")):
            liar.lies["manifests/good"] = lambda h, _, status=status, code=code: h.refuse(status, code, "no")
            says(words)
        liar.lies = {config: lambda h, body: h.reply(200, b"x" * len(body))}
        says("image config verification failed for digest " + config)
        liar.lies = {config: lambda h, body: h.reply(200, b"[]", length=2)}
        says("", command="create")
    assert files(client.folder + "/berth") == {}
    gone = client("berth", "inspect", liar.address + "/x", code=1).stderr
    assert gone.startswith("failed to configure transport: error pinging v2 registry: Get ") and "connection refused" in gone


@pytest.mark.skipif(PROGRAM is None, reason="docker-registry is not installed")
@pytest.mark.parametrize("program", CLIENTS)
def test_a_registry_that_wants_a_password(client, program):
    with PeerRegistry(auth=True) as registry:
        a, api = registry.address, TcpApi(registry.address, basic("moby", "whale"))
        fill(api)
        none = client(program, "create", "--insecure", f"{a}/l", f"{a}/a:amd64", code=1)
        assert none.stderr == f'Get "http://{a}/v2/a/manifests/amd64": no basic auth credentials\n'
        log_in(client, program, a, "moby", "wrong")
        assert client(program, "create", "--insecure", f"{a}/l", f"{a}/a:amd64", code=1).stderr != ""
        log_in(client, program, a, "moby", "whale")
        client(program, "create", "--insecure", f"{a}/l", f"{a}/a:amd64", f"{a}/b:s390x")
        top = client(program, "push", f"{a}/l").stdout.splitlines()[-1]
        assert digest(api.request("GET", "/v2/l/manifests/latest", headers={"Accept": LIST}).body) == top


def log_in(client, program, address, user, password):
    import base64
    os.makedirs(f"{client.folder}/{program}", exist_ok=True)
    with open(f"{client.folder}/{program}/config.json", "w") as f:
        json.dump({"auths": {address: {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}}}, f)


def test_over_tls_with_tokens_and_rights(client, options, scratch):
    make_certificates(scratch)
    with open(scratch + "/rights", "w") as f:
        f.write(RIGHTS)
    users = make_users(scratch + "/users", moby="secret", whale="splash")
    flags = ("--htpasswd", users, "--rights", scratch + "/rights", "--tls-cert", scratch + "/server.pem", "--tls-key", scratch + "/server-key.pem")
    plain = BerthRegistry(options.bin_dir)
    with plain:
        a = plain.address
        for name in ("public/a", "team/b"):
            push_image(plain.api, name, "1", *make_image("amd64" if name == "public/a" else "arm64"))
        plain.stop()
        plain.flags += flags
        plain.api = HttpsApi(a)
        plain.start()
        # Nobody vouches for the certificate, but this is this machine; what nobody may read is not there for docker, either.
        for program in CLIENTS:
            assert json.loads(client(program, "inspect", f"{a}/public/a:1").stdout)["mediaType"] == DOCKER
            client(program, "inspect", f"{a}/team/b:1", code=1)
            log_in(client, program, a, "whale", "splash")
            assert json.loads(client(program, "inspect", f"{a}/team/b:1").stdout)["mediaType"] == DOCKER
        client("berth", "create", f"{a}/public/l", f"{a}/public/a:1", f"{a}/team/b:1")
        client("berth", "create", f"{a}/team/l", f"{a}/public/a:1", f"{a}/team/b:1")
        client("berth", "push", f"{a}/public/l")
        assert client("berth", "push", f"{a}/team/l", code=1).stderr.startswith("error mounting public/a@sha256:")
        client("docker", "inspect", f"{a}/public/l")


class HttpsApi(TcpApi):
    def request(self, method, path, body=None, headers=None, timeout=30):
        import http.client
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(self.address, timeout=timeout, context=context)
        connection.request(method, path, body, headers or {})
        return connection.getresponse()
