"""start, stop, restart, kill, wait, rm, rename, pause, ps, inspect: what a container goes through."""

import json
import subprocess
import threading
import time

import pytest

from support.waiting import eventually

IDLE = ["sleep", "1000"]
# Ends at once on SIGTERM; a bare sleep as pid 1 would ignore it.
POLITE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"]
STUBBORN = ["sh", "-c", "trap 'echo ignored' TERM; while :; do sleep 0.05; done"]


def running(api, cmd=None, **spec):
    container = api.create(cmd=cmd or IDLE, **spec)
    api.start(container)
    return container


def test_start_twice_is_304(api):
    container = running(api)
    assert api.request("POST", f"/containers/{container}/start").status == 304


def test_stop_of_a_stopped_one_is_304(api):
    container = api.create(cmd=["true"])
    assert api.request("POST", f"/containers/{container}/stop").status == 304


def test_stop_sends_sigterm_first(api):
    container = running(api, POLITE)
    started = time.monotonic()
    assert api.request("POST", f"/containers/{container}/stop", query={"t": 10}).status == 204
    assert time.monotonic() - started < 5
    assert api.state(container)["ExitCode"] == 0


def test_stop_kills_after_its_timeout(api):
    container = running(api, STUBBORN)
    time.sleep(0.2)
    started = time.monotonic()
    assert api.request("POST", f"/containers/{container}/stop", query={"t": 1}).status == 204
    assert 0.9 < time.monotonic() - started < 8
    assert api.state(container)["ExitCode"] == 137
    assert b"ignored" in api.logs(container)[0]


def test_stop_signal_and_timeout_of_the_container(docker, api):
    container = docker("run", "-d", "--stop-signal", "USR1", "--stop-timeout", "20", "busybox", "sh", "-c",
                       "trap 'exit 9' USR1; echo up; while :; do sleep 0.05; done").out.strip()
    eventually(lambda: api.logs(container)[0])
    docker("stop", container)
    assert api.state(container)["ExitCode"] == 9
    config = api.inspect(container)["Config"]
    assert config["StopSignal"] == "USR1" and config["StopTimeout"] == 20


def test_stop_signal_of_the_image(api):
    assert api.inspect(api.create("full"))["Config"]["StopSignal"] == "SIGUSR1"


def test_restart_runs_it_again(docker, api):
    container = running(api, ["sh", "-c", "echo run; exec sleep 1000"])
    first = api.state(container)
    docker("restart", "-t", "0", container)
    second = api.state(container)
    assert second["Running"] and second["Pid"] != first["Pid"] and second["StartedAt"] > first["StartedAt"]
    eventually(lambda: api.logs(container)[0] == b"run\nrun\n")


def test_start_again_keeps_files(docker, api):
    container = api.create(cmd=["sh", "-c", "echo x >> /count; cat /count"])
    for _ in range(3):
        api.start(container)
        api.wait(container)
    assert api.logs(container)[0] == b"x\n" + b"x\n" * 2 + b"x\n" * 3


@pytest.mark.parametrize("signal,code", [("KILL", 137), ("SIGKILL", 137), ("9", 137), ("sigterm", None), ("USR2", None)])
def test_kill(api, signal, code):
    container = running(api, ["sh", "-c", "trap 'exit 5' TERM USR2; while :; do sleep 0.05; done"])
    time.sleep(0.2)
    assert api.request("POST", f"/containers/{container}/kill", query={"signal": signal}).status == 204
    assert api.wait(container) == (code or 5)


def test_kill_of_a_stopped_one_is_409(api):
    container = api.create(cmd=["true"])
    answer = api.request("POST", f"/containers/{container}/kill")
    assert answer.status == 409
    assert answer.message.lower() == f"cannot kill container: {container}: container {container} is not running"


def test_kill_with_an_unknown_signal(api):
    answer = api.request("POST", f"/containers/{running(api)}/kill", query={"signal": "SIGNOPE"})
    assert answer.status in (400, 500) and "invalid signal: signope" in answer.message.lower()


