"""SHELL (processes, Kafka). One worker under a steady load: how long a trade takes to its candles, and what that costs.

Two figures. `live`: from the sending of a trade to the receipt of the first live 1m candle that holds it. `final`: from the
second that closes a window (its end and the lateness) to the receipt of the final candle. Both at a reader of Kafka.
Statuses come on whole seconds, so with a lateness of whole seconds that second is one too. Where the time of `live` goes is told
in three steps: until the candle was made, until it was handed to Kafka, until the reader had it.
"""

from __future__ import annotations

import bisect
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Consumer, TopicPartition

from schemas import topics
from schemas.codec import Decoder
from schemas.records import Candle, Trade
from schemas.registry import Registry
from schemas.timeframes import MINUTE, SECOND
from tests.support.pages import Pages
from tests.support.services import Service, wait_until
from tests.support.stack import Space

LATENESS_US = 2 * SECOND
WARM_S = 5.0
"""Not measured at the beginning: the first batches load what later ones use."""


@dataclass
class Seen:
    """What the reader saw: candles with the moment of receipt and Kafka's time of sending, both microseconds."""

    live: list[tuple[int, int, Candle]] = field(default_factory=list)
    final: list[tuple[int, Candle]] = field(default_factory=list)


def run(space: Space, folder: Path, *, rate: int, symbols: int, seconds: float) -> dict[str, object]:
    """Feed a worker for `seconds` and return the figures. The space's timeframes are the worker's.

    Args:
        space: whose topics are empty.
        folder: for logs.
        rate: trades a second.
        symbols: how many trade, in turn.
        seconds: measured, after the warm-up.
    """
    worker = Service("processor", space.env, folder).start()
    pages = Pages(worker)
    command = [sys.executable, "-m", "tests.bench.steady", space.kafka, space.registry, space.prefix, str(rate), str(symbols)]
    try:
        wait_until(
            lambda: worker.log.exists() and pages.url and pages.state().get("ready"), 60, "a worker that is ready", [worker]
        )
        with subprocess.Popen(command) as feeder:
            try:
                wait_until(
                    lambda: pages.metric('candlewick_processor_candles_total{state="live"}', 0) > 0, 60, "candles", [worker]
                )
                time.sleep(WARM_S)
                began, process = time.time_ns() // 1000, psutil.Process(worker.pid)
                cpu, state, taken = sum(process.cpu_times()[:2]), _state_bytes(pages), _taken(pages)
                seen = _watch(space, seconds)
                lasted = (time.time_ns() // 1000 - began) / SECOND
                cpu, state, taken = sum(process.cpu_times()[:2]) - cpu, _state_bytes(pages) - state, _taken(pages) - taken
                stretch = pages.metric("candlewick_processor_live_stretch")
                memory = process.memory_info().rss
            finally:
                feeder.terminate()
                feeder.wait(30)
    finally:
        worker.stop(limit_s=90)
    until = began + round(seconds * SECOND) - SECOND  # what came in the last second may not have been told yet
    steps = _live_steps(_sent(space, began, until), seen.live)
    finals = [at - (c.end + LATENESS_US) for at, c in seen.final if began <= c.end + LATENESS_US < until]
    return {
        "benchmark": "latency",
        "rate": rate,
        "series": symbols,
        "taken_per_s": round(taken / lasted),
        **_quantiles("live", [sum(s) for s in steps]),
        **_quantiles("live_made", [s[0] for s in steps]),
        **_quantiles("live_handed_over", [s[1] for s in steps]),
        **_quantiles("live_received", [s[2] for s in steps]),
        **_quantiles("final_after_its_second", finals),
        "finals": len(finals),
        "live_stretch": stretch,
        "cpu_share": round(cpu / lasted, 3),
        "rss_mb": round(memory / 1e6),
        "snapshot_bytes_per_s": round(state / lasted),
        "load_average": round(os.getloadavg()[0], 1),
    }


def _watch(space: Space, seconds: float) -> Seen:
    decode = Decoder(Candle, Registry(space.registry).schema_by_id)
    frames = space.env["CANDLEWICK_TIMEFRAMES"].split(",")
    live = topics.CANDLES_LIVE.name(space.prefix)
    names = [live, *(topics.topic_name(topics.candles_dataset(t), space.prefix) for t in frames if t in {"1s", "1m"})]
    consumer = Consumer({"bootstrap.servers": space.kafka, "group.id": "unused", "fetch.wait.max.ms": 500})
    seen, raw = Seen(), []
    try:
        places = [TopicPartition(n, p) for n in names for p in consumer.list_topics(n, timeout=10).topics[n].partitions]
        for place in places:
            place.offset = consumer.get_watermark_offsets(place, timeout=10)[1]
        consumer.assign(places)
        ending = time.monotonic() + seconds
        while time.monotonic() < ending:
            messages = consumer.consume(10_000, 0.001) or consumer.consume(1, 0.2)
            now = time.time_ns() // 1000
            raw += [(now, m) for m in messages if m.error() is None]
    finally:
        consumer.close()
    for at, m in raw:
        candle = decode(m.value())
        if m.topic() != live:
            if candle.state == "final":
                seen.final.append((at, candle))
        elif candle.timeframe == "1m":
            seen.live.append((at, m.timestamp()[1] * 1000, candle))
    return seen


def _sent(space: Space, began: int, until: int) -> dict[tuple[str, int], list[tuple[int, int]]]:
    # By (series, window): (offset, moment of sending) of the trades sent in that time.
    decode = Decoder(Trade, Registry(space.registry).schema_by_id)
    found = defaultdict(list)
    name = topics.TRADES.name(space.prefix)
    consumer = Consumer({"bootstrap.servers": space.kafka, "group.id": "unused", "queued.min.messages": 1_000_000})
    try:
        ends = {p: consumer.get_watermark_offsets(TopicPartition(name, p), timeout=10)[1] for p in range(4)}
        starts = consumer.offsets_for_times([TopicPartition(name, p, began // 1000) for p in ends], timeout=10)
        consumer.assign(starts)
        left = {s.partition: ends[s.partition] for s in starts if 0 <= s.offset < ends[s.partition]}
        while left:
            messages: Sequence[Any] = consumer.consume(10_000, 10)
            if not messages:
                raise TimeoutError(f"{name} cannot be read to its end")
            for m in messages:
                sent = m.timestamp()[1] * 1000
                if sent < until:
                    trade = decode(m.value())
                    found[f"bench:{trade.symbol}", trade.event_time // MINUTE * MINUTE].append((m.offset(), sent))
                if m.offset() + 1 >= left.get(m.partition(), 0):
                    left.pop(m.partition(), None)
    finally:
        consumer.close()
    return found


def _live_steps(
    sent: dict[tuple[str, int], list[tuple[int, int]]], live: list[tuple[int, int, Candle]]
) -> list[tuple[int, int, int]]:
    # Kafka's clock ticks in milliseconds, so single steps may come out a millisecond short; their sum does not.
    told = defaultdict(list)
    for at, handed, candle in live:
        told[candle.series, candle.start].append((candle.input_offset, at, handed, candle.updated_at))
    steps = []
    for place, trades in sent.items():
        candles = told.get(place, [])
        offsets = [c[0] for c in candles]
        for offset, moment in trades:
            index = bisect.bisect_left(offsets, offset)
            if index < len(candles):  # else its window closed before it could be live again
                _, at, handed, made = candles[index]
                steps.append((made - moment, handed - made, at - handed))
    return steps


def _quantiles(name: str, us: list[int]) -> dict[str, float | None]:
    if not us:
        return {f"{name}_p50_ms": None, f"{name}_p99_ms": None}
    ordered = sorted(us)
    return {f"{name}_p{share}_ms": round(ordered[min(len(us) - 1, len(us) * share // 100)] / 1000, 1) for share in (50, 99)}


def _state_bytes(pages: Pages) -> float:
    return pages.metric("candlewick_processor_snapshot_bytes_total", 0.0)


def _taken(pages: Pages) -> float:
    return pages.metric('candlewick_processor_records_total{topic="trades"}', 0.0)
