"""The servers listen on loopback alone, are small, and can be recognised."""

import re
from pathlib import Path

import pytest

import deploy.local
from deploy.local.servers import DEFAULT_PORTS, Node, Place, kafka, marker, servers

HOME = Path("/somewhere/a home")
TEMPLATES = Path(deploy.local.__file__).parent
PORTS = {name: 20_000 + n for n, name in enumerate(DEFAULT_PORTS)}


def place(name):
    return Place("java", HOME, Path("/jars") / name, HOME / "config" / name, HOME / "data" / name, PORTS)


ALL = {s.name: s for s in servers(place, TEMPLATES, "4L6g3nShT-eMCtK--X86sw")}


def said(server):
    return "\n".join([*server.argv, *server.files.values()])


@pytest.mark.parametrize("server", ALL.values(), ids=ALL)
def test_every_port_is_of_this_home_and_no_address_is_other_than_loopback(server):
    text = said(server)
    assert all(str(PORTS[name]) in text for name in server.ports)
    assert not re.search(r"0\.0\.0\.0|\[::\]|localhost", text)
    assert set(re.findall(r"\d+\.\d+\.\d+\.\d+", text)) <= {"127.0.0.1"}


@pytest.mark.parametrize("server", ALL.values(), ids=ALL)
def test_every_process_can_be_found_by_its_home_and_has_a_limit_of_memory(server):
    assert marker(HOME) in server.argv
    assert sum(arg.startswith("-Xmx") for arg in server.argv) == 1


@pytest.mark.parametrize("server", ALL.values(), ids=ALL)
def test_nothing_is_written_outside_the_home(server):
    assert f"-Djava.io.tmpdir={HOME / 'data' / server.name / 'temp'}" in server.argv
    assert all(HOME in file.parents for file in server.files)


@pytest.mark.parametrize("server", ALL.values(), ids=ALL)
def test_templates_are_filled_completely(server):
    config = [text for file, text in server.files.items() if file.suffix in (".properties",) or file.name == "cassandra.yaml"]
    assert not any("$" in text for text in config)


def test_formatting_is_harmless_to_repeat():
    assert "--ignore-formatted" in ALL["kafka"].before
    assert ALL["cassandra"].before == ALL["registry"].before == ()


def test_kafka_makes_no_topic_by_itself():
    assert "auto.create.topics.enable=false" in said(ALL["kafka"])


CONTROLLERS = {n: 21_000 + n for n in (1, 2, 3)}


def node(number):
    config, data = HOME / "config" / f"kafka-{number}", HOME / "data" / f"kafka-{number}"
    ports = {"kafka-2": 20_002, "controller-2": CONTROLLERS[2]}
    return kafka(Place("java", HOME, Path("/jars"), config, data, ports), TEMPLATES, "id", Node(number, CONTROLLERS))


def test_a_node_of_three_knows_all_controllers_and_keeps_what_groups_commit_three_times():
    lines = node(2).files[HOME / "config" / "kafka-2" / "kafka.properties"].splitlines()
    assert "node.id=2" in lines
    assert "controller.quorum.voters=1@127.0.0.1:21001,2@127.0.0.1:21002,3@127.0.0.1:21003" in lines
    assert "listeners=PLAINTEXT://127.0.0.1:20002,CONTROLLER://127.0.0.1:21002" in lines
    assert {"offsets.topic.replication.factor=3", "min.insync.replicas=2"} <= set(lines)
    assert node(2).ports == ("kafka-2", "controller-2")
    assert node(2).kind == "kafka"


def test_a_broker_alone_keeps_everything_once():
    assert {"offsets.topic.replication.factor=1", "min.insync.replicas=1"} <= set(said(ALL["kafka"]).splitlines())
