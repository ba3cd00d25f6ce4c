"""PURE. Which gaps are to be filled: what the processor tells of them, and what we have already answered."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.records import Gap, HistoryCandle

MAX_KNOWN = 200_000
"""Answers remembered, some tens of megabytes; a gap whose answer is forgotten is asked again, which is harmless."""
NEVER = 1 << 62


@dataclass
class _Known:
    version: int
    again_at: int  # when it may be asked, microseconds UTC: NEVER once the answer is final


class Gaps:
    """The gaps of one source by id. Records may come in any order and more than once; the highest version of a gap counts."""

    def __init__(self) -> None:
        self.waiting: dict[str, Gap] = {}
        self._known: dict[str, _Known] = {}

    def heard(self, gap: Gap) -> None:
        """Take in a record of the gaps topic."""
        known = self._known.get(gap.gap_id)
        if known is None:
            known = self._remember(gap.gap_id, _Known(gap.version, 0))
        elif gap.version < known.version:
            return
        known.version = gap.version
        if gap.state == "filled" or (gap.state == "unfillable" and not known.again_at):
            # Unfillable without an answer of ours that is left: it was given so long ago that it is not asked again.
            known.again_at = NEVER
        is_open = gap.state == "open" or gap.to_time is None
        # An unfillable gap says `fillable` false; our own answer says whether asking again can change that.
        can = gap.fillable or gap.state == "unfillable"
        if is_open or not can or known.again_at == NEVER or gap.to_time == gap.from_time:
            self.waiting.pop(gap.gap_id, None)
        else:
            self.waiting[gap.gap_id] = gap

    def answered(self, result: HistoryCandle) -> None:
        """Take in a result, ours or one of an earlier run: the last one counts."""
        if result.gap_id is None:
            return
        again_at = NEVER if result.outcome == "complete" or result.retry_at is None else result.retry_at
        known = self._known.get(result.gap_id) or self._remember(result.gap_id, _Known(0, 0))
        known.again_at = again_at
        if again_at == NEVER:
            self.waiting.pop(result.gap_id, None)

    def askable(self, now_us: int) -> list[Gap]:
        """Return the closed gaps that may be asked about, the newest first: what a desk looks at now."""
        found = [gap for gap_id, gap in self.waiting.items() if self._known[gap_id].again_at <= now_us]
        return sorted(found, key=lambda gap: (-gap.from_time, gap.gap_id))

    def _remember(self, gap_id: str, known: _Known) -> _Known:
        if len(self._known) >= MAX_KNOWN:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self.waiting.pop(oldest, None)
        self._known[gap_id] = known
        return known
