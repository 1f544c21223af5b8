"""What a hostile submission may try, and that nothing comes of it."""

import errno
import platform
import socket
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.parametrize("box", ["alone", "shared"], indirect=True)


def strays(box) -> list[psutil.Process]:
    """Processes of the sandbox beside the warm one."""
    return psutil.Process(box.template._process.pid).children(recursive=True)[1:]


# Harm


def test_fork_bomb_is_bounded_and_gone_afterwards(box):
    code = """
import time
children = 0
try:
    while True:
        if os.fork() == 0: time.sleep(600)
        children += 1
except OSError: pass
return children
"""
    assert box.attack(code) < box.limits.processes
    assert strays(box) == []


def test_daemon_does_not_outlive_its_submission(box):
    code = """
import time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: time.sleep(600)
    os._exit(0)
return 1
"""
    assert box.attack(code) == 1
    assert strays(box) == []


@pytest.mark.parametrize("victim", ["os.getppid()", "1", "-1", "0"])
def test_killing_others_hurts_nobody_else(box, victim):
    source = f"import os, signal\n{box.honest}\ndef kill(x):\n    os.kill({victim}, signal.SIGKILL)\n    return 1"
    box.run(source, probes=(box.question("kill"),))
    assert box.is_fine(box.run(box.honest))


def test_stopping_its_own_processes_is_only_time_lost(box):
    source = f"import os, signal\n{box.honest}\ndef stop(x): os.kill(os.getpid(), signal.SIGSTOP)"
    output = box.run(source, probes=(box.question("stop"), box.question("double")))
    assert output.items["stop"][0].outcome in ("timed out", "crashed")
    assert box.is_fine(output)


def test_closing_every_descriptor_costs_its_own_question(box):
    source = box.honest + "\nimport os\ndef close(x): os.closerange(0, 1024)"
    output = box.run(source, probes=(box.question("close"), box.question("double")))
    assert output.items["close"][0].outcome == "crashed"
    assert box.is_fine(output)


def test_flood_of_output_does_no_harm(box):
    source = "def double(x):\n    for _ in range(300): print('x' * 1_000_000)\n    return 2 * x"
    assert box.is_fine(box.run(source))


# What may not be seen


@pytest.mark.parametrize(
    "folder", ["autograder", "solutions", "notebooks", "course", "tests", "qlab_helpers/reference"]
)
def test_course_is_not_visible(box, folder):
    place = Path(__file__).resolve().parents[2] / folder
    assert box.attack(f"return os.listdir({str(place)!r}) if os.path.isdir({str(place)!r}) else []") == []


def test_home_of_the_grader_is_not_visible(box):
    assert box.attack(f"return os.path.exists({str(Path.home() / '.bashrc')!r})") is False
    assert box.attack("return os.path.exists('/etc/passwd') or os.path.exists('/etc/shadow')") is False


def test_only_its_own_processes_are_visible(box):
    processes = box.attack("return len([name for name in os.listdir('/proc') if name.isdigit()])")
    assert processes <= 2


def test_environment_holds_nothing_of_the_grader(box, monkeypatch):
    names = box.attack("return sorted(os.environ)")
    assert not {name for name in names if "SECRET" in name or "TOKEN" in name or name.startswith("PYTEST")}


def test_no_connection_leaves_the_sandbox(box):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        code = f"""
import socket
try:
    socket.create_connection(("127.0.0.1", {port}), 0.5)
    return "connected"
except OSError: return "refused"
"""
        assert box.attack(code) == "refused"


def test_nothing_outside_its_own_folders_can_be_written(box):
    code = """
import sys
written = []
for place in ['/', '/usr/lib', '/lib', '/dev', '/etc', *sys.path, os.path.dirname(torch.__file__)]:
    try:
        with open(os.path.join(place or '/', 'mark'), 'w') as f: f.write('x')
        if not place.startswith('/tmp'): written.append(place)  # /tmp is its own
    except OSError: pass
return str(written)
"""
    output = box.run(
        "import os, torch\ndef attack(x):\n" + "\n".join(f"    {line}" for line in code.splitlines()),
        probes=(box.question("attack"),),
    )
    assert box.value(output.items["attack"][0]) == "[]"


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
def test_scratch_space_is_bounded_and_private(box, folder):
    code = f"""
total = 0
try:
    for part in range(40):
        with open(f'{folder}/{{part}}', 'wb') as file: file.write(bytes(8 << 20))
        total += 8
except OSError: pass
return total
"""
    assert box.attack(code) <= 64
    assert box.attack(f"return os.path.exists('{folder}/0')") is False


def test_privileges_are_gone_for_good(box):
    code = """
import ctypes
libc = ctypes.CDLL(None)
return [libc.unshare(0x10000000), libc.mount(b'none', b'/tmp', b'tmpfs', 0, None), os.getuid() == 0]
"""
    assert box.attack(code) == [-1, -1, False]


def test_one_submission_leaves_no_trace_for_the_next(box):
    assert box.attack("import builtins; builtins.left = 1\nreturn 1") == 1
    assert box.attack("import builtins\nreturn hasattr(builtins, 'left')") is False


