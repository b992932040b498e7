"""Registries behind proxies, which may be spoken to with TLS themselves: TLS to the registry is then within TLS to the proxy."""

import base64
import json
import os
import subprocess

import pytest

from support.berth_registry import BerthRegistry
from support.lying_registry import LyingRegistry, image
from support.proxy import Proxy
from test_daemon import make_certificates
from test_images import clean  # noqa: F401  (a fixture of every test here)
from test_manifest import HttpsApi, make_image, push_image
from test_registry import MANIFEST, pull

pytestmark = pytest.mark.berth
FAR = "198.18.7.1"


@pytest.fixture(scope="module")
def far_address():
    """An address of this machine that is no loopback's, since that is never asked for through a proxy."""
    subprocess.run(["ip", "addr", "replace", f"{FAR}/32", "dev", "lo"], check=True)
    yield FAR
    subprocess.run(["ip", "addr", "del", f"{FAR}/32", "dev", "lo"], check=False)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """(cert, key) of both, the proxy and the registry; `.ca` is who vouches for it."""
    folder = str(tmp_path_factory.mktemp("certificates"))
    make_certificates(folder)
    with open(folder + "/server.ext", "w") as f:
        f.write(f"subjectAltName=IP:{FAR},IP:127.0.0.1\n")
    subprocess.run(["openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days",
                    "2", "-extfile", "server.ext", "-out", "server.pem"], cwd=folder, check=True, capture_output=True)

    class Pair(tuple):
        ca = folder + "/ca.pem"
    return Pair((folder + "/server.pem", folder + "/server-key.pem"))


@pytest.fixture(scope="module")
def registry(options, far_address, certificates):
    server = BerthRegistry(options.bin_dir)
    with server:
        server.digest = push_image(server.api, "a", "amd64", *make_image("amd64"))
        server.stop()
        server.flags += ["--tls-cert", certificates[0], "--tls-key", certificates[1]]
        server.address = f"{FAR}:{server.address.split(':')[1]}"
        server.api = HttpsApi(server.address)
        yield server.start()


@pytest.fixture
def trusted(monkeypatch, certificates):
    """What is started from here on trusts the CA of the tests."""
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca)


def through(new_daemon, proxy, load=True):
    return new_daemon(config={"proxies": {"http-proxy": proxy.url, "https-proxy": proxy.url}, "insecure-registries": []}, load=load)


def test_registries_are_asked_through_a_proxy(new_daemon, far_address):
    manifest, blobs = image([{"one": "1"}])
    with Proxy() as proxy:
        with LyingRegistry({"latest": (MANIFEST, manifest)}, blobs, address="0.0.0.0") as registry:
            name = f"{far_address}:{registry.port}/x"
            config = ({"proxies": {"http-proxy": f"http://moby:whale@127.0.0.1:{proxy.port}",
                                       "https-proxy": f"127.0.0.1:{proxy.port}", "no-proxy": "10.0.0.0/8,.local"},
                           "insecure-registries": ["198.18.0.0/15"]})
            daemon = new_daemon(config=config, load=False)
            assert "error" not in pull(daemon.api, name).lines()[-1]
            # TLS was tried first, through a tunnel; then plain, with the whole address and the proxy's password.
            assert proxy.asked[0][:2] == ("CONNECT", f"{far_address}:{registry.port}")
            command, path, headers = proxy.asked[-1]
            assert command == "GET" and path.startswith(f"http://{far_address}:{registry.port}/v2/x/blobs/")
            assert headers["Proxy-Authorization"] == "Basic " + base64.b64encode(b"moby:whale").decode()
            assert daemon.api.get("/info")["HttpProxy"] == f"http://xxxxx:xxxxx@127.0.0.1:{proxy.port}"
            proxy.asked.clear()
            without = new_daemon("--http-proxy", f"http://127.0.0.1:{proxy.port}", "--no-proxy", "198.18.0.0/15",
                                 "--insecure-registry", "198.18.0.0/15", load=False)
            assert "error" not in pull(without.api, name).lines()[-1] and proxy.asked == []


def test_pushed_and_pulled_by_tls_within_tls(new_daemon, registry, trusted, certificates):
    with Proxy(certificates, login="moby:wh%40le") as proxy:
        proxy.login = "Basic " + base64.b64encode(b"moby:wh@le").decode()
        daemon, name = through(new_daemon, proxy), f"{registry.address}/full"
        daemon.docker("tag", "full", name)
        daemon.docker("push", name)
        before = daemon.api.get(f"/images/{name}/json")
        daemon.docker("rmi", name, "full")
        daemon.docker("pull", name)
        after = daemon.api.get(f"/images/{name}/json")
        assert (before["Id"], before["RepoDigests"]) == (after["Id"], after["RepoDigests"])
        assert set(proxy.tunnels()) == {registry.address} and len(proxy.asked) == len(proxy.tunnels())
        assert all("Authorization" not in headers for _, _, headers in proxy.asked)


