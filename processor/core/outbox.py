"""PURE. What a partition is about to publish."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from processor.core.series import Series
from processor.core.vendor_candles import VendorCandles
from schemas.records import Candle, Gap


@dataclass
class Outbox:
    """What is to be published, in order. `refused` holds (reason, rows) with the columns of the batch."""

    candles: list[Candle] = field(default_factory=list)
    vendor_candles: list[VendorCandles] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    late: list[tuple[str, pl.DataFrame]] = field(default_factory=list)
    ignored: int = 0
    """Vendor's candles that were too old to count."""
    refused: list[tuple[str, pl.DataFrame]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.candles or self.vendor_candles or self.gaps or self.late or self.refused or self.ignored)

    def collect(self, series: Series) -> None:
        """Take what a series has made."""
        if series.candles:
            self.candles += series.candles
            series.candles = []
        if series.vendor_candles:
            self.vendor_candles += series.vendor_candles
            series.vendor_candles = []
        if series.gap_records:
            self.gaps += series.gap_records
            series.gap_records = []

    def too_late(self, kind: str, rows: pl.DataFrame, reason: str) -> None:
        """Set aside records that are too old to enter a candle; `kind` is ``trades`` or ``quotes``."""
        if kind == "trades":
            self.late.append((reason, rows))
        else:
            self.refused.append(("late_quote" if reason == "horizon" else reason, rows))

    def all_candles(self) -> list[Candle]:
        """Return the candles, those in columns too, as records."""
        return [*self.candles, *(c for many in self.vendor_candles for c in many.records())]
