"""PURE. Which offsets may be committed, and how far each partition has been written.

Theory of operation. Records are taken from a partition in spans, in order. A span is done when every row (and dead letter) of
it is acknowledged. The *written position* is the end of the unbroken run of done spans. An offset is *committable* once it has
been below the written position for `lag_us`: a single Cassandra node acknowledges before its disk has the data, so what was
written in the last seconds is read again after a loss of power (writes are idempotent). When the node was lost, `rewind` says
where to read on.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

Partition = tuple[str, int]
"""Topic and partition number."""


@dataclass
class Span:
    """Records of one partition taken together: everything from the span before up to, not including, ``next_offset``.

    ``first_offset`` is the first record's; between it and the span before there may be nothing to read.
    """

    partition: Partition
    first_offset: int
    next_offset: int
    done_us: int | None = None


@dataclass
class _State:
    base: int
    written: int
    committed: int | None = None
    reported: int | None = None
    spans: deque[Span] = field(default_factory=deque)
    waiting: deque[tuple[int, int]] = field(default_factory=deque)  # (done at, next offset), the age of what is written


class Offsets:
    """The bookkeeping of the partitions that are assigned now."""

    def __init__(self, lag_us: int) -> None:
        self._lag_us = lag_us
        self._partitions: dict[Partition, _State] = {}

    def take(self, partition: Partition, first_offset: int, next_offset: int) -> Span:
        """Begin a span of records; its first is at `first_offset`, its end before `next_offset`."""
        state = self._partitions.get(partition)
        if state is None:
            state = self._partitions[partition] = _State(first_offset, first_offset)
        span = Span(partition, first_offset, next_offset)
        state.spans.append(span)
        return span

    def done(self, span: Span, now_us: int) -> None:
        """Note that everything of `span` is acknowledged; nothing happens when its partition was dropped or rewound since."""
        span.done_us = now_us
        state = self._partitions.get(span.partition)
        if state is None or not any(span is s for s in state.spans):
            return
        moved = False
        while state.spans and state.spans[0].done_us is not None:
            state.written = state.spans.popleft().next_offset
            moved = True
        if moved:
            state.waiting.append((now_us, state.written))

    def committable(self, now_us: int) -> dict[Partition, int]:
        """Return the offsets to commit now, by partition, where they are higher than what was committed before."""
        ripe: dict[Partition, int] = {}
        for partition, state in self._partitions.items():
            while state.waiting and state.waiting[0][0] <= now_us - self._lag_us:
                ripe[partition] = state.waiting.popleft()[1]
        return {p: n for p, n in ripe.items() if n != self._partitions[p].committed}

    def committed(self, offsets: dict[Partition, int]) -> None:
        """Note that Kafka has these offsets."""
        for partition, offset in offsets.items():
            if partition in self._partitions:
                self._partitions[partition].committed = offset

    def news(self) -> dict[Partition, int]:
        """Return the written positions that differ from those reported, by partition."""
        return {p: s.written for p, s in self._partitions.items() if s.written != s.reported}

    def reported(self, positions: dict[Partition, int]) -> None:
        """Note that these written positions are stored."""
        for partition, offset in positions.items():
            if partition in self._partitions:
                self._partitions[partition].reported = offset

    def oldest_waiting_us(self) -> int | None:
        """Return when the oldest write that is not yet committed was acknowledged; None where all is committed."""
        return min((s.waiting[0][0] for s in self._partitions.values() if s.waiting), default=None)

    def drop(self, partitions: list[Partition]) -> None:
        """Forget partitions that are no longer ours."""
        for partition in partitions:
            self._partitions.pop(partition, None)

    def rewind(self) -> dict[Partition, int]:
        """Return where to read each partition again after the store was lost: the last commit, else where we began."""
        for partition, state in self._partitions.items():
            start = state.base if state.committed is None else state.committed
            self._partitions[partition] = _State(state.base, start, state.committed)
        return {p: s.written for p, s in self._partitions.items()}
