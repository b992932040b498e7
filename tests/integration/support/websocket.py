"""A WebSocket client of the standard library: one connection, frames as they are."""

import base64
import hashlib
import os
import struct

BINARY, TEXT, CLOSE, PING, PONG = 2, 1, 8, 9, 10


class WebSocket:
    def __init__(self, api, path, query=None, headers=None, version=None, timeout=20):
        self.sock = api.raw(timeout)
        self.key = base64.b64encode(os.urandom(16)).decode()
        fields = {"Host": "docker", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": self.key,
                  "Sec-WebSocket-Version": "13", "Origin": "http://localhost", **(headers or {})}
        head = f"GET {api.url(path, query, version)} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
        self.sock.sendall(head.encode() + b"\r\n")
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            piece = self.sock.recv(65536)
            if not piece:
                break
            self.buffer += piece
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1]) if lines[0] else 0
        self.headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}

    def accepted(self):
        digest = hashlib.sha1((self.key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        return self.status == 101 and self.headers["sec-websocket-accept"] == base64.b64encode(digest).decode()

    def send(self, payload, opcode=BINARY, final=True, masked=True):
        size = len(payload)
        head = bytes([(0x80 if final else 0) | opcode])
        bit = 0x80 if masked else 0
        if size < 126:
            head += bytes([bit | size])
        elif size < 65536:
            head += struct.pack(">BH", bit | 126, size)
        else:
            head += struct.pack(">BQ", bit | 127, size)
        if masked:
            mask = os.urandom(4)
            repeated = (mask * (size // 4 + 1))[:size]
            payload = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
            head += mask
        self.sock.sendall(head + payload)

    def exactly(self, size):
        while len(self.buffer) < size:
            piece = self.sock.recv(65536)
            if not piece:
                raise EOFError
            self.buffer += piece
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def frame(self):
        """(opcode, payload) of the next frame; None at the end of the connection."""
        try:
            first, second = self.exactly(2)
            assert second & 0x80 == 0, "a server's frame is masked"
            size = second & 0x7f
            if size == 126:
                size = struct.unpack(">H", self.exactly(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self.exactly(8))[0]
            return first & 0x0f, self.exactly(size)
        except EOFError:
            return None

    def read_until(self, marker):
        data = b""
        while marker not in data:
            frame = self.frame()
            assert frame is not None and frame[0] != CLOSE, f"the end came after {data!r}"
            data += frame[1]
        return data

    def read_to_end(self):
        """(data, code of the closing frame)"""
        data = b""
        while frame := self.frame():
            if frame[0] == CLOSE:
                return data, struct.unpack(">H", frame[1][:2])[0]
            data += frame[1]
        return data, None

    def close(self):
        self.sock.close()
