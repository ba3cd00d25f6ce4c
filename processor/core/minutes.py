"""PURE. One consolidated series: the words on its minutes that may still change, and the candles and gaps that follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from processor.core.calendar import calendar_of
from processor.core.config import CoreConfig
from processor.core.consolidated import GENERATION, UNKNOWN, Choice, Word, choose, roll_up
from processor.core.group_gaps import GroupGaps, Member
from processor.core.rolls import timeframes_of
from processor.core.timeline import BEFORE
from schemas.groups import Group
from schemas.records import Candle, CandleReason, Gap, Price
from schemas.timeframes import BASE_US, HOUR

NOBODY = Choice(0, UNKNOWN, 0, 0, waits=False)
"""What is shown of a minute that nobody has said anything of."""


@dataclass
class Minute:
    """The newest words on one 1m window, by series, and which version of it was last told (0: none)."""

    words: dict[str, Word] = field(default_factory=dict)
    told: int = 0
    touched: int = BEFORE
    """The group's clock when a word last changed."""


class Consolidated:
    """State of one consolidated series; only timeframes from 1m up, only closed windows."""

    def __init__(self, config: CoreConfig, group: Group, price: Price, partition: int) -> None:
        self.config = config
        self.name = group.series(price)
        self.price = price
        self.partition = partition
        self.sources = tuple(i.partition(":")[0] for i in group.instruments)
        self.members = tuple(i if price == "trade" else f"{i}@{price}" for i in group.instruments)
        """The series it is made of, in their order."""
        self.timeframes = timeframes_of(config.timeframes, config.rolls, group.series("trade"))
        longest = max(t.longest_us for t in self.timeframes)
        self._kept_us = longest + config.backfill_us + 2 * config.kept_us
        """Answers to gaps come a day late at most, and then their longest parent needs all its minutes."""
        self.minutes: dict[int, Minute] = {}
        self.fronts = dict.fromkeys(self.members, BEFORE)
        """Up to when each series' windows are closed."""
        self.due: set[int] = set()
        """Hours whose minutes changed since the last snapshot."""
        self.written: set[int] = set()
        """Hours that the last snapshots hold."""
        self.gaps = GroupGaps(self.name, price, dict(zip(self.members, map(self._member, group.instruments), strict=True)))
        self._told: dict[tuple[int, int], int] = {}
        self._changed: dict[int, CandleReason] = {}
        self._closed_to = BEFORE
        self._forgotten_at = BEFORE

    def _member(self, instrument: str) -> Member:
        source, _, symbol = instrument.partition(":")
        return Member(source, symbol, calendar_of(self.config.sessions, instrument))

    @property
    def clock(self) -> int:
        """Up to when its windows are closed: as those of its first series are."""
        return self.fronts[self.members[0]]

    # What is heard

    def hear(self, series: str, start: int, word: Word) -> None:
        """Take in a word of one of its series on the minute at `start`; one that is not newer changes nothing.

        Nor does one on a minute that is forgotten: it would be judged without the others' words (a source that joins late and
        loads its past).
        """
        if self.gaps.is_over(start):
            return
        minute = self.minutes.get(start)
        if not word.newer_than(None if minute is None else minute.words.get(series)):
            return
        if minute is None:
            minute = self.minutes[start] = Minute()
        minute.words[series] = word
        minute.touched = self.clock
        self.due.add(start // HOUR)
        reason = "none" if word.candle is None else word.candle.reason
        self._changed[start] = "status" if reason == "none" else reason

    def has_candle(self, series: str, start: int) -> bool:
        """Say whether this series' candle of the minute at `start` was heard of."""
        minute = self.minutes.get(start)
        word = None if minute is None else minute.words.get(series)
        return word is not None and word.candle is not None

    def reach(self, series: str, front: int) -> None:
        """Take in that this series' windows are closed up to `front`, a border of minutes."""
        before = self.fronts[series]
        if front > before:
            self.fronts[series] = front
            for start in self._between(before, front):
                self._changed.setdefault(start, "status")

    # What follows

    def publish(self, now: int) -> list[Candle]:
        """Return the candles whose version has grown; `now` is stamped on them."""
        told: list[Candle] = []
        parents: dict[tuple[int, int, int], CandleReason] = {}
        for start, reason in sorted(self._changed.items()):
            self.gaps.due.add(start // HOUR)
            choice = self._choice(start)
            if choice is None:
                continue  # judged again when its first series closes it
            told += self._tell_minute(start, choice, reason, now)
            for place in self._parents_of(start):
                parents[place] = reason
        self._changed = {}
        for place in self._just_closed():
            parents.setdefault(place, "status")
        for end, index, start in sorted(parents):
            if end <= self.clock:
                told += self._tell_parent(index, start, end, parents[end, index, start], now)
        return told

    def tell_gaps(self, now: int) -> list[Gap]:
        """Return the gaps that changed, once candles are published; `now` is stamped on them.

        The last closed minute is left out while one that would be asked has not closed it: a second later it may have a candle.
        """
        last = self.clock - BASE_US
        shown = self._empty(last)
        waits = shown is not None and shown.waits
        return self.gaps.tell(last if waits else self.clock, self._empty, now)

    def _empty(self, start: int) -> Choice | None:
        minute = self.minutes.get(start)
        if minute is not None and minute.told:
            return None
        return self._choice(start) or NOBODY

    def _choice(self, start: int) -> Choice | None:
        minute, end = self.minutes.get(start), start + BASE_US
        said = {} if minute is None else minute.words
        return choose([said.get(m) or (UNKNOWN if end <= self.fronts[m] else None) for m in self.members])

    def _tell_minute(self, start: int, choice: Choice, reason: CandleReason, now: int) -> Iterator[Candle]:
        candle = choice.word.candle
        if candle is None:
            return
        minute = self.minutes[start]
        version = self.config.generation * GENERATION + choice.version
        if version > minute.told:
            yield self._named(candle, version, minute.told, reason, now)
            minute.told = version
            self.due.add(start // HOUR)

    def _tell_parent(self, index: int, start: int, end: int, reason: CandleReason, now: int) -> Iterator[Candle]:
        rolled = self._rolled(index, start, end)
        if rolled is None:
            return
        candle, version = rolled
        before = self._told.get((index, start), 0)
        if version > before:
            yield self._named(candle, version, before, reason, now)
            self._told[index, start] = version

    def _rolled(self, index: int, start: int, end: int) -> tuple[Candle, int] | None:
        children = [self._choice(s) or NOBODY for s in range(start, end, BASE_US)]
        rolled = roll_up(children, self.sources, self.timeframes[index].name, start, end)
        return None if rolled is None else (rolled.candle, self.config.generation * GENERATION + rolled.version)

    def _named(self, candle: Candle, version: int, before: int, reason: CandleReason, now: int) -> Candle:
        return replace(
            candle,
            series=self.name,
            version=version,
            state="revised" if before else "final",
            reason=reason if before else "none",
            updated_at=now,
            input_partition=self.partition,
        )

    def _parents_of(self, start: int) -> Iterator[tuple[int, int, int]]:
        for index in range(self.config.base + 1, len(self.timeframes)):
            timeframe = self.timeframes[index]
            first = timeframe.start_of(start)
            yield timeframe.end_of(first), index, first

    def _just_closed(self) -> set[tuple[int, int, int]]:
        before, self._closed_to = self._closed_to, self.clock
        found: set[tuple[int, int, int]] = set()
        for index in range(self.config.base + 1, len(self.timeframes)):
            timeframe = self.timeframes[index]
            first = timeframe.start_of(before)
            if timeframe.end_of(first) <= self.clock:
                starts = {timeframe.start_of(s) for s in self._between(first, self.clock)}
                found |= {(timeframe.end_of(s), index, s) for s in starts}
        return found

    def _between(self, first: int, end: int) -> list[int]:
        # Minutes of which something was said, in [first, end): by steps of a minute where that is fewer.
        if (end - first) // BASE_US < len(self.minutes):
            return [s for s in range(first, end, BASE_US) if s in self.minutes]
        return [s for s in self.minutes if first <= s < end]

    def forget(self) -> None:
        """Drop what cannot change any more."""
        self.gaps.forget_before(self.clock - self._kept_us)
        if self.clock < self._forgotten_at + HOUR:
            return
        self._forgotten_at = self.clock
        before, untouched = self.clock - self._kept_us, self.clock - self.config.kept_us
        for start in [s for s, m in self.minutes.items() if s < before and m.touched < untouched]:
            del self.minutes[start]
            self.due.add(start // HOUR)
        self._told = {(i, s): v for (i, s), v in self._told.items() if self.timeframes[i].end_of(s) > before}

    # After a restart

    def restored(self, fronts: dict[str, int]) -> None:
        """Take in that `minutes` were restored, of series closed up to `fronts`: what follows from both was told before."""
        self.fronts.update(fronts)
        self._closed_to = self.clock
        self.gaps.judged_to = self.clock - BASE_US  # the last minute may have waited
        self.gaps.forget_before(self.clock - self._kept_us)
        for start in self.minutes:
            for end, index, first in self._parents_of(start):
                if end <= self.clock and (index, first) not in self._told:
                    rolled = self._rolled(index, first, end)
                    self._told[index, first] = 0 if rolled is None else rolled[1]
