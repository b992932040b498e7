"""A registry on loopback that holds one image and misbehaves as it is told to."""

import hashlib
import http.server
import json
import threading

from support.images import Tar


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def image(files, media="docker"):
    """(manifest, blobs) of an image with one plain layer per dict of `files`."""
    layers = []
    for content in files:
        tar = Tar()
        for name, data in content.items():
            tar.file(name, data)
        layers.append(tar.bytes())
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["x"]},
                         "rootfs": {"type": "layers", "diff_ids": [digest(data) for data in layers]}}).encode()
    oci = media == "oci"
    kinds = {"manifest": "application/vnd.oci.image.manifest.v1+json" if oci else
             "application/vnd.docker.distribution.manifest.v2+json",
             "config": "application/vnd.oci.image.config.v1+json" if oci else
             "application/vnd.docker.container.image.v1+json",
             "layer": "application/vnd.oci.image.layer.v1.tar" if oci else
             "application/vnd.docker.image.rootfs.diff.tar"}
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": kinds["manifest"],
        "config": {"mediaType": kinds["config"], "digest": digest(config), "size": len(config)},
        "layers": [{"mediaType": kinds["layer"], "digest": digest(data), "size": len(data)} for data in layers]}).encode()
    return manifest, {digest(data): data for data in [config, *layers]}


class LyingRegistry:
    """Serves while in `with`. `manifests`: tag or digest to (media type, bytes); `blobs`: digest to bytes.
    `lies`: path suffix to a function of (handler, body) that answers instead; `headers`: on all answers."""

    def __init__(self, manifests, blobs, address="127.0.0.1", port=0):
        registry = self
        self.manifests, self.blobs, self.lies, self.requests = dict(manifests), dict(blobs), {}, []
        self.headers = {}
        for kind, data in list(self.manifests.values()):
            self.manifests[digest(data)] = (kind, data)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                registry.requests.append((self.command, self.path, dict(self.headers)))
                kind, body = registry.find(self.path)
                for suffix, lie in list(registry.lies.items()):
                    if self.path.endswith(suffix):
                        return lie(self, body)
                if body is None:
                    return self.refuse(404, "MANIFEST_UNKNOWN" if "/manifests/" in self.path else "BLOB_UNKNOWN", "unknown")
                start = 0
                end = len(body) - 1
                if asked := self.headers.get("Range"):
                    first, _, last = asked.removeprefix("bytes=").partition("-")
                    start, end = int(first), int(last) if last else end
                self.reply(206 if asked else 200, body[start:end + 1], kind,
                           **({"Content-Range": f"bytes {start}-{end}/{len(body)}"} if asked else {}))

            do_HEAD = do_GET

            def refuse(self, status, code, message, **headers):
                self.reply(status, json.dumps({"errors": [{"code": code, "message": message}]}).encode(), **headers)

            def reply(self, status, body=b"", kind="application/json", length=None, **headers):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                for name, value in {**registry.headers, **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def cut(self, body, count):
                """Promises all and hangs up after `count` bytes."""
                self.reply(200, body[:count], "application/octet-stream", length=len(body))
                self.close_connection = True

        self.server = http.server.ThreadingHTTPServer((address, port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.address = f"127.0.0.1:{self.port}"

    def find(self, path):
        path = path.partition("?")[0]
        if path.rstrip("/") == "/v2":
            return "application/json", b"{}"
        if "/manifests/" in path:
            return self.manifests.get(path.rpartition("/")[2], ("application/json", None))
        return "application/octet-stream", self.blobs.get(path.rpartition("/")[2])

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
