"""PURE. Market hours: when nothing is expected. They name silence and shape no data: a trade outside them counts as any other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from zoneinfo import ZoneInfo

from processor.core.listed import Interval, Listed
from schemas.timeframes import DAY, SECOND, WEEK

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Calendar:
    """A weekly session: open from one weekday and local time to another, closed for the rest of the week.

    Attributes:
        name: what settings call it.
        zone: the time zone whose wall clock opens and closes it (its daylight saving included); None = never closed.
        opens: weekday (Monday 0) and local time.
        closes: likewise.
    """

    name: str
    zone: str | None = None
    opens: tuple[int, time] = (0, time(0))
    closes: tuple[int, time] = (0, time(0))

    @property
    def never_closes(self) -> bool:
        """True where there is nothing to ask for."""
        return self.zone is None

    def closed(self, start: int, end: int) -> list[Interval]:
        """Return the whole closed intervals that overlap ``[start, end)``, in order, microseconds UTC."""
        if self.zone is None or end <= start:
            return []
        found: list[Interval] = []
        for week in range(start // WEEK - 1, end // WEEK + 2):
            interval = _weekend(self, week)
            if interval[0] < end and interval[1] > start and (not found or found[-1] != interval):
                found.append(interval)
        return found


@lru_cache(maxsize=4096)
def _weekend(calendar: Calendar, week: int) -> Interval:
    # The closing of the week that contains the epoch week's Thursday, and the opening after it.
    assert calendar.zone is not None
    monday = _EPOCH + timedelta(days=week * 7 - 3)
    zone = ZoneInfo(calendar.zone)
    closes = _instant(monday + timedelta(days=calendar.closes[0]), calendar.closes[1], zone)
    days = (calendar.opens[0] - calendar.closes[0]) % 7
    opens = _instant(monday + timedelta(days=calendar.closes[0] + days), calendar.opens[1], zone)
    if opens <= closes:
        opens = _instant(monday + timedelta(days=calendar.closes[0] + days + 7), calendar.opens[1], zone)
    return closes, opens


def _instant(day: date, at: time, zone: ZoneInfo) -> int:
    local = datetime.combine(day, at, zone).astimezone(UTC)
    return ((local.date() - _EPOCH).days * DAY) + (local.hour * 3600 + local.minute * 60 + local.second) * SECOND


ALWAYS = Calendar("24/7")
FX = Calendar("fx", "America/New_York", (6, time(17)), (4, time(17)))
"""The FX week: Sunday 17:00 to Friday 17:00 New York (ready-made calendars count it in UTC, or open on Saturday)."""
CALENDARS = {c.name: c for c in (ALWAYS, FX)}

Hours = Calendar | Listed
Sessions = tuple[tuple[str, Hours], ...]
"""(pattern of instruments, calendar), the first that fits counts."""


def ours(name: str) -> Hours:
    """Return one of the calendars that are rules, known without any library.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in CALENDARS:
        raise ValueError(f"{name!r} is no calendar: choose among {', '.join(sorted(CALENDARS))}")
    return CALENDARS[name]


def parse_sessions(text: str, find: Callable[[str], Hours] = ours) -> Sessions:
    """Return the sessions in ``pattern=calendar,pattern=calendar``; a pattern is an instrument with ``*`` and ``?``.

    Args:
        text: the setting.
        find: returns the calendar of a name, or raises ValueError.

    Raises:
        ValueError: an entry is no pattern=calendar, or names no known calendar.
    """
    sessions: list[tuple[str, Hours]] = []
    found: dict[str, Hours] = {}
    for entry in (e.strip() for e in text.split(",")):
        if not entry:
            continue
        pattern, equals, name = entry.rpartition("=")
        if not equals or not pattern:
            raise ValueError(f"{entry!r}: write instrument-pattern=calendar, as in ig:*=fx")
        if name not in found:
            found[name] = find(name)
        sessions.append((pattern, found[name]))
    return tuple(sessions)


def calendar_of(sessions: Sessions, instrument: str) -> Hours:
    """Return the calendar of an instrument; 24/7 where no pattern fits."""
    return next((calendar for pattern, calendar in sessions if fnmatchcase(instrument, pattern)), ALWAYS)


def cut(start: int, end: int, closed: Sequence[Interval]) -> list[tuple[int, int, bool]]:
    """Return ``[start, end)`` in pieces that are wholly open or wholly closed: (from, to, is closed)."""
    pieces: list[tuple[int, int, bool]] = []
    at = start
    for i in range(bisect_left(closed, (start, start)) - 1, len(closed)):
        if i < 0:
            continue
        a, b = closed[i]
        if b <= at:
            continue
        if a >= end:
            break
        if a > at:
            pieces.append((at, a, False))
        pieces.append((max(a, at), min(b, end), True))
        at = min(b, end)
    if at < end:
        pieces.append((at, end, False))
    return pieces
