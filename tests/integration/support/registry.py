"""A registry on loopback that knows one user, for logins: Basic, Bearer, or strange."""

import base64
import http.server
import json
import ssl
import threading
import urllib.parse

USER, PASSWORD = "moby", "whale"


def error_body(code, message):
    return json.dumps({"errors": [{"code": code, "message": message, "detail": None}]}).encode()


class FakeRegistry:
    """Serves while in `with`. `kind`: open, basic, bearer, oauth (answers an identity token), odd_scheme, redirect, huge, silent,
    broken (500), teapot (404 without the registry's header)."""

    def __init__(self, kind, certificate=None, client_ca=None):
        registry = self
        self.kind, self.requests, self.silence = kind, [], threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                registry.requests.append((self.command, self.path, dict(self.headers)))
                url = urllib.parse.urlsplit(self.path)
                if url.path == "/token":
                    return registry.answer_token(self, dict(urllib.parse.parse_qsl(url.query)))
                return registry.answer_base(self)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
                registry.requests.append((self.command, self.path, body))
                return registry.answer_oauth(self, dict(urllib.parse.parse_qsl(body)))

            def reply(self, status, body=b"{}", **headers):
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            if client_ca:
                context.load_verify_locations(client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
            self.scheme = "https"
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"{self.scheme}://{self.address}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.silence.set()
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def known(header):
        return header == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def answer_base(self, request):
        version = {"Docker_Distribution_Api_Version": "registry/2.0"}
        given = request.headers.get("Authorization", "")
        if self.kind == "silent":
            self.silence.wait(60)
            return
        if self.kind == "redirect":
            return request.reply(307, Location="http://127.0.0.1:1/elsewhere/")
        if self.kind == "broken":
            return request.reply(500, b"<h1>oh</h1>", **version)
        if self.kind == "teapot":
            return request.reply(404, b"not here")
        if self.kind == "open" or self.known(given) and self.kind == "basic" or given == "Bearer good":
            return request.reply(200, **version)
        if self.kind == "huge":
            return request.reply(401, b"x" * (64 << 20), WWW_Authenticate='Basic realm="r"', **version)
        challenge = {"basic": 'Basic realm="the realm"', "odd_scheme": 'Negotiate realm="x"'}.get(
            self.kind, f'Bearer realm="{self.url}/token",service="fake, registry"')
        request.reply(401, error_body("UNAUTHORIZED", "authentication required"), WWW_Authenticate=challenge, **version)

    def answer_token(self, request, query):
        if not self.known(request.headers.get("Authorization", "")):
            return request.reply(401, error_body("UNAUTHORIZED", "incorrect username or password"))
        answer = {"token": "good"}
        if self.kind == "oauth" and query.get("offline_token") == "true":
            answer["refresh_token"] = "identity"
        request.reply(200, json.dumps(answer).encode())

    def answer_oauth(self, request, form):
        if form.get("grant_type") == "refresh_token" and form.get("refresh_token") == "identity":
            return request.reply(200, json.dumps({"access_token": "good", "refresh_token": "identity"}).encode())
        request.reply(401, error_body("UNAUTHORIZED", "incorrect username or password"))
