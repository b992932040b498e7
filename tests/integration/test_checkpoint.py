"""Checkpoints, as far as they can be shown without CRIU: tests/vm makes and restores real ones, on a kernel that Debian's
CRIU gets along with."""

import os
import shutil
import subprocess

import pytest

IDLE = ["sleep", "1000"]
NOT_EXPERIMENTAL = ("This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order "
                    "to enable it.")


def criu_works():
    return shutil.which("criu") is not None and subprocess.run(["criu", "check"], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def daemon(options, archive):
    from support.daemon import Daemon
    daemon = Daemon(options, "--experimental").start()
    daemon.load(archive)
    yield daemon
    daemon.destroy()


@pytest.fixture
def running(daemon):
    container = daemon.docker("run", "-d", "--network", "none", "busybox", *IDLE).out.strip()
    yield container
    daemon.docker("rm", "-f", container)


@pytest.fixture
def created(daemon):
    container = daemon.docker("create", "--network", "none", "busybox", *IDLE).out.strip()
    yield container
    daemon.docker("rm", "-f", container)


def create(daemon, container, body):
    return daemon.api.request("POST", f"/containers/{container}/checkpoints", body)


def failure(answer):
    return answer.status, answer.message


# ---- a daemon without --experimental

@pytest.mark.parametrize("method,path", [("GET", "checkpoints"), ("POST", "checkpoints"), ("DELETE", "checkpoints/one")])
def test_needs_an_experimental_daemon(api, method, path):
    assert failure(api.request(method, f"/containers/ghost/{path}")) == (501, NOT_EXPERIMENTAL)


def test_start_from_a_checkpoint_needs_one_too(api):
    answer = api.request("POST", "/containers/ghost/start", query={"checkpoint": "one"})
    assert failure(answer) == (400, "checkpoint is only supported in experimental mode")


def test_a_folder_alone_is_no_checkpoint(api):
    """Without the name of a checkpoint it is an ordinary start."""
    assert api.request("POST", "/containers/ghost/start", query={"checkpoint-dir": "/tmp"}).status == 404


# ---- one with it

def test_says_so(daemon):
    assert daemon.api.request("GET", "/_ping").headers["Docker-Experimental"] == "true"


def test_no_such_container(daemon):
    gone = (404, "No such container: ghost")
    assert failure(create(daemon, "ghost", {"CheckpointID": "one"})) == gone
    assert failure(daemon.api.request("GET", "/containers/ghost/checkpoints")) == gone
    assert failure(daemon.api.request("DELETE", "/containers/ghost/checkpoints/one")) == gone
    assert failure(daemon.api.request("POST", "/containers/ghost/start", query={"checkpoint": "one"})) == gone


def test_only_of_a_running_one(daemon, created):
    assert failure(create(daemon, created, {"CheckpointID": "one"})) == (500, f"Container {created} not running")


@pytest.mark.parametrize("name", ["", "a", "../up", ".hidden", "a/b", "sp ace"])
def test_names(daemon, running, name):
    wanted = f"Invalid checkpoint ID ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    assert failure(create(daemon, running, {"CheckpointID": name})) == (500, wanted)


def test_name_that_is_taken(daemon, running, scratch):
    os.mkdir(scratch + "/one")
    answer = create(daemon, running, {"CheckpointID": "one", "CheckpointDir": scratch})
    wanted = f"cannot checkpoint container {running}: checkpoint with name one already exists for container {running}"
    assert failure(answer) == (500, wanted)
    open(scratch + "/file", "w").close()
    answer = create(daemon, running, {"CheckpointID": "file", "CheckpointDir": scratch})
    wanted = f"cannot checkpoint container {running}: {scratch}/file exists and is not a directory"
    assert failure(answer) == (500, wanted)


@pytest.mark.berth  # dockerd 20.10 says 500
def test_bodies(daemon, running):
    assert create(daemon, running, {"CheckpointID": 7}).status == 400
    assert create(daemon, running, None).status == 400
    assert create(daemon, running, {"CheckpointID": "one", "CheckpointDir": "relative"}).status == 400


def test_lists(daemon, running, scratch):
    list_ = f"/containers/{running}/checkpoints"
    assert daemon.api.request("GET", list_).body.strip() == b"null"
    os.makedirs(scratch + "/two")
    os.makedirs(scratch + "/one")
    open(scratch + "/file", "w").close()
    assert daemon.api.get(list_, dir=scratch) == [{"Name": "one"}, {"Name": "two"}]
    wanted = f"checkpoint  does not exist for container {running}"
    assert failure(daemon.api.request("GET", list_, query={"dir": scratch + "/none"})) == (500, wanted)
    wanted = f"{scratch}/file exists and is not a directory"
    assert failure(daemon.api.request("GET", list_, query={"dir": scratch + "/file"})) == (500, wanted)


def test_removal(daemon, running, scratch):
    one = f"/containers/{running}/checkpoints/one"
    wanted = f"checkpoint one does not exist for container {running}"
    assert failure(daemon.api.request("DELETE", one)) == (500, wanted)
    assert failure(daemon.api.request("DELETE", one, query={"dir": scratch})) == (500, wanted)
    os.mkdir(scratch + "/one")
    assert daemon.api.request("DELETE", one, query={"dir": scratch}).status == 204
    assert os.listdir(scratch) == []


@pytest.mark.berth  # dockerd deletes any folder that is named so
def test_removal_takes_only_checkpoints(daemon, running, scratch):
    os.makedirs(scratch + "/photos/of")
    answer = daemon.api.request("DELETE", f"/containers/{running}/checkpoints/photos", query={"dir": scratch})
    assert failure(answer) == (409, f"{scratch}/photos holds no checkpoint made by Berth")
    answer = daemon.api.request("DELETE", f"/containers/{running}/checkpoints/..", query={"dir": scratch + "/photos"})
    assert answer.status in (301, 404, 500)
    assert os.path.isdir(scratch + "/photos/of")


def test_start_from_one_that_is_not_there(daemon, created, running):
    name = daemon.api.inspect(created)["Name"]
    for checkpoint in ("one", "../one"):
        answer = daemon.api.request("POST", f"/containers/{created}/start", query={"checkpoint": checkpoint})
        assert failure(answer) == (500, f"checkpoint {checkpoint} does not exist for container {name}")
    assert daemon.api.state(created)["Status"] == "created"
    assert daemon.api.request("POST", f"/containers/{running}/start", query={"checkpoint": "one"}).status == 304


@pytest.mark.skipif(criu_works(), reason="CRIU works here")
class TestMachineThatCannot:
    def test_create_says_why_and_harms_nothing(self, daemon, running):
        answer = create(daemon, running, {"CheckpointID": "one", "Exit": True})
        assert answer.status == 500 and answer.message.startswith(f"Cannot checkpoint container {running}: "), answer
        assert "criu" in answer.message
        assert daemon.api.state(running)["Status"] == "running"
        assert daemon.docker("exec", running, "echo", "alive").out == "alive\n"
        assert daemon.api.request("GET", f"/containers/{running}/checkpoints").body.strip() == b"null"

    @pytest.mark.berth  # dockerd restores from its own store only
    def test_start_says_why(self, daemon, created, scratch):
        os.mkdir(scratch + "/one")
        answer = daemon.api.request("POST", f"/containers/{created}/start",
                                    query={"checkpoint": "one", "checkpoint-dir": scratch})
        assert answer.status == 500 and "criu" in answer.message, answer
        state = daemon.api.state(created)
        assert state["Status"] == "created" and state["Error"] == answer.message
        daemon.docker("start", created)
        assert daemon.api.state(created)["Status"] == "running"


@pytest.mark.berth
def test_paused(daemon, running):
    daemon.docker("pause", running)
    answer = create(daemon, running, {"CheckpointID": "one"})
    assert failure(answer) == (409, f"Cannot checkpoint container {running}: Container {running} is paused, unpause the "
                                    "container before the checkpoint")
    daemon.docker("unpause", running)


@pytest.mark.berth
def test_shared_namespaces(daemon, running):
    guest = daemon.docker("run", "-d", "--network", "none", "--pid", "container:" + running, "busybox", *IDLE).out.strip()
    answer = create(daemon, guest, {"CheckpointID": "one"})
    assert answer.status == 501 and "shares another one's processes" in answer.message
    daemon.docker("rm", "-f", guest)


# ---- the commands

def both(daemon, options):
    """docker, and berth if it is Berth that is tested: each must say the same."""
    yield lambda *words: daemon.docker(*words, code=None)
    if options.is_berth:
        def berth(*words):
            environment = {**os.environ, "BERTH_HOST": "unix://" + daemon.socket}
            return subprocess.run([options.bin_dir + "/berth", *words], capture_output=True, text=True, env=environment)
        yield berth


def outcome(result):
    code = result.code if hasattr(result, "code") else result.returncode
    out = result.out if hasattr(result, "out") else result.stdout
    err = result.err if hasattr(result, "err") else result.stderr
    return code, out, err.strip().splitlines()[0].replace("berth", "docker") if err.strip() else ""


def test_commands(daemon, options, running, created, scratch):
    os.mkdir(scratch + "/one")
    name = daemon.api.inspect(created)["Name"]
    for run in both(daemon, options):
        folder = ("--checkpoint-dir", scratch)
        assert outcome(run("checkpoint", "ls", running)) == (0, "CHECKPOINT NAME\n", "")
        assert outcome(run("checkpoint", "list", *folder, running)) == (0, "CHECKPOINT NAME\none\n", "")
        error = "Error response from daemon: "
        assert outcome(run("checkpoint", "create", created, "one")) == (1, "", f"{error}Container {created} not running")
        assert outcome(run("checkpoint", "rm", running, "ghost")) == (
            1, "", f"{error}checkpoint ghost does not exist for container {running}")
        assert outcome(run("checkpoint", "create", running)) == (
            1, "", "docker: 'docker checkpoint create' requires 2 arguments")
        assert outcome(run("start", "--checkpoint", "ghost", created)) == (
            1, "", f"{error}checkpoint ghost does not exist for container {name}")
        assert outcome(run("start", "--checkpoint", "ghost", created, running)) == (
            1, "", "you cannot restore multiple containers at once")
        assert outcome(run("checkpoint", "rm", *folder, running, "one")) == (0, "", "")
        os.mkdir(scratch + "/one")
