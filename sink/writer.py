"""SHELL (Cassandra and the dead letters). Writes rows until every one is acknowledged or kept as a dead letter.

While the store does not answer, reading is paused and the group's membership kept alive; there is no limit to the tries, for the
data is safe in Kafka. Only being asked to stop ends the waiting.
"""

from __future__ import annotations

import random  # noqa: TID251 - jitter between retries, in a shell
import time
from typing import NamedTuple

import structlog

from sink import retry
from sink.batches import Batch, plan
from sink.consumer import Lane
from sink.dead_letters import DeadLetters
from sink.errors import FatalError, FloodError, StoppedError
from sink.mapping import Poison, Work
from sink.offsets import Span
from sink.poison import PoisonLimit
from sink.retention import VERSIONS, variable_of
from sink.retry import Verdict
from sink.rows import TOO_FAR_AHEAD
from sink.store import Flight, Store
from sink.tables import Row
from sink.telemetry import Telemetry

_log = structlog.get_logger()
DRAIN_S = 10.0
_SAID = 1000
"""Series about which a warning is remembered; beyond that silence, the metric goes on."""


class Lanes(NamedTuple):
    """The two consumers: what must be fresh, and the bulk."""

    first: Lane
    bulk: Lane


class Underway(NamedTuple):
    """Records of one poll whose rows have been handed to the store."""

    work: Work
    spans: list[Span]
    lane: Lane
    batches: list[Batch]
    flight: Flight
    began_s: float


