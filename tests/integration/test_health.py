"""HEALTHCHECK: the probe's states, log and events, what ends it, and that it goes on when the daemon does not."""

import json
import os
import signal
import time

import pytest

from support import images
from support.waiting import eventually

MS, S = 10**6, 10**9
IDLE = ["sleep", "1000"]
POLITE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"]


def check(test, interval=50 * MS, **more):
    return {"Test": test if isinstance(test, list) else ["CMD-SHELL", test], "Interval": interval, **more}


def health(api, container):
    return api.state(container).get("Health") or {}


def status(api, container):
    return health(api, container).get("Status")


def probed(api, test, cmd=None, name=None, host=None, **more):
    container = api.create(cmd=cmd or IDLE, name=name, Healthcheck=check(test, **more), HostConfig=host or {})
    api.start(container)
    return container


def events_of(engine, container, since):
    out = engine.docker("events", "--since", f"{since:.9f}", "--until", f"{time.time():.9f}", "--filter",
                        f"container={container}", "--format", "{{json .}}").out
    return [json.loads(line) for line in out.splitlines()]


def test_starting_healthy_unhealthy_and_back(engine, api, docker):
    container = probed(api, "test -f /ok && echo fine", Retries=2, interval=200 * MS)
    assert status(api, container) == "starting"
    assert "(health: starting)" in docker("ps", "--filter", f"id={container}", "--format", "{{.Status}}").out
    docker("exec", container, "touch", "/ok")
    eventually(lambda: status(api, container) == "healthy")
    assert "(healthy)" in docker("ps", "--filter", "health=healthy", "--format", "{{.Status}}").out
    last = health(api, container)["Log"][-1]
    assert last["ExitCode"] == 0 and last["Output"] == "fine\n" and last["Start"] <= last["End"]
    docker("exec", container, "rm", "/ok")
    eventually(lambda: status(api, container) == "unhealthy")
    assert health(api, container)["FailingStreak"] >= 2
    assert container[:12] in docker("ps", "--filter", "health=unhealthy", "-q").out
    docker("exec", container, "touch", "/ok")
    eventually(lambda: status(api, container) == "healthy")
    assert health(api, container)["FailingStreak"] == 0


def test_without_a_health_check_there_is_none(api, docker):
    container = api.create(cmd=IDLE)
    api.start(container)
    assert "Health" not in api.state(container)
    assert container[:12] in docker("ps", "--filter", "health=none", "-q").out
    assert docker("ps", "--filter", "health=healthy", "-q").out == ""


def test_filter_of_a_health_that_there_is_not(api):
    answer = api.request("GET", "/containers/json", query={"filters": json.dumps({"health": ["ill"]})})
    assert answer.status == 400


def test_before_the_first_start_nothing_is_known(api):
    assert "Health" not in api.state(api.create(cmd=IDLE, Healthcheck=check("true")))


def test_five_results_are_kept_and_output_is_cut(api):
    container = probed(api, "head -c 5000 /dev/zero | tr '\\0' x; echo err >&2")
    log = eventually(lambda: len(l := health(api, container).get("Log") or []) >= 5 and l, timeout=20)
    seen = log[-1]["End"]
    eventually(lambda: health(api, container)["Log"][0]["Start"] > seen, timeout=20)
    log = health(api, container)["Log"]
    assert len(log) == 5
    assert log[0]["Output"] == "x" * 4096 + "..."


def test_events_of_probes(engine, api):
    since = time.time()
    container = probed(api, ["CMD", "sh", "-c", "exit 0"], interval=100 * MS)
    eventually(lambda: status(api, container) == "healthy")
    api.post(f"/containers/{container}/kill")
    actions = [e["Action"] for e in events_of(engine, container, since)]
    for action in ("exec_create: sh -c exit 0", "exec_start: sh -c exit 0", "exec_die", "health_status: healthy"):
        assert action in actions
    assert actions.count("health_status: healthy") == 1
    created = [e for e in events_of(engine, container, since) if e["Action"].startswith("exec_create")][0]
    assert len(created["Actor"]["Attributes"]["execID"]) == 64
    assert actions.index("exec_create: sh -c exit 0") < actions.index("exec_die") < actions.index("health_status: healthy")


def test_failures_count_in_events(engine, api):
    since = time.time()
    container = probed(api, "exit 3", Retries=1)
    eventually(lambda: status(api, container) == "unhealthy")
    assert health(api, container)["Log"][0]["ExitCode"] == 3
    event = [e for e in events_of(engine, container, since) if e["Action"] == "health_status: unhealthy"]
    assert len(event) == 1 and event[0]["Actor"]["Attributes"]["image"] == "busybox"


