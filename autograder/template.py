"""The warm process: imports torch once, shuts itself into a box, then forks a child for each submission.

It is started by sandbox.py with one inherited socket and a clean environment. Commands come over that
socket from sandbox.py: "spawn" brings the end of a socket pair for the child, "kill" ends a child and tells how it
ended. It never reads anything that a submission writes.
"""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from autograder import namespaces as ns
from autograder import wire

NOBODY = 65534
STUDENT = 1000  # user id that a submission sees
CONTROL = 3  # descriptor of the control socket
SYSTEM_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.conf")
DEVICES = ("null", "zero", "random", "urandom")
SCRATCH = ("/tmp", "/dev/shm")  # private to each submission
SCRATCH_MIB = 64  # of /tmp, and of /dev/shm, for one submission


def main() -> None:
    options = json.loads(sys.argv[1])
    control = socket.socket(fileno=CONTROL)
    warm_up()
    layers: dict[str, str] = {}
    if options["sandboxed"]:
        try:
            options["kept"] = _enter_outer_box(options["visible"], options["masked"], layers)
        except OSError as error:
            wire.send(control, {"error": str(error)})
            return
    wire.send(control, {"ready": True, "layers": layers})
    _serve(control, options)


def warm_up() -> None:
    """Import what submissions import, so that a fork has it already. No tensor is computed: threads do not survive."""
    import fast_pytorch_kmeans  # noqa: F401  (imported for the children)
    import matplotlib
    import numpy  # noqa: F401
    import torch
    import torchvision  # noqa: F401

    matplotlib.use("Agg")
    import matplotlib.pyplot

    torch.set_num_threads(1)
    import qlab_helpers.clustering
    import qlab_helpers.cost
    import qlab_helpers.data
    import qlab_helpers.integer
    import qlab_helpers.metrics
    import qlab_helpers.plots
    import qlab_helpers.train
    import qlab_helpers.weights  # noqa: F401
    from autograder import probe

    probe.prepare()


def _serve(control: socket.socket, options: dict[str, Any]) -> None:
    children: dict[int, tuple[int, int]] = {}  # number -> (process that waits, process that runs the submission)
    number = 0
    while True:
        readable, _, _ = select.select([control], [], [])
        try:
            message, descriptors, _, _ = socket.recv_fds(control, 65536, 1)
        except OSError:
            message, descriptors = b"", []
        if not message:
            os._exit(0)  # the grader is gone; as the first process of its namespace, this one takes all with it
        command = json.loads(message)
        if command["do"] == "spawn":
            number += 1
            try:
                children[number] = _spawn(descriptors[0], control, options)
                answer = {"child": number}
            except OSError as error:
                answer = {"error": str(error)}
            for descriptor in descriptors:
                os.close(descriptor)
        else:
            processes = children.pop(command["child"], None)
            answer = {"status": _end(processes) if processes else -1}
        wire.send(control, answer)


