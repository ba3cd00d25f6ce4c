"""PURE. Which sources have said nothing for so long that their producer is to be declared down (ARCHITECTURE, R11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from processor.core.partition import Partition

AGAIN_S = 1.0
"""A producer that is down is declared so once a second, as it would speak itself: windows go on closing."""


@dataclass
class Silence:
    """How long a source has said nothing itself."""

    offset: int
    """Of the newest status seen, whoever wrote it."""
    since: float
    declared: float = 0.0
    """When its producer was last declared down."""


class Silences:
    """Watches the feeds of the owned partitions. Times are seconds of being awake: who sleeps hears nothing and may not judge."""

    def __init__(self, limit_s: float) -> None:
        self._limit = limit_s
        self._known: dict[tuple[int, str], Silence] = {}

    def begin(self) -> None:
        """Own other partitions: no silence is known of them."""
        self._known.clear()

    def look(self, partitions: Mapping[int, Partition], now: float) -> list[tuple[int, str]]:
        """Return (partition, source) of every producer to be declared down now, if Kafka has nothing of it either."""
        found = []
        for number, partition in partitions.items():
            waiting = {status.source for _, status in partition.waiting}
            for source, feed in partition.feeds.items():
                silence = self._known.setdefault((number, source), Silence(feed.offset, now))
                if source in waiting or (feed.offset != silence.offset and feed.state != "producer_down"):
                    silence.since = now
                silence.offset = feed.offset
                silent = partition.caught_up and now - silence.since >= self._limit
                if silent and now - silence.declared >= AGAIN_S:
                    silence.declared = now
                    found.append((number, source))
        return found
