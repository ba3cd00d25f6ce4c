"""PURE. How long one row is kept: the retention of its table, or what operators have said about its series.

An override is a row of the table retention: a pattern of series, in which * stands for anything, a timeframe or table, and
seconds (0 = for ever). Of several that match a series the one with the most literal characters wins, so that a single series
is stronger than its venue; of equals the first in the alphabet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.timeframes import SECOND
from sink.retention import LONGEST_S

Overrides = Mapping[tuple[str, str], int]
"""Seconds by (pattern of series, timeframe or table)."""


@dataclass(frozen=True)
class Retention:
    """Seconds by timeframe or table; ``overrides`` go before them. 0 = for ever."""

    by_name: Mapping[str, int]
    overrides: Overrides = field(default_factory=dict)
    # What was found before, by (series, name): matching costs microseconds, and trades ask for each row. As many as series.
    _found: dict[tuple[str, str], int] = field(default_factory=dict, compare=False, repr=False)

    def keep_s(self, name: str, series: str) -> int:
        """Return how many seconds rows of `series` in `name` (a timeframe, or a table) are kept; 0 = for ever."""
        if not self.overrides:
            return self.by_name[name]
        found = self._found.get((series, name))
        if found is None:
            found = self._found[series, name] = best(self.overrides, name, series, self.by_name[name])
        return found

    def expires_us(self, name: str, own_time_us: int, series: str = "") -> int | None:
        """Return when a row of `own_time_us` expires, microseconds UTC; None = never.

        Args:
            name: the timeframe, or the table (trades, quotes, gaps, candle_versions).
            own_time_us: start of the candle, beginning of the gap, event time of the trade or quote.
            series: the series, or the instrument of a trade or quote.
        """
        keep_s = self.keep_s(name, series)
        return own_time_us + keep_s * SECOND if keep_s else None


def best(overrides: Overrides, name: str, series: str, otherwise: int) -> int:
    """Return the seconds of the override that fits `series` best among those of `name`, `otherwise` where none fits."""
    fitting = [(-len(p.replace("*", "")), p, s) for (p, n), s in overrides.items() if n == name and fits(p, series)]
    return min(fitting)[2] if fitting else otherwise


def fits(pattern: str, series: str) -> bool:
    """Tell whether `pattern` stands for `series`; * is any text, everything else itself."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), series, re.DOTALL) is not None


def checked(rows: Iterable[tuple[str, str, int | None]]) -> tuple[dict[tuple[str, str], int], list[str]]:
    """Return the overrides in `rows` (pattern, timeframe or table, seconds), and what is wrong with the others.

    What is wrong has no effect: taking a missing number for "for ever" would fill a disk, and one that Cassandra refuses would
    make dead letters out of good candles.
    """
    good: dict[tuple[str, str], int] = {}
    bad: list[str] = []
    for pattern, name, ttl_s in rows:
        if ttl_s is None or not 0 <= ttl_s <= LONGEST_S:
            bad.append(f"{pattern} {name}: {ttl_s} is no number of seconds from 0 (for ever) to {LONGEST_S}")
        else:
            good[pattern, name] = ttl_s
    return good, bad
