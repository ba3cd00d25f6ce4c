"""The deploy step reaches a Kafka that asks for more than an address."""

from click.testing import CliRunner

from deploy.cli.main import main

NOWHERE = {"CANDLEWICK_KAFKA": "127.0.0.1:1", "CANDLEWICK_REGISTRY": "http://127.0.0.1:1", "CANDLEWICK_CASSANDRA": "127.0.0.1:1"}


def test_kafkas_options_reach_its_client_and_a_wrong_one_is_named():
    env = {**NOWHERE, "CANDLEWICK_KAFKA_OPTIONS": '{"no.such.option": "1"}'}
    done = CliRunner().invoke(main, ["topics", "apply"], env=env)
    assert done.exit_code == 1
    assert "no.such.option" in done.output


def test_options_that_are_no_json_object_are_refused_without_being_shown():
    env = {**NOWHERE, "CANDLEWICK_KAFKA_OPTIONS": '{"sasl.password": "marker-7f3a"'}
    done = CliRunner().invoke(main, ["topics", "apply"], env=env)
    assert done.exit_code == 2
    assert "marker-7f3a" not in done.output
    assert "kafka_options" in done.output
