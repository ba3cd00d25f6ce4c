"""PURE. Coinbase's REST pages: from a hole in time to the pages of trades that cover it, and candles out of rows.

Trades can only be asked for by id, newest first: the ids under `after`. So a hole is first sought (the newest page, then a
guess from its pace, then halves) and then walked through, page by page, from new to old. Ids grow with time but for
neighbours, which is why a page's part is cut by its ids, not trade by trade.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from producer.errors import RemoteError
from producer.history.protocol import VendorCandle
from producer.sources.coinbase_trade import trade_of
from schemas.records import Trade
from schemas.timeframes import SECOND

PAGE = 1000
"""The most trades of one page; the provider's limit."""


@dataclass(frozen=True)
class Place:
    """Where in a product's ids the next page is asked. As a text it is a question's cursor.

    Attributes:
        after: ask for ids below this; None = the newest page.
        low: an id known to be older than the hole's end, 0 = none.
        high: an id known to be newer than the hole's end, None = none.
        is_found: the hole's end lies directly below `after`: walk.
    """

    after: int | None = None
    low: int = 0
    high: int | None = None
    is_found: bool = False

    def __str__(self) -> str:
        return f"trades:{self.after or ''}:{self.low}:{self.high or ''}:{int(self.is_found)}"


def place_of(cursor: str) -> Place:
    """Return the place that a cursor made of one names; the beginning for any other text."""
    kind, *parts = cursor.split(":")
    if kind != "trades" or len(parts) != 4:
        return Place()
    after, low, high, is_found = parts
    return Place(int(after) if after else None, int(low), int(high) if high else None, is_found == "1")


@dataclass(frozen=True)
class Step:
    """What a page brought: ``trades`` of the hole, ``rest`` where to go on (None: at its end), ``missing`` what is wrong."""

    trades: tuple[Trade, ...] = ()
    rest: Place | None = None
    missing: str = ""


def read_trades(source: str, symbol: str, rows: object, now_us: int) -> tuple[list[Trade], int]:
    """Return the trades of a page, by id, and how many of its rows were not usable.

    Raises:
        RemoteError: the page is no list.
    """
    trades: dict[int, Trade] = {}
    unusable = 0
    for row in _list(rows):
        try:
            trade = trade_of(source, symbol, row if isinstance(row, Mapping) else {}, now_us, backfill=True)
        except RemoteError:
            unusable += 1
        else:
            trades[trade.venue_sequence or 0] = trade
    return [trades[number] for number in sorted(trades)], unusable


def step(trades: list[Trade], place: Place, from_us: int, to_us: int) -> Step:
    """Take a page that was asked for at `place`.

    Args:
        trades: what it held, by id.
        place: where it was asked.
        from_us: the hole's first moment, microseconds UTC.
        to_us: the hole's end; trades of exactly that moment belong to it, for they may be those that are missing.
    """
    if not trades:
        # Nothing is older: that is the product's beginning, or a guess below it.
        if place.is_found or place.high is None or place.after is None:
            return Step()
        return Step(rest=_between(replace(place, low=max(place.low, place.after - 1))))
    oldest, newest = trades[0], trades[-1]
    if not place.is_found:
        if oldest.event_time > to_us:
            return Step(rest=_older(trades, place, to_us))
        if place.high is not None and newest.event_time <= to_us and _id(newest) < place.high - 1:
            return Step(rest=_between(replace(place, low=_id(newest))))
    inside = [at for at, trade in enumerate(trades) if from_us <= trade.event_time <= to_us]
    part = tuple(trades[inside[0] : inside[-1] + 1]) if inside else ()
    rest = None if oldest.event_time < from_us or _id(oldest) <= 1 else Place(_id(oldest), is_found=True)
    # The row after the part too: a page may end where ids are left out.
    skipped = next((f"{_id(a) + 1} to {_id(b) - 1}" for a, b in pairwise(trades) if _id(b) > _id(a) + 1), "")
    if not skipped and place.is_found and place.after is not None and _id(newest) < place.after - 1:
        skipped = f"{_id(newest) + 1} to {place.after - 1}"
    return Step(part, rest, f"the venue's own pages leave out the ids {skipped}" if skipped else "")


def read_candles(rows: object) -> tuple[VendorCandle, ...]:
    """Return the candles of rows such as [1787628960, 80690.0, 80702.5, 80691.5, 80700.0, 1.25]: time, low, high, open, close,
    volume; times in seconds. Rows that are no such thing are given as a candle that its reader finds unsound.

    Raises:
        RemoteError: it is no list.
    """
    return tuple(_candle(row) for row in _list(rows))


def _older(trades: list[Trade], place: Place, to_us: int) -> Place:
    # All of the page is newer than the hole: guess by its pace, unless the hole lies between two places already.
    oldest, newest = trades[0], trades[-1]
    there = replace(place, high=_id(oldest))
    if place.low:
        return _between(there)
    took_us = newest.event_time - oldest.event_time
    pace = (_id(newest) - _id(oldest)) / took_us if took_us > 0 else 0.0
    guess = max(1, _id(oldest) - int((oldest.event_time - to_us) * pace))
    return replace(there, after=guess if _id(oldest) - guess > PAGE else _id(oldest))


def _between(place: Place) -> Place:
    assert place.high is not None
    # One page is enough for what is between; else halves, which end because both borders are known ids.
    close = place.high - place.low - 1 <= PAGE
    return replace(place, after=place.high if close else (place.low + place.high) // 2, is_found=close)


def _id(trade: Trade) -> int:
    return trade.venue_sequence or 0


def _list(rows: object) -> list[Any]:
    if type(rows) is not list:
        raise RemoteError("bad_data", "a list was expected")
    return rows


def _candle(row: Any) -> VendorCandle:
    if type(row) is not list or len(row) != 6 or not all(_is_number(value) for value in row):
        return VendorCandle(-1, 0.0, 0.0, 0.0, 0.0)
    at_s, low, high, begin, end, volume = row
    return VendorCandle(int(at_s * SECOND), float(begin), float(high), float(low), float(end), float(volume))


def _is_number(value: object) -> bool:
    return (type(value) is int or type(value) is float) and abs(value) < 1e15  # false for NaN too
