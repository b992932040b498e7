"""The Debian package: what is in it fits together."""

import os
import re
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.berth


@pytest.fixture(scope="module")
def package(options, tmp_path_factory):
    """The package, unpacked: its root and its maintainer's scripts."""
    config = os.path.dirname(options.bin_dir) + "/CPackConfig.cmake"
    if not os.path.exists(config) or not shutil.which("cpack") or not shutil.which("dpkg-deb"):
        pytest.skip("needs a build folder, cpack and dpkg")
    folder = tmp_path_factory.mktemp("package")
    subprocess.run(["cpack", "--config", config, "-B", str(folder)], check=True, capture_output=True, timeout=300)
    deb, = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-R", str(deb), str(folder / "root")], check=True)
    return folder / "root"


def test_programs(package):
    for name in ("berth", "berthd", "berth-shim", "berth-init", "berth-logger"):
        assert os.access(package / "usr/bin" / name, os.X_OK), name
    version = subprocess.run([package / "usr/bin/berthd", "--version"], check=True, capture_output=True, text=True).stdout
    assert re.search(r"^Version: (\S+)$", (package / "DEBIAN/control").read_text(), re.M).group(1) in version


def test_units(package):
    """They start what the package brings."""
    unit = (package / "usr/lib/systemd/system/berthd.service").read_text()
    program = re.search(r"^ExecStart=(\S+)", unit, re.M).group(1)
    assert os.access(str(package) + program, os.X_OK), program
    assert "ListenStream=/run/berth.sock" in (package / "usr/lib/systemd/system/berthd.socket").read_text()


def test_maintainer_scripts(package):
    for name in ("postinst", "prerm", "postrm"):
        script = package / "DEBIAN" / name
        assert os.access(script, os.X_OK), name
        subprocess.run(["sh", "-n", script], check=True)
