"""Restart policies: back-off, limits, what the user's stop means, and what a new daemon or a reboot finds."""

import glob
import os
import shutil
import signal
import subprocess
import time

import pytest

from support.daemon import mounts_below
from support.waiting import eventually

IDLE = ["sleep", "1000"]
POLITE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"]
RUDE = ["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done"]
FAILS = ["sh", "-c", "exit 1"]
LIVE = {"live-restore": True}


def policy(name, retries=0):
    return {"RestartPolicy": {"Name": name, "MaximumRetryCount": retries}}


def running(api, name, cmd=None, retries=0, **spec):
    container = api.create(cmd=cmd or IDLE, HostConfig=policy(name, retries), **spec)
    api.start(container)
    return container


def restarts(api, container):
    return api.inspect(container)["RestartCount"]


def waiting(api, container):
    """Between two runs: with a back-off that is long enough to look at it."""
    return eventually(lambda: (s := api.state(container))["Restarting"] and restarts(api, container) >= 4 and s,
                      timeout=30, interval=0.05)


def events_of(engine, container, *actions):
    out = engine.docker("events", "--since", "1", "--until", f"{time.time():.9f}", "--filter", f"container={container}",
                        "--format", "{{.TimeNano}} {{.Action}}").out
    pairs = [line.split(" ", 1) for line in out.splitlines()]
    return [(int(at), action) for at, action in pairs if action in actions]


# ---- while the daemon is there


def test_on_failure_gives_up_after_its_retries_with_docker_s_back_off(engine, api, docker):
    container = running(api, "on-failure", FAILS, retries=3)
    eventually(lambda: api.state(container)["Status"] == "exited" and restarts(api, container) == 3)
    assert api.state(container)["ExitCode"] == 1
    assert docker("ps", "-a", "--filter", f"id={container}", "--format", "{{.Status}}").out.startswith("Exited (1)")
    times = events_of(engine, container, "die", "start")
    assert [action for _, action in times] == ["start", "die"] * 4
    pauses = [times[i + 1][0] - times[i][0] for i in range(1, 7, 2)]
    for pause, least in zip(pauses, (100, 200, 400)):
        assert pause >= (least - 20) * 10**6, pauses


def test_on_failure_is_content_with_success(api):
    container = running(api, "on-failure", ["true"])
    api.wait(container)
    time.sleep(0.3)
    assert api.state(container)["Status"] == "exited" and restarts(api, container) == 0


def test_on_failure_until_it_works(api):
    container = running(api, "on-failure", ["sh", "-c", "echo x >> /runs; test $(wc -l < /runs) = 3"])
    eventually(lambda: api.state(container)["Status"] == "exited" and api.state(container)["ExitCode"] == 0)
    assert restarts(api, container) == 2


@pytest.mark.parametrize("name", ["always", "unless-stopped"])
def test_always_means_after_success_too(api, name):
    container = running(api, name, ["true"])
    eventually(lambda: restarts(api, container) >= 2)


@pytest.mark.parametrize("name", ["no", ""])
def test_no_is_never(api, name):
    container = running(api, name, FAILS)
    api.wait(container)
    time.sleep(0.3)
    assert api.state(container)["Status"] == "exited"
    assert api.inspect(container)["HostConfig"]["RestartPolicy"]["MaximumRetryCount"] == 0


def test_what_is_shown_between_two_runs(api, docker):
    container = running(api, "always", FAILS)
    state = waiting(api, container)
    assert state["Status"] == "restarting" and state["Running"] and state["Pid"] == 0 and state["ExitCode"] == 1
    line = docker("ps", "--filter", f"id={container}", "--format", "{{.Status}}|{{.State}}").out
    if line.startswith("Restarting"):  # it may just have been started
        assert line.startswith("Restarting (1) ") and line.strip().endswith(" ago|restarting")
    answer = api.request("POST", f"/containers/{container}/exec", {"Cmd": ["true"]})
    if waiting(api, container) and answer.status == 409:
        assert "is restarting, wait until the container is running" in answer.message or "is not running" in answer.message
    assert api.request("POST", f"/containers/{container}/pause").status == 409


def test_start_while_it_waits_changes_nothing(api):
    container = running(api, "always", FAILS)
    waiting(api, container)
    assert api.request("POST", f"/containers/{container}/start").status in (204, 304)
    eventually(lambda: restarts(api, container) >= 1)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_user_ends_the_waiting(api, docker, how):
    container = running(api, "always", FAILS)
    waiting(api, container)
    docker(how, container, code=None)
    eventually(lambda: api.state(container)["Status"] == "exited")
    count = restarts(api, container)
    time.sleep(2)
    assert api.state(container)["Status"] == "exited" and restarts(api, container) == count


