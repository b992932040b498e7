"""What an engine has unpacked of an image, file by file, as its kernel shows it: both engines name the folders of their overlays."""

import hashlib
import os
import pickle
import subprocess
import sys
import tempfile

# Later than anything in the images of these tests: a folder that no layer has an entry of is as old as its unpacking.
NOW = 1_750_000_000 * 10**9


def tree(daemon, image):
    """{path: what can be known of it} of an image's files in the daemon's layers."""
    graph = daemon.api.get(f"/images/{image}/json")["GraphDriver"]
    assert graph["Name"] == "overlay2"
    lower = graph["Data"].get("LowerDir")
    folders = [graph["Data"]["UpperDir"], *(lower.split(":") if lower else ())]
    # In a mount namespace of its own, and of a process of its own, so that nothing of it stays.
    done = subprocess.run(["unshare", "-m", sys.executable, __file__, *folders], capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return pickle.loads(done.stdout)


def differences(left, right):
    """Lines that say where two trees differ; empty when nowhere."""
    missing = [f"only left: {p}" for p in left.keys() - right.keys()] + [f"only right: {p}" for p in right.keys() - left.keys()]
    return missing + [f"{p}: {left[p]} {right[p]}" for p in left.keys() & right.keys() if left[p] != right[p]]


def describe(path, groups):
    info = os.lstat(path)
    kind = info.st_mode & 0o170000
    content = ""
    if kind == 0o100000:
        with open(path, "rb") as f:
            content = hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else \
                hashlib.sha256(f.read()).hexdigest()
    elif kind == 0o120000:
        content = os.readlink(path)
    if kind != 0o040000 and info.st_nlink > 1:
        groups.setdefault((info.st_dev, info.st_ino), []).append(path)
    return {"mode": oct(info.st_mode), "owner": (info.st_uid, info.st_gid), "content": content,
            "mtime": info.st_mtime_ns if info.st_mtime_ns < NOW else "now",
            "size": info.st_size if kind == 0o100000 else None,
            "device": (os.major(info.st_rdev), os.minor(info.st_rdev)) if kind in (0o020000, 0o060000) else None,
            "xattrs": {n: os.getxattr(path, n, follow_symlinks=False) for n in os.listxattr(path, follow_symlinks=False)}}


def walk(root):
    found, groups = {}, {}
    os.chdir(root)
    for folder, folders, names in os.walk("."):
        for name in folders + names:
            path = os.path.join(folder, name)[2:]
            found[path] = describe(path, groups)
    for paths in groups.values():
        for path in paths:
            found[path]["links"] = sorted(paths)
    return found


def main(folders):
    with tempfile.TemporaryDirectory() as scratch:
        # Names that are short enough for twenty layers to fit into a mount's options, and one folder more, since one is not enough.
        os.chdir(scratch)
        os.mkdir("empty")
        os.mkdir("root")
        for number, folder in enumerate(folders):
            os.symlink(folder, str(number))
        names = ":".join([*(str(n) for n in range(len(folders))), "empty"])
        subprocess.run(["mount", "-i", "-t", "overlay", "overlay", "-o", "lowerdir=" + names, "root"], check=True)
        result = walk(scratch + "/root")
        os.chdir("/")
        subprocess.run(["umount", scratch + "/root"], check=True)
        sys.stdout.buffer.write(pickle.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
