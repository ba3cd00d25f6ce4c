"""Where a command finds the servers, and how it says that it does not."""

import json

import click
import pytest
from click.testing import CliRunner

from deploy.cli.main import COMMANDS, main
from deploy.cli.settings import deploy_settings
from deploy.cli.targets import Targets, artifacts_folder, home_folder, targets

FILE = {"kafka": "127.0.0.1:1", "registry": "http://127.0.0.1:2/apis/ccompat/v7", "cassandra": "127.0.0.1:3"}


def test_the_stacks_file_says_where(tmp_path):
    (tmp_path / "stack.json").write_text(json.dumps(FILE))
    assert targets(tmp_path) == Targets(**FILE)
    assert Targets(**FILE).env()["CANDLEWICK_REGISTRY"] == FILE["registry"]


def test_the_environment_wins_and_may_be_complete_by_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("CANDLEWICK_KAFKA", "far:9092")
    (tmp_path / "stack.json").write_text(json.dumps(FILE))
    assert targets(tmp_path) == Targets(**FILE | {"kafka": "far:9092"})
    monkeypatch.setenv("CANDLEWICK_REGISTRY", "http://far")
    monkeypatch.setenv("CANDLEWICK_CASSANDRA", "far:9042")
    assert targets(tmp_path / "nowhere").cassandra == "far:9042"


def test_without_either_the_error_says_what_to_do(tmp_path):
    with pytest.raises(
        click.ClickException, match="start one with `candlewick up`, or set CANDLEWICK_CASSANDRA, CANDLEWICK_KAFKA"
    ):
        targets(tmp_path)


def test_the_home_is_the_option_else_the_setting_else_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert home_folder() == tmp_path / ".candlewick"
    monkeypatch.setenv("CANDLEWICK_HOME", "other")
    assert home_folder() == tmp_path / "other"
    assert home_folder(tmp_path / "third") == tmp_path / "third"


def test_downloads_are_the_projects_unless_put_elsewhere(tmp_path, monkeypatch):
    monkeypatch.delenv("CANDLEWICK_ARTIFACTS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert artifacts_folder().parts[-2:] == (".candlewick", "artifacts")
    monkeypatch.setenv("CANDLEWICK_ARTIFACTS", str(tmp_path / "files"))
    assert artifacts_folder() == tmp_path / "files"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CANDLEWICK_PARTITIONS", "0"),
        ("CANDLEWICK_REPLICATION", "many"),
        ("CANDLEWICK_TIMEFRAMES", "5m"),
        ("CANDLEWICK_TOPIC_PREFIX", "a_b"),
        ("CANDLEWICK_PARTITONS", "4"),
    ],
)
def test_a_wrong_setting_is_named_and_ends_with_status_2(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(click.UsageError, match=name) as refused:
        deploy_settings()
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_can_be_loaded_and_explains_itself(name):
    shown = CliRunner().invoke(main, [name, "--help"])
    assert shown.exit_code == 0, shown.output
    assert len(shown.output.splitlines()) > 3


@pytest.mark.parametrize("command", ["down", "status"])
def test_where_nothing_was_ever_started_commands_say_so(command, tmp_path):
    shown = CliRunner().invoke(main, [command, "--home", str(tmp_path / "none")])
    assert shown.exit_code == (1 if command == "status" else 0)
    assert "nothing was running" in shown.output or "stopped" in shown.output
    assert not (tmp_path / "none").exists()


def test_a_run_without_a_feeds_key_is_refused_before_anything_starts(tmp_path):
    shown = CliRunner().invoke(main, ["run", "--home", str(tmp_path / "none")])
    assert shown.exit_code == 2
    assert "FINNHUB_TOKEN" in shown.output
    assert "--feeds none" in shown.output
    assert not (tmp_path / "none").exists()


def test_logs_of_an_unknown_service_name_those_there_are(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "kafka.log").write_text("".join(f"line {n}\n" for n in range(100)))
    shown = CliRunner().invoke(main, ["logs", "nothing", "--home", str(tmp_path)])
    assert shown.exit_code == 1
    assert "there are: kafka" in shown.output
    shown = CliRunner().invoke(main, ["logs", "kafka", "-n", "2", "--home", str(tmp_path)])
    assert shown.output == "line 98\nline 99\n"
