"""Bodies of create that are bad: status and message. Some are only found to be bad at start."""

RAW = {
    "no body": "",
    "broken JSON": "{",
    "half a string": '{"Image": "busy',
    "not an object": "[]",
    "a number": "5",
    "null": "null",
    "a text": '"busybox"',
    "trailing comma": '{"Image": "busybox",}',
    "two objects": '{"Image": "busybox"} {"Image": "busybox"}',
    "rubbish after the object": '{"Image": "busybox"} rubbish',
    "control character": '{"Image": "bus\ny"}',
    "single quotes": "{'Image': 'busybox'}",
    "NaN": '{"Image": "busybox", "StopTimeout": NaN}',
    "deep": "[" * 20000,
    "same field twice": '{"Image": "nothere", "Image": "busybox", "Cmd": ["a"], "Cmd": ["b"]}',
    "broken UTF-8 escape": '{"Image": "\\u12"}',
    "lonely surrogate": '{"Image": "busybox", "Labels": {"a": "\\ud800"}}',
}

WRONG_TYPES = {
    "image is a number": {"Image": 5},
    "command is a number": {"Cmd": 5},
    "command holds a number": {"Cmd": [5]},
    "command is an object": {"Cmd": {}},
    "environment is a text": {"Env": "A=1"},
    "environment is an object": {"Env": {"A": "1"}},
    "labels are a list": {"Labels": ["a"]},
    "label is a number": {"Labels": {"a": 1}},
    "terminal is a text": {"Tty": "yes"},
    "terminal is a number": {"Tty": 1},
    "stop timeout is a text": {"StopTimeout": "3"},
    "stop timeout is a fraction": {"StopTimeout": 1.5},
    "stop timeout is huge": {"StopTimeout": 1e30},
    "exposed ports are a list": {"ExposedPorts": ["80"]},
    "volumes are a list": {"Volumes": ["/a"]},
    "host configuration is a list": {"HostConfig": []},
    "host configuration is a text": {"HostConfig": "x"},
    "health check is a list": {"Healthcheck": []},
    "health check interval is a text": {"Healthcheck": {"Test": ["CMD", "x"], "Interval": "1s"}},
    "networking is a text": {"NetworkingConfig": "x"},
}

WRONG_TYPES_HOST = {
    "memory is a text": {"Memory": "64m"},
    "memory is a fraction": {"Memory": 1.5},
    "memory overflows": {"Memory": 9223372036854775808},
    "binds are a text": {"Binds": "/srv:/x"},
    "binds hold a number": {"Binds": [1]},
    "port bindings are a list": {"PortBindings": []},
    "port binding is an object": {"PortBindings": {"80/tcp": {}}},
    "host port is a number": {"PortBindings": {"80/tcp": [{"HostPort": 80}]}},
    "restart policy is a text": {"RestartPolicy": "always"},
    "retry count is a text": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": "3"}},
    "log options hold a number": {"LogConfig": {"Type": "json-file", "Config": {"max-file": 3}}},
    "ulimits are an object": {"Ulimits": {}},
    "soft limit is a text": {"Ulimits": [{"Name": "nofile", "Soft": "1", "Hard": 2}]},
    "sysctls are a list": {"Sysctls": []},
    "sysctl is a number": {"Sysctls": {"kernel.msgmax": 1}},
    "devices are texts": {"Devices": ["/dev/zero"]},
    "capabilities are a text": {"CapAdd": "NET_ADMIN"},
    "mounts are an object": {"Mounts": {}},
    "tmpfs is a list": {"Tmpfs": []},
    "privileged is a text": {"Privileged": "true"},
    "pids limit is a text": {"PidsLimit": "5"},
    "console size is short": {"ConsoleSize": [1]},
    "console size is negative": {"ConsoleSize": [-1, 2]},
}

