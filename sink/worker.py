"""SHELL (Kafka to Cassandra). The loop: take, map, write, wait for every acknowledgement, report, commit later.

Candles, gaps and feed status are read and written first in every turn; trades and quotes follow, in portions small enough that
a candle never waits long behind them.
"""

from __future__ import annotations

import random  # noqa: TID251 - jitter between retries, in a shell
import time
from collections import Counter
from typing import NamedTuple

import structlog
from confluent_kafka import Message

from schemas.registry import RegistryUnavailableError
from sink import retry
from sink.batches import Batch, plan
from sink.consumer import Lane
from sink.dead_letters import DeadLetters
from sink.errors import FatalError, StoppedError
from sink.mapping import Mapper, Poison, Work
from sink.offsets import Span
from sink.retention import Retention, variable_of
from sink.retry import Verdict
from sink.rows import TOO_FAR_AHEAD, position_row
from sink.store import Flight, Store
from sink.tables import Row
from sink.telemetry import Telemetry

_log = structlog.get_logger()
FIRST_ROWS, BULK_ROWS = 500, 2000
"""Records a turn and lane. Our choice: mapping and sending 2000 trades takes 30 ms of one core; a candle waits no longer."""
POLL_S = 0.025
POSITIONS_S, COMMIT_S, OVERRIDES_S = 0.2, 1.0, 60.0
DRAIN_S = 10.0
_SAID = 1000
"""Series about which a warning is remembered; beyond that silence, the metric goes on."""


class Lanes(NamedTuple):
    """The two consumers: what must be fresh, and the bulk."""

    first: Lane
    bulk: Lane


class _Underway(NamedTuple):
    """Records of one poll whose rows have been handed to the store."""

    work: Work
    spans: list[Span]
    lane: Lane
    batches: list[Batch]
    flight: Flight
    began_s: float


