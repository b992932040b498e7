"""The API itself: versions, headers, errors, info, version, df, events; clients that behave badly."""

import json
import re
import socket
import threading
import time

import pytest

from support.waiting import eventually


def exchange(api, data, timeout=10):
    """Sends bytes on a connection of their own; what comes back until the other side closes or is silent."""
    sock = api.raw(timeout)
    try:
        sock.sendall(data)
        answer = b""
        sock.settimeout(1.5)
        try:
            while piece := sock.recv(65536):
                answer += piece
        except (socket.timeout, ConnectionResetError):
            pass
        return answer
    finally:
        sock.close()


# ---- versions and headers

def test_ping(api):
    answer = api.request("GET", "/_ping", version="")
    assert answer.status == 200 and answer.body == b"OK" and answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    for header in ("Api-Version", "Ostype", "Docker-Experimental", "Server"):
        assert header in answer.headers, header
    assert answer.headers["Ostype"] == "linux" and "no-cache" in answer.headers["Cache-Control"]
    head = api.request("HEAD", "/_ping", version="")
    assert head.status == 200 and head.body == b"" and head.headers["Api-Version"] == answer.headers["Api-Version"]


@pytest.mark.berth
def test_newer_headers(api):
    headers = api.request("GET", "/_ping", version="").headers
    assert headers["Swarm"] == "inactive" and "Builder-Version" in headers


@pytest.mark.parametrize("version", ["", "v1.24", "v1.30", "v1.41", pytest.param("v1.51", marks=pytest.mark.berth)])
def test_version_prefixes(api, version):
    assert api.request("GET", "/containers/json", version=version).status == 200


def test_newest_version(api):
    newest = api.request("GET", "/_ping").headers["Api-Version"]
    answer = api.request("GET", "/info", version="v9.99")
    assert answer.status == 400
    assert answer.message == f"client version 9.99 is too new. Maximum supported API version is {newest}"


@pytest.mark.berth
def test_oldest_version(api):
    answer = api.request("GET", "/info", version="v1.11")
    assert answer.status == 400
    assert answer.message == ("client version 1.11 is too old. Minimum supported API version is 1.24, please upgrade your client "
                              "to a newer version")


def test_unknown_page(api):
    answer = api.request("GET", "/no/such/page")
    assert answer.status == 404 and answer.message == "page not found"


def test_wrong_method(api):
    assert api.request("PUT", "/containers/json").status in (404, 405)


# ---- version, info, df

def test_version_fields(docker, api):
    version = api.get("/version")
    for key in ("Version", "ApiVersion", "MinAPIVersion", "GitCommit", "GoVersion", "Os", "Arch", "KernelVersion"):
        assert key in version, key
    assert version["Os"] == "linux" and version["Components"][0]["Name"] and version["Components"][0]["Version"]
    assert "Server" in docker("version").out


def test_info_fields(docker, api):
    api.start(api.create(cmd=["sleep", "1000"]))
    api.create()
    info = api.get("/info")
    assert (info["Containers"], info["ContainersRunning"], info["ContainersStopped"], info["ContainersPaused"]) == (2, 1, 1, 0)
    assert info["Images"] >= 2 and info["Driver"] in ("overlay2", "vfs") and info["OSType"] == "linux"
    assert info["CgroupDriver"] in ("cgroupfs", "systemd") and info["CgroupVersion"] in ("1", "2")
    assert info["NCPU"] >= 1 and info["MemTotal"] > 1 << 28 and info["ID"] and info["Name"] == socket.gethostname()
    assert info["DefaultRuntime"] in info["Runtimes"] and "name=seccomp,profile=" in " ".join(info["SecurityOptions"])
    assert info["Swarm"]["LocalNodeState"] == "inactive" and "Network" in info["Plugins"] and "Log" in info["Plugins"]
    for key in ("MemoryLimit", "SwapLimit", "CpuCfsQuota", "CPUSet", "PidsLimit", "OomKillDisable", "IPv4Forwarding", "Debug",
                "NFd", "NGoroutines", "SystemTime", "LoggingDriver", "KernelVersion", "OperatingSystem", "Architecture",
                "DockerRootDir", "ServerVersion", "RegistryConfig", "Labels", "LiveRestoreEnabled", "IndexServerAddress",
                "ExperimentalBuild", "HttpProxy", "NoProxy", "DriverStatus"):
        assert key in info, key
    out = docker("info").out
    assert "Running: 1" in out and "Storage Driver: " in out


def test_info_is_durable(api):
    assert api.get("/info")["ID"] == api.get("/info")["ID"]


