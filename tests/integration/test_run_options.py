"""docker run: what its flags do to the process and to its view of the world."""

import os

import pytest


def sh(docker, script, *flags, image="busybox", **options):
    """The output of a shell script in a container that is removed afterwards."""
    return docker("run", "--rm", *flags, image, "sh", "-c", script, **options).out


# ---- environment, folder, user, program

def test_environment(docker, scratch):
    path = scratch + "/env"
    with open(path, "w") as f:
        f.write("# comment\nFILE=from file\nBOTH=file\n")
    out = sh(docker, "env", "-e", "ONE=1", "-e", "BOTH=flag", "-e", "EMPTY=", "--env-file", path, "-h", "box")
    lines = out.splitlines()
    for wanted in ("ONE=1", "BOTH=flag", "EMPTY=", "FILE=from file", "HOSTNAME=box", "HOME=/root"):
        assert wanted in lines
    assert any(line.startswith("PATH=/usr/local/sbin:") for line in lines)


def test_environment_over_the_images(docker):
    out = docker("run", "--rm", "-e", "OVERRIDE=mine", "--entrypoint", "env", "full").out.splitlines()
    assert "FROM_IMAGE=yes" in out and "OVERRIDE=mine" in out and "OVERRIDE=image" not in out
    assert "HOME=/home/app" in out


def test_terminal_sets_term(docker):
    assert "TERM=xterm" in docker("run", "--rm", "-t", "busybox", "env").out


def test_working_directory_is_made(docker):
    assert sh(docker, "pwd; stat -c %u .", "-w", "/not/there/yet") == "/not/there/yet\n0\n"


def test_working_directory_must_be_absolute(docker):
    assert "invalid" in docker("run", "--rm", "-w", "relative", "busybox", "pwd", code=125).err


def test_working_directory_that_is_a_file(docker):
    result = docker("run", "--rm", "-w", "/etc/passwd", "busybox", "pwd", code=None)
    assert result.code in (125, 126, 127) and "not a directory" in result.err.lower()


@pytest.mark.parametrize("user,expected", [
    ("app", "1000:1000 1000,2000,10"), ("1000", "1000:1000 1000,2000,10"), ("1000:2000", "1000:2000 2000"),
    ("app:daemon", "1000:1 1"), ("4242", "4242:0 0"), ("0:0", "0:0 0"), ("65534:65534", "65534:65534 65534")])
def test_user(docker, user, expected):
    out = sh(docker, "echo $(id -u):$(id -g) $(id -G | tr ' ' ',')", "-u", user)
    ids, groups = out.split()
    assert ids == expected.split()[0]
    assert set(expected.split()[1].split(",")) <= set(groups.split(","))


def test_unknown_user(docker):
    assert "unable to find user ghost: no matching entries in passwd file" in docker(
        "run", "--rm", "-u", "ghost", "busybox", "true", code=None).err
    assert "unable to find group ghosts: no matching entries in group file" in docker(
        "run", "--rm", "-u", "app:ghosts", "busybox", "true", code=None).err


def test_added_groups(docker):
    groups = sh(docker, "id -G", "--group-add", "2000", "--group-add", "wheel").split()
    assert {"2000", "10"} <= set(groups)


def test_entrypoint(docker):
    assert docker("run", "--rm", "--entrypoint", "echo", "full", "a", "b").out == "a b\n"
    assert docker("run", "--rm", "--entrypoint", "pwd", "full").out == "/data\n"


def test_host_and_domain_name(docker):
    out = sh(docker, "hostname; cat /etc/hostname; cat /proc/sys/kernel/domainname", "-h", "web",
             "--domainname", "example.test")
    assert out == "web\nweb\nexample.test\n"


def test_host_name_is_the_short_id(docker, api):
    container = docker("run", "-d", "busybox", "hostname").out.strip()
    api.wait(container)
    assert docker("logs", container).out.strip() == container[:12]


