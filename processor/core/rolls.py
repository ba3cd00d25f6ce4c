"""PURE. Days that begin at a session's roll: windows of 1d and longer between moments of a wall clock, daylight saving included.

A day is then 23 or 25 hours long where the clocks change, so a window's end is the next roll and never its start plus a length.
The day that begins at or after noon is the next date's (Monday's session opens on Sunday 17:00 New York), and weeks begin
with Monday's.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from schemas.timeframes import DAY, MINUTE, Timeframe

_FIRST, _LAST = -10, 47_482
"""Our choice: days since the epoch, to 2100. Outside of them windows are of equal length, so that every moment has one."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY = 4  # 1970-01-05, in days since the epoch

Moments = npt.NDArray[np.int64]


@dataclass(frozen=True, order=True)
class Rolled(Timeframe):
    """A timeframe whose windows begin at listed moments; ``us`` is the usual length, by which it is ordered."""

    begins: tuple[int, ...] = field(compare=False, repr=False)
    """Starts of windows in order, microseconds UTC, multiples of a minute. Beyond them windows are `us` long."""
    lookup: Moments = field(compare=False, repr=False)
    """The same, to be searched for many moments at once."""
    longest: int = field(compare=False, repr=False)

    @classmethod
    def of(cls, timeframe: Timeframe, begins: tuple[int, ...]) -> Rolled:
        """Return `timeframe` with windows that begin at these moments."""
        lookup = np.array(begins, np.int64)
        longest = max(timeframe.us, int(np.diff(lookup).max(initial=0)))
        return cls(timeframe.us, timeframe.name, begins, lookup, longest)

    @property
    def longest_us(self) -> int:
        """Length of the longest window."""
        return self.longest

    def start_of(self, time_us: int) -> int:
        """Return the start of the window that `time_us` lies in."""
        i = bisect_right(self.begins, time_us)
        if 0 < i < len(self.begins):
            return self.begins[i - 1]
        anchor = self.begins[-1 if i else 0]
        return (time_us - anchor) // self.us * self.us + anchor

    def end_of(self, start_us: int) -> int:
        """Return the end of the window that begins at `start_us`: the next roll."""
        i = bisect_right(self.begins, start_us)
        return self.begins[i] if 0 < i < len(self.begins) else start_us + self.us

    def starts_of(self, times: Moments) -> Moments:
        """Return `start_of` for each."""
        i = np.searchsorted(self.lookup, times, side="right")
        anchors = self.lookup[np.maximum(i - 1, 0)]
        listed = (i > 0) & (i < self.lookup.size)
        starts: Moments = np.where(listed, anchors, (times - anchors) // self.us * self.us + anchors)
        return starts

    def ends_of(self, starts: Moments) -> Moments:
        """Return `end_of` for each."""
        i = np.searchsorted(self.lookup, starts, side="right")
        listed = (i > 0) & (i < self.lookup.size)
        ends: Moments = np.where(listed, self.lookup[np.minimum(i, self.lookup.size - 1)], starts + self.us)
        return ends


def starts_of(timeframe: Timeframe, moments: Moments) -> Moments:
    """Return, for each moment, the start of the window it lies in."""
    if isinstance(timeframe, Rolled):
        return timeframe.starts_of(moments)
    starts: Moments = timeframe.start_of(moments)  # type: ignore[arg-type,assignment]  # the same arithmetic, on all at once
    return starts


def ends_of(timeframe: Timeframe, starts: Moments) -> Moments:
    """Return, for each start of a window, its end."""
    if isinstance(timeframe, Rolled):
        return timeframe.ends_of(starts)
    ends: Moments = timeframe.end_of(starts)  # type: ignore[arg-type,assignment]  # likewise
    return ends


@dataclass(frozen=True)
class Roll:
    """When a day begins: a local time in a zone."""

    at: time
    zone: str

    def of(self, timeframe: Timeframe) -> Timeframe:
        """Return the timeframe with windows from roll to roll; one that is no whole number of days stays as it is."""
        if timeframe.us % DAY:
            return timeframe
        return Rolled.of(timeframe, _begins(self, timeframe.us // DAY))


@lru_cache(maxsize=64)
def _begins(roll: Roll, days: int) -> tuple[int, ...]:
    zone = ZoneInfo(roll.zone)
    first = _MONDAY if days % 7 == 0 else 0  # as windows of UTC days are counted
    found = set()
    for number in range(_FIRST, _LAST):
        session = number + (roll.at.hour >= 12)
        if (session - first) % days == 0:
            local = datetime.combine(_EPOCH.date() + timedelta(days=number), roll.at, zone)
            # To the minute, for 1m windows have to lie within (zones once had offsets with seconds). A set, for zones that
            # crossed the date line have left out a day.
            found.add((local.astimezone(UTC) - _EPOCH) // timedelta(minutes=1) * MINUTE)
    return tuple(sorted(found))


Rolls = tuple[tuple[str, Roll], ...]
"""(pattern of instruments, roll), the first that fits counts."""


def parse_rolls(text: str) -> Rolls:
    """Return the rolls in ``pattern=HH:MM zone,...``, as in ``ig:*=17:00 America/New_York``.

    Raises:
        ValueError: an entry is not of this form, or its time or zone does not exist.
    """
    rolls = []
    for entry in (e.strip() for e in text.split(",")):
        if not entry:
            continue
        pattern, equals, rest = entry.rpartition("=")
        at, _, zone = rest.strip().partition(" ")
        if not equals or not pattern or not zone:
            raise ValueError(f"{entry!r}: write instrument-pattern=HH:MM zone, as in ig:*=17:00 America/New_York")
        try:
            roll = Roll(datetime.strptime(at, "%H:%M").time(), ZoneInfo(zone.strip()).key)  # noqa: DTZ007  # a wall clock's
        except (ValueError, ZoneInfoNotFoundError, OSError):
            raise ValueError(f"{rest.strip()!r} is no time of day and zone, such as 17:00 America/New_York") from None
        rolls.append((pattern, roll))
    return tuple(rolls)


def timeframes_of(timeframes: tuple[Timeframe, ...], rolls: Rolls, instrument: str) -> tuple[Timeframe, ...]:
    """Return the timeframes as an instrument has them: rolled where a pattern fits."""
    roll = next((roll for pattern, roll in rolls if fnmatchcase(instrument, pattern)), None)
    return timeframes if roll is None else tuple(roll.of(t) for t in timeframes)
