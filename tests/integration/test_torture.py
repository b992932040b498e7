"""Nothing lost: many clients do random things while the daemon, and now and then a container's monitor, is killed. After
each start everything that was answered must be true, containers run on with the same pid and a log without a gap; at the
end nothing is left. Some clients (rioters) share containers, and know no more of them than that they are no failure of the
daemon. BERTH_TORTURE_KILLS, BERTH_TORTURE_OPERATIONS and BERTH_TORTURE_SEED make it longer, or the same again."""

import json
import os
import random
import signal
import time

import pytest

from support import images, leaks
from support.torture import LOST, RESTARTS, Client, Crowd, Rioter, alive
from support.waiting import eventually
from test_crash import monitor_of

pytestmark = pytest.mark.berth
KILLS = int(os.environ.get("BERTH_TORTURE_KILLS", "50"))
OPERATIONS = int(os.environ.get("BERTH_TORTURE_OPERATIONS", "1000"))
SEED = int(os.environ.get("BERTH_TORTURE_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
CLIENTS = 8
RIOTERS = int(os.environ.get("BERTH_TORTURE_RIOTERS", "2"))
NEVER = "0001-01-01T00:00:00Z"


def is_true(state):
    return state["Restarting"] or state["Running"] == (state["Pid"] > 0 and alive(state["Pid"]))


def look_at(daemon, container):
    """What the daemon says of it; it may end just then, and the news be on its way. None: it has removed itself."""
    def found():
        answer = daemon.api.request("GET", f"/containers/{container}/json")
        if answer.status == 404:
            return (None,)
        shown = answer.json()
        return (shown,) if is_true(shown["State"]) else None
    return eventually(found)[0]


def check_container(client, c, found):
    """Holds what the daemon says of a container against what its client was answered; unknown becomes known."""
    state = found["State"]
    assert found["Name"][1:] in c.names, f"{c} is called {found['Name']}"
    if c.memory is not None:
        assert found["HostConfig"]["Memory"] == c.memory, f"{c}: Memory {found['HostConfig']['Memory']} and not {c.memory}"
    shown = "paused" if state["Paused"] else state["Status"]
    if c.hit:
        assert not state["Running"] or state["Pid"] != c.hit_pid, f"{c} runs without its monitor"
    elif c.state is not None:
        assert shown == c.state, f"{c} is {state}"
        if c.pid:
            assert (state["Pid"], state["StartedAt"]) == (c.pid, c.started_at), f"{c} was started anew: {state}"
    c.name, c.names, c.memory = found["Name"][1:], {found["Name"][1:]}, found["HostConfig"]["Memory"]
    c.id, c.there, c.hit, c.state = found["Id"], True, False, shown
    client.ids.add(c.id)
    c.pid, c.started_at = (state["Pid"], state["StartedAt"]) if state["Running"] else (None, None)
    if state["Running"] and (c.how.ends or c.how.restless):
        c.forget()
    health = state.get("Health")  # from the first start on; one that is paused or has ended is called unhealthy
    if health and c.how.well is not None:
        assert health["FailingStreak"] == 0 if c.how.well else health["Status"] != "healthy", f"{c}: {health}"
    if c.how.talks:
        client.take_log(c)
    if c.files:
        client.check_file(c)


def settle(daemon, c, container):
    """A restart policy may be at work, and change the state at any moment: what follows is sure."""
    if c.kind == "eternal" and daemon.api.state(container)["StartedAt"] != NEVER:  # comes back with each daemon
        if c.state not in ("running", "paused"):
            c.forget()
        if c.hit or c.state is None:
            eventually(lambda: daemon.api.state(container)["Running"])
            c.forget()
        return
    if c.kind == "trier":  # tries again with each daemon until its tries are used up, stopped or not, as Docker's
        count = daemon.api.inspect(container)["RestartCount"]
        assert count <= RESTARTS, f"{c} was started again {count} times"
        if c.state != "created":
            c.forget()
    if not c.hit and c.state is not None:
        return
    if c.how.revived and c.hit:
        eventually(lambda: daemon.api.state(container)["Running"])
    if c.how.revived or c.how.restless:
        daemon.api.ok("POST", f"/containers/{container}/stop", query={"t": 0})  # stopped, it stays so
        c.hit = False
        c.forget()


def check(daemon, clients):
    listed = {c["Names"][0][1:]: c for c in daemon.api.get("/containers/json", all=1)}
    ids = {c["Id"] for c in listed.values()}
    tags = {tag for image in daemon.api.get("/images/json") for tag in image["RepoTags"] or []}
    volumes = {volume["Name"] for volume in daemon.api.get("/volumes")["Volumes"]}
    known = set()
    for client in clients:
        assert not client.gone & ids, "removed, and back"
        for c in list(client.containers):
            name = next((n for n in c.names if n in listed), None)
            if name is None:
                # --rm: whoever killed its monitor, or left while it was stopped, has removed it.
                assert not c.there or (c.kind == "passing" and (c.hit or c.state is None)), f"{c} was answered and is lost"
                client.containers.remove(c)
                continue
            known.add(name)
            if c.kind == "passing" and (c.hit or c.state is None):  # --rm may be at work
                daemon.api.request("DELETE", "/containers/" + listed[name]["Id"], query={"force": 1})
                eventually(lambda i=listed[name]["Id"]: daemon.api.request("GET", f"/containers/{i}/json").status == 404)
                client.containers.remove(c)
                continue
            settle(daemon, c, listed[name]["Id"])
            check_container(client, c, look_at(daemon, listed[name]["Id"]))
        for kept, there_now in ((client.images, tags), (client.volumes, volumes)):
            for name, there in list(kept.items()):
                assert there is None or there == (name in there_now), f"{name}: {there} was answered"
                kept[name] = name in there_now
    for name in sorted(set(listed) & set(Rioter.NAMES)):
        look_at(daemon, listed[name]["Id"])
    assert known | set(Rioter.NAMES) >= set(listed), f"nobody has asked for {set(listed) - known - set(Rioter.NAMES)}"


def kill_a_monitor(daemon, clients, chooser):
    """That of a rioters' container, be it in the middle of its start; or one whose client is told before."""
    own = set().union(*(client.ids for client in clients))
    shared = sorted(set(os.listdir(daemon.exec_root + "/containers")) - own)
    running = [c for client in clients for c in list(client.containers) if c.state == "running" and c.there and c.pid]
    c = None
    if running and (not shared or chooser.random() < 0.5):
        c = chooser.choice(running)
    elif not shared:
        return
    monitor = monitor_of(c.id if c else chooser.choice(shared))
    if monitor is None:
        return
    if c:
        c.hit_pid, c.hit = c.pid, True
        c.starts += c.how.revived
    os.kill(monitor, signal.SIGKILL)


def restart(daemon, chooser):
    for _ in range(chooser.choice([0, 0, 0, 1, 2])):  # killed again while it starts
        daemon.spawn()
        time.sleep(chooser.uniform(0.001, 0.08))
        daemon.kill()
    began = time.monotonic()
    daemon.start()
    return time.monotonic() - began


def test_torture(new_daemon):
    group = f"bt-torture-{os.getpid()}"  # so that what is left can be told from what others do on this machine
    daemon = new_daemon("--cgroup-parent", "/" + group)
    print(f"BERTH_TORTURE_SEED={SEED}")
    chooser = random.Random(SEED)
    links, before = leaks.links(), leaks.belongings(daemon)
    clients = [Client(daemon, i, chooser.random(), images.docker_archive(
        [([f"loaded{i}:1"], [images.Tar().file("f", os.urandom(100_000)).bytes()], None)])) for i in range(CLIENTS)]
    clients += [Rioter(daemon, CLIENTS + i, chooser.random(), None) for i in range(RIOTERS)]
    crowd, slowest = Crowd(clients), 0
    try:
        for point in range(KILLS):
            crowd.run_until((point + 1) * OPERATIONS // KILLS)
            time.sleep(chooser.uniform(0, 0.05))
            monitor_too = chooser.choice(["before", "after", "", "", "", ""])
            if monitor_too == "before":  # the daemon sees it, or not any more
                kill_a_monitor(daemon, clients, chooser)
                time.sleep(chooser.choice([0, 0, 0.02]))
            daemon.kill()
            crowd.hold()
            if monitor_too == "after":
                kill_a_monitor(daemon, clients, chooser)
            slowest = max(slowest, restart(daemon, chooser))
            check(daemon, clients)
        for client in clients:
            for c in client.containers:
                daemon.api.request("DELETE", "/containers/" + c.id, query={"force": 1, "v": 1})
            for tag, there in client.images.items():
                assert not there or daemon.api.request("DELETE", "/images/" + tag).status == 200
            for volume, there in client.volumes.items():
                assert not there or daemon.api.request("DELETE", "/volumes/" + volume).status == 204
        for name in Rioter.NAMES:
            assert daemon.api.request("DELETE", "/containers/" + name, query={"force": 1, "v": 1}).status in (204, 404, 409)
    except (AssertionError, *LOST) as error:
        raise AssertionError(f"BERTH_TORTURE_SEED={SEED}: {error}\n{daemon.log_tail(40)}") from None
    finally:
        crowd.end()
    eventually(lambda: daemon.api.get("/containers/json", all=1) == [])
    ids = set().union(*(client.ids for client in clients))

    def left():
        return sorted((leaks.links() - links) | {c for c in leaks.cgroups() if f"/{group}/" in c} |
                      (leaks.belongings(daemon) ^ before) | {m for m in leaks.mounts() if daemon.root in m} |
                      {p for p in leaks.processes() if ids & set(p.split())})
    end = time.monotonic() + 20
    while left() and time.monotonic() < end:
        time.sleep(0.1)
    assert not left(), f"BERTH_TORTURE_SEED={SEED}: {left()}\n{daemon.log_tail(40)}"
    leaks.remove_cgroup(group)
    total = sum((client.done for client in clients), start=type(clients[0].done)())
    print(f"{crowd.answered} operations, {KILLS} kills, slowest start {slowest:.1f} s: {json.dumps(total)}")
    missed = {operation.__name__ for operation in Client.OPERATIONS} - set(total) - set().union(*(c.missing for c in clients))
    assert OPERATIONS < 1000 or len(missed) < 3, f"never done: {missed}"
