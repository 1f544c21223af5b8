"""Landlock alone, in a process without any other wall. Each test asks what the kernel here can do."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import landlock

START = """
import os, socket, sys
sys.path[:0] = sys.argv[1:2]
folder = sys.argv[2]
from autograder import landlock, namespaces
namespaces.prctl(namespaces.PR_SET_NO_NEW_PRIVS, 1)
python = ["/usr", "/lib", "/lib64", "/etc", sys.prefix, sys.base_prefix]
landlock.restrict(readable=python, writable=[folder], devices=["/dev"])
def attempt(action):
    try: action()
    except OSError as error: print(error.strerror)
    else: print("done")
"""


def needs(version: int) -> pytest.MarkDecorator:
    return pytest.mark.skipif(landlock.version() < version, reason=f"the kernel's Landlock is older than {version}")


@pytest.fixture
def walled(tmp_path):
    """Runs code behind the wall; returns what it printed. It may write in ``folder``."""
    folder = tmp_path / "own"
    folder.mkdir()

    def run(code: str, *more: str) -> str:
        root = str(Path(landlock.__file__).parent.parent)
        command = [sys.executable, "-c", START + code, root, str(folder), *more]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()

    return run


@needs(1)
def test_files_elsewhere_are_neither_read_nor_written(walled, tmp_path):
    (tmp_path / "secret").write_text("42")
    code = """
attempt(lambda: open(sys.argv[3]).read())
attempt(lambda: open(sys.argv[3], "w"))
attempt(lambda: os.listdir(os.path.dirname(sys.argv[3])))
attempt(lambda: os.unlink(sys.argv[3]))
"""
    assert walled(code, str(tmp_path / "secret")).split("\n") == ["Permission denied"] * 4
    assert (tmp_path / "secret").read_text() == "42"


@needs(1)
def test_its_own_folder_the_libraries_and_devices_are_as_before(walled):
    code = """
attempt(lambda: open(folder + "/file", "w").write("x"))
attempt(lambda: os.mkdir(folder + "/below"))
attempt(lambda: os.rename(folder + "/file", folder + "/below/file"))
attempt(lambda: __import__("decimal"))
attempt(lambda: open("/dev/null", "w").write("x"))
"""
    assert walled(code).split("\n") == ["done"] * 5


@needs(1)
def test_what_it_starts_is_behind_the_wall_too(walled, tmp_path):
    (tmp_path / "secret").write_text("42")
    code = """
import subprocess
print(subprocess.run([sys.executable, "-c", f"open({sys.argv[3]!r})"], capture_output=True, text=True).stderr)
"""
    assert "PermissionError" in walled(code, str(tmp_path / "secret"))


@needs(4)
def test_no_port_is_reached_or_opened(walled):
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"""
attempt(lambda: socket.create_connection(("127.0.0.1", {server.getsockname()[1]})))
attempt(lambda: socket.create_server(("127.0.0.1", 0)))
"""
        assert walled(code).split("\n")[0] == "Permission denied"


@needs(6)
def test_signals_reach_only_what_it_started(walled):
    code = """
process = os.fork()
if process == 0:
    import time
    time.sleep(60)
attempt(lambda: os.kill(process, 9))
attempt(lambda: os.kill(int(sys.argv[3]), 0))
"""
    assert walled(code, str(os.getpid())).split("\n") == ["done", "Operation not permitted"]


def test_a_kernel_without_it_changes_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(landlock, "version", lambda: 0)
    landlock.restrict(readable=[], writable=[], devices=[])
    (tmp_path / "file").write_text("x")
    os.kill(os.getpid(), signal.SIGCONT)
