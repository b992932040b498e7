"""docker run: output, exit codes, streams, names."""

import hashlib
import os
import re
import subprocess

import pytest

from support.waiting import eventually


def test_output_and_streams(docker):
    result = docker("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2")
    assert (result.out, result.err) == ("out\n", "err\n")


@pytest.mark.parametrize("code", [0, 1, 2, 42, 125, 128, 200, 255])
def test_exit_code_is_the_programs(docker, code):
    docker("run", "--rm", "--network", "none", "busybox", "sh", "-c", f"exit {code}", code=code)


@pytest.mark.parametrize("signal,number", [("TERM", 15), ("KILL", 9), ("SEGV", 11), ("USR1", 10)])
def test_death_by_signal_is_128_plus_its_number(docker, signal, number):
    docker("run", "--rm", "--network", "none", "busybox", "sh", "-c", f"sh -c 'kill -{signal} $$'; exit $?",
           code=128 + number)


def test_killed_init_reports_137(api):
    container = api.create(cmd=["sleep", "1000"])
    api.start(container)
    api.post(f"/containers/{container}/kill")
    assert api.wait(container) == 137


def test_missing_program_is_127(docker):
    result = docker("run", "--rm", "busybox", "/no/such/program", code=127)
    assert "/no/such/program" in result.err and "no such file or directory" in result.err
    result = docker("run", "--rm", "busybox", "no-such-program", code=127)
    assert 'exec: "no-such-program": executable file not found in $PATH' in result.err


def test_program_that_may_not_run_is_126(docker):
    result = docker("run", "--rm", "busybox", "/bin/notexec", code=126)
    assert "permission denied" in result.err
    docker("run", "--rm", "busybox", "/etc", code=126)


def test_program_of_a_wrong_format(docker):
    result = docker("run", "--rm", "busybox", "/bin/badformat", code=None)
    assert result.code in (1, 125, 126, 255) and "exec format error" in result.err.lower()


def test_container_that_failed_to_start_stays_created(docker, api):
    docker("run", "--name", "nostart", "busybox", "/no/such/program", code=127)
    state = api.state("nostart")
    assert state["Status"] == "created" and state["ExitCode"] == 127
    assert "/no/such/program" in state["Error"]
    assert docker("ps", "-aq", "--filter", "name=nostart").out.strip()


def test_client_errors_are_125(docker):
    assert "No such image: nosuchimage:1" in docker("run", "--pull=never", "nosuchimage:1", code=125).err
    docker("run", "--no-such-flag", "busybox", code=125)


def test_binary_input_comes_back_unharmed(docker):
    data = os.urandom(5 << 20)
    result = docker("run", "-i", "--rm", "--network", "none", "busybox", "cat", stdin=data)
    assert hashlib.sha256(result.raw).digest() == hashlib.sha256(data).digest()


def test_end_of_input_is_passed_on(docker):
    assert docker("run", "-i", "--rm", "busybox", "wc", "-c", stdin=b"12345").out.strip() == "5"
    assert docker("run", "-i", "--rm", "busybox", "wc", "-c", stdin=b"").out.strip() == "0"


def test_without_i_the_input_is_empty(docker):
    assert docker("run", "--rm", "busybox", "wc", "-c", stdin=b"12345").out.strip() == "0"


def test_output_bytes_are_kept(docker):
    result = docker("run", "--rm", "busybox", "sh", "-c", r"printf '\000\001\377\n\r\n'")
    assert result.raw == b"\x00\x01\xff\n\r\n"


def test_large_output(docker):
    result = docker("run", "--rm", "busybox", "sh", "-c", "yes 0123456789abcdef | head -n 200000")
    assert result.raw == b"0123456789abcdef\n" * 200000


def test_detached_prints_the_id_and_runs_on(docker, api):
    out = docker("run", "-d", "busybox", "sleep", "1000").out.strip()
    assert re.fullmatch("[0-9a-f]{64}", out)
    assert api.state(out)["Running"] is True


def test_rm_removes_the_container(docker, api):
    docker("run", "--rm", "--name", "gone", "busybox", "true")
    eventually(lambda: api.request("GET", "/containers/gone/json").status == 404)


def test_detached_rm(docker, api):
    container = docker("run", "-d", "--rm", "busybox", "sleep", "0.3").out.strip()
    eventually(lambda: api.request("GET", f"/containers/{container}/json").status == 404)


def test_rm_takes_anonymous_volumes_with_it(docker):
    before = docker("volume", "ls", "-q").out
    docker("run", "--rm", "-v", "/anonymous", "busybox", "true")
    eventually(lambda: docker("volume", "ls", "-q").out == before)


def test_name_conflict(docker):
    first = docker("create", "--name", "taken", "busybox", "true").out.strip()
    result = docker("create", "--name", "taken", "busybox", "true", code=1)
    assert ('Conflict. The container name "/taken" is already in use by container '
            f'"{first}". You have to remove (or rename) that container to be able to reuse that name.') in result.err


def test_generated_names_are_two_words(docker, api):
    container = docker("create", "busybox").out.strip()
    assert re.fullmatch(r"/[a-z]+_[a-z]+\d*", api.inspect(container)["Name"])


def test_default_command_of_the_image(docker):
    assert docker("run", "--rm", "-i", "busybox", stdin=b"echo from stdin\n").out == "from stdin\n"


def test_image_config_is_used(docker):
    assert docker("run", "--rm", "full").out == "entry:from image\n"
    assert docker("run", "--rm", "full", "mine").out == "entry:mine\n"


def test_cidfile(docker, scratch):
    path = scratch + "/cid"
    docker("run", "--cidfile", path, "busybox", "true")
    with open(path) as f:
        assert re.fullmatch("[0-9a-f]{64}", f.read())


def test_signals_of_the_client_are_forwarded(engine, api):
    client = engine.popen("run", "--name", "sig", "busybox", "sh", "-c",
                          "trap 'echo caught; exit 7' USR1; echo ready; while :; do sleep 0.05; done",
                          stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"ready\n"
    client.send_signal(10)
    assert client.stdout.readline() == b"caught\n"
    assert client.wait(15) == 7
    client.stdout.close()


def test_attach_only_stderr(docker):
    result = docker("run", "--rm", "-a", "stderr", "busybox", "sh", "-c", "echo out; echo err >&2")
    assert (result.out, result.err) == ("", "err\n")
