"""docker cp: HEAD, GET and PUT of a container's files, running and stopped; archives and containers that attack."""

import base64
import io
import json
import os
import socket
import stat
import tarfile
import threading
import time

import pytest

from support.images import Tar
from support.waiting import eventually


def archive_of(api, container, path):
    answer = api.request("GET", f"/containers/{container}/archive", query={"path": path})
    assert answer.status == 200, answer
    return tarfile.open(fileobj=io.BytesIO(answer.body))


def names_of(api, container, path):
    return [m.name for m in archive_of(api, container, path)]


def stat_of(api, container, path):
    answer = api.request("HEAD", f"/containers/{container}/archive", query={"path": path})
    assert answer.status == 200, answer
    return json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))


def put(api, container, path, archive, **query):
    return api.request("PUT", f"/containers/{container}/archive", archive, query={"path": path, **query})


def refused(answer, text):
    """Docker 20.10 answers 500 for what newer ones call a bad request."""
    assert answer.status in (400, 500), answer
    assert text in answer.message, answer


def output_of(docker, container, *command):
    return docker("exec", container, *command).out


TREE = """mkdir -p /d/e /o; echo hi>/d/f; ln -s /d /ld; ln -s /nope/x /lb; ln -s f /d/lf; ln /d/f /d/g
chmod 4755 /d/g; mkfifo /d/fifo; ln -s /data/seed /ls; touch /ready; sleep 1000"""


@pytest.fixture(params=["running", "stopped"])
def container(api, request):
    """One with a tree of all kinds of files, running or not any more."""
    c = api.create(cmd=["sh", "-c", TREE], HostConfig={"NetworkMode": "none"})
    api.start(c)
    eventually(lambda: api.request("HEAD", f"/containers/{c}/archive", query={"path": "/ready"}).status == 200)
    if request.param == "stopped":
        api.post(f"/containers/{c}/kill")
        api.wait(c)
    return c


# ---- looking and copying out

@pytest.mark.parametrize("path,name,kind,target", [
    ("/", "/", stat.S_IFDIR, ""), ("/d", "d", stat.S_IFDIR, ""), ("/d/", "d", stat.S_IFDIR, ""),
    ("/d/.", ".", stat.S_IFDIR, ""), ("d", "d", stat.S_IFDIR, ""), ("/ld", "ld", stat.S_IFLNK, "/d"),
    ("/ld/", "ld", stat.S_IFDIR, ""), ("/lb", "lb", stat.S_IFLNK, "/nope/x"), ("/ls", "ls", stat.S_IFLNK, "/data/seed"),
    ("/d/lf", "lf", stat.S_IFLNK, "/d/f"), ("/d/../d/f", "f", stat.S_IFREG, ""),
    ("../../etc/passwd", "passwd", stat.S_IFREG, ""), ("/d/fifo", "fifo", stat.S_IFIFO, "")])
def test_stat(api, container, path, name, kind, target):
    found = stat_of(api, container, path)
    assert (found["name"], found["linkTarget"]) == (name, target)
    bits = {stat.S_IFDIR: 1 << 31, stat.S_IFLNK: 1 << 27, stat.S_IFIFO: 1 << 25, stat.S_IFREG: 0}
    assert found["mode"] & 0xfff00000 & ~(1 << 23) == bits[kind]


def test_stat_of_a_file(api, container):
    found = stat_of(api, container, "/d/g")
    assert found["size"] == 3 and found["mode"] == 0o755 | 1 << 23
    assert found["mtime"].startswith("20") and found["mtime"].endswith("Z")


@pytest.mark.parametrize("path,names", [
    ("/d", ["d", "d/e", "d/f", "d/fifo", "d/g", "d/lf"]), ("/d/.", [".", "./e", "./f", "./fifo", "./g", "./lf"]),
    ("/ld/", ["ld", "ld/e", "ld/f", "ld/fifo", "ld/g", "ld/lf"]), ("/ld", ["ld"]), ("/d/f", ["f"]), ("/d/e/", ["e"])])
def test_archive_names(api, container, path, names):
    assert names_of(api, container, path) == names


