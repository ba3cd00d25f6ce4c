"""Law 11 (totality): bytes that are no trade become dead letters with a reason; their neighbours become candles."""

import math
import time
from collections import Counter
from dataclasses import replace

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from processor.draft import KEPT_BYTES
from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import FeedStatus, Served, Trade
from schemas.registry import Registry
from schemas.timeframes import MINUTE, SECOND
from schemas.topics import DEAD_LETTERS, FEED_STATUS, TRADES
from schemas.wire import header
from tests.support.recording import Key
from tests.support.services import Service, read_candles, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SOURCE, SYMBOL = "bad", "X"
KEY = f"{SOURCE}:{SYMBOL}".encode()
UNKNOWN_ID = 987_654_321
GOOD = 30


@pytest.fixture(scope="module")
def settings(make_space):
    return make_space({}).env


@pytest.fixture(scope="module")
def services(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("services")
    running = [Service(name, settings, folder).start() for name in ("processor", "sink")]
    yield running
    for service in running:
        service.discard()


class Topics:
    """Writes to the topics as a producer does, and reads the dead letters."""

    def __init__(self, settings):
        self._prefix = settings["CANDLEWICK_TOPIC_PREFIX"]
        self._kafka = settings["CANDLEWICK_KAFKA"]
        self._producer = Producer(
            {
                "bootstrap.servers": self._kafka,
                "partitioner": "murmur2_random",
                "linger.ms": 100,
                "compression.type": "zstd",
                "message.max.bytes": 4_000_000,
            }
        )
        registry = Registry(settings["CANDLEWICK_REGISTRY"])
        self.trade = Encoder(Trade, registry.lookup(TRADES.subject(self._prefix), schema_text(Trade)))
        self._status = Encoder(FeedStatus, registry.lookup(FEED_STATUS.subject(self._prefix), schema_text(FeedStatus)))

    def write_trades(self, values):
        """Write framed values in order, as one batch; return their partition and the offset after the last."""
        delivered = []
        for value in values:
            self._producer.produce(TRADES.name(self._prefix), value, KEY, on_delivery=lambda e, m: delivered.append((e, m)))
        assert self._producer.flush(20) == 0
        assert [error for error, _ in delivered if error] == []
        (partition,) = {message.partition() for _, message in delivered}
        return partition, max(message.offset() for _, message in delivered) + 1

    def write_status(self, status, partition):
        """Write a status to one partition."""
        self._producer.produce(FEED_STATUS.name(self._prefix), self._status(status), SOURCE.encode(), partition)
        assert self._producer.flush(20) == 0

    def read_dead_letters(self, count):
        """Return the first `count` dead letters as (value, key, headers), waiting for them."""
        consumer = Consumer({"bootstrap.servers": self._kafka, "group.id": "reader", "enable.auto.commit": False})
        topic = DEAD_LETTERS.name(self._prefix)
        partitions = consumer.list_topics(topic, timeout=60).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        found = []
        try:
            wait_until(lambda: found.extend(consumer.consume(100, 0.2)) or len(found) >= count, 60, f"{count} dead letters")
        finally:
            consumer.close()
        return [(m.value(), m.key(), {k: v.decode(errors="replace") for k, v in m.headers()}) for m in found]


def a_trade(minute_us, number, price=10.0, size=1.0):
    at = minute_us + number * SECOND
    return Trade(
        SOURCE, SYMBOL, at, at + 1000, price, size, trade_id=str(minute_us // MINUTE * 100 + number), epoch=1, sequence=number
    )


def a_status(minute_us, end_offset):
    """Say that the feed was good since before the minute and that all of the minute has been delivered."""
    clock = minute_us + MINUTE + 5 * SECOND
    return FeedStatus(
        SOURCE,
        "live",
        epoch=1,
        since=minute_us - MINUTE,
        sent_at=clock,
        good_from=minute_us - MINUTE,
        good_until=clock,
        complete_to=clock,
        trades_offset=end_offset,
        symbols=(Served(SYMBOL, "trades", minute_us - MINUTE),),
    )


def test_law_11_bad_input_becomes_dead_letters_and_the_neighbours_candles(settings, services):
    topics = Topics(settings)
    this_minute = time.time_ns() // 1000 // MINUTE * MINUTE
    first, second = this_minute - 2 * MINUTE, this_minute - MINUTE
    good = [topics.trade(a_trade(first, number, price=10 + number)) for number in range(GOOD)]
    schema_id = int.from_bytes(good[0][1:5], "big")
    bad = [
        (good[3][:-4], "undecodable"),  # cut short
        (header(schema_id) + b"\xff" * 12, "undecodable"),
        (header(schema_id), "undecodable"),
        (good[4] + b"\x00", "trailing_bytes"),
        (header(UNKNOWN_ID) + good[5][5:], "unknown_schema"),
        (b"\x07" + good[6][1:], "wrong_magic"),
        (b"\x00\x00", "too_short"),
        (topics.trade(a_trade(first, 40, price=math.nan)), "bad_price"),
        (topics.trade(a_trade(first, 41, price=-1.0)), "bad_price"),
        (topics.trade(a_trade(first, 42, price=0.0)), "bad_price"),
        (topics.trade(a_trade(first, 43, price=math.inf)), "bad_price"),
        (topics.trade(a_trade(first, 44, size=-1.0)), "bad_size"),
        (topics.trade(a_trade(first, 45, size=math.nan)), "bad_size"),
        (topics.trade(replace(a_trade(first, 46), conditions="9" * 70_000)), "too_long"),
        (b"\x07" + bytes(2_000_000), "wrong_magic"),  # Kafka takes it packed
    ]
    mixed = list(good)
    for place, (value, _) in enumerate(bad):
        mixed.insert(2 * place + 1, value)
    partition, end = topics.write_trades(mixed)
    topics.write_status(a_status(first, end), partition)

    letters = topics.read_dead_letters(len(bad))
    assert Counter(headers["reason"] for _, _, headers in letters) == Counter(reason for _, reason in bad)
    kept = Counter(value[:KEPT_BYTES] for value, _ in bad)
    assert Counter(value for value, _, _ in letters) == kept, "the original bytes are kept"
    assert [h["original_bytes"] for _, _, h in letters if "original_bytes" in h] == ["2000001"]
    assert {key for _, key, _ in letters} == {KEY}
    assert all(service.running for service in services)

    key = Key(f"{SOURCE}:{SYMBOL}", "1m", first // 1000)
    candle = wait_until(lambda: read_candles(settings, "1m").get(key), 60, "the good trades' candle", services)
    assert candle.trade_count == GOOD
    assert candle.bar == (10.0, 10.0 + GOOD - 1, 10.0, 10.0 + GOOD - 1, float(GOOD))
    assert candle.coverage == 1

    partition, end = topics.write_trades([topics.trade(a_trade(second, number)) for number in range(3)])
    topics.write_status(a_status(second, end), partition)
    later = key._replace(start_ms=second // 1000)
    assert wait_until(lambda: read_candles(settings, "1m").get(later), 60, "a later candle", services).trade_count == 3
    assert [service.stop() for service in services] == [0, 0]
