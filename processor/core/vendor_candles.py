"""PURE. Many candles made of a vendor's rows alone, as columns: a bootstrap brings millions, and a record of each cost most.

They hold nothing of ours and nothing in them is lost (ARCHITECTURE, R19), so most of a candle's fields are the same for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from processor.core.ohlcv import UNIT, version_of
from processor.core.telling import Origin
from processor.core.vendor import Starts, Sums
from schemas.records import Candle, CandleReason
from schemas.timeframes import BASE_US, Timeframe

Floats = npt.NDArray[np.float64]
SAME = {
    "buy_volume": 0.0,
    "trade_count": 0,
    "update_count": 0,
    "provenance": "vendor",
    "coverage": 1.0,
    "gap_cause": "none",
    "late_count": 0,
    "input_offset": -1,
    "fingerprint": 0,
}
"""Fields that are the same in all such candles."""
NUMBERS = ("start", "end", "open", "high", "low", "close", "volume", "vwap", "first_event_time", "last_event_time", "version")
"""Fields that differ, besides state and reason."""


def versions_of(generation: int, fills: Starts) -> Starts:
    """Return the versions of candles without records of ours in which nothing is lost, by how often each was filled."""
    versions: Starts = version_of(generation, fills, 0, 0, True)  # type: ignore[arg-type,assignment]  # the same arithmetic
    return versions


@dataclass(frozen=True, eq=False)
class VendorCandles:
    """Closed candles of one series and timeframe, in order of `start`; one entry of each column for each candle."""

    origin: Origin
    timeframe: Timeframe
    updated_at: int
    start: Starts
    end: Starts
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats
    first_event_time: Starts
    last_event_time: Starts
    version: Starts
    reason: list[CandleReason]
    """``none`` for a first publication, whose state is final; else why it was revised."""

    @classmethod
    def of(
        cls,
        origin: Origin,
        timeframe: Timeframe,
        sums: Sums,
        picked: Starts,
        versions: Starts,
        reasons: list[CandleReason],
        now: int,
    ) -> VendorCandles:
        """Return the candles of those windows of `sums` whose indices are `picked`; `versions` and `reasons` are theirs alone."""
        size = [sums.size_n[i] for i in picked.tolist()]
        # As Python's integers, which divide exactly where 64-bit floats would round twice.
        vwap = [sums.notional_n[i] / n if n else 0.0 for i, n in zip(picked.tolist(), size, strict=True)]
        return cls(
            origin,
            timeframe,
            now,
            sums.starts[picked],
            sums.ends[picked],
            sums.open[picked],
            sums.high[picked],
            sums.low[picked],
            sums.close[picked],
            np.array([n / UNIT for n in size], np.float64),
            np.array(vwap, np.float64),
            sums.first[picked],
            sums.last[picked] + (BASE_US - 1),
            versions,
            reasons,
        )

    def __len__(self) -> int:
        return self.start.size

    @property
    def revised(self) -> int:
        """How many of them are revisions."""
        return len(self.reason) - self.reason.count("none")

    @property
    def shared(self) -> dict[str, Any]:
        """Fields, by name, that all of them share."""
        o = self.origin
        return {
            "series": o.series,
            "source": o.source,
            "symbol": o.symbol,
            "price": o.price,
            "timeframe": self.timeframe.name,
            "updated_at": self.updated_at,
            "input_partition": o.partition,
            **SAME,
        }

    @property
    def columns(self) -> dict[str, npt.NDArray[Any] | list[str]]:
        """The other fields, by name."""
        states = ["final" if reason == "none" else "revised" for reason in self.reason]
        return {name: getattr(self, name) for name in NUMBERS} | {"state": states, "reason": list(self.reason)}

    def records(self, first: int = 0) -> list[Candle]:
        """Return the candles from the index `first` on as records."""
        columns = self.columns
        rows = zip(
            *(list(column[first:]) if isinstance(column, list) else column[first:].tolist() for column in columns.values()),
            strict=True,
        )
        return [Candle(**self.shared, **dict(zip(columns, row, strict=True))) for row in rows]
