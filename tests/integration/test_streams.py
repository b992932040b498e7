"""logs and attach: tail, since, until, follow, timestamps, streams; stdin, terminals, resizes, detach keys."""

import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest

from support.http import split_frames
from support.waiting import eventually

IDLE = ["sleep", "1000"]


def finished(api, script, **spec):
    container = api.create(cmd=["sh", "-c", script], **spec)
    api.start(container)
    api.wait(container)
    return container


# ---- logs

def test_logs_of_both_streams(docker, api):
    container = finished(api, "echo out; echo err >&2")
    result = docker("logs", container)
    assert (result.out, result.err) == ("out\n", "err\n")
    assert api.logs(container, stderr=0) == (b"out\n", b"")
    assert api.logs(container, stdout=0) == (b"", b"err\n")


def test_logs_need_a_stream(api):
    answer = api.request("GET", f"/containers/{api.create()}/logs")
    assert answer.status == 400
    assert answer.message == "Bad parameters: you must choose at least one stream"


@pytest.mark.parametrize("tail,count", [("0", 0), ("1", 1), ("7", 7), ("1000", 100), ("all", 100), ("-1", 100)])
def test_tail(docker, api, tail, count):
    container = finished(api, "seq 1 100")
    lines = docker("logs", "--tail", tail, container).out.splitlines()
    assert lines == [str(i) for i in range(101 - count, 101)]


def test_tail_counts_both_streams(api):
    container = finished(api, "for i in 1 2 3 4; do echo o$i; sleep 0.02; echo e$i >&2; sleep 0.02; done")
    assert api.logs(container, tail=3) == (b"o4\n", b"e3\ne4\n")


def test_timestamps(docker, api):
    container = finished(api, "echo one; echo two")
    lines = docker("logs", "-t", container).out.splitlines()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (one|two)", line) for line in lines) and len(lines) == 2
    assert lines == sorted(lines)


def test_since_and_until(docker, api):
    container = finished(api, "echo early; sleep 1.2; echo late")
    stamps = [line.split()[0] for line in docker("logs", "-t", container).out.splitlines()]
    assert docker("logs", "--since", stamps[1], container).out == "late\n"
    assert docker("logs", "--until", stamps[0], container).out == "early\n"
    assert docker("logs", "--since", "1h", container).out == "early\nlate\n"
    assert docker("logs", "--until", "2h", container).out == ""
    assert api.logs(container, since=time.time() + 100)[0] == b""


def test_follow_sees_what_comes_later_and_ends(engine, api):
    container = api.create(cmd=["sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.15; done"])
    api.start(container)
    out = engine.docker("logs", "-f", container).out
    assert out == "1\n2\n3\n4\n5\n"


def test_follow_with_tail(engine, api):
    container = api.create(cmd=["sh", "-c", "seq 1 50; read x; echo done"], OpenStdin=True)
    api.start(container)
    eventually(lambda: api.logs(container)[0].endswith(b"50\n"))
    client = engine.popen("logs", "-f", "--tail", "2", container, stdout=subprocess.PIPE)
    assert client.stdout.readline() + client.stdout.readline() == b"49\n50\n"
    api.post(f"/containers/{container}/kill")
    assert client.communicate(timeout=10)[0] == b""


def test_follow_ends_when_the_container_is_removed(engine, api):
    container = api.create(cmd=IDLE)
    api.start(container)
    client = engine.popen("logs", "-f", container)
    time.sleep(0.3)
    api.remove(container)
    client.wait(10)


def test_log_of_a_line_without_end(api):
    container = finished(api, "printf unfinished")
    assert api.logs(container)[0] == b"unfinished"


def test_long_lines_and_binary_text(api):
    container = finished(api, "head -c 100000 /dev/zero | tr '\\0' x; echo; printf 'quote\" back\\\\ tab\\t \\001 end\\n'")
    first, second, _ = api.logs(container)[0].split(b"\n")
    assert first == b"x" * 100000 and second == b'quote" back\\ tab\t \x01 end'


