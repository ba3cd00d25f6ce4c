"""SHELL (Kafka, through Faust). How far this worker is from the ends of feed-status, and whose producer is silent there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from faust.types import TP

from processor import telemetry
from processor.driver import BatchConsumer
from processor.engine import Engine
from processor.outgoing import Send
from processor.ownership import ANSWER_S
from processor.silence import Silences
from schemas.timeframes import SECOND

AWAKE_S = 0.5
"""A longer time between two looks is no silence of anybody: this process, or Kafka, was not there to hear."""


class Watch:
    """Tells partitions whether they are caught up, and writes for producers that no longer do."""

    def __init__(self, engine: Engine, consumer: Callable[[], BatchConsumer], status_topic: str, silent_s: float) -> None:
        """Watch nothing yet.

        Args:
            engine: whose partitions are watched.
            consumer: the one that reads, once the app runs.
            status_topic: name of feed-status.
            silent_s: silence after which a producer is declared down.
        """
        self._engine = engine
        self._consumer = consumer
        self._topic = status_topic
        self._silences = Silences(silent_s)
        self._looked = time.monotonic()
        self._awake = 0.0
        self.behind_s = 0.0
        """Wall clock minus the watermark of the slowest live feed."""

    def begin(self) -> None:
        """Own other partitions."""
        self._silences.begin()

    def tick(self) -> None:
        """Count time: to be called all the time, whether or not partitions are owned."""
        before, self._looked = self._looked, time.monotonic()
        self._awake += min(self._looked - before, AWAKE_S)

    def look(self) -> None:
        """Compare with the newest ends known; all that was fetched must have been taken in."""
        consumer = self._consumer()
        series = waiting = behind = 0
        now = time.time_ns() // 1000  # noqa: TID251  # only measured
        for number, partition in self._engine.partitions.items():
            tp = TP(self._topic, number)
            end = consumer.highwater(tp)
            partition.caught_up = end is not None and consumer.expected.get(tp, 0) >= end
            series += len(partition.series)
            waiting += len(partition.waiting)
            clocks = [f.clock for f in partition.feeds.values() if f.epoch and not f.replay]
            behind = max([behind, *(now - clock for clock in clocks)])
        self.behind_s = behind / SECOND
        telemetry.SERIES.set(series)
        telemetry.WAITING.set(waiting)
        telemetry.BEHIND_SECONDS.set(self.behind_s)
        telemetry.FALLBACKS.set(self._engine.fallbacks)
        telemetry.REREADS.set(consumer.rereads)

    async def for_the_silent(self) -> list[Send]:
        """Return the statuses by which silent producers are declared down IN the topic: that too is input."""
        found = self._silences.look(self._engine.partitions, self._awake)
        if not found:
            return []
        # Kafka's word, now, that nothing came: what was last fetched may be old.
        asked = self._consumer().highwaters(*{TP(self._topic, number) for number, _ in found})
        try:
            ends = await asyncio.wait_for(asked, ANSWER_S)
        except TimeoutError:
            return []  # it is Kafka that is silent
        heard = {number for number in self._engine.partitions if self._is_read(number, ends)}
        clock = time.time_ns() // 1000  # noqa: TID251  # the source's clock, moved on for it
        messages = [self._engine.producer_down(number, source, clock) for number, source in found if number in heard]
        return [m for m in messages if m is not None]

    def _is_read(self, number: int, ends: Mapping[TP, int]) -> bool:
        tp = TP(self._topic, number)
        return tp in ends and self._consumer().expected.get(tp, 0) >= ends[tp]