def test_labels(docker, api, scratch):
    path = scratch + "/labels"
    with open(path, "w") as f:
        f.write("three=3\n")
    container = docker("create", "-l", "one=1", "-l", "two", "--label-file", path, "full").out.strip()
    assert api.inspect(container)["Config"]["Labels"] == {"one": "1", "two": "", "three": "3", "image.label": "one"}


def test_init_is_pid_1_and_reaps(docker):
    out = sh(docker, "cat /proc/1/comm; (sleep 0.1 & exec true); sleep 0.5; ps -o stat,comm | grep -c ^Z", "--init",
             code=None)
    comm, zombies = out.split()
    assert comm in ("docker-init", "berth-init") and zombies == "0"


def test_init_passes_the_exit_code_on(docker):
    docker("run", "--rm", "--init", "busybox", "sh", "-c", "exit 33", code=33)


def test_without_init_the_program_is_pid_1(docker):
    assert sh(docker, "echo $$") == "1\n"


# ---- files

def test_read_only(docker):
    out = docker("run", "--rm", "--read-only", "busybox", "touch", "/x", code=1)
    assert "Read-only file system" in out.err


def test_read_only_leaves_tmpfs_writable(docker):
    assert sh(docker, "echo ok > /run/x && cat /run/x", "--read-only", "--tmpfs", "/run") == "ok\n"


def test_tmpfs_options(docker):
    out = sh(docker, "grep ' /scratch ' /proc/mounts; stat -c %a /scratch", "--tmpfs", "/scratch:size=1m,mode=1770")
    assert "tmpfs" in out and "size=1024k" in out and "1770" in out
    assert "noexec" in out and "nosuid" in out and "nodev" in out


def test_bind(docker, scratch):
    with open(scratch + "/in", "w") as f:
        f.write("host\n")
    assert sh(docker, "cat /m/in; echo container > /m/out", "-v", scratch + ":/m") == "host\n"
    with open(scratch + "/out") as f:
        assert f.read() == "container\n"


def test_bind_read_only(docker, scratch):
    assert "Read-only" in docker("run", "--rm", "-v", scratch + ":/m:ro", "busybox", "touch", "/m/x", code=1).err


def test_bind_of_a_file(docker, scratch):
    path = scratch + "/one"
    with open(path, "w") as f:
        f.write("one file\n")
    assert sh(docker, "cat /etc/one /etc/passwd | head -n 1", "-v", path + ":/etc/one") == "one file\n"


def test_missing_bind_source_of_v_is_made(docker, scratch):
    sh(docker, "true", "-v", scratch + "/new/deep:/m")
    assert os.path.isdir(scratch + "/new/deep")


def test_missing_bind_source_of_mount_is_an_error(docker, scratch):
    result = docker("run", "--rm", "--mount", f"type=bind,source={scratch}/none,target=/m", "busybox", "true", code=125)
    assert f"bind source path does not exist: {scratch}/none" in result.err


def test_mount_bind_readonly(docker, scratch):
    result = docker("run", "--rm", "--mount", f"type=bind,src={scratch},dst=/m,readonly", "busybox", "touch", "/m/x", code=1)
    assert "Read-only" in result.err


def test_mount_tmpfs(docker):
    out = sh(docker, "grep ' /m ' /proc/mounts", "--mount", "type=tmpfs,target=/m,tmpfs-size=65536,tmpfs-mode=0700")
    assert "size=64k" in out and "mode=700" in out


def test_named_volume_keeps_its_content(docker):
    docker("volume", "create", "keep")
    try:
        sh(docker, "echo kept > /v/file", "-v", "keep:/v")
        assert sh(docker, "cat /v/file", "--mount", "type=volume,source=keep,target=/v") == "kept\n"
        assert "Read-only" in docker("run", "--rm", "-v", "keep:/v:ro", "busybox", "touch", "/v/x", code=1).err
    finally:
        docker("volume", "rm", "keep")


def test_new_volume_is_filled_from_the_image(docker):
    try:
        out = docker("run", "--rm", "-v", "filled:/vol", "--entrypoint", "cat", "full", "/vol/from-image").out
        assert out == "image content\n"
        out = docker("run", "--rm", "-v", "filled2:/vol:nocopy", "--entrypoint", "ls", "full", "-A", "/vol").out
        assert out == ""
    finally:
        docker("volume", "rm", "filled", "filled2")


