"""SHELL (HTTP). Coinbase Exchange's REST: exact trades for a hole, candles for the days before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import requests

from producer.backoff import retry_after_s
from producer.errors import RemoteError
from producer.history.coinbase_pages import PAGE, place_of, read_candles, read_trades, step
from producer.history.protocol import BusyError, Limit, Page, Question, RefusedError, UnavailableError
from schemas.records import Price
from schemas.timeframes import BASE_US, HOUR, MINUTE, SECOND

T = TypeVar("T")
TIMEOUT_S = 10.0
ROWS = 300
"""Candles of one request; more are refused."""
# Our choices. The provider allows 10 a second to an address, which others may share; its pages are some seconds behind at
# most; and trades may be as old as a day when they are merged, of which a long walk through pages needs a part.
LIMITS = (Limit(8, 1.0),)
DELAY_US = 5 * SECOND
SKEW_US = 5 * SECOND  # between the venue's clock and ours, and for trades on their way when a connection broke
EXACT_US = 23 * HOUR
BLOCKED_US = HOUR  # public data is refused to an address, not to an account: it may be allowed again

Known = Callable[[str, int], frozenset[str]]
"""(symbol, since, microseconds UTC) -> the ids of its trades that stand in Kafka since then."""


class CoinbaseHistory:
    """One session without a key. A gap younger than a day is filled with its very trades, an older one with candles."""

    limits: tuple[Limit, ...] = LIMITS
    longest_us = ROWS * MINUTE
    delay_us = DELAY_US
    prices: tuple[Price, ...] = ("trade",)
    bootstrap_limit_us: int | None = None

    def __init__(self, url: str, source: str, known: Known) -> None:
        self._url = url.rstrip("/")
        self._source = source
        self._known = known
        self._session = requests.Session()
        self._asked: tuple[str, frozenset[str]] = ("", frozenset())  # the gap being filled, and what is known of it

    def scope(self, symbol: str) -> str:
        """Return nothing in particular: all products are free to everybody."""
        return ""

    def ask(self, question: Question, now_us: int) -> Page:
        """Make one request; see `HistoryClient.ask`."""
        gap = question.gap
        if gap is None or gap.to_time is None or gap.from_time < now_us - EXACT_US:
            return self._candles(question, now_us)
        first_window = gap.from_time // BASE_US * BASE_US
        if not question.cursor and question.start < first_window:
            # Minutes before the gap, which a bootstrap left to us: nothing was received in them, so candles do.
            before = self._candles(replace(question, end=min(first_window, question.end)), now_us)
            if question.end <= first_window:
                return before
            return replace(before, rest=replace(question, start=first_window, cursor="trades"))
        # A gap has borders of our clock, trades have times of the venue's. What is not in Kafka around them is missing too;
        # only before the first sight it is not ours.
        early_us = 0 if gap.cause == "partial_start" else SKEW_US
        from_us = gap.from_time - early_us if question.start <= gap.from_time else question.start
        to_us = gap.to_time + SKEW_US if question.end >= gap.to_time else question.end
        return self._trades(question, from_us, to_us, now_us)

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def _trades(self, question: Question, from_us: int, to_us: int, now_us: int) -> Page:
        assert question.gap is not None
        place = place_of(question.cursor)
        limits: dict[str, str | int] = {"limit": PAGE} if place.after is None else {"limit": PAGE, "after": place.after}
        rows = self._get(question.symbol, "trades", limits, now_us)
        trades, unusable = _read(lambda: read_trades(self._source, question.symbol, rows, now_us))
        found = step(trades, place, from_us, to_us)
        known = self._known_of(question.gap.gap_id, question.symbol, question.gap.from_time) if found.trades else frozenset()
        return Page(
            trades=tuple(trade for trade in found.trades if trade.trade_id not in known),
            rest=None if found.rest is None else replace(question, cursor=str(found.rest)),
            missing=f"{unusable} trades of the provider were not usable" if unusable else found.missing,
        )

    def _known_of(self, gap_id: str, symbol: str, since_us: int) -> frozenset[str]:
        # Read once a gap: what this process publishes meanwhile, the source knows by itself.
        if self._asked[0] != gap_id:
            self._asked = (gap_id, self._known(symbol, since_us))
        return self._asked[1]

    def _candles(self, question: Question, now_us: int) -> Page:
        span = {"granularity": 60, "start": _iso(question.start), "end": _iso(question.end - BASE_US)}
        rows = self._get(question.symbol, "candles", span, now_us)
        return Page(candles=_read(lambda: read_candles(rows)))

    def _get(self, symbol: str, what: str, query: dict[str, Any], now_us: int) -> object:
        url = f"{self._url}/products/{quote(symbol, safe='')}/{what}"
        try:
            answer = self._session.get(url, params=query, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            raise UnavailableError(f"{type(error).__name__}") from None
        status = answer.status_code
        if status == 429:
            raise BusyError("the provider wants fewer requests", retry_after_s(answer.headers.get("Retry-After"), now_us))
        if status == 404:
            raise RefusedError("the venue does not know the product")
        if status in (401, 403):
            raise RefusedError(f"HTTP {status}: {_message(answer)}", now_us + BLOCKED_US)
        if status == 400:
            raise RefusedError(f"HTTP {status}: {_message(answer)}")
        if status != 200:
            raise UnavailableError(f"HTTP {status}")
        return _json(answer)


def _iso(us: int) -> str:
    return datetime.fromtimestamp(us // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(answer: requests.Response) -> object:
    try:
        body: object = answer.json()
    except (ValueError, RecursionError):
        raise UnavailableError("the reply is no JSON") from None
    return body


def _message(answer: requests.Response) -> str:
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return "no reason given"
    said = body.get("message") if type(body) is dict else None
    return said[:200] if type(said) is str else "no reason given"


def _read(reading: Callable[[], T]) -> T:
    try:
        return reading()
    except RemoteError as error:
        raise UnavailableError(str(error)) from None
