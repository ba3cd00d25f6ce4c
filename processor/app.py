"""SHELL (Kafka, through Faust). The processor as a Faust app: batches into the engine, its output to Kafka, then offsets.

One flush at a time, in three steps: outputs are acknowledged, then state, then the offsets of exactly that state are
committed. A crash between any two repeats work and loses nothing. Nothing is written without a lease (`processor.ownership`).
Before partitions go, at a rebalance or at the end, a last flush spares the next owner the reading again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Protocol, cast

import structlog
from faust.types import TP

from processor import changelog, fetch, telemetry
from processor.driver import PINNED, BatchApp, BatchConsumer, BatchTables
from processor.engine import Engine
from processor.ownership import ANSWER_S, SESSION_S, LostError, Ownership
from processor.publisher import Publisher
from processor.pulse import Pulse
from processor.settings import Settings
from schemas import topics
from schemas.records import Candle, Gap
from schemas.timeframes import SECOND

log = structlog.get_logger()
TICK_S = 0.05
"""How often the flusher looks for what is due (our choice: a fifth of the live period)."""
AWAKE_S = 0.5
"""A longer time between two looks is no silence of anybody: this process, or Kafka, was not there to hear."""


LARGE = 2000
TURNS = 5
"""Turns of the loop after a batch of over `LARGE` records: a question over HTTP takes as many, and waits for one such batch."""
FLUSH_LIMIT_S = 45.0
"""Age of the last flush at which a worker is not ready: a delivery may take 30 s (our choice)."""


class Audience(Protocol):
    """Who hears, in this process, what has been published."""

    def own(self, partitions: Collection[int]) -> None:
        """Hear which partitions are owned from now on."""

    def published(self, records: Sequence[tuple[Candle | Gap, int, bytes]]) -> None:
        """Hear what Kafka has acknowledged: (record, partition, its bytes)."""


class Counters:
    """The engine's counts as metrics."""

    def records(self, topic: str, number: int) -> None:
        """Count messages taken in."""
        telemetry.RECORDS.labels(topic).inc(number)

    def dead_letter(self, reason: str) -> None:
        """Count one message refused."""
        telemetry.DEAD_LETTERS.labels(reason).inc()

    def late(self, reason: str, number: int) -> None:
        """Count records too old to enter a candle."""
        telemetry.LATE.labels(reason).inc(number)

    def candle(self, state: str, number: int) -> None:
        """Count candles made."""
        telemetry.CANDLES.labels(state).inc(number)

    def gap(self, cause: str, state: str) -> None:
        """Count one gap record made."""
        telemetry.GAPS.labels(cause, state).inc()


@dataclass
class Silence:
    """How long a source has said nothing itself; times are seconds of being awake."""

    offset: int
    """Of the newest status seen, whoever wrote it."""
    since: float
    declared: float = 0.0
    """When its producer was last declared down."""