def test_a_program_that_is_not_there(api):
    container = probed(api, ["CMD", "/no/such/program"], Retries=1)
    eventually(lambda: status(api, container) == "unhealthy")
    assert health(api, container)["Log"][0]["ExitCode"] != 0
    assert "/no/such/program" in health(api, container)["Log"][0]["Output"]


@pytest.mark.berth  # dockerd leaves the shell's own children alone
def test_a_probe_that_takes_too_long_is_killed(api):
    container = probed(api, "echo begun; sleep 4242; true", Retries=1, Timeout=150 * MS)
    eventually(lambda: status(api, container) == "unhealthy")
    result = health(api, container)["Log"][0]
    assert result["ExitCode"] == -1
    assert result["Output"] == "Health check exceeded timeout (150ms): begun\n"
    api.post(f"/containers/{container}/pause")
    api.post(f"/containers/{container}/unpause")
    assert len(sleepers(4242)) <= 2  # of the probe under way, and of one that the pause cut short


def test_timeouts_say_so(api):
    container = probed(api, ["CMD", "sleep", "30"], Retries=1, Timeout=100 * MS)
    eventually(lambda: status(api, container) == "unhealthy", timeout=25)
    result = health(api, container)["Log"][0]
    assert result["ExitCode"] == -1 and result["Output"].startswith("Health check exceeded timeout (100ms)")


def test_the_start_period_forgives(api, docker):
    container = probed(api, "test -f /ok", Retries=1, StartPeriod=600 * S, StartInterval=50 * MS, interval=50 * MS)
    eventually(lambda: len(health(api, container).get("Log") or []) >= 3, timeout=30)
    assert status(api, container) == "starting" and health(api, container)["FailingStreak"] == 0
    docker("exec", container, "touch", "/ok")
    eventually(lambda: status(api, container) == "healthy", timeout=30)
    docker("exec", container, "rm", "/ok")  # it has been healthy: now failures count
    eventually(lambda: status(api, container) == "unhealthy", timeout=30)


@pytest.mark.berth  # start-interval came with Docker 25
def test_the_start_interval_is_used_until_it_is_healthy(api, docker):
    container = probed(api, "test -f /ok", interval=1000 * S, StartPeriod=900 * S, StartInterval=20 * MS)
    eventually(lambda: len(health(api, container).get("Log") or []) >= 3)
    docker("exec", container, "touch", "/ok")
    eventually(lambda: status(api, container) == "healthy")
    ended = health(api, container)["Log"][-1]["End"]
    time.sleep(0.2)
    assert health(api, container)["Log"][-1]["End"] == ended


def test_a_restart_begins_anew(api, docker):
    container = probed(api, "true", cmd=POLITE, interval=100 * MS)
    eventually(lambda: status(api, container) == "healthy")
    docker("stop", container)
    stopped = health(api, container)
    assert stopped["Status"] == "unhealthy" and stopped["Log"]  # Docker's word for: nobody looks
    ended = stopped["Log"][-1]["End"]
    time.sleep(0.25)
    assert health(api, container)["Log"][-1]["End"] == ended
    docker("start", container)
    assert status(api, container) in ("starting", "healthy")
    eventually(lambda: status(api, container) == "healthy")
    assert health(api, container)["Log"][-1]["End"] > ended


def test_a_paused_container_is_not_probed(api, docker):
    container = probed(api, "true", interval=100 * MS)
    eventually(lambda: status(api, container) == "healthy")
    docker("pause", container)
    assert status(api, container) == "unhealthy"
    assert docker("ps", "--filter", f"id={container}", "--format", "{{.Status}}").out.strip().endswith("(Paused)")
    ended = health(api, container)["Log"][-1]["End"]
    time.sleep(0.3)
    assert health(api, container)["Log"][-1]["End"] == ended
    docker("unpause", container)
    eventually(lambda: status(api, container) == "healthy")


def test_from_the_image_and_switched_off(engine, api, docker):
    config = {"Healthcheck": {"Test": ["CMD", "true"], "Interval": 100 * MS, "Retries": 7}, "Cmd": IDLE}
    engine.load(images.docker_archive([(["checked:1"], [images.busybox_layer()], config)]))
    try:
        container = docker("run", "-d", "checked:1").out.strip()
        eventually(lambda: status(api, container) == "healthy")
        assert api.inspect(container)["Config"]["Healthcheck"] == config["Healthcheck"]
        off = docker("run", "-d", "--no-healthcheck", "checked:1").out.strip()
        assert api.inspect(off)["Config"]["Healthcheck"] == {"Test": ["NONE"]} or \
            api.inspect(off)["Config"]["Healthcheck"]["Test"] == ["NONE"]
        assert "Health" not in api.state(off)
        own = docker("run", "-d", "--health-cmd", "exit 9", "--health-retries", "1", "checked:1").out.strip()
        eventually(lambda: status(api, own) == "unhealthy")
        assert health(api, own)["Log"][0]["ExitCode"] == 9
    finally:
        engine.remove_containers()
        docker("rmi", "checked:1")