def test_unicode(api):
    container = finished(api, "echo 'Grüße, 世界 🚀'")
    assert api.logs(container)[0].decode() == "Grüße, 世界 🚀\n"


def test_much_output_keeps_its_order(api):
    container = finished(api, "seq 1 100000")
    assert api.logs(container)[0] == b"".join(b"%d\n" % i for i in range(1, 100001))


def test_log_file_is_json_lines(docker, api):
    import json
    container = finished(api, "echo hello")
    with open(api.inspect(container)["LogPath"]) as f:
        entry = json.loads(f.readline())
    assert entry["log"] == "hello\n" and entry["stream"] == "stdout" and entry["time"].endswith("Z")


def test_log_driver_none(docker, api):
    container = finished(api, "echo hello", HostConfig={"LogConfig": {"Type": "none"}})
    answer = api.request("GET", f"/containers/{container}/logs", query={"stdout": 1})
    assert answer.status in (400, 500, 501) and "configured logging driver does not support reading" in answer.message


def test_log_rotation(api):
    container = finished(api, "for i in $(seq 1 3000); do echo line $i; done",
                         HostConfig={"LogConfig": {"Type": "json-file", "Config": {"max-size": "20k", "max-file": "3"}}})
    path = api.inspect(container)["LogPath"]
    assert os.path.exists(path + ".1") and os.path.exists(path + ".2") and not os.path.exists(path + ".3")
    assert os.path.getsize(path) <= 21000
    out = api.logs(container)[0].splitlines()
    assert out[-1] == b"line 3000" and len(out) < 1500


def test_logs_of_an_unknown_container(docker):
    assert "No such container: ghost" in docker("logs", "ghost", code=1).err


# ---- attach over the API

@pytest.mark.parametrize("upgrade", [True, False])
def test_attach_over_a_hijacked_connection(api, upgrade):
    container = api.create(cmd=["cat"], OpenStdin=True, StdinOnce=True, AttachStdin=True)
    stream = api.hijack(f"/containers/{container}/attach", {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}, upgrade=upgrade)
    assert stream.status == (101 if upgrade else 200)
    assert "docker.raw-stream" in stream.headers["content-type"] or "multiplexed" in stream.headers["content-type"]
    api.start(container)
    stream.send(b"echo this\n")
    assert b"echo this\n" in stream.read_until(b"this\n")
    stream.end_input()
    assert stream.read_all() == b""
    stream.close()
    assert api.wait(container) == 0


