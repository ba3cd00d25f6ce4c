"""SHELL (OpenTelemetry, through `schemas.tracing`). Some frames of a feed, followed until Kafka has every record of them."""

from __future__ import annotations

from collections.abc import Callable

from producer.publisher import Publisher
from schemas.records import Quote, Trade
from schemas.topics import QUOTES, TRADES
from schemas.tracing import COUNT, OFFSETS, Traced, Tracing, span_of


class Frames:
    """Says which frames are followed."""

    def __init__(self, tracing: Tracing, source: str, prefix: str, publisher: Publisher) -> None:
        """Begin with none.

        Args:
            tracing: samples.
            source: whose frames they are.
            prefix: of the topics.
            publisher: asked where a record went to.
        """
        self._tracing = tracing
        self._source = source
        self._topics: dict[type[Trade | Quote], str] = {Trade: TRADES.name(prefix), Quote: QUOTES.name(prefix)}
        self._publisher = publisher

    def begin(self, size: int, receive_us: int) -> Frame | None:
        """Return a frame of `size` bytes, received at `receive_us`, if it is one to follow."""
        traced = self._tracing.sample("producer.frame", receive_us)
        if traced is None:
            return None
        traced.tell("candlewick.source", self._source)
        traced.tell("candlewick.frame_bytes", size)
        return Frame(traced, self._topics, self._publisher)


class Frame:
    """One frame: first its bytes are parsed, then each of its records is handed to Kafka, then their acknowledgements come."""

    def __init__(self, traced: Traced, topics: dict[type[Trade | Quote], str], publisher: Publisher) -> None:
        self._traced = traced
        self._topics = topics
        self._publisher = publisher
        self._count = 0
        self._left = 1  # the frame itself, until all of it is handed over
        self._places: dict[tuple[str, int], tuple[int, int]] = {}
        traced.step("parse")

    def parsed(self) -> None:
        """Note that what follows is handed over."""
        self._traced.step("publish")

    def sending(self, record: Trade | Quote) -> Callable[[], None]:
        """Return what is to be called when Kafka has `record`."""
        self._count += 1
        self._left += 1
        kind, partition = type(record), self._publisher.partition_of(record.symbol)

        def stored() -> None:
            progress = self._publisher.progress(partition)
            last = (progress.trades_offset if kind is Trade else progress.quotes_offset) - 1
            place = self._topics[kind], partition
            self._places[place] = self._places.get(place, (last, last))[0], last
            self._one_less()

        return stored

    def sent(self) -> None:
        """Note that all of it is handed over."""
        self._traced.step("acknowledge")
        self._one_less()

    def refused(self) -> None:
        """Note that the whole frame became a dead letter."""
        self._traced.end("refused: it is a dead letter")

    def _one_less(self) -> None:
        self._left -= 1
        if not self._left:
            self._traced.tell(COUNT, self._count)
            self._traced.tell(OFFSETS, [span_of(*place, first, last) for place, (first, last) in sorted(self._places.items())])
            self._traced.end()
