"""Images: load, save, import, tag, rmi, list, inspect, history; archives that lie, attack or are cut short."""

import base64
import gzip
import hashlib
import io
import json
import os
import re
import stat
import subprocess
import tarfile

import pytest

from support import images
from support.images import Tar, docker_archive, oci_archive
from support.web_server import WebServer


@pytest.fixture(autouse=True)
def clean(api):
    """Every test leaves only the two images that all share."""
    yield
    keep = {"busybox:latest", "full:latest"}
    for container in api.get("/containers/json", all=1):
        api.remove(container["Id"])
    for image in api.get("/images/json"):
        tags = [t for t in image["RepoTags"] or [] if t != "<none>:<none>"]
        for name in [t for t in tags if t not in keep] or ([] if tags else [image["Id"]]):
            api.request("DELETE", "/images/" + name, query={"force": 1})
    assert {t for i in api.get("/images/json") for t in i["RepoTags"]} == keep


@pytest.fixture(scope="session")
def layer():
    return Tar().file("file", "content\n").bytes()


def names(api, **filters):
    return {t for i in api.get("/images/json", filters=filters) for t in i["RepoTags"] or []}


def load(api, archive, **query):
    return api.request("POST", "/images/load", archive, query=query, timeout=120)


def failure(answer):
    """The message of a load that failed, wherever it stands: before or within the stream."""
    if answer.status >= 400:
        return answer.message
    errors = [line["error"] for line in answer.lines() if "error" in line]
    assert errors, f"nothing failed: {answer!r}"
    return errors[0]


def files_of(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {m.name: tar.extractfile(m).read() if m.isfile() else None for m in tar}


# ---- load and save

def compressed(kind, data):
    command = {"gzip": ["gzip", "-1"], "zstd": ["zstd", "-q"], "xz": ["xz", "-1"]}.get(kind)
    return data if command is None else subprocess.run(command, input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("kind", ["none", "gzip", pytest.param("zstd", marks=pytest.mark.berth)])
def test_load_of_a_docker_archive(docker, api, layer, kind):
    result = docker("load", stdin=compressed(kind, docker_archive([(["one:1"], [layer], {"Cmd": ["x"]})])))
    assert result.out == "Loaded image: one:1\n"
    assert api.get("/images/one:1/json")["Config"]["Cmd"] == ["x"]


def test_loaded_config_gives_the_image_id(api, layer):
    archive = docker_archive([(["one:1"], [layer], None)])
    load(api, archive)
    config = next(data for name, data in files_of(archive).items() if name.endswith(".json") and name != "manifest.json")
    assert api.get("/images/one:1/json")["Id"] == "sha256:" + hashlib.sha256(config).hexdigest()


@pytest.mark.berth
@pytest.mark.parametrize("compress", [True, False])
def test_load_of_an_oci_layout(docker, layer, compress):
    assert "Loaded image: oci:2" in docker("load", stdin=oci_archive("oci:2", [images.busybox_layer(), layer], None, compress)).out
    assert docker("run", "--rm", "oci:2", "cat", "/file").out == "content\n"


def test_load_of_several(docker, api, layer):
    other = Tar().file("other", "x").bytes()
    out = docker("load", stdin=docker_archive([(["one:1", "one:again"], [layer], None), (["two:1"], [layer, other], None)])).out
    assert out.splitlines() == ["Loaded image: one:1", "Loaded image: one:again", "Loaded image: two:1"]
    assert names(api) >= {"one:1", "one:again", "two:1"}


def test_load_without_a_tag(docker, layer):
    assert re.fullmatch("Loaded image ID: sha256:[0-9a-f]{64}\n", docker("load", stdin=docker_archive([(None, [layer], None)])).out)


def test_load_moves_a_tag(docker, api, layer):
    docker("load", stdin=docker_archive([(["moving:1"], [layer], {"Cmd": ["old"]})]))
    old = api.get("/images/moving:1/json")["Id"]
    docker("load", stdin=docker_archive([(["moving:1"], [layer], {"Cmd": ["new"]})]))
    assert api.get("/images/moving:1/json")["Config"]["Cmd"] == ["new"]
    assert api.get(f"/images/{old}/json")["RepoTags"] == []


def test_save_and_load_give_the_same_image(docker, api):
    before = api.get("/images/full/json")
    archive = docker("save", "full", "busybox").raw
    api.delete("/images/full", force=1)
    docker("load", stdin=archive)
    after = api.get("/images/full/json")
    for key in ("Id", "RootFS", "Config", "Created"):
        assert before[key] == after[key]
    assert docker("run", "--rm", "full").out == "entry:from image\n"


def test_saved_archive_is_whole(docker):
    files = files_of(docker("save", "full").raw)
    entry, = json.loads(files["manifest.json"])
    assert entry["RepoTags"] == ["full:latest"]
    config = json.loads(files[entry["Config"]])
    digests = []
    for name in entry["Layers"]:
        assert name in files, name
        digests.append("sha256:" + hashlib.sha256(files[name]).hexdigest())
    assert digests == config["rootfs"]["diff_ids"]


def test_save_by_id_has_no_tag(docker, api):
    identity = api.get("/images/busybox/json")["Id"]
    entry, = json.loads(files_of(docker("save", identity).raw)["manifest.json"])
    assert not entry["RepoTags"]


def test_save_of_an_unknown_image(docker):
    result = docker("save", "busybox", "ghost:1", code=1)
    assert "No such image: ghost:1" in result.err or "reference does not exist" in result.err


@pytest.mark.skipif(subprocess.run(["which", "skopeo"], capture_output=True).returncode != 0, reason="skopeo is not there")
def test_skopeo_reads_what_is_saved(docker, scratch):
    path = scratch + "/full.tar"
    docker("save", "-o", path, "full")
    subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "docker-archive:" + path, f"oci:{scratch}/layout:full"],
                   check=True, timeout=60)
    assert os.path.exists(scratch + "/layout/index.json")


