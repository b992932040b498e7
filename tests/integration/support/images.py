"""Images for tests, made from the machine's static busybox: no registry, the same bytes every time."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile

BUSYBOX = next((p for p in ("/bin/busybox", "/usr/bin/busybox") if os.path.exists(p)), None)
ETC = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
                  "app:x:1000:1000:app:/home/app:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\ndaemon:x:1:\napp:x:1000:\nextra:x:2000:app\nwheel:x:10:app\nnogroup:x:65534:\n",
    "etc/os-release": "ID=berthtest\nNAME=\"Berth test image\"\nVERSION_ID=1\n",
}


class Tar:
    def __init__(self, fileobj=None):
        self.buffer = fileobj or io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.PAX_FORMAT)

    def entry(self, name, kind=tarfile.REGTYPE, data=b"", mode=0o644, link="", uid=0, gid=0, **extra):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.linkname, info.size = kind, mode, link, len(data)
        info.mtime, info.uid, info.gid = 1700000000, uid, gid
        for key, value in extra.items():
            setattr(info, key, value)
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def file(self, name, data, mode=0o644, **extra):
        return self.entry(name, data=data if isinstance(data, bytes) else data.encode(), mode=mode, **extra)

    def folder(self, name, mode=0o755, **extra):
        return self.entry(name, tarfile.DIRTYPE, mode=mode, **extra)

    def symlink(self, name, target):
        return self.entry(name, tarfile.SYMTYPE, link=target, mode=0o777)

    def hardlink(self, name, target):
        return self.entry(name, tarfile.LNKTYPE, link=target)

    def bytes(self):
        self.tar.close()
        return self.buffer.getvalue()


def probe():
    """tests/probes/probe.c as a static program."""
    source = os.path.join(os.path.dirname(__file__), "../../probes/probe.c")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["clang-19", "-O1", "-static", "-o", folder + "/probe", source], check=True)
        with open(folder + "/probe", "rb") as f:
            return f.read()


def busybox_layer():
    tar = Tar()
    for folder in ("bin", "etc", "home", "usr", "usr/bin", "usr/sbin", "sbin", "proc", "sys", "dev", "var", "srv", "data"):
        tar.folder(folder)
    tar.folder("tmp", 0o1777).folder("root", 0o700).folder("home/app", uid=1000, gid=1000)
    with open(BUSYBOX, "rb") as f:
        tar.file("bin/busybox", f.read(), 0o755)
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            tar.symlink("bin/" + applet, "busybox")
    for name, text in ETC.items():
        tar.file(name, text)
    tar.file("data/seed", "seed\n")
    tar.file("bin/probe", probe(), 0o755)
    tar.file("bin/notexec", "not a program\n", 0o644)
    tar.file("bin/badformat", b"\x7fNOTELF" + b"\0" * 64, 0o755)
    return tar.bytes()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def image_config(layers, config=None, history=None):
    return json.dumps({
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
        "os": "linux",
        "created": "2024-01-02T03:04:05Z",
        "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["sh"],
                   **(config or {})},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(layer) for layer in layers]},
        "history": history or [{"created": "2024-01-02T03:04:05Z", "created_by": f"layer {i}"}
                               for i in range(len(layers))],
    }).encode()


def docker_archive(images):
    """`images`: (tags, layers, config) each. Layers are uncompressed tar files as bytes."""
    out = Tar()
    manifest, written = [], set()
    for tags, layers, config in images:
        blob = image_config(layers, config)
        names = []
        for layer in layers:
            name = sha256(layer) + "/layer.tar"
            if name not in written:
                written.add(name)
                out.folder(sha256(layer)).file(name, layer)
            names.append(name)
        out.file(sha256(blob) + ".json", blob)
        manifest.append({"Config": sha256(blob) + ".json", "RepoTags": tags, "Layers": names})
    out.file("manifest.json", json.dumps(manifest))
    return out.bytes()


def oci_archive(tag, layers, config=None, compress=True):
    """An OCI layout in a tar, as `skopeo copy … oci-archive:` makes it."""
    out = Tar()
    out.file("oci-layout", '{"imageLayoutVersion":"1.0.0"}')
    out.folder("blobs").folder("blobs/sha256")

    def put(data, media_type):
        out.file("blobs/sha256/" + sha256(data), data)
        return {"mediaType": media_type, "digest": "sha256:" + sha256(data), "size": len(data)}

    kind = "application/vnd.oci.image."
    config_descriptor = put(image_config(layers, config), kind + "config.v1+json")
    descriptors = [put(gzip.compress(layer, 1, mtime=0), kind + "layer.v1.tar+gzip") if compress
                   else put(layer, kind + "layer.v1.tar") for layer in layers]
    manifest = put(json.dumps({"schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
                               "config": config_descriptor, "layers": descriptors}).encode(), kind + "manifest.v1+json")
    manifest["annotations"] = {"io.containerd.image.name": "docker.io/library/" + tag,
                               "org.opencontainers.image.ref.name": tag.split(":")[-1]}
    out.file("index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    return out.bytes()


def test_images(base=None):
    """The archive that every test daemon loads first: busybox and one image with everything in its config."""
    base = base or busybox_layer()
    top = Tar().file("hello.txt", "hello from the top layer\n").file("data/.wh.seed", "").folder("vol").file(
        "vol/from-image", "image content\n").file("entry.sh", '#!/bin/sh\necho "entry:$*"\n', 0o755).bytes()
    full = {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "FROM_IMAGE=yes", "OVERRIDE=image"],
            "Entrypoint": ["/entry.sh"], "Cmd": ["from", "image"], "User": "app", "WorkingDir": "/data",
            "Volumes": {"/vol": {}}, "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
            "Labels": {"image.label": "one"}, "StopSignal": "SIGUSR1"}
    return docker_archive([(["busybox:latest"], [base], None), (["full:latest"], [base, top], full)])
