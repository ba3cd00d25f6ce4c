"""SHELL (Kafka to Cassandra). The loop: take, map, write, wait for every acknowledgement, report, commit later.

Candles, gaps and feed status are read and written first in every turn; trades and quotes follow, in portions small enough that
a candle never waits long behind them.
"""

from __future__ import annotations

import time
from collections import Counter
from functools import partial

import structlog
from confluent_kafka import Message

from schemas.registry import RegistryUnavailableError
from sink import retry
from sink.batches import plan
from sink.consumer import Lane
from sink.errors import FloodError
from sink.mapping import Mapper, Work
from sink.offsets import Span
from sink.overrides import Retention, checked
from sink.retry import Verdict
from sink.rows import position_row
from sink.store import Store
from sink.telemetry import Telemetry
from sink.tracing import Polls
from sink.writer import Lanes, Underway, Writer

_log = structlog.get_logger()
FIRST_ROWS, BULK_ROWS = 2500, 1000
"""Records a turn and lane. A candle waits while a portion of the bulk is mapped and sent: 1000 trades take 30 ms of one core.
Portions of 2000 and 4000 were not faster (28 to 35 us of CPU a trade for all three). Candles of a backlog come in portions that
make full batches of 50 series: batches of 10 cost the node half as much again a row.
"""
POLL_S = 0.025
POSITIONS_S, COMMIT_S, OVERRIDES_S = 0.2, 1.0, 5.0


class Worker:
    """Everything one sink process does after its start."""

    def __init__(self, lanes: Lanes, mapper: Mapper, store: Store, writer: Writer, telemetry: Telemetry, polls: Polls) -> None:
        self._first, self._bulk = self._lanes = lanes
        self._mapper = mapper
        self._store = store
        self._writer = writer
        self._t = telemetry
        self._polls = polls
        self._group = ""
        self._stopping = self._busy = False
        self._flights: dict[str, Underway] = {}
        for lane in lanes:
            lane.before_handover = partial(self._settle, lane)
        self._losses = store.losses
        self._faults: list[str] = []
        self._due = {"positions": 0.0, "commit": 0.0, "overrides": 0.0}

    def stop(self) -> None:
        """End after this turn; while the store does not answer, the writer gives up after a while."""
        self._stopping = True
        self._writer.stop()

    def run(self, group: str) -> None:
        """Work until `stop`.

        Raises:
            FatalError: no waiting helps.
            StoppedError: stopped while writes were failing; they will be read again.
        """
        self._group = group
        try:
            while not self._stopping:
                self._turn()
                self._writer.alive_s = time.monotonic()
        except FloodError as flood:
            self._ripen(flood)
            raise
        for lane in self._lanes:
            self._land(lane)
        self._report(idle=True)

    def _ripen(self, flood: FloodError) -> None:
        # Commit what is done before ending. Within the commit lag nothing of it could be: each start would then read the same
        # flood, bury it once more, and end before it comes any further.
        _log.warning("flood.noticed", reason=str(flood))
        for lane in self._lanes:
            lane.pause()
        while any(lane.offsets.oldest_waiting_us() is not None for lane in self._lanes):
            if self._stopping or self._store.losses != self._losses:
                return
            for lane in self._lanes:
                lane.idle(0.05)
                lane.commit()
            self._writer.alive_s = time.monotonic()

    def _turn(self) -> None:
        # Of each lane one portion may be under way while the next is taken and mapped; the newest candles are waited for.
        first, spans = self._first.take(FIRST_ROWS, 0 if self._busy else POLL_S)
        self._launch(first, spans, self._first)
        if len(first) < FIRST_ROWS:
            self._land(self._first)
        messages, spans = self._bulk.take(BULK_ROWS, 0)
        self._launch(messages, spans, self._bulk)
        self._busy = len(messages) >= BULK_ROWS or len(first) >= FIRST_ROWS
        if self._writer.node_lost or self._store.losses != self._losses:
            self._rewind()
        self._report(idle=not (first or messages))

    def _launch(self, messages: list[Message], spans: list[Span], lane: Lane) -> None:
        work = None
        if messages:
            self._polls.taken(lane.name, spans, len(messages))
            work = self._mapped(messages)
            self._polls.mapped(lane.name)
        self._land(lane)
        if work is not None:
            self._polls.writing(lane.name, len(work.rows))
            self._flights[lane.name] = self._writer.launch(work, spans, lane)

    def _land(self, lane: Lane) -> None:
        underway = self._flights.pop(lane.name, None)
        if underway is not None:
            self._writer.land(underway)
            self._polls.written(lane.name)

    def _settle(self, lane: Lane) -> None:
        if lane.name in self._flights:
            self._writer.settle(self._flights[lane.name])

    def _mapped(self, messages: list[Message]) -> Work:
        for topic, count in Counter(m.topic() for m in messages).items():
            self._t.records.labels(topic).inc(count)
        attempt = 0
        while True:
            try:
                work = self._mapper(messages, _now_us())
            except RegistryUnavailableError as error:
                self._writer.wait(attempt, "registry", error)
                attempt += 1
            else:
                self._writer.resume()
                return work

    def _rewind(self) -> None:
        # A node that went away may have lost what it acknowledged in its last seconds: read that again.
        self._losses, self._writer.node_lost = self._store.losses, False
        self._t.rewinds.inc()
        self._mapper.forget()
        for lane in self._lanes:
            lane.rewind()
        _log.warning("offsets.rewound", reason="a Cassandra node went away; its last seconds are written again")

    def _report(self, *, idle: bool) -> None:
        if self._is_due("positions", POSITIONS_S, at_once=idle):
            self._write_positions()
        if self._is_due("commit", COMMIT_S):
            for lane in self._lanes:
                self._polls.committed(lane.name, lane.commit(), lane.assigned)
            oldest = [o for o in (lane.offsets.oldest_waiting_us() for lane in self._lanes) if o is not None]
            self._t.commit_lag_seconds.set((_now_us() - min(oldest)) / 1e6 if oldest else 0)
        if self._is_due("overrides", OVERRIDES_S):
            self._read_overrides()

    def _is_due(self, what: str, period_s: float, *, at_once: bool = False) -> bool:
        now = time.monotonic()
        if not at_once and now < self._due[what]:
            return False
        self._due[what] = now + period_s
        return True

    def _write_positions(self) -> None:
        news = [(lane, lane.offsets.news()) for lane in self._lanes]
        now_us = _now_us()
        rows = [position_row(self._group, t, p, n, now_us) for _, positions in news for (t, p), n in positions.items()]
        if rows and not self._store.write(plan(rows, now_us).batches, now_us):
            for lane, positions in news:
                lane.offsets.reported(positions)

    def _read_overrides(self) -> None:
        try:
            overrides, faults = checked(self._store.overrides())
        except Exception as error:
            if retry.judge(error) is not Verdict.TRANSIENT:
                raise
            return  # asked again soon
        if faults != self._faults:
            self._faults = faults
            for fault in faults:
                _log.warning("override.ignored", reason=fault, remedy="see `candlewick retention show`")
        if overrides != self._mapper.retention.overrides:
            _log.info("retention.changed", overrides=len(overrides))
            self._mapper.retention = Retention(self._mapper.retention.by_name, overrides)


def _now_us() -> int:
    return time.time_ns() // 1000  # noqa: TID251 - a shell's clock
