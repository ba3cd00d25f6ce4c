"""SHELL (OpenTelemetry, through `schemas.tracing`). Some batches of a worker, followed until their offsets are committed.

A batch waits in the intake, is folded, waits for the round of outputs that holds what it changed, and is done when the state that
holds it is acknowledged and its offsets are committed. Live candles go their own way and are not followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from schemas.tracing import COUNT, OFFSETS, Traced, Tracing, span_of

Place = tuple[str, int]
"""Topic and partition."""


class Stage(IntEnum):
    """How far a batch has come."""

    TAKEN, FOLDED, PUBLISHING, PUBLISHED = range(4)


@dataclass
class _Followed:
    traced: Traced
    place: Place
    following: int
    stage: Stage = Stage.TAKEN


class Batches:
    """The batches that are followed now. Without `tracing` there are none, and every call ends at once."""

    def __init__(self, tracing: Tracing | None) -> None:
        self._tracing = tracing
        self._followed: list[_Followed] = []

    def taken(self, topic: str, number: int, first: int, following: int, records: int) -> None:
        """Hear of a batch that Kafka handed over: offsets `first` to before `following`."""
        if self._tracing is None or (traced := self._tracing.sample("processor.batch")) is None:
            return
        traced.tell(COUNT, records)
        traced.tell(OFFSETS, [span_of(topic, number, first, following - 1)])
        traced.step("wait")
        self._followed.append(_Followed(traced, (topic, number), following))

    def folding(self, topic: str, number: int) -> None:
        """Hear that what waited of a partition is being folded."""
        for one in self._followed:
            if one.stage is Stage.TAKEN and one.place == (topic, number):
                one.traced.step("fold")

    def folded(self, topic: str, number: int) -> None:
        """Hear that it is folded; what comes of it waits for the next round of outputs."""
        for one in self._followed:
            if one.stage is Stage.TAKEN and one.place == (topic, number):
                one.traced.step(None)
                one.stage = Stage.FOLDED

    def publishing(self, outputs: int) -> None:
        """Hear that so many outputs were taken to be sent, of all that is folded by now."""
        for one in self._followed:
            if one.stage is Stage.FOLDED:
                one.traced.step("publish")
                one.traced.tell("candlewick.round_outputs", outputs)
                one.stage = Stage.PUBLISHING

    def published(self) -> None:
        """Hear that Kafka has acknowledged them."""
        for one in self._followed:
            if one.stage is Stage.PUBLISHING:
                one.traced.step(None)
                one.stage = Stage.PUBLISHED

    def committing(self, done: Mapping[Place, int]) -> None:
        """Hear that state is being written, after which offsets before those in `done` are committed."""
        for one in self._followed:
            if one.following <= done.get(one.place, 0):
                one.traced.step("commit")

    def committed(self, done: Mapping[Place, int]) -> None:
        """Hear that it is."""
        left = []
        for one in self._followed:
            if one.following <= done.get(one.place, 0):
                one.traced.end()
            else:
                left.append(one)
        self._followed = left

    def forget(self) -> None:
        """Hear that the partitions are gone: another worker reads again what is not committed."""
        for one in self._followed:
            one.traced.end("the partitions went to another worker")
        self._followed = []
