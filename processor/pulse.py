"""PURE. When live candles are due: a period by timeframe, stretched while more of them come than the budget allows.

Live candles are a courtesy; final ones and state share their way to Kafka. With thousands of busy series the period grows
until the rate fits the budget, so that live updates never delay what must not be late.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.timeframes import MINUTE, Timeframe

FACTORS = ((MINUTE, 1), (5 * MINUTE, 4))
"""Timeframes up to a length come every this many periods of the base; longer ones every 8 (our choice)."""
STRETCH_MAX = 64.0
"""Beyond this a live candle is rarer than every 16 s at the default period, and no longer live (our choice)."""

LIVE_SHARE = 0.25
"""Most of a worker's time that may go into making live candles: what a machine affords that is slower than the budget thinks."""


class Pulse:
    """Decides which timeframes' live candles are due. Times are monotonic seconds."""

    def __init__(self, timeframes: Sequence[Timeframe], period_s: float, budget_per_s: float) -> None:
        self._periods = [period_s * next((factor for length, factor in FACTORS if t.us <= length), 8) for t in timeframes]
        self._last = [float("-inf")] * len(timeframes)
        self._budget = budget_per_s
        self._second_began = float("-inf")
        self._sent = 0
        self._took = 0.0
        self.stretch = 1.0
        """By how much all periods are longer than set: 1 within the budget."""

    def due(self, now: float) -> set[int]:
        """Return the indices of the timeframes whose period is over, and begin their next one."""
        self._judge(now)
        found = {i for i, last in enumerate(self._last) if now - last >= self._periods[i] * self.stretch}
        for i in found:
            self._last[i] = now
        return found

    def due_in(self, now: float) -> float:
        """Return in how many seconds the next period is over."""
        return max(0.0, min(last + period * self.stretch for last, period in zip(self._last, self._periods, strict=True)) - now)

    def sent(self, number: int, took_s: float = 0.0) -> None:
        """Note that `number` live candles were sent; making them took so long, and nothing else was done meanwhile."""
        self._sent += number
        self._took += took_s

    def _judge(self, now: float) -> None:
        # Over a whole stretched period, so that one tick that sends everything is not taken for the rate.
        lasted = now - self._second_began
        if lasted < max(1.0, 2 * self._periods[0] * self.stretch):
            return
        first = lasted == float("inf")
        rate, share = (0.0, 0.0) if first else (self._sent / lasted, self._took / lasted)
        # What would come without stretching, so that the stretch settles instead of swinging.
        used = max(rate / self._budget, share / LIVE_SHARE)
        self.stretch = min(max(1.0, used * self.stretch), STRETCH_MAX)
        self._second_began, self._sent, self._took = now, 0, 0.0
