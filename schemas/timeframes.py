"""PURE. Timeframes: the length of a candle's window, and where windows begin.

Windows are half-open, ``[start, start + length)``, and aligned to the epoch, 1970-01-01 00:00 UTC, which makes 1d begin at
midnight UTC. The epoch was a Thursday, so weeks are shifted to begin on Monday 00:00 UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}
_MONDAY = 4 * DAY  # 1970-01-05
DEFAULT = "1m,5m,15m,1h,4h,1d"
BASE_US = MINUTE
"""Candles from here up are roll-ups of 1m; shorter ones are side views made from the records (SEMANTICS: parents)."""


@dataclass(frozen=True, order=True)
class Timeframe:
    """A window length: ``us`` microseconds, called ``name`` (1s to 1w)."""

    us: int
    name: str

    def start_of(self, time_us: int) -> int:
        """Return the start of the window that `time_us` lies in."""
        if self.us % WEEK == 0:
            return (time_us - _MONDAY) // self.us * self.us + _MONDAY
        return time_us // self.us * self.us

    def end_of(self, start_us: int) -> int:
        """Return the end of the window that begins at `start_us`."""
        return start_us + self.us

    @property
    def longest_us(self) -> int:
        """Length of the longest window: all are alike, but where a series' days roll with a wall clock."""
        return self.us


def parse(name: str) -> Timeframe:
    """Return the timeframe called `name`, such as ``10s``, ``1m``, ``4h``, ``1d`` or ``1w``.

    Raises:
        ValueError: not a number and a unit, outside 1s to 1w, from 1m up no multiple of 1m, or not dividing its day.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,4})([smhdw])", name)
    if not match:
        raise ValueError(f"{name!r} is no timeframe: a number and one of s, m, h, d, w, as in 10s, 1m or 4h")
    us = int(match[1]) * _UNITS[match[2]]
    if us > WEEK:
        raise ValueError(f"{name!r} is longer than the longest timeframe, 1w")
    if us > BASE_US and us % BASE_US:
        raise ValueError(f"{name!r} is no multiple of 1m: from 1m up every candle is made of 1m candles")
    if us < BASE_US and BASE_US % us:
        raise ValueError(f"{name!r} does not divide 1m")
    return Timeframe(us, name)


def parse_list(text: str) -> tuple[Timeframe, ...]:
    """Return the timeframes in a comma-separated list, shortest first.

    Raises:
        ValueError: a name is wrong, two have the same length, or 1m, the base of all from 1m up, is missing.
    """
    parsed = tuple(sorted(parse(part.strip()) for part in text.split(",") if part.strip()))
    lengths = [t.us for t in parsed]
    if len(set(lengths)) != len(lengths):
        raise ValueError(f"{text!r} names one timeframe twice")
    if BASE_US not in lengths:
        raise ValueError(f"{text!r} lacks 1m, the base of every candle from 1m up and of the gaps")
    return parsed
