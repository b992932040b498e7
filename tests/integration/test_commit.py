"""docker diff, export and commit."""

import io
import json
import tarfile
import time
import urllib.parse

import pytest

from support.images import Tar
from support.waiting import eventually

CHANGES = """mkdir -p /d/e; echo hi>/d/f; ln /d/f /d/g; ln -s /d /ld; echo x>/data/seed; rm -r /home/app; touch /etc/group
chmod 700 /srv; rm -rf /usr/bin; mkdir /usr/bin; echo n>/usr/bin/n; rm /etc/os-release; rm -rf /var; echo f>/var
touch /ready; sleep 1000"""
EXPECTED = [("/bind", 1), ("/d", 1), ("/d/e", 1), ("/d/f", 1), ("/d/g", 1), ("/data", 0), ("/data/seed", 0),
            ("/data/vol", 1), ("/etc", 0), ("/etc/group", 0), ("/etc/os-release", 2), ("/home", 0), ("/home/app", 2),
            ("/ld", 1), ("/ready", 1), ("/srv", 0), ("/usr", 0), ("/usr/bin", 0), ("/usr/bin/n", 1), ("/var", 0)]


@pytest.fixture(autouse=True)
def clean(api):
    yield
    for container in api.get("/containers/json", all=1):
        api.remove(container["Id"])
    keep = {"busybox:latest", "full:latest"}
    for _ in range(3):  # children first
        for image in api.get("/images/json", all=1):
            if not keep & set(image["RepoTags"] or []):
                api.request("DELETE", "/images/" + image["Id"], query={"force": 1})
    assert {t for i in api.get("/images/json") for t in i["RepoTags"]} == keep


@pytest.fixture(params=["running", "stopped"])
def changed(api, scratch, request):
    c = api.create(cmd=["sh", "-c", CHANGES], name="changed", HostConfig={
        "NetworkMode": "none", "Binds": [f"{scratch}:/bind", "commit-vol:/data/vol"], "Tmpfs": {"/tmp": ""}})
    api.start(c)
    eventually(lambda: api.request("HEAD", f"/containers/{c}/archive", query={"path": "/ready"}).status == 200)
    if request.param == "stopped":
        api.post(f"/containers/{c}/kill")
        api.wait(c)
    return c


def commit(api, container, body=None, **query):
    pairs = [(k, v) for k, value in query.items() for v in (value if isinstance(value, list) else [value])]
    return api.request("POST", "/commit?" + urllib.parse.urlencode([("container", container), *pairs]), body)


def exported(api, container):
    answer = api.ok("GET", f"/containers/{container}/export")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    return tarfile.open(fileobj=io.BytesIO(answer.body))


# ---- diff

def test_changes(api, changed):
    found = api.get(f"/containers/{changed}/changes")
    assert sorted((c["Path"], c["Kind"]) for c in found) == EXPECTED
    paths = [c["Path"] for c in found]
    for path in paths:  # a folder comes before what is in it
        parent = path.rsplit("/", 1)[0]
        assert parent == "" or paths.index(parent) < paths.index(path)


@pytest.mark.parametrize("started", [False, True])
def test_a_container_that_changed_nothing(api, started):
    c = api.create(cmd=["true"], HostConfig={"NetworkMode": "none"})
    if started:
        api.start(c)
        api.wait(c)
    assert api.get(f"/containers/{c}/changes") is None


def test_opening_a_file_changes_nothing(api):
    c = api.create(cmd=["sh", "-c", "exec 3>>/etc/passwd; touch -r /etc/group /etc/passwd"],
                   HostConfig={"NetworkMode": "none"})
    api.start(c)
    api.wait(c)
    assert api.get(f"/containers/{c}/changes") is None


@pytest.mark.parametrize("path", ["changes", "export"])
def test_unknown_container(api, path):
    answer = api.request("GET", f"/containers/ghost/{path}")
    assert (answer.status, answer.message) == (404, "No such container: ghost")


@pytest.fixture(params=["docker", pytest.param("berth", marks=pytest.mark.berth)])
def client(request, engine):
    return engine.docker if request.param == "docker" else engine.berth


def test_cli_diff(client, changed):
    lines = client("diff", "changed").out.splitlines()
    assert sorted(lines) == sorted("CAD"[kind] + " " + path for path, kind in EXPECTED)
    assert sorted(client("container", "diff", "changed").out.splitlines()) == sorted(lines)
    assert "No such container: ghost" in client("diff", "ghost", code=1).err


# ---- export

