"""stats and top: what a container uses, and what runs in it."""

import json
import os
import threading
import time

import pytest

from support.waiting import eventually

IDLE = ["sleep", "1000"]
UNIFIED = not os.path.isdir("/sys/fs/cgroup/memory")
NEVER = "0001-01-01T00:00:00Z"


def running(api, cmd=None, **spec):
    container = api.create(cmd=cmd or IDLE, **spec)
    api.start(container)
    return container


def one(api, container, **query):
    return api.get(f"/containers/{container}/stats", stream=0, **query)


# ---- stats over the API

@pytest.mark.berth
def test_a_container_that_is_removed_before_its_second_sample(api):
    """dockerd says 200 and nothing, over which clients stumble."""
    def remove_meanwhile():
        container, answers = running(api), []
        asking = threading.Thread(target=lambda: answers.append(api.request("GET", f"/containers/{container}/stats", query={"stream": "0"})))
        asking.start()
        time.sleep(0.1)
        api.request("DELETE", f"/containers/{container}", query={"force": "1"})
        asking.join()
        assert answers[0].status == 200 or answers[0].message == f"No such container: {container}", answers
        return answers[0].status
    assert any(remove_meanwhile() == 404 for _ in range(20))


def test_one_shot_has_everything(api):
    container = running(api, name="seen", HostConfig={"Memory": 64 << 20, "PidsLimit": 50})
    stats = one(api, container, **{"one-shot": 1})
    assert stats["name"] == "/seen" and stats["id"] == container
    assert stats["read"] > "2020" and stats["preread"] == NEVER
    assert stats["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    assert stats["pids_stats"] == {"current": 1, "limit": 50}
    assert stats["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    memory = stats["memory_stats"]
    assert 0 < memory["usage"] <= memory["limit"] == 64 << 20
    assert ("inactive_file" if UNIFIED else "total_inactive_file") in memory["stats"]
    assert stats["storage_stats"] == {} and stats["num_procs"] == 0
    assert set(stats["blkio_stats"]) == {
        "io_service_bytes_recursive", "io_serviced_recursive", "io_queue_recursive", "io_service_time_recursive",
        "io_wait_time_recursive", "io_merged_recursive", "io_time_recursive", "sectors_recursive"}


@pytest.mark.berth  # dockerd 20.10 forgets it with one-shot
def test_one_shot_knows_the_hosts_side(api):
    stats = one(api, running(api), **{"one-shot": 1})
    assert stats["cpu_stats"]["system_cpu_usage"] > 0 and stats["cpu_stats"]["online_cpus"] > 0


def test_without_a_limit_the_machines_memory_is_shown(api):
    with open("/proc/meminfo") as f:
        total = int(f.readline().split()[1]) << 10
    assert one(api, running(api))["memory_stats"]["limit"] == total


def test_two_cycles_to_compare(api):
    stats = one(api, running(api, ["sh", "-c", "while :; do :; done"]))
    now, before = stats["cpu_stats"], stats["precpu_stats"]
    assert NEVER < stats["preread"] < stats["read"]
    assert now["cpu_usage"]["total_usage"] > before["cpu_usage"]["total_usage"] > 0
    assert now["system_cpu_usage"] > before["system_cpu_usage"] > 0 and before["online_cpus"] == now["online_cpus"]


def test_a_stream_goes_on_and_shares_what_it_compares_with(api):
    container = running(api)
    stream = api.stream("GET", f"/containers/{container}/stats")
    samples = [json.loads(stream.readline()) for _ in range(3)]
    stream.connection.close()
    assert samples[0]["preread"] == NEVER and samples[0]["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    for before, after in zip(samples, samples[1:]):
        assert after["preread"] == before["read"] and after["precpu_stats"] == before["cpu_stats"]


def test_many_watch_at_once(api):
    containers = [running(api) for _ in range(3)]
    streams = [api.stream("GET", f"/containers/{c}/stats") for c in containers * 4]
    for _ in range(2):
        for stream, container in zip(streams, containers * 4):
            assert json.loads(stream.readline())["id"] == container
    for stream in streams:
        stream.connection.close()


def test_a_stopped_container_gives_zeros(api):
    container = api.create(name="asleep")
    stats = one(api, container)
    assert (stats["name"], stats["id"], stats["read"]) == ("/asleep", container, NEVER)
    assert stats["memory_stats"] == {} and stats["pids_stats"] == {} and "networks" not in stats
    assert stats["cpu_stats"] == {"cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
                                  "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0}}
    assert set(stats["blkio_stats"].values()) == {None}


def test_a_stream_outlives_a_restart_and_ends_with_the_container(api):
    container = running(api)
    stream = api.stream("GET", f"/containers/{container}/stats")
    assert json.loads(stream.readline())["pids_stats"]["current"] == 1
    api.post(f"/containers/{container}/kill")
    eventually(lambda: json.loads(stream.readline())["pids_stats"] == {}, interval=0)
    api.start(container)
    eventually(lambda: json.loads(stream.readline())["pids_stats"].get("current") == 1, interval=0)
    api.remove(container)
    while stream.readline():
        pass


def test_the_networks_counters_are_the_containers(docker, api):
    container = running(api)
    gateway = api.inspect(container)["NetworkSettings"]["Gateway"]
    before = one(api, container, **{"one-shot": 1})["networks"]
    assert set(before) == {"eth0"} and set(before["eth0"]) == {
        f"{way}_{what}" for way in ("rx", "tx") for what in ("bytes", "packets", "errors", "dropped")}
    pid = api.state(container)["Pid"]
    docker("exec", container, "ping", "-c", "2", "-s", "1000", gateway)
    after = one(api, container, **{"one-shot": 1})["networks"]["eth0"]
    with open(f"/proc/{pid}/net/dev") as f:
        fields = next(line for line in f if "eth0" in line).split(":")[1].split()
    assert after["tx_packets"] >= before["eth0"]["tx_packets"] + 2
    assert after["tx_bytes"] >= before["eth0"]["tx_bytes"] + 2000
    assert (after["rx_bytes"], after["tx_bytes"]) == (int(fields[0]), int(fields[8]))


@pytest.mark.parametrize("mode", ["none", "host"])
def test_other_networks_have_no_counters(api, mode):
    assert "networks" not in one(api, running(api, HostConfig={"NetworkMode": mode}), **{"one-shot": 1})


def test_a_shared_network_is_counted_for_both(api):
    first = running(api)
    second = running(api, HostConfig={"NetworkMode": f"container:{first}"})
    assert set(one(api, second, **{"one-shot": 1})["networks"]) == {"eth0"}


def test_a_paused_container_is_still_seen(api):
    container = running(api)
    api.post(f"/containers/{container}/pause")
    assert one(api, container, **{"one-shot": 1})["pids_stats"]["current"] == 1
    api.post(f"/containers/{container}/unpause")


def test_bad_requests_for_stats(api):
    assert api.request("GET", "/containers/ghost/stats").message == "No such container: ghost"
    answer = api.request("GET", f"/containers/{api.create()}/stats", query={"one-shot": 1})
    assert (answer.status, answer.message) == (400, "cannot have stream=true and one-shot=true")


# ---- stats of the clients

def test_docker_stats(docker, api):
    running(api, name="shown", HostConfig={"Memory": 64 << 20})
    api.create(name="resting")
    out = docker("stats", "--no-stream").out.splitlines()
    assert out[0].split("  ")[0] == "CONTAINER ID" and "MEM USAGE / LIMIT" in out[0] and len(out) == 2
    assert "shown" in out[1] and "/ 64MiB" in out[1]
    out = docker("stats", "--no-stream", "-a", "--format", "{{.Name}} {{.PIDs}} {{.MemPerc}}").out.splitlines()
    assert "resting 0 0.00%" in out and len(out) == 2
    assert "No such container: ghost" in docker("stats", "--no-stream", "ghost", code=1).err


# ---- top

def test_top(api):
    container = running(api, ["sh", "-c", "sleep 1001 & sleep 1002; :"])
    def settled():
        top = api.get(f"/containers/{container}/top")
        return sum(p[-1].startswith("sleep") for p in top["Processes"]) == 2 and top
    top = eventually(settled)
    assert top["Titles"] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    pid = str(api.state(container)["Pid"])
    first = next(p for p in top["Processes"] if p[1] == pid)
    assert first[0] == "root" and first[7].startswith("sh -c sleep 1001")
    assert {p[7] for p in top["Processes"] if p[2] == pid} == {"sleep 1001", "sleep 1002"}


@pytest.mark.parametrize("ps_args,titles", [("aux", ["USER", "PID"]), ("-o pid,cmd", ["PID", "CMD"]), ("axf", ["PID", "TTY"])])
def test_top_with_arguments(api, ps_args, titles):
    top = api.get(f"/containers/{running(api)}/top", ps_args=ps_args)
    assert top["Titles"][:2] == titles and len(top["Processes"]) == 1 and "sleep 1000" in top["Processes"][0][-1]


@pytest.mark.parametrize("ps_args,message", [
    ("-o cmd", "Couldn't find PID field in ps output"), ("-o x=PID", 'specifying "x=PID" is not allowed'),
    ("-Z -bogus", "ps: error: unsupported SysV option")])
def test_top_with_bad_arguments(api, ps_args, message):
    answer = api.request("GET", f"/containers/{running(api)}/top", query={"ps_args": ps_args})
    assert (answer.status, answer.message) == (500, message)


def test_top_runs_no_shell(api, scratch):
    api.request("GET", f"/containers/{running(api)}/top", query={"ps_args": f"-ef; touch {scratch}/x"})
    api.request("GET", f"/containers/{running(api)}/top", query={"ps_args": f"$(touch {scratch}/x)"})
    assert not os.listdir(scratch)


def test_top_of_one_that_does_not_run(api):
    answer = api.request("GET", f"/containers/{api.create()}/top")
    assert answer.status == 409 and answer.message.endswith("is not running")
    assert api.request("GET", "/containers/ghost/top").status == 404


def test_top_of_a_paused_one(docker, api):
    container = running(api, name="frozen")
    api.post(f"/containers/{container}/pause")
    out = docker("top", "frozen", "-o", "pid,comm").out.splitlines()
    assert out[0].split() == ["PID", "COMMAND"] and out[1].split() == [str(api.state(container)["Pid"]), "sleep"]
    api.post(f"/containers/{container}/unpause")
