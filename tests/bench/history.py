"""SHELL (processes). A month of 50 symbols, in the history topic already, into candles of six timeframes by one processor."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition, murmur2

from schemas import topics
from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import FeedStatus, HistoryCandle, Served
from schemas.registry import Registry
from schemas.timeframes import DAY, MINUTE, SECOND
from tests.support.services import Service
from tests.support.stack import Space

SYMBOLS, DAYS = 50, 30
NOW = 20_000 * DAY
LIMIT_S = 600.0


def run(space: Space, folder: Path) -> dict[str, object]:
    """Fill the topic, start ``python -m processor`` and time it until every offset of history is committed."""
    minutes = DAYS * DAY // MINUTE
    ends = _fill(space, minutes)
    reader = Consumer({"bootstrap.servers": space.kafka, "group.id": topics.group_name("processor", space.prefix)})
    places = [TopicPartition(topics.HISTORY.name(space.prefix), p) for p in ends]
    service = Service("processor", {**space.env, "CANDLEWICK_PRODUCER_SILENT_S": "3600"}, folder)
    service.start()
    try:
        began = time.perf_counter()
        process = psutil.Process(service.pid)
        while not _committed(reader, places, ends):
            if time.perf_counter() - began > LIMIT_S:
                raise TimeoutError("the processor did not commit all of history")
            time.sleep(0.1)  # a sampling period: commits have no event to wait for
        seconds = time.perf_counter() - began
        used, memory = sum(process.cpu_times()[:2]), process.memory_info().rss
        low, high = zip(*(reader.get_watermark_offsets(place, timeout=10) for place in _candles(space, ends)), strict=True)
    finally:
        service.stop()
        reader.close()
    return {
        "benchmark": "history",
        "symbols": SYMBOLS,
        "days": DAYS,
        "records": SYMBOLS * minutes,
        "candles_1m": sum(high) - sum(low),
        "seconds_with_start": round(seconds, 1),
        "per_s": round(SYMBOLS * minutes / seconds),
        "cpu_us": round(used / SYMBOLS / minutes * 1e6, 1),
        "rss_mb": round(memory / 1e6),
    }


def _committed(reader: Consumer, places: list[TopicPartition], ends: dict[int, int]) -> bool:
    try:
        found = reader.committed(places, timeout=10)
    except KafkaException:  # the group is new: its coordinator is not known yet
        return False
    return all(t.offset >= ends[t.partition] for t in found)


def _candles(space: Space, ends: dict[int, int]) -> list[TopicPartition]:
    topic = topics.topic_name(topics.candles_dataset("1m"), space.prefix)
    return [TopicPartition(topic, p) for p in ends]


def _fill(space: Space, minutes: int) -> dict[int, int]:
    client = Registry(space.registry)
    topic, status_topic = topics.HISTORY.name(space.prefix), topics.FEED_STATUS.name(space.prefix)
    encode = Encoder(HistoryCandle, client.lookup(topics.HISTORY.subject(space.prefix), schema_text(HistoryCandle)))
    encode_status = Encoder(FeedStatus, client.lookup(topics.FEED_STATUS.subject(space.prefix), schema_text(FeedStatus)))
    producer = Producer({"bootstrap.servers": space.kafka, "linger.ms": 50, "compression.type": "zstd"})
    partitions = len(producer.list_topics(topic, timeout=10).topics[topic].partitions)
    names = [f"SYM{i}" for i in range(SYMBOLS)]
    part = {name: murmur2(f"bench:{name}".encode(), partitions) for name in names}
    ends = dict.fromkeys(range(partitions), 0)
    for name in names:
        key = f"bench:{name}".encode()
        for n in range(minutes):
            start = NOW - (minutes - n) * MINUTE
            price = 100.0 + n % 97 / 8
            candle = HistoryCandle(
                "bench", name, start=start, end=start + MINUTE, open=price, high=price + 1, low=price - 1, close=price + 0.5,
                volume=n % 50 / 4, receive_time=NOW, epoch=1,
            )  # fmt: skip
            _produce(producer, topic, encode(candle), key, part[name])
        result = HistoryCandle(
            "bench", name, record="result", start=NOW - minutes * MINUTE, end=NOW, outcome="complete", receive_time=NOW, epoch=1
        )
        _produce(producer, topic, encode(result), key, part[name])
        ends[part[name]] += minutes + 1
    for p, end in ends.items():
        served = tuple(Served(name, "trades", NOW) for name in names if part[name] == p)
        status = FeedStatus(
            "bench", "live", epoch=1, sent_at=NOW, good_from=NOW, good_until=NOW + 5 * SECOND, complete_to=NOW + 5 * SECOND,
            history_offset=end, symbols=served,
        )  # fmt: skip
        producer.produce(status_topic, encode_status(status), b"bench", p)
    if left := producer.flush(60):
        raise TimeoutError(f"{left} records not acknowledged after 60 s")
    return ends


def _produce(producer: Producer, topic: str, value: bytes, key: bytes, partition: int) -> None:
    while True:
        try:
            producer.produce(topic, value, key, partition)
        except BufferError:
            producer.poll(0.1)
        else:
            return
