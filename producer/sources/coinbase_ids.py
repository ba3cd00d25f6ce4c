"""PURE. One product's trade ids, contiguous by the venue's word: which came, which are missing, and between which times."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from schemas.timeframes import SECOND

# Our choices. Neighbours may change places, by milliseconds where it was seen; two seconds is also how long windows stay
# open. A product with more holes than MAX_RANGES has a broken counter; its oldest ids are forgotten first.
SWAP_US = 2 * SECOND
MAX_RANGES = 10_000


@dataclass(frozen=True)
class Skipped:
    """Ids `first` to `last` did not come; their trades happened between two event times, microseconds UTC.

    Where the count began anew at `first`, nobody knows which: `last` is below it.
    """

    first: int
    last: int
    from_us: int
    to_us: int

    @property
    def missing(self) -> int | None:
        """How many ids that is; None where it is not known."""
        return self.last - self.first + 1 or None


@dataclass
class _Hole:
    found: Skipped
    since_us: int  # receive time at which it was seen
    came_late: dict[int, int] = field(default_factory=dict)  # id -> event time


class Ranges:
    """A set of integers that mostly come densely, kept as disjoint ranges."""

    def __init__(self, most: int = MAX_RANGES) -> None:
        self._most = most
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    def __len__(self) -> int:
        """Return how many ranges there are."""
        return len(self._firsts)

    def add(self, number: int) -> bool:
        """Add a number; return whether it is new."""
        firsts, lasts = self._firsts, self._lasts
        at = bisect_right(firsts, number) - 1
        if at >= 0 and number <= lasts[at]:
            return False
        follows = at >= 0 and lasts[at] == number - 1
        leads = at + 1 < len(firsts) and firsts[at + 1] == number + 1
        if follows and leads:
            lasts[at] = lasts[at + 1]
            del firsts[at + 1], lasts[at + 1]
        elif follows:
            lasts[at] = number
        elif leads:
            firsts[at + 1] = number
        else:
            firsts.insert(at + 1, number)
            lasts.insert(at + 1, number)
            if len(firsts) > self._most:
                del firsts[0], lasts[0]
        return True


class TradeIds:
    """The ids of one product through all connections of a run.

    A hole is told once, and only `SWAP_US` after it was seen: 7, 9, 8 is no loss. Its borders are the event times of the
    neighbours (SEMANTICS: ids).

    Ids grow with time. One below the newest of a trade that is later than the newest by more than `SWAP_US` shows that the
    venue counts anew, or that a number far too high was believed: then we count anew, too, for an id that was used before
    would pass for a repeat, and nothing below the newest would prove a loss. What lies between the two counts is not known.
    """

    def __init__(self) -> None:
        self.newest: int | None = None
        self._newest_us = 0
        self._came = Ranges()
        self._holes: list[_Hole] = []
        self._tail: _Hole | None = None
        self._anew: list[Skipped] = []
        self._before: int | None = None  # id of the trade behind which we began

    def begin_at(self, number: int, event_us: int) -> None:
        """Start behind a trade that happened before our time: it is known, and not ours to publish."""
        if self.newest is None:
            self.newest, self._newest_us, self._before = number, event_us, number

    def take(self, number: int, event_us: int, now_us: int) -> bool:
        """Note a trade of the stream; return whether it is new and ours.

        The one behind which we began is shown again by every reconnection until the next trade, and is still not ours. Whoever
        fills the first minute may `claim` it.
        """
        if self.newest is not None and number < self.newest and event_us - self._newest_us > SWAP_US:
            self._begin_anew(number, event_us)
        if number == self._before or not self._came.add(number):
            return False
        newest = self.newest
        if newest is None or number > newest:
            if newest is not None and number > newest + 1:
                since = now_us if self._tail is None else self._tail.since_us
                borders = sorted((self._newest_us, event_us))
                self._holes.append(_Hole(Skipped(newest + 1, number - 1, *borders), since))
            if self._tail is not None and self._tail.found.last <= number:
                self._tail = None
            self.newest, self._newest_us = number, event_us
        else:
            self._fill_holes(number, event_us)
        return True

    def claim(self, number: int, event_us: int) -> bool:
        """Note a trade that was fetched after the fact; return whether it is new. It does not move the newest."""
        if not self._came.add(number):
            return False
        self._fill_holes(number, event_us)
        return True

    def knows(self, number: int) -> bool:
        """Tell whether a trade of this id has come, by whatever way, or is the one behind which we began."""
        return number == self._before or number in self._came

    def told_newest(self, number: int, venue_us: int, now_us: int) -> None:
        """Note that the venue had traded up to `number` at `venue_us`: what lies behind our newest must still come."""
        if self.newest is not None and number > self.newest and self._tail is None:
            borders = sorted((self._newest_us, venue_us))
            self._tail = _Hole(Skipped(self.newest + 1, number, *borders), now_us)

    def judge(self, now_us: int) -> list[Skipped]:
        """Return what is missing for good, as far as the stream goes; each id once."""
        due = [hole for hole in self._holes if now_us - hole.since_us >= SWAP_US]
        if due:
            self._holes = [hole for hole in self._holes if now_us - hole.since_us < SWAP_US]
        found = [*self._anew, *(skipped for hole in due for skipped in self._still_missing(hole))]
        self._anew.clear()
        tail = self._tail
        if tail is not None and now_us - tail.since_us >= SWAP_US:
            self._tail = None
            assert self.newest is not None
            # Some of them may have come since; what is left follows the newest.
            borders = sorted((self._newest_us, tail.found.to_us))
            found.append(Skipped(self.newest + 1, tail.found.last, *borders))
            self.newest, self._newest_us = tail.found.last, tail.found.to_us
        return found

    def _begin_anew(self, number: int, event_us: int) -> None:
        self._anew += [skipped for hole in self._holes for skipped in self._still_missing(hole)]
        self._anew.append(Skipped(number, number - 1, self._newest_us, event_us))
        self._came, self._holes, self._tail = Ranges(), [], None
        self.newest = self._before = None

    def _fill_holes(self, number: int, event_us: int) -> None:
        for hole in self._holes:
            if hole.found.first <= number <= hole.found.last:
                hole.came_late[number] = event_us

    def _still_missing(self, hole: _Hole) -> list[Skipped]:
        whole, parts = hole.found, []
        first, from_us = whole.first, whole.from_us
        for number, event_us in sorted(hole.came_late.items()):
            if number > first:
                parts.append(Skipped(first, number - 1, *sorted((from_us, event_us))))
            first, from_us = number + 1, event_us
        if first <= whole.last:
            parts.append(Skipped(first, whole.last, *sorted((from_us, whole.to_us))))
        return parts
