"""PURE. What vendors and backfills said of one series: batches of the history topic judged and kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from processor.core.results import Place, Result, Results
from processor.core.vendor import NONE, ROW, Rows, Starts, VendorBook
from schemas.records import CandleReason, GapCause
from schemas.timeframes import BASE_US


class Bounds(NamedTuple):
    """What decides whether a vendor's candle is taken in (microseconds)."""

    first: int | None
    """Start of the 1m window of first sight."""
    horizon_us: int
    backfill_us: int
    asked: Mapping[Place, tuple[int, int]]
    """Gaps by identity, with the interval lost."""
    away: Sequence[tuple[int, int]] = ()
    """When its symbol was not served."""


class Change(NamedTuple):
    """What a batch changed: minutes with new candles, and the interval whose losses are judged anew, if there is one."""

    starts: Starts
    reason: CandleReason
    judged: tuple[int, int] | None
    ignored: int
    """Candles too old for windows whose state may be gone."""


class History:
    """The vendor's candles and the results of one series."""

    def __init__(self) -> None:
        self.vendor = VendorBook()
        self.results = Results()
        self.told: dict[tuple[int, int], int] = {}
        """Version, as last told, of each candle above 1m that is made of vendor's rows alone, by (timeframe index, start)."""

    def take(self, frame: pl.DataFrame, bounds: Bounds) -> Change:
        """Take in one batch without a result before its last record, in offset order."""
        reason = cast(CandleReason, frame["origin"][0])
        candles = frame.filter(pl.col("record") == "candle")
        starts, ignored = np.empty(0, np.int64), 0
        if candles.height:
            wanted = self._wanted(candles, bounds)
            ignored = int(candles.height - wanted.sum())
            starts = self.vendor.add(rows_of(candles.filter(pl.Series(wanted))))
        judged = None
        if frame["record"][-1] == "result":
            judged = self._take_result(frame.row(-1, named=True))
        return Change(starts, reason, judged, ignored)

    def _wanted(self, candles: pl.DataFrame, bounds: Bounds) -> npt.NDArray[np.bool_]:
        # By the record and by what is known of gaps, never by what state happens to be left: a rebuild decides alike.
        start, received = candles["start"].to_numpy(), candles["receive_time"].to_numpy()
        end = start + BASE_US
        wanted: npt.NDArray[np.bool_] = received - end <= bounds.horizon_us
        wanted |= np.True_ if bounds.first is None else end <= bounds.first
        for a, b in bounds.away:
            wanted |= (start >= a) & (end <= b) & (received <= b + bounds.backfill_us)
        for gap_id in candles["gap_id"].drop_nulls().unique(maintain_order=True):
            place = place_of(gap_id)
            if place is None or place not in bounds.asked:
                continue
            known = self.results.of_gap.get(place)
            if known is not None and known.outcome == "complete":
                continue
            a, b = bounds.asked[place]
            answers = (candles["gap_id"] == gap_id).fill_null(value=False).to_numpy() & (end > a) & (start < b)
            answers &= received - a <= bounds.backfill_us
            if answers.any():
                self.results.note_candles(place, a)
            wanted |= answers
        return wanted

    def _take_result(self, record: Mapping[str, object]) -> tuple[int, int] | None:
        start, end = cast(int, record["start"]), cast(int, record["end"])
        if record["gap_id"] is None:
            news = record["outcome"] == "complete" and self.results.take_bootstrap(start, end)
            return (start, end) if news else None
        place = place_of(cast(str, record["gap_id"]))
        if place is None:
            return None
        result = Result(record["outcome"], start, end, cast(str, record["reason"]), cast("int | None", record["retry_at"]))  # type: ignore[arg-type]  # an enum of the schema
        return (min(place[1], start), end) if self.results.take(place, result) else None


def place_of(gap_id: str) -> Place | None:
    """Return the cause and beginning that a gap's id names; None if it is none."""
    parts = gap_id.rsplit("|", 2)
    if len(parts) != 3 or not parts[2].removeprefix("-").isdecimal():
        return None
    return cast(GapCause, parts[1]), int(parts[2])


def segments(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the frame in pieces that end with a result: what comes after a result does not count towards it."""
    at = 0
    for end in (frame["record"] == "result").arg_true().to_list():
        yield frame.slice(at, end + 1 - at)
        at = end + 1
    if at < frame.height:
        yield frame.slice(at)


def rows_of(candles: pl.DataFrame) -> Rows:
    """Return a vendor's candles as rows, in the same order."""
    if not candles.height:
        return NONE
    rows = np.zeros(candles.height, ROW)
    for name in ("start", "open", "high", "low", "close", "offset"):
        rows[name] = candles[name].to_numpy()
    rows["received"] = candles["receive_time"].to_numpy()
    rows["volume"] = candles["volume"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    rows["count"] = candles["trade_count"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    rows["seen"] = 1
    return rows