def test_export(api, changed):
    tar = exported(api, changed)
    names = tar.getnames()
    assert tar.extractfile("d/f").read() == b"hi\n"
    assert tar.getmember("d/g").islnk() and tar.getmember("d/g").linkname == "d/f"
    assert tar.getmember("ld").linkname == "/d" and tar.extractfile("data/seed").read() == b"x\n"
    assert tar.getmember("srv").mode & 0o7777 == 0o700 and tar.getmember("var").isreg()
    assert "etc/os-release" not in names and "home/app" not in names
    assert [n for n in names if n.startswith("usr/bin")] == ["usr/bin", "usr/bin/n"]
    assert "bin/busybox" in names and "." not in names and len(names) == len(set(names))


def test_export_leaves_mounts_out(api, changed, docker):
    put = Tar().file("in-the-volume", "x").bytes()
    api.ok("PUT", f"/containers/{changed}/archive", put, {"path": "/data/vol"})
    names = exported(api, changed).getnames()
    assert "data/vol" in names and "data/vol/in-the-volume" not in names
    assert not [n for n in names if n.startswith(("proc/", "sys/", "bind/"))]


def test_cli_export(client, api, changed, scratch):
    client("export", "-o", scratch + "/out.tar", "changed")
    with tarfile.open(scratch + "/out.tar") as tar:
        from_file = tar.getnames()
    assert tarfile.open(fileobj=io.BytesIO(client("export", "changed").raw)).getnames() == from_file
    assert "d/f" in from_file
    client("import", scratch + "/out.tar", "imported:1")
    assert client("run", "--rm", "--network", "none", "imported:1", "cat", "/d/f").out == "hi\n"


# ---- commit

def test_commit(api, docker, changed):
    answer = commit(api, changed, repo="new", tag="v1", author="me", comment="msg",
                    changes=['CMD ["cat","/d/f"]', "ENV a=b", "LABEL l=1"])
    assert answer.status == 201
    image = api.get("/images/new:v1/json")
    assert image["Id"] == answer.json()["Id"]
    assert (image["Author"], image["Comment"]) == ("me", "msg")
    assert image["Config"]["Cmd"] == ["cat", "/d/f"] and "a=b" in image["Config"]["Env"]
    assert image["Config"]["Labels"] == {"l": "1"}
    base = api.get("/images/busybox/json")
    assert image["Parent"] == base["Id"] and image["RootFS"]["Layers"][:1] == base["RootFS"]["Layers"]
    assert len(image["RootFS"]["Layers"]) == 2
    history = api.get("/images/new:v1/history")
    assert history[0]["CreatedBy"] == "sh -c " + CHANGES and history[0]["Comment"] == "msg"
    assert history[1]["Id"] == base["Id"] and history[0]["Size"] > 0
    assert docker("run", "--rm", "--network", "none", "new:v1").out == "hi\n"
    look = docker("run", "--rm", "--network", "none", "new:v1", "sh", "-c",
                  "cat /data/seed /var; ls /usr/bin; ls /data/vol; stat -c %a:%h /d/f /d/g; ls -d /home/app /etc/os-release",
                  code=None)
    assert look.out.split() == ["x", "f", "n", "644:2", "644:2"]
    assert look.err.count("No such file") == 2, look


def test_commit_gives_the_layer_that_save_gives_again(api, changed, docker):
    commit(api, changed, repo="saved")
    archive = api.ok("GET", "/images/saved/get").body
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        layer = json.load(tar.extractfile("manifest.json"))[0]["Layers"][-1]
        names = tarfile.open(fileobj=io.BytesIO(tar.extractfile(layer).read())).getnames()
    assert "home/.wh.app" in names and "etc/.wh.os-release" in names and "d/f" in names
    assert not [n for n in names if ".dockerenv" in n or n in ("etc/hosts", "etc/mtab", "proc", "dev")]
    api.delete("/images/saved")
    assert api.request("POST", "/images/load", archive, query={"quiet": 1}).status == 200
    assert docker("run", "--rm", "--network", "none", "saved", "cat", "/d/f").out == "hi\n"


def test_commit_of_what_did_not_change(api):
    c = api.create(cmd=["true"], HostConfig={"NetworkMode": "none"})
    image = commit(api, c, repo="same").json()["Id"]
    assert api.get(f"/images/{image}/json")["RootFS"] == api.get("/images/busybox/json")["RootFS"]
    assert api.get(f"/images/{image}/history")[0]["Size"] == 0


def test_commit_with_a_config(api, changed):
    image = commit(api, changed, {"Env": ["q=1"], "Cmd": ["z"], "User": "app"}, repo="configured").json()["Id"]
    config = api.get(f"/images/{image}/json")["Config"]
    assert config["Cmd"] == ["z"] and config["User"] == "app" and config["Env"][0] == "q=1"
    assert any(e.startswith("PATH=") for e in config["Env"])  # of the container


