"""Debian's dockerd as a peer of a registry."""

import os
import shutil
import signal
import subprocess

from .daemon import Daemon, Options, mounts_below


class DockerdPeer(Daemon):
    """Used in `with`. Its end is quick: it waits for its containerd for many seconds when it is asked to stop."""

    def __init__(self, options, *flags):
        own = Options("dockerd", options.bin_dir, options.folder, options.log_dir)
        own.count = options.count  # numbers name bridges, so no two daemons of a run share one
        # It moves images and runs nothing: no bridge, and none of the rules that it would leave behind.
        super().__init__(own, "--bridge", "none", "--iptables=false", *flags, name="dockerd-peer")
        self.prefix = ["env", "TMPDIR=" + self.root]  # on a busy machine its containerd writes stacks there
        options.count = own.count

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for path in mounts_below(self.root):
            subprocess.run(["umount", "-l", path], check=False)
        shutil.rmtree(self.root)
