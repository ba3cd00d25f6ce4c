"""PURE. Candles as they were known at a moment, out of all their versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any


def known_at(versions: Iterable[Any], moment_us: int) -> Iterator[Any]:
    """Yield, for each start, the highest version that was published by `moment_us` (microseconds UTC), inclusive.

    Args:
        versions: rows of candle_versions of one series and timeframe, with equal starts next to each other.
        moment_us: what was published later is as if it did not exist.
    """
    for _, publications in groupby(versions, key=lambda row: row.start):
        known = [row for row in publications if row.published_us <= moment_us]
        if known:
            yield max(known, key=lambda row: row.version)