def test_a_plain_registry_by_tls_to_the_proxy(new_daemon, far_address, trusted, certificates):
    manifest, blobs = image([{"one": os.urandom(3 << 20)}])
    with Proxy(certificates) as proxy, LyingRegistry({"latest": (MANIFEST, manifest)}, blobs, address="0.0.0.0") as plain:
        daemon = new_daemon("--http-proxy", proxy.url, "--insecure-registry", "198.18.0.0/15", load=False)
        assert "error" not in pull(daemon.api, f"{far_address}:{plain.port}/x").lines()[-1]
        assert {method for method, _, _ in proxy.asked} == {"GET"}
        assert proxy.asked[-1][1].startswith(f"http://{far_address}:{plain.port}/v2/x/blobs/")


def test_lines_that_break_in_the_middle(new_daemon, registry, trusted, certificates):
    with Proxy(certificates) as proxy:
        daemon, name = through(new_daemon, proxy), f"{registry.address}/cut"
        daemon.docker("tag", "full", name)
        daemon.docker("push", name)
        daemon.docker("rmi", name, "full")
        proxy.cuts, cuts = [0, 700, 3000, 5000], 4
        daemon.docker("pull", name)
        assert proxy.cuts == [] and len(proxy.tunnels()) > cuts
        assert daemon.docker("run", "--rm", "busybox", "true").code == 0


@pytest.fixture
def look(options, scratch, registry):
    """`manifest inspect` of a client of Go's and of Berth's through a proxy."""
    def run(program, proxy, code=0):
        path = "docker" if program == "docker" else options.bin_dir + "/berth"
        done = subprocess.run([path, "--config", scratch, "manifest", "inspect", f"{registry.address}/a:amd64"], capture_output=True,
                              text=True, timeout=60, env={**os.environ, "HTTPS_PROXY": proxy})
        assert done.returncode == code, done
        return done.stdout if code == 0 else done.stderr.removeprefix(f'failed to configure transport: error pinging v2 registry: Get "https://{registry.address}/v2/": ')
    return run


def test_the_client_goes_through_the_proxy_of_its_environment(look, trusted, certificates):
    with Proxy(certificates, login="moby:whale") as proxy:
        theirs = look("docker", proxy.url)
        proxy.asked.clear()
        assert json.loads(look("berth", proxy.url))["schemaVersion"] == 2 and theirs == look("berth", proxy.url)
        assert len(proxy.tunnels()) == 2  # one line serves all that is asked


def test_proxies_that_fail_do_so_in_the_words_of_go(look, trusted, certificates, monkeypatch):
    def both(proxy, words):
        theirs, ours = (look(program, proxy.url, code=1) for program in ("docker", "berth"))
        assert ours == words + "\n" and theirs in (ours, ours.replace("failed to verify certificate: ", "")), (theirs, ours)
    for refuse, words in ((403, "Forbidden"), (407, "Proxy Authentication Required"), (502, "Bad Gateway"), (0, "unexpected EOF")):
        with Proxy(certificates, refuse=refuse) as proxy:
            both(proxy, words)
    with Proxy(certificates, login="moby:whale") as proxy:
        proxy.url = proxy.url.replace("whale", "wrong")
        both(proxy, "Proxy Authentication Required")
    with Proxy() as proxy:
        proxy.url = proxy.url.replace("http:", "https:")
        both(proxy, "proxyconnect tcp: tls: first record does not look like a TLS handshake")
    both(proxy, f"proxyconnect tcp: dial tcp {proxy.address}: connect: connection refused")
    monkeypatch.delenv("SSL_CERT_FILE")
    with Proxy(certificates) as proxy:
        both(proxy, "proxyconnect tcp: tls: failed to verify certificate: x509: certificate signed by unknown authority")
        assert proxy.asked == []


def test_a_proxy_that_certs_d_vouches_for(look, certificates):
    with Proxy(certificates) as proxy:
        folder = "/etc/berth/certs.d/" + proxy.address
        os.makedirs(folder)
        try:
            os.symlink(certificates.ca, folder + "/ca.crt")
            words = look("berth", proxy.url, code=1)
            assert words == "tls: failed to verify certificate: x509: certificate signed by unknown authority\n"  # the registry's
            assert proxy.tunnels() != []
        finally:
            os.unlink(folder + "/ca.crt")
            os.removedirs(folder)
