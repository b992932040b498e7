"""Clients of the torture test: each does random things to containers, images and volumes of its own and keeps a model of
what it was answered. What was not answered (the daemon was killed, the client left) is unknown until it is looked at."""

import collections
import http.client
import io
import os
import random
import tarfile
import threading

from . import images
from .http import split_frames

TALK = ("i=0; while :; do n=0; while [ $n -lt 10 ]; do i=$((i+1)); n=$((n+1)); echo $i; done; sleep 0.3; done")
SHORT_CODE = 7
RESTARTS = 3
FOREVER = ["sleep", "1000"]


def probed(command, **action):
    return {"config": {"Healthcheck": {"Test": ["CMD-SHELL", command], "Interval": 200_000_000, "Retries": 2}}, **action}


class Kind:
    """What a container runs and how, and what follows from that for its client's model."""

    def __init__(self, command, config=None, ends=False, restless=False, revived=False, talks=False, whole_log=True,
                 well=None, network="none", **host):
        self.command, self.config, self.host = command, config or {}, {"NetworkMode": network, **host}
        self.ends = ends            # by itself, soon after each start
        self.restless = restless    # and is started again: its state is never known
        self.revived = revived      # a policy starts it again when its monitor is killed
        self.talks, self.whole_log = talks, whole_log
        self.well = well            # what its health checks find

    @property
    def steady(self):
        return not (self.ends or self.restless or self.host.get("AutoRemove"))


KINDS = {
    "talker": Kind(["sh", "-c", TALK], talks=True),
    "rotator": Kind(["sh", "-c", TALK], talks=True, whole_log=False, LogConfig={
        "Type": "json-file", "Config": {"max-size": "4k", "max-file": "3", "compress": "true"}}),
    "local": Kind(["sh", "-c", TALK], talks=True, whole_log=False, LogConfig={
        "Type": "local", "Config": {"max-size": "4k", "max-file": "3"}}),
    "server": Kind(FOREVER, network="bridge", PortBindings={"80/tcp": [{"HostPort": ""}]}),
    "idle": Kind(FOREVER, Init=True),
    "short": Kind(["sh", "-c", f"echo bye; sleep 0.05; exit {SHORT_CODE}"], ends=True),
    "passing": Kind(FOREVER, AutoRemove=True),
    "kept": Kind(FOREVER, revived=True, RestartPolicy={"Name": "unless-stopped"}),
    "eternal": Kind(FOREVER, revived=True, RestartPolicy={"Name": "always"}),
    "trier": Kind(["sh", "-c", "sleep 0.05; exit 3"], ends=True, restless=True,
                  RestartPolicy={"Name": "on-failure", "MaximumRetryCount": RESTARTS}),
    "healthy": Kind(FOREVER, well=True, **probed("true")),
    "ailing": Kind(FOREVER, well=False, **probed("false")),
    "mended": Kind(FOREVER, well=False, restless=True, **probed("false", HealthcheckOnFailureAction="restart")),
}
TALKERS = tuple(name for name, kind in KINDS.items() if kind.talks)
STEADY = tuple(name for name, kind in KINDS.items() if kind.steady)
LOST = (OSError, ValueError, http.client.HTTPException)  # the daemon was killed under a request
UNKNOWN = None


def alive(pid):
    return os.path.exists(f"/proc/{pid}")


class Wrong(AssertionError):
    """An answer that cannot be right."""


class Modelled:
    """A container as its client was told about it."""

    def __init__(self, name, kind):
        self.name, self.kind = name, kind
        self.names = {name}         # more than one after a rename without an answer
        self.there = UNKNOWN        # True, False, or unknown
        self.state = UNKNOWN        # created, running, paused, exited
        self.id = None
        self.pid = self.started_at = None
        self.starts = 0             # that may have happened
        self.memory = UNKNOWN
        self.log = b""              # what was read last
        self.said = (0, 0)          # the last line of it, and of which start
        self.hit = False            # its monitor was killed
        self.hit_pid = None         # …and this process with it
        self.files = {}             # path to content, copied in

    @property
    def how(self):
        return KINDS[self.kind]

    def forget(self):
        self.state = self.pid = UNKNOWN

    def __repr__(self):
        return f"{self.kind} {sorted(self.names)}: there={self.there} state={self.state} pid={self.pid} hit={self.hit}"