def wait_in_thread(api, container, condition):
    """Starts to wait; returns a function for the result. Waits until the daemon has answered with the headers."""
    response = api.stream("POST", f"/containers/{container}/wait", {"condition": condition} if condition else {})
    return lambda: json.loads(response.read())


def test_wait_not_running(api):
    container = api.create(cmd=["sh", "-c", "exit 3"])
    assert api.wait(container) == 0  # it is not running yet
    api.start(container)
    assert api.wait(container) == 3
    assert api.wait(container) == 3


def test_wait_next_exit(api):
    container = api.create(cmd=["sh", "-c", "exit 4"])
    result = wait_in_thread(api, container, "next-exit")
    api.start(container)
    assert result()["StatusCode"] == 4


def test_wait_removed(api):
    container = api.create(cmd=["sh", "-c", "exit 6"], HostConfig={"AutoRemove": True})
    result = wait_in_thread(api, container, "removed")
    api.start(container)
    assert result()["StatusCode"] == 6
    assert api.request("GET", f"/containers/{container}/json").status == 404


@pytest.mark.berth
def test_wait_with_an_unknown_condition(api):
    answer = api.request("POST", f"/containers/{api.create()}/wait", query={"condition": "sunshine"})
    assert answer.status == 400 and 'invalid condition: "sunshine"' in answer.message


