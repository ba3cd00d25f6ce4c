"""PURE. The losses of a series as disjoint intervals, one cause each, and what they cost a window.

A loss has exact borders and exists whether or not windows have records. Where losses overlap, the first cause in `PRIORITY`
wins the moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from processor.core.calendar import Hours
from schemas.records import GapCause
from schemas.timeframes import BASE_US

FOREVER = 1 << 62
"""Stands for the end of what has no end yet."""
BEFORE = -(1 << 62)
"""Stands for a beginning before all time."""
PRIORITY: tuple[GapCause, ...] = (
    "unsubscribed",
    "producer_down",
    "refused",
    "feed_down",
    "feed_stale",
    "overflow",
    "lost_updates",
    "skipped_ids",
    "lost_sequence",
    "partial_start",
)
_RANK = {cause: rank for rank, cause in enumerate(PRIORITY)}


INSTANT_US = 60
"""How long a loss of no duration counts: the millionth part of a minute, so that `coverage < 1` finds every damaged candle."""
Outcome = Literal["", "vendor", "trades", "unfillable"]
"""What became of a loss: a vendor's candles or trades sent later filled it, or nothing can."""


class Loss(NamedTuple):
    """A lost interval. `known_to` is the end as far as it is known: below `end` while the loss lasts (end = FOREVER)."""

    start: int
    end: int
    cause: GapCause
    known_to: int
    missing: int | None = None
    detail: str = ""
    outcome: Outcome = ""
    why_not: str = ""
    retry_at: int | None = None
    derived: bool = False
    """True where it is what an answer to another loss has left of it."""

    @property
    def is_filled(self) -> bool:
        """True where what was lost has come after all."""
        return self.outcome in ("vendor", "trades")

    @property
    def lasts(self) -> bool:
        """True while its end is not known."""
        return self.end == FOREVER


def overlay(losses: Iterable[Loss]) -> tuple[Loss, ...]:
    """Return the losses cut so that none overlap, by priority and then by start, in order of time."""
    placed: list[Loss] = []
    for loss in sorted(losses, key=lambda x: (_RANK.get(x.cause, len(PRIORITY)), x.start)):
        pieces = [loss]
        for taken in placed:
            pieces = [part for piece in pieces for part in _without(piece, taken)]
        placed += pieces
    return tuple(sorted(placed))


def _without(piece: Loss, taken: Loss) -> Iterable[Loss]:
    if taken.end <= piece.start or piece.end <= taken.start:
        yield piece
        return
    if piece.start < taken.start:
        yield piece._replace(end=taken.start, known_to=min(piece.known_to, taken.start))
    if taken.end < piece.end:
        yield piece._replace(start=taken.end, known_to=max(piece.known_to, taken.end))


def within_hours(losses: Iterable[Loss], calendar: Hours, since: int) -> list[Loss]:
    """Return the losses without what falls outside market hours; one that lasts into the opening starts there.

    Moments before `since` are left as they are: no window that is kept lies there.
    """
    kept: list[Loss] = []
    for loss in losses:
        # One that has only begun is judged by the moment of its beginning: told while the market is closed, it would cut in
        # two what it never takes from.
        begun = loss.lasts and loss.known_to == loss.start
        closed = calendar.closed(max(loss.start, since), loss.known_to + begun)
        pieces = [loss]
        for a, b in closed:
            last = pieces.pop()
            if last.start < a:
                pieces.append(last._replace(end=a, known_to=min(last.known_to, a)))
            if b < last.known_to:
                pieces.append(last._replace(start=max(b, last.start)))
        kept += pieces
    return kept


def lost_in(
    timeline: Sequence[Loss], start: int, end: int, covered: Sequence[int] = (), *, own: bool = False
) -> tuple[int, GapCause]:
    """Return the microseconds lost in ``[start, end)`` and the cause of most of them (``none`` if nothing is lost).

    A loss that still lasts counts up to `known_to`: a moment is good until a status says it was not. What was filled is not lost.

    Args:
        timeline: the disjoint losses, in order.
        start: beginning of the window, microseconds.
        end: its end, exclusive.
        covered: starts of the minutes in it that a vendor's candle stands for: nothing in them is lost.
        own: count what only a vendor's candles filled as lost (views below 1m, which have none).
    """
    total = 0
    by_cause: dict[GapCause, int] = {}
    for loss in timeline:
        if loss.start >= end:
            break
        if loss.outcome == "trades" or (loss.outcome == "vendor" and not own):
            continue
        a, b = max(start, loss.start), min(end, loss.known_to)
        overlap = b - a
        if overlap > 0 and len(covered):
            overlap -= sum(max(0, min(b, s + BASE_US) - max(a, s)) for s in covered)
        if overlap > 0:
            total += overlap
            by_cause[loss.cause] = by_cause.get(loss.cause, 0) + overlap
    if not by_cause:
        return 0, "none"
    return total, max(by_cause, key=lambda c: (by_cause[c], -_RANK.get(c, len(PRIORITY))))


def touched_by(timeline: Sequence[Loss], start: int, end: int) -> bool:
    """Say whether something of ``[start, end)`` was lost that trades did not fill: a vendor's candle may stand for it."""
    return any(x.start < end and start < x.known_to and x.outcome != "trades" for x in timeline)
