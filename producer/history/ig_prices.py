"""PURE. IG's historical prices (version 3), read: minutes of bid and ask, and what they cost.

Example: {"prices":[{"snapshotTime":"2020/10/12 21:50:00","snapshotTimeUTC":"2020-10-12T20:50:00","openPrice":{"bid":1.1,
"ask":1.2,"lastTraded":null},"closePrice":{...},"highPrice":{...},"lowPrice":{...},"lastTradedVolume":21}],
"metadata":{"allowance":{"remainingAllowance":9990,"totalAllowance":10000,"allowanceExpiry":604800},"size":1,
"pageData":{"pageSize":20,"pageNumber":1,"totalPages":1}}}. ``allowanceExpiry`` is the seconds until the week's points are whole
again. The local time beside the UTC one jumps and repeats with daylight saving: not used. Source: IG's REST reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from producer.history.protocol import UnavailableError, VendorCandle
from schemas.records import Price
from schemas.timeframes import SECOND

_PRICES = ("openPrice", "highPrice", "lowPrice", "closePrice")


@dataclass(frozen=True)
class Answer:
    """One reply: candles oldest first, minutes that lack a side, and the account's allowance (None where it is not told)."""

    candles: tuple[VendorCandle, ...]
    one_sided: int
    points: int
    pages: int
    remaining: int | None
    expiry_s: int | None


def local_time(us: int, offset_h: float) -> str:
    """Return an instant as a request names it: the session's local time, to the second."""
    return f"{datetime.fromtimestamp(us // SECOND, UTC) + timedelta(hours=offset_h):%Y-%m-%dT%H:%M:%S}"


def read(reply: Any, price: Price, scale: Decimal) -> Answer:
    """Return what a reply says about one price of the epic.

    Raises:
        UnavailableError: it is not what IG documents.
    """
    try:
        rows, metadata = reply["prices"], reply["metadata"]
        found = [_candle(row, price, scale) for row in rows]
        allowance = metadata.get("allowance") or {}
        pages = (metadata.get("pageData") or {}).get("totalPages", 1)
        remaining, expiry_s = allowance.get("remainingAllowance"), allowance.get("allowanceExpiry")
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError):
        raise UnavailableError("the reply is no prices") from None
    if not all(value is None or type(value) is int for value in (remaining, expiry_s)) or type(pages) is not int:
        raise UnavailableError("the reply's allowance is no number")
    candles = sorted(candle for candle in found if candle is not None)
    return Answer(tuple(candles), len(found) - len(candles), len(found), pages, remaining, expiry_s)


def _candle(row: dict[str, Any], price: Price, scale: Decimal) -> VendorCandle | None:
    at = datetime.strptime(row["snapshotTimeUTC"], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    values = [_value(row[name], price, scale) for name in _PRICES]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    # The highs of bid and ask need not be of one moment, so those of the mid are near, and not exact.
    return VendorCandle(int(at.timestamp()) * SECOND, known[0], known[1], known[2], known[3], approximate=price == "mid")


def _value(sides: dict[str, Any], price: Price, scale: Decimal) -> float | None:
    names = {"mid": ("bid", "ask"), "bid": ("bid",), "ask": ("ask",), "trade": ("lastTraded",)}[price]
    numbers = [sides[name] for name in names]
    if any(number is None for number in numbers):
        return None
    if not all(type(number) in (int, float) and 0 < number < 1e15 for number in numbers):
        raise ValueError
    # Decimal, so that the mid of 1.0831 and 1.0833 is 1.0832.
    total = sum((Decimal(repr(number)) for number in numbers), Decimal(0))
    return float(total / len(numbers) / scale)
