"""A frame that is followed ends when Kafka has every record of it, and says where they are."""

from types import SimpleNamespace

import pytest

from producer.errors import RemoteError
from producer.inflight import Progress
from producer.intake import Intake
from producer.telemetry import Counts
from producer.tracing import Frames
from schemas.tracing import COUNT, OFFSETS
from tests.support.feeding import a_trade
from tests.support.spans import Spans


class Kafka:
    """Stands where the publisher does: takes records, and acknowledges the oldest of a partition when told to."""

    partitions = 2

    def __init__(self):
        self.ends = {0: 100, 1: 200}
        self.waiting = []
        self.letters = 0

    def partition_of(self, symbol):
        return int(symbol == "B")

    def send(self, record, stored=None):
        self.waiting.append((self.partition_of(record.symbol), stored))

    def dead_letter(self, value, error, origin):
        self.letters += 1

    def progress(self, partition):
        return Progress(self.ends[partition], 0, 0, None)

    def acknowledge(self):
        partition, stored = self.waiting.pop(0)
        self.ends[partition] += 1
        if stored is not None:
            stored()


@pytest.fixture
def spans():
    return Spans()


def intake(kafka, spans, events):
    def receive(payload, receive_us):
        if isinstance(events, Exception):
            raise events
        return events

    source = SimpleNamespace(name="sim", receive=receive)
    return Intake(source, 1, kafka, Counts(), str, Frames(spans.tracing, "sim", "md", kafka))


def test_a_frame_ends_with_the_last_acknowledgement_and_names_the_offsets(spans):
    kafka = Kafka()
    intake(kafka, spans, [a_trade(n, n, symbol) for n, symbol in enumerate("AAB")]).frame(b"12345", 7)
    kafka.acknowledge()
    kafka.acknowledge()
    assert spans.ended() == ["parse", "publish"]
    kafka.acknowledge()
    assert spans.ended() == ["parse", "publish", "acknowledge", "producer.frame"]
    assert spans.facts() == [
        {
            "messaging.system": "kafka",
            "candlewick.source": "sim",
            "candlewick.frame_bytes": 5,
            COUNT: 3,
            OFFSETS: ("md.trades.v1/0/100-101", "md.trades.v1/1/200-200"),
        }
    ]


def test_a_frame_without_records_is_done_at_once(spans):
    intake(Kafka(), spans, []).frame(b"{}", 7)
    assert spans.ended()[-1] == "producer.frame"
    assert spans.facts()[0][COUNT] == 0


def test_a_frame_that_is_no_frame_is_told_as_such(spans):
    kafka = Kafka()
    intake(kafka, spans, RemoteError("damaged", "no JSON")).frame(b"?", 7)
    assert kafka.letters == 1
    assert spans.ended() == ["parse", "producer.frame: refused: it is a dead letter"]
