"""The daemon itself: flags, daemon.json, signals, pid file, sockets; several side by side."""

import json
import os
import signal
import subprocess
import time

import pytest

from support import leaks
from support.daemon import Daemon
from support.http import Api
from support.waiting import eventually

pytestmark = pytest.mark.berth


def attempt(options, *flags, config=None, timeout=15):
    """Starts a daemon that should refuse to; its exit code and log."""
    daemon = Daemon(options, *flags, config=config)
    try:
        daemon.spawn()
        try:
            code = daemon.process.wait(timeout)
        except subprocess.TimeoutExpired:
            daemon.kill()
            raise AssertionError("it runs: " + daemon.log_tail()) from None
        return code, daemon.log()
    finally:
        subprocess.run(["rm", "-rf", daemon.root], check=True)


def test_unknown_flag(options):
    code, log = attempt(options, "--no-such-flag")
    assert code != 0 and "unknown flag: --no-such-flag" in log


@pytest.mark.parametrize("flags", [("--mtu", "many"), ("--log-level", "loud"), ("--bip", "not-an-address"),
                                   ("--storage-driver", "floppy"), ("--default-ulimit", "bogus=1"), ("--dns", "nowhere"),
                                   ("-H", "gopher://x")])
def test_bad_flags(options, flags):
    code, log = attempt(options, *flags)
    assert code != 0 and flags[-1].split("=")[0] in log


def test_surplus_word(options):
    code, log = attempt(options, "surplus")
    assert code != 0 and "accepts no arguments" in log


def test_unknown_key(options):
    code, log = attempt(options, config={"no-such-key": 1})
    assert code != 0
    assert "the following directives don't match any configuration option: no-such-key" in log


def test_flag_and_file_that_disagree(options):
    code, log = attempt(options, "--log-level", "info", config={"log-level": "debug"})
    assert code != 0 and "the following directives are specified both as a flag and in the configuration file: log-level" in log


def test_file_that_is_not_json(options, scratch):
    path = scratch + "/daemon.json"
    with open(path, "w") as f:
        f.write("{ nonsense")
    code, log = attempt(options, "--config-file", path)
    assert code != 0 and path in log


def test_version_flag(options):
    out = subprocess.run([options.bin_dir + "/berthd", "--version"], capture_output=True, text=True, check=True).stdout
    assert "version" in out.lower()


def test_help_lists_the_flags(options):
    out = subprocess.run([options.bin_dir + "/berthd", "--help"], capture_output=True, text=True, check=True).stdout
    for flag in ("--data-root", "--exec-root", "--host", "--pidfile", "--config-file", "--log-level", "--debug", "--bridge", "--bip",
                 "--mtu", "--dns", "--iptables", "--ip-forward", "--ip-masq", "--icc", "--storage-driver", "--default-runtime",
                 "--add-runtime", "--exec-opt", "--default-ulimit", "--label", "--insecure-registry", "--registry-mirror",
                 "--tlsverify", "--live-restore", "--experimental"):
        assert flag in out, flag


# Everything `dockerd --help` lists, of 20.10 and 28, with a value; besides what the tests below start daemons with.
FLAGS_OF_DOCKERD = """
    --add-runtime=other=/bin/true --allow-direct-routing --allow-nondistributable-artifacts=x --authorization-plugin=x
    --bip=10.9.0.1/24 --bip6=fd00::1/64 --bridge-accept-fwmark=1 --cdi-spec-dir=/etc/cdi --cgroup-parent=/x
    --containerd=/x --containerd-namespace=x --containerd-plugins-namespace=x --cpu-rt-period=1 --cpu-rt-runtime=1
    --cri-containerd --data-root=/x --debug --default-address-pool=base=10.8.0.0/16,size=24 --default-cgroupns-mode=host
    --default-gateway=10.9.0.1 --default-gateway-v6=fd00::1 --default-ipc-mode=private --default-network-opt=bridge=a=b
    --default-runtime=runc --default-shm-size=32M --default-ulimit=nofile=10:20 --dns=10.0.0.1 --dns-opt=ndots:1
    --dns-search=x.org --exec-opt=native.cgroupdriver=cgroupfs --exec-root=/x --experimental --feature=x=true
    --firewall-backend=nftables --fixed-cidr=10.9.0.0/25 --fixed-cidr-v6=fd00::/64 --group=root --host=unix:///x
    --host-gateway-ip=10.9.0.1 --http-proxy=http://x --https-proxy=http://x --icc --init --init-path=/x
    --insecure-registry=x:5000 --ip=127.0.0.1 --ip-forward --ip-forward-no-drop --ip-masq --ip6tables --iptables --ipv6
    --label=a=b --live-restore --log-driver=json-file --log-format=text --log-level=info --log-opt=max-size=1m
    --max-concurrent-downloads=1 --max-concurrent-uploads=1 --max-download-attempts=1 --metrics-addr=127.0.0.1:9
    --mtu=1400 --network-control-plane-mtu=1400 --no-new-privileges --no-proxy=x --node-generic-resource=x=1
    --oom-score-adjust=-500 --pidfile=/x --raw-logs --registry-mirror=https://x --rootless --seccomp-profile=unconfined
    --selinux-enabled --shutdown-timeout=5 --storage-driver=overlay2 --storage-opt=x=y
    --swarm-default-advertise-addr=10.0.0.1 --tls --tlscacert=/x --tlscert=/x --tlskey=/x --tlsverify --userland-proxy
    --userland-proxy-path=/x --userns-remap=default""".split()


