"""PURE. A batch of trades or quotes folded into the windows of its series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from processor.core import runs
from processor.core.columns import Columns, too_late
from processor.core.numbers import Range, ranges_of
from processor.core.ohlcv import Partial, Window
from processor.core.series import Fit, Series
from schemas.records import CandleReason, Price, series_of
from schemas.timeframes import BASE_US

if TYPE_CHECKING:
    from processor.core.partition import Partition

Before = dict[tuple[str, int, int], int]
"""Offset of the last record that a window (series, timeframe index, start) held before a batch."""


def take(partition: Partition, kind: str, frame: pl.DataFrame, now: int) -> None:
    """Take in a batch; see `Partition.take`."""
    if not frame.height:
        return
    # For the whole batch, for its parts are taken in one after the other.
    before: Before | None = {} if int(frame["offset"][0]) <= partition.restored_to else None
    numbers = list(ranges_of(frame))
    late = frame.select(too_late(kind, partition.config.horizon_us, partition.config.backfill_us)).to_series()
    if late.any():
        partition.out.too_late(kind, frame.filter(late), "horizon")
        frame = frame.filter(~late)
    replay = frame["replay"]
    if replay.any():
        _take_replayed(partition, kind, frame.filter(replay), now, before)
        frame = frame.filter(~replay)
    touched: dict[str, Series] = {}
    if kind == "trades" and frame["backfill"].any():
        touched |= _merge(partition, kind, frame.filter("backfill"), now, before, "backfill")
        frame = frame.filter(~pl.col("backfill"))
    touched |= _merge(partition, kind, frame, now, before)
    # Only now: with half of a batch merged a series would seem to know of its newest record.
    _settle(partition, touched, now)
    _take_numbers(partition, kind, numbers)


def _take_replayed(partition: Partition, kind: str, frame: pl.DataFrame, now: int, before: Before | None) -> None:
    # A replay's run is an epoch. One run after the other, for whether one may begin depends on those before it.
    for (source, epoch), part in sorted(frame.partition_by("source", "epoch", as_dict=True).items()):
        if runs.may_begin(partition, str(source), epoch):
            fold(partition, kind, part, now, before)
        else:
            partition.held.add_run(str(source), (kind, part))


def fold(partition: Partition, kind: str, frame: pl.DataFrame, now: int, before: Before | None) -> None:
    """Fold records that are all of one run into their series, and settle these.

    Args:
        partition: whose records.
        kind: ``trades`` or ``quotes``.
        frame: the records.
        now: wall clock, microseconds.
        before: kept for a batch that may overlap restored state; None: none of it is held yet.
    """
    _settle(partition, _merge(partition, kind, frame, now, before), now)


def _merge(
    partition: Partition,
    kind: str,
    frame: pl.DataFrame,
    now: int,
    before: Before | None,
    reason: CandleReason = "late_trade",
) -> dict[str, Series]:
    # Records that are all live, or all of one run; returns the series that have new ones.
    touched: dict[str, Series] = {}
    for price in ("trade",) if kind == "trades" else partition.config.quote_prices:
        if frame.height:
            touched |= _merge_price(partition, kind, frame, price, now, before, reason)
    return touched


def _settle(partition: Partition, touched: Mapping[str, Series], now: int) -> None:
    for series in touched.values():
        if partition.caught_up:
            series.advance(series.mark - partition.config.lateness_us)
        partition.settle(series, now)


def _take_numbers(partition: Partition, kind: str, numbers: list[tuple[str, int, Range]]) -> None:
    prices = ("trade",) if kind == "trades" else partition.config.quote_prices
    for key, epoch, seen in numbers:
        for price in prices:
            series = partition.series.get(key if price == "trade" else f"{key}@{price}")
            if series is not None and series.numbers.take(epoch, seen):
                series.dirty = True
                partition.dirty_series.add(series.name)


def _merge_price(
    partition: Partition, kind: str, frame: pl.DataFrame, price: Price, now: int, before: Before | None, reason: CandleReason
) -> dict[str, Series]:
    config = partition.config
    columns = Columns(frame, price, config.lateness_us)
    run = int(frame["epoch"][0]) if frame["replay"][0] else None
    fit = None if before is None else _fit(partition, columns, before)
    touched: dict[str, Series] = {}
    refused: set[str] = set()
    for index in range(config.base, -1, -1):  # 1m first: it decides what is refused
        length = config.timeframes[index].us
        for key, partial in columns.partials(length):
            series = touched.get(key)
            if series is None:
                if key in refused:
                    continue
                named = _series_for(partition, kind, frame, key, price, run, now)
                if named is None:
                    refused.add(key)
                    continue
                series = touched[key] = named
            if partial.start + length <= series.floor and partial.start not in series.frames[index].windows:
                if index == config.base:
                    _state_gone(partition, kind, frame, key, partial.start, series.known)
                continue
            series.add(index, partial, fit, reason)
    return {series.name: series for series in touched.values()}


def _series_for(
    partition: Partition, kind: str, frame: pl.DataFrame, key: str, price: Price, run: int | None, now: int
) -> Series | None:
    source, _, symbol = key.partition(":")
    if run is None:
        return partition.series_named(source, symbol, price)
    if runs.is_over(partition, source, run) or runs.is_told(partition, series_of(source, symbol, price), run):
        return None  # read again after a crash: this run is finished and told
    series = runs.series_of_run(partition, source, symbol, price, run, now)
    if series is None:
        partition.out.too_late(kind, frame.filter(pl.col("key") == key), "superseded_run")
    return series


def _state_gone(partition: Partition, kind: str, frame: pl.DataFrame, key: str, start: int, known: int) -> None:
    time = pl.col("event_time")
    gone = (pl.col("key") == key) & (time >= start) & (time < start + BASE_US)
    rows = frame.filter(gone & (pl.col("offset") > known))
    if rows.height:
        partition.out.too_late(kind, rows, "state_gone")


def _fit(partition: Partition, columns: Columns, before: Before) -> Fit:
    # A window restored from a snapshot may hold some of this batch: only what lies above the offset it held
    # before the batch is new to it. These offsets are remembered for the whole batch, for absorbing moves them on.
    def fit(series: Series, index: int, start: int, window: Window | None, partial: Partial) -> Partial | None:
        place = (series.name, index, start)
        if place not in before:
            before[place] = -1 if window is None else window.offset
        offset = before[place]
        if partial.offset_min > offset:
            return partial
        if partial.offset_max <= offset:
            return None
        length = min(BASE_US, partition.config.timeframes[index].us)
        key = series.name if series.price == "trade" else series.name.removesuffix(f"@{series.price}")
        return columns.partial_after(key, partial.start, length, offset)

    return fit