@pytest.mark.parametrize("field,name", [("Interval", "Interval"), ("Timeout", "Timeout"),
                                        ("StartPeriod", "StartPeriod")])
def test_times_below_a_millisecond(api, field, name):
    for value in (-1, 1, MS - 1):
        answer = api.request("POST", "/containers/create",
                             {"Image": "busybox", "Cmd": ["true"], "Healthcheck": {"Test": ["CMD", "x"], field: value}})
        assert answer.status == 400 and answer.message == f"{name} in Healthcheck cannot be less than 1ms"


def test_negative_retries(api):
    answer = api.request("POST", "/containers/create",
                         {"Image": "busybox", "Cmd": ["true"], "Healthcheck": {"Test": ["CMD", "x"], "Retries": -1}})
    assert answer.status == 400 and answer.message == "Retries in Healthcheck cannot be negative"


@pytest.mark.berth
def test_no_command_and_unknown_kinds(api):
    container = probed(api, ["CMD"], Retries=1)
    eventually(lambda: status(api, container) == "unhealthy")
    assert health(api, container)["Log"][0]["Output"] == f"healthcheck for container {container} has no command"
    assert "Health" not in api.state(probed(api, ["PING", "x"]))


@pytest.mark.berth
def test_probes_run_as_the_container_does(api):
    container = api.create(cmd=IDLE, User="1000", WorkingDir="/tmp", Env=["A=b"], Healthcheck=check(
        "id -u; pwd; echo $A; grep Seccomp: /proc/self/status"))
    api.start(container)
    log = eventually(lambda: health(api, container).get("Log"))
    assert log[0]["Output"] == "1000\n/tmp\nb\nSeccomp:\t2\n"


def test_exec_has_the_filter_of_its_container(docker):
    container = docker("run", "-d", "busybox", *IDLE).out.strip()
    look = ["grep", "Seccomp:", "/proc/self/status"]
    assert docker("exec", container, *look).out == "Seccomp:\t2\n"
    open_one = docker("run", "-d", "--security-opt", "seccomp=unconfined", "busybox", *IDLE).out.strip()
    assert docker("exec", open_one, *look).out == "Seccomp:\t0\n"


@pytest.mark.berth  # the reference cannot do it in a container that lacks a capability
def test_a_privileged_exec_keeps_the_filter(docker):
    container = docker("run", "-d", "busybox", *IDLE).out.strip()
    assert docker("exec", "--privileged", container, "grep", "Seccomp:", "/proc/self/status").out == "Seccomp:\t2\n"


@pytest.mark.berth
def test_what_a_probe_leaves_running_does_not_hold_the_monitor(api):
    container = probed(api, "yes & exit 0", interval=300 * MS)
    eventually(lambda: status(api, container) == "healthy", timeout=30)
    assert api.request("POST", f"/containers/{container}/kill").status == 204


# ---- when the daemon goes away


@pytest.mark.berth
def test_probes_go_on_after_a_kill(new_daemon):
    daemon = new_daemon()
    api = daemon.api
    container = probed(api, "test -f /ok", Retries=1, interval=100 * MS)
    daemon.docker("exec", container, "touch", "/ok")
    eventually(lambda: status(api, container) == "healthy")
    daemon.kill()
    since = time.time()
    daemon.start()
    assert status(api, container) == "healthy"  # nothing has happened that says otherwise
    eventually(lambda: "exec_die" in [e["Action"] for e in events_of(daemon, container, since)])
    daemon.docker("exec", container, "rm", "/ok")
    eventually(lambda: status(api, container) == "unhealthy")
    daemon.kill()
    daemon.start()
    assert status(api, container) == "unhealthy" and health(api, container)["FailingStreak"] >= 1
    daemon.docker("exec", container, "touch", "/ok")
    eventually(lambda: status(api, container) == "healthy")


@pytest.mark.berth
def test_a_clean_restart_keeps_the_log(new_daemon):
    daemon = new_daemon()
    api = daemon.api
    container = probed(api, "echo said", interval=100 * MS)
    eventually(lambda: len(health(api, container).get("Log") or []) >= 3)
    daemon.stop()
    daemon.start()
    kept = health(api, container)
    assert kept["Status"] == "healthy" and len(kept["Log"]) >= 3 and kept["Log"][0]["Output"] == "said\n"


@pytest.mark.berth
def test_a_slow_probe_is_ended_without_the_daemon(new_daemon):
    daemon = new_daemon()
    api = daemon.api
    container = probed(api, "touch /begun; exec sleep 4343", Timeout=700 * MS, interval=50 * MS)
    eventually(lambda: sleepers(4343))
    daemon.kill()
    eventually(lambda: not sleepers(4343))
    daemon.start()
    assert api.state(container)["Running"]


