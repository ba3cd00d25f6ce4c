"""PURE. Finnhub's candle replies, and what one says about the question. Source: the provider's page "Stock Candles", its issues.

Example: {"c":[189.7],"h":[189.9],"l":[189.5],"o":[189.5],"s":"ok","t":[1700000040],"v":[1234]}; `t` is a window's start, seconds
UTC, ascending. Nothing there: {"s":"no_data"}, or all columns null with it (forex). The same request flaps between both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from producer.history.protocol import Page, Question, UnavailableError, VendorCandle
from schemas.timeframes import BASE_US, HOUR, MINUTE, SECOND

Kind = Literal["stock", "crypto", "forex"]
FOREX = frozenset(
    ("OANDA", "FXCM", "FOREX", "FOREX.COM", "FXPRO", "IC MARKETS", "ICM", "ICMTRADER", "PEPPERSTONE", "EIGHTCAP", "SAXO", "FXPIG")
)
"""Exchanges of currency pairs, as the provider names them before the colon; every other exchange trades crypto."""
AROUND_US = 2 * HOUR
"""Our choice. What lies before and after a gap is asked for too: candles vanish depending on the requested span (issue 450), and
an empty minute between others had no trade, while an empty reply may mean that there is no data at all. Costs no request."""
RECENT_US = 10 * MINUTE
"""A newest window that is missing is doubted this long: the provider may be behind."""


def kind_of(symbol: str) -> Kind:
    """Return which of the three addresses has the symbol's candles: ``AAPL``, ``BINANCE:BTCUSDT``, ``OANDA:EUR_USD``."""
    exchange, colon, _ = symbol.partition(":")
    if not colon:
        return "stock"
    return "forex" if exchange.upper() in FOREX else "crypto"


def plan_of(symbol: str) -> str:
    """Return the part of a plan that a symbol belongs to: its kind, and the exchange, where the symbol names one.

    Plans hold US stocks without those of other exchanges (``BMW.DE``), so one that is refused says nothing of the others. A
    class of shares (``BRK.B``) looks like an exchange, which costs a request.
    """
    exchange, colon, _ = symbol.partition(":")
    _, dot, suffix = symbol.rpartition(".")
    place = exchange if colon else dot + suffix if dot else ""
    return f"{kind_of(symbol)} {place}".strip()


def span_of(question: Question, now_us: int) -> tuple[int, int]:
    """Return ``from`` and ``to`` of the request, seconds UTC; more than is wanted, so an exclusive `to` would not matter."""
    last_us = min(question.end + AROUND_US, now_us)
    return (question.start - AROUND_US) // SECOND, last_us // SECOND


def parse(reply: Any, kind: Kind) -> list[VendorCandle]:
    """Return the candles of a reply, oldest first; empty for ``no_data``.

    Raises:
        UnavailableError: it is not what the provider documents.
    """
    if type(reply) is not dict or reply.get("s") not in ("ok", "no_data"):
        raise UnavailableError("the reply is no candles")
    if reply["s"] == "no_data":
        return []
    columns = [reply.get(name) for name in "tohlcv"]
    if not all(type(column) is list for column in columns) or len({len(column or ()) for column in columns}) != 1:
        raise UnavailableError("the reply's columns are not of one length")
    if not all(_are_numbers(column or ()) for column in columns):
        raise UnavailableError("the reply's columns are no numbers")
    starts, opens, highs, lows, closes, volumes = (column or [] for column in columns)
    if any(type(t) is not int or not 0 <= t < 1 << 40 for t in starts):
        raise UnavailableError("the reply's times are no seconds")
    rows = zip(starts, opens, highs, lows, closes, volumes, strict=True)
    # A volume of forex counts quotes, and is no volume.
    candles = [VendorCandle(t * SECOND, o, h, low, c, None if kind == "forex" else v) for t, o, h, low, c, v in rows]
    return sorted(candles)


def page_of(candles: Sequence[VendorCandle], question: Question, now_us: int) -> Page:
    """Return what a reply to `question` says.

    A longer request than the provider likes is cut, silently, and keeps its newest part: what is older than the first candle is
    asked again. That reply holds the candles known already, for it looks around too, and so tells whether there is anything
    older; an empty one is "no data" coming and going.
    """
    known = [candle for candle in candles if candle.start < question.end]
    if not known:
        # Only later ones: the provider answers for this time and symbol, and there was no trade. None at all: it may be wrong.
        return Page() if candles else Page(doubt="no data", missing="the provider has no data of that time")
    first = known[0].start // BASE_US * BASE_US
    rest = replace(question, end=first) if first > question.start else None
    doubt = ""
    if question.gap is not None and candles[-1].start < question.end - BASE_US and question.end > now_us - RECENT_US:
        doubt = "the newest window is missing"
    return Page(tuple(known), rest=rest, doubt=doubt)


def _are_numbers(column: Sequence[object]) -> bool:
    return all(type(x) in (int, float) for x in column) and all(abs(x) < 1e300 for x in column if type(x) is int)
