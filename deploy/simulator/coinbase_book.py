"""PURE. What the fake Coinbase traded, by product and contiguous id: its frames, its REST pages, its candles."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from deploy.simulator.candles import Candles
from deploy.simulator.ledger import Entry
from deploy.simulator.market import Listing, Print

LISTINGS: tuple[Listing, ...] = (
    Listing("BTC-USD", "crypto", 20.0, 64_000.0, 2),
    Listing("ETH-USD", "crypto", 8.0, 3_100.0, 2),
    Listing("SOL-USD", "crypto", 3.0, 150.0, 2),
    Listing("ETH-BTC", "crypto", 0.5, 0.048, 5),
    Listing("DOGE-BTC", "crypto", 1 / 60, 0.00000345, 8),  # the quiet one, with prices that need eight decimals
)
PAGE = 1000
MAX_ROWS = 300  # a longer request is refused, not cut
GRANULARITIES = {60: "1", 300: "5", 900: "15", 3600: "60", 86_400: "D"}  # 21600 is real too; nobody here asks for it
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Match(Entry):
    """One trade. ``seam`` marks one that a connection was told as its last before the subscription."""

    trade_id: int = 0
    time_us: int = 0
    side: str = "buy"  # the maker's, as on the wire
    price_text: str = ""
    size_text: str = ""
    seam: bool = False


class Book:
    """All trades since the start; what was before is made up from the seed, as candles only."""

    def __init__(self, seed: int, start_s: float, listings: tuple[Listing, ...] = LISTINGS) -> None:
        self.listings = {listing.symbol: listing for listing in listings}
        self._random = Random(f"{seed}:book")  # noqa: S311 - a market, not a secret
        self._trades: dict[str, list[Match]] = {symbol: [] for symbol in self.listings}
        self._first_id = {symbol: 1_000_000 * n + 1 for n, symbol in enumerate(self.listings)}
        self._candles = Candles(seed, start_s)
        self._last_us = 0

    def trade(self, tick: Print, now_us: int) -> Match:
        """Take one print of the market into the book, under the product's next id."""
        listing = self.listings[tick.symbol]
        trades = self._trades[tick.symbol]
        time_us = self._last_us if tick.twin_of_last and trades else max(now_us, self._last_us + 1)
        if self._random.random() < 0.05:
            time_us = -(-time_us // 1000) * 1000  # told with three digits
        self._last_us = time_us
        price, size = f"{tick.p:.{listing.digits}f}", f"{tick.v:.8f}"
        made = Match(
            tick.symbol,
            time_us // 1000,
            float(price),
            float(size),
            now_us,
            trade_id=self._first_id[tick.symbol] + len(trades),
            time_us=time_us,
            side=self._random.choice(("buy", "sell")),
            price_text=price,
            size_text=size,
        )
        trades.append(made)
        self._candles.add(made.symbol, made.t, made.p, made.v)
        return made

    def newest(self, symbol: str) -> Match | None:
        """Return the product's last trade."""
        return self._trades[symbol][-1] if self._trades[symbol] else None

    def page(self, symbol: str, limit: int, after: int | None, before: int | None) -> list[dict[str, Any]]:
        """Return at most `limit` trades, newest first: those older than id `after`, newer than id `before`."""
        trades, first = self._trades[symbol], self._first_id[symbol]
        end = len(trades) if after is None else min(max(after - first, 0), len(trades))
        begin = 0 if before is None else max(before - first + 1, 0)
        # `before` alone gives the newest too, not those next to the id.
        return [_fields(match) for match in reversed(trades[max(begin, end - limit) : end])]

    def rows(self, symbol: str, granularity: int, first_s: int, last_s: int) -> list[list[float]]:
        """Return candles [time, low, high, open, close, volume], newest first, of windows that start in [first_s, last_s]."""
        columns = self._candles.answer(self.listings[symbol], GRANULARITIES[granularity], first_s, last_s)
        if columns["s"] != "ok":
            return []
        names = ("t", "l", "h", "o", "c", "v")
        return [list(row) for row in zip(*(columns[name] for name in names), strict=True)][::-1]

    def between(self, symbol: str, from_us: int, to_us: int) -> list[Match]:
        """Return the trades whose time lies in [from_us, to_us)."""
        trades = self._trades[symbol]
        first, end = (bisect_left(trades, us, key=lambda match: match.time_us) for us in (from_us, to_us))
        return trades[first:end]


def frame(kind: str, match: Match) -> dict[str, Any]:
    """Return the fields of a match or last_match frame."""
    return {
        "type": kind,
        "trade_id": match.trade_id,
        "maker_order_id": f"maker-{match.trade_id}",
        "taker_order_id": f"taker-{match.trade_id}",
        "side": match.side,
        "size": match.size_text,
        "price": match.price_text,
        "product_id": match.symbol,
        "sequence": match.trade_id * 7,
        "time": iso(match.time_us),
    }


def iso(us: int) -> str:
    """Return an instant as the venue writes it: six digits of a second, or three or none where the others are 0."""
    at = _EPOCH + timedelta(microseconds=us)
    digits = f".{at.microsecond:06d}" if at.microsecond % 1000 else f".{at.microsecond // 1000:03d}" if at.microsecond else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}{digits}Z"


def _fields(match: Match) -> dict[str, Any]:
    return {name: frame("match", match)[name] for name in ("trade_id", "side", "size", "price", "time")}
