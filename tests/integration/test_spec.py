"""Every method and path of the API file either works or answers 501, and docs/STATUS.md says which."""

import os
import re

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
pytestmark = pytest.mark.berth


def api_paths():
    with open(os.path.join(ROOT, "tests/spec/api-v1.51.txt")) as f:
        return [tuple(line.split()) for line in f]


def status_table():
    """{(method, path): state} of docs/STATUS.md."""
    with open(os.path.join(ROOT, "docs/STATUS.md")) as f:
        rows = re.findall(r"^\| `([A-Z]+) (/\S*)` \| (works|501) \|", f.read(), re.M)
    return {(method, path): state for method, path, state in rows}


@pytest.fixture(scope="module")
def daemon(options):
    """One of its own, since the walk prunes."""
    from support.daemon import Daemon
    daemon = Daemon(options).start()
    yield daemon
    daemon.destroy()


def test_status_has_every_path_once():
    with open(os.path.join(ROOT, "docs/STATUS.md")) as f:
        rows = re.findall(r"^\| `([A-Z]+ /\S*)` \|", f.read(), re.M)
    assert sorted(rows) == sorted(set(rows))
    assert set(api_paths()) <= set(status_table())


@pytest.mark.parametrize("method,path", api_paths())
def test_answer(daemon, method, path):
    query = {"/events": {"until": "1"}, "/containers/{id}/logs": {"stdout": "1"},
             "/containers/{id}/archive": {"path": "/"}, "/images/create": {"fromSrc": "-"}, "/images/get": {"names": "ghost"},
             "/containers/{id}/resize": {"h": "1", "w": "1"}, "/exec/{id}/resize": {"h": "1", "w": "1"}}.get(path, {})
    without_body = ("/images/load", "/images/create", "/build", "/containers/{id}/start")
    body = {"Cmd": ["true"]} if method in ("POST", "PUT") and path not in without_body else None
    if path == "/auth":
        body = {"username": "u", "password": "p", "serveraddress": "127.0.0.1:1"}
    # Asks a registry: one that nobody serves.
    ghost = "127.0.0.1:1/ghost" if path.startswith("/distribution/") else "ghost"
    answer = daemon.api.request(method, re.sub(r"\{\w+\}", ghost, path), body, query, version="v1.51")
    state = status_table()[method, path]
    if method == "HEAD":
        assert answer.status in ((501,) if state == "501" else (200, 404))
    elif state == "501":
        assert answer.status == 501 and "not implemented" in answer.message
    else:
        assert answer.status != 501, answer
        if answer.status >= 400:
            assert answer.message != "page not found", answer
        if path.startswith("/distribution/"):
            assert answer.status == 500 and "connection refused" in answer.message
        elif "{id}" in path or "{name}" in path:
            assert answer.status == 404, answer