class Processor:
    """Joins the Faust app, the engine and the publisher."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        publisher: Publisher,
        partitions: int,
        audience: Audience | None = None,
        url: str = "",
    ) -> None:
        """Make an app that does not run yet.

        Args:
            settings: the service's.
            engine: without partitions.
            publisher: sends what the engine makes.
            partitions: how many there are.
            audience: told of everything published.
            url: where this worker answers over HTTP; the group's other members learn it with each assignment.
        """
        for package, wanted in PINNED.items():
            if version(package) != wanted:
                raise RuntimeError(f"{package} is {version(package)}; the batch driver is made for {wanted} and reaches into it")
        self._settings = settings
        self._engine = engine
        self._publisher = publisher
        self._inputs = [t.name(settings.topic_prefix) for t in topics.INPUTS]
        self._status_topic = topics.FEED_STATUS.name(settings.topic_prefix)
        self._due = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._pulse = Pulse(settings.timeframes, settings.live_ms / 1000, settings.live_budget)
        self._last_state = 0.0
        self._awake = 0.0
        self._ownership = Ownership(self._commit)
        self._given_up = threading.Event()
        """Ends the reading of state for an assignment that is no longer the one."""
        self._parted = -1
        """Generation of the group whose partitions were last given up."""
        self._silence: dict[tuple[int, str], Silence] = {}
        """By (partition, source)."""
        self.ready = False
        self._audience = audience
        self._assigned = False
        self._flushed: float | None = None
        self._behind_s = 0.0
        # Faust tells members apart by their URL, so one that serves no HTTP needs a name too.
        self._url = url or f"none:{socket.gethostname()}-{os.getpid()}"
        self.app = self._make_app(partitions)

    def _make_app(self, partitions: int) -> BatchApp:
        s = self._settings
        app = BatchApp(
            topics.group_name(topics.PROCESSOR_GROUP, s.topic_prefix),
            broker=[f"kafka://{host}" for host in s.kafka.split(",")],
            value_serializer="raw",
            key_serializer="raw",
            topic_allow_declare=False,  # the deploy step creates topics
            topic_disable_leader=True,
            topic_partitions=partitions,
            autodiscover=False,
            web_enabled=False,  # Faust's own pages show tables to anyone
            canonical_url=self._url,
            worker_redirect_stdouts=False,
            stream_buffer_maxsize=16,  # counts batches
            stream_wait_empty=False,
            consumer_auto_offset_reset="earliest",
            consumer_max_fetch_size=4 << 20,
            broker_commit_every=1_000_000,
            broker_session_timeout=SESSION_S,  # a killed worker is replaced this soon; heartbeats come from a thread of their own
            broker_heartbeat_interval=1,  # also how soon a member hears that another joined
            broker_rebalance_timeout=60,
            broker_request_timeout=90,
            broker_max_poll_interval=300,
            producer_acks=-1,
            producer_linger=0.02,
            producer_request_timeout=60,
            table_standby_replicas=0,
            TableManager=BatchTables,
        )
        app.batch_topics = frozenset(self._inputs)
        fetch.install(app.batch_topics)
        app.seeked = self._seeked  # type: ignore[method-assign]  # the hook is meant for this
        stream = app.topic(*self._inputs, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        app.Table("state", key_type=bytes, value_type=bytes, on_recover=self._recovered)
        app.agent(stream, name="batches")(self._run)
        app.task(self._flush_forever)
        app.on_partitions_revoked.connect(self._revoked)  # type: ignore[arg-type]  # Faust passes `revoked`
        app.on_before_shutdown.connect(self._leaving)
        return app

    @property
    def _consumer(self) -> BatchConsumer:
        return cast(BatchConsumer, self.app.consumer)

    # For the pages

    def health(self) -> dict[str, Any]:
        """Return whether this worker is `ready`, and why: partitions assigned and recovered, last flush, how far behind."""
        age = None if self._flushed is None else time.monotonic() - self._flushed
        working = self.ready and age is not None and age < FLUSH_LIMIT_S
        return {
            "ready": self._assigned and (working or not self._engine.partitions),
            "assigned": self._assigned,
            "partitions": sorted(self._engine.partitions),
            "last_flush_age_s": None if age is None else round(age, 3),
            "behind_s": round(self._behind_s, 3),
        }

    def owners(self) -> dict[int, str]:
        """Return the URL of every partition's owner, as the last assignment of the group says."""
        changelog = topics.changelog_name(self._settings.topic_prefix)
        members = self.app.assignor.tables_metadata()
        return {number: str(url) for url, owned in members.items() for number in owned.get(changelog, ())}

    def owned(self) -> list[int]:
        """Return the partitions that are this worker's, recovered."""
        return sorted(self._engine.partitions) if self._assigned else []

    def series(self) -> list[str]:
        """Return the series kept on this worker."""
        return [name for partition in self._engine.partitions.values() for name in partition.series]

    # Rebalance

    async def _revoked(self, app: Any, revoked: Any, **_: Any) -> None:
        await self._part()
        log.info("partitions.revoked", partitions=sorted({tp.partition for tp in revoked}))

    async def _leaving(self, *_: Any, **__: Any) -> None:
        await self._part()
        log.info("processor.stopped")

    async def _part(self) -> None:
        # Kafka waits for this before it gives the partitions to another, so that one finds everything done.
        self._given_up.set()
        self._parted = self.app.consumer_generation_id
        async with self._flushing:
            if self.ready:
                try:
                    await self._write(set(), with_state=True)
                except LostError as error:
                    log.warning("flush.given_up", reason=str(error))
            self.ready = self._assigned = False
            self._engine.release()

    async def _recovered(self) -> None:
        if self.app.consumer_generation_id == self._parted:
            return  # late: these partitions are gone already, and the next assignment is on its way
        self._given_up = given_up = threading.Event()
        s = self._settings
        numbers = sorted({tp.partition for tp in self._consumer.assignment() if tp.topic in self.app.batch_topics})
        began = time.monotonic()
        try:
            topic = topics.changelog_name(s.topic_prefix)
            states = await asyncio.to_thread(changelog.read, s.kafka, s.kafka_options, topic, numbers, given_up)
            if states is None:
                return
            records = sum(map(len, states.values()))
            partitions = await asyncio.to_thread(self._engine.restored, states)
        except Exception as error:
            log.exception("state.unreadable")
            await self.app.crash(error)
            raise
        async with self._flushing:
            if given_up.is_set():
                return
            self._engine.assign(partitions)
        self._assigned = True
        self._flushed = None
        if self._audience is not None:
            self._audience.own(numbers)
        telemetry.PARTITIONS.set(len(numbers))
        restored = sum(len(p.series) for p in self._engine.partitions.values())
        seconds = round(time.monotonic() - began, 2)
        log.info("partitions.assigned", partitions=numbers, series_restored=restored, state_records=records, seconds=seconds)

    def _seeked(self, positions: dict[TP, int]) -> None:
        if self.ready or not positions or {tp.partition for tp in positions} != set(self._engine.partitions):
            return  # nothing to own, or a seek during a rebalance: the one that counts comes after recovery
        for tp, offset in positions.items():
            self._engine.seek(tp.topic, tp.partition, offset)
        self._ownership.begin(positions)
        self._silence.clear()
        self.ready = True

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return await self._consumer.commit_now(offsets)

    # Input

    async def _run(self, stream: Any) -> None:
        consumer = self._consumer
        async for event in stream.noack().events():
            try:
                batch, tp = event.value, event.message.tp
                if tp.partition in self._engine.partitions and await consumer.check(tp, batch):
                    self._engine.take(tp.topic, tp.partition, batch, time.time_ns() // 1000)
                    consumer.taken(tp, batch[-1].offset + 1)
                    if self._engine.pressing:
                        self._due.set()
                event.ack()
                for _ in range(TURNS if len(batch) > LARGE else 1):
                    await asyncio.sleep(0)
            except Exception as error:
                self.ready = False  # half a batch is in memory
                log.exception("batch.failed")
                await self.app.crash(error)
                raise

    # Output

    async def _flush_forever(self) -> None:
        looked = time.monotonic()
        while not self.app.should_stop:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), TICK_S)
            self._due.clear()
            before, looked = looked, time.monotonic()
            self._awake += min(looked - before, AWAKE_S)
            if not self.ready:
                continue
            try:
                await self._flush()
            except LostError:
                # Heartbeats meet the same refusal and Faust joins again, which assigns everything anew.
                log.warning("partitions.lost")
                self.ready = self._assigned = False
                self._engine.release()
            except Exception as error:
                self.ready = False
                log.exception("flush.failed")
                await self.app.crash(error)
                raise

    async def _flush(self) -> None:
        async with self._flushing:
            if not self.ready:
                return
            began = time.monotonic()
            if not self._ownership.fresh():
                try:
                    await self._ownership.confirm()
                except TimeoutError:
                    log.warning("kafka.silent", seconds=round(time.monotonic() - began, 1))
                    return  # all stays in memory until it answers
            self._look_at_ends()
            await self._declare_silent(self._awake)
            with_state = began - self._last_state >= self._settings.flush_ms / 1000
            if with_state:
                self._last_state = began
            await self._write(self._pulse.due(began), with_state=with_state)
            telemetry.LIVE_STRETCH.set(self._pulse.stretch)

    async def _write(self, live: set[int], *, with_state: bool) -> None:
        try:
            await self._write_all(live, with_state=with_state)
        except BaseException:
            self.ready = False  # taken out of the engine and perhaps not written: nothing after it may be
            raise

    async def _write_all(self, live: set[int], *, with_state: bool) -> None:
        began = time.monotonic()
        outgoing = self._engine.outgoing(live=live, with_state=with_state, now=time.time_ns() // 1000)
        self._pulse.sent(outgoing.live)
        if outgoing.outputs:
            await self._publisher.send(outgoing.outputs, self._ownership)
            telemetry.FLUSH_SECONDS.observe(time.monotonic() - began)
        if self._audience is not None and outgoing.records:
            self._audience.published(outgoing.records)
        if outgoing.state:
            telemetry.SNAPSHOT_BYTES.inc(sum(len(m.value or b"") for m in outgoing.state))
            await self._publisher.send(outgoing.state, self._ownership)
        if with_state:
            # Also where nothing is new: a commit that succeeds is the lease for what is written next.
            done = {TP(topic, number): following for (topic, number), following in outgoing.done.items()}
            try:
                await self._ownership.confirm(done)
            except TimeoutError:
                log.warning("kafka.silent", while_="committing")  # all is written; offsets are committed with the next flush
        self._flushed = time.monotonic()

    def _look_at_ends(self) -> None:
        series = waiting = 0
        now = time.time_ns() // 1000
        behind = 0
        for number, partition in self._engine.partitions.items():
            tp = TP(self._status_topic, number)
            end = self._consumer.highwater(tp)
            partition.caught_up = end is not None and self._consumer.expected.get(tp, 0) >= end
            series += len(partition.series)
            waiting += len(partition.waiting)
            clocks = [f.clock for f in partition.feeds.values() if f.epoch and not f.replay]
            behind = max([behind, *(now - clock for clock in clocks)])
        telemetry.SERIES.set(series)
        telemetry.WAITING.set(waiting)
        self._behind_s = behind / SECOND
        telemetry.BEHIND_SECONDS.set(self._behind_s)
        telemetry.FALLBACKS.set(self._engine.fallbacks)
        telemetry.REREADS.set(self._consumer.rereads)

    async def _declare_silent(self, now: float) -> None:
        # A producer that has fallen silent is declared down IN the topic, by the partition's owner: that too is input.
        found: list[tuple[int, str]] = []
        for number, partition in self._engine.partitions.items():
            waiting = {status.source for _, status in partition.waiting}
            for source, feed in partition.feeds.items():
                silence = self._silence.setdefault((number, source), Silence(feed.offset, now))
                if source in waiting or (feed.offset != silence.offset and feed.state != "producer_down"):
                    silence.since = now
                silence.offset = feed.offset
                silent = partition.caught_up and now - silence.since >= self._settings.producer_silent_s
                if silent and now - silence.declared >= 1.0:
                    silence.declared = now
                    found.append((number, source))
        if not found:
            return
        # Kafka's word, now, that nothing came: what was last fetched may be old.
        asked = self._consumer.highwaters(*{TP(self._status_topic, number) for number, _ in found})
        try:
            ends = await asyncio.wait_for(asked, ANSWER_S)
        except TimeoutError:
            return  # it is Kafka that is silent
        heard = {number for number in self._engine.partitions if self._is_read(number, ends)}
        clock = time.time_ns() // 1000
        messages = [self._engine.producer_down(number, source, clock) for number, source in found if number in heard]
        await self._publisher.send([m for m in messages if m is not None], self._ownership)

    def _is_read(self, number: int, ends: Mapping[TP, int]) -> bool:
        tp = TP(self._status_topic, number)
        return tp in ends and self._consumer.expected.get(tp, 0) >= ends[tp]