def test_anonymous_volume_of_the_image(docker, api):
    container = docker("create", "full").out.strip()
    mount, = api.inspect(container)["Mounts"]
    assert mount["Type"] == "volume" and mount["Destination"] == "/vol" and len(mount["Name"]) == 64
    docker("rm", "-v", container)
    assert mount["Name"] not in docker("volume", "ls", "-q").out


def test_volumes_from(docker, scratch):
    docker("create", "--name", "source", "-v", scratch + ":/one:ro", "busybox")
    out = docker("run", "--rm", "--volumes-from", "source", "busybox", "touch", "/one/x", code=1)
    assert "Read-only" in out.err


def test_bind_propagation_is_private(docker, scratch):
    out = sh(docker, "grep ' /m ' /proc/self/mountinfo", "-v", scratch + ":/m")
    assert "shared:" not in out and "master:" not in out


def test_root_of_the_host_is_out_of_reach(docker):
    assert sh(docker, "cat /etc/os-release | head -n 1; ls -d /work /root/.ssh 2>/dev/null; ls /.. | tr '\\n' ' '"
              ).startswith("ID=berthtest\nbin ")


def test_whiteouts_and_layers(docker):
    assert docker("run", "--rm", "--entrypoint", "sh", "full", "-c", "cat /hello.txt; ls -A /data").out == (
        "hello from the top layer\n")


def test_changes_stay_in_the_container(docker, api):
    container = docker("run", "-d", "busybox", "sh", "-c", "echo x > /new; rm /data/seed; sleep 0.1").out.strip()
    api.wait(container)
    assert sh(docker, "ls -A /new 2>/dev/null; cat /data/seed") == "seed\n"


def test_shm_size(docker):
    assert "size=65536k" in sh(docker, "grep ' /dev/shm ' /proc/mounts")
    assert "size=1024k" in sh(docker, "grep ' /dev/shm ' /proc/mounts", "--shm-size", "1m")


def test_standard_devices_and_mounts(docker):
    out = sh(docker, "for d in null zero full random urandom tty ptmx; do test -c /dev/$d && echo $d; done; "
                     "readlink /dev/fd; readlink /dev/stdout; awk '{print $2}' /proc/mounts; echo x > /dev/null")
    for wanted in ("null zero full random urandom tty ptmx /proc/self/fd /proc/self/fd/1 /proc /dev /dev/pts /sys "
                   "/dev/shm /dev/mqueue /etc/hosts /etc/resolv.conf /etc/hostname").split():
        assert wanted in out.split(), wanted


# ---- what it may do

def status(out, field):
    return next(line.split()[1] for line in out.splitlines() if line.startswith(field + ":"))


DEFAULT_CAPABILITIES = "00000000a80425fb"
with open("/proc/self/status") as f:
    BOUNDING = int(status(f.read(), "CapBnd"), 16)
# On a machine that lacks a capability the reference refuses; Berth gives those that there are.
WHOLE = pytest.mark.berth if (BOUNDING + 1) & BOUNDING else (lambda test: test)


def test_default_capabilities(docker):
    out = sh(docker, "cat /proc/self/status")
    assert [status(out, f) for f in ("CapPrm", "CapEff", "CapBnd")] == [DEFAULT_CAPABILITIES] * 3
    assert status(out, "CapInh") in ("0000000000000000", DEFAULT_CAPABILITIES)
    assert status(out, "Seccomp") == "2" and status(out, "NoNewPrivs") == "0"


def test_capabilities_of_another_user(docker):
    out = sh(docker, "cat /proc/self/status", "-u", "1000")
    assert status(out, "CapEff") == "0000000000000000" and status(out, "CapBnd") == DEFAULT_CAPABILITIES


