"""Out of memory: what is killed, what is told of it, and the flags that have a say; stop signals and times."""

import os
import time

import pytest

from support.waiting import eventually

IDLE = ["sleep", "1000"]
LIMIT = ["-m", "24m", "--memory-swap", "24m"]
# Takes more than the limit in one go, as a child of the shell.
GREEDY = "dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null"
# The same by the program's own hand: what the kernel does for it fails rather than waits when nobody may be killed.
GROWS = "awk 'BEGIN { s = \"0123456789abcdef\"; while (1) s = s s }'"


def actions(engine, container):
    return engine.docker("events", "--since", "1", "--until", f"{time.time():.9f}", "--filter",
                         f"container={container}", "--format", "{{.Action}}").out.split("\n")


def start(docker, *flags, script):
    return docker("run", "-d", *flags, "busybox", "sh", "-c", script).out.strip()


def test_the_program_is_killed(engine, api, docker):
    container = start(docker, *LIMIT, script="exec " + GREEDY)
    assert api.wait(container) == 137
    state = api.state(container)
    assert state["OOMKilled"] is True and state["ExitCode"] == 137
    told = actions(engine, container)
    assert told.index("oom") < told.index("die")


@pytest.mark.berth  # the reference notices it only when the container's first process is killed
def test_a_child_is_killed_and_the_container_lives(engine, api, docker):
    container = start(docker, *LIMIT, script=f"{GREEDY}; echo killed; sleep 1000")
    eventually(lambda: b"killed" in api.logs(container)[0])
    eventually(lambda: api.state(container)["OOMKilled"])
    assert api.state(container)["Running"]
    eventually(lambda: "oom" in actions(engine, container))
    docker("restart", "-t", "0", container)
    eventually(lambda: api.state(container)["Running"])


@pytest.mark.berth
def test_an_exec_is_killed(engine, api, docker):
    container = start(docker, *LIMIT, script="sleep 1000")
    docker("exec", container, "sh", "-c", "exec " + GREEDY, code=137)
    eventually(lambda: api.state(container)["OOMKilled"])
    eventually(lambda: "oom" in actions(engine, container))


def test_enough_memory_is_no_news(engine, api, docker):
    container = start(docker, *LIMIT, script="exit 137")
    assert api.wait(container) == 137
    assert api.state(container)["OOMKilled"] is False and "oom" not in actions(engine, container)


def test_a_new_start_forgets(api, docker):
    container = start(docker, *LIMIT, script=f"test -f /again && exit 0; touch /again; exec {GREEDY}")
    api.wait(container)
    assert api.state(container)["OOMKilled"] is True
    api.start(container)
    eventually(lambda: not api.state(container)["Running"])
    assert api.state(container)["OOMKilled"] is False


@pytest.mark.berth  # dockerd watches for it only where the limit was there from the start
def test_a_limit_that_came_by_update(engine, api, docker):
    container = start(docker, script="while test ! -f /go; do sleep 0.05; done; " + GREEDY + "; sleep 1000")
    docker("update", *LIMIT, container)
    docker("exec", container, "touch", "/go")
    eventually(lambda: "oom" in actions(engine, container))
    assert api.state(container)["OOMKilled"] is True and api.state(container)["Running"]


def test_score(docker):
    look = ["cat", "/proc/self/oom_score_adj"]
    container = docker("run", "-d", "--oom-score-adj", "321", "busybox", *IDLE).out.strip()
    assert docker("exec", container, "cat", "/proc/1/oom_score_adj").out == "321\n"
    assert docker("exec", container, *look).out == "321\n"
    assert docker("run", "--rm", "busybox", *look).out == "0\n"
    assert docker("inspect", "-f", "{{.HostConfig.OomScoreAdj}}", container).out == "321\n"
    error = docker("create", "--oom-score-adj", "1001", "busybox", code=1).err
    assert "Invalid value 1001, range for oom score adj is [-1000, 1000]" in error


def killer_can_be_disabled():
    return os.path.exists("/sys/fs/cgroup/memory/memory.oom_control")


def test_the_killer_is_disabled(engine, api, docker):
    result = docker("run", "-d", "--oom-kill-disable", *LIMIT, "busybox", "sh", "-c",
                    f"while test ! -f /go; do sleep 0.05; done; {GROWS}")
    container = result.out.strip()
    if not killer_can_be_disabled():
        assert "OomKillDisable discarded" in result.err
        assert api.inspect(container)["HostConfig"]["OomKillDisable"] is None
        return
    assert api.inspect(container)["HostConfig"]["OomKillDisable"] is True
    pid = api.state(container)["Pid"]
    open(f"/proc/{pid}/root/go", "w").close()
    eventually(lambda: "oom" in actions(engine, container))  # it waits for memory, and that is told
    assert api.state(container)["Running"]
    assert api.request("POST", f"/containers/{container}/kill").status == 204
    assert api.state(container)["ExitCode"] == 137


@pytest.mark.berth
def test_a_disabled_killer_has_killed_nobody(engine, api, docker):
    if not killer_can_be_disabled():
        pytest.skip("cgroup v1 only")
    container = start(docker, "--oom-kill-disable", *LIMIT, script=GROWS)
    eventually(lambda: "oom" in actions(engine, container))
    assert api.state(container)["OOMKilled"] is False
    assert api.request("POST", f"/containers/{container}/kill").status == 204


def test_a_disabled_killer_without_a_limit_is_warned_of(api, docker):
    if not killer_can_be_disabled():
        pytest.skip("cgroup v1 only")
    result = docker("create", "--oom-kill-disable", "busybox", "true")
    assert "OOM killer is disabled for the container, but no memory limit is set" in result.err


# ---- stopping


STUBBORN = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"]


def test_stop_timeout_is_the_patience_of_stop_and_restart(api, docker):
    container = docker("run", "-d", "--stop-timeout", "1", "busybox", *STUBBORN).out.strip()
    eventually(lambda: api.logs(container)[0])
    began = time.monotonic()
    docker("stop", container)
    assert 0.9 < time.monotonic() - began < 9
    assert api.state(container)["ExitCode"] == 137


def test_a_timeout_of_the_call_wins(api, docker):
    container = docker("run", "-d", "--stop-timeout", "600", "busybox", *STUBBORN).out.strip()
    eventually(lambda: api.logs(container)[0])
    docker("stop", "-t", "0", container)
    assert api.state(container)["ExitCode"] == 137


def test_without_end_it_waits(api, docker):
    container = docker("run", "-d", "--stop-timeout", "-1", "busybox", "sh", "-c",
                       "trap 'sleep 1; exit 3' TERM; echo up; while :; do sleep 0.05; done").out.strip()
    eventually(lambda: api.logs(container)[0])
    docker("stop", container)
    assert api.state(container)["ExitCode"] == 3


@pytest.mark.parametrize("signal", ["SIGUSR2", "12", "usr2"])
def test_stop_signals(api, docker, signal):
    container = docker("run", "-d", "--stop-signal", signal, "busybox", "sh", "-c",
                       "trap 'exit 12' USR2; echo up; while :; do sleep 0.05; done").out.strip()
    eventually(lambda: api.logs(container)[0])
    docker("stop", container)
    assert api.state(container)["ExitCode"] == 12
    assert api.inspect(container)["Config"]["StopSignal"] == signal


def test_stop_signals_that_there_are_not(api, docker):
    answer = api.request("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "StopSignal": "NOPE"})
    assert answer.status == 400 and answer.message.lower() == "invalid signal: nope"