BAD = {
    "no image": {"Image": ""},
    "image that is not there": {"Image": "nothere"},
    "image that is not there, with a tag": {"Image": "nothere:1.0"},
    "image with a tag that is not there": {"Image": "busybox:nope"},
    "image in capitals": {"Image": "BusyBox"},
    "image with an empty tag": {"Image": "busybox:"},
    "image with two tags": {"Image": "busybox:a:b"},
    "image by a digest that is not there": {"Image": "busybox@sha256:" + "0" * 64},
    "image by an ID that is not there": {"Image": "sha256:" + "0" * 64},
    "image by a bad digest": {"Image": "busybox@sha256:xyz"},
    "image of blanks": {"Image": "   "},
    "no command at all": {"Image": "busybox", "Cmd": [], "Entrypoint": [""]},
    "bad exposed port": {"ExposedPorts": {"eighty": {}}},
    "exposed port too large": {"ExposedPorts": {"70000/tcp": {}}},
    "exposed port of a bad protocol": {"ExposedPorts": {"80/smtp": {}}},
    "exposed range backwards": {"ExposedPorts": {"90-80/tcp": {}}},
    "exposed nothing": {"ExposedPorts": {"": {}}},
    "bad stop signal": {"StopSignal": "SIGNONSENSE"},
    "stop signal out of range": {"StopSignal": "99"},
    "bad MAC address": {"MacAddress": "nonsense", "HostConfig": {}},
    "host name too long": {"Hostname": "h" * 64},
    "host name with an underscore": {"Hostname": "a_b"},
    "host name with a blank": {"Hostname": "a b"},
    "host name that begins with a dash": {"Hostname": "-a"},
    "empty environment variable": {"Env": [""]},
    "relative volume": {"Volumes": {"data": {}}},
    "volume at the root": {"Volumes": {"/": {}}},
    "volume with a colon": {"Volumes": {"/a:/b": {}}},
    "health check of a bad kind": {"Healthcheck": {"Test": ["RUN", "x"]}},
    "health check too often": {"Healthcheck": {"Test": ["CMD", "x"], "Interval": 1}},
    "health check interval negative": {"Healthcheck": {"Test": ["CMD", "x"], "Interval": -1}},
    "health check times out too soon": {"Healthcheck": {"Test": ["CMD", "x"], "Timeout": 1000}},
    "health check retries negative": {"Healthcheck": {"Test": ["CMD", "x"], "Retries": -1}},
    "health check start too soon": {"Healthcheck": {"Test": ["CMD", "x"], "StartPeriod": 1000}},
    "two networks": {"NetworkingConfig": {"EndpointsConfig": {"a": {}, "b": {}}}},
    "network that is not there": {"HostConfig": {"NetworkMode": "nothere"}},
}