def test_disk_usage(docker, api):
    docker("run", "--name", "writer", "-v", "dfvol:/v", "busybox", "sh", "-c", "head -c 100000 /dev/zero > /file; echo x > /v/x")
    usage = api.get("/system/df")
    writer, = usage["Containers"]
    assert writer["Names"] == ["/writer"] and 100000 <= writer["SizeRw"] < 1000000 and writer["SizeRootFs"] > writer["SizeRw"]
    assert usage["LayersSize"] > 1000000 and {t for i in usage["Images"] for t in i["RepoTags"]} >= {"busybox:latest"}
    assert "dfvol" in {v["Name"] for v in usage["Volumes"]}
    assert "Images" in docker("system", "df").out
    docker("rm", "writer")
    docker("volume", "rm", "dfvol")


def test_auth_without_a_registry_is_an_error(api):
    answer = api.request("POST", "/auth", {"username": "u", "password": "p", "serveraddress": "127.0.0.1:1"}, timeout=40)
    assert answer.status >= 400


# ---- events

def events(api, since, **filters):
    answer = api.ok("GET", "/events", query={"since": since, "until": f"{time.time():.9f}", **({"filters": filters} if filters else {})})
    return answer.lines()


def test_events_of_a_life(api):
    since = f"{time.time():.9f}"
    time.sleep(0.01)
    container = api.create(cmd=["sh", "-c", "exit 3"], name="eventful", Labels={"l": "v"})
    api.start(container)
    api.wait(container)
    api.post(f"/containers/{container}/rename", name="renamed")
    api.remove(container)
    time.sleep(0.3)
    mine = [e for e in events(api, since, container=[container]) if e["Type"] == "container"]
    actions = [e["Action"] for e in mine]
    assert [a for a in actions if a in ("create", "start", "die", "rename", "destroy")] == [
        "create", "start", "die", "rename", "destroy"]
    die = next(e for e in mine if e["Action"] == "die")
    assert die["Actor"]["ID"] == container and die["Actor"]["Attributes"]["exitCode"] == "3"
    assert die["Actor"]["Attributes"]["name"] == "eventful" and die["Actor"]["Attributes"]["l"] == "v"
    assert die["Actor"]["Attributes"]["image"] == "busybox"
    assert die["scope"] == "local" and die["time"] == die["timeNano"] // 10**9 and die["id"] == container
    assert [e["timeNano"] for e in mine] == sorted(e["timeNano"] for e in mine)


def test_events_as_they_happen(engine, api):
    stream = api.stream("GET", "/events", {"filters": json.dumps({"type": ["container"], "event": ["create"]})})
    container = api.create(name="seen")
    event = json.loads(stream.fp.readline()) if not stream.chunked else json.loads(stream.readline())
    assert event["Action"] == "create" and event["Actor"]["ID"] == container
    stream.connection.close()


def test_events_of_kill_stop_and_pause(api):
    since = f"{time.time():.9f}"
    container = api.create(cmd=["sleep", "1000"])
    api.start(container)
    for action in ("pause", "unpause", "kill"):
        api.post(f"/containers/{container}/{action}")
    api.wait(container)
    eventually(lambda: "die" in [e["Action"] for e in events(api, since, container=[container])])
    actions = [e["Action"] for e in events(api, since, container=[container])]
    for wanted in ("pause", "unpause", "kill", "die"):
        assert wanted in actions


def test_events_of_images_volumes_and_networks(docker, api):
    since = f"{time.time():.9f}"
    docker("tag", "busybox", "evented:1")
    docker("rmi", "evented:1")
    docker("volume", "create", "evented")
    docker("run", "--rm", "-v", "evented:/v", "busybox", "true")
    docker("volume", "rm", "evented")
    seen = eventually(lambda: (lambda s: s if ("volume", "destroy") in s else None)(
        {(e["Type"], e["Action"]) for e in events(api, since)}))
    for wanted in (("image", "tag"), ("image", "untag"), ("volume", "create"), ("volume", "mount"), ("volume", "unmount"),
                   ("network", "connect"), ("network", "disconnect")):
        assert wanted in seen, wanted


def test_event_filters(api):
    since = f"{time.time():.9f}"
    one, two = api.create(name="one", Labels={"k": "v"}), api.create(name="two")
    time.sleep(0.2)
    def ids(**filters):
        return {e["Actor"]["ID"] for e in events(api, since, **filters) if e["Type"] == "container"}
    assert ids(container=["one"]) == {one} and ids(container=[two[:12]]) == {two}
    assert ids(label=["k=v"]) == {one} and ids(image=["busybox"]) == {one, two} and ids(event=["start"]) == set()
    assert ids(type=["image"]) == set()


