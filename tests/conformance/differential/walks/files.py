"""Archives, changes, export, commit, top, stats."""

import io
import tarfile


def tar_of(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.mtime, info.mode = 1700000000, 0o640
            if data is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o750
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


PATHS = {"a file": "/data/seed", "a folder": "/srv", "a folder with a slash": "/srv/", "a folder with a dot": "/srv/.", "a link": "/bin/ls",
         "a link to a folder": "/lnk", "inside a link": "/lnk/inner", "the root": "/", "nothing": "", "what is not there": "/no/such",
         "a relative path": "data/seed", "dots": "/../../data/seed", "a file with a slash": "/data/seed/", "below a file": "/data/seed/x"}
PUTS = {"a folder": {"path": "/tmp"}, "what is not there": {"path": "/no/such"}, "a file": {"path": "/data/seed"}, "nothing": {},
        "no overwriting": {"path": "/tmp", "noOverwriteDirNonDir": "1"}, "owners": {"path": "/tmp", "copyUIDGID": "1"}}


def walk_archives(x):
    x.run("files", {"Cmd": ["sh", "-c", "mkdir /srv/sub; echo in > /srv/inner; ln -s /srv /lnk; chown 5:6 /srv/inner; echo ok; exec sleep 1000"]})
    x.until("/containers/files/logs?stdout=1", lambda _: True)
    ready(x, "files", "/lnk")
    for name, path in PATHS.items():
        x.request("head of " + name, "HEAD", "/containers/files/archive", query={"path": path})
        if name != "the root":
            x.get("get " + name, "/containers/files/archive", {"path": path})
    x.request("head without a path", "HEAD", "/containers/files/archive")
    x.get("get without a path", "/containers/files/archive")
    archive = tar_of(("up", None), ("up/file", b"content\n"))
    for name, query in PUTS.items():
        x.request("put to " + name, "PUT", "/containers/files/archive", archive, query)
    x.get("get what was put", "/containers/files/archive", {"path": "/tmp/up"})
    x.request("put a folder over a file", "PUT", "/containers/files/archive", tar_of(("seed", None)),
              {"path": "/data", "noOverwriteDirNonDir": "1"})
    x.request("put no archive", "PUT", "/containers/files/archive", b"this is no archive", {"path": "/tmp"})
    x.request("put of an empty body", "PUT", "/containers/files/archive", b"", {"path": "/tmp"})
    x.request("put a cut archive", "PUT", "/containers/files/archive", archive[:700], {"path": "/tmp"})
    x.request("put through dots", "PUT", "/containers/files/archive", tar_of(("../../escape", b"x")), {"path": "/tmp"})
    for method in ("HEAD", "GET", "PUT"):
        x.request(method + " of nobody", method, "/containers/nothere/archive", b"" if method == "PUT" else None, {"path": "/tmp"})
    x.run("ro", HostConfig={"NetworkMode": "none", "ReadonlyRootfs": True, "Binds": ["rovol:/vol:ro"]})
    x.request("put into a read-only container", "PUT", "/containers/ro/archive", archive, {"path": "/tmp"})
    x.request("put into a read-only volume", "PUT", "/containers/ro/archive", archive, {"path": "/vol"})
    x.get("changes", "/containers/files/changes")
    x.get("changes of nobody", "/containers/nothere/changes")
    x.create("clean")
    x.get("changes of one that never ran", "/containers/clean/changes")
    x.request("put into one that never ran", "PUT", "/containers/clean/archive", archive, {"path": "/tmp"})
    x.get("get of one that never ran", "/containers/clean/archive", {"path": "/tmp"})
    x.get("changes after a put", "/containers/clean/changes")
    x.get("export", "/containers/clean/export")
    x.get("export of nobody", "/containers/nothere/export")
    x.remove("ro")
    x.quietly("DELETE", "/volumes/rovol")


def ready(x, name, path):
    """Until `path` is there: its program has come so far."""
    def wait(side):
        for _ in range(200):
            made = side.api.request("POST", f"/containers/{name}/exec", {"Cmd": ["test", "-e", path]}).json()["Id"]
            side.api.request("POST", f"/exec/{made}/start", {})
            if side.api.get(f"/exec/{made}/json")["ExitCode"] == 0:
                return
    x.both(wait)


COMMITS = {
    "plain": ({}, None), "with a comment": ({"comment": "why", "author": "me"}, None), "paused not": ({"pause": "0"}, None),
    "with changes": ({"changes": "ENV A=1\nCMD [\"x\", \"y\"]\nLABEL l=1\nEXPOSE 99\nWORKDIR /w\nUSER app\nVOLUME /v\n"
                                 "ENTRYPOINT [\"/e\"]\nSTOPSIGNAL SIGINT\nONBUILD RUN x"}, None),
    "with a health check": ({"changes": "HEALTHCHECK --interval=5s CMD true"}, None), "with a bad change": ({"changes": "NONSENSE x"}, None),
    "with a forbidden change": ({"changes": "RUN true"}, None), "with a config": ({}, {"Cmd": ["other"], "Env": ["B=2"], "Labels": {"k": "v"}}),
    "with a broken config": ({}, "{"), "to a bad name": ({"repo": "Bad Name"}, None), "to a bad tag": ({"tag": "bad tag"}, None),
}


def walk_commits(x):
    x.run("base", {"Cmd": ["sh", "-c", "echo new > /new; exec sleep 1000"]}, Labels={"of": "container"})
    ready(x, "base", "/new")
    for name, (query, body) in COMMITS.items():
        query = {"container": "base", "repo": "committed", "tag": name.replace(" ", "-"), **query}
        made = x.post(name, "/commit", body, query)
        if all(reply.status == 201 for reply in made):
            x.get(name + ": inspect", f"/images/committed:{query['tag']}/json")
    x.remove("base")
    for name, (query, _) in COMMITS.items():
        if "tag" not in query and "repo" not in query:
            x.quietly("DELETE", f"/images/committed:{name.replace(' ', '-')}", query={"force": "1"})
    x.quietly("POST", "/images/prune")  # dockerd keeps what it could not give a name
    x.post("of nobody", "/commit", query={"container": "nothere"})
    x.post("of nothing", "/commit")


TOPS = {"default": {}, "columns": {"ps_args": "-o pid,comm"}, "bad columns": {"ps_args": "-o nonsense"}, "aux": {"ps_args": "aux"},
        "without pid": {"ps_args": "-o comm"}, "two arguments": {"ps_args": "-e -o pid,args"}}


def walk_top(x):
    x.run("busy", {"Cmd": ["sh", "-c", "sleep 1000 & exec sleep 1001"]})
    for name, query in TOPS.items():
        x.get("top " + name, "/containers/busy/top", query)
    x.get("top of nobody", "/containers/nothere/top")
    x.get("stats", "/containers/busy/stats", {"stream": "0", "one-shot": "1"})
    x.get("stats with the one before", "/containers/busy/stats", {"stream": "0"})
    x.get("stats of nobody", "/containers/nothere/stats", {"stream": "0"})
    x.get("one-shot stream", "/containers/busy/stats", {"stream": "1", "one-shot": "1"})
    x.create("idle")
    x.get("stats of one that never ran", "/containers/idle/stats", {"stream": "0", "one-shot": "1"})
    x.get("stats of one that never ran, with the one before", "/containers/idle/stats", {"stream": "0"})
