"""Services are kept running: again after they end, later each time; never when their settings are wrong; stopped in order."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from deploy.local import processes
from deploy.local.supervisor import Service, Supervisor, claim, recorded, stop_recorded, supervising, unclaim

FOR_EVER = [sys.executable, "-c", "import time; time.sleep(120)"]


def ends(status):
    return [sys.executable, "-c", f"import sys; sys.exit({status})"]


def writes_when_stopped(file):
    """Appends its name to `file` at SIGTERM, after a moment."""
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n    time.sleep(0.2)\n    open(sys.argv[1], 'a').write(sys.argv[2] + '\\n')\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('up', flush=True)\ntime.sleep(120)"
    )
    return lambda name: [sys.executable, "-c", code, str(file), name]


def wait_for(condition, limit_s=20):
    limit = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_a_service_that_dies_is_started_again_later_each_time(tmp_path):
    told = []
    with Supervisor(tmp_path, [Service("bad", ends(1)), Service("good", FOR_EVER)], told.append) as supervisor:
        assert supervisor.wait(lambda s: s[0].restarts >= 3, 30)
        assert [s.state for s in supervisor.statuses() if s.name == "good"] == ["running"]
    waits = [(s.delay_s, s.exit_status) for s in told if s.name == "bad" and s.state == "waiting"]
    assert waits[:3] == [(0.5, 1), (1.0, 1), (2.0, 1)]


def test_a_killed_service_is_started_again_with_its_environment_and_log(tmp_path):
    code = "import os, time; print(os.environ['WHO'], flush=True); time.sleep(120)"
    with Supervisor(tmp_path, [Service("x", [sys.executable, "-c", code], {"WHO": "me"})]) as supervisor:
        assert supervisor.wait(lambda s: s[0].process is not None, 10)
        first = supervisor.statuses()[0].process
        wait_for(lambda: "me" in (tmp_path / "logs" / "x.log").read_text())
        os.kill(first.pid, signal.SIGKILL)
        assert supervisor.wait(lambda s: s[0].restarts == 1 and s[0].process is not None, 10)
        assert supervisor.statuses()[0].process.pid != first.pid
        assert supervisor.statuses()[0].exit_status == -signal.SIGKILL
        wait_for(lambda: (tmp_path / "logs" / "x.log").read_text() == "me\nme\n")


def test_wrong_settings_are_not_tried_again(tmp_path):
    with Supervisor(tmp_path, [Service("x", ends(2))]) as supervisor:
        assert supervisor.wait(lambda s: s[0].state == "refused", 10)
        assert supervisor.statuses()[0].restarts == 0


def test_a_job_that_is_done_is_not_started_again_but_a_service_that_ends_by_itself_is(tmp_path):
    with Supervisor(tmp_path, [Service("job", ends(0), once=True), Service("service", ends(0))]) as supervisor:
        assert supervisor.wait(lambda s: s[0].state == "finished" and s[1].restarts >= 1, 10)


def test_services_are_stopped_one_after_the_other_in_the_order_given(tmp_path):
    order = tmp_path / "order"
    argv = writes_when_stopped(order)
    names = ["producer", "processor", "sink"]
    supervisor = Supervisor(tmp_path, [Service(n, argv(n)) for n in names])
    supervisor.start()
    logs = [tmp_path / "logs" / f"{n}.log" for n in names]
    wait_for(lambda: all(f.exists() and "up" in f.read_text() for f in logs))
    assert supervisor.stop() == []
    assert order.read_text().split() == names
    assert [s.state for s in supervisor.statuses()] == ["stopped"] * 3


def test_a_service_that_waits_to_be_started_again_does_not_delay_the_stop(tmp_path, monkeypatch):
    monkeypatch.setattr("deploy.local.supervisor.BACKOFF_FIRST_S", 3600.0)
    supervisor = Supervisor(tmp_path, [Service("x", ends(1))])
    supervisor.start()
    assert supervisor.wait(lambda s: s[0].delay_s == 3600.0, 60)
    began = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - began < 60


def test_other_commands_see_what_runs(tmp_path):
    with Supervisor(tmp_path, [Service("b", FOR_EVER, ports={"metrics": 9}), Service("a", FOR_EVER)]) as supervisor:
        assert supervisor.wait(lambda s: all(x.process for x in s), 10)
        assert recorded(tmp_path) == supervisor.statuses()
        assert [s.name for s in recorded(tmp_path)] == ["b", "a"]


def test_what_a_killed_supervisor_left_is_stopped_in_order(tmp_path):
    order = tmp_path / "order"
    argv = writes_when_stopped(order)
    names = ["producer", "processor", "sink"]
    code = (
        "import json, sys, time, pathlib\nfrom deploy.local.supervisor import *\n"
        "home = pathlib.Path(sys.argv[1])\nclaim(home)\n"
        "Supervisor(home, [Service(n, a) for n, a in json.loads(sys.argv[2])]).start()\ntime.sleep(120)"
    )
    services = json.dumps([(n, argv(n)) for n in names])
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), services], start_new_session=True)
    logs = [tmp_path / "logs" / f"{n}.log" for n in names]
    try:
        wait_for(lambda: all(f.exists() and "up" in f.read_text() for f in logs))
        assert supervising(tmp_path).pid == child.pid
    finally:
        child.kill()
        child.wait()
    left = [s.process for s in recorded(tmp_path)]
    assert all(processes.running(p) for p in left)
    assert stop_recorded(tmp_path) == names
    assert not any(processes.running(p) for p in left)
    assert order.read_text().split() == names
    assert recorded(tmp_path) == []
    assert supervising(tmp_path) is None


def test_a_claim_is_taken_back(tmp_path):
    assert supervising(tmp_path) is None
    claim(tmp_path)
    assert supervising(tmp_path).pid == os.getpid()
    unclaim(tmp_path)
    assert supervising(tmp_path) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "x"}'])
def test_damaged_records_of_services_are_passed_over(tmp_path, text):
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "00-x.json").write_text(text)
    assert all(s.process is None for s in recorded(tmp_path))
