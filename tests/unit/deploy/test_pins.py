"""What is downloaded is pinned by checksum, and is not the mixture that went wrong once."""

from pathlib import PurePosixPath

from deploy.local.artifacts import PINS_FILE, pinned
from deploy.local.pins import CASSANDRA, KAFKA, REGISTRY, Pin, parse, render

PINS = pinned()


def names(server):
    return {p.filename for p in PINS[server]}


def test_kafkas_clients_are_of_its_own_release():
    assert {"kafka_2.13-4.4.0.jar", "kafka-clients-4.4.0.jar", "slf4j-api-1.7.36.jar", "log4j-slf4j-impl-2.25.5.jar"} <= names(
        KAFKA
    )


def test_cassandra_has_its_agent_and_the_registry_is_one_archive():
    assert {"cassandra-all-5.0.8.jar", "jamm-0.4.0.jar"} <= names(CASSANDRA)
    assert names(REGISTRY) == {"apicurio-registry-app-3.3.3-all.tar.gz"}


def test_every_file_has_a_checksum_and_a_size():
    files = [p for pins in PINS.values() for p in pins]
    assert all(len(bytes.fromhex(p.sha256)) == 32 and p.size > 0 for p in files)
    for pins in PINS.values():
        assert len({p.filename for p in pins}) == len(pins)


def test_a_pin_knows_where_a_repository_keeps_it():
    pin = Pin("io.netty:netty-all:4.1::jar", "", 0)
    assert pin.path == PurePosixPath("io/netty/netty-all/4.1/netty-all-4.1.jar")
    assert Pin("a.b:c:1:all:tar.gz", "", 0).filename == "c-1-all.tar.gz"


def test_the_file_of_pins_is_as_written_by_the_program():
    text = PINS_FILE.read_text(encoding="utf-8")
    assert render(parse(text)) == text
    assert "://" not in text