def test_archive_content(api, container):
    tar = archive_of(api, container, "/d")
    f, g = tar.getmember("d/f"), tar.getmember("d/g")
    assert tar.extractfile(f).read() == b"hi\n" and f.mode & 0o7777 == 0o4755 and f.isreg()
    assert g.islnk() and g.linkname == "d/f"
    assert tar.getmember("d/lf").linkname == "f" and tar.getmember("d/fifo").isfifo()


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("path,status,message", [
    ("/nope", 404, "Could not find the file /nope in container {}"),
    ("/nope/x", 404, "Could not find the file /nope/x in container {}"),
    ("/lb/", 404, "Could not find the file /lb/ in container {}"),
    ("/d/f/x", 500, "/d/f/x: not a directory"), ("/d/f/", 500, "/d/f/: not a directory"),
    ("", 400, "bad parameter: path")])
def test_what_is_not_there(api, container, method, path, status, message):
    answer = api.request(method, f"/containers/{container}/archive", query={"path": path})
    assert answer.status == status
    if method == "GET":
        assert message.format(container) in answer.message


def test_unknown_container(api):
    for method in ("HEAD", "GET", "PUT"):
        assert api.request(method, "/containers/ghost/archive", query={"path": "/"}).status == 404


def test_kernel_file_systems_are_empty_folders(api):
    c = api.create(cmd=["sleep", "1000"], HostConfig={"NetworkMode": "none"})
    api.start(c)
    for path in ("/proc", "/sys"):
        assert names_of(api, c, path) == [path[1:]]
    for path in ("/dev/null", "/sys/kernel", "/proc/self/environ", "/proc/1/root/etc/passwd"):
        answer = api.request("GET", f"/containers/{c}/archive", query={"path": path})
        assert (answer.status, answer.message) == (404, f"Could not find the file {path} in container {c}")
    whole = names_of(api, c, "/")
    assert "/etc/passwd" in whole and "/proc" in whole
    assert not [n for n in whole if n.startswith(("/proc/", "/sys/"))]


# ---- copying in

def test_put_and_owners(api, docker):
    c = api.create(cmd=["sleep", "1000"], User="app", HostConfig={"NetworkMode": "none"})
    api.start(c)
    tar = Tar().folder("sub", uid=7, gid=8).file("sub/f", "text", 0o4750, uid=1234, gid=1235).symlink("sub/l", "f")
    tar = tar.entry("sub/h", tarfile.LNKTYPE, link="sub/f", mode=0o4750, uid=1234, gid=1235).bytes()
    assert put(api, c, "/tmp", tar).status == 200
    assert output_of(docker, c, "stat", "-c", "%a %u %g %h %s", "/tmp/sub/f").split() == ["4750", "1234", "1235", "2", "4"]
    assert output_of(docker, c, "stat", "-c", "%u %g %Y", "/tmp/sub").split() == ["7", "8", "1700000000"]
    assert output_of(docker, c, "readlink", "/tmp/sub/l") == "f\n"


@pytest.mark.berth
def test_put_for_the_containers_user(api, docker):
    """The reference looks the user up on the host."""
    c = api.create(cmd=["sleep", "1000"], User="app", HostConfig={"NetworkMode": "none"})
    api.start(c)
    assert put(api, c, "/tmp", Tar().file("f", "text", uid=1234).bytes(), copyUIDGID=1).status == 200
    assert output_of(docker, c, "stat", "-c", "%u %g", "/tmp/f").split() == ["1000", "1000"]


def test_put_into_a_stopped_container_and_start_it(api):
    c = api.create(cmd=["cat", "/new/sub/f"], HostConfig={"NetworkMode": "none"})
    assert put(api, c, "/", Tar().file("new/sub/f", "put before the start\n").bytes()).status == 200
    api.start(c)
    api.wait(c)
    assert api.logs(c)[0] == b"put before the start\n"
    assert archive_of(api, c, "/new/sub/f").extractfile("f").read() == b"put before the start\n"


