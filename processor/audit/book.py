"""PURE. What a rebuild says should be out: the newest content of each candle and gap, run by run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from processor.core.outbox import Outbox
from schemas.records import Candle, Gap


class CandleKey(NamedTuple):
    """What a candle is known by."""

    series: str
    timeframe: str
    start: int


@dataclass
class Book:
    """Closed candles by key and gaps by id; highest version each, the later one of equals."""

    candles: dict[CandleKey, Candle] = field(default_factory=dict)
    gaps: dict[str, Gap] = field(default_factory=dict)
    older_candles: dict[CandleKey, list[Candle]] = field(default_factory=dict)
    """Contents from runs of a replay that a newer one has replaced: they may still be the highest version that is out."""
    older_gaps: dict[str, list[Gap]] = field(default_factory=dict)

    def add(self, out: Outbox) -> None:
        """Take in what the core would publish."""
        for candle in out.all_candles():
            key = CandleKey(candle.series, candle.timeframe, candle.start)
            known = self.candles.get(key)
            if known is None or candle.version >= known.version:
                self.candles[key] = candle
        for gap in out.gaps:
            told = self.gaps.get(gap.gap_id)
            if told is None or gap.version >= told.version:
                self.gaps[gap.gap_id] = gap

    def end_run(self, source: str) -> None:
        """Set aside what a source's run has said: a newer run begins anew."""
        for key in [k for k, c in self.candles.items() if c.source == source]:
            self.older_candles.setdefault(key, []).append(self.candles.pop(key))
        for name in [n for n, g in self.gaps.items() if g.source == source]:
            self.older_gaps.setdefault(name, []).append(self.gaps.pop(name))

    def copy(self) -> Book:
        """Return a book that further additions to this one do not change."""
        return Book(
            dict(self.candles),
            dict(self.gaps),
            {k: list(v) for k, v in self.older_candles.items()},
            {k: list(v) for k, v in self.older_gaps.items()},
        )
