"""PURE. When a source is expected to deliver at all. Only silence is judged by it, never data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MINUTES = 1440
_SPAN = re.compile(r"(\w{3})(?:-(\w{3}))? (\d\d):(\d\d)-(\d\d):(\d\d) (\S+)")
NAMED = {
    "24/7": "Mon-Sun 00:00-00:00 UTC",
    # The same week as the processor's calendar of that name: Sunday 17:00 to Friday 17:00 New York.
    "fx": "Sun-Thu 17:00-17:00 America/New_York",
}


@dataclass(frozen=True)
class Span:
    """On each of `days` (Monday 0) from one minute of the local day to another; beyond 1440 it lies on the next day."""

    days: frozenset[int]
    begin: int
    end: int
    zone: ZoneInfo

    def holds(self, at: datetime) -> bool:
        """Tell whether a moment lies inside."""
        local = at.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        today, yesterday = local.weekday(), (local.weekday() - 1) % 7
        return (today in self.days and self.begin <= minute < self.end) or (
            yesterday in self.days and self.begin <= minute + _DAY_MINUTES < self.end
        )


@dataclass(frozen=True)
class Hours:
    """Weekly hours by the wall clocks of their zones, daylight saving included."""

    spans: tuple[Span, ...]

    def is_open(self, at_us: int) -> bool:
        """Tell whether records are expected at a moment, microseconds UTC."""
        at = _EPOCH + timedelta(microseconds=at_us)
        return any(span.holds(at) for span in self.spans)


def parse_hours(text: str) -> Hours | None:
    """Return the hours of a setting; None for an empty one: nobody knows when records are expected.

    Examples: ``24/7``; ``fx``; ``Mon-Fri 04:00-20:00 America/New_York``; several, parted by ``;``. An end that is not after its
    beginning is on the next day, so that ``Sun-Thu 17:00-17:00 America/New_York`` is the FX week.

    Raises:
        ValueError: no hours can be read from it, or a time zone is not known.
    """
    if not text.strip():
        return None
    return Hours(tuple(_span(NAMED.get(part.strip(), part.strip())) for part in text.split(";")))


def _span(text: str) -> Span:
    found = _SPAN.fullmatch(text)
    names = (found[1].lower(), (found[2] or found[1]).lower()) if found else ()
    if found is None or not set(names) <= set(_DAYS):
        raise ValueError("hours are 24/7, fx, or as in Mon-Fri 04:00-20:00 America/New_York; several are parted by ;")
    first, last = (_DAYS.index(name) for name in names)
    days = frozenset((first + n) % 7 for n in range((last - first) % 7 + 1))
    begin, end = int(found[3]) * 60 + int(found[4]), int(found[5]) * 60 + int(found[6])
    if max(begin, end) > _DAY_MINUTES or max(int(found[4]), int(found[6])) > 59:
        raise ValueError("hours: times are 00:00 to 24:00")
    try:
        zone = ZoneInfo(found[7])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"hours: {found[7]} is no time zone") from None
    return Span(days, begin, end if end > begin else end + _DAY_MINUTES, zone)
