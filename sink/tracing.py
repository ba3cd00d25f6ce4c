"""SHELL (OpenTelemetry, through `schemas.tracing`). Some polls of the sink, followed until their offsets are committed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from schemas.tracing import COUNT, OFFSETS, Traced, Tracing, span_of
from sink.offsets import Partition, Span


class Stage(IntEnum):
    """How far a poll's records have come."""

    TAKEN, WRITING, WRITTEN = range(3)


@dataclass
class _Followed:
    traced: Traced
    lane: str
    ends: dict[Partition, int]
    """Partition -> offset after the last record of it that is not known to be committed."""
    stage: Stage = Stage.TAKEN


class Polls:
    """The polls that are followed now. Without `tracing` there are none, and every call ends at once."""

    def __init__(self, tracing: Tracing | None) -> None:
        self._tracing = tracing
        self._followed: list[_Followed] = []

    def taken(self, lane: str, spans: Sequence[Span], records: int) -> None:
        """Hear of records that were polled together; they are decoded and mapped to rows next."""
        if self._tracing is None or (traced := self._tracing.sample("sink.poll")) is None:
            return
        traced.tell("candlewick.lane", lane)
        traced.tell(COUNT, records)
        traced.tell(OFFSETS, [span_of(*span.partition, span.first_offset, span.next_offset - 1) for span in spans])
        traced.step("map")
        self._followed.append(_Followed(traced, lane, {span.partition: span.next_offset for span in spans}))

    def mapped(self, lane: str) -> None:
        """Hear that they are mapped, and wait for the lane's poll before them to be written."""
        for one in self._of(lane, Stage.TAKEN):
            one.traced.step(None)

    def writing(self, lane: str, rows: int) -> None:
        """Hear that `rows` were handed to the store."""
        for one in self._of(lane, Stage.TAKEN):
            one.traced.tell("candlewick.rows", rows)
            one.traced.step("write")
            one.stage = Stage.WRITING

    def written(self, lane: str) -> None:
        """Hear that every row is acknowledged, or its record kept as a dead letter."""
        for one in self._of(lane, Stage.WRITING):
            one.traced.step("commit")
            one.stage = Stage.WRITTEN

    def committed(self, lane: str, offsets: Mapping[Partition, int], assigned: Collection[Partition]) -> None:
        """Hear which offsets Kafka was told, and which partitions are still ours: of others nothing more is heard."""
        for one in self._of(lane, Stage.WRITTEN):
            one.ends = {p: end for p, end in one.ends.items() if p in assigned and end > offsets.get(p, 0)}
            if not one.ends:
                one.traced.end()
        self._followed = [one for one in self._followed if one.ends]

    def _of(self, lane: str, stage: Stage) -> list[_Followed]:
        return [one for one in self._followed if one.lane == lane and one.stage is stage]
