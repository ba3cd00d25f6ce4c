"""SHELL (Kafka, Cassandra). Writes to the sink's topics as producer and processor do, and waits until the sink has written it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from deploy.cassandra.connect import connected
from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import Candle, FeedStatus, Gap, Quote, Record, Trade, instrument_of
from schemas.registry import Registry
from schemas.topics import DEAD_LETTERS, SINK_GROUP, candles_dataset, group_name, topic_name
from tests.support.services import Service, wait_until
from tests.support.stack import Space

MINUTE = 60_000_000


def a_trade(number: int, event_us: int, symbol: str = "X", **changes: Any) -> Trade:
    """Return a plain trade of source ``sim``, received when it happened."""
    trade = Trade("sim", symbol, event_us, event_us, 100.0 + number % 7, 1.0, trade_id=str(number), epoch=1, sequence=number)
    return replace(trade, **changes)


def a_candle(start_us: int, count: int, *, closed: bool = True, series: str = "sim:X", **changes: Any) -> Candle:
    """Return a 1m candle of `count` trades; its content and version follow from the count, as they do in life."""
    candle = Candle(
        series=series,
        source="sim",
        symbol=series.removeprefix("sim:"),
        price="trade",
        timeframe="1m",
        start=start_us,
        end=start_us + MINUTE,
        open=1.1,
        high=1.1 + count,
        low=0.1,
        close=1.1 + count / 3,
        volume=float(count),
        buy_volume=0.0,
        vwap=1.2,
        trade_count=count,
        update_count=0,
        first_event_time=start_us,
        last_event_time=start_us + count,
        version=count + closed,
        state="final" if closed else "live",
        updated_at=start_us + count,
        fingerprint=(count * 0x9E3779B97F4A7C15) % (1 << 63) - (1 << 62),
    )
    return replace(candle, **changes)


def a_gap(from_us: int, to_us: int | None, *, series: str = "sim:X", cause: str = "feed_down", **changes: Any) -> Gap:
    """Return a gap, open where `to_us` is None; the version follows SEMANTICS rule 2."""
    gap = Gap(
        gap_id=f"{series}|{cause}|{from_us}",
        series=series,
        source="sim",
        symbol=series.removeprefix("sim:"),
        price="trade",
        from_time=from_us,
        to_time=to_us,
        cause=cause,  # type: ignore[arg-type] # tests name real causes
        state="open" if to_us is None else "closed",
        version=0 if to_us is None else max(1, 10**13 - (to_us - from_us)),
        updated_at=from_us,
    )
    return replace(gap, **changes)


class Feed:
    """A producer to one space's topics, and a view of what the sink made of them."""

    def __init__(self, space: Space, session: Any) -> None:
        self.space = space
        self.session = session
        self.group = group_name(SINK_GROUP, space.prefix)
        self._producer = Producer({"bootstrap.servers": space.kafka, "partitioner": "murmur2_random", "linger.ms": 20})
        self._registry = Registry(space.registry)
        self._encoders: dict[str, Encoder] = {}
        self.ends: dict[tuple[str, int], int] = {}

    def dataset_of(self, record: Record) -> str:
        """Return where a record belongs."""
        match record:
            case Candle(state="live"):
                return "candles-live"
            case Candle():
                return candles_dataset(record.timeframe)
            case Gap():
                return "gaps"
            case Trade():
                return "trades"
            case Quote():
                return "quotes"
            case FeedStatus():
                return "feed-status"
            case _:
                raise TypeError(record)

    def key_of(self, record: Record) -> bytes:
        """Return the key that a record travels with."""
        match record:
            case Candle(state="live"):
                return f"{record.series}|{record.timeframe}".encode()
            case Candle() | Gap():
                return record.series.encode()
            case Trade() | Quote():
                return instrument_of(record.source, record.symbol).encode()
            case FeedStatus():
                return record.source.encode()
            case _:
                raise TypeError(record)

    def encoded(self, record: Record) -> bytes:
        """Return the framed bytes of a record."""
        dataset = self.dataset_of(record)
        if dataset not in self._encoders:
            subject = f"{topic_name(dataset, self.space.prefix)}-value"
            self._encoders[dataset] = Encoder(type(record), self._registry.lookup(subject, schema_text(type(record))))
        return self._encoders[dataset](record)

    def send(self, records: Iterable[Record]) -> None:
        """Write records to their topics and wait for Kafka's acknowledgement."""
        for record in records:
            self.produce(self.dataset_of(record), self.encoded(record), self.key_of(record))
        self.flush()

    def produce(self, dataset: str, value: bytes | None, key: bytes) -> None:
        """Hand over raw bytes."""
        topic = topic_name(dataset, self.space.prefix)
        while True:
            try:
                self._producer.produce(topic, value, key, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def flush(self) -> None:
        """Wait for the acknowledgements."""
        assert self._producer.flush(30) == 0

    def _delivered(self, error: Any, message: Any) -> None:
        assert error is None, error
        partition = (message.topic(), message.partition())
        self.ends[partition] = max(self.ends.get(partition, 0), message.offset() + 1)

    def positions(self) -> dict[tuple[str, int], int]:
        """Return the sink's written positions."""
        query = f"SELECT topic, part, next_offset FROM {self.space.keyspace}.positions WHERE consumer_group = %s"
        return {(r.topic, r.part): r.next_offset for r in self.session.execute(query, (self.group,))}

    def wait(self, sinks: Sequence[Service], limit_s: float = 60) -> None:
        """Wait until everything sent so far is written."""

        def written() -> bool:
            at = self.positions()
            return all(at.get(partition, 0) >= end for partition, end in self.ends.items())

        wait_until(written, limit_s, "the sink's written positions", sinks)

    def rows(self, table: str, columns: str = "*") -> list[Any]:
        """Return the whole table, sorted."""
        return sorted(tuple(r) for r in self.session.execute(f"SELECT {columns} FROM {self.space.keyspace}.{table}"))

    def dead_letters(self, count: int) -> list[tuple[bytes | None, dict[str, str]]]:
        """Return all dead letters (value, headers) as soon as there are `count` of them."""
        consumer = Consumer({"bootstrap.servers": self.space.kafka, "group.id": "reader", "enable.auto.commit": False})
        topic = DEAD_LETTERS.name(self.space.prefix)
        partitions = consumer.list_topics(topic, timeout=60).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        found: list[Any] = []
        read = dict.fromkeys(partitions, 0)
        try:

            def enough() -> bool:
                for message in consumer.consume(100, 0.1):
                    if message.error() is None:
                        found.append(message)
                        read[message.partition() or 0] = (message.offset() or 0) + 1
                ends = {n: consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=10)[1] for n in partitions}
                return len(found) >= count and all(read[n] >= end for n, end in ends.items())

            wait_until(enough, 30, f"{count} dead letters")
        finally:
            consumer.close()
        return [(m.value(), {k: v.decode() for k, v in m.headers()}) for m in found]


@contextmanager
def feeding(space: Space) -> Iterator[Feed]:
    """Yield a feed into `space`."""
    with connected(space.cassandra) as session:
        yield Feed(space, session)
