"""update, what the kernel gets of it, the OOM killer, and prune's filters."""

import os
import re
import time

import pytest

from support.waiting import eventually

UNIFIED = not os.path.isdir("/sys/fs/cgroup/memory")
IDLE = ["sleep", "1000"]


def running(api, cmd=None, **spec):
    container = api.create(cmd=cmd or IDLE, **spec)
    api.start(container)
    return container


def inside(docker, container, v1, v2):
    """A file of the container's own group."""
    return docker("exec", container, "cat", "/sys/fs/cgroup/" + (v2 if UNIFIED else v1)).out.strip()


def refusal(api, container, **change):
    answer = api.request("POST", f"/containers/{container}/update", change)
    assert answer.status >= 400, answer
    return answer.status, re.sub("[0-9a-f]{64}", "ID", answer.message)


def test_limits_reach_the_kernel_at_once(docker, api):
    container = running(api, HostConfig={"Memory": 64 << 20, "CgroupnsMode": "private"} if UNIFIED else {"Memory": 64 << 20})
    answer = api.post(f"/containers/{container}/update", {"Memory": 96 << 20, "MemorySwap": 256 << 20, "PidsLimit": 50,
                                                          "CpuPeriod": 50000, "CpuQuota": 25000, "CpuShares": 512})
    assert answer.json() == {"Warnings": None}
    assert inside(docker, container, "memory/memory.limit_in_bytes", "memory.max") == str(96 << 20)
    assert inside(docker, container, "pids/pids.max", "pids.max") == "50"
    if UNIFIED:
        assert inside(docker, container, "", "cpu.max") == "25000 50000"
    else:
        assert inside(docker, container, "cpu/cpu.cfs_quota_us", "") == "25000"
        assert inside(docker, container, "cpu/cpu.shares", "") == "512"
    config = api.inspect(container)["HostConfig"]
    assert (config["Memory"], config["MemorySwap"], config["PidsLimit"], config["CpuQuota"]) == (96 << 20, 256 << 20, 50, 25000)


def test_memory_goes_up_and_down_with_its_swap(docker, api):
    container = running(api, HostConfig={"Memory": 64 << 20, "MemorySwap": 64 << 20})
    for size in (256 << 20, 32 << 20, 64 << 20):
        api.post(f"/containers/{container}/update", {"Memory": size, "MemorySwap": size})
        assert api.inspect(container)["HostConfig"]["Memory"] == size


def test_a_stopped_container_takes_them_at_its_start(docker, api):
    container = api.create(cmd=IDLE, HostConfig={"Memory": 64 << 20})
    api.post(f"/containers/{container}/update", {"PidsLimit": 33})
    api.start(container)
    assert inside(docker, container, "pids/pids.max", "pids.max") == "33"


def test_two_ways_of_saying_how_much_cpu(api):
    by_quota = running(api, HostConfig={"CpuPeriod": 50000, "CpuQuota": 25000})
    assert refusal(api, by_quota, NanoCpus=500000000) == (409, "Cannot update container ID: Conflicting options: Nano CPUs "
                                                               "cannot be updated as CPU Period has already been set")
    by_number = running(api, HostConfig={"NanoCpus": 500000000})
    assert refusal(api, by_number, CpuQuota=25000) == (409, "Cannot update container ID: Conflicting options: CPU Quota cannot "
                                                            "be updated as NanoCPUs has already been set")
    assert refusal(api, by_number, CpuPeriod=50000) == (409, "Cannot update container ID: Conflicting options: CPU Period cannot "
                                                             "be updated as NanoCPUs has already been set")
    api.post(f"/containers/{by_number}/update", {"NanoCpus": 1000000000})
    assert api.inspect(by_number)["HostConfig"]["NanoCpus"] == 1000000000


def test_memory_above_its_swap_is_refused(api):
    container = running(api, HostConfig={"Memory": 64 << 20, "MemorySwap": 64 << 20})
    assert refusal(api, container, Memory=128 << 20) == (
        409, "Cannot update container ID: Memory limit should be smaller than already set memoryswap limit, update the "
             "memoryswap at the same time")
    assert api.inspect(container)["HostConfig"]["Memory"] == 64 << 20


