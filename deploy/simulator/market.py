"""PURE. A seeded market: several symbols of different pace, whose prints become due as time passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

MAX_AT_ONCE = 500  # prints of one symbol in one step; after a pause of the process the rest of its backlog is skipped


@dataclass(frozen=True)
class Listing:
    """One symbol. ``per_second`` is its mean pace; ``move`` the standard deviation of a step, relative to the price."""

    symbol: str
    kind: Literal["crypto", "stock", "forex"]
    per_second: float
    price: float
    digits: int
    move: float = 0.0001

    @property
    def has_volume(self) -> bool:
        """Tell whether its prints are trades; FX gives price updates, of volume 0."""
        return self.kind != "forex"


LISTINGS: tuple[Listing, ...] = (
    Listing("BINANCE:BTCUSDT", "crypto", 30.0, 64_000.0, 2),
    Listing("BINANCE:ETHUSDT", "crypto", 12.0, 3_100.0, 2),
    Listing("COINBASE:SOL-USD", "crypto", 4.0, 150.0, 2),
    Listing("AAPL", "stock", 6.0, 228.0, 2),
    Listing("MSFT", "stock", 2.0, 415.0, 2),
    Listing("OANDA:EUR_USD", "forex", 5.0, 1.0832, 5, 0.00002),
    Listing("OANDA:GBP_USD", "forex", 1.0, 1.2654, 5, 0.00002),
    Listing("IC MARKETS:1", "crypto", 1 / 180, 9.75, 3),  # the quiet one, with a space in its name, as real ones have
)


def paced(listings: Sequence[Listing], factor: float) -> tuple[Listing, ...]:
    """Return the listings, each `factor` times as busy; one symbol moves by at most `MAX_AT_ONCE` prints a step."""
    return tuple(replace(listing, per_second=listing.per_second * factor) for listing in listings)


@dataclass(frozen=True)
class Print:
    """One thing the venue tells: ``v`` 0 is a price update. ``twin_of_last`` marks a genuine equal of the print before."""

    symbol: str
    p: float
    v: float
    c: tuple[str, ...] | None
    twin_of_last: bool = False


class Market:
    """The state of all listings. The same seed gives the same prints in the same order, however often time is looked at."""

    def __init__(self, seed: int, start_s: float, listings: Sequence[Listing] = LISTINGS) -> None:
        self.listings = {listing.symbol: listing for listing in listings}
        self._random = {s: Random(f"{seed}:{s}") for s in self.listings}  # noqa: S311 - a market, not a secret
        self._price = {s: listing.price for s, listing in self.listings.items()}
        self._next = {s: start_s + self._wait(s) for s in self.listings}

    def due(self, now_s: float) -> list[Print]:
        """Return the prints that are due at `now_s`, symbol by symbol."""
        prints: list[Print] = []
        for symbol in self.listings:
            count = 0
            while self._next[symbol] <= now_s:
                self._next[symbol] += self._wait(symbol)
                count += 1
                if count <= MAX_AT_ONCE:
                    prints += self._prints(symbol)
        return prints

    def _wait(self, symbol: str) -> float:
        return self._random[symbol].expovariate(self.listings[symbol].per_second)

    def _prints(self, symbol: str) -> list[Print]:
        listing, random = self.listings[symbol], self._random[symbol]
        price = self._price[symbol] * (1 + random.gauss(0, listing.move))
        price = self._price[symbol] = max(round(price, listing.digits), 10**-listing.digits)
        if not listing.has_volume:
            return [Print(symbol, price, 0.0, None)]
        if listing.kind == "stock":
            volume = float(random.choice((1, 5, 10, 25, 100, 100, 200)))
            conditions: tuple[str, ...] | None = tuple(random.sample(("1", "8", "12", "24"), random.randrange(4)))
        else:
            volume = round(random.expovariate(20.0) + 0.0001, 4)
            conditions = None
        first = Print(symbol, price, volume, conditions)
        # Real venues print equal trades in one frame (4-19 % of all); a client that drops them loses volume.
        return [first, Print(symbol, price, volume, conditions, twin_of_last=True)] if random.random() < 0.05 else [first]
