"""exec over the API: create, start, inspect, resize; streams, users, environment, failures, events."""

import time

import pytest

from support.http import split_frames
from support.waiting import eventually


@pytest.fixture
def box(api):
    container = api.create(cmd=["sleep", "1000"], name="box", Env=["A=1", "B=2"], Hostname="inside")
    api.start(container)
    return container


def create(api, container, cmd, **spec):
    return api.post(f"/containers/{container}/exec", {"Cmd": cmd, **spec}).json()["Id"]


def run(api, container, cmd, tty=False, stdin=None, **spec):
    """(stdout, stderr, exit code) of an attached exec."""
    exec_id = create(api, container, cmd, AttachStdout=True, AttachStderr=True, Tty=tty, **spec)
    stream = api.hijack(f"/exec/{exec_id}/start", body={"Detach": False, "Tty": tty})
    if stdin is not None:
        stream.send(stdin)
        stream.end_input()
    data = stream.read_all()
    out, err = (data, b"") if tty else split_frames(data)
    return out, err, eventually(lambda: api.get(f"/exec/{exec_id}/json"))["ExitCode"]


def test_streams_and_exit_code(api, box):
    assert run(api, box, ["sh", "-c", "cat; echo err >&2; exit 3"], stdin=b"in\n", AttachStdin=True) == (b"in\n", b"err\n", 3)


def test_only_the_streams_that_are_asked_for(api, box):
    exec_id = create(api, box, ["sh", "-c", "echo out; echo err >&2"], AttachStderr=True)
    assert split_frames(api.hijack(f"/exec/{exec_id}/start", body={}).read_all()) == (b"", b"err\n")


@pytest.mark.parametrize("upgrade,status", [(True, 101), (False, 200)])
def test_both_forms_of_hijacking(api, box, upgrade, status):
    exec_id = create(api, box, ["echo", "hi"], AttachStdout=True)
    stream = api.hijack(f"/exec/{exec_id}/start", body={"Detach": False}, upgrade=upgrade)
    assert stream.status == status and stream.headers["content-type"] == "application/vnd.docker.raw-stream"
    assert split_frames(stream.read_all()) == (b"hi\n", b"")


@pytest.mark.berth
def test_output_never_comes_together_with_the_head(api, box):
    """docker-py reads the head through a buffer and the output from the socket beneath it."""
    exec_id = create(api, box, ["echo", "hi"], AttachStdout=True)
    sock = api.raw()
    sock.sendall(
        f"POST {api.url(f'/exec/{exec_id}/start', None)} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
        "Content-Length: 2\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n{}".encode()
    )
    time.sleep(0.3)  # a slow client
    assert sock.recv(65536).endswith(b"Upgrade: tcp\r\n\r\n")
    data = b"".join(iter(lambda: sock.recv(65536), b""))
    sock.close()
    assert split_frames(data) == (b"hi\n", b"")


def test_the_starts_tty_decides_about_frames(api, box):
    exec_id = create(api, box, ["sh", "-c", "echo hi; tty"], AttachStdout=True, Tty=True)
    out, _ = split_frames(api.hijack(f"/exec/{exec_id}/start", body={"Tty": False}).read_all())
    assert out.startswith(b"hi\r\n/dev/pts/")
    exec_id = create(api, box, ["echo", "hi"], AttachStdout=True)
    assert api.hijack(f"/exec/{exec_id}/start", body={"Tty": True}).read_all() == b"hi\n"


def test_environment_replaces_and_takes_away(api, box):
    out, _, _ = run(api, box, ["/bin/env"], Env=["A=9", "B", "PATH=/x:/bin", "C=3"])
    env = dict(line.split("=", 1) for line in out.decode().split("\n") if line)
    assert env == {"PATH": "/x:/bin", "HOSTNAME": "inside", "A": "9", "C": "3", "HOME": "/root"}
    assert out.count(b"PATH=") == 1


def test_a_terminal_has_a_type_and_a_size(api, box):
    out, _, _ = run(api, box, ["sh", "-c", "echo $TERM; tty"], tty=True)
    assert out.split() == [b"xterm", b"/dev/pts/0"] or out.startswith(b"xterm\r\n/dev/pts/")


@pytest.mark.berth
def test_console_size_since_1_42(api, box):
    for at_create in (True, False):
        size = {"ConsoleSize": [31, 77]}
        body = {"Cmd": ["stty", "size"], "Tty": True, "AttachStdout": True, **(size if at_create else {})}
        exec_id = api.request("POST", f"/containers/{box}/exec", body, version="v1.42").json()["Id"]
        newer = type(api)(api.socket_path, "v1.42")
        stream = newer.hijack(f"/exec/{exec_id}/start", body={"Tty": True, **({} if at_create else size)})
        assert stream.read_all() == b"31 77\r\n"


