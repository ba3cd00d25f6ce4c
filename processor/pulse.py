"""PURE. When live candles are due: a period by timeframe, stretched while more of them come than the budget allows.

Live candles are a courtesy; final ones and state share their way to Kafka. With thousands of busy series the period grows
until the rate fits the budget, so that live updates never delay what must not be late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.timeframes import MINUTE, Timeframe, parse

FACTORS = ((MINUTE, 1), (5 * MINUTE, 4))
"""Timeframes up to a length come every this many periods of the base; longer ones every 8 (our choice)."""
STRETCH_MAX = 64.0
"""Beyond this a live candle is rarer than every 16 s at the default period, and no longer live (our choice)."""

LIVE_SHARE = 0.25
"""Most of a worker's time that may go into making live candles: what a machine affords that is slower than the budget thinks."""


def parse_periods(text: str) -> dict[str, float]:
    """Return the periods in ``timeframe=milliseconds[,...]``, in seconds by timeframe's name.

    Raises:
        ValueError: an entry is none, or its period is not within 10 ms and 10 minutes.
    """
    periods = {}
    for entry in filter(None, (e.strip() for e in text.split(","))):
        name, _, ms = entry.partition("=")
        parse(name)
        if not ms.isdecimal() or not 10 <= int(ms) <= 600_000:
            raise ValueError(f"{entry!r}: write timeframe=milliseconds, from 10 to 600000, as in 1h=5000")
        periods[name] = int(ms) / 1000
    return periods


class Pulse:
    """Decides which timeframes' live candles are due. Times are monotonic seconds."""

    def __init__(
        self, timeframes: Sequence[Timeframe], period_s: float, budget_per_s: float, own: Mapping[str, float] | None = None
    ) -> None:
        """Make one in which everything is due.

        Args:
            timeframes: in the order of the core's.
            period_s: of the base timeframe and those below it; longer ones have a multiple (`FACTORS`).
            budget_per_s: live candles a second above which all periods stretch.
            own: periods in seconds by timeframe's name, where another is wanted.
        """
        factors = [next((factor for length, factor in FACTORS if t.us <= length), 8) for t in timeframes]
        self._periods = [(own or {}).get(t.name, period_s * factor) for t, factor in zip(timeframes, factors, strict=True)]
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
            # From when it was due, else each period would be longer than set by how late we were asked; what was missed is not
            # made up for.
            period = self._periods[i] * self.stretch
            due = self._last[i] + period
            self._last[i] = due if now - due < period else now
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
        if lasted < max(1.0, 2 * min(self._periods) * self.stretch):
            return
        first = lasted == float("inf")
        rate, share = (0.0, 0.0) if first else (self._sent / lasted, self._took / lasted)
        # What would come without stretching, so that the stretch settles instead of swinging.
        used = max(rate / self._budget, share / LIVE_SHARE)
        self.stretch = min(max(1.0, used * self.stretch), STRETCH_MAX)
        self._second_began, self._sent, self._took = now, 0, 0.0
