"""SHELL (HTTP). Finnhub's candles by the provider's own library: one request a question, no retry, no secret in any text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import finnhub
import requests

from producer.backoff import retry_after_s
from producer.history.finnhub_candles import kind_of, page_of, parse, plan_of, span_of
from producer.history.protocol import EVERYTHING, BusyError, Limit, Page, Question, RefusedError, UnavailableError
from producer.scrub import scrubber
from producer.secret import Secret
from schemas.records import Price
from schemas.timeframes import DAY, HOUR, MINUTE, SECOND

# Our choices, with the reason beside each.
PER_SECOND = 25  # the provider cuts off at 30 in a second, on every plan; what leaves us evenly may arrive in heaps
PLAN_US = 12 * HOUR  # a plan does not change sooner
KEY_US = 15 * MINUTE  # a key that is wrong is replaced by people, and soon
MAX_TEXT = 160


class FinnhubHistory:
    """One account's candles; see `producer.history.protocol.HistoryClient`."""

    prices: tuple[Price, ...] = ("trade",)
    # The provider gives about a month a request, of currencies at times two days (issues 406, 445, 491); a week is 10,000 rows,
    # some hundred kilobytes, which come within its time-out.
    longest_us = 7 * DAY
    bootstrap_limit_us: int | None = None

    def __init__(self, url: str, secret: Secret, *, per_minute: int, delay_s: float) -> None:
        # The library's address is a class attribute; a subclass changes it for this client alone.
        kind: type[Any] = type("Client", (finnhub.Client,), {"API_URL": url.rstrip("/")})
        self._client = kind(secret.read())
        self._secret = secret
        self._without = scrubber(secret.known)
        self.limits: tuple[Limit, ...] = (Limit(per_minute, 60.0), Limit(PER_SECOND, 1.0))
        self.delay_us = int(delay_s * SECOND)

    def scope(self, symbol: str) -> str:
        """Return the kind of the symbol, with its exchange where it names one: what a plan includes or not."""
        return plan_of(symbol)

    def ask(self, question: Question, now_us: int) -> Page:
        """Ask for the candles of one span; see `HistoryClient.ask`."""
        kind = kind_of(question.symbol)
        call = getattr(self._client, f"{kind}_candles")
        first_s, last_s = span_of(question, now_us)
        self._client.api_key = self._secret.read()
        try:
            reply = call(question.symbol, "1", first_s, last_s)
        except finnhub.FinnhubAPIException as error:
            raise self._error(error.status_code, str(error.message), error.response.headers, question.symbol, now_us) from None
        except finnhub.FinnhubRequestException:
            raise UnavailableError("the reply is neither JSON nor text") from None
        except requests.RequestException as error:
            # Its text holds the URL, and so the key.
            raise UnavailableError(f"no reply: {type(error).__name__}") from None
        except (
            Exception
        ) as error:  # its parsers raise what they meet, where a reply is JSON of another kind: a peer, not our code
            raise UnavailableError(f"a reply that the library cannot read: {type(error).__name__}") from None
        if type(reply) is str:
            raise UnavailableError(f"a text instead of candles: {self._clean(reply)}")
        return page_of(parse(reply, kind), question, now_us)

    def close(self) -> None:
        """Close the connection that is kept open between requests."""
        self._client.close()

    def _error(self, status: int, text: str, headers: Mapping[str, str], symbol: str, now_us: int) -> Exception:
        said = self._clean(text)
        if status == 401:
            return RefusedError(f"the key is not accepted: {said}", now_us + KEY_US, EVERYTHING)
        if status == 403:
            return RefusedError(f"not entitled to {plan_of(symbol)} candles: {said}", now_us + PLAN_US, plan_of(symbol))
        if status == 429:
            return BusyError(said, retry_after_s(headers.get("Retry-After"), now_us) or _reset_s(headers, now_us))
        if status in (400, 404, 422):
            return RefusedError(f"the provider does not know what was asked: {said}")
        return UnavailableError(f"HTTP {status}: {said}")

    def _clean(self, text: str) -> str:
        return self._without(" ".join(text.split()))[:MAX_TEXT]


def _reset_s(headers: Mapping[str, str], now_us: int) -> float | None:
    # Seen in practice, not documented: used where it is there, never needed.
    try:
        wait_s = float(headers.get("X-Ratelimit-Reset", "")) - now_us / SECOND
    except ValueError:
        return None
    return wait_s if 0 < wait_s < 3600 else None
