"""PURE. The gaps of one consolidated series: what they are, hour by hour, and which records tell it (ARCHITECTURE, R24).

What the gaps of an hour ARE is a function of what its closed minutes show. What is PUBLISHED follows it by difference. All gaps
of an hour have one version, the sum of what is known of its minutes. It grows with everything that is learned, whichever way a
cause goes: of two instruments now one has lost less and now the other, so a gap of a group can shrink and grow again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from processor.core.calendar import Hours
from processor.core.consolidated import Choice
from processor.core.timeline import BEFORE, FOREVER
from schemas.records import Gap, GapCause, Price
from schemas.timeframes import BASE_US, HOUR

TRADED = 10**13
"""What is known of a minute with a candle, which never goes away: more than of any without (`schemas.groups.MOST` have room)."""
Identity = tuple[int, GapCause]
"""Beginning and cause: what a gap of one series is known by."""
Empty = Callable[[int], Choice | None]
"""Returns what is shown of the closed minute at a start, None where it has a candle."""


class Member(NamedTuple):
    """One of the series that a group is made of."""

    source: str
    symbol: str
    calendar: Hours


class Why(NamedTuple):
    """Why a minute is empty, and the series whose word that is."""

    cause: GapCause
    series: str


class Piece(NamedTuple):
    """One gap as it is: `end` is None while it lasts."""

    end: int | None
    series: str


@dataclass
class Told:
    """One gap as it was last told. `series` is empty where that is not known: a worker may have said it just before it died."""

    end: int | None
    series: str
    version: int


class News(NamedTuple):
    """The gaps of an hour that were told with one version; see `group_gap_state`."""

    hour: int
    version: int
    gaps: tuple[Identity, ...]


def pieces(begin: int, end: int, whys: Iterable[Why | None]) -> dict[Identity, Piece]:
    """Return the gaps of one hour.

    Args:
        begin: of the first of its minutes that are accounted for, microseconds.
        end: of the last of them that is closed. A gap that reaches it lasts, unless the hour ends there: each hour has its own.
        whys: of these minutes, in order; None where a minute has a candle.
    """
    found: dict[Identity, Piece] = {}
    since, before = begin, None
    for i, why in enumerate(whys):
        if why != before:
            if before is not None:
                found[since, before.cause] = Piece(begin + i * BASE_US, before.series)
            since, before = begin + i * BASE_US, why
    if before is not None:
        found[since, before.cause] = Piece(None if end % HOUR else end, before.series)
    return found


class GroupGaps:
    """The gaps of a consolidated series that may still change, as they were last told."""

    def __init__(self, name: str, price: Price, members: Mapping[str, Member]) -> None:
        """Make one that knows nothing.

        Args:
            name: the consolidated series.
            price: of its instruments.
            members: the series it is made of, by name.
        """
        self.name = name
        self.price = price
        self.members = dict(members)
        self.first = FOREVER
        """Start of the 1m window in which the first of its series was first seen: accounting begins here."""
        self.floor = BEFORE
        """Hours before it are over for good: what was told of them stands."""
        self.judged_to = BEFORE
        """Up to when its gaps have been told."""
        self.told: dict[int, dict[Identity, Told]] = {}
        """By hour since the epoch."""
        self.due: set[int] = set()
        """Hours to be looked at."""
        self.unwritten: set[int] = set()
        """Hours whose state changed since the last snapshot."""
        self.written: set[int] = set()
        """Hours that the last snapshots hold."""
        self.news: list[News] = []
        """What was told since the journal was last written."""
        self.journaled: list[bytes] = []
        """Keys of the journal whose news the next state holds."""

    def seen_from(self, start: int) -> None:
        """Take in that one of its series was first seen in the minute at `start`."""
        if start < self.first:
            hours = range(max(start, self.floor) // HOUR, -(-min(self.first, self.judged_to) // HOUR))
            self.due.update(hours)
            self.unwritten.update(hours)
            self.first = start

    def is_over(self, start: int) -> bool:
        """Say whether nothing may change any more in the minute at `start`: it was accounted for and is forgotten."""
        return self.first <= start < self.floor

    def tell(self, clock: int, empty: Empty, now: int) -> list[Gap]:
        """Return each gap that changes.

        Args:
            clock: up to when the group's minutes are to be told of, a border of minutes.
            empty: tells of its closed minutes.
            now: wall clock, microseconds, stamped on what is made.
        """
        self.due.update(range(max(self.first, self.judged_to, self.floor) // HOUR, -(-clock // HOUR)))
        self.judged_to = max(self.judged_to, clock)
        gaps: list[Gap] = []
        for hour in sorted(self.due):
            begin, end = max(hour * HOUR, self.first), min((hour + 1) * HOUR, clock)
            if self.floor <= hour * HOUR and begin < end:
                gaps += self._tell_hour(hour, begin, end, empty, now)
        self.due = set()
        return gaps

    def _tell_hour(self, hour: int, begin: int, end: int, empty: Empty, now: int) -> list[Gap]:
        starts = range(begin, end, BASE_US)
        shown = [empty(s) for s in starts]
        version = sum(1 + (TRADED if c is None else c.known) for c in shown)
        wanted = pieces(begin, end, [None if c is None else self._why(c, s) for c, s in zip(shown, starts, strict=True)])
        told = self.told.setdefault(hour, {})
        changed: list[Gap] = []
        for identity in sorted({*told, *wanted}):
            before = told.get(identity)
            # A told gap that is wanted no more keeps its identity and ends where it began: nothing is left of it.
            piece = wanted.get(identity) or Piece(identity[0], (before and before.series) or next(iter(self.members)))
            # Knowing less than when it was last told (after a crash), it is not told again before as much is known.
            if before is None or (version >= before.version and piece != (before.end, before.series)):
                told[identity] = Told(*piece, version)
                changed.append(self._gap(identity, piece, version, empty, now))
        if changed:
            self.news.append(News(hour, version, tuple((g.from_time, g.cause) for g in changed)))
        if changed or hour not in self.written:
            self.unwritten.add(hour)
        return changed

    def _why(self, choice: Choice, start: int) -> Why:
        series = list(self.members)[choice.at]
        if choice.word.lost_us:
            return Why(choice.word.cause, series)
        calendar = self.members[series].calendar
        end = start + BASE_US
        shut = not calendar.never_closes and any(a <= start and end <= b for a, b in calendar.closed(start, end))
        return Why("market_closed" if shut else "no_trades", series)

    def _gap(self, identity: Identity, piece: Piece, version: int, empty: Empty, now: int) -> Gap:
        start, cause = identity
        member = self.members.get(piece.series) or next(iter(self.members.values()))
        return Gap(
            gap_id=f"{self.name}|{cause}|{start}",
            series=self.name,
            source=member.source,
            symbol=member.symbol,
            price=self.price,
            from_time=start,
            to_time=piece.end,
            cause=cause,
            detail="traded" if piece.end == start and empty(start) is None else "",
            state="open" if piece.end is None else "closed",
            version=version,
            updated_at=now,
        )

    def forget_before(self, moment: int) -> None:
        """Take in that nothing before `moment` changes any more."""
        self.floor = max(self.floor, -(-moment // HOUR) * HOUR)
        for hour in [h for h in self.told if h * HOUR < self.floor]:
            del self.told[hour]
            self.unwritten.add(hour)
