"""The alerts: their own unit tests hold, their metrics exist in the services, and each has its place in the runbook."""

import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

import prometheus_client
import pytest

import processor.telemetry  # registers its metrics
from deploy.prometheus.__main__ import RESOURCE, resource
from producer.telemetry import Counts, serve
from sink.telemetry import Telemetry

DEPLOY = Path(__file__).parents[3] / "deploy"
RULES = (DEPLOY / "prometheus" / "alerts.yml").read_text()
CASES = (DEPLOY / "prometheus" / "alerts_test.yml").read_text()
RUNBOOK = (DEPLOY / "RUNBOOK.md").read_text()
ALERTS = re.findall(r"- alert: (\w+)", RULES)


def told_by_the_producer():
    counts = Counts()
    counts.last_frame_us = 1
    with serve("127.0.0.1", 0, "x", counts, dict, lambda: False) as server:
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}/metrics"
            return urllib.request.urlopen(url, timeout=60).read().decode()
        finally:
            server.shutdown()


def told_by(registry):
    return prometheus_client.generate_latest(registry).decode()


@pytest.fixture(scope="module")
def names():
    """Every sample name that the three services can export."""
    assert processor.telemetry.PARTITIONS
    texts = [told_by_the_producer(), told_by(prometheus_client.REGISTRY), told_by(Telemetry().registry)]
    kinds = dict(line.split()[2:4] for text in texts for line in text.splitlines() if line.startswith("# TYPE"))
    histograms = {name for name, kind in kinds.items() if kind == "histogram"}
    return {*kinds, *(f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count"))}


def test_every_metric_of_the_rules_is_exported(names):
    spelled_out = RULES.replace("candlewick_(processor|sink)_dead_letters_total", "candlewick_processor_dead_letters_total")
    used = set(re.findall(r"\b(?:candlewick_[a-z0-9_]+|process_[a-z_]+)", spelled_out))
    assert len(used) > 15
    assert used - names == set()


def test_every_alert_has_an_entry_in_the_runbook_and_every_entry_an_alert():
    assert re.findall(r"runbook_url: deploy/RUNBOOK\.md#(\w+)", RULES) == [name.lower() for name in ALERTS]
    headings = re.findall(r"^### (\w+)$", RUNBOOK, re.MULTILINE)
    assert sorted(headings) == sorted(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_a_runbook_entry_says_symptom_meaning_and_what_to_do(name):
    entry = RUNBOOK.split(f"### {name}\n")[1].split("\n##")[0]
    assert all(f"**{word}.**" in entry for word in ("Symptom", "Meaning", "Do"))


def test_log_lines_that_the_runbook_names_are_written_by_a_service():
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)`", RUNBOOK))
    services = [
        path.read_text() for name in ("producer", "processor", "sink", "schemas") for path in (DEPLOY.parent / name).rglob("*.py")
    ]
    assert named
    assert {event for event in named if not any(f'"{event}"' in text for text in services)} == set()


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_has_a_case_in_which_it_fires(name):
    assert re.search(rf"alertname: {name}\n\s+exp_alerts:\n\s+- exp_labels", CASES)


def test_the_rules_do_in_prometheus_what_their_cases_say():
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not here (Debian: apt-get install prometheus): the alerts' cases were not run")
    for command in (
        ["check", "rules", "alerts.yml"],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "alerts_test.yml"],
    ):
        done = subprocess.run(
            [tool, *command], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_operators_rules_are_the_same():
    assert RESOURCE.read_text(encoding="utf-8") == resource(), "run: python -m deploy.prometheus"