def test_every_flag_of_dockerd_is_taken(options):
    done = subprocess.run([options.bin_dir + "/berthd", "--validate", *FLAGS_OF_DOCKERD], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "configuration OK\n"), done.stderr


# daemon.json with every key as Docker's manual shows it, empty where it shows it empty.
KEYS_OF_DOCKERD = {
    "allow-direct-routing": False, "authorization-plugins": [], "bip": "", "bip6": "", "bridge": "",
    "builder": {"gc": {"enabled": True, "defaultKeepStorage": "10GB"}}, "cgroup-parent": "",
    "containerd": "/run/containerd/containerd.sock", "containerd-namespace": "docker",
    "containerd-plugins-namespace": "docker-plugins", "debug": True,
    "default-address-pools": [{"base": "172.30.0.0/16", "size": 24}], "default-cgroupns-mode": "private",
    "default-gateway": "", "default-gateway-v6": "", "default-network-opts": {}, "default-runtime": "runc",
    "default-shm-size": "64M", "default-ulimits": {"nofile": {"Hard": 1000, "Name": "nofile", "Soft": 1000}},
    "dns": [], "dns-opts": [], "dns-search": [], "exec-opts": [], "experimental": False, "features": {"cdi": True},
    "firewall-backend": "", "fixed-cidr": "", "fixed-cidr-v6": "", "group": "", "host-gateway-ip": "", "hosts": [],
    "proxies": {"http-proxy": "http://proxy.example.com:80", "no-proxy": "*.example.com"}, "icc": True, "init": False,
    "init-path": "", "insecure-registries": [], "ip": "0.0.0.0", "ip-forward": True, "ip-masq": True, "iptables": True,
    "ip6tables": False, "ipv6": False, "labels": [], "live-restore": True, "log-driver": "json-file",
    "log-format": "text", "log-level": "", "log-opts": {"labels": "somelabel", "max-file": "5", "max-size": "10m"},
    "max-concurrent-downloads": 3, "max-concurrent-uploads": 5, "max-download-attempts": 5, "mtu": 0,
    "no-new-privileges": False, "node-generic-resources": ["NVIDIA-GPU=UUID1"], "raw-logs": False,
    "registry-mirrors": [], "runtimes": {"custom": {"path": "/usr/local/bin/my-runc", "runtimeArgs": ["--debug"]}},
    "seccomp-profile": "", "selinux-enabled": False, "shutdown-timeout": 15, "storage-driver": "", "storage-opts": [],
    "swarm-default-advertise-addr": "", "tls": False, "tlscacert": "", "tlscert": "", "tlskey": "", "tlsverify": False,
    "userland-proxy": False, "userland-proxy-path": "", "userns-remap": ""}


def test_every_key_of_daemon_json_is_taken(new_daemon):
    """And what has no effect says so, unless it is switched off or empty."""
    daemon = new_daemon(config=KEYS_OF_DOCKERD)
    assert daemon.docker("run", "--rm", "busybox", "echo", "works").out == "works\n"
    log = daemon.log()
    for name in ("--add-runtime", "--default-address-pool", "builder"):
        assert f"{name} has no effect yet" in log
    for name in ("--max-download-attempts", "--userland-proxy", "--selinux-enabled", "--authorization-plugin"):
        assert f"{name} has no effect yet" not in log


def test_works_under_the_name_dockerd(options, scratch):
    os.symlink(options.bin_dir + "/berthd", scratch + "/dockerd")
    assert subprocess.run([scratch + "/dockerd", "--version"], capture_output=True).returncode == 0


def test_labels_and_settings_reach_info(new_daemon):
    daemon = new_daemon("--label", "rack=7", "--debug", config={"experimental": True, "dns": ["192.0.2.53"]})
    info = daemon.api.get("/info")
    assert info["Labels"] == ["rack=7"] and info["Debug"] is True and info["ExperimentalBuild"] is True
    assert info["DockerRootDir"] == daemon.data_root
    assert "nameserver 192.0.2.53" in daemon.docker("run", "--rm", "busybox", "cat", "/etc/resolv.conf").out


