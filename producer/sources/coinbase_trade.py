"""PURE. One trade of Coinbase Exchange, as the feed's matches and the REST pages spell it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from producer.errors import RemoteError
from schemas.records import Side, Trade
from schemas.timeframes import DAY, SECOND

# Our choice: older or newer is a wrong unit or a broken clock.
OLDEST_US = 7 * DAY
AHEAD_US = 60 * SECOND
_NUMBER = re.compile(r"[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MAX_ID = 2**63 - 1
_TAKER: dict[str, Side] = {"sell": "buy", "buy": "sell"}  # a resting sell was taken by a buyer


def trade_of(source: str, symbol: str, fields: Mapping[str, Any], now_us: int, *, backfill: bool = False) -> Trade:
    """Return the trade in `fields`, a match frame or an element of a REST page.

    Both spell `trade_id` (a number), `price` and `size` (texts), `side` (the maker's) and `time` alike. The id is the order
    within the product too: REST knows no `sequence`, and a trade must be the same from both.

    Args:
        source: who tells it.
        symbol: the product.
        fields: what the venue said.
        now_us: receive time, microseconds UTC.
        backfill: whether it was fetched after the fact; then it may be of any age.

    Raises:
        RemoteError: a field is missing or wrong; ``reason`` is one of missing_field, bad_id, bad_price, bad_size, bad_time.
    """
    number = identity(fields, "trade_id", symbol)
    return Trade(
        source=source,
        symbol=symbol,
        event_time=event_time(fields, symbol, None if backfill else now_us),
        receive_time=now_us,
        price=_number(fields, "price", "bad_price", symbol),
        size=_number(fields, "size", "bad_size", symbol),
        side=_side(fields.get("side")),
        trade_id=str(number),
        venue_sequence=number,
        backfill=backfill,
    )


def identity(fields: Mapping[str, Any], name: str, symbol: str, lowest: int = 1) -> int:
    """Return the trade id in the field `name`.

    Raises:
        RemoteError: it is missing, or no 64-bit integer of at least `lowest`.
    """
    value = fields.get(name)
    if type(value) is not int or not lowest <= value <= _MAX_ID:
        raise RemoteError("bad_id" if name in fields else "missing_field", f"{name}: a trade id is needed", symbol)
    return value


def event_time(fields: Mapping[str, Any], symbol: str, now_us: int | None) -> int:
    """Return `time` in microseconds UTC; at `now_us`, if given, it has to be plausible.

    Raises:
        RemoteError: it is missing, no time such as 2026-08-25T03:35:57.096368Z (0 to 9 digits of a second), or implausible.
    """
    text = fields.get("time")
    if type(text) is not str or not _TIME.fullmatch(text):
        raise RemoteError("bad_time" if "time" in fields else "missing_field", "time: ISO 8601 UTC is needed", symbol)
    try:
        event = (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except ValueError as error:
        raise RemoteError("bad_time", f"time: {error}", symbol) from None
    if event <= 0 or (now_us is not None and not now_us - OLDEST_US <= event <= now_us + AHEAD_US):
        raise RemoteError("bad_time", "time: more than 7 days old, or 60 s ahead: a broken clock", symbol)
    return event


def _side(makers: object) -> Side:
    return _TAKER.get(makers, "unknown") if type(makers) is str else "unknown"


def _number(fields: Mapping[str, Any], name: str, reason: str, symbol: str) -> float:
    text = fields.get(name)
    if type(text) is not str or not _NUMBER.fullmatch(text):
        raise RemoteError(reason if name in fields else "missing_field", f"{name}: a number as a text is needed", symbol)
    number = float(text)
    if not 0.0 < number < inf:
        raise RemoteError(reason, f"{name}: has to be finite and above 0", symbol)
    return number
