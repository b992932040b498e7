"""Differences that are meant to be, each with its reason. An entry that no case needs any more is reported.

Berth speaks the API of Docker 28 (1.51), the reference is Docker 20.10 (1.41): NEWER turns the words of the one into those of the
other, ALLOWED has the rest.
"""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Allowed:
    """`case` and `path` are patterns in which `*` is anything; `ours` and `theirs`, if given, what the engines say there."""
    reason: str
    path: str
    case: str = "*"
    theirs: object = None
    ours: object = None

    def covers(self, difference):
        return (matches(difference.path, self.path) and matches(difference.case, self.case)
                and (self.theirs is None or same(difference.reference, self.theirs))
                and (self.ours is None or same(difference.ours, self.ours)))


@dataclasses.dataclass(frozen=True)
class Newer:
    """`old`, a regular expression, is said `new` today."""
    old: str
    new: str


NOTHING = object()  # stands for a field or header that is not there
SPECIAL = {"<nothing>": NOTHING, "<null>": None, "[]": [], "{}": {}}


def matches(text, pattern):
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), text, re.S) is not None


def same(value, wanted):
    if wanted in SPECIAL:
        return value is SPECIAL[wanted] or value == SPECIAL[wanted] and type(value) in (list, dict)
    return matches(value, wanted) if isinstance(value, str) and isinstance(wanted, str) else value == wanted