@pytest.mark.parametrize("query,body,status,message", [
    # The reference looks at the name when it has made the image.
    pytest.param({"repo": "UPPER"}, None, (400,), "must be lowercase", marks=pytest.mark.berth),
    pytest.param({"repo": "r", "tag": "b@d"}, None, (400,), "invalid tag format", marks=pytest.mark.berth),
    ({"changes": "RUN make"}, None, (400,), "run is not a valid change command"),
    ({"changes": "ENV"}, None, (400,), "ENV requires at least one argument"),
    ({}, {"Cmd": 5}, (400, 500), "cannot unmarshal number into Go struct field"),
])
def test_commit_refused(api, query, body, status, message):
    c = api.create(cmd=["true"], HostConfig={"NetworkMode": "none"})
    before = len(api.get("/images/json", all=1))
    answer = commit(api, c, body, **query)
    assert answer.status in status and message in answer.message, answer
    assert len(api.get("/images/json", all=1)) == before


def test_commit_of_nothing(api):
    assert (commit(api, "ghost").status, commit(api, "ghost").message) == (404, "No such container: ghost")
    answer = commit(api, "")
    assert (answer.status, answer.message) == (400, 'invalid name or ID supplied: ""')


@pytest.mark.parametrize("pause", [None, "0"])
def test_commit_pauses_and_tells(api, pause):
    c = api.create(cmd=["sleep", "1000"], name="paused", HostConfig={"NetworkMode": "none"})
    api.start(c)
    since = time.time()
    image = commit(api, c, repo="e", tag="t", comment="why", **({"pause": pause} if pause else {})).json()["Id"]
    assert api.state(c)["Status"] == "running"
    answer = api.request("GET", "/events", query={"since": f"{since:.9f}", "until": f"{time.time():.9f}"})
    events = [(e["Type"], e["Action"]) for e in answer.lines()]
    assert (("container", "pause") in events) == (("container", "unpause") in events) == (pause is None)
    assert ("image", "tag") in events
    told = next(e for e in answer.lines() if e["Action"] == "commit")["Actor"]["Attributes"]
    assert (told["comment"], told["imageID"], told["imageRef"]) == ("why", image, "e:t")


@pytest.mark.berth
def test_daemon_killed_during_a_commit(new_daemon):
    """The container was frozen for it: nobody else would wake it again."""
    daemon = new_daemon()
    api = daemon.api
    c = api.create(cmd=["sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo $i > /f$i; i=$((i+1)); done; touch /ready; "
                                    "while :; do date +%s%N > /alive; done"], HostConfig={"NetworkMode": "none"})
    api.start(c)
    eventually(lambda: api.request("HEAD", f"/containers/{c}/archive", query={"path": "/ready"}).status == 200, 60)
    sock = api.raw()
    sock.sendall(f"POST /commit?container={c}&repo=half HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n".encode())
    eventually(lambda: api.state(c)["Status"] == "paused" or api.get("/images/json", filters={"reference": ["half"]}),
               interval=0.001)
    daemon.kill()
    daemon.start()
    assert api.state(c)["Status"] == "running"
    alive = api.ok("GET", f"/containers/{c}/archive", query={"path": "/alive"}).body
    eventually(lambda: api.ok("GET", f"/containers/{c}/archive", query={"path": "/alive"}).body != alive)


def test_cli_commit(client, api, changed):
    made = client("commit", "-m", "msg", "-a", "me", "-c", 'CMD ["cat","/d/f"]', "-c", "ENV k=v", "changed", "cli:1").out
    assert made.strip() == api.get("/images/cli:1/json")["Id"]
    assert client("run", "--rm", "--network", "none", "cli:1").out == "hi\n"
    assert client("container", "commit", "--pause=false", "changed").out.startswith("sha256:")
    assert "No such container: ghost" in client("commit", "ghost", code=1).err


@pytest.mark.berth
def test_with_the_vfs_driver(new_daemon):
    """Whole trees are compared there, and nothing is mounted for cp but a bind."""
    daemon = new_daemon("--storage-driver", "vfs")
    api = daemon.api
    c = api.create(cmd=["sh", "-c", CHANGES.replace("sleep 1000", "true")], HostConfig={"NetworkMode": "none"})
    api.start(c)
    assert api.wait(c) == 0
    found = {(change["Path"], change["Kind"]) for change in api.get(f"/containers/{c}/changes")}
    assert found == set(EXPECTED) - {("/bind", 1), ("/data/vol", 1)}
    names = exported(api, c).getnames()
    assert "d/f" in names and "bin/busybox" in names and "home/app" not in names
    put = Tar().file("put", "by cp\n").bytes()
    api.ok("PUT", f"/containers/{c}/archive", put, {"path": "/d"})
    commit(api, c, repo="vfs")
    assert len(api.get("/images/vfs/json")["RootFS"]["Layers"]) == 2
    assert daemon.docker("run", "--rm", "--network", "none", "vfs", "sh", "-c",
                         "cat /d/put /d/f; ls /usr/bin; test -e /etc/os-release || echo gone").out == "by cp\nhi\nn\ngone\n"
