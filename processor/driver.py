"""SHELL (Kafka, through Faust). Faust's aiokafka driver, handing over one event per partition and fetch instead of one a record.

Stock Faust spends 145-290 us of CPU a record on its way to the agent; a list of records costs that once. Three rules make it
sound where stock Faust is not: every window's state says which offsets it holds, offsets are committed only by `commit_now`, once
their effects are acknowledged, and a batch must continue where the last one ended (`check`).

Membership and assignment are Faust's; its table is empty and exists for the sake of its assignor. State is read by the processor.

The classes override private parts of faust-streaming, mode and aiokafka, which are therefore pinned exactly.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, cast

import faust
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

PINNED = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}

FETCH_WAIT_MS = 25
"""Longest wait of Kafka for something to hand over (our choice: forty empty answers a second cost nothing that is seen)."""


class Batch(list[Any]):
    """The records of one partition out of one fetch, and the seek they were fetched after."""

    __slots__ = ("seek",)
    seek: int


class QuickThread(driver.AIOKafkaConsumerThread):
    """The consumer's thread, whose fetches wait less for data than Faust wires in.

    After a stall (200 ms without anybody taking what was fetched) aiokafka asks for the idle partitions alone; a trade in a busy
    one is then not fetched until that request ends: after 1.5 s at worst.
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class BatchConsumer(driver.Consumer):
    """Consumes the topics in `batch_topics` as batches; every other one (the changelog) record by record."""

    batch_topics: frozenset[str] = frozenset()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected: dict[TP, int] = {}
        """Offset the next batch must begin at."""
        self.rereads = 0
        self._seeks: dict[TP, int] = {}
        self._hole_at: dict[TP, int] = {}

    def _new_consumer_thread(self) -> QuickThread:
        return QuickThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109  # Faust's signature
        """Yield one message a partition, whose value is the `Batch` of its records."""
        seeks = dict(self._seeks)  # read before the fetch is issued
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            try:
                await self.perform_seek()
            except Exception as error:  # the assignment may be gone by now; the next rebalance seeks again
                self.log.warning("seek failed: %r", error)
            return
        for tp_read, batch_read in records.items():
            if not batch_read:
                continue
            if not self.flow_active or self.app.consumer_generation_id != generation:
                break
            tp = TP(tp_read.topic, tp_read.partition)
            if not (active is None or tp in active or tp in self._buffered_partitions):
                continue
            if tp.topic in self.batch_topics:
                batch, last = Batch(batch_read), batch_read[-1]
                batch.seek = seeks.get(tp, 0)
                yield (
                    tp,
                    ConsumerMessage(
                        tp.topic,
                        tp.partition,
                        last.offset,
                        last.timestamp / 1000.0,
                        last.timestamp_type,
                        None,
                        None,
                        batch,  # type: ignore[arg-type]  # the trick of this driver: a list where a value is expected
                        None,
                        0,
                        0,
                        tp,
                        generation_id=generation,
                    ),
                )
            else:
                for record in batch_read:
                    yield tp, self._to_message(tp, record)

    async def perform_seek(self) -> None:
        """Seek to the committed offsets; every rebalance and recovery ends here."""
        await super().perform_seek()
        mine = [tp for tp in self.assignment() if tp.topic in self.batch_topics]
        first = await self.earliest_offsets(*mine) if mine else {}
        for tp in mine:
            committed = self._committed_offset.get(tp)
            self.expected[tp] = max(committed or 0, first.get(tp) or 0)
            self._seeks[tp] = self._seeks.get(tp, 0) + 1
        cast(BatchApp, self.app).seeked({tp: self.expected[tp] for tp in mine})

    async def check(self, tp: TP, batch: Batch) -> bool:
        """Return whether a batch continues what was processed; where it does not, read again from where that ended.

        Records fetched after the last seek of a recovery can be cleared by Faust, and a batch fetched before a seek can
        arrive after it. Overlap is harmless: windows know which offsets they hold.
        """
        expected = self.expected.get(tp)
        if expected is None:
            return False
        if batch[0].offset <= expected:
            return True
        if batch.seek != self._seeks.get(tp, 0):
            return False
        if self._hole_at.get(tp) == expected:
            return True  # read twice, the hole is in the log itself (retention, transaction markers)
        self._hole_at[tp] = expected
        self._seeks[tp] = self._seeks.get(tp, 0) + 1
        self.rereads += 1
        await self.seek(tp, expected)
        return False

    def taken(self, tp: TP, following: int) -> None:
        """Note that everything below `following` is in memory: the next batch begins there."""
        self.expected[tp] = max(self.expected.get(tp, 0), following)

    async def commit_now(self, offsets: Mapping[TP, int]) -> bool:
        """Commit offsets of batch topics; False where some are not ours or the group has another generation."""
        if not self.assignment().issuperset(offsets):
            return False
        return bool(await self._commit(offsets))

    def _new_offset(self, tp: TP) -> int | None:
        # Faust's own commits: never for batch topics, which `commit_now` does.
        if tp.topic not in self.batch_topics:
            result: int | None = super()._new_offset(tp)
            return result
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return None

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if tp.topic not in self.batch_topics:
            await super()._add_gap(tp, offset_from, offset_to)


class StateElsewhere(Recovery):
    """Faust's recovery with nothing to read: the order of its steps at an assignment is kept, the records are not its own."""

    def need_recovery(self) -> bool:
        """Return False."""
        return False


class BatchTables(TableManager):
    """Tables whose recovery reads nothing, and that are all declared before the start."""

    @property
    def recovery(self) -> Recovery:
        """Recovery service used by this table manager."""
        if self._recovery is None:
            self._recovery = StateElsewhere(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """Start without the second that Faust waits for tables declared late."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()


class BatchApp(faust.App):
    """A Faust app on the batch driver. Set `batch_topics` before it starts."""

    batch_topics: frozenset[str] = frozenset()
    early: tuple[Any, ...] = ()
    """Services that start before the group is joined and end last."""

    def on_init_dependencies(self) -> Iterable[Any]:
        """Return what starts with the app, in order."""
        return [*self.early, *super().on_init_dependencies()]

    def seeked(self, positions: dict[TP, int]) -> None:
        """Called after every seek with the offsets that are read next; for the owner to override."""

    def _create_directories(self) -> None:
        """Make no folder: nothing of this app is kept in files, and a container's may be read-only."""

    def _new_transport(self) -> Any:
        consumer = type("Consumer", (BatchConsumer,), {"batch_topics": self.batch_topics})

        class Transport(driver.Transport):
            Consumer = consumer

        return Transport(self.conf.broker_consumer, self)

    async def maybe_start_producer(self) -> Any:
        """Start Faust's own producer once, without the locks that cost a send three turns of the loop."""
        producer = self.producer
        if not producer.started:
            await producer.maybe_start()
        return producer