class Client:
    """One of several at once. `step` does one operation; only the thread that owns the client calls it."""

    LIMIT = 5  # containers at a time

    def __init__(self, daemon, number, seed, archive):
        self.api, self.number, self.random = daemon.api, number, random.Random(seed)
        self.archive = archive
        self.containers, self.ids, self.gone = [], set(), set()
        self.images = {}   # tag to True, False or unknown
        self.volumes = {}
        self.count = 0
        self.done = collections.Counter()
        self.missing = set()  # what the daemon says it does not implement
        self.current = None   # the container that an operation is at

    # ---- asking

    def ask(self, wanted, method, url, /, body=None, timeout=60, **query):
        """An answer whose status is in `wanted`; anything else is wrong."""
        answer = self.api.request(method, url, body, query, timeout=timeout)
        if answer.status not in wanted:
            raise Wrong(f"client {self.number}: {method} {url} {query}: {answer!r}, expected {wanted}")
        return answer

    def inspect(self, c):
        return self.ask((200,), "GET", f"/containers/{c.id}/json").json()

    def note_run(self, c):
        state = self.inspect(c)["State"]
        if state["Running"]:
            c.pid, c.started_at = state["Pid"], state["StartedAt"]

    def fresh(self, prefix):
        self.count += 1
        return f"{prefix}{self.number}-{self.count}"

    def pick(self, *states, kinds=None):
        fitting = [c for c in self.containers if c.there and not c.hit and c.state in states and (not kinds or c.kind in kinds)]
        self.current = self.random.choice(fitting) if fitting else None
        return self.current

    # ---- operations; each returns whether there was something to do

    def create(self):
        if len(self.containers) >= self.LIMIT:
            return False
        c = Modelled(self.fresh("t"), self.random.choice(list(KINDS)))
        host = c.how.host
        volumes = [v for v, there in self.volumes.items() if there]
        if volumes and self.random.random() < 0.5:
            host = {**host, "Binds": [self.random.choice(volumes) + ":/v"]}
        self.containers.append(c)
        answer = self.ask((201,), "POST", "/containers/create",
                          {"Image": "busybox", "Cmd": c.how.command, **c.how.config, "HostConfig": host,
                           "Labels": {"client": str(self.number)}}, name=c.name)
        c.id, c.there, c.state, c.memory = answer.json()["Id"], True, "created", 0
        self.ids.add(c.id)
        return True

    def change(self, c, path, after, wanted=(204,), runs=False, **query):
        """One that changes a container's state: unknown until it is answered."""
        c.forget()
        c.starts += runs
        self.ask(wanted, "POST", f"/containers/{c.id}/{path}", **query)
        if runs and (c.how.ends or c.how.restless):
            return True
        c.state = after
        if runs:
            self.note_run(c)
        return True

    def start(self):
        c = self.pick("created", "exited")
        if not c:
            return False
        self.change(c, "start", "running", runs=True)
        if c.kind == "short" and self.random.random() < 0.5:
            self.wait_for(c)
        return True

    def stop(self):
        c = self.pick("running", "paused")
        return bool(c) and self.end(c, "stop", t=0)

    def kill(self):
        c = self.pick("running")
        return bool(c) and self.end(c, "kill")

    def end(self, c, how, **query):
        self.change(c, how, "exited", **query)
        if c.kind == "passing":  # removes itself: its row goes before anybody is told of the end
            c.there = False
            self.drop(c)
        return True

    def restart(self):
        c = self.pick("running", "created", "exited", "paused")
        return bool(c) and self.change(c, "restart", "running", runs=True, t=0)

    def pause(self):
        c = self.pick("running", kinds=STEADY)
        if not c:
            return False
        pid, started = c.pid, c.started_at
        self.change(c, "pause", "paused")
        c.pid, c.started_at = pid, started
        return True

    def unpause(self):
        c = self.pick("paused")
        if not c:
            return False
        pid, started = c.pid, c.started_at
        self.change(c, "unpause", "running")
        c.pid, c.started_at = pid, started
        return True

    def refused(self):
        """What cannot be done in this state is refused with Docker's status, and changes nothing."""
        c = self.pick("created", "exited", "running")
        if not c:
            return False
        if c.state == "running":
            self.ask((304,), "POST", f"/containers/{c.id}/start")
            self.ask((409,), "DELETE", f"/containers/{c.id}")
            self.ask((500,), "POST", f"/containers/{c.id}/unpause")  # as Docker
        else:
            self.ask((409,), "POST", f"/containers/{c.id}/kill")
            self.ask((409,), "POST", f"/containers/{c.id}/pause")
            self.ask((304,), "POST", f"/containers/{c.id}/stop")
        return True

    def rename(self):
        c = self.pick("created", "exited", "running")
        if not c:
            return False
        name = self.fresh("r")
        c.names.add(name)
        self.ask((204,), "POST", f"/containers/{c.id}/rename", name=name)
        c.name, c.names = name, {name}
        return True

    def update(self):
        c = self.pick("created", "exited", "running", kinds=STEADY)
        if not c:
            return False
        memory = self.random.randrange(64, 128) << 20
        c.memory = UNKNOWN
        self.ask((200,), "POST", f"/containers/{c.id}/update", {"Memory": memory, "MemorySwap": -1})
        c.memory = memory
        return True

    def remove(self):
        c = self.pick("created", "exited", "running", "paused")
        if not c:
            return False
        c.forget()
        c.there = UNKNOWN
        self.ask((204,), "DELETE", f"/containers/{c.id}", force=1, v=1)
        c.there = False
        self.drop(c)
        return True

    def drop(self, c):
        self.containers.remove(c)
        self.gone.add(c.id)

    def execute(self):
        c = self.pick("running", kinds=STEADY)
        if not c:
            return False
        word = f"w{self.random.randrange(1 << 30)}"
        exec_id = self.ask((201,), "POST", f"/containers/{c.id}/exec",
                           {"AttachStdout": True, "Cmd": ["echo", word]}).json()["Id"]
        stream = self.api.hijack(f"/exec/{exec_id}/start", body={"Detach": False, "Tty": False})
        try:
            output = stream.read_all()
        finally:
            stream.close()
        state = self.ask((200,), "GET", f"/exec/{exec_id}/json").json()  # fails first where the daemon was killed
        if (split_frames(output)[0] != word.encode() + b"\n" or state["ExitCode"] != 0):
            raise Wrong(f"exec in {c}: {output!r}, then {state}")
        return True

    def read_log(self):
        c = self.pick("running", "exited", "paused", kinds=TALKERS)
        if c:
            self.take_log(c)
        return bool(c)

    def take_log(self, c):
        answer = self.ask((200,), "GET", f"/containers/{c.id}/logs", stdout=1, stderr=1)
        text = split_frames(answer.body)[0]
        if c.how.whole_log and not text.startswith(c.log):
            raise Wrong(f"the log of {c} has changed: {len(c.log)} bytes were there, now {len(text)}")
        expected, runs = 0, 0
        for i, line in enumerate(text.split()):
            number = int(line)
            if number == 1:
                runs, expected = runs + 1, 0
            elif i == 0 and not c.how.whole_log:  # what was before has been rotated away
                expected = number - 1
            expected += 1
            if number != expected:
                raise Wrong(f"the log of {c}: {number} where {expected} should be, in run {runs}")
        if runs > c.starts:
            raise Wrong(f"the log of {c} has {runs} runs of {c.starts}")
        # A start that was never answered may have begun to write since.
        if runs == 0 and c.said[0] == c.starts and expected < c.said[1]:
            raise Wrong(f"the log of {c} ends with {expected}, and it has had {c.said[1]}")
        c.log, c.said = text, (c.starts, expected)

    def attach(self):
        c = self.pick("running", kinds=TALKERS)
        if not c:
            return False
        stream = self.api.hijack(f"/containers/{c.id}/attach", {"stream": 1, "stdout": 1})
        try:
            stream.read(100)
        finally:
            stream.close()
        return True

    def follow(self):
        c = self.pick("running", kinds=TALKERS)
        if not c:
            return False
        stream = self.api.stream("GET", f"/containers/{c.id}/logs", {"stdout": 1, "follow": 1, "tail": 5})
        try:
            stream.read(20)
        finally:
            stream.connection.close()
        return True

    def wait_for(self, c):
        code = self.ask((200,), "POST", f"/containers/{c.id}/wait").json()["StatusCode"]
        state = self.inspect(c)["State"]
        if code != SHORT_CODE or state["Running"] or state["ExitCode"] != code:
            raise Wrong(f"{c} was waited for: {code}, then {state}")
        c.state, c.pid = "exited", None
        self.done["wait"] += 1

    def leave(self):
        """Sends a request and does not stay for its answer."""
        c = self.pick("created", "exited", "running", kinds=("idle", "server", "healthy", *TALKERS))
        if not c:
            return False
        path = self.random.choice(["start", "stop?t=0", "restart?t=0", "pause", "kill"])
        c.forget()
        c.starts += path.startswith(("start", "restart"))
        sock = self.api.raw()
        sock.sendall(f"POST {self.api.url(f'/containers/{c.id}/' + path)} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n".encode())
        sock.close()
        return True

    def copy(self):
        c = self.pick("created", "exited", "running")
        if not c or "copy" in self.missing:
            return False
        name, content = self.fresh("f"), os.urandom(8).hex()
        body = images.Tar().file(name, content).bytes()
        answer = self.ask((200, 501), "PUT", f"/containers/{c.id}/archive", body, path="/data")
        if answer.status == 501:
            self.missing.add("copy")
            return False
        c.files["/data/" + name] = content
        self.check_file(c)
        return True

    def check_file(self, c):
        path, content = self.random.choice(list(c.files.items()))
        answer = self.ask((200,), "GET", f"/containers/{c.id}/archive", path=path)
        if content.encode() not in answer.body:
            raise Wrong(f"{path} of {c} is not what was copied there")

    def look(self):
        """Lists of everything, while others change it: an entry that goes meanwhile must not spoil the list."""
        for path in ("/containers/json?all=1&size=1", "/images/json?all=1", "/system/df", "/info", "/volumes", "/networks",
                     "/events?since=1&until=2"):
            self.ask((200,), "GET", path)
        return True

    def save(self):
        tags = [tag for tag, there in self.images.items() if there and tag.startswith("loaded")]
        if not tags:
            return False
        with tarfile.open(fileobj=io.BytesIO(self.ask((200,), "GET", "/images/get", names=tags[0]).body)) as tar:
            if "manifest.json" not in tar.getnames():
                raise Wrong(f"saving {tags[0]} gave {tar.getnames()}")
        return True

    def prune(self):
        """Containers that are not the client's own are spared by their labels."""
        mine = [c for c in self.containers if c.there and c.state in ("created", "exited") and not c.hit]
        if not mine or self.random.random() < 0.5:
            return False
        for c in self.containers:  # one of unknown state may go or stay
            if c.state in ("created", "exited", UNKNOWN):
                c.there = UNKNOWN
        removed = self.ask((200,), "POST", "/containers/prune", filters={"label": [f"client={self.number}"]}).json()
        removed = set(removed["ContainersDeleted"] or [])
        for c in mine:
            if c.id not in removed:
                raise Wrong(f"{c} was not pruned")
        for c in [c for c in self.containers if c.id in removed]:
            c.there = False
            self.drop(c)
        for c in self.containers:
            if c.id and c.there is UNKNOWN:
                c.there = True
        return True

    # ---- images and volumes

    def tag(self):
        return self.make(self.images, f"mine{self.number}:{self.count}", (201,), "POST", "/images/busybox/tag",
                         repo=f"mine{self.number}", tag=str(self.count))

    def load(self):
        return self.make(self.images, f"loaded{self.number}:1", (200,), "POST", "/images/load", self.archive)

    def commit(self):
        c = self.pick("created", "exited", "running")
        if not c or "commit" in self.missing:
            return False
        tag = f"committed{self.number}:{self.count}"
        answer = self.make(self.images, tag, (201, 501), "POST", "/commit", {}, container=c.id, repo=tag.split(":")[0],
                           tag=tag.split(":")[1])
        if answer.status == 501:
            self.missing.add("commit")
            del self.images[tag]
        return answer.status == 201

    def rmi(self):
        return self.unmake(self.images, (200,), "/images/")

    def make_volume(self):
        name = self.fresh("vol")
        return self.make(self.volumes, name, (201,), "POST", "/volumes/create", {"Name": name})

    def remove_volume(self):
        return self.unmake(self.volumes, (204, 409), "/volumes/")

    def make(self, kept, name, wanted, method, url, /, body=None, **query):
        self.count += 1
        kept[name] = UNKNOWN
        answer = self.ask(wanted, method, url, body, timeout=120, **query)
        kept[name] = True
        return answer

    def unmake(self, kept, wanted, path):
        there = [name for name, is_there in kept.items() if is_there]
        if not there:
            return False
        name = self.random.choice(there)
        kept[name] = UNKNOWN
        answer = self.ask(wanted, "DELETE", path + name)
        kept[name] = answer.status == 409  # in use
        return True

    OPERATIONS = {create: 14, start: 14, stop: 5, kill: 4, restart: 5, pause: 4, unpause: 5, refused: 3, rename: 4, update: 4,
                  remove: 6, execute: 8, read_log: 5, attach: 3, follow: 3, leave: 3, copy: 5, tag: 3, load: 2,
                  commit: 2, rmi: 3, make_volume: 3, remove_volume: 2, look: 3, save: 2,
                  prune: 1}

    def step(self):
        """One operation that had something to do; its name. LOST goes through when the daemon was killed meanwhile."""
        while True:
            self.current = None
            operation = self.random.choices(list(self.OPERATIONS), list(self.OPERATIONS.values()))[0]
            if operation(self):
                self.done[operation.__name__] += 1
                return operation.__name__


