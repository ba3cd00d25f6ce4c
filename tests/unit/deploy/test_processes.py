"""Processes are recognised by what they are, not by a number, and end with all they started."""

import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from deploy.local import processes

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(120)", "candlewick-test-marker"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(120)",
]
PARENT = [
    sys.executable,
    "-c",
    "import subprocess, sys, time; c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(120)']);"
    "print('up', c.pid, flush=True); time.sleep(120)",
]


@pytest.fixture
def start(tmp_path):
    children = []

    def begin(argv, name="x"):
        log = tmp_path / f"{name}.log"
        process, child = processes.start(name, argv, log, ports={"web": 1})
        children.append(child)
        limit = time.monotonic() + 20
        while "up" not in log.read_text():
            assert time.monotonic() < limit
            time.sleep(0.02)
        return process, log

    yield begin
    for child in children:
        child.kill()
        child.wait()


def test_a_process_is_remembered_and_found_again(start, tmp_path):
    process, _ = start(SLEEPER)
    processes.write(tmp_path / "run", process)
    assert processes.read(tmp_path / "run") == {"x": process}
    assert processes.running(process)
    processes.forget(tmp_path / "run", "x")
    assert processes.read(tmp_path / "run") == {}


def test_a_pid_that_belongs_to_another_by_now_is_not_ours(start):
    process, _ = start(SLEEPER)
    stale = replace(process, started=process.started - 5)
    assert processes.running(stale) is None
    assert processes.stop([stale]) == []
    assert processes.running(process)


def test_damaged_pid_files_are_passed_over(tmp_path):
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text('{"name": "b"}')
    assert processes.read(tmp_path) == {}


def test_a_process_that_ends_when_asked_is_not_killed(start):
    process, _ = start(SLEEPER)
    assert processes.stop([process], grace_s=10) == []
    assert processes.running(process) is None


def test_a_process_that_does_not_listen_is_killed(start):
    process, _ = start(STUBBORN)
    assert processes.stop([process], grace_s=0.3) == ["x"]
    assert processes.running(process) is None


def test_children_go_with_their_parent(start):
    process, log = start(PARENT)
    child = int(log.read_text().split()[1])
    assert psutil.pid_exists(child)
    processes.stop([process], grace_s=5)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_process_whose_pid_file_was_lost_is_found_by_its_argument(start):
    process, _ = start(SLEEPER)
    assert [p.pid for p in processes.strays("candlewick-test-marker", [])] == [process.pid]
    assert processes.strays("candlewick-test-marker", [process]) == []
    assert processes.strays("candlewick-test", []) == []


def test_a_process_that_leads_no_group_is_signalled_alone(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])  # in our own group
    try:
        found = processes.Process("x", child.pid, psutil.Process(child.pid).create_time(), {})
        assert processes.stop([found], grace_s=10) == []
        assert child.wait(60) is not None
    finally:
        child.kill()


def test_a_long_log_is_put_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "LOG_BYTES", 10)
    log = tmp_path / "x.log"
    log.write_text("more than ten bytes")
    _, child = processes.start("x", [sys.executable, "-c", "print('new')"], log)
    child.wait(60)
    assert log.read_text() == "new\n"
    assert (tmp_path / "x.log.1").read_text() == "more than ten bytes"