@pytest.mark.parametrize("flags,expected", [
    (("--cap-add", "NET_ADMIN"), 0xa80425fb | 1 << 12), (("--cap-add", "cap_sys_time"), 0xa80425fb | 1 << 25),
    (("--cap-drop", "CHOWN"), 0xa80425fb & ~1), (("--cap-drop", "ALL"), 0),
    (("--cap-drop", "ALL", "--cap-add", "NET_RAW"), 1 << 13)])
def test_capabilities(docker, flags, expected):
    assert int(status(sh(docker, "cat /proc/self/status", *flags), "CapEff"), 16) == expected


@WHOLE
def test_all_capabilities_but_one(docker):
    out = sh(docker, "cat /proc/self/status", "--cap-add", "ALL", "--cap-drop", "KILL")
    assert int(status(out, "CapEff"), 16) == BOUNDING & ~(1 << 5)


def test_unknown_capability(docker):
    result = docker("run", "--rm", "--cap-add", "NOT_A_CAP", "busybox", "true", code=125)
    assert 'invalid CapAdd: unknown capability: "CAP_NOT_A_CAP"' in result.err


@WHOLE
def test_privileged(docker):
    out = sh(docker, "cat /proc/self/status; mount -t tmpfs none /mnt 2>/dev/null || mkdir /m && mount -t tmpfs none /m; "
                     "test -b /dev/loop0 -o -c /dev/kmsg && echo devices; grep ' /sys ' /proc/mounts", "--privileged")
    assert int(status(out, "CapEff"), 16) & 1 << 21 and status(out, "Seccomp") == "0"
    assert "devices" in out and " rw," in out


def test_seccomp_blocks_what_docker_blocks(docker):
    assert "Operation not permitted" in docker("run", "--rm", "busybox", "unshare", "-U", "true", code=1).err
    docker("run", "--rm", "--security-opt", "seccomp=unconfined", "busybox", "unshare", "-U", "true")


@pytest.mark.parametrize("call,allowed", [("keyctl", False), ("bpf", False), ("clone_newuser", False), ("getpid", True)])
def test_seccomp_call_by_call(docker, call, allowed):
    assert (docker("run", "--rm", "busybox", "probe", "syscall", call).out == "ok\n") is allowed


def test_clone3_seems_not_to_exist(docker):
    """So that C libraries fall back to clone, whose flags a filter can see."""
    assert docker("run", "--rm", "busybox", "probe", "syscall", "clone3").out == "Function not implemented\n"


def test_seccomp_profile_from_a_file(docker, scratch):
    path = scratch + "/profile.json"
    with open(path, "w") as f:
        f.write('{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}')
    out = docker("run", "--rm", "--security-opt", "seccomp=" + path, "busybox", "mkdir", "/x", code=1)
    assert "Operation not permitted" in out.err


def test_no_new_privileges(docker):
    assert status(sh(docker, "cat /proc/self/status", "--security-opt", "no-new-privileges"), "NoNewPrivs") == "1"


def test_unknown_security_option(docker):
    result = docker("run", "--rm", "--security-opt", "nonsense", "busybox", "true", code=125)
    assert "invalid --security-opt" in result.err.lower()


def test_masked_and_read_only_paths(docker):
    out = sh(docker, "cat /proc/kcore 2>/dev/null | wc -c; ls /proc/acpi /sys/firmware 2>/dev/null | grep -v : | tr -d '\\n'; "
                     "(echo x > /proc/sys/kernel/hostname) 2>&1; grep -c -E ' /proc/(sys|bus|fs|irq) .* ro,' /proc/mounts")
    assert out.splitlines()[0] == "0" and out.count("Read-only file system") == 1


def test_device(docker):
    device = "/dev/loop-control"
    if not os.path.exists(device):
        pytest.skip(device + " is not there")
    assert sh(docker, "stat -c %t:%T /dev/mine; : < /dev/mine && echo read", "--device", device + ":/dev/mine:r") == (
        "a:ed\nread\n")
    docker("run", "--rm", "--device", device + ":/dev/mine:r", "busybox", "sh", "-c", ": > /dev/mine", code=1)
    sh(docker, ": > " + device, "--device", device)