def test_who_has_the_head_of_attach_misses_nothing(api):
    """From then on it may start the container, however slowly it reads on."""
    container = api.create(cmd=["echo", "first"])
    sock = api.raw()
    path = api.url(f"/containers/{container}/attach", {"stream": 1, "stdout": 1})
    sock.sendall(f"POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head = sock.recv(65536, socket.MSG_PEEK)
    api.start(container)
    api.wait(container)
    data = b"".join(iter(lambda: sock.recv(65536), b""))
    sock.close()
    assert split_frames(data.partition(b"\r\n\r\n")[2]) == (b"first\n", b"")


def test_attach_with_the_log(api):
    container = finished(api, "echo before")
    stream = api.hijack(f"/containers/{container}/attach", {"logs": 1, "stdout": 1})
    assert stream.read_all()[8:] == b"before\n"
    stream.close()


def test_attach_command(engine, docker, api):
    container = docker("run", "-d", "-i", "busybox", "sh", "-c", "while read l; do echo got $l; [ $l = end ] && exit 5; done")
    container = container.out.strip()
    client = engine.popen("attach", container, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    client.stdin.write(b"one\nend\n")
    client.stdin.flush()
    assert client.stdout.readline() == b"got one\n" and client.stdout.readline() == b"got end\n"
    assert client.wait(10) == 5
    client.stdin.close()
    client.stdout.close()


def test_two_clients_see_the_same(api):
    container = api.create(cmd=["sh", "-c", "read x; echo seen by all"], OpenStdin=True)
    api.start(container)
    streams = [api.hijack(f"/containers/{container}/attach", {"stdin": 1, "stdout": 1, "stream": 1}) for _ in range(3)]
    time.sleep(0.2)
    streams[0].send(b"\n")
    for stream in streams:
        assert stream.read_all()[8:] == b"seen by all\n"
        stream.close()


def test_attach_to_a_stopped_one(docker):
    docker("create", "--name", "stopped", "busybox")
    assert "cannot attach to a stopped container" in docker("attach", "stopped", code=1).err


def test_a_slow_client_loses_nothing(api):
    container = api.create(cmd=["sh", "-c", "read x; seq 1 300000"], OpenStdin=True)
    api.start(container)
    stream = api.hijack(f"/containers/{container}/attach", {"stdin": 1, "stdout": 1, "stream": 1}, timeout=60)
    stream.send(b"\n")
    time.sleep(2)
    from support.http import split_frames, split_frames
    out = split_frames(stream.read_all())[0]
    stream.close()
    assert out == b"".join(b"%d\n" % i for i in range(1, 300001))


def test_a_client_that_never_reads_does_not_stop_the_others(api):
    container = api.create(cmd=["sh", "-c", "read x; yes | head -n 300000; echo end; sleep 1000"], OpenStdin=True)
    api.start(container)
    lazy = api.hijack(f"/containers/{container}/attach", {"stdin": 1, "stdout": 1, "stream": 1})
    lazy.send(b"\n")
    time.sleep(0.5)
    assert api.inspect(container)["State"]["Running"]
    lazy.close()
    eventually(lambda: api.logs(container, tail=1)[0] == b"end\n", 30)


# ---- terminals

class Terminal:
    """The stock client on a terminal of its own."""

    def __init__(self, engine, *arguments, rows=40, columns=100):
        self.main, side = pty.openpty()
        self.resize(rows, columns)
        self.process = engine.popen(*arguments, stdin=side, stdout=side, stderr=side, start_new_session=True,
                                    preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(side)
        self.seen = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.main, text if isinstance(text, bytes) else text.encode())

    def expect(self, pattern, timeout=15):
        end = time.monotonic() + timeout
        while not (match := re.search(pattern.encode(), self.seen)):
            ready, _, _ = select.select([self.main], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {pattern!r} within {timeout} s in {self.seen!r}"
            try:
                piece = os.read(self.main, 65536)
            except OSError:
                piece = b""
            assert piece, f"no {pattern!r} to the end of {self.seen!r}"
            self.seen += piece
        self.seen = self.seen[match.end():]
        return match

    def wait(self, timeout=15):
        end = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < end:
            if select.select([self.main], [], [], 0.05)[0]:
                try:
                    self.seen += os.read(self.main, 65536)
                except OSError:
                    pass
        return self.process.wait(1)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.main)


@pytest.fixture
def terminal(engine):
    made = []

    def make(*arguments, **options):
        made.append(Terminal(engine, *arguments, **options))
        return made[-1]
    yield make
    for t in made:
        t.close()


def test_interactive_shell(terminal):
    t = terminal("run", "-it", "--rm", "busybox", "sh")
    t.expect("# ")
    t.type("tty; echo $((6 * 7))\r")
    t.expect("/dev/pts/0\r\n42\r\n")
    t.type("exit 3\r")
    assert t.wait() == 3


def test_size_and_resize(terminal):
    t = terminal("run", "-it", "--rm", "busybox", "sh", rows=33, columns=77)
    t.expect("# ")
    time.sleep(0.3)
    t.type("stty size\r")
    t.expect("33 77")
    t.resize(21, 55)
    os.killpg(t.process.pid, signal.SIGWINCH)
    time.sleep(0.3)
    t.type("stty size\r")
    t.expect("21 55")
    t.type("exit\r")
    assert t.wait() == 0


def test_control_c_reaches_the_program(terminal):
    t = terminal("run", "-it", "--rm", "busybox", "sh", "-c", "trap 'echo int; exit 4' INT; echo ready; while :; do sleep 0.05; done")
    t.expect("ready")
    t.type(b"\x03")
    t.expect("int")
    assert t.wait() == 4


def test_detach_keys_leave_it_running(terminal, docker, api):
    t = terminal("run", "-it", "--name", "left", "busybox", "sh")
    t.expect("# ")
    t.type(b"\x10")
    time.sleep(0.1)
    t.type(b"\x11")
    t.wait()
    assert api.state("left")["Running"]
    again = terminal("attach", "left")
    again.type("echo still $((40 + 2))\r")
    again.expect("still 42")
    again.type("exit 9\r")
    assert again.wait() == 9


def test_own_detach_keys(terminal, api):
    t = terminal("run", "-it", "--detach-keys", "ctrl-x,q", "--name", "left", "busybox", "sh")
    t.expect("# ")
    t.type(b"\x18q")
    t.wait()
    assert api.state("left")["Running"]


def test_start_attached(terminal, docker):
    docker("create", "-it", "--name", "later", "busybox", "sh")
    t = terminal("start", "-ai", "later")
    t.expect("# ")
    t.type("exit 6\r")
    assert t.wait() == 6


def test_output_of_a_terminal_is_raw(docker):
    assert docker("run", "-t", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2").raw == b"out\r\nerr\r\n"


def test_resize_over_the_api(api):
    container = api.create(cmd=["sh"], Tty=True, OpenStdin=True)
    api.start(container)
    assert api.request("POST", f"/containers/{container}/resize", query={"h": 11, "w": 22}).status == 200
    stream = api.hijack(f"/containers/{container}/attach", {"stdin": 1, "stdout": 1, "stream": 1})
    stream.send(b"stty size\n")
    assert b"11 22" in stream.read_until(b"11 22")
    stream.close()
    for query in ({"h": "x", "w": 1}, {}):
        assert api.request("POST", f"/containers/{container}/resize", query=query).status == 400


def test_frames_of_an_exec_follow_its_start(api):
    """A terminal's output comes in frames when the start doesn't say that there is a terminal, as docker-py asks for it."""
    container = api.create(cmd=["sleep", "1000"])
    api.start(container)
    for tty, start_tty in ((True, False), (True, True), (False, False)):
        made = api.post(f"/containers/{container}/exec", {"Cmd": ["echo", "hi"], "Tty": tty, "AttachStdout": True}).json()["Id"]
        stream = api.hijack(f"/exec/{made}/start", body={"Tty": start_tty})
        data = stream.read_all()
        stream.close()
        text = b"hi\r\n" if tty else b"hi\n"
        assert (data if start_tty else split_frames(data)) == (text if start_tty else (text, b""))


def test_a_body_of_attach_is_no_input(api):
    """dockerode sends its options as query and as body."""
    container = api.create(cmd=["cat"], OpenStdin=True, StdinOnce=True, AttachStdin=True)
    stream = api.hijack(f"/containers/{container}/attach", {"stream": 1, "stdin": 1, "stdout": 1}, body={"stream": True})
    api.start(container)
    stream.send(b"input\n")
    stream.end_input()
    assert split_frames(stream.read_all())[0] == b"input\n"
    stream.close()


def test_interactive_exec(terminal, docker):
    docker("run", "-d", "--name", "up", "busybox", *IDLE)
    t = terminal("exec", "-it", "up", "sh", rows=19, columns=91)
    t.expect("# ")
    time.sleep(0.3)
    t.type("stty size; exit 2\r")
    t.expect("19 91")
    assert t.wait() == 2
