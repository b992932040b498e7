"""Logins against registries on loopback: POST /auth, and the stock `docker login`."""

import base64
import json
import os
import pty
import subprocess
import time

import pytest

from support.registry import PASSWORD, USER, FakeRegistry
from test_daemon import make_certificates

pytestmark = pytest.mark.berth


def log_in(api, address, username=USER, password=PASSWORD, **more):
    body = {"username": username, "password": password, "serveraddress": address, **more}
    return api.request("POST", "/auth", body, timeout=60)


@pytest.mark.parametrize("kind", ["open", "basic", "bearer", "oauth"])
def test_right_password(api, kind):
    with FakeRegistry(kind) as registry:
        answer = log_in(api, registry.address)
        assert answer.status == 200
        assert answer.json() == {"Status": "Login Succeeded", "IdentityToken": "identity" if kind == "oauth" else ""}


def test_token_request_is_what_dockerd_sends(api):
    with FakeRegistry("bearer") as registry:
        assert log_in(api, registry.url + "/v1/").status == 200
        targets = [path for _, path, _ in registry.requests if path.startswith("/token")]
        assert targets == ["/token?account=moby&client_id=docker&offline_token=true&service=fake%2C%20registry"]


def test_wrong_password(api):
    with FakeRegistry("basic") as registry:
        answer = log_in(api, registry.address, password="no")
        assert answer.status == 401
        assert answer.message == f"login attempt to {registry.url}/v2/ failed with status: 401 Unauthorized"
    with FakeRegistry("bearer") as registry:
        answer = log_in(api, registry.address, password="no")
        assert answer.status == 401
        assert answer.message == f'Get "{registry.url}/v2/": unauthorized: incorrect username or password'


def test_identity_token(api):
    with FakeRegistry("oauth") as registry:
        answer = log_in(api, registry.address, "", "", identitytoken="identity")
        assert answer.status == 200 and answer.json()["IdentityToken"] == "identity"
        assert log_in(api, registry.address, "", "", identitytoken="old").status == 401


def test_no_password(api):
    with FakeRegistry("basic") as registry:
        answer = log_in(api, registry.address, "", "")
        assert answer.status == 500 and answer.message == f'Get "{registry.url}/v2/": no basic auth credentials'


def test_nobody_listens(api):
    answer = log_in(api, "127.0.0.1:1")
    assert answer.status == 500
    assert answer.message == 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused'


@pytest.mark.parametrize("address,text", [
    ("bad host", 'unable to parse server address: parse "https://bad host": invalid character " " in host name'),
    ("http://[::1", "unable to parse server address: parse \"http://[::1\": missing ']' in host"),
    ("127.0.0.1:x", 'unable to parse server address: parse "https://127.0.0.1:x": invalid port ":x" after host')])
def test_nonsense_for_an_address(api, address, text):
    answer = log_in(api, address)
    assert (answer.status, answer.message) == (400, text)


@pytest.mark.parametrize("kind,text", [
    ("odd_scheme", "failed with status: 401 Unauthorized"), ("broken", "failed with status: 500 Internal Server Error"),
    ("teapot", "failed with status: 404 Not Found"), ("redirect", "refused the redirect"), ("huge", "401 Unauthorized")])
def test_strange_registries(api, kind, text):
    with FakeRegistry(kind) as registry:
        answer = log_in(api, registry.address)
        assert answer.status in (401, 500) and text in answer.message


def test_a_registry_that_says_nothing(api):
    """It has its quarter of a minute, and the daemon answers others meanwhile."""
    with FakeRegistry("silent") as registry:
        began = time.monotonic()
        answer = log_in(api, registry.address)
        assert answer.status == 500 and "Client.Timeout exceeded" in answer.message
        assert time.monotonic() - began < 40


def test_missing_and_broken_bodies(api):
    answer = api.request("POST", "/auth", None)
    assert (answer.status, answer.message) == (500, "EOF")
    assert log_in(api, "127.0.0.1:1", username=7).status == 400


def test_tls(new_daemon, scratch):
    make_certificates(scratch)
    pair = (scratch + "/server.pem", scratch + "/server-key.pem")
    daemon = new_daemon()
    with FakeRegistry("basic", certificate=pair) as registry:
        assert log_in(daemon.api, registry.address).status == 200  # loopback: nobody has to vouch for it
    with FakeRegistry("basic", certificate=pair, client_ca=scratch + "/ca.pem") as registry:
        assert log_in(daemon.api, registry.address).status == 500
        folder = "/etc/berth/certs.d/" + registry.address
        os.makedirs(folder)
        try:
            for source, target in (("ca.pem", "ca.crt"), ("client.pem", "client.cert"), ("client-key.pem", "client.key")):
                os.symlink(f"{scratch}/{source}", f"{folder}/{target}")
            assert log_in(daemon.api, registry.address).status == 200
            os.unlink(folder + "/client.key")
            assert "missing key client.key" in log_in(daemon.api, registry.address).message
        finally:
            for name in os.listdir(folder):
                os.unlink(f"{folder}/{name}")
            os.removedirs(folder)


def test_docker_login(docker, engine, scratch):
    with FakeRegistry("oauth") as registry:
        words = ("--config", scratch, "login", "-u", USER, "--password-stdin", registry.address)
        assert "Login Succeeded" in docker(*words, stdin=PASSWORD.encode()).out
        with open(scratch + "/config.json") as f:
            assert registry.address in json.load(f)["auths"]
        refused = docker(*words, stdin=b"no", code=None)
        assert refused.code != 0 and "incorrect username or password" in refused.err