def test_remove_while_it_waits(api):
    container = running(api, "always", FAILS)
    waiting(api, container)
    answer = api.request("DELETE", f"/containers/{container}")
    assert answer.status == 409 and "restarting" in answer.message
    assert api.request("DELETE", f"/containers/{container}", query={"force": 1}).status == 204
    assert api.request("GET", f"/containers/{container}/json").status == 404


@pytest.mark.parametrize("how", ["stop", "kill", "kill -s TERM"])
@pytest.mark.parametrize("name", ["always", "unless-stopped", "on-failure"])
def test_what_the_user_stops_stays_stopped(api, docker, name, how):
    container = running(api, name, RUDE)
    docker(*how.split(), container)
    eventually(lambda: api.state(container)["Status"] == "exited")
    time.sleep(0.4)
    assert api.state(container)["Status"] == "exited" and restarts(api, container) == 0


def test_a_signal_that_is_not_the_stop_signal_leaves_the_policy_alone(api, docker):
    container = running(api, "always", ["sh", "-c", "trap 'exit 4' USR1; echo up; while :; do sleep 0.05; done"],
                        StopSignal="TERM")
    eventually(lambda: api.logs(container)[0])
    docker("kill", "-s", "USR1", container)
    eventually(lambda: restarts(api, container) >= 1)


def test_the_count_begins_anew_when_the_user_starts(api, docker):
    container = running(api, "on-failure", FAILS, retries=1)
    eventually(lambda: api.state(container)["Status"] == "exited" and restarts(api, container) == 1)
    docker("start", container)
    eventually(lambda: api.state(container)["Status"] == "exited" and restarts(api, container) == 1)


def test_update_gives_and_takes_a_policy(api, docker):
    container = running(api, "no", ["sh", "-c", "while test ! -f /end; do sleep 0.05; done; rm /end; exit 1"])
    docker("update", "--restart", "always", container)
    assert api.inspect(container)["HostConfig"]["RestartPolicy"] == {"Name": "always", "MaximumRetryCount": 0}
    docker("exec", container, "touch", "/end")
    eventually(lambda: restarts(api, container) == 1 and api.state(container)["Status"] == "running")
    docker("update", "--restart", "on-failure:1", container)
    docker("exec", container, "touch", "/end")
    eventually(lambda: api.state(container)["Status"] == "exited")
    docker("update", "--restart", "no", container)


def test_rm_and_a_policy_exclude_each_other(engine, api, docker):
    for name in ("always", "on-failure", "unless-stopped"):
        answer = api.request("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {
            "AutoRemove": True, **policy(name)}})
        assert answer.status == 400 and answer.message == "can't create 'AutoRemove' container with restart policy"
    result = docker("run", "--rm", "--restart", "always", "busybox", "true", code=125)
    assert "conflicting options: cannot specify both --restart and --rm" in result.err
    container = docker("run", "-d", "--rm", "busybox", *IDLE).out.strip()
    answer = api.request("POST", f"/containers/{container}/update", {"RestartPolicy": {"Name": "always"}})
    assert answer.status in (400, 409)
    assert "Restart policy cannot be updated because AutoRemove is enabled for the container" in answer.message


@pytest.mark.berth  # newer texts than the reference's
@pytest.mark.parametrize("given,message", [
    ({"Name": "on-failure", "MaximumRetryCount": -1}, "invalid restart policy: maximum retry count cannot be negative"),
    ({"Name": "always", "MaximumRetryCount": 1},
     "invalid restart policy: maximum retry count can only be used with 'on-failure'"),
    ({"Name": "sometimes"}, "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', "
                            "'on-failure', or 'unless-stopped'")])
def test_policies_that_there_are_not(api, given, message):
    answer = api.request("POST", "/containers/create",
                         {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"RestartPolicy": given}})
    assert answer.status == 400 and answer.message == message


# ---- when the daemon or the machine goes down

POLICIES = ("no", "on-failure", "unless-stopped", "always")


def fleet(daemon):
    """Of each policy one that runs, one that the user has stopped (0), one that he has stopped (7), one that ended."""
    made = {}
    for name in POLICIES:
        for kind, cmd in (("runs", IDLE), ("stopped", POLITE), ("rude", RUDE)):
            made[name, kind] = running(daemon.api, name, cmd)
    made["on-failure", "spent"] = running(daemon.api, "on-failure", FAILS, retries=1)
    for (name, kind), container in made.items():
        if kind in ("stopped", "rude"):
            daemon.docker("stop", container)
    eventually(lambda: daemon.api.state(made["on-failure", "spent"])["Status"] == "exited")
    made["always", "created"] = daemon.api.create(cmd=IDLE, HostConfig=policy("always"))
    return made


