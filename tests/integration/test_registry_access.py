"""Who may do what at `berth registry serve`: passwords, tokens, rights; with stock clients, over TLS."""

import base64
import hashlib
import hmac
import json
import os
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from support.berth_registry import BerthRegistry
from support.dockerd_peer import DockerdPeer
from support.lying_registry import digest
from support.tcp_api import TcpApi
from test_daemon import make_certificates
from test_registry_server import code, push_blob, push_image

pytestmark = pytest.mark.berth

RIGHTS = """\
# who  where      what
-      public/*   pull
whale  public/*   pull,push
whale  team/*     pull
moby   *          *
"""


def make_users(path, **users):
    with open(path, "w") as f:
        for name, password in users.items():
            done = subprocess.run(["htpasswd", "-nbB", "-C", "5", name, password], capture_output=True, text=True, check=True)
            f.write(done.stdout.strip() + "\n")
    return path


def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token):
    return {"Authorization": "Bearer " + token}


def token(registry, *scopes, headers=None, **query):
    text = urllib.parse.urlencode([("service", "berth-registry"), *(("scope", s) for s in scopes), *query.items()])
    answer = registry.api.request("GET", "/token?" + text, headers=headers)
    assert answer.status == 200, answer
    return answer.json()


def payload(text):
    part = text.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.fixture(scope="module")
def guarded(options, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("guarded"))
    with open(folder + "/rights", "w") as f:
        f.write(RIGHTS)
    users = make_users(folder + "/users", moby="secret", whale="splash")
    with BerthRegistry(options.bin_dir, "--htpasswd", users, "--rights", folder + "/rights") as server:
        server.users = users
        moby = TcpApi(server.address, basic("moby", "secret"))
        for repository in ("public/a", "team/a", "private/a"):
            push_image(moby, repository, "latest", [{"f": repository}])
        yield server


# ---- tokens

def test_the_challenge_says_what_is_needed(guarded):
    def challenge(method, path, headers=None):
        answer = guarded.api.request(method, path, headers=headers)
        assert code(answer) == (401, "UNAUTHORIZED")
        return answer.headers["WWW-Authenticate"]
    start = f'Bearer realm="http://{guarded.address}/token",service="berth-registry"'
    assert challenge("GET", "/v2/") == start
    assert challenge("GET", "/v2/team/a/tags/list") == start + ',scope="repository:team/a:pull"'
    assert challenge("POST", "/v2/team/a/blobs/uploads/") == start + ',scope="repository:team/a:pull,push"'
    assert challenge("DELETE", "/v2/team/a/manifests/latest") == start + ',scope="repository:team/a:delete"'
    assert challenge("GET", "/v2/_catalog") == start + ',scope="registry:catalog:*"'
    assert challenge("GET", "/v2/", bearer("x.y.z")) == start + ',error="invalid_token"'
    weak = token(guarded, "repository:public/a:pull")["token"]
    assert challenge("GET", "/v2/team/a/tags/list", bearer(weak)) == start + ',scope="repository:team/a:pull",error="insufficient_scope"'
    proxied = guarded.api.request("GET", "/v2/", headers={"X-Forwarded-Proto": "https", "Host": "registry.example"})
    assert 'realm="https://registry.example/token"' in proxied.headers["WWW-Authenticate"]


def test_a_token_holds_what_its_owner_may(guarded):
    scope = ("repository:team/a:pull,push,delete", "repository:public/a:pull,push repository:private/a:pull", "registry:catalog:*")
    held = payload(token(guarded, *scope, headers=basic("whale", "splash"))["token"])
    assert held["sub"] == "whale" and held["exp"] - held["iat"] == 300
    assert [(g["name"], g["actions"]) for g in held["access"]] == [("team/a", ["pull"]), ("public/a", ["pull", "push"]), ("catalog", ["*"])]
    nobody = payload(token(guarded, *scope)["token"])
    assert [(g["name"], g["actions"]) for g in nobody["access"]] == [("public/a", ["pull"])]
    assert guarded.api.request("GET", "/token", headers=basic("whale", "wrong")).status == 401