@pytest.mark.parametrize("user,expected", [
    ("app", b"uid=1000(app) gid=1000(app) groups=10(wheel),1000(app),2000(extra)"), ("1000:0", b"uid=1000(app) gid=0(root)"),
    ("1:2:3", b"uid=1(daemon) gid=2"), ("12345", b"uid=12345 gid=0(root)")])
def test_user(api, box, user, expected):
    out, _, code = run(api, box, ["id"], User=user)
    assert out.startswith(expected) and code == 0


def test_working_folder(api, box):
    assert run(api, box, ["pwd"], WorkingDir="/etc")[0] == b"/etc\n"
    assert run(api, box, ["pwd"])[0] == b"/\n"


def capabilities(api, box, **spec):
    out = run(api, box, ["grep", "CapEff", "/proc/self/status"], **spec)[0]
    return int(out.split()[1], 16)


def test_privileged_has_more_capabilities(api, box):
    assert capabilities(api, box) < capabilities(api, box, Privileged=True)


def test_the_containers_seccomp_filter_holds(api, box):
    """A process that is put into the container must not be able to do more than those that are in it."""
    for spec in ({}, {"Privileged": True}, {"User": "app"}):
        out = run(api, box, ["grep", "^Seccomp:", "/proc/self/status"], **spec)[0]
        assert out.split() == [b"Seccomp:", b"2"], spec
    free = api.create(cmd=["sleep", "1000"], HostConfig={"SecurityOpt": ["seccomp=unconfined"]})
    api.start(free)
    assert run(api, free, ["grep", "^Seccomp:", "/proc/self/status"])[0].split() == [b"Seccomp:", b"0"]