def _spawn(descriptor: int, control: socket.socket, options: dict[str, Any]) -> tuple[int, int]:
    """Fork the process that makes the namespaces, which forks the one that runs the submission in them."""
    reading, writing = os.pipe()
    waiting = os.fork()
    if waiting == 0:
        _run_child(descriptor, control, options, reading, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    if not text.isdigit():
        os.waitpid(waiting, 0)
        raise OSError(f"the sandbox could not be made: {text.decode(errors='replace') or 'no reason given'}")
    return waiting, int(text)


def _run_child(descriptor: int, control: socket.socket, options: dict[str, Any], reading: int, writing: int) -> None:
    """In the fork; never returns."""
    try:
        os.close(reading)
        control.close()
        if options["sandboxed"]:
            flags = ns.CLONE_NEWUSER | ns.CLONE_NEWNS | ns.CLONE_NEWPID | ns.CLONE_NEWIPC | ns.CLONE_NEWNET
            uid, gid = os.getuid(), os.getgid()
            ns.unshare(flags | ns.CLONE_NEWUTS)
            ns.map_user(inside=STUDENT, outside_uid=uid, outside_gid=gid)
        running = os.fork()
    except BaseException as error:  # noqa: BLE001  (whatever it is, it is reported and this process ends)
        os.write(writing, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    if running == 0:
        _become_submission(descriptor, options, writing)
    os.close(descriptor)
    os.close(writing)  # the child holds the other copy until it is ready
    _, status = os.waitpid(running, 0)
    os._exit(min(255, 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)))


def _become_submission(descriptor: int, options: dict[str, Any], writing: int) -> None:
    """In the innermost fork: private folders, limits, no privileges; then the submission. Never returns."""
    from autograder import probe

    os.dup2(writing, 201)
    try:
        outer_pid = _pid_outside()
        if options["sandboxed"]:
            _private_folders(options["kept"])
        else:
            os.chdir(tempfile.mkdtemp(prefix="qlab-"))
        # Only the connection stays open, as descriptor 3, and the pipe until this process is ready.
        os.dup2(descriptor, 200)
        os.dup2(200, CONTROL)
        nothing = os.open("/dev/null", os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        os.closerange(4, 201)
        os.closerange(202, 4096)
        _limit_resources(options["limits"])
        ns.prctl(ns.PR_SET_NO_NEW_PRIVS, 1)
        if options["sandboxed"]:
            ns.drop_capabilities()
        os.environ.update(HOME="/tmp", QLAB_FAST="1", QLAB_GRADING="1", MPLBACKEND="Agg")
        os.write(201, str(outer_pid).encode())
        os.close(201)
    except BaseException as error:  # noqa: BLE001  (as above)
        os.write(201, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    try:
        probe.serve(socket.socket(fileno=CONTROL))
    finally:
        os._exit(0)


def _pid_outside() -> int:
    """Of this process, in the template's namespace; /proc is still the template's here."""
    return int(os.readlink("/proc/self"))


def _private_folders(kept: list[str]) -> None:
    """Fresh, bounded /tmp and /dev/shm, a /proc of this namespace only, and no user namespaces from here on.

    What the new /tmp would hide of the Python environment is shown there again.
    """
    for folder in SCRATCH:
        ns.mount_tmpfs(folder, size_mib=SCRATCH_MIB, mode="1777")
    for number, path in enumerate(kept):
        _show(f"/.kept/{number}", path)
    ns.mount("proc", "/proc", "proc", ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC)
    with contextlib.suppress(OSError):  # an extra: capabilities are gone anyway
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
    os.chdir("/tmp")


def _limit_resources(limits: dict[str, Any]) -> None:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    bounds = {
        resource.RLIMIT_AS: mapped + limits["memory_mib"] * 2**20,
        resource.RLIMIT_NPROC: limits["processes"],
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_FSIZE: SCRATCH_MIB * 2**20,
        resource.RLIMIT_CORE: 0,
        # Wall-clock deadlines come from outside; this is for what might escape them.
        resource.RLIMIT_CPU: int(2 * limits["notebook_s"]) + 1,
    }
    if os.getuid() == 0:  # unsandboxed as root: the limit on processes would count the whole machine's
        del bounds[resource.RLIMIT_NPROC]
    for kind, bound in bounds.items():
        _, hard = resource.getrlimit(kind)
        bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (bound, bound))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # if memory runs out, this goes first


def _end(processes: tuple[int, int]) -> int:
    """Kill a submission with all it started, and return its exit status, 128 + signal if it was killed."""
    waiting, running = processes
    for process in (running, waiting):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)
        if process == running:  # the other one reports how it ended, if it is given the moment to
            deadline = 50
            while deadline and not (status := os.waitpid(waiting, os.WNOHANG))[0]:
                deadline -= 1
                select.select([], [], [], 0.002)
            if status[0]:
                return os.waitstatus_to_exitcode(status[1])
    return os.waitstatus_to_exitcode(os.waitpid(waiting, 0)[1])


def _enter_outer_box(visible: list[str], masked: list[str], layers: dict[str, str]) -> list[str]:
    """Own namespaces, a read-only root that holds the Python environment and nothing else, an unprivileged user.

    Everything that needs the real root's rights to be seen is mounted before they are given up. Returns the visible
    paths that a private /tmp would hide; number N of them is also at /.kept/N.
    """
    root = os.geteuid() == 0
    flags = ns.CLONE_NEWNS | ns.CLONE_NEWPID | ns.CLONE_NEWIPC | ns.CLONE_NEWNET | ns.CLONE_NEWUTS
    uid, gid = os.geteuid(), os.getegid()
    new_root = tempfile.mkdtemp(prefix="qlab-root-")
    ns.unshare(flags if root else flags | ns.CLONE_NEWUSER)
    if not root:
        ns.map_user(inside=uid, outside_uid=uid, outside_gid=gid)
    first = os.fork()  # a new pid namespace begins with the next child
    if first != 0:
        os.close(CONTROL)
        _, status = os.waitpid(first, 0)
        with contextlib.suppress(OSError):
            os.rmdir(new_root)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    ns.prctl(ns.PR_SET_PDEATHSIG, signal.SIGKILL)
    ns.make_mounts_private()
    ns.mount_tmpfs(new_root, size_mib=16)
    shown = _outermost([*SYSTEM_FOLDERS, *visible])
    for path in shown:
        _show(path, f"{new_root}{path}")
    for path in masked:
        ns.mount_tmpfs(f"{new_root}{path}", size_mib=1, read_only=True)
    kept = [path for path in shown if path.startswith(tuple(f"{folder}/" for folder in SCRATCH))]
    for number, path in enumerate(kept):
        _show(f"{new_root}{path}", f"{new_root}/.kept/{number}")
    for folder in (*SCRATCH, "/proc"):
        os.makedirs(f"{new_root}{folder}", exist_ok=True)
    for name in DEVICES:
        Path(f"{new_root}/dev/{name}").touch()
        ns.bind_device(f"/dev/{name}", f"{new_root}/dev/{name}")
    ns.mount("proc", f"{new_root}/proc", "proc", ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC)
    ns.enter_root(new_root)
    if root:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        ns.prctl(ns.PR_SET_DUMPABLE, 1)  # lost with the user id; without it no child may map its user
    ns.prctl(ns.PR_SET_PDEATHSIG, signal.SIGKILL)  # also lost with it
    layers.update(
        namespaces="user, mount, pid, ipc, net, uts", files="read-only view of the Python environment", user="nobody"
    )
    return kept


def _outermost(paths: list[str]) -> list[str]:
    """Existing paths, none inside another; links are followed where they are shown, not here."""
    existing = sorted({os.path.normpath(path) for path in paths if os.path.exists(path)})
    return [path for path in existing if not any(path.startswith(f"{other}/") for other in existing)]


def _show(path: str, target: str) -> None:
    """The same thing, read-only, at ``target``."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path):  # /lib -> usr/lib
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        Path(target).touch()
    ns.bind_read_only(path, target)
