"""PURE. What a provider's history is to the rest: one question is one request, its answer a page or an error with a fate.

A provider brings a `HistoryClient`; everything else (which question is next, limits, repeats, results, Kafka) is the same for
all and lies in the other modules of this package. How a client is used:

- It lives in one thread, the history's own, never the feed's. `ask` may wait for one reply, with a limit of its own (10 s).
- `ask` makes at most one request that counts against `limits`; what is left after it is `Page.rest`, asked when it is allowed.
- Candles are finished 1m windows: what ends later than `delay_us` before now is left out, and so may be what lies outside of
  the question; the caller drops both again. Minutes without a trade are absent.
- Trades (providers that give exact ones) need `trade_id`, `event_time`, `price`, `size`, `side`; `backfill`, receive time, epoch
  and sequence are the caller's. They are published to trades by the feed's loop, and stored before the result is written.
- A secret is in no text that leaves a client: reasons, errors, logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from producer.errors import ProducerError
from schemas.records import Gap, Price, Trade


class VendorCandle(NamedTuple):
    """One 1m window as the provider tells it; ``start`` in microseconds UTC. None: the provider does not give it."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None = None
    trade_count: int | None = None
    approximate: bool = False  # a mid made of the vendor's bid and ask candles


EVERYTHING = "*"
"""A scope: all symbols of the account."""


@dataclass(frozen=True)
class Limit:
    """At most ``requests`` in any ``seconds``."""

    requests: int
    seconds: float


@dataclass(frozen=True)
class Question:
    """What is wanted: the 1m windows that begin in [start, end) of one symbol; both microseconds UTC, whole minutes.

    ``gap`` is the gap to fill, None for a bootstrap: a client that fills with trades finds its exact borders there.
    ``cursor`` is the client's own, empty in the first question; it comes back in `Page.rest`.
    """

    symbol: str
    start: int
    end: int
    price: Price = "trade"
    gap: Gap | None = None
    cursor: str = ""


@dataclass(frozen=True)
class Page:
    """One reply, read.

    ``rest`` is what remains to be asked; None when the question is answered to its end.
    ``doubt`` says why the reply may be wrong although it is well formed (a provider that says "no data" at times); the same
    question is asked again before it is believed, and what both replies brought is taken.
    ``missing`` says why the provider has nothing for a part of the question (too old, no data at all): the result will be
    partial, or refused when nothing came. Minutes without a trade are not missing.
    """

    candles: tuple[VendorCandle, ...] = ()
    trades: tuple[Trade, ...] = ()
    rest: Question | None = None
    doubt: str = ""
    missing: str = ""


class BusyError(ProducerError):
    """Too many requests (429): ask nothing for `wait_s` (None: the provider did not say), then the same again."""

    def __init__(self, detail: str, wait_s: float | None = None) -> None:
        super().__init__(detail)
        self.wait_s = wait_s


class UnavailableError(ProducerError):
    """No usable reply (time-out, 5xx, broken body): the same again after a growing wait, a limited number of times."""


class RefusedError(ProducerError):
    """The provider will not give it: a result `refused` with this reason, no repeat before `retry_at`.

    Attributes:
        retry_at: when asking again can succeed, microseconds UTC; None = never.
        scope: "" = this question alone; else what `HistoryClient.scope` returns for every symbol that is refused with it,
            or `EVERYTHING`. Their questions are answered with the same result, unasked, until `retry_at`.
    """

    def __init__(self, reason: str, retry_at: int | None = None, scope: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_at = retry_at
        self.scope = scope


class HistoryClient(Protocol):
    """One provider's history over one account.

    ``limits``: of the account, all at once; the caller keeps them.
    ``longest_us``: the most that one question may span (the caller cuts longer ones, newest first).
    ``delay_us``: how long after its end a window's candle may still change or be missing at the provider.
    ``prices``: whose candles are loaded before live: ("trade",), or the prices of quotes.
    ``bootstrap_limit_us``: the most that may be loaded before live, whatever the settings say; None = as they say.
    """

    limits: tuple[Limit, ...]
    longest_us: int
    delay_us: int
    prices: tuple[Price, ...]
    bootstrap_limit_us: int | None

    def scope(self, symbol: str) -> str:
        """Return the part of the plan that `symbol` belongs to ("stock", "crypto"): refused together, by `RefusedError.scope`."""

    def ask(self, question: Question, now_us: int) -> Page:
        """Make one request and return what it brought.

        Args:
            question: never longer than `longest_us`, never newer than `delay_us` before now.
            now_us: the time, microseconds UTC.

        Raises:
            BusyError, UnavailableError, RefusedError: see there. Anything else is a mistake of ours and ends the process.
        """

    def close(self) -> None:
        """End sessions and sockets; nothing is asked afterwards."""
