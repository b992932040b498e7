"""Images, volumes, networks: the simple forms."""

import time

from support import images

IMAGE_FILTERS = {
    "reference": {"reference": ["busy*"]}, "reference with a tag": {"reference": ["busybox:latest"]}, "reference to nothing": {"reference": ["x*"]},
    "bad reference": {"reference": ["["]}, "label": {"label": ["image.label"]}, "label with a value": {"label": ["image.label=one"]},
    "dangling": {"dangling": ["true"]}, "not dangling": {"dangling": ["false"]}, "dangling of nonsense": {"dangling": ["x"]},
    "before": {"before": ["busybox"]}, "since": {"since": ["busybox"]}, "before nothing": {"before": ["nothere"]},
    "unknown": {"colour": ["red"]}, "old form": {"label": {"image.label=one": True}},
}


def walk_images(x):
    x.get("list", "/images/json")
    x.get("list all", "/images/json", {"all": "1"})
    x.get("list with digests", "/images/json", {"digests": "1"})
    for name, filters in IMAGE_FILTERS.items():
        x.get("filter " + name, "/images/json", {"filters": filters})
    x.get("list of broken filters", "/images/json", {"filters": "{"})
    for name in ("busybox", "full:latest", "nothere", "busybox:nothere", "BAD", "sha256:" + "0" * 64, "docker.io/library/busybox"):
        x.get(f"inspect {name}", f"/images/{name}/json")
        x.get(f"history {name}", f"/images/{name}/history")
    x.post("tag", "/images/busybox/tag", query={"repo": "mine/box", "tag": "v1"})
    x.post("tag again", "/images/busybox/tag", query={"repo": "mine/box", "tag": "v1"})
    x.post("tag without a tag", "/images/busybox/tag", query={"repo": "mine/box"})
    x.post("tag of a registry", "/images/busybox/tag", query={"repo": "localhost:5000/box", "tag": "v2"})
    x.post("tag of nothing", "/images/nothere/tag", query={"repo": "x/y"})
    x.post("tag to nothing", "/images/busybox/tag")
    x.post("tag to capitals", "/images/busybox/tag", query={"repo": "Mine"})
    x.post("tag to a bad tag", "/images/busybox/tag", query={"repo": "mine", "tag": "a b"})
    x.post("tag to a digest", "/images/busybox/tag", query={"repo": "mine@sha256:" + "0" * 64})
    x.get("list after tags", "/images/json", {"filters": {"reference": ["mine/box"]}})
    x.delete("untag", "/images/mine/box:v1")
    x.delete("untag again", "/images/mine/box:v1")
    x.delete("untag of capitals", "/images/Mine")
    x.delete("untag the others", "/images/mine/box:latest")
    x.delete("untag of a registry", "/images/localhost:5000/box:v2")
    x.run("user", {"Image": "full", "Cmd": None, "Entrypoint": ["sleep", "1000"]})
    x.delete("remove what a container uses", "/images/full")
    x.delete("remove what a running container uses, by force", "/images/full", {"force": "1"})
    x.remove("user")
    x.delete("remove what is not there", "/images/nothere")
    x.delete("remove what is not there, by force", "/images/nothere", {"force": "1"})
    extra = images.docker_archive([(["extra:1"], [images.Tar().file("x", "y").bytes()], {"Labels": {"extra": "1"}})])
    x.post("load", "/images/load", extra)
    x.post("load quietly", "/images/load", extra, {"quiet": "1"})
    x.get("inspect extra", "/images/extra:1/json")
    x.create("ofextra", {"Image": "extra:1", "Cmd": ["/x"]})
    x.delete("remove what a stopped container uses", "/images/extra:1")
    x.delete("remove what a stopped container uses, by force", "/images/extra:1", {"force": "1"})
    x.get("list of one whose image is gone", "/containers/json", {"all": "1"})
    x.remove("ofextra")
    x.post("load of no archive", "/images/load", b"this is no archive")
    x.post("load of nothing", "/images/load", b"")
    x.post("load of an empty tar", "/images/load", images.Tar().bytes())
    x.post("load of a tar without a manifest", "/images/load", images.Tar().file("x", "y").bytes())
    x.post("load of a broken manifest", "/images/load", images.Tar().file("manifest.json", "{").bytes())
    x.post("import", "/images/create", images.Tar().file("x", "y").bytes(), {"fromSrc": "-", "repo": "imported", "tag": "1",
                                                                             "message": "by hand", "changes": "CMD x"})
    x.get("inspect imported", "/images/imported:1/json")
    x.get("history imported", "/images/imported:1/history")
    x.delete("remove imported", "/images/imported:1")
    x.post("import of a bad change", "/images/create", images.Tar().bytes(), {"fromSrc": "-", "changes": "NONSENSE"})
    x.post("import to a bad name", "/images/create", images.Tar().bytes(), {"fromSrc": "-", "repo": "BAD"})
    x.post("create from nothing", "/images/create")
    x.get("save of nothing", "/images/nothere/get")
    x.get("save of no names", "/images/get")
    x.post("prune", "/images/prune")
    x.post("prune by an unknown filter", "/images/prune", query={"filters": {"colour": ["red"]}})
    x.post("prune of a bad dangling", "/images/prune", query={"filters": {"dangling": ["x"]}})
    x.post("prune until nonsense", "/images/prune", query={"filters": {"until": ["x"]}})


