"""Log drivers: files and their rotation, what is lost and how that is told, and what sinks get to see."""

import glob
import gzip
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from support import sinks
from support.daemon import Daemon
from support.waiting import eventually

NEWER = pytest.mark.berth  # the text has changed since the reference engine
DGRAM, STREAM = socket.SOCK_DGRAM, socket.SOCK_STREAM


def log_to(driver, **config):
    return {"HostConfig": {"LogConfig": {"Type": driver, "Config": {k.replace("_", "-"): v for k, v in config.items()}}}}


def with_options(driver, config):
    return {"HostConfig": {"LogConfig": {"Type": driver, "Config": config}}}


def finished(api, script, **spec):
    container = api.create(cmd=["sh", "-c", script], **spec)
    api.start(container)
    api.wait(container)
    return container


def data_folder(engine, container):
    return f"{engine.data_root}/containers/{container}"


# ---- options

@pytest.mark.parametrize("driver,given,message", [
    ("json-file", {"foo": "1"}, "unknown log opt 'foo' for json-file log driver"),
    ("local", {"foo": "1"}, "unknown log opt 'foo' for log driver local"),
    ("syslog", {"max-size": "1m"}, "unknown log opt 'max-size' for syslog log driver"),
    ("syslog", {"syslog-facility": "nope"}, "invalid syslog facility"),
    ("syslog", {"syslog-format": "nope"}, "Invalid syslog format"),
    pytest.param("syslog", {"syslog-address": "http://127.0.0.1"}, "unsupported scheme: 'http'", marks=NEWER),
    ("syslog", {"syslog-address": "unix:///no/such/socket"}, "stat /no/such/socket: no such file or directory"),
    ("fluentd", {"foo": "1"}, "unknown log opt 'foo' for fluentd log driver"),
    pytest.param("fluentd", {"fluentd-address": "ftp://x"},
                 "invalid fluentd-address (ftp://x): unsupported scheme: 'ftp'", marks=NEWER),
    ("gelf", {}, "gelf-address is a required parameter"),
    pytest.param("gelf", {"gelf-address": "http://x:1"}, "gelf: endpoint needs to be TCP or UDP", marks=NEWER),
    ("gelf", {"gelf-address": "udp://x"}, "gelf: please provide gelf-address as proto://host:port"),
    ("gelf", {"gelf-address": "udp://x:1", "gelf-compression-type": "lz4"},
     'unknown value "lz4" for log opt "gelf-compression-type" for gelf log driver'),
    ("gelf", {"gelf-address": "tcp://x:1", "gelf-compression-type": "gzip"}, "compression is only supported on UDP"),
    ("gelf", {"gelf-address": "udp://x:1", "foo": "1"}, 'unknown log opt "foo" for gelf log driver'),
    ("journald", {"foo": "1"}, "unknown log opt 'foo' for journald log driver"),
    ("json-file", {"mode": "nope"}, "logger: logging mode not supported: nope"),
    ("json-file", {"max-buffer-size": "1m"},
     "logger: max-buffer-size option is only supported with 'mode=non-blocking'"),
    ("json-file", {"mode": "non-blocking", "max-buffer-size": "x"},
     "error parsing option max-buffer-size: invalid size: 'x'"),
    ("json-file", {"cache-disabled": "x"}, "invalid value for option cache-disabled: x"),
    pytest.param("nope", {}, "logger: no log driver named 'nope' is registered", marks=NEWER),
])
def test_bad_options_are_refused_at_creation(api, driver, given, message):
    answer = api.request("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"],
                                                        **with_options(driver, given)})
    assert (answer.status, answer.message) == (400, message)
    assert api.get("/containers/json", all=1) == []