@pytest.mark.parametrize("hidden", [False, True])
def test_memory_of_all_processes_together_is_bounded(box, hidden):
    """Each process may have 1024 MiB; together they may have no more, whether they let others look or not."""
    source = (
        box.honest
        + f"""
import ctypes, os, time
if {hidden}:
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: nobody may read the process's maps
def bomb(x):
    for _ in range(6):
        if os.fork() == 0:
            block = bytearray(os.urandom(1 << 20)) * 500
            time.sleep(600)
    time.sleep(600)
"""
    )
    output = box.run(source, probes=(box.question("bomb"), box.question("double")))
    assert output.items["bomb"][0].outcome in ("out of memory", "timed out")  # whichever comes first
    assert box.is_fine(output)
    assert strays(box) == []


def test_first_process_cannot_be_killed_from_inside(box):
    assert box.attack("os.kill(1, 9)\nreturn os.path.exists('/proc/1')") is True


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("ptrace", "101, 16, 1, 0, 0"),
        ("unshare", "272, 0x10000000"),
        ("setns", "308, os.open('/proc/1/ns/mnt', 0), 0"),
        ("mount", "165, b'none', b'/tmp', b'tmpfs', 0, 0"),
        ("keyctl", "250, 0, -3, 0"),
        ("bpf", "321, 0, 0, 0"),
        ("process_vm_readv", "310, 1, 0, 0, 0, 0, 0"),
        ("io_uring_setup", "425, 1, 0"),
    ],
)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls of one processor")
def test_system_call_that_no_notebook_needs_is_refused(box, call, arguments):
    code = (
        f"import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.syscall({arguments})\nreturn ctypes.get_errno()"
    )
    assert box.attack(code) == errno.EPERM


def test_sockets_past_the_network_namespace_are_refused(box):
    """Virtual machines reach their host by AF_VSOCK (40), which no network namespace separates."""
    code = "import socket\ntry: socket.socket(40, 1)\nexcept OSError as error: return error.errno"
    assert box.attack(code) == errno.EAFNOSUPPORT


def test_no_process_has_more_rights_than_a_stranger(box):
    status = box.attack("return open('/proc/self/status').read() + open('/proc/1/status').read()")
    fields = [line.split() for line in status.splitlines() if line.startswith(("Cap", "NoNewPrivs", "Seccomp:"))]
    assert {words[1] for words in fields if words[0].startswith("Cap")} == {"0" * 16}
    assert {words[1] for words in fields if words[0] == "NoNewPrivs:"} == {"1"}
    assert {words[1] for words in fields if words[0] == "Seccomp:"} == {"2"}


def test_only_its_connection_is_inherited(box):
    code = "return sorted(os.readlink(f'/proc/1/fd/{fd}').split(':')[0] for fd in os.listdir('/proc/1/fd'))"
    found = box.attack(code)
    assert [name for name in found if name not in ("/dev/null", "socket", "pipe", "anon_inode")] == []
    assert found.count("socket") == 1


def test_memory_of_its_first_process_holds_nothing_of_other_submissions(box):
    secret = "belongs" + "-to-another"
    box.run(f"note = '{secret}'\n{box.honest}")
    code = """
found = 0
with open("/proc/1/maps") as maps, open("/proc/1/mem", "rb", 0) as memory:
    for line in maps:
        words = line.split()
        begin, end = (int(word, 16) for word in words[0].split("-"))
        if words[1].startswith("rw") and end - begin < 1 << 28:
            try:
                memory.seek(begin)
                found += memory.read(end - begin).count(b"-".join([b"belongs", b"to", b"another"]))
            except (OSError, ValueError): pass
return found
"""
    assert box.attack(code, case_s=60, notebook_s=120) == 0  # there is much to read


def test_links_in_proc_lead_nowhere_outside(box):
    code = (
        "return str([sorted(os.listdir(place)) for place in ('/proc/1/root', '/proc/1/root/..', '/proc/1/cwd/../..')])"
    )
    first, *others = eval(box.attack(code), {})
    assert not {"home", "var", "boot", "root.txt", "run"} & set(first)
    assert others == [first, first]


def test_mounts_show_only_what_a_submission_may_read(box):
    mounts = [line.split()[1:4] for line in box.attack("return open('/proc/mounts').read()").splitlines()]
    writable = {place for place, _, options in mounts if "rw" in options.split(",")}
    assert writable <= {
        "/tmp",
        "/dev/shm",
        "/proc",
        *(f"/dev/{name}" for name in ("null", "zero", "random", "urandom")),
    }


def test_devices_cannot_be_made(box):
    code = """
import stat
try: os.mknod("/tmp/disk", stat.S_IFBLK | 0o600, os.makedev(254, 0))
except OSError: return "refused"
"""
    assert box.attack(code) == "refused"


def test_kernel_settings_cannot_be_changed(box):
    code = """
written = []
for name in ("kernel/core_pattern", "kernel/hostname", "vm/drop_caches", "user/max_user_namespaces"):
    try:
        with open(f"/proc/sys/{name}", "w") as file: file.write("1")
        written.append(name)
    except OSError: pass
return str(written)
"""
    assert box.attack(code) == "[]"
