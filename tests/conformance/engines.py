"""The two engines of a comparison, side by side: each in a network namespace and folders of its own."""

import os
import shutil
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCKERD = "/usr/sbin/dockerd"
sys.path.insert(0, os.path.join(ROOT, "tests/integration"))

from support.daemon import Daemon, Options  # noqa: E402


class IsolatedDaemon(Daemon):
    """Its default bridge is where Docker's is, since nobody else's can be in that network namespace."""

    def __init__(self, options, *flags, config=None):
        super().__init__(options, "--bip", "172.17.0.1/16", *flags, config=config, name=options.engine)

    def command(self):
        return ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *super().command()]

    def in_namespace(self, *command):
        """`command` as it runs where published ports of this daemon can be reached."""
        return ["nsenter", "-t", str(self.pid), "-n", *command]


class Engines:
    """with Engines(bin_dir) as (dockerd, berth): both run; afterwards nothing of them is left."""

    def __init__(self, bin_dir, names=("dockerd", "berth"), log_dir=None):
        self.bin_dir, self.names, self.log_dir = bin_dir, names, log_dir
        self.daemons = []

    def __enter__(self):
        # Short, since a shim's socket below it must fit into the 108 bytes of a unix address.
        self.folder = tempfile.mkdtemp(prefix="bt-conf.", dir="/tmp")
        os.mkdir(self.folder + "/cli")
        try:
            for name in self.names:
                options = Options(name, self.bin_dir, self.folder, self.log_dir or self.folder)
                daemon = IsolatedDaemon(options)
                self.daemons.append(daemon)
                daemon.spawn()
            for daemon in self.daemons:
                daemon.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self.daemons

    def __exit__(self, *_):
        try:
            for daemon in self.daemons:
                if daemon.process is not None:
                    daemon.destroy()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
