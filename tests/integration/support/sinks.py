"""Where logs can be sent to, made here: servers of syslog, fluentd's forward protocol, GELF and systemd's journal."""

import gzip
import os
import socket
import ssl
import struct
import threading
import zlib


class Server:
    """Takes datagrams or connections in a thread and hands over what came in."""

    def __init__(self, family, kind, address, tls=None):
        self.kind, self.tls, self.items, self.lock = kind, tls, [], threading.Lock()
        self.connections, self.closing = [], False
        self.socket = socket.socket(family, kind)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == socket.SOCK_DGRAM:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(address)
        self.address = self.socket.getsockname()
        if kind == socket.SOCK_STREAM:
            self.socket.listen(16)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @property
    def port(self):
        return self.address[1]

    def run(self):
        while not self.closing:
            try:
                if self.kind == socket.SOCK_DGRAM:
                    data, controls, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(4))
                    if self.closing:
                        return
                    self.datagram(data, controls)
                else:
                    connection, _ = self.socket.accept()
                    if self.closing:
                        return
                    threading.Thread(target=self.serve, args=(connection,), daemon=True).start()
            except OSError:
                return

    def serve(self, connection):
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self.connections.append(connection)
            self.stream(connection)
        except (OSError, ssl.SSLError):
            pass
        finally:
            connection.close()

    def take(self, item):
        with self.lock:
            self.items.append(item)

    def all(self):
        with self.lock:
            return list(self.items)

    def datagram(self, data, controls):
        self.take(data)

    def stream(self, connection):
        """By default: what ends in a newline."""
        rest = b""
        while chunk := connection.recv(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self.take(line + b"\n")

    def close(self):
        self.closing = True
        for each in [self.socket, *self.connections]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()
        self.thread.join(5)


def inet(kind, port=0, of=Server, **options):
    return of(socket.AF_INET, kind, ("127.0.0.1", port), **options)


def unix(kind, path, of=Server, **options):
    return of(socket.AF_UNIX, kind, path, **options)


class MessagePack:
    """As much of the format as fluentd's clients use. Raises IndexError when more bytes are needed."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def bytes(self, size):
        if self.at + size > len(self.data):
            raise IndexError
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, size, signed=False):
        return int.from_bytes(self.bytes(size), "big", signed=signed)

    def value(self):
        kind = self.number(1)
        if kind < 0x80:
            return kind
        if kind < 0x90:
            return {self.value(): self.value() for _ in range(kind & 15)}
        if kind < 0xa0:
            return [self.value() for _ in range(kind & 15)]
        if kind < 0xc0:
            return self.bytes(kind & 31).decode()
        if kind in (0xd9, 0xda, 0xdb):
            return self.bytes(self.number(1 << (kind - 0xd9))).decode()
        if kind in (0xcc, 0xcd, 0xce, 0xcf):
            return self.number(1 << (kind - 0xcc))
        if kind in (0xd0, 0xd1, 0xd2, 0xd3):
            return self.number(1 << (kind - 0xd0), signed=True)
        if kind == 0xde:
            return {self.value(): self.value() for _ in range(self.number(2))}
        if kind in (0xd7, 0xc7):  # EventTime
            size = 8 if kind == 0xd7 else self.number(1)
            assert self.number(1) == 0 and size == 8
            return ("event time", self.number(4), self.number(4))
        if kind == 0xc0:
            return None
        raise AssertionError(f"MessagePack of kind {kind:#x}")


class Fluentd(Server):
    """Items are [tag, time, record, option]; a chunk that asks for it is acknowledged."""

    acknowledges = True

    def stream(self, connection):
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
            while data:
                pack = MessagePack(data)
                try:
                    message = pack.value()
                except IndexError:
                    break
                data = data[pack.at:]
                self.take(message)
                name = (message[3] or {}).get("chunk")
                if name and self.acknowledges:
                    encoded = name.encode()
                    connection.sendall(b"\x81\xa3ack\xd9" + bytes([len(encoded)]) + encoded)

    def records(self):
        return [message[2] for message in self.all()]

    def lines(self):
        return [record["log"] for record in self.records()]


class Gelf(Server):
    """Items are (JSON text, how it was packed)."""

    def __init__(self, *arguments, **options):
        self.chunks = {}
        super().__init__(*arguments, **options)

    def datagram(self, data, controls):
        chunked = data[:2] == b"\x1e\x0f"
        if chunked:
            assert len(data) <= 1420
            name, index, count = data[2:10], data[10], data[11]
            parts = self.chunks.setdefault(name, {})
            parts[index] = data[12:]
            if len(parts) < count:
                return
            data = b"".join(parts[i] for i in range(count))
        if data[:2] == b"\x1f\x8b":
            self.take((gzip.decompress(data), ("gzip", chunked)))
        elif data[:1] == b"\x78":
            self.take((zlib.decompress(data), ("zlib", chunked)))
        else:
            self.take((data, ("none", chunked)))

    def stream(self, connection):
        rest = b""
        while chunk := connection.recv(65536):
            *texts, rest = (rest + chunk).split(b"\0")
            for text in texts:
                self.take((text, ("tcp", False)))


class Journal(Server):
    """Items are dictionaries of an entry's fields."""

    def datagram(self, data, controls):
        for level, kind, content in controls:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fd = struct.unpack("i", content[:4])[0]
                data = os.pread(fd, 1 << 24, 0)
                os.close(fd)
        self.take(self.fields(data))

    @staticmethod
    def fields(data):
        fields = {}
        while data:
            line, data = data.split(b"\n", 1)
            if b"=" in line:
                name, value = line.split(b"=", 1)
            else:
                name, size = line, struct.unpack("<Q", data[:8])[0]
                value, data = data[8:8 + size], data[8 + size + 1:]
            fields[name.decode()] = value.decode("utf-8", "replace")
        return fields
