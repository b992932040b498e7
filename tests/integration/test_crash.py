"""Death of the daemon, of a container's monitor, of both, at any moment: what was answered is there afterwards, what
was half done is finished or undone, containers run on, and the state that is shown is true."""

import http.client
import json
import os
import random
import signal
import socket
import threading
import time
import urllib.request

import pytest

from support import images, leaks
from support.waiting import eventually

pytestmark = pytest.mark.berth
SEED = int(os.environ.get("BERTH_CRASH_SEED", "20240607"))
POINTS = int(os.environ.get("BERTH_CRASH_POINTS", "100"))
IDLE = ["sleep", "1000"]


def alive(pid):
    return os.path.exists(f"/proc/{pid}")


def monitor_of(container):
    """The pid of a container's berth-shim, which is told the container's ID."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"berth-shim") and container.encode() in words:
            return int(pid)
    return None


def fetch(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return opener.open(url, timeout=3).read()
    except OSError:
        return None


def test_containers_run_on_without_the_daemon(new_daemon):
    daemon = new_daemon()
    api = daemon.api
    daemon.docker("run", "-d", "--name", "server", "-p", "18090:80", "busybox", "httpd", "-f", "-p", "80", "-h", "/data")
    daemon.docker("run", "-d", "--name", "talker", "busybox", "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done")
    daemon.docker("run", "-d", "--name", "short", "busybox", "sh", "-c", "echo bye; sleep 1; exit 42")
    assert eventually(lambda: fetch("http://127.0.0.1:18090/seed")) == b"seed\n"
    before = {n: api.state(n) for n in ("server", "talker")}
    address = api.inspect("server")["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]

    daemon.kill()
    for _ in range(20):
        assert fetch("http://127.0.0.1:18090/seed") == b"seed\n"
        time.sleep(0.1)

    daemon.start()
    for name in before:
        after = api.state(name)
        assert after["Running"] and after["Pid"] == before[name]["Pid"] and after["StartedAt"] == before[name]["StartedAt"]
    ended = api.state("short")
    assert ended["Status"] == "exited" and ended["ExitCode"] == 42 and ended["FinishedAt"] > ended["StartedAt"]
    assert api.logs("short")[0] == b"bye\n"
    numbers = [int(line) for line in api.logs("talker")[0].split()]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 100
    assert api.inspect("server")["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] == address
    assert fetch("http://127.0.0.1:18090/seed") == b"seed\n"

    # And it manages them as if nothing had happened.
    assert daemon.docker("exec", "server", "cat", "/data/seed").out == "seed\n"
    daemon.docker("stop", "-t", "1", "server")
    assert fetch("http://127.0.0.1:18090/seed") is None
    daemon.docker("start", "server")
    assert eventually(lambda: fetch("http://127.0.0.1:18090/seed")) == b"seed\n"
    second = daemon.docker("run", "-d", "busybox", *IDLE).out.strip()
    assert api.inspect(second)["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] != address


def test_a_start_that_fails_leaves_containers_alone(new_daemon):
    daemon = new_daemon()
    pids = {}
    for name in ("one", "two"):
        daemon.docker("run", "-d", "--name", name, "busybox", *IDLE)
        pids[name] = daemon.api.get(f"/containers/{name}/json")["State"]["Pid"]
    daemon.kill()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        flags, daemon.flags = daemon.flags, [*daemon.flags, "-H", f"tcp://127.0.0.1:{taken.getsockname()[1]}"]
        daemon.spawn()
        assert daemon.process.wait(60) == 1 and "address already in use" in daemon.log().lower()
    assert all(alive(pid) for pid in pids.values())
    daemon.flags = flags
    daemon.start()
    for name, pid in pids.items():
        assert daemon.api.get(f"/containers/{name}/json")["State"]["Pid"] == pid
        daemon.docker("rm", "-f", name)


def test_clients_notice_the_daemons_death(new_daemon):
    """A monitor must not hold connections open that were the daemon's."""
    daemon = new_daemon()
    idle = daemon.api.raw(timeout=5)
    events = daemon.api.stream("GET", "/events", timeout=5)
    daemon.docker("run", "-d", "busybox", *IDLE)
    daemon.kill()
    assert idle.recv(1) == b""
    with pytest.raises(http.client.HTTPException):
        events.read()
    idle.close()
    daemon.start()


