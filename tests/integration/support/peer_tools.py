"""Stock tools as peers: skopeo, podman, buildah, containerd's ctr. Each keeps its images below a folder of the test's own.

They also write to /run, /dev/shm and /var/lib, whatever they are told; so each command has a mount namespace in which
those are folders of the test, and nothing of it stays.
"""

import json
import os
import shutil
import subprocess
import time

CONFINED = 'for f in run dev/shm var/lib; do mount --bind "$0/$f" "/$f" || exit 125; done; exec "$@"'


class Tool:
    """One tool; if there is an `address`, logged in to that registry, trusted by the file `ca`."""

    def __init__(self, folder, address=None, ca="", user="", password=""):
        self.folder, self.address, self.ca = folder, address, ca
        self.user, self.password = user, password
        for name in ("run", "dev/shm", "var/lib", "tmp"):
            os.makedirs(f"{folder}/{name}")
        self.environment = {**os.environ, "SSL_CERT_FILE": ca, "TMPDIR": folder + "/tmp", "HOME": folder}
        if address:
            self.environment["REGISTRY_AUTH_FILE"] = folder + "/auth.json"
            self.log_in()
        self.start()

    def log_in(self):
        pass

    def start(self):
        pass

    def command(self, *words):
        return ["unshare", "-m", "sh", "-c", CONFINED, self.folder, *words]

    def run(self, *words):
        done = subprocess.run(self.command(*words), env=self.environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, (words, done.stdout[-500:], done.stderr[-2000:])
        return done.stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Skopeo(Tool):
    """Its store is a folder, for each image one."""

    def log_in(self):
        self.run("skopeo", "login", "-u", self.user, "-p", self.password, self.address)

    def copy(self, source, target):
        self.run("skopeo", "copy", source, target)
        return target

    def load(self, archive):
        return self.copy(f"docker-archive:{archive}", f"dir:{self.folder}/loaded")

    def save(self, local, archive):
        self.copy(local, f"docker-archive:{archive}:saved:latest")

    def load_layout(self, archive):
        return self.copy(f"oci-archive:{archive}", f"oci:{self.folder}/layout:local")

    def save_layout(self, local, archive):
        self.copy(local, f"oci-archive:{archive}:saved:latest")

    def push(self, local, name):
        self.copy(local, f"docker://{name}")

    def pull(self, name):
        return self.copy(f"docker://{name}", f"oci:{self.folder}/pulled:latest")

    def forget(self, local):
        shutil.rmtree(local.removeprefix("dir:"))


class Podman(Tool):
    program = "podman"

    def log_in(self):
        self.run(self.program, "login", "-u", self.user, "-p", self.password, self.address)

    def store(self, *words):
        return self.run(self.program, "--root", self.folder + "/storage", "--runroot", self.folder + "/runroot", "--storage-driver",
                        "vfs", *words)

    def only(self):
        (image,) = json.loads(self.store("images", "--format", "json"))
        return image["Id"]

    def load(self, archive):
        self.store("load", "-q", "-i", archive)
        return self.only()

    def save(self, local, archive):
        self.store("save", "-q", "--format", "docker-archive", "-o", archive, local)

    def load_layout(self, archive):
        self.store("pull", "-q", f"oci-archive:{archive}")
        return self.only()

    def save_layout(self, local, archive):
        self.store("push", "-q", local, f"oci-archive:{archive}:saved:latest")

    def push(self, local, name):
        self.store("push", "-q", local, f"docker://{name}")

    def pull(self, name):
        self.store("pull", "-q", f"docker://{name}")
        return self.only()

    def forget(self, local):
        self.store("rmi", "-f", local)


class Buildah(Podman):
    program = "buildah"

    def only(self):
        (image,) = json.loads(self.store("images", "--json"))
        return image["id"]

    def load(self, archive):
        self.store("pull", "-q", f"docker-archive:{archive}")
        return self.only()

    def save(self, local, archive):
        self.store("push", "-q", local, f"docker-archive:{archive}:saved:latest")


class Ctr(Tool):
    """With a containerd of its own. Its archives are layouts, with Docker's list of images beside."""

    def start(self):
        folder = self.folder
        with open(folder + "/config.toml", "w") as f:
            f.write(f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                    f'[grpc]\naddress = "{folder}/sock"\n[debug]\nlevel = "error"\n'
                    f'[plugins."io.containerd.internal.v1.opt"]\npath = "{folder}/opt"\n')
        with open(folder + "/log", "w") as log:
            self.process = subprocess.Popen(self.command("containerd", "--config", folder + "/config.toml"), env=self.environment,
                                            stdout=log, stderr=log)
        for _ in range(600):
            if subprocess.run(["ctr", "-a", folder + "/sock", "version"], capture_output=True).returncode == 0:
                return
            time.sleep(0.05)
        self.process.kill()
        raise AssertionError("containerd does not start: " + open(folder + "/log").read())

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)

    def images(self, *words):
        return self.run("ctr", "-a", self.folder + "/sock", "images", *words)

    def registry(self, verb, *words):
        self.images(verb, "--user", f"{self.user}:{self.password}", "--tlscacert", self.ca, *words)

    def load(self, archive):
        self.images("import", archive)
        (local,) = self.images("ls", "-q").split()
        return local

    def save(self, local, archive):
        self.images("export", archive, local)

    def push(self, local, name):
        self.registry("push", name, local)

    def pull(self, name):
        self.registry("pull", name)
        return name

    def forget(self, local):
        self.images("rm", "--sync", local)


TOOLS = {"skopeo": Skopeo, "podman": Podman, "buildah": Buildah, "ctr": Ctr}