@pytest.mark.berth
def test_what_skopeo_writes_is_loaded(docker, scratch):
    path = scratch + "/full.tar"
    docker("save", "-o", path, "full")
    subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "docker-archive:" + path, f"oci-archive:{scratch}/oci.tar:again"],
                   check=True, timeout=60)
    docker("load", "-i", scratch + "/oci.tar")


# ---- import

def test_import(docker, api):
    identity = docker("import", "-m", "a message", "-c", "CMD [\"cat\",\"/file\"]", "-c", "ENV A=b", "-c", "EXPOSE 80", "-",
                      "imported:1", stdin=images.busybox_layer()).out.strip()
    image = api.get("/images/imported:1/json")
    assert image["Id"] == identity and image["Config"]["Cmd"] == ["cat", "/file"] and "A=b" in image["Config"]["Env"]
    assert image["Comment"] == "a message" and "80/tcp" in image["Config"]["ExposedPorts"]
    assert docker("run", "--rm", "imported:1", "echo", "runs").out == "runs\n"


def test_import_of_a_compressed_archive(docker):
    docker("import", "-", "imported:gz", stdin=gzip.compress(images.busybox_layer()))
    assert docker("run", "--rm", "imported:gz", "echo", "runs").out == "runs\n"


def test_import_with_a_bad_change(docker, api):
    before = names(api)
    assert docker("import", "-c", "NONSENSE x", "-", "imported:bad", stdin=Tar().file("a", "b").bytes(), code=1).err
    assert names(api) == before

@pytest.mark.parametrize("with_scheme", [True, False])
def test_import_from_an_address(api, with_scheme):
    layer = images.busybox_layer()
    with WebServer({"/moved/layer.tar": (302, {"Location": "../layer.tar?now"}, b"it is elsewhere"),
                    "/layer.tar?now": (200, {}, layer)}) as web:
        web.pages["/moved/../layer.tar?now"] = web.pages["/layer.tar?now"]  # clients differ in who takes the dots away
        source = f"{'http://' if with_scheme else ''}{web.address}/moved/layer.tar"
        answer = api.request("POST", "/images/create", query={"fromSrc": source, "repo": "imported", "tag": "web"})
        lines = [json.loads(line) for line in answer.body.splitlines()]
        image = api.get("/images/imported:web/json")
    assert lines[0]["status"] == f"Downloading from http://{web.address}/moved/layer.tar"
    assert lines[-1]["status"] == image["Id"]
    importing = [line for line in lines if line.get("status") == "Importing"]
    assert importing and importing[-1]["progressDetail"] == {"current": len(layer), "total": len(layer)}
    assert image["Comment"] == f"Imported from {source if with_scheme else 'http://' + source}"


@pytest.mark.berth
def test_import_from_an_address_with_a_password(api):
    with WebServer({"/layer.tar": (200, {}, images.busybox_layer())}) as web:
        source = f"http://moby:wh%40le@{web.address}/layer.tar"
        answer = api.request("POST", "/images/create", query={"fromSrc": source, "repo": "imported", "tag": "secret"})
        assert answer.status == 200 and b"wh%40le" not in answer.body
        assert web.requests[0][1]["Authorization"] == "Basic " + base64.b64encode(b"moby:wh@le").decode()
    assert api.get("/images/imported:secret/json")["Comment"] == f"Imported from http://moby:xxxxx@{web.address}/layer.tar"


