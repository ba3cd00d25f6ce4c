"""SHELL (Kafka). What the engine made, to Kafka: outputs as soon as they are due, state and offsets behind them.

The identities of new gaps are acknowledged first (`core.journal`), then outputs, then state, then the offsets of exactly that
state are committed; a crash between any two repeats work and loses nothing. Final candles and gaps wait for nothing else: live
candles, and state with its offsets, go beside them, one round of each at a time. Nothing is written without a lease
(`processor.ownership`), which each commit renews.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import structlog
from faust.types import TP

from processor import telemetry
from processor.beside import Beside
from processor.engine import Engine
from processor.intake import HOLD_MOST_S, HOLD_S, Intake
from processor.outgoing import Made, Outgoing, Send, State
from processor.ownership import LostError, Ownership
from processor.publisher import DeliveryError, Publisher
from processor.pulse import Pulse
from processor.tracing import Batches
from processor.watch import Watch

log = structlog.get_logger()
TICK_S = 0.05
"""How often to look for what nothing else wakes us for: a lease, a silence, a size (our choice)."""

STATE_SHARE = 0.1
"""Most of the time that may go into taking state, in which nothing else is done: with many series its period stretches."""

Published = Callable[[Sequence[Made]], None]


class Flusher:
    """Takes in what waits, and writes what comes of it, while `ready`."""

    def __init__(
        self,
        engine: Engine,
        intake: Intake,
        publisher: Publisher,
        ownership: Ownership,
        watch: Watch,
        pulse: Pulse,
        flush_s: float,
        published: Published,
        batches: Batches | None = None,
    ) -> None:
        """Make one that is not ready.

        Args:
            engine: made to take in, and asked what to send.
            intake: emptied here.
            publisher: sends.
            ownership: allows it.
            watch: of feed-status.
            pulse: says when live candles are due.
            flush_s: period of state and commits.
            published: hears what Kafka has acknowledged.
            batches: hears how far everything is, for those that are followed by spans; None = none.
        """
        self.assigned = False
        """Set by the owner once partitions are assigned and recovered."""
        self.ready = False
        """Set by the owner once their inputs are sought: what is read from then on may be written."""
        self.due = asyncio.Event()
        """Set when something was made that must not wait."""
        self.committed_at: float | None = None
        """When state and offsets were last written, monotonic seconds."""
        self._engine = engine
        self._intake = intake
        self._publisher = publisher
        self._ownership = ownership
        self._watch = watch
        self._pulse = pulse
        self._flush_s = flush_s
        self._state_due = 0.0
        self._state_of = -1
        """Partition whose state was written last."""
        self._published = published
        self._batches = batches or Batches(None)
        self._writing = asyncio.Lock()
        self._beside = Beside(self._ended)
        """What is written meanwhile: ``live`` candles; ``state`` and offsets, or the lease alone."""

    def take(self) -> None:
        """Fold everything that waits."""
        for (topic, number), batch in self._intake.take():
            if number in self._engine.partitions:
                self._batches.folding(topic, number)
                self._engine.take(topic, number, batch, time.time_ns() // 1000)  # noqa: TID251  # stamped on what is made
                self._batches.folded(topic, number)
        if self._engine.pressing:
            self.due.set()

    async def run(self, crash: Callable[[BaseException], Awaitable[None]], stopping: Callable[[], bool]) -> None:
        """Write whatever is due until `stopping` says so; what cannot be mended ends in `crash`."""
        while not stopping():
            await self._wait()
            self._watch.tick()
            try:
                self._beside.judge()
                if self.ready:
                    await self._flush()
            except LostError:
                # Heartbeats meet the same refusal and Faust joins again, which assigns everything anew.
                log.warning("partitions.lost")
                await self.drop()
            except Exception as error:
                self.ready = False
                # What Kafka refused is said in a line; anything else is a mistake, told with its place.
                log.error("flush.failed", reason=str(error), exc_info=not isinstance(error, DeliveryError))
                await crash(error)
                raise

    async def part(self) -> None:
        """Write and commit everything, then own nothing: Kafka waits for this before it gives the partitions to another."""
        async with self._writing:
            try:
                await self._beside.end()
                if self.ready:
                    await self._write(set(), sorted(self._engine.partitions))
                    await self._beside.end()
            except LostError as error:
                log.warning("flush.given_up", reason=str(error))
            self._forget()

    async def drop(self) -> None:
        """Own nothing any more, and write nothing more of it."""
        self.ready = False
        async with self._writing:
            await self._beside.cancel()
            self._forget()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Write nothing meanwhile."""
        async with self._writing:
            yield

    def _forget(self) -> None:
        self.ready = self.assigned = False
        self.committed_at = None
        self._engine.release()
        self._intake.clear()
        self._batches.forget()

    async def _wait(self) -> None:
        limit = TICK_S
        if self.ready and self._ownership.fresh():
            now = time.monotonic()
            live = TICK_S if "live" in self._beside else self._pulse.due_in(now)
            limit = min(limit, live, self._intake.due_in(now))
        with suppress(TimeoutError):
            await asyncio.wait_for(self.due.wait(), max(limit, 0.001))
        self.due.clear()

    async def _flush(self) -> None:
        async with self._writing:
            if not self.ready:
                return
            now = time.monotonic()
            if not self._ownership.fresh() and not await self._confirm("before a flush"):
                return  # all stays in memory until Kafka answers
            live = set() if "live" in self._beside else self._pulse.due(now)
            with_state = "state" not in self._beside and now >= self._state_due
            if live or with_state or not self._intake.due_in(now):
                self.take()
            self._watch.look()
            declared = await self._watch.for_the_silent()
            if declared:
                await self._publisher.send(declared, self._ownership)
            if not with_state and "state" not in self._beside and self._ownership.ageing():
                self._beside.start("state", self._renew())
            await self._write(live, self._next_part() if with_state else ())
            self._intake.hold_s = min(HOLD_S * self._pulse.stretch, HOLD_MOST_S)
            telemetry.LIVE_STRETCH.set(self._pulse.stretch)

    async def _write(self, live: set[int], state_of: Collection[int]) -> None:
        try:
            await self._write_all(live, state_of)
        except BaseException:
            self.ready = False  # taken out of the engine and perhaps not written: nothing after it may be
            raise

    async def _write_all(self, live: set[int], state_of: Collection[int]) -> None:
        began = time.monotonic()
        made = self._engine.outgoing(live, time.time_ns() // 1000)  # noqa: TID251  # stamped on what is made
        if made.live:
            self._pulse.sent(made.live, time.monotonic() - began)
            self._beside.start("live", self._send(*_live(made)))
        outputs, records = _lasting(made)
        self._batches.publishing(len(outputs))
        state = self._state(state_of) if state_of else None
        if made.journal:
            await self._publisher.send(made.journal, self._ownership)
        if outputs:
            await self._send(outputs, records)
            telemetry.FLUSH_SECONDS.observe(time.monotonic() - began)
        self._batches.published()
        if state is not None:
            self._beside.start("state", self._write_state(state))

    def _next_part(self) -> Collection[int]:
        # One partition's state at a time, in turn: nothing else is done while it is taken.
        numbers = sorted(self._engine.partitions)
        following = [n for n in numbers if n > self._state_of] or numbers
        if not following:
            return ()
        self._state_of = following[0]
        return following[:1]

    def _state(self, numbers: Collection[int]) -> State:
        began = time.monotonic()
        state = self._engine.state(numbers)
        share = len(numbers) / max(1, len(self._engine.partitions))
        period = max(self._flush_s * share, (time.monotonic() - began) / STATE_SHARE)
        self._state_due = began + period
        telemetry.STATE_PERIOD_SECONDS.set(period / share)
        return state

    async def _send(self, outputs: Sequence[Send], records: Sequence[Made]) -> None:
        await self._publisher.send(outputs, self._ownership)
        self._published(records)
        telemetry.count_coverage(made.what for made in records)

    def _ended(self, failed: bool) -> None:
        if failed:
            self.ready = False  # what was taken out of the engine is perhaps not written
        self.due.set()

    async def _write_state(self, state: State) -> None:
        self._batches.committing(state.done)
        telemetry.SNAPSHOT_BYTES.inc(sum(len(m.value or b"") for m in state.messages))
        await self._publisher.send(state.messages, self._ownership)
        done = {TP(topic, number): following for (topic, number), following in state.done.items()}
        if await self._confirm("committing", done):  # where Kafka did not answer, offsets follow with the next
            self._batches.committed(state.done)
        self.committed_at = time.monotonic()

    async def _renew(self) -> None:
        await self._confirm("renewing the lease")

    async def _confirm(self, purpose: str, done: Mapping[TP, int] | None = None) -> bool:
        began = time.monotonic()
        try:
            await self._ownership.confirm(done)
        except TimeoutError:
            log.warning("kafka.silent", while_=purpose, seconds=round(time.monotonic() - began, 1))
            return False
        return True


def _live(made: Outgoing) -> tuple[list[Send], list[Made]]:
    # The engine puts them behind everything else.
    return made.outputs[-made.live :], made.records[-made.live :]


def _lasting(made: Outgoing) -> tuple[list[Send], list[Made]]:
    return made.outputs[: len(made.outputs) - made.live], made.records[: len(made.records) - made.live]