def test_many_waiters(api):
    container = running(api, ["sh", "-c", "sleep 0.5; exit 8"])
    codes = []
    threads = [threading.Thread(target=lambda: codes.append(api.wait(container))) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert codes == [8] * 20


def test_remove_of_a_running_one_is_409(api):
    container = running(api)
    answer = api.request("DELETE", f"/containers/{container}")
    assert answer.status == 409
    assert "cannot remove" in answer.message.lower() and "running" in answer.message
    assert api.state(container)["Running"]


def test_forced_remove(api):
    container = running(api)
    assert api.request("DELETE", f"/containers/{container}", query={"force": 1}).status == 204
    assert api.request("GET", f"/containers/{container}/json").status == 404


def test_removing_twice(api):
    container = api.create()
    api.remove(container)
    answer = api.request("DELETE", f"/containers/{container}")
    assert answer.status == 404 and answer.message == f"No such container: {container}"


def test_rename(docker, api):
    container = api.create(name="old")
    docker("rename", "old", "new")
    assert api.inspect("new")["Id"] == container and api.inspect(container)["Name"] == "/new"
    assert api.request("GET", "/containers/old/json").status == 404
    api.create(name="old")
    answer = api.request("POST", "/containers/new/rename", query={"name": "old"})
    assert answer.status == 409 and 'The container name "/old" is already in use by container' in answer.message


def test_rename_to_a_bad_name(api):
    api.create(name="fine")
    assert api.request("POST", "/containers/fine/rename", query={"name": "not fine"}).status in (400, 500)
    assert api.inspect("fine")


def test_pause(docker, api):
    container = running(api, ["sh", "-c", "while :; do date +%N; sleep 0.01; done"])
    docker("pause", container)
    state = api.state(container)
    assert state["Paused"] and state["Running"] and state["Status"] == "paused"
    quiet = len(api.logs(container)[0])
    time.sleep(0.3)
    assert len(api.logs(container)[0]) == quiet
    assert "(Paused)" in docker("ps", "--filter", "id=" + container).out
    answer = api.request("POST", f"/containers/{container}/pause")
    assert answer.status in (409, 500) and "already paused" in answer.message
    docker("unpause", container)
    eventually(lambda: len(api.logs(container)[0]) > quiet)
    answer = api.request("POST", f"/containers/{container}/unpause")
    assert answer.status in (409, 500) and "is not paused" in answer.message


def test_killing_a_paused_one(api):
    container = running(api)
    api.post(f"/containers/{container}/pause")
    api.remove(container)


# ---- restart policies

def test_restart_always(api):
    container = api.create(cmd=["sh", "-c", "echo x; sleep 0.1; exit 1"], HostConfig={"RestartPolicy": {"Name": "always"}})
    api.start(container)
    eventually(lambda: api.inspect(container)["RestartCount"] >= 2, 20)
    api.post(f"/containers/{container}/stop", t=0)
    time.sleep(0.5)
    assert not api.state(container)["Running"] and not api.state(container)["Restarting"]


def test_restart_on_failure_gives_up(api):
    container = api.create(cmd=["sh", "-c", "exit 1"],
                           HostConfig={"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}})
    api.start(container)
    eventually(lambda: api.inspect(container)["RestartCount"] == 2 and api.state(container)["Status"] == "exited", 20)
    assert api.state(container)["ExitCode"] == 1


def test_restart_on_failure_not_after_success(api):
    container = api.create(cmd=["true"], HostConfig={"RestartPolicy": {"Name": "on-failure"}})
    api.start(container)
    api.wait(container)
    time.sleep(0.5)
    assert api.inspect(container)["RestartCount"] == 0 and api.state(container)["Status"] == "exited"


def test_bad_restart_policy(docker):
    assert "invalid restart policy" in docker("create", "--restart", "sometimes", "busybox", code=None).err
    assert docker("create", "--restart", "always", "--rm", "busybox", code=None).code != 0


# ---- list

def listed(api, **filters):
    return {name.lstrip("/") for c in api.get("/containers/json", all=1, filters=filters) for name in c["Names"]}


@pytest.fixture
def three(api):
    api.create(name="created", Labels={"who": "one", "all": ""})
    exited = api.create(cmd=["sh", "-c", "exit 3"], name="exited", Labels={"who": "two", "all": ""})
    api.start(exited)
    api.wait(exited)
    api.start(api.create("full", name="up", Entrypoint=["sleep", "1000"], Cmd=[], Labels={"all": ""}))


def test_list_filters(api, three):
    everyone = {"created", "exited", "up"}
    assert listed(api) == everyone
    assert {c["Names"][0] for c in api.get("/containers/json")} == {"/up"}
    for filters, expected in [
            ({"status": ["created"]}, {"created"}), ({"status": ["exited", "running"]}, {"exited", "up"}),
            ({"name": ["exi"]}, {"exited"}), ({"name": ["^/up$"]}, {"up"}), ({"label": ["who"]}, {"created", "exited"}),
            ({"label": ["who=two"]}, {"exited"}), ({"label": ["all", "who=one"]}, {"created"}),
            ({"exited": ["3"]}, {"exited"}), ({"ancestor": ["busybox"]}, {"created", "exited", "up"} - {"up"}),
            ({"ancestor": ["full:latest"]}, {"up"}), ({"volume": ["/vol"]}, {"up"}), ({"before": ["exited"]}, {"created"}),
            ({"since": ["exited"]}, {"up"}), ({"network": ["bridge"]}, everyone), ({"expose": ["8080/tcp"]}, {"up"}),
            ({"is-task": ["false"]}, everyone), ({"health": ["none"]}, everyone),
            ({"id": [api.inspect("up")["Id"][:12]]}, {"up"})]:
        assert listed(api, **filters) == expected, filters


def test_list_filter_of_an_unknown_container(api):
    answer = api.request("GET", "/containers/json", query={"filters": {"before": ["ghost"]}, "all": 1})
    assert answer.status in (404, 500) and "ghost" in answer.message


def test_list_rejects_unknown_filters(api):
    answer = api.request("GET", "/containers/json", query={"filters": {"color": ["red"]}})
    assert answer.status == 400
    answer = api.request("GET", "/containers/json", query={"filters": {"status": ["dancing"]}})
    assert answer.status == 400


def test_list_limit_and_size(api, three):
    assert [c["Names"] for c in api.get("/containers/json", limit=1)] == [["/up"]]
    assert len(api.get("/containers/json", limit=2)) == 2
    up, = api.get("/containers/json", size=1)
    assert up["SizeRootFs"] > 100000 and up.get("SizeRw", 0) == 0  # what a start makes isn't the container's


def test_list_fields(docker, api, three):
    up, = api.get("/containers/json")
    assert up["Image"] == "full" and up["ImageID"].startswith("sha256:") and up["Command"] == "sleep 1000"
    assert up["State"] == "running" and up["Status"].startswith("Up ") and isinstance(up["Created"], int)
    assert up["Labels"] == {"all": "", "image.label": "one"}
    assert up["HostConfig"] == {"NetworkMode": "default"} or up["HostConfig"]["NetworkMode"] in ("default", "bridge")
    assert up["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    assert up["Mounts"][0]["Destination"] == "/vol"
    table = docker("ps", "-a", "--format", "{{.Names}} {{.Status}}").out
    assert "created Created" in table and "exited Exited (3) " in table
    assert "53/udp, 8080/tcp" in docker("ps", "--format", "{{.Ports}}").out


def test_inspect_fields(docker, api, scratch):
    docker("run", "-d", "--name", "all", "-m", "64m", "-v", scratch + ":/m", "-e", "A=b", "-p", "127.0.0.1::80", "--init",
           "--read-only", "--cap-add", "NET_ADMIN", "--restart", "unless-stopped", "busybox", *IDLE)
    c = api.inspect("all")
    assert c["Path"] == "sleep" and c["Args"] == ["1000"] and c["Driver"] in ("overlay2", "vfs")
    assert c["State"]["Status"] == "running" and c["State"]["Pid"] > 0
    assert c["State"]["FinishedAt"] == "0001-01-01T00:00:00Z"
    assert c["Image"].startswith("sha256:") and c["Config"]["Image"] == "busybox" and c["Platform"] == "linux"
    assert c["ResolvConfPath"] and c["HostnamePath"] and c["HostsPath"] and c["LogPath"].endswith("-json.log")
    host = c["HostConfig"]
    assert host["Memory"] == 64 << 20 and host["MemorySwap"] == 128 << 20 and host["Init"] is True
    assert host["ReadonlyRootfs"] is True and host["CapAdd"] in (["NET_ADMIN"], ["CAP_NET_ADMIN"])
    assert host["RestartPolicy"] == {"Name": "unless-stopped", "MaximumRetryCount": 0}
    assert host["Binds"] == [scratch + ":/m"] and host["LogConfig"]["Type"] == "json-file"
    assert host["ShmSize"] == 64 << 20 and host["CgroupnsMode"] in ("host", "private")
    assert "/proc/kcore" in host["MaskedPaths"] and "/proc/sys" in host["ReadonlyPaths"]
    assert c["Mounts"] == [{"Type": "bind", "Source": scratch, "Destination": "/m", "Mode": "", "RW": True,
                            "Propagation": "rprivate"}]
    network = c["NetworkSettings"]["Networks"]["bridge"]
    for key in ("NetworkID", "EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "MacAddress"):
        assert network[key], key
    binding, = c["NetworkSettings"]["Ports"]["80/tcp"]
    assert binding["HostIp"] == "127.0.0.1" and int(binding["HostPort"]) > 0
    assert c["GraphDriver"]["Name"] == c["Driver"]
    with_size = api.get("/containers/all/json", size=1)
    assert "SizeRootFs" in with_size and "SizeRw" in with_size


def test_short_ids_and_names(api):
    container = api.create(name="named")
    for name in (container, container[:12], container[:4], "named", "/named"):
        assert api.inspect(name.lstrip("/"))["Id"] == container


def test_ambiguous_prefix(api):
    ids = [api.create() for _ in range(20)]
    first = {i[0] for i in ids}
    doubled = next(c for c in first if sum(i[0] == c for i in ids) > 1)
    answer = api.request("GET", f"/containers/{doubled}/json")
    assert answer.status in (400, 404, 500) and doubled in answer.message


def test_port_command(docker):
    docker("run", "-d", "--name", "ported", "-p", "127.0.0.1:18080:80", "busybox", *IDLE)
    assert docker("port", "ported").out == "80/tcp -> 127.0.0.1:18080\n"
    assert docker("port", "ported", "80").out == "127.0.0.1:18080\n"
    assert "No public port '81" in docker("port", "ported", "81", code=1).err


def test_container_prune(docker, api):
    api.create(name="dead")
    api.start(api.create(cmd=IDLE, name="alive"))
    docker("container", "prune", "-f")
    assert listed(api) == {"alive"}


def test_update(docker, api):
    container = running(api, HostConfig={"Memory": 64 << 20, "MemorySwap": 64 << 20})
    docker("update", "-m", "128m", "--memory-swap", "256m", "--restart", "always", container)
    c = api.inspect(container)
    assert c["HostConfig"]["Memory"] == 128 << 20 and c["HostConfig"]["RestartPolicy"]["Name"] == "always"
    docker("update", "--restart", "no", container)


def test_update_refuses_what_contradicts(api):
    container = running(api, HostConfig={"Memory": 64 << 20, "NanoCpus": 500_000_000})  # swap: 128 MiB
    for body, problem in (
            ({"Memory": 256 << 20}, "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the "
                                    "same time"),
            ({"CpuQuota": 50000}, "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set")):
        answer = api.request("POST", f"/containers/{container}/update", body)
        assert (answer.status, answer.message) == (409, f"Cannot update container {container}: {problem}")
    api.post(f"/containers/{container}/update", {"PidsLimit": -1})
    limits = api.inspect(container)["HostConfig"]
    assert (limits["Memory"], limits["CpuQuota"], limits["PidsLimit"]) == (64 << 20, 0, 0)


def test_given_and_absent_lists_are_told_apart(api):
    hosts = [api.inspect(api.create(HostConfig=given))["HostConfig"] for given in ({}, {"Dns": [], "PortBindings": {}})]
    assert [(h["Dns"], h["PortBindings"], h["Devices"], h["ConsoleSize"]) for h in hosts] == [
        (None, None, None, [0, 0]), ([], {}, None, [0, 0])]


# ---- exec

def test_exec(docker):
    docker("run", "-d", "--name", "ex", "-e", "A=b", "busybox", *IDLE)
    result = docker("exec", "ex", "sh", "-c", "echo $A; echo err >&2; exit 7", code=7)
    assert (result.out, result.err) == ("b\n", "err\n")
    assert docker("exec", "-i", "ex", "cat", stdin=b"in\n").out == "in\n"
    assert docker("exec", "-w", "/etc", "-u", "app", "-e", "X=1", "ex", "sh", "-c", "pwd; id -u; echo $X").out == "/etc\n1000\n1\n"
    assert docker("exec", "ex", "/no/such", code=None).code in (126, 127)
    assert docker("exec", "-t", "ex", "tty").out.startswith("/dev/pts/")


def test_exec_in_a_stopped_one(api):
    answer = api.request("POST", f"/containers/{api.create()}/exec", {"Cmd": ["true"]})
    assert answer.status == 409 and "is not running" in answer.message


def test_exec_inspect(api):
    container = running(api)
    exec_id = api.post(f"/containers/{container}/exec", {"Cmd": ["sh", "-c", "exit 5"]}).json()["Id"]
    assert api.get(f"/exec/{exec_id}/json")["Running"] is False
    api.post(f"/exec/{exec_id}/start", {"Detach": True})
    eventually(lambda: api.get(f"/exec/{exec_id}/json")["ExitCode"] == 5)


def test_a_client_that_leaves_while_waiting_harms_nothing(engine, api):
    container = running(api)
    for _ in range(50):
        response = api.stream("POST", f"/containers/{container}/wait")
        response.connection.close()
    client = engine.popen("wait", container, stdout=subprocess.PIPE)
    time.sleep(0.2)
    api.post(f"/containers/{container}/kill")
    assert client.communicate(timeout=10)[0] == b"137\n"
