"""SHELL (Kafka, through Faust). A worker in its group: batches to the intake, partitions that come with their state and go done.

Before partitions go, at a rebalance or at the end, a last flush spares the next owner the reading again. What is written, and in
which order, is `processor.flushing`'s.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, cast

import structlog
from faust.types import TP

from processor import changelog, telemetry
from processor.core.partition import Partition
from processor.driver import BatchConsumer
from processor.engine import Engine
from processor.feed_states import feed_states
from processor.flushing import Flusher
from processor.group import make_app
from processor.intake import Intake, releases
from processor.outgoing import Made
from processor.ownership import Ownership
from processor.publisher import Publisher
from processor.pulse import Pulse
from processor.settings import Settings
from processor.tracing import Batches
from processor.watch import Watch
from schemas import topics

log = structlog.get_logger()
TURNS = 5
"""Turns of the loop after much was folded at once: a question over HTTP takes as many, and waits for one such batch."""
FLUSH_LIMIT_S = 45.0
"""Age of the last commit at which a worker is not ready: a delivery may take 30 s (our choice)."""


class Audience(Protocol):
    """Who hears, in this process, what has been published."""

    def own(self, partitions: Collection[int]) -> None:
        """Hear which partitions are owned from now on."""

    def published(self, records: Sequence[Made]) -> None:
        """Hear what Kafka has acknowledged."""


class Nobody:
    """The audience of a worker without pages."""

    def own(self, partitions: Collection[int]) -> None:
        """Hear nothing."""

    def published(self, records: Sequence[Made]) -> None:
        """Hear nothing."""


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
        batches: Batches | None = None,
    ) -> None:
        """Make an app that does not run yet.

        Args:
            settings: the service's.
            engine: without partitions.
            publisher: sends what the engine makes.
            partitions: how many there are.
            audience: told of everything published.
            url: where this worker answers over HTTP; the group's other members learn it with each assignment.
            batches: those that are followed by spans; None = none.
        """
        self._settings = settings
        self._batches = batches or Batches(None)
        self._engine = engine
        self._audience = audience or Nobody()
        self._status_topic = topics.FEED_STATUS.name(settings.topic_prefix)
        self._changelog = topics.changelog_name(settings.topic_prefix)
        self._intake = Intake(last=self._status_topic)
        self._ownership = Ownership(self._commit)
        self._watch = Watch(engine, lambda: self._consumer, self._status_topic, settings.producer_silent_s)
        pulse = Pulse(settings.timeframes, settings.live_ms / 1000, settings.live_budget, settings.live_periods)
        self._flusher = Flusher(
            engine,
            self._intake,
            publisher,
            self._ownership,
            self._watch,
            pulse,
            settings.flush_ms / 1000,
            self._audience.published,
            self._batches,
        )
        self._given_up = threading.Event()
        """Ends the reading of state for an assignment that is no longer the one."""
        self._parted = -1
        """Generation of the group whose partitions were last given up."""
        self._datasets = {t.name(settings.topic_prefix): t.dataset for t in topics.INPUTS}
        self.app = make_app(settings, list(self._datasets), partitions, url)
        self._connect(list(self._datasets))

    def _connect(self, inputs: Sequence[str]) -> None:
        app = self.app
        app.seeked = self._seeked  # type: ignore[method-assign]  # the hook is meant for this
        stream = app.topic(*inputs, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        app.Table("state", key_type=bytes, value_type=bytes, on_recover=self._recovered)
        app.agent(stream, name="batches")(self._run)
        app.task(self._flush)
        app.on_partitions_revoked.connect(self._revoked)  # type: ignore[arg-type]  # Faust passes `revoked`
        app.on_before_shutdown.connect(self._leaving)

    @property
    def _consumer(self) -> BatchConsumer:
        return cast(BatchConsumer, self.app.consumer)

    # For the pages

    def health(self) -> dict[str, Any]:
        """Return whether this worker is `ready`, and why: partitions assigned and recovered, last commit, how far behind."""
        committed_at = self._flusher.committed_at
        age = None if committed_at is None else time.monotonic() - committed_at
        working = self._flusher.ready and age is not None and age < FLUSH_LIMIT_S
        return {
            "ready": self._flusher.assigned and (working or not self._engine.partitions),
            "assigned": self._flusher.assigned,
            "partitions": sorted(self._engine.partitions),
            "last_flush_age_s": None if age is None else round(age, 3),
            "behind_s": round(self._watch.behind_s, 3),
        }

    def owners(self) -> dict[int, str]:
        """Return the URL of every partition's owner, as the last assignment of the group says."""
        members = self.app.assignor.tables_metadata()
        return {number: str(url) for url, owned in members.items() for number in owned.get(self._changelog, ())}

    def owned(self) -> list[int]:
        """Return the partitions that are this worker's, recovered."""
        return sorted(self._engine.partitions) if self._flusher.assigned else []

    def series(self) -> list[str]:
        """Return the series kept on this worker."""
        return [name for partition in self._engine.partitions.values() for name in partition.series]

    def feeds(self) -> list[dict[str, Any]]:
        """Return how the feeds are, as far as this worker has heard."""
        return feed_states(partition.feeds for partition in self._engine.partitions.values())

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
        await self._flusher.part()

    async def _recovered(self) -> None:
        if self.app.consumer_generation_id == self._parted:
            return  # late: these partitions are gone already, and the next assignment is on its way
        self._given_up = given_up = threading.Event()
        s = self._settings
        numbers = sorted({tp.partition for tp in self._consumer.assignment() if tp.topic in self.app.batch_topics})
        began = time.monotonic()
        try:
            states = await asyncio.to_thread(changelog.read, s.kafka, s.kafka_options, self._changelog, numbers, given_up)
            if states is None:
                return
            records = sum(map(len, states.values()))
            partitions = await asyncio.to_thread(self._engine.restored, states)
        except Exception as error:
            log.exception("state.unreadable")
            await self.app.crash(error)
            raise
        async with self._flusher.paused():
            if given_up.is_set():
                return
            self._engine.assign(partitions)
        self._flusher.assigned = True
        self._audience.own(numbers)
        telemetry.PARTITIONS.set(len(numbers))
        restored = sum(len(p.series) for p in self._engine.partitions.values())
        seconds = round(time.monotonic() - began, 2)
        log.info("partitions.assigned", partitions=numbers, series_restored=restored, state_records=records, seconds=seconds)

    def _seeked(self, positions: dict[TP, int]) -> None:
        if self._flusher.ready or not positions or {tp.partition for tp in positions} != set(self._engine.partitions):
            return  # nothing to own, or a seek during a rebalance: the one that counts comes after recovery
        for tp, offset in positions.items():
            self._engine.seek(tp.topic, tp.partition, offset)
        self._ownership.begin(positions)
        self._watch.begin()
        self._flusher.ready = True

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return await self._consumer.commit_now(offsets)

    # Input and output

    async def _run(self, stream: Any) -> None:
        consumer = self._consumer
        async for event in stream.noack().events():
            turns = 1
            try:
                batch, tp = event.value, event.message.tp
                partition = self._engine.partitions.get(tp.partition)
                if partition is not None and await consumer.check(tp, batch):
                    following = batch[-1].offset + 1
                    consumer.taken(tp, following)
                    urgent = tp.topic == self._status_topic or self._releases(partition, tp.topic, following)
                    self._intake.put(tp.topic, tp.partition, batch, time.monotonic(), urgent=urgent)
                    self._batches.taken(tp.topic, tp.partition, batch[0].offset, following, len(batch))
                    if self._intake.full:
                        turns = TURNS
                        self._flusher.take()
                    elif urgent:
                        self._flusher.due.set()
                event.ack()
                for _ in range(turns):
                    await asyncio.sleep(0)
            except Exception as error:
                self._flusher.ready = False  # half a batch is in memory
                log.exception("batch.failed")
                await self.app.crash(error)
                raise

    def _releases(self, partition: Partition, topic: str, following: int) -> bool:
        dataset = self._datasets[topic]
        return releases((s for _, s in partition.waiting), dataset, partition.positions[dataset], following)

    async def _flush(self) -> None:
        await self._flusher.run(self.app.crash, lambda: self.app.should_stop)
