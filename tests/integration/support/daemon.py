"""A daemon of a test's own: folders, socket, bridge; started, stopped, killed, started again."""

import functools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from .http import Api


class Options:
    """What the command line of pytest says about the daemons to start."""

    def __init__(self, engine, bin_dir, folder, log_dir):
        self.engine, self.bin_dir, self.folder, self.log_dir = engine, bin_dir, folder, log_dir
        self.count = 0

    @property
    def is_berth(self):
        return self.engine == "berth"

    @functools.cached_property
    def sanitized(self):
        if not self.is_berth:
            return False
        with open(self.bin_dir + "/berthd", "rb") as program:
            contents = program.read()
        return b"__asan_init" in contents or b"__tsan_init" in contents


class CommandResult:
    def __init__(self, arguments, code, out, err):
        self.arguments, self.code, self.raw, self.raw_err = arguments, code, out, err
        self.out, self.err = (b.decode("utf-8", "replace") for b in (out, err))

    def __repr__(self):
        return f"docker {' '.join(self.arguments)}: exit {self.code}, stdout {self.out[-600:]!r}, stderr {self.err[-600:]!r}"


class Daemon:
    def __init__(self, options, *flags, config=None, name=None):
        options.count += 1
        self.options = options
        self.number = options.count
        self.name = name or f"d{self.number}"
        # Short, since a shim's socket below it must fit into the 108 bytes of a unix address.
        self.root = tempfile.mkdtemp(prefix=self.name + ".", dir=options.folder)
        self.socket = self.root + "/sock"
        self.pidfile = self.root + "/pid"
        self.data_root, self.exec_root = self.root + "/data", self.root + "/exec"
        self.bridge = f"bt{os.getpid() % 10000}-{self.number}"
        self.flags, self.config = list(flags), config
        self.process = None
        self.prefix = []  # of its command line, as "unshare -m"
        self.api = Api(self.socket)
        self.log_path = f"{options.log_dir}/{self.name}.{self.number}.log"

    # ---- its life

    def command(self):
        roots = ["--data-root", self.data_root, "--exec-root", self.exec_root, "--pidfile", self.pidfile,
                 "-H", "unix://" + self.socket]
        if not any(flag.startswith("--config-file") for flag in self.flags):
            path = self.root + "/daemon.json"
            with open(path, "w") as f:
                json.dump(self.config or {}, f)
            roots += ["--config-file", path]
        if "--bridge" not in self.flags and "--bip" not in self.flags:
            roots += ["--bridge", self.bridge]
        program = (self.options.bin_dir + "/berthd") if self.options.is_berth else "/usr/sbin/dockerd"
        return [*self.prefix, program, *roots, *self.flags]

    def spawn(self):
        if not self.options.is_berth and "--bridge" not in self.flags and "--bip" not in self.flags:
            # The reference wants the bridge to be there, with its address; Berth makes it.
            subprocess.run(["ip", "link", "add", self.bridge, "type", "bridge"], capture_output=True)
            subprocess.run(["ip", "addr", "replace", f"10.213.{self.number % 250}.1/24", "dev", self.bridge], check=True)
            subprocess.run(["ip", "link", "set", self.bridge, "up"], check=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment, start_new_session=True)

    def start(self, timeout=60):
        self.spawn()
        self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=60):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log_tail()}")
            try:
                if self.api.request("GET", "/_ping", timeout=5).status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.01)
        raise AssertionError(f"the daemon doesn't answer within {timeout} s:\n{self.log_tail()}")

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, timeout=60):
        """SIGTERM and its exit code."""
        if not self.alive():
            return self.process.returncode if self.process else None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"no end within {timeout} s of SIGTERM:\n{self.log_tail()}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def destroy(self):
        """Removes all containers, stops, and deletes the folders."""
        try:
            if not self.alive():
                self.start()
            self.remove_containers()
        finally:
            try:
                self.stop()
            finally:
                if not self.options.is_berth:
                    for path in mounts_below(self.root):
                        subprocess.run(["umount", "-l", path], check=False)
                    subprocess.run(["ip", "link", "del", self.bridge], capture_output=True)
                left = mounts_below(self.root)
                if not left:
                    shutil.rmtree(self.root, ignore_errors=not self.options.is_berth)
                assert not left, f"mounts of a daemon that has stopped: {left}"

    def remove_containers(self):
        for container in self.api.get("/containers/json", all=1):
            answer = self.api.request("DELETE", "/containers/" + container["Id"], query={"force": 1, "v": 1})
            assert answer.status in (204, 404, 409), f"removing {container['Names']}: {answer!r}"

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def log_tail(self, lines=25):
        return "\n".join(self.log().splitlines()[-lines:])

    # ---- the stock client

    def environment(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}
        return {**environment, "DOCKER_HOST": "unix://" + self.socket, "DOCKER_CONFIG": self.options.folder + "/cli",
                "DOCKER_CLI_HINTS": "false", "DOCKER_BUILDKIT": "0"}

    def docker(self, *arguments, stdin=None, timeout=60, code=0):
        """Runs the stock client to its end. `code`: the exit code that must come out; None: any."""
        return self.run_client("docker", arguments, stdin, timeout, code)

    def berth(self, *arguments, stdin=None, timeout=60, code=0):
        """The same with Berth's own client."""
        return self.run_client(self.options.bin_dir + "/berth", arguments, stdin, timeout, code)

    def run_client(self, program, arguments, stdin, timeout, code):
        try:
            done = subprocess.run([program, *arguments], env=self.environment(), timeout=timeout, capture_output=True,
                                  **({"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}))
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{program} {' '.join(arguments)}: no end within {timeout} s, so far "
                                 f"{(error.stdout or b'')[-300:]!r} {(error.stderr or b'')[-300:]!r}") from None
        result = CommandResult(arguments, done.returncode, done.stdout, done.stderr)
        assert code is None or result.code == code, f"expected exit {code}: {result!r}\n{self.log_tail(8)}"
        return result

    def popen(self, *arguments, **options):
        return subprocess.Popen(["docker", *arguments], env=self.environment(), **options)

    def load(self, archive):
        return self.api.ok("POST", "/images/load", archive, query={"quiet": 1}, timeout=120)


def mounts_below(folder):
    with open("/proc/self/mountinfo") as f:
        paths = [line.split()[4] for line in f]
    return sorted((p for p in paths if p.startswith(folder + "/")), reverse=True)