# Applied one after the other, until the text is the same.
NEWER = [
    Newer(r"^([A-Z])(?=[a-z]+ )", lambda m: m.group(1).lower()),
    Newer(r"^container (<id [\w-]+>) is not paused", r"Container \1 is not paused"),
    Newer(r"^cannot kill container: ([\w-]+): (.)", lambda m: f"cannot kill container: {m.group(1)}: "
          + (m.group(2).lower() if m.group(2) in "CT" else m.group(2))),
    Newer(r"^error when", "Error when"),
    Newer(r"name \(/a/b\)", "name (a/b)"),
    Newer(r"^you cannot remove a running container (<.*>)\. Stop the container before attempting removal or force remove",
          r"cannot remove container \1: container is running: stop the container before removing or force remove"),
    Newer(r"^you cannot remove a paused container (<.*>)\. Unpause and then stop the container before attempting removal or force "
          "remove", r"cannot remove container \1: container is paused and must be unpaused first"),
    Newer(r"^cannot remove container <id ([\w-]+)>:", r'cannot remove container "/\1":'),
    Newer(r"^failed to create shim task:", "failed to create task for container: failed to create shim task:"),
    Newer(r"^(unexpected EOF|invalid character|json: )", r"invalid JSON: \1"),
    Newer(r"runconfig\.ContainerConfigWrapper", "ContainerConfigWrapper"),
    Newer(r"^unexpected end of JSON input$", "invalid filter"),
    Newer(r"^error reading volume filters: unexpected end of JSON input$", "invalid filter"),
    Newer(r"^json: cannot unmarshal \w+ into Go value of type map.*$", "invalid filter"),
    Newer(r"^invalid JSON: json: cannot unmarshal \w+ into Go value of type map.*$", "invalid filter"),
    Newer(r"^no such image: .*?: (?=No such image|invalid)", ""),
    Newer(r"^driver failed programming external connectivity on endpoint cc ",
          "failed to set up container networking: driver failed programming external connectivity on endpoint <64 digits> "),
    Newer(r"^invalid detach keys", "Invalid detach keys"),
    Newer(r"^[Nn]o such image: nothere$", "No such image: nothere:latest"),
    Newer(r"of type (\[\])?\*?\w+\.(\w+)$", r"of type \1\2"),
    Newer(r"^invalid restart policy '(.*)'$", r"invalid restart policy: unknown policy '\1'; use one of 'no', 'always', "
          "'on-failure', or 'unless-stopped'"),
    Newer(r"^maximum retry count cannot be used with restart policy '.*'",
          "invalid restart policy: maximum retry count can only be used with 'on-failure'"),
    Newer(r"^maximum retry count cannot be negative", "invalid restart policy: maximum retry count cannot be negative"),
    Newer(r"^strconv.ParseInt: parsing \"(yesterday)\": invalid syntax", r'failed to parse value of "since" as time: "\1"'),
    Newer(r"^strconv.ParseInt: parsing \"(tomorrow|x)\": invalid syntax", r'failed to parse value of "until" as time: "\1"'),
    Newer(r"^content-Type specified \((.+)\) must be 'application/json'",
          r"unsupported Content-Type header (\1): must be 'application/json'"),
    Newer(r"^Content-Type specified \((.+)\) must be 'application/json'",
          r"unsupported Content-Type header (\1): must be 'application/json'"),
    Newer(r"^Content-Type specified \(\) must be 'application/json'", "malformed Content-Type header (): mime: no media type"),
    Newer(r"^unknown runtime specified", "unknown or invalid runtime name:"),
    Newer(r"^invalid isolation: \"(.*)\" - linux only supports 'default'", r"invalid isolation '\1' on linux"),
    Newer(r"^image with reference (\S+) was found but does not match the specified platform: wanted (\S+), actual: (\S+)",
          r"image with reference \1 was found but its platform (\3) does not match the specified platform (\2)"),
    Newer(r"^no such container (\w+)$", r"No such container: \1"),
    Newer(r"^strconv.Atoi: (parsing \"x\": invalid syntax)$", r"invalid filter 'exited=x': strconv.Atoi: \1"),
    Newer(r"^invalid filter 'status=nonsense'$", r"\g<0>: invalid value for state (nonsense): must be one of created, running, "
          "paused, restarting, removing, exited, dead"),
    Newer(r"^unrecognised filter value for health: nonsense$", "invalid filter 'health=nonsense': invalid value for health (nonsense):"
          " must be one of none, starting, healthy, unhealthy"),
    Newer(r"^got EOF while reading request body", "invalid JSON: got EOF while reading request body"),
    Newer(r"^EOF$", "invalid JSON: got EOF while reading request body"),
    Newer(r"Maximum supported API version is 1\.41", "Maximum supported API version is 1.51"),
    Newer(r"^error processing tar file\(exit status 1\): ", ""),
    Newer(r"^open <data-root>/tmp/docker-import-\d+/repositories: no such file or directory",
          "invalid archive: does not contain a manifest.json"),
    Newer(r"^invalid name: $", "invalid name: name is empty"),
    Newer(r"^invalid name:   $", "invalid name: name is empty"),
    Newer(r"^(operation is not permitted on predefined \w+ network) $", r"\1"),
    Newer(r"^invalid subnet nonsense : invalid CIDR address: nonsense",
          "invalid network config:\ninvalid subnet nonsense: invalid CIDR block notation"),
    Newer(r"^invalid gateway address x in Ipam configuration", "invalid network config:\ninvalid gateway x: invalid address"),
    Newer(r"^pool overlaps with", "invalid pool request: Pool overlaps with"),
    Newer(r"VolumeCreateBody", "CreateOptions"),
    Newer(r"^20\.10\.24\+dfsg1$", "0.1.0"),
    Newer(r"types\.ExecConfig", "ExecOptions"),
    Newer(r"ExecConfig", "ExecOptions"),
]

# (case, path) of values that differ between any two runs; their types are compared.
TYPE_ONLY = [
    ("*", "body.State.Pid"), ("exec/*", "body.Pid"), ("system/info", "body.NFd"), ("system/info", "body.NGoroutines"),
    ("system/info", "body.ID"), ("*", "body.GraphDriver.Data.*"), ("*", "body.NetworkSettings.SandboxID"),
    ("*", "body.NetworkSettings.SandboxKey"), ("*imported", "body*.Id"), ("images/import", "body*.status"),
    ("images/remove imported", "body*.Deleted"), ("commit/*", "body.Id"), ("commit/*", "body.RootFS.Layers[*]"),
    ("*stats*", "body.*cpu_stats.*"), ("*stats*", "body.memory_stats.*"), ("*top*", "body.Processes[*][*]"),
    ("images/prune", "body.ImagesDeleted*"), ("images/prune", "body.SpaceReclaimed"), ("*", "body*.IPAddress"), ("*", "body*.MacAddress"), ("*", "body*.IPv4Address"),
    ("*", "body*.Options.com.docker.network.bridge.name"),
]