def test_attach_logs_and_wait_after_a_kill(new_daemon):
    daemon = new_daemon()
    container = daemon.docker("run", "-d", "-i", "--name", "echoer", "busybox", "sh", "-c",
                              "while read l; do echo got $l; [ $l = end ] && exit 7; done").out.strip()
    daemon.kill()
    daemon.start()
    stream = daemon.api.hijack(f"/containers/{container}/attach", {"stdin": 1, "stdout": 1, "stream": 1})
    stream.send(b"hello\n")
    assert b"got hello" in stream.read_until(b"hello\n")
    result = []
    waiter = threading.Thread(target=lambda: result.append(daemon.api.wait(container)))
    waiter.start()
    stream.send(b"end\n")
    waiter.join(10)
    assert result == [7]
    stream.close()
    assert daemon.api.logs(container)[0] == b"got hello\ngot end\n"


def test_rm_containers_that_end_while_the_daemon_is_away(new_daemon):
    daemon = new_daemon()
    daemon.docker("run", "-d", "--rm", "--name", "gone", "busybox", "sleep", "0.5")
    daemon.kill()
    time.sleep(1)
    daemon.start()
    eventually(lambda: daemon.api.request("GET", "/containers/gone/json").status == 404)


def test_restart_policy_after_the_daemon_was_away(new_daemon):
    daemon = new_daemon()
    daemon.docker("run", "-d", "--restart", "always", "--name", "again", "busybox", "sleep", "0.5")
    daemon.docker("run", "-d", "--restart", "unless-stopped", "--name", "halted", "busybox", *IDLE)
    daemon.docker("stop", "-t", "0", "halted")
    daemon.kill()
    time.sleep(1)
    daemon.start()
    eventually(lambda: daemon.api.inspect("again")["State"]["Running"])
    assert not daemon.api.state("halted")["Running"]


def test_death_of_a_monitor(new_daemon):
    """The container can't be left without its parent: it ends, the daemon says so, and it can be started again."""
    daemon = new_daemon()
    container = daemon.docker("run", "-d", "--name", "orphan", "-p", "18091:80", "busybox", *IDLE).out.strip()
    pid = daemon.api.state(container)["Pid"]
    os.kill(monitor_of(container), signal.SIGKILL)
    eventually(lambda: not daemon.api.state(container)["Running"])
    eventually(lambda: not alive(pid))
    assert daemon.api.state(container)["ExitCode"] in (137, 255)
    daemon.docker("start", "orphan")
    assert daemon.docker("exec", "orphan", "echo", "back").out == "back\n"


def test_death_of_both(new_daemon):
    daemon = new_daemon()
    container = daemon.docker("run", "-d", "--name", "orphan", "busybox", *IDLE).out.strip()
    other = daemon.docker("run", "-d", "--name", "lucky", "busybox", *IDLE).out.strip()
    pid, monitor = daemon.api.state(container)["Pid"], monitor_of(container)
    daemon.kill()
    os.kill(monitor, signal.SIGKILL)
    daemon.start()
    eventually(lambda: not daemon.api.state(container)["Running"])
    eventually(lambda: not alive(pid))
    assert daemon.api.state(other)["Running"]
    daemon.docker("start", "orphan")


def test_clean_stop_without_live_restore_keeps_the_books_right(new_daemon):
    daemon = new_daemon()
    daemon.docker("run", "-d", "--name", "kept", "-v", "kept-volume:/v", "busybox", "sh", "-c", "echo data > /v/f; exec sleep 1000")
    daemon.docker("run", "--name", "ended", "busybox", "sh", "-c", "echo log; exit 3", code=3)
    assert daemon.restart()
    assert daemon.api.state("ended")["ExitCode"] == 3 and daemon.api.logs("ended")[0] == b"log\n"
    state = daemon.api.state("kept")
    assert state["Running"] == alive(state["Pid"]) if state["Pid"] else not state["Running"]
    daemon.docker("start", "kept")
    assert daemon.docker("exec", "kept", "cat", "/v/f").out == "data\n"
    assert {"busybox:latest", "full:latest"} == {t for i in daemon.api.get("/images/json") for t in i["RepoTags"]}
    daemon.docker("rm", "-fv", "kept")
    daemon.docker("volume", "rm", "kept-volume")