BAD_HOST = {
    "too little memory": {"Memory": 1048576},
    "negative memory": {"Memory": -1},
    "swap below memory": {"Memory": 67108864, "MemorySwap": 33554432},
    "swap without memory": {"MemorySwap": 67108864},
    "reservation above memory": {"Memory": 67108864, "MemoryReservation": 134217728},
    "too little reservation": {"MemoryReservation": 1024},
    "swappiness above 100": {"MemorySwappiness": 101},
    "swappiness of -2": {"MemorySwappiness": -2},
    "too little kernel memory": {"KernelMemory": 1024},
    "oom score above 1000": {"OomScoreAdj": 1001},
    "oom score below -1000": {"OomScoreAdj": -1001},
    "negative cpu shares": {"CpuShares": -1},
    "quota too small": {"CpuQuota": 500},
    "period too small": {"CpuPeriod": 10},
    "period too large": {"CpuPeriod": 2000000},
    "too many cpus": {"NanoCpus": 100000000000},
    "negative nano cpus": {"NanoCpus": -1},
    "nano cpus and quota": {"NanoCpus": 500000000, "CpuQuota": 5000},
    "nano cpus and period": {"NanoCpus": 500000000, "CpuPeriod": 5000},
    "cpuset out of range": {"CpusetCpus": "0-500"},
    "cpuset of nonsense": {"CpusetCpus": "one"},
    "memory nodes out of range": {"CpusetMems": "7"},
    "memory nodes of nonsense": {"CpusetMems": "x"},
    "block weight too small": {"BlkioWeight": 5},
    "block weight too large": {"BlkioWeight": 5000},
    "block rate of nonsense": {"BlkioDeviceReadBps": [{"Path": "/dev/nothere", "Rate": 1}]},
    "negative shared memory": {"ShmSize": -1},
    "ulimit of a bad name": {"Ulimits": [{"Name": "nonsense", "Soft": 1, "Hard": 2}]},
    "ulimit soft above hard": {"Ulimits": [{"Name": "nofile", "Soft": 3, "Hard": 2}]},
    "sysctl that is not the container's": {"Sysctls": {"kernel.panic": "1"}},
    "sysctl of nonsense": {"Sysctls": {"nonsense": "1"}},
    "sysctl of the network on the host's": {"NetworkMode": "host", "Sysctls": {"net.core.somaxconn": "1"}},
    "sysctl of ipc on the host's": {"IpcMode": "host", "Sysctls": {"kernel.msgmax": "1"}},
    "capability of nonsense": {"CapAdd": ["NONSENSE"]},
    "capability to drop of nonsense": {"CapDrop": ["CAP_NONSENSE"]},
    "capability of nothing": {"CapAdd": [""]},
    "device rule of nonsense": {"DeviceCgroupRules": ["nonsense"]},
    "device rule of a bad kind": {"DeviceCgroupRules": ["x 1:1 rwm"]},
    "security option of nonsense": {"SecurityOpt": ["nonsense"]},
    "security option with an unknown key": {"SecurityOpt": ["colour=red"]},
    "no new privileges perhaps": {"SecurityOpt": ["no-new-privileges:perhaps"]},
    "seccomp of broken JSON": {"SecurityOpt": ["seccomp={"]},
    "seccomp of nonsense": {"SecurityOpt": ["seccomp={\"defaultAction\": \"NONSENSE\"}"]},
    "pid mode of nonsense": {"PidMode": "nonsense"},
    "pid mode of no container": {"PidMode": "container:"},
    "pid mode of a container that is not there": {"PidMode": "container:nothere"},
    "ipc mode of nonsense": {"IpcMode": "nonsense"},
    "ipc mode of a container that is not there": {"IpcMode": "container:nothere"},
    "uts mode of nonsense": {"UTSMode": "nonsense"},
    "user namespace of nonsense": {"UsernsMode": "nonsense"},
    "cgroup namespace of nonsense": {"CgroupnsMode": "nonsense"},
    "cgroup of nonsense": {"Cgroup": "nonsense"},
    "network of no container": {"NetworkMode": "container:"},
    "network of a container that is not there": {"NetworkMode": "container:nothere"},
    "host network with ports": {"NetworkMode": "host", "PortBindings": {"80/tcp": [{"HostPort": "80"}]}},
    "restart policy of nonsense": {"RestartPolicy": {"Name": "nonsense"}},
    "restart policy in capitals": {"RestartPolicy": {"Name": "Always"}},
    "restart always, 3 times": {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}},
    "restart no, 3 times": {"RestartPolicy": {"Name": "no", "MaximumRetryCount": 3}},
    "restart on failure, -1 times": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -1}},
    "restart and remove": {"RestartPolicy": {"Name": "always"}, "AutoRemove": True},
    "port binding of nonsense": {"NetworkMode": "bridge", "PortBindings": {"eighty/tcp": [{"HostPort": "80"}]}},
    "port binding of a bad protocol": {"NetworkMode": "bridge", "PortBindings": {"80/smtp": [{"HostPort": "80"}]}},
    "host port too large": {"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostPort": "70000"}]}},
    "host port of nonsense": {"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostPort": "http"}]}},
    "host address of nonsense": {"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostIp": "nowhere", "HostPort": "80"}]}},
    "host port range backwards": {"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostPort": "90-80"}]}},
    "bind of nothing": {"Binds": [""]},
    "bind of too much": {"Binds": ["/a:/b:ro:x"]},
    "bind of an unknown mode": {"Binds": ["/srv:/b:nonsense"]},
    "bind of two modes": {"Binds": ["/srv:/b:ro,rw"]},
    "bind to a relative place": {"Binds": ["/tmp:b"]},
    "bind to the root": {"Binds": ["/srv:/"]},
    "bind of a bad volume name": {"Binds": ["a/b:/c"]},
    "bind of a short volume name": {"Binds": ["a:/c"]},
    "bind of a volume with a propagation": {"Binds": ["vol:/c:rshared"]},
    "bind no copy": {"Binds": ["/srv:/c:nocopy"]},
    "two binds to one place": {"Binds": ["/srv:/c", "/var:/c"]},
    "two binds to one place, spelled twice": {"Binds": ["/srv:/c", "/var:/c/"]},
    "a bind and a tmpfs to one place": {"Binds": ["/srv:/c"], "Tmpfs": {"/c": ""}},
    "a bind and a mount to one place": {"Binds": ["/srv:/c"], "Mounts": [{"Type": "tmpfs", "Target": "/c"}]},
    "mount without a kind": {"Mounts": [{"Target": "/c"}]},
    "mount of a bad kind": {"Mounts": [{"Type": "nonsense", "Target": "/c"}]},
    "mount without a target": {"Mounts": [{"Type": "volume"}]},
    "mount to a relative place": {"Mounts": [{"Type": "volume", "Target": "c"}]},
    "mount to the root": {"Mounts": [{"Type": "volume", "Target": "/"}]},
    "mount bind without a source": {"Mounts": [{"Type": "bind", "Target": "/c"}]},
    "mount bind of a relative source": {"Mounts": [{"Type": "bind", "Source": "x", "Target": "/c"}]},
    "mount bind of what is not there": {"Mounts": [{"Type": "bind", "Source": "/nothere", "Target": "/c"}]},
    "mount bind with volume options": {"Mounts": [{"Type": "bind", "Source": "/srv", "Target": "/c", "VolumeOptions": {}}]},
    "mount bind with a bad propagation": {"Mounts": [{"Type": "bind", "Source": "/srv", "Target": "/c",
                                                      "BindOptions": {"Propagation": "nonsense"}}]},
    "mount volume with bind options": {"Mounts": [{"Type": "volume", "Target": "/c", "BindOptions": {}}]},
    "mount volume of a path": {"Mounts": [{"Type": "volume", "Source": "/srv", "Target": "/c"}]},
    "mount volume without a name, read-only": {"Mounts": [{"Type": "volume", "Target": "/c", "ReadOnly": True}]},
    "mount tmpfs with a source": {"Mounts": [{"Type": "tmpfs", "Source": "/srv", "Target": "/c"}]},
    "mount tmpfs of a negative size": {"Mounts": [{"Type": "tmpfs", "Target": "/c", "TmpfsOptions": {"SizeBytes": -1}}]},
    "two mounts to one place": {"Mounts": [{"Type": "tmpfs", "Target": "/c"}, {"Type": "volume", "Target": "/c"}]},
    "tmpfs to a relative place": {"Tmpfs": {"c": ""}},
    "tmpfs to the root": {"Tmpfs": {"/": ""}},
    "tmpfs with an unknown option": {"Tmpfs": {"/c": "nonsense"}},
    "volumes from nobody": {"VolumesFrom": ["nothere"]},
    "volumes from nothing": {"VolumesFrom": [""]},
    "volumes from, of a bad mode": {"VolumesFrom": ["nothere:nonsense"]},
    "DNS of nonsense": {"Dns": ["nonsense"]},
    "extra host of nonsense": {"ExtraHosts": ["nonsense"]},
    "extra host with a bad address": {"ExtraHosts": ["a:b"]},
    "link to nobody": {"NetworkMode": "bridge", "Links": ["nothere:x"]},
    "log option of nonsense": {"LogConfig": {"Type": "json-file", "Config": {"nonsense": "1"}}},
    "log option of another driver": {"LogConfig": {"Type": "json-file", "Config": {"syslog-address": "x"}}},
    "max-size of nonsense": {"LogConfig": {"Type": "json-file", "Config": {"max-size": "nonsense"}}},
    "max-file of nonsense": {"LogConfig": {"Type": "json-file", "Config": {"max-file": "nonsense"}}},
    "max-file of nought": {"LogConfig": {"Type": "json-file", "Config": {"max-file": "0", "max-size": "1m"}}},
    "compress of nonsense": {"LogConfig": {"Type": "json-file", "Config": {"compress": "perhaps", "max-size": "1m"}}},
    "log mode of nonsense": {"LogConfig": {"Type": "json-file", "Config": {"mode": "sometimes"}}},
    "buffer size while blocking": {"LogConfig": {"Type": "json-file", "Config": {"mode": "blocking", "max-buffer-size": "1m"}}},
    "buffer size of nonsense": {"LogConfig": {"Type": "json-file", "Config": {"mode": "non-blocking", "max-buffer-size": "x"}}},
    "syslog address of nonsense": {"LogConfig": {"Type": "syslog", "Config": {"syslog-address": "carrier-pigeon://x"}}},
    "syslog facility of nonsense": {"LogConfig": {"Type": "syslog", "Config": {"syslog-facility": "nonsense"}}},
    "none with options": {"LogConfig": {"Type": "none", "Config": {"max-size": "1m"}}},
    "local with a bad option": {"LogConfig": {"Type": "local", "Config": {"nonsense": "1"}}},
    "fluentd with a bad address": {"LogConfig": {"Type": "fluentd", "Config": {"fluentd-address": "x://y:z"}}},
    "gelf with no address": {"LogConfig": {"Type": "gelf", "Config": {}}},
    "gelf with a bad address": {"LogConfig": {"Type": "gelf", "Config": {"gelf-address": "ftp://x"}}},
    "journald with a bad option": {"LogConfig": {"Type": "journald", "Config": {"nonsense": "1"}}},
    "runtime that is not there": {"Runtime": "nonsense"},
    "isolation of nonsense": {"Isolation": "hyperv"},
    "storage option of nonsense": {"StorageOpt": {"nonsense": "1"}},
    "storage size": {"StorageOpt": {"size": "10G"}},
    "cgroup parent of nonsense": {"CgroupParent": "a.slice"},
    "device requests": {"DeviceRequests": [{"Driver": "nonsense", "Count": 1}]},
    "real-time runtime": {"CpuRealtimeRuntime": 10000, "CpuRealtimePeriod": 1000},
}

