"""What dockerd says when a container's state forbids what is asked: statuses and texts, word for word."""

import pytest

from support.waiting import eventually

IDLE = ["sleep", "1000"]
pytestmark = pytest.mark.berth  # the texts are Docker 28's


def refused(api, method, path, status, message, query=None, body=None):
    answer = api.request(method, path, body, query)
    assert (answer.status, answer.message) == (status, message)


def running(api, name, **host):
    container = api.create(cmd=IDLE, name=name, HostConfig=host)
    api.start(container)
    return container


def test_kill(api):
    container = api.create(cmd=["true"], name="killed")
    refused(api, "POST", "/containers/killed/kill", 409,
            f"cannot kill container: killed: container {container} is not running")
    refused(api, "POST", "/containers/ghost/kill", 404, "cannot kill container: ghost: No such container: ghost")
    refused(api, "POST", "/containers/killed/kill", 400, "cannot kill container: killed: invalid signal: NOPE",
            {"signal": "NOPE"})


def test_stop_and_restart(api):
    running(api, "up")
    refused(api, "POST", "/containers/up/stop", 500, "cannot stop container: up: invalid signal: NOPE", {"signal": "NOPE"})
    assert api.state("up")["Running"]
    refused(api, "POST", "/containers/ghost/stop", 404, "No such container: ghost")
    refused(api, "POST", "/containers/ghost/restart", 404, "No such container: ghost")
    api.create(cmd=["/no/such"], name="broken")
    answer = api.request("POST", "/containers/broken/restart")
    assert answer.status == 500 and answer.message.startswith("Cannot restart container broken: ")
    assert api.request("POST", "/containers/broken/stop", query={"signal": "NOPE"}).status == 304


def test_pause_and_unpause(api):
    container = running(api, "up")
    refused(api, "POST", "/containers/up/unpause", 500, f"Container {container} is not paused")
    api.post("/containers/up/pause")
    refused(api, "POST", "/containers/up/pause", 409, f"Container {container} is already paused")
    refused(api, "POST", "/containers/up/start", 409, "cannot start a paused container, try unpause instead")
    refused(api, "DELETE", "/containers/up", 409,
            'cannot remove container "/up": container is paused and must be unpaused first')
    api.post("/containers/up/unpause")
    ended = api.create(cmd=["true"], name="ended")
    refused(api, "POST", "/containers/ended/pause", 409, f"container {ended} is not running")
    refused(api, "POST", "/containers/ended/unpause", 500, f"Container {ended} is not paused")


def test_start_and_remove_of_one_that_waits_for_its_restart(api):
    container = api.create(cmd=["false"], name="again", HostConfig={"RestartPolicy": {"Name": "always"}})
    api.start(container)
    eventually(lambda: api.inspect(container)["RestartCount"] >= 4 and api.state(container)["Restarting"], timeout=30)
    answers = [api.request("POST", "/containers/again/start").status, api.request("DELETE", "/containers/again")]
    assert answers[0] == 304
    assert answers[1].status == 409
    assert answers[1].message.startswith('cannot remove container "/again": container is r')  # restarting or running
    assert answers[1].message.endswith(": stop the container before removing or force remove")


def test_remove(api):
    running(api, "up")
    refused(api, "DELETE", "/containers/up", 409, 'cannot remove container "/up": container is running: '
                                                  "stop the container before removing or force remove")
    refused(api, "DELETE", "/containers/up", 500, "Conflict, cannot remove the default link name of the container",
            {"link": 1})
    refused(api, "DELETE", "/containers/ghost", 404, "No such container: ghost", {"link": 1})


def test_rename(api):
    first = api.create(cmd=["true"], name="first")
    api.create(cmd=["true"], name="second")
    rename = "/containers/second/rename"
    refused(api, "POST", rename, 409, 'Error when allocating new name: Conflict. The container name "/first" is already '
                                      f'in use by container "{first}". You have to remove (or rename) that container to '
                                      "be able to reuse that name.", {"name": "first"})
    refused(api, "POST", rename, 400, "Error when allocating new name: Invalid container name (not fine), only "
                                      "[a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", {"name": "not fine"})
    refused(api, "POST", rename, 400, "Renaming a container with the same name as its current name", {"name": "/second"})
    for name in ("", "/", " "):
        refused(api, "POST", rename, 400, "Neither old nor new names may be empty", {"name": name})
    assert api.request("POST", rename, query={"name": " third "}).status == 204
    assert api.inspect("third")["Name"] == "/third"


def test_update(api):
    container = running(api, "up", NanoCpus=500_000_000, Memory=64 << 20, MemorySwap=64 << 20)
    doing = f"Cannot update container {container}: "
    update = "/containers/up/update"
    refused(api, "POST", update, 409, doing + "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already "
                                              "been set", body={"CpuQuota": 50000})
    refused(api, "POST", update, 409, doing + "Conflicting options: CPU Period cannot be updated as NanoCPUs has already "
                                              "been set", body={"CpuPeriod": 50000})
    if api.get("/info")["SwapLimit"]:
        refused(api, "POST", update, 409, doing + "Memory limit should be smaller than already set memoryswap limit, "
                                                  "update the memoryswap at the same time", body={"Memory": 128 << 20})
    assert api.request("POST", update, {"Memory": 128 << 20, "MemorySwap": -1}).status == 200
    for unlimited in (0, -1, -7):
        assert api.request("POST", update, {"PidsLimit": unlimited}).status == 200
        assert api.inspect("up")["HostConfig"]["PidsLimit"] == 0
    gone = running(api, "gone", AutoRemove=True)
    refused(api, "POST", "/containers/gone/update", 409,
            f"Cannot update container {gone}: Restart policy cannot be updated because AutoRemove is enabled for the "
            "container", body={"RestartPolicy": {"Name": "always"}})


def test_wait(api):
    api.create(cmd=["true"], name="waited")
    refused(api, "POST", "/containers/waited/wait", 400, 'invalid condition: "soon"', {"condition": "soon"})