class Rioter(Client):
    """One of those that all do things to the same few containers: any answer is right that is no failure of the daemon."""

    NAMES = [f"riot{i}" for i in range(3)]
    KINDS = ["talker", "local", "server", "idle", "kept", "eternal", "passing", "trier", "healthy", "mended"]
    PATHS = ["start", "stop?t=0", "restart?t=0", "kill", "pause", "unpause", "wait?condition=next-exit", "update", "rename"]
    # Docker's status for the first two; the third is the fate of a start whose monitor is killed.
    KNOWN = (b"is not paused", b"is marked for removal and cannot be started", b"shim ended unexpectedly")

    def step(self):
        name, other = self.random.choice(self.NAMES), self.random.choice(self.NAMES)
        what = self.random.choice(["create", "create", "remove", "exec", "logs", *self.PATHS])
        if what == "create":
            kind = KINDS[self.random.choice(self.KINDS)]
            self.riot("POST", f"/containers/create?name={name}",
                      {"Image": "busybox", "Cmd": kind.command, **kind.config, "HostConfig": kind.host})
        elif what == "remove":
            self.riot("DELETE", f"/containers/{name}?force=1&v=1")
        elif what == "exec":
            answer = self.riot("POST", f"/containers/{name}/exec", {"Cmd": ["true"]})
            if answer.status == 201:
                self.riot("POST", f"/exec/{answer.json()['Id']}/start", {"Detach": True}, allowed=(500,))  # it has ended
        elif what == "logs":
            self.riot("GET", f"/containers/{name}/logs?stdout=1")
        elif what == "rename":
            self.riot("POST", f"/containers/{name}/rename?name={other}")
        elif what.startswith("wait"):
            try:
                self.riot("POST", f"/containers/{name}/{what}", timeout=0.2)
            except TimeoutError:
                pass  # the client leaves
        else:
            self.riot("POST", f"/containers/{name}/{what}", {"Memory": 64 << 20, "MemorySwap": -1} if what == "update" else None)
        self.done["riot"] += 1
        return None

    def riot(self, method, url, body=None, allowed=(), timeout=60):
        answer = self.api.request(method, url, body, timeout=timeout)
        if answer.status >= 500 and answer.status not in allowed and not any(text in answer.body for text in self.KNOWN):
            raise Wrong(f"rioter {self.number}: {method} {url}: {answer!r}")
        return answer