@pytest.mark.parametrize("path,attack,query,text", [
    ("/d/f", lambda: Tar().file("x", "x"), {}, "extraction point is not a directory"),
    ("", lambda: Tar().file("x", "x"), {}, "bad parameter: path"),
    ("/d", lambda: Tar().file("e", "x"), {"noOverwriteDirNonDir": 1},
     'cannot overwrite directory "/d/e" with non-directory "/d"'),
    ("/d", lambda: Tar().folder("f"), {"noOverwriteDirNonDir": "true"},
     'cannot overwrite non-directory "/d/f" with directory "/d"'),
    ("/d", lambda: Tar().file("../up", "x"), {}, '"../up" is outside of "/d"'),
    ("/d", lambda: Tar().symlink("out", "../../../../etc"), {}, 'invalid symlink "/d/out" -> "../../../../etc"'),
    ("/d", lambda: Tar().hardlink("hl", "../etc/passwd"), {}, 'invalid hardlink "/etc/passwd" -> "../etc/passwd"'),
])
def test_put_refused(api, container, path, attack, query, text):
    before = names_of(api, container, "/d")
    refused(put(api, container, path, attack().bytes(), **query), text)
    assert names_of(api, container, "/d") == before
    assert api.request("HEAD", f"/containers/{container}/archive", query={"path": "/up"}).status == 404


def test_put_of_what_is_no_archive(api, container):
    refused(put(api, container, "/d", b"garbage" * 100), "archive/tar: invalid tar header")
    refused(put(api, container, "/o", Tar().file("x", "y" * 1000).bytes()[:700]), "unexpected EOF")
    assert put(api, container, "/nope", Tar().bytes()).status == 404
    assert put(api, container, "/d", b"").status == 200


def test_put_replaces(api, container):
    assert put(api, container, "/d", Tar().file("e", "now a file").folder("f").file("f/x", "").bytes()).status == 200
    tar = archive_of(api, container, "/d")
    assert tar.extractfile("d/e").read() == b"now a file" and tar.getmember("d/f").isdir()


def test_symlinks_mean_what_they_mean_in_the_container(api, container, scratch):
    """A link to an absolute path, brought by the archive itself, leads to the container's file, never to the host's."""
    host = scratch + "/host"
    os.mkdir(host)
    tar = Tar().symlink("out", "/o").symlink("host", host).file("out/via", "x")
    assert put(api, container, "/d", tar.bytes()).status == 200
    assert names_of(api, container, "/o") == ["o", "o/via"]
    assert put(api, container, "/ld", Tar().file("through", "x").bytes()).status == 200
    assert "d/through" in names_of(api, container, "/d")
    put(api, container, "/d", Tar().file("host/escape", "x").bytes())
    assert os.listdir(host) == []
    assert put(api, container, host, Tar().file("escape", "x").bytes()).status in (200, 404)
    assert os.listdir(host) == []


@pytest.mark.berth
def test_mounted_files_are_not_taken_away(api, docker):
    """From outside the kernel would let us unlink what is mounted on; the container would lose its /etc/hosts. (The
    reference empties the volume before it fails.)"""
    c = api.create(cmd=["sleep", "1000"], HostConfig={"NetworkMode": "none", "Binds": ["cp-vol:/data/vol"]})
    api.start(c)
    docker("exec", c, "sh", "-c", "echo kept > /data/vol/file")
    before = output_of(docker, c, "cat", "/etc/hosts")
    for path, archive in (("/etc", Tar().file("hosts", "stolen\n")), ("/data", Tar().file("vol", "x")),
                          ("/", Tar().file("data", "x")), ("/", Tar().file("etc", "x"))):
        refused(put(api, c, path, archive.bytes()), "resource busy")
    assert output_of(docker, c, "cat", "/etc/hosts") == before
    assert output_of(docker, c, "cat", "/data/vol/file") == "kept\n"


# ---- mounts

@pytest.mark.parametrize("running", [True, False])
def test_volumes_and_binds(api, scratch, running):
    os.mkdir(scratch + "/b")
    with open(scratch + "/b/inside", "w") as f:
        f.write("of the host")
    c = api.create(cmd=["sleep", "1000"], HostConfig={
        "NetworkMode": "none", "Binds": [f"{scratch}/b:/bind:ro", f"{scratch}/b:/rw", "cp-vol2:/data/vol"]})
    if running:
        api.start(c)
    assert archive_of(api, c, "/bind/inside").extractfile("inside").read() == b"of the host"
    assert "data/vol" in names_of(api, c, "/data")
    refused(put(api, c, "/bind", Tar().file("x", "x").bytes()), "mounted volume is marked read-only")
    assert put(api, c, "/rw", Tar().file("new", "to the host").bytes()).status == 200
    with open(scratch + "/b/new") as f:
        assert f.read() == "to the host"
    assert put(api, c, "/data/vol", Tar().file("v", "x").bytes()).status == 200
    assert names_of(api, c, "/data/vol") == ["vol", "vol/v"]


