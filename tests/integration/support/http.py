"""The Engine API over a unix socket, as plain as can be: no client library stands between a test and the bytes."""

import http.client
import json
import socket
import struct
import urllib.parse


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        return self.json()["message"]

    def lines(self):
        return [json.loads(line) for line in self.body.splitlines() if line.strip()]

    def __repr__(self):
        return f"{self.status} {self.body[:400]!r}"


class ApiError(AssertionError):
    def __init__(self, method, path, answer):
        super().__init__(f"{method} {path}: {answer!r}")
        self.answer = answer


class Api:
    """One call per connection, so that tests may use it from several threads."""

    def __init__(self, socket_path, version="v1.41"):
        self.socket_path, self.version = socket_path, version

    def url(self, path, query=None, version=None):
        version = self.version if version is None else version
        query = {k: json.dumps(v) if isinstance(v, (dict, list)) else v for k, v in (query or {}).items()}
        return (f"/{version}" if version else "") + path + ("?" + urllib.parse.urlencode(query) if query else "")

    def request(self, method, path, body=None, query=None, headers=None, timeout=60, version=None):
        """Any status is an answer; bodies that are not bytes are sent as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, bytearray)) and not hasattr(body, "read"):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        elif body is not None:
            headers.setdefault("Content-Type", "application/x-tar")
        connection = UnixConnection(self.socket_path, timeout)
        try:
            try:
                connection.request(method, self.url(path, query, version), body, headers)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before the body's end; the answer says why
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def ok(self, method, path, body=None, query=None, **options):
        answer = self.request(method, path, body, query, **options)
        if answer.status >= 300 and answer.status != 304:
            raise ApiError(method, path, answer)
        return answer

    def get(self, path, **query):
        answer = self.ok("GET", path, query=query)
        return answer.json()

    def post(self, path, body=None, **query):
        return self.ok("POST", path, body, query)

    def delete(self, path, **query):
        return self.ok("DELETE", path, query=query)

    def stream(self, method, path, query=None, timeout=30):
        """An open response to read from; close it by its `connection`."""
        connection = UnixConnection(self.socket_path, timeout)
        connection.request(method, self.url(path, query))
        response = connection.getresponse()
        response.connection = connection
        return response

    def raw(self, timeout=30):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        sock.connect(self.socket_path)
        return sock

    def hijack(self, path, query=None, body=None, upgrade=True, timeout=30):
        """Sends a POST that takes the connection over; returns a Hijacked."""
        sock = self.raw(timeout)
        body = json.dumps(body).encode() if body is not None else b""
        head = f"POST {self.url(path, query)} HTTP/1.1\r\nHost: docker\r\nContent-Length: {len(body)}\r\n"
        if body:
            head += "Content-Type: application/json\r\n"
        if upgrade:
            head += "Connection: Upgrade\r\nUpgrade: tcp\r\n"
        sock.sendall(head.encode() + b"\r\n" + body)
        return Hijacked(sock)

    # Shorthands that many tests use.

    def create(self, image="busybox", cmd=None, name=None, **spec):
        body = {"Image": image, **({"Cmd": cmd} if cmd is not None else {}), **spec}
        return self.post("/containers/create", body, **({"name": name} if name else {})).json()["Id"]

    def start(self, container):
        return self.post(f"/containers/{container}/start")

    def wait(self, container, condition="not-running"):
        return self.post(f"/containers/{container}/wait", condition=condition).json()["StatusCode"]

    def inspect(self, container):
        return self.get(f"/containers/{container}/json")

    def state(self, container):
        return self.inspect(container)["State"]

    def remove(self, container, force=True):
        return self.delete(f"/containers/{container}", force=int(force), v=1)

    def logs(self, container, **query):
        """(stdout, stderr) of a container without a terminal."""
        query = {"stdout": 1, "stderr": 1, **query}
        return split_frames(self.ok("GET", f"/containers/{container}/logs", query=query).body)


class Hijacked:
    def __init__(self, sock):
        self.sock, self.buffer = sock, b""
        while b"\r\n\r\n" not in self.buffer:
            piece = sock.recv(65536)
            if not piece:
                break
            self.buffer += piece
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1]) if lines[0] else 0
        self.headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}

    def send(self, data):
        self.sock.sendall(data)

    def end_input(self):
        self.sock.shutdown(socket.SHUT_WR)

    def read(self, size=65536):
        if self.buffer:
            data, self.buffer = self.buffer[:size], self.buffer[size:]
            return data
        return self.sock.recv(size)

    def read_all(self):
        data = b""
        while piece := self.read():
            data += piece
        return data

    def read_until(self, marker, limit=1 << 20):
        data = b""
        while marker not in data and len(data) < limit:
            piece = self.read()
            if not piece:
                break
            data += piece
        return data

    def close(self):
        self.sock.close()


def split_frames(data):
    """Takes Docker's stdout/stderr frames apart; asserts that they are whole."""
    streams = {0: b"", 1: b"", 2: b""}
    while data:
        assert len(data) >= 8, f"a torn frame: {data!r}"
        kind, size = struct.unpack(">BxxxI", data[:8])
        assert kind in streams, f"no stream {kind}"
        assert len(data) >= 8 + size, "a frame is cut short"
        streams[kind] += data[8:8 + size]
        data = data[8 + size:]
    return streams[1], streams[2]
