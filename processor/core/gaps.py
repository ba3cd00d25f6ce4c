"""PURE. The gaps of one series: what they are, and which records tell it.

What the gaps ARE is a pure function of the windows with records, the losses and how far windows are closed (`pieces`). What
is PUBLISHED follows it by difference (`GapBook`), so any reading order ends with the same gaps.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from processor.core.calendar import ALWAYS, Hours, cut
from processor.core.timeline import Loss
from schemas.records import GapCause, GapState
from schemas.timeframes import BASE_US

FULL = 10**13
BY_VENDOR = "vendor"
"""Detail of silence that a vendor's answer tells of: minutes that it left out of a gap it filled."""
FILLABLE: frozenset[GapCause] = frozenset(
    ("producer_down", "feed_down", "feed_stale", "overflow", "lost_updates", "skipped_ids", "lost_sequence", "partial_start")
)
"""Causes that a provider's history may repair. refused, market_closed and no_trades have nothing to ask for."""


class Piece(NamedTuple):
    """One gap as it is: ``end`` is None while it lasts."""

    start: int
    end: int | None
    cause: GapCause
    missing: int | None = None
    detail: str = ""
    state: GapState = "closed"
    why_not: str = ""
    derived: bool = False
    """True where an answer to another gap made it: a gap of its identity may have been told and become empty before."""

    @property
    def version(self) -> int:
        """Version of the gap as it is."""
        return version_of(self.start, self.end, self.state, derived=self.derived)


@dataclass
class Published:
    """One gap as it was last told."""

    start: int
    cause: GapCause
    end: int | None
    missing: int | None
    state: GapState
    why_not: str
    derived: bool


def floor_base(time_us: int) -> int:
    """Return the start of the 1m window of `time_us`: the borders of silence."""
    return time_us // BASE_US * BASE_US


def version_of(start: int, end: int | None, state: GapState, *, derived: bool = False) -> int:
    """Return the version of a gap: open 0; closed grows as it shrinks; each kind of answer lies above the one before."""
    if end is None:
        return 0
    answer = {"unfillable": 1, "filled": 2}.get(state, 0)
    return max(1, FULL - (end - start)) + (answer + 3 * derived) * FULL


def pieces(
    low: int, closed_to: int, starts: Sequence[int], losses: Sequence[Loss], ended: bool, calendar: Hours = ALWAYS
) -> list[Piece]:
    """Return the gaps that begin at or after `low`, in order.

    Args:
        low: a moment that no gap straddles, microseconds.
        closed_to: 1m windows that end at or before it are closed.
        starts: sorted starts of the 1m windows that have records.
        losses: the disjoint timeline.
        calendar: market hours, which tell market_closed from no_trades.
        ended: nothing is accounted for after `closed_to` (a finished replay), so silence does not last.
    """
    found = [_piece_of(x) for x in losses if x.start >= low and x.end > x.start]
    closed = calendar.closed(low, closed_to + BASE_US)
    for start, end in _silent_runs(floor_base(low), closed_to, starts):
        for a, b, filled in _without_losses(max(start, low), end, losses):
            for x, y, shut in cut(a, b, closed):
                cause: GapCause = "market_closed" if shut else "no_trades"
                found.append(Piece(x, y, cause, None, BY_VENDOR if filled else "", derived=filled))
    found.sort(key=lambda p: p.start)
    if not ended and _goes_on(closed_to, starts, losses):
        now: GapCause = "market_closed" if any(a <= closed_to < b for a, b in closed) else "no_trades"
        for i, piece in enumerate(found):
            if piece.cause == now and piece.end == closed_to and not piece.derived:
                found[i] = piece._replace(end=None, state="open")
    return found


def _piece_of(loss: Loss) -> Piece:
    if loss.lasts:
        return Piece(loss.start, None, loss.cause, loss.missing, loss.detail, "open")
    state: GapState = "filled" if loss.is_filled else "unfillable" if loss.outcome == "unfillable" else "closed"
    return Piece(loss.start, loss.end, loss.cause, loss.missing, loss.detail, state, loss.why_not, loss.derived)