@pytest.mark.parametrize("running", [True, False])
def test_read_only_root(api, running):
    c = api.create(cmd=["sleep", "1000"], HostConfig={"NetworkMode": "none", "ReadonlyRootfs": True,
                                                      "Binds": ["cp-vol3:/data/vol"]})
    if running:
        api.start(c)
    refused(put(api, c, "/tmp", Tar().file("x", "x").bytes()), "container rootfs is marked read-only")
    assert put(api, c, "/data/vol", Tar().file("x", "x").bytes()).status == 200


@pytest.mark.berth
def test_tmpfs_of_a_running_container_is_seen(api, docker):
    """Docker looks only at what it can mount itself."""
    c = api.create(cmd=["sleep", "1000"], HostConfig={"NetworkMode": "none", "Tmpfs": {"/scratch": ""},
                                                      "ReadonlyRootfs": True})
    api.start(c)
    assert put(api, c, "/scratch", Tar().file("x", "in memory").bytes()).status == 200
    assert output_of(docker, c, "cat", "/scratch/x") == "in memory"
    docker("exec", c, "sh", "-c", "echo shared > /dev/shm/y")
    assert archive_of(api, c, "/dev/shm/y").extractfile("y").read() == b"shared\n"


# ---- races, ends and clients that go away

SWAP = """mkdir /real; cd /; while :; do
rm -rf /swap; mkdir /swap; mv /swap /swap.d 2>/dev/null; ln -s "$TARGET" /swap; rm -f /swap; mv /swap.d /swap; done"""


def test_a_container_that_swaps_folders_for_links(api, scratch):
    """CVE-2018-15664: a path that is a folder when it is checked and a link to the host's when it is used."""
    secret = scratch + "/secret"
    os.mkdir(secret)
    with open(secret + "/file", "w") as f:
        f.write("of the host")
    c = api.create(cmd=["sh", "-c", SWAP], Env=["TARGET=" + secret], HostConfig={"NetworkMode": "none"})
    api.start(c)
    archive, seen, end = Tar().file("file", "from the client").bytes(), set(), time.monotonic() + 3
    while time.monotonic() < end:
        seen.add(put(api, c, "/swap", archive).status)
        seen.add(put(api, c, "/", Tar().file("swap/file", "from the client").bytes()).status)
        answer = api.request("GET", f"/containers/{c}/archive", query={"path": "/swap/"})
        assert b"of the host" not in answer.body
        answer = api.request("GET", f"/containers/{c}/archive", query={"path": "/swap/file"})
        assert b"of the host" not in answer.body
    assert seen <= {200, 404, 500}
    assert os.listdir(secret) == ["file"]
    with open(secret + "/file") as f:
        assert f.read() == "of the host"


