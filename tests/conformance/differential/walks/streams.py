"""Logs, attach, exec, resize: what comes out, with and without a terminal."""

LOGS = {
    "stdout": {"stdout": "1"}, "stderr": {"stderr": "1"}, "both": {"stdout": "1", "stderr": "1"}, "neither": {},
    "by true": {"stdout": "true"}, "timestamps": {"stdout": "1", "timestamps": "1"}, "tail 1": {"stdout": "1", "tail": "1"},
    "tail 0": {"stdout": "1", "tail": "0"}, "tail all": {"stdout": "1", "tail": "all"}, "tail of nonsense": {"stdout": "1", "tail": "x"},
    "tail -1": {"stdout": "1", "tail": "-1"}, "since the future": {"stdout": "1", "since": "9999999999"},
    "since the past": {"stdout": "1", "since": "1"}, "since of nonsense": {"stdout": "1", "since": "yesterday"},
    "until the past": {"stdout": "1", "until": "1"}, "until of nonsense": {"stdout": "1", "until": "x"},
    "since with a fraction": {"stdout": "1", "since": "1.000000001"}, "follow": {"stdout": "1", "follow": "1"},
    "details": {"stdout": "1", "details": "1"},
}
EXECS = {
    "a program": {"Cmd": ["echo", "hi"]}, "stderr": {"Cmd": ["sh", "-c", "echo out; echo err >&2"]}, "exit code": {"Cmd": ["sh", "-c", "exit 9"]},
    "environment": {"Cmd": ["env"], "Env": ["A=1", "HOME=/x"]}, "working folder": {"Cmd": ["pwd"], "WorkingDir": "/tmp"},
    "user": {"Cmd": ["id"], "User": "app"}, "user and group": {"Cmd": ["id"], "User": "1000:10"}, "privileged": {"Cmd": ["true"], "Privileged": True},
    "terminal": {"Cmd": ["tty"], "Tty": True}, "program that is not there": {"Cmd": ["/no/such"]},
    "program that is not in PATH": {"Cmd": ["nosuch"]}, "no program": {"Cmd": ["/bin/notexec"]},
    "user that is not there": {"Cmd": ["id"], "User": "nobodies"}, "working folder that is not there": {"Cmd": ["pwd"], "WorkingDir": "/no/such"},
    "detach keys": {"Cmd": ["true"], "DetachKeys": "ctrl-x"},
}
BAD_EXECS = {
    "no command": {}, "empty command": {"Cmd": []}, "command of a number": {"Cmd": 5}, "empty program": {"Cmd": [""]},
    "detach keys of nonsense": {"Cmd": ["true"], "DetachKeys": "ctrl-nonsense"}, "environment of a text": {"Cmd": ["true"], "Env": "x"},
    "bad environment": {"Cmd": ["true"], "Env": ["=x"]}, "relative working folder": {"Cmd": ["pwd"], "WorkingDir": "tmp"},
    "terminal of a text": {"Cmd": ["true"], "Tty": "x"}, "not an object": [],
}


def walk_logs(x):
    x.run("talk", {"Cmd": ["sh", "-c", "echo one; echo two >&2; echo three; printf four"]}, Labels={"a": "b"}, Env=["X=y"],
          HostConfig={"NetworkMode": "none", "LogConfig": {"Type": "json-file", "Config": {"labels": "a", "env": "X"}}})
    x.wait("talk")
    for name, query in LOGS.items():
        x.get(name, "/containers/talk/logs", query)
    x.get("of nobody", "/containers/nothere/logs", {"stdout": "1"})
    x.run("tty", {"Cmd": ["sh", "-c", "echo one; echo two >&2"], "Tty": True})
    x.wait("tty")
    x.get("terminal", "/containers/tty/logs", {"stdout": "1", "stderr": "1"})
    x.run("long", {"Cmd": ["sh", "-c", "head -c 40000 /dev/zero | tr '\\0' x; echo; echo end"]})
    x.wait("long")
    x.get("long lines", "/containers/long/logs", {"stdout": "1"})
    x.get("long lines with timestamps", "/containers/long/logs", {"stdout": "1", "timestamps": "1", "tail": "1"})
    x.run("mute", {"Cmd": ["echo", "x"]}, HostConfig={"NetworkMode": "none", "LogConfig": {"Type": "none"}})
    x.wait("mute")
    x.get("driver none", "/containers/mute/logs", {"stdout": "1"})
    for driver in ("local", "json-file"):
        name = "of-" + driver
        x.run(name, {"Cmd": ["sh", "-c", "echo a; sleep 0.3; echo b >&2"]}, HostConfig={
            "NetworkMode": "none", "LogConfig": {"Type": driver, "Config": {"max-size": "1m", "max-file": "2"}}})
        x.wait(name)
        x.get("driver " + driver, f"/containers/{name}/logs", {"stdout": "1", "stderr": "1"})
        x.get("driver " + driver + " tail", f"/containers/{name}/logs", {"stdout": "1", "tail": "1"})
    x.create("unborn")
    x.get("of a container that never ran", "/containers/unborn/logs", {"stdout": "1"})