def test_import_with_the_client(docker, engine):
    with WebServer({"/layer.tar": (200, {}, images.busybox_layer())}) as web:
        out = docker("import", f"http://{web.address}/layer.tar", "imported:client").out
        assert out.startswith(f"Downloading from http://{web.address}/layer.tar\n") and "sha256:" in out
        assert docker("run", "--rm", "imported:client", "echo", "runs").out == "runs\n"
        if engine.options.is_berth:
            assert engine.berth("import", f"http://{web.address}/layer.tar", "imported:client").out.startswith("Downloading")


def test_import_from_an_address_that_fails(api, engine):
    def fail(source):
        answer = api.request("POST", "/images/create", query={"fromSrc": source, "repo": "imported", "tag": "no"})
        assert api.request("GET", "/images/imported:no/json").status == 404
        return answer.status, answer.message

    with WebServer({"/denied": (403, {}, b"no"), "/broken": (500, {}, b""), "/login": (401, {}, b"who?"),
                    "/loop": (301, {"Location": "/loop"}, b""), "/lost": (302, {}, b"")}) as web:
        at = f"http://{web.address}"
        assert fail(f"{at}/x") == (404, f"failed to GET {at}/x with status 404 Not Found: nothing is here")
        assert fail(f"{at}/denied") == (403, f"failed to GET {at}/denied with status 403 Forbidden: no")
        assert fail(f"{at}/login") == (401, f"failed to GET {at}/login with status 401 Unauthorized: who?")
        assert fail(f"{at}/broken") == (500, f"failed to GET {at}/broken with status 500 Internal Server Error: ")
        assert fail(f"{at}/loop") == (500, 'Get "/loop": stopped after 10 redirects')
        if engine.options.is_berth:  # dockerd imports the empty page
            assert fail(f"{at}/lost") == (500, f'Get "{at}/lost": 302 response missing Location header')
    assert fail("http://127.0.0.1:1/x") == (500, 'Get "http://127.0.0.1:1/x": dial tcp 127.0.0.1:1: connect: connection refused')
    assert fail("") == (500, 'Get "http:": http: no Host in request URL')
    status, message = fail("http://no-such-host.invalid/x")
    assert status in (404, 500) and message.startswith('Get "http://no-such-host.invalid/x": dial tcp: lookup no-such-host.invalid')


