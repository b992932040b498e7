"""The `berth` program against the stock one: the same commands, on the same daemon, say the same."""

import re
import subprocess

import pytest

from support.daemon import CommandResult

pytestmark = pytest.mark.berth


@pytest.fixture
def berth(engine):
    def run(*arguments, stdin=None, code=0):
        done = subprocess.run([engine.options.bin_dir + "/berth", *arguments], env=engine.environment(), timeout=60,
                              capture_output=True, **({"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}))
        result = CommandResult(arguments, done.returncode, done.stdout, done.stderr)
        assert code is None or result.code == code, result
        return result
    return run


@pytest.fixture
def world(engine, docker):
    """A daemon with something of everything in it."""
    docker("run", "-d", "--name", "up", "-l", "k=v", "-p", "127.0.0.1:18300:80", "-v", "cli-volume:/v", "busybox", "sleep", "1000")
    docker("run", "--name", "ended", "busybox", "sh", "-c", "echo out; echo err >&2; exit 3", code=3)
    docker("create", "--name", "made", "full")
    yield
    docker("rm", "-f", "up", "ended", "made")
    docker("volume", "rm", "cli-volume")


def steady(text):
    """Ages change between two commands."""
    return re.sub(r"(Less than )?(\d+|a|an|About \w+) (second|minute)s?( ago)?", "AGE", text)


@pytest.mark.parametrize("command", [
    "ps", "ps -a", "ps -aq", "ps -a --no-trunc", "ps -aq --filter status=exited", "ps -a --filter name=up", "ps -n 1", "ps -l",
    "ps -a --format {{.ID}}:{{.Names}}:{{.Image}}:{{.Ports}}:{{.Labels}}", "ps -a --format table({{.Names}}\\t{{.Status}})",
    "ps -a --format json", "images", "images -q", "images --no-trunc", "images --digests", "images full",
    "images --format {{.Repository}}:{{.Tag}}@{{.ID}}", "history full", "history --no-trunc -q full", "inspect up",
    "inspect -f {{.State.Status}}|{{.Name}}|{{json.Config.Cmd}} up", "inspect --format {{range.Mounts}}{{.Destination}}{{end}} up",
    "image inspect full", "image inspect -f {{.Os}}/{{.Architecture}} full", "container inspect made", "logs ended", "port up",
    "port up 80", "network ls", "network inspect bridge", "network ls -q --filter name=host", "volume ls --filter name=cli", "volume ls -q --filter name=cli",
    "volume inspect cli-volume", "version --format {{.Server.Version}}", "info --format {{.Containers}}/{{.Driver}}",
    "info --format {{json.Plugins.Network}}", "wait ended", "top up", "top up -o pid,ppid,comm", "stats --no-stream up",
    "stats --no-stream -a --format {{.Container}}:{{.Name}}:{{.PIDs}}:{{.MemUsage}}", "stats --no-stream --no-trunc ended",
    "stats --no-stream --format json made"])
def test_same_output(berth, docker, world, command):
    words = [w.replace("table(", "table ").rstrip(")") if w.startswith("table(") else w.replace("{{json.", "{{json .").replace(
        "{{range.", "{{range .") for w in command.split()]
    for _ in range(3):  # an age that became longer in between makes a column wider
        ours, theirs = berth(*words, code=None), docker(*words, code=None)
        if steady(ours.out) == steady(theirs.out):
            break
    assert ours.code == theirs.code
    assert steady(ours.out) == steady(theirs.out)


@pytest.mark.parametrize("command", [
    "inspect ghost", "logs ghost", "start ghost", "stop ghost", "rm ghost", "rmi ghost", "port up 99", "rm up", "kill ended",
    "run --no-such-flag busybox", "run --name up busybox", "run busybox /no/such", "run busybox /bin/notexec", "run -p x busybox",
    "tag ghost x", "rename up ended", "no-such-command", "volume rm cli-volume", "network rm bridge", "create -m 1m busybox",
    "exec ended true", "pause ended", "wait ghost", "top ended", "top ghost", "top up -o comm", "stats --no-stream ghost"])
def test_same_errors(berth, docker, world, command):
    ours, theirs = berth(*command.split(), code=None), docker(*command.split(), code=None)
    assert ours.code == theirs.code and ours.code != 0

    def first_line(result):
        line = result.err.strip().splitlines()[0]
        return re.sub(r"[0-9a-f]{64}", "ID", re.sub(r"^(docker|berth)(:| )", "PROGRAM", line)).replace("docker", "berth")
    assert first_line(ours) == first_line(theirs)


def test_run(berth):
    assert berth("run", "--rm", "-i", "-e", "A=b", "busybox", "sh", "-c", "cat; echo $A; exit 9", stdin=b"in\n", code=9).out == "in\nb\n"


def test_life(berth, api):
    container = berth("run", "-d", "--name", "mine", "busybox", "sleep", "1000").out.strip()
    assert berth("exec", "mine", "echo", "hello").out == "hello\n"
    for command in ("pause", "unpause", "restart", "kill", "start"):
        words = [command, "mine"] if command != "restart" else ["restart", "-t", "0", "mine"]
        assert berth(*words).out == "mine\n"
    assert berth("stop", "-t", "0", "mine").out == "mine\n"
    assert berth("rename", "mine", "yours").out == ""
    assert berth("rm", "yours").out == "yours\n"
    assert api.request("GET", f"/containers/{container}/json").status == 404


def test_save_load_import_tag(berth, docker, scratch):
    berth("save", "-o", scratch + "/full.tar", "full")
    berth("tag", "full", "again:1")
    assert berth("rmi", "again:1").out == "Untagged: again:1\n"
    assert berth("load", "-i", scratch + "/full.tar").out == "Loaded image: full:latest\n"


def test_help(berth, docker):
    for command in (["--help"], ["run", "--help"], ["ps", "--help"], ["image", "--help"]):
        assert "Usage:" in berth(*command).out


def test_stats_follow_what_comes_and_goes(engine, docker):
    """The screen is drawn anew every half a second."""
    client = subprocess.Popen([engine.options.bin_dir + "/berth", "stats", "--format", "<{{.Name}}>"], env=engine.environment(),
                              stdout=subprocess.PIPE)
    try:
        def see(wanted):
            screen = b""
            while wanted not in screen:
                screen = screen[-4096:] + client.stdout.read1()
        docker("run", "-d", "--name", "comes", "busybox", "sleep", "1000")
        see(b"<comes>")
        docker("rm", "-f", "comes")
        see(b"\033[H\033[K\n\033[J")
    finally:
        client.kill()
        client.communicate()


def test_many_runs(berth):
    for _ in range(20):
        assert berth("run", "--rm", "--network", "none", "busybox", "echo", "x").out == "x\n"