VOLUME_FILTERS = {"name": {"name": ["vol-"]}, "dangling": {"dangling": ["true"]}, "not dangling": {"dangling": ["false"]},
                  "dangling by number": {"dangling": ["1"]}, "dangling of nonsense": {"dangling": ["x"]}, "driver": {"driver": ["local"]},
                  "another driver": {"driver": ["x"]}, "label": {"label": ["a"]}, "label with a value": {"label": ["a=b"]},
                  "unknown": {"colour": ["red"]}}


def walk_volumes(x):
    x.get("none", "/volumes")
    x.post("create", "/volumes/create", {"Name": "vol-1", "Labels": {"a": "b"}})
    x.post("create again", "/volumes/create", {"Name": "vol-1"})
    x.post("create with a driver", "/volumes/create", {"Name": "vol-2", "Driver": "local"})
    x.post("create with empty options", "/volumes/create", {"Name": "vol-3", "DriverOpts": {}})
    x.keep("anon", x.post("create without a name", "/volumes/create", {}), "Name")
    x.post("create with a bad name", "/volumes/create", {"Name": "a/b"})
    x.post("create with a short name", "/volumes/create", {"Name": "a"})
    x.post("create with an umlaut", "/volumes/create", {"Name": "bär"})
    x.later("create with a driver that is not there", "POST", "/volumes/create", {"Name": "vol-9", "Driver": "nonsense"})
    x.later("create with a bad option", "POST", "/volumes/create", {"Name": "vol-9", "DriverOpts": {"nonsense": "1"}})
    x.post("create with labels of a list", "/volumes/create", {"Name": "vol-9", "Labels": ["a"]})
    x.post("create with a name of a number", "/volumes/create", {"Name": 5})
    x.post("create of broken JSON", "/volumes/create", "{")
    x.run("user", HostConfig={"NetworkMode": "none", "Binds": ["vol-1:/v"]})
    x.get("list", "/volumes")
    x.get("inspect", "/volumes/vol-1")
    x.get("inspect an anonymous one", "/volumes/{id anon}")
    x.get("inspect what is not there", "/volumes/nothere")
    for name, filters in VOLUME_FILTERS.items():
        x.get("filter " + name, "/volumes", {"filters": filters})
    x.get("broken filters", "/volumes", {"filters": "{"})
    x.get("df", "/system/df")
    x.delete("remove what is used", "/volumes/vol-1")
    x.delete("remove what is used, by force", "/volumes/vol-1", {"force": "1"})
    x.delete("remove what is not there", "/volumes/nothere")
    x.delete("remove what is not there, by force", "/volumes/nothere", {"force": "1"})
    x.delete("remove", "/volumes/vol-2")
    x.post("prune by label", "/volumes/prune", query={"filters": {"label": ["nope"]}})
    x.post("prune by an unknown filter", "/volumes/prune", query={"filters": {"colour": ["red"]}})
    x.remove("user")
    x.post("prune", "/volumes/prune")
    for name in ("vol-1", "vol-3", "{id anon}"):
        x.quietly("DELETE", "/volumes/" + name)
    x.post("create of no body", "/volumes/create", "")  # makes one or none
    x.both(lambda side: [side.api.request("DELETE", "/volumes/" + v["Name"]) for v in side.api.get("/volumes")["Volumes"] or []])


NETWORK_FILTERS = {"name": {"name": ["bridge"]}, "driver": {"driver": ["host"]}, "type builtin": {"type": ["builtin"]},
                   "type custom": {"type": ["custom"]}, "type of nonsense": {"type": ["x"]}, "scope": {"scope": ["local"]},
                   "dangling": {"dangling": ["true"]}, "label": {"label": ["a"]}, "unknown": {"colour": ["red"]}, "id": {"id": ["zz"]}}


