"""Keychains of docker's clients (credsStore, credHelpers): what the stock client put there `berth` finds, and the other way
round."""

import base64
import json
import os
import subprocess

import pytest

from support.peer_registry import PASSWORD, PROGRAM, USER, PeerRegistry
from support.registry import FakeRegistry
from test_images import clean  # noqa: F401  (a fixture of every test here)

pytestmark = [pytest.mark.berth, pytest.mark.skipif(PROGRAM is None, reason="docker-registry is not installed")]

HELPER = """#!/bin/sh
# Keeps one file for each server, named by what may stand in a file's name.
read -r line
echo "$1" >> "$0.calls"
case "$1" in
store)
  printf '%s' "$line" > "$0.$(printf '%s' "$line" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/' | tr -c 'a-z0-9.\\n' _)" ;;
get)
  cat "$0.$(printf '%s' "$line" | tr -c 'a-z0-9.\\n' _)" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
erase)
  rm "$0.$(printf '%s' "$line" | tr -c 'a-z0-9.\\n' _)" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
esac
"""


@pytest.fixture
def keychain(engine, scratch):
    """Runs a client with a helper "test" in its PATH and `config` as its config.json."""
    helper = scratch + "/docker-credential-test"
    with open(helper, "w") as f:
        f.write(HELPER)
    os.chmod(helper, 0o755)
    with open(scratch + "/docker-credential-broken", "w") as f:
        f.write("#!/bin/sh\necho the keychain is locked\nexit 3\n")
    os.chmod(scratch + "/docker-credential-broken", 0o755)
    environment = {**engine.environment(), "PATH": scratch + ":" + os.environ["PATH"]}

    def run(program, *words, config=None, stdin="", code=0):
        if config is not None:
            with open(scratch + "/config.json", "w") as f:
                json.dump(config, f)
        path = "docker" if program == "docker" else engine.options.bin_dir + "/berth"
        done = subprocess.run([path, "--config", scratch, *words], env=environment, input=stdin, text=True,
                              capture_output=True, timeout=60)
        assert code is None or done.returncode == code, done
        return done

    run.calls = lambda: open(helper + ".calls").read().split()
    run.auths = lambda: json.load(open(scratch + "/config.json"))["auths"]
    return run


@pytest.fixture(scope="module")
def guarded():
    with PeerRegistry(auth=True) as registry:
        yield registry


@pytest.mark.parametrize("writer,reader", [("berth", "docker"), ("docker", "berth"), ("berth", "berth")])
@pytest.mark.parametrize("kind", ["credsStore", "credHelpers"])
def test_a_login_goes_into_the_keychain_and_comes_out(keychain, docker, guarded, writer, reader, kind):
    server, name = guarded.address, f"{guarded.address}/kept"
    config = {"credsStore": "test"} if kind == "credsStore" else {"credHelpers": {server: "test"}, "credsStore": "broken"}
    done = keychain(writer, "login", "-u", USER, "--password-stdin", server, config=config, stdin=PASSWORD + "\n")
    assert "Login Succeeded" in done.stdout and "unencrypted" not in done.stderr
    assert keychain.auths() == {server: {}} and keychain.calls()[-1] == "store"
    docker("tag", "busybox", name)
    keychain(reader, "push", "-q", name)
    docker("rmi", name)
    keychain(reader, "pull", "-q", name)
    docker("rmi", name)
    assert "Removing login credentials" in keychain(reader, "logout", server).stdout
    assert keychain.auths() == {} and "erase" in keychain.calls()
    refused = keychain(writer, "pull", name, code=1)
    assert "no basic auth credentials" in refused.stderr


@pytest.mark.parametrize("program", ["docker", "berth"])
def test_a_login_that_the_keychain_has_is_tried_first(keychain, guarded, program):
    words = ("login", guarded.address)
    keychain(program, *words, "-u", USER, "--password-stdin", config={"credsStore": "test"}, stdin=PASSWORD)
    again = keychain(program, *words)
    assert "Authenticating with existing credentials" in again.stdout + again.stderr and "Login Succeeded" in again.stdout
    assert keychain.calls()[1] == "get" and keychain.auths() == {guarded.address: {}}
    keychain(program, "logout", guarded.address)
    assert "non TTY device" in keychain(program, *words, code=1).stderr


@pytest.mark.parametrize("program", ["docker", "berth"])
def test_a_search_asks_the_keychain(keychain, program):
    with SearchServer() as server:
        keychain("berth", "login", "-u", USER, "--password-stdin", server.address, config={"credHelpers": {server.address: "test"}},
                 stdin=PASSWORD)
        before = len(keychain.calls())
        found = keychain(program, "search", server.address + "/app").stdout.splitlines()
        assert found[1].split()[0].endswith("team/app") and keychain.calls()[before:] == ["get"]
        assert server.logins[-1] == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class SearchServer(FakeRegistry):
    """A registry that lets in who has a password, and finds one image."""

    def __init__(self):
        super().__init__("basic")
        self.logins = []

    def answer_base(self, request):
        if not request.path.startswith("/v1/search"):
            return super().answer_base(request)
        self.logins.append(request.headers.get("Authorization"))
        request.reply(200, json.dumps({"query": "app", "num_results": 1, "results": [
            {"name": "team/app", "description": "an app", "star_count": 1, "is_official": False, "is_automated": False}]}).encode())


def test_a_keychain_that_fails(keychain, guarded):
    words = ("login", "-u", USER, "--password-stdin", guarded.address)
    for helper, says in (("broken", "err: exit status 3, out: `the keychain is locked`"),
                         ("none", 'err: exec: "docker-credential-none": executable file not found in $PATH, out: ``')):
        theirs, ours = (keychain(program, *words, config={"credsStore": helper}, stdin=PASSWORD, code=1)
                        for program in ("docker", "berth"))
        for done in (theirs, ours):
            assert "Error saving credentials: error storing credentials - " + says in done.stderr, done
        missing = keychain("berth", "pull", f"{guarded.address}/kept", code=1)
        assert "no basic auth credentials" in missing.stderr
