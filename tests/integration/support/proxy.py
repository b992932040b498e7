"""A proxy on loopback: forwards requests with whole addresses, and tunnels; plain, or spoken to with TLS."""

import base64
import http.server
import select
import socket
import ssl
import threading
import urllib.parse


class Proxy:
    """Serves while in `with`, and remembers in `asked` what it was asked. `certificate`: (cert, key) files; `login`: "user:password"
    that it wants to hear; `refuse`: status of all its answers, 0 for none at all; `cuts`: after how many bytes from the server each of
    the next tunnels ends."""

    def __init__(self, certificate=None, login=None, refuse=None, cuts=()):
        proxy = self
        self.asked, self.refuse, self.cuts = [], refuse, list(cuts)
        self.login = login and "Basic " + base64.b64encode(login.encode()).decode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def may_not(self):
                proxy.asked.append((self.command, self.path, dict(self.headers)))
                self.close_connection = True
                status = proxy.refuse
                if proxy.login and self.headers.get("Proxy-Authorization") != proxy.login:
                    status = 407
                if status:
                    self.send_response(status)
                    self.end_headers()
                return status is not None

            def do_GET(self):
                if self.may_not():
                    return
                to = urllib.parse.urlsplit(self.path)
                with socket.create_connection((to.hostname, to.port)) as server:
                    head = f"{self.command} {to.path}?{to.query} HTTP/1.1\r\nHost: {to.netloc}\r\nConnection: close\r\n"
                    server.sendall(head.encode() + b"Accept: " + self.headers.get("Accept", "*/*").encode() + b"\r\n\r\n")
                    while piece := server.recv(1 << 16):
                        self.wfile.write(piece)

            do_HEAD = do_GET

            def do_CONNECT(self):
                if self.may_not():
                    return
                host, port = self.path.rsplit(":", 1)
                with socket.create_connection((host, int(port))) as server:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    pump(self.connection, server, proxy.cuts.pop(0) if proxy.cuts else None)

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # clients that don't like the certificate

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if certificate else 'http'}://{login + '@' if login else ''}{self.address}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def tunnels(self):
        return [path for method, path, _ in self.asked if method == "CONNECT"]


def pump(client, server, limit):
    """By one thread: two must not use one TLS connection."""
    other, given = {client: server, server: client}, 0
    try:
        while True:
            waiting = [client] if isinstance(client, ssl.SSLSocket) and client.pending() else select.select([client, server], [], [])[0]
            for source in waiting:
                piece = source.recv(1 << 16)
                if not piece:
                    return
                if source is server and limit is not None:
                    piece = piece[:limit - given]
                    given += len(piece)
                other[source].sendall(piece)
                if given == limit:
                    return
    except OSError:
        pass