def test_berth_login(engine, scratch):
    def berth(*words, stdin=b""):
        return subprocess.run([engine.options.bin_dir + "/berth", "--config", scratch, *words], env=engine.environment(),
                              input=stdin, capture_output=True, timeout=30)

    def stored():
        with open(scratch + "/config.json") as f:
            return json.load(f)
    with open(scratch + "/config.json", "w") as f:
        f.write('{"psFormat": "kept"}')
    with FakeRegistry("basic") as registry:
        done = berth("login", "-u", USER, "--password-stdin", registry.address, stdin=PASSWORD.encode() + b"\n")
        assert done.stdout == b"Login Succeeded\n" and b"stored unencrypted" in done.stderr, done
        assert stored() == {"psFormat": "kept",
                            "auths": {registry.address: {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}}}
        assert os.stat(scratch + "/config.json").st_mode & 0o777 == 0o600
        refused = berth("login", "-u", USER, "-p", "no", registry.address)
        assert refused.returncode == 1 and b"401 Unauthorized" in refused.stderr
        assert b"Authenticating with existing credentials" in berth("login", registry.address).stderr
        assert b"Removing login credentials" in berth("logout", registry.address).stdout
        assert stored()["auths"] == {}


@pytest.fixture
def clients(engine, scratch):
    """clients("docker" or "berth", words…) with `login` in its config.json; `typed` goes to a terminal."""
    def run(program, *words, login=None, typed=None):
        folder = f"{scratch}/{program}"
        os.makedirs(folder, exist_ok=True)
        if login:
            with open(folder + "/config.json", "w") as f:
                json.dump({"auths": {login[0]: {"auth": base64.b64encode(login[1].encode()).decode()}}}, f)
        path = "docker" if program == "docker" else engine.options.bin_dir + "/berth"
        terminal, other = pty.openpty() if typed else (None, subprocess.DEVNULL)
        if typed:
            os.write(terminal, typed)
        try:
            done = subprocess.run([path, "--config", folder, *words], env=engine.environment(), stdin=other, capture_output=True, text=True,
                                  timeout=60)
        finally:
            for fd in (terminal, other) if typed else ():
                os.close(fd)
        return done.returncode, done.stdout, done.stderr.replace(folder, "FOLDER").replace("berth", "docker")
    run.stored = lambda program: json.load(open(f"{scratch}/{program}/config.json")).get("auths", {})
    return run


@pytest.fixture(scope="session")
def docker_is_28():
    """What docker login says has changed since the oldest client that the tests are run with."""
    version = subprocess.run(["docker", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    return int(version.split(".")[0]) >= 28


def test_a_stored_login_is_tried_first(clients, docker_is_28):
    with FakeRegistry("basic") as registry:
        def both(*words, expect, login=None, typed=None):
            theirs, ours = (clients(program, *words, login=login, typed=typed) for program in ("docker", "berth"))
            assert ours[0] == expect[0] and expect[1] in ours[1] and expect[2] in ours[2], ours
            assert theirs == ours or not docker_is_28
        note = f"Authenticating with existing credentials... [Username: {USER}]\n"
        both("login", registry.address, login=(registry.address, f"{USER}:{PASSWORD}"), expect=(0, "Login Succeeded\n", note))
        both("login", "http://" + registry.address + "/v1/", expect=(0, "Login Succeeded\n", note))
        both("login", registry.address, login=("https://" + registry.address + "/v1/", f"{USER}:{PASSWORD}"), expect=(0, "Succeeded", note))
        wrong = (registry.address, f"{USER}:old")
        both("login", registry.address, login=wrong,
             expect=(1, "", "Error: Cannot perform an interactive login from a non TTY device\n"))
        both("login", registry.address, login=(registry.address, "nobody:"),
             expect=(1, "", "Error: Cannot perform an interactive login from a non TTY device\n"))
        typed = f"\n{PASSWORD}\n".encode()
        both("login", registry.address, login=wrong, typed=typed, expect=(0, f"Username ({USER}): Password: \nLogin Succeeded\n", "expired"))
        both("login", registry.address, login=("other", "a:b"), typed=b"nobody\n\n", expect=(1, "Username: Password: ", "Error: Password Required"))
        both("login", registry.address, typed=b"\n", expect=(1, "Username: ", "Error: Non-null Username Required"))
        both("login", registry.address, "-u", USER, typed=PASSWORD.encode() + b"\n", expect=(0, "Password: ", "stored unencrypted"))
        both("logout", registry.address, expect=(0, f"Removing login credentials for {registry.address}\n", ""))
        assert registry.address not in clients.stored("berth") and "other" in clients.stored("berth")
        both("logout", registry.address, expect=(0, "Removing login credentials", ""))
    both("login", registry.address, login=(registry.address, f"{USER}:{PASSWORD}"), expect=(1, "", "Login did not succeed, error: "))


def test_flags_of_login_that_make_no_sense(clients, docker_is_28):
    for words in (("-u", "a", "-p", "b", "--password-stdin"), ("--password-stdin",), ("-u", ""), ("-u", "a", "-p", ""), ("-u", "a", "--password-stdin=true", "-p", ""),
                  ("-u", "", "--password-stdin"), ("-u", "a"), ("-p", "b"), ()):
        theirs, ours = (clients(program, "login", *words, "127.0.0.1:1") for program in ("docker", "berth"))
        assert ours[0] == theirs[0] == 1 and (ours == theirs or not docker_is_28), (ours, theirs)
