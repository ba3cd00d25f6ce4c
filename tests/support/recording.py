"""PURE. A recording of real market data as replay lines, with the bars that somebody else computed from it."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from schemas.records import Price, series_of


class Key(NamedTuple):
    """Names one candle: start in milliseconds UTC."""

    series: str
    timeframe: str
    start_ms: int


class Bar(NamedTuple):
    """One bar of an oracle. `volume` is None where the oracle's volume means something else than ours."""

    open: float
    high: float
    low: float
    close: float
    volume: float | None = None

    def agrees_with(self, other: Bar) -> bool:
        """Tell whether both are the same to the last bit; volumes only where both have one."""
        both = self.volume is not None and other.volume is not None
        return self[:4] == other[:4] and (not both or self.volume == other.volume)


Bars = Mapping[Key, Bar]


@dataclass(frozen=True)
class Recording:
    """Lines for `candlewick replay`, and the bars they must give.

    Attributes:
        source: the source name to replay under; it is part of every series in `oracles`.
        lines: JSON, one record each, in file order, with that order in `sequence`.
        oracles: name of who computed the bars -> the bars.
        agreeing: of how many oracle bars agreement is known; fewer than there are where the oracle used rules of its own.
        records: lines left when repeats of an id are dropped.
    """

    source: str
    lines: tuple[str, ...]
    oracles: Mapping[str, Bars]
    agreeing: int
    records: int

    @property
    def expected(self) -> int:
        """Return the number of oracle bars, of all oracles together."""
        return sum(len(bars) for bars in self.oracles.values())

    def shuffled(self, seed: int) -> Recording:
        """Return the same lines in an order of chance that `seed` fixes."""
        lines = list(self.lines)
        random.Random(seed).shuffle(lines)
        return Recording(self.source, tuple(lines), self.oracles, self.agreeing, self.records)

    def disagreements(self, candles: Bars) -> list[str]:
        """Return one line for every oracle bar that `candles` lacks or has otherwise."""
        found = []
        for oracle, bars in self.oracles.items():
            for key, bar in bars.items():
                mine = candles.get(key)
                if mine is None or not bar.agrees_with(mine):
                    found.append(f"{oracle} {key}: {bar} but candlewick {mine}")
        return found

    def strangers(self, candles: Bars) -> list[Key]:
        """Return the candles between an oracle's first and last bar of their series that the oracle has not: invented ones."""
        known = {key for bars in self.oracles.values() for key in bars}
        starts: dict[tuple[str, str], list[int]] = defaultdict(list)
        for series, timeframe, start_ms in sorted(known):
            starts[series, timeframe].append(start_ms)
        return sorted(
            key
            for key in candles
            if key not in known and (of := starts.get((key.series, key.timeframe))) and of[0] <= key.start_ms <= of[-1]
        )


def numbered(records: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the records as JSON lines; `sequence` becomes the line's number where the venue gives none."""
    return tuple(json.dumps({"sequence": n, **record}, separators=(",", ":")) for n, record in enumerate(records))


def key_of(source: str, symbol: str, price: Price, timeframe: str, start_ms: int) -> Key:
    """Return the key of one candle."""
    return Key(series_of(source, symbol, price), timeframe, start_ms)