def test_a_token_opens_what_it_names(guarded):
    def status(method, path, text):
        return guarded.api.request(method, path, headers=bearer(text)).status
    whale = token(guarded, "repository:team/a:pull", headers=basic("whale", "splash"))["token"]
    assert status("GET", "/v2/", whale) == 200
    assert status("GET", "/v2/team/a/manifests/latest", whale) == 200
    assert status("GET", "/v2/public/a/manifests/latest", whale) == 401  # not asked for
    assert status("POST", "/v2/team/a/blobs/uploads/", whale) == 401
    assert status("GET", "/v2/_catalog", whale) == 401
    lists = token(guarded, "registry:catalog:*", headers=basic("whale", "splash"))["token"]
    seen = guarded.api.request("GET", "/v2/_catalog", headers=bearer(lists)).json()
    assert seen == {"repositories": ["public/a", "team/a"]}
    page = guarded.api.request("GET", "/v2/_catalog?n=1", headers=bearer(lists))
    assert page.json() == {"repositories": ["public/a"]} and 'last=public/a>; rel="next"' in page.headers["Link"]


def test_forged_tokens(guarded):
    good = token(guarded, "repository:team/a:pull", headers=basic("moby", "secret"))["token"]
    head, body, signature = good.split(".")
    claims = {**payload(good), "access": [{"type": "repository", "name": "private/a", "actions": ["pull"]}]}

    def encode(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    none = f"{encode({'alg': 'none'})}.{encode(claims)}."
    changed = f"{head}.{encode(claims)}.{signature}"
    start = f"{encode({'alg': 'HS256'})}.{encode(claims)}"
    symmetric = start + "." + base64.urlsafe_b64encode(hmac.new(b"", start.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    for text in (none, changed, symmetric, good[:-4], "", "..", good + "x"):
        assert guarded.api.request("GET", "/v2/private/a/manifests/latest", headers=bearer(text)).status == 401, text


def test_oauth(guarded):
    def post(**form):
        return guarded.api.request("POST", "/token", urllib.parse.urlencode(form),
                                   {"Content-Type": "application/x-www-form-urlencoded"})
    first = post(grant_type="password", username="whale", password="splash", service="berth-registry", client_id="test",
                 access_type="offline", scope="repository:team/a:pull").json()
    assert guarded.api.request("GET", "/v2/team/a/tags/list", headers=bearer(first["access_token"])).status == 200
    again = post(grant_type="refresh_token", refresh_token=first["refresh_token"], scope="repository:public/a:pull").json()
    assert guarded.api.request("GET", "/v2/public/a/tags/list", headers=bearer(again["access_token"])).status == 200
    # A refresh token is no access token, and the other way round.
    assert guarded.api.request("GET", "/v2/", headers=bearer(first["refresh_token"])).status == 401
    assert post(grant_type="refresh_token", refresh_token=first["access_token"]).status == 401
    assert post(grant_type="password", username="whale", password="wrong").status == 401
    assert post(grant_type="other").status == 400


def test_another_password_ends_logins(options, scratch):
    users = make_users(scratch + "/users", moby="old")
    with BerthRegistry(options.bin_dir, "--htpasswd", users) as registry:
        refresh = token(registry, headers=basic("moby", "old"), offline_token="true")["refresh_token"]
        make_users(users, moby="new")  # read again without a restart
        assert registry.api.request("GET", "/v2/", headers=basic("moby", "old")).status == 401
        assert registry.api.request("GET", "/v2/", headers=basic("moby", "new")).status == 200
        form = urllib.parse.urlencode({"grant_type": "refresh_token", "refresh_token": refresh})
        assert registry.api.request("POST", "/token", form).status == 401


def test_tokens_outlive_a_restart(options, scratch):
    with BerthRegistry(options.bin_dir, "--htpasswd", make_users(scratch + "/users", moby="x")) as registry:
        held = token(registry, headers=basic("moby", "x"))["token"]
        registry.kill()
        registry.start()
        assert registry.api.request("GET", "/v2/", headers=bearer(held)).status == 200
        assert os.stat(registry.root + "/token.key").st_mode & 0o777 == 0o600


def test_tokens_of_somebody_else(options, scratch):
    """As docker-registry's auth.token: here RS256, signed by openssl."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens", "-keyout",
                    scratch + "/key", "-out", scratch + "/cert"], check=True, capture_output=True)

    def make(**changes):
        now = int(time.time())
        claims = {"iss": "them", "sub": "moby", "aud": ["us"], "exp": now + 60, "nbf": now, "iat": now,
                  "access": [{"type": "repository", "name": "a", "actions": ["pull", "push"]}], **changes}
        text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
                        for part in ({"alg": "RS256", "typ": "JWT"}, claims))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", scratch + "/key"], input=text.encode(), capture_output=True,
                                   check=True).stdout
        return bearer(text + "." + base64.urlsafe_b64encode(signature).rstrip(b"=").decode())
    with BerthRegistry(options.bin_dir, "--token-keys", scratch + "/cert", "--token-realm", "https://tokens.example/t",
                       "--token-service", "us", "--token-issuer", "them") as registry:
        refused = registry.api.request("GET", "/v2/a/tags/list")
        assert refused.headers["WWW-Authenticate"].startswith('Bearer realm="https://tokens.example/t",service="us"')
        assert push_blob(TcpApi(registry.address, make()), "a", b"data").status == 201
        assert registry.api.request("GET", f"/v2/a/blobs/{digest(b'data')}", headers=make()).body == b"data"
        now = int(time.time())
        for wrong in ({"iss": "others"}, {"aud": "them"}, {"exp": now - 600}, {"nbf": now + 600}, {"access": []}):
            assert registry.api.request("GET", f"/v2/a/blobs/{digest(b'data')}", headers=make(**wrong)).status == 401, wrong
        assert registry.api.request("GET", "/token").status == 404


# ---- rights

def test_rights(guarded):
    whale, nobody = TcpApi(guarded.address, basic("whale", "splash")), guarded.api
    assert whale.request("GET", "/v2/team/a/manifests/latest").status == 200
    assert code(whale.request("GET", "/v2/private/a/manifests/latest")) == (403, "DENIED")
    assert code(push_refused(whale, "team/a")) == (403, "DENIED")
    assert push_blob(whale, "public/w", b"data").status == 201
    assert code(whale.request("DELETE", "/v2/public/a/manifests/latest")) == (403, "DENIED")
    assert nobody.request("GET", "/v2/public/a/manifests/latest").status == 200
    assert nobody.request("GET", "/v2/team/a/manifests/latest").status == 401
    assert nobody.request("GET", "/metrics").status == 401
    moby = TcpApi(guarded.address, basic("moby", "secret"))
    assert moby.request("GET", "/v2/_catalog").json()["repositories"] == ["private/a", "public/a", "public/w", "team/a"]
    assert whale.request("GET", "/v2/_catalog").json()["repositories"] == ["public/a", "public/w", "team/a"]


def test_a_path_without_a_repository_is_no_way_in(guarded):
    """An empty name is no repository, for whoever asks: rights speak of names."""
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}).encode()
    data, before = b"from nobody", guarded.files()
    token_of_nobody = bearer(token(guarded, "repository::pull,push,delete")["token"])
    for path in ("blobs/uploads/", "blobs/uploads", f"blobs/uploads/?digest={digest(data)}", "blobs/uploads/x", f"blobs/{digest(data)}",
                 "manifests/latest", f"manifests/{digest(manifest)}", "tags/list", f"referrers/{digest(data)}"):
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            body = manifest if path.startswith("manifests") else data
            for headers in ({}, token_of_nobody, basic("whale", "splash"), basic("moby", "secret")):
                nowhere = guarded.api.request(method, f"/v2//{path}", body, {**headers, "Content-Type": "application/json"})
                assert nowhere.status == 404, (method, path, nowhere)
            for odd in ("/", "public/a/", "/public/a", "public//a", "%2F", "%2F%2F"):
                answer = guarded.api.request(method, f"/v2/{odd}/{path}", body)
                assert answer.status in (400, 401, 404), (method, odd, path, answer)
    assert guarded.files() == before and "" not in TcpApi(guarded.address, basic("moby", "secret")).request("GET", "/v2/_catalog").json()["repositories"]


def test_metrics_are_for_users(guarded):
    """A token that anybody gets is no name."""
    assert guarded.api.request("GET", "/metrics").status == 401
    assert guarded.api.request("GET", "/metrics", headers=bearer(token(guarded)["token"])).status == 401
    assert guarded.api.request("GET", "/metrics", headers=bearer(token(guarded, headers=basic("whale", "splash"))["token"])).status == 200
    assert guarded.api.request("GET", "/metrics", headers=basic("whale", "splash")).status == 200


def push_refused(api, repository):
    return api.request("POST", f"/v2/{repository}/blobs/uploads/")


def test_a_mount_shows_nothing_that_is_hidden(guarded):
    moby, whale = (TcpApi(guarded.address, basic(*who)) for who in (("moby", "secret"), ("whale", "splash")))
    push_blob(moby, "private/a", b"hidden")
    push_blob(moby, "team/a", b"shared")
    for source in ("&from=private/a", ""):
        assert whale.request("POST", f"/v2/public/w/blobs/uploads/?mount={digest(b'hidden')}{source}").status == 202
    assert whale.request("POST", f"/v2/public/w/blobs/uploads/?mount={digest(b'shared')}&from=team/a").status == 201
    assert moby.request("POST", f"/v2/public/m/blobs/uploads/?mount={digest(b'hidden')}").status == 201


def test_files_that_make_no_sense_stop_the_start(options, scratch):
    users = make_users(scratch + "/users", moby="x")
    with open(scratch + "/rights", "w") as f:
        f.write("moby team/a read\n")
    for flags, message in ((("--htpasswd", users, "--rights", scratch + "/rights"), 'line 1: unknown action "read"'),
                           (("--rights", scratch + "/rights"), "unknown action"),
                           (("--htpasswd", scratch + "/nothing"), "no such file"),
                           (("--token-keys", users, "--token-realm", "x"), "neither a certificate nor a public key")):
        done = subprocess.run([options.bin_dir + "/berth", "registry", "serve", "--root", scratch + "/r", "-a", "127.0.0.1:0", *flags],
                              capture_output=True, text=True, timeout=20)
        assert done.returncode == 1 and message in done.stderr, done


# ---- stock clients, with TLS

@pytest.fixture(scope="module")
def secured(options, tmp_path_factory):
    """At an address that no client takes for an insecure one."""
    folder = str(tmp_path_factory.mktemp("secured"))
    subprocess.run(["ip", "addr", "add", "198.51.100.77/32", "dev", "lo"], check=True)
    make_certificates(folder)
    with open(folder + "/server.ext", "w") as f:
        f.write("subjectAltName=IP:198.51.100.77,IP:127.0.0.1\n")
    subprocess.run(["openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days",
                    "2", "-extfile", "server.ext", "-out", "server.pem"], cwd=folder, check=True, capture_output=True)
    with open(folder + "/rights", "w") as f:
        f.write(RIGHTS)
    users = make_users(folder + "/users", moby="secret", whale="splash")
    server = BerthRegistry(options.bin_dir, "--htpasswd", users, "--rights", folder + "/rights", "--tls-cert", folder + "/server.pem",
                           "--tls-key", folder + "/server-key.pem")
    server.address = "198.51.100.77:" + server.address.split(":")[1]
    server.certificates, server.ca = folder, folder + "/ca.pem"
    server.api = HttpsApi(server.address, server.ca)
    with server:
        yield server
    subprocess.run(["ip", "addr", "del", "198.51.100.77/32", "dev", "lo"], check=True)


class HttpsApi:
    def __init__(self, address, ca):
        self.address, self.context = address, ssl.create_default_context(cafile=ca)

    def request(self, method, path):
        request = urllib.request.Request(f"https://{self.address}{path}", method=method)
        try:
            return urllib.request.urlopen(request, context=self.context, timeout=20)
        except urllib.error.HTTPError as error:
            return error


@pytest.fixture(scope="module")
def reference(options, archive, secured):
    os.environ["SSL_CERT_FILE"] = secured.ca
    try:
        with DockerdPeer(options) as daemon:
            daemon.load(archive)
            yield daemon
    finally:
        del os.environ["SSL_CERT_FILE"]


def test_docker_logs_in_pushes_and_pulls(reference, secured, scratch):
    def docker(*words, code=0, stdin=None):
        return reference.docker("--config", scratch, *words, code=code, stdin=stdin)
    address, name = secured.address, f"{secured.address}/team/box"
    docker("tag", "busybox", name)
    docker("push", name, code=1)
    docker("login", "-u", "moby", "--password-stdin", address, stdin=b"wrong", code=1)
    docker("login", "-u", "moby", "--password-stdin", address, stdin=b"secret")
    docker("push", name)
    docker("tag", "busybox", f"{address}/public/box")
    docker("push", f"{address}/public/box")  # mounts from team/box, whose reading its token must allow
    docker("login", "-u", "whale", "--password-stdin", address, stdin=b"splash")
    docker("rmi", name, f"{address}/public/box")
    docker("pull", name)
    docker("push", name, code=1)
    docker("logout", address)
    docker("rmi", name)
    docker("pull", name, code=1)
    docker("pull", f"{address}/public/box")  # without a name
    docker("rmi", f"{address}/public/box")


def test_skopeo_logs_in_pushes_and_pulls(secured, scratch, archive):
    with open(scratch + "/image.tar", "wb") as f:
        f.write(archive)
    environment = {**os.environ, "SSL_CERT_FILE": secured.ca, "REGISTRY_AUTH_FILE": scratch + "/auth.json"}

    def skopeo(*words, check=True):
        return subprocess.run(["skopeo", *words], env=environment, check=check, capture_output=True, timeout=60)
    source, name = f"docker-archive:{scratch}/image.tar:busybox:latest", f"docker://{secured.address}/team/skopeo"
    assert skopeo("copy", source, name, check=False).returncode != 0
    assert skopeo("login", "-u", "moby", "-p", "wrong", secured.address, check=False).returncode != 0
    skopeo("login", "-u", "moby", "-p", "secret", secured.address)
    skopeo("copy", source, name)
    skopeo("copy", name, f"docker://{secured.address}/public/skopeo")
    listed = skopeo("list-tags", name).stdout
    assert json.loads(listed)["Tags"] == ["latest"]
    skopeo("logout", secured.address)
    skopeo("copy", f"docker://{secured.address}/public/skopeo", f"oci:{scratch}/layout:latest")
    assert skopeo("copy", name, f"oci:{scratch}/layout:other", check=False).returncode != 0
    skopeo("login", "-u", "moby", "-p", "secret", secured.address)
    skopeo("delete", name)


def test_the_engine_logs_in_pushes_and_pulls(new_daemon, secured, scratch):
    os.makedirs(scratch + "/certs")
    daemon = new_daemon("--insecure-registry", secured.address)

    def docker(*words, code=0, stdin=None):
        return daemon.docker("--config", scratch, *words, code=code, stdin=stdin)
    name = f"{secured.address}/team/engine"
    docker("tag", "busybox", name)
    docker("push", name, code=1)
    docker("login", "-u", "moby", "--password-stdin", secured.address, stdin=b"secret")
    docker("push", name)
    docker("rmi", name)
    docker("pull", name)
    docker("logout", secured.address)
    docker("rmi", name)
    docker("pull", name, code=1)