def raw_put(api, container, path, size):
    """An upload whose client sends the head, some of the body, and then nothing."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(api.socket_path)
    client.sendall(f"PUT /containers/{container}/archive?path={path} HTTP/1.1\r\nHost: d\r\n"
                   "Content-Type: application/x-tar\r\nContent-Length: 100000000\r\n\r\n".encode())
    client.sendall(Tar().file("half", b"x" * 5_000_000).bytes()[:size])
    return client


def file_is_there(api, container, path):
    return api.request("HEAD", f"/containers/{container}/archive", query={"path": path}).status == 200


def test_client_that_leaves_midway(api, engine):
    c = api.create(cmd=["sleep", "1000"], HostConfig={"NetworkMode": "none"})
    api.start(c)
    raw_put(api, c, "/tmp", 2_000_000).close()
    reader = socket.socket(socket.AF_UNIX)
    reader.connect(api.socket_path)
    reader.sendall(f"GET /containers/{c}/export HTTP/1.1\r\nHost: d\r\n\r\n".encode())
    reader.recv(1000)
    reader.close()
    assert put(api, c, "/tmp", Tar().file("after", "x").bytes()).status == 200
    api.remove(c)


@pytest.mark.berth
@pytest.mark.parametrize("running", [True, False])
def test_container_removed_during_an_upload(api, engine, running):
    """The upload ends, and nothing of the layer stays behind. (The reference waits for the client.)"""
    c = api.create(cmd=["sleep", "1000"], HostConfig={"NetworkMode": "none"})
    if running:
        api.start(c)
    client = raw_put(api, c, "/tmp", 2_000_000)
    eventually(lambda: file_is_there(api, c, "/tmp/half"))
    api.remove(c)
    client.settimeout(20)
    assert b"was started or removed" in client.recv(4096)
    client.close()
    layer = os.path.join(engine.data_root, "overlay2")
    eventually(lambda: not [n for n in os.listdir(layer) if n.startswith(("c-" + c, "trash-"))])


@pytest.mark.berth
@pytest.mark.slow
def test_a_hung_upload_does_not_keep_a_container_from_starting(api):
    c = api.create(cmd=["sleep", "1000"], HostConfig={"NetworkMode": "none"})
    client = raw_put(api, c, "/tmp", 1_000_000)
    eventually(lambda: file_is_there(api, c, "/tmp/half"))
    assert api.request("POST", f"/containers/{c}/start", timeout=60).status == 204
    client.settimeout(5)
    assert b"was started or removed" in client.recv(4096)
    client.close()


@pytest.mark.berth
def test_holders_end_with_the_daemon(new_daemon):
    """The process that holds a stopped container's mounts has no other reason to live."""
    daemon = new_daemon()
    c = daemon.api.create(cmd=["true"], HostConfig={"NetworkMode": "none"})
    client = raw_put(daemon.api, c, "/tmp", 1_000_000)
    eventually(lambda: holders(c))
    daemon.kill()
    eventually(lambda: not holders(c))
    client.close()
    daemon.start()
    assert put(daemon.api, c, "/tmp", Tar().file("after", "x").bytes()).status == 200
    eventually(lambda: not holders(c))


def holders(container):
    found = []
    for pid in (p for p in os.listdir("/proc") if p.isdigit()):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if f.read().split(b"\0")[1:3] == [container.encode(), b"files"]:
                    found.append(pid)
        except OSError:
            pass
    return found


