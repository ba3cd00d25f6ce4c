"""SHELL (ccxt). The past of any exchange that ccxt reads candles from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from producer.history.ccxt_candles import LONGEST_US, ROWS, page_of, read_candles, since_of
from producer.history.protocol import BusyError, Limit, Page, Question, RefusedError, UnavailableError
from producer.scrub import scrub
from schemas.records import Price
from schemas.timeframes import SECOND

DELAY_US = 10 * SECOND  # our choice: exchanges' candles are done some seconds after the minute
_BUSY = ("RateLimitExceeded", "DDoSProtection")
_REFUSED = ("AuthenticationError", "PermissionDenied", "BadSymbol", "NotSupported", "AccountSuspended")


class CcxtHistory:
    """One client of the library, which waits before questions as the exchange's documented rate demands."""

    longest_us = LONGEST_US
    delay_us = DELAY_US
    prices: tuple[Price, ...] = ("trade",)
    bootstrap_limit_us: int | None = None

    def __init__(self, make: Callable[[], Any], secrets: tuple[str, ...]) -> None:
        self._exchange = make()
        self._secrets = secrets
        self.limits: tuple[Limit, ...] = (Limit(1, max(0.05, float(self._exchange.rateLimit or 0) / 1000)),)

    def scope(self, symbol: str) -> str:
        """Return nothing in particular: what an exchange refuses, it refuses by symbol."""
        return ""

    def ask(self, question: Question, now_us: int) -> Page:
        """Make one request; see `HistoryClient.ask`."""
        try:
            rows = self._exchange.fetch_ohlcv(question.symbol, "1m", since_of(question) // 1000, ROWS)
        except Exception as error:  # the library raises what its parsers meet, TypeError included: it is a peer, not our code
            raise self._fate(error) from None
        return page_of(read_candles(rows), question, now_us)

    def close(self) -> None:
        """End the session."""
        session = getattr(self._exchange, "session", None)
        if session is not None:
            session.close()

    def _fate(self, error: Exception) -> Exception:
        text = f"{type(error).__name__}: {error}"
        for secret in self._secrets:
            text = scrub(text, secret)
        text = text[:300]
        names = [kind.__name__ for kind in type(error).__mro__]
        if any(name in names for name in _BUSY):
            return BusyError(text)
        return RefusedError(text) if any(name in names for name in _REFUSED) else UnavailableError(text)
