#!/usr/bin/env python3
"""Boots the built programs in a virtual machine and runs the checks of guest/ there. See README.md."""

import argparse
import glob
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = ("berthd", "berth", "berth-shim", "berth-init")
MODULES = ("virtio_pci", "virtio_blk", "overlay", "veth", "bridge", "nf_tables", "nft_nat", "nft_masq", "nft_chain_nat",
           "nft_fib_inet", "nft_ct", "nf_conntrack_netlink", "nft_redir", "nft_reject_inet")


def sh(*argv, **options):
    return subprocess.run(argv, check=True, **options)


def fetch_kernel(folder):
    """Unpacks the newest cloud kernel package below `folder`; returns (vmlinuz, modules folder, release)."""
    if not glob.glob(os.path.join(folder, "boot", "vmlinuz-*")):
        depends = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], check=True, capture_output=True,
                                 text=True).stdout
        package = next(line.split()[-1] for line in depends.splitlines() if "Depends: linux-image" in line)
        download = tempfile.mkdtemp()
        try:
            sh("apt-get", "download", package, cwd=download, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            os.makedirs(folder, exist_ok=True)
            sh("dpkg", "-x", glob.glob(os.path.join(download, "*.deb"))[0], folder)
        finally:
            shutil.rmtree(download)
    kernel = glob.glob(os.path.join(folder, "boot", "vmlinuz-*"))[0]
    release = kernel.split("vmlinuz-")[1]
    sh("depmod", "-b", folder, release)
    return kernel, os.path.join(folder, "lib", "modules", release), release


def busybox_tree(root):
    for name in ("bin", "dev", "proc", "sys", "tmp", "run", "etc", "root", "guest", "var/lib", "usr/local/bin", "mnt"):
        os.makedirs(os.path.join(root, name), exist_ok=True)
    shutil.copy("/bin/busybox", os.path.join(root, "bin", "busybox"))
    applets = subprocess.run(["/bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout.split()
    for applet in applets:
        link = os.path.join(root, "bin", applet)
        if not os.path.lexists(link):
            os.symlink("busybox", link)
    with open(os.path.join(root, "etc", "passwd"), "w") as f:
        f.write("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    with open(os.path.join(root, "etc", "group"), "w") as f:
        f.write("root:x:0:\nnogroup:x:65534:\n")


def module_files(folder, modules, release):
    """Files of the modules and what they depend on, in the order to be loaded."""
    files = []
    for module in modules:
        out = subprocess.run(["modprobe", "-d", folder, "-S", release, "--show-depends", module], capture_output=True,
                             text=True).stdout
        for line in out.splitlines():
            if line.startswith("insmod "):
                path = line.split()[1]
                if path not in files:
                    files.append(path)
    return files


def make_initrd(work, kernel_folder, release):
    root = os.path.join(work, "initrd")
    busybox_tree(root)
    files = module_files(kernel_folder, MODULES, release)
    os.makedirs(os.path.join(root, "modules"))
    script = ["#!/bin/sh", "mount -t proc proc /proc", "mount -t sysfs sys /sys", "mount -t devtmpfs dev /dev"]
    for number, path in enumerate(files):
        name = "%03d.ko" % number
        shutil.copy(path, os.path.join(root, "modules", name))
        script.append("insmod /modules/%s" % name)
    script += ["while [ ! -b /dev/vda ]; do sleep 0.1; done", "mount -t ext4 /dev/vda /mnt || exec sh",
               "umount /proc /sys", "exec switch_root /mnt /guest/init"]
    with open(os.path.join(root, "init"), "w") as f:
        f.write("\n".join(script) + "\n")
    os.chmod(os.path.join(root, "init"), 0o755)
    out = os.path.join(work, "initrd.cpio.gz")
    sh("sh", "-c", "cd %s && find . | cpio -o -H newc --quiet | gzip -1 > %s" % (root, out))
    return out


def make_disk(work, programs, script=None):
    root = os.path.join(work, "root")
    busybox_tree(root)
    for name in PROGRAMS:
        shutil.copy(os.path.join(programs, name), os.path.join(root, "usr/local/bin", name))
    for path in glob.glob(os.path.join(HERE, "guest", "*")):
        shutil.copy(path, os.path.join(root, "guest"))
    if script:
        shutil.copy(script, os.path.join(root, "guest", "script.sh"))
    # The image of the tests: busybox in a tar that `berth import` takes.
    base = os.path.join(work, "base")
    busybox_tree(base)
    sh("tar", "-C", base, "-cf", os.path.join(root, "guest", "busybox.tar"), ".")
    disk = os.path.join(work, "disk.ext4")
    sh("mke2fs", "-q", "-t", "ext4", "-d", root, disk, "1G")
    return disk


class Machine:
    def __init__(self, kernel, initrd, disk, arguments):
        self.log = open(disk + ".log", "wb")
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1024", "-nographic", "-no-reboot",
             "-nic", "none", "-kernel", kernel, "-initrd", initrd,
             "-drive", "file=%s,if=virtio,format=raw,cache=writeback" % disk,
             "-append", "console=ttyS0 quiet panic=-1 " + arguments],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)

    def output(self):
        self.log.flush()
        with open(self.log.name, "rb") as f:
            return f.read().decode(errors="replace").replace("\r", "")

    def wait(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.cut()
            print(self.output()[-4000:])
            raise SystemExit("the machine did not end within %d s" % seconds)
        return self.output()

    def cut(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def results(output):
    return [line.split(" ", 2)[1:] for line in output.splitlines() if line.startswith("VM-RESULT ")]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, help="folder of the built programs")
    parser.add_argument("--kernel", default=os.path.expanduser("~/.cache/berth-vm"), help="where the kernel is kept")
    parser.add_argument("--power-cuts", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=300, help="limit of one boot")
    parser.add_argument("--script", help="run this file in the machine instead, and show what it prints")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()

    kernel, _, release = fetch_kernel(options.kernel)
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="berth-vm-") as work:
        initrd = make_initrd(work, options.kernel, release)
        disk = make_disk(work, options.bin, options.script)

        def count(output):
            nonlocal passed, failed
            found = results(output)
            for verdict, name in found:
                print("%-6s %s" % (verdict, name))
                passed += verdict == "ok"
                failed += verdict != "ok"
            if not found or "VM-END" not in output:
                print(output[-6000:])
                print("failed the checks did not come to their end")
                failed += 1
            elif options.verbose or any(v != "ok" for v, _ in found):
                print(output[-8000:])

        if options.script:
            print(Machine(kernel, initrd, disk, "berth.mode=script").wait(options.seconds))
            return 0
        if not options.power_cuts:
            count(Machine(kernel, initrd, disk, "berth.mode=checks").wait(options.seconds))
        rng = random.Random(options.seed)
        for number in range(options.power_cuts):
            machine = Machine(kernel, initrd, disk, "berth.mode=churn berth.seed=%d" % rng.randrange(1 << 16))
            deadline = time.time() + options.seconds
            while "VM-CHURN" not in machine.output() and time.time() < deadline and machine.process.poll() is None:
                time.sleep(0.2)
            time.sleep(rng.uniform(0.5, 8))
            acknowledged = machine.output()
            machine.cut()
            # What was reported done before the cut goes to the next boot as a list on the kernel's command line's
            # behalf: a file on a second look at the disk would change it, so it is passed as text.
            done = {}
            for line in acknowledged.splitlines():
                if line.startswith("VM-DONE "):
                    _, what, name = line.split(" ", 2)
                    done[name] = what
            expected = ",".join("%s:%s" % (name, what) for name, what in sorted(done.items())[-40:])
            print("cut %d: %d operations had been reported done" % (number + 1, len(done)))
            count(Machine(kernel, initrd, disk, "berth.mode=verify berth.expect=" + (expected or "-")).wait(options.seconds))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
