"""What differs between any two runs becomes a word: IDs, times, folders, process IDs."""

import base64
import io
import json
import re
import struct
import tarfile

ZERO_TIME = "0001-01-01T00:00:00Z"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
HEX = re.compile(r"(?<![0-9a-f:])(?:[0-9a-f]{64}|[0-9a-f]{12})(?![0-9a-f])")
STATUS = re.compile(r"(Up|ago|Exited \(\d+\)|Restarting \(\d+\)) (Less than a second|About a minute|\d+ (seconds?|minutes?))")
EPOCHS = {"Created", "time", "timeNano", "CreatedAt", "mtime", "LastTagTime"}


def split_frames(data):
    """Docker's stdout and stderr frames, taken together stream by stream; None if it is something else."""
    streams = {}
    while data:
        if len(data) < 8 or data[0] > 3 or data[1:4] != b"\0\0\0":
            return None
        size = struct.unpack(">I", data[4:8])[0]
        if len(data) < 8 + size:
            return None
        name = ("stdin", "stdout", "stderr", "error")[data[0]]
        streams[name] = streams.get(name, "") + data[8:8 + size].decode("utf-8", "replace")
        data = data[8 + size:]
    return streams


def tar_listing(data):
    """A tar as what can be compared: names with kind, mode, owner, size and target."""
    members = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            members[member.name] = {"type": member.type.decode(), "mode": oct(member.mode & 0o7777), "owner": f"{member.uid}:{member.gid}",
                                    "size": member.size, "link": member.linkname}
    return members


def body_value(content_type, body):
    """(the JSON if it is some, what is compared)"""
    if not body:
        return None, ""
    if len(body) > 512 and body[257:262] == b"ustar":
        try:
            return None, tar_listing(body)
        except tarfile.TarError as error:
            return None, f"a tar that cannot be read: {error}"
    text = body.decode("utf-8", "replace")
    if "json" in content_type:
        try:
            parsed = json.loads(text)
            return parsed, parsed
        except ValueError:
            pass
        try:
            return None, [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            return None, text
    frames = split_frames(body)
    return None, text if frames is None else frames


class Normaliser:
    def __init__(self, daemon):
        self.words = [(daemon.data_root, "<data-root>"), (daemon.exec_root, "<exec-root>"), (daemon.root, "<root>")]

    def learn(self, name, value):
        """An ID of 64 digits: it and its short form have a name from now on."""
        if re.fullmatch("[0-9a-f]{64}", value):
            self.words.insert(0, (value[:12], f"<short {name}>"))
            self.words.insert(0, (value, f"<id {name}>"))
        elif value:
            self.words.insert(0, (value, f"<{name}>"))

    def text(self, text):
        for value, word in self.words:
            text = text.replace(value, word)
        text = TIME.sub(lambda m: m.group(0) if m.group(0) == ZERO_TIME else "<time>", text)
        text = STATUS.sub(r"\1 <age>", text)
        # An image's ID is the same on both: sha256: stands before it, or it comes from there.
        return HEX.sub(lambda m: f"<{len(m.group(0))} digits>", text)

    def value(self, value, key=None):
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(k): self.value(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.value(v) for v in value]
        if key in EPOCHS and isinstance(value, (int, float)) and value > 1_000_000_000:
            return "<epoch>"
        return value

    def headers(self, headers):
        out = {}
        for name, text in headers.items():
            if name == "X-Docker-Container-Path-Stat":
                out[name] = self.value(json.loads(base64.b64decode(text)))
            else:
                out[name] = self.text(text)
        return out