class Worker(threading.Thread):
    """Creates, starts, stops, removes and loads, and notes what was answered; ends when the daemon is gone."""

    def __init__(self, daemon, number, seed, archive):
        super().__init__(daemon=True)
        self.api, self.number, self.random, self.archive = daemon.api, number, random.Random(seed), archive
        self.containers = {}  # name -> what must be true of it: "created", "running", "stopped", or None: unknown
        self.removed, self.loaded = set(), False
        self.failures = []

    def request(self, method, path, body=None, **query):
        answer = self.api.request(method, path, body, query, timeout=60)
        if answer.status >= 400:
            self.failures.append(f"{method} {path}: {answer!r}")
        return answer

    def run(self):
        try:
            count = 0
            while not self.failures:
                name = f"w{self.number}-{count}"
                count += 1
                self.containers[name] = None
                network = self.random.choice(["none", "bridge"])
                self.request("POST", "/containers/create", {"Image": "busybox", "Cmd": IDLE, "HostConfig": {"NetworkMode": network}},
                             name=name)
                self.containers[name] = "created"
                for step in self.random.choice([["start"], ["start", "stop"], ["start", "remove"], ["remove"], ["start", "stop", "start"], []]):
                    self.containers[name] = None
                    if step == "remove":
                        self.request("DELETE", f"/containers/{name}", force=1)
                        del self.containers[name]
                        self.removed.add(name)
                    else:
                        self.request("POST", f"/containers/{name}/{step}", t=0)
                        self.containers[name] = {"start": "running", "stop": "stopped"}[step]
                if self.number == 0 and count % 3 == 0:
                    self.request("POST", "/images/load", self.archive)
                    self.loaded = True
        except (OSError, ValueError, http.client.HTTPException):
            pass  # the daemon was killed


def check_consistency(daemon, workers):
    listed = {c["Names"][0][1:]: c for c in daemon.api.get("/containers/json", all=1)}
    for worker in workers:
        assert not worker.failures, worker.failures
        for name, expected in worker.containers.items():
            if expected is None:
                continue
            assert name in listed, f"{name} was answered and is lost"
            state = daemon.api.state(name)
            if expected == "running":
                assert state["Running"], f"{name} was started, and is {state}"
            else:
                assert not state["Running"], f"{name} must be {expected}, and is {state}"
        for name in worker.removed:
            assert name not in listed, f"{name} was removed and is back"
        if worker.loaded:
            assert daemon.api.request("GET", "/images/killed:1/json").status == 200
    for name, container in listed.items():
        state = daemon.api.state(name)
        assert state["Running"] == (state["Pid"] > 0 and alive(state["Pid"])), f"{name}: {state}"
        assert (container["State"] == "running") == state["Running"]
    return listed


def test_killed_at_random_points(new_daemon):
    """BERTH_CRASH_POINTS kills at seeded random moments of create, start, stop, remove and load."""
    group = f"bt-crash-{os.getpid()}"  # so that what is left can be told from what others do on this machine
    daemon = new_daemon("--cgroup-parent", "/" + group)
    chooser = random.Random(SEED)
    archive = images.docker_archive([(["killed:1"], [images.Tar().file("f", os.urandom(200000)).bytes()], None)])
    links = leaks.links()
    for point in range(POINTS):
        workers = [Worker(daemon, i, chooser.random(), archive) for i in range(3)]
        for worker in workers:
            worker.start()
        time.sleep(chooser.uniform(0.005, 0.25))
        daemon.kill()
        for worker in workers:
            worker.join(30)
        try:
            daemon.start()
            listed = check_consistency(daemon, workers)
            # Everything can be used and removed; a half-made one must not stand in the way.
            for name in listed:
                answer = daemon.api.request("DELETE", f"/containers/{name}", query={"force": 1})
                assert answer.status in (204, 404), f"removing {name}: {answer!r}"
            daemon.api.request("DELETE", "/images/killed:1", query={"force": 1})
        except AssertionError as error:
            raise AssertionError(f"after kill {point} of seed {SEED}: {error}\n{daemon.log_tail()}") from None
    daemon.docker("run", "--rm", "busybox", "true")
    assert daemon.api.get("/containers/json", all=1) == []
    eventually(lambda: leaks.links() <= links, 20)
    eventually(lambda: not [c for c in leaks.cgroups() if f"/{group}/" in c], 20)
    assert not [m for m in leaks.mounts() if daemon.root in m]
    leaks.remove_cgroup(group)
    folders = [n for n in os.listdir(daemon.exec_root + "/containers")] if os.path.isdir(daemon.exec_root + "/containers") else []
    assert not folders, f"run folders of containers that are gone: {folders}"


