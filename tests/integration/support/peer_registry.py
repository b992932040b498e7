"""Debian's docker-registry on loopback, as a peer: plain, or with TLS and a user."""

import os
import shutil
import socket
import subprocess
import tempfile
import time

PROGRAM = shutil.which("docker-registry")
USER, PASSWORD = "moby", "whale"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class PeerRegistry:
    """Serves while in `with`. `certificate`: (cert, key) files; `auth`: only USER may come in; `lines`: more of its
    configuration."""

    def __init__(self, certificate=None, auth=False, lines=()):
        self.folder = tempfile.mkdtemp(prefix="bt-registry.", dir="/tmp")
        self.address = f"127.0.0.1:{free_port()}"
        lines = [*lines, "version: 0.1", "log: {level: error}", "storage:", f"  filesystem: {{rootdirectory: {self.folder}/data}}",
                 "  delete: {enabled: true}", "http:", f"  addr: {self.address}"]
        if certificate:
            lines += [f"  tls: {{certificate: {certificate[0]}, key: {certificate[1]}}}"]
        if auth:
            hashed = subprocess.run(["htpasswd", "-nbB", "-C", "5", USER, PASSWORD], capture_output=True, text=True, check=True)
            with open(self.folder + "/htpasswd", "w") as f:
                f.write(hashed.stdout.strip() + "\n")
            lines += ["auth:", f"  htpasswd: {{realm: test, path: {self.folder}/htpasswd}}"]
        with open(self.folder + "/config.yml", "w") as f:
            f.write("\n".join(lines) + "\n")

    def __enter__(self):
        with open(self.folder + "/log", "w") as log:
            self.process = subprocess.Popen([PROGRAM, "serve", self.folder + "/config.yml"], stdout=log, stderr=log)
        for _ in range(200):
            with socket.socket() as s:
                host, port = self.address.split(":")
                if s.connect_ex((host, int(port))) == 0:
                    return self
            time.sleep(0.05)
        raise AssertionError("docker-registry does not start: " + open(self.folder + "/log").read())

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)

    def blobs(self):
        root = self.folder + "/data/docker/registry/v2/blobs/sha256"
        return {d for prefix in os.listdir(root) for d in os.listdir(f"{root}/{prefix}")} if os.path.isdir(root) else set()