@pytest.mark.parametrize("change,message", [
    ({"Memory": 1 << 20}, "Minimum memory limit allowed is 6MB"),
    ({"Memory": -1}, "Minimum memory limit allowed is 6MB"),
    ({"Memory": 64 << 20, "MemorySwap": 32 << 20}, "Minimum memoryswap limit should be larger than memory limit, see usage"),
    ({"MemoryReservation": 1000}, "Minimum memory reservation allowed is 6MB"),
    ({"CpuPeriod": 10}, "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"),
    ({"CpuQuota": 10}, "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
    ({"CpusetCpus": "x"}, "Invalid value x for cpuset cpus: invalid format: x")])
def test_bad_limits(api, change, message):
    container = running(api, HostConfig={"Memory": 64 << 20})
    before = api.inspect(container)["HostConfig"]
    assert refusal(api, container, **change) == (400, message)
    assert api.inspect(container)["HostConfig"] == before


def test_restart_policies(api):
    container = running(api)
    for policy in ({"Name": "always"}, {"Name": "on-failure", "MaximumRetryCount": 3}, {"Name": "no"}):
        api.post(f"/containers/{container}/update", {"RestartPolicy": policy})
        assert api.inspect(container)["HostConfig"]["RestartPolicy"] == {"MaximumRetryCount": 0, **policy}
    api.post(f"/containers/{container}/update", {"RestartPolicy": {"Name": ""}})
    assert api.inspect(container)["HostConfig"]["RestartPolicy"]["Name"] == "no"
    assert refusal(api, container, RestartPolicy={"Name": "bogus"})[0] == 400
    assert refusal(api, container, RestartPolicy={"Name": "always", "MaximumRetryCount": 3})[0] == 400
    temporary = running(api, HostConfig={"AutoRemove": True})
    assert refusal(api, temporary, RestartPolicy={"Name": "always"}) == (
        409, "Cannot update container ID: Restart policy cannot be updated because AutoRemove is enabled for the container")


def test_an_unknown_container(api):
    assert refusal(api, "ghost", Memory=64 << 20) == (404, "No such container: ghost")


# ---- the OOM killer

def test_oom_is_an_event_and_a_state(api):
    since = time.time()
    container = running(api, ["sh", "-c", "x=$(head -c 40000000 /dev/zero | tr '\\0' x); echo survived"],
                        HostConfig={"Memory": 8 << 20, "MemorySwap": 8 << 20})
    assert api.wait(container) != 0
    assert api.state(container)["OOMKilled"]
    query = {"since": since, "until": f"{time.time():.9f}", "filters": {"container": [container], "event": ["oom", "die"]}}
    assert [e["Action"] for e in api.ok("GET", "/events", query=query).lines()][-2:] == ["oom", "die"]


@pytest.mark.skipif(UNIFIED, reason="cgroup v1 only")
def test_the_oom_killer_can_be_switched_off(docker, api):
    docker("run", "-d", "--name", "patient", "-m", "32m", "--oom-kill-disable", "busybox", *IDLE)
    assert "oom_kill_disable 1" in docker("exec", "patient", "cat", "/sys/fs/cgroup/memory/memory.oom_control").out
    answer = api.post("/containers/create", {"Image": "busybox", "HostConfig": {"OomKillDisable": True}})
    assert answer.json()["Warnings"] == ["OOM killer is disabled for the container, but no memory limit is set, this can "
                                         "result in the system running out of resources."]


# ---- pause

def test_pause_says_what_is_wrong(api):
    container = running(api)

    def answer(verb):
        got = api.request("POST", f"/containers/{container}/{verb}")
        return got.status, got.message.replace(container, "ID") if got.body else ""
    assert answer("unpause") == (500, "Container ID is not paused")
    assert answer("pause") == (204, "")
    assert api.state(container)["Status"] == "paused"
    assert answer("pause") == (409, "Container ID is already paused")
    assert answer("unpause") == (204, "")
    api.post(f"/containers/{container}/kill")
    api.wait(container)
    status, message = answer("pause")
    assert status == 409 and message.lower() == "container id is not running"
    assert answer("unpause") == (500, "Container ID is not paused")


# ---- prune

def prune(api, **filters):
    return set(api.post("/containers/prune", filters=filters).json()["ContainersDeleted"] or [])


def test_prune_by_label(api):
    blue, red, plain = (api.create(Labels=labels) for labels in ({"color": "blue"}, {"color": "red"}, {}))
    alive = running(api, Labels={"color": "blue"})
    assert prune(api, label=["color=green"]) == set()
    assert prune(api, label=["color=blue"]) == {blue}
    assert prune(api, **{"label!": ["color"]}) == {plain}
    assert prune(api, **{"label!": ["color=blue"]}) == {red}
    assert api.state(alive)["Running"]


def test_prune_by_age(api):
    old = api.create()
    time.sleep(1.1)
    mark = str(time.time())
    young = api.create()
    assert prune(api, until=["1h"]) == set()
    assert prune(api, until=[mark]) == {old}
    assert prune(api) == {young}


@pytest.mark.parametrize("filters", [{"bogus": ["1"]}, {"until": ["nonsense"]}, {"until": ["1h", "2h"]}])
def test_bad_prune_filters(api, filters):
    container = api.create()
    assert api.request("POST", "/containers/prune", query={"filters": filters}).status in (400, 500)
    assert eventually(lambda: api.inspect(container))
