"""SHELL (Kafka). Reads candle and gap topics backwards from their ends, in a thread, to fill the cache after a restart.

How far back is bounded by records: chunk by chunk, until a whole chunk held nothing that the cache did not know better, or
its byte budget is used up, or `MOST_BACK` records of one partition were read, or the topic begins. Time is no bound: replayed
candles of last year may have been published a minute ago.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from processor.cache import Cache, place_of
from schemas.records import Candle, Gap

CHUNK = 4000
"""Records read at once (our choice: 100 ms of one core)."""
MOST_BACK = 500_000
"""Records read back of one topic and partition at most (our choice: 1000 candles of 500 series)."""
ANSWER_S = 10.0
"""How long Kafka may take to answer."""
SLICE = 200
"""Records put into the cache between two turns of the loop."""

Read = Callable[[type[Candle] | type[Gap], bytes | None], Candle | Gap | None]


class WarmError(Exception):
    """Kafka did not give what it has; to be tried again."""


class Back(NamedTuple):
    """A topic to read back, and what it carries."""

    topic: str
    record: type[Candle] | type[Gap]


class Reader:
    """A consumer outside the group, for one thread at a time."""

    def __init__(self, bootstrap: str, options: Mapping[str, str], read: Read) -> None:
        self._read = read
        self._stopping = threading.Event()
        self._in_use = threading.Lock()
        """A cancelled task leaves its thread behind for a moment; closing waits for it."""
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "candlewick-processor-cache",  # never joined: partitions are assigned by hand, nothing is committed
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,
                "queued.max.messages.kbytes": 4096,
                **options,
            }
        )

    def ends(self, topic: str, partition: int) -> tuple[int, int]:
        """Return the first offset there is and the one after the last.

        Raises:
            WarmError: Kafka did not say.
        """
        with self._in_use:
            try:
                low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ANSWER_S)
            except KafkaException as error:
                raise WarmError(str(error)) from error
            return low, high

    def chunk(self, back: Back, partition: int, first: int, stop: int) -> list[tuple[Candle | Gap, bytes]]:
        """Return the records from offset `first` to before `stop`, without what is none.

        Raises:
            WarmError: Kafka did not give them, or the process is ending.
        """
        with self._in_use:
            try:
                self._consumer.assign([TopicPartition(back.topic, partition, first)])
                return self._chunk(back, partition, first, stop)
            except KafkaException as error:
                raise WarmError(str(error)) from error

    def _chunk(self, back: Back, partition: int, first: int, stop: int) -> list[tuple[Candle | Gap, bytes]]:
        found: list[tuple[Candle | Gap, bytes]] = []
        deadline = time.monotonic() + ANSWER_S
        while not self._stopping.is_set():
            messages = self._consumer.consume(CHUNK, 0.2)
            if messages:
                deadline = time.monotonic() + ANSWER_S
            elif time.monotonic() > deadline:
                raise WarmError(f"{back.topic} [{partition}] gave nothing for {ANSWER_S:.0f} s at {first}")
            for m in messages:
                error = m.error()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:
                        return found
                    raise WarmError(str(error))
                offset = m.offset()
                if offset is None or offset >= stop:
                    return found
                body = m.value()
                record = self._read(back.record, body)
                if record is not None and body is not None:
                    found.append((record, body))
                if offset == stop - 1:
                    return found
        raise WarmError("stopped")

    def stop(self) -> None:
        """Make a read under way end soon."""
        self._stopping.set()

    def close(self) -> None:
        """Let go of the connections."""
        with self._in_use:
            self._consumer.close()


class Log(Protocol):
    """What is read back; `Reader` reads it from Kafka."""

    def ends(self, topic: str, partition: int) -> tuple[int, int]:
        """Return the first offset there is and the one after the last."""

    def chunk(self, back: Back, partition: int, first: int, stop: int) -> list[tuple[Candle | Gap, bytes]]:
        """Return the records from offset `first` to before `stop`."""

    def stop(self) -> None:
        """Make a read under way end soon."""

    def close(self) -> None:
        """Let go of the connections."""


async def fill(cache: Cache, reader: Log, topics: Sequence[Back], partition: int) -> int:
    """Read a partition's topics back into the cache; return how many records were read.

    Raises:
        WarmError: Kafka did not give them; what was read stays.
    """
    count = 0
    for back in topics:
        low, high = await asyncio.to_thread(reader.ends, back.topic, partition)
        stop, lowest = high, max(low, high - MOST_BACK)
        cache.partial |= lowest > low
        while stop > lowest and not cache.full:
            first = max(lowest, stop - CHUNK)
            found = await asyncio.to_thread(reader.chunk, back, partition, first, stop)
            count += len(found)
            if not await _put(cache, partition, found) and found and not cache.full:
                break
            stop = first
        if cache.full:
            cache.partial = True
            break
    return count


async def _put(cache: Cache, partition: int, found: Sequence[tuple[Candle | Gap, bytes]]) -> int:
    kept = 0
    for at in range(len(found), 0, -SLICE):  # the newest first: they stay where the budget ends the reading
        if cache.full:
            break
        kept += sum(cache.put(partition, place_of(record), body) for record, body in found[max(0, at - SLICE) : at])
        await asyncio.sleep(0)
    return kept
