"""What can be done to a container in each of its states, and to one that isn't there."""

ACTIONS = {
    "start": ("POST", "start", {}, None),
    "start with detach keys": ("POST", "start", {"detachKeys": "ctrl-a,a"}, None),
    "stop": ("POST", "stop", {"t": "0"}, None),
    "stop with a signal": ("POST", "stop", {"t": "0", "signal": "SIGKILL"}, None),
    "kill": ("POST", "kill", {}, None),
    "kill with nought": ("POST", "kill", {"signal": "0"}, None),
    "pause": ("POST", "pause", {}, None),
    "unpause": ("POST", "unpause", {}, None),
    "resize": ("POST", "resize", {"h": "10", "w": "20"}, None),
    "top": ("GET", "top", {"ps_args": "-o pid,comm"}, None),
    "changes": ("GET", "changes", {}, None),
    "logs": ("GET", "logs", {"stdout": "1"}, None),
    "stats": ("GET", "stats", {"stream": "0", "one-shot": "1"}, None),
    "update": ("POST", "update", {}, {"CpuShares": 100}),
    "exec": ("POST", "exec", {}, {"Cmd": ["true"]}),
    "archive head": ("HEAD", "archive", {"path": "/etc/passwd"}, None),
    "rename": ("POST", "rename", {"name": "renamed"}, None),
    "rename back": ("POST", "rename", {"name": "thing"}, None),
    "remove": ("DELETE", "", {}, None),
}
# Those after which a container of that state is another one's case.
CHANGES = {"start", "start with detach keys", "stop", "stop with a signal", "kill", "pause", "unpause", "remove"}


def act(x, state, name, path="thing"):
    method, action, query, body = ACTIONS[name]
    url = f"/containers/{path}" + ("/" + action if action else "")
    return x.request(f"{name}, {state}", method, url, body, query)


def walk_states(x):
    for name in ACTIONS:
        act(x, "not there", name, "thing" if name == "rename back" else "nothere")
    states = {"created": [], "running": ["start"], "paused": ["start", "pause"], "exited": ["start", "kill"]}
    for state, way in states.items():
        prepare(x, way)
        for name in ACTIONS:
            if state == "running" and name in ("stats", "top"):
                continue  # these have walks of their own
            path = "renamed" if name == "rename back" else "thing"
            act(x, state, name, path)
            if name in CHANGES:
                x.get(f"{name}, {state}: inspect", "/containers/thing/json")
                prepare(x, way)
    x.remove("thing")


