"""PURE. Which gaps are to be filled: what the processor tells of them, and what we have already answered."""

from __future__ import annotations

from schemas.records import Gap, HistoryCandle

MAX_KNOWN = 200_000
"""Gaps remembered, some tens of megabytes; one that is forgotten and told anew is asked again, which is harmless."""
NEVER = 1 << 62


class Gaps:
    """The gaps of one source by id. Records may come in any order and more than once; the highest version of a gap counts."""

    def __init__(self) -> None:
        self.waiting: dict[str, Gap] = {}
        self._versions: dict[str, int] = {}
        self._again_at: dict[str, int] = {}  # by gap answered: when it may be asked again; NEVER where the answer is final

    def heard(self, gap: Gap) -> None:
        """Take in a record of the gaps topic."""
        if gap.version < self._versions.get(gap.gap_id, 0):
            return
        _remember(self._versions, gap.gap_id, gap.version)
        # An unfillable gap says `fillable` false; our answer to it says whether asking again can change that.
        can = gap.state == "unfillable" or (gap.state == "closed" and gap.fillable)
        if can and gap.to_time not in (None, gap.from_time):
            self.waiting[gap.gap_id] = gap
        else:
            self.waiting.pop(gap.gap_id, None)

    def answered(self, result: HistoryCandle) -> None:
        """Take in a result, ours or one of an earlier run: the last one counts."""
        if result.gap_id is None:
            return
        final = result.outcome == "complete" or result.retry_at is None
        _remember(self._again_at, result.gap_id, NEVER if final else result.retry_at or 0)

    def askable(self, now_us: int) -> list[Gap]:
        """Return the closed gaps that may be asked about, the newest first: what a desk looks at now.

        Call it when everything known has been heard: gaps that are answered for good are forgotten here.
        """
        for gap_id in [g for g, gap in self.waiting.items() if self._when(gap) == NEVER]:
            del self.waiting[gap_id]
        found = [gap for gap in self.waiting.values() if self._when(gap) <= now_us]
        return sorted(found, key=lambda gap: (-gap.from_time, gap.gap_id))

    def _when(self, gap: Gap) -> int:
        # Unfillable without an answer of ours that is left: it was given so long ago that it is not asked again.
        return self._again_at.get(gap.gap_id, NEVER if gap.state == "unfillable" else 0)


def _remember(known: dict[str, int], gap_id: str, value: int) -> None:
    if len(known) >= MAX_KNOWN and gap_id not in known:
        del known[next(iter(known))]
    known[gap_id] = value
