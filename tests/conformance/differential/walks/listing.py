"""Lists of containers with every filter, and prune."""

FILTERS = {
    "status exited": {"status": ["exited"]}, "status running": {"status": ["running"]}, "status created": {"status": ["created"]},
    "two statuses": {"status": ["exited", "running"]}, "status of nonsense": {"status": ["nonsense"]},
    "name": {"name": ["li-run"]}, "part of a name": {"name": ["li-"]}, "name as a pattern": {"name": ["^/li-r.n$"]},
    "name with an anchor and without a slash": {"name": ["^li-run$"]}, "name as a broken pattern": {"name": ["("]},
    "id": {"id": ["{id li-run}"]}, "id that is not there": {"id": ["ffffffffffff"]},
    "label": {"label": ["tier"]}, "label with a value": {"label": ["tier=web"]}, "label with a wrong value": {"label": ["tier=db"]},
    "two labels": {"label": ["tier=web", "stage"]}, "exit code": {"exited": ["3"]}, "exit code of nonsense": {"exited": ["x"]},
    "ancestor": {"ancestor": ["busybox"]}, "ancestor with a tag": {"ancestor": ["full:latest"]},
    "ancestor that is not there": {"ancestor": ["nothere"]}, "before": {"before": ["li-run"]}, "since": {"since": ["li-run"]},
    "before nobody": {"before": ["nothere"]}, "since nobody": {"since": ["nothere"]}, "volume": {"volume": ["livol"]},
    "volume by place": {"volume": ["/data"]}, "network": {"network": ["none"]}, "network that is not there": {"network": ["nothere"]},
    "network by part": {"network": ["brid"]}, "publish": {"publish": ["18070"]}, "publish with a protocol": {"publish": ["18070/tcp"]},
    "publish a range": {"publish": ["18000-18100"]}, "publish of nonsense": {"publish": ["x"]}, "expose": {"expose": ["80"]},
    "expose with a protocol": {"expose": ["80/udp"]}, "expose of nonsense": {"expose": ["80/x"]}, "health none": {"health": ["none"]},
    "health of nonsense": {"health": ["nonsense"]}, "is-task": {"is-task": ["true"]}, "is-task of nonsense": {"is-task": ["perhaps"]},
    "isolation": {"isolation": ["default"]}, "unknown filter": {"colour": ["red"]}, "two filters": {"status": ["exited"],
                                                                                                 "label": ["tier"]},
    "empty": {}, "empty list": {"status": []}, "empty text": {"name": [""]},
    "old form": {"status": {"exited": True}}, "old form, false": {"status": {"exited": False}},
}
RAW_FILTERS = {"broken JSON": "{", "a list": "[]", "a text": '"x"', "a number": '{"status": 5}', "numbers": '{"status": [5]}',
               "a text as value": '{"status": "exited"}', "empty": "", "null": "null"}
QUERIES = {"all": {"all": "1"}, "all by true": {"all": "true"}, "all by True": {"all": "True"}, "all by yes": {"all": "yes"},
           "all by nought": {"all": "0"}, "all by false": {"all": "false"}, "all by none": {"all": "none"}, "all by no": {"all": "no"},
           "all by nothing": {"all": ""}, "limit 1": {"limit": "1"}, "limit 2": {"limit": "2"}, "limit 0": {"limit": "0"},
           "limit -1": {"limit": "-1"}, "limit of nonsense": {"limit": "x"}, "size": {"all": "1", "size": "1"},
           "since, the old way": {"since": "li-run"}, "before, the old way": {"before": "li-run"}}


def walk(x):
    x.create("li-made", Labels={"stage": "1"})
    x.run("li-run", Labels={"tier": "web", "stage": "2"}, ExposedPorts={"80/udp": {}, "80/tcp": {}}, HostConfig={
        "NetworkMode": "bridge", "Binds": ["livol:/data"], "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18070"}]}})
    x.run("li-end", {"Cmd": ["sh", "-c", "exit 3"]}, Labels={"tier": "db"})
    x.wait("li-end")
    x.create("li-full", {"Image": "full", "Cmd": None})
    for name, query in QUERIES.items():
        x.get("query " + name, "/containers/json", query)
    for name, filters in FILTERS.items():
        x.get("filter " + name, "/containers/json", {"all": "1", "filters": filters})
    for name, text in RAW_FILTERS.items():
        x.get("filters of " + name, "/containers/json", {"all": "1", "filters": text})
    x.post("prune by a label", "/containers/prune", query={"filters": {"label": ["tier=db"]}})
    x.post("prune by not a label", "/containers/prune", query={"filters": {"label!": ["stage", "image.label"]}})
    x.post("prune until the past", "/containers/prune", query={"filters": {"until": ["1"]}})
    x.post("prune until nonsense", "/containers/prune", query={"filters": {"until": ["nonsense"]}})
    x.post("prune until two times", "/containers/prune", query={"filters": {"until": ["1", "2"]}})
    x.post("prune by an unknown filter", "/containers/prune", query={"filters": {"colour": ["red"]}})
    x.post("prune by broken filters", "/containers/prune", query={"filters": "{"})
    x.post("prune of all that has ended", "/containers/prune")
    x.post("prune of nothing", "/containers/prune")
    x.get("after prune", "/containers/json", {"all": "1"})
    x.remove("li-run")
    x.quietly("DELETE", "/volumes/livol")