def test_default_ulimit_and_mtu(new_daemon):
    daemon = new_daemon("--default-ulimit", "nofile=333:444", "--mtu", "1400")
    out = daemon.docker("run", "--rm", "busybox", "sh", "-c", "ulimit -n; ulimit -Hn; cat /sys/class/net/eth0/mtu").out
    assert out.split() == ["333", "444", "1400"]


def test_bip(new_daemon):
    daemon = new_daemon("--bip", "10.77.3.1/24")
    network = daemon.api.get("/networks/bridge")["IPAM"]["Config"][0]
    assert network["Subnet"] == "10.77.3.0/24" and network["Gateway"] == "10.77.3.1"
    assert "10.77.3." in daemon.docker("run", "--rm", "busybox", "ip", "addr", "show", "eth0").out


def test_no_bridge(new_daemon):
    daemon = new_daemon("--bridge", "none")
    assert daemon.docker("run", "--rm", "--network", "none", "busybox", "echo", "ok").out == "ok\n"
    out = daemon.docker("run", "--rm", "busybox", "ip", "-o", "link").out
    assert len(out.splitlines()) == 1


def test_several_hosts(new_daemon, scratch):
    daemon = new_daemon("-H", f"unix://{scratch}/second.sock", "-H", "tcp://127.0.0.1:18375")
    assert Api(scratch + "/second.sock").get("/version") == daemon.api.get("/version")
    out = subprocess.run(["docker", "-H", "tcp://127.0.0.1:18375", "run", "--rm", "-i", "busybox", "cat"], input=b"over tcp\n",
                         capture_output=True, env={**daemon.environment(), "DOCKER_HOST": ""}, timeout=30)
    assert out.stdout == b"over tcp\n", out


def make_certificates(folder):
    """A CA, and certificates of a server at 127.0.0.1 and of a client."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test ca", "-keyout", "ca-key.pem",
            "-out", "ca.pem")
    for name, extension in (("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")):
        with open(f"{folder}/{name}.ext", "w") as f:
            f.write(extension + "\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}-key.pem", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2",
                "-extfile", f"{name}.ext", "-out", f"{name}.pem")


def test_mutual_tls(new_daemon, scratch):
    make_certificates(scratch)
    daemon = new_daemon("-H", "tcp://127.0.0.1:18376", "--tlsverify", "--tlscacert", scratch + "/ca.pem", "--tlscert",
                        scratch + "/server.pem", "--tlskey", scratch + "/server-key.pem")

    def client(*flags, stdin=b""):
        return subprocess.run(["docker", "-H", "tcp://127.0.0.1:18376", *flags, "run", "--rm", "-i", "busybox", "cat"], input=stdin,
                              capture_output=True, env={**daemon.environment(), "DOCKER_HOST": ""}, timeout=60)
    keys = ("--tlsverify", "--tlscacert", scratch + "/ca.pem", "--tlscert", scratch + "/client.pem", "--tlskey",
            scratch + "/client-key.pem")
    data = os.urandom(1 << 20)
    done = client(*keys, stdin=data)
    assert done.returncode == 0 and done.stdout == data, done.stderr
    assert client("--tlsverify", "--tlscacert", scratch + "/ca.pem").returncode != 0  # no certificate of a client
    assert client().returncode != 0  # no TLS


def test_socket_of_systemd(options, scratch):
    """-H fd:// takes the sockets that systemd hands over, and says READY=1 when it answers."""
    import socket
    listener, notify = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(scratch + "/activated.sock")
    listener.listen()
    notify.bind(scratch + "/notify")
    notify.settimeout(20)
    daemon = Daemon(options)
    command = [word if word != "unix://" + daemon.socket else "fd://" for word in daemon.command()]
    daemon.socket, daemon.api = scratch + "/activated.sock", Api(scratch + "/activated.sock")
    try:
        with open(daemon.log_path, "ab") as log:
            daemon.process = subprocess.Popen(
                ["sh", "-c", 'exec env LISTEN_PID=$$ LISTEN_FDS=1 "$@"', "sh", *command], stdout=log, stderr=log,
                preexec_fn=lambda: os.dup2(listener.fileno(), 3), pass_fds=(3,), start_new_session=True,
                env={**os.environ, "NOTIFY_SOCKET": scratch + "/notify"})
        seen = b""
        while b"READY=1" not in seen:
            seen += notify.recv(4096) + b"\n"
        assert daemon.api.request("GET", "/_ping").status == 200
        assert daemon.stop() == 0
        assert os.path.exists(daemon.socket)  # it is systemd's
    finally:
        listener.close()
        notify.close()
        if daemon.alive():
            daemon.kill()
        subprocess.run(["rm", "-rf", daemon.root], check=True)