@pytest.mark.parametrize("driver,given,message", [
    ("json-file", {"max-size": "x"}, "invalid size: 'x'"),
    ("json-file", {"max-size": "1m", "max-file": "0"}, "max-file cannot be less than 1"),
    ("json-file", {"max-file": "x"}, 'strconv.Atoi: parsing "x": invalid syntax'),
    ("json-file", {"max-size": "1m", "compress": "true"},
     "compress cannot be true when max-file is less than 2 or max-size is not set"),
    ("local", {"max-file": "1"}, "compression cannot be enabled when max file count is 1"),
    pytest.param("local", {"compress": "x"}, "invalid boolean value for compress", marks=NEWER),
    ("json-file", {"tag": "{{.Nope}}"}, "Nope"),
    ("syslog", {"syslog-address": "tcp://127.0.0.1:1"}, "dial tcp 127.0.0.1:1: connect: connection refused"),
    ("fluentd", {"fluentd-address": "127.0.0.1:1"}, "dial tcp 127.0.0.1:1: connect: connection refused"),
    ("fluentd", {"fluentd-address": "unix:///no/such"}, "dial unix /no/such: connect: no such file or directory"),
    ("gelf", {"gelf-address": "tcp://127.0.0.1:1"}, "gelf: cannot connect to GELF endpoint: 127.0.0.1:1"),
])
def test_bad_values_fail_the_start(api, driver, given, message):
    container = api.create(cmd=["true"], **with_options(driver, given))
    answer = api.request("POST", f"/containers/{container}/start")
    assert answer.status in (400, 500) and "failed to initialize logging driver: " in answer.message
    assert message in answer.message
    assert api.state(container)["Status"] == "created"


def test_info_and_inspect_name_the_driver(api):
    info = api.get("/info")
    assert info["LoggingDriver"] == "json-file"
    assert {"fluentd", "gelf", "journald", "json-file", "local", "syslog"} <= set(info["Plugins"]["Log"])
    plain = api.inspect(api.create(cmd=["true"]))
    assert plain["HostConfig"]["LogConfig"] == {"Type": "json-file", "Config": {}}
    local = api.inspect(api.create(cmd=["true"], **log_to("local", max_size="1m")))
    assert local["HostConfig"]["LogConfig"] == {"Type": "local", "Config": {"max-size": "1m"}}
    assert local["LogPath"] == ""


def test_the_daemon_has_a_default(new_daemon):
    daemon = new_daemon(config={"log-driver": "local", "log-opts": {"max-size": "50k", "cache-max-file": "3"}})
    assert daemon.api.get("/info")["LoggingDriver"] == "local"
    inherits = daemon.api.inspect(daemon.api.create(cmd=["true"]))
    assert inherits["HostConfig"]["LogConfig"] == {"Type": "local",
                                                   "Config": {"max-size": "50k", "cache-max-file": "3"}}
    other = daemon.api.inspect(daemon.api.create(cmd=["true"], **log_to("json-file")))
    assert other["HostConfig"]["LogConfig"]["Config"] == {"cache-max-file": "3"}
    assert daemon.docker("logs", daemon.docker("run", "-d", "busybox", "echo", "kept").out.strip()).err == ""


@pytest.mark.berth
def test_a_wrong_default_stops_the_daemon(options):
    daemon = Daemon(options, "--log-driver", "nope")
    daemon.spawn()
    assert daemon.process.wait(20) != 0
    assert "logger: no log driver named 'nope' is registered" in daemon.log()


# ---- files

def test_local_log_reads_as_json_file_does(docker, api):
    container = finished(api, "echo out; echo err >&2; printf unfinished", **log_to("local"))
    result = docker("logs", container)
    assert (result.out, result.err) == ("out\nunfinished", "err\n")
    line = docker("logs", "-t", "--tail", "1", container).out
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z unfinished", line)
    assert api.logs(container, since=int(time.time()) + 100) == (b"", b"")


def test_local_log_is_dockers_protobuf(engine, api):
    container = finished(api, "echo hello", **log_to("local"))
    with open(data_folder(engine, container) + "/local-logs/container.log", "rb") as f:
        data = f.read()
    assert data[:4] == data[-4:] and int.from_bytes(data[:4], "big") == len(data) - 8
    assert data[4:12] == b"\x0a\x06stdout" and b"\x1a\x05hello" in data


