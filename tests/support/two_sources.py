"""PURE. A partition driven by hand that hears of two sources of one market: A is sim:X, B is alt:Y, their group is btc."""

from __future__ import annotations

from collections import Counter
from typing import Any

from processor.core.config import CoreConfig
from schemas.groups import parse_groups
from schemas.records import Candle, Gap, HistoryCandle, Trade
from schemas.timeframes import parse_list
from tests.support.core import Driven, shown

CONFIG = CoreConfig(timeframes=parse_list("1m,5m"), groups=parse_groups("btc=sim:X,alt:Y"))


class Pair(Driven):
    """A partition that hears of two sources; `a` and `b` say whose turn it is."""

    symbol: str = "X"

    def __init__(self, config: CoreConfig = CONFIG) -> None:
        super().__init__(config)
        self._sequences = Counter[str]()

    @property
    def a(self) -> Pair:
        """The same, with A to speak."""
        self.source, self.symbol = "sim", "X"
        return self

    @property
    def b(self) -> Pair:
        """The same, with B to speak."""
        self.source, self.symbol = "alt", "Y"
        return self

    def trade(self, *args: Any, **more: Any) -> Trade:
        """Make a trade of whoever speaks."""
        self._sequences[self.source] += 1
        return super().trade(*args, **{"symbol": self.symbol, "sequence": self._sequences[self.source], **more})

    def status(self, *args: Any, **more: Any) -> None:
        """Give the core a status of whoever speaks."""
        super().status(*args, **{"symbols": (self.symbol,), **more})

    def vendor(self, *args: Any, **more: Any) -> HistoryCandle:
        """Make a vendor's candle of whoever speaks."""
        return super().vendor(*args, symbol=self.symbol, **more)

    def out(self, timeframe: str = "1m", series: str = "group:btc") -> dict[str | None, Candle]:
        """Return the newest candles of a series, whose versions have to have grown with every publication."""
        found: dict[int, Candle] = {}
        for c in self.candles:
            if c.series == series and c.timeframe == timeframe:
                assert c.start not in found or c.version > found[c.start].version
                found[c.start] = c
        return {shown(s): found[s] for s in sorted(found)}

    def followed(self, timeframe: str = "1m") -> dict[str | None, str]:
        """Return, by window, whose candle the group shows."""
        return {start: c.source for start, c in self.out(timeframe).items()}

    def gap_records(self) -> list[Gap]:
        """Return the newest record of each gap of the group, in order; their versions have to have grown."""
        found: dict[str, Gap] = {}
        for g in self.gaps:
            if g.series == "group:btc":
                assert g.gap_id not in found or g.version > found[g.gap_id].version
                found[g.gap_id] = g
        return sorted(found.values(), key=lambda g: (g.from_time, g.cause))

    def holes(self) -> list[tuple[str | None, str | None, str, str]]:
        """Return (from, to, cause, source) of the group's gaps that are not empty."""
        kept = [g for g in self.gap_records() if g.to_time != g.from_time]
        return [(shown(g.from_time), shown(g.to_time), g.cause, g.source) for g in kept]


def pair_of(config: CoreConfig = CONFIG) -> Pair:
    """Return a pair of which both are served and good, long before minute 0."""
    driven = Pair(config)
    driven.a.status("-01:00", good_from="-05:00")
    driven.b.status("-01:00", good_from="-05:00")
    return driven
