#!/usr/bin/env python3
"""Boots the built programs in a virtual machine and runs the checks of guest/ there. See README.md."""

import argparse
import atexit
import concurrent.futures
import glob
import os
import platform
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = ("berthd", "berth", "berth-shim", "berth-init")
MODULES = ("virtio_pci", "virtio_blk", "overlay", "veth", "bridge", "nf_tables", "nft_nat", "nft_masq", "nft_chain_nat",
           "nft_fib_inet", "nft_ct", "nf_conntrack_netlink", "nft_redir", "nft_reject_inet",
           # CRIU asks the kernel about sockets.
           "unix_diag", "tcp_diag", "udp_diag", "af_packet_diag", "netlink_diag", "tun")
# CRIU and what it calls: they are not static, so their libraries come along.
CHECKPOINT_PROGRAMS = ("/usr/sbin/criu", "/bin/tar", "/bin/gzip")


def sh(*argv, **options):
    return subprocess.run(argv, check=True, **options)


class Skip(Exception):
    """These checks can't run here, for the reason given."""


def find_package():
    """The newest cloud kernel's package name; None when apt knows of none."""
    depends = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], capture_output=True, text=True).stdout
    return next((line.split()[-1] for line in depends.splitlines() if "Depends: linux-image" in line), None)


def download_kernel(folder):
    package = find_package()
    if not package:
        subprocess.run(["apt-get", "update", "-q"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        package = find_package()
    if not package:
        raise Skip("apt knows no package linux-image-cloud-amd64")
    os.makedirs(os.path.dirname(folder) or ".", exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(folder) or ".") as download:
        got = subprocess.run(["apt-get", "download", package], cwd=download, capture_output=True, text=True)
        if got.returncode != 0:
            raise Skip("the package %s can't be fetched: %s" % (package, got.stderr.strip()))
        unpacked = os.path.join(download, "unpacked")
        sh("dpkg", "-x", glob.glob(os.path.join(download, "*.deb"))[0], unpacked)
        os.rename(unpacked, folder)


def fetch_kernel(folder):
    """Unpacks the newest cloud kernel package at `folder`, once; returns (vmlinuz, release)."""
    if not glob.glob(os.path.join(folder, "boot", "vmlinuz-*")):
        download_kernel(folder)
    kernel = glob.glob(os.path.join(folder, "boot", "vmlinuz-*"))[0]
    release = kernel.split("vmlinuz-")[1]
    sh("depmod", "-b", folder, release)
    return kernel, release


def is_static(program):
    """Whether an ELF64 program asks for no interpreter (PT_INTERP): the guest has no C library."""
    with open(program, "rb") as f:
        data = f.read(1 << 16)
    offset, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    return all(struct.unpack_from("<I", data, offset + number * size)[0] != 3 for number in range(count))


def check_prerequisites(programs):
    if platform.machine() != "x86_64":
        raise Skip("only x86-64 is booted here")
    for tool in ("qemu-system-x86_64", "mke2fs", "cpio", "depmod", "busybox"):
        if not shutil.which(tool, path=os.environ["PATH"] + ":/sbin:/usr/sbin"):
            raise Skip("%s is not installed" % tool)
    for name in PROGRAMS:
        if not is_static(os.path.join(programs, name)):
            raise Skip("%s is not static (a build for debugging); the machine has no C library" % name)


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


def copy_with_libraries(program, root):
    out = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    libraries = [word for line in out.splitlines() for word in line.split() if word.startswith("/")]
    for path in [program] + libraries:
        target = root + path
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.islink(target):  # busybox has that command, too
            os.remove(target)
        shutil.copy(path, target)  # of a link what it means


def can_checkpoint():
    return all(os.path.exists(program) for program in CHECKPOINT_PROGRAMS)


def make_disk(work, programs, script=None):
    root = os.path.join(work, "root")
    busybox_tree(root)
    if can_checkpoint():
        for program in CHECKPOINT_PROGRAMS:
            copy_with_libraries(program, root)
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
    sh("mke2fs", "-q", "-t", "ext4", "-d", root, disk, "1G", stdout=subprocess.DEVNULL)
    return disk


class Machine:
    """One boot. `told` is text for the guest, which reads it from its second disk."""

    def __init__(self, kernel, initrd, disk, arguments, told=""):
        self.log = open(disk + ".log", "wb")
        note = disk + ".note"
        with open(note, "wb") as f:
            f.write((told + "\n").encode())
            f.truncate((f.tell() + 4095) // 4096 * 4096)
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1024", "-nographic", "-no-reboot",
             "-nic", "none", "-kernel", kernel, "-initrd", initrd,
             "-drive", "file=%s,if=virtio,format=raw,cache=writeback" % disk,
             "-drive", "file=%s,if=virtio,format=raw,readonly=on" % note,
             "-append", "console=ttyS0 quiet panic=-1 " + arguments],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        atexit.register(self.cut)

    def output(self):
        self.log.flush()
        with open(self.log.name, "rb") as f:
            return f.read().decode(errors="replace").replace("\r", "")

    def wait(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.cut()
            print("the machine did not end within %d s" % seconds)
        return self.output()

    def cut(self):
        if self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def results(output):
    return [line.split(" ", 2)[1:] for line in output.splitlines() if line.startswith("VM-RESULT ")]


class Job:
    """One or several boots from a disk of its own, and what they have said."""

    def __init__(self, options, kernel, initrd, disk):
        self.options, self.kernel, self.initrd, self.disk = options, kernel, initrd, disk
        self.passed, self.failed, self.lines = 0, 0, []

    def boot(self, arguments, told=""):
        return Machine(self.kernel, self.initrd, self.disk, arguments, told)

    def count(self, machine):
        output = machine.wait(self.options.seconds)
        found = results(output)
        for verdict, name in found:
            self.lines.append("%-6s %s" % (verdict, name))
            self.passed += verdict == "ok"
            self.failed += verdict != "ok"
        ended = "VM-END" in output
        if not ended or not found:
            self.lines.append("failed the checks did not come to their end")
            self.failed += 1
        if self.options.verbose or not ended or any(verdict != "ok" for verdict, _ in found):
            self.lines.append(output[-12000:])

    def checks(self, groups, mode="checks"):
        self.count(self.boot("berth.mode=%s berth.cgroups=%s" % (mode, groups)))

    def reboots(self):
        for boot in range(1, 4):
            self.count(self.boot("berth.mode=reboot berth.seed=%d" % boot))

    def power_cuts(self, number, seed):
        rng = random.Random(seed)
        for cut in range(1, number + 1):
            self.cut_power(cut, rng)

    def cut_power(self, number, rng):
        machine = self.boot("berth.mode=churn berth.seed=%d" % rng.randrange(1 << 16))
        deadline = time.time() + self.options.seconds
        while "VM-CHURN" not in machine.output() and time.time() < deadline and machine.process.poll() is None:
            time.sleep(0.2)
        time.sleep(rng.uniform(0.5, 12))
        acknowledged = machine.output()
        machine.cut()
        # The last word on each name. What was under way has none: it may be done or undone.
        done = {}
        for line in acknowledged.rpartition("\n")[0].splitlines():  # the last line may be cut as well
            words = line.split(" ")
            if words[0] == "VM-DOING":
                done.pop(words[1], None)
            elif words[0] == "VM-DONE" and len(words) == 3:
                done[words[2]] = words[1]
        self.lines.append("power cut %d: %d names with a state that was reported done" % (number, len(done)))
        self.count(self.boot("berth.mode=verify",
                             "\n".join("%s %s" % (name, what) for name, what in sorted(done.items()))))


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, help="folder of the built programs")
    parser.add_argument("--kernel", default=os.path.expanduser("~/.cache/berth-vm"), help="where the kernel is kept")
    parser.add_argument("--power-cuts", type=int, default=0, help="how many, after the checks")
    parser.add_argument("--only-power-cuts", action="store_true", help="no checks before")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=900, help="limit of one boot")
    parser.add_argument("--machines", type=int, default=max(1, min(4, (os.cpu_count() or 1))),
                        help="how many run at a time")
    parser.add_argument("--only", default="", help="of the checks, only those jobs whose names begin so (v1, checkpoint, reboot)")
    parser.add_argument("--script", help="run this file in the machine instead, and show what it prints")
    parser.add_argument("--counts", help="write 'PASSED FAILED SKIPPED' into this file")
    parser.add_argument("-v", "--verbose", action="store_true")
    return parser.parse_args()


def check_jobs():
    """The checks by name: what each does with a machine of its own."""
    jobs = {groups: lambda job, groups=groups: job.checks(groups) for groups in ("v2", "v1", "hybrid")}
    jobs["reboot"] = Job.reboots
    for groups in ("v2", "v1") if can_checkpoint() else ():
        jobs["checkpoint-" + groups] = lambda job, groups=groups: job.checks(groups, "checkpoint")
    return jobs


def run(options):
    """(passed, failed, skipped)"""
    check_prerequisites(options.bin)
    kernel, release = fetch_kernel(options.kernel)
    with tempfile.TemporaryDirectory(prefix="berth-vm-") as work, \
            concurrent.futures.ThreadPoolExecutor(options.machines) as pool:
        initrd = make_initrd(work, options.kernel, release)
        disk = make_disk(work, options.bin, options.script)

        def start(name, act):
            own = os.path.join(work, name)
            sh("cp", "--sparse=always", disk, own)
            job = Job(options, kernel, initrd, own)
            return job, pool.submit(act, job)

        if options.script:
            job, done = start("script", lambda job: print(job.boot("berth.mode=script").wait(options.seconds)))
            done.result()
            return 1, 0, 0
        jobs = []
        if options.power_cuts:
            jobs.append(start("power", lambda job: job.power_cuts(options.power_cuts, options.seed)))
        for name, act in ({} if options.only_power_cuts else check_jobs()).items():
            if name.startswith(options.only):
                jobs.append(start(name, act))
        passed = failed = 0
        for job, done in jobs:
            done.result()
            print("\n".join(job.lines), flush=True)
            passed, failed = passed + job.passed, failed + job.failed
    return passed, failed, 0


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the machine ends and the disk goes
    options = parse_options()
    try:
        counts = run(options)
    except Skip as reason:
        print("skipped: %s" % reason)
        counts = 0, 0, 1
    if options.counts:
        with open(options.counts, "w") as f:
            f.write("%d %d %d\n" % counts)
    print("%d passed, %d failed, %d skipped" % counts)
    return 1 if counts[1] else 0


if __name__ == "__main__":
    sys.exit(main())
