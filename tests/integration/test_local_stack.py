"""`candlewick up|down|status|reset|run` as a user types them: two homes at once, busy ports, kills, and nothing left behind.

Every start of three servers takes seconds, so the tests share two homes; each brings about the state it needs itself.
"""

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient

from deploy.cassandra.connect import connected
from deploy.cli import topics
from deploy.local import processes
from deploy.local.servers import marker
from schemas.registry import Registry
from tests.support.services import environment, wait_until
from tests.support.stack import candlewick, download

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SCHEMA = '{"type": "record", "name": "Kept", "fields": []}'
SERVERS = ["kafka", "registry", "cassandra"]


def run(*arguments, check=True, **settings):
    done = subprocess.run(
        candlewick(*arguments), env=environment(settings), capture_output=True, text=True, timeout=300, check=False
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def status(home):
    shown = json.loads(run("status", "--json", "--home", str(home), check=False).stdout)["processes"]
    return {p["name"]: p for p in shown}


def pids(home):
    return {name: p["pid"] for name, p in status(home).items()}


def addresses(home):
    return json.loads((home / "stack.json").read_text())


def remember(home):
    """Put something into each of the three servers."""
    where = addresses(home)
    topics.apply(where["kafka"], [topics.NewTopic("kept", num_partitions=1, replication_factor=1, config={})])
    Registry(where["registry"]).register("kept-value", SCHEMA)
    with connected(where["cassandra"]) as session:
        session.execute(
            "CREATE KEYSPACE IF NOT EXISTS kept WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
        session.execute("CREATE TABLE IF NOT EXISTS kept.rows (k int PRIMARY KEY, v text)")
        session.execute("INSERT INTO kept.rows (k, v) VALUES (1, 'here')")


def remembered(home):
    """What of it is there: (topic, schema, row)."""
    where = addresses(home)
    topic = "kept" in AdminClient({"bootstrap.servers": where["kafka"]}).list_topics(timeout=60).topics
    schema = bool(Registry(where["registry"]).versions("kept-value"))
    with connected(where["cassandra"]) as session:
        keyspaces = {r.keyspace_name for r in session.execute("SELECT keyspace_name FROM system_schema.keyspaces")}
        row = "kept" in keyspaces and [r.v for r in session.execute("SELECT v FROM kept.rows")] == ["here"]
    return topic, schema, row


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    download()
    folder = tmp_path_factory.mktemp("home one")  # with a space: users' folders have them
    yield folder
    run("down", "--home", str(folder), check=False)


@pytest.fixture(scope="module")
def other_home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    yield folder
    run("down", "--home", str(folder), check=False)


def test_a_start_that_is_killed_half_way_heals_with_the_next(home):
    run("down", "--home", str(home))
    first = subprocess.Popen(candlewick("up", "--home", str(home)), env=environment({}), stderr=subprocess.DEVNULL)
    wait_until(lambda: processes.strays(marker(home), []), 60, "a server process")
    first.send_signal(signal.SIGKILL)
    first.wait(60)
    assert not (home / "stack.json").exists()
    run("up", "--home", str(home))
    assert [p["state"] for p in status(home).values()] == ["running"] * 3
    assert len(processes.strays(marker(home), [])) == 3
    assert remembered(home) is not None


def test_a_second_up_leaves_alone_what_runs(home):
    run("up", "--home", str(home))
    before = pids(home)
    again = run("up", "--home", str(home))
    assert again.stderr.count("was running") == 3
    assert pids(home) == before


def test_all_listen_on_loopback_alone_and_take_less_than_3_gb(home):
    run("up", "--home", str(home))
    rows = status(home)
    for row in rows.values():
        listening = [c for c in psutil.Process(row["pid"]).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert {c.laddr.port for c in listening} >= set(row["ports"].values())
        assert {c.laddr.ip.removeprefix("::ffff:") for c in listening} == {"127.0.0.1"}
    assert sum(row["memory_mb"] for row in rows.values()) < 3000


def test_a_second_home_is_a_second_stack_on_other_ports(home, other_home):
    run("up", "--home", str(home))
    remember(home)
    started = run("up", "--home", str(other_home))
    assert "is busy; using" in started.stderr
    assert not set(addresses(home).values()) & set(addresses(other_home).values())
    assert remembered(home) == (True, True, True)
    assert remembered(other_home) == (False, False, False)
    stopped = run("down", "--home", str(other_home))
    assert all(name in stopped.stdout for name in SERVERS)
    assert processes.strays(marker(other_home), []) == []
    assert [p["state"] for p in status(home).values()] == ["running"] * 3
    run("reset", "--yes", "--home", str(other_home))
    assert not (other_home / "data").exists()


def test_one_server_that_died_is_started_again_alone(home):
    run("up", "--home", str(home))
    before = pids(home)
    os.kill(before["kafka"], signal.SIGKILL)
    wait_until(lambda: status(home)["kafka"]["state"] == "stopped", 20, "the end of the broker")
    assert run("status", "--home", str(home), check=False).returncode == 1
    run("up", "--home", str(home))
    after = pids(home)
    assert after["kafka"] != before["kafka"]
    assert {**after, "kafka": 0} == {**before, "kafka": 0}


def test_data_survive_a_kill_of_all_servers(home):
    run("up", "--home", str(home))
    remember(home)
    for pid in pids(home).values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all(p["state"] == "stopped" for p in status(home).values()), 20, "the end of all")
    run("up", "--home", str(home))
    assert remembered(home) == (True, True, True)


def test_down_leaves_no_process_and_says_so_the_second_time(home):
    run("up", "--home", str(home))
    before = pids(home)
    run("down", "--home", str(home))
    assert processes.strays(marker(home), []) == []
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in before.values())
    assert not (home / "stack.json").exists()
    assert "nothing was running" in run("down", "--home", str(home)).stdout


def test_a_pid_that_another_process_has_by_now_is_not_touched(home):
    run("down", "--home", str(home))
    (home / "run").mkdir(exist_ok=True)
    stale = {"name": "kafka", "pid": os.getpid(), "started": psutil.Process().create_time() - 100, "ports": {"kafka": 9092}}
    (home / "run" / "kafka.json").write_text(json.dumps(stale))
    assert status(home)["kafka"]["state"] == "stopped"
    assert "nothing was running" in run("down", "--home", str(home)).stdout


def test_services_run_detached_are_kept_running_shown_and_stopped_and_data_survive_an_orderly_end(home):
    if not (home / "data").exists():  # alone: else the tests before have brought it about
        run("up", "--home", str(home))
        remember(home)
        run("down", "--home", str(home))
    run("run", "--feeds", "none", "--detach", "--home", str(home))
    rows = status(home)
    assert list(rows) == [*SERVERS, "processor", "sink"]
    assert {p["state"] for p in rows.values()} == {"running"}
    assert remembered(home) == (True, True, True)
    assert sum(p["memory_mb"] for p in rows.values()) < 3000
    assert "run already" in run("run", "--feeds", "none", "--home", str(home), check=False).stderr
    os.kill(rows["sink"]["pid"], signal.SIGKILL)
    wait_until(lambda: status(home)["sink"]["restarts"] == 1 and status(home)["sink"]["pid"], 30, "the sink's restart")
    assert "sink.started" in run("logs", "sink", "--home", str(home)).stdout
    left = pids(home).values()
    stopped = run("down", "--home", str(home)).stdout
    assert all(name in stopped for name in (*SERVERS, "processor", "sink"))
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in left)
    assert not list(Path(home / "services").glob("*"))