def test_socket_permissions(new_daemon):
    mode = os.stat(new_daemon(load=False).socket).st_mode
    assert mode & 0o777 == 0o660


def test_pidfile(new_daemon):
    daemon = new_daemon(load=False)
    with open(daemon.pidfile) as f:
        assert int(f.read()) == daemon.pid
    daemon.stop()
    assert not os.path.exists(daemon.pidfile)


def test_second_daemon_on_the_same_folders_refuses(options, new_daemon):
    daemon = new_daemon(load=False)
    second = subprocess.run(daemon.command(), capture_output=True, text=True, timeout=20)
    assert second.returncode != 0
    assert str(daemon.pid) in second.stderr + second.stdout or "in use" in second.stderr + second.stdout
    assert daemon.api.request("GET", "/_ping").status == 200


def test_stale_socket_and_pidfile_are_no_obstacle(new_daemon):
    daemon = new_daemon(load=False)
    daemon.kill()
    assert os.path.exists(daemon.socket) and os.path.exists(daemon.pidfile)
    daemon.start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_clean_stop(new_daemon, number):
    daemon = new_daemon()
    daemon.docker("run", "-d", "busybox", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done")
    started = time.monotonic()
    daemon.process.send_signal(number)
    assert daemon.process.wait(30) == 0
    assert time.monotonic() - started < 12
    assert not os.path.exists(daemon.socket)
    daemon.start()
    container, = daemon.api.get("/containers/json", all=1)
    assert container["State"] in ("exited", "running")


def test_reload(new_daemon):
    daemon = new_daemon(load=False, config={"labels": ["a=1"]})
    with open(daemon.root + "/daemon.json", "w") as f:
        json.dump({"labels": ["b=2"], "debug": True}, f)
    daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: daemon.api.get("/info")["Labels"] == ["b=2"])
    assert daemon.api.get("/info")["Debug"] is True


def test_reload_of_a_bad_file_changes_nothing(new_daemon):
    daemon = new_daemon(load=False, config={"labels": ["a=1"]})
    with open(daemon.root + "/daemon.json", "w") as f:
        f.write("{ nonsense")
    daemon.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert daemon.alive() and daemon.api.get("/info")["Labels"] == ["a=1"]


def test_side_by_side(new_daemon):
    """Three daemons: own images, containers, addresses, ports; the end of one is nothing to the others."""
    daemons = [new_daemon() for _ in range(3)]
    for i, daemon in enumerate(daemons):
        daemon.docker("run", "-d", "--name", "same", "-p", f"1820{i}:80", "busybox", "httpd", "-f", "-p", "80", "-h", "/data")
    subnets = {d.api.get("/networks/bridge")["IPAM"]["Config"][0]["Subnet"] for d in daemons}
    assert len(subnets) == 3
    assert len({d.api.get("/info")["ID"] for d in daemons}) == 3
    from test_network import served
    for i in range(3):
        assert served(f"http://127.0.0.1:1820{i}/seed") == b"seed\n"
    daemons[0].docker("rm", "-f", "same")
    daemons[0].stop()
    for i in (1, 2):
        assert served(f"http://127.0.0.1:1820{i}/seed") == b"seed\n"
    assert all(len(d.api.get("/containers/json")) == 1 for d in daemons[1:])
    daemons[0].start()


def test_everything_goes_with_the_daemon(options, new_daemon):
    """After the containers are removed and the daemon has stopped, links, rules, mounts and processes are as before."""
    before = leaks.snapshot(ignored=())
    daemon = new_daemon()
    daemon.docker("run", "-d", "-p", "18200:80", "busybox", "sleep", "1000")
    daemon.remove_containers()
    daemon.stop()
    left = [x for x in leaks.leaked(before) if not x.startswith("file ")]
    assert not left


def test_filters_are_compiled_once_and_kept(new_daemon):
    """Compiling Docker's default seccomp profile takes 15 ms, which no start may pay again."""
    daemon = new_daemon()
    folder = os.path.join(daemon.data_root, "seccomp")
    daemon.docker("run", "--rm", "busybox", "true")
    (kept,) = os.listdir(folder)
    before = os.stat(os.path.join(folder, kept)).st_mtime_ns
    daemon.restart()
    daemon.docker("run", "--rm", "busybox", "true")
    assert os.listdir(folder) == [kept]
    assert os.stat(os.path.join(folder, kept)).st_mtime_ns == before