# ---- clients that behave badly

@pytest.mark.berth
@pytest.mark.parametrize("body,message", [
    (b"{", "invalid JSON: unexpected EOF"), (b"nonsense", "invalid JSON: "), (b"", "invalid JSON: got EOF while reading request body"), (b"[]", ""),
    (b'{"Image": 5}', ""), (b'{"Image":"busybox","Cmd":5}', ""), (b'{"Image":"busybox","HostConfig":{"Memory":"much"}}', ""),
    (b'{"Image":"busybox"} trailing', ""), (b'{"Image":"busybox"}{"Image":"busybox"}', ""), (b"\xff\xfe", "")])
def test_bad_bodies_of_create(api, body, message):
    answer = api.request("POST", "/containers/create", body, headers={"Content-Type": "application/json"})
    assert answer.status == 400 and answer.message.startswith(message) and answer.message, answer
    assert api.get("/containers/json", all=1) == []


def test_wrong_content_type(api):
    answer = api.request("POST", "/containers/create", b'{"Image":"busybox"}', headers={"Content-Type": "text/plain"})
    assert answer.status in (400, 415, 500) and "application/json" in answer.message


@pytest.mark.parametrize("name", ["a", "-a", "a b", "a/b", "ä", "a" * 5000 + "!"])
def test_bad_container_names(api, name):
    answer = api.request("POST", "/containers/create", {"Image": "busybox"}, query={"name": name})
    assert answer.status == 400
    assert answer.message.startswith("Invalid container name (") and "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed" in answer.message


@pytest.mark.parametrize("host,fragment", [
    ({"PortBindings": {"80/tcp": [{"HostPort": "x"}]}}, "invalid port"),
    pytest.param({"PortBindings": {"80/icmp": [{"HostPort": "80"}]}}, "invalid", marks=pytest.mark.berth),
    ({"Memory": 1000}, "Minimum memory limit allowed is 6MB"),
    ({"NanoCpus": -5}, "Range of CPUs"), ({"CpusetCpus": "abc"}, "cpuset"), ({"Binds": ["/a:b:c:d"]}, "invalid"),
    ({"Binds": ["relative:"]}, "invalid"), ({"Binds": ["/x:relative"]}, "mount path must be absolute"),
    ({"Binds": ["/tmp:/m:bogus"]}, "bogus"), ({"Binds": ["/tmp:/m", "/var:/m"]}, "Duplicate mount point: /m"),
    ({"Mounts": [{"Type": "cloud", "Target": "/m"}]}, "mount type"), ({"Mounts": [{"Type": "bind", "Target": "/m"}]}, "Source"),
    ({"Mounts": [{"Type": "tmpfs", "Source": "/x", "Target": "/m"}]}, "Source"),
    ({"Mounts": [{"Type": "bind", "Source": "/no/such/source", "Target": "/m"}]}, "bind source path does not exist"),
    ({"Mounts": [{"Type": "volume", "Target": "/"}]}, "/"),
    ({"RestartPolicy": {"Name": "sometimes"}}, "invalid restart policy"),
    ({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}}, "maximum retry count"),
    ({"RestartPolicy": {"Name": "always"}, "AutoRemove": True}, "can't create 'AutoRemove' container with restart policy"),
    ({"IpcMode": "bogus"}, "IPC mode"), pytest.param({"PidMode": "bogus"}, "PID mode", marks=pytest.mark.berth),
    pytest.param({"UTSMode": "bogus"}, "UTS mode", marks=pytest.mark.berth),
    ({"OomScoreAdj": 5000}, "oom score adj"), ({"ShmSize": -1}, "SHM size"), ({"Runtime": "ghost"}, "runtime"),
    ({"CapAdd": ["BOGUS"]}, "unknown capability"), ({"SecurityOpt": ["bogus"]}, "security"),
    ({"LogConfig": {"Type": "carrier-pigeon"}}, "carrier-pigeon"), ({"CpuShares": -1}, "shares"),
    ({"LogConfig": {"Type": "json-file", "Config": {"max-size": "big"}}}, ""), ({"Sysctls": {"kernel.bogus": "1"}}, "")])
def test_bad_host_config(api, host, fragment):
    """Refused at create, or (where Docker does so) at start; never a container that runs without what was asked."""
    answer = api.request("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": host})
    if answer.status == 201:
        answer = api.request("POST", f"/containers/{answer.json()['Id']}/start")
    assert answer.status in (400, 404, 409, 500), answer
    assert fragment.lower() in answer.message.lower()


