"""SHELL (Kafka, thread). How fresh candles are at a reader of Kafka, second by second, while something is done to the pipeline.

``live``: from the moment the newest trade in a live candle happened to the candle's receipt.
``final``: from the second that closes a window (its end and the lateness) to the receipt of its final candle.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, TopicPartition

from schemas import topics
from schemas.codec import Decoder
from schemas.records import Candle
from schemas.registry import Registry
from schemas.timeframes import SECOND
from tests.support.stack import Space

LATENESS_US = 2 * SECOND


class Sight(NamedTuple):
    """One candle as it was received: moments are microseconds UTC, ``due_us`` the one from which its delay counts."""

    kind: str
    due_us: int
    seen_us: int


class Freshness:
    """Reads live candles and final ones of the shortest timeframe from `start` to `stop`."""

    def __init__(self, space: Space, timeframe: str) -> None:
        self.sights: list[Sight] = []
        self._decode = Decoder(Candle, Registry(space.registry).schema_by_id)
        self._live = topics.CANDLES_LIVE.name(space.prefix)
        self._names = (self._live, topics.topic_name(topics.candles_dataset(timeframe), space.prefix))
        self._timeframe = timeframe
        self._told: dict[tuple[str, int], int] = {}
        self._consumer = Consumer(
            {"bootstrap.servers": space.kafka, "group.id": "unused", "enable.auto.commit": False, "fetch.wait.max.ms": 50}
        )
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Freshness:
        """Begin with what is published from now on."""
        places = [
            TopicPartition(name, number)
            for name in self._names
            for number in self._consumer.list_topics(name, timeout=60).topics[name].partitions
        ]
        for place in places:
            place.offset = self._consumer.get_watermark_offsets(place, timeout=60)[1]
        self._consumer.assign(places)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Read nothing more."""
        self._stopped.set()
        self._thread.join(30)
        self._consumer.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            for m in self._consumer.consume(1000, 0.05):
                if m.error() is None:
                    self._see(m.topic() == self._live, self._decode(m.value()), time.time_ns() // 1000)

    def _see(self, is_live: bool, candle: Candle, now: int) -> None:
        if is_live and candle.timeframe == "1m" and candle.last_event_time is not None:
            # A candle published again without a newer trade says nothing of the way of a trade.
            place = candle.series, candle.start
            if candle.last_event_time > self._told.get(place, 0):
                self._told[place] = candle.last_event_time
                self.sights.append(Sight("live", candle.last_event_time, now))
        elif not is_live and candle.state == "final":
            self.sights.append(Sight("final", candle.end + LATENESS_US, now))


class Step(NamedTuple):
    """A share of all delays of one kind in one step of time, in milliseconds; ``at_s`` counts from the event looked at."""

    at_s: float
    number: int
    p99_ms: float


def steps(sights: Iterable[Sight], kind: str, event_us: int, step_s: float) -> list[Step]:
    """Return the 99th percentile of the delays by the step in which the candles were received."""
    found: dict[int, list[int]] = defaultdict(list)
    for sight in sights:
        if sight.kind == kind:
            found[int((sight.seen_us - event_us) // (step_s * SECOND))].append(sight.seen_us - sight.due_us)
    return [Step(at * step_s, len(delays), percentile(delays, 0.99) / 1000) for at, delays in sorted(found.items())]


def percentile(values: Sequence[int], share: float) -> int:
    """Return the smallest value that at least `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


def normal_again_s(found: Sequence[Step], limit_ms: float, step_s: float) -> float:
    """Return the seconds from the event to the end of the last step of `step_s` that is over `limit_ms`; 0 where none is."""
    return max((step.at_s + step_s for step in found if step.at_s >= 0 and step.p99_ms > limit_ms), default=0.0)
