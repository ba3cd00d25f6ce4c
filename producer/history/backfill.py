"""PURE. Which gaps are to be filled: what the processor tells of them, and what we have already answered."""

from __future__ import annotations

from heapq import heappop, heappush

from schemas.records import Gap, HistoryCandle

MAX_KNOWN = 200_000
"""Gaps remembered, some tens of megabytes; one that is forgotten and told anew is asked again, which is harmless."""
NEVER = 1 << 62


class Gaps:
    """The gaps of one source by id. Records may come in any order and more than once; the highest version of a gap counts."""

    def __init__(self) -> None:
        self._versions: dict[str, int] = {}
        self._again_at: dict[str, int] = {}  # by gap answered: when it may be asked again; NEVER where the answer is final
        self._waiting: dict[str, Gap] = {}  # what may be filled, now or later
        self._due: dict[str, Gap] = {}  # of it, what may be asked now
        self._later: list[tuple[int, str]] = []  # heap of the rest, for a refused plan can leave thousands asleep for hours
        self._is_complete = False  # everything told before the start has been heard

    def __len__(self) -> int:
        """Return how many gaps may be filled, now or later."""
        return len(self._waiting)

    def get(self, gap_id: str) -> Gap | None:
        """Return a gap as it was told last; None where it cannot be filled (any more)."""
        return self._waiting.get(gap_id)

    def heard(self, gap: Gap) -> None:
        """Take in a record of the gaps topic."""
        if gap.version < self._versions.get(gap.gap_id, 0):
            return
        _remember(self._versions, gap.gap_id, gap.version)
        # An unfillable gap says `fillable` false; our answer to it says whether asking again can change that.
        can = gap.state == "unfillable" or (gap.state == "closed" and gap.fillable)
        if not can or gap.to_time in (None, gap.from_time):
            self._forget(gap.gap_id)
            return
        if len(self._waiting) >= MAX_KNOWN and gap.gap_id not in self._waiting:
            self._forget(next(iter(self._waiting)))
        self._waiting[gap.gap_id] = gap
        self._place(gap)

    def answered(self, result: HistoryCandle) -> None:
        """Take in a result, ours or one of an earlier run: the last one counts."""
        if result.gap_id is None:
            return
        final = result.outcome == "complete" or result.retry_at is None
        _remember(self._again_at, result.gap_id, NEVER if final else result.retry_at or 0)
        gap = self._waiting.get(result.gap_id)
        if gap is not None:
            self._place(gap)

    def askable(self, now_us: int) -> list[Gap]:
        """Return the closed gaps that may be asked about, the newest first: what a desk looks at now.

        Call it when everything told before the start has been heard: from then on a gap without prospects is forgotten.
        """
        if not self._is_complete:
            self._is_complete = True
            for gap in list(self._waiting.values()):
                self._place(gap)
        while self._later and self._later[0][0] <= now_us:
            at, gap_id = heappop(self._later)
            gap_then = self._waiting.get(gap_id)
            if gap_then is not None and self._when(gap_then) == at:  # else it was answered again meanwhile
                self._due[gap_id] = gap_then
        return sorted(self._due.values(), key=lambda gap: (-gap.from_time, gap.gap_id))

    def _place(self, gap: Gap) -> None:
        at = self._when(gap)
        self._due.pop(gap.gap_id, None)
        if at != NEVER:
            heappush(self._later, (at, gap.gap_id))
        elif self._is_complete:
            self._forget(gap.gap_id)

    def _forget(self, gap_id: str) -> None:
        self._waiting.pop(gap_id, None)
        self._due.pop(gap_id, None)

    def _when(self, gap: Gap) -> int:
        # Unfillable without an answer of ours that is left: it was given so long ago that it is not asked again.
        return self._again_at.get(gap.gap_id, NEVER if gap.state == "unfillable" else 0)


def _remember(known: dict[str, int], gap_id: str, value: int) -> None:
    if len(known) >= MAX_KNOWN and gap_id not in known:
        del known[next(iter(known))]
    known[gap_id] = value