def walk_attach(x):
    query = {"stream": "1", "stdin": "1", "stdout": "1", "stderr": "1"}
    cat = {"Cmd": ["cat"], "OpenStdin": True, "StdinOnce": True, "AttachStdin": True}
    x.run("cat1", cat)
    x.hijack("input and output", "/containers/cat1/attach", query, send=b"hello\n")
    x.run("cat2", cat)
    x.hijack("without upgrade", "/containers/cat2/attach", query, send=b"hello\n", upgrade=False)
    x.run("cat3", {**cat, "Tty": True})
    x.hijack("detach keys", "/containers/cat3/attach", {**query, "detachKeys": "ctrl-a,b"}, send=b"x\x01b", end_input=False)
    x.hijack("detach keys of nonsense", "/containers/cat3/attach", {**query, "detachKeys": "nonsense"})
    x.get("still running: inspect", "/containers/cat3/json")
    x.run("said", {"Cmd": ["echo", "said"]})
    x.wait("said")
    x.hijack("the log of one that has ended", "/containers/said/attach", {"logs": "1", "stdout": "1", "stderr": "1"})
    x.hijack("nothing asked for", "/containers/said/attach", {})
    x.hijack("nobody", "/containers/nothere/attach", query)
    x.run("stopped")
    x.quietly("POST", "/containers/stopped/pause")
    x.hijack("a paused one", "/containers/stopped/attach", query)
    x.get("WebSocket without an upgrade", "/containers/cat3/attach/ws", {"stream": "1"})
    x.get("WebSocket of nobody", "/containers/nothere/attach/ws", {"stream": "1"})
    x.create("fresh")
    x.hijack("log of one that never ran", "/containers/fresh/attach", {"logs": "1", "stdout": "1"})


def walk_exec(x):
    x.run("host")
    for i, (name, spec) in enumerate(EXECS.items()):
        spec = {"AttachStdout": True, "AttachStderr": True, **spec}
        x.keep(f"e{i}", x.post(f"{name}: create", "/containers/host/exec", spec))
        x.get(f"{name}: inspect before", f"/exec/{{id e{i}}}/json")
        x.hijack(f"{name}: start", f"/exec/{{id e{i}}}/start", body={"Tty": spec.get("Tty", False)}, end_input=False)
        x.until(f"/exec/{{id e{i}}}/json", lambda e: e and not e.get("Running"))
        x.get(f"{name}: inspect after", f"/exec/{{id e{i}}}/json")
    for name, spec in BAD_EXECS.items():
        x.post(name, "/containers/host/exec", spec)
    x.post("broken JSON", "/containers/host/exec", "{")
    x.post("no body", "/containers/host/exec", "")
    x.post("another content type", "/containers/host/exec", '{"Cmd": ["true"]}', headers={"Content-Type": "text/plain"})
    x.post("nobody", "/containers/nothere/exec", {"Cmd": ["true"]})
    x.keep("once", x.post("once", "/containers/host/exec", {"Cmd": ["true"]}))
    x.post("start detached", "/exec/{id once}/start", {"Detach": True})
    x.until("/exec/{id once}/json", lambda e: e and not e.get("Running"))
    x.post("start again", "/exec/{id once}/start", {"Detach": True})
    x.post("start of nobody", "/exec/nothere/start", {"Detach": True})
    x.post("start of a broken body", "/exec/{id once}/start", "{")
    x.get("inspect of nobody", "/exec/nothere/json")
    x.post("resize of one that has ended", "/exec/{id once}/resize", query={"h": "10", "w": "10"})
    x.post("resize of nobody", "/exec/nothere/resize", query={"h": "10", "w": "10"})
    x.post("resize of nonsense", "/exec/{id once}/resize", query={"h": "x", "w": "10"})
    x.keep("in", x.post("with input", "/containers/host/exec", {"Cmd": ["cat"], "AttachStdin": True, "AttachStdout": True}))
    x.hijack("with input: start", "/exec/{id in}/start", body={}, send=b"to cat\n")
    x.keep("keys", x.post("detach keys of its own", "/containers/host/exec", {
        "Cmd": ["cat"], "AttachStdin": True, "AttachStdout": True, "Tty": True, "DetachKeys": "ctrl-e"}))
    x.hijack("detach keys of its own: start", "/exec/{id keys}/start", body={"Tty": True}, send=b"\x05", end_input=False)
    x.get("execs in the container's inspect", "/containers/host/json")
    x.keep("late", x.post("for one that ends", "/containers/host/exec", {"Cmd": ["true"]}))
    x.quietly("POST", "/containers/host/kill")
    x.wait("host")
    x.post("start of an exec of one that has ended", "/exec/{id late}/start", {"Detach": True})
    x.get("inspect of an exec of one that has ended", "/exec/{id late}/json")
