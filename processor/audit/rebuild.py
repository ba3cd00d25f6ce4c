"""PURE. One partition made again from its input: the same decoding and the same core as the processor's, nothing published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from processor.audit.book import Book
from processor.audit.span import Retained, Span
from processor.audit.stages import Stage
from processor.blocks import Blocks
from processor.core import publishing
from processor.core.config import CoreConfig
from processor.core.outbox import Outbox
from processor.core.partition import Partition
from processor.core.timeline import FOREVER
from processor.status_input import StatusInput
from schemas.codec import SchemaById
from schemas.records import FeedStatus
from schemas.wire import WireError

Run = tuple[str, int]
"""(instrument, epoch of a replay's run; 0 for a live feed)."""


class Row(NamedTuple):
    """One Kafka record."""

    offset: int
    key: bytes | None
    value: bytes | None


class Place(NamedTuple):
    """Where an input record stands."""

    dataset: str
    partition: int
    offset: int


@dataclass
class Tally:
    """Records of the trades topic, by instrument and run: what was read and what did not enter a candle."""

    read: Counter[Run] = field(default_factory=Counter)
    late: Counter[Run] = field(default_factory=Counter)
    dead: Counter[Run] = field(default_factory=Counter)
    newest: dict[str, int] = field(default_factory=dict)
    """Newest run of each replay source."""


class Rebuilder:
    """Takes one partition's input in offset order and says what ought to be out."""

    def __init__(
        self,
        config: CoreConfig,
        number: int,
        schema_by_id: SchemaById,
        retained: Retained,
        span: Span,
        only: frozenset[bytes] | None = None,
    ) -> None:
        """Make a rebuilder.

        Args:
            config: the processor's own; generation is without effect on what is compared.
            number: the partition.
            schema_by_id: finds a writer's schema.
            retained: where the topics begin; learns from what is read.
            span: whose minutes are counted.
            only: instruments to rebuild; None = all.
        """
        self.partition = Partition(config, number)
        for dataset in self.partition.positions:
            self.partition.positions[dataset] = retained.low[dataset]
        self.book = Book()
        self.retained = retained
        self.tally = Tally()
        self.late: set[tuple[bytes | None, bytes | None]] = set()
        """Key and value of the trades that belong on late-trades."""
        self.dead: dict[Place, bytes | None] = {}
        """Input that belongs on dead-letters, with its key."""
        self.ended: dict[str, int] = {}
        """Series that have ended (finished replays), with their run."""
        self._blocks = {k: Blocks(k, schema_by_id, config.ahead_us) for k in ("trades", "quotes", "history")}
        self._status = StatusInput(schema_by_id)
        self._span, self._only = span, only

    def statuses(self, rows: Sequence[Row]) -> list[tuple[int, FeedStatus]]:
        """Return the statuses in these records; what is none becomes a dead letter."""
        found = []
        for row in rows:
            try:
                status = self._status(row.key, row.value)
            except WireError:
                self.dead[Place("feed-status", self.partition.number, row.offset)] = row.key
            else:
                self.retained.saw_status(row.offset, status)
                found.append((row.offset, status))
        return found

    def take_statuses(self, stage: Stage) -> None:
        """Take in a stage's statuses; they act as their records are read."""
        for offset, status in stage.statuses:
            self.partition.take_status(offset, status)
            if status.replay:
                self.tally.newest[status.source] = max(status.epoch, self.tally.newest.get(status.source, 0))
        self._release()

    def take(self, dataset: str, rows: Sequence[Row], following: int) -> None:
        """Take in the next records of a data topic, all that is wanted below the offset `following`."""
        if self._only is not None:
            rows = [r for r in rows if r.key in self._only]
        if rows and dataset in self._blocks:
            frame, refused = self._blocks[dataset](rows)  # type: ignore[arg-type]  # reading them is enough
            if refused:
                self._refuse(dataset, rows, [r.offset for r in refused])
            if frame is not None and dataset == "history":
                self.partition.take_history(frame)
            elif frame is not None:
                live = frame.filter(~pl.col("replay")) if dataset not in self.retained.oldest else frame.head(0)
                if live.height:
                    self.retained.saw_record(dataset, live["receive_time"][0])
                if dataset == "trades":
                    self._count(self.tally.read, frame)
                self.partition.take(dataset, frame, 0)
        self.partition.positions[dataset] = max(following, self.partition.positions[dataset])
        self._release(dataset, rows)

    def end_run(self, source: str) -> None:
        """Take in that everything of a source's run has been read and a newer run follows."""
        self.book.end_run(source)
        prefix = f"{source}:"
        for run in [r for r in self.tally.dead if r[0].startswith(prefix)]:
            del self.tally.dead[run]

    def settle_unnamed(self) -> None:
        """At the end of the statuses: sources that never sent one go by the clock of their records, as in the processor."""
        late = self.partition.config.lateness_us
        for series in list(self.partition.series.values()):
            if not series.feed.epoch:
                series.advance(series.mark - late)
                publishing.settle(series, 0)
                out = Outbox()
                out.collect(series)
                self.partition.consolidate(out)
                self._note(out)

    def watermarks(self) -> dict[str, int]:
        """Return how far each series' windows are closed; a finished one's for ever."""
        of_series = {s.name: s.watermark for s in self.partition.series.values()}
        return dict.fromkeys(self.ended, FOREVER) | of_series | self.partition.groups.watermarks()

    def open_records(self) -> Counter[str]:
        """Return by series the records in 1m windows that are not closed, as far as they are counted."""
        first, end = self._span.minutes()
        found: Counter[str] = Counter()
        for series in self.partition.series.values():
            frame = series.frames[series.config.base]
            found[series.name] = sum(frame.windows[s].records for s in frame.open if first <= s < end)
        return found

    def _release(self, dataset: str = "", rows: Sequence[Row] = ()) -> None:
        self.partition.release(0)
        while self.partition.held.is_due:
            self.partition.release(0)
        out = self.partition.take_out()
        self._note(out)
        if out.late or out.refused:
            by_offset = {r.offset: r for r in rows}
            for _, late in out.late:
                self._count(self.tally.late, late)
                self.late.update((by_offset[o].key, by_offset[o].value) for o in late["offset"])
            for _, refused in out.refused:
                self._refuse(dataset, rows, refused["offset"].to_list())
        for series in self.partition.ended:
            self.ended[series.name] = series.run
        self.partition.ended.clear()  # for the next snapshot, which is never made here
        for name in self.ended.keys() & self.partition.series.keys():
            del self.ended[name]  # a new run of it has begun

    def _note(self, out: Outbox) -> None:
        if self._span.limited:
            out.candles = [c for c in out.all_candles() if self._span.holds(c.start)]
            out.vendor_candles = []
            out.gaps = [g for g in out.gaps if self._span.holds(g.from_time)]
        self.book.add(out)

    def _refuse(self, dataset: str, rows: Sequence[Row], offsets: Sequence[int]) -> None:
        by_offset = {r.offset: r for r in rows}
        for offset in offsets:
            key = by_offset[offset].key
            self.dead[Place(dataset, self.partition.number, offset)] = key
            if dataset == "trades":
                run = ((key or b"").decode(errors="replace"), 0)
                self.tally.dead[run] += 1
                self.tally.read[run] += 1

    def _count(self, counter: Counter[Run], frame: pl.DataFrame) -> None:
        if self._span.limited:
            first, end = self._span.minutes()
            time = pl.col("event_time")
            frame = frame.filter((time >= first) & (time < end))
        if not frame["replay"].any():
            for key, number in frame.group_by("key").len().iter_rows():
                counter[key, 0] += number
            return
        run = pl.when("replay").then("epoch").otherwise(0).alias("run")
        for key, epoch, number in frame.group_by("key", run).len().iter_rows():
            counter[key, epoch] += number
