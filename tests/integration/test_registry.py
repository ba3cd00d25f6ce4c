"""The contract's commands and the registry client against a real registry and a real broker."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from deploy.cli import subjects, topics
from schemas.avro import schema_of, schema_text
from schemas.records import Candle, Trade
from schemas.registry import COMPATIBILITY, Registry, RegistryError
from schemas.timeframes import parse_list
from schemas.topics import CHANGELOG_CONFIG, LEASES, TRADES, catalogue, changelog_name
from schemas.wire import WireError

pytestmark = pytest.mark.integration

PROJECT = Path(__file__).parents[2]
FRAMES = parse_list("1m,5m")


@pytest.fixture(scope="module")
def registry(stack):
    return Registry(stack.registry)


@pytest.fixture
def prefix(request, stack):
    name = f"c{os.getpid()}{abs(hash(request.node.nodeid)) % 10_000}"
    yield name
    topics.delete(stack.kafka, [t.topic for t in topics.wanted_topics(name, FRAMES, 1, 1)])


@pytest.fixture
def command(stack, prefix, tmp_path):
    """Runs `candlewick ARGUMENTS` with the code of a folder (the project's) and settings; returns the finished process."""

    def run(*arguments, code=PROJECT, **settings):
        env = {name: value for name, value in os.environ.items() if not name.startswith("CANDLEWICK_")}
        env |= {f"CANDLEWICK_{name.upper()}": getattr(stack, name) for name in ("kafka", "registry", "cassandra")}
        env |= {"CANDLEWICK_TOPIC_PREFIX": prefix, "CANDLEWICK_TIMEFRAMES": "1m,5m", **settings}
        argv = [sys.executable, "-c", "from deploy.cli.main import main; main()", *arguments]
        return subprocess.run(argv, env=env, cwd=code, capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.fixture
def changed_code(tmp_path):
    """A copy of the project whose trade.avsc a test may spoil."""
    for package in ("schemas", "deploy", "producer", "processor", "sink"):
        shutil.copytree(PROJECT / package, tmp_path / "code" / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "code"


def spoil(code, change, file="trade"):
    path = code / "schemas" / f"{file}.avsc"
    schema = json.loads(path.read_text(encoding="utf-8"))
    change(schema, {f["name"]: f for f in schema["fields"]})
    path.write_text(json.dumps(schema), encoding="utf-8")


def test_services_look_up_what_the_deploy_step_registered(registry, prefix):
    subject = TRADES.subject(prefix)
    with pytest.raises(RegistryError, match="not registered"):
        registry.lookup(subject, schema_text(Trade))
    schema_id = registry.register(subject, schema_text(Trade))
    assert registry.register(subject, schema_text(Trade)) == schema_id
    assert registry.lookup(subject, schema_text(Trade)) == schema_id
    assert registry.schema_by_id(schema_id) == schema_of(Trade)
    assert Registry(registry._url).schema_by_id(schema_id) == schema_of(Trade)


def test_one_schema_has_one_id_whatever_its_subject(registry, prefix):
    ids = subjects.apply(registry, prefix, FRAMES).ids
    candles = {ids[t.subject(prefix)] for t in catalogue(FRAMES) if t.record is Candle}
    assert len(candles) == 1


@pytest.mark.parametrize("schema_id", [0, 999_999, 2**31 - 1, 2**32 - 1])
def test_an_id_that_was_never_given_is_unknown(registry, schema_id):
    with pytest.raises(WireError) as refused:
        registry.schema_by_id(schema_id)
    assert refused.value.reason == "unknown_schema"


def test_applying_schemas_sets_the_rule_and_is_idempotent(registry, prefix, command):
    first = json.loads(command("schemas", "apply", "--json").stdout)
    again = json.loads(command("schemas", "apply", "--json").stdout)
    assert sorted(first["new_versions"]) == sorted(first["ids"]) == sorted(subjects.subjects(prefix, FRAMES))
    assert again == {"ids": first["ids"], "new_versions": []}
    assert {registry.compatibility(s) for s in first["ids"]} == {COMPATIBILITY}
    assert command("schemas", "check").returncode == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _, f: f["price"].update(type="string"), "field price changed its type from double to string"),
        (lambda s, _: s["fields"].append({"name": "fee", "type": "double", "doc": "x"}), "field fee is new and has no default"),
        (lambda _, f: f["size"].update(name="quantity"), "field size is gone"),
        (lambda _, f: f["price"].pop("doc"), "field price has no doc"),
        (lambda _, f: f["price"].update(type="decimal"), "not a valid Avro schema"),
    ],
    ids=["retyped", "no default", "renamed", "undocumented", "invalid"],
)
def test_a_change_that_breaks_readers_fails_the_check_and_names_the_field(command, changed_code, change, said):
    assert command("schemas", "apply").returncode == 0
    spoil(changed_code, change)
    checked = command("schemas", "check", code=changed_code)
    assert checked.returncode == 1
    assert f"trade.avsc: {said}" in checked.stderr


