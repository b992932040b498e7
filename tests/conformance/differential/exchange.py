"""Sends each request of a walk to both engines and keeps the answers."""

import concurrent.futures
import json
import re
import socket
import time

from normal import Normaliser, body_value

PLACEHOLDER = re.compile(r"\{(id|keep) ([\w-]+)\}")
HEADERS = ("Content-Type", "Api-Version", "Docker-Experimental", "Ostype", "Cache-Control", "Pragma", "Upgrade", "Connection",
           "X-Content-Type-Options", "Location", "Allow", "X-Docker-Container-Path-Stat")
SLOW = 1.5  # seconds: requests that take longer are told, since they make the run long


class Reply:
    """One engine's answer, ready to be compared: ids, times, folders have become words."""

    def __init__(self, status, headers, body, json_body=None):
        self.status, self.headers, self.body, self.json = status, headers, body, json_body


class Side:
    def __init__(self, daemon):
        self.name, self.daemon, self.api = daemon.options.engine, daemon, daemon.api
        self.kept = {}
        self.normaliser = Normaliser(daemon)

    def fill(self, value):
        """`{id web}` is the ID of the container that was created as web, `{keep x}` what `keep` has kept."""
        if isinstance(value, str):
            return PLACEHOLDER.sub(lambda m: self.kept.get(m.group(2), "missing-" + m.group(2)), value)
        if isinstance(value, dict):
            return {self.fill(k): self.fill(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.fill(v) for v in value]
        return value

    def keep(self, name, value):
        if isinstance(value, str):
            self.kept[name] = value
            self.normaliser.learn(name, value)

    def request(self, method, path, body, query, headers, version, timeout):
        headers = dict(headers or {})
        if isinstance(body, str):
            body = self.fill(body).encode()
            headers.setdefault("Content-Type", "application/json")
        try:
            answer = self.api.request(method, self.fill(path), self.fill(body), self.fill(query or {}), headers, timeout, version)
        except (OSError, ValueError) as error:
            return Reply(0, {}, f"no answer: {error!r}")
        return self.reply(answer.status, answer.headers, answer.body)

    def reply(self, status, headers, body):
        wanted = {name: headers[name] for name in HEADERS if headers.get(name) is not None}
        parsed, value = body_value(wanted.get("Content-Type", ""), body)
        return Reply(status, self.normaliser.headers(wanted), self.normaliser.value(value), parsed)

    def hijack(self, path, query, body, send, upgrade, end_input, until):
        try:
            stream = self.api.hijack(self.fill(path), query, body, upgrade, timeout=20)
            if send:
                stream.send(send)
            if end_input:
                stream.end_input()
            try:
                data = stream.read_until(until) if until else stream.read_all()
            finally:
                stream.close()
        except (OSError, socket.timeout) as error:
            return Reply(0, {}, f"no answer: {error!r}")
        headers = {name: stream.headers[name.lower()] for name in HEADERS if name.lower() in stream.headers}
        if "chunked" in stream.headers.get("transfer-encoding", ""):
            data = unchunk(data)
        return self.reply(stream.status, headers, data)


class Exchange:
    """What walks speak to: `request` and its shorthands, each with a name that the report and the allow-list use."""

    def __init__(self, daemons, report):
        self.sides = [Side(d) for d in daemons]
        self.report = report
        self.walk = ""
        self.pool = concurrent.futures.ThreadPoolExecutor(2)
        self.count = 0
        self.slow, self.pending = [], []

    def both(self, question):
        return list(self.pool.map(question, self.sides))

    def compare(self, name, replies):
        self.count += 1
        self.report.compare(f"{self.walk}/{name}", *replies)
        return replies

    def request(self, name, method, path, body=None, query=None, headers=None, version="v1.41", timeout=60):
        start = time.monotonic()
        replies = self.both(lambda side: side.request(method, path, body, query, headers, version, timeout))
        if time.monotonic() - start > SLOW:
            self.slow.append((f"{self.walk}/{name}", time.monotonic() - start))
        return self.compare(name, replies)

    def later(self, name, method, path, body=None, query=None):
        """A request that takes long on one engine: it is sent now, in the background, and compared by `join`."""
        pool = concurrent.futures.ThreadPoolExecutor(2)
        futures = [pool.submit(side.request, method, path, body, query, None, "v1.41", 60) for side in self.sides]
        pool.shutdown(wait=False)
        self.pending.append((self.walk, name, futures))

    def join(self):
        for self.walk, name, futures in self.pending:
            self.compare(name, [future.result() for future in futures])

    def get(self, name, path, query=None, **options):
        return self.request(name, "GET", path, None, query, **options)

    def post(self, name, path, body=None, query=None, **options):
        return self.request(name, "POST", path, body, query, **options)

    def delete(self, name, path, query=None, **options):
        return self.request(name, "DELETE", path, None, query, **options)

    def hijack(self, name, path, query=None, body=None, send=b"", upgrade=True, end_input=True, until=None):
        start = time.monotonic()
        replies = self.both(lambda side: side.hijack(path, query, body, send, upgrade, end_input, until))
        if time.monotonic() - start > SLOW:
            self.slow.append((f"{self.walk}/{name}", time.monotonic() - start))
        return self.compare(name, replies)

    def keep(self, name, replies, key="Id"):
        for side, reply in zip(self.sides, replies):
            if isinstance(reply.json, dict) and key in reply.json:
                side.keep(name, reply.json[key])
        return replies

    def quietly(self, method, path, body=None, query=None, timeout=60):
        """A request that only prepares or cleans up: it is not compared."""
        return self.both(lambda side: side.request(method, path, body, query, None, "v1.41", timeout))

    def create(self, name, body=None, case=None, **spec):
        """Creates container `name`, on both; `{id name}` is its ID from now on."""
        body = {"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "none"}, **(body or {}), **spec}
        return self.keep(name, self.post(case or f"create {name}", "/containers/create", body, {"name": name}))

    def run(self, name, body=None, **spec):
        self.create(name, body, **spec)
        return self.post(f"start {name}", f"/containers/{name}/start")

    def wait(self, name):
        self.quietly("POST", f"/containers/{name}/wait", timeout=60)

    def remove(self, *names):
        for name in names:
            self.quietly("DELETE", f"/containers/{name}", query={"force": 1, "v": 1})

    def until(self, path, question, timeout=20):
        """Waits until the JSON at `path` answers `question` with true, on both."""
        def wait(side):
            end = time.monotonic() + timeout
            while time.monotonic() < end:
                if question(side.request("GET", path, None, None, None, "v1.41", 20).json):
                    return True
                time.sleep(0.03)
            return False
        return self.both(wait)


def unchunk(data):
    out = b""
    while data:
        head, _, data = data.partition(b"\r\n")
        size = int(head.split(b";")[0] or b"0", 16)
        if size == 0:
            break
        out, data = out + data[:size], data[size + 2:]
    return out
