"""GET /containers/{id}/attach/ws: what attach does, in WebSocket frames."""

import pytest

from support.waiting import eventually
from support.websocket import BINARY, CLOSE, PING, PONG, TEXT, WebSocket

ALL = {"stream": 1, "stdin": 1, "stdout": 1, "stderr": 1}


@pytest.fixture
def cat(api):
    container = api.create(cmd=["cat"], OpenStdin=True)
    api.start(container)
    return container


@pytest.fixture
def connect(api):
    made = []

    def make(container, query=None, **options):
        made.append(WebSocket(api, f"/containers/{container}/attach/ws", ALL if query is None else query, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_input_and_output(connect, cat):
    client = connect(cat)
    assert client.accepted()
    client.send(b"hello\n")
    assert client.frame() == (BINARY, b"hello\n")
    client.send(b"text is the same\n", TEXT)
    assert client.read_until(b"\n") == b"text is the same\n"


def test_fragments_are_joined(connect, cat):
    client = connect(cat)
    client.send(b"one ", final=False)
    client.send(b"two ", opcode=0, final=False)
    client.send(b"three\n", opcode=0)
    assert client.read_until(b"three\n") == b"one two three\n"


def test_large_data_both_ways(connect, cat):
    client = connect(cat)
    data = b"0123456789abcde\n" * 4096
    for _ in range(8):
        client.send(data)
        got = b""
        while len(got) < len(data):
            got += client.frame()[1]
        assert got == data


@pytest.mark.berth  # the reference's library answers none
def test_a_ping_is_answered(connect, cat):
    client = connect(cat)
    client.send(b"are you there", PING)
    assert client.frame() == (PONG, b"are you there")


def test_the_containers_end_is_a_closing_frame(connect, api):
    container = api.create(cmd=["sh", "-c", "read x; echo got $x; echo and >&2"], OpenStdin=True)
    client = connect(container)
    api.start(container)
    client.send(b"it\n")
    data, code = client.read_to_end()
    assert sorted(data.splitlines()) == [b"and", b"got it"] and code == 1000
    assert api.wait(container) == 0


@pytest.mark.berth  # the reference closes without a word
def test_the_clients_goodbye_is_answered(connect, cat, api):
    client = connect(cat)
    client.send(b"\x03\xe8", CLOSE)
    assert client.frame() == (CLOSE, b"\x03\xe8")
    assert client.frame() is None
    assert api.state(cat)["Running"]


@pytest.mark.berth
def test_broken_frames_end_the_connection(connect, cat, api):
    client = connect(cat)
    client.send(b"bare\n", masked=False)
    assert client.read_to_end()[1] == 1002
    assert api.state(cat)["Running"]


def test_a_client_that_vanishes_leaves_the_container_alone(connect, cat, api):
    client = connect(cat)
    client.send(b"here\n")
    client.read_until(b"here\n")
    client.close()
    second = connect(cat)
    second.send(b"next\n")
    assert second.read_until(b"next\n") == b"next\n"


def test_logs_without_a_stream(connect, api):
    container = api.create(cmd=["sh", "-c", "echo out; echo err >&2"])
    api.start(container)
    api.wait(container)
    client = connect(container, {"logs": 1, "stdout": 1, "stderr": 1})
    data, _ = client.read_to_end()
    assert sorted(data.splitlines()) == [b"err", b"out"]


@pytest.mark.berth
def test_streams_are_chosen_since_1_42(connect, api):
    container = api.create(cmd=["sh", "-c", "echo out; echo err >&2"])
    client = connect(container, {"stream": 1, "stdout": 1}, version="v1.42")
    both = connect(container, {"stream": 1, "stdout": 1}, version="v1.41")
    api.start(container)
    assert client.read_to_end()[0] == b"out\n"
    assert sorted(both.read_to_end()[0].splitlines()) == [b"err", b"out"]


def test_detach_keys_of_a_terminal(connect, api):
    container = api.create(cmd=["sh"], OpenStdin=True, Tty=True)
    api.start(container)
    client = connect(container, {**ALL, "detachKeys": "ctrl-a,d"})
    client.send(b"echo $((40+2))\n")
    client.read_until(b"42")
    client.send(b"\x01d")
    while frame := client.frame():
        if frame[0] == CLOSE:
            break
    assert api.state(container)["Running"]


def test_one_subprotocol_is_echoed(connect, cat):
    assert connect(cat, headers={"Sec-WebSocket-Protocol": "docker.stream"}).headers["sec-websocket-protocol"] == "docker.stream"


def test_a_paused_container_is_refused(connect, api, cat):
    api.post(f"/containers/{cat}/pause")
    assert connect(cat).status == 409
    api.post(f"/containers/{cat}/unpause")


def test_unknown_containers_and_bad_keys(connect, cat):
    assert connect("ghost").status == 404
    assert connect(cat, {**ALL, "detachKeys": "nonsense"}).status == 400


@pytest.mark.parametrize("missing", ["Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version"])
def test_no_handshake_no_socket(connect, cat, api, missing):
    assert connect(cat, headers={missing: None}).status == 400
    assert eventually(lambda: api.state(cat)["Running"])
