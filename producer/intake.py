"""SHELL (publisher). One frame after the other through the source to Kafka: numbered, counted, nothing dropped silently."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from producer.errors import RemoteError
from producer.publisher import Publisher
from producer.sequence import Numbering, numbered
from producer.sources.protocol import Ignored, Refused, Repeated, Source, VenueError
from producer.telemetry import Counts
from producer.tracing import Frames
from schemas.records import Loss, Quote, Trade

_log = structlog.get_logger()
MAX_TEXT = 200  # characters kept of a complaint


@dataclass(frozen=True)
class Taken:
    """What one frame held beside its records: the newest event time (None: no record), and what is known to be missing."""

    newest_event_us: int | None
    losses: tuple[Loss, ...]


class Intake:
    """The only place where records get their epoch and number, for the feed and for trades fetched later."""

    def __init__(
        self,
        source: Source,
        epoch: int,
        publisher: Publisher,
        counts: Counts,
        without: Callable[[str], str],
        frames: Frames | None = None,
    ) -> None:
        self._source = source
        self._epoch = epoch
        self._publisher = publisher
        self._counts = counts
        self._without = without
        self._frames = frames
        self._trades, self._quotes = Numbering(), Numbering()

    def frame(self, payload: bytes, receive_us: int) -> Taken:
        """Publish what a frame of the provider holds.

        Raises:
            FatalError: Kafka does not take it.
        """
        followed = None if self._frames is None else self._frames.begin(len(payload), receive_us)
        try:
            events = self._source.receive(payload, receive_us)
        except RemoteError as error:
            self._publisher.dead_letter(payload, error, self._source.name)
            if followed is not None:
                followed.refused()
            return Taken(None, ())
        if followed is not None:
            followed.parsed()
        newest: int | None = None
        losses: list[Loss] = []
        for event in events:
            if isinstance(event, Trade | Quote):
                newest = event.event_time if newest is None else max(newest, event.event_time)
                self._counts.last_record_us[event.symbol] = receive_us
                self.record(event, None if followed is None else followed.sending(event))
            elif isinstance(event, Repeated):
                self._counts.repeats[event.kind] += 1
            elif isinstance(event, Refused):
                self._publisher.dead_letter(event.value, event.error, self._source.name)
            elif isinstance(event, Ignored):
                self._counts.ignored[event.kind] += 1
            elif isinstance(event, VenueError):
                self._counts.ignored["venue_error"] += 1
                _log.warning("venue.complained", source=self._source.name, message=self._without(event.message)[:MAX_TEXT])
            elif isinstance(event, Loss):
                losses.append(event)
        if followed is not None:
            followed.sent()
        return Taken(newest, tuple(losses))

    def record(self, record: Trade | Quote, stored: Callable[[], None] | None = None) -> None:
        """Publish one record under the next number of its symbol; `stored` is called when Kafka has it.

        Raises:
            FatalError: Kafka does not take it.
        """
        numbers = self._trades if isinstance(record, Trade) else self._quotes
        self._publisher.send(numbered(record, self._epoch, numbers.take(record.symbol)), stored)

    def fetched(self, trade: Trade, stored: Callable[[], None]) -> None:
        """Publish a trade of a backfill, unless it came by another way before; then it counts as stored too.

        Raises:
            FatalError: Kafka does not take it.
        """
        if self._source.admits(trade):
            self.record(trade, stored)
        else:
            self._counts.repeats[trade.kind] += 1
            stored()
