"""SHELL (publisher, clock). Says the feed's status: every whole second and at once on a change, to every partition."""

from __future__ import annotations

from time import monotonic

from producer.cadence import Cadence
from producer.inbox import Inbox
from producer.publisher import Publisher
from producer.sources.protocol import Source
from producer.status import Feed, Wanted
from producer.telemetry import Counts
from schemas.records import Loss

SYMBOLS_EVERY_S = 60.0


class Herald:
    """The statuses of one feed. What it says about completeness is what the publisher knows to be acknowledged."""

    def __init__(self, source: Source, feed: Feed, publisher: Publisher, inbox: Inbox, counts: Counts) -> None:
        self._source = source
        self._feed = feed
        self._publisher = publisher
        self._inbox = inbox
        self._counts = counts
        self._cadence = Cadence()
        self._symbols_s = float("-inf")
        self._losses: list[Loss] = []

    def lost(self, losses: tuple[Loss, ...]) -> None:
        """Say with the next statuses what is known to be missing; once, for they are delivered or the process ends."""
        self._losses.extend(losses)

    def until_due_s(self) -> float:
        """Return the seconds until the next whole second's statuses; 0 when they are due, or when there is a loss to tell."""
        return 0.0 if self._losses else self._cadence.until_due_s(self._inbox.now_us(), monotonic())

    def say(self, *, symbols: bool = False) -> None:
        """Say what is known now; call it between items, never while working on one.

        Args:
            symbols: with the symbols served, which are said once a minute anyway.

        Raises:
            FatalError: Kafka does not take it.
        """
        now_s = monotonic()
        symbols = symbols or now_s - self._symbols_s >= SYMBOLS_EVERY_S
        processed_to = self._inbox.processed_to()
        for partition in range(self._publisher.partitions):
            served = self._served(partition) if symbols else None
            losses = tuple(x for x in self._losses if x.symbol is None or self._publisher.partition_of(x.symbol) == partition)
            status = self._feed.status(self._publisher.progress(partition), processed_to, served, losses)
            self._publisher.send_status(partition, status)
        self._losses.clear()
        self._cadence.said(self._inbox.now_us(), monotonic())
        self._count()
        if symbols:
            self._symbols_s = now_s

    def _count(self) -> None:
        counts, feed = self._counts, self._feed
        counts.state, counts.since_us, counts.reason, counts.attempts = feed.state, feed.since, feed.reason, feed.attempts
        counts.refused_symbols = self._source.refused_symbols()

    def _served(self, partition: int) -> Wanted:
        return tuple((s, self._source.kind(s)) for s in self._source.symbols if self._publisher.partition_of(s) == partition)
