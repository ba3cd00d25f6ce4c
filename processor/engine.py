"""PURE. The worker's partitions between Kafka batches and Kafka messages: decode, fold, and hand over what is to be sent.

It holds no client and no clock: the app hands it batches and takes `Outgoing`; what was taken counts as done only when the app
says so, so offsets never run ahead of deliveries.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from processor.blocks import Blocks, Message, Refused
from processor.core.config import CoreConfig
from processor.core.partition import Partition
from processor.core.restoring import load
from processor.core.snapshot import dump
from processor.draft import Counters, Draft
from processor.outgoing import Outgoing, Send, State
from processor.status_input import StatusInput
from schemas import topics
from schemas.codec import Encoder, SchemaById
from schemas.records import FeedStatus
from schemas.wire import WireError

BLOCK_RECORDS = 50_000
"""Records decoded at once: larger blocks gain nothing and hold the interpreter longer (our choice, measured)."""


class Engine:
    """All partitions of one worker."""

    def __init__(
        self, config: CoreConfig, prefix: str, ids: dict[str, int], schema_by_id: SchemaById, counters: Counters, service: str
    ) -> None:
        """Make an engine without partitions.

        Args:
            config: the core's settings.
            prefix: first part of every topic's name.
            ids: registered schema id by dataset, for what is written (candles-<tf>, candles-live, gaps, feed-status).
            schema_by_id: finds a writer's schema.
            counters: told of everything taken, refused and made.
            service: name and version, put into dead letters.
        """
        self.config = config
        self.partitions: dict[int, Partition] = {}
        self._counters = counters
        self._dataset_of = {t.name(prefix): t.dataset for t in topics.INPUTS}
        self._topic_of = {d: t for t, d in self._dataset_of.items()}
        self._changelog = topics.changelog_name(prefix)
        self._blocks = {kind: Blocks(kind, schema_by_id, config.ahead_us) for kind in ("trades", "quotes", "history")}
        self._status = StatusInput(schema_by_id)
        self._encode_status = Encoder(FeedStatus, ids["feed-status"])
        self._draft = Draft(prefix, ids, [t.name for t in config.timeframes], counters, service)
        self._read: dict[tuple[str, int], int] = {}

    # Ownership

    def restored(self, states: Mapping[int, dict[bytes, bytes]]) -> dict[int, Partition]:
        """Return partitions made from the changelog's latest records of each. Touches nothing of this: good for a thread."""
        return {number: load(self.config, number, state) for number, state in states.items()}

    def assign(self, partitions: dict[int, Partition]) -> None:
        """Become the owner of exactly these partitions."""
        self._draft.clear()
        self._read = {}
        self.partitions = partitions

    def seek(self, topic: str, number: int, offset: int) -> None:
        """Note where an input is read from, once after `assign`; later seeks go back to what is in memory already."""
        if number in self.partitions and (topic, number) not in self._read:
            self._read[topic, number] = offset
            dataset = self._dataset_of[topic]
            partition = self.partitions[number]
            if dataset in partition.positions:
                partition.positions[dataset] = offset
            if dataset in ("trades", "quotes") and offset and not partition.feeds:
                partition.begins[dataset] = offset

    def release(self) -> None:
        """Own nothing: what was not flushed will be read again by the next owner."""
        self.partitions = {}
        self._draft.clear()
        self._read = {}

    # Input

    def take(self, topic: str, number: int, messages: Sequence[Message], now: int) -> None:
        """Take in one batch of one topic and partition, in offset order. `now` is the wall clock, microseconds."""
        partition = self.partitions[number]
        dataset = self._dataset_of[topic]
        known = self._read.get((topic, number), 0)
        if messages[0].offset < known:  # read again after a seek: memory holds it
            messages = [m for m in messages if m.offset >= known]
            if not messages:
                return
        self._counters.records(dataset, len(messages))
        if dataset in self._blocks:
            for first in range(0, len(messages), BLOCK_RECORDS):
                self._take_block(partition, topic, dataset, messages[first : first + BLOCK_RECORDS], now)
        elif dataset == "feed-status":
            self._take_statuses(partition, topic, messages)
        following = messages[-1].offset + 1
        if dataset in partition.positions:
            partition.positions[dataset] = following
        self._read[topic, number] = following
        partition.release(now)
        out = partition.take_out()
        self._draft.add_left_out(number, topic, messages, out)
        self._draft.add(number, out)

    def _take_block(self, partition: Partition, topic: str, kind: str, messages: Sequence[Message], now: int) -> None:
        frame, refused = self._blocks[kind](messages)
        self._draft.add_dead(partition.number, topic, messages, refused)
        if frame is None:
            return
        if kind == "history":
            partition.take_history(frame)
        else:
            partition.take(kind, frame, now)

    def _take_statuses(self, partition: Partition, topic: str, messages: Sequence[Message]) -> None:
        for m in messages:
            try:
                status = self._status(m.key, m.value)
            except WireError as error:
                self._draft.add_dead(partition.number, topic, [m], [Refused(m.offset, error.reason, str(error))])
                continue
            partition.take_status(m.offset, status)

    # Output

    @property
    def fallbacks(self) -> int:
        """Blocks that had to be halved so far, for something in them was damaged."""
        return sum(b.fallbacks for b in self._blocks.values())

    @property
    def pressing(self) -> bool:
        """True when something waits that must be sent at once: a closing, a gap change, a dead letter; or history to take in."""
        return bool(self._draft) or any(p.held.is_due for p in self.partitions.values())

    def outgoing(self, live: set[int], now: int) -> Outgoing:
        """Take what is to be published, and a portion of the history that is due with it.

        Args:
            live: indices of the timeframes whose live candles are due.
            now: wall clock, microseconds.
        """
        for partition in self.partitions.values():
            if partition.held.is_due:
                partition.release(now)
                self._draft.add(partition.number, partition.take_out())
        outgoing = self._draft.take(self._journal())
        for partition in self.partitions.values() if live else ():
            self._draft.add_live(partition.number, partition.take_live(live, now), outgoing)
        return outgoing

    def _journal(self) -> list[Send]:
        of = self.partitions.items()
        return [Send(self._changelog, number, key, value) for number, p in of for key, value in p.take_journal()]

    def state(self, numbers: Collection[int]) -> State:
        """Take the state of these partitions, as of what `outgoing` has taken."""
        state = State()
        for number in numbers:
            state.messages += [Send(self._changelog, number, key, value) for key, value in dump(self.partitions[number])]
        for (topic, number), following in self._read.items():
            if number in numbers:
                # What waits (a status for its records, history for its status) is read again after a crash: it is not done.
                oldest = self._oldest_waiting(self._dataset_of[topic], self.partitions[number])
                state.done[topic, number] = following if oldest is None else min(following, oldest)
        return state

    def _oldest_waiting(self, dataset: str, partition: Partition) -> int | None:
        if dataset == "feed-status":
            return partition.oldest_waiting if partition.waiting else None
        return partition.held.oldest(dataset)

    def producer_down(self, number: int, source: str, clock: int) -> Send | None:
        """Return the status by which a partition's owner declares a silent source's producer down, or None for a replay.

        Args:
            number: the partition.
            source: the silent source.
            clock: its clock moved on, microseconds.
        """
        partition = self.partitions[number]
        feed = partition.feeds[source]
        if feed.replay or feed.finished or not feed.epoch:
            return None
        status = FeedStatus(
            source=source,
            state="producer_down",
            reason="no status from the producer",
            epoch=feed.epoch,
            since=feed.good_until or clock,
            sent_at=clock,
            good_from=feed.good_from,
            good_until=feed.good_until,
            complete_to=max(feed.clock, clock),
            trades_offset=partition.positions["trades"],
            quotes_offset=partition.positions["quotes"],
            history_offset=partition.positions["history"],
            ids=feed.ids,
            writer="processor",
        )
        return Send(self._topic_of["feed-status"], number, source.encode(), self._encode_status(status))