def test_killed_while_starting_up(new_daemon):
    daemon = new_daemon()
    containers = [daemon.docker("run", "-d", "busybox", *IDLE).out.strip() for _ in range(5)]
    daemon.kill()
    chooser = random.Random(SEED)
    for _ in range(10):
        daemon.spawn()
        time.sleep(chooser.uniform(0.001, 0.08))
        daemon.kill()
    daemon.start()
    for container in containers:
        assert daemon.api.state(container)["Running"]


def test_client_that_leaves_during_every_request(engine, api):
    """Cut off after the request was sent: the container is there or not, and never half."""
    chooser = random.Random(SEED)
    for i in range(40):
        body = json.dumps({"Image": "busybox", "Cmd": IDLE}).encode()
        for path in (f"/containers/create?name=cut{i}", f"/containers/cut{i}/start", f"/containers/cut{i}/stop?t=0",
                     f"/containers/cut{i}?force=1"):
            method = "DELETE" if path.endswith("force=1") else "POST"
            data = body if "create" in path else b""
            sock = api.raw()
            sock.sendall(f"{method} {api.url(path)} HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
                         f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
            time.sleep(chooser.uniform(0, 0.02))
            sock.close()
    eventually(lambda: api.request("GET", "/_ping").status == 200)
    time.sleep(1)
    for container in api.get("/containers/json", all=1):
        state = api.state(container["Id"])
        assert state["Running"] == (state["Pid"] > 0 and alive(state["Pid"]))
        assert api.request("DELETE", "/containers/" + container["Id"], query={"force": 1}).status == 204


def test_corrupt_state_stops_only_what_depends_on_it(new_daemon):
    """A missing layer: its containers say so, the others work."""
    daemon = new_daemon()
    daemon.load(images.docker_archive([(["fragile:1"], [images.busybox_layer(), images.Tar().file("only", "here").bytes()], None)]))
    layers = daemon.api.get("/images/fragile:1/json")["GraphDriver"]["Data"]
    daemon.docker("create", "--name", "victim", "fragile:1", "true")
    daemon.docker("create", "--name", "healthy", "busybox", "true")
    daemon.stop()
    top = layers.get("UpperDir") or layers.get("RootDir")
    assert top and top.startswith(daemon.data_root)
    os.rename(top, top + ".lost")
    daemon.start()
    answer = daemon.api.request("POST", "/containers/victim/start")
    assert answer.status >= 400 and answer.message
    daemon.api.start("healthy")
    assert daemon.api.wait("healthy") == 0
    os.rename(top + ".lost", top)


def test_a_lost_database_is_no_new_beginning(new_daemon):
    """The start sweeps what has no row: without the database it must not run at all."""
    daemon = new_daemon()
    container = daemon.docker("run", "-d", "--name", "kept", "busybox", *IDLE).out.strip()
    pid = daemon.api.state(container)["Pid"]
    daemon.kill()
    state = [os.path.join(daemon.data_root, name) for name in os.listdir(daemon.data_root) if name.startswith("state.db")]
    for path in state:
        os.rename(path, path + ".away")
    daemon.spawn()
    assert daemon.process.wait(15) == 1
    assert alive(pid)
    for path in state:
        os.rename(path + ".away", path)
    daemon.start()
    assert daemon.api.state(container)["Pid"] == pid
