"""PURE. The account's week of historical prices: 10,000 points, a point a minute of one epic, and no more for anybody.

What users found (not documented): the week begins with the first request after a reset; a refusal says nothing of the rest; an
answer that failed may have been charged. So the reply's own figures are believed where there are any, and the dearest is
assumed where there are none.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from schemas.timeframes import DAY, MINUTE, SECOND

WEEK_US = 7 * DAY


@dataclass(frozen=True)
class Caps:
    """What may be spent: by gaps in a day (UTC), by bootstraps in a week, so that neither leaves the other without."""

    gaps_a_day: int
    bootstrap_a_week: int


@dataclass
class Points:
    """What is known of the week. ``remaining`` None: nothing. Instants in microseconds UTC."""

    remaining: int | None = None
    resets_us: int = 0
    day: int = 0
    spent_on_gaps: int = 0
    spent_on_bootstrap: int = 0

    def available(self, caps: Caps, now_us: int, *, bootstrap: bool) -> int:
        """Return how many points the next request may cost; 1 while the week's rest is not known."""
        self._pass(now_us)
        own = caps.bootstrap_a_week - self.spent_on_bootstrap if bootstrap else caps.gaps_a_day - self.spent_on_gaps
        return max(0, min(own, 1 if self.remaining is None else self.remaining))

    def retry_at(self, now_us: int, *, bootstrap: bool) -> int:
        """Return when there will be points again."""
        if self.remaining == 0 or bootstrap:
            return self.resets_us if self.resets_us > now_us else now_us + DAY
        return (now_us // DAY + 1) * DAY

    def answered(self, points: int, remaining: int | None, expiry_s: int | None, now_us: int, *, bootstrap: bool) -> None:
        """Note a reply that cost `points`, and what it said of the week."""
        self._pass(now_us)
        if bootstrap:
            self.spent_on_bootstrap += points
        else:
            self.spent_on_gaps += points
        if remaining is not None:
            self.remaining = max(0, remaining)
        elif self.remaining is not None:
            self.remaining = max(0, self.remaining - points)
        if expiry_s is not None:
            self.resets_us = now_us + min(max(0, expiry_s) * SECOND, WEEK_US)
        elif self.resets_us <= now_us:
            self.resets_us = now_us + WEEK_US

    def spent(self, now_us: int) -> None:
        """Note that IG has said that nothing is left."""
        self.remaining = 0
        if self.resets_us <= now_us:
            self.resets_us = now_us + DAY  # not told; a day later it is tried again, at the price of one refusal

    def _pass(self, now_us: int) -> None:
        if self.resets_us and now_us >= self.resets_us:
            self.remaining, self.resets_us, self.spent_on_bootstrap = None, 0, 0
        if now_us // DAY != self.day:
            self.day, self.spent_on_gaps = now_us // DAY, 0

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, to be kept."""
        return asdict(self)


def restored(kept: Any) -> Points:
    """Return the points out of what `Points.as_dict` gave; nothing known where it is anything else."""
    names = ("resets_us", "day", "spent_on_gaps", "spent_on_bootstrap")
    if type(kept) is not dict or not all(type(kept.get(name)) is int and kept[name] >= 0 for name in names):
        return Points()
    remaining = kept.get("remaining")
    if remaining is not None and (type(remaining) is not int or remaining < 0):
        return Points()
    return Points(remaining, *(kept[name] for name in names))


def minutes(start_us: int, end_us: int) -> int:
    """Return what a request for [start, end) costs at most."""
    return max(0, end_us - start_us) // MINUTE