def test_many_at_once(api):
    c = api.create(cmd=["sleep", "1000"], HostConfig={"NetworkMode": "none"})
    api.start(c)
    statuses = []

    def upload(i):
        statuses.append(put(api, c, "/", Tar().file(f"t{i}/f", b"x" * 300_000).bytes()).status)

    threads = [threading.Thread(target=upload, args=(i,)) for i in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert statuses == [200] * 12
    assert len([n for n in names_of(api, c, "/") if n.endswith("/f") and n.startswith("/t")]) == 12


# ---- the client

@pytest.fixture(params=["docker", pytest.param("berth", marks=pytest.mark.berth)])
def client(request, docker, engine):
    return docker if request.param == "docker" else engine.berth


@pytest.fixture
def web(api, docker):
    c = api.create(cmd=["sh", "-c", TREE], name="web", HostConfig={"NetworkMode": "none"})
    api.start(c)
    eventually(lambda: file_is_there(api, "web", "/ready"))
    return "web"


def local_tree(scratch):
    os.makedirs(scratch + "/src/sub")
    for name in ("a", "sub/b"):
        with open(f"{scratch}/src/{name}", "w") as f:
            f.write(name)
    os.symlink("a", scratch + "/src/l")
    os.symlink("src", scratch + "/lsrc")
    return scratch + "/src"


def listing(folder):
    return sorted(os.path.relpath(os.path.join(d, n), folder) for d, ds, fs in os.walk(folder) for n in ds + fs)


@pytest.mark.parametrize("source,target,there", [
    ("src/a", "/o", ["o", "o/a"]), ("src/a", "/o/x", ["o", "o/x"]), ("src", "/o", ["o", "o/src", "o/src/a", "o/src/l",
     "o/src/sub", "o/src/sub/b"]), ("src", "/o/new", ["o", "o/new", "o/new/a", "o/new/l", "o/new/sub", "o/new/sub/b"]),
    ("src/.", "/o", ["o", "o/a", "o/l", "o/sub", "o/sub/b"]), ("src/l", "/o/l", ["o", "o/l"]),
    ("lsrc", "/o/x", ["o", "o/x"]), ("lsrc/", "/o/x", ["o", "o/x", "o/x/a", "o/x/l", "o/x/sub", "o/x/sub/b"])])
def test_cp_in(client, api, web, scratch, source, target, there):
    local_tree(scratch)
    client("cp", f"{scratch}/{source}", f"{web}:{target}")
    assert names_of(api, web, "/o") == there


@pytest.mark.parametrize("source,target,there", [
    ("/d/f", "out", ["f"]), ("/d/f", "out/x", ["x"]), ("/d/e", "out/x", ["x"]), ("/d/.", "out", ["e", "f", "fifo", "g", "lf"]),
    ("/ld", "out", ["ld"]), ("/ld/", "out/x", ["x", "x/e", "x/f", "x/fifo", "x/g", "x/lf"]), ("/d/lf", "out", ["lf"])])
def test_cp_out(client, web, scratch, source, target, there):
    os.mkdir(scratch + "/out")
    client("cp", f"{web}:{source}", f"{scratch}/{target}")
    assert listing(scratch + "/out") == there


def test_cp_follows_links(client, api, web, scratch):
    local_tree(scratch)
    os.mkdir(scratch + "/out")
    client("cp", "-L", f"{scratch}/src/l", f"{web}:/o")
    assert archive_of(api, web, "/o/l").getmember("l").isreg()
    client("cp", "-L", f"{web}:/d/lf", scratch + "/out")
    with open(scratch + "/out/lf") as f:
        assert f.read() == "hi\n"
    client("cp", f"{scratch}/src/a", f"{web}:/ld")  # a link to a folder is a folder to copy to
    assert "d/a" in names_of(api, web, "/d")


def test_cp_streams(client, api, web):
    out = client("cp", f"{web}:/d/f", "-").raw
    assert tarfile.open(fileobj=io.BytesIO(out)).getnames() == ["f"]
    client("cp", "-", f"{web}:/o", stdin=Tar().file("s", "from a stream").bytes())
    assert archive_of(api, web, "/o/s").extractfile("s").read() == b"from a stream"


@pytest.mark.parametrize("arguments,message", [
    (("a", "b"), "must specify at least one container source"),
    (("web:/a", "web:/b"), "copying between containers is not supported"),
    (("", "web:/b"), "source can not be empty"), (("web:/d", ""), "destination can not be empty"),
    (("ghost:/a", "/tmp"), "Error response from daemon: No such container: ghost"),
    (("web:/nope", "/tmp"), "Could not find the file /nope in container web"),
    (("{}/nope", "web:/o"), "lstat {}/nope: no such file or directory"),
    (("{}/src", "web:/d/f"), "cannot copy directory"), (("{}/src/a", "web:/o/new/"), "no such directory"),
    (("web:/d", "{}/src/a"), "cannot copy directory"), (("web:/d/f", "{}/nope/x"), "invalid output path: directory"),
    (("-", "web:/d/f"), 'destination "web:/d/f" must be a directory')])
def test_cp_bad_input(client, web, scratch, arguments, message):
    local_tree(scratch)
    result = client("cp", *[a.format(scratch) for a in arguments], stdin=b"", code=1)
    assert message.format(scratch) in result.err, result


@pytest.mark.berth
def test_cp_says_what_it_copied(engine, web, scratch):
    """Without a terminal only when asked; both clients alike."""
    local_tree(scratch)
    for run in (engine.docker, engine.berth):
        result = run("cp", "--quiet=false", f"{scratch}/src/a", f"{web}:/o")
        assert result.err.endswith("Successfully copied 2.05kB to web:/o\n"), result
        assert run("cp", f"{scratch}/src/a", f"{web}:/o").err == ""


def test_a_refused_upload_is_heard_out(api, web):
    """The docker CLI reports a broken pipe beside the answer when that comes before the end of its upload."""
    sock = api.raw()
    sock.sendall(
        f"PUT {api.url(f'/containers/{web}/archive', {'path': '/nosuch'})} HTTP/1.1\r\nHost: docker\r\n"
        "Transfer-Encoding: chunked\r\n\r\n".encode()
    )
    time.sleep(0.2)
    sock.sendall(b"400\r\n" + bytes(1024) + b"\r\n0\r\n\r\n")
    answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 404") and b"\r\nConnection: close" not in answer
    sock.sendall(f"GET {api.url('/_ping', None)} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n".encode())
    assert b"".join(iter(lambda: sock.recv(65536), b"")).endswith(b"OK")
    sock.close()
