"""`berth registry serve` on loopback."""

import os
import shutil
import subprocess
import tempfile
import time

from .peer_registry import free_port
from .tcp_api import TcpApi


class BerthRegistry:
    """Serves while in `with`; can be killed and started again on the same folder. `neighbours`: of an engine that shall get
    files from it instead of bytes."""

    def __init__(self, bin_dir, *flags, neighbours=""):
        self.program, self.flags = bin_dir + "/berth", ["--neighbours=" + neighbours, *flags]
        self.folder = tempfile.mkdtemp(prefix="bt-berth-registry.", dir="/tmp")
        self.root = self.folder + "/root"
        self.address = f"127.0.0.1:{free_port()}"
        self.api = TcpApi(self.address)
        self.process = None

    def start(self):
        with open(self.folder + "/log", "a") as log:
            self.process = subprocess.Popen([self.program, "registry", "serve", "--root", self.root, "-a", self.address, *self.flags],
                                            stdout=log, stderr=log)
        for _ in range(400):
            if self.process.poll() is not None:
                break
            try:
                self.api.request("GET", "/v2/")
                return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError("berth registry does not start: " + open(self.folder + "/log").read())

    def stop(self):
        self.process.terminate()
        code = self.process.wait(30)
        assert code == 0, open(self.folder + "/log").read()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def run(self, command, *flags):
        return subprocess.run([self.program, "registry", command, "--root", self.root, *flags], capture_output=True, text=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder)

    def metric(self, name):
        text = self.api.request("GET", "/metrics").body.decode()
        return next(int(line.split()[-1]) for line in text.splitlines() if line.startswith(f"berth_registry_{name} "))

    def log(self):
        with open(self.folder + "/log") as file:
            return file.read()

    def files(self):
        return {name for _, _, names in os.walk(self.root + "/blobs") for name in names}