def test_devices_that_were_not_given(docker):
    out = docker("run", "--rm", "busybox", "sh", "-c", "mknod /loop b 7 0 && head -c 1 /loop", code=1)
    assert "Operation not permitted" in out.err or "not permitted" in out.err


def test_missing_device(docker):
    result = docker("run", "--rm", "--device", "/dev/nothing", "busybox", "true", code=None)
    assert result.code != 0
    assert "/dev/nothing" in result.err and "no such file or directory" in result.err


# ---- limits

def cgroup(v1, v2):
    return f"cat /sys/fs/cgroup/{v1} 2>/dev/null || cat /sys/fs/cgroup/{v2}"


def test_memory_limit(docker):
    assert sh(docker, cgroup("memory/memory.limit_in_bytes", "memory.max"), "-m", "64m") == f"{64 << 20}\n"


def test_memory_reservation(docker):
    assert sh(docker, cgroup("memory/memory.soft_limit_in_bytes", "memory.low"), "-m", "64m",
              "--memory-reservation", "32m") == f"{32 << 20}\n"


def test_out_of_memory_is_noted(docker, api):
    container = docker("run", "-d", "-m", "16m", "--memory-swap", "16m", "busybox", "sh", "-c",
                       "x=$(head -c 100000000 /dev/zero | tr '\\0' a); echo $x | wc -c").out.strip()
    api.wait(container)
    assert api.state(container)["OOMKilled"] is True


def test_cpus(docker):
    out = sh(docker, "cat /sys/fs/cgroup/cpu*/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/cpu.max", "--cpus", "0.5")
    assert out.split()[0] == "50000"


def test_cpu_shares(docker):
    out = sh(docker, "cat /sys/fs/cgroup/cpu*/cpu.shares 2>/dev/null || cat /sys/fs/cgroup/cpu.weight", "-c", "512")
    assert out.split()[0] in ("512", "20", "59")


def test_cpuset(docker):
    assert sh(docker, cgroup("cpuset/cpuset.cpus", "cpuset.cpus"), "--cpuset-cpus", "0") == "0\n"
    assert sh(docker, "nproc", "--cpuset-cpus", "0") == "1\n"


def test_pids_limit(docker):
    assert sh(docker, cgroup("pids/pids.max", "pids.max"), "--pids-limit", "7") == "7\n"
    docker("run", "--rm", "--pids-limit", "5", "busybox", "sh", "-c",
           "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait", code=2)


def test_ulimit(docker):
    assert sh(docker, "ulimit -n; ulimit -Hn", "--ulimit", "nofile=111:222") == "111\n222\n"


def test_bad_limits(docker):
    assert "Minimum memory limit allowed is 6MB" in docker("run", "-m", "1m", "busybox", code=125).err
    assert f"range of cpus is from 0.01 to {os.cpu_count()}.00, as there are only" in docker(
        "run", "--cpus", "10000", "busybox", code=125).err.lower()
    assert "Minimum memoryswap limit should be larger than memory limit" in docker(
        "run", "-m", "64m", "--memory-swap", "32m", "busybox", code=125).err
    assert "Requested CPUs are not available" in docker("run", "--cpuset-cpus", "4095", "busybox", code=125).err


def test_limit_that_the_kernel_refuses_undoes_the_start(docker, api):
    result = docker("run", "--name", "refused", "--ulimit", "nofile=99999999999:99999999999", "busybox", "true", code=None)
    assert result.code not in (0, None)
    assert api.state("refused")["Running"] is False


def test_sysctl(docker):
    assert sh(docker, "cat /proc/sys/net/core/somaxconn", "--sysctl", "net.core.somaxconn=99") == "99\n"
    assert sh(docker, "cat /proc/sys/kernel/shmmni", "--sysctl", "kernel.shmmni=99") == "99\n"


def test_sysctl_without_a_namespace(docker):
    assert docker("run", "--rm", "--sysctl", "kernel.panic=1", "busybox", "true", code=None).code != 0


def test_oom_score(docker):
    assert sh(docker, "cat /proc/self/oom_score_adj", "--oom-score-adj", "321") == "321\n"