def check_fleet(daemon, made, survivors):
    """`survivors`: the policies whose running container runs now."""
    runs = {(name, "runs") for name in survivors}
    runs |= {("always", "stopped"), ("always", "rude"), ("on-failure", "rude")}
    for key, container in made.items():
        if key in runs:
            eventually(lambda: daemon.api.state(container)["Status"] == "running", timeout=30)
    for key, container in made.items():
        state = daemon.api.state(container)
        if key in runs:
            assert state["Status"] == "running" and restarts(daemon.api, container) == 0, (key, state)
        else:
            assert state["Status"] == ("created" if key[1] == "created" else "exited"), (key, state)


@pytest.mark.berth  # the reference's own containerd is in its successor's way
def test_a_killed_daemon_comes_back(new_daemon):
    daemon = new_daemon(config=LIVE)
    made = fleet(daemon)
    pid = daemon.api.state(made["no", "runs"])["Pid"]
    daemon.kill()
    daemon.start()
    check_fleet(daemon, made, POLICIES)
    assert daemon.api.state(made["no", "runs"])["Pid"] == pid


def test_a_stopped_daemon_comes_back(new_daemon):
    daemon = new_daemon(config=LIVE)
    made = fleet(daemon)
    daemon.restart()
    check_fleet(daemon, made, POLICIES)


def test_a_daemon_that_takes_its_containers_along(new_daemon):
    daemon = new_daemon(config={"live-restore": False})
    made = fleet(daemon)
    daemon.restart()
    check_fleet(daemon, made, ("on-failure", "unless-stopped", "always"))
    assert daemon.api.state(made["no", "runs"])["ExitCode"] == 137


def test_a_reboot(new_daemon):
    daemon = new_daemon(config=LIVE)
    made = fleet(daemon)
    reboot(daemon)
    check_fleet(daemon, made, ("on-failure", "unless-stopped", "always"))
    assert daemon.api.state(made["no", "runs"])["ExitCode"] == 255


def reboot(daemon):
    """All processes are gone, and what was on tmpfs."""
    running = [c["Id"] for c in daemon.api.get("/containers/json")]
    pids = [daemon.api.state(c)["Pid"] for c in running]
    daemon.kill()
    runs = daemon.exec_root + "/containers"
    for name in os.listdir(runs) if os.path.isdir(runs) else ():
        with open(f"{runs}/{name}/shim.pid") as f:
            pids.append(int(f.read()))
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if daemon.exec_root.encode() in f.read():  # containerd and its shims
                    pids.append(int(pid))
        except OSError:
            pass
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}/exe") and alive(pid) for pid in pids))
    for path in mounts_below(daemon.exec_root) + mounts_below(daemon.data_root):
        subprocess.run(["umount", "-l", path], check=False)
    shutil.rmtree(daemon.exec_root)
    for group in [g for c in running for g in glob.glob(f"/sys/fs/cgroup/*/*/{c}")]:
        eventually(lambda g=group: remove_group(g))
    daemon.start()


def remove_group(path):
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError:
        return False  # its last process is still on its way out
    return True


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.berth
def test_killed_while_it_waits_to_restart(new_daemon):
    daemon = new_daemon()
    waits = running(daemon.api, "always", FAILS)
    counted = running(daemon.api, "on-failure", FAILS, retries=5)
    stopped = running(daemon.api, "unless-stopped", FAILS)
    for container in (waits, counted, stopped):
        waiting(daemon.api, container)
    daemon.docker("stop", stopped)
    daemon.kill()
    daemon.start()
    eventually(lambda: restarts(daemon.api, waits) >= 5, timeout=30)
    eventually(lambda: daemon.api.state(counted)["Status"] == "exited", timeout=30)
    assert restarts(daemon.api, counted) == 5
    assert daemon.api.state(stopped)["Status"] == "exited"


@pytest.mark.berth
def test_killed_while_the_user_stops_it(new_daemon):
    """The stop was asked for, and is known to the next daemon."""
    daemon = new_daemon()
    slow = ["sh", "-c", "trap 'sleep 1; exit 0' TERM; echo up; while :; do sleep 0.05; done"]
    container = running(daemon.api, "unless-stopped", slow)
    eventually(lambda: daemon.api.logs(container)[0])
    asked = daemon.popen("stop", container, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: events_of(daemon, container, "kill"))
    daemon.kill()
    asked.wait(20)
    time.sleep(1.5)
    daemon.start()
    time.sleep(0.5)
    assert daemon.api.state(container)["Status"] == "exited"
