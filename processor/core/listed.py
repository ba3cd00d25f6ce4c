"""PURE. Market hours as a list of closings: what the calendar of an exchange is, once a shell has read it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

Interval = tuple[int, int]


@dataclass(frozen=True)
class Listed:
    """An exchange's hours. Before the first and after the last closing it lists nothing is known, and it counts as open.

    Open, for then silence is told as no_trades and a loss as a loss: the error says too much, never too little.
    """

    name: str
    shut: tuple[Interval, ...] = field(repr=False)
    """Closings, half-open, microseconds UTC, disjoint and in order."""

    @property
    def never_closes(self) -> bool:
        """True where there is nothing to ask for."""
        return not self.shut

    def closed(self, start: int, end: int) -> list[Interval]:
        """Return the whole closed intervals that overlap ``[start, end)``, in order, microseconds UTC."""
        found: list[Interval] = []
        if end <= start:
            return found
        for i in range(bisect_right(self.shut, start, key=lambda x: x[1]), len(self.shut)):
            if self.shut[i][0] >= end:
                break
            found.append(self.shut[i])
        return found


def between(opens: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return what lies between trading hours, nights and lunch breaks alike; hours that touch or overlap are one."""
    shut: list[Interval] = []
    closes: int | None = None
    for a, b in sorted(opens):
        if closes is not None and a > closes:
            shut.append((closes, a))
        closes = b if closes is None else max(closes, b)
    return tuple(shut)