# dockerd looks for a plugin of that name for 15 seconds.
SLOW_HOST = {
    "mount volume of a driver that is not there": {"Mounts": [{"Type": "volume", "Source": "v", "Target": "/c", "VolumeOptions": {
        "DriverConfig": {"Name": "nonsense"}}}]},
    "log driver of nonsense": {"LogConfig": {"Type": "nonsense"}},
    "volume driver that is not there": {"VolumeDriver": "nonsense", "Volumes": {"/x": {}}, "Binds": ["vv:/x"]},
}

# Bad only when the container starts.
AT_START = {
    "a program that is not there": {"Cmd": ["/no/such"]},
    "a program that is not in PATH": {"Cmd": ["nosuch"]},
    "a program that is no program": {"Cmd": ["/bin/notexec"]},
    "a program of no format": {"Cmd": ["/bin/badformat"]},
    "a folder as program": {"Cmd": ["/etc"]},
    "a user that is not there": {"User": "nobody-knows"},
    "a group that is not there": {"User": "root:nobodies"},
    "a user of a number too large": {"User": "99999999999"},
    "a negative user": {"User": "-5"},
    "a working folder that is a file": {"WorkingDir": "/etc/passwd"},
    "a bind of what is not there as mount": {"HostConfig": {"Mounts": [{"Type": "bind", "Source": "/etc", "Target": "/etc/passwd"}]}},
    "a bind over a file of a folder": {"HostConfig": {"Binds": ["/etc/passwd:/etc"]}},
    "a group to add that is not there": {"HostConfig": {"GroupAdd": ["nobodies"]}},
    "a device that is not there": {"HostConfig": {"Devices": [{"PathOnHost": "/dev/nothere", "PathInContainer": "/dev/x",
                                                               "CgroupPermissions": "rwm"}]}},
    "a device with bad permissions": {"HostConfig": {"Devices": [{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/x",
                                                                  "CgroupPermissions": "xyz"}]}},
    "a sysctl with a bad value": {"HostConfig": {"Sysctls": {"net.core.somaxconn": "nonsense"}}},
    "a tmpfs of a bad size": {"HostConfig": {"Tmpfs": {"/t": "size=nonsense"}}},
    "a port that two want": {"ExposedPorts": {"80/tcp": {}, "81/tcp": {}}, "HostConfig": {"NetworkMode": "bridge", "PortBindings": {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18090"}], "81/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18090"}]}}},
    "an ulimit above the host's": {"HostConfig": {"Ulimits": [{"Name": "nofile", "Soft": 2000000000, "Hard": 2000000000}]}},
}

NAMES = {"a slash": "a/b", "a leading slash": "/fine", "one letter": "a", "a blank": "a b", "a leading dash": "-a", "a dot first": ".a",
         "dots inside": "a.b-c_d", "a star": "a*", "an umlaut": "ä", "empty": "", "only a slash": "/", "a colon": "a:b",
         "long": "n" * 300}


def walk(x):
    for i, (name, patch) in enumerate(SLOW_HOST.items()):
        x.later(name, "POST", "/containers/create", {"Image": "busybox", "HostConfig": {"NetworkMode": "none", **patch}},
                {"name": f"slow-{i}"})
    for name, text in RAW.items():
        attempt(x, name, text)
    for name, patch in (WRONG_TYPES | BAD).items():
        attempt(x, name, {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}, **patch})
    for name, patch in (WRONG_TYPES_HOST | BAD_HOST).items():
        attempt(x, name, {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none", **patch}})
    for name, text in NAMES.items():
        attempt(x, "name of " + name, {"Image": "busybox", "Cmd": ["true"]}, {"name": text})
    attempt(x, "platform of nonsense", {"Image": "busybox"}, {"platform": "a/b/c/d/e"})
    attempt(x, "platform of another machine", {"Image": "busybox"}, {"platform": "linux/s390x"})
    attempt(x, "no content type", '{"Image": "busybox"}', headers={"Content-Type": ""})
    attempt(x, "another content type", '{"Image": "busybox"}', headers={"Content-Type": "text/plain"})
    attempt(x, "content type with parameters", '{"Image": "busybox"}', headers={"Content-Type": "application/json; charset=utf-8"})
    x.create("taken")
    attempt(x, "name that is taken", {"Image": "busybox"}, {"name": "taken"})
    x.remove("taken")


def attempt(x, name, body, query=None, headers=None):
    for side, reply in zip(x.sides, x.post(name, "/containers/create", body, query or {"name": "bad"}, headers=headers)):
        if reply.json and reply.status == 201:
            side.api.request("DELETE", "/containers/" + reply.json["Id"], query={"force": 1, "v": 1})


def walk_start(x):
    for name, patch in AT_START.items():
        host = {"NetworkMode": "none", **patch.get("HostConfig", {})}
        x.post(name + ": create", "/containers/create", {"Image": "busybox", "Cmd": ["true"], **patch, "HostConfig": host}, {"name": "cc"})
        x.post(name + ": start", "/containers/cc/start")
        x.get(name + ": inspect", "/containers/cc/json")
        x.remove("cc")