@pytest.mark.parametrize("method,path", [
    ("GET", "/containers/ghost/json"), ("POST", "/containers/ghost/start"), ("POST", "/containers/ghost/stop"),
    ("POST", "/containers/ghost/restart"), ("POST", "/containers/ghost/kill"), ("POST", "/containers/ghost/wait"),
    ("POST", "/containers/ghost/pause"), ("POST", "/containers/ghost/unpause"), ("DELETE", "/containers/ghost"),
    ("POST", "/containers/ghost/rename?name=other"), ("GET", "/containers/ghost/logs?stdout=1"),
    ("POST", "/containers/ghost/resize?h=1&w=1"), pytest.param("POST", "/containers/ghost/attach", marks=pytest.mark.berth)])
def test_unknown_container_everywhere(api, method, path):
    answer = api.request(method, path)
    # Older engines put "Cannot kill container: ghost: " in front.
    assert answer.status == 404 and answer.message.endswith("No such container: ghost")


@pytest.mark.berth
@pytest.mark.parametrize("filters", ["{", '{"status":5}', '["x"]', '{"status":"running"}'])
def test_bad_filters(api, filters):
    assert api.request("GET", "/containers/json", query={"filters": filters}).status == 400


def test_garbage_on_the_wire(engine, api):
    for data in (b"\r\n\r\n", b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", bytes(range(256)) * 20,
                 b"GET /_ping HTTP/1.1\r\n" + b"X: y\r\n" * 20000, b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n\r\n",
                 b"POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: -5\r\n\r\n",
                 b"POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
        try:
            exchange(api, data)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert api.request("GET", "/_ping").status == 200


def test_pipelined_and_kept_alive(api):
    answer = exchange(api, b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n" * 3)
    assert answer.count(b"HTTP/1.1 200 OK") == 3


def test_http_1_0_closes(api):
    answer = exchange(api, b"GET /_ping HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.") and answer.endswith(b"OK")


def test_expect_continue(api):
    body = b'{"Image":"busybox"}'
    answer = exchange(api, b"POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
                      b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert b" 201 Created" in answer


def test_half_requests_and_disconnects(engine, api):
    request = (b'POST /v1.41/containers/create?name=half HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n'
               b'Content-Length: 19\r\n\r\n{"Image":"busybox"}')
    for cut in range(0, len(request), 7):
        sock = api.raw()
        sock.sendall(request[:cut])
        sock.close()
    assert api.request("GET", "/containers/half/json").status == 404
    for path in ("/events", "/containers/json", "/info", "/images/json"):
        for _ in range(20):
            sock = api.raw()
            sock.sendall(f"GET {api.url(path)} HTTP/1.1\r\nHost: d\r\n\r\n".encode())
            sock.close()
    assert api.request("GET", "/_ping").status == 200


def descriptors(pid):
    import os
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_many_idle_connections(engine, api):
    before = descriptors(engine.pid)
    socks = [api.raw() for _ in range(400)]
    assert api.request("GET", "/_ping").status == 200
    for sock in socks:
        sock.close()
    eventually(lambda: descriptors(engine.pid) <= before + 20, 20)


@pytest.mark.berth
def test_streams_that_clients_left_are_closed(engine, api):
    container = api.create(cmd=["sh", "-c", "while :; do echo x; sleep 0.01; done"])
    api.start(container)
    before = descriptors(engine.pid)
    for _ in range(30):
        for path, query in (("/events", {}), (f"/containers/{container}/logs", {"follow": 1, "stdout": 1})):
            stream = api.stream("GET", path, query)
            stream.connection.close()
        hijacked = api.hijack(f"/containers/{container}/attach", {"stream": 1, "stdout": 1})
        hijacked.close()
    eventually(lambda: descriptors(engine.pid) <= before + 10, 20)


def test_two_clients_at_once(api):
    """Start, stop, kill and remove of one container by many: each gets an answer, and the end is a container or none."""
    container = api.create(cmd=["sleep", "1000"], name="contested")
    statuses = []

    def client(actions):
        for action in actions:
            if action == "remove":
                statuses.append(api.request("DELETE", f"/containers/{container}", query={"force": 1}).status)
            else:
                statuses.append(api.request("POST", f"/containers/{container}/{action}", query={"t": 0}).status)
    for finish in ([], ["remove"]):
        threads = [threading.Thread(target=client, args=(["start", "stop", "restart", "kill", "start", "stop"] + finish,))
                   for _ in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert set(statuses) <= {204, 304, 404, 409, 500}
    assert api.request("GET", f"/containers/{container}/json").status == 404