def test_an_incompatible_schema_is_not_registered_and_a_compatible_one_is(command, changed_code, registry, prefix):
    command("schemas", "apply")
    spoil(changed_code, lambda _, f: f["price"].update(type="string"))
    refused = command("schemas", "apply", code=changed_code)
    assert refused.returncode == 1
    assert "field price changed its type" in refused.stderr
    spoil(changed_code, lambda _, f: f["price"].update(type="double"))
    spoil(changed_code, lambda s, _: s["fields"].append({"name": "fee", "type": "double", "default": 0.0, "doc": "x"}))
    assert command("schemas", "check", code=changed_code).returncode == 0
    assert command("schemas", "apply", code=changed_code).returncode == 0
    assert registry.versions(TRADES.subject(prefix)) == [1, 2]
    assert registry.lookup(TRADES.subject(prefix), schema_text(Trade))  # services of before still start


def test_topics_are_created_as_the_catalogue_says_and_nothing_happens_the_second_time(stack, prefix, command):
    created = json.loads(command("topics", "apply", "--json", CANDLEWICK_PARTITIONS="3").stdout)
    wanted = {t.name(prefix): t.config for t in catalogue(FRAMES)} | {changelog_name(prefix): CHANGELOG_CONFIG}
    assert sorted(created["created"]) == sorted([*wanted, LEASES.name(prefix)])
    admin = AdminClient({"bootstrap.servers": stack.kafka})
    known = admin.list_topics(timeout=60).topics
    assert all(len(known[name].partitions) == 3 for name in wanted)
    assert len(known[LEASES.name(prefix)].partitions) == 1
    for name, config in wanted.items():
        resource = ConfigResource(ResourceType.TOPIC, name)
        entries = admin.describe_configs([resource])[resource].result()
        assert {key: entries[key].value for key in config} == config
    again = json.loads(command("topics", "apply", "--json", CANDLEWICK_PARTITIONS="3").stdout)
    assert again == {"created": [], "present": created["created"], "differs": {}}


def test_every_partition_of_a_new_topic_answers_at_once(stack, prefix):
    # Asked by a client without any patience of its own, unlike a producer, which tries again unseen.
    wanted = topics.wanted_topics(prefix, FRAMES, 8, 1)
    topics.apply(stack.kafka, wanted)
    reader = Consumer({"bootstrap.servers": stack.kafka, "group.id": "tests-unused"})
    try:
        for topic in wanted:
            for partition in range(topic.num_partitions):
                assert reader.get_watermark_offsets(TopicPartition(topic.topic, partition), timeout=60) == (0, 0)
    finally:
        reader.close()


def test_what_differs_is_named_and_left_alone(stack, prefix, command):
    command("topics", "apply", CANDLEWICK_PARTITIONS="2")
    shown = command("topics", "apply", CANDLEWICK_PARTITIONS="1")
    assert shown.returncode == 0
    assert f"differs {TRADES.name(prefix)}: partitions is 2, wanted 1 (left as it is)" in shown.stdout
    known = AdminClient({"bootstrap.servers": stack.kafka}).list_topics(timeout=60).topics
    assert len(known[TRADES.name(prefix)].partitions) == 2


@pytest.mark.parametrize("arguments", [("topics", "apply"), ("schemas", "apply"), ("schemas", "check")])
def test_servers_that_do_not_answer_are_named_in_one_line(command, arguments):
    nowhere = {"CANDLEWICK_KAFKA": "127.0.0.1:1", "CANDLEWICK_REGISTRY": "http://127.0.0.1:1"}
    shown = command(*arguments, **nowhere)
    assert shown.returncode == 1
    assert "127.0.0.1:1" in shown.stderr
    assert "Traceback" not in shown.stderr