@pytest.mark.berth
def test_details_of_local(docker, api):
    container = finished(api, "echo hello", Labels={"a": "x y"}, **log_to("local", labels="a", tag="{{.Name}}"))
    name = api.inspect(container)["Name"][1:]
    assert docker("logs", "--details", container).out == f"a=x+y,tag={name} hello\n"


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_rotated_files_are_compressed_and_read(engine, docker, api, driver):
    script = "for i in $(seq 1 40); do seq ${i}0001 ${i}0300; sleep 0.01; done"
    container = finished(api, script, **log_to(driver, max_size="30k", max_file="60", compress="true"))
    folder = data_folder(engine, container) + ("/local-logs" if driver == "local" else "")
    # The last of them may still be at it.
    eventually(lambda: glob.glob(folder + "/*.gz") and not os.path.exists(folder + "/container.log.compressing"))
    wanted = [f"{i}{n:04}" for i in range(1, 41) for n in range(1, 301)]
    assert docker("logs", container).out.split() == wanted
    for tail in (1, 299, 5000, 11999):
        assert docker("logs", "--tail", str(tail), container).out.split() == wanted[-tail:]


def test_oldest_files_are_dropped(engine, docker, api):
    container = finished(api, "seq 1 20000", **log_to("local", max_size="20k", max_file="3", compress="false"))
    folder = data_folder(engine, container) + "/local-logs"
    assert sorted(os.listdir(folder)) == ["container.log", "container.log.1", "container.log.2"]
    lines = [int(n) for n in docker("logs", container).out.split()]
    assert lines == list(range(lines[0], 20001)) and lines[0] > 1


@pytest.mark.berth  # the reference engine loses entries here
def test_follow_across_rotation_and_compression(engine, api):
    container = api.create(cmd=["sh", "-c", "for i in $(seq 1 60); do seq ${i}001 ${i}100; sleep 0.02; done"],
                           **log_to("json-file", max_size="20k", max_file="20", compress="true"))
    api.start(container)
    client = engine.popen("logs", "-f", container, stdout=subprocess.PIPE)
    out = client.communicate(timeout=60)[0].decode().split()
    assert out == [f"{i}{n:03}" for i in range(1, 61) for n in range(1, 101)]


@pytest.mark.berth
def test_a_log_without_limits_has_one(api):
    """Docker's default would fill the disk."""
    container = api.create(cmd=["sh", "-c", "yes $(head -c 1000 /dev/zero | tr '\\0' x) | head -c 130000000"])
    api.start(container)
    api.wait(container)
    path = api.inspect(container)["LogPath"]
    assert os.path.getsize(path + ".1") < 101_000_000


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_a_long_line_comes_back_whole(docker, api, driver):
    container = finished(api, "head -c 40000 /dev/zero | tr '\\0' x; echo; echo next", **log_to(driver))
    out = docker("logs", container).out
    # The reference engine forgets the newline of the last part in `local`.
    assert out.replace("\n", "") == "x" * 40000 + "next" and out.endswith("next\n")


def test_parts_of_a_line_in_json(api):
    container = finished(api, "head -c 40000 /dev/zero | tr '\\0' x; sleep 0.1; echo; echo next")
    with open(api.inspect(container)["LogPath"]) as f:
        entries = [json.loads(line) for line in f]
    assert [len(e["log"]) for e in entries] == [16384, 16384, 40000 - 2 * 16384 + 1, 5]
    assert len({e["time"] for e in entries[:3]}) == 1 and entries[3]["time"] > entries[0]["time"]
    assert [e["log"].endswith("\n") for e in entries] == [False, False, True, True]


def test_tag_and_attributes(docker, api):
    container = finished(api, "echo hello", name="tagged", Labels={"color": "red", "other": "x"},
                         Env=["ONE=1", "TWO=2"],
                         **log_to("json-file", labels="color", env_regex="^O", tag="{{.Name}}/{{.ID}}/{{.ImageName}}"))
    with open(api.inspect(container)["LogPath"]) as f:
        attributes = json.loads(f.readline())["attrs"]
    assert attributes == {"color": "red", "ONE": "1", "tag": f"tagged/{container[:12]}/busybox"}
    assert "color=red" in docker("logs", "--details", container).out


# ---- what is lost is counted

def writer_of(container_pid):
    """The process that writes the log of a non-blocking container: a child of its shim."""
    with open(f"/proc/{container_pid}/stat") as f:
        shim = f.read().rsplit(")", 1)[1].split()[1]
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            with open(folder + "/stat") as f:
                name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        if rest.split()[1] == shim and name in ("berth-log", "berth-logger"):
            return int(folder[6:])
    raise AssertionError("no log writer")


