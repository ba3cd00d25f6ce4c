"""PURE. The fake vendor's candles: of what the market printed, and before that made up from the seed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from random import Random
from typing import Any

from deploy.simulator.market import Listing

RESOLUTIONS = {"1": 60, "5": 300, "15": 900, "30": 1800, "60": 3600, "D": 86_400}
LONGEST_S = 31 * 86_400  # a longer request is cut, silently, and keeps its newest part, as the real one does
Bar = list[float]  # open, high, low, close, volume


class Candles:
    """1m bars by symbol and minute (seconds UTC). The vendor saw every print, those that a client lost included."""

    def __init__(self, seed: int, start_s: float) -> None:
        self._seed = seed
        self._start = int(start_s) // 60 * 60
        self._bars: dict[str, dict[int, Bar]] = {}

    def add(self, symbol: str, t_ms: int, price: float, volume: float) -> None:
        """Take one print into its minute."""
        bars = self._bars.setdefault(symbol, {})
        minute = t_ms // 60_000 * 60
        bar = bars.get(minute)
        if bar is None:
            bars[minute] = [price, price, price, price, volume]
        else:
            bar[1], bar[2], bar[3], bar[4] = max(bar[1], price), min(bar[2], price), price, bar[4] + volume

    def answer(self, listing: Listing, resolution: str, first_s: int, last_s: int) -> dict[str, Any]:
        """Return Finnhub's columns for windows that start in [first_s, last_s]; minutes without a print are absent."""
        step = RESOLUTIONS[resolution]
        first_s = max(first_s, last_s - LONGEST_S)
        columns: dict[str, list[float]] = {name: [] for name in "ohlcvt"}
        for start in range(-(-first_s // step) * step, last_s + 1, step):
            bar = _merged(bar for minute in range(start, start + step, 60) if (bar := self._bar(listing, minute)))
            if bar is not None:
                for name, value in zip("ohlcvt", (*bar, start), strict=True):
                    columns[name].append(value)
        if not columns["t"]:
            return {"s": "no_data"} if listing.kind == "stock" else {**dict.fromkeys("chlotv"), "s": "no_data"}
        return {**columns, "s": "ok"}

    def _bar(self, listing: Listing, minute: int) -> Bar | None:
        if minute >= self._start:
            return self._bars.get(listing.symbol, {}).get(minute)
        hour = self._made_up(listing, minute // 3600)
        return hour[minute % 3600 // 60]

    @lru_cache(maxsize=2000)  # noqa: B019 - one object for the life of the process; a month of one symbol is 720 hours
    def _made_up(self, listing: Listing, hour: int) -> list[Bar | None]:
        random = Random(f"{self._seed}:{listing.symbol}:{hour}")  # noqa: S311 - a market, not a secret
        return [self._made_up_minute(listing, random) for _ in range(60)]

    def _made_up_minute(self, listing: Listing, random: Random) -> Bar | None:
        if random.random() > min(1.0, listing.per_second * 60):
            return None
        step = listing.price * 0.003
        prices = [round(listing.price + step * (random.random() - 0.5), listing.digits) for _ in range(4)]
        volume = round(random.expovariate(0.1), 4) if listing.has_volume else 0.0
        return [prices[0], max(prices), min(prices), prices[3], volume]


def _merged(bars: Iterable[Bar]) -> Bar | None:
    merged: Bar | None = None
    for bar in bars:
        if merged is None:
            merged = list(bar)
        else:
            merged[1], merged[2] = max(merged[1], bar[1]), min(merged[2], bar[2])
            merged[3], merged[4] = bar[3], merged[4] + bar[4]
    return merged