def prepare(x, way):
    x.remove("thing")
    spec = {"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "none"}}
    for side in x.sides:
        answer = side.api.ok("POST", "/containers/create", spec, {"name": "thing"}).json()
        side.keep("thing", answer["Id"])
    for action in way:
        x.quietly("POST", f"/containers/thing/{action}")
    if way[-1:] == ["kill"]:
        x.wait("thing")


def walk_life(x):
    """A life from create to remove, told by inspect and list."""
    x.create("one", {"Cmd": ["sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done"]})
    x.get("created: list", "/containers/json", {"all": "1"})
    x.post("started", "/containers/one/start")
    x.until("/containers/one/logs?stdout=1", lambda _: True)
    x.get("running: inspect", "/containers/one/json")
    x.get("running: inspect with size", "/containers/one/json", {"size": "1"})
    x.get("running: list", "/containers/json")
    x.get("running: list with size", "/containers/json", {"size": "1"})
    x.post("paused", "/containers/one/pause")
    x.get("paused: inspect", "/containers/one/json")
    x.get("paused: list", "/containers/json")
    x.post("unpaused", "/containers/one/unpause")
    x.post("remove while running", "/containers/one/stop", query={"t": "nonsense"})
    x.delete("removed while running", "/containers/one")
    x.post("kill with a bad signal", "/containers/one/kill", query={"signal": "NONSENSE"})
    x.post("kill with a signal too large", "/containers/one/kill", query={"signal": "65"})
    x.post("kill with a negative signal", "/containers/one/kill", query={"signal": "-1"})
    x.post("kill with a harmless signal", "/containers/one/kill", query={"signal": "SIGWINCH"})
    x.post("kill with small letters", "/containers/one/kill", query={"signal": "winch"})
    x.post("kill with a number", "/containers/one/kill", query={"signal": "28"})
    x.post("resize without a size", "/containers/one/resize")
    x.post("resize of nonsense", "/containers/one/resize", query={"h": "tall", "w": "5"})
    x.post("resize of a negative size", "/containers/one/resize", query={"h": "-1", "w": "5"})
    x.post("resize of a huge size", "/containers/one/resize", query={"h": "99999999999", "w": "5"})
    x.post("restart", "/containers/one/restart", query={"t": "0"})
    x.get("restarted: inspect", "/containers/one/json")
    x.post("kill", "/containers/one/kill")
    x.post("wait", "/containers/one/wait")
    x.post("wait for the next exit of none", "/containers/one/wait", query={"condition": "not-running"})
    x.post("wait for a bad condition", "/containers/one/wait", query={"condition": "nonsense"})
    x.get("killed: inspect", "/containers/one/json")
    x.get("killed: list", "/containers/json", {"all": "1"})
    x.delete("remove with links", "/containers/one", {"link": "1"})
    x.delete("remove of a bad force", "/containers/one", {"force": "maybe"})
    x.delete("removed", "/containers/one")
    x.delete("removed again", "/containers/one")
    for code in (0, 1, 42, 255):
        name = f"exit-{code}"
        x.run(name, {"Cmd": ["sh", "-c", f"exit {code}"]})
        x.post(f"{name}: wait", f"/containers/{name}/wait")
        x.get(f"{name}: inspect", f"/containers/{name}/json")
    x.run("auto", {"Cmd": ["sleep", "0.5"], "HostConfig": {"NetworkMode": "none", "AutoRemove": True}})
    x.post("auto-removed: wait", "/containers/auto/wait", query={"condition": "removed"})
    x.run("full", {"Image": "full", "Cmd": None})
    x.post("full: wait", "/containers/full/wait")
    x.get("full: logs", "/containers/full/logs", {"stdout": "1", "stderr": "1"})
    x.post("rename to itself", "/containers/full/rename", query={"name": "full"})
    x.post("rename to nothing", "/containers/full/rename", query={"name": ""})
    x.post("rename without a name", "/containers/full/rename")
    x.post("rename to a taken name", "/containers/full/rename", query={"name": "exit-1"})
    x.post("rename to a bad name", "/containers/full/rename", query={"name": "a/b"})
    x.post("rename to a name with a slash before it", "/containers/full/rename", query={"name": "/fuller"})
    x.post("rename of nobody", "/containers/nothere/rename", query={"name": "x1"})
    x.get("inspect by short ID", "/containers/{id exit-1}/json")
    x.get("inspect by an ambiguous or unknown ID", "/containers/zz/json")
    x.get("inspect with a slash before the name", "/containers//exit-1/json")


UPDATES = {
    "cpu shares": {"CpuShares": 200}, "memory": {"Memory": 67108864, "MemorySwap": -1}, "memory alone": {"Memory": 100663296},
    "memory above swap": {"Memory": 6442450944, "MemorySwap": 134217728}, "too little memory": {"Memory": 1024},
    "restart policy": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4}},
    "restart policy of nonsense": {"RestartPolicy": {"Name": "nonsense"}},
    "pids": {"PidsLimit": 50}, "unlimited pids": {"PidsLimit": -1}, "cpuset": {"CpusetCpus": "0"},
    "cpuset of nonsense": {"CpusetCpus": "x"}, "cpuset out of range": {"CpusetCpus": "99"}, "nano cpus": {"NanoCpus": 500000000},
    "quota after nano cpus": {"CpuQuota": 50000}, "nothing": {}, "unknown field": {"Colour": 1}, "wrong type": {"Memory": "64m"},
    "not an object": [], "block weight": {"BlkioWeight": 5}, "reservation": {"MemoryReservation": 33554432},
}


def walk_update(x):
    x.run("up")
    x.create("down")
    for who in ("up", "down"):
        for name, body in UPDATES.items():
            x.post(f"{who}: {name}", f"/containers/{who}/update", body)
            x.get(f"{who}: {name}: inspect", f"/containers/{who}/json")
    x.post("no body", "/containers/up/update", "")
    x.post("broken JSON", "/containers/up/update", "{")
    x.create("auto", {"HostConfig": {"NetworkMode": "none", "AutoRemove": True}})
    x.post("restart policy and auto-remove", "/containers/auto/update", {"RestartPolicy": {"Name": "always"}})