class Worker:
    """Everything one sink process does after its start."""

    def __init__(self, lanes: Lanes, mapper: Mapper, store: Store, letters: DeadLetters, telemetry: Telemetry) -> None:
        self._first, self._bulk = self._lanes = lanes
        self._mapper = mapper
        self._store = store
        self._letters = letters
        self._t = telemetry
        self._group = ""
        self._stop_s: float | None = None
        self._busy = self._paused = False
        self._bulk_flight: _Underway | None = None
        self._losses, self._lost = store.losses, False
        self._due = {"positions": 0.0, "commit": 0.0, "overrides": 0.0}
        self._expired_said: set[tuple[str, object]] = set()
        self.turn_s = time.monotonic()

    def stop(self) -> None:
        """End after this turn; while the store does not answer, give up after `DRAIN_S`."""
        self._stop_s = time.monotonic()

    def run(self, group: str) -> None:
        """Work until `stop`.

        Raises:
            FatalError: no waiting helps.
            StoppedError: stopped while writes were failing; they will be read again.
        """
        self._group = group
        while self._stop_s is None:
            self._turn()
            self.turn_s = time.monotonic()
        self._land_bulk()
        self._report(idle=True)

    def _turn(self) -> None:
        # Candles are waited for; of the bulk one portion is always under way, while candles come by and the next is mapped.
        first, spans = self._first.take(FIRST_ROWS, 0 if self._busy else POLL_S)
        if first:
            self._land(self._launch(self._mapped(first), spans, self._first))
        messages, spans = self._bulk.take(BULK_ROWS, 0)
        work = self._mapped(messages) if messages else None
        self._land_bulk()
        if work is not None:
            self._bulk_flight = self._launch(work, spans, self._bulk)
        self._busy = len(messages) >= BULK_ROWS or len(first) >= FIRST_ROWS
        if self._lost or self._store.losses != self._losses:
            self._rewind()
        self._report(idle=not (first or messages))

    def _launch(self, work: Work, spans: list[Span], lane: Lane) -> _Underway:
        planned = plan(work.rows, _now_us())
        self._t.coalesced.inc(planned.coalesced)
        self._say_expired(planned.expired)
        began = time.monotonic()
        return _Underway(work, spans, lane, planned.batches, self._store.begin(planned.batches, _now_us()), began)

    def _land(self, underway: _Underway) -> None:
        refused = self._acknowledged(underway.batches, underway.flight)
        self._t.write_seconds.observe(time.monotonic() - underway.began_s)
        if underway.work.newest_us is not None:
            self._t.lag_seconds.observe(max(0.0, (_now_us() - underway.work.newest_us) / 1e6))
        self._bury([*underway.work.poison, *refused])
        now_us = _now_us()
        for span in underway.spans:
            underway.lane.offsets.done(span, now_us)

    def _land_bulk(self) -> None:
        if self._bulk_flight is not None:
            underway, self._bulk_flight = self._bulk_flight, None
            self._land(underway)

    def _mapped(self, messages: list[Message]) -> Work:
        for topic, count in Counter(m.topic() for m in messages).items():
            self._t.records.labels(topic).inc(count)
        attempt = 0
        while True:
            try:
                work = self._mapper(messages, _now_us())
            except RegistryUnavailableError as error:
                self._wait(attempt, "registry", error)
                attempt += 1
            else:
                self._resume()
                return work

    def _acknowledged(self, batches: list[Batch], flight: Flight) -> list[Poison]:
        # Waits, and writes again, until every row is acknowledged or refused; returns the refused.
        guilty: list[Poison] = []
        attempt = 0
        while batches:
            self._t.inflight.set(len(batches))
            failed = flight.wait()
            self._count(batches, failed)
            batches, waiting = [], None
            for batch, error in failed:
                self._lost |= retry.node_lost(error)
                match retry.judge(error):
                    case Verdict.TRANSIENT:
                        batches.append(batch)
                        waiting = error
                    case Verdict.DATA if len(batch) > 1:
                        batches += [(row,) for row in batch]
                    case Verdict.DATA:
                        guilty += _refused(batch[0], error)
                    case Verdict.CONFIGURATION:
                        raise FatalError(f"Cassandra refuses {batch[0].table}: {error} (see `candlewick store apply`)")
                    case Verdict.UNKNOWN:
                        raise error
            if waiting is not None:
                self._t.cassandra_up.set(0)
                self._wait(attempt, type(waiting).__name__, waiting)
                attempt += 1
            elif not failed:
                self._t.cassandra_up.set(1)
            if batches:
                flight = self._store.begin(batches, _now_us())
        self._t.inflight.set(0)
        self._resume()
        return guilty

    def _count(self, batches: list[Batch], failed: list[tuple[Batch, BaseException]]) -> None:
        missed = {id(batch) for batch, _ in failed}
        for batch in batches:
            if id(batch) not in missed:
                self._t.rows.labels(batch[0].table).inc(len(batch))

    def _wait(self, attempt: int, reason: str, error: BaseException) -> None:
        # Stays in the group while waiting; the data is safe in Kafka.
        self._t.retries.labels(reason).inc()
        if not self._paused:
            self._paused = True
            self._t.paused.set(1)
            self._first.pause()
            self._bulk.pause()
            _log.warning("writing.paused", reason=reason, error=str(error)[:300])
        until = time.monotonic() + retry.delay_s(attempt, random.random())  # noqa: S311 - jitter
        while (left := until - time.monotonic()) > 0:
            if self._stop_s is not None and time.monotonic() > self._stop_s + DRAIN_S:
                raise StoppedError(f"asked to stop while waiting for {reason}; what is unwritten will be read again")
            for lane in self._lanes:
                lane.idle(min(left, 0.1) / 2)
            self.turn_s = time.monotonic()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._first.resume()
            self._bulk.resume()
            self._t.paused.set(0)
            _log.info("writing.resumed")

    def _bury(self, poison: list[Poison]) -> None:
        letters: dict[int, Poison] = {}
        for p in poison:
            if p.judged:
                self._t.skipped.labels(p.reason).inc()
            else:
                letters.setdefault(id(p.message), p)  # one letter a record, though it asked for several rows
        attempt = 0
        while letters and not self._letters.send(list(letters.values()), 5.0):
            self._wait(attempt, "dead_letters", FatalError("Kafka has not acknowledged the dead letters"))
            attempt += 1
        self._resume()
        for p in letters.values():
            self._t.dead_letters.labels(p.reason).inc()
            if p.reason == TOO_FAR_AHEAD:
                self._t.refused_ahead.inc()
            m = p.message
            _log.warning("dead_letter.written", reason=p.reason, topic=m.topic(), partition=m.partition(), offset=m.offset())

    def _say_expired(self, expired: list[Row]) -> None:
        for row in expired:
            self._t.expired.labels(row.table).inc()
            series = row.partition[0] if isinstance(row.partition, tuple) else row.partition
            if (row.table, series) in self._expired_said or len(self._expired_said) >= _SAID:
                continue
            self._expired_said.add((row.table, series))
            setting = variable_of("gaps" if row.table == "feed_status_log" else row.table.removeprefix("candles_"))
            _log.warning(
                "row.expired_before_write",
                table=row.table,
                series=series,
                expired_days_ago=round((_now_us() - (row.expires_us or 0)) / 86_400e6, 1),
                remedy=f"older than its retention, so not kept: set {setting} to more days (0 = for ever), run "
                "`candlewick store apply` with it and restart the sink; said once a series and table",
            )

    def _rewind(self) -> None:
        # A node that went away may have lost what it acknowledged in its last seconds: read that again.
        self._losses, self._lost = self._store.losses, False
        self._t.rewinds.inc()
        self._mapper.forget()
        for lane in self._lanes:
            lane.rewind()
        _log.warning("offsets.rewound", reason="a Cassandra node went away; its last seconds are written again")

    def _report(self, *, idle: bool) -> None:
        if self._is_due("positions", POSITIONS_S, at_once=idle):
            self._write_positions()
        if self._is_due("commit", COMMIT_S):
            self._first.commit()
            self._bulk.commit()
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
            overrides = self._store.overrides()
        except Exception as error:
            if retry.judge(error) is not Verdict.TRANSIENT:
                raise
            return  # asked again in a minute
        if overrides != dict(self._mapper.retention.overrides):
            _log.info("retention.read", series=len({series for series, _ in overrides}))
        self._mapper.retention = Retention(self._mapper.retention.by_name, overrides)


def _refused(row: Row, error: BaseException) -> list[Poison]:
    if row.origin is None or not isinstance(error, Exception):
        raise error
    return [Poison(row.origin, "refused_by_store", error)]


def _now_us() -> int:
    return time.time_ns() // 1000  # noqa: TID251 - a shell's clock