class Writer:
    """Hands work to the store and lands it."""

    def __init__(self, lanes: Lanes, store: Store, letters: DeadLetters, telemetry: Telemetry) -> None:
        self._lanes = lanes
        self._store = store
        self._letters = letters
        self._t = telemetry
        self._paused = False
        self._stop_s: float | None = None
        self._expired_said: set[tuple[str, object]] = set()
        self._limit = PoisonLimit()
        self.node_lost = False
        """Whether a write failed with its connection: what the node acknowledged before may be gone. For the reader to reset."""
        self.alive_s = time.monotonic()
        """When this last showed that it is not stuck, on the monotonic clock."""

    def stop(self) -> None:
        """Give up waiting `DRAIN_S` from now."""
        self._stop_s = time.monotonic()

    def launch(self, work: Work, spans: list[Span], lane: Lane) -> Underway:
        """Hand the rows of `work` to the store; `spans` of `lane` are what it was made of."""
        planned = plan(work.rows, _now_us())
        self._t.coalesced.inc(planned.coalesced)
        self._say_expired(planned.expired)
        began = time.monotonic()
        return Underway(work, spans, lane, planned.batches, self._store.begin(planned.batches, _now_us()), began)

    def land(self, underway: Underway) -> None:
        """Wait until everything is acknowledged, the dead letters too, and note its spans as done.

        Raises:
            FatalError: no waiting helps.
            FloodError: too much was refused (see `sink.poison`); what `underway` asked for is done all the same.
            StoppedError: asked to stop while the store did not answer.
        """
        refused = self._acknowledged(underway.batches, underway.flight)
        self._t.write_seconds.observe(time.monotonic() - underway.began_s)
        if underway.work.newest_us is not None:
            self._t.lag_seconds.observe(max(0.0, (_now_us() - underway.work.newest_us) / 1e6))
        buried = self._bury([*underway.work.poison, *refused])
        _note_done(underway)
        flood = self._limit.exceeded(underway.work.records, buried, time.monotonic())
        if flood is not None:
            raise FloodError(f"{flood}: no accident of single records; the newest dead letters' headers say what is wrong")

    def settle(self, underway: Underway) -> None:
        """Wait for the answers on their way, 5 s at most, and note the spans as done if all is well; `land` does the rest.

        For the moment before partitions go to another sink: what is noted can still be committed for them.
        """
        if not underway.flight.wait() and not underway.work.poison:
            _note_done(underway)

    def _acknowledged(self, batches: list[Batch], flight: Flight) -> list[Poison]:
        # Waits, and writes again, until every row is acknowledged or refused; returns the refused.
        guilty: list[Poison] = []
        attempt = 0
        returns = self._store.returns
        while batches:
            self._t.inflight.set(len(batches))
            failed = flight.wait()
            self._count(batches, failed)
            batches, waiting = [], None
            for batch, error in failed:
                self.node_lost |= retry.node_lost(error)
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
                self.wait(attempt, type(waiting).__name__, waiting, returns)
                attempt += 1
            elif not failed:
                self._t.cassandra_up.set(1)
            if batches:
                returns = self._store.returns
                flight = self._store.begin(batches, _now_us())
        self._t.inflight.set(0)
        self.resume()
        return guilty

    def _count(self, batches: list[Batch], failed: list[tuple[Batch, BaseException]]) -> None:
        missed = {id(batch) for batch, _ in failed}
        for batch in batches:
            if id(batch) not in missed:
                self._t.rows.labels(batch[0].table).inc(len(batch))

    def wait(self, attempt: int, reason: str, error: BaseException, returns: int | None = None) -> None:
        """Pause reading and wait before try number `attempt` + 1, staying in the group; raises StoppedError as `land` does.

        Args:
            attempt: 0 after the first failure; the wait grows with it.
            reason: a short stable word for the metric.
            error: what went wrong, for the log.
            returns: the store's at the last try; where a node comes back after it, another try is worth it at once.
        """
        self._t.retries.labels(reason).inc()
        if not self._paused:
            self._paused = True
            self._t.paused.set(1)
            for lane in self._lanes:
                lane.pause()
            _log.warning("writing.paused", reason=reason, error=str(error)[:300])
        until = time.monotonic() + retry.delay_s(attempt, random.random())  # noqa: S311 - jitter
        while (left := until - time.monotonic()) > 0 and returns in (None, self._store.returns):
            if self._stop_s is not None and time.monotonic() > self._stop_s + DRAIN_S:
                raise StoppedError(f"asked to stop while waiting for {reason}; what is unwritten will be read again")
            for lane in self._lanes:
                lane.idle(min(left, 0.1) / 2)
            self.alive_s = time.monotonic()

    def resume(self) -> None:
        """Read again after `wait`; nothing happens when reading was not paused."""
        if self._paused:
            self._paused = False
            for lane in self._lanes:
                lane.resume()
            self._t.paused.set(0)
            _log.info("writing.resumed")

    def _bury(self, poison: list[Poison]) -> int:
        letters: dict[int, Poison] = {}
        for p in poison:
            if p.judged:
                self._t.skipped.labels(p.reason).inc()
            else:
                letters.setdefault(id(p.message), p)  # one letter a record, though it asked for several rows
        attempt = 0
        while letters and not self._letters.send(list(letters.values()), 5.0):
            self.wait(attempt, "dead_letters", FatalError("Kafka has not acknowledged the dead letters"))
            attempt += 1
        self.resume()
        for p in letters.values():
            self._t.dead_letters.labels(p.reason).inc()
            if p.reason == TOO_FAR_AHEAD:
                self._t.refused_ahead.inc()
            m = p.message
            _log.warning("dead_letter.written", reason=p.reason, topic=m.topic(), partition=m.partition(), offset=m.offset())
        return len(letters)

    def _say_expired(self, expired: list[Row]) -> None:
        for row in expired:
            self._t.expired.labels(row.table).inc()
            series = row.partition[0] if isinstance(row.partition, tuple) else row.partition
            if row.table == VERSIONS:
                continue  # the candle itself is kept or said; old replays are not asked about their past
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
                "`candlewick store apply` with it and restart the sink; or, where an override of the series is shorter, see "
                "`candlewick retention show`; said once a series and table",
            )


def _note_done(underway: Underway) -> None:
    now_us = _now_us()
    for span in underway.spans:
        underway.lane.offsets.done(span, now_us)


def _refused(row: Row, error: BaseException) -> list[Poison]:
    if row.origin is None or not isinstance(error, Exception):
        raise error
    return [Poison(row.origin, "refused_by_store", error)]


def _now_us() -> int:
    return time.time_ns() // 1000  # noqa: TID251 - a shell's clock