def test_import_of_what_ends_early(api):
    layer = images.busybox_layer()
    pages = {"/cut": (200, {"Content-Length": str(len(layer))}, layer[: len(layer) // 2]), "/html": (200, {}, b"<html>" * 200)}
    with WebServer(pages) as web:
        for page in pages:
            answer = api.request("POST", "/images/create",
                                 query={"fromSrc": f"http://{web.address}{page}", "repo": "imported", "tag": "no"})
            last = json.loads(answer.body.splitlines()[-1])
            assert last["errorDetail"]["message"]
            assert api.request("GET", "/images/imported:no/json").status == 404


# ---- names

def test_tag(docker, api):
    docker("tag", "busybox", "other/name:v1")
    assert api.get("/images/other/name:v1/json")["Id"] == api.get("/images/busybox/json")["Id"]
    docker("tag", "busybox", "localhost:5000/deep/path/name")
    assert "localhost:5000/deep/path/name:latest" in names(api)


def test_tag_of_an_unknown_image(docker):
    assert "No such image: ghost:latest" in docker("tag", "ghost", "x", code=1).err


@pytest.mark.parametrize("name", ["UPPER", "a//b", "a:b:c", "-x", "a@b"])
def test_bad_names(docker, api, name):
    before = names(api)
    answer = api.request("POST", "/images/busybox/tag", query={"repo": name})
    assert answer.status in (400, 404, 500)
    assert names(api) == before


def test_digest_like_name_is_refused(api):
    answer = api.request("POST", "/images/busybox/tag", query={"repo": "a" * 64})
    assert answer.status in (400, 500)


def test_short_and_long_ids(api):
    identity = api.get("/images/busybox/json")["Id"]
    for name in (identity, identity[7:], identity[7:19], "busybox", "docker.io/library/busybox:latest", "library/busybox"):
        assert api.get(f"/images/{name}/json")["Id"] == identity


@pytest.mark.berth
def test_inspect_of_an_unknown_image(api):
    answer = api.request("GET", "/images/ghost/json")
    assert answer.status == 404 and answer.message == "No such image: ghost:latest"


def test_create_from_an_unknown_image(api):
    answer = api.request("POST", "/containers/create", {"Image": "ghost:1"})
    assert answer.status == 404 and answer.message == "No such image: ghost:1"


# ---- rmi

def test_rmi_untags_and_deletes(docker, layer):
    docker("load", stdin=docker_archive([(["one:1", "one:2"], [layer], None)]))
    assert docker("rmi", "one:1").out == "Untagged: one:1\n"
    lines = docker("rmi", "one:2").out.splitlines()
    assert lines[0] == "Untagged: one:2" and len(lines) == 3 and all(l.startswith("Deleted: sha256:") for l in lines[1:])


def test_rmi_by_id_with_several_names(docker, api, layer):
    docker("load", stdin=docker_archive([(["one:1", "two:2"], [layer], None)]))
    identity = api.get("/images/one:1/json")["Id"]
    answer = api.request("DELETE", "/images/" + identity)
    assert answer.status == 409 and "(must be forced)" in answer.message and "multiple repositories" in answer.message
    docker("rmi", "-f", identity)
    assert api.request("GET", f"/images/{identity}/json").status == 404


def test_rmi_of_an_image_in_use(docker, api, layer):
    docker("load", stdin=docker_archive([(["used:1"], [layer], {"Cmd": ["x"]})]))
    container = api.create("used:1")
    answer = api.request("DELETE", "/images/used:1")
    assert answer.status == 409
    assert "unable to remove repository reference \"used:1\" (must force) - container " + container[:12] in answer.message
    docker("rmi", "-f", "used:1")
    assert api.inspect(container)["Config"]["Image"] == "used:1"


def test_a_container_outlives_its_image(new_daemon, layer):
    """rmi -f takes name and image away, but not the layers on which a container stands."""
    daemon = new_daemon()
    daemon.docker("load", stdin=docker_archive([(["used:1"], [layer], {"Cmd": ["/bin/own"]})]))
    container = daemon.api.create("used:1", ["/bin/own"])
    deleted = daemon.api.delete("/images/used:1", force=1).json()
    assert [list(record) for record in deleted] == [["Untagged"], ["Deleted"]]
    image = daemon.api.inspect(container)["Image"]
    assert [c["Image"] for c in daemon.api.get("/containers/json", all=1)] == [image]
    daemon.restart()
    answer = daemon.api.request("POST", f"/containers/{container}/start")
    assert "executable file not found" in answer.message or "no such file" in answer.message  # the image has no such program
    assert daemon.api.inspect(container)["GraphDriver"]["Data"]["LowerDir"]
    daemon.api.remove(container)
    # With the container goes the layer: loading brings it back as a new one.
    assert "used:1" in daemon.docker("load", stdin=docker_archive([(["used:1"], [layer], {"Cmd": ["x"]})])).out


def test_rmi_of_an_image_that_runs(docker, api):
    docker("tag", "busybox", "second:1")
    api.start(api.create("busybox", ["sleep", "1000"]))
    identity = api.get("/images/busybox/json")["Id"]
    answer = api.request("DELETE", "/images/" + identity, query={"force": 1})
    assert answer.status == 409 and "cannot be forced" in answer.message and "running container" in answer.message
    docker("tag", identity, "busybox:latest")


def test_rmi_keeps_shared_layers(docker, layer):
    base = images.busybox_layer()
    docker("load", stdin=docker_archive([(["a:1"], [base], {"Cmd": ["sh", "-c", "echo a"]}),
                                         (["b:1"], [base, layer], {"Cmd": ["cat", "/file"]})]))
    docker("rmi", "a:1")
    assert docker("run", "--rm", "b:1").out == "content\n"
    docker("rmi", "b:1")
    assert docker("run", "--rm", "busybox", "echo", "still here").out == "still here\n"


def test_rmi_of_an_unknown_image(docker):
    assert "No such image: ghost" in docker("rmi", "ghost", code=1).err


def test_container_outlives_a_moved_tag(docker, api, layer):
    docker("load", stdin=docker_archive([(["moving:1"], [images.busybox_layer(), layer], None)]))
    container = api.create("moving:1", ["cat", "/file"])
    docker("load", stdin=docker_archive([(["moving:1"], [layer], None)]))
    api.start(container)
    assert api.wait(container) == 0 and api.logs(container)[0] == b"content\n"


# ---- list, inspect, history, prune

def test_list_filters(docker, api, layer):
    docker("load", stdin=docker_archive([(["listed:1"], [layer], {"Labels": {"k": "v"}}), (None, [layer], {"Cmd": ["dangling"]})]))
    assert names(api, reference=["listed"]) == {"listed:1"}
    assert names(api, reference=["list*:1"]) == {"listed:1"}
    assert names(api, label=["k"]) == {"listed:1"} and names(api, label=["k=v"]) == {"listed:1"}
    assert names(api, label=["k=other"]) == set()
    dangling = api.get("/images/json", filters={"dangling": ["true"]})
    assert len(dangling) == 1 and dangling[0]["RepoTags"] in ([], ["<none>:<none>"], None)
    assert "listed:1" in names(api, dangling=["false"])
    assert docker("images", "-q", "--no-trunc", "listed").out.strip() == api.get("/images/listed:1/json")["Id"]
    assert api.request("GET", "/images/json", query={"filters": {"color": ["red"]}}).status == 400


def test_list_fields(docker, api):
    full = next(i for i in api.get("/images/json") if i["RepoTags"] == ["full:latest"])
    assert full["Id"].startswith("sha256:") and full["Created"] == 1704164645 and full["Size"] > 1000000
    assert full["Labels"] == {"image.label": "one"}
    assert re.search(r"^full +latest +[0-9a-f]{12} +\d+ (months|years) ago +[\d.]+[kM]B", docker("images", "full").out, re.M)


def test_inspect_fields(api):
    image = api.get("/images/full/json")
    assert image["RepoTags"] == ["full:latest"] and image["Os"] == "linux" and image["Architecture"] in ("amd64", "arm64")
    assert len(image["RootFS"]["Layers"]) == 2 and image["RootFS"]["Type"] == "layers"
    config = image["Config"]
    assert config["Entrypoint"] == ["/entry.sh"] and config["User"] == "app" and config["WorkingDir"] == "/data"
    assert config["ExposedPorts"] == {"8080/tcp": {}, "53/udp": {}} and config["Volumes"] == {"/vol": {}}
    assert config["StopSignal"] == "SIGUSR1" and image["GraphDriver"]["Name"] in ("overlay2", "vfs")


def test_history(docker, api):
    history = api.get("/images/full/history")
    assert [h["CreatedBy"] for h in history] == ["layer 1", "layer 0"]
    assert history[0]["Id"] == api.get("/images/full/json")["Id"] and history[0]["Tags"] == ["full:latest"]
    assert history[1]["Size"] > 1000000 and "layer 1" in docker("history", "full").out


def test_prune(docker, api, layer):
    docker("load", stdin=docker_archive([(None, [layer], {"Cmd": ["dangling"]}), (["kept:1"], [layer], None)]))
    docker("image", "prune", "-f")
    assert not api.get("/images/json", filters={"dangling": ["true"]}) and "kept:1" in names(api)


# ---- archives from enemies

@pytest.fixture
def world(scratch):
    """A folder outside of everything, which no archive may touch."""
    target = scratch + "/outside"
    os.mkdir(target)
    with open(target + "/precious", "w") as f:
        f.write("precious")
    yield target
    assert sorted(os.listdir(target)) == ["precious"]
    with open(target + "/precious") as f:
        assert f.read() == "precious"


def hostile_layers(target):
    up = "../" * 12 + target.lstrip("/")
    return {
        "dot-dot": Tar().file(up + "/evil", "evil"),
        "absolute": Tar().file(target + "/evil", "evil"),
        "symlink": Tar().symlink("way", target).file("way/evil", "evil"),
        "relative symlink": Tar().folder("d").symlink("d/way", up).file("d/way/evil", "evil"),
        "symlink to file": Tar().symlink("way", target + "/precious").file("way", "evil"),
        "hardlink": Tar().hardlink("way", target + "/precious").file("way", "evil"),
        "hardlink dot-dot": Tar().hardlink("way", up + "/precious").file("way", "evil"),
        "hardlink through a symlink": Tar().symlink("way", target).hardlink("mine", "way/precious").file("mine", "evil"),
        "symlink replaced": Tar().folder("way").symlink("way", target).file("way/evil", "evil"),
        "whiteout": Tar().symlink("way", target).file("way/.wh.precious", ""),
        "opaque": Tar().symlink("way", target).file("way/.wh..wh..opq", ""),
        "whiteout dot-dot": Tar().file(".wh...", "").file("a/.wh..", ""),
        "chmod through a symlink": Tar().symlink("way", target).folder("way/sub", 0o777),
    }


@pytest.mark.parametrize("attack", hostile_layers("/x"))
def test_hostile_layer(api, world, attack):
    """Refused or kept inside: both are right, as long as nothing outside changes and the image, if any, is removable."""
    layer = hostile_layers(world)[attack].bytes()
    load(api, docker_archive([(["evil:1"], [layer], None)]))
    load(api, docker_archive([(["evil:2"], [images.busybox_layer(), layer], None)]))
    for name in ("evil:1", "evil:2"):
        if api.request("GET", f"/images/{name}/json").status == 200:
            container = api.create(name, ["/bin/true"])
            api.remove(container)


@pytest.mark.parametrize("name", ["../../../../../../{}/evil", "{}/evil"])
def test_hostile_manifest(api, world, name):
    layer = Tar().file("a", "b").bytes()
    archive = docker_archive([(["evil:1"], [layer], None)])
    files = files_of(archive)
    entry = json.loads(files["manifest.json"])[0]
    target = name.format(world.lstrip("/") if name.startswith("..") else world)
    for change in ({"Config": target}, {"Layers": [target]}):
        out = Tar()
        for file, data in files.items():
            if data is not None and file != "manifest.json":
                out.file(file, data)
        out.file("manifest.json", json.dumps([{**entry, **change}]))
        assert failure(load(api, out.bytes()))


def test_outer_archive_with_escapes(api, world):
    out = Tar().symlink("manifest.json", world + "/precious").file("../" * 10 + world.lstrip("/") + "/evil", "x")
    assert failure(load(api, out.bytes()))


def test_odd_but_honest_archives(docker):
    """GNU long names, hard links, devices, sparse files, extended attributes, odd owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        info = tarfile.TarInfo("long/" + "n" * 150 + "/" + "m" * 150)
        info.size = 5
        tar.addfile(info, io.BytesIO(b"long\n"))
    long_names = buffer.getvalue()
    layer = (Tar().file("original", "linked\n").hardlink("copy", "original")
             .entry("pipe", tarfile.FIFOTYPE).entry("null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
             .file("owned", "x", 0o4751, uid=1234, gid=5678).file("ünï", "utf-8\n")
             .file("attr", "x", pax_headers={"SCHILY.xattr.user.mine": "value"}).folder("sticky", 0o1777)
             .symlink("dangling", "/nowhere").file("./dotted", "x").file("deep/without/folders", "y")).bytes()
    docker("load", stdin=docker_archive([(["odd:1"], [images.busybox_layer(), layer, long_names], None)]))
    out = docker("run", "--rm", "odd:1", "sh", "-c",
                 "cat /copy /ünï /long/*/*; stat -c '%F %a %u:%g' /pipe /null /owned /sticky; ls /deep/without; "
                 "readlink /dangling; stat -c %h /original").out
    assert out.splitlines() == ["linked", "utf-8", "long", "fifo 644 0:0", "character special file 666 0:0",
                                "regular file 4751 1234:5678", "directory 1777 0:0", "folders", "/nowhere", "2"]


def test_duplicate_entries(docker, api):
    """Docker refuses them; who takes them must let the last one win, as tar does."""
    layer = Tar().file("twice", "first\n").file("twice", "second\n").bytes()
    load(api, docker_archive([(["twice:1"], [images.busybox_layer(), layer], None)]))
    if "twice:1" in names(api):
        assert docker("run", "--rm", "twice:1", "cat", "/twice").out == "second\n"


def test_opaque_folder_and_whiteouts(docker):
    first = Tar().folder("d").file("d/one", "1").file("d/two", "2").folder("e").file("e/x", "x").file("f", "f").bytes()
    second = Tar().folder("d").file("d/.wh..wh..opq", "").file("d/three", "3").file("e/.wh.x", "").file(".wh.f", "").bytes()
    docker("load", stdin=docker_archive([(["white:1"], [images.busybox_layer(), first, second], None)]))
    assert docker("run", "--rm", "white:1", "sh", "-c", "echo /d/* /e/* /f").out == "/d/three /e/* /f\n"
    assert docker("run", "--rm", "white:1", "ls", "/f", code=1).err


def test_file_replaces_folder_and_back(docker):
    first = Tar().folder("a").file("a/in", "1").file("b", "file").bytes()
    second = Tar().file("a", "now a file\n").folder("b").file("b/in", "now a folder\n").bytes()
    docker("load", stdin=docker_archive([(["swap:1"], [images.busybox_layer(), first, second], None)]))
    assert docker("run", "--rm", "swap:1", "cat", "/a", "/b/in").out == "now a file\nnow a folder\n"


# ---- archives that are broken

def test_not_an_archive(api):
    before = names(api)
    assert failure(load(api, b"this is not a tar file" * 1000))
    assert failure(load(api, b""))
    assert names(api) == before


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["none", "gzip"])
def test_truncated_archive(engine, api, part, kind):
    archive = compressed(kind, docker_archive([(["cut:1"], [Tar().file("big", os.urandom(300000)).bytes()], None)]))
    before = names(api)
    answer = load(api, archive[:int(len(archive) * part)])
    if "cut:1" not in names(api):
        assert failure(answer)
        assert names(api) == before
    else:  # only the padding at the end was cut off
        assert part == 0.99


def test_corrupt_gzip(api):
    archive = bytearray(gzip.compress(docker_archive([(["bad:1"], [Tar().file("big", os.urandom(300000)).bytes()], None)])))
    for i in range(len(archive) // 2, len(archive) // 2 + 100):
        archive[i] ^= 0xFF
    failure(load(api, bytes(archive)))
    assert "bad:1" not in names(api)


def test_layer_with_a_digest_that_lies(api, layer):
    other = Tar().file("file", "something else\n").bytes()
    files = files_of(docker_archive([(["lie:1"], [layer], None)]))
    out = Tar()
    for name, data in files.items():
        if data is not None:
            out.file(name, other if name.endswith("layer.tar") else data)
    assert failure(load(api, out.bytes()))
    assert "lie:1" not in names(api)


@pytest.mark.berth
def test_oci_blob_with_a_digest_that_lies(api, layer):
    files = files_of(oci_archive("lie:1", [layer], compress=False))
    digest = hashlib.sha256(layer).hexdigest()
    out = Tar()
    for name, data in files.items():
        if data is not None:
            out.file(name, data.replace(b"content", b"CONTENT") if name.endswith(digest) else data)
    assert failure(load(api, out.bytes()))
    assert "lie:1" not in names(api)


@pytest.mark.parametrize("manifest", ["[]x", "{}", "[{\"Config\":\"none.json\",\"RepoTags\":[\"a:1\"],\"Layers\":[]}]", "nonsense",
                                      "[{\"Config\":5}]", "null"])
def test_bad_manifest(api, manifest):
    before = names(api)
    load(api, Tar().file("manifest.json", manifest).bytes())
    assert names(api) == before


def test_layers_that_do_not_match_the_config(api, layer):
    files = files_of(docker_archive([(["few:1"], [layer], None)]))
    entry = json.loads(files["manifest.json"])[0]
    out = Tar()
    for name, data in files.items():
        if data is not None and name != "manifest.json":
            out.file(name, data)
    out.file("manifest.json", json.dumps([{**entry, "Layers": []}]))
    assert failure(load(api, out.bytes()))


def test_client_that_leaves_while_loading(engine, api):
    import socket
    archive = docker_archive([(["gone:1"], [Tar().file("big", os.urandom(3000000)).bytes()], None)])
    for part in (100, 100000, 2000000):
        sock = api.raw()
        sock.sendall(f"POST {api.url('/images/load')} HTTP/1.1\r\nHost: d\r\nContent-Length: {len(archive)}\r\n\r\n".encode())
        sock.sendall(archive[:part])
        sock.shutdown(socket.SHUT_RDWR)
        sock.close()
    assert "gone:1" not in names(api)
    assert load(api, archive).status == 200
    assert "gone:1" in names(api)


def test_hung_loads_do_not_keep_containers_from_starting(api):
    """More clients than the daemon has threads for starts, each in the middle of a layer and silent."""
    archive = docker_archive([(["hung:1"], [Tar().file("big", os.urandom(1000000)).bytes()], None)])
    c = api.create(cmd=["true"], HostConfig={"NetworkMode": "none"})
    hung = []
    try:
        for i in range(24):
            target = api.url("/images/load") if i % 2 else api.url("/images/create", {"fromSrc": "-", "repo": "hung"})
            sock = api.raw()
            hung.append(sock)
            sock.sendall(f"POST {target} HTTP/1.1\r\nHost: d\r\nContent-Length: {len(archive)}\r\n\r\n".encode())
            sock.sendall(archive[:600000])
        api.start(c)
        assert api.wait(c) == 0
        assert load(api, archive).status == 200
    finally:
        for sock in hung:
            sock.close()
    api.remove(c)


@pytest.mark.berth
def test_disk_that_fills_up_while_loading(new_daemon, scratch):
    """On a file system of 40 MB, an image of 100: an error, nothing left, and the daemon goes on."""
    image, folder = scratch + "/disk", scratch + "/mnt"
    with open(image, "wb") as f:
        f.truncate(48 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    os.mkdir(folder)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        daemon = new_daemon("--data-root", folder + "/data", load=False, start=False)
        daemon.data_root = folder + "/data"
        daemon.start()
        free = os.statvfs(folder).f_bavail
        huge = docker_archive([(["huge:1"], [Tar().file("big", os.urandom(100 << 20)).bytes()], None)])
        answer = daemon.api.request("POST", "/images/load", huge, timeout=120)
        assert "no space left on device" in failure(answer)
        assert daemon.api.get("/images/json") == []
        assert daemon.alive()
        small = docker_archive([(["small:1"], [images.busybox_layer()], None)])
        daemon.load(small)
        assert daemon.docker("run", "--rm", "small:1", "echo", "fits").out == "fits\n"
        daemon.docker("rmi", "small:1")
        daemon.restart()
        assert os.statvfs(folder).f_bavail > free * 0.9
        daemon.destroy()
        daemon.process = None
        os.makedirs(daemon.root, exist_ok=True)
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.berth
def test_the_platform_of_an_image_that_has_but_one(api):
    architecture = api.get("/images/busybox/json")["Architecture"]
    own, other = (json.dumps({"os": "linux", "architecture": name}) for name in (architecture, "s390x"))
    assert api.request("GET", "/images/get", query={"names": "busybox", "platform": own}, version="v1.48").status == 200
    assert api.request("GET", "/images/get", query={"names": "busybox", "platform": other}, version="v1.48").status == 404
    assert api.request("GET", "/images/get", query={"names": "busybox", "platform": "{"}, version="v1.48").status == 400
    assert api.request("DELETE", "/images/busybox", query={"platforms": other}, version="v1.51").status == 404
    archive = api.request("GET", "/images/busybox/get").body
    for platform, words in ((other, "requested platform (linux/s390x) not found"), (own, "Loaded image: busybox:latest")):
        answer = api.request("POST", "/images/load", archive, query={"platform": platform}, version="v1.48")
        assert words in json.dumps(answer.lines()[-1]), answer
    api.request("POST", "/images/busybox/tag", query={"repo": "once"})
    removed = api.request("DELETE", "/images/once", query={"platforms": own}, version="v1.51")
    assert removed.json() == [{"Untagged": "once:latest"}]
    assert api.get("/images/busybox/json")


@pytest.mark.berth
def test_what_the_clients_refuse_by_themselves(engine, scratch):
    """In the same words; docker before 28 had others for some."""
    os.mkfifo(scratch + "/pipe")
    os.symlink("pipe", scratch + "/link")
    for words, says in (
            (("tag", "busybox", "A"), 'Error parsing reference: "A" is not a valid repository/tag: invalid reference format: '
                                      'repository name (library/A) must be lowercase'),
            (("tag", "busybox", "a@b"), 'Error parsing reference: "a@b" is not a valid repository/tag: invalid reference format'),
            (("tag", "busybox", "a@sha256:" + "0" * 64), "refusing to create a tag with a digest reference"),
            (("import", "-", "A"), "invalid reference format: repository name (library/A) must be lowercase"),
            (("save", "-o", "/nonexistent/x", "busybox"), "failed to save image: invalid output path: stat /nonexistent: no such file or directory"),
            (("save", "-o", "/dev/null/x", "busybox"), "failed to save image: invalid output path: stat /dev/null: not a directory"),
            (("save", "-o", "/dev/null", "busybox"), "failed to save image: cannot write to a character device file"),
            (("save", "-o", scratch, "busybox"), "failed to save image: cannot write to a directory"),
            (("save", "-o", scratch + "/pipe", "busybox"), "failed to save image: cannot write to a named pipe (FIFO)"),
            (("save", "-o", scratch + "/link", "busybox"), "failed to save image: cannot write to a symbolic link directly"),
            (("export", "-o", scratch, "busybox"), "failed to export container: cannot write to a directory"),
            (("images", "--format", "{{.Nope}}"), "template parsing error: template: :1:2: executing \"\" at <.Nope>: can't evaluate "
                                                  "field Nope in type *formatter.imageContext"),
            (("history", "--format", "{{.Nope}}", "busybox"), "template parsing error: template: :1:2: executing \"\" at <.Nope>: can't "
                                                             "evaluate field Nope in type *image.historyContext"),
            (("system", "prune", "-f", "--volumes", "--filter", "until=1h"), 'ERROR: The "until" filter is not supported with "--volumes"')):
        ours = engine.berth(*words, code=1)
        assert (ours.out, ours.err) == ("", says + "\n"), words
        theirs = engine.docker(*words, code=None)
        assert theirs.code == 1 and (theirs.err == ours.err or not docker_is_28()), words
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode) and sorted(os.listdir(scratch)) == ["link", "pipe"]


def docker_is_28():
    version = subprocess.run(["docker", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    return int(version.split(".")[0]) >= 28