@pytest.mark.berth
@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_non_blocking_drops_and_says_so(docker, api, driver):
    container = api.create(cmd=["sh", "-c", "echo begin; read x; seq 1 200000; read y; echo end"], OpenStdin=True,
                           **log_to(driver, mode="non-blocking", max_buffer_size="100k"))
    api.start(container)
    eventually(lambda: api.logs(container)[0] == b"begin\n")
    writer = writer_of(api.state(container)["Pid"])
    stdin = api.hijack(f"/containers/{container}/attach", {"stream": 1, "stdin": 1})
    os.kill(writer, signal.SIGSTOP)  # a disk that doesn't answer
    try:
        stdin.send(b"go\n")
        dropped = eventually(lambda: api.inspect(container).get("LogStatus", {}).get("Dropped"), 30)
    finally:
        os.kill(writer, signal.SIGCONT)
    assert dropped > 0
    eventually(lambda: len(api.logs(container)[0]) > 1000)
    stdin.send(b"go\n")
    api.wait(container)
    eventually(lambda: api.logs(container)[0].endswith(b"end\n"))
    out, err = api.logs(container)
    lines = out.decode().split("\n")[:-1]
    told = sum(int(n) for n in re.findall(rb"berth: (\d+) log entr\w+ (?:is|are) missing here", err))
    assert told == api.inspect(container)["LogStatus"]["Dropped"]
    numbers = [int(line) for line in lines[1:-1]]
    assert numbers == sorted(set(numbers)), "no line was cut"
    assert len(numbers) + told == 200000


@pytest.mark.berth
def test_a_full_disk_stops_nobody(options, archive):
    daemon = Daemon(options)
    folder = daemon.data_root + "/containers"
    os.makedirs(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)
    try:
        daemon.start()
        daemon.load(archive)
        container = daemon.api.create(cmd=["sh", "-c", "seq 1 100000; echo full >&2; read x; echo room again"],
                                      OpenStdin=True, **log_to("json-file", max_size="100m"))
        daemon.api.start(container)
        eventually(lambda: daemon.api.inspect(container).get("LogStatus", {}).get("Dropped"), 30)
        with open(daemon.api.inspect(container)["LogPath"], "rb+") as f:
            f.truncate(0)  # somebody makes room
        stdin = daemon.api.hijack(f"/containers/{container}/attach", {"stream": 1, "stdin": 1})
        stdin.send(b"go\n")
        daemon.api.wait(container)
        out, err = daemon.api.logs(container)
        assert out.endswith(b"room again\n")
        told = sum(int(n) for n in re.findall(rb"berth: (\d+) log entr\w+ \w+ missing here: No space left on device", err))
        assert told > 0
        eventually(lambda: daemon.api.inspect(container)["LogStatus"]["Dropped"] == told)
        daemon.remove_containers()
    finally:
        daemon.stop()
        subprocess.run(["umount", folder], check=True)
        daemon.destroy()


# ---- sinks

