"""A line to an HTTP server that breaks once, at a chosen byte of a chosen request or answer."""

import socket
import struct
import threading

POSITIONS = ("start", "head", "first byte", "middle", "last byte")


class Cut(Exception):
    pass


class CuttingLine:
    """Forwards to `target` while in `with`. `wanted(method, path)` chooses the request; `side` ("request" or "answer")
    breaks at `position`. How: "end" says so and takes nothing more, "reset" sends RST."""

    def __init__(self, target, wanted, side, position, how="end", middle=100_000):
        host, port = target.rsplit(":", 1)
        self.target, self.wanted, self.side, self.position = (host, int(port)), wanted, side, position
        self.how, self.middle = how, middle
        self.cuts, self.seen, self.held = 0, [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()
        for held in self.held:
            held.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        self.held.append(client)
        server = None
        try:
            if client.recv(1, socket.MSG_PEEK) == b"\x16":  # TLS is tried first
                client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                client.shutdown(socket.SHUT_RDWR)
                return
            server = socket.create_connection(self.target)
            while self._exchange(client, server):
                pass
            client.shutdown(socket.SHUT_RDWR)
        except Cut:
            self._break(client)
        except OSError:
            self._break(client)
        finally:
            if server:
                server.close()

    def _break(self, client):
        try:
            if self.how == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
            else:
                client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _exchange(self, client, server):
        head, rest = read_head(client, b"")
        if head is None:
            return False
        method, path = head.split(b" ", 2)[:2]
        cut = not self.cuts and self.wanted(method.decode(), path.decode())
        self.seen.append((method.decode(), path.decode()))
        self._forward(client, server, head, rest, method == b"HEAD", cut and self.side == "request", is_request=True)
        head, rest = read_head(server, b"")
        if head is None:
            return False
        return self._forward(server, client, head, rest, method == b"HEAD", cut and self.side == "answer")

    def _forward(self, source, target, head, rest, bodyless, cut, is_request=False):
        """One message; False when the line ends with it."""
        length = 0 if bodyless else length_of(head, is_request)
        if not cut:
            target.sendall(head)
            for piece in body(source, rest, length):
                target.sendall(piece)
            return length is not None
        self.cuts += 1
        if self.position == "start":
            raise Cut
        if self.position == "head":
            target.sendall(head[:len(head) // 2])
            raise Cut
        target.sendall(head)
        most = {"first byte": 1, "middle": self.middle}.get(self.position)
        message, sent = b"", 0
        for piece in body(source, rest, length):
            message += piece
            if most is not None and len(message) >= most:
                break
        sent = min(most or len(message), len(message)) if self.position != "last byte" else len(message) - 1
        if self.position == "middle" and len(message) < self.middle:
            sent = len(message) // 2
        if sent > 0:
            target.sendall(message[:sent])
        raise Cut


def read_head(source, have):
    while b"\r\n\r\n" not in have:
        piece = source.recv(1 << 16)
        if not piece:
            return None, b""
        have += piece
    head, _, rest = have.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def length_of(head, is_request):
    """A number, "chunked", or None: until the line ends."""
    lines = head.lower().split(b"\r\n")
    if b"transfer-encoding: chunked" in lines:
        return "chunked"
    for line in lines:
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    status = head.split(b" ")[1]
    return 0 if is_request or status in (b"204", b"304") else None


def body(source, rest, length):
    """The bytes behind the head, as they come."""
    if length == "chunked":
        ended = False
        tail = b""
        while True:
            if rest:
                tail = (tail + rest)[-5:]
                ended = tail == b"0\r\n\r\n"
                yield rest
            if ended:
                return
            rest = source.recv(1 << 16)
            if not rest:
                raise Cut
    left = float("inf") if length is None else length
    while left > 0:
        if not rest:
            rest = source.recv(1 << 16)
            if not rest:
                if length is None:
                    return
                raise Cut
        piece, rest = rest[:int(min(left, 1 << 16))], rest[int(min(left, 1 << 16)):]
        left -= len(piece)
        yield piece
