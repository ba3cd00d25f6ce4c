"""SHELL (Kafka). An audit from beginning to end: what is out is read first, then the input, partition by partition."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from processor.audit.account import Ledger, Report, accounts
from processor.audit.compare import Comparer, Difference, Rebuilt
from processor.audit.content import Published, Stored, generation_of
from processor.audit.rebuild import Place, Rebuilder
from processor.audit.span import Question, Retained
from processor.audit.stages import Stages
from processor.audit.topics import Bounds, Reader, read_dead, read_late, read_published
from processor.core.config import CoreConfig
from schemas import topics
from schemas.codec import SchemaById
from schemas.timeframes import BASE_US, Timeframe

DATA = ("trades", "quotes", "history")
STATUS = topics.FEED_STATUS.dataset


@dataclass(frozen=True)
class _Ends:
    """Bounds by (dataset, partition): inputs up to what is committed, all inputs, and outputs."""

    committed: dict[tuple[str, int], int]
    inputs: dict[tuple[str, int], Bounds]
    outputs: dict[tuple[str, int], Bounds]


def audit(
    reader: Reader,
    config: CoreConfig,
    schema_by_id: SchemaById,
    question: Question,
    store: Callable[[Question, Collection[Timeframe]], Stored] | None = None,
) -> Report:
    """Compare everything that is asked for with what its input makes of it.

    Args:
        reader: reads the topics.
        config: the processor's own; other settings give other candles.
        schema_by_id: finds a writer's schema.
        question: what to audit.
        store: reads Cassandra; None = Kafka alone.

    Raises:
        ReadError: Kafka does not answer, or lacks a topic.
    """
    frames = question.timeframes or config.timeframes
    config = replace(config, timeframes=tuple(t for t in config.timeframes if t in frames or t.us == BASE_US))
    notes: list[str] = []
    committed = _committed(reader, notes)
    outputs = {
        (dataset, p): bounds
        for dataset in [*(topics.candles_dataset(t.name) for t in frames), "gaps", "late-trades", "dead-letters"]
        for p, bounds in reader.bounds(dataset).items()
    }
    published = read_published(reader, frames, schema_by_id, question.wanted, outputs)
    late, dead = read_late(reader, outputs), read_dead(reader, outputs)
    stored = store(question, frames) if store is not None else None
    # Only now: whatever is in the outputs was made of input below these ends.
    inputs = {(d, p): bounds for d in (*DATA, STATUS) for p, bounds in reader.bounds(d).items()}
    ends = _Ends(committed, inputs, outputs)

    generation = max([config.generation, *_generations(published, stored)])
    comparer = Comparer(frames, question.span, published, stored, question.series)
    ledgers, records, lost = [], 0, []
    for number in sorted({p for _, p in inputs}):
        one = _Partition(reader, config, schema_by_id, question, number, ends)
        rebuilt = one.run()
        comparer(rebuilt)
        ledgers.append(one.ledger(late, dead, outputs))
        lost += one.lost
        records += one.records
    result = comparer.finish()
    result.differences += lost
    whole = any(t.us == BASE_US for t in frames)  # the account is of 1m candles
    found = accounts(result, ledgers) if whole else []
    return Report(result.differences, result.counts, found, records, generation, notes)


def _committed(reader: Reader, notes: list[str]) -> dict[tuple[str, int], int]:
    parts = {d: reader.bounds(d) for d in (*DATA, STATUS)}
    found = reader.committed([*DATA, STATUS], sorted(parts["trades"]))
    if not found:
        notes.append("the processor has committed nothing: all input is taken as processed")
        return {(d, p): end for d, bounds in parts.items() for p, (_, end) in bounds.items()}
    return {(d, p): found.get((d, p), low) for d, bounds in parts.items() for p, (low, _) in bounds.items()}


def _generations(published: Published, stored: Stored | None) -> Iterator[int]:
    yield from (generation_of(out.content["version"]) for out in published.candles.values())
    if stored is not None:
        yield from (generation_of(row["version"]) for row in stored.candles.values())


class _Partition:
    """Reads and rebuilds one partition."""

    def __init__(
        self, reader: Reader, config: CoreConfig, schema_by_id: SchemaById, question: Question, number: int, ends: _Ends
    ) -> None:
        self._reader, self._ends, self._number = reader, ends, number
        low = {d: ends.inputs[d, number][0] for d in (*DATA, STATUS)}
        only = frozenset(_instrument(s).encode() for s in question.series) or None
        self.rebuilder = Rebuilder(config, number, schema_by_id, Retained(low), question.span, only)
        self.records = 0
        self.lost: list[Difference] = []
        self._stages = Stages()
        self._at = dict(low)

    def run(self) -> Rebuilt:
        """Read everything; return the partition as of what was committed, and as of all input."""
        maker = self.rebuilder
        self._read_to({d: min(self._ends.committed[d, self._number], self._end(d)) for d in self._at})
        maker.settle_unnamed()
        then, watermarks, known = maker.book, maker.watermarks(), set(maker.watermarks())
        self._tally, self._open = maker.tally, maker.open_records()
        self._late, self._dead = set(maker.late), dict(maker.dead)
        if any(at < self._end(d) for d, at in self._at.items()):
            maker.book, maker.tally = then.copy(), copy.deepcopy(maker.tally)
            self._read_to({d: self._end(d) for d in self._at})
            maker.settle_unnamed()
        replays = frozenset(maker.tally.newest)
        begun = frozenset(maker.watermarks().keys() - known)
        return Rebuilt(self._number, then, maker.book, watermarks, begun, replays, maker.retained)

    def ledger(
        self, late: set[tuple[bytes | None, bytes | None]], dead: set[Place], outputs: Mapping[tuple[str, int], Bounds]
    ) -> Ledger:
        """Return what the account is made of; what is missing on late-trades and dead-letters is in `lost` after that."""
        missing_late, missing_dead = Counter[str](), Counter[str]()
        if outputs["late-trades", self._number][0] == 0:
            for key, _ in self._late - late:
                self._miss("late trade", key, missing_late, "is missing on late-trades")
        if outputs["dead-letters", self._number][0] == 0:
            for place in sorted(self._dead.keys() - dead):
                what = f"{place.dataset} offset {place.offset} is refused and missing on dead-letters"
                self._miss("dead letter", self._dead[place], missing_dead if place.dataset == "trades" else Counter(), what)
        return Ledger(self._tally, self._open, missing_late, missing_dead)

    def _miss(self, kind: str, key: bytes | None, counter: Counter[str], what: str) -> None:
        name = (key or b"").decode(errors="replace")
        counter[name] += 1
        self.lost.append(Difference(kind, self._number, name, "", 0, {"kafka": what}))  # type: ignore[arg-type]  # one of its kinds

    def _end(self, dataset: str) -> int:
        return self._ends.inputs[dataset, self._number][1]

    def _read_to(self, ends: Mapping[str, int]) -> None:
        for rows, reached in self._reader.read(STATUS, self._number, self._at[STATUS], ends[STATUS]):
            for stage in self._stages(self.rebuilder.statuses(rows)):
                self.rebuilder.take_statuses(stage)
                for dataset, upto in stage.upto._asdict().items():
                    self._read_data(dataset, min(upto, ends[dataset]))
                if stage.ends is not None:
                    self.rebuilder.end_run(stage.ends)
            self._at[STATUS] = reached
        for dataset in DATA:
            self._read_data(dataset, ends[dataset])

    def _read_data(self, dataset: str, end: int) -> None:
        for rows, reached in self._reader.read(dataset, self._number, self._at[dataset], end):
            self.rebuilder.take(dataset, rows, reached)
            self.records += len(rows)
            self._at[dataset] = reached


def _instrument(series: str) -> str:
    head, at, price = series.rpartition("@")
    return head if at and price in ("mid", "bid", "ask") else series
