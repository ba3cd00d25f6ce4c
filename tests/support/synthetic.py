"""PURE. A day of made-up trades, for tests that need much input and no oracle, on any machine."""

from __future__ import annotations

import random

from tests.support.recording import Recording, numbered

_DAY_START_US = 1_381_104_000_000_000  # 2013-10-07 00:00 UTC
_MINUTE_US = 60_000_000


def day(symbols: int = 10, trades: int = 40_000, seed: int = 1) -> Recording:
    """Return one day of `symbols` symbols that trade at different paces, some silent for hours; the same for the same seed."""
    rng = random.Random(seed)
    prices = [rng.uniform(50, 2_000) for _ in range(symbols)]
    lines = []
    for n in range(trades):
        time = _DAY_START_US + n * (24 * 60 * _MINUTE_US // trades) + rng.randrange(500_000)
        symbol = min(int(rng.expovariate(0.6)), symbols - 1)
        hour = time // (60 * _MINUTE_US) % 24
        if symbol % 3 == 2 and hour in (3, 4, 12):
            symbol = 0  # every third symbol keeps hours
        prices[symbol] = round(max(1.0, prices[symbol] * (1 + rng.gauss(0, 0.0004))), 2)
        lines.append(
            {
                "type": "trade",
                "symbol": f"MADE UP:{symbol}",
                "event_time_us": time - rng.choice((0, 0, 0, rng.randrange(3 * _MINUTE_US))),
                "receive_time_us": time,
                "price": prices[symbol],
                "size": rng.randrange(0, 400) / 100,
                "side": rng.choice(("buy", "sell")),
            }
        )
    return Recording("synthetic", numbered(lines), {}, 0, trades)
