"""PURE. How backfills and bootstraps of one series ended, and what that makes of its losses (ARCHITECTURE, R20)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from processor.core.timeline import BEFORE, Loss, Outcome
from schemas.records import GapCause

Starts = npt.NDArray[np.int64]
Place = tuple[GapCause, int]
"""(cause, from) of a gap: its identity within a series."""
IN_PART = "answered in part"
"""Why a gap is not filled of which an answer, whatever it says, does not reach the end."""


class Result(NamedTuple):
    """The best answer to one gap so far. `candles`: whether the vendor sent any for it; else trades filled it."""

    outcome: Literal["none", "complete", "partial", "refused"]
    start: int
    end: int
    reason: str = ""
    retry_at: int | None = None
    candles: bool = False


class Results:
    """Answers to gaps by cause and from, and the ranges that bootstraps covered completely."""

    def __init__(self) -> None:
        self.of_gap: dict[Place, Result] = {}
        self.bootstraps: list[tuple[int, int]] = []

    def note_candles(self, place: Place, start: int) -> None:
        """Take in that a vendor's candle answers a gap."""
        known = self.of_gap.get(place)
        if known is None:
            self.of_gap[place] = Result("none", start, start, candles=True)
        elif not known.candles:
            self.of_gap[place] = known._replace(candles=True)

    def take(self, place: Place, result: Result) -> bool:
        """Take in the answer to a gap; return whether it says something new. What is complete stays complete."""
        known = self.of_gap.get(place)
        if known is not None:
            if known.outcome == "complete":
                return False
            result = result._replace(candles=known.candles)
            if result == known:
                return False
        self.of_gap[place] = result
        return True

    def take_bootstrap(self, start: int, end: int) -> bool:
        """Take in that everything the vendor has of ``[start, end)`` was sent; return whether that is new."""
        if end <= start or (start, end) in self.bootstraps:
            return False
        self.bootstraps.append((start, end))
        return True

    def fills(self, start: int, end: int) -> int:
        """Return how many complete answers touch ``[start, end)``: they only grow in number, as a version must."""
        if not self.of_gap and not self.bootstraps:
            return 0
        of_gaps = sum(r.start < end and start < r.end for r in self.of_gap.values() if r.outcome == "complete")
        return of_gaps + sum(a < end and start < b for a, b in self.bootstraps)

    def fills_of(self, starts: Starts, ends: Starts) -> Starts:
        """Return `fills` of each of many windows."""
        found = np.zeros(starts.size, np.int64)
        complete = [(r.start, r.end) for r in self.of_gap.values() if r.outcome == "complete"]
        for a, b in (*complete, *self.bootstraps):
            found += (starts < b) & (a < ends)
        return found

    def judged(self, losses: Iterable[Loss], first: int | None) -> tuple[Loss, ...]:
        """Return the disjoint losses with their outcome: what a bootstrap covered of the start is cut off and filled."""
        found: list[Loss] = []
        covered = _union(self.bootstraps)
        for told in losses:
            loss = told
            if loss.cause != "partial_start":
                found.append(self._answered(loss, max(loss.start, first or BEFORE)))
                continue
            at = loss.start
            for a, b in covered:
                if b <= at or a >= loss.end:
                    continue
                if a > at:
                    found.append(self._answered(loss._replace(start=at, end=a, known_to=a), max(at, first or BEFORE)))
                end = min(b, loss.end)
                found.append(loss._replace(start=max(a, at), end=end, known_to=end, outcome="vendor"))
                # What is left from first sight on is the gap that was told, and has its version.
                at, loss = end, loss._replace(derived=loss.derived or end > max(told.start, first or BEFORE))
            if at < loss.end:
                found.append(self._answered(loss._replace(start=at), max(at, first or BEFORE)))
        return tuple(found)

    def _answered(self, loss: Loss, start: int) -> Loss:
        result = self.of_gap.get((loss.cause, start))
        if result is None or loss.lasts or result.outcome == "none":
            return loss
        outcome: Outcome = "unfillable"
        if result.outcome == "complete" and result.end >= loss.end:
            outcome = "vendor" if result.candles else "trades"
        why_not = (result.reason or IN_PART) if outcome == "unfillable" else ""
        return loss._replace(outcome=outcome, why_not=why_not, retry_at=result.retry_at)

    def forget_before(self, floor: int, begun_before: int = BEFORE) -> bool:
        """Drop what speaks only of moments from `begun_before` to `floor`; return whether there was any."""
        gaps = {p: r for p, r in self.of_gap.items() if max(r.end, p[1]) >= floor or min(r.start, p[1]) < begun_before}
        ranges = [r for r in self.bootstraps if r[1] >= floor or r[0] < begun_before]
        changed = len(gaps) != len(self.of_gap) or len(ranges) != len(self.bootstraps)
        self.of_gap, self.bootstraps = gaps, ranges
        return changed


def _union(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    union: list[tuple[int, int]] = []
    for a, b in sorted(ranges):
        if union and a <= union[-1][1]:
            union[-1] = (union[-1][0], max(b, union[-1][1]))
        else:
            union.append((a, b))
    return union
