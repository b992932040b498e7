"""Stock tools push to `berth registry serve` and pull from it, with TLS and a login: what one sends arrives as dockerd unpacks it."""

import os
import shutil
import subprocess

import pytest

from support import special_images
from support.dockerd_peer import DockerdPeer
from support.images import docker_archive
from support.peer_registry import PeerRegistry
from support.peer_tools import TOOLS
from support.rootfs import differences, tree
from test_registry_access import secured  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.berth,
              pytest.mark.skipif(not all(map(shutil.which, (*TOOLS, "dockerd", "docker-registry"))), reason="a peer is not installed")]


@pytest.fixture(scope="module")
def reference(options, secured):
    """dockerd, which says how things are unpacked; logged in."""
    os.environ["SSL_CERT_FILE"] = secured.ca
    try:
        with DockerdPeer(options) as daemon:
            log_in(daemon, secured)
            yield daemon
    finally:
        del os.environ["SSL_CERT_FILE"]


def log_in(daemon, secured):
    daemon.docker("--config", daemon.root + "/client", "login", "-u", "moby", "--password-stdin", secured.address, stdin=b"secret")


def transfer(daemon, verb, name):
    daemon.docker("--config", daemon.root + "/client", verb, name, timeout=120)


@pytest.fixture
def ours(new_daemon, secured):
    daemon = new_daemon("--insecure-registry", secured.address, load=False)
    log_in(daemon, secured)
    return daemon


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("archive") / "image.tar")
    with open(path, "wb") as f:
        f.write(docker_archive([(["special:latest"], special_images.all_at_once(), {"Cmd": ["x"]})]))
    return path


@pytest.fixture(scope="module")
def expected(reference, archive):
    """What dockerd makes of the archive itself."""
    reference.docker("load", "-i", archive)
    found = tree(reference, "special")
    assert len(found) > 40
    reference.docker("rmi", "special")  # or else it would take these layers where it is to unpack others' ones
    return found


def arrives(daemon, name, expected):
    transfer(daemon, "pull", name)
    assert differences(expected, tree(daemon, name)) == []
    daemon.docker("rmi", name)


@pytest.fixture
def tool(request, secured, scratch):
    with TOOLS[request.param](scratch + "/tool", secured.address, secured.ca, "moby", "secret") as tool:
        yield tool


@pytest.mark.parametrize("tool", TOOLS, indirect=True)
def test_what_a_tool_moves_arrives(tool, secured, reference, expected, archive):
    """From an archive to the registry, back, and to the registry again, where dockerd finds it."""
    name = f"{secured.address}/team/{type(tool).__name__.lower()}"
    local = tool.load(archive)
    tool.push(local, name + "-0:latest")
    tool.forget(local)
    tool.push(tool.pull(name + "-0:latest"), name + ":latest")
    arrives(reference, name, expected)


def test_dockerd_and_the_engine(secured, reference, ours, expected, archive):
    name = f"{secured.address}/team/engines"
    reference.docker("load", "-i", archive)
    reference.docker("tag", "special", name)
    transfer(reference, "push", name)
    identity = reference.api.get(f"/images/{name}/json")["Id"]
    reference.docker("rmi", name, "special")
    transfer(ours, "pull", name)
    assert differences(expected, tree(ours, name)) == []
    ours.docker("tag", name, name + "-back")
    transfer(ours, "push", name + "-back")
    assert ours.api.get(f"/images/{name}/json")["Id"] == identity
    arrives(reference, name + "-back", expected)


def test_docker_registry_is_a_cache_of_ours(secured, reference, ours, expected, archive):
    """It fetches through a login; who asks it, here without TLS, gets the same."""
    ours.docker("load", "-i", archive)
    name = f"{secured.address}/team/cached"
    ours.docker("tag", "special", name)
    transfer(ours, "push", name)
    remote = f"proxy: {{remoteurl: 'https://{secured.address}', username: moby, password: secret}}"
    with PeerRegistry(lines=[remote]) as cache:
        arrives(reference, f"{cache.address}/team/cached", expected)
        assert cache.blobs()
