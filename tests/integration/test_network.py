"""The default network: addresses, NAT, published ports, name files; none, host and container:."""

import ipaddress
import os
import re
import socket
import subprocess
import time
import urllib.request

import pytest

from support.waiting import eventually

SERVE = ["httpd", "-f", "-vv", "-p", "80", "-h", "/data"]
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url, timeout=5):
    return NO_PROXY.open(url, timeout=timeout).read()


def served(url):
    def attempt():
        try:
            return fetch(url)
        except OSError:
            return None
    return eventually(attempt, 5)


def run(docker, *flags, cmd=None):
    return docker("run", "-d", *flags, "busybox", *(cmd or SERVE)).out.strip()


def address(api, container):
    return api.inspect(container)["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]


def published(api, container, port="80/tcp"):
    return {int(b["HostPort"]) for b in api.inspect(container)["NetworkSettings"]["Ports"][port]}


def test_bridge_gives_an_address(docker, api):
    container = run(docker)
    settings = api.inspect(container)["NetworkSettings"]["Networks"]["bridge"]
    out = docker("exec", container, "ip", "addr", "show", "eth0").out
    assert f"inet {settings['IPAddress']}/{settings['IPPrefixLen']}" in out and settings["MacAddress"] in out
    assert f"default via {settings['Gateway']} dev eth0" in docker("exec", container, "ip", "route").out
    net = ipaddress.ip_network(f"{settings['Gateway']}/{settings['IPPrefixLen']}", strict=False)
    assert ipaddress.ip_address(settings["IPAddress"]) in net


def test_addresses_are_distinct_and_given_back(docker, api):
    containers = [run(docker) for _ in range(5)]
    assert len({address(api, c) for c in containers}) == 5
    for container in containers:
        api.remove(container)
    assert address(api, run(docker))


def test_containers_reach_each_other(docker, api):
    server = run(docker)
    assert docker("run", "--rm", "busybox", "wget", "-qO-", f"http://{address(api, server)}/seed").out == "seed\n"


def test_host_reaches_the_container(docker, api):
    assert served(f"http://{address(api, run(docker))}/seed") == b"seed\n"


def test_the_world_is_reached_by_nat(docker, peer):
    server = peer.popen("/usr/bin/python3", "-c", "import socket; s=socket.create_server(('',9000)); c,a=s.accept(); "
                        "c.sendall(a[0].encode()); c.close()")
    try:
        time.sleep(0.3)
        assert docker("run", "--rm", "busybox", "nc", "-w", "5", peer.address, "9000").out == peer.here
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("binding", ["127.0.0.1:18080:80", "18080:80", "0.0.0.0:18080:80/tcp"])
def test_published_at_loopback(docker, binding):
    run(docker, "-p", binding)
    assert served("http://127.0.0.1:18080/seed") == b"seed\n"
    assert served("http://localhost:18080/seed") == b"seed\n"


def test_published_at_the_hosts_address(docker, peer):
    container = run(docker, "-p", "18080:80")
    assert served(f"http://{peer.here}:18080/seed") == b"seed\n"
    out = peer.run("busybox", "wget", "-qO-", f"http://{peer.here}:18080/seed").stdout
    assert out == b"seed\n"
    # The server sees who asks.
    assert peer.address in docker("logs", container).err


def test_published_port_from_another_container(docker, api, peer):
    container = run(docker, "-p", "18080:80")
    gateway = api.inspect(container)["NetworkSettings"]["Networks"]["bridge"]["Gateway"]
    for target in (gateway, peer.here):
        out = docker("run", "--rm", "busybox", "wget", "-qO-", f"http://{target}:18080/seed").out
        assert out == "seed\n", target


def test_published_port_from_the_container_itself(docker, peer):
    container = run(docker, "-p", "18080:80")
    assert docker("exec", container, "wget", "-qO-", f"http://{peer.here}:18080/seed").out == "seed\n"


def test_published_at_one_address_only(docker, peer):
    run(docker, "-p", "127.0.0.1:18080:80")
    assert served("http://127.0.0.1:18080/seed") == b"seed\n"
    with pytest.raises(OSError):
        fetch(f"http://{peer.here}:18080/seed", 1)
    assert peer.run("timeout", "2", "busybox", "wget", "-qO-", f"http://{peer.here}:18080/seed", check=False).returncode != 0


def test_udp(docker, peer):
    run(docker, "-p", "15353:5353/udp", cmd=["probe", "udp-echo", "5353"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.5)

        def ask():
            try:
                s.sendto(b"ping", ("127.0.0.1", 15353))
                return s.recv(100)
            except OSError:
                return None
        assert eventually(ask, 5) == b"ping"


def test_random_port(docker, api):
    container = run(docker, "-p", "80")
    port, = published(api, container)
    assert port >= 1024 and served(f"http://127.0.0.1:{port}/seed") == b"seed\n"


def test_port_of_a_range(docker, api):
    first, second = run(docker, "-p", "18000-18001:80"), run(docker, "-p", "18000-18001:80")
    assert published(api, first) | published(api, second) == {18000, 18001}
    docker("run", "-d", "-p", "18000-18001:80", "busybox", *SERVE, code=125)


def test_range_to_range(docker, api):
    container = run(docker, "-p", "18010-18012:80-82")
    assert [published(api, container, f"{p}/tcp") for p in (80, 81, 82)] == [{18010}, {18011}, {18012}]


def test_publish_all(docker, api):
    container = docker("run", "-d", "-P", "--expose", "81", "--entrypoint", "httpd", "full", "-f").out.strip()
    ports = api.inspect(container)["NetworkSettings"]["Ports"]
    assert {p for p in ports if ports[p]} == {"8080/tcp", "53/udp", "81/tcp"}


def test_exposed_is_not_published(docker, api):
    container = run(docker, "--expose", "80")
    assert api.inspect(container)["NetworkSettings"]["Ports"] == {"80/tcp": None}


def test_port_that_another_container_has(docker, api):
    run(docker, "-p", "18080:80")
    result = docker("run", "-d", "--name", "late", "-p", "18080:80", "busybox", *SERVE, code=125)
    assert "Bind for 0.0.0.0:18080 failed: port is already allocated" in result.err
    state = api.state("late")
    assert state["Status"] == "created" and state["ExitCode"] == 128
    assert served("http://127.0.0.1:18080/seed") == b"seed\n"


def test_port_that_a_program_has(docker):
    with socket.create_server(("127.0.0.1", 18081)):
        result = docker("run", "-d", "-p", "127.0.0.1:18081:80", "busybox", *SERVE, code=125)
        assert "address already in use" in result.err


def test_port_is_free_again_after_removal(docker, api):
    for _ in range(3):
        container = run(docker, "-p", "18080:80")
        assert served("http://127.0.0.1:18080/seed") == b"seed\n"
        api.remove(container)


def test_port_follows_a_restart(docker, api):
    container = run(docker, "-p", "18080:80")
    docker("restart", "-t", "0", container)
    assert served("http://127.0.0.1:18080/seed") == b"seed\n"
    docker("stop", "-t", "0", container)
    with pytest.raises(OSError):
        fetch("http://127.0.0.1:18080/seed", 1)
    docker("start", container)
    assert served("http://127.0.0.1:18080/seed") == b"seed\n"


@pytest.mark.berth
def test_published_ports_need_no_process(engine, docker):
    before = set(os.listdir("/proc"))
    run(docker, "-p", "18100-18149:80-129")
    new = [p for p in set(os.listdir("/proc")) - before if p.isdigit()]
    names = []
    for pid in new:
        try:
            with open(f"/proc/{pid}/comm") as f:
                names.append(f.read().strip())
        except OSError:
            pass
    assert not [n for n in names if "proxy" in n]


@pytest.mark.parametrize("port", ["99999", "80:0x50", "70000:80", "abc", "1.2.3:80:80", "80:80/icmp"])
def test_bad_ports(docker, port):
    docker("run", "-p", port, "busybox", "true", code=125)


def test_none(docker, api):
    container = run(docker, "--network", "none", cmd=["sleep", "1000"])
    out = docker("exec", container, "ip", "-o", "link").out.splitlines()
    assert len(out) == 1 and " lo: <LOOPBACK,UP" in out[0]
    assert list(api.inspect(container)["NetworkSettings"]["Networks"]) == ["none"]


def test_host(docker, peer):
    out = docker("run", "--rm", "--network", "host", "busybox", "sh", "-c", "readlink /proc/self/ns/net; hostname").out
    assert out.split() == [os.readlink("/proc/self/ns/net"), socket.gethostname()]


def test_network_of_a_container(docker, api):
    server = run(docker, "--name", "server")
    out = docker("run", "--rm", "--network", "container:server", "busybox", "sh", "-c",
                 "wget -qO- http://127.0.0.1/seed; hostname").out
    assert out == f"seed\n{server[:12]}\n"


def test_network_of_a_container_that_does_not_run(docker):
    docker("create", "--name", "asleep", "busybox")
    result = docker("run", "--rm", "--network", "container:asleep", "busybox", "true", code=125)
    assert re.search("cannot join network (namespace )?of a non running container", result.err)
    assert "No such container: ghost" in docker("run", "--rm", "--network", "container:ghost", "busybox", code=125).err


def test_unknown_network(docker):
    assert "network ghostnet not found" in docker("run", "--rm", "--network", "ghostnet", "busybox", code=125).err


@pytest.mark.parametrize("flags,message", [
    (("--network", "host", "-h", "x"), None), (("--network", "container:x", "-p", "80:80"), "conflicting options"),
    (("--network", "container:x", "-h", "x"), "conflicting options"),
    (("--network", "container:x", "--add-host", "a:1.2.3.4"), "conflicting options"),
    (("--network", "container:x", "--dns", "1.1.1.1"), "conflicting options")])
def test_options_that_exclude_each_other(docker, flags, message):
    result = docker("run", "--rm", *flags, "busybox", "true", code=None)
    assert (result.code == 0) if message is None else (result.code == 125 and message in result.err)


def test_hosts_file(docker, api):
    container = docker("run", "-d", "-h", "web", "--domainname", "example.test", "--add-host", "db:10.9.8.7", "--add-host",
                       "gate:host-gateway", "busybox", "sleep", "1000").out.strip()
    lines = [line.split() for line in docker("exec", container, "cat", "/etc/hosts").out.splitlines()]
    assert ["127.0.0.1", "localhost"] in lines and ["10.9.8.7", "db"] in lines
    assert ["::1", "localhost", "ip6-localhost", "ip6-loopback"] in lines
    assert [address(api, container), "web.example.test", "web"] in lines
    gate, = [line[0] for line in lines if line[1:] == ["gate"]]
    assert gate == api.inspect(container)["NetworkSettings"]["Networks"]["bridge"]["Gateway"]


def test_resolver_file(docker):
    out = docker("run", "--rm", "--dns", "192.0.2.53", "--dns-search", "example.test", "--dns-option", "ndots:3", "busybox",
                 "cat", "/etc/resolv.conf").out
    assert "nameserver 192.0.2.53" in out and "search example.test" in out and "options ndots:3" in out


def test_resolver_file_of_the_host(docker):
    with open("/etc/resolv.conf") as f:
        servers = re.findall(r"^nameserver\s+(\S+)", f.read(), re.M)
    usable = [s for s in servers if not ipaddress.ip_address(s.split("%")[0]).is_loopback and ":" not in s]
    out = docker("run", "--rm", "busybox", "cat", "/etc/resolv.conf").out
    for server in usable or ["8.8.8.8"]:
        assert "nameserver " + server in out


def test_bad_dns(docker):
    docker("run", "--dns", "not-an-address", "busybox", code=125)


def test_files_may_be_written_and_outlive_a_restart(docker, api):
    container = docker("run", "-d", "--name", "hosts", "busybox", "sh", "-c",
                       "echo 192.0.2.1 mine >> /etc/hosts; sleep 1000").out.strip()
    eventually(lambda: "mine" in docker("exec", container, "cat", "/etc/hosts").out)
    path = api.inspect(container)["HostsPath"]
    with open(path) as f:
        assert "mine" in f.read()


@pytest.mark.berth
def test_mac_address(docker):
    out = docker("run", "--rm", "--mac-address", "02:42:ac:11:99:01", "busybox", "ip", "link", "show", "eth0").out
    assert "02:42:ac:11:99:01" in out


def test_network_list(docker):
    out = docker("network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}").out.splitlines()
    assert {"bridge bridge local", "host host local", "none null local"} <= set(out)


def test_network_inspect_shows_endpoints(docker, api):
    container = run(docker, "--name", "member")
    network = api.get("/networks/bridge")
    assert network["Containers"][container]["Name"] == "member"
    assert network["Containers"][container]["IPv4Address"].startswith(address(api, container) + "/")
    assert network["IPAM"]["Config"][0]["Subnet"]


@pytest.mark.berth
def test_firewall_lives_in_one_table(engine, docker):
    run(docker, "-p", "18080:80")
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout.split("\n")
    assert all("berth" in line for line in tables if line.strip())


@pytest.mark.berth
def test_other_peoples_rules_are_left_alone(new_daemon):
    subprocess.run(["nft", "add table inet mine; add chain inet mine input { type filter hook input priority 0; }"],
                   check=True)
    try:
        before = subprocess.run(["nft", "list", "table", "inet", "mine"], capture_output=True, check=True).stdout
        new_daemon().stop()
        after = subprocess.run(["nft", "list", "table", "inet", "mine"], capture_output=True, check=True).stdout
        assert before == after
    finally:
        subprocess.run(["nft", "delete", "table", "inet", "mine"], check=True)