# Lists whose order Docker takes from a map, so that it differs from run to run; and those of networks.
UNORDERED = ["body*.Mounts", "body*.Ports", "body.Images", "body.Volumes", "body.VolumesDeleted", "body.ContainersDeleted", "body*.RepoTags"]
UNORDERED_CASES = ["networks/list", "networks/filter *", "archives/changes*", "images/list*", "images/filter *"]

NEW_41 = "newer than API 1.41"
GONE = "Docker has dropped it since"
NOT_YET = "not there yet"
OWN = "Berth is another program, and says so"

ALLOWED = [
    # Every answer.
    Allowed("Berth speaks 1.51 and says so", "header Api-Version"),
    Allowed("Berth says who it is in every answer, dockerd not in those of its router", "header Docker-Experimental"),
    Allowed("Berth says who it is in every answer, dockerd not in those of its router", "header Ostype"),
    Allowed("Docker 28 answers 400 to bad input where 20.10 answered 500", "status", theirs=500, ours=400),
    Allowed("logs and streams have a content type by now", "header Content-Type", theirs="<nothing>",
            ours="application/vnd.docker.raw-stream"),

    # Who we are.
    Allowed(OWN, "body.*ersion", "system/version"),
    Allowed(OWN, "body.BuildTime", "system/version"),
    Allowed(OWN, "body.Components", "system/version"),
    Allowed(OWN, "body.G*", "system/version"),
    Allowed(OWN, "body.Platform.Name", "system/version"),
    Allowed(OWN, "body.*Commit.*", "system/info"),
    Allowed(OWN, "body.DefaultRuntime", "system/info"),
    Allowed(OWN, "body.Runtimes.*", "system/info"),
    Allowed(OWN, "body.InitBinary", "system/info"),
    Allowed(OWN, "body.Plugins.*", "system/info"),
    Allowed(OWN, "body.DriverStatus", "system/info"),
    Allowed(OWN, "body*.HostConfig.Runtime", theirs="runc", ours="berth"),
    Allowed("containers survive the daemon by default", "body.LiveRestoreEnabled", "system/info"),
    Allowed(NEW_41, "body.CDISpecDirs", "system/info"),
    Allowed(NEW_41, "body.FirewallBackend", "system/info"),
    Allowed(GONE, "body.KernelMemory*", "system/info"),
    Allowed(GONE, "body.BridgeNf*", "system/info"),
    Allowed(GONE, "body.RegistryConfig.Allow*", "system/info"),
    Allowed("loopback has two families", "body.RegistryConfig.InsecureRegistryCIDRs", "system/info"),
    Allowed("Docker 28 calls it so", "body.SecurityOptions[0]", "system/info", ours="name=seccomp,profile=builtin"),

    # Disk usage and images.
    Allowed(NEW_41, "body.BuildCache", "*/df", ours="[]"),
    Allowed(GONE, "body.BuilderSize", "*/df"),
    Allowed("Docker 28: a list, if empty", "body*.RepoDigests", theirs="<null>", ours="[]"),

    # Containers.
    Allowed("Berth mounts a container's layers in its own namespace only: the host has no merged folder", "body.GraphDriver.Data.MergedDir",
            ours="<nothing>"),
    Allowed(GONE, "body*.HostConfig.KernelMemory*"),
    Allowed("Docker 28 masks more, in order", "body*.HostConfig.MaskedPaths"),
    Allowed("Docker 28 gives the default its name", "body*.HostConfig.RestartPolicy.Name", theirs="", ours="no"),
    Allowed("Docker 28 gives the default its name", "body*.HostConfig.NetworkMode", theirs="default", ours="bridge"),
    Allowed(NEW_41, "body*.Networks.*.DNSNames"),
    Allowed(NEW_41, "body*.Networks.*.GwPriority"),
    Allowed("there is no network behind none and host, so that a container has no endpoint there", "body*.Networks.*.NetworkID",
            ours=""),
    Allowed("there is no network behind none and host, so that a container has no endpoint there", "body*.Networks.*.EndpointID",
            ours=""),
    Allowed(NEW_41, "body.Error", ours="<nothing>"),
    Allowed("the list says where an anonymous volume is before its first mount, too", "body*.Mounts[*].Source", theirs=""),
    Allowed("Docker 28 says so in the list, too", "body*.VirtualSize", "*/df", ours="<nothing>"),
    Allowed("dockerd counts a symlink's target as the layer's bytes", "body*.Size"),
    Allowed("dockerd counts a symlink's target as the layer's bytes", "body*.VirtualSize"),
    Allowed("dockerd counts a symlink's target as the layer's bytes", "body*.SharedSize"),
    Allowed("dockerd counts a symlink's target as the layer's bytes", "body*.LayersSize"),
    Allowed("dockerd counts a symlink's target as the layer's bytes", "body*.SizeRootFs"),
    Allowed("/etc/mtab, 12 bytes, lies in the container's own layer; dockerd has one more layer for it", "body*.SizeRw"),
    Allowed("/etc/mtab, 12 bytes, lies in the container's own layer; dockerd has one more layer for it", "body.SpaceReclaimed"),

    # Said at create, not at start, or not at all.
    Allowed("refused when it is created, not when it starts", "status", "create *", theirs=201, ours=400),
    Allowed("refused when it is created, not when it starts", "status", "create bad/device requests", theirs=201, ours=500),
    Allowed("refused when it is created, not when it starts", "body.message", "create *", theirs="<nothing>"),
    Allowed("refused when it is created, not when it starts", "*", "start bad/a device with bad permissions*"),
    Allowed("a null HostConfig has defaults, too", "body.HostConfig.Runtime", "create good/null host configuration*"),
    Allowed(GONE, "*", "create bad/too little kernel memory"),
    Allowed("it is the kernel that finds this out, and Berth that tells; dockerd's container ends with 1", "*",
            "start bad/a program of no format*"),
    Allowed("a folder made at the start, by the container's own init, not by the daemon", "*", "start bad/a working folder that is a file*"),
    Allowed("the end of the message is the runtime's", "body*", "start bad/a folder as program*", ours="*is a directory*denied"),
    Allowed("the end of the message is the runtime's", "body*", "start bad/a bind *", ours="*: not a directory: unknown: Are you trying*"),
    Allowed("the end of the message is the runtime's", "body*", "start bad/a sysctl with a bad value*", ours="*somaxconn*nvalid argument*"),
    Allowed("the end of the message is the runtime's", "body*", "start bad/a tmpfs of a bad size*", ours="*tmpfs*nvalid argument*"),
    Allowed("the end of the message is the runtime's", "body*", "start bad/an ulimit above *", ours="*error setting rlimit*not permitted*"),

    Allowed("where they will be is known when the first start was tried, whatever it failed of", "body.*Path", "start bad/*", theirs=""),
    Allowed("Docker 28's words", "body.message", "create bad/two networks", ours="*with multiple network endpoints: a, b"),
    Allowed("Docker 28's words", "body.message", "create bad/syslog address of nonsense"),
    Allowed("Docker 28's words", "body.message", "create bad/fluentd with a bad address"),
    Allowed("Docker 28's words", "body.message", "create bad/gelf with a bad address"),

    # JSON that isn't any.
    Allowed("types are named as in JSON, not as in Go's sources", "body.message", "*", theirs="json: cannot unmarshal *",
            ours="invalid JSON: json: cannot unmarshal *"),
    Allowed("64 levels are deep enough", "body.message", "create bad/deep"),
    Allowed("Docker 28 takes an empty body for an empty object", "*", "update/no body"),
    Allowed("Docker 28 takes an empty body for an empty object", "*", "volumes/create of no body"),
    Allowed("Docker 28 names the protocol, too", "body.message", "create bad/port binding of nonsense"),

    # One action or the other.
    Allowed("Docker 28 says which signal of which container", "body.message", theirs="Invalid signal: *",
            ours="cannot kill container: *: invalid signal: *"),
    Allowed("a negative number is told as it was given", "body.message", "life/kill with a negative signal"),
    Allowed("Docker 28: not there", "status", "listing/filter *", theirs=500, ours=404),
    Allowed("a size beyond 16 bits is refused, not cut", "*", "life/resize of a huge size"),
    Allowed("Docker 28 refuses it", "*", "life/wait for a bad condition"),
    Allowed("Docker 28 refuses it", "*", "system/events of an unknown filter"),
    Allowed("Docker 28 refuses it", "*", "listing/filter expose of nonsense"),
    Allowed("says what the right form is", "body.message", "listing/filter publish of nonsense"),
    Allowed("a container's name has no slash", "body.message", "system/percent-encoded name"),
    Allowed("OPTIONS was for cross-origin requests, which Docker has dropped", "*", "system/options"),
    Allowed("a refused attach has JSON, as every other error", "*", "attach/*", theirs="*\r\n"),
    Allowed("a refused attach has JSON, as every other error", "header Content-Type", "attach/*", ours="application/json"),
    Allowed("this machine's kernel lacks what dockerd's runtime wants here", "*", "exec/privileged: *"),
    Allowed("Docker 28: not found is 127", "body.ExitCode", "exec/*", theirs=126, ours=127),
    Allowed("execs stay until their container ends, to be inspected", "*", "exec/*of one that has ended"),
    Allowed("Docker 28 ends the stream without words", "body", "exec/detach keys of its own: start"),
    Allowed("how many execs have been cleared away is a matter of time", "body.ExecIDs", "exec/*"),

    Allowed("a space is in its place", "body.message", "archives/*", ours="bad parameter: path cannot be empty"),
    Allowed("a path of the container, not of the daemon", "body.message", "archives/get *", ours="lstat /data/seed/*: not a directory"),
    Allowed("dockerd has a layer of places to mount on, which belong to no one", "body.*", "archives/export", ours="<nothing>"),
    Allowed("a change command of Docker 28", "*", "commit/with changes*"),
    Allowed("the WebSocket is refused in JSON, as everything else", "body", "attach/WebSocket without an upgrade"),

    # Images, volumes, networks.
    Allowed("Docker 28 says which name", "body.message", theirs="*repository name must be lowercase",
            ours="*repository name (library/*) must be lowercase"),
    Allowed("how the image came about is for clients before 1.45 only", "body.Container*", "*: inspect", ours="<nothing>"),
    Allowed("how the image came about is for clients before 1.45 only", "body.Container*", "images/inspect *", ours="<nothing>"),
    Allowed("Berth knows when it was tagged", "body.Metadata.LastTagTime", "images/inspect *"),
    Allowed("labels are an object, if empty", "body.Config.Labels", "images/inspect *", theirs="<null>"),
    Allowed("the environment is a list, if empty", "body.Config.Env", "images/inspect *", theirs="<null>", ours="[]"),
    Allowed("the parser's words", "body*", "images/load of a broken manifest"),
    Allowed("Docker 28 adds an OCI layout", "body.*", "images/save of no names"),
    Allowed(NEW_41, "body*.Labels", "volumes/*", theirs="<null>"),
    Allowed("options that are empty are none", "body*.Options", "volumes/*", theirs="{}", ours="<null>"),
    Allowed("nothing deleted is null in Docker 28", "body.VolumesDeleted", "volumes/prune by label"),
    Allowed(NEW_41, "body*.EnableIPv4"),
    Allowed(NEW_41, "body*.execDuration", "events/*"),
    Allowed("other words before the same", "body.message", "create bad/log driver of nonsense", ours="logger: no log driver named *"),

    # Not there yet: docs/STATUS.md has it all.
    Allowed(NOT_YET, "status", ours=501),
    Allowed(NOT_YET, "body.message", ours="*not implemented*"),
    Allowed(NOT_YET + ": aliases", "body*.Aliases", "networks/*"),
    Allowed("there is no network behind none, so that nobody connects to it", "body*", "events/*"),
]