def _silent_runs(low: int, closed_to: int, starts: Sequence[int]) -> Iterator[tuple[int, int]]:
    # By arithmetic over the windows that have records, never window by window: a silent month costs one step.
    i, at = bisect_left(starts, low), low
    while at < closed_to:
        following = starts[i] if i < len(starts) else closed_to
        if following > at:
            yield at, min(following, closed_to)
        at, i = following + BASE_US, i + 1


def _without_losses(start: int, end: int, losses: Sequence[Loss]) -> Iterator[tuple[int, int, bool]]:
    # Pieces of silence, and whether a filled loss lies there: then it is the vendor's word that nothing was traded. They stay
    # apart from the silence beside them, for a gap that was told closed can only shrink.
    at = start
    for loss in losses:
        if loss.start >= end:
            break
        # A loss that lasts covers what is known of it and no more: what it took it never gives back.
        if loss.known_to <= at:
            continue
        if loss.start > at:
            yield at, loss.start, False
            at = loss.start
        if loss.is_filled:
            yield at, min(loss.known_to, end), True
        at = loss.known_to
        if at >= end:
            return
    if at < end:
        yield at, end, False


def _goes_on(closed_to: int, starts: Sequence[int], losses: Sequence[Loss]) -> bool:
    i = bisect_left(starts, closed_to)
    if i < len(starts) and starts[i] == closed_to:
        return False
    return not any(x.start <= closed_to < x.known_to for x in losses if not x.is_filled)


class GapBook:
    """The gaps of one series that may still change, as they were last told."""

    def __init__(self) -> None:
        self.told: list[Published] = []
        """In order of start; disjoint, but that silence may be told after an outage that lasts."""
        self.new: list[Published] = []
        """Those whose identity was first told since the journal was last written (`journal`)."""
        self.journaled: list[Published] = []
        """Those that are in the journal and, by the next state, in it."""
        self._doubtful: set[tuple[int, GapCause]] = set()
        """Those of which the journal knows and nothing else: the crash may have come between the journal and the gap."""

    def recall(self, told: Sequence[Published]) -> int | None:
        """Take in again what was told, or about to be, and forgotten; return where the first that was indeed forgotten begins."""
        known = {(g.start, g.cause) for g in self.told}
        forgotten = [g for g in told if (g.start, g.cause) not in known]
        self.told = sorted([*self.told, *forgotten], key=lambda g: g.start)
        self._doubtful |= {(g.start, g.cause) for g in forgotten}
        self.journaled += told
        return min((g.start for g in forgotten), default=None)

    def straddled_by(self, moment: int) -> int:
        """Return `moment`, or the start of the told gap that reaches it: from there on everything may change."""
        low = floor_base(moment)
        for gap in reversed(self.told):
            if gap.start < low and (gap.end is None or gap.end >= low):
                return gap.start
            if gap.end is not None and gap.end < low:
                break
        return low

    def update(self, low: int, wanted: Sequence[Piece]) -> list[Piece]:
        """Make what is told from `low` on equal to `wanted`; return each gap that changes.

        A told gap that is wanted no more keeps its identity and ends where it began: nothing is left of it. One that was
        recalled counts as a change even where it is as it was: told twice it is the same record, told never it would be missed.
        """
        at = len(self.told)
        while at and self.told[at - 1].start >= low:
            at -= 1
        before = {(g.start, g.cause): g for g in self.told[at:]}
        changes: list[Piece] = []
        now: list[Published] = []
        for piece in wanted:
            old = before.pop((piece.start, piece.cause), None)
            told = Published(piece.start, piece.cause, piece.end, piece.missing, piece.state, piece.why_not, piece.derived)
            if old != told or (piece.start, piece.cause) in self._doubtful:
                changes.append(piece)
            if old is None:
                self.new.append(told)
            now.append(told)
        gone = [Piece(g.start, g.start, g.cause, g.missing, "", g.state, g.why_not, g.derived) for g in before.values()]
        changes[:0] = [p if p.state != "open" else p._replace(state="closed") for p in gone]
        self.told[at:] = now
        self._doubtful = {place for place in self._doubtful if place[0] < low}
        return changes

    def forget_before(self, floor: int) -> None:
        """Drop gaps that ended before `floor`: they cannot change any more."""
        if self.told and self.told[0].end is not None and self.told[0].end < floor:
            self.told = [g for g in self.told if g.end is None or g.end >= floor]
