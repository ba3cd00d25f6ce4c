"""PURE. What ought to be out against what is: every candle and gap, in Kafka and in Cassandra.

A live system goes on while it is audited. So a partition is rebuilt twice: from the input whose effects the processor had
committed before its output was read (`then`), and from all input there was after the output was read (`now`). What both agree
on has to be out exactly like that; the rest is in motion and not compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from processor.audit.book import Book, CandleKey
from processor.audit.content import Found, Out, Published, Stored, differing
from processor.audit.span import Retained, Span
from processor.core.gaps import floor_base
from processor.core.timeline import BEFORE, FOREVER
from schemas.records import Candle, Gap, Price
from schemas.timeframes import BASE_US, Timeframe
from schemas.topics import GAPS, candles_dataset

Kind = Literal["candle", "gap", "record", "late trade", "dead letter"]
ABSENT = "is missing"
STRANGE = "should not be there"


@dataclass
class Rebuilt:
    """One partition made again, `then` and `now` (see the module)."""

    number: int
    then: Book
    now: Book
    watermarks: Mapping[str, int]
    """How far each series was closed `then`; only series known then."""
    begun: frozenset[str]
    """Series first seen between then and now."""
    replays: frozenset[str]
    """Sources that are replays."""
    retained: Retained

    def closed_to(self, series: str) -> int:
        """Return how far a series was closed `then`: for one that no input names nothing is open."""
        return self.watermarks.get(series, BEFORE if series in self.begun else FOREVER)


@dataclass(frozen=True)
class Difference:
    """One candle, gap or record that is not as it ought to be; `wanted` is None where nothing ought to be out."""

    kind: Kind
    partition: int
    series: str
    timeframe: str
    start: int
    places: Mapping[str, str]
    """What is wrong, by where: ``kafka``, ``cassandra``."""
    wanted: Candle | Gap | None = None
    found: Found | None = None
    """The content published in Kafka."""


@dataclass
class Comparison:
    """All differences, and what was compared or could not be."""

    differences: list[Difference] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    in_candles: Counter[str] = field(default_factory=Counter)
    """Records in the 1m candles that were compared, as published, by series."""
    uncompared: Counter[str] = field(default_factory=Counter)
    """Records in rebuilt 1m candles that could not be compared, by series."""


@dataclass(frozen=True)
class _Item:
    kind: Literal["candle", "gap"]
    series: str
    timeframe: str
    start: int
    end: int
    length: int
    then: Candle | Gap | None
    now: Candle | Gap | None
    older: Sequence[Candle | Gap]
    out: Out | None
    row: Found | None

    @property
    def dataset(self) -> str:
        return candles_dataset(self.timeframe) if self.kind == "candle" else GAPS.dataset


class Comparer:
    """Compares partition by partition; what was published and stored is given once, and taken away as it is compared."""

    def __init__(
        self,
        timeframes: Iterable[Timeframe],
        span: Span,
        published: Published,
        stored: Stored | None,
        series: Iterable[str] = (),
    ) -> None:
        """Make a comparer.

        Args:
            timeframes: those to compare.
            span: what to compare.
            published: what the topics hold.
            stored: what Cassandra holds; None = not asked.
            series: the series to compare; none = all.
        """
        self._lengths = {t.name: t.us for t in timeframes}
        self._span, self._published, self._stored = span, published, stored
        self._only = frozenset(series)
        self._done: list[Rebuilt] = []
        self.result = Comparison()

    def __call__(self, rebuilt: Rebuilt) -> None:
        """Compare one partition."""
        number, out = rebuilt.number, self._published
        keys = rebuilt.now.candles.keys() | rebuilt.then.candles.keys() | rebuilt.now.older_candles.keys()
        for key in sorted(keys | {k for k, o in out.candles.items() if o.partition == number}):
            self._candle(rebuilt, key)
        names = rebuilt.now.gaps.keys() | rebuilt.then.gaps.keys() | rebuilt.now.older_gaps.keys()
        for name in sorted(names | {n for n, o in out.gaps.items() if o.partition == number}):
            self._gap(rebuilt, name)
        nothing = Book()
        self._done.append(Rebuilt(number, nothing, nothing, rebuilt.watermarks, rebuilt.begun, rebuilt.replays, rebuilt.retained))

    def finish(self) -> Comparison:
        """Judge what is in Cassandra alone, and return everything."""
        if self._stored is not None:
            for key in list(self._stored.candles):
                self._candle(self._owner(key.series), key)
            for name, row in list(self._stored.gaps.items()):
                self._gap(self._owner(row["series"]), name)
        for dataset, partition, offset, wrong in self._published.strange:
            where = {"kafka": f"the record at offset {offset} {wrong}"}
            self.result.differences.append(Difference("record", partition, dataset, "", 0, where))
        return self.result

    def _owner(self, series: str) -> Rebuilt:
        # A series that no partition has heard of is judged by one from which nothing was deleted, if there is such.
        known = [r for r in self._done if series in r.watermarks or series in r.begun]
        return (known or sorted(self._done, key=lambda r: bool(r.retained.oldest)))[0]

    def _candle(self, rebuilt: Rebuilt, key: CandleKey) -> None:
        length = self._lengths.get(key.timeframe)
        out = self._published.candles.pop(key, None)
        row = self._stored.candles.pop(key, None) if self._stored is not None else None
        if length is None or not self._wanted(key.series, key.start):
            return
        then, now = rebuilt.then.candles.get(key), rebuilt.now.candles.get(key)
        older = rebuilt.now.older_candles.get(key, [])
        # A day that rolls with a wall clock ends where its record says.
        known = next((x.end for x in (then, now, *older) if isinstance(x, Candle)), out.content["end"] if out else None)
        end = key.start + length if known is None else int(known)
        if row is not None and row["state"] == "live" and out is None and (then or now or end > rebuilt.closed_to(key.series)):
            row = None  # still open, or its closing is on its way from Kafka
        item = _Item("candle", *key, end, end - key.start, then, now, older, out, row)
        compared = self._judge(rebuilt, item)
        if length == BASE_US and then is not None:
            records = then.trade_count + then.update_count
            if not compared:
                self.result.uncompared[key.series] += records
            elif out is not None:
                replaced = any(not differing(old, out.content) for old in older)
                told = int(out.content["trade_count"]) + int(out.content["update_count"])
                self.result.in_candles[key.series] += records if replaced else told

    def _gap(self, rebuilt: Rebuilt, name: str) -> None:
        out = self._published.gaps.pop(name, None)
        row = self._stored.gaps.pop(name, None) if self._stored is not None else None
        then, now = rebuilt.then.gaps.get(name), rebuilt.now.gaps.get(name)
        older = rebuilt.now.older_gaps.get(name, [])
        told = next(vars(x) if isinstance(x, Gap) else x for x in (then, now, *older, out and out.content, row) if x is not None)
        if not self._wanted(told["series"], told["from_time"]):
            return
        # A gap of which nothing is left is as good as none (R15); one that has just begun may be gone again.
        then, now = _unless_empty(then), _unless_empty(now)
        if row is not None and _is_empty(row):
            row = None
        if out is not None and _is_empty(out.content) and then is None:
            out = None
        start = told["from_time"]
        older = [g for g in older if not _is_empty(vars(g))]
        # Two minutes: a processor without state knows what came since a status after the oldest record left (R17), a moment later
        # than that record, and the silence after it begins with the next whole minute; a rebuild knows of the time before.
        item = _Item("gap", told["series"], "", start, floor_base(start) + BASE_US, 2 * BASE_US, then, now, older, out, row)
        self._judge(rebuilt, item)

    def _wanted(self, series: str, moment: int) -> bool:
        return self._span.holds(moment) and (not self._only or series in self._only)

    def _judge(self, rebuilt: Rebuilt, item: _Item) -> bool:
        """Compare one item; return whether it could be compared."""
        counts = self.result.counts
        source, price = source_and_price(item.series)
        replay = source in rebuilt.replays
        if not rebuilt.retained.checkable(source, price, item.start, item.length, replay=replay):
            counts[f"{item.kind}s not checkable"] += 1
            return False
        if not _same(item.then, item.now) or (item.then is None and item.end > rebuilt.closed_to(item.series)):
            counts[f"{item.kind}s open or in motion"] += 1
            return False
        places = {}
        if item.then is not None or item.out is not None:
            counts[f"{item.kind}s compared in kafka"] += 1
            if wrong := self._in_kafka(item, rebuilt.number):
                places["kafka"] = wrong
        if self._stored is not None and (wrong := self._in_cassandra(item, self._stored)):
            places["cassandra"] = wrong
        if places:
            found = item.out.content if item.out is not None else None
            what = Difference(item.kind, rebuilt.number, item.series, item.timeframe, item.start, places, item.then, found)
            self.result.differences.append(what)
        return True

    def _in_kafka(self, item: _Item, partition: int) -> str:
        if item.out is None:
            begins = self._published.begins.get((item.dataset, partition))
            if begins is not None and item.end <= begins:
                self.result.counts[f"{item.kind}s not retained in kafka"] += 1
                return ""
            return ABSENT
        return _judged(item, item.out.content)

    def _in_cassandra(self, item: _Item, stored: Stored) -> str:
        counts = self.result.counts
        if not stored.alive(item.timeframe or "gaps", item.series, item.start):
            counts[f"{item.kind}s expired in cassandra"] += 1
            return ""
        if item.out is not None and item.out.offset >= stored.written.get((item.dataset, item.out.partition), 0):
            counts[f"{item.kind}s not yet written to cassandra"] += 1
            return ""
        if item.row is None:
            return ABSENT if item.then is not None and item.out is not None else ""
        counts[f"{item.kind}s compared in cassandra"] += 1
        return _judged(item, item.row)


def _judged(item: _Item, found: Found) -> str:
    if any(not differing(old, found) for old in item.older):
        return ""  # an older run of the replay had the higher version, or the newer one has nothing there
    return STRANGE if item.then is None else "; ".join(differing(item.then, found))


def source_and_price(series: str) -> tuple[str, Price]:
    """Return the source and the price of a series' name; a symbol's own ``@`` is told from a price by what follows it."""
    source, _, rest = series.partition(":")
    price = rest.rpartition("@")[2] if "@" in rest else "trade"
    return source, price if price in ("mid", "bid", "ask") else "trade"  # type: ignore[return-value]  # one of the four


def _same(a: Candle | Gap | None, b: Candle | Gap | None) -> bool:
    return a is b or (a is not None and b is not None and not differing(a, vars(b)))


def _is_empty(gap: Found) -> bool:
    return bool(gap["to_time"] == gap["from_time"])


def _unless_empty(gap: Gap | None) -> Gap | None:
    return None if gap is None or _is_empty(vars(gap)) else gap