def test_detached(api, box):
    exec_id = create(api, box, ["sh", "-c", "sleep 0.2; exit 4"])
    assert api.post(f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    assert eventually(lambda: api.get(f"/exec/{exec_id}/json")["ExitCode"]) == 4


def test_detach_keys(api, box):
    exec_id = create(api, box, ["sh"], AttachStdin=True, AttachStdout=True, Tty=True, DetachKeys="ctrl-x,y")
    since = time.time()
    stream = api.hijack(f"/exec/{exec_id}/start", body={"Tty": True})
    stream.send(b"echo $((6*7))\n")
    stream.read_until(b"42")
    stream.send(b"\x18y")
    stream.read_all()
    assert api.get(f"/exec/{exec_id}/json")["Running"]
    eventually(lambda: "exec_detach" in actions(api, since))


# ---- inspect

def test_inspect_from_creation_to_end(api, box):
    exec_id = create(api, box, ["sh", "-c", "read x"], AttachStdin=True, AttachStdout=True, Tty=True, User="app",
                     DetachKeys="ctrl-a,b")
    view = api.get(f"/exec/{exec_id}/json")
    assert view == {"ID": exec_id, "Running": False, "ExitCode": None, "OpenStdin": True, "OpenStdout": True,
                    "OpenStderr": False, "CanRemove": False, "ContainerID": box, "DetachKeys": "AWI=", "Pid": 0,
                    "ProcessConfig": {"tty": True, "entrypoint": "sh", "arguments": ["-c", "read x"],
                                      "privileged": False, "user": "app"}}
    assert exec_id in api.inspect(box)["ExecIDs"]
    stream = api.hijack(f"/exec/{exec_id}/start", body={"Tty": True})
    view = eventually(lambda: (v := api.get(f"/exec/{exec_id}/json")) and v["Running"] and v)
    assert view["Pid"] > 1 and view["ExitCode"] is None
    assert api.request("POST", f"/exec/{exec_id}/resize", query={"h": 20, "w": 80}).status == 200
    stream.send(b"\n")
    stream.read_all()
    view = eventually(lambda: (v := api.get(f"/exec/{exec_id}/json")) and not v["Running"] and v)
    assert view["ExitCode"] == 0 and view["CanRemove"] is False
    assert not api.inspect(box)["ExecIDs"]


# ---- failures

@pytest.mark.parametrize("spec,code,text", [
    ({"Cmd": ["nope"]}, 127, b'exec: "nope": executable file not found in $PATH'),
    ({"Cmd": ["/bin/notexec"]}, 126, b'exec: "/bin/notexec": permission denied'),
    ({"Cmd": ["/no/such"]}, 127, b"no such file or directory"),
    ({"Cmd": ["id"], "User": "ghost"}, 126, b"unable to find user ghost: no matching entries in passwd file"),
    ({"Cmd": ["id"], "User": "app:ghost"}, 126, b"unable to find group ghost: no matching entries in group file"),
    ({"Cmd": ["id"], "WorkingDir": "rel"}, 126, b"Cwd must be an absolute path"),
    ({"Cmd": ["id"], "WorkingDir": "/nope"}, 126, b"no such file or directory")])
def test_a_process_that_cannot_start(api, box, engine, spec, code, text):
    exec_id = create(api, box, AttachStdout=True, AttachStderr=True, cmd=spec.pop("Cmd"), **spec)
    out, _ = split_frames(api.hijack(f"/exec/{exec_id}/start", body={}).read_all())
    assert text in out and out.endswith(b"\r\n")
    ended = eventually(lambda: api.get(f"/exec/{exec_id}/json")["ExitCode"])
    assert ended == code if engine.options.is_berth else ended in (126, 127)
    exec_id = create(api, box, ["nope"])
    answer = api.request("POST", f"/exec/{exec_id}/start", {"Detach": True})
    assert answer.status == 400 and "executable file not found in $PATH" in answer.message


def test_a_second_start_is_refused(api, box):
    exec_id = create(api, box, ["sleep", "100"])
    api.post(f"/exec/{exec_id}/start", {"Detach": True})
    answer = api.request("POST", f"/exec/{exec_id}/start", {"Detach": True})
    assert (answer.status, answer.message) == (409, f"Error: Exec command {exec_id} is already running")
    exec_id = create(api, box, ["true"])
    api.post(f"/exec/{exec_id}/start", {"Detach": True})
    eventually(lambda: api.get(f"/exec/{exec_id}/json")["ExitCode"] == 0)
    answer = api.request("POST", f"/exec/{exec_id}/start", {"Detach": True})
    assert (answer.status, answer.message) == (409, f"Error: Exec command {exec_id} has already run")


def test_of_a_paused_container(api, box):
    exec_id = create(api, box, ["true"])
    api.post("/containers/box/pause")
    answer = api.request("POST", "/containers/box/exec", {"Cmd": ["true"]})
    assert (answer.status, answer.message) == (409, "Container box is paused, unpause the container before exec")
    answer = api.request("POST", f"/exec/{exec_id}/start", {"Detach": True})
    assert (answer.status, answer.message) == (409, f"Container {box} is paused, unpause the container before exec")
    api.post("/containers/box/unpause")
    assert api.post(f"/exec/{exec_id}/start", {"Detach": True}).status == 200


def test_the_containers_end_is_the_end_of_its_execs(api, box):
    since = time.time()
    started, waiting = create(api, box, ["sleep", "100"]), create(api, box, ["sleep", "100"])
    api.post(f"/exec/{started}/start", {"Detach": True})
    api.post(f"/containers/{box}/kill")
    api.wait(box)
    assert eventually(lambda: api.get(f"/exec/{started}/json")["ExitCode"]) == 137
    assert api.request("GET", f"/exec/{waiting}/json").status == 404
    assert "exec_die" in actions(api, since)
    answer = api.request("POST", f"/containers/{box}/exec", {"Cmd": ["true"]})
    assert answer.status == 409 and answer.message.endswith(f"ontainer {box} is not running")


def test_bad_requests(api, box):
    def message(body=None, path=f"/containers/{box}/exec"):
        answer = api.request("POST", path, body, headers={"Content-Type": "application/json"})
        return answer.status, answer.message
    assert message({}) == message({"Cmd": []}) == (400, "No exec command specified")
    assert message({"Cmd": ["true"], "DetachKeys": "bogus-x"}) == (500, "Invalid escape keys (bogus-x) provided")
    assert message()[0] == 400 and "got EOF while reading request body" in message()[1]
    assert message({"Cmd": ["true"]}, "/containers/ghost/exec") == (404, "No such container: ghost")
    for path in ("/exec/ghost/start", "/exec/ghost/resize?h=1&w=1"):
        assert message({}, path) == (404, "No such exec instance: ghost")
    assert api.request("GET", "/exec/ghost/json").status == 404
    assert api.request("POST", f"/exec/{create(api, box, ['true'])}/resize").status == 400


# ---- events

def actions(api, since):
    answer = api.ok("GET", "/events", query={"since": since, "until": f"{time.time():.9f}"})
    return [event["Action"] for event in answer.lines()]


def test_events(api, box):
    since = time.time()
    run(api, box, ["sh", "-c", "exit 3"])
    run(api, box, ["true"])
    eventually(lambda: actions(api, since).count("exec_die") == 2)
    assert actions(api, since) == ["exec_create: sh -c exit 3", "exec_start: sh -c exit 3", "exec_die",
                                   "exec_create: true ", "exec_start: true ", "exec_die"]


@pytest.mark.berth
def test_finished_ones_do_not_pile_up(api, box):
    first = create(api, box, ["true"])
    api.post(f"/exec/{first}/start", {"Detach": True})
    for _ in range(70):
        exec_id = create(api, box, ["true"])
        api.post(f"/exec/{exec_id}/start", {"Detach": True})
    eventually(lambda: api.get(f"/exec/{exec_id}/json")["ExitCode"] == 0)
    assert api.request("GET", f"/exec/{first}/json").status == 404


def test_the_oom_score_is_the_containers(api):
    container = api.create(cmd=["sleep", "1000"], HostConfig={"OomScoreAdj": 300})
    api.start(container)
    assert run(api, container, ["cat", "/proc/self/oom_score_adj"])[0] == b"300\n"
