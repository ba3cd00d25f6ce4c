"""SHELL (Kafka). An audit from beginning to end: what is out is read first, then the input, partition by partition."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from processor.audit.account import Ledger, Report, accounts
from processor.audit.compare import Comparer, Difference, Rebuilt
from processor.audit.content import Published, Stored, generation_of
from processor.audit.outputs import Outputs, read_outputs
from processor.audit.reader import Bounds, Part, Reader
from processor.audit.rebuild import Rebuilder
from processor.audit.span import Question, Retained
from processor.audit.stages import Stages
from processor.core.config import CoreConfig
from schemas import topics
from schemas.codec import SchemaById
from schemas.groups import instruments_of
from schemas.timeframes import BASE_US, Timeframe

DATA = ("trades", "quotes", "history")
STATUS = topics.FEED_STATUS.dataset


@dataclass(frozen=True)
class _Ends:
    """Bounds by (dataset, partition): inputs up to what is committed, all inputs, and outputs."""

    committed: dict[Part, int]
    inputs: dict[Part, Bounds]
    outputs: dict[Part, Bounds]


def audit(
    reader: Reader,
    config: CoreConfig,
    schema_by_id: SchemaById,
    prefix: str,
    question: Question,
    store: Callable[[Question, Collection[Timeframe]], Stored] | None = None,
) -> Report:
    """Compare everything that is asked for with what its input makes of it.

    Args:
        reader: reads the topics.
        config: the processor's own; other settings give other candles.
        schema_by_id: finds a writer's schema.
        prefix: first part of every topic's name.
        question: what to audit.
        store: reads Cassandra; None = Kafka alone.

    Raises:
        ReadError: Kafka does not answer, or lacks a topic.
    """
    frames = question.timeframes or config.timeframes
    config = replace(config, timeframes=tuple(t for t in config.timeframes if t in frames or t.us == BASE_US))
    notes: list[str] = []
    committed = _committed(reader, notes)
    datasets = [t.dataset for t in (topics.GAPS, topics.LATE_TRADES, topics.DEAD_LETTERS)]
    bounds = reader.bounds([*datasets, *(topics.candles_dataset(t.name) for t in frames)])
    out = read_outputs(reader, schema_by_id, question.wanted, bounds, prefix)
    published = out.published
    stored = store(question, frames) if store is not None else None
    # Only now: whatever is in the outputs was made of input below these ends.
    ends = _Ends(committed, reader.bounds((*DATA, STATUS)), bounds)

    generation = max([config.generation, *_generations(published, stored)])
    comparer = Comparer(frames, question.span, published, stored, question.series)
    ledgers, records, lost = [], 0, []
    parts = [_Partition(reader, config, schema_by_id, question, number, ends) for number in sorted({p for _, p in ends.inputs})]
    parts[0].prepare()
    for i, one in enumerate(parts):
        for following in parts[i + 1 : i + 2]:
            following.prepare()
        comparer(one.run())
        reader.leave(one.number)
        ledgers.append(one.ledger(out))
        lost += one.lost
        records += one.records
    result = comparer.finish()
    result.differences += lost
    whole = any(t.us == BASE_US for t in frames)  # the account is of 1m candles
    asked = question.series
    # A consolidated series has none: what is counted of it is counted of its instruments (law 1).
    found = [a for a in accounts(result, ledgers) if not asked or a.series in asked] if whole else []
    return Report(result.differences, result.counts, found, records, generation, notes)


def _committed(reader: Reader, notes: list[str]) -> dict[Part, int]:
    inputs = reader.bounds((*DATA, STATUS))
    found = reader.committed(inputs)
    if not found:
        notes.append("the processor has committed nothing: all input is taken as processed")
        return {part: end for part, (_, end) in inputs.items()}
    return {part: found.get(part, low) for part, (low, _) in inputs.items()}


def _generations(published: Published, stored: Stored | None) -> Iterator[int]:
    yield from (generation_of(out.content["version"]) for out in published.candles.values())
    if stored is not None:
        yield from (generation_of(row["version"]) for row in stored.candles.values())


class _Partition:
    """Reads and rebuilds one partition."""

    def __init__(
        self, reader: Reader, config: CoreConfig, schema_by_id: SchemaById, question: Question, number: int, ends: _Ends
    ) -> None:
        self._reader, self._ends, self.number = reader, ends, number
        low = {d: ends.inputs[d, number][0] for d in (*DATA, STATUS)}
        read = (i for s in question.series for i in instruments_of(config.groups, _instrument(s)))
        only = frozenset(i.encode() for i in read) or None
        self.rebuilder = Rebuilder(config, number, schema_by_id, Retained(low), question.span, only)
        self.records = 0
        self.lost: list[Difference] = []
        self._stages = Stages()
        self._at = dict(low)

    def prepare(self) -> None:
        """Begin to fetch what there is to read."""
        self._reader.prepare(self.number, {d: at for d, at in self._at.items() if at < self._end(d)})

    def run(self) -> Rebuilt:
        """Read everything; return the partition as of what was committed, and as of all input."""
        maker = self.rebuilder
        self._read_to({d: min(self._ends.committed[d, self.number], self._end(d)) for d in self._at})
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
        return Rebuilt(self.number, then, maker.book, watermarks, begun, replays, maker.retained)

    def ledger(self, out: Outputs) -> Ledger:
        """Return what the account is made of; what is missing on late-trades and dead-letters is in `lost` after that."""
        missing_late, missing_dead = Counter[str](), Counter[str]()
        if self._ends.outputs["late-trades", self.number][0] == 0:
            for key, _ in self._late - out.late:
                self._miss("late trade", key, missing_late, "is missing on late-trades")
        if self._ends.outputs["dead-letters", self.number][0] == 0:
            for place in sorted(self._dead.keys() - out.dead):
                what = f"{place.dataset} offset {place.offset} is refused and missing on dead-letters"
                self._miss("dead letter", self._dead[place], missing_dead if place.dataset == "trades" else Counter(), what)
        return Ledger(self._tally, self._open, missing_late, missing_dead)

    def _miss(self, kind: str, key: bytes | None, counter: Counter[str], what: str) -> None:
        name = (key or b"").decode(errors="replace")
        counter[name] += 1
        self.lost.append(Difference(kind, self.number, name, "", 0, {"kafka": what}))  # type: ignore[arg-type]  # one of its kinds

    def _end(self, dataset: str) -> int:
        return self._ends.inputs[dataset, self.number][1]

    def _read_to(self, ends: Mapping[str, int]) -> None:
        for rows, reached in self._reader.read(STATUS, self.number, self._at[STATUS], ends[STATUS]):
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
        for rows, reached in self._reader.read(dataset, self.number, self._at[dataset], end):
            self.rebuilder.take(dataset, rows, reached)
            self.records += len(rows)
            self._at[dataset] = reached


def _instrument(series: str) -> str:
    head, at, price = series.rpartition("@")
    return head if at and price in ("mid", "bid", "ask") else series
