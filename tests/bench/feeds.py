"""SHELL (processes, Kafka). A producer under a venue that floods it: from a frame on loopback to an acknowledged record.

The rate is what came onto the topic between the first frame's leaving and the last record's arrival. CPU is that of the whole
producer process, the Kafka client's own threads (compression, network) included. `bare` is confluent-kafka alone, sending the
very bytes that the producer made, with the same options; machines and their neighbours differ, so read what is in times of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.topics import LATE_TRADES, QUOTES, TRADES, Topic
from tests.bench.flood import PRODUCTS, SYMBOLS
from tests.support.published import messages
from tests.support.services import Service, wait_until
from tests.support.stack import Servers, Space
from tests.support.venue import Venue

GOAL_PER_S = 30_000
BURST = 5_000
IG_SECONDS = 15.0
IG_PACE = 150.0
"""Times the market's own pace: some 3,000 quotes a second, a hundred times what 40 epics give."""
LOOK_S = 0.1
LIMIT_S = 180.0


def run(space_of: Any, servers: Servers, folder: Path) -> Iterator[Mapping[str, object]]:
    """Yield a line for each kind of frame, beside what bare confluent-kafka makes of the same records.

    Args:
        space_of: makes a corner of the stack.
        servers: the stack.
        folder: for logs.
    """
    trades = int(os.environ.get("BENCH_FEED_TRADES", "300000"))
    for a_frame, per_s, count in ((2, 0, trades), (50, 0, trades), (BURST, 0, trades), (BURST, GOAL_PER_S, trades)):
        with space_of(servers) as space:
            yield _flooded(space, folder, "finnhub", count, a_frame, per_s)
    with space_of(servers) as space:
        yield _flooded(space, folder, "coinbase", trades // 2, 1, 0)
    with space_of(servers) as space:
        yield _flooded(space, folder, "ccxt", trades // 10, 1, 0)
    with space_of(servers) as space:
        yield _ig(space, folder)


def _flooded(space: Space, folder: Path, source: str, trades: int, a_frame: int, per_s: int) -> Mapping[str, object]:
    kind = "finnhub" if source == "finnhub" else "coinbase"
    with _flood(kind, trades, a_frame, per_s) as (url, go, told), _settings(source, url) as settings:
        service = Service("producer", {**space.env, **settings, "CANDLEWICK_BOOTSTRAP_DAYS": "0"}, folder, source).start()
        try:
            wait_until(lambda: '"feed.went_live"' in service.log.read_text(), 60, "a live feed", [service])
            figures = Figures(service)
            go()
            ended_s = figures.watch(space, TRADES, trades)
            times = told()
        finally:
            service.stop()
            service.log.unlink()
    seconds = ended_s - times["began_s"]
    return {
        "benchmark": "feed",
        "source": source,
        "trades_a_frame": a_frame,
        "asked_per_s": per_s or None,
        "records": trades,
        "seconds": round(seconds, 2),
        "per_s": round(trades / seconds),
        "frames_per_s": round(trades / a_frame / seconds),
        "after_the_last_frame_s": round(ended_s - times["sent_s"], 2),
        **figures.said(trades, seconds),
        **_bare(space, TRADES, figures.cpu_s / trades, trades / seconds),
    }


def _ig(space: Space, folder: Path) -> Mapping[str, object]:
    venue = Venue("deploy.simulator.ig", "--seed", "1", "--pace", str(IG_PACE))
    epics = [e for e in venue.ready["symbols"] if not e.startswith("CC.")]
    settings = {
        "IG_IDENTIFIER": "simulator",
        "IG_PASSWORD": "simulator",
        "IG_API_KEY": "simulator",
        "IG_URL": venue.ready["rest"],
        "IG_EPICS": ",".join(epics),
        "CANDLEWICK_BOOTSTRAP_DAYS": "0",
    }
    try:
        service = Service("producer", {**space.env, **settings}, folder, "ig").start()
        try:
            wait_until(lambda: '"feed.went_live"' in service.log.read_text(), 60, "a live feed", [service])
            figures, before = Figures(service), sum(_ends(space, QUOTES))
            began_s = time.time()
            figures.watch(space, QUOTES, sys.maxsize, IG_SECONDS)
            quotes, seconds = sum(_ends(space, QUOTES)) - before, time.time() - began_s
        finally:
            service.stop()
        return {
            "benchmark": "feed",
            "source": "ig",
            "records": quotes,
            "seconds": round(seconds, 2),
            "per_s": round(quotes / seconds),
            **figures.said(quotes, seconds),
            **_bare(space, QUOTES, figures.cpu_s / quotes, quotes / seconds),
        }
    finally:
        venue.stop()


class Figures:
    """What a service costs from now on."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._process = psutil.Process(service.pid)
        self._cpu_s = self._used_s()
        self.cpu_s = 0.0
        self._idle = self._peak = self._process.memory_info().rss

    def watch(self, space: Space, topic: Topic, records: int, seconds: float = LIMIT_S) -> float:
        """Look until so many records are on the topic, or for so many seconds, and return when they were (seconds UTC).

        Raises:
            AssertionError: they are not in time, or the service has ended.
        """
        deadline = time.monotonic() + seconds
        with _reader(space) as reader:
            while (there := sum(_ends_of(reader, space, topic))) < records and time.monotonic() < deadline:
                assert self._service.running, self._service.tail()
                self._peak = max(self._peak, self._process.memory_info().rss)
                time.sleep(LOOK_S)
        self.cpu_s = self._used_s() - self._cpu_s
        assert there >= records or records == sys.maxsize, f"{there} of {records} records came\n{self._service.tail()}"
        return time.time()

    def said(self, records: int, seconds: float) -> dict[str, object]:
        """Return CPU and memory."""
        return {
            "cpu_us_a_record": round(self.cpu_s / records * 1e6, 2),
            "cpu_share": round(self.cpu_s / seconds, 2),
            "rss_idle_mb": round(self._idle / 1e6),
            "rss_peak_mb": round(self._peak / 1e6),
            "load_average": round(os.getloadavg()[0], 1),
        }

    def _used_s(self) -> float:
        return sum(self._process.cpu_times()[:2])


def _bare(space: Space, topic: Topic, cpu_s: float, per_s: float) -> dict[str, object]:
    # The same keys, values and partitions once more, onto a topic that this benchmark has no other use for.
    again = [(m.value(), m.key(), m.partition() or 0) for m in messages(space, topic)]
    name, process = LATE_TRADES.name(space.prefix), psutil.Process()
    producer = Producer(
        {
            "bootstrap.servers": space.kafka,
            "compression.type": "zstd",
            "linger.ms": 5,
            "queue.buffering.max.messages": 200_000,
            "enable.idempotence": True,
            "acks": "all",
        }
    )
    began_s, cpu = time.time(), sum(process.cpu_times()[:2])
    for value, key, partition in again:
        while True:
            try:
                producer.produce(name, value, key, partition)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(LIMIT_S) == 0
    seconds, used_s = time.time() - began_s, sum(process.cpu_times()[:2]) - cpu
    bare_us, bare_per_s = used_s / len(again) * 1e6, len(again) / seconds
    return {
        "bare_per_s": round(bare_per_s),
        "bare_cpu_us_a_record": round(bare_us, 2),
        "share_of_bare": round(per_s / bare_per_s, 3),
        "cpu_times_bare": round(cpu_s * 1e6 / bare_us, 1),
    }


@contextmanager
def _settings(source: str, url: str) -> Iterator[dict[str, str]]:
    if source == "finnhub":
        yield {"FINNHUB_URL": url, "FINNHUB_TOKEN": "bench", "FINNHUB_SYMBOLS": ",".join(SYMBOLS)}
    elif source == "coinbase":
        yield {"COINBASE_URL": url, "COINBASE_SYMBOLS": ",".join(PRODUCTS)}
    else:
        venue = Venue("deploy.simulator.coinbase", "--seed", "1")  # for the list of markets
        urls = {"public": venue.ready["rest"], "rest": venue.ready["rest"], "ws": url}
        symbols = ",".join(product.replace("-", "/") for product in PRODUCTS)
        try:
            yield {
                "CCXT_EXCHANGE": "coinbaseexchange",
                "CCXT_SYMBOLS": symbols,
                "CCXT_OPTIONS": json.dumps({"urls": {"api": urls}}),
            }
        finally:
            venue.stop()


@contextmanager
def _flood(kind: str, trades: int, a_frame: int, per_s: int) -> Iterator[tuple[str, Any, Any]]:
    command = [sys.executable, "-m", "tests.bench.flood", kind, str(trades), str(a_frame), str(per_s)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    said, asked = process.stdout, process.stdin
    assert said is not None
    assert asked is not None
    try:
        yield json.loads(said.readline())["ws"], lambda: print("go", file=asked, flush=True), lambda: json.loads(said.readline())
    finally:
        asked.close()  # its input's end is its end
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


@contextmanager
def _reader(space: Space) -> Iterator[Consumer]:
    consumer = Consumer({"bootstrap.servers": space.kafka, "group.id": "unused"})
    try:
        yield consumer
    finally:
        consumer.close()


def _ends(space: Space, topic: Topic) -> list[int]:
    with _reader(space) as reader:
        return _ends_of(reader, space, topic)


def _ends_of(reader: Consumer, space: Space, topic: Topic) -> list[int]:
    name = topic.name(space.prefix)
    return [reader.get_watermark_offsets(TopicPartition(name, p), timeout=20)[1] for p in range(4)]
