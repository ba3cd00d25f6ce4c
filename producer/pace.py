"""PURE. How fast a recording is played: as fast as possible, so many records a second, or as it was recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, cast

from schemas.timeframes import SECOND

Rate = float | Literal["max", "realtime"]


@dataclass
class Pace:
    """Tells when a record is due. ``rate`` is records a second, ``realtime`` or ``max``; times are seconds of one clock."""

    rate: Rate
    started_s: float
    _first_us: int | None = field(default=None)
    _count: int = 0

    def due_s(self, receive_us: int) -> float:
        """Return when the next record, received at `receive_us` in the recording, is to be sent; 0.0 = at once."""
        if self.rate == "max":
            return 0.0
        if self.rate == "realtime":
            if self._first_us is None:
                self._first_us = receive_us
            return self.started_s + (receive_us - self._first_us) / SECOND
        self._count += 1
        return self.started_s + (self._count - 1) / self.rate


def parse_rate(text: str) -> Rate:
    """Return the rate in `text`.

    Raises:
        ValueError: neither ``max``, ``realtime`` nor a number above 0.
    """
    if text in ("max", "realtime"):
        return cast(Literal["max", "realtime"], text)
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise ValueError(f"{text!r} is no rate: max, realtime, or records a second")
    return rate