class Crowd:
    """The clients' threads, which work only while the gate is open."""

    def __init__(self, clients):
        self.clients = clients
        self.condition = threading.Condition()
        self.open, self.ended = False, False
        self.busy = self.answered = 0
        self.failures = []
        self.threads = [threading.Thread(target=self.work, args=(c,), daemon=True) for c in clients]
        for thread in self.threads:
            thread.start()

    def work(self, client):
        while True:
            with self.condition:
                self.condition.wait_for(lambda: self.open or self.ended)
                if self.ended:
                    return
                self.busy += 1
            try:
                if client.step():  # a rioter's are not counted
                    with self.condition:
                        self.answered += 1
            except LOST:
                pass  # nobody knows; looked at when the daemon is back
            except Wrong as error:
                if client.current and client.current.hit:
                    client.current.forget()  # its monitor was killed under the operation
                else:
                    self.failures.append(str(error))
            except Exception as error:  # every failure must be seen
                self.failures.append(f"{type(error).__name__}: {error}")
            finally:
                with self.condition:
                    self.busy -= 1
                    self.condition.notify_all()
            if self.failures:
                return

    def run_until(self, answered, timeout=60):
        """Lets them work until so many operations were answered in all."""
        with self.condition:
            self.open = True
            self.condition.notify_all()
            done = self.condition.wait_for(lambda: self.answered >= answered or self.failures, timeout)
            assert done, f"only {self.answered} of {answered} operations were answered within {timeout} s"
        self.check()

    def hold(self, timeout=60):
        with self.condition:
            self.open = False
            assert self.condition.wait_for(lambda: self.busy == 0, timeout), "a request without an end"
        self.check()

    def check(self):
        assert not self.failures, "\n".join(self.failures)

    def end(self):
        with self.condition:
            self.open, self.ended = False, True
            self.condition.notify_all()
        for thread in self.threads:
            thread.join(60)