def sleepers(number):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if f.read() == f"sleep\0{number}\0".encode():
                    found.append(int(pid))
        except OSError:
            pass
    return found


# ---- --health-on-failure, which is Berth's own

@pytest.mark.berth
def test_on_failure_kill(api):
    container = probed(api, "exit 1", Retries=2, host={"HealthcheckOnFailureAction": "kill"})
    assert api.inspect(container)["HostConfig"]["HealthcheckOnFailureAction"] == "kill"
    eventually(lambda: not api.state(container)["Running"])
    assert api.state(container)["ExitCode"] == 137
    assert health(api, container)["FailingStreak"] == 2


@pytest.mark.berth
def test_on_failure_kill_leaves_the_rest_to_the_restart_policy(api):
    container = probed(api, "exit 1", Retries=1, host={"HealthcheckOnFailureAction": "kill",
                                                       "RestartPolicy": {"Name": "on-failure"}})
    eventually(lambda: api.inspect(container)["RestartCount"] >= 1)


@pytest.mark.berth
def test_on_failure_stop(engine, api):
    since = time.time()
    container = probed(api, "exit 1", cmd=POLITE, Retries=1,
                       host={"HealthcheckOnFailureAction": "stop", "RestartPolicy": {"Name": "always"}})
    eventually(lambda: api.state(container)["Status"] == "exited")
    assert api.state(container)["ExitCode"] == 0  # by its stop signal
    actions = [e["Action"] for e in events_of(engine, container, since)]
    assert actions.index("health_status: unhealthy") < actions.index("kill") < actions.index("die")
    assert eventually(lambda: "stop" in [e["Action"] for e in events_of(engine, container, since)])
    time.sleep(0.3)
    assert api.inspect(container)["RestartCount"] == 0  # as after docker stop


@pytest.mark.berth
def test_on_failure_restart(api, docker):
    container = probed(api, "test -f /ok", cmd=["sh", "-c", "echo run >> /runs; trap 'exit 0' TERM; "
                                                "test $(wc -l < /runs) -ge 3 && touch /ok; "
                                                "while :; do sleep 0.05; done"],
                       Retries=1, host={"HealthcheckOnFailureAction": "restart"})
    eventually(lambda: status(api, container) == "healthy", timeout=30)
    assert api.inspect(container)["RestartCount"] == 2
    assert docker("exec", container, "cat", "/runs").out == "run\n" * 3


@pytest.mark.berth
def test_on_failure_none(api):
    container = probed(api, "exit 1", Retries=1, host={"HealthcheckOnFailureAction": "none"})
    eventually(lambda: health(api, container).get("FailingStreak", 0) >= 3)
    assert api.state(container)["Running"]


@pytest.mark.berth
def test_on_failure_bad_input(api):
    body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"HealthcheckOnFailureAction": "reboot"},
            "Healthcheck": check("true")}
    answer = api.request("POST", "/containers/create", body)
    assert answer.status == 400 and answer.message == ('invalid on-failure action "reboot" for health check: '
                                                       'supported actions are none,kill,restart,stop')
    del body["Healthcheck"]
    body["HostConfig"]["HealthcheckOnFailureAction"] = "kill"
    answer = api.request("POST", "/containers/create", body)
    assert answer.status == 400 and answer.message == "cannot set on-failure action to kill without a health check"


@pytest.mark.berth
def test_the_action_survives_the_daemon(new_daemon):
    """It was unhealthy when the daemon died; the next one acts."""
    daemon = new_daemon()
    api = daemon.api
    container = probed(api, "test ! -f /ill", Retries=1, interval=100 * MS,
                       host={"HealthcheckOnFailureAction": "kill"})
    eventually(lambda: status(api, container) == "healthy")
    pid = api.state(container)["Pid"]
    daemon.kill()
    open(f"/proc/{pid}/root/ill", "w").close()
    daemon.start()
    eventually(lambda: api.state(container)["Status"] == "exited")
    assert api.state(container)["ExitCode"] == 137


@pytest.mark.berth
def test_the_command_line_of_berth(engine, options):
    import subprocess
    berth = [options.bin_dir + "/berth", "-H", "unix://" + engine.socket]
    run = lambda *words: subprocess.run([*berth, *words], capture_output=True, text=True, timeout=30)
    container = run("run", "-d", "--health-cmd", "exit 0", "--health-interval", "50ms", "--health-on-failure", "stop",
                    "busybox", *IDLE).stdout.strip()
    eventually(lambda: "(healthy)" in run("ps").stdout)
    host = json.loads(run("inspect", container).stdout)[0]["HostConfig"]
    assert host["HealthcheckOnFailureAction"] == "stop"
    assert "(healthy)" in run("ps", "--filter", "health=healthy", "--format", "{{.Status}}").stdout
