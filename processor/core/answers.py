"""PURE. Vendors' candles and results that statuses have named, taken into their series a portion at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from processor.core.feed import Feed
from schemas.records import Price

if TYPE_CHECKING:
    from processor.core.partition import Partition

HISTORY_ROWS = 4_000
"""Vendor's candles taken in at once (our choice: about 0.1 s), so that a bootstrap never delays what is live."""


def act(partition: Partition, now: int) -> None:
    """Take in the next portion of what is due; `now` is the wall clock, microseconds."""
    left = HISTORY_ROWS
    while left and (due := partition.held.next_history(left)) is not None:
        left -= due.height
        by_series = due.partition_by("source", "symbol", "price", as_dict=True, maintain_order=True)
        for (source, symbol, price), part in by_series.items():
            _act_on(partition, partition.feed(str(source)), str(symbol), price, part, now)


def _act_on(partition: Partition, feed: Feed, symbol: str, price: Price, part: pl.DataFrame, now: int) -> None:
    if feed.replay or price not in ("trade", *partition.config.quote_prices):
        partition.out.ignored += part.height
        return
    series = partition.series_named(feed.source, symbol, price)
    partition.out.ignored += series.take_history(part)
    series.advance(feed.clock - partition.config.lateness_us)
    partition.settle(series, now)
