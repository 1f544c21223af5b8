"""The warm process: it starts, says what it gives, is shared by threads, and is replaced when it dies."""

import socket
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from autograder import wire
from autograder.sandbox import SandboxUnavailable, Template, TemplateDied


def kill_inside(template: Template) -> None:
    assert template._process is not None
    for process in psutil.Process(template._process.pid).children(recursive=True):
        process.kill()


def test_layers_say_what_contains_a_submission(box):
    assert {"namespaces", "files", "user", "memory", "system calls", "Landlock"} <= set(box.template.layers)


def test_dead_template_is_replaced_and_the_submission_graded(box, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Template(box.limits) as warm:
        kill_inside(warm)
        assert box.is_fine(box.run(box.honest, template=warm))
    assert list(tmp_path.iterdir()) == []  # nothing stays on disk


def test_submission_whose_template_dies_twice_is_not_graded_and_gets_no_zero(box, monkeypatch):
    with Template(box.limits) as warm:
        spawn = warm.spawn

        def spawn_and_die() -> object:
            child = spawn()
            kill_inside(warm)
            return child

        monkeypatch.setattr(warm, "spawn", spawn_and_die)
        output = box.run(box.honest, template=warm)
    assert [one.outcome for one in output.items["double"]] == ["not graded"]
    assert output.cells == ()


def test_unsandboxed_grading_works_and_says_so(box, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Template(box.limits, sandboxed=False) as warm:
        assert box.is_fine(box.run(box.honest, template=warm))
        assert "no-sandbox" in str(warm.layers)
        endless = (
            "\nimport signal\ndef endless(x):\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n    while True: pass"
        )
        output = box.run(box.honest + endless, template=warm, probes=(box.question("endless"),))
        assert output.items["endless"][0].outcome == "timed out"
        left = psutil.Process(warm._process.pid).children(recursive=True)
    assert left == []
    assert list(tmp_path.iterdir()) == []  # nothing stays on disk


def test_refusing_kernel_is_one_clear_sentence(box, monkeypatch):
    monkeypatch.setattr("autograder.sandbox.visible_paths", lambda: ["/etc/hostname"])
    monkeypatch.setattr("autograder.sandbox.masked_paths", lambda: ["/no/such/folder"])
    with pytest.raises(SandboxUnavailable, match="--no-sandbox"):
        Template(box.limits).__enter__()


def test_other_systems_are_refused_with_what_to_do(box, monkeypatch):
    monkeypatch.setattr("autograder.sandbox.sys.platform", "darwin")
    with pytest.raises(SandboxUnavailable, match="container"):
        Template(box.limits).__enter__()


def test_submissions_in_several_threads_do_not_meet(box):
    def grade(number: int) -> object:
        source = f"import torch\ndef double(x): return x + {number}"
        return box.value(box.run(source).items["double"][0]).tolist()

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(grade, range(8))) == [[number + 1.0] * 2 for number in range(8)]


def test_attacker_does_not_change_what_its_neighbour_gets(box):
    bomb = """
import os, signal, torch
def double(x):
    while True:
        try:
            for _ in range(40):
                if os.fork() == 0:
                    while True: pass
        except OSError: pass
        try: os.kill(-1, signal.SIGKILL)
        except OSError: pass
"""
    done = threading.Event()

    def attack() -> None:
        while not done.is_set():
            box.run(bomb)

    attacker = threading.Thread(target=attack)
    attacker.start()
    try:
        outcomes = [box.is_fine(box.run(box.honest)) for _ in range(5)]
    finally:
        done.set()
        attacker.join()
    assert outcomes == [True] * 5


def test_threads_and_locks_work_in_a_submission(box):
    """It begins by a bare clone, after which the C library must know its thread's number."""
    source = """
import os, threading
def numbers(x):
    found = [os.getpid(), threading.get_native_id()]
    lock = threading.RLock()
    with lock:
        other = threading.Thread(target=lambda: found.append(lock.acquire(blocking=False)))
        other.start()
        other.join()
    return found
ids = [os.getpid(), os.getppid(), threading.get_native_id(), threading.active_count()]
"""
    output = box.run(source, probes=(box.question("ids", kind="answer"), box.question("numbers")))
    assert box.value(output.items["ids"][0]) == [1, 0, 1, 1]
    process, thread, taken = box.value(output.items["numbers"][0])
    assert process == thread
    assert taken is False


def test_crash_of_a_submission_leaves_the_template_alive(box):
    generation = box.template.generation
    box.run("import os; os._exit(1)")
    assert box.template.generation == generation
    assert box.is_fine(box.run(box.honest))


def test_ending_a_submission_leaves_no_process(box):
    child = box.template.spawn()
    assert psutil.Process(box.template._process.pid).children(recursive=True)[1:]
    assert child.end().known
    assert len(psutil.Process(box.template._process.pid).children(recursive=True)) == 1


def test_reader_refuses_a_message_that_announces_too_much():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(wire.PREFIX.pack(2, 4_000_000_000) + b"{}")
        with pytest.raises(wire.WireError, match="too large"):
            wire.receive(ours, max_body=1 << 20)


def test_reader_waits_no_longer_than_its_deadline():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(wire.PREFIX.pack(2, 4) + b"{}")  # and then nothing
        with pytest.raises(wire.WireTimeout):
            wire.receive(ours, max_body=4, deadline=wire.time.monotonic() + 0.1)


@pytest.mark.parametrize("text", [b"[1, 2]", b"nonsense", b"[" * 100_000])
def test_reader_takes_only_a_json_object_for_a_header(text):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = threading.Thread(target=theirs.sendall, args=(wire.PREFIX.pack(len(text), 0) + text,))
        sender.start()
        with pytest.raises(wire.WireError):
            wire.receive(ours, max_body=0)
        sender.join()


def test_template_ends_when_its_grader_is_gone_and_is_not_started_again_by_a_late_thread(box):
    with Template(box.limits) as warm:
        inner = psutil.Process(warm._process.pid).children(recursive=True)[0]
        warm._control.shutdown(socket.SHUT_RDWR)
        warm._process.wait(timeout=10)
        assert not inner.is_running() or inner.status() == psutil.STATUS_ZOMBIE
    with pytest.raises(TemplateDied):
        box.run(box.honest, template=warm)
    assert warm._process is None
