"""`candlewick dead-letters` against a real Kafka: what is shown, what is sent again, and what is not."""

import json
import subprocess

import pytest
from confluent_kafka import Producer

from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import Trade
from schemas.registry import Registry
from schemas.timeframes import SECOND
from schemas.topics import DEAD_LETTERS, TRADES
from tests.support import published
from tests.support.services import Service, wait_until
from tests.support.stack import candlewick

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

KEY = b"dead:X"
PARTITION = 3
"""Not where the key's hash leads (2 of 4): what is sent again must go where it was, not where a client would put it."""


@pytest.fixture(scope="module")
def corner(stack):
    with published.corner(stack) as made:
        yield made


@pytest.fixture(scope="module")
def a_trade(corner):
    encode = Encoder(Trade, Registry(corner.registry).lookup(TRADES.subject(corner.prefix), schema_text(Trade)))
    return lambda n: encode(Trade("dead", "X", n * SECOND, n * SECOND, 10.0, 1.0, trade_id=str(n), epoch=1, sequence=n))


def write(corner, topic, value, partition, headers=None):
    delivered = []
    producer = Producer({"bootstrap.servers": corner.kafka})
    producer.produce(
        topic.name(corner.prefix), value, KEY, partition, headers=headers, on_delivery=lambda e, m: delivered.append((e, m))
    )
    assert producer.flush(20) == 0
    ((error, message),) = delivered
    assert error is None
    return f"{message.partition()}:{message.offset()}"


def a_letter(corner, value, reason, offset):
    headers = {
        "reason": reason,
        "service": "processor 1.0",
        "__connect.errors.topic": TRADES.name(corner.prefix),
        "__connect.errors.partition": str(PARTITION),
        "__connect.errors.offset": str(offset),
        "__connect.errors.exception.message": "told by a test",
    }
    return write(corner, DEAD_LETTERS, value, 0, headers)


def dead_letters(corner, *arguments, status=0):
    command = candlewick("dead-letters", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=corner.env, check=False)
    assert done.returncode == status, done.stderr + done.stdout
    return done.stdout + done.stderr


def test_a_curable_letter_goes_back_with_its_own_bytes_key_and_partition(corner, a_trade):
    name = a_letter(corner, a_trade(1), "unknown_schema", 100)
    assert '"price": 10.0' in dead_letters(corner, "show", name)
    assert published.messages(corner, TRADES) == []

    assert f"would send {name}" in dead_letters(corner, "replay", name, "--dry-run")
    assert published.messages(corner, TRADES) == []

    assert f"sent {name}" in dead_letters(corner, "replay", "--all", "--reason", "unknown_schema")
    (back,) = published.messages(corner, TRADES)
    assert (back.key(), back.value(), back.partition()) == (KEY, a_trade(1), PARTITION)
    assert back.headers() == [("replayed_from", f"{TRADES.name(corner.prefix)} {PARTITION}:100".encode())]

    # A trade that came twice would count twice, and nothing but its header says that this one has.
    again = a_letter(corner, a_trade(1), "unknown_schema", 100)  # as a service writes it that crashed before it committed
    assert "sent again before" in dead_letters(corner, "replay", again, status=1)
    assert published.count(corner, TRADES) == 1


def test_the_list_can_be_filtered_and_read_by_programs(corner, a_trade):
    name = a_letter(corner, a_trade(2), "bad_price", 200)
    lines = dead_letters(corner, "list", "--reason", "bad_price", "--json").splitlines()
    (found,) = map(json.loads, lines)
    assert (found["letter"], found["key"], found["detail"]) == (name, KEY.decode(), "told by a test")
    assert "at fault" in found["replay"]
    assert "1 bad_price from" in dead_letters(corner, "list")
    assert "0 dead letters" in dead_letters(corner, "list", "--topic", "nobody's")


def test_a_letter_that_is_not_there_is_named(corner):
    assert "no dead letter 9:9" in dead_letters(corner, "show", "9:9", status=1)


def test_what_the_processor_refuses_twice_does_not_go_round_for_ever(corner, a_trade, tmp_path):
    def refused():
        found = [json.loads(line) for line in dead_letters(corner, "list", "--reason", "undecodable", "--json").splitlines()]
        return [letter["letter"] for letter in found]

    write(corner, TRADES, a_trade(3)[:-4], PARTITION)
    processor = Service("processor", corner.env, tmp_path).start()
    try:
        before = published.count(corner, DEAD_LETTERS)
        wait_until(lambda: published.count(corner, DEAD_LETTERS) > before, 60, "the dead letter")
        (first,) = refused()
        assert "its own bytes are at fault" in dead_letters(corner, "replay", first, status=1)

        assert f"sent {first}" in dead_letters(corner, "replay", first, "--force")
        wait_until(lambda: published.count(corner, DEAD_LETTERS) > before + 1, 60, "the dead letter's return")
        _, second = refused()
        assert "refused again" in dead_letters(corner, "replay", second, status=1)
        assert "another letter" in dead_letters(corner, "replay", first, "--force", status=1)
    finally:
        processor.discard()