def walk_networks(x):
    x.get("list", "/networks")
    for name, filters in NETWORK_FILTERS.items():
        x.get("filter " + name, "/networks", {"filters": filters})
    x.get("broken filters", "/networks", {"filters": "{"})
    for name in ("bridge", "host", "none", "nothere"):
        x.get("inspect " + name, "/networks/" + name)
    x.keep("net", x.post("create", "/networks/create", {"Name": "diffnet", "CheckDuplicate": True, "Labels": {"a": "b"}, "IPAM": {
        "Config": [{"Subnet": "10.123.0.0/24", "Gateway": "10.123.0.1"}]}}))
    x.post("create again", "/networks/create", {"Name": "diffnet", "CheckDuplicate": True})
    x.get("inspect", "/networks/diffnet")
    x.get("inspect verbosely", "/networks/{id net}", {"verbose": "1"})
    x.get("inspect with a scope", "/networks/diffnet", {"scope": "swarm"})
    x.post("create without a name", "/networks/create", {})
    x.post("create with a blank name", "/networks/create", {"Name": "  "})
    x.post("create bridge", "/networks/create", {"Name": "bridge"})
    x.post("create host", "/networks/create", {"Name": "host"})
    x.post("create another of driver host", "/networks/create", {"Name": "h2", "Driver": "host"})
    x.later("create with a driver that is not there", "POST", "/networks/create", {"Name": "n2", "Driver": "nonsense"})
    x.post("create with a bad subnet", "/networks/create", {"Name": "n2", "IPAM": {"Config": [{"Subnet": "nonsense"}]}})
    x.post("create with a bad gateway", "/networks/create", {"Name": "n2", "IPAM": {"Config": [{"Subnet": "10.124.0.0/24", "Gateway": "x"}]}})
    x.post("create with an overlapping subnet", "/networks/create", {"Name": "n2", "IPAM": {"Config": [{"Subnet": "10.123.0.0/25"}]}})
    x.post("create of broken JSON", "/networks/create", "{")
    x.post("create with a name of a number", "/networks/create", {"Name": 5})
    x.run("innet", HostConfig={"NetworkMode": "diffnet"})
    x.get("a container in it: inspect", "/containers/innet/json")
    x.get("it with a container: inspect", "/networks/diffnet")
    x.delete("remove what is used", "/networks/diffnet")
    x.remove("innet")
    x.delete("remove", "/networks/diffnet")
    x.delete("remove again", "/networks/diffnet")
    x.delete("remove bridge", "/networks/bridge")
    x.post("prune", "/networks/prune")
    x.post("prune by an unknown filter", "/networks/prune", query={"filters": {"colour": ["red"]}})
    x.run("onbridge", HostConfig={"NetworkMode": "bridge"})
    x.get("a container on bridge: inspect", "/containers/onbridge/json")
    x.get("bridge with a container: inspect", "/networks/bridge")


EVENTS = {"type container": {"type": ["container"]}, "type network": {"type": ["network"]}, "event start": {"event": ["start"]},
          "container by name": {"container": ["ev"]}, "image": {"image": ["busybox"]}, "label": {"label": ["e=1"]},
          "another label": {"label": ["e=2"]}, "volume": {"volume": ["evvol"]}, "scope local": {"scope": ["local"]},
          "scope swarm": {"scope": ["swarm"]}, "event of an exec": {"event": ["exec_create"]}, "type of nonsense": {"type": ["nonsense"]}}


def walk_events(x):
    """What the engines say about one container's life."""
    time.sleep(1.1)  # what came before was within another second
    begin = str(int(time.time()))
    x.create("ev", Labels={"e": "1"}, HostConfig={"NetworkMode": "none", "Binds": ["evvol:/v"]})
    for action in ("start", "pause", "unpause"):
        x.post(action, f"/containers/ev/{action}")
    x.keep("evx", x.post("exec", "/containers/ev/exec", {"Cmd": ["true"]}))
    x.post("exec start", "/exec/{id evx}/start", {})
    x.until("/exec/{id evx}/json", lambda e: e and not e.get("Running"))
    x.post("update", "/containers/ev/update", {"CpuShares": 300})
    x.post("rename", "/containers/ev/rename", query={"name": "ev2"})
    x.post("resize", "/containers/ev2/resize", query={"h": "5", "w": "5"})
    x.post("kill", "/containers/ev2/kill", query={"signal": "KILL"})
    x.wait("ev2")
    x.post("start again", "/containers/ev2/start")
    x.post("stop", "/containers/ev2/stop", query={"t": "0"})
    x.post("restart", "/containers/ev2/restart", query={"t": "0"})
    x.delete("remove", "/containers/ev2", {"force": "1"})
    x.delete("volume remove", "/volumes/evvol")
    x.post("tag", "/images/busybox/tag", query={"repo": "evtag"})
    x.delete("untag", "/images/evtag")
    x.post("prune", "/containers/prune")
    time.sleep(1.1)
    end = str(int(time.time()))
    x.get("all", "/events", {"since": begin, "until": end})
    for name, filters in EVENTS.items():
        x.get("filter " + name, "/events", {"since": begin, "until": end, "filters": filters})