# ---- namespaces

def test_own_namespaces(docker):
    inside = sh(docker, "for n in mnt uts ipc pid net; do readlink /proc/self/ns/$n; done").split()
    for name, link in zip(("mnt", "uts", "ipc", "pid", "net"), inside):
        assert link != os.readlink("/proc/self/ns/" + name)


def test_host_namespaces(docker):
    inside = sh(docker, "readlink /proc/self/ns/uts; readlink /proc/self/ns/ipc; readlink /proc/self/ns/pid",
                "--uts=host", "--ipc=host", "--pid=host").split()
    assert inside == [os.readlink("/proc/self/ns/" + n) for n in ("uts", "ipc", "pid")]


def test_pid_namespace_of_a_container(docker):
    docker("run", "-d", "--name", "shared", "busybox", "sleep", "1000")
    assert "sleep 1000" in sh(docker, "ps", "--pid=container:shared")


def test_ipc_namespace_of_a_container(docker):
    docker("run", "-d", "--name", "shared", "--ipc=shareable", "busybox", "sh", "-c", "echo hi > /dev/shm/x; sleep 1000")
    assert sh(docker, "sleep 0.2; cat /dev/shm/x", "--ipc=container:shared") == "hi\n"


def test_platform_that_is_not_there(docker):
    assert docker("create", "--platform", "windows/amd64", "busybox", code=None).code != 0


# ---- what a new user stumbled over

def test_root_has_the_images_groups_and_a_number_its_own(docker):
    groups = sh(docker, "id -G; grep ^root: /etc/passwd >/dev/null && grep -c ':root$' /etc/group || true").split("\n")[0]
    assert "0" in groups.split()
    assert sh(docker, "id -G", "-u", "4242:4343") == "4343\n"


def test_working_directory_is_made_below_a_read_only_root(docker):
    assert sh(docker, "pwd", "-w", "/made/here", "--read-only") == "/made/here\n"


def test_working_directory_that_is_a_file_in_dockers_words(docker):
    result = docker("run", "--rm", "-w", "/etc/passwd", "busybox", "pwd", code=125)
    assert "Error response from daemon: Cannot mkdir: /etc/passwd is not a directory" in result.err


def test_marks_of_a_docker_container(docker):
    assert sh(docker, "test -f /.dockerenv && readlink /etc/mtab") == "/proc/mounts\n"


def test_failed_start_with_rm_is_told_once(docker):
    result = docker("run", "--rm", "--device", "/dev/not-there", "busybox", "true", code=None)
    assert result.code != 0 and result.err.count("error gathering device information") == 1


def test_volumes_of_nobody_is_no_reason_to_pull(docker):
    result = docker("run", "--rm", "--volumes-from", "nobody", "busybox", "true", code=125)
    assert "No such container: nobody" in result.err and "Unable to find image" not in result.err


def test_private_ipc_is_not_shared(docker):
    donor = docker("run", "-d", "busybox", "sleep", "60").out.strip()
    try:
        result = docker("run", "--rm", "--ipc", "container:" + donor, "busybox", "true", code=125)
        assert "non-shareable IPC (hint: use IpcMode:shareable for the donor container)" in result.err
    finally:
        docker("rm", "-f", donor)


def test_exec_makes_no_folder(docker):
    name = docker("run", "-d", "busybox", "sleep", "60").out.strip()
    try:
        result = docker("exec", "-w", "/nowhere", name, "pwd", code=126)
        assert 'chdir to cwd ("/nowhere") set in config.json failed: no such file or directory' in result.out + result.err
        docker("exec", "-u", "ghost", name, "true", code=126)
        docker("exec", name, "ls", "/nowhere", code=1)
    finally:
        docker("rm", "-f", name)


def test_disk_usage_counts_the_users_of_an_image(api, docker):
    name = docker("create", "busybox", "true").out.strip()
    try:
        images = api.get("/system/df")["Images"]
        assert any(image["Containers"] >= 1 for image in images if "busybox:latest" in image["RepoTags"])
    finally:
        docker("rm", name)