@pytest.fixture
def sink():
    made = []

    def make(*arguments, **options):
        made.append(sinks.unix(*arguments, **options) if isinstance(arguments[1:] and arguments[1], str)
                    else sinks.inet(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


STAMP = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
ZONE = r"(?:Z|[+-]\d\d:\d\d)"


@pytest.mark.parametrize("network", ["udp", "tcp", "unix", "unixgram"])
def test_syslog(api, docker, sink, tmp_path, network):
    kind = STREAM if network in ("tcp", "unix") else DGRAM
    if network.startswith("unix"):
        server, address = sink(kind, str(tmp_path / "syslog")), f"{network}://{tmp_path}/syslog"
    else:
        server = sink(kind)
        address = f"{network}://127.0.0.1:{server.port}"
    container = finished(api, "echo hello; sleep 0.2; echo oops >&2; echo", **log_to("syslog", syslog_address=address))
    eventually(lambda: len(server.all()) >= 2)
    tag = container[:12].encode()
    first, second = server.all()[:2]
    assert re.fullmatch(rb"<30>%b %b\[\d+\]: hello\n" % (STAMP.encode(), tag), first), first
    assert re.fullmatch(rb"<27>%b %b\[\d+\]: oops\n" % (STAMP.encode(), tag), second), second


@pytest.mark.parametrize("wanted,pattern", [
    ("rfc3164", rf"<134>{STAMP} (\S+) box\[\d+\]: hello\n"),
    ("rfc5424", rf"<134>1 {RFC3339}{ZONE} (\S+) box \d+ box - hello\n"),
    ("rfc5424micro", rf"<134>1 {RFC3339}\.\d{{6}}{ZONE} (\S+) box \d+ box - hello\n"),
])
def test_syslog_formats(api, sink, wanted, pattern):
    server = sink(DGRAM)
    finished(api, "echo hello", name="box",
             **log_to("syslog", syslog_address=f"udp://127.0.0.1:{server.port}", syslog_format=wanted,
                      syslog_facility="local0", tag="{{.Name}}"))
    message = eventually(server.all)[0].decode()
    assert re.fullmatch(pattern, message).group(1) == socket.gethostname()


def test_syslog_over_tls(api, sink, tmp_path):
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    context = sinks.ssl.SSLContext(sinks.ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = sink(STREAM, tls=context)
    options = {"syslog-address": f"tcp+tls://127.0.0.1:{server.port}", "syslog-format": "rfc5424"}
    refused = api.create(cmd=["true"], **with_options("syslog", options))
    answer = api.request("POST", f"/containers/{refused}/start")
    assert answer.status == 500 and "certificate" in answer.message
    finished(api, "echo hello", **with_options("syslog", {**options, "syslog-tls-ca-cert": certificate}))
    message = eventually(server.all)[0].decode()
    length, text = message.split(" ", 1)  # RFC 5425
    assert text.endswith(" - hello\n") and int(length) == len(text)


def test_fluentd(api, docker, sink):
    server = sink(STREAM, of=sinks.Fluentd)
    before = int(time.time())
    container = finished(api, "echo hello; sleep 0.2; echo oops >&2", name="box", Labels={"a": "1"},
                         **log_to("fluentd", fluentd_address=f"127.0.0.1:{server.port}", labels="a", tag="x.{{.Name}}"))
    eventually(lambda: len(server.all()) == 2)
    tag, when, record, option = server.all()[0]
    assert tag == "x.box" and before <= when <= time.time() and not option
    assert record == {"container_id": container, "container_name": "/box", "source": "stdout", "log": "hello", "a": "1"}
    assert server.records()[1]["source"] == "stderr"
    eventually(lambda: docker("logs", container).out == "hello\n")


def test_fluentd_parts_and_precision(api, sink, tmp_path):
    server = sink(STREAM, str(tmp_path / "fluentd"), of=sinks.Fluentd)
    finished(api, "head -c 40000 /dev/zero | tr '\\0' x; echo",
             **log_to("fluentd", fluentd_address=f"unix://{tmp_path}/fluentd", fluentd_sub_second_precision="true"))
    eventually(lambda: len(server.all()) == 3)
    records = server.records()
    assert [len(r["log"]) for r in records] == [16384, 16384, 7232]
    assert [(r["partial_message"], r["partial_ordinal"], r["partial_last"]) for r in records] == [
        ("true", "1", "false"), ("true", "2", "false"), ("true", "3", "true")]
    assert len({r["partial_id"] for r in records}) == 1 and re.fullmatch("[0-9a-f]{64}", records[0]["partial_id"])
    assert {message[1][0] for message in server.all()} == {"event time"}
    assert len({message[1] for message in server.all()}) == 1


@pytest.mark.berth
def test_fluentd_acknowledges(api, sink):
    server = sink(STREAM, of=sinks.Fluentd)
    finished(api, "seq 1 1000", **log_to("fluentd", fluentd_address=f"127.0.0.1:{server.port}",
                                         fluentd_request_ack="true"))
    eventually(lambda: server.lines() == [str(i) for i in range(1, 1001)])


@pytest.mark.parametrize("packing", ["gzip", "zlib", "none"])
def test_gelf_over_udp(api, docker, sink, packing):
    server = sink(DGRAM, of=sinks.Gelf)
    noise = "head -c 9000 /dev/urandom | base64 | tr -d '\\n'"
    container = finished(api, f"echo hello; {noise}; echo; echo oops >&2; echo", name="box", Env=["VERSION=7"],
                         **log_to("gelf", gelf_address=f"udp://127.0.0.1:{server.port}",
                                  gelf_compression_type=packing, env="VERSION"))
    eventually(lambda: len(server.all()) >= 3)
    items = {json.loads(text)["short_message"][:5]: (json.loads(text), how) for text, how in server.all()}
    message, how = items["hello"]
    image = api.inspect(container)["Image"]
    created = message.pop("_created")
    assert re.fullmatch(RFC3339 + r"(\.\d+)?Z", created)
    assert abs(message.pop("timestamp") - time.time()) < 100
    assert message == {"version": "1.1", "host": socket.gethostname(), "short_message": "hello", "level": 6,
                       "_command": f"sh -c echo hello; {noise}; echo; echo oops >&2; echo", "_container_id": container,
                       "_container_name": "box", "_image_id": image, "_image_name": "busybox",
                       "_tag": container[:12], "_VERSION": "7"}
    assert how == (packing, False)
    assert items["oops"][0]["level"] == 3
    long = [how for text, how in server.all() if len(json.loads(text)["short_message"]) > 9000]
    assert long == [(packing, True)]


def test_gelf_over_tcp(api, sink):
    server = sink(STREAM, of=sinks.Gelf)
    finished(api, "printf 'tab\\there \"quoted\"\\n'", **log_to("gelf", gelf_address=f"tcp://127.0.0.1:{server.port}"))
    assert json.loads(eventually(server.all)[0][0])["short_message"] == 'tab\there "quoted"'


class JournalDaemon(Daemon):
    """One that sees a journal of the test's in /run."""

    def command(self):
        script = ("mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal /run/lock && "
                  f"mount --bind {self.root}/journal /run/systemd/journal && exec \"$@\"")
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", *super().command()]


def test_journald(options, archive, sink):
    daemon = JournalDaemon(options)
    os.mkdir(daemon.root + "/journal")
    server = sink(DGRAM, daemon.root + "/journal/socket", of=sinks.Journal)
    try:
        daemon.start()
        daemon.load(archive)
        container = daemon.api.create(cmd=["sh", "-c", "echo hello; head -c 20000 /dev/zero | tr '\\0' x; echo"],
                                      name="box", Labels={"my.label": "1"},
                                      **log_to("journald", labels="my.label", tag="{{.Name}}"))
        daemon.api.start(container)
        daemon.api.wait(container)
        eventually(lambda: len(server.all()) == 3)
        first, second, third = server.all()
        assert {k: first[k] for k in ("MESSAGE", "PRIORITY", "CONTAINER_ID", "CONTAINER_ID_FULL", "CONTAINER_NAME",
                                      "CONTAINER_TAG", "SYSLOG_IDENTIFIER", "IMAGE_NAME", "MY_LABEL")} == {
            "MESSAGE": "hello", "PRIORITY": "6", "CONTAINER_ID": container[:12], "CONTAINER_ID_FULL": container,
            "CONTAINER_NAME": "box", "CONTAINER_TAG": "box", "SYSLOG_IDENTIFIER": "box", "IMAGE_NAME": "busybox",
            "MY_LABEL": "1"}
        assert "CONTAINER_PARTIAL_MESSAGE" not in first
        assert second["CONTAINER_PARTIAL_MESSAGE"] == "true" and len(second["MESSAGE"]) == 16384
        if options.is_berth:  # what the reference engine adds only later
            assert first["CONTAINER_LOG_ORDINAL"] == "1" and re.match(RFC3339, first["SYSLOG_TIMESTAMP"])
            assert (second["CONTAINER_PARTIAL_ORDINAL"], second["CONTAINER_PARTIAL_LAST"]) == ("1", "false")
            assert (third["CONTAINER_PARTIAL_ORDINAL"], third["CONTAINER_PARTIAL_LAST"]) == ("2", "true")
            assert daemon.docker("logs", container).out == "hello\n" + "x" * 20000 + "\n"
            assert "CONTAINER_PARTIAL_MESSAGE" not in third
    finally:
        daemon.destroy()


@pytest.mark.skipif(os.path.exists("/run/systemd/journal/socket"), reason="this host has a journal")
def test_journald_where_there_is_none(api):
    container = api.create(cmd=["true"], **log_to("journald"))
    answer = api.request("POST", f"/containers/{container}/start")
    assert answer.status == 500 and "journald is not enabled on this host" in answer.message


@pytest.mark.parametrize("disabled", [False, True])
def test_the_cache_beside_a_sink(api, docker, sink, disabled):
    server = sink(DGRAM)
    config = {"syslog-address": f"udp://127.0.0.1:{server.port}", **({"cache-disabled": "true"} if disabled else {})}
    container = finished(api, "seq 1 100", **with_options("syslog", config))
    eventually(lambda: len(server.all()) == 100)
    if disabled:
        assert "configured logging driver does not support reading" in docker("logs", container, code=1).err
    else:
        eventually(lambda: docker("logs", "--tail", "2", container).out == "99\n100\n")


# ---- sinks that are away, and processes that are killed: only Berth promises something

COUNT = "for i in $(seq 1 %d); do echo $i; sleep %s; done"


def numbers(count):
    return [str(i) for i in range(1, count + 1)]


@pytest.mark.berth
def test_a_sink_that_goes_away_misses_nothing(api, sink, tmp_path):
    path = str(tmp_path / "fluentd")
    server = sink(STREAM, path, of=sinks.Fluentd)
    container = api.create(cmd=["sh", "-c", COUNT % (100, "0.02") + "; echo done >&2; read x"], OpenStdin=True,
                           **log_to("fluentd", fluentd_address=f"unix://{path}", fluentd_retry_wait="100ms"))
    api.start(container)
    eventually(lambda: len(server.all()) > 10)
    server.close()
    os.unlink(path)
    eventually(lambda: api.logs(container)[1] == b"done\n", 30)  # it was not stopped by that
    eventually(lambda: api.inspect(container)["LogStatus"]["Unsent"] > 0)
    again = sink(STREAM, path, of=sinks.Fluentd)
    eventually(lambda: again.lines()[-1:] == ["done"], 30)
    # What the server's end of the old connection had not read yet when it closed is the network's to lose.
    assert again.lines()[:-1] == numbers(100)[-(len(again.lines()) - 1):]
    eventually(lambda: "LogStatus" not in api.inspect(container))


@pytest.mark.berth
def test_what_a_sink_did_not_get_is_sent_by_the_next_start(api, sink, tmp_path):
    path = str(tmp_path / "fluentd")
    container = api.create(cmd=["seq", "1", "50"], **log_to("fluentd", fluentd_address=f"unix://{path}",
                                                            fluentd_async="true", fluentd_retry_wait="50ms"))
    api.start(container)
    api.wait(container)
    eventually(lambda: api.inspect(container).get("LogStatus") == {"Dropped": 0, "Unsent": 50}, 20)
    server = sink(STREAM, path, of=sinks.Fluentd)
    api.start(container)
    eventually(lambda: server.lines() == numbers(50) * 2)


@pytest.mark.berth
def test_kills_lose_nothing(new_daemon, sink, tmp_path):
    daemon = new_daemon()
    path = str(tmp_path / "fluentd")
    server = sink(STREAM, path, of=sinks.Fluentd)
    container = daemon.api.create(cmd=["sh", "-c", COUNT % (150, "0.02")],
                                  **log_to("fluentd", fluentd_address=f"unix://{path}", fluentd_request_ack="true"))
    daemon.api.start(container)
    eventually(lambda: len(server.all()) > 10)
    daemon.kill()
    seen = len(server.all())
    eventually(lambda: len(server.all()) > seen + 10)  # without a daemon
    daemon.start()
    os.kill(writer_of(daemon.api.state(container)["Pid"]), signal.SIGKILL)
    eventually(lambda: server.lines()[-1:] == ["150"], 30)
    # What was under way when the helper was killed may have been sent twice.
    assert list(dict.fromkeys(server.lines())) == numbers(150)
    daemon.api.wait(container)
    assert daemon.api.logs(container)[0].decode().split() == numbers(150)


@pytest.mark.berth
def test_a_killed_shim_leaves_no_helper(api, sink):
    server = sink(STREAM, of=sinks.Fluentd)
    container = api.create(cmd=["sh", "-c", "echo hello; sleep 1000"],
                           **log_to("fluentd", fluentd_address=f"127.0.0.1:{server.port}"))
    api.start(container)
    eventually(lambda: server.lines() == ["hello"])
    pid = api.state(container)["Pid"]
    helper = writer_of(pid)
    with open(f"/proc/{pid}/stat") as f:
        os.kill(int(f.read().rsplit(")", 1)[1].split()[1]), signal.SIGKILL)
    assert api.wait(container) == 137
    eventually(lambda: not os.path.exists(f"/proc/{helper}"))
    api.start(container)
    eventually(lambda: server.lines() == ["hello", "hello"])


@pytest.mark.berth
def test_a_sink_that_is_away_too_long(api, sink, tmp_path):
    """The files hold what they hold; the rest is counted, and the sink is told."""
    path = str(tmp_path / "fluentd")
    container = api.create(cmd=["sh", "-c", "seq 1 30000; echo done >&2; read x"], OpenStdin=True,
                           **log_to("fluentd", fluentd_address=f"unix://{path}", fluentd_async="true",
                                    fluentd_retry_wait="50ms", cache_max_size="100k", cache_max_file="3"))
    api.start(container)
    eventually(lambda: api.logs(container)[1] == b"done\n", 30)
    server = sink(STREAM, path, of=sinks.Fluentd)
    eventually(lambda: server.lines()[-1:] == ["done"], 30)
    told = sum(int(re.match(r"berth: (\d+) log entr", line).group(1)) for line in server.lines() if "berth" in line)
    assert told > 0
    eventually(lambda: api.inspect(container).get("LogStatus") == {"Dropped": told, "Unsent": 0})
    got = [line for line in server.lines() if line.isdigit()]
    assert len(got) + told == 30000 and got[-1] == "30000"


@pytest.mark.berth
def test_blocking_waits_for_the_sink(api, sink, tmp_path):
    path = str(tmp_path / "fluentd")
    container = api.create(cmd=["sh", "-c", "yes $(seq -s. 1 30) | head -n 60000"],
                           **log_to("fluentd", fluentd_address=f"unix://{path}", fluentd_async="true", mode="blocking",
                                    fluentd_retry_wait="50ms", cache_max_size="1m", cache_max_file="3"))
    api.start(container)
    eventually(lambda: api.inspect(container).get("LogStatus", {}).get("Unsent", 0) > 10000)
    unsent = eventually(lambda: still(lambda: api.inspect(container)["LogStatus"]["Unsent"]), 30)
    assert api.state(container)["Running"] and unsent < 60000
    server = sink(STREAM, path, of=sinks.Fluentd)
    api.wait(container)
    eventually(lambda: len(server.all()) == 60000, 60)
    eventually(lambda: "LogStatus" not in api.inspect(container))


def still(question):
    """The answer, if it doesn't change within half a second."""
    first = question()
    time.sleep(0.5)
    return first if question() == first else None


@pytest.mark.berth
def test_log_flags_of_berth(engine, options, sink):
    server = sink(DGRAM)
    berth = options.bin_dir + "/berth"
    run = subprocess.run([berth, "run", "--rm", "--log-driver", "syslog", "--log-opt",
                          f"syslog-address=udp://127.0.0.1:{server.port}", "--log-opt", "tag=mine", "busybox",
                          "echo", "hello"], env=engine.environment(), capture_output=True, timeout=60)
    assert (run.returncode, run.stdout) == (0, b"hello\n"), run.stderr
    assert b" mine[" in eventually(server.all)[0]


def test_gzip_is_plain(engine, api):
    """Rotated files are for other tools too."""
    container = finished(api, "for i in 1 2 3 4; do seq 1 2000; sleep 0.2; done",
                         **log_to("json-file", max_size="100k", max_file="5", compress="true"))
    path = eventually(lambda: glob.glob(data_folder(engine, container) + "/*.gz"))[0]
    with gzip.open(path, "rt") as f:
        assert json.loads(f.readline())["log"].strip().isdigit()
